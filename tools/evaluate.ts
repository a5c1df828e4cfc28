/**
 * `deno task evaluate [--quick] [--count N] [--model DIR] [--rows LIST] [--out DIR] [--json FILE]`: how many pictures show what was
 * asked for. Draws prompts of train/unseen.json, whose combinations training never showed, through WebGPU with the weights of DIR
 * (default: the embedded model), and lets train/judge.gguf say what it sees. Shares come with 95 % intervals.
 *
 * --rows: of direct@256, lssgen@256, direct@512, lssgen@512, cheap@512 (direct with as many steps as cost what LSSGen does); the
 * model's presets as quality@512, balanced@512, fast@512, or @256; a method with steps and the noise level of later stages, either
 * may be left out, at any size: lssgen//0.75@512, refine/10/0.12@1024; behind the method what enlarges: lssgen+bicubic//@512.
 * --quick: 24 prompts at 256². --out keeps the pictures; pictures that are there already are judged as they are.
 *
 * @module
 */

import { spreadThreads } from "../lib/cli/software_adapter.ts";
import { fileFolder } from "../lib/cli/files.ts";
import { writeWhole } from "../lib/cli/output.ts";
import { encodePng } from "../lib/image/png.ts";
import {
  createPipeline,
  type GenerateRequest,
  type Pipeline,
  planPicture,
  readModelInfo,
} from "../lib/pipelines/text_to_image.ts";
import { PRESET_NAMES } from "../lib/pipelines/presets.ts";
import { Judge, kernelDistance, shareText } from "../lib/judging/judge.ts";
import { keptPicture, picturePath } from "./evaluate/kept_pictures.ts";
import { type Entry, readEntries, type Score, score, spread } from "../lib/judging/score.ts";

interface Options {
  count: number;
  rows: string[];
  model?: string;
  out?: string;
  json?: string;
}

const ROWS = ["direct@256", "lssgen@256", "direct@512", "lssgen@512", "cheap@512"];
/** Presets of the model, which --rows may name too. */
const PRESET_ROWS = PRESET_NAMES.flatMap((name) => [`${name}@256`, `${name}@512`]);
/** METHOD+UPSAMPLER/STEPS/σ@SIDE. */
const OWN = /^([a-z-]+?)(?:\+([a-z-]+))?\/(\d*)\/([\d.]*)@(\d+)$/;
const USAGE = `Usage: deno task evaluate [--quick] [--count N] [--model DIR] [--rows ${
  [...ROWS, ...PRESET_ROWS].join(",")
},METHOD[+UPSAMPLER]/STEPS/σ@SIDE] [--out DIR] [--json FILE]`;
/** Letters of a share with its interval, "100 % (86–100)", and a gap. */
const SHARE = 16;
const TRAIN = new URL("../train", import.meta.url).pathname;

function fail(message: string): never {
  console.error(`${message}\n${USAGE}`);
  Deno.exit(2);
}

function parse(args: readonly string[]): Options {
  const options: Options = { count: Infinity, rows: ROWS };
  for (let i = 0; i < args.length; i++) {
    const value = (): string => args[++i] ?? fail(`${args[i - 1]} needs a value`);
    switch (args[i]) {
      case "--quick":
        options.count = 24;
        options.rows = ["direct@256", "lssgen@256"];
        break;
      case "--count":
        options.count = Number(value());
        if (!(Number.isInteger(options.count) && options.count > 0)) {
          fail("--count needs a whole number above 0");
        }
        break;
      case "--rows":
        options.rows = value().split(",");
        for (const row of options.rows) {
          if (!ROWS.includes(row) && !PRESET_ROWS.includes(row) && !OWN.test(row)) {
            fail(`--rows names "${row}"`);
          }
        }
        break;
      case "--model":
        options.model = value();
        break;
      case "--out":
        options.out = value();
        break;
      case "--json":
        options.json = value();
        break;
      default:
        fail(`Unknown option ${args[i]}`);
    }
  }
  return options;
}

