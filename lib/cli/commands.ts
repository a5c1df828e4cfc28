/**
 * The commands, and first words that only look like one: those of other programs, and slips of the finger. A word that is
 * no command begins a prompt, so what was meant as a command must not be drawn.
 *
 * To add a command: a row here and its function in main.ts.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { nearest } from "../nearest.ts";

/** What the help says of a command. */
interface CommandHelp {
  /** One line. */
  readonly summary: string;
  /** Its words in the usage line. */
  readonly words: string;
  /** Command lines, without the program's name. */
  readonly examples: readonly string[];
}

/** The commands, by the name typed. */
export type CommandName =
  | "generate"
  | "plan"
  | "inspect"
  | "compare"
  | "tune-plan"
  | "serve"
  | "worker"
  | "queue"
  | "upscale"
  | "convert"
  | "download";

/** Every command, in the order of the help. */
export const COMMANDS: Readonly<Record<CommandName, CommandHelp>> = {
  generate: {
    summary: "make a picture from a prompt (the default command)",
    words: `"prompt"`,
    examples: [
      `"a red apple"`,
      `"a red apple" -W 512 -H 512 --seed 7 --out apple.png`,
      `"a red apple" --method direct --steps 20`,
      `generate --model ./FLUX.1-dev "a lighthouse at dusk" --size 1024`,
      `-m sd_xl_base_1.0.safetensors "a lighthouse at dusk"`,
      `-m flux1.gguf --vae ae.sft --clip_l clip_l.sft --t5xxl t5.gguf "a cat"`,
      `generate --from apple.png`,
    ],
  },
  plan: {
    summary: "stages, tokens, FLOPs and saving of a picture; needs no GPU",
    words: "",
    examples: ["plan --size 512", "plan --model ./FLUX.1-dev --size 2048 --init-noise 0.6 --json"],
  },
  inspect: {
    summary: "what a model folder or files of weights hold, and what is missing; needs no GPU",
    words: "[MODEL | FILE …]",
    examples: ["inspect ./FLUX.1-dev", "inspect flux1-dev.gguf ae.safetensors", "inspect"],
  },
  compare: {
    summary: "one contact sheet of methods × noise levels, with the time of each",
    words: `"prompt"`,
    examples: [
      `compare "a red apple" --size 512`,
      `compare "a red apple" --methods all --init-noises 0.6,0.8`,
    ],
  },
  "tune-plan": {
    summary: "measures which settings are worth their time with a model here, and stores presets",
    words: `["prompt"]`,
    examples: [
      "tune-plan --size 512 --budget 3x",
      "tune-plan --model ./FLUX.1-dev --prompts prompts.txt --methods lssgen,refine --out flux.json",
    ],
  },
  serve: {
    summary: "the page and an API as A1111's and OpenAI's clients know them",
    words: "",
    examples: ["serve", "serve --model ./FLUX.1-dev --port 8080"],
  },
  worker: {
    summary: "draws for a queue, beside other workers; needs --queue",
    words: "",
    examples: [
      "worker --queue redis://10.0.0.5:6379 --store s3+https://s3.example.org/pictures --models ./models",
    ],
  },
  queue: {
    summary: "list, retry, cancel and drain the jobs of a queue, and its workers; needs no GPU",
    words: "list|workers|retry|cancel|drain",
    examples: [
      "queue list --queue redis://10.0.0.5:6379",
      "queue retry all --queue redis://10.0.0.5:6379",
      "queue cancel 3f9a01c27d44 --queue redis://10.0.0.5:6379",
    ],
  },
  upscale: {
    summary: "enlarge pictures by an ESRGAN network",
    words: "PICTURE…",
    examples: [
      "upscale photo.jpg --upscale-model RealESRGAN_x4plus.safetensors --out large.png",
      "upscale apple.png --upscale-model realesr-animevideov3.safetensors --upscale-repeats 2",
    ],
  },
  convert: {
    summary: "weights in another type or format, or a model in one file; needs no GPU",
    words: "IN…",
    examples: [
      "convert flux1-dev.safetensors --type q4_k -o flux1-dev-q4_k.gguf",
      "convert ./stable-diffusion-xl --type f16 -o sdxl.safetensors",
      "convert ./FLUX.1-dev/text_encoder_2 --type q8_0 -o t5xxl-q8_0.gguf",
    ],
  },
  download: {
    summary: "fetch a model from a hub into its cache; needs no GPU",
    words: "ORG/NAME",
    examples: [
      "download stabilityai/stable-diffusion-xl-base-1.0",
      'download city96/FLUX.1-schnell-gguf --include "*Q4_K_S.gguf"',
      "download hf.co/black-forest-labs/FLUX.1-dev --revision main --local-dir ./FLUX.1-dev",
    ],
  },
};

