/**
 * LoRAs that prompts name, in the folder of `--lora-model-dir`.
 *
 * @module
 */

import { basename, join, relative } from "@std/path";
import { LssgenError } from "../errors.ts";
import type { Lora } from "../weights/lora.ts";
import { fileSource } from "./files.ts";
import { configBeside } from "./lora_file.ts";
import { nearest } from "../nearest.ts";

const ENDING = ".safetensors";
/** Folders below folders; more is a link that leads in a circle. */
const MAX_DEPTH = 8;

/**
 * Finds LoRAs of a folder by name: `style` is `style.safetensors` there, or the only one of that name in a folder below, as in
 * A1111; `styles/ink` says where.
 *
 * @returns A function for {@link PipelineOptions.findLora}; it throws `bad_option` with the names there are, when there is no
 * such LoRA or several.
 */
export function loraFolder(folder: string): (name: string) => Promise<Pick<Lora, "file" | "config">> {
  return async (name) => {
    // A prompt may come over the network: it names files below the folder, and nothing else.
    if (
      /^[/\\]|^[a-z]:|\\|\p{Cc}/iu.test(name) || name.split("/").some((part) => part === ".." || part === ".")
    ) {
      throw refusal(name, folder, "expected a name, or folders below and a name");
    }
    const path = name.endsWith(ENDING) ? name : name + ENDING;
    const open = async (path: string): Promise<Pick<Lora, "file" | "config"> | undefined> => {
      const file = await fileSource(path);
      return file && { file, config: await configBeside(path) };
    };
    const direct = await open(join(folder, path));
    if (direct) return direct;
    const all = await lorasIn(folder);
    const same = all.filter((file) => basename(file) === path);
    if (same.length > 1) {
      const places = same.map((file) => nameOf(relative(folder, file))).join(", ");
      throw refusal(name, folder, `there are several: ${places}`);
    }
    const found = same.length === 1 ? await open(same[0]) : undefined;
    if (found) return found;
    for (const pickle of [".pt", ".ckpt", ".bin"]) {
      if (await fileSource(join(folder, name + pickle))) {
        throw refusal(
          name,
          folder,
          `there is only "${name}${pickle}", a pickle, which can run code; get the safetensors file`,
        );
      }
    }
    const names = all.map((file) => nameOf(basename(file)));
    const near = nearest(name, names);
    throw refusal(
      name,
      folder,
      near
        ? `there is no such LoRA; did you mean "${near}"?`
        : `there is no such LoRA; there are ${names.length === 0 ? "none" : names.slice(0, 20).join(", ")}`,
    );
  };
}

/** Names by which prompts may call the LoRAs of a folder and below, sorted. */
export async function loraNames(folder: string): Promise<string[]> {
  return (await lorasIn(folder)).map((file) => nameOf(relative(folder, file)));
}

function nameOf(file: string): string {
  return file.slice(0, -ENDING.length).replaceAll("\\", "/");
}

function refusal(name: string, folder: string, why: string): LssgenError {
  return new LssgenError(
    "bad_option",
    `<lora:${name}>: cannot take it from "${folder}" (--lora-model-dir): ${why}`,
  );
}

/** Paths of the LoRAs in a folder and below, sorted. */
async function lorasIn(folder: string, depth = 0): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name, isFile, isDirectory, isSymlink } of Deno.readDir(folder)) {
      const path = join(folder, name);
      if ((isFile || isSymlink) && name.endsWith(ENDING)) found.push(path);
      else if (isDirectory && depth < MAX_DEPTH) found.push(...await lorasIn(path, depth + 1));
    }
  } catch (cause) {
    throw new LssgenError(
      "bad_file",
      `Cannot read "${folder}" (--lora-model-dir): ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  return found.sort();
}
