/**
 * `serve`: the page, and A1111's, OpenAI's and ComfyUI's APIs.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { type DeviceInfo, openDevice } from "../gpu/device.ts";
import { encodePng } from "../image/png.ts";
import { planMemory } from "../pipelines/memory.ts";
import { embeddedFolder } from "../pipelines/embedded_model.ts";
import { type Pipeline, planPicture, readModelInfo } from "../pipelines/text_to_image.ts";
import type { ModelInfo } from "../pipelines/types.ts";
import { baseName } from "../base_name.ts";
import type { PartFiles } from "../server/comfyui/object_info.ts";
import { isLocalName } from "../server/guard.ts";
import type { Models } from "../server/models.ts";
import { ModelShelf, type ShelfEntry } from "../server/model_shelf.ts";
import type { Priority } from "../server/policy.ts";
import type { Engine } from "../server/queue.ts";
import { ReopeningEngine } from "../server/reopening.ts";
import { ImageServer } from "../server/server.ts";
import { interfaces, reachable } from "./addresses.ts";
import { openPipeline, quietly, startProgress, upsamplerOf, withUpsampler } from "./generate.ts";
import { listen } from "./http.ts";
import { loraNames } from "./lora_folder.ts";
import { openModel } from "./model.ts";
import { modelsInFolder, weightBytes } from "./model_folder.ts";
import type { Parsed } from "./options.ts";
import { buildPage, pageFiles } from "./page_files.ts";
import { environmentVariable } from "./permissions.ts";
import { enlargedTexts, pictureFile, type PictureFileOptions } from "../parameters/picture.ts";
import { pictureText } from "../parameters/picture_text.ts";
import type { EngineChoice } from "../parameters/engine_choice.ts";
import { bytesOfMib, toEngineChoice, weightOptions } from "./request.ts";
import { type LoadScale, loadScale, type ServingParts } from "./scale_entry.ts";
import type { Terminal } from "./terminal.ts";
import { type UpscalerFolder, upscalerFolder } from "./upscaler_folder.ts";

/** A1111's. */
const DEFAULT_PORT = 7860;
const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];
/** Milliseconds that the running request may take to end after SIGTERM. */
const DRAIN_MS = 10_000;
/** Milliseconds that clients may take to read their answers then. */
const ANSWER_MS = 2_000;
/** Milliseconds until the process ends in any case. */
const END_MS = 15_000;
/** Exit codes: the machine failed; ended by SIGTERM (128 + 15). */
const EXIT_FAILED = 1;
const EXIT_TERMINATED = 143;
/** Environment variable for the token: an option can be read by everybody on the machine. */
const TOKEN_VARIABLE = "LSSGEN_TOKEN";

