/// <reference lib="dom" />
/**
 * What this browser keeps beyond the visit: pictures, and which models were opened. IndexedDB, which needs no secure context.
 * Where the browser keeps nothing (private windows), it is kept until the page is closed.
 *
 * @module
 */

import type { PictureMessage } from "./protocol.ts";

const NAME = "lssgen";
const VERSION = 1;

/** A picture that is kept. */
export interface KeptPicture extends PictureMessage {
  /** Its number, in the order of drawing. */
  readonly id: number;
  /** Milliseconds of the epoch. */
  readonly when: number;
}

/** A folder or files of the user's that were opened here. */
export interface KeptModel {
  /** Name that is shown; one of a name is kept. */
  readonly name: string;
  /** A folder, or files of weights. */
  readonly handles: readonly (FileSystemDirectoryHandle | FileSystemFileHandle)[];
}

/** Stores and their records. */
interface Records {
  readonly pictures: KeptPicture;
  readonly models: KeptModel;
}

let opened: Promise<IDBDatabase | undefined> | undefined;
/** Used where there is no database. */
const memory: { pictures: Map<IDBValidKey, KeptPicture>; models: Map<IDBValidKey, KeptModel> } = {
  pictures: new Map(),
  models: new Map(),
};
let lastId = Date.now();

/** Whether what is stored outlives the page. */
export async function keeps(): Promise<boolean> {
  return await database() !== undefined;
}

function database(): Promise<IDBDatabase | undefined> {
  opened ??= new Promise((resolve) => {
    try {
      const asked = indexedDB.open(NAME, VERSION);
      asked.onupgradeneeded = () => {
        asked.result.createObjectStore("pictures", { keyPath: "id" });
        asked.result.createObjectStore("models", { keyPath: "name" });
      };
      asked.onsuccess = () => {
        // Another tab with a newer page may go on.
        asked.result.onversionchange = () => asked.result.close();
        resolve(asked.result);
      };
      asked.onerror = asked.onblocked = () => resolve(undefined);
    } catch {
      resolve(undefined);
    }
  });
  return opened;
}

/** One request to a store, as a promise. */
async function ask<S extends keyof Records, T>(
  store: S,
  mode: IDBTransactionMode,
  act: (store: IDBObjectStore) => IDBRequest<T>,
  without: (records: Map<IDBValidKey, Records[S]>) => T,
): Promise<T> {
  const db = await database();
  if (!db) return without(memory[store] as unknown as Map<IDBValidKey, Records[S]>);
  return await new Promise((resolve, reject) => {
    const transaction = db.transaction(store, mode);
    const request = act(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () =>
      reject(transaction.error ?? new Error("The browser stores nothing"));
  });
}

/** Keeps a picture; where the disk is full it stays for the visit. */
export async function keepPicture(message: PictureMessage): Promise<KeptPicture> {
  // Two in a millisecond come one after the other.
  lastId = Math.max(lastId + 1, Date.now());
  const picture: KeptPicture = { ...message, id: lastId, when: Date.now() };
  await ask("pictures", "readwrite", (store) => store.put(picture), (all) => {
    all.set(picture.id, picture);
    return picture.id as IDBValidKey;
  }).catch(() => memory.pictures.set(picture.id, picture));
  return picture;
}

/** Pictures, the newest first. */
export async function keptPictures(): Promise<KeptPicture[]> {
  const found = await ask(
    "pictures",
    "readonly",
    (store) => store.getAll() as IDBRequest<KeptPicture[]>,
    () => [],
  ).catch(() => []);
  return [...found, ...memory.pictures.values()].sort((a, b) => b.id - a.id);
}

/** Deletes a picture; all without a number. */
export async function deletePictures(id?: number): Promise<void> {
  if (id === undefined) memory.pictures.clear();
  else memory.pictures.delete(id);
  await ask<"pictures", undefined>(
    "pictures",
    "readwrite",
    (store) => id === undefined ? store.clear() : store.delete(id),
    () => undefined,
  );
}

/** Remembers a model; browsers that cannot store handles forget it. */
export async function keepModel(model: KeptModel): Promise<void> {
  await ask("models", "readwrite", (store) => store.put(model), () => "" as IDBValidKey).catch(() => {});
}

/** Models, by name. */
export async function keptModels(): Promise<KeptModel[]> {
  return await ask("models", "readonly", (store) => store.getAll() as IDBRequest<KeptModel[]>, () => [])
    .catch(() => []);
}

/** Forgets a model. */
export async function forgetModel(name: string): Promise<void> {
  await ask<"models", undefined>("models", "readwrite", (store) => store.delete(name), () => undefined);
}
