/**
 * UniPC: a multistep predictor, and a corrector that costs no further call, since it uses the network's answer at the
 * predicted latents.
 *
 * Source: Zhao et al., arXiv 2302.04867, algorithms 1 and 2; diffusers UniPCMultistepScheduler.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { SchedulerConfig } from "./config.ts";
import { type Noising } from "./noising.ts";
import { halfLogSnr } from "./diffusion_noising.ts";
import { call, type Solver } from "./solver.ts";
import { LATENTS, slotTerms, sumTerms } from "./terms.ts";
import type { Scheduler, Terms } from "./types.ts";
import { vpScheduler } from "./vp_scheduler.ts";

/** What UniPC can be asked for. */
export interface UniPcOptions {
  /** 1 … 5. */
  readonly order: number;
  /** B(h) = h ("bh1") or e^h − 1 ("bh2"). */
  readonly exponential: boolean;
  /** Whether the clean latents are integrated, or the noise. */
  readonly predictX0: boolean;
  /** Lower order in the last steps. */
  readonly lowerFinal: boolean;
  /** Steps, from 0, after which nothing is corrected. */
  readonly uncorrected: readonly number[];
}

/** Solves a small dense system by elimination with pivots. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]]);
  const n = rows.length;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let i = column + 1; i < n; i++) {
      if (Math.abs(rows[i][column]) > Math.abs(rows[pivot][column])) pivot = i;
    }
    [rows[column], rows[pivot]] = [rows[pivot], rows[column]];
    for (let i = 0; i < n; i++) {
      if (i === column) continue;
      const factor = rows[i][column] / rows[column][column];
      for (let j = column; j <= n; j++) rows[i][j] -= factor * rows[column][j];
    }
  }
  return rows.map((row, i) => row[n] / row[i]);
}

/** The solver. */
export function uniPc(o: UniPcOptions): Solver {
  // Predictions take turns in the first slots; then the corrected latents of the step before.
  const corrected = o.order;

  /** From level `from` to `to`, given the newest prediction first, and with a corrector the one at `to`. */
  function integrate(
    noising: Noising,
    sigmas: readonly number[],
    from: number,
    latents: Terms,
    predictions: readonly Terms[],
    atEnd?: Terms,
  ): Terms {
    const order = predictions.length;
    const [a, b] = [noising.mix(sigmas[from]), noising.mix(sigmas[from + 1])];
    const lambda = (index: number): number => halfLogSnr(noising.mix(sigmas[index]));
    const h = lambda(from + 1) - lambda(from);
    const signed = o.predictX0 ? -h : h;
    const phi1 = Math.expm1(signed);
    const [keep, scale] = o.predictX0 ? [b.noise / a.noise, b.signal] : [b.signal / a.signal, b.noise];
    // b.noise · (e^h − 1), finite where h is not.
    const own = o.predictX0 ? -scale * phi1 : b.noise - b.signal * a.noise / a.signal;
    const parts: (readonly [number, Terms])[] = [[keep, latents], [own, predictions[0]]];
    if (order > 1 || atEnd) {
      const growth = o.exponential ? phi1 : signed;
      const points = predictions.slice(1).map((_, i) => (lambda(from - 1 - i) - lambda(from)) / h);
      const all = [...points, 1];
      const matrix = all.map((_, power) => all.map((r) => r ** power));
      const right: number[] = [];
      let [phi, factorial] = [phi1 / signed - 1, 1];
      for (let i = 1; i <= order; i++) {
        right.push(phi * factorial / growth);
        factorial *= i + 1;
        phi = phi / signed - 1 / factorial;
      }
      const weights = atEnd
        ? order === 1 ? [0.5] : solve(matrix, right)
        : order === 2
        ? [0.5]
        : solve(matrix.slice(0, -1).map((row) => row.slice(0, -1)), right.slice(0, -1));
      const targets = atEnd ? [...predictions.slice(1), atEnd] : predictions.slice(1);
      for (const [i, target] of targets.entries()) {
        const factor = -scale * growth * weights[i] / all[i];
        parts.push([factor, target], [-factor, predictions[0]]);
      }
    }
    return sumTerms(parts);
  }

  return {
    calls: 1,
    steps(s, begin, noising) {
      const n = s.timesteps.length;
      let orderBefore = 0;
      return s.timesteps.slice(begin).map((_, k) => {
        const index = begin + k;
        const common = call(s, index, s.sigmas[index], noising);
        const predicted = o.predictX0 ? common.x0 : noising.noise(s.sigmas[index]);
        const before = (back: number): Terms => slotTerms((k - back) % o.order);
        const latents = k > 0 && !o.uncorrected.includes(index - 1)
          ? integrate(
            noising,
            s.sigmas,
            index - 1,
            slotTerms(corrected),
            Array.from({ length: orderBefore }, (_, i) => before(1 + i)),
            predicted,
          )
          : LATENTS;
        const final = s.sigmas[index + 1] === 0 ? 1 : o.lowerFinal ? n - index : o.order;
        const order = Math.min(o.order, final, k + 1);
        orderBefore = order;
        const history = [predicted, ...Array.from({ length: order - 1 }, (_, i) => before(1 + i))];
        return {
          ...common,
          next: integrate(noising, s.sigmas, index, latents, history),
          store: index === n - 1 ? undefined : [
            { slot: k % o.order, terms: predicted },
            { slot: corrected, terms: latents },
          ],
        };
      });
    },
  };
}

/** Makes the scheduler. */
export function uniPcMultistep(c: SchedulerConfig): Scheduler {
  const name = "UniPCMultistepScheduler";
  c.refuse("thresholding", "solver_p");
  if (!c.flag("use_flow_sigmas", false) && c.range("shift_terminal", 0, 0, 0.999, true) !== 0) {
    throw new LssgenError("unsupported", `${name}: shift_terminal needs use_flow_sigmas`);
  }
  const solver = uniPc({
    order: c.wholeNumber("solver_order", 2, 1, 5),
    exponential: c.oneOf("solver_type", ["bh1", "bh2", "midpoint", "heun", "logrho"], "bh2") !== "bh1",
    predictX0: c.flag("predict_x0", true),
    lowerFinal: c.flag("lower_order_final", true),
    uncorrected: c.indices("disable_corrector"),
  });
  return vpScheduler(c, { name, solver, flow: "unipc", end: "config" });
}
