/**
 * Models one tensor of which holds NaN or infinity, drawn on the device: the error names the network, or nothing read the
 * tensor and the picture's bytes are the clean model's.
 *
 * @module
 */

import { QUANTISED } from "../../lib/ops/quantised.ts";
import { memoryFolder } from "../../lib/weights/bytes.ts";
import { type Checkpoint, openCheckpoint, openRawFile } from "../../lib/weights/checkpoint.ts";
import { convertCheckpoint, typeRules } from "../../lib/weights/convert.ts";
import { toF32 } from "../../lib/weights/dtypes.ts";
import { writeSafetensors } from "../../lib/weights/safetensors.ts";
import { quantise, type WritableType } from "../../lib/weights/quantise.ts";
import { type Stored, storedFile } from "../../tests/stored_tensors.ts";
import { type DrawnModel, DrawnModels, FURTHER, goldenFolder, PLAIN, TWO_STAGES } from "./drawn_models.ts";
import type { Draws } from "./random.ts";
import { Different, equal, type Input, type Target, textInput, textOf } from "./target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const PHOTO = {
  width: 32,
  height: 32,
  channels: 3 as const,
  data: Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => i * 37 & 255),
};
const MASK = {
  width: 32,
  height: 32,
  channels: 1 as const,
  data: Uint8Array.from({ length: 1024 }, (_, i) => i % 32 < 16 ? 255 : 0),
};
const SD15 = "pipelines/sd15/model";
const SD3 = "pipelines/sd3/model";
const FLUX = "pipelines/flux_dev/model";
const WEIGHTS = "diffusion_pytorch_model.safetensors";
const GGUF = "diffusion_pytorch_model.gguf";

/** A model and which of its files are poisoned. */
interface Row extends DrawnModel {
  readonly poisoned: RegExp;
}

/** A model whose denoiser's weights are stored otherwise. */
const stored = (
  folder: string,
  component: string,
  make: (checkpoint: Checkpoint) => Promise<Bytes>,
  file = WEIGHTS,
): Row => ({
  folder,
  over: {
    [`${component}/${WEIGHTS}`]: undefined,
    [`${component}/${file}`]: async () => await make(await openCheckpoint(goldenFolder(folder), component)),
  },
  request: PLAIN,
  poisoned: new RegExp(`^${component}/`),
});

const gguf = (type: WritableType) => async (checkpoint: Checkpoint): Promise<Bytes> => {
  const bytes = new Uint8Array(1 << 22);
  const report = await convertCheckpoint(checkpoint, {
    write: (at, part) => Promise.resolve(void bytes.set(part, at)),
  }, { format: "gguf", type, rules: typeRules(`.=${type}`) });
  return bytes.slice(0, report.bytes);
};

/** A safetensors file whose matrices are of 8 or 16 bits, with a scale beside each where there are to be. */
const narrow =
  (dtype: "F16" | "BF16" | "F8_E4M3" | "F8_E5M2", scaled = false) =>
  async (checkpoint: Checkpoint): Promise<Bytes> => {
    const tensors: Record<string, Stored> = {};
    for (const name of checkpoint.names()) {
      const { shape } = checkpoint.info(name)!;
      const values = await checkpoint.readF32(name);
      if (shape.length !== 2) tensors[name] = { dtype: "F32", shape, bytes: quantise(values, "F32")! };
      else if (dtype === "F16" || dtype === "BF16") {
        tensors[name] = { dtype, shape, bytes: quantise(values, dtype)! };
      } else {
        const factor = scaled ? 0.5 : 1;
        tensors[name] = { dtype, shape, bytes: nearest(values, dtype, factor) };
        if (!scaled) continue;
        const bytes = new Uint8Array(new Float32Array([factor]).buffer);
        tensors[name.replace(/weight$/, "scale_weight")] = { dtype: "F32", shape: [1], bytes };
      }
    }
    return storedFile(tensors);
  };

/** Each value divided by a factor as the nearest of the 256 of a type. */
function nearest(values: Float32Array, dtype: string, factor: number): Bytes {
  const all = [...toF32(Uint8Array.from({ length: 256 }, (_, i) => i), dtype)].map((value, code) => ({
    value,
    code,
  }))
    .filter(({ value }) => Number.isFinite(value)).sort((a, b) => a.value - b.value);
  return Uint8Array.from(values, (v) => {
    const x = v / factor;
    let [low, high] = [0, all.length - 1];
    while (high - low > 1) {
      const middle = low + high >> 1;
      if (all[middle].value <= x) low = middle;
      else high = middle;
    }
    return x - all[low].value < all[high].value - x ? all[low].code : all[high].code;
  });
}

