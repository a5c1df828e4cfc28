/**
 * Samplers and schedules under A1111's names, and the schedule that A1111's "Automatic" means for each sampler.
 *
 * Source: A1111's web UI 1.10, modules/sd_samplers_kdiffusion.py, sd_samplers_timesteps.py and sd_schedulers.py; "Res
 * Multistep", "DEIS" and "TCD" as Forge's successors label them. The last lines have no name there and carry ours.
 *
 * @module
 */

import { type SamplerName, samplerNamed, SAMPLERS, type ScheduleName } from "./samplers.ts";

/** A sampler as A1111 lists it. */
export interface A1111Sampler {
  /** Label. */
  readonly name: string;
  /** Our name. */
  readonly own: SamplerName;
  /** A1111's short names. */
  readonly aliases: readonly string[];
  /** Our schedule that "Automatic" means on diffusion models; absent for the model's own. */
  readonly automatic?: ScheduleName;
}

/** In A1111's order. Samplers of A1111 that are not here are not supported. */
export const A1111_SAMPLERS: readonly A1111Sampler[] = [
  { name: "DPM++ 2M", own: "dpm++2m", aliases: ["k_dpmpp_2m"], automatic: "karras" },
  { name: "DPM++ SDE", own: "dpm++sde", aliases: ["k_dpmpp_sde"], automatic: "karras" },
  { name: "DPM++ 2M SDE", own: "dpm++2m_sde", aliases: ["k_dpmpp_2m_sde"], automatic: "exponential" },
  { name: "DPM++ 3M SDE", own: "dpm++3m_sde", aliases: ["k_dpmpp_3m_sde"], automatic: "exponential" },
  { name: "Euler a", own: "euler_a", aliases: ["k_euler_a", "k_euler_ancestral"] },
  { name: "Euler", own: "euler", aliases: ["k_euler"] },
  { name: "Heun", own: "heun", aliases: ["k_heun"] },
  { name: "DPM2", own: "dpm2", aliases: ["k_dpm_2"], automatic: "karras" },
  { name: "DPM2 a", own: "dpm2_a", aliases: ["k_dpm_2_a"], automatic: "karras" },
  { name: "LCM", own: "lcm", aliases: ["k_lcm"] },
  { name: "DDIM", own: "ddim", aliases: ["ddim"] },
  { name: "PLMS", own: "pndm", aliases: ["plms"] },
  { name: "UniPC", own: "unipc", aliases: ["unipc"] },
  { name: "Res Multistep", own: "res_multistep", aliases: ["k_res_multistep"] },
  { name: "DEIS", own: "deis", aliases: ["deis"] },
  { name: "TCD", own: "tcd", aliases: ["tcd"] },
  { name: "DPM++ 2S", own: "dpm++2s", aliases: ["k_dpmpp_2s"] },
  { name: "DPM++ 3M", own: "dpm++3m", aliases: ["k_dpmpp_3m"] },
];

/** A schedule as A1111 lists it. */
export interface A1111Schedule {
  /** Name in requests. */
  readonly name: string;
  /** Name for people; requests take it too. */
  readonly label: string;
  /** Our name; absent for "Automatic". */
  readonly own?: ScheduleName;
  /** Further names. */
  readonly aliases?: readonly string[];
  /** Exponent that A1111 shows; −1 for schedules without one. */
  readonly rho?: number;
}

/**
 * In A1111's order. "Uniform" spreads timesteps from end to end, which is what "Normal" does; "Polyexponential" with A1111's
 * exponent of 1 is "Exponential". Schedules of A1111 that are not here are not supported.
 */
export const A1111_SCHEDULES: readonly A1111Schedule[] = [
  { name: "automatic", label: "Automatic" },
  { name: "uniform", label: "Uniform", own: "normal" },
  { name: "karras", label: "Karras", own: "karras", rho: 7 },
  { name: "exponential", label: "Exponential", own: "exponential" },
  { name: "polyexponential", label: "Polyexponential", own: "exponential", rho: 1 },
  { name: "sgm_uniform", label: "SGM Uniform", own: "sgm_uniform", aliases: ["SGMUniform"] },
  { name: "kl_optimal", label: "KL Optimal", own: "kl_optimal" },
  { name: "simple", label: "Simple", own: "simple" },
  { name: "normal", label: "Normal", own: "normal", aliases: ["discrete"] },
  { name: "ddim", label: "DDIM", own: "ddim_uniform", aliases: ["ddim_uniform"] },
  { name: "beta", label: "Beta", own: "beta" },
  { name: "linear_quadratic", label: "Linear Quadratic", own: "linear_quadratic" },
];

/** A name in lower case without blanks, underscores and dashes. */
function bare(name: string): string {
  return name.toLowerCase().replace(/[\s_-]+/g, "");
}

/** The schedule that a text names, in any spelling; undefined for none. */
export function a1111Schedule(text: string): A1111Schedule | undefined {
  const wanted = bare(text);
  return A1111_SCHEDULES.find(({ name, label, aliases = [] }) =>
    [name, label, ...aliases].some((known) => bare(known) === wanted)
  );
}