const NAMES = Object.keys(COMMANDS) as CommandName[];

/** A command of ours, or what to do instead. */
type Meaning = CommandName | { readonly instead: string };

const DRAW: Meaning = { instead: "`generate` draws a picture" };
const SHOW: Meaning = { instead: "`inspect` shows what a model holds" };
const TIME: Meaning = { instead: "`compare` times methods, `deno task bench` kernels" };
const DESCRIBE: Meaning = { instead: "pictures are not described" };
const VIDEO: Meaning = { instead: "videos are not supported" };

/** Names of other programs' commands and modes, in lower case. */
const FOREIGN: Readonly<Record<string, Meaning>> = {
  txt2img: "generate",
  text2img: "generate",
  text2image: "generate",
  t2i: "generate",
  img2img: "generate",
  image2image: "generate",
  i2i: "generate",
  img_gen: "generate",
  "img-gen": "generate",
  webui: "serve",
  server: { instead: "`serve` starts the server" },
  inpaint: { instead: "`generate --init-img PNG --mask PNG` does that" },
  quantize: "convert",
  quantise: "convert",
  merge: { instead: "models are not merged; --lora applies LoRAs, `convert` puts parts into one file" },
  pull: "download",
  metadata: {
    instead: "`inspect` shows what a model holds, `generate --from PNG` reads a picture's parameters",
  },
  interrogate: DESCRIBE,
  caption: DESCRIBE,
  vid_gen: VIDEO,
  "vid-gen": VIDEO,
  img2vid: VIDEO,
  txt2vid: VIDEO,
  adetailer: { instead: "faces are not redrawn; `generate --init-img PNG --mask PNG` redraws a part" },
  finetune: { instead: "models are not trained here" },
  upscale_image: "upscale",
  "generate-image": "generate",
  "mflux-generate": "generate",
  "mflux-save": "convert",
  "mflux-upscale": {
    instead: "`upscale PICTURE --upscale-model FILE` enlarges by ESRGAN, not by FLUX's ControlNet",
  },
  "sd-cli": "generate",
  "sd-server": "serve",
  "launch.py": "serve",
  "webui.sh": "serve",
  "webui.py": "serve",
  "main.py": "serve",
  "txt2img.py": "generate",
  "img2img.py": "generate",
  "invokeai-web": "serve",
};

/** Those that English sentences begin with too: before another word they belong to a prompt. */
const FOREIGN_WORDS: Readonly<Record<string, Meaning>> = {
  sample: DRAW,
  dream: DRAW,
  imagine: DRAW,
  invoke: DRAW,
  run: DRAW,
  launch: { instead: "`serve` starts the server" },
  ui: { instead: "`serve` starts the page" },
  web: { instead: "`serve` starts the page" },
  info: SHOW,
  show: SHOW,
  models: { instead: "`inspect MODEL` shows what one holds, `serve --models DIR` offers those of a folder" },
  list: { instead: "`inspect MODEL` shows what a model holds" },
  rm: { instead: "files are removed with the system's own commands" },
  bench: TIME,
  benchmark: TIME,
};

/** Words that people draw, although a command is near: what CLIP's vocabulary holds of them, and some more. */
const THINGS = new Set(
  ("play plane planes plans plant plants planet plain plank plano plaza pan phan serge sere sieve serum seven severe " +
    "insect insects insert inspector compass compost compote company compose compete compact comrade general generals " +
    "generator generative queen queens quench quest worked workers workshop works").split(" "),
);

