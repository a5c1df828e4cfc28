import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { parseOptions } from "../lib/cli/options.ts";
import { fromStored, storedText, toEngineChoice, toRequest } from "../lib/cli/request.ts";

Deno.test("options become a request, absent ones stay absent for the model to decide", () => {
  assertEquals(toRequest(parseOptions(["a", "red apple"])), { prompt: "a red apple", seed: 42 });
  assertEquals(
    toRequest(parseOptions([
      ..."-p x -n y --size 512 --steps 9 --guidance 3 --cfg-scale 2 -s 7 --method direct --min-resolution 128"
        .split(" "),
      ..."--init-noise 0.6 --upsampler pixel --no-shorten --entry exact".split(" "),
    ])),
    {
      prompt: "x",
      negativePrompt: "y",
      width: 512,
      height: 512,
      steps: 9,
      guidance: 3,
      trueCfgScale: 2,
      seed: 7,
      method: "direct",
      minResolution: 128,
      initNoise: 0.6,
      upsampler: "pixel",
      shortenSteps: false,
      entry: "exact",
    },
  );
});

Deno.test("seed -1 draws another seed every time", () => {
  const seeds = Array.from({ length: 4 }, () => toRequest(parseOptions(["x", "--seed", "-1"])).seed ?? -1);
  assert(seeds.every((seed) => Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32));
  assert(new Set(seeds).size > 1);
});

Deno.test("contradicting options are refused", () => {
  for (const args of ["x --size 512 -W 256", "x --prompt y"]) {
    assertThrows(() => toRequest(parseOptions(args.split(" "))), LssgenError);
  }
});

Deno.test("what a picture stores comes back, and options change it", () => {
  const parameters = {
    prompt: "ä",
    width: 512,
    height: 256,
    seed: 3,
    shortenSteps: false,
    initNoise: 0.5,
    version: "9",
  };
  const engine = {
    model: "m",
    dtype: "f16" as const,
    initImg: "i.png",
    taesdPreviewOnly: true,
    maxActivation: 9,
  };
  const stored = fromStored(storedText(parameters, engine), "a.png");
  const { version: _, ...request } = parameters;
  assertEquals(stored.request, request);
  assertEquals(JSON.stringify(toEngineChoice(parseOptions([]), stored.engine)), JSON.stringify(engine));
  assertEquals(toRequest(parseOptions([]), stored.request), request);
  assertEquals(toRequest(parseOptions(["--seed", "9", "cat"]), stored.request), {
    ...request,
    seed: 9,
    prompt: "cat",
  });
  assertEquals(toEngineChoice(parseOptions(["--dtype", "f32"]), stored.engine).dtype, "f32");
});

Deno.test("a picture without our text, or with a damaged one, is refused by name", () => {
  const cases: [string | undefined, string][] = [
    [undefined, 'no "lssgen" text chunk'],
    ["{", "no JSON"],
    ["[]", "no JSON object"],
    ["null", "no JSON object"],
    ['{"seed":"3"}', '"seed" is no number'],
    ['{"model":3}', '"model" is no string'],
  ];
  for (const [text, words] of cases) {
    const error = assertThrows(() => fromStored(text, "a.png"), LssgenError);
    assertEquals(error.code, "bad_file");
    assertStringIncludes(error.message, words);
    assertStringIncludes(error.message, '"a.png"');
  }
});
