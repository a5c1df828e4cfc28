/// <reference lib="dom" />
/**
 * What was dropped or pasted, taken before the event is over.
 *
 * @module
 */

/** Entries and handles of the same files and folders. */
export interface Dropped {
  /** Entries; files where the browser has none. */
  readonly taken: readonly (FileSystemEntry | File | null)[];
  /** Handles, where the browser has such. */
  readonly asked: readonly (Promise<FileSystemDirectoryHandle | FileSystemFileHandle | null> | undefined)[];
}

/** Takes them: the list is emptied as soon as the event is over. */
export function takeDropped(items: DataTransferItemList): Dropped {
  const all = Array.from(items).filter(({ kind }) => kind === "file") as (DataTransferItem & {
    getAsFileSystemHandle?(): Promise<FileSystemDirectoryHandle | FileSystemFileHandle | null>;
  })[];
  return {
    asked: all.map((item) => item.getAsFileSystemHandle?.().catch(() => null)),
    taken: all.map((item) => item.webkitGetAsEntry() ?? item.getAsFile()),
  };
}
