/**
 * ComfyUI's API: graphs are sent in, watched and fetched. All routes also answer below /api.
 *
 * @module
 */

import { encodePicture } from "../../image/picture_writing.ts";
import { formatOf } from "../../image/formats.ts";
import { openPicture } from "../../image/picture_file.ts";
import { encodePng } from "../../image/png_writing.ts";
import { isRecord } from "../../json.ts";
import type { RgbPicture } from "../../pipelines/types.ts";
import { VERSION } from "../../version.ts";
import { ANY_OBJECT, listOf, ref } from "../answers.ts";
import { ApiError } from "../api_error.ts";
import type { HeldBody } from "../bodies.ts";
import { Fields } from "../fields.ts";
import { checkFields, done, type FieldTable, required } from "../known_fields.ts";
import type { Limits } from "../limits.ts";
import type { Engine } from "../queue.ts";
import { json } from "../responses.ts";
import type { Call, Routes } from "../routes.ts";
import { FLAG, number, type Schema, text } from "../shapes.ts";
import { type Around, BadGraph, compile } from "./compile.ts";
import { Inbox, safePath } from "./inbox.ts";
import type { Lists } from "./node_class.ts";
import { FOLDERS, listsOf, objectInfo, type Sources } from "./object_info.ts";
import { type PromptParts, Prompts } from "./prompts.ts";
import { channelMask, inColours } from "./pixels.ts";

/** What the routes need of the server. */
export interface ComfyuiParts extends Sources, Omit<PromptParts, "preview"> {
  readonly limits: Limits;
  /** Longest body in bytes. */
  readonly maxBodyBytes: number;
  /** The model of an owner's requests that name none. */
  readonly usual: (owner: string) => Engine;
  /** Refuses what the model cannot plan. */
  readonly check: Around["check"];
  /** Reads a body of JSON, whatever type its sender calls it; none is an empty object. */
  readonly body: (request: Request, most?: number) => Promise<{ held: HeldBody; body: unknown }>;
  /** Reads a body of bytes. */
  readonly bytes: (request: Request) => Promise<HeldBody>;
  /** Stops whatever the owner has drawn. */
  readonly interrupt: (owner: string) => void;
  readonly preview: (preview: RgbPicture) => Promise<string>;
}

/** Bytes of a body that holds no pictures. */
const SMALL = 2 ** 20;
/** Characters of a graph as the history keeps it, and of one text in it where the whole is longer. */
const [KEPT_GRAPH, KEPT_TEXT] = [2 ** 18, 1000];
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
/** How ComfyUI calls previews, and whether they are wanted. */
const PREVIEWS: Readonly<Record<string, boolean>> = {
  default: false,
  none: false,
  auto: true,
  latent2rgb: true,
  taesd: true,
};

/** What a graph comes with. */
const PROMPT_FIELDS: FieldTable = {
  prompt: required({ is: "object" }, "The graph in the API format."),
  prompt_id: done(text(36), "The id of the job, a UUID; without it the server makes one."),
  client_id: done(text(200), "The clientId of the web socket that hears of it."),
  extra_data: done(
    { is: "object" },
    "Kept with the graph; preview_method: auto sends pictures on their way.",
  ),
  partial_execution_targets: done({ is: "list" }, "Ids of the output nodes that are wanted; default all."),
  number: done(
    number(-1e9, 1e9),
    "Accepted: clients are served by turns, their own requests in their order.",
  ),
  front: done(FLAG, "Accepted with a warning where true, as number is."),
  api_key_comfy_org: "neutral",
};

const QUEUE_FIELDS: FieldTable = {
  clear: done(FLAG, "Drops all graphs that wait."),
  delete: done({ is: "list" }, "Ids of graphs that wait, to be dropped."),
};
const HISTORY_FIELDS: FieldTable = {
  clear: done(FLAG, "Forgets all graphs that have ended."),
  delete: done({ is: "list" }, "Ids of graphs that have ended, to be forgotten."),
};
const INTERRUPT_FIELDS: FieldTable = {
  prompt_id: done(text(36), "The graph to stop, if it is drawn; without it whatever is."),
};
const FREE_FIELDS: FieldTable = {
  unload_models: "neutral",
  free_memory: "neutral",
};

