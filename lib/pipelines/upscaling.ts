/**
 * Pictures enlarged by an ESRGAN network, in tiles that show no seams.
 *
 * A tile brings a margin along on each side where the picture goes on, and what the network makes of the margin is thrown
 * away: what is kept has seen the same pixels as in a picture that is enlarged as a whole, but for those beyond the margin. A
 * margin of the network's reach (hundreds of pixels in the large networks) makes both equal bit for bit. With a smaller one
 * neighbouring tiles differ a little, and fade into each other over some pixels (docs/UPSCALING.md has the figures).
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { reasonOf } from "../reason_of.ts";
import { type Device, openDevice } from "../gpu/device.ts";
import { Recorder } from "../gpu/recorder.ts";
import { IdleDevice } from "../gpu/rehearsal.ts";
import { USUAL_ADAPTER } from "../gpu/usual_adapter.ts";
import { tuneOnce } from "../gpu/tune.ts";
import { impostorOf } from "../impostor.ts";
import { MAX_PICTURE_PIXELS, type PictureFile } from "../image/picture_file.ts";
import { pixelsOf } from "../image/pixels.ts";
import type { Picture } from "../image/png.ts";
import { resize } from "../image/resize.ts";
import { RrdbNet, rrdbNetConfig } from "../models/rrdbnet.ts";
import { srvggConfig, SrvggNet } from "../models/srvgg.ts";
import type { Upscaler } from "../models/upscaler.ts";
import { Weights } from "../models/weights.ts";
import { bad, check, IS, type Kind } from "../option_kinds.ts";
import { WeightStore } from "../residency/store.ts";
import type { Plan } from "../scaling/types.ts";
import type { Dtype } from "../tensor.ts";
import type { ByteSource } from "../weights/bytes.ts";
import { GGUF_MAGIC } from "../weights/gguf.ts";
import { underUpscalerNames, type UpscalerKind } from "../weights/names/upscaler.ts";
import { openSafetensors } from "../weights/safetensors.ts";
import type { Checkpoint } from "../weights/types.ts";
import { alphaOf, checkPicture } from "./picture_request.ts";
import type { Progress } from "./types.ts";

/** How an upscaler is opened. */
export interface UpscalerOptions {
  /** An open device; without one the upscaler opens and closes its own. */
  readonly device?: Device;
  /** Type of activations and of f32 weights. Default f16 where the adapter has it. */
  readonly dtype?: Dtype;
  /** Largest activations in bytes, which say how large tiles are at most. Default 1 GiB. */
  readonly maxActivationBytes?: number;
  /** Most bytes of GPU memory of the device altogether; tiles become smaller to keep within it. */
  readonly maxVramBytes?: number;
  /** Stops loading; `openUpscaler` rejects with the signal's `reason`. */
  readonly signal?: AbortSignal;
  /** Called while weights are loaded. */
  readonly onProgress?: (progress: Progress) => void;
}

const OPEN: Readonly<Record<keyof UpscalerOptions, Kind>> = {
  device: "an open device",
  dtype: "a text",
  maxActivationBytes: "a number",
  maxVramBytes: "a number",
  signal: "an AbortSignal",
  onProgress: "a function",
};

/** How a picture is enlarged. */
export interface UpscaleOptions {
  /** Largest side of a tile in pixels of the picture, its margins included, 32 … 16384. Default as memory allows. */
  readonly tileSize?: number;
  /** Pixels that a tile brings along on each side, 0 … 4096. Default 24, or an eighth of smaller tiles; {@linkcode PictureUpscaler.reach} changes no pixel. */
  readonly tileMargin?: number;
  /** Times that the network is run, 1 … 8: a ×4 network makes sides 16 times as large in two. Default 1. */
  readonly repeats?: number;
  /** Stops within one block of the network; the call rejects with the signal's `reason`. */
  readonly signal?: AbortSignal;
  /** Called as the work is handed to the GPU, with phase `upscale`. */
  readonly onProgress?: (progress: Progress) => void;
}

