/**
 * Token embeddings on the GPU; timestep sinusoids and position tables on the CPU, in f64: WGSL's sin and
 * cos promise too little at arguments of a thousand.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { PLAIN_CODES, type Tensor } from "../tensor.ts";
import type { Matrix, PlainMatrix } from "./linear.ts";
import { expandRows } from "./quantised.ts";
import { fold } from "./window.ts";

/**
 * Rows of a table by token id, plus a position embedding.
 *
 * @param ids Token ids, [B, N] row-major. @returns [B, N, D] f32.
 * @throws {LssgenError} `bad_option` when an id is outside the table.
 */
export function embedTokens(
  r: Recorder,
  ids: Int32Array<ArrayBuffer>,
  shape: readonly [B: number, N: number],
  table: Matrix,
  positions?: Matrix,
): Tensor {
  const bad = ids.find((id) => id < 0 || id >= table.N);
  if (bad !== undefined) {
    throw new LssgenError(
      "bad_option",
      `Token ${bad} is outside the table of ${table.N}; tokenizer and text encoder may belong to different models`,
    );
  }
  if (positions && shape[1] > positions.N) {
    throw new LssgenError(
      "bad_option",
      `${shape[1]} tokens are more than the ${positions.N} positions of the text encoder`,
    );
  }
  if (table.blocks) {
    // The rows of these tokens only, in their order.
    using scope = r.scope();
    const { buffer, offset, dtype } = expandRows(r, table, ids);
    const rows = { buffer, offset, N: ids.length, K: table.K, stride: table.stride, type: dtype };
    return scope.keep(embedTokens(r, Int32Array.from(ids.keys()), shape, rows, positions));
  }
  if (positions?.blocks) throw new LssgenError("internal", "embedTokens: positions are never kept quantised");
  const [B, N] = shape;
  const D = table.K;
  const out = r.tensor([B, N, D], "f32");
  using scope = r.scope();
  void scope;
  const rowIds = r.upload([B, N], ids);
  const groups = fold(Math.ceil(B * N * D / 64));
  const bytes = table.stride * (table.type === "f32" ? 4 : 2);
  const limit = r.device.info.maxBindingBytes;
  const step = table.N * bytes <= limit ? table.N : Math.max(128, Math.floor(limit / bytes / 128) * 128);
  const bind = (m: PlainMatrix, first: number, rows: number, rowBytes: number) => ({
    tensor: {
      shape: [m.N, m.stride],
      dtype: "f32" as const,
      buffer: m.buffer,
      offset: m.offset ?? 0,
      byteLength: 0,
    },
    offset: first * rowBytes,
    size: Math.max(16, rows * rowBytes),
  });
  for (let first = 0; first < table.N; first += step) {
    const last = Math.min(table.N, first + step);
    if (!ids.some((id) => id >= first && id < last)) continue;
    r.dispatch({
      shader: "embedding",
      constants: {
        TYPE: PLAIN_CODES[table.type],
        POSITIONS: positions ? PLAIN_CODES[positions.type] + 1 : 0,
      },
      params: [B * N * D, D, N, groups[0], table.stride, positions?.stride ?? 0, first, last],
      buffers: [
        rowIds,
        bind(table, first, last - first, bytes),
        positions && bind(positions, 0, positions.N, positions.stride * (positions.type === "f32" ? 4 : 2)),
        out,
      ],
      groups,
    });
  }
  return out;
}

/** −ln 10000, the longest period, as f32. */
const MINUS_LOG_PERIOD = Math.fround(-Math.log(10000));

/** Conventions of a sinusoidal embedding. */
export interface SinusoidOptions {
  /** Cosines first. */
  readonly flipSinToCos: boolean;
  /** Subtracted from the half width in the frequencies' exponent: 0, or 1 as in the original DDPM. */
  readonly downscaleFreqShift: number;
}

/**
 * Sinusoidal embedding of timesteps, [t.length, dim].
 *
 * Source: diffusers get_timestep_embedding. Frequencies and arguments are rounded to f32 as there, or
 * large timesteps would land on another phase; the functions themselves are exact.
 */
export function timestepProjection(
  t: readonly number[],
  dim: number,
  { flipSinToCos, downscaleFreqShift }: SinusoidOptions,
): Float32Array<ArrayBuffer> {
  const half = Math.floor(dim / 2);
  const out = new Float32Array(t.length * dim);
  t.forEach((value, row) => {
    for (let i = 0; i < half; i++) {
      const exponent = Math.fround(Math.fround(MINUS_LOG_PERIOD * i) / (half - downscaleFreqShift));
      const angle = Math.fround(Math.fround(value) * Math.fround(Math.exp(exponent)));
      const [first, second] = flipSinToCos
        ? [Math.cos(angle), Math.sin(angle)]
        : [Math.sin(angle), Math.cos(angle)];
      out[row * dim + i] = first;
      out[row * dim + half + i] = second;
    }
  });
  return out;
}

/**
 * cos and sin for rotary embedding of positions with several axes, [positions, Σ dims / 2, 2].
 *
 * Source: diffusers FluxPosEmbed (interleaved pairs; angles in f64).
 */
export function ropeTable(
  positions: readonly (readonly number[])[],
  axesDims: readonly number[],
  theta: number,
): Float32Array<ArrayBuffer> {
  const pairs = axesDims.reduce((a, b) => a + b, 0) / 2;
  const out = new Float32Array(positions.length * pairs * 2);
  // Tokens of a row or column share a coordinate: an axis has as many as the picture has rows or columns.
  const known = axesDims.map(() => new Map<number, Float32Array>());
  let at = 0;
  for (const position of positions) {
    axesDims.forEach((dim, axis) => {
      const place = position[axis];
      let turns = known[axis].get(place);
      if (!turns) known[axis].set(place, turns = turnsOf(place, dim, theta));
      out.set(turns, at);
      at += dim;
    });
  }
  return out;
}

/** cos and sin of one coordinate, [dim / 2, 2]. */
function turnsOf(place: number, dim: number, theta: number): Float32Array {
  const out = new Float32Array(dim);
  for (let i = 0; i < dim; i += 2) {
    const angle = place / theta ** (i / dim);
    out[i] = Math.cos(angle);
    out[i + 1] = Math.sin(angle);
  }
  return out;
}