const SUBSCRIBE_FIELDS: FieldTable = { client_id: "neutral" };

const FORM: Schema = {
  type: "object",
  properties: {
    image: { type: "string", contentMediaType: "application/octet-stream" },
    type: { const: "input" },
    subfolder: { type: "string" },
    overwrite: { type: "string" },
  },
  required: ["image"],
};

/** What the routes are made into. */
export interface Comfyui {
  readonly routes: Routes;
  /** What a web socket is told first. */
  readonly status: (owner: string) => unknown;
}

/** What clients ask of the server's abilities. */
export function features(maxBodyBytes: number): Readonly<Record<string, unknown>> {
  return { supports_preview_metadata: false, max_upload_size: maxBodyBytes };
}

/** See the module. */
export function comfyuiRoutes(parts: ComfyuiParts): Comfyui {
  const prompts = new Prompts(parts);
  const inbox = new Inbox(4 * parts.limits.pixels);
  const once = inTurn();
  const lists = (owner: string): Promise<Lists> => listsOf(parts, parts.usual(owner), inbox.names(owner));
  const small = async (
    call: Call,
    table: FieldTable,
    where: string,
  ): Promise<Readonly<Record<string, unknown>>> => {
    const { held, body } = await parts.body(call.request, SMALL);
    using _ = held;
    const fields = new Fields(body, table);
    const values = body as Record<string, unknown>;
    checkFields(table, { body: values }, where);
    for (const [name, rule] of Object.entries(table)) {
      // Lists are looked at where they are used.
      if (typeof rule === "object" && "done" in rule && rule.done.is === "flag") fields.flag(name);
    }
    return values;
  };
  const routes: Routes = {
    "/prompt": {
      GET: {
        summary: "How many graphs wait or are drawn.",
        answer: { schema: ref("QueueState") },
        run: ({ owner }) => prompts.status(owner),
      },
      POST: {
        summary:
          "Draws a graph of ComfyUI's API format. Every node has to be known: GET /object_info lists them.",
        body: { fields: PROMPT_FIELDS },
        answer: { schema: ref("QueuedPrompt") },
        refusals: {
          400: "The graph cannot be drawn; error and node_errors say why, node by node.",
          429: "Too many requests of this client wait; Retry-After says when to try again.",
        },
        errors: { 400: ref("BadGraph") },
        run: (call) => submit(call, parts, prompts, inbox),
      },
    },
    "/queue": {
      GET: {
        summary: "Graphs that wait and that are drawn.",
        answer: { schema: ref("Queue") },
        run: ({ owner }) => prompts.queue(owner),
      },
      POST: {
        summary: "Drops graphs that wait.",
        body: { fields: QUEUE_FIELDS },
        answer: { schema: ANY_OBJECT },
        run: async (call) => {
          const body = await small(call, QUEUE_FIELDS, "queue");
          if (body.clear === true) prompts.drop(call.owner);
          if (Array.isArray(body.delete)) prompts.drop(call.owner, body.delete);
          return {};
        },
      },
    },
    "/interrupt": {
      POST: {
        summary: "Stops the graph that is drawn.",
        body: { fields: INTERRUPT_FIELDS },
        answer: { schema: ANY_OBJECT },
        run: async (call) => {
          const { prompt_id: id } = await small(call, INTERRUPT_FIELDS, "interrupt");
          const stopped = prompts.interrupt(call.owner, typeof id === "string" ? id : undefined);
          if (!stopped && typeof id !== "string") parts.interrupt(call.owner);
          return {};
        },
      },
    },
    "/free": {
      POST: {
        summary: "Nothing to do: models are dropped when another needs the room.",
        body: { fields: FREE_FIELDS },
        answer: { schema: ANY_OBJECT },
        run: async (call) => {
          await small(call, FREE_FIELDS, "free");
          return {};
        },
      },
    },
    "/history": {
      GET: {
        summary: "Graphs that have ended, with the files of their pictures.",
        query: {
          max_items: { schema: { type: "integer", minimum: 0 }, says: "The last ones, so many." },
          offset: { schema: { type: "integer" }, says: "Begins so many after the first." },
        },
        answer: { schema: ANY_OBJECT },
        run: ({ request, owner }) => {
          const query = new URL(request.url).searchParams;
          const all = Object.entries(prompts.history(owner));
          const most = count(query, "max_items") ?? all.length;
          const offset = count(query, "offset");
          const from = offset ?? Math.max(0, all.length - most);
          return Object.fromEntries(all.slice(from, from + most));
        },
      },
      POST: {
        summary: "Forgets graphs that have ended.",
        body: { fields: HISTORY_FIELDS },
        answer: { schema: ANY_OBJECT },
        run: async (call) => {
          const body = await small(call, HISTORY_FIELDS, "history");
          if (body.clear === true) prompts.forget(call.owner);
          if (Array.isArray(body.delete)) prompts.forget(call.owner, body.delete);
          return {};
        },
      },
    },
    "/history/{prompt_id}": {
      GET: {
        summary: "A graph that has ended; nothing before.",
        answer: { schema: ANY_OBJECT },
        run: ({ params, owner }) => prompts.history(owner, params.prompt_id),
      },
    },
    "/view": {
      GET: {
        summary: "A picture of the history, or one that was sent in.",
        query: {
          filename: { schema: { type: "string" }, says: "Its name." },
          subfolder: { schema: { type: "string" }, says: "Its folders." },
          type: { schema: { enum: ["output", "temp", "input"] }, says: "Default output." },
          preview: {
            schema: { type: "string" },
            says: "webp or jpeg: as that, with ;QUALITY behind it or without.",
          },
          channel: { schema: { enum: ["rgba", "rgb"] }, says: "Pictures have no other channels." },
        },
        answer: { type: "image/png", schema: {} },
        refusals: { 400: "The name leads elsewhere.", 404: "There is no such picture, or no more." },
        run: ({ request, owner }) => {
          const query = new URL(request.url).searchParams;
          return view(query, named(query, owner, prompts, inbox), once);
        },
      },
    },
    "/upload/image": {
      POST: {
        summary: "Takes a picture for LoadImage, kept for an hour.",
        body: { schema: FORM, formOnly: true },
        answer: { schema: ref("Uploaded") },
        refusals: { 400: "The form is broken, or the name leads elsewhere." },
        run: (call) => upload(call, parts, inbox),
      },
    },
    "/upload/mask": {
      POST: {
        summary: "Takes a picture with its mask in alpha, as the editor of ComfyUI's page sends it.",
        body: { schema: FORM, formOnly: true },
        answer: { schema: ref("Uploaded") },
        refusals: { 400: "The form is broken, or the name leads elsewhere." },
        run: (call) =>
          upload(call, parts, inbox, {
            once,
            found: (query) => named(query, call.owner, prompts, inbox).bytes,
          }),
      },
    },
    "/object_info": {
      GET: {
        summary: "The nodes that graphs may have.",
        answer: { schema: ANY_OBJECT },
        run: async ({ owner }) => objectInfo(await lists(owner)),
      },
    },
    "/object_info/{node}": {
      GET: {
        summary: "One class of nodes; nothing where there is none.",
        answer: { schema: ANY_OBJECT },
        run: async ({ params, owner }) => objectInfo(await lists(owner), params.node),
      },
    },
    "/system_stats": {
      GET: {
        summary: "What serves. WebGPU does not say how much memory there is: 0.",
        answer: { schema: ref("SystemStats") },
        run: () => systemStats(),
      },
    },
    "/features": {
      GET: {
        summary: "What the server can do.",
        answer: { schema: ANY_OBJECT },
        run: () => features(parts.maxBodyBytes),
      },
    },
    "/embeddings": {
      GET: { summary: "None.", answer: { schema: listOf({ type: "string" }) }, run: () => [] },
    },
    "/extensions": {
      GET: { summary: "None.", answer: { schema: listOf({ type: "string" }) }, run: () => [] },
    },
    "/models": {
      GET: {
        summary: "The folders of GET /models/{folder}.",
        answer: { schema: listOf({ type: "string" }) },
        run: () => Object.keys(FOLDERS),
      },
    },
    "/models/{folder}": {
      GET: {
        summary: "Names of models, LoRAs, parts and networks.",
        answer: { schema: listOf({ type: "string" }) },
        refusals: { 404: "There is no such folder." },
        run: async ({ params: { folder }, owner }) => {
          if (Object.hasOwn(FOLDERS, folder)) return FOLDERS[folder](await lists(owner));
          throw new ApiError(
            404,
            "not_found",
            `There is no folder "${folder.slice(0, 60)}", only ${Object.keys(FOLDERS).join(", ")}`,
          );
        },
      },
    },
    "/ws": {
      GET: {
        summary:
          "A web socket that tells of graphs: ?clientId=NAME hears of those that were sent with client_id NAME.",
        query: { clientId: { schema: { type: "string" }, says: "The client's name." } },
        answer: { status: 101, type: "" },
        refusals: { 426: "The request does not ask for a web socket." },
        run: () => {
          throw new ApiError(426, "no_socket", "This is a web socket; ask with Upgrade: websocket");
        },
      },
    },
    "/api/etn/image/{id}": {
      GET: {
        summary: "A picture of ETN_SaveImageCache, or one that was put here.",
        answer: { type: "image/png", schema: {} },
        refusals: { 404: "There is none of this id." },
        run: ({ params: { id }, owner }) => {
          const sent = inbox.get(owner, "cache", id);
          const drawn = prompts.file(owner, ({ type, filename }) => type === "cache" && filename === id);
          if (sent) return fileAnswer(sent, id);
          if (drawn !== undefined) return fileAnswer(bytesOf(drawn), id);
          throw new ApiError(404, "not_found", `There is no picture "${id.slice(0, 60)}" here`);
        },
      },
      PUT: {
        summary: "Takes a picture for ETN_LoadImageCache, kept for an hour.",
        body: { schema: {}, type: "image/png" },
        answer: { status: 201, schema: ANY_OBJECT },
        run: async ({ request, params, owner }) => {
          const id = safePath(params.id, "id");
          using held = await parts.bytes(request);
          inbox.put(owner, "cache", id, held.bytes, true);
          return json(201, { status: "success" });
        },
      },
    },
    "/api/etn/languages": {
      GET: {
        summary: "None: texts are not translated.",
        answer: { schema: listOf(ANY_OBJECT) },
        run: () => [],
      },
    },
    ...Object.fromEntries(
      ["subscribe", "unsubscribe"].map((name): [string, Routes[string]] => [`/api/etn/workflow/${name}`, {
        POST: {
          summary: "Nothing to do: no graphs are published here.",
          body: { fields: SUBSCRIBE_FIELDS },
          answer: { schema: ANY_OBJECT },
          run: async (call) => {
            await small(call, SUBSCRIBE_FIELDS, name);
            return { status: "success" };
          },
        },
      }]),
    ),
    "/api/etn/model_info/{folder}": {
      GET: {
        summary: "Families of the models, as krita-ai-diffusion asks for them.",
        query: {
          offset: { schema: { type: "integer", minimum: 0 }, says: "Begins so many after the first." },
          limit: { schema: { type: "integer", minimum: 0 }, says: "So many at most." },
        },
        answer: { schema: ANY_OBJECT },
        run: ({ request, params }) => modelInfo(parts, params.folder, new URL(request.url).searchParams),
      },
    },
  };
  return { routes, status: (owner) => prompts.status(owner) };
}

