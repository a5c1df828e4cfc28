/**
 * What the value of a field looks like. One description serves those who read a request and the OpenAPI document, so the document
 * cannot promise what the server refuses.
 *
 * @module
 */

import type { Limits } from "./limits.ts";

/** A bound: a number, or one of the server's own limits. */
export type Bound = number | keyof Limits;

/** The type of a field's value, with its bounds. `null` counts as absent everywhere. */
export type Shape =
  /** A text of at most `longest` characters (default 20 000). */
  | { readonly is: "text"; readonly longest?: number }
  /** A number, both ends included. */
  | { readonly is: "number"; readonly min: number; readonly max: Bound }
  /** A whole number, both ends included. */
  | { readonly is: "whole"; readonly min: number; readonly max: Bound }
  | { readonly is: "flag" }
  /** True, false, 0 or 1. */
  | { readonly is: "switch" }
  /** A list of texts of at most `longest` characters each. */
  | { readonly is: "texts"; readonly longest: number }
  /** One text, or a list of them. */
  | { readonly is: "textOrTexts" }
  /** Read elsewhere, value by value. */
  | { readonly is: "list" | "object" | "any" };

/** Characters of a text where the field says nothing else. */
export const LONGEST_TEXT = 20_000;

/** A text. */
export function text(longest: number = LONGEST_TEXT): Shape {
  return { is: "text", longest };
}

/** A number from `min` to `max`. */
export function number(min: number, max: Bound): Shape {
  return { is: "number", min, max };
}

/** A whole number from `min` to `max`. */
export function whole(min: number, max: Bound): Shape {
  return { is: "whole", min, max };
}

/** True or false. */
export const FLAG: Shape = { is: "flag" };

/** True, false, 0 or 1. */
export const SWITCH: Shape = { is: "switch" };

/** A bound as a number. */
export function boundOf(bound: Bound, limits: Limits): number {
  return typeof bound === "number" ? bound : limits[bound];
}

/** A JSON Schema of draft 2020-12, as OpenAPI 3.1 has it. */
export type Schema = Readonly<Record<string, unknown>>;

/** The shape as a schema. */
export function schemaOf(shape: Shape, limits: Limits): Schema {
  switch (shape.is) {
    case "text":
      return {
        type: ["string", "null"],
        ...Number.isFinite(shape.longest ?? LONGEST_TEXT) && { maxLength: shape.longest ?? LONGEST_TEXT },
      };
    case "number":
    case "whole":
      return {
        type: [shape.is === "whole" ? "integer" : "number", "null"],
        minimum: shape.min,
        maximum: boundOf(shape.max, limits),
      };
    case "flag":
      return { type: ["boolean", "null"] };
    case "switch":
      return { type: ["boolean", "integer", "null"], minimum: 0, maximum: 1 };
    case "texts":
      return { type: ["array", "null"], items: { type: "string" } };
    case "textOrTexts":
      return { type: ["string", "array", "null"], items: { type: "string" } };
    case "list":
      return { type: ["array", "null"] };
    case "object":
      return { type: ["object", "null"] };
    case "any":
      return {};
  }
}
