/** An engine that draws patches of one colour, with settings that a model of Stable Diffusion's kind has. */

import type { GenerateOptions, GenerateRequest, GenerateResult, ModelInfo } from "../lib/pipelines/types.ts";
import type { Plan } from "../lib/scaling/types.ts";
import { FakeEngine } from "./fake_engine.ts";

const DEFAULTS = {
  width: 128,
  height: 128,
  steps: 4,
  guidance: 5,
  baseResolution: 128,
  minResolution: 64,
  initNoise: 0.6,
  shortenSteps: false,
  upsampler: "bicubic",
  entry: "noise",
};
/** Its model's settings. */
export const PATCHES: Partial<ModelInfo> = {
  name: "fake",
  pipeline: "StableDiffusionPipeline",
  prompts: 1,
  embeddedGuidance: false,
  learnedUpsampler: false,
  scheduler: { _class_name: "EulerDiscreteScheduler" },
  defaults: DEFAULTS as unknown as ModelInfo["defaults"],
};

/** Draws patches whose colour is the seed's, and keeps what it was asked. */
export class PatchEngine extends FakeEngine {
  /** Two stages, the first of half the side. */
  override plan(request: Omit<GenerateRequest, "prompt">): Plan {
    const { image, width = image?.width ?? 128, height = image?.height ?? 128, steps = 4 } = request;
    const plan = super.plan({ ...request, width, height });
    return {
      ...plan,
      speedup: 1.5,
      warnings: [],
      stages: [2, 1].map((n) => ({
        width: width / n,
        height: height / n,
        tokens: 1,
        steps: Array(steps).fill({}),
      })),
    } as unknown as Plan;
  }
  /** One picture, at the request's size or that of its first picture. */
  override async generate(request: GenerateRequest, options: GenerateOptions = {}): Promise<GenerateResult> {
    const { image, mask, ...plain } = request;
    const { width, height } = this.plan(request);
    const drawn = await super.generate({ ...request, width, height }, options);
    const [one] = drawn.images;
    const rgb = one.rgb.map((_, i) => (one.seed * 37 + i % 3 * 80) & 255);
    this.asked[this.asked.length - 1] = request;
    return {
      ...drawn,
      images: [{
        ...one,
        rgb,
        parameters: {
          ...plain,
          width,
          height,
          steps: plain.steps ?? 4,
          ...image && { strength: plain.strength },
        },
      }],
      warnings: mask ? ["With a mask"] : [],
    };
  }
}
