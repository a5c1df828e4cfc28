/**
 * LoKr: W' = W + s · W₁ ⊗ W₂, either factor whole or a product of low rank, W₂ with a core of Tucker's where there is one.
 *
 * Source: arXiv 2309.14859; names and layouts as in LyCORIS and PEFT.
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

/** A factor: a matrix, or two of low rank with or without a core. */
export type KroneckerFactor = Matrix | {
  /** [rows, rank]; with a core [rank, rows]. */
  readonly up: Matrix;
  /** [rank, width]. */
  readonly down: Matrix;
  /** [rank, rank, kernel]. */
  readonly core: Matrix | undefined;
};

/** A Kronecker product. */
export class Kronecker implements Change {
  readonly whole = false;

  /** @param left W₁ [a, b]. @param right W₂ [c, d · kernel]. */
  constructor(
    private readonly left: KroneckerFactor,
    private readonly right: KroneckerFactor,
    private readonly scaling: Scaling,
  ) {}

  /** Why a factor's matrices do not fit together, or undefined where they do. */
  static misfit(factor: KroneckerFactor): string | undefined {
    if (!("up" in factor)) return undefined;
    const { up, down, core } = factor;
    const fits = down.rows > 0 && (core ? up.rows : up.width) === down.rows &&
      (!core || (core.rows === down.rows && core.shape[1] === down.rows));
    return fits ? undefined : `${up}${core ? `, ${core}` : ""} and ${down} do not fit together`;
  }

  get rows(): number {
    return sizesOf(this.left).rows * sizesOf(this.right).rows;
  }

  get width(): number {
    return sizesOf(this.left).width * sizesOf(this.right).width;
  }

  async apply({ weight, rows, width }: Place): Promise<void> {
    const [left, right] = [await read(this.left), await read(this.right)];
    const { width: columns } = sizesOf(this.left);
    const { rows: under, width: inner } = sizesOf(this.right);
    const factor = this.scaling.trained * this.scaling.strength;
    rows.forEach((row, n) => {
      const [i, k] = [Math.floor(row / under), row % under];
      for (let j = 0; j < columns; j++) {
        const c = factor * left[i * columns + j];
        if (c === 0) continue;
        const to = n * width + j * inner;
        for (let l = 0; l < inner; l++) weight[to + l] += c * right[k * inner + l];
      }
    });
  }
}

function sizesOf(factor: KroneckerFactor): { rows: number; width: number } {
  if (!("up" in factor)) return factor;
  const { up, down, core } = factor;
  return { rows: core ? up.width : up.rows, width: down.width * kernelOf(core) };
}

/** The factor multiplied out, [rows, width]. */
async function read(factor: KroneckerFactor): Promise<Float32Array<ArrayBuffer> | Float64Array> {
  if (!("up" in factor)) return await factor.read();
  const { up, down, core } = factor;
  const { rows, width } = sizesOf(factor);
  const rank = down.rows;
  let [a, b] = [await down.read(), await up.read()];
  if (core) {
    a = coreTimesFactor(await core.read(), a, { i: rank, j: rank, n: down.width, kernel: kernelOf(core) });
    b = transposed(b, up.rows, up.width);
  }
  const out = new Float64Array(rows * width);
  for (let n = 0; n < rows; n++) {
    const row = out.subarray(n * width, (n + 1) * width);
    addProduct(row, b.subarray(n * rank, (n + 1) * rank), a, { rank, width, factor: 1 });
  }
  return out;
}
