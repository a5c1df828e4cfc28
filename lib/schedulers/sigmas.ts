/**
 * Spacings of noise levels between the two ends of a schedule, and betas of diffusion models.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { SchedulerConfig } from "./config.ts";

const f32 = Math.fround;

/** n values from a to b as numpy spaces them. */
export function linspace(a: number, b: number, n: number): number[] {
  if (n === 1) return [a];
  const step = (b - a) / (n - 1);
  return Array.from({ length: n }, (_, i) => i === n - 1 ? b : a + i * step);
}

/** Rounds halves to even, as numpy does. */
export function roundEven(v: number): number {
  const r = Math.round(v);
  return r - v === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

/** How the levels between the ends are spaced. */
export type Spacing = "karras" | "exponential" | "beta" | "lu" | "kl_optimal" | "linear_quadratic";

/** Spacings that diffusers knows, and its options for them. */
const FLAGS: Readonly<Partial<Record<Spacing, string>>> = {
  karras: "use_karras_sigmas",
  lu: "use_lu_lambdas",
  exponential: "use_exponential_sigmas",
  beta: "use_beta_sigmas",
};

/**
 * The spacing that a config asks for, by use_…_sigmas or by our own `lssgen_schedule`.
 *
 * @param known What the class has; the others' options mean nothing to it, as in diffusers.
 */
export function spacingOf(
  c: SchedulerConfig,
  known: readonly Spacing[] = ["karras", "exponential", "beta"],
): Spacing | undefined {
  const asked = known.filter((k) => FLAGS[k] && c.flag(FLAGS[k], false, true));
  if (asked.length > 1) c.expect(FLAGS[asked[1]]!, false);
  const own = scheduleOf(c);
  return own === "kl_optimal" || own === "linear_quadratic" ? own : asked[0];
}

/** Schedules beyond those of diffusers, as ComfyUI and stable-diffusion.cpp name them. */
export type OwnSchedule =
  | "normal"
  | "simple"
  | "sgm_uniform"
  | "ddim_uniform"
  | "kl_optimal"
  | "linear_quadratic";

const OWN: readonly (OwnSchedule | "none")[] = [
  "none",
  "normal",
  "simple",
  "sgm_uniform",
  "ddim_uniform",
  "kl_optimal",
  "linear_quadratic",
];

/** The schedule that a config's `lssgen_schedule` names; not an option of diffusers. */
export function scheduleOf(c: SchedulerConfig): OwnSchedule | undefined {
  const own = c.oneOf("lssgen_schedule", OWN, "none");
  return own === "none" ? undefined : own;
}

/**
 * Levels from `max` to `min`, both > 0.
 *
 * Source: Karras et al., arXiv 2206.00364, eq. 5 (ρ = 7); Lee et al., arXiv 2407.12173 (α = β = 0.6); Lu et al., arXiv
 * 2211.01095 (even in λ); Sabour et al., arXiv 2404.14507, theorem 3.1 (even in arctan σ). `linear_quadratic` is that of
 * Genmo's Mochi: the first half falls by 2.5 % in even steps, the rest as a parabola.
 */
export function spaced(spacing: Spacing, max: number, min: number, n: number): number[] {
  switch (spacing) {
    case "karras": {
      const [a, b] = [max ** (1 / 7), min ** (1 / 7)];
      return linspace(0, 1, n).map((ramp) => (a + ramp * (b - a)) ** 7);
    }
    case "exponential":
    case "lu":
      return linspace(Math.log(max), Math.log(min), n).map(Math.exp);
    case "kl_optimal":
      return linspace(Math.atan(max), Math.atan(min), n).map(Math.tan);
    case "linear_quadratic":
      return linearQuadratic(n).map((share) => share * max);
    case "beta":
      return linspace(0, 1, n).map((ramp) => min + betaQuantile(1 - ramp) * (max - min));
  }
}

/** Fall of the first half of a linear-quadratic schedule. */
const LINEAR_FALL = 0.025;

/** From 1 towards 0, which would come next. */
function linearQuadratic(n: number): number[] {
  if (n < 2) return Array(n).fill(1);
  const linear = Math.floor(n / 2);
  const quadratic = n - linear;
  const rest = linear - LINEAR_FALL * n;
  const square = rest / (linear * quadratic ** 2);
  const slope = LINEAR_FALL / linear - 2 * rest / quadratic ** 2;
  return Array.from(
    { length: n },
    (_, i) => 1 - (i < linear ? i * LINEAR_FALL / linear : square * i * i + slope * i + square * linear ** 2),
  );
}

const SHAPE = 0.6;

/** Quantile of the Beta(0.6, 0.6) distribution, by bisection. Source: DLMF 8.17. */
function betaQuantile(p: number): number {
  if (p <= 0 || p >= 1) return Math.min(1, Math.max(0, p));
  if (p > 0.5) return 1 - betaQuantile(1 - p); // symmetric
  let [low, high] = [0, 0.5];
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (betaShare(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Regularised incomplete beta function I_x(0.6, 0.6) for x in [0, ½], by its power series; I_½ = ½ fixes the factor. */
function betaShare(x: number): number {
  return 0.5 * betaSeries(x) / betaSeries(0.5);
}

/** x^a · Σ (1 − b)ₖ xᵏ / (k! (a + k)), the incomplete beta function itself. */
function betaSeries(x: number): number {
  let [term, sum] = [1, 1 / SHAPE];
  for (let k = 1; k < 100; k++) {
    term *= (k - SHAPE) * x / k;
    sum += term / (SHAPE + k);
  }
  return x ** SHAPE * sum;
}

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
