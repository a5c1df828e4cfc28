/**
 * Noise as PyTorch draws it, so that a seed gives the picture known from diffusers or ComfyUI.
 *
 * `TorchCpuGenerator` follows torch's CPU `randn` in f32 on machines with AVX2 (nearly all; torch's
 * AVX-512 and plain builds differ from it by an ulp or two). `TorchCudaGenerator` follows the layout of
 * its CUDA `randn`, where a thread owns a Philox subsequence.
 *
 * Source: Matsumoto and Nishimura, "Mersenne Twister" (1998); Moshier's Cephes for the single-precision
 * functions; behaviour measured against PyTorch 2.9 to 2.13.
 *
 * @module
 */

import { LssgenError } from "./errors.ts";
import { philox4x32, pinnedCosine, pinnedLog, pinnedSine, seedWords } from "./random.ts";

const fround = Math.fround;

/** Below this many numbers torch draws one by one in doubles, from it on in blocks of singles. */
const BLOCK = 16;

/** `torch.Generator("cpu").manual_seed(seed)`: draws continue where the last one ended. */
export class TorchCpuGenerator {
  readonly #twister: MersenneTwister;
  /** Second normal of a scalar pair, kept for the next short draw. */
  #spare: number | undefined;

  /**
   * Seeds the generator.
   *
   * @param seed As for torch; it uses the low 32 bits.
   * @throws {LssgenError} `bad_option` for a seed out of range.
   */
  constructor(seed: number | bigint) {
    this.#twister = new MersenneTwister(seedWords(seed)[0]);
  }