/** An ESRGAN network, ready to enlarge pictures. Dispose it to free the GPU. */
export interface PictureUpscaler extends Disposable {
  /** File of the network. */
  readonly name: string;
  /** RRDBNet (ESRGAN, Real-ESRGAN) or SRVGGNetCompact. */
  readonly network: UpscalerKind;
  /** How many times larger a side gets. */
  readonly scale: number;
  /** Pixels of the picture in each direction that a pixel of the result depends on at most. */
  readonly reach: number;
  /**
   * Enlarges a picture. Grey pictures become RGB. Alpha is enlarged by itself, bicubically; the network does not see the colours
   * of pixels that are wholly transparent, but those of their visible neighbours.
   *
   * @throws {LssgenError} `bad_option`, naming the option; `unsupported` for a result of more than 2^26 pixels; `out_of_memory`;
   *   `numeric` when the network's output is not finite.
   */
  upscale(picture: Picture | PictureFile, options?: UpscaleOptions): Promise<Picture>;
}

/** Margin of a tile where none is given, and the most of a small tile's side that it takes. */
export const TILE_MARGIN = 24;
/** Pixels on each side of a cut over which a tile fades into the next. */
const FADE = 8;
const MARGIN_SHARE = 1 / 8;
/** Range of a tile's side. */
export const TILE_SIDES = { min: 32, max: 16_384 } as const;
/** Most times that a network is run on its own result. */
export const MOST_REPEATS = 8;

const MAX_ACTIVATION_BYTES = 2 ** 30;
/** Smallest tile that is tried where memory is scarce, and the one that is tried first. */
const LEAST_TILE = 64;
const FIRST_TILE = 256;
/** Times that another size is tried. */
const ATTEMPTS = 4;

const mib = (bytes: number): number => Math.ceil(bytes / 2 ** 20);

/**
 * Opens an ESRGAN network: RRDBNet (ESRGAN, Real-ESRGAN x4plus, x2plus, anime 6B, and what people train of them) or
 * SRVGGNetCompact (realesr-general, realesr-animevideo). Sizes are read from the tensors.
 *
 * @param file A safetensors file under Real-ESRGAN's, BSRGAN's or ESRGAN's tensor names.
 * @throws {NoAdapterError} Without WebGPU.
 * @throws {LssgenError} `bad_file`, `bad_tensor`, `unsupported`, naming file and tensor; `out_of_memory`.
 *
 * @example A photo, four times as large
 * ```ts
 * import { openPicture, openUpscaler } from "@lssgen/webgpu";
 * import { fileSource } from "@lssgen/webgpu/cli";
 *
 * const file = await fileSource("RealESRGAN_x4plus.safetensors");
 * using upscaler = await openUpscaler(file!);
 * const photo = openPicture(await Deno.readFile("photo.jpg"));
 * const { width, height, data } = await upscaler.upscale(photo);
 * console.log(width, height, data.length);
 * ```
 */
export async function openUpscaler(
  file: ByteSource,
  options: UpscalerOptions = {},
): Promise<PictureUpscaler> {
  if (!IS["a file"](file)) throw bad("file", file, "a file, as fileSource, blobSource or bytesOf give it");
  check("The options of openUpscaler", options, OPEN);
  const opened = await openUpscalerFile(file);
  const device = options.device ?? await openDevice();
  try {
    await tuneOnce(device);
    const dtype = options.dtype ?? (device.info.f16 ? "f16" : "f32");
    const network = await loadUpscaler(opened, { ...options, device, dtype });
    return new OpenUpscaler(network, options.device ? undefined : device);
  } catch (error) {
    const cause = await device.recover(error);
    if (!options.device) device[Symbol.dispose]();
    throw reasonOf(cause, options.signal);
  }
}

/** How to make a safetensors file of a pickle, for messages. */
const CONVERT = 'convert it once where PyTorch is: python -c "import torch, safetensors.torch as s; ' +
  "d = torch.load('IN.pth', 'cpu', weights_only=True); d = d.get('params_ema', d.get('params', d)); " +
  "s.save_file({k: v.contiguous() for k, v in d.items()}, 'OUT.safetensors')\"";

/** A file of a network that enlarges pictures, its header read. */
export interface UpscalerFile {
  readonly network: UpscalerKind;
  readonly checkpoint: Checkpoint;
}

/**
 * Reads a file's header.
 *
 * @throws {LssgenError} `bad_file`, `unsupported`.
 */
