/** Pictures as PNG, JPEG and WebP, with the same texts in each. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { readExif, writeExif } from "../lib/image/exif_texts.ts";
import { openPicture } from "../lib/image/picture_file.ts";
import { readPictureTexts } from "../lib/image/picture_texts.ts";
import { encodePicture } from "../lib/image/picture_writing.ts";
import type { Picture } from "../lib/image/png.ts";
import { encodeWebp } from "../lib/image/webp.ts";

const TEXTS = {
  parameters: "a füchs 🦊, (red:1.2)\nNegative prompt: blur\nSteps: 2, Seed: 1",
  lssgen: '{"prompt":"a füchs 🦊","seed":1}',
  Software: "LSSGen",
};

/** Pictures that take every path of an encoder: noise, one colour, two, gradients, one pixel, sides of no round number. */
function pictures(): Record<string, Picture> {
  const make = (width: number, height: number, value: (i: number) => number): Picture => ({
    width,
    height,
    channels: 3,
    data: Uint8Array.from({ length: width * height * 3 }, (_, i) => value(i)),
  });
  let state = 1;
  const noise = (): number => (state = Math.imul(state, 1103515245) + 12345 & 0x7fffffff) >> 16 & 255;
  return {
    "one pixel": make(1, 1, (i) => 40 * i + 7),
    "one row": make(37, 1, noise),
    "one column": make(1, 41, noise),
    "noise": make(65, 33, noise),
    "one colour": make(70, 40, (i) => i % 3 * 40),
    "two colours": make(70, 40, (i) => (i / 3 | 0) % 70 < 35 ? 0 : 255),
    "a gradient": make(129, 64, (i) => ((i / 3 | 0) % 129 + i % 3 * 7 + (i / 387 | 0)) & 255),
    "stripes and noise": make(100, 90, (i) => i % 300 < 150 ? noise() : 17),
  };
}

Deno.test("WebP holds every pixel as it was, whatever the picture", async () => {
  for (const [name, picture] of Object.entries(pictures())) {
    for (const texts of [{}, TEXTS]) {
      const bytes = await encodePicture(picture, "WebP", texts);
      const back = await openPicture(bytes, { name }).decode();
      const { width, height, channels } = back;
      assertEquals([width, height], [picture.width, picture.height], name);
      const rgb = Uint8Array.from(picture.data, (_, i) => back.data[Math.floor(i / 3) * channels + i % 3]);
      assertEquals(rgb, picture.data, name);
    }
  }
  const flat = pictures()["one colour"];
  assert((await encodePicture(flat, "WebP")).length < 200);
});

Deno.test("JPEG is near the picture, and upright", async () => {
  const picture = pictures()["a gradient"];
  const back = await openPicture(await encodePicture(picture, "JPEG", TEXTS)).decode();
  assertEquals([back.width, back.height], [129, 64]);
  const off = picture.data.reduce((sum, v, i) => sum + Math.abs(v - back.data[i]), 0) / picture.data.length;
  assert(off < 4, `${off} of 255 in the mean`);
});

Deno.test("the same texts come back from every format", async () => {
  for (const format of ["PNG", "JPEG", "WebP"] as const) {
    const bytes = await encodePicture(pictures().noise, format, TEXTS);
    assertEquals(Object.fromEntries(await readPictureTexts(bytes, "a")), TEXTS, format);
    const bare = await encodePicture(pictures().noise, format);
    assertEquals((await readPictureTexts(bare, "a")).size, 0);
  }
});

Deno.test("Exif of others is read in both byte orders, and what is damaged counts as absent", () => {
  const exif = writeExif(TEXTS);
  assertEquals(readExif(exif), TEXTS);
  // A1111's: UserComment alone. Its text in the other order of bytes too.
  const alone = writeExif({ parameters: "fox" });
  assertEquals(readExif(alone), { parameters: "fox" });
  const at = alone.length - 6;
  alone.set([0x66, 0, 0x6f, 0, 0x78, 0], at);
  assertEquals(readExif(alone), { parameters: "fox" });
  for (let cut = 0; cut < exif.length; cut += 3) readExif(exif.subarray(0, cut));
  for (let i = 0; i < exif.length; i++) {
    const changed = exif.slice();
    changed[i] ^= 0xff;
    readExif(changed);
  }
  // An IFD that is its own Exif IFD ends.
  const circle = writeExif({ Software: "x" });
  new DataView(circle.buffer).setUint32(8 + 2 + 12 + 8, 8);
  readExif(circle);
});

Deno.test("a directory of 65535 notes of 8 MiB, or of as many directories, is read once", () => {
  for (const tag of [0x927c, 0x8769]) {
    const [directory, count, note] = [8, 65535, 8 << 20];
    const notes = directory + 2 + 12 * count;
    const exif = new Uint8Array(notes + note).fill(0xe9);
    const view = new DataView(exif.buffer);
    view.setUint32(0, 0x4d4d002a);
    view.setUint32(4, directory);
    view.setUint16(directory, count);
    for (let place = directory + 2; place < notes; place += 12) {
      view.setUint16(place, tag);
      view.setUint32(place + 4, note);
      view.setUint32(place + 8, tag === 0x8769 ? directory : notes);
    }
    assertEquals(Object.values(readExif(exif)).filter((text) => text !== undefined), []);
  }
});

Deno.test("what a format cannot hold is refused by name", async () => {
  const long = { parameters: "x".repeat(40_000) };
  const error = await assertRejects(
    () => encodePicture(pictures().noise, "JPEG", long),
    LssgenError,
    "write PNG or WebP",
  );
  assertEquals(error.code, "unsupported");
  assertEquals(
    (await readPictureTexts(await encodePicture(pictures().noise, "WebP", long), "a")).get("parameters"),
    long.parameters,
  );
  const wide = { width: 16385, height: 1, channels: 3, data: new Uint8Array(16385 * 3) } as const;
  assertThrows(() => encodeWebp(wide), LssgenError, "16384");
});
