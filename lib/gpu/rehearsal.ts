/**
 * A GPU that does nothing: what is recorded on it tells which kernels it launches and how much memory it takes, before
 * anything is loaded, and of what would be too large to run.
 *
 * @module
 */

import { Device } from "./device.ts";
import { tuneLike } from "./tune.ts";

/** A recording keeps the thread for this long at most, where it waits for the GPU anyway. */
const PAUSE_MS = 8;

/** Takes every command, makes buffers without bytes, and answers zeros. */
export function idleGpu(): GPUDevice {
  const nothing = (): unknown => ({});
  const pass = { setPipeline: nothing, setBindGroup: nothing, dispatchWorkgroups: nothing, end: nothing };
  const encoder = {
    beginComputePass: () => pass,
    copyBufferToBuffer: nothing,
    copyBufferToTexture: nothing,
    finish: nothing,
  };
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
      createView: nothing,
    }),
    createBindGroupLayout: nothing,
    createPipelineLayout: nothing,
    createShaderModule: nothing,
    createComputePipeline: nothing,
    createBindGroup: nothing,
    createCommandEncoder: () => encoder,
    queue: { submit: nothing, writeBuffer: nothing, onSubmittedWorkDone: pause },
  } as unknown as GPUDevice;
}

/** A device that does nothing and for which kernels are chosen as for `device`; launches are not cut, which changes none. */
export function idleDevice(device: Device): Device {
  const idle = new Device(idleGpu(), device.info, Infinity);
  tuneLike(idle, device);
  return idle;
}
