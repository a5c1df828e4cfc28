/**
 * Which files of a repository a picture needs: those of the components that are read here, one set of weights each.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { checkPath, type HubFile } from "./listing.ts";

/** What the user asked for. */
export interface Wish {
  /** Patterns of files to take, in place of the choice made here. */
  readonly include?: readonly string[];
  /** Patterns of files to leave out, before anything is chosen. */
  readonly exclude?: readonly string[];
  /** One file: its path, or a part of its name. */
  readonly file?: string;
}

/** What will be fetched. */
export interface Selection {
  /** Files, each once; the one that makes the folder a model comes last. */
  readonly files: readonly HubFile[];
  /** Bytes in all. */
  readonly bytes: number;
  /** What was chosen where there was a choice, in sentences. */
  readonly notes: readonly string[];
  /** The file to open where it is not the folder. */
  readonly single?: string;
}

/** The file that makes a folder a model. */
export const MODEL_INDEX = "model_index.json";

/** Components that pipelines read here. Others (safety checkers, image encoders) are left where they are. */
const COMPONENT = /^(scheduler|vae|unet|transformer|upsampler|(text_encoder|tokenizer)(_\d)?)$/;
/** Components that are configuration and vocabularies only. */
const WEIGHTLESS = /^(scheduler|tokenizer(_\d)?)$/;
/** What belongs to a component besides weights. */
const SMALL = /\.(json|txt|model)$/i;
const WEIGHTS = /\.(safetensors|gguf)$/i;
const PICKLE = /\.(bin|ckpt|pt|pth|pkl)$/i;
/** Names that loaders look for; others are taken where there is nothing else. */
const STEMS = ["diffusion_pytorch_model", "model"];
/** Preferred first: half the bytes, and what is computed with is f16 or f32 either way. */
const VARIANTS = ["fp16", "", "bf16"];
/** Files that an error lists. */
const LISTED = 12;

/** Weights of a component that belong together: one file, or shards with their index. */
interface WeightSet {
  readonly stem: string;
  readonly variant: string;
  readonly ending: string;
  readonly shards: number;
  readonly files: HubFile[];
}

/**
 * Chooses files.
 *
 * - With `include`: what matches, and nothing else (`*` matches slashes too, as in Python's huggingface_hub).
 * - With `file`: that file.
 * - A pipeline (model_index.json): configs, vocabularies and one set of safetensors or GGUF weights of each component, the
 *   fp16 variant where there is one. No pickles, ONNX, Flax; no example pictures.
 * - One network (config.json at the top): that, and its weights.
 * - Otherwise the only file of weights.
 *
 * @param listing Every file of the repository.
 * @param index Parsed model_index.json, undefined when there is none.
 * @param repo For messages.
 * @throws {LssgenError} `bad_file` when nothing can be chosen, saying what there is; `bad_option` for patterns that match
 * nothing.
 */
export function selectFiles(
  listing: readonly HubFile[],
  index: unknown,
  repo: string,
  wish: Wish = {},
): Selection {
  const { include = [], exclude = [], file } = wish;
  const left = listing.filter(({ path }) => !matches(path, exclude));
  const notes: string[] = [];
  let chosen: readonly HubFile[];
  let single: string | undefined;
  if (file !== undefined) {
    const one = oneFile(left, file, repo);
    [chosen, single] = [withConfig(one, left), one.path];
  } else if (include.length > 0) {
    chosen = left.filter(({ path }) => matches(path, include));
    if (chosen.length === 0) {
      throw new LssgenError(
        "bad_option",
        `No file of "${repo}" matches --include ${include.join(" ")}; it has ${listed(left)}`,
      );
    }
    const weights = chosen.filter(({ path }) => WEIGHTS.test(path));
    if (!chosen.some(({ path }) => path === MODEL_INDEX) && weights.length === 1) single = weights[0].path;
  } else if (index !== undefined) {
    chosen = pipelineFiles(left, index, repo, notes);
  } else {
    const top = left.filter(({ path }) => !path.includes("/"));
    const sets = weightSets(top, "");
    if (top.some(({ path }) => path === "config.json") && sets.some(({ stem }) => STEMS.includes(stem))) {
      chosen = [...smallFiles(top), ...pickSet(sets, top, repo, "the repository", notes)];
    } else {
      const one = onlyWeights(left, repo);
      [chosen, single] = [withConfig(one, left), one.path];
    }
  }
  // Who finds the index finds everything else.
  const last = ({ path }: HubFile): number => path === MODEL_INDEX ? 1 : 0;
  const files = [...chosen].sort((a, b) => last(a) - last(b));
  const seen = new Set<string>();
  for (const { path } of files) {
    checkPath(path, repo);
    if (seen.has(path)) {
      throw new LssgenError("bad_file", `The listing of "${repo}" names "${path}" twice; refused`);
    }
    seen.add(path);
  }
  return { files, bytes: files.reduce((sum, { size }) => sum + size, 0), notes, single };
}

