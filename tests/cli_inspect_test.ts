import { assertEquals, assertRejects } from "@std/assert";
import { componentTable, readComponents } from "../lib/cli/inspect.ts";
import { LssgenError } from "../lib/errors.ts";
import { memoryFolder } from "../lib/weights/bytes.ts";
import { writeSafetensors } from "../lib/weights/safetensors.ts";

/** A folder of texts, and weights of 6 f32 numbers. */
function folder(texts: Record<string, string>) {
  const encoder = new TextEncoder();
  const files = new Map(Object.entries(texts).map(([path, text]) => [path, encoder.encode(text)]));
  files.set(
    "vae/diffusion_pytorch_model.safetensors",
    writeSafetensors([{ name: "a", shape: [2, 3], data: new Float32Array(6) }]),
  );
  return memoryFolder("m", files);
}

Deno.test("inspect lists the components with the numbers and types in their weights' headers", async () => {
  const index = {
    _class_name: "FluxPipeline",
    scheduler: ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    vae: ["diffusers", "AutoencoderKL"],
    image_encoder: [null, null],
  };
  const { pipeline, components } = await readComponents(
    folder({ "model_index.json": JSON.stringify(index), "vae/config.json": "{}" }),
  );
  assertEquals(pipeline, "FluxPipeline");
  assertEquals(components, [
    { name: "scheduler", class: "FlowMatchEulerDiscreteScheduler" },
    { name: "vae", class: "AutoencoderKL", parameters: 6, types: { F32: 6 } },
  ]);
});

Deno.test("a component whose weights are missing is an error that names it", async () => {
  const index = { _class_name: "X", transformer: ["diffusers", "FluxTransformer2DModel"] };
  const files = folder({ "model_index.json": JSON.stringify(index), "transformer/config.json": "{}" });
  await assertRejects(() => readComponents(files), LssgenError, "transformer");
});

Deno.test("the table aligns its columns, sums up and shortens numbers to three figures", () => {
  assertEquals(
    componentTable([
      { name: "scheduler", class: "Euler" },
      { name: "vae", class: "AutoencoderKL", parameters: 83_819_683, types: { F32: 3, BF16: 83_819_680 } },
      { name: "transformer", class: "Flux", parameters: 11_901_408_320, types: { BF16: 11_901_408_320 } },
    ]),
    [
      "component    class          parameters  stored as",
      "scheduler    Euler",
      "vae          AutoencoderKL      83.8 M  BF16, F32",
      "transformer  Flux               11.9 B  BF16",
      "                                12.0 B",
    ],
  );
});
