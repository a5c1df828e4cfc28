/** Unsound files: refused with this library's own error, promptly, naming the file; sound ones open. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { bytesOf, type ByteSource, memoryFolder } from "../lib/weights/bytes.ts";
import { httpFolder } from "../lib/weights/http_source.ts";
import { type Checkpoint, openCheckpoint, openCheckpointFile } from "../lib/weights/checkpoint.ts";
import { openGguf } from "../lib/weights/gguf.ts";
import { openSafetensors } from "../lib/weights/safetensors.ts";

const ROOT = new URL("./golden/robustness/", import.meta.url);

async function readAll(checkpoint: Checkpoint): Promise<Record<string, readonly number[]>> {
  const shapes = new Map<string, readonly number[]>();
  for (const name of checkpoint.names()) {
    await checkpoint.readF32(name);
    shapes.set(name, checkpoint.info(name)!.shape);
  }
  return Object.fromEntries(shapes);
}

/** A safetensors file of a header and as many zero bytes. */
function safetensors(header: string | Uint8Array, data = 0): ByteSource {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytesOf("made.safetensors", bytes);
}

/** A GGUF file from its parts: numbers are u32, bigints u64, texts carry their length, lists are bytes. */
function gguf(...parts: (number | bigint | string | readonly number[])[]): ByteSource {
  const bytes: number[] = [];
  const push = (v: bigint, n: number) => {
    for (let i = 0; i < n; i++) bytes.push(Number(v >> BigInt(8 * i) & 255n));
  };
  for (const part of parts) {
    if (typeof part === "number") push(BigInt(part), 4);
    else if (typeof part === "bigint") push(part, 8);
    else if (typeof part === "string") {
      const text = new TextEncoder().encode(part);
      push(BigInt(text.length), 8);
      bytes.push(...text);
    } else bytes.push(...part);
  }
  return bytesOf("made.gguf", new Uint8Array(bytes));
}

const MAGIC = 0x46554747;
const zeros = (n: number): number[] => Array(n).fill(0);
const [U32, BOOL, TEXT, ARRAY, F32] = [4, 7, 8, 9, 0];

/** Header of version 3 with one key and no tensors. */
const key = (...value: (number | bigint | string | readonly number[])[]) =>
  gguf(MAGIC, 3, 0n, 1n, "k", ...value, zeros(64));

/** Header of version 3 with `n` tensors and no keys. */
const tensors = (n: bigint, ...rest: (number | bigint | string | readonly number[])[]) =>
  gguf(MAGIC, 3, n, 0n, ...rest);

for (const group of ["gguf", "safetensors", "index"]) {
  const folder = new URL(`${group}/`, ROOT);
  const expectations = JSON.parse(Deno.readTextFileSync(new URL("expectations.json", folder)));
  for (
    const [entry, { expect, shapes }] of Object.entries<{ expect: string; shapes?: unknown }>(expectations)
  ) {
    Deno.test(`${group}/${entry} ${expect}`, async () => {
      const open = group === "index"
        ? () => openCheckpoint(fileFolder(new URL(entry, folder).pathname), "")
        : () => openCheckpointFile(fileFolder(folder.pathname), entry);
      if (expect === "must be accepted") {
        const found = await readAll(await open());
        if (shapes) assertEquals(Object.entries(found).sort(), Object.entries(shapes).sort());
        return;
      }
      const error = await assertRejects(open, LssgenError);
      assert(["bad_file", "bad_tensor", "unsupported"].includes(error.code), error.code);
      assert(error.message.includes(entry), `the message names no file: ${error.message}`);
    });
  }
}

