/**
 * A small server: A1111's, OpenAI's and ComfyUI's APIs over one queue. Requests and responses are the web platform's, so it runs
 * under whatever serves those; `cli.ts serve` is one way.
 *
 * @module
 */

import { withoutFolders } from "../base_name.ts";
import { AbortedError, LssgenError } from "../errors.ts";
import { type JsonBounds, parseJson, repeatedKey } from "../json.ts";
import { nearest } from "../nearest.ts";
import { encodePng } from "../image/png.ts";
import type { GeneratedImage, ModelInfo, RgbPicture } from "../pipelines/types.ts";
import { ANY_OBJECT, listOf, ref } from "./answers.ts";
import { ApiError } from "./api_error.ts";
import { type Asked, KINDS } from "./asked.ts";
import { base64 } from "./base64.ts";
import { Bodies, type HeldBody } from "./bodies.ts";
import type { PartFiles } from "./comfyui/object_info.ts";
import { type Comfyui, comfyuiRoutes, features } from "./comfyui/routes.ts";
import { type ClientSocket, MOST_SOCKETS, Sockets } from "./comfyui/sockets.ts";
import {
  askedEnlarging,
  enlarged,
  type EnlargedPicture,
  EXTRA_BATCH_FIELDS,
  EXTRA_FIELDS,
  infoHtml,
} from "./extras.ts";
import { Guard, schemes } from "./guard.ts";
import { jobRoutes } from "./job_routes.ts";
import { type Asker, type Engine, type JobResult, Jobs } from "./jobs.ts";
import { LIMITS, type Limits } from "./limits.ts";
import { modelNamed, type Models, nameOf, OneModel } from "./models.ts";
import { type Keeping, NamedJobs } from "./named_jobs.ts";
import { openApi } from "./openapi.ts";
import type { JobQueue } from "./queue.ts";
import type { Priority } from "./policy.ts";
import { metricsText } from "./metrics.ts";
import {
  errorAnswer,
  formFields,
  type FormFiles,
  modelAnswer,
  modelListAnswer,
  pictureEvent,
} from "./openai.ts";
import { pageModel, pagePlan, PLAN_FIELDS } from "./page_api.ts";
import { ALIVE, ALIVE_EVERY_MS, eventAnswer, eventText, json } from "./responses.ts";
import { type Call, type Operation, type Route, routeOf, type Routes, tidyPath } from "./routes.ts";
import { checkSettings, modelsAnswer, progressAnswer } from "./sdapi.ts";
import {
  CONSTANT_ANSWERS,
  lorasAnswer,
  memoryAnswer,
  NOTHING_TO_DO,
  optionsAnswer,
  PNG_INFO_FIELDS,
  pngInfoAnswer,
  REFUSED_ROUTES,
} from "./sdapi_clients.ts";
import { SETTINGS } from "./sdapi_fields.ts";
import { samplersAnswer, schedulersAnswer } from "./sdapi_samplers.ts";
import { type Upscalers, upscalersAnswer } from "./upscalers.ts";

/** The bytes of a body have a bound of their own: bodies.ts. */
const BODY_BOUNDS: JsonBounds = { characters: Infinity, depth: 32 };

/** How the server behaves. */
export interface ServerOptions {
  /** A finished picture as the bytes of a PNG, with whatever it should say about itself. */
  readonly pictureFile: (image: GeneratedImage, info: ModelInfo) => Promise<Uint8Array>;
  /** A finished picture as A1111 describes it in a text. Without it answers hold no such texts. */
  readonly pictureText?: (image: GeneratedImage, info: ModelInfo) => string;
  /**
   * Requests to the APIs have to bring `Authorization: Bearer …`, or Basic with it as password. Of several each has jobs, a
   * chosen model and a share of the machines of its own.
   */
  readonly token?: string | readonly string[];
  /** Files of a model's parts that do not lie in its own, by names that graphs may use. */
  readonly partFiles?: (info: ModelInfo) => PartFiles;
  /** Further models, besides or in place of the engine. */
  readonly models?: Models;
  /** Networks that enlarge finished pictures. Without them the filters are there. */
  readonly upscalers?: Upscalers;
  /** An enlarged picture as the bytes of a PNG, with what its file said before and what A1111 notes of it. Default without texts. */
  readonly enlargedFile?: (
    picture: EnlargedPicture,
    fields: Readonly<Record<string, string | number>>,
  ) => Promise<Uint8Array>;
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
  /** Requests of one client that wait at the same time. Default three quarters of `maxWaiting`. */
  readonly maxWaitingOfClient?: number;
  /** What is kept of jobs with ids that have ended. Default an hour, 256 jobs, 256 MiB. */
  readonly keeping?: Keeping;
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

/** Headers of every answer: nobody frames it, guesses its type, or keeps it. */
const ALWAYS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "content-security-policy": "frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
};

