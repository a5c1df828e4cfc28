/**
 * Convolutions over channels-last pictures, without an im2col buffer.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import { MAX_TEXEL_BYTES } from "../gpu/memory.ts";
import type { Binding, Recorder, Scope } from "../gpu/recorder.ts";
import { compilesLargeKernels, normLoadsOf, operandsOf, STAGED_CONV, tilesOf } from "../gpu/tune.ts";
import { type Dtype, DTYPE_BYTES, elements, type PlainType, type Tensor } from "../tensor.ts";
import { groupNorm, groupNormFactors, type GroupNormOptions } from "./group_norm.ts";
import { type Activation, ACTIVATION_CODES } from "./linear.ts";
import { fold, MAX_GROUPS, windowOf } from "./window.ts";

/**
 * A convolution's weights on the GPU, [kh·kw, Ci rounded up to 4, Co rounded up to 8], in columns of {@linkcode PACKED_COLUMN} output
 * channels, one whole column after the other.
 */
export interface ConvWeights {
  /** Packed weights. */
  readonly buffer: GPUBuffer;
  /** Output channels. */
  readonly Co: number;
  /** Input channels. */
  readonly Ci: number;
  /** Kernel rows. */
  readonly kh: number;
  /** Kernel columns. */
  readonly kw: number;
  /** Storage; f16 lies two in a u32 and needs no GPU feature. */
  readonly type: "f32" | "f16";
  /** f32 [Co]. */
  readonly bias?: Tensor;
}

/** What a convolution does beside the sum. */
export interface ConvOptions {
  /** Step of the window, 1 by default. */
  readonly stride?: number;
  /** Zeros around: all sides, or top, left, bottom, right. 0 by default. */
  readonly pad?: number | readonly [top: number, left: number, bottom: number, right: number];
  /** 2: every pixel is read as 2×2 (nearest upsampling), without a larger picture being stored. */
  readonly upsample?: 2;
  /**
   * Group norm, and SiLU, of x before all else; the padding is zeros around what comes out of it. Where convolutions stage
   * their operands and it pays, as x is loaded, elsewhere as a pass of its own: the same numbers.
   */
  readonly norm?: Omit<GroupNormOptions, "dtype">;
  /** Owner of x, where this is the last that reads it: x is given back as early as can be, before the output is made after a pass. */
  readonly frees?: Pick<Scope, "free">;
  /** Applied to the sum and biases; `leaky_relu` has the slope 0.2. */
  readonly act?: Extract<Activation, "none" | "silu" | "relu"> | "leaky_relu";
  /** Added last, of the output's shape. */
  readonly residual?: Tensor;
  /** Added to every pixel of a sample, f32 [B, Co]: a UNet's time embedding. */
  readonly channelBias?: Tensor;
  /** Type of the output; the recorder's by default. */
  readonly dtype?: Dtype;
}

/** Numbers of the activations in shaders/parts/conv_output.wgsl. */
const CONV_ACTIVATION_CODES: Readonly<Record<NonNullable<ConvOptions["act"]>, number>> = {
  none: ACTIVATION_CODES.none,
  silu: ACTIVATION_CODES.silu,
  relu: ACTIVATION_CODES.relu,
  leaky_relu: 6,
};

/** Sizes and storage for {@linkcode packConv}. */
export interface PackConvOptions {
  /** Output channels. */
  readonly Co: number;
  /** Input channels. */
  readonly Ci: number;
  /** Kernel rows. */
  readonly kh: number;
  /** Kernel columns. */
  readonly kw: number;
  /** Weights are [Ci, Co, kh, kw], as ConvTranspose2d stores them. */
  readonly transposed: boolean;
  /** Storage wished for; bf16 and whatever f16 cannot hold become f32. */
  readonly type: PlainType;
}

/**
 * Output channels of a column of packed weights, as in shaders/parts/conv_output.wgsl: a row of one is what eight neighbouring
 * invocations read.
 */
export const PACKED_COLUMN = 64;