/** `POST /prompt`. */
async function submit(
  call: Call,
  parts: ComfyuiParts,
  prompts: Prompts,
  inbox: Inbox,
): Promise<unknown> {
  const { owner, request } = call;
  const { held, body } = await parts.body(request);
  try {
    const fields = new Fields(body, PROMPT_FIELDS, parts.limits);
    const values = body as Record<string, unknown>;
    if (!isRecord(values.prompt)) {
      throw new BadGraph({
        type: "no_prompt",
        message: "No prompt provided",
        details: '"prompt" has to be a graph in the API format, with the nodes by their ids',
        extra_info: {},
      });
    }
    checkFields(PROMPT_FIELDS, { body: values }, "prompt");
    const id = fields.text("prompt_id");
    if (id !== undefined && !UUID.test(id)) {
      throw new BadGraph({
        type: "invalid_prompt_id",
        message: "prompt_id must be a valid UUID",
        details: "expected a UUID in lower case; without prompt_id the server makes one",
        extra_info: {},
      });
    }
    const targets = fields.raw("partial_execution_targets");
    if (
      targets !== undefined && !(Array.isArray(targets) && targets.every((one) => typeof one === "string"))
    ) {
      throw new ApiError(
        422,
        "bad_field",
        '"partial_execution_targets" is no list of ids',
        "partial_execution_targets",
      );
    }
    const extra = isRecord(values.extra_data) ? values.extra_data : {};
    const previews = extra.preview_method ?? "default";
    if (typeof previews !== "string" || !Object.hasOwn(PREVIEWS, previews)) {
      throw new ApiError(
        422,
        "bad_field",
        `"extra_data.preview_method": expected one of ${Object.keys(PREVIEWS).join(", ")}`,
        "extra_data.preview_method",
      );
    }
    const engines = new Map<string, Promise<Engine | undefined>>();
    const compiled = await compile(values.prompt, targets as string[] | undefined, {
      lists: await listsOf(parts, undefined, inbox.names(owner)),
      limits: parts.limits,
      engine: (name) => {
        const known = engines.get(name) ?? parts.models.find(name);
        engines.set(name, known);
        return known;
      },
      upload: (name) => inbox.get(owner, "input", name),
      cached: (id) => inbox.get(owner, "cache", id),
      check: parts.check,
    });
    const notes = fields.flag("front")
      ? ['"front": clients are served by turns, their own requests in their order']
      : [];
    const { id: prompt_id, number } = prompts.submit(
      {
        id,
        graph: shortened(values.prompt),
        extra: shortened(extra) as Record<string, unknown>,
        client: fields.text("client_id"),
        previews: PREVIEWS[previews],
      },
      { ...compiled, notes: [...notes, ...compiled.notes] },
      call,
      () => held[Symbol.dispose](),
    );
    const warnings = [...notes, ...compiled.notes];
    return { prompt_id, number, node_errors: {}, ...warnings.length > 0 && { warnings } };
  } catch (error) {
    held[Symbol.dispose]();
    if (error instanceof BadGraph) return json(400, { error: error.fault, node_errors: error.nodeErrors });
    if (error instanceof ApiError && (error.status === 422 || error.status === 400)) {
      // ComfyUI's clients read its own form.
      const { code: type, message, field } = error;
      return json(400, {
        error: { type, message, details: field ?? "", extra_info: {} },
        node_errors: {},
      });
    }
    throw error;
  }
}

