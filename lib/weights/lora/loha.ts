/**
 * LoHa: W' = W + s · (B₁·A₁) ⊙ (B₂·A₂), for convolutions each factor with a core of Tucker's where there is one.
 *
 * Source: arXiv 2108.06098; names and layouts as in LyCORIS and PEFT.
 *
 * @module
 */

import {
  addProduct,
  type Change,
  coreTimesFactor,
  type Matrix,
  type Place,
  type Scaling,
  transposed,
} from "./change.ts";
import { kernelOf } from "./low_rank.ts";

/** One of the two factors of low rank. */
export interface Factor {
  /** [out, rank]; with a core [rank, out]. */
  readonly up: Matrix;
  /** [rank, in · kernel]; with a core [rank, in]. */
  readonly down: Matrix;
  /** [rank, rank, kernel]. */
  readonly core: Matrix | undefined;
}

/** The elementwise product of two products of low rank. */
export class Hadamard implements Change {
  readonly whole = false;

  constructor(private readonly factors: readonly [Factor, Factor], private readonly scaling: Scaling) {}

  /** Why the factors do not fit together, or undefined where they do. */
  static misfit(factors: readonly [Factor, Factor]): string | undefined {
    const [one, two] = factors.map(sizesOf);
    for (const [i, { up, down, core }] of factors.entries()) {
      const { rank, upRank } = [one, two][i];
      if (rank > 0 && rank === upRank && (!core || (core.rows === rank && core.shape[1] === rank))) continue;
      return `${up}${core ? `, ${core}` : ""} and ${down} do not fit together`;
    }
    if (one.out === two.out && one.width === two.width) return undefined;
    return `its factors are [${one.out}, ${one.width}] and [${two.out}, ${two.width}], expected equal shapes`;
  }

  get rows(): number {
    return sizesOf(this.factors[0]).out;
  }

  get width(): number {
    return sizesOf(this.factors[0]).width;
  }

  async apply({ weight, rows, width }: Place): Promise<void> {
    const [one, two] = await Promise.all(this.factors.map(read));
    const factor = this.scaling.trained * this.scaling.strength;
    const p = new Float64Array(width);
    const q = new Float64Array(width);
    rows.forEach((row, n) => {
      for (const [{ a, b, rank }, out] of [[one, p], [two, q]] as const) {
        out.fill(0);
        addProduct(out, b.subarray(row * rank, (row + 1) * rank), a, { rank, width, factor: 1 });
      }
      for (let k = 0; k < width; k++) weight[n * width + k] += factor * p[k] * q[k];
    });
  }
}

function sizesOf({ up, down, core }: Factor): { out: number; width: number; rank: number; upRank: number } {
  return {
    out: core ? up.width : up.rows,
    upRank: core ? up.rows : up.width,
    width: down.width * kernelOf(core),
    rank: down.rows,
  };
}

/** b [out, rank] and a [rank, width]. */
async function read(
  factor: Factor,
): Promise<{ a: Float32Array<ArrayBuffer>; b: Float32Array<ArrayBuffer>; rank: number }> {
  const { up, down, core } = factor;
  const { rank } = sizesOf(factor);
  const [a, b] = [await down.read(), await up.read()];
  if (!core) return { a, b, rank };
  const sizes = { i: rank, j: rank, n: down.width, kernel: kernelOf(core) };
  return { a: coreTimesFactor(await core.read(), a, sizes), b: transposed(b, up.rows, up.width), rank };
}
