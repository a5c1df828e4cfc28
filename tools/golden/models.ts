/**
 * Handlers of the network classes: load the case's checkpoint, run each call, return its outputs.
 *
 * @module
 */

import { LssgenError } from "../../lib/errors.ts";
import { Recorder } from "../../lib/gpu/recorder.ts";
import { AutoencoderKl, autoencoderKlConfig } from "../../lib/models/autoencoder_kl.ts";
import { AutoencoderTiny, autoencoderTinyConfig } from "../../lib/models/autoencoder_tiny.ts";
import { clipTextConfig, ClipTextModel } from "../../lib/models/clip.ts";
import { ditConfig, DitTransformer } from "../../lib/models/dit.ts";
import { fluxConfig, FluxTransformer } from "../../lib/models/flux.ts";
import { LatentUpsampler, latentUpsamplerConfig } from "../../lib/models/latent_upsampler.ts";
import { pixartConfig, PixartTransformer } from "../../lib/models/pixart.ts";
import { ResidualUpsampler, residualUpsamplerConfig } from "../../lib/models/residual_upsampler.ts";
import { sd3Config, Sd3Transformer } from "../../lib/models/sd3.ts";
import { t5Config, T5Encoder } from "../../lib/models/t5.ts";
import { Unet, unetConfig } from "../../lib/models/unet.ts";
import { Weights } from "../../lib/models/weights.ts";
import { WeightStore } from "../../lib/residency/store.ts";
import { ropeTable } from "../../lib/ops/embedding.ts";
import { openCheckpoint, openCheckpointFile } from "../../lib/weights/checkpoint.ts";
import { type ConfigReader, readConfig } from "../../lib/weights/model_folder.ts";
import type { Answer, Call, CaseContext, Handler, Tensors, Values } from "./case.ts";
import { down, downImage, numbers, up, upActivation, upImage } from "./tensors.ts";

type Outputs = Record<string, Values>;

/** A network: how it is built from weights and config, and how a call of the reference maps to it. */
interface Network<M> {
  build(w: Weights, config: ConfigReader, classes: string): M;
  call(r: Recorder, model: M, io: Tensors, call: Call): Promise<Outputs>;
}

/** Loads the network of a case once and runs its calls. */
function network<M>(n: Network<M>): Handler {
  return async (c: CaseContext): Promise<Answer> => {
    const device = await c.device();
    const file = c.json.file as string | undefined;
    const config = await readConfig(c.folder, "config.json");
    // A single file with original names or quantised tensors, or a folder as save_pretrained writes it.
    const source = file ? await openCheckpointFile(c.folder, file) : await openCheckpoint(c.folder, "");
    using store = new WeightStore(source, device, { dtype: c.dtype });
    const model = n.build(new Weights(store), config, c.json.class);
    await store.load();
    const outputs = new Map<string, Map<string, Values>>();
    for (const call of c.json.calls ?? []) {
      const io = c.io.get(call.io!);
      if (!io) throw new LssgenError("bad_file", `"${c.path}": ${call.io} is missing`);
      using r = new Recorder(device, c.dtype);
      outputs.set(call.io!, new Map(Object.entries(await n.call(r, model, io, call))));
    }
    return { outputs };
  };
}

const flux = network<FluxTransformer>({
  build: (w, config) => new FluxTransformer(w, fluxConfig(config)),
  async call(r, model, io) {
    // [n, 3], or the older [B, n, 3], equal for all samples.
    const rows = (v: Values) => {
      const [n] = v.shape.slice(-2);
      return Array.from({ length: n }, (_, i) => numbers(v).slice(3 * i, 3 * i + 3));
    };
    const ids = [...rows(get(io, "in.txt_ids")), ...rows(get(io, "in.img_ids"))];
    const table = ropeTable(ids, model.config.axes_dims_rope, 10000);
    const guidance = io.get("in.guidance");
    const out = model.forward(r, {
      hiddenStates: up(r, get(io, "in.hidden_states")),
      encoderHiddenStates: upActivation(r, get(io, "in.encoder_hidden_states")),
      modulation: model.modulation(r, {
        pooledProjections: up(r, get(io, "in.pooled_projections")),
        timestep: numbers(get(io, "in.timestep")),
        guidance: guidance && numbers(guidance),
      }),
      rope: r.upload([ids.length, table.length / ids.length / 2, 2], table),
    });
    return { "out.sample": await down(r, out) };
  },
});

