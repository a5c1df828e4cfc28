/** A run that is stopped by its signal and rejects with the signal's reason: `deno run -A examples/stop.ts`. */

import { createPipeline } from "@lssgen/webgpu";

await using pipeline = await createPipeline();
const stop = new AbortController();
try {
  await pipeline.generate({ prompt: "a red apple", width: 512, height: 512 }, {
    signal: stop.signal,
    preview: "auto",
    onProgress({ step, preview }) {
      if (preview) {
        console.log(
          `step ${step}: a preview of ${preview.width} × ${preview.height}`,
        );
      }
      if (step === 2) stop.abort(new Error("two steps are enough"));
    },
  });
} catch (error) {
  console.log((error as Error).message);
}
