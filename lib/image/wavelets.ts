/**
 * Daubechies' wavelets with four vanishing moments (db4), one level, over pictures of any size.
 *
 * Source: Daubechies, "Ten Lectures on Wavelets" (1992), table 6.1; borders are mirrored about their edge, as
 * PyWavelets' mode "symmetric", so that a signal of n values has ⌊(n + 7) / 2⌋ in each band.
 *
 * @module
 */

/** Low-pass filter of the synthesis. */
const LOW = [
  0.23037781330885523,
  0.7148465705525415,
  0.6308807679295904,
  -0.02798376941698385,
  -0.18703481171888114,
  0.030841381835986965,
  0.032883011666982945,
  -0.010597401784997278,
];
const TAPS = LOW.length;
/** High-pass filter of the synthesis: the low one backwards, every other sign changed. */
const HIGH = LOW.map((_, i) => (i % 2 === 0 ? 1 : -1) * LOW[TAPS - 1 - i]);

/** Values along a line: `n` of them, `stride` apart from `at` on. */
interface Line {
  readonly at: number;
  readonly n: number;
  readonly stride: number;
}

/** Values that a band of n values has. */
export function bandLength(n: number): number {
  return Math.floor((n + TAPS - 1) / 2);
}

/** Index mirrored into 0 … n − 1, the edge itself repeated. */
function mirrored(i: number, n: number): number {
  const period = 2 * n;
  const at = ((i % period) + period) % period;
  return at < n ? at : period - 1 - at;
}

function analyse(x: Float64Array, from: Line, filter: readonly number[], out: Float64Array, to: Line): void {
  for (let k = 0; k < to.n; k++) {
    let sum = 0;
    // Analysis filters are the synthesis filters backwards.
    for (let j = 0; j < TAPS; j++) {
      sum += filter[TAPS - 1 - j] * x[from.at + mirrored(2 * k + 1 - j, from.n) * from.stride];
    }
    out[to.at + k * to.stride] = sum;
  }
}

/** Adds a band's share to the signal. */
function synthesise(
  band: Float64Array,
  from: Line,
  filter: readonly number[],
  out: Float64Array,
  to: Line,
): void {
  for (let i = 0; i < to.n; i++) {
    let sum = 0;
    const last = Math.min(from.n - 1, Math.floor((i + TAPS - 2) / 2));
    for (let k = Math.max(0, Math.ceil((i - 1) / 2)); k <= last; k++) {
      sum += filter[i - 2 * k + TAPS - 2] * band[from.at + k * from.stride];
    }
    out[to.at + i * to.stride] += sum;
  }
}

/** A plane's four bands: low and high along rows and columns. */
export interface Bands {
  /** Rows of the plane. */
  readonly height: number;
  /** Columns of the plane. */
  readonly width: number;
  /** By filter along columns, then rows ("LH": low down, high across); [bandLength(height), bandLength(width)]. */
  readonly bands: Readonly<Record<"LL" | "LH" | "HL" | "HH", Float64Array<ArrayBuffer>>>;
}

const FILTERS = { L: LOW, H: HIGH };

/** Takes a plane [height, width] apart. */
export function decompose(plane: ArrayLike<number>, height: number, width: number): Bands {
  const x = Float64Array.from(plane);
  const [h, w] = [bandLength(height), bandLength(width)];
  const across = (filter: readonly number[]): Float64Array<ArrayBuffer> => {
    const out = new Float64Array(height * w);
    for (let y = 0; y < height; y++) {
      analyse(x, { at: y * width, n: width, stride: 1 }, filter, out, { at: y * w, n: w, stride: 1 });
    }
    return out;
  };
  const down = (half: Float64Array, filter: readonly number[]): Float64Array<ArrayBuffer> => {
    const out = new Float64Array(h * w);
    for (let c = 0; c < w; c++) {
      analyse(half, { at: c, n: height, stride: w }, filter, out, { at: c, n: h, stride: w });
    }
    return out;
  };
  const [low, high] = [across(LOW), across(HIGH)];
  return {
    height,
    width,
    bands: { LL: down(low, LOW), LH: down(high, LOW), HL: down(low, HIGH), HH: down(high, HIGH) },
  };
}

/** Puts a plane together again, from all bands or some of them. */
export function compose(
  { height, width, bands }: Bands,
  names: readonly (keyof Bands["bands"])[] = ["LL", "LH", "HL", "HH"],
): Float64Array<ArrayBuffer> {
  const [h, w] = [bandLength(height), bandLength(width)];
  const out = new Float64Array(height * width);
  for (const across of ["L", "H"] as const) {
    const half = new Float64Array(height * w);
    const wanted = (["L", "H"] as const).filter((down) => names.includes(`${down}${across}`));
    for (const down of wanted) {
      for (let c = 0; c < w; c++) {
        const to = { at: c, n: height, stride: w };
        synthesise(bands[`${down}${across}`], { at: c, n: h, stride: w }, FILTERS[down], half, to);
      }
    }
    if (wanted.length === 0) continue;
    for (let y = 0; y < height; y++) {
      const to = { at: y * width, n: width, stride: 1 };
      synthesise(half, { at: y * w, n: w, stride: 1 }, FILTERS[across], out, to);
    }
  }
  return out;
}

/** The part of a plane [height, width] that its LL band holds. */
export function coarse(plane: ArrayLike<number>, height: number, width: number): Float64Array<ArrayBuffer> {
  return compose(decompose(plane, height, width), ["LL"]);
}
