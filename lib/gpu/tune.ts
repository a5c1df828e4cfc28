/**
 * Which variant of a kernel runs for which shape, by measurement on the adapter.
 *
 * @module
 */

import { expectedNormLoads, expectedOperands, expectedTexels } from "./adapters.ts";
import type { Device } from "./device.ts";
import type { TexelAccess } from "./kernel.ts";
import { f32, Recorder } from "./recorder.ts";
import type { PlainType, Tensor } from "../tensor.ts";
import { storedTunings, storeTuning } from "./stored.ts";
import type {
  Arithmetic,
  BlockKind,
  ByteKind,
  MatmulKernel,
  MatmulTuning,
  Operands,
  Reduction,
  Tiles,
} from "./tuning.ts";

export type {
  Arithmetic,
  ByteKind,
  MatmulKernel,
  MatmulTuning,
  Operands,
  Reduction,
  Tiles,
} from "./tuning.ts";

/** A product to choose a kernel for. */
export interface MatmulShape {
  /** Rows of x. */
  readonly M: number;
  /** Outputs. */
  readonly N: number;
  /** Inputs. */
  readonly K: number;
  /** Type of x. */
  readonly xType: "f32" | "f16";
  /** Type of the weight. */
  readonly wType: PlainType;
  /** Type of the result, where nothing is added to it; absent, f32. */
  readonly yType?: "f32" | "f16";
  /** What its pipeline is compiled for but the tile. Absent where how often it is made does not matter to the choice. */
  readonly kind?: string;
}

function variant(
  operands: Operands,
  RM: number,
  RN: number,
  WX: number,
  WY: number,
  half: 0 | 1 = 0,
): MatmulKernel {
  const shader = operands === "tiled"
    ? `matmul_tiled@RM=${RM},RN=${RN},HALF=${half}`
    : `matmul@RM=${RM},RN=${RN},TEXELS=${operands === "texels" ? 1 : 0}`;
  return { shader, RM, RN, WX, WY, operands };
}

function splitRow(subgroups: 0 | 1): MatmulKernel {
  const shader = `matmul_split@RM=1,RN=8,SUBGROUPS=${subgroups}`;
  return { shader, RM: 1, RN: 8, WX: 1, WY: 1, operands: "buffers" };
}

/** Kernels by rows: one or two, up to sixteen, more. Eight invocations along x fill a CPU's vectors. */
const KERNELS: Readonly<Record<Operands, readonly [MatmulKernel, MatmulKernel, MatmulKernel]>> = {
  buffers: [
    variant("buffers", 1, 8, 32, 1),
    variant("buffers", 4, 4, 16, 1),
    variant("buffers", 8, 8, 8, 4),
  ],
  texels: [variant("texels", 1, 8, 32, 1), variant("texels", 4, 4, 16, 1), variant("texels", 8, 8, 8, 4)],
  // A workgroup's tile has 64 rows: fewer would leave it idle.
  tiled: [variant("buffers", 1, 8, 32, 1), variant("buffers", 4, 4, 16, 1), variant("tiled", 4, 4, 16, 16)],
};

/** Kernels for one or two rows where a workgroup shares a row: those that sum up norms likewise. */
const SPLIT_ROWS: Readonly<Partial<Record<Reduction, MatmulKernel>>> = {
  tree: splitRow(0),
  subgroups: splitRow(1),
};

/** The staged kernel that multiplies in f16. */
const HALF_STAGED = variant("tiled", 4, 4, 16, 16, 1);

/** Where invocations may hold more sums. */
const LARGE_STAGED: Readonly<Record<Exclude<Tiles, "small">, MatmulKernel>> = {
  large: variant("tiled", 8, 8, 8, 8),
  huge: variant("tiled", 16, 16, 8, 8),
};

/** Of f32 by f32 huge tiles' code is half as long, so that twice the sums compile in the same time. */
const HUGE_STAGED_F32 = variant("tiled", 32, 16, 8, 4);

/** Pixels and eights of channels of an invocation of shaders/conv_tiled.wgsl, by the sums it may hold. */
export const STAGED_CONV: Readonly<Record<Tiles, { readonly RM: number; readonly RN: number }>> = {
  small: { RM: 4, RN: 1 },
  large: { RM: 8, RN: 1 },
  huge: { RM: 16, RN: 2 },
};

/**
 * Large tiles from textures for many rows, and multiply-adds a unit of time of each (llvmpipe): a value loaded is used 9.6, 13.7 or 16
 * times a row or column on the average.
 */
const LARGE_TILES: readonly { readonly kernel: MatmulKernel; readonly pace: number }[] = [
  { kernel: variant("texels", 8, 12, 8, 4), pace: 1 },
  { kernel: variant("texels", 16, 12, 8, 4), pace: 1.15 },
  { kernel: variant("texels", 16, 16, 8, 4), pace: 1.22 },
];

/**
 * Multiply-adds of a product up to which tiles of 4 × 4 do: large ones save it less than a millisecond, and compiling them takes a
 * fifth of a second for each epilogue, of which a small model's first picture, or a text encoder's only pass, has a dozen.
 */