/** Where web sockets are. */
const SOCKET_PATHS: readonly string[] = ["/ws", "/api/ws"];
/** Characters of the name that a client gives himself. */
const LONGEST_CLIENT = 200;

/** A picture in base64 may be longer than other bodies, which hold a few words. */
const SMALL_BODY_BYTES = 2 ** 20;

/** See the module. */
export class ImageServer {
  private readonly jobs: Jobs;
  private readonly named: NamedJobs;
  private readonly models: Models;
  private readonly routes: Routes;
  private readonly comfyui: Comfyui;
  private readonly sockets: Sockets;
  private readonly limits: Limits;
  private readonly bodies: Bodies;
  private readonly guard: Guard;
  private readonly open = new Set<Request>();
  private readonly clients = new WeakMap<Request, string>();
  private readonly answered = new Map<number, number>();
  /** The model that an owner chose, as A1111's clients set it once for all that follows. */
  private readonly chosen = new Map<string, Engine>();

  /**
   * Makes a server; nothing listens yet.
   *
   * @param engine The pipeline that draws. It stays the caller's to dispose, after {@linkcode close}.
   */
  constructor(engine: Engine, private readonly options: ServerOptions) {
    this.models = options.models ?? new OneModel(engine);
    this.jobs = new Jobs(
      this.models,
      options.maxWaiting ?? 64,
      options.queue,
      options.maxWaitingOfClient,
    );
    this.named = new NamedJobs(options.keeping);
    this.limits = options.limits ?? LIMITS;
    const most = options.maxBodyBytes ?? 32 * 2 ** 20;
    this.bodies = new Bodies({
      most,
      mostHeld: options.maxHeldBytes ?? Math.max(most, 256 * 2 ** 20),
      timeoutMs: options.bodyTimeoutMs ?? 30_000,
    });
    this.guard = new Guard(options);
    this.sockets = new Sockets(features(most));
    this.comfyui = this.comfyuiApi(most);
    this.routes = this.table();
  }

  /** ComfyUI's API. */
  private comfyuiApi(maxBodyBytes: number): Comfyui {
    const { options, limits, models } = this;
    return comfyuiRoutes({
      models,
      loras: options.loras,
      upscalers: options.upscalers,
      partFiles: options.partFiles,
      limits,
      maxBodyBytes,
      jobs: this.named,
      sockets: this.sockets,
      usual: (owner) => this.usual(owner),
      check: (step) => this.checkPlan(step),
      body: (request, most) => this.jsonBody(request, most, true),
      bytes: (request) => {
        checkEncoding(request);
        return this.bodies.read(request);
      },
      draw: ({ engine, requests }, call, signal, events) =>
        this.jobs.run(engine, requests, signal, events, this.asker(call)),
      enlarge: ({ network, images }, call, signal, onShare) => {
        const size = { width: images.width * network.scale, height: images.height * network.scale };
        this.refuseFarEnlarging();
        const sources = Array.from({ length: images.count }, (_, i) => ({
          file: images.file(i),
          bytes: new Uint8Array(),
          size,
          kept: size,
        }));
        const asked = { sources, fields: {}, first: { name: network.name, network } };
        return this.jobs.work(
          { pictures: images.count, pixels: size.width * size.height },
          async (signal, onShare) =>
            (await enlarged(asked, options.upscalers, signal, onShare)).map(({ picture }) => picture),
          signal,
          this.asker(call),
          onShare,
        );
      },
      interrupt: (owner) => this.jobs.interrupt(owner),
      pictureFile: options.pictureFile,
      enlargedFile: options.enlargedFile ?? (({ picture }) => encodePng(picture)),
      preview: async (preview) => base64(await previewPng(preview)),
      failure: (error) => this.asApiError(error),
    });
  }

