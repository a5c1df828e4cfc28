/**
 * What goes into a pipeline and what comes out: plain records.
 *
 * @module
 */

import type { Device } from "../gpu/device.ts";
import type { KernelMemory } from "../gpu/stored.ts";
import type { PictureFile } from "../image/picture_file.ts";
import type { Picture } from "../image/png.ts";
import type { CostModel, LatentSpace, MethodName, Plan, Spectrum, Upsampler } from "../scaling/types.ts";
import type { Entry } from "../schedulers/entry.ts";
import type { SamplerName, ScheduleName } from "../schedulers/samplers.ts";
import type { Dtype } from "../tensor.ts";
import type { ByteSource, FolderSource } from "../weights/bytes.ts";
import type { Lora } from "../weights/lora.ts";
import type { WritableType } from "../weights/quantise.ts";

/** A picture asked for. What is left out is the model's own default ({@linkcode ModelInfo.defaults}). */
export interface GenerateRequest {
  /**
   * What to draw; for class-conditional models a class number, one of its names, or several numbers ("3, 281"), which make
   * a picture each. `<lora:name:0.8>` in it applies the LoRA that {@linkcode PipelineOptions.findLora} finds.
   */
  readonly prompt: string;
  /**
   * Another text for the second text encoder: FLUX's T5, SDXL's and SD3's second CLIP. Absent or empty means `prompt`, as in
   * diffusers. Models without such an encoder refuse it ({@linkcode ModelInfo.prompts}).
   */
  readonly prompt2?: string;
  /** Another text for the third text encoder, SD3's T5. */
  readonly prompt3?: string;
  /** What to keep out. Needs guidance with a second call: FLUX takes one too when `trueCfgScale` is above 1. */
  readonly negativePrompt?: string;
  /** What to keep out, for the second text encoder; absent or empty means `negativePrompt`. */
  readonly negativePrompt2?: string;
  /** What to keep out, for the third text encoder. */
  readonly negativePrompt3?: string;
  /** Pixels. With `image` and one of the two the other follows its shape; with neither the picture has the size of `image`. */
  readonly width?: number;
  /** Pixels. */
  readonly height?: number;
  /** Denoising steps of a stage at or above the model's base resolution. */
  readonly steps?: number;
  /** Guidance scale: classifier-free, or embedded where the model has it (FLUX.1-dev). */
  readonly guidance?: number;
  /**
   * Classifier-free guidance from this share of the way on, 0 … 1: 0 is pure noise, 1 clean latents, σ = 1 − share for flow
   * models. Before it the network is called once a step. Default 0.
   */
  readonly guidanceStart?: number;
  /** Classifier-free guidance up to this share of the way. Default 1. */
  readonly guidanceEnd?: number;
  /**
   * Skip-layer guidance: blocks, counted from 0, that a further call of the network leaves out; its output is led away from.
   * SD3 and SD3.5, with classifier-free guidance. Default none, and 7, 8, 9 with `slgScale` alone, those for SD3.5-medium.
   */
  readonly skipLayers?: readonly number[];
  /** Scale of skip-layer guidance, 0 … 100; 0 is off. Default 2.8. */
  readonly slgScale?: number;
  /** Share of the steps after which it begins, 0 … 1. Default 0.01. */
  readonly skipLayerStart?: number;
  /** Share of the steps before which it ends, 0 … 1. Default 0.2. */
  readonly skipLayerEnd?: number;
  /** FLUX: classifier-free guidance on top of the embedded one; 1 is off. */
  readonly trueCfgScale?: number;
  /**
   * 0 … 2^53 − 1; the same seed gives the same noise everywhere: library, command line, page and server. −1 draws one at random.
   * Default 0, so that a program gives the same picture twice.
   */
  readonly seed?: number;
  /** Settings of the model's that go together, from the best to the fastest; what the request says beside them counts first. */
  readonly preset?: PresetName;
  /** How the picture grows to its size. Default `lssgen`, and `stages` where those are given. */
  readonly method?: MethodName;
  /** Shorter side of the first stage, in pixels. */
  readonly minResolution?: number;
  /** Noise level in (0, 1] at which later stages start. */
  readonly initNoise?: number;
  /** How latents grow between stages. */
  readonly upsampler?: Upsampler;
  /** Fewer steps in stages below the base resolution. */
  readonly shortenSteps?: boolean;
  /** How later stages enter their schedule. */
  readonly entry?: Entry;
  /**
   * Method `stages`, which it implies: shorter side, noise level and steps of each stage, "256:20,384@0.8:12,512@0.6:8". The last
   * is the picture's. What is left out is `initNoise` and `steps`.
   */
  readonly stages?: string;
  /** Method `refine`: steps at the full size. Default 1. */
  readonly refineSteps?: number;
  /** Method `spectral`: the share of the spectrum's power that may be lost, in (0, 1). Default 0.01; less is dearer. */
  readonly spectralDelta?: number;
  /**
   * `first-block` skips a step's blocks behind the first where that one's residual has changed by at most `cacheThreshold` since
   * the last computed step, and adds what they gave then. For FLUX, SD3 and DiT. Default `none`, or `first-block` with a threshold.
   */
  readonly cacheMode?: CacheMode;
  /** Relative change up to which blocks are skipped, 0 or more. 0 skips nothing. Default 0.05, diffusers' own. */
  readonly cacheThreshold?: number;
  /** Pictures, each of its own noise. Default 1. */
  readonly count?: number;
  /**
   * `(word:1.3)`, `((word))` and `[word]` weigh words, CLIP reads prompts of any length in rows of 77 tokens, `BREAK` begins
   * a row, and `<lora:name:0.8>` applies a LoRA, as users of ComfyUI and A1111 expect. False: all of it is text and long
   * prompts are cut, as in diffusers. Default true.
   */
  readonly emphasis?: boolean;
  /**
   * Which of CLIP's layers is read, counted from the end as A1111 and stable-diffusion.cpp do: 1 is the last, 2 the last but one
   * (`clip_skip=1` of diffusers). The final norm follows. SD1.5 and SD2; SDXL and SD3 read 2 and nothing else.
   */
  readonly clipSkip?: number;
  /**
   * Image-to-image: the picture to begin with, resized to the first stage. Alpha is laid on white, as A1111 does
   * (diffusers and ComfyUI show the colours under it). A file ({@linkcode openPicture}) is decoded when its turn comes.
   */
  readonly image?: Picture | PictureFile;
  /** How far from `image`, in (0, 1]: the share of the steps that is run. Default 0.75. */
  readonly strength?: number;
  /**
   * Inpainting: white is drawn anew, black keeps `image`. Transparent keeps too: where all that is visible is either dark
   * or light, alpha alone decides (as in A1111, ComfyUI has it the other way round), otherwise light on transparent does.
   */
  readonly mask?: Picture | PictureFile;
  /** Noise: our own counter-based generator, or PyTorch's on CPU or CUDA, for the pictures known from diffusers. */
  readonly rng?: Rng;
  /** Another sampler than the model's own. At run time A1111's and ComfyUI's spellings go too ("DPM++ 2M Karras", `dpmpp_2m`). */
  readonly scheduler?: SamplerName;
  /** Another spacing of the noise levels. */
  readonly schedule?: ScheduleName;
  /**
   * The noise levels themselves, falling, one of each step; a 0 at the end may be left out. In (0, 1] for flow models, else the
   * ratio of noise to signal. They take the place of `steps`, and need stages of that many steps.
   */
  readonly sigmas?: readonly number[];
}

