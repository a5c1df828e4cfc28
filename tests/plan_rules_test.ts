/** The rules that a page plans with, of which it loads most when they are asked for. No GPU. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { ALL_RULES } from "../lib/pipelines/all_rules.ts";
import { presetsOf } from "../lib/pipelines/family_presets.ts";
import { offerOf } from "../lib/pipelines/offer.ts";
import { presetsFor, rulesFor } from "../lib/pipelines/few_rules.ts";
import { planWith, readPrompts } from "../lib/pipelines/resolved_request.ts";
import { planPicture, readModelInfo } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest, ModelInfo } from "../lib/pipelines/types.ts";
import { ALL_METHODS } from "../lib/scaling/methods/registry.ts";
import { SAMPLER_NAMES } from "../lib/schedulers/choice.ts";
import { FLOW_SOLVERS } from "../lib/schedulers/flow_solvers.ts";
import { createScheduler, samplerConfig } from "../lib/schedulers/registry.ts";
import { FLOW_SAMPLERS, SCHEDULE_NAMES } from "../lib/schedulers/sampler_names.ts";
import { isPlain } from "../lib/text/plain_prompt.ts";
import { readPrompt } from "../lib/text/prompt_syntax.ts";
import { parseWeights } from "../lib/text/prompt_weights.ts";

const model = (name: string): Promise<ModelInfo> =>
  readModelInfo(fileFolder(new URL(`./golden/pipelines/${name}/model`, import.meta.url).pathname));
const SIZE = { width: 64, height: 64, minResolution: 32, steps: 6 } as const;

/** What a plan comes to, or why there is none. */
function outcome(plan: () => unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(plan()));
  } catch (error) {
    assert(error instanceof LssgenError, String(error));
    return error.message;
  }
}

Deno.test("the rules loaded for a request plan it as all rules do, and refuse what they refuse", async () => {
  const requests: Record<string, unknown>[] = [
    {},
    ...SAMPLER_NAMES.map((scheduler) => ({ scheduler })),
    ...SCHEDULE_NAMES.map((schedule) => ({ schedule })),
    ...ALL_METHODS.map(({ name }) => ({ method: name, minResolution: undefined })),
    { preset: "fast" },
    { stages: "32:4,64:4", minResolution: undefined },
    { clipSkip: 2 },
    { prompt2: "a", negativePrompt: "b" },
    { strength: 0.5 },
    { image: { width: 64, height: 64, channels: 3, data: new Uint8Array(64 * 64 * 3) }, strength: 0.5 },
    { guidanceStart: 0.2 },
    { guidanceStart: 0.2, trueCfgScale: 3 },
    { slgScale: 2, guidance: 5 },
    { cacheThreshold: 0.1 },
    { cacheMode: "none", cacheThreshold: 0.1 },
    { refineSteps: 2 },
    { rng: "torch-cpu" },
    { widht: 64 },
    { sigmas: [1, 0.5, 0.25], steps: undefined },
    { scheduler: "Euler a" },
    { scheduler: "none" },
    { method: "none" },
    { preset: "none" },
  ];
  for (const name of ["flux_dev", "sd3", "sd15"]) {
    const info = await model(name);
    for (const more of requests) {
      const request = { ...SIZE, ...more } as Omit<GenerateRequest, "prompt">;
      const rules = await rulesFor(info, request);
      assertEquals(
        outcome(() => planWith(rules, info, request)),
        outcome(() => planPicture(info, request)),
        `${name} ${JSON.stringify(more)}`,
      );
    }
  }
});

Deno.test("a picture of a flow model's own settings needs few rules, any other sampler or method all of them", async () => {
  const info = await model("flux_dev");
  for (const request of [{}, { method: "direct" }, { negativePrompt: "" }] as const) {
    assert(await rulesFor(info, request) !== ALL_RULES, JSON.stringify(request));
  }
  const others = [{ method: "jit" }, { scheduler: "heun" }, { schedule: "karras" }, { stages: "64:2" }, {
    preset: "fast",
  }] as const;
  for (const request of others) {
    assert(await rulesFor(info, request) === ALL_RULES, JSON.stringify(request));
  }
  assert(await rulesFor(await model("sd15")) === ALL_RULES);
});

