/**
 * `compare`: methods × noise levels side by side on one sheet, the time under each picture.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { contactSheet } from "../image/contact_sheet.ts";
import type { SheetCell } from "../image/contact_sheet.ts";
import { encodePng } from "../image/png.ts";
import type { GeneratedImage, GenerateRequest } from "../pipelines/text_to_image.ts";
import type { MethodName } from "../scaling/types.ts";
import { openPipeline, plannedPicture, quietly, startProgress } from "./generate.ts";
import { METHODS } from "./options.ts";
import type { Parsed } from "./options.ts";
import { checkOutput, pictureOutput } from "./output.ts";
import { duration } from "./progress.ts";
import { toEngineChoice, toRequest } from "./request.ts";
import type { Terminal } from "./terminal.ts";
import { VERSION } from "../version.ts";

/** Without options: the paper's own range. */
const DEFAULT_METHODS = ["direct", "lssgen"];
const DEFAULT_INIT_NOISES = [0.6, 0.75, 0.9];

/** Methods whose later stages start at `initNoise`; the others have one picture whatever it is. */
const STAGED = ["lssgen"];

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
}

/**
 * Rows of a comparison: the methods that have one picture share the first, each staged method has its own.
 *
 * @param methods Names, or `all`.
 * @param initNoises Columns of the staged methods.
 */
export function comparisonRows(methods: readonly string[], initNoises: readonly number[]): Cell[][] {
  const named = methods.includes("all") ? METHODS : [...new Set(methods)] as MethodName[];
  const single = named.filter((method) => !STAGED.includes(method)).map((method): Cell => ({ method }));
  const staged = named.filter((method) => STAGED.includes(method))
    .map((method) => initNoises.map((initNoise): Cell => ({ method, initNoise })));
  return single.length > 0 ? [single, ...staged] : staged;
}

/** Bytes of a sheet at most: its pixels, paper and labels around each picture, a picture of noise in each. */
function sheetBytes(
  { width, height }: { readonly width: number; readonly height: number },
  columns: number,
  rows: number,
): number {
  return 3 * columns * (width + 64) * rows * (height + 128) + 2 ** 16;
}

/** Runs the command. */
export async function compare(options: Parsed, terminal: Terminal): Promise<void> {
  const request = toRequest(options);
  if (request.prompt === "") {
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
  const rows = comparisonRows(
    options.texts.methods ?? DEFAULT_METHODS,
    options.numbers.initNoises ?? DEFAULT_INIT_NOISES,
  );
  const cells = rows.flat();
  const engine = toEngineChoice(options);
  const progress = startProgress(options, terminal);
  const made: { cell: Cell; image: GeneratedImage; ms: number }[] = [];
  try {
    const requestOf = (cell: Cell): GenerateRequest => ({ ...request, ...cell, count: 1 });
    // One picture for nothing: drivers compile a kernel when it first runs, and a staged run needs all of them.
    const first = requestOf(cells[cells.length - 1]);
    const quiet = quietly(options, terminal);
    const columns = Math.max(...rows.map((row) => row.length));
    const { plan } = await plannedPicture(engine, quiet, first);
    await checkOutput(output.next, {
      bytes: sheetBytes(plan, columns, rows.length),
      endings: [".png"],
    });
    await using pipeline = await openPipeline(engine, quiet, progress.onProgress, first);
    const run = { signal: terminal.signal, onProgress: progress.onProgress };
    const { images: { length } } = await pipeline.generate(first, run);
    if (length > 1) {
      throw new LssgenError(
        "bad_option",
        `"${request.prompt}" names ${length} classes, a comparison shows one: give one`,
      );
    }
    for (const cell of cells) {
      const began = performance.now();
      const { images } = await pipeline.generate(requestOf(cell), run);
      made.push({ cell, image: images[0], ms: performance.now() - began });
    }
  } finally {
    progress.end();
  }
  const direct = made.find(({ cell }) => cell.method === "direct")?.ms;
  const labelOf = ({ cell, ms }: typeof made[number]): string[] => [
    cell.initNoise === undefined ? cell.method : `${cell.method} ${cell.initNoise}`,
    duration(ms) + (direct && cell.method !== "direct" ? `  ${(direct / ms).toFixed(2)}x` : ""),
  ];
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
    { columns },
  );
  const path = await output.write(
    await encodePng(sheet, { Software: `LSSGen for WebGPU ${VERSION}`, Title: request.prompt }),
  );
  const results = made.map(({ cell, image, ms }) => ({ ...cell, seed: image.seed, ms }));
  if (options.flag.json) {
    terminal.print(JSON.stringify({ version: VERSION, file: path, results }));
  } else {
    for (const one of made) terminal.print(labelOf(one).join("  "));
    terminal.print(path);
  }
}
