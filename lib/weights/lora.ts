/**
 * LoRA: low-rank changes of a model's weights, merged while the tensors are read: W' = W + scale · alpha/rank · B·A.
 *
 * Source: arXiv 2106.09685; names as diffusers, PEFT and kohya-ss/sd-scripts write them, modules under the names of
 * diffusers or of a model's first release.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { ByteSource } from "./bytes.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { originalTargets, type Target } from "./names/original.ts";
import { openSafetensors, type RowRange, type SafetensorsFile } from "./safetensors.ts";

/** A LoRA to apply. */
export interface Lora {
  /** A safetensors file. */
  readonly file: ByteSource;
  /** Strength; 1 by default, 0 to about 1.5 is usual, negative does the opposite. */
  readonly scale?: number;
}

/** What of a LoRA file changes which tensors of one component. */
interface Change {
  /** Rows of B·A that make the tensor, end to end; all of them when absent. */
  readonly rows?: readonly RowRange[];
  readonly adapter: Adapter;
}

/** One pair of matrices. */
interface Adapter {
  readonly file: SafetensorsFile;
  /** As in the file, for messages. */
  readonly key: string;
  /** Which part of the model: `denoiser`, `text_encoder`, …; undefined where the key does not say. */
  readonly part: string | undefined;
  /** Module path: with dots, or with underscores as kohya writes it. */
  readonly module: string;
  readonly down: string;
  readonly up: string;
  readonly rank: number;
  readonly out: number;
  readonly width: number;
  /** scale · alpha / rank. */
  readonly factor: number;
}

/** Endings of A and B by who wrote the file. */
const PAIRS: readonly (readonly [down: string, up: string])[] = [
  [".lora_A.weight", ".lora_B.weight"],
  [".lora_A.default.weight", ".lora_B.default.weight"],
  [".lora_down.weight", ".lora_up.weight"],
  [".lora.down.weight", ".lora.up.weight"],
  [".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"],
];
/** diffusers' first attention processors: `attn1.processor.to_q_lora.down.weight`. */
const PROCESSOR = /\.processor\.(to_q|to_k|to_v|to_out)_lora\.(down|up)\.weight$/;
/** Other kinds of adapters, by an ending that only they have. */
const OTHERS: Readonly<Record<string, string>> = {
  ".hada_w1_a": "LoHa",
  ".lokr_w1": "LoKr",
  ".lokr_w1_a": "LoKr",
  ".oft_blocks": "OFT",
  ".dora_scale": "DoRA",
  ".lora_mid.weight": "LoCon with a middle matrix",
  ".lora_magnitude_vector": "DoRA",
};

/** What stands before a module, and the part of the model it means. */
const PREFIXES: readonly (readonly [prefix: string, part: string | undefined])[] = [
  ["base_model.model.", undefined],
  ["transformer.", "denoiser"],
  ["unet.", "denoiser"],
  ["diffusion_model.", "denoiser"],
  ["lora_unet_", "denoiser"],
  ["lora_transformer_", "denoiser"],
  ["text_encoder.", "text_encoder"],
  ["text_encoder_2.", "text_encoder_2"],
  ["text_encoder_3.", "text_encoder_3"],
  ["lora_te_", "text_encoder"],
  ["lora_te1_", "text_encoder"],
  ["lora_te2_", "text_encoder_2"],
  ["lora_te3_", "text_encoder_3"],
];

/** LoRAs of a model, matched to its components one by one. */
export class LoraSet {
  private readonly matched = new Set<Adapter>();

  private constructor(
    private readonly adapters: readonly Adapter[],
    private readonly others: readonly string[],
  ) {}

