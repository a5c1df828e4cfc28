/**
 * The error of a network whose values are not finite.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

/**
 * The error of a network whose output is not finite.
 *
 * @param folder The component's. @param network It, as a subject. @param dtype Of its activations.
 */
export function notFinite(folder: string, network: string, dtype: string): LssgenError {
  return new LssgenError(
    "numeric",
    `${network} gave values that are not finite (NaN or infinity): ${
      dtype === "f16"
        ? "they may have grown beyond what 16 bits hold, so try --dtype f32; if it persists, "
        : ""
    }the weights in ${folder} are damaged or belong to another model: compare the file with its source`,
  );
}
