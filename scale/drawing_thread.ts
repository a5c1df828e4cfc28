/**
 * The thread of a worker that draws. A submission to the GPU may block its thread for as long as it likes: the one that holds
 * the job's lease goes on.
 *
 * @module
 */

import { AbortedError, LssgenError } from "../lib/errors.ts";
import { openPipeline } from "../lib/cli/generate.ts";
import { loraFolder } from "../lib/cli/lora_folder.ts";
import type { EngineChoice } from "../lib/parameters/engine_choice.ts";
import type { Terminal } from "../lib/cli/terminal.ts";
import type { GenerateRequest, Pipeline } from "../lib/pipelines/types.ts";
import { ReopeningEngine } from "../lib/server/reopening.ts";
import type { DrawCall, ThreadWord } from "./drawing.ts";
import { FileHashes } from "./models.ts";

/** What a worker has; the types of workers would change those of every file that is checked with this one. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<DrawCall | "stop">) => void;
  postMessage(word: ThreadWord, transfer?: Transferable[]): void;
};

const TERMINAL: Terminal = {
  print: () => {},
  note: (text) => scope.postMessage({ kind: "note", text }),
  draw: () => {},
  tty: false,
  columns: 80,
  signal: new AbortController().signal,
};

const hashes = new FileHashes();
let open: { readonly hash: string; readonly engine: ReopeningEngine } | undefined;
let stop = new AbortController();

scope.onmessage = ({ data }) => {
  // A pipeline rejects with the reason of its end, and the thread stays with its model.
  if (data === "stop") stop.abort(new AbortedError());
  else draw(data).catch((error) => scope.postMessage(failure(error)));
};

async function draw(call: DrawCall): Promise<void> {
  stop = new AbortController();
  const { signal } = stop;
  const engine = await engineOf(call);
  const request: GenerateRequest = call.request;
  const plan = engine.plan(request);
  const { width, height } = plan.stages[(call.part?.stopAfter ?? 0) - 1] ?? plan;
  if (width * height > call.pixels) {
    throw new LssgenError(
      "bad_file",
      `The job in the queue is damaged: its picture has ${width} × ${height} pixels, ${call.pixels} were said`,
    );
  }
  await checkLoras(call);
  const { images, latents, warnings } = await engine.generate(request, {
    signal,
    onProgress: (progress) => scope.postMessage({ kind: "progress", progress }),
    ...call.previews,
    ...call.part,
  });
  scope.postMessage(
    { kind: "drawn", drawn: { images, latents, warnings } },
    [...images.map(({ rgb }) => rgb.buffer), ...latents ? [latents.data.buffer] : []],
  );
}

/** The model's engine: one is on the GPU at a time. */
async function engineOf({ model, engine }: DrawCall): Promise<ReopeningEngine> {
  if (open?.hash === model.hash) return open.engine;
  await open?.engine[Symbol.asyncDispose]();
  open = undefined;
  const choice: EngineChoice = { ...engine, model: model.path };
  const reopen = async (): Promise<Pipeline> => await openPipeline(choice, TERMINAL, undefined);
  const loaded = new ReopeningEngine(
    await reopen(),
    reopen,
    (error, end) => TERMINAL.note(`${error.message}${end ? "" : ", it is opened again"}`),
  );
  open = { hash: model.hash, engine: loaded };
  scope.postMessage({ kind: "loaded", hash: model.hash });
  return loaded;
}

/** A LoRA of the same name may be another one here: the picture would be another too. */
async function checkLoras({ loras, engine: { loraModelDir } }: DrawCall): Promise<void> {
  for (const [name, hash] of Object.entries(loras)) {
    if (loraModelDir === undefined) {
      throw new LeftHere(`has no --lora-model-dir, in which "${name}" would be`);
    }
    let path: string;
    try {
      path = (await loraFolder(loraModelDir)(name)).file.name;
    } catch {
      throw new LeftHere(`has no LoRA "${name.slice(0, 60)}"`);
    }
    if (await hashes.of(path) !== hash) {
      throw new LeftHere(`has another version of the LoRA "${name.slice(0, 60)}"`);
    }
  }
}

/** Why a job is left for another machine. */
class LeftHere extends Error {}

function failure(error: unknown): ThreadWord {
  if (error instanceof LeftHere) return { kind: "left", why: error.message };
  if (error instanceof AbortedError) return { kind: "failed", code: "aborted", message: error.message };
  if (error instanceof LssgenError) return { kind: "failed", code: error.code, message: error.message };
  const { message } = error as Error;
  return { kind: "failed", code: "internal", message: `The worker failed: ${message}` };
}
