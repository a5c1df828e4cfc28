import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { nearest } from "../lib/nearest.ts";
import { COMMANDS as TABLE } from "../lib/cli/commands.ts";
import { fileFolder } from "../lib/cli/files.ts";
import { helpText } from "../lib/cli/help.ts";
import { OPTION_GROUPS, OPTIONS, parseOptions } from "../lib/cli/options.ts";
import type { CommandName } from "../lib/cli/options.ts";
import { readModelInfo } from "../lib/pipelines/text_to_image.ts";

const COMMANDS = Object.keys(TABLE) as CommandName[];

function refusal(...args: string[]): string {
  const error = assertThrows(() => parseOptions(args), LssgenError);
  assertEquals(error.code, "bad_option");
  return error.message;
}

Deno.test("words without a command's name are a prompt for generate", () => {
  const parsed = parseOptions(["a", "red apple"]);
  assertEquals([parsed.command, parsed.words], ["generate", ["a", "red apple"]]);
  assertEquals(parseOptions(["generate", "x"]).words, ["x"]);
  assertEquals(parseOptions(["plan"]).command, "plan");
  assertEquals(parseOptions([]).words, []);
});

Deno.test("every spelling of an option, with a blank or an equals sign, gives the same value", () => {
  for (const option of OPTIONS) {
    if (option.type === "flag") continue;
    const value = option.choices?.[0] ?? String(option.max ?? "x");
    const results = [`--${option.name}`, ...option.also ?? []].flatMap((spelled) => [
      parseOptions([option.commands[0], spelled, value]),
      parseOptions([option.commands[0], `${spelled}=${value}`]),
    ]);
    for (const result of results) assertEquals(result, results[0], option.name);
  }
});

Deno.test("stable-diffusion.cpp's spellings are understood", () => {
  const parsed = parseOptions(
    "-p apple -n blur -W 512 -H 256 -s -1 -b 3 -o a.png -m dir --steps 9 --cfg-scale 2.5 --guidance 3".split(
      " ",
    ),
  );
  assertEquals(parsed.text, { prompt: "apple", negativePrompt: "blur", out: "a.png", model: "dir" });
  assertEquals(parsed.number, {
    width: 512,
    height: 256,
    seed: -1,
    count: 3,
    steps: 9,
    cfgScale: 2.5,
    guidance: 3,
  });
});

Deno.test("flags are negated by --no-, empty texts and negative numbers are values, -- ends the options", () => {
  assertEquals(parseOptions(["--shorten"]).flag, { shorten: true });
  assertEquals(parseOptions(["--no-shorten", "--quiet"]).flag, { shorten: false, quiet: true });
  assertEquals(parseOptions(["-n", ""]).text, { negativePrompt: "" });
  assertEquals(parseOptions(["--", "-x", "--seed"]).words, ["-x", "--seed"]);
  assertEquals(parseOptions(["--prompt=-x"]).text, { prompt: "-x" });
  assertEquals(parseOptions(["-n="]).text, { negativePrompt: "" });
  assertEquals(parseOptions(["--seed", "-1", "--guidance", ".5"]).number, { seed: -1, guidance: 0.5 });
  assertEquals(parseOptions(["-p", "a=b\n--c=d", "--out", "x=1.png"]).text, {
    prompt: "a=b\n--c=d",
    out: "x=1.png",
  });
  // What looks like a number, a flag's value or a nested key stays a word.
  assertEquals(parseOptions(["--quiet", "true", "007", "a.b=c"]), {
    ...parseOptions([]),
    flag: { quiet: true },
    words: ["true", "007", "a.b=c"],
  });
});

Deno.test("the last of two equal options wins, and lists are separated by commas", () => {
  assertEquals(parseOptions(["--seed", "1", "-s", "2"]).number, { seed: 2 });
  const parsed = parseOptions(["compare", "--init-noises", "0.5,1", "--methods", "direct,lssgen"]);
  assertEquals(parsed.numbers.initNoises, [0.5, 1]);
  assertEquals(parsed.texts.methods, ["direct", "lssgen"]);
  assertEquals(parseOptions(["--lora", "a:1", "--lora=b"]).texts, { lora: ["a:1", "b"] });
  assertEquals(parseOptions([]).texts, {});
  assertEquals(parseOptions(["--size", "512x768"]).number, { width: 512, height: 768 });
  assertEquals(parseOptions(["--size=512×768"]).number, { width: 512, height: 768 });
  assertStringIncludes(refusal("--size", "8x768"), 'Option --size (--width here) is "8", expected');
  assertStringIncludes(refusal("--size", "512by768"), "a whole number from 16");
});

