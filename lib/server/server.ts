/**
 * A small server: A1111's and OpenAI's APIs over one queue. Requests and responses are the web platform's, so it runs
 * under whatever serves those; `cli.ts serve` is one way.
 *
 * @module
 */

import { AbortedError, LssgenError } from "../errors.ts";
import { type JsonBounds, parseJson } from "../json.ts";
import { encodePng } from "../image/png.ts";
import type { GeneratedImage, GenerateRequest, RgbPicture } from "../pipelines/types.ts";
import { Bodies } from "./bodies.ts";
import { ApiError } from "./fields.ts";
import { Guard } from "./guard.ts";
import { type Asker, type Engine, type JobResult, Jobs } from "./jobs.ts";
import { LIMITS, type Limits } from "./limits.ts";
import type { JobQueue } from "./queue.ts";
import type { Priority } from "./policy.ts";
import { metricsText } from "./metrics.ts";
import {
  editRequests,
  errorAnswer,
  formFields,
  imageRequests,
  imagesAnswer,
  modelAnswer,
  modelListAnswer,
  pictureEvent,
  streamed,
} from "./openai.ts";
import { pageModel, pagePlan } from "./page_api.ts";
import { checkSettings, modelsAnswer, pictureAnswer, pictureRequests, progressAnswer } from "./sdapi.ts";
import {
  CONSTANT_ANSWERS,
  lorasAnswer,
  memoryAnswer,
  NOTHING_TO_DO,
  optionsAnswer,
  pngInfoAnswer,
  REFUSED_ROUTES,
} from "./sdapi_clients.ts";
import { samplersAnswer, schedulersAnswer } from "./sdapi_samplers.ts";

/** The bytes of a body have a bound of their own: bodies.ts. */
const BODY_BOUNDS: JsonBounds = { characters: Infinity, depth: 32 };

/** How the server behaves. */
export interface ServerOptions {
  /** A finished picture as the bytes of a PNG, with whatever it should say about itself. */
  readonly pictureFile: (image: GeneratedImage) => Promise<Uint8Array>;
  /** A finished picture as A1111 describes it in a text. Without it answers hold no such texts. */
  readonly pictureText?: (image: GeneratedImage) => string;
  /** Requests to the APIs have to bring `Authorization: Bearer …`, or Basic with it as password. */
  readonly token?: string;
  /** Origins whose pages may use the API besides the server's own (CORS); "*" for all. Default none. */
  readonly origins?: readonly string[];
  /** Names of the LoRAs that prompts may name. */
  readonly loras?: () => Promise<readonly string[]>;
  /**
   * Names that requests may call this server by, without port. A page elsewhere can have its own name lead to this
   * machine (DNS rebinding) and would then be let in by the browser. Undefined: any.
   */
  readonly hosts?: readonly string[] | ((name: string) => boolean);
  /** Longest body in bytes. Default 32 MiB: a picture to begin with, in base64. */
  readonly maxBodyBytes?: number;
  /** Milliseconds that a body may take to arrive. Default 30 s. */
  readonly bodyTimeoutMs?: number;
  /** Bytes of all bodies that are held at the same time, until their requests are answered. Default 256 MiB. */
  readonly maxHeldBytes?: number;
  /** Requests that are being read or answered at the same time, those that wait included. Default 256. */
  readonly maxRequests?: number;
  /** Requests that wait at the same time. Default 64. */
  readonly maxWaiting?: number;
  /** Bounds of a request. */
  readonly limits?: Limits;
  /** Files of the page, by path; undefined when there is no such file. */
  readonly page?: (path: string, request: Request) => Promise<Response | undefined>;
  /** A queue whose machines are elsewhere; the engine then only plans. Default one in this process. */
  readonly queue?: JobQueue;
  /** Share of the machines that this server's requests have. Default `normal`. */
  readonly priority?: Priority;
  /** Further routes, each a function for GET. They answer those who bring the token. */
  readonly gets?: Readonly<Record<string, () => Promise<Response>>>;
  /** Further lines of `/metrics`. */
  readonly metrics?: () => Promise<string>;
  /** Told of errors that nobody foresaw. */
  readonly onError?: (error: unknown) => void;
}

