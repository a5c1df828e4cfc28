/**
 * Classifier-free guidance: two samples in one call of the network, then one combination of its halves.
 *
 * Source: arXiv 2207.12598, eq. 6, in the form of diffusers: base + scale · (guided − base).
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import { cast, combine } from "../ops/elementwise.ts";
import { DTYPE_BYTES, elements, type Tensor } from "../tensor.ts";
import { joined, type States } from "./text_states.ts";

/** x [b, ..] over and over: [count, ..], a multiple of b. */
export function repeated(r: Recorder, x: Tensor, count: number): Tensor {
  const times = count / x.shape[0];
  if (times === 1) return x;
  const bytes = elements(x.shape) * DTYPE_BYTES[x.dtype];
  const out = r.tensor([count, ...x.shape.slice(1)], x.dtype);
  for (let i = 0; i < times; i++) r.copy(x, 0, out, i * bytes, bytes);
  return out;
}

/** Sample `index` of x [B, ..] as a tensor of its own, [1, ..]. */
function sampleOf(r: Recorder, x: Tensor, index: number): Tensor {
  const out = r.tensor([1, ...x.shape.slice(1)], x.dtype);
  const bytes = elements(out.shape) * DTYPE_BYTES[x.dtype];
  r.copy(x, index * bytes, out, 0, bytes);
  return out;
}

/** A guided step: how many calls of the network, how they are combined, and what a call takes. */
export interface Guidance {
  /** 1, or 2 with classifier-free guidance. */
  readonly calls: number;
  /** Guidance scale. */
  readonly scale: number;
  /** Sample that guidance leads away from; 0 by default. */
  readonly base?: 0 | 1;
  /** Largest activation of one sample, in bytes. */
  readonly bytes: number;
  /** Largest activation of a call; two samples that exceed it together go one after the other. */
  readonly limit?: number;
  /** Whether the samples cannot share a call: prompts of different lengths. */
  readonly apart?: boolean;
  /** Only the guided sample is run, as it is: outside the interval of guidance. */
  readonly off?: boolean;
  /** Scale of skip-layer guidance, in steps that have it: + scale · (guided − skipped). */
  readonly skip?: number;
}

/** Default of {@linkcode Guidance.limit}. */
const MAX_BATCH_BYTES = 256 * 2 ** 20;

/**
 * Both samples in one call where memory allows, else one after the other; then their combination, [1, ..] f32.
 *
 * @param run The network over the samples of the given indices, [samples.length, ..]; without the skipped blocks where asked.
 */
export function withGuidance(
  r: Recorder,
  g: Guidance,
  run: (samples: readonly number[], skips: boolean) => Tensor,
): Tensor {
  if (g.calls === 1) return run([0], false);
  using scope = r.scope();
  const { base = 0, scale, skip = 0 } = g;
  if (g.off) return scope.keep(run([1 - base], false));
  const together = !g.apart && g.bytes * g.calls <= (g.limit ?? MAX_BATCH_BYTES);
  const both = together ? run([0, 1], false) : undefined;
  const [low, high] = [base, 1 - base].map((i) => both ? sampleOf(r, both, i) : run([i], false));
  const terms = [{ coef: 1 - scale, tensor: low }, { coef: scale + skip, tensor: high }];
  if (skip !== 0) terms.push({ coef: -skip, tensor: run([1 - base], true) });
  return scope.keep(combine(r, terms));
}

/** Some samples of x [B, ..]: x itself for all of them. */
export function samplesOf(r: Recorder, x: Tensor, samples: readonly number[]): Tensor {
  return samples.length === x.shape[0] ? x : sampleOf(r, x, samples[0]);
}

/** The text of each sample on the GPU. */
export interface TextStates {
  /** Whether the samples are of different lengths. */
  readonly apart: boolean;
  /** Rows of the longest. */
  readonly rows: number;
  /** Those of some samples, [samples.length, rows, width]; of one sample only where `apart`. */
  of(r: Recorder, samples: readonly number[]): Tensor;
}

/** Uploads the states of each sample: as one tensor where they are of one length. */
export function uploadStates(r: Recorder, states: readonly States[]): TextStates {
  const upload = (part: readonly States[]): Tensor => {
    const { rows, width } = part[0];
    const t = r.upload([part.length, rows, width], () => joined(part.map(({ data }) => data)));
    return r.dtype === "f32" ? t : cast(r, t, r.dtype);
  };
  const rows = Math.max(...states.map((s) => s.rows));
  if (states.every((s) => s.rows === rows)) {
    const all = upload(states);
    return { apart: false, rows, of: (r, samples) => samplesOf(r, all, samples) };
  }
  const each = states.map((s) => upload([s]));
  return { apart: true, rows, of: (_, samples) => each[samples[0]] };
}

/** A vector of each sample as one tensor, [B, n] f32. */
export function uploadVectors(r: Recorder, vectors: readonly Float32Array[]): Tensor {
  return r.upload([vectors.length, vectors[0].length], joined(vectors));
}
