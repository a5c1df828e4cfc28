/** Presets: what a family, a model and a file say, under what is asked for. No GPU. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { parseOptions } from "../lib/cli/options.ts";
import { withPresetFile } from "../lib/cli/preset_file.ts";
import { toRequest } from "../lib/cli/request.ts";
import { LssgenError } from "../lib/errors.ts";
import { presetsOf, withPreset } from "../lib/pipelines/family_presets.ts";
import { PRESET_NAMES, readPresets } from "../lib/pipelines/presets.ts";
import { planPicture, readModelInfo } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest, ModelInfo } from "../lib/pipelines/types.ts";
import { bytesOf, folderOf } from "../lib/weights/bytes.ts";

const golden = (name: string) =>
  fileFolder(new URL(`./golden/pipelines/${name}/model`, import.meta.url).pathname);

/** A golden model with other settings of its own. */
function withSettings(name: string, settings: unknown): Promise<ModelInfo> {
  const inner = golden(name);
  const bytes = new TextEncoder().encode(JSON.stringify(settings));
  return readModelInfo(
    folderOf(
      name,
      (file) => file === "lssgen.json" ? Promise.resolve(bytesOf(file, bytes)) : inner.open(file),
    ),
  );
}

Deno.test("every family has presets that plan, each cheaper than the one before", async () => {
  for (const name of ["dit", "flux_dev", "sd15", "sd3", "sdxl"]) {
    for (const steps of [30, 4]) {
      const info = await withSettings(name, { base_resolution: 512, min_resolution: 256, steps });
      if (steps === 4 && (name === "sd3" || name === "dit")) continue; // no such model is known
      assertEquals(Object.keys(presetsOf(info)), [...PRESET_NAMES], name);
      const picture = { width: 512, height: 512, upsampler: "bicubic", shortenSteps: false } as const;
      const flops = PRESET_NAMES.map((preset) => planPicture(info, { ...picture, preset }).flops!);
      assert(flops[0] >= flops[1] && flops[1] >= flops[2], `${name}, ${steps} steps: ${flops}`);
    }
  }
});

Deno.test("what a request says counts before its preset, and another method leaves the preset's own settings out", async () => {
  const info = await withSettings("flux_dev", {
    base_resolution: 256,
    presets: {
      fast: {
        method: "refine",
        steps: 7,
        initNoise: 0.2,
        refineSteps: 2,
        minResolution: 128,
        cacheThreshold: 0.1,
      },
    },
  });
  const asked = { width: 256, height: 256, upsampler: "bicubic" } as const;
  const steps = (more: Partial<GenerateRequest>) =>
    planPicture(info, { ...asked, ...more }).stages.map((stage) => stage.steps.length);
  const preset = (more: Partial<GenerateRequest>): Partial<GenerateRequest> =>
    withPreset(info, { ...more, preset: "fast" });
  assertEquals(steps({ preset: "fast" }), [7, 2]);
  assertEquals(steps({ preset: "fast", refineSteps: 1, steps: 9 }), [9, 1]);
  assertEquals(steps({ preset: "fast", method: "direct" }), [7]);
  assertEquals(preset({ method: "direct", cacheMode: "none" }), {
    steps: 7,
    method: "direct",
    cacheMode: "none",
    preset: undefined,
  });
  // Beside a smaller picture the first stage is no larger than it.
  assertEquals(preset({ width: 64, height: 96 }).minResolution, 64);
  // The others are the family's.
  assertEquals(presetsOf(info).quality, { method: "lssgen" });
  assertThrows(
    () => planPicture(info, { ...asked, preset: "best" as "fast" }),
    LssgenError,
    'preset (--preset) is "best", expected one of quality, balanced, fast',
  );
});

Deno.test("presets of another form are refused by name, in lssgen.json and in a file", async () => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [[], "is no object of presets"],
    [{ turbo: {} }, 'has a preset "turbo"'],
    [{ fast: 3 }, 'preset "fast" is no object'],
    [{ fast: { prompt: "x" } }, 'has "prompt"'],
    [{ fast: { steps: "7" } }, '"steps" of preset "fast" is no number'],
    [{ fast: { __proto__: null, constructor: 1 } }, 'has "constructor"'],
  ];
  for (const [presets, says] of wrong) {
    assertThrows(() => readPresets(presets, "p.json"), LssgenError, says);
    await assertRejects(() => withSettings("flux_dev", { presets }), LssgenError, says);
  }
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/p.json`;
    const ask = async (text: string, ...args: string[]) => {
      await Deno.writeTextFile(path, text);
      const options = parseOptions(["a fox", ...args, "--presets", path]);
      return await withPresetFile(options, toRequest(options));
    };
    const request = await ask(
      '{"presets":{"fast":{"method":"refine","steps":7}}}',
      "--preset",
      "fast",
      "--steps",
      "3",
    );
    assertEquals([request.method, request.steps, request.preset], ["refine", 3, undefined]);
    const refused = (text: string, says: string, ...args: string[]) =>
      assertRejects(() => ask(text, ...args), LssgenError, says);
    await refused("{}", "is no object of presets", "--preset", "fast");
    await refused("nonsense", "is no JSON", "--preset", "fast");
    await refused('{"presets":{"quality":{}}}', 'has no preset "fast", only quality', "--preset", "fast");
    await refused("{}", "has no effect without --preset");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a preset takes the place of what a picture stores", () => {
  const stored = { method: "lssgen", steps: 50, initNoise: 0.75, seed: 7 } as const;
  const request = toRequest(parseOptions(["a fox", "--preset", "fast"]), stored);
  assertEquals([request.method, request.steps, request.initNoise, request.seed], [
    undefined,
    undefined,
    undefined,
    7,
  ]);
});

Deno.test("the embedded model's presets plan at its sizes", async () => {
  const info = await readModelInfo();
  for (const preset of PRESET_NAMES) {
    for (const side of [256, 512, 1024]) {
      const plan = planPicture(info, { preset, width: side, height: side });
      assert((plan.speedup ?? 0) >= 1, `${preset} at ${side}`);
    }
  }
});
