/**
 * Just-in-time tokens: every stage has the picture's full size, but the transformer sees some of its tokens only, the anchors. The
 * velocities of the others are interpolated. No upsampler, no VAE.
 *
 * Source: arXiv 2603.10744, of which a description is known, no code. Decided here: the first anchors are one token of each
 * square, each stage has twice as many as the one before until all are there, and every stage takes an equal share of the steps, the
 * later ones what does not divide. For FLUX that gives the published speeds (docs/SPEEDUP.md).
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import { checkRequest, doublings, growth, makeStage, stageSchedule, stageSizes } from "../stages.ts";
import type { Growth, Method, TokenPart } from "../types.ts";
import { checkTokens } from "./token_models.ts";

/** Anchors that grow in number. */
export const jit: Method = {
  name: "jit",
  heeds: ["minResolution"],
  tokens: true,
  plan(r) {
    checkRequest(r);
    checkTokens(r, "jit");
    const count = doublings(r, r.minResolution);
    const { sizes, warnings } = stageSizes(r, count);
    const size = sizes[count];
    const schedule = stageSchedule(r, size, r.steps, 1);
    if (count === 0) return { stages: [makeStage(r, 0, size, schedule)], warnings };
    const { calls = 1 } = r.scheduler;
    const stages = 2 * count + 1;
    if (r.steps < stages) {
      throw new LssgenError(
        "bad_option",
        `jit: ${r.steps} steps are too few for ${stages} stages; take at least ${stages}`,
      );
    }
    const { patch } = r.space;
    const stride = 2 ** count;
    const share = Math.floor(r.steps / stages);
    const longer = stages - r.steps % stages; // from this stage on one step more
    const starts = Array.from({ length: stages }, (_, i) => (i * share + Math.max(0, i - longer)) * calls);
    return {
      stages: starts.map((begin, i) => {
        const part: TokenPart = { kind: "anchors", patch, stride, count: size.tokens * 2 ** (i - 2 * count) };
        const grow: Growth = growth(r, schedule, begin, "latents", "nearest");
        return makeStage(r, i, size, schedule, {
          begin,
          end: starts[i + 1],
          part,
          grow: i === 0 ? undefined : grow,
        });
      }),
      warnings,
    };
  },
};