/** What the history keeps: pictures in base64 are left out of long ones. */
function shortened(value: unknown): unknown {
  if (JSON.stringify(value).length <= KEPT_GRAPH) return value;
  const short = JSON.parse(
    JSON.stringify(
      value,
      (_, one) =>
        typeof one === "string" && one.length > KEPT_TEXT
          ? `${one.slice(0, 40)}… (${one.length} characters)`
          : one,
    ),
  );
  return JSON.stringify(short).length <= KEPT_GRAPH ? short : {};
}

/** Work on pixels, one after another: each takes the memory of a picture. */
type Once = <Result>(work: () => Promise<Result>) => Promise<Result>;

function inTurn(): Once {
  let before: Promise<unknown> = Promise.resolve();
  return (work) => {
    const now = before.then(work);
    before = now.catch(() => {});
    return now;
  };
}

/** A picture's file, and its name. */
interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The picture that a query names: drawn, or sent in. */
function named(query: URLSearchParams, owner: string, prompts: Prompts, inbox: Inbox): NamedFile {
  const [, plain, said] = /^(.*?)(?: \[(output|temp|input)\])?$/s.exec(query.get("filename") ?? "")!;
  const name = safePath(plain, "filename");
  const folders = (query.get("subfolder") ?? "").replace(/^\/+|\/+$/g, "");
  const subfolder = folders === "" ? "" : safePath(folders, "subfolder");
  const type = said ?? query.get("type") ?? "output";
  if (!["output", "temp", "input"].includes(type)) {
    throw new ApiError(
      400,
      "bad_field",
      `"type" is "${type.slice(0, 40)}", expected output, temp or input`,
      "type",
    );
  }
  const path = subfolder === "" ? name : `${subfolder}/${name}`;
  if (type === "input") {
    const bytes = inbox.get(owner, "input", path);
    if (bytes) return { name, bytes };
  } else {
    const drawn = prompts.file(
      owner,
      (one) => one.type === type && one.filename === name && one.subfolder === subfolder,
    );
    if (drawn !== undefined) return { name, bytes: bytesOf(drawn) };
  }
  throw new ApiError(
    404,
    "not_found",
    `There is no picture "${path.slice(0, 100)}" of type ${type} here, or no more`,
  );
}

