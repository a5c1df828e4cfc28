/**
 * Progress as text: one line that rewrites itself on a terminal, plain lines elsewhere.
 *
 * @module
 */

import { bytesText } from "../hub/selection.ts";
import type { Progress } from "../pipelines/text_to_image.ts";
import { type LineOutput, LiveLine } from "./live_line.ts";
import { printable } from "./terminal.ts";

/** Where progress goes, and what that can show. */
export interface ProgressOutput extends LineOutput {
  /** Whether lines can be rewritten. */
  readonly tty: boolean;
}

/** Plain output repeats itself at most this often within a stage. */
const PLAIN_INTERVAL_MS = 2000;

/** Shows {@linkcode Progress} events. */
export class ProgressPrinter {
  private phase = "";
  private phaseStart = 0;
  private step = 0;
  private shownAt = -Infinity;
  private readonly line: LiveLine;
  private picture = 0;
  private pictures = 1;

  /**
   * @param output Where to.
   * @param now Clock in milliseconds.
   */
  constructor(
    private readonly output: ProgressOutput,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.line = new LiveLine(output);
  }

  /** Events are those of this picture from now on, of so many that are drawn one by one. */
  begin(picture: number, pictures: number): void {
    this.picture = picture;
    this.pictures = pictures;
  }

  /** The line again, after the terminal changed its size. */
  resized(): void {
    this.line.resized();
  }

  /** Shows one event. */
  show(given: Progress): void {
    const event = this.ofAll(given);
    const now = this.now();
    const phase = `${event.phase} ${event.component ?? ""} ${event.image ?? 0} ${event.stage ?? 0}`;
    // The same stage from an earlier step is that of the next picture.
    const done = event.bytes ?? event.step ?? 0;
    const fresh = phase !== this.phase || done < this.step;
    if (fresh) {
      this.phase = phase;
      this.phaseStart = now;
    }
    this.step = done;
    const etaMs = event.etaMs ?? (event.share === undefined ? this.estimate(event, now) : undefined);
    if (this.output.tty) return this.line.show((width) => progressLine(event, etaMs, width));
    const last = event.step !== undefined && event.step === event.steps ||
      event.bytes !== undefined && event.bytes === event.totalBytes;
    if (fresh || last || now - this.shownAt >= PLAIN_INTERVAL_MS) {
      this.shownAt = now;
      this.output.write(`${printable(progressLine(event, etaMs))}\n`);
    }
  }

  /** Clears the line, so that what follows starts on a clean one. */
  end(): void {
    this.line.clear();
  }

  /** An event of one picture as one of all of them. */
  private ofAll(event: Progress): Progress {
    const { picture, pictures } = this;
    const { share, etaMs } = event;
    if (pictures === 1 || share === undefined) return event;
    const left = 1 - share;
    return {
      ...event,
      image: picture,
      share: (picture + share) / pictures,
      etaMs: etaMs === undefined || left <= 0 ? etaMs : etaMs * (left + pictures - 1 - picture) / left,
    };
  }

  /** Time left in this stage, from the mean step so far. */
  private estimate({ step, steps, bytes, totalBytes }: Progress, now: number): number | undefined {
    const [done, all] = [bytes ?? step, totalBytes ?? steps];
    return done && all ? (now - this.phaseStart) / done * (all - done) : undefined;
  }
}

/**
 * One event as a line: phase, picture, stage with its size, step, bar of the whole, noise level, time left.
 *
 * @param width Characters that there are: a narrow terminal gets a shorter bar, then less beside what is done and left.
 */
export function progressLine(event: Progress, etaMs?: number, width: number = Infinity): string {
  const {
    phase,
    component,
    image,
    stage,
    stages,
    step,
    steps,
    bytes,
    totalBytes,
    bytesPerSecond,
    sigma,
    width: across,
    height,
    share,
  } = event;
  const parts: LinePart[] = [{ text: phase.padEnd(8), rank: 9 }];
  if (component) parts.push({ text: component.padEnd(14), rank: 3 });
  if (image) parts.push({ text: `picture ${image + 1}`, rank: 5 });
  if (stage && stages && stages > 1) parts.push({ text: `stage ${stage}/${stages}`, rank: 4 });
  if (across && height) parts.push({ text: `${across}×${height}`, rank: 1 });
  const whole = share !== undefined && bytes === undefined;
  if (whole) parts.push({ bar: share, rank: 2 }, { text: `${Math.floor(100 * share)} %`, rank: 9 });
  if (step !== undefined && steps) {
    if (!whole) parts.push({ bar: step / steps, rank: 2 });
    parts.push({ text: `step ${step}/${steps}`, rank: 6 });
  }
  if (bytes !== undefined && totalBytes) {
    parts.push({ bar: bytes / totalBytes, rank: 2 });
    parts.push({ text: `${bytesText(bytes)} of ${bytesText(totalBytes)}`, rank: 8 });
    if (bytesPerSecond) parts.push({ text: `${bytesText(Math.round(bytesPerSecond))}/s`, rank: 1 });
  }
  if (sigma !== undefined) parts.push({ text: `σ ${sigma.toFixed(3)}`, rank: 0 });
  if (etaMs !== undefined && etaMs > 0) parts.push({ text: `ETA ${duration(etaMs)}`, rank: 7 });
  return fitted(parts, width);
}

/** A part of a line: a text, or a bar that shows a share. */
export type LinePart =
  & ({ readonly text: string } | { readonly bar: number })
  & { /** Parts of a low rank are left out first. */ readonly rank: number };

/** Characters of a bar, where there is room, and at least. */
const BAR = 24;
const LEAST_BAR = 6;

/** Parts with two blanks between, in at most so many characters: the bar gives way first, then what ranks lowest. */
export function fitted(parts: readonly LinePart[], width: number): string {
  const texts = parts.map((part) => "bar" in part ? barOf(part.bar, BAR) : part.text);
  const over = texts.join("  ").length - width;
  if (over <= 0) return texts.join("  ");
  const bar = parts.findIndex((part) => "bar" in part);
  if (bar >= 0 && BAR - over >= LEAST_BAR) {
    return texts.with(bar, barOf((parts[bar] as { bar: number }).bar, BAR - over)).join("  ");
  }
  if (parts.length === 1) return texts[0];
  const least = Math.min(...parts.map(({ rank }) => rank));
  return fitted(parts.toSpliced(parts.findIndex(({ rank }) => rank === least), 1), width);
}

function barOf(share: number, characters: number): string {
  const full = Math.floor(characters * Math.min(1, share));
  return "█".repeat(full) + "░".repeat(characters - full);
}

/** Milliseconds for people: `0.42 s`, `12.3 s`, `3 min 05 s`. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}
