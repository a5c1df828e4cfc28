/**
 * Weights stored as small numbers whose scales are tensors of their own: the 8-bit and 4-bit layouts that ComfyUI and
 * its quantisers, transformers and bitsandbytes write into safetensors files. The tensors beside a weight do not show;
 * the weight shows with the shape and the values that it stands for.
 *
 * Source: ComfyUI (convert_old_quants, QUANT_ALGOS) and comfy-kitchen's reference arithmetic; bitsandbytes' quant_state
 * and SCB; transformers' fine-grained FP8 (weight_scale_inv).
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";
import { type JsonBounds, parseJson } from "../json.ts";
import type { Checkpoint } from "./types.ts";
import { toF32 } from "./dtypes.ts";
import type { ConfigReader } from "./model_folder.ts";
import type { RowRange } from "./safetensors.ts";
import type { BlockScales, StoredForm } from "./stored_form.ts";

/** Endings of what stands beside a `….weight`, after the layer's name. */
const COMPANIONS = [
  ".scale_weight", // ComfyUI until 2025
  ".scale_input",
  ".weight_scale", // ComfyUI since, compressed-tensors, ModelOpt
  ".weight_scale_2",
  ".weight_scale_inv", // transformers' fine-grained FP8: a factor in spite of its name
  ".input_scale",
  ".comfy_quant",
  ".weight.absmax", // bitsandbytes, 4 bits
  ".weight.quant_map",
  ".weight.nested_absmax",
  ".weight.nested_quant_map",
  ".weight.quant_state.bitsandbytes__nf4",
  ".weight.quant_state.bitsandbytes__fp4",
  ".SCB", // bitsandbytes, 8 bits
  ".weight_format",
] as const;

/** Layouts that are not read, by the ending that gives them away. */
const REFUSED: readonly (readonly [ending: string, layout: string])[] = [
  [".g_idx", "GPTQ"],
  [".smooth_factor", "SVDQuant (Nunchaku)"],
  [".wscales", "SVDQuant (Nunchaku)"],
  [".qweight", "GPTQ or AWQ"],
  [".qzeros", "GPTQ or AWQ"],
  [".weight_packed", "compressed-tensors' packed integers"],
  [".weight_s_rel", "asym_w4a8_int8"],
  [".pre_quant_scale", "NVFP4 with smoothed inputs (pre_quant_scale)"],
  [".weight._data", "optimum-quanto"],
  [".weight_qdata", "torchao"],
  [".W_q", "HQQ"],
  [".weight_blocks", "MXFP4 in blocks"],
];

/** Types whose values say nothing without a layout: a weight of one of them needs its scales. */
const INTEGERS: ReadonlySet<string> = new Set("I8 U8 I16 U16 I32 U32 I64 U64 BOOL".split(" "));
/** Types that no weight is read from. */
const UNREAD: ReadonlySet<string> = new Set("F4 F6_E2M3 F6_E3M2 F8_E8M0 C64".split(" "));

/** One weight and how its values come about. */
interface Scaled {
  readonly shape: readonly number[];
  /** Layout, for `info().dtype`: what is stored and that scales belong to it. */
  readonly dtype: string;
  /** Values of some rows. */
  values(rows: RowRange): Promise<Float32Array<ArrayBuffer>>;
  /** Stored type and its factors, where the values are no more than their products. */
  readonly plain?: { readonly dtype: string; readonly scales: BlockScales };
}

/**
 * The file with each scaled weight under its name, its type spelt as the layout (`F8_E4M3 scaled`, `I8 scaled`, `NVFP4`,
 * `MXFP8`, `NF4`, …). `read` of such a weight gives its packed bytes, `readF32` its values.
 *
 * @throws {LssgenError} `unsupported` for a layout that is not read, by its name; `bad_tensor` for scales that do not fit.
 */
