/**
 * A GPU that does nothing: what is recorded on it tells which kernels it launches and how much memory it takes, before
 * anything is loaded, and of what would be too large to run.
 *
 * @module
 */

import { Device, type DeviceInfo } from "./device.ts";
import { tuneLike } from "./tune.ts";

/** A recording keeps the thread for this long at most, where it waits for the GPU anyway. */
const PAUSE_MS = 8;

/** Takes every command, makes buffers without bytes, and answers zeros. */
function idleGpu(): GPUDevice {
  const nothing = (): unknown => ({});
  const encoder = {
    copyBufferToBuffer: nothing,
    copyBufferToTexture: nothing,
    finish: nothing,
  };
  const granted = Promise.resolve(null);
  let since = performance.now();
  const pause = async (): Promise<void> => {
    if (performance.now() - since < PAUSE_MS) return;
    await new Promise((resolve) => setTimeout(resolve));
    since = performance.now();
  };
  return {
    lost: new Promise(() => {}),
    addEventListener: nothing,
    destroy: nothing,
    pushErrorScope: nothing,
    popErrorScope: () => granted,
    createBuffer: ({ size }: { size: number }) => ({
      size,
      destroy: nothing,
      unmap: nothing,
      mapAsync: pause,
      getMappedRange: () => new ArrayBuffer(size),
    }),
    createTexture: ({ size: [width, height] }: { size: number[] }) => ({
      width,
      height,
      destroy: nothing,
    }),
    createBindGroupLayout: nothing,
    createPipelineLayout: nothing,
    createShaderModule: nothing,
    createComputePipeline: nothing,
    createCommandEncoder: () => encoder,
    queue: { submit: nothing, writeBuffer: nothing, onSubmittedWorkDone: pause },
  } as unknown as GPUDevice;
}

/** A device that does nothing. Launches are not cut, which does not change which kernels there are. */
export class IdleDevice extends Device {
  override readonly rehearses: boolean = true;

  /** @param info What it pretends to be. */
  constructor(info: DeviceInfo) {
    super(idleGpu(), info, Infinity);
  }

  /** One for which kernels are chosen as for `device`. */
  static like(device: Device): IdleDevice {
    const idle = new IdleDevice(device.info);
    tuneLike(idle, device);
    return idle;
  }
}
