/**
 * Settings from the texts in a picture, whoever drew it: this program, A1111's web UI and those that write like it (Forge,
 * SD.Next, stable-diffusion.cpp), or ComfyUI.
 *
 * @module
 */

import { baseName } from "../base_name.ts";
import { type GraphNode, MAX_LINKS, readGraph } from "../comfyui/graph.ts";
import { comfyuiSampler, comfyuiSchedule } from "../comfyui/names.ts";
import { LssgenError } from "../errors.ts";
import { readInfotext } from "../infotext.ts";
import { parseJson, parsePythonJson } from "../json.ts";
import type { GenerateRequest } from "../pipelines/types.ts";
import { a1111Sampler, a1111Schedule } from "../schedulers/a1111_names.ts";
import type { EngineChoice } from "./engine_choice.ts";
import { PARAMETERS_KEYWORD } from "./keyword.ts";
import { loraSpec, type NamedLora, withoutLoraTags } from "./lora_tags.ts";
import { readStored } from "./stored.ts";

/** What was found. */
export interface RestoredSettings {
  /** Whose words they were. */
  readonly source: "LSSGen" | "A1111" | "ComfyUI";
  /** The request as far as it is known here. */
  readonly request: Partial<GenerateRequest>;
  /** LoRAs, which `request.prompt` does not name any more. */
  readonly loras: readonly NamedLora[];
  /** The model's name, where it is told. */
  readonly model?: string;
  /** Settings that mean nothing here, by the names they have there. */
  readonly left: readonly string[];
}

/** Longest text that is read. A ComfyUI workflow has up to a few MB. */
const MAX_TEXT = 8 << 20;

/**
 * Reads the settings in a picture's texts; the most exact ones count, ours before A1111's before ComfyUI's.
 *
 * @param texts Text chunks by keyword, from `readPictureTexts`.
 * @param file Name for messages.
 * @throws {LssgenError} `bad_file` when there are none, or those there are make no sense.
 */
export function readSettings(texts: ReadonlyMap<string, string>, file: string): RestoredSettings {
  for (const text of texts.values()) {
    if (text.length > MAX_TEXT) {
      throw new LssgenError(
        "bad_file",
        `"${file}" holds a text of ${text.length} characters, at most ${MAX_TEXT} are read`,
      );
    }
  }
  const own = texts.get(PARAMETERS_KEYWORD);
  if (own !== undefined) {
    const { request, engine } = readStored(own, file);
    const { prompt, loras } = withoutLoraTags(request.prompt ?? "");
    return {
      source: "LSSGen",
      request: { ...request, prompt },
      loras: [...loras, ...filesOf(engine)],
      model: engine.model,
      left: Object.keys(engine).filter((name) => !RESTORED.includes(name)),
    };
  }
  const a1111 = texts.get("parameters");
  if (a1111 !== undefined) return readA1111(a1111, file);
  const comfy = texts.get("prompt");
  if (comfy !== undefined) return readComfy(comfy, file);
  throw new LssgenError(
    "bad_file",
    `"${file}" says nothing of how it was drawn: no text of LSSGen, A1111 or ComfyUI is in it. Many sites strip such texts`,
  );
}

/** What of the engine of a picture of ours is told apart: its model and its LoRAs. */
const RESTORED = ["model", "loras", "loraModelDir"];

/** LoRA files of a picture of ours, `style.safetensors:0.8`, as names. */
function filesOf({ loras = [] }: EngineChoice): NamedLora[] {
  return loras.map((text) => {
    const { path, scale } = loraSpec(text);
    return { name: stem(path), scale };
  });
}

function stem(path: string): string {
  return baseName(path).replace(/\.(safetensors|gguf|pt)$/i, "");
}

// A1111.

/** Labels that say nothing about the drawing, or are read together with another. */
const NEUTRAL =
  /^(Model hash|VAE hash|Version|Lora hashes|TI hashes|Hashes|Denoising strength|RNG|Schedule type|Distilled CFG Scale|Hires upscale|Hires upscaler|User|Created Date|Module \d+|VAE|Method|Postprocess upscale by|Postprocess upscaler)$/;

