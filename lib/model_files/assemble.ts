/**
 * From files to the components of a pipeline: which network goes where, with which config, and what is missing.
 * Headers are read, no weights.
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { type Checkpoint, openCheckpoint } from "../weights/checkpoint.ts";
import { type ModelIndex, readConfig, readModelIndex } from "../weights/model_folder.ts";
import type { Architecture, Config, Kind } from "./architecture.ts";
import { ARCHITECTURES } from "./architectures.ts";
import { CLIP, CLIP_SIZES, type ClipSize, hasProjection } from "./architectures/clip.ts";
import { type EncoderSlot, FAMILIES, type FamilyFacts, PART_OPTIONS, type PartName } from "./families.ts";
import { foreignKind, foreignVariant } from "./foreign.ts";
import { notedPrediction, type Prediction, predictionOf } from "./prediction.ts";
import { type Network, type Scan, scan } from "./scan.ts";

/** What the user gave, opened. */
export interface Given {
  /** A file with everything, or the denoiser alone. */
  readonly model?: Scan;
  /** Parts, each in place of what the model has. */
  readonly parts: Readonly<Partial<Record<PartName, GivenPart>>>;
  /** Folder in diffusers' layout. */
  readonly base?: FolderSource;
  /** Whether the folder's weights count too, or its configs and tokenizers only. */
  readonly baseIsModel: boolean;
  /** What the denoiser predicts. */
  readonly prediction?: Prediction;
}

/** A part that the user gave. */
export interface GivenPart {
  /** Its tensors. */
  readonly scan: Scan;
  /** The config.json beside it, where it is a component's folder. */
  readonly config?: Config;
}

/** A component of the pipeline. */
export interface AssembledComponent {
  /** Folder in diffusers' layout. */
  readonly name: string;
  /** Class. */
  readonly class: string;
  /** Where its weights come from, for messages: file and option. */
  readonly from: string;
  /** config.json; undefined where the folder's own is read. */
  readonly config?: Config;
  /** Weights; undefined where they are the folder's own. */
  readonly tensors?: Checkpoint;
  /** The network it was made from. */
  readonly network?: Network;
  /** Its text encoder's place, for the tokenizer. */
  readonly encoder?: EncoderSlot;
}

/** A component that nothing brings. */
export interface MissingComponent {
  /** Folder in diffusers' layout. */
  readonly name: string;
  /** Class. */
  readonly class: string;
  /** Option that brings it. */
  readonly part: PartName;
  /** What stands in for it; undefined where it is needed. */
  readonly without?: string;
}

/** A pipeline made of files. */
export interface Assembly {
  /** Its family; undefined for a folder of another pipeline that nothing was added to. */
  readonly family: FamilyFacts;
  /** Name for messages. */
  readonly name: string;
  /** Components with weights. */
  readonly components: readonly AssembledComponent[];
  /** Components without. */
  readonly missing: readonly MissingComponent[];
  /** model_index.json. */
  readonly index: Config;
  /** scheduler_config.json. */
  readonly scheduler: Config;
  /** lssgen.json. */
  readonly settings: Config;
  /** What a user should know. */
  readonly warnings: readonly string[];
  /** The tiny autoencoder, where one was given and the large one is there too. */
  readonly tiny?: AssembledComponent;
}

/** What each option takes. */
const PART_KINDS: Readonly<Record<PartName, Kind>> = {
  diffusionModel: "denoiser",
  vae: "vae",
  clipL: "clip",
  clipG: "clip",
  t5: "t5",
  taesd: "taesd",
};

/**
 * Puts the parts in their places.
 *
 * @throws {LssgenError} `bad_file`, `unsupported` or `bad_option` naming the file, the option and what was expected.
 */