export async function withScales(source: Checkpoint): Promise<Checkpoint> {
  const names = [...source.names()];
  refuseOtherLibraries(source, names);
  refuseUnread(source, names);
  const hidden = new Set(names.filter((name) => /(^|\.)scaled_fp8$/.test(name)));
  const layers = new Map<string, Map<string, string>>();
  for (const name of names) {
    const ending = COMPANIONS.find((one) => name.endsWith(one));
    if (ending === undefined) continue;
    const layer = name.slice(0, -ending.length);
    // Some modules call a layer of their own "input_scale": what belongs to no weight is no companion.
    if (!source.info(`${layer}.weight`)) continue;
    hidden.add(name);
    if (!layers.has(layer)) layers.set(layer, new Map());
    layers.get(layer)!.set(ending, name);
  }
  const formats = await formatsOf(source, layers);
  const scaled = new Map<string, Scaled>();
  await Promise.all([...layers].map(async ([layer, beside]) => {
    const weight = await scaledWeight({ source, layer, beside, format: formats.get(layer) });
    if (weight) scaled.set(`${layer}.weight`, weight);
  }));
  for (const name of names) {
    const type = source.info(name)!.dtype;
    if (!name.endsWith(".weight") || scaled.has(name) || !(INTEGERS.has(type) || UNREAD.has(type))) continue;
    throw new LssgenError(
      "unsupported",
      `"${source.name}": "${name}" is stored as ${type}, and nothing beside it says what the numbers mean; get the ` +
        "model as 16-bit or FP8 safetensors, or as GGUF",
    );
  }
  return hidden.size === 0 && scaled.size === 0 ? source : new ScaledCheckpoint(source, scaled, hidden);
}

class ScaledCheckpoint implements Checkpoint {
  constructor(
    private readonly source: Checkpoint,
    private readonly scaled: ReadonlyMap<string, Scaled>,
    private readonly hidden: ReadonlySet<string>,
  ) {}

  get name(): string {
    return this.source.name;
  }

  get metadata(): Checkpoint["metadata"] {
    return this.source.metadata;
  }

  *names(): Iterable<string> {
    for (const name of this.source.names()) if (!this.hidden.has(name)) yield name;
  }

  info(name: string): { readonly shape: readonly number[]; readonly dtype: string } | undefined {
    return this.scaled.get(name) ?? (this.hidden.has(name) ? undefined : this.source.info(name));
  }

  wholeOnly(name: string): boolean {
    return this.source.wholeOnly?.(name) ?? false;
  }

  read(
    name: string,
    rows?: RowRange,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer> }> {
    return this.source.read(name, rows, into);
  }

  stored(name: string): StoredForm | undefined {
    const weight = this.scaled.get(name);
    if (!weight) return this.source.stored?.(name);
    return weight.plain && { ...weight.plain, read: (rows, into) => this.source.read(name, rows, into) };
  }

  async readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>> {
    const weight = this.scaled.get(name);
    if (!weight) return await this.source.readF32(name, rows);
    const all = weight.shape[0] ?? 1;
    const { first, count } = rows ?? { first: 0, count: all };
    if (first < 0 || count < 0 || first + count > all) {
      throw new LssgenError(
        "bad_tensor",
        `"${this.name}": tensor "${name}" of [${weight.shape}] has ${all} rows, ${first} … ${
          first + count
        } were asked for`,
      );
    }
    return await weight.values({ first, count });
  }
}

function refuseUnread(source: Checkpoint, names: readonly string[]): void {
  for (const [ending, layout] of REFUSED) {
    const name = names.find((one) => one.endsWith(ending));
    if (name === undefined) continue;
    throw new LssgenError(
      "unsupported",
      `"${source.name}" is quantised as ${layout} ("${name}"), which is not read; get the model as 16-bit or FP8 ` +
        "safetensors, as bitsandbytes' NF4, or as GGUF",
    );
  }
}

/** Libraries whose files name or lay out tensors in another way, by what they write as `format` into the header. */
function refuseOtherLibraries(source: Checkpoint, names: readonly string[]): void {
  const format = source.metadata?.get("format");
  const library = { tf: "TensorFlow", flax: "Flax", mlx: "MLX" }[String(format)];
  // MLX differs in convolutions only: their channels come last.
  const convolutions = (): boolean => names.some((name) => source.info(name)!.shape.length > 2);
  if (library === undefined || (format === "mlx" && !convolutions())) return;
  throw new LssgenError(
    "unsupported",
    `"${source.name}" has the weights in ${library}'s layout (its header says format ${format}); get the model's files for PyTorch`,
  );
}

/** Methods of `quantization_config` whose tensors say all that is needed to read them. */
const READ_METHODS: ReadonlySet<string> = new Set(
  "bitsandbytes fp8 fbgemm_fp8 compressed-tensors modelopt gguf bfl".split(" "),
);

