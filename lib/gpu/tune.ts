/**
 * Which variant of a kernel runs for which shape.
 *
 * @module
 */

import type { Device } from "./device.ts";

/** A product to choose a kernel for. */
export interface MatmulShape {
  /** Rows of x. */
  readonly M: number;
  /** Outputs. */
  readonly N: number;
  /** Inputs. */
  readonly K: number;
  /** Type of x. */
  readonly xType: "f32" | "f16";
  /** Type of the weight. */
  readonly wType: "f32" | "f16" | "bf16";
}

/** A matmul variant: shader entry, tile of one invocation, invocations of one workgroup. */
export interface MatmulKernel {
  /** Entry of shaders.gen.ts. */
  readonly shader: string;
  /** Rows an invocation computes. */
  readonly RM: number;
  /** Columns an invocation computes. */
  readonly RN: number;
  /** Invocations along columns. */
  readonly WX: number;
  /** Invocations along rows. */
  readonly WY: number;
}

function registers(RM: number, RN: number, WX: number, WY: number): MatmulKernel {
  return { shader: `matmul@RM=${RM},RN=${RN},TEXELS=0`, RM, RN, WX, WY };
}

/** The variant for a product on a device. */
export function chooseMatmul(_device: Device, { M }: MatmulShape): MatmulKernel {
  if (M <= 2) return registers(1, 4, 32, 1);
  if (M <= 16) return registers(4, 4, 16, 1);
  return registers(8, 8, 8, 4);
}
