/**
 * `generate`: a prompt, or a picture to make again, becomes files of pictures.
 *
 * @module
 */

import { extname } from "@std/path";
import { LssgenError } from "../errors.ts";
import { openPicture } from "../image/picture_file.ts";
import { readPictureTexts } from "../image/picture_texts.ts";
import { WRITTEN_FORMATS } from "../image/picture_writing.ts";
import { encodePng, type Picture } from "../image/png.ts";
import { createPipeline, planPicture, readModelInfo } from "../pipelines/text_to_image.ts";
import type {
  GeneratedImage,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  ModelInfo,
  Pipeline,
  PipelineOptions,
  Progress,
} from "../pipelines/text_to_image.ts";
import { firstSeed } from "../random.ts";
import { formatPlan } from "../scaling/plan_text.ts";
import { localPath } from "./download.ts";
import { onDisk, openFile, openFolder, readBytes } from "./input.ts";
import { openLora } from "./lora_file.ts";
import { loraFolder } from "./lora_folder.ts";
import { openModel } from "./model.ts";
import { optionNamed, type Parsed } from "./options.ts";
import { checkOutput, pictureOutput, writeWhole } from "./output.ts";
import { granted } from "./permissions.ts";
import { PARAMETERS_KEYWORD } from "../parameters/keyword.ts";
import { pictureFile } from "../parameters/picture.ts";
import { duration, ProgressPrinter } from "./progress.ts";
import { loraSpec } from "../parameters/lora_tags.ts";
import {
  bytesOfMib,
  followedPaths,
  fromStored,
  namesNetwork,
  toEngineChoice,
  toRequest,
  weightOptions,
  withOneGuidance,
} from "./request.ts";
import type { EngineChoice } from "../parameters/engine_choice.ts";
import { quantiseOnWorkers } from "./quantisers.ts";
import { withPresetFile } from "./preset_file.ts";
import type { Terminal } from "./terminal.ts";
import { Enlarging } from "./enlarging.ts";
import { VERSION } from "../version.ts";

/** Runs the command. */
export async function generate(options: Parsed, terminal: Terminal): Promise<void> {
  const from = options.text.from;
  const stored = from === undefined ? undefined : fromStored(await storedTextOf(from), from);
  const engine = toEngineChoice(options, stored?.engine);
  if (stored) {
    for (const note of await followedPaths(stored.engine, options, from!, onDisk)) terminal.note(`${note}\n`);
  }
  const asked = {
    ...await withPresetFile(options, toRequest(options, stored?.request)),
    image: await readPicture(engine.initImg, "--init-img"),
    mask: await readPicture(engine.mask, "--mask"),
  };
  if (asked.prompt === "" && options.text.prompt === undefined && stored === undefined) {
    throw new LssgenError(
      "bad_option",
      'A prompt is missing: cli.ts "a red apple", or --help for everything',
    );
  }
  const count = options.number.count ?? 1;
  const output = await pictureOutput({
    out: options.text.out,
    count,
    force: options.flag.force,
    begin: options.number.outputBeginIdx,
  });
  firstSeed(asked.seed ?? 0, count);
  // What the request cannot be is said before any weight is read.
  const quiet = quietly(options, terminal);
  const info = await modelInfo(engine, quiet);
  const request = withOneGuidance(asked, options, info, quiet.note);
  const plan = planPicture(info, request);
  const { warnings, width, height } = plan;
  for (const option of UPSCALE_OPTIONS) {
    if (engine.upscaleModel !== undefined || engine[option] === undefined) continue;
    throw new LssgenError(
      "bad_option",
      `--${optionNamed(option)!.name} says how --upscale-model enlarges, which is not given`,
    );
  }
  using enlarging = engine.upscaleModel === undefined || engine.upscaleRepeats === 0
    ? undefined
    : await Enlarging.open(engine, quiet, "");
  enlarging?.check(plan);
  const { scale = 1 } = enlarging ?? {};
  if (options.flag.verbose) terminal.note(`${info.name} (${info.pipeline})\n${formatPlan(plan)}\n`);
  // A picture of noise is as large as its pixels.
  const bytes = 3 * width * height * scale ** 2 + 2 ** 16;
  await checkOutput(output.next, { bytes });
  const preview = previewPath(options);
  if (preview) await checkOutput(preview, { bytes, option: "--preview-path", endings: [".png"] });
  if (!options.flag.quiet) { for (const warning of warnings) terminal.note(`Warning: ${warning}\n`); }

  const started = performance.now();
  const progress = startProgress(options, terminal);
  const { settled, ...watch } = previewing(options, progress.onProgress, quiet);
  const report: unknown[] = [];
  try {
    // Drawing leaves room for the network that enlarges.
    const room = enlarging && {
      device: enlarging.device,
      ...engine.maxVram !== undefined &&
        { maxVramBytes: Math.max(1, bytesOfMib(engine.maxVram)! - enlarging.leastBytes) },
    };
    await using pipeline = await openPipeline(engine, quiet, progress.onProgress, request, room);
    const loadMs = performance.now() - started;
    let made = 0;
    for (let i = 0; i < count; i++) {
      // One picture a call: each is on disk before the next begins, and has the bytes it would have alone. (Several classes
      // are several pictures.)
      const seed = (request.seed ?? 0) + made;
      const began = performance.now();
      progress.begin(i, count);
      const result = await pipeline.generate({ ...request, seed, count: 1 }, {
        signal: terminal.signal,
        ...watch,
      });
      await settled();
      const drawn = performance.now();
      made += result.images.length;
      const files: string[] = [];
      let enlargingMs = 0;
      for (const image of result.images) {
        const began = performance.now();
        const picture = { width: image.width, height: image.height, channels: 3, data: image.rgb } as const;
        const large = await enlarging?.enlarge(picture, terminal.signal, progress.onProgress);
        enlarging?.rest();
        enlargingMs += performance.now() - began;
        const file = await pictureFile(image, engine, {
          ...large && { enlarged: { picture: large, scale } },
          embeddedGuidance: info.embeddedGuidance,
          folder: workingFolder(),
          scheduler: info.scheduler,
          metadata: !options.flag.disableImageMetadata,
          format: WRITTEN_FORMATS[extname(output.next).toLowerCase()],
        });
        files.push(await output.write(file));
      }
      const write = { phase: "write", ms: performance.now() - drawn - enlargingMs };
      const upscaled = enlarging ? [{ phase: "upscale", ms: enlargingMs }] : [];
      progress.clear();
      const later = result.warnings.filter((warning) => !warnings.includes(warning));
      if (!options.flag.quiet && i === 0) {
        for (const warning of later) terminal.note(`Warning: ${warning}\n`);
      }
      // Of the first picture from the process's beginning: its modules and the model's configs are "start".
      const totalMs = performance.now() - (i === 0 ? 0 : began);
      const before = i === 0 ? [{ phase: "start", ms: started }, { phase: "load", ms: loadMs }] : [];
      const timings = [...before, ...result.timings, ...upscaled, write];
      for (const [k, path] of files.entries()) {
        const image = result.images[k];
        if (options.flag.json) {
          report.push({
            file: path,
            width: scale * image.width,
            height: scale * image.height,
            parameters: image.parameters,
            cached: image.cached,
            timings,
            totalMs,
          });
        } else {
          terminal.print(closingLine(path, image, scale, timings, totalMs));
        }
      }
    }
  } finally {
    progress.end();
  }
  if (options.flag.json) terminal.print(JSON.stringify({ version: VERSION, images: report }));
}