  /** Every route. */
  private table(): Routes {
    const { options } = this;
    const a1111 = Object.fromEntries(
      [
        ...Object.entries(CONSTANT_ANSWERS).map(([name, answer]): [string, Route] => [name, {
          GET: {
            summary: `A1111's ${name}; it does not change here.`,
            answer: { schema: { type: Array.isArray(answer) ? "array" : "object" } },
            run: () => answer,
          },
        }]),
        ...NOTHING_TO_DO.map((name): [string, Route] => [name, {
          POST: {
            summary: "Nothing to do: folders are read whenever they are listed.",
            answer: { schema: ANY_OBJECT },
            run: () => ({}),
          },
        }]),
        ...Object.entries(REFUSED_ROUTES).map(([name, instead]): [string, Route] => [name, {
          POST: {
            summary: `Not supported: ${instead}.`,
            refusals: { 422: "Always." },
            run: () => {
              throw new ApiError(422, "unsupported", `/sdapi/v1/${name} is not supported; ${instead}`);
            },
          },
        }]),
      ].map(([name, route]): [string, Route] => [`/sdapi/v1/${name}`, route]),
    );
    return {
      ...a1111,
      ...this.comfyui.routes,
      "/sdapi/v1/txt2img": { POST: this.drawing("txt2img", "A picture from a text.") },
      "/sdapi/v1/img2img": { POST: this.drawing("img2img", "A picture from a picture.") },
      "/sdapi/v1/progress": {
        GET: {
          summary: "The request that is drawn: share, steps, preview.",
          query: {
            skip_current_image: {
              schema: { type: "boolean" },
              says: "true leaves the preview out.",
            },
          },
          refusals: { 422: "skip_current_image is neither true nor false." },
          answer: { schema: ref("Progress") },
          run: (call) => this.progress(call),
        },
      },
      "/sdapi/v1/interrupt": {
        POST: {
          summary: "Ends the request that is drawn, with the pictures that it has.",
          answer: { schema: ANY_OBJECT },
          run: ({ owner }) => {
            this.jobs.interrupt(owner);
            return {};
          },
        },
      },
      "/sdapi/v1/sd-models": {
        GET: {
          summary: "Models, the one drawn with first, with family and size.",
          answer: { schema: listOf(ref("SdModel")) },
          run: async () => modelsAnswer(await this.models.list()),
        },
      },
      "/sdapi/v1/samplers": {
        GET: {
          summary: "Samplers that the model can use.",
          answer: { schema: listOf(ref("Sampler")) },
          run: ({ owner }) => samplersAnswer(this.usual(owner).info),
        },
      },
      "/sdapi/v1/schedulers": {
        GET: {
          summary: "Schedules that the model can follow.",
          answer: { schema: listOf(ref("Scheduler")) },
          run: ({ owner }) => schedulersAnswer(this.usual(owner).info),
        },
      },
      "/sdapi/v1/loras": {
        GET: {
          summary: "LoRAs that prompts may name.",
          answer: { schema: listOf(ref("Lora")) },
          run: async () => lorasAnswer(await options.loras?.() ?? []),
        },
      },
      "/sdapi/v1/upscalers": {
        GET: {
          summary: "What enlarges finished pictures: filters, and networks of the server's folder.",
          answer: { schema: listOf(ref("Upscaler")) },
          run: async () => upscalersAnswer(await options.upscalers?.list() ?? []),
        },
      },
      "/sdapi/v1/extra-single-image": { POST: this.enlarging(false) },
      "/sdapi/v1/extra-batch-images": { POST: this.enlarging(true) },
      "/sdapi/v1/memory": {
        GET: { summary: "Not measured.", answer: { schema: ANY_OBJECT }, run: () => memoryAnswer() },
      },
      "/sdapi/v1/options": {
        GET: {
          summary: "Settings.",
          answer: { schema: ref("Options") },
          run: ({ owner }) => optionsAnswer(this.usual(owner).info),
        },
        POST: {
          summary: "Chooses the model for the token's requests that name none; other settings are not kept.",
          body: { fields: SETTINGS },
          answer: { schema: { type: ["object", "null"] } },
          run: (call) => this.body(call.request, (body) => this.choose(body, call), SMALL_BODY_BYTES),
        },
      },
      "/sdapi/v1/png-info": {
        POST: {
          summary: "The texts of a PNG.",
          body: { fields: PNG_INFO_FIELDS },
          answer: { schema: ref("PngInfo") },
          run: ({ request }) => this.body(request, pngInfoAnswer),
        },
      },
      "/lssgen/v1/model": {
        GET: {
          summary: "What can be set on a model, the limits, and the other models.",
          query: {
            model: { schema: { type: "string" }, says: "Its name; default the one that is drawn with." },
          },
          answer: { schema: ANY_OBJECT },
          run: async ({ request, owner }) => {
            const name = new URL(request.url).searchParams.get("model");
            const { info } = await modelNamed(this.models, name, "model") ?? this.usual(owner);
            const loras = await options.loras?.() ?? [];
            return { ...pageModel(info, this.limits, loras), models: await this.models.list() };
          },
        },
      },
      "/lssgen/v1/plan": {
        POST: {
          summary: "The stages that a request would have.",
          body: { fields: PLAN_FIELDS },
          answer: { schema: ANY_OBJECT },
          run: ({ request, owner }) =>
            this.body(
              request,
              (body) => pagePlan(body, this.models, this.usual(owner), this.limits),
              SMALL_BODY_BYTES,
            ),
        },
      },
      ...jobRoutes({
        jobs: this.named,
        body: (request, most) => this.jsonBody(request, most),
        read: (kind, body, { owner }) =>
          KINDS[kind].read(body, { models: this.models, usual: this.usual(owner), limits: this.limits }),
        check: (asked) => this.checkPlan(asked),
        start: (asked, call, signal, events) =>
          this.jobs.run(asked.engine, asked.requests, signal, events, this.asker(call)),
        file: async (asked, image) => base64(await options.pictureFile(image, asked.engine.info)),
        preview: async (preview) => base64(await previewPng(preview)),
        answer: (asked, result, files) => asked.answer(result, files, this.texts(asked, result)),
        failure: (error) => this.asApiError(error),
      }),
      "/v1/images/generations": { POST: this.drawing("generations", "Pictures from a text.") },
      "/v1/images/edits": { POST: this.drawing("edits", "Pictures from a picture.") },
      "/v1/images/variations": {
        POST: {
          summary: "Not supported: edits with a prompt and a strength draw a picture anew.",
          refusals: { 400: "Always." },
          run: () => {
            throw new ApiError(
              400,
              "unsupported",
              "/v1/images/variations is not supported; /v1/images/edits with a prompt and a strength draws a picture anew",
            );
          },
        },
      },
      "/v1/models": {
        GET: {
          summary: "Models.",
          answer: { schema: ref("ModelList") },
          run: async () => modelListAnswer(await this.models.list()),
        },
      },
      "/v1/models/{model}": {
        GET: {
          summary: "A model.",
          answer: { schema: ref("Model") },
          refusals: { 404: "There is none of this name." },
          run: async ({ params }) => modelAnswer(await this.models.list(), params.model),
        },
      },
      "/health": {
        GET: {
          summary: "Whether it lives.",
          open: true,
          answer: { schema: { type: "object", properties: { status: { const: "ok" } } } },
          run: () => ({ status: "ok" }),
        },
      },
      "/metrics": {
        GET: {
          summary: "Counts, as Prometheus reads them.",
          answer: { type: "text/plain", schema: { type: "string" } },
          run: () => this.metrics(),
        },
      },
      "/openapi.json": {
        GET: {
          summary: "This description of the API (OpenAPI 3.1).",
          answer: { schema: ANY_OBJECT },
          run: () => this.openApi(),
        },
      },
      ...Object.fromEntries(
        Object.entries(options.gets ?? {}).map(([path, run]): [string, Route] => [path, {
          GET: {
            summary: "A page for people.",
            answer: { type: "text/html", schema: { type: "string" } },
            run,
          },
        }]),
      ),
    };
  }

