/**
 * What a scaling method plans and what carries it out.
 *
 * @module
 */

import type { Schedule, Scheduler, Step } from "../schedulers/types.ts";

/** How latents grow at a stage boundary. */
export type UpsamplerName = "learned" | "bicubic" | "bilinear" | "nearest" | "pixel";

/** Where a later stage enters its schedule; see SEMANTICS in docs. */
export type Entry = "reference" | "atMost" | "exact" | "noiseLevel";

/** What a plan is made from. Sizes in pixels. */
export interface PlanRequest {
  /** Final width. */
  readonly width: number;
  /** Final height. */
  readonly height: number;
  /** Denoising steps of a stage at or above the base resolution. */
  readonly steps: number;
  /** The model's scheduler. */
  readonly scheduler: Scheduler;
  /** Scaling method, default "lssgen". */
  readonly method?: string;
  /** Shorter side of the first stage, default 512. */
  readonly minResolution?: number;
  /** Size the model was trained for: reference of the step shortening, default 1024. */
  readonly baseResolution?: number;
  /** Noise level in (0, 1] at which a later stage starts; 1 means no staging. Default 0.75. */
  readonly initNoise?: number;
  /** Fewer steps in stages below the base resolution. */
  readonly shortenSteps?: boolean;
  /** The paper's shortening, steps / ⌊base / stage⌋, instead of the reference's. */
  readonly paperShortening?: boolean;
  /** How latents grow, default "learned". */
  readonly upsampler?: UpsamplerName;
  /** Rule of entry, default "reference". */
  readonly entry?: Entry;
  /** Latent pixels a token's side: 2 for FLUX and SD3, 1 for UNets. */
  readonly patch: number;
  /** Pixels a latent pixel's side. */
  readonly vaeFactor: number;
  /** Whether sizes that do not divide are rounded down (FLUX) or refused. */
  readonly roundsSizes: boolean;
  /** Whether the scheduler takes its own range of noise levels (SD3). */
  readonly ownRange?: boolean;
  /** Floating-point operations of one denoiser call at a latent size, all samples of guidance included. */
  readonly denoiserFlops?: (latentHeight: number, latentWidth: number) => number;
}

/** Passage into a stage from the one before. */
export interface Boundary {
  /** How the latents grow. */
  readonly upsampler: UpsamplerName;
  /** What grows: the latents at the end of the stage, or the clean latents that its last step implies. */
  readonly from: "latents" | "x0";
  /** Mixing: signal · grown + noise · fresh noise. */
  readonly signal: number;
  /** See signal. */
  readonly noise: number;
  /** Noise level of the mixture. */
  readonly sigma: number;
}

/** One stage: a size and a run of steps. */
export interface Stage {
  /** 0 is the first and smallest. */
  readonly index: number;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Latent pixels. */
  readonly latentWidth: number;
  /** Latent pixels. */
  readonly latentHeight: number;
  /** Image tokens (latent pixels for UNets). */
  readonly tokens: number;
  /** Noise levels of the whole schedule. */
  readonly schedule: Schedule;
  /** Steps carried out: begin … end of the schedule. */
  readonly begin: number;
  /** See begin. */
  readonly end: number;
  /** How the stage is entered; absent in the first. */
  readonly boundary?: Boundary;
  /** Operations of all its denoiser calls. */
  readonly flops: number;
}

/** Everything a run will do, before it does it. */
export interface Plan {
  /** Scaling method. */
  readonly method: string;
  /** Stages in order. */
  readonly stages: readonly Stage[];
  /** Denoiser calls in all. */
  readonly calls: number;
  /** Operations of all denoiser calls. */
  readonly flops: number;
  /** Operations of direct generation at the same step count. */
  readonly directFlops: number;
  /** directFlops / flops. */
  readonly saving: number;
  /** What the user should know. */
  readonly warnings: readonly string[];
}

/** A scaling method: a pure function from request to plan. */
export interface Method {
  /** Name for `--method`. */
  readonly name: string;
  /** One line for help texts. */
  readonly summary: string;
  /** Plans the stages. */
  plan(request: PlanRequest): Plan;
}

/** A denoiser and its surroundings, with latents of any kind: GPU tensors, arrays, another library's. */
export interface LatentModel<L> {
  /** Pure noise of a stage's size, unit variance; drawn once a stage, before upsampling. */
  noise(stage: Stage): L | Promise<L>;
  /** The network's output for latents that were scaled by `step.inputScale`. */
  denoise(latents: L, step: Step, stage: Stage): L | Promise<L>;
  /** Latents of the former stage grown to the size of `stage`. */
  upsample(latents: L, stage: Stage, upsampler: UpsamplerName): L | Promise<L>;
  /** Σ coefficient · latents; new latents. `clip` clamps the result to ±clip. */
  combine(terms: readonly (readonly [coefficient: number, latents: L])[], clip?: number): L;
  /** Called when latents are no longer needed. */
  release?(latents: L): void;
}

/** Reported after every step. */
export interface StepEvent {
  /** Stage just worked on. */
  readonly stage: Stage;
  /** Stages in all. */
  readonly stages: number;
  /** Steps done in the stage. */
  readonly step: number;
  /** Steps of the stage. */
  readonly steps: number;
  /** Denoiser calls done in the run. */
  readonly call: number;
  /** Denoiser calls in the run. */
  readonly calls: number;
  /** Noise level before the step. */
  readonly sigma: number;
  /** Value handed to the network. */
  readonly timestep: number;
}

/** How a run is watched and stopped. */
export interface RunOptions<L = unknown> {
  /** Stops the run within one step. */
  readonly signal?: AbortSignal;
  /** Called after every step, with the latents of the moment. */
  readonly onStep?: (event: StepEvent, latents: L) => void | Promise<void>;
}
