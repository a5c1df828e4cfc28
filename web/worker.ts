/**
 * The worker: everything that touches the GPU or much data.
 *
 * @module
 */

import { pictureFile } from "../lib/parameters/picture.ts";
import { offerOf, summaryOf } from "../lib/pipelines/offer.ts";
import { presetsFor, rulesFor } from "../lib/pipelines/few_rules.ts";
import { AbortedError, LssgenError, NoAdapterError } from "../lib/errors.ts";
import type { PictureFile } from "../lib/image/picture_file.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import type { HubFolder } from "../lib/hub/repository.ts";
import { blobSource, filesIn, folderOf, type FolderSource } from "../lib/weights/bytes.ts";
import {
  type CachedFolder,
  cachedFolder,
  forgetStored,
  type ListedFile,
  storedEntries,
  WEIGHTS_CACHE,
} from "../lib/weights/cache.ts";
import { Engine, type EngineOptions, type RunOptions } from "./engine.ts";
import type {
  FromWorker,
  HubModel,
  Job,
  ModelSummary,
  OwnFolder,
  StartFiles,
  StoredModel,
  ToWorker,
} from "./protocol.ts";

/** Set by the build: where the page's model and the list of its files lie, relative to this script. */
declare const MODEL_URL: string;
declare const MODEL_FILES_URL: string;
/** Set by the build: where the tokenizers for models without one lie. */
declare const TOKENIZERS_URL: string;

/** This side of the conversation: TypeScript has one set of globals for pages and workers. */
const scope = globalThis as unknown as {
  postMessage(message: FromWorker): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToWorker>) => void): void;
};

/** The model in use. */
interface Current {
  readonly engine: Engine;
  /** Files that are fetched before the first picture, if there are any. */
  readonly fetched?: CachedFolder;
  /** What was chosen among them. */
  readonly notes: readonly string[];
  /** Name of the user's model; undefined for the page's. */
  readonly own?: string;
  /** What the user's file is for. */
  readonly part?: string;
  /** The folder for planning: headers are read from it, and nothing is fetched as a whole. Undefined: nowhere to read them yet. */
  readonly headers?: FolderSource;
  /** The same once its files are no longer kept in this browser: reading them by `fetched` would keep them again. */
  readonly remote?: FolderSource;
  /** Names of the user's LoRAs. */
  readonly loras: readonly string[];
}

/** Steps from one preview to the next: by factors of the latents they cost next to nothing, decoded they cost more. */
const PREVIEW_EVERY = { projected: 1, decoded: 4 } as const;

let current: Current | undefined;
let running: AbortController | undefined;
/** The plan of memory that is being made: it reads headers, perhaps through the cache. */
let planning: Promise<unknown> = Promise.resolve();
/** What has been compiled on the present device, by method and size. */
const warm = new Set<string>();

// A lost device refuses whatever was waiting for it, one by one; the run that waited has begun anew by then.
addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof DOMException && current?.engine.hasLost) event.preventDefault();
});

scope.addEventListener("message", ({ data }) => {
  if (data.type === "stop") running?.abort(new AbortedError());
  else {
    answer(data).catch((error: unknown) => {
      const code = error instanceof LssgenError ? error.code : "internal";
      scope.postMessage({ type: "failed", id: data.id, code, message: messageOf(error) });
    });
  }
});

async function answer(message: Exclude<ToWorker, { type: "stop" }>): Promise<void> {
  const { id } = message;
  switch (message.type) {
    case "open": {
      // The model before stays open until the new one is.
      const next = await open(message);
      const model = await summary(next);
      current?.engine.forget();
      warm.clear();
      current = next;
      const gpu = await gpuOf(current.engine);
      scope.postMessage({ type: "opened", id, model, ...gpu });
      await tellStored();
      break;
    }
    case "plan":
      scope.postMessage({
        type: "planned",
        id,
        plan: summaryOf(await engine().plan({ ...message.request, ...await started(message.start) })),
      });
      break;
    case "run":
      running = new AbortController();
      try {
        for (const [index, job] of message.jobs.entries()) await draw(id, index, job, running.signal);
      } finally {
        running = undefined;
        await tellStored();
      }
      scope.postMessage({ type: "done", id });
      break;
    case "memory": {
      const { headers, engine } = current ?? {};
      const adapter = await engine?.device().then(({ info }) => info, () => undefined);
      const { planMemory } = await import("../lib/pipelines/memory.ts");
      const plan = headers &&
        planMemory(headers, message.request, { adapter, maxVramBytes: message.maxVramBytes });
      planning = Promise.all([planning, plan]).catch(() => {});
      const memory = await plan;
      scope.postMessage({ type: "memory", id, memory });
      break;
    }
    case "forget":
      if (current?.fetched) current = { ...current, headers: current.remote };
      await planning;
      await forgetStored(WEIGHTS_CACHE, message.under);
      await tellStored();
      scope.postMessage({ type: "done", id });
      break;
  }
}

