/** Weights that keep their blocks on the GPU, LoRAs and scales beside them: values, bytes, and what does not keep them. */

import { assert, assertEquals } from "@std/assert";
import { fileFolder, fileSource } from "../lib/cli/files.ts";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import { IdleDevice } from "../lib/gpu/rehearsal.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { Weights } from "../lib/models/weights.ts";
import { linear, type Matrix } from "../lib/ops/linear.ts";
import { QUANTISED, type QuantisedName } from "../lib/ops/quantised.ts";
import { USUAL_ADAPTER } from "../lib/pipelines/memory.ts";
import { WeightStore } from "../lib/residency/store.ts";
import { elements } from "../lib/tensor.ts";
import { storedBytes } from "../lib/residency/transfers.ts";
import { bytesOf } from "../lib/weights/bytes.ts";
import { type Checkpoint, openCheckpoint } from "../lib/weights/checkpoint.ts";
import { typeRules } from "../lib/weights/convert.ts";
import { toF32 } from "../lib/weights/dtypes.ts";
import { LoraSet } from "../lib/weights/lora.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import type { WritableType } from "../lib/weights/quantise.ts";
import { retyped } from "../lib/weights/retyped.ts";
import { withScales } from "../lib/weights/scales.ts";
import { type RowRange, writeSafetensors } from "../lib/weights/safetensors.ts";
import { randomComponent } from "../tools/synthesize.ts";
import { MODELS } from "../tools/synthesize/models.ts";
import { numbers } from "./devices.ts";

const path = (name: string) => new URL(name, import.meta.url).pathname;

/** Greatest difference beside the largest value. */
function off(got: Float32Array, want: Float32Array): number {
  assertEquals(got.length, want.length);
  const peak = want.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-30);
  return got.reduce((m, v, i) => Math.max(m, Math.abs(v - want[i])), 0) / peak;
}

/** A matrix's values as products see them: the identity times it. */
async function valuesOf(r: Recorder, weight: Matrix): Promise<Float32Array> {
  const { N, K } = weight;
  using _all = r.scope();
  const eye = new Float32Array(K * K);
  for (let k = 0; k < K; k++) eye[k * K + k] = 1;
  const y = await r.read(linear(r, r.upload([1, K, K], eye), { weight }));
  return Float32Array.from({ length: N * K }, (_, i) => y[i % K * N + Math.floor(i / K)]);
}

/** Loads every matrix of a checkpoint, and compares it with what the checkpoint says it is. */
async function assertMatrices(
  device: Device,
  source: Checkpoint,
): Promise<{ kept: number; changed: number; expanded: string[] }> {
  using store = new WeightStore(source, device, { dtype: "f32", keepQuantised: true });
  const w = new Weights(store);
  const matrices: [name: string, weight: Matrix][] = [];
  for (const name of source.names()) {
    const { shape } = source.info(name)!;
    if (shape.length === 2 && name.endsWith(".weight") && shape[1] <= 256) {
      matrices.push([name, w.linear(name.slice(0, -7), shape[0], shape[1], { bias: false }).weight]);
    } else store.ignore(name);
  }
  await store.load();
  const expanded: string[] = [];
  let changed = 0;
  for (const [name, weight] of matrices) {
    using r = new Recorder(device, "f32");
    const difference = off(await valuesOf(r, weight), await source.readF32(name));
    // What is merged into f16 is rounded to it.
    assert(difference < (weight.blocks || weight.type === "f32" ? 2e-6 : 1e-3), `${name}: ${difference}`);
    if (!weight.blocks) expanded.push(name);
    else if (weight.blocks.changes) changed++;
  }
  return { kept: matrices.length - expanded.length, changed, expanded };
}

/** Scales, which no tool writes negative. */
function positive(n: number, seed: number): Float32Array<ArrayBuffer> {
  return numbers(n, seed).map(Math.abs);
}

