/** The tokenizers that travel with the library, and those in the headers of GGUF files. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import {
  type BuiltinTokenizer,
  builtinTokenizer,
  ggufTokenizerFolder,
} from "../lib/pipelines/builtin_tokenizers.ts";
import { ggufTokenizer } from "../lib/text/gguf_tokenizer.ts";
import { loadTokenizer } from "../lib/text/load_tokenizer.ts";
import { PIECE_TYPE, readSentencePiece, writeSentencePiece } from "../lib/text/sentencepiece.ts";
import type { Tokenizer } from "../lib/text/tokenizer.ts";
import { folderOf, type FolderSource, memoryFolder } from "../lib/weights/bytes.ts";

const HERE = new URL("./", import.meta.url);

async function open(folder: FolderSource): Promise<Tokenizer> {
  return await loadTokenizer({
    text: (path) => folder.text(path),
    bytes: async (path) => {
      const source = await folder.open(path);
      return source && await source.read(0, source.size);
    },
  }, "");
}

interface Row {
  readonly text: string;
  readonly clip_l: number[];
  /** Present where it differs from clip_l. */
  readonly clip_g?: number[];
  readonly t5: number[];
}

Deno.test("the built-in tokenizers give transformers' ids on a sample of many scripts", async () => {
  const { strings }: { strings: Row[] } = JSON.parse(
    await Deno.readTextFile(new URL("data/tokenizers/tokens.json", HERE)),
  );
  assertEquals(strings.length, 301);
  const ids = (tokenizer: Tokenizer, text: string): number[] => [
    ...tokenizer.encode(text, { maxLength: 1e5, padding: false }).ids,
  ];
  for (const kind of ["clip_l", "clip_g", "t5"] as const) {
    const tokenizer = await open(builtinTokenizer(kind));
    for (const row of strings) {
      const right = row[kind] ?? row.clip_l;
      assertEquals(ids(tokenizer, row.text), right, `${kind} ${JSON.stringify(row.text)}`);
    }
  }
});

Deno.test("CLIP's built-in vocabulary is that of the golden folder, to the byte of its merges", async () => {
  const at = new URL("golden/tokenizers/clip/", HERE);
  const folder = builtinTokenizer("clip_l");
  const lines = (text: string): string => text.replace(/^#version.*\n/, "").trimEnd();
  assertEquals(
    lines((await folder.text("merges.txt"))!),
    lines(await Deno.readTextFile(new URL("merges.txt", at))),
  );
  assertEquals(
    JSON.parse((await folder.text("vocab.json"))!),
    JSON.parse(await Deno.readTextFile(new URL("vocab.json", at))),
  );
  assertEquals(await folder.text("tokenizer.json"), undefined);
});

Deno.test("each kind of encoder pads as it was trained", async () => {
  const pad = async (kind: BuiltinTokenizer): Promise<[number, number]> => {
    const { padId, maxLength } = await open(builtinTokenizer(kind));
    return [padId, maxLength];
  };
  assertEquals(await pad("clip_l"), [49407, 77]);
  assertEquals(await pad("clip_h"), [0, 77]);
  assertEquals(await pad("clip_g"), [0, 77]);
  assertEquals(await pad("t5"), [0, 512]);
});

Deno.test("damaged or missing packed vocabularies are refused by name", async () => {
  const packed = await Deno.readFile(new URL("../weights/tokenizers/clip.bin", HERE));
  const refused = async (data: Uint8Array<ArrayBuffer> | undefined, says: string): Promise<void> => {
    const files = new Map(data ? [["clip.bin", data]] : []);
    await assertRejects(
      () => open(builtinTokenizer("clip_l", memoryFolder("there", files))),
      LssgenError,
      says,
    );
  };
  await refused(undefined, '"there/clip.bin" is missing');
  await refused(packed.slice(0, 1000), "there/clip.bin");
  await refused(new TextEncoder().encode("<!DOCTYPE html>"), "there/clip.bin");
  const flipped = packed.slice();
  flipped[5000] ^= 1;
  await refused(flipped, "there/clip.bin");
  // A bomb: a gigabyte of zeros in a megabyte.
  const zeros = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (let i = 0; i < 16; i++) controller.enqueue(new Uint8Array(1 << 20));
      controller.close();
    },
  });
  const bomb = await new Response(zeros.pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
  await refused(new Uint8Array(bomb), "there/clip.bin");
});

Deno.test("nothing is fetched before a vocabulary is opened", async () => {
  const asked: string[] = [];
  const folder = builtinTokenizer(
    "t5",
    folderOf("none", (path) => {
      asked.push(path);
      return Promise.resolve(undefined);
    }),
  );
  assert(await folder.text("tokenizer_config.json"));
  assertEquals(await folder.text("tokenizer.json"), undefined);
  assertEquals(asked, []);
  await assertRejects(() => folder.open("spiece.model"), LssgenError, "none/t5.bin");
  assertEquals(asked, ["t5.bin"]);
});

