/**
 * A drawing thread without a GPU: a picture whose colour is its seed's. Words in prompts make it slow or make it fail:
 * "wait 50" waits, "block 10000" blocks the thread as a long submission does, "fail CODE" fails, "crash" ends it. First stages
 * leave latents with the seed in them, which later stages draw; in these "later 50" waits, "once CODE" fails the first time and
 * "fail2 CODE" each time.
 */

import { AbortedError, LssgenError } from "../lib/errors.ts";
import type { DrawCall, ThreadWord } from "../scale/drawing.ts";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<DrawCall | "stop">) => void;
  postMessage(word: ThreadWord): void;
};
let failed = 0;
let stop = new AbortController();

scope.onmessage = async ({ data }) => {
  if (data === "stop") return stop.abort();
  stop = new AbortController();
  const { signal } = stop;
  const { stopAfter, resume } = data.part ?? {};
  const { prompt, width = 64, height = 64, seed = 0 } = data.request;
  const number = (word: string): number => Number(new RegExp(`${word} (\\d+)`).exec(prompt)?.[1] ?? 0);
  const [, code] = /fail (\w+)/.exec(prompt) ?? [];
  scope.postMessage({ kind: "loaded", hash: data.model.hash });
  const stage = resume ? resume.stages + 1 : 1;
  scope.postMessage({ kind: "progress", progress: { phase: "denoise", stage, step: 1, steps: 2 } });
  const preview = { width: 4, height: 4, rgb: new Uint8Array(48).fill(9) };
  scope.postMessage({
    kind: "progress",
    progress: { phase: "denoise", stage, step: 2, steps: 2, preview },
  });
  if (prompt.includes("crash")) throw new Error("crashed");
  if (number("block") > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, number("block"));
  try {
    await new Promise<void>((done, reject) => {
      const timer = setTimeout(done, number(resume ? "later" : "wait"));
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(new AbortedError());
      });
    });
    if (code) throw new LssgenError(code as "internal", `it said ${code}`);
    const [, never] = /fail2 (\w+)/.exec(prompt) ?? [];
    if (resume && never) throw new LssgenError(never as "internal", `later it said ${never}`);
    const [, late] = /once (\w+)/.exec(prompt) ?? [];
    if (resume && late && failed++ === 0) throw new LssgenError(late as "internal", `later it said ${late}`);
    if (stopAfter !== undefined) {
      const latents = { stages: stopAfter, data: new Float32Array(64).fill(seed) };
      return scope.postMessage({ kind: "drawn", drawn: { images: [], latents, warnings: ["low"] } });
    }
    if (resume && !resume.data.every((v) => v === seed)) throw new LssgenError("bad_file", "other latents");
    const rgb = new Uint8Array(width * height * 3).map((_, i) => (seed + i) % 256);
    const { image, mask, ...asked } = data.request;
    const seen = [image, mask].map((one) => one && "data" in one ? one.data[0] : undefined);
    const parameters = { ...asked, steps: 4, ...image && { seen } } as unknown as Record<string, unknown>;
    scope.postMessage({
      kind: "drawn",
      drawn: { images: [{ width, height, rgb, seed, parameters }], warnings: [] },
    });
  } catch (error) {
    const { code, message } = error as LssgenError;
    scope.postMessage({ kind: "failed", code, message });
  }
};
