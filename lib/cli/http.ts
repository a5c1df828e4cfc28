/**
 * HTTP of this machine for a handler of the web platform's requests, with bounds that `Deno.serve` does not have: on time for
 * headers and bodies, on connections, and on how long an end may take.
 *
 * @module
 */

import http from "node:http";
import type net from "node:net";
import { asksForSocket, WebSocketConnection } from "./websocket.ts";

/** Where to listen, and the bounds. */
export interface ListenOptions {
  /** Address. */
  readonly hostname: string;
  /** Port; 0 takes a free one. */
  readonly port: number;
  /** Connections at the same time; more are closed. Default 512. */
  readonly maxConnections?: number;
  /** Milliseconds until a request's headers have arrived. Default 10 s. */
  readonly headersTimeoutMs?: number;
  /** Milliseconds until a whole request has arrived. Default 60 s. */
  readonly requestTimeoutMs?: number;
  /** Bytes of a request's headers. Default 16 KiB. */
  readonly maxHeaderBytes?: number;
  /** Milliseconds an answer may wait for a client that does not read it. Default 60 s. */
  readonly idleTimeoutMs?: number;
}

/** A listening server. */
export interface Listening {
  /** The port that was taken. */
  readonly port: number;
  /**
   * Takes no more connections, lets answers finish, and closes every connection after `graceMs`.
   */
  end(graceMs: number): Promise<void>;
}

/** Answers a request for a web socket: a refusal, or what takes it in once it is open. */
export type Upgrade = (request: Request) => Response | ((socket: WebSocketConnection) => void);

/** Listens until {@linkcode Listening.end}. */
export async function listen(
  options: ListenOptions,
  handle: (request: Request, address: string) => Promise<Response>,
  upgrade?: Upgrade,
): Promise<Listening> {
  const server = http.createServer({
    headersTimeout: options.headersTimeoutMs ?? 10_000,
    requestTimeout: options.requestTimeoutMs ?? 60_000,
    connectionsCheckingInterval: Math.min(1000, (options.headersTimeoutMs ?? 10_000) / 2),
    maxHeaderSize: options.maxHeaderBytes ?? 16 * 1024,
    // Java's client asks for HTTP/2 so, and takes HTTP/1.1 where nobody answers to that.
    ...{
      shouldUpgradeCallback: ({ headers }: http.IncomingMessage) =>
        headers.upgrade?.toLowerCase() === "websocket",
    },
  }, (incoming, outgoing) => {
    answer(incoming, outgoing, handle, options.idleTimeoutMs ?? 60_000)
      .catch(() => outgoing.destroy());
  });
  server.maxConnections = options.maxConnections ?? 512;
  server.maxHeadersCount = 100;
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  });
  if (upgrade) {
    server.on("upgrade", (incoming: http.IncomingMessage, socket: net.Socket, head: Uint8Array) => {
      switched(incoming, socket, head, upgrade).catch(() => socket.destroy());
    });
  }
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.hostname, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    port: (server.address() as net.AddressInfo).port,
    async end(graceMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      // A connection that ignores its end must not keep the process.
      const late = new Promise<void>((resolve) => setTimeout(resolve, graceMs + 500));
      await Promise.race([closed, late]);
      clearTimeout(timer);
    },
  };
}

/** A connection that a client wants to use otherwise. */
async function switched(
  incoming: http.IncomingMessage,
  socket: net.Socket,
  head: Uint8Array,
  upgrade: Upgrade,
): Promise<void> {
  const request = toRequest(incoming, new AbortController().signal);
  const asks = request !== undefined && incoming.method === "GET" && asksForSocket(request.headers);
  const answer = asks
    ? upgrade(request)
    : new Response("Only web sockets of version 13 are spoken here besides HTTP", { status: 400 });
  if (typeof answer === "function") {
    return answer(await WebSocketConnection.accept(request!.headers, socket, head));
  }
  const body = await answer.text();
  const headers = {
    ...Object.fromEntries(answer.headers),
    "content-length": String(new TextEncoder().encode(body).length),
  };
  const lines = Object.entries({ ...headers, connection: "close" }).map(([name, value]) =>
    `${name}: ${value}\r\n`
  );
  socket.end(
    `HTTP/1.1 ${answer.status} ${http.STATUS_CODES[answer.status] ?? ""}\r\n${lines.join("")}\r\n${body}`,
  );
}

async function answer(
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
  handle: (request: Request, address: string) => Promise<Response>,
  idleMs: number,
): Promise<void> {
  const left = new AbortController();
  outgoing.on("close", () => {
    if (!outgoing.writableFinished) left.abort();
  });
  outgoing.on("error", () => left.abort());
  const request = toRequest(incoming, left.signal);
  const response = request
    ? await handle(request, incoming.socket.remoteAddress ?? "")
    : new Response("Bad request", { status: 400 });
  // A client that has not sent all of its body would take the rest for another request.
  if (!incoming.complete) outgoing.setHeader("connection", "close");
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  const reader = response.body?.getReader();
  try {
    if (incoming.method === "HEAD") return;
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      if (!outgoing.write(part.value)) await drained(outgoing, left.signal, idleMs);
      if (left.signal.aborted) return;
    }
  } finally {
    reader?.cancel().catch(() => {});
    outgoing.end();
    if (!incoming.complete) incoming.resume();
  }
}

/** Waits until the client has read; gives up on one that does not. */
async function drained(outgoing: http.ServerResponse, signal: AbortSignal, idleMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => outgoing.destroy(), idleMs);
    const done = (): void => {
      clearTimeout(timer);
      outgoing.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    outgoing.once("drain", done);
    signal.addEventListener("abort", done, { once: true });
  });
}

/** Undefined for what is no address. */
function toRequest(incoming: http.IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = "GET", url = "/" } = incoming;
  const headers = new Headers();
  try {
    for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
      headers.append(incoming.rawHeaders[i], incoming.rawHeaders[i + 1]);
    }
    // Only the path counts: what the Host header says is looked at by the handler.
    const address = new URL(
      /^https?:\/\//i.test(url) ? url : `http://localhost${url.startsWith("/") ? "" : "/"}${url}`,
    );
    address.host = "localhost";
    const hasBody = method !== "GET" && method !== "HEAD";
    return new Request(address, { method, headers, signal, body: hasBody ? bodyOf(incoming) : null });
  } catch {
    return undefined;
  }
}

function bodyOf(incoming: http.IncomingMessage): ReadableStream<Uint8Array<ArrayBuffer>> {
  let ended = false;
  return new ReadableStream({
    start(controller) {
      incoming.on("data", (part: Uint8Array<ArrayBuffer>) => {
        if (ended) return;
        controller.enqueue(new Uint8Array(part));
        if ((controller.desiredSize ?? 1) <= 0) incoming.pause();
      });
      const end = (error?: Error): void => {
        if (ended) return;
        ended = true;
        if (error) controller.error(error);
        else controller.close();
      };
      incoming.on("end", () => end());
      incoming.on("error", end);
      incoming.on("close", () => end(new Error("The body broke off")));
    },
    pull() {
      incoming.resume();
    },
    // What still comes has no reader, and must not be put where there is no room.
    cancel() {
      ended = true;
    },
  });
}
