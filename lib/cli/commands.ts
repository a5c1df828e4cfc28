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
import { PICTURE_NAME, WEIGHTS_NAME } from "./file_names.ts";

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
    summary: "what a model folder or files of weights hold, or how pictures were made; needs no GPU",
    words: "[MODEL | FILE … | PICTURE …]",
    examples: [
      "inspect ./FLUX.1-dev",
      "inspect flux1-dev.gguf ae.safetensors",
      "inspect",
      "inspect apple.png",
    ],
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
    summary: "the page, and APIs as A1111's, OpenAI's and ComfyUI's clients know them",
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

/** A command of ours, one with an option that has to be given with it, or what to do instead. */
type Meaning = CommandName | NeedyCommand | { readonly instead: string };

/** A word that says more than its command. */
interface NeedyCommand {
  readonly command: CommandName;
  /** Options without which the word would promise something else than what is done. */
  readonly needs: readonly string[];
}

const FROM_PICTURE: Meaning = { command: "generate", needs: ["init-img"] };
const REPAINT: Meaning = { command: "generate", needs: ["init-img", "mask"] };
const DRAW: Meaning = { instead: "`generate` draws a picture" };
const SERVE: Meaning = { instead: "`serve` starts the page and the server" };
const SHOW: Meaning = { instead: "`inspect` shows what a model holds" };
const TIME: Meaning = { instead: "`compare` times methods, `deno task bench` kernels" };
const DESCRIBE: Meaning = { instead: "pictures are not described" };
const VIDEO: Meaning = { instead: "videos are not supported" };
const TRAIN: Meaning = { instead: "models are not trained here" };
const CONTROL: Meaning = {
  instead: "ControlNet is not supported; `generate --init-img PICTURE --strength X` begins with a picture",
};
const PARAMETERS: Meaning = {
  instead: "`inspect PICTURE` shows a picture's parameters, `generate --from PICTURE` draws it again",
};

/** Names of other programs' commands and modes, in lower case. */
const FOREIGN: Readonly<Record<string, Meaning>> = {
  txt2img: "generate",
  text2img: "generate",
  text2image: "generate",
  t2i: "generate",
  img2img: FROM_PICTURE,
  image2image: FROM_PICTURE,
  i2i: FROM_PICTURE,
  img_gen: "generate",
  "img-gen": "generate",
  webui: "serve",
  comfyui: "serve",
  server: SERVE,
  gui: SERVE,
  inpaint: REPAINT,
  outpaint: { instead: "pad the picture and its mask, then `generate --init-img PICTURE --mask PICTURE`" },
  depth2img: CONTROL,
  controlnet: CONTROL,
  quantize: "convert",
  quantise: "convert",
  merge: { instead: "models are not merged; --lora applies LoRAs, `convert` puts parts into one file" },
  pull: "download",
  metadata: PARAMETERS,
  "png-info": PARAMETERS,
  pnginfo: PARAMETERS,
  img2txt: DESCRIBE,
  interrogate: DESCRIBE,
  caption: DESCRIBE,
  vid_gen: VIDEO,
  "vid-gen": VIDEO,
  img2vid: VIDEO,
  txt2vid: VIDEO,
  adetailer: {
    instead: "faces are not redrawn; `generate --init-img PICTURE --mask PICTURE` redraws a part",
  },
  finetune: TRAIN,
  upscale_image: "upscale",
  "generate-image": "generate",
  "mflux-generate": "generate",
  "mflux-save": "convert",
  "mflux-generate-fill": REPAINT,
  "mflux-generate-controlnet": CONTROL,
  "mflux-generate-depth": CONTROL,
  "mflux-train": TRAIN,
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
  "img2img.py": FROM_PICTURE,
  "invokeai-web": "serve",
};

