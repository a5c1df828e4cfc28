/** Parts of the page that need no browser: masks, zips, addresses, sizes, texts. */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { answerFor, packedFile, PACKINGS, packs } from "../lib/cli/page_packing.ts";
import { inEnglish } from "../tools/web.ts";
import { fromHash, toHash } from "../web/address.ts";
import { isText, setLanguage, t } from "../web/language.ts";
import { extendedMask, feathered } from "../web/mask.ts";
import { LANGUAGES, TEXTS } from "../web/texts.ts";
import { uniqueNames, zip } from "../web/zip.ts";

const WEB = fromFileUrl(new URL("../web/", import.meta.url));

Deno.test("a feathered mask keeps its inside and outside, and its edge falls evenly", () => {
  const [w, h] = [60, 8];
  const mask = Uint8Array.from({ length: w * h }, (_, i) => i % w < 30 ? 255 : 0);
  assertEquals(feathered(mask, w, h, 0), mask);
  const soft = feathered(mask, w, h, 12);
  const row = soft.subarray(3 * w, 4 * w);
  assertEquals([row[0], row[17], row[42], row[59]], [255, 255, 0, 0]);
  for (let i = 1; i < w; i++) assert(row[i] <= row[i - 1], `falls at ${i}`);
  assert(Math.abs(row[29] + row[30] - 255) <= 3, "even on both sides of the edge");
});

Deno.test("an extended picture's mask is white where the picture is new and over a seam beside it", () => {
  const mask = new Uint8Array(20 * 10);
  mask[5 * 20 + 10] = 200;
  const out = extendedMask(mask, 20, 10, { top: 0, right: 4, bottom: 0, left: 2 }, 3);
  const at = (x: number, y: number): number => out[y * 26 + x];
  assertEquals(out.length, 260);
  // New columns 0, 1 and 22 … 25; three columns of the picture beside each.
  assertEquals([0, 1, 4, 5, 18, 19, 25].map((x) => at(x, 0)), [255, 255, 255, 0, 0, 255, 255]);
  assertEquals(at(12, 5), 200);
});

Deno.test("a zip has its records where the format has them, and names occur once", async () => {
  assertEquals(uniqueNames(["a.png", "b.png", "a.png", "a.png"]), ["a.png", "b.png", "a-2.png", "a-3.png"]);
  const entries = [
    { name: "ä 1.png", data: new Blob(["hello"]), when: Date.UTC(2026, 1, 3, 4, 5, 6) },
    { name: "empty.png", data: new Blob([]), when: 0 },
  ];
  const bytes = new Uint8Array(await (await zip(entries)).arrayBuffer());
  const view = new DataView(bytes.buffer);
  assertEquals(view.getUint32(0, true), 0x04034b50);
  assertEquals(view.getUint32(14, true), 0x3610a686, "CRC-32 of hello");
  const end = bytes.length - 22;
  assertEquals([view.getUint32(end, true), view.getUint16(end + 10, true)], [0x06054b50, 2]);
  const directory = view.getUint32(end + 16, true);
  assertEquals(view.getUint32(directory, true), 0x02014b50);
  assertEquals(view.getUint32(directory + 42, true), 0);
});

Deno.test("settings survive the way through an address; what is foreign or damaged is left out", () => {
  const settings = {
    prompt: "a & b = ü #1 <lora:x:0.5>",
    steps: 7,
    seed: 0,
    initNoise: 0.55,
    scheduler: "dpm++2m",
    width: 640,
    height: 384,
  };
  assertEquals(fromHash(toHash(settings as never)), settings as never);
  assertEquals(fromHash("#steps=x&seed=&evil=1&__proto__=2&width=1e999&height=64"), { height: 64 });
  assertEquals(toHash({ prompt: "x".repeat(9000) }), "#");
});

Deno.test("every text has every language with the same values, and index.html asks for none that is missing", async () => {
  for (const [name, row] of Object.entries(TEXTS)) {
    assertEquals(row.length, LANGUAGES.length, name);
    const values = row.map((text) => [...text.matchAll(/\{\w+\}/g)].map(([value]) => value).sort().join());
    assertEquals(new Set(values).size, 1, `${name}: ${values}`);
    assert(row.every((text) => text.length > 0), name);
  }
  const html = inEnglish(await Deno.readTextFile(`${WEB}index.html`));
  assert(!/data-t="[\w-]+"[^>]*><\//.test(html), "an element got no text");
  const names = [...html.matchAll(/data-t(?:-label)?="([\w-]+)"/g)].map(([, name]) => name);
  assert(names.length > 80 && names.every(isText));
});

Deno.test("texts are filled in, in the language that is set", async () => {
  assertEquals(t("fetchingOf", { done: "1 MB", total: "2 MB" }), "Fetching the model: 1 MB of 2 MB");
  await setLanguage("de");
  assertEquals(t("step", { step: 1, steps: 2 }), "Schritt 1 von 2");
  await setLanguage("xx");
  assertEquals(t("stop"), "Stop");
});

Deno.test("files of the page are packed and named by content; a client that knows them gets nothing", async () => {
  const text = new TextEncoder().encode("const a = 1;\n".repeat(500));
  for (const packing of PACKINGS) assert(packedFile(text, packing).length < text.length / 10, packing.name);
  const gzip = packedFile(text, PACKINGS[1]);
  const back = new Response(
    new Blob([gzip as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip")),
  );
  assertEquals(await back.bytes(), text);
  assertEquals([packs("main.js"), packs("weights/x/model_index.json"), packs("icon-192.png")], [
    true,
    false,
    false,
  ]);
  const ask = (headers: Record<string, string>, path = "main.js") =>
    answerFor(path, "abc", new Request("http://x/", { headers }), () => true);
  const br = ask({ "accept-encoding": "gzip, br;q=0.5" });
  assertEquals([br.status, br.ending, br.headers.get("etag"), br.headers.get("content-encoding")], [
    200,
    ".br",
    '"abc-br"',
    "br",
  ]);
  assertEquals(ask({ "accept-encoding": "br;q=0, gzip" }).ending, ".gz");
  assertEquals(ask({}).ending, "");
  assertEquals(ask({ "accept-encoding": "br" }, "weights/a.gguf").headers.get("etag"), '"abc"');
  const known = ask({ "accept-encoding": "br", "if-none-match": '"x", W/"abc-br"' });
  assertEquals([known.status, known.headers.get("content-encoding")], [304, null]);
  assertEquals(
    ask({ "accept-encoding": "gzip", "if-none-match": '"abc-br"' }).status,
    200,
    "another packing is another content",
  );
});
