/**
 * Runs golden cases: reads a case, asks the handler of its class, compares. Knows no particular case,
 * no file system and no page: the edge gives it a folder.
 *
 * @module
 */

import { LssgenError } from "../../lib/errors.ts";
import { type Device, openDevice } from "../../lib/gpu/device.ts";
import { forceTuning, type MatmulTuning, tuneOnce } from "../../lib/gpu/tune.ts";
import type { Dtype } from "../../lib/tensor.ts";
import type { FolderSource } from "../../lib/weights/bytes.ts";
import { parsePythonJson } from "../../lib/json.ts";
import { openSafetensors } from "../../lib/weights/safetensors.ts";
import {
  allowed,
  type Answer,
  type CaseContext,
  type CaseJson,
  compare,
  type Comparison,
  passed,
  type Tensors,
  type Values,
} from "./case.ts";
import { handlerOf } from "./handlers.ts";

/** Outcome of one case. */
export interface CaseResult {
  /** `group/case`. */
  readonly path: string;
  /** Class of case.json. */
  readonly class: string;
  /** Whether everything agreed. */
  readonly ok: boolean;
  /** Worst tensor comparison, by error over bound. */
  readonly worst?: Comparison;
  /** What failed, one line each. */
  readonly failures: readonly string[];
  /** Computed tensors, for `--out`. */
  readonly answer?: Answer;
}

/** Opens the GPU once, on first use. */
export class LazyDevice {
  private opened: Promise<Device> | undefined;

  /** @param forced Kernels in place of those that the adapter was measured to like. */
  constructor(private readonly forced: Partial<MatmulTuning> = {}) {}

  /** The device. */
  get(): Promise<Device> {
    return this.opened ??= this.open();
  }

  /** Tuned, so that the kernels which pictures are made with are the ones judged. */
  private async open(): Promise<Device> {
    const device = await openDevice();
    const { tuning } = await tuneOnce(device);
    forceTuning(device, { ...tuning, ...this.forced });
    // Cases are short: what long work comes to is what is judged.
    device.kernels.largeAfter = 0;
    return device;
  }

  /** Closes it if it was opened. */
  async close(): Promise<void> {
    (await this.opened)?.[Symbol.dispose]();
  }
}

/**
 * Runs one case.
 *
 * @param path `group/case` below the root. @param open Opens a folder below the root.
 */
export async function runCase(
  path: string,
  open: (path: string) => FolderSource,
  ioFiles: readonly string[],
  gpu: LazyDevice,
  dtype: Dtype,
): Promise<CaseResult> {
  const folder = open(path);
  let name = "?";
  try {
    const json = parsePythonJson(await folder.text("case.json") ?? "{}") as CaseJson;
    name = json.class;
    const handler = handlerOf(json);
    if (!handler) return { path, class: name, ok: false, failures: [`class "${name}" is not supported`] };
    const io = new Map<string, Tensors>();
    for (const file of ioFiles) io.set(file, await readTensors(folder, file));
    const context: CaseContext = {
      path,
      json,
      folder,
      sibling: (relative) => open(join(path, relative)),
      io,
      device: () => gpu.get(),
      dtype,
    };
    return judge(path, context, await handler(context));
  } catch (error) {
    const message = error instanceof LssgenError
      ? `${error.code}: ${error.message}`
      : String((error as Error).stack ?? error);
    return { path, class: name, ok: false, failures: [message] };
  }
}

function judge(path: string, c: CaseContext, answer: Answer): CaseResult {
  const failures: string[] = [];
  let worst: Comparison | undefined;
  for (const [file, tensors] of c.io) {
    for (const [name, want] of tensors) {
      if (!name.startsWith("out.")) continue;
      // A call names its file, or (several calls in one file) its tensors.
      const calls = c.json.calls ?? [];
      const call = calls.find((k) => k.io === file) ??
        calls.find((k) => k.output === name || `out.${k.name}` === name);
      const result = compare(
        `${file} ${name}`,
        answer.outputs.get(file)?.get(name),
        want,
        (peak) => allowed(c.json.tolerances, call, c.dtype, peak),
      );
      if (!passed(result)) {
        failures.push(
          `${result.name}: ${
            result.reason ?? `max-abs ${result.maxAbs.toExponential(2)} > ${result.allowed.toExponential(2)}`
          }`,
        );
      }
      if (!worst || !(result.maxAbs / result.allowed <= worst.maxAbs / worst.allowed)) worst = result;
    }
  }
  const checks = answer.checks ?? [];
  for (const check of checks) {
    if (!check.ok) failures.push(`${check.name}${check.detail ? `: ${check.detail}` : ""}`);
  }
  if (!worst && checks.length === 0) failures.push("the case expects nothing");
  return { path, class: c.json.class, ok: failures.length === 0, worst, failures, answer };
}

/** Every tensor of a safetensors file, widened to f32 (integers to f64). */
export async function readTensors(folder: FolderSource, file: string): Promise<Map<string, Values>> {
  const source = await folder.open(file);
  if (!source) throw new LssgenError("bad_file", `"${folder.name}/${file}" does not exist`);
  const tensors = await openSafetensors(source);
  const result = new Map<string, Values>();
  for (const name of tensors.names()) {
    const info = tensors.info(name)!;
    result.set(name, { shape: info.shape, data: await tensors.readF32(name) });
  }
  return result;
}

/** a/b + ../c → a/c. */
function join(base: string, relative: string): string {
  const parts = base.split("/");
  for (const part of relative.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}