  /**
   * `torch.randn(count, generator=…)`, f32. The shape does not matter to torch, only the count.
   *
   * @throws {LssgenError} `bad_option` for a count that is no whole number.
   */
  randn(count: number): Float32Array<ArrayBuffer> {
    const out = new Float32Array(checkedCount(count));
    if (count < BLOCK) {
      for (let i = 0; i < count; i++) out[i] = this.#scalar();
      return out;
    }
    const uniform = () => (this.#twister.next() & 0xffffff) * 2 ** -24;
    for (let i = 0; i < count; i++) out[i] = uniform();
    for (let at = 0; at + BLOCK <= count; at += BLOCK) normalBlock(out, at);
    if (count % BLOCK !== 0) {
      // The tail is drawn anew as one last block over what is there.
      for (let i = count - BLOCK; i < count; i++) out[i] = uniform();
      normalBlock(out, count - BLOCK);
    }
    return out;
  }

  #scalar(): number {
    if (this.#spare !== undefined) {
      const value = this.#spare;
      this.#spare = undefined;
      return value;
    }
    const quarters = 4 * this.#uniform53();
    const radius = Math.sqrt(-2 * pinnedLog(1 - this.#uniform53()));
    this.#spare = radius * pinnedSine(quarters);
    return radius * pinnedCosine(quarters);
  }

  /** 53 bits of two words, high word first. */
  #uniform53(): number {
    const high = this.#twister.next();
    return ((high & 0x1fffff) * 2 ** 32 + this.#twister.next()) * 2 ** -53;
  }
}

/** Box–Muller in place on 16 uniforms: eight radii from the first half, eight angles from the second. */
function normalBlock(data: Float32Array, at: number): void {
  for (let i = at; i < at + BLOCK / 2; i++) {
    const radius = fround(Math.sqrt(-2 * logf(fround(1 - data[i]))));
    const [sin, cos] = sincosf(fround(TWO_PI * data[i + BLOCK / 2]));
    data[i] = radius * cos;
    data[i + BLOCK / 2] = radius * sin;
  }
}

const TWO_PI = fround(2 * Math.PI);

/**
 * a·b + c of singles in one rounding, as torch's AVX2 build computes it: the product is exact in a
 * double, and the double's own rounding of the sum shows in one of 2^29 cases at most.
 */
function fma(a: number, b: number, c: number): number {
  return fround(a * b + c);
}

const LOG = [
  7.0376836292e-2,
  -1.1514610310e-1,
  1.1676998740e-1,
  -1.2420140846e-1,
  1.4249322787e-1,
  -1.6668057665e-1,
  2.0000714765e-1,
  -2.4999993993e-1,
  3.3333331174e-1,
].map(fround);
/** ln 2 in two parts, so that a whole exponent times the first is exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = fround(-2.12194440e-4);
const SQRT_HALF = fround(Math.SQRT1_2);
const floatBits = new Float32Array(1);
const intBits = new Int32Array(floatBits.buffer);

/** Cephes' single-precision logarithm, x in (0, 1]; bit for bit what torch's AVX2 build gives. */
function logf(x: number): number {
  floatBits[0] = x;
  let exponent = (intBits[0] >> 23) - 126;
  intBits[0] = (intBits[0] & 0x7fffff) | 0x3f000000;
  let m = floatBits[0];
  if (m < SQRT_HALF) {
    exponent--;
    m = fround(2 * m - 1);
  } else m = fround(m - 1);
  const m2 = fround(m * m);
  let y = LOG[0];
  for (let k = 1; k < LOG.length; k++) y = fma(y, m, LOG[k]);
  y = fma(fround(y * m), m2, fround(exponent * LN2_LOW));
  y = fma(-0.5, m2, y);
  return fma(exponent, LN2_HIGH, fround(m + y));
}

const COSINE = [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2].map(fround);
const SINE = [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1].map(fround);
/** −π/4 in three parts. */
const MINUS_QUARTER_PI = [-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8].map(fround);
const FOUR_OVER_PI = fround(4 / Math.PI);

/** Cephes' single-precision sine and cosine, x in [0, 2π]; bit for bit as {@linkcode logf}. */
function sincosf(x: number): [sin: number, cos: number] {
  const octant = (Math.trunc(fround(x * FOUR_OVER_PI)) + 1) & ~1;
  for (const part of MINUS_QUARTER_PI) x = fma(octant, part, x);
  const x2 = fround(x * x);
  const c = fround(fma(fma(COSINE[0], x2, COSINE[1]), x2, COSINE[2]) * x2);
  const cos = fround(fma(c, x2, -0.5 * x2) + 1);
  const s = fround(fma(fma(SINE[0], x2, SINE[1]), x2, SINE[2]) * x2);
  const sin = fma(s, x, x);
  const swapped = (octant & 2) !== 0;
  return [
    (octant & 4 ? -1 : 1) * (swapped ? cos : sin),
    ((octant - 2) & 4 ? 1 : -1) * (swapped ? sin : cos),
  ];
}

/** MT19937. */
class MersenneTwister {
  readonly #state = new Uint32Array(624);
  #at = 624;

  constructor(seed: number) {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < 624; i++) {
      state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    }
  }

  /** The next unsigned 32-bit word. */
  next(): number {
    if (this.#at === 624) this.#refill();
    let y = this.#state[this.#at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < 624; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
      state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#at = 0;
  }
}

/** Numbers that a CUDA thread makes at a time. */
const UNROLL = 4;
const THREADS_PER_BLOCK = 256;

/**
 * Threads that an RTX 4090 holds (128 multiprocessors of 1536). Draws up to this size are the same on
 * every GPU that holds as many; larger ones depend on the GPU, as they do in PyTorch.
 */
export const RTX_4090_THREADS: number = 128 * 1536;

/**
 * `torch.Generator("cuda").manual_seed(seed)`. A GPU takes sine and cosine from its approximate unit,
 * so values agree to about 1e-6, not to the bit.
 */
export class TorchCudaGenerator {
  readonly #key: readonly [number, number];
  readonly #maxThreads: number;
  /** Philox blocks that every thread has used. */
  #used = 0;

  /**
   * Seeds the generator.
   *
   * @param seed As for torch.
   * @param maxThreads Multiprocessors × threads that each holds, on the GPU that is followed.
   * @throws {LssgenError} `bad_option` for a seed out of range or threads that are no multiple of 256.
   */
  constructor(seed: number | bigint, maxThreads: number = RTX_4090_THREADS) {
    this.#key = seedWords(seed);
    if (
      !Number.isSafeInteger(maxThreads) || maxThreads < THREADS_PER_BLOCK || maxThreads % THREADS_PER_BLOCK
    ) {
      throw new LssgenError(
        "bad_option",
        `Cannot follow a GPU of ${maxThreads} threads, expected a positive multiple of ${THREADS_PER_BLOCK}`,
      );
    }
    this.#maxThreads = maxThreads;
  }

  /**
   * `torch.randn(count, device="cuda", generator=…)`, f32.
   *
   * @throws {LssgenError} `bad_option` for a count that is no whole number.
   */
  randn(count: number): Float32Array<ArrayBuffer> {
    const out = new Float32Array(checkedCount(count));
    if (count === 0) return out;
    const wanted = Math.ceil(count / THREADS_PER_BLOCK) * THREADS_PER_BLOCK;
    const threads = Math.min(wanted, this.#maxThreads);
    const rounds = Math.ceil(count / (threads * UNROLL));
    for (let round = 0; round < rounds; round++) {
      for (let thread = 0; thread < threads; thread++) {
        const first = round * threads * UNROLL + thread;
        if (first >= count) break;
        const words = philox4x32([this.#used + round, 0, thread, 0], ...this.#key);
        for (let pair = 0; pair < UNROLL; pair += 2) {
          const [one, two] = cudaNormalPair(words[pair], words[pair + 1]);
          const at = first + pair * threads;
          if (at < count) out[at] = one;
          if (at + threads < count) out[at + threads] = two;
        }
      }
    }
    this.#used += rounds;
    return out;
  }
}

const ANGLE_STEP = fround(2 * Math.PI * 2 ** -32);

/** cuRAND's Box–Muller: sine first, uniforms half a step above zero, in singles. */
function cudaNormalPair(x: number, y: number): [number, number] {
  const u = fma(fround(x), 2 ** -32, 2 ** -33);
  const v = fma(fround(y), ANGLE_STEP, ANGLE_STEP / 2);
  // u reaches 1 by rounding, v reaches 2π.
  const radius = Math.sqrt(-2 * pinnedLog(u));
  const quarters = Math.min(4, v / (Math.PI / 2));
  return [radius * pinnedSine(quarters), radius * pinnedCosine(quarters)];
}

function checkedCount(count: number): number {
  if (!Number.isSafeInteger(count) || count < 0 || count > 2 ** 31) {
    throw new LssgenError("bad_option", `Cannot draw ${count} normals, expected a whole number up to 2^31`);
  }
  return count;
}
