/**
 * A hub for tests: the few endpoints of a Hugging Face-compatible one, with data on another host (another port), and
 * misbehaviour on demand. Also a program: `deno run -A tests/hub_server.ts FOLDER ORG/NAME [BYTES_PER_SECOND]`.
 */

import { createHash } from "node:crypto";
import { walkFiles } from "./hub_files.ts";

/** A request that came. */
export interface Seen {
  readonly host: "hub" | "data";
  readonly method: string;
  readonly path: string;
  readonly range: string | null;
  readonly authorization: string | null;
  /** The file that data is asked of. */
  readonly file?: string;
}

/** A file as it is served. */
export interface Served {
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** SHA-256 of what is kept aside, git's hash of the others. */
  readonly hex: string;
  readonly large: boolean;
}

/** Settings of a hub. */
export interface HubSettings {
  /** Bytes a second of one connection to the data's host; as fast as it goes without. */
  rate?: number;
  /** Answers in place of the hub; undefined lets it answer. */
  fault?: (seen: Seen, request: Request) => Response | undefined | Promise<Response | undefined>;
  /** Changes the listing. */
  listing?: (entries: Record<string, unknown>[]) => unknown;
  /** Token without which nothing is answered. */
  token?: string;
  /** Entries on a page of the listing. */
  page?: number;
  /** Serves everything from the hub itself. */
  direct?: boolean;
  /** Host that data is redirected to, in place of the own. */
  redirect?: string;
  /** Lets pages of other hosts read answers, as the public hub does. */
  pages?: boolean;
}

/** Branch, its commit, and nothing else. */
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** See the module. */
export class HubServer implements AsyncDisposable {
  readonly seen: Seen[] = [];
  /** Bytes of data that were sent. */
  sent = 0;
  private readonly hub: Deno.HttpServer<Deno.NetAddr>;
  private readonly data: Deno.HttpServer<Deno.NetAddr>;
  private readonly repos = new Map<string, Served[]>();

