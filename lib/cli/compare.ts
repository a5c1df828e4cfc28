/**
 * `compare`: methods × noise levels side by side on one sheet, the time under each picture. Every method draws once for nothing before
 * it is clocked, and the first picture shows what the model draws at its own size.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { contactSheet } from "../image/contact_sheet.ts";
import type { SheetCell } from "../image/contact_sheet.ts";
import { encodePng } from "../image/png.ts";
import { planPicture } from "../pipelines/text_to_image.ts";
import type { GeneratedImage, GenerateRequest, ModelInfo } from "../pipelines/text_to_image.ts";
import type { MethodName, Plan, Size } from "../scaling/types.ts";
import { modelInfo, openPipeline, quietly, startProgress } from "./generate.ts";
import { METHODS as REGISTERED } from "../scaling/methods/registry.ts";
import { METHODS } from "./options.ts";
import type { Parsed } from "./options.ts";
import { checkOutput, pictureOutput } from "./output.ts";
import { duration } from "./progress.ts";
import { toEngineChoice, toRequest, withOneGuidance } from "./request.ts";
import type { Terminal } from "./terminal.ts";
import { launches, shortest } from "./warming.ts";
import { VERSION } from "../version.ts";

/** Without options: the paper's own range. */
const DEFAULT_METHODS = ["direct", "lssgen"];
const DEFAULT_INIT_NOISES = [0.6, 0.75, 0.9];

/** Methods whose later stages start at the model's own `initNoise` unless another is asked for; the others are shown once. */
const STAGED: readonly string[] = REGISTERED
  .filter(({ heeds, initNoise }) => initNoise === undefined && (heeds?.includes("initNoise") ?? true))
  .map(({ name }) => name);

/** Fills a row that has fewer pictures than another. */
const BLANK: SheetCell = {
  picture: { width: 1, height: 1, channels: 1, data: new Uint8Array([255]) },
  label: [],
};

/** One picture to make. */
export interface Cell {
  /** Row. */
  readonly method: MethodName;
  /** Column, where the method has one. */
  readonly initNoise?: number;
  /** Its own size, where the picture is larger: the model's own level. */
  readonly size?: Size;
}

/** Pictures beside each other at most: more would be too small to look at where a README shows them. */
const MOST_COLUMNS = 4;
/** Pixels across that a README shows of a picture. */
const README_WIDTH = 830;

/**
 * Rows of a comparison, of four pictures at most: the methods that have one picture share the first rows, each staged method has its
 * own.
 *
 * @param methods Names, or `all`.
 * @param initNoises Columns of the staged methods.
 * @param own The model's own size, shown first, where the picture is larger.
 */
export function comparisonRows(
  methods: readonly string[],
  initNoises: readonly number[],
  own?: Size,
): Cell[][] {
  const named = methods.includes("all") ? METHODS : [...new Set(methods)] as MethodName[];
  const single = named.filter((method) => !STAGED.includes(method)).map((method): Cell => ({ method }));
  const staged = named.filter((method) => STAGED.includes(method))
    .map((method) => initNoises.map((initNoise): Cell => ({ method, initNoise })));
  if (own) single.unshift({ method: "direct", size: own });
  return [single, ...staged].flatMap((row) =>
    Array.from(
      { length: Math.ceil(row.length / MOST_COLUMNS) },
      (_, i) => row.slice(i * MOST_COLUMNS, (i + 1) * MOST_COLUMNS),
    )
  );
}

/** The size that the model was trained for in the picture's shape; undefined where the picture is no larger. */
export function ownSize(
  { width, height }: Size,
  { defaults: { baseResolution: base }, space: { vaeFactor, patch } }: Pick<ModelInfo, "defaults" | "space">,
): Size | undefined {
  const unit = vaeFactor * patch;
  const side = (pixels: number): number =>
    Math.max(1, Math.round(pixels * base / Math.min(width, height) / unit)) * unit;
  const own = { width: side(width), height: side(height) };
  return own.width < width && own.height < height ? own : undefined;
}

/**
 * Draws requests and clocks them. Before the first is clocked, all that they launch has run: drivers compile a kernel when it first runs,
 * buffers are made and kernels tuned.
 *
 * @param plan Plans a request, or throws where it cannot be.
 */
export async function clocked<R>(
  requests: readonly GenerateRequest[],
  plan: (request: GenerateRequest) => Plan,
  draw: (request: GenerateRequest) => Promise<R>,
): Promise<{ made: R; ms: number }[]> {
  // What cannot be drawn is refused before anything is.
  const keys = requests.map((request) => launches(plan(request), request).join());
  for (const [i, request] of requests.entries()) {
    if (keys.indexOf(keys[i]) === i) await draw(shortest(request, plan));
  }
  const all: { made: R; ms: number }[] = [];
  for (const request of requests) {
    const began = performance.now();
    const made = await draw(request);
    all.push({ made, ms: performance.now() - began });
  }
  return all;
}