const UNSOUND_GGUF: Record<string, [file: ByteSource, code: string, says: string]> = {
  "an empty file": [gguf(), "bad_file", "is empty"],
  "a file of its magic alone": [gguf(MAGIC), "bad_file", "counts"],
  "the other byte order": [gguf(MAGIC, 0x03000000, 0n, 0n), "unsupported", "big-endian"],
  "version 1": [gguf(MAGIC, 1, 0n, 0n), "unsupported", "version 1"],
  "2^63 keys": [gguf(MAGIC, 3, 0n, 1n << 63n, zeros(64)), "bad_file", "keys"],
  "a key that is there twice": [
    gguf(MAGIC, 3, 0n, 2n, "k", U32, 1, "k", U32, 2, zeros(64)),
    "bad_file",
    "twice",
  ],
  "a key that is not UTF-8": [
    gguf(MAGIC, 3, 0n, 1n, 2n, [0xff, 0xfe], U32, 1, zeros(64)),
    "bad_file",
    "UTF-8",
  ],
  "a key of unknown type": [key(77, 1), "bad_file", "unknown type 77"],
  "a boolean of value 2": [key(BOOL, [2]), "bad_file", "boolean"],
  "an array of 2^61 numbers": [key(ARRAY, U32, 1n << 61n), "bad_file", "array"],
  "an array of 2^40 texts": [key(ARRAY, TEXT, 1n << 40n), "bad_file", "array"],
  "an array of unknown type": [key(ARRAY, 55, 2n, [1, 2]), "bad_file", "unknown type 55"],
  "arrays nested 1000 deep": [
    key(ARRAY, ...Array.from({ length: 1000 }, () => [ARRAY, 1n]).flat(), U32, 0n),
    "bad_file",
    "nests",
  ],
  "an alignment of 0": [gguf(MAGIC, 3, 0n, 1n, "general.alignment", U32, 0), "bad_file", "power of two"],
  "an alignment of 48": [gguf(MAGIC, 3, 0n, 1n, "general.alignment", U32, 48), "bad_file", "power of two"],
  "an alignment as a text": [gguf(MAGIC, 3, 0n, 1n, "general.alignment", TEXT, "x"), "bad_file", "power"],
  "2^32 - 1 axes": [tensors(1n, "a", 0xffffffff, zeros(64)), "bad_file", "axes"],
  "sizes whose product overflows": [
    tensors(1n, "a", 2, 1n << 32n, 1n << 32n, F32, 0n, zeros(64)),
    "bad_file",
    "axis",
  ],
  "a size of 2^64 - 1": [tensors(1n, "a", 1, (1n << 64n) - 1n, F32, 0n, zeros(64)), "bad_file", "axis"],
  "an offset of 2^64 - 32": [
    tensors(1n, "a", 1, 8n, F32, (1n << 64n) - 32n, zeros(64)),
    "bad_file",
    "the file has",
  ],
  "an offset off its alignment": [tensors(1n, "a", 1, 8n, F32, 4n, zeros(96)), "bad_file", "alignment"],
  "a tensor that is there twice": [
    tensors(2n, "a", 1, 8n, F32, 0n, "a", 1, 8n, F32, 32n, zeros(128)),
    "bad_file",
    "twice",
  ],
  "tensors that overlap": [
    tensors(2n, "a", 1, 16n, F32, 0n, "b", 1, 8n, F32, 32n, zeros(128)),
    "bad_file",
    "inside another",
  ],
  "a type of ggml that is not computed here": [
    tensors(1n, "a", 1, 256n, 19, 0n, zeros(256)),
    "unsupported",
    "IQ1_S",
  ],
};

for (const [what, [file, code, says]] of Object.entries(UNSOUND_GGUF)) {
  Deno.test(`GGUF: ${what} is refused`, async () => {
    const error = await assertRejects(() => openGguf(file), LssgenError, says);
    assertEquals(error.code, code);
  });
}

Deno.test("a quantised vector's bytes are cut between its blocks only, its values anywhere", async () => {
  const file = await openGguf(tensors(1n, "a", 1, 64n, 8, 0n, zeros(160)));
  assertEquals((await file.readF32("a", { first: 32, count: 32 })).length, 32);
  assertEquals((await file.readF32("a", { first: 16, count: 32 })).length, 32);
  const error = await assertRejects(() => file.read("a", { first: 16, count: 32 }), LssgenError, "blocks");
  assertEquals(error.code, "unsupported");
});

const entry = (name: string, rest: string) => `{${JSON.stringify(name)}:{${rest}}}`;

