/** Components under original names, for files that other programs read: the way there and back changes nothing. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { memoryFolder } from "../lib/weights/bytes.ts";
import { type Checkpoint, openCheckpoint } from "../lib/weights/checkpoint.ts";
import { OPEN_CLIP_NAMES } from "../lib/weights/names/clip.ts";
import type { NameFamily } from "../lib/weights/names/family.ts";
import { FLUX_NAMES } from "../lib/weights/names/flux.ts";
import { underDiffusersNames } from "../lib/weights/names/original.ts";
import { OriginalCheckpoint } from "../lib/weights/names/reverse.ts";
import { SD3_NAMES } from "../lib/weights/names/sd3.ts";
import { T5_GGUF_NAMES } from "../lib/weights/names/t5.ts";
import { UNET_NAMES } from "../lib/weights/names/unet.ts";
import { VAE_NAMES } from "../lib/weights/names/vae.ts";

const ROOT = new URL("./golden/pipelines/", import.meta.url);

async function golden(path: string): Promise<Checkpoint> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for await (const { name } of Deno.readDir(new URL(`${path}/`, ROOT))) {
    files.set(name, await Deno.readFile(new URL(`${path}/${name}`, ROOT)));
  }
  return await openCheckpoint(memoryFolder(path, files), "");
}

const CASES: readonly (readonly [path: string, family: NameFamily, prefix: string, tensor: string])[] = [
  [
    "flux_dev/model/transformer",
    FLUX_NAMES,
    "model.diffusion_model.",
    "double_blocks.0.img_attn.norm.query_norm.scale",
  ],
  ["sd3/model/transformer", SD3_NAMES, "model.diffusion_model.", "joint_blocks.0.x_block.attn.qkv.weight"],
  ["sd15/model/unet", UNET_NAMES, "model.diffusion_model.", "input_blocks.1.1.proj_in.weight"],
  ["sdxl/model/unet", UNET_NAMES, "", "output_blocks.0.0.in_layers.2.weight"],
  ["flux_dev/model/vae", VAE_NAMES, "vae.", "decoder.mid.attn_1.q.weight"],
  ["sd15/model/vae", VAE_NAMES, "first_stage_model.", "decoder.up.0.block.0.conv1.weight"],
  ["sdxl/model/text_encoder_2", OPEN_CLIP_NAMES, "conditioner.embedders.1.model.", "text_projection"],
  ["flux_dev/model/text_encoder_2", T5_GGUF_NAMES, "", "enc.blk.0.attn_rel_b.weight"],
];

for (const [path, family, prefix, tensor] of CASES) {
  Deno.test(`${path} under the names of ${family.layout} and back is the same, whole and by rows`, async () => {
    const source = await golden(path);
    const original = new OriginalCheckpoint(source, family, prefix);
    assert(original.info(prefix + tensor), `${tensor} is there`);
    assert([...original.names()].every((name) => name.startsWith(prefix)));
    const back = underDiffusersNames(original);
    assertEquals([...back.names()].sort(), [...source.names()].sort());
    for (const name of source.names()) {
      const { shape } = source.info(name)!;
      assertEquals(back.info(name)!.shape, shape, name);
      assertEquals(await back.readF32(name), await source.readF32(name), name);
      if (shape.length < 2 || shape[0] < 3) continue;
      const rows = { first: 1, count: shape[0] - 2 };
      assertEquals(await back.readF32(name, rows), await source.readF32(name, rows), `${name}, some rows`);
      assertEquals(
        (await back.read(name, rows)).bytes.length / elements(shape.slice(1)) / rows.count,
        (await back.read(name)).bytes.length / elements(shape),
        `${name}, bytes of some rows`,
      );
    }
  });
}

const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

Deno.test("a component of another family is refused by the tensor that has no place", async () => {
  const source = await golden("flux_dev/model/vae");
  const error = assertThrows(() => new OriginalCheckpoint(source, OPEN_CLIP_NAMES), LssgenError, "OpenCLIP");
  assertEquals(error.code, "unsupported");
});
