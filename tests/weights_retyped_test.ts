/** Weights quantised while they are read are those of a converted file, byte for byte. No GPU. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { bytesOf, folderOf } from "../lib/weights/bytes.ts";
import { kindsOf, openCheckpoint, openRawFile } from "../lib/weights/checkpoint.ts";
import { convertCheckpoint, type ConvertOptions, typeRules } from "../lib/weights/convert.ts";
import { partsOf, underDiffusersNames, viewOf } from "../lib/weights/names/original.ts";
import { retyped } from "../lib/weights/retyped.ts";
import { componentFile, singleFile } from "../lib/weights/single_file.ts";
import type { Checkpoint } from "../lib/weights/types.ts";

const folder = (name: string) =>
  fileFolder(new URL(`./golden/pipelines/${name}/model`, import.meta.url).pathname);

/** A checkpoint written as a GGUF file and opened again under the file's own names. */
async function converted(source: Checkpoint, options: Omit<ConvertOptions, "format">): Promise<Checkpoint> {
  const bytes = new Uint8Array(1 << 23);
  const { bytes: length } = await convertCheckpoint(source, {
    write: (at, part) => Promise.resolve(void bytes.set(part, at)),
  }, { ...options, format: "gguf" });
  const file = bytes.slice(0, length);
  return await openRawFile(folderOf("memory", (path) => Promise.resolve(bytesOf(path, file))), "model.gguf");
}

/** Compares every tensor, whole and in parts. @returns How many are of each type. */
async function assertSame(got: Checkpoint, want: Checkpoint): Promise<Map<string, number>> {
  assertEquals([...got.names()].toSorted(), [...want.names()].toSorted());
  const types = new Map<string, number>();
  for (const name of want.names()) {
    const { shape, dtype } = want.info(name)!;
    const said = got.info(name)!;
    assertEquals([name, said.dtype, [...said.shape]], [name, dtype, [...shape]]);
    assertEquals((await got.read(name)).bytes, (await want.read(name)).bytes, name);
    assertEquals(await got.readF32(name), await want.readF32(name), name);
    if (shape.length === 2 && shape[0] > 3) {
      const rows = { first: 1, count: shape[0] - 2 };
      assertEquals((await got.read(name, rows)).bytes, (await want.read(name, rows)).bytes, name);
      assertEquals(await got.readF32(name, rows), await want.readF32(name, rows), name);
    }
    types.set(dtype, (types.get(dtype) ?? 0) + 1);
  }
  return types;
}

const COMPONENTS = {
  flux_dev: ["transformer", "text_encoder", "text_encoder_2", "vae"],
  sd3: ["transformer", "text_encoder_3"],
  sdxl: ["unet", "text_encoder", "vae"],
  sd15: ["unet"],
  dit: ["transformer"],
};

for (const [model, components] of Object.entries(COMPONENTS)) {
  Deno.test(`components of ${model} quantised as they are read are those of converted files`, async () => {
    for (const component of components) {
      const source = await openCheckpoint(folder(model), component);
      for (const type of ["Q8_0", "Q4_0", "Q4_K", "F16", "BF16"] as const) {
        // Most matrices of these tiny networks are too small to be chosen without a rule.
        const rules = ["unet", "vae", "text_encoder"].includes(component)
          ? typeRules(`.=${type}`)
          : undefined;
        const file = await converted(componentFile(source, "gguf"), { type, rules });
        const want = underDiffusersNames(file, kindsOf(component));
        const types = await assertSame(retyped(source, component, { type, rules }), want);
        // A fallback where rows of 256 values are too long for a tiny model.
        const expected = type === "Q4_K" ? "Q5_0" : type;
        assert(types.has(expected) || component === "vae", `${component} has nothing of ${type}`);
      }
    }
  });
}

Deno.test("SDXL's second text encoder is quantised as one file of the whole model has it, transposed matrix and all", async () => {
  const model = folder("sdxl");
  const [unet, clipG] = await Promise.all(
    ["unet", "text_encoder_2"].map((one) => openCheckpoint(model, one)),
  );
  const file = await converted(
    singleFile([{ source: unet }, { source: clipG, role: "clip_g" }]),
    { type: "Q8_0" },
  );
  const parts = partsOf(file);
  const want = viewOf(file, parts.find(({ kind }) => kind === "clip")!, parts);
  await assertSame(retyped(clipG, "text_encoder_2", { type: "Q8_0", openClip: true }), want);
});

Deno.test("rules and workers of a conversion count while weights are read too", async () => {
  const source = await openCheckpoint(folder("flux_dev"), "transformer");
  const rules = typeRules("attn=q5_1,_in\\.=q8_0");
  const file = await converted(componentFile(source, "gguf"), { type: "Q4_0", rules });
  let pieces = 0;
  const { quantise } = await import("../lib/weights/quantise.ts");
  const got = retyped(source, "transformer", {
    type: "Q4_0",
    rules,
    lanes: 3,
    quantise: (values, type) => (pieces++, Promise.resolve(quantise(values, type))),
  });
  const types = await assertSame(got, underDiffusersNames(file, ["denoiser"]));
  assertEquals(["Q4_0", "Q5_1", "Q8_0"].filter((type) => !types.has(type)), []);
  assert(pieces > 0);
});

Deno.test("values that a type cannot hold, and values that are none, are told by their tensor", async () => {
  const make = (value: number): Checkpoint => ({
    name: "odd",
    names: () => ["a.weight"],
    info: (name) => name === "a.weight" ? { shape: [64, 32], dtype: "F32" } : undefined,
    read: () => Promise.reject(new Error("never as stored")),
    readF32: () => Promise.resolve(new Float32Array(64 * 32).fill(value)),
  });
  const read = (value: number) => retyped(make(value), "unet", { type: "Q8_0" }).read("a.weight");
  await assertRejects(() => read(1e9), LssgenError, 'tensor "a.weight" holds values beyond what q8_0');
  await assertRejects(() => read(NaN), LssgenError, 'tensor "a.weight" holds NaN');
  assertEquals(retyped(make(1), "unet", { type: "Q8_0" }).info("a.weight")?.dtype, "Q8_0");
});
