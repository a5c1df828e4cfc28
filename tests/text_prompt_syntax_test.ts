/** What prompts hold besides words: LoRA tags, BREAK, and other programs' syntax refused by name. */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { Opened } from "../lib/pipelines/family.ts";
import { readPrompt } from "../lib/text/prompt_syntax.ts";
import { parseWeights, weightedChunks, weightedRow } from "../lib/text/prompt_weights.ts";
import type { Tokenizer } from "../lib/text/tokenizer.ts";

const model = fileFolder(new URL("./golden/pipelines/sd3/model", import.meta.url).pathname);
const tokenizer = (name: string): Promise<Tokenizer> => new Opened().tokenizer(model, name);

function refusal(prompt: string, field?: string): LssgenError {
  return assertThrows(() => readPrompt(prompt, field), LssgenError);
}

Deno.test("a LoRA's tag leaves the words and gives A1111's multipliers: text encoders first, then the denoiser", () => {
  const cases: [string, { name: string; textScale: number; scale: number }][] = [
    ["<lora:style>", { name: "style", textScale: 1, scale: 1 }],
    ["<lora:style:0.8>", { name: "style", textScale: 0.8, scale: 0.8 }],
    ["<lora:style:0.5:0.7>", { name: "style", textScale: 0.5, scale: 0.7 }],
    ["<lora:style:0.5:unet=.7>", { name: "style", textScale: 0.5, scale: 0.7 }],
    ["<lora:style:te=0:unet=1>", { name: "style", textScale: 0, scale: 1 }],
    ["<lyco:a b/c d.v2: -1 >", { name: "a b/c d.v2", textScale: -1, scale: -1 }],
    ["<LoRA:style:1>", { name: "style", textScale: 1, scale: 1 }],
  ];
  for (const [tag, lora] of cases) {
    assertEquals(readPrompt(`a fox${tag}, hat`), { text: "a fox, hat", loras: [lora], warnings: [] });
  }
});

Deno.test("a LoRA named twice gets the sum, several keep their order", () => {
  const { text, loras } = readPrompt("<lora:b:0.5> a <lora:a:1> fox <lora:b:0.25:1>");
  assertEquals(text, " a  fox ");
  assertEquals(loras, [{ name: "b", textScale: 0.75, scale: 1.5 }, { name: "a", textScale: 1, scale: 1 }]);
});

Deno.test("what a tag cannot be is refused by its own words", () => {
  const cases: [string, string, string?][] = [
    ["<lora:style:0.8", "has no closing"],
    ["<lora::0.8>", "name is missing"],
    ["<lora:style:strong>", '"strong" is no multiplier'],
    ["<lora:style:1e9>", '"1e9" is no multiplier'],
    ["<lora:style:101>", "from -100 to 100"],
    ["<lora:style:1:1:8>", "one part too many"],
    ["<lora:style:lbw=XY>", '"lbw=" is not supported'],
    ["<hypernet:anime:1>", "hypernetworks are not supported"],
    ["<foo:bar>", '"foo" is not known'],
    ["<lora:style:1>", "stands in negativePrompt", "negativePrompt"],
    ["<lora:style:1>", "stands in prompt2", "prompt2"],
  ];
  for (const [prompt, words, field] of cases) {
    const { message } = refusal(`a fox ${prompt} in the snow`, field);
    assertStringIncludes(message, words);
    assertStringIncludes(message, field ?? "prompt");
  }
});

Deno.test("other programs' syntax is refused by its words, and escaped it is text", () => {
  const cases: [string, string, string][] = [
    ["[cat:dog:0.5]", "at a step", "\\[cat:dog:0.5]"],
    ["[cat:10]", "at a step", "\\[cat:10]"],
    ["[(cat:1.2)::.3]", "at a step", "\\[(cat:1.2)::.3]"],
    ["[cat|dog]", "from step to step", "\\[cat|dog]"],
    ["{red|blue}", "dynamic prompts", "\\{red|blue}"],
    ["{2$$a|b|c}", "dynamic prompts", "\\{2$$a|b|c}"],
    ["__animals/cats__", "wildcard", "\\__animals/cats__"],
    ["embedding:easynegative", "textual inversion", "embedding\\:easynegative"],
    ["(embedding:bad_hands:1.2)", "textual inversion", "(embedding\\:bad_hands:1.2)"],
    ['("a cat", "a dog").blend(1, 1)', "compel", '("a cat", "a dog")\\.blend(1, 1)'],
  ];
  for (const [prompt, words, escaped] of cases) {
    for (const field of ["prompt", "negativePrompt"]) {
      const error = refusal(`a ${prompt} in (the:1.2) snow`, field);
      assertEquals(error.code, "unsupported");
      assertStringIncludes(error.message, words);
      assertStringIncludes(error.message, `in ${field}`);
    }
    assertEquals(readPrompt(escaped).text, escaped);
  }
  assertEquals(parseWeights("\\<a\\> \\{b|c\\} \\__d__ e\\:f (g\\:1.3)"), [
    { text: "<a> {b|c} __d__ e:f ", weight: 1 },
    { text: "g:1.3", weight: 1.1 },
  ]);
});

