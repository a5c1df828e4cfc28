/**
 * Bodies of requests, read within bounds: of one, of all that are held at the same time, and of the time they take.
 *
 * @module
 */

import { AbortedError } from "../errors.ts";
import { ApiError } from "./api_error.ts";

/** Bounds of bodies. */
export interface BodyBounds {
  /** Bytes of one. */
  readonly most: number;
  /** Bytes of all that are held. */
  readonly mostHeld: number;
  /** Milliseconds until one has arrived. */
  readonly timeoutMs: number;
}

/** A body, counted until its request is answered. */
export interface HeldBody extends Disposable {
  /** All of it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** See the module. */
export class Bodies {
  private held = 0;

  /** Makes the count. */
  constructor(private readonly bounds: BodyBounds) {}

  /** Bytes that are held. */
  get heldBytes(): number {
    return this.held;
  }

  /**
   * Reads a body.
   *
   * @throws {ApiError} 413 for a long one, 503 when others take the room, 408 for a slow one, 400 when it breaks off.
   * @throws {AbortedError} When the client leaves.
   */
  async read(request: Request): Promise<HeldBody> {
    const { most, mostHeld, timeoutMs } = this.bounds;
    if (Number(request.headers.get("content-length") ?? 0) > most) throw tooLong(most);
    const reader = request.body?.getReader();
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reader?.cancel().catch(() => {});
    }, timeoutMs);
    let bytes = 0;
    const release = (): void => {
      this.held -= bytes;
      bytes = 0;
    };
    try {
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
        const { length } = part.value;
        if (bytes + length > most) throw tooLong(most);
        if (this.held + length > mostHeld) {
          throw new ApiError(503, "busy", "Other requests take all the memory for bodies; try again later");
        }
        bytes += length;
        this.held += length;
        parts.push(part.value);
      }
      if (late) throw tooSlow();
      return { bytes: new Uint8Array(await new Blob(parts).arrayBuffer()), [Symbol.dispose]: release };
    } catch (error) {
      release();
      if (error instanceof ApiError) throw error;
      if (late) throw tooSlow();
      if (request.signal.aborted) throw new AbortedError();
      throw new ApiError(400, "bad_body", "The body broke off");
    } finally {
      clearTimeout(timer);
      reader?.cancel().catch(() => {});
    }
  }
}

function tooLong(most: number): ApiError {
  return new ApiError(413, "too_long", `The body is longer than ${most} bytes`);
}

function tooSlow(): ApiError {
  return new ApiError(408, "too_slow", "The body took too long to arrive");
}
