/**
 * How samplers walk the schedule of a flow model: one line each.
 *
 * @module
 */

import { deisSolver } from "./deis.ts";
import { dpmSinglestep } from "./dpm_singlestep.ts";
import { type DpmOptions, dpmSolver } from "./dpm_solver.ts";
import { flowAncestralSolver, flowStochasticSolver } from "./flow_match.ts";
import { flowEulerSolver } from "./flow_match_euler.ts";
import { heunSolver } from "./heun.ts";
import { kdpm2Solver } from "./kdpm2.ts";
import type { SamplerName } from "./samplers.ts";
import type { Solver } from "./solver.ts";
import { uniPc } from "./unipc.ts";

const PLAIN: DpmOptions = {
  algorithm: "dpmsolver++",
  order: 2,
  heun: false,
  lowerFinal: true,
  eulerFinal: false,
};

/** Of every sampler whose row in samplers.ts has `flow`. */
export const FLOW_SOLVERS: Readonly<Partial<Record<SamplerName, Solver>>> = {
  "euler": flowEulerSolver,
  "euler_a": flowAncestralSolver,
  "heun": heunSolver,
  "dpm2": kdpm2Solver,
  "dpm++2s": dpmSinglestep(PLAIN),
  "dpm++sde": dpmSinglestep({ ...PLAIN, algorithm: "sde-dpmsolver++" }),
  "dpm++2m": dpmSolver(PLAIN),
  "dpm++2m_sde": dpmSolver({ ...PLAIN, algorithm: "sde-dpmsolver++" }),
  "dpm++3m": dpmSolver({ ...PLAIN, order: 3 }),
  "dpm++3m_sde": dpmSolver({ ...PLAIN, order: 3, algorithm: "sde-dpmsolver++" }),
  // Refined exponential steps of two points are DPM++ 2M with the quotient's weight integrated exactly.
  "res_multistep": dpmSolver({ ...PLAIN, heun: true }),
  "unipc": uniPc({ order: 2, exponential: true, predictX0: true, lowerFinal: true, uncorrected: [] }),
  "deis": deisSolver(2, true),
  "lcm": flowStochasticSolver,
};
