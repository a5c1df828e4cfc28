/**
 * Routes as a table: what each does, reads and answers. The server answers from it, and the OpenAPI document is written from it.
 *
 * @module
 */

import type { FieldTable } from "./known_fields.ts";
import type { Schema } from "./shapes.ts";

/** A request on its way to the function that answers it. */
export interface Call {
  /** As it came. */
  readonly request: Request;
  /** Parts of the path, by their names in braces. */
  readonly params: Readonly<Record<string, string>>;
  /** Whose token it brought, where there are several; else "". */
  readonly owner: string;
}

/** What a route reads. */
export interface BodyShape {
  /** Its fields. */
  readonly fields?: FieldTable;
  /** A schema in place of fields. */
  readonly schema?: Schema;
  /** Whether it may come as a form, too. */
  readonly form?: true;
  /** Whether it comes as a form and in no other way. */
  readonly formOnly?: true;
  /** Its type where it is no JSON. */
  readonly type?: string;
}

/** What a route answers where all is well. */
export interface AnswerShape {
  /** Status; default 200. */
  readonly status?: number;
  /** Type of the body; default JSON. "" for none. */
  readonly type?: string;
  /** The JSON. */
  readonly schema?: Schema;
}

/** One method of a route. */
export interface Operation {
  /** One sentence. */
  readonly summary: string;
  /** Answers: a Response, or what becomes JSON. */
  readonly run: (call: Call) => Promise<unknown> | unknown;
  /** What it reads; none where it reads nothing. */
  readonly body?: BodyShape;
  /** What it answers. */
  readonly answer?: AnswerShape;
  /** Fields of the query. */
  readonly query?: Readonly<Record<string, { readonly schema: Schema; readonly says: string }>>;
  /** Statuses of its own besides those of all routes, with their reasons. */
  readonly refusals?: Readonly<Record<number, string>>;
  /** Bodies of those that are no `Refusal` of answers.ts, by status. */
  readonly errors?: Readonly<Record<number, Schema>>;
  /** Whether it answers without a token. */
  readonly open?: true;
}

/** Methods of a path. */
export type Route = Readonly<Partial<Record<"GET" | "POST" | "PUT" | "DELETE", Operation>>>;

/** Paths, with parts in braces (`/v1/models/{model}`) for what may stand there. */
export type Routes = Readonly<Record<string, Route>>;

/** The route of a path, with what stands in its braces. */
export function routeOf(
  routes: Routes,
  path: string,
): { readonly route: Route; readonly params: Readonly<Record<string, string>> } | undefined {
  if (Object.hasOwn(routes, path) && !path.includes("{")) return { route: routes[path], params: {} };
  const parts = path.split("/");
  for (const [template, route] of Object.entries(routes)) {
    if (!template.includes("{")) continue;
    const names = template.split("/");
    if (names.length !== parts.length) continue;
    const params: Record<string, string> = {};
    const fits = names.every((name, i) => {
      const [, key] = /^\{(\w+)\}$/.exec(name) ?? [];
      if (key === undefined) return name === parts[i];
      params[key] = decoded(parts[i]);
      return parts[i] !== "";
    });
    if (fits) return { route, params };
  }
  return undefined;
}

/** A path with single slashes and none at its end: clients put their own behind addresses that people wrote with one. */
export function tidyPath(path: string): string {
  return path.replace(/\/{2,}/g, "/").replace(/(?<=.)\/$/, "");
}

/** A part of a path without its escapes; as it is where they are broken. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
