/** Words that a small model does not know are told. */

import { assert, assertEquals } from "@std/assert";
import { embeddedFolder } from "../lib/pipelines/embedded_model.ts";
import { createPipeline, readModelInfo } from "../lib/pipelines/text_to_image.ts";
import { unknownWords } from "../lib/text/unknown_words.ts";
import type { Tokenizer } from "../lib/text/tokenizer.ts";

/** A tokenizer that has some words whole, and spells the rest after its longest whole beginning. */
function whole(...words: string[]): Tokenizer {
  const tokens = (word: string): number[] => {
    for (let n = word.length; n > 0; n--) {
      if (words.includes(word.slice(0, n))) return [1, ...Array<number>(word.length - n).fill(2)];
    }
    return [3, ...Array<number>(word.length).fill(2)];
  };
  return { tokens } as unknown as Tokenizer;
}

Deno.test("a word is unknown when its tokenizer spells it, each once, and an ending or two are not held against it", () => {
  const tokenizer = whole("a", "cat", "star", "x-ray", "dog");
  assertEquals(unknownWords("A cat, two Fjords; fjords & a star", tokenizer), ["two", "fjords"]);
  assertEquals(unknownWords("cats starry x-ray dog's", tokenizer), []);
  assertEquals(unknownWords("catapult 4k !? b", tokenizer), ["catapult"]);
});

Deno.test("the embedded model lists what it draws, and says which words of a prompt it does not know", async () => {
  const info = await readModelInfo(embeddedFolder());
  assert(info.nouns!.includes("apple") && info.nouns!.length > 200);
  await using pipeline = await createPipeline();
  const draw = async (prompt: string): Promise<readonly string[]> =>
    (await pipeline.generate({
      prompt,
      width: 64,
      height: 64,
      steps: 1,
      method: "direct",
      minResolution: 64,
    }))
      .warnings;
  assertEquals((await draw("a red apple")).filter((text) => text.includes("no word")), []);
  const [told] = (await draw("a (gothic:1.2) apple in Reykjavik")).filter((text) => text.includes("no word"));
  assert(/"gothic"/.test(told) && /"reykjavik"/.test(told) && !/"apple"/.test(told), told);
});
