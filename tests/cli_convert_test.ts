/** `convert`: what it writes opens and draws the same, and what ends in the middle leaves nothing behind. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { convert, convertFiles } from "../lib/cli/convert.ts";
import { fileFolder, fileSource } from "../lib/cli/files.ts";
import { parseOptions } from "../lib/cli/options.ts";
import type { Terminal } from "../lib/cli/terminal.ts";
import { LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { modelFiles } from "../lib/model_files/model_files.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import type { FolderSource } from "../lib/weights/bytes.ts";

const golden = (name: string) => fromFileUrl(new URL(`./golden/pipelines/${name}/model`, import.meta.url));

function quiet(signal = new AbortController().signal): Terminal {
  return { print: () => {}, note: () => {}, draw: () => {}, tty: false, columns: 80, signal };
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a model's folder in one file draws the folder's picture, byte for byte", async () => {
  using device = await openDevice();
  const draw = async (model: FolderSource) => {
    await using pipeline = await createPipeline(model, { device, dtype: "f32" });
    const { images: [{ rgb }] } = await pipeline.generate({
      prompt: "a cat",
      width: 64,
      height: 64,
      steps: 2,
      seed: 3,
      method: "direct",
    });
    return rgb;
  };
  await inFolder(async (folder) => {
    for (const name of ["sdxl", "flux_dev"]) {
      const out = join(folder, `${name}.safetensors`);
      await convertFiles({ inputs: [golden(name)], out, type: "F32", rules: [] }, quiet());
      // Its sizes are no released model's: the folder's configs say them, its weights are not read.
      const file = modelFiles({ model: (await fileSource(out))!, config: fileFolder(golden(name)) });
      assertEquals(await draw(file), await draw(fileFolder(golden(name))), name);
    }
  });
});

Deno.test("stopping in the middle, a full disk's error and a damaged input leave no file behind", async () => {
  await inFolder(async (folder) => {
    const out = join(folder, "out.gguf");
    const stopped = new AbortController();
    stopped.abort();
    const request = { inputs: [join(golden("sd15"), "unet")], out, type: "Q8_0", rules: [] } as const;
    await assertRejects(() => convertFiles(request, quiet(stopped.signal)), LssgenError);
    assertEquals([...Deno.readDirSync(folder)], []);

    const cut = join(folder, "cut.safetensors");
    const whole = await Deno.readFile(join(golden("sd15"), "unet", "diffusion_pytorch_model.safetensors"));
    await Deno.writeFile(cut, whole.subarray(0, whole.length - 9));
    await assertRejects(
      () => convertFiles({ ...request, inputs: [cut] }, quiet()),
      LssgenError,
      "cut.safetensors",
    );
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["cut.safetensors"]);
  });
});

Deno.test("a conversion that is killed leaves a part that the next one removes", async () => {
  await inFolder(async (folder) => {
    const left = join(folder, ".lssgen-999999999-0.part");
    await Deno.writeFile(left, new Uint8Array(10));
    await Deno.utime(left, new Date(0), new Date(0));
    const out = join(folder, "out.gguf");
    await convertFiles({ inputs: [join(golden("sd15"), "vae")], out, type: "F16", rules: [] }, quiet());
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["out.gguf"]);
  });
});

Deno.test("files that cannot be written or read are refused before anything is done, by name", async () => {
  await inFolder(async (folder) => {
    const unet = join(golden("sd15"), "unet");
    const refusal = async (inputs: string[], out: string): Promise<string> => {
      const error = await assertRejects(
        () => convertFiles({ inputs, out, type: "F16", rules: [] }, quiet()),
        LssgenError,
      );
      assert(["bad_option", "bad_file", "bad_tensor"].includes(error.code), error.code);
      return error.message;
    };
    assertStringIncludes(await refusal([unet], join(folder, "a.bin")), ".gguf or .safetensors");
    assertStringIncludes(await refusal([unet], join(folder, "no/a.gguf")), "does not exist");
    assertStringIncludes(await refusal([join(folder, "nothing")], join(folder, "a.gguf")), "nothing");
    const file = join(folder, "own.safetensors");
    await Deno.copyFile(join(unet, "diffusion_pytorch_model.safetensors"), file);
    assertStringIncludes(await refusal([file], file), "another name");
    assertStringIncludes(
      await refusal([unet, join(dirname(unet), "unet")], join(folder, "a.gguf")),
      "both hold",
    );
  });
});

Deno.test("convert tells how far it is, and nothing of that with --quiet", async () => {
  await inFolder(async (folder) => {
    const said = async (...more: string[]): Promise<string> => {
      const notes: string[] = [];
      const terminal = { ...quiet(), note: (text: string) => void notes.push(text) };
      const out = join(folder, `${more.length}.gguf`);
      await convert(
        parseOptions(["convert", join(golden("sd15"), "vae"), "--type", "f16", "-o", out, ...more]),
        terminal,
      );
      return notes.join("");
    };
    assertStringIncludes(await said(), "convert  ");
    assertEquals(await said("-q"), "");
  });
});