Deno.test("a model's offer is the same by few rules and by all, also where the noise of its schedule rises", async () => {
  const info = await model("flux_dev");
  for (const scheduler of [info.scheduler, { ...info.scheduler, invert_sigmas: true, shift_terminal: 0.1 }]) {
    const flow = { ...info, scheduler };
    const rules = await rulesFor(flow);
    assert(rules !== ALL_RULES);
    assertEquals(offerOf(flow, rules, await presetsFor(flow)), offerOf(flow, ALL_RULES, presetsOf(flow)));
  }
});

Deno.test("what a sampler's row says of flow models is what its rule does", () => {
  const flow = { _class_name: "FlowMatchEulerDiscreteScheduler" };
  assertEquals(
    Object.keys(FLOW_SOLVERS),
    SAMPLER_NAMES.filter((name) => FLOW_SAMPLERS[name]),
  );
  for (const name of SAMPLER_NAMES.filter((name) => FLOW_SAMPLERS[name])) {
    const inverted = (): unknown => createScheduler(samplerConfig({ ...flow, invert_sigmas: true }, name));
    if (FLOW_SAMPLERS[name] === "any") inverted();
    else assertThrows(inverted, LssgenError, "Euler steps only", name);
  }
});

Deno.test("a prompt that counts as plain is one that its readers leave as it is", () => {
  const plain = ["a red apple", "", 'Café, 3 foxes; "quoted" — really?', "日本の朝", "don't. and then"];
  for (const prompt of plain) {
    assert(isPlain(prompt), prompt);
    assertEquals(readPrompt(prompt), { text: prompt, loras: [], warnings: [] });
    assertEquals(
      parseWeights(prompt).map(({ text, weight }) => [text, weight]).flat(),
      prompt && [prompt, 1] || [],
    );
  }
  for (
    const mark of ["(a)", "[a]", "{a|b}", "<lora:a:1>", "a\\", "__a__", "embedding:a", "a BREAK b", "a AND b"]
  ) {
    assert(!isPlain(mark), mark);
  }
});

Deno.test("of a prompt with syntax the page reads what the library reads", async () => {
  const info = await model("flux_dev");
  for (
    const prompt of ["a (red:1.2) apple", "a <lora:ink:0.5> fox", "a {red|green} apple", "salt AND pepper"]
  ) {
    const rules = await rulesFor(info, { prompt });
    assertEquals(
      outcome(() => readPrompts(rules, info, { prompt })),
      outcome(() => readPrompts(ALL_RULES, info, { prompt })),
      prompt,
    );
  }
});

Deno.test("options of stages that a method does not heed are warned of, not those that say what is usual, as a picture's settings do", async () => {
  const info = await readModelInfo();
  const { minResolution, initNoise, upsampler, entry, shortenSteps } = info.defaults;
  const warnings = (how: Partial<GenerateRequest>): string[] =>
    [...planPicture(info, { width: 512, height: 512, ...how }).warnings].filter((said) =>
      said.includes("no effect")
    );
  assertEquals(warnings({ method: "direct", minResolution, initNoise, upsampler, entry, shortenSteps }), []);
  assertEquals(warnings({ method: "lssgen", initNoise: 0.3 }), []);
  assertEquals(warnings({ method: "direct", initNoise: 0.3 }), [
    'initNoise (--init-noise) has no effect on the method "direct"',
  ]);
  assertEquals(warnings({ method: "megafusion", minResolution: 256, upsampler: "bicubic", entry: "exact" }), [
    'upsampler (--upsampler) has no effect on the method "megafusion"',
    'entry (--entry) has no effect on the method "megafusion"',
  ]);
});
