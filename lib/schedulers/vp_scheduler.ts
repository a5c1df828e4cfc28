/**
 * Schedules of the exponential integrators: DPM-Solver, UniPC, DEIS. Levels are ratios of noise to signal, or those of a
 * rectified flow where the config says `use_flow_sigmas`.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { checkSteps, type SchedulerConfig } from "./config.ts";
import { shifted, shiftParameter } from "./flow_shift.ts";
import { flowNoising, type Noising } from "./noising.ts";
import { vpNoising } from "./diffusion_noising.ts";
import { alphasCumprod, interpolate, sigmaOf, timestepOf } from "./betas.ts";
import { linspace, roundEven } from "./sigmas.ts";
import { scheduleOf, spaced, type Spacing, spacingOf } from "./spacings.ts";
import type { Solver } from "./solver.ts";
import { namedTimesteps, spreadTimesteps, type TimestepSpacing, timestepSpacing } from "./timesteps.ts";
import type { Schedule, ScheduleOptions, Scheduler } from "./types.ts";

const f32 = Math.fround;

/** What the classes differ in. */
export interface VpKind {
  /** As diffusers spells it. */
  readonly name: string;
  /** How it steps. */
  readonly solver: Solver;
  /** Whether fresh noise is drawn. */
  readonly stochastic?: boolean;
  /** Timesteps are spread from end to end, whatever `timestep_spacing` says. */
  readonly linspaceOnly?: boolean;
  /** Spacings beside karras, exponential and beta. */
  readonly lu?: boolean;
  /** Whether `lambda_min_clipped` is heeded. */
  readonly clipsLambda?: boolean;
  /** Timesteps of Karras' levels keep their fractions with cosine betas. */
  readonly fractionsWithCosine?: boolean;
  /**
   * Which levels flows have: "first" begins just below 1, at the shifted 1 − 1/1000 of n + 1 levels from 0; "unipc" begins at
   * 1 − 10⁻⁶, can be stretched to a last level and takes levels from outside.
   */
  readonly flow: "first" | "unipc";
  /** The last level: as `final_sigmas_type` says, or DEIS' own. */
  readonly end: "config" | "deis";
}

/** UniPC begins flows just below pure noise, where signal / noise is not 0. */
const BELOW_ONE = 1e-6;

