import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { parseOptions } from "../lib/cli/options.ts";
import { firstSeed } from "../lib/random.ts";
import { storedText } from "../lib/parameters/picture.ts";
import { followedPaths, fromStored, toEngineChoice, toRequest, withOneGuidance } from "../lib/cli/request.ts";

Deno.test("options become a request, absent ones stay absent for the model to decide", () => {
  assertEquals(toRequest(parseOptions(["a", "red apple"])), { prompt: "a red apple", seed: 42 });
  assertEquals(
    toRequest(parseOptions([
      ..."--prompt-2 x2 --prompt-3 x3 --negative-prompt-2 y2 --negative-prompt-3 y3".split(" "),
      ..."-p x -n y --size 512 --steps 9 --guidance 3 --cfg-scale 2 -s 7 --method direct --min-resolution 128"
        .split(" "),
      ..."--init-noise 0.6 --upsampler pixel --no-shorten --entry exact".split(" "),
    ])),
    {
      prompt: "x",
      prompt2: "x2",
      prompt3: "x3",
      negativePrompt: "y",
      negativePrompt2: "y2",
      negativePrompt3: "y3",
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

Deno.test("the largest seed is one bound: that of help, command line and library", () => {
  const most = Number.MAX_SAFE_INTEGER;
  assertEquals(toRequest(parseOptions(["x", "--seed", String(most)])).seed, most);
  assertEquals(firstSeed(most), most);
  assertEquals(firstSeed(most - 4, 5), most - 4);
  assertThrows(() => firstSeed(most, 2), LssgenError, "2 pictures");
  for (const seed of [-2, 0.5, NaN, most + 1]) {
    assertThrows(() => firstSeed(seed), LssgenError, `seed is ${seed}`);
  }
  for (const seed of ["-2", "9007199254740992"]) {
    assertThrows(() => parseOptions(["x", "--seed", seed]), LssgenError, "from -1 to 2^53 - 1");
  }
  const drawn = Array.from({ length: 4 }, () => firstSeed(-1, 1000));
  assert(drawn.every((seed) => seed >= 0 && seed < 2 ** 32) && new Set(drawn).size > 1);
});

Deno.test("where a model has one guidance scale, --cfg-scale gives it, whatever is beside it or was stored", () => {
  const sdxl = { embeddedGuidance: false, pipeline: "StableDiffusionXLPipeline" };
  const flux = { embeddedGuidance: true, pipeline: "FluxPipeline" };
  const guidance = (info: typeof sdxl, line: string, stored = {}): [unknown, unknown, number] => {
    const options = parseOptions(["x", ...line.split(" ").filter(Boolean)]);
    const notes: string[] = [];
    const { guidance, trueCfgScale } = withOneGuidance(
      toRequest(options, stored),
      options,
      info,
      (text) => notes.push(text),
    );
    return [guidance, trueCfgScale, notes.length];
  };
  const stored = { trueCfgScale: 1, guidance: 7.5 };
  assertEquals(guidance(sdxl, "--cfg-scale 7 --guidance 3.5"), [7, 7, 1]);
  assertEquals(guidance(sdxl, "--cfg-scale 7"), [7, 7, 0]);
  assertEquals(guidance(sdxl, "--guidance 3.5"), [3.5, undefined, 0]);
  assertEquals(guidance(sdxl, "--cfg-scale 5", stored), [5, 5, 0]);
  assertEquals(guidance(sdxl, "--cfg-scale 1", stored), [1, 1, 0]);
  assertEquals(guidance(sdxl, "", stored), [7.5, 1, 0]);
  assertEquals(guidance(flux, "--cfg-scale 7 --guidance 3.5"), [3.5, 7, 0]);
});

Deno.test("contradicting options are refused", () => {
  for (const args of ["x --size 512 -W 256", "x --prompt y"]) {
    assertThrows(() => toRequest(parseOptions(args.split(" "))), LssgenError);
  }
});

Deno.test("what a picture stores comes back, and options change it", () => {
  const parameters = {
    prompt: "ä <lora:style:0.8>",
    prompt2: "b",
    prompt3: "c",
    negativePrompt: "d",
    negativePrompt2: "e",
    negativePrompt3: "",
    width: 512,
    height: 256,
    seed: 3,
    shortenSteps: false,
    initNoise: 0.5,
    version: "9",
  };
  const engine = {
    model: "m",
    loraModelDir: "loras",
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

Deno.test("a picture stores the files of its model; another model leaves them behind", () => {
  const args =
    "-m sd3.5_large.safetensors --vae ae.safetensors --clip_l l.sft --clip-g g.sft --t5xxl t5.gguf --prediction flow";
  const engine = toEngineChoice(parseOptions(args.split(" ")));
  assertEquals(engine.clipL, "l.sft");
  assertEquals(engine.clipG, "g.sft");
  const stored = fromStored(storedText({ prompt: "x" }, engine), "a.png").engine;
  assertEquals(JSON.stringify(toEngineChoice(parseOptions([]), stored)), JSON.stringify(engine));
  const other = toEngineChoice(parseOptions(["--vae", "other.safetensors"]), stored);
  assertEquals([other.model, other.vae, other.t5], [
    "sd3.5_large.safetensors",
    "other.safetensors",
    "t5.gguf",
  ]);
  const { model, vae, t5, prediction } = toEngineChoice(parseOptions(["-m", "flux"]), stored);
  assertEquals([model, vae, t5, prediction], ["flux", undefined, undefined, undefined]);
});

Deno.test("a picture without our text, or with a damaged one, is refused by name", () => {
  const cases: [string | undefined, string][] = [
    [undefined, 'no "lssgen" text chunk'],
    ["{", "no JSON"],
    ["[]", "no JSON object"],
    ["null", "no JSON object"],
    ['{"seed":"3"}', '"seed" is no number'],
    ['{"model":3}', '"model" is no string'],
    ['{"steps":4294967295}', '"steps" is 4294967295, expected a whole number from 1 to 1000'],
    ['{"steps":2.5}', '"steps" is 2.5'],
    ['{"width":1e300}', '"width" is 1e+300'],
    ['{"strength":-1}', '"strength" is -1'],
    ['{"trueCfgScale":1e9}', '"trueCfgScale" is 1000000000, expected a number from 0 to 100'],
  ];
  for (const [text, words] of cases) {
    const error = assertThrows(() => fromStored(text, "a.png"), LssgenError);
    assertEquals(error.code, "bad_file");
    assertStringIncludes(error.message, words);
    assertStringIncludes(error.message, '"a.png"');
  }
});

Deno.test("a path in a picture is never followed without a word: pictures not at all, models of this machine are said", async () => {
  const typed = (...args: string[]) => parseOptions(["x", ...args]);
  const here = ["C:\\flux", "style.safetensors", "/b.safetensors", "t"];
  const exists = (path: string) => Promise.resolve(here.includes(path));
  const refused = async (engine: Parameters<typeof followedPaths>[0], words: string[]) => {
    const error = await assertRejects(() => followedPaths(engine, typed(), "evil.png", exists), LssgenError);
    assertEquals(error.code, "bad_file");
    for (const word of ["evil.png", ...words]) assertStringIncludes(error.message, word);
  };
  await refused({ initImg: "/dev/zero" }, ['"/dev/zero"', "--init-img"]);
  await refused({ initImg: "" }, ["--init-img"]);
  await refused({ mask: "m.png" }, ['"m.png"', "--mask"]);
  // Typed, they are the user's.
  const both = typed("-i", "a.png", "--mask", "b.png");
  assertEquals(await followedPaths({ initImg: "/dev/zero", mask: "m.png" }, both, "e.png", exists), []);
  for (
    const path of [
      "https://evil.example/flux",
      "//evil/share",
      "\\\\evil\\share",
      "smb://evil/x",
      "org/model",
    ]
  ) {
    await refused({ model: path }, [path, "--model"]);
    await refused({ loras: [`${path}:0.5`] }, [path, "--lora"]);
    await refused({ loraModelDir: path }, [path, "--lora-model-dir"]);
  }
  const own = { model: "C:\\flux", loras: ["style.safetensors:0.8", "/b.safetensors"], taesd: "t" };
  const notes = await followedPaths(own, typed(), "a.png", exists);
  assertEquals(notes.length, 4);
  for (const path of ["C:\\flux", "style.safetensors:0.8", "/b.safetensors", "t"]) {
    assertStringIncludes(notes.join("\n"), `names "${path}", which is opened`);
  }
  const instead = typed("--model", "m", "--lora", "l", "--taesd", "n");
  assertEquals(await followedPaths(own, instead, "a.png", exists), []);
});

Deno.test("Samplers, schedules and noise levels reach the request, in stable-diffusion.cpp's sense of --scheduler too", () => {
  const request = (...args: string[]) => toRequest(parseOptions(["generate", "a cat", ...args]));
  assertEquals(request("--sampling-method", "DPM++ 2M Karras").scheduler, "DPM++ 2M Karras");
  assertEquals(request("--scheduler", "karras").schedule, "karras");
  assertEquals(request("--scheduler", "karras").scheduler, undefined);
  assertEquals(request("--scheduler", "heun", "--schedule", "beta").schedule, "beta");
  // Of a sampler and a schedule neither may be dropped, whatever their order and their program.
  for (
    const [args, scheduler, schedule] of [
      ["--sampling-method|dpm++2m|--scheduler|karras", "dpm++2m", "karras"],
      ["--scheduler|karras|--sampling-method|dpm++2m", "dpm++2m", "karras"],
      ["--sampler_name|dpmpp_2m|--scheduler|sgm_uniform", "dpmpp_2m", "sgm_uniform"],
      ["--sampler|Euler a|--scheduler|Karras", "Euler a", "karras"],
      ["--sampler|Euler a|--scheduler|Automatic", "Euler a", undefined],
    ] as const
  ) {
    const { scheduler: sampler, schedule: spacing } = request(...args.split("|"));
    assertEquals<unknown>([sampler, spacing], [scheduler, schedule], args);
  }
  const beta = { prompt: "a cat", schedule: "beta" } as const;
  const karras = toRequest(parseOptions(["--from", "x.png", "--sampling-method", "DPM++ 2M Karras"]), beta);
  assertEquals<unknown>([karras.scheduler, karras.schedule], ["DPM++ 2M Karras", undefined]);
  assertEquals(request("--sigmas", "14.6,3,1,0").sigmas, [14.6, 3, 1, 0]);
  assertEquals(request("--clip-skip", "2").clipSkip, 2);
  assertEquals(request("--clip-skip", "-1").clipSkip, undefined);
  const skipped = { prompt: "a cat", clipSkip: 2 };
  assertEquals(toRequest(parseOptions(["generate", "--from", "x.png"]), skipped).clipSkip, 2);
  assertEquals(
    toRequest(parseOptions(["generate", "--from", "x.png", "--clip-skip", "0"]), skipped).clipSkip,
    undefined,
  );
  const stored = { prompt: "a cat", schedule: "karras", steps: 9 } as const;
  const again = toRequest(parseOptions(["generate", "--from", "x.png", "--sigmas", "1,0.5"]), stored);
  assertEquals([again.schedule, again.steps, again.sigmas], [undefined, undefined, [1, 0.5]]);
});

Deno.test("what a machine has room for picks the engine and is not stored in pictures", () => {
  const engine = toEngineChoice(parseOptions("--max-vram 4096 --offload cpu --max-offload 100".split(" ")));
  assertEquals([engine.maxVram, engine.offload, engine.maxOffload], [4096, "cpu", 100]);
  assertEquals(JSON.parse(storedText({ seed: 1 }, { ...engine, dtype: "f32" })), { seed: 1, dtype: "f32" });
});
