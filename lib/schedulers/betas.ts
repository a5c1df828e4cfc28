/**
 * Betas of diffusion models: the signal that is left and the noise level of every training step.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { SchedulerConfig } from "./config.ts";

const f32 = Math.fround;

/** Betas where a config has none. */
export interface BetaDefaults {
  /** First beta. */
  readonly start: number;
  /** Last beta. */
  readonly end: number;
  /** How they run in between. */
  readonly kind: "linear" | "scaled_linear";
}

/** Cumulated signal of a diffusion model: ᾱ of every training step, f32. */
export function alphasCumprod(
  c: SchedulerConfig,
  absent: BetaDefaults = { start: 0.0001, end: 0.02, kind: "linear" },
): Float32Array {
  const n = c.trainSteps;
  const kind = c.oneOf("beta_schedule", ["linear", "scaled_linear", "squaredcos_cap_v2", "exp"], absent.kind);
  const beta = (key: string, absent: number): number => c.range(key, absent, 1e-9, 0.1);
  const [start, end] = [beta("beta_start", absent.start), beta("beta_end", absent.end)];
  const zeroSnr = c.flag("rescale_betas_zero_snr", false);
  const trained = c.betas("trained_betas");
  let betas: number[];
  if (trained) {
    if (trained.length !== n) {
      throw new LssgenError(
        "bad_file",
        `trained_betas holds ${trained.length} values, num_train_timesteps is ${n}`,
      );
    }
    betas = trained.map(f32);
  } else if (kind === "squaredcos_cap_v2" || kind === "exp") {
    const bar = kind === "exp"
      ? (t: number): number => Math.exp(-12 * t)
      : (t: number): number => Math.cos((t + 0.008) / 1.008 * Math.PI / 2) ** 2;
    betas = Array.from({ length: n }, (_, i) => f32(Math.min(1 - bar((i + 1) / n) / bar(i / n), 0.999)));
  } else if (kind === "linear") betas = linspaceF32(start, end, n);
  else betas = linspaceF32(Math.sqrt(start), Math.sqrt(end), n).map((v) => f32(v * v));
  if (zeroSnr) betas = zeroTerminalSnr(betas);

  const out = new Float32Array(n);
  let product = 1; // the library accumulates in f64 and stores f32
  betas.forEach((beta, i) => out[i] = product *= f32(1 - beta));
  return out;
}

/** torch.linspace in f32: from either end to the middle. */
function linspaceF32(a: number, b: number, n: number): number[] {
  const [from, to] = [f32(a), f32(b)];
  const step = f32(f32(to - from) / (n - 1));
  return Array.from(
    { length: n },
    (_, i) => i < n / 2 ? f32(from + f32(step * i)) : f32(to - f32(step * (n - 1 - i))),
  );
}

/** Betas whose last step has no signal left. Source: Lin et al., arXiv 2305.08891, algorithm 1. */
function zeroTerminalSnr(betas: readonly number[]): number[] {
  let product = 1;
  const root = betas.map((beta) => f32(Math.sqrt(f32(product *= 1 - beta))));
  const [first, last] = [root[0], root[root.length - 1]];
  const squared = root.map((r) => f32(((r - last) * first / (first - last)) ** 2));
  return squared.map((s, i) => f32(1 - (i === 0 ? s : s / squared[i - 1])));
}

/** √((1 − ᾱ)/ᾱ), the noise level where signal is left alone; f32. */
export function sigmaOf(alphaCumprod: number): number {
  return f32(Math.sqrt(f32(f32(1 - alphaCumprod) / alphaCumprod)));
}

/** Table of σ over training steps, read between its points. */
export function interpolate(table: ArrayLike<number>, t: number): number {
  const last = table.length - 1;
  if (t <= 0) return table[0];
  if (t >= last) return table[last];
  const i = Math.floor(t);
  return table[i] + (table[i + 1] - table[i]) * (t - i);
}

/** The (fractional) training step of a noise level: linear in log σ. */
export function timestepOf(table: ArrayLike<number>, sigma: number): number {
  const level = Math.log(Math.max(sigma, 1e-10));
  const log = (i: number): number => f32(Math.log(table[i]));
  let low = 0;
  while (low < table.length - 2 && log(low + 1) <= level) low++;
  const w = Math.min(1, Math.max(0, (log(low) - level) / (log(low) - log(low + 1))));
  return (1 - w) * low + w * (low + 1);
}
