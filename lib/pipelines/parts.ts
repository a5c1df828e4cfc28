/**
 * A picture drawn in two runs, which may be on two machines: one ends between two stages, the other goes on from its latents.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Plan } from "../scaling/types.ts";
import type { Resolved } from "./resolved_request.ts";
import type { GenerateOptions, GenerateRequest, ModelInfo } from "./types.ts";

/** Why a request cannot be drawn in two runs; undefined where it can. */
export function indivisible(info: ModelInfo, request: GenerateRequest, plan: Plan): string | undefined {
  const { rng = "philox", count = 1, prompt = "" } = request;
  if (rng !== "philox") {
    return `rng "${rng}" (--rng) draws the noise of all stages from one generator, and a run that begins in the middle does not ` +
      "have its state; take philox";
  }
  if (count !== 1) return `count is ${count}, and latents belong to one picture`;
  if (info.prompts === 0 && /[\d.][\s,]+[+.]?\d/.test(prompt)) {
    return `the prompt "${prompt.slice(0, 40)}" names several classes, and latents belong to one picture`;
  }
  if (plan.stages.some(({ part }) => part)) {
    return `the method "${plan.method}" hands more than latents from stage to stage; take lssgen`;
  }
  return undefined;
}

/**
 * Checks what a run that is a part of a picture is given: latents may come from anywhere.
 *
 * @throws {LssgenError} `bad_option`, naming the option; `bad_file` for latents that are not the plan's.
 */
export function checkPart(
  info: ModelInfo,
  request: Resolved,
  plan: Plan,
  { stopAfter, resume }: Pick<GenerateOptions, "stopAfter" | "resume">,
): void {
  if (stopAfter === undefined && resume === undefined) return;
  const option = stopAfter === undefined ? "resume" : "stopAfter";
  const why = indivisible(info, request, plan);
  if (why !== undefined) throw bad(`${option} does not go with this request: ${why}`);
  const least = resume === undefined ? 1 : resume.stages + 1;
  const stages = plan.stages.length;
  if (
    resume !== undefined && !(Number.isInteger(resume.stages) && resume.stages >= 1 && resume.stages < stages)
  ) {
    throw bad(
      `resume has the latents of ${resume.stages} stages, but the picture has ${
        counted(stages)
      }: expected 1 to ${stages - 1}`,
    );
  }
  if (stopAfter !== undefined && !(Number.isInteger(stopAfter) && stopAfter >= least && stopAfter < stages)) {
    throw bad(
      stages <= least
        ? `stopAfter is ${stopAfter}, but the picture has ${counted(stages)}: there is nothing to end before`
        : `stopAfter is ${stopAfter}, expected a whole number from ${least} to ${
          stages - 1
        }: the picture has ${counted(stages)}`,
    );
  }
  if (resume === undefined) return;
  const { latentHeight, latentWidth } = plan.stages[resume.stages - 1];
  const shape = [latentHeight, latentWidth, info.latentChannels];
  const length = latentHeight * latentWidth * info.latentChannels;
  const { data } = resume;
  if (!(data instanceof Float32Array) || data.length !== length) {
    throw new LssgenError(
      "bad_file",
      `resume: the latents hold ${
        data?.length ?? "no"
      } numbers, but stage ${resume.stages} of this picture has [${shape}], ${length}: ` +
        "they are of another request or model",
    );
  }
  const wrong = data.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    throw new LssgenError(
      "bad_file",
      `resume: number ${wrong} of the latents is ${data[wrong]}, expected finite numbers`,
    );
  }
}

function counted(stages: number): string {
  return stages === 1 ? "one stage" : `${stages} stages`;
}

function bad(message: string): LssgenError {
  return new LssgenError("bad_option", message);
}
