/** Models whose weights stay quantised on the GPU draw what they draw when they are expanded as they are loaded. */

import { assert, assertEquals } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { bytesOf, folderOf, type FolderSource } from "../lib/weights/bytes.ts";
import { openCheckpoint } from "../lib/weights/checkpoint.ts";
import { convertCheckpoint, typeRules } from "../lib/weights/convert.ts";
import type { WritableType } from "../lib/weights/quantise.ts";

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
