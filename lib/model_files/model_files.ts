/**
 * Models as people have them: one file with everything, or a file for each part, in the names of whoever made them.
 * They are presented as a folder in diffusers' layout, so that everything else works as it does with one.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { bad, check, IS, type Kind } from "../option_kinds.ts";
import { builtinTokenizer, ggufTokenizerFolder } from "../pipelines/builtin_tokenizers.ts";
import { bytesOf, type ByteSource, folderOf, type FolderSource } from "../weights/bytes.ts";
import { httpFolder, httpSource } from "../weights/http_source.ts";
import type { Checkpoint, ComponentFolder } from "../weights/checkpoint.ts";
import { readConfig } from "../weights/model_folder.ts";
import {
  assemble,
  type AssembledComponent,
  type Assembly,
  type Given,
  scanFolder,
  tinyOf,
} from "./assemble.ts";
import { PART_OPTIONS, type PartName } from "./families.ts";
import type { Prediction } from "./prediction.ts";
import { openWeights, scan, type WeightSource } from "./scan.ts";

export type { Prediction } from "./prediction.ts";
export type { WeightSource } from "./scan.ts";

/** A file of weights (safetensors or GGUF) or a folder: opened, or its address. Addresses of folders end with a slash. */
export type ModelFile = WeightSource | FolderSource | URL | string;

/** A model's files. Each part wins over what the model itself holds. */
export interface ModelFiles {
  /** One file with everything, or the denoiser alone; or a folder in diffusers' layout. */
  readonly model?: ModelFile;
  /** The denoiser: a UNet or a transformer. */
  readonly diffusionModel?: ModelFile;
  /** The autoencoder. */
  readonly vae?: ModelFile;
  /** CLIP L; for SD2 its CLIP H. */
  readonly clipL?: ModelFile;
  /** CLIP bigG. */
  readonly clipG?: ModelFile;
  /** T5's encoder. */
  readonly t5?: ModelFile;
  /** A tiny autoencoder: for previews, and for pictures with `tinyDecode` or where there is no other. */
  readonly taesd?: ModelFile;
  /** Folder in diffusers' layout whose configs and tokenizers are taken instead of those that are derived. */
  readonly config?: FolderSource | URL | string;
  /** What the denoiser predicts, where neither the file nor a config says. */
  readonly prediction?: Prediction;
  /** The folder weights/tokenizers of this package, where it cannot be fetched from beside the code. */
  readonly tokenizers?: FolderSource;
}

const FILES: Readonly<Record<keyof ModelFiles, Kind>> = {
  model: "anything",
  diffusionModel: "anything",
  vae: "anything",
  clipL: "anything",
  clipG: "anything",
  t5: "anything",
  taesd: "anything",
  config: "anything",
  prediction: "a text",
  tokenizers: "a folder",
};

/** A model made of files, as a folder in diffusers' layout. */
export interface AssembledFolder extends ComponentFolder {
  /**
   * What the files are, component by component, and what is missing.
   *
   * @throws {LssgenError} As opening does, but not for what is missing.
   */
  assembly(): Promise<Assembly>;
}

const PARTS: readonly PartName[] = ["diffusionModel", "vae", "clipL", "clipG", "t5", "taesd"];

/**
 * Makes a model of files. Nothing is read before it is opened; then only headers are, until weights are loaded.
 *
 * @param files At least `model` or `diffusionModel`.
 * @throws {LssgenError} When opened: `bad_file` for a file of another kind, a missing part (naming the option that
 * brings it) or sizes that a config contradicts; `unsupported` for sizes and models that are not known here;
 * `bad_option` for a part that the family has no place for.
 *
 * @example FLUX.1 as it is kept for ComfyUI
 * ```ts ignore
 * import { createPipeline, modelFiles } from "@lssgen/webgpu";
 * import { fileSource } from "@lssgen/webgpu/cli";
 *
 * await using pipeline = await createPipeline(modelFiles({
 *   diffusionModel: await fileSource("flux1-schnell-Q4_K_S.gguf"),
 *   vae: await fileSource("ae.safetensors"),
 *   clipL: await fileSource("clip_l.safetensors"),
 *   t5: await fileSource("t5-v1_1-xxl-encoder-Q5_K_M.gguf"),
 * }));
 * ```
 */
