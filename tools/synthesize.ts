/**
 * Writes a model of a published model's shapes with random weights: for trials of size and speed, and for comparison with
 * the original libraries. Memory stays constant, whatever the size.
 *
 *     deno run -A tools/synthesize.ts KIND OUT [--type TYPE] [--text-type TYPE] [--seed N] [--only COMPONENT] [--hollow]
 *         [--without COMPONENT]
 *
 * @module
 */

import { join } from "@std/path";
import { partFile } from "../lib/cli/output.ts";
import { builtinTokenizer } from "../lib/pipelines/builtin_tokenizers.ts";
import type { FolderSource } from "../lib/weights/bytes.ts";
import type { Checkpoint } from "../lib/weights/checkpoint.ts";
import {
  convertCheckpoint,
  type ConvertOptions,
  type ConvertSink,
  planConversion,
  writableType,
} from "../lib/weights/convert.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import type { WritableType } from "../lib/weights/quantise.ts";
import { componentFile, singleFile } from "../lib/weights/single_file.ts";
import { type ComponentSpec, MODELS, type ModelSpec } from "./synthesize/models.ts";
import { type Declared, declaredTensors, RandomCheckpoint } from "./synthesize/random_checkpoint.ts";

const USAGE = `deno run -A tools/synthesize.ts KIND OUT [OPTIONS]

Writes random weights with the shapes of KIND (${
  Object.keys(MODELS).join(", ")
}): a diffusers folder OUT, or, where
OUT ends in .safetensors or .gguf, one file under the names that other programs read.

--type TYPE       of the denoiser: f16 (without it), f32, bf16, or a GGUF type such as q4_0 or q4_k
--text-type TYPE  of the text encoders; as --type without it
--seed N          another set of values; 0 without it
--only COMPONENT  for example unet; everything without it
--hollow          headers alone, in files with holes of the right size: enough for plan and inspect, and no room on the disk
--without COMPONENT  a folder whose model does without it, for example text_encoder_3
`;

/** A component's tensors with random values of the type. */
export function randomComponent(
  name: string,
  { build, config }: ComponentSpec,
  type: WritableType,
  seed: number,
): RandomCheckpoint {
  const declared = declaredTensors((w) => build!(w, new ConfigReader(`${name}/config.json`, config)))
    .map(({ name, shape }) => ({ name, shape: storedShape(name, shape, config) }));
  return new RandomCheckpoint(name, declared, typesOf(declared, type), seed);
}

/** SD1.5's UNet has 1×1 convolutions where the network here declares matrices. */
function storedShape(
  name: string,
  shape: readonly number[],
  config: Readonly<Record<string, unknown>>,
): readonly number[] {
  const convolution = config._class_name === "UNet2DConditionModel" &&
    config.use_linear_projection !== true &&
    /\.attentions\.\d+\.proj_(in|out)\.weight$/.test(name);
  return convolution ? [...shape, 1, 1] : shape;
}

/** The types that a conversion from f16 would give each tensor. */
function typesOf(tensors: readonly Declared[], type: WritableType): (tensor: Declared) => WritableType {
  const stored = type === "F32" || type === "BF16" ? type : "F16";
  const shapes = new Map(tensors.map((t) => [t.name, t.shape]));
  const source = {
    name: "random weights",
    names: () => shapes.keys(),
    info: (name: string) => ({ shape: shapes.get(name)!, dtype: stored }),
  };
  const planned = new Map(planConversion(source, { format: "gguf", type }).map(({ name, to }) => [name, to]));
  return ({ name }) => planned.get(name) as WritableType;
}

/** What {@linkcode writeFolder} is told. */
export interface FolderOptions {
  /** Type of the denoiser's matrices. */
  readonly type: WritableType;
  /** Type of the text encoders' matrices; the VAE is f16, or f32 where `type` is. */
  readonly textType?: WritableType;
  /** Another set of values. */
  readonly seed?: number;
  /** The one component to write. */
  readonly only?: string;
  /** Writes headers and no values. */
  readonly hollow?: boolean;
  /** A component that the model is made without. */
  readonly without?: string;
  /** Told of each component. */
  readonly onComponent?: (name: string, bytes: number) => void;
}

