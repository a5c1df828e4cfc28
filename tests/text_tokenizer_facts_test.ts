/** Facts about a tokenizer that stand beside its vocabulary: heeded as transformers does, or refused by name. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { loadTokenizer, type TokenizerFolder } from "../lib/text/load_tokenizer.ts";
import { bytesOf, folderOf, type FolderSource } from "../lib/weights/bytes.ts";

const MODEL = new URL("./golden/pipelines/flux_dev/model/", import.meta.url);
const FOLDERS = { clip: "tokenizer", t5: "tokenizer_2" } as const;
type Kind = keyof typeof FOLDERS;
type Files = Readonly<Record<string, unknown>>;

async function golden(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(new URL(path, MODEL));
  } catch {
    return undefined;
  }
}

/** The golden tokenizer of a kind with files replaced, as tests/data/tokenizers/make_facts.py does. */
async function altered(kind: Kind, files: Files): Promise<TokenizerFolder> {
  const at = FOLDERS[kind];
  const replaced = new Map<string, Uint8Array<ArrayBuffer> | undefined>();
  for (const [key, value] of Object.entries(files)) {
    const [name, source] = key.split("=");
    const path = name.replace("+", "");
    if (source) replaced.set(path, await golden(`${at}/${source}`));
    else if (value === null) replaced.set(path, undefined);
    else if (value instanceof Uint8Array) replaced.set(path, new Uint8Array(value));
    else {
      const under = name === path ? {} : JSON.parse(new TextDecoder().decode(await golden(`${at}/${path}`)));
      const merged = Object.entries({ ...under, ...value as Files });
      const kept = merged.filter(([field, v]) => name === path || v !== null || !(field in (value as Files)));
      const text = typeof value === "string" ? value : JSON.stringify(Object.fromEntries(kept));
      replaced.set(path, new TextEncoder().encode(text));
    }
  }
  const bytes = (path: string): Promise<Uint8Array<ArrayBuffer> | undefined> =>
    replaced.has(path) ? Promise.resolve(replaced.get(path)) : golden(`${at}/${path}`);
  return {
    bytes,
    text: async (path) => {
      const found = await bytes(path);
      return found && new TextDecoder().decode(found);
    },
  };
}

interface Facts {
  readonly texts: readonly string[];
  readonly row: number;
  readonly cases: readonly {
    readonly kind: Kind;
    readonly name: string;
    readonly files: Files;
    readonly maxLength: number | null;
    readonly ids: readonly number[][];
    readonly rows: readonly number[][];
  }[];
}

Deno.test("every place of a fact about a tokenizer gives the ids that transformers gives", async () => {
  const facts: Facts = JSON.parse(
    await Deno.readTextFile(new URL("./data/tokenizers/facts.json", import.meta.url)),
  );
  assertEquals(facts.cases.length, 48);
  for (const { kind, name, files, maxLength, ids, rows } of facts.cases) {
    const tokenizer = await loadTokenizer(await altered(kind, files), "");
    const free = facts.texts.map((text) => [
      ...tokenizer.encode(text, { maxLength: 1e5, padding: false }).ids,
    ]);
    assertEquals(free, ids, `${kind}: ${name}`);
    const framed = [facts.texts[0], facts.texts[facts.texts.length - 1]].map((text) => [
      ...tokenizer.encode(text, { maxLength: facts.row }).ids,
    ]);
    assertEquals(framed, rows, `${kind}, filled and cut: ${name}`);
    if (maxLength !== null) assertEquals(tokenizer.maxLength, maxLength, `${kind}: ${name}`);
  }
});

Deno.test("the mask covers what is not padding, on either side", async () => {
  const left = await loadTokenizer(
    await altered("clip", { "tokenizer_config.json+": { padding_side: "left", truncation_side: "left" } }),
    "",
  );
  const { ids, mask } = left.encode("a b", { maxLength: 7 });
  assertEquals([...mask], [0, 0, 0, 1, 1, 1, 1]);
  assertEquals(ids[3], left.startId);
  const { cut } = left.encode("a b one two", { maxLength: 4 });
  assert(cut && cut.text.startsWith("a b"), `the first words are dropped, not "${cut?.text}"`);
});