/** What a denoiser for inpainting takes beside its latents: the mask by latents (UNets), or by pixels (FLUX.1 Fill). */
export type MaskInput = "latents" | "pixels";

/** Names of presets, from the best to the fastest. */
export type PresetName = "quality" | "balanced" | "fast";

/** Settings that a preset may have. */
export type PresetSettings = Pick<
  GenerateRequest,
  | "method"
  | "steps"
  | "minResolution"
  | "initNoise"
  | "upsampler"
  | "shortenSteps"
  | "entry"
  | "stages"
  | "refineSteps"
  | "spectralDelta"
  | "cacheMode"
  | "cacheThreshold"
>;

/** Presets by name. */
export type Presets = Readonly<Partial<Record<PresetName, PresetSettings>>>;

/** How work of earlier steps is used again. */
export type CacheMode = "none" | "first-block";

/** Every {@linkcode CacheMode}. */
export const CACHE_MODES: readonly CacheMode[] = ["none", "first-block"];

/** Where noise comes from. */
export type Rng = "philox" | "torch-cpu" | "torch-cuda";

/** Every {@linkcode Rng}. */
export const RNGS: readonly Rng[] = ["philox", "torch-cpu", "torch-cuda"];

/** How a preview is made: by factors of the latents, by the tiny autoencoder, by the model's own, or the first there is. */
export type PreviewKind = "proj" | "tae" | "vae" | "auto";