type Handler = (request: Request) => Promise<unknown> | unknown;
type Route = Readonly<Record<string, Handler>>;

/** Headers of every answer: nobody frames it, guesses its type, or keeps it. */
const ALWAYS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "content-security-policy": "frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
};

/** A picture in base64 may be longer than other bodies, which hold a few words. */
const SMALL_BODY_BYTES = 2 ** 20;
/** Milliseconds between signs of life to a client that waits for events. */
const ALIVE_EVERY_MS = 10_000;

/** See the module. */
export class ImageServer {
  private readonly jobs: Jobs;
  private readonly routes: Readonly<Record<string, Route>>;
  private readonly limits: Limits;
  private readonly bodies: Bodies;
  private readonly guard: Guard;
  private readonly open = new Set<Request>();
  private readonly clients = new WeakMap<Request, string>();
  private readonly answered = new Map<number, number>();

  /**
   * Makes a server; nothing listens yet.
   *
   * @param engine The pipeline that draws. It stays the caller's to dispose, after {@linkcode close}.
   */
  constructor(private readonly engine: Engine, private readonly options: ServerOptions) {
    this.jobs = new Jobs(engine, options.maxWaiting ?? 64, options.queue);
    this.limits = options.limits ?? LIMITS;
    const most = options.maxBodyBytes ?? 32 * 2 ** 20;
    this.bodies = new Bodies({
      most,
      mostHeld: options.maxHeldBytes ?? Math.max(most, 256 * 2 ** 20),
      timeoutMs: options.bodyTimeoutMs ?? 30_000,
    });
    this.guard = new Guard(options);
    const { info } = engine;
    const sdapi = Object.fromEntries([
      ...Object.entries(CONSTANT_ANSWERS).map(([name, answer]) => [name, { GET: () => answer }]),
      ...NOTHING_TO_DO.map((name) => [name, { POST: () => ({}) }]),
      ...Object.entries(REFUSED_ROUTES).map(([name, instead]) => [name, {
        POST: () => {
          throw new ApiError(422, "unsupported", `/sdapi/v1/${name} is not supported; ${instead}`);
        },
      }]),
    ].map(([name, route]): [string, Route] => [`/sdapi/v1/${name}`, route as Route]));
    this.routes = {
      ...sdapi,
      "/sdapi/v1/txt2img": { POST: (request) => this.sdapi(request, false) },
      "/sdapi/v1/img2img": { POST: (request) => this.sdapi(request, true) },
      "/sdapi/v1/progress": { GET: (request) => this.progress(request) },
      "/sdapi/v1/interrupt": {
        POST: () => {
          this.jobs.interrupt();
          return {};
        },
      },
      "/sdapi/v1/sd-models": { GET: () => modelsAnswer(info) },
      "/sdapi/v1/samplers": { GET: () => samplersAnswer(info) },
      "/sdapi/v1/schedulers": { GET: () => schedulersAnswer(info) },
      "/sdapi/v1/loras": { GET: async () => lorasAnswer(await options.loras?.() ?? []) },
      "/sdapi/v1/memory": { GET: () => memoryAnswer() },
      "/sdapi/v1/options": {
        GET: () => optionsAnswer(info),
        POST: async (request) => {
          const warnings = await this.body(
            request,
            (body) => checkSettings(body, info, false),
            SMALL_BODY_BYTES,
          );
          return warnings.length > 0 ? { warnings } : null;
        },
      },
      "/sdapi/v1/png-info": { POST: (request) => this.body(request, pngInfoAnswer) },
      "/lssgen/v1/model": {
        GET: async () => pageModel(info, this.limits, await options.loras?.() ?? []),
      },
      "/lssgen/v1/plan": {
        POST: (request) =>
          this.body(request, (body) => pagePlan(body, this.engine, this.limits), SMALL_BODY_BYTES),
      },
      "/v1/images/generations": { POST: (request) => this.openai(request) },
      "/v1/images/edits": { POST: (request) => this.openai(request, true) },
      "/v1/models": { GET: () => modelListAnswer(info) },
      "/metrics": { GET: () => this.metrics() },
      ...Object.fromEntries(Object.entries(options.gets ?? {}).map(([path, GET]) => [path, { GET }])),
    };
  }