/** Bytes of a convolution's weights as {@linkcode packConv} lays them out. */
export function packedConvBytes(
  { Co, Ci, kh, kw }: Pick<ConvWeights, "Co" | "Ci" | "kh" | "kw">,
  type: ConvWeights["type"],
): number {
  return kh * kw * Math.ceil(Ci / 4) * 4 * Math.ceil(Co / 8) * 8 * DTYPE_BYTES[type];
}

/** Repacks torch's [Co, Ci, kh, kw] (or [Ci, Co, kh, kw]) for the kernels and uploads it. */
export function packConv(
  device: Device,
  weights: Float32Array<ArrayBuffer>,
  o: PackConvOptions,
): ConvWeights {
  const { Co, Ci, kh, kw } = o;
  const [C4, N8, taps] = [Math.ceil(Ci / 4) * 4, Math.ceil(Co / 8) * 8, kh * kw];
  const packed = new Float32Array(taps * C4 * N8);
  for (let n = 0; n < Co; n++) {
    const first = n - n % PACKED_COLUMN;
    const width = Math.min(PACKED_COLUMN, N8 - first);
    const at = first * taps * C4 + n - first;
    for (let c = 0; c < Ci; c++) {
      const from = (o.transposed ? c * Co + n : n * Ci + c) * taps;
      for (let t = 0; t < taps; t++) packed[at + (t * C4 + c) * width] = weights[from + t];
    }
  }
  let data: Float32Array<ArrayBuffer> | Float16Array<ArrayBuffer> = packed;
  if (o.type === "f16") {
    const half = new Float16Array(packed);
    if (half.every((v, i) => Number.isFinite(v) || !Number.isFinite(packed[i]))) data = half;
  }
  const buffer = device.gpu.createBuffer({ size: Math.max(16, data.byteLength), usage: 0x80 | 0x04 | 0x08 });
  // As bytes: Dawn for Node ends the process at a Float16Array.
  device.gpu.queue.writeBuffer(buffer, 0, new Uint8Array(data.buffer));
  return { buffer, Co, Ci, kh, kw, type: data instanceof Float16Array ? "f16" : "f32" };
}

/**
 * 2-D convolution. x [B, H, W, Ci] → [B, Ho, Wo, Co]; sizes as torch's conv2d.
 */
export function conv2d(r: Recorder, x: Tensor, w: ConvWeights, o: ConvOptions = {}): Tensor {
  const [, H, W] = x.shape;
  const stride = o.stride ?? 1;
  const up = o.upsample ?? 1;
  const [top, left, bottom, right] = typeof o.pad === "object" ? o.pad : Array(4).fill(o.pad ?? 0);
  const Ho = Math.floor((H * up + top + bottom - w.kh) / stride) + 1;
  const Wo = Math.floor((W * up + left + right - w.kw) / stride) + 1;
  const rowsOf = (y0: number, y1: number): [number, number] => [
    Math.max(0, Math.floor((y0 * stride - top) / up)),
    Math.min(H, Math.floor(((y1 - 1) * stride - top + w.kh - 1) / up) + 1),
  ];
  return run(r, x, w, o, { Ho, Wo, top, left, stride, up, transposed: false, rowsOf });
}

/** Transposed convolution, as torch's conv_transpose2d without output padding. x [B, H, W, Ci] → [B, Ho, Wo, Co]. */
export function convTranspose2d(
  r: Recorder,
  x: Tensor,
  w: ConvWeights,
  o: { stride: number; pad: number } & Pick<ConvOptions, "norm" | "act" | "dtype">,
): Tensor {
  const [, H, W] = x.shape;
  const Ho = (H - 1) * o.stride - 2 * o.pad + w.kh;
  const Wo = (W - 1) * o.stride - 2 * o.pad + w.kw;
  const rowsOf = (y0: number, y1: number): [number, number] => [
    Math.max(0, Math.ceil((y0 + o.pad - w.kh + 1) / o.stride)),
    Math.min(H, Math.floor((y1 - 1 + o.pad) / o.stride) + 1),
  ];
  const geometry = { Ho, Wo, top: o.pad, left: o.pad, stride: o.stride, up: 1, transposed: true, rowsOf };
  return run(r, x, w, { norm: o.norm, act: o.act, dtype: o.dtype }, geometry);
}