/** What a sampler's name says. */
export interface NamedSampler {
  /** Our name. */
  readonly own: SamplerName;
  /** Our schedule that "Automatic" means. */
  readonly automatic?: ScheduleName;
  /** The schedule that the name ends with: "DPM++ 2M Karras". */
  readonly schedule?: A1111Schedule;
}

/**
 * The sampler that a text names: A1111's label or short name, with or without a schedule at its end, or a name of
 * stable-diffusion.cpp or ComfyUI, which brings no schedule along. Undefined for none.
 */
export function a1111Sampler(text: string): NamedSampler | undefined {
  const listed = A1111_SAMPLERS.find(({ name }) => name === text);
  if (listed) return listed;
  // "dpm2" and "dpm++2m" are stable-diffusion.cpp's, although they differ from A1111's in case and blanks alone.
  if (Object.hasOwn(SAMPLERS, text)) return spelt(text);
  const lower = text.toLowerCase();
  const known = A1111_SAMPLERS.find(({ name, aliases }) =>
    name.toLowerCase() === lower || aliases.includes(lower)
  );
  if (known) return known;
  for (const schedule of A1111_SCHEDULES) {
    for (const end of [schedule.label, schedule.name, ...schedule.aliases ?? []]) {
      if (!lower.endsWith(` ${end.toLowerCase()}`)) continue;
      const sampler = a1111Sampler(text.slice(0, -end.length - 1));
      // "SGM Uniform" ends with "Uniform", too.
      if (sampler && !sampler.schedule) return { ...sampler, schedule };
    }
  }
  return spelt(text);
}

/** A name as the command line takes it. */
function spelt(text: string): NamedSampler | undefined {
  if (text === "dpm++2mk") return { own: "dpm++2m", schedule: a1111Schedule("karras") };
  const found = samplerNamed(text);
  return found && { own: found.name, schedule: found.schedule ? a1111Schedule(found.schedule) : undefined };
}

/** What {@linkcode a1111Names} gives: "Sampler" and "Schedule type" of A1111's text. */
export interface A1111Names {
  /** A1111's label, or our name where it has none. */
  readonly sampler?: string;
  /** A1111's label; absent where the noise levels were listed one by one. */
  readonly schedule?: string;
}

/**
 * A1111's names for how a picture was drawn.
 *
 * @param request The request's `scheduler`, `schedule` and `sigmas`.
 * @param stored The model's scheduler_config.json, which speaks where the request does not; absent where it is not known.
 */
export function a1111Names(
  request: { readonly scheduler?: string; readonly schedule?: string; readonly sigmas?: unknown },
  stored?: Readonly<Record<string, unknown>>,
): A1111Names {
  const { sigmas } = request;
  const scheduler = request.scheduler || undefined; // "" is the model's own
  const named = scheduler === undefined ? undefined : a1111Sampler(scheduler);
  const own = named?.own ?? (scheduler === undefined && stored ? ownSampler(stored) : undefined);
  const listed = A1111_SAMPLERS.find((sampler) => sampler.own === own);
  const sampler = listed?.name ?? own ?? scheduler;
  if (sampler === undefined && request.schedule === undefined) return {};
  if (sigmas !== undefined) return { sampler };
  const schedule = request.schedule ?? named?.schedule?.own ?? (stored && storedSchedule(stored));
  if (schedule !== undefined) return { sampler, schedule: a1111Label(schedule) };
  // Without a name the model's own timesteps were walked. A1111 would take "Automatic" for another schedule here.
  const flow = String(stored?._class_name).startsWith("FlowMatch");
  return { sampler, schedule: listed?.automatic !== undefined && !flow ? "Uniform" : "Automatic" };
}

/** A1111's label of one of our schedules. */
export function a1111Label(schedule: string): string {
  const { label = schedule } = A1111_SCHEDULES.find(({ name, own }) => own === schedule && name === own) ??
    A1111_SCHEDULES.find(({ own }) => own === schedule) ?? a1111Schedule(schedule) ?? {};
  return label;
}

/** Schedules that a stored config asks for by diffusers' flags. */
function storedSchedule(stored: Readonly<Record<string, unknown>>): string | undefined {
  return ["karras", "exponential", "beta"].find((name) => stored[`use_${name}_sigmas`] === true);
}

/** Our name of the sampler that a stored config is. */
function ownSampler(stored: Readonly<Record<string, unknown>>): string | undefined {
  const kind = String(stored._class_name);
  if (kind === "FlowMatchHeunDiscreteScheduler") return "heun";
  if (kind.startsWith("FlowMatch")) return stored.stochastic_sampling === true ? "lcm" : "euler";
  // Of a class with several samplers the one whose algorithm and order are the stored ones, or diffusers' defaults.
  const said: Readonly<Record<string, unknown>> = {
    algorithm_type: "dpmsolver++",
    solver_order: 2,
    solver_type: "midpoint",
    ...stored,
  };
  const several = (Object.keys(SAMPLERS) as SamplerName[]).filter((name) =>
    SAMPLERS[name].config._class_name === kind
  );
  if (several.length <= 1) return several[0];
  return several.find((name) =>
    ["algorithm_type", "solver_order", "solver_type"].every((key) => SAMPLERS[name].config[key] === said[key])
  );
}
