/**
 * What a model family supplies: one file each, one row in families.ts.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import type { Recorder } from "../gpu/recorder.ts";
import type { KernelList } from "../gpu/warm.ts";
import type { FirstBlockCache } from "../models/first_block_cache.ts";
import { Weights } from "../models/weights.ts";
import { WeightStore } from "../residency/store.ts";
import type { IntegerDot } from "../residency/weight_options.ts";
import type { TokenSet } from "../token_set.ts";
import type { Plan, StagePlan } from "../scaling/types.ts";
import { MOST_STEPS } from "../schedulers/config.ts";
import { ENTRIES } from "../schedulers/entry.ts";
import type { Step } from "../schedulers/types.ts";
import type { Dtype, Tensor } from "../tensor.ts";
import type { ByteSource, FolderSource } from "../weights/bytes.ts";
import { type Checkpoint, kindsOf, openCheckpoint } from "../weights/checkpoint.ts";
import { loadTokenizer, type TokenizerFolder } from "../text/load_tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { LoraSet } from "../weights/lora.ts";
import { type ConfigReader, type ModelIndex, MOST, readConfig } from "../weights/model_folder.ts";
import type { Retyping } from "../weights/retyped.ts";
import { readPresets } from "./presets.ts";
import { type Residency, streamingOf } from "./residency.ts";
import type { GenerateRequest, ModelInfo, PipelineOptions, Progress } from "./types.ts";
import type { UpscalerFile } from "./upscaling.ts";

/** What is asked of the text encoders. */
export interface PromptRequest {
  /** What to draw. */
  readonly prompt: string;
  /** The second encoder's text; absent or empty means `prompt`, as in diffusers. */
  readonly prompt2?: string;
  /** The third encoder's. */
  readonly prompt3?: string;
  /** What to keep out; undefined is not the same as "" for SDXL. */
  readonly negativePrompt?: string;
  /** The second encoder's; absent or empty means `negativePrompt`. */
  readonly negativePrompt2?: string;
  /** The third encoder's. */
  readonly negativePrompt3?: string;
  /** Guidance scale. */
  readonly guidance: number;
  /** FLUX only. */
  readonly trueCfgScale: number;
  /** Steps that are `skipping` are led away from what the network gives without these blocks; families that can only. */
  readonly skipLayers?: { readonly layers: readonly number[]; readonly scale: number };
  /** Brackets weigh words, and CLIP reads prompts of any length; else literally and cut, as diffusers does. */
  readonly emphasis?: boolean;
  /** CLIP's layer, counted from the end; the model's own when absent. */
  readonly clipSkip?: number;
  /** T5 tokens; the family's own default when absent. */
  readonly maxSequenceLength?: number;
  /** See ModelInfo.wholeWords: words that the tokenizer spells become a warning. */
  readonly wholeWords?: boolean;
}

/**
 * The network with its conditioning bound: latents [1, h, w, C] f32, scaled as the step asks, → the output the
 * scheduler takes, guidance included, [1, h, w, C] f32. Tensors it keeps for a stage belong to the scope it is
 * called in. `tokens` are those that the network sees, all without them; only families that {@linkcode ModelInfo.tokenSets} says
 * take them.
 */
export type Denoiser = (
  r: Recorder,
  latents: Tensor,
  step: Step,
  stage: StagePlan,
  tokens?: TokenSet,
) => Tensor;

/** What the encoders made of a prompt. */
export interface Encoded {
  /**
   * The bound network for one picture: what it keeps is gone with that picture's scope.
   *
   * @param prompt Which of `prompts`; the first by default.
   * @param cache Skips blocks of steps; only for models whose {@linkcode ModelInfo.cachesBlocks} is true.
   */
  denoiser(prompt?: number, cache?: FirstBlockCache): Denoiser;
  /** What the request asks for one picture each, where that is more than one: classes. */
  readonly prompts?: readonly string[];
  /** Calls of the network a step. */
  readonly calls: number;
  /** Sentences for the user: what was cut off the prompt. */
  readonly warnings: readonly string[];
}

/** The texts of the first, the second and the third encoder, from what to draw or what to keep out. */
export function encoderTexts(
  request: PromptRequest,
  negative: boolean,
): readonly [first: string, second: string, third: string] {
  const first = (negative ? request.negativePrompt : request.prompt) ?? "";
  const second = negative ? request.negativePrompt2 : request.prompt2;
  const third = negative ? request.negativePrompt3 : request.prompt3;
  return [first, second || first, third || first];
}

/** A family with its denoiser's weights on the GPU. */
export interface Network extends Disposable {
  /** Encodes the prompt; tensors belong to the recorder's innermost scope. */
  encode(r: Recorder, request: PromptRequest): Promise<Encoded>;
  /** Frees what is needed only while a prompt is encoded and takes much memory, where encoding has failed. */
  rest?(): void;
}

