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
const BAR = 24;

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
    const line = progressLine(
      event,
      event.etaMs ?? (event.share === undefined ? this.estimate(event, now) : undefined),
    );
    if (this.output.tty) return this.line.show(line);
    const last = event.step !== undefined && event.step === event.steps ||
      event.bytes !== undefined && event.bytes === event.totalBytes;
    if (fresh || last || now - this.shownAt >= PLAIN_INTERVAL_MS) {
      this.shownAt = now;
      this.output.write(`${printable(line)}\n`);
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

/** One event as a line: phase, picture, stage with its size, step, bar of the whole, noise level, time left. */
export function progressLine(event: Progress, etaMs?: number): string {
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
    width,
    height,
    share,
  } = event;
  const parts: string[] = [phase.padEnd(8)];
  if (component) parts.push(component.padEnd(14));
  if (image) parts.push(`picture ${image + 1}`);
  if (stage && stages && stages > 1) parts.push(`stage ${stage}/${stages}`);
  if (width && height) parts.push(`${width}×${height}`);
  const whole = share !== undefined && bytes === undefined;
  if (whole) parts.push(barOf(share), `${Math.floor(100 * share)} %`);
  if (step !== undefined && steps) parts.push(...whole ? [] : [barOf(step / steps)], `step ${step}/${steps}`);
  if (bytes !== undefined && totalBytes) {
    parts.push(barOf(bytes / totalBytes), `${bytesText(bytes)} of ${bytesText(totalBytes)}`);
    if (bytesPerSecond) parts.push(`${bytesText(Math.round(bytesPerSecond))}/s`);
  }
  if (sigma !== undefined) parts.push(`σ ${sigma.toFixed(3)}`);
  if (etaMs !== undefined && etaMs > 0) parts.push(`ETA ${duration(etaMs)}`);
  return parts.join("  ");
}

function barOf(share: number): string {
  const full = Math.round(BAR * Math.min(1, share));
  return "█".repeat(full) + "░".repeat(BAR - full);
}

/** Milliseconds for people: `0.42 s`, `12.3 s`, `3 min 05 s`. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}
