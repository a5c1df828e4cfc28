/**
 * Matrix product with a weight, and what surrounds it in a transformer: bias, activation, gate and
 * residual ride in the product's epilogue.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { type Binding, f32, type Recorder } from "../gpu/recorder.ts";
import { MAX_TEXEL_BYTES } from "../gpu/memory.ts";
import { chooseMatmul, fewRowsOf, integerRowsOf, operandsOf, workgroupConstants } from "../gpu/tune.ts";
import {
  type Dtype,
  DTYPE_BYTES,
  PLAIN_BYTES,
  PLAIN_CODES,
  type PlainType,
  type Rows,
  sequence,
  type Tensor,
} from "../tensor.ts";
import {
  blockConstants,
  byteKindOf,
  eighthsOf,
  expand,
  kindOf,
  type LowRank,
  multipliesBytes,
  type QuantisedMatrix,
  rawBytes,
  runs,
  scaleParams,
  spanUnits,
} from "./quantised.ts";
import { bindBytes, fold } from "./window.ts";

/** A weight on the GPU, [N, K] row-major as torch stores it: plain numbers, or quantised blocks. */
export type Matrix = PlainMatrix | QuantisedMatrix;

/** A weight of plain numbers; 16-bit types lie two in a u32. */
export interface PlainMatrix {
  /** Holds `N * stride` elements. */
  readonly buffer: GPUBuffer;
  /** Rows: outputs. */
  readonly N: number;
  /** Columns: inputs. */
  readonly K: number;
  /** Elements from row to row: a multiple of 8, at least K; the pad is zero. */
  readonly stride: number;
  /** Element type. */
  readonly type: PlainType;
  /** First byte in the buffer, a multiple of 256, where it is no weight but what was made of one. */
  readonly offset?: number;
  /** Never set: what is not quantised. */
  readonly blocks?: undefined;
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
  const product: Product = { input, to, add, M, N, K, S: from.S, bias, options: o };
  if (!weight.blocks) many(r, product, weight);
  else if (isFew(r, product, weight)) few(r, product, weight);
  else many(r, product, weight);
  return to.tensor;
}

type Sequence = ReturnType<typeof sequence>;

/** A product whose operands were checked. */
interface Product {
  readonly input: Sequence;
  readonly to: Sequence;
  readonly add: Sequence | undefined;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** Rows of a sample. */
  readonly S: number;
  readonly bias: Tensor | undefined;
  readonly options: LinearOptions;
}

/** Whether a product by a quantised weight expands it on the way; else all of it is expanded first. */
function isFew(r: Recorder, product: Product, weight: QuantisedMatrix): boolean {
  const { input, to, add, M, K } = product;
  const { maxBindingBytes } = r.device.info;
  if (M > fewRowsOf(r.device, kindOf(weight.blocks.type)) && !isInteger(r, product, weight)) return false;
  if (input.C !== K) return false;
  return (M <= 8 || [input, to, add].every((t) => !t || fits(t, maxBindingBytes))) &&
    changesFit(product, weight);
}

/** Whether a product rounds x to bytes, as its weight allows and measurement on the adapter found faster. */
function isInteger(r: Recorder, { input, M, K }: Product, { blocks }: QuantisedMatrix): boolean {
  const { integerDot, maxBindingBytes } = r.device.info;
  return blocks.integerDot === true && integerDot === true && multipliesBytes(blocks) &&
    M <= integerRowsOf(r.device, byteKindOf(blocks.type)) &&
    fits(input, maxBindingBytes) && M * bytesRow(K) <= Math.min(maxBindingBytes, MAX_TEXEL_BYTES);
}

/** Bytes of a row as shaders/quantise_rows.wgsl makes it. */
function bytesRow(K: number): number {
  return 48 * Math.ceil(K / 32);
}

/** x as bytes, [M, units, 3 loads] of the innermost scope, bound as a whole. */
function quantiseRows(r: Recorder, { input, M, K, options: { preAct } }: Product): Binding {
  const { tensor, C, S, N, at } = input;
  const bytes = r.tensor([M, bytesRow(K) / 4], "f32");
  const groups = fold(Math.ceil(M * Math.ceil(K / 32) / 64));
  r.dispatch({
    shader: "quantise_rows",
    constants: {
      WG: 64,
      X_TYPE: tensor.dtype === "f16" ? 1 : 0,
      PRE: ACTIVATION_CODES[preAct ?? "none"],
    },
    // In the order of Shape in shaders/quantise_rows.wgsl.
    params: [M, C / 8, S, N, at, 0, groups[0]],
    buffers: [tensor, bytes],
    groups,
  });
  return { tensor: bytes, offset: 0, size: bytes.byteLength };
}