Deno.test("an unknown option names the nearest one that the command has", () => {
  assertEquals(refusal("--setps", "3"), "Unknown option --setps, did you mean --steps?");
  assertStringIncludes(refusal("--negativ-prompt"), "did you mean --negative-prompt?");
  assertEquals(refusal("--xyzzy"), "Unknown option --xyzzy; `generate --help` lists all of them");
  assertStringIncludes(refusal("plan", "--dtype", "f16"), "does not belong to `plan`");
  assertStringIncludes(refusal("compare", "--method", "direct"), "`compare` has --methods");
  const cases: [string, string | undefined][] = [
    ["-W512", "-W 512"],
    ["-s42", "-s 42"],
    ["-qv", "-q -v"],
    ["-steps", "--steps"],
    ["--neg", "--negative-prompt"],
    ["--STEPS", "--steps"],
    ["--guidence", "--guidance"],
    ["--num_inference_step", "--num-inference-steps"],
    ["--h", "--help"],
    ["-help", "--help"],
    // What is near by its few letters alone was not meant.
    ["-x", undefined],
    ["-?", undefined],
    ["--foo", undefined],
  ];
  for (const [typed, near] of cases) {
    const end = near ? `, did you mean ${near}?` : "; `generate --help` lists all of them";
    assertEquals(refusal(typed), `Unknown option ${typed}${end}`);
  }
  assertStringIncludes(refusal("-a cat"), 'Unknown option "-a cat"');
});

Deno.test("a bad value is quoted with what was expected", () => {
  const cases: [string[], string][] = [
    [["--steps", "0"], 'Option --steps is "0", expected a whole number from 1 to 1000'],
    [["--steps", "1.5"], "a whole number"],
    [["--steps", ""], 'is ""'],
    [["--init-noise", "1.1"], "a number from 0 to 1"],
    [["--guidance", "NaN"], "a number from 0 to 100"],
    [["--guidance", "Infinity"], "a number from 0 to 100"],
    [["--seed", "9007199254740993"], "from -1 to 2^53 - 1"],
    [["--upsampler", "bicubik"], "did you mean bicubic?"],
    [["--dtype", "f64"], "one of f32, f16"],
    [["compare", "--init-noises", "0.5,,1"], "numbers separated by commas from 0 to 1"],
    [["compare", "--methods", "direct,foo"], 'is "foo"'],
    [["--width"], "Option --width needs a value, a whole number from 16 to 16384"],
    [["--out", "--json"], "written --out=--json"],
    [["--json=1"], 'takes no value, got "1"'],
    [["-p", "--a cat"], 'written -p="--a cat"'],
    [["--model", ""], 'Option --model is "", expected a file or folder'],
    [["--out="], 'Option --out is "", expected a file or folder'],
    [["--lora", " "], 'Option --lora is " ", expected a file'],
    [["--model=~/x.gguf"], "shells put the home folder in place of ~ where a word begins with it"],
  ];
  for (const [args, text] of cases) assertStringIncludes(refusal(...args), text);
});

Deno.test("numbers behind an option's value are no words of the prompt before it, elsewhere they may be", () => {
  assertStringIncludes(
    refusal("a cat", "--seed", "1", "2", "-3", "--steps", "4"),
    'Option --seed takes one number; "2", "-3" after it would be words of "a cat": leave them out',
  );
  assertStringIncludes(
    refusal("a", "cat", "--steps", "4", "5"),
    '"5" after it would be words of "a cat": leave it out',
  );
  for (
    const args of [["--steps", "4", "2", "cats"], ["cats", "--steps", "4", "2", "dogs"], [
      "a",
      "--steps",
      "4",
      "--",
      "2",
    ]]
  ) {
    parseOptions(args);
  }
});

Deno.test("--help and --version end the matter, whatever follows", () => {
  assertEquals(parseOptions(["--help", "--nonsense"]).ask, "help");
  assertEquals(parseOptions(["compare", "-h"]).ask, "help");
  assertEquals(parseOptions(["--version"]).ask, "version");
});

Deno.test("names and spellings of the table are unique within a command", () => {
  for (const command of COMMANDS) {
    const all = OPTIONS.filter((o) => o.commands.includes(command)).flatMap((
      o,
    ) => [`--${o.name}`, ...o.also ?? []]);
    assertEquals(new Set(all).size, all.length);
  }
});

