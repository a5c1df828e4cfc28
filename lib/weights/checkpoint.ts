/**
 * A checkpoint: one directory of tensors over a safetensors file, a sharded set, or a GGUF file. What a folder holds under the usual
 * names is found here; sets of files, and files under other names, by file_sets.ts.
 *
 * @module
 */

import type { FolderSource } from "./bytes.ts";
import { checkPart, openAlone, renamed, scaled, SHARD, STEMS } from "./checkpoint_file.ts";
import type { PartKind } from "./names/family.ts";
import type { Checkpoint } from "./types.ts";

export type { Checkpoint } from "./types.ts";

/** A folder in diffusers' layout whose components' weights lie elsewhere: in single files of other layouts. */
export interface ComponentFolder extends FolderSource {
  /** A component's weights; undefined where they are files of the folder. */
  checkpoint(component: string): Promise<Checkpoint | undefined>;
  /** Where a component's weights come from, for messages: file and option. */
  whereIs(component: string): Promise<string | undefined>;
  /** A tiny autoencoder beside the model's own, as a folder. */
  tinyVae(): Promise<FolderSource | undefined>;
}

/** Whether a folder hands out weights itself. */
export function isComponentFolder(folder: FolderSource): folder is ComponentFolder {
  return "checkpoint" in folder;
}

/** Which parts of a pipeline a component's folder may hold, by its name; any part where the name does not say. */
export function kindsOf(subfolder: string): readonly PartKind[] | undefined {
  if (subfolder === "transformer" || subfolder === "unet") return ["denoiser"];
  if (/^vae(_|$)/.test(subfolder)) return ["vae"];
  return /^text_encoder(_\d)?$/.test(subfolder) ? ["clip", "t5"] : undefined;
}

/**
 * Opens the checkpoint of a component folder: a single file or a sharded set, plain or of a variant
 * (`model.fp16.safetensors`). Without `variant` the plain files come first, then fp16, then bf16; then, where the
 * folder can be listed, the one file of weights that is in it, whatever its name.
 *
 * @throws {LssgenError} `bad_file` when there is none, when there are several under names of their own, when it is only
 *   there as a pickle or unfinished, or is unsound.
 */
export async function openCheckpoint(
  folder: FolderSource,
  subfolder: string,
  options: { variant?: string } = {},
): Promise<Checkpoint> {
  const handedOut = isComponentFolder(folder) ? await folder.checkpoint(subfolder) : undefined;
  if (handedOut) return handedOut;
  const at = subfolder === "" ? "" : `${subfolder}/`;
  const kinds = kindsOf(subfolder);
  const variants = options.variant ? [options.variant] : ["", "fp16", "bf16"];
  for (const variant of variants) {
    for (const stem of STEMS) {
      const dotted = variant === "" ? "" : `.${variant}`;
      for (const ending of ["safetensors", "gguf"]) {
        const path = `${at}${stem}${dotted}.${ending}`;
        if (await folder.open(path)) return await openCheckpointFile(folder, path, kinds);
      }
      for (
        const index of [`${stem}.safetensors.index${dotted}.json`, `${stem}${dotted}.safetensors.index.json`]
      ) {
        if (await folder.open(`${at}${index}`)) {
          const { openIndexed } = await import("./file_sets.ts");
          return await renamed(await openIndexed(folder, at, index), kinds);
        }
      }
    }
  }
  const { openOwnName } = await import("./file_sets.ts");
  return await openOwnName(
    folder,
    subfolder,
    options.variant,
    kinds,
    (path) => openCheckpointFile(folder, path, kinds),
  );
}

/**
 * Opens one file, safetensors or GGUF as its bytes say, with the other parts of its set where its name counts them
 * (`-00001-of-00003`). Files with a model's original tensor names, or with those of another tool, are presented under
 * the names of diffusers and transformers.
 *
 * @param kinds Which part of the file is wanted, where it has several.
 * @throws {LssgenError} `bad_file` when it or a part of its set is missing, is something else, or is unsound.
 */
export async function openCheckpointFile(
  folder: FolderSource,
  path: string,
  kinds?: readonly PartKind[],
): Promise<Checkpoint> {
  return await renamed(await openRawFile(folder, path), kinds);
}

/** {@linkcode openCheckpointFile} under the names that the file itself has. */
export async function openRawFile(folder: FolderSource, path: string): Promise<Checkpoint> {
  const slash = path.lastIndexOf("/") + 1;
  const [, stem, , count, ending] = SHARD.exec(path.slice(slash)) ?? [];
  if (stem === undefined || Number(count) < 2) {
    const file = await openAlone(folder, path);
    checkPart(file, 1, 1);
    return await scaled(file);
  }
  const { openShards } = await import("./file_sets.ts");
  return await openShards(folder, path, { stem, count, ending });
}
