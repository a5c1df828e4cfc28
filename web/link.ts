/// <reference lib="dom" />
/**
 * The page's end of the conversation with the worker.
 *
 * @module
 */

import { kernelLists, storedKernels, storedTunings, storeTuning } from "../lib/gpu/stored.ts";
import type { MemoryPlan } from "../lib/pipelines/memory.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import { type Drawer, DrawingError, type RunListener } from "./drawer.ts";
import type {
  FromWorker,
  Job,
  OwnModel,
  PlanSummary,
  StartFiles,
  StoredModel,
  ToWorker,
} from "./protocol.ts";

type Opened = Extract<FromWorker, { type: "opened" }>;
/** A message without its number. */
type Unnumbered<T> = T extends { readonly id: number } ? Omit<T, "id"> : never;

/** Starts workers and pairs their answers with questions. */
export class Link implements Drawer {
  private worker: Worker | undefined;
  private lastId = 0;
  private readonly waiting = new Map<
    number,
    { resolve: (answer: FromWorker) => void; reject: (error: Error) => void; listener?: RunListener }
  >();
  private own: OwnModel | undefined;
  private ready: ReturnType<typeof withResolvers> | undefined;

  /** @param onStored Told how much this browser stores, whenever that may have changed. */
  constructor(private readonly onStored: (bytes: number, models: readonly StoredModel[]) => void) {}

  /** Opens a model; the page's own without one. */
  async open(own?: OwnModel): Promise<Opened> {
    const opened = await this.ask({ type: "open", own, tunings: storedTunings(), kernels: kernelLists() });
    this.own = own;
    return opened as Opened;
  }

  /** The stages of a request. */
  async plan(request: Omit<GenerateRequest, "prompt">, start?: StartFiles): Promise<PlanSummary> {
    const answer = await this.ask({ type: "plan", request, start });
    return (answer as Extract<FromWorker, { type: "planned" }>).plan;
  }

  /** Draws one picture after another. */
  async run(jobs: readonly Job[], listener: RunListener): Promise<void> {
    await this.ask({ type: "run", jobs }, listener);
  }

  /** What a request takes of the GPU's memory. */
  async memory(
    request: Omit<GenerateRequest, "prompt">,
    maxVramBytes?: number,
  ): Promise<MemoryPlan | undefined> {
    const answer = await this.ask({ type: "memory", request, maxVramBytes });
    return (answer as Extract<FromWorker, { type: "memory" }>).memory;
  }

  /** Deletes stored weights: of one model, or all. */
  async forget(under?: string): Promise<void> {
    await this.ask({ type: "forget", under });
  }

  /** Ends the run within a step. */
  stop(): void {
    this.worker?.postMessage({ type: "stop" } satisfies ToWorker);
  }

  /** Ends the run at once, with all that the worker has loaded; the next question starts another one. */
  async kill(): Promise<void> {
    this.end(new DrawingError("aborted", "Stopped"));
    await this.open(this.own);
  }

  private ask(question: Unnumbered<ToWorker>, listener?: RunListener): Promise<FromWorker> {
    const worker = this.worker ??= this.start();
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, listener });
      this.ready!.promise.then(() => worker.postMessage({ ...question, id }));
    });
  }

  private start(): Worker {
    this.ready = withResolvers();
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => this.hear(data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      const text = event.message || "the script could not be loaded";
      this.end(new DrawingError("internal", `The page's worker failed: ${text}`));
    });
    return worker;
  }

  private end(reason: Error): void {
    this.worker?.terminate();
    this.worker = undefined;
    for (const { reject } of this.waiting.values()) reject(reason);
    this.waiting.clear();
  }

  private hear(message: FromWorker): void {
    if (message.type === "ready") return this.ready?.resolve();
    if (message.type === "stored") return this.onStored(message.bytes, message.models);
    if (message.type === "tuned") return storeTuning(message.tuning);
    if (message.type === "kernels") return storedKernels.remember(message.key, message.list);
    const asked = this.waiting.get(message.id);
    if (!asked) return;
    switch (message.type) {
      case "began":
        return asked.listener?.onBegan(message.job, message.plan, message.warmUp);
      case "progress":
        return asked.listener?.onProgress(message.event);
      case "retrying":
        return asked.listener?.onRetrying();
      case "picture":
        return asked.listener?.onPicture(message.job, message.picture);
      case "failed":
        this.waiting.delete(message.id);
        return asked.reject(new DrawingError(message.code, message.message));
      default:
        this.waiting.delete(message.id);
        asked.resolve(message);
    }
  }
}

/** A promise and what fulfils it. */
function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((fulfil) => resolve = fulfil);
  return { promise, resolve };
}