/** What `--upsampler-weights` names, where it is a folder: the learned upsampler. */
function learnedWeights(named: string | undefined): string | undefined {
  return namesNetwork(named) ? undefined : named;
}

/** Settings of `--upscale-model`. */
const UPSCALE_OPTIONS = ["upscaleRepeats", "upscaleTileSize", "upscaleTileMargin"] as const;

/** Undefined where it may not be known. */
export function workingFolder(): string | undefined {
  if (!granted({ name: "read", path: "." })) return undefined;
  try {
    return Deno.cwd();
  } catch {
    return undefined; // it was deleted
  }
}

/** The parameters stored in a picture, as text; undefined when there are none. */
async function storedTextOf(path: string): Promise<string | undefined> {
  return (await readPictureTexts(await readBytes(path, "--from"), path)).get(PARAMETERS_KEYWORD);
}

/** A picture that an option names. */
async function readPicture(path: string | undefined, option: string): Promise<Picture | undefined> {
  if (path === undefined) return undefined;
  return await openPicture(await readBytes(path, option), { name: path }).decode();
}

/** Where previews go, if any are wanted. */
function previewPath(
  { text: { preview = "none", previewPath = "preview.png" } }: Parsed,
): string | undefined {
  return preview === "none" ? undefined : previewPath;
}

/** Progress with the previews that the options ask for written to their file; a slow disk skips some. */
function previewing(
  options: Parsed,
  onProgress: ((event: Progress) => void) | undefined,
  terminal: Terminal,
): Pick<GenerateOptions, "onProgress" | "preview" | "previewEvery"> & { settled(): Promise<void> } {
  const path = previewPath(options);
  if (path === undefined) return { onProgress, settled: () => Promise.resolve() };
  const kind = options.text.preview;
  let writing: Promise<void> | undefined;
  let failed = false;
  return {
    settled: async () => await writing,
    preview: kind as GenerateOptions["preview"],
    previewEvery: options.number.previewInterval ?? 1,
    onProgress(event) {
      const { preview } = event;
      if (!preview) return onProgress?.(event);
      if (writing) return;
      const { width, height, rgb: data } = preview;
      // A preview that cannot be written must not end a run of many minutes.
      writing = encodePng({ width, height, channels: 3, data }).then(async (png) =>
        void await writeWhole(path, png)
      )
        .catch((error) => {
          if (!failed) terminal.note(`Warning: no previews: ${error.message}\n`);
          failed = true;
        }).finally(() => writing = undefined);
    },
  };
}

