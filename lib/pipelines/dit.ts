/**
 * DiT: pictures of a class of ImageNet, classifier-free guidance against the null class.
 *
 * Source: arXiv 2212.09748; diffusers DiTPipeline.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { ditConfig, DitTransformer } from "../models/dit.ts";
import { firstChannels } from "../ops/elementwise.ts";
import { costOf } from "../scaling/flops.ts";
import { ditFlops } from "../scaling/flops_dit.ts";
import { type ConfigReader, readConfig } from "../weights/model_folder.ts";
import type { Encoded, Family, LoadContext, Network, PromptRequest } from "./family.ts";
import { loadComponent } from "./family.ts";
import { checkChannels } from "./fitting_parts.ts";
import { repeated, withGuidance } from "./guidance.ts";
import { vaeConfig } from "./vae.ts";

/** Bytes of the widest activation of a token, by the width of the model: an MLP of four times its width, 16 bits. */
const MLP_BYTES = 4 * 2;

/** DiTPipeline. */
export const dit: Family = {
  async read(folder, index) {
    const config = ditConfig(await readConfig(folder, "transformer/config.json"));
    const vae = await vaeConfig(folder, index, false);
    await checkChannels(folder, "transformer", config.in_channels, vae);
    const vaeFactor = 2 ** (vae.block_out_channels.length - 1);
    const side = config.sample_size * vaeFactor;
    return {
      name: folder.name,
      pipeline: index.pipeline,
      latentChannels: vae.latent_channels,
      space: { vaeFactor, patch: config.patch_size, indivisible: "refuse", sigmas: "scheduler" },
      scheduler: (await readConfig(folder, "scheduler/scheduler_config.json")).json,
      defaults: {
        width: side,
        height: side,
        steps: 50,
        guidance: 4,
        baseResolution: side,
        minResolution: side / 2,
        initNoise: 0.75,
        shortenSteps: false,
        upsampler: "learned",
        entry: "reference",
      },
      embeddedGuidance: false,
      cachesBlocks: true,
      prompts: 0,
      learnedUpsampler: index.components.has("upsampler"),
      cost: (calls) => costOf((h, w) => ditFlops(config, h * w / config.patch_size ** 2), calls, vae),
    };
  },

  async load(context) {
    const { model, [Symbol.dispose]: free } = await loadComponent(
      context,
      "transformer",
      (w, config) => new DitTransformer(w, ditConfig(config)),
    );
    return new DitNetwork(context, model, free);
  },
};

class DitNetwork implements Network {
  constructor(
    private readonly context: LoadContext,
    private readonly transformer: DitTransformer,
    private readonly free: () => void,
  ) {}

  encode(_r: unknown, request: PromptRequest): Promise<Encoded> {
    const { transformer } = this;
    const { num_embeds_ada_norm: nullClass, in_channels, patch_size } = transformer.config;
    const { num_attention_heads, attention_head_dim } = transformer.config;
    const limit = this.context.maxActivationBytes;
    const labels = classLabels(this.context.index.config, request.prompt, nullClass);
    const calls = request.guidance > 1 ? 2 : 1;
    return Promise.resolve({
      calls,
      warnings: [],
      prompts: labels.map(String),
      denoiser: (prompt, cache) => (r, latents, step, stage) => {
        const classes = [labels[prompt ?? 0], nullClass];
        using scope = r.scope();
        const [, h, w] = latents.shape;
        const bytes = h * w / patch_size ** 2 * num_attention_heads * attention_head_dim * MLP_BYTES;
        const one = withGuidance(
          r,
          { calls, scale: request.guidance, off: step.unguided, base: 1, bytes, limit },
          (samples) =>
            transformer.forward(r, {
              latents: repeated(r, latents, samples.length),
              timestep: samples.map(() => step.timestep),
              classLabels: samples.map((i) => classes[i]),
              blocks: cache?.call(stage.index, stage.steps.indexOf(step), samples),
            }),
        );
        // The other channels are the learned variance, which deterministic samplers do not use.
        return scope.keep(firstChannels(r, one, in_channels));
      },
    });
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

/** Classes of a prompt: one by its number or its name, or several numbers, separated by commas or blanks. */
function classLabels(index: ConfigReader, prompt: string, classes: number): number[] {
  const asked = prompt.trim();
  const numbers = asked.split(/[\s,]+/).map((text) => text === "" ? NaN : Number(text));
  if (numbers.every((number) => Number.isInteger(number) && number >= 0 && number < classes)) return numbers;
  const names = index.json.id2label;
  if (typeof names === "object" && names !== null) {
    for (const [id, label] of Object.entries(names)) {
      if (String(label).split(",").some((name) => name.trim().toLowerCase() === asked.toLowerCase())) {
        return [Number(id)];
      }
    }
  }
  throw new LssgenError(
    "bad_option",
    `"${prompt}" is no class of "${index.name}": expected a number from 0 to ${
      classes - 1
    }, or several such as "3, 281"${names ? ', or one of the names under "id2label" there' : ""}`,
  );
}
