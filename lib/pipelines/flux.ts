/**
 * FLUX.1-dev and FLUX.1-schnell: CLIP's pooled vector, T5's states, guidance as an input of the network.
 *
 * Source: diffusers FluxPipeline.
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import { clipTextConfig } from "../models/clip.ts";
import {
  type FluxConfig,
  fluxConfig,
  type FluxModulation,
  FluxTransformer,
  modulationRows,
} from "../models/flux.ts";
import type { FirstBlockCache } from "../models/first_block_cache.ts";
import { t5Config } from "../models/t5.ts";
import { packLatents, unpackLatents } from "../ops/pack.ts";
import { gridPlaces, spreadTokens, takeTokens } from "../ops/token_sets.ts";
import type { TokenSet } from "../token_set.ts";
import { costOf, fluxFlops } from "../scaling/flops.ts";
import type { StagePlan } from "../scaling/types.ts";
import type { Tensor } from "../tensor.ts";
import { readConfig } from "../weights/model_folder.ts";
import type { Denoiser, Encoded, Family, LoadContext, Network, PromptRequest } from "./family.ts";
import { encoderTexts, loadComponent } from "./family.ts";
import { checkChannels, checkWidth } from "./fitting_parts.ts";
import { repeated, uploadStates, uploadVectors, withGuidance } from "./guidance.ts";
import { ClipPrompts, T5Prompts, warningsOf } from "./prompts.ts";
import { vaeConfig } from "./vae.ts";

/** Bytes of the widest activation of a token, by the width of the model: an MLP of four times its width, 16 bits. */
const MLP_BYTES = 4 * 2;

/** FluxFillPipeline's. */
const FILL_GUIDANCE = 30;

/** T5 tokens: what diffusers takes for dev, and the most that schnell was trained with. */
function textLength(config: FluxConfig): number {
  return config.guidance_embeds ? 512 : 256;
}

/** FluxPipeline. */
export const flux: Family = {
  async read(folder, index) {
    const config = fluxConfig(await readConfig(folder, "transformer/config.json"));
    const vae = await vaeConfig(folder, index);
    const maskInput = await checkChannels(folder, "transformer", config.in_channels, vae, "pixels", 4);
    const t5 = t5Config(await readConfig(folder, "text_encoder_2/config.json"));
    const clip = clipTextConfig(await readConfig(folder, "text_encoder/config.json"), "CLIPTextModel");
    await checkWidth(
      folder,
      [{ of: "text_encoder_2", key: "d_model", value: t5.d_model }],
      { of: "transformer", key: "joint_attention_dim", value: config.joint_attention_dim },
    );
    await checkWidth(
      folder,
      [{ of: "text_encoder", key: "hidden_size", value: clip.hidden_size }],
      { of: "transformer", key: "pooled_projection_dim", value: config.pooled_projection_dim },
    );
    const dev = config.guidance_embeds;
    const tokenizer = await readConfig(folder, "tokenizer_2/tokenizer_config.json");
    const textTokens = Math.min(
      textLength(config),
      tokenizer.range("model_max_length", 1, Infinity, Infinity),
    );
    return {
      name: folder.name,
      pipeline: index.pipeline,
      latentChannels: vae.latent_channels,
      space: {
        vaeFactor: 2 ** (vae.block_out_channels.length - 1),
        patch: 2,
        indivisible: "round",
        sigmas: "linear",
      },
      scheduler: (await readConfig(folder, "scheduler/scheduler_config.json")).json,
      defaults: {
        width: 1024,
        height: 1024,
        steps: dev ? 50 : 4,
        guidance: maskInput ? FILL_GUIDANCE : dev ? 3.5 : 0,
        baseResolution: 1024,
        minResolution: 512,
        initNoise: 0.75,
        shortenSteps: true,
        upsampler: "learned",
        entry: "reference",
      },
      maskInput,
      // Fitted to FLUX.1's latents by SPEED, arXiv 2605.18736.
      spectrum: Math.abs(vae.scaling_factor - 0.3611) < 1e-4 ? { a: 203.615, beta: 1.9155 } : undefined,
      embeddedGuidance: true,
      cachesBlocks: true,
      tokenSets: true,
      prompts: 2,
      learnedUpsampler: index.components.has("upsampler"),
      cost: (calls) => costOf((h, w) => fluxFlops(config, h * w / 4, textTokens), calls, vae),
    };
  },

  async load(context) {
    const { model, [Symbol.dispose]: free } = await loadComponent(
      context,
      "transformer",
      (w, config) => new FluxTransformer(w, fluxConfig(config)),
    );
    return new FluxNetwork(context, model, free);
  },
};

/** Steps whose modulation is made at once: a quarter of FLUX's bytes are read for it alone, once for all of them. */
const STEPS_AHEAD = 8;

class FluxNetwork implements Network {
  private readonly clip: ClipPrompts;
  private readonly t5: T5Prompts;

  constructor(
    private readonly context: LoadContext,
    private readonly transformer: FluxTransformer,
    private readonly free: () => void,
  ) {
    this.clip = new ClipPrompts(context, "text_encoder", "tokenizer");
    this.t5 = new T5Prompts(context, "text_encoder_2", "tokenizer_2");
  }