/** `GET /view`. */
async function view(query: URLSearchParams, { name, bytes }: NamedFile, once: Once): Promise<Response> {
  const channel = query.get("channel") ?? "rgba";
  if (channel !== "rgba" && channel !== "rgb") {
    throw new ApiError(
      400,
      "bad_field",
      `"channel" is "${channel.slice(0, 40)}", expected rgba or rgb`,
      "channel",
    );
  }
  const preview = query.get("preview")?.split(";")[0];
  if (preview === undefined) return fileAnswer(bytes, name);
  // ComfyUI's own default for a format that it does not know.
  const format = preview === "jpeg" ? "JPEG" : "WebP";
  return await once(async () =>
    fileAnswer(await encodePicture(inColours(await openPicture(bytes, { name }).decode()), format), name)
  );
}

/** A file with its own type. */
function fileAnswer(bytes: Uint8Array<ArrayBuffer>, name: string): Response {
  return new Response(bytes, {
    headers: {
      "content-type": formatOf(bytes)?.type ?? "application/octet-stream",
      "content-disposition": `inline; filename*=UTF-8''${encodeURIComponent(name)}`,
      "cache-control": "no-store",
    },
  });
}

/** `POST /upload/image` and `/upload/mask`. */
async function upload(
  { request, owner }: Call,
  parts: ComfyuiParts,
  inbox: Inbox,
  mask?: { readonly found: (query: URLSearchParams) => Uint8Array<ArrayBuffer>; readonly once: Once },
): Promise<unknown> {
  const type = request.headers.get("content-type") ?? "";
  const bad = (why: string, field?: string): ApiError => new ApiError(400, "bad_form", why, field);
  if (!/^multipart\/form-data\b/i.test(type)) throw bad("The body has to be a form, multipart/form-data");
  using held = await parts.bytes(request);
  const form = await new Response(held.bytes, { headers: { "content-type": type } }).formData().catch(() => {
    throw bad("The body is no form");
  });
  const [file, ...more] = form.getAll("image");
  if (more.length > 0) throw bad('"image" holds several files, one is taken at a time', "image");
  if (!(file instanceof File)) throw bad('"image" has to be a file with a name', "image");
  const kind = form.get("type") ?? "input";
  if (kind !== "input") throw bad('"type": pictures are taken as "input" alone', "type");
  const folders = String(form.get("subfolder") ?? "").replace(/^\/+|\/+$/g, "");
  const subfolder = folders === "" ? "" : safePath(folders, "subfolder");
  const name = safePath(file.name, "image");
  if (name.includes("/")) {
    throw bad(`"image" is ${JSON.stringify(name)}, expected a name without folders`, "image");
  }
  const overwrite = ["true", "1"].includes(String(form.get("overwrite") ?? ""));
  const sent = new Uint8Array(await file.arrayBuffer());
  const bytes = mask ? await mask.once(() => masked(sent, form.get("original_ref"), mask.found)) : sent;
  const path = inbox.put(owner, "input", subfolder === "" ? name : `${subfolder}/${name}`, bytes, overwrite);
  return { name: path.slice(subfolder === "" ? 0 : subfolder.length + 1), subfolder, type: "input" };
}