export async function openUpscalerFile(file: ByteSource): Promise<UpscalerFile> {
  const other = await impostorOf(file);
  if (other?.includes("pickle") || (other && /\.(pth?|ckpt|bin)$/i.test(file.name))) {
    throw new LssgenError(
      "bad_file",
      `"${file.name}" is a PyTorch pickle, which can run code and is not read; ${CONVERT}`,
    );
  }
  const head = new DataView((await file.read(0, Math.min(4, file.size))).slice().buffer);
  if (head.byteLength === 4 && head.getUint32(0, true) === GGUF_MAGIC) {
    throw new LssgenError(
      "unsupported",
      `"${file.name}" is a GGUF file, expected the network as safetensors (--upscale-model, openUpscaler)`,
    );
  }
  return underUpscalerNames(await openSafetensors(file));
}

/** What {@linkcode loadUpscaler} needs of a pipeline's context. */
export interface UpscalerContext {
  readonly device: Device;
  readonly dtype: Dtype;
  readonly maxActivationBytes?: number;
  readonly maxVramBytes?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** Weights are declared only, on a device that does nothing. */
  readonly rehearsal?: boolean;
}

/**
 * Loads a network.
 *
 * @throws {LssgenError} `bad_tensor`, `out_of_memory`.
 */
export async function loadUpscaler(file: UpscalerFile, c: UpscalerContext): Promise<Upscaling> {
  const { network, checkpoint } = file;
  const store = new WeightStore(checkpoint, c.device, {
    dtype: c.dtype,
    signal: c.signal,
    onProgress: (bytes, totalBytes) =>
      c.onProgress?.({ phase: "load", component: "upscaler", bytes, totalBytes }),
  });
  try {
    const w = new Weights(store);
    const model = network === "RRDBNet"
      ? new RrdbNet(w, rrdbNetConfig(checkpoint))
      : new SrvggNet(w, srvggConfig(checkpoint));
    if (c.rehearsal) await store.pretend();
    else await store.load();
    return new Upscaling(file, model, c, () => store[Symbol.dispose]());
  } catch (error) {
    store[Symbol.dispose]();
    throw error;
  }
}

/**
 * What a network would do and need, from its header alone.
 *
 * @returns How many times larger a side gets, and the least bytes of GPU memory, weights included.
 * @throws {LssgenError} `bad_tensor`.
 */
export async function upscalerNeeds(
  file: UpscalerFile,
  context: Pick<UpscalerContext, "device" | "dtype">,
): Promise<{ readonly scale: number; readonly leastBytes: number }> {
  using device = IdleDevice.like(context.device);
  using idle = await loadUpscaler(file, { ...context, device, rehearsal: true });
  const { weights } = device.memory.use();
  return { scale: idle.scale, leastBytes: weights + await idle.footprint(LEAST_TILE, 1) };
}

/**
 * FLOPs of growth by a network between the stages of a plan, from the network's header. Tiles' margins come on top.
 *
 * @throws {LssgenError} As {@linkcode openUpscalerFile}; `bad_tensor`.
 */
export async function growthFlops(file: ByteSource, { stages }: Pick<Plan, "stages">): Promise<number> {
  const opened = await openUpscalerFile(file);
  using device = new IdleDevice(USUAL_ADAPTER);
  using idle = await loadUpscaler(opened, { device, dtype: "f32", rehearsal: true });
  return stages.reduce((sum, { grow }, i) => {
    if (grow?.upsampler !== "esrgan") return sum;
    const { width, height } = stages[i - 1];
    return sum + width * height * idle.flopsPerPixel;
  }, 0);
}

/** Colours of a picture, read by rectangles: [height, width, 3] row-major, 0 … 1. */
interface ColourSource {
  readonly width: number;
  readonly height: number;
  /** The red of pixel x, y is number 3·(y·width + x), green and blue follow. */
  at(i: number): number;
}

/** How {@linkcode Upscaling.enlarge} works. */
interface Enlarging extends Pick<UpscaleOptions, "tileSize" | "tileMargin"> {
  /** Told the share that is done, and whole tiles. */
  readonly advanced?: (share: number, tiles: number, ofTiles: number) => void;
  /**
   * Takes a row of the result: colours of pixels x … of row y, about 0 … 1, and how much of each pixel they are, in (0, 1]; the
   * rest is what was handed before.
   */
  readonly take: (x: number, y: number, colours: Float32Array, shares: Float32Array) => void;
}

