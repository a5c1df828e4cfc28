/** Constant matrices along both axes on the GPU, and spectral growth through a pipeline. */

import { assert, assertEquals } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { separable } from "../lib/ops/resample.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { embedMatrix } from "../lib/scaling/dct.ts";
import { bytesOf, folderOf } from "../lib/weights/bytes.ts";
import { numbers } from "./devices.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";

Deno.test("Matrices along rows and columns multiply every channel in f32", async () => {
  using device = await openDevice();
  using r = new Recorder(device, "f32");
  const [h, w, H, W, C] = [6, 4, 9, 8, 3];
  const x = numbers(h * w * C, 7);
  const [rows, columns] = [embedMatrix(h, H), embedMatrix(w, W)];
  const got = await r.read(separable(r, r.upload([1, h, w, C], x), rows, columns));
  assertEquals(got.length, H * W * C);
  for (let i = 0; i < got.length; i++) {
    const [c, X, Y] = [i % C, Math.floor(i / C) % W, Math.floor(i / C / W)];
    let want = 0;
    for (let a = 0; a < h; a++) {
      for (let b = 0; b < w; b++) want += rows[Y][a] * columns[X][b] * x[(a * w + b) * C + c];
    }
    assert(Math.abs(got[i] - want) < 1e-5, `${i}: ${got[i]}, expected ${want}`);
  }
});

Deno.test("spectral, refine, selflift's mixture, stages by hand and guidance on an interval draw pictures of their own", async () => {
  const inner = fileFolder(new URL("./golden/pipelines/flux_dev/model", import.meta.url).pathname);
  const settings = { base_resolution: 32, min_resolution: 32, spectrum_a: 20, spectrum_beta: 1.9 };
  const bytes = new TextEncoder().encode(JSON.stringify(settings));
  const folder = folderOf(
    "flux_dev",
    (file) => file === "lssgen.json" ? Promise.resolve(bytesOf(file, bytes)) : inner.open(file),
  );
  await using pipeline = await createPipeline(folder, { dtype: "f32" });
  const asked = { prompt: "a fox", width: 64, height: 64, steps: 4, upsampler: "bicubic" as const };
  const seen = new Set<string>();
  const guided = { method: "direct", trueCfgScale: 3, negativePrompt: "a dog" } as const;
  const requests: readonly Partial<GenerateRequest>[] = [
    { method: "spectral" },
    { method: "refine" },
    { method: "selflift", upsampler: "nearest" },
    { method: "selflift", upsampler: "pixel" },
    { method: "selflift", upsampler: "mixture" },
    { stages: "32:4,48@0.6:4,64@0.5", upsampler: "spectral" as const },
    { method: "direct", scheduler: "heun", schedule: "beta" },
    { method: "direct", sigmas: [1, 0.7, 0.3, 0], steps: undefined },
    guided,
    { ...guided, guidanceStart: 0.2, guidanceEnd: 0.6 },
  ];
  for (const request of requests) {
    const { images: [{ rgb }] } = await pipeline.generate({ ...asked, ...request });
    assert(new Set(rgb).size > 16, JSON.stringify(request));
    seen.add(rgb.join());
  }
  assertEquals(seen.size, requests.length);
  const whole = await pipeline.generate({ ...asked, ...guided, guidanceStart: 0, guidanceEnd: 1 });
  assert(seen.has(whole.images[0].rgb.join()), "the interval from 0 to 1 changes nothing");
});
