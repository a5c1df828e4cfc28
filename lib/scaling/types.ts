/**
 * What a plan is, and what a method of scaling has to supply: data only, no model and no GPU.
 *
 * @module
 */

import type { Entry } from "../schedulers/entry.ts";
import type { NoiseMix, Schedule, Scheduler, Step } from "../schedulers/types.ts";

/** How latents grow. `pixel` decodes, resizes bicubically and encodes; `esrgan` has an ESRGAN network enlarge in between; `mixture` is
 * `nearest`, and `pixel` where the two differ most (SelfLift); the others stay in latent space. `spectral` fills up the cosine
 * transform with zeros. */
export type Upsampler =
  | "learned"
  | "bicubic"
  | "bilinear"
  | "nearest"
  | "pixel"
  | "esrgan"
  | "mixture"
  | "spectral";

/** Every {@linkcode Upsampler}. */
export const UPSAMPLERS: readonly Upsampler[] = [
  "learned",
  "bicubic",
  "bilinear",
  "nearest",
  "pixel",
  "esrgan",
  "mixture",
  "spectral",
];

/** Width and height in pixels. */
export interface Size {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** Power of latents at frequency ω, in half waves over the shorter side: a·ω^(−beta). */
export interface Spectrum {
  /** Power at ω = 1. */
  readonly a: number;
  /** How fast it falls. */
  readonly beta: number;
}

/** How a family's latents lie. */
export interface LatentSpace {
  /** Pixels per latent side; 8 for every model here. */
  readonly vaeFactor: number;
  /** Latents per token side: 2 for FLUX and SD3, 1 for UNets. */
  readonly patch: number;
  /** Sizes that do not divide: FLUX rounds down and warns, SD3 and UNets refuse. */
  readonly indivisible: "round" | "refuse";
  /** Noise levels before shifting: FLUX passes linspace(1, 1/n), the others leave them to the scheduler. */
  readonly sigmas: "linear" | "scheduler";
}

/** FLOPs of a model, multiply and add counted as two; from `flops.ts` or one's own. */
export interface CostModel {
  /** One step (all calls of guidance together) on latents of this size. */
  denoiserStep(latentHeight: number, latentWidth: number): number;
  /** Decoding latents of this size into the picture. */
  decode?(latentHeight: number, latentWidth: number): number;
}

/** Methods of reaching a size, by the names of their registry. */
export type MethodName =
  | "lssgen"
  | "direct"
  | "megafusion"
  | "self-cascade"
  | "diffusehigh"
  | "hires-fix"
  | "selflift"
  | "spectral"
  | "refine"
  | "jit"
  | "ralu"
  | "bottleneck"
  | "stages";

/** What is asked for. */
export interface PlanRequest extends Size {
  /** A name of the methods' registry; `lssgen` when absent. */
  readonly method?: string;
  /** Shorter side of the first stage, in pixels. */
  readonly minResolution: number;
  /** The size the model was trained for; a number is a square. */
  readonly baseResolution: number | Size;
  /** Denoising steps of a stage at or above the base resolution. */
  readonly steps: number;
  /** Noise level in (0, 1] at which later stages start; 1 = direct generation. */
  readonly initNoise: number;
  /** Fewer steps below the base resolution: true as the reference counts them, `paper` as Algorithm 1 does. */
  readonly shortenSteps: boolean | "paper";
  /** How latents grow. */
  readonly upsampler: Upsampler;
  /** Nobody named it: another may take its place where it cannot grow as a method wants; absent: it is refused there. */
  readonly upsamplerIsDefault?: boolean;
  /** How later stages enter their schedule; `reference` when absent. */
  readonly entry?: Entry;
  /** The noise levels of every stage's schedule, falling, one of each step, instead of the scheduler's own. */
  readonly levels?: readonly number[];
  /** Image to image: share in (0, 1] of the first stage's steps, run on a picture with noise instead of noise alone. */
  readonly strength?: number;
  /** Everything outside a mask is put back after each step, at the step's noise level. */
  readonly inpaint?: boolean;
  /** Repeats a defect of the reference: SD1.5 with Euler multiplies the noise of *every* stage by initNoiseSigma. */
  readonly referenceQuirks?: boolean;
  /** `stages`: the stages as text, "256:20,384@0.8:12,512@0.6:8": shorter side, noise level, steps. */
  readonly stages?: string;
  /** `refine`: steps at the full size; 1 when absent. */
  readonly refineSteps?: number;
  /** `spectral`: the share of the spectrum's power, in (0, 1), that may be lost; 0.01 when absent. */
  readonly spectralDelta?: number;
  /** `spectral`: power of the model's latents at frequency ω, a·ω^(−beta). */
  readonly spectrum?: Spectrum;
  /** The model's scheduler. */
  readonly scheduler: Scheduler;
  /** The model's latents. */
  readonly space: LatentSpace;
  /** For FLOPs and savings; left out of the plan when absent. */
  readonly cost?: CostModel;
  /** Steps of the direct run that savings are counted against; `steps` when absent. */
  readonly directSteps?: number;
}

/** How a stage takes over from the one before. */
export interface Growth {
  /** Latents as they are, the clean ones that the last step implied, or those of a picture that the user brings. */
  readonly from: "latents" | "x0" | "image";
  /** How they grow. */
  readonly upsampler: Upsampler;
  /** With `pixel`: how much of the difference to its blurred self is added to the enlarged picture. */
  readonly sharpen?: number;
  /** With `mixture`: the share of latents that takes the way through pixels, 0 … 1. */
  readonly share?: number;
  /** Only the noise above the frequencies of the stage before is added; the grown latents bring their own. */
  readonly highBand?: boolean;
  /** Then: signal · grown + noise · ε. */
  readonly mix: NoiseMix;
  /** Noise level entered at, in [0, 1]: σ of flow models (the mixing weight of noise), σ/(1 + σ) of the others. */
  readonly level: number;
}

/** The tokens that a transformer sees in a stage, where those are not all of the picture's grid, or were not before. */
export type TokenPart =
  & {
    /** How many. */
    readonly count: number;
    /** Latents a token's side. */
    readonly patch: number;
  }
  & ({
    /** `jit`: some tokens in their places, the velocities of the others interpolated. */
    readonly kind: "anchors";
    /** Side of the squares that have an anchor each. */
    readonly stride: number;
  } | {
    /** `ralu`: tokens of the grid of half the side beside those of the picture's own. */
    readonly kind: "regions";
    /** Tokens that become four at the stage's beginning. */
    readonly split: number;
    /** Ratio of the fresh noise to what the four share. */
    readonly z: number;
  });

/** One stage: everything the walk needs, as data. */
export interface StagePlan extends Size {
  /** Position, from 0. */
  readonly index: number;
  /** Latents [.., latentHeight, latentWidth]. */
  readonly latentHeight: number;
  /** See latentHeight. */
  readonly latentWidth: number;
  /** Image tokens (or latent pixels of a UNet) in each call. */
  readonly tokens: number;
  /** The stage's whole schedule. */
  readonly schedule: Schedule;
  /** First step run. */
  readonly begin: number;
  /** Steps run. */
  readonly steps: readonly Step[];
  /** Factor of the noise a first stage starts from. */
  readonly initNoiseSigma: number;
  /** Absent in a first stage of pure noise. */
  readonly grow?: Growth;
  /** Tokens in each call, where they are chosen. */
  readonly part?: TokenPart;
  /** Steps at the beginning whose predicted picture takes over the coarse structure of the enlarged one. */
  readonly guided?: number;
  /** Inpainting: what brings the user's picture to the noise level after each step. */
  readonly keep?: readonly NoiseMix[];
  /** FLOPs of the stage's denoising, with a cost model. */
  readonly flops?: number;
}

/** What will be done, JSON-able. */
export interface Plan extends Size {
  /** Method's name. */
  readonly method: string;
  /** In order. */
  readonly stages: readonly StagePlan[];
  /** Denoising steps in all. */
  readonly denoiserCalls: number;
  /** FLOPs of all denoising, with a cost model. */
  readonly flops?: number;
  /** The same for `direct` at this size, with {@linkcode directSteps}. */
  readonly directFlops?: number;
  /** Steps of that direct run. */
  readonly directSteps?: number;
  /** directFlops / flops: 1.5 is half as fast again. */
  readonly speedup?: number;
  /** FLOPs of the decoding, which every method has to do, with a cost model that knows them. */
  readonly decodeFlops?: number;
  /** The saving in all, the decoding included: (directFlops + decodeFlops) / (flops + decodeFlops). */
  readonly wholeSpeedup?: number;
  /** What a person should know, as sentences. */
  readonly warnings: readonly string[];
}

/** Options of a request that say how stages follow each other, which not every method heeds. */
export type StageOption = "minResolution" | "initNoise" | "upsampler" | "entry" | "shortenSteps";

/** A method of reaching a size: one file in methods/ and a line in its registry. */
export interface Method {
  /** As users write it. */
  readonly name: MethodName;
  /** What it heeds of how stages follow each other, all where this is absent; of the rest a request is warned. */
  readonly heeds?: readonly StageOption[];
  /** Its own noise level of later stages, where it has one apart from the model's. */
  readonly initNoise?: number;
  /** Its first stage has the size that the model was trained for where nobody says otherwise, and not the model's smallest. */
  readonly beginsAtBase?: boolean;
  /** It hands the network some of its tokens: for transformers that take any. */
  readonly tokens?: boolean;
  /**
   * The stages, boundaries included, as data; {@linkcode Growth} says what happens between two.
   *
   * @throws {LssgenError} `bad_option`, naming the option.
   */
  plan(request: PlanRequest): { stages: StagePlan[]; warnings: string[] };
}

/** Progress after a step, or before the first. */
export interface StepProgress extends Size {
  /** Stage from 0. */
  readonly stage: number;
  /** Stages in all. */
  readonly stages: number;
  /** Steps done in this stage. */
  readonly step: number;
  /** Steps of this stage. */
  readonly of: number;
  /** Noise level of the step. */
  readonly sigma: number;
  /** Timestep of the step. */
  readonly timestep: number;
}

/** How a run is watched and stopped. */
export interface RunOptions {
  /** Stops the run within one step. */
  readonly signal?: AbortSignal;
  /** Called before the first step of a stage (step 0) and after each. */
  readonly onProgress?: (progress: StepProgress) => void;
  /** Hands the predicted clean latents to {@linkcode Denoising.preview} after every so many steps. */
  readonly previewEvery?: number;
}