const UNSOUND_SAFETENSORS: Record<string, [file: ByteSource, says: string]> = {
  "a header that is not UTF-8": [safetensors(new Uint8Array([123, 34, 255, 34, 58, 49, 125])), "not JSON"],
  "a header that is a list": [safetensors("[]"), "not an object"],
  "a tensor that is a number": [safetensors('{"a":1}'), "described by an object"],
  "metadata of numbers": [safetensors('{"__metadata__":{"a":1}}'), "__metadata__"],
  "a dtype nested 200000 deep": [
    safetensors(entry("a", `"dtype":${"[".repeat(2e5)}${"]".repeat(2e5)}`)),
    "nests more than 8 lists",
  ],
  "a shape whose product overflows": [
    safetensors(entry("a", '"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]')),
    "needs",
  ],
  "a shape of fractions": [
    safetensors(entry("a", '"dtype":"F32","shape":[1.5],"data_offsets":[0,6]'), 6),
    "whole numbers",
  ],
  "offsets that run backwards": [
    safetensors(entry("a", '"dtype":"F32","shape":[1],"data_offsets":[4,0]'), 4),
    "lies at",
  ],
  "a hole before a tensor": [
    safetensors(entry("a", '"dtype":"F32","shape":[1],"data_offsets":[4,8]'), 8),
    "holes",
  ],
  "data that nobody describes": [safetensors("{}", 16), "end at 0"],
  "two empty tensors of one name": [
    safetensors(
      '{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
    ),
    "under 1 names",
  ],
};

for (const [what, [file, says]] of Object.entries(UNSOUND_SAFETENSORS)) {
  Deno.test(`safetensors: ${what} is refused`, async () => {
    const error = await assertRejects(() => openSafetensors(file), LssgenError, says);
    assertEquals(error.code, "bad_file");
  });
}

const INDEX = "diffusion_pytorch_model.safetensors.index.json";

for (
  const [what, index, says] of [
    ["without a weight_map", "{}", "weight_map"],
    ["with a list for a weight_map", '{"weight_map":["a"]}', "weight_map"],
    ["whose shards are numbers", '{"weight_map":{"a":1}}', "weight_map"],
    ["that names an absolute path", '{"weight_map":{"a":"/s.safetensors"}}', "outside"],
    ["that names a URL", '{"weight_map":{"a":"data:x"}}', "outside"],
    ["that names a path with backslashes", '{"weight_map":{"a":"..\\\\s.safetensors"}}', "outside"],
    ["that is not JSON", "{", "not valid JSON"],
  ]
) {
  Deno.test(`a shard index ${what} is refused`, async () => {
    const folder = memoryFolder("m", new Map([[INDEX, new TextEncoder().encode(index)]]));
    const error = await assertRejects(() => openCheckpoint(folder, ""), LssgenError, says);
    assertEquals(error.code, "bad_file");
  });
}

Deno.test("an escaped path of a web folder does not leave the folder", async () => {
  const folder = httpFolder(new URL("index/missing_shard/", ROOT));
  assert(await folder.open("s-00001-of-00002.safetensors"), "a file of the folder opens");
  assertEquals(await folder.open("%2e%2e/ok/s.safetensors"), undefined);
});

Deno.test("a file cut anywhere, or with any byte changed, is opened or refused, never worse", async () => {
  const samples: [string, (source: ByteSource) => Promise<Checkpoint>][] = [
    ["gguf/ok_alignment_64.gguf", openGguf],
    ["safetensors/ok_zero_size.safetensors", openSafetensors],
  ];
  for (const [path, open] of samples) {
    const sound = await Deno.readFile(new URL(path, ROOT));
    const attempt = async (bytes: Uint8Array<ArrayBuffer>): Promise<boolean> => {
      try {
        await readAll(await open(bytesOf(path, bytes)));
        return true;
      } catch (error) {
        if (!(error instanceof LssgenError)) throw error;
        return false;
      }
    };
    assert(await attempt(sound), `${path} is sound`);
    for (let n = 0; n < sound.length; n++) {
      assert(!await attempt(sound.slice(0, n)), `${path} cut to ${n} bytes was accepted`);
    }
    for (let i = 0; i < sound.length; i++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const changed = sound.slice();
        changed[i] = value;
        await attempt(changed);
      }
    }
  }
});