const SMALL_PRODUCT = 2 ** 23;

/** Shaders of a norm, and rows that a workgroup makes. */
export const NORM_KERNELS: Readonly<
  Record<Reduction, { readonly shader: string; readonly rowsAGroup: number }>
> = {
  rows: { shader: "norm_rows", rowsAGroup: 16 }, // its workgroup size
  tree: { shader: "norm@SUBGROUPS=0", rowsAGroup: 1 },
  subgroups: { shader: "norm@SUBGROUPS=1", rowsAGroup: 1 },
};

/** The kernels for many rows, which {@linkcode expectedOperands} chooses from. */
export const LARGE_KERNELS: readonly MatmulKernel[] = [
  KERNELS.tiled[2],
  KERNELS.texels[2],
  KERNELS.buffers[2],
];

/** Tunings in force; devices that were never measured go by what is expected of their kind. */
const tunings = new WeakMap<Device, MatmulTuning>();

/** How kernels of a device read their operands, by its tuning if {@linkcode tuneMatmul} has run. */
export function operandsOf(device: Device): Operands {
  return tunings.get(device)?.operands ?? expectedOperands(device.info, LARGE_KERNELS);
}

/** How kernels of a device sum up rows, by its tuning if {@linkcode tuneMatmul} has run. */
export function reductionOf(device: Device): Reduction {
  return tunings.get(device)?.reduction ?? expectedReduction(device);
}

/** Sums that an invocation of a device may hold, by its tuning if {@linkcode tuneMatmul} has run. */
export function tilesOf(device: Device): Tiles {
  return tunings.get(device)?.tiles ?? (device.info.fallback ? "large" : "small");
}

/** Loads of a value up to which convolutions of a device norm it on the way, by its tuning if {@linkcode tuneMatmul} has run. */
export function normLoadsOf(device: Device): number {
  return tunings.get(device)?.normLoads ?? expectedNormLoads(device.info);
}

/** Rows up to which products of a device expand a quantised weight on the way, by its tuning if {@linkcode tuneMatmul} has run. */
export function fewRowsOf(device: Device, kind: BlockKind): number {
  const tuning = tunings.get(device);
  return tuning?.fewRows?.[kind] ?? (tuning ? FEW_ROWS : expectedFewRows(device)[kind]);
}

/**
 * Rows up to which products of a device by a quantised weight are made of bytes where that may be less exact; 0 until
 * {@linkcode tuneIntegerDot} has run.
 */
export function integerRowsOf(device: Device, kind: ByteKind): number {
  return tunings.get(device)?.integerRows?.[kind] ?? 0;
}

/** Any number. */
export const ANY_ROWS: number = 65536;

/** Of devices that nothing is known of. */
const FEW_ROWS = 8;
/** Whatever is measured at 8: a pass writes more than one or two rows read. */
const LEAST_FEW = 2;

/**
 * A processor waits for instructions: its pass costs as much as the products of 64 rows and more. Measured on llvmpipe at
 * 3072×3072 (docs/PERFORMANCE.md).
 */
function expectedFewRows(device: Device): Readonly<Record<BlockKind, number>> {
  return device.info.fallback && operandsOf(device) === "texels" && compilesLargeKernels(device)
    ? { simple: 96, super: 64 }
    : { simple: FEW_ROWS, super: FEW_ROWS };
}

/**
 * Whether long unrolled kernels compile in reasonable time. SwiftShader, Chromium's adapter on machines without
 * a GPU, needs minutes for attention and 3×3 convolutions in register tiles, and loses the device over it; the
 * plain kernels take it half a second.
 */
export function compilesLargeKernels(device: Device): boolean {
  return device.info.architecture !== "swiftshader";
}

/**
 * Whether a product may be multiplied in f16, eight products a sum: all operands are f16, so they fit, and so does the whole
 * sum, which a part of it exceeds only where larger ones cancel. What it rounds is as much as rounding the result does. Where a product
 * is added to an f32 residual, as models do whose sums outgrow f16, the result says nothing.
 */
function fitsHalf({ xType, wType, yType }: MatmulShape): boolean {
  return xType === "f16" && wType === "f16" && yType === "f16";
}

/** The variant for a product on a device, by its tuning if {@linkcode tuneMatmul} has run. A product that has a kind is counted as made. */
export function chooseMatmul(device: Device, shape: MatmulShape): MatmulKernel {
  const { M, N, kind } = shape;
  const operands = operandsOf(device);
  const [row, few, many] = KERNELS[operands];
  if (M <= 2) return SPLIT_ROWS[reductionOf(device)] ?? row;
  if (M <= 16) return few;
  const tiles = tilesOf(device);
  const half = tunings.get(device)?.arithmetic === "f16" && fitsHalf(shape);
  if (operands === "tiled" && tiles === "small" && half) return HALF_STAGED;
  if (operands === "buffers" || tiles === "small") return many;
  if (operands === "tiled") {
    return tiles === "huge" && shape.xType === "f32" && shape.wType === "f32"
      ? HUGE_STAGED_F32
      : LARGE_STAGED[tiles];
  }
  const product = M * N * shape.K;
  if (product <= (tunings.get(device)?.smallProduct ?? SMALL_PRODUCT)) return few;
  if (kind && !device.kernels.pays(kind, product)) return many;
  // Rows beyond the edge cost their tile; columns beyond it cost the whole vector of eight invocations.
  const time = ({ kernel: { RM, RN, WX }, pace }: (typeof LARGE_TILES)[number]): number =>
    Math.ceil(M / RM) * RM * Math.ceil(N / (WX * RN)) * WX * RN / pace;
  return LARGE_TILES.reduce((best, tile) => time(tile) < time(best) ? tile : best).kernel;
}

