/**
 * LoRA files of the local disk, with the settings that PEFT keeps beside them.
 *
 * @module
 */

import { basename, dirname, join } from "@std/path";
import type { Lora } from "../weights/lora.ts";
import { fileSource } from "./files.ts";
import { openFile } from "./input.ts";

/** What PEFT and diffusers call the file in an adapter's folder. */
const IN_FOLDER = ["adapter_model.safetensors", "pytorch_lora_weights.safetensors"];

/**
 * Opens a LoRA: a file, or an adapter's folder. `adapter_config.json` beside it is taken along where it can only be this
 * file's: PEFT's own name, or no other LoRA in the folder.
 *
 * @param option Its option, for messages.
 * @throws {LssgenError} `bad_file` where there is no such file.
 */
export async function openLora(path: string, scale: number, option: string): Promise<Lora> {
  for (const name of IN_FOLDER) {
    const inside = await fileSource(join(path, name));
    if (inside) return { file: inside, scale, config: await configBeside(inside.name) };
  }
  return { file: await openFile(path, option), scale, config: await configBeside(path) };
}

/** The settings that PEFT keeps beside a LoRA, where they can only be this file's. */
export async function configBeside(path: string): Promise<string | undefined> {
  const folder = dirname(path);
  const config = await fileSource(join(folder, "adapter_config.json"));
  if (!config || config.size > MAX_CONFIG) return undefined;
  if (basename(path) !== IN_FOLDER[0]) {
    let loras = 0;
    for await (const { name } of Deno.readDir(folder)) if (/\.(safetensors|gguf)$/i.test(name)) loras++;
    if (loras > 1) return undefined;
  }
  return new TextDecoder().decode(await config.read(0, config.size));
}

/** Bytes; a config has a few thousand. */
const MAX_CONFIG = 1 << 24;
