/**
 * A solver turns noise levels into steps, whatever kind of model the levels belong to.
 *
 * @module
 */

import type { Noising } from "./noising.ts";
import type { Schedule, Step } from "./types.ts";

/** One way of stepping down through noise levels. */
export interface Solver {
  /**
   * Calls of the network in every step but the last, which takes one. With 2, `timesteps` and `sigmas` of a schedule list both
   * calls of each step, as diffusers' Heun and KDPM2 do: a step begins at every even index.
   */
  readonly calls: 1 | 2;
  /** Level of a step's second call; the next level when absent. */
  middle?(sigma: number, next: number): number;
  /** The steps of a schedule from index `begin` on. */
  steps(schedule: Schedule, begin: number, noising: Noising): Step[];
}

/**
 * Timesteps and levels of every call.
 *
 * @param timesteps One of each step.
 * @param levels One of each step, then the final one.
 * @param timestepOf The timestep of a level between two steps.
 */
export function listCalls(
  { calls, middle }: Solver,
  timesteps: readonly number[],
  levels: readonly number[],
  timestepOf: (sigma: number) => number,
): { timesteps: number[]; sigmas: number[] } {
  if (calls === 1) return { timesteps: [...timesteps], sigmas: [...levels] };
  const second = (i: number): number =>
    middle ? timestepOf(middle(levels[i], levels[i + 1])) : timesteps[i + 1];
  return {
    timesteps: timesteps.flatMap((t, i) => i === timesteps.length - 1 ? [t] : [t, second(i)]),
    sigmas: [levels[0], ...levels.slice(1, -1).flatMap((s) => [s, s]), levels[levels.length - 1]],
  };
}

/** What every call has in common. */
export function call(
  s: Schedule,
  index: number,
  sigma: number,
  noising: Noising,
): Omit<Step, "next"> {
  return {
    index,
    timestep: s.timesteps[index],
    sigma,
    inputScale: noising.inputScale(sigma),
    x0: noising.x0(sigma),
  };
}
