import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { componentTable, inspect, readComponents } from "../lib/cli/inspect.ts";
import { parseOptions } from "../lib/cli/options.ts";
import type { Terminal } from "../lib/cli/terminal.ts";
import { LssgenError } from "../lib/errors.ts";
import { encodePicture } from "../lib/image/picture_writing.ts";
import { encodePng } from "../lib/image/png.ts";
import { memoryFolder } from "../lib/weights/bytes.ts";
import { writeSafetensors } from "../lib/weights/safetensors.ts";
import { bflFlux, fileOf, renamed } from "./foreign_layouts.ts";
import { ldmVae, llamaT5, tensorsOf } from "./foreign_names.ts";

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
    { name: "vae", class: "AutoencoderKL", parameters: 6, types: { F32: 6 }, bytes: 24 },
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
      {
        name: "vae",
        class: "AutoencoderKL",
        parameters: 83_819_683,
        types: { F32: 3, BF16: 83_819_680 },
        bytes: 167_639_372,
      },
      {
        name: "transformer",
        class: "Flux",
        parameters: 11_901_408_320,
        types: { BF16: 11_901_408_320 },
        bytes: 23_802_816_640,
      },
      { name: "text_encoder", class: "CLIPTextModel", missing: "--clip_l FILE" },
    ]),
    [
      "component     class          parameters     bytes  stored as",
      "scheduler     Euler",
      "vae           AutoencoderKL      83.8 M   160 MiB  BF16, F32",
      "transformer   Flux               11.9 B  22.2 GiB  BF16",
      "text_encoder  CLIPTextModel                        missing: --clip_l FILE",
      "                                 12.0 B  22.3 GiB",
    ],
  );
});

/** Files of the golden FLUX pipeline in the names of others, in a folder of their own. */
async function fluxFiles(): Promise<string> {
  const read = (path: string) => tensorsOf(`pipelines/flux_dev/model/${path}`);
  const folder = await Deno.makeTempDir();
  const files = {
    "flux1": bflFlux(await read("transformer/diffusion_pytorch_model.safetensors")),
    "ae": ldmVae(await read("vae/diffusion_pytorch_model.safetensors")),
    "t5": renamed(await read("text_encoder_2/model.safetensors"), llamaT5),
  };
  for (const [name, tensors] of Object.entries(files)) {
    await Deno.writeFile(`${folder}/${name}.safetensors`, fileOf(tensors));
  }
  return folder;
}

async function inspected(...args: string[]): Promise<string[]> {
  const printed: string[] = [];
  const terminal: Terminal = {
    print: (line) => printed.push(line),
    note: () => {},
    draw: () => {},
    tty: false,
    columns: 80,
    signal: new AbortController().signal,
  };
  await inspect(parseOptions(["inspect", ...args]), terminal);
  return printed;
}

Deno.test("inspect tells what files in any order make together, what is missing and which option brings it", async () => {
  const folder = await fluxFiles();
  const config = new URL("./golden/pipelines/flux_dev/model", import.meta.url).pathname;
  try {
    const files = ["t5", "ae", "flux1"].map((name) => `${folder}/${name}.safetensors`);
    const text = (await inspected(...files, "--config", config)).join("\n");
    assertMatch(text, /flux1\.safetensors: FLUX\.1 \(FluxPipeline\)/);
    assertMatch(text, /transformer +FluxTransformer2DModel +81\.4 k +318 KiB +F32/);
    assertMatch(text, /text_encoder_2 +T5EncoderModel +56\.0 k/);
    assertMatch(text, /text_encoder +CLIPTextModel +missing: --clip_l FILE/);
    assertMatch(text, /vae: .*latent_channels 16.*scaling_factor 0\.3611/);
    assertMatch(text, /cannot be drawn with.*--clip_l FILE/);
    const [json] = await inspected("-m", files[2], "--vae", files[1], "--config", config, "--json");
    const { family, components } = JSON.parse(json);
    assertEquals(family, "FLUX.1");
    assertEquals(components[0].bytes, 4 * components[0].parameters);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("inspect tells of a part alone what it is and which option takes it", async () => {
  const folder = await fluxFiles();
  try {
    const text = (await inspected(`${folder}/t5.safetensors`)).join("\n");
    assertMatch(text, /--t5xxl +T5EncoderModel/);
    assertMatch(text, /d_model 32/);
    // A folder that holds nothing else is the file.
    await Deno.remove(`${folder}/ae.safetensors`);
    await Deno.remove(`${folder}/flux1.safetensors`);
    await assertRejects(() => inspected(folder), LssgenError, "--t5xxl");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("inspect tells of pictures their size and what they say about how they were made", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const pixels = { width: 2, height: 3, channels: 3, data: new Uint8Array(18) } as const;
    const texts = { parameters: "a fox\nSteps: 9, Seed: 7", lssgen: '{"prompt":"a fox"}' };
    const [ours, jpeg, plain] = ["ours.png", "photo.jpg", "plain.png"].map((name) => `${folder}/${name}`);
    await Deno.writeFile(ours, await encodePng(pixels, texts));
    await Deno.writeFile(jpeg, await encodePicture(pixels, "JPEG", texts));
    await Deno.writeFile(plain, await encodePng(pixels));
    assertEquals(await inspected(ours, plain), [
      `${ours}: 2×3`,
      "  parameters: a fox\n    Steps: 9, Seed: 7",
      '  lssgen: {"prompt":"a fox"}',
      `${plain}: 2×3`,
      "  says nothing about how it was made",
    ]);
    const [json] = await inspected(jpeg, "--json");
    assertEquals(JSON.parse(json), { name: jpeg, width: 2, height: 3, texts });
    await assertRejects(() => inspected(`${folder}/none.png`), LssgenError, "no such file");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
