/**
 * Which networks a file of weights holds: by tensors that give them away, under whatever prefix.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { ByteSource } from "../weights/bytes.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { openGguf } from "../weights/gguf.ts";
import { underDiffusersNames } from "../weights/names/original.ts";
import { openSafetensors, type RowRange } from "../weights/safetensors.ts";
import type { Architecture } from "./architecture.ts";
import { ARCHITECTURES } from "./architectures.ts";

/** A file of weights, opened: its tensors under the names that it has itself, and the facts of its header. */
export interface WeightFile extends Checkpoint {
  /** Keys of the header beside tensors. */
  readonly metadata?: ReadonlyMap<string, unknown>;
}

/** A network found in a file. */
export interface Network {
  /** Which one. */
  readonly architecture: Architecture;
  /** What stands before its names in the file. */
  readonly prefix: string;
  /** Its tensors, under the names of diffusers. */
  readonly tensors: Checkpoint;
  /** Where it lies. */
  readonly file: WeightFile;
}

/** What a file holds. */
export interface Scan {
  /** The file. */
  readonly file: WeightFile;
  /** Networks, in the order of {@linkcode ARCHITECTURES}. */
  readonly networks: readonly Network[];
  /** Tensors that belong to none of them and have no known purpose here. */
  readonly left: readonly string[];
}

/**
 * Opens a safetensors or GGUF file by what it begins with, whatever it is called.
 *
 * @throws {LssgenError} `bad_file` when it is neither or unsound.
 */
export async function openWeights(source: ByteSource): Promise<WeightFile> {
  const magic = source.size < 4 ? "" : new TextDecoder().decode(await source.read(0, 4));
  return magic === "GGUF" ? await openGguf(source) : await openSafetensors(source);
}

/** Looks for every known network in a file. Nothing but its header is looked at. */
export function scan(file: WeightFile): Scan {
  // Averages of a training run, beside the weights they were made from: nobody draws with them.
  const names = [...file.names()].filter((name) => !name.startsWith("model_ema."));
  const found = new Map<string, { architecture: Architecture; prefix: string }>();
  const all = new Set(names);
  for (const name of names) {
    const at = markedBy(name, all);
    if (at) found.set(`${at.architecture.class} ${at.prefix}`, at);
  }
  const prefixes = [...new Set([...found.values()].map(({ prefix }) => prefix))];
  prefixes.sort((a, b) => b.length - a.length);
  const byPrefix = new Map<string, Map<string, string>>(prefixes.map((prefix) => [prefix, new Map()]));
  const left: string[] = [];
  for (const name of names) {
    const prefix = prefixes.find((prefix) => name.startsWith(prefix));
    if (prefix === undefined || (prefix === "" && BESIDE.test(name))) left.push(name);
    else byPrefix.get(prefix)!.set(name.slice(prefix.length), name);
  }
  const networks = [...found.values()].map(({ architecture, prefix }): Network => ({
    architecture,
    prefix,
    tensors: underDiffusersNames(new Part(file, byPrefix.get(prefix)!)),
    file,
  }));
  networks.sort((a, b) => ARCHITECTURES.indexOf(a.architecture) - ARCHITECTURES.indexOf(b.architecture));
  return { file, networks, left: left.filter((name) => !BESIDE.test(name)) };
}

/** The network that a tensor gives away. */
function markedBy(
  name: string,
  all: ReadonlySet<string>,
): { architecture: Architecture; prefix: string } | undefined {
  for (const architecture of ARCHITECTURES) {
    for (const [first, ...others] of architecture.markers) {
      if (name !== first && !name.endsWith(`.${first}`)) continue;
      const prefix = name.slice(0, name.length - first.length);
      if (others.every((other) => all.has(prefix + other))) return { architecture, prefix };
    }
  }
  return undefined;
}

/** Numbers of a training run and marks of tools, which lie beside a checkpoint's networks. */
const BESIDE = new RegExp(
  "^(?:" + [
    "(?:sqrt_|log_|one_minus_)?(?:one_minus_|recip_|recipm1_)?alphas_cumprod(?:_prev)?",
    "sqrt_recipm?1?_alphas_cumprod",
    "betas",
    "posterior_(?:variance|log_variance_clipped|mean_coef[12])",
    "lvlb_weights",
    "logvar",
    "model_ema\\..*",
    "denoiser\\.(?:sigmas|log_sigmas|weighting.*)",
    "v_pred",
    "ztsnr",
    "scaled_fp8",
    "(?:.*\\.)?logit_scale",
    "global_step",
    "epoch",
    // The autoencoder's training and a folder's safety checker.
    "(?:first_stage_model\\.)?loss\\..*",
    "(?:safety_checker|feature_extractor)\\..*",
  ].join("|") + ")$",
);

/** Some tensors of a file under shorter names. */
class Part implements Checkpoint {
  constructor(private readonly file: Checkpoint, private readonly full: ReadonlyMap<string, string>) {}

  get name(): string {
    return this.file.name;
  }

  names(): Iterable<string> {
    return this.full.keys();
  }

  info(name: string): ReturnType<Checkpoint["info"]> {
    const full = this.full.get(name);
    return full === undefined ? undefined : this.file.info(full);
  }

  read(name: string, rows?: RowRange): ReturnType<Checkpoint["read"]> {
    return this.file.read(this.inFile(name), rows);
  }

  readF32(name: string, rows?: RowRange): ReturnType<Checkpoint["readF32"]> {
    return this.file.readF32(this.inFile(name), rows);
  }

  private inFile(name: string): string {
    const full = this.full.get(name);
    if (full === undefined) throw new LssgenError("bad_tensor", `"${this.name}" has no tensor "${name}"`);
    return full;
  }
}

/** A network without some of its tensors. */
export function without(tensors: Checkpoint, unwanted: (name: string) => boolean): Checkpoint {
  const full = new Map([...tensors.names()].filter((name) => !unwanted(name)).map((name) => [name, name]));
  return new Part(tensors, full);
}