/** Rows and columns of a workgroup, or of an invocation that reads textures: the least that hold M rows, or eight at a time. */
const FEW_KERNELS: Readonly<Record<"buffers" | "texels", readonly { RM: number; RN: number }[]>> = {
  buffers: [{ RM: 1, RN: 4 }, { RM: 2, RN: 4 }, { RM: 4, RN: 4 }, { RM: 8, RN: 2 }],
  texels: [{ RM: 1, RN: 4 }, { RM: 2, RN: 4 }, { RM: 4, RN: 4 }, { RM: 8, RN: 4 }],
};
/** Invocations of a workgroup of shaders/matmul_quants_texels.wgsl. */
const FEW_WX = 16;

/** Few rows by a quantised weight. */
function few(r: Recorder, p: Product, weight: QuantisedMatrix): void {
  const { input, to, add, M, N } = p;
  const { rowBytes, at, type, scales } = weight.blocks;
  const texels = operandsOf(r.device) === "texels";
  const { RM, RN } = FEW_KERNELS[texels ? "texels" : "buffers"].find(({ RM }) => RM >= Math.min(8, M))!;
  const SPAN = texels ? spanUnits(type, RM) : 1;
  const limit = r.device.info.maxBindingBytes;
  const raw = rawBytes(weight);
  const whole = raw.byteLength <= (texels ? MAX_TEXEL_BYTES : limit);
  const step = whole ? N : Math.max(1, Math.floor((limit - 512) / rowBytes));
  const [X, Y, R] = [input, to, add].map((t) => t && bindRows(t, 0, M, bytesOf(t), fits(t, limit)));
  using _texels = r.scope();
  const INTEGER = isInteger(r, p, weight) ? 1 : 0;
  const rows = INTEGER ? quantiseRows(r, p) : X!;
  const x = texels ? r.texels(rows) : rows;
  const changes = weight.blocks.changes ?? [];
  const atOnce = r.device.budget.rowsAtOnce(M, 2 * M * Math.min(N, step) * p.K, RM);
  for (let from = 0; from < N; from += step) {
    using _part = r.scope();
    const partEnd = Math.min(N, from + step);
    const W = bindBytes(raw, from * rowBytes, partEnd * rowBytes, whole);
    const operand = !texels ? W : whole ? r.weightTexels(weight.buffer, W.size) : r.texels(W);
    for (const { n: n0, end: nEnd, change } of runs(changes, from, partEnd)) {
      using _change = r.scope();
      const low = change && lowRank(r, p, change, eighthsOf(weight.blocks).whole * 8);
      const across = Math.ceil((nEnd - n0) / (texels ? FEW_WX * RN : RN));
      for (const [m0, mEnd] of cut(0, M, atOnce)) {
        launch(r, p, {
          shader: `${
            texels ? "matmul_quants_texels" : "matmul_quants"
          }@RM=${RM},RN=${RN},SPAN=${SPAN},INTEGER=${INTEGER}`,
          constants: {
            // Bytes were activated, and are of one type.
            ...INTEGER && { X_TYPE: 0, PRE: 0 },
            ...blockConstants(weight.blocks),
            SCALED: !scales ? 0 : scales.columns === 1 ? 2 : 1,
            CHANGED: low ? 1 : 0,
            ...texels && { WX: FEW_WX },
          },
          rows: [m0, mEnd],
          columns: [n0, nEnd],
          stride8: rowBytes,
          wBase8: (W.offset - at) >>> 0,
          quantised: {
            params: [...scaleParams(weight.blocks), change?.count ?? 0, change?.first ?? 0],
            operands: [scales?.factors, low],
          },
          groups: fold(across * Math.ceil((mEnd - m0) / RM)),
          X: X!,
          operands: [x, operand],
          Y: Y!,
          R,
        });
      }
    }
  }
}

