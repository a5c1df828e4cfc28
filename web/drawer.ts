/**
 * Who draws for the page: the worker of this browser, or the server that the page comes from. Both answer the same questions.
 *
 * @module
 */

import type { ErrorCode } from "../lib/errors.ts";
import type { MemoryPlan } from "../lib/pipelines/memory.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import type {
  Job,
  ModelSummary,
  OwnModel,
  PictureMessage,
  PlanSummary,
  StartFiles,
  WebProgress,
} from "./protocol.ts";

/** What is said while pictures are drawn. */
export interface RunListener {
  /** A picture, or the short run before it, begins. */
  onBegan(job: number, plan: PlanSummary, warmUp: boolean): void;
  /** At every step. */
  onProgress(event: WebProgress): void;
  /** Others are drawn before. */
  onWaiting?(count: number): void;
  /** The device was lost; the picture begins anew. */
  onRetrying(): void;
  /** A picture is finished. */
  onPicture(job: number, picture: PictureMessage): void;
}

/** An error of who draws. */
export class DrawingError extends Error {
  /** @param code Its kind. */
  constructor(readonly code: ErrorCode | "bad_token", message: string) {
    super(message);
  }
}

/** A model that was opened. */
export interface OpenedModel {
  /** What it is. */
  readonly model: ModelSummary;
  /** The GPU's name; absent when there is trouble with it. */
  readonly adapter?: string;
  /** What is in the way of drawing. */
  readonly trouble?: { readonly code: ErrorCode; readonly message: string };
}

/** See the module. */
export interface Drawer {
  /** Opens a model; its own without one. The one before stays open when this fails. */
  open(own?: OwnModel): Promise<OpenedModel>;
  /** The stages of a request. */
  plan(request: Omit<GenerateRequest, "prompt">, start?: StartFiles): Promise<PlanSummary>;
  /** What a request takes of the GPU's memory, where that can be told, under a limit in bytes where there is one. */
  memory(request: Omit<GenerateRequest, "prompt">, maxVramBytes?: number): Promise<MemoryPlan | undefined>;
  /** Draws one picture after another. */
  run(jobs: readonly Job[], listener: RunListener): Promise<void>;
  /** Ends the run within a step. */
  stop(): void;
  /** Ends the run at once. */
  kill(): Promise<void>;
}
