/**
 * Attention in two launches, for adapters that read textures many times as fast as buffers: probabilities, then sums of values.
 *
 * @module
 */

import { MAX_TEXEL_BYTES } from "../gpu/memory.ts";
import { f32, type Recorder } from "../gpu/recorder.ts";
import { DTYPE_BYTES, type Tensor } from "../tensor.ts";
import { fold } from "./window.ts";

/** Where rows of heads lie, in elements. */
export interface Strided {
  readonly tensor: Tensor;
  /** Samples. */
  readonly B: number;
  /** Rows of a sample. */
  readonly L: number;
  /** Element 0 of row 0 of head 0 of sample 0. */
  readonly first: number;
  /** From sample to sample, head to head, row to row. */
  readonly sample: number;
  readonly head: number;
  readonly row: number;
}

/** What {@linkcode attendByScores} reads and writes. */
export interface ScoresOperands {
  readonly Q: Strided;
  readonly K: Strided;
  readonly V: Strided;
  /** [B, Lq, heads · D]. */
  readonly out: Tensor;
  /** Added to the scaled scores, f32, and its strides. */
  readonly bias?: { readonly tensor: Tensor; readonly sample: number; readonly head: number };
  /** f32 [B, Lk]: 0 drops a key. */
  readonly keyMask?: Tensor;
  readonly heads: number;
  readonly D: number;
  readonly scale: number;
  readonly causal: boolean;
}

/** Queries, keys and columns of an invocation. */
const TILE = 16;
/** Invocations of a workgroup of attention's kernels from textures, each with a tile of its own. */
export const LANES = 8;
/** Workgroup size of shaders/attention_heads.wgsl. */
const PACKING = 64;
/**
 * Bytes that the rows of a head are spread over from which on keys and values are packed by heads: every row is another page, of more
 * than a processor finds at once, and the launch more is a small part of the work.
 */
const SPREAD = 32 << 20;

/** Probabilities of a head's query for all keys, and the exponents of their tiles: bytes. */
function bytesOfRow(keys: number, half: boolean): number {
  return keys * (half ? 2 : 4) + keys / TILE * 4;
}

/** Keys filled up to whole tiles. */
function wholeTiles(n: number): number {
  return Math.ceil(n / TILE) * TILE;
}

/** Bytes of probabilities at once. */
function mostBytes(r: Recorder): number {
  return Math.min(r.device.info.maxBindingBytes, MAX_TEXEL_BYTES);
}

/** Whether a device has room for the probabilities of one tile's queries. */
export function scoresFit(r: Recorder, K: Strided): boolean {
  return TILE * bytesOfRow(wholeTiles(K.L), K.tensor.dtype === "f16") <= mostBytes(r);
}

/**
 * Scaled dot-product attention whose probabilities are written and read again, as many heads or queries at once as a binding holds.
 *
 * Where a head is wide, sums for all its columns in one invocation are more than a CPU's nearest caches hold, and so is the code that
 * makes them: 0.75 to 0.8 of the time of an online softmax with 128 columns, 0.36 with 160 (llvmpipe), at a fifth of the time to
 * compile. Probabilities have the type of the values.
 *
 * @param r Recorder.
 * @param o Operands: first elements and strides are multiples of 8, and so is D; keys and values are of one type.
 */