/** Whether the changes of a weight can be multiplied as weights of their own: whole eights of their ranks, rows of x end to end. */
function changesFit(
  { input: { B, S, N } }: Product,
  { blocks: { changes = [], at } }: QuantisedMatrix,
): boolean {
  if (changes.length === 0) return true;
  return (B === 1 || S === N) && at === 0 &&
    changes.every(({ rank, down, up }) => rank % 8 === 0 && down.offset === 0 && up.offset === 0);
}

/** x · (factors ⊙ down)ᵀ · upᵀ, [M, count] of the innermost scope: what a change adds to some columns. */
function lowRank(r: Recorder, p: Product, change: LowRank, stride: number): Tensor {
  const { M, K, input: { tensor, N, at }, options: { preAct } } = p;
  const { rank, count, type, down, up, factors } = change;
  // Rows lie end to end, or are those of one sample.
  const x: Rows = { tensor: { ...tensor, shape: [1, Math.max(M, N), K] }, at, count: M };
  const between = linear(r, x, { weight: { buffer: down.buffer, N: rank, K, stride, type } }, {
    ...{ preAct, dtype: "f32" },
    gate: { ...factors, shape: [1, rank] },
  });
  const weight = { buffer: up.buffer, N: count, K: rank, stride: rank, type };
  return linear(r, between, { weight }, { dtype: "f32" });
}

/** Any number of rows; a quantised weight is expanded first, as much of it at once as kernels may bind. */
function many(r: Recorder, p: Product, weight: Matrix): void {
  const { input, to, add, M, N, K, options: o } = p;
  const wType = weight.blocks ? weight.blocks.expanded : weight.type;
  const types = {
    xType: input.tensor.dtype,
    wType,
    yType: add || o.accumulate ? undefined : to.tensor.dtype,
  };
  const kind = [
    types.xType,
    wType,
    to.tensor.dtype,
    add?.tensor.dtype,
    o.act,
    o.preAct,
    !o.gate,
    o.accumulate,
  ];
  const kernel = chooseMatmul(r.device, { M, N, K: input.C, kind: kind.join(), ...types });
  const texels = kernel.operands === "texels";
  const limit = Math.min(r.device.info.maxBindingBytes, texels ? MAX_TEXEL_BYTES : Infinity);
  const dense = [input, to, add].every((t) => !t || fits(t, limit));
  const rowBytes = Math.max(...[input, to, add].map((t) => t ? bytesOf(t) : 0));
  const fitting = dense ? [[0, M]] : rangesOfRows(input.B, p.S, limit, rowBytes);
  const wBytes = PLAIN_BYTES[wType] * weight.stride;
  // A texture of a weight holds more than a binding may; what is expanded is a tensor.
  const wLimit = texels && !weight.blocks ? MAX_TEXEL_BYTES : limit;
  const columns = Math.floor((wLimit - 256) / wBytes);
  if (columns < 1) {
    throw new LssgenError(
      "unsupported",
      `A weight row of ${wBytes} bytes exceeds the limit of ${wLimit} bytes`,
    );
  }
  const step = N * wBytes <= wLimit ? N : columns;
  const atOnce = r.device.budget.rowsAtOnce(M, 2 * M * Math.min(N, step) * K, kernel.WY * kernel.RM);
  const bands = fitting.flatMap(([m0, mEnd]) => cut(m0, mEnd, atOnce));
  for (let n0 = 0; n0 < N; n0 += step) {
    const nEnd = Math.min(N, n0 + step);
    using _weight = r.scope();
    const W = weightBinding(r, weight, n0, nEnd, wBytes, step === N);
    // A texture of a loaded weight is kept from product to product.
    const operand = !texels
      ? W
      : !weight.blocks && step === N
      ? r.weightTexels(weight.buffer, Math.ceil(N * wBytes / 16) * 16)
      : r.texels(W);
    for (const [m0, mEnd] of bands) {
      using _texels = r.scope();
      const X = bindRows(input, m0, mEnd, bytesOf(input), dense && !texels);
      const across = Math.ceil((nEnd - n0) / (kernel.WX * kernel.RN));
      const tiles = across * Math.ceil((mEnd - m0) / (kernel.WY * kernel.RM));
      launch(r, p, {
        shader: kernel.shader,
        constants: { ...workgroupConstants(r.device, kernel, types), W_TYPE: PLAIN_CODES[wType] },
        rows: [m0, mEnd],
        columns: [n0, nEnd],
        stride8: weight.stride / 8,
        wBase8: weight.blocks ? n0 * weight.stride / 8 : W.offset / PLAIN_BYTES[wType] / 8,
        groups: fold(tiles),
        X,
        operands: [texels ? r.texels(X) : X, operand],
        Y: bindRows(to, m0, mEnd, bytesOf(to), dense),
        R: add && bindRows(add, m0, mEnd, bytesOf(add), dense),
      });
    }
  }
}

