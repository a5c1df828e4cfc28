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
  /** Noise level of each step, then the final one: n + 1 values, f32. */
  readonly sigmas: readonly number[];
  /** Factor of the first stage's pure noise. */
  readonly initNoiseSigma: number;
  /** Shift parameter used, where the schedule depends on the picture's size. */
  readonly mu?: number;
}

/** A linear combination: sample·x + output·model(x) + noise·ε + Σ weight·slot. */
export interface Terms {
  /** Coefficient of the latents before the step. */
  readonly sample: number;
  /** Coefficient of the network's output. */
  readonly output: number;
  /** Coefficient of fresh noise; only ancestral samplers have one. */
  readonly noise?: number;
  /** Coefficients of remembered tensors: (slot, coefficient). */
  readonly slots?: readonly (readonly [slot: number, coefficient: number])[];
}

/** One call of the network and what follows from it. */
export interface Step {
  /** Index in the schedule. */
  readonly index: number;
  /** Value handed to the network. */
  readonly timestep: number;
  /** Noise level before the step. */
  readonly sigma: number;
  /** The network sees inputScale · latents. */
  readonly inputScale: number;
  /** Latents after the step. */
  readonly next: Terms;
  /** The clean latents that the network's output implies. */
  readonly x0: Terms;
  /** Tensors to remember, computed from the latents *before* the step. */
  readonly store?: readonly { readonly slot: number; readonly terms: Terms }[];
  /** Clamp of the implied clean latents to ±clip, for schedulers that ask for it. */
  readonly clip?: number;
}

/** What a schedule may depend on. */
export interface ScheduleSize {
  /** Image tokens of the stage, for schedules that shift with the size. */
  readonly imageSeqLen?: number;
  /** Shift parameter given directly, instead of computed from `imageSeqLen`. */
  readonly mu?: number;
  /** Whether the scheduler takes its own range of noise levels or linspace(1, 1/n); by the family's habit when absent. */
  readonly ownRange?: boolean;
}

/** A scheduler, made from a scheduler_config.json. Every method is pure. */
export interface Scheduler {
  /** Class name as diffusers spells it. */
  readonly name: string;
  /** "flow": x = (1 − σ)·x₀ + σ·ε. "diffusion": variance-preserving or -exploding. */
  readonly kind: "flow" | "diffusion";
  /** Noise levels for a number of steps. */
  schedule(steps: number, size?: ScheduleSize): Schedule;
  /** The steps from index `begin` on, with a fresh history. */
  steps(schedule: Schedule, begin?: number): Step[];
  /** Coefficients (signal, noise) that bring clean latents to the noise level of step `index`. */
  addNoise(schedule: Schedule, index: number): { readonly signal: number; readonly noise: number };
  /** A schedule that starts at noise level `level` in (0, 1): the entry `exact`. Flow models only. */
  insert?(schedule: Schedule, level: number): { readonly schedule: Schedule; readonly index: number };
}

/** Executes `terms` on the CPU. */
export function combineTerms(
  terms: Terms,
  sample: Float32Array,
  output: Float32Array,
  slots: ReadonlyMap<number, Float32Array>,
  noise?: Float32Array,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(sample.length);
  for (let i = 0; i < out.length; i++) {
    let v = terms.sample * sample[i] + terms.output * output[i];
    for (const [slot, coefficient] of terms.slots ?? []) v += coefficient * slots.get(slot)![i];
    if (terms.noise) v += terms.noise * noise![i];
    out[i] = v;
  }
  return out;
}