export async function assemble(given: Given): Promise<Assembly> {
  const { base, baseIsModel } = given;
  const index = base && await readModelIndex(base);
  const denoiser = denoiserOf(given);
  if (!denoiser && !(base && baseIsModel)) throw noDenoiser(given);
  const family = await familyFor(given, denoiser, index);
  const components: AssembledComponent[] = [];
  const missing: MissingComponent[] = [];
  const warnings: string[] = [...family.notes ?? []];
  const add = async (
    name: string,
    kind: string,
    part: PartName,
    network: Found | undefined,
    extra: { facts?: Config; encoder?: EncoderSlot; without?: string },
  ): Promise<void> => {
    const { encoder } = extra;
    if (network) {
      components.push(await componentOf(given, name, kind, network, extra));
    } else if (base && baseIsModel && index!.components.has(name)) {
      const own = index!.components.get(name)!;
      components.push({ name, class: own, from: `"${base.name}/${name}"`, encoder });
    } else {
      missing.push({ name, class: kind, part, without: extra.without });
    }
  };
  await add(family.component, family.denoiser, "diffusionModel", denoiser, {});
  const vae = partOf(given, "vae") ?? inModel(given, "vae");
  await add("vae", "AutoencoderKL", "vae", vae, { facts: family.vae });
  for (const encoder of family.encoders) {
    const found = encoderOf(given, family, encoder);
    const kind = encoder.part === "t5"
      ? "T5EncoderModel"
      : encoder.projected
      ? "CLIPTextModelWithProjection"
      : "CLIPTextModel";
    await add(encoder.component, kind, encoder.part, found, { encoder, without: encoder.without });
  }
  refuseUseless(given, family);

  let tiny = await tinyOf(given);
  const noVae = missing.findIndex(({ name }) => name === "vae");
  if (tiny && noVae >= 0) {
    // As in stable-diffusion.cpp: without the large one it decodes alone.
    missing.splice(noVae, 1);
    components.push(tiny);
    warnings.push(`There is no autoencoder but ${tiny.from}: pictures are decoded by it`);
    tiny = undefined;
  }
  for (const { name, without, part } of missing) {
    if (without !== undefined) warnings.push(`Without ${name} (${PART_OPTIONS[part]} FILE) ${without}`);
  }
  warnings.push(...leftOver(given));

  const stored = base && await base.text("scheduler/scheduler_config.json") !== undefined
    ? (await readConfig(base, "scheduler/scheduler_config.json")).json
    : undefined;
  const ownDenoiser = denoiser && components[0].config;
  const choice =
    stored && given.prediction === undefined && !(denoiser && !baseIsModel && notedPrediction(denoiser))
      ? undefined
      : await predictionOf(family, denoiser, given.prediction);
  if (choice?.warning) warnings.push(choice.warning);
  const scheduler = schedulerOf(family, ownDenoiser ?? {}, stored, choice);
  return {
    family,
    name: denoiser?.file.name ?? base!.name,
    components,
    missing,
    index: indexOf(family, index, components),
    scheduler,
    settings: family.settings && choice ? family.settings(choice.type) : {},
    warnings,
    tiny,
  };
}

/** The tiny autoencoder that was given. */
export async function tinyOf(given: Given): Promise<AssembledComponent | undefined> {
  const found = partOf(given, "taesd");
  return found && await componentOf(given, "vae", "AutoencoderTiny", found, {});
}

/** A network, and the option it was given by where it was not in the model's own file. */
type Found = Network & { readonly option?: PartName; readonly beside?: Config };

/** `"t5.gguf" (--t5xxl)`, or the file's name alone. */
export function whereFrom(
  found: { readonly file: { readonly name: string }; readonly option?: PartName },
): string {
  return `"${found.file.name}"${found.option ? ` (${PART_OPTIONS[found.option]})` : ""}`;
}

/** What the file is, for messages. */
export function whatIs({ file, networks }: Scan): string {
  if (networks.length > 0) {
    return `holds ${networks.map((n) => nounOf(n)).join(", ").replace(/, ([^,]*)$/, " and $1")}`;
  }
  const foreign = foreignKind(file.names());
  if (foreign) return `is ${foreign.what}`;
  const said = file.metadata?.get("general.architecture") ?? file.metadata?.get("modelspec.architecture");
  return `holds nothing that is known here: its first tensors are ${
    [...file.names()].slice(0, 3).map((name) => `"${name}"`).join(", ") || "none"
  }${said === undefined ? "" : `, its header calls it ${shortJson(said)}`}`;
}

function nounOf({ architecture, tensors }: Network): string {
  if (architecture !== CLIP) return architecture.noun;
  const width = CLIP.derive(tensors).certain.hidden_size as number;
  return CLIP_SIZES[width] ? `the text encoder CLIP ${CLIP_SIZES[width]}` : architecture.noun;
}