/**
 * Refuses a component whose config.json says that its weights are quantised in a way that is not read, before they are
 * looked for.
 *
 * @throws {LssgenError} `unsupported`, by the method's name.
 */
export function checkQuantization(config: ConfigReader): void {
  const quantization = config.json.quantization_config;
  if (typeof quantization !== "object" || quantization === null) return;
  const method = (quantization as { quant_method?: unknown }).quant_method;
  // bitsandbytes' configs of 2023 name no method.
  if (method === undefined || READ_METHODS.has(String(method))) return;
  throw new LssgenError(
    "unsupported",
    `"${config.name}": quantization_config says quant_method ${
      shortJson(method)
    }, which is not read; get the model as ` +
      "16-bit or FP8 safetensors, as bitsandbytes' NF4, or as GGUF",
  );
}

/** What ComfyUI notes about a layer: `format`, and for some formats more. */
type Format = Readonly<Record<string, unknown>>;

/** Layouts by layer, from the header or from the texts beside the weights. */
async function formatsOf(
  source: Checkpoint,
  layers: Map<string, Map<string, string>>,
): Promise<Map<string, Format>> {
  const formats = new Map<string, Format>();
  const bad = (where: string, what: string): LssgenError =>
    new LssgenError("bad_file", `"${source.name}": ${where} ${what}; the file may be damaged`);
  const noted = source.metadata?.get("_quantization_metadata");
  if (typeof noted === "string") {
    const listed = (parsed(noted) as { layers?: unknown } | undefined)?.layers;
    if (typeof listed !== "object" || listed === null) throw bad("_quantization_metadata", "lists no layers");
    for (const [key, value] of Object.entries(listed)) {
      // Some tools leave out what stands before the denoiser's names.
      const layer = source.info(`${key}.weight`)
        ? key
        : [...layers.keys()].find((one) => one.endsWith(`.${key}`)) ?? key;
      if (!source.info(`${layer}.weight`)) continue;
      if (!layers.has(layer)) layers.set(layer, new Map());
      formats.set(layer, typeof value === "string" ? { format: value } : value as Format);
    }
  }
  await Promise.all([...layers].map(async ([layer, beside]) => {
    const name = beside.get(".comfy_quant");
    if (name === undefined || formats.has(layer)) return;
    const value = parsed(new TextDecoder().decode((await source.read(name)).bytes));
    if (typeof value !== "object" || value === null) throw bad(`"${name}"`, "is not a JSON object");
    formats.set(layer, value as Format);
  }));
  return formats;
}

/** A note of each layer of a large model has some hundred thousand characters. */
const NOTE_BOUNDS: JsonBounds = { characters: 4 << 20, depth: 16 };

function parsed(text: string): unknown {
  try {
    return parseJson("quantization", text, NOTE_BOUNDS);
  } catch {
    return undefined;
  }
}

interface Layer {
  readonly source: Checkpoint;
  readonly layer: string;
  /** Ending → tensor. */
  readonly beside: ReadonlyMap<string, string>;
  readonly format?: Format;
}

/** How a layer's values come about; undefined where its weight needs nothing done. */
async function scaledWeight(l: Layer): Promise<Scaled | undefined> {
  const { source, layer, beside, format } = l;
  const name = `${layer}.weight`;
  const { dtype } = source.info(name)!;
  if ([...beside.keys()].some((ending) => ending.includes("quant_state"))) return await bitsAndBytes4(l);
  if (beside.has(".SCB")) return scaledRows(l, beside.get(".SCB")!, 1 / 127);
  const kind = format?.format;
  const scale = beside.get(".weight_scale") ?? beside.get(".scale_weight") ?? beside.get(".weight_scale_inv");
  if (kind === undefined && dtype === "U8" && beside.has(".weight_scale_2")) {
    throw notRead(l, "NVFP4 of ModelOpt");
  }
  switch (kind) {
    case undefined:
    case "float8_e4m3fn":
    case "float8_e5m2":
    case "float8_e4m3fn_rowwise":
    case "float8_e4m3fn_blockwise":
      if (kind !== undefined && !dtype.startsWith("F8_")) throw unfit(l, `is ${dtype}, expected F8_E4M3`);
      return scale === undefined ? undefined : scaledRows(l, scale, 1);
    case "int8_tensorwise":
      if (dtype !== "I8") throw unfit(l, `is ${dtype}, expected I8`);
      if (scale === undefined) throw unfit(l, "has no weight_scale");
      return scaledRows(l, scale, 1, rotationOf(l));
    case "nvfp4":
      return blockScaled(l, scale, "NVFP4");
    case "mxfp8":
      return blockScaled(l, scale, "MXFP8");
    default:
      throw notRead(l, typeof kind === "string" ? kind : shortJson(kind));
  }
}

