/** Options of other programs: each is understood, changes nothing and says so, or is refused with what to do. */

import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { FOREIGN_OPTIONS, FOREIGN_VALUES, foreignOption, foreignTable } from "../lib/cli/foreign_options.ts";
import { OPTIONS, parseOptions, spellings } from "../lib/cli/options.ts";
import { toRequest } from "../lib/cli/request.ts";
import { LssgenError } from "../lib/errors.ts";

function refusal(...args: string[]): string {
  const error = assertThrows(() => parseOptions(args), LssgenError);
  assertEquals(error.code, "bad_option");
  return error.message;
}

/** sd-cli's and sd-server's options at 97d2990 (2026-08-19), a line each: the long name and, where it has one, the short one. */
const SD_CPP = Deno.readTextFileSync(new URL("data/sd_cpp_options.txt", import.meta.url)).trim().split("\n");

Deno.test("every option of stable-diffusion.cpp is ours, or stands in the table", () => {
  assertEquals(SD_CPP.length, 166);
  const ours = new Set(OPTIONS.flatMap(spellings));
  for (const line of SD_CPP) {
    for (const spelled of line.split(" ")) {
      assert(ours.has(spelled) || foreignOption(spelled, "1", undefined) !== undefined, spelled);
    }
  }
});

Deno.test("no row stands twice, and each is understood, changes nothing, or says what to do", () => {
  const names = FOREIGN_OPTIONS.filter(({ only }) => !only).flatMap((row) => row.names.split(" "));
  assertEquals(names.filter((name, i) => names.indexOf(name) !== i), []);
  for (const { names, as, note, instead } of FOREIGN_OPTIONS) {
    assertEquals([as, note].filter((one) => one !== undefined).length + (as ?? note ? 0 : 1), 1, names);
    const sentence = note ?? instead ?? "same";
    assert(as !== undefined || sentence.length > 10 && !/[.!]$/.test(sentence), names);
    for (const name of names.split(" ")) assertMatch(name, /^--?[A-Za-z]/);
  }
});

Deno.test("options that mean the same are understood, with their values", () => {
  const cases: [args: string[], same: string[]][] = [
    [["--num_inference_steps", "9", "--guidance_scale=3"], ["--steps", "9", "--guidance", "3"]],
    [["--num-inference-steps=9"], ["--steps", "9"]],
    [["--negative_prompt", "blur", "--cfg_scale", "5"], ["-n", "blur", "--cfg-scale", "5"]],
    [["--rng", "cuda"], ["--rng", "torch-cuda"]],
    [["--rng", "cpu"], ["--rng", "torch-cpu"]],
    [["--prediction", "flux_flow"], ["--prediction", "flow"]],
    [["--torch_dtype", "float16"], ["--dtype", "f16"]],
    [["--no-half"], ["--dtype", "f32"]],
    [["--tae", "t.safetensors"], ["--taesd", "t.safetensors"]],
    [["--outdir", "made"], ["--out", "made/"]],
    [["--outdir", "made/"], ["--out", "made/"]],
    [["--sampler_name", "Euler a"], ["--sampling-method", "Euler a"]],
    [["--preview-method", "latent2rgb"], ["--preview", "proj"]],
    [["--preview", "taesd"], ["--preview", "tae"]],
    [["--pretrained_model_name_or_path", "m"], ["-m", "m"]],
    [["--denoise", "0.6", "--noise_seed", "3"], ["--strength", "0.6", "--seed", "3"]],
    [["--resolution", "512x768"], ["-W", "512", "-H", "768"]],
    [["--torch_dtype", "torch.float16"], ["--dtype", "f16"]],
    [["--scheduler", "DPMSolverMultistepScheduler"], ["--scheduler", "dpm++2m"]],
    [["--scheduler", "Automatic"], []],
    [["--scheduler", "Polyexponential"], ["--schedule", "exponential"]],
    // Batches of so many pictures: none is dropped.
    [["--batch_size", "2", "--n_iter", "3"], ["--count", "6"]],
    [["--n_iter", "3", "--n_iter", "4"], ["--count", "4"]],
    [["serve", "--listen"], ["serve", "--host", "0.0.0.0"]],
    [["serve", "--listen", "10.0.0.1", "--port", "1"], ["serve", "--host", "10.0.0.1", "--port", "1"]],
    [["serve", "--listen-ip", "::", "--listen-port", "5"], ["serve", "--host", "::", "--port", "5"]],
    [["serve", "--enable-cors-header"], ["serve", "--cors", "*"]],
    [["serve", "--ckpt-dir", "d"], ["serve", "--models", "d"]],
    // What follows a flag is no value of it.
    [["--fp16", "a cat"], ["--dtype", "f16", "a cat"]],
    // Values that change nothing are no reason to refuse.
    [["--video-frames=1", "--device", "cuda"], []],
  ];
  for (const [args, same] of cases) assertEquals(parseOptions(args), parseOptions(same), args.join(" "));
});

