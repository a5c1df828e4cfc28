/**
 * Who may ask: names the server goes by, pages of other sites, and the token.
 *
 * @module
 */

import { ApiError } from "./api_error.ts";

/** What {@linkcode Guard} lets in. */
export interface GuardOptions {
  /** Names of this server, without port, or which are; undefined: any. */
  readonly hosts?: readonly string[] | ((name: string) => boolean);
  /** What requests to the APIs have to bring: one of these. */
  readonly token?: string | readonly string[];
  /** Origins whose pages may use the API, besides the server's own; "*" for all. */
  readonly origins?: readonly string[];
}

/**
 * Whether a name cannot be one that strangers own, whose pages would be let in by having it lead here: an address, a name
 * without a domain, or one of a network at home.
 */
export function isLocalName(name: string): boolean {
  return /^(\[[\da-f:.]+\]|\d{1,3}(\.\d{1,3}){3}|[^.]+|.+\.(local|lan|home|internal|localhost|home\.arpa))$/i
    .test(
      name,
    );
}

/**
 * The schemes that {@linkcode Guard.checkToken} reads, as `WWW-Authenticate` names them. To browsers Basic is not offered: they would
 * ask for a name and a password in a window of their own, over the page that asks for the token.
 */
export function schemes(request: Request): string {
  const browser = request.headers.has("sec-fetch-mode") ||
    /^Mozilla\//.test(request.headers.get("user-agent") ?? "");
  return `Bearer realm="LSSGen"${browser ? "" : ', Basic realm="LSSGen", charset="UTF-8"'}`;
}

/** See the module. */
export class Guard {
  /** Makes one. */
  constructor(private readonly options: GuardOptions) {}

  /**
   * A page elsewhere can have its own name lead to this machine (DNS rebinding).
   *
   * @throws {ApiError} 403.
   */
  checkHost(request: Request): void {
    const { hosts } = this.options;
    const host = request.headers.get("host") ?? new URL(request.url).host;
    const name = host.replace(/:\d+$/, "").toLowerCase();
    const known = typeof hosts === "function" ? hosts(name) : hosts?.includes(name) ?? true;
    if (!known) {
      throw new ApiError(403, "bad_host", `This server does not go by the name "${name.slice(0, 100)}"`);
    }
  }

  /**
   * Browsers let every page post to every address, and only hide the answer: what changes something is taken from the
   * server's own page, from origins that were allowed, and from programs that are no browsers.
   *
   * @throws {ApiError} 403.
   */
  checkOrigin(request: Request): void {
    const origin = request.headers.get("origin");
    if (this.allowed(origin)) return;
    const site = request.headers.get("sec-fetch-site");
    const own = origin === null ? true : sameHost(origin, request);
    if (own && (site === null || site === "same-origin" || site === "none")) return;
    throw new ApiError(
      403,
      "bad_origin",
      `This server may not be used by pages of ${
        (origin ?? "another site").slice(0, 100)
      }; its owner allows them with --cors`,
    );
  }

  /**
   * `Authorization: Bearer TOKEN`, or Basic with the token as password and any name, as clients of A1111 have it.
   *
   * @returns Whose request it is: with several tokens the number of his, else "".
   * @throws {ApiError} 401.
   */
  checkToken(request: Request): string {
    const { token } = this.options;
    if (token === undefined) return "";
    const tokens = typeof token === "string" ? [token] : token;
    const header = request.headers.get("authorization") ?? "";
    const [, scheme, value] = /^(bearer|basic) +(.+)$/i.exec(header) ?? [];
    const given = scheme?.toLowerCase() === "basic" ? password(value) : value;
    // Every token is compared, so that time does not tell which.
    const fits = tokens.map((one) => given !== undefined && same(given, one));
    const found = fits.indexOf(true);
    if (found >= 0) return tokens.length > 1 ? String(found) : "";
    throw new ApiError(
      401,
      "bad_token",
      `${
        header === ""
          ? "This server wants a token"
          : given === undefined
          ? "This server reads no such Authorization header"
          : "This token is not the server's"
      }; it accepts Authorization: Bearer TOKEN, and Basic with the token as password and any user name`,
    );
  }

  /** Headers that let a page of an allowed origin read the answer. */
  corsHeaders(request: Request): Record<string, string> {
    if (!this.options.origins?.length) return {};
    const origin = request.headers.get("origin");
    return this.allowed(origin)
      ? {
        "access-control-allow-origin": origin!,
        "access-control-expose-headers": "location, retry-after",
        vary: "Origin",
      }
      : { vary: "Origin" };
  }

  /** What a browser asks before a page's request: whether it may. */
  preflight(request: Request, methods: readonly string[]): Response | undefined {
    const asks = request.method === "OPTIONS" && request.headers.has("access-control-request-method");
    if (!asks || !this.allowed(request.headers.get("origin"))) return undefined;
    return new Response(null, {
      status: 204,
      headers: {
        ...this.corsHeaders(request),
        "access-control-allow-methods": methods.join(", "),
        // OpenAI's package for pages sends a dozen of its own.
        "access-control-allow-headers": request.headers.get("access-control-request-headers") ??
          "authorization, content-type, last-event-id",
        "access-control-max-age": "600",
      },
    });
  }

  private allowed(origin: string | null): boolean {
    const { origins = [] } = this.options;
    return origin !== null && (origins.includes("*") || origins.includes(origin.toLowerCase()));
  }
}

function sameHost(origin: string, request: Request): boolean {
  const host = request.headers.get("host") ?? new URL(request.url).host;
  return /^https?:\/\//i.test(origin) &&
    origin.replace(/^https?:\/\//i, "").toLowerCase() === host.toLowerCase();
}

function password(basic: string): string | undefined {
  try {
    const bytes = Uint8Array.from(atob(basic.trim()), (c) => c.charCodeAt(0));
    return /^[^:]*:(.*)$/s.exec(new TextDecoder().decode(bytes))?.[1];
  } catch {
    return undefined;
  }
}

/** Equality whose time does not tell how much is equal. */
function same(a: string, b: string): boolean {
  let off = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) off |= a.charCodeAt(i) ^ b.charCodeAt(i % b.length);
  return off === 0;
}
