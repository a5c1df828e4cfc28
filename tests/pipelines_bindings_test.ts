/** Pictures on an adapter that binds little to a kernel: of every family, and no binding is larger. */

import { assert, assertEquals } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";

/** A device that refuses larger bindings, as an adapter of that limit does: WebGPU itself lets nobody ask for less than 128 MiB. */
async function small(maxBindingBytes: number, seen: { most: number }): Promise<Device> {
  const device = await openDevice({ maxBindingBytes });
  const createBindGroup = device.gpu.createBindGroup.bind(device.gpu);
  device.gpu.createBindGroup = (descriptor) => {
    for (const { resource } of descriptor.entries as { resource: GPUBufferBinding }[]) {
      const bytes = resource.buffer ? resource.size ?? resource.buffer.size : 0;
      seen.most = Math.max(seen.most, bytes);
      assert(bytes <= maxBindingBytes, `a binding of ${bytes} bytes`);
    }
    return createBindGroup(descriptor);
  };
  return device;
}

for (const model of ["sd15", "sdxl", "sd3", "flux_dev", "dit"]) {
  Deno.test(`${model}: a picture is the same when no binding may exceed 256 KiB`, async () => {
    const seen = { most: 0 };
    const draw = async (maxBindingBytes?: number): Promise<Uint8Array> => {
      using device = maxBindingBytes ? await small(maxBindingBytes, seen) : await openDevice();
      const folder = fileFolder(new URL(`./golden/pipelines/${model}/model`, import.meta.url).pathname);
      await using pipeline = await createPipeline(folder, { device, dtype: "f32" });
      const { images: [image] } = await pipeline.generate({
        prompt: "1",
        width: 96,
        height: 64,
        steps: 1,
        method: "direct",
      });
      return image.rgb;
    };
    const whole = await draw();
    if (model === "flux_dev") assertEquals(await draw(16 << 20), whole);
    // Sums are taken in another order where rows are cut.
    const split = await draw(256 << 10);
    const worst = whole.reduce((top, v, i) => Math.max(top, Math.abs(v - split[i])), 0);
    assert(worst <= 1, `off by ${worst} of 255`);
    assert(seen.most > 128 << 10, "nothing came near the limit");
  });
}
