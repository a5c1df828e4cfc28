/**
 * Scaled dot-product attention: with online softmax, where scores never leave the workgroup, or in the two launches of
 * attention_scores.ts.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { MAX_TEXEL_BYTES } from "../gpu/memory.ts";
import { type Binding, f32, type Recorder } from "../gpu/recorder.ts";
import { compilesLargeKernels, operandsOf, reductionOf, tilesOf } from "../gpu/tune.ts";
import { DTYPE_BYTES, type Tensor } from "../tensor.ts";
import { attendByScores, LANES, scoresFit, type Strided } from "./attention_scores.ts";
import { fold, MAX_GROUPS } from "./window.ts";

/** Heads within the channels of a sequence: element d of head h of row n is `x[b, n, at + h·D + d]`. */
export interface Heads {
  /** [B, N, C]. */
  readonly tensor: Tensor;
  /** Channel where head 0 starts. */
  readonly at: number;
  /** The rows of each sample to use, in place of all. */
  readonly rows?: { readonly at: number; readonly count: number };
}

/** Sizes and variations of {@linkcode attention}. */
export interface AttentionOptions {
  /** Number of heads. */
  readonly heads: number;
  /** Channels of a head. */
  readonly headDim: number;
  /** Factor of the scores; 1/√headDim if not given. */
  readonly scale?: number;
  /** Query n sees keys 0 … n only. */
  readonly causal?: boolean;
  /** Added to the scaled scores: f32 [1|B, 1|heads, Lq, Lk]. */
  readonly bias?: Tensor;
  /** f32 [B, Lk]: 0 drops a key. A query without keys gives zeros. */
  readonly keyMask?: Tensor;
}

/**
 * softmax(scale · Q·Kᵀ + bias)·V for every head, as `torch.nn.functional.scaled_dot_product_attention`.
 * The parts may lie in one tensor (`qkv` at 0, D, 2·D); any lengths and any head size.
 *
 * @param r Recorder.
 * @param q Queries, Lq rows a sample.
 * @param k Keys, Lk rows a sample.
 * @param v Values, Lk rows a sample.
 * @param o Heads, and what changes the scores.
 * @returns [B, Lq, heads · headDim] of the recorder's type.
 * @throws {LssgenError} `bad_tensor` when shapes do not fit together; `unsupported` when the keys of a
 *   single head exceed the largest binding.
 */
