/**
 * What stopped work rejects with.
 *
 * @module
 */

import { AbortedError } from "./errors.ts";

/** What work that failed rejects with. As the platform's own functions have it: who stops it gets his own reason back. */
export function reasonOf(error: unknown, signal: AbortSignal | undefined): unknown {
  return error instanceof AbortedError && signal?.aborted ? signal.reason : error;
}
