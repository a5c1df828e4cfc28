/** One-key changes that once drew another picture without a word, never ended, or ended in a TypeError. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { parsePythonJson } from "../lib/json.ts";
import { Opened } from "../lib/pipelines/family.ts";
import { readModelInfo } from "../lib/pipelines/text_to_image.ts";
import { bytesOf, folderOf, type FolderSource } from "../lib/weights/bytes.ts";
import { readModelIndex } from "../lib/weights/model_folder.ts";
import { mayDiffer } from "../tools/fuzz/effects.ts";
import { DELETED, differenceOf, keyPaths, valueAt, withOneKey } from "../tools/fuzz/one_key.ts";
import { Draws } from "../tools/fuzz/random.ts";
import { goldenModel } from "./poisoned_models.ts";

/** A golden model with keys of one config changed; undefined deletes one. */
async function changed(model: string, file: string, keys: Record<string, unknown>): Promise<FolderSource> {
  const clean = goldenModel(model);
  const config = { ...JSON.parse((await clean.text(file))!), ...keys };
  const bytes = new TextEncoder().encode(JSON.stringify(config));
  return folderOf(
    clean.name,
    (path) => path === file ? Promise.resolve(bytesOf(path, bytes)) : clean.open(path),
  );
}

Deno.test("a component of model_index.json that is no pair, or of a class that another network has, is refused by name", async () => {
  const cases: [string, string, unknown][] = [
    // Left out, SD3 drew without the encoder.
    ["sd3", "text_encoder_3", ["transformers"]],
    ["sd3", "text_encoder_2", ["transformers", "transformers"]],
    ["sd3", "text_encoder_2", ["transformers", "CLIPTextModel"]], // without the projection that the config names
    ["sd3", "text_encoder_3", ["transformers", ""]],
    ["sd3", "text_encoder_3", ["transformers", "T5EncoderModel", 1]],
    ["sd3", "text_encoder_3", "T5EncoderModel"],
    // TypeError: there were no text embeds.
    ["sdxl", "text_encoder_2", ["transformers", "CLIPTextModel"]],
    ["sd15", "vae", ["diffusers", "AsymmetricAutoencoderKL"]],
    ["sd15", "unet", ["diffusers", "UNet3DConditionModel"]],
    ["flux_dev", "text_encoder_2", ["transformers", "UMT5EncoderModel"]],
    ["dit", "transformer", ["diffusers", "PixArtTransformer2DModel"]],
    ["dit", "vae", 5],
    // Encoders that the pipeline cannot do without: SD3 pooled without a projection, SD1.5 said " makes 0 channels".
    ["sd3", "text_encoder", null],
    ["sd3", "text_encoder_2", [null, null]],
    ["sd3", "text_encoder_2", undefined],
    ["sd15", "text_encoder", null],
    ["sd15", "text_encoder", undefined],
  ];
  for (const [model, key, value] of cases) {
    const folder = await changed(model, "model_index.json", { [key]: value });
    const error = await assertRejects(() => readModelInfo(folder), LssgenError);
    assertStringIncludes(error.message, key, `${model}: ${key} = ${JSON.stringify(value)}`);
  }
  for (const pair of [null, [null, null]]) {
    const { prompts } = await readModelInfo(
      await changed("sd3", "model_index.json", { text_encoder_3: pair }),
    );
    assertEquals(prompts, 2);
  }
});

Deno.test("a bound that another key of the config sets is refused with that key's name too", async () => {
  const cases: [string, string, string, unknown][] = [
    ["sdxl", "unet/config.json", "block_out_channels", [8, 16]],
    ["sdxl", "text_encoder_2/config.json", "vocab_size", 607],
  ];
  for (const [model, file, key, value] of cases) {
    const error = await assertRejects(
      async () => await readModelInfo(await changed(model, file, { [key]: value })),
      LssgenError,
    );
    assertStringIncludes(error.message, key, `${model}/${file}: ${key} = ${JSON.stringify(value)}`);
  }
});

Deno.test("a scheduler that model_index.json calls by another class is the config's, and a warning says so", async () => {
  const pair = ["diffusers", "EulerDiscreteScheduler"];
  const info = await readModelInfo(await changed("sd15", "model_index.json", { scheduler: pair }));
  assertEquals(info.scheduler._class_name, "DDIMScheduler");
  assert(info.warnings?.some((text) => /DDIMScheduler.*EulerDiscreteScheduler/.test(text)));
  assertEquals((await readModelInfo(goldenModel("sd15"))).warnings ?? [], []);
});