export function attention(r: Recorder, q: Heads, k: Heads, v: Heads, o: AttentionOptions): Tensor {
  const { heads, headDim: D } = o;
  const [Q, K, V] = [strided("q", q, o), strided("k", k, o), strided("v", v, o)];
  if (K.L !== V.L || K.B !== Q.B || V.B !== Q.B) {
    throw new LssgenError(
      "bad_tensor",
      `attention: q has ${Q.B}×${Q.L} rows, k ${K.B}×${K.L}, v ${V.B}×${V.L}: expected equal samples, and k as long as v`,
    );
  }
  const { B, L: Lq } = Q;
  const Lk = K.L;
  const bias = o.bias && biasStrides(o.bias, B, heads, Lq, Lk);
  if (o.keyMask && o.keyMask.shape.reduce((a, b) => a * b, 1) !== B * Lk) {
    throw new LssgenError("bad_tensor", `attention: key mask [${o.keyMask.shape}], expected [${B}, ${Lk}]`);
  }
  const out = r.tensor([B, Lq, heads * D]);
  const limit = r.device.info.maxBindingBytes;
  const flops = 4 * B * heads * Lq * Lk * D;
  if (paysByScores(r, [Q, K, V], [out, ...(o.bias ? [o.bias] : [])], D, flops)) {
    attendByScores(r, {
      ...{ Q, K, V, out, heads, D },
      bias: o.bias && bias && { tensor: o.bias, ...bias },
      keyMask: o.keyMask,
      scale: o.scale ?? 1 / Math.sqrt(D),
      causal: o.causal ?? false,
    });
    return out;
  }
  const kernel = chooseKernel(r, [Q, K, V], D, flops, !bias && !o.keyMask);

  // Textures belong to the scope: all parts of one tensor share a copy, whole, which no binding limits.
  using copies = r.scope();
  void copies;
  const textures = new Map<Tensor, GPUTexture>();
  if (kernel.texels) {
    for (const { tensor } of [Q, K, V]) if (!textures.has(tensor)) textures.set(tensor, r.texels(tensor));
  }
  const operand = (t: Tensor, bound: Tensor | Binding): Tensor | Binding | GPUTexture =>
    textures.get(t) ?? bound;
  const launch = (
    part: {
      K: Strided;
      V: Strided;
      b0: number;
      h0: number;
      samples: number;
      headsHere: number;
      q0: number;
      qEnd: number;
    },
    bound: { q: Binding; o: Binding; bias?: Binding },
  ) => {
    const { b0, h0, q0, qEnd, headsHere } = part;
    const qBefore = kernel.texels ? 0 : bound.q.offset;
    const pairs = part.samples * headsHere;
    const together = Math.ceil(Math.ceil((qEnd - q0) * LANES / kernel.queries) * pairs / LANES);
    // Workgroups along y stop at 65 535, which no model's heads times samples reaches.
    const groups = kernel.texels
      ? [...fold(together), kernel.columns] as const
      : [Math.ceil((qEnd - q0) / kernel.queries), pairs, kernel.columns] as const;
    r.dispatch({
      shader: kernel.shader,
      types: kernel.tiled
        ? { oElem: out.dtype }
        : { qElem: Q.tensor.dtype, kElem: K.tensor.dtype, vElem: V.tensor.dtype, oElem: out.dtype },
      constants: {
        ...kernel.constants,
        CAUSAL: o.causal ? 1 : 0,
        BIAS: bias ? 1 : 0,
        MASK: o.keyMask ? 1 : 0,
      },
      params: [
        ...[heads, D, Lq, Lk, q0, qEnd, b0, h0, headsHere],
        ...[wrap(Q.first - qBefore / DTYPE_BYTES[Q.tensor.dtype]), Q.sample, Q.head, Q.row],
        ...[wrap(part.K.first), part.K.sample, part.K.head, part.K.row],
        ...[wrap(part.V.first), part.V.sample, part.V.head, part.V.row],
        wrap(-bound.o.offset / DTYPE_BYTES[out.dtype]),
        ...[wrap(-(bound.bias?.offset ?? 0) / 4), bias?.sample ?? 0, bias?.head ?? 0],
        f32(o.scale ?? 1 / Math.sqrt(D)),
        pairs,
      ],
      buffers: [
        operand(Q.tensor, bound.q),
        operand(part.K.tensor, part.K.tensor),
        operand(part.V.tensor, part.V.tensor),
        bound.bias,
        o.keyMask,
        bound.o,
      ],
      groups,
      flops: 4 * pairs * (qEnd - q0) * Lk * D,
    });
  };

  const read = kernel.texels ? [] : [Q.tensor, K.tensor, V.tensor];
  const whole = [...read, out, ...(o.bias ? [o.bias] : [])].every((t) => t.byteLength <= limit);
  const fits = (samples: number): number =>
    r.device.budget.rowsAtOnce(Lq, 4 * samples * Lq * Lk * D, kernel.queries);
  if (whole && Math.ceil(Lq / kernel.queries) <= MAX_GROUPS && B * heads <= MAX_GROUPS) {
    const step = fits(B * heads);
    for (let q0 = 0; q0 < Lq; q0 += step) {
      const part = { K, V, b0: 0, h0: 0, samples: B, headsHere: heads, q0, qEnd: Math.min(Lq, q0 + step) };
      launch(part, { q: bindAll(Q.tensor), o: bindAll(out), bias: o.bias && bindAll(o.bias) });
    }
    return out;
  }

  // One head at a time: its keys and values in buffers of their own, its queries in ranges.
  const widest = Math.max(
    Q.row * DTYPE_BYTES[Q.tensor.dtype],
    heads * D * DTYPE_BYTES[out.dtype],
    bias ? Lk * 4 : 0,
  );
  const step = Math.min(MAX_GROUPS * kernel.queries, Math.floor((limit - 512) / widest), fits(1));
  if (step < 1) {
    throw new LssgenError(
      "unsupported",
      `attention: a row of ${widest} bytes exceeds the binding limit of ${limit} bytes`,
    );
  }
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < heads; h++) {
      using _head = r.scope();
      const part = {
        K: kernel.texels ? K : packed(r, K, b, h, D),
        V: kernel.texels ? V : packed(r, V, b, h, D),
        b0: b,
        h0: h,
        samples: 1,
        headsHere: 1,
      };
      for (let q0 = 0; q0 < Lq; q0 += step) {
        const qEnd = Math.min(Lq, q0 + step);
        const q = Q.first + b * Q.sample + h * Q.head;
        const at = bias ? b * bias.sample + h * bias.head : 0;
        launch({ ...part, q0, qEnd }, {
          q: bindElements(Q.tensor, q + q0 * Q.row, q + (qEnd - 1) * Q.row + D),
          o: bindElements(out, (b * Lq + q0) * heads * D, (b * Lq + qEnd) * heads * D),
          bias: o.bias && bindElements(o.bias, at + q0 * Lk, at + qEnd * Lk),
        });
      }
    }
  }
  return out;
}

