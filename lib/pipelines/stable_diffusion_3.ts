/**
 * Stable Diffusion 3 and 3.5: two CLIP encoders and T5 side by side, classifier-free guidance.
 *
 * Source: diffusers StableDiffusion3Pipeline.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { clipTextConfig } from "../models/clip.ts";
import { sd3Config, Sd3Transformer, withoutLayers } from "../models/sd3.ts";
import { t5Config } from "../models/t5.ts";
import { costOf } from "../scaling/flops.ts";
import { sd3Flops } from "../scaling/flops_sd3.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { isComponentFolder } from "../weights/checkpoint.ts";
import { type ModelIndex, readConfig } from "../weights/model_folder.ts";
import type { Encoded, Family, LoadContext, Network, PromptRequest } from "./family.ts";
import { encoderTexts, loadComponent } from "./family.ts";
import { checkChannels, checkWidth } from "./fitting_parts.ts";
import { repeated, samplesOf, uploadStates, uploadVectors, withGuidance } from "./guidance.ts";
import { clipStates, widened } from "./clip_pair.ts";
import { ClipPrompts, T5Prompts, warningsOf } from "./prompts.ts";
import { joined, stacked, type States, zeros } from "./text_states.ts";
import { vaeConfig } from "./vae.ts";

/** T5 tokens that diffusers takes. */
const TEXT_LENGTH = 256;
const CLIP_LENGTH = 77;
/** Bytes of the widest activation of a token, by the width of the model: an MLP of four times its width, 16 bits. */
const MLP_BYTES = 4 * 2;

/** StableDiffusion3Pipeline. */
export const stableDiffusion3: Family = {
  async read(folder, index) {
    if (!isComponentFolder(folder)) await checkProjections(folder, index);
    const config = sd3Config(await readConfig(folder, "transformer/config.json"));
    const vae = await vaeConfig(folder, index);
    await checkChannels(folder, "transformer", config.in_channels, vae);
    const clips = [];
    for (const name of ["text_encoder", "text_encoder_2"]) {
      const kind = index.components.get(name) ?? "CLIPTextModelWithProjection";
      clips.push({ name, config: clipTextConfig(await readConfig(folder, `${name}/config.json`), kind) });
    }
    await checkWidth(
      folder,
      clips.map(({ name, config }) => ({ of: name, key: "hidden_size", value: config.hidden_size })),
      { of: "transformer", key: "joint_attention_dim", value: config.joint_attention_dim },
      true,
    );
    await checkWidth(
      folder,
      clips.map(({ name, config }) => ({
        of: name,
        key: config.projection_dim === undefined ? "hidden_size" : "projection_dim",
        value: config.projection_dim ?? config.hidden_size,
      })),
      { of: "transformer", key: "pooled_projection_dim", value: config.pooled_projection_dim },
    );
    if (index.components.has("text_encoder_3")) {
      const t5 = t5Config(await readConfig(folder, "text_encoder_3/config.json"));
      await checkWidth(
        folder,
        [{ of: "text_encoder_3", key: "d_model", value: t5.d_model }],
        { of: "transformer", key: "joint_attention_dim", value: config.joint_attention_dim },
      );
    }
    return {
      name: folder.name,
      pipeline: index.pipeline,
      latentChannels: vae.latent_channels,
      space: {
        vaeFactor: 2 ** (vae.block_out_channels.length - 1),
        patch: config.patch_size,
        indivisible: "refuse",
        sigmas: "scheduler",
      },
      scheduler: (await readConfig(folder, "scheduler/scheduler_config.json")).json,
      defaults: {
        width: 1024,
        height: 1024,
        steps: 40,
        guidance: 4.5,
        baseResolution: 1024,
        minResolution: 512,
        initNoise: 0.75,
        shortenSteps: false,
        upsampler: "learned",
        entry: "reference",
      },
      embeddedGuidance: false,
      cachesBlocks: true,
      clipLayers: { own: 2, most: 2 },
      prompts: index.components.has("text_encoder_3") ? 3 : 2,
      learnedUpsampler: index.components.has("upsampler"),
      tokenSets: true,
      skippableLayers: config.num_layers,
      cost: (calls, skipped) => {
        const kept = withoutLayers(config, skipped);
        return costOf(
          (h, w) => sd3Flops(kept, h * w / config.patch_size ** 2, CLIP_LENGTH + TEXT_LENGTH),
          calls,
          vae,
        );
      },
    };
  },

  async load(context) {
    const { model, [Symbol.dispose]: free } = await loadComponent(
      context,
      "transformer",
      (w, config) => new Sd3Transformer(w, sd3Config(config)),
    );
    return new Sd3Network(context, model, free);
  },
};

class Sd3Network implements Network {
  private readonly clipL: ClipPrompts;
  private readonly clipG: ClipPrompts;
  private readonly t5?: T5Prompts;

