/**
 * Files that commands write: checked before the work starts, whole or not at all.
 *
 * @module
 */

import { dirname, extname } from "@std/path";
import { LssgenError } from "../errors.ts";

/** Paths of `count` pictures: `a.png`, `a_2.png`, `a_3.png` … */
export function outputPaths(out: string, count: number): string[] {
  const extension = extname(out);
  const stem = out.slice(0, out.length - extension.length);
  return Array.from({ length: count }, (_, i) => i === 0 ? out : `${stem}_${i + 1}${extension}`);
}

/**
 * Finds out before any work whether `out` can be written.
 *
 * @throws {LssgenError} `bad_option` when it is no .png name, a folder, or in a folder that does not exist.
 */
export async function checkOutput(out: string): Promise<void> {
  if (extname(out).toLowerCase() !== ".png") {
    throw new LssgenError("bad_option", `Cannot write "${out}": --out expects a name that ends in .png`);
  }
  if ((await stat(out))?.isDirectory) {
    throw new LssgenError("bad_option", `Cannot write "${out}": it is a folder, --out expects a file`);
  }
  if (!(await stat(dirname(out)))?.isDirectory) {
    throw new LssgenError(
      "bad_option",
      `Cannot write "${out}": the folder "${dirname(out)}" does not exist, make it first`,
    );
  }
}

/** Writes under a temporary name in the same folder, then renames: nobody sees half a file. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const aside = `${path}.${Deno.pid}.part`;
  try {
    await Deno.writeFile(aside, bytes);
    await Deno.rename(aside, path);
  } catch (cause) {
    await Deno.remove(aside).catch(() => {});
    throw new LssgenError(
      "bad_file",
      `Cannot write "${path}": ${cause instanceof Error ? cause.message : cause}`,
      {
        cause,
      },
    );
  }
}

async function stat(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw new LssgenError(
      "bad_option",
      `Cannot look at "${path}": ${error instanceof Error ? error.message : error}`,
    );
  }
}