/** A variant of the kernel for some heads. */
interface Kernel {
  readonly shader: string;
  /** Rows are read in whole loads of eight values. */
  readonly tiled: boolean;
  /** Operands are read from textures. */
  readonly texels: boolean;
  readonly constants: Readonly<Record<string, number>>;
  /** Queries a workgroup makes. */
  readonly queries: number;
  /** Workgroups that share a query's columns. */
  readonly columns: number;
}

/** A tile of attention_texels.wgsl: columns and queries of an invocation, and from how many operations on it pays. */
interface TexelTile {
  readonly OD: number;
  readonly RQ: number;
  readonly flops: number;
}

/**
 * The more queries share a key and a value, the faster: 64 columns make 17, 24 or 29 GFLOP/s with 4, 8 or 16 (llvmpipe, f32).
 * But drivers compile a tile for seconds, and the longer the more sums it has.
 */
const TEXEL_TILES: readonly TexelTile[] = [
  { OD: 32, RQ: 4, flops: 0 },
  { OD: 32, RQ: 12, flops: 4e6 },
  { OD: 40, RQ: 8, flops: 0 },
  { OD: 64, RQ: 4, flops: 0 },
  { OD: 64, RQ: 8, flops: 5e8 },
  { OD: 64, RQ: 16, flops: 4e9 },
];

/** The tile with the fewest loads for `flops` operations on heads of D columns. */
function texelTile(D: number, flops: number): TexelTile {
  // For eight queries and keys: slices of columns make the scores anew, of D / 8 loads a query or key, then load OD / 8 a key.
  const loads = ({ OD, RQ }: TexelTile): number => Math.ceil(D / OD) * (D * (RQ + 8) + 8 * OD) / RQ;
  return TEXEL_TILES.filter((tile) => flops >= tile.flops)
    .reduce((best, tile) => loads(tile) < loads(best) ? tile : best);
}

/** A tile of attention_tiled.wgsl: its variant, and the constants that it is compiled with. */
interface StagedTile {
  readonly RQ: number;
  readonly RK: number;
  readonly OD: number;
  readonly WX: number;
  readonly WY: number;
  readonly D8: number;
  readonly STEP8: number;
  readonly QUADS: number;
  readonly POOL: number;
  readonly STAGE_Q: number;
  readonly STAGE_KV: number;
}

