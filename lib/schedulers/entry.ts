/**
 * Where a later stage enters its schedule, given a noise level in (0, 1): one function for every rule.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Schedule, Scheduler } from "./types.ts";

/**
 * How a stage enters:
 * - `reference`: flow models by `timestep`, diffusion models by `count`, as the reference does;
 * - `timestep`: the smallest noise level that is at least the one asked for;
 * - `atMost`, `noiseLevel`: the largest that is at most the one asked for (for diffusion models σ/(1 + σ) counts);
 * - `count`: skips the first n − ⌊n·level⌋ of n steps, whatever their noise;
 * - `exact`: the level itself becomes the first of the schedule. Flow models only.
 */
export type Entry = "reference" | "timestep" | "atMost" | "noiseLevel" | "count" | "exact";

/** Every {@linkcode Entry}. */
export const ENTRIES: readonly Entry[] = ["reference", "timestep", "atMost", "noiseLevel", "count", "exact"];

/** A schedule and the index at which to begin in it. */
export interface Entered {
  /** The schedule: another one only for `exact`. */
  readonly schedule: Schedule;
  /** First step to run. */
  readonly begin: number;
}

/**
 * Enters a schedule.
 *
 * @param level Noise level in (0, 1).
 * @throws {LssgenError} `bad_option` when no step is left, or the scheduler has no such entry.
 */
export function enter(scheduler: Scheduler, schedule: Schedule, level: number, entry: Entry): Entered {
  const flow = scheduler.kind === "flow";
  // Only where a step begins.
  const { calls = 1 } = scheduler;
  const levels = schedule.timesteps.filter((_, i) => i % calls === 0)
    .map((_, k) => noiseLevel(scheduler, schedule, k * calls));
  const bad = (why: string): LssgenError =>
    new LssgenError(
      "bad_option",
      `A stage of ${schedule.steps} steps cannot begin at noise level ${level}: ${why}`,
    );
  switch (entry) {
    case "reference":
      return enter(scheduler, schedule, level, flow ? "timestep" : "count");
    case "timestep": {
      // Before the first level there is nothing to enter at: the whole schedule.
      const below = levels.findIndex((l) => l < level);
      return { schedule, begin: Math.max(0, (below < 0 ? levels.length : below) - 1) * calls };
    }
    case "atMost":
    case "noiseLevel": {
      const begin = levels.findIndex((l) => l <= level);
      if (begin < 0) {
        throw bad(`its lowest is ${levels[levels.length - 1].toFixed(3)}; take more steps or a higher level`);
      }
      return { schedule, begin: begin * calls };
    }
    case "count": {
      const left = Math.floor(schedule.steps * level);
      if (left === 0) throw bad("no step would be left; take more steps or a higher level");
      return { schedule, begin: (schedule.steps - left) * calls };
    }
    case "exact":
      if (!scheduler.startAt) {
        throw bad(`${scheduler.name} cannot begin between its steps; use the entry "noiseLevel"`);
      }
      return { schedule: scheduler.startAt(schedule, level), begin: 0 };
  }
}

/** Share of noise at a step, in [0, 1]: σ of flow models, σ/(1 + σ) of the others. */
export function noiseLevel(scheduler: Scheduler, schedule: Schedule, index: number): number {
  if (scheduler.kind === "flow") return scheduler.addNoise(schedule, index).noise;
  const sigma = schedule.sigmas[index];
  return sigma / (1 + sigma);
}
