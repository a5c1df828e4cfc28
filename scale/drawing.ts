/**
 * A thread that draws, seen from the thread that holds the queue.
 *
 * @module
 */

import { AbortedError, type ErrorCode, LssgenError } from "../lib/errors.ts";
import type { EngineChoice } from "../lib/parameters/engine_choice.ts";
import type { GenerateOptions, GenerateRequest, Progress } from "../lib/pipelines/types.ts";
import { stayMs } from "../lib/server/policy.ts";
import { type Drawn, LeftForOthers } from "../lib/server/queue.ts";
import type { HeldModel } from "./models.ts";

/** A picture to draw. */
export interface DrawCall {
  /** The model, of this machine. */
  readonly model: HeldModel;
  /** How it is opened. */
  readonly engine: EngineChoice;
  /** What to draw; pictures in it are decoded. */
  readonly request: GenerateRequest;
  /** Pixels that the job said. */
  readonly pixels: number;
  /** Which of its stages; absent: all. */
  readonly part?: Pick<GenerateOptions, "stopAfter" | "resume">;
  /** Hashes of the LoRAs that the prompts name. */
  readonly loras: Readonly<Record<string, string>>;
  /** Previews. */
  readonly previews?: Pick<GenerateOptions, "preview" | "previewEvery">;
}

/** What the thread says. */
export type ThreadWord =
  | { readonly kind: "note"; readonly text: string }
  | { readonly kind: "loaded"; readonly hash: string }
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "drawn"; readonly drawn: Drawn }
  | { readonly kind: "left"; readonly why: string }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string };

/** Milliseconds that a thread may take to stop; then it is ended, GPU and all. */
const STOP_MS = 60_000;

/** See the module. One picture at a time. */
export class Drawing implements Disposable {
  private thread: Worker | undefined;
  private onGpu: string | undefined;
  private stays = 0;

  /**
   * Makes it; the thread starts with the first picture.
   *
   * @param module The thread's code. Default the engine of this package; tests have others.
   * @param note Told what the thread has to say.
   */
  constructor(
    private readonly note: (text: string) => void,
    private readonly module: URL = new URL("./drawing_thread.ts", import.meta.url),
  ) {}

  /** Hash of the model on the GPU. */
  get loaded(): string | undefined {
    return this.onGpu;
  }

  /** Until when it stays with that model while there is work for it. */
  get staysUntil(): number {
    return this.stays;
  }

  /**
   * Draws.
   *
   * @throws {AbortedError} Within one step of the signal.
   * @throws {LeftForOthers} For what this machine has not.
   * @throws {LssgenError} What went wrong; after `device_lost` and `internal` the next picture has a new thread.
   */
  async draw(call: DrawCall, signal: AbortSignal, onProgress: (progress: Progress) => void): Promise<Drawn> {
    if (signal.aborted) throw new AbortedError();
    const thread = this.thread ??= new Worker(this.module, { type: "module" });
    const end = Promise.withResolvers<Drawn>();
    const began = Date.now();
    const give = (): void => {
      this.drop();
      end.reject(new AbortedError());
    };
    let giving: ReturnType<typeof setTimeout> | undefined;
    const stop = (): void => {
      thread.postMessage("stop");
      giving = setTimeout(give, STOP_MS);
    };
    thread.onmessage = ({ data }: MessageEvent<ThreadWord>) => {
      if (data.kind === "note") this.note(data.text);
      else if (data.kind === "loaded") {
        if (this.onGpu !== data.hash) this.stays = Date.now() + stayMs(Date.now() - began);
        this.onGpu = data.hash;
      } else if (data.kind === "progress") onProgress(data.progress);
      else if (data.kind === "drawn") end.resolve(data.drawn);
      else if (data.kind === "left") end.reject(new LeftForOthers(`This worker ${data.why}`, "later"));
      else {end.reject(
          data.code === "aborted" ? new AbortedError() : new LssgenError(data.code, data.message),
        );}
    };
    thread.onerror = (event) => {
      event.preventDefault();
      end.reject(new LssgenError("internal", `The drawing thread failed: ${event.message}`));
    };
    signal.addEventListener("abort", stop, { once: true });
    thread.postMessage(call);
    try {
      return await end.promise;
    } catch (error) {
      // Whatever state it is in, another one is in a good one.
      if (error instanceof LssgenError && ["device_lost", "internal"].includes(error.code)) this.drop();
      throw error;
    } finally {
      clearTimeout(giving);
      signal.removeEventListener("abort", stop);
    }
  }

  /** Ends the thread. */
  private drop(): void {
    this.thread?.terminate();
    this.thread = undefined;
    this.onGpu = undefined;
  }

  /** Ends the thread, GPU and all. */
  [Symbol.dispose](): void {
    this.drop();
  }
}
