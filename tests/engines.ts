/** What tests of the page's engine share. */

import { assert } from "@std/assert";
import type { MatmulTuning } from "../lib/gpu/tune.ts";
import { embeddedFolder } from "../lib/pipelines/embedded_model.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import { Engine } from "../web/engine.ts";

/** Drawn at once. */
export const SMALL: GenerateRequest = { prompt: "a red apple", width: 128, height: 128, steps: 2, seed: 7 };
/** The embedded autoencoder's widest map takes 9.4 MB in f32 here. */
export const LARGE: GenerateRequest = { ...SMALL, width: 256, height: 384, steps: 1, method: "direct" };
/** In place of 64 MiB, which pictures that llvmpipe draws in seconds keep within; tests/pipelines_vae_bands_test.ts holds those to it. */
const CAREFUL_BYTES = 2.4e6;

/** An engine of the embedded model in f32, gone after the test. */
export async function withEngine(test: (engine: Engine) => Promise<void>): Promise<void> {
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

/** Fails for a blank picture. */
export function assertDrawn(rgb: Uint8Array): void {
  assert(new Set(rgb).size > 50, "the picture is blank");
}