/** Reads what A1111 calls infotext. */
function readA1111(text: string, file: string): RestoredSettings {
  const { prompt: before, negativePrompt: negative, fields } = readInfotext(text);
  if (fields.size === 0 && before === "") {
    throw new LssgenError("bad_file", `The "parameters" text of "${file}" is empty`);
  }
  const { prompt, loras } = withoutLoraTags(before);
  const number = (label: string): number | undefined => {
    const value = Number(fields.get(label) ?? NaN);
    return Number.isFinite(value) ? value : undefined;
  };
  const [, width, height] = /^(\d+)x(\d+)$/.exec(fields.get("Size") ?? "") ?? [];
  const named = a1111Sampler(fields.get("Sampler") ?? "");
  const schedule = a1111Schedule(fields.get("Schedule type") ?? "") ?? named?.schedule;
  const distilled = number("Distilled CFG Scale");
  const upscale = number("Hires upscale");
  const request = defined({
    prompt,
    negativePrompt: negative || undefined,
    steps: number("Steps"),
    seed: number("Seed"),
    ...distilled === undefined
      ? { guidance: number("CFG scale") }
      : { guidance: distilled, trueCfgScale: number("CFG scale") },
    width: width && Math.round(Number(width) * (upscale ?? 1)),
    height: height && Math.round(Number(height) * (upscale ?? 1)),
    ...upscale !== undefined && {
      method: "hires-fix",
      minResolution: Math.min(Number(width), Number(height)),
      initNoise: number("Denoising strength"),
    },
    method: fields.get("Method") ?? (upscale === undefined ? undefined : "hires-fix"),
    scheduler: named?.own,
    schedule: schedule?.own,
    clipSkip: (number("Clip skip") ?? 1) > 1 ? number("Clip skip") : undefined,
    strength: upscale === undefined ? number("Denoising strength") : undefined,
  });
  const read = new Set(["Steps", "Sampler", "CFG scale", "Seed", "Size", "Model", "Clip skip"]);
  return {
    source: "A1111",
    request,
    loras,
    model: fields.get("Model"),
    left: [
      ...[...fields.keys()].filter((label) => !read.has(label) && !NEUTRAL.test(label)),
      ...fields.has("Sampler") && !named ? [`Sampler ${fields.get("Sampler")}`] : [],
    ],
  };
}

// ComfyUI.

