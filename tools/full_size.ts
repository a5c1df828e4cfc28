/**
 * Draws one picture with a model of full size and says what it took: seconds, bytes of the GPU against the plan, the process's peak.
 *
 *     deno run -A tools/full_size.ts --model MODEL [--size PIXELS] [--steps N] [--max-vram MIB] [--offload cpu|disk] [--method NAME]
 *         [--guidance SCALE] [--min-resolution PIXELS] [--no-shorten] [--entry NAME] [--dtype f32|f16] [--rng NAME] [--out FILE.png]
 *
 * MODEL is a folder or a single file, as `generate --model` takes it; parts in files of their own as `--diffusion-model` and so on.
 *
 * @module
 */

import { parseOptions } from "../lib/cli/options.ts";
import { openModel } from "../lib/cli/model.ts";
import { modelChoice } from "../lib/cli/request.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { tuneOnce, tuningOf } from "../lib/gpu/tune.ts";
import { encodePng } from "../lib/image/png.ts";
import { formatMemory, planMemory } from "../lib/pipelines/memory.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import type { Terminal } from "../lib/cli/terminal.ts";

/** Kibibytes that Linux counts for this process. */
async function kib(key: "VmHWM" | "VmRSS"): Promise<number> {
  const text = await Deno.readTextFile("/proc/self/status");
  return Number(new RegExp(`${key}:\\s+(\\d+)`).exec(text)?.[1] ?? 0);
}

/** Seconds that this process's threads have computed. */
async function processorSeconds(): Promise<number> {
  const stat = await Deno.readTextFile("/proc/self/stat");
  // After the command's name, which may hold spaces: user and system time in hundredths of a second.
  const [user, system] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13).map(Number);
  return (user + system) / 100;
}

const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;

const options = parseOptions(Deno.args);
const terminal: Terminal = {
  print: console.log,
  note: console.error,
} as unknown as Terminal;
const { model: folder } = await openModel(modelChoice(options), terminal);
const { maxVram, maxOffload, steps = 1, size = 256 } = options.number;
const mib = (n: number | undefined): number | undefined => n === undefined ? undefined : n * 2 ** 20;
const picture = {
  prompt: options.text.prompt ?? "a red apple on a wooden table",
  width: size,
  height: size,
  steps,
  method: (options.text.method ?? "direct") as GenerateRequest["method"],
  guidance: options.number.guidance,
  minResolution: options.number.minResolution,
  shortenSteps: options.flag.shorten,
  entry: options.text.entry as GenerateRequest["entry"],
  seed: 0,
  rng: options.text.rng as GenerateRequest["rng"],
};
const opening = {
  dtype: (options.text.dtype ?? "f32") as "f32" | "f16",
  maxVramBytes: mib(maxVram),
  offload: options.text.offload as "cpu" | "disk" | undefined,
  maxOffloadBytes: mib(maxOffload),
};
using device = await openDevice();
await tuneOnce(device);
const plan = await planMemory(folder!, picture, {
  ...opening,
  adapter: device.info,
  tuning: tuningOf(device),
});
for (const line of formatMemory(plan)) console.log(line);
device.memory.resetPeak();
const began = performance.now();
await using pipeline = await createPipeline(folder, { ...opening, device, firstPicture: picture });
const loaded = (performance.now() - began) / 1e3;
const { weights } = device.memory.use();
console.log(
  `load: ${loaded.toFixed(1)} s for ${gb(weights)} on the GPU (${
    (weights / 1e9 / loaded).toFixed(2)
  } GB/s); process ${gb(await kib("VmRSS") * 1024)}, peak ${gb(await kib("VmHWM") * 1024)}; processors ${
    (await processorSeconds()).toFixed(1)
  } s`,
);
const { images: [image], timings } = await pipeline.generate(picture, {
  onProgress: async ({ phase, step }) => {
    const elapsed = ((performance.now() - began) / 1e3).toFixed(1);
    console.log(
      `  ${elapsed} s, processors ${(await processorSeconds()).toFixed(1)} s: ${phase} ${step ?? ""} (GPU ${
        gb(device.memory.use().footprint)
      } at most so far, process ${gb(await kib("VmRSS") * 1024)})`,
    );
  },
});
const { footprint } = device.memory.use();
console.log(timings.map(({ phase, ms }) => `${phase} ${(ms / 1e3).toFixed(1)} s`).join(", "));
console.log(
  `GPU memory: ${gb(footprint)} at most, planned ${gb(plan.peak)}${
    footprint > plan.peak ? ", EXCEEDED" : ""
  }`,
);
console.log(
  `process: peak ${gb(await kib("VmHWM") * 1024)}; ${
    ((performance.now() - began) / 1e3).toFixed(1)
  } s in all, processors ${(await processorSeconds()).toFixed(1)} s`,
);
if (options.text.out) {
  const { width, height, rgb } = image;
  await Deno.writeFile(options.text.out, await encodePng({ width, height, channels: 3, data: rgb }));
}