interface Geometry {
  readonly Ho: number;
  readonly Wo: number;
  readonly top: number;
  readonly left: number;
  readonly stride: number;
  readonly up: number;
  readonly transposed: boolean;
  /** Input rows that output rows y0 … y1 read. */
  rowsOf(y0: number, y1: number): [number, number];
}

/** Pixels and rows that an invocation makes of eight channels, and multiply-adds a unit of time (llvmpipe). */
interface Tile {
  readonly PX: number;
  readonly ROWS: number;
  readonly pace: number;
}

/** shaders/conv.wgsl. The first suits any adapter. */
const PLAIN_TILES: readonly Tile[] = [{ PX: 4, ROWS: 1, pace: 1 }, { PX: 8, ROWS: 1, pace: 1.5 }];
/** shaders/conv3x3.wgsl: sixteen pixels share a weight that eight had to themselves. The first suits any adapter. */
const LARGE_TILES: readonly Tile[] = [
  { PX: 8, ROWS: 1, pace: 34 },
  { PX: 16, ROWS: 1, pace: 46 },
  { PX: 8, ROWS: 2, pace: 45 },
  { PX: 4, ROWS: 4, pace: 42 },
];

/** Output channels below which most of a staged tile would be made in vain. */
const FEWEST_STAGED = 32;

/** What is made in vain at the edges counts as much as the rest. */
function time({ PX, ROWS, pace }: Tile, { Ho, Wo }: Geometry): number {
  return Math.ceil(Wo / PX) * PX * Math.ceil(Ho / ROWS) * ROWS / pace;
}

/** Of a workgroup's 64 invocations, those along the channels: the most that leave the fewest idle. */
function invocationsAcross(Co: number): number {
  const groups = (across: number): number => Math.ceil(Co / 8 / across) / Math.floor(64 / across);
  let best = 8;
  for (let across = 7; across > 0; across--) if (groups(across) < 0.99 * groups(best)) best = across;
  return best;
}

/** A shader for a convolution, and how its workgroups lie over the output. */
interface Kernel {
  readonly shader: string;
  /** Operands are read from textures. */
  readonly texels: boolean;
  readonly constants: Readonly<Record<string, number>>;
  /** Invocations along a row of the output, and along the channels in a workgroup; shaders without such a choice ignore them. */
  readonly tiles: number;
  readonly across: number;
  /** Output rows that 65 535 workgroups along y make. */
  readonly mostRows: number;
  /** Workgroups that make so many output rows. */
  groups(rows: number): readonly [x: number, y: number];
  /** Times that a value of x is put into a tile; 0 where nothing is staged. */
  readonly loads: number;
}

/** What kernels of a convolution have in common. */
function constantsOf(w: ConvWeights, g: Geometry) {
  return {
    shared: { W_TYPE: w.type === "f16" ? 1 : 0, UP: g.up },
    window: { STRIDE: g.stride, KH: w.kh, KW: w.kw },
  };
}

/** Share that a rectangle's pixels beyond the edges may add to what is computed: what staging it once saves (llvmpipe: 1.2 to 1.37×). */
const MOST_BEYOND = 0.25;
/** Workgroup memory of a staged tile at most, by pixels of an invocation: what every device has, and what large tiles are worth. */
const stagedBytes = (RM: number): number => RM === 16 ? 32 << 10 : 16 << 10;

/**
 * The kernel that stages its operands, where it is the one to take.
 *
 * @param tile Type of x in the tile.
 */
