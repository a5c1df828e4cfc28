/**
 * What answers look like, as JSON Schemas: what a client can rely on. Further members may come.
 *
 * @module
 */

import type { Schema } from "./shapes.ts";

const TEXT: Schema = { type: "string" };
const TEXT_OR_NULL: Schema = { type: ["string", "null"] };
const NUMBER: Schema = { type: "number" };
const WHOLE: Schema = { type: "integer" };
const FLAG: Schema = { type: "boolean" };
const TIME_OR_NULL: Schema = { type: ["string", "null"], format: "date-time" };
/** Any object. */
export const ANY_OBJECT: Schema = { type: "object" };
const BASE64: Schema = { type: "string", contentEncoding: "base64", contentMediaType: "image/png" };

/** An object that has all of these, and maybe more. */
function object(properties: Readonly<Record<string, Schema>>, ...optional: readonly string[]): Schema {
  return {
    type: "object",
    properties,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
  };
}

/** A list of these. */
export function listOf(items: Schema): Schema {
  return { type: "array", items };
}

/** A reference to one of {@linkcode ANSWERS}. */
export function ref(name: AnswerName): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

/** Names of {@linkcode ANSWERS}. */
export type AnswerName =
  | "Refusal"
  | "OpenAIError"
  | "Pictures"
  | "Images"
  | "Progress"
  | "SdModel"
  | "Sampler"
  | "Scheduler"
  | "Lora"
  | "Upscaler"
  | "Enlarged"
  | "EnlargedList"
  | "Options"
  | "PngInfo"
  | "Model"
  | "ModelList"
  | "Job"
  | "JobList"
  | "QueuedPrompt"
  | "QueueState"
  | "Queue"
  | "Uploaded"
  | "SystemStats"
  | "BadGraph";

/** Answers by name. */
export const ANSWERS: Readonly<Record<AnswerName, Schema>> = {
  Refusal: object({ error: TEXT, detail: TEXT, field: TEXT }, "field"),
  OpenAIError: object({
    error: object({ message: TEXT, type: TEXT, param: TEXT_OR_NULL, code: TEXT }),
  }),
  Pictures: {
    ...object({
      images: listOf(BASE64),
      parameters: ANY_OBJECT,
      info: { type: "string", contentMediaType: "application/json" },
    }),
    description: "`info` is JSON in a text: seeds, infotexts, warnings.",
  },
  Images: object(
    { created: WHOLE, data: listOf(object({ b64_json: BASE64 })), warnings: listOf(TEXT) },
    "warnings",
  ),
  Progress: object({
    progress: { type: "number", minimum: 0, maximum: 1 },
    eta_relative: NUMBER,
    state: object({
      interrupted: FLAG,
      job: TEXT,
      job_count: WHOLE,
      job_no: WHOLE,
      sampling_step: WHOLE,
      sampling_steps: WHOLE,
      queued: WHOLE,
    }),
    current_image: { type: ["string", "null"] },
  }),
  SdModel: object({
    title: TEXT,
    model_name: TEXT,
    filename: TEXT,
    family: TEXT_OR_NULL,
    size: { type: ["integer", "null"], description: "Bytes of its files." },
    loaded: FLAG,
  }),
  Sampler: object({ name: TEXT, aliases: listOf(TEXT), options: ANY_OBJECT }),
  Scheduler: object({ name: TEXT, label: TEXT, aliases: { type: ["array", "null"] } }),
  Lora: object({ name: TEXT, alias: TEXT, path: TEXT, metadata: ANY_OBJECT }),
  Upscaler: object({
    name: TEXT,
    model_name: TEXT_OR_NULL,
    model_path: TEXT_OR_NULL,
    model_url: TEXT_OR_NULL,
    scale: NUMBER,
  }),
  Enlarged: object({ html_info: TEXT, image: BASE64 }),
  EnlargedList: object({ html_info: TEXT, images: listOf(BASE64) }),
  Options: object({
    sd_model_checkpoint: TEXT,
    sd_vae: TEXT,
    CLIP_stop_at_last_layers: WHOLE,
    samples_format: TEXT,
  }),
  PngInfo: object({ info: TEXT, items: ANY_OBJECT, parameters: ANY_OBJECT }),
  Model: object({ id: TEXT, object: { const: "model" }, created: WHOLE, owned_by: TEXT }),
  ModelList: object({ object: { const: "list" }, data: { type: "array" } }),
  Job: {
    ...object({
      id: { type: "string", format: "uuid" },
      kind: TEXT,
      model: TEXT,
      status: { enum: ["waiting", "running", "done", "failed", "cancelled"] },
      created: { type: "string", format: "date-time" },
      started: TIME_OR_NULL,
      ended: TIME_OR_NULL,
      forgotten: TIME_OR_NULL,
      pictures: WHOLE,
      finished: WHOLE,
      progress: { type: "number", minimum: 0, maximum: 1 },
      step: WHOLE,
      steps: WHOLE,
      error: { type: ["object", "null"] },
    }),
    description:
      "`forgotten` is when the server will not know it any more, `progress` its share of the work by FLOPs.",
  },
  JobList: object({ jobs: { type: "array", items: { $ref: "#/components/schemas/Job" } } }),
  QueuedPrompt: object(
    {
      prompt_id: { type: "string", format: "uuid" },
      number: NUMBER,
      node_errors: ANY_OBJECT,
      warnings: listOf(TEXT),
    },
    "warnings",
  ),
  QueueState: object({ exec_info: object({ queue_remaining: WHOLE }) }),
  Queue: object({ queue_running: { type: "array" }, queue_pending: { type: "array" } }),
  Uploaded: object({ name: TEXT, subfolder: TEXT, type: { const: "input" } }),
  SystemStats: object({ system: ANY_OBJECT, devices: listOf(ANY_OBJECT) }),
  BadGraph: object({
    error: object({ type: TEXT, message: TEXT, details: TEXT, extra_info: ANY_OBJECT }),
    node_errors: ANY_OBJECT,
  }),
};