/** A file's name, as no prompt ends with one. */
const FILE = /^\S*\.(?:safetensors|sft|gguf|ckpt|pth?|bin|onnx|png|jpe?g|webp)$/i;

/** The command of a command line, and its other arguments. */
export interface CommandLine {
  /** The command. */
  readonly command: CommandName;
  /** What follows. */
  readonly rest: readonly string[];
  /** `help` and `version` as words. */
  readonly ask?: "help" | "version";
}

/**
 * Finds the command that a command line begins with; without one it is `generate`.
 *
 * @throws {LssgenError} `bad_option` for another program's command and for a misspelt one, with what to write instead.
 */
export function commandOf(args: readonly string[]): CommandLine {
  const [word = "", ...rest] = args;
  if (isCommand(word)) return { command: word, rest };
  const lower = word.toLowerCase();
  if (lower === "help" && (rest.length === 0 || isCommand(rest[0]) || rest[0].startsWith("-"))) {
    return { command: isCommand(rest[0]) ? rest[0] : "generate", rest, ask: "help" };
  }
  if (lower === "version" && rest.length === 0) return { command: "generate", rest, ask: "version" };
  // "sample of moss" and "web of a spider", without quotation marks, are prompts.
  const meant = Object.hasOwn(FOREIGN_WORDS, lower) && rest.length > 0 && /^[a-z]+$/.test(rest[0])
    ? undefined
    : foreignMode(word);
  if (meant) return { command: meant, rest };
  // stable-diffusion.cpp's command is an option: `-M convert -m in -o out`, `-M upscale -i in -o out`.
  for (const command of ["convert", "upscale"] as const) {
    const mode = args.findIndex((arg, i) =>
      arg === `--mode=${command}` || (/^(-M|--mode)$/.test(arg) && args[i + 1] === command)
    );
    if (mode >= 0) return { command, rest: args.toSpliced(mode, args[mode].includes("=") ? 1 : 2) };
  }
  const near = misspelt(lower);
  if (near) {
    throw new LssgenError(
      "bad_option",
      `"${word}" is no command, did you mean \`${near}\`? To draw the word: cli.ts generate "${
        args.join(" ")
      }"`,
    );
  }
  return { command: "generate", rest: args };
}

/**
 * Another program's command or mode: ours where there is one.
 *
 * @returns Undefined for a word that is none.
 * @throws {LssgenError} `bad_option` where there is none here, with what to do instead.
 */
export function foreignMode(word: string): CommandName | undefined {
  const lower = word.toLowerCase();
  const table = [FOREIGN, FOREIGN_WORDS].find((table) => Object.hasOwn(table, lower));
  const meant = table?.[lower];
  if (typeof meant !== "object") return meant;
  throw new LssgenError(
    "bad_option",
    `There is no command \`${lower}\`: ${meant.instead}. The commands are ${
      NAMES.join(", ")
    }; to draw the word, write cli.ts generate "${word}"`,
  );
}

/**
 * Words of a prompt, none of which is a file.
 *
 * @throws {LssgenError} `bad_option` for a file's name among several arguments or alone.
 */
export function promptWords(words: readonly string[]): readonly string[] {
  const file = words.find((word) => FILE.test(word));
  if (file === undefined) return words;
  const option = /\.(?:png|jpe?g|webp)$/i.test(file) ? "--init-img or --from" : "--model";
  throw new LssgenError(
    "bad_option",
    `"${file}" is the name of a file, not a word of a prompt: options name files (${option}). To draw it as words, put the ` +
      "whole prompt between quotation marks",
  );
}

function isCommand(word: string | undefined): word is CommandName {
  return word !== undefined && Object.hasOwn(COMMANDS, word);
}

/** The command that a word is one or two slips away from, the first letter right; short ones have too many neighbours for two. */
function misspelt(word: string): CommandName | undefined {
  if (!/^[a-z][a-z_-]+$/.test(word) || THINGS.has(word)) return undefined;
  return NAMES.find((name) =>
    name[0] === word[0] && nearest(word, [name], name.length > 5 ? 2 : 1) !== undefined
  );
}
