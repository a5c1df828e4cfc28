/**
 * A job as it lies in Redis: parameters only, checked field by field when it is read. Whoever can write to Redis may have
 * written anything, so nothing in a job names a file, an address or code: pictures and LoRAs are named by the hash of their
 * bytes, models too.
 *
 * @module
 */

import { LssgenError } from "../lib/errors.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import { PRIORITIES, type Priority } from "../lib/server/policy.ts";

/** Version of the format. Jobs of another one lie in queues of their own, which this version does not look into. */
export const JOB_FORMAT = 2;

/** SHA-256 in hexadecimal. */
const HASH = /^[0-9a-f]{64}$/;
/** Characters of a text, of a word, and numbers of a list. */
const MAX_TEXT = 20_000;
const MAX_WORD = 200;
const MAX_NUMBERS = 1000;
/** Images of a job: a prompt of several classes draws one of each. */
const MAX_IMAGES = 64;
/** Stages of a picture. */
const MAX_STAGES = 64;
/** Characters of a job or result as JSON. */
export const MAX_JSON: number = 1 << 19;

/** What a job's picture is made with. */
export type JobParameters = Omit<GenerateRequest, "image" | "mask" | "count">;

type Kind = "text" | "word" | "flag" | "numbers" | readonly [min: number, max: number, whole?: "whole"];

/** Every parameter that a job can have. To add one: a row. */
const PARAMETERS: Readonly<Record<keyof JobParameters, Kind>> = {
  prompt: "text",
  prompt2: "text",
  prompt3: "text",
  negativePrompt: "text",
  negativePrompt2: "text",
  negativePrompt3: "text",
  width: [16, 16_384, "whole"],
  height: [16, 16_384, "whole"],
  steps: [1, 1000, "whole"],
  guidance: [0, 100],
  guidanceStart: [0, 1],
  guidanceEnd: [0, 1],
  skipLayers: "numbers",
  cacheMode: "word",
  preset: "word",
  cacheThreshold: [0, 1e9],
  slgScale: [0, 100],
  skipLayerStart: [0, 1],
  skipLayerEnd: [0, 1],
  trueCfgScale: [0, 100],
  seed: [0, Number.MAX_SAFE_INTEGER, "whole"],
  method: "word",
  minResolution: [16, 16_384, "whole"],
  initNoise: [0, 1],
  upsampler: "word",
  shortenSteps: "flag",
  entry: "word",
  stages: "word",
  refineSteps: [1, 1000, "whole"],
  spectralDelta: [0, 1],
  emphasis: "flag",
  clipSkip: [1, 40, "whole"],
  strength: [0, 1],
  rng: "word",
  scheduler: "word",
  schedule: "word",
  sigmas: "numbers",
};

/** A job that is not a whole picture: its first stages, or those that follow. */
export type StoredPart =
  /** The stages up to this one, which leave latents; `pixels` are those of the whole picture. */
  | { readonly until: number; readonly pixels: number }
  /** The stages after this one, from latents in the store. */
  | { readonly after: number; readonly latents: string };

/** A job in Redis. */
export interface StoredJob {
  /** {@linkcode JOB_FORMAT}. */
  readonly v: number;
  /** Hash of the model. */
  readonly model: string;
  /** What to draw. */
  readonly request: JobParameters;
  /** Pictures to begin with, by the hash of their bytes in the store. */
  readonly inputs: { readonly image?: string; readonly mask?: string };
  /** Hashes of the LoRAs that the prompts name. */
  readonly loras: Readonly<Record<string, string>>;
  /** Which of its stages; absent: all. */
  readonly part?: StoredPart;
  /** Pixels of the picture, or of the part's last stage. */
  readonly pixels: number;
  /** Whose share it takes. */
  readonly client: string;
  /** How large that is. */
  readonly priority: Priority;
  /** Previews: every so many steps, in which way. */
  readonly previews?: { readonly every: number; readonly kind: string };
  /** How many machines left it for others. */
  readonly left?: number;
}

