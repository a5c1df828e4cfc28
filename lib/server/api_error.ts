/**
 * Answers other than 200.
 *
 * @module
 */

/** An answer other than 200, with its reason. */
export class ApiError extends Error {
  /**
   * Makes the error.
   *
   * @param status HTTP status, 400 … 599.
   * @param code One word for programs.
   * @param message One sentence for people.
   * @param field The field at fault, if one is.
   * @param headers Headers of the answer.
   */
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly field?: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.name = "ApiError";
  }
}
