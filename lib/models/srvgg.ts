/**
 * SRVGGNetCompact: the small networks of Real-ESRGAN (realesr-general-x4v3, realesr-animevideov3), a plain stack of
 * convolutions at the picture's own size with a PReLU after each but the last.
 *
 * Source: Real-ESRGAN (arXiv 2107.10833) and its tensor names. Every size is read from the tensors.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { conv2d, type ConvWeights } from "../ops/conv2d.ts";
import { prelu } from "../ops/elementwise.ts";
import type { Tensor } from "../tensor.ts";
import { MOST } from "../weights/model_folder.ts";
import type { Checkpoint } from "../weights/types.ts";
import { convFlops, type Upscaler, type UpscalerRun } from "./upscaler.ts";
import type { Weights } from "./weights.ts";

/** What the tensors say. */
export interface SrvggConfig {
  /** Channels between convolutions: 64. */
  readonly features: number;
  /** Convolutions with a PReLU after them: 17 in realesr-animevideov3, 33 in realesr-general. */
  readonly layers: number;
  /** How many times larger a side gets. */
  readonly scale: number;
}

/**
 * Reads the sizes from the tensors.
 *
 * @throws {LssgenError} `bad_tensor` for shapes that no such network has.
 */
export function srvggConfig(source: Checkpoint): SrvggConfig {
  const shapeOf = (i: number): readonly number[] | undefined => source.info(`body.${i}.weight`)?.shape;
  let layers = 0;
  while (layers < MOST.layers && shapeOf(2 * layers + 1)?.length === 1) layers++;
  const [features] = shapeOf(0) ?? [];
  const last = shapeOf(2 * layers);
  const scale = Math.sqrt((last?.[0] ?? 0) / 3);
  if (last?.length !== 4 || !Number.isInteger(scale) || scale < 1 || scale > 16 || !(features >= 1)) {
    throw new LssgenError(
      "bad_tensor",
      `"${source.name}": tensor "body.${2 * layers}.weight" is [${
        last ?? "not there"
      }], expected the last convolution of a ` +
        "SRVGGNetCompact, [3·scale², features, 3, 3]",
    );
  }
  return { features, layers, scale };
}

/** SRVGGNetCompact. */
export class SrvggNet implements Upscaler {
  private readonly layers: { readonly conv: ConvWeights; readonly slopes: Tensor }[];
  private readonly last: ConvWeights;
  readonly scale: number;
  readonly unshuffle = 1;
  readonly shuffle: number;
  /** The network draws the difference to the picture with its pixels repeated. */
  readonly addsInput = true;

  readonly flopsPerPixel: number;

  /** Declares the weights; load them before use. */
  constructor(w: Weights, config: SrvggConfig) {
    const { features, layers, scale } = config;
    this.flopsPerPixel = convFlops(3, features) + (layers - 1) * convFlops(features, features) +
      convFlops(features, 3 * scale ** 2);
    this.scale = this.shuffle = scale;
    const body = w.at("body");
    this.layers = Array.from({ length: layers }, (_, i) => ({
      conv: body.conv(`${2 * i}`, features, i === 0 ? 3 : features, 3),
      slopes: body.vector(`${2 * i + 1}.weight`, features),
    }));
    this.last = body.conv(`${2 * layers}`, 3 * scale ** 2, features, 3);
  }

  get reach(): number {
    return this.layers.length + 1;
  }

  async forward(r: Recorder, x: Tensor, { advanced }: UpscalerRun = {}): Promise<Tensor> {
    using scope = r.scope();
    let h = x;
    for (const [i, { conv, slopes }] of this.layers.entries()) {
      const sum = conv2d(r, h, conv, { pad: 1 });
      if (h !== x) scope.free(h);
      h = prelu(r, sum, slopes);
      scope.free(sum);
      if (i % 4 === 3) {
        await r.pace();
        advanced?.((i + 1) / (this.layers.length + 1));
      }
    }
    return scope.keep(conv2d(r, h, this.last, { pad: 1, dtype: "f32" }));
  }
}
