/**
 * One file of weights: safetensors or GGUF, as its bytes say, its values and names as models here want them.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { ByteSource, FolderSource } from "./bytes.ts";
import { GGUF_MAGIC, GgufFile, openGguf } from "./gguf.ts";
import type { PartKind } from "./names/family.ts";
import { hasOwnNames } from "./names/own.ts";
import { openSafetensors, type SafetensorsFile } from "./safetensors.ts";
import type { Checkpoint } from "./types.ts";

/** What a checkpoint file may be called in a component's folder (diffusers, then transformers). */
export const STEMS: readonly string[] = ["diffusion_pytorch_model", "model"];
/** A part of a set: `flux1-00001-of-00003.gguf`. */
export const SHARD: RegExp = /^(.*)-(\d{5})-of-(\d{5})\.(safetensors|gguf)$/i;
/** Names that programs give to downloads which are not finished. */
const UNFINISHED = /\.(incomplete|part|partial|crdownload|download|aria2|tmp|opdownload|!ut|!qB)$/i;

/** Whether a file's name says that it is still being downloaded. */
export function isUnfinished(name: string): boolean {
  return UNFINISHED.test(name);
}

export async function openAlone(folder: FolderSource, path: string): Promise<SafetensorsFile | GgufFile> {
  const source: ByteSource | undefined = await folder.open(path);
  if (!source) {
    const slash = path.lastIndexOf("/");
    const listed = await folder.list?.(path.slice(0, Math.max(slash, 0)));
    throw new LssgenError(
      "bad_file",
      listed?.includes(path.slice(slash + 1))
        ? `"${folder.name}/${path}" is a link to a file that is not there; download it again`
        : `"${folder.name}/${path}" is missing`,
    );
  }
  if (isUnfinished(path)) {
    throw new LssgenError(
      "bad_file",
      `"${source.name}" is an unfinished download; let it finish, or start it again`,
    );
  }
  const head = await source.read(0, Math.min(4, source.size));
  const gguf = head.length === 4 && new DataView(head.buffer).getUint32(0, true) === GGUF_MAGIC;
  return gguf || /\.gguf$/i.test(path) ? await openGguf(source) : await openSafetensors(source);
}

/** What a GGUF file says about the set that it is part of must be what its name says. */
export function checkPart(file: SafetensorsFile | GgufFile, number: number, count: number): void {
  if (!(file instanceof GgufFile)) return;
  const said = Number(file.metadata.get("split.count") ?? 1);
  const place = Number(file.metadata.get("split.no") ?? number - 1) + 1;
  if (said <= 1 && count === 1 || said === count && place === number) return;
  throw new LssgenError(
    "bad_file",
    `"${file.name}" says that it is part ${place} of ${said}, its name makes it ${number} of ${count}; put all parts ` +
      `together under NAME-${String(place).padStart(5, "0")}-of-${
        String(said).padStart(5, "0")
      }.gguf and so on`,
  );
}

/** A component's file under the names of diffusers and transformers. */
export async function renamed(file: Checkpoint, kinds: readonly PartKind[] | undefined): Promise<Checkpoint> {
  if (hasOwnNames(file, kinds)) return file;
  const { underDiffusersNames } = await import("./names/original.ts");
  return underDiffusersNames(file, kinds);
}

/** Types whose values are weights as they are, from safetensors and GGUF. */
const PLAIN_TYPE = /^(BF16|F16|F32|F64|I?Q\d\w*)$/;

/** A file's weights as the numbers that they stand for, where scales of their own stand beside some of them. */
export async function scaled(file: Checkpoint): Promise<Checkpoint> {
  const { metadata } = file;
  const plain = (metadata?.get("format") ?? "pt") === "pt" && !metadata?.has("_quantization_metadata") &&
    [...file.names()].every((name) =>
      /\.(weight|bias)$/.test(name) && PLAIN_TYPE.test(file.info(name)!.dtype)
    );
  if (plain) return file;
  const { withScales } = await import("./scales.ts");
  return await withScales(file);
}
