/**
 * Opens the adapter with everything it offers and says in one sentence what is missing.
 *
 * @module
 */

import { DeviceFaultError, DeviceLostError, LssgenError, NoAdapterError } from "../errors.ts";
import { expectedTexels } from "./adapters.ts";
import { outOfMemory } from "./allocator.ts";
import { DISPATCH_MS, DispatchBudget } from "./budget.ts";
import { check, type Kind } from "../option_kinds.ts";
import { KernelCache } from "./kernel.ts";
import type { DeviceInfo } from "./device_info.ts";
import { Memory } from "./memory.ts";

export type { DeviceInfo } from "./device_info.ts";

/** What {@linkcode openDevice} may be told. */
export interface DeviceOptions {
  /** Which adapter to prefer where there are several. */
  powerPreference?: GPUPowerPreference;
  /** Largest storage binding to use, in bytes: smaller than the adapter's, to test splitting. */
  maxBindingBytes?: number;
  /** Refuse shader-f16 although the adapter has it, to test the path of adapters that lack it. */
  withoutF16?: boolean;
  /**
   * Longest launch in milliseconds: larger ones are cut. If not given, 200 on GPUs; on adapters that run on the CPU,
   * which no watchdog looks at, none is cut.
   */
  dispatchMs?: number;
  /** Refuse subgroups although the adapter has them. */
  withoutSubgroups?: boolean;
  /** Refuse integer dot products although the adapter has them. */
  withoutIntegerDot?: boolean;
}

const OPTIONS: Readonly<Record<keyof DeviceOptions, Kind>> = {
  powerPreference: "a text",
  maxBindingBytes: "a number",
  withoutF16: "true or false",
  dispatchMs: "a number",
  withoutSubgroups: "true or false",
  withoutIntegerDot: "true or false",
};

/** An open GPU: queue, memory pool, compiled kernels, and whether it is still alive. */
export class Device {
  /** Compiled pipelines. */
  readonly kernels: KernelCache;
  /** Buffer pool and upload. */
  readonly memory: Memory;
  /** How long a launch may take. */
  readonly budget: DispatchBudget;
  /** Whether commands do nothing: launches are only noted, and what would be uploaded need not be made. */
  readonly rehearses: boolean = false;
  /** The first error the driver reported outside any scope, if any. */
  private fault: LssgenError | undefined;
  private closed = false;

  /** Use {@linkcode openDevice}. */
  constructor(readonly gpu: GPUDevice, readonly info: DeviceInfo, dispatchMs: number) {
    this.budget = new DispatchBudget(dispatchMs);
    this.kernels = new KernelCache(gpu, expectedTexels(info));
    this.memory = new Memory(gpu, info.maxBufferBytes);
    gpu.lost.then((lost) => {
      // A driver without memory may give up the device right after it said so: then it is lost, whatever it was before.
      if (!this.closed) {
        this.fault = new DeviceLostError(`The GPU device was lost: ${lost.message || lost.reason}`);
      }
    });
    gpu.addEventListener("uncapturederror", (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      const { allocator } = this.memory;
      // Where WebGPU comes from a package, its classes may be no globals.
      if ("GPUOutOfMemoryError" in globalThis && error instanceof GPUOutOfMemoryError) {
        allocator.refused({ purpose: "what a command needs by itself", bytes: 0, detail: error.message });
        return;
      }
      // What is done with a buffer that there was no memory for is refused too.
      const wrong = (): void => {
        if (allocator.refusal) return;
        this.fault ??= new DeviceFaultError(`The GPU refused a command: ${error.message}`);
      };
      if (allocator.waiting) allocator.answered().then(wrong);
      else wrong();
    });
  }

  /**
   * Throws what went wrong on the GPU since it was opened.
   *
   * @throws {DeviceLostError} when the device is gone; open a new one.
   * @throws {LssgenError} `out_of_memory` when its memory is full, until {@linkcode recover}.
   * @throws {DeviceFaultError} when the driver refused a command, which is for good.
   */
  check(): void {
    const { allocator } = this.memory;
    if (allocator.refusal) throw outOfMemory(allocator.refusal, this.memory.use());
    if (this.fault) throw this.fault;
  }

