/**
 * Progress in bytes: one line that rewrites itself on a terminal, plain lines elsewhere.
 *
 * @module
 */

import { bytesText } from "../hub/selection.ts";
import { LiveLine } from "./live_line.ts";
import { duration, fitted, type LinePart } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

/** A terminal's line changes at most this often. */
const LINE_INTERVAL_MS = 100;
/** Plain output repeats itself at most this often. */
const PLAIN_INTERVAL_MS = 5000;
/** Speed is that of the last seconds. */
const SPEED_WINDOW_MS = 5000;

/** Shows how many bytes are done. */
export class BytesProgress {
  private readonly samples: { at: number; done: number }[] = [];
  private shownAt = -Infinity;
  private readonly line: LiveLine;
  private ended = false;

  /**
   * Shows nothing yet.
   *
   * @param verb First word of the line, for example "download".
   * @param terminal Where to.
   * @param now Clock in milliseconds.
   */
  constructor(
    private readonly verb: string,
    private readonly terminal: Pick<Terminal, "tty" | "columns" | "note" | "draw">,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.line = new LiveLine({
      get columns() {
        return terminal.columns;
      },
      write: (text) => terminal.draw(text),
    });
  }

  /** A sentence on a line of its own. */
  note(text: string): void {
    this.end();
    this.terminal.note(`${text}\n`);
  }

  /** Bytes that are done, of bytes in all, and what they belong to. */
  show(done: number, total: number, what?: string): void {
    const now = this.now();
    const { samples, terminal } = this;
    if (samples.length === 0 || now - samples[samples.length - 1].at >= LINE_INTERVAL_MS) {
      samples.push({ at: now, done });
    }
    while (samples.length > 2 && now - samples[1].at > SPEED_WINDOW_MS) samples.shift();
    const ended = done >= total && what === undefined;
    if (ended ? this.ended : now - this.shownAt < (terminal.tty ? LINE_INTERVAL_MS : PLAIN_INTERVAL_MS)) {
      return;
    }
    this.ended = ended;
    this.shownAt = now;
    const [first] = samples;
    const speed = now > first.at ? Math.max(0, done - first.done) / (now - first.at) * 1000 : 0;
    const line = (width?: number): string => bytesLine(this.verb, done, total, speed, what, width);
    if (!terminal.tty) return terminal.note(`${line()}\n`);
    this.line.show(line);
  }

  /** Clears the line. */
  end(): void {
    this.line.clear();
  }
}

/**
 * `download  ██████░░  1.20 GB of 6.94 GB  45.3 MB/s  ETA 2 min 05 s`.
 *
 * @param width Characters that there are, as of {@linkcode progressLine}.
 */
export function bytesLine(
  verb: string,
  done: number,
  total: number,
  bytesPerSecond: number,
  what?: string,
  width: number = Infinity,
): string {
  const parts: LinePart[] = [
    { text: verb, rank: 4 },
    { bar: total === 0 ? 1 : done / total, rank: 2 },
    { text: `${bytesText(done)} of ${bytesText(total)}`, rank: 5 },
  ];
  if (bytesPerSecond > 0) {
    parts.push({ text: `${bytesText(Math.round(bytesPerSecond))}/s`, rank: 1 });
    if (done < total) {
      parts.push({ text: `ETA ${duration((total - done) / bytesPerSecond * 1000)}`, rank: 3 });
    }
  }
  if (what !== undefined) parts.push({ text: what, rank: 0 });
  return fitted(parts, width);
}
