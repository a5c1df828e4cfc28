/** Golden models one tensor of which is NaN or infinite, in memory. */

import { fileFolder } from "../lib/cli/files.ts";
import type { Device } from "../lib/gpu/device.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { bytesOf, folderOf, type FolderSource } from "../lib/weights/bytes.ts";

const ROOT = new URL("./golden/pipelines/", import.meta.url);

/** The folder of a golden model. */
export function goldenModel(model: string): FolderSource {
  return fileFolder(new URL(`${model}/model`, ROOT).pathname);
}

/** Where each tensor of a safetensors file lies. */
export function tensorsAt(
  file: Uint8Array,
): Map<string, { dtype: string; begin: number; end: number }> {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header: Record<string, { dtype: string; data_offsets: [number, number] }> = JSON.parse(
    new TextDecoder().decode(file.subarray(8, 8 + length)),
  );
  return new Map(
    Object.entries(header).filter(([name]) => name !== "__metadata__").map(([name, t]) => {
      const [begin, end] = t.data_offsets.map((at) => 8 + length + at);
      return [name, { dtype: t.dtype, begin, end }];
    }),
  );
}

/** The weights file of a golden model's component. */
export async function weightsOf(
  model: string,
  component: string,
): Promise<{ path: string; bytes: Uint8Array<ArrayBuffer> }> {
  for await (const { name } of Deno.readDir(new URL(`${model}/model/${component}`, ROOT))) {
    if (!name.endsWith(".safetensors")) continue;
    const path = `${component}/${name}`;
    return { path, bytes: await Deno.readFile(new URL(`${model}/model/${path}`, ROOT)) };
  }
  throw new Error(`${model} has no ${component}`);
}

/** A golden model whose `tensor` holds nothing but `value`. */
export async function poisonedModel(
  model: string,
  component: string,
  tensor: string,
  value: number,
): Promise<FolderSource> {
  const { path, bytes } = await weightsOf(model, component);
  const at = tensorsAt(bytes).get(tensor);
  if (!at) throw new Error(`${path} has no ${tensor}`);
  const length = at.end - at.begin;
  const part = bytes.slice(at.begin, at.end);
  if (at.dtype === "F32") new Float32Array(part.buffer, 0, length / 4).fill(value);
  else if (at.dtype === "F16") new Float16Array(part.buffer, 0, length / 2).fill(value);
  else if (at.dtype === "BF16") {
    const [high] = new Uint16Array(new Float32Array([value]).buffer, 2);
    new Uint16Array(part.buffer, 0, length / 2).fill(high);
  } else throw new Error(`${tensor} is ${at.dtype}`);
  bytes.set(part, at.begin);
  const clean = goldenModel(model);
  return folderOf(
    clean.name,
    (name) => name === path ? Promise.resolve(bytesOf(name, bytes)) : clean.open(name),
  );
}

/** The bytes of a picture of 32² in one step. */
export async function smallPicture(
  device: Device,
  folder: FolderSource,
  dtype: "f32" | "f16",
): Promise<Uint8Array> {
  await using pipeline = await createPipeline(folder, { device, dtype });
  const { images } = await pipeline.generate({
    prompt: pipeline.info.pipeline === "DiTPipeline" ? "1" : "a red fox",
    negativePrompt: undefined,
    width: 32,
    height: 32,
    steps: 1,
    method: "direct",
    seed: 7,
  });
  return images[0].rgb;
}