  constructor(
    private readonly context: LoadContext,
    private readonly transformer: Sd3Transformer,
    private readonly free: () => void,
  ) {
    this.clipL = new ClipPrompts(context, "text_encoder", "tokenizer");
    this.clipG = new ClipPrompts(context, "text_encoder_2", "tokenizer_2");
    // Folders without T5 are common: it is the largest part by far, and zeros stand in for it.
    if (context.index.components.has("text_encoder_3")) {
      this.t5 = new T5Prompts(context, "text_encoder_3", "tokenizer_3");
    }
  }

  async encode(r: Recorder, request: PromptRequest): Promise<Encoded> {
    const { transformer, clipL, clipG, t5 } = this;
    const calls = request.guidance > 1 ? 2 : 1;
    const prompts = (calls === 2 ? [true, false] : [false]).map((negative) =>
      encoderTexts(request, negative)
    );
    const width = transformer.config.joint_attention_dim;
    const length = request.maxSequenceLength ??
      Math.min(TEXT_LENGTH, t5 ? (await t5.getTokenizer()).maxLength : TEXT_LENGTH);

    const { emphasis } = request;
    const clips: States[] = [];
    const t5s: States[] = [];
    const pooled: Float32Array[] = [];
    const cut: { warning?: string }[][] = [];
    for (const [first, second] of prompts) {
      const { states, l, g } = await clipStates(clipL, clipG, [first, second], emphasis);
      clipL.check(l.textEmbeds ?? l.pooled);
      clips.push(widened(states, width)); // [77, joint_attention_dim], or a multiple of 77
      pooled.push(joined([l.textEmbeds ?? l.pooled, g.textEmbeds ?? g.pooled]));
      cut.push([l, g]);
    }
    for (const clip of [clipL, clipG]) clip.rest();
    if (t5 && calls === 2) {
      const { encodeTogether } = await import("./several_prompts.ts");
      await encodeTogether(t5, prompts.map(([, , third]) => third), length, emphasis);
    }
    const warnings: { warning?: string }[] = [];
    for (const [i, [first, second, third]] of prompts.entries()) {
      const t = await t5?.encode(third, length, emphasis);
      if (t) t5?.check(t.last.data);
      t5s.push(t?.last ?? zeros(length, width)); // [T, joint_attention_dim]
      // What CLIP cuts off is not lost where T5 reads the same prompt.
      const apart = cut[i].filter((_, clip) => [first, second][clip] !== third);
      warnings.push(...t ? [...apart, t] : cut[i]);
    }
    t5?.rest();

    const text = uploadStates(r, clips.map((c, i) => stacked(c, t5s[i]))); // [B, 77 + T, joint_attention_dim]
    const pooledProjections = uploadVectors(r, pooled);
    const { patch_size, num_attention_heads, attention_head_dim } = transformer.config;
    const inner = num_attention_heads * attention_head_dim;
    const limit = this.context.maxActivationBytes;
    return {
      calls,
      warnings: warningsOf(warnings),
      denoiser: (_prompt, cache) => (r, latents, step, stage, tokens) => {
        using scope = r.scope();
        const [, h, w] = latents.shape;
        const count = tokens?.count ?? h * w / patch_size ** 2;
        const bytes = (count + text.rows) * inner * MLP_BYTES;
        return scope.keep(
          withGuidance(
            r,
            {
              ...{ calls, scale: request.guidance, off: step.unguided, bytes, limit, apart: text.apart },
              skip: step.skipping ? request.skipLayers?.scale : undefined,
            },
            (samples, skips) =>
              transformer.forward(r, {
                latents: repeated(r, latents, samples.length),
                encoderHiddenStates: text.of(r, samples),
                pooledProjections: samplesOf(r, pooledProjections, samples),
                timestep: samples.map(() => step.timestep),
                tokens,
                skipLayers: skips ? request.skipLayers?.layers : undefined,
                blocks: skips ? undefined : cache?.call(stage.index, stage.steps.indexOf(step), samples),
              }),
          ),
        );
      },
    };
  }

  rest(): void {
    for (const encoder of [this.clipL, this.clipG, this.t5]) encoder?.rest();
  }

  [Symbol.dispose](): void {
    for (const encoder of [this.clipL, this.clipG, this.t5]) encoder?.[Symbol.dispose]();
    this.free();
  }
}

/** SD3 takes pooled states through a projection: without it another picture comes out. Loose files may have none. */
async function checkProjections(folder: FolderSource, { components, config }: ModelIndex): Promise<void> {
  const [plain, projecting] = ["CLIPTextModel", "CLIPTextModelWithProjection"];
  for (const name of ["text_encoder", "text_encoder_2"]) {
    if (!components.has(name)) {
      throw new LssgenError(
        "bad_file",
        `"${config.name}": ${name} is missing or null, StableDiffusion3Pipeline is drawn with both of its CLIP text encoders`,
      );
    }
    const { architectures } = (await readConfig(folder, `${name}/config.json`)).json;
    if (components.get(name) !== plain || !Array.isArray(architectures) || architectures[0] !== projecting) {
      continue;
    }
    throw new LssgenError(
      "bad_file",
      `"${config.name}": ${name} is a ${plain}, its config says ${projecting}`,
    );
  }
}