  /**
   * Reads the headers of LoRA files.
   *
   * @throws {LssgenError} `bad_file` for an unsound file, `bad_tensor` for a pair that does not fit together,
   * `unsupported` for adapters of another kind, `bad_option` for a scale that is no number.
   */
  static async open(loras: readonly Lora[]): Promise<LoraSet> {
    const adapters: Adapter[] = [];
    const others: string[] = [];
    for (const { file, scale = 1 } of loras) {
      if (!Number.isFinite(scale) || Math.abs(scale) > 100) {
        throw new LssgenError(
          "bad_option",
          `LoRA "${file.name}": scale is ${scale}, expected a number from -100 to 100`,
        );
      }
      const found = await adaptersOf(await openSafetensors(file), scale);
      adapters.push(...found.adapters);
      others.push(...found.others);
    }
    return new LoraSet(adapters, others);
  }

  /**
   * A component's checkpoint with the changes that belong to it.
   *
   * @param part `denoiser`, or the folder of a text encoder.
   * @throws {LssgenError} `bad_tensor` when a change has another shape than its tensor.
   */
  apply(checkpoint: Checkpoint, part: string): Checkpoint {
    const mine = this.adapters.filter((a) => (a.part ?? "denoiser") === part);
    const changes = new Map<string, Change[]>();
    for (const [adapter, targets] of targetsOf(checkpoint, mine)) {
      this.matched.add(adapter);
      for (const { name, rows } of targets) {
        checkFit(checkpoint, name, adapter, rows);
        changes.set(name, [...changes.get(name) ?? [], { adapter, rows }]);
      }
    }
    return changes.size === 0 ? checkpoint : new ChangedCheckpoint(checkpoint, changes);
  }

  /**
   * What matched nothing once every component was offered, as sentences.
   *
   * @throws {LssgenError} `unsupported` when nothing matched at all.
   */
  warnings(model: string): string[] {
    const left = [...this.adapters.filter((a) => !this.matched.has(a)).map((a) => a.key), ...this.others];
    if (this.adapters.length > 0 && this.matched.size === 0) {
      throw new LssgenError(
        "unsupported",
        `LoRA "${this.adapters[0].file.name}" fits no part of ${model}: it changes "${
          this.adapters[0].key
        }" and ` +
          `${this.adapters.length - 1} more modules; it was made for another model`,
      );
    }
    if (left.length === 0) return [];
    const shown = left.slice(0, 10).join(", ");
    return [
      `${left.length} keys of the LoRA match nothing and were left out: ${shown}${
        left.length > 10 ? ", …" : ""
      }`,
    ];
  }
}

async function adaptersOf(
  file: SafetensorsFile,
  scale: number,
): Promise<{ adapters: Adapter[]; others: string[] }> {
  const adapters: Adapter[] = [];
  const used = new Set<string>();
  const names = [...file.names()];
  for (const name of names) {
    const kind = Object.entries(OTHERS).find(([ending]) => name.endsWith(ending));
    if (kind) {
      throw new LssgenError(
        "unsupported",
        `"${file.name}" holds ${kind[1]} adapters ("${name}"), supported are plain LoRA pairs`,
      );
    }
    const pair = pairOf(name);
    if (!pair) continue;
    const { base, up } = pair;
    const [a, b] = [file.info(name)!, file.info(up)];
    if (!b) throw new LssgenError("bad_tensor", `"${file.name}" has "${name}" without "${up}"`);
    const rank = a.shape[0] ?? 0;
    const tail = b.shape.slice(2).every((n) => n === 1);
    if (a.shape.length < 2 || b.shape.length < 2 || b.shape[1] !== rank || rank === 0 || !tail) {
      throw new LssgenError(
        "bad_tensor",
        `"${file.name}": "${name}" is [${a.shape}] and "${up}" [${b.shape}], expected [rank, in] and [out, rank]`,
      );
    }
    const alphaName = [`${base}.alpha`, `${base}.lora.alpha`].find((n) => file.info(n));
    const alpha = alphaName === undefined ? rank : (await file.readF32(alphaName))[0];
    for (const n of [name, up, alphaName]) if (n !== undefined) used.add(n);
    adapters.push({
      file,
      key: base,
      ...partOf(base),
      down: name,
      up,
      rank,
      out: b.shape[0],
      width: a.shape.slice(1).reduce((x, y) => x * y, 1),
      factor: scale * alpha / rank,
    });
  }
  if (adapters.length === 0) {
    throw new LssgenError(
      "bad_file",
      `"${file.name}" holds no LoRA, expected pairs such as ${
        PAIRS.map(([down]) => `"….${down.slice(1)}"`).join(" or ")
      }`,
    );
  }
  return { adapters, others: names.filter((name) => !used.has(name)) };
}

