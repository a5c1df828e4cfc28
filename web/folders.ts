/// <reference lib="dom" />
/**
 * Folders that the user chooses or drops: handles of files by path, nothing is read.
 *
 * @module
 */

import type { OwnFolder } from "./protocol.ts";

/** What every model folder has at its top. */
const TOP = "model_index.json";

/**
 * The model folder among some files: the one that holds model_index.json nearest the top.
 *
 * @param files By path, the chosen folder's own name included.
 * @throws {Error} When there is none, in words for the page.
 */
export function modelFolder(files: ReadonlyMap<string, File>): OwnFolder {
  const tops = [...files.keys()].filter((path) => path === TOP || path.endsWith(`/${TOP}`));
  tops.sort((a, b) => a.split("/").length - b.split("/").length);
  if (tops.length === 0) {
    throw new Error(
      `No ${TOP} in it, which every model folder in diffusers' layout has at its top. Choose the folder that holds it`,
    );
  }
  const root = tops[0].slice(0, -TOP.length);
  const inside = [...files].filter(([path]) => path.startsWith(root));
  const name = root.replace(/\/$/, "").split("/").pop() || "model";
  return { name, files: new Map(inside.map(([path, file]) => [path.slice(root.length), file])) };
}

/** Files of `<input type=file webkitdirectory>`. */
export function chosenFiles(list: FileList): Map<string, File> {
  return new Map(Array.from(list, (file) => [file.webkitRelativePath || file.name, file]));
}

/** Files of what was dropped, folders included. */
export async function droppedFiles(items: DataTransferItemList): Promise<Map<string, File>> {
  // The list is emptied as soon as the event is over: entries are taken before anything is awaited.
  const entries = Array.from(items, (item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const files = new Map<string, File>();
  for (const entry of entries) await collect(entry, files);
  return files;
}

async function collect(entry: FileSystemEntry, files: Map<string, File>): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject)
    );
    files.set(entry.fullPath.replace(/^\//, ""), file);
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A folder is listed a hundred entries at a time.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject)
    );
    if (some.length === 0) return;
    for (const child of some) await collect(child, files);
  }
}
