/**
 * Nodes that read texts, and values that stand in nodes of their own.
 *
 * @module
 */

import { type Inputs, type InputSpec, type NodeClass, type NodeClasses, refused } from "./node_class.ts";
import type { Clip, Conditioning } from "./values.ts";

const TEXT: InputSpec = { type: "STRING", multiline: true };
const CLIP: InputSpec = { type: "CLIP" };
const CONDITIONING: InputSpec = { type: "CONDITIONING" };
const SIDE: InputSpec = { type: "INT", default: 1024, min: 0, max: 16_384 };
const CROP: InputSpec = { type: "INT", default: 0, min: 0, max: 0 };
const GIVES_CONDITIONING: readonly (readonly [string, string])[] = [["CONDITIONING", "CONDITIONING"]];

/** Texts for several encoders. One that is empty reads the first one's here, so it cannot be empty alone. */
function textsOf(inputs: Inputs, names: readonly string[]): Pick<Conditioning, "clip" | "texts"> {
  const clip = inputs.value<Clip>("clip");
  const texts = names.map((name) => inputs.text(name));
  const { prompts } = clip.engine.info;
  if (prompts !== names.length) {
    throw refused(
      "clip",
      `this node has ${names.length} texts, ${clip.engine.info.pipeline} reads ${prompts}; CLIPTextEncode fits every model`,
    );
  }
  const empty = texts.findIndex((text, i) => i > 0 && text === "" && texts[0] !== "");
  if (empty > 0) {
    throw refused(names[empty], `an empty text beside "${names[0]}" means the same text here; write it out`);
  }
  return { clip, texts };
}

/** A value in a node of its own. */
function primitive(type: string, input: InputSpec = { type }): NodeClass {
  return {
    category: "utils/primitive",
    says: "A value.",
    inputs: { value: input },
    neutral: ["control_after_generate"],
    outputs: [[type, type]],
    give: (inputs) => [inputs.value("value")],
  };
}

/** See the module. */
export const TEXT_NODES: NodeClasses = {
  CLIPTextEncode: {
    category: "conditioning",
    says: "A text for all encoders; (word:1.3), BREAK and <lora:name:0.8> as in prompts elsewhere.",
    inputs: { text: TEXT, clip: CLIP },
    outputs: GIVES_CONDITIONING,
    give: (inputs) => [{ clip: inputs.value<Clip>("clip"), texts: [inputs.text("text")] }],
  },
  CLIPTextEncodeFlux: {
    category: "advanced/conditioning/flux",
    says: "FLUX: a text for CLIP, one for T5, and the guidance.",
    inputs: {
      clip: CLIP,
      clip_l: TEXT,
      t5xxl: TEXT,
      guidance: { type: "FLOAT", default: 3.5, min: 0, max: 100 },
    },
    outputs: GIVES_CONDITIONING,
    give: (inputs) => [{ ...textsOf(inputs, ["clip_l", "t5xxl"]), guidance: inputs.number("guidance") }],
  },
  CLIPTextEncodeSDXL: {
    category: "advanced/conditioning",
    says: "SDXL: a text for each CLIP. The sizes have to be the picture's.",
    inputs: {
      clip: CLIP,
      width: SIDE,
      height: SIDE,
      crop_w: CROP,
      crop_h: CROP,
      target_width: SIDE,
      target_height: SIDE,
      text_g: TEXT,
      text_l: TEXT,
    },
    outputs: GIVES_CONDITIONING,
    give(inputs) {
      const [width, height] = [inputs.number("width"), inputs.number("height")];
      for (const [name, side] of [["target_width", width], ["target_height", height]] as const) {
        if (inputs.number(name) !== side) throw refused(name, "another size than width and height say");
      }
      return [{ ...textsOf(inputs, ["text_l", "text_g"]), told: { node: inputs.node, width, height } }];
    },
  },
  CLIPTextEncodeSD3: {
    category: "advanced/conditioning",
    says: "SD3 with T5: a text for each encoder.",
    inputs: {
      clip: CLIP,
      clip_l: TEXT,
      clip_g: TEXT,
      t5xxl: TEXT,
      empty_padding: { type: ["none", "empty_prompt"] },
    },
    outputs: GIVES_CONDITIONING,
    give: (inputs) => [textsOf(inputs, ["clip_l", "clip_g", "t5xxl"])],
  },
  CLIPSetLastLayer: {
    category: "conditioning",
    says: "The layer of CLIP that is read: -1 the last, -2 the last but one.",
    inputs: { clip: CLIP, stop_at_clip_layer: { type: "INT", default: -1, min: -24, max: -1 } },
    outputs: [["CLIP", "CLIP"]],
    give(inputs) {
      const clip = inputs.value<Clip>("clip");
      const { own = 0, most = 0 } = clip.engine.info.clipLayers ?? {};
      const layer = -inputs.number("stop_at_clip_layer");
      if (layer === own) return [{ ...clip, layer: undefined }];
      if (layer >= 1 && layer > own && layer <= most) return [{ ...clip, layer }];
      throw refused(
        "stop_at_clip_layer",
        own === 0
          ? `${clip.engine.info.pipeline} reads none of CLIP's layers; leave the node out`
          : `${-layer} is not supported, ${clip.engine.info.pipeline} reads ${
            most > own ? `-${own} to -${most}` : `-${own} alone`
          }`,
      );
    },
  },
  FluxGuidance: {
    category: "advanced/conditioning/flux",
    says: "The guidance of models that take it as an input of their network.",
    inputs: { conditioning: CONDITIONING, guidance: { type: "FLOAT", default: 3.5, min: 0, max: 100 } },
    outputs: GIVES_CONDITIONING,
    give(inputs) {
      const before = inputs.value<Conditioning>("conditioning");
      const { info } = before.clip.engine;
      if (!info.embeddedGuidance) {
        throw refused("guidance", `${info.pipeline} takes no guidance as an input; leave the node out`);
      }
      return [{ ...before, guidance: inputs.number("guidance") }];
    },
  },
  ConditioningZeroOut: {
    category: "advanced/conditioning",
    says: "No negative text. Where guidance calls the network for one, only SDXL knows zeros.",
    inputs: { conditioning: CONDITIONING },
    outputs: GIVES_CONDITIONING,
    give: (inputs) => [{ ...inputs.value<Conditioning>("conditioning"), zeroed: true }],
  },
  PrimitiveInt: primitive("INT"),
  PrimitiveFloat: primitive("FLOAT"),
  PrimitiveString: primitive("STRING"),
  PrimitiveStringMultiline: primitive("STRING", TEXT),
  PrimitiveBoolean: primitive("BOOLEAN"),
  Reroute: {
    category: "utils",
    says: "What goes in.",
    inputs: { "": { type: "*" } },
    outputs: [["*", ""]],
    give: (inputs) => [inputs.value("")],
  },
};