const sd3 = network<Sd3Transformer>({
  build: (w, config) => new Sd3Transformer(w, sd3Config(config)),
  async call(r, model, io, call) {
    const out = model.forward(r, {
      latents: upImage(r, get(io, "in.hidden_states")),
      encoderHiddenStates: upActivation(r, get(io, "in.encoder_hidden_states")),
      pooledProjections: up(r, get(io, "in.pooled_projections")),
      timestep: numbers(get(io, "in.timestep")),
      skipLayers: call.kwargs?.skip_layers as number[] | undefined,
    });
    return { "out.sample": await downImage(r, out) };
  },
});

const dit = network<DitTransformer>({
  build: (w, config) => new DitTransformer(w, ditConfig(config)),
  async call(r, model, io) {
    const out = model.forward(r, {
      latents: upImage(r, get(io, "in.hidden_states")),
      timestep: numbers(get(io, "in.timestep")),
      classLabels: numbers(get(io, "in.class_labels")),
    });
    return { "out.sample": await downImage(r, out) };
  },
});

const unet = network<Unet>({
  build: (w, config) => new Unet(w, unetConfig(config)),
  async call(r, model, io) {
    const sample = get(io, "in.sample");
    const B = sample.shape[0];
    const text = io.get("in.added_cond_kwargs.text_embeds");
    const guidance = io.get("in.timestep_cond");
    const out = model.forward(r, {
      sample: upImage(r, sample),
      timestep: perSample(get(io, "in.timestep"), B),
      encoderHiddenStates: upActivation(r, get(io, "in.encoder_hidden_states")),
      textEmbeds: text && up(r, text),
      timeIds: rowsOf(io.get("in.added_cond_kwargs.time_ids"), B),
      classLabels: rowsOf(io.get("in.class_labels"), B),
      timestepCond: guidance && up(r, guidance),
    });
    return { "out.sample": await downImage(r, out) };
  },
});

const autoencoderKl = network<AutoencoderKl>({
  build: (w, config) => new AutoencoderKl(w, autoencoderKlConfig(config)),
  async call(r, model, io, call): Promise<Outputs> {
    if (call.kwargs?.op === "decode") {
      const z = io.get("in.z") ?? io.get("in.sample") ?? get(io, "in.latents");
      return { "out.sample": await downImage(r, model.decode(r, upImage(r, z))) };
    }
    const moments = await downImage(r, model.encode(r, upImage(r, get(io, "in.sample"))));
    const [B, C2, H, W] = moments.shape;
    const C = C2 / 2;
    const shape = [B, C, H, W];
    const half = (which: number) =>
      Float32Array.from({ length: B * C * H * W }, (_, i) => {
        const b = Math.floor(i / (C * H * W));
        return moments.data[(b * 2 + which) * C * H * W + i - b * C * H * W];
      });
    const mean = half(0);
    const logvar = half(1).map((v) => Math.min(20, Math.max(-30, v)));
    return {
      "out.mean": { shape, data: mean },
      "out.mode": { shape, data: mean },
      "out.logvar": { shape, data: logvar },
      "out.std": { shape, data: logvar.map((v) => Math.exp(0.5 * v)) },
    };
  },
});

const autoencoderTiny = network<AutoencoderTiny>({
  build: (w, config) => new AutoencoderTiny(w, autoencoderTinyConfig(config)),
  async call(r, model, io, call): Promise<Outputs> {
    if (call.kwargs?.op === "decode") {
      return { "out.sample": await downImage(r, model.decode(r, upImage(r, get(io, "in.z")))) };
    }
    return { "out.latents": await downImage(r, model.encode(r, upImage(r, get(io, "in.sample")))) };
  },
});

