import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { loadTokenizer, type TokenizerFolder } from "../lib/text/load_tokenizer.ts";

const GOLDEN = new URL("./golden/", import.meta.url);

/** A folder of the golden data, with files replaced by name; undefined hides one. */
function folder(
  path: string,
  replaced: Record<string, string | Uint8Array | undefined> = {},
): TokenizerFolder {
  const read = async (file: string): Promise<Uint8Array | undefined> => {
    if (file in replaced) {
      const value = replaced[file];
      return typeof value === "string" ? new TextEncoder().encode(value) : value;
    }
    try {
      return await Deno.readFile(new URL(`${path}/${file}`, GOLDEN));
    } catch {
      return undefined;
    }
  };
  return {
    bytes: read,
    text: async (file) => {
      const bytes = await read(file);
      return bytes && new TextDecoder().decode(bytes);
    },
  };
}

async function goldenJson<T>(path: string): Promise<T> {
  return JSON.parse(await Deno.readTextFile(new URL(path, GOLDEN)));
}

interface Strings {
  cases: { text: string; ids: number[]; ids_max32?: number[]; untruncated_length?: number }[];
}

Deno.test("ClipTokenizer equals the real one on every golden string", async () => {
  const tokenizer = await loadTokenizer(folder("tokenizers/clip"), "");
  const { cases } = await goldenJson<Strings>("tokenizers/clip/tokens.json");
  assertEquals(cases.length, 205);
  for (const { text, ids, untruncated_length } of cases) {
    assertEquals(
      [...tokenizer.encode(text, { maxLength: 77, padding: false }).ids],
      ids,
      JSON.stringify(text),
    );
    assertEquals(tokenizer.tokens(text).length + 2, untruncated_length, JSON.stringify(text));
  }
});

Deno.test("ClipTokenizer pads with the folder's own padding token", async () => {
  const { padded } = await goldenJson<
    { padded: { text: string; pad: "!" | "<|endoftext|>"; ids: number[] }[] }
  >(
    "tokenizers/clip/tokens.json",
  );
  const config = await goldenJson<Record<string, unknown>>("tokenizers/clip/tokenizer_config.json");
  const load = (pad_token: string) =>
    loadTokenizer(
      folder("tokenizers/clip", { "tokenizer_config.json": JSON.stringify({ ...config, pad_token }) }),
      "",
    );
  const tokenizers = { "!": await load("!"), "<|endoftext|>": await load("<|endoftext|>") };
  for (const { text, pad, ids } of padded) {
    const tokenizer = tokenizers[pad];
    const { ids: got, mask } = tokenizer.encode(text, { maxLength: 77 });
    assertEquals([...got], ids, JSON.stringify({ text, pad }));
    assertEquals(mask.lastIndexOf(1), got.indexOf(tokenizer.endId), "the mask ends with the end token");
  }
});

Deno.test("T5Tokenizer equals the real one on every golden string, from tokenizer.json and from spiece.model", async () => {
  const { cases } = await goldenJson<Strings>("tokenizers/t5/tokens.json");
  assertEquals(cases.length, 205);
  for (const hidden of ["spiece.model", "tokenizer.json"]) {
    const tokenizer = await loadTokenizer(folder("tokenizers/t5", { [hidden]: undefined }), "");
    for (const { text, ids, ids_max32 } of cases) {
      const what = `${JSON.stringify(text)} without ${hidden}`;
      assertEquals([...tokenizer.encode(text, { maxLength: 1e6, padding: false }).ids], ids, what);
      assertEquals([...tokenizer.encode(text, { maxLength: 32, padding: false }).ids], ids_max32!, what);
    }
  }
});

Deno.test("T5Tokenizer pads to the length asked for", async () => {
  const { padded_max24 } = await goldenJson<{ padded_max24: { text: string; ids: number[] }[] }>(
    "tokenizers/t5/tokens.json",
  );
  const tokenizer = await loadTokenizer(folder("tokenizers/t5"), "");
  for (const { text, ids } of padded_max24) {
    const row = tokenizer.encode(text, { maxLength: 24 });
    assertEquals([...row.ids], ids, JSON.stringify(text));
    assertEquals([...row.mask], ids.map((id) => id === tokenizer.padId ? 0 : 1), JSON.stringify(text));
  }
});

/** The int32 rows of a safetensors file whose names begin with `prefix`. */
async function int32Rows(path: string, prefix: string): Promise<Map<string, number[]>> {
  const bytes = await Deno.readFile(new URL(path, GOLDEN));
  const view = new DataView(bytes.buffer);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header: Record<string, { dtype?: string; data_offsets: [number, number] }> = JSON.parse(
    new TextDecoder().decode(bytes.subarray(8, start)),
  );
  const rows = new Map<string, number[]>();
  for (const [name, { dtype, data_offsets: [from, to] = [0, 0] }] of Object.entries(header)) {
    if (!name.startsWith(prefix) || dtype !== "I32") continue;
    rows.set(
      name,
      Array.from({ length: (to - from) / 4 }, (_, i) => view.getInt32(start + from + 4 * i, true)),
    );
  }
  return rows;
}

