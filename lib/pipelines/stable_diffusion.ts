/**
 * Stable Diffusion 1.5 and SDXL: a UNet with cross-attention to CLIP's states, classifier-free guidance.
 *
 * Source: diffusers StableDiffusionPipeline, StableDiffusionXLPipeline, LatentConsistencyModelPipeline.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { clipTextConfig } from "../models/clip.ts";
import { Unet, type UnetConfig, unetConfig } from "../models/unet.ts";
import { timestepProjection } from "../ops/embedding.ts";
import { costOf } from "../scaling/flops.ts";
import { unetFlops } from "../scaling/flops_unet.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { type ModelIndex, readConfig } from "../weights/model_folder.ts";
import type { Encoded, Family, LoadContext, Network, PromptRequest } from "./family.ts";
import { encoderTexts, loadComponent } from "./family.ts";
import { checkChannels, checkWidth } from "./fitting_parts.ts";
import { repeated, samplesOf, uploadStates, uploadVectors, withGuidance } from "./guidance.ts";
import { clipStates } from "./clip_pair.ts";
import { ClipPrompts, warningsOf } from "./prompts.ts";
import { type States, zeros } from "./text_states.ts";
import { vaeConfig } from "./vae.ts";

const CLIP_LENGTH = 77;
/** Bytes of the widest activation a latent pixel: the gated MLP of 640 channels at half the size, 8 · 640 / 4 of 16 bits. */
const GEGLU_BYTES = 2560;

/** What differs between the two. */
interface Kind {
  /** Side of the pictures it was trained on. */
  readonly side: number;
  /** First stage. */
  readonly minResolution: number;
  /** Guidance scale. */
  readonly guidance: number;
  /** Two encoders, pooled text and sizes as further conditioning. */
  readonly xl: boolean;
}

/** StableDiffusionPipeline. */
export const stableDiffusion: Family = family({ side: 512, minResolution: 256, guidance: 7.5, xl: false });

/** StableDiffusionXLPipeline. */
export const stableDiffusionXl: Family = family({ side: 1024, minResolution: 512, guidance: 5, xl: true });

/**
 * The scheduler's config as StableDiffusionPipeline has it, which mends old ones: training steps are counted from 1, and samples
 * are latents, which nothing clips. StableDiffusionXLPipeline takes it as it is.
 */
function schedulerOf(
  stored: Readonly<Record<string, unknown>>,
  { xl }: Kind,
): Readonly<Record<string, unknown>> {
  if (xl) return stored;
  const { steps_offset: offset = 0, clip_sample: clips = true } = stored;
  return {
    ...stored,
    // What is no number of steps is left for the scheduler to refuse.
    ...Number.isInteger(offset) && (offset as number) >= 0 && { steps_offset: 1 },
    ...clips === true && { clip_sample: false },
  };
}

function family(kind: Kind): Family {
  return {
    async read(folder, index) {
      const config = unetConfig(await readConfig(folder, "unet/config.json"));
      const vae = await vaeConfig(folder, index, false);
      const maskInput = await checkChannels(folder, "unet", config.in_channels, vae, "latents");
      const layers = await checkText(folder, index, config);
      const distilled = config.time_cond_proj_dim > 0; // latent consistency
      return {
        name: folder.name,
        pipeline: index.pipeline,
        latentChannels: vae.latent_channels,
        space: {
          vaeFactor: 2 ** (vae.block_out_channels.length - 1),
          patch: 1,
          indivisible: "refuse",
          sigmas: "scheduler",
        },
        scheduler: schedulerOf((await readConfig(folder, "scheduler/scheduler_config.json")).json, kind),
        defaults: {
          width: kind.side,
          height: kind.side,
          steps: distilled ? 4 : 50,
          guidance: distilled ? 8.5 : kind.guidance,
          baseResolution: kind.side,
          minResolution: kind.minResolution,
          initNoise: 0.75,
          shortenSteps: false,
          upsampler: "learned",
          entry: "reference",
        },
        maskInput,
        embeddedGuidance: distilled,
        prompts: textEncoders(index).length,
        clipLayers: kind.xl
          ? { own: 2, most: 2 }
          : { own: ownLayer(layers), most: layers + ownLayer(layers) - 1 },
        learnedUpsampler: index.components.has("upsampler"),
        cost: (calls) => costOf((h, w) => unetFlops(config, h, w, CLIP_LENGTH), calls, vae),
      };
    },

    async load(context) {
      const { model, [Symbol.dispose]: free } = await loadComponent(
        context,
        "unet",
        (w, config) => new Unet(w, unetConfig(config)),
      );
      return new UnetNetwork(context, kind, model, free);
    },
  };
}

