/**
 * Weights: safetensors, GGUF, files in shards, and files of unknown contents.
 *
 * @module
 */

import { scan } from "../../lib/model_files/scan.ts";
import { ggufTokenizer } from "../../lib/text/gguf_tokenizer.ts";
import { openCheckpoint, openCheckpointFile } from "../../lib/weights/checkpoint.ts";
import { openRawFile } from "../../lib/weights/checkpoint.ts";
import type { Checkpoint } from "../../lib/weights/checkpoint.ts";
import { sameShards, sameTensors, strictGguf, strictSafetensors } from "./strict.ts";
import { folderInput, type Input, seedFiles, seedFolder, type Target } from "./target.ts";

/** Reads every tensor; those that are views of others too, but no more than so many. */
async function readAll(checkpoint: Checkpoint): Promise<void> {
  let left = 64;
  for (const name of checkpoint.names()) {
    if (left-- === 0) return;
    checkpoint.info(name);
    await checkpoint.readF32(name);
  }
}

/** Tensors in safetensors, under names of any layout. */
export const safetensors: Target = {
  name: "safetensors",
  async seeds() {
    return [
      ...await seedFiles("golden/robustness/safetensors", /\/?ok_.*\.safetensors$/, "a.safetensors"),
      ...await seedFiles("data/golden/transformers", /flux_fewer_out\/io\.safetensors$/, "a.safetensors"),
      ...await seedFiles("data/lora", /sd3_kohya\.safetensors$/, "a.safetensors"),
      ...await seedFiles("golden/schedulers", /ddim_sd\/.*\.safetensors$/, "a.safetensors"),
    ];
  },
  async run(input) {
    await readAll(await openCheckpointFile(folderInput(input), "a.safetensors"));
    const raw = await openRawFile(folderInput(input), "a.safetensors");
    await sameTensors(raw, strictSafetensors(input.get("a.safetensors")!));
  },
};

/** Tensors in GGUF, and the tokenizer in its keys. */
export const gguf: Target = {
  name: "gguf",
  async seeds() {
    return [
      ...await seedFiles("golden/robustness/gguf", /ok_.*\.gguf$/, "a.gguf"),
      ...await seedFiles("golden/gguf", /types\.gguf$/, "a.gguf"),
    ];
  },
  async run(input) {
    const file = await openRawFile(folderInput(input), "a.gguf");
    await readAll(file);
    await sameTensors(file, strictGguf(input.get("a.gguf")!));
    ggufTokenizer(file.metadata ?? new Map(), "a.gguf");
  },
};

/** An index and its shards. */
export const shards: Target = {
  name: "shards",
  async seeds() {
    const one = await seedFolder("golden/robustness/index/ok", /./);
    const [[index, text], [, tensors]] = [...one];
    const two = JSON.parse(new TextDecoder().decode(text));
    const parts: Input = new Map([
      [index, new TextEncoder().encode(JSON.stringify({ ...two, metadata: { total_size: 1e9 } }))],
      [[...one.keys()][1], tensors],
    ]);
    return [one, parts];
  },
  async run(input) {
    const checkpoint = await openCheckpoint(folderInput(input), "");
    await readAll(checkpoint);
    const index = [...input.keys()].find((name) => name.endsWith(".index.json"));
    if (index) await sameShards(checkpoint, input, index);
  },
};

/** A file that may be any network's, looked at by its header. */
export const scanned: Target = {
  name: "scan",
  async seeds() {
    return (await Promise.all(
      [
        "sd15/model/unet",
        "sd15/model/text_encoder",
        "flux_dev/model/transformer",
        "sd3/model/vae",
        "dit/model/transformer",
      ]
        .map((path) => seedFiles(`golden/pipelines/${path}`, /\.safetensors$/, "a.safetensors")),
    )).flat().map(headerOnly);
  },
  async run(input) {
    const { networks } = scan(await openRawFile(folderInput(input), "a.safetensors"));
    for (const { architecture, tensors } of networks) {
      architecture.is(tensors);
      for (const name of tensors.names()) tensors.info(name);
    }
  },
};

/** A seed whose numbers are zeros of fewer bytes, so that headers are most of what is changed. */
function headerOnly(input: Input): Input {
  return new Map([...input].map(([name, bytes]) => {
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    let at = 0;
    for (
      const [tensor, entry] of Object.entries<{ dtype: string; shape: number[]; data_offsets: number[] }>(
        header,
      )
    ) {
      if (tensor === "__metadata__") continue;
      const size = entry.data_offsets[1] - entry.data_offsets[0];
      entry.data_offsets = [at, at += size];
    }
    const text = new TextEncoder().encode(JSON.stringify(header));
    const out = new Uint8Array(8 + text.length + at);
    new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
    out.set(text, 8);
    return [name, out];
  }));
}
