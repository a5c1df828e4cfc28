/**
 * Element-by-element operations: activations, sums, gates, linear combinations of latents.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { type Binding, f32, type Recorder } from "../gpu/recorder.ts";
import { type Dtype, DTYPE_BYTES, elements, type Rows, sequence, type Tensor } from "../tensor.ts";
import { type Activation, ACTIVATION_CODES } from "./linear.ts";
import { fold } from "./window.ts";

/** Numbers of the operations in pointwise.wgsl. */
const OP = {
  activation: 0,
  add: 1,
  combine: 2,
  geglu: 3,
  concat: 4,
  clamp: 5,
  product: 6,
  affine: 7,
  posterior: 8,
  slice: 9,
  prelu: 10,
} as const;

const WG = 64;
const NO_CLIP = 3e38;

interface Pointwise {
  readonly op: number;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly out: Tensor;
  /** Elements of the output in one row; parts of a large tensor are cut between rows. */
  readonly row: number;
  /** Elements of each input in one row; 0 for an input that is read whole by every row. */
  readonly inputRows: readonly number[];
  readonly constants?: Readonly<Record<string, number>>;
  readonly C?: number;
  readonly Cb?: number;
  readonly coefficients?: readonly number[];
  readonly clip?: number;
  readonly part?: { readonly S: number; readonly N: number; readonly at: number };
}

function pointwise(r: Recorder, p: Pointwise): Tensor {
  const count = p.part ? elements(p.inputs[0]!.shape) : elements(p.out.shape);
  const rows = count / p.row;
  const limit = r.device.info.maxBindingBytes;
  const all = [...p.inputs.map((t, i) => [t, p.inputRows[i]] as const), [p.out, p.row] as const];
  const fits = all.every(([t]) => !t || t.byteLength <= limit);
  // 128 rows of any width are a multiple of 256 bytes, the offset alignment.
  const widest = Math.max(...all.map(([t, width]) => t ? width * DTYPE_BYTES[t.dtype] : 0));
  const step = fits ? rows : Math.max(128, Math.floor(limit / widest / 128) * 128);
  if (!fits && p.part) {
    throw new LssgenError("out_of_memory", "A sequence is larger than the adapter's largest binding");
  }
  for (let row0 = 0; row0 < rows; row0 += step) {
    const n = Math.min(step, rows - row0);
    const bind = (t: Tensor | undefined, width: number): Tensor | Binding | undefined => {
      if (!t || fits || width === 0) return t;
      const bytes = width * DTYPE_BYTES[t.dtype];
      return { tensor: t, offset: row0 * bytes, size: Math.ceil(n * bytes / 16) * 16 };
    };
    const groups = fold(Math.ceil(n * p.row / WG));
    const [a, b] = p.inputs;
    const k = p.coefficients ?? [];
    r.dispatch({
      shader: "pointwise",
      types: { aElem: a?.dtype ?? "f32", bElem: b?.dtype ?? "f32", yElem: p.out.dtype },
      constants: { OP: p.op, ...p.constants },
      // deno-fmt-ignore
      params: [
        n * p.row, groups[0], p.C ?? 1, p.Cb ?? 1,
        f32(k[0] ?? 0), f32(k[1] ?? 0), f32(k[2] ?? 0), f32(k[3] ?? 0), f32(p.clip ?? NO_CLIP),
        p.part?.S ?? rows, p.part?.N ?? rows, p.part?.at ?? 0,
      ],
      buffers: [...[0, 1, 2, 3].map((i) => bind(p.inputs[i], p.inputRows[i] ?? 1)), bind(p.out, p.row)],
      groups,
    });
  }
  return p.out;
}

function lastAxis(x: Tensor): number {
  return x.shape[x.shape.length - 1];
}

/** f(x), of x's shape. */
export function activation(r: Recorder, x: Tensor, act: Activation, dtype: Dtype = r.dtype): Tensor {
  const row = lastAxis(x);
  return pointwise(r, {
    op: OP.activation,
    inputs: [x],
    inputRows: [row],
    row,
    out: r.tensor(x.shape, dtype),
    constants: { ACT: ACTIVATION_CODES[act] },
  });
}

/** x where it is positive, else x · slopes[channel]: PReLU. x [.., C], slopes f32 [C] → [.., C]. */
export function prelu(r: Recorder, x: Tensor, slopes: Tensor, dtype: Dtype = r.dtype): Tensor {
  const C = lastAxis(x);
  const out = r.tensor(x.shape, dtype);
  return pointwise(r, { op: OP.prelu, inputs: [x, slopes], inputRows: [C, 0], row: C, C, out });
}

/** x in another type. */
export function cast(r: Recorder, x: Tensor, dtype: Dtype): Tensor {
  return activation(r, x, "none", dtype);
}

