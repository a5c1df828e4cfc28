/**
 * `/lssgen/v1/jobs`: submit, status, list, events, result, pictures, cancel.
 *
 * @module
 */

import type { GeneratedImage } from "../pipelines/types.ts";
import { ANY_OBJECT, ref } from "./answers.ts";
import { ApiError } from "./api_error.ts";
import { type Asked, type KindName, KINDS } from "./asked.ts";
import type { HeldBody } from "./bodies.ts";
import { Fields } from "./fields.ts";
import type { JobEvents, JobResult } from "./jobs.ts";
import { bodySchema, checkFields, done, type FieldTable } from "./known_fields.ts";
import { LIMITS } from "./limits.ts";
import { nameOf } from "./models.ts";
import type { NamedJob, NamedJobs, Submission } from "./named_jobs.ts";
import { ALIVE, eventAnswer, eventText, json } from "./responses.ts";
import type { Call, Routes } from "./routes.ts";
import { type Schema, whole } from "./shapes.ts";

const PATH = "/lssgen/v1/jobs";

/** What the routes need of the server. */
export interface JobRouteParts extends Pick<Submission, "preview" | "failure"> {
  /** The jobs. */
  readonly jobs: NamedJobs;
  /** Reads a body. */
  body(request: Request, most?: number): Promise<{ held: HeldBody; body: unknown }>;
  /** Reads what a body asks for. */
  read(kind: KindName, body: unknown, call: Call): Promise<Asked>;
  /** Refuses what cannot be drawn. */
  check(asked: Asked): void;
  /** Begins it. */
  start(asked: Asked, call: Call, signal: AbortSignal, events: JobEvents): Promise<JobResult>;
  /** A finished picture in base64. */
  file(asked: Asked, image: GeneratedImage): Promise<string>;
  /** The answer of the synchronous call. */
  answer(asked: Asked, result: JobResult, files: readonly string[]): unknown;
}

/** Fields beside the body. */
const OWN: FieldTable = {
  previews: done(
    whole(0, 16),
    "Previews of each picture, at any price; 0, the default: those that cost next to nothing, where the model has them.",
  ),
};

/** What a job is submitted with. */
const JOB_FIELDS: FieldTable = {
  ...Object.fromEntries(
    Object.entries(KINDS).map(([name, { path }]) => [
      name,
      done({ is: "object" }, `A body of POST ${path}.`),
    ]),
  ),
  ...OWN,
};

const OWN_SCHEMA = bodySchema(OWN, LIMITS);

/** The same, with the fields of each kind. */
const JOB_SCHEMA: Schema = {
  ...OWN_SCHEMA,
  properties: {
    ...Object.fromEntries(
      Object.keys(KINDS).map((name) => [name, { $ref: `#/components/schemas/${name}` }]),
    ),
    ...OWN_SCHEMA.properties as object,
  },
  oneOf: Object.keys(KINDS).map((name) => ({ required: [name] })),
};

const UNKNOWN = { 404: "This token has no such job, or no more." };

