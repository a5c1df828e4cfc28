/**
 * Runs one target's cases beside the program that watches it: a case that hangs stops this worker only.
 *
 * @module
 */

import { runCases, type Until } from "./loop.ts";
import { TARGETS } from "./targets.ts";

/** What a worker is asked. */
export interface Job {
  readonly target: string;
  readonly seed: number;
  readonly first: number;
  readonly inputs?: number;
  readonly ms: number;
  /** Number of the case that runs, for the watcher. */
  readonly running: SharedArrayBuffer;
}

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Job>) => void;
  postMessage(message: unknown): void;
};

scope.onmessage = async ({ data }) => {
  const { target: name, seed, first, inputs, ms, running } = data;
  const target = TARGETS.find((t) => t.name === name)!;
  const now = new Int32Array(running);
  const until: Until = { inputs, time: performance.now() + ms };
  scope.postMessage(await runCases(target, seed, first, until, (number) => Atomics.store(now, 0, number)));
};
