/** Pictures of every format against Pillow's reading of them; tests/data/make_pictures.py made both. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { openPicture } from "../lib/image/picture_file.ts";
import { encodePng } from "../lib/image/png.ts";
import CASES from "./data/pictures.json" with { type: "json" };

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

/** Levels of 255 between the platform's decoder and libjpeg-turbo: two roundings of chroma, one of luma. */
const JPEG_LEVELS = 3;

Deno.test("every format is read as Pillow reads it, upright: PNG, WebP, GIF and BMP exactly, JPEG nearly", async () => {
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
    assert(worst <= (what.startsWith("jpeg") ? JPEG_LEVELS : 0), `${what}: off by ${worst}`);
  }
});