/** Workgroup memory of a huge staged tile at most, where the device has more. */
const MOST_STAGED_BYTES = 32 << 10;

/**
 * Constants of shaders/matmul.wgsl that a kernel's workgroups are made with. Huge staged tiles take as many eighths of K at once
 * (`STEP8`) as workgroup memory has room for, since the sums outlive each barrier.
 */
export function workgroupConstants(
  device: Device,
  kernel: MatmulKernel,
  { xType, wType }: Pick<MatmulShape, "xType" | "wType">,
): Readonly<Record<string, number>> {
  const { WX, WY } = kernel;
  if (kernel !== LARGE_STAGED.huge && kernel !== HUGE_STAGED_F32) return { WX, WY };
  const row = 128 * 16; // a load of each of 128 rows or columns
  const fixed = 2 * row + 1024; // padding of both tiles, and where rows begin
  const bytes = Math.min(device.info.workgroupBytes, MOST_STAGED_BYTES);
  const vectors = (xType === "f32" ? 2 : 1) + (wType === "f32" ? 2 : 1); // for eight values of each
  return { WX, WY, STEP8: Math.max(1, Math.floor((bytes - fixed) / (row * vectors))) };
}

/** The product that is measured: a few milliseconds on a CPU adapter, launch overhead on a large GPU. */
const PROBE = { M: 256, N: 256, K: 256 };
/** The same for sizes of staged tiles, of which the largest make a square of 128 a workgroup: their ends take longer. */
const TILES_PROBE = { M: 512, N: 512, K: 1024 };
/** The convolution of 3×3 that is measured with a group norm before it: pixels of a side, channels. */
const CONV_PROBE = { S: 128, C: 64 };
/** Less than this share of a convolution is noise. */
const NOISE = 0.02;
/** The norm that is measured: rows and channels of a small picture's tokens. */
const NORM_PROBE = { rows: 256, D: 1024 };
/**
 * Rounds in a row that a choice has to stand for. In each round every candidate is timed once, and its fastest time counts: a
 * machine's busy moments slow a candidate in some rounds, and would have to do so in all of them.
 */
const STANDS = 5;
/** Rounds at most. */
const MOST_ROUNDS = 24;
/** A batch takes this long at least: launches, and waiting for the queue, which Deno looks at every 11 ms, vanish in it. */
const BATCH_MS = 50;
/**
 * Share of the time of the one before it that a candidate may take: structures that matter differ by 2 to 4 times. Two
 * that are alike would otherwise take turns from one process to the next, and a seed would not give the same bytes again.
 * A busy machine moves a ratio by a fifth.
 */
const MARGIN = 2 / 3;
/** The same of sizes of tiles, which differ by less. Products make the same bits with all of them, attention does not. */
const TILES_MARGIN = 0.9;
/** The same of f16 arithmetic, which costs some precision. */
export const HALF_MARGIN: number = 0.8;

/**
 * Measures how this adapter's kernels should read their operands and sum up rows, and where they stage them how often a
 * convolution may norm a value, and lets {@linkcode chooseMatmul} and others use the result on this device from now on. On
 * adapters that run on the CPU nothing is chosen by measurement: what other programs take of it would choose along.
 *
 * @param device Where to measure.
 * @param known Results of earlier runs: the one of this adapter is used without measuring.
 * @param options `former`: what was measured on this adapter before; it stands unless something else is clearly faster now.
 * @param given `operands`: how to read them, in place of the fastest way, for benches of the others; `tiles`: likewise.
 * @returns The tuning, to be stored.
 */
