/**
 * Schedules of rectified flows and Euler steps along them: FLUX, SD3. Other solvers walk the same schedules.
 *
 * Source: diffusers FlowMatchEulerDiscreteScheduler and FlowMatchHeunDiscreteScheduler. Values are rounded to f32 where the
 * library rounds, so that timesteps agree to the last digit.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { checkSteps, type SchedulerConfig } from "./config.ts";
import { shiftParameter } from "./flow_shift.ts";
import { flowNoising } from "./noising.ts";
import { linspace } from "./sigmas.ts";
import type { FlowWalk } from "./sampler_names.ts";
import { call, listCalls, type Solver } from "./solver.ts";
import type { Schedule, ScheduleOptions, Scheduler } from "./types.ts";

const f32 = Math.fround;

/** x + (σ' − σ)·v; exactly that, since x₀ + σ'/σ·(x − x₀) rounds elsewhere. */
export const flowEulerSolver: Solver = {
  calls: 1,
  steps: (s, begin, noising) =>
    s.timesteps.slice(begin).map((_, k) => {
      const [sigma, next] = [s.sigmas[begin + k], s.sigmas[begin + k + 1]];
      return { ...call(s, begin + k, sigma, noising), next: { sample: 1, output: f32(next - sigma) } };
    }),
};

/**
 * A flow model's schedule, walked by some solver.
 *
 * @param walks Which schedules the solver walks: see {@linkcode Sampler.flow}.
 */
export function flowSchedule(
  c: SchedulerConfig,
  name: string,
  solver: Solver,
  walks: FlowWalk | undefined,
  spacings?: typeof import("./spacings.ts"),
): Scheduler {
  const train = c.trainSteps;
  const shift = c.range("shift", 1, 1e-3, 1e3);
  const dynamic = c.flag("use_dynamic_shifting", false);
  const shiftType = c.oneOf("time_shift_type", ["exponential", "linear"], "exponential");
  const parameter = shiftParameter(c, name);
  const terminal = c.range("shift_terminal", 0, 0, 0.999, true);
  const inverted = c.flag("invert_sigmas", false);
  const spacing = spacings?.spacingOf(c);
  const own = spacings?.scheduleOf(c);
  const noising = flowNoising();
  if (inverted && walks !== "any") {
    throw new LssgenError("unsupported", `${name}: invert_sigmas works with Euler steps only`);
  }

  // The stored table, whose ends bound the scheduler's own range, is already shifted once where the shift is static.
  const stored = (t: number): number => {
    const s = f32(t / train);
    return dynamic ? s : f32(f32(f32(shift) * s) / f32(1 + f32(f32(shift - 1) * s)));
  };

  function schedule(steps: number, options: ScheduleOptions = {}): Schedule {
    checkSteps(name, steps, train);
    if (terminal !== 0 && steps === 1) {
      throw new LssgenError(
        "bad_option",
        `${name}: steps is 1, and the scheduler's shift_terminal is ${terminal}, which moves the last of several noise levels; ` +
          "take 2 steps or more",
      );
    }
    if (options.levels) return listed(steps, options.levels);
    const given = spacings?.namedLevels(own, steps, train) ?? options.sigmas;
    if (given && given.length !== steps) {
      throw new LssgenError(
        "bad_option",
        `${name}: ${given.length} sigmas for ${steps} steps`,
      );
    }
    // Given levels are cast to f32 and every later operation rounds; the scheduler's own stay f64 to the end.
    const round = given ? f32 : (v: number): number => v;
    const raw = given?.map(f32) ??
      linspace(stored(train) * train, stored(1) * train, steps).map((t) => t / train);
    const m = dynamic ? parameter(options) : undefined;
    let sigmas = raw.map((s) => {
      if (m === undefined) return round(round(round(shift) * s) / round(1 + round(round(shift - 1) * s)));
      const k = round(shiftType === "exponential" ? Math.exp(m) : m);
      return round(k / round(k + round(round(1 / s) - 1)));
    });
    if (terminal !== 0) {
      const scale = round(round(1 - sigmas[steps - 1]) / round(1 - terminal));
      sigmas = sigmas.map((s) => round(1 - round(round(1 - s) / scale)));
    }
    if (spacing) sigmas = spacings!.spaced(spacing, sigmas[0], sigmas[steps - 1], steps);
    sigmas = sigmas.map(f32);
    if (inverted) sigmas = sigmas.map((s) => f32(1 - s));
    return { ...listed(steps, sigmas), mu: m };
  }

  /** The schedule of levels that nothing changes any more. */
  function listed(steps: number, levels: readonly number[]): Schedule {
    const of = (sigma: number): number => f32(sigma * train);
    const sigmas = [...levels.map(f32), inverted ? 1 : 0];
    return { steps, ...listCalls(solver, sigmas.slice(0, -1).map(of), sigmas, of), initNoiseSigma: 1 };
  }

  return {
    name,
    kind: "flow",
    calls: solver.calls,
    schedule,
    steps: (s, begin = 0) => solver.steps(s, begin, noising),
    // From the timestep, not from σ: the two differ in the last bit, and the reference mixes by the timestep.
    addNoise: (s, index) => ({ signal: 1 - s.timesteps[index] / train, noise: s.timesteps[index] / train }),
    startAt(s, level) {
      const later = s.sigmas.filter((sigma, i) =>
        i % solver.calls === 0 && i < s.timesteps.length && sigma < level
      );
      return { ...s, ...listed(later.length + 1, [level, ...later]), steps: s.steps };
    },
  };
}
