/**
 * IA³: rows or input channels of W are scaled, W' = W · (1 + s · w).
 *
 * Source: arXiv 2205.05638; stored as LyCORIS does, as the difference from 1.
 *
 * @module
 */

import type { Change, Matrix, Place, Scaling } from "./change.ts";

/** One factor a row, or one an input channel. */
export class Ia3 implements Change {
  readonly whole = false;
  readonly width: undefined = undefined;

  constructor(
    private readonly factors: Matrix,
    private readonly onInput: boolean,
    private readonly scaling: Scaling,
  ) {}

  get rows(): number | undefined {
    return this.onInput ? undefined : this.count;
  }

  /** Input channels that it needs. */
  get channels(): number | undefined {
    return this.onInput ? this.count : undefined;
  }

  private get count(): number {
    return this.factors.rows * this.factors.width;
  }

  async apply({ weight, rows, width, kernel }: Place): Promise<void> {
    const factors = await this.factors.read();
    rows.forEach((row, n) => {
      for (let k = 0; k < width; k++) {
        const f = factors[this.onInput ? Math.floor(k / kernel) : row];
        weight[n * width + k] *= 1 + this.scaling.strength * f;
      }
    });
  }
}