Deno.test("an option that changes nothing is accepted and said, and its value is no word of the prompt", () => {
  const parsed = parseOptions([
    "--fa",
    "--vae-tiling",
    "--lora-apply-mode",
    "auto",
    "--max-vram",
    "6",
    "a cat",
  ]);
  assertEquals(parsed.words, ["a cat"]);
  assert(parsed.notes.length >= 3);
  for (const note of parsed.notes) assertMatch(note, /^--[\w-]+ changes nothing: /);
  // What is said of several is said once.
  const { notes } = parseOptions([
    "--medvram",
    "--xformers",
    "--vae-on-cpu",
    "--lowvram",
    "--medvram",
    "a cat",
  ]);
  assertEquals(notes.map((note) => note.split(":")[0]), [
    "--medvram, --vae-on-cpu and --lowvram change nothing",
    "--xformers changes nothing",
  ]);
  // ComfyUI's servers are told a kind of preview.
  assertEquals(parseOptions(["serve", "--preview-method", "auto"]).notes.length, 1);
  assertEquals(parseOptions(["--preview-method", "auto"]).notes, []);
  assertEquals(parseOptions(["a cat"]).notes, []);
});

Deno.test("options that we have not are refused by their name, with what to do", () => {
  const cases: [string[], string][] = [
    [["--control-net", "c.safetensors"], "ControlNet"],
    [["--realesrgan-models-path", "models"], "--upscale-model FILE"],
    [["--control_net=c"], "ControlNet"],
    [["--hr_scale", "2"], "hires-fix"],
    [["--ar", "16:9"], "--width N --height N"],
    [["--device", "cuda:1"], "WebGPU chooses the adapter"],
    [["serve", "--output-directory", "d"], "no folder keeps them"],
    [["upscale", "a.png", "-m", "x.safetensors"], "--upscale-model FILE"],
    [["upscale", "a.png", "-s", "4"], "--upscale-repeats"],
    [["-n", "4", "a cat"], "--count 4"],
    [["-q", "6", "a cat"], "--type q6_k"],
    // The option is named as it was typed, and as it is here.
    [["--listen"], "Option --listen (--host here) does not belong to `generate`, only to `serve`"],
    [["--num-inference-steps", "x"], 'Option --num-inference-steps (--steps here) is "x"'],
    [["--n_iter", "x"], 'Option --n_iter (--count here) is "x"'],
    [["--rng", "std_default"], "philox"],
    [["--rng", "cdua"], "did you mean"],
    [["--prediction", "edm_v"], "EDM"],
    [["--torch-dtype", "bfloat16"], "--dtype f32"],
    [["--prompt-file", "p.txt"], '-p "$(cat FILE)"'],
    [["--hires"], "hires-fix"],
    [["--image-strength", "0.4"], "--strength"],
    [["-q", "8", "a cat"], "convert"],
    [["serve", "--share"], "--host 0.0.0.0"],
    [["serve", "--api-auth", "a:b"], "LSSGEN_TOKEN"],
    [["--video-frames", "16"], "videos"],
    [["--ckpt"], "needs a value"],
    [["--no-half=false"], 'takes no value, got "false"'],
  ];
  for (const [args, words] of cases) assertStringIncludes(refusal(...args), words);
  for (const { names, as, note, only = ["generate"] } of FOREIGN_OPTIONS) {
    if (as !== undefined || note !== undefined) continue;
    for (const name of names.split(" ")) {
      if (OPTIONS.some((option) => spellings(option).includes(name))) continue;
      assertStringIncludes(refusal(only[0], name, "x"), `Option ${name} is not supported: `);
    }
  }
});

Deno.test("values of other programs are those of our table, or refused", () => {
  for (const [name, values] of Object.entries(FOREIGN_VALUES)) {
    const option = OPTIONS.find((o) => o.name === name)!;
    for (const [theirs, ours] of Object.entries(values)) {
      const args = [option.commands[0], `--${name}`, theirs];
      if (typeof ours === "string") {
        assert(option.choices!.includes(ours), ours);
        assertEquals(parseOptions(args), parseOptions([option.commands[0], `--${name}`, ours]));
      } else assertStringIncludes(refusal(...args), ours.instead);
    }
  }
});

Deno.test("a line of stable-diffusion.cpp's own documentation draws the same request", () => {
  const line =
    "-M img_gen -m sd.safetensors -p cat -n dog -W 512 -H 768 --steps 20 --cfg-scale 7 --sampling-method euler_a --scheduler karras " +
    "--rng cuda -s 42 -b 2 -t 8 -v --color --diffusion-fa --vae-tiling --clip-skip 2 --strength 0.6 -o out_%03d.png";
  const parsed = parseOptions(line.split(" "));
  const { prompt, negativePrompt, width, height, steps, scheduler, schedule, rng, seed, clipSkip, strength } =
    toRequest(parsed);
  assertEquals(
    { prompt, negativePrompt, width, height, steps, scheduler, schedule, rng, seed, clipSkip, strength },
    {
      prompt: "cat",
      negativePrompt: "dog",
      width: 512,
      height: 768,
      steps: 20,
      scheduler: "euler_a",
      schedule: "karras",
      rng: "torch-cuda",
      seed: 42,
      clipSkip: 2,
      strength: 0.6,
    },
  );
  assertEquals([parsed.number.threads, parsed.flag.verbose, parsed.notes.length], [8, true, 3]);
});

Deno.test("docs/OPTIONS.md holds the table as it is", () => {
  const text = Deno.readTextFileSync(new URL("../docs/OPTIONS.md", import.meta.url));
  assertStringIncludes(text, foreignTable());
});
