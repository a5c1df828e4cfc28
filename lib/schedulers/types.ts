/**
 * A scheduler is numbers only. It turns a step count into a list of steps, and each step into the
 * coefficients of a linear combination, so that the GPU, a page and a test on the CPU all execute the
 * same data and no scheduler owns a tensor.
 *
 * @module
 */

/** Noise levels of one run. */
export interface Schedule {
  /** Value handed to the network at each step: 1000·σ for flow models, 0 … 999 for the others. f32. */
  readonly timesteps: readonly number[];
  /** Noise level of each step, then the final one: one value more than `timesteps`, f32. */
  readonly sigmas: readonly number[];
  /** Factor of the first stage's pure noise. */
  readonly initNoiseSigma: number;
  /** Steps asked for; PNDM has one call more. */
  readonly steps: number;
  /** Shift parameter used, where the schedule depends on the picture's size. */
  readonly mu?: number;
}

/** A linear combination: sample·x + output·model(x) + noise·ε + Σ coefficient·slot. */
export interface Terms {
  /** Coefficient of the latents before the step. */
  readonly sample: number;
  /** Coefficient of the network's output. */
  readonly output: number;
  /** Coefficient of fresh noise; only stochastic samplers have one. */
  readonly noise?: number;
  /** Remembered tensors and their coefficients. */
  readonly slots?: readonly (readonly [slot: number, coefficient: number])[];
}

/** One call of the network and what follows from it. */
export interface Step {
  /** Index in the schedule. */
  readonly index: number;
  /** Value handed to the network, f32. */
  readonly timestep: number;
  /** Noise level before the step. */
  readonly sigma: number;
  /** The network sees inputScale · latents. */
  readonly inputScale: number;
  /** Latents after the step. */
  readonly next: Terms;
  /** Classifier-free guidance is left out of this call. */
  readonly unguided?: boolean;
  /** Skip-layer guidance: the network is called once more, without some of its blocks. */
  readonly skipping?: boolean;
  /** The clean latents that the network's output implies. */
  readonly x0: Terms;
  /** Tensors to remember. All are computed from what held *before* the step, then put in place. */
  readonly store?: readonly { readonly slot: number; readonly terms: Terms }[];
}

/** What a schedule may depend on. */
export interface ScheduleOptions {
  /** Image tokens of the stage, for schedules that shift with the size. */
  readonly imageSeqLen?: number;
  /**
   * Whether tokens beyond the scheduler's `max_image_seq_len` shift no further. LSSGen's reference stops there in staged
   * runs; diffusers extrapolates. Default false.
   */
  readonly clampSeqLen?: boolean;
  /** Shift parameter given directly, instead of computed from `imageSeqLen`. */
  readonly mu?: number;
  /** Noise levels before shifting, falling, in (0, 1]; FLUX passes {@linkcode linearSigmas}. Flow models only. */
  readonly sigmas?: readonly number[];
  /**
   * Noise levels as they are, falling, one of each step, without the final one: nothing shifts or spaces them. In (0, 1] for
   * flow models, else the ratio of noise to signal. Schedulers that are bound to their own timesteps refuse them.
   */
  readonly levels?: readonly number[];
}

/** Factors of clean latents and noise. */
export interface NoiseMix {
  /** Factor of the clean latents. */
  readonly signal: number;
  /** Factor of the noise. */
  readonly noise: number;
}

/** A scheduler, made from a scheduler_config.json. Every method is pure. */
export interface Scheduler {
  /** Class name as diffusers spells it. */
  readonly name: string;
  /** "flow": x = (1 − σ)·x₀ + σ·ε. "diffusion": variance-preserving or -exploding. */
  readonly kind: "flow" | "diffusion";
  /** Calls of the network in every step but the last; 1 when absent. A step begins at each multiple of it. */
  readonly calls?: number;
  /** Whether fresh noise is drawn in the course of a run. */
  readonly stochastic?: boolean;
  /**
   * Noise levels for a number of steps.
   *
   * @throws {LssgenError} `bad_option` when the number of steps, or an option, cannot be.
   */
  schedule(steps: number, options?: ScheduleOptions): Schedule;
  /** The steps from index `begin` on, with a fresh history. */
  steps(schedule: Schedule, begin?: number): Step[];
  /** What brings clean latents to the noise level of call `index`; for KDPM2's second calls, as diffusers has it, to the next. */
  addNoise(schedule: Schedule, index: number): NoiseMix;
  /** The same schedule from noise level `level` in (0, 1) on, `level` itself being its first. Flow models only. */
  startAt?(schedule: Schedule, level: number): Schedule;
}

/** n noise levels from 1 to 1/n, evenly spaced: what FLUX's pipeline hands to its scheduler. */
export function linearSigmas(n: number): number[] {
  return Array.from({ length: n }, (_, i) => n === 1 ? 1 : 1 + (1 / n - 1) * (i / (n - 1)));
}