/** A picture that is here already, with the alpha of the one that was sent: the editor of ComfyUI's page draws masks so. */
async function masked(
  sent: Uint8Array<ArrayBuffer>,
  reference: unknown,
  found: (query: URLSearchParams) => Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  let original: unknown;
  try {
    original = JSON.parse(typeof reference === "string" ? reference : "");
  } catch {
    original = undefined;
  }
  if (!isRecord(original) || !Object.values(original).every((one) => typeof one === "string")) {
    throw new ApiError(
      400,
      "bad_form",
      '"original_ref" has to say in JSON which picture: {filename, subfolder, type}',
      "original_ref",
    );
  }
  const below = openPicture(found(new URLSearchParams(original as Record<string, string>)), {
    name: "original_ref",
  });
  const above = openPicture(sent, { name: "image" });
  const { width, height } = below;
  if (above.width !== width || above.height !== height) {
    throw new ApiError(
      400,
      "bad_form",
      `"image" has ${above.width} × ${above.height} pixels, the picture of "original_ref" ${width} × ${height}`,
      "image",
    );
  }
  const colours = inColours(await below.decode()).data;
  const alpha = (await channelMask(above, "alpha").file.decode()).data;
  const data = new Uint8Array(4 * width * height);
  for (let i = 0; i < width * height; i++) {
    data.set(colours.subarray(3 * i, 3 * i + 3), 4 * i);
    data[4 * i + 3] = alpha[i];
  }
  return await encodePng({ width, height, channels: 4, data });
}

