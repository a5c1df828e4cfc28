/**
 * Runs every block of a FLUX.1 transformer of full size, one at a time, and writes what goes in and what comes out: for
 * `tools/reference/flux_blocks.py`, which runs diffusers' blocks on the same values.
 *
 *     deno run -A tools/flux_blocks.ts FOLDER FILE OUT [--side TOKENS] [--text TOKENS]
 *
 * FILE is the transformer's file in FOLDER, under diffusers' names (as `tools/synthesize.ts` writes it): safetensors or GGUF, whose
 * blocks stay as they are. OUT is a folder for f32 values: `stream` (text, then picture tokens), `temb`, and `0` … `56`, the stream
 * after each block. Each block goes on from what the one before it made. One block's weights are in memory at a time.
 *
 * @module
 */

import { join } from "@std/path";
import { fileFolder } from "../lib/cli/files.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { tuneOnce } from "../lib/gpu/tune.ts";
import { FluxDoubleBlock, FluxSingleBlock } from "../lib/models/flux.ts";
import { Weights } from "../lib/models/weights.ts";
import { ropeTable } from "../lib/ops/embedding.ts";
import { linear } from "../lib/ops/linear.ts";
import { WeightStore } from "../lib/residency/store.ts";
import { rows } from "../lib/tensor.ts";
import { openCheckpointFile } from "../lib/weights/checkpoint.ts";

/** FLUX.1's. */
const [HEADS, D, DOUBLE, SINGLE, AXES] = [24, 3072, 19, 38, [16, 56, 56]] as const;

/** Sums of twelve uniform numbers: about normal. */
function normal(count: number): Float32Array<ArrayBuffer> {
  let state = 1;
  const uniform = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  return Float32Array.from({ length: count }, () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += uniform();
    return sum;
  });
}

const silu = (x: number): number => x / (1 + Math.exp(-x));

const [folder, file, out] = Deno.args;
const option = (name: string, otherwise: number): number => {
  const at = Deno.args.indexOf(name);
  return at < 0 ? otherwise : Number(Deno.args[at + 1]);
};
const side = option("--side", 8);
const text = option("--text", 64);
const N = text + side * side;

const write = async (name: string, values: Float32Array<ArrayBuffer>): Promise<void> =>
  await Deno.writeFile(join(out, `${name}.f32`), new Uint8Array(values.buffer));

await Deno.mkdir(out, { recursive: true });
using device = await openDevice();
await tuneOnce(device);
using r = new Recorder(device, "f32");
const source = await openCheckpointFile(fileFolder(folder), file);
const first = normal(N * D);
const temb = normal(D);
await write("stream", first);
await write("temb", temb);
await Deno.writeTextFile(join(out, "shape.json"), JSON.stringify({ side, text }));
const ids = Array.from(
  { length: N },
  (_, i) => i < text ? [0, 0, 0] : [0, Math.floor((i - text) / side), (i - text) % side],
);
const rope = r.upload([N, D / HEADS / 2, 2], ropeTable(ids, AXES, 10000));
const embedded = r.upload([1, D], temb.map(silu));
const stream = r.upload([1, N, D], first);
for (let i = 0; i < DOUBLE + SINGLE; i++) {
  using store = new WeightStore(source, device, { dtype: "f32", keepQuantised: true });
  const all = new Weights(store);
  all.ignore(/./);
  const double = i < DOUBLE ? new FluxDoubleBlock(all.at("transformer_blocks").at(i), HEADS, D) : undefined;
  const single = double
    ? undefined
    : new FluxSingleBlock(all.at("single_transformer_blocks").at(i - DOUBLE), HEADS, D);
  await store.load();
  const began = performance.now();
  {
    using _ = r.scope();
    const m = linear(r, embedded, (double ?? single!).modulation, { dtype: "f32" });
    double?.forward(r, stream, rows(stream, 0, text), rows(stream, text, N - text), m, rope);
    single?.forward(r, stream, m, rope);
  }
  await write(`${i}`, await r.read(stream));
  console.log(`block ${i}: ${((performance.now() - began) / 1e3).toFixed(1)} s`);
}
