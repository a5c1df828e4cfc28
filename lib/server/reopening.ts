/**
 * A pipeline that is opened again after its GPU device was lost.
 *
 * @module
 */

import { AbortedError, DeviceFaultError, LssgenError } from "../errors.ts";
import type {
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  ModelInfo,
  Pipeline,
} from "../pipelines/types.ts";
import type { Engine } from "./jobs.ts";

/** A driver that crashes takes the device along; a new one works, or the machine needs a person. */
export class ReopeningEngine implements Engine, AsyncDisposable {
  private dead: LssgenError | undefined;
  /** Whether the device has to be opened again before the next picture. */
  private stale = false;

  /**
   * Makes it.
   *
   * @param pipeline The first one; it is disposed here.
   * @param open Opens another one of the same model.
   * @param onLoss Told of a loss or a fault, and whether it is the end: `open` failed, or the new device was lost with the same
   * picture.
   */
  constructor(
    private pipeline: Pipeline,
    private readonly open: () => Promise<Pipeline>,
    private readonly onLoss: (error: LssgenError, end: boolean) => void,
  ) {}

  /** The model. */
  get info(): ModelInfo {
    return this.pipeline.info;
  }

  /** As the pipeline's. */
  plan(request: Omit<GenerateRequest, "prompt">): ReturnType<Pipeline["plan"]> {
    return this.pipeline.plan(request);
  }

  /**
   * As the pipeline's; a picture whose device is lost is drawn again on a new one. One that the
   * driver refused would be refused again: it fails, and the next one finds a new device.
   *
   * @throws {LssgenError} `device_lost` when that fails too, and from then on.
   * @throws {DeviceFaultError} The driver refused a command.
   */
  async generate(request: GenerateRequest, options?: GenerateOptions): Promise<GenerateResult> {
    if (this.dead) throw this.dead;
    if (!this.stale) {
      try {
        return await this.pipeline.generate(request, options);
      } catch (error) {
        if (!isLoss(error)) throw this.noted(error);
        this.onLoss(error, false);
      }
    }
    this.stale = true;
    await this.close();
    try {
      this.pipeline = await this.open();
    } catch (error) {
      // The server is being ended.
      if (error instanceof AbortedError) throw error;
      throw this.end(error);
    }
    this.stale = false;
    try {
      return await this.pipeline.generate(request, options);
    } catch (error) {
      throw isLoss(error) ? this.end(error) : this.noted(error);
    }
  }

  private end(cause: unknown): LssgenError {
    this.dead = new LssgenError("device_lost", "The GPU device was lost and could not be opened again", {
      cause,
    });
    this.onLoss(this.dead, true);
    return this.dead;
  }

  /** The error; after a fault the device is opened again before the next picture. */
  private noted(error: unknown): unknown {
    if (error instanceof DeviceFaultError) {
      this.stale = true;
      this.onLoss(error, false);
    }
    return error;
  }

  /** Frees the GPU. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async close(): Promise<void> {
    try {
      await this.pipeline[Symbol.asyncDispose]();
    } catch {
      // A lost device may refuse to be closed; it holds nothing any more.
    }
  }
}

function isLoss(error: unknown): error is LssgenError {
  return error instanceof LssgenError && error.code === "device_lost";
}
