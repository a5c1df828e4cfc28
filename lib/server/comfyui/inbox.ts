/**
 * Pictures that clients of ComfyUI's API send in before the graph that reads them: by name as files of the folder of inputs, by id
 * into the image cache. They are kept in memory, those of each token apart, and the oldest make room.
 *
 * @module
 */

import { openPicture } from "../../image/picture_file.ts";
import { ApiError } from "../api_error.ts";

/** Bytes and pictures of one token. */
const [MOST_BYTES, MOST_PICTURES] = [64 * 2 ** 20, 128];
/** Milliseconds after the last use. */
const KEPT_MS = 3_600_000;
/** Folders in each other, and characters of a name with its folders. */
const [MOST_FOLDERS, LONGEST_NAME] = [8, 200];

/** Where a picture is: in the folder of inputs, or in the image cache. */
export type Shelf = "input" | "cache";

interface Kept {
  readonly bytes: Uint8Array<ArrayBuffer>;
  used: number;
}

/**
 * A name, or folders and a name, as a path below no folder of this machine.
 *
 * @throws {ApiError} 400 for what leads elsewhere.
 */
export function safePath(path: string, field: string): string {
  const parts = path.split("/");
  const wrong = parts.some((part) =>
    part === "" || part === "." || part === ".." || /[\\:]|\p{Cc}/u.test(part)
  );
  if (!wrong && parts.length <= MOST_FOLDERS && path.length <= LONGEST_NAME) return path;
  throw new ApiError(
    400,
    "bad_field",
    `"${field}" is ${
      JSON.stringify(path.slice(0, 60))
    }, expected a name of at most ${LONGEST_NAME} characters, with folders ` +
      "in front of it or without, that does not lead elsewhere",
    field,
  );
}

/** See the module. */
export class Inbox {
  private readonly owners = new Map<string, Map<string, Kept>>();

  /** With the pixels that a picture may have. */
  constructor(private readonly maxPixels: number) {}

  /**
   * Takes a picture.
   *
   * @param overwrite Whether one of this name gives way; else the new one gets another name, unless it is the same.
   * @returns Its name.
   * @throws {LssgenError} For what is no picture, or one of too many pixels.
   */
  put(owner: string, shelf: Shelf, name: string, bytes: Uint8Array<ArrayBuffer>, overwrite: boolean): string {
    if (bytes.length > MOST_BYTES) {
      throw new ApiError(413, "too_long", `A picture has at most ${MOST_BYTES} bytes`);
    }
    openPicture(bytes, { name, maxPixels: this.maxPixels });
    const kept = this.of(owner);
    const [, stem, ending] = /^(.*?)(\.[^./]*)?$/s.exec(name)!;
    let free = name;
    for (let i = 1; !overwrite && kept.has(`${shelf} ${free}`); i++) {
      if (same(kept.get(`${shelf} ${free}`)!.bytes, bytes)) break;
      free = `${stem} (${i})${ending ?? ""}`;
    }
    kept.delete(`${shelf} ${free}`);
    kept.set(`${shelf} ${free}`, { bytes, used: Date.now() });
    this.sweep(kept);
    return free;
  }

  /** A picture's file; undefined for none. */
  get(owner: string, shelf: Shelf, name: string): Uint8Array<ArrayBuffer> | undefined {
    const kept = this.of(owner);
    this.sweep(kept);
    const found = kept.get(`${shelf} ${name}`);
    if (found) found.used = Date.now();
    return found?.bytes;
  }

  /** Names of the pictures in the folder of inputs. */
  names(owner: string): string[] {
    const kept = this.of(owner);
    this.sweep(kept);
    return [...kept.keys()].filter((key) => key.startsWith("input ")).map((key) => key.slice(6)).sort();
  }

  private of(owner: string): Map<string, Kept> {
    const kept = this.owners.get(owner) ?? new Map<string, Kept>();
    this.owners.set(owner, kept);
    return kept;
  }

  private sweep(kept: Map<string, Kept>): void {
    let bytes = [...kept.values()].reduce((sum, one) => sum + one.bytes.length, 0);
    for (const [key, one] of [...kept].sort(([, a], [, b]) => a.used - b.used)) {
      if (one.used + KEPT_MS > Date.now() && bytes <= MOST_BYTES && kept.size <= MOST_PICTURES) break;
      kept.delete(key);
      bytes -= one.bytes.length;
    }
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