export async function tuneMatmul(
  device: Device,
  known: readonly MatmulTuning[] = [],
  { operands: given, tiles: size, former }: {
    operands?: Operands;
    tiles?: Tiles;
    former?: MatmulTuning;
  } = {},
): Promise<MatmulTuning> {
  const { vendor, architecture, description } = device.info;
  const adapter = [vendor, architecture, description].join("|");
  let tuning = given || size
    ? undefined
    : tunings.get(device) ?? known.find((t) => t.adapter === adapter && usable(t, device));
  // Of a processor that plays a GPU the kind is known, and other work on it distorts every measurement.
  if (!tuning && device.info.fallback && !given && !size) tuning = await ruled(device, adapter);
  if (!tuning) {
    const before = former?.adapter === adapter && usable(former, device) ? former : undefined;
    // What was chosen before, or is expected, first: the others have to beat it clearly.
    const ms = await race(
      device,
      first(before?.operands ?? expectedOperands(device.info, LARGE_KERNELS), [
        product("texels", KERNELS.texels[1]),
        product("buffers", KERNELS.buffers[1]),
        product("tiled", KERNELS.tiled[2]),
      ]),
    );
    const operands = given ?? least(ms);
    const expectedTiles = before?.operands === operands
      ? before.tiles
      : device.info.fallback
      ? "large"
      : "small";
    const { tilesMs, texels, texelsMs } = operands === "texels"
      ? await measureTexels(device, expectedTiles)
      : {
        tilesMs: size || operands === "buffers" ? {} : await race<Tiles>(
          device,
          first(expectedTiles, [
            product<Tiles>("small", KERNELS.tiled[2], { shape: TILES_PROBE }),
            product<Tiles>("large", LARGE_STAGED.large, { shape: TILES_PROBE }),
            product<Tiles>("huge", LARGE_STAGED.huge, { shape: TILES_PROBE }),
          ]),
          TILES_MARGIN,
        ),
        texels: device.kernels.texels,
        texelsMs: {},
      };
    const tiles = size ?? (operands === "buffers" ? "small" : least(tilesMs, TILES_MARGIN));
    const arithmeticMs = operands === "tiled" && tiles === "small" && device.info.f16
      ? await race<Arithmetic>(
        device,
        first(before?.arithmetic ?? "f32", [
          product<Arithmetic>("f32", KERNELS.tiled[2], { type: "f16" }),
          product<Arithmetic>("f16", HALF_STAGED, { type: "f16" }),
        ]),
        HALF_MARGIN,
      )
      : {};
    const arithmetic = "f32" in arithmeticMs ? least(arithmeticMs, HALF_MARGIN) : "f32";
    const reductionMs = await race(
      device,
      first(before?.reduction ?? expectedReduction(device), [
        norm("rows"),
        norm("tree"),
        ...device.info.subgroups ? [norm("subgroups")] : [],
      ]),
    );
    // A processor that plays a GPU takes a second for it, and stages nothing unless it is told to.
    const norms = operands === "tiled" && compilesLargeKernels(device) && (given || !device.info.fallback)
      ? await measureNormLoads(device, tiles, before?.normLoads)
      : { normLoads: operands === "tiled" ? expectedNormLoads(device.info) : 0, normMs: {} };
    const reduction = least(reductionMs);
    const halves = { arithmetic, arithmeticMs };
    const sizes = { tiles, tilesMs, texels, texelsMs };
    tuning = { adapter, operands, ms, ...sizes, ...halves, reduction, reductionMs, ...norms };
  }
  forceTuning(device, tuning);
  if (tuning.fewRows === undefined) {
    const ruled = device.info.fallback ? { fewRows: expectedFewRows(device) } : undefined;
    tuning = { ...tuning, ...ruled ?? await measureFewRows(device, former) };
    forceTuning(device, tuning);
  }
  // Launches of the first step are cut by what the probe says, which is less than larger products reach.
  device.budget.learn(2 * PROBE.M * PROBE.N * PROBE.K, tuning.ms[tuning.operands] ?? 0);
  return tuning;
}

/** The tuning that is expected of a device's kind: nothing is chosen, the time of a product is taken for the launches' budget. */
async function ruled(device: Device, adapter: string): Promise<MatmulTuning> {
  const operands = expectedOperands(device.info, LARGE_KERNELS);
  const kernel = KERNELS[operands][operands === "tiled" ? 2 : 1];
  return {
    adapter,
    operands,
    ms: await race(device, [product(operands, kernel)]),
    tiles: tilesOf(device),
    tilesMs: {},
    texels: expectedTexels(device.info),
    texelsMs: {},
    arithmetic: "f32",
    arithmeticMs: {},
    reduction: expectedReduction(device),
    reductionMs: {},
    normLoads: expectedNormLoads(device.info),
    normMs: {},
    fewRows: expectedFewRows(device),
  };
}

/** What a device's kernels go by, once it was measured or forced. */
export function tuningOf(device: Device): MatmulTuning | undefined {
  return tunings.get(device);
}

/** Makes a device's kernels go by `tuning` from now on; tests and benches force what it would not choose. */
export function forceTuning(device: Device, tuning: MatmulTuning): void {
  tunings.set(device, tuning);
  device.kernels.texels = tuning.texels;
}

/** Lets a device's kernels be chosen as those of another, which may not have been measured. */
export function tuneLike(device: Device, other: Device): void {
  const tuning = tunings.get(other);
  if (tuning) forceTuning(device, tuning);
}

