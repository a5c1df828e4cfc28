/**
 * Stages in which a transformer sees some of a picture's tokens only: which ones, how the others follow, and what a boundary between
 * two such stages makes of the latents. On the CPU, a few times in a run.
 *
 * Latents are [h, w, C] row-major, tokens p × p of them, counted along rows.
 *
 * @module
 */

import type { Spread, TokenSet } from "../token_set.ts";
import type { StagePlan, TokenPart } from "./types.ts";

/** Latents on the CPU, [height, width, channels]. */
export interface LatentGrid {
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** Channels. */
  readonly channels: number;
  /** [height, width, channels]. */
  readonly data: Float32Array;
}

/** What a stage leaves for one that chooses tokens. */
export interface TokensLeft {
  /** Latents after the last step. */
  readonly latents: LatentGrid;
  /** Clean latents that the last step implied. */
  readonly x0: LatentGrid;
  /** Output of the network in the last step. */
  readonly output: LatentGrid;
}

/** The tokens of a run's stages, one after the other. */
export class TokenRun {
  /** Of the stage that is run; undefined for all. */
  set: TokenSet | undefined;
  private active: Uint8Array | undefined; // anchors, or the tokens of the half grid that are split

  /** Begins a run: the first stage's tokens. */
  begin(stage: StagePlan): void {
    this.set = undefined;
    const { part, latentHeight, latentWidth } = stage;
    if (part?.kind !== "anchors") return;
    const [h, w] = [latentHeight / part.patch, latentWidth / part.patch];
    this.active = regularAnchors(h, w, part.stride);
    this.set = anchorSet(this.active, h, w, part.stride);
  }

  /**
   * What a stage begins with, and its tokens.
   *
   * @param noise Standard normals of the stage's size.
   * @param edges Edge pixels of each token of the grid before, for `regions`.
   */
  grow(
    left: TokensLeft,
    noise: Float32Array,
    stage: StagePlan,
    edges?: Float64Array,
  ): Float32Array<ArrayBuffer> {
    const { part, grow } = stage;
    return part!.kind === "anchors"
      ? this.growAnchors(left, noise, part!, grow!.mix)
      : this.growRegions(left.latents, noise, part!, grow!.mix, edges);
  }

  /** New anchors begin at the noised interpolation of the predicted picture; everything else stays. */
  private growAnchors(
    { latents, x0, output }: TokensLeft,
    noise: Float32Array,
    { patch: p, stride, count }: TokenPart & { kind: "anchors" },
    mix: { readonly signal: number; readonly noise: number },
  ): Float32Array<ArrayBuffer> {
    const { height, width, channels: C } = latents;
    const [h, w] = [height / p, width / p];
    const before = this.active!;
    const smooth = spread(x0, this.set!.full, p, (token) => this.set!.rows[token]);
    const active = count === h * w
      ? before.map(() => 1)
      : moreAnchors(before, localVariance(output, p), count);
    const out = Float32Array.from(latents.data);
    for (let token = 0; token < h * w; token++) {
      if (!active[token] || before[token]) continue;
      for (const at of latentsOf(token, w, width, p, C)) {
        out[at] = mix.signal * smooth[at] + mix.noise * noise[at];
      }
    }
    this.active = active;
    this.set = count === h * w ? undefined : anchorSet(active, h, w, stride);
    return out;
  }

