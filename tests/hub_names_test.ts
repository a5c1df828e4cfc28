/** Names on a hub, listings, and which files of them a picture needs: no network. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { overload, PassingError, retryAfter } from "../lib/hub/answers.ts";
import { checkPath, type HubFile, parseTree } from "../lib/hub/listing.ts";
import { parseHubName, spellHubName } from "../lib/hub/name.ts";
import { blockCount, checkAnswer, markedBytes, missingRanges } from "../lib/hub/ranges.ts";
import { bytesText, matches, selectFiles } from "../lib/hub/selection.ts";
import { Sha256 } from "../lib/weights/sha256.ts";

const FLUX = "black-forest-labs/FLUX.1-dev";

Deno.test("every usual spelling of a hub's model is read, and spelled again", () => {
  const cases: [string, string, string?, string?][] = [
    [FLUX, FLUX],
    [`${FLUX}@v1.0`, FLUX, "v1.0"],
    [`${FLUX}:flux1-dev.safetensors`, FLUX, undefined, "flux1-dev.safetensors"],
    [`${FLUX}:vae/model.safetensors`, FLUX, undefined, "vae/model.safetensors"],
    ["city96/FLUX.1-dev-gguf:Q4_K_M", "city96/FLUX.1-dev-gguf", undefined, "Q4_K_M"],
    [`hf://${FLUX}`, FLUX],
    [`hf://models/${FLUX}@refs/pr/3/ae.safetensors`, FLUX, "refs/pr/3", "ae.safetensors"],
    [`hf.co/${FLUX}`, FLUX],
    [`hf.co/${FLUX}:Q8_0`, FLUX, undefined, "Q8_0"],
    [`huggingface.co/${FLUX}/`, FLUX],
    [`https://huggingface.co/${FLUX}`, FLUX],
    [`https://huggingface.co/models/${FLUX}?library=diffusers#readme`, FLUX],
    [`https://huggingface.co/${FLUX}/tree/main`, FLUX, "main"],
    [`https://huggingface.co/${FLUX}/tree/refs%2Fpr%2F3`, FLUX, "refs/pr/3"],
    [`https://huggingface.co/${FLUX}/blob/main/vae/a%20b.gguf`, FLUX, "main", "vae/a b.gguf"],
    [`https://hf.co/${FLUX}/resolve/main/ae.safetensors?download=true`, FLUX, "main", "ae.safetensors"],
    [`https://mirror.example/hub/${FLUX}`, FLUX],
  ];
  for (const [text, repo, revision, file] of cases) {
    const name = parseHubName(text, "https://mirror.example/hub");
    assertEquals([name?.repo, name?.revision, name?.file], [repo, revision, file], text);
    assertEquals(parseHubName(spellHubName(name!)), name, text);
  }
});

Deno.test("paths, folders' addresses and other hosts are no names on a hub", () => {
  for (
    const text of [
      "model",
      "./models/flux",
      "../models/flux",
      "/models/flux",
      "models/flux/",
      "a/b/c",
      "C:/models",
      "C:\\models\\flux",
      "~/models",
      "-x/y",
      "a--b/c",
      "a/b.git",
      "https://example.org/a/b",
      "https://huggingface.co.example.org/a/b",
      "https://huggingface.co/a/b/resolve/main/sub/",
      "style.safetensors",
      "",
    ]
  ) assertEquals(parseHubName(text), undefined, text);
});

Deno.test("a hub's address that names no model, and a revision that is a path, are refused", () => {
  for (
    const text of [
      "https://huggingface.co/datasets/a/b",
      "hf.co/spaces/a/b",
      "hf.co/gpt2",
      "hf://gpt2",
      "https://huggingface.co/a/b/commits/main",
      "https://huggingface.co/a/b/tree/main/unet",
      "a/b@../../etc",
      "a/b@/etc/passwd",
      "https://huggingface.co/a/b/tree/..%2F..%2Fx",
    ]
  ) assertEquals(assertThrows(() => parseHubName(text), LssgenError).code, "bad_option", text);
});

/** Files by path; the size is the path's length. */
function listing(...paths: string[]): HubFile[] {
  return paths.map((path) => ({ path, size: path.length, digest: { kind: "sha256", hex: "0".repeat(64) } }));
}

