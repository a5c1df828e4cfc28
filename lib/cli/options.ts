/**
 * The command line's options: one table, from which parsing, ranges, help (help.ts) and suggestions come. Spelled as
 * users of stable-diffusion.cpp know them, where the option exists there; those of other programs are in foreign_options.ts.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { LssgenError } from "../errors.ts";
import { PRESET_NAMES } from "../pipelines/presets.ts";
import { CACHE_MODES, RNGS } from "../pipelines/types.ts";
import { MOST_REPEATS, TILE_MARGIN, TILE_SIDES } from "../pipelines/upscaling.ts";
import { MAX_SEED } from "../random.ts";
import { WRITABLE_TYPES } from "../weights/quantise.ts";
import { ALL_METHODS, METHODS as REGISTERED } from "../scaling/methods/registry.ts";
import { PRIORITIES, SPLIT_STAGES } from "../server/policy.ts";
import { SAMPLER_NAMES, SCHEDULE_NAMES, scheduleNamed } from "../schedulers/registry.ts";
import { samplerNamed } from "../schedulers/samplers.ts";
import { type MethodName, UPSAMPLERS } from "../scaling/types.ts";
import { checkNeeds, type CommandName, commandOf, COMMANDS, foreignMode } from "./commands.ts";
import { elsewhere, FOREIGN_OPTIONS, FOREIGN_VALUES, foreignOption } from "./foreign_options.ts";
import { nearest } from "../nearest.ts";

export type { CommandName } from "./commands.ts";

/** One row of the option table. */
export interface Option {
  /** Long name without dashes; also the key of the parsed value, in camel case. */
  readonly name: string;
  /** Other spellings, with their dashes. */
  readonly also?: readonly string[];
  /** Type of the value; a flag takes none, a list is given once for each of its values. */
  readonly type: "text" | "integer" | "number" | "choice" | "flag" | "numbers" | "texts" | "list";
  /** Least allowed number. */
  readonly min?: number;
  /** Greatest allowed number. */
  readonly max?: number;
  /** Allowed words of a choice, or of the list of a `texts`. */
  readonly choices?: readonly string[];
  /** Further spellings of a choice. */
  readonly known?: (text: string) => boolean;
  /** Whether `--no-NAME` says the opposite. */
  readonly negatable?: boolean;
  /** What stands for the value in the help. */
  readonly value?: string;
  /** What happens without the option, for the help. */
  readonly fallback?: string;
  /** One line of help. */
  readonly help: string;
  /** What the help says otherwise in some commands; an empty `fallback` says nothing. */
  readonly by?: Readonly<Partial<Record<CommandName, Partial<Pick<Option, "value" | "fallback" | "help">>>>>;
  /** Values that are written for other options: those options, with their values. */
  readonly means?: (text: string) => readonly string[] | undefined;
  /** Commands that take it. */
  readonly commands: readonly CommandName[];
}

/** Values by option key (camel case); `prompt` also holds the words that are no option. */
export interface Parsed {
  /** The command. */
  readonly command: CommandName;
  /** `--help` or `--version`, which end the matter. */
  readonly ask?: "help" | "version";
  /** Words that are no option: the prompt, or the model to inspect. */
  readonly words: readonly string[];
  /** Texts and choices. */
  readonly text: Readonly<Record<string, string>>;
  /** Numbers. */
  readonly number: Readonly<Record<string, number>>;
  /** Flags that were given. */
  readonly flag: Readonly<Record<string, boolean>>;
  /** Lists of numbers. */
  readonly numbers: Readonly<Record<string, readonly number[]>>;
  /** Lists of words. */
  readonly texts: Readonly<Record<string, readonly string[]>>;
  /** Options of other programs that change nothing here, as sentences. */
  readonly notes: readonly string[];
}

/** Methods by name. */
export const METHODS: readonly MethodName[] = REGISTERED.map(({ name }) => name);
/** Further ones, for some models; that of --stages goes without saying. */
const CHOSEN: readonly string[] = ALL_METHODS.map(({ name }) => name).filter((name) => name !== "stages");
const MAKES: readonly CommandName[] = ["generate", "compare"];
const PLANS: readonly CommandName[] = ["generate", "plan", "compare"];
const LOADS: readonly CommandName[] = ["generate", "compare", "tune-plan", "serve"];
const PRINTS: readonly CommandName[] = [
  "generate",
  "plan",
  "inspect",
  "compare",
  "tune-plan",
  "upscale",
  "download",
  "queue",
];
/** What a picture is, apart from how it is drawn. */
const SHOWS: readonly CommandName[] = ["generate", "plan", "compare", "tune-plan"];
const ENLARGES: readonly CommandName[] = ["generate", "upscale"];
const QUEUES: readonly CommandName[] = ["serve", "worker", "queue"];
/** Where `--queue` may not be missing. */
const NEEDS_QUEUE = {
  fallback: "",
  help:
    "needed: Redis or Valkey between servers and workers, redis://HOST:6379 or rediss:// for TLS; its password may be in " +
    "LSSGEN_QUEUE_PASSWORD",
};
/** Pictures by their numbers in the help of `--out`. */
const NUMBERED =
  "file to write, .png, .jpg or .webp, all with the parameters inside; out_%03d.png and a folder number pictures";

/** "512x768" as width and height. */
function sidesOf(text: string): string[] | undefined {
  const [, width, height] = /^\s*(\d+)\s*[x×*]\s*(\d+)\s*$/i.exec(text) ?? [];
  return width === undefined ? undefined : ["--width", width, "--height", height];
}

/**
 * A schedule that is given as `--scheduler`, as stable-diffusion.cpp, A1111 and ComfyUI call it beside a sampler of its own
 * name: both have to count.
 */
function scheduleOf(text: string): string[] | undefined {
  if (/^automatic$/i.test(text)) return []; // A1111's word for the model's own
  const schedule = scheduleNamed(text) ?? FOREIGN_VALUES.schedule[text.toLowerCase()];
  return typeof schedule === "string" ? ["--schedule", schedule] : undefined;
}
const OPENS: readonly CommandName[] = ["generate", "plan", "inspect", "compare", "tune-plan", "serve"];
const ALL = Object.keys(COMMANDS) as CommandName[];

