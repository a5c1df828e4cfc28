/**
 * Nodes that sample, whole or taken apart: noise, guider, sampler, schedule.
 *
 * @module
 */

import { type Inputs, type InputSpec, type NodeClasses, refused } from "./node_class.ts";
import type { Conditioning, Guider, Latent, Model, Pass, SampledLatent, Sigmas } from "./values.ts";

const MODEL: InputSpec = { type: "MODEL" };
const CONDITIONING: InputSpec = { type: "CONDITIONING" };
/** Seeds have 64 bits in ComfyUI. */
const SEED: InputSpec = { type: "INT", default: 0, min: 0, max: 2 ** 64 };
const STEPS: InputSpec = { type: "INT", default: 20, min: 1, max: 10_000 };
const CFG: InputSpec = { type: "FLOAT", default: 8, min: 0, max: 100 };
const SAMPLER: InputSpec = { type: ({ samplers }) => samplers };
const SCHEDULER: InputSpec = { type: ({ schedulers }) => schedulers };
const DENOISE: InputSpec = { type: "FLOAT", default: 1, min: 0, max: 1 };
const STEP: InputSpec = { type: "INT", default: 0, min: 0, max: 10_000 };

const SAMPLING: Readonly<Record<string, InputSpec>> = {
  cfg: CFG,
  sampler_name: SAMPLER,
  scheduler: SCHEDULER,
  positive: CONDITIONING,
  negative: CONDITIONING,
  latent_image: { type: "LATENT" },
};

/** The last `steps` steps of a schedule that is as much longer as `denoise` says, as ComfyUI has it. */
function sigmasOf(inputs: Inputs): Sigmas {
  const [steps, denoise] = [inputs.number("steps"), inputs.has("denoise") ? inputs.number("denoise") : 1];
  const all = Math.floor(steps / denoise);
  if (!(denoise > 0) || all > 10_000) {
    throw refused("denoise", `${denoise} leaves nothing to draw of ${steps} steps`);
  }
  return { scheduler: inputs.text("scheduler"), steps: all, from: all - steps };
}

function guiderOf(inputs: Inputs): Guider {
  return {
    model: inputs.value<Model>("model"),
    positive: inputs.value<Conditioning>("positive"),
    negative: inputs.value<Conditioning>("negative"),
    cfg: inputs.number("cfg"),
  };
}

/** Latents as a sampler will have made them. */
function sampled(
  inputs: Inputs,
  guider: Guider,
  what: Pick<Pass, "seed" | "sampler" | "sigmas">,
): SampledLatent {
  const latent = inputs.value<Latent>("latent_image");
  if (latent.is === "sampled") {
    throw refused(
      "latent_image",
      "two samplers follow each other without a larger size between them; one sampler draws a picture here",
    );
  }
  const { width, height, count } = latent;
  return { is: "sampled", width, height, count, pass: { ...guider, ...what, latent, node: inputs.node } };
}

