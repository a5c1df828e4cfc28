/** A GPU with room for so many bytes only, for tests of what happens when its memory is full. */

import { Device, openDevice } from "../lib/gpu/device.ts";

/** A device and how much fits into it. */
export interface FullDevice extends Disposable {
  readonly device: Device;
  /** Bytes of buffers and textures that there is room for. */
  room: number;
  /** Bytes that are taken. */
  readonly taken: number;
  /** Requests that were refused. */
  readonly refusals: number;
}

/**
 * A real device behind a GPUDevice that answers as WebGPU does when memory is full: an out-of-memory error in the innermost scope
 * of that kind, and a buffer that every command refuses.
 */
export async function fullDevice(room: number, maxBindingBytes?: number): Promise<FullDevice> {
  const real = await openDevice({ maxBindingBytes });
  const { gpu } = real;
  const state = { room, taken: 0, refusals: 0 };
  const scopes: { filter: GPUErrorFilter; error: GPUError | null }[] = [];
  const fits = <T extends GPUBuffer | GPUTexture>(made: T, bytes: number): T => {
    state.taken += bytes;
    const destroy = made.destroy.bind(made);
    let gone = false;
    made.destroy = () => {
      if (!gone) state.taken -= bytes;
      gone = true;
      destroy();
    };
    return made;
  };
  const refuse = (bytes: number): boolean => {
    if (state.taken + bytes <= state.room) return false;
    state.refusals++;
    const error = new GPUOutOfMemoryError("not enough memory left");
    const scope = scopes.findLast(({ filter }) => filter === "out-of-memory");
    if (scope) scope.error ??= error;
    else gpu.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error }));
    return true;
  };
  const full = new Proxy(gpu, {
    get(_, key) {
      if (key === "createBuffer") {
        return (d: GPUBufferDescriptor) => {
          // For nothing but mapping: what is bound or copied to is refused.
          if (refuse(d.size)) return gpu.createBuffer({ size: d.size, usage: GPUBufferUsage.MAP_READ });
          return fits(gpu.createBuffer(d), d.size);
        };
      }
      if (key === "createTexture") {
        return (d: GPUTextureDescriptor) => {
          const [width, height] = d.size as number[];
          const bytes = width * height * 16;
          if (refuse(bytes)) return gpu.createTexture({ ...d, usage: GPUTextureUsage.COPY_SRC });
          return fits(gpu.createTexture(d), bytes);
        };
      }
      if (key === "pushErrorScope") {
        return (filter: GPUErrorFilter) => {
          scopes.push({ filter, error: null });
          gpu.pushErrorScope(filter);
        };
      }
      if (key === "popErrorScope") {
        return async () => {
          const { error } = scopes.pop()!;
          return error ?? await gpu.popErrorScope();
        };
      }
      const value = Reflect.get(gpu, key);
      return typeof value === "function" ? value.bind(gpu) : value;
    },
  });
  const device = new Device(full, real.info, Infinity);
  return {
    device,
    get room() {
      return state.room;
    },
    set room(bytes: number) {
      state.room = bytes;
    },
    get taken() {
      return state.taken;
    },
    get refusals() {
      return state.refusals;
    },
    [Symbol.dispose]: () => device[Symbol.dispose](),
  };
}
