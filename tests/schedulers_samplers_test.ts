/** Samplers that people pick against diffusers: timesteps, noise levels, trajectories with its noise, entries. */

import { assert } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LazyDevice, runCase } from "../tools/golden/run.ts";

const ROOT = new URL("./data/golden", import.meta.url).pathname;

for (const { name } of [...Deno.readDirSync(`${ROOT}/schedulers`)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  Deno.test(`the scheduler case ${name} walks as diffusers does`, async () => {
    const gpu = new LazyDevice();
    const open = (path: string) => fileFolder(`${ROOT}/${path}`);
    const result = await runCase(`schedulers/${name}`, open, ["io.safetensors"], gpu, "f32");
    await gpu.close();
    assert(result.ok, result.failures.join("; "));
  });
}