/** A network with its weights, for pipelines: everything but whole pictures. */
export class Upscaling implements Disposable {
  /** Use {@linkcode loadUpscaler}. */
  constructor(
    private readonly file: UpscalerFile,
    private readonly model: Upscaler,
    readonly context: UpscalerContext,
    private readonly free: () => void,
  ) {}

  /** File of the network. */
  get name(): string {
    return this.file.checkpoint.name;
  }

  /** Its architecture. */
  get network(): UpscalerKind {
    return this.file.network;
  }

  /** How many times larger a side gets. */
  get scale(): number {
    return this.model.scale;
  }

  /** FLOPs for each pixel of the picture. */
  get flopsPerPixel(): number {
    return this.model.flopsPerPixel;
  }

  /** See {@linkcode PictureUpscaler.reach}. */
  get reach(): number {
    return this.model.reach;
  }

  /**
   * Enlarges colours, tile after tile.
   *
   * @throws {LssgenError} `out_of_memory` where not even a small tile fits; `numeric`.
   */
  async enlarge(r: Recorder, source: ColourSource, o: Enlarging): Promise<void> {
    const { unshuffle: u } = this.model;
    const room = this.room(r);
    const side = await this.largestTile(o.tileSize ?? TILE_SIDES.max, room);
    const margin = Math.ceil((o.tileMargin ?? Math.min(TILE_MARGIN, side * MARGIN_SHARE)) / u) * u;
    const fade = Math.min(FADE, margin);
    const [rows, columns] = [source.height, source.width].map((n) =>
      tilesOf(Math.ceil(n / u) * u, side, { margin, fade, unit: u })
    );
    const tiles = rows.length * columns.length;
    let done = 0;
    for (const row of rows) {
      for (const column of columns) {
        const input = cut(source, row, column, u);
        using _tile = r.scope();
        const x = r.upload([1, row.length / u, column.length / u, 3 * u * u], () => input);
        const y = await this.model.forward(r, x, {
          bytes: room,
          advanced: (share) => o.advanced?.((done + share) / tiles, done, tiles),
        });
        const values = await r.read(y);
        // One tile tells what all of them launch.
        if (r.device.rehearses) return;
        this.hand(values, source, row, column, o.take);
        done++;
        o.advanced?.(done / tiles, done, tiles);
      }
    }
  }

  /** Hands out what is kept of a tile, row by row. */
  private hand(
    values: Float32Array,
    source: ColourSource,
    row: Tile,
    column: Tile,
    take: Enlarging["take"],
  ): void {
    const { scale, shuffle: s, addsInput } = this.model;
    const wide = column.length * scale / s; // of the network's result
    const [y0, y1] = [row.from * scale, Math.min(row.to, source.height) * scale];
    const [x0, x1] = [column.from * scale, Math.min(column.to, source.width) * scale];
    const line = new Float32Array(3 * (x1 - x0));
    const across = Float32Array.from({ length: x1 - x0 }, (_, i) => shareOf(column, (x0 + i + 0.5) / scale));
    for (let y = y0; y < y1; y++) {
      const ty = y - row.begin * scale;
      let i = 0;
      for (let x = x0; x < x1; x++) {
        const tx = x - column.begin * scale;
        const pixel = (Math.floor(ty / s) * wide + Math.floor(tx / s)) * 3 * s * s;
        const from = 3 * (Math.floor(y / scale) * source.width + Math.floor(x / scale));
        for (let c = 0; c < 3; c++) {
          const v = values[pixel + (c * s + ty % s) * s + tx % s];
          if (!Number.isFinite(v)) throw this.notFinite();
          line[i++] = addsInput ? v + source.at(from + c) : v;
        }
      }
      const down = shareOf(row, (y + 0.5) / scale);
      take(x0, y, line, across.map((share) => share * down));
    }
  }