/** Those that English sentences begin with too: before another word they belong to a prompt. */
const FOREIGN_WORDS: Readonly<Record<string, Meaning>> = {
  sd: "generate",
  extras: "upscale",
  sample: DRAW,
  dream: DRAW,
  imagine: DRAW,
  invoke: DRAW,
  run: DRAW,
  launch: SERVE,
  start: SERVE,
  api: SERVE,
  ui: SERVE,
  web: SERVE,
  info: SHOW,
  show: SHOW,
  models: { instead: "`inspect MODEL` shows what one holds, `serve --models DIR` offers those of a folder" },
  list: { instead: "`inspect MODEL` shows what a model holds, `queue list` the jobs of a queue" },
  ls: SHOW,
  search: { instead: "models are found on their hub's page; `download ORG/NAME` fetches one" },
  login: { instead: "HF_TOKEN in the environment is the token of the hub" },
  install: {
    instead: "`download ORG/NAME` fetches a model; docs/OPTIONS.md has the line that installs lssgen",
  },
  update: { instead: "a newer version comes with its checkout or package" },
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

/** Endings of files' names, as no prompt of one word has them, and what names such a file here. */
const FILES: readonly (readonly [RegExp, string])[] = [
  [PICTURE_NAME, "options name files (--init-img or --from)"],
  [WEIGHTS_NAME, "options name files (--model)"],
  [/\.txt$/i, '-p "$(cat FILE)" takes a prompt from a file'],
  [/\.json$/i, "graphs of ComfyUI are drawn by `serve`, through ComfyUI's API"],
];

/** The command of a command line, and its other arguments. */
export interface CommandLine {
  /** The command. */
  readonly command: CommandName;
  /** What follows. */
  readonly rest: readonly string[];
  /** `help` and `version` as words. */
  readonly ask?: "help" | "version";
  /** Options that the word promises: see {@linkcode checkNeeds}. */
  readonly needs?: Needs;
}

/** Options that another program's word for a command promises. */
export interface Needs {
  /** The word. */
  readonly word: string;
  /** The options' names. */
  readonly options: readonly string[];
}

/**
 * Refuses a word that promises more than what was given: `img2img` without a picture would draw from nothing but the prompt.
 *
 * @param given Names of options that were given.
 * @throws {LssgenError} `bad_option`.
 */
export function checkNeeds(needs: Needs | undefined, given: (name: string) => boolean): void {
  const missing = needs?.options.filter((name) => !given(name)) ?? [];
  if (missing.length === 0 || given("from")) return;
  throw new LssgenError(
    "bad_option",
    `\`${needs!.word}\` begins with a picture: ${
      missing.map((name) => `--${name} PICTURE`).join(" and ")
    } is missing. To draw the word, write cli.ts generate "${needs!.word}"`,
  );
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
  if (lower === "help" && (rest.length === 0 || rest[0].startsWith("-"))) {
    return { command: "generate", rest, ask: "help" };
  }
  if (lower === "help") {
    // Two words are a prompt ("help wanted"), unless the second one is a command in anybody's words.
    const command = isCommand(rest[0]) ? rest[0] : foreignMode(rest[0])?.command;
    if (command) return { command, rest, ask: "help" };
    if (rest.length === 1) checkSpelling(rest[0], rest);
  }
  if (lower === "version" && rest.length === 0) return { command: "generate", rest, ask: "version" };
  // "sample of moss" and "web of a spider", without quotation marks, are prompts.
  const meant = Object.hasOwn(FOREIGN_WORDS, lower) && rest.length > 0 && /^[a-z]+$/.test(rest[0])
    ? undefined
    : foreignMode(programOf(word));
  if (meant) return { ...meant, rest };
  // stable-diffusion.cpp's command is an option: `-M convert -m in -o out`, `-M upscale -i in -o out`.
  for (const command of ["convert", "upscale"] as const) {
    const mode = args.findIndex((arg, i) =>
      arg === `--mode=${command}` || (/^(-M|--mode)$/.test(arg) && args[i + 1] === command)
    );
    if (mode >= 0) return { command, rest: args.toSpliced(mode, args[mode].includes("=") ? 1 : 2) };
  }
  checkSpelling(word, args);
  return { command: "generate", rest: args };
}

/** Where programs of pasted lines lie: `./sd`, `build/bin/sd-cli`, `sd.exe`. */
const PROGRAM = /^(?:(?:\.{0,2}|~)[\\/]|(?:\S+[\\/])?bin[\\/])\S+$|^\S+\.exe$/i;

/** The program that a pasted line begins with, without its folder; another word as it is. */
function programOf(word: string): string {
  return PROGRAM.test(word) ? word.split(/[\\/]/).at(-1)!.replace(/\.exe$/i, "") : word;
}

/** Refuses a word that is a command but for a slip. */
function checkSpelling(word: string, args: readonly string[]): void {
  const near = misspelt(word.toLowerCase());
  if (!near) return;
  throw new LssgenError(
    "bad_option",
    `"${word}" is no command, did you mean \`${near}\`? To draw the word: cli.ts generate "${
      args.join(" ")
    }"`,
  );
}

/**
 * Another program's command or mode: ours where there is one.
 *
 * @returns Undefined for a word that is none.
 * @throws {LssgenError} `bad_option` where there is none here, with what to do instead.
 */
export function foreignMode(word: string): Omit<CommandLine, "rest"> | undefined {
  const lower = word.toLowerCase();
  const table = [FOREIGN, FOREIGN_WORDS].find((table) => Object.hasOwn(table, lower));
  const meant = table?.[lower];
  if (meant === undefined) return undefined;
  if (typeof meant === "string") return { command: meant };
  if ("command" in meant) return { command: meant.command, needs: { word: lower, options: meant.needs } };
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
 * @throws {LssgenError} `bad_option` for a file's name among several arguments or alone, and for "-" alone, by which other
 * programs mean standard input.
 */
export function promptWords(words: readonly string[]): readonly string[] {
  if (words.length === 1 && words[0] === "-") {
    throw new LssgenError("bad_option", '"-" is no prompt; -p "$(cat)" takes one from standard input');
  }
  for (const [name, what] of FILES) {
    const file = words.find((word) => !/\s/.test(word) && name.test(word));
    if (file === undefined) continue;
    throw new LssgenError(
      "bad_option",
      `"${file}" is the name of a file, not a word of a prompt: ${what}. To draw it as words, put the whole prompt between ` +
        "quotation marks",
    );
  }
  return words;
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
