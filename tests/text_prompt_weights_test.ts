import { assert, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { loadTokenizer } from "../lib/text/load_tokenizer.ts";
import { parseWeights, weightedChunks, weightedRow } from "../lib/text/prompt_weights.ts";

const GOLDEN = new URL("./golden/tokenizers/", import.meta.url);

const load = (name: string) =>
  loadTokenizer({
    text: (path) => Deno.readTextFile(new URL(`${name}/${path}`, GOLDEN)).catch(() => undefined),
    bytes: (path) => Deno.readFile(new URL(`${name}/${path}`, GOLDEN)).catch(() => undefined),
  }, "");

/** Weights to three digits, as "text@weight|…". */
const show = (prompt: string) =>
  parseWeights(prompt).map(({ text, weight }) => `${text}@${Number(weight.toFixed(3))}`).join("|");

Deno.test("parseWeights() weighs brackets as ComfyUI and A1111 do", () => {
  const cases: [string, string][] = [
    ["a cat", "a cat@1"],
    ["a (red) cat", "a @1|red@1.1| cat@1"],
    ["((red))", "red@1.21"],
    ["[red]", "red@0.909"],
    ["[(red)] cat", "red cat@1"],
    ["(red:1.3) cat", "red@1.3| cat@1"],
    ["((red:1.3) cat)", "red@1.3| cat@1.1"],
    ["(a (b) c:0.5)", "a @0.5|b@0.55| c@0.5"],
    ["(b: 1.5 )", "b@1.5"],
    ["(time 12:30:.5)", "time 12:30@0.5"],
    ["(ratio a:b)", "ratio a:b@1.1"],
    ["(:1.3)", ":1.3@1.1"],
    ["(a:-1)", "a@-1"],
    ["(a:1e3)", "a:1e3@1.1"],
    ["", ""],
    ["()", ""],
  ];
  for (const [prompt, expected] of cases) assertEquals(show(prompt), expected, prompt);
});

Deno.test("Escaped and unpaired brackets are ordinary text", () => {
  const cases: [string, string][] = [
    ["smile \\(face\\)", "smile (face)@1"],
    ["\\[a\\] \\\\ \\x", "[a] \\ \\x@1"],
    ["(a \\(b\\):1.2)", "a (b)@1.2"],
    [":)", ":)@1"],
    ["a (b", "a (b@1"],
    ["a) b", "a) b@1"],
    ["(a] b)", "a] b@1.1"],
    ["((a)", "(@1|a@1.1"],
    ["[a (b] c", "[a (b] c@1"],
  ];
  for (const [prompt, expected] of cases) assertEquals(show(prompt), expected, prompt);
});

Deno.test("Walls of brackets neither crash nor hang, and absurd weights are refused", () => {
  const n = 100_000;
  assertEquals(show("(".repeat(n)), `${"(".repeat(n)}@1`);
  assertEquals(show(`${"(".repeat(n)}a${"]".repeat(n)}`).length, 2 * n + 3);
  assertThrows(() => parseWeights(`${"(".repeat(n)}a${")".repeat(n)}`), LssgenError, "at most 100");
  assertThrows(() => parseWeights("(a:1000)"), LssgenError, "by 1000");
  assert(parseWeights(`${"[".repeat(n)}a${"]".repeat(n)}`)[0].weight < 1e-300);
});

Deno.test("A prompt without emphasis gives the tokenizer's own row on every golden string", async () => {
  for (const [name, maxLength] of [["clip", 77], ["t5", 64]] as const) {
    const tokenizer = await load(name);
    const { cases } = JSON.parse(await Deno.readTextFile(new URL(`${name}/tokens.json`, GOLDEN)));
    let compared = 0;
    for (const { text } of cases as { text: string }[]) {
      if (/[()[\]\\]/.test(text)) continue;
      const plain = tokenizer.encode(text, { maxLength });
      const rows = name === "t5"
        ? [weightedRow(tokenizer, text, maxLength)]
        : weightedChunks(tokenizer, text, maxLength);
      if (name === "clip" && plain.cut) {
        assert(rows.length > 1, JSON.stringify(text));
        continue;
      }
      assertEquals(rows.length, 1);
      assertEquals(rows[0].ids, plain.ids, JSON.stringify(text));
      assertEquals(rows[0].mask, plain.mask, JSON.stringify(text));
      assert(rows[0].weights.every((w) => w === 1));
      compared++;
    }
    assert(compared > 150, `${name}: ${compared}`);
  }
});

Deno.test("Weights stand at the tokens of their words", async () => {
  const clip = await load("clip");
  const [row] = weightedChunks(clip, "a (red fox:1.5) in [snow]", 77);
  assertEquals(row.ids.slice(0, 7), clip.encode("a red fox in snow", { maxLength: 77 }).ids.slice(0, 7));
  assertEquals([...row.weights.slice(0, 8)].map((w) => Number(w.toFixed(4))), [
    1,
    1,
    1.5,
    1.5,
    1,
    0.9091,
    1,
    1,
  ]);
});

Deno.test("A long prompt fills rows of 75 tokens and keeps its words whole", async () => {
  const clip = await load("clip");
  const words = Array.from({ length: 120 }, (_, i) => i % 2 ? "photorealistic" : "fox");
  const each = [clip.tokens("fox").length, clip.tokens("photorealistic").length];
  assert(each[1] > 1, "the second word has more than one token");
  const rows = weightedChunks(clip, words.join(" "), 77);
  const text: number[] = [];
  for (const { ids, mask } of rows) {
    assertEquals(ids.length, 77);
    assertEquals([ids[0], ids[mask.lastIndexOf(1)]], [clip.startId, clip.endId]);
    const inner = ids.slice(1, mask.lastIndexOf(1));
    assert(inner.length > 75 - each[1] || ids === rows[rows.length - 1].ids, "no room is wasted");
    assertEquals(
      clip.decode([...inner]).trim().split(" ").every((w) => w === "fox" || w === "photorealistic"),
      true,
    );
    text.push(...inner);
  }
  assertEquals(text, clip.tokens(words.join(" ")));
});

Deno.test("A word longer than a row is cut into several rows", async () => {
  const clip = await load("clip");
  const rows = weightedChunks(clip, "x9".repeat(100), 77);
  assertEquals(rows.length, Math.ceil(clip.tokens("x9".repeat(100)).length / 75));
  assertEquals(weightedChunks(clip, "extraterrestrials", 3).length, clip.tokens("extraterrestrials").length);
  assertEquals(weightedChunks(clip, "", 77).length, 1);
  assertThrows(() => weightedChunks(clip, "fox", 2), LssgenError, "into 2 tokens");
});
