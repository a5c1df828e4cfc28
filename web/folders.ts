/// <reference lib="dom" />
/// <reference lib="dom.asynciterable" />
/**
 * Folders and files that the user chooses or drops: handles of files by path, nothing is read. Loaded with the first.
 *
 * @module
 */

import type { Dropped } from "./dropped.ts";
import type { OwnFolder, OwnModel } from "./protocol.ts";

/** What every model folder has at its top. */
const TOP = "model_index.json";

/** A file of weights. */
const WEIGHTS = /\.(safetensors|sft|gguf)$/i;

/** The picture among some files: one alone that the browser takes for a picture. */
export function chosenPicture(files: ReadonlyMap<string, File>): File | undefined {
  const [only, ...more] = [...files.values()];
  return only && more.length === 0 && /^image\//.test(only.type) ? only : undefined;
}

/**
 * What was chosen: a folder in diffusers' layout, or files of weights: a model of their own, or parts for the model that
 * is open.
 *
 * @param files By path, the chosen folder's own name included.
 * @param open The model that parts are for.
 * @param added Whether its files stay beside the new ones, as LoRAs do.
 * @throws {Error} When it is neither, in words for the page.
 */
export function chosenModel(
  files: ReadonlyMap<string, File>,
  open: OwnModel | undefined,
  added = false,
): OwnModel {
  const weights = [...files.values()].filter(({ name }) => WEIGHTS.test(name));
  const inFolder = [...files.keys()].some((path) => path.split("/").pop() === TOP);
  if (!inFolder && weights.length > 0) {
    const before = added
      ? open?.files?.filter((file) => weights.every(({ name }) => name !== file.name)) ?? []
      : [];
    return { folder: open?.folder, hub: open?.hub, files: [...before, ...weights] };
  }
  return { folder: modelFolder(files) };
}

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

/** Files with the handles that lead to them again, where the browser has such. */
export interface Chosen {
  /** By path, the chosen folder's own name included. */
  readonly files: Map<string, File>;
  /** To remember: a folder, or files. */
  readonly handles: readonly (FileSystemDirectoryHandle | FileSystemFileHandle)[];
}

/** Dialogs of the browser that hand out files as they are asked for. */
interface Dialogs {
  showDirectoryPicker(options: { id: string; mode: "read" }): Promise<FileSystemDirectoryHandle>;
  showOpenFilePicker(options: { id: string; multiple: boolean }): Promise<FileSystemFileHandle[]>;
}

/** Opens the browser's dialog for folders, for folders and files that are read as they are asked for; only for browsers that have it. */
export async function folderDialog(): Promise<Chosen> {
  const dialogs = globalThis as unknown as Dialogs;
  return await fromHandles([await dialogs.showDirectoryPicker({ id: "model", mode: "read" })]);
}

/** The same for files. */
export async function fileDialog(): Promise<Chosen> {
  const dialogs = globalThis as unknown as Dialogs;
  return await fromHandles(await dialogs.showOpenFilePicker({ id: "weights", multiple: true }));
}

/** The files that handles lead to. */
export async function fromHandles(handles: Chosen["handles"]): Promise<Chosen> {
  const files = new Map<string, File>();
  for (const handle of handles) {
    if (handle.kind === "directory") {
      await gather(handle as FileSystemDirectoryHandle, `${handle.name || "model"}/`, files);
    } else files.set(handle.name, await (handle as FileSystemFileHandle).getFile());
  }
  return { files, handles };
}

/** Whether the page may read what handles lead to; the browser may ask, for which somebody has to have pressed something. */
export async function mayRead(handles: Chosen["handles"]): Promise<boolean> {
  for (const handle of handles) {
    const asked = handle as FileSystemHandle & {
      queryPermission?(mode: { mode: "read" }): Promise<PermissionState>;
      requestPermission?(mode: { mode: "read" }): Promise<PermissionState>;
    };
    let state = await asked.queryPermission?.({ mode: "read" }) ?? "granted";
    if (state === "prompt") state = await asked.requestPermission?.({ mode: "read" }) ?? "denied";
    if (state !== "granted") return false;
  }
  return true;
}

async function gather(
  folder: FileSystemDirectoryHandle,
  at: string,
  files: Map<string, File>,
): Promise<void> {
  for await (const [name, handle] of folder.entries()) {
    if (handle.kind === "file") files.set(at + name, await (handle as FileSystemFileHandle).getFile());
    else await gather(handle as FileSystemDirectoryHandle, `${at}${name}/`, files);
  }
}

/** Files of `<input type=file>`, with webkitdirectory or without. */
export function chosenFiles(list: readonly File[]): Chosen {
  const files = new Map(Array.from(list, (file) => [file.webkitRelativePath || file.name, file] as const));
  return { files, handles: [] };
}

/** Files of what was dropped or pasted, folders included. */
export async function droppedFiles({ asked, taken }: Dropped): Promise<Chosen> {
  const files = new Map<string, File>();
  for (const one of taken) {
    if (one instanceof File) files.set(one.name, one);
    else if (one) await collect(one, files);
  }
  const handles = (await Promise.all(asked)).filter((handle) => handle !== null && handle !== undefined);
  return { files, handles: handles.length === taken.length ? handles : [] };
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
