/**
 * The queue between those who ask for pictures and the machines that draw them: five verbs. In one process it is
 * {@linkcode LocalQueue}; the package's entry `scale` has one on Redis, for many machines.
 *
 * @module
 */

import type {
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  Pipeline,
  Progress,
} from "../pipelines/types.ts";
import type { Offer, Priority } from "./policy.ts";

export type { Offer } from "./policy.ts";

/** What draws. */
export interface Engine extends Pick<Pipeline, "info" | "plan"> {
  /** As the pipeline's, awaited as a whole. */
  generate(request: GenerateRequest, options?: GenerateOptions): Promise<GenerateResult>;
}

/** A picture to be drawn: a job. */
export interface QueuedPicture {
  /** Its parameters; one picture, its seed included. */
  readonly request: GenerateRequest;
  /** Pixels it will have. */
  readonly pixels: number;
  /** Whose share of the machines it takes; any text. */
  readonly client: string;
  /** How large that share is. */
  readonly priority: Priority;
  /** Name of the model that draws it, on a server of several. A queue of one model has its own way to name that. */
  readonly model?: string;
  /** Which previews are wanted. */
  readonly previews?: Pick<GenerateOptions, "preview" | "previewEvery">;
  /** What is done in place of drawing, when it is this job's turn. Only the queue of one process takes such jobs. */
  readonly work?: (signal: AbortSignal) => Promise<Drawn>;
}

/** What came of a job: pictures, or latents for the job that draws the later stages. */
export type Drawn = Pick<GenerateResult, "images" | "latents" | "warnings">;

/** How whoever submitted a job follows it. */
export interface Watch {
  /** Fires when he does not want it any more: unless others do, it is dropped, or stopped within one step. */
  readonly signal: AbortSignal;
  /** A machine has begun; again when another one has to. */
  readonly onBegin?: () => void;
  /** Where it is. */
  readonly onProgress?: (progress: Progress) => void;
}

/** A job in the hands of a machine. */
export interface Claim extends QueuedPicture {
  /** Its name in the queue. */
  readonly id: string;
  /** The model that draws it: its name in the queue of one process, its hash elsewhere; undefined where there is one. */
  readonly model?: string;
  /** 1 the first time. */
  readonly attempt: number;
  /** Fires when it is cancelled, or given to another machine. */
  readonly signal: AbortSignal;
}

/** How a machine ends a job. */
export type Outcome =
  | { readonly drawn: Drawn }
  /** It failed; the queue decides whether it is tried again. */
  | { readonly error: unknown }
  /** It was not done, and is left for another machine: this one ends (`now`), or has not what the job needs (`later`). */
  | { readonly release: string; readonly when: "now" | "later" };

/** See the module. */
export interface JobQueue {
  /**
   * Puts a job into the queue and follows it to its end.
   *
   * @throws {AbortedError} When the watch's signal fires, or the job is cancelled.
   * @throws {LssgenError} What the machine threw that drew it.
   */
  submit(job: QueuedPicture, watch: Watch): Promise<Drawn>;
  /** Waits for a job that a machine can draw. Undefined: the signal fired. */
  claim(offer: () => Offer, signal: AbortSignal): Promise<Claim | undefined>;
  /** Tells those who follow the job where it is. Never throws: a report is worth nothing later. */
  report(claim: Claim, progress: Progress): void;
  /** Ends a job, once: a machine that lost it in the meantime is told nothing and changes nothing. */
  finish(claim: Claim, outcome: Outcome): Promise<void>;
  /** Drops or stops a job, whoever waits for it. False: there is none of this name that waits or runs. */
  cancel(id: string): Promise<boolean>;
}

/**
 * Draws one job after another, until the signal fires.
 *
 * @param draw Draws a job; what it throws is the job's end.
 */
export async function work(
  queue: JobQueue,
  offer: () => Offer,
  draw: (claim: Claim) => Promise<Drawn>,
  signal: AbortSignal,
): Promise<void> {
  for (let claim = await queue.claim(offer, signal); claim; claim = await queue.claim(offer, signal)) {
    let outcome: Outcome;
    try {
      outcome = { drawn: await draw(claim) };
    } catch (error) {
      outcome = error instanceof LeftForOthers ? { release: error.message, when: error.when } : { error };
    }
    await queue.finish(claim, outcome);
  }
}

/** Thrown by a machine that does not draw a job itself: another one shall. */
export class LeftForOthers extends Error {
  /**
   * Makes it.
   *
   * @param message Why, for people.
   * @param when Whether another machine can draw it now, or some time later.
   */
  constructor(message: string, readonly when: "now" | "later") {
    super(message);
    this.name = "LeftForOthers";
  }
}