/** A LoRA of one layer of FLUX's transformer. */
function lora(): Promise<Bytes> {
  const data = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i) / 10);
  const key = "lora_unet_double_blocks_0_img_mlp_0";
  return Promise.resolve(writeSafetensors([
    { name: `${key}.lora_down.weight`, shape: [2, 32], data: data(64) },
    { name: `${key}.lora_up.weight`, shape: [128, 2], data: data(256) },
    { name: `${key}.alpha`, shape: [], data: new Float32Array([1]) },
  ]));
}

/** One row a model and a way to use it. */
const MODELS: Readonly<Record<string, Row>> = {
  sd15: { folder: SD15, request: PLAIN, poisoned: /./ },
  "sd15 f16": { folder: SD15, request: PLAIN, dtype: "f16", poisoned: /./ },
  "sd15 two pictures": { folder: SD15, request: { ...PLAIN, count: 2 }, poisoned: /./ },
  "sd15 two stages": { folder: SD15, request: { ...TWO_STAGES, upsampler: "pixel" }, poisoned: /./ },
  "sd15 from a picture": {
    folder: SD15,
    request: { ...PLAIN, image: PHOTO, strength: 0.8 },
    poisoned: /^(vae|unet)/,
  },
  "sd15 inpainting": {
    folder: SD15,
    request: { ...PLAIN, image: PHOTO, mask: MASK, strength: 0.9 },
    poisoned: /^vae/,
  },
  sdxl: { folder: "pipelines/sdxl/model", request: PLAIN, poisoned: /./ },
  sd3: { folder: SD3, request: PLAIN, poisoned: /./ },
  "sd3 f16": { folder: SD3, request: PLAIN, dtype: "f16", poisoned: /./ },
  "sd3 from a picture": { folder: SD3, request: { ...PLAIN, image: PHOTO, strength: 0.8 }, poisoned: /^vae/ },
  flux: { folder: FLUX, request: PLAIN, poisoned: /./ },
  dit: { folder: "pipelines/dit/model", request: { ...PLAIN, prompt: "1" }, poisoned: /./ },
  "flux tiny autoencoder, upsampler": {
    folder: FLUX,
    over: FURTHER,
    request: TWO_STAGES,
    tinyVae: true,
    upsampler: true,
    poisoned: /^(tiny_vae|enlarge)\//,
  },
  "flux tiny autoencoder from a picture": {
    folder: FLUX,
    over: FURTHER,
    request: { ...PLAIN, image: PHOTO, strength: 0.8 },
    tinyVae: true,
    poisoned: /^tiny_vae\//,
  },
  "flux LoRA": {
    folder: FLUX,
    over: { "lora.safetensors": lora },
    request: PLAIN,
    lora: true,
    poisoned: /^lora/,
  },
  "flux Q8_0": stored(FLUX, "transformer", gguf("Q8_0"), GGUF),
  "flux Q4_0": stored(FLUX, "transformer", gguf("Q4_0"), GGUF),
  "flux Q5_1": stored(FLUX, "transformer", gguf("Q5_1"), GGUF),
  "sd15 F16": stored(SD15, "unet", narrow("F16")),
  "sd15 BF16": stored(SD15, "unet", narrow("BF16")),
  "sd15 F8_E4M3": stored(SD15, "unet", narrow("F8_E4M3")),
  "sd15 F8_E5M2": stored(SD15, "unet", narrow("F8_E5M2")),
  "flux F8_E4M3 scaled": stored(FLUX, "transformer", narrow("F8_E4M3", true)),
};

const drawnModels = new DrawnModels(MODELS);

/** One file that may be poisoned: where its tensors lie. */
interface Place {
  readonly dtype: string;
  readonly offset: number;
  readonly length: number;
}

interface Poisonable {
  readonly bytes: Bytes;
  readonly tensors: ReadonlyMap<string, Place>;
}

const files = new Map<string, ReadonlyMap<string, Poisonable>>();

/** Files of a model that hold weights. */
async function weightsOf(name: string): Promise<ReadonlyMap<string, Poisonable>> {
  const known = files.get(name);
  if (known) return known;
  const found = new Map<string, Poisonable>();
  const folder = drawnModels.folder(name);
  for (const path of await drawnModels.paths(name)) {
    if (!/\.(safetensors|gguf)$/.test(path) || !MODELS[name].poisoned.test(path)) continue;
    const source = (await folder.open(path))!;
    const bytes = await source.read(0, source.size);
    const file = path.split("/").at(-1)!;
    const raw = await openRawFile(memoryFolder("m", new Map([[file, bytes]])), file);
    const tensors = [...raw.names()].map((tensor) => [tensor, raw.info(tensor) as unknown as Place] as const);
    found.set(path, { bytes, tensors: new Map(tensors) });
  }
  files.set(name, found);
  return found;
}

/** What is poisoned. */
interface Poison {
  readonly model: string;
  readonly file: string;
  readonly tensor: string;
  readonly value: "NaN" | "Infinity" | "-Infinity";
  /** All of it, or a value by its place in thousandths of the tensor. */
  readonly at: "all" | number;
}

