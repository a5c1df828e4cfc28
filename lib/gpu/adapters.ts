/**
 * Which kernels to expect of an adapter before anything was measured on it: by arithmetic over what a compute unit
 * of its kind has room for. None of these GPUs was at hand: the choice is reasoned, not measured. It holds until
 * {@linkcode tuneMatmul} has run, and names the candidate that others have to beat clearly there.
 *
 * @module
 */

import type { DeviceInfo } from "./device_info.ts";
import type { TexelAccess } from "./kernel.ts";
import type { MatmulKernel, Operands } from "./tuning.ts";

/** What one compute unit (SM, work-group processor, Xe core, core) has; rates are per clock. */
export interface ComputeUnit {
  /** Kinds of adapters: WebGPU's vendor names, and the PCI numbers that Deno gives. */
  readonly vendors: readonly string[];
  /** f32 multiply-adds. */
  readonly fma: number;
  /** Invocations that may be resident. */
  readonly threads: number;
  /** 32-bit registers. */
  readonly registers: number;
  /** Registers of one invocation beyond which values spill into memory. */
  readonly registersEach: number;
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
  /** Bytes read from workgroup memory. */
  readonly workgroupRate: number;
  /** Cache lines that loads from storage buffers may touch. */
  readonly lines: number;
  /** Texels of 16 bytes: a quarter of the rate of four bytes everywhere. */
  readonly texels: number;
  /** Exponentials or reciprocals. */
  readonly special: number;
  /** Bytes of the GPU's memory, whose units share it. */
  readonly memoryRate: number;
}

/** Rough figures of the generation that is most common; not checked against the vendors' guides. */
export const COMPUTE_UNITS: readonly ComputeUnit[] = [
  { // Ampere and Ada: an SM.
    vendors: ["nvidia", "4318"],
    fma: 128,
    threads: 1536,
    registers: 65536,
    registersEach: 255,
    workgroupBytes: 100 << 10,
    workgroupRate: 128,
    lines: 1,
    texels: 1,
    special: 16,
    memoryRate: 6,
  },
  { // RDNA: a work-group processor of two compute units.
    vendors: ["amd", "4098"],
    fma: 128,
    threads: 2048,
    registers: 131072,
    registersEach: 256,
    workgroupBytes: 128 << 10,
    workgroupRate: 256,
    lines: 2,
    texels: 2,
    special: 32,
    memoryRate: 6,
  },
  { // Xe: 16 vector engines of seven threads, 4 KiB of registers each, 16 lanes.
    vendors: ["intel", "32902"],
    fma: 128,
    threads: 1792,
    registers: 114688,
    registersEach: 64,
    workgroupBytes: 128 << 10,
    workgroupRate: 128,
    lines: 1,
    texels: 2,
    special: 32,
    memoryRate: 8,
  },
  { // M1 and later: a core.
    vendors: ["apple", "4203"],
    fma: 128,
    threads: 3072,
    registers: 53248,
    registersEach: 128,
    workgroupBytes: 60 << 10,
    workgroupRate: 128,
    lines: 1,
    texels: 2,
    special: 32,
    memoryRate: 7,
  },
  { // Mali since Bifrost: a core; its workgroup memory is ordinary memory behind the load unit's cache.
    vendors: ["arm", "5045"],
    fma: 64,
    threads: 1024,
    registers: 65536,
    registersEach: 64,
    workgroupBytes: 32 << 10,
    workgroupRate: 64,
    lines: 1,
    texels: 1,
    special: 16,
    memoryRate: 4,
  },
  { // Adreno 6xx and 7xx: a shader processor; buffers bypass the cache that textures have.
    vendors: ["qualcomm", "20803"],
    fma: 64,
    threads: 1024,
    registers: 24576,
    registersEach: 128,
    workgroupBytes: 32 << 10,
    workgroupRate: 32,
    lines: 0.25,
    texels: 2,
    special: 16,
    memoryRate: 12,
  },
];

/** What a matmul kernel makes of a compute unit, by arithmetic. */
export interface Estimate {
  /** Registers of an invocation: sums, operands in flight, sixteen for places. */
  readonly registers: number;
  /** Bytes of workgroup memory of a workgroup. */
  readonly workgroupBytes: number;
  /** Share of the unit's invocations that are resident. */
  readonly occupancy: number;
  /** Clocks of loads for each clock of multiply-adds. */
  readonly loads: number;
  /** Share of the unit's multiply-adds that is left of both. */
  readonly share: number;
}