  /** The OpenAPI document of this server. */
  openApi(): Readonly<Record<string, unknown>> {
    return openApi({
      routes: this.routes,
      limits: this.limits,
      token: this.options.token !== undefined,
    });
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
    this.sockets.close();
  }

  /**
   * Answers a request for a web socket: a refusal, or what takes the socket in once it is open.
   *
   * @param request With `Upgrade: websocket`.
   */
  readonly upgrade = (request: Request): Response | ((socket: ClientSocket) => void) => {
    let path = "/";
    try {
      const url = new URL(request.url);
      path = tidyPath(url.pathname);
      this.guard.checkHost(request);
      if (!SOCKET_PATHS.includes(path)) {
        throw new ApiError(
          404,
          "not_found",
          `There is no web socket ${path.slice(0, 100)} here, only ${SOCKET_PATHS[0]}`,
        );
      }
      // Browsers let every page open sockets everywhere.
      this.guard.checkOrigin(request);
      const owner = this.guard.checkToken(request);
      if (this.sockets.size >= MOST_SOCKETS) {
        throw new ApiError(503, "busy", `${MOST_SOCKETS} web sockets are open already; try again later`);
      }
      const client = (url.searchParams.get("clientId") ?? "").slice(0, LONGEST_CLIENT);
      return (socket) => this.sockets.open(owner, client, socket, this.comfyui.status(owner));
    } catch (error) {
      return this.refusal(request, path, error);
    }
  };