export function modelFiles(files: ModelFiles): FolderSource {
  check("The files of the model", files, FILES);
  for (const [name, file] of Object.entries(files) as [keyof ModelFiles, unknown][]) {
    if (FILES[name] !== "anything" || file === undefined) continue;
    const opened = IS["a file"](file) || IS["a folder"](file);
    if (!opened && typeof file !== "string" && !(file instanceof URL)) {
      throw bad(name, file, "a file or a folder, opened or its address");
    }
  }
  return assembledFolder(files);
}

/** {@linkcode modelFiles}, and what the files are. */
export function assembledFolder(files: ModelFiles): AssembledFolder {
  let job: Promise<Assembly> | undefined;
  const assembly = (): Promise<Assembly> => {
    if (!job) {
      job = open(files).then(assemble);
      // What failed, a server that was away for example, is tried again by who asks next.
      job.catch(() => job = undefined);
    }
    return job;
  };
  const own = ownFolder(files);
  const base = own ?? configFolder(files);
  const whole = async (): Promise<Assembly> => complete(await assembly());
  const name = nameOf(files.model ?? files.diffusionModel);
  const json = (path: string, value: unknown): ByteSource =>
    bytesOf(`${name}/${path}`, new TextEncoder().encode(JSON.stringify(value)));
  const inner = folderOf(name, async (path) => {
    const parts = await whole();
    if (path === "model_index.json") return json(path, parts.index);
    if (path === "scheduler/scheduler_config.json") return json(path, parts.scheduler);
    if (path === "lssgen.json") {
      const stored = own && await own.text(path) !== undefined ? (await readConfig(own, path)).json : {};
      return json(path, { ...parts.settings, ...stored, warnings: parts.warnings });
    }
    const [top, ...rest] = path.split("/");
    const component = parts.components.find(({ name }) => name === top);
    if (component?.config) return rest.join("/") === "config.json" ? json(path, component.config) : undefined;
    if (/^tokenizer(_\d)?$/.test(top)) {
      const encoder = parts.components.find((c) =>
        c.encoder && c.name.replace("text_encoder", "tokenizer") === top
      );
      return await tokenizerFile(base, top, rest.join("/"), encoder, files.tokenizers);
    }
    // Learned upsamplers and whatever else a model's own folder brings.
    return await own?.open(path);
  });
  return {
    ...inner,
    list: own?.list && ((path) => own.list!(path)),
    assembly,
    async checkpoint(component): Promise<Checkpoint | undefined> {
      return (await whole()).components.find(({ name }) => name === component)?.tensors;
    },
    async whereIs(component): Promise<string | undefined> {
      return (await whole()).components.find(({ name }) => name === component)?.from;
    },
    async tinyVae(): Promise<FolderSource | undefined> {
      const { tiny } = await whole();
      return tiny && single(tiny);
    },
  };
}

/**
 * A tiny autoencoder's file as the folder that pipelines take (`tinyVae`).
 *
 * @throws {LssgenError} When opened, `bad_file` for a file of another kind.
 */
export async function tinyVaeFile(file: ByteSource): Promise<FolderSource> {
  const given = { parts: { taesd: { scan: scan(await openWeights(file)) } }, baseIsModel: false };
  return single((await tinyOf(given))!);
}

/** One component as a folder of its own. */
function single({ from, config, tensors }: AssembledComponent): ComponentFolder {
  const inner = folderOf(
    tensors!.name,
    (path) =>
      Promise.resolve(
        path === "config.json"
          ? bytesOf(`${tensors!.name}/${path}`, new TextEncoder().encode(JSON.stringify(config)))
          : undefined,
      ),
  );
  return {
    ...inner,
    checkpoint: (component) => Promise.resolve(component === "" ? tensors : undefined),
    whereIs: (component) => Promise.resolve(component === "" ? from : undefined),
    tinyVae: () => Promise.resolve(undefined),
  };
}

