/**
 * Matrix product with a weight, and what surrounds it in a transformer: bias, activation, gate and
 * residual ride in the product's epilogue.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { type Binding, f32, type Recorder } from "../gpu/recorder.ts";
import { MAX_TEXEL_BYTES } from "../gpu/memory.ts";
import { chooseMatmul, workgroupConstants } from "../gpu/tune.ts";
import { type Dtype, DTYPE_BYTES, type Rows, sequence, type Tensor } from "../tensor.ts";
import { fold } from "./window.ts";

/** A weight on the GPU, [N, K] row-major as torch stores it. 16-bit types lie two in a u32. */
export interface Matrix {
  /** Holds `N * stride` elements. */
  readonly buffer: GPUBuffer;
  /** Rows: outputs. */
  readonly N: number;
  /** Columns: inputs. */
  readonly K: number;
  /** Elements from row to row: a multiple of 8, at least K; the pad is zero. */
  readonly stride: number;
  /** Element type. */
  readonly type: "f32" | "f16" | "bf16";
}

/** A linear layer's parameters. */
export interface LinearWeights {
  /** The matrix. */
  readonly weight: Matrix;
  /** f32 [N]. */
  readonly bias?: Tensor;
}

/** Pointwise functions that kernels apply in their epilogue or on load. */
export type Activation = "none" | "silu" | "gelu_tanh" | "gelu" | "quick_gelu" | "relu";

/** Numbers of the activations in the shaders (`ACT`, `PRE`). */
export const ACTIVATION_CODES: Readonly<Record<Activation, number>> = {
  none: 0,
  silu: 1,
  gelu_tanh: 2,
  gelu: 3,
  quick_gelu: 4,
  relu: 5,
};

/** What {@linkcode linear} does around the product. */
export interface LinearOptions {
  /** Applied to x·Wᵀ + b. */
  readonly act?: Activation;
  /** Factors f32 [B, ≥ gateAt + N], one row a sample. */
  readonly gate?: Tensor;
  /** Column of `gate` that belongs to output 0; 0 if not given. */
  readonly gateAt?: number;
  /** Added after the gate; the output's shape. */
  readonly residual?: Tensor | Rows;
  /** Where to write, in place of a new tensor. */
  readonly into?: Tensor | Rows;
  /** Adds to what `into` holds. */
  readonly accumulate?: boolean;
  /** Type of a new output; the residual's type if there is one, else the recorder's. */
  readonly dtype?: Dtype;
  /** Applied to x on load. */
  readonly preAct?: Activation;
  /** Factor of the activated product. */
  readonly scale?: number;
}

const W_TYPES = { f32: 0, f16: 1, bf16: 2 } as const;
const W_BYTES = { f32: 4, f16: 2, bf16: 2 } as const;

/**
 * y = residual + gate · scale · act(pre(x) · Wᵀ + b), sums in f32, as `torch.nn.Linear` and what
 * diffusers' blocks put around it.
 *
 * @param r Recorder.
 * @param x [.., K], f32 or f16: a tensor or some rows of each sample of one.
 * @param w Weight [N, K] and bias [N].
 * @param o Epilogue and destination.
 * @returns [.., N]: the tensor given as `into`, or a new one of the innermost scope.
 * @throws {LssgenError} `bad_tensor` when shapes do not fit together.
 */
