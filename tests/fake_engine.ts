/** A pipeline that draws grey pictures, and requests to a server in front of it. */

import { pictureFile } from "../lib/parameters/picture.ts";
import { LssgenError } from "../lib/errors.ts";
import type {
  GeneratedImage,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  ModelInfo,
} from "../lib/pipelines/types.ts";
import type { Plan } from "../lib/scaling/types.ts";
import type { Engine } from "../lib/server/jobs.ts";
import type { ImageServer, ServerOptions } from "../lib/server/server.ts";
import type { Upscalers } from "../lib/server/upscalers.ts";

const INFO = {
  name: "fake",
  pipeline: "FluxPipeline",
  latentChannels: 16,
  scheduler: { _class_name: "FlowMatchEulerDiscreteScheduler" },
  defaults: { width: 64, height: 32, steps: 4, guidance: 2 },
  embeddedGuidance: true,
  latentRgb: { factors: [], bias: [0, 0, 0] },
} as unknown as ModelInfo;

/** What differs in a model of the other kind. */
export const DIFFUSION: Partial<ModelInfo> = {
  embeddedGuidance: false,
  scheduler: { _class_name: "EulerDiscreteScheduler" },
};

/** A grey picture. */
export const rgbOf: (width: number, height: number) => Uint8Array<ArrayBuffer> = (
  width: number,
  height: number,
) => new Uint8Array(width * height * 3).fill(128);

/** Draws grey pictures, at once or when told, and keeps what it was asked. */
export class FakeEngine implements Engine {
  /** The model. */
  readonly info: ModelInfo;
  /** What it was asked. */
  readonly asked: GenerateRequest[] = [];
  /** How it was asked. */
  readonly options: GenerateOptions[] = [];
  /** While set, a picture waits for it in the middle of its steps. */
  gate: PromiseWithResolvers<void> | undefined;
  /** The picture drawn last. */
  last: GeneratedImage | undefined;

  /** With what differs in the model. */
  constructor(info: Partial<ModelInfo> = {}) {
    this.info = { ...INFO, ...info };
  }

  /** Two stages. */
  plan(request: Omit<GenerateRequest, "prompt">): Plan {
    if ((request.method as string) === "magic") throw new LssgenError("bad_option", '--method is "magic"');
    const steps = Array.from({ length: request.steps ?? 4 }, () => ({}));
    const { width = 64, height = 32 } = request;
    return { width, height, stages: [{ tokens: 1, steps }, { tokens: 3, steps }] } as unknown as Plan;
  }

  /** Waits for the gate in the middle of its steps. */
  async generate(request: GenerateRequest, options: GenerateOptions = {}): Promise<GenerateResult> {
    this.asked.push(request);
    this.options.push(options);
    const { width = 64, height = 32, seed = 0 } = request;
    if (request.prompt === "surprise") throw new TypeError("secret of the house");
    const steps = request.steps ?? 4;
    options.onProgress?.({ phase: "denoise", stage: 2, step: 0, steps });
    const wanted = options.preview !== undefined;
    const preview = wanted ? { width: 8, height: 4, rgb: rgbOf(8, 4) } : undefined;
    options.onProgress?.({ phase: "denoise", stage: 2, step: steps / 2, steps, preview });
    await new Promise<void>((resolve, reject) => {
      // As a pipeline: whoever stops it gets his own reason back.
      const abort = (): void => reject(options.signal?.reason);
      if (options.signal?.aborted) abort();
      options.signal?.addEventListener("abort", abort);
      (this.gate?.promise ?? Promise.resolve()).then(resolve);
    });
    const image: GeneratedImage = {
      width,
      height,
      rgb: rgbOf(width, height),
      seed,
      parameters: { ...request, steps } as unknown as Record<string, unknown>,
    };
    this.last = image;
    return { images: [image], plan: this.plan(request), timings: [], warnings: [] };
  }

  /** Lets pictures wait until told. */
  hold(): PromiseWithResolvers<void> {
    return this.gate = Promise.withResolvers<void>();
  }
}

/** Options that every server needs. */
export const OPTIONS: ServerOptions = { pictureFile: (image) => pictureFile(image, {}) };
/** The address of a route. */
export const URL_OF = (path: string): string => `http://localhost:7860${path}`;

/** A request with a body. */
export function post(path: string, body: unknown, init: RequestInit = {}): Request {
  return new Request(URL_OF(path), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" || body instanceof Uint8Array ? body as BodyInit : JSON.stringify(body),
    ...init,
  });
}

/** A request without one. */
export const get = (path: string): Request => new Request(URL_OF(path));
/** What base64 holds. */
export const bytesOf = (base64: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

/** Status and text of an answer. */
export async function refused(server: ImageServer, request: Request): Promise<[number, string]> {
  const response = await server.handle(request);
  return [response.status, await response.text()];
}

/** A folder of one network, which makes grey pictures of twice the size. */
export function doublingUpscalers(name: string): Upscalers {
  return {
    list: () => Promise.resolve([{ name, network: "RRDBNet", scale: 2 }]),
    open: (name) =>
      Promise.resolve({
        ...{ name, network: "RRDBNet", scale: 2, reach: 1 },
        upscale: ({ width, height }) =>
          Promise.resolve({
            width: 2 * width,
            height: 2 * height,
            channels: 3,
            data: rgbOf(2 * width, 2 * height),
          }),
        [Symbol.dispose]: () => {},
      }),
  };
}
