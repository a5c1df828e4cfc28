/** Every scheduler against diffusers: timesteps, noise levels, trajectories, entries. */

import { assert, assertEquals } from "@std/assert";
import { applyStep, type StepState } from "../lib/schedulers/apply.ts";
import { createScheduler } from "../lib/schedulers/registry.ts";
import { linearSigmas, type Schedule, type Scheduler } from "../lib/schedulers/types.ts";
import { bytesOf } from "../lib/weights/bytes.ts";
import { openSafetensors } from "../lib/weights/safetensors.ts";

const ROOT = new URL("./golden/schedulers/", import.meta.url);

interface Run {
  run: number;
  num_inference_steps: number;
  mu: number | null;
  sigmas_passed: string | null;
  init_noise_sigma: number;
  noised_at_timestep_indices: number[];
  entry_begin_index: number;
}

/** Python writes -Infinity, which is no JSON. */
const parse = (text: string) => JSON.parse(text.replace(/-?Infinity/g, "null"));

/** out = tanh(x/2) + 0.1·t/1000 of the scaled input, as the case files describe. */
function run(scheduler: Scheduler, schedule: Schedule, begin: number, start: Float32Array): Float32Array[] {
  let state: StepState = { latents: start, slots: new Map() };
  return scheduler.steps(schedule, begin).map((step) => {
    const output = state.latents.map((x) => Math.tanh(x * step.inputScale / 2) + 0.1 * step.timestep / 1000);
    state = applyStep(step, state, output);
    return state.latents;
  });
}

function assertClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, what: string) {
  assertEquals(got.length, want.length, what);
  for (let i = 0; i < got.length; i++) {
    assert(
      Math.abs(got[i] - want[i]) <= tolerance,
      `${what}[${i}]: ${got[i]}, expected ${want[i]} ± ${tolerance}`,
    );
  }
}

for (const { name } of [...Deno.readDirSync(ROOT)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  Deno.test(`${name} walks as diffusers does`, async () => {
    const folder = new URL(`${name}/`, ROOT);
    const read = (file: string) => Deno.readTextFileSync(new URL(file, folder));
    const { runs, tolerances } = parse(read("case.json")) as {
      runs: Run[];
      tolerances: { f32: { max_abs: number } };
    };
    const scheduler = createScheduler(parse(read("scheduler_config.json")));
    const file = await openSafetensors(bytesOf(name, Deno.readFileSync(new URL("io.safetensors", folder))));
    const [noise, clean] = [await file.readF32("in.noise"), await file.readF32("in.clean")];
    for (const r of runs) {
      const steps = r.num_inference_steps;
      const schedule = scheduler.schedule(steps, {
        mu: r.mu ?? undefined,
        sigmas: r.sigmas_passed ? linearSigmas(steps) : undefined,
      });
      const out = (what: string) => file.readF32(`out.run${r.run}.${what}`);
      const label = `run ${r.run}`;
      const timesteps = await out("timesteps");
      // Read back from log σ, where numpy's f32 logarithm and ours differ in the last bit (3e-5 of a step).
      if (name === "euler_karras") assertClose(schedule.timesteps, timesteps, 1e-4, `${label} timesteps`);
      else assertEquals([...schedule.timesteps], [...timesteps], `${label} timesteps`);
      if (file.info(`out.run${r.run}.sigmas`)) {
        const want = await out("sigmas");
        assertClose(schedule.sigmas, want, 1e-6 * Math.max(...want), `${label} sigmas`);
      }
      assert(Math.abs(schedule.initNoiseSigma / r.init_noise_sigma - 1) < 1e-6);

      const close = async (got: Float32Array[], what: string) => {
        const want = await out(what);
        // 1e-5 of the peak; the case's own tolerance where the trajectory grows large.
        const peak = want.reduce((m, v) => Math.max(m, Math.abs(v)), 1);
        const tolerance = Math.min(tolerances.f32.max_abs, 1e-5 * peak);
        assertClose(got.flatMap((x) => [...x]), want, tolerance, `${label} ${what}`);
      };
      await close(run(scheduler, schedule, 0, noise.map((v) => v * schedule.initNoiseSigma)), "trajectory");
      const noised = (index: number) => {
        const mix = scheduler.addNoise(schedule, index);
        return clean.map((v, i) => mix.signal * v + mix.noise * noise[i]);
      };
      await close(r.noised_at_timestep_indices.map(noised), "noised");
      const start = noised(r.entry_begin_index);
      await close([start, ...run(scheduler, schedule, r.entry_begin_index, start)], "entry_trajectory");
    }
  });
}
