/**
 * The draws of a case: the same for the same seed, target and number, on every machine.
 *
 * @module
 */

/** A stream of numbers that a seed, a target and a case's number decide. */
export class Draws {
  private state: number;

  /** Begins the stream of one case. */
  constructor(seed: number, target: string, number: number) {
    let hash = 0x811c9dc5;
    for (const c of `${seed}/${target}/${number}`) hash = Math.imul(hash ^ c.charCodeAt(0), 0x01000193);
    this.state = hash;
  }

  /** 32 bits. Source: splitmix32, of Steele, Lea and Flood's SplitMix (2014). */
  bits(): number {
    this.state = this.state + 0x9e3779b9 | 0;
    let z = this.state;
    z = Math.imul(z ^ z >>> 16, 0x21f0aaad);
    z = Math.imul(z ^ z >>> 15, 0x735a2d97);
    return (z ^ z >>> 15) >>> 0;
  }

  /** A whole number in [0, n); 0 when n is 0. */
  below(n: number): number {
    return n > 0 ? this.bits() % n : 0;
  }

  /** True in one of n draws. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  /** One of a list that is not empty. */
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}
