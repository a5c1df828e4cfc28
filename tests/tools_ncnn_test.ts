/** Networks published for ncnn, as safetensors. */

import { assertEquals, assertThrows } from "@std/assert";
import { openUpscalerFile } from "../lib/pipelines/upscaling.ts";
import { bytesOf } from "../lib/weights/bytes.ts";
import { rrdbNetConfig } from "../lib/models/rrdbnet.ts";
import { srvggConfig } from "../lib/models/srvgg.ts";
import { type TensorEntry } from "../lib/weights/safetensors.ts";
import { fileOf, tensorsOf } from "../tools/ncnn_to_safetensors.ts";
import { rrdbNetFile, srvggFile } from "./upscalers.ts";

const HALF = 0x01306b47;

/** A network as ncnn's two files have it; every second convolution in 16-bit floats. */
function ncnn(
  entries: readonly TensorEntry[],
  doublings: number,
): [param: string, bin: Uint8Array<ArrayBuffer>] {
  const lines = Array.from({ length: doublings }, (_, i) => `Interp Resize_${i} 1 1 a b 0=1`);
  const parts: Uint8Array[] = [];
  for (const [i, { shape: [Co], shape, data }] of entries.entries()) {
    const raw = new Uint8Array(data.slice().buffer);
    if (shape.length === 4) {
      const bias = entries[i + 1].data;
      lines.push(`Convolution Conv_${i} 1 1 a b 0=${Co} 1=3 4=1 5=1 6=${data.length}`);
      const half = lines.length % 2 === 0;
      const weights = half ? new Uint8Array(new Float16Array(data).buffer) : raw;
      const padded = new Uint8Array(Math.ceil(weights.length / 4) * 4);
      padded.set(weights);
      parts.push(new Uint8Array(new Uint32Array([half ? HALF : 0]).buffer), padded);
      parts.push(new Uint8Array(bias.slice().buffer));
    } else if (entries[i].name.endsWith(".weight")) {
      lines.push(`PReLU PRelu_${i} 1 1 a b 0=${Co}`);
      parts.push(raw);
    }
  }
  const bin = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) bin.set(part, at), at += part.length;
  return [`7767517\n${lines.length} 9\n${lines.join("\n")}\n`, bin];
}

Deno.test("files for ncnn become safetensors of the same numbers, under the names that upscaling reads", async () => {
  for (const [entries, doublings] of [[rrdbNetFile({ blocks: 2 }), 2], [srvggFile(3, 3), 0]] as const) {
    const file = fileOf(tensorsOf(...ncnn(entries, doublings)));
    const { network, checkpoint } = await openUpscalerFile(bytesOf("net.safetensors", file));
    if (network === "RRDBNet") assertEquals(rrdbNetConfig(checkpoint).blocks, 2);
    else assertEquals(srvggConfig(checkpoint), { features: 8, layers: 4, scale: 3 });
    assertEquals([...checkpoint.names()].sort(), entries.map(({ name }) => name).sort());
    for (const { name, shape, data } of entries) {
      const { dtype } = checkpoint.info(name)!;
      assertEquals(checkpoint.info(name)!.shape, shape);
      const want = dtype === "F16" ? Float32Array.from(new Float16Array(data)) : data;
      assertEquals(await checkpoint.readF32(name), want, name);
    }
  }
});

Deno.test("files for ncnn that are cut, too long or of another network are refused", () => {
  const [param, bin] = ncnn(srvggFile(3, 3), 0);
  assertThrows(() => tensorsOf(param, bin.slice(0, -4)), Error, "more are needed");
  assertThrows(() => tensorsOf(param, new Uint8Array([...bin, 0, 0, 0, 0])), Error, "the layers");
  assertThrows(() => tensorsOf(param.replace("7767517", "PK"), bin), Error, "expected 7767517");
  assertThrows(() => tensorsOf(param.replaceAll("PReLU", "Clip"), bin), Error, "are no RRDBNet");
  assertThrows(() => tensorsOf(param.replace("1=3", "1=5"), bin), Error, "no 3 × 3 convolution");
});
