/**
 * `sampler_name` and `scheduler` of A1111's API, and the lists of both.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { GenerateRequest, ModelInfo } from "../pipelines/types.ts";
import {
  A1111_SAMPLERS,
  A1111_SCHEDULES,
  a1111Label,
  a1111Sampler,
  a1111Schedule,
} from "../schedulers/a1111_names.ts";
import { checkFree, createScheduler, isFlow, samplerConfig, scheduleConfig } from "../schedulers/registry.ts";
import { ApiError } from "./api_error.ts";

/** Sampler and schedule of a request; undefined is the model's own. */
export type AskedSampler = Pick<GenerateRequest, "scheduler" | "schedule">;

/**
 * Reads both fields. The schedule may stand in the sampler's name ("DPM++ 2M Karras"). On diffusion models "Automatic" is the
 * schedule that A1111 gives the sampler, on flow models their own.
 *
 * @throws {ApiError} 422, naming the field, for what is not known or what the model cannot follow.
 */
export function askedSampler(
  sampler: string | undefined,
  schedule: string | undefined,
  info: ModelInfo,
): AskedSampler {
  const named = sampler ? a1111Sampler(sampler) : undefined;
  if (sampler && (!named || !can(info, { scheduler: named.own }))) {
    throw new ApiError(
      422,
      "unsupported",
      `"sampler_name": "${sampler.slice(0, 60)}" is not ${
        named ? `one that ${info.pipeline} can use` : "supported"
      }, expected one of ${samplersOf(info).map(({ name }) => name).join(", ")}`,
      "sampler_name",
    );
  }
  const asked: AskedSampler = named ? { scheduler: named.own } : {};
  const field = a1111Schedule(schedule || "Automatic");
  if (!field) throw refused(schedule!, sampler, info, asked);
  const { schedule: inName } = named ?? {};
  if (inName?.own && field.own && inName.own !== field.own) {
    throw new ApiError(
      422,
      "unsupported",
      `"scheduler": "${field.label}" is not supported with "sampler_name": "${
        sampler!.slice(0, 60)
      }", which names ${inName.label}; expected Automatic or ${inName.label}`,
      "scheduler",
    );
  }
  const wanted = field.own ? field : inName?.own ? inName : undefined;
  if (!wanted) {
    const { automatic } = named ?? {};
    return automatic === undefined || isFlow(info.scheduler) ? asked : { ...asked, schedule: automatic };
  }
  const both = { ...asked, schedule: wanted.own };
  if (can(info, both)) return both;
  // Samplers with timesteps of their own follow what A1111 calls uniform.
  if (wanted.name === "uniform" && ownTimesteps(info, asked)) return asked;
  throw refused(wanted.label, sampler, info, asked);
}

function refused(
  schedule: string,
  sampler: string | undefined,
  info: ModelInfo,
  asked: AskedSampler,
): ApiError {
  return new ApiError(
    422,
    "unsupported",
    `"scheduler": "${schedule.slice(0, 60)}" is not supported with ${
      sampler ? `"${sampler.slice(0, 60)}"` : "the model's own sampler"
    }, expected one of ${schedulesOf(info, asked).map(({ label }) => label).join(", ")}`,
    "scheduler",
  );
}

/** Whether the library makes a scheduler of it. */
function can({ scheduler: stored }: ModelInfo, { scheduler, schedule }: AskedSampler): boolean {
  try {
    const config = scheduler === undefined ? stored : samplerConfig(stored, scheduler);
    createScheduler(schedule === undefined ? config : scheduleConfig(config, schedule));
    return true;
  } catch (error) {
    if (error instanceof LssgenError) return false;
    throw error;
  }
}

/** Whether the sampler has timesteps of its own. */
function ownTimesteps({ scheduler: stored }: ModelInfo, { scheduler }: AskedSampler): boolean {
  try {
    checkFree(scheduler === undefined ? stored : samplerConfig(stored, scheduler), "a schedule");
    return false;
  } catch {
    return true;
  }
}

function samplersOf(info: ModelInfo): typeof A1111_SAMPLERS {
  return A1111_SAMPLERS.filter(({ own }) => can(info, { scheduler: own }));
}

function schedulesOf(info: ModelInfo, asked: AskedSampler): typeof A1111_SCHEDULES {
  return A1111_SCHEDULES.filter(({ name, own }) =>
    own === undefined || can(info, { ...asked, schedule: own }) ||
    (name === "uniform" && ownTimesteps(info, asked))
  );
}

/** Samplers that the model can use. The last alias is the command line's name. */
export function samplersAnswer(info: ModelInfo): unknown {
  return samplersOf(info).map(({ name, own, aliases, automatic }) => ({
    name,
    aliases: [...new Set([...aliases, own])],
    options: automatic === undefined || isFlow(info.scheduler)
      ? {}
      : { scheduler: a1111Schedule(a1111Label(automatic))!.name },
  }));
}

/** Schedules that the model can follow, with Euler if not with its own sampler. */
export function schedulersAnswer(info: ModelInfo): unknown {
  return schedulesOf(info, { scheduler: "euler" }).map(({ name, label, aliases = null, rho = -1 }) => ({
    name,
    label,
    aliases,
    default_rho: rho,
    need_inner_model: ["uniform", "sgm_uniform", "simple", "normal", "ddim", "beta"].includes(name),
  }));
}