  private async answer(request: Request): Promise<Response> {
    let path = "/";
    try {
      const { pathname, searchParams } = new URL(request.url);
      path = tidyPath(pathname);
      this.guard.checkHost(request);
      const method = request.method === "HEAD" ? "GET" : request.method;
      // ComfyUI's clients ask either way.
      const found = routeOf(this.routes, path) ??
        (path.startsWith("/api/") ? routeOf(this.comfyui.routes, path.slice("/api".length)) : undefined);
      if (!found) return await this.page(request, pathname);
      const { route, params } = found;
      const preflight = this.guard.preflight(request, Object.keys(route));
      if (preflight) return preflight;
      if (method !== "GET") this.guard.checkOrigin(request);
      const operation = Object.hasOwn(route, method) ? route[method as keyof Route] : undefined;
      // Whether it lives may be asked by everybody.
      const owner = operation?.open ? "" : this.guard.checkToken(request);
      if (request.method === "OPTIONS") {
        // No browser's question before a page's request, but a client's: what the route answers to.
        return new Response(null, { status: 204, headers: { allow: Object.keys(route).join(", ") } });
      }
      if (!operation) {
        const allow = Object.keys(route).join(", ");
        throw new ApiError(405, "bad_method", `${path} answers ${allow} only`, undefined, { allow });
      }
      const { fields = {} } = operation.body ?? {};
      for (const key of searchParams.keys()) {
        if (!Object.hasOwn(fields, key)) continue;
        throw new ApiError(422, "bad_field", `"${key}" stands in the address; fields go into the body`, key);
      }
      const most = this.options.maxRequests ?? 256;
      if (method !== "GET" && this.open.size > most) {
        throw new ApiError(503, "busy", `${most} requests are being answered already; try again later`);
      }
      const answer = await operation.run({ request, params, owner });
      return answer instanceof Response ? answer : json(200, answer);
    } catch (error) {
      return this.refusal(request, path, error);
    }
  }

