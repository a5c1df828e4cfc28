/**
 * Files in no order, as they are dropped on a page or named behind `inspect`: each goes where its tensors say.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { ByteSource } from "../weights/bytes.ts";
import type { Network, Scan, WeightSource } from "./scan.ts";
import { openWeights, scan } from "./scan.ts";
import { clipSizeOf, whatIs } from "./assemble.ts";
import { PART_OPTIONS, type PartName } from "./families.ts";
import { foreignKind } from "./foreign.ts";
import type { ModelFiles } from "./model_files.ts";

/** Files in their places. */
export interface SortedFiles {
  /** Model and parts. */
  readonly files: ModelFiles;
  /** LoRAs. */
  readonly loras: readonly ByteSource[];
  /** What was found in each file. */
  readonly scans: readonly Scan[];
}

/**
 * Puts files in their places by what they hold.
 *
 * @throws {LssgenError} `bad_file` for a file that is no part of a model, or a second one for the same place.
 */
export async function sortFiles(sources: readonly WeightSource[]): Promise<SortedFiles> {
  const files: Partial<Record<"model" | PartName, ByteSource>> = {};
  const loras: ByteSource[] = [];
  const scans: Scan[] = [];
  const put = (place: "model" | PartName, source: ByteSource): void => {
    const other = files[place];
    if (other) {
      throw new LssgenError(
        "bad_file",
        `"${other.name}" and "${source.name}" are both ${
          place === "model" ? "models" : `for ${PART_OPTIONS[place]}`
        }: take one of them`,
      );
    }
    files[place] = source;
  };
  for (const source of sources) {
    const found = scan(await openWeights(source));
    scans.push(found);
    const places = new Set(found.networks.map((network) => placeOf(network)));
    if (places.has("model")) put("model", source);
    else if (places.size > 0) { for (const place of places) put(place, source); }
    else if (foreignKind(found.file.names())?.what === "a LoRA") loras.push(source);
    else throw new LssgenError("bad_file", `"${source.name}" ${whatIs(found)}`);
  }
  return { files, loras, scans };
}

/** Where a network goes. */
export function placeOf(network: Network): "model" | PartName {
  const { kind } = network.architecture;
  if (kind === "denoiser") return "model";
  if (kind !== "clip") return kind;
  return clipSizeOf(network) === "bigG" ? "clipG" : "clipL";
}
