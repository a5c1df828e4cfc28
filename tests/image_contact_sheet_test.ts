import { assert, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { contactSheet, wrapped } from "../lib/image/contact_sheet.ts";
import { GLYPH_HEIGHT, GLYPH_WIDTH, glyphPixel } from "../lib/image/font.ts";
import type { Picture } from "../lib/image/png.ts";

function plain(width: number, height: number, colour: number[]): Picture {
  const channels = colour.length as Picture["channels"];
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => colour[i % channels]);
  return { width, height, channels, data };
}

const pixel = (
  p: Picture,
  x: number,
  y: number,
) => [...p.data.slice((y * p.width + x) * 3, (y * p.width + x) * 3 + 3)];

Deno.test("contactSheet() puts each picture at its place on white", () => {
  const red = { picture: plain(10, 8, [200, 0, 0]), label: [] };
  const grey = { picture: plain(6, 8, [90]), label: [] };
  const clear = { picture: plain(10, 8, [0, 0, 100, 0]), label: [] };
  const sheet = contactSheet([red, grey, clear], { columns: 2, gap: 4 });
  assertEquals([sheet.width, sheet.height, sheet.channels], [4 + 2 * 14, 4 + 2 * 12, 3]);
  assertEquals(pixel(sheet, 4, 4), [200, 0, 0]);
  assertEquals(pixel(sheet, 13, 11), [200, 0, 0]);
  assertEquals(pixel(sheet, 14, 11), [255, 255, 255]);
  assertEquals(pixel(sheet, 18, 4), [255, 255, 255]); // the smaller picture is centred
  assertEquals(pixel(sheet, 20, 4), [90, 90, 90]);
  assertEquals(pixel(sheet, 4, 16), [255, 255, 255]); // fully transparent: paper
});

Deno.test("A label stands under its picture in the font's pixels and never leaves its cell", () => {
  const cell = { picture: plain(60, 4, [0, 0, 0]), label: ["Ag", "much too long a label for so few pixels"] };
  const sheet = contactSheet([cell, cell], { columns: 2, gap: 3, textScale: 1 });
  const top = 3 + 4 + 2;
  for (let y = 0; y < GLYPH_HEIGHT; y++) {
    for (let x = 0; x < GLYPH_WIDTH; x++) {
      assertEquals(pixel(sheet, 3 + x, top + y)[0] < 128, glyphPixel("A", x, y), `${x},${y}`);
      assertEquals(pixel(sheet, 9 + x, top + y)[0] < 128, glyphPixel("g", x, y), `${x},${y}`);
    }
  }
  for (let y = 7; y < sheet.height; y++) {
    for (let x = 63; x < 66; x++) assertEquals(pixel(sheet, x, y), [255, 255, 255]);
  }
});

Deno.test("A title stands over the pictures, broken between words, in letters that the shown width asks for", () => {
  const cell = { picture: plain(96, 4, [0, 0, 0]), label: [] };
  const bare = contactSheet([cell], { columns: 1, gap: 2 });
  // 16 letters of 6 pixels.
  const titled = contactSheet([cell], {
    columns: 1,
    gap: 2,
    textScale: 1,
    title: ["a red apple on table", "seed 1"],
  });
  assertEquals(titled.height, bare.height + 3 * (GLYPH_HEIGHT + 2) + 2);
  for (let y = 0; y < GLYPH_HEIGHT; y++) {
    for (let x = 0; x < GLYPH_WIDTH; x++) {
      assertEquals(pixel(titled, 2 + x, 2 + y)[0] < 128, glyphPixel("a", x, y));
      assertEquals(pixel(titled, 2 + x, 2 + 10 + y)[0] < 128, glyphPixel("t", x, y)); // "table"
    }
  }
  const shown = contactSheet([cell], { columns: 1, gap: 2, shownWidth: 40, title: ["a"] });
  assertEquals(shown.height, bare.height + 5 * (GLYPH_HEIGHT + 2) + 2); // 100 pixels shown at 40: dots of 5
});

Deno.test("Every printable character has a glyph of its own, the space none", () => {
  const seen = new Map<string, string>();
  for (let code = 0x20; code < 0x7f; code++) {
    const character = String.fromCharCode(code);
    let art = "";
    for (let y = 0; y < GLYPH_HEIGHT; y++) {
      for (let x = 0; x < GLYPH_WIDTH; x++) art += glyphPixel(character, x, y) ? "#" : ".";
    }
    assertEquals(art.length, 40);
    assertEquals(art.includes("#"), code !== 0x20, character);
    assert(!seen.has(art), `${character} looks like ${seen.get(art)}`);
    seen.set(art, character);
  }
  assertEquals(glyphPixel("狐", 0, 0), true);
});

Deno.test("contactSheet() refuses what cannot be laid out", () => {
  const cell = { picture: plain(2, 2, [0]), label: [] };
  assertThrows(() => contactSheet([], { columns: 1 }), LssgenError, "no pictures");
  assertThrows(() => contactSheet([cell], { columns: 0 }), LssgenError, "columns is 0");
  assertThrows(() => contactSheet([cell], { columns: 1, gap: 1e9 }), LssgenError, "2^28");
});

Deno.test("A text is wrapped between words into as many lines as may be; the last one is cut", () => {
  // 12 pixels a letter at a dot of 2.
  assertEquals(wrapped("a cup of coffee", 120, 2, 2), ["a cup of", "coffee"]);
  assertEquals(wrapped("a cup of coffee on a table", 120, 2, 2), ["a cup of", "coffee o.."]);
  assertEquals(wrapped("a cup of coffee on a table", 120, 2), ["a cup of", "coffee on", "a table"]);
});