async function requestOf(row: string, entry: Entry, model: string | undefined): Promise<GenerateRequest> {
  const [method, side] = row.split("@");
  const base = { prompt: entry.prompt, seed: entry.id, width: Number(side), height: Number(side) };
  if (PRESET_ROWS.includes(row)) return { ...base, preset: method as GenerateRequest["preset"] };
  const own = OWN.exec(row);
  if (own) {
    const [, method, upsampler, steps, noise] = own;
    return {
      ...base,
      method: method as GenerateRequest["method"],
      upsampler: upsampler as GenerateRequest["upsampler"],
      steps: steps ? Number(steps) : undefined,
      initNoise: noise ? Number(noise) : undefined,
    };
  }
  if (method !== "cheap") return { ...base, method: method as GenerateRequest["method"] };
  const info = await readModelInfo(model === undefined ? undefined : fileFolder(model));
  const speedup = planPicture(info, { ...base, method: "lssgen" }).speedup ?? 1;
  const steps = planPicture(info, { ...base, method: "direct" }).denoiserCalls;
  return { ...base, method: "direct", steps: Math.max(1, Math.round(steps / speedup)) };
}

function share(scores: readonly Score[], what: "noun" | "background" | "colour" | "style" | "both"): string {
  return shareText(scores.map((score) => score[what])).padEnd(SHARE);
}

/** A share of the drawings' own; the judge has not measured them at every size. */
function times(share: number): string {
  return Number.isFinite(share) ? `${share.toFixed(2)} ×` : "–";
}

function mean(values: readonly number[]): number {
  return values.reduce((s, v) => s + v, 0) / (values.length || 1);
}

if (import.meta.main) {
  spreadThreads();
  const options = parse(Deno.args);
  const train = fileFolder(TRAIN);
  const entries = spread(await readEntries(train), options.count);
  const judge = await Judge.load(train);
  if (options.out) await Deno.mkdir(options.out, { recursive: true });
  const real = Object.entries(judge.names.right).map(([k, v]) => `${k} ${(100 * v).toFixed(1)} %`).join(", ");
  console.log(`${entries.length} unseen prompts; the judge on real drawings: ${real}`);
  const wide = Math.max(12, ...options.rows.map((row) => row.length + 1));
  const titles = ["noun", "background", "colour", "style", "two things"].map((title) => title.padEnd(SHARE));
  console.log(`${"".padEnd(wide)}${titles.join("")}distance  sharpness  saturation  seconds`);
  let pipeline: Pipeline | undefined;
  const report: Record<string, unknown> = {};
  for (const row of options.rows) {
    const scores: Score[] = [];
    for (const entry of entries) {
      const path = options.out && picturePath(options.out, entry.id, row);
      let picture = path ? await keptPicture(path) : undefined, seconds: number | undefined;
      if (!picture) {
        pipeline ??= await createPipeline(
          options.model === undefined ? undefined : fileFolder(options.model),
        );
        const request = await requestOf(row, entry, options.model), start = performance.now();
        const { images: [image] } = await pipeline.generate(request);
        seconds = (performance.now() - start) / 1000;
        picture = { width: image.width, height: image.height, channels: 3, data: image.rgb };
        if (path) await writeWhole(path, await encodePng(picture));
      }
      scores.push(score(entry, judge.look(picture, entry.nouns.length), picture, seconds));
    }
    const side = row.split("@")[1], [sharp, full] = judge.names.manner[side] ?? [NaN, NaN];
    const distance = kernelDistance(scores.map((s) => s.features), judge.real);
    const seconds = scores.flatMap((s) => s.seconds ?? []);
    const figures = {
      sharpness: mean(scores.map((s) => s.sharpness)) / sharp,
      saturation: mean(scores.map((s) => s.saturation)) / full,
      seconds: seconds.length ? mean(seconds) : undefined,
    };
    console.log(
      row.padEnd(wide) + share(scores, "noun") + share(scores, "background") + share(scores, "colour") +
        share(scores, "style") +
        share(scores, "both") + distance.toFixed(1).padEnd(10) +
        times(figures.sharpness).padEnd(11) + times(figures.saturation).padEnd(12) +
        (figures.seconds?.toFixed(1) ?? "–"),
    );
    report[row] = {
      ...figures,
      distance,
      scores: scores.map(({ features: _, ...s }, i) => ({ id: entries[i].id, ...s })),
    };
  }
  await pipeline?.[Symbol.asyncDispose]();
  if (options.json) await Deno.writeTextFile(options.json, JSON.stringify(report, null, 1));
  console.log(
    "distance: kernel distance of the judge's features to real drawings of the same prompts, × 1000; sharpness and saturation: of the drawings'.",
  );
}
