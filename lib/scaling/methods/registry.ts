/**
 * The scaling methods by name. A new one is a file and a line here.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import type { Method } from "../types.ts";
import { direct } from "./direct.ts";
import { lssgenMethod } from "./lssgen.ts";
import { megafusion } from "./megafusion.ts";
import { selfCascade } from "./self_cascade.ts";

/** Every method, in the order in which help texts name them. */
export const METHODS: readonly Method[] = [lssgenMethod, direct, megafusion, selfCascade];

/** The method of a name. @throws {LssgenError} `bad_option` for an unknown one. */
export function methodOf(name: string): Method {
  const method = METHODS.find((m) => m.name === name);
  if (!method) {
    throw new LssgenError("bad_option", `method is "${name}", expected one of ${METHODS.map((m) => m.name).join(", ")}`);
  }
  return method;
}
