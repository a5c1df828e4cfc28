/**
 * Models one tensor of which holds NaN or infinity, drawn on the device: the error names the network, or nothing read the
 * tensor and the picture's bytes are the clean model's.
 *
 * @module
 */

import { memoryFolder } from "../../lib/weights/bytes.ts";
import { type Checkpoint, openCheckpoint, openRawFile } from "../../lib/weights/checkpoint.ts";
import { convertCheckpoint, typeRules } from "../../lib/weights/convert.ts";
import { toF32 } from "../../lib/weights/dtypes.ts";
import { writeSafetensors } from "../../lib/weights/safetensors.ts";
import type { WritableType } from "../../lib/weights/quantise.ts";
import { type DrawnModel, DrawnModels, equal, FURTHER, PLAIN, TWO_STAGES } from "./drawn_models.ts";
import type { Draws } from "./random.ts";
import { Different, type Input, type Target, textInput, textOf } from "./target.ts";

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

/** A component's weights in another storage. */
const stored = (
  folder: string,
  component: string,
  make: (checkpoint: Checkpoint) => Promise<Bytes>,
  file = WEIGHTS,
): Record<string, undefined | (() => Promise<Bytes>)> => ({
  [`${component}/${WEIGHTS}`]: undefined,
  [`${component}/${file}`]: async () =>
    await make(
      await openCheckpoint(new DrawnModels({ m: { folder, request: PLAIN } }).folder("m"), component),
    ),
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
  (dtype: "F16" | "BF16" | "F8_E4M3" | "F8_E5M2", scaled: boolean) =>
  async (checkpoint: Checkpoint): Promise<Bytes> => {
    const header: Record<string, unknown> = {};
    const parts: Uint8Array[] = [];
    let at = 0;
    const add = (name: string, type: string, shape: readonly number[], bytes: Uint8Array): void => {
      header[name] = { dtype: type, shape, data_offsets: [at, at += bytes.length] };
      parts.push(bytes);
    };
    for (const name of checkpoint.names()) {
      const { shape } = checkpoint.info(name)!;
      const values = await checkpoint.readF32(name);
      if (shape.length !== 2) add(name, "F32", shape, new Uint8Array(values.buffer));
      else if (dtype === "F16") add(name, dtype, shape, new Uint8Array(new Float16Array(values).buffer));
      else if (dtype === "BF16") {
        add(
          name,
          dtype,
          shape,
          new Uint8Array(Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16).buffer),
        );
      } else {
        const factor = scaled ? 0.5 : 1;
        add(name, dtype, shape, nearest(values, dtype, factor));
        if (scaled) {
          add(
            name.replace(/weight$/, "scale_weight"),
            "F32",
            [1],
            new Uint8Array(new Float32Array([factor]).buffer),
          );
        }
      }
    }
    const text = new TextEncoder().encode(JSON.stringify(header));
    const out = new Uint8Array(8 + text.length + at);
    new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
    out.set(text, 8);
    let to = 8 + text.length;
    for (const part of parts) {
      out.set(part, to);
      to += part.length;
    }
    return out;
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
const MODELS: Readonly<Record<string, DrawnModel & { readonly poisoned: RegExp }>> = {
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
  "flux Q8_0": {
    folder: FLUX,
    over: stored(FLUX, "transformer", gguf("Q8_0"), "diffusion_pytorch_model.gguf"),
    request: PLAIN,
    poisoned: /gguf$/,
  },
  "flux Q4_0": {
    folder: FLUX,
    over: stored(FLUX, "transformer", gguf("Q4_0"), "diffusion_pytorch_model.gguf"),
    request: PLAIN,
    poisoned: /gguf$/,
  },
  "flux Q5_1": {
    folder: FLUX,
    over: stored(FLUX, "transformer", gguf("Q5_1"), "diffusion_pytorch_model.gguf"),
    request: PLAIN,
    poisoned: /gguf$/,
  },
  "sd15 F16": {
    folder: SD15,
    over: stored(SD15, "unet", narrow("F16", false)),
    request: PLAIN,
    poisoned: /^unet/,
  },
  "sd15 BF16": {
    folder: SD15,
    over: stored(SD15, "unet", narrow("BF16", false)),
    request: PLAIN,
    poisoned: /^unet/,
  },
  "sd15 F8_E4M3": {
    folder: SD15,
    over: stored(SD15, "unet", narrow("F8_E4M3", false)),
    request: PLAIN,
    poisoned: /^unet/,
  },
  "sd15 F8_E5M2": {
    folder: SD15,
    over: stored(SD15, "unet", narrow("F8_E5M2", false)),
    request: PLAIN,
    poisoned: /^unet/,
  },
  "flux F8_E4M3 scaled": {
    folder: FLUX,
    over: stored(FLUX, "transformer", narrow("F8_E4M3", true)),
    request: PLAIN,
    poisoned: /^transformer/,
  },
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

const files = new Map<string, Promise<Map<string, Poisonable>>>();

/** Files of a model that hold weights. */
function weightsOf(name: string): Promise<Map<string, Poisonable>> {
  let known = files.get(name);
  if (!known) {
    files.set(
      name,
      known = (async () => {
        const found = new Map<string, Poisonable>();
        const folder = drawnModels.folder(name);
        for (const path of await drawnModels.paths(name)) {
          if (!/\.(safetensors|gguf)$/.test(path) || !MODELS[name].poisoned.test(path)) continue;
          const source = (await folder.open(path))!;
          const bytes = await source.read(0, source.size);
          const file = path.split("/").at(-1)!;
          const raw = await openRawFile(memoryFolder("m", new Map([[file, bytes]])), file);
          const tensors = [...raw.names()].map((tensor) =>
            [tensor, raw.info(tensor) as unknown as Place] as const
          );
          found.set(path, { bytes, tensors: new Map(tensors) });
        }
        return found;
      })(),
    );
  }
  return known;
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

/** Where the factors of a block lie, in types that have them; 16 bits each. */
const FACTORS: Readonly<Record<string, readonly [block: number, at: number]>> = {
  Q8_0: [34, 0],
  Q4_0: [18, 0],
  Q5_1: [24, 0],
};

/** A file with a tensor poisoned; undefined where its type holds no such value. */
function poisoned({ bytes, tensors }: Poisonable, { tensor, value, at }: Poison): Bytes | undefined {
  const { dtype, offset, length } = tensors.get(tensor)!;
  const v = Number(value);
  const half = new Uint8Array(new Float16Array([v]).buffer);
  const [size, place, one]: [number, number, Uint8Array] = dtype in FACTORS
    ? [...FACTORS[dtype], half] as const
    : dtype === "F32"
    ? [4, 0, new Uint8Array(new Float32Array([v]).buffer)]
    : dtype === "F16"
    ? [2, 0, half]
    : dtype === "BF16"
    ? [2, 0, new Uint8Array(new Float32Array([v]).buffer, 2)]
    : dtype === "F8_E5M2"
    ? [1, 0, Uint8Array.of(Number.isNaN(v) ? 0x7f : v > 0 ? 0x7c : 0xfc)]
    : dtype === "F8_E4M3" && Number.isNaN(v)
    ? [1, 0, Uint8Array.of(0x7f)]
    : [0, 0, new Uint8Array()];
  const count = size === 0 ? 0 : Math.floor(length / size);
  if (count === 0) return undefined;
  const out = bytes.slice();
  const only = at === "all" ? undefined : Math.min(count - 1, Math.floor(at * count / 1000));
  for (let i = only ?? 0; i < (only === undefined ? count : only + 1); i++) {
    out.set(one, offset + i * size + place);
  }
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
      const [file] = (await weightsOf(name)).keys();
      const [tensor] = (await weightsOf(name)).get(file)!.tensors.keys();
      seeds.push(
        textInput({
          [POISON]: JSON.stringify({
            model: name,
            file,
            tensor,
            value: i % 2 ? "NaN" : "Infinity",
            at: "all",
          }),
        }),
      );
    }
    await Promise.all(Object.keys(MODELS).map(async (name) => ready.set(name, await weightsOf(name))));
    return seeds;
  },
  change(seed: Input, draws: Draws) {
    const { model } = JSON.parse(textOf(seed, POISON)) as Poison;
    const weights = ready.get(model)!;
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

const ready = new Map<string, Map<string, Poisonable>>();
