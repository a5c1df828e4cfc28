/**
 * Quantising on every processor: one worker each, pieces of a tensor handed over and taken back.
 *
 * @module
 */

import { quantise, type WritableType } from "../weights/quantise.ts";
import { granted } from "./permissions.ts";

/** Workers are made by reading their file, although the program's own files are read without a permission. */
const MODULE = new URL("./quantise_worker.ts", import.meta.url);

function mayStart(): boolean {
  return MODULE.protocol !== "file:" || granted({ name: "read", path: MODULE });
}

/** Workers that quantise; dispose of them when done. Where none may be started, this thread does. */
export class Quantisers implements Disposable {
  private readonly idle: Worker[] = [];
  private readonly waiting: ((worker: Worker) => void)[] = [];
  private readonly all: Worker[];

  /** @param lanes Workers. */
  constructor(readonly lanes: number) {
    this.all = Array.from(
      { length: mayStart() ? lanes : 0 },
      // Spelled out in full: bundlers know it so.
      () => new Worker(new URL("./quantise_worker.ts", import.meta.url), { type: "module" }),
    );
    this.idle.push(...this.all);
  }

  /** Quantises values, which are handed over; `undefined` when the type cannot hold them. */
  async quantise(
    values: Float32Array<ArrayBuffer>,
    type: WritableType,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.all.length === 0) return quantise(values, type);
    const worker = this.idle.pop() ?? await new Promise<Worker>((resolve) => this.waiting.push(resolve));
    try {
      return await new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => reject(event.error ?? new Error(event.message));
        worker.postMessage({ values, type }, [values.buffer]);
      });
    } finally {
      const next = this.waiting.shift();
      if (next) next(worker);
      else this.idle.push(worker);
    }
  }

  [Symbol.dispose](): void {
    for (const worker of this.all) worker.terminate();
  }
}

/** Workers without work for this long end: a process does not wait for them, and a picture needs their memory. */
const IDLE_MS = 1000;
let pool:
  | { readonly quantisers: Quantisers; busy: number; timer?: ReturnType<typeof setTimeout> }
  | undefined;

/** {@linkcode Quantisers.quantise} on workers that begin with the first piece and end after the last. */
export async function quantiseOnWorkers(
  values: Float32Array<ArrayBuffer>,
  type: WritableType,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const mine = pool ??= { quantisers: new Quantisers(navigator.hardwareConcurrency), busy: 0 };
  clearTimeout(mine.timer);
  mine.busy++;
  try {
    return await mine.quantisers.quantise(values, type);
  } finally {
    if (--mine.busy === 0) {
      mine.timer = setTimeout(() => {
        pool = undefined;
        mine.quantisers[Symbol.dispose]();
      }, IDLE_MS);
    }
  }
}
