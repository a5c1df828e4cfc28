/**
 * What an adapter says of itself.
 *
 * @module
 */

/** What the adapter is and can do, as plain data for `--list-devices`, tuning files and reports. */
export interface DeviceInfo {
  /** Names as the adapter gives them. */
  readonly vendor: string;
  /** Family of the GPU. */
  readonly architecture: string;
  /** Free text, for example the driver's name for the GPU. */
  readonly description: string;
  /** Whether it runs on the CPU (WebGPU: a fallback adapter), as llvmpipe and SwiftShader do. */
  readonly fallback: boolean;
  /** Whether kernels may use `f16` (feature shader-f16). */
  readonly f16: boolean;
  /** Whether dispatches can be timed on the GPU (feature timestamp-query). */
  readonly timestamps: boolean;
  /** Whether kernels may use subgroup operations. */
  readonly subgroups: boolean;
  /** Largest storage binding in bytes; larger tensors are bound in parts. */
  readonly maxBindingBytes: number;
  /** Largest buffer in bytes. */
  readonly maxBufferBytes: number;
  /** Workgroup memory in bytes. */
  readonly workgroupBytes: number;
  /** Invocations in one workgroup. */
  readonly workgroupInvocations: number;
  /** Whether kernels may read textures as storage (WGSL's readonly_and_readwrite_storage_textures). */
  readonly storageTexels: boolean;
  /** Whether kernels may multiply four bytes at once (WGSL's packed_4x8_integer_dot_product). */
  readonly integerDot?: boolean;
}
