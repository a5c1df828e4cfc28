/**
 * `inspect`: what a model holds, a folder or files, read from its configs and from the headers of its weights.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Assembly } from "../model_files/assemble.ts";
import { PART_OPTIONS, type PartName } from "../model_files/families.ts";
import { type AssembledFolder, assembledFolder } from "../model_files/model_files.ts";
import type { Scan } from "../model_files/scan.ts";
import { placeOf, sortFiles } from "../model_files/sort.ts";
import { formatMemory, type MemoryOptions, type MemoryPlan, planMemory } from "../pipelines/memory.ts";
import { embeddedFolder } from "../pipelines/embedded_model.ts";
import { readModelInfo } from "../pipelines/text_to_image.ts";
import { elements } from "../tensor.ts";
import { type Checkpoint, openCheckpoint } from "../weights/checkpoint.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { readModelIndex } from "../weights/model_folder.ts";
import { GGML_TYPES } from "../weights/ggml_types.ts";
import { openFile, openFolder } from "./input.ts";
import { arePictures, inspectPictures } from "./inspect_pictures.ts";
import { openModel } from "./model.ts";
import type { Parsed } from "./options.ts";
import { bytesOfMib, modelChoice } from "./request.ts";
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
  /** Bytes of its weights as stored. */
  readonly bytes?: number;
  /** File and option that it comes from; for models made of files. */
  readonly from?: string;
  /** Its config, as far as it is derived; for models made of files. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** The option that brings it, where nothing does. */
  readonly missing?: string;
}

/** What is told about a model. */
interface Report {
  readonly name: string;
  readonly pipeline: string;
  readonly family?: string;
  readonly components: readonly Component[];
  readonly scheduler?: Readonly<Record<string, unknown>>;
  readonly warnings?: readonly string[];
  /** Why it cannot be drawn with. */
  readonly problem?: string;
  /** What a small model knows: things, each by its first name. */
  readonly nouns?: readonly string[];
  /** What a picture with its own settings takes of the GPU's memory. */
  readonly memory?: MemoryPlan;
}

/** Runs the command. */
export async function inspect(options: Parsed, terminal: Terminal): Promise<void> {
  const { words, flag: { json = false } } = options;
  if (arePictures(words)) return await inspectPictures(words, json, terminal);
  for (const report of await reports(options, terminal)) {
    if (json) terminal.print(JSON.stringify(report));
    else for (const line of lines(report)) terminal.print(line);
  }
}

async function reports(options: Parsed, terminal: Terminal): Promise<Report[]> {
  const { words } = options;
  const { prediction, config, ...choice } = modelChoice(options);
  const parts = Object.values(choice).some((path) => path !== undefined);
  if (words.length > 1 || (words.length === 1 && !parts && await isFile(words[0]))) {
    if (parts) {
      throw new LssgenError(
        "bad_option",
        "`inspect` takes files in any order, or options that say which is which, not both",
      );
    }
    const { files, scans, loras } = await sortFiles(
      await Promise.all(words.map((word) => openFile(word, "`inspect`"))),
    );
    if (files.model === undefined) return scans.map(scanReport);
    const assembled = assembledFolder({
      ...files,
      prediction,
      config: await openFolder(config, "--config", terminal),
    });
    return [
      await assembledReport(assembled, memoryOptions(options)),
      ...loras.map(({ name }) => loraReport(name)),
    ];
  }
  if (words.length === 1 && choice.model !== undefined) {
    throw new LssgenError(
      "bad_option",
      `\`inspect\` takes one model, got ${[...words, choice.model].join(", ")}`,
    );
  }
  const { model } = await openModel(
    { ...choice, prediction, config, model: words[0] ?? choice.model },
    terminal,
    { headersOnly: true },
  );
  const folder = model ?? embeddedFolder();
  const memory = memoryOptions(options);
  if ("assembly" in folder) return [await assembledReport(folder as AssembledFolder, memory)];
  const told = await readComponents(folder);
  const nouns = (await readModelInfo(folder).catch(() => undefined))?.nouns;
  return [{ name: folder.name, ...told, nouns, memory: await memoryOf(folder, memory) }];
}

