/**
 * Numbers as numpy spaces and rounds them.
 *
 * @module
 */

/** n values from a to b as numpy spaces them. */
export function linspace(a: number, b: number, n: number): number[] {
  if (n === 1) return [a];
  const step = (b - a) / (n - 1);
  return Array.from({ length: n }, (_, i) => i === n - 1 ? b : a + i * step);
}

/** Rounds halves to even, as numpy does. */
export function roundEven(v: number): number {
  const r = Math.round(v);
  return r - v === 0.5 && r % 2 !== 0 ? r - 1 : r;
}