/** 8-bit RGB, rows from the top. */
export interface RgbPicture {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** [height, width, 3]. */
  readonly rgb: Uint8Array<ArrayBuffer>;
}

/** Where a run is. */
export interface Progress {
  /** What is going on. */
  readonly phase: "load" | "encode" | "denoise" | "upsample" | "decode" | "upscale";
  /** While loading: the folder of the component. */
  readonly component?: string;
  /** Picture, from 0. */
  readonly image?: number;
  /** Stage, from 1. */
  readonly stage?: number;
  /** Stages in all. */
  readonly stages?: number;
  /** While loading: bytes of the component's file that are on the GPU. */
  readonly bytes?: number;
  /** And those that will be. */
  readonly totalBytes?: number;
  /** While loading: bytes of the component a second, from its first read until now. */
  readonly bytesPerSecond?: number;
  /** Steps done. */
  readonly step?: number;
  /** Steps in all. */
  readonly steps?: number;
  /** Noise level of the step. */
  readonly sigma?: number;
  /** Pixels. */
  readonly width?: number;
  /** Pixels. */
  readonly height?: number;
  /** Share of the work of all pictures that is done, 0 … 1: stages and decoding weighed by their FLOPs. Absent while a pipeline opens. */
  readonly share?: number;
  /** Milliseconds until all pictures are done, from the pace of the last steps; absent before two steps were seen. */
  readonly etaMs?: number;
  /** The picture as it is expected to become, smaller than the result; with {@linkcode GenerateOptions.previewEvery}. */
  readonly preview?: RgbPicture;
}

/** How one `generate` is watched and stopped. */
export interface GenerateOptions {
  /** Stops the run within one step; it rejects with the signal's `reason`. */
  readonly signal?: AbortSignal;
  /** Called as the work is handed to the GPU. */
  readonly onProgress?: (progress: Progress) => void;
  /** A preview with the progress of every so many steps. Each costs a wait for the GPU. Default 1 with `preview`, else none. */
  readonly previewEvery?: number;
  /** How previews are made. Default `auto` with `previewEvery`, else none. */
  readonly preview?: PreviewKind;
  /**
   * Ends the run after so many of the plan's stages, 1 to their number − 1: the result has {@linkcode GenerateResult.latents} and
   * no picture. For one picture with Philox noise.
   */
  readonly stopAfter?: number;
  /**
   * Goes on from the latents of a run that was ended by `stopAfter`, with the same request, here or on another machine. The
   * picture has the bytes of a run that was not ended, where both machines compute the same.
   */
  readonly resume?: StageLatents;
}

/** Latents between two stages of one picture. */
export interface StageLatents {
  /** Stages that were run. */
  readonly stages: number;
  /** [height, width, channels] of the last of them. */
  readonly data: Float32Array<ArrayBuffer>;
}

