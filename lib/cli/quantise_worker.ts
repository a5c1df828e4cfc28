/// <reference lib="deno.worker" />
/**
 * A worker of {@linkcode Quantisers}: values in, blocks out.
 *
 * @module
 */

import { quantise, type WritableType } from "../weights/quantise.ts";

self.onmessage = ({ data }: MessageEvent<{ values: Float32Array; type: WritableType }>): void => {
  const bytes = quantise(data.values, data.type);
  if (bytes) self.postMessage(bytes, [bytes.buffer]);
  else self.postMessage(undefined);
};
