/**
 * Handlers of file formats: tensors of a GGUF file, and files that must be refused or accepted.
 *
 * @module
 */

import { LssgenError } from "../../lib/errors.ts";
import { type Checkpoint, openCheckpoint, openCheckpointFile } from "../../lib/weights/checkpoint.ts";
import { type GgufValue, openGguf } from "../../lib/weights/gguf.ts";
import type { Answer, CaseContext, Check, Handler, Values } from "./case.ts";

/** Every expected tensor's values, and types, shapes and header keys as case.json lists them. */
async function ggufTensors(c: CaseContext): Promise<Answer> {
  const source = await c.folder.open(String(c.json.file));
  if (!source) throw new LssgenError("bad_file", `"${c.path}": ${c.json.file} is missing`);
  const file = await openGguf(source);
  const outputs = new Map<string, Map<string, Values>>();
  for (const [io, expected] of c.io) {
    const values = new Map<string, Values>();
    for (const out of expected.keys()) {
      const name = out.replace(/^out\./, "");
      const info = file.info(name);
      if (info) values.set(out, { shape: info.shape, data: await file.readF32(name) });
    }
    outputs.set(io, values);
  }
  const checks: Check[] = [];
  const same = (name: string, got: unknown, want: unknown): void => {
    checks.push({ name, ok: plain(got) === plain(want), detail: `${plain(got)}, expected ${plain(want)}` });
  };
  const tensors = (c.json.tensors ?? {}) as Record<string, { type?: string; shape?: number[] }>;
  for (const [name, { type, shape }] of Object.entries(tensors)) {
    if (type !== undefined) same(`type of ${name}`, file.info(name)?.dtype, type);
    if (shape !== undefined) same(`shape of ${name}`, file.info(name)?.shape, shape);
  }
  for (const [key, value] of Object.entries((c.json.metadata ?? {}) as Record<string, unknown>)) {
    same(`header key ${key}`, file.metadata.get(key), value);
  }
  return { outputs, checks };
}

/** One spelling for a header value and for what JSON can say of it (64-bit numbers are texts there). */
function plain(value: GgufValue | unknown): string {
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    return `[${Array.from(value as unknown as ArrayLike<unknown>, plain).join(", ")}]`;
  }
  return String(value);
}

interface Expectation {
  readonly expect: string;
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
}

/** Opens each entry of expectations.json, reads all of it, and compares how that ended. */
function mustOpenOrFail(open: (c: CaseContext, entry: string) => Promise<Checkpoint>): Handler {
  return async (c) => {
    const text = await c.folder.text("expectations.json");
    if (text === undefined) throw new LssgenError("bad_file", `"${c.path}": expectations.json is missing`);
    const checks: Check[] = [];
    for (
      const [entry, { expect, shapes }] of Object.entries(JSON.parse(text) as Record<string, Expectation>)
    ) {
      const seen = await outcome(() => open(c, entry));
      const refused = !(seen instanceof Map);
      const accept = expect.includes("accepted");
      const reject = expect.includes("rejected");
      // An expectation that allows both still rules out crashes: `outcome` throws those on.
      if (accept !== reject) {
        checks.push({
          name: `${entry} ${expect}`,
          ok: refused === reject,
          detail: refused ? seen.message : "it was accepted",
        });
      }
      if (refused || !shapes) continue;
      const found = JSON.stringify([...seen].sort());
      const wanted = JSON.stringify(Object.entries(shapes).sort());
      checks.push({
        name: `shapes of ${entry}`,
        ok: found === wanted,
        detail: `${found}, expected ${wanted}`,
      });
    }
    return { outputs: new Map(), checks };
  };
}

async function openFile(c: CaseContext, entry: string): Promise<Checkpoint> {
  // A file that is not there would count as refused.
  if (!(await c.folder.open(entry))) throw new Error(`"${c.path}/${entry}" is missing`);
  return await openCheckpointFile(c.folder, entry);
}

/** The shapes of everything that could be read, or this library's own error; any other error is thrown on. */
async function outcome(
  open: () => Promise<Checkpoint>,
): Promise<Map<string, readonly number[]> | LssgenError> {
  const shapes = new Map<string, readonly number[]>();
  try {
    const checkpoint = await open();
    for (const name of checkpoint.names()) {
      const { shape } = checkpoint.info(name)!;
      const { length } = await checkpoint.readF32(name);
      const elements = shape.reduce((a, b) => a * b, 1);
      if (length !== elements) throw new Error(`"${name}" of [${shape}] has ${length} values`);
      shapes.set(name, shape);
    }
  } catch (error) {
    if (error instanceof LssgenError && FILE_ERRORS.includes(error.code)) return error;
    throw error;
  }
  return shapes;
}

/** Kinds of error that blame the file. */
const FILE_ERRORS: readonly string[] = ["bad_file", "bad_tensor", "unsupported"];

/** Class of case.json → handler. */
export const FILE_HANDLERS: Readonly<Record<string, Handler>> = {
  "gguf tensors": ggufTensors,
  "malformed gguf": mustOpenOrFail(openFile),
  "malformed safetensors": mustOpenOrFail(openFile),
  "malformed shard index": mustOpenOrFail((c, entry) => openCheckpoint(c.sibling(entry), "")),
};
