/** Entries into a schedule, samplers by name, and refusals by name. */

import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { enter, noiseLevel } from "../lib/schedulers/entry.ts";
import {
  createScheduler,
  SAMPLER_NAMES,
  samplerConfig,
  SCHEDULE_NAMES,
  scheduleConfig,
} from "../lib/schedulers/registry.ts";
import { applyStep, type StepState } from "../lib/schedulers/apply.ts";
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
      // diffusers noises to the next level for DPM2's call between two levels.
      if (name.startsWith("dpm2") && step.index % 2 === 1) continue;
      // For x = signal·x₀ + noise·ε the network's answer ε must imply x₀.
      const { signal, noise } = scheduler.addNoise(schedule, step.index);
      assertAlmostEquals(step.x0.sample * signal, 1, 1e-6, name);
      assertAlmostEquals(step.x0.sample * noise + step.x0.output, 0, 1e-4 * (1 + noise), name);
    }
  }
});

Deno.test("On a flow every sampler that can walk it leads a perfect network's answer to the clean latents", () => {
  const able = SAMPLER_NAMES.filter((name) => {
    try {
      return samplerConfig(FLOW, name);
    } catch {
      return false;
    }
  });
  assertEquals(
    SAMPLER_NAMES.filter((name) => !able.includes(name)),
    ["dpm2_a", "dpm++2mk", "ddim", "pndm", "tcd"],
  );
  for (const name of able) {
    const scheduler = createScheduler(samplerConfig(FLOW, name));
    const schedule = scheduler.schedule(7, { sigmas: linearSigmas(7) });
    // x₀ = 0.5 whatever the noise: v = (x − x₀)/σ.
    let state: StepState = { latents: Float32Array.of(-1.25), slots: new Map() };
    for (const step of scheduler.steps(schedule)) {
      const output = state.latents.map((x) => (x - 0.5) / step.sigma);
      state = applyStep(step, state, output, Float32Array.of(0.3));
      assert(Number.isFinite(state.latents[0]), name);
    }
    assertAlmostEquals(state.latents[0], 0.5, 1e-4, name);
  }
});

Deno.test("Stochastic steps on a flow keep the variance that their noise level asks for", () => {
  for (const name of ["euler_a", "lcm", "dpm++2m_sde"]) {
    const scheduler = createScheduler(samplerConfig(FLOW, name));
    const schedule = scheduler.schedule(8, { sigmas: linearSigmas(8) });
    for (const { index, sigma, next } of scheduler.steps(schedule).slice(1, 2)) {
      // From x = σ·ε (x₀ = 0) the network answers ε; slots hold x₀ = 0.
      assertAlmostEquals(
        Math.hypot(next.sample * sigma + next.output, next.noise ?? 0),
        schedule.sigmas[index + 1],
        1e-5,
        name,
      );
    }
  }
});

Deno.test("Samplers are known in three spellings, and a schedule in their name is heeded", () => {
  const same = (a: string, b: string) => assertEquals(samplerConfig(SD, a), samplerConfig(SD, b));
  same("DPM++ 2M", "dpm++2m");
  same("dpmpp_2m_sde", "DPM++ 2M SDE");
  same("Euler a", "euler_ancestral");
  same("PLMS", "pndm");
  same("uni_pc", "UniPC");
  const karras = samplerConfig(SD, "DPM++ 2M Karras");
  assertEquals(karras.use_karras_sigmas, true);
  assertEquals(karras._class_name, "DPMSolverMultistepScheduler");
});

Deno.test("Every schedule falls from noise, on diffusion and on flow models, with Euler and with two calls", () => {
  for (const name of SCHEDULE_NAMES) {
    for (const config of [samplerConfig(SD, "euler"), samplerConfig(SD, "unipc"), FLOW]) {
      const scheduler = createScheduler(scheduleConfig(config, name));
      const { sigmas } = scheduler.schedule(8);
      assertEquals(sigmas.length, 9);
      for (let i = 1; i < sigmas.length; i++) assert(sigmas[i] < sigmas[i - 1], `${name}: ${sigmas}`);
    }
  }
  // As ComfyUI's simple_scheduler: σ of timesteps 999, 749, 499, 249.
  const simple = createScheduler(scheduleConfig(samplerConfig(SD, "euler"), "simple")).schedule(4);
  assertEquals(simple.timesteps, [999, 749, 499, 249]);
});

Deno.test("A list of noise levels is used as it is", () => {
  const levels = [10, 3, 1, 0.2];
  for (const name of ["euler", "heun", "dpm++2m", "unipc"]) {
    const scheduler = createScheduler(samplerConfig(SD, name));
    const { sigmas } = scheduler.schedule(4, { levels });
    const once = sigmas.filter((s, i) => i === 0 || s !== sigmas[i - 1]);
    assertEquals(once, [...levels, 0].map(Math.fround));
  }
  const flow = createScheduler(FLOW).schedule(3, { levels: [1, 0.6, 0.2] });
  assertEquals(flow.timesteps, [1000, 600, 200].map((t) => Math.fround(t)));
});

Deno.test("Stages of samplers with two calls a step begin at a whole step", () => {
  const heun = createScheduler(samplerConfig(SD, "heun"));
  const schedule = heun.schedule(6);
  for (const entry of ["reference", "noiseLevel"] as const) {
    const { begin } = enter(heun, schedule, 0.6, entry);
    assertEquals(begin % 2, 0);
    assert(begin > 0);
  }
  assertThrows(() => heun.steps(schedule, 3), LssgenError, "second call");
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
  refused({ _class_name: "DDPMWuerstchenScheduler" }, 'Scheduler "DDPMWuerstchenScheduler" is not supported');
  refused({ _class_name: "UniPCMultistepScheduler", thresholding: true }, '"thresholding"');
  refused({ _class_name: "DPMSolverMultistepScheduler", algorithm_type: "dpmsolver" }, "final_sigmas_type");
  refused(
    { _class_name: "DPMSolverMultistepScheduler", use_flow_sigmas: true, use_karras_sigmas: true },
    "switch one of them off",
  );
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
    {
      _class_name: "DPMSolverMultistepScheduler",
      solver_order: 3,
      algorithm_type: "sde-dpmsolver",
      final_sigmas_type: "sigma_min",
    },
    '"solver_order"',
  );
  assertThrows(() => samplerConfig(FLOW, "tcd"), LssgenError, "expected one of euler");
  assertThrows(() => samplerConfig(SD, "dpm++9"), LssgenError, "expected one of euler");
  assertThrows(() => scheduleConfig(SD, "steep"), LssgenError, "expected one of normal");
  assertThrows(
    () => scheduleConfig(samplerConfig(SD, "ddim"), "karras"),
    LssgenError,
    'schedule "karras" does not go with DDIMScheduler',
  );
  assertThrows(() => createScheduler(FLOW).schedule(0), LssgenError, "steps is 0");
  assertThrows(
    () => createScheduler({ ...FLOW, use_dynamic_shifting: true }).schedule(4),
    LssgenError,
    "image tokens",
  );
});