/** The golden T5 tokenizer as llama.cpp's converter writes it into a GGUF header. */
async function header(): Promise<Map<string, unknown>> {
  const bytes = await Deno.readFile(new URL("golden/tokenizers/t5/spiece.model", HERE));
  const { pieces, charsmap } = readSentencePiece(bytes, "spiece.model");
  const width = pieces.length + 128;
  const at = <T>(f: (i: number) => T, unused: (i: number) => T): T[] =>
    Array.from({ length: width }, (_, i) => i < pieces.length ? f(i) : unused(i));
  return new Map<string, unknown>([
    ["general.architecture", "t5encoder"],
    ["tokenizer.ggml.model", "t5"],
    ["tokenizer.ggml.pre", "default"],
    ["tokenizer.ggml.tokens", at((i) => pieces[i].text, (i) => `[PAD${i}]`)],
    ["tokenizer.ggml.scores", Float32Array.from(at((i) => pieces[i].score, () => -10000))],
    ["tokenizer.ggml.token_type", Int32Array.from(at((i) => pieces[i].type, () => PIECE_TYPE.unused))],
    ["tokenizer.ggml.add_space_prefix", true],
    ["tokenizer.ggml.remove_extra_whitespaces", true],
    ["tokenizer.ggml.precompiled_charsmap", charsmap],
    ["tokenizer.ggml.eos_token_id", 1],
    ["tokenizer.ggml.unknown_token_id", 2],
    ["tokenizer.ggml.padding_token_id", 0],
    ["tokenizer.ggml.add_bos_token", false],
    ["tokenizer.ggml.add_eos_token", true],
  ]);
}

Deno.test("a T5 encoder's tokenizer is read from the header of its GGUF file", async () => {
  const { cases }: { cases: { text: string; ids: number[] }[] } = JSON.parse(
    await Deno.readTextFile(new URL("golden/tokenizers/t5/tokens.json", HERE)),
  );
  const metadata = await header();
  const tokenizer = await open(ggufTokenizerFolder({ name: "t5.gguf", metadata })!);
  for (const { text, ids } of cases) {
    assertEquals(
      [...tokenizer.encode(text, { maxLength: 1e6, padding: false }).ids],
      ids,
      JSON.stringify(text),
    );
  }
  // A folder's tokenizer.json as a whole, under GGUF's own key.
  const json = await Deno.readTextFile(new URL("golden/tokenizers/t5/tokenizer.json", HERE));
  const whole = await open(
    ggufTokenizerFolder({ name: "x", metadata: new Map([["tokenizer.huggingface.json", json]]) })!,
  );
  assertEquals(whole.tokens("a red fox <extra_id_3>"), tokenizer.tokens("a red fox <extra_id_3>"));
  // What stable-diffusion.cpp writes has none.
  assertEquals(ggufTokenizer(new Map([["general.architecture", "t5"]]), "x"), undefined);
});

Deno.test("a tokenizer in a GGUF header that does not fit together is refused by file and key", async () => {
  const whole = await header();
  const refused = (key: string, value: unknown, says: string): void => {
    const metadata = new Map(whole).set(`tokenizer.ggml.${key}`, value);
    assertThrows(() => ggufTokenizer(metadata, "t5.gguf"), LssgenError, says);
  };
  refused("model", "llama", '"llama", expected "t5"');
  refused("tokens", [], '"tokenizer.ggml.tokens" is not a list');
  refused("scores", new Float32Array(3), "has 3 entries");
  refused("token_type", undefined, '"tokenizer.ggml.token_type" is not a list of numbers');
  refused("precompiled_charsmap", "x", "is not a list of bytes");
  refused("add_space_prefix", false, "add_space_prefix");
  refused("eos_token_id", 1e9, "eos_token_id");
  refused("unknown_token_id", -1, "unknown_token_id");
});

Deno.test("a SentencePiece model is read as it was written", () => {
  const pieces = [
    { text: "<unk>", score: 0, type: PIECE_TYPE.unknown },
    { text: "\u2581fox", score: -3.25, type: PIECE_TYPE.normal },
    { text: "x".repeat(200), score: -9, type: PIECE_TYPE.userDefined },
  ];
  const charsmap = Uint8Array.of(4, 0, 0, 0, 1, 2, 3, 4, 65, 0);
  const read = readSentencePiece(writeSentencePiece({ pieces, charsmap }), "x");
  assertEquals({ ...read, charsmap: [...read.charsmap] }, {
    pieces,
    charsmap: [...charsmap],
    unknownId: 0,
    byteFallback: false,
  });
});