/** Whether a stored tuning is of this version and of what the device can do. */
export function usable(tuning: MatmulTuning, device: Device): boolean {
  const { operands, tiles, texels, arithmetic, reduction, normLoads } = tuning;
  const { ms, tilesMs, texelsMs, arithmeticMs, reductionMs, normMs } = tuning;
  return Object.hasOwn(KERNELS, operands) && typeof normLoads === "number" && normLoads >= 0 &&
    isTimes(ms) && [tilesMs, texelsMs, arithmeticMs, reductionMs, normMs].every(isTimes) &&
    isTime(ms[operands]) && isRows(tuning.fewRows, ["simple", "super"], [2, 8, 32, 64, 96]) &&
    isRows(tuning.integerRows, ["short", "long"], [0, 4, 8, ANY_ROWS]) &&
    (arithmetic === "f32" || (arithmetic === "f16" && device.info.f16)) &&
    (texels === "sampled" || (texels === "storage" && device.info.storageTexels)) &&
    (["small", "large", ...operands === "tiled" ? ["huge"] : []].includes(tiles)) &&
    (reduction === "rows" || reduction === "tree" || (reduction === "subgroups" && device.info.subgroups));
}

/** Whether something is nothing, or one of some numbers for each kind of blocks. */
function isRows(v: unknown, kinds: readonly string[], some: readonly number[]): boolean {
  if (v === undefined) return true;
  if (typeof v !== "object" || v === null) return false;
  const rows = v as Readonly<Record<string, unknown>>;
  return kinds.every((kind) => some.includes(rows[kind] as number));
}

/** Whether something is a time in milliseconds. */
function isTime(v: unknown): v is number {
  return typeof v === "number" && Number.isFinite(v) && v >= 0;
}

/** Whether something holds times alone. */
function isTimes(v: unknown): boolean {
  return typeof v === "object" && v !== null && !Array.isArray(v) && Object.values(v).every(isTime);
}

/** Sums of rows in an adapter's own way where it has one; a processor that plays a GPU does not wait for lanes. */
function expectedReduction({ info }: Device): Reduction {
  return info.fallback ? "rows" : info.subgroups ? "subgroups" : "tree";
}

/** The candidates, that of the given name first. */
function first<Name extends string>(
  name: Name,
  candidates: readonly Candidate<Name>[],
): readonly Candidate<Name>[] {
  return candidates.toSorted((a, b) => Number(b.name === name) - Number(a.name === name));
}

/** The fastest; of those that are alike the one named first. */
export function least<Name extends string>(
  ms: Readonly<Partial<Record<Name, number>>>,
  margin: number = MARGIN,
): Name {
  return (Object.keys(ms) as Name[]).reduce((best, name) => ms[name]! < margin * ms[best]! ? name : best);
}

/** One way to do a probe's work. */
export interface Candidate<Name extends string> {
  readonly name: Name;
  /** Makes its tensors; what is returned records the work once. */
  readonly prepare: (r: Recorder) => () => void;
}

/** The probe's product: f32 or f16 by f16, into the same, no epilogue, textures filled anew each time. */
function product<Name extends string>(
  name: Name,
  kernel: MatmulKernel,
  { type = "f32", shape: { M, N, K } = PROBE, texels }: {
    type?: "f32" | "f16";
    shape?: Pick<MatmulShape, "M" | "N" | "K">;
    texels?: TexelAccess;
  } = {},
): Candidate<Name> {
  const across = Math.ceil(N / (kernel.WX * kernel.RN));
  const tiles = across * Math.ceil(M / (kernel.WY * kernel.RM));
  return {
    name,
    prepare(r) {
      const x = r.upload([M, K], new Float32Array(M * K)); // half of it for f16
      const w = r.upload([N, K / 2], new Float32Array(N * K / 2));
      const y = r.tensor([M, N], type);
      return () => {
        using _texels = r.scope();
        const operands = [x, w].map((t) =>
          kernel.operands === "texels" ? r.texels({ tensor: t, offset: 0, size: t.byteLength }) : t
        );
        r.dispatch({
          shader: kernel.shader,
          texels,
          types: { rElem: "f32", yElem: type },
          constants: {
            ...workgroupConstants(r.device, kernel, { xType: type, wType: "f16" }),
            X_TYPE: type === "f16" ? 1 : 0,
            W_TYPE: 1,
          },
          // In the order of Shape in shaders/matmul.wgsl: part, product, x and w, y, r, epilogue.
          params: [
            ...[0, M, 0, N],
            ...[N, K / 8, K / 8, M],
            ...[M, 0, 0, 0],
            ...[M, 0, 0],
            ...[0, 0, 0],
            ...[0, 0, f32(1), tiles],
            0,
          ],
          buffers: [...operands, undefined, undefined, undefined, y],
          groups: [tiles],
          flops: 2 * M * N * K,
        });
      };
    },
  };
}

/** The probe's layer norm in f32. */
function norm(name: Reduction): Candidate<Reduction> {
  const { rows, D } = NORM_PROBE;
  const { shader, rowsAGroup } = NORM_KERNELS[name];
  const groups = Math.ceil(rows / rowsAGroup);
  return {
    name,
    prepare(r) {
      const x = r.upload([rows, D], new Float32Array(rows * D));
      const y = r.tensor([rows, D]);
      return () =>
        r.dispatch({
          shader,
          types: { xElem: "f32", yElem: "f32" },
          // In the order of Shape in shaders/norm.wgsl.
          params: [...[rows, D, rows, groups, 0], ...[rows, 0, 0, 0], ...[0, 0, 0], ...[0, 0, 0]],
          buffers: [x, undefined, undefined, undefined, y],
          groups: [groups],
        });
    },
  };
}

