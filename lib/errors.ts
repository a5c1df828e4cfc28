/**
 * The one error family of this library.
 *
 * @module
 */

/** What kind of failure an {@linkcode LssgenError} reports; stable, for programs to switch on. */
export type ErrorCode =
  | "bad_option"
  | "bad_file"
  | "bad_tensor"
  | "unsupported"
  | "no_adapter"
  | "device_lost"
  | "out_of_memory"
  | "numeric"
  | "aborted"
  | "unavailable"
  | "internal";

/**
 * Base of every error thrown on purpose. The message says what was wrong, where
 * (file, tensor, option), what was expected, and what to do.
 */
export class LssgenError extends Error {
  /** Machine-readable kind of the failure. */
  readonly code: ErrorCode;

  /**
   * Makes the error.
   *
   * @param code Kind of the failure.
   * @param message One sentence, sentence case, no final period.
   * @param options `cause`, as for `Error`.
   */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LssgenError";
    this.code = code;
  }
}

/** No usable WebGPU adapter: no API, no adapter, or an insecure context. The message says which. */
export class NoAdapterError extends LssgenError {
  /**
   * Makes the error.
   *
   * @param message Diagnosis and the way out.
   */
  constructor(message: string) {
    super("no_adapter", message);
    this.name = "NoAdapterError";
  }
}

/** The GPU device was lost in mid-run; every tensor of it is invalid. Open a new device to retry. */
export class DeviceLostError extends LssgenError {
  /**
   * Makes the error.
   *
   * @param message Reason given by the browser or driver.
   */
  constructor(message: string) {
    super("device_lost", message);
    this.name = "DeviceLostError";
  }
}

/** The driver refused a command: what the device draws from now on is undefined. Open a new device for the next picture. */
export class DeviceFaultError extends LssgenError {
  /**
   * Makes the error.
   *
   * @param message What the driver says.
   */
  constructor(message: string) {
    super("internal", message);
    this.name = "DeviceFaultError";
  }
}

/** The caller's `AbortSignal` fired. Nothing was written. */
export class AbortedError extends LssgenError {
  /**
   * Makes the error.
   *
   * @param message Where the run stopped.
   */
  constructor(message = "The run was stopped by its AbortSignal") {
    super("aborted", message);
    this.name = "AbortedError";
  }
}

/** A value of a config or request as JSON for a message, cut where it is long. */
export function shortJson(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
