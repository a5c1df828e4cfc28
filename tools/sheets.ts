/**
 * `deno task sheets [NAME …] [--model DIR] [--out DIR] [--judged DIR]`: the sheets of pictures in docs/images, drawn by the shipped
 * weights through WebGPU. Without names all of {@linkcode SHEETS}.
 *
 * --judged DIR takes pictures that `deno task evaluate --out DIR` has drawn already, in place of drawing them again.
 *
 * @module
 */

import { spreadThreads } from "../lib/cli/software_adapter.ts";
import { fileFolder } from "../lib/cli/files.ts";
import { writeWhole } from "../lib/cli/output.ts";
import { contactSheet, type SheetCell, wrapped } from "../lib/image/contact_sheet.ts";
import { encodePng, type Picture } from "../lib/image/png.ts";
import { resize } from "../lib/image/resize.ts";
import { createPipeline, type GenerateRequest, type Pipeline } from "../lib/pipelines/text_to_image.ts";
import { keptPicture, picturePath } from "./evaluate/kept_pictures.ts";
import { type Entry, readEntries } from "../lib/judging/score.ts";

/** A cell: what is asked for, what stands under it (the prompt, unless it says more), and the row of evaluate that has it. */
interface Cell {
  readonly request: GenerateRequest;
  readonly label?: readonly string[];
  readonly judged?: string;
}

interface Sheet {
  readonly columns: number;
  /** Side of a picture on the sheet, in pixels. */
  readonly shown: number;
  readonly title: string;
  readonly cells: () => Promise<Cell[]>;
}

const ROOT = new URL("../", import.meta.url).pathname;
/** Pixels of a letter's dot. */
const TEXT_SCALE = 2;

const unseen = (): Promise<readonly Entry[]> => readEntries(fileFolder(`${ROOT}train`));

/** The picture that `deno task evaluate` draws of an entry with LSSGen. */
function judged({ id, prompt }: Entry, side: number): Cell {
  return {
    request: { prompt, seed: id, width: side, height: side, method: "lssgen" },
    judged: `lssgen@${side}`,
  };
}

const at = (prompt: string, side: number, seed: number, method: "lssgen" | "direct" = "lssgen"): Cell => ({
  request: { prompt, seed, width: side, height: side, method },
});

/** To add a sheet is to add a row. */
const SHEETS: Readonly<Record<string, Sheet>> = {
  "unseen": {
    columns: 6,
    shown: 192,
    title: "36 of the 424 unseen prompts, every eleventh of the fixed list, LSSGen at 256x256",
    cells: async () =>
      (await unseen()).filter(({ id }) => id % 11 === 5).slice(0, 36).map((e) => judged(e, 256)),
  },
  "ordinary": {
    columns: 4,
    shown: 256,
    title: "Twelve ordinary prompts, LSSGen at 512x512",
    cells: async () => (await unseen()).filter(({ kind }) => kind === "ordinary").map((e) => judged(e, 512)),
  },
  "methods": {
    columns: 8,
    shown: 128,
    title: "Twelve ordinary prompts at 512x512, two in a row, one seed each",
    cells: async () =>
      (await unseen()).filter(({ kind }) => kind === "ordinary").flatMap(({ prompt, id: seed }) => {
        const base = { prompt, seed, width: 512, height: 512 };
        return [
          { request: { ...base, method: "lssgen" }, judged: "lssgen@512" },
          { request: { ...base, preset: "fast" }, judged: "fast@512", label: ["preset", "fast"] },
          {
            request: { ...base, method: "direct", steps: 5 },
            judged: "direct/5/@512",
            label: ["direct", "5 steps"],
          },
          { request: { ...base, method: "direct" }, judged: "direct@512", label: ["direct", "20 steps"] },
        ] satisfies Cell[];
      }),
  },
  "styles": {
    columns: 6,
    shown: 192,
    title: "The three styles, LSSGen at 256x256",
    cells: () =>
      Promise.resolve(
        ["a %", "a flat style %", "a noto style %"].flatMap((phrase) =>
          ["mushroom", "fox", "violin", "rocket", "cactus", "teapot"].map((noun) =>
            at(phrase.replace("%", noun), 256, 7)
          )
        ),
      ),
  },
  "scenes": {
    columns: 4,
    shown: 256,
    title: "Scenes, LSSGen at 512x512",
    cells: () =>
      Promise.resolve(
        [
          "a lion in the desert",
          "a whale under the sea",
          "a bus on a road at night",
          "an owl and a mushroom in the forest",
          "two pears on a table",
          "a snowman in the snow",
          "a purple teapot on a yellow background",
          "a rocket above a house",
        ].map((prompt) => at(prompt, 512, 3)),
      ),
  },
  "large": {
    columns: 2,
    shown: 512,
    title: "1024x1024, four times the side that most of training had: LSSGen and direct, the same seed",
    cells: () =>
      Promise.resolve(
        ["a fox", "a cup of coffee on a table"].flatMap((prompt) =>
          (["lssgen", "direct"] as const).map((method) => ({
            ...at(prompt, 1024, 5, method),
            label: [prompt, method === "lssgen" ? "LSSGen" : "direct"],
          }))
        ),
      ),
  },
};

const USAGE = `Usage: deno task sheets [${
  Object.keys(SHEETS).join(" | ")
}] [--model DIR] [--out DIR] [--judged DIR]`;

function fail(message: string): never {
  console.error(`${message}\n${USAGE}`);
  Deno.exit(2);
}

if (import.meta.main) {
  spreadThreads();
  const names: string[] = [];
  let model: string | undefined, out = `${ROOT}docs/images`, drawn: string | undefined;
  for (let i = 0; i < Deno.args.length; i++) {
    const arg = Deno.args[i], value = (): string => Deno.args[++i] ?? fail(`${arg} needs a value`);
    if (arg === "--model") model = value();
    else if (arg === "--out") out = value();
    else if (arg === "--judged") drawn = value();
    else if (arg in SHEETS) names.push(arg);
    else fail(`There is no sheet "${arg}"`);
  }
  let pipeline: Pipeline | undefined;
  const picture = async ({ request, judged }: Cell): Promise<Picture> => {
    if (drawn !== undefined && judged !== undefined) {
      const kept = await keptPicture(picturePath(drawn, request.seed!, judged));
      if (kept) return kept;
    }
    pipeline ??= await createPipeline(model === undefined ? undefined : fileFolder(model));
    const { images: [image] } = await pipeline.generate(request);
    return { width: image.width, height: image.height, channels: 3, data: image.rgb };
  };
  for (const name of names.length ? names : Object.keys(SHEETS)) {
    const { columns, shown, title, cells } = SHEETS[name];
    const sheet: SheetCell[] = [];
    for (const cell of await cells()) {
      const whole = await picture(cell);
      sheet.push({
        picture: whole.width === shown ? whole : resize(whole, shown, shown, "lanczos"),
        label: cell.label ?? wrapped(cell.request.prompt, shown, TEXT_SCALE, 2),
      });
    }
    const bytes = await encodePng(contactSheet(sheet, { columns, title: [title], textScale: TEXT_SCALE }));
    await writeWhole(`${out}/${name}.png`, bytes);
    console.log(`${name}.png: ${sheet.length} pictures, ${(bytes.length / 1e6).toFixed(2)} MB`);
  }
  await pipeline?.[Symbol.asyncDispose]();
}
