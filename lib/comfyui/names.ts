/**
 * ComfyUI's names of samplers and schedules. What they mean is looked up in the tables of A1111's and stable-diffusion.cpp's names.
 *
 * Source: ComfyUI, comfy/samplers.py.
 *
 * @module
 */

import { a1111Sampler, a1111Schedule } from "../schedulers/a1111_names.ts";
import type { SamplerName, ScheduleName } from "../schedulers/samplers.ts";

/** Samplers in ComfyUI's order. Those of ComfyUI that are not here are not supported. */
export const COMFYUI_SAMPLERS: readonly string[] = [
  "euler",
  "euler_ancestral",
  "heun",
  "dpm_2",
  "dpm_2_ancestral",
  "dpmpp_sde",
  "dpmpp_sde_gpu",
  "dpmpp_2m",
  "dpmpp_2m_sde",
  "dpmpp_2m_sde_gpu",
  "dpmpp_3m_sde",
  "dpmpp_3m_sde_gpu",
  "lcm",
  "deis",
  "res_multistep",
  "ddim",
  "uni_pc",
  "uni_pc_bh2",
];

/** Schedules in ComfyUI's order. Those of ComfyUI that are not here are not supported. */
export const COMFYUI_SCHEDULERS: readonly string[] = [
  "simple",
  "sgm_uniform",
  "karras",
  "exponential",
  "ddim_uniform",
  "beta",
  "normal",
  "linear_quadratic",
  "kl_optimal",
];

/** What ComfyUI calls otherwise: its "ddim" walks any schedule by Euler's steps, which are DDIM's without noise. */
const OTHERWISE: Readonly<Record<string, string>> = { ddim: "euler" };

/** Another spelling of a sampler's name, as the other tables have it. */
export function samplerSpelling(name: string): string {
  return Object.hasOwn(OTHERWISE, name) ? OTHERWISE[name] : name;
}

/** Our name of a sampler; undefined for none. */
export function comfyuiSampler(name: string): SamplerName | undefined {
  return a1111Sampler(samplerSpelling(name))?.own;
}

/** Our name of a schedule; undefined for none. */
export function comfyuiSchedule(name: string): ScheduleName | undefined {
  return a1111Schedule(name)?.own;
}