/** What {@linkcode Family.load} gets. */
export interface LoadContext {
  /** Model folder. */
  readonly folder: FolderSource;
  /** model_index.json. */
  readonly index: ModelIndex;
  /** GPU. */
  readonly device: Device;
  /** Storage type of f32 weights. */
  readonly dtype: Dtype;
  /** LoRAs to apply to what is loaded. */
  readonly loras?: Pick<LoraSet, "apply">;
  /** See PipelineOptions.keepQuantised. */
  readonly keepQuantised?: boolean;
  /** Where products round their inputs to bytes; see PipelineOptions.integerDot. */
  readonly integerDot?: IntegerDot;
  /** Types that weights get as they are read. */
  readonly retyping?: Retyping;
  /** See PipelineOptions.maxActivationBytes. */
  readonly maxActivationBytes?: number;
  /** What stays on the GPU; large text encoders stream without it, all else stays. */
  readonly residency?: Residency;
  /** Whether weights of the denoiser come when they are used. */
  readonly denoiserStreams?: boolean;
  /** Stops loading. */
  readonly signal?: AbortSignal;
  /** Called after each tensor. */
  readonly onProgress?: (progress: Progress) => void;
  /** Called with the bytes of each component that is loaded: those that stay on the GPU, and those that come when they are used. */
  readonly onLoaded?: (component: string, bytes: number, streamed: number) => void;
  /** Told which kernels were launched. */
  readonly kernels?: KernelList;
  /** What was opened before. */
  readonly opened?: Opened;
  /** Refuses a picture that takes more memory than the limit that was set; see PipelineOptions.maxVramBytes. */
  readonly fits?: (request: GenerateRequest, plan: Plan) => Promise<void>;
  /** Weights are declared only, on a device that does nothing: their headers say what kernels depend on. */
  readonly rehearsal?: boolean;
}

/** Checkpoints and tokenizers that a rehearsal looks at and loading needs again, opened once. */
export class Opened {
  private readonly known = new WeakMap<FolderSource | ByteSource, Map<string, Promise<unknown>>>();

  /**
   * A component's checkpoint.
   *
   * @param take Whether to keep it no longer: a source may hold its whole file.
   */
  checkpoint(folder: FolderSource, subfolder: string, take: boolean): Promise<Checkpoint> {
    const key = `weights ${subfolder}`;
    const known = this.of(folder);
    const open = (): Promise<Checkpoint> => openCheckpoint(folder, subfolder);
    if (known.get(key) === TAKEN) return open();
    const opened = once(known, key, open);
    if (take) known.set(key, TAKEN);
    return opened;
  }

  /** A tokenizer. */
  tokenizer(folder: FolderSource, subfolder: string): Promise<Tokenizer> {
    const open = (): Promise<Tokenizer> => loadTokenizer(tokenizerFiles(folder), subfolder);
    return once(this.of(folder), `tokenizer ${subfolder}`, open);
  }

  /** The header of a network that enlarges pictures. */
  upscaler(file: ByteSource): Promise<UpscalerFile> {
    // The code of ESRGAN networks comes when one is asked for.
    const open = async (): Promise<UpscalerFile> =>
      await (await import("./upscaling.ts")).openUpscalerFile(file);
    return once(this.of(file), "upscaler", open);
  }

  /**
   * Opens a model's tokenizers and holds them to their encoders, so that a wrong one is known before weights are loaded.
   *
   * @throws {LssgenError} `bad_file`, `unsupported`, naming folder and numbers.
   */
  async checkTokenizers(folder: FolderSource, { components }: ModelIndex): Promise<void> {
    await Promise.all(["", "_2", "_3"].map(async (suffix) => {
      const [name, encoder] = [`tokenizer${suffix}`, `text_encoder${suffix}`];
      if (!components.has(name) || !components.has(encoder)) return;
      const tokenizer = await this.tokenizer(folder, name);
      const config = await readConfig(folder, `${encoder}/config.json`);
      const wrong = (what: string): LssgenError =>
        new LssgenError(
          "bad_file",
          `"${folder.name}/${name}" does not fit "${config.name}": ${what}; take the tokenizer that the encoder was trained with`,
        );
      const { startId = 0, endId, padId, maxLength } = tokenizer;
      const vocabulary = config.whole("vocab_size", 1, MOST.rows, Infinity);
      const id = Math.max(startId, endId, padId);
      if (id >= vocabulary) {
        throw wrong(
          `its bos_token, eos_token and pad_token have ids up to ${id}, the encoder's vocab_size is ${vocabulary}`,
        );
      }
      // CLIP's rows are as long as its tokenizer says; T5 has no positions.
      const positions = config.whole("max_position_embeddings", 1, MOST.positions, Infinity);
      if (components.get(encoder)?.startsWith("CLIP") && maxLength > positions) {
        throw wrong(
          `its model_max_length is ${maxLength}, the encoder's max_position_embeddings is ${positions}`,
        );
      }
      // States of two CLIP encoders lie side by side, row by row.
      const first = await this.tokenizer(folder, components.has("tokenizer") ? "tokenizer" : name);
      if (components.get(encoder)?.startsWith("CLIP") && maxLength !== first.maxLength) {
        throw wrong(`its model_max_length is ${maxLength}, the first tokenizer's is ${first.maxLength}`);
      }
    }));
  }

