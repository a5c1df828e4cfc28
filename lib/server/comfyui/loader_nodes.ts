/**
 * Nodes that load models, their parts and LoRAs. Parts belong to models here: a graph that mixes those of several is refused.
 *
 * @module
 */

import type { Engine } from "../queue.ts";
import {
  type Inputs,
  type InputSpec,
  type NodeClasses,
  type Part,
  type PartKind,
  refused,
  type World,
} from "./node_class.ts";
import type { Clip, LoraUse, Model } from "./values.ts";

const MODEL_NAME: InputSpec = { type: ({ models }) => models };
const STRENGTH: InputSpec = { type: "FLOAT", default: 1, min: -100, max: 100 };
const LORA_NAME: InputSpec = { type: ({ loras }) => loras };
const DEVICE: InputSpec = { type: ["default"], optional: true };

function clipName(...kinds: readonly PartKind[]): InputSpec {
  return { type: ({ parts }) => parts.filter(({ kind }) => kinds.includes(kind)).map(({ name }) => name) };
}

const ANY_CLIP = clipName("clip_l", "clip_g", "clip_h", "t5xxl");

async function engineOf(input: string, name: string, world: World): Promise<Engine> {
  const engine = await world.engine(name);
  if (!engine) throw refused(input, `there is no model "${name}" any more`);
  return engine;
}

/** Text encoders by the names of parts: all that one model has. */
async function clipOf(inputs: Inputs, names: readonly string[], world: World): Promise<Clip> {
  const { parts } = world.lists;
  const wanted = names.map((name) => inputs.text(name));
  const partsOf = (name: string): readonly Part[] => parts.filter((part) => part.name === name);
  // One file can be part of several models.
  const models = partsOf(wanted[0]).map(({ model }) => model)
    .filter((model) => wanted.every((name) => partsOf(name).some((part) => part.model === model)));
  for (const model of models) {
    const own = parts.filter((part) => part.model === model && part.kind !== "vae").map(({ kind }) => kind);
    const given = wanted.map((name) => partsOf(name).find((part) => part.model === model)!.kind);
    if (own.length === given.length && own.every((kind) => given.includes(kind))) {
      return { engine: await engineOf(names[0], model, world), loras: [] };
    }
  }
  throw refused(
    names[0],
    models.length === 0
      ? "these text encoders are of different models; a model draws with all of its own here"
      : `"${models[0]}" draws with ${
        parts.filter(({ model, kind }) => model === models[0] && kind !== "vae").map(({ name }) =>
          `"${name}"`
        )
          .join(", ")
      }, all of them together`,
  );
}

function withLora({ loras }: Model, use: LoraUse): readonly LoraUse[] {
  return use.scale === 0 ? loras : [...loras, use];
}

function loraOf(inputs: Inputs, strength: string): LoraUse {
  return { name: inputs.text("lora_name").replace(/\.safetensors$/, ""), scale: inputs.number(strength) };
}

/** See the module. */
export const LOADER_NODES: NodeClasses = {
  CheckpointLoaderSimple: {
    category: "loaders",
    says: "A model with its text encoders and its autoencoder.",
    inputs: { ckpt_name: MODEL_NAME },
    outputs: [["MODEL", "MODEL"], ["CLIP", "CLIP"], ["VAE", "VAE"]],
    async give(inputs, world) {
      const engine = await engineOf("ckpt_name", inputs.text("ckpt_name"), world);
      return [{ engine, loras: [] }, { engine, loras: [] }, { engine }];
    },
  },
  UNETLoader: {
    category: "loaders",
    says: "A model's denoiser. The type of its weights is the server's to choose (--type).",
    inputs: { unet_name: MODEL_NAME, weight_dtype: { type: ["default"] } },
    outputs: [["MODEL", "MODEL"]],
    give: async (inputs, world) => [
      { engine: await engineOf("unet_name", inputs.text("unet_name"), world), loras: [] },
    ],
  },
  UnetLoaderGGUF: {
    category: "loaders",
    says: "A model's denoiser.",
    inputs: { unet_name: MODEL_NAME },
    outputs: [["MODEL", "MODEL"]],
    give: async (inputs, world) => [
      { engine: await engineOf("unet_name", inputs.text("unet_name"), world), loras: [] },
    ],
  },
  CLIPLoader: {
    category: "loaders",
    says: "The text encoder of a model that has one.",
    inputs: { clip_name: ANY_CLIP, type: { type: ["stable_diffusion"] }, device: DEVICE },
    outputs: [["CLIP", "CLIP"]],
    give: async (inputs, world) => [await clipOf(inputs, ["clip_name"], world)],
  },
  DualCLIPLoader: {
    category: "loaders",
    says: "The text encoders of a model that has two.",
    inputs: {
      clip_name1: ANY_CLIP,
      clip_name2: ANY_CLIP,
      type: { type: ["sdxl", "sd3", "flux"] },
      device: DEVICE,
    },
    outputs: [["CLIP", "CLIP"]],
    give: async (inputs, world) => [await clipOf(inputs, ["clip_name1", "clip_name2"], world)],
  },
  TripleCLIPLoader: {
    category: "loaders",
    says: "The text encoders of a model that has three.",
    inputs: { clip_name1: ANY_CLIP, clip_name2: ANY_CLIP, clip_name3: ANY_CLIP },
    outputs: [["CLIP", "CLIP"]],
    give: async (inputs, world) => [
      await clipOf(inputs, ["clip_name1", "clip_name2", "clip_name3"], world),
    ],
  },
  VAELoader: {
    category: "loaders",
    says: "The autoencoder of a model.",
    inputs: { vae_name: clipName("vae") },
    outputs: [["VAE", "VAE"]],
    async give(inputs, world) {
      const name = inputs.text("vae_name");
      const { model } = world.lists.parts.find((part) => part.kind === "vae" && part.name === name)!;
      return [{ engine: await engineOf("vae_name", model, world) }];
    },
  },
  LoraLoader: {
    category: "loaders",
    says: "A LoRA on the denoiser and on the text encoders.",
    inputs: {
      model: { type: "MODEL" },
      clip: { type: "CLIP" },
      lora_name: LORA_NAME,
      strength_model: STRENGTH,
      strength_clip: STRENGTH,
    },
    outputs: [["MODEL", "MODEL"], ["CLIP", "CLIP"]],
    give(inputs) {
      const [model, clip] = [inputs.value<Model>("model"), inputs.value<Clip>("clip")];
      return [
        { ...model, loras: withLora(model, loraOf(inputs, "strength_model")) },
        { ...clip, loras: withLora(clip, loraOf(inputs, "strength_clip")) },
      ];
    },
  },
  LoraLoaderModelOnly: {
    category: "loaders",
    says: "A LoRA on the denoiser alone.",
    inputs: { model: { type: "MODEL" }, lora_name: LORA_NAME, strength_model: STRENGTH },
    outputs: [["MODEL", "MODEL"]],
    give(inputs) {
      const model = inputs.value<Model>("model");
      return [{ ...model, loras: withLora(model, loraOf(inputs, "strength_model")) }];
    },
  },
  UpscaleModelLoader: {
    category: "loaders",
    says: "A network that enlarges pictures (serve --upscale-model-dir).",
    inputs: { model_name: { type: ({ upscalers }) => upscalers.map(({ name }) => name) } },
    outputs: [["UPSCALE_MODEL", "UPSCALE_MODEL"]],
    give: (inputs, { lists }) => [lists.upscalers.find(({ name }) => name === inputs.text("model_name"))],
  },
};
