/**
 * Schedules of the samplers in σ where signal is left alone: Euler, Heun, KDPM2.
 *
 * @module
 */

import { checkSteps, type SchedulerConfig } from "./config.ts";
import { type Prediction } from "./prediction.ts";
import { veNoising } from "./diffusion_noising.ts";
import { alphasCumprod, type BetaDefaults, interpolate, sigmaOf, timestepOf } from "./betas.ts";
import { roundEven } from "./sigmas.ts";
import { spaced, spacingOf } from "./spacings.ts";
import { listCalls, type Solver } from "./solver.ts";
import { namedTimesteps, spreadTimesteps, timestepSpacing } from "./timesteps.ts";
import type { Schedule, ScheduleOptions, Scheduler } from "./types.ts";

const f32 = Math.fround;

/** What the classes differ in. */
export interface VeKind {
  /** As diffusers spells it. */
  readonly name: string;
  /** How it steps. */
  readonly solver: Solver;
  /** What `prediction_type` may be. */
  readonly predictions: readonly Prediction[];
  /** Betas where a config has none. */
  readonly betas?: BetaDefaults;
  /** Karras' levels have whole timesteps. */
  readonly roundKarras?: boolean;
}

/** Makes the scheduler. */
export function veScheduler(c: SchedulerConfig, kind: VeKind): Scheduler {
  const { name, solver } = kind;
  const train = c.trainSteps;
  const prediction = c.oneOf("prediction_type", kind.predictions, "epsilon");
  const where = timestepSpacing(c, "linspace");
  const offset = c.wholeNumber("steps_offset", 0, 0, train - 1);
  const spacing = spacingOf(c, ["karras", "exponential", "beta"]);
  const zeroEnd = c.oneOf("final_sigmas_type", ["zero", "sigma_min"], "zero") === "zero";
  const cumprod = alphasCumprod(c, kind.betas);
  // Not quite no signal, so that the first σ is finite.
  if (c.flag("rescale_betas_zero_snr", false)) cumprod[train - 1] = 2 ** -24;
  const table = cumprod.map(sigmaOf);
  const noising = veNoising(prediction);
  const of = (sigma: number): number => f32(timestepOf(table, sigma));

  function schedule(steps: number, { levels: given }: ScheduleOptions = {}): Schedule {
    checkSteps(name, steps, train);
    const named = namedTimesteps(c, train, steps);
    let timesteps = (named ?? spreadTimesteps(where, train, steps, offset)).map(f32);
    let levels = timesteps.map((t) => interpolate(table, t));
    if (given) {
      levels = [...given];
      timesteps = levels.map(of);
    } else if (spacing) {
      levels = spaced(spacing, levels[0], levels[steps - 1], steps);
      timesteps = levels.map(of);
      if (kind.roundKarras && spacing === "karras") timesteps = timesteps.map(roundEven);
    }
    levels = [...levels.map(f32), zeroEnd ? 0 : table[0]];
    const top = Math.max(...levels);
    return {
      steps,
      ...listCalls(solver, timesteps, levels, of),
      initNoiseSigma: f32(where === "leading" && !named ? Math.sqrt(top * top + 1) : top),
    };
  }

  return {
    name,
    kind: "diffusion",
    calls: solver.calls,
    schedule,
    steps: (s, begin = 0) => solver.steps(s, begin, noising),
    addNoise: (s, index) => ({ signal: 1, noise: s.sigmas[index] }),
  };
}
