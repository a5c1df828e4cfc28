/**
 * The help of a command: its options by purpose, with the defaults of the model that would draw.
 *
 * @module
 */

import type { ModelInfo } from "../pipelines/types.ts";
import { a1111Names } from "../schedulers/a1111_names.ts";
import { baseName } from "../base_name.ts";
import { type CommandName, COMMANDS } from "./commands.ts";
import { type Option, OPTION_GROUPS, OPTIONS } from "./options.ts";

/** Characters of a line. */
const WIDTH = 100;

/** A model's own settings, by the option that takes their place. */
const OWN: Readonly<Record<string, (info: ModelInfo) => string | number | undefined>> = {
  "width": ({ defaults }) => defaults.width,
  "height": ({ defaults }) => defaults.height,
  "steps": ({ defaults }) => defaults.steps,
  "guidance": ({ defaults }) => defaults.guidance,
  "cfg-scale": ({ defaults, embeddedGuidance }) => embeddedGuidance ? "1, off" : defaults.guidance,
  "clip-skip": ({ clipLayers }) => clipLayers?.own ?? "none: this model reads no layer of CLIP",
  "min-resolution": ({ defaults }) => defaults.minResolution,
  "init-noise": ({ defaults }) => defaults.initNoise,
  "upsampler": ({ defaults: { upsampler }, learnedUpsampler }) =>
    upsampler === "learned" && !learnedUpsampler ? "bicubic, as this model brings no learned one" : upsampler,
  "shorten": ({ defaults }) => defaults.shortenSteps ? "on" : "off",
  "entry": ({ defaults }) => defaults.entry,
  "scheduler": ({ scheduler }) => a1111Names({}, scheduler).sampler ?? String(scheduler._class_name),
};

/**
 * The help of one command, made from the table. Lines are at most 100 characters wide.
 *
 * @param info The model whose defaults are told. Without it they are "the model's".
 */
export function helpText(command: CommandName, info?: ModelInfo): string {
  const { summary, words, examples } = COMMANDS[command];
  const options = OPTIONS.filter((option) => option.commands.includes(command));
  const left = options.map(leftOf);
  const width = Math.max(...left.map(({ length }) => length)) + 2;
  const block = (option: Option): string[] =>
    wrap(describe(option, info), WIDTH - width).map((text, i) =>
      (i === 0 ? leftOf(option) : "").padEnd(width) + text
    );
  const groups = Object.entries(OPTION_GROUPS).map(([title, rows]) =>
    [title, rows.filter((row) => options.includes(row))] as const
  );
  const commands = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`);
  return [
    `lssgen ${command}: ${summary}`,
    "",
    `Usage: deno run -A cli.ts ${
      [command === "generate" ? "[generate]" : command, words].join(" ").trim()
    } [options]`,
    "",
    ...info ? [`Defaults are those of ${baseName(info.name)} (${info.pipeline}).`, ""] : [],
    ...groups.flatMap(([title, rows]) => rows.length === 0 ? [] : [`${title}:`, ...rows.flatMap(block), ""]),
    ...(command === "generate" ? ["Commands (each with --help):", ...commands, ""] : []),
    "Examples:",
    ...examples.map((example) => `  deno run -A cli.ts ${example}`),
    "",
    ...(command === "generate" || command === "serve"
      ? wrap(
        "Options of stable-diffusion.cpp, A1111, diffusers, ComfyUI and others are understood where they mean the same; " +
          "docs/OPTIONS.md lists them. `--help -m MODEL` tells the defaults of that model.",
        WIDTH,
      ).concat("")
      : []),
  ].join("\n");
}

function leftOf(option: Option): string {
  const long = option.negatable ? `--[no-]${option.name}` : `--${option.name}`;
  const names = [...(option.also ?? []).filter((name) => !name.startsWith("--")), long].join(", ");
  const shown = option.value ?? { integer: "N", number: "X", choice: "WORD" }[option.type as string];
  return `  ${names}${shown ? " " + shown : ""}`;
}

function describe(option: Option, info: ModelInfo | undefined): string {
  const own = info && Object.hasOwn(OWN, option.name) ? OWN[option.name](info) : undefined;
  const fallback = own ?? option.fallback;
  const notes = [
    option.choices ? option.choices.join(" | ") : "",
    fallback === undefined ? "" : `default: ${fallback}`,
  ].filter((note) => note !== "");
  return option.help + (notes.length > 0 ? ` (${notes.join("; ")})` : "");
}

function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last !== "" && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines;
}