function stagedKernel(device: Device, tile: Dtype, w: ConvWeights, g: Geometry): Kernel | undefined {
  const { Co, kh, kw } = w;
  if (operandsOf(device) !== "tiled" || !compilesLargeKernels(device) || g.transposed || Co < FEWEST_STAGED) {
    return undefined;
  }
  const size = tilesOf(device);
  // Two small tiles make less in vain than a wide one that is half beyond the last channel.
  const narrow = 3 * Math.ceil(Co / 64) <= 4 * Math.ceil(Co / 128);
  const { RM, RN } = STAGED_CONV[size === "huge" && narrow ? "large" : size];
  const { shared, window } = constantsOf(w, g);
  const halfX = tile === "f16" ? 1 : 0;
  const pixels = 64 / Math.min(RM, 8) * RM; // of a workgroup
  const columns = Math.ceil(Co / (64 * RN));

  // As in shaders/conv_tiled.wgsl: a rectangle eight pixels wide and what its taps see, or pixels in a row.
  const ROWS = pixels / 8;
  const across = Math.ceil(g.Wo / 8);
  const inRow = Math.ceil(g.Ho * g.Wo / pixels);
  const seen = (n: number, k: number): number => Math.floor((n - 1 + k - 1) / g.up) + g.up;
  const deepest = (staged: number, taps = 1): number => {
    const fixed = 16 * staged + 8 * pixels;
    const each = 16 * (staged * (2 - halfX) + taps * 64 * RN * (2 - shared.W_TYPE));
    const bytes = Math.min(device.info.workgroupBytes, stagedBytes(RM));
    return Math.min(RM === 16 ? Infinity : 4, Math.floor((bytes - fixed) / each));
  };
  const rectangle = seen(8, kw) * seen(ROWS, kh);
  const patch = kh * kw > 1 && g.stride === 1 && deepest(rectangle) > 0 &&
    across * Math.ceil(g.Ho / ROWS) <= (1 + MOST_BEYOND) * inRow;
  const eights = Math.ceil(w.Ci / 8);
  // Barriers cost as much as half an eight of a tap, and so do eights beyond the last.
  let STEP8 = 1, TAPS = 1, least = Infinity;
  for (const taps of patch ? [1, kw, kh * kw] : [1]) {
    for (let step = 1; step <= deepest(patch ? rectangle : pixels, taps); step++) {
      const time = Math.ceil(eights / step) * (step + 0.5 / taps);
      if (time < least) [STEP8, TAPS, least] = [step, taps, time];
    }
  }
  return {
    shader: `conv_tiled@V=${Co % 4 === 0 ? 1 : 0},RM=${RM},RN=${RN}`,
    texels: false,
    constants: { ...shared, ...window, STEP8, TAPS, X_TYPE: halfX, PATCH: patch ? 1 : 0 },
    tiles: patch ? across : 0,
    across: 0,
    mostRows: patch ? Math.floor(MAX_GROUPS / across) * ROWS : Math.floor(MAX_GROUPS * pixels / g.Wo),
    groups: (rows) => [columns, patch ? across * Math.ceil(rows / ROWS) : Math.ceil(rows * g.Wo / pixels)],
    loads: (patch ? rectangle / pixels : kh * kw / g.stride ** 2) * g.up ** 2 * columns,
  };
}

/** The kernel for x as it is. */
function chooseKernel(device: Device, X: Tensor, w: ConvWeights, g: Geometry): Kernel {
  const staged = stagedKernel(device, X.dtype, w, g);
  if (staged) return staged;
  const { Co, kh, kw } = w;
  const V = Co % 4 === 0 ? 1 : 0;
  const halfX = X.dtype === "f16" ? 1 : 0;
  const { shared, window } = constantsOf(w, g);
  const fast = kh === 3 && kw === 3 && g.stride === 1 && !g.transposed && compilesLargeKernels(device);
  const texels = operandsOf(device) === "texels" &&
    Math.max(X.byteLength, w.buffer.size) <= MAX_TEXEL_BYTES && (halfX === 0 || X.shape[3] % 8 === 0);
  const possible = fast ? V ? LARGE_TILES : LARGE_TILES.slice(0, 1) : PLAIN_TILES;
  const { PX, ROWS } = texels && tilesOf(device) !== "small"
    ? possible.reduce((best, t) => time(t, g) < time(best, g) ? t : best)
    : possible[0];
  const tiles = Math.ceil(g.Wo / PX);
  const across = invocationsAcross(Co);
  const down = Math.floor(64 / across);
  return {
    shader: fast
      ? `conv3x3@V=${V},TEXELS=${texels ? 1 : 0},PX=${PX},ROWS=${ROWS}`
      : `conv@V=${V},TEXELS=${texels ? 1 : 0},PX=${PX}`,
    texels,
    constants: {
      ...shared,
      ...fast ? {} : { ...window, TRANSPOSED: g.transposed ? 1 : 0 },
      ...texels ? { X_TYPE: halfX } : {},
    },
    tiles,
    across,
    mostRows: Math.floor(MAX_GROUPS * down / tiles) * ROWS,
    groups: (rows) => [Math.ceil(Co / (8 * across)), Math.ceil(tiles * Math.ceil(rows / ROWS) / down)],
    loads: 0,
  };
}

