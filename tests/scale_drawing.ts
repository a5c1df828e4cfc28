/**
 * A drawing thread without a GPU: a picture whose colour is its seed's. Words in prompts make it slow or make it fail:
 * "wait 50" waits, "block 10000" blocks the thread as a long submission does, "fail CODE" fails, "crash" ends it.
 */

import { AbortedError, LssgenError } from "../lib/errors.ts";
import type { DrawCall, ThreadWord } from "../scale/drawing.ts";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<DrawCall | "stop">) => void;
  postMessage(word: ThreadWord): void;
};
let stop = new AbortController();

scope.onmessage = async ({ data }) => {
  if (data === "stop") return stop.abort();
  stop = new AbortController();
  const { signal } = stop;
  const { prompt, width = 64, height = 64, seed = 0 } = data.request;
  const number = (word: string): number => Number(new RegExp(`${word} (\\d+)`).exec(prompt)?.[1] ?? 0);
  const [, code] = /fail (\w+)/.exec(prompt) ?? [];
  scope.postMessage({ kind: "loaded", hash: data.model.hash });
  scope.postMessage({ kind: "progress", progress: { phase: "denoise", stage: 1, step: 1, steps: 2 } });
  const preview = { width: 4, height: 4, rgb: new Uint8Array(48).fill(9) };
  scope.postMessage({
    kind: "progress",
    progress: { phase: "denoise", stage: 1, step: 2, steps: 2, preview },
  });
  if (prompt.includes("crash")) throw new Error("crashed");
  if (number("block") > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, number("block"));
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, number("wait"));
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(new AbortedError());
      });
    });
    if (code) throw new LssgenError(code as "internal", `it said ${code}`);
    const rgb = new Uint8Array(width * height * 3).map((_, i) => (seed + i) % 256);
    const parameters = { ...data.request, steps: 4 } as unknown as Record<string, unknown>;
    scope.postMessage({
      kind: "drawn",
      drawn: { images: [{ width, height, rgb, seed, parameters }], warnings: [] },
    });
  } catch (error) {
    const { code, message } = error as LssgenError;
    scope.postMessage({ kind: "failed", code, message });
  }
};
