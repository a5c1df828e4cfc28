/**
 * The folder of `serve --upscale-model-dir`: each safetensors file in it is a network that enlarges pictures.
 *
 * @module
 */

import { join } from "@std/path";
import { LssgenError } from "../errors.ts";
import { openDevice } from "../gpu/device.ts";
import {
  openUpscaler,
  openUpscalerFile,
  upscalerNeeds,
  type UpscalerOptions,
} from "../pipelines/upscaling.ts";
import type { ServedUpscaler, Upscalers } from "../server/upscalers.ts";
import { fileSource } from "./files.ts";

/** See the module. */
export interface UpscalerFolder extends Upscalers {
  /** Bytes of GPU memory that its networks may take, where there is a limit: the least of the largest one. */
  readonly room?: number;
}

const WEIGHTS = /\.(safetensors|sft)$/i;
/** Networks as pickles: no file is passed over in silence. */
const PICKLES = /\.(pth?|ckpt)$/i;

interface Known extends ServedUpscaler {
  readonly leastBytes: number;
}

/**
 * Networks of a folder. It is read anew whenever they are listed; headers of files that did not change are read once.
 *
 * @param limited Whether GPU memory is limited; a network that comes later has no more of it than the first ones need.
 * @param note Told once of each file that is left out, and why.
 * @throws {LssgenError} `bad_option` where there is no such folder.
 */
export async function upscalerFolder(
  folder: string,
  options: Pick<UpscalerOptions, "dtype" | "maxActivationBytes"> & { readonly limited: boolean },
  note: (sentence: string) => void,
): Promise<UpscalerFolder> {
  const { limited, ...opening } = options;
  const seen = new Map<string, Promise<Known | undefined>>();
  const known = async (): Promise<readonly Known[]> => {
    const found: Known[] = [];
    for (const { name, version } of await filesOf(folder)) {
      const key = `${name} ${version}`;
      const entry = seen.get(key) ?? looked(join(folder, name), name, options.dtype).catch((error) => {
        if (!(error instanceof LssgenError)) throw error;
        note(`${join(folder, name)} is left out: ${error.message}`);
        return undefined;
      });
      seen.set(key, entry);
      const one = await entry;
      if (one) found.push(one);
    }
    return found;
  };
  const least = (await known()).map(({ leastBytes }) => leastBytes);
  const room = limited ? Math.max(1, ...least) : undefined;
  return {
    room,
    list: known,
    async open(name, more) {
      const one = (await known()).find((one) => one.name === name);
      const file = one && await fileSource(join(folder, name));
      if (!file) throw new LssgenError("bad_file", `The network "${name}" is not there any more`);
      // Clients read the messages: where it lies is not their business.
      return await openUpscaler({ ...file, name }, { ...opening, ...more, maxVramBytes: room });
    },
  };
}

/** What the header of a file says. */
async function looked(path: string, name: string, dtype: UpscalerOptions["dtype"]): Promise<Known> {
  const file = await fileSource(path);
  if (!file) throw new LssgenError("bad_file", `"${name}" is not there any more`);
  const opened = await openUpscalerFile(file);
  using device = await openDevice();
  const needs = await upscalerNeeds(opened, { device, dtype: dtype ?? (device.info.f16 ? "f16" : "f32") });
  return { name, network: opened.network, scale: needs.scale, leastBytes: needs.leastBytes };
}

/** The files that may be networks, in the order of names. */
async function filesOf(folder: string): Promise<{ readonly name: string; readonly version: string }[]> {
  const found: { name: string; version: string }[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      if (name.startsWith(".") || !(WEIGHTS.test(name) || PICKLES.test(name))) continue;
      // A link that leads nowhere, or a file that is being moved.
      const info = await Deno.stat(join(folder, name)).catch(() => undefined);
      if (info?.isFile) found.push({ name, version: `${info.size} ${info.mtime?.getTime()}` });
    }
  } catch (cause) {
    throw new LssgenError(
      "bad_option",
      `--upscale-model-dir is "${folder}", which is no folder that can be read`,
      { cause },
    );
  }
  return found.sort((a, b) => a.name < b.name ? -1 : 1);
}
