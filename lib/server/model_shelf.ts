/**
 * Several models, of which those are in memory for which there is room: one is loaded when a request names it, and the least
 * used ones are dropped where it needs theirs.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { GenerateOptions, GenerateRequest, GenerateResult, ModelInfo } from "../pipelines/types.ts";
import { familyOf, listed, type Models, nameOf, type ServedModel } from "./models.ts";
import { type Offer, stayMs } from "./policy.ts";
import type { Engine } from "./queue.ts";

/** A model that can be loaded. */
export interface ShelfEntry {
  /** Name of its file or folder. */
  readonly name: string;
  /** Bytes of its files, where they are known. */
  readonly bytes?: number;
  /** What its configs and headers say. */
  readonly info: ModelInfo;
  /** See {@linkcode Engine}; nothing is loaded for it. */
  plan: Engine["plan"];
  /** Loads it. */
  open(): Promise<LoadedEngine>;
  /** Most bytes of GPU memory that a picture takes with it, as it is opened here. Only asked where there is a limit. */
  peak(request: GenerateRequest): Promise<number>;
}

/** An engine that can be dropped. */
export type LoadedEngine = Engine & AsyncDisposable;

/** How a shelf behaves. */
export interface ShelfOptions {
  /** The models, the first one first; asked anew each time, so that models come and go while the server runs. */
  readonly entries: () => Promise<readonly ShelfEntry[]>;
  /** Bytes of GPU memory for all models together. Undefined: how much there is is not known, and one model is loaded at a time. */
  readonly room?: number;
  /** Told when a model is loaded or dropped. */
  readonly onChange?: (sentence: string) => void;
}

interface Loaded {
  readonly engine: LoadedEngine;
  /** The largest picture so far; buffers are kept for the next one of its size. */
  peak: number;
  used: number;
}

/** Milliseconds that the queue stays with what is loaded at most, while others wait for another model. */
const MOST_STAY_MS = 60_000;

/** See the module. Its engines draw one picture at a time, as the queue of one process asks for them. */
export class ModelShelf implements Models, AsyncDisposable {
  private readonly loaded = new Map<string, Loaded>();
  private staysUntil = 0;
  private uses = 0;

  private constructor(private readonly options: ShelfOptions, readonly first: Engine) {}

  /**
   * Loads the first model.
   *
   * @throws {LssgenError} As loading does.
   */
  static async open(options: ShelfOptions): Promise<ModelShelf> {
    const [entry] = await options.entries();
    // The engine asks the shelf, which is made with it.
    let shelf: ModelShelf | undefined = undefined;
    const first = engineOf(entry, (...picture) => shelf!.draw(...picture));
    const opened = shelf = new ModelShelf(options, first);
    await opened.load(entry, 0);
    opened.staysUntil = 0;
    return opened;
  }

  /** See {@linkcode Models}. */
  async list(): Promise<readonly ServedModel[]> {
    return (await this.options.entries()).map(({ name, bytes, info }) => ({
      name,
      bytes,
      family: familyOf(info.pipeline),
      loaded: this.loaded.has(name),
    }));
  }

  /** See {@linkcode Models}. Names may lack their ending; nothing but listed names is a name. */
  async find(name: string): Promise<Engine | undefined> {
    const entry = listed(await this.options.entries(), name);
    if (!entry) return undefined;
    return entry.name === nameOf(this.first.info)
      ? this.first
      : engineOf(entry, (...picture) => this.draw(...picture));
  }

  /** See {@linkcode Models}. */
  readonly offer = (): Offer => ({
    models: [],
    maxPixels: Infinity,
    ready: [...this.loaded.keys()],
    staysUntil: this.staysUntil,
  });

  /** Drops all. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of [...this.loaded.keys()]) await this.drop(name);
  }

  private async draw(
    entry: ShelfEntry,
    request: GenerateRequest,
    options?: GenerateOptions,
  ): Promise<GenerateResult> {
    const { room } = this.options;
    const need = room === undefined ? 0 : await entry.peak(request);
    if (room !== undefined) await this.makeRoom(entry.name, room - need);
    const one = this.loaded.get(entry.name) ?? await this.load(entry, need);
    one.used = ++this.uses;
    one.peak = Math.max(one.peak, need);
    try {
      return await one.engine.generate(request, options);
    } catch (error) {
      // What was planned was too little: alone there is more room.
      if (!isFull(error) || this.loaded.size === 1) throw error;
      await this.makeRoom(entry.name, 0);
      return await one.engine.generate(request, options);
    }
  }

  private async load(entry: ShelfEntry, peak: number): Promise<Loaded> {
    if (this.options.room === undefined) await this.makeRoom(entry.name, 0);
    const began = Date.now();
    let engine: LoadedEngine;
    try {
      engine = await entry.open();
    } catch (error) {
      if (!isFull(error) || this.loaded.size === 0) throw error;
      await this.makeRoom(entry.name, 0);
      engine = await entry.open();
    }
    const now = Date.now();
    this.staysUntil = now + Math.min(MOST_STAY_MS, stayMs(now - began));
    const one = { engine, peak, used: ++this.uses };
    this.loaded.set(entry.name, one);
    this.options.onChange?.(`${entry.name} is loaded`);
    return one;
  }

  /** Drops the least used of the others until they take no more than so many bytes. */
  private async makeRoom(name: string, bytes: number): Promise<void> {
    const others = [...this.loaded].filter(([other]) => other !== name).sort(([, a], [, b]) =>
      a.used - b.used
    );
    let held = others.reduce((sum, [, { peak }]) => sum + peak, 0);
    for (const [other, { peak }] of others) {
      if (held <= bytes && bytes > 0) break;
      await this.drop(other);
      held -= peak;
    }
  }

  private async drop(name: string): Promise<void> {
    const one = this.loaded.get(name);
    this.loaded.delete(name);
    await one?.engine[Symbol.asyncDispose]();
    if (one) this.options.onChange?.(`${name} is dropped`);
  }
}

function engineOf(
  entry: ShelfEntry,
  draw: (entry: ShelfEntry, request: GenerateRequest, options?: GenerateOptions) => Promise<GenerateResult>,
): Engine {
  return {
    info: entry.info,
    plan: (request) => entry.plan(request),
    generate: (request, options) => draw(entry, request, options),
  };
}

function isFull(error: unknown): boolean {
  return error instanceof LssgenError && error.code === "out_of_memory";
}
