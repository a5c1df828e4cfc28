/**
 * `upscale`: pictures enlarged by an ESRGAN network.
 *
 * @module
 */

import { extname } from "@std/path";
import { LssgenError } from "../errors.ts";
import { openPicture } from "../image/picture_file.ts";
import { readPictureTexts } from "../image/picture_texts.ts";
import { encodePicture, type PictureTexts, WRITTEN_FORMATS } from "../image/picture_writing.ts";
import type { EngineChoice } from "../parameters/engine_choice.ts";
import { PARAMETERS_KEYWORD } from "../parameters/keyword.ts";
import { enlargedFields, pathGivenAway, SOFTWARE, withFields } from "../parameters/picture.ts";
import { readStored } from "../parameters/stored.ts";
import { opaque } from "../pipelines/pictures.ts";
import { VERSION } from "../version.ts";
import { Enlarging } from "./enlarging.ts";
import { quietly, startProgress, workingFolder } from "./generate.ts";
import { readBytes } from "./input.ts";
import type { Parsed } from "./options.ts";
import { checkOutput, pictureOutput } from "./output.ts";
import { duration } from "./progress.ts";
import { toEngineChoice } from "./request.ts";
import type { Terminal } from "./terminal.ts";

/** Runs the command. */
export async function upscale(options: Parsed, terminal: Terminal): Promise<void> {
  const engine = toEngineChoice(options);
  const { initImg } = engine;
  const names = [...initImg === undefined ? [] : [initImg], ...options.words];
  if (names.length === 0) {
    throw new LssgenError(
      "bad_option",
      "A picture is missing: cli.ts upscale photo.png --upscale-model FILE",
    );
  }
  const output = await pictureOutput({
    out: options.text.out,
    count: names.length,
    force: options.flag.force,
  });
  const format = WRITTEN_FORMATS[extname(output.next).toLowerCase()];
  const sources = await Promise.all(names.map(async (name) => {
    const bytes = await readBytes(name, "upscale");
    return { name, bytes, file: openPicture(bytes, { name }) };
  }));
  const quiet = quietly(options, terminal);
  using enlarging = await Enlarging.open(
    engine,
    quiet,
    "--upscale-model FILE is missing: the network that enlarges",
  );
  if (enlarging.scale === undefined) {
    throw new LssgenError("bad_option", "--upscale-repeats is 0, which leaves the picture as it is");
  }
  for (const { file } of sources) enlarging.check(file);
  const largest = Math.max(...sources.map(({ file }) => file.width * file.height));
  await checkOutput(output.next, { bytes: 4 * largest * enlarging.scale ** 2 + 2 ** 16 });
  const progress = startProgress(options, terminal);
  const report: unknown[] = [];
  try {
    for (const [i, { name, bytes, file }] of sources.entries()) {
      const began = performance.now();
      progress.begin(i, sources.length);
      const large = await enlarging.enlarge(await file.decode(), terminal.signal, progress.onProgress);
      if (large.channels === 4 && format !== "PNG") {
        quiet.note(`Warning: "${name}" is transparent and laid on white; only PNG keeps that here\n`);
      }
      const shown = format === "PNG" ? large : opaque(large);
      const texts = options.flag.disableImageMetadata ? {} : textsOf(
        await readPictureTexts(bytes, name).catch((error: Error) => {
          quiet.note(`Warning: what "${name}" says about itself is lost: ${error.message}\n`);
          return new Map<string, string>();
        }),
        name,
        { engine, scale: enlarging.scale },
      );
      const path = await output.write(await encodePicture(shown, format, texts));
      progress.clear();
      const { width, height } = large;
      const totalMs = performance.now() - began;
      if (options.flag.json) report.push({ file: path, width, height, totalMs });
      else terminal.print(`${path}: ${width}×${height}, ${duration(totalMs)}`);
    }
  } finally {
    progress.end();
  }
  if (options.flag.json) terminal.print(JSON.stringify({ version: VERSION, images: report }));
}

/**
 * What an enlarged picture says: what it said before, and what enlarged it. A picture of ours can be made again with
 * `--from`, unless it had been enlarged before, which parameters have no room for.
 */
function textsOf(
  before: ReadonlyMap<string, string>,
  file: string,
  { engine, scale }: { engine: EngineChoice; scale: number },
): PictureTexts {
  const texts: Record<string, string> = { Software: SOFTWARE };
  const a1111 = before.get("parameters");
  if (a1111 !== undefined) {
    texts.parameters = withFields(a1111, enlargedFields(scale, engine.upscaleModel ?? ""));
  }
  const stored = before.get(PARAMETERS_KEYWORD);
  if (stored === undefined) return texts;
  try {
    if (readStored(stored, file).engine.upscaleModel !== undefined) return texts;
  } catch {
    return texts; // no parameters of ours
  }
  const { upscaleModel, upscaleRepeats, upscaleTileSize, upscaleTileMargin } = engine;
  texts[PARAMETERS_KEYWORD] = JSON.stringify({
    ...JSON.parse(stored),
    upscaleModel: pathGivenAway(upscaleModel, workingFolder()),
    upscaleRepeats,
    upscaleTileSize,
    upscaleTileMargin,
  });
  return texts;
}