  /** Bytes that activations may take. */
  private room(r: Recorder): number {
    const { device, maxActivationBytes = MAX_ACTIVATION_BYTES, maxVramBytes = Infinity } = this.context;
    // What the pool keeps is of sizes that others used.
    r.trim();
    const { live, weights } = device.memory.use();
    return Math.min(maxActivationBytes, maxVramBytes - live - weights);
  }

  /**
   * Largest side of a tile whose activations fit: tiles are rehearsed on a device that does nothing.
   *
   * @param most Largest side that is wanted, in pixels of the picture.
   * @throws {LssgenError} `out_of_memory` where not even a small one fits.
   */
  private async largestTile(most: number, room: number): Promise<number> {
    const least = Math.min(most, LEAST_TILE);
    let side = Math.min(most, FIRST_TILE);
    let fits = 0;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const bytes = await this.footprint(side, room);
      if (bytes <= room) fits = Math.max(fits, side);
      if (side === most && fits === most) break;
      // Memory grows with the area; a little less than what would fit exactly, as buffers are rounded up.
      const next = Math.min(most, Math.floor(side * Math.sqrt(0.95 * room / bytes) / 8) * 8);
      if (next <= fits || next < least) break;
      side = next;
    }
    if (fits === 0 && await this.footprint(least, room) <= room) fits = least;
    if (fits > 0) return fits;
    throw new LssgenError(
      "out_of_memory",
      `"${this.name}" needs ${
        mib(await this.footprint(least, room))
      } MiB of GPU memory beside its weights to enlarge a tile of ` +
        `${least} pixels, there are ${
          mib(Math.max(0, room))
        } (--max-vram, maxVramBytes; --max-activation, maxActivationBytes)`,
    );
  }

  /**
   * Bytes of activations that a tile takes.
   *
   * @param side Its side in pixels of the picture.
   * @param room Bytes to keep within where the network has a choice.
   */
  async footprint(side: number, room: number): Promise<number> {
    const u = this.model.unshuffle;
    const length = Math.ceil(side / u);
    using device = IdleDevice.like(this.context.device);
    using idle = await loadUpscaler(this.file, {
      ...this.context,
      device,
      rehearsal: true,
      onProgress: undefined,
    });
    using r = new Recorder(device, this.context.dtype);
    const x = r.tensor([1, length, length, 3 * u * u], "f32");
    await idle.model.forward(r, x, { bytes: room });
    const { footprint, weights } = device.memory.use();
    return footprint - weights;
  }

  private notFinite(): LssgenError {
    return new LssgenError(
      "numeric",
      `"${this.name}" gave numbers that are not finite` +
        (this.context.dtype === "f16" ? "; take --dtype f32 (dtype)" : "; the file may be damaged"),
    );
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.free();
  }
}

/** A tile along one axis, in pixels of the picture. */
interface Tile {
  /** First pixel that the network sees. */
  readonly begin: number;
  /** Pixels. */
  readonly length: number;
  /** First pixel that is kept, and the one after the last; they overlap with the neighbours' where tiles fade into each other. */
  readonly from: number;
  readonly to: number;
  /** Pixels over which the tile before fades into this one, from `from` on. */
  readonly fade: number;
}

/** How tiles lie. */
export interface Tiling {
  /** Pixels at least between what is kept and a tile's edge that is none of the picture; a multiple of `unit`. */
  readonly margin: number;
  /** Pixels on each side of a cut over which tiles fade into each other. */
  readonly fade: number;
  /** Tiles begin and end at multiples of it. */
  readonly unit: number;
}

/**
 * Tiles of equal length that cover n pixels.
 *
 * @param n A multiple of `unit`.
 * @param most Longest tile. Where it has no room for the margins they are smaller.
 */
export function tilesOf(n: number, most: number, { margin, fade, unit }: Tiling): Tile[] {
  const longest = Math.floor(most / unit) * unit;
  if (n <= longest) return [{ begin: 0, length: n, from: 0, to: n, fade: 0 }];
  const up = (v: number): number => Math.ceil(v / unit) * unit;
  const beside = Math.min(up(margin + fade), Math.floor((longest - unit) / 2 / unit) * unit);
  const core = longest - 2 * beside;
  const count = Math.ceil((n - 2 * beside) / core);
  const step = up((n - 2 * beside) / count);
  // Three tiles must not meet in one pixel.
  const f = Math.max(0, Math.min(fade, beside - margin, Math.floor(step / 2)));
  return Array.from({ length: count }, (_, i) => {
    const length = step + 2 * beside;
    const begin = Math.min(i * step, n - length);
    const [first, last] = [i === 0, i === count - 1];
    return {
      begin,
      length,
      from: first ? 0 : i * step + beside - f,
      to: last ? n : (i + 1) * step + beside + f,
      fade: first ? 0 : 2 * f,
    };
  });
}