/** Runs the command until Ctrl-C or SIGTERM. */
export async function serve(options: Parsed, terminal: Terminal, scale?: LoadScale): Promise<void> {
  if (options.words.length > 0) {
    throw new LssgenError("bad_option", `\`serve\` takes no prompt, got "${options.words.join(" ")}"`);
  }
  for (const [key, name] of [["store", "store"], ["priority", "priority"], ["splitStages", "split-stages"]]) {
    if (options.text[key] !== undefined && options.text.queue === undefined) {
      throw new LssgenError("bad_option", `--${name} needs --queue`);
    }
  }
  const hostname = options.text.host ?? "127.0.0.1";
  const open = !["127.0.0.1", "::1", "localhost"].includes(hostname);
  const token = tokensOf(options.texts.token ?? (environmentVariable(TOKEN_VARIABLE) ?? "").split(/\s+/));
  const engine = toEngineChoice(options);
  const address = freeAddress(hostname, options.number.port ?? DEFAULT_PORT);
  const stop = Promise.withResolvers<void>();
  let failed: LssgenError | undefined;
  const fail = (error: LssgenError): void => {
    failed = error;
    stop.resolve();
  };
  const { upscaleModelDir } = options.text;
  if (upscaleModelDir !== undefined && options.text.queue !== undefined) {
    throw new LssgenError(
      "bad_option",
      "--upscale-model-dir does not go with --queue: workers draw, and none enlarges finished pictures",
    );
  }
  const upscalers = upscaleModelDir === undefined
    ? undefined
    : await servedUpscalers(upscaleModelDir, engine, quietly(options, terminal));
  const drawn = upscalers ? { ...engine, maxVram: upscalers.maxVram } : engine;
  await using drawing = options.text.queue !== undefined
    ? await farDrawing(options, terminal, engine, scale)
    : options.text.models === undefined
    ? await ownDrawing(options, terminal, drawn, fail)
    : await shelfDrawing(options, terminal, drawn, fail, options.text.models);
  const page = await pageFiles() ?? (await buildPage() ? await pageFiles() : undefined);
  // Clients get names of files; where they lie is nobody else's business.
  const shown = (info: ModelInfo): [EngineChoice, PictureFileOptions] => [namesOnly(drawing.choiceOf(info)), {
    embeddedGuidance: info.embeddedGuidance,
    metadata: !options.flag.disableImageMetadata,
    scheduler: info.scheduler,
  }];
  const { loraModelDir } = engine;
  const origins = options.texts.cors?.map((origin) => origin.toLowerCase().replace(/\/$/, ""));
  // Who allows the pages of a name may call the server by it.
  const friends = [hostname, ...origins ?? []].map((name) =>
    name.replace(/^https?:\/\//, "").replace(/:\d+$/, "").toLowerCase()
  );
  const api = new ImageServer(drawing.engine, {
    pictureFile: (image, info) => pictureFile(image, ...shown(info)),
    pictureText: (image, info) => pictureText(image, ...shown(info)),
    models: drawing.models,
    partFiles: (info) => partFiles(drawing.choiceOf(info)),
    upscalers: upscalers?.folder,
    enlargedFile: ({ picture, texts }, fields) =>
      encodePng(picture, options.flag.disableImageMetadata ? {} : enlargedTexts(texts, fields)),
    token,
    hosts: !open ? LOOPBACK : token ? undefined : (name) => isLocalName(name) || friends.includes(name),
    origins,
    loras: loraModelDir === undefined ? undefined : () => loraNames(loraModelDir),
    limits: options.number.maxSize === undefined ? undefined : {
      pixels: options.number.maxSize ** 2,
      steps: 150,
      pictures: 16,
    },
    page,
    ...drawing.far && {
      queue: drawing.far.queue,
      gets: drawing.far.gets,
      metrics: drawing.far.metrics,
      maxWaiting: 1024,
      maxRequests: 2048,
      priority: options.text.priority as Priority | undefined,
    },
    onError: (error) => terminal.note(`${error instanceof Error ? error.stack ?? error.message : error}\n`),
  });
  terminal.signal.addEventListener("abort", () => stop.resolve(), { once: true });
  if (terminal.signal.aborted) stop.resolve();
  let ending = false;
  const terminate = (): void => {
    if (ending) Deno.exit(EXIT_TERMINATED);
    ending = true;
    terminal.note(`Ending within ${END_MS / 1000} s; a second signal ends at once\n`);
    stop.resolve();
  };
  // Windows has no SIGTERM to listen to.
  const signals = Deno.build.os !== "windows";
  if (signals) Deno.addSignalListener("SIGTERM", terminate);
  const { clientHeader } = options.text;
  const server = await listen(
    drawing.far ? { ...address, maxConnections: 4096 } : address,
    (request, from) =>
      api.handle(request, clientHeader === undefined ? from : request.headers.get(clientHeader) ?? from),
    api.upgrade,
  );
  for (const address of reachable(hostname, server.port, open ? interfaces() : [])) terminal.print(address);
  if (!page) terminal.note("The page was not built (deno task web:build); the API answers without it\n");
  if (open && !token) {
    terminal.note(`Warning: anybody who reaches ${hostname} can use this GPU; set ${TOKEN_VARIABLE}\n`);
  }
  await stop.promise;
  // Whatever hangs, a GPU or a client, the end comes.
  const late = setTimeout(() => {
    terminal.note("The GPU did not come to an end; stopped\n");
    Deno.exit(EXIT_FAILED);
  }, END_MS);
  // Waiting requests are refused first: they would hold the server open until their turn.
  await api.close(failed ? 0 : DRAIN_MS);
  await server.end(ANSWER_MS);
  clearTimeout(late);
  if (signals) Deno.removeSignalListener("SIGTERM", terminate);
  if (failed) throw failed;
}

/**
 * The networks of a folder. Under `--max-vram` the models leave room for the largest of them and a small tile; a network that is
 * put there later has no more.
 */
async function servedUpscalers(
  folder: string,
  { dtype, maxActivation, maxVram }: EngineChoice,
  terminal: Terminal,
): Promise<{ readonly folder: UpscalerFolder; readonly maxVram?: number }> {
  const limited = maxVram !== undefined;
  const found = await upscalerFolder(
    folder,
    { dtype, maxActivationBytes: bytesOfMib(maxActivation), limited },
    (sentence) => terminal.note(`${sentence}\n`),
  );
  const { room } = found;
  return {
    folder: found,
    maxVram: room === undefined || !limited ? maxVram : Math.max(1, maxVram - Math.ceil(room / 2 ** 20)),
  };
}

/** What draws, or has others draw. */
interface Drawing extends AsyncDisposable {
  readonly engine: Engine;
  /** Several models; the engine is the first of them. */
  readonly models?: Models;
  /** How a model was chosen: what its pictures store. */
  choiceOf(info: ModelInfo): EngineChoice;
  /** The queue to workers elsewhere. */
  readonly far?: ServingParts;
}

/** The GPU of this machine. */
async function ownDrawing(
  options: Parsed,
  terminal: Terminal,
  engine: EngineChoice,
  fail: (error: LssgenError) => void,
): Promise<Drawing> {
  const pipeline = await openReopening(options, terminal, engine, fail);
  return {
    engine: pipeline,
    choiceOf: () => engine,
    [Symbol.asyncDispose]: () => pipeline[Symbol.asyncDispose](),
  };
}

/** A pipeline whose device is opened again where it is lost. */
async function openReopening(
  options: Parsed,
  terminal: Terminal,
  engine: EngineChoice,
  fail: (error: LssgenError) => void,
): Promise<ReopeningEngine> {
  const progress = startProgress(options, terminal);
  const reopen = async (): Promise<Pipeline> =>
    await openPipeline(engine, quietly(options, terminal), progress.onProgress);
  try {
    return new ReopeningEngine(await reopen(), reopen, (error, end) => {
      progress.end();
      terminal.note(`${error.message}${end ? "; the server ends" : ", it is opened again"}\n`);
      if (end) fail(error);
    });
  } finally {
    progress.end();
  }
}

/** The GPU of this machine, for the model of the options and those of a folder. */
async function shelfDrawing(
  options: Parsed,
  terminal: Terminal,
  first: EngineChoice,
  fail: (error: LssgenError) => void,
  folder: string,
): Promise<Drawing> {
  const quiet = quietly(options, terminal);
  const choices = new Map<string, EngineChoice>();
  const room = bytesOfMib(first.maxVram);
  let adapter: DeviceInfo | undefined;
  if (room !== undefined) {
    using device = await openDevice();
    adapter = device.info;
  }
  const entryOf = async (
    choice: EngineChoice,
    name: string | undefined,
    bytes: number | undefined,
  ): Promise<ShelfEntry> => {
    const { model = embeddedFolder(), tinyVae } = await openModel(choice, quiet);
    const info = withUpsampler(await readModelInfo(model), choice);
    choices.set(info.name, choice);
    const upsampler = await upsamplerOf(choice, quiet);
    const known = new Map<string, Promise<number>>();
    return {
      name: name ?? baseName(info.name),
      bytes,
      info,
      plan: (request) => planPicture(info, request),
      open: () => openReopening(options, terminal, choice, fail),
      // What else a request says changes its memory little.
      peak: (request) => {
        const { width, height, method, minResolution, guidance, trueCfgScale, image, mask } = request;
        const { upsampler: grows } = request;
        const key = JSON.stringify([
          width,
          height,
          method,
          minResolution,
          grows,
          (guidance ?? 0) > 1,
          (trueCfgScale ?? 0) > 1,
          !!image,
          !!mask,
        ]);
        const planned = known.get(key) ?? planMemory(model, request, {
          ...weightOptions(choice),
          ...upsampler,
          adapter,
          dtype: choice.dtype,
          maxActivationBytes: bytesOfMib(choice.maxActivation),
          maxVramBytes: room,
          offload: choice.offload,
          maxOffloadBytes: bytesOfMib(choice.maxOffload),
          tinyVae,
          tinyDecode: !choice.taesdPreviewOnly,
        }).then(({ peak }) => peak);
        known.set(key, planned);
        return planned;
      },
    };
  };
  const own = await entryOf(first, undefined, await weightBytes(first.model));
  const seen = new Map<string, Promise<ShelfEntry | undefined>>();
  const entries = async (): Promise<readonly ShelfEntry[]> => {
    const found: ShelfEntry[] = [own];
    for (const { name, path, bytes, version } of await modelsInFolder(folder)) {
      // The first one is read already, and with options that are its own.
      if (name === own.name) continue;
      const key = `${path} ${version}`;
      // What is no model is said once.
      const entry = seen.get(key) ??
        entryOf({ ...shared(first), model: path }, name, bytes).catch((error) => {
          if (!(error instanceof LssgenError)) throw error;
          quiet.note(`${path} is left out: ${error.message}\n`);
          return undefined;
        });
      seen.set(key, entry);
      const one = await entry;
      if (one) found.push(one);
    }
    return found;
  };
  const shelf = await ModelShelf.open({
    entries,
    room,
    onChange: (sentence) => quiet.note(`${sentence}\n`),
  });
  return {
    engine: shelf.first,
    models: shelf,
    choiceOf: (info) => choices.get(info.name) ?? first,
    [Symbol.asyncDispose]: () => shelf[Symbol.asyncDispose](),
  };
}

/** Options of every model: not the parts, LoRAs and small autoencoder of the first one. */
const SHARED = [
  "dtype",
  "loraModelDir",
  "maxActivation",
  "maxVram",
  "offload",
  "maxOffload",
  "type",
  "tensorTypeRules",
  "keepQuantised",
  "integerDot",
] as const satisfies readonly (keyof EngineChoice)[];

function shared(choice: EngineChoice): EngineChoice {
  return Object.fromEntries(SHARED.map((key) => [key, choice[key]]));
}

/** Workers behind a queue; of the model only the configs are read here. */
async function farDrawing(
  options: Parsed,
  terminal: Terminal,
  choice: EngineChoice,
  scale: LoadScale | undefined,
): Promise<Drawing> {
  const entry = await loadScale(scale);
  const quiet = quietly(options, terminal);
  const info = await readModelInfo((await openModel(choice, quiet)).model);
  const far = await entry.serving(options, info, (sentence) => quiet.note(`${sentence}\n`));
  return { engine: far.engine, far, choiceOf: () => choice, [Symbol.asyncDispose]: () => far.close() };
}

/** Tokens without empty ones; of two alike one. Undefined: anybody may ask. */
function tokensOf(given: readonly string[]): readonly string[] | undefined {
  const tokens = [...new Set(given.filter((token) => token !== ""))];
  return tokens.length > 0 ? tokens : undefined;
}

/** The engine with the last part of each path. */
function namesOnly(engine: EngineChoice): EngineChoice {
  const last = (value: unknown): unknown =>
    typeof value === "string" ? baseName(value) : Array.isArray(value) ? value.map(last) : value;
  return Object.fromEntries(Object.entries(engine).map(([key, value]) => [key, last(value)])) as EngineChoice;
}

/** Names of the files of parts that were given apart from the model's own. */
function partFiles({ vae, clipL, clipG, t5 }: EngineChoice): PartFiles {
  const files = Object.entries({ vae, clip_l: clipL, clip_g: clipG, t5xxl: t5 });
  return Object.fromEntries(
    files.flatMap(([kind, file]) => file === undefined ? [] : [[kind, baseName(file)]]),
  );
}

/** Makes sure that the port can be had before a model is loaded for minutes. */
function freeAddress(hostname: string, port: number): { hostname: string; port: number } {
  try {
    const probe = Deno.listen({ hostname, port });
    const taken = (probe.addr as Deno.NetAddr).port;
    probe.close();
    return { hostname, port: taken };
  } catch (cause) {
    const why = cause instanceof Deno.errors.AddrInUse
      ? "another program has it; choose another with --port"
      : cause instanceof Error
      ? cause.message
      : String(cause);
    throw new LssgenError("bad_option", `Cannot listen on ${hostname} port ${port}: ${why}`, { cause });
  }
}
