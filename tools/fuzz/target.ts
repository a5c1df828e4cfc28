/**
 * What the fuzzer runs: a reader, sound inputs for it, and how they are changed.
 *
 * To add a reader: a file beside this one, and a row in targets.ts.
 *
 * @module
 */

import { LssgenError } from "../../lib/errors.ts";
import type { FolderSource } from "../../lib/weights/bytes.ts";
import { bytesOf, folderOf } from "../../lib/weights/bytes.ts";
import { changedBytes, changedSafetensors } from "./byte_changes.ts";
import { changedJson } from "./json_changes.ts";
import type { Draws } from "./random.ts";
import { changedText } from "./text_changes.ts";

/** Files by name: what a reader is given. Everything is one or several files, a command line too (a word a line). */
export type Input = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** One reader. */
export interface Target {
  /** For `--target`. */
  readonly name: string;
  /** Inputs that are read without an error. Those of one target have files of the same kinds. */
  seeds(): Promise<readonly Input[]>;
  /**
   * Reads one. What it throws has to be an error that the reader may throw.
   *
   * @returns A word for the tally where there are kinds of reading.
   */
  run(input: Input): unknown;
  /** Changes a seed; by its files' endings when absent. What it makes is not made smaller. */
  change?(seed: Input, draws: Draws): Input;
  /** Looks at what an input is refused with. @returns A word for the tally. @throws {Different} Where that is no reason. */
  refused?(input: Input, error: LssgenError): string;
  /** Milliseconds that a sound input of its kind takes, beyond which the bound begins. */
  soundMs?(input: Input): Promise<number>;
  /** The tests' smoke, where an input takes long: so many inputs of those seeds. */
  readonly smoke?: { readonly inputs: number; readonly of: (seed: Input) => boolean };
  /** What may be put into texts. */
  readonly tokens?: readonly string[];
  /** Files that are never changed: large ones that another target covers. */
  readonly fixed?: RegExp;
  /** Errors beside {@linkcode LssgenError} that say what is wrong with an input. */
  readonly refusals?: readonly (new (...args: never[]) => Error)[];
}

/** Thrown where an input is read as something else than it says. */
export class Different extends Error {
  /** @param place What tells such faults apart. @param message For people. */
  constructor(readonly place: string, message: string) {
    super(message);
    this.name = "Different";
  }
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Whether two files hold the same. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((v, i) => v === b[i]);
}

/** The text of one of an input's files; "" where there is none. */
export function textOf(input: Input, name: string): string {
  const bytes = input.get(name);
  return bytes ? decoder.decode(bytes) : "";
}

/** An input of texts. */
export function textInput(files: Readonly<Record<string, string>>): Input {
  return new Map(Object.entries(files).map(([name, text]) => [name, encoder.encode(text)]));
}

/** An input's files as a folder. */
export function folderInput(input: Input): FolderSource {
  return folderOf(
    "fuzz",
    (path) => Promise.resolve(input.has(path) ? bytesOf(`fuzz/${path}`, input.get(path)!) : undefined),
    (path) => {
      const at = path === "" ? "" : `${path}/`;
      const names = [...input.keys()].filter((name) => name.startsWith(at)).map((name) =>
        name.slice(at.length)
      );
      return Promise.resolve(names.filter((name) => !name.includes("/")));
    },
  );
}

/** Files below a folder of the repository's tests as an input, those whose path fits. */
export async function seedFolder(folder: string, wanted: RegExp): Promise<Input> {
  const root = new URL(`../../tests/${folder}/`, import.meta.url);
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const walk = async (at: string): Promise<void> => {
    const entries = await Array.fromAsync(Deno.readDir(new URL(at, root)));
    for (const { name, isDirectory } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
      if (isDirectory) await walk(`${at}${name}/`);
      else if (wanted.test(at + name)) files.set(at + name, await Deno.readFile(new URL(at + name, root)));
    }
  };
  await walk("");
  return files;
}

/** Each file of a folder of the tests as an input of its own, under one name. */
export async function seedFiles(folder: string, wanted: RegExp, name: string): Promise<Input[]> {
  return [...(await seedFolder(folder, wanted)).values()].map((bytes) => new Map([[name, bytes]]));
}

/** An input of a target, changed in one file, sometimes in two. */
export function changedInput(seed: Input, target: Target, draws: Draws): Input {
  if (target.change) return target.change(seed, draws);
  const input = new Map(seed);
  const names = [...seed.keys()].filter((name) => !target.fixed?.test(name));
  for (let n = draws.oneIn(6) ? 2 : 1; n > 0; n--) {
    const name = draws.of(names);
    const bytes = input.get(name);
    if (!bytes) continue;
    if (names.length > 1 && draws.oneIn(60)) input.delete(name);
    else input.set(name, changedFile(name, bytes, target, draws));
  }
  return input;
}

function changedFile(
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
  target: Target,
  draws: Draws,
): Uint8Array<ArrayBuffer> {
  const ending = name.slice(name.lastIndexOf(".") + 1);
  if (ending === "safetensors") return changedSafetensors(bytes, draws);
  if (ending === "json" && !draws.oneIn(12)) {
    const changed = changedJson(decoder.decode(bytes), draws);
    if (changed !== undefined) return encoder.encode(changed);
  }
  if (ending === "txt") {
    return encoder.encode(
      changedText(decoder.decode(bytes), target.tokens ?? ["\0", "\ud800", " ", "\n"], draws),
    );
  }
  return changedBytes(bytes, draws);
}

/** Whether an error says what is wrong with an input, rather than with the reader. */
export function refuses(error: unknown, target: Target): boolean {
  if (error instanceof LssgenError) return error.code !== "internal" && error.message.length > 0;
  return target.refusals?.some((kind) => error instanceof kind) ?? false;
}
