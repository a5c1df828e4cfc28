/**
 * Which samplers and schedules flow models can use, without their rules.
 *
 * @module
 */

import type { SamplerName, ScheduleName } from "./samplers.ts";

/** Which schedules of flow models a sampler walks: those whose noise falls, or those of `invert_sigmas` too. */
export type FlowWalk = "falling" | "any";

/** Samplers of flow models, by the rules that flow_solvers.ts has for them. */
export const FLOW_SAMPLERS: Readonly<Partial<Record<SamplerName, FlowWalk>>> = {
  "euler": "any",
  "euler_a": "falling",
  "heun": "falling",
  "dpm2": "falling",
  "dpm++2s": "falling",
  "dpm++sde": "falling",
  "dpm++2m": "falling",
  "dpm++2m_sde": "falling",
  "dpm++3m": "falling",
  "dpm++3m_sde": "falling",
  "res_multistep": "falling",
  "unipc": "falling",
  "deis": "falling",
  "lcm": "any",
};

/** Names of schedules, by those of their table in spacings.ts. */
export const SCHEDULE_NAMES: readonly ScheduleName[] = [
  "normal",
  "discrete",
  "karras",
  "exponential",
  "beta",
  "simple",
  "sgm_uniform",
  "ddim_uniform",
  "kl_optimal",
  "linear_quadratic",
];

/** What switches every spacing off. */
export const UNSPACED: Readonly<Record<string, false>> = {
  use_karras_sigmas: false,
  use_exponential_sigmas: false,
  use_beta_sigmas: false,
  use_lu_lambdas: false,
};
