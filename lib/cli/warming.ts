/**
 * What has to run before a picture is clocked: drivers compile a kernel when it first runs, buffers are made and kernels tuned.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { cacheThreshold } from "../pipelines/step_cache.ts";
import type { GenerateRequest } from "../pipelines/types.ts";
import type { Plan } from "../scaling/types.ts";

/** What each stage of a plan launches, whatever its number of steps: stages of the same text run the same kernels. */
export function launches({ stages }: Plan, request: GenerateRequest): string[] {
  // From a stage's second step on a cache decides which blocks run.
  const counted = cacheThreshold(request) === undefined ? 1 : 2;
  return stages.map(({ width, height, grow, part, guided, steps }) =>
    JSON.stringify([
      ...[
        width,
        height,
        grow?.from,
        grow?.upsampler,
        grow?.highBand,
        grow?.sharpen,
        part?.kind,
        !!guided,
        Math.min(counted, steps.length),
      ],
      // A run that decides which blocks run has kernels of its own.
      ...[
        counted,
        steps.some((s) => s.unguided),
        steps.some((s) => !s.unguided),
        steps.some((s) => s.skipping),
      ],
    ])
  );
}

/**
 * The shortest run that launches what a request's does: its stages with as few steps as can be.
 *
 * @param plan Plans a request, or throws where it cannot be.
 */
export function shortest(
  request: GenerateRequest,
  plan: (request: GenerateRequest) => Plan,
): GenerateRequest {
  const whole = plan(request);
  const wanted = launches(whole, request).join();
  const most = Math.max(...whole.stages.map((stage) => stage.schedule.steps));
  for (let steps = 1; steps < most && request.sigmas === undefined; steps++) {
    const fewer = { ...request, steps };
    try {
      if (launches(plan(fewer), fewer).join() === wanted) return fewer;
    } catch (error) {
      if (!(error instanceof LssgenError)) throw error;
    }
  }
  return request;
}
