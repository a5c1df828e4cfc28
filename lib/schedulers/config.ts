/**
 * scheduler_config.json, read strictly: a value of the wrong type, or an option that would change the
 * picture and is not supported, is an error with its name.
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";

/** Steps of a schedule, and of training, at most. */
export const MOST_STEPS = 100_000;

/** Typed access to a scheduler's config. */
export class SchedulerConfig {
  /** Wraps the parsed JSON. Null is refused where it would stand for a number or a word: it is none, and NaN was written so. */
  constructor(private readonly values: Readonly<Record<string, unknown>>) {}

  /** Name of the class. */
  get className(): string {
    return this.text("_class_name", "");
  }

  /** A number from `min` to `max`. @param orNull Takes null for `absent`: the key's default is None in diffusers. */
  range(key: string, absent: number, min: number, max: number, orNull = false): number {
    const value = this.at(key, absent, orNull);
    if (typeof value !== "number" || !(value >= min && value <= max)) {
      throw this.bad(key, `a number from ${min} to ${max}`);
    }
    return value;
  }

  /** true or false. @param orNull Takes null for `absent`. */
  flag(key: string, absent: boolean, orNull = false): boolean {
    const value = this.at(key, absent, orNull);
    if (typeof value !== "boolean") throw this.bad(key, "true or false");
    return value;
  }

  /** One of the given words. */
  oneOf<T extends string>(key: string, words: readonly T[], absent: T): T {
    const value = this.text(key, absent);
    const found = words.find((word) => word === value);
    if (found === undefined) throw this.bad(key, `one of ${words.join(", ")}`);
    return found;
  }

  /** Whole training steps, 2 … 100000. */
  get trainSteps(): number {
    return this.wholeNumber("num_train_timesteps", 1000, 2, MOST_STEPS);
  }

  /** A whole number from `min` to `max`. */
  wholeNumber(key: string, absent: number, min: number, max: number): number {
    const n = this.at(key, absent);
    if (typeof n !== "number" || !Number.isInteger(n) || n < min || n > max) {
      throw this.bad(key, `a whole number from ${min} to ${max}`);
    }
    return n;
  }

  /** The class for messages, whatever stands in its place. */
  private get called(): string {
    const name = this.values._class_name;
    return typeof name === "string" ? name : `Scheduler ${shortJson(name)}`;
  }

  /** Refuses options that are set to something else than off. */
  refuse(...keys: readonly string[]): void {
    for (const key of keys) {
      const value = this.values[key];
      if (value === undefined || value === null || value === false) continue;
      throw new LssgenError(
        "unsupported",
        `${this.called}: option "${key}" is ${shortJson(value)}, which is not supported; switch it off`,
      );
    }
  }

  /** Refuses an option that is on unless a config switches it off. */
  needOff(key: string): void {
    if (!this.flag(key, true)) return;
    throw new LssgenError(
      "unsupported",
      `${this.called}: option "${key}" is on${
        this.values[key] === undefined ? " by default" : ""
      }, which is not supported; set it to false`,
    );
  }

  /** Refuses an option that is off unless a config switches it on. */
  needOn(key: string): void {
    if (!this.flag(key, false)) throw this.bad(key, "true");
  }

  /** Betas, each in (0, 1); undefined when absent. */
  betas(key: string): readonly number[] | undefined {
    const value = this.values[key] ?? undefined;
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.every((v) => typeof v === "number" && v > 0 && v < 1)) return value;
    throw this.bad(key, "a list of numbers between 0 and 1");
  }

  /** Whole numbers from 0; none when absent or null. */
  indices(key: string): readonly number[] {
    const value = this.values[key] ?? [];
    if (Array.isArray(value) && value.every((v) => Number.isInteger(v) && v >= 0)) return value;
    throw this.bad(key, "a list of whole numbers from 0");
  }

  /** Refuses every value but one. */
  expect(key: string, only: string | number | boolean): void {
    if (this.at(key, only) !== only) throw this.bad(key, JSON.stringify(only));
  }

  /** What stands under a key, or `absent` where there is none. */
  private at(key: string, absent: unknown, orNull = false): unknown {
    const value = Object.hasOwn(this.values, key) ? this.values[key] : undefined;
    return value === undefined || (orNull && value === null) ? absent : value;
  }

  /** A text. */
  private text(key: string, absent: string): string {
    const value = this.at(key, absent);
    if (typeof value !== "string") throw this.bad(key, "a text");
    return value;
  }

  /** The error for a value that does not fit. */
  bad(key: string, expected: string): LssgenError {
    const value = shortJson(this.values[key]);
    return new LssgenError(
      "unsupported",
      `${this.called}: option "${key}" is ${value}, expected ${expected}`,
    );
  }
}

/**
 * Checks a number of steps.
 *
 * @throws {LssgenError} `bad_option` unless it is a whole number in 1 … max.
 */
export function checkSteps(name: string, steps: number, max: number): void {
  if (!Number.isInteger(steps) || steps < 1 || steps > max) {
    throw new LssgenError(
      "bad_option",
      `${name}: steps is ${steps}, expected a whole number from 1 to ${max}`,
    );
  }
}