  /** Tokens with the most edges, or all that are left, become four; the noise is white again afterwards. */
  private growRegions(
    latents: LatentGrid,
    noise: Float32Array,
    { patch: p, count, split, z }: TokenPart & { kind: "regions" },
    mix: { readonly signal: number; readonly noise: number },
    edges: Float64Array | undefined,
  ): Float32Array<ArrayBuffer> {
    const first = edges !== undefined;
    const [height, width, C] = first
      ? [2 * latents.height, 2 * latents.width, latents.channels]
      : [latents.height, latents.width, latents.channels];
    const [h, w] = [height / p / 2, width / p / 2]; // of the half grid
    const already = first ? new Uint8Array(h * w) : this.active!;
    const all = count === 4 * h * w;
    const active = first && !all ? largest(edges, split) : already.map(() => 1);
    const out = new Float32Array(height * width * C);
    const kappa = 1 - Math.sqrt(1 - 4 / (z * z));
    const plain = Math.sqrt(1 - 1 / (z * z));
    for (let y = 0; y < height; y += 2) {
      for (let x = 0; x < width; x += 2) {
        const token = Math.floor(y / 2 / p) * w + Math.floor(x / 2 / p);
        const places = [0, 1, width, width + 1].map((step) => y * width + x + step);
        for (let c = 0; c < C; c++) {
          const mean = places.reduce((sum, place) => sum + noise[place * C + c], 0) / 4;
          for (const place of places) {
            const at = place * C + c;
            const value = first ? latents.data[((y / 2) * (width / 2) + x / 2) * C + c] : latents.data[at];
            const fresh = already[token]
              ? plain * noise[at] // four of its own before
              : active[token]
              ? noise[at] - kappa * mean // becomes four: what they share of the old noise is taken back
              : plain * 2 * mean; // stays one
            out[at] = mix.signal * value + mix.noise * fresh;
          }
        }
      }
    }
    this.active = active;
    this.set = all ? undefined : regionSet(active, h, w);
    return out;
  }
}

/** Indices of a token's numbers in latents. */
function latentsOf(token: number, columns: number, width: number, p: number, C: number): number[] {
  const [y, x] = [Math.floor(token / columns) * p, (token % columns) * p];
  const out: number[] = [];
  for (let i = 0; i < p; i++) {
    for (let j = 0; j < p; j++) {
      for (let c = 0; c < C; c++) out.push(((y + i) * width + x + j) * C + c);
    }
  }
  return out;
}

/** Every token out of those that a spread names. */
function spread(
  grid: LatentGrid,
  { pairs, K }: Spread,
  p: number,
  source: (index: number) => number,
): Float32Array<ArrayBuffer> {
  const { width, channels, data } = grid;
  const columns = width / p;
  const out = new Float32Array(data.length);
  for (let token = 0; token < pairs.length / K / 2; token++) {
    const to = latentsOf(token, columns, width, p, channels);
    for (let k = 0; k < K; k++) {
      const [from, weight] = [pairs[(token * K + k) * 2], pairs[(token * K + k) * 2 + 1]];
      if (weight === 0) continue;
      latentsOf(source(from), columns, width, p, channels).forEach((at, i) =>
        out[to[i]] += weight * data[at]
      );
    }
  }
  return out;
}

/** One token of each square of `stride`, near its middle. */
export function regularAnchors(h: number, w: number, stride: number): Uint8Array {
  const at = Math.floor((stride - 1) / 2);
  return Uint8Array.from(
    { length: h * w },
    (_, i) => Number(Math.floor(i / w) % stride === at && i % w % stride === at),
  );
}

/** The anchors and those of the others with the largest score, `count` in all. */
export function moreAnchors(anchors: Uint8Array, score: Float64Array, count: number): Uint8Array {
  const had = anchors.reduce((sum, v) => sum + v, 0);
  const others = largest(score.map((v, i) => anchors[i] ? -1 : v), Math.max(0, count - had));
  return anchors.map((v, i) => v | others[i]);
}

/** Marks the `count` largest; of equals the first. */
function largest(score: Float64Array, count: number): Uint8Array {
  const order = [...score.keys()].sort((a, b) => score[b] - score[a] || a - b);
  const out = new Uint8Array(score.length);
  for (const i of order.slice(0, count)) out[i] = 1;
  return out;
}

