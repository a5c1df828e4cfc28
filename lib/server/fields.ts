/**
 * What a client sent, field by field: typed, within bounds, or refused by name.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { ApiError } from "./api_error.ts";
import { type FieldTable, shapeIn } from "./known_fields.ts";
import { LIMITS, type Limits } from "./limits.ts";
import { boundOf, LONGEST_TEXT, type Shape } from "./shapes.ts";

/** A JSON object from outside, read by the shapes of its table. `null` counts as absent, as clients of both APIs send it. */
export class Fields {
  private readonly values: Readonly<Record<string, unknown>>;

  /**
   * Wraps a parsed body.
   *
   * @param within In front of names in messages, for objects within the body.
   * @throws {ApiError} 422 when it is no object.
   */
  constructor(
    body: unknown,
    private readonly table: FieldTable,
    private readonly limits: Limits = LIMITS,
    private readonly within: string = "",
  ) {
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      throw new ApiError(
        422,
        "bad_body",
        within ? `"${within.replace(/\.$/, "")}" has to be an object` : "The body has to be a JSON object",
      );
    }
    this.values = body as Record<string, unknown>;
  }

  /** Whether the field was sent. */
  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** A text. */
  text(name: string): string | undefined {
    const { longest = LONGEST_TEXT } = this.shape(name, "text");
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string") throw this.refuse(name, value, "a text");
    if (value.length > longest) {
      throw new ApiError(
        422,
        "bad_field",
        `"${this.within}${name}" has ${value.length} characters, at most ${longest} are taken`,
        this.within + name,
      );
    }
    return value;
  }

  /** A number. */
  number(name: string): number | undefined {
    return this.bounded(name, this.shape(name, "number"));
  }

  /** A whole number. */
  whole(name: string): number | undefined {
    const value = this.bounded(name, this.shape(name, "whole"));
    if (value !== undefined && !Number.isSafeInteger(value)) throw this.refuse(name, value, "a whole number");
    return value;
  }

  /** True or false. */
  flag(name: string): boolean | undefined {
    this.shape(name, "flag");
    const value = this.get(name);
    if (value !== undefined && typeof value !== "boolean") throw this.refuse(name, value, "true or false");
    return value;
  }

  /** True or false, where clients also write 1 and 0. */
  switched(name: string): boolean | undefined {
    this.shape(name, "switch");
    const value = this.get(name);
    if (value === undefined || typeof value === "boolean") return value;
    if (value !== 0 && value !== 1) throw this.refuse(name, value, "true, false, 0 or 1");
    return value === 1;
  }

  /** A list of texts. */
  texts(name: string): string[] | undefined {
    const { longest } = this.shape(name, "texts");
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (
      !Array.isArray(value) || !value.every((v): v is string => typeof v === "string" && v.length <= longest)
    ) {
      throw this.refuse(name, value, "a list of texts");
    }
    return value;
  }

  /** A list of texts, where one may stand alone. */
  textOrTexts(name: string): string[] {
    this.shape(name, "textOrTexts");
    const value = this.get(name) ?? [];
    const list = Array.isArray(value) ? value : [value];
    if (!list.every((v): v is string => typeof v === "string")) throw this.refuse(name, value, "a text");
    return list;
  }

  /** The value as it came, undefined for null. */
  raw(name: string): unknown {
    return this.get(name);
  }

  private get(name: string): unknown {
    const value = Object.hasOwn(this.values, name) ? this.values[name] : undefined;
    return value === null ? undefined : value;
  }

  /** What the table says of a field; reading one that it does not describe is our own fault. */
  private shape<Kind extends Shape["is"]>(name: string, kind: Kind): Extract<Shape, { is: Kind }> {
    const shape = shapeIn(this.table, name);
    if (shape?.is !== kind) {
      throw new LssgenError("internal", `The table says of "${name}" that it is ${shape?.is}, not ${kind}`);
    }
    return shape as Extract<Shape, { is: Kind }>;
  }

  private bounded(name: string, shape: Extract<Shape, { is: "number" | "whole" }>): number | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const { min } = shape;
    const max = boundOf(shape.max, this.limits);
    if (typeof value !== "number" || !(value >= min && value <= max)) {
      throw this.refuse(name, value, `a number from ${min} to ${max}`);
    }
    return value;
  }

  private refuse(name: string, value: unknown, expected: string): ApiError {
    // JSON can hold 1e999, which has no words in it.
    const shown = typeof value === "number" ? String(value) : JSON.stringify(value) ?? String(value);
    return new ApiError(
      422,
      "bad_field",
      `"${this.within}${name}" is ${
        shown.length > 40 ? `${shown.slice(0, 40)}…` : shown
      }, expected ${expected}`,
      this.within + name,
    );
  }
}