/** The module that a down matrix belongs to, and its partner. */
function pairOf(name: string): { base: string; up: string } | undefined {
  for (const [down, up] of PAIRS) {
    if (name.endsWith(down)) {
      return { base: name.slice(0, -down.length), up: name.slice(0, -down.length) + up };
    }
  }
  const [whole, layer, which] = PROCESSOR.exec(name) ?? [];
  if (whole === undefined || which !== "down") return undefined;
  const base = `${name.slice(0, -whole.length)}.${layer === "to_out" ? "to_out.0" : layer}`;
  return { base, up: name.replace(/\.down\.weight$/, ".up.weight") };
}

function partOf(base: string): { part: string | undefined; module: string } {
  let module = base;
  let part: string | undefined;
  for (const [prefix, of] of PREFIXES) {
    if (!module.startsWith(prefix)) continue;
    // A denoiser's own modules may begin like a prefix ("transformer_blocks" does not: prefixes end in "." or "_").
    module = module.slice(prefix.length);
    part = of;
    if (of !== undefined) break;
  }
  return { part, module };
}

/** Tensors of a checkpoint that adapters change. */
function targetsOf(checkpoint: Checkpoint, adapters: readonly Adapter[]): Map<Adapter, readonly Target[]> {
  const weights = [...checkpoint.names()].filter((name) => name.endsWith(".weight"));
  const flat = new Map(weights.map((name) => [name.slice(0, -7).replaceAll(".", "_"), name]));
  const found = new Map<Adapter, readonly Target[]>();
  const originals = new Map<string, Adapter[]>(); // several files may change the same module
  for (const adapter of adapters) {
    const name = nameOf(adapter.module, checkpoint, flat);
    if (name !== undefined) found.set(adapter, [{ name }]);
    else {
      const tensor = `${dotted(adapter.module)}.weight`;
      originals.set(tensor, [...originals.get(tensor) ?? [], adapter]);
    }
  }
  const shapes = new Map([...originals].map(([tensor, [{ out, width }]]) => [tensor, [out, width]]));
  for (const [tensor, targets] of originalTargets(shapes, weights)) {
    for (const adapter of originals.get(tensor)!) found.set(adapter, targets);
  }
  return found;
}

