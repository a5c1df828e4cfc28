/**
 * Files behind URLs: ranges where the server knows them, and what servers answer in place of a file.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { notPermitted } from "../not_permitted.ts";
import { bytesOf, type ByteSource, checkRange, folderOf, type FolderSource } from "./bytes.ts";

/** Bytes that are kept in memory of a file whose server knows no ranges: as much as engines put into one buffer. */
const MAX_WHOLE = 2 ** 31 - 2 ** 20;
/** Bytes at the beginning of an answer that are looked at to tell a web page from a file. */
const PAGE_BYTES = 512;

/**
 * A file behind a URL. Ranges where the server knows them, whatever it says of the size; a server that answers a range
 * with the whole file (Deno's `file:` and some hosts do) is read once and kept. A web page in place of another file is
 * how development servers and single-page hosts say that there is none.
 *
 * @returns Undefined when there is no such file.
 * @throws {LssgenError} `bad_file` when the server refuses, answers something else than was asked for, or would have
 * more than 2 GiB kept in memory.
 */
export async function httpSource(url: string): Promise<ByteSource | undefined> {
  let first: Response;
  try {
    first = await request(url, { range: [0, 1] });
  } catch (error) {
    // A missing `file:` URL throws instead of answering 404; so does one that may not be read.
    if (url.startsWith("file:") && !notPermitted(error)) return undefined;
    throw error;
  }
  const { status } = first;
  if (status === 404 || status === 410) {
    await discard(first);
    return undefined;
  }
  if (status === 416) { // an empty file has not even a first byte
    await discard(first);
    return totalOf(first) === 0 ? bytesOf(url, new Uint8Array(0)) : await wholeSource(url);
  }
  if (!first.ok) {
    await discard(first);
    throw refusal(url, first);
  }
  if (isEncoded(first)) { // although it was asked not to be: parts of a compressed file are of no use
    await discard(first);
    return await wholeSource(url);
  }
  if (status !== 206) return await inMemory(url, first);
  // Pages are not shown every header, but a compressed byte does not unpack.
  if (await firstBytes(first) === undefined) return await wholeSource(url);
  if (isPageType(url, first) && await beginsAsPage(url)) return undefined;
  const size = totalOf(first) ?? await sizeByHead(url);
  return size === undefined ? await wholeSource(url) : rangeSource(url, size);
}

/**
 * One request, uncached. With a range (from, end, not included) it asks for the file as it is, where the engine lets us
 * say so; without one engines ask for what they can unpack.
 */
async function request(
  url: string,
  { method, range }: { method?: string; range?: readonly [number, number] } = {},
): Promise<Response> {
  const headers: Record<string, string> = {};
  if (range) headers.Range = `bytes=${range[0]}-${range[1] - 1}`;
  if (range || method === "HEAD") headers["Accept-Encoding"] = "identity";
  try {
    // Firefox aborts large streams through its HTTP cache (FIELD.md, pitfall 16).
    return await fetch(url, { method, headers, cache: "no-store" });
  } catch (error) {
    throw new LssgenError("bad_file", `Cannot fetch "${url}": ${(error as Error).message}`, { cause: error });
  }
}

async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}

/** Why a server does not hand a file over, and what to do. */
function refusal(url: string, { status, statusText, headers }: Response): LssgenError {
  const wait = headers.get("retry-after");
  const why: Readonly<Record<number, string>> = {
    401: "it wants a login or a token; download the files and open the folder",
    403: "it does not give this file to everybody; see the address in a browser, or download the files",
    407: "a proxy on the way wants a login",
    429: `it has had too many requests; try again later${wait ? ` (it says after ${wait})` : ""}`,
    451: "it may not give this file away",
    503: `it is busy or closed; try again later${wait ? ` (it says after ${wait})` : ""}`,
  };
  const reason = why[status] ??
    (status >= 500 ? "something is wrong there; try again later" : "expected 200 or 206");
  const said = statusText ? `${status} (${statusText})` : status;
  return new LssgenError("bad_file", `Cannot fetch "${url}": the server answered ${said}: ${reason}`);
}

/** The size in `Content-Range: bytes 0-0/SIZE`; pages see the header only where the server exposes it. */
function totalOf({ headers }: Response): number | undefined {
  const [, total] = /^\s*bytes\s+(?:\d+-\d+|\*)\/(\d+)\s*$/i.exec(headers.get("content-range") ?? "") ?? [];
  const size = Number(total);
  return Number.isSafeInteger(size) ? size : undefined;
}

function isEncoded({ headers }: Response): boolean {
  return !["", "identity"].includes((headers.get("content-encoding") ?? "").trim().toLowerCase());
}

/** The size that HEAD names, if a last byte is there and none behind it: compressed answers have other sizes. */
async function sizeByHead(url: string): Promise<number | undefined> {
  const head = await request(url, { method: "HEAD" });
  await discard(head);
  const length = head.headers.get("content-length");
  const size = Number(length);
  if (!head.ok || !length || !Number.isSafeInteger(size) || size < 1 || isEncoded(head)) return undefined;
  for (const [at, there] of [[size - 1, true], [size, false]] as const) {
    const probe = await request(url, { range: [at, at + 1] });
    await discard(probe);
    if ((probe.status === 206) !== there) return undefined;
  }
  return size;
}