/** A group norm of x as the convolution's kernel applies it. */
interface NormOnLoad {
  readonly kernel: Kernel;
  /** f32 [B, channels rounded up to 4, 2]. */
  readonly factors: Tensor;
}

function run(r: Recorder, x: Tensor, w: ConvWeights, o: ConvOptions, g: Geometry): Tensor {
  const [B, H, W, C] = x.shape;
  const { Co, kh, kw } = w;
  if (C !== w.Ci) throw new LssgenError("internal", `Convolution of ${w.Ci} channels was given ${C}`);
  if (g.Ho < 1 || g.Wo < 1) {
    throw new LssgenError("bad_option", `A picture of ${H} × ${W} is smaller than the ${kh} × ${kw} kernel`);
  }
  using scope = r.scope();
  const onLoad = o.norm && normOnLoad(r, x, w, g, o.norm);
  let X = o.norm && !onLoad ? groupNorm(r, x, o.norm) : x;
  // Once: the output may be made in the very buffer.
  const passed = X !== x;
  if (passed) o.frees?.free(x);
  const Y = scope.keep(r.tensor([B, g.Ho, g.Wo, Co], o.dtype ?? r.dtype));
  if (C % 4 !== 0) X = padChannels(r, X);
  const C4 = Math.ceil(C / 4);
  const kernel = onLoad?.kernel ?? chooseKernel(r.device, X, w, g);

  // Bands of output rows, so that every binding fits and no dispatch exceeds 65 535 workgroups.
  const limit = r.device.info.maxBindingBytes;
  const whole = [X, Y, ...(o.residual ? [o.residual] : [])].every((t) => t.byteLength <= limit);
  const inBytes = X.byteLength / (B * H), outBytes = Y.byteLength / (B * g.Ho);
  const flops = 2 * g.Wo * Co * C * kh * kw / (g.transposed ? g.stride ** 2 : 1); // of a row
  let band = Math.min(
    g.Ho,
    kernel.mostRows,
    r.device.budget.rowsAtOnce(g.Ho, g.Ho * flops, 1),
  );
  if (!whole) {
    const ratio = H / g.Ho;
    band = Math.min(band, Math.floor(Math.min((limit / inBytes - kh - 128) / ratio, limit / outBytes - 128)));
    if (band < 1) band = Math.floor(Math.min((limit / inBytes - kh - 2) / ratio, limit / outBytes - 2));
    if (band < 1) {
      throw new LssgenError(
        "out_of_memory",
        `A picture of ${W} × ${C} channels a row does not fit a binding of ${limit} bytes`,
      );
    }
  }
  const weights: Binding = {
    tensor: { shape: [], dtype: "f32", buffer: w.buffer, offset: 0, byteLength: 0 },
    offset: 0,
    size: w.buffer.size,
  };
  const weightTexels = kernel.texels ? r.weightTexels(w.buffer, w.buffer.size) : undefined;
  const copy = r.copiesOneByOne();
  for (let b = 0; b < B; b++) {
    for (let y0 = 0; y0 < g.Ho; y0 += band) {
      const y1 = Math.min(g.Ho, y0 + band);
      const [x0, x1] = g.rowsOf(y0, y1);
      // Rows are counted through all samples: row y of sample b is row b·H + y of the tensor.
      const xw = windowOf(r, X, b * H + x0, b * H + Math.max(x1, x0 + 1), W * C4 * 4);
      const yw = windowOf(r, Y, b * g.Ho + y0, b * g.Ho + y1, g.Wo * Co);
      const rw = o.residual && windowOf(r, o.residual, b * g.Ho + y0, b * g.Ho + y1, g.Wo * Co);
      // The kernels count rows within the sample; wrapping u32 arithmetic makes the difference right.
      const from = (base: number, size: number) => (base - b * size) >>> 0;
      r.dispatch({
        shader: kernel.shader,
        types: {
          ...kernel.texels ? {} : { xElem: X.dtype },
          rElem: o.residual?.dtype ?? "f32",
          yElem: Y.dtype,
        },
        constants: kernel.constants,
        // deno-fmt-ignore
        params: [
          H, W, C4, Co, Math.ceil(Co / 8) * 8, g.Ho, g.Wo, kernel.tiles,
          g.top >>> 0, g.left >>> 0, y0, y1 - y0,
          from(xw.base, H), from(yw.base, g.Ho), rw ? from(rw.base, g.Ho) : 0, b,
          kernel.across, CONV_ACTIVATION_CODES[o.act ?? "none"], (w.bias ? 1 : 0) + (o.channelBias ? 2 : 0), o.residual ? 1 : 0,
          kh * kw * C4 * 4,
        ],
        buffers: [
          kernel.texels ? copy(xw.binding) : xw.binding,
          weightTexels ?? weights,
          w.bias,
          o.channelBias,
          rw?.binding,
          yw.binding,
          ...kernel.loads > 0 ? [onLoad?.factors] : [],
        ],
        groups: kernel.groups(y1 - y0),
        flops: (y1 - y0) * flops,
      });
    }
  }
  if (!passed) o.frees?.free(x);
  return Y;
}