/** Invocations and workgroup memory of its workgroups at most: several have to fit a GPU's processor, a CPU runs one. */
const STAGED_MOST = {
  small: { lanes: 64, bytes: 16 << 10 },
  huge: { lanes: 128, bytes: 32 << 10 },
};
/** Wider heads leave a workgroup so few rows that staging keys and values would not pay. */
const STAGED_COLUMNS = 256;
/**
 * Operations from which on a huge tile is worth the four seconds that a driver compiles it. Wide heads are an
 * autoencoder's, which runs once a picture.
 */
const HUGE_FLOPS = { narrow: 5e8, wide: 2e10 };

/**
 * The tile of attention_tiled.wgsl for heads of D columns and Lq queries, or none where a device has no room for any.
 *
 * @param limits The device's.
 * @param huge Up to 512 sums an invocation: a load costs a CPU as much as thirty multiply-adds; few GPUs have the registers.
 * @param qVectors Loads of 16 bytes for eight values of a query: one for 16 bits, two for f32.
 * @param kvVectors The same of keys and values.
 */
export function stagedTile(
  limits: { readonly workgroupBytes: number; readonly workgroupInvocations: number },
  huge: boolean,
  D: number,
  Lq: number,
  qVectors: number,
  kvVectors: number,
): StagedTile | undefined {
  const D8 = D / 8;
  const wide = D > STAGED_COLUMNS;
  for (const size of huge ? ["huge", "small"] as const : ["small"] as const) {
    const [RQ, RK] = size === "huge" ? [16, 16] : [8, 8];
    const OD = D % 16 === 0 && (size === "huge" || D >= 128) ? 16 : 8;
    const WX = D / OD;
    const lanes = Math.min(STAGED_MOST[size].lanes, limits.workgroupInvocations);
    if (WX > Math.min(64, lanes)) continue;
    const bytes = Math.min(STAGED_MOST[wide ? "huge" : size].bytes, limits.workgroupBytes);
    const STAGE_KV = wide ? 0 : 1;
    const STAGE_Q = wide || size === "huge" ? 0 : 1;
    const odd = (n: number): number => n + 1 - n % 2;
    /** With as much staged at once as there is room for. */
    const fitted = (WY: number): StagedTile | undefined => {
      const room = Math.floor((bytes - 4 * WX * WY * RQ) / 16);
      const scores = (STEP8: number): number =>
        STAGE_KV * RK * WX * odd(STEP8 * kvVectors) + STAGE_Q * RQ * WY * odd(STEP8 * qVectors);
      const STEP8 = divisors(D8).findLast((n) => scores(n) <= room);
      const probabilities = RQ * WY * odd(WX);
      const quad = STAGE_KV * 4 * D8 * kvVectors;
      if (STEP8 === undefined || probabilities + quad > room) return undefined;
      const QUADS = wide ? WX : Math.min(WX, Math.floor((room - probabilities) / quad));
      const POOL = Math.max(scores(STEP8), probabilities + QUADS * quad);
      return { RQ, RK, OD, WX, WY, D8, STEP8, QUADS, POOL, STAGE_Q, STAGE_KV };
    };
    // A CPU's vectors take whole eights. Few values of WY for all lengths, as each is compiled.
    const rows = Math.floor(lanes / WX);
    const most = size === "huge" ? 2 ** Math.floor(Math.log2(rows)) : rows;
    const shares = size === "huge" ? [16, 12, 8, 6, 4, 3, 2, 1] : [16, 8, 4, 2, 1];
    const tiles = [...new Set(shares.map((share) => Math.max(1, Math.floor(most * share / 16))))]
      .map(fitted).filter((tile) => tile !== undefined);
    // Staging keys and values costs a workgroup about what one more row of invocations would.
    const time = ({ WY }: StagedTile): number => Math.ceil(Lq / (RQ * WY)) * (WY + 1);
    if (tiles.length > 0) return tiles.reduce((best, tile) => time(tile) < time(best) ? tile : best);
  }
  return undefined;
}

