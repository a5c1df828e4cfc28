/**
 * What a runtime does not let a program do.
 *
 * @module
 */

/** Whether a runtime refused what this program was not permitted: by the error's name in Deno, which is unknown here. */
export function notPermitted(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === "NotCapable" || /^Requires \w+ access\b/.test(error.message) ||
    notPermitted(error.cause);
}
