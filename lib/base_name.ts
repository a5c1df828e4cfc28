/**
 * Names that strangers may read.
 *
 * @module
 */

/** The last part of a path: where a file lies on this machine is nobody else's business. */
export function baseName(path: string): string {
  const trimmed = path.replace(/[/\\]+$/, "");
  return trimmed.slice(Math.max(trimmed.lastIndexOf("/"), trimmed.lastIndexOf("\\")) + 1) || trimmed;
}
