/** What a plan predicts for the published models at their real shapes, from configs alone. */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { builtinTokenizer } from "../lib/pipelines/builtin_tokenizers.ts";
import { planPicture, readModelInfo } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest, ModelInfo } from "../lib/pipelines/types.ts";
import { costOf } from "../lib/scaling/flops.ts";
import { formatPlan } from "../lib/scaling/plan_text.ts";
import { elements } from "../lib/tensor.ts";
import { bytesOf, folderOf } from "../lib/weights/bytes.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import { MODELS } from "../tools/synthesize/models.ts";
import { declaredTensors } from "../tools/synthesize/random_checkpoint.ts";

/** A model's folder without its weights. */
async function infoOf(kind: string): Promise<ModelInfo> {
  const { pipeline, index, components } = MODELS[kind];
  const files = new Map<string, unknown>();
  const classes = Object.entries(components).map(([name, component]) => [name, component.class]);
  files.set("model_index.json", { _class_name: pipeline, ...index, ...Object.fromEntries(classes) });
  for (const [name, { config }] of Object.entries(components)) {
    files.set(`${name}/${name === "scheduler" ? "scheduler_config.json" : "config.json"}`, config);
  }
  return await readModelInfo(folderOf(kind, async (path) => {
    const [name, file] = path.split("/");
    if (name.startsWith("tokenizer") && components[name]) {
      const t5 = components[name].class[1].startsWith("T5");
      return await builtinTokenizer(t5 ? "t5" : "clip_l").open(file);
    }
    const json = files.get(path);
    return json === undefined ? undefined : bytesOf(path, new TextEncoder().encode(JSON.stringify(json)));
  }));
}

function saving(info: ModelInfo, request: Omit<GenerateRequest, "prompt">, directSteps: number): number {
  return planPicture(info, { method: "refine", upsampler: "bicubic", ...request }, { directSteps }).speedup!;
}

const twelve = { width: 1024, height: 1024, minResolution: 512, steps: 12 } as const;
const close = (got: number, want: number, digits: number) =>
  assertEquals(got.toFixed(digits), want.toFixed(digits));

Deno.test("12+1 of FLUX.1-dev at 1024² takes 6.27 times less than 28 steps and 11.19 times less than 50", async () => {
  const info = await infoOf("flux-dev");
  close(saving(info, twelve, 28), 6.27, 2);
  close(saving(info, twelve, 50), 11.19, 2);
  const plan = planPicture(info, { method: "refine", ...twelve, upsampler: "bicubic" }, { directSteps: 28 });
  assert(formatPlan(plan).includes("direct, 28 steps"), "the baseline is named");
  assertEquals(plan.directSteps, 28);
  assertEquals(planPicture(info, { ...twelve, upsampler: "bicubic" }).directSteps, 12);
});

Deno.test("With every weight counted for every token, as the published estimates do, it is 5.98 and 10.7", async () => {
  const info = await infoOf("flux-dev");
  const { build, config } = MODELS["flux-dev"].components.transformer;
  const weights = declaredTensors((w) => build!(w, new ConfigReader("config.json", config)))
    .reduce((sum, { shape }) => sum + elements(shape), 0);
  assertAlmostEquals(weights / 1e9, 11.9, 0.01);
  // A token of a double-stream block meets one of its two streams; here it meets both.
  const call = (h: number, w: number): number => {
    const tokens = h * w / 4 + 512;
    return 2 * weights * tokens + 57 * 4 * tokens * tokens * 3072;
  };
  const crude = { ...info, cost: (calls: number) => costOf(call, calls) };
  close(saving(crude, twelve, 28), 5.98, 2);
  close(saving(crude, twelve, 50), 10.7, 1);
  close(saving(crude, { ...twelve, steps: 20 }, 28), 3.9, 1);
  close(saving(crude, { ...twelve, steps: 20 }, 50), 7.0, 1);
  close(saving(crude, { width: 2048, height: 2048, minResolution: 1024, steps: 12 }, 28), 8.0, 1);
});

Deno.test("jit, ralu and bottleneck of FLUX.1-dev at 1024² take what docs/SPEEDUP.md says", async () => {
  const info = await infoOf("flux-dev");
  const said = [["jit", 18, 4.64], ["jit", 11, 7.25], ["ralu", 18, 4.41], ["ralu", 10, 7.54]] as const;
  for (const [method, steps, less] of said) close(saving(info, { ...twelve, method, steps }, 50), less, 2);
  close(saving(info, { ...twelve, method: "bottleneck", steps: 28 }, 28), 2.27, 2);
});

Deno.test("SD3.5 and SDXL gain from 12+1 as FLUX does, more where attention weighs more", async () => {
  for (const [kind, at1024, at2048] of [["sd3.5-medium", 7.77, 11.15], ["sdxl", 7.33, 8.59]] as const) {
    const info = await infoOf(kind);
    close(saving(info, twelve, 28), at1024, 2);
    close(saving(info, { width: 2048, height: 2048, minResolution: 1024, steps: 12 }, 28), at2048, 2);
  }
});
