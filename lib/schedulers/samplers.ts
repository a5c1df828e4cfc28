/**
 * Samplers by the names that people know: one line each.
 *
 * @module
 */

/** A sampler. */
export interface Sampler {
  /** What it changes in the stored config of a diffusion model. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Other spellings, in lower case without blanks, underscores and dashes. */
  readonly also?: readonly string[];
}

/** Settings of a multistep solver, over whatever the stored config says. */
function multistep(options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return {
    _class_name: "DPMSolverMultistepScheduler",
    algorithm_type: "dpmsolver++",
    solver_order: 2,
    solver_type: "midpoint",
    ...options,
  };
}

/** Samplers by the keys of {@linkcode SAMPLERS}. */
export type SamplerName =
  | "euler"
  | "euler_a"
  | "heun"
  | "dpm2"
  | "dpm2_a"
  | "dpm++2s"
  | "dpm++sde"
  | "dpm++2m"
  | "dpm++2mk"
  | "dpm++2m_sde"
  | "dpm++3m"
  | "dpm++3m_sde"
  | "res_multistep"
  | "unipc"
  | "deis"
  | "ddim"
  | "pndm"
  | "lcm"
  | "tcd";

/** Spacings of noise levels, by the names of their table in registry.ts. */
export type ScheduleName =
  | "normal"
  | "discrete"
  | "karras"
  | "exponential"
  | "beta"
  | "simple"
  | "sgm_uniform"
  | "ddim_uniform"
  | "kl_optimal"
  | "linear_quadratic";

/** Every sampler, as stable-diffusion.cpp spells it where it has it. */
export const SAMPLERS: Readonly<Record<SamplerName, Sampler>> = {
  "euler": { config: { _class_name: "EulerDiscreteScheduler" } },
  "euler_a": {
    config: { _class_name: "EulerAncestralDiscreteScheduler" },
    also: ["eulerancestral"],
  },
  "heun": { config: { _class_name: "HeunDiscreteScheduler", clip_sample: false } },
  "dpm2": { config: { _class_name: "KDPM2DiscreteScheduler" }, also: ["kdpm2"] },
  "dpm2_a": {
    config: { _class_name: "KDPM2AncestralDiscreteScheduler" },
    also: ["dpm2ancestral", "kdpm2a", "kdpm2ancestral"],
  },
  "dpm++2s": {
    config: {
      _class_name: "DPMSolverSinglestepScheduler",
      algorithm_type: "dpmsolver++",
      solver_order: 2,
      solver_type: "midpoint",
      lower_order_final: true,
    },
  },
  "dpm++sde": {
    config: {
      _class_name: "DPMSolverSinglestepScheduler",
      algorithm_type: "sde-dpmsolver++",
      solver_order: 2,
      solver_type: "midpoint",
      lower_order_final: true,
    },
    also: ["dpm++sdegpu"],
  },
  "dpm++2m": { config: multistep({}), also: ["dpm++2mv2"] },
  "dpm++2mk": { config: multistep({ use_karras_sigmas: true }) },
  "dpm++2m_sde": {
    config: multistep({ algorithm_type: "sde-dpmsolver++" }),
    also: ["dpm++2msdegpu"],
  },
  "dpm++3m": { config: multistep({ solver_order: 3 }) },
  "dpm++3m_sde": {
    config: multistep({ solver_order: 3, algorithm_type: "sde-dpmsolver++" }),
    also: ["dpm++3msdegpu"],
  },
  "res_multistep": {
    config: multistep({ solver_type: "heun" }),
  },
  "unipc": {
    config: {
      _class_name: "UniPCMultistepScheduler",
      solver_order: 2,
      solver_type: "bh2",
      predict_x0: true,
      solver_p: null,
      disable_corrector: [],
    },
    also: ["unipcbh2"],
  },
  "deis": {
    config: {
      _class_name: "DEISMultistepScheduler",
      algorithm_type: "deis",
      solver_order: 2,
      solver_type: "logrho",
    },
  },
  "ddim": { config: { _class_name: "DDIMScheduler", clip_sample: false } },
  "pndm": { config: { _class_name: "PNDMScheduler", skip_prk_steps: true }, also: ["plms"] },
  "lcm": { config: { _class_name: "LCMScheduler", clip_sample: false } },
  "tcd": { config: { _class_name: "TCDScheduler" } },
};

/** Whether a text is a key of {@linkcode SAMPLERS}. */
export function isSampler(text: unknown): text is SamplerName {
  return typeof text === "string" && Object.hasOwn(SAMPLERS, text);
}

/** A name without what spellings differ in. */
function bare(name: string): string {
  return name.toLowerCase().replace(/^k_/, "").replace(/dpmpp/, "dpm++").replace(/[\s_-]+/g, "");
}

/** Spacings that A1111 appends to a sampler's name. */
const SUFFIXES: readonly ScheduleName[] = ["karras", "exponential"];

/**
 * The sampler that a name means, in the spelling of stable-diffusion.cpp ("dpm++2m"), A1111 ("DPM++ 2M Karras") or ComfyUI
 * ("dpmpp_2m"), and the schedule that the name asks for too. Undefined for none.
 */
export function samplerNamed(text: string): { name: SamplerName; schedule?: ScheduleName } | undefined {
  if (isSampler(text)) return { name: text };
  const wanted = bare(text);
  const schedule = SUFFIXES.find((suffix) => wanted.endsWith(suffix));
  const stem = schedule ? wanted.slice(0, -schedule.length) : wanted;
  const name = (Object.keys(SAMPLERS) as SamplerName[]).find((key) =>
    bare(key) === stem || SAMPLERS[key].also?.includes(stem)
  );
  return name === undefined ? undefined : { name, ...schedule && { schedule } };
}
