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

/** Characters of a line at most, and at least whatever the terminal's. */
const WIDTH = 100;
const LEAST_WIDTH = 40;
/** Characters that a description takes at least beside the options; on narrower terminals it stands below them. */
const LEAST_BESIDE = 40;
/** How far it is indented there. */
const BELOW = 6;

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
 * The help of one command, made from the table.
 *
 * @param info The model whose defaults are told. Without it they are "the model's".
 * @param columns Characters of a line, at most 100.
 */
export function helpText(command: CommandName, info?: ModelInfo, columns: number = WIDTH): string {
  const { summary, words, examples } = COMMANDS[command];
  const lineWidth = Math.max(LEAST_WIDTH, Math.min(WIDTH, columns));
  const options = OPTIONS.filter((option) => option.commands.includes(command))
    .map((option) => ({ ...option, ...option.by?.[command] }));
  const left = options.map(leftOf);
  const width = Math.max(...left.map(({ length }) => length)) + 2;
  const beside = lineWidth - width >= LEAST_BESIDE;
  const block = (option: Option): string[] =>
    beside
      ? wrap(describe(option, info), lineWidth - width).map((text, i) =>
        (i === 0 ? leftOf(option) : "").padEnd(width) + text
      )
      : [
        leftOf(option),
        ...wrap(describe(option, info), lineWidth - BELOW).map((text) => " ".repeat(BELOW) + text),
      ];
  const groups = Object.entries(OPTION_GROUPS).map(([title, rows]) =>
    [title, options.filter(({ name }) => rows.some((row) => row.name === name))] as const
  );
  const commands = Object.entries(COMMANDS).flatMap(([name, { summary }]) =>
    wrap(summary, lineWidth - 13).map((text, i) => `  ${(i === 0 ? name : "").padEnd(11)}${text}`)
  );
  return [
    ...wrap(`lssgen ${command}: ${summary}`, lineWidth),
    "",
    `Usage: deno run -A cli.ts ${
      [command === "generate" ? "[generate]" : command, words].join(" ").trim()
    } [options]`,
    "",
    ...info
      ? wrap(`Defaults are those of ${baseName(info.name)} (${info.pipeline}).`, lineWidth).concat("")
      : [],
    ...groups.flatMap(([title, rows]) => rows.length === 0 ? [] : [`${title}:`, ...rows.flatMap(block), ""]),
    ...(command === "generate" ? ["Commands (each with --help):", ...commands, ""] : []),
    "Examples:",
    ...examples.map((example) => `  deno run -A cli.ts ${example}`),
    "",
    ...(command === "generate" || command === "serve"
      ? wrap(
        "Options of stable-diffusion.cpp, A1111, diffusers, ComfyUI and others are understood where they mean the same; " +
          "docs/OPTIONS.md lists them. `--help -m MODEL` tells the defaults of that model.",
        lineWidth,
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
  const fallback = own ?? option.fallback ?? "";
  const notes = [
    option.choices ? option.choices.join(" | ") : "",
    fallback === "" ? "" : `default: ${fallback}`,
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