function notRead({ source, layer }: Layer, layout: string): LssgenError {
  return new LssgenError(
    "unsupported",
    `"${source.name}": "${layer}.weight" is quantised as ${layout}, which is not read; get the model as 16-bit or FP8 ` +
      "safetensors, or as GGUF",
  );
}

function unfit({ source, layer }: Layer, what: string): LssgenError {
  return new LssgenError(
    "bad_tensor",
    `"${source.name}": "${layer}.weight" ${what}; the file may be damaged`,
  );
}

/** weight · scale, with one scale for all, one a row, or one a block of rows and columns. */
function scaledRows(l: Layer, scaleName: string, factor: number, rotation?: number): Scaled {
  const { source, layer } = l;
  const name = `${layer}.weight`;
  const { shape, dtype } = source.info(name)!;
  const { shape: scaleShape } = source.info(scaleName)!;
  const rows = shape[0] ?? 1;
  const width = shape.slice(1).reduce((a, b) => a * b, 1);
  const count = scaleShape.reduce((a, b) => a * b, 1);
  const grid = count === 1
    ? { height: rows, columns: 1, width }
    : count === rows
    ? { height: 1, columns: 1, width }
    : blocksOf(shape, scaleShape);
  if (!grid) throw unfit(l, `of [${shape}] has scales of [${scaleShape}] ("${scaleName}")`);
  if (rotation !== undefined && width % rotation !== 0) {
    throw unfit(
      l,
      `of [${shape}] has rows that ${rotation} values do not divide, as its convrot_groupsize says`,
    );
  }
  const soundScales = async (): Promise<Float32Array<ArrayBuffer>> =>
    sound(l, scaleName, await source.readF32(scaleName));
  const factors = async (): Promise<Float32Array<ArrayBuffer>> => {
    const scales = await soundScales();
    return factor === 1 ? scales : scales.map((scale) => scale * factor);
  };
  const plain = { dtype, scales: { ...grid, values: factors } };
  return {
    shape,
    dtype: `${dtype} scaled`,
    ...rotation === undefined && { plain },
    async values({ first, count }) {
      const scales = await soundScales();
      const values = await source.readF32(name, shape.length === 0 ? undefined : { first, count });
      const out = new Float32Array(values.length);
      for (let i = 0; i < count; i++) {
        const at = Math.floor((first + i) / grid.height) * grid.columns;
        for (let column = 0, k = 0; column < grid.columns; column++) {
          const scale = scales[at + column] * factor;
          for (const end = Math.min(width, k + grid.width); k < end; k++) {
            out[i * width + k] = values[i * width + k] * scale;
          }
        }
      }
      if (rotation !== undefined) unrotate(out, rotation);
      return out;
    },
  };
}

/**
 * Scales as they were read. No quantiser writes one below 0, and one for all that is 0 makes a layer vanish.
 *
 * @throws {LssgenError} `bad_tensor`, naming the tensor and the value.
 */
function sound(l: Layer, name: string, scales: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const wrong = scales.findIndex((v) => !(v >= 0 && v < Infinity) || (v === 0 && scales.length === 1));
  if (wrong < 0) return scales;
  throw unfit(
    l,
    `has the scale ${scales[wrong]} ("${name}", value ${wrong + 1}), expected a positive number`,
  );
}

/** Height and width of the blocks that a matrix of scales stands for: 128 where that fits, the last ones cut; else equal parts. */
function blocksOf(
  shape: readonly number[],
  scales: readonly number[],
): { height: number; columns: number; width: number } | undefined {
  if (shape.length !== 2 || scales.length !== 2) return undefined;
  const side = (all: number, blocks: number): number | undefined =>
    Math.ceil(all / 128) === blocks ? 128 : all % blocks === 0 ? all / blocks : undefined;
  const [height, width] = [side(shape[0], scales[0]), side(shape[1], scales[1])];
  return height && width ? { height, columns: scales[1], width } : undefined;
}