/** One picture. */
export interface GeneratedImage {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Rows of red, green, blue bytes, top first. */
  readonly rgb: Uint8Array<ArrayBuffer>;
  /** Seed of this picture alone. */
  readonly seed: number;
  /** With `cacheMode`: calls of the network, and those that skipped all blocks but the first. A guided step makes one call or two. */
  readonly cached?: { readonly skipped: number; readonly calls: number };
  /** Everything that made it, under the names of {@linkcode GenerateRequest}, defaults filled in. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** What `generate` gives. */
export interface GenerateResult {
  /** In order; none with {@linkcode GenerateOptions.stopAfter}. */
  readonly images: readonly GeneratedImage[];
  /** With {@linkcode GenerateOptions.stopAfter}: what {@linkcode GenerateOptions.resume} takes. */
  readonly latents?: StageLatents;
  /** The stages of the picture. */
  readonly plan: Plan;
  /** Milliseconds by phase, all pictures together. */
  readonly timings: readonly { readonly phase: string; readonly ms: number }[];
  /** What a person should know, as sentences: sizes rounded, prompts cut. */
  readonly warnings: readonly string[];
}

/** A model's own settings. */
export interface Defaults {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Denoising steps. */
  readonly steps: number;
  /** Guidance scale. */
  readonly guidance: number;
  /** The size it was trained for, a square's side. */
  readonly baseResolution: number;
  /** Shorter side of the first stage. */
  readonly minResolution: number;
  /** Noise level at which later stages start. */
  readonly initNoise: number;
  /** Fewer steps below the base resolution. */
  readonly shortenSteps: boolean;
  /** How latents grow. */
  readonly upsampler: Upsampler;
  /** How later stages enter. */
  readonly entry: Entry;
}

/** What is known of a model from its configs alone: enough to plan, no GPU and no weights. */
export interface ModelInfo {
  /** Folder, or the model's own name. */
  readonly name: string;
  /** Class of model_index.json. */
  readonly pipeline: string;
  /** Channels of the latents. */
  readonly latentChannels: number;
  /** How latents lie. */
  readonly space: LatentSpace;
  /** scheduler_config.json. */
  readonly scheduler: Readonly<Record<string, unknown>>;
  /** Power spectrum of its latents, for the method `spectral`. */
  readonly spectrum?: Spectrum;
  /** Settings where the request has none. */
  readonly defaults: Defaults;
  /** Whether guidance is an input of the network rather than a second call. */
  readonly embeddedGuidance: boolean;
  /** Its own presets, over its family's. From lssgen.json. */
  readonly presets?: Presets;
  /** Whether steps can skip blocks (`cacheMode`): a transformer's output is its residual stream, a UNet's is not. */
  readonly cachesBlocks?: boolean;
  /** Prompts it can read apart from each other: FLUX and SDXL 2, SD3 with T5 3, and 0 where it draws classes. */
  readonly prompts: number;
  /** CLIP's layer that is read, counted from the end, and the earliest that `clipSkip` may name; absent where CLIP gives no states. */
  readonly clipLayers?: { readonly own: number; readonly most: number };
  /** Whether the folder brings a learned latent upsampler. */
  readonly learnedUpsampler: boolean;
  /** Whether an ESRGAN network was given ({@linkcode PipelineOptions.upscaler}). */
  readonly esrganUpsampler?: boolean;
  /** Colours that latents nearly are: rgb (−1 … 1) = latents · factors [C][3] + bias [3]. From lssgen.json. */
  readonly latentRgb?: { readonly factors: readonly (readonly number[])[]; readonly bias: readonly number[] };
  /** Whether the model knows no word but those that its tokenizer has whole. From lssgen.json. */
  readonly wholeWords?: boolean;
  /** What a small model can draw, each by its first name. From lssgen.json. */
  readonly nouns?: readonly string[];
  /** Prompts to try. From lssgen.json. */
  readonly examples?: readonly string[];
  /** Whether the denoiser takes some of a picture's tokens alone, as the methods `jit` and `ralu` hand them over. */
  readonly tokenSets?: boolean;
  /** Blocks of the denoiser, of which `skipLayers` may name some; absent where none can be left out. */
  readonly skippableLayers?: number;
  /** For denoisers made for inpainting: they see mask and picture, so nothing has to be put back in every step. */
  readonly maskInput?: MaskInput;
  /** What a person should know about it, as sentences: parts left out, facts that were guessed. */
  readonly warnings?: readonly string[];
  /** FLOPs of a step of `calls` calls, each without `skipped` of its blocks. */
  cost(calls: number, skipped?: readonly number[]): CostModel;
}

/** How a pipeline is opened. */
export interface PipelineOptions {
  /** An open device; without one the pipeline opens and closes its own. */
  readonly device?: Device;
  /** Type of activations and of f32 weights. Default f16 where the adapter has it. */
  readonly dtype?: Dtype;
  /**
   * Whether quantised weights (GGUF, FP8) stay so on the GPU, expanded in each product: the memory of the file, some of the speed.
   * Without it, components that would take more than 512 MiB in 16 bits do.
   */
  readonly keepQuantised?: boolean;
  /**
   * Whether products by quantised weights that stay so round their inputs to bytes, 32 of which share a factor, where the adapter was
   * measured to multiply those faster: less exact by a hundredth of a product in the mean of squares. Default false.
   */
  readonly integerDot?: boolean;
  /**
   * Quantises the model's weights as they are read: `q8_0`, `q4_k`, `f16`, … What is chosen, and what becomes of it, is what `convert`
   * would write. Their blocks stay on the GPU as {@linkcode keepQuantised} says.
   */
  readonly weightType?: string;
  /** Tensors that get another type: `REGEX=TYPE`, with commas between; needs {@linkcode weightType}. */
  readonly weightTypeRules?: string;
  /** Quantises a piece of a tensor elsewhere, in a worker say; here without it. `undefined`: the type cannot hold the values. */
  readonly quantise?: (
    values: Float32Array<ArrayBuffer>,
    type: WritableType,
  ) => Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Pieces that `quantise` works on at once; 1 without it. */
  readonly quantiseLanes?: number;
  /** Called while weights are loaded. */
  readonly onProgress?: (progress: Progress) => void;
  /** Stops loading; `createPipeline` rejects with the signal's `reason`. */
  readonly signal?: AbortSignal;
  /** LoRAs for the denoiser and the text encoders; several add up. */
  readonly loras?: readonly Lora[];
  /**
   * Finds the LoRA that a prompt names, `<lora:name:0.8>`; undefined: there is none. The weights that LoRAs change are loaded
   * anew when a prompt names others than the one before. Without this function such prompts are refused.
   */
  readonly findLora?: (name: string) => Promise<Pick<Lora, "file" | "config"> | undefined>;
  /** Folder of a learned latent upsampler, in place of the model's own. */
  readonly upsamplerWeights?: FolderSource;
  /** File of an ESRGAN network (safetensors, as {@linkcode openUpscaler} takes it), for pictures whose `upsampler` is `esrgan`. */
  readonly upscaler?: ByteSource;
  /**
   * Largest activation in bytes. Beyond it the two calls of guidance run one after the other (default 256 MiB) and the
   * autoencoder works in bands or tiles (default 1 GiB, or the adapter's largest buffer); bands, which show no seams, may
   * exceed a smaller limit up to eight times.
   */
  readonly maxActivationBytes?: number;
  /**
   * Most bytes of GPU memory that weights, activations and buffers kept for reuse may take together. What does not fit of the
   * weights is read from the files while the GPU computes; a limit that cannot be kept is refused before anything is loaded. It is
   * kept for `firstPicture` and for smaller ones. Without it everything stays but large text encoders, which stream.
   */
  readonly maxVramBytes?: number;
  /**
   * Where weights are that do not stay on the GPU: `disk` reads them from their files at every use, `cpu` keeps up to
   * `maxOffloadBytes` of the files in the host's memory. Default `disk`: systems keep files in free memory by themselves.
   */
  readonly offload?: "cpu" | "disk";
  /** Bytes of files that offload `cpu` keeps. Default 8 GiB. */
  readonly maxOffloadBytes?: number;
  /** Folder of a diffusers AutoencoderTiny (TAESD): for previews, and for the result with `tinyDecode`. */
  readonly tinyVae?: FolderSource;
  /** Decodes results with the tiny autoencoder: faster, a little worse. */
  readonly tinyDecode?: boolean;
  /**
   * Which kernels the model used earlier, to compile them while its weights load. In `localStorage` without it: a worker, which
   * has none, brings its own.
   */
  readonly kernels?: KernelMemory;
  /**
   * The picture that will be drawn first, as far as it is known: its kernels are compiled while weights load. Without it those
   * of a picture with the model's defaults.
   */
  readonly firstPicture?: Partial<GenerateRequest>;
}

/** A model, ready to draw. Dispose it (`await using`) to free the GPU. */
export interface Pipeline extends AsyncDisposable {
  /** What it is. */
  readonly info: ModelInfo;
  /**
   * The stages of a request, without running it.
   *
   * @throws {LssgenError} `bad_option`, naming the option.
   */
  plan(request: Omit<GenerateRequest, "prompt">): Plan;
  /**
   * Draws. Calls queue up: one at a time uses the GPU.
   *
   * @throws {LssgenError} `bad_option`, naming the option; `numeric` when the network's output is not finite.
   * @throws {unknown} The signal's `reason`, within one step of it: without another one a DOMException named AbortError.
   */
  generate(request: GenerateRequest, options?: GenerateOptions): Generation;
}

/**
 * A picture being drawn: await it for the result, or loop over its steps; leaving the loop stops the run.
 *
 * @example Step by step
 * ```ts
 * import { createPipeline } from "@lssgen/webgpu";
 *
 * await using pipeline = await createPipeline();
 * const drawing = pipeline.generate({ prompt: "a red apple" });
 * for await (const { phase, stage, step, steps } of drawing) console.log(phase, stage, step, steps);
 * const { images } = await drawing;
 * console.log(images.length);
 * ```
 */
export interface Generation extends Promise<GenerateResult>, AsyncIterable<Progress, undefined> {}

/**
 * Where a model is: its folder, or the address of one. A text of the form `ORG/NAME` (one slash, in its middle) is a name on
 * the hub; a folder beside the page ends in a slash (`models/flux/`) or begins with a dot (`./flux`).
 */
export type ModelSource = FolderSource | URL | string;
