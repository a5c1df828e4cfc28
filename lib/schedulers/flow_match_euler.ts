/**
 * Euler steps along a rectified flow: FLUX, SD3.
 *
 * Source: diffusers FlowMatchEulerDiscreteScheduler. Values are rounded to f32 where the library rounds,
 * so that timesteps agree to the last digit.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { checkSteps, type SchedulerConfig } from "./config.ts";
import { linspace, spaced, spacingOf } from "./sigmas.ts";
import type { Schedule, ScheduleOptions, Scheduler, Step } from "./types.ts";

const f32 = Math.fround;

/** Image tokens that a shift may be given for. */
const MOST_TOKENS = 2 ** 24;

/** Makes the scheduler from its config. */
export function flowMatchEuler(c: SchedulerConfig): Scheduler {
  const train = c.trainSteps;
  const shift = c.range("shift", 1, 1e-3, 1e3);
  const dynamic = c.flag("use_dynamic_shifting", false);
  const shiftType = c.oneOf("time_shift_type", ["exponential", "linear"], "exponential");
  const [baseShift, maxShift] = [c.range("base_shift", 0.5, -20, 20), c.range("max_shift", 1.15, -20, 20)];
  const baseTokens = c.wholeNumber("base_image_seq_len", 256, 1, MOST_TOKENS - 1);
  const maxTokens = c.wholeNumber("max_image_seq_len", 4096, baseTokens + 1, MOST_TOKENS);
  const terminal = c.range("shift_terminal", 0, 0, 0.999, true);
  const inverted = c.flag("invert_sigmas", false);
  const stochastic = c.flag("stochastic_sampling", false);
  const spacing = spacingOf(c);

  // The stored table, whose ends bound the scheduler's own range, is already shifted once where the shift is static.
  const stored = (t: number): number => {
    const s = f32(t / train);
    return dynamic ? s : f32(f32(f32(shift) * s) / f32(1 + f32(f32(shift - 1) * s)));
  };

  function mu(options: ScheduleOptions): number {
    if (options.mu !== undefined) return options.mu;
    if (options.imageSeqLen === undefined) {
      throw new LssgenError(
        "bad_option",
        "FlowMatchEulerDiscreteScheduler: its shift needs mu or the number of image tokens",
      );
    }
    const tokens = options.clampSeqLen ? Math.min(options.imageSeqLen, maxTokens) : options.imageSeqLen;
    const slope = (maxShift - baseShift) / (maxTokens - baseTokens);
    return tokens * slope + (baseShift - slope * baseTokens);
  }

  function schedule(steps: number, options: ScheduleOptions = {}): Schedule {
    checkSteps("FlowMatchEulerDiscreteScheduler", steps, train);
    if (terminal !== 0 && steps === 1) {
      throw new LssgenError(
        "bad_option",
        `FlowMatchEulerDiscreteScheduler: steps is 1, and the scheduler's shift_terminal is ${terminal}, which moves the last of ` +
          "several noise levels; take 2 steps or more",
      );
    }
    const given = options.sigmas;
    if (given && given.length !== steps) {
      throw new LssgenError(
        "bad_option",
        `FlowMatchEulerDiscreteScheduler: ${given.length} sigmas for ${steps} steps`,
      );
    }
    // Given levels are cast to f32 and every later operation rounds; the scheduler's own stay f64 to the end.
    const round = given ? f32 : (v: number): number => v;
    const raw = given?.map(f32) ??
      linspace(stored(train) * train, stored(1) * train, steps).map((t) => t / train);
    const m = dynamic ? mu(options) : undefined;
    let sigmas = raw.map((s) => {
      if (m === undefined) return round(round(round(shift) * s) / round(1 + round(round(shift - 1) * s)));
      const k = round(shiftType === "exponential" ? Math.exp(m) : m);
      return round(k / round(k + round(round(1 / s) - 1)));
    });
    if (terminal !== 0) {
      const scale = round(round(1 - sigmas[steps - 1]) / round(1 - terminal));
      sigmas = sigmas.map((s) => round(1 - round(round(1 - s) / scale)));
    }
    if (spacing) sigmas = spaced(spacing, sigmas[0], sigmas[steps - 1], steps);
    sigmas = sigmas.map(f32);
    if (inverted) sigmas = sigmas.map((s) => f32(1 - s));
    return {
      steps,
      timesteps: sigmas.map((s) => f32(s * train)),
      sigmas: [...sigmas, inverted ? 1 : 0],
      initNoiseSigma: 1,
      mu: m,
    };
  }

  function steps(s: Schedule, begin = 0): Step[] {
    return s.timesteps.slice(begin).map((timestep, k) => {
      const index = begin + k;
      const [sigma, next] = [s.sigmas[index], s.sigmas[index + 1]];
      return {
        index,
        timestep,
        sigma,
        inputScale: 1,
        x0: { sample: 1, output: -sigma },
        // Stochastic: to the clean latents and back with fresh noise. Else x + (σ' − σ)·v.
        next: stochastic
          ? { sample: 1 - next, output: -sigma * (1 - next), noise: next }
          : { sample: 1, output: f32(next - sigma) },
      };
    });
  }

  return {
    name: "FlowMatchEulerDiscreteScheduler",
    kind: "flow",
    schedule,
    steps,
    // From the timestep, not from σ: the two differ in the last bit, and the reference mixes by the timestep.
    addNoise: (s, index) => ({ signal: 1 - s.timesteps[index] / train, noise: s.timesteps[index] / train }),
    startAt(s, level) {
      const later = s.sigmas.slice(0, -1).filter((sigma) => sigma < level);
      const sigmas = [f32(level), ...later, s.sigmas[s.sigmas.length - 1]];
      return { ...s, sigmas, timesteps: sigmas.slice(0, -1).map((v) => f32(v * train)) };
    },
  };
}