  /** Requests that wait or run. */
  get pending(): number {
    return this.jobs.length;
  }

  /**
   * Answers one request; never throws. Bound, so that it can be handed on as it is.
   *
   * @param client Who asks, for shares of the machines: an address, any text. Default "", one for all.
   */
  readonly handle = async (request: Request, client = ""): Promise<Response> => {
    let response: Response;
    this.clients.set(request, client);
    this.open.add(request);
    try {
      response = await this.answer(request);
    } finally {
      this.open.delete(request);
    }
    for (const [name, value] of Object.entries({ ...ALWAYS, ...this.guard.corsHeaders(request) })) {
      response.headers.set(name, value);
    }
    this.answered.set(response.status, (this.answered.get(response.status) ?? 0) + 1);
    return response;
  };

  /**
   * Refuses what waits and what comes, and resolves when the GPU is free.
   *
   * @param graceMs The running request may take so long to end; then it is stopped. Default 0.
   */
  async close(graceMs = 0): Promise<void> {
    await this.jobs.close(graceMs);
  }

  private async answer(request: Request): Promise<Response> {
    let path = "/";
    try {
      path = new URL(request.url).pathname;
      this.guard.checkHost(request);
      const method = request.method === "HEAD" ? "GET" : request.method;
      // Whether it lives may be asked by everybody.
      if (path === "/health" && method === "GET") return json(200, { status: "ok" });
      const route = this.routeOf(path);
      if (!route) return await this.page(request, path);
      const preflight = this.guard.preflight(request, Object.keys(route));
      if (preflight) return preflight;
      if (method !== "GET") this.guard.checkOrigin(request);
      this.guard.checkToken(request);
      if (!Object.hasOwn(route, method)) {
        return json(405, reason("bad_method", `${path} answers ${Object.keys(route).join(", ")} only`), {
          allow: Object.keys(route).join(", "),
        });
      }
      const most = this.options.maxRequests ?? 256;
      if (method !== "GET" && this.open.size > most) {
        throw new ApiError(503, "busy", `${most} requests are being answered already; try again later`);
      }
      const answer = await route[method](request);
      return answer instanceof Response ? answer : json(200, answer);
    } catch (error) {
      return this.refusal(path, error);
    }
  }

  private routeOf(path: string): Route | undefined {
    if (Object.hasOwn(this.routes, path)) return this.routes[path];
    const [, name] = /^\/v1\/models\/([^/]+)$/.exec(path) ?? [];
    if (name === undefined) return undefined;
    return { GET: () => modelAnswer(this.engine.info, decoded(name)) };
  }

  private async metrics(): Promise<Response> {
    const { jobs, bodies } = this;
    const text = metricsText({
      waiting: jobs.length - jobs.running,
      running: jobs.running,
      begun: jobs.begun,
      secondsPerStep: jobs.secondsPerStep,
      heldBytes: bodies.heldBytes,
      answered: this.answered,
    });
    const more = await this.options.metrics?.() ?? "";
    return new Response(text + more, {
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
    });
  }

  private async sdapi(request: Request, fromPicture: boolean): Promise<unknown> {
    const { info } = this.engine;
    return await this.body(request, async (body) => {
      const { requests, notes } = pictureRequests(body, info, this.limits, fromPicture);
      const result = await this.draw(requests, request);
      const { pictureText } = this.options;
      const texts = pictureText ? result.images.map(pictureText) : [];
      const noted = { ...result, warnings: [...notes, ...result.warnings] };
      return pictureAnswer(body, noted, await this.files(result.images), texts, info);
    });
  }

