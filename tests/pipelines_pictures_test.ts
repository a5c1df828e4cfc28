/** Pictures that the user brings: what of a mask counts, the size of a result that begins with a picture, what is said. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import type { Picture } from "../lib/image/png.ts";
import { latentMask } from "../lib/pipelines/picture_request.ts";
import { networkPicture } from "../lib/pipelines/pictures.ts";
import { type GenerateRequest, planPicture, readModelInfo } from "../lib/pipelines/text_to_image.ts";

/** One row of pixels. */
const row = (channels: Picture["channels"], ...pixels: number[][]): Picture => ({
  width: pixels.length,
  height: 1,
  channels,
  data: Uint8Array.from(pixels.flat()),
});
const drawn = (mask: Picture) => [...latentMask(mask, mask.width, 1)];

const [BLACK, WHITE, RED] = [[0, 0, 0], [255, 255, 255], [200, 0, 0]];

Deno.test("an opaque mask draws anew where it is light, with an alpha channel or without", () => {
  assertEquals(drawn(row(1, [0], [255], [127], [128])), [0, 1, 0, 1]);
  assertEquals(drawn(row(2, [0, 255], [255, 255])), [0, 1]);
  assertEquals(drawn(row(3, BLACK, WHITE, RED)), [0, 1, 0]);
  assertEquals(drawn(row(4, [...BLACK, 255], [...WHITE, 255], [...RED, 255])), [0, 1, 0]);
});

Deno.test("transparent keeps, whatever colour lies under it", () => {
  const clear = 0;
  for (const under of [BLACK, WHITE, RED]) {
    // Strokes of one kind, whatever their colour, are what is drawn anew.
    for (const stroke of [BLACK, WHITE, RED]) {
      assertEquals(drawn(row(4, [...under, clear], [...stroke, 255], [...stroke, 128], [...stroke, 127])), [
        0,
        1,
        1,
        0,
      ]);
    }
    // Where dark and light can be seen, light is.
    assertEquals(drawn(row(4, [...under, clear], [...BLACK, 255], [...WHITE, 255])), [0, 0, 1]);
  }
  assertEquals(drawn(row(2, [255, clear], [0, 255])), [0, 1]);
  assertEquals(drawn(row(2, [255, clear], [255, clear])), [0, 0]);
});

Deno.test("a picture to begin with is laid on white where it is transparent", () => {
  assertEquals([...networkPicture(row(4, [0, 0, 0, 0], [0, 0, 0, 255], [255, 0, 0, 255]), 3, 1)], [
    ...[1, 1, 1],
    ...[-1, -1, -1],
    ...[1, -1, -1],
  ]);
});

const model = (name: string) =>
  readModelInfo(fileFolder(new URL(`./golden/pipelines/${name}/model`, import.meta.url).pathname));
const blank = (width: number, height: number, channels: Picture["channels"] = 3, level = 0): Picture => ({
  width,
  height,
  channels,
  data: new Uint8Array(width * height * channels).fill(level),
});

Deno.test("without a size the result has that of the picture, rounded to what the model takes", async () => {
  const image = blank(500, 333);
  const sizeOf = (info: Awaited<ReturnType<typeof model>>, request: Partial<GenerateRequest>) => {
    const { width, height, warnings } = planPicture(info, { image, method: "direct", ...request });
    return { size: [width, height], warnings };
  };
  const sd15 = await model("sd15");
  assertEquals(sizeOf(sd15, {}).size, [496, 328]);
  assertEquals(sizeOf(sd15, {}).warnings.length, 1);
  assertEquals(sizeOf(await model("flux_dev"), {}).size, [496, 320]);
  assertEquals(sizeOf(await model("sd3"), {}).size, [496, 320]);
  assertEquals(sizeOf(sd15, { image: blank(96, 64) }), { size: [96, 64], warnings: [] });
  // One side alone: the other follows.
  assertEquals(sizeOf(sd15, { width: 256 }).size, [256, 168]);
  assertEquals(sizeOf(sd15, { height: 256 }).size, [384, 256]);
  // Stages ask for larger multiples; a size that was typed is refused as before.
  assertEquals(
    sizeOf(sd15, { method: "lssgen", minResolution: 64, upsampler: "bicubic" }).size,
    [480, 320],
  );
  assertThrows(() => sizeOf(sd15, { width: 500, height: 333 }), LssgenError, "take 496×328");
  // Smaller than one token, and a photo.
  assertEquals(sizeOf(sd15, { image: blank(3, 500) }).size, [8, 496]);
  const photo = sizeOf(sd15, { image: blank(4000, 3000) });
  assert(photo.size[0] * photo.size[1] <= 4 * 512 * 512, String(photo.size));
  assertEquals(photo.size, [1176, 880]);
  assert(photo.warnings.some((warning) => warning.includes("made smaller")), String(photo.warnings));
});

Deno.test("another shape than the picture's is said, and so is a mask without effect", async () => {
  const sd15 = await model("sd15");
  const said = (request: Partial<GenerateRequest>) =>
    planPicture(sd15, { image: blank(96, 64), width: 96, height: 64, method: "direct", ...request }).warnings;
  const one = (request: Partial<GenerateRequest>, words: string) => {
    const warnings = said(request);
    assert(warnings.length === 1 && warnings[0].includes(words), `${words}: ${warnings}`);
  };
  assertEquals(said({}), []);
  assertEquals(said({ width: 192, height: 128 }), []);
  // 500 × 333 rounded.
  assertEquals(said({ image: blank(500, 333), width: 496, height: 328 }), []);
  one({ width: 64 }, "is 96×64 and will be stretched to 64×64");
  const half = blank(96, 64, 1);
  half.data.fill(255, 0, 3000);
  assertEquals(said({ mask: half }), []);
  one({ mask: { ...half, width: 64, height: 96 } }, "is 64×96 and will be stretched");
  one({ mask: blank(96, 64, 1) }, "keeps the whole picture");
  one({ mask: blank(96, 64, 4) }, "keeps the whole picture");
  one({ mask: blank(96, 64, 3, 255) }, "keeps nothing");
  // Too small to be seen in the latents.
  const dot = blank(96, 64, 1);
  dot.data[5 * 96 + 5] = 255;
  one({ mask: dot }, "keeps the whole picture");
});
