/**
 * How much of a whole run is done and how long the rest takes: all stages and the decoding of all its pictures, weighed by
 * their FLOPs, since a step of a later stage costs a multiple of an earlier one's.
 *
 * @module
 */

import type { Plan } from "../scaling/types.ts";
import type { Progress } from "./types.ts";

/** Steps that count for the pace: the last few. */
const RECENT = 6;

/** Adds `share` and `etaMs` to the events of a run. */
export class WholeProgress {
  private readonly stageFlops: readonly number[];
  private readonly decodeFlops: number;
  private readonly pictureFlops: number;
  /** Milliseconds a FLOP of the last steps. */
  private readonly paces: number[] = [];
  private last: { readonly key: string; readonly step: number; readonly at: number } | undefined;
  private decodeBegan: number | undefined;
  private decodeMs: number | undefined;

  /**
   * @param plan Of each picture.
   * @param pictures How many.
   * @param now Clock in milliseconds.
   */
  constructor(
    plan: Plan,
    private readonly pictures: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.stageFlops = plan.stages.map(({ flops, tokens, steps }) => flops ?? tokens * steps.length);
    this.decodeFlops = plan.decodeFlops ?? 0;
    this.pictureFlops = this.stageFlops.reduce((sum, flops) => sum + flops, 0) + this.decodeFlops || 1;
  }

  /** The event with what is known of the whole. Loading and reading the prompt are not measured in FLOPs: they come before. */
  note(event: Progress): Progress {
    const { phase, image = 0, stage = 1, step = 0, steps = 0 } = event;
    const now = this.now();
    if (this.decodeBegan !== undefined && phase !== "decode") {
      this.decodeMs = now - this.decodeBegan;
      this.decodeBegan = undefined;
    }
    if (phase === "load" || phase === "encode") return { ...event, share: 0 };
    const before = this.stageFlops.slice(0, stage - 1).reduce((sum, flops) => sum + flops, 0);
    const flops = this.stageFlops[stage - 1] ?? 0;
    if (phase === "denoise" && steps > 0) this.measure(`${image} ${stage}`, step, flops / steps, now);
    if (phase === "decode") this.decodeBegan = now;
    const denoised = phase === "decode"
      ? this.pictureFlops - this.decodeFlops
      : before + (phase === "denoise" && steps > 0 ? flops * step / steps : 0);
    const done = image * this.pictureFlops + denoised;
    const etaMs = this.left(done, this.pictures - image);
    return {
      ...event,
      share: Math.min(1, done / (this.pictures * this.pictureFlops)),
      ...etaMs !== undefined && { etaMs },
    };
  }

  private measure(key: string, step: number, each: number, now: number): void {
    const { last } = this;
    // A stage's first step compiles, and what it is handed over after is no step.
    if (last?.key === key && step > last.step && last.step > 0 && each > 0) {
      this.paces.push((now - last.at) / ((step - last.step) * each));
      if (this.paces.length > RECENT) this.paces.shift();
    } else if (last?.key === key && last.step === step) return; // the same step, with a preview
    this.last = { key, step, at: now };
  }

  /** Milliseconds of the work that is left; undefined before two steps were seen. */
  private left(done: number, decodes: number): number | undefined {
    if (this.paces.length === 0) return undefined;
    const pace = [...this.paces].sort((a, b) => a - b)[this.paces.length >> 1];
    const flops = this.pictures * this.pictureFlops - done;
    if (this.decodeMs === undefined) return flops * pace;
    return Math.max(0, flops - decodes * this.decodeFlops) * pace + decodes * this.decodeMs;
  }
}