Deno.test("words that only look like syntax are words", () => {
  for (
    const prompt of [
      "a heart <3, x < y > z, <fox-toy>",
      "[red] fox, ((tall)), (a:1.2), [dark [blue]]",
      "ratio 16:9, at 10:30, a {curly} brace, a|b",
      "snake_case and my__name, C++ code, -- and ++",
      "embedding: a gem in rock",
      "[unclosed: 0.5, {a|b",
      "SALT AND PEPPER, BREAKFAST",
    ]
  ) {
    assertEquals(readPrompt(prompt), { text: prompt, loras: [], warnings: [] });
  }
});

Deno.test("AND between words is a word, with a warning that names it", () => {
  const { text, warnings } = readPrompt("a cat AND a dog");
  assertEquals(text, "a cat AND a dog");
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0], '"AND" in prompt');
  assertEquals(readPrompt("a cat and a DOG, a BAND").warnings, []);
});

Deno.test("walls of brackets, braces and tags neither crash nor hang", () => {
  for (const unit of ["{a|", "[", "<lora", "__a ", "<x ", "\\", "[a:", "(", "{|"]) {
    const wall = unit.repeat(100_000);
    assertEquals(readPrompt(wall).text, wall);
  }
});

Deno.test("BREAK begins a row of CLIP's, at its weight, and leaves no empty rows", async () => {
  const clip = await tokenizer("tokenizer");
  const [fox, house, hat] = ["red fox", "blue house", "hat"].map((text) => clip.tokens(text));
  const rows = (prompt: string) =>
    weightedChunks(clip, prompt, 77).map(({ ids, mask, weights }) => {
      const length = mask.reduce((sum, bit) => sum + bit, 0);
      assertEquals([ids.length, ids[0], ids[length - 1]], [77, clip.startId, clip.endId]);
      return { ids: [...ids.subarray(1, length - 1)], weight: weights[1] };
    });
  const both = [{ ids: fox, weight: 1 }, { ids: house, weight: 1 }];
  for (
    const prompt of [
      "red fox BREAK blue house",
      "red fox\nBREAK\nblue house",
      "BREAK red fox BREAK BREAK blue house BREAK",
    ]
  ) assertEquals(rows(prompt), both, prompt);
  assertEquals(
    rows("(red fox BREAK blue house:1.5) BREAK hat"),
    [
      { ids: fox, weight: 1.5 },
      { ids: house, weight: 1.5 },
      { ids: hat, weight: 1 },
    ].map((row) => ({ ...row, weight: Math.fround(row.weight) })),
  );
  assertEquals(rows("red fox BREAK, hat").map(({ ids }) => ids), [fox, clip.tokens(", hat")]);
  // Neither part of a word nor lower case.
  for (const prompt of ["red fox BREAKFAST", "red fox break hat", "red fox BREAK_hat"]) {
    assertEquals(rows(prompt).length, 1);
  }
});

Deno.test("BREAK behind a full row adds none, and T5 reads on behind it", async () => {
  const clip = await tokenizer("tokenizer");
  const word = clip.tokens("fox").length;
  const full = Array(Math.floor(75 / word)).fill("fox").join(" ");
  assertEquals(weightedChunks(clip, `${full} BREAK fox`, 77).length, 2);
  const t5 = await tokenizer("tokenizer_3");
  assertEquals(weightedRow(t5, "red fox BREAK blue house", 20), weightedRow(t5, "red fox blue house", 20));
});

Deno.test("half a million digits that are no number are refused as a multiplier and are words as a weight", () => {
  const digits = `${"1".repeat(1 << 19)}x`;
  assertEquals(refusal(`<lora:a:${digits}>`).code, "bad_option");
  assertEquals(parseWeights(`(a:${digits})`).map(({ text }) => text), [`a:${digits}`]);
});
