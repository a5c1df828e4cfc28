/**
 * The tensor and kernel layer: a device, a recorder, and one function a kernel, over WGSL of our own.
 *
 * @example A product of two matrices
 * ```ts
 * import { linear, openDevice, Recorder } from "@lssgen/webgpu/kernels";
 *
 * using device = await openDevice();
 * using r = new Recorder(device);
 * const x = r.upload([2, 8], new Float32Array(16).fill(1));
 * const w = r.upload([3, 8], new Float32Array(24).fill(0.5)); // [N, K], as torch's Linear
 * const y = linear(r, x, { weight: { buffer: w.buffer, N: 3, K: 8, stride: 8, type: "f32" } });
 * console.log(await r.read(y)); // six fours
 * ```
 *
 * @module
 */

export * from "./lib/errors.ts";
export { DISPATCH_MS, type DispatchBudget } from "./lib/gpu/budget.ts";
export { type Device, type DeviceInfo, type DeviceOptions, openDevice } from "./lib/gpu/device.ts";
export type { Kernel, KernelCache, KernelSpec, TexelAccess } from "./lib/gpu/kernel.ts";
export type { Allocator, Refusal } from "./lib/gpu/allocator.ts";
export type { Memory, MemoryUse } from "./lib/gpu/memory.ts";
export {
  type Binding,
  type Dispatch,
  f32,
  type Float,
  type ProfileEntry,
  Recorder,
  Scope,
} from "./lib/gpu/recorder.ts";
export {
  type Arithmetic,
  type ByteKind,
  type MatmulTuning,
  type Operands,
  operandsOf,
  type Reduction,
  type Tiles,
  tilesOf,
  tuneMatmul,
  tuneOnce,
} from "./lib/gpu/tune.ts";
export { attention, type AttentionOptions, type Heads } from "./lib/ops/attention.ts";
export {
  conv2d,
  type ConvOptions,
  convTranspose2d,
  type ConvWeights,
  packConv,
  type PackConvOptions,
} from "./lib/ops/conv2d.ts";
export { activation, add, affine, cast, combine, geglu, product, softmax } from "./lib/ops/elementwise.ts";
export { groupNorm, type GroupNormOptions, type GroupStatistics } from "./lib/ops/group_norm.ts";
export {
  type Activation,
  linear,
  type LinearOptions,
  type LinearWeights,
  type Matrix,
  type PlainMatrix,
} from "./lib/ops/linear.ts";
export type { Blocks, LowRank, QuantisedMatrix, QuantisedName, Scales } from "./lib/ops/quantised.ts";
export { layerNorm, type LayerNormOptions, rmsNorm } from "./lib/ops/norm.ts";
export { packLatents, type PatchOrder, unpackLatents } from "./lib/ops/pack.ts";
export { qkNormRope, type QkNormRopeOptions, type QkNorms } from "./lib/ops/qk_norm_rope.ts";
export { resample, type ResampleMode, type ResampleOptions } from "./lib/ops/resample.ts";
export { type Dtype, elements, type PlainType, type Rows, rows, type Tensor } from "./lib/tensor.ts";
