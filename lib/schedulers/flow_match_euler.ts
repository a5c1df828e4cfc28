/**
 * Euler steps along a rectified flow: FLUX, SD3.
 *
 * Source: diffusers FlowMatchEulerDiscreteScheduler. Values are rounded to f32 where the library rounds,
 * so that timesteps agree to the last digit.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { ConfigReader } from "../weights/model_folder.ts";
import { betaSigmas, exponentialSigmas, karrasSigmas } from "./sigmas.ts";
import type { Schedule, Scheduler, ScheduleSize, Step } from "./types.ts";

const f32 = Math.fround;

/** Makes the scheduler from scheduler_config.json. */
export function flowMatchEuler(c: ConfigReader): Scheduler {
  const N = c.number("num_train_timesteps", 1000);
  const shift = c.number("shift", 1);
  const dynamic = c.bool("use_dynamic_shifting", false);
  const shiftType = c.oneOf("time_shift_type", ["exponential", "linear"], "exponential");
  const baseShift = c.number("base_shift", 0.5);
  const maxShift = c.number("max_shift", 1.15);
  const baseTokens = c.number("base_image_seq_len", 256);
  const maxTokens = c.number("max_image_seq_len", 4096);
  const terminal = c.number("shift_terminal", 0);
  const stochastic = c.bool("stochastic_sampling", false);
  c.expect("invert_sigmas", false);
  const kinds = (["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"] as const).filter((k) =>
    c.bool(k, false)
  );
  if (kinds.length > 1) {
    throw new LssgenError("bad_file", `"${c.name}": only one of ${kinds.join(", ")} can be true`);
  }
  // Ends of the stored table: already shifted once where the shift is static.
  const shifted = (s: number): number => f32(f32(shift * s) / f32(1 + f32((shift - 1) * s)));
  const table = (t: number): number => dynamic ? f32(t / N) : shifted(f32(t / N));
  const [tMax, tMin] = [table(N) * N, table(1) * N];

  // FLUX passes linspace(1, 1/n); SD3 lets the scheduler take its own range. Dynamic shifting is FLUX's mark,
  // an unshifted table schnell's.
  const passes = dynamic || shift === 1;

  function mu(size: ScheduleSize): number {
    if (size.mu !== undefined) return size.mu;
    if (size.imageSeqLen === undefined) {
      throw new LssgenError("internal", "A dynamically shifted schedule needs the number of image tokens");
    }
    const slope = (maxShift - baseShift) / (maxTokens - baseTokens);
    return size.imageSeqLen * slope + (baseShift - slope * baseTokens);
  }

  function schedule(steps: number, size: ScheduleSize = {}): Schedule {
    const own = size.ownRange ?? !passes;
    const raw = Array.from({ length: steps }, (_, i) => {
      const share = steps === 1 ? 0 : i / (steps - 1);
      // numpy's linspace in f64; passed sigmas are cast to f32, the scheduler's own stay f64.
      return own ? (tMax + (tMin - tMax) * share) / N : f32(1 + (1 / steps - 1) * share);
    });
    const m = dynamic ? mu(size) : undefined;
    const round = own ? (v: number) => v : f32;
    let sigmas = raw.map((s) => {
      if (m !== undefined) {
        const k = shiftType === "exponential" ? Math.exp(m) : m;
        return round(k / round(k + round(round(1 / s) - 1)));
      }
      return round(round(shift * s) / round(1 + round((shift - 1) * s)));
    });
    if (terminal > 0) {
      const scale = (1 - sigmas[sigmas.length - 1]) / (1 - terminal);
      sigmas = sigmas.map((s) => 1 - (1 - s) / scale);
    }
    if (kinds[0] === "use_karras_sigmas") sigmas = karrasSigmas(sigmas);
    if (kinds[0] === "use_exponential_sigmas") sigmas = exponentialSigmas(sigmas);
    if (kinds[0] === "use_beta_sigmas") sigmas = betaSigmas(sigmas);
    const rounded = sigmas.map(f32);
    return { timesteps: rounded.map((s) => f32(s * N)), sigmas: [...rounded, 0], initNoiseSigma: 1, mu: m };
  }

  function steps(s: Schedule, begin = 0): Step[] {
    return s.timesteps.slice(begin).map((timestep, k) => {
      const index = begin + k;
      const sigma = s.sigmas[index];
      const next = s.sigmas[index + 1];
      const x0 = { sample: 1, output: -sigma };
      return {
        index,
        timestep,
        sigma,
        inputScale: 1,
        x0,
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
    addNoise: (s, index) => ({ signal: f32(1 - s.sigmas[index]), noise: s.sigmas[index] }),
    insert(s, level) {
      const index = s.sigmas.findIndex((sigma) => sigma < level);
      const sigmas = [f32(level), ...s.sigmas.slice(index)];
      return { schedule: { ...s, sigmas, timesteps: sigmas.slice(0, -1).map((v) => f32(v * N)) }, index: 0 };
    },
  };
}
