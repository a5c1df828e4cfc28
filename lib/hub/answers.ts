/**
 * What a hub's answers mean when they are not what was asked for: a reason in words, the page to visit, whether to try
 * again.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

/** What was asked for, in the words of messages. */
export interface Asked {
  /** Address of the hub, without a slash at its end. */
  readonly endpoint: string;
  /** `ORG/NAME`. */
  readonly repo: string;
  /** Branch, tag or commit. */
  readonly revision?: string;
  /** A file's path in the repository. */
  readonly file?: string;
  /** Whether a token was sent. */
  readonly token: boolean;
}

/** A failure that may be over in a moment: a dropped connection, a busy server. */
export class PassingError extends Error {
  /**
   * @param message What happened, for the final error.
   * @param waitMs How long the server asks to wait.
   * @param options `cause`, as for `Error`.
   */
  constructor(message: string, readonly waitMs?: number, options?: ErrorOptions) {
    super(message, options);
    this.name = "PassingError";
  }
}

/** Longest wait that a server may ask for; beyond it the user is told. */
export const LONGEST_WAIT_MS = 120_000;

/** How the refusal of a name begins that the hub does not know. */
export const NO_MODEL = "There is no model";

/** What a refusal by the hub itself (not by a host that it redirects to) means. */
export function refusal(response: Response, asked: Asked): LssgenError | PassingError {
  const { status, headers } = response;
  const { endpoint, repo, revision, file, token } = asked;
  const page = `${endpoint}/${repo}`;
  const code = headers.get("x-error-code") ?? "";
  const said = clean(headers.get("x-error-message"));
  const bad = (message: string): LssgenError =>
    new LssgenError("bad_file", said === "" ? message : `${message}. The hub says: ${said}`);

  if (code === "GatedRepo") {
    return bad(
      `"${repo}" is gated: accept its terms on ${page}, then ` +
        (token
          ? "try again with a token of the same account that may read gated repositories"
          : `set HF_TOKEN to a token of that account (${endpoint}/settings/tokens)`),
    );
  }
  if (code === "RevisionNotFound") {
    return bad(
      `"${repo}" has no revision "${revision ?? "main"}"; ${page}/tree/main lists branches and tags`,
    );
  }
  if (code === "EntryNotFound") {
    return bad(`"${repo}" has no file "${file ?? ""}"; ${page}/tree/${revision ?? "main"} lists its files`);
  }
  if (status === 401 && /invalid (credentials|username|user token)/i.test(said)) {
    return bad(
      `${endpoint} does not know the token (it may have expired); make another on ${endpoint}/settings/tokens`,
    );
  }
  if (/access to this resource is disabled/i.test(said)) {
    return bad(`"${repo}" was disabled by the hub; ${page} says why`);
  }
  if (code === "RepoNotFound" || status === 401 || status === 404) {
    return bad(
      `${NO_MODEL} "${repo}" on ${endpoint}, or it is private: see ${page}` +
        (token ? "" : `; for a private one set HF_TOKEN (${endpoint}/settings/tokens)`),
    );
  }
  if (status === 403) {
    return bad(`${endpoint} refuses access to "${repo}"${token ? " with this token" : ""}; see ${page}`);
  }
  return overload(response, endpoint) ??
    bad(`${endpoint} answered ${status} for "${file ?? repo}"; see ${page}`);
}

/** A busy or broken server, whichever host it is; undefined for other answers. */
export function overload(
  { status, headers }: Response,
  host: string,
): LssgenError | PassingError | undefined {
  if (status !== 408 && status !== 425 && status !== 429 && status < 500) return undefined;
  const waitMs = retryAfter(headers);
  const what = status === 429 ? `${host} limits requests (429)` : `${host} answered ${status}`;
  if (waitMs !== undefined && waitMs > LONGEST_WAIT_MS) {
    return new LssgenError(
      "bad_file",
      `${what} and asks to wait ${Math.ceil(waitMs / 60_000)} minutes; try again then` +
        (status === 429 ? ", or set HF_TOKEN: accounts may ask more often" : ""),
    );
  }
  return new PassingError(what, waitMs);
}

/** `Retry-After` in seconds or as a date, or the hub's own `RateLimit: "api";r=0;t=55`. */
export function retryAfter(headers: Headers, now: number = Date.now()): number | undefined {
  const text = headers.get("retry-after")?.trim();
  if (text && /^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (text && Number.isFinite(Date.parse(text))) return Math.max(0, Date.parse(text) - now);
  const [, left, seconds] = /;\s*r=(\d+)\s*;\s*t=(\d+)/.exec(headers.get("ratelimit") ?? "") ?? [];
  return left === "0" ? Number(seconds) * 1000 : undefined;
}

/** A header for a message: one line of printable characters. */
function clean(text: string | null): string {
  // deno-lint-ignore no-control-regex
  return (text ?? "").replace(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim().slice(0, 200);
}

/** An address for a message, without its query: that of a signed address is as good as a password. */
export function bareUrl(url: string | URL): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