const INDEX = {
  _class_name: "StableDiffusionXLPipeline",
  unet: ["diffusers", "UNet2DConditionModel"],
  vae: ["diffusers", "AutoencoderKL"],
  text_encoder: ["transformers", "CLIPTextModel"],
  tokenizer: ["transformers", "CLIPTokenizer"],
  scheduler: ["diffusers", "EulerDiscreteScheduler"],
  safety_checker: ["stable_diffusion", "StableDiffusionSafetyChecker"],
  image_encoder: [null, null],
};
const COMMON = [
  "README.md",
  "model_index.json",
  "sd_xl_base_1.0.safetensors",
  "01.png",
  "scheduler/scheduler_config.json",
  "tokenizer/merges.txt",
  "tokenizer/vocab.json",
  "safety_checker/config.json",
  "safety_checker/model.safetensors",
  "unet/config.json",
  "vae/config.json",
  "vae/diffusion_pytorch_model.bin",
  "vae/diffusion_pytorch_model.safetensors",
  "vae_1_0/diffusion_pytorch_model.safetensors",
  "text_encoder/config.json",
  "text_encoder/flax_model.msgpack",
  "text_encoder/model.onnx",
  "text_encoder/openvino_model.xml",
];
const CHOSEN = [
  "scheduler/scheduler_config.json",
  "tokenizer/merges.txt",
  "tokenizer/vocab.json",
  "unet/config.json",
  "vae/config.json",
  "vae/diffusion_pytorch_model.safetensors",
  "text_encoder/config.json",
];

Deno.test("a pipeline's files are configs, vocabularies and one set of weights of each component that is read", () => {
  const weights: [string[], string[], string?][] = [
    [["diffusion_pytorch_model.safetensors"], ["diffusion_pytorch_model.safetensors"]],
    [
      ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors"],
      ["diffusion_pytorch_model.fp16.safetensors"],
      "fp16",
    ],
    [
      ["diffusion_pytorch_model.bf16.safetensors", "diffusion_pytorch_model.safetensors"],
      ["diffusion_pytorch_model.safetensors"],
    ],
    [["diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.bin"], [
      "diffusion_pytorch_model.fp16.safetensors",
    ]],
    [
      [
        "diffusion_pytorch_model-00001-of-00002.safetensors",
        "diffusion_pytorch_model-00002-of-00002.safetensors",
        "diffusion_pytorch_model.safetensors.index.json",
        "diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
        "diffusion_pytorch_model.fp16-00002-of-00002.safetensors",
        "diffusion_pytorch_model.safetensors.index.fp16.json",
        "diffusion_pytorch_model.non_ema.safetensors",
      ],
      [
        "diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
        "diffusion_pytorch_model.fp16-00002-of-00002.safetensors",
        "diffusion_pytorch_model.safetensors.index.fp16.json",
      ],
      "fp16",
    ],
    [
      [
        "diffusion_pytorch_model-00001-of-00002.fp16.safetensors",
        "diffusion_pytorch_model-00002-of-00002.fp16.safetensors",
        "diffusion_pytorch_model.fp16.safetensors.index.json",
      ],
      [
        "diffusion_pytorch_model-00001-of-00002.fp16.safetensors",
        "diffusion_pytorch_model-00002-of-00002.fp16.safetensors",
        "diffusion_pytorch_model.fp16.safetensors.index.json",
      ],
    ],
    [["diffusion_pytorch_model.gguf"], ["diffusion_pytorch_model.gguf"]],
    [["own_name.safetensors", "training_args.bin"], ["own_name.safetensors"]],
  ];
  for (const [there, chosen, note] of weights) {
    const files = listing(
      ...COMMON,
      "text_encoder/model.safetensors",
      ...there.map((name) => `unet/${name}`),
    );
    const { files: found, bytes, notes, single } = selectFiles(files, INDEX, "a/b");
    const expected = [...CHOSEN, "text_encoder/model.safetensors", ...chosen.map((name) => `unet/${name}`)];
    assertEquals(found.map(({ path }) => path).sort(), [...expected, "model_index.json"].sort());
    assertEquals(found.at(-1)?.path, "model_index.json");
    assertEquals(bytes, found.reduce((sum, { size }) => sum + size, 0));
    assertEquals(single, undefined);
    assertEquals(notes.some((text) => text.startsWith("unet: the fp16 variant")), note === "fp16");
    assertStringIncludes(notes.join(), "safety_checker");
  }
});

Deno.test("what is left out by pattern is not chosen from, and what is named by pattern is all that is taken", () => {
  const files = listing(
    ...COMMON,
    "text_encoder/model.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.fp16.safetensors",
  );
  const plain = selectFiles(files, INDEX, "a/b", { exclude: ["*.fp16.*"] }).files.map(({ path }) => path);
  assert(plain.includes("unet/diffusion_pytorch_model.safetensors"));
  assert(!plain.includes("unet/diffusion_pytorch_model.fp16.safetensors"));
  const some = selectFiles(files, INDEX, "a/b", { include: ["sd_xl*"] });
  assertEquals([some.files.length, some.single], [1, "sd_xl_base_1.0.safetensors"]);
  assertEquals(
    selectFiles(files, INDEX, "a/b", { include: ["*"], exclude: ["*.png"] }).files.length,
    files.length - 1,
  );
  assertEquals(
    assertThrows(() => selectFiles(files, INDEX, "a/b", { include: ["*.zip"] }), LssgenError).code,
    "bad_option",
  );
});