  /** Begins to open all that a model has, at once: one after the other they take a server's answer each. */
  begin(folder: FolderSource, { components }: ModelIndex): void {
    for (const name of ["upsampler", "vae", ...ADAPTABLE]) {
      if (components.has(name)) this.checkpoint(folder, name, false).catch(() => {});
    }
    for (const name of ["tokenizer", "tokenizer_2", "tokenizer_3"]) {
      if (components.has(name)) this.tokenizer(folder, name).catch(() => {});
    }
  }

  private of(source: FolderSource | ByteSource): Map<string, Promise<unknown>> {
    let known = this.known.get(source);
    if (!known) this.known.set(source, known = new Map());
    return known;
  }
}

/** Stands for what was opened and taken. */
const TAKEN: Promise<unknown> = Promise.resolve();

function once<T>(known: Map<string, Promise<unknown>>, key: string, open: () => Promise<T>): Promise<T> {
  let job = known.get(key) as Promise<T> | undefined;
  if (!job) {
    known.set(key, job = open());
    // What failed is tried again by who needs it.
    job.catch(() => known.get(key) === job && known.delete(key));
  }
  return job;
}

/** A pipeline class of diffusers. */
export interface Family {
  /** What the configs say. */
  read(folder: FolderSource, index: ModelIndex): Promise<ModelInfo>;
  /** Loads the denoiser; text encoders are loaded when a prompt needs them. */
  load(context: LoadContext): Promise<Network>;
}

/** A component's network and the buffers of its weights. */
export interface Component<M> extends Disposable {
  /** The network. */
  readonly model: M;
  /** Bytes of its weights, those that stream included. */
  readonly bytes: number;
}

/** Components that LoRAs change. */
export const ADAPTABLE: readonly string[] = [
  "transformer",
  "unet",
  "text_encoder",
  "text_encoder_2",
  "text_encoder_3",
];

/** What LoRA files call a component. */
export function partOf(subfolder: string): string {
  return subfolder === "transformer" || subfolder === "unet" ? "denoiser" : subfolder;
}

/** Whether files of a whole model have a text encoder under OpenCLIP's names. */
function isOpenClip(index: ModelIndex | undefined, subfolder: string): boolean {
  return subfolder === "text_encoder_2" && (index?.pipeline.startsWith("StableDiffusionXL") ?? false);
}

/**
 * What a component's weights become as they are read; undefined where they stay as they are.
 *
 * @throws {LssgenError} `bad_option` for a type that is not written, or rules that are none.
 */
export async function retypingOf(
  { weightType, weightTypeRules, quantise, quantiseLanes: lanes }: PipelineOptions,
): Promise<Retyping | undefined> {
  if (weightType === undefined) return undefined;
  const { typeRules, writableType } = await import("../weights/convert.ts");
  return { type: writableType(weightType), rules: typeRules(weightTypeRules ?? ""), quantise, lanes };
}

/** What opening a component takes of the context; the index only for what a conversion would call its tensors. */
type ComponentContext = Omit<LoadContext, "index"> & { readonly index?: ModelIndex };

/**
 * A component's checkpoint as it is loaded, without LoRAs: of the types that weights get as they are read.
 *
 * @param take As {@linkcode Opened.checkpoint}.
 */
export async function openComponent(
  c: ComponentContext,
  subfolder: string,
  take: boolean,
): Promise<Checkpoint> {
  const opened = await (c.opened ?? new Opened()).checkpoint(c.folder, subfolder, take);
  const { retyping } = c;
  // What was trained beside the model is small, and no part of a converted file.
  if (!retyping || !kindsOf(subfolder)) return opened;
  const { retyped } = await import("../weights/retyped.ts");
  return await retyped(opened, subfolder, { ...retyping, openClip: isOpenClip(c.index, subfolder) });
}