/** The text encoders of a model: SDXL's refiner has the second alone. */
function textEncoders({ components }: ModelIndex): string[] {
  return ["text_encoder", "text_encoder_2"].filter((name) => components.has(name));
}

/** Layers that a config of SD2's text encoder has: it ends before the last of OpenCLIP's 24. */
const SD2_LAYERS = 23;

/** SD1.5's and SD2's layer of CLIP, counted from the end of the encoder as it was trained. */
function ownLayer(layers: number): number {
  return layers === SD2_LAYERS ? 2 : 1;
}

/**
 * Refuses text encoders of another model: their widths are those of the UNet's inputs.
 *
 * @returns Layers of the first.
 */
async function checkText(folder: FolderSource, index: ModelIndex, config: UnetConfig): Promise<number> {
  const encoders = [];
  for (const name of textEncoders(index)) {
    const kind = index.components.get(name)!;
    encoders.push({ name, config: clipTextConfig(await readConfig(folder, `${name}/config.json`), kind) });
  }
  if (encoders.length === 0) {
    throw new LssgenError(
      "bad_file",
      `"${index.config.name}": text_encoder is missing or null, ${index.pipeline} needs one to read prompts with`,
    );
  }
  await checkWidth(
    folder,
    encoders.map(({ name, config }) => ({ of: name, key: "hidden_size", value: config.hidden_size })),
    { of: "unet", key: "cross_attention_dim", value: config.cross_attention_dim },
  );
  const layers = encoders[0]?.config.num_hidden_layers ?? 1;
  const last = encoders.at(-1);
  if (config.addition_embed_type !== "text_time" || !last) return layers;
  const numbers = index.config.bool("requires_aesthetics_score", false) ? 5 : 6;
  const sizes = numbers * config.addition_time_embed_dim;
  await checkWidth(
    folder,
    [{ of: last.name, key: "projection_dim", value: last.config.projection_dim ?? last.config.hidden_size }],
    {
      of: "unet",
      key: `projection_class_embeddings_input_dim without ${numbers} sizes`,
      value: config.projection_class_embeddings_input_dim - sizes,
    },
  );
  return layers;
}

/** What the refiner takes for a good picture and for a bad one. Source: diffusers StableDiffusionXLImg2ImgPipeline. */
const AESTHETIC_SCORES = { positive: 6, negative: 2.5 };

/** w − 1 in thousands, as the network was distilled. Source: Luo et al., arXiv 2310.04378, and diffusers' pipelines. */
function guidanceSinusoid(w: number, dim: number): Float32Array<ArrayBuffer> {
  return timestepProjection([(w - 1) * 1000], dim, { flipSinToCos: false, downscaleFreqShift: 1 });
}

/** Text conditioning of one sample. */
interface TextCondition {
  readonly states: States;
  readonly textEmbeds?: Float32Array;
  /** What was cut off, by encoder. */
  readonly warned: readonly { readonly warning?: string }[];
}

class UnetNetwork implements Network {
  private readonly encoders: ClipPrompts[];
  private readonly zeroEmpty: boolean;
  private readonly scored: boolean;

  constructor(
    private readonly context: LoadContext,
    private readonly kind: Kind,
    private readonly unet: Unet,
    private readonly free: () => void,
  ) {
    this.encoders = textEncoders(context.index).map((name) =>
      new ClipPrompts(context, name, name.replace("text_encoder", "tokenizer"))
    );
    this.scored = context.index.config.bool("requires_aesthetics_score", false);
    this.zeroEmpty = kind.xl && context.index.config.bool("force_zeros_for_empty_prompt", true);
  }