  private async metrics(): Promise<Response> {
    const { jobs, bodies } = this;
    const text = metricsText({
      waiting: jobs.length - jobs.running,
      running: jobs.running,
      begun: jobs.begun,
      secondsPerStep: jobs.secondsPerStep,
      heldBytes: bodies.heldBytes,
      jobs: this.named.counts(),
      answered: this.answered,
    });
    const more = await this.options.metrics?.() ?? "";
    return new Response(text + more, {
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
    });
  }

  /** The model of a request that names none. */
  private usual(owner: string): Engine {
    return this.chosen.get(owner) ?? this.models.first;
  }

  /** `POST /sdapi/v1/options`. */
  private async choose(body: unknown, { owner }: Call): Promise<unknown> {
    const warnings = checkSettings(body ?? {}, false);
    const field = "sd_model_checkpoint";
    const { [field]: name } = (body ?? {}) as Record<string, unknown>;
    try {
      const engine = await modelNamed(this.models, name, field);
      if (engine) this.chosen.set(owner, engine);
    } catch (error) {
      // Where there is no choice, a client that sets one unasked gets what there is.
      if (!(error instanceof ApiError) || this.models.offer) throw error;
      warnings.push(`"${field}": this server draws with "${nameOf(this.models.first.info)}" alone`);
    }
    return warnings.length > 0 ? { warnings } : null;
  }

  /** A synchronous call for pictures. */
  private drawing(kind: keyof typeof KINDS, summary: string): Operation {
    const edit = kind === "edits";
    const answer = { schema: ref(/img$/.test(kind) ? "Pictures" : "Images") };
    const read = async (call: Call, body: unknown, files?: FormFiles): Promise<unknown> => {
      const { models, limits } = this;
      const asked = await KINDS[kind].read(body, { models, usual: this.usual(call.owner), limits }, files);
      this.checkPlan(asked);
      if (asked.stream !== undefined) return this.events(call, asked, asked.stream, edit);
      const { engine, requests } = asked;
      const result = await this.jobs.run(engine, requests, call.request.signal, undefined, this.asker(call));
      return asked.answer(result, await this.files(asked, result), this.texts(asked, result));
    };
    return {
      summary,
      body: { fields: KINDS[kind].fields, ...edit && { form: true as const } },
      answer,
      refusals: { 429: "Too many requests of this client wait; Retry-After says when to try again." },
      run: async (call) => {
        const { request } = call;
        const type = request.headers.get("content-type") ?? "";
        if (!edit || !/^multipart\/form-data\b/i.test(type)) {
          return await this.body(request, (body) => read(call, body));
        }
        checkEncoding(request);
        using held = await this.bodies.read(request);
        const form = await new Response(held.bytes, { headers: { "content-type": type } }).formData().catch(
          () => {
            throw new ApiError(400, "bad_form", "The body is no form");
          },
        );
        const { body, files } = await formFields(form);
        return await read(call, body, files);
      },
    };
  }

  /** A call that enlarges finished pictures. */
  private enlarging(batch: boolean): Operation {
    const answer = async (body: unknown, call: Call): Promise<unknown> => {
      const { upscalers, enlargedFile = ({ picture }) => encodePng(picture) } = this.options;
      this.refuseFarEnlarging();
      const asked = askedEnlarging(body, await upscalers?.list() ?? [], this.limits, batch);
      const pixels = Math.max(...asked.sources.map(({ size: { width, height } }) => width * height));
      const pictures = await this.jobs.work(
        { pictures: asked.sources.length, pixels },
        (signal, onShare) => enlarged(asked, upscalers, signal, onShare),
        call.request.signal,
        this.asker(call),
      );
      const images: string[] = [];
      for (const picture of pictures) images.push(base64(await enlargedFile(picture, asked.fields)));
      return { html_info: infoHtml(asked.fields), ...batch ? { images } : { image: images[0] } };
    };
    return {
      summary: batch ? "Several finished pictures, enlarged." : "A finished picture, enlarged.",
      body: { fields: batch ? EXTRA_BATCH_FIELDS : EXTRA_FIELDS },
      answer: { schema: ref(batch ? "EnlargedList" : "Enlarged") },
      refusals: { 429: "Too many requests of this client wait; Retry-After says when to try again." },
      run: (call) => this.body(call.request, (body) => answer(body, call)),
    };
  }