/** @throws {LssgenError} `bad_file` when a part that the family needs is missing, with the options that bring it. */
function complete(assembly: Assembly): Assembly {
  const missing = assembly.missing.filter(({ without }) => without === undefined);
  if (missing.length === 0) return assembly;
  const options = missing.map(({ name, class: kind, part }) =>
    `${name} (${kind}): ${PART_OPTIONS[part]} FILE`
  );
  throw new LssgenError(
    "bad_file",
    `"${assembly.name}" is ${assembly.family.name} without ${
      missing.length === 1 ? "one part" : `${missing.length} parts`
    }` +
      ` that it needs. Give ${options.join(", ")}`,
  );
}

/** Opens what was given; of files the headers, of folders nothing yet. */
async function open(files: ModelFiles): Promise<Given> {
  const own = ownFolder(files);
  if (own && files.config !== undefined) {
    throw new LssgenError(
      "bad_option",
      "config is for models in files: the model is a folder with configs of its own",
    );
  }
  const parts: Given["parts"] = Object.fromEntries(
    await Promise.all(
      PARTS.filter((part) => files[part] !== undefined).map(async (part) => {
        const given = files[part]!;
        return [
          part,
          isFolder(given)
            ? await scanFolder(folder(given))
            : { scan: scan(await openWeights(await file(given, part))) },
        ] as const;
      }),
    ),
  );
  return {
    model: files.model === undefined || own
      ? undefined
      : scan(await openWeights(await file(files.model, "model"))),
    parts,
    base: own ?? configFolder(files),
    baseIsModel: own !== undefined,
    prediction: files.prediction,
  };
}

/** The model's own tokenizer, else the one in the encoder's header, else ours. */
async function tokenizerFile(
  base: FolderSource | undefined,
  top: string,
  path: string,
  encoder: AssembledComponent | undefined,
  packed: FolderSource | undefined,
): Promise<ByteSource | undefined> {
  if (base && await hasTokenizer(base, top)) return await base.open(`${top}/${path}`);
  const slot = encoder?.encoder;
  if (!slot) return undefined;
  const file = slot.part === "t5" ? encoder.network?.file : undefined;
  const own = file && ggufTokenizerFolder({ name: file.name, metadata: file.metadata ?? new Map() });
  return await own?.open(path) ??
    (own && path !== "tokenizer_config.json"
      ? undefined
      : await builtinTokenizer(slot.tokenizer, packed).open(path));
}

async function hasTokenizer(base: FolderSource, folder: string): Promise<boolean> {
  for (const file of ["tokenizer.json", "vocab.json", "spiece.model"]) {
    if (await base.open(`${folder}/${file}`)) return true;
  }
  return false;
}

/** The model where it is a folder. */
function ownFolder({ model }: ModelFiles): FolderSource | undefined {
  return model !== undefined && isFolder(model) ? folder(model) : undefined;
}

function configFolder({ config }: ModelFiles): FolderSource | undefined {
  return config === undefined ? undefined : folder(config);
}

function isFolder(given: ModelFile): boolean {
  if (typeof given === "object" && !(given instanceof URL)) return "open" in given;
  return String(given).endsWith("/");
}

function folder(given: ModelFile): FolderSource {
  if (typeof given === "object" && !(given instanceof URL)) return given as FolderSource;
  return httpFolder(address(given));
}

async function file(given: ModelFile, what: string): Promise<WeightSource> {
  if (typeof given === "object" && !(given instanceof URL)) return given as WeightSource;
  const url = address(given);
  const source = await httpSource(url.href);
  if (!source) throw new LssgenError("bad_file", `${what}: there is nothing at "${url}"`);
  return source;
}

/** @throws {LssgenError} `bad_option` for a text that is no address. */
function address(given: URL | string): URL {
  const here = (globalThis as { location?: { href: string } }).location?.href;
  if (given instanceof URL || URL.canParse(given, here)) return new URL(given, here);
  throw new LssgenError(
    "bad_option",
    `"${given}" is no address; in Deno open files with fileSource("${given}") of @lssgen/webgpu/cli`,
  );
}

function nameOf(given: ModelFile | undefined): string {
  if (given === undefined) return "model";
  return typeof given === "object" && !(given instanceof URL) ? given.name : String(given);
}