function memoryOptions({ number: { maxVram } }: Parsed): MemoryOptions {
  return { maxVramBytes: bytesOfMib(maxVram) };
}

/**
 * What a picture with the model's own settings takes; undefined where the model cannot be drawn with, which is told elsewhere.
 *
 * @throws {LssgenError} `out_of_memory` when a limit cannot be kept.
 */
async function memoryOf(folder: FolderSource, options: MemoryOptions): Promise<MemoryPlan | undefined> {
  try {
    return await planMemory(folder, {}, options);
  } catch (error) {
    if (!(error instanceof LssgenError) || error.code === "out_of_memory") throw error;
    return undefined;
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isFile ?? false;
}

/** A model made of files; what does not fit together is told, not thrown. */
async function assembledReport(folder: AssembledFolder, options: MemoryOptions): Promise<Report> {
  const assembly = await folder.assembly();
  const problem = await readModelInfo(folder).then(() => undefined, (error) => {
    if (error instanceof LssgenError) return error.message;
    throw error;
  });
  const { family, scheduler, warnings } = assembly;
  return {
    name: assembly.name,
    pipeline: family.pipeline,
    family: family.name,
    components: [...await assembledComponents(folder, assembly), {
      name: "scheduler",
      class: String(scheduler._class_name),
    }],
    scheduler,
    warnings,
    problem,
    memory: problem === undefined ? await memoryOf(folder, options) : undefined,
  };
}

/** Keys of configs that no shape tells and that pictures depend on. */
const TOLD: readonly string[] = [
  "attention_head_dim",
  "transformer_layers_per_block",
  "num_attention_heads",
  "hidden_act",
  "scaling_factor",
  "shift_factor",
  "force_upcast",
];

async function assembledComponents(folder: FolderSource, assembly: Assembly): Promise<Component[]> {
  const there = assembly.tiny
    ? [...assembly.components, { ...assembly.tiny, name: "taesd" }]
    : assembly.components;
  const components: Component[] = [];
  for (const { name, class: kind, from, config, tensors, network } of there) {
    const weights = tensors ?? await openCheckpoint(folder, name);
    const told = network
      ? [...Object.keys(network.architecture.derive(network.tensors).certain), ...TOLD]
      : [];
    const shown = config &&
      Object.fromEntries(told.filter((key) => key in config).map((key) => [key, config[key]]));
    components.push({ name, class: kind, ...countWeights(weights), from, config: shown });
  }
  for (const { name, class: kind, part, without } of assembly.missing) {
    components.push({
      name,
      class: kind,
      missing: `${PART_OPTIONS[part]} FILE${without === undefined ? "" : ", may be left out"}`,
    });
  }
  return components;
}

/** A file that is a part alone. */
function scanReport({ file, networks }: Scan): Report {
  if (networks.length === 0) return loraReport(file.name);
  return {
    name: file.name,
    pipeline: "no denoiser",
    components: networks.map((network) => ({
      name: `${PART_OPTIONS[placeOf(network) as PartName]}`,
      class: network.architecture.class,
      ...countWeights(network.tensors),
      config: network.architecture.derive(network.tensors).certain,
    })),
  };
}

function loraReport(name: string): Report {
  return { name, pipeline: "LoRA, for --lora", components: [] };
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
    // What has a config of another kind (scheduler, tokenizer) has no weights.
    const weights = await folder.text(`${name}/config.json`) === undefined
      ? {}
      : countWeights(await openCheckpoint(folder, name));
    components.push({ name, class: kind, ...weights });
  }
  return { pipeline: index.pipeline, components };
}

