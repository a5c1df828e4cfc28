/** Every reader of strangers' JSON refuses brackets within brackets, and texts that would cost far more memory than they have. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fromStored } from "../lib/cli/request.ts";
import { LssgenError } from "../lib/errors.ts";
import { storedTunings } from "../lib/gpu/stored.ts";
import { checkJson, parseJson } from "../lib/json.ts";
import { ImageServer } from "../lib/server/server.ts";
import { loadTokenizer } from "../lib/text/load_tokenizer.ts";
import { bytesOf, memoryFolder } from "../lib/weights/bytes.ts";
import { openCheckpoint } from "../lib/weights/checkpoint.ts";
import { LoraSet } from "../lib/weights/lora.ts";
import { readModelIndex } from "../lib/weights/model_folder.ts";
import { openSafetensors, writeSafetensors } from "../lib/weights/safetensors.ts";
import { FakeEngine, OPTIONS } from "./fake_engine.ts";

type Bytes = Uint8Array<ArrayBuffer>;
const bytes = (text: string): Bytes => new TextEncoder().encode(text);

/** Deeper than any reader goes; recursion over it would overflow the stack. */
const DEEP = "[".repeat(1 << 18) + "]".repeat(1 << 18);
/** 21 bytes of memory a character, once parsed. */
const WIDE = `[${"{},".repeat(1 << 20)}0]`;
const TIMES = [["deep", DEEP, "nests"], ["wide", WIDE, "holds|characters"]] as const;

function folder(files: Record<string, string | Bytes>): ReturnType<typeof memoryFolder> {
  return memoryFolder(
    "m",
    new Map(Object.entries(files).map(([path, v]) => [path, typeof v === "string" ? bytes(v) : v])),
  );
}

function tokenizerOf(files: Record<string, string>): Promise<unknown> {
  return loadTokenizer({
    text: (path) => Promise.resolve(files[path]),
    bytes: (path) => Promise.resolve(files[path] === undefined ? undefined : bytes(files[path])),
  }, "");
}

function header(text: string): Bytes {
  const inner = bytes(text);
  const out = new Uint8Array(8 + inner.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(inner.length), true);
  out.set(inner, 8);
  return out;
}

const LORA = writeSafetensors([
  { name: "lora_unet_a.lora_down.weight", shape: [1, 2], data: new Float32Array(2) },
  { name: "lora_unet_a.lora_up.weight", shape: [2, 1], data: new Float32Array(2) },
]);

/** A reader given one value in the place where its file has another. */
const READERS: Record<string, (value: string) => Promise<unknown>> = {
  "model_index.json": (v) => readModelIndex(folder({ "model_index.json": `{"_class_name": ${v}}` })),
  "tokenizer.json": (v) => tokenizerOf({ "tokenizer.json": `{"model": ${v}}` }),
  "tokenizer_config.json": (v) =>
    tokenizerOf({ "tokenizer_config.json": `{"a": ${v}}`, "vocab.json": "{}", "merges.txt": "" }),
  "vocab.json": (v) => tokenizerOf({ "vocab.json": `{"a": ${v}}`, "merges.txt": "" }),
  "a shard index": (v) =>
    openCheckpoint(folder({ "model.safetensors.index.json": `{"weight_map": ${v}}` }), ""),
  "a safetensors header": (v) => openSafetensors(bytesOf("a.safetensors", header(`{"a": ${v}}`))),
  "adapter_config.json": (v) =>
    LoraSet.open([{ file: bytesOf("a.safetensors", LORA), config: `{"alpha_pattern": ${v}}` }]),
  "stored parameters": (v) => Promise.resolve().then(() => fromStored(`{"width": ${v}}`, "a.png")),
};

for (const [name, read] of Object.entries(READERS)) {
  Deno.test(`${name} is refused with brackets within brackets, and with a million empty objects`, async () => {
    for (const [, value, says] of TIMES) {
      const error = await assertRejects(() => read(value), LssgenError);
      assert(new RegExp(says).test(error.message), error.message.slice(0, 200));
      assert(error.message.length < 400, "the message repeats the input");
    }
  });
}

Deno.test("a request's body is refused with brackets within brackets, and with a million empty objects", async () => {
  const server = new ImageServer(new FakeEngine(), OPTIONS);
  for (const [, value, says] of TIMES) {
    for (const path of ["/sdapi/v1/txt2img", "/v1/images/generations"]) {
      const response = await server.handle(
        new Request(`http://localhost${path}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: `{"prompt": "x", "override_settings": ${value}}`,
        }),
      );
      assertEquals(response.status, 400);
      assert(new RegExp(says).test(await response.text()));
    }
  }
});

Deno.test("what is kept between runs is left out with brackets within brackets", () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "localStorage");
  const tuning = '{"adapter": "a", "operands": "texels"}';
  const keep = (text: string): void => {
    Object.defineProperty(globalThis, "localStorage", { value: { getItem: () => text }, configurable: true });
  };
  try {
    keep(`[${tuning}]`);
    assertEquals(storedTunings().length, 1);
    for (const [, value] of TIMES) {
      keep(`[${tuning}, ${value}]`);
      assertEquals(storedTunings(), []);
    }
  } finally {
    if (before) Object.defineProperty(globalThis, "localStorage", before);
  }
});

Deno.test("brackets, commas and colons in texts count nothing, and quotes end where JSON ends them", () => {
  const bounds = { characters: 1 << 24, depth: 2 };
  const inText = "[{,:".repeat(1 << 20);
  assertEquals(parseJson("a", JSON.stringify([inText]), bounds), [inText]);
  for (const text of ['[["\\\\"]]', '[["\\""]]', '[["a\\\\\\"["]]', '["[[["]']) {
    assertEquals(parseJson("a", text, bounds), JSON.parse(text));
  }
  // The bracket behind a text that ends in a backslash counts.
  assertThrows(() => checkJson("a", '[["\\\\", []]]', bounds), LssgenError, "nests");
  assertThrows(() => checkJson("a", `[${"0,".repeat(1 << 22)}0]`, bounds), LssgenError, "values");
  const keys = `{${Array.from({ length: 1 << 20 }, (_, i) => `"${i}":0`).join()}}`;
  assertThrows(() => checkJson("a", keys, bounds), LssgenError, "keys");
  assertThrows(() => checkJson("a", "x".repeat(11), { characters: 10, depth: 2 }), LssgenError, "characters");
});

Deno.test("a vocabulary of a quarter of a million pieces is parsed", () => {
  const pieces = JSON.stringify({
    model: { vocab: Array.from({ length: 250_000 }, (_, i) => [`\u2581piece${i}`, -i / 1000]) },
  });
  const parsed = parseJson("tokenizer.json", pieces, { characters: 32 << 20, depth: 32 }) as {
    model: { vocab: unknown[] };
  };
  assertEquals(parsed.model.vocab.length, 250_000);
});
