/** Readers whose time and memory grow with the file alone, and a build that deletes nobody's folder. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { loadTokenizer } from "../lib/text/load_tokenizer.ts";
import { bytesOf, type ByteSource } from "../lib/weights/bytes.ts";
import { openGguf } from "../lib/weights/gguf.ts";
import { parsePythonJson } from "../lib/json.ts";
import { build } from "../tools/web.ts";

Deno.test("JSON with NaN is read in linear time, whatever stands between its quotes", () => {
  assertEquals(parsePythonJson('{"a": NaN, "b": -Infinity, "NaN\\"": "x, NaN \\\\", "c": [Infinity]}'), {
    a: "NaN",
    b: -Infinity,
    'NaN"': "x, NaN \\",
    c: [Infinity],
  });
  // Each took hours at this size where every quote searched the rest of the text anew.
  const n = 2 ** 21;
  for (const bad of ['NaN"' + "\\".repeat(n + 1), "NaN" + '"\\'.repeat(n), "NaN" + '"'.repeat(n + 1)]) {
    assertThrows(() => parsePythonJson(bad), SyntaxError);
  }
  const quotes = '{"a": NaN, "b": "' + '\\"'.repeat(n) + '"}';
  assertEquals((parsePythonJson(quotes) as { b: string }).b.length, n);
});

/** A GGUF file whose one key is an array of `count` elements of a type, of the given bytes. */
function arrayOf(type: number, count: number, bytes: Uint8Array): ByteSource {
  const head = new DataView(new ArrayBuffer(24 + 9 + 16));
  head.setUint32(0, 0x46554747, true);
  head.setUint32(4, 3, true);
  head.setBigUint64(16, 1n, true); // keys
  head.setBigUint64(24, 1n, true);
  head.setUint8(32, "a".charCodeAt(0));
  head.setUint32(33, 9, true);
  head.setUint32(37, type, true);
  head.setBigUint64(41, BigInt(count), true);
  const all = new Uint8Array(head.byteLength + bytes.length);
  all.set(new Uint8Array(head.buffer));
  all.set(bytes, head.byteLength);
  return bytesOf("made.gguf", all);
}

Deno.test("a GGUF file's booleans stay bytes, and arrays of arrays are counted", async () => {
  const booleans = await openGguf(arrayOf(7, 1_000_000, new Uint8Array(1_000_000).fill(1)));
  const list = booleans.metadata.get("a");
  assert(list instanceof Uint8Array && list.length === 1_000_000 && list[999_999] === 1);
  await assertRejects(() => openGguf(arrayOf(7, 2, Uint8Array.of(1, 2))), LssgenError, "boolean");
  await openGguf(arrayOf(9, 1000, new Uint8Array(12_000)));
  await assertRejects(() => openGguf(arrayOf(9, 100_000, new Uint8Array(1_200_000))), LssgenError, "arrays");
});

Deno.test("a tokenizer's extra_ids beyond any encoder's are refused by name", async () => {
  // Pieces of a SentencePiece model: text (1), score (2), type (3): 2 is unknown, 3 control.
  const piece = (text: string, type: number): number[] => {
    const said = [10, text.length, ...new TextEncoder().encode(text), 21, 0, 0, 0, 0, 24, type];
    return [10, said.length, ...said];
  };
  const model = Uint8Array.from(
    [piece("<pad>", 3), piece("</s>", 3), piece("<unk>", 2), piece("a", 1)].flat(),
  );
  for (const extra of [2 ** 31, 0.5, 1e308, "", [], "NaN"]) {
    const folder = {
      text: (path: string) =>
        Promise.resolve(
          path === "tokenizer_config.json"
            ? JSON.stringify({ tokenizer_class: "T5Tokenizer", extra_ids: extra })
            : undefined,
        ),
      bytes: (path: string) => Promise.resolve(path.endsWith("spiece.model") ? model : undefined),
    };
    await assertRejects(() => loadTokenizer(folder, ""), LssgenError, "extra_ids");
  }
});

Deno.test("the page is not built into a folder that holds something else", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/letters.txt`, "mine");
    await assertRejects(() => build(folder), Error, folder);
    await Deno.writeTextFile(`${folder}/files.json`, '["index.html", "files.json"]');
    await assertRejects(() => build(folder), Error, folder); // letters.txt is not in the listing
    assertEquals(await Deno.readTextFile(`${folder}/letters.txt`), "mine");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
