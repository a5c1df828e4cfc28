/** Every key of every golden config with values that no network has: refused by its name, or without effect. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { autoencoderKlConfig } from "../lib/models/autoencoder_kl.ts";
import { autoencoderTinyConfig } from "../lib/models/autoencoder_tiny.ts";
import { clipTextConfig } from "../lib/models/clip.ts";
import { ditConfig } from "../lib/models/dit.ts";
import { fluxConfig } from "../lib/models/flux.ts";
import { latentUpsamplerConfig } from "../lib/models/latent_upsampler.ts";
import { pixartConfig } from "../lib/models/pixart.ts";
import { residualUpsamplerConfig } from "../lib/models/residual_upsampler.ts";
import { sd3Config } from "../lib/models/sd3.ts";
import { t5Config } from "../lib/models/t5.ts";
import { unetConfig } from "../lib/models/unet.ts";
import { ownSettings } from "../lib/pipelines/family.ts";
import { planPicture, readModelInfo } from "../lib/pipelines/text_to_image.ts";
import { createScheduler } from "../lib/schedulers/registry.ts";
import { memoryFolder } from "../lib/weights/bytes.ts";
import { parsePythonJson } from "../lib/json.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import { OWN_SETTINGS } from "../tools/fuzz/configs.ts";
import { WALK as VALUES } from "../tools/fuzz/one_key.ts";
import { goldenModel } from "./poisoned_models.ts";

const GOLDEN = new URL("./golden/", import.meta.url).pathname;

type Json = Record<string, unknown>;

/** What a config.json says, as its readers understand it. */
const READERS: Readonly<Record<string, (c: ConfigReader) => unknown>> = {
  CLIPTextModel: (c) => clipTextConfig(c, "CLIPTextModel"),
  CLIPTextModelWithProjection: (c) => clipTextConfig(c, "CLIPTextModelWithProjection"),
  T5EncoderModel: t5Config,
  UNet2DConditionModel: unetConfig,
  AutoencoderKL: autoencoderKlConfig,
  AutoencoderTiny: autoencoderTinyConfig,
  FluxTransformer2DModel: fluxConfig,
  SD3Transformer2DModel: sd3Config,
  DiTTransformer2DModel: ditConfig,
  PixArtTransformer2DModel: pixartConfig,
  LatentUpSampler: latentUpsamplerConfig,
  LatentResidualUpSampler: residualUpsamplerConfig,
};

/** Values that are right for a key, if not those of the golden config: another network or another schedule. */
const RIGHT: Readonly<Record<string, readonly string[]>> = {
  scaling_factor: ["0.5"],
  shift_factor: ["0", "-1", "0.5", "null"],
  freq_shift: ["0"],
  interpolation_scale: ["0.5", "null"],
  dual_attention_layers: ["[]"],
  qk_norm: ["null"],
  out_channels: ["null"],
  steps_offset: ["0"],
  shift: ["0.5"],
  base_shift: ["0", "-1", "0.5"],
  max_shift: ["0", "-1", "0.5"],
  shift_terminal: ["0", "0.5", "null"],
  // 0 and null say that there is none; the weights of it are then left over, and refused.
  addition_embed_type: ["null"],
  transformer_layers_per_block: ["0", "null"],
  reverse_transformer_layers_per_block: ["0"],
  mid_block_type: ["null"],
  use_additional_conditions: ["null"],
  addition_time_embed_dim: ["null"],
  guidance: ["0", "0.5"],
  init_noise: ["0.5"],
  use_karras_sigmas: ["null"],
  // Log of signal by noise below which there are no steps.
  lambda_min_clipped: ["0", "-1", "0.5"],
  // NaN reaches readers as a text.
  name: ['""', "NaN"],
};

/** Fails unless the text of each changed config is refused by the key's name, or read as the clean one is. */
function walk(name: string, config: Json, read: (c: Json) => unknown): number {
  const clean = JSON.stringify(read(config));
  let count = 0;
  for (const key of Object.keys(config)) {
    const value = config[key];
    const inLists = Array.isArray(value) && typeof value[0] === "number" ? VALUES.slice(0, 5) : [];
    const texts = [
      ...VALUES.map((v) => [v, v]),
      ...inLists.map((v) => [v, `[${[v, ...(value as unknown[]).slice(1)]}]`]), // for the first of a list
    ];
    for (const [right, text] of texts) {
      count++;
      const changed = parsePythonJson(
        `{${
          Object.entries(config).map(([k, v]) =>
            `${JSON.stringify(k)}: ${k === key ? text : JSON.stringify(v)}`
          )
        }}`,
      ) as Json;
      const what = `${name}: ${key} = ${text}`;
      let got;
      try {
        got = JSON.stringify(read(changed));
      } catch (error) {
        assert(error instanceof LssgenError, `${what}: ${(error as Error).stack}`);
        assert(error.message.includes(key), `${what} is refused without its name: ${error.message}`);
        continue;
      }
      if (RIGHT[key]?.includes(right)) continue;
      assertEquals(got, clean, `${what} is taken for something else`);
    }
  }
  return count;
}

