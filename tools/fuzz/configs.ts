/**
 * Model folders: model_index.json, the configs of every network, the scheduler's, and lssgen.json.
 *
 * @module
 */

import { autoencoderKlConfig } from "../../lib/models/autoencoder_kl.ts";
import { autoencoderTinyConfig } from "../../lib/models/autoencoder_tiny.ts";
import { clipTextConfig } from "../../lib/models/clip.ts";
import { ditConfig } from "../../lib/models/dit.ts";
import { fluxConfig } from "../../lib/models/flux.ts";
import { latentUpsamplerConfig } from "../../lib/models/latent_upsampler.ts";
import { pixartConfig } from "../../lib/models/pixart.ts";
import { residualUpsamplerConfig } from "../../lib/models/residual_upsampler.ts";
import { sd3Config } from "../../lib/models/sd3.ts";
import { t5Config } from "../../lib/models/t5.ts";
import { unetConfig } from "../../lib/models/unet.ts";
import { planPicture, readModelInfo } from "../../lib/pipelines/text_to_image.ts";
import { createScheduler } from "../../lib/schedulers/registry.ts";
import { type ConfigReader, readConfig } from "../../lib/weights/model_folder.ts";
import { folderInput, type Input, seedFolder, type Target, textInput } from "./target.ts";

/** By the class that a config names. */
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
  Transformer2DModel: ditConfig,
  PixArtTransformer2DModel: pixartConfig,
  LatentResidualUpSampler: residualUpsamplerConfig,
};

/** What lssgen.json may say of its own. */
export const OWN_SETTINGS = {
  width: 64,
  height: 64,
  steps: 2,
  guidance: 4,
  base_resolution: 64,
  min_resolution: 32,
  init_noise: 0.75,
  shorten_steps: true,
  entry: "reference",
} as const;

/** A model folder of each family, read and planned. */
export const models: Target = {
  name: "models",
  async seeds() {
    const families = ["sd15", "sdxl", "sd3", "flux_dev", "dit"];
    const seeds = await Promise.all(
      families.map((family) =>
        seedFolder(
          `golden/pipelines/${family}/model`,
          /^(model_index\.json|\w+\/(scheduler_|tokenizer_)?config\.json)$/,
        )
      ),
    );
    return seeds.map((seed, i): Input =>
      i === 0 ? new Map([...seed, ...textInput({ "lssgen.json": JSON.stringify(OWN_SETTINGS) })]) : seed
    );
  },
  async run(input) {
    const info = await readModelInfo(folderInput(input));
    const plan = planPicture(info, { width: 64, height: 64, steps: 8 });
    finite(plan, "the plan");
  },
};

/** A config of one network, by its class. */
export const networks: Target = {
  name: "networks",
  async seeds() {
    const found = new Map<string, Input>();
    for (const folder of ["golden", "data/golden"]) {
      for (const [path, bytes] of await seedFolder(folder, /(^|\/)config\.json$/)) {
        const config = JSON.parse(new TextDecoder().decode(bytes).replace(/\bNaN\b|-?\bInfinity\b/g, "0"));
        const kind = config._class_name ?? config.architectures?.[0] ??
          (path.includes("psampler") ? "upsampler" : "");
        // One network has many configs: those of a class that say the same keys are one seed.
        const key = `${kind} ${Object.keys(config).sort()}`;
        if (Object.hasOwn(READERS, kind) || kind === "upsampler") {
          found.set(key, new Map([["config.json", bytes]]));
        }
      }
    }
    return [...found.values()];
  },
  async run(input) {
    const config = await readConfig(folderInput(input), "config.json");
    const { _class_name, architectures } = config.json as { _class_name?: unknown; architectures?: unknown };
    const kind = _class_name ?? (Array.isArray(architectures) ? architectures[0] : undefined);
    const known = typeof kind === "string" && Object.hasOwn(READERS, kind);
    finite((known ? READERS[kind] : latentUpsamplerConfig)(config), "the network");
  },
};

/** A scheduler's config, and the steps it plans. */
export const schedulers: Target = {
  name: "schedulers",
  async seeds() {
    const seeds: Input[] = [];
    for (const folder of ["golden/schedulers", "data/golden/schedulers", "golden/pipelines"]) {
      for (
        const [path, bytes] of await seedFolder(
          folder,
          /(scheduler_config|schedulers.*config|^\w+\/config)\.json$/,
        )
      ) {
        if (!path.includes("transformer")) seeds.push(new Map([["config.json", bytes]]));
      }
    }
    return seeds;
  },
  async run(input) {
    const scheduler = createScheduler((await readConfig(folderInput(input), "config.json")).json);
    const schedule = scheduler.schedule(3, { imageSeqLen: 1024 });
    finite(schedule, "the schedule");
    finite(scheduler.steps(schedule), "the steps");
  },
};

/** Fails for NaN anywhere, and for a list of numbers with infinity. */
function finite(value: unknown, what: string): void {
  if (typeof value === "number") {
    if (Number.isNaN(value)) throw new RangeError(`${what} holds NaN`);
  } else if (typeof value === "object" && value !== null) {
    if (ArrayBuffer.isView(value)) {
      for (const v of value as Float64Array) {
        if (!Number.isFinite(v)) throw new RangeError(`${what} holds ${v}`);
      }
    } else for (const inner of Object.values(value)) finite(inner, what);
  }
}