  /**
   * Makes a device whose memory was full usable again, after everything that the failed work had is freed: the pool is emptied,
   * and what was recorded with memory that was refused is forgotten.
   *
   * @param error What the work failed with.
   * @returns What was the matter: full memory where there was none, since its first symptom may be another error; else `error`.
   */
  async recover(error: unknown): Promise<unknown> {
    const { allocator } = this.memory;
    await allocator.answered();
    if (!allocator.refusal) return error;
    const full = error instanceof LssgenError && ["out_of_memory", "aborted"].includes(error.code)
      ? error
      : outOfMemory(allocator.refusal, this.memory.use());
    // Complaints about commands that are under way come before the end of those. A lost device has neither.
    await this.gpu.queue.onSubmittedWorkDone().catch(() => {});
    await allocator.answered();
    this.memory.destroy();
    allocator.forget();
    return full;
  }

  /** Waits until everything submitted so far is done. */
  async idle(): Promise<void> {
    await this.gpu.queue.onSubmittedWorkDone();
    this.check();
  }

  /** Frees every buffer and closes the device. */
  [Symbol.dispose](): void {
    this.closed = true;
    this.memory.destroy();
    this.gpu.destroy();
  }
}

/**
 * Opens a GPU with the adapter's own limits (WebGPU gives the small defaults unless asked) and with
 * shader-f16, timestamp-query and subgroups where present.
 *
 * @throws {NoAdapterError} with a diagnosis when there is no WebGPU or no adapter.
 */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  check("The options of openDevice", options, OPTIONS);
  const api = (globalThis.navigator as Navigator & { gpu?: GPU } | undefined)?.gpu;
  if (!api) throw await missing(false);
  const adapter = await api.requestAdapter({
    powerPreference: options.powerPreference ?? "high-performance",
  });
  if (!adapter) throw await missing(true);

  const features = (["shader-f16", "timestamp-query", "subgroups"] as GPUFeatureName[]).filter((name) =>
    adapter.features.has(name) && !(name === "shader-f16" && options.withoutF16) &&
    !((name as string) === "subgroups" && options.withoutSubgroups)
  );
  const limits = adapter.limits;
  const maxBindingBytes = Math.min(options.maxBindingBytes ?? Infinity, limits.maxStorageBufferBindingSize);
  const gpu = await adapter.requestDevice({
    requiredFeatures: features,
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: Math.min(10, limits.maxStorageBuffersPerShaderStage),
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      maxComputeWorkgroupSizeY: limits.maxComputeWorkgroupSizeY,
    },
  });
  // What older versions lack, and with them this project's types.
  const fallback = (adapter.info as { isFallbackAdapter?: boolean }).isFallbackAdapter ?? false;
  const { wgslLanguageFeatures } = api as { wgslLanguageFeatures?: ReadonlySet<string> };
  const has = (name: string) => features.includes(name as GPUFeatureName);
  return new Device(gpu, {
    vendor: adapter.info.vendor,
    architecture: adapter.info.architecture,
    description: adapter.info.description || adapter.info.device,
    fallback,
    f16: has("shader-f16"),
    timestamps: has("timestamp-query"),
    subgroups: has("subgroups"),
    maxBindingBytes,
    maxBufferBytes: limits.maxBufferSize,
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    workgroupInvocations: limits.maxComputeInvocationsPerWorkgroup,
    // Every device has the three textures a kernel that attention takes.
    storageTexels: wgslLanguageFeatures?.has("readonly_and_readwrite_storage_textures") ?? false,
    integerDot: !options.withoutIntegerDot &&
      (wgslLanguageFeatures?.has("packed_4x8_integer_dot_product") ?? false),
  }, options.dispatchMs ?? (fallback ? Infinity : DISPATCH_MS));
}

async function missing(api: boolean): Promise<NoAdapterError> {
  const { whyNoAdapter } = await import("./no_adapter.ts");
  return new NoAdapterError(whyNoAdapter(api));
}