export function attendByScores(r: Recorder, o: ScoresOperands): void {
  const { Q, out, bias, heads, D, causal } = o;
  const { B, L: Lq } = Q;
  const Lk = o.K.L;
  using _copies = r.scope();
  const textures = new Map<Tensor, GPUTexture>();
  const texels = (t: Tensor): GPUTexture => {
    let texture = textures.get(t);
    if (!texture) textures.set(t, texture = r.texels(t));
    return texture;
  };
  const { K, V } = packed(r, o, texels);
  const half = K.tensor.dtype === "f16";
  const rowBytes = bytesOfRow(wholeTiles(Lk), half);
  const rowsOfHead = wholeTiles(Lq);
  // Rows of all heads and samples at once: what a binding holds, and no launch longer than the budget.
  const room = Math.floor(mostBytes(r) / rowBytes / TILE) * TILE;
  const fit = Math.min(
    room,
    r.device.budget.rowsAtOnce(B * heads * rowsOfHead, 2 * B * heads * rowsOfHead * Lk * D, TILE),
  );
  const headsAtOnce = Math.min(heads, Math.max(1, Math.floor(fit / rowsOfHead)));
  const samplesAtOnce = headsAtOnce < heads ? 1 : Math.max(1, Math.floor(fit / (heads * rowsOfHead)));
  const rowsAtOnce = Math.min(rowsOfHead, Math.max(TILE, Math.floor(fit / TILE) * TILE));

  for (let b0 = 0; b0 < B; b0 += samplesAtOnce) {
    for (let h0 = 0; h0 < heads; h0 += headsAtOnce) {
      for (let q0 = 0; q0 < Lq; q0 += rowsAtOnce) {
        using _part = r.scope();
        const headsHere = Math.min(headsAtOnce, heads - h0);
        const pairs = Math.min(samplesAtOnce, B - b0) * headsHere;
        const qEnd = Math.min(Lq, q0 + rowsAtOnce);
        const rows = wholeTiles(qEnd - q0);
        const P = r.tensor([pairs * rows * rowBytes / 4], "f32");
        const part = [heads, D, Lq, Lk, q0, qEnd, b0, h0, headsHere];
        const strides = ({ first, sample, head, row }: Strided): number[] => [first, sample, head, row];
        const tiles = (across: number): number => Math.ceil(across / TILE) * (rows / TILE) * pairs;
        const flops = 2 * pairs * (qEnd - q0) * Lk * D;
        r.dispatch({
          shader: "attention_scores@RQ=16,RK=16",
          constants: {
            WX: LANES,
            P_TYPE: half ? 1 : 0,
            Q_TYPE: Q.tensor.dtype === "f16" ? 1 : 0,
            KV_TYPE: half ? 1 : 0,
            CAUSAL: causal ? 1 : 0,
            BIAS: bias ? 1 : 0,
            MASK: o.keyMask ? 1 : 0,
          },
          params: [
            ...part,
            ...[...strides(Q), ...strides(K), ...strides(V)],
            ...[0, 0, bias?.sample ?? 0, bias?.head ?? 0],
            f32(o.scale),
            pairs,
          ],
          buffers: [texels(Q.tensor), texels(K.tensor), P, bias?.tensor, o.keyMask],
          groups: fold(Math.ceil(tiles(Lk) / LANES)),
          flops,
        });
        r.dispatch({
          shader: "attention_values@RQ=16,RK=16,OD=16",
          types: { oElem: out.dtype },
          constants: { WX: LANES, P_TYPE: half ? 1 : 0, V_TYPE: half ? 1 : 0, MASK: o.keyMask ? 1 : 0 },
          params: [...part, ...strides(V), pairs],
          buffers: [r.texels(P), texels(V.tensor), out],
          groups: fold(Math.ceil(tiles(D) / LANES)),
          flops,
        });
      }
    }
  }
}

/** Keys and values with the rows of each head one after the other, where that pays. */
function packed(
  r: Recorder,
  { K, V, heads, D }: ScoresOperands,
  texels: (t: Tensor) => GPUTexture,
): { K: Strided; V: Strided } {
  const { B, L, tensor: { dtype } } = K;
  const bytes = DTYPE_BYTES[dtype];
  const head = L * D;
  const size = 2 * B * heads * head * bytes;
  if (L * K.row * bytes < SPREAD || size > mostBytes(r)) return { K, V };
  const Y = r.tensor([2, B, heads, L, D], dtype);
  const unit = 16 / bytes;
  const strides = ({ first, sample, head, row }: Strided): number[] =>
    [first, sample, head, row].map((n) => n / unit);
  r.dispatch({
    shader: "attention_heads",
    constants: { WG: PACKING },
    params: [L, D / unit, B * heads, heads, ...strides(K), ...strides(V)],
    buffers: [texels(K.tensor), texels(V.tensor), Y],
    groups: fold(Math.ceil(size / 16 / PACKING)),
  });
  const dense: Strided = { tensor: Y, B, L, first: 0, sample: heads * head, head, row: D };
  return { K: dense, V: { ...dense, first: B * heads * head } };
}