/** Advice behind a refusal: which option takes such a file. */
function adviceFor({ file, networks }: Scan): string {
  const [network] = networks;
  if (!network) {
    const foreign = foreignKind(file.names());
    return foreign?.advice ? `; ${foreign.advice}` : "";
  }
  const { kind } = network.architecture;
  const width = kind === "clip" ? CLIP.derive(network.tensors).certain.hidden_size : undefined;
  const option = kind === "clip" ? width === 1280 ? PART_OPTIONS.clipG : PART_OPTIONS.clipL : {
    denoiser: PART_OPTIONS.diffusionModel,
    vae: PART_OPTIONS.vae,
    taesd: PART_OPTIONS.taesd,
    t5: PART_OPTIONS.t5,
  }[
    kind
  ];
  return `; give it with ${option}`;
}

/** The denoiser: of its own option, else of the model's file. */
function denoiserOf(given: Given): Found | undefined {
  const found = partOf(given, "diffusionModel") ?? inModel(given, "denoiser");
  if (!found) return undefined;
  const variant = foreignVariant(found.file.names());
  if (variant) {
    throw new LssgenError(
      "unsupported",
      `${
        whereFrom(found)
      } is ${variant}: its tensors have the names of ${found.architecture.noun} and more, ` +
        "and it is not supported",
    );
  }
  return found;
}

/** A network of the model's file. */
function inModel({ model }: Given, kind: Kind): Network | undefined {
  const all = model?.networks.filter(({ architecture }) => architecture.kind === kind) ?? [];
  if (kind !== "denoiser" || all.length < 2) return all[0];
  const [first, second] = all;
  throw new LssgenError(
    "unsupported",
    `"${first.file.name}" holds several denoisers, under "${first.prefix}" and "${second.prefix}", expected one`,
  );
}

/**
 * The network of an option.
 *
 * @throws {LssgenError} `bad_file` when the file holds none of that kind.
 */
function partOf(given: Given, part: PartName): Found | undefined {
  const own = given.parts[part];
  if (!own) return undefined;
  const kind = PART_KINDS[part];
  const network = own.scan.networks.find(({ architecture }) => architecture.kind === kind);
  if (network) return { ...network, option: part, beside: own.config };
  const noun = ARCHITECTURES.filter((a) => a.kind === kind).map((a) => a.noun).join(" or ");
  throw new LssgenError(
    "bad_file",
    `"${own.scan.file.name}" (${PART_OPTIONS[part]}) ${whatIs(own.scan)}, expected ${noun}${
      adviceFor(own.scan)
    }`,
  );
}

/** The text encoder for a place: of its option, else the fitting one of the model's file. */
function encoderOf(given: Given, family: FamilyFacts, slot: EncoderSlot): Found | undefined {
  const own = given.parts[slot.part];
  if (slot.part === "t5") return partOf(given, "t5") ?? inModel(given, "t5");
  if (own) {
    const found = partOf(given, slot.part)!;
    const clips = own.scan.networks.filter(({ architecture }) => architecture === CLIP);
    const fitting = clips.find((network) => clipSizeOf(network) === slot.clip) ??
      clips.find((network) => clipSizeOf(network) === undefined);
    if (fitting) return { ...found, ...fitting };
    const width = CLIP.derive(found.tensors).certain.hidden_size;
    const [wanted] = Object.entries(CLIP_SIZES).find(([, size]) => size === slot.clip)!;
    throw new LssgenError(
      "bad_file",
      `${whereFrom(found)} is CLIP ${
        CLIP_SIZES[width as number]
      } of width ${width}, the ${slot.component} of ` +
        `${family.name} is CLIP ${slot.clip} of width ${wanted}${adviceFor(own.scan)}`,
    );
  }
  const clips = given.model?.networks.filter(({ architecture }) => architecture === CLIP) ?? [];
  return clips.find((network) => clipSizeOf(network) === slot.clip) ??
    // The only one there is, of a size that nobody knows.
    (clips.length === 1 && family.encoders.filter(({ clip }) => clip).length === 1 &&
        clipSizeOf(clips[0]) === undefined
      ? clips[0]
      : undefined);
}

