/**
 * `convert`: a checkpoint in another type or format, or several in one file.
 *
 * @module
 */

import { basename, dirname, extname } from "@std/path";
import { LssgenError } from "../errors.ts";
import { notPermitted } from "../not_permitted.ts";
import { type Checkpoint, openCheckpoint, openRawFile } from "../weights/checkpoint.ts";
import {
  convertCheckpoint,
  type ConvertReport,
  type FileFormat,
  type TypeRule,
  typeRules,
  writableType,
} from "../weights/convert.ts";
import { bytesText } from "../hub/selection.ts";
import { readModelIndex } from "../weights/model_folder.ts";
import type { WritableType } from "../weights/quantise.ts";
import { componentFile, singleFile } from "../weights/single_file.ts";
import { BytesProgress } from "./bytes_progress.ts";
import { fileFolder } from "./files.ts";
import { quietly } from "./generate.ts";
import type { Parsed } from "./options.ts";
import { checkFree, partFile } from "./output.ts";
import { duration } from "./progress.ts";
import { Quantisers } from "./quantisers.ts";
import type { Terminal } from "./terminal.ts";

/** What to convert. */
export interface ConvertRequest {
  /** Files, component folders, or one pipeline folder. */
  readonly inputs: readonly string[];
  /** File to write: .gguf or .safetensors. */
  readonly out: string;
  /** Type of matrices. */
  readonly type: WritableType;
  /** Exceptions. */
  readonly rules: readonly TypeRule[];
}

/** A network to read, and which CLIP it is where its folder says so. */
interface Input {
  readonly source: Checkpoint;
  readonly role?: "clip_l" | "clip_g";
}

/** Runs the command. */
export async function convert(options: Parsed, terminal: Terminal): Promise<void> {
  const { words, text: { model, out, type, tensorTypeRules } } = options;
  const inputs = [...words, ...model === undefined ? [] : [model]];
  if (inputs.length === 0) {
    throw new LssgenError(
      "bad_option",
      "`convert` needs something to read: a file, a component's folder, or a model's",
    );
  }
  if (out === undefined) {
    throw new LssgenError("bad_option", "`convert` needs --out FILE: .gguf or .safetensors");
  }
  if (type === undefined) {
    throw new LssgenError("bad_option", "`convert` needs --type, for example q8_0, q4_k or f16");
  }
  const started = performance.now();
  const request = { inputs, out, type: writableType(type), rules: typeRules(tensorTypeRules ?? "") };
  await checkFree(out, options.flag.force);
  const { bytes, types, beyondF16 } = await convertFiles(request, quietly(options, terminal));
  terminal.print(`${out}: ${bytesText(bytes)} in ${duration(performance.now() - started)}`);
  for (const [name, { tensors, bytes }] of types) {
    terminal.print(`  ${name.padEnd(6)} ${String(tensors).padStart(5)} tensors  ${bytesText(bytes)}`);
  }
  if (beyondF16.length > 0) {
    terminal.print(`  kept in F32, since values exceed 65504: ${beyondF16.join(", ")}`);
  }
}

/**
 * Converts files and folders.
 *
 * @throws {LssgenError} `bad_option` for a file that cannot be written or an input that cannot be part of it, before anything
 *   is read; what reading throws.
 */
export async function convertFiles(request: ConvertRequest, terminal: Terminal): Promise<ConvertReport> {
  const { out, type, rules } = request;
  const format = formatOf(out);
  await checkTarget(out, request.inputs);
  const inputs: Input[] = [];
  for (const path of request.inputs) inputs.push(...await openInput(path));
  const source = inputs.length === 1 ? componentFile(inputs[0].source, format) : singleFile(inputs);

  using quantisers = new Quantisers(navigator.hardwareConcurrency);
  await using file = await partFile(out);
  const line = new BytesProgress("convert", terminal);
  try {
    const report = await convertCheckpoint(source, file, {
      format,
      type,
      rules,
      signal: terminal.signal,
      lanes: quantisers.lanes + 1,
      quantise: (values, type) => quantisers.quantise(values, type),
      onProgress: ({ tensor, done, total }) => line.show(done, total, tensor),
    });
    await file.finish();
    return report;
  } finally {
    line.end();
  }
}

function formatOf(out: string): FileFormat {
  const ending = extname(out).toLowerCase();
  if (ending === ".gguf") return "gguf";
  if (ending === ".safetensors") return "safetensors";
  throw new LssgenError(
    "bad_option",
    `Cannot write "${out}": --out expects a name that ends in .gguf or .safetensors`,
  );
}

async function checkTarget(out: string, inputs: readonly string[]): Promise<void> {
  const stat = async (path: string): Promise<Deno.FileInfo | undefined> =>
    await Deno.stat(path).catch(() => undefined);
  if (!(await stat(dirname(out)))?.isDirectory) {
    throw new LssgenError("bad_option", `Cannot write "${out}": the folder "${dirname(out)}" does not exist`);
  }
  if ((await stat(out))?.isDirectory) {
    throw new LssgenError("bad_option", `Cannot write "${out}": it is a folder, --out expects a file`);
  }
  for (const input of inputs) {
    if (await stat(out) && await Deno.realPath(input) === await Deno.realPath(out)) {
      throw new LssgenError("bad_option", `"${out}" is what is read: give --out another name`);
    }
  }
}

/** A file, a component's folder, or all networks of a pipeline's folder. */
async function openInput(path: string): Promise<Input[]> {
  const stat = await Deno.stat(path).catch((cause) => {
    if (notPermitted(cause)) {
      throw new LssgenError("bad_option", `Cannot read "${path}": ${cause.message}`, { cause });
    }
  });
  if (!stat) throw new LssgenError("bad_option", `"${path}" does not exist; convert takes files and folders`);
  if (!stat.isDirectory) {
    return [{ source: await openRawFile(fileFolder(dirname(path)), basename(path)) }];
  }
  const folder = fileFolder(path);
  if (await folder.text("model_index.json") === undefined) {
    return [{ source: await openCheckpoint(folder, "") }];
  }
  const index = await readModelIndex(folder);
  const inputs: Input[] = [];
  for (const name of ["unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"]) {
    if (!index.components.has(name)) continue;
    const role = name === "text_encoder" ? "clip_l" : name === "text_encoder_2" ? "clip_g" : undefined;
    inputs.push({ source: await openCheckpoint(folder, name), role });
  }
  return inputs;
}
