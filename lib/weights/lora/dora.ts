/**
 * DoRA: the changed weight V = W + ΔW gets trained lengths, W' = m · V / ‖V‖. Lengths are those of rows (one an output)
 * or of input channels.
 *
 * A strength s other than 1 means W + s · (W' − W) for `dora_scale` (ComfyUI, A1111), and V = W + s · ΔW for PEFT's
 * `lora_magnitude_vector`.
 *
 * Source: arXiv 2402.09353.
 *
 * @module
 */

import type { Change, Matrix, Place } from "./change.ts";

/** How a change with lengths was stored. */
export interface Lengths {
  /** m. */
  readonly magnitude: Matrix;
  /** Whether each input channel has a length, in place of each row. */
  readonly onInput: boolean;
  /** Part of the way from W to W'. */
  readonly strength: number;
}

/** A change followed by a normalisation. */
export class Decomposed implements Change {
  constructor(private readonly change: Change, private readonly lengths: Lengths) {}

  get rows(): number | undefined {
    return this.change.rows;
  }

  get width(): number | undefined {
    return this.change.width;
  }

  /** Lengths of input channels run over all rows. */
  get whole(): boolean {
    return this.change.whole || this.lengths.onInput;
  }

  /** Input channels that have a length; undefined where rows have. */
  get inputs(): number | undefined {
    const { magnitude, onInput } = this.lengths;
    return onInput ? magnitude.rows * magnitude.width : undefined;
  }

  async apply(place: Place): Promise<void> {
    const { weight, rows, width, kernel } = place;
    const { magnitude, onInput, strength } = this.lengths;
    const before = weight.slice();
    await this.change.apply(place);
    const lengths = await magnitude.read();
    const of = (row: number, k: number): number => onInput ? Math.floor(k / kernel) : row;
    const squares = new Float64Array(lengths.length);
    rows.forEach((row, n) => {
      for (let k = 0; k < width; k++) squares[of(row, k)] += weight[n * width + k] ** 2;
    });
    rows.forEach((row, n) => {
      for (let k = 0; k < width; k++) {
        const at = n * width + k;
        const which = of(row, k);
        const v = weight[at] * lengths[which] / (Math.sqrt(squares[which]) + EPSILON);
        weight[at] = before[at] + strength * (v - before[at]);
      }
    });
  }
}

/** A row of zeros stays one. */
const EPSILON = 2 ** -23;