Deno.test("the help of a command names its options, no others, and has examples that parse", () => {
  for (const command of COMMANDS) {
    const help = helpText(command);
    for (const option of OPTIONS) {
      const shown = new RegExp(`^ +(-\\w, )*--(\\[no-\\])?${option.name}( |$)`, "m").test(help);
      assertEquals(shown, option.commands.includes(command), `${command} ${option.name}`);
    }
    const rows = help.slice(0, help.indexOf("\nExamples:")).split("\n");
    assert(rows.every((line) => line.length <= 100), command);
    const examples = [...help.matchAll(/cli\.ts (.*)$/gm)].slice(1);
    assert(examples.length > 0);
    for (const [, line] of examples) {
      const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2]);
      assertEquals(parseOptions(args).command, command);
    }
  }
  for (const command of COMMANDS) assertStringIncludes(helpText("generate"), `\n  ${command} `);
});

Deno.test("nearest() prefers the fewest edits and gives up on strangers", () => {
  assertEquals(nearest("--widht", ["--height", "--width"]), "--width");
  assertEquals(nearest("--PROMPT", ["--prompt"]), "--prompt");
  assertEquals(nearest("--q", ["--steps"]), undefined);
});

Deno.test("the help is grouped by purpose, and no option is left without a group", () => {
  const all = new Set(OPTIONS.flatMap(({ commands }) => commands));
  for (const command of all) assert(!helpText(command).includes("\nOther:\n"), command);
  const names = Object.values(OPTION_GROUPS).flat().map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  const text = helpText("generate");
  const order = ["What to draw:", "Model:", "Sampling:", "From a picture:", "Files:"].map((title) =>
    text.indexOf(title)
  );
  assert(order.every((at, i) => at > (order[i - 1] ?? 0)), order.join());
});

Deno.test("the help fits the terminal, descriptions below the options where there is no room beside them", () => {
  for (const columns of [40, 60, 80, 100]) {
    for (const command of COMMANDS) {
      const help = helpText(command, undefined, columns);
      const rows = help.slice(0, help.indexOf("\nExamples:")).split("\n").filter((line) =>
        /^ .* .* /.test(line)
      );
      assert(rows.every((line) => line.length <= columns), `${command} ${columns}`);
    }
  }
  assertEquals(helpText("plan", undefined, 300), helpText("plan"));
  assert(helpText("plan", undefined, 50).includes("\n  -W, --width N\n      picture width in pixels"));
});

Deno.test("each command's help speaks of that command: its defaults, its files, what it needs", () => {
  const rowOf = (command: CommandName, name: string): string => {
    const found = new RegExp(`^ +(?:-\\w, )*--(?:\\[no-\\])?${name}(?= |$)[^]*?(?=\\n +-|\\n\\n)`, "m").exec(
      helpText(command),
    );
    return found![0].replace(/\s+/g, " ");
  };
  const cases: [CommandName, string, string, string?][] = [
    ["generate", "out", "default: output.png", ".gguf"],
    ["compare", "out", "default: compare.png", ".jpg"],
    ["tune-plan", "out", "default: presets.json", ".jpg"],
    ["convert", "out", ".gguf or .safetensors; needed", "default"],
    ["convert", "model", "what to convert", "default"],
    ["download", "model", "ORG/NAME", "default"],
    ["inspect", "model", "default: the embedded model"],
    ["upscale", "init-img", "a picture to enlarge", "image-to-image"],
    ["upscale", "upscale-model", "needed", "default: none"],
    ["worker", "queue", "needed", "this process draws"],
    ["serve", "queue", "default: none: this process draws"],
    ["plan", "verbose", "where an error came from", "the plan before"],
    ["tune-plan", "methods", "default: all", "direct,lssgen"],
  ];
  for (const [command, name, says, not = "\0"] of cases) {
    const row = rowOf(command, name);
    assertStringIncludes(row, says);
    assert(!row.includes(not), row);
  }
});

Deno.test("defaults in the help are those of the model that is named", async () => {
  const model = new URL("golden/pipelines/", import.meta.url).pathname;
  for (const name of ["sdxl", "flux_dev"]) {
    const info = await readModelInfo(fileFolder(`${model}${name}/model`));
    const { width, steps, guidance } = info.defaults;
    const text = helpText("generate", info).replace(/\s+/g, " ");
    const parts = [
      `(${info.pipeline})`,
      `--width N picture width in pixels (default: ${width})`,
      `steps of a stage at full size (default: ${steps})`,
      `two denoiser calls a step (default: ${name === "sdxl" ? guidance : "1, off"})`,
    ];
    for (const part of parts) assert(text.includes(part), part);
  }
  for (
    const args of [["help", "generate", "-m", "DIR"], ["--nonsense", "--help", "-m", "DIR"], [
      "help",
      "-m=DIR",
    ]]
  ) {
    const { ask, text } = parseOptions(args);
    assertEquals([ask, text], ["help", { model: "DIR" }]);
  }
});
