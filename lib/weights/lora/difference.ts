/**
 * Whole weights: W' = W + s · D, or W' = D.
 *
 * @module
 */

import type { Change, Matrix, Place } from "./change.ts";

/** A difference of the weight's own shape: LyCORIS' `diff`, `diff_b`, `w_norm`, `b_norm`, PEFT's `lora_B.bias`. */
export class Difference implements Change {
  readonly whole = false;

  /** @param factor Of the difference. */
  constructor(private readonly difference: Matrix, private readonly factor: number) {}

  get rows(): number {
    return this.difference.rows;
  }

  get width(): number {
    return this.difference.width;
  }

  async apply({ weight, rows, width }: Place): Promise<void> {
    const values = await this.difference.read();
    rows.forEach((row, n) => {
      for (let k = 0; k < width; k++) weight[n * width + k] += this.factor * values[row * width + k];
    });
  }
}

/** A weight in place of the model's: ComfyUI's `set_weight`, whatever the strength. */
export class Replacement implements Change {
  readonly whole = false;

  constructor(private readonly values: Matrix) {}

  get rows(): number {
    return this.values.rows;
  }

  get width(): number {
    return this.values.width;
  }

  async apply({ weight, rows, width }: Place): Promise<void> {
    const values = await this.values.read();
    rows.forEach((row, n) => weight.set(values.subarray(row * width, (row + 1) * width), n * width));
  }
}