/** Every option of every command, by purpose, in the order of the help. To add one: a row here. */
export const OPTION_GROUPS: Readonly<Record<string, readonly Option[]>> = {
  "What to draw": [
    {
      name: "prompt",
      also: ["-p"],
      type: "text",
      value: "TEXT",
      help: "what to draw; the same as the words without a dash",
      commands: SHOWS,
    },
    {
      name: "negative-prompt",
      also: ["-n"],
      type: "text",
      value: "TEXT",
      help: "what to keep away from; works with --cfg-scale above 1",
      commands: MAKES,
    },
    {
      name: "prompt-2",
      type: "text",
      value: "TEXT",
      fallback: "the prompt",
      help: "what FLUX's T5, or SDXL's and SD3's second CLIP, reads instead",
      commands: MAKES,
    },
    {
      name: "prompt-3",
      type: "text",
      value: "TEXT",
      fallback: "the prompt",
      help: "what SD3's T5 reads instead",
      commands: MAKES,
    },
    {
      name: "negative-prompt-2",
      type: "text",
      value: "TEXT",
      fallback: "the negative prompt",
      help: "what to keep away from, for the encoder of --prompt-2",
      commands: MAKES,
    },
    {
      name: "negative-prompt-3",
      type: "text",
      value: "TEXT",
      fallback: "the negative prompt",
      help: "what to keep away from, for the encoder of --prompt-3",
      commands: MAKES,
    },
    {
      name: "emphasis",
      type: "flag",
      negatable: true,
      fallback: "on",
      help: "(word:1.3), [word], BREAK and <lora:name:0.8> have a meaning; off: all is text",
      commands: MAKES,
    },
  ],
  Model: [
    {
      name: "model",
      also: ["-m"],
      type: "text",
      value: "FILE|DIR",
      fallback: "the embedded model",
      help:
        "a file with everything or the denoiser alone, a folder as diffusers has it, or its name on a hub, ORG/NAME",
      by: {
        convert: { fallback: "", help: "what to convert; the same as the words without a dash" },
        download: {
          value: "ORG/NAME",
          fallback: "",
          help: "the model's name on the hub; the same as the word without a dash",
        },
      },
      commands: [...OPENS, "convert", "download"],
    },
    {
      name: "models",
      type: "text",
      value: "DIR",
      fallback: "none",
      help:
        "folder of further models, each a file or a folder, which requests name; each is loaded when one asks for it",
      commands: ["serve", "worker"],
    },
    {
      name: "diffusion-model",
      also: ["--diffusion_model"],
      type: "text",
      value: "FILE",
      fallback: "the model's",
      help: "UNet or transformer",
      commands: OPENS,
    },
    {
      name: "vae",
      type: "text",
      value: "FILE",
      fallback: "the model's",
      help: "autoencoder",
      commands: OPENS,
    },
    {
      name: "taesd",
      type: "text",
      value: "FILE|DIR",
      fallback: "none",
      help: "tiny autoencoder (TAESD) that decodes fast, or in place of a missing --vae",
      commands: OPENS,
    },
    {
      name: "clip-l",
      also: ["--clip_l"],
      type: "text",
      value: "FILE",
      fallback: "the model's",
      help: "text encoder CLIP L (SD2: CLIP H)",
      commands: OPENS,
    },
    {
      name: "clip-g",
      also: ["--clip_g"],
      type: "text",
      value: "FILE",
      fallback: "the model's",
      help: "text encoder CLIP bigG",
      commands: OPENS,
    },
    {
      name: "t5xxl",
      type: "text",
      value: "FILE",
      fallback: "the model's",
      help: "text encoder T5",
      commands: OPENS,
    },
    {
      name: "config",
      type: "text",
      value: "DIR",
      fallback: "derived from the weights",
      help: "folder in diffusers' layout whose configs and tokenizers go with --model FILE",
      commands: OPENS,
    },
    {
      name: "prediction",
      type: "choice",
      choices: ["eps", "v", "flow"],
      fallback: "as the file or its family says",
      help: "what the denoiser predicts, where its weights do not say",
      commands: OPENS,
    },
    {
      name: "lora",
      type: "list",
      value: "FILE[:SCALE]",
      fallback: "none",
      help: "a LoRA and its strength; may be given several times",
      commands: LOADS,
    },
    {
      name: "lora-model-dir",
      type: "text",
      value: "DIR",
      fallback: "none",
      help: "folder of the LoRAs that prompts name, <lora:name:0.8>",
      commands: [...LOADS, "worker"],
    },
    {
      name: "clip-skip",
      type: "integer",
      min: -1,
      max: 40,
      fallback: "the model's",
      help: "CLIP's layer from the end: 1 the last, 2 the last but one (SD1.5, SD2)",
      commands: PLANS,
    },
  ],
  "Size, number and seed": [
    {
      name: "width",
      also: ["-W"],
      type: "integer",
      min: 16,
      max: 16384,
      fallback: "the model's",
      help: "picture width in pixels",
      commands: SHOWS,
    },
    {
      name: "height",
      also: ["-H"],
      type: "integer",
      min: 16,
      max: 16384,
      fallback: "the model's",
      help: "picture height in pixels",
      commands: SHOWS,
    },
    {
      name: "size",
      type: "integer",
      min: 16,
      max: 16384,
      value: "N|WxH",
      means: sidesOf,
      help: "width and height in one: 512 or 512x768",
      commands: SHOWS,
    },
    {
      name: "count",
      also: ["-b", "--batch-count"],
      type: "integer",
      min: 1,
      max: 1000,
      fallback: "1",
      help: "pictures, with consecutive seeds",
      commands: ["generate"],
    },
    {
      name: "seed",
      also: ["-s"],
      type: "integer",
      min: -1,
      max: MAX_SEED,
      fallback: "42",
      help: "seed of the noise; -1 draws one",
      commands: [...MAKES, "tune-plan"],
    },
    {
      name: "rng",
      type: "choice",
      choices: RNGS,
      fallback: "philox",
      help: "noise: ours, or PyTorch's on CPU or CUDA for diffusers' pictures",
      commands: ["generate"],
    },
  ],
  Sampling: [
    {
      name: "steps",
      type: "integer",
      min: 1,
      max: 1000,
      fallback: "the model's",
      help: "denoising steps of a stage at full size",
      commands: SHOWS,
    },
    {
      name: "cfg-scale",
      type: "number",
      min: 0,
      max: 100,
      fallback: "1, off",
      help: "classifier-free guidance scale, two denoiser calls a step",
      commands: SHOWS,
    },
    {
      name: "guidance",
      type: "number",
      min: 0,
      max: 100,
      fallback: "the model's",
      help: "guidance strength (distilled guidance for FLUX.1 dev)",
      commands: SHOWS,
    },
    {
      name: "guidance-start",
      type: "number",
      min: 0,
      max: 1,
      fallback: "0",
      help: "share of the way from noise at which classifier-free guidance begins",
      commands: PLANS,
    },
    {
      name: "guidance-end",
      type: "number",
      min: 0,
      max: 1,
      fallback: "1",
      help: "share of the way at which it ends",
      commands: PLANS,
    },
    {
      name: "slg-scale",
      type: "number",
      min: 0,
      max: 100,
      fallback: "off, 2.8 with --skip-layers",
      help: "skip-layer guidance: away from what SD3.5 draws without some of its blocks; 0 is off",
      commands: PLANS,
    },
    {
      name: "skip-layers",
      type: "numbers",
      min: 0,
      max: 999,
      value: "N,M",
      fallback: "none, 7,8,9 with --slg-scale",
      help: "those blocks, counted from 0",
      commands: PLANS,
    },
    {
      name: "skip-layer-start",
      type: "number",
      min: 0,
      max: 1,
      fallback: "0.01",
      help: "share of the steps after which skip-layer guidance begins",
      commands: PLANS,
    },
    {
      name: "skip-layer-end",
      type: "number",
      min: 0,
      max: 1,
      fallback: "0.2",
      help: "share of the steps before which it ends",
      commands: PLANS,
    },
    {
      name: "cache-mode",
      type: "choice",
      choices: CACHE_MODES,
      fallback: "none",
      help: "first-block skips a step's further blocks where the first hardly changed; FLUX, SD3, DiT",
      commands: PLANS,
    },
    {
      name: "cache-threshold",
      type: "number",
      min: 0,
      max: 1e9,
      fallback: "0.05 with --cache-mode first-block",
      help: "relative change up to which they are skipped; 0 skips nothing",
      commands: PLANS,
    },
    {
      name: "scheduler",
      also: ["--sampling-method"],
      type: "choice",
      choices: SAMPLER_NAMES,
      known: (text) => samplerNamed(text) !== undefined,
      means: scheduleOf,
      fallback: "the model's",
      help:
        "sampler in place of the model's own; A1111's and ComfyUI's names go too, and a schedule is --schedule",
      commands: SHOWS,
    },
    {
      name: "schedule",
      type: "choice",
      choices: SCHEDULE_NAMES,
      known: (text) => scheduleNamed(text) !== undefined,
      fallback: "the model's",
      help: "how the noise levels are spaced",
      commands: SHOWS,
    },
    {
      name: "sigmas",
      type: "numbers",
      min: 0,
      max: 1000,
      value: "X,Y",
      fallback: "the schedule's",
      help: "the noise levels themselves, one of each step, in place of --steps and --schedule",
      commands: PLANS,
    },
  ],
  "Growing from a smaller picture": [
    {
      name: "preset",
      type: "choice",
      choices: PRESET_NAMES,
      fallback: "none",
      help: "settings that go together, the model's own or those of --presets",
      commands: ["generate", "plan"],
    },
    {
      name: "presets",
      type: "text",
      value: "FILE",
      fallback: "the model's",
      help: "presets that tune-plan has stored, for --preset",
      commands: ["generate", "plan"],
    },
    {
      name: "method",
      type: "choice",
      choices: CHOSEN,
      fallback: "lssgen",
      help: "how the picture grows to its size",
      commands: ["generate", "plan"],
    },
    {
      name: "min-resolution",
      type: "integer",
      min: 16,
      max: 16384,
      fallback: "the model's",
      help: "shorter side of the first stage in pixels",
      commands: PLANS,
    },
    {
      name: "init-noise",
      type: "number",
      min: 0,
      max: 1,
      fallback: "the model's, 0.75 for most",
      help: "noise level at which a later stage starts; 1 makes no stages",
      commands: ["generate", "plan"],
    },
    {
      name: "upsampler",
      type: "choice",
      choices: UPSAMPLERS,
      fallback: "learned",
      help: "what enlarges the latents between stages; pixel and esrgan (a network) by way of the picture",
      commands: SHOWS,
    },
    {
      name: "upsampler-weights",
      type: "text",
      value: "FILE|DIR",
      fallback: "the model's",
      help:
        "weights of the learned upsampler, or a safetensors file of an ESRGAN network for --upsampler esrgan",
      commands: [...LOADS, "plan"],
    },
    {
      name: "shorten",
      type: "flag",
      negatable: true,
      fallback: "the model's",
      help: "fewer steps in stages below the model's own size",
      commands: PLANS,
    },
    {
      name: "entry",
      type: "choice",
      choices: ["reference", "atMost", "exact", "noiseLevel"],
      fallback: "the model's",
      help: "where in its schedule a later stage starts",
      commands: PLANS,
    },
    {
      name: "stages",
      type: "text",
      value: "LIST",
      fallback: "the method's",
      help: "SIDE@NOISE:STEPS of each stage, 256:20,384@0.8:12,512@0.6:8",
      commands: ["generate", "plan"],
    },
    {
      name: "refine-steps",
      type: "integer",
      min: 1,
      max: 100,
      fallback: "1",
      help: "steps at full size, with --method refine",
      commands: ["generate", "plan"],
    },
    {
      name: "against",
      type: "integer",
      min: 1,
      max: 1000,
      value: "STEPS",
      fallback: "--steps",
      help: "steps of the direct run that savings are counted against",
      commands: ["plan"],
    },
    {
      name: "spectral-delta",
      type: "number",
      min: 0.0001,
      max: 0.9,
      fallback: "0.01",
      help: "power that may be lost, with --method spectral; less grows earlier",
      commands: ["generate", "plan"],
    },
  ],
  "What is measured": [
    {
      name: "prompts",
      type: "text",
      value: "FILE",
      fallback: "four of its own",
      help: "prompts to measure with, one a line",
      commands: ["tune-plan"],
    },
    {
      name: "budget",
      type: "text",
      value: "N",
      fallback: "3x",
      help: "how many times faster than direct the preset fast shall be",
      commands: ["tune-plan"],
    },
    {
      name: "quick",
      type: "flag",
      fallback: "off",
      help: "tries half as much",
      commands: ["tune-plan"],
    },
    {
      name: "reference-steps",
      type: "integer",
      min: 1,
      max: 1000,
      fallback: "twice the steps",
      help: "steps of the picture that others are compared with",
      commands: ["tune-plan"],
    },
    {
      name: "reference-method",
      type: "choice",
      choices: METHODS,
      fallback: "direct",
      help: "its method: lssgen at sizes where the model's direct pictures are bad",
      commands: ["tune-plan"],
    },
    {
      name: "judge",
      type: "text",
      value: "DIR",
      fallback: "SSIM to the reference",
      help: "a judge's folder (train in a checkout): counts pictures that show what was asked for",
      commands: ["tune-plan"],
    },
    {
      name: "judged-prompts",
      type: "integer",
      min: 1,
      max: 1000,
      fallback: "24",
      help: "how many of the judge's prompts to draw",
      commands: ["tune-plan"],
    },
    {
      name: "methods",
      type: "texts",
      choices: [...CHOSEN, "all"],
      value: "A,B",
      fallback: "direct,lssgen",
      help: "methods to compare, or all",
      by: { "tune-plan": { fallback: "all", help: "methods to measure" } },
      commands: ["compare", "tune-plan"],
    },
    {
      name: "init-noises",
      type: "numbers",
      min: 0,
      max: 1,
      value: "X,Y",
      fallback: "0.6,0.75,0.9",
      help: "noise levels to compare",
      commands: ["compare"],
    },
  ],
  "From a picture": [
    {
      name: "init-img",
      also: ["-i", "--image"],
      type: "text",
      value: "PICTURE",
      fallback: "none",
      help:
        "image-to-image: the PNG, JPEG, WebP, GIF or BMP to begin with; without a size the result has its size",
      by: { upscale: { fallback: "", help: "a picture to enlarge; the same as the words without a dash" } },
      commands: ["generate", "upscale"],
    },
    {
      name: "strength",
      type: "number",
      min: 0,
      max: 1,
      fallback: "0.75",
      help: "how far to go from --init-img",
      commands: ["generate"],
    },
    {
      name: "mask",
      type: "text",
      value: "PICTURE",
      fallback: "none",
      help: "inpainting: white is drawn anew, black and transparent keep --init-img",
      commands: ["generate"],
    },
    {
      name: "from",
      type: "text",
      value: "PICTURE",
      help:
        "make a picture again from the parameters stored in it (PNG, JPEG or WebP); other options change them",
      commands: ["generate"],
    },
  ],
  "Enlarging the result": [
    {
      name: "upscale-model",
      type: "text",
      value: "FILE",
      fallback: "none",
      help: "safetensors file of an ESRGAN or Real-ESRGAN network, which enlarges the finished picture",
      by: {
        upscale: { fallback: "", help: "safetensors file of the ESRGAN or Real-ESRGAN network; needed" },
      },
      commands: ENLARGES,
    },
    {
      name: "upscale-model-dir",
      type: "text",
      value: "DIR",
      fallback: "none",
      help: "folder of ESRGAN networks that requests name to enlarge finished pictures",
      commands: ["serve"],
    },
    {
      name: "upscale-repeats",
      type: "integer",
      min: 0,
      max: MOST_REPEATS,
      fallback: "1",
      help: "times that it is run; 0 leaves the picture as it is",
      by: { upscale: { help: "times that it is run" } },
      commands: ENLARGES,
    },
    {
      name: "upscale-tile-size",
      type: "integer",
      min: TILE_SIDES.min,
      max: TILE_SIDES.max,
      fallback: "as memory allows",
      help: "largest side of a tile in pixels of the picture, margins included",
      commands: ENLARGES,
    },
    {
      name: "upscale-tile-margin",
      type: "integer",
      min: 0,
      max: 4096,
      fallback: `${TILE_MARGIN}, or an eighth of smaller tiles`,
      help: "pixels that a tile sees beyond what is kept of it",
      commands: ENLARGES,
    },
  ],
  "Types of the weights": [
    {
      name: "type",
      type: "text",
      value: "TYPE",
      help: `type of matrices, quantised as they are read: ${
        WRITABLE_TYPES.map((type) => type.toLowerCase()).join(", ")
      }`,
      commands: ["convert", "generate", "plan", "compare", "tune-plan", "serve"],
    },
    {
      name: "tensor-type-rules",
      type: "text",
      value: "RULES",
      help: 'other types by name, REGEX=TYPE with commas between: "attn=q8_0,vae=f16"',
      commands: ["convert", "generate", "plan", "compare", "tune-plan", "serve"],
    },
  ],
  "What is fetched": [
    {
      name: "include",
      type: "list",
      value: "GLOB",
      fallback: "what a picture needs",
      help: 'files to fetch, "*" for all; may be given several times',
      commands: ["download"],
    },
    {
      name: "exclude",
      type: "list",
      value: "GLOB",
      fallback: "none",
      help: "files to leave out; may be given several times",
      commands: ["download"],
    },
    {
      name: "revision",
      type: "text",
      value: "NAME",
      fallback: "main",
      help: "branch, tag or commit",
      commands: ["download"],
    },
    {
      name: "local-dir",
      type: "text",
      value: "DIR",
      fallback: "the hub's cache, HF_HUB_CACHE",
      help: "folder to put the files in",
      commands: ["download"],
    },
  ],
  Files: [
    {
      name: "out",
      also: ["-o", "--output"],
      type: "text",
      value: "FILE|DIR",
      fallback: "output.png, else the next free number",
      help: `${NUMBERED}, otherwise --count makes NAME_2.png …`,
      by: {
        compare: {
          fallback: "compare.png, else the next free number",
          help: "PNG file to write, or its folder",
        },
        upscale: { help: `${NUMBERED}, otherwise a second one is NAME_2.png` },
        convert: { value: "FILE", fallback: "", help: "file to write, .gguf or .safetensors; needed" },
        "tune-plan": {
          value: "FILE",
          fallback: "presets.json",
          help:
            "JSON file for presets and measurements, a plot beside it; a run that was stopped goes on with it",
        },
      },
      commands: [...MAKES, "upscale", "convert", "tune-plan"],
    },
    {
      name: "force",
      type: "flag",
      fallback: "off",
      help: "overwrites files that are there",
      by: { "tune-plan": { help: "overwrites files that are there, and measures anew" } },
      commands: [...MAKES, "upscale", "convert", "tune-plan"],
    },
    {
      name: "output-begin-idx",
      type: "integer",
      min: 0,
      max: 1_000_000_000,
      value: "N",
      fallback: "after the last there is",
      help: "number of the first picture, where --out holds %d or is a folder",
      commands: ["generate"],
    },
    {
      name: "disable-image-metadata",
      type: "flag",
      help: "pictures say nothing about how they were made",
      commands: ["generate", "upscale", "serve"],
    },
  ],
  Previews: [
    {
      name: "preview",
      type: "choice",
      choices: ["none", "auto", "proj", "tae", "vae"],
      fallback: "none",
      help: "writes the picture as it grows: by colour factors, TAESD or the VAE",
      commands: ["generate"],
    },
    {
      name: "preview-path",
      type: "text",
      value: "PNG",
      fallback: "preview.png",
      help: "where previews go",
      commands: ["generate"],
    },
    {
      name: "preview-interval",
      type: "integer",
      min: 1,
      max: 1000,
      value: "K",
      fallback: "1",
      help: "a preview every K steps",
      commands: ["generate"],
    },
    {
      name: "taesd-preview-only",
      type: "flag",
      fallback: "off",
      help: "the tiny autoencoder makes previews only",
      commands: ["generate", "serve"],
    },
  ],
  "Memory and speed": [
    {
      name: "dtype",
      type: "choice",
      choices: ["f32", "f16"],
      fallback: "f16 where the adapter has it",
      help: "type of the activations",
      commands: [...LOADS, "upscale", "worker"],
    },
    {
      name: "keep-quantised",
      type: "flag",
      negatable: true,
      fallback: "where a part would take more than 512 MiB in 16 bits",
      help: "GGUF, FP8 and --type weights stay so on the GPU: less memory, some of the speed",
      commands: ["generate", "plan", "compare", "tune-plan", "serve"],
    },
    {
      name: "integer-dot",
      type: "flag",
      negatable: true,
      fallback: "off",
      help: "with such weights: inputs of products become bytes where that is faster, less exact",
      commands: ["generate", "plan", "compare", "tune-plan", "serve"],
    },
    {
      name: "max-activation",
      type: "integer",
      min: 1,
      max: 65536,
      value: "MIB",
      fallback: "256 for guidance, 1024 for the VAE and for enlarging",
      help: "beyond it guidance takes two calls, the VAE and enlarging tiles",
      by: { upscale: { fallback: "1024", help: "beyond it a picture is enlarged in tiles" } },
      commands: [...LOADS, "upscale", "worker"],
    },
    {
      name: "max-vram",
      type: "integer",
      min: 1,
      max: 1 << 20,
      value: "MIB",
      fallback: "no limit",
      help: "GPU memory to keep within: weights that do not fit are read as they are used",
      by: { upscale: { help: "GPU memory to keep within: tiles become smaller" } },
      commands: [...LOADS, "plan", "inspect", "upscale"],
    },
    {
      name: "offload",
      type: "choice",
      choices: ["cpu", "disk"],
      fallback: "disk",
      help: "where those weights are: read from the files at every use, or kept in the host's memory",
      commands: LOADS,
    },
    {
      name: "max-offload",
      type: "integer",
      min: 0,
      max: 1 << 20,
      value: "MIB",
      fallback: "8192",
      help: "most that --offload cpu keeps; what is beyond is read from the files",
      commands: LOADS,
    },
    {
      name: "threads",
      also: ["-t"],
      type: "integer",
      min: -1,
      max: 1024,
      fallback: "two a processor",
      help: "threads of a software adapter (Mesa's llvmpipe); GPUs have their own",
      commands: [...LOADS, "upscale"],
    },
  ],
  Server: [
    {
      name: "host",
      type: "text",
      value: "NAME",
      fallback: "127.0.0.1, this machine only",
      help: "address to listen on; 0.0.0.0 lets the network in",
      commands: ["serve"],
    },
    {
      name: "port",
      type: "integer",
      min: 0,
      max: 65535,
      fallback: "7860",
      help: "where to listen; 0 takes a free one",
      commands: ["serve"],
    },
    {
      name: "token",
      type: "list",
      value: "TEXT",
      fallback: "LSSGEN_TOKEN of the environment, or none",
      help:
        "what clients of the API have to send as Authorization: Bearer TEXT; given several times, each has jobs and a share of its own",
      commands: ["serve"],
    },
    {
      name: "cors",
      type: "list",
      value: "ORIGIN",
      fallback: "none",
      help: 'pages that may use the API, as "https://example.org"; "*" for all; may be given several times',
      commands: ["serve"],
    },
    {
      name: "client-header",
      type: "text",
      value: "NAME",
      fallback: "the client's address counts",
      help: "header by which a proxy says who asks, for fair shares, such as X-Real-IP",
      commands: ["serve"],
    },
    {
      name: "max-size",
      type: "integer",
      min: 16,
      max: 16384,
      fallback: "2048",
      help: "largest picture that clients may ask for, as a square's side",
      by: { worker: { help: "largest picture that this worker draws, as a square's side" } },
      commands: ["serve", "worker"],
    },
  ],
  "Several machines": [
    {
      name: "queue",
      type: "text",
      value: "URL",
      fallback: "none: this process draws; its password may be in LSSGEN_QUEUE_PASSWORD",
      help: "Redis or Valkey between servers and workers, redis://HOST:6379 or rediss:// for TLS",
      by: { worker: NEEDS_QUEUE, queue: NEEDS_QUEUE },
      commands: QUEUES,
    },
    {
      name: "store",
      type: "text",
      value: "DIR|URL",
      fallback: "lssgen-store",
      help: "where pictures of the queue lie: a folder that all see, or s3+https://HOST/BUCKET",
      commands: QUEUES,
    },
    {
      name: "priority",
      type: "choice",
      choices: PRIORITIES,
      fallback: "normal",
      help: "share that requests of this server have of the workers: four times, or a quarter",
      commands: ["serve"],
    },
    {
      name: "split-stages",
      type: "choice",
      choices: SPLIT_STAGES,
      fallback: "auto: where pictures wait for the large workers and small ones have less to do",
      help:
        "whether a small worker draws the first stages of a large picture, and a large worker the last one",
      commands: ["serve"],
    },
    {
      name: "lease",
      type: "number",
      min: 1,
      max: 3600,
      fallback: "30",
      help: "seconds that a worker may be silent before its job is given to another",
      commands: ["worker"],
    },
    {
      name: "drain",
      type: "number",
      min: 0,
      max: 3600,
      fallback: "25",
      help: "seconds that the running job may take after SIGTERM, before it is left for another worker",
      commands: ["worker"],
    },
  ],
  Messages: [
    {
      name: "json",
      type: "flag",
      help: "one JSON object on standard output instead of text",
      commands: PRINTS,
    },
    {
      name: "quiet",
      also: ["-q"],
      type: "flag",
      fallback: "off",
      help: "no progress, notes and warnings",
      commands: ALL,
    },
    {
      name: "verbose",
      also: ["-v"],
      type: "flag",
      fallback: "off",
      help: "where an error came from",
      by: { generate: { help: "the plan before the picture, and where an error came from" } },
      commands: ALL,
    },
    {
      name: "mode",
      also: ["-M"],
      type: "choice",
      choices: ["img_gen", "txt2img", "img2img"],
      fallback: "img_gen",
      help: "stable-diffusion.cpp's word for the command; changes nothing",
      commands: ["generate"],
    },
    { name: "help", also: ["-h"], type: "flag", help: "this text", commands: ALL },
    { name: "version", also: ["-V"], type: "flag", help: "the program's version", commands: ALL },
  ],
};