Deno.test("patterns mean what they mean in Python's huggingface_hub", () => {
  const cases: [string, string, boolean][] = [
    ["*.json", "unet/config.json", true],
    ["unet/", "unet/a/b.json", true],
    ["unet/*", "vae/unet/x", false],
    ["?.txt", "a.txt", true],
    ["?.txt", "ab.txt", false],
    ["[ab].txt", "b.txt", true],
    ["[!ab].txt", "b.txt", false],
    ["a.b", "axb", false],
    ["(a|b)+", "a", false],
  ];
  for (const [pattern, path, expected] of cases) {
    assertEquals(matches(path, [pattern]), expected, `${pattern} ${path}`);
  }
});

Deno.test("a repository without a pipeline gives its only weights, or says what there is to choose from", () => {
  const choose = (paths: string[], file?: string): string | undefined =>
    selectFiles(listing(...paths), undefined, "a/b", { file }).single;
  const quants = ["README.md", "flux1-dev-Q4_0.gguf", "flux1-dev-Q4_K_S.gguf", "flux1-dev-F16.gguf"];
  assertEquals(choose(["README.md", "lora.safetensors", "x.png"]), "lora.safetensors");
  assertEquals(choose(quants, "flux1-dev-Q4_0.gguf"), "flux1-dev-Q4_0.gguf");
  assertEquals(choose(quants, "q4_k_s"), "flux1-dev-Q4_K_S.gguf");
  for (const file of [undefined, "Q4", "Q8_0", "README"]) {
    const { message } = assertThrows(() => choose(quants, file), LssgenError);
    assertStringIncludes(message, "flux1-dev-Q4_0.gguf");
  }
  assertStringIncludes(assertThrows(() => choose(["model.ckpt"]), LssgenError).message, "pickled");
  // What PEFT keeps beside a LoRA comes along.
  const adapter = ["README.md", "adapter_config.json", "adapter_model.safetensors"];
  assertEquals(
    selectFiles(listing(...adapter), undefined, "a/b").files.map(({ path }) => path),
    ["adapter_config.json", "adapter_model.safetensors"],
  );
  // One network with its config at the top.
  const tae = [
    "README.md",
    "config.json",
    "diffusion_pytorch_model.safetensors",
    "taesd_decoder.safetensors",
  ];
  const { files, single } = selectFiles(listing(...tae), undefined, "a/b");
  assertEquals([files.map(({ path }) => path), single], [[
    "config.json",
    "diffusion_pytorch_model.safetensors",
  ], undefined]);
});

Deno.test("weights that are only pickled, or of which shards are missing, are refused before anything is fetched", () => {
  const base = [...COMMON, "text_encoder/model.safetensors"];
  for (
    const [words, ...paths] of [
      ["pickled", "unet/diffusion_pytorch_model.bin"],
      ["no weights", "unet/notes.md"],
      ["1 of 2", "unet/model-00001-of-00002.safetensors", "unet/model.safetensors.index.json"],
      ["index", "unet/model-00001-of-00002.safetensors", "unet/model-00002-of-00002.safetensors"],
      ["several", "unet/one.safetensors", "unet/two.safetensors"],
    ]
  ) {
    const { message } = assertThrows(
      () => selectFiles(listing(...base, ...paths), INDEX, "a/b"),
      LssgenError,
    );
    assertStringIncludes(message, words);
    assertStringIncludes(message, "unet");
  }
});

Deno.test("hostile listings are refused: paths outside, hashes that are no names, sizes that are no sizes", () => {
  const oid = "a".repeat(40);
  assertEquals(
    parseTree([{ type: "directory", path: "x" }, { type: "file", path: "x", size: 1, oid }], "a/b").length,
    1,
  );
  for (
    const entry of [
      { path: "x", size: -1, oid },
      { path: "x", size: 1.5, oid },
      { path: "x", size: 1e300, oid },
      { path: "x", size: "1", oid },
      { path: "x", size: 1, oid: "../../../x" },
      { path: "x", size: 1, oid: "" },
      { path: 7, size: 1, oid },
      { path: "x", size: 1, oid, lfs: { oid, size: 1 } },
      { path: "x", size: 1, oid, lfs: { oid: `${"b".repeat(63)}/`, size: 1 } },
    ]
  ) {
    assertThrows(
      () => parseTree([{ type: "file", ...entry }], "a/b"),
      LssgenError,
      "a path, a size and a hash",
    );
  }
  assertThrows(() => parseTree({ error: "x" }, "a/b"), LssgenError, "a list of files");
  for (
    const path of [
      "../x",
      "a/../../x",
      "/etc/x",
      "a//b",
      "a/./b",
      "",
      "a\\b",
      "C:x",
      "a\0b",
      "a\nb",
      "x".repeat(300),
    ]
  ) assertThrows(() => checkPath(path, "a/b"), LssgenError, "outside");
  for (const path of ["a/b c.json", "ü.txt", ".gitattributes", "a..b"]) checkPath(path, "a/b");
  assertThrows(() => selectFiles(listing("../x.gguf"), undefined, "a/b"), LssgenError, "outside");
  assertThrows(
    () => selectFiles(listing("x.gguf", "x.gguf"), undefined, "a/b", { include: ["*"] }),
    LssgenError,
    "twice",
  );
});

