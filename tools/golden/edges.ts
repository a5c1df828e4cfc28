/**
 * Handlers of cases that hold no tensors to compare: the reference's corner cases, and weights without a call.
 *
 * @module
 */

import { LssgenError } from "../../lib/errors.ts";
import { LatentUpsampler, latentUpsamplerConfig } from "../../lib/models/latent_upsampler.ts";
import { familyOf } from "../../lib/pipelines/families.ts";
import { loadComponent } from "../../lib/pipelines/family.ts";
import { planStages } from "../../lib/scaling/plan_stages.ts";
import { createScheduler } from "../../lib/schedulers/registry.ts";
import { parsePythonJson } from "../../lib/json.ts";
import { readModelIndex } from "../../lib/weights/model_folder.ts";
import type { Answer, CaseContext, Check, Handler } from "./case.ts";

interface Edge {
  readonly name: string;
  readonly family: string;
  readonly call: {
    readonly height: number;
    readonly width: number;
    readonly base_height?: number;
    readonly base_width?: number;
    readonly num_inference_steps: number;
    readonly start_sigma: number;
    readonly min_resolution: number;
    readonly shorten_intermediate_steps: boolean;
  };
  readonly result: {
    readonly ok: boolean;
    readonly stages?: readonly { readonly timesteps: readonly number[] }[];
  };
}

/** The pipeline folders beside the case, by the reference's names of families. */
const FAMILIES: Readonly<Record<string, string>> = { flux: "flux_dev", sd3: "sd3", sdxl: "sdxl", sd: "sd15" };

/** Where the reference works, the same timesteps or a refusal by the option's name; where it crashes, no crash. */
const edges: Handler = async (c: CaseContext): Promise<Answer> => {
  const list = parsePythonJson(await c.folder.text("edges.json") ?? "[]") as readonly Edge[];
  const checks: Check[] = [];
  for (const { name, family, call, result } of list) {
    const folder = c.sibling(`../../pipelines/${FAMILIES[family]}/model`);
    const index = await readModelIndex(folder);
    const info = await (await familyOf(index)).read(folder, index);
    let got: string;
    let refused = false;
    try {
      const plan = planStages({
        width: call.width,
        height: call.height,
        minResolution: call.min_resolution,
        baseResolution: { width: call.base_width ?? 1024, height: call.base_height ?? 1024 },
        steps: call.num_inference_steps,
        initNoise: call.start_sigma,
        shortenSteps: call.shorten_intermediate_steps,
        upsampler: "bicubic",
        scheduler: createScheduler(info.scheduler),
        space: info.space,
      });
      got = plan.stages.map((stage) => stage.steps.map((step) => step.timestep).join()).join("; ");
    } catch (error) {
      if (!(error instanceof LssgenError) || error.code !== "bad_option") throw error;
      refused = true;
      got = error.message;
    }
    const want = result.stages?.map(({ timesteps }) => timesteps.join()).join("; ");
    checks.push({
      name: `${family} ${name}`,
      ok: refused || !result.ok || want === undefined || got === want,
      detail: `${got}, expected ${want}`,
    });
  }
  return { outputs: new Map(), checks };
};

/** Weights that other cases use: they load, and nothing is left over. */
const weightsOnly: Handler = async (c: CaseContext): Promise<Answer> => {
  const device = await c.device();
  using part = await loadComponent(
    { folder: c.folder, device, dtype: c.dtype },
    "",
    (w, config) => new LatentUpsampler(w, latentUpsamplerConfig(config)),
  );
  return { outputs: new Map(), checks: [{ name: "weights load", ok: part.bytes > 0 }] };
};

/** Class of case.json → handler. */
export const EDGE_HANDLERS: Readonly<Record<string, Handler>> = {
  "reference LSSGen corner cases (behaviour only)": edges,
  "LatentUpSampler (weights only)": weightsOnly,
};