Deno.test("LoRAs of other tools are added to a base that stays quantised, with the values that merging gives", async () => {
  using device = await openDevice();
  for (
    const [model, component, part, file] of [
      ["flux_dev", "transformer", "denoiser", "flux_diffusers"],
      ["flux_dev", "transformer", "denoiser", "flux_kohya"],
      ["sd3", "transformer", "denoiser", "sd3_diffusers"],
    ] as const
  ) {
    const base = retyped(
      await openCheckpoint(fileFolder(path(`./golden/pipelines/${model}/model`)), component),
      component,
      {
        type: "Q5_1",
        rules: typeRules(".=q5_1"),
      },
    );
    const source = (await fileSource(path(`./data/lora/${file}.safetensors`)))!;
    // Twice: two files over the same matrices are one change of twice the rank.
    const set = await LoraSet.open([{ file: source, scale: 0.8 }, { file: source, scale: -0.3 }]);
    const { kept, changed } = await assertMatrices(device, set.apply(base, part));
    assert(kept > 0 && changed > 0, `${file}: ${changed} of ${kept}`);
  }
});

/** A file in memory. */
function memory(
  tensors: Readonly<
    Record<string, { dtype: string; shape: readonly number[]; bytes: Uint8Array<ArrayBuffer> }>
  >,
): Checkpoint {
  const read = (name: string, rows?: RowRange) => {
    const { shape, bytes } = tensors[name];
    const row = bytes.length / (shape[0] ?? 1);
    const part = rows ? bytes.slice(rows.first * row, (rows.first + rows.count) * row) : bytes.slice();
    return Promise.resolve({ bytes: part });
  };
  return {
    name: "memory.safetensors",
    names: () => Object.keys(tensors),
    info: (name) => Object.hasOwn(tensors, name) ? tensors[name] : undefined,
    read,
    readF32: async (name, rows) => toF32((await read(name, rows)).bytes, tensors[name].dtype),
  };
}

const f32 = (values: ArrayLike<number>, shape: readonly number[]) => ({
  dtype: "F32",
  shape,
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});

/** Finite 8-bit values. */
const eights = (dtype: string, shape: readonly number[]) => ({
  dtype,
  shape,
  bytes: Uint8Array.from({ length: elements(shape) }, (_, i) => (i * 37 + (i >> 8)) & 0xff)
    .map((v) => dtype !== "I8" && (v & 0x7f) > 0x7a ? 0x30 : v),
});

