/**
 * A model on a GPU that may go away: opens what is needed when it is needed, and after a lost device tries
 * once more on a fresh one. Knows no page and no worker, so that tests can run it anywhere.
 *
 * @module
 */

import { DeviceLostError, LssgenError } from "../lib/errors.ts";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import { type MatmulTuning, tuneMatmul } from "../lib/gpu/tune.ts";
import { openPipeline, readModelInfo } from "../lib/pipelines/opening.ts";
import { rulesFor } from "../lib/pipelines/few_rules.ts";
import { planWith } from "../lib/pipelines/resolved_request.ts";
import type {
  GenerateRequest,
  GenerateResult,
  ModelInfo,
  Pipeline,
  PipelineOptions,
} from "../lib/pipelines/types.ts";
import type { Plan } from "../lib/scaling/types.ts";
import type { FolderSource } from "../lib/weights/bytes.ts";
import type { WebProgress } from "./protocol.ts";

/** Where the model comes from and what is known beforehand. */
export interface EngineOptions {
  /** The model's folder. */
  readonly folder: FolderSource;
  /** Finds the LoRAs that prompts name. */
  readonly findLora?: PipelineOptions["findLora"];
  /** Called before weights are read, each time they are: downloads. */
  readonly prepare?: (options: RunOptions) => Promise<void>;
  /** Measurements of earlier visits. */
  readonly tunings?: readonly MatmulTuning[];
  /** Told of a new measurement. */
  readonly onTuned?: (tuning: MatmulTuning) => void;
  /** Kernels of earlier visits. */
  readonly kernels?: PipelineOptions["kernels"];
  /** Type of activations; the adapter's best without. */
  readonly dtype?: PipelineOptions["dtype"];
  /** Largest activation in bytes once a device was lost or full; {@linkcode CAREFUL_BYTES} without. */
  readonly carefulBytes?: number;
}

/** How a run is watched and stopped. */
export interface RunOptions {
  /** Stops it within one step. */
  readonly signal?: AbortSignal;
  /** Called at every step. */
  readonly onProgress?: (event: WebProgress) => void;
  /** A preview with the progress of every so many steps. */
  readonly previewEvery?: number;
  /** Called when the device was lost and the run begins anew. */
  readonly onRetry?: () => void;
  /** Most bytes of GPU memory that the model may take: what does not fit is read from its files as it is used. */
  readonly maxVramBytes?: number;
}

/** A device and what has become of it. */
interface Opened {
  readonly device: Device;
  lost?: string;
}

/** Largest activation once a device was lost or full: smaller tiles, shorter commands, less memory. */
export const CAREFUL_BYTES: number = 64 << 20;

/** How long after an error the browser may take to say that the device was lost. */
const LOSS_GRACE_MS = 100;

/** See the module. One run at a time. */
export class Engine {
  private opened: Opened | undefined;
  private pipeline: Pipeline | undefined;
  private info: Promise<ModelInfo> | undefined;
  private careful = false;
  /** What the pipeline was opened for: its limit of memory holds for pictures of that size. */
  private openedFor: { readonly limit?: number; readonly request: GenerateRequest } | undefined;
  /** Whether a device of this model ever went away by itself. */
  hasLost = false;

  /** Opens nothing yet. */
  constructor(private readonly options: EngineOptions) {}

  /** The model's folder. */
  get folder(): FolderSource {
    return this.options.folder;
  }

  /** What the model's configs say. */
  model(): Promise<ModelInfo> {
    this.info ??= readModelInfo(this.options.folder);
    // A network that failed is asked again.
    this.info.catch(() => this.info = undefined);
    return this.info;
  }

  /** The stages of a request. */
  async plan(request: Omit<GenerateRequest, "prompt">): Promise<Plan> {
    const info = await this.model();
    return planWith(await rulesFor(info, request), info, request);
  }

  /**
   * The GPU, opened if it is not.
   *
   * @throws {NoAdapterError} Without one.
   */
  async device(): Promise<Device> {
    if (this.opened?.lost !== undefined) this.forget();
    if (!this.opened) {
      const device = await openDevice();
      const opened: Opened = { device };
      device.gpu.lost.then(({ message, reason }) => {
        opened.lost = message || reason;
        this.hasLost ||= reason !== "destroyed";
      });
      this.opened = opened;
    }
    return this.opened.device;
  }

