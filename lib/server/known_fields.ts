/**
 * Which fields of an API do something here, which are accepted at the values that change nothing, and which are refused. A
 * field that nobody knows is refused too: a misspelt one would otherwise draw another picture than the one that was asked for.
 *
 * @module
 */

import { nearest } from "../nearest.ts";
import { ApiError } from "./api_error.ts";
import type { Limits } from "./limits.ts";
import { type Schema, schemaOf, type Shape } from "./shapes.ts";

/** The body that a rule looks at, and what the model is drawn with. */
export interface FieldContext {
  /** All fields of the request. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The sampler in stable-diffusion.cpp's spelling, undefined for the model's own. */
  readonly sampler?: string;
  /** Whether guidance is an input of the network, as FLUX.1-dev's. */
  readonly embeddedGuidance?: boolean;
}

/** What becomes of a field. */
export type FieldRule =
  /** It is heeded: its values have this shape. `says` is for the OpenAPI document. */
  | { readonly done: Shape; readonly says: string; readonly required?: true }
  /** No value of it can change the picture. */
  | "neutral"
  /** It is accepted where `neutral` says so, and refused with `instead` otherwise. */
  | {
    readonly neutral: (value: unknown, context: FieldContext) => boolean;
    readonly instead: string;
  }
  /** It is accepted, and the answer's warnings hold the sentence where there is one. A shape where it is also read. */
  | {
    readonly note: (value: unknown, context: FieldContext) => string | undefined;
    readonly says: string;
    readonly shape?: Shape;
  };

/** A rule for each field of one route. */
export type FieldTable = Readonly<Record<string, FieldRule>>;

/** A field that is heeded. */
export function done(shape: Shape, says: string): FieldRule {
  return { done: shape, says };
}

/** A field that is heeded, and that every request has to have. */
export function required(shape: Shape, says: string): FieldRule {
  return { done: shape, says, required: true };
}

/** The shape of a field that is read; undefined for all others. */
export function shapeIn(table: FieldTable, name: string): Shape | undefined {
  const rule = Object.hasOwn(table, name) ? table[name] : undefined;
  if (rule === undefined || typeof rule === "string") return undefined;
  return "done" in rule ? rule.done : "note" in rule ? rule.shape : undefined;
}

/** What a table says of bodies, as a schema. */
export function bodySchema(table: FieldTable, limits: Limits): Schema {
  const needed = Object.entries(table).filter(([, rule]) => typeof rule === "object" && "required" in rule);
  return {
    type: "object",
    properties: Object.fromEntries(
      Object.entries(table).map(([name, rule]) => [name, fieldSchema(rule, limits)]),
    ),
    ...needed.length > 0 && { required: needed.map(([name]) => name) },
    additionalProperties: false,
  };
}

function fieldSchema(rule: FieldRule, limits: Limits): Schema {
  if (rule === "neutral") return { description: "Accepted; it changes nothing here." };
  if ("done" in rule) return { ...schemaOf(rule.done, limits), description: rule.says };
  if ("note" in rule) return { ...rule.shape && schemaOf(rule.shape, limits), description: rule.says };
  return { description: `Accepted at values that change nothing, others are refused: ${rule.instead}.` };
}

/** Whether a value says nothing: null, false, 0, an empty text, list or object. */
export function blank(value: unknown): boolean {
  return value === null || value === undefined || value === false || value === 0 || value === "" ||
    (typeof value === "object" && Object.keys(value as object).length === 0);
}

/** A rule that accepts nothing but blank values and those listed. */
export function only(instead: string, ...values: readonly unknown[]): FieldRule {
  return { neutral: (value) => blank(value) || values.includes(value), instead };
}

/**
 * Checks every field of a body.
 *
 * @param where The route, for messages.
 * @param within In front of names, for objects within the body.
 * @returns Sentences for the answer's warnings.
 * @throws {ApiError} 422 for a field that is unknown (with the nearest known one) or has a value that is not supported.
 */
export function checkFields(
  table: FieldTable,
  context: FieldContext,
  where: string,
  within: string = "",
  values: Readonly<Record<string, unknown>> = context.body,
): string[] {
  const notes: string[] = [];
  for (const [key, value] of Object.entries(values)) {
    const name = within + key;
    const rule = Object.hasOwn(table, key) ? table[key] : undefined;
    if (rule === undefined) {
      // JSON can hold a field of this name, which no table can.
      const near = nearest(key.slice(0, 100), Object.keys(table));
      throw new ApiError(
        422,
        "unknown_field",
        `"${name.slice(0, 100)}" is no field that ${where} knows${
          near ? `; did you mean "${within}${near}"?` : ""
        }`,
        name.slice(0, 100),
      );
    }
    if (typeof rule === "string" || "done" in rule) continue;
    if ("note" in rule) {
      const note = rule.note(value, context);
      if (note !== undefined) notes.push(note);
    } else if (value !== null && !rule.neutral(value, context)) {
      const shown = JSON.stringify(value);
      throw new ApiError(
        422,
        "unsupported",
        `"${name}": ${
          shown.length > 60 ? `${shown.slice(0, 60)}…` : shown
        } is not supported; ${rule.instead}`,
        name,
      );
    }
  }
  for (const [name, rule] of Object.entries(table)) {
    if (typeof rule === "string" || !("required" in rule) || (values[name] ?? null) !== null) continue;
    throw new ApiError(422, "missing_field", `"${within}${name}" is missing: ${rule.says}`, within + name);
  }
  return notes;
}

/** stable-diffusion.cpp's server takes further settings from the prompt's text; here every setting is a field. */
export function refuseExtraArgs(prompt: unknown, field: string): void {
  if (typeof prompt === "string" && /<\/?sd_cpp_extra_args>/i.test(prompt)) {
    throw new ApiError(
      422,
      "unsupported",
      `"${field}" holds <sd_cpp_extra_args>, which is not supported; send its settings as fields of the request`,
      field,
    );
  }
}