/** Rows of a weight as kernels of plain numbers read them. */
function weightBinding(
  r: Recorder,
  weight: Matrix,
  n0: number,
  nEnd: number,
  rowBytes: number,
  whole: boolean,
): Binding {
  if (weight.blocks) {
    const tensor = expand(r, weight, n0, nEnd);
    return { tensor, offset: 0, size: tensor.byteLength };
  }
  const tensor: Tensor = {
    shape: [weight.N, weight.stride],
    dtype: "f32",
    buffer: weight.buffer,
    offset: 0,
    byteLength: weight.N * rowBytes,
  };
  return bindBytes(tensor, n0 * rowBytes, nEnd * rowBytes, whole);
}

/** One dispatch of a product. */
interface Launch {
  readonly shader: string;
  readonly constants: Readonly<Record<string, number>>;
  readonly rows: readonly [m0: number, mEnd: number];
  readonly columns: readonly [n0: number, nEnd: number];
  /** Where the weight's rows lie, in the kernel's units. */
  readonly stride8: number;
  readonly wBase8: number;
  /** What only quantised weights have: factors of their values, and what a change of low rank adds. */
  readonly quantised?: {
    readonly params: readonly number[];
    readonly operands: readonly [factors: Tensor | undefined, low: Tensor | undefined];
  };
  readonly groups: readonly [number, number];
  /** Where x, y and the residual are bound from. */
  readonly X: Binding;
  readonly Y: Binding;
  readonly R: Binding | undefined;
  /** What x and the weight are read from. */
  readonly operands: readonly [Operand, Operand];
}

type Operand = Parameters<Recorder["dispatch"]>[0]["buffers"][number];

function launch(r: Recorder, { input, to, add, N, K, S, bias, options: o }: Product, l: Launch): void {
  const { X, Y, R, rows: [m0, mEnd], columns: [n0, nEnd] } = l;
  r.dispatch({
    shader: l.shader,
    types: { rElem: add?.tensor.dtype ?? "f32", yElem: to.tensor.dtype },
    constants: {
      X_TYPE: input.tensor.dtype === "f16" ? 1 : 0,
      PRE: ACTIVATION_CODES[o.preAct ?? "none"],
      ...l.constants,
      ACT: ACTIVATION_CODES[o.act ?? "none"],
      GATE: o.gate ? 1 : 0,
      ADD: o.accumulate ? 2 : add ? 1 : 0,
    },
    // In the order of Shape in shaders/parts/linear_shape.wgsl.
    params: [
      ...[m0, mEnd, n0, nEnd],
      ...[N, input.C / 8, l.stride8, S],
      ...[input.N, input.at, X.offset / DTYPE_BYTES[input.tensor.dtype] / 8, l.wBase8],
      ...[to.N, to.at, Y.offset / DTYPE_BYTES[to.tensor.dtype]],
      ...(add ? [add.N, add.at, R!.offset / DTYPE_BYTES[add.tensor.dtype]] : [0, 0, 0]),
      ...[
        o.gate ? o.gate.shape[o.gate.shape.length - 1] : 0,
        o.gateAt ?? 0,
        f32(o.scale ?? 1),
        l.groups[0],
      ],
      ...[bias ? 1 : 0, ...l.quantised?.params ?? []],
    ],
    buffers: [...l.operands, bias, o.gate, R, Y, ...l.quantised?.operands ?? []],
    groups: [l.groups[0], l.groups[1]],
    flops: 2 * (mEnd - m0) * (nEnd - n0) * K,
  });
}

/** Bytes of a row. */
function bytesOf({ tensor, C }: Sequence): number {
  return DTYPE_BYTES[tensor.dtype] * C;
}

function fits({ tensor }: Sequence, limit: number): boolean {
  return tensor.byteLength <= limit;
}

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
