/**
 * The server's side of web sockets on a connection that HTTP hands over: small messages in, messages of any length out. Nothing is
 * compressed.
 *
 * Source: RFC 6455.
 *
 * @module
 */

import type net from "node:net";

/** What a handshake's answer is made of, besides the client's key. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Bytes of a client's message: a few words. */
const MOST_IN = 64 * 1024;
/** Bytes that may wait for a client that does not read. */
const MOST_OUT = 64 * 2 ** 20;
/** Milliseconds between signs of life, and until a client that gives none has gone. */
const [PING_MS, GONE_MS] = [20_000, 60_000];

const [CONTINUED, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];

/** Why a socket ends, by RFC 6455, section 7.4.1. */
const [ENDED, BROKEN, NO_TEXT, TOO_LONG] = [1000, 1002, 1007, 1009];

/** Whether a request asks for a web socket, with a key of 16 bytes. */
export function asksForSocket(headers: Headers): boolean {
  return headers.get("upgrade")?.toLowerCase() === "websocket" &&
    headers.get("sec-websocket-version") === "13" &&
    /^[A-Za-z0-9+/]{22}==$/.test(headers.get("sec-websocket-key") ?? "");
}

/** A web socket. */
export class WebSocketConnection {
  /** Told of texts that the client sends. */
  onText: (text: string) => void = () => {};
  /** Told of the end, once. */
  onClose: () => void = () => {};
  private received: Uint8Array = new Uint8Array();
  private parts: Uint8Array[] = [];
  private kind = 0;
  private ended = false;
  private heard = Date.now();
  private readonly alive: ReturnType<typeof setInterval>;

  private constructor(private readonly socket: net.Socket) {
    this.alive = setInterval(() => {
      if (Date.now() - this.heard > GONE_MS) this.end();
      else this.frame(PING, new Uint8Array());
    }, PING_MS);
    socket.on("data", (data: Uint8Array) => this.take(data));
    socket.on("error", () => this.end());
    socket.on("close", () => this.end());
  }

  /**
   * Answers the handshake.
   *
   * @param head What came behind the request's headers.
   */
  static async accept(headers: Headers, socket: net.Socket, head: Uint8Array): Promise<WebSocketConnection> {
    const key = new TextEncoder().encode(headers.get("sec-websocket-key") + GUID);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", key));
    socket.setTimeout(0);
    socket.setNoDelay(true);
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${btoa(String.fromCharCode(...digest))}\r\n\r\n`,
    );
    const connection = new WebSocketConnection(socket);
    if (head.length > 0) connection.take(head);
    return connection;
  }

  /** Sends a text, or bytes. Who does not read loses the socket. */
  send(data: string | Uint8Array): void {
    if (typeof data === "string") this.frame(TEXT, new TextEncoder().encode(data));
    else this.frame(BINARY, data);
  }

  /** Says that it ends, and ends it. */
  close(code: number = ENDED): void {
    if (this.ended) return;
    this.frame(CLOSE, new Uint8Array([code >> 8, code & 255]));
    this.end();
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    clearInterval(this.alive);
    this.socket.end();
    // A client that does not hang up is left.
    const timer = setTimeout(() => this.socket.destroy(), 2000);
    this.socket.once("close", () => clearTimeout(timer));
    this.onClose();
  }

  private frame(code: number, data: Uint8Array): void {
    if (this.ended) return;
    if (this.socket.writableLength > MOST_OUT) return this.end();
    const { length } = data;
    const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
    const frame = new Uint8Array(head + length);
    const view = new DataView(frame.buffer);
    frame[0] = 0x80 | code;
    frame[1] = head === 2 ? length : head === 4 ? 126 : 127;
    if (head === 4) view.setUint16(2, length);
    if (head === 10) view.setBigUint64(2, BigInt(length));
    frame.set(data, head);
    this.socket.write(frame);
  }

  /** Bytes of the client: frames, whole or in pieces. */
  private take(data: Uint8Array): void {
    this.heard = Date.now();
    if (this.ended) return;
    const all = new Uint8Array(this.received.length + data.length);
    all.set(this.received);
    all.set(data, this.received.length);
    let at = 0;
    while (!this.ended && at + 2 <= all.length) {
      const view = new DataView(all.buffer, at);
      const [first, second] = [view.getUint8(0), view.getUint8(1)];
      const short = second & 0x7f;
      const head = 6 + (short === 126 ? 2 : short === 127 ? 8 : 0);
      // Clients have to mask, and extensions were not agreed on.
      if ((first & 0x70) !== 0 || (second & 0x80) === 0) return this.close(BROKEN);
      if (short === 127) return this.close(TOO_LONG);
      if (at + head > all.length) break;
      const length = short === 126 ? view.getUint16(2) : short;
      if (length > MOST_IN) return this.close(TOO_LONG);
      if (at + head + length > all.length) break;
      const mask = all.subarray(at + head - 4, at + head);
      const body = all.slice(at + head, at + head + length).map((byte, i) => byte ^ mask[i & 3]);
      this.hear(first & 0x0f, (first & 0x80) !== 0, body);
      at += head + length;
    }
    this.received = this.ended ? new Uint8Array() : all.slice(at);
  }

  private hear(code: number, last: boolean, body: Uint8Array): void {
    if (code === CLOSE) return this.close();
    if (code >= CLOSE) {
      if (!last || body.length > 125 || code > PONG) return this.close(BROKEN);
      if (code === PING) this.frame(PONG, body);
      return;
    }
    const begins = code !== CONTINUED;
    if (begins !== (this.kind === 0) || code > BINARY) return this.close(BROKEN);
    if (begins) this.kind = code;
    this.parts.push(body);
    if (this.parts.reduce((sum, { length }) => sum + length, 0) > MOST_IN) return this.close(TOO_LONG);
    if (!last) return;
    const { kind, parts } = this;
    this.kind = 0;
    this.parts = [];
    if (kind !== TEXT) return;
    try {
      const decoder = new TextDecoder("utf-8", { fatal: true });
      const text = parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
      this.onText(text);
    } catch {
      this.close(NO_TEXT);
    }
  }
}