/** A whole number of a query; −1 counts as absent, as ComfyUI's clients send it. */
function count(query: URLSearchParams, name: string): number | undefined {
  const said = query.get(name);
  if (said === null || said === "-1") return undefined;
  if (/^\d{1,9}$/.test(said)) return Number(said);
  throw new ApiError(400, "bad_field", `"${name}" is "${said.slice(0, 40)}", expected a whole number`, name);
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

function systemStats(): unknown {
  return {
    system: {
      os: "",
      ram_total: 0,
      ram_free: 0,
      comfyui_version: `none: LSSGen ${VERSION}`,
      python_version: "none",
      pytorch_version: "none",
      embedded_python: false,
      argv: [],
    },
    devices: [{
      name: "WebGPU",
      type: "webgpu",
      index: 0,
      vram_total: 0,
      vram_free: 0,
      torch_vram_total: 0,
      torch_vram_free: 0,
    }],
  };
}

/** Families as comfyui-tooling-nodes calls them. */
const FAMILIES: Readonly<Record<string, string>> = { SDXL: "sdxl", SD3: "sd3", FLUX: "flux", SD: "sd15" };

async function modelInfo(
  { models }: ComfyuiParts,
  folder: string,
  query: URLSearchParams,
): Promise<Readonly<Record<string, unknown>>> {
  // All models are listed as checkpoints, and not a second time.
  const all = folder === "checkpoints" ? await models.list() : [];
  const offset = count(query, "offset") ?? 0;
  const some = all.slice(offset, offset + (count(query, "limit") ?? all.length));
  const found: [string, unknown][] = [];
  for (const { name, family = "" } of some) {
    const engine = await models.find(name).catch(() => undefined);
    if (!engine) continue;
    const { scheduler, maskInput, clipLayers } = engine.info;
    // SD2's text encoder has more layers than CLIP L.
    const sd2 = family === "SD" && (clipLayers?.most ?? 0) > 12;
    found.push([name, {
      base_model: sd2 ? "sd20" : Object.hasOwn(FAMILIES, family) ? FAMILIES[family] : "unknown",
      is_inpaint: maskInput !== undefined,
      type: scheduler.prediction_type === "v_prediction" ? "v-prediction" : "eps",
    }]);
  }
  return {
    ...Object.fromEntries(found),
    ...query.has("limit") && { _meta: { offset, count: some.length, total: all.length } },
  };
}
