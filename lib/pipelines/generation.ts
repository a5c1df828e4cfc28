/**
 * A run that can be awaited as a whole, or followed step by step.
 *
 * @module
 */

import { AbortedError } from "../errors.ts";
import { reasonOf } from "../reason_of.ts";
import type { GenerateOptions, GenerateResult, Generation, Progress } from "./types.ts";

/**
 * Starts a run and makes its progress iterable.
 *
 * @param start Does the work with these options; must report and begin no sooner than in a later task.
 * @param options The caller's.
 */
export function generation(
  start: (options: GenerateOptions) => Promise<GenerateResult>,
  options: GenerateOptions,
): Generation {
  const left = new AbortController();
  const followers = new Set<Follower>();
  const { signal } = options;
  const result = start({
    ...options,
    signal: signal ? AbortSignal.any([signal, left.signal]) : left.signal,
    onProgress: (event) => {
      options.onProgress?.(event);
      for (const follower of followers) follower.take(event);
    },
  }).catch((error) => {
    throw reasonOf(error, signal);
  });
  return Object.assign(result, {
    [Symbol.asyncIterator](): AsyncIterator<Progress, undefined> {
      const follower = new Follower(result, () => {
        followers.delete(follower);
        left.abort(new AbortedError());
      });
      followers.add(follower);
      return follower;
    },
  });
}

/** One loop over a run's progress: events wait here until they are asked for. */
class Follower implements AsyncIterator<Progress, undefined> {
  private readonly events: Progress[] = [];
  private wake: (() => void) | undefined;
  private ended = false;
  private error: { readonly reason: unknown } | undefined;

  constructor(result: Promise<GenerateResult>, private readonly leave: () => void) {
    const end = (): void => {
      this.ended = true;
      this.wake?.();
    };
    // The loop throws what the run threw: nobody has to await the promise too.
    result.then(end, (reason) => {
      this.error = { reason };
      end();
    });
  }

  take(event: Progress): void {
    this.events.push(event);
    this.wake?.();
  }

  async next(): Promise<IteratorResult<Progress, undefined>> {
    while (this.events.length === 0 && !this.ended) {
      await new Promise<void>((resolve) => this.wake = resolve);
    }
    const value = this.events.shift();
    if (value) return { value, done: false };
    if (!this.error) return { value: undefined, done: true };
    const { reason } = this.error;
    this.error = undefined;
    throw reason;
  }

  /** `break`: nobody waits for the picture any more. */
  return(): Promise<IteratorResult<Progress, undefined>> {
    this.events.length = 0;
    this.error = undefined;
    this.leave();
    return Promise.resolve({ value: undefined, done: true });
  }
}