export function linear(r: Recorder, x: Tensor | Rows, w: LinearWeights, o: LinearOptions = {}): Tensor {
  const { weight, bias } = w;
  const { N, K } = weight;
  const from = sequence(x);
  if (from.C !== K) {
    throw new LssgenError(
      "bad_tensor",
      `Cannot multiply x [${from.tensor.shape}] by a weight [${N}, ${K}]: expected rows of ${K}`,
    );
  }
  const part = "tensor" in x;
  const shape = part ? [from.B, from.S, N] : [...from.tensor.shape.slice(0, -1), N];
  const residualDtype = o.residual && ("tensor" in o.residual ? o.residual.tensor : o.residual).dtype;
  const target = o.into ?? r.tensor(shape, o.dtype ?? residualDtype ?? r.dtype);
  const to = layout("into", target, from.B, from.S, N);
  const add = o.residual && layout("residual", o.residual, from.B, from.S, N);
  if (o.accumulate && (add || !o.into)) {
    throw new LssgenError("internal", "linear: accumulate needs `into`, and takes no residual beside it");
  }
  if (o.gate && o.gate.shape[o.gate.shape.length - 1] < (o.gateAt ?? 0) + N) {
    throw new LssgenError(
      "bad_tensor",
      `Gate [${o.gate.shape}] is too narrow for ${N} columns from ${o.gateAt ?? 0}`,
    );
  }
  if (bias && bias.shape[bias.shape.length - 1] !== N) {
    throw new LssgenError("bad_tensor", `Bias [${bias.shape}] does not fit a weight [${N}, ${K}]`);
  }

  using _padded = r.scope();
  const input = aligned(r, from);
  const M = from.B * from.S;
  const types = {
    xType: input.tensor.dtype,
    wType: weight.type,
    yType: add || o.accumulate ? undefined : to.tensor.dtype,
  };
  const kernel = chooseMatmul(r.device, { M, N, K: input.C, ...types });
  const texels = kernel.operands === "texels";
  const limit = Math.min(r.device.info.maxBindingBytes, texels ? MAX_TEXEL_BYTES : Infinity);
  const xBytes = DTYPE_BYTES[input.tensor.dtype] * input.C;
  const yBytes = DTYPE_BYTES[to.tensor.dtype] * N;
  const rBytes = add ? DTYPE_BYTES[add.tensor.dtype] * N : 0;
  const wBytes = W_BYTES[weight.type] * weight.stride;
  const W: Tensor = {
    shape: [N, weight.stride],
    dtype: "f32",
    buffer: weight.buffer,
    offset: 0,
    byteLength: N * wBytes,
  };
  const dense = input.tensor.byteLength <= limit && to.tensor.byteLength <= limit &&
    (!add || add.tensor.byteLength <= limit);
  const fitting = dense ? [[0, M]] : rangesOfRows(from.B, from.S, limit, Math.max(xBytes, yBytes, rBytes));
  // A texture of a weight holds more than a binding may.
  const wLimit = texels ? MAX_TEXEL_BYTES : limit;
  const columns = Math.floor((wLimit - 256) / wBytes);
  if (columns < 1) {
    throw new LssgenError(
      "unsupported",
      `A weight row of ${wBytes} bytes exceeds the limit of ${wLimit} bytes`,
    );
  }
  const step = W.byteLength <= wLimit ? N : columns;
  const wholeWeight = texels && step === N
    ? r.weightTexels(weight.buffer, Math.ceil(N * wBytes / 16) * 16)
    : undefined;
  const atOnce = r.device.budget.rowsAtOnce(M, 2 * M * Math.min(N, step) * K, kernel.WY * kernel.RM);

  for (const [m0, mEnd] of fitting.flatMap(([m0, mEnd]) => cut(m0, mEnd, atOnce))) {
    using _texels = r.scope();
    const xPart = bindRows(input, m0, mEnd, xBytes, dense && !texels);
    const X = texels ? r.texels(xPart) : xPart;
    const yPart = bindRows(to, m0, mEnd, yBytes, dense);
    const rPart = add && bindRows(add, m0, mEnd, rBytes, dense);
    for (let n0 = 0; n0 < N; n0 += step) {
      const nEnd = Math.min(N, n0 + step);
      using _weightTexels = r.scope();
      const wPart = bindBytes(W, n0 * wBytes, nEnd * wBytes, step === N);
      const across = Math.ceil((nEnd - n0) / (kernel.WX * kernel.RN));
      const tiles = across * Math.ceil((mEnd - m0) / (kernel.WY * kernel.RM));
      const groups = fold(tiles);
      r.dispatch({
        shader: kernel.shader,
        types: { rElem: add?.tensor.dtype ?? "f32", yElem: to.tensor.dtype },
        constants: {
          ...workgroupConstants(r.device, kernel, types),
          X_TYPE: input.tensor.dtype === "f16" ? 1 : 0,
          W_TYPE: W_TYPES[weight.type],
          PRE: ACTIVATION_CODES[o.preAct ?? "none"],
          ACT: ACTIVATION_CODES[o.act ?? "none"],
          GATE: o.gate ? 1 : 0,
          ADD: o.accumulate ? 2 : add ? 1 : 0,
        },
        params: [
          ...[m0, mEnd, n0, nEnd],
          ...[N, input.C / 8, weight.stride / 8, from.S],
          ...[
            input.N,
            input.at,
            xPart.offset / DTYPE_BYTES[input.tensor.dtype] / 8,
            wPart.offset / W_BYTES[weight.type] / 8,
          ],
          ...[to.N, to.at, yPart.offset / DTYPE_BYTES[to.tensor.dtype]],
          ...(add ? [add.N, add.at, rPart!.offset / DTYPE_BYTES[add.tensor.dtype]] : [0, 0, 0]),
          ...[
            o.gate ? o.gate.shape[o.gate.shape.length - 1] : 0,
            o.gateAt ?? 0,
            f32(o.scale ?? 1),
            groups[0],
          ],
          bias ? 1 : 0,
        ],
        buffers: [X, texels ? wholeWeight ?? r.texels(wPart) : wPart, bias, o.gate, rPart, yPart],
        groups,
        flops: 2 * (mEnd - m0) * (nEnd - n0) * K,
      });
    }
  }
  return to.tensor;
}