/** Makes the scheduler. */
export function vpScheduler(c: SchedulerConfig, kind: VpKind): Scheduler {
  const { name, solver } = kind;
  const flow = c.flag("use_flow_sigmas", false);
  const unipc = kind.flow === "unipc";
  const train = c.trainSteps;
  const prediction = c.oneOf(
    "prediction_type",
    ["epsilon", "v_prediction", "sample", "flow_prediction"],
    "epsilon",
  );
  const spacing = spacingOf(
    c,
    kind.lu ? ["karras", "lu", "exponential", "beta"] : ["karras", "exponential", "beta"],
  );
  if (flow && spacing && !(unipc && spacing === "karras")) {
    throw new LssgenError(
      "unsupported",
      `${name}: ${spacing} levels are ratios of noise to signal, use_flow_sigmas asks for those of a flow; switch one of them off`,
    );
  }
  const own = scheduleOf(c);
  if (flow && own && !spacing) {
    throw new LssgenError(
      "unsupported",
      `${name}: the schedule ${own} is one of timesteps, and use_flow_sigmas asks for the levels of a flow; leave the schedule out`,
    );
  }
  const where: TimestepSpacing = kind.linspaceOnly ? "linspace" : timestepSpacing(c, "linspace");
  const offset = kind.linspaceOnly ? 0 : c.wholeNumber("steps_offset", 0, 0, train - 1);
  const zeroEnd = kind.end === "config" &&
    c.oneOf("final_sigmas_type", ["zero", "sigma_min"], "zero") === "zero";
  const cosine =
    c.oneOf("beta_schedule", ["linear", "scaled_linear", "squaredcos_cap_v2", "exp"], "linear") ===
      "squaredcos_cap_v2";
  const cumprod = alphasCumprod(c);
  if (c.flag("rescale_betas_zero_snr", false)) cumprod[train - 1] = 2 ** -24;
  const table = cumprod.map(sigmaOf);
  const [least, most] = unipc
    ? [
      c.range("sigma_min", table[0], 1e-9, 1e9, true),
      c.range("sigma_max", table[train - 1], 1e-9, 1e9, true),
    ]
    : [table[0], table[train - 1]];
  const noising: Noising = flow ? flowNoising(prediction) : vpNoising(prediction);
  const clipped = kind.clipsLambda ? table.reduce((n, s) => n + Number(-Math.log(s) < clip(c)), 0) : 0;
  const flowLevels = flow ? levelsOfFlow(c, kind, train) : undefined;

  /** Timesteps and levels, where nothing spaces or names them. */
  function plain(steps: number): { timesteps: number[]; levels: number[] } {
    const named = namedTimesteps(c, train, steps);
    const last = train - clipped;
    // One more than asked for and without the last: these solvers never call the network at timestep 0.
    const timesteps = named ??
      (where === "trailing"
        ? clipped === 0
          ? spreadTimesteps(where, train, steps, 0)
          : Array.from({ length: Math.ceil(last / (train / steps)) }, (_, i) =>
            roundEven(last - i * train / steps) - 1)
        : where === "linspace"
        ? linspace(0, last - 1, steps + 1).map(roundEven).reverse().slice(0, -1)
        : spreadTimesteps(where, last, steps + 1, offset).slice(0, -1));
    return { timesteps, levels: timesteps.map((t) => interpolate(table, t)) };
  }

  function spacedLevels(spacing: Spacing, steps: number): { timesteps: number[]; levels: number[] } {
    const levels = spaced(spacing, most, least, steps);
    if (flow) {
      const shares = levels.map((s) => s / (s + 1));
      return { levels: shares, timesteps: shares.map((s) => Math.trunc(s * train)) };
    }
    const rounds = (spacing === "karras" || spacing === "lu") && !(cosine && kind.fractionsWithCosine);
    return {
      levels,
      timesteps: levels.map((s) => timestepOf(table, s)).map(rounds ? roundEven : Math.trunc),
    };
  }

  function schedule(steps: number, options: ScheduleOptions = {}): Schedule {
    checkSteps(name, steps, train - 1);
    const given = options.levels;
    const { timesteps, levels } = given
      ? { levels: [...given], timesteps: given.map((s) => f32(flow ? s * train : timestepOf(table, s))) }
      : spacing
      ? spacedLevels(spacing, steps)
      : flowLevels
      ? flowLevels(steps, options)
      : plain(steps);
    const lowest = levels[levels.length - 1];
    const end = kind.end === "deis"
      ? spacing || flow ? lowest : table[0]
      : zeroEnd
      ? 0
      : unipc && (spacing || flow)
      ? lowest
      : table[0];
    return { steps: timesteps.length, timesteps, sigmas: [...levels.map(f32), f32(end)], initNoiseSigma: 1 };
  }

  return {
    name,
    kind: flow ? "flow" : "diffusion",
    stochastic: kind.stochastic,
    schedule,
    steps: (s, begin = 0) => solver.steps(s, begin, noising),
    addNoise: (s, index) =>
      flow ? { signal: 1 - s.sigmas[index], noise: s.sigmas[index] } : noising.mix(s.sigmas[index]),
  };
}

/** The least log(signal / noise), as far as the config limits it: diffusers writes −Infinity, which is no JSON. */
function clip(c: SchedulerConfig): number {
  return c.range("lambda_min_clipped", -Infinity, -Infinity, 100, true);
}

/** Levels and whole timesteps of a flow. */
function levelsOfFlow(
  c: SchedulerConfig,
  { name, flow }: VpKind,
  train: number,
): (steps: number, options: ScheduleOptions) => { timesteps: number[]; levels: number[] } {
  const dynamic = c.flag("use_dynamic_shifting", false);
  const linear = c.oneOf("time_shift_type", ["exponential", "linear"], "exponential") === "linear";
  const constant = c.range("flow_shift", 1, 1e-3, 1e3);
  const parameter = shiftParameter(c, name);
  const terminal = flow === "unipc" ? c.range("shift_terminal", 0, 0, 0.999, true) : 0;
  return (steps, options) => {
    const mu = dynamic ? parameter(options) : undefined;
    const shift = mu === undefined ? constant : linear ? mu : Math.exp(mu);
    let levels: number[];
    if (flow === "unipc") {
      const raw = options.sigmas ?? linspace(1, 1 / train, steps + 1).slice(0, -1);
      levels = raw.map((s) => shifted(shift, s));
      if (terminal !== 0) {
        const scale = (1 - levels[levels.length - 1]) / (1 - terminal);
        levels = levels.map((s) => 1 - (1 - s) / scale);
      }
      if (Math.abs(levels[0] - 1) < BELOW_ONE) levels[0] -= BELOW_ONE;
    } else {
      levels = linspace(1, 1 / train, steps + 1).map((alpha) => shifted(shift, 1 - alpha)).reverse().slice(
        0,
        -1,
      );
    }
    return { levels, timesteps: levels.map((s) => Math.trunc(s * train)) };
  };
}
