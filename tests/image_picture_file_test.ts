/** Pictures of every format against Pillow's reading of them; tests/data/make_pictures.py made both. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { openPicture } from "../lib/image/picture_file.ts";
import { encodePng } from "../lib/image/png.ts";
import CASES from "./data/pictures.json" with { type: "json" };

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

Deno.test("every format is read as Pillow reads it, upright, to the last bit", async () => {
  for (const [what, want] of Object.entries(CASES).filter(([what]) => what !== "avif")) {
    const file = openPicture(bytesOf(want.file), { name: what });
    assertEquals([file.width, file.height], [want.width, want.height], what);
    const { width, height, channels, data } = await file.decode();
    assertEquals([width, height], [want.width, want.height], what);
    const pixels = bytesOf(want.pixels);
    let worst = 0;
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < Math.min(channels, want.channels); c++) {
        worst = Math.max(worst, Math.abs(data[i * channels + c] - pixels[i * want.channels + c]));
      }
    }
    assertEquals(worst, 0, what);
  }
});

Deno.test("what cannot be read is refused by its name, with what can be", async () => {
  const ascii = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
  const refused = (bytes: Uint8Array<ArrayBuffer>, code: string, words: string) => {
    const error = assertThrows(() => openPicture(bytes, { name: "x.pic" }), LssgenError, words);
    assertEquals(error.code, code);
    assert(error.message.includes("x.pic"), error.message);
  };
  refused(ascii("II*\0\x08\0\0\0"), "unsupported", "it is TIFF");
  refused(ascii("\0\0\0\x18ftypheic\0\0\0\0mif1heic"), "unsupported", "it is HEIC");
  refused(ascii("<!DOCTYPE html><html>"), "unsupported", "it is HTML");
  refused(ascii("version https://git-lfs.github.com/spec/v1\n"), "unsupported", "Git LFS pointer");
  refused(ascii("hello"), "bad_file", "PNG, JPEG, WebP, GIF, BMP, AVIF");
  refused(new Uint8Array(0), "bad_file", "empty");
  refused(ascii("\xff\xd8\xff\xe0\0\x04ab\xff\xd9"), "bad_file", "names no size");
  // Known, but not to this engine.
  const avif = openPicture(bytesOf(CASES.avif.file), { name: "x.avif" });
  assertEquals([avif.width, avif.height], [19, 13]);
  await assertRejects(() => avif.decode(), LssgenError, "browsers have");
});

Deno.test("a picture of too many pixels is refused from its header, in every format", async () => {
  const view = (bytes: Uint8Array) => new DataView(bytes.buffer);
  const huge: Record<string, (bytes: Uint8Array) => void> = {
    "jpeg 4:2:0": (bytes) => {
      const frame = bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === 0xc0);
      view(bytes).setUint16(frame + 5, 40_000);
      view(bytes).setUint16(frame + 7, 40_000);
    },
    "webp": (bytes) => {
      view(bytes).setUint16(26, 16_000, true);
      view(bytes).setUint16(28, 16_000, true);
    },
    "webp lossless": (bytes) => view(bytes).setUint32(21, 0x0fffffff, true),
    "webp animated": (bytes) => view(bytes).setUint32(24, 0xffffff, true),
    "gif": (bytes) => view(bytes).setUint32(6, 0xffffffff, true),
    "bmp": (bytes) => view(bytes).setInt32(22, -(2 ** 30), true),
    "avif": (bytes) => {
      const at = new TextDecoder("latin1").decode(bytes).indexOf("ispe");
      view(bytes).setUint32(at + 8, 2 ** 30);
    },
  };
  for (const [what, change] of Object.entries(huge)) {
    const bytes = bytesOf(CASES[what as keyof typeof CASES].file);
    change(bytes);
    const error = assertThrows(() => openPicture(bytes, { name: what }), LssgenError, "pixels, at most");
    assertEquals(error.code, "unsupported", what);
  }
  const png = await encodePng({ width: 9, height: 9, channels: 1, data: new Uint8Array(81) });
  assertThrows(() => openPicture(png, { maxPixels: 80 }), LssgenError, "9 × 9 is 81 pixels, at most 80");
  assertEquals(openPicture(png, { maxPixels: 81 }).width, 9);
});

Deno.test("a picture cut anywhere, or with bytes changed, is read or refused, never worse", async () => {
  // A linear congruential generator: the same damage each time.
  let state = 1;
  const below = (n: number) => (state = (state * 1103515245 + 12345) & 0x7fffffff) % n;
  let read = 0;
  let refused = 0;
  for (const [what, { file }] of Object.entries(CASES)) {
    for (let i = 0; i < 12; i++) {
      let bytes = bytesOf(file);
      if (i < 4) bytes = bytes.slice(0, below(bytes.length));
      else for (let k = 0; k <= i % 4; k++) bytes[below(bytes.length)] = below(256);
      try {
        await openPicture(bytes, { name: what, maxPixels: 1e6 }).decode();
        read++;
      } catch (error) {
        assert(error instanceof LssgenError, `${what}: ${error}`);
        assert(error.message.includes(what), error.message);
        refused++;
      }
    }
  }
  assert(read > 50 && refused > 100, `${read} read, ${refused} refused`);
});

Deno.test("a picture is decoded once, however often it is asked for", async () => {
  const file = openPicture(bytesOf(CASES.bmp.file));
  assert(await file.decode() === await file.decode());
});

Deno.test("a JPEG of many scans is refused: each may go over the whole picture for a few bytes", async () => {
  const bytes = bytesOf(CASES["jpeg grey"].file);
  const scan = bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === 0xda);
  const scans = (count: number) =>
    new Blob([bytes.slice(0, scan), ...Array(count).fill(bytes.slice(scan, -2)), bytes.slice(-2)])
      .arrayBuffer();
  const open = async (count: number) => openPicture(new Uint8Array(await scans(count)), { name: "x.jpg" });
  assertEquals((await (await open(64)).decode()).width, 19);
  const many = await open(65);
  await assertRejects(() => many.decode(), LssgenError, "more than 64 scans");
});