/** Group size of a ConvRot rotation; undefined without one. */
function rotationOf(l: Layer): number | undefined {
  const of = (key: string): unknown => l.format?.[key] ?? (l.format?.params as Format | undefined)?.[key];
  const turned = of("convrot") ?? false;
  if (typeof turned !== "boolean") {
    throw unfit(l, `has a convrot of ${shortJson(turned)}, expected true or false`);
  }
  if (!turned) return undefined;
  const size = of("convrot_groupsize") ?? 256;
  if (typeof size !== "number" || !Number.isInteger(Math.log2(size) / 2) || size < 4) {
    throw unfit(l, `has a convrot_groupsize of ${shortJson(size)}, expected a power of 4`);
  }
  return size;
}

/**
 * Turns rows back that ConvRot has turned: each group of `size` values times a regular Hadamard matrix, which is its own
 * inverse. The matrix is a Kronecker power of one of 4 × 4, so four values at a time suffice.
 */
function unrotate(values: Float32Array, size: number): void {
  for (let stride = 1; stride < size; stride *= 4) {
    for (let group = 0; group < values.length; group += 4 * stride) {
      for (let i = group; i < group + stride; i++) {
        const [a, b, c, d] = [values[i], values[i + stride], values[i + 2 * stride], values[i + 3 * stride]];
        values[i] = (a + b + c - d) / 2;
        values[i + stride] = (a + b - c + d) / 2;
        values[i + 2 * stride] = (a - b + c + d) / 2;
        values[i + 3 * stride] = (b + c + d - a) / 2;
      }
    }
  }
}

/** E2M1: sign, two bits of exponent, one of mantissa. */
const E2M1 = Float32Array.of(0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6);

/**
 * NVFP4 (16 values a block, two a byte, high half first) and MXFP8 (32 values a block). The blocks' scales lie in
 * cuBLAS's order: tiles of 128 rows by 4 blocks, in each the rows 0, 32, 64, 96, 1, 33, … side by side.
 */
function blockScaled(l: Layer, scaleName: string | undefined, layout: "NVFP4" | "MXFP8"): Scaled {
  const { source, layer, beside } = l;
  const name = `${layer}.weight`;
  const stored = source.info(name)!;
  const four = layout === "NVFP4";
  const second = beside.get(".weight_scale_2");
  if (stored.shape.length !== 2 || stored.dtype !== (four ? "U8" : "F8_E4M3")) {
    throw unfit(l, `is ${stored.dtype} of [${stored.shape}], which is not ${layout}`);
  }
  if (scaleName === undefined || (four && second === undefined)) {
    throw unfit(l, `has no weight_scale${four ? " and weight_scale_2" : ""}, as ${layout} needs`);
  }
  const [rows, packed] = stored.shape;
  const width = four ? 2 * packed : packed;
  const block = four ? 16 : 32;
  const across = Math.ceil(width / block / 4);
  const { shape: scaleShape, dtype: scaleType } = source.info(scaleName)!;
  const count = scaleShape.reduce((a, b) => a * b, 1);
  if (width % block !== 0 || count !== Math.ceil(rows / 128) * 128 * across * 4) {
    throw unfit(l, `of [${stored.shape}] has scales of [${scaleShape}], which is not ${layout}'s order`);
  }
  return {
    shape: [rows, width],
    dtype: layout,
    async values({ first, count }) {
      const raw = (await source.read(scaleName)).bytes;
      // 255 is NaN in E8M0.
      const decoded = four
        ? toF32(raw, "F8_E4M3")
        : Float32Array.from(raw, (e) => e === 255 ? NaN : 2 ** (e - 127));
      const scales = sound(l, scaleName, decoded);
      if (!four && !["U8", "F8_E8M0"].includes(scaleType)) throw unfit(l, `has scales of ${scaleType}`);
      const whole = four ? sound(l, second!, await source.readF32(second!))[0] : 1;
      const { bytes } = await source.read(name, { first, count });
      const values = four ? undefined : toF32(bytes, "F8_E4M3");
      const out = new Float32Array(count * width);
      for (let i = 0; i < count; i++) {
        const row = first + i;
        const lane = (row % 32) * 16 + ((row >> 5) & 3) * 4;
        for (let b = 0; b < width / block; b++) {
          const tile = (row >> 7) * across + (b >> 2);
          const scale = Math.fround(scales[tile * 512 + lane + (b & 3)] * whole);
          const to = i * width + b * block;
          if (values) {
            for (let k = to; k < to + block; k++) out[k] = values[k] * scale;
            continue;
          }
          const at = i * packed + b * block / 2;
          for (let k = 0; k < block / 2; k++) {
            out[to + 2 * k] = E2M1[bytes[at + k] >> 4] * scale;
            out[to + 2 * k + 1] = E2M1[bytes[at + k] & 15] * scale;
          }
        }
      }
      return out;
    },
  };
}

