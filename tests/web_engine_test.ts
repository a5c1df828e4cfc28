/** The page's engine when a GPU goes away in mid-run, and when a picture does not fit it. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { AbortedError, LssgenError } from "../lib/errors.ts";
import type { Device } from "../lib/gpu/device.ts";
import type { MatmulTuning } from "../lib/gpu/tune.ts";
import { embeddedFolder } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import { Engine } from "../web/engine.ts";
import { explain } from "../web/explain.ts";

const SMALL: GenerateRequest = { prompt: "a red apple", width: 128, height: 128, steps: 2, seed: 7 };
/** The embedded autoencoder's widest map takes 9.4 MB in f32 here. */
const LARGE: GenerateRequest = { ...SMALL, width: 256, height: 384, steps: 1, method: "direct" };
/** In place of 64 MiB, which pictures that llvmpipe draws in seconds keep within; tests/pipelines_vae_bands_test.ts holds those to it. */
const CAREFUL_BYTES = 2.4e6;

async function withEngine(test: (engine: Engine) => Promise<void>): Promise<void> {
  const tunings: MatmulTuning[] = [];
  const onTuned = (tuning: MatmulTuning) => tunings.push(tuning);
  // Every device reads its operands as the first one does: memory can be compared.
  const engine = new Engine({
    folder: embeddedFolder(),
    dtype: "f32",
    tunings,
    onTuned,
    carefulBytes: CAREFUL_BYTES,
  });
  try {
    await test(engine);
  } finally {
    engine.forget();
  }
}

function assertDrawn(rgb: Uint8Array): void {
  assert(new Set(rgb).size > 50, "the picture is blank");
}

Deno.test("a device lost in mid-run is replaced, and the picture drawn in smaller tiles is the same", async () => {
  await withEngine(async (engine) => {
    const { images: [whole] } = await engine.generate(LARGE);
    assertDrawn(whole.rgb);
    const first = await engine.device();
    const most = first.memory.use().peak;

    let retries = 0;
    const { images: [tiled] } = await engine.generate(LARGE, {
      // Once only: the second device bears the picture.
      onProgress: ({ phase, step }) => phase === "denoise" && step === 1 && first.gpu.destroy(),
      onRetry: () => retries++,
    });
    assertEquals(retries, 1);
    const second = await engine.device();
    assert(second !== first, "a fresh device");
    const { peak } = second.memory.use();
    console.log(`Peak ${(most / 1e6).toFixed(0)} MB, on the second device ${(peak / 1e6).toFixed(0)} MB`);
    assert(peak < 0.75 * most, `${peak} bytes, ${most} before the loss`);
    // Bands differ from the whole by less than half of 1/255: after rounding by one.
    const worst = whole.rgb.reduce((top, v, i) => Math.max(top, Math.abs(v - tiled.rgb[i])), 0);
    assert(worst <= 1, `off by ${worst} of 255`);
  });
});

Deno.test("lost twice, a device is an error; Stop prevails", async () => {
  await withEngine(async (engine) => {
    let losses = 0;
    const { code } = await assertRejects(
      () =>
        engine.generate(SMALL, {
          onProgress: async ({ phase, step }) => {
            if (phase !== "denoise" || step !== 1) return;
            losses++;
            (await engine.device()).gpu.destroy();
          },
        }),
      LssgenError,
    );
    assertEquals([code, losses], ["device_lost", 2]);

    const stop = new AbortController();
    await assertRejects(
      () =>
        engine.generate(SMALL, {
          signal: stop.signal,
          onProgress: ({ phase }) => phase === "denoise" && stop.abort(),
        }),
      AbortedError,
    );
  });
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