/** How much of a pixel a tile is, in (0, 1], at a place along its axis. */
function shareOf({ from, fade }: Tile, at: number): number {
  return fade === 0 ? 1 : Math.min(1, (at - from) / fade);
}

/**
 * A tile as the network takes it, [h / u, w / u, 3·u²]: pixels beyond the right and lower edge, which make sides multiples
 * of u, mirror those before it.
 */
function cut(source: ColourSource, row: Tile, column: Tile, u: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(3 * row.length * column.length);
  const inside = (i: number, n: number): number => i < n ? i : Math.max(0, 2 * n - 2 - i);
  const wide = column.length / u;
  for (let y = 0; y < row.length; y++) {
    const from = inside(row.begin + y, source.height) * source.width;
    for (let x = 0; x < column.length; x++) {
      const at = 3 * (from + inside(column.begin + x, source.width));
      const pixel = 3 * u * u * (Math.floor(y / u) * wide + Math.floor(x / u));
      // As torch's pixel_unshuffle orders them: colour, row, column.
      for (let c = 0; c < 3; c++) out[pixel + (c * u + y % u) * u + x % u] = source.at(at + c);
    }
  }
  return out;
}

/** Whole pictures. */
class OpenUpscaler implements PictureUpscaler {
  private queue: Promise<unknown> = Promise.resolve();

  constructor(private readonly upscaling: Upscaling, private readonly device: Device | undefined) {}

  get name(): string {
    return this.upscaling.name;
  }

  get network(): UpscalerKind {
    return this.upscaling.network;
  }

  get scale(): number {
    return this.upscaling.scale;
  }

  get reach(): number {
    return this.upscaling.reach;
  }

  upscale(picture: Picture | PictureFile, options: UpscaleOptions = {}): Promise<Picture> {
    const run = this.queue.then(() => this.attempt(picture, options));
    this.queue = run.catch(() => undefined);
    return run;
  }

  private async attempt(picture: Picture | PictureFile, options: UpscaleOptions): Promise<Picture> {
    const { device } = this.upscaling.context;
    checkPicture("image", picture);
    const repeats = checkUpscale(options);
    checkResult(picture, this.scale ** repeats);
    try {
      options.signal?.throwIfAborted();
      let result = await pixelsOf(picture);
      for (let i = 0; i < repeats; i++) result = await this.once(result, options, i, repeats);
      return result;
    } catch (error) {
      throw reasonOf(await device.recover(error), options.signal);
    }
  }

  private async once(
    picture: Picture,
    { onProgress, ...options }: UpscaleOptions,
    time: number,
    times: number,
  ): Promise<Picture> {
    const { device, dtype } = this.upscaling.context;
    const { scale } = this;
    const [width, height] = [picture.width * scale, picture.height * scale];
    const alpha = alphaOf(picture);
    const channels = alpha ? 4 : 3;
    const colours = rgbOf(picture, alpha);
    const data = new Uint8Array(width * height * channels);
    const began = performance.now();
    {
      using r = new Recorder(device, dtype, options.signal);
      await this.upscaling.enlarge(r, {
        width: picture.width,
        height: picture.height,
        at: (i) => colours[i] / 255,
      }, {
        ...options,
        advanced: (share, step, steps) =>
          onProgress?.({
            phase: "upscale",
            share: (time + share) / times,
            etaMs: (performance.now() - began) * (1 - share) / share,
            ...{ step, steps, width, height },
          }),
        take: (x, y, line, shares) => {
          for (let i = 0; i < shares.length; i++) {
            const at = (y * width + x + i) * channels;
            for (let c = 0; c < 3; c++) {
              const value = Math.min(1, Math.max(0, line[3 * i + c])) * 255;
              data[at + c] = Math.round(data[at + c] + (value - data[at + c]) * shares[i]);
            }
          }
        },
      });
    }
    if (alpha) {
      const plane = resize(
        { width: picture.width, height: picture.height, channels: 1, data: alpha },
        width,
        height,
        "bicubic",
      );
      for (let i = 0; i < plane.data.length; i++) data[4 * i + 3] = plane.data[i];
    }
    return { width, height, channels, data };
  }