/** Places of text encoders in single files, by their prefixes. */
const CLIP_PLACES: readonly (readonly [prefix: RegExp, size: ClipSize])[] = [
  [/(^|\.)clip_l\.$/, "L"],
  [/(^|\.)clip_g\.$/, "bigG"],
  [/^conditioner\.embedders\.(1\.|\d\.model\.$)/, "bigG"],
  [/^conditioner\.embedders\.0\./, "L"],
  [/^cond_stage_model\.model\.$/, "H"],
  // stable-diffusion.cpp numbers the second encoder.
  [/^(cond_stage_model|te)\.1\./, "bigG"],
  [/^(cond_stage_model|te)\./, "L"],
  [/(^|\.)text_encoder_2\.$/, "bigG"],
  [/(^|\.)text_encoder\.$/, "L"],
];

/** Which CLIP a network is: by its width, else by its place in the file. */
export function clipSizeOf({ prefix, tensors }: Network): ClipSize | undefined {
  const width = CLIP.derive(tensors).certain.hidden_size as number;
  return CLIP_SIZES[width] ?? CLIP_PLACES.find(([place]) => place.test(prefix))?.[1];
}

/** A part that the family has no place for. */
function refuseUseless(given: Given, family: FamilyFacts): void {
  const places = new Set<string>([
    "diffusionModel",
    "vae",
    "taesd",
    ...family.encoders.map(({ part }) => part),
  ]);
  for (const [part, own] of Object.entries(given.parts)) {
    if (!own || places.has(part)) continue;
    throw new LssgenError(
      "bad_option",
      `${family.name} has no place for "${own.scan.file.name}" (${
        PART_OPTIONS[part as PartName]
      }): its text encoders are ${
        family.encoders.map(({ part }) => PART_OPTIONS[part]).join(", ")
      }; leave it out`,
    );
  }
}

async function familyFor(
  given: Given,
  denoiser: Found | undefined,
  index: ModelIndex | undefined,
): Promise<FamilyFacts> {
  const { base, baseIsModel } = given;
  const listed = index &&
    FAMILIES.find(({ pipeline, denoiser }) =>
      pipeline === index.pipeline || (PIPELINE_KIN[index.pipeline] ?? "") === pipeline &&
        [...index.components.values()].includes(denoiser)
    );
  if (!denoiser) {
    if (listed) return await narrowed(listed, base!);
    throw new LssgenError(
      "unsupported",
      `"${base!.name}" is a ${
        index!.pipeline
      }, which takes no parts of other files and no --prediction; supported are ${
        [...new Set(FAMILIES.map(({ pipeline }) => pipeline))].join(", ")
      }`,
    );
  }
  const { certain } = denoiser.architecture.derive(denoiser.tensors);
  if (certain.addition_embed_type === "text_time" && certain.cross_attention_dim === 1024) {
    throw new LssgenError(
      "unsupported",
      `${
        whereFrom(denoiser)
      } is the UNet of Stable Diffusion 2 unCLIP, which takes a picture's embedding; it is not supported`,
    );
  }
  const fits = FAMILIES.filter((f) => f.denoiser === denoiser.architecture.class);
  if (listed && listed.denoiser !== denoiser.architecture.class) {
    throw new LssgenError(
      "bad_file",
      `${whereFrom(denoiser)} is ${denoiser.architecture.noun}, "${base!.name}" is a ${index!.pipeline}${
        baseIsModel ? ": give the file's own text encoders and autoencoder instead of the folder" : ""
      }`,
    );
  }
  const own = fits.find((family) => family.is(certain))!;
  // A folder knows better, as far as the sizes allow: SD2 and SD1.5 share a class.
  const kin = listed && fits.filter(({ pipeline }) => pipeline === listed.pipeline);
  return kin && !kin.includes(own) ? kin.find((family) => family.is(certain)) ?? listed! : own;
}

/** Pipelines of diffusers that have the components of another. */
const PIPELINE_KIN: Readonly<Record<string, string>> = {
  LatentConsistencyModelPipeline: "StableDiffusionPipeline",
  StableDiffusionInpaintPipeline: "StableDiffusionPipeline",
  StableDiffusionXLInpaintPipeline: "StableDiffusionXLPipeline",
  FluxFillPipeline: "FluxPipeline",
};