  async encode(r: Recorder, request: PromptRequest): Promise<Encoded> {
    const { unet, zeroEmpty, kind } = this;
    const { time_cond_proj_dim } = unet.config;
    // Latent consistency models take the guidance scale as an input: one call a step.
    const scale = time_cond_proj_dim > 0 ? request.trueCfgScale : request.guidance;
    const calls = scale > 1 ? 2 : 1;
    const { emphasis, clipSkip } = request;
    const positive = await this.condition(encoderTexts(request, false), emphasis, clipSkip);
    const conditions = [positive];
    if (calls === 2) {
      const { rows, width } = positive.states;
      // SDXL: no negative prompt at all is zeros, an empty one is encoded.
      conditions.unshift(
        (request.negativePrompt ?? request.negativePrompt2) === undefined && zeroEmpty
          ? {
            states: zeros(rows, width),
            textEmbeds: positive.textEmbeds && new Float32Array(positive.textEmbeds.length),
            warned: [],
          }
          : await this.condition(encoderTexts(request, true), emphasis, clipSkip),
      );
    }
    this.rest();

    // [B, 77, cross_attention_dim], or a multiple of 77
    const text = uploadStates(r, conditions.map(({ states }) => states));
    const timestepCond = time_cond_proj_dim > 0
      ? r.upload([1, time_cond_proj_dim], guidanceSinusoid(request.guidance, time_cond_proj_dim))
      : undefined;
    const limit = this.context.maxActivationBytes;
    const textEmbeds = kind.xl ? uploadVectors(r, conditions.map((c) => c.textEmbeds!)) : undefined;
    return {
      calls,
      warnings: warningsOf(conditions.flatMap(({ warned }) => warned)),
      denoiser: () => (r, latents, step, stage) => {
        // Original size, crop, target size: those of the stage, or a small stage draws a cut-out of a large picture.
        const size = [stage.height, stage.width, 0, 0];
        const { positive, negative } = AESTHETIC_SCORES;
        const idsOf = (sample: number): number[] =>
          this.scored
            ? [...size, calls === 2 && sample === 0 ? negative : positive]
            : [...size, stage.height, stage.width];
        const [, h, w] = latents.shape;
        const guidance = {
          calls,
          scale,
          off: step.unguided,
          bytes: h * w * GEGLU_BYTES,
          limit,
          apart: text.apart,
        };
        return withGuidance(r, guidance, (samples) =>
          unet.forward(r, {
            sample: repeated(r, latents, samples.length),
            timestep: samples.map(() => step.timestep),
            encoderHiddenStates: text.of(r, samples),
            textEmbeds: textEmbeds && samplesOf(r, textEmbeds, samples),
            timeIds: kind.xl ? samples.map(idsOf) : undefined,
            timestepCond: timestepCond && repeated(r, timestepCond, samples.length),
          }));
      },
    };
  }

  rest(): void {
    for (const encoder of this.encoders) encoder.rest();
  }

  private async condition(
    [first, second]: readonly [string, string, ...string[]],
    emphasis?: boolean,
    clipSkip?: number,
  ): Promise<TextCondition> {
    const [clipL, clipG] = this.encoders;
    if (!clipG && this.kind.xl) {
      // The refiner's only encoder reads the first prompt.
      const states = await clipL.encode(first, (await clipL.getTokenizer()).maxLength, emphasis);
      return { states: states.penultimate, textEmbeds: states.textEmbeds, warned: [states] };
    }
    if (!clipG) {
      const { maxLength } = await clipL.getTokenizer();
      const skipped = clipSkip === undefined ? 0 : clipSkip - ownLayer(await clipL.layers());
      const states = await clipL.encode(first, maxLength, emphasis, skipped);
      clipL.check(states.last.data);
      return { states: states.last, warned: [states] };
    }
    const { states, l, g } = await clipStates(clipL, clipG, [first, second], emphasis);
    return { states, textEmbeds: g.textEmbeds, warned: [l, g] };
  }

  [Symbol.dispose](): void {
    for (const encoder of this.encoders) encoder[Symbol.dispose]();
    this.free();
  }
}