/** See the module. */
export function jobRoutes(parts: JobRouteParts): Routes {
  const { jobs } = parts;
  const job = ({ owner, params }: Call): NamedJob => jobs.get(owner, params.id);
  return {
    [PATH]: {
      GET: {
        summary: "The token's jobs, the last one first.",
        answer: { schema: ref("JobList") },
        run: ({ owner }) => ({ jobs: jobs.of(owner).map((one) => one.view()) }),
      },
      POST: {
        summary: "Submits a job: the body of a synchronous call under its name.",
        body: { schema: JOB_SCHEMA },
        answer: { status: 202, schema: ref("Job") },
        refusals: { 429: "Too many requests of this client wait; Retry-After says when to try again." },
        run: (call) => submit(parts, call),
      },
    },
    [`${PATH}/{id}`]: {
      GET: {
        summary: "Where a job is.",
        answer: { schema: ref("Job") },
        refusals: UNKNOWN,
        run: (call) => job(call).view(),
      },
      DELETE: {
        summary: "Drops or stops a job; forgets one that has ended.",
        answer: { schema: ref("Job") },
        refusals: UNKNOWN,
        run: (call) => {
          const one = job(call);
          jobs.remove(one);
          return { ...one.view(), ...!one.over && { status: "cancelled" } };
        },
      },
    },
    [`${PATH}/{id}/events`]: {
      GET: {
        summary:
          "Server-sent events: status, progress, preview, picture, to the end. A Last-Event-ID header resumes after that one.",
        answer: { type: "text/event-stream", schema: { type: "string" } },
        refusals: UNKNOWN,
        run: (call) => events(job(call), call.request),
      },
    },
    [`${PATH}/{id}/result`]: {
      GET: {
        summary: "What the synchronous call would have answered.",
        answer: { schema: ANY_OBJECT },
        refusals: {
          ...UNKNOWN,
          409: "It has not ended; Retry-After says when to ask again.",
          410: "It was cancelled.",
          500: "It failed; other statuses as the synchronous call has them.",
        },
        run: (call) => job(call).answer(),
      },
    },
    [`${PATH}/{id}/pictures/{index}`]: {
      GET: {
        summary: "A finished picture as a file, counted from 0; also before the others are finished.",
        answer: { type: "image/png", schema: {} },
        refusals: UNKNOWN,
        run: (call) => {
          const { index } = call.params;
          const file = /^\d{1,4}$/.test(index) ? job(call).files[Number(index)] : undefined;
          if (file === undefined) {
            throw new ApiError(404, "not_found", `The job has no finished picture ${index.slice(0, 20)}`);
          }
          const bytes = Uint8Array.from(atob(file), (c) => c.charCodeAt(0));
          return new Response(bytes, {
            headers: { "content-type": "image/png", "cache-control": "no-store" },
          });
        },
      },
    },
  };
}

async function submit(parts: JobRouteParts, call: Call): Promise<Response> {
  const { held, body } = await parts.body(call.request);
  try {
    const f = new Fields(body, JOB_FIELDS);
    const fields = body as Record<string, unknown>;
    checkFields(JOB_FIELDS, { body: fields }, "jobs");
    const kinds = (Object.keys(KINDS) as KindName[]).filter((name) => f.has(name));
    const [kind] = kinds;
    if (kinds.length !== 1) {
      throw new ApiError(
        422,
        "bad_field",
        `A job is the body of one call under its name: expected one of ${
          Object.keys(KINDS).map((name) => `"${name}"`).join(", ")
        }, got ${kinds.length === 0 ? "none" : kinds.map((name) => `"${name}"`).join(" and ")}`,
        kinds[1],
      );
    }
    const asked = await parts.read(kind, fields[kind], call);
    if (asked.stream !== undefined) {
      throw new ApiError(
        422,
        "unsupported",
        `"${kind}.stream" is not supported in a job; GET ${PATH}/{id}/events is its stream`,
        `${kind}.stream`,
      );
    }
    parts.check(asked);
    const { preview, failure } = parts;
    const job = parts.jobs.submit({
      owner: call.owner,
      kind,
      model: nameOf(asked.engine.info),
      pictures: asked.requests.length,
      previews: f.whole("previews") ?? 0,
      start: (signal, events) => parts.start(asked, call, signal, events),
      file: (image) => parts.file(asked, image),
      preview,
      failure,
      answer: (result, files) => parts.answer(asked, result, files),
      release: () => held[Symbol.dispose](),
    });
    return json(202, job.view(), { location: `${PATH}/${job.id}` });
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

/** An answer of server-sent events. The client takes them at its own pace: what it missed meanwhile is left out. */
function events(job: NamedJob, request: Request): Response {
  const said = request.headers.get("last-event-id") ?? "0";
  const after = /^\d{1,15}$/.test(said) ? Number(said) : 0;
  // An EventSource asks again after the end, until it is told that there is no more.
  if (job.toldAll(after)) return new Response(null, { status: 204 });
  const left = new AbortController();
  request.signal.addEventListener("abort", () => left.abort(), { once: true });
  const all = job.eventsAfter(after, left.signal);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await all.next();
      if (done) return controller.close();
      controller.enqueue(
        encoder.encode(value ? `id: ${value.id}\n${eventText(value.name, value.data)}` : ALIVE),
      );
    },
    cancel: () => left.abort(),
  }, { highWaterMark: 0 });
  return eventAnswer(body);
}
