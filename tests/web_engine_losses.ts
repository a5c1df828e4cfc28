/** The page's engine when a GPU goes away in mid-run. Run by tests/web_engine_test.ts, which says why. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { AbortedError, LssgenError } from "../lib/errors.ts";
import { assertDrawn, LARGE, SMALL, withEngine } from "./engines.ts";

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
          onProgress: ({ phase }) => phase === "denoise" && stop.abort(new AbortedError()),
        }),
      AbortedError,
    );
  });
});
