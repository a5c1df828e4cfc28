/**
 * Weights that are not on the GPU until they are used: what stands for their buffers while launches are recorded, and who brings
 * them when the launches are handed to the GPU. See lib/residency/stream.ts.
 *
 * @module
 */

/** Where a streamed buffer lies now. */
export interface StreamedPlace {
  /** A slot. */
  readonly buffer: GPUBuffer;
  /** First byte there, a multiple of 256. */
  readonly offset: number;
}

/** Buffers that come and go together. */
export interface StreamedUnit {
  /** Who brings it. */
  readonly stream: Streaming;
  /** Its buffers. */
  readonly buffers: readonly StreamedBuffer[];
}

/** Stands in a weight's handle in place of a buffer. Only {@linkcode Recorder} and uploads know the difference. */
export class StreamedBuffer {
  /** Set while the bytes are there. */
  place: StreamedPlace | undefined;

  /** @param size Bytes, a multiple of 16. @param unit What it comes with. */
  constructor(readonly size: number, readonly unit: StreamedUnit) {}

  /** The same as the type that handles have. */
  get handle(): GPUBuffer {
    return this as unknown as GPUBuffer;
  }
}

/** The streamed buffer that a handle holds, if it is one. */
export function streamedOf(buffer: GPUBuffer | GPUTexture): StreamedBuffer | undefined {
  return buffer instanceof StreamedBuffer ? buffer : undefined;
}

/** A buffer to bind or to write to, and where in it the bytes begin. */
export function placeOf(buffer: GPUBuffer): StreamedPlace {
  const streamed = streamedOf(buffer);
  if (!streamed) return { buffer, offset: 0 };
  if (!streamed.place) throw new RangeError("a streamed weight is used before it is there");
  return streamed.place;
}

/** Brings units. */
export interface Streaming {
  /**
   * Begins to bring what launches use.
   *
   * @param uses The units of each launch, in the launches' order.
   * @param signal Stops it.
   */
  begin(uses: readonly (readonly StreamedUnit[])[], signal: AbortSignal | undefined): Bringing;
}

/** Units on their way to some launches. */
export interface Bringing {
  /** Whether all that a launch uses is in its place. */
  isReady(launch: number): boolean;
  /**
   * Waits until it is.
   *
   * @throws {LssgenError} `bad_file` when the file cannot be read. @throws {AbortedError} when the signal fired.
   */
  ready(launch: number): Promise<void>;
  /** Says to a launch's buffers where they are. */
  place(launch: number): void;
  /** Told that all launches before `launch` were handed to the GPU: what they alone use makes room. */
  submitted(launch: number): void;
  /** Stops what is under way and waits for it. */
  end(): Promise<void>;
}