Deno.test("missing blocks become ranges of whole blocks, none of them longer than a request", () => {
  const pieces = { block: 10, range: 30 };
  assertEquals(blockCount(95, pieces), 10);
  const marks = new Uint8Array(10);
  const spans = (): number[][] => missingRanges(marks, 95, pieces).map(({ from, to }) => [from, to]);
  assertEquals(spans(), [[0, 30], [30, 60], [60, 90], [90, 95]]);
  marks.set([1], 1);
  marks.set([1], 9);
  assertEquals(spans(), [[0, 10], [20, 50], [50, 80], [80, 90]]);
  assertEquals(markedBytes(marks, 95, pieces), 15);
  marks.fill(1);
  assertEquals([spans(), markedBytes(marks, 95, pieces)], [[], 95]);
});

Deno.test("an answer that is another part, or of a file of another length, is refused", () => {
  const [file] = listing("0123456789");
  const check = (status: number, headers: Record<string, string>): unknown =>
    checkAnswer(new Response(null, { status, headers }), { from: 2, to: 6 }, file, "host");
  assertEquals(check(200, { "content-length": "10" }), { from: 0, to: 10 });
  assertEquals(check(206, { "content-range": "bytes 2-5/10", "content-length": "4" }), { from: 2, to: 6 });
  assertEquals(check(206, { "content-range": "bytes 2-5/*" }), { from: 2, to: 6 });
  for (
    const [status, headers] of [
      [200, { "content-length": "11" }],
      [206, { "content-range": "bytes 0-3/10" }],
      [206, { "content-range": "bytes 2-6/10" }],
      [206, { "content-range": "bytes 2-5/11" }],
      [206, { "content-range": "bytes 2-5/10", "content-length": "5" }],
      [206, { "content-range": "nonsense" }],
      [204, {}],
    ] as [number, Record<string, string>][]
  ) assertThrows(() => check(status, headers), LssgenError, "10 bytes");
});

Deno.test("a busy server's wish to wait is heeded, unless it is too long to sit through", () => {
  const at = Date.parse("2026-01-01T00:00:00Z");
  const wait = (headers: Record<string, string>): number | undefined => retryAfter(new Headers(headers), at);
  assertEquals(wait({ "retry-after": "7" }), 7000);
  assertEquals(wait({ "retry-after": "Thu, 01 Jan 2026 00:00:09 GMT" }), 9000);
  assertEquals(wait({ ratelimit: '"api";r=0;t=55' }), 55_000);
  assertEquals(wait({ ratelimit: '"api";r=12;t=55' }), undefined);
  assertEquals(wait({}), undefined);
  const answer = (status: number, after: string) =>
    overload(new Response(null, { status, headers: { "retry-after": after } }), "host");
  assert(answer(429, "60") instanceof PassingError);
  assert(answer(503, "0") instanceof PassingError);
  assert(answer(429, "3600") instanceof LssgenError);
  assertEquals(answer(404, "1"), undefined);
});

Deno.test("SHA-256 in pieces equals Web Crypto's of the whole, whatever the lengths", async () => {
  for (const length of [0, 1, 55, 56, 63, 64, 65, 127, 128, 1000, 4099]) {
    const bytes = new Uint8Array(length).map((_, i) => i * 131 + length);
    const hash = new Sha256();
    for (let at = 0, step = 1; at < length; at += step++) hash.update(bytes.subarray(at, at + step));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    assertEquals(hash.hex(), Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""));
  }
});

Deno.test("bytes are told in three digits", () => {
  assertEquals([0, 999, 1000, 983_000, 999_600, 6_938_078_334, 33e12].map(bytesText), [
    "0 bytes",
    "999 bytes",
    "1.00 kB",
    "983 kB",
    "1.00 MB",
    "6.94 GB",
    "33.0 TB",
  ]);
});