const pixart = network<PixartTransformer>({
  build: (w, config) => new PixartTransformer(w, pixartConfig(config)),
  async call(r, model, io) {
    const mask = io.get("in.encoder_attention_mask");
    const latents = get(io, "in.hidden_states");
    const ratio = io.get("in.added_cond_kwargs.aspect_ratio");
    const out = model.forward(r, {
      latents: upImage(r, latents),
      resolution: rowsOf(io.get("in.added_cond_kwargs.resolution"), latents.shape[0]),
      aspectRatio: ratio && numbers(ratio),
      encoderHiddenStates: upActivation(r, get(io, "in.encoder_hidden_states")),
      encoderMask: mask && up(r, mask),
      timestep: numbers(get(io, "in.timestep")),
    });
    return { "out.sample": await downImage(r, out) };
  },
});

const upsampler = network<LatentUpsampler>({
  build: (w, config) => new LatentUpsampler(w, latentUpsamplerConfig(config)),
  async call(r, model, io) {
    return { "out.sample": await downImage(r, model.forward(r, upImage(r, get(io, "in.latent")))) };
  },
});

const residualUpsampler = network<ResidualUpsampler>({
  build: (w, config) => new ResidualUpsampler(w, residualUpsamplerConfig(config)),
  async call(r, model, io, { kwargs }) {
    const level = kwargs?.level as number;
    return { "out.sample": await downImage(r, model.forward(r, upImage(r, get(io, "in.latent")), level)) };
  },
});

const clip = network<ClipTextModel>({
  build: (w, config, name) => new ClipTextModel(w, clipTextConfig(config, name)),
  async call(r, model, io) {
    const ids = get(io, "in.input_ids");
    const [B, N] = ids.shape;
    const mask = io.get("in.attention_mask");
    const out = model.forward(r, Int32Array.from(ids.data), B, N, mask && Float32Array.from(mask.data));
    const D = model.config.hidden_size;
    const states = out.hiddenStates;
    const result: Outputs = {
      "out.last_hidden_state": await down(r, out.lastHiddenState, [B, N, D]),
      "out.pooler_output": await down(r, out.pooled, [B, D]),
    };
    for (const name of io.keys()) {
      const back = /^out\.hidden_states_m(\d+)$/.exec(name)?.[1]; // counted from the end
      if (back) result[name] = await down(r, states[states.length - Number(back)], [B, N, D]);
    }
    if (out.textEmbeds) result["out.text_embeds"] = await down(r, out.textEmbeds);
    return result;
  },
});

const t5 = network<T5Encoder>({
  build: (w, config) => new T5Encoder(w, t5Config(config)),
  async call(r, model, io) {
    const ids = get(io, "in.input_ids");
    const mask = io.get("in.attention_mask");
    const [B, N] = ids.shape;
    const out = model.forward(r, Int32Array.from(ids.data), B, N, mask && Float32Array.from(mask.data));
    return { "out.last_hidden_state": await down(r, out, [B, N, model.config.d_model]) };
  },
});

/** Class of case.json → handler. */
export const MODEL_HANDLERS: Readonly<Record<string, Handler>> = {
  FluxTransformer2DModel: flux,
  SD3Transformer2DModel: sd3,
  DiTTransformer2DModel: dit,
  UNet2DConditionModel: unet,
  AutoencoderKL: autoencoderKl,
  AutoencoderTiny: autoencoderTiny,
  PixArtTransformer2DModel: pixart,
  LatentUpSampler: upsampler,
  LatentResidualUpSampler: residualUpsampler,
  CLIPTextModel: clip,
  CLIPTextModelWithProjection: clip,
  T5EncoderModel: t5,
};

/** A number for each of B samples, given once or for each. */
function perSample(v: Values, B: number): number[] {
  const values = numbers(v);
  return values.length === B ? values : Array(B).fill(values[0]);
}

/** The numbers of each of B samples. */
function rowsOf(v: Values | undefined, B: number): number[][] | undefined {
  if (!v) return undefined;
  const values = numbers(v);
  const n = values.length / B;
  return Array.from({ length: B }, (_, b) => values.slice(n * b, n * (b + 1)));
}

function get(io: Tensors, name: string): Values {
  const v = io.get(name);
  if (!v) throw new LssgenError("bad_file", `The case lacks the tensor "${name}"`);
  return v;
}
