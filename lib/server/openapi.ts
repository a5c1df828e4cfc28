/**
 * The OpenAPI 3.1 document, written from the tables that the server answers from.
 *
 * @module
 */

import { VERSION } from "../version.ts";
import { ANSWERS } from "./answers.ts";
import { KINDS } from "./asked.ts";
import { bodySchema } from "./known_fields.ts";
import type { Limits } from "./limits.ts";
import type { BodyShape, Operation, Routes } from "./routes.ts";
import type { Schema } from "./shapes.ts";

/** Refusals that any route may answer with. */
const ALWAYS: Readonly<Record<number, string>> = {
  403: "The Host header or the page's origin is not one that the server knows.",
};
/** Those of routes behind the token. */
const BEHIND_TOKEN: Readonly<Record<number, string>> = {
  401: "No token, or a wrong one; WWW-Authenticate names the schemes.",
};
/** Those of routes that read a body. */
const OF_BODIES: Readonly<Record<number, string>> = {
  400: "The body is no JSON (under /v1/: a field is wrong).",
  408: "The body took too long to arrive.",
  413: "The body is too long.",
  415: "The body is of another type, or compressed.",
  422: "A field is wrong, unknown or not supported; the answer names it.",
  503: "Too many requests; Retry-After says when to try again.",
};

/** What the document is written from. */
export interface ApiDescription {
  /** The routes. */
  readonly routes: Routes;
  /** Bounds of a request. */
  readonly limits: Limits;
  /** Whether a token is asked for. */
  readonly token: boolean;
}

/** The document. */
export function openApi({ routes, limits, token }: ApiDescription): Schema {
  return {
    openapi: "3.1.0",
    info: {
      title: "LSSGen",
      version: VERSION,
      summary: "Pictures from texts, under A1111's, OpenAI's and ComfyUI's routes and as jobs with ids.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    tags: [
      { name: "sdapi", description: "A1111's API." },
      { name: "openai", description: "OpenAI's API of images." },
      { name: "comfyui", description: "ComfyUI's API. Its routes also answer below /api." },
      { name: "lssgen", description: "Jobs with ids, and what the page asks." },
      { name: "server", description: "The server itself." },
    ],
    paths: Object.fromEntries(
      Object.entries(routes).map(([path, route]) => [
        path,
        Object.fromEntries(
          Object.entries(route).map(([method, operation]) => [
            method.toLowerCase(),
            operationObject(path, method, operation, limits, token),
          ]),
        ),
      ]),
    ),
    components: {
      schemas: {
        ...ANSWERS,
        ...Object.fromEntries(
          Object.entries(KINDS).map(([name, { fields }]) => [name, bodySchema(fields, limits)]),
        ),
      },
      ...token && {
        securitySchemes: {
          bearer: { type: "http", scheme: "bearer" },
          basic: { type: "http", scheme: "basic", description: "The token as password, any user name." },
        },
      },
    },
    ...token && { security: [{ bearer: [] }, { basic: [] }] },
  };
}

function operationObject(
  path: string,
  method: string,
  { summary, body, answer = {}, query = {}, refusals = {}, errors = {}, open }: Operation,
  limits: Limits,
  token: boolean,
): Schema {
  const { status = 200, type = "application/json", schema = {} } = answer;
  const error = { $ref: `#/components/schemas/${path.startsWith("/v1/") ? "OpenAIError" : "Refusal"}` };
  const all: Record<number, string> = {
    ...ALWAYS,
    ...token && !open && BEHIND_TOKEN,
    ...body && OF_BODIES,
    ...refusals,
  };
  // OpenAI calls it 400.
  if (path.startsWith("/v1/")) delete all[422];
  return {
    tags: [tagOf(path)],
    operationId: `${method.toLowerCase()}${path.replace(/[^A-Za-z0-9]+(\w?)/g, (_, c) => c.toUpperCase())}`,
    summary,
    parameters: [
      ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
        name,
        in: "path",
        required: true,
        schema: { type: "string" },
      })),
      ...Object.entries(query).map(([name, { schema, says }]) => ({
        name,
        in: "query",
        schema,
        description: says,
      })),
    ],
    ...body && { requestBody: { required: true, content: contentOf(path, body, limits) } },
    responses: {
      [status]: {
        description: "What was asked for.",
        ...type !== "" && { content: { [type]: { schema } } },
      },
      ...Object.fromEntries(
        Object.entries(all).map(([code, description]) => [
          code,
          { description, content: { "application/json": { schema: errors[Number(code)] ?? error } } },
        ]),
      ),
    },
    ...open && token && { security: [] },
  };
}

function contentOf(
  path: string,
  { fields, schema, form, formOnly, type = "application/json" }: BodyShape,
  limits: Limits,
): Schema {
  if (formOnly) return { "multipart/form-data": { schema } };
  const kind = Object.entries(KINDS).find(([, one]) => one.path === path)?.[0];
  const json = kind !== undefined
    ? { $ref: `#/components/schemas/${kind}` }
    : fields
    ? bodySchema(fields, limits)
    : schema ?? {};
  if (!form || !fields) return { [type]: { schema: json } };
  const { properties, ...more } = bodySchema(fields, limits);
  const file = { type: "string", contentMediaType: "application/octet-stream" };
  const parts = { ...properties as object, image: file, mask: file };
  return {
    "application/json": { schema: json },
    "multipart/form-data": { schema: { ...more, properties: parts } },
  };
}

/** Routes of no foreign API. */
const OWN_PATHS: readonly string[] = ["/health", "/metrics", "/openapi.json"];

function tagOf(path: string): string {
  if (path.startsWith("/sdapi/")) return "sdapi";
  if (path.startsWith("/v1/")) return "openai";
  if (path.startsWith("/lssgen/")) return "lssgen";
  return OWN_PATHS.includes(path) ? "server" : "comfyui";
}