  private refuseFarEnlarging(): void {
    if (!this.options.queue) return;
    throw new ApiError(
      422,
      "unsupported",
      "Workers draw this server's pictures, and none enlarges finished ones; `cli.ts upscale` does",
    );
  }

  private texts({ engine: { info } }: Asked, { images }: JobResult): readonly string[] {
    const { pictureText } = this.options;
    return pictureText ? images.map((image) => pictureText(image, info)) : [];
  }

  /** An answer of server-sent events: pictures on their way, then finished ones. */
  private events(call: Call, { engine, requests }: Asked, previews: number, edit: boolean): Response {
    const { request } = call;
    const left = new AbortController();
    const leave = (): void => left.abort();
    request.signal.addEventListener("abort", leave, { once: true });
    // Pictures are written one after another, in the order in which they were drawn.
    let writing: Promise<void> = Promise.resolve();
    const encoder = new TextEncoder();
    let send: (text: string) => void = () => {};
    const event = (data: { readonly type: string }): void => send(eventText(data.type, data));
    const sizeOf = (i: number): { width: number; height: number } => {
      const { width, height } = engine.plan(requests[i]);
      return { width, height };
    };
    const job = this.jobs.run(engine, requests, left.signal, {
      previews,
      onPreview: (preview, picture, index) => {
        writing = writing.then(async () =>
          event(pictureEvent(edit, base64(await previewPng(preview)), sizeOf(picture), index))
        );
      },
      onImage: (image) => {
        writing = writing.then(async () =>
          event(pictureEvent(edit, base64(await this.options.pictureFile(image, engine.info)), image))
        );
      },
    }, this.asker(call));
    const alive = setInterval(() => send(ALIVE), ALIVE_EVERY_MS);
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
            const known = this.asApiError(error);
            send(eventText("error", { type: "error", ...errorAnswer(known) as object }));
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
    return eventAnswer(body);
  }

  /** What cannot be planned is refused now rather than when its turn comes. */
  private checkPlan({ engine, requests }: Pick<Asked, "engine" | "requests">): void {
    const { width, height } = engine.plan(requests[0]);
    if (width * height > this.limits.pixels) {
      throw new ApiError(
        422,
        "too_large",
        `The picture would have ${width} × ${height} pixels, this server draws at most ${this.limits.pixels}; give a size`,
        "size",
      );
    }
  }

  /** With several tokens shares go by token, else by address. */
  private asker({ request, owner }: Call): Asker {
    return {
      client: owner === "" ? this.clients.get(request) : `token ${owner}`,
      owner,
      priority: this.options.priority,
    };
  }

  private async progress({ request, owner }: Call): Promise<unknown> {
    const state = this.jobs.state(owner);
    const skips = switchedQuery(request, "skip_current_image");
    const preview = skips ? undefined : state?.preview;
    return progressAnswer(
      state,
      this.jobs.length - this.jobs.running,
      preview ? base64(await previewPng(preview)) : null,
    );
  }

  private async files({ engine: { info } }: Asked, { images }: JobResult): Promise<string[]> {
    const files: string[] = [];
    for (const image of images) files.push(base64(await this.options.pictureFile(image, info)));
    return files;
  }

  private async page(request: Request, path: string): Promise<Response> {
    const reads = request.method === "GET" || request.method === "HEAD";
    const file = reads ? await this.options.page?.(path, request) : undefined;
    if (file) return file;
    // Two letters make any short path of any other.
    const slips = path.length > 8 ? 2 : 0;
    const near = nearest(path.slice(0, 100), Object.keys(this.routes), slips);
    throw new ApiError(
      404,
      "not_found",
      `There is no ${path.slice(0, 100)} here${near ? `; did you mean ${near}?` : ""}`,
    );
  }

