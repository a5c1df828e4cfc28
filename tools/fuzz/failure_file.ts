/**
 * A failure as a file, with the command that repeats it.
 *
 * @module
 */

import type { Failure } from "./loop.ts";
import type { Input } from "./target.ts";

/**
 * Writes a failure.
 *
 * @param folder Made where it is missing.
 * @returns Path of the file.
 */
export async function writeFailure(folder: string, failure: Failure): Promise<string> {
  await Deno.mkdir(folder, { recursive: true });
  const path = `${folder}/${failure.target}-${failure.kind}-${failure.seed}-${failure.case}.json`;
  const { input, ...facts } = failure;
  const files = Object.fromEntries([...input].map(([name, bytes]) => [name, bytes.toBase64()]));
  const body = { ...facts, repeat: `deno task fuzz --repeat ${path}`, files };
  await Deno.writeTextFile(`${path}.part`, JSON.stringify(body, null, 2) + "\n");
  await Deno.rename(`${path}.part`, path);
  return path;
}

/** Reads what {@linkcode writeFailure} wrote. */
export async function readFailure(path: string): Promise<{ target: string; what: string; input: Input }> {
  const { target, what, files } = JSON.parse(await Deno.readTextFile(path));
  const input = new Map(
    Object.entries<string>(files).map(([name, text]) => [name, Uint8Array.fromBase64(text)]),
  );
  return { target, what, input };
}
