/**
 * Plans: which stages, sizes, steps and noise levels, and what they cost. Pure numbers, no GPU.
 *
 * Source: LSSGen, arXiv 2507.16154, Algorithm 1, and the behaviour of its reference implementation.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Schedule } from "../schedulers/types.ts";
import { methodOf } from "./methods/registry.ts";
import type { Plan, PlanRequest, Stage } from "./types.ts";

/**
 * Plans a run.
 *
 * @throws {LssgenError} `bad_option` for an option out of range, an unknown method, or a size that the
 *   model cannot make.
 */
export function planStages(request: PlanRequest): Plan {
  checkRequest(request);
  return methodOf(request.method ?? "lssgen").plan(request);
}

/** A latent size and its pixels. */
export interface StageSize {
  /** Latent pixels. */
  readonly latentWidth: number;
  /** Latent pixels. */
  readonly latentHeight: number;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/**
 * Sizes of the stages, smallest first; each is double the one before. With F = 2^count the last is the
 * largest multiple of F · patch latent pixels within the request.
 */
export function stageSizes(r: PlanRequest, count: number, warnings: string[]): StageSize[] {
  const unit = 2 ** count * r.patch;
  const last = (pixels: number) => unit * Math.floor(pixels / (unit * r.vaeFactor));
  const [w, h] = [last(r.width), last(r.height)];
  if (w === 0 || h === 0) {
    throw new LssgenError("bad_option", `Size ${r.width} × ${r.height} is too small: expected at least ${unit * r.vaeFactor} pixels a side`);
  }
  if (w * r.vaeFactor !== r.width || h * r.vaeFactor !== r.height) {
    const message = `Size ${r.width} × ${r.height} does not divide by ${unit * r.vaeFactor}`;
    if (!r.roundsSizes) {
      throw new LssgenError("bad_option", `${message}, which ${count + 1} stages need; try ${w * r.vaeFactor} × ${h * r.vaeFactor}`);
    }
    warnings.push(`${message}: made ${w * r.vaeFactor} × ${h * r.vaeFactor}`);
  }
  return Array.from({ length: count + 1 }, (_, i) => {
    const f = 2 ** (count - i);
    const [latentWidth, latentHeight] = [w / f, h / f];
    return { latentWidth, latentHeight, width: latentWidth * r.vaeFactor, height: latentHeight * r.vaeFactor };
  });
}

/** Image tokens of a size. */
export function tokensOf(r: PlanRequest, size: StageSize): number {
  return size.latentWidth * size.latentHeight / r.patch ** 2;
}

/** The scheduler's noise levels for a stage of this size. */
export function scheduleFor(r: PlanRequest, size: StageSize, steps: number): Schedule {
  return r.scheduler.schedule(steps, { imageSeqLen: tokensOf(r, size), ownRange: r.ownRange });
}

/** Steps of a stage, fewer below the base resolution when the request shortens. */
export function stepsOf(r: PlanRequest, size: StageSize, warnings: string[]): number {
  if (!r.shortenSteps) return r.steps;
  const base = r.baseResolution ?? 1024;
  const ratio = (base / size.width) * (base / size.height);
  const steps = r.paperShortening
    ? Math.floor(r.steps / Math.max(1, Math.floor(base / Math.min(size.width, size.height))))
    : Math.floor(r.steps / Math.max(1, Math.log2(Math.max(2, ratio))));
  if (steps < 1) {
    warnings.push(`${r.steps} steps shortened to none at ${size.width} × ${size.height}: 1 is made`);
    return 1;
  }
  return steps;
}

/** Index at which a later stage enters its schedule, and the schedule (which `exact` changes). */
export function enter(r: PlanRequest, schedule: Schedule): { schedule: Schedule; index: number } {
  const level = r.initNoise ?? 0.75;
  const n = schedule.timesteps.length;
  const rule = r.entry ?? "reference";
  if (r.scheduler.kind === "flow") {
    if (rule === "exact") return r.scheduler.insert!(schedule, level);
    if (rule === "reference") {
      // The smallest timestep that is not below the level; equality counts.
      const below = schedule.timesteps.findIndex((t) => t < level * 1000);
      return { schedule, index: Math.max(0, (below === -1 ? n : below) - 1) };
    }
    const index = schedule.timesteps.findIndex((t) => t <= level * 1000);
    return { schedule, index: index === -1 ? n - 1 : index };
  }
  if (rule === "reference") {
    // As image-to-image does it: by count, not by value.
    const keep = Math.min(Math.floor(r.steps * level), n);
    const index = Math.max(0, r.steps - keep);
    if (index >= n) throw new LssgenError("bad_option", `initNoise ${level} leaves none of ${r.steps} steps to a later stage; raise it or use more steps`);
    return { schedule, index };
  }
  const index = schedule.timesteps.findIndex((_, i) => schedule.sigmas[i] / (1 + schedule.sigmas[i]) <= level);
  return { schedule, index: index === -1 ? n - 1 : index };
}

/** A stage record with its cost. */
export function makeStage(
  r: PlanRequest,
  size: StageSize,
  stage: Pick<Stage, "index" | "schedule" | "begin" | "end" | "boundary">,
): Stage {
  const calls = stage.end - stage.begin;
  return {
    ...size,
    ...stage,
    tokens: tokensOf(r, size),
    flops: calls * (r.denoiserFlops?.(size.latentHeight, size.latentWidth) ?? 0),
  };
}

/** A plan with its totals; the saving is against direct generation with the request's own steps. */
export function makePlan(r: PlanRequest, method: string, stages: readonly Stage[], warnings: readonly string[]): Plan {
  const last = stages[stages.length - 1];
  const flops = stages.reduce((sum, s) => sum + s.flops, 0);
  const directFlops = r.steps * (r.denoiserFlops?.(last.latentHeight, last.latentWidth) ?? 0);
  return {
    method,
    stages,
    calls: stages.reduce((sum, s) => sum + s.end - s.begin, 0),
    flops,
    directFlops,
    saving: flops > 0 ? directFlops / flops : 1,
    warnings,
  };
}

/** A plan as a table for people. */
export function formatPlan(plan: Plan): string {
  const head = ["stage", "pixels", "latent", "tokens", "steps", "noise levels", "GFLOP"];
  const rows = plan.stages.map((s) => {
    const levels = s.schedule.sigmas.slice(s.begin, s.end + 1);
    return [
      String(s.index + 1),
      `${s.width}×${s.height}`,
      `${s.latentWidth}×${s.latentHeight}`,
      String(s.tokens),
      s.begin === 0 && s.end === s.schedule.timesteps.length
        ? String(s.end)
        : `${s.end - s.begin} of ${s.schedule.timesteps.length}`,
      `${levels[0].toFixed(3)} → ${levels[levels.length - 1].toFixed(3)}`,
      s.flops > 0 ? (s.flops / 1e9).toFixed(1) : "?",
    ];
  });
  const widths = head.map((_, c) => Math.max(...[head, ...rows].map((row) => row[c].length)));
  const line = (row: string[]) => row.map((cell, c) => cell.padEnd(widths[c])).join("  ").trimEnd();
  const total = plan.flops > 0
    ? `${plan.method}: ${plan.calls} denoiser calls, ${(plan.flops / 1e12).toFixed(3)} TFLOP, ${
      plan.saving.toFixed(2)
    }× fewer than direct generation (${(plan.directFlops / 1e12).toFixed(3)})`
    : `${plan.method}: ${plan.calls} denoiser calls`;
  return [line(head), ...rows.map(line), total, ...plan.warnings.map((w) => `warning: ${w}`)].join("\n");
}

function checkRequest(r: PlanRequest): void {
  const bad = (what: string): LssgenError => new LssgenError("bad_option", what);
  for (const key of ["width", "height", "steps"] as const) {
    if (!(Number.isInteger(r[key]) && r[key] >= 1)) throw bad(`${key} is ${r[key]}, expected a whole number from 1`);
  }
  const level = r.initNoise ?? 0.75;
  if (!(level > 0 && level <= 1)) throw bad(`initNoise is ${level}, expected more than 0 and at most 1 (1 is direct generation), try 0.75`);
  const min = r.minResolution ?? 512;
  if (!(Number.isFinite(min) && min >= 1)) throw bad(`minResolution is ${min}, expected a number of pixels from 1`);
  if (r.entry === "noiseLevel" && r.scheduler.kind === "flow") {
    throw bad(`entry "noiseLevel" is for diffusion schedulers; for ${r.scheduler.name} use reference, atMost or exact`);
  }
  if ((r.entry === "exact" || r.entry === "atMost") && r.scheduler.kind !== "flow") {
    throw bad(`entry "${r.entry}" is for flow models; for ${r.scheduler.name} use reference or noiseLevel`);
  }
}
