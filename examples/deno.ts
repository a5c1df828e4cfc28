/** A picture in Deno, followed step by step: `deno run -A examples/deno.ts`. */

import { createPipeline, encodePng } from "@lssgen/webgpu";

await using pipeline = await createPipeline(); // the embedded model
const drawing = pipeline.generate({ prompt: "a red apple", width: 512, height: 512, seed: 7 });
for await (const { phase, share = 0, etaMs } of drawing) {
  const left = etaMs === undefined ? "" : `, ${(etaMs / 1000).toFixed(1)} s left`;
  console.log(`${phase} ${Math.round(100 * share)} %${left}`);
}
const { images: [{ width, height, rgb }] } = await drawing;
await Deno.writeFile(
  "apple.png",
  await encodePng({ width, height, channels: 3, data: rgb }),
);
