/**
 * Handler of the scheduler classes: schedules, trajectories with the stand-in model of the cases, re-noising.
 *
 * @module
 */

import { LssgenError } from "../../lib/errors.ts";
import { TorchCpuGenerator } from "../../lib/random_torch.ts";
import { applyStep, type StepState } from "../../lib/schedulers/apply.ts";
import { createScheduler, SCHEDULER_CLASSES } from "../../lib/schedulers/registry.ts";
import { linearSigmas, type Schedule, type Scheduler } from "../../lib/schedulers/types.ts";
import { readConfig } from "../../lib/weights/model_folder.ts";
import type { Answer, CaseContext, Check, Handler, Tensors, Values } from "./case.ts";

interface Run {
  readonly run: number;
  readonly num_inference_steps: number;
  readonly mu: number | null;
  readonly sigmas_passed: unknown;
  readonly init_noise_sigma: number;
  readonly noised_at_timestep_indices: readonly number[];
  /** null for schedulers of two calls a step, and for runs of one step. */
  readonly entry_begin_index: number | null;
  /** Of the torch generator that each walk of a stochastic sampler begins anew. */
  readonly generator_seed?: number;
}

const IO = "io.safetensors";

/** Fresh noise for a stochastic sampler's steps, in their order. */
type Noise = (count: number) => Float32Array;

/** Latents after each step from `begin` on; the model is tanh(x / 2) + 0.1·t / 1000 of its scaled input. */
function walk(
  scheduler: Scheduler,
  schedule: Schedule,
  begin: number,
  start: Float32Array,
  noise: Noise,
): Float32Array[] {
  let state: StepState = { latents: start, slots: new Map() };
  return scheduler.steps(schedule, begin).map((step) => {
    const output = state.latents.map((x) => Math.tanh(x * step.inputScale / 2) + 0.1 * step.timestep / 1000);
    state = applyStep(step, state, output, step.next.noise ? noise(start.length) : undefined);
    return state.latents;
  });
}

/** Recorded noise [steps, …] where there is some, else torch's draws from the run's seed. */
function stepNoise(io: Tensors, name: string, seed: number | undefined): Noise {
  const recorded = io.get(name);
  if (recorded) {
    let at = 0;
    return (count) => Float32Array.from(recorded.data.subarray(at, at += count));
  }
  if (seed === undefined) {
    return () => {
      throw new LssgenError(
        "bad_file",
        `The case lacks "${name}" and a generator_seed for a stochastic sampler`,
      );
    };
  }
  const generator = new TorchCpuGenerator(seed);
  return (count) => generator.randn(count);
}

const scheduler: Handler = async (c: CaseContext): Promise<Answer> => {
  const config = await readConfig(c.folder, "scheduler_config.json");
  const made = createScheduler({ ...config.json, _class_name: c.json.class });
  const io = c.io.get(IO);
  const [noise, clean] = ["in.noise", "in.clean"].map((name) => {
    const values = io?.get(name);
    if (!values) throw new LssgenError("bad_file", `The case lacks the tensor "${name}"`);
    return values;
  });
  const outputs = new Map<string, Values>();
  const checks: Check[] = [];
  for (const run of (c.json.runs ?? []) as readonly Run[]) {
    const steps = run.num_inference_steps;
    const schedule = made.schedule(steps, {
      mu: run.mu ?? undefined,
      sigmas: run.sigmas_passed ? linearSigmas(steps) : undefined,
    });
    const put = (what: string, rows: readonly ArrayLike<number>[], shape: readonly number[]): void => {
      const data = Float32Array.from(rows.flatMap((row) => Array.from(row)));
      outputs.set(`out.run${run.run}.${what}`, { shape, data });
    };
    const putLatents = (what: string, rows: readonly Float32Array[]): void =>
      put(what, rows, [rows.length, ...clean.shape]);
    put("timesteps", [schedule.timesteps], [schedule.timesteps.length]);
    // KDPM2 of diffusers lists its final zero three times.
    const ends = String(c.json.class).startsWith("KDPM2") ? [0, 0] : [];
    put("sigmas", [[...schedule.sigmas, ...ends]], [schedule.sigmas.length + ends.length]);
    checks.push({
      name: `run ${run.run}: init_noise_sigma ${run.init_noise_sigma}`,
      ok: Math.abs(schedule.initNoiseSigma / run.init_noise_sigma - 1) < 1e-6,
      detail: `${schedule.initNoiseSigma}`,
    });
    const noised = (index: number): Float32Array => {
      const mix = made.addNoise(schedule, index);
      return Float32Array.from(clean.data, (v, i) => mix.signal * v + mix.noise * noise.data[i]);
    };
    const start = Float32Array.from(noise.data, (v) => v * schedule.initNoiseSigma);
    const noiseOf = (what: string): Noise => stepNoise(io!, `in.run${run.run}.${what}`, run.generator_seed);
    putLatents("trajectory", walk(made, schedule, 0, start, noiseOf("step_noise")));
    putLatents("noised", run.noised_at_timestep_indices.map(noised));
    const begin = run.entry_begin_index;
    if (begin === null) continue;
    const entry = noised(begin);
    putLatents("entry_trajectory", [
      entry,
      ...walk(made, schedule, begin, entry, noiseOf("entry_step_noise")),
    ]);
  }
  return { outputs: new Map([[IO, outputs]]), checks };
};

/** Class of case.json → handler. */
export const SCHEDULER_HANDLERS: Readonly<Record<string, Handler>> = Object.fromEntries(
  SCHEDULER_CLASSES.map((name) => [name, scheduler]),
);