Deno.test("a wrong fact about a tokenizer is refused by file and key", async () => {
  const slow = { "tokenizer.json": null };
  const cases: [Kind, Files, string][] = [
    ["clip", { "tokenizer_config.json+": { model_max_length: "77" } }, 'model_max_length is "77"'],
    ["clip", { "tokenizer_config.json+": { model_max_length: -1 } }, "model_max_length is -1"],
    ["clip", { "tokenizer_config.json+": { model_max_length: 7.5 } }, "expected a whole number"],
    ["clip", { "tokenizer_config.json+": { padding_side: "top" } }, 'padding_side is "top"'],
    ["clip", { "tokenizer_config.json": { ...NAMES, bos_token: null } }, "bos_token is null"],
    ["clip", { "tokenizer_config.json+": { pad_token: 5 } }, "pad_token is 5"],
    ["clip", { "tokenizer_config.json+": { pad_token: { content: "!", lstrip: "yes" } } }, 'lstrip is "yes"'],
    ["clip", { ...slow, "added_tokens.json": { "<fox>": "1214" } }, "added_tokens.json"],
    ["clip", { ...slow, "added_tokens.json": { "<fox>": 2 ** 31 } }, "2147483648"],
    ["clip", { ...slow, "added_tokens.json": "[" }, "not valid JSON"],
    ["clip", { "tokenizer_config.json+": { added_tokens_decoder: { x: { content: "a" } } } }, 'decoder["x"]'],
    ["clip", { "tokenizer_config.json+": { added_tokens_decoder: { 1: 5 } } }, 'decoder["1"]'],
    [
      "clip",
      { "tokenizer_config.json+": { extra_special_tokens: [{ token: "a" }] } },
      "an entry of extra_special_tokens",
    ],
    ["clip", { "tokenizer.json+": { added_tokens: 5 } }, "added_tokens is not a list"],
    ["clip", { "tokenizer.json+": { model: { type: "WordPiece" } } }, '"WordPiece"'],
    [
      "clip",
      { "tokenizer.json+": { model: { type: "BPE", end_of_word_suffix: "", merges: [], vocab: {} } } },
      'end_of_word_suffix is ""',
    ],
    ["t5", { "tokenizer_config.json+": { extra_ids: 2 ** 31 } }, "extra_ids is 2147483648"],
    ["t5", { "tokenizer_config.json+": { extra_ids: "5" } }, 'extra_ids is "5"'],
    [
      "t5",
      {
        "tokenizer_config.json": { tokenizer_class: "T5Tokenizer", extra_ids: 5 },
        "special_tokens_map.json": { additional_special_tokens: ["<extra_id_0>"] },
      },
      'lists 1 tokens "<extra_id_…>"',
    ],
    ["t5", { "tokenizer.json": null, "spiece.model": null }, "neither tokenizer.json nor spiece.model"],
  ];
  for (const [kind, files, says] of cases) {
    const folder = await altered(kind, files);
    await assertRejects(() => loadTokenizer(folder, ""), LssgenError, says, says);
  }
});

const NAMES = { bos_token: "<|startoftext|>", eos_token: "<|endoftext|>", tokenizer_class: "CLIPTokenizer" };