/** Where a convolution stages x seldom enough that a norm on the way costs less than a pass, what it takes. */
function normOnLoad(
  r: Recorder,
  x: Tensor,
  w: ConvWeights,
  g: Geometry,
  norm: NonNullable<ConvOptions["norm"]>,
): NormOnLoad | undefined {
  const kernel = stagedKernel(r.device, r.dtype, w, g); // in a tile as a pass would leave it
  if (!kernel || kernel.loads > normLoadsOf(r.device)) return undefined;
  const constants = { ...kernel.constants, NORM: norm.act === "silu" ? 2 : 1 };
  return {
    kernel: { ...kernel, constants },
    factors: groupNormFactors(r, x, norm, Math.ceil(w.Ci / 4) * 4),
  };
}

/** Channels filled up with zeros to a multiple of 4. */
function padChannels(r: Recorder, x: Tensor): Tensor {
  const C = x.shape[3];
  const C4 = Math.ceil(C / 4) * 4;
  const out = r.tensor([...x.shape.slice(0, 3), C4], x.dtype);
  const pixels = elements(out.shape) / C4;
  const bytes = DTYPE_BYTES[x.dtype];
  const limit = r.device.info.maxBindingBytes;
  // 128 pixels of any width are a multiple of 256 bytes, the offset alignment.
  const step = out.byteLength <= limit ? pixels : Math.max(128, Math.floor(limit / (C4 * bytes) / 128) * 128);
  for (let first = 0; first < pixels; first += step) {
    const n = Math.min(step, pixels - first);
    const part = (tensor: Tensor, width: number): Binding => ({
      tensor,
      offset: first * width * bytes,
      size: Math.ceil(n * width * bytes / 16) * 16,
    });
    const groups = fold(Math.ceil(n * C4 / 64));
    r.dispatch({
      shader: "pad_channels",
      types: { xElem: x.dtype },
      params: [n * C4, C, C4, groups[0]],
      buffers: [part(x, C), part(out, C4)],
      groups,
    });
  }
  return out;
}
