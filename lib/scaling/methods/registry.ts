/**
 * Which methods there are: one line each.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import type { Method, MethodName } from "../types.ts";
import { bottleneck } from "./bottleneck.ts";
import { diffuseHigh } from "./diffusehigh.ts";
import { direct } from "./direct.ts";
import { hiresFix } from "./hires_fix.ts";
import { jit } from "./jit.ts";
import { latentScaling } from "./lssgen.ts";
import { megafusion } from "./megafusion.ts";
import { METHOD_NAMES } from "./names.ts";
import { ralu } from "./ralu.ts";
import { refine } from "./refine.ts";
import { selfCascade } from "./self_cascade.ts";
import { selfLift } from "./selflift.ts";
import { spectral } from "./spectral.ts";
import { stagesByHand } from "./stages.ts";

const BY_NAME: Readonly<Record<MethodName, Method>> = {
  "lssgen": latentScaling,
  "direct": direct,
  "megafusion": megafusion,
  "self-cascade": selfCascade,
  "diffusehigh": diffuseHigh,
  "hires-fix": hiresFix,
  "selflift": selfLift,
  "bottleneck": bottleneck,
  "spectral": spectral,
  "refine": refine,
  "jit": jit,
  "ralu": ralu,
  "stages": stagesByHand,
};

/** The methods that every model and sampler can draw with, the default first. */
export const METHODS: readonly Method[] = METHOD_NAMES.map((name) => BY_NAME[name]);

/** Every method: also those that need a flow model or a transformer, a sampler that goes through any noise level, or stages by hand. */
export const ALL_METHODS: readonly Method[] = Object.values(BY_NAME);

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