/** SD2 rather than SD1.5 where the folder's UNet says so. */
async function narrowed(listed: FamilyFacts, base: FolderSource): Promise<FamilyFacts> {
  const { json } = await readConfig(base, `${listed.component}/config.json`);
  return FAMILIES.find((f) =>
    f.pipeline === listed.pipeline && f.denoiser === listed.denoiser && f.is(json)
  ) ??
    listed;
}

function noDenoiser({ model, parts }: Given): LssgenError {
  if (model) {
    return new LssgenError(
      "bad_file",
      `"${model.file.name}" ${whatIs(model)}, expected a whole model or the denoiser of one${
        adviceFor(model)
      }`,
    );
  }
  const names = Object.keys(parts).map((part) => PART_OPTIONS[part as PartName]);
  return new LssgenError(
    "bad_option",
    `The denoiser is missing: give it with --diffusion-model FILE, or a whole model with --model${
      names.length > 0 ? `, beside ${names.join(", ")}` : ""
    }`,
  );
}

/** A network in its place, with its config. */
async function componentOf(
  given: Given,
  name: string,
  kind: string,
  network: Found,
  { facts = {}, encoder }: { facts?: Config; encoder?: EncoderSlot },
): Promise<AssembledComponent> {
  const { architecture } = network;
  let { tensors } = network;
  const from = whereFrom(network);
  const derived = architecture.derive(tensors);
  const stored = network.beside ?? await storedConfig(given.base, name, architecture, kind);
  const clash = stored && disagreement(derived.certain, stored);
  const explicit = network.beside !== undefined || !given.baseIsModel;
  // A part of another size than the folder's brings its own config, where that is known.
  const use = clash && !explicit && derived.unknown === undefined ? undefined : stored;
  if (clash && use) {
    throw new LssgenError(
      "bad_file",
      `${from}: ${clash.key} is ${shortJson(clash.found)}, ${
        network.beside ? "the config.json beside it" : `"${given.base!.name}/${name}/config.json"`
      } says ${shortJson(clash.expected)}`,
    );
  }
  if (derived.unknown !== undefined && !use) {
    throw new LssgenError(
      "unsupported",
      `${from} ${
        architecture.kind === "denoiser" ? "is " : "holds "
      }${architecture.noun} of unknown sizes: ${derived.unknown}. Give a folder with its configs in diffusers' layout ` +
        "with --config DIR",
    );
  }
  const projected = kind !== "CLIPTextModelWithProjection" || hasProjection(tensors);
  const config = {
    _class_name: kind,
    ...derived.usual,
    ...derived.certain,
    ...facts,
    ...Object.fromEntries(Object.entries(use ?? {}).filter(([, value]) => value !== null)),
  } as Record<string, unknown>;
  if (architecture === CLIP) tensors = withoutLastLayers(tensors, config.num_hidden_layers as number);
  return {
    name,
    // A bare CLIP L of SD3 has no projection: its pooled output is taken as it is, as in ComfyUI.
    class: projected ? kind : "CLIPTextModel",
    from,
    config,
    tensors,
    network,
    encoder,
  };
}

/** Layers that a config leaves out: the last of SD2's text encoder. */
function withoutLastLayers(tensors: Checkpoint, layers: number): Checkpoint {
  const beyond = (name: string): boolean =>
    Number(/^(?:text_model\.)?encoder\.layers\.(\d+)\./.exec(name)?.[1] ?? -1) >= layers;
  const kept = [...tensors.names()].filter((name) => !beyond(name));
  const known = new Set(kept);
  return {
    name: tensors.name,
    names: () => kept,
    info: (name) => known.has(name) ? tensors.info(name) : undefined,
    read: (name, rows) => tensors.read(name, rows),
    readF32: (name, rows) => tensors.readF32(name, rows),
  };
}

