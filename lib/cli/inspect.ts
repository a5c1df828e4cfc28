/**
 * `inspect`: what a model folder holds, read from its configs and from the headers of its weights.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { embeddedFolder } from "../pipelines/text_to_image.ts";
import { elements } from "../tensor.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { readModelIndex } from "../weights/model_folder.ts";
import { remoteModel } from "./download.ts";
import { openFolder } from "./input.ts";
import type { Parsed } from "./options.ts";
import type { Terminal } from "./terminal.ts";

/** One entry of model_index.json. */
export interface Component {
  /** Name of its folder. */
  readonly name: string;
  /** Class of the original libraries. */
  readonly class: string;
  /** Numbers in its weights; absent for what has none (schedulers, tokenizers). */
  readonly parameters?: number;
  /** Numbers by stored type. */
  readonly types?: Readonly<Record<string, number>>;
}

/** Runs the command. */
export async function inspect(options: Parsed, terminal: Terminal): Promise<void> {
  const { words, text: { model } } = options;
  if (words.length > 1 || (words.length === 1 && model !== undefined)) {
    throw new LssgenError("bad_option", `\`inspect\` takes one model, got ${[...words, model].join(", ")}`);
  }
  const named = words[0] ?? model;
  const folder = await remoteModel(named, terminal.signal) ?? await openFolder(named, "MODEL", terminal) ??
    embeddedFolder();
  const { pipeline, components } = await readComponents(folder);
  if (options.flag.json) {
    terminal.print(JSON.stringify({ name: folder.name, pipeline, components }));
    return;
  }
  terminal.print(`${folder.name}: ${pipeline}`);
  for (const line of componentTable(components)) terminal.print(line);
}

/**
 * Reads the components of a diffusers folder; of weights only the headers.
 *
 * @throws {LssgenError} `bad_file` when there is no model_index.json, or when it or a header is damaged.
 */
export async function readComponents(
  folder: FolderSource,
): Promise<{ pipeline: string; components: Component[] }> {
  const index = await readModelIndex(folder);
  const components: Component[] = [];
  for (const [name, kind] of index.components) {
    components.push({ name, class: kind, ...await countWeights(folder, name) });
  }
  return { pipeline: index.pipeline, components };
}

/** Parameters of a component, nothing for one that has a config of another kind (scheduler, tokenizer). */
async function countWeights(
  folder: FolderSource,
  name: string,
): Promise<Pick<Component, "parameters" | "types">> {
  if (await folder.text(`${name}/config.json`) === undefined) return {};
  const checkpoint = await openCheckpoint(folder, name);
  const types: Record<string, number> = {};
  for (const tensor of checkpoint.names()) {
    const info = checkpoint.info(tensor);
    if (info) types[info.dtype] = (types[info.dtype] ?? 0) + elements(info.shape);
  }
  return { parameters: Object.values(types).reduce((sum, n) => sum + n, 0), types };
}

/** Components as lines in columns, a sum below. */
export function componentTable(components: readonly Component[]): string[] {
  const rows = components.map(({ name, class: kind, parameters, types = {} }) => [
    name,
    kind,
    parameters === undefined ? "" : count(parameters),
    Object.entries(types).sort(([, a], [, b]) => b - a).map(([type]) => type).join(", "),
  ]);
  const total = components.reduce((sum, { parameters = 0 }) => sum + parameters, 0);
  const table = [["component", "class", "parameters", "stored as"], ...rows, ["", "", count(total), ""]];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column].length)));
  return table.map(([name, kind, parameters, types]) =>
    [name.padEnd(widths[0]), kind.padEnd(widths[1]), parameters.padStart(widths[2]), types].join("  ")
      .trimEnd()
  );
}

/** 11 901 408 320 → "11.9 B". */
function count(n: number): string {
  if (n >= 1e9) return `${(n / 1e9).toPrecision(3)} B`;
  if (n >= 1e6) return `${(n / 1e6).toPrecision(3)} M`;
  return n >= 1e4 ? `${(n / 1e3).toPrecision(3)} k` : String(n);
}