/** How textures are read, and how large tiles from them are, by as many candidates as both take. */
async function measureTexels(
  device: Device,
  expected: Tiles,
): Promise<Pick<MatmulTuning, "tilesMs" | "texels" | "texelsMs">> {
  const { storageTexels } = device.info;
  const small = KERNELS.texels[1];
  type Times = Partial<Record<TexelAccess | "large", number>>;
  const tilesMs = ({ large, storage, sampled }: Times): Partial<Record<Tiles, number>> => {
    const beside = storage ?? sampled;
    return expected === "large" ? { large, small: beside } : { small: beside, large };
  };
  const accessMs = ({ large: _, ...ms }: Times): Partial<Record<TexelAccess, number>> => ms;
  const ms = await race<TexelAccess | "large">(device, [
    product<TexelAccess>("sampled", small, { texels: "sampled" }),
    ...storageTexels ? [product<TexelAccess>("storage", small, { texels: "storage" })] : [],
    product<"large">("large", LARGE_TILES.at(-1)!.kernel, { texels: storageTexels ? "storage" : "sampled" }),
  ], (ms) => `${least(tilesMs(ms), TILES_MARGIN)} ${least(accessMs(ms), TILES_MARGIN)}`);
  const texelsMs = accessMs(ms);
  return { tilesMs: tilesMs(ms), texels: least(texelsMs, TILES_MARGIN), texelsMs };
}

/** A weight as kernels are told of it. */
export type FewProbe = Readonly<Record<"TYPE" | "BLOCK_BYTES" | "BLOCK_UNITS", number>>;

/** One of each kind: Q8_0 and Q6_K, Q4_0. */
export const FEW_PROBES: Readonly<Record<BlockKind, FewProbe>> = {
  simple: { TYPE: 0, BLOCK_BYTES: 34, BLOCK_UNITS: 1 },
  super: { TYPE: 9, BLOCK_BYTES: 210, BLOCK_UNITS: 8 },
};
/** Rows and columns of that weight. */
const FEW_PROBE = 1024;

/** How a product by a quantised weight is made: expanded on the way, by a pass before it, or on the way from x in bytes. */
type QuantisedWay = "few" | "pass" | "integer";

type FewWay = "few8" | "pass8" | "few32" | "pass32";

/**
 * Rows up to which a quantised weight is expanded on the way. Both ways round differently (the pass to f16), so what is expected, 8, stands
 * unless the other way takes two thirds of its time.
 *
 * @param device Where to measure; it has a tuning.
 * @param former What was measured before: it stands likewise.
 * @returns What the tuning gains.
 */
export async function measureFewRows(
  device: Device,
  former?: MatmulTuning,
): Promise<Required<Pick<MatmulTuning, "fewRows" | "fewRowsMs">>> {
  const before = former && usable(former, device) ? former.fewRows : undefined;
  const chosen = (
    kind: BlockKind,
    { few8 = 0, pass8 = 0, few32 = 0, pass32 = 0 }: Partial<Record<FewWay, number>>,
  ): number => {
    const expected = before?.[kind] ?? FEW_ROWS;
    const at8 = expected >= FEW_ROWS ? pass8 >= MARGIN * few8 : few8 < MARGIN * pass8;
    const at32 = expected >= 32 ? pass32 >= MARGIN * few32 : few32 < MARGIN * pass32;
    return !at8 ? LEAST_FEW : at32 ? 32 : FEW_ROWS;
  };
  const ways = (kind: BlockKind): Candidate<FewWay>[] =>
    ([8, 32] as const).flatMap((M) =>
      (["few", "pass"] as const).map((way) =>
        fewProduct<FewWay>(`${way}${M}`, device, FEW_PROBES[kind], M, way)
      )
    );
  const { rows, ms } = await rowsOfKinds(device, ["simple", "super"], ways, chosen);
  return { fewRows: rows, fewRowsMs: ms };
}

/** Races the ways of each kind, one kind after the other: the rows that its times choose, and the times. */
export async function rowsOfKinds<Kind extends string, Way extends string>(
  device: Device,
  kinds: readonly Kind[],
  ways: (kind: Kind) => readonly Candidate<Way>[],
  chosen: (kind: Kind, ms: Partial<Record<Way, number>>) => number,
): Promise<{ rows: Record<Kind, number>; ms: Record<Kind, Partial<Record<Way, number>>> }> {
  const rows = {} as Record<Kind, number>;
  const ms = {} as Record<Kind, Partial<Record<Way, number>>>;
  for (const kind of kinds) {
    ms[kind] = await race<Way>(device, ways(kind), (ms) => String(chosen(kind, ms)));
    rows[kind] = chosen(kind, ms[kind]);
  }
  return { rows, ms };
}

