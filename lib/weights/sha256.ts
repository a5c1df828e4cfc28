/**
 * SHA-256 of data that comes in pieces: Web Crypto hashes only what is in memory as a whole.
 *
 * Source: FIPS 180-4, section 6.2.
 *
 * @module
 */

const BLOCK = 64;
/** Fractional parts of the cube roots of the first 64 primes. */
const K: Uint32Array = rootsOfPrimes(64, Math.cbrt);
/** Of the square roots of the first 8. */
const START: Uint32Array = rootsOfPrimes(8, Math.sqrt);

function rootsOfPrimes(count: number, root: (n: number) => number): Uint32Array {
  const out = new Uint32Array(count);
  for (let n = 2, i = 0; i < count; n++) {
    let prime = true;
    for (let d = 2; d * d <= n && prime; d++) prime = n % d !== 0;
    // A double holds the integer part (below 32) and more than 32 bits of the fraction.
    if (prime) out[i++] = (root(n) % 1) * 2 ** 32;
  }
  return out;
}

/** A running hash. */
export class Sha256 {
  private readonly h = START.slice();
  private readonly w = new Int32Array(64);
  private readonly rest = new Uint8Array(BLOCK);
  private filled = 0;
  private bytes = 0;

  /** Takes the next bytes. */
  update(data: Uint8Array): this {
    this.bytes += data.length;
    let at = 0;
    if (this.filled > 0) {
      at = Math.min(BLOCK - this.filled, data.length);
      this.rest.set(data.subarray(0, at), this.filled);
      this.filled += at;
      if (this.filled < BLOCK) return this;
      this.compress(this.rest, 0);
      this.filled = 0;
    }
    for (; at + BLOCK <= data.length; at += BLOCK) this.compress(data, at);
    this.rest.set(data.subarray(at));
    this.filled = data.length - at;
    return this;
  }

  /** The hash in hexadecimal; nothing can be added afterwards. */
  hex(): string {
    const bits = this.bytes * 8;
    const padding = new Uint8Array((this.filled < 56 ? 64 : 128) - this.filled);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(padding.length - 4, bits % 2 ** 32);
    this.update(padding);
    return Array.from(this.h, (word) => word.toString(16).padStart(8, "0")).join("");
  }

  private compress(data: Uint8Array, at: number): void {
    const { w, h } = this;
    for (let i = 0; i < 16; i++, at += 4) {
      w[i] = data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3];
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15];
      const y = w[i - 2];
      const s0 = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3;
      const s1 = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1 | 0;
    }
    let a = h[0] | 0, b = h[1] | 0, c = h[2] | 0, d = h[3] | 0;
    let e = h[4] | 0, f = h[5] | 0, g = h[6] | 0, k = h[7] | 0;
    for (let i = 0; i < 64; i++) {
      const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
      const t1 = k + s1 + (e & f ^ ~e & g) + K[i] + w[i] | 0;
      const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
      const t2 = s0 + (a & b ^ a & c ^ b & c) | 0;
      k = g;
      g = f;
      f = e;
      e = d + t1 | 0;
      d = c;
      c = b;
      b = a;
      a = t1 + t2 | 0;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
    h[5] += f;
    h[6] += g;
    h[7] += k;
  }
}
