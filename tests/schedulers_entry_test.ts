/** Entries into a schedule, samplers by name, and refusals by name. */

import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { enter, noiseLevel } from "../lib/schedulers/entry.ts";
import { createScheduler, SAMPLER_NAMES, samplerConfig } from "../lib/schedulers/registry.ts";
import { linearSigmas } from "../lib/schedulers/types.ts";

const FLOW = { _class_name: "FlowMatchEulerDiscreteScheduler" };
const SD = {
  _class_name: "PNDMScheduler",
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  timestep_spacing: "leading",
  steps_offset: 1,
  set_alpha_to_one: false,
  skip_prk_steps: true,
  clip_sample: false,
};

Deno.test("A flow schedule is entered at, above or below the level asked for, or exactly there", () => {
  const flow = createScheduler(FLOW);
  const schedule = flow.schedule(4, { sigmas: linearSigmas(4) }); // 1, 0.75, 0.5, 0.25
  const begin = (level: number, entry: Parameters<typeof enter>[3]) =>
    enter(flow, schedule, level, entry).begin;
  assertEquals(begin(0.75, "reference"), 1); // equality counts
  assertEquals(begin(0.7, "reference"), 1);
  assertEquals(begin(0.7, "atMost"), 2);
  assertEquals(begin(0.7, "count"), 2);
  assertThrows(() => begin(0.2, "atMost"), LssgenError, "its lowest is 0.250");
  const exact = enter(flow, schedule, 0.6, "exact");
  assertEquals(exact.schedule.sigmas.map((s) => Math.round(s * 1000)), [600, 500, 250, 0]);
});

Deno.test("A diffusion schedule is entered by count as the reference does, or by noise level", () => {
  const euler = createScheduler(samplerConfig(SD, "euler"));
  const schedule = euler.schedule(6);
  assertEquals(enter(euler, schedule, 0.75, "reference").begin, 2);
  const { begin } = enter(euler, schedule, 0.75, "noiseLevel");
  assert(noiseLevel(euler, schedule, begin) <= 0.75 && noiseLevel(euler, schedule, begin - 1) > 0.75);
  assertThrows(() => enter(euler, schedule, 0.1, "count"), LssgenError, "no step would be left");
  assertThrows(() => enter(euler, schedule, 0.5, "exact"), LssgenError, "cannot begin between its steps");
});

Deno.test("Every sampler's name makes a scheduler whose steps lead from noise to a perfect prediction", () => {
  for (const name of SAMPLER_NAMES) {
    const scheduler = createScheduler(samplerConfig(SD, name));
    const schedule = scheduler.schedule(12);
    for (const step of scheduler.steps(schedule)) {
      // For x = signal·x₀ + noise·ε the network's answer ε must imply x₀.
      const { signal, noise } = scheduler.addNoise(schedule, step.index);
      assertAlmostEquals(step.x0.sample * signal, 1, 1e-6, name);
      assertAlmostEquals(step.x0.sample * noise + step.x0.output, 0, 1e-4 * (1 + noise), name);
    }
  }
});

Deno.test("Ancestral steps keep the variance that their noise level asks for", () => {
  const scheduler = createScheduler(samplerConfig(SD, "euler_a"));
  const schedule = scheduler.schedule(8);
  for (const { index, next } of scheduler.steps(schedule)) {
    // From x = σ·ε (x₀ = 0) a perfect network leaves σ_down·ε; with fresh noise the variance is σ'².
    const down = next.sample * schedule.sigmas[index] + next.output;
    assertAlmostEquals(Math.hypot(down, next.noise ?? 0), schedule.sigmas[index + 1], 1e-5);
  }
});

Deno.test("Spaced noise levels keep both ends and fall", () => {
  for (const kind of ["karras", "exponential", "beta"]) {
    const scheduler = createScheduler({ ...samplerConfig(SD, "euler"), [`use_${kind}_sigmas`]: true });
    const plain = createScheduler(samplerConfig(SD, "euler")).schedule(7).sigmas;
    const { sigmas } = scheduler.schedule(7);
    assertAlmostEquals(sigmas[0], plain[0], 1e-4);
    assertAlmostEquals(sigmas[6], plain[6], 1e-4);
    for (let i = 1; i < sigmas.length; i++) assert(sigmas[i] < sigmas[i - 1], `${kind}: ${sigmas}`);
  }
});

Deno.test("Unknown classes, samplers and options are refused by name", () => {
  const refused = (config: Record<string, unknown>, part: string) =>
    assertThrows(() => createScheduler(config), LssgenError, part);
  refused({ _class_name: "HeunDiscreteScheduler" }, 'Scheduler "HeunDiscreteScheduler" is not supported');
  refused({ _class_name: "DDIMScheduler", clip_sample: true }, '"clip_sample" is on,');
  refused({ _class_name: "DDIMScheduler" }, '"clip_sample" is on by default'); // as in diffusers
  refused({ _class_name: "DDIMScheduler", clip_sample: false, thresholding: true }, '"thresholding"');
  refused({ _class_name: "PNDMScheduler", skip_prk_steps: false }, '"skip_prk_steps"');
  refused({ _class_name: "PNDMScheduler" }, '"skip_prk_steps"');
  refused(
    { _class_name: "EulerDiscreteScheduler", trained_betas: [0.1, 0.2] },
    "trained_betas holds 2 values",
  );
  const long = { _class_name: "EulerDiscreteScheduler", beta_start: Array(1000).fill(0.5) };
  const { message } = assertThrows(() => createScheduler(long), LssgenError);
  assert(message.length < 250, message); // names the option, not all of its value
  refused(
    { _class_name: "EulerDiscreteScheduler", beta_start: "x" },
    '"beta_start" is "x", expected a number',
  );
  refused({ _class_name: "DPMSolverMultistepScheduler", solver_order: 4 }, '"solver_order"');
  refused(
    { _class_name: "DPMSolverMultistepScheduler", solver_order: 3, algorithm_type: "sde-dpmsolver++" },
    '"solver_order"',
  );
  assertThrows(() => samplerConfig(FLOW, "euler_a"), LssgenError, "expected one of euler");
  assertThrows(() => createScheduler(FLOW).schedule(0), LssgenError, "steps is 0");
  assertThrows(
    () => createScheduler({ ...FLOW, use_dynamic_shifting: true }).schedule(4),
    LssgenError,
    "image tokens",
  );
});