  private async openai(request: Request, edit = false): Promise<unknown> {
    const { info } = this.engine;
    const read = async (body: unknown, files: Parameters<typeof editRequests>[1]): Promise<unknown> => {
      const previews = streamed(body);
      const requests = edit
        ? editRequests(body, files, info, this.limits)
        : imageRequests(body, info, this.limits);
      if (previews !== undefined) return this.events(request, requests, previews, edit);
      const { images, interrupted, warnings } = await this.draw(requests, request);
      if (interrupted) throw new ApiError(503, "interrupted", "The request was interrupted");
      return imagesAnswer(await this.files(images), warnings);
    };
    const type = request.headers.get("content-type") ?? "";
    if (!edit || !/^multipart\/form-data\b/i.test(type)) {
      return await this.body(request, (body) => read(body, new Map()));
    }
    checkEncoding(request);
    using held = await this.bodies.read(request);
    const form = await new Response(held.bytes, { headers: { "content-type": type } }).formData().catch(
      () => {
        throw new ApiError(400, "bad_form", "The body is no form");
      },
    );
    const { body, files } = await formFields(form);
    return await read(body, files);
  }

  /** An answer of server-sent events: pictures on their way, then finished ones. */
  private events(
    request: Request,
    requests: readonly GenerateRequest[],
    previews: number,
    edit: boolean,
  ): Response {
    this.checkPlan(requests);
    const left = new AbortController();
    const leave = (): void => left.abort();
    request.signal.addEventListener("abort", leave, { once: true });
    // Pictures are written one after another, in the order in which they were drawn.
    let writing: Promise<void> = Promise.resolve();
    const encoder = new TextEncoder();
    let send: (text: string) => void = () => {};
    const event = (data: { readonly type: string }): void =>
      send(`event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`);
    const sizeOf = (i: number): { width: number; height: number } => {
      const { width, height } = this.engine.plan(requests[i]);
      return { width, height };
    };
    const job = this.jobs.run(requests, left.signal, {
      previews,
      onPreview: (preview, picture, index) => {
        writing = writing.then(async () =>
          event(pictureEvent(edit, base64(await previewPng(preview)), sizeOf(picture), index))
        );
      },
      onImage: (image) => {
        writing = writing.then(async () =>
          event(pictureEvent(edit, base64(await this.options.pictureFile(image)), image))
        );
      },
    }, this.asker(request));
    const alive = setInterval(() => send(": waiting\n\n"), ALIVE_EVERY_MS);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        send = (text) => {
          if (!left.signal.aborted) controller.enqueue(encoder.encode(text));
        };
        const end = async (): Promise<void> => {
          try {
            const { interrupted } = await job;
            await writing;
            if (interrupted) throw new ApiError(503, "interrupted", "The request was interrupted");
          } catch (error) {
            const known = error instanceof ApiError ? error : this.asApiError(error);
            send(
              `event: error\ndata: ${JSON.stringify({ type: "error", ...errorAnswer(known) as object })}\n\n`,
            );
          } finally {
            clearInterval(alive);
            request.signal.removeEventListener("abort", leave);
            if (!left.signal.aborted) controller.close();
          }
        };
        end();
      },
      cancel: leave,
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store" },
    });
  }

  /** What cannot be planned is refused now rather than when its turn comes. */
  private checkPlan(requests: readonly GenerateRequest[]): void {
    const { width, height } = this.engine.plan(requests[0]);
    if (width * height > this.limits.pixels) {
      throw new ApiError(
        422,
        "too_large",
        `The picture would have ${width} × ${height} pixels, this server draws at most ${this.limits.pixels}; give a size`,
        "size",
      );
    }
  }

  private async draw(
    requests: readonly GenerateRequest[],
    request: Request,
  ): Promise<JobResult> {
    this.checkPlan(requests);
    return await this.jobs.run(requests, request.signal, undefined, this.asker(request));
  }

  private asker(request: Request): Asker {
    return { client: this.clients.get(request), priority: this.options.priority };
  }

  private async progress(request: Request): Promise<unknown> {
    const { state } = this.jobs;
    const preview = new URL(request.url).searchParams.get("skip_current_image") === "true"
      ? undefined
      : state?.preview;
    return progressAnswer(
      state,
      this.jobs.length - this.jobs.running,
      preview ? base64(await previewPng(preview)) : null,
    );
  }

  private async files(images: readonly GeneratedImage[]): Promise<string[]> {
    const files: string[] = [];
    for (const image of images) files.push(base64(await this.options.pictureFile(image)));
    return files;
  }

  private async page(request: Request, path: string): Promise<Response> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return json(404, reason("not_found", `There is no ${path.slice(0, 100)} here`));
    }
    return await this.options.page?.(path, request) ??
      json(404, reason("not_found", `There is no ${path.slice(0, 100)} here`));
  }

  /** Reads the body as JSON, within its bounds of size and time, which count until it is answered. */
  private async body<T>(
    request: Request,
    answer: (body: unknown) => Promise<T> | T,
    most = Infinity,
  ): Promise<T> {
    if (!/^application\/json\b/i.test(request.headers.get("content-type") ?? "")) {
      throw new ApiError(415, "bad_type", "The body has to be JSON, with content-type: application/json");
    }
    checkEncoding(request);
    using held = await this.bodies.read(request);
    if (held.bytes.length > most) {
      throw new ApiError(413, "too_long", `The body is longer than ${most} bytes`);
    }
    let body: unknown;
    try {
      body = parseJson("body", new TextDecoder("utf-8", { fatal: true }).decode(held.bytes), BODY_BOUNDS);
    } catch (error) {
      if (error instanceof LssgenError) {
        throw new ApiError(400, "bad_json", `The ${error.message.replaceAll('"', "")}`);
      }
      throw new ApiError(400, "bad_json", "The body is no JSON");
    }
    return await answer(body);
  }

  private refusal(path: string, error: unknown): Response {
    const known = error instanceof ApiError ? error : this.asApiError(error);
    const openai = path.startsWith("/v1/");
    // A1111 and FastAPI call it 422, OpenAI 400.
    const status = openai && known.status === 422 ? 400 : known.status;
    const headers: Record<string, string> = {};
    if (status === 401) headers["www-authenticate"] = "Bearer";
    if (status === 503 || status === 429) headers["retry-after"] = String(this.jobs.retryAfter);
    return json(
      status,
      openai ? errorAnswer(known) : reason(known.code, known.message, known.field),
      headers,
    );
  }

  private asApiError(error: unknown): ApiError {
    // Nobody reads it: the client has left.
    if (error instanceof AbortedError) return new ApiError(499, "aborted", "The client left");
    if (error instanceof LssgenError) {
      const theirs = ["bad_option", "bad_file", "unsupported"].includes(error.code);
      if (!theirs) this.options.onError?.(error);
      return new ApiError(theirs ? 422 : error.code === "unavailable" ? 503 : 500, error.code, error.message);
    }
    this.options.onError?.(error);
    // What nobody foresaw may tell of this machine; the log has it.
    return new ApiError(500, "internal", "Something went wrong in the server; its log says what");
  }
}

/** A compressed body of a few bytes may hold gigabytes: none is unpacked. */
function checkEncoding(request: Request): void {
  const encoding = request.headers.get("content-encoding") ?? "identity";
  if (encoding.trim().toLowerCase() === "identity") return;
  throw new ApiError(
    415,
    "bad_encoding",
    `The body comes with content-encoding: ${encoding.slice(0, 40)}; send it as it is`,
  );
}

/** A part of a path without its escapes; as it is where they are broken. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function previewPng({ width, height, rgb }: RgbPicture): Promise<Uint8Array> {
  return await encodePng({ width, height, channels: 3, data: rgb });
}

/** Errors as A1111 words them, with the field added. */
function reason(error: string, detail: string, field?: string): unknown {
  return { error, detail, ...field && { field } };
}

function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      "content-type": "application/json; charset=utf-8",
      "cache-control": "no-store",
      ...headers,
    },
  });
}

/** Base64, in pieces: a call has a bounded number of arguments. */
function base64(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 0x8000) {
    parts.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
  }
  return btoa(parts.join(""));
}