/** All of them. */
export const OPTIONS: readonly Option[] = Object.values(OPTION_GROUPS).flat();

/** The row of an option, by the key of its value. */
export function optionNamed(key: string): Option | undefined {
  return OPTIONS.find(({ name }) => keyOf(name) === key);
}

/** camelCase of an option's name: the key of its value. */
function keyOf(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** Every way to write an option's name. */
export function spellings(option: Option): string[] {
  return [`--${option.name}`, ...option.also ?? [], ...option.negatable ? [`--no-${option.name}`] : []];
}

function usage(message: string): LssgenError {
  return new LssgenError("bad_option", message);
}

/**
 * Reads a command line. The table turns every spelling into `--name=value`, `parseArgs` reads that, and the table checks the
 * values.
 *
 * @param args Arguments after the program's name. The first word may name a command; without one it is `generate`.
 * @throws {LssgenError} `bad_option` for an unknown option (with the nearest one), a missing value, or a value
 * outside its range; as {@linkcode commandOf}.
 */
export function parseOptions(args: readonly string[]): Parsed {
  const { command, rest, ask, needs } = commandOf(args);
  const named: SpelledOut = ask ? askedFor(ask, rest, command) : spelledOut(rest, command);
  const values: Readonly<Record<string, unknown>> = parseArgs(named.options, {
    string: OPTIONS.map(({ name }) => name),
    collect: OPTIONS.filter(({ type }) => type === "list").map(({ name }) => name),
  });
  const text: Record<string, string> = {};
  const number: Record<string, number> = {};
  const flag: Record<string, boolean> = {};
  const numbers: Record<string, number[]> = {};
  const texts: Record<string, string[]> = {};
  for (const [name, spelled] of named.spellings) {
    const option = OPTIONS.find((o) => o.name === name)!;
    const key = keyOf(name);
    const value = values[name];
    if (option.type === "list") {
      texts[key] = value as string[];
      for (const one of texts[key]) checkText(option, spelled, one);
    }
    if (typeof value !== "string") continue;
    switch (option.type) {
      case "flag":
        flag[key] = value === "true";
        break;
      case "integer":
      case "number":
        number[key] = toNumber(option, spelled, value);
        break;
      case "numbers":
        // stable-diffusion.cpp takes its lists in brackets too.
        numbers[key] = value.replace(/^\s*\[(.*)\]\s*$/, "$1").split(",").map((part) =>
          toNumber(option, spelled, part)
        );
        break;
      case "texts":
        texts[key] = value.split(",").map((part) => toChoice(option, spelled, part));
        break;
      case "choice":
        text[key] = toChoice(option, spelled, value);
        break;
      default:
        checkText(option, spelled, value);
        text[key] = value;
    }
  }
  if (!named.ask) {
    const given = (name: string): boolean => named.spellings.has(name);
    for (const one of [needs, foreignMode(text.mode ?? "")?.needs]) checkNeeds(one, given);
  }
  return {
    command,
    ...named.ask && { ask: named.ask },
    words: named.words,
    text,
    number,
    flag,
    numbers,
    texts,
    notes: named.notes ?? [],
  };
}

/** A command line whose options are all written as `--name=value`. */
interface SpelledOut {
  /** See {@linkcode Parsed.ask}. */
  readonly ask?: "help" | "version";
  /** The options, in order; a flag's value is `true` or `false`. */
  readonly options: readonly string[];
  /** What is no option. */
  readonly words: readonly string[];
  /** How each option was last spelled, by its name: for messages. */
  readonly spellings: ReadonlyMap<string, string>;
  /** Options of other programs that change nothing here, as sentences. */
  readonly notes?: readonly string[];
}

/** Options that `--help` reads: which model's defaults it tells. Whatever else is wrong, the help comes. */
const HELPS_WITH: readonly string[] = [
  "model",
  "diffusion-model",
  "vae",
  "clip-l",
  "clip-g",
  "t5xxl",
  "config",
  "prediction",
];

/** What is left of a command line that asks for the help or the version. */
function askedFor(ask: "help" | "version", args: readonly string[], command: CommandName): SpelledOut {
  const options: string[] = [];
  const spelled = new Map<string, string>();
  for (const [i, arg] of (ask === "help" ? args : []).entries()) {
    const [name, attached] = splitAtEquals(arg);
    const option = OPTIONS.find((o) => HELPS_WITH.includes(o.name) && spellings(o).includes(name));
    const value = attached ?? args[i + 1];
    if (!option?.commands.includes(command) || value === undefined) continue;
    spelled.set(option.name, name);
    options.push(`--${option.name}=${value}`);
  }
  return { ask, options, words: [], spellings: spelled };
}

/** An argument, and the option of another program that it stands for. */
interface Argument {
  readonly text: string;
  readonly for?: string;
}

function spelledOut(given: readonly string[], command: CommandName): SpelledOut {
  const args = given.map((text): Argument => ({ text }));
  const options: string[] = [];
  const words: string[] = [];
  const spellings = new Map<string, string>();
  const notes = new Map<string, string[]>();
  const factors = new Map<string, number>();
  /** The last option with a number, and how many words there were before it. */
  let numbered: { readonly spelled: string; readonly words: number } | undefined;
  // Whatever else is wrong, the help comes.
  const asked = (given.includes("--") ? given.slice(0, given.indexOf("--")) : given).find((arg) =>
    /^(-h|--help|-V|--version)$/.test(arg)
  );
  if (asked) return askedFor(/^(-V|--version)$/.test(asked) ? "version" : "help", given, command);
  for (let i = 0; i < args.length; i++) {
    const { text: arg, for: by } = args[i];
    if (arg === "--") {
      numbered = undefined; // what follows was meant as words
      words.push(...args.slice(i + 1).map(({ text }) => text));
      break;
    }
    if (!/^-[^\d.]/.test(arg)) {
      words.push(arg);
      continue;
    }
    if (numbered) refuseFurther(numbered.spelled, words, numbered.words);
    numbered = undefined;
    const [typed, attached] = splitAtEquals(arg);
    const next = args[i + 1]?.text;
    const own = ownOption(typed);
    const foreign = own ? undefined : foreignOption(typed, attached, next, command);
    if (typeof foreign === "string") throw usage(foreign);
    if (foreign) {
      if (foreign.note !== undefined) notes.set(foreign.note, [...notes.get(foreign.note) ?? [], typed]);
      const inPlace = [...foreign.args];
      if (foreign.factor !== undefined) {
        // Pictures of a batch, and batches.
        factors.set(typed, foreign.factor);
        inPlace[inPlace.length - 1] = String([...factors.values()].reduce((a, b) => a * b));
      }
      // What it is here is read in its place.
      args.splice(i--, 1 + foreign.taken, ...inPlace.map((text) => ({ text, for: typed })));
      continue;
    }
    const spelled = by === undefined ? typed : `${by} (${typed} here)`;
    const other = elsewhere(typed, attached ?? next, command);
    if (other !== undefined) throw usage(other);
    const option = belonging(own, spelled, typed, command);
    const { value, taken } = valueOf(option, { spelled, typed, attached, next });
    i += taken;
    const meant = option.means?.(value);
    if (meant) {
      args.splice(i + 1, 0, ...meant.map((text) => ({ text, for: spelled })));
      continue;
    }
    if (option.type === "integer" || option.type === "number") numbered = { spelled, words: words.length };
    spellings.set(option.name, spelled);
    options.push(`--${option.name}=${value}`);
  }
  if (numbered) refuseFurther(numbered.spelled, words, numbered.words);
  return { options, words, spellings, notes: [...notes].map(noteOf) };
}

/** An option as it stands on a command line. */
interface Typed {
  /** For messages: as typed, or the option of another program that it stands for. */
  readonly spelled: string;
  readonly typed: string;
  /** What an equals sign attaches to it. */
  readonly attached?: string;
  /** The argument behind it. */
  readonly next?: string;
}

/** An option's value, `true` or `false` of a flag, and how many arguments behind the option it takes. */
function valueOf(
  option: Option,
  { spelled, typed, attached, next }: Typed,
): { value: string; taken: number } {
  if (option.type === "flag") {
    if (attached !== undefined) throw usage(`Option ${spelled} takes no value, got "${attached}"`);
    return { value: String(!typed.startsWith("--no-")), taken: 0 };
  }
  if (attached !== undefined) return { value: attached, taken: 0 };
  if (next !== undefined && !/^-[^\d.]/.test(next)) return { value: next, taken: 1 };
  throw usage(
    `Option ${spelled} needs a value, ${expected(option)}` +
      (next === undefined ? "" : `; a value that begins with a dash is written ${typed}=${quoted(next)}`),
  );
}

/**
 * Numbers behind the value of an option, where the words came before it: `"a cat" --seed 1 2 3` does not mean the prompt "a cat 2 3".
 *
 * @param words All words so far; the first `before` of them stood before the option.
 */
function refuseFurther(spelled: string, words: readonly string[], before: number): void {
  const further = words.slice(before);
  if (before === 0 || further.length === 0 || !further.every((word) => /^-?\d+(\.\d+)?$/.test(word))) return;
  throw usage(
    `Option ${spelled} takes one number; ${
      further.map((word) => `"${word}"`).join(", ")
    } after it would be words of "${words.slice(0, before).join(" ")}": leave ${
      further.length === 1 ? "it" : "them"
    } out, or quote all words together`,
  );
}

/** A reason as a sentence about the options that it holds for. */
function noteOf([why, names]: readonly [string, readonly string[]]): string {
  const [last, ...before] = [...new Set(names)].reverse();
  return before.length === 0
    ? `${last} changes nothing: ${why}`
    : `${before.reverse().join(", ")} and ${last} change nothing: ${why}`;
}

/** A text as a shell reads it. */
function quoted(text: string): string {
  return /\s/.test(text) ? `"${text}"` : text;
}

function splitAtEquals(arg: string): [string, string | undefined] {
  const at = arg.indexOf("=");
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}

/** The option that is spelled so, also with underscores for dashes, as Python's programs have them. */
function ownOption(spelled: string): Option | undefined {
  const named = (text: string): Option | undefined => OPTIONS.find((o) => spellings(o).includes(text));
  return named(spelled) ?? (/^--\w+$/.test(spelled) ? named(spelled.replaceAll("_", "-")) : undefined);
}

/**
 * An option of this command.
 *
 * @param spelled As it is said in messages.
 * @param typed As it was found.
 * @throws {LssgenError} `bad_option` for none, with the nearest one, and for one of other commands.
 */
function belonging(
  option: Option | undefined,
  spelled: string,
  typed: string,
  command: CommandName,
): Option {
  if (option?.commands.includes(command)) return option;
  const known = OPTIONS.filter((o) => o.commands.includes(command)).flatMap(spellings);
  if (option) {
    const others = option.commands.map((name) => `\`${name}\``).join(", ");
    const near = nearest(typed, known.filter((name) => name.startsWith("--")), 1);
    throw usage(
      `Option ${spelled} does not belong to \`${command}\`, only to ${others}` +
        (near ? `; \`${command}\` has ${near}` : ""),
    );
  }
  const near = meantBy(typed, known, command);
  throw usage(
    `Unknown option ${quoted(spelled)}` +
      (near ? `, did you mean ${near}?` : `; \`${command} --help\` lists all of them`),
  );
}

/** What was probably meant by an option that there is not. */
function meantBy(typed: string, known: readonly string[], command: CommandName): string | undefined {
  // Short options have values and other options behind them: -W512, -qv.
  const [, short, rest] = /^(-[A-Za-z])(.+)$/.exec(typed) ?? [];
  const option = short === undefined ? undefined : ownOption(short);
  if (option?.commands.includes(command)) {
    if (option.type !== "flag" && /^[\d.:]/.test(rest)) return `${short} ${rest}`;
    const bundle = [...typed.slice(1)].map((letter) => `-${letter}`);
    if (bundle.every((one) => ownOption(one)?.type === "flag" && known.includes(one))) {
      return bundle.join(" ");
    }
  }
  const long = typed.toLowerCase().replace(/^-+/, "--").replaceAll("_", "-");
  const body = long.length - 2;
  if (body < 2) return long === "--h" ? "--help" : undefined; // a letter is near every other one
  const theirs = FOREIGN_OPTIONS.filter(({ as }) => {
    const [first] = as?.split(" ") ?? [];
    return first !== undefined && ownOption(first)?.commands.includes(command);
  }).flatMap(({ names }) => names.split(" "));
  const candidates = [...known, ...theirs].filter((name) => /^--../.test(name));
  const [begun] = candidates.filter((name) => name.startsWith(long)).sort((a, b) => a.length - b.length);
  return begun ?? nearest(long, candidates, Math.max(1, Math.floor(body / 3)));
}

function toNumber(option: Option, spelled: string, text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  const whole = option.type !== "integer" || Number.isSafeInteger(value);
  const { min = -Infinity, max = Infinity } = option;
  if (!Number.isFinite(value) || !whole || value < min || value > max) {
    throw usage(`Option ${spelled} is "${text}", expected ${expected(option)}`);
  }
  return value;
}

function toChoice(option: Option, spelled: string, text: string): string {
  const choices = option.choices ?? [];
  if (choices.includes(text) || option.known?.(text)) return text;
  if (option.name === "mode") foreignMode(text);
  const values = FOREIGN_VALUES[option.name] ?? {};
  const meant = Object.hasOwn(values, text.toLowerCase()) ? values[text.toLowerCase()] : undefined;
  if (typeof meant === "string") return meant;
  if (meant) throw usage(`Option ${spelled} ${text} is not supported: ${meant.instead}`);
  const near = nearest(text, [...choices, ...Object.keys(values)]);
  throw usage(
    `Option ${spelled} is "${text}", expected ${expected(option)}` + (near ? `; did you mean ${near}?` : ""),
  );
}

/** Refuses texts that name nothing: a shell's variable that is not set, and a home folder that the shell left as it was. */
function checkText(option: Option, spelled: string, text: string): void {
  if (option.value === "TEXT" || option.value === "RULES") return;
  if (text.trim() === "") throw usage(`Option ${spelled} is "${text}", expected ${expected(option)}`);
  if (!/^~[\\/]/.test(text) || !PATH.test(option.value ?? "")) return;
  throw usage(
    `Option ${spelled} is "${text}": shells put the home folder in place of ~ where a word begins with it, and without quotation ` +
      `marks, ${spelled} ${text}`,
  );
}

/** Values by their word in the help, as phrases. */
const EXPECTED: Readonly<Record<string, string>> = {
  "FILE|DIR": "a file or folder",
  DIR: "a folder",
  "DIR|URL": "a folder or an address",
  URL: "an address",
  PNG: "a .png file",
  PICTURE: "a picture",
  ORIGIN: "an origin",
  NAME: "a name",
};

/** Values that are files or folders. */
const PATH = /FILE|DIR|PICTURE|PNG/;

/** What a value must be, as a phrase. */
function expected(option: Option): string {
  switch (option.type) {
    case "integer":
    case "number":
    case "numbers": {
      const noun = { integer: "a whole number", number: "a number", numbers: "numbers separated by commas" };
      const top = option.max === MAX_SEED ? "2^53 - 1" : option.max;
      return `${noun[option.type]} from ${option.min} to ${top}`;
    }
    case "choice":
      return `one of ${option.choices?.join(", ")}`;
    case "texts":
      return `a list, separated by commas, of ${option.choices?.join(", ")}`;
    default:
      return EXPECTED[option.value ?? ""] ?? (option.value?.startsWith("FILE") ? "a file" : "a text");
  }
}