function pipelineFiles(
  listing: readonly HubFile[],
  index: unknown,
  repo: string,
  notes: string[],
): HubFile[] {
  const chosen = listing.filter(({ path }) => path === MODEL_INDEX || path === "lssgen.json");
  const skipped: string[] = [];
  for (const [name, value] of Object.entries(index as Record<string, unknown>)) {
    if (!Array.isArray(value) || typeof value[1] !== "string") continue;
    const inside = listing.filter(({ path }) =>
      path.startsWith(`${name}/`) && !path.slice(name.length + 1).includes("/")
    );
    if (!COMPONENT.test(name)) {
      if (inside.length > 0) skipped.push(name);
      continue;
    }
    chosen.push(...smallFiles(inside));
    if (!WEIGHTLESS.test(name)) {
      chosen.push(...pickSet(weightSets(inside, `${name}/`), inside, repo, name, notes));
    }
  }
  if (skipped.length > 0) notes.push(`Left out, not used here: ${skipped.join(", ")}`);
  return chosen;
}

/** Configs and vocabularies; indexes of shards come with their shards. */
function smallFiles(files: readonly HubFile[]): HubFile[] {
  return files.filter(({ path }) => SMALL.test(path) && !/\.index\.([\w-]+\.)?json$/i.test(path));
}

/** Weights in a folder, grouped into what belongs together. */
function weightSets(files: readonly HubFile[], at: string): WeightSet[] {
  const sets = new Map<string, WeightSet>();
  for (const file of files) {
    const name = file.path.slice(at.length);
    // model.fp16.safetensors, model-00001-of-00002.fp16.safetensors, model.fp16-00001-of-00002.safetensors
    const found = /^(.+?)(?:\.([\w-]*?))??(?:-(\d{5})-of-(\d{5}))?(?:\.(\w+))?\.(safetensors|gguf)$/i.exec(
      name,
    );
    if (!found) continue;
    const [, stem, before, , total, after, ending] = found;
    const variant = before ?? after ?? "";
    const shards = total === undefined ? 1 : Number(total);
    const key = `${stem} ${variant} ${ending} ${shards}`;
    const set = sets.get(key) ?? { stem, variant, ending, shards, files: [] };
    set.files.push(file);
    sets.set(key, set);
  }
  return [...sets.values()];
}

/** The weights of a component. */
function pickSet(
  sets: readonly WeightSet[],
  files: readonly HubFile[],
  repo: string,
  component: string,
  notes: string[],
): HubFile[] {
  if (sets.length === 0) {
    const pickles = files.filter(({ path }) => PICKLE.test(path));
    throw new LssgenError(
      "bad_file",
      pickles.length > 0
        ? `${component} of "${repo}" has only pickled weights (${
          pickles[0].path
        }), which can run code and are not read ` +
          "here: take another revision (--revision) or repository with safetensors"
        : `${component} of "${repo}" has no weights in safetensors or GGUF; it has ${listed(files)}`,
    );
  }
  const known = sets.filter(({ stem }) => STEMS.includes(stem));
  const rank = ({ stem, variant, ending, shards }: WeightSet): number =>
    1000 * VARIANTS.indexOf(variant) + 100 * STEMS.indexOf(stem) + (ending === "gguf" ? 10 : 0) +
    Math.min(shards, 2);
  const usual = known.filter(({ variant }) => VARIANTS.includes(variant)).sort((a, b) => rank(a) - rank(b));
  const [best] = usual.length > 0 ? usual : sets;
  if (usual.length === 0 && sets.length > 1) {
    throw new LssgenError(
      "bad_file",
      `${component} of "${repo}" has several weights and none under a usual name: ${
        listed(sets.flatMap((set) => set.files))
      }. Leave all but one out with --exclude`,
    );
  }
  if (best.files.length !== best.shards) {
    throw new LssgenError(
      "bad_file",
      `${component} of "${repo}" has ${best.files.length} of ${best.shards} parts of its weights (${
        best.files[0].path
      })`,
    );
  }
  const plain = usual.find(({ variant }) => variant === "");
  if (best.variant !== "" && plain) {
    notes.push(`${component}: the ${best.variant} variant (--exclude "*.${best.variant}*" takes the other)`);
  }
  return best.shards === 1 ? [...best.files] : [...best.files, indexOf(best, files, repo, component)];
}

