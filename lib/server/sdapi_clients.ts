/**
 * What clients of A1111's API ask before, between and after pictures.
 *
 * @module
 */

import { readPictureTexts } from "../image/picture_texts.ts";
import { readInfotext } from "../infotext.ts";
import type { ModelInfo } from "../pipelines/types.ts";
import { Fields } from "./fields.ts";
import { checkFields, type FieldTable, required } from "./known_fields.ts";
import { text } from "./shapes.ts";
import { sentBytes } from "./incoming_pictures.ts";
import { baseName } from "../base_name.ts";

/** Lists that are empty here, and answers that never change, by route below /sdapi/v1/. */
export const CONSTANT_ANSWERS: Readonly<Record<string, unknown>> = {
  "sd-vae": [],
  "sd-modules": [],
  "hypernetworks": [],
  "face-restorers": [],
  "realesrgan-models": [],
  "prompt-styles": [],
  "embeddings": { loaded: {}, skipped: {} },
  "scripts": { txt2img: [], img2img: [] },
  "script-info": [],
  "extensions": [],
  "cmd-flags": {},
  "latent-upscale-modes": [
    { name: "Latent" },
    { name: "Latent (bicubic)" },
    { name: "Latent (nearest)" },
  ],
};

/** Requests that change nothing: folders are read anew whenever they are listed, by route below /sdapi/v1/. */
export const NOTHING_TO_DO: readonly string[] = [
  "refresh-checkpoints",
  "refresh-vae",
  "refresh-loras",
  "refresh-embeddings",
];

/** What the web UI does and this server does not, by route below /sdapi/v1/, with what to do. */
export const REFUSED_ROUTES: Readonly<Record<string, string>> = {
  "interrogate": "pictures are not described here",
  "skip": "POST /sdapi/v1/interrupt ends the whole request",
  "unload-checkpoint": "models are loaded when a request names them, and dropped when another needs the room",
  "reload-checkpoint": "models are loaded when a request names them, and dropped when another needs the room",
  "server-kill": "who started it ends it, by SIGTERM",
  "server-restart": "who started it ends it, by SIGTERM",
  "server-stop": "who started it ends it, by SIGTERM",
  "create/embedding": "embeddings are not made here",
  "create/hypernetwork": "hypernetworks are not made here",
  "train/embedding": "nothing is trained here",
  "train/hypernetwork": "nothing is trained here",
};

/** Settings, those that clients read. */
export function optionsAnswer(info: ModelInfo): unknown {
  return {
    sd_model_checkpoint: baseName(info.name),
    sd_checkpoint_hash: null,
    sd_vae: "Automatic",
    CLIP_stop_at_last_layers: 1,
    samples_format: "png",
  };
}

/** LoRAs that prompts may name. */
export function lorasAnswer(names: readonly string[]): unknown {
  return names.map((name) => ({
    name: baseName(name),
    alias: name,
    path: `${name}.safetensors`,
    metadata: {},
  }));
}

/** Memory in bytes, as far as this server knows: of bodies it holds. The web UI's numbers of CUDA are not there. */
export function memoryAnswer(): unknown {
  return { ram: { error: "not measured" }, cuda: { error: "no CUDA here" } };
}

/** What png-info reads. */
export const PNG_INFO_FIELDS: FieldTable = { image: required(text(Infinity), "a picture in base64") };

/** Characters of a text that is taken apart. */
const LONGEST_INFOTEXT = 2 ** 16;

/** The texts of a picture. */
export async function pngInfoAnswer(body: unknown): Promise<unknown> {
  const f = new Fields(body, PNG_INFO_FIELDS);
  checkFields(PNG_INFO_FIELDS, { body: body as Record<string, unknown> }, "png-info");
  const image = f.text("image")!;
  const texts = await readPictureTexts(sentBytes(image, "image"), "image");
  const info = texts.get("parameters") ?? "";
  return {
    info,
    items: Object.fromEntries(texts),
    parameters: info === "" || info.length > LONGEST_INFOTEXT ? {} : parametersOf(info),
  };
}

/** A text's parts by the labels that A1111 gives them; a size's sides are apart. */
function parametersOf(info: string): unknown {
  const { prompt, negativePrompt, fields } = readInfotext(info);
  return Object.fromEntries([
    ["Prompt", prompt],
    ["Negative prompt", negativePrompt],
    ...[...fields].flatMap(([label, value]) => {
      const [, width, height] = /^(\d+)x(\d+)$/.exec(value) ?? [];
      return width === undefined ? [[label, value]] : [[`${label}-1`, width], [`${label}-2`, height]];
    }),
  ]);
}