/** See the module. */
export const SAMPLING_NODES: NodeClasses = {
  KSampler: {
    category: "sampling",
    says: "Draws.",
    inputs: {
      model: MODEL,
      seed: SEED,
      steps: STEPS,
      ...SAMPLING,
      denoise: DENOISE,
    },
    neutral: ["control_after_generate"],
    outputs: [["LATENT", "LATENT"]],
    give: (inputs) => [
      sampled(inputs, guiderOf(inputs), {
        seed: inputs.number("seed"),
        sampler: inputs.text("sampler_name"),
        sigmas: sigmasOf(inputs),
      }),
    ],
  },
  KSamplerAdvanced: {
    category: "sampling",
    says: "Draws, from a step on to the end.",
    inputs: {
      model: MODEL,
      add_noise: { type: ["enable"] },
      noise_seed: SEED,
      steps: STEPS,
      ...SAMPLING,
      start_at_step: STEP,
      end_at_step: { ...STEP, default: 10_000 },
      return_with_leftover_noise: { type: ["disable"] },
    },
    neutral: ["control_after_generate"],
    outputs: [["LATENT", "LATENT"]],
    give(inputs) {
      const [steps, from, to] = ["steps", "start_at_step", "end_at_step"].map((name) => inputs.number(name));
      if (to < steps) {
        throw refused(
          "end_at_step",
          `${to} ends before the last of ${steps} steps; one sampler goes to the end here`,
        );
      }
      if (from >= steps) throw refused("start_at_step", `${from} leaves none of ${steps} steps`);
      return [
        sampled(inputs, guiderOf(inputs), {
          seed: inputs.number("noise_seed"),
          sampler: inputs.text("sampler_name"),
          sigmas: { scheduler: inputs.text("scheduler"), steps, from },
        }),
      ];
    },
  },
  SamplerCustom: {
    category: "sampling/custom_sampling",
    says: "Draws by a sampler and a schedule of other nodes.",
    inputs: {
      model: MODEL,
      add_noise: { type: "BOOLEAN", default: true },
      noise_seed: SEED,
      cfg: CFG,
      positive: CONDITIONING,
      negative: CONDITIONING,
      sampler: { type: "SAMPLER" },
      sigmas: { type: "SIGMAS" },
      latent_image: { type: "LATENT" },
    },
    neutral: ["control_after_generate"],
    outputs: [["LATENT", "output"], ["LATENT", "denoised_output"]],
    give(inputs) {
      if (!inputs.value("add_noise")) {
        throw refused("add_noise", "false is not supported: latents begin with noise");
      }
      const latent = sampled(inputs, guiderOf(inputs), {
        seed: inputs.number("noise_seed"),
        sampler: inputs.text("sampler"),
        sigmas: inputs.value<Sigmas>("sigmas"),
      });
      return [latent, latent];
    },
  },
  SamplerCustomAdvanced: {
    category: "sampling/custom_sampling",
    says: "Draws by noise, a guider, a sampler and a schedule of other nodes.",
    inputs: {
      noise: { type: "NOISE" },
      guider: { type: "GUIDER" },
      sampler: { type: "SAMPLER" },
      sigmas: { type: "SIGMAS" },
      latent_image: { type: "LATENT" },
    },
    outputs: [["LATENT", "output"], ["LATENT", "denoised_output"]],
    give(inputs) {
      const latent = sampled(inputs, inputs.value<Guider>("guider"), {
        seed: inputs.number("noise"),
        sampler: inputs.text("sampler"),
        sigmas: inputs.value<Sigmas>("sigmas"),
      });
      return [latent, latent];
    },
  },
  RandomNoise: {
    category: "sampling/custom_sampling/noise",
    says: "The seed.",
    inputs: { noise_seed: SEED },
    neutral: ["control_after_generate"],
    outputs: [["NOISE", "NOISE"]],
    give: (inputs) => [inputs.number("noise_seed")],
  },
  BasicGuider: {
    category: "sampling/custom_sampling/guiders",
    says: "One text, without classifier-free guidance.",
    inputs: { model: MODEL, conditioning: CONDITIONING },
    outputs: [["GUIDER", "GUIDER"]],
    give: (inputs) => [
      {
        model: inputs.value<Model>("model"),
        positive: inputs.value<Conditioning>("conditioning"),
        cfg: 1,
      } satisfies Guider,
    ],
  },
  CFGGuider: {
    category: "sampling/custom_sampling/guiders",
    says: "Classifier-free guidance.",
    inputs: { model: MODEL, positive: CONDITIONING, negative: CONDITIONING, cfg: CFG },
    outputs: [["GUIDER", "GUIDER"]],
    give: (inputs) => [guiderOf(inputs)],
  },
  KSamplerSelect: {
    category: "sampling/custom_sampling/samplers",
    says: "A sampler by its name.",
    inputs: { sampler_name: SAMPLER },
    outputs: [["SAMPLER", "SAMPLER"]],
    give: (inputs) => [inputs.text("sampler_name")],
  },
  BasicScheduler: {
    category: "sampling/custom_sampling/schedulers",
    says: "A schedule by its name.",
    inputs: { model: MODEL, scheduler: SCHEDULER, steps: STEPS, denoise: DENOISE },
    outputs: [["SIGMAS", "SIGMAS"]],
    give: (inputs) => [sigmasOf(inputs)],
  },
  SplitSigmas: {
    category: "sampling/custom_sampling/sigmas",
    says: "A schedule from a step on. Only low_sigmas can be drawn by: one sampler goes to the end.",
    inputs: { sigmas: { type: "SIGMAS" }, step: STEP },
    outputs: [["SIGMAS", "high_sigmas"], ["SIGMAS", "low_sigmas"]],
    give(inputs) {
      const sigmas = inputs.value<Sigmas>("sigmas");
      const from = sigmas.from + inputs.number("step");
      return [{ ...sigmas, cut: true }, { ...sigmas, from }];
    },
  },
  ModelSamplingFlux: {
    category: "advanced/model",
    says:
      "FLUX's shift by the picture's size, which is what is done here anyway: 1.15 and 0.5, or it is refused.",
    inputs: {
      model: MODEL,
      max_shift: { type: "FLOAT", default: 1.15, min: 0, max: 100 },
      base_shift: { type: "FLOAT", default: 0.5, min: 0, max: 100 },
      width: { type: "INT", default: 1024, min: 16, max: 16_384 },
      height: { type: "INT", default: 1024, min: 16, max: 16_384 },
    },
    outputs: [["MODEL", "MODEL"]],
    give(inputs) {
      const model = inputs.value<Model>("model");
      const { scheduler, pipeline } = model.engine.info;
      if (scheduler.use_dynamic_shifting !== true) {
        throw refused("model", `${pipeline} has no shift that depends on the size; leave the node out`);
      }
      for (const [name, own] of [["max_shift", 1.15], ["base_shift", 0.5]] as const) {
        const stored = Number(scheduler[name] ?? own);
        if (inputs.number(name) === stored) continue;
        throw refused(name, `${inputs.number(name)} is not supported, the model's own is ${stored}`);
      }
      const [width, height] = [inputs.number("width"), inputs.number("height")];
      return [{ ...model, told: { node: inputs.node, width, height } }];
    },
  },
  ModelSamplingSD3: {
    category: "advanced/model",
    says: "SD3's shift, which has to be the model's own.",
    inputs: { model: MODEL, shift: { type: "FLOAT", default: 3, min: 0, max: 100 } },
    outputs: [["MODEL", "MODEL"]],
    give(inputs) {
      const model = inputs.value<Model>("model");
      const { scheduler, pipeline } = model.engine.info;
      const { shift } = scheduler;
      if (typeof shift !== "number" || scheduler.use_dynamic_shifting === true) {
        throw refused("model", `${pipeline} has no such shift; leave the node out`);
      }
      if (inputs.number("shift") !== shift) {
        throw refused("shift", `${inputs.number("shift")} is not supported, the model's own is ${shift}`);
      }
      return [model];
    },
  },
};
