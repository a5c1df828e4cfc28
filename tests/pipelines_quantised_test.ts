/** Models whose weights stay quantised on the GPU draw what they draw when they are expanded as they are loaded. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileFolder, fileSource } from "../lib/cli/files.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { tuningOf } from "../lib/gpu/tune.ts";
import { planMemory } from "../lib/pipelines/memory.ts";
import { Stream } from "../lib/residency/stream.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { bytesOf, folderOf, type FolderSource } from "../lib/weights/bytes.ts";
import { openCheckpoint } from "../lib/weights/checkpoint.ts";
import { convertCheckpoint, typeRules } from "../lib/weights/convert.ts";
import { WRITABLE_TYPES, type WritableType } from "../lib/weights/quantise.ts";

/** A golden model's folder whose components are GGUF files of a type. */
async function quantisedFolder(
  name: string,
  components: readonly string[],
  type: WritableType,
): Promise<FolderSource> {
  const folder = fileFolder(new URL(`./golden/pipelines/${name}/model`, import.meta.url).pathname);
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const component of components) {
    let bytes = new Uint8Array(1 << 22);
    const report = await convertCheckpoint(await openCheckpoint(folder, component), {
      write: (at, part) => Promise.resolve(void bytes.set(part, at)),
    }, { format: "gguf", type, rules: typeRules(`.=${type}`) });
    assert([...report.types.keys()].includes(type), `${component} has no matrix of ${type}`);
    bytes = bytes.slice(0, report.bytes);
    files.set(component, bytes);
  }
  return folderOf(`${name} in ${type}`, async (path) => {
    const [component, file] = path.split("/");
    const gguf = files.get(component);
    if (!gguf || !/\.(safetensors|gguf)$/.test(file)) return await folder.open(path);
    return /^(diffusion_pytorch_)?model\.gguf$/.test(file) ? bytesOf(path, gguf) : undefined;
  });
}

for (
  const [name, components, type] of [
    ["flux_dev", ["transformer", "text_encoder_2"], "Q8_0"],
    ["flux_dev", ["transformer"], "Q4_0"],
    ["sd15", ["unet"], "Q5_1"],
  ] as const
) {
  Deno.test(`${name} in ${type} draws the same picture from blocks on the GPU as from expanded weights`, async () => {
    using device = await openDevice();
    const model = await quantisedFolder(name, components, type);
    const pictures: Uint8Array[] = [];
    for (const keepQuantised of [false, true]) {
      await using pipeline = await createPipeline(model, { device, dtype: "f32", keepQuantised });
      const { images: [{ rgb }] } = await pipeline.generate({
        prompt: "a cat",
        width: 64,
        height: 64,
        steps: 2,
        method: "direct",
        seed: 1,
      });
      pictures.push(rgb);
    }
    assertEquals(pictures[1].length, pictures[0].length);
    // Sums of few rows are added in another order: a step of 1/255 where a value lies between two.
    const most = pictures[0].reduce((m, v, i) => Math.max(m, Math.abs(v - pictures[1][i])), 0);
    assert(most <= 1, `off by ${most}`);
  });
}

Deno.test("integer dot products draw nearly the same picture where they are asked for, and who asks in vain is told", async () => {
  using device = await openDevice();
  const model = await quantisedFolder("flux_dev", ["transformer"], "Q4_0");
  const drawn = async (more: Partial<Parameters<typeof createPipeline>[1]>) => {
    await using pipeline = await createPipeline(model, {
      device,
      dtype: "f32",
      keepQuantised: true,
      ...more,
    });
    const picture = { width: 64, height: 64, steps: 2, method: "direct", seed: 1 } as const;
    const { images: [{ rgb }], warnings } = await pipeline.generate({ prompt: "a cat", ...picture });
    return { rgb, warnings };
  };
  const exact = await drawn({});
  const { rgb, warnings } = await drawn({ integerDot: true });
  assertEquals([exact.warnings, warnings], [[], []]);
  const off = rgb.map((v, i) => Math.abs(v - exact.rgb[i]));
  const mean = off.reduce((sum, v) => sum + v, 0) / off.length;
  assert(mean > 0 && mean < 4, `${mean} of 255 in the mean`);
  const expanded = await drawn({ integerDot: true, keepQuantised: false });
  assertEquals(expanded.warnings.length, 1);
  assertStringIncludes(expanded.warnings[0], "no weights stay quantised");
});

Deno.test("a model in any type that conversion writes takes no more memory than planned from headers, whichever products it makes", async () => {
  using device = await openDevice();
  const picture = { width: 64, height: 64, steps: 1, method: "direct" } as const;
  for (const type of WRITABLE_TYPES.filter((type) => type.startsWith("Q"))) {
    const model = await quantisedFolder("dit", ["transformer"], type);
    for (const integerDot of type === "Q5_0" ? [false, true] : [false]) {
      const options = { dtype: "f32", keepQuantised: true, integerDot } as const;
      device.memory.trim();
      device.memory.resetPeak();
      await using pipeline = await createPipeline(model, { device, ...options });
      await pipeline.generate({ prompt: "1", ...picture });
      const { footprint, weights } = device.memory.use();
      const where = { adapter: device.info, tuning: tuningOf(device) };
      const { peak, resident } = await planMemory(model, picture, { ...options, ...where });
      assert(footprint <= peak, `${type}: ${footprint} bytes, planned were ${peak}`);
      assert(peak <= footprint + (64 << 20), `${type}: ${footprint} bytes, planned were ${peak}`);
      assertEquals(weights, resident, type);
    }
  }
});

Deno.test("quantised blocks with a LoRA beside them draw the same bytes where they stream as where they stay", async () => {
  using device = await openDevice();
  const model = await quantisedFolder("flux_dev", ["transformer"], "Q8_0");
  const lora = new URL("./data/lora/flux_diffusers.safetensors", import.meta.url).pathname;
  const picture = { width: 64, height: 64, steps: 2, method: "direct", seed: 1 } as const;
  const options = { dtype: "f32", keepQuantised: true } as const;
  const pictures: Uint8Array[] = [];
  const drawn = async (more: Partial<Parameters<typeof createPipeline>[1]>) => {
    const loras = [{ file: (await fileSource(lora))!, scale: 0.8 }];
    await using pipeline = await createPipeline(model, { device, ...options, loras, ...more });
    const { images: [{ rgb }], warnings } = await pipeline.generate({ prompt: "a cat", ...picture });
    assertEquals(warnings, []);
    pictures.push(rgb);
    return Stream.of(device).bytes;
  };
  assertEquals(await drawn({}), 0);
  const { least } = await planMemory(model, picture, {
    ...options,
    adapter: device.info,
    tuning: tuningOf(device),
  });
  assert(await drawn({ maxVramBytes: least + 100_000, firstPicture: picture }) > 0);
  assertEquals(pictures[1], pictures[0]);
  assert(await drawn({ loras: [] }) === 0);
  assert(pictures[2].some((v, i) => v !== pictures[0][i]), "the LoRA changes nothing");
});