Deno.test("Prompts of the golden pipelines give the ids that their encoders were fed", async () => {
  let compared = 0;
  for await (const entry of Deno.readDir(new URL("pipelines/", GOLDEN))) {
    const path = `pipelines/${entry.name}`;
    const { call } = await goldenJson<{ call: Record<string, string & number> }>(`${path}/case.json`);
    for (const [name, ids] of await int32Rows(`${path}/io.safetensors`, "in.ids.")) {
      // in.ids.text_encoder_2.1: encoder 2, the negative prompt.
      const [, suffix, which] = /^in\.ids\.text_encoder(_\d)?\.(\d)$/.exec(name)!;
      const tokenizer = await loadTokenizer(folder(`${path}/model`), `tokenizer${suffix ?? ""}`);
      const text = which === "0" ? call.prompt : call.negative_prompt;
      assertEquals([...tokenizer.encode(text, { maxLength: ids.length }).ids], ids, `${path} ${name}`);
      compared++;
    }
  }
  assert(compared >= 2, `${compared} rows compared`);
});

Deno.test("A CLIP folder reads the same from tokenizer.json alone", async () => {
  const at = "pipelines/flux_dev/model/tokenizer";
  const files = await loadTokenizer(folder(at), "");
  const json = await loadTokenizer(folder(at, { "vocab.json": undefined }), "");
  for (const text of ["a red fox, 12 of them!", "Ünï çødé <|endoftext|> it's", "  "]) {
    assertEquals(json.tokens(text), files.tokens(text));
  }
});

Deno.test("A prompt that is too long is cut, and the rest is told", async () => {
  const clip = await loadTokenizer(folder("tokenizers/clip"), "");
  const row = clip.encode("a red fox in the snow", { maxLength: 5 });
  assertEquals(row.ids.length, 5);
  assertEquals(row.cut, { tokens: 3, text: "in the snow" });
  assertEquals(clip.encode("a red fox", { maxLength: 5 }).cut, undefined);
  assertThrows(() => clip.encode("fox", { maxLength: 2 }), LssgenError, "into 2 tokens");
});

Deno.test("A wall of letters or white space is tokenized, not waited for", async () => {
  const clip = await loadTokenizer(folder("tokenizers/clip"), "");
  const t5 = await loadTokenizer(folder("tokenizers/t5"), "");
  for (const wall of ["abcdefgh".repeat(20_000), " ".repeat(200_000), "🦊\u200d".repeat(10_000), "\ud800x"]) {
    assertEquals(clip.encode(wall, { maxLength: 77 }).ids.length, 77);
    assertEquals(t5.encode(wall, { maxLength: 77 }).ids.length, 77);
  }
});

Deno.test("Tokenizers of other classes and damaged files are refused by name", async () => {
  const refused = async (
    path: string,
    files: Record<string, string | Uint8Array | undefined>,
    says: string,
  ) => {
    await assertRejects(() => loadTokenizer(folder(path, files), ""), LssgenError, says);
  };
  const llama = JSON.stringify({ tokenizer_class: "LlamaTokenizer" });
  await refused("tokenizers/t5", { "tokenizer_config.json": llama }, '"LlamaTokenizer" is not known');
  await refused("tokenizers/t5", { "tokenizer_config.json": "{" }, "not valid JSON");
  await refused("tokenizers/t5", { "tokenizer.json": '{"model":{"type":"BPE"}}' }, '"BPE"');
  await refused("tokenizers/t5", { "tokenizer.json": '{"model":{"vocab":[[1,2]],"unk_id":0}}' }, "piece 0");
  await refused("tokenizers/t5", { "tokenizer.json": undefined, "spiece.model": undefined }, "neither");
  await refused("tokenizers/clip", { "vocab.json": undefined }, "vocab.json is missing");
  await refused("tokenizers/clip", { "vocab.json": undefined, "merges.txt": undefined }, "neither");
  await refused("tokenizers/clip", { "merges.txt": "a b c" }, "merge of two");
  await refused("tokenizers/clip", { "vocab.json": '{"a": 0}' }, 'merges "i", which "vocab.json" has not');
  await refused("tokenizers/clip", { "vocab.json": '{"a": -1}' }, "the id of");
  await refused(
    "tokenizers/clip",
    { "tokenizer_config.json": "{}", "vocab.json": "{}", "merges.txt": "" },
    'no "<|startoftext|>"',
  );
  const model = await Deno.readFile(new URL("tokenizers/t5/spiece.model", GOLDEN));
  for (const cut of [1, 5, 1000, model.length - 3]) {
    await refused(
      "tokenizers/t5",
      { "tokenizer.json": undefined, "spiece.model": model.slice(0, cut) },
      "spiece.model",
    );
  }
});