/** bitsandbytes' NF4 and FP4: two values a byte, high half first, from a table of 16; blocks of 64 have a scale. */
async function bitsAndBytes4(l: Layer): Promise<Scaled> {
  const { source, layer, beside } = l;
  const name = `${layer}.weight`;
  const nf4 = beside.has(".weight.quant_state.bitsandbytes__nf4");
  const stateName = beside.get(`.weight.quant_state.bitsandbytes__${nf4 ? "nf4" : "fp4"}`)!;
  const state = parsed(new TextDecoder().decode((await source.read(stateName)).bytes)) as Format | undefined;
  const shape = state?.shape;
  const blocksize = state?.blocksize ?? 64;
  const [map, absmax] = [beside.get(".weight.quant_map"), beside.get(".weight.absmax")];
  const isCount = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) > 0;
  const isOffset = (v: unknown): v is number => typeof v === "number" && Number.isFinite(v);
  if (!Array.isArray(shape) || !shape.every(isCount) || !isCount(blocksize) || !map || !absmax) {
    throw unfit(
      l,
      `has a quant_state of ${shortJson(state)}, expected shape and blocksize, quant_map and absmax`,
    );
  }
  const elements = shape.reduce((a, b) => a * b, 1);
  const size = (tensor: string): number => source.info(tensor)!.shape.reduce((a, b) => a * b, 1);
  if (
    size(name) !== Math.ceil(elements / 2) || size(map) !== 16 ||
    size(absmax) !== Math.ceil(elements / blocksize)
  ) {
    throw unfit(
      l,
      `holds ${size(name)} bytes for [${shape}], with ${size(absmax)} scales of ${size(map)} codes`,
    );
  }
  const nested = beside.get(".weight.nested_absmax");
  const nestedMap = beside.get(".weight.nested_quant_map");
  const offset = state?.nested_offset ?? 0;
  const nestedSize = state?.nested_blocksize ?? 256;
  const codes = source.info(absmax)!.dtype === "U8";
  if (
    codes &&
    !(nested && nestedMap && isCount(nestedSize) && isOffset(offset) && size(nestedMap) === 256)
  ) {
    throw unfit(l, "has scales in 8 bits, and no nested_absmax and nested_quant_map that say what they mean");
  }
  const scalesOf = async (): Promise<Float32Array> => {
    if (!codes) return await source.readF32(absmax);
    const [code, scale, table] = await Promise.all([
      source.read(absmax),
      source.readF32(nested!),
      source.readF32(nestedMap!),
    ]);
    return Float32Array.from(
      code.bytes,
      (c, i) => Math.fround(table[c] * scale[Math.floor(i / (nestedSize as number))]) + (offset as number),
    );
  };
  const width = shape.slice(1).reduce((a, b) => a * b, 1);
  return {
    shape,
    dtype: nf4 ? "NF4" : "FP4",
    async values({ first, count }) {
      const [read, table] = await Promise.all([scalesOf(), source.readF32(map)]);
      const scales = sound(l, absmax, read as Float32Array<ArrayBuffer>);
      if (!table.every(Number.isFinite)) throw unfit(l, `has codes that are no numbers ("${map}")`);
      const from = first * width;
      const to = from + count * width;
      // The tensor is [bytes, 1], or flat in some files: its rows are bytes.
      const bytesFrom = Math.floor(from / 2);
      const { bytes } = await source.read(name, { first: bytesFrom, count: Math.ceil(to / 2) - bytesFrom });
      const out = new Float32Array(to - from);
      for (let i = from; i < to;) {
        const block = Math.floor(i / blocksize);
        const scale = scales[block];
        for (const end = Math.min(to, (block + 1) * blocksize); i < end; i++) {
          // Beyond 2^31 values, a shift would not do.
          const byte = bytes[Math.floor(i / 2) - bytesFrom];
          out[i - from] = table[i % 2 === 0 ? byte >> 4 : byte & 15] * scale;
        }
      }
      return out;
    },
  };
}