/** Divisors of n, ascending. */
function divisors(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);
}

/**
 * Register tiles where rows are made of whole loads of eight values, else one value at a time.
 *
 * @param plain Scores are neither biased nor masked.
 */
function chooseKernel(
  r: Recorder,
  operands: readonly Strided[],
  D: number,
  flops: number,
  plain: boolean,
): Kernel {
  const [Q, K] = operands.map(({ tensor }) => tensor.dtype);
  const types = { Q_TYPE: Q === "f16" ? 1 : 0, KV_TYPE: K === "f16" ? 1 : 0 };
  if (D <= 160 && fromTextures(r, operands, D)) {
    const tile = texelTile(D, flops);
    return {
      shader: `attention_texels@RQ=${tile.RQ},OD=${tile.OD}`,
      tiled: true,
      texels: true,
      constants: { WX: LANES, ...types },
      queries: LANES * tile.RQ,
      columns: Math.ceil(D / tile.OD),
    };
  }
  const { info } = r.device;
  // With a bias or a mask, 256 more loads an invocation make a driver compile for three times as long.
  const huge = plain && flops >= HUGE_FLOPS[D > STAGED_COLUMNS ? "wide" : "narrow"] &&
    (info.fallback || tilesOf(r.device) === "huge");
  const staged = wholeEights(r, operands, D)
    ? stagedTile(info, huge, D, operands[0].L, 2 - types.Q_TYPE, 2 - types.KV_TYPE)
    : undefined;
  if (staged) {
    const { RQ, RK, OD, ...constants } = staged;
    return {
      shader: `attention_tiled@RQ=${RQ},RK=${RK},OD=${OD}`,
      tiled: true,
      texels: false,
      constants: { ...constants, ...types },
      queries: RQ * constants.WY,
      columns: 1,
    };
  }
  const DJ = D <= 64 ? 1 : D <= 128 ? 2 : 8;
  return {
    shader: `attention@BQ=4,DJ=${DJ},SUBGROUPS=${reductionOf(r.device) === "subgroups" ? 1 : 0}`,
    tiled: false,
    texels: false,
    constants: {},
    queries: 4,
    columns: Math.ceil(D / (64 * DJ)),
  };
}

/** Whether kernels in register tiles can be had: rows of heads are whole loads of eight values. */
function wholeEights({ device }: Recorder, [Q, K, V]: readonly Strided[], D: number): boolean {
  const all = [Q, K, V].flatMap(({ first, sample, head, row }) => [first, sample, head, row]);
  return compilesLargeKernels(device) && D % 8 === 0 && all.every((n) => n % 8 === 0) &&
    K.tensor.dtype === V.tensor.dtype;
}

/** Whether they are best read from textures. */
function fromTextures(r: Recorder, operands: readonly Strided[], D: number): boolean {
  // On a processor whatever tiles were measured: they differ by little there, and the two kernels by bits.
  const large = r.device.info.fallback || tilesOf(r.device) !== "small";
  return operandsOf(r.device) === "texels" && large && wholeEights(r, operands, D) &&
    operands.every(({ tensor }) => tensor.byteLength <= MAX_TEXEL_BYTES);
}

/** Columns above which probabilities are written and read again; operations from which on it is worth compiling for. */
const BY_SCORES = { columns: 64, flops: 5e7 };

/**
 * Whether attention goes faster in two launches.
 *
 * @param operands Q, K and V, which are read from textures.
 * @param bound Tensors that a kernel binds whole.
 */
function paysByScores(
  r: Recorder,
  operands: readonly Strided[],
  bound: readonly Tensor[],
  D: number,
  flops: number,
): boolean {
  return D > BY_SCORES.columns && flops >= BY_SCORES.flops && fromTextures(r, operands, D) &&
    scoresFit(r, operands[1]) &&
    bound.every(({ byteLength }) => byteLength <= r.device.info.maxBindingBytes);
}

