/**
 * How far a run is and how long it will take: steps are weighed by their work, since a step of a later
 * stage costs a multiple of an earlier one's.
 *
 * @module
 */

import { decimal } from "./language.ts";
import type { PlanSummary, WebProgress } from "./protocol.ts";

/** Steps that count for the pace: the last few, so that compiling before the first does not. */
const RECENT = 6;

/** Follows one picture. */
export class Estimate {
  private readonly paces: number[] = [];
  private last: { stage: number; step: number; at: number } | undefined;
  private done = 0;

  /**
   * @param plan Its stages.
   * @param decodeMs What decoding will take, when an earlier picture of this size showed it.
   */
  constructor(private readonly plan: PlanSummary, private readonly decodeMs: number = 0) {}

  /** Share of the denoising that is done, 0 … 1. */
  get fraction(): number {
    const all = this.plan.stages.reduce((sum, stage) => sum + stage.flops, 0);
    return all > 0 ? Math.min(1, this.done / all) : 0;
  }

  /** Takes an event in; gives the milliseconds left where they can be told. */
  note(event: WebProgress, now: number): number | undefined {
    if (event.phase !== "denoise" || event.stage === undefined || event.step === undefined) return undefined;
    const { stages } = this.plan;
    const stage = stages[event.stage - 1];
    if (!stage) return undefined;
    const { last } = this;
    const each = stage.flops / Math.max(1, stage.steps);
    // The run's first step is handed over without waiting: it shows no pace.
    const first = event.stage === 1 && last?.step === 0;
    if (last?.stage === event.stage && event.step > last.step && each > 0 && !first) {
      this.paces.push((now - last.at) / ((event.step - last.step) * each));
      if (this.paces.length > RECENT) this.paces.shift();
    }
    this.last = { stage: event.stage, step: event.step, at: now };
    const before = stages.slice(0, event.stage - 1).reduce((sum, { flops }) => sum + flops, 0);
    this.done = before + each * event.step;
    // One step alone may have been all compiling.
    if (this.paces.length < 2) return undefined;
    // Of two the smaller: the other one compiled.
    const pace = [...this.paces].sort((a, b) => a - b)[(this.paces.length - 1) >> 1];
    const left = stages.reduce((sum, { flops }) => sum + flops, 0) - this.done;
    // Steps are reported as they are handed over: the GPU is up to one behind.
    return (left + (event.step > 0 ? each : 0)) * pace + this.decodeMs;
  }
}

/** Milliseconds for people: `0.4 s`, `12 s`, `3 min 5 s`; no line breaks inside. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 9.95) return `${decimal(seconds, 1)}\u00a0s`;
  if (seconds < 59.5) return `${Math.round(seconds)}\u00a0s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}\u00a0min\u00a0${whole % 60}\u00a0s`;
}

/** Bytes for people: `14.7 MB`. */
export function size(bytes: number): string {
  if (bytes < 1e3) return `${bytes} bytes`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(0)} kB`;
  return bytes < 1e9 ? `${decimal(bytes / 1e6, 1)} MB` : `${decimal(bytes / 1e9, 2)} GB`;
}