/** Pictures to begin with that were read lately, by what is known of their files: each change of a setting asks again. */
const read = new Map<string, PictureFile>();

/** The pictures to begin with, their headers read. */
async function started({ image, mask }: StartFiles = {}): Promise<Partial<GenerateRequest>> {
  const open = async (file: File): Promise<PictureFile> => {
    const key = `${file.name} ${file.size} ${file.lastModified}`;
    let picture = read.get(key);
    if (!picture) {
      const { openPicture } = await import("../lib/image/picture_file.ts");
      picture = openPicture(new Uint8Array(await file.arrayBuffer()), { name: file.name });
      // A picture and its mask.
      if (read.size >= 2) read.delete(read.keys().next().value!);
      read.set(key, picture);
    }
    return picture;
  };
  return { ...image && { image: await open(image) }, ...mask && { mask: await open(mask) } };
}

function engine(): Engine {
  if (!current) throw new LssgenError("internal", "No model is open");
  return current.engine;
}

/** The page's model or the user's, with the user's file in it. */
/** The list is data, as shaders are: it is fetched beside the scripts. */
async function modelFiles(): Promise<readonly ListedFile[]> {
  return await (await fetch(new URL(MODEL_FILES_URL, import.meta.url))).json();
}

async function open(
  { own = {}, tunings, kernels }: Extract<ToWorker, { type: "open" }>,
): Promise<Current> {
  const onTuned: EngineOptions["onTuned"] = (tuning) => scope.postMessage({ type: "tuned", tuning });
  const lists = new Map(kernels);
  const memory: EngineOptions["kernels"] = {
    recall: (key) => lists.get(key) ?? [],
    remember: (key, list) => {
      lists.set(key, list);
      scope.postMessage({ type: "kernels", key, list });
    },
  };
  const hub = own.hub && await openHub(own.hub);
  const fetched = own.folder
    ? undefined
    : hub?.folder ?? cachedFolder(new URL(MODEL_URL, import.meta.url), await modelFiles());
  const base = fetched ?? chosen(own.folder!);
  const { folder, loras = [], part } = own.files?.length
    ? await (await import("./own_model.ts")).withFiles(
      base,
      own.files.map((blob) => ({ name: blob.name, blob })),
      {
        own: own.folder !== undefined || own.hub !== undefined,
        tokenizers: new URL(TOKENIZERS_URL, import.meta.url),
      },
    )
    : { folder: base, loras: undefined, part: undefined };
  const prepare = part === "model"
    ? undefined
    : fetched && (async ({ signal, onProgress }: RunOptions): Promise<void> => {
      if (await fetched.stored() < fetched.bytes) {
        await fetched.download({
          signal,
          onProgress: (step, steps) => onProgress?.({ phase: "download", step, steps }),
        });
        await tellStored();
      }
    });
  const named = new Map(loras.map((lora) => [tagName(lora.file.name), lora]));
  const stored = fetched && await fetched.stored().catch(() => 0) === fetched.bytes;
  const remote = !fetched || part !== undefined
    ? own.folder || part === "model" ? folder : undefined
    : hub?.folder.remote;
  return {
    engine: new Engine({
      folder,
      findLora: (name) => Promise.resolve(named.get(name)),
      prepare,
      tunings,
      onTuned,
      kernels: memory,
    }),
    fetched,
    headers: stored && part === undefined ? fetched : remote,
    remote,
    loras: [...named.keys()],
    notes: hub?.notes ?? [],
    own: [own.folder?.name, own.hub?.name, ...own.files?.map(({ name }) => name) ?? []].filter(Boolean).join(
      " + ",
    ) || undefined,
    part,
  };
}

/** A file's name as prompts can have it: `<lora:NAME:0.8>`. */
function tagName(file: string): string {
  return file.replace(/\.[^.]+$/, "").replace(/[:<>]/g, "_");
}

/** A hub's model: its listing is read, no weights. */
async function openHub(
  { name, endpoint }: HubModel,
): Promise<{ folder: HubFolder; notes: readonly string[] }> {
  const { openHubFolder } = await import("../lib/hub/repository.ts");
  const folder = await openHubFolder(name, { endpoint });
  const { selection: { single, notes }, repository } = folder;
  if (single !== undefined) {
    throw new LssgenError(
      "unsupported",
      `"${repository.name.repo}" is a single file, ${single}, and no pipeline: download it, then choose the file here`,
    );
  }
  return { folder, notes };
}