  async encode(r: Recorder, request: PromptRequest): Promise<Encoded> {
    const { transformer } = this;
    const calls = request.trueCfgScale > 1 ? 2 : 1;
    // The negative prompt first, as everywhere here.
    const prompts = (calls === 2 ? [true, false] : [false]).map((negative) =>
      encoderTexts(request, negative)
    );
    const clipLength = (await this.clip.getTokenizer()).maxLength;
    const length = request.maxSequenceLength ??
      Math.min(textLength(transformer.config), (await this.t5.getTokenizer()).maxLength);
    const clips = [], t5s = [];
    for (const [first] of prompts) clips.push(await this.clip.encode(first, clipLength, request.emphasis));
    this.clip.check(...clips.map(({ pooled }) => pooled));
    this.clip.rest();
    if (calls === 2) {
      const { encodeTogether } = await import("./several_prompts.ts");
      await encodeTogether(this.t5, prompts.map(([, second]) => second), length, request.emphasis);
    }
    for (const [, second] of prompts) t5s.push(await this.t5.encode(second, length, request.emphasis));
    this.t5.check(...t5s.map(({ last }) => last.data));
    this.t5.rest();

    const text = uploadStates(r, t5s.map(({ last }) => last)); // [B, T, joint_attention_dim]
    const pooled = uploadVectors(r, clips.map(({ pooled }) => pooled)); // [B, pooled_projection_dim]
    const pooledProjections = repeated(r, pooled, STEPS_AHEAD * calls);
    const { num_attention_heads, attention_head_dim } = transformer.config;
    const width = num_attention_heads * attention_head_dim;
    const limit = this.context.maxActivationBytes;
    const denoiser = (_prompt?: number, cache?: FirstBlockCache): Denoiser => {
      let rope: { h: number; w: number; tokens?: TokenSet; table: Tensor } | undefined;
      let ahead: { stage: StagePlan; first: number; modulation: FluxModulation } | undefined;
      /** Of all samples in the steps from one of a stage on. */
      const modulationFrom = (r: Recorder, stage: StagePlan, first: number): FluxModulation => {
        // Beyond the last step the last once more: the tensors stay of one size, to be filled again.
        const steps = Array.from(
          { length: STEPS_AHEAD },
          (_, i) => stage.steps.at(first + i) ?? stage.steps.at(-1)!,
        );
        return transformer.modulation(r, {
          timestep: steps.flatMap(({ timestep }) => Array(calls).fill(Math.fround(timestep / 1000))),
          guidance: transformer.config.guidance_embeds
            ? Array(STEPS_AHEAD * calls).fill(request.guidance)
            : undefined,
          pooledProjections,
        }, ahead?.modulation);
      };
      return (r, latents, step, stage, tokens) => {
        const [, H, W] = latents.shape;
        const [h, w] = [H / 2, W / 2];
        const count = tokens?.count ?? h * w;
        if (rope?.h !== h || rope.w !== w || rope.tokens !== tokens) {
          const table = transformer.rope(length, tokens?.places ?? gridPlaces(h, w));
          const pairs = table.length / (length + count) / 2;
          rope = { h, w, tokens, table: r.upload([length + count, pairs, 2], table) };
        }
        const now = stage.steps.indexOf(step);
        if (ahead?.stage !== stage || now < ahead.first || now >= ahead.first + STEPS_AHEAD) {
          ahead = { stage, first: now, modulation: modulationFrom(r, stage, now) };
        }
        const { modulation, first } = ahead;
        using scope = r.scope();
        const packed = tokens ? takeTokens(r, latents, tokens) : packLatents(r, latents); // [1, count, 4C]
        const { table } = rope;
        const v = withGuidance(r, {
          calls,
          scale: request.trueCfgScale,
          off: step.unguided,
          bytes: (length + count) * width * MLP_BYTES,
          limit,
        }, (samples) =>
          transformer.forward(r, {
            hiddenStates: repeated(r, packed, samples.length),
            encoderHiddenStates: text.of(r, samples),
            modulation: modulationRows(r, modulation, (now - first) * calls + samples[0], samples.length),
            rope: table,
            blocks: cache?.call(stage.index, now, samples),
          }));
        return scope.keep(tokens ? spreadTokens(r, v, tokens, h, w, 2) : unpackLatents(r, v, h, w));
      };
    };
    // CLIP's vector sums up what fits: of a prompt that T5 reads too, only what T5 does not see is lost.
    const apart = clips.filter((_, i) => prompts[i][0] !== prompts[i][1]);
    const unknown = request.wholeWords
      ? await Promise.all(prompts.map(([, second]) => this.t5.unknownWords(second, request.emphasis)))
      : [];
    return { calls, warnings: warningsOf([...apart, ...t5s, ...unknown]), denoiser };
  }

  rest(): void {
    this.clip.rest();
    this.t5.rest();
  }

  [Symbol.dispose](): void {
    this.clip[Symbol.dispose]();
    this.t5[Symbol.dispose]();
    this.free();
  }
}