  [Symbol.dispose](): void {
    this.upscaling[Symbol.dispose]();
    this.device?.[Symbol.dispose]();
  }
}

const UPSCALE: Readonly<Record<keyof UpscaleOptions, Kind>> = {
  tileSize: "a number",
  tileMargin: "a number",
  repeats: "a number",
  signal: "an AbortSignal",
  onProgress: "a function",
};

/**
 * Refuses options that are not known, of another type, or out of range.
 *
 * @returns How often the network is run.
 * @throws {LssgenError} `bad_option`.
 */
export function checkUpscale(options: UpscaleOptions): number {
  check("The options of upscale", options, UPSCALE);
  const { tileSize, tileMargin, repeats = 1 } = options;
  const whole = (name: string, value: number, min: number, max: number): void => {
    if (Number.isInteger(value) && value >= min && value <= max) return;
    throw new LssgenError(
      "bad_option",
      `${name} is ${value}, expected a whole number from ${min} to ${max}`,
    );
  };
  if (tileSize !== undefined) whole("tileSize", tileSize, TILE_SIDES.min, TILE_SIDES.max);
  if (tileMargin !== undefined) whole("tileMargin", tileMargin, 0, 4096);
  if (tileSize !== undefined && tileMargin !== undefined && 2 * tileMargin >= tileSize) {
    throw new LssgenError(
      "bad_option",
      `tileMargin is ${tileMargin}, expected less than half of tileSize, ${tileSize}: nothing of a tile would be kept`,
    );
  }
  whole("repeats", repeats, 1, MOST_REPEATS);
  return repeats;
}

/**
 * Refuses results that no picture may be as large as.
 *
 * @throws {LssgenError} `unsupported`.
 */
export function checkResult(
  { width, height }: { readonly width: number; readonly height: number },
  scale: number,
): void {
  const pixels = width * height * scale ** 2;
  if (pixels <= MAX_PICTURE_PIXELS && Math.max(width, height) * scale <= 65_535) return;
  throw new LssgenError(
    "unsupported",
    `${width}×${height} enlarged ${scale} times is ${width * scale}×${
      height * scale
    }, ${pixels} pixels, at most ` +
      `${MAX_PICTURE_PIXELS} are made; take fewer repeats (--upscale-repeats), a smaller picture or a network of a smaller scale`,
  );
}

/** Pixels from the visible ones that their colours are carried to, where nothing is seen. */
const CARRIED = 8;

/** Red, green and blue of every pixel; of transparent ones near visible ones the mean of those, lest what nobody sees shine through. */
function rgbOf(
  { width, height, channels, data }: Picture,
  alpha: Uint8Array | undefined,
): Uint8Array<ArrayBuffer> {
  const n = width * height;
  const out = new Uint8Array(3 * n);
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) out[3 * i + c] = data[i * channels + (channels <= 2 ? 0 : c)];
  }
  if (!alpha) return out;
  const known = Uint8Array.from(alpha, (a) => a > 0 ? 1 : 0);
  for (let round = 0; round < CARRIED; round++) {
    const found: number[] = [];
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        if (known[i]) continue;
        const sum = [0, 0, 0];
        let count = 0;
        for (let dy = -1; dy <= 1; dy++) {
          for (let dx = -1; dx <= 1; dx++) {
            const j = i + dy * width + dx;
            if (y + dy < 0 || y + dy >= height || x + dx < 0 || x + dx >= width || !known[j]) continue;
            for (let c = 0; c < 3; c++) sum[c] += out[3 * j + c];
            count++;
          }
        }
        if (count === 0) continue;
        found.push(i);
        for (let c = 0; c < 3; c++) out[3 * i + c] = Math.round(sum[c] / count);
      }
    }
    if (found.length === 0) break;
    for (const i of found) known[i] = 1;
  }
  return out;
}
