/** First words: our commands, other programs' commands, slips of the finger, and prompts. */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { commandOf, COMMANDS, promptWords } from "../lib/cli/commands.ts";
import { parseOptions } from "../lib/cli/options.ts";
import { toRequest } from "../lib/cli/request.ts";
import { LssgenError } from "../lib/errors.ts";

function refusal(...args: string[]): string {
  const error = assertThrows(() => toRequest(parseOptions(args)), LssgenError);
  assertEquals(error.code, "bad_option");
  return error.message;
}

const prompt = (...args: string[]) => toRequest(parseOptions(args)).prompt;

Deno.test("words are prompts, also those that resemble a command", () => {
  for (
    const words of [
      ["cat"],
      ["plane"],
      ["a", "plan", "of", "a", "house"],
      ["insect", "on a leaf"],
      ["company", "logo"],
      ["train"],
      ["generator"],
      ["a cat converts a file"],
      ["convert a cat into a dog"],
      ["upscale restaurant at night"],
      ["42"],
      ["1e3"],
      ["café"],
      ["true"],
      ["猫"],
    ]
  ) {
    assertEquals([parseOptions(words).command, prompt(...words)], ["generate", words.join(" ")]);
  }
  // Said to be a prompt, anything is one.
  for (const word of ["convert", "genrate", "upscale", "help"]) {
    assertEquals(prompt("generate", word), word);
    assertEquals(prompt("-p", word), word);
  }
});

Deno.test("other programs' words for drawing and serving are our commands", () => {
  for (
    const word of [
      "txt2img",
      "img_gen",
      "img-gen",
      "t2i",
      "TXT2IMG",
      "sd",
      "./bin/sd-cli",
      "build/bin/sd",
      "sd.exe",
    ]
  ) {
    assertEquals([parseOptions([word, "-p", "a cat"]).command, prompt(word, "-p", "a cat")], [
      "generate",
      "a cat",
    ]);
  }
  assertEquals(parseOptions(["webui", "--port", "0"]).command, "serve");
  assertEquals(parseOptions(["quantize", "x.gguf", "--type", "q4_0"]).command, "convert");
  const converted = { ...parseOptions(["convert", "-m", "x.safetensors", "-o", "y.gguf", "--type", "q8_0"]) };
  for (const mode of [["-M", "convert"], ["--mode", "convert"], ["--mode=convert"]]) {
    assertEquals(
      parseOptions([...mode, "-m", "x.safetensors", "-o", "y.gguf", "--type", "q8_0"]),
      converted,
      mode.join(" "),
    );
  }
  assertEquals(parseOptions(["help", "plan"]), { ...parseOptions(["plan", "--help"]) });
  assertEquals(parseOptions(["extras", "a.png"]).command, "upscale");
  assertEquals(parseOptions(["help"]).ask, "help");
  assertEquals(parseOptions(["help", "txt2img"]), parseOptions(["help", "generate"]));
  assertEquals(parseOptions(["-V"]).ask, "version");
  assertEquals(parseOptions(["version"]).ask, "version");
});

Deno.test("other programs' commands that we have not are refused, with what to do instead", () => {
  const cases: [string[], string][] = [
    [["mflux-upscale", "a.png"], "`upscale PICTURE --upscale-model FILE`"],
    [["vid_gen", "a cat"], "videos"],
    [["metadata", "a.png"], "`inspect PICTURE`"],
    [["png-info", "a.png"], "`inspect PICTURE`"],
    [["outpaint", "a cat"], "--mask"],
    [["depth2img", "a cat"], "ControlNet"],
    [["login"], "HF_TOKEN"],
    [["api"], "`serve`"],
    [["server", "--port", "80"], "`serve`"],
    [["--mode", "vid_gen", "a cat"], "videos"],
    [["--mode", "metadata"], "There is no command `metadata`"],
    [["--mode", "img_gne", "a cat"], "did you mean img_gen?"],
  ];
  for (const [args, words] of cases) assertStringIncludes(refusal(...args), words);
  assertEquals(prompt("-M", "img_gen", "a cat"), "a cat");
  assertEquals(prompt("--mode=txt2img", "a cat"), "a cat");
});

Deno.test("a command that promises a picture or a mask is refused without it, under any of its names", () => {
  for (const args of [["img2img"], ["i2i"], ["img2img.py"], ["-M", "img2img"], ["--mode=img2img"]]) {
    assertStringIncludes(refusal(...args, "-p", "a cat"), "--init-img PICTURE is missing");
    assertEquals(parseOptions([...args, "-p", "a cat", "-i", "a.png"]).text.initImg, "a.png");
    assertEquals(parseOptions([...args, "--from", "a.png"]).command, "generate");
    assertEquals(parseOptions([...args, "--help"]).ask, "help");
  }
  assertStringIncludes(refusal("inpaint", "a cat"), "--init-img PICTURE and --mask PICTURE is missing");
  assertStringIncludes(refusal("inpaint", "a cat", "-i", "a.png"), "--mask PICTURE is missing");
  assertEquals(parseOptions(["inpaint", "a cat", "-i", "a.png", "--mask", "m.png"]).command, "generate");
});

Deno.test("a misspelt command names the command, and how to draw the word", () => {
  const cases: [string, string][] = [
    ["genrate", "generate"],
    ["Generate", "generate"],
    ["generat", "generate"],
    ["geenrate", "generate"],
    ["inspcet", "inspect"],
    ["comapre", "compare"],
    ["srve", "serve"],
    ["serv", "serve"],
    ["pln", "plan"],
    ["plna", "plan"],
  ];
  for (const [typed, meant] of cases) {
    const message = refusal(typed, "a cat");
    assertStringIncludes(message, `did you mean \`${meant}\`?`);
    assertStringIncludes(message, `generate "${typed} a cat"`);
  }
  assertStringIncludes(refusal("help", "genrate"), "did you mean `generate`?");
  assertEquals(prompt("help", "wanted"), "help wanted");
  for (const name of Object.keys(COMMANDS)) assertEquals(commandOf([name, "x"]).rest, ["x"]);
});

Deno.test("a file's name is no prompt, in quotation marks it is part of one", () => {
  for (
    const args of [["model.safetensors"], ["foo", "bar.gguf"], ["photo.PNG"], [
      "generate",
      "a/b.ckpt",
      "a cat",
    ]]
  ) {
    assertStringIncludes(refusal(...args), args.find((arg) => arg.includes("."))!);
  }
  assertStringIncludes(refusal("x.gguf"), "--model");
  assertStringIncludes(refusal("x.png"), "--init-img");
  assertStringIncludes(refusal("prompts.txt"), '-p "$(cat FILE)"');
  assertStringIncludes(refusal("workflow.json"), "ComfyUI");
  for (const args of [["-"], ["-p", "-"]]) assertStringIncludes(refusal(...args), '-p "$(cat)"');
  assertEquals(prompt("a", "-", "b"), "a - b");
  assertEquals(prompt("a cat reads model.gguf"), "a cat reads model.gguf");
  assertEquals(promptWords(["St.", "Basil's", "v1.5", "a.b"]).length, 4);
});