/** A value as a type holds it: how many bytes apart, where in them, and its own bytes. */
type Pattern = readonly [every: number, at: number, bytes: Uint8Array];

/** How a value, or the factor of a block, is spelled; undefined where the type holds no such value. */
function patternOf(dtype: string, v: number): Pattern | undefined {
  const single = new Uint8Array(new Float32Array([v]).buffer);
  const half = new Uint8Array(new Float16Array([v]).buffer);
  switch (dtype) {
    case "F32":
      return [4, 0, single];
    case "F16":
      return [2, 0, half];
    case "BF16":
      return [2, 0, single.subarray(2)];
    case "F8_E5M2":
      return [1, 0, Uint8Array.of(Number.isNaN(v) ? 0x7f : v > 0 ? 0x7c : 0xfc)];
    case "F8_E4M3":
      return Number.isNaN(v) ? [1, 0, Uint8Array.of(0x7f)] : undefined;
    case "Q8_0":
    case "Q4_0":
    case "Q5_1":
      return [QUANTISED[dtype].bytes, 0, half];
  }
  return undefined;
}

/** A file with a tensor poisoned; undefined where its type holds no such value. */
function poisoned({ bytes, tensors }: Poisonable, { tensor, value, at }: Poison): Bytes | undefined {
  const { dtype, offset, length } = tensors.get(tensor)!;
  const pattern = patternOf(dtype, Number(value));
  if (!pattern) return undefined;
  const [every, place, one] = pattern;
  const count = Math.floor(length / every);
  if (count === 0) return undefined;
  const out = bytes.slice();
  const first = at === "all" ? 0 : Math.min(count - 1, Math.floor(at * count / 1000));
  const end = at === "all" ? count : first + 1;
  for (let i = first; i < end; i++) out.set(one, offset + i * every + place);
  return out;
}

/** The name of an input's file. */
const POISON = "poison.json";

/** Every model, one tensor not finite. */
export const notFinite: Target = {
  name: "not-finite",
  smoke: { inputs: 16, of: (seed) => /"(dit|flux( Q8_0| LoRA)?)"/.test(textOf(seed, POISON)) },
  async seeds() {
    const seeds: Input[] = [];
    for (const [i, name] of Object.keys(MODELS).entries()) {
      const [[file, { tensors }]] = await weightsOf(name);
      const [tensor] = tensors.keys();
      const poison: Poison = { model: name, file, tensor, value: i % 2 ? "NaN" : "Infinity", at: "all" };
      seeds.push(textInput({ [POISON]: JSON.stringify(poison) }));
    }
    return seeds;
  },
  change(seed: Input, draws: Draws) {
    const { model } = JSON.parse(textOf(seed, POISON)) as Poison;
    const weights = files.get(model)!;
    for (;;) {
      const file = draws.of([...weights.keys()]);
      const tensor = draws.of([...weights.get(file)!.tensors.keys()]);
      const value = draws.of(["NaN", "NaN", "Infinity", "-Infinity"] as const);
      const at = draws.oneIn(3) ? draws.below(1000) : "all";
      const poison: Poison = { model, file, tensor, value, at };
      if (poisoned(weights.get(file)!, poison)) return textInput({ [POISON]: JSON.stringify(poison) });
    }
  },
  soundMs: async (input) => (await drawnModels.clean((JSON.parse(textOf(input, POISON)) as Poison).model)).ms,
  async run(input) {
    const poison = JSON.parse(textOf(input, POISON)) as Poison;
    const { model, file, tensor, value } = poison;
    const bytes = poisoned((await weightsOf(model)).get(file)!, poison);
    const { picture } = await drawnModels.clean(model);
    const drawn = bytes && await drawnModels.draw(model, new Map([[file, bytes]]));
    if (!drawn || equal(drawn, picture)) return "the clean model's picture";
    throw new Different(
      `${file}: ${tensor}`,
      `${model}: ${tensor} of ${file} is ${value} (${poison.at}), and another picture is drawn`,
    );
  },
  refused(input, error) {
    const { model, file, tensor, value, at } = JSON.parse(textOf(input, POISON)) as Poison;
    const [component] = file.split("/");
    const network: Readonly<Record<string, string>> = {
      enlarge: "upsampler",
      tiny_vae: "autoencoder",
      "lora.safetensors": "transformer",
    };
    if (error.code === "numeric" && error.message.includes(network[component] ?? component)) {
      return "refused, naming the network";
    }
    if (error.code === "bad_tensor" && error.message.includes(tensor)) return "refused, naming the tensor";
    throw new Different(
      `${file} unnamed`,
      `${model}: ${tensor} of ${file} is ${value} (${at}): ${error.code}: ${error.message}`,
    );
  },
};