/** tanh(x / 3) · 3, the clamp in front of AutoencoderTiny's decoder. */
export function softClamp(r: Recorder, x: Tensor): Tensor {
  const row = lastAxis(x);
  return pointwise(r, { op: OP.clamp, inputs: [x], inputRows: [row], row, out: r.tensor(x.shape, "f32") });
}

/** a + b, f32; `into` a part of a sequence where given (which then must not be bound to a or b). */
export function add(r: Recorder, a: Tensor, b: Tensor, o: { into?: Rows; dtype?: Dtype } = {}): Tensor {
  const C = lastAxis(a);
  if (elements(a.shape) !== elements(b.shape)) {
    throw new LssgenError("internal", `Sum of [${a.shape}] and [${b.shape}]`);
  }
  const part = o.into && sequence(o.into);
  return pointwise(r, {
    op: OP.add,
    inputs: [a, b],
    inputRows: [C, C],
    row: C,
    C,
    out: part?.tensor ?? r.tensor(a.shape, o.dtype ?? "f32"),
    part: part && { S: part.S, N: part.N, at: part.at },
  });
}

/** a · b, f32. */
export function product(r: Recorder, a: Tensor, b: Tensor): Tensor {
  const row = lastAxis(a);
  return pointwise(r, {
    op: OP.product,
    inputs: [a, b],
    inputRows: [row, row],
    row,
    out: r.tensor(a.shape, "f32"),
  });
}

/** factor · x + shift, f32: into and out of a VAE's normalised latents. */
export function affine(r: Recorder, x: Tensor, factor: number, shift: number): Tensor {
  const row = lastAxis(x);
  const out = r.tensor(x.shape, "f32");
  return pointwise(r, {
    op: OP.affine,
    inputs: [x],
    inputRows: [row],
    row,
    out,
    coefficients: [factor, shift],
  });
}

/** The first C channels of x, f32. */
export function firstChannels(r: Recorder, x: Tensor, C: number): Tensor {
  const Cb = lastAxis(x);
  const out = r.tensor([...x.shape.slice(0, -1), C], "f32");
  return pointwise(r, { op: OP.slice, inputs: [x], inputRows: [Cb], row: C, C, Cb, out });
}

/** A draw from a diagonal Gaussian: moments [.., mean | log-variance] of 2C channels and noise [.., C] → [.., C] f32. */
export function posteriorSample(r: Recorder, moments: Tensor, noise: Tensor): Tensor {
  const C = lastAxis(noise);
  const out = r.tensor(noise.shape, "f32");
  return pointwise(r, { op: OP.posterior, inputs: [moments, noise], inputRows: [2 * C, C], row: C, C, out });
}

/** hidden · gelu(gate) of [.., hidden | gate]: [.., 2C] → [.., C]. Source: GLU Variants (arXiv 2002.05202). */
export function geglu(r: Recorder, x: Tensor, dtype: Dtype = r.dtype): Tensor {
  const C = lastAxis(x) / 2;
  const out = r.tensor([...x.shape.slice(0, -1), C], dtype);
  return pointwise(r, { op: OP.geglu, inputs: [x], inputRows: [2 * C], row: C, C, out });
}

/** a and b side by side in the last axis, f32. */
export function concatChannels(r: Recorder, a: Tensor, b: Tensor, dtype: Dtype = "f32"): Tensor {
  const [Ca, Cb] = [lastAxis(a), lastAxis(b)];
  const out = r.tensor([...a.shape.slice(0, -1), Ca + Cb], dtype);
  return pointwise(r, { op: OP.concat, inputs: [a, b], inputRows: [Ca, Cb], row: Ca + Cb, C: Ca, Cb, out });
}

/** Σ coefficient · tensor of equal shapes, f32: scheduler steps and noise mixing. `clip` clamps to ±clip. */
export function combine(
  r: Recorder,
  terms: readonly { readonly coef: number; readonly tensor: Tensor }[],
  o: { clip?: number } = {},
): Tensor {
  const row = lastAxis(terms[0].tensor);
  const shape = terms[0].tensor.shape;
  const sum = (part: typeof terms, clip?: number): Tensor =>
    pointwise(r, {
      op: OP.combine,
      inputs: part.map((t) => t.tensor),
      inputRows: part.map(() => row),
      row,
      out: r.tensor(shape, "f32"),
      constants: { TERMS: part.length },
      coefficients: part.map((t) => t.coef),
      clip,
    });
  if (terms.length <= 4) return sum(terms, o.clip);
  return combine(r, [{ coef: 1, tensor: sum(terms.slice(0, 4)) }, ...terms.slice(4)], o);
}

/** Softmax over the last axis, f32. [.., D] → [.., D]. */
export function softmax(r: Recorder, x: Tensor): Tensor {
  const D = lastAxis(x);
  const rows = elements(x.shape) / D;
  const out = r.tensor(x.shape, "f32");
  const groups = fold(rows);
  r.dispatch({
    shader: "softmax",
    types: { xElem: x.dtype },
    params: [rows, D, groups[0]],
    buffers: [x, out],
    groups,
  });
  return out;
}
