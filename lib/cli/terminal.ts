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
  /** Notes. */
  note(text: string): void;
  /** Progress, with control sequences of our own. */
  draw(text: string): void;
  /** Whether notes go to a terminal. */
  readonly tty: boolean;
  /** Its width in characters. */
  readonly columns: number;
  /** Fires at the first Ctrl-C. */
  readonly signal: AbortSignal;
}

/**
 * Text that does nothing to a terminal but be read: control characters other than tab and line feed, and marks that
 * turn the direction of writing, are spelled as JSON spells them. What files and servers say could otherwise move the
 * cursor, rename the window or hide part of a line.
 */
export function printable(text: string): string {
  return text.replace(
    /[^\P{Cc}\t\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A command: prints its results, throws what goes wrong. */
export type Command = (options: Parsed, terminal: Terminal) => Promise<void>;
