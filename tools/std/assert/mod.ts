/**
 * Stands in for `jsr:@std/assert` where JSR does not answer (see `links` in deno.json): only what the
 * tests of this repository call, over `node:assert`. Never published; tests/edge_std_test.ts pins it.
 *
 * @module
 */
import nodeAssert from "node:assert/strict";
import { inspect } from "node:util";

export { AssertionError } from "node:assert/strict";

// deno-lint-ignore no-explicit-any -- constructors of any arguments, as in @std/assert
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

/** Fails unless `value` is truthy. */
export function assert(value: unknown, message = ""): asserts value {
  if (!value) throw new nodeAssert.AssertionError({ message: message || "Expected a truthy value" });
}

/** Fails always. */
export function fail(message = ""): never {
  throw new nodeAssert.AssertionError({ message: `Failed assertion${message ? `: ${message}` : ""}` });
}

/** Fails unless both are deeply equal, types and prototypes included. */
export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.deepStrictEqual(actual, expected, message as string);
}

/** Fails when both are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.notDeepStrictEqual(actual, expected, message as string);
}

/** Fails unless both are the same value by `Object.is`. */
export function assertStrictEquals<T>(actual: unknown, expected: T, message?: string): asserts actual is T {
  nodeAssert.strictEqual(actual, expected, message as string);
}

/** Fails unless |actual − expected| ≤ tolerance; without one, 1e-7 of |expected|, at least the smallest step. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  const delta = Math.abs(expected - actual);
  if (delta <= allowed) return;
  const found =
    `Expected actual: ${actual} to be close to ${expected}: delta ${delta} is greater than ${allowed}`;
  throw new nodeAssert.AssertionError({ message: message ? `${found}: ${message}` : found });
}

/** Fails for null and undefined. */
export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T> {
  assert(actual !== null && actual !== undefined, message ?? `Expected a value, got ${actual}`);
}

/** Fails unless actual > expected. */
export function assertGreater<T>(actual: T, expected: T, message?: string): void {
  assert(actual > expected, message ?? `Expected ${actual} > ${expected}`);
}

/** Fails unless actual ≥ expected. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void {
  assert(actual >= expected, message ?? `Expected ${actual} >= ${expected}`);
}

/** Fails unless actual < expected. */
export function assertLess<T>(actual: T, expected: T, message?: string): void {
  assert(actual < expected, message ?? `Expected ${actual} < ${expected}`);
}

/** Fails unless actual ≤ expected. */
export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void {
  assert(actual <= expected, message ?? `Expected ${actual} <= ${expected}`);
}

/** Fails unless `text` contains `part`. */
export function assertStringIncludes(text: string, part: string, message?: string): void {
  assert(text.includes(part), message ?? `Expected ${inspect(text)} to include ${inspect(part)}`);
}

/** Fails unless `text` matches. */
export function assertMatch(text: string, pattern: RegExp, message?: string): void {
  assert(pattern.test(text), message ?? `Expected ${inspect(text)} to match ${pattern}`);
}

/** Fails when `text` matches. */
export function assertNotMatch(text: string, pattern: RegExp, message?: string): void {
  assert(!pattern.test(text), message ?? `Expected ${inspect(text)} not to match ${pattern}`);
}

/** Fails unless every element of `expected` is deeply equal to one of `actual`. */
export function assertArrayIncludes<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, message?: string): void {
  for (const want of Array.from(expected)) {
    const found = Array.from(actual).some((have) => {
      try {
        nodeAssert.deepStrictEqual(have, want);
        return true;
      } catch {
        return false;
      }
    });
    assert(found, message ?? `Expected ${inspect(actual)} to include ${inspect(want)}`);
  }
}

/** Fails unless `actual` is an instance of the class. */
export function assertInstanceOf<T>(
  actual: unknown,
  // deno-lint-ignore no-explicit-any -- as in @std/assert
  expected: abstract new (...args: any[]) => T,
  message?: string,
): asserts actual is T {
  assert(actual instanceof expected, message ?? `Expected ${inspect(actual)} to be a ${expected.name}`);
}

/** Runs `call`, which must throw an `Error`: of the class and with the words, where given. Returns it. */
export function assertThrows<E extends Error = Error>(
  call: () => unknown,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
  message?: string,
): E {
  try {
    call();
  } catch (error) {
    return matching(error, errorClass, messageIncludes, message);
  }
  throw new nodeAssert.AssertionError({ message: message ?? "Expected function to throw" });
}

/** Calls `call`, whose promise must reject: with the class and the words, where given. Resolves to the error. */
export async function assertRejects<E extends Error = Error>(
  call: () => PromiseLike<unknown>,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
  message?: string,
): Promise<E> {
  // A synchronous throw is not a rejection, so it passes through, as in @std/assert.
  const promise = call();
  try {
    await promise;
  } catch (error) {
    return matching(error, errorClass, messageIncludes, message);
  }
  throw new nodeAssert.AssertionError({ message: message ?? "Expected function to reject" });
}

function matching<E extends Error>(
  error: unknown,
  errorClass: ErrorClass<E> | undefined,
  messageIncludes: string | undefined,
  message: string | undefined,
): E {
  assertInstanceOf(error, errorClass ?? Error, message as string);
  if (messageIncludes !== undefined) assertStringIncludes(error.message, messageIncludes, message as string);
  return error as E;
}