/** Loads one component folder; "" is the folder itself. */
export async function loadComponent<M>(
  c: ComponentContext,
  subfolder: string,
  build: (w: Weights, config: ConfigReader) => M,
): Promise<Component<M>> {
  const config = await readConfig(c.folder, subfolder === "" ? "config.json" : `${subfolder}/config.json`);
  if (config.has("quantization_config")) {
    (await import("../weights/scales.ts")).checkQuantization(config);
  }
  const stored = await openComponent(c, subfolder, !c.rehearsal);
  const store = new WeightStore(c.loras?.apply(stored, partOf(subfolder)) ?? stored, c.device, {
    dtype: c.dtype,
    keepQuantised: c.keepQuantised,
    integerDot: c.integerDot,
    streaming: streamingOf(subfolder, c.residency),
    signal: c.signal,
    onProgress: (bytes, totalBytes) =>
      c.onProgress?.({
        ...{ phase: "load", component: subfolder, bytes, totalBytes },
        bytesPerSecond: bytes / Math.max(1, performance.now() - began) * 1000,
      }),
  });
  let began = 0;
  try {
    const model = build(new Weights(store), config);
    began = performance.now();
    if (c.rehearsal) await store.pretend();
    else await store.load();
    c.onLoaded?.(subfolder, store.bytes, store.streamed);
    return { model, bytes: store.bytes + store.streamed, [Symbol.dispose]: () => store[Symbol.dispose]() };
  } catch (error) {
    store[Symbol.dispose]();
    throw error;
  }
}

/** The settings of `lssgen.json`, which a model folder may bring, over the family's. */
export async function ownSettings(
  folder: FolderSource,
  info: ModelInfo,
): Promise<ModelInfo> {
  if (await folder.text("lssgen.json") === undefined) return info;
  const c = await readConfig(folder, "lssgen.json");
  const d = info.defaults;
  // a · k^−β: falling power of latents.
  const [a, beta] = [c.range("spectrum_a", 1e-9, 1e9, 1), c.range("spectrum_beta", 0, 20, 0)];
  const bias = c.numbers("latent_rgb_bias", []);
  const factors = c.numbers("latent_rgb_factors", []);
  const known = bias.length === 3 && factors.length === 3 * info.latentChannels;
  c.require(
    known || !c.has("latent_rgb_bias"),
    "latent_rgb_bias",
    "3 numbers, and latent_rgb_factors beside them",
  );
  c.require(
    known || !c.has("latent_rgb_factors"),
    "latent_rgb_factors",
    `3 · ${info.latentChannels} numbers`,
  );
  return {
    ...info,
    name: c.string("name", info.name),
    warnings: [...info.warnings ?? [], ...c.strings("warnings", [])],
    wholeWords: c.bool("whole_words", false),
    nouns: c.has("nouns") ? c.strings("nouns") : undefined,
    examples: c.has("examples") ? c.strings("examples") : undefined,
    latentRgb: known
      ? {
        bias,
        factors: Array.from({ length: info.latentChannels }, (_, i) => factors.slice(3 * i, 3 * i + 3)),
      }
      : undefined,
    presets: c.has("presets") ? readPresets(c.json.presets, `${c.name}, presets`) : info.presets,
    spectrum: beta > 0 ? { a, beta } : info.spectrum,
    defaults: {
      ...d,
      width: c.whole("width", 8, MOST.positions, d.width),
      height: c.whole("height", 8, MOST.positions, d.height),
      steps: c.whole("steps", 1, MOST_STEPS, d.steps),
      guidance: c.range("guidance", 0, 1000, d.guidance),
      baseResolution: c.whole("base_resolution", 8, MOST.positions, d.baseResolution),
      minResolution: c.whole("min_resolution", 8, MOST.positions, d.minResolution),
      initNoise: c.range("init_noise", 1e-3, 1, d.initNoise),
      shortenSteps: c.bool("shorten_steps", d.shortenSteps),
      entry: c.oneOf("entry", ENTRIES, d.entry),
    },
  };
}

/** Largest SentencePiece model that is read; mT5's with 250 000 pieces has 4.3 MB. */
const MAX_TOKENIZER_BYTES = 64 << 20;

function tokenizerFiles(folder: FolderSource): TokenizerFolder {
  const checked = (path: string, what: string | undefined): void => {
    if (what) throw new LssgenError("bad_file", `"${folder.name}/${path}" ${what}`);
  };
  return {
    async text(path) {
      const text = await folder.text(path);
      // JSON and tables of merges are what they should be.
      if (text !== undefined && !/^\s*[[{#]/.test(text)) {
        checked(path, (await import("../impostor.ts")).impostorOfText(text));
      }
      return text;
    },
    async bytes(path) {
      const file = await folder.open(path);
      if (file) checked(path, await (await import("../impostor.ts")).impostorOf(file));
      if (file && file.size > MAX_TOKENIZER_BYTES) {
        checked(path, `has ${file.size} bytes, expected a tokenizer of at most ${MAX_TOKENIZER_BYTES}`);
      }
      return file && await file.read(0, file.size);
    },
  };
}