Deno.test("8-bit weights stay so under the scales of ComfyUI, transformers and bitsandbytes: one, by rows, by blocks", async () => {
  using device = await openDevice();
  const source = await withScales(memory({
    "one.weight": eights("F8_E4M3", [9, 40]),
    "one.scale_weight": f32([0.03], []),
    "one.scale_input": f32([7], []),
    "plain.weight": eights("F8_E5M2", [5, 16]),
    "new.weight": eights("F8_E5M2", [9, 40]),
    "new.weight_scale": f32([0.5], [1]),
    "two.weight": eights("F8_E4M3", [5, 40]),
    "two.weight_scale": f32(positive(5, 6), [5]),
    "columns.weight": eights("F8_E4M3", [130, 136]),
    "columns.weight_scale_inv": f32(positive(4, 7), [2, 2]),
    "columns.bias": f32(new Float32Array(130), [130]),
    "rows.weight": eights("F8_E4M3", [17, 24]),
    "rows.weight_scale": f32(positive(17, 3), [17, 1]),
    "blocks.weight": eights("F8_E4M3", [200, 136]),
    "blocks.weight_scale_inv": f32(positive(4, 4), [2, 2]),
    "whole.weight": eights("I8", [12, 32]),
    "whole.SCB": f32(positive(12, 5), [12]),
    // Rows that are no whole eighths are expanded while they are loaded.
    "odd.weight": eights("F8_E4M3", [7, 13]),
    "odd.scale_weight": f32([2], []),
  }));
  const { kept, expanded } = await assertMatrices(device, source);
  assertEquals(expanded, ["odd.weight"]);
  assertEquals(kept, 8);
  // Few rows too, and several matrices with scales of their own as one.
  using store = new WeightStore(source, device, { dtype: "f32", keepQuantised: true });
  for (const name of source.names()) store.ignore(name);
  const w = new Weights(store);
  const both = w.linearCat(["one", "two"], [9, 5], 40, { bias: false });
  const blocks = w.linear("blocks", 200, 136, { bias: false });
  const [left, right] = w.linearColumns("columns", 130, [64, 72]);
  await store.load();
  for (
    const [weight, name, at] of [[blocks.weight, "blocks", 0], [left.weight, "columns", 0], [
      right.weight,
      "columns",
      64,
    ]] as const
  ) {
    assert(weight.blocks, name);
    const all = await source.readF32(`${name}.weight`);
    const width = source.info(`${name}.weight`)!.shape[1];
    for (const M of [1, 5, 20]) {
      using r = new Recorder(device, "f32");
      const xs = numbers(M * weight.K, M);
      const got = await r.read(linear(r, r.upload([1, M, weight.K], xs), { weight }));
      const want = Float32Array.from({ length: M * weight.N }, (_, i) => {
        let sum = 0;
        for (let k = 0; k < weight.K; k++) {
          sum += xs[Math.floor(i / weight.N) * weight.K + k] * all[i % weight.N * width + at + k];
        }
        return sum;
      });
      assert(off(got, want) < 5e-6, `${name} ${at} ${M}: ${off(got, want)}`);
    }
  }
  assert(both.weight.blocks, "one and two");
  using r = new Recorder(device, "f32");
  const ends = [await source.readF32("one.weight"), await source.readF32("two.weight")];
  const joined = new Float32Array(14 * 40);
  ends.forEach((values, i) => joined.set(values, i * 9 * 40));
  assert(off(await valuesOf(r, both.weight), joined) < 2e-6);
});

Deno.test("every byte is its 8-bit float on the GPU, and one that is no number makes no number of the product", async () => {
  using device = await openDevice();
  for (const dtype of ["F8_E4M3", "F8_E5M2", "I8"] as const) {
    const bytes = Uint8Array.from({ length: 256 * 8 }, (_, i) => i >> 3);
    const source = await withScales(memory({
      "a.weight": { dtype, shape: [256, 8], bytes },
      ...dtype === "I8" && { "a.SCB": f32(Array(256).fill(127), [256]) },
    }));
    using store = new WeightStore(source, device, { dtype: "f32", keepQuantised: true });
    store.ignore("a.SCB");
    const { weight } = new Weights(store).linear("a", 256, 8, { bias: false });
    await store.load();
    assert(weight.blocks, dtype);
    const want = toF32(bytes, dtype);
    for (const rows of [1, 12]) {
      using r = new Recorder(device, "f32");
      const xs = new Float32Array(rows * 8);
      for (let m = 0; m < rows; m++) xs[m * 8] = 1;
      const got = await r.read(linear(r, r.upload([1, rows, 8], xs), { weight }));
      for (let n = 0; n < 256; n++) {
        // 0 · ∞ is no number: a row of infinities gives none.
        const value = Number.isFinite(want[n * 8]) ? want[n * 8] : NaN;
        assert(Object.is(got[n] + 0, value + 0), `${dtype} ${n}: ${got[n]}, expected ${value}`);
      }
    }
  }
});