/** The index of a set of shards. */
function indexOf(
  { stem, variant, ending }: WeightSet,
  files: readonly HubFile[],
  repo: string,
  component: string,
): HubFile {
  const names = variant === ""
    ? [`${stem}.${ending}.index.json`]
    : [`${stem}.${ending}.index.${variant}.json`, `${stem}.${variant}.${ending}.index.json`];
  const found = files.find(({ path }) => names.includes(path.slice(path.lastIndexOf("/") + 1)));
  if (found) return found;
  throw new LssgenError(
    "bad_file",
    `${component} of "${repo}" has weights in parts, but no ${names.join(" or ")}`,
  );
}

/** The file that a name means: a path, else the only one whose name contains it as a word. */
function oneFile(listing: readonly HubFile[], wanted: string, repo: string): HubFile {
  const exact = listing.find(({ path }) => path === wanted);
  if (exact) return exact;
  const word = wanted.toLowerCase().replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const within = new RegExp(`(^|[^a-z0-9])${word}([^a-z0-9]|$)`);
  const found = listing.filter(({ path }) => WEIGHTS.test(path) && within.test(path.toLowerCase()));
  if (found.length === 1) return found[0];
  throw new LssgenError(
    "bad_file",
    found.length === 0
      ? `"${repo}" has no file "${wanted}"; it has ${
        listed(listing.filter(({ path }) => WEIGHTS.test(path)))
      }`
      : `"${wanted}" means several files of "${repo}": ${listed(found)}`,
  );
}

/** The only file of weights of a repository that is no folder of a pipeline. */
function onlyWeights(listing: readonly HubFile[], repo: string): HubFile {
  const weights = listing.filter(({ path }) => WEIGHTS.test(path));
  if (weights.length === 1) return weights[0];
  const pickle = listing.find(({ path }) => PICKLE.test(path));
  throw new LssgenError(
    "bad_file",
    weights.length > 1
      ? `"${repo}" is no pipeline (no ${MODEL_INDEX}) and has ${weights.length} files of weights: ${
        listed(weights)
      }. Choose one: ${repo}:FILE, or --include`
      : pickle
      ? `"${repo}" has only pickled weights (${pickle.path}), which can run code and are not read here`
      : `"${repo}" has no weights in safetensors or GGUF; it has ${listed(listing)}`,
  );
}

/** A file with the config that PEFT keeps beside LoRAs. */
function withConfig(file: HubFile, listing: readonly HubFile[]): HubFile[] {
  const beside = file.path.replace(/[^/]*$/, "adapter_config.json");
  const config = WEIGHTS.test(file.path) && listing.find(({ path }) => path === beside);
  return config ? [config, file] : [file];
}

function listed(files: readonly HubFile[]): string {
  if (files.length === 0) return "no files";
  const some = files.slice(0, LISTED).map(({ path, size }) => `${path} (${bytesText(size)})`).join(", ");
  return files.length > LISTED ? `${some} and ${files.length - LISTED} more` : some;
}

/** 6938078334 → "6.94 GB", in powers of ten as hubs and disks count. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ${units[unit]}`;
}

/** Whether a path matches one of some patterns: `*`, `?`, `[abc]`, `[!abc]`; `folder/` stands for all in it. */
export function matches(path: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => patternOf(pattern).test(path));
}

function patternOf(pattern: string): RegExp {
  const whole = pattern.endsWith("/") ? `${pattern}*` : pattern;
  const source = whole.replace(
    /\[(!?)([^\]]+)\]|[.*+?^${}()|[\]\\]/g,
    (token, not: string | undefined, set: string) => {
      if (token === "*") return ".*";
      if (token === "?") return ".";
      if (set !== undefined) return `[${not ? "^" : ""}${set.replace(/[\\\]^]/g, "\\$&")}]`;
      return `\\${token}`;
    },
  );
  try {
    return new RegExp(`^${source}$`, "s");
  } catch {
    throw new LssgenError(
      "bad_option",
      `"${pattern}" is no pattern of files, expected for example "*.safetensors"`,
    );
  }
}
