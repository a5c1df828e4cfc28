/**
 * The network of `--upscale-model`, for `upscale` and for what `generate` has drawn.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { type Device, openDevice } from "../gpu/device.ts";
import type { Picture } from "../image/png.ts";
import type { EngineChoice } from "../parameters/engine_choice.ts";
import type { Progress } from "../pipelines/types.ts";
import {
  checkResult,
  checkUpscale,
  openUpscaler,
  openUpscalerFile,
  type PictureUpscaler,
  upscalerNeeds,
} from "../pipelines/upscaling.ts";
import type { ByteSource } from "../weights/bytes.ts";
import { localPath } from "./download.ts";
import { openFile } from "./input.ts";
import { bytesOfMib } from "./request.ts";
import type { Terminal } from "./terminal.ts";

/** The network that options name, for pictures that are still to come. */
export class Enlarging implements Disposable {
  private constructor(
    private readonly file: ByteSource,
    private readonly engine: EngineChoice,
    /** The GPU, for who draws too. */
    readonly device: Device,
    private readonly repeats: number,
    private readonly once: number,
    /** Bytes of GPU memory that enlarging needs at least. */
    readonly leastBytes: number,
  ) {}

  /**
   * Reads the network's header, so that what is wrong with it is said before anything is drawn.
   *
   * @param missing What to say where options name no network.
   * @throws {LssgenError} `bad_option`; as {@linkcode openUpscalerFile}.
   */
  static async open(engine: EngineChoice, terminal: Terminal, missing: string): Promise<Enlarging> {
    const {
      upscaleModel,
      upscaleRepeats: repeats = 1,
      upscaleTileSize: tileSize,
      upscaleTileMargin: tileMargin,
    } = engine;
    if (upscaleModel === undefined) throw new LssgenError("bad_option", missing);
    if (repeats > 0) checkUpscale({ repeats, tileSize, tileMargin });
    const file = await openFile(await localPath(upscaleModel, terminal), "--upscale-model");
    const opened = await openUpscalerFile(file);
    const device = await openDevice();
    try {
      const dtype = engine.dtype ?? (device.info.f16 ? "f16" : "f32");
      const { scale, leastBytes } = await upscalerNeeds(opened, { device, dtype });
      return new Enlarging(file, engine, device, repeats, scale, leastBytes);
    } catch (error) {
      device[Symbol.dispose]();
      throw error;
    }
  }

  /** How many times larger sides get; undefined where nothing is enlarged. */
  get scale(): number | undefined {
    return this.repeats === 0 ? undefined : this.once ** this.repeats;
  }

  /** @throws {LssgenError} `unsupported` where the result would be too large. */
  check(size: { readonly width: number; readonly height: number }): void {
    if (this.scale !== undefined) checkResult(size, this.scale);
  }

  private upscaler: PictureUpscaler | undefined;

  /** Enlarges. The network stays loaded until {@linkcode rest}. */
  async enlarge(
    picture: Picture,
    signal: AbortSignal,
    onProgress: ((event: Progress) => void) | undefined,
  ): Promise<Picture> {
    const { device, engine: { dtype, maxActivation, maxVram, upscaleTileSize, upscaleTileMargin } } = this;
    this.upscaler ??= await openUpscaler(this.file, {
      ...{ device, dtype, signal, onProgress },
      maxActivationBytes: bytesOfMib(maxActivation),
      maxVramBytes: bytesOfMib(maxVram),
    });
    return await this.upscaler.upscale(picture, {
      ...{ signal, onProgress, repeats: this.repeats },
      tileSize: upscaleTileSize,
      tileMargin: upscaleTileMargin,
    });
  }

  /** Gives the network's memory back, so that the next picture can be drawn with it. */
  rest(): void {
    this.upscaler?.[Symbol.dispose]();
    this.upscaler = undefined;
    this.device.memory.trim();
  }

  [Symbol.dispose](): void {
    this.rest();
    this.device[Symbol.dispose]();
  }
}
