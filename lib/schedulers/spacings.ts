/**
 * Spacings of noise levels between the two ends of a schedule.
 *
 * @module
 */

import type { SchedulerConfig } from "./config.ts";
import { linspace } from "./sigmas.ts";

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

/** The noise levels of a schedule by its name, on flow models before their shift; undefined for the others. */
export function namedLevels(
  own: OwnSchedule | undefined,
  steps: number,
  train: number,
): number[] | undefined {
  const all = Array.from({ length: steps }, (_, i) => i);
  switch (own) {
    case "normal":
      return linspace(1, 1 / train, steps);
    case "simple":
      return all.map((i) => 1 - Math.floor(i * train / steps) / train);
    case "sgm_uniform":
      return linspace(1, 1 / train, steps + 1).slice(0, -1);
    case "ddim_uniform":
      return all.map((i) => Math.min(1, (1 + (steps - 1 - i) * Math.floor(train / steps)) / train));
    default:
      return undefined;
  }
}