  constructor(readonly settings: HubSettings = {}) {
    const listen = {
      port: 0,
      hostname: "127.0.0.1",
      onListen() {},
      onError: () => new Response(null, { status: 500 }),
    };
    this.hub = Deno.serve(listen, (request) => this.forPages(request, (one) => this.answerHub(one)));
    this.data = Deno.serve(listen, (request) => this.forPages(request, (one) => this.answerData(one)));
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.hub.addr.port}`;
  }

  get dataHost(): string {
    return `http://127.0.0.1:${this.data.addr.port}`;
  }

  /** Adds a repository. Weights and what is larger than 100 kB lie on the data's host. */
  add(repo: string, files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): this {
    this.repos.set(
      repo,
      [...files].map(([path, bytes]) => {
        const large = /\.(safetensors|gguf|bin)$/.test(path) || bytes.length > 100_000;
        const hash = createHash(large ? "sha256" : "sha1");
        if (!large) hash.update(`blob ${bytes.length}\0`);
        return { path, bytes, large, hex: hash.update(bytes).digest("hex") };
      }),
    );
    return this;
  }

  /** A repository's files. */
  files(repo: string): readonly Served[] {
    return this.repos.get(repo) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.hub.shutdown(), this.data.shutdown()]);
  }

  private async forPages(
    request: Request,
    answer: (request: Request) => Promise<Response>,
  ): Promise<Response> {
    if (!this.settings.pages) return await answer(request);
    const headers = {
      "access-control-allow-origin": "*",
      "access-control-allow-headers": "*",
      "access-control-expose-headers": "*",
    };
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers });
    const response = await answer(request);
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    return response;
  }

  private async answerHub(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const resolved = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
    const file = resolved ? decodeURIComponent(resolved[3]) : undefined;
    const seen = this.note("hub", request, file);
    const fault = await this.settings.fault?.(seen, request);
    if (fault) return fault;
    const { token } = this.settings;
    if (token !== undefined && seen.authorization !== `Bearer ${token}`) return refusal(401, "RepoNotFound");
    if (resolved) return this.resolve(request, resolved[1], decodeURIComponent(resolved[2]), file!);
    const [, repo, kind, revision] =
      /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/([^/]+)$/.exec(pathname) ?? [];
    const files = this.repos.get(repo);
    if (!files) return refusal(404, "RepoNotFound");
    if (!["main", COMMIT].includes(decodeURIComponent(revision))) return refusal(404, "RevisionNotFound");
    if (kind === "revision") return Response.json({ id: repo, modelId: repo, sha: COMMIT, siblings: [] });
    const folders = new Set(
      files.flatMap(({ path }) => path.includes("/") ? [path.slice(0, path.indexOf("/"))] : []),
    );
    const entries: Record<string, unknown>[] = [
      ...[...folders].map((path) => ({ type: "directory", oid: "0".repeat(40), size: 0, path })),
      ...files.map(({ path, bytes, hex, large }) => ({
        type: "file",
        oid: large ? "1".repeat(40) : hex,
        size: bytes.length,
        path,
        ...large && { lfs: { oid: hex, size: bytes.length, pointerSize: 134 }, xetHash: "2".repeat(64) },
      })),
    ];
    const from = Number(searchParams.get("cursor") ?? 0);
    const { page = 1000 } = this.settings;
    const some = entries.slice(from, from + page);
    const next = from + page < entries.length
      ? { link: `<${this.endpoint}${pathname}?recursive=true&cursor=${from + page}>; rel="next"` }
      : undefined;
    return Response.json(this.settings.listing?.(some) ?? some, { headers: next });
  }

  private resolve(request: Request, repo: string, revision: string, path: string): Response {
    const files = this.repos.get(repo);
    if (!files) return refusal(404, "RepoNotFound");
    if (!["main", COMMIT].includes(revision)) return refusal(404, "RevisionNotFound");
    const file = files.find((one) => one.path === path);
    if (!file) return refusal(404, "EntryNotFound", { "x-repo-commit": COMMIT });
    const headers = {
      "x-repo-commit": COMMIT,
      etag: `"${file.hex}"`,
      ...file.large && { "x-linked-etag": `"${file.hex}"`, "x-linked-size": String(file.bytes.length) },
    };
    if (file.large && !this.settings.direct) {
      const location = `${
        this.settings.redirect ?? this.dataHost
      }/${repo}/${file.hex}?X-Signature=secret-of-the-address`;
      return new Response(null, { status: 302, headers: { ...headers, location } });
    }
    return this.content(request, file, headers);
  }

  private async answerData(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const [, repo, hex] = /^\/([^/]+\/[^/]+)\/([0-9a-f]+)$/.exec(pathname) ?? [];
    const file = this.repos.get(repo)?.find((one) => one.hex === hex);
    const seen = this.note("data", request, file?.path);
    const fault = await this.settings.fault?.(seen, request);
    if (fault) return fault;
    // As signed addresses do: a second way to be authorised is an error.
    if (seen.authorization !== null) return new Response("two authorisations", { status: 400 });
    return file ? this.content(request, file) : new Response("none", { status: 404 });
  }

  /** A file's bytes, by ranges, at the hub's speed. */
  content(
    request: Request,
    { bytes }: Pick<Served, "bytes">,
    headers: Record<string, string> = {},
  ): Response {
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "") ?? [];
    const from = Number(first ?? 0);
    const to = last ? Math.min(Number(last) + 1, bytes.length) : bytes.length;
    const ranged = first !== undefined && bytes.length > 0;
    const { rate } = this.settings;
    let at = from;
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        if (at >= to) return controller.close();
        const piece = bytes.subarray(
          at,
          Math.min(to, at + (rate ? Math.max(1, Math.ceil(rate / 50)) : 65536)),
        );
        if (rate) await new Promise((resolve) => setTimeout(resolve, 20));
        at += piece.length;
        this.sent += piece.length;
        controller.enqueue(piece);
      },
    });
    return new Response(request.method === "HEAD" ? null : body, {
      status: ranged ? 206 : 200,
      headers: {
        ...headers,
        "content-type": "binary/octet-stream",
        "content-length": String(to - from),
        ...ranged && { "content-range": `bytes ${from}-${to - 1}/${bytes.length}` },
      },
    });
  }

  private note(host: Seen["host"], request: Request, file?: string): Seen {
    const { headers, method } = request;
    const { pathname } = new URL(request.url);
    const seen = {
      host,
      method,
      path: pathname,
      range: headers.get("range"),
      authorization: headers.get("authorization"),
      file,
    };
    this.seen.push(seen);
    return seen;
  }
}

/** Bytes that some requests asked for. */
export function asked(requests: readonly Seen[]): number {
  return requests.reduce((sum, { range }) => {
    const [, from, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    return from === undefined ? sum : sum + Number(last) + 1 - Number(from);
  }, 0);
}

/** An answer as the hub refuses. */
export function refusal(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ error: code }, { status, headers: { "x-error-code": code, ...headers } });
}

/** A body that breaks off after some bytes, whatever its length says. */
export function broken(bytes: Uint8Array, headers: Record<string, string>, status = 206): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes);
    },
    pull: async (controller) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      controller.error(new Error("dropped on purpose"));
    },
  });
  return new Response(body, { status, headers });
}

if (import.meta.main) {
  const [folder, repo, rate] = Deno.args;
  const server = new HubServer({ rate: rate ? Number(rate) : undefined });
  server.add(repo, await walkFiles(folder));
  console.log(server.endpoint);
}
