/**
 * A pipeline that is opened again after its GPU device was lost.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
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

  /**
   * Makes it.
   *
   * @param pipeline The first one; it is disposed here.
   * @param open Opens another one of the same model.
   * @param onLoss Told of a loss, and whether it is the end: `open` failed, or the new device was lost with the same picture.
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
   * As the pipeline's; a picture whose device is lost is drawn again on a new one.
   *
   * @throws {LssgenError} `device_lost` when that fails too, and from then on.
   */
  async generate(request: GenerateRequest, options?: GenerateOptions): Promise<GenerateResult> {
    if (this.dead) throw this.dead;
    try {
      return await this.pipeline.generate(request, options);
    } catch (error) {
      if (!isLoss(error)) throw error;
      this.onLoss(error, false);
    }
    try {
      await this.close();
      this.pipeline = await this.open();
      return await this.pipeline.generate(request, options);
    } catch (error) {
      // A request that was stopped meanwhile says nothing of the device.
      if (error instanceof LssgenError && ["aborted", "bad_option", "bad_file"].includes(error.code)) {
        throw error;
      }
      this.dead = new LssgenError("device_lost", "The GPU device was lost and could not be opened again", {
        cause: error,
      });
      this.onLoss(this.dead, true);
      throw this.dead;
    }
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