/** Writes a model as a diffusers folder. */
export async function writeFolder(spec: ModelSpec, out: string, options: FolderOptions): Promise<void> {
  const { seed = 0, only, without, onComponent } = options;
  const index: Record<string, unknown> = { _class_name: spec.pipeline, ...spec.index };
  for (const [name, component] of Object.entries(spec.components)) {
    // An encoder's tokenizer goes with it.
    if (without !== undefined && [without, without.replace("text_encoder", "tokenizer")].includes(name)) {
      index[name] = [null, null];
      continue;
    }
    index[name] = component.class;
    if (only !== undefined && only !== name) continue;
    await Deno.mkdir(join(out, name), { recursive: true });
    if (name.startsWith("tokenizer")) await writeTokenizer(component, join(out, name));
    else {
      const file = name === "scheduler" ? "scheduler_config.json" : "config.json";
      await Deno.writeTextFile(join(out, name, file), JSON.stringify(component.config, null, 2));
    }
    if (!component.build) continue;
    const mine = typeOf(name, options);
    const format = ["F32", "F16", "BF16"].includes(mine) ? "safetensors" : "gguf";
    const stem = component.stem ?? "diffusion_pytorch_model";
    await using file = await partFile(join(out, name, `${stem}.${format}`));
    const source = randomComponent(name, component, mine, seed);
    const bytes = await write(source, file, { format, type: mine }, options.hollow);
    await file.finish();
    onComponent?.(name, bytes);
  }
  await Deno.writeTextFile(join(out, "model_index.json"), JSON.stringify(index, null, 2));
}

/** Writes a model, or one of its components, as one file. */
export async function writeFile(spec: ModelSpec, out: string, options: FolderOptions): Promise<void> {
  const { type, seed = 0, only, onComponent } = options;
  const format = out.endsWith(".gguf") ? "gguf" : "safetensors";
  const sources = Object.entries(spec.components)
    .filter(([name, { build }]) => build && (only === undefined || only === name))
    .map(([name, component]) => ({
      source: randomComponent(name, component, typeOf(name, options), seed),
      role: name === "text_encoder"
        ? "clip_l" as const
        : name === "text_encoder_2"
        ? "clip_g" as const
        : undefined,
    }));
  const source = only === undefined ? singleFile(sources) : componentFile(sources[0].source, format);
  await using file = await partFile(out);
  // Every tensor has its type already.
  const bytes = await write(source, file, { format, type, rules: [] }, options.hollow);
  await file.finish();
  onComponent?.(out, bytes);
}

/** Writes a checkpoint, or its header and a hole. @returns Its bytes. */
async function write(
  source: Checkpoint,
  file: ConvertSink,
  options: ConvertOptions,
  hollow = false,
): Promise<number> {
  if (!hollow) return (await convertCheckpoint(source, file, options)).bytes;
  const none: ConvertSink = { write: (at, bytes) => at === 0 ? file.write(0, bytes) : Promise.resolve() };
  const { bytes } = await convertCheckpoint(source, none, options);
  await file.write(bytes - 1, new Uint8Array(1));
  return bytes;
}

/** The type of a component's matrices. */
function typeOf(name: string, { type, textType = type }: FolderOptions): WritableType {
  if (name === "vae") return type === "F32" ? "F32" : "F16";
  return name.startsWith("text_encoder") ? textType : type;
}

async function writeTokenizer({ class: [, name], config }: ComponentSpec, out: string): Promise<void> {
  const kind = name.startsWith("T5") ? "t5" : config.pad_token === "!" ? "clip_g" : "clip_l";
  const files: FolderSource = builtinTokenizer(kind);
  for (const file of ["tokenizer_config.json", "vocab.json", "merges.txt", "spiece.model"]) {
    const source = await files.open(file);
    if (source) await Deno.writeFile(join(out, file), await source.read(0, source.size));
  }
}

if (import.meta.main) {
  const words: string[] = [];
  const given = new Map<string, string>();
  for (let i = 0; i < Deno.args.length; i++) {
    if (Deno.args[i] === "--hollow") given.set("hollow", "");
    else if (Deno.args[i].startsWith("--")) given.set(Deno.args[i].slice(2), Deno.args[++i] ?? "");
    else words.push(Deno.args[i]);
  }
  const [kind, out] = words;
  if (words.length !== 2 || !Object.hasOwn(MODELS, kind)) {
    console.error(USAGE);
    Deno.exit(2);
  }
  const textType = given.get("text-type");
  const writeModel = /\.(safetensors|gguf)$/.test(out) ? writeFile : writeFolder;
  await writeModel(MODELS[kind], out, {
    type: writableType(given.get("type") ?? "f16"),
    textType: textType === undefined ? undefined : writableType(textType),
    seed: Number(given.get("seed") ?? 0),
    only: given.get("only"),
    hollow: given.has("hollow"),
    without: given.get("without"),
    onComponent: (name, bytes) => console.log(`${name.padEnd(18)} ${(bytes / 1e9).toFixed(3)} GB`),
  });
}