function rangeSource(url: string, size: number): ByteSource {
  return {
    name: url,
    size,
    async read(offset, length) {
      checkRange(url, size, offset, length);
      if (length === 0) return new Uint8Array(0);
      const part = await request(url, { range: [offset, offset + length] });
      // A whole file in place of a part may be many gigabytes: it is not read.
      if (part.status !== 206) {
        await discard(part);
        if (!part.ok) throw refusal(url, part);
        throw new LssgenError(
          "bad_file",
          `"${url}" answered ${part.status} with the whole file, expected 206 with ${length} bytes from ${offset}; try again`,
        );
      }
      const total = totalOf(part);
      if (total !== undefined && total !== size) {
        await discard(part);
        throw new LssgenError(
          "bad_file",
          `"${url}" has ${total} bytes, it had ${size} before: it was changed on the server; open it again`,
        );
      }
      const bytes = await bodyOf(url, part, length, length);
      if (bytes.byteLength !== length) {
        throw new LssgenError(
          "bad_file",
          `"${url}" answered with ${bytes.byteLength} bytes, expected ${length} from ${offset}; try again`,
        );
      }
      return bytes;
    },
  };
}

/** The file without a range, kept in memory. */
async function wholeSource(url: string): Promise<ByteSource | undefined> {
  const whole = await request(url);
  if (whole.status === 404 || whole.status === 410) {
    await discard(whole);
    return undefined;
  }
  if (whole.status === 200) return await inMemory(url, whole);
  await discard(whole);
  throw refusal(url, whole);
}

async function inMemory(url: string, response: Response): Promise<ByteSource | undefined> {
  const length = Number(response.headers.get("content-length") ?? 0);
  if (length > MAX_WHOLE) {
    await discard(response);
    throw tooLarge(url, `has ${length} bytes`);
  }
  const bytes = await bodyOf(url, response, isEncoded(response) ? 0 : length, MAX_WHOLE);
  return looksLikePage(bytes) && !namesPage(url) ? undefined : bytesOf(url, bytes);
}

function tooLarge(url: string, what: string): LssgenError {
  return new LssgenError(
    "bad_file",
    `"${url}" ${what}, and its server knows no ranges, so that all of it would have to be kept in memory, ` +
      `at most ${MAX_WHOLE} bytes: use a server that answers ranges (Range: bytes=…) with 206, or a local folder`,
  );
}

/**
 * A body, read until it ends.
 *
 * @param expected Bytes that are made room for; a compressed body may have any number.
 * @param most Bytes beyond which nothing is read.
 */
async function bodyOf(
  url: string,
  response: Response,
  expected: number,
  most: number,
): Promise<Uint8Array<ArrayBuffer>> {
  let out = new Uint8Array(expected);
  let size = 0;
  const reader = response.body?.getReader();
  try {
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      const { value } = part;
      if (size + value.length > most) {
        await reader?.cancel().catch(() => {});
        if (most === MAX_WHOLE) throw tooLarge(url, `has more than ${most} bytes`);
        throw new LssgenError(
          "bad_file",
          `"${url}" answered with more than the ${most} bytes asked for; try again`,
        );
      }
      if (size + value.length > out.length) {
        const larger = new Uint8Array(Math.min(most, Math.max(2 * out.length, size + value.length)));
        larger.set(out.subarray(0, size));
        out = larger;
      }
      out.set(value, size);
      size += value.length;
    }
  } catch (error) {
    if (error instanceof LssgenError) throw error;
    throw new LssgenError(
      "bad_file",
      `"${url}" broke off after ${size} bytes: ${(error as Error).message}; try again`,
      { cause: error },
    );
  }
  return size === out.length ? out : out.slice(0, size);
}

/** Whether the file that was asked for is a page itself. */
function namesPage(url: string): boolean {
  return /\.html?$/i.test(new URL(url).pathname);
}

function isPageType(url: string, { headers }: Response): boolean {
  return /^\s*(text\/html|application\/xhtml\+xml)\b/i.test(headers.get("content-type") ?? "") &&
    !namesPage(url);
}

/** Whether the first bytes behind a URL are those of a web page: some servers call every file text/html. */
async function beginsAsPage(url: string): Promise<boolean> {
  const start = await request(url, { range: [0, PAGE_BYTES] });
  const bytes = await firstBytes(start);
  return start.ok && bytes !== undefined && looksLikePage(bytes);
}

/** The first bytes of a body, undefined when there are none or they cannot be read. */
async function firstBytes(response: Response): Promise<Uint8Array | undefined> {
  const reader = response.body?.getReader();
  try {
    const value = (await reader?.read())?.value;
    return value?.length ? value : undefined;
  } catch {
    return undefined;
  } finally {
    await reader?.cancel().catch(() => {});
  }
}

/** Neither JSON nor the length before a header begins like that. */
function looksLikePage(bytes: Uint8Array): boolean {
  const start = new TextDecoder().decode(bytes.subarray(0, PAGE_BYTES));
  return /^\s*(<!--[^]*?-->\s*)*<(!doctype\s+html|html|head|body)\b/i.test(start);
}

/** A folder behind a base URL. */
export function httpFolder(base: string | URL): FolderSource {
  const root = String(base).replace(/\/*$/, "/");
  // Escaped, "%2e%2e" stays a name: a URL would take it for "..", and "?" for a query.
  const escaped = (path: string): string => path.split("/").map(encodeURIComponent).join("/");
  return folderOf(root, (path) => httpSource(new URL(escaped(path), root).href));
}
