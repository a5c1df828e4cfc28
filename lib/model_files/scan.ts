/**
 * Which networks a file of weights holds: its parts by their names, and each part's architecture.
 *
 * @module
 */

import { type ByteSource, folderOf } from "../weights/bytes.ts";
import { type Checkpoint, openRawFile } from "../weights/checkpoint.ts";
import { leftOver, partsOf, viewOf } from "../weights/names/original.ts";
import type { Architecture } from "./architecture.ts";
import { ARCHITECTURES } from "./architectures.ts";

/** A file of weights, with a way to the others of its set (`NAME-00001-of-00003`). */
export interface WeightSource extends ByteSource {
  /** A file in the same folder. */
  beside?(name: string): Promise<ByteSource | undefined>;
}

/** A network found in a file. */
export interface Network {
  /** Which one. */
  readonly architecture: Architecture;
  /** What stands before its names in the file. */
  readonly prefix: string;
  /** Whose names it has in the file. */
  readonly layout: string;
  /** Its tensors, under the names of diffusers. */
  readonly tensors: Checkpoint;
  /** Where it lies. */
  readonly file: Checkpoint;
}

/** What a file holds. */
export interface Scan {
  /** The file. */
  readonly file: Checkpoint;
  /** Networks of known architectures, denoisers first. */
  readonly networks: readonly Network[];
  /** Tensors that belong to none of them and are no bookkeeping of training. */
  readonly left: readonly string[];
}

/**
 * Opens a safetensors or GGUF file by what it begins with, whatever it is called.
 *
 * @throws {LssgenError} `bad_file` when it is neither or unsound.
 */
export async function openWeights(source: WeightSource): Promise<Checkpoint> {
  const name = source.name.replace(/^.*[\/\\]/, "");
  const alone = folderOf(
    source.name.slice(0, -name.length - 1),
    async (path) => path === name ? source : await source.beside?.(path),
  );
  return await openRawFile(alone, name);
}

/** Looks for every known network in a file. Nothing but its header is looked at. */
export function scan(file: Checkpoint): Scan {
  const parts = partsOf(file);
  const networks = parts.flatMap((part): Network[] => {
    const tensors = viewOf(file, part, parts);
    const architecture = ARCHITECTURES.find((one) => one.is(tensors));
    if (!architecture) return [];
    return [{ architecture, prefix: part.prefix, layout: part.family.layout, tensors, file }];
  });
  return { file, networks, left: leftOver(file, parts).filter((name) => !MARKS.test(name)) };
}

/** Empty tensors by which tools note a fact, and scalars of CLIP's training, which lie beside the networks. */
const MARKS =
  /^(v_pred|ztsnr|scaled_fp8|edm_mean|edm_std|global_step|epoch)$|(^|\.)logit_scale$|^(safety_checker|feature_extractor)\./;
