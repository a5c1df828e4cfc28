/**
 * Decoding a picture that is too large for the GPU, in bands of rows that show no seams.
 *
 * A convolution needs a few rows beyond a band's edges, which each band brings along. A group norm needs the mean and
 * variance of the whole picture: tiles that take their own differ in colour from their neighbours, which is why other
 * implementations blend wide overlaps. Here the bands are run several times: each pass uses the statistics that the pass
 * before it measured over all bands, until they agree. With every pass one more norm of the network is exact at least, so
 * that it ends; half as many passes as there are norms suffice. That is what memory costs: where it is enough, the picture
 * is decoded as a whole.
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import type { AutoencoderKl, Norms } from "../models/autoencoder_kl.ts";
import { type GroupStatistics, groupStatistics, knownStatistics } from "../ops/group_norm.ts";
import { DTYPE_BYTES, type Tensor } from "../tensor.ts";

/** Mean and variance of each group. */
export interface Moments {
  /** One a group. */
  readonly mean: Float64Array;
  /** One a group. */
  readonly variance: Float64Array;
}

/**
 * Largest change of a mean, in deviations, or relative change of a deviation, at which statistics count as agreed: the
 * norms' outputs, of size one, are that near to the whole picture's. A step of 1/255 is 0.008 of a picture's range of two.
 */
const AGREED = 4e-3;

/** What the norms add to a variance, so that a flat map does not make their factor infinite. */
const EPS = 1e-6;

/** What {@linkcode decodeInBands} is given. */
export interface Bands {
  /** The network. */
  readonly model: AutoencoderKl;
  /** Result of its decodeLower, [1, H, W, C] f32. */
  readonly lower: Tensor;
  /** Level that the bands begin with. */
  readonly level: number;
  /** Rows of `lower` that a band is for; it takes what it needs beside them. */
  readonly rows: number;
}

/**
 * Runs the decoder's upper levels in bands.
 *
 * @returns The picture on the CPU, row-major with its channels last, and how many passes it took.
 */
export async function decodeInBands(
  r: Recorder,
  { model, lower, level, rows }: Bands,
): Promise<{ data: Float32Array<ArrayBuffer>; height: number; width: number; passes: number }> {
  const [, H, W, C] = lower.shape;
  const reach = model.decodeReach(level);
  const scale = 2 ** (model.config.block_out_channels.length - level);
  const rowFloats = W * scale * model.config.out_channels;
  const data = new Float32Array(H * scale * rowFloats);
  let used: readonly Moments[] | undefined;
  for (let passes = 1;; passes++) {
    const joined: Joined[] = [];
    for (let from = 0; from < H; from += rows) {
      const to = Math.min(H, from + rows);
      const [first, end] = [Math.max(0, from - reach), Math.min(H, to + reach)];
      using _band = r.scope();
      const rowBytes = W * C * DTYPE_BYTES[lower.dtype];
      const part = r.tensor([1, end - first, W, C], lower.dtype);
      r.copy(lower, first * rowBytes, part, 0, (end - first) * rowBytes);
      const norms = new BandNorms({ first, from, to, rows: end - first }, used);
      const picture = model.decodeUpper(r, part, level, norms);
      const [band, measured] = await Promise.all([
        used && r.read(picture), // nothing of the first pass can stay
        Promise.all(norms.measured),
      ]);
      measured.forEach((one, i) => (joined[i] ??= new Joined(one)).add(one));
      if (band) {
        const skip = (from - first) * scale * rowFloats;
        data.set(band.subarray(skip, skip + (to - from) * scale * rowFloats), from * scale * rowFloats);
      }
    }
    const found = joined.map((j) => j.moments());
    // After as many passes as there are norms, and one, all are exact: also where numbers are not finite.
    const exact = passes > found.length;
    if (exact || (used && apart(used, found) < AGREED)) {
      return { data, height: H * scale, width: W * scale, passes };
    }
    used = found;
  }
}

/** Each norm of one band: measures its rows, and says what to use. */
class BandNorms implements Norms {
  /** On their way from the GPU. */
  readonly measured: Promise<Measured>[] = [];

  constructor(
    private readonly band: { first: number; from: number; to: number; rows: number },
    private readonly used: readonly Moments[] | undefined,
  ) {}

  next(r: Recorder, x: Tensor, groups: number): GroupStatistics {
    const { first, from, to, rows } = this.band;
    const scale = x.shape[1] / rows;
    const own = groupStatistics(r, x, groups, { from: (from - first) * scale, to: (to - first) * scale });
    const known = this.used?.[this.measured.length];
    const width = x.shape[3] / groups;
    this.measured.push(r.read(own.parts).then((values) => ({ ...own, values, groups, width })));
    if (!known) return own;
    const parts = new Float32Array(2 * groups);
    for (let g = 0; g < groups; g++) {
      parts[2 * g] = known.mean[g];
      parts[2 * g + 1] = known.variance[g] * width;
    }
    return knownStatistics(r.upload([1, groups, 1, 2], parts));
  }
}

/** Statistics of a band's own rows on the CPU. */
interface Measured extends Omit<GroupStatistics, "parts"> {
  /** [groups, chunks, 2]. */
  readonly values: Float32Array;
  readonly groups: number;
  /** Channels of a group. */
  readonly width: number;
}

/** Statistics of chunks of several bands as one, by Chan's formula. */
class Joined {
  private readonly n: Float64Array;
  private readonly mean: Float64Array;
  private readonly m2: Float64Array;

  constructor({ groups }: Measured) {
    [this.n, this.mean, this.m2] = [0, 0, 0].map(() => new Float64Array(groups));
  }

  add({ values, chunk, chunks, pixels, width }: Measured): void {
    for (let g = 0; g < this.n.length; g++) {
      for (let i = 0; i < chunks; i++) {
        const k = (Math.min((i + 1) * chunk, pixels) - i * chunk) * width;
        const [mean, m2] = values.subarray(2 * (g * chunks + i));
        const d = mean - this.mean[g];
        const n = this.n[g];
        this.mean[g] += d * k / (n + k);
        this.m2[g] += m2 + d * d * n * k / (n + k);
        this.n[g] = n + k;
      }
    }
  }

  moments(): Moments {
    return { mean: this.mean, variance: this.m2.map((m2, g) => m2 / this.n[g]) };
  }
}

/** How far two sets of statistics differ, as {@linkcode AGREED} counts it. */
function apart(a: readonly Moments[], b: readonly Moments[]): number {
  let most = 0;
  a.forEach(({ mean, variance }, i) => {
    for (let g = 0; g < mean.length; g++) {
      const deviation = Math.sqrt(b[i].variance[g] + EPS);
      most = Math.max(
        most,
        Math.abs(mean[g] - b[i].mean[g]) / deviation,
        Math.abs(Math.sqrt(variance[g] + EPS) / deviation - 1),
      );
    }
  });
  return most;
}