/** A product of M rows by a quantised weight. */
export function fewProduct<Name extends string>(
  name: Name,
  device: Device,
  probe: FewProbe,
  M: 8 | 32 | 256,
  way: QuantisedWay,
): Candidate<Name> {
  const [N, K] = [FEW_PROBE, FEW_PROBE];
  const constants = { ...probe, ALIGN: 2 };
  const rowBytes = K / 32 / constants.BLOCK_UNITS * constants.BLOCK_BYTES;
  // What lib/ops/quantised.ts has for Q6_K, the one type of large blocks here.
  const span = probe.BLOCK_UNITS > 1 ? 4 : 1;
  const reading = operandsOf(device) === "texels" ? "texels" : "buffers";
  const RN = reading === "texels" ? 4 : 2;
  const kernel = chooseMatmul(device, { M, N, K, xType: "f32", wType: "f16" });
  const plain = product("pass", kernel, { shape: { M, N, K } });
  return {
    name,
    prepare(r) {
      const w = r.upload([N, rowBytes / 4], new Float32Array(N * rowBytes / 4));
      if (way === "pass") {
        const expanded = r.tensor([N, K], "f16");
        const multiply = plain.prepare(r);
        const groups = N * K / 32 / span / 64;
        return () => {
          r.dispatch({
            shader: `expand@SPAN=${span}`,
            types: {},
            constants: { WG: 64, ...constants, Y_TYPE: 1 },
            params: [...[0, N, K / 8, K / 8], ...[rowBytes, 0, 0, groups], ...[0, 0, 0, K / 8, 0, 0, 1]],
            buffers: [w, undefined, undefined, undefined, undefined, undefined, expanded],
            groups: [groups],
          });
          multiply();
        };
      }
      const x = r.upload([M, K], new Float32Array(M * K));
      const y = r.tensor([M, N], "f32");
      const bytes = r.tensor([M, K / 32, 12], "f32");
      const integer = way === "integer";
      const across = N / (reading === "texels" ? 16 * RN : RN);
      return () => {
        using _texels = r.scope();
        if (integer) {
          const groups = M * K / 32 / 64;
          r.dispatch({
            shader: "quantise_rows",
            constants: { WG: 64 },
            params: [M, K / 8, M, M, 0, 0, groups],
            buffers: [x, bytes],
            groups: [groups],
          });
        }
        const operands = [integer ? bytes : x, w].map((t) =>
          reading === "texels" ? r.texels({ tensor: t, offset: 0, size: t.byteLength }) : t
        );
        r.dispatch({
          shader: `${reading === "texels" ? "matmul_quants_texels" : "matmul_quants"}@RM=8,RN=${RN},SPAN=${
            reading === "texels" ? span : 1
          },INTEGER=${integer ? 1 : 0}`,
          types: { rElem: "f32", yElem: "f32" },
          constants: { ...constants, ...reading === "texels" && { WX: 16 } },
          // In the order of Shape in shaders/parts/linear_shape.wgsl.
          params: [
            ...[0, M, 0, N],
            ...[N, K / 8, rowBytes, M],
            ...[M, 0, 0, 0],
            ...[M, 0, 0],
            ...[0, 0, 0],
            ...[0, 0, f32(1), across * M / 8],
            ...[0, 0, 1, 0, 0, 0],
          ],
          buffers: [...operands, undefined, undefined, undefined, y, undefined, undefined],
          groups: [across * M / 8],
          flops: 2 * M * N * K,
        });
      };
    },
  };
}

/** Loads as they are stored: powers of two, the expected ones where the measured are not twice or half of them. */
function settledLoads(measured: number, expected: number): number {
  if (measured > expected / 2 && measured < 2 * expected) return expected;
  return measured < 1 ? 0 : 2 ** Math.round(Math.log2(measured));
}

