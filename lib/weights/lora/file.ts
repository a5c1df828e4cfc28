/**
 * A LoRA file: its header, and its tensors grouped by the module that they change.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import type { ByteSource } from "../bytes.ts";
import { openGguf } from "../gguf.ts";
import { openSafetensors } from "../safetensors.ts";

/** A file of named tensors, safetensors or GGUF. */
export interface TensorFile {
  /** For messages. */
  readonly name: string;
  /** Texts of the header. */
  readonly metadata: ReadonlyMap<string, unknown>;
  /** Every tensor's name. */
  names(): Iterable<string>;
  /** Shape and stored type; `undefined` when absent. */
  info(name: string): { readonly shape: readonly number[]; readonly dtype: string } | undefined;
  /** The values as f32, whatever the storage. */
  readF32(name: string): Promise<Float32Array<ArrayBuffer>>;
}

/**
 * Opens a file of tensors by its first bytes.
 *
 * @throws {LssgenError} `bad_file` for an unsound file.
 */
export async function openTensorFile(source: ByteSource): Promise<TensorFile> {
  if (source.size >= 4) {
    const magic = new TextDecoder("latin1").decode(await source.read(0, 4));
    if (magic === "GGUF") return await openGguf(source);
  }
  return await openSafetensors(source);
}

/** What a tensor is to its module. */
export type Slot =
  | "down" // A: [rank, in]
  | "up" // B: [out, rank]
  | "mid" // Tucker's core: [rank, rank, kh, kw]
  | "up_bias"
  | "down_bias"
  | "alpha"
  | "scale"
  | "scalar"
  | "dora_scale"
  | "magnitude"
  | "reshape_weight"
  | `hada_${"w1_a" | "w1_b" | "w2_a" | "w2_b" | "t1" | "t2"}`
  | `lokr_${"w1" | "w1_a" | "w1_b" | "w2" | "w2_a" | "w2_b" | "t2"}`
  | `oft_blocks${"" | `.${number}`}`
  | "rescale"
  | `glora_${"a1" | "a2" | "b1" | "b2"}`
  | "on_input"
  | "diff"
  | "diff_b"
  | "w_norm"
  | "b_norm"
  | "set_weight"
  | "plain_weight"
  | "plain_bias";

/** All tensors of one module. */
export interface Group {
  /** The module as the file spells it, prefix included. */
  readonly key: string;
  /** Tensors by what they are. */
  readonly tensors: ReadonlyMap<Slot, string>;
}

/** PEFT may leave the adapter's name in a tensor's name. */
const ADAPTER = "(?:\\.(?<adapter>(?!weight$|bias$)[\\w-]+))?";

/** Endings of tensor names: who wrote them, what they are. The first that fits counts. */
const ENDINGS: readonly (readonly [ending: RegExp, slot: (m: Record<string, string>) => Slot])[] = [
  // PEFT and diffusers.
  [
    new RegExp(`\\.lora_(?<ab>[AB])${ADAPTER}\\.(?<leaf>weight|bias)$`),
    ({ ab, leaf }) => matrix(ab === "A", leaf),
  ],
  [new RegExp(`\\.lora_magnitude_vector${ADAPTER}(?:\\.weight)?$`), () => "magnitude"],
  // Genmo's.
  [/\.lora_(?<ab>[AB])$/, ({ ab }) => matrix(ab === "A", "weight")],
  // kohya and LyCORIS.
  [/\.lora_mid\.weight$/, () => "mid"],
  [/\.lora_(?<way>down|up)\.(?<leaf>weight|bias)$/, ({ way, leaf }) => matrix(way === "down", leaf)],
  [new RegExp(`\\.hada_(?<which>w[12]_[ab]|t[12])${ADAPTER}$`), ({ which }) => `hada_${which}` as Slot],
  [new RegExp(`\\.lokr_(?<which>w[12]_[ab]|w[12]|t2)${ADAPTER}$`), ({ which }) => `lokr_${which}` as Slot],
  [/\.oft_blocks(?<part>\.\d+)?$/, ({ part }) => `oft_blocks${part ?? ""}` as Slot],
  [/\.(?<which>[ab][12])\.weight$/, ({ which }) => `glora_${which}` as Slot],
  [
    /\.(?<slot>rescale|on_input|diff|diff_b|w_norm|b_norm|set_weight|reshape_weight)$/,
    ({ slot }) => slot as Slot,
  ],
  [/\.(?<slot>dora_scale|scalar|scale)$/, ({ slot }) => slot as Slot],
  // diffusers before PEFT: layers beside a module, and attention processors; XLabs' processors.
  [/\.lora(?:_linear_layer)?\.(?<way>down|up)\.weight$/, ({ way }) => matrix(way === "down", "weight")],
  [/_lora[12]?\.(?<way>down|up)\.weight$/, ({ way }) => matrix(way === "down", "weight")],
  [/(?:\.lora|_lora[12]?)?\.alpha$/, () => "alpha"],
  // A whole weight.
  [/\.(?<leaf>weight|bias)$/, ({ leaf }) => leaf === "bias" ? "plain_bias" : "plain_weight"],
];

function matrix(down: boolean, leaf: string): Slot {
  if (leaf === "bias") return down ? "down_bias" : "up_bias";
  return down ? "down" : "up";
}

/**
 * Tensors by module. Names that end in nothing known are given apart.
 *
 * @throws {LssgenError} `unsupported` when a file holds two adapters for one module.
 */
export function groupsOf(file: TensorFile): { groups: Group[]; unknown: string[] } {
  const groups = new Map<string, Map<Slot, string>>();
  const unknown: string[] = [];
  for (const name of file.names()) {
    const found = slotOf(name);
    if (!found) {
      unknown.push(name);
      continue;
    }
    let tensors = groups.get(found.key);
    if (!tensors) groups.set(found.key, tensors = new Map());
    const other = tensors.get(found.slot);
    if (other !== undefined) {
      throw new LssgenError(
        "unsupported",
        `LoRA "${file.name}" holds both "${other}" and "${name}"; a file may hold one adapter a module`,
      );
    }
    tensors.set(found.slot, name);
  }
  return { groups: [...groups].map(([key, tensors]) => ({ key, tensors })), unknown };
}

function slotOf(name: string): { key: string; slot: Slot } | undefined {
  for (const [ending, slot] of ENDINGS) {
    const match = ending.exec(name);
    if (!match) continue;
    // The processors' own names stay part of the key: "….processor.to_q_lora" and "….processor.qkv_lora1".
    const lora = /^_lora[12]?/.exec(match[0])?.[0] ?? "";
    return { key: name.slice(0, match.index) + lora, slot: slot(match.groups ?? {}) };
  }
  return undefined;
}