/** The weight of a module that has its name already, dots or underscores, CLIP's with or without `text_model`. */
function nameOf(
  module: string,
  checkpoint: Checkpoint,
  flat: ReadonlyMap<string, string>,
): string | undefined {
  for (const name of [module, `text_model.${module}`, module.replace(/^text_model[._]/, "")]) {
    if (checkpoint.info(`${name}.weight`)) return `${name}.weight`;
    const found = flat.get(name.replaceAll(".", "_"));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Words with an underscore in the modules of first releases, which kohya writes between underscores. */
const WORDS = ("input_blocks middle_block output_blocks transformer_blocks in_layers out_layers emb_layers " +
  "skip_connection time_embed label_emb to_q to_k to_v to_out proj_in proj_out double_blocks single_blocks img_attn " +
  "txt_attn img_mlp txt_mlp img_mod txt_mod img_in txt_in time_in vector_in guidance_in in_layer out_layer " +
  "final_layer adaLN_modulation joint_blocks x_block context_block x_embedder t_embedder y_embedder context_embedder")
  .split(" ").sort((a, b) => b.length - a.length);

/** `double_blocks_0_img_attn_qkv` → `double_blocks.0.img_attn.qkv`. */
function dotted(module: string): string {
  if (module.includes(".")) return module;
  let out = module;
  WORDS.forEach((word, i) => out = out.replaceAll(word, `<${i}>`));
  return out.replaceAll("_", ".").replace(/<(\d+)>/g, (_, i) => WORDS[Number(i)]);
}

function checkFit(
  checkpoint: Checkpoint,
  name: string,
  { file, key, out, width }: Adapter,
  rows: readonly RowRange[] | undefined,
): void {
  const { shape } = checkpoint.info(name)!;
  const K = shape.slice(1).reduce((a, b) => a * b, 1);
  const N = rows ? rows.reduce((sum, { count }) => sum + count, 0) : out;
  if (shape[0] === N && K === width && (rows ?? []).every(({ first, count }) => first + count <= out)) return;
  throw new LssgenError(
    "bad_tensor",
    `LoRA "${file.name}": "${key}" makes [${N}, ${width}], but "${name}" of "${checkpoint.name}" is [${shape}]; it was ` +
      "made for a model of another size",
  );
}

/** A checkpoint some of whose tensors are changed when they are read. */
class ChangedCheckpoint implements Checkpoint {
  constructor(
    private readonly base: Checkpoint,
    private readonly changes: ReadonlyMap<string, readonly Change[]>,
  ) {}

  get name(): string {
    return this.base.name;
  }

  get metadata(): Checkpoint["metadata"] {
    return this.base.metadata;
  }

  names(): Iterable<string> {
    return this.base.names();
  }

  info(name: string): { readonly shape: readonly number[]; readonly dtype: string } | undefined {
    const info = this.base.info(name);
    // Quantised tensors are unpacked: a change of a few parts in a thousand would not survive their steps.
    return info && this.changes.has(name) && !(info.dtype in ENCODERS) ? { ...info, dtype: "F32" } : info;
  }

  async read(name: string, rows?: RowRange): Promise<{ bytes: Uint8Array<ArrayBuffer> }> {
    if (!this.changes.has(name)) return await this.base.read(name, rows);
    const values = await this.readF32(name, rows);
    return { bytes: ENCODERS[this.info(name)!.dtype](values) };
  }

  async readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>> {
    const values = await this.base.readF32(name, rows);
    const changes = this.changes.get(name);
    if (!changes) return values;
    const { shape } = this.base.info(name)!;
    const range = rows ?? { first: 0, count: shape[0] };
    const out = new Float32Array(values);
    for (const change of changes) await addChange(out, range, change);
    return out;
  }
}

/** Values as a stored type holds them. */
const ENCODERS: Readonly<Record<string, (values: Float32Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>>> = {
  F32: (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  F16: (values) => new Uint8Array(new Float16Array(values).buffer),
  BF16(values) {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    // To nearest, ties to even.
    return new Uint8Array(Uint16Array.from(bits, (b) => (b + 0x7fff + (b >>> 16 & 1)) >>> 16).buffer);
  },
};

/** out [range.count, width] += factor · B·A, of the rows in range. */
async function addChange(out: Float32Array, range: RowRange, { adapter, rows }: Change): Promise<void> {
  const { file, down, up, rank, width, factor } = adapter;
  const [a, b] = [await file.readF32(down), await file.readF32(up)];
  const sources = rows
    ? rows.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i))
    : undefined;
  for (let n = 0; n < range.count; n++) {
    const row = sources ? sources[range.first + n] : range.first + n;
    const to = out.subarray(n * width, (n + 1) * width);
    for (let j = 0; j < rank; j++) {
      const c = factor * b[row * rank + j];
      if (c === 0) continue;
      const from = j * width;
      for (let k = 0; k < width; k++) to[k] += c * a[from + k];
    }
  }
}
