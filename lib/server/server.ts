/**
 * A small server: A1111's and OpenAI's APIs over one queue. Requests and responses are the web platform's, so it runs
 * under whatever serves those; `cli.ts serve` is one way.
 *
 * @module
 */

import { AbortedError, LssgenError } from "../errors.ts";
import { encodePng } from "../image/png.ts";
import type { GeneratedImage, GenerateRequest } from "../pipelines/types.ts";
import { ApiError } from "./fields.ts";
import { type Engine, type JobResult, Jobs } from "./jobs.ts";
import { LIMITS, type Limits } from "./limits.ts";
import { errorAnswer, imageRequests, imagesAnswer, modelListAnswer } from "./openai.ts";
import { modelsAnswer, pictureAnswer, pictureRequests, progressAnswer, samplersAnswer } from "./sdapi.ts";

/** How the server behaves. */
export interface ServerOptions {
  /** A finished picture as the bytes of a PNG, with whatever it should say about itself. */
  readonly pictureFile: (image: GeneratedImage) => Promise<Uint8Array>;
  /** Requests to the APIs have to bring `Authorization: Bearer …`. */
  readonly token?: string;
  /**
   * Names that requests may call this server by, without port. A page elsewhere can have its own name lead to this
   * machine (DNS rebinding) and would then be let in by the browser. Undefined: any.
   */
  readonly hosts?: readonly string[];
  /** Longest body in bytes. Default 32 MiB: a picture to begin with, in base64. */
  readonly maxBodyBytes?: number;
  /** Milliseconds that a body may take to arrive. Default 30 s. */
  readonly bodyTimeoutMs?: number;
  /** Requests that wait at the same time. Default 64. */
  readonly maxWaiting?: number;
  /** Bounds of a request. */
  readonly limits?: Limits;
  /** Files of the page, by path; undefined when there is no such file. */
  readonly page?: (path: string) => Promise<Response | undefined>;
  /** Told of errors that nobody foresaw. */
  readonly onError?: (error: unknown) => void;
}

type Handler = (request: Request) => Promise<unknown> | unknown;

/** See the module. */
export class ImageServer {
  private readonly jobs: Jobs;
  private readonly routes: Readonly<Record<string, Readonly<Record<string, Handler>>>>;
  private readonly limits: Limits;
  private readonly maxBodyBytes: number;

  /**
   * Makes a server; nothing listens yet.
   *
   * @param engine The pipeline that draws. It stays the caller's to dispose, after {@linkcode close}.
   */
  constructor(private readonly engine: Engine, private readonly options: ServerOptions) {
    this.jobs = new Jobs(engine, options.maxWaiting ?? 64);
    this.limits = options.limits ?? LIMITS;
    this.maxBodyBytes = options.maxBodyBytes ?? 32 * 2 ** 20;
    const { info } = engine;
    this.routes = {
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
      "/sdapi/v1/options": { GET: () => ({ sd_model_checkpoint: info.name }) },
      "/v1/images/generations": { POST: (request) => this.openai(request) },
      "/v1/models": { GET: () => modelListAnswer(info) },
    };
  }

  /** Requests that wait or run. */
  get pending(): number {
    return this.jobs.length;
  }

  /** Answers one request; never throws. Bound, so that it can be handed on as it is. */
  readonly handle = async (request: Request): Promise<Response> => {
    let path = "/";
    try {
      path = new URL(request.url).pathname;
      this.checkHost(request);
      const route = Object.hasOwn(this.routes, path) ? this.routes[path] : undefined;
      if (!route) return await this.page(request, path);
      this.checkToken(request);
      const method = request.method === "HEAD" ? "GET" : request.method;
      if (!Object.hasOwn(route, method)) {
        return json(405, reason("bad_method", `${path} answers ${Object.keys(route).join(", ")} only`), {
          allow: Object.keys(route).join(", "),
        });
      }
      return json(200, await route[method](request));
    } catch (error) {
      return this.refusal(path, error);
    }
  };

  /** Stops what runs, refuses what waits, and resolves when the GPU is free. */
  async close(): Promise<void> {
    await this.jobs.close();
  }

  private async sdapi(request: Request, fromPicture: boolean): Promise<unknown> {
    const body = await this.body(request);
    const result = await this.draw(
      await pictureRequests(body, this.engine.info, this.limits, fromPicture),
      request.signal,
    );
    return pictureAnswer(body, result, await this.files(result.images));
  }

