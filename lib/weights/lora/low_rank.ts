/**
 * LoRA and LoCon: W' = W + s · B·A. For convolutions A is the whole kernel and B 1×1, or, decomposed after Tucker, A and B
 * are 1×1 and a core lies between: ΔW[o, i, x] = Σ B[o, m] · C[m, n, x] · A[n, i].
 *
 * Source: arXiv 2106.09685; LoCon and its core as in LyCORIS.
 *
 * @module
 */

import type { LowRankChange } from "../stored_form.ts";
import { addProduct, type Change, coreTimesFactor, type Matrix, type Place, type Scaling } from "./change.ts";

/** One pair of matrices, with or without a core. */
export class LowRank implements Change {
  readonly whole = false;

  /** @param up B [out, rank]. @param down A [rank, in · kernel]. @param mid Core [rank, rank, kernel]. */
  constructor(
    private readonly up: Matrix,
    private readonly down: Matrix,
    private readonly mid: Matrix | undefined,
    private readonly scaling: Scaling,
  ) {}

  /** Why the matrices cannot be multiplied, or undefined where they can. */
  static misfit(up: Matrix, down: Matrix, mid: Matrix | undefined): string | undefined {
    const rank = down.rows;
    const tail = (m: Matrix): number => m.shape.slice(2).reduce((a, b) => a * b, 1);
    const fits = down.shape.length >= 2 && up.shape.length >= 2 && rank > 0 && up.shape[1] === rank &&
      tail(up) === 1 &&
      (!mid || (mid.shape.length > 2 && mid.rows === rank && mid.shape[1] === rank && tail(down) === 1));
    if (fits) return undefined;
    return mid
      ? `${down}, ${mid} and ${up} do not fit together, expected [rank, in, 1, 1], [rank, rank, kh, kw] and [out, rank, 1, 1]`
      : `${down} and ${up} do not fit together, expected [rank, in] and [out, rank]`;
  }

  get rows(): number {
    return this.up.rows;
  }

  get width(): number {
    return this.down.width * kernelOf(this.mid);
  }

  /** One and the same for all tensors that the change is for. */
  get lowRank(): LowRankChange {
    const { up, down, mid } = this;
    return this.product ??= {
      rank: down.rows,
      type: !mid && up.type === down.type ? up.type : "f32",
      factor: this.factor,
      up: () => up.read(),
      down: () => this.downWithCore(),
    };
  }

  private product: LowRankChange | undefined;

  private get factor(): number {
    return this.scaling.trained * this.scaling.strength;
  }

  /** The second matrix, with the core multiplied in. */
  private async downWithCore(): Promise<Float32Array<ArrayBuffer>> {
    const a = await this.down.read();
    if (!this.mid) return a;
    const rank = this.down.rows;
    const sizes = { i: rank, j: rank, n: this.down.width, kernel: kernelOf(this.mid) };
    return coreTimesFactor(await this.mid.read(), a, sizes);
  }

  async apply({ weight, rows, width }: Place): Promise<void> {
    const rank = this.down.rows;
    const b = await this.up.read();
    const a = await this.downWithCore();
    const { factor } = this;
    rows.forEach((row, n) => {
      const out = weight.subarray(n * width, (n + 1) * width);
      addProduct(out, b.subarray(row * rank, (row + 1) * rank), a, { rank, width, factor });
    });
  }
}

/** Values of a core for one pair of ranks: those of the kernel. */
export function kernelOf(core: Matrix | undefined): number {
  return core ? core.shape.slice(2).reduce((a, b) => a * b, 1) : 1;
}