  /**
   * Draws; on a lost device once more on a fresh one, with smaller tiles. They stay small: what a device could not
   * bear once it cannot bear again.
   *
   * @throws {LssgenError} As the pipeline does; `out_of_memory` also for what the browser ran out of.
   */
  async generate(request: GenerateRequest, options: RunOptions = {}): Promise<GenerateResult> {
    for (let attempt = 0;; attempt++) {
      try {
        const pipeline = await this.ready(request, options);
        const { onRetry: _, maxVramBytes: _limit, ...run } = options;
        return await this.unlessLost(pipeline.generate(request, run));
      } catch (error) {
        const fault = await this.diagnose(error);
        const gone = fault instanceof DeviceLostError;
        const other = options.maxVramBytes !== undefined && this.openedFor?.request !== request;
        // What stays was chosen for a picture of another size: chosen anew, this one may fit too.
        if ((fault as LssgenError).code === "out_of_memory" && other && attempt === 0) {
          this.forget();
          continue;
        }
        // What filled the memory, and whatever a lost device held, is of no use any more.
        if (gone || (fault as LssgenError).code === "out_of_memory") {
          this.forget();
          this.careful = true;
        }
        if (!gone || attempt > 0 || options.signal?.aborted) throw fault;
        options.onRetry?.();
      }
    }
  }

  /** Gives the GPU back. */
  forget(): void {
    // Not awaited: on a lost device a run in progress may never settle, and freeing its device frees all it holds.
    this.opened?.device[Symbol.dispose]();
    this.opened = undefined;
    this.pipeline = undefined;
  }

  private async ready(firstPicture: GenerateRequest, options: RunOptions): Promise<Pipeline> {
    const limit = options.maxVramBytes;
    if (this.pipeline && this.openedFor?.limit !== limit) this.forget();
    const device = await this.device();
    if (!this.pipeline) {
      const {
        folder,
        findLora,
        prepare,
        tunings = [],
        onTuned,
        dtype,
        carefulBytes = CAREFUL_BYTES,
        kernels,
      } = this.options;
      await prepare?.(options);
      options.onProgress?.({ phase: "prepare" });
      const tuning = await tuneMatmul(device, tunings);
      if (!tunings.includes(tuning)) onTuned?.(tuning);
      const { signal, onProgress } = options;
      const maxActivationBytes = this.careful ? carefulBytes : undefined;
      this.pipeline = await this.unlessLost(
        openPipeline(folder, {
          device,
          dtype,
          findLora,
          maxActivationBytes,
          maxVramBytes: limit,
          kernels,
          firstPicture,
          signal,
          onProgress,
        }, await rulesFor(await this.model(), firstPicture)),
      );
      this.openedFor = { limit, request: firstPicture };
    }
    return this.pipeline;
  }

  /** A promise of the GPU that also ends when the device does. */
  private async unlessLost<T>(work: Promise<T>): Promise<T> {
    const { gpu } = this.opened!.device;
    const loss = gpu.lost.then(({ message, reason }): never => {
      throw new DeviceLostError(`The GPU device was lost: ${message || reason}`);
    });
    return await Promise.race([work, loss]);
  }

  /** What was really the matter: the first symptom of a lost device or full memory is often another error. */
  private async diagnose(error: unknown): Promise<unknown> {
    if (error instanceof LssgenError && error.code !== "internal") return error;
    await new Promise((resolve) => setTimeout(resolve, LOSS_GRACE_MS));
    const { device, lost } = this.opened ?? {};
    try {
      device?.check();
    } catch (fault) {
      // A device may refuse commands before it is lost.
      if (lost === undefined || (fault as LssgenError).code === "out_of_memory") return fault;
    }
    if (lost !== undefined) return new DeviceLostError(`The GPU device was lost: ${lost}`);
    if (error instanceof RangeError && /allocation|array length|buffer/i.test(error.message)) {
      return new LssgenError("out_of_memory", `The browser's memory is full: ${error.message}`, {
        cause: error,
      });
    }
    return error;
  }
}