/** Paths of all files of a name below golden/. */
function* files(folder: string, name: RegExp): Generator<string> {
  for (const entry of [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* files(path, name);
    else if (name.test(entry.name)) yield path;
  }
}

Deno.test("a network's config with a number, list or word that no network has is refused by its key, or read as before", () => {
  const read = new Map<string, number>();
  const own = new URL("./data/golden/upsampler", import.meta.url).pathname;
  for (const path of [...files(GOLDEN, /^config\.json$/), ...files(own, /^config\.json$/)]) {
    const config = parsePythonJson(Deno.readTextFileSync(path)) as Json;
    const kind = config._class_name as string ?? (config.architectures as string[])?.[0] ??
      (path.includes("psampler") ? "LatentUpSampler" : "");
    const reader = READERS[kind];
    if (!reader) continue;
    const { _class_name: _, architectures: _a, ...keys } = config;
    read.set(kind, (read.get(kind) ?? 0) + walk(path, keys, (c) => reader(new ConfigReader(path, c))));
  }
  assertEquals([...read.keys()].sort(), Object.keys(READERS).sort());
});

Deno.test("a scheduler's config with a value that none has is refused by its key, or plans the same steps", () => {
  const paths = [
    ...files(GOLDEN, /^scheduler_config\.json$/),
    ...files(`${GOLDEN}/schedulers`, /^config\.json$/),
  ];
  assert(paths.length > 15);
  for (const path of paths) {
    walk(path, parsePythonJson(Deno.readTextFileSync(path)) as Json, (c) => {
      const scheduler = createScheduler(c);
      return [3, 20].map((n) => {
        const schedule = scheduler.schedule(n, { imageSeqLen: 1024 });
        return [schedule, scheduler.steps(schedule)];
      });
    });
  }
});

Deno.test("lssgen.json with a value that no setting has is refused by its key", async () => {
  const info = await readModelInfo(goldenModel("sd15"));
  const settings = {
    name: "m",
    ...OWN_SETTINGS,
    latent_rgb_bias: [0, 0, 0],
    latent_rgb_factors: Array(12).fill(0.25),
  };
  for (const key of Object.keys(settings)) {
    for (const text of VALUES) {
      if (RIGHT[key]?.includes(text)) continue;
      const body = JSON.stringify({ ...settings, [key]: "@" }).replace('"@"', text);
      const error = await ownSettings(
        memoryFolder("m", new Map([["lssgen.json", new TextEncoder().encode(body)]])),
        info,
      ).then(
        () => undefined,
        (e) => e,
      );
      assert(error instanceof LssgenError && error.message.includes(key), `${key} = ${text}: ${error}`);
    }
  }
});

Deno.test("steps, sizes and schedules that cannot be are refused when they are planned", async () => {
  for (const model of ["sd15", "flux_dev", "sd3"]) {
    const info = await readModelInfo(goldenModel(model));
    for (const steps of [2 ** 32 - 1, 1e308, 0, -1, 0.5, NaN]) {
      const error = assertThrows(
        () => planPicture(info, { steps, width: 64, height: 64 }),
        LssgenError,
        "steps",
      );
      assertEquals(error.code, "bad_option");
    }
    assertThrows(() => planPicture(info, { width: 1e9, height: 64 }), LssgenError, "width");
  }
  const sd = {
    _class_name: "PNDMScheduler",
    beta_end: 0.012,
    beta_schedule: "scaled_linear",
    beta_start: 0.00085,
    num_train_timesteps: 1000,
    set_alpha_to_one: false,
    skip_prk_steps: true,
    steps_offset: 1,
  };
  for (const stock of [sd, { ...sd, _class_name: "DDIMScheduler", clip_sample: false }]) {
    assertThrows(() => createScheduler(stock).schedule(1000), LssgenError, "steps_offset");
    createScheduler(stock).schedule(500);
  }
  const flow = { _class_name: "FlowMatchEulerDiscreteScheduler", shift_terminal: 0.02 };
  assertThrows(() => createScheduler(flow).schedule(1), LssgenError, "shift_terminal");
  createScheduler(flow).schedule(2);
});