Deno.test("model_index.json names the class first, tokenizer_config.json second, the files third", async () => {
  const load = async (kind: Kind, index: unknown, files: Files): Promise<string> => {
    const folder = await altered(kind, files);
    const below = (path: string): string => path.replace(/^x\//, "");
    const tokenizer = await loadTokenizer({
      bytes: (path) => folder.bytes(below(path)),
      text: (path) =>
        path === "model_index.json"
          ? Promise.resolve(JSON.stringify({ x: index }))
          : folder.text(below(path)),
    }, "x");
    return tokenizer.constructor.name;
  };
  const told = (tokenizer_class?: string): Files => ({ "tokenizer_config.json": { tokenizer_class } });
  const fast = ["transformers", "PreTrainedTokenizerFast"];
  const slow = { "tokenizer.json": null };
  assertEquals(await load("t5", ["transformers", "T5Tokenizer"], told()), "T5Tokenizer");
  assertEquals(await load("t5", ["transformers", "T5TokenizerFast"], told("LlamaTokenizer")), "T5Tokenizer");
  assertEquals(await load("t5", fast, told("T5TokenizerFast")), "T5Tokenizer");
  for (const kind of ["clip", "t5"] as const) {
    const name = kind === "clip" ? "ClipTokenizer" : "T5Tokenizer";
    assertEquals(await load(kind, fast, told("TokenizersBackend")), name);
    assertEquals(await load(kind, undefined, { ...told(), ...slow }), name);
    assertEquals(await load(kind, undefined, { "tokenizer_config.json": null, ...slow }), name);
  }
  const refused = (index: unknown, files: Files, says: string) =>
    assertRejects(() => load("t5", index, files), LssgenError, says);
  await refused(["transformers", "LlamaTokenizer"], told("T5Tokenizer"), 'model_index.json, "x"');
  await refused(undefined, told("LlamaTokenizer"), '"LlamaTokenizer" is not known');
  await refused(undefined, told("toString"), '"toString" is not known');
  await refused(undefined, { ...told(), "tokenizer.json": { model: { type: "WordLevel" } } }, '"WordLevel"');
  await refused(
    undefined,
    { ...told(), "tokenizer.json": null, "spiece.model": null, "vocab.json": null },
    "none of tokenizer.json, vocab.json with merges.txt, spiece.model is there",
  );
});

Deno.test("merges.txt that is cut short is refused, wherever it is cut", async () => {
  const whole = new TextDecoder().decode(await golden("tokenizer/merges.txt"));
  const lines = whole.trimEnd().split("\n");
  const cuts = [
    lines.slice(0, 300).join("\n"),
    lines.slice(0, -1).join("\n"),
    whole.slice(0, 2001),
    "#version: 0.2\n",
  ];
  for (const cut of cuts) {
    const folder = await altered("clip", { "tokenizer.json": null, "merges.txt": cut });
    await assertRejects(() => loadTokenizer(folder, ""), LssgenError, "merges.txt");
  }
  const other = await altered("clip", { "tokenizer.json": null, "merges.txt": `${whole}q x\n` });
  await assertRejects(() => loadTokenizer(other, ""), LssgenError, 'merges "qx", which "vocab.json" has not');
});

Deno.test("hostile tokenizers are refused or read in time linear in their size", async () => {
  const tokens = Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`<t${i}>`, 1214 + i]));
  const slow = { "tokenizer.json": null };
  const refused = async (kind: Kind, files: Files, says: string) => {
    const folder = await altered(kind, files);
    await assertRejects(() => loadTokenizer(folder, ""), LssgenError, says);
  };
  await refused("clip", { ...slow, "added_tokens.json": tokens }, "70000 added tokens");
  await refused(
    "clip",
    { ...slow, "added_tokens.json": { ["x".repeat(1 << 20)]: 1214 } },
    "different letters",
  );
  await refused(
    "t5",
    {
      "tokenizer.json+": {
        model: {
          type: "Unigram",
          unk_id: 0,
          vocab: [["x".repeat(1000), 0], ["</s>", 0], ["<unk>", 0], ["<pad>", 0]],
        },
      },
    },
    "piece 0 has 1000 letters",
  );
  let nested: unknown = { type: "Precompiled", precompiled_charsmap: "AAAA" };
  for (let i = 0; i < 2000; i++) nested = { type: "Sequence", normalizers: [nested] };
  await refused("t5", { "tokenizer.json+": { normalizer: nested } }, "nests more than 32 lists and objects");
  const many = await loadTokenizer(
    await altered("clip", {
      ...slow,
      "added_tokens.json": Object.fromEntries(Object.entries(tokens).slice(0, 10_000)),
    }),
    "",
  );
  assertEquals(many.tokens("<t9999> <t99990>")[0], 1214 + 9999);
  assertEquals(many.encode("<".repeat(100_000), { maxLength: 77 }).ids.length, 77);
});

Deno.test("a tokenizer that is wrong or does not fit its encoder is refused before any weights are read", async () => {
  const open = (files: Readonly<Record<string, Files>>): { folder: FolderSource; read: string[] } => {
    const read: string[] = [];
    const folder = folderOf("model", async (path) => {
      const data = await golden(path);
      if (!data) return undefined;
      const over = files[path];
      const bytes = over
        ? new TextEncoder().encode(JSON.stringify({ ...JSON.parse(new TextDecoder().decode(data)), ...over }))
        : data;
      const source = bytesOf(path, bytes);
      // The header of a checkpoint is looked at ahead; tensors lie behind it.
      const header = path.endsWith(".safetensors")
        ? 8 + Number(new DataView(data.buffer).getBigUint64(0, true))
        : Infinity;
      return {
        ...source,
        read: (offset, length) => {
          if (offset >= header) read.push(path);
          return source.read(offset, length);
        },
      };
    });
    return { folder, read };
  };
  const cases: [Readonly<Record<string, Files>>, string][] = [
    [
      { "model_index.json": { tokenizer_2: ["transformers", "LlamaTokenizer"] } },
      '"LlamaTokenizer" is not known',
    ],
    [{ "tokenizer/tokenizer_config.json": { model_max_length: 500 } }, "max_position_embeddings is 77"],
    [
      { "tokenizer/tokenizer_config.json": { pad_token: "<pad>" } },
      "ids up to 1214, the encoder's vocab_size is 1214",
    ],
    [{ "tokenizer_2/tokenizer_config.json": { extra_ids: 2 ** 31 } }, "extra_ids is 2147483648"],
  ];
  for (const [files, says] of cases) {
    const { folder, read } = open(files);
    await assertRejects(() => createPipeline(folder, { dtype: "f32" }), LssgenError, says);
    assertEquals(read, [], says);
  }
});
