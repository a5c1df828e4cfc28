/**
 * What page and worker say to each other: plain records only.
 *
 * @module
 */

import type { ErrorCode } from "../lib/errors.ts";
import type { KernelSpec } from "../lib/gpu/kernel.ts";
import type { MatmulTuning } from "../lib/gpu/tune.ts";
import type { MemoryPlan } from "../lib/pipelines/memory.ts";
import type { ModelOffer, PlanSummary } from "../lib/pipelines/offer.ts";
import type { GenerateRequest, Progress } from "../lib/pipelines/types.ts";

export type { PlanSummary } from "../lib/pipelines/offer.ts";

/** A folder that the user chose: files by path inside it. Files travel as handles, not as bytes. */
export interface OwnFolder {
  /** Name of the folder. */
  readonly name: string;
  /** Files by path. */
  readonly files: ReadonlyMap<string, File>;
}

/** A model by its name on a hub. */
export interface HubModel {
  /** `ORG/NAME`. */
  readonly name: string;
  /** Address of the hub. */
  readonly endpoint: string;
}

/** A model of the user's: a folder or a hub's model, files of weights that make a model or take the place of weights in one. */
export interface OwnModel {
  /** The folder; the page's own model without one and without a hub's. */
  readonly folder?: OwnFolder;
  /** A hub's model. */
  readonly hub?: HubModel;
  /** A whole model, its parts, or LoRAs. */
  readonly files?: readonly File[];
}

/** What the page shows of a model. */
export interface ModelSummary extends ModelOffer {
  /** Bytes to download before the first picture; 0 for a folder of the user's. */
  readonly bytes: number;
  /** How many of them are stored already. */
  readonly stored: number;
  /** Bytes that this browser can still store, where it says so. */
  readonly room?: number;
  /** What was chosen among a hub's files, in sentences. */
  readonly notes: readonly string[];
  /** What the user's file is for: `transformer`, `unet`, `vae`, `lora`. */
  readonly part?: string;
  /** LoRAs that prompts may name. */
  readonly loras: readonly string[];
  /** Words that the model was trained on, where it says so. */
  readonly words?: readonly string[];
  /** Prompts that it draws well, where it names some. */
  readonly examples?: readonly string[];
}

/** A model of which weights are kept in this browser. */
export interface StoredModel {
  /** `ORG/NAME` of a hub's; undefined: the page's own. */
  readonly name?: string;
  /** Address under which its parts are kept. */
  readonly under: string;
  /** Bytes kept. */
  readonly bytes: number;
}

/** Progress with the download before it, whose steps are bytes, and the kernels' compilation. */
export type WebProgress = Omit<Progress, "phase"> & {
  readonly phase: Progress["phase"] | "download" | "prepare";
};

/** Milliseconds of a phase. */
export interface Timing {
  /** encode, denoise, decode. */
  readonly phase: string;
  /** Milliseconds. */
  readonly ms: number;
}

/** A finished picture. */
export interface PictureMessage {
  /** The file, parameters inside. */
  readonly png: Blob;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Everything that made it. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Where the time went, loading left out. */
  readonly timings: readonly Timing[];
  /** Sum of it. */
  readonly ms: number;
  /** Sentences. */
  readonly warnings: readonly string[];
}

/** Pictures to begin with, as files: the worker decodes them. */
export interface StartFiles {
  /** For image-to-image. */
  readonly image?: File;
  /** What of it is drawn anew. */
  readonly mask?: File;
}

/** One picture of a run. */
export interface Job {
  /** What to draw. */
  readonly request: GenerateRequest;
  /** What to begin with. */
  readonly start?: StartFiles;
  /** Compiles what the picture needs beforehand, so that its time can be compared. */
  readonly warmUp: boolean;
  /** Most bytes of GPU memory that the model may take; all of it without. */
  readonly maxVramBytes?: number;
}

/** From the page. `id` comes back with every answer. */
export type ToWorker =
  | {
    readonly type: "open";
    readonly id: number;
    /** The model of this page when absent. */
    readonly own?: OwnModel;
    /** Measurements of earlier visits: workers have no localStorage. */
    readonly tunings: readonly MatmulTuning[];
    /** Kernels of earlier visits, by key. */
    readonly kernels: readonly (readonly [key: string, kernels: readonly KernelSpec[]])[];
  }
  | {
    readonly type: "plan";
    readonly id: number;
    readonly request: Omit<GenerateRequest, "prompt">;
    readonly start?: StartFiles;
  }
  | { readonly type: "run"; readonly id: number; readonly jobs: readonly Job[] }
  | {
    readonly type: "memory";
    readonly id: number;
    readonly request: Omit<GenerateRequest, "prompt">;
    readonly maxVramBytes?: number;
  }
  | {
    readonly type: "forget";
    readonly id: number;
    /** One model; all without. */
    readonly under?: string;
  }
  | { readonly type: "stop" };

/** From the worker. */
export type FromWorker =
  /** Its script has run: what was sent before is lost, since it waits for its shaders first. */
  | { readonly type: "ready" }
  | {
    readonly type: "opened";
    readonly id: number;
    readonly model: ModelSummary;
    /** The GPU's name; absent when there is trouble with it. */
    readonly adapter?: string;
    /** What is in the way of drawing. */
    readonly trouble?: { readonly code: ErrorCode; readonly message: string };
  }
  | { readonly type: "planned"; readonly id: number; readonly plan: PlanSummary }
  | {
    readonly type: "began";
    readonly id: number;
    readonly job: number;
    readonly plan: PlanSummary;
    readonly warmUp: boolean;
  }
  | { readonly type: "progress"; readonly id: number; readonly event: WebProgress }
  | { readonly type: "retrying"; readonly id: number }
  | { readonly type: "picture"; readonly id: number; readonly job: number; readonly picture: PictureMessage }
  | { readonly type: "done"; readonly id: number }
  | { readonly type: "failed"; readonly id: number; readonly code: ErrorCode; readonly message: string }
  | { readonly type: "memory"; readonly id: number; readonly memory?: MemoryPlan }
  | { readonly type: "stored"; readonly bytes: number; readonly models: readonly StoredModel[] }
  | { readonly type: "tuned"; readonly tuning: MatmulTuning }
  | { readonly type: "kernels"; readonly key: string; readonly list: readonly KernelSpec[] };
