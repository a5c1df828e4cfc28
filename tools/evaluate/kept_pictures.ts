/**
 * Pictures that `deno task evaluate --out DIR` keeps.
 */

import { decodePng, type Picture } from "../../lib/image/png.ts";

/** Where one lies. `row` as evaluate's --rows has it. */
export function picturePath(folder: string, id: number, row: string): string {
  return `${folder}/${String(id).padStart(3, "0")}-${row.replace(/[@/]/g, "-")}.png`;
}

/** One that was kept; undefined where it was not. */
export async function keptPicture(path: string): Promise<Picture | undefined> {
  const bytes = await Deno.readFile(path).catch(() => undefined);
  return bytes && await decodePng(bytes, path);
}
