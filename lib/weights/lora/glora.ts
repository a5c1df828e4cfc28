/**
 * GLoRA: W' = W + s · (W·A + B), A and B of low rank. A works on input channels.
 *
 * Source: arXiv 2306.07967; the two orders of the matrices as LyCORIS wrote them before and after version 2.
 *
 * @module
 */

import { addProduct, type Change, type Matrix, type Place, type Scaling } from "./change.ts";

/** Four matrices: A = first · second over input channels, B likewise. */
export interface GloraMatrices {
  /** [in, rank] and [rank, in]. */
  readonly a: readonly [Matrix, Matrix];
  /** [out, rank] and [rank, in · kernel]. */
  readonly b: readonly [Matrix, Matrix];
}

/** A change that depends on the weight itself. */
export class Glora implements Change {
  readonly whole = false;

  constructor(private readonly matrices: GloraMatrices, private readonly scaling: Scaling) {}

  /** The matrices in the order in which they are multiplied, or undefined where they fit in none. */
  static ordered(a1: Matrix, a2: Matrix, b1: Matrix, b2: Matrix): GloraMatrices | undefined {
    const candidates: GloraMatrices[] = [{ a: [a1, a2], b: [b1, b2] }, { a: [a2, a1], b: [b2, b1] }];
    const fitting = candidates.filter(({ a, b }) =>
      a[0].width === a[1].rows && b[0].width === b[1].rows && a[0].rows === a[1].width &&
      a[1].rows === b[1].rows
    );
    // Of a square layer both orders can be multiplied: the inner size is the rank, so the smaller one.
    return fitting.sort((x, y) => x.a[1].rows - y.a[1].rows)[0];
  }

  get rows(): number {
    return this.matrices.b[0].rows;
  }

  get width(): number {
    return this.matrices.b[1].width;
  }

  /** Input channels that A works on. */
  get channels(): number {
    return this.matrices.a[0].rows;
  }

  async apply({ weight, rows, width, kernel }: Place): Promise<void> {
    const { a, b } = this.matrices;
    const [a1, a2, b1, b2] = await Promise.all([...a, ...b].map((m) => m.read()));
    const rank = a[1].rows;
    const channels = this.channels;
    const factor = this.scaling.trained * this.scaling.strength;
    rows.forEach((row, n) => {
      const w = weight.subarray(n * width, (n + 1) * width);
      const change = new Float64Array(width);
      addProduct(change, b1.subarray(row * rank, (row + 1) * rank), b2, { rank, width, factor: 1 });
      for (let x = 0; x < kernel; x++) {
        const mid = new Float64Array(rank);
        for (let i = 0; i < channels; i++) {
          const v = w[i * kernel + x];
          for (let r = 0; r < rank; r++) mid[r] += v * a1[i * rank + r];
        }
        for (let i = 0; i < channels; i++) {
          let sum = 0;
          for (let r = 0; r < rank; r++) sum += mid[r] * a2[r * channels + i];
          change[i * kernel + x] += sum;
        }
      }
      for (let k = 0; k < width; k++) w[k] += factor * change[k];
    });
  }
}
