/**
 * Requests to a hub: tokens that stay with it, redirects followed by hand, second tries, bounded answers.
 *
 * @module
 */

import { AbortedError, LssgenError } from "../errors.ts";
import { notPermitted } from "../not_permitted.ts";
import { type JsonBounds, parseJson } from "../json.ts";
import { type Asked, bareUrl, overload, PassingError, refusal } from "./answers.ts";
import { type HubFile, parseTree } from "./listing.ts";
import { PUBLIC_HUB } from "./name.ts";

/** Which hub, and how it is asked. */
export interface HubOptions {
  /** Address of a Hugging Face-compatible hub; the public one without. */
  readonly endpoint?: string;
  /** Access token. Sent to the endpoint alone, so only where redirects can be followed by hand: not in pages. */
  readonly token?: string;
  /** Stops requests. */
  readonly signal?: AbortSignal;
  /** In place of the platform's. */
  readonly fetch?: typeof fetch;
  /** First pause before another try in milliseconds, doubled each time; 500 without. */
  readonly pauseMs?: number;
  /** Milliseconds without an answer or without data after which a connection counts as dropped; 30 000 without. */
  readonly stallMs?: number;
  /** Told of each further try. */
  readonly onRetry?: (reason: string) => void;
}

/** Tries in a row without any progress. */
const TRIES = 6;
/** The same while no answer has come at all: who is offline is told soon. */
const FIRST_TRIES = 3;
const MAX_REDIRECTS = 10;
/** Largest answer of the API: a page of 1000 files has 0.5 MB. */
const MAX_JSON_BYTES = 32 << 20;
const ANSWER_BOUNDS: JsonBounds = { characters: MAX_JSON_BYTES, depth: 32 };
/** Pages of a listing; a thousand files each. */
const MAX_PAGES = 200;

/** An open answer with a body of data. */
export interface OpenAnswer {
  /** Status 200 or 206, body unread. */
  readonly response: Response;
  /** Where it came from in the end. */
  readonly url: string;
  /** `x-linked-etag` of the hub's own answer, without quotes. */
  readonly linkedEtag?: string;
}

/** See the module. */
export class HubClient {
  /** Address of the hub, without a slash at its end. */
  readonly endpoint: string;
  private answered = false;
  /** Browsers hide redirects from their pages, and follow them alone. */
  private browserFollows = false;

  /**
   * @throws {LssgenError} `bad_option` for an endpoint that is no http address, or a token with characters that none has.
   */
  constructor(readonly options: HubOptions = {}) {
    const given = options.endpoint ?? PUBLIC_HUB;
    const url = URL.canParse(given) ? new URL(given) : undefined;
    if (!url || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "") {
      throw new LssgenError(
        "bad_option",
        `The hub's address is "${given}", expected one such as ${PUBLIC_HUB}`,
      );
    }
    this.endpoint = url.href.replace(/\/+$/, "");
    if (options.token !== undefined && !/^[\x21-\x7e]+$/.test(options.token)) {
      throw new LssgenError(
        "bad_option",
        "The hub's token holds characters that no token has; copy it again (HF_TOKEN, or the token file)",
      );
    }
  }

  /** What a request is about, for messages. */
  asked(repo: string, revision?: string, file?: string): Asked {
    return { endpoint: this.endpoint, repo, revision, file, token: this.options.token !== undefined };
  }

  /** Address of a file's content. */
  fileUrl(repo: string, revision: string, path: string): string {
    const escaped = path.split("/").map(encodeURIComponent).join("/");
    return `${this.endpoint}/${repo}/resolve/${encodeURIComponent(revision)}/${escaped}`;
  }