/** Reads ComfyUI's graph, from a sampler backwards. */
function readComfy(text: string, file: string): RestoredSettings {
  let graph: unknown;
  try {
    // ComfyUI writes NaN for some inputs, which JSON has not.
    graph = parseJson(`${file}, prompt`, text, { characters: MAX_TEXT, depth: 64 }, parsePythonJson);
  } catch (cause) {
    if (cause instanceof LssgenError) throw cause;
    throw new LssgenError(
      "bad_file",
      `The "prompt" text of "${file}" is no graph of ComfyUI: it is no JSON`,
      { cause },
    );
  }
  const { nodes, target } = readGraph(graph);
  /** A value that stands in the node, or in one that a link leads to. */
  const value = (node: GraphNode | undefined, ...names: string[]): unknown => {
    for (const name of names) {
      let found = node?.inputs[name];
      for (let i = 0; i < MAX_LINKS && Array.isArray(found); i++) {
        const inputs = target(found)?.inputs ?? {};
        found = inputs.value ?? inputs[name] ?? inputs.text ?? inputs.string ?? inputs.seed ?? inputs.int;
      }
      if (found !== undefined && found !== null && typeof found !== "object") return found;
    }
    return undefined;
  };
  const number = (...of: Parameters<typeof value>): number | undefined => {
    const found = value(...of);
    return typeof found === "number" && Number.isFinite(found) ? found : undefined;
  };
  const word = (...of: Parameters<typeof value>): string | undefined => {
    const found = value(...of);
    return typeof found === "string" ? found : undefined;
  };
  /** The first node on the way back from a link that has one of some inputs. */
  const upstream = (link: unknown, has: (node: GraphNode) => boolean): GraphNode | undefined => {
    const seen = new Set<GraphNode>();
    const queue = [target(link)];
    for (const node of queue) {
      if (!node || seen.has(node) || seen.size > MAX_LINKS) continue;
      seen.add(node);
      if (has(node)) return node;
      queue.push(...node.links.map(target));
    }
    return undefined;
  };
  // The last one that makes a picture out of noise comes first: a second pass begins with the first one's latents.
  const samplers = new Set(
    [...nodes.values()].filter(({ class_type }) =>
      /sampler/i.test(class_type) && !/select/i.test(class_type)
    ),
  );
  const all = [...samplers];
  const sampler =
    all.find(({ inputs }) => upstream(inputs.latent_image, (node) => samplers.has(node)) === undefined) ??
      all[0];
  if (!sampler) {
    throw new LssgenError("bad_file", `The graph of ComfyUI in "${file}" has no sampler that is known here`);
  }
  const guider = target(sampler.inputs.guider) ?? sampler;
  const steps = target(sampler.inputs.sigmas) ?? sampler;
  const positive = guider.inputs.positive ?? guider.inputs.conditioning;
  const words = (link: unknown): string | undefined => {
    const node = upstream(
      link,
      ({ inputs }) => ["text", "t5xxl", "text_g", "clip_l"].some((name) => name in inputs),
    );
    return word(node, "text", "t5xxl", "text_g", "clip_l");
  };
  const latents = upstream(sampler.inputs.latent_image, ({ inputs }) => typeof inputs.width === "number");
  const distilled = number(upstream(positive, ({ inputs }) => "guidance" in inputs), "guidance");
  const cfg = number(guider, "cfg");
  const name = word(target(sampler.inputs.sampler) ?? sampler, "sampler_name");
  const named = comfyuiSampler(name ?? "");
  const spacing = word(steps, "scheduler");
  const denoise = number(steps, "denoise");
  const loras: NamedLora[] = [];
  for (const { class_type, inputs } of nodes.values()) {
    if (!/lora/i.test(class_type) || typeof inputs.lora_name !== "string") continue;
    const { strength_model = 1 } = inputs;
    loras.push({
      name: stem(inputs.lora_name),
      scale: typeof strength_model === "number" ? strength_model : 1,
    });
  }
  const { prompt, loras: tagged } = withoutLoraTags(words(positive) ?? "");
  const model = [...nodes.values()].map((node) => word(node, "ckpt_name", "unet_name")).find((found) =>
    found !== undefined
  );
  return {
    source: "ComfyUI",
    request: defined({
      prompt,
      negativePrompt: (guider.inputs.negative && words(guider.inputs.negative)) || undefined,
      seed: number(sampler, "seed", "noise_seed") ??
        number(target(sampler.inputs.noise), "noise_seed", "seed"),
      steps: number(steps, "steps"),
      ...distilled === undefined ? { guidance: cfg } : { guidance: distilled, trueCfgScale: cfg },
      width: number(latents, "width"),
      height: number(latents, "height"),
      scheduler: named,
      schedule: comfyuiSchedule(spacing ?? ""),
      strength: denoise !== undefined && denoise < 1 ? denoise : undefined,
    }),
    loras: [...loras, ...tagged],
    model,
    left: [
      ...name !== undefined && !named ? [`sampler_name ${name}`] : [],
      ...spacing !== undefined && !comfyuiSchedule(spacing) ? [`scheduler ${spacing}`] : [],
    ],
  };
}

/** A record without what is not known. */
function defined(fields: Readonly<Record<string, unknown>>): Partial<GenerateRequest> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Partial<GenerateRequest>;
}
