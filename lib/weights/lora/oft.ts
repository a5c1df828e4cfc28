/**
 * OFT and BOFT: the rows of W are rotated in blocks, W' = diag(R₁, …, Rₖ)ᵀ · W with R = (I + Q)(I − Q)⁻¹ of a
 * skew-symmetric Q = X − Xᵀ. BOFT multiplies several such rotations, each over another order of the rows (a butterfly).
 *
 * ‖Q‖ is at most alpha · rows, as kohya and LyCORIS train it; an alpha of 0 is no bound. The user's strength s stands for
 * I + s · (R − I).
 *
 * Source: arXiv 2306.07280, 2311.06243; layouts as in sd-scripts and LyCORIS.
 *
 * @module
 */

import type { Change, Matrix, Place, Scaling } from "./change.ts";

/** Block-diagonal rotations. */
export class Rotation implements Change {
  readonly whole = true;
  readonly width: undefined = undefined;

  /**
   * @param blocks One tensor [blocks, size, size], or several for rows that were rotated apart (kohya's fused layers of
   *   FLUX). BOFT: one [factors, blocks, size, size].
   * @param rescale Factors of the rows, applied last.
   * @param scaling `trained` is alpha, the bound.
   */
  constructor(
    private readonly blocks: readonly Matrix[],
    private readonly rescale: Matrix | undefined,
    private readonly scaling: Scaling,
  ) {}

  /** Why the tensors cannot be rotations, or undefined where they can. */
  static misfit(blocks: readonly Matrix[], rescale: Matrix | undefined): string | undefined {
    for (const m of blocks) {
      const [size, other] = m.shape.slice(-2);
      const butterfly = m.shape.length === 4 && blocks.length === 1 && size % 2 === 0;
      if (size > 0 && size === other && (m.shape.length === 3 || butterfly)) continue;
      return `${m} holds no rotations, expected [blocks, size, size], or [factors, blocks, size, size] of an even size`;
    }
    const rows = rowsOf(blocks);
    if (blocks[0].shape.length === 4) {
      const [factors, , size] = blocks[0].shape;
      if (rows % (2 ** (factors - 1) * size) !== 0) {
        return `${blocks[0]} has too many factors for ${rows} rows`;
      }
    }
    if (rescale && rescale.rows * rescale.width !== rows) return `${rescale} does not fit ${rows} rows`;
    return undefined;
  }

  get rows(): number {
    return rowsOf(this.blocks);
  }

  async apply({ weight, width }: Place): Promise<void> {
    const { strength, trained: alpha } = this.scaling;
    let first = 0;
    for (const m of this.blocks) {
      const size = m.shape.at(-1)!;
      const count = m.shape.at(-3)!;
      const rows = count * size;
      const factors = m.shape.length === 4 ? m.shape[0] : 1;
      const part = weight.subarray(first * width, (first + rows) * width);
      const rotations = rotationsOf(await m.read(), size, alpha * rows);
      blend(rotations, size, strength);
      for (let f = 0; f < factors; f++) {
        const mine = rotations.subarray(f * rows * size, (f + 1) * rows * size);
        if (m.shape.length === 3) rotate(part, mine, { size, width, order: (n) => n, transpose: true });
        else {
          const k = 2 ** f * (size / 2);
          // Rows (c, g, k) in the order (c, k, g), g being 2.
          const order = (n: number): number => {
            const [c, rest] = [Math.floor(n / (2 * k)), n % (2 * k)];
            return c * 2 * k + (rest % 2) * k + Math.floor(rest / 2);
          };
          rotate(part, mine, { size, width, order, transpose: false });
        }
      }
      first += rows;
    }
    if (!this.rescale) return;
    const factors = await this.rescale.read();
    for (let n = 0; n < this.rows; n++) {
      for (let k = 0; k < width; k++) weight[n * width + k] *= factors[n];
    }
  }
}

function rowsOf(blocks: readonly Matrix[]): number {
  return blocks.reduce((sum, { shape }) => sum + shape.at(-3)! * shape.at(-1)!, 0);
}

/** R = (I + Q)(I − Q)⁻¹ of every block, ‖Q‖ over all blocks bounded by `bound` where that is above 0. */
function rotationsOf(x: Float32Array<ArrayBuffer>, size: number, bound: number): Float64Array {
  const area = size * size;
  const q = new Float64Array(x.length);
  let squares = 0;
  for (let at = 0; at < x.length; at += area) {
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        const v = x[at + i * size + j] - x[at + j * size + i];
        q[at + i * size + j] = v;
        squares += v * v;
      }
    }
  }
  const norm = Math.sqrt(squares) + 1e-8;
  if (bound > 0 && norm > bound) { for (let i = 0; i < q.length; i++) q[i] *= bound / norm; }
  for (let at = 0; at < q.length; at += area) cayley(q.subarray(at, at + area), size);
  return q;
}

/**
 * Q → (I + Q)(I − Q)⁻¹ in place. Both factors commute, so (I − Q)·R = I + Q is solved; I − Q has a positive definite
 * symmetric part, so elimination needs no pivots.
 */
function cayley(q: Float64Array, size: number): void {
  const left = q.map((v) => -v);
  const right = q.slice();
  for (let i = 0; i < size; i++) {
    left[i * size + i] += 1;
    right[i * size + i] += 1;
  }
  for (let c = 0; c < size; c++) {
    const pivot = left[c * size + c];
    for (let r = c + 1; r < size; r++) {
      const f = left[r * size + c] / pivot;
      if (f === 0) continue;
      for (let k = c; k < size; k++) left[r * size + k] -= f * left[c * size + k];
      for (let k = 0; k < size; k++) right[r * size + k] -= f * right[c * size + k];
    }
  }
  for (let r = size - 1; r >= 0; r--) {
    for (let below = r + 1; below < size; below++) {
      const f = left[r * size + below];
      if (f !== 0) { for (let k = 0; k < size; k++) right[r * size + k] -= f * right[below * size + k]; }
    }
    for (let k = 0; k < size; k++) right[r * size + k] /= left[r * size + r];
  }
  q.set(right);
}

/** R → I + s · (R − I). */
function blend(rotations: Float64Array, size: number, s: number): void {
  if (s === 1) return;
  rotations.forEach((v, i) => {
    const [row, column] = [Math.floor(i / size) % size, i % size];
    rotations[i] = s * v + (row === column ? 1 - s : 0);
  });
}

/** Every block of rows, taken and put back in an order, times its rotation or its transpose. */
function rotate(
  weight: Float32Array,
  rotations: Float64Array,
  { size, width, order, transpose }: {
    size: number;
    width: number;
    order: (n: number) => number;
    transpose: boolean;
  },
): void {
  const rows = rotations.length / size;
  const mixed = new Float64Array(size * width);
  for (let first = 0; first < rows; first += size) {
    mixed.fill(0);
    const block = rotations.subarray(first * size, (first + size) * size);
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        const c = transpose ? block[j * size + i] : block[i * size + j];
        if (c === 0) continue;
        const from = order(first + j) * width;
        for (let k = 0; k < width; k++) mixed[i * width + k] += c * weight[from + k];
      }
    }
    for (let i = 0; i < size; i++) {
      weight.set(mixed.subarray(i * width, (i + 1) * width), order(first + i) * width);
    }
  }
}