Deno.test("latents that a pipeline does not shift have no shift", async () => {
  for (const model of ["sd15", "sdxl", "dit"]) {
    const folder = await changed(model, "vae/config.json", { shift_factor: 0.1 });
    await assertRejects(() => readModelInfo(folder), LssgenError, "shift_factor");
    await readModelInfo(await changed(model, "vae/config.json", { shift_factor: 0 }));
  }
  await readModelInfo(await changed("sd3", "vae/config.json", { shift_factor: 0.1 }));
});

Deno.test("two CLIP tokenizers of unequal length are refused: their states lie side by side", async () => {
  // It filled memory and never ended.
  for (const model of ["sdxl", "sd3"]) {
    for (const tokenizer of ["tokenizer", "tokenizer_2"]) {
      const folder = await changed(model, `${tokenizer}/tokenizer_config.json`, { model_max_length: 76 });
      const index = await readModelIndex(folder);
      await assertRejects(
        () => new Opened().checkTokenizers(folder, index),
        LssgenError,
        "model_max_length",
      );
    }
    await new Opened().checkTokenizers(goldenModel(model), await readModelIndex(goldenModel(model)));
  }
});

Deno.test("a tokenizer's token that is empty is refused by its key", async () => {
  for (const key of ["bos_token", "eos_token", "pad_token"]) {
    const folder = await changed("sdxl", "tokenizer/tokenizer_config.json", { [key]: "" });
    const index = await readModelIndex(folder);
    await assertRejects(() => new Opened().checkTokenizers(folder, index), LssgenError, key);
  }
});

Deno.test("a draw changes one key, is found again, and keeps what JSON has no word for", () => {
  const config = parsePythonJson(
    '{"a": 1, "b": [1, 2, 3], "c": {"d": "x"}, "low": -Infinity, "n": null, "f": false}',
  );
  const paths = keyPaths(config);
  assertEquals(paths.map((path) => path.join(".")), [
    "a",
    "b",
    "b.0",
    "b.1",
    "b.2",
    "c",
    "c.d",
    "low",
    "n",
    "f",
  ]);
  const seen = new Set<string>();
  for (let i = 0; i < 3000; i++) {
    const draws = new Draws(1, "one", i);
    const path = draws.of(paths);
    const text = withOneKey(config, path, draws);
    if (text === undefined) continue;
    seen.add(text);
    const now = parsePythonJson(text);
    const change = differenceOf(config, now);
    if (!change) continue; // 2 · 0.5 is spelled otherwise
    assertEquals(change.path[0], path[0], text);
    if (change.value !== DELETED) assertEquals(valueAt(now, change.path), change.value);
    if (path[0] !== "low") assertEquals((now as { low: number }).low, -Infinity);
  }
  assert(seen.size > 200, `${seen.size} texts`);
});

Deno.test("a picture may change by a key's kind of value and no other", () => {
  const vae = { _class_name: "AutoencoderKL" };
  for (
    const [file, config, path, value, may] of [
      ["vae/config.json", vae, ["scaling_factor"], 0.5, true],
      ["vae/config.json", vae, ["scaling_factor"], "0.5", false],
      ["vae/config.json", vae, ["latent_channels"], 8, false],
      ["vae/config.json", {}, ["scaling_factor"], 0.5, false],
      ["scheduler/scheduler_config.json", {}, ["shift_terminal"], null, true],
      ["scheduler/scheduler_config.json", {}, ["shift"], null, false],
      ["scheduler/scheduler_config.json", {}, ["shift"], DELETED, true],
      ["model_index.json", {}, ["vae", 1], "T5EncoderModel", false],
      ["model_index.json", {}, ["toString"], 1, false],
      ["tokenizer/tokenizer_config.json", {}, ["bos_token"], "", false],
      ["tokenizer/tokenizer_config.json", {}, ["bos_token"], { content: "a" }, true],
    ] as const
  ) assertEquals(mayDiffer(file, config, path, value), may, `${file}: ${path} = ${String(value)}`);
});
