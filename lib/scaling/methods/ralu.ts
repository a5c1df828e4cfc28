/**
 * RALU, region-adaptive latent upsampling: a first stage at half the side; then the tokens with the most edges become four and share
 * the sequence with the others; at last all are four. Noise is added so that it is white at each level.
 *
 * Source: arXiv 2507.08422; the published presets for FLUX. Decided here: latents are copied as nearest neighbours (a token's
 * copies would repeat its 2 × 2 latents), tokens that stay take less noise by 1/Z² than the reference gives them, and edges count in
 * the whole range of the decoded picture.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import { checkRequest, doublings, levelSchedule, makeStage, stageSchedule, stageSizes } from "../stages.ts";
import type { Method, PlanRequest, StagePlan, TokenPart } from "../types.ts";
import { checkTokens } from "./token_models.ts";

/** A published setting. */
interface Preset {
  /** Steps of each stage. */
  readonly steps: readonly number[];
  /** Time at which a stage ends: 1 − noise level. */
  readonly ends: readonly number[];
  /** Shift of each stage's noise levels. */
  readonly shifts: readonly number[];
  /** Ratio of fresh noise to what copies share. */
  readonly z: number;
  /** Share of tokens that become four first. */
  readonly share: number;
}

/** "4×" of the paper, and "7×". */
export const RALU_PRESETS: readonly Preset[] = [
  { steps: [5, 6, 7], ends: [0.3, 0.45, 1], shifts: [5.019, 2.589, 2.226], z: 6.317, share: 0.3 },
  { steps: [2, 3, 5], ends: [0.2, 0.3, 1], shifts: [8.141, 2.856, 2.193], z: 6.261, share: 0.1 },
];
/** Steps in all from which the dearer preset is taken: between the 10 and the 18 of the two. */
const DEARER_FROM = 14;

/** Factors of a boundary at time e: of the latents, and of fresh noise, which is the level that the next stage begins at. */
export function raluMix(e: number, z: number): { readonly signal: number; readonly noise: number } {
  const signal = 1 / (z * (1 - e) + e);
  return { signal, noise: 1 - signal * e };
}

/** n + 1 noise levels between two, evenly spaced before σ' = hσ / (1 + (h − 1)σ). */
function shiftedLevels(from: number, to: number, n: number, h: number): number[] {
  const [a, b] = [from, to].map((level) => level / (h - (h - 1) * level));
  return Array.from({ length: n + 1 }, (_, i) => {
    const u = a + (b - a) * i / n;
    return i === 0 ? from : i === n ? to : h * u / (1 + (h - 1) * u);
  });
}

/** The steps of three stages in a preset's proportions. */
function split(steps: number, of: readonly number[]): number[] {
  const whole = of.reduce((a, b) => a + b, 0);
  const first = Math.max(1, Math.round(steps * of[0] / whole));
  const second = Math.max(1, Math.round(steps * of[1] / whole));
  return [first, second, steps - first - second];
}

/** Details where edges are. */
export const ralu: Method = {
  name: "ralu",
  heeds: ["minResolution"],
  tokens: true,
  plan(r: PlanRequest) {
    checkRequest(r);
    checkTokens(r, "ralu");
    if (r.levels) {
      throw new LssgenError(
        "bad_option",
        'The method "ralu" has its own noise levels: leave sigmas (--sigmas) out',
      );
    }
    const count = Math.min(1, doublings(r, r.minResolution));
    const { sizes, warnings } = stageSizes(r, count);
    if (count === 0) {
      return { stages: [makeStage(r, 0, sizes[0], stageSchedule(r, sizes[0], r.steps, 1))], warnings };
    }
    if (r.steps < 3) {
      throw new LssgenError("bad_option", `ralu: ${r.steps} steps are too few for 3 stages; take at least 3`);
    }
    const { ends, shifts, z, share, steps } = RALU_PRESETS[r.steps >= DEARER_FROM ? 0 : 1];
    const { patch } = r.space;
    const [half, full] = sizes;
    const chosen = Math.round(share * half.tokens);
    const parts: (TokenPart | undefined)[] = [
      undefined,
      { kind: "regions", patch, z, split: chosen, count: half.tokens + 3 * chosen },
      { kind: "regions", patch, z, split: half.tokens - chosen, count: full.tokens },
    ];
    const { calls = 1 } = r.scheduler;
    let level = 1;
    const stages = split(r.steps, steps).map((n, i): StagePlan => {
      const mix = i === 0 ? undefined : raluMix(ends[i - 1], z);
      const from = mix?.noise ?? level;
      level = 1 - ends[i];
      const levels = shiftedLevels(from, level, n, shifts[i]).filter((level) => level > 0);
      return makeStage(r, i, i === 0 ? half : full, levelSchedule(r, levels), {
        end: n * calls,
        part: parts[i],
        grow: mix && { from: "latents", upsampler: "nearest", mix, level: from },
      });
    });
    return { stages, warnings };
  },
};