  /**
   * The commit that a revision stands for.
   *
   * @throws {LssgenError} `bad_file`, naming the page to visit.
   */
  async commit(repo: string, revision: string): Promise<string> {
    const asked = this.asked(repo, revision);
    const url = `${this.endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}`;
    const { json } = await this.json(url, asked);
    const sha = (json as { sha?: unknown } | null)?.sha;
    if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha)) {
      throw new LssgenError(
        "bad_file",
        `${this.endpoint} names no commit for "${repo}": it is no Hugging Face hub`,
      );
    }
    return sha;
  }

  /**
   * Every file of a commit.
   *
   * @throws {LssgenError} `bad_file`, also for listings that do not make sense.
   */
  async list(repo: string, commit: string): Promise<HubFile[]> {
    const asked = this.asked(repo, commit);
    const files: HubFile[] = [];
    let url = `${this.endpoint}/api/models/${repo}/tree/${commit}?recursive=true&expand=false`;
    for (let page = 0; page < MAX_PAGES; page++) {
      const { json, next } = await this.json(url, asked);
      files.push(...parseTree(json, repo));
      if (next === undefined) return files;
      // Another host's page would be asked with the token.
      const following = new URL(next, url);
      if (following.origin !== new URL(this.endpoint).origin) {
        throw new LssgenError(
          "bad_file",
          `The listing of "${repo}" continues on another host, ${following.host}; refused`,
        );
      }
      url = following.href;
    }
    throw new LssgenError("bad_file", `The listing of "${repo}" has more than ${MAX_PAGES} pages; refused`);
  }

  /**
   * Opens a file's data, as a whole or by a range. One try: see {@linkcode HubClient.persist}.
   *
   * @param url The file's address, or where an earlier answer came from.
   * @param asked For messages.
   * @param range First byte and the byte after the last.
   * @throws {PassingError} For what may be over in a moment.
   * @throws {LssgenError} `bad_file` for refusals, web pages in place of data, and redirects that are not followed.
   */
  async open(
    url: string,
    asked: Asked,
    range: readonly [from: number, to: number] | undefined,
    signal: AbortSignal | undefined = this.options.signal,
  ): Promise<OpenAnswer> {
    const headers: Record<string, string> = range ? { range: `bytes=${range[0]}-${range[1] - 1}` } : {};
    const { response, at, linkedEtag } = await this.follow(url, asked, headers, signal);
    const html = /^text\/html\b/i.test(response.headers.get("content-type") ?? "");
    if (html && !/\.html?$/i.test(asked.file ?? "")) {
      await response.body?.cancel();
      throw webPage(at, asked);
    }
    return { response, url: at, linkedEtag };
  }

  /**
   * Works until it ends well: a {@linkcode PassingError} leads to another try after a pause, longer each time.
   *
   * @param work What to do. It calls `progress` when something was achieved, which counts tries from the beginning.
   */
  async persist<T>(
    work: (progress: () => void) => Promise<T>,
    signal: AbortSignal | undefined = this.options.signal,
  ): Promise<T> {
    const { pauseMs = 500, onRetry } = this.options;
    let failures = 0;
    for (;;) {
      if (signal?.aborted) throw stopped();
      try {
        return await work(() => failures = 0);
      } catch (error) {
        if (signal?.aborted) throw stopped();
        if (!(error instanceof PassingError)) throw error;
        failures++;
        if (failures >= (this.answered ? TRIES : FIRST_TRIES)) {
          throw new LssgenError("bad_file", `${error.message}, ${failures} times in a row; try again later`, {
            cause: error,
          });
        }
        const ms = error.waitMs ?? pauseMs * 2 ** (failures - 1) * (0.75 + 0.5 * Math.random());
        onRetry?.(`${error.message}; trying again in ${(ms / 1000).toFixed(1)} s`);
        await pause(ms, signal);
      }
    }
  }

  /** An API's answer, tried again where that makes sense. */
  private async json(url: string, asked: Asked): Promise<{ json: unknown; next?: string }> {
    return await this.persist(async () => {
      const { response, at } = await this.follow(
        url,
        asked,
        { accept: "application/json" },
        this.options.signal,
      );
      const text = new TextDecoder().decode(await this.readAll(response, at));
      try {
        return {
          json: parseJson(bareUrl(at), text, ANSWER_BOUNDS),
          next: nextPage(response.headers.get("link")),
        };
      } catch (error) {
        if (error instanceof LssgenError) throw error;
        if (/^\s*</.test(text)) throw webPage(at, asked);
        throw new LssgenError(
          "bad_file",
          `${bareUrl(at)} answered something that is no JSON: it is no Hugging Face hub`,
        );
      }
    });
  }

  private async readAll(response: Response, at: string): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of this.body(response, at)) {
      bytes += piece.length;
      if (bytes > MAX_JSON_BYTES) {
        throw new LssgenError(
          "bad_file",
          `${bareUrl(at)} answered more than ${MAX_JSON_BYTES >> 20} MiB; refused`,
        );
      }
      parts.push(piece);
    }
    return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
  }

  /**
   * A body's pieces.
   *
   * @throws {PassingError} When the connection drops, or nothing comes for a while.
   */
  async *body(
    { body }: Response,
    at: string,
    signal: AbortSignal | undefined = this.options.signal,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    if (!body) return;
    const { stallMs = 30_000 } = this.options;
    const reader = (body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      for (;;) {
        const late = Promise.withResolvers<never>();
        timer = setTimeout(() => late.reject(new Error(`nothing came for ${stallMs / 1000} s`)), stallMs);
        let got: ReadableStreamReadResult<Uint8Array<ArrayBuffer>>;
        try {
          got = await Promise.race([reader.read(), late.promise]);
        } catch (cause) {
          if (signal?.aborted) throw stopped();
          throw new PassingError(`The connection to ${new URL(at).host} was lost`, undefined, { cause });
        } finally {
          clearTimeout(timer);
        }
        if (got.done) return;
        yield got.value;
      }
    } finally {
      await reader.cancel().catch(() => {});
    }
  }

  /** A request with its redirects; the token goes to the hub's own origin and nowhere else. */
  private async follow(
    url: string,
    asked: Asked,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<{ response: Response; at: string; linkedEtag?: string }> {
    const home = new URL(this.endpoint).origin;
    let at = new URL(url);
    let linkedEtag: string | undefined;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const own = at.origin === home;
      const response = await this.request(at, own, headers, signal);
      if (own) linkedEtag = etagOf(response) ?? linkedEtag;
      if (response.ok) return { response, at: response.url || at.href, linkedEtag };
      await response.body?.cancel();
      const location = response.headers.get("location");
      if (
        response.status >= 300 && response.status < 400 && location !== null && URL.canParse(location, at)
      ) {
        const to = new URL(location, at);
        // A file: address would be read from the disk, and plain http after https by anybody on the way.
        if (!/^https?:$/.test(to.protocol) || (at.protocol === "https:" && to.protocol === "http:")) {
          throw new LssgenError("bad_file", `${bareUrl(at)} redirects to a ${to.protocol} address; refused`);
        }
        at = to;
        continue;
      }
      if (own) throw refusal(response, asked);
      throw overload(response, at.host) ??
        // Addresses of other hosts are signed for a while; the hub makes new ones.
        new PassingError(`${at.host} answered ${response.status} for "${asked.file ?? asked.repo}"`);
    }
    throw new LssgenError("bad_file", `${bareUrl(url)} redirects more than ${MAX_REDIRECTS} times; refused`);
  }

  private async request(
    at: URL,
    own: boolean,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    const { token, stallMs = 30_000, fetch: ask = fetch } = this.options;
    const controller = new AbortController();
    const stop = (): void => controller.abort();
    const timer = setTimeout(stop, stallMs);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
    const redirect = this.browserFollows ? "follow" : "manual";
    try {
      const response = await ask(at, {
        redirect,
        cache: "no-store",
        signal: controller.signal,
        headers: {
          // Lengths are those of the files only without compression.
          ...headers,
          "accept-encoding": "identity",
          ...own && token !== undefined && { authorization: `Bearer ${token}` },
        },
      });
      if (response.type === "opaqueredirect") {
        if (token !== undefined) {
          throw new LssgenError(
            "unsupported",
            "A page cannot keep a hub's token from the hosts that it redirects to: open the model without a token, or " +
              "download it with the command line",
          );
        }
        this.browserFollows = true;
        return await this.request(at, own, headers, signal);
      }
      this.answered = true;
      return response;
    } catch (cause) {
      if (cause instanceof LssgenError || cause instanceof PassingError) throw cause;
      if (signal?.aborted) throw stopped();
      const why = controller.signal.aborted ? `it did not answer for ${stallMs / 1000} s` : whyOf(cause);
      // Another try would not be permitted either.
      if (notPermitted(cause)) {
        throw new LssgenError("bad_option", `Cannot reach ${at.origin}: ${why}`, { cause });
      }
      throw new PassingError(`Cannot reach ${at.origin}: ${why}`, undefined, { cause });
    } finally {
      clearTimeout(timer);
      if (controller.signal.aborted) signal?.removeEventListener("abort", stop);
    }
  }
}

/** The reason in fetch's error, without addresses: they may be signed. */
function whyOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.replace(/\s*(for url )?\(?https?:\/\/[^\s)]+\)?/g, "").slice(0, 200) || "no connection";
}

function webPage(at: string, { file, repo, endpoint }: Asked): LssgenError {
  return new LssgenError(
    "bad_file",
    `${bareUrl(at)} answered a web page in place of "${
      file ?? repo
    }": a network's log-in page, a proxy, or an address ` +
      `that is no Hugging Face hub (${endpoint})`,
  );
}

function stopped(): AbortedError {
  return new AbortedError("The download was stopped; it goes on from there next time");
}

function etagOf({ headers }: Response): string | undefined {
  return headers.get("x-linked-etag")?.replace(/^W\//, "").replaceAll('"', "") || undefined;
}

/** `<https://…?cursor=…>; rel="next"`. */
function nextPage(link: string | null): string | undefined {
  return /<([^>]+)>\s*;[^,]*\brel="?next"?/i.exec(link ?? "")?.[1];
}

/** Waits, or throws as soon as the signal fires. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      reject(stopped());
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      resolve();
    }, ms);
    signal?.addEventListener("abort", end, { once: true });
  });
}
