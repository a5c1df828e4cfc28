/**
 * SPEED, spectral progressive diffusion: one schedule for the whole run. Noisy latents grow in the cosine transform, where
 * what a larger grid adds is noise alone, as long as the noise still covers those frequencies.
 *
 * Source: arXiv 2605.18736. Flow models only: its noise levels are theirs. The published node takes one boundary from half
 * size; here there are as many as `minResolution` asks for.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import {
  checkRequest,
  doublings,
  levelSchedule,
  makeStage,
  stageSchedule,
  type StageSize,
  stageSizes,
} from "../stages.ts";
import type { Growth, Method, Spectrum, StagePlan } from "../types.ts";

/** Share of the power that may be lost: the published default. */
const DELTA = 0.01;

/** The noise level down to which frequencies from ω on are noise but for a share δ of their power. */
export function switchLevel({ a, beta }: Spectrum, omega: number, delta: number): number {
  const power = a * omega ** -beta;
  return 1 / (1 + Math.sqrt(delta / (power * (1 + power - delta))));
}

/** κ, which makes noise of level t on a grid grown by r a level κ·t. */
export function spectralScale(r: number, t: number): number {
  return r / (1 + (r - 1) * t);
}

/** No upsampler and no VAE. */
export const spectral: Method = {
  name: "spectral",
  heeds: ["minResolution"],
  plan(r) {
    checkRequest(r);
    if (r.scheduler.kind !== "flow") {
      throw new LssgenError(
        "bad_option",
        `The method "spectral" is for flow models (FLUX, SD3); ${r.scheduler.name} is none: take lssgen or refine`,
      );
    }
    const { spectrum, spectralDelta: delta = DELTA } = r;
    if (!spectrum) {
      throw new LssgenError(
        "bad_option",
        'The method "spectral" needs the power spectrum of the model\'s latents, which is not known: fit it with ' +
          "tools/fit_spectrum.ts and write spectrum_a and spectrum_beta into the folder's lssgen.json",
      );
    }
    if (!(delta > 0 && delta < 1)) {
      throw new LssgenError("bad_option", `spectralDelta is ${delta}, expected more than 0 and less than 1`);
    }
    const count = doublings(r, r.minResolution);
    const { sizes, warnings } = stageSizes(r, count);
    const levelOf = (size: StageSize): number =>
      switchLevel(spectrum, Math.min(size.latentHeight, size.latentWidth) / 2, delta);
    const { calls = 1 } = r.scheduler;
    let schedule = stageSchedule(r, sizes[count], r.steps, sizes.length);
    let levels = schedule.sigmas.filter((_, i) => i % calls === 0 && i < schedule.timesteps.length);
    let grow: Growth | undefined;
    const stages: StagePlan[] = [];
    for (let current = 0; current < count;) {
      const at = levels.findIndex((level) => level <= levelOf(sizes[current]));
      if (at < 0) {
        throw new LssgenError(
          "bad_option",
          `spectral: ${sizes[current].width}×${sizes[current].height} may grow at noise level ` +
            `${
              levelOf(sizes[current]).toFixed(3)
            } and below, where none of the ${r.steps} steps is; take more steps, or a ` +
            "smaller spectralDelta",
        );
      }
      stages.push(makeStage(r, stages.length, sizes[current], schedule, { end: at * calls, grow }));
      // Past sizes that would grow again at once: two doublings are one quadrupling.
      let ratio = 1;
      let grown: number;
      do {
        ratio *= 2;
        current++;
        grown = spectralScale(ratio, levels[at]) * levels[at];
      } while (current < count && grown <= levelOf(sizes[current]));
      const scale = spectralScale(ratio, levels[at]);
      grow = {
        from: "latents",
        upsampler: "spectral",
        highBand: true,
        mix: { signal: scale / ratio, noise: grown },
        level: grown,
      };
      levels = [grown, ...levels.slice(at + 1)];
      schedule = levelSchedule(r, levels);
    }
    stages.push(makeStage(r, stages.length, sizes[count], schedule, { grow }));
    return { stages, warnings };
  },
};
