/**
 * A worker of {@linkcode Quantisers}: values in, blocks out.
 *
 * @module
 */

import { quantise, type WritableType } from "../weights/quantise.ts";

/** What a worker has; the types of workers would change those of every file that is checked with this one. */
interface WorkerScope {
  onmessage: (event: MessageEvent<{ values: Float32Array<ArrayBuffer>; type: WritableType }>) => void;
  postMessage(message: unknown, transfer: Transferable[]): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data: { values, type } }) => {
  const bytes = quantise(values, type);
  scope.postMessage(bytes, bytes ? [bytes.buffer] : []);
};
