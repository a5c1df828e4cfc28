/**
 * Which methods there are: one line each.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import type { Method } from "../types.ts";
import { diffuseHigh } from "./diffusehigh.ts";
import { direct } from "./direct.ts";
import { hiresFix } from "./hires_fix.ts";
import { latentScaling } from "./lssgen.ts";
import { megafusion } from "./megafusion.ts";
import { selfCascade } from "./self_cascade.ts";

/** Every method, the default first. */
export const METHODS: readonly Method[] = [
  latentScaling,
  direct,
  megafusion,
  selfCascade,
  diffuseHigh,
  hiresFix,
];

/**
 * A method by its name.
 *
 * @throws {LssgenError} `bad_option` for an unknown one.
 */
export function methodNamed(name: string): Method {
  const found = METHODS.find((method) => method.name === name);
  if (!found) {
    const names = METHODS.map((method) => method.name).join(", ");
    throw new LssgenError("bad_option", `Method "${name}" is unknown, expected one of ${names}`);
  }
  return found;
}
