/**
 * Which methods there are: one line each.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import type { Method } from "../types.ts";
import { bottleneck } from "./bottleneck.ts";
import { diffuseHigh } from "./diffusehigh.ts";
import { direct } from "./direct.ts";
import { hiresFix } from "./hires_fix.ts";
import { jit } from "./jit.ts";
import { latentScaling } from "./lssgen.ts";
import { megafusion } from "./megafusion.ts";
import { ralu } from "./ralu.ts";
import { refine } from "./refine.ts";
import { selfCascade } from "./self_cascade.ts";
import { selfLift } from "./selflift.ts";
import { spectral } from "./spectral.ts";
import { stagesByHand } from "./stages.ts";

/** The methods that every model and sampler can draw with, the default first. */
export const METHODS: readonly Method[] = [
  latentScaling,
  direct,
  megafusion,
  selfCascade,
  diffuseHigh,
  hiresFix,
  selfLift,
  bottleneck,
];

/** Every method: also those that need a flow model or a transformer, a sampler that goes through any noise level, or stages by hand. */
export const ALL_METHODS: readonly Method[] = [...METHODS, spectral, refine, jit, ralu, stagesByHand];

/**
 * A method by its name.
 *
 * @throws {LssgenError} `bad_option` for an unknown one.
 */
export function methodNamed(name: string): Method {
  const found = ALL_METHODS.find((method) => method.name === name);
  if (!found) {
    const names = ALL_METHODS.map((method) => method.name).join(", ");
    throw new LssgenError("bad_option", `Method "${name}" is unknown, expected one of ${names}`);
  }
  return found;
}
