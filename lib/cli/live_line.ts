/**
 * A line of a terminal that rewrites itself.
 *
 * @module
 */

import { printable } from "./terminal.ts";

/** Where it is written. */
export interface LineOutput {
  /** Characters a line may have; asked for anew for each, since terminals change their size. */
  readonly columns: number;
  /** Writes text as it is. */
  write(text: string): void;
}

/** A line made for a number of characters; what is longer all the same is cut. */
export type LineFor = (width: number) => string;

/** The line, made for the terminal's width. */
export class LiveLine {
  /** Characters that are there. */
  private drawn = 0;
  private line: LineFor = () => "";

  /** Writes nothing yet. */
  constructor(private readonly output: LineOutput) {}

  /** Shows a line in place of the last one. What models and servers call their files moves no cursor. */
  show(line: LineFor): void {
    const { columns } = this.output;
    // What was drawn on a wider terminal now takes several rows.
    const rows = Math.max(0, Math.ceil(this.drawn / columns) - 1);
    this.line = line;
    // The last column stays free: some terminals go to the next row with it.
    const width = columns - 1;
    const text = [...printable(line(width))].slice(0, width).join("");
    this.output.write(`${rows > 0 ? `\x1b[${rows}A` : ""}\r${rows > 0 ? "\x1b[J" : "\x1b[2K"}${text}`);
    this.drawn = text.length;
  }

  /** The line again, after the terminal changed its size. */
  resized(): void {
    if (this.drawn > 0) this.show(this.line);
  }

  /** Clears it, so that what follows starts on a clean one. */
  clear(): void {
    if (this.drawn > 0) this.output.write("\r\x1b[2K");
    this.drawn = 0;
  }
}
