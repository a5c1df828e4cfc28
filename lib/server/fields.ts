/**
 * What a client sent, field by field: typed, within bounds, or refused by name.
 *
 * @module
 */

import type { GenerateRequest } from "../pipelines/types.ts";

/** An answer other than 200, with its reason. */
export class ApiError extends Error {
  /**
   * Makes the error.
   *
   * @param status HTTP status, 400 … 599.
   * @param code One word for programs.
   * @param message One sentence for people.
   * @param field The field at fault, if one is.
   */
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly field?: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** A JSON object from outside. `null` counts as absent, as clients of both APIs send it. */
export class Fields {
  private readonly values: Readonly<Record<string, unknown>>;

  /**
   * Wraps a parsed body.
   *
   * @throws {ApiError} 422 when it is no object.
   */
  constructor(body: unknown) {
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      throw new ApiError(422, "bad_body", "The body has to be a JSON object");
    }
    this.values = body as Record<string, unknown>;
  }

  /** Whether the field was sent. */
  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** A text of at most `longest` characters. */
  text(name: string, longest = 20_000): string | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string") throw refuse(name, value, "a text");
    if (value.length > longest) {
      throw new ApiError(
        422,
        "bad_field",
        `"${name}" has ${value.length} characters, at most ${longest} are taken`,
        name,
      );
    }
    return value;
  }

  /** A number from `min` to `max`. */
  number(name: string, min: number, max: number): number | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !(value >= min && value <= max)) {
      throw refuse(name, value, `a number from ${min} to ${max}`);
    }
    return value;
  }

  /** A whole number from `min` to `max`. */
  whole(name: string, min: number, max: number): number | undefined {
    const value = this.number(name, min, max);
    if (value !== undefined && !Number.isSafeInteger(value)) throw refuse(name, value, "a whole number");
    return value;
  }

  /** True or false. */
  flag(name: string): boolean | undefined {
    const value = this.get(name);
    if (value !== undefined && typeof value !== "boolean") throw refuse(name, value, "true or false");
    return value;
  }

  /** A list of texts. */
  texts(name: string, longest: number): string[] | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (
      !Array.isArray(value) || !value.every((v): v is string => typeof v === "string" && v.length <= longest)
    ) {
      throw refuse(name, value, "a list of texts");
    }
    return value;
  }

  /** The value as it came, undefined for null. */
  raw(name: string): unknown {
    return this.get(name);
  }

  private get(name: string): unknown {
    const value = Object.hasOwn(this.values, name) ? this.values[name] : undefined;
    return value === null ? undefined : value;
  }
}

/** Texts for the second and the third text encoder, under diffusers' names in both APIs. */
export function furtherPrompts(
  f: Fields,
): Pick<GenerateRequest, "prompt2" | "prompt3" | "negativePrompt2" | "negativePrompt3"> {
  return {
    prompt2: f.text("prompt_2"),
    prompt3: f.text("prompt_3"),
    negativePrompt2: f.text("negative_prompt_2"),
    negativePrompt3: f.text("negative_prompt_3"),
  };
}

function refuse(name: string, value: unknown, expected: string): ApiError {
  const shown = JSON.stringify(value) ?? String(value);
  return new ApiError(
    422,
    "bad_field",
    `"${name}" is ${shown.length > 40 ? `${shown.slice(0, 40)}…` : shown}, expected ${expected}`,
    name,
  );
}
