/** Latents that grow by way of a picture which an ESRGAN network enlarges. */

import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { parseOptions } from "../lib/cli/options.ts";
import { fileFolder } from "../lib/cli/files.ts";
import { plan } from "../lib/cli/plan.ts";
import { toRequest } from "../lib/cli/request.ts";
import type { Terminal } from "../lib/cli/terminal.ts";
import { LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { tuneOnce, tuningOf } from "../lib/gpu/tune.ts";
import { gpuDenoising } from "../lib/pipelines/latents.ts";
import { planMemory } from "../lib/pipelines/memory.ts";
import { createPipeline, type GenerateRequest } from "../lib/pipelines/text_to_image.ts";
import { growthFlops, loadUpscaler, openUpscalerFile } from "../lib/pipelines/upscaling.ts";
import type { StagePlan } from "../lib/scaling/types.ts";
import { bytesOf, type ByteSource } from "../lib/weights/bytes.ts";
import { type TensorEntry, writeSafetensors } from "../lib/weights/safetensors.ts";
import { Numbers, rrdbNetFile, srvggFile } from "./upscalers.ts";

const MODEL = fileFolder(new URL("./golden/pipelines/flux_dev/model", import.meta.url).pathname);
const SMALL = { prompt: "a fox", width: 64, height: 64, minResolution: 32, steps: 2 } as const;
const REFINE: GenerateRequest = { ...SMALL, method: "refine", shortenSteps: false };
const network = bytesOf("x4.safetensors", writeSafetensors(rrdbNetFile({ blocks: 1 })));

Deno.test("growth by a network that repeats pixels gives each of them four times, within the colours that files hold", async () => {
  using device = await openDevice();
  // Without weights the network adds nothing to the picture with its pixels repeated.
  const idle = srvggFile(1, 2).map((t) => ({ ...t, data: new Float32Array(t.data.length) }));
  const file = await openUpscalerFile(bytesOf("idle.safetensors", writeSafetensors(idle)));
  using upscaler = await loadUpscaler(file, { device, dtype: "f32" });
  using r = new Recorder(device, "f32");
  using scope = r.scope();
  const values = new Numbers(5).take(3 * 4 * 3, 1.2);
  const given = r.upload([1, 3, 4, 3], values);
  const vae = {
    factor: 1,
    decode: (r: Recorder) => Promise.resolve(r.upload([1, 3, 4, 3], values)),
    encode: (_: Recorder, picture: unknown) => Promise.resolve(picture),
    [Symbol.dispose]: () => {},
  };
  const denoising = gpuDenoising({
    ...{ r, scope, channels: 3, upscaler, noise: () => new Float32Array(6 * 8 * 3) },
    vae: vae as never,
    denoise: () => given,
  });
  const stage = { index: 1, width: 8, height: 6, latentWidth: 8, latentHeight: 6 } as StagePlan;
  // The picture is freed with its encoding: this one is its own.
  const free = scope.free.bind(scope);
  scope.free = (t) => t.shape[1] === 6 ? undefined : free(t);
  const grown = await r.read(await denoising.upsample(given, stage, "esrgan"));
  assertEquals(grown.length, 6 * 8 * 3);
  for (let i = 0; i < grown.length; i++) {
    const [y, x, c] = [Math.floor(i / 24), Math.floor(i / 3) % 8, i % 3];
    const want = Math.min(1, Math.max(-1, values[((y >> 1) * 4 + (x >> 1)) * 3 + c]));
    assert(Math.abs(grown[i] - want) < 1e-6, `${i}: ${grown[i]}, expected ${want}`);
  }
});

Deno.test("refine grows by an ESRGAN network of any scale, and draws a picture of its own", async () => {
  await using pipeline = await createPipeline(MODEL, { dtype: "f32", upscaler: network });
  const drawn: string[] = [];
  for (const upsampler of ["esrgan", "pixel", "esrgan"] as const) {
    const { images: [{ rgb, width, parameters }] } = await pipeline.generate({ ...REFINE, upsampler });
    assertEquals([width, parameters.upsampler], [64, upsampler]);
    drawn.push(rgb.join());
  }
  assertEquals(drawn[2], drawn[0]);
  assertNotEquals(drawn[1], drawn[0]);
});

Deno.test("growth by a network keeps within maxVramBytes, or is refused before anything is drawn", async () => {
  const request = { ...REFINE, upsampler: "esrgan" as const };
  using device = await openDevice();
  const maxVramBytes = 60 << 20;
  {
    const options = { device, dtype: "f32" as const, upscaler: network, firstPicture: request, maxVramBytes };
    await using pipeline = await createPipeline(MODEL, options);
    device.memory.resetPeak();
    await pipeline.generate(request);
    const { footprint } = device.memory.use();
    assert(footprint <= maxVramBytes, `${footprint} bytes`);
  }
  const options = {
    device,
    dtype: "f32" as const,
    upscaler: network,
    firstPicture: request,
    maxVramBytes: 1 << 20,
  };
  const error = await assertRejects(() => createPipeline(MODEL, options), LssgenError);
  assertEquals(error.code, "out_of_memory");
});

Deno.test("esrgan without a network, and a network for another upsampler, are refused by name", async () => {
  await using pipeline = await createPipeline(MODEL, { dtype: "f32" });
  const error = assertThrows(() => pipeline.plan({ ...REFINE, upsampler: "esrgan" }), LssgenError);
  assertMatch(error.message, /upsampler is "esrgan".*--upsampler-weights FILE/);
  const options = (...more: string[]) =>
    toRequest(parseOptions(["a fox", "--upsampler-weights", "x4.safetensors", ...more]));
  assertEquals(options().upsampler, "esrgan");
  assertEquals(options("--upsampler", "esrgan").upsampler, "esrgan");
  const other = assertThrows(() => options("--upsampler", "pixel"), LssgenError);
  assertMatch(other.message, /"x4\.safetensors", which is for --upsampler esrgan, not pixel/);
  const pickle = bytesOf("x4.pth", new TextEncoder().encode("PK\x03\x04x/data.pkl"));
  const bad = await assertRejects(
    () => createPipeline(MODEL, { dtype: "f32", upscaler: pickle }),
    LssgenError,
  );
  assertMatch(bad.message, /"x4\.pth" is a PyTorch pickle/);
});

Deno.test("plan foresees growth by a network: the allocator's peak is at most what is planned, with weights that stay and streamed", async () => {
  using device = await openDevice();
  await tuneOnce(device);
  const request = { ...REFINE, upsampler: "esrgan" as const };
  const where = { adapter: device.info, tuning: tuningOf(device), dtype: "f32" as const };
  // As large as the picture's latents are small: growth is the peak of this picture.
  const large = bytesOf("large.safetensors", writeSafetensors(srvggFile(2, 8)));
  const without = await planMemory(MODEL, { ...request, upsampler: "bicubic" }, where);
  const whole = await planMemory(MODEL, request, { ...where, upscaler: large });
  assert(whole.peak > without.peak, `${whole.peak} and ${without.peak} bytes without`);
  for (const maxVramBytes of [undefined, whole.least]) {
    const planned = maxVramBytes === undefined
      ? whole
      : await planMemory(MODEL, request, { ...where, upscaler: large, maxVramBytes });
    device.memory.trim();
    device.memory.resetPeak();
    await using pipeline = await createPipeline(MODEL, {
      ...{ device, dtype: "f32", upscaler: large },
      firstPicture: request,
      maxVramBytes,
    });
    await pipeline.generate(request);
    const { footprint } = device.memory.use();
    assert(footprint <= planned.peak, `${footprint} bytes, planned were ${planned.peak}`);
    assert(planned.peak - footprint <= 64 << 20, `${footprint} bytes, planned were ${planned.peak}`);
  }
});

Deno.test("plan counts a network's FLOPs from its header, and names them beside the denoiser's", async () => {
  const described = (tensors: readonly TensorEntry[]) => bytesOf("n.safetensors", writeSafetensors(tensors));
  const stages = [{ width: 10, height: 5 }, { width: 20, height: 10, grow: { upsampler: "esrgan" } }];
  // Of 8 features and a growth of 4: 3 × 5 convolutions a block, two doublings, conv_hr, conv_last.
  const conv = (from: number, to: number) => 2 * 9 * from * to;
  const dense = conv(8, 4) + conv(12, 4) + conv(16, 4) + conv(20, 4) + conv(24, 8);
  const rrdb = conv(3, 8) + 3 * dense + conv(8, 8) + 4 * conv(8, 8) + 16 * (2 * conv(8, 8) + conv(8, 3));
  const flopsOf = (file: ByteSource) => growthFlops(file, { stages: stages as unknown as StagePlan[] });
  assertEquals(await flopsOf(network), 50 * rrdb);
  assertEquals(await flopsOf(described(srvggFile(2, 2))), 50 * (conv(3, 8) + 2 * conv(8, 8) + conv(8, 12)));
  const said: string[] = [];
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/x4.safetensors`;
    await Deno.writeFile(path, writeSafetensors(rrdbNetFile({ blocks: 1 })));
    const options = ["-m", MODEL.name, "--size", "64", "--steps", "2", "--min-resolution", "32"];
    await plan(
      parseOptions(["plan", ...options, "--method", "refine", "--upsampler-weights", path]),
      { print: (line: string) => said.push(line), note: () => {} } as unknown as Terminal,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  assertMatch(said.join("\n"), /growth by .*x4\.safetensors: [\d.]+ [MG]FLOP, [\d.]+ % of the denoiser's/);
  assertMatch(said.join("\n"), /GPU memory: \d+/);
});