/** What {@linkcode MatmulTuning.normLoads} is here: what a pass takes, by what a load's norm adds to a convolution. */
async function measureNormLoads(
  device: Device,
  tiles: Tiles,
  former = expectedNormLoads(device.info),
): Promise<Pick<MatmulTuning, "normLoads" | "normMs">> {
  const { S, C } = CONV_PROBE;
  const { RM, RN } = STAGED_CONV[tiles];
  const between = device.info.f16 ? "f16" : "f32";
  const Co = 64 * RN;
  const [rows, across] = [RM === 16 ? 16 : 8, S / 8]; // of a workgroup's pixels, and workgroups
  // One for all, made by whichever comes first.
  let made: Record<"x" | "n" | "w" | "y" | "factors", Tensor> | undefined;
  const tensors = (r: Recorder) =>
    made ??= {
      x: r.tensor([S, S, C], "f32"),
      n: r.tensor([S, S, C], between),
      w: r.upload([9, C, Co / 2], new Float32Array(9 * C * Co / 2)),
      y: r.tensor([S, S, Co], "f32"),
      factors: r.upload([C, 2], new Float32Array(2 * C)),
    };
  const convolution = (name: "plain" | "loading"): Candidate<"plain" | "loading"> => ({
    name,
    prepare(r) {
      const { x, n, w, y, factors } = tensors(r);
      const loading = name === "loading";
      return () =>
        r.dispatch({
          shader: `conv_tiled@V=1,RM=${RM},RN=${RN}`,
          types: { xElem: loading ? "f32" : between, rElem: "f32", yElem: "f32" },
          constants: {
            X_TYPE: between === "f16" ? 1 : 0,
            W_TYPE: 1,
            PATCH: 1,
            NORM: loading ? 2 : 0,
            STEP8: RM === 16 && between === "f32" ? 1 : 2,
          },
          // In the order of Shape in shaders/parts/conv_output.wgsl.
          params: [
            ...[S, S, C / 4, Co, Co, S, S, across],
            ...[1, 1, 0, S],
            ...[0, 0, 0, 0],
            ...[0, 0, 0, 0],
          ],
          buffers: [loading ? x : n, w, undefined, undefined, undefined, y, factors],
          groups: [1, across * S / rows],
          flops: 2 * 9 * S * S * C * Co,
        });
    },
  });
  const pass: Candidate<"pass"> = {
    name: "pass",
    prepare(r) {
      const { x, n, factors } = tensors(r);
      const groups = S * S * C / 4 / 64;
      return () =>
        r.dispatch({
          shader: "scale_shift@V=1,TEXELS=0",
          types: { xElem: "f32", yElem: between },
          constants: { ACT: 1 },
          params: [S * S * C / 4, C, S * S, groups, 0, 0, 0],
          buffers: [x, factors, n],
          groups: [groups],
        });
    },
  };
  const loads = 10 * (rows + 2) / (8 * rows); // of a value, from rectangles eight wide
  const found = (ms: Partial<Record<"pass" | "plain" | "loading", number>>): number => {
    const { pass: once = 0, plain = 1, loading = Infinity } = ms;
    return settledLoads(loads * once / Math.max(loading - plain, NOISE * plain), former);
  };
  const normMs = await race<"pass" | "plain" | "loading">(
    device,
    [pass, convolution("plain"), convolution("loading")],
    (ms) => String(found(ms)),
  );
  return { normLoads: found(normMs), normMs };
}

/** What was timed, and the choice that it makes. */
type Decision<Name extends string> = number | ((ms: Readonly<Partial<Record<Name, number>>>) => string);

/**
 * Times candidates in turns until the choice among them stands.
 *
 * @param ms First times, in the order of preference.
 * @param time Times a candidate once more.
 * @param decide The choice that times make; a number: of {@linkcode least} with this margin.
 * @returns The fastest time of each.
 */
export async function settled<Name extends string>(
  ms: Readonly<Partial<Record<Name, number>>>,
  time: (name: Name) => Promise<number>,
  decide: Decision<Name> = MARGIN,
): Promise<Partial<Record<Name, number>>> {
  const choiceOf = typeof decide === "number" ? (of: typeof ms): string => least(of, decide) : decide;
  const fastest: Partial<Record<Name, number>> = { ...ms };
  let choice = choiceOf(fastest);
  for (let round = 1, stood = 1; round < MOST_ROUNDS && stood < STANDS; round++) {
    for (const name of Object.keys(ms) as Name[]) {
      fastest[name] = Math.min(fastest[name]!, await time(name));
    }
    const now = choiceOf(fastest);
    stood = now === choice ? stood + 1 : 1;
    choice = now;
  }
  return fastest;
}

/** Milliseconds of each candidate's work: its fastest batch, until the choice stands. */
async function race<Name extends string>(
  device: Device,
  candidates: readonly Candidate<Name>[],
  decide?: Decision<Name>,
): Promise<Partial<Record<Name, number>>> {
  using r = new Recorder(device);
  const run = async (record: () => void, times: number): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < times; i++) record();
    r.submit();
    await device.idle();
    return performance.now() - start;
  };
  const ms: Partial<Record<Name, number>> = {};
  const runners = new Map<Name, () => Promise<number>>();
  for (const { name, prepare } of candidates) {
    const record = prepare(r);
    await run(record, 1);
    let times = 1;
    let spent = await run(record, 1);
    while (spent < BATCH_MS && times < 1024) {
      // By four at most: the first of these times is mostly waiting.
      times = Math.ceil(times * Math.min(4, Math.max(1.5, 1.2 * BATCH_MS / spent)));
      spent = await run(record, times);
    }
    ms[name] = spent / times;
    runners.set(name, async () => await run(record, times) / times);
  }
  return await settled(ms, (name) => runners.get(name)!(), decide);
}

/**
 * {@linkcode tuneMatmul} with the results kept in `localStorage`, where there is one: in Deno and in pages. In a worker
 * there is none: call {@linkcode tuneMatmul} with what the page kept, and hand it what comes back.
 *
 * @param device Where to measure.
 * @param again Measures anew and replaces what was kept.
 * @returns The tuning, and whether it is new to the store.
 */
export async function tuneOnce(
  device: Device,
  { again = false }: { again?: boolean } = {},
): Promise<{ tuning: MatmulTuning; measured: boolean }> {
  const known = storedTunings();
  if (again) tunings.delete(device);
  const { vendor, architecture, description } = device.info;
  const adapter = [vendor, architecture, description].join("|");
  const former = known.find((t) => t.adapter === adapter);
  const tuning = await tuneMatmul(device, again ? [] : known, { former });
  if (known.includes(tuning)) return { tuning, measured: false };
  storeTuning(tuning);
  return { tuning, measured: true };
}