/** A result in Redis. */
export interface StoredResult {
  /** {@linkcode JOB_FORMAT}. */
  readonly v: number;
  /** The pictures, in the store; none of a part that left latents. */
  readonly images: readonly StoredImage[];
  /** Hash of those latents, in the store. */
  readonly latents?: string;
  /** See GenerateResult. */
  readonly warnings: readonly string[];
}

/** A picture of a result. */
export interface StoredImage {
  /** Hash of its PNG. */
  readonly picture: string;
  /** Its seed. */
  readonly seed: number;
  /** What made it. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** SHA-256 in hexadecimal. */
export async function sha256(data: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The parameters of a request in a fixed order, without those that say nothing. */
export function canonical(request: Omit<GenerateRequest, "image" | "mask">): JobParameters {
  const found = request as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.keys(PARAMETERS).sort().map((key) => [key, found[key]]).filter(([, value]) => value !== undefined),
  ) as unknown as JobParameters;
}

/**
 * The name of a job: the hash of all that makes its picture, so that the same request twice is one job. Who asked, and how
 * urgently, is no part of it.
 */
export async function jobId({ v, model, request, inputs, loras, part }: StoredJob): Promise<string> {
  const sorted = Object.entries(loras).sort(([a], [b]) => a < b ? -1 : 1);
  const stages = part && ("until" in part ? [0, part.until, part.pixels] : [part.after, part.latents]);
  return await sha256(
    JSON.stringify([
      ...[v, model, canonical(request), inputs.image ?? null, inputs.mask ?? null, sorted],
      ...stages ? [stages] : [],
    ]),
  );
}

/** The job that draws the stages after a part, from the latents that it left. */
export function followUp(job: StoredJob, latents: string): StoredJob {
  const { part, left: _, ...same } = job;
  if (!part || !("until" in part)) {
    throw new LssgenError("internal", "Only first stages have a job after them");
  }
  return { ...same, part: { after: part.until, latents }, pixels: part.pixels };
}

/**
 * Reads a job.
 *
 * @param value What Redis holds.
 * @throws {LssgenError} `bad_file`, with the field at fault.
 */
export function readJob(value: unknown): StoredJob {
  const job = record(value, "job");
  if (job.v !== JOB_FORMAT) {
    throw bad(
      `"v" is ${show(job.v)}, expected ${JOB_FORMAT}: its sender has another version of this program`,
    );
  }
  const request = record(job.request, "request");
  for (const [key, field] of Object.entries(request)) {
    const kind = Object.hasOwn(PARAMETERS, key) ? PARAMETERS[key as keyof JobParameters] : undefined;
    if (kind === undefined) throw bad(`"request.${key.slice(0, 60)}" is no parameter`);
    check(`request.${key}`, field, kind);
  }
  if (typeof request.prompt !== "string") throw bad('"request.prompt" is missing');
  const inputs = record(job.inputs ?? {}, "inputs");
  for (const [key, hash] of Object.entries(inputs)) {
    if (key !== "image" && key !== "mask") throw bad(`"inputs.${key.slice(0, 60)}" is unknown`);
    checkHash(`inputs.${key}`, hash);
  }
  const loras = record(job.loras ?? {}, "loras");
  for (const [name, hash] of Object.entries(loras)) checkHash(`loras.${name.slice(0, 60)}`, hash);
  if (Object.keys(loras).length > MAX_IMAGES) throw bad('"loras" are too many');
  checkHash("model", job.model);
  check("pixels", job.pixels, [1, 2 ** 28, "whole"]);
  if (job.part !== undefined) checkPart(record(job.part, "part"));
  check("client", job.client, "word");
  check("left", job.left ?? 0, [0, 1000, "whole"]);
  if (!PRIORITIES.includes(job.priority as Priority)) throw bad(`"priority" is ${show(job.priority)}`);
  if (job.previews !== undefined) {
    const previews = record(job.previews, "previews");
    check("previews.every", previews.every, [1, 1000, "whole"]);
    if (!["proj", "auto"].includes(previews.kind as string)) {
      throw bad(`"previews.kind" is ${show(previews.kind)}`);
    }
  }
  return { ...job, request, inputs, loras } as unknown as StoredJob;
}

/**
 * Reads a result.
 *
 * @throws {LssgenError} `bad_file`, with the field at fault.
 */
export function readResult(value: unknown): StoredResult {
  const result = record(value, "result");
  if (result.v !== JOB_FORMAT) throw bad(`"v" of the result is ${show(result.v)}, expected ${JOB_FORMAT}`);
  const { latents } = result;
  if (latents !== undefined) checkHash("latents", latents);
  const least = latents === undefined ? 1 : 0;
  const most = latents === undefined ? MAX_IMAGES : 0;
  if (!Array.isArray(result.images) || result.images.length < least || result.images.length > most) {
    throw bad('"images" of the result is no list of pictures');
  }
  const images = result.images.map((image: unknown): StoredImage => {
    const { picture, seed, parameters } = record(image, "images");
    checkHash("images.picture", picture);
    check("images.seed", seed, PARAMETERS.seed);
    return {
      picture: picture as string,
      seed: seed as number,
      parameters: record(parameters, "images.parameters"),
    };
  });
  const { warnings = [] } = result;
  if (!Array.isArray(warnings) || warnings.length > MAX_IMAGES) throw bad('"warnings" is no list');
  for (const warning of warnings) check("warnings", warning, "text");
  return { v: JOB_FORMAT, images, ...latents !== undefined && { latents: latents as string }, warnings };
}

/** JSON of bounded length; undefined for what is none. */
export function parseJson(text: string | null | undefined): unknown {
  if (typeof text !== "string" || text.length > MAX_JSON) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function check(name: string, value: unknown, kind: Kind): void {
  const fits = kind === "text"
    ? typeof value === "string" && value.length <= MAX_TEXT
    : kind === "word"
    ? typeof value === "string" && value.length <= MAX_WORD
    : kind === "flag"
    ? typeof value === "boolean"
    : kind === "numbers"
    ? Array.isArray(value) && value.length <= MAX_NUMBERS && value.every((v) => Number.isFinite(v))
    : typeof value === "number" && value >= kind[0] && value <= kind[1] &&
      (kind[2] === undefined || Number.isSafeInteger(value));
  if (fits) return;
  const expected = typeof kind === "string"
    ? { text: "a text", word: "a short text", flag: "true or false", numbers: "a list of numbers" }[kind]
    : `a ${kind[2] ? "whole " : ""}number from ${kind[0]} to ${kind[1]}`;
  throw bad(`"${name}" is ${show(value)}, expected ${expected}`);
}

function checkPart(part: Record<string, unknown>): void {
  const first = "until" in part;
  for (const key of Object.keys(part)) {
    if (!(first ? ["until", "pixels"] : ["after", "latents"]).includes(key)) {
      throw bad(`"part.${key.slice(0, 60)}" is unknown`);
    }
  }
  if (first) {
    check("part.until", part.until, [1, MAX_STAGES, "whole"]);
    check("part.pixels", part.pixels, [1, 2 ** 28, "whole"]);
  } else {
    check("part.after", part.after, [1, MAX_STAGES, "whole"]);
    checkHash("part.latents", part.latents);
  }
}

function checkHash(name: string, value: unknown): void {
  if (typeof value !== "string" || !HASH.test(value)) {
    throw bad(`"${name}" is ${show(value)}, expected a SHA-256`);
  }
}

function record(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw bad(`"${name}" is ${show(value)}, expected an object`);
  }
  return value as Record<string, unknown>;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

function bad(what: string): LssgenError {
  return new LssgenError("bad_file", `The job in the queue is damaged: ${what}`);
}