/** Variance of each token's numbers over the 3 × 3 tokens around it, summed. */
export function localVariance({ height, width, channels, data }: LatentGrid, p: number): Float64Array {
  const [h, w] = [height / p, width / p];
  const tokens = Array.from({ length: h * w }, (_, token) => latentsOf(token, w, width, p, channels));
  return Float64Array.from(tokens, (own, token) => {
    const [y, x] = [Math.floor(token / w), token % w];
    const around: number[][] = [];
    for (let i = Math.max(0, y - 1); i <= Math.min(h - 1, y + 1); i++) {
      for (let j = Math.max(0, x - 1); j <= Math.min(w - 1, x + 1); j++) around.push(tokens[i * w + j]);
    }
    let sum = 0;
    for (let k = 0; k < own.length; k++) {
      let [mean, square] = [0, 0];
      for (const at of around) mean += data[at[k]], square += data[at[k]] ** 2;
      mean /= around.length;
      sum += square / around.length - mean * mean;
    }
    return sum;
  });
}

/** Anchors near a token that it is interpolated from. */
const NEIGHBOURS = 4;

/** Anchors on their own places; the others follow the nearest four of them, weighed by the inverse of the squared distance. */
export function anchorSet(anchors: Uint8Array, h: number, w: number, stride: number): TokenSet {
  const rows = [...anchors.keys()].filter((i) => anchors[i]);
  const index = new Map(rows.map((row, i) => [row, i]));
  const pairs = new Float32Array(h * w * NEIGHBOURS * 2);
  // Every square of `stride` has an anchor, also at the edges: one square further in each direction are four.
  const reach = 2 * stride;
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const near: { index: number; weight: number }[] = [];
      const own = index.get(y * w + x);
      if (own !== undefined) near.push({ index: own, weight: 1 });
      else {
        for (let i = Math.max(0, y - reach); i <= Math.min(h - 1, y + reach); i++) {
          for (let j = Math.max(0, x - reach); j <= Math.min(w - 1, x + reach); j++) {
            const found = index.get(i * w + j);
            if (found !== undefined) near.push({ index: found, weight: 1 / ((i - y) ** 2 + (j - x) ** 2) });
          }
        }
        near.sort((a, b) => b.weight - a.weight || a.index - b.index);
        near.length = Math.min(near.length, NEIGHBOURS);
      }
      const sum = near.reduce((total, { weight }) => total + weight, 0);
      near.forEach(({ index, weight }, k) => {
        pairs[((y * w + x) * NEIGHBOURS + k) * 2] = index;
        pairs[((y * w + x) * NEIGHBOURS + k) * 2 + 1] = weight / sum;
      });
    }
  }
  return {
    count: rows.length,
    rows,
    places: rows.map((row) => [Math.floor(row / w), row % w]),
    grid: [h, w],
    full: { pairs, K: NEIGHBOURS },
  };
}

/** Tokens of the half grid, h × w, of which the marked ones are four of the picture's own, with places between whole numbers. */
export function regionSet(split: Uint8Array, h: number, w: number): TokenSet {
  const S = 4 * h * w;
  const rows: number[] = [];
  const places: [number, number][] = [];
  const [full, half] = [new Float32Array(S * 2), new Float32Array(h * w * 2)];
  for (let token = 0; token < h * w; token++) {
    const [y, x] = [Math.floor(token / w), token % w];
    if (!split[token]) {
      half[token * 2] = rows.length;
      half[token * 2 + 1] = 1;
      rows.push(S + token);
      places.push([y, x]);
      continue;
    }
    for (const [i, j] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
      const own = (2 * y + i) * 2 * w + 2 * x + j;
      full[own * 2] = rows.length;
      full[own * 2 + 1] = 1;
      rows.push(own);
      places.push([y + i / 2, x + j / 2]);
    }
  }
  return {
    count: rows.length,
    rows,
    places,
    grid: [h, w],
    full: { pairs: full, K: 1 },
    half: { pairs: half, K: 1 },
  };
}