  /** Reads the body as JSON, within its bounds of size and time, which count until it is answered. */
  private async body<T>(
    request: Request,
    answer: (body: unknown) => Promise<T> | T,
    most = Infinity,
  ): Promise<T> {
    const { held, body } = await this.jsonBody(request, most);
    using _ = held;
    return await answer(body);
  }

  /**
   * The body as JSON, counted among those that are held until it is disposed.
   *
   * @param anyType Whether it may be called anything, and be none: ComfyUI's clients send JSON as text or as a form.
   */
  private async jsonBody(
    request: Request,
    most = Infinity,
    anyType = false,
  ): Promise<{ held: HeldBody; body: unknown }> {
    if (!anyType && !/^application\/json\b/i.test(request.headers.get("content-type") ?? "")) {
      throw new ApiError(415, "bad_type", "The body has to be JSON, with content-type: application/json");
    }
    checkEncoding(request);
    const held = await this.bodies.read(request);
    try {
      if (held.bytes.length > most) {
        throw new ApiError(413, "too_long", `The body is longer than ${most} bytes`);
      }
      if (anyType && held.bytes.length === 0) return { held, body: {} };
      if (held.bytes.length === 0) throw new ApiError(400, "bad_json", "The body is empty, expected JSON");
      const text = new TextDecoder("utf-8", { fatal: true }).decode(held.bytes);
      const body = parseJson("body", text, BODY_BOUNDS);
      const twice = repeatedKey(text);
      if (twice === undefined) return { held, body };
      const name = twice.slice(0, 100);
      throw new ApiError(400, "bad_json", `The body holds "${name}" twice: send one`, name);
    } catch (error) {
      held[Symbol.dispose]();
      if (error instanceof ApiError) throw error;
      if (error instanceof LssgenError) {
        throw new ApiError(400, "bad_json", `The ${error.message.replaceAll('"', "")}`);
      }
      throw new ApiError(400, "bad_json", "The body is no JSON");
    }
  }

  private refusal(request: Request, path: string, error: unknown): Response {
    const known = this.asApiError(error);
    const openai = path.startsWith("/v1/");
    // A1111 and FastAPI call it 422, OpenAI 400.
    const status = openai && known.status === 422 ? 400 : known.status;
    const headers: Record<string, string> = { ...known.headers };
    if (status === 401) headers["www-authenticate"] = schemes(request);
    if (status === 503 || status === 429 || known.code === "not_ready") {
      headers["retry-after"] = String(this.jobs.retryAfter);
    }
    return json(
      status,
      openai ? errorAnswer(known) : reason(known.code, known.message, known.field),
      headers,
    );
  }

  private asApiError(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    // Nobody reads it: the client has left.
    if (error instanceof AbortedError) return new ApiError(499, "aborted", "The client left");
    if (error instanceof LssgenError) {
      const theirs = ["bad_option", "bad_file", "unsupported"].includes(error.code);
      if (!theirs) this.options.onError?.(error);
      const status = theirs ? 422 : error.code === "unavailable" ? 503 : 500;
      return new ApiError(status, error.code, withoutFolders(error.message));
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

/**
 * A switch in the address, in the words that A1111's server takes; without it false.
 *
 * @throws {ApiError} 422 for any other word.
 */
function switchedQuery(request: Request, name: string): boolean {
  const word = new URL(request.url).searchParams.get(name)?.toLowerCase() ?? "false";
  if (["true", "1", "yes", "on"].includes(word)) return true;
  if (["false", "0", "no", "off"].includes(word)) return false;
  throw new ApiError(422, "bad_field", `"${name}" is "${word.slice(0, 40)}", expected true or false`, name);
}

async function previewPng({ width, height, rgb }: RgbPicture): Promise<Uint8Array> {
  return await encodePng({ width, height, channels: 3, data: rgb });
}

/** Errors as A1111 words them, with the field added. */
function reason(error: string, detail: string, field?: string): unknown {
  return { error, detail, ...field && { field } };
}
