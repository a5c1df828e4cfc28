/**
 * The networks of a pipeline: the denoiser, its autoencoders and its learned upsampler.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { LearnedUpsampler, UpsamplerLayout } from "../models/latent_upsampler.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { isComponentFolder } from "../weights/checkpoint.ts";
import { readConfig } from "../weights/model_folder.ts";
import {
  type Component,
  type Family,
  loadComponent,
  type LoadContext,
  type Network,
  Opened,
} from "./family.ts";
import type { PlanRules } from "./plan_rules.ts";
import type { ModelInfo, PipelineOptions } from "./types.ts";
import type { Upscaling } from "./upscaling.ts";
import type { Autoencoder } from "./autoencoder.ts";
import { loadVae } from "./vae.ts";

/** A model as its configs and the caller describe it. */
export interface Model {
  readonly family: Family;
  readonly info: ModelInfo;
  readonly options: PipelineOptions;
  /** What its pictures are planned with. */
  readonly rules: PlanRules;
}

/** All networks but the text encoders, each added to `parts` as it is there. */
export async function openNetworks(
  { family, info, options }: Model,
  context: LoadContext,
  parts: Disposable[],
): Promise<Networks> {
  const own = <P extends Disposable>(part: P): P => {
    parts.push(part);
    return part;
  };
  const tinyVae = options.tinyVae ??
    (isComponentFolder(context.folder) ? await context.folder.tinyVae() : undefined);
  const tiny = tinyVae && own(
    await (await import("./tiny_vae.ts")).loadTinyVae(
      { ...context, folder: tinyVae },
      "",
      info.latentChannels,
    ),
  );
  const upsampler = info.learnedUpsampler
    ? own(await loadLearned(context, options.upsamplerWeights, info.latentChannels))
    : undefined;
  const { device, dtype, maxActivationBytes, signal, onProgress, rehearsal } = context;
  let upscaler: Upscaling | undefined;
  if (options.upscaler) {
    const file = await (context.opened ?? new Opened()).upscaler(options.upscaler);
    const { loadUpscaler } = await import("./upscaling.ts");
    upscaler = own(
      await loadUpscaler(file, { device, dtype, maxActivationBytes, signal, onProgress, rehearsal }),
    );
  }
  // The large ones last: what is wrong with the user's own folders is said before minutes have gone.
  const vae = own(await loadVae(context, info.latentChannels));
  const network = own(await family.load(context));
  const decoder = options.tinyDecode && tiny ? tiny : vae;
  return { network, vae, tiny, decoder, upsampler: upsampler?.model, upscaler, parts };
}

/** Layouts of learned upsamplers, by the class that their config.json names; their code comes when a model has them. */
const LAYOUTS: Readonly<Record<string, () => Promise<UpsamplerLayout>>> = {
  LatentUpSampler: async () => (await import("../models/latent_upsampler.ts")).latentUpsampler,
  LatentResidualUpSampler: async () => (await import("../models/residual_upsampler.ts")).residualUpsampler,
};

/**
 * The learned upsampler of the model's own folder, or of a folder that the user brings.
 *
 * @throws {LssgenError} `bad_option` when it is made for other latents.
 */
async function loadLearned(
  context: LoadContext,
  own: FolderSource | undefined,
  channels: number,
): Promise<Component<LearnedUpsampler>> {
  const where = own ? { ...context, folder: own } : context;
  const stored = await readConfig(where.folder, own ? "config.json" : "upsampler/config.json");
  const layout = await LAYOUTS[stored.oneOf("_class_name", Object.keys(LAYOUTS), "LatentUpSampler")]();
  return await loadComponent(where, own ? "" : "upsampler", (w, json) => {
    const { config, build } = layout(json);
    for (const key of ["in_channels", "out_channels"] as const) {
      if (config[key] !== channels) {
        throw new LssgenError(
          "bad_option",
          `"${where.folder.name}": the upsampler's ${key} is ${
            config[key]
          }, the model's latents have ${channels} ` +
            "channels; take one trained for this model, or --upsampler bicubic",
        );
      }
    }
    const upsampler = build(w);
    if (upsampler.scale !== 2) {
      throw new LssgenError(
        "unsupported",
        `"${where.folder.name}": the upsampler enlarges ${upsampler.scale} times (strides), stages grow by 2`,
      );
    }
    return upsampler;
  });
}

/** Networks of an open pipeline. */
export interface Networks {
  /** Absent after a change of LoRAs that failed: the next picture loads it. */
  network: Network | undefined;
  readonly vae: Autoencoder;
  readonly tiny: Autoencoder | undefined;
  /** What makes the result. */
  readonly decoder: Autoencoder;
  readonly upsampler: LearnedUpsampler | undefined;
  /** For growth by pixels. */
  readonly upscaler: Upscaling | undefined;
  /** All of them, in the order they were opened. */
  readonly parts: Disposable[];
}
