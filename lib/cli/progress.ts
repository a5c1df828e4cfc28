/**
 * Progress as text: one line that rewrites itself on a terminal, plain lines elsewhere.
 *
 * @module
 */

import type { Progress } from "../pipelines/text_to_image.ts";
import { printable } from "./terminal.ts";

/** Where progress goes. */
export interface ProgressOutput {
  /** Whether lines can be rewritten. */
  readonly tty: boolean;
  /** Characters a line may have. */
  readonly columns: number;
  /** Writes text as it is. */
  write(text: string): void;
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
  private open = false;

  /**
   * @param output Where to.
   * @param now Clock in milliseconds.
   */
  constructor(
    private readonly output: ProgressOutput,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Shows one event. */
  show(event: Progress): void {
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
    // Names of components come from the model's files.
    const line = printable(progressLine(event, event.etaMs ?? this.estimate(event, now)));
    if (this.output.tty) {
      this.output.write(`\r\x1b[2K${line.slice(0, this.output.columns - 1)}`);
      this.open = true;
      return;
    }
    const last = event.step !== undefined && event.step === event.steps ||
      event.bytes !== undefined && event.bytes === event.totalBytes;
    if (fresh || last || now - this.shownAt >= PLAIN_INTERVAL_MS) {
      this.shownAt = now;
      this.output.write(`${line}\n`);
    }
  }

  /** Clears the line, so that what follows starts on a clean one. */
  end(): void {
    if (this.open) this.output.write("\r\x1b[2K");
    this.open = false;
  }

  /** Time left in this stage, from the mean step so far. */
  private estimate({ step, steps, bytes, totalBytes }: Progress, now: number): number | undefined {
    const [done, all] = [bytes ?? step, totalBytes ?? steps];
    return done && all ? (now - this.phaseStart) / done * (all - done) : undefined;
  }
}

/** One event as a line: phase, picture, stage with its size, bar, step, noise level, time left. */
export function progressLine(event: Progress, etaMs?: number): string {
  const { phase, component, image, stage, stages, step, steps, bytes, totalBytes, sigma, width, height } =
    event;
  const parts: string[] = [phase.padEnd(8)];
  if (component) parts.push(component.padEnd(14));
  if (image) parts.push(`picture ${image + 1}`);
  if (stage && stages && stages > 1) parts.push(`stage ${stage}/${stages}`);
  if (width && height) parts.push(`${width}×${height}`);
  if (step !== undefined && steps) {
    parts.push(barOf(step / steps), `step ${step}/${steps}`);
  }
  if (bytes !== undefined && totalBytes) {
    parts.push(barOf(bytes / totalBytes), `${gigabytes(bytes)}/${gigabytes(totalBytes)} GB`);
  }
  if (sigma !== undefined) parts.push(`σ ${sigma.toFixed(3)}`);
  if (etaMs !== undefined && etaMs > 0) parts.push(`ETA ${duration(etaMs)}`);
  return parts.join("  ");
}

function barOf(share: number): string {
  const full = Math.round(BAR * Math.min(1, share));
  return "█".repeat(full) + "░".repeat(BAR - full);
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(2);
}

/** Milliseconds for people: `0.42 s`, `12.3 s`, `3 min 05 s`. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}