/** Resident invocations, as a share of the most, that hide the latency of loads. */
const HIDING = 0.5;
/** What is left of the speed when sums spill. */
const SPILLED = 0.25;
/** Invocations that run in step. */
const LANES = 32;

/** How much of a unit's arithmetic a product of f32 by 16-bit weights reaches in a kernel. */
export function estimate(k: MatmulKernel, u: ComputeUnit): Estimate {
  const { RM, RN, WX, WY, operands } = k;
  const sums = RM * RN;
  const tiled = operands === "tiled";
  // Eight values of all rows and of one column.
  const registers = sums + 16 + 8 * (RM + 1);
  // 32 values of K for each row and column of the workgroup, a vec4 of padding, and where rows and columns begin.
  const workgroupBytes = tiled ? WY * RM * (9 * 16 + 4) + WX * RN * (5 * 16 + 4) : 0;
  const resident = Math.min(
    u.threads,
    u.registers / Math.min(registers, u.registersEach),
    tiled ? Math.floor(u.workgroupBytes / workgroupBytes) * WX * WY : Infinity,
  );
  // Clocks of 32 invocations for eight values of K. Lanes of the same column, or row, load the same bytes.
  const across = Math.min(LANES, WX);
  const down = LANES / across;
  const arithmetic = LANES * 8 * sums / u.fma;
  const loading = tiled
    ? 16 * (RN * across + 2 * RM * down) / u.workgroupRate
    : operands === "texels"
    ? LANES * (RN + 2 * RM) / u.texels
    : (RN * across + 2 * RM * down) / u.lines;
  const occupancy = resident / u.threads;
  const loads = loading / arithmetic;
  const spilled = registers > u.registersEach ? SPILLED : 1;
  const share = Math.min(1, 1 / loads) * Math.min(1, occupancy / HIDING) * spilled;
  return { registers, workgroupBytes, occupancy, loads, share };
}

/** The compute unit of an adapter, if its vendor is known. */
export function computeUnitOf({ vendor }: Pick<DeviceInfo, "vendor">): ComputeUnit | undefined {
  return COMPUTE_UNITS.find(({ vendors }) => vendors.includes(vendor.toLowerCase()));
}

/**
 * How an adapter's kernels probably read their operands best.
 *
 * @param kernels A kernel for many rows of each way, in the order in which equals are taken.
 */
export function expectedOperands(info: DeviceInfo, kernels: readonly MatmulKernel[]): Operands {
  // Measured: a processor that plays a GPU loads a texel eight times as fast as the same bytes of a buffer, twice that as storage.
  if (info.fallback) return "texels";
  const unit = computeUnitOf(info);
  // Whatever else draws pictures has memory for workgroups.
  if (!unit) return "tiled";
  const share = (kernel: MatmulKernel): number => estimate(kernel, unit).share;
  return kernels.reduce((best, kernel) => share(kernel) > share(best) ? kernel : best).operands;
}

/** How a device is expected to read textures before it is measured: a GPU's sampling unit costs nothing, a CPU's is a function. */
export function expectedTexels(
  info: Pick<DeviceInfo, "storageTexels" | "fallback">,
): TexelAccess {
  return info.storageTexels && info.fallback ? "storage" : "sampled";
}

/** Instructions of a norm's scale and shift with SiLU beside its exponential and its reciprocal. */
const SILU = { fma: 8, special: 2 };
/** How much faster than memory a cache is that holds what neighbours load too. */
const CACHE = 3;

/**
 * How often a convolution may probably norm a value as it loads it, f32, before a pass that reads it once and writes 16 bits
 * costs less: what the pass's bytes take, by what a load takes in instructions and in bytes beyond 16 bits.
 */
export function expectedNormLoads(info: DeviceInfo): number {
  const unit = computeUnitOf(info);
  if (info.fallback || !unit) return 0;
  const { fma, special, memoryRate } = unit;
  const load = SILU.fma / fma + SILU.special / special + 2 / (CACHE * memoryRate);
  return 6 / memoryRate / load;
}
