/**
 * Text states on the CPU.
 *
 * @module
 */

/** Numbers of one prompt, [rows, width] row-major. */
export interface States {
  /** Values. */
  readonly data: Float32Array<ArrayBuffer>;
  /** Tokens. */
  readonly rows: number;
  /** Channels. */
  readonly width: number;
}

/** What an encoder makes of a prompt, as far as weights and rows concern it. */
export interface PromptStates {
  /** The last hidden state. */
  readonly last: States;
  /** That of the last layer but one. */
  readonly penultimate?: States;
}

/** b's rows below a's. */
export function stacked(a: States, b: States): States {
  return { data: joined([a.data, b.data]), rows: a.rows + b.rows, width: a.width };
}

/** Nothing but zeros. */
export function zeros(rows: number, width: number): States {
  return { data: new Float32Array(rows * width), rows, width };
}

/** Arrays end to end. */
export function joined(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return data;
}