/** Files of the user's disk, read by slices. */
function chosen({ name, files }: OwnFolder): FolderSource {
  return folderOf(name, (path) => {
    const file = files.get(path);
    return Promise.resolve(file && blobSource(`${name}/${path}`, file));
  }, (path) => Promise.resolve(filesIn(files.keys(), path)));
}

async function summary({ engine, fetched, notes, part, loras }: Current): Promise<ModelSummary> {
  const info = await engine.model();
  return {
    ...offerOf(info, await rulesFor(info), await presetsFor(info)),
    bytes: fetched?.bytes ?? 0,
    stored: await fetched?.stored() ?? 0,
    room: await room(),
    notes: [...notes, ...info.warnings ?? []],
    part,
    loras,
    words: info.nouns,
    examples: info.examples?.slice(0, 12),
  };
}

/** Bytes that this browser can still store; undefined where it does not say. */
async function room(): Promise<number | undefined> {
  const { quota, usage } = await navigator.storage?.estimate?.().catch(() => undefined) ?? {};
  return quota === undefined || usage === undefined ? undefined : Math.max(0, quota - usage);
}

/** Reads 16-bit weights. Chrome had WebGPU for two years before it. */
const FLOATS = "Float16Array";

/** The GPU's name, or why there is none: a page without a GPU still explains itself and plans. */
async function gpuOf(engine: Engine): Promise<Pick<FromWorker & { type: "opened" }, "adapter" | "trouble">> {
  try {
    if (!(FLOATS in globalThis)) throw new NoAdapterError(`This browser is too old: it has no ${FLOATS}`);
    const { vendor, architecture, description, f16 } = (await engine.device()).info;
    const name = description || [vendor, architecture].filter(Boolean).join(" ") || "GPU";
    return { adapter: `${name}, ${f16 ? "16" : "32"}-bit` };
  } catch (error) {
    const code = error instanceof LssgenError ? error.code : "no_adapter";
    return { trouble: { code, message: messageOf(error) } };
  }
}

/** One picture, with a short run before it where its time is to be compared. */
async function draw(id: number, index: number, job: Job, signal: AbortSignal): Promise<void> {
  const request = { ...job.request, ...await started(job.start) };
  const { latentRgb, embeddedGuidance, scheduler } = await engine().model();
  const options: RunOptions = {
    signal,
    maxVramBytes: job.maxVramBytes,
    // Not where the time is compared: each preview waits for the GPU.
    previewEvery: job.warmUp ? undefined : PREVIEW_EVERY[latentRgb ? "projected" : "decoded"],
    onProgress: (event) => scope.postMessage({ type: "progress", id, event }),
    onRetry: () => {
      warm.clear();
      scope.postMessage({ type: "retrying", id });
    },
  };
  const began = async (request: GenerateRequest, warmUp: boolean): Promise<void> => {
    const plan = summaryOf(await engine().plan(request));
    scope.postMessage({ type: "began", id, job: index, plan, warmUp });
  };
  const key = [request.method, request.width, request.height].join(" ");
  if (job.warmUp && !warm.has(key)) {
    const short = { ...request, steps: 1 };
    await began(short, true);
    await engine().generate(short, options);
  }
  await began(request, false);
  const result = await engine().generate(request, options);
  warm.add(key);
  const [image] = result.images;
  const ms = result.timings.reduce((sum, timing) => sum + timing.ms, 0);
  const { timings } = result;
  const left = result.images.length - 1;
  const warnings = left > 0
    ? [...result.warnings, `${left} more classes were drawn and are not shown: ask for one at a time`]
    : result.warnings;
  const { width, height, parameters } = image;
  const bytes = await pictureFile(image, { model: current?.own }, { embeddedGuidance, scheduler });
  const png = new Blob([bytes], { type: "image/png" });
  scope.postMessage({
    type: "picture",
    id,
    job: index,
    picture: { png, width, height, parameters, timings, ms, warnings },
  });
}

async function tellStored(): Promise<void> {
  const models = new Map<string, StoredModel>();
  const here = new URL(MODEL_URL, import.meta.url).href;
  for (const { url, bytes } of await storedEntries().catch(() => [])) {
    // A hub's files are kept under ENDPOINT/ORG/NAME.
    const [, under, name] = url.startsWith(here)
      ? ["", here, undefined]
      : /^(https?:\/\/[^/]+\/([^/]+\/[^/]+)\/)/.exec(url) ?? [];
    if (under === undefined) continue;
    models.set(under, { under, name, bytes: (models.get(under)?.bytes ?? 0) + bytes });
  }
  const list = [...models.values()];
  scope.postMessage({ type: "stored", bytes: list.reduce((sum, { bytes }) => sum + bytes, 0), models: list });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

scope.postMessage({ type: "ready" });