type Sequence = ReturnType<typeof sequence>;

/** An operand with the output's rows, checked. */
function layout(name: string, t: Tensor | Rows, B: number, S: number, C: number): Sequence {
  const s = sequence(t);
  if (s.C !== C || s.B * s.S !== B * S) {
    throw new LssgenError(
      "bad_tensor",
      `linear: ${name} holds ${s.B * s.S} rows of ${s.C}, expected ${B * S} rows of ${C}`,
    );
  }
  // A dense tensor may have merged or split leading axes: its rows are the same.
  return s.S === S ? s : { ...s, B, S, N: S };
}

/** x as it is when rows are whole 16-byte loads of eight values, else a copy padded with zeros. */
function aligned(r: Recorder, x: Sequence): Sequence {
  if (x.C % 8 === 0) return x;
  const Kp = Math.ceil(x.C / 8) * 8;
  const padded = r.tensor([x.B, x.S, Kp], x.tensor.dtype);
  const to: Sequence = { tensor: padded, B: x.B, S: x.S, N: x.S, at: 0, C: Kp };
  const limit = r.device.info.maxBindingBytes;
  const bytes = DTYPE_BYTES[x.tensor.dtype];
  const dense = x.tensor.byteLength <= limit && padded.byteLength <= limit;
  for (const [m0, mEnd] of dense ? [[0, x.B * x.S]] : rangesOfRows(x.B, x.S, limit, Kp * bytes)) {
    const from = bindRows(x, m0, mEnd, x.C * bytes, dense);
    const into = bindRows(to, m0, mEnd, Kp * bytes, dense);
    const groups = fold(Math.ceil((mEnd - m0) * Kp / 64));
    r.dispatch({
      shader: "matmul_pad",
      types: { elem: x.tensor.dtype },
      constants: { WG: 64 },
      params: [m0, mEnd, x.C, Kp, x.S, x.N, x.at, from.offset / bytes, into.offset / bytes, groups[0]],
      buffers: [from, into],
      groups,
    });
  }
  return to;
}

/** Runs of at most `step` rows. */
function cut(m0: number, mEnd: number, step: number): [number, number][] {
  const count = Math.ceil((mEnd - m0) / step);
  return Array.from({ length: count }, (_, i) => [m0 + i * step, Math.min(mEnd, m0 + (i + 1) * step)]);
}

/** Runs of rows within one sample whose widest operand fits a binding of `limit` bytes. */
function rangesOfRows(B: number, S: number, limit: number, rowBytes: number): [number, number][] {
  const step = Math.floor((limit - 512) / rowBytes); // 256 before and after, for alignment
  if (step < 1) {
    throw new LssgenError(
      "unsupported",
      `A row of ${rowBytes} bytes exceeds the binding limit of ${limit} bytes`,
    );
  }
  const ranges: [number, number][] = [];
  for (let b = 0; b < B; b++) {
    for (let s = 0; s < S; s += step) ranges.push([b * S + s, b * S + Math.min(S, s + step)]);
  }
  return ranges;
}

/** The bytes from row m0 to row mEnd − 1 and what lies between, widened to what a binding may start at. */
function bindRows(t: Sequence, m0: number, mEnd: number, rowBytes: number, whole: boolean): Binding {
  const row = (m: number) => Math.floor(m / t.S) * t.N + t.at + m % t.S;
  return bindBytes(t.tensor, row(m0) * rowBytes, (row(mEnd - 1) + 1) * rowBytes, whole);
}

function bindBytes(tensor: Tensor, from: number, to: number, whole: boolean): Binding {
  if (whole) return { tensor, offset: 0, size: Math.ceil(tensor.byteLength / 16) * 16 };
  const offset = Math.floor(from / 256) * 256;
  return {
    tensor,
    offset,
    size: Math.min(Math.ceil(to / 16) * 16, Math.ceil(tensor.byteLength / 16) * 16) - offset,
  };
}