  private async openai(request: Request): Promise<unknown> {
    const body = await this.body(request);
    const { images, interrupted, warnings } = await this.draw(
      imageRequests(body, this.engine.info, this.limits),
      request.signal,
    );
    if (interrupted) throw new ApiError(503, "interrupted", "The request was interrupted");
    return imagesAnswer(await this.files(images), warnings);
  }

  private async draw(requests: readonly GenerateRequest[], signal: AbortSignal): Promise<JobResult> {
    // What cannot be planned is refused now rather than when its turn comes.
    this.engine.plan(requests[0]);
    return await this.jobs.run(requests, signal);
  }

  private async progress(request: Request): Promise<unknown> {
    const { state } = this.jobs;
    const preview = new URL(request.url).searchParams.get("skip_current_image") === "true"
      ? undefined
      : state?.preview;
    return progressAnswer(
      state,
      this.jobs.length - (state ? 1 : 0),
      preview
        ? base64(
          await encodePng({ width: preview.width, height: preview.height, channels: 3, data: preview.rgb }),
        )
        : null,
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
    return await this.options.page?.(path) ??
      json(404, reason("not_found", `There is no ${path.slice(0, 100)} here`));
  }

  private checkHost(request: Request): void {
    const { hosts } = this.options;
    const host = request.headers.get("host") ?? new URL(request.url).host;
    const name = host.replace(/:\d+$/, "").toLowerCase();
    if (hosts && !hosts.includes(name)) {
      throw new ApiError(403, "bad_host", `This server does not go by the name "${name.slice(0, 100)}"`);
    }
  }

  private checkToken(request: Request): void {
    const { token } = this.options;
    if (token === undefined) return;
    const [, given] = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
    if (given === undefined || !same(given, token)) {
      throw new ApiError(401, "bad_token", "This server wants a token: Authorization: Bearer …");
    }
  }

  /** The body as JSON, within its bounds of size and time. */
  private async body(request: Request): Promise<unknown> {
    // Pages of other sites can send text/plain without asking first, JSON they cannot.
    if (!/^application\/json\b/i.test(request.headers.get("content-type") ?? "")) {
      throw new ApiError(415, "bad_type", "The body has to be JSON, with content-type: application/json");
    }
    const { maxBodyBytes: most } = this;
    if (Number(request.headers.get("content-length") ?? 0) > most) throw tooLong(most);
    const reader = request.body?.getReader();
    const text: string[] = [];
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reader?.cancel().catch(() => {});
    }, this.options.bodyTimeoutMs ?? 30_000);
    try {
      let bytes = 0;
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
        bytes += part.value.length;
        if (bytes > most) throw tooLong(most);
        text.push(decoder.decode(part.value, { stream: true }));
      }
      if (late) throw new ApiError(408, "too_slow", "The body took too long to arrive");
      text.push(decoder.decode());
      return JSON.parse(text.join(""));
    } catch (error) {
      if (error instanceof ApiError) throw error;
      if (late) throw new ApiError(408, "too_slow", "The body took too long to arrive");
      if (request.signal.aborted) throw new AbortedError();
      throw new ApiError(400, "bad_json", "The body is no JSON");
    } finally {
      clearTimeout(timer);
      reader?.cancel().catch(() => {});
    }
  }

  private refusal(path: string, error: unknown): Response {
    const known = error instanceof ApiError ? error : this.asApiError(error);
    const openai = path.startsWith("/v1/");
    // A1111 and FastAPI call it 422, OpenAI 400.
    const status = openai && known.status === 422 ? 400 : known.status;
    const headers: Record<string, string> = {};
    if (status === 401) headers["www-authenticate"] = "Bearer";
    if (status === 503) headers["retry-after"] = "5";
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
      return new ApiError(theirs ? 422 : 500, error.code, error.message);
    }
    this.options.onError?.(error);
    // What nobody foresaw may tell of this machine; the log has it.
    return new ApiError(500, "internal", "Something went wrong in the server; its log says what");
  }
}

function tooLong(most: number): ApiError {
  return new ApiError(413, "too_long", `The body is longer than ${most} bytes`);
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
      "x-content-type-options": "nosniff",
      ...headers,
    },
  });
}

/** Equality whose time does not tell how much is equal. */
function same(a: string, b: string): boolean {
  let off = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) off |= a.charCodeAt(i) ^ b.charCodeAt(i % b.length);
  return off === 0;
}

/** Base64, in pieces: a call has a bounded number of arguments. */
function base64(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 0x8000) {
    parts.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
  }
  return btoa(parts.join(""));
}