/** Progress on the terminal. */
interface ShownProgress {
  /** A listener, unless `--quiet`. */
  readonly onProgress?: (event: Progress) => void;
  /** Events are those of this picture of so many from now on. */
  begin(picture: number, pictures: number): void;
  /** What follows is printed on a clean line. */
  clear(): void;
  /** The work is over. */
  end(): void;
}

/** A listener for progress unless `--quiet`, and what to call when the work is over. */
export function startProgress(options: Parsed, terminal: Terminal): ShownProgress {
  const printer = new ProgressPrinter({
    tty: terminal.tty,
    get columns() {
      return terminal.columns;
    },
    write: (text) => terminal.draw(text),
  });
  const resized = (): void => printer.resized();
  const listens = terminal.tty && Deno.build.os !== "windows";
  if (listens) Deno.addSignalListener("SIGWINCH", resized);
  return {
    onProgress: options.flag.quiet ? undefined : (event) => printer.show(event),
    begin: (picture, pictures) => printer.begin(picture, pictures),
    clear: () => printer.end(),
    end: () => {
      printer.end();
      if (listens) Deno.removeSignalListener("SIGWINCH", resized);
    },
  };
}

/** The terminal without notes and progress where `--quiet` wants none. */
export function quietly(options: Parsed, terminal: Terminal): Terminal {
  return options.flag.quiet ? { ...terminal, note: () => {}, draw: () => {} } : terminal;
}

/** What is known of a model before any weight is read. */
export async function modelInfo(engine: EngineChoice, terminal: Terminal): Promise<ModelInfo> {
  return withUpsampler(await readModelInfo((await openModel(engine, terminal)).model), engine);
}

/** What is known of a model with what `--upsampler-weights` brings: the learned upsampler, or an ESRGAN network. */
export function withUpsampler(info: ModelInfo, { upsamplerWeights }: EngineChoice): ModelInfo {
  return {
    ...info,
    learnedUpsampler: info.learnedUpsampler || learnedWeights(upsamplerWeights) !== undefined,
    esrganUpsampler: namesNetwork(upsamplerWeights),
  };
}

/** Opens the pipeline that the options ask for, for `firstPicture` to begin with. */
export async function openPipeline(
  engine: EngineChoice,
  terminal: Terminal,
  onProgress: ((event: Progress) => void) | undefined,
  firstPicture?: GenerateRequest,
  more: Pick<PipelineOptions, "device" | "maxVramBytes"> = {},
): Promise<Pipeline> {
  const { model, tinyVae } = await openModel(engine, terminal);
  return await createPipeline(model, {
    dtype: engine.dtype,
    loras: await Promise.all((engine.loras ?? []).map(async (text) => {
      const { path, scale } = loraSpec(text);
      return await openLora(await localPath(path, terminal), scale, "--lora");
    })),
    findLora: engine.loraModelDir === undefined
      ? undefined
      : loraFolder((await openFolder(engine.loraModelDir, "--lora-model-dir", terminal))!.name),
    ...await upsamplerOf(engine, terminal),
    tinyVae,
    tinyDecode: !engine.taesdPreviewOnly,
    maxActivationBytes: bytesOfMib(engine.maxActivation),
    maxVramBytes: bytesOfMib(engine.maxVram),
    offload: engine.offload,
    maxOffloadBytes: bytesOfMib(engine.maxOffload),
    ...weightOptions(engine),
    quantise: quantiseOnWorkers,
    quantiseLanes: navigator.hardwareConcurrency,
    signal: terminal.signal,
    onProgress,
    firstPicture,
    ...more,
  });
}

/** What `--upsampler-weights` names: the learned upsampler's folder, or a network that enlarges pictures. */
export async function upsamplerOf(
  { upsamplerWeights: named }: EngineChoice,
  terminal: Terminal,
): Promise<Pick<PipelineOptions, "upsamplerWeights" | "upscaler">> {
  return {
    upsamplerWeights: await openFolder(learnedWeights(named), "--upsampler-weights", terminal),
    upscaler: namesNetwork(named) ? await openFile(named!, "--upsampler-weights") : undefined,
  };
}

/** `apple.png: 512×512, seed 42, 12.3 s (load 1.20 s, denoise 9.10 s, …)`. */
function closingLine(
  path: string,
  { width, height, seed, cached }: GeneratedImage,
  scale: number,
  timings: GenerateResult["timings"],
  totalMs: number,
): string {
  const phases = timings.map(({ phase, ms }) => `${phase} ${duration(ms)}`).join(", ");
  const { skipped, calls } = cached ?? { skipped: 0, calls: 0 };
  const skips = calls > 0 ? `, blocks skipped in ${skipped} of ${calls} calls` : "";
  return `${path}: ${scale * width}×${scale * height}, seed ${seed}, ${
    duration(totalMs)
  } (${phases})${skips}`;
}
