/**
 * Answers as the web platform's responses: JSON, and server-sent events.
 *
 * @module
 */

/** Milliseconds between signs of life to a client that waits for events. */
export const ALIVE_EVERY_MS = 10_000;
/** Such a sign: a comment, which clients leave out. */
export const ALIVE = ": waiting\n\n";

/** An answer of JSON. */
export function json(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      "content-type": "application/json; charset=utf-8",
      "cache-control": "no-store",
      ...headers,
    },
  });
}

/** A server-sent event. */
export function eventText(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** An answer of server-sent events. */
export function eventAnswer(body: ReadableStream<Uint8Array>): Response {
  return new Response(body, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store" },
  });
}