/** Strides of an operand, checked against its shape. */
function strided(name: string, x: Heads, { heads, headDim }: AttentionOptions): Strided {
  const { tensor, at } = x;
  if (tensor.shape.length !== 3 || at + heads * headDim > tensor.shape[2]) {
    throw new LssgenError(
      "bad_tensor",
      `attention: ${name} [${tensor.shape}] has no ${heads} heads of ${headDim} from channel ${at}`,
    );
  }
  const [B, N, C] = tensor.shape;
  const { at: from, count } = x.rows ?? { at: 0, count: N };
  return { tensor, B, L: count, first: from * C + at, sample: N * C, head: headDim, row: C };
}

/** Elements from sample to sample and from head to head of a bias; 0 where it is shared. */
function biasStrides(
  bias: Tensor,
  B: number,
  heads: number,
  Lq: number,
  Lk: number,
): { sample: number; head: number } {
  const [b, h, q, k] = bias.shape;
  if (bias.shape.length !== 4 || q !== Lq || k !== Lk || (b !== 1 && b !== B) || (h !== 1 && h !== heads)) {
    throw new LssgenError(
      "bad_tensor",
      `attention: bias [${bias.shape}], expected [1 or ${B}, 1 or ${heads}, ${Lq}, ${Lk}]`,
    );
  }
  return { sample: b === 1 ? 0 : h * Lq * Lk, head: h === 1 ? 0 : Lq * Lk };
}

/** One head's rows as a dense [L, D], copied where the tensor exceeds a binding. */
function packed(r: Recorder, x: Strided, b: number, h: number, D: number): Strided {
  const limit = r.device.info.maxBindingBytes;
  if (x.tensor.byteLength <= limit) return x;
  const bytes = DTYPE_BYTES[x.tensor.dtype];
  const dense = r.tensor([x.L, D], x.tensor.dtype);
  if (dense.byteLength > limit) {
    throw new LssgenError(
      "unsupported",
      `attention: ${x.L} keys of ${D} channels take ${dense.byteLength} bytes, more than the adapter's largest ` +
        `binding of ${limit} bytes; choose a smaller size or a smaller VAE tile`,
    );
  }
  const first = x.first + b * x.sample + h * x.head;
  const step = Math.floor((limit - 512) / (x.row * bytes));
  if (step < 1) {
    throw new LssgenError(
      "unsupported",
      `attention: a row of ${x.row * bytes} bytes exceeds the binding limit of ${limit} bytes`,
    );
  }
  for (let r0 = 0; r0 < x.L; r0 += step) {
    const rEnd = Math.min(x.L, r0 + step);
    const from = bindElements(x.tensor, first + r0 * x.row, first + (rEnd - 1) * x.row + D);
    const groups = Math.ceil((rEnd - r0) * D / 64);
    const fold = Math.min(groups, MAX_GROUPS);
    r.dispatch({
      shader: "attention_pack",
      types: { elem: x.tensor.dtype },
      constants: { WG: 64 },
      params: [r0, rEnd, D, x.row, wrap(first - from.offset / bytes), fold],
      buffers: [from, dense],
      groups: [fold, Math.ceil(groups / fold)],
    });
  }
  return { tensor: dense, B: 1, L: x.L, first: 0, sample: 0, head: 0, row: D };
}

/** A negative element offset as the u32 that sums back to what was meant. */
function wrap(v: number): number {
  return v >>> 0;
}

function bindAll(tensor: Tensor): Binding {
  return { tensor, offset: 0, size: tensor.byteLength };
}

/** Elements from … to of a tensor, widened to what a binding may start and end at. */
function bindElements(tensor: Tensor, from: number, to: number): Binding {
  const bytes = DTYPE_BYTES[tensor.dtype];
  const offset = Math.floor(from * bytes / 256) * 256;
  return { tensor, offset, size: Math.min(Math.ceil(to * bytes / 16) * 16, tensor.byteLength) - offset };
}
