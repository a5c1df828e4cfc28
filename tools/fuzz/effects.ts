/** Draft. @module */
import type { KeyPath } from "./one_key.ts";
export function mayDiffer(
  _file: string,
  _config: Record<string, unknown>,
  _path: KeyPath,
  _value: unknown,
): boolean {
  return false;
}