Deno.test("what a LoRA changes otherwise than by two matrices is expanded, that matrix alone", async () => {
  using device = await openDevice();
  const base = retyped(
    await openCheckpoint(fileFolder(path("./golden/pipelines/flux_dev/model")), "transformer"),
    "transformer",
    { type: "Q8_0", rules: typeRules(".=q8_0") },
  );
  const names = [...base.names()].filter((name) => base.info(name)!.dtype === "Q8_0");
  const [plain, difference, loha] = names.filter((name) =>
    /single_transformer_blocks.*attn\.to_[qkv]\.weight/.test(name)
  );
  const module = (name: string) => `transformer.${name.replace(/\.weight$/, "")}`;
  const shape = (name: string) => base.info(name)!.shape;
  const tensors: Record<string, readonly [readonly number[], Float32Array]> = {
    [`${module(plain)}.lora_A.weight`]: [[2, shape(plain)[1]], numbers(2 * shape(plain)[1], 1)],
    [`${module(plain)}.lora_B.weight`]: [[shape(plain)[0], 2], numbers(2 * shape(plain)[0], 2)],
    [`${module(difference)}.diff`]: [shape(difference), numbers(elements(shape(difference)), 3)],
  };
  for (const [i, part] of ["hada_w1", "hada_w2"].entries()) {
    tensors[`${module(loha)}.${part}_a`] = [[shape(loha)[0], 2], numbers(2 * shape(loha)[0], 4 + i)];
    tensors[`${module(loha)}.${part}_b`] = [[2, shape(loha)[1]], numbers(2 * shape(loha)[1], 6 + i)];
  }
  const lora = bytesOf(
    "mixed.safetensors",
    writeSafetensors(Object.entries(tensors).map(([name, [shape, data]]) => ({ name, shape, data }))),
  );
  const set = await LoraSet.open([{ file: lora }]);
  const { changed, expanded, kept } = await assertMatrices(device, set.apply(base, "denoiser"));
  assertEquals(changed, 1);
  assertEquals(expanded.filter((name) => names.includes(name)).toSorted(), [difference, loha].toSorted());
  assertEquals(kept, names.length - 2);
  const warnings = set.warnings("flux");
  assert(warnings.some((text) => text.includes("2 quantised weights")), warnings.join("; "));
});

Deno.test("weights take at most 1.05 times their file's bytes on the GPU, at the sizes of FLUX, SD3.5, SDXL and T5-XXL, of every type", async () => {
  using device = new IdleDevice(USUAL_ADAPTER);
  for (const [model, spec] of Object.entries(MODELS)) {
    for (const component of ["transformer", "unet", "text_encoder_2", "text_encoder_3"]) {
      const part = spec.components[component];
      if (!part?.build) continue;
      for (const type of Object.keys(QUANTISED) as QuantisedName[]) {
        const block = type.startsWith("Q");
        const random = randomComponent(component, part, block ? type as WritableType : "F16", 0);
        const infos = new Map([...random.names()].map((name) => {
          const { shape, dtype } = random.info(name)!;
          // As FP8 files are made: matrices, and what GGUF files keep in 16 bits stays so.
          const narrow = !block && shape.length === 2 && elements(shape) > 1024;
          return [name, { shape, dtype: narrow ? type : dtype }];
        }));
        const source: Checkpoint = {
          name: component,
          names: () => infos.keys(),
          info: (name) => infos.get(name),
          read: () => Promise.reject(new Error("headers only")),
          readF32: () => Promise.reject(new Error("headers only")),
          stored: (name) =>
            infos.get(name)?.dtype === type && !block
              ? {
                dtype: type,
                scales: {
                  ...{ height: infos.get(name)!.shape[0], columns: 1, width: infos.get(name)!.shape[1] },
                  values: () => Promise.reject(new Error("headers only")),
                },
                read: () => Promise.reject(new Error("headers only")),
              }
              : undefined,
        };
        using store = new WeightStore(source, device, { dtype: "f16", keepQuantised: true });
        part.build(new Weights(store), new ConfigReader("config.json", part.config));
        await store.pretend();
        const file = [...infos.values()].reduce((sum, info) => sum + storedBytes(info), 0);
        const ratio = store.bytes / file;
        assert(ratio <= 1.05, `${model} ${component} ${type}: ${ratio.toFixed(3)} of ${file} bytes`);
      }
    }
  }
});
