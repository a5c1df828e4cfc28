/**
 * Web sockets of ComfyUI's API: who listens, and what he is told. Texts are JSON with a type; pictures are bytes behind two numbers.
 *
 * @module
 */

import { isRecord } from "../../json.ts";

/** A web socket, whoever speaks its protocol. */
export interface ClientSocket {
  /** Sends a text, or bytes. Never throws: whoever has left hears nothing. */
  send(data: string | Uint8Array): void;
  /** Ends it. */
  close(): void;
  /** Told of texts that the client sends. */
  onText: (text: string) => void;
  /** Told of its end. */
  onClose: () => void;
}

/** Web sockets that may be open, of all clients. */
export const MOST_SOCKETS = 128;
/** Bytes in front of a picture: its kind of message, its format. */
const [HEAD, PICTURE] = [8, 1];
const FORMATS = { JPEG: 1, PNG: 2 } as const;

interface Listener {
  readonly owner: string;
  readonly client: string;
  readonly socket: ClientSocket;
}

/** See the module. */
export class Sockets {
  private readonly listeners = new Set<Listener>();

  /** @param features What the server says it can do. */
  constructor(private readonly features: Readonly<Record<string, unknown>>) {}

  /** Sockets that are open. */
  get size(): number {
    return this.listeners.size;
  }

  /**
   * Takes a socket in. One of the same client gives way.
   *
   * @param client Name that the client gave himself; "": he gets one.
   * @param status What he is told first.
   */
  open(owner: string, client: string, socket: ClientSocket, status: unknown): void {
    const listener: Listener = { owner, client: client || crypto.randomUUID().replaceAll("-", ""), socket };
    for (const other of this.listeners) {
      if (other.owner !== owner || other.client !== listener.client) continue;
      this.listeners.delete(other);
      other.socket.close();
    }
    this.listeners.add(listener);
    socket.onClose = () => this.listeners.delete(listener);
    socket.onText = (text) => this.heard(listener, text);
    say(listener, "status", { status, sid: listener.client });
  }

  /** Tells one client, or all of an owner's. */
  tell(owner: string, client: string | undefined, type: string, data: unknown): void {
    for (const listener of this.listeners) {
      if (listener.owner === owner && (client === undefined || listener.client === client)) {
        say(listener, type, data);
      }
    }
  }

  /** Sends a picture to one client. */
  picture(owner: string, client: string, format: keyof typeof FORMATS, file: Uint8Array): void {
    const message = new Uint8Array(HEAD + file.length);
    const view = new DataView(message.buffer);
    view.setUint32(0, PICTURE);
    view.setUint32(4, FORMATS[format]);
    message.set(file, HEAD);
    for (const listener of this.listeners) {
      if (listener.owner === owner && listener.client === client) listener.socket.send(message);
    }
  }

  /** Ends all. */
  close(): void {
    for (const { socket } of this.listeners) socket.close();
    this.listeners.clear();
  }

  /** Clients begin with what they can do, and are answered alike. */
  private heard(listener: Listener, text: string): void {
    try {
      const said: unknown = JSON.parse(text);
      if (isRecord(said) && said.type === "feature_flags") say(listener, "feature_flags", this.features);
    } catch {
      // What is no JSON says nothing.
    }
  }
}

function say({ socket }: Listener, type: string, data: unknown): void {
  socket.send(JSON.stringify({ type, data }));
}
