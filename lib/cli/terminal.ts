/**
 * What a command may touch besides its options.
 *
 * @module
 */

import type { Parsed } from "./options.ts";

/** Where a command prints, and what stops it. */
export interface Terminal {
  /** A line of results. */
  print(line: string): void;
  /** Progress and notes, as they are. */
  note(text: string): void;
  /** Whether notes go to a terminal. */
  readonly tty: boolean;
  /** Its width in characters. */
  readonly columns: number;
  /** Fires at the first Ctrl-C. */
  readonly signal: AbortSignal;
}

/** A command: prints its results, throws what goes wrong. */
export type Command = (options: Parsed, terminal: Terminal) => Promise<void>;