/** config.json of a folder's component, where its class is the same. */
async function storedConfig(
  base: FolderSource | undefined,
  name: string,
  architecture: Architecture,
  kind: string,
): Promise<Config | undefined> {
  if (!base || await base.text(`${name}/config.json`) === undefined) return undefined;
  const { json } = await readConfig(base, `${name}/config.json`);
  const inner = json.text_config; // a whole CLIP's config has the text encoder's inside
  if (architecture === CLIP && typeof inner === "object" && inner !== null) return inner as Config;
  const own = json._class_name ?? (Array.isArray(json.architectures) ? json.architectures[0] : undefined);
  return own === undefined || own === kind || own === architecture.class ||
      (architecture === CLIP && String(own).startsWith("CLIPText"))
    ? json
    : undefined;
}

/** The first key that a config and the shapes disagree on. */
function disagreement(
  certain: Config,
  stored: Config,
): { key: string; found: unknown; expected: unknown } | undefined {
  for (const [key, found] of Object.entries(certain)) {
    const expected = stored[key];
    if (expected === undefined || expected === null || key === "projection_dim") continue;
    // A text encoder may use fewer layers than the file has.
    if (key === "num_hidden_layers" && Number(expected) <= Number(found)) continue;
    const list = Math.max(lengthOf(found), lengthOf(expected));
    if (JSON.stringify(spread(found, list)) !== JSON.stringify(spread(expected, list))) {
      return { key, found, expected };
    }
  }
  return undefined;
}

function lengthOf(value: unknown): number {
  return Array.isArray(value) ? value.length : 1;
}

/** One value for all levels, or a list of them: the same thing. */
function spread(value: unknown, length: number): unknown {
  return Array.isArray(value) ? value : Array(length).fill(value);
}

/** Tensors of the given files that nothing makes use of. */
function leftOver({ model, parts }: Given): string[] {
  const scans = [model, ...Object.values(parts).map((part) => part?.scan)];
  return scans.flatMap((scan) => {
    if (!scan || scan.left.length === 0) return [];
    const shown = scan.left.slice(0, 3).map((name) => `"${name}"`).join(", ");
    return [
      `${scan.left.length} tensors of "${scan.file.name}" belong to no component and were left out: ${shown}${
        scan.left.length > 3 ? ", …" : ""
      }`,
    ];
  });
}

function schedulerOf(
  family: FamilyFacts,
  denoiser: Config,
  stored: Config | undefined,
  choice: Awaited<ReturnType<typeof predictionOf>> | undefined,
): Config {
  if (stored && !choice) return stored;
  const { type, scheduler } = choice!;
  const flow = type === "flow_prediction";
  const config = {
    ...stored ?? family.scheduler(denoiser, type),
    ...flow ? {} : { prediction_type: type },
    ...scheduler,
  } as Record<string, unknown>;
  // PNDM knows no schedule that ends in pure noise.
  if (config.rescale_betas_zero_snr && config._class_name === "PNDMScheduler") {
    config._class_name = "DDIMScheduler";
  }
  return config;
}

function indexOf(
  family: FamilyFacts,
  stored: ModelIndex | undefined,
  components: readonly AssembledComponent[],
): Config {
  const library = (kind: string): string => /^(CLIP|T5)/.test(kind) ? "transformers" : "diffusers";
  const index: Record<string, unknown> = stored ? { ...stored.config.json } : {
    _class_name: family.pipeline,
    ...family.index,
    scheduler: ["diffusers", "FlowMatchEulerDiscreteScheduler"],
  };
  for (const { component } of family.encoders) {
    if (!components.some(({ name }) => name === component)) {
      delete index[component];
      delete index[component.replace("text_encoder", "tokenizer")];
    }
  }
  for (const { name, class: kind, encoder } of components) {
    index[name] = [library(kind), kind];
    if (!encoder) continue;
    const tokenizer = name.replace("text_encoder", "tokenizer");
    index[tokenizer] = stored?.config.json[tokenizer] ??
      ["transformers", encoder.part === "t5" ? "T5Tokenizer" : "CLIPTokenizer"];
  }
  return index;
}

/** Opens the checkpoint of a component's folder, with the config beside it. */
export async function scanFolder(folder: FolderSource): Promise<GivenPart> {
  const checkpoint = await openCheckpoint(folder, "");
  const config = await folder.text("config.json") === undefined
    ? undefined
    : (await readConfig(folder, "config.json")).json;
  return { scan: scan(checkpoint), config };
}