/** Bytes of a sheet at most: its pixels, paper and labels around each picture, a picture of noise in each. */
function sheetBytes(
  { width, height }: { readonly width: number; readonly height: number },
  columns: number,
  rows: number,
): number {
  return 3 * columns * (width + 64) * (rows + 1) * (height + 256) + 2 ** 16;
}

/** Runs the command. */
export async function compare(options: Parsed, terminal: Terminal): Promise<void> {
  const asked = toRequest(options);
  if (asked.prompt === "") {
    throw new LssgenError(
      "bad_option",
      'A prompt is missing: cli.ts compare "a red apple", or --help for everything',
    );
  }
  const output = await pictureOutput({
    out: options.text.out,
    fallback: "compare.png",
    force: options.flag.force,
    endings: [".png"],
  });
  const methods = options.texts.methods ?? DEFAULT_METHODS;
  const noises = options.numbers.initNoises ?? DEFAULT_INIT_NOISES;
  const engine = toEngineChoice(options);
  const made: { cell: Cell; image: GeneratedImage; ms: number }[] = [];
  let rows: Cell[][];
  const quiet = quietly(options, terminal);
  const info = await modelInfo(engine, quiet);
  const request = withOneGuidance(asked, options, info, quiet.note);
  const progress = startProgress(options, terminal);
  try {
    const requestOf = ({ size, ...cell }: Cell): GenerateRequest => ({
      ...request,
      ...cell,
      ...size,
      count: 1,
    });
    const first = requestOf(comparisonRows(methods, noises).flat().at(-1)!);
    const plan = planPicture(info, first);
    rows = comparisonRows(methods, noises, ownSize(plan, info));
    const cells = rows.flat();
    const columns = Math.max(...rows.map((row) => row.length));
    // What cannot be drawn is refused before weights are read.
    const warnings = new Set(cells.flatMap((cell) => planPicture(info, requestOf(cell)).warnings ?? []));
    for (const warning of warnings) quiet.note(`Warning: ${warning}\n`);
    await checkOutput(output.next, { bytes: sheetBytes(plan, columns, rows.length), endings: [".png"] });
    await using pipeline = await openPipeline(engine, quiet, progress.onProgress, first);
    const run = { signal: terminal.signal, onProgress: progress.onProgress };
    const drawings = await clocked(cells.map(requestOf), (r) => pipeline.plan(r), async (r) => {
      const { images } = await pipeline.generate(r, run);
      if (images.length === 1) return images[0];
      throw new LssgenError(
        "bad_option",
        `"${request.prompt}" names ${images.length} classes, a comparison shows one: give one`,
      );
    });
    made.push(...drawings.map(({ made: image, ms }, i) => ({ cell: cells[i], image, ms })));
  } finally {
    progress.end();
  }
  const direct = made.find(({ cell }) => cell.method === "direct" && !cell.size)?.ms;
  const labelOf = ({ cell: { method, initNoise, size }, ms }: typeof made[number]): string[] => [
    size ? `own ${size.width}x${size.height}` : initNoise === undefined ? method : `${method} ${initNoise}`,
    duration(ms) + (direct && (method !== "direct" || size) ? `  ${(direct / ms).toFixed(2)}x` : ""),
  ];
  const { width, height, seed, parameters } = made.at(-1)!.image;
  const title = [request.prompt, `${width}x${height}, ${parameters.steps} steps, seed ${seed}`];
  const columns = Math.max(...rows.map((row) => row.length));
  const sheet = contactSheet(
    rows.flatMap((row) =>
      Array.from({ length: columns }, (_, i): SheetCell => {
        const done = made.find(({ cell }) => cell === row[i]);
        if (!done) return BLANK;
        const { width, height, rgb } = done.image;
        return { picture: { width, height, channels: 3, data: rgb }, label: labelOf(done) };
      })
    ),
    { columns, title, shownWidth: README_WIDTH },
  );
  const path = await output.write(
    await encodePng(sheet, { Software: `LSSGen for WebGPU ${VERSION}`, Title: request.prompt }),
  );
  const results = made.map(({ cell: { size: _, ...cell }, image: { width, height, seed }, ms }) => ({
    ...{ ...cell, width, height, seed, ms },
  }));
  if (options.flag.json) {
    terminal.print(JSON.stringify({ version: VERSION, file: path, results }));
  } else {
    for (const one of made) terminal.print(labelOf(one).join("  "));
    terminal.print(path);
  }
}
