/** The page's engine when a GPU goes away in mid-run, and when a picture does not fit it. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import type { Device } from "../lib/gpu/device.ts";
import type { Engine } from "../web/engine.ts";
import { explain } from "../web/explain.ts";
import { assertDrawn, LARGE, SMALL, withEngine } from "./engines.ts";

// In a process of its own: where devices were destroyed with work in flight, wgpu over llvmpipe now and then frees what is not its own
// when the process ends, after every test has passed.
Deno.test("a device lost in mid-run is replaced with smaller tiles, once", async () => {
  const { stdout, stderr, code, signal } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", new URL("./web_engine_losses.ts", import.meta.url).href],
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertStringIncludes(text, "2 passed | 0 failed", new TextDecoder().decode(stderr));
  assert(code === 0 || signal === "SIGABRT" || signal === "SIGSEGV", `${code} ${signal}\n${text}`);
});

/** Asks for a picture that does not fit, holds the error to what a person is told, then draws one that fits. */
async function fullThenSmaller(engine: Engine, why: string): Promise<Device> {
  const error = await assertRejects(
    () => engine.generate({ ...LARGE, width: 1024, height: 1024 }),
    LssgenError,
  );
  const { title, hints, retry } = explain(error.code, error.message, false);
  assertEquals([title, retry], ["The GPU's memory is full", true]);
  assertStringIncludes(hints[0], "Take a smaller size");
  assertStringIncludes(hints.at(-1)!, why);
  const { images: [{ rgb }] } = await engine.generate(SMALL);
  assertDrawn(rgb);
  return await engine.device();
}

Deno.test("a picture too large for the GPU's buffers is refused as such, and a smaller one drawn", async () => {
  // requestDevice gets what is asked for, which is what the adapter is said to have.
  const { requestAdapter } = GPU.prototype;
  GPU.prototype.requestAdapter = async function (options) {
    const adapter = await requestAdapter.call(this, options);
    if (adapter) Object.defineProperty(adapter.limits, "maxBufferSize", { value: 8 << 20 });
    return adapter;
  };
  try {
    await withEngine(async (engine) => {
      await fullThenSmaller(engine, "the adapter's largest buffer is 8388608 bytes");
    });
  } finally {
    GPU.prototype.requestAdapter = requestAdapter;
  }
});

Deno.test("memory that runs out in mid-run is told from other errors, and a smaller picture drawn", async () => {
  await withEngine(async (engine) => {
    await engine.generate({ ...SMALL, steps: 1 });
    const { gpu } = await engine.device();
    const createBuffer = gpu.createBuffer.bind(gpu);
    // A full GPU's answer: an event, and a buffer that cannot be used. Chromium's own is in tests/page_in_chromium.ts.
    gpu.createBuffer = (descriptor) => {
      const buffer = createBuffer(descriptor);
      if (descriptor.size > 1 << 20) {
        buffer.destroy();
        const error = new GPUOutOfMemoryError("not enough memory left");
        gpu.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error }));
      }
      return buffer;
    };
    const after = await fullThenSmaller(engine, "not enough memory left");
    assert(after.gpu !== gpu, "what filled the memory is gone");
  });
});
