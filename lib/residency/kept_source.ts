/**
 * A source of weights whose bytes are kept in the host's memory, since they do not stay on the GPU.
 *
 * @module
 */

import type { RowRange } from "../weights/safetensors.ts";
import type { StoredForm } from "../weights/stored_form.ts";
import type { Checkpoint } from "../weights/types.ts";

/** Where bytes are kept: {@linkcode HostMemory}. */
interface Room {
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** A source that keeps what it reads while there is room. */
export class KeptSource implements Checkpoint, Disposable {
  private readonly kept = new Map<string, Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>>();
  private bytes = 0;

  /** @param source What is read. @param memory Where it is kept. */
  constructor(private readonly source: Checkpoint, private readonly memory: Room) {}

  /** See {@linkcode Checkpoint.name}. */
  get name(): string {
    return this.source.name;
  }

  /** See {@linkcode Checkpoint.metadata}. */
  get metadata(): Checkpoint["metadata"] {
    return this.source.metadata;
  }

  /** See {@linkcode Checkpoint.names}. */
  names(): Iterable<string> {
    return this.source.names();
  }

  /** See {@linkcode Checkpoint.info}. */
  info(name: string): ReturnType<Checkpoint["info"]> {
    return this.source.info(name);
  }

  /** See {@linkcode Checkpoint.wholeOnly}. */
  wholeOnly(name: string): boolean {
    return this.source.wholeOnly?.(name) ?? false;
  }

  /** See {@linkcode Checkpoint.read}. */
  async read(
    name: string,
    rows?: RowRange,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer> }> {
    return await this.once(keyOf("bytes", name, rows), () => this.source.read(name, rows, into));
  }

  /** See {@linkcode Checkpoint.stored}. */
  stored(name: string): StoredForm | undefined {
    const form = this.source.stored?.(name);
    return form && {
      ...form,
      read: (rows, into) => this.once(keyOf("stored", name, rows), () => form.read(rows, into)),
    };
  }

  private async once(
    key: string,
    read: () => Promise<{ readonly bytes: Uint8Array<ArrayBuffer> }>,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer> }> {
    const known = this.kept.get(key) as Uint8Array<ArrayBuffer> | undefined;
    if (known) return { bytes: known };
    const { bytes } = await read();
    if (!this.kept.has(key) && this.memory.take(bytes.byteLength)) {
      // A view of what the caller lends, or of a whole file, must not be kept as it is.
      this.kept.set(key, bytes.slice());
      this.bytes += bytes.byteLength;
    }
    return { bytes };
  }

  /** See {@linkcode Checkpoint.readF32}. */
  async readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>> {
    const key = keyOf("values", name, rows);
    const known = this.kept.get(key) as Float32Array<ArrayBuffer> | undefined;
    if (known) return known;
    const values = await this.source.readF32(name, rows);
    if (!this.kept.has(key) && this.memory.take(values.byteLength)) {
      this.kept.set(key, values.slice());
      this.bytes += values.byteLength;
    }
    return values;
  }

  /** Forgets all. */
  [Symbol.dispose](): void {
    this.kept.clear();
    this.memory.give(this.bytes);
    this.bytes = 0;
  }
}

function keyOf(kind: string, name: string, rows?: RowRange): string {
  return `${kind} ${rows?.first ?? 0}+${rows?.count ?? "all"} ${name}`;
}