/** Numbers and bytes of some tensors. */
function countWeights(
  tensors: Pick<Checkpoint, "names" | "info">,
): Required<Pick<Component, "parameters" | "types" | "bytes">> {
  const types: Record<string, number> = {};
  for (const tensor of tensors.names()) {
    const info = tensors.info(tensor);
    if (info) types[info.dtype] = (types[info.dtype] ?? 0) + elements(info.shape);
  }
  const sizes = Object.entries(types);
  return {
    parameters: sizes.reduce((sum, [, n]) => sum + n, 0),
    types,
    bytes: sizes.reduce((sum, [type, n]) => sum + Math.ceil(n * bytesOfValue(type)), 0),
  };
}

/** Bytes of one value of a stored type; of quantised ones its share of a block. */
function bytesOfValue(type: string): number {
  for (const { name, values, bytes } of GGML_TYPES.values()) if (name === type) return bytes / values;
  return Number(/(\d+)/.exec(type)?.[1] ?? 8) / 8;
}

/** A report as lines. */
function lines(
  { name, pipeline, family, components, scheduler, warnings = [], problem, nouns, memory }: Report,
): string[] {
  return [
    `${name}: ${family === undefined ? pipeline : `${family} (${pipeline})`}`,
    ...components.length > 0 ? componentTable(components) : [],
    ...components.flatMap(({ name, from, config }) =>
      from === undefined && config === undefined
        ? []
        : [`${name}: ${[from, configLine(config)].filter((text) => text !== undefined).join(", ")}`]
    ),
    ...scheduler ? [`scheduler: ${configLine(scheduler)}`] : [],
    ...nouns ? [`it draws ${nouns.length} things: ${nouns.join(", ")}`] : [],
    ...memory ? ["a picture with the model's own settings:", ...formatMemory(memory)] : [],
    ...warnings.map((warning) => `Warning: ${warning}`),
    ...problem === undefined ? [] : [`It cannot be drawn with: ${problem}`],
  ];
}

/** A config on one line: what is set, and short. */
function configLine(config: Readonly<Record<string, unknown>> | undefined): string | undefined {
  return config && Object.entries(config)
    .filter(([key, value]) =>
      value !== null && value !== false && !key.startsWith("_") && JSON.stringify(value).length <= 40
    )
    .map(([key, value]) => `${key} ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}

/** Components as lines in columns, a sum below. */
export function componentTable(components: readonly Component[]): string[] {
  const rows = components.map(({ name, class: kind, parameters, types = {}, bytes, missing }) => [
    name,
    kind,
    parameters === undefined ? "" : count(parameters),
    bytes === undefined ? "" : size(bytes),
    missing === undefined
      ? Object.entries(types).sort(([, a], [, b]) => b - a).map(([type]) => type).join(", ")
      : `missing: ${missing}`,
  ]);
  const total = components.reduce((sum, { parameters = 0 }) => sum + parameters, 0);
  const bytes = components.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
  const table = [
    ["component", "class", "parameters", "bytes", "stored as"],
    ...rows,
    ["", "", count(total), size(bytes), ""],
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column].length)));
  return table.map(([name, kind, parameters, bytes, types]) =>
    [
      name.padEnd(widths[0]),
      kind.padEnd(widths[1]),
      parameters.padStart(widths[2]),
      bytes.padStart(widths[3]),
      types,
    ].join("  ").trimEnd()
  );
}

/** 11 901 408 320 → "11.9 B". */
function count(n: number): string {
  if (n >= 1e9) return `${(n / 1e9).toPrecision(3)} B`;
  if (n >= 1e6) return `${(n / 1e6).toPrecision(3)} M`;
  return n >= 1e4 ? `${(n / 1e3).toPrecision(3)} k` : String(n);
}

/** 6 871 947 673 → "6.40 GiB". */
function size(bytes: number): string {
  if (bytes >= 2 ** 30) return `${(bytes / 2 ** 30).toPrecision(3)} GiB`;
  if (bytes >= 2 ** 20) return `${(bytes / 2 ** 20).toPrecision(3)} MiB`;
  return bytes >= 2 ** 10 ? `${(bytes / 2 ** 10).toPrecision(3)} KiB` : `${bytes} B`;
}
