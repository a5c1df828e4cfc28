/** Prompts through the command line, by the pixels that come out. */

import { assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { main } from "../lib/cli/main.ts";
import { decodePng } from "../lib/image/png.ts";

const path = (name: string) => new URL(name, import.meta.url).pathname;
const model = (name: string) => path(`./golden/pipelines/${name}/model`);
const LORAS = path("./data/lora");

/** Runs command lines in a folder of their own. */
async function inFolder(
  use: (
    draw: (out: string, ...args: string[]) => Promise<Uint8Array>,
    run: (...args: string[]) => Promise<{ code: number; said: string }>,
    folder: string,
  ) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const { log } = console;
  const { writeSync } = Deno.stderr;
  let said = "";
  try {
    console.log = (line: string) => said += `${line}\n`;
    Deno.stderr.writeSync = (bytes: Uint8Array) => {
      said += new TextDecoder().decode(bytes);
      return bytes.length;
    };
    const run = async (...args: string[]) => {
      said = "";
      const code = await main(args);
      return { code, said };
    };
    const draw = async (out: string, ...args: string[]) => {
      const file = join(folder, out);
      const { code, said } = await run(...args, "--out", file);
      assertEquals(code, 0, said);
      return (await decodePng(await Deno.readFile(file), file)).data as Uint8Array;
    };
    await use(draw, run, folder);
  } finally {
    console.log = log;
    Deno.stderr.writeSync = writeSync;
    await Deno.remove(folder, { recursive: true });
  }
}

const SMALL = ["--dtype", "f32", "--method", "direct", "--size", "32", "--steps", "1", "--quiet"];

Deno.test("a prompt's LoRA from --lora-model-dir draws what --lora draws, and --from draws it again", async () => {
  await inFolder(async (draw, run, folder) => {
    const sd15 = ["--model", model("sd15"), ...SMALL];
    const plain = await draw("plain.png", ...sd15, "a fox");
    const lora = await draw(
      "lora.png",
      ...sd15,
      "a fox",
      "--lora",
      `${LORAS}/sd15_diffusers.safetensors:0.8`,
    );
    const tag = "a fox<lora:sd15_diffusers:0.8>";
    const tagged = await draw("tagged.png", ...sd15, tag, "--lora-model-dir", LORAS);
    assertNotEquals(plain, lora);
    assertEquals(tagged, lora);
    assertEquals(await draw("again.png", "--from", join(folder, "tagged.png")), lora);
    for (
      const [args, words] of [
        [[tag], "--lora-model-dir"],
        [["a fox <lora:sd15_difusers:1>", "--lora-model-dir", LORAS], 'did you mean "sd15_diffusers"?'],
        [["a fox", "-n", tag, "--lora-model-dir", LORAS], "negativePrompt"],
        [["a fox", "--lora-model-dir", "nowhere"], "--lora-model-dir"],
        [["a [fox:dog:0.5]"], "[fox:dog:0.5]"],
        [["a fox", "--prompt-2", "a dog"], "--prompt-2"],
        [["a fox", "--seed", "9007199254740991", "--count", "2"], "2 pictures"],
      ] as const
    ) {
      const { code, said } = await run(...sd15, ...args, "--out", join(folder, "none.png"));
      assertEquals(code, 2, said);
      assertStringIncludes(said, words);
    }
    assertEquals([...Deno.readDirSync(folder)].some(({ name }) => name === "none.png"), false);
  });
});

Deno.test("--prompt-2 is what the second encoder reads, stored in the picture and read back", async () => {
  await inFolder(async (draw, _run, folder) => {
    const flux = ["--model", model("flux_dev"), ...SMALL, "a fox"];
    const one = await draw("one.png", ...flux);
    const two = await draw("two.png", ...flux, "--prompt-2", "a dog");
    assertNotEquals(two, one);
    assertEquals(await draw("again.png", "--from", join(folder, "two.png")), two);
  });
});

Deno.test("several classes are files of consecutive seeds, one by one for each --count", async () => {
  await inFolder(async (draw, run, folder) => {
    const dit = ["--model", model("dit"), "--dtype", "f32", "--method", "direct", "--steps", "1", "--quiet"];
    const out = join(folder, "a.png");
    const { code, said } = await run(...dit, "3, 281", "--seed", "7", "--count", "2", "--json", "--out", out);
    assertEquals(code, 0, said);
    const made: { file: string; parameters: { seed: number; prompt: string } }[] = JSON.parse(said).images;
    assertEquals(
      made.map(({ file, parameters: { seed, prompt } }) => [file.slice(folder.length + 1), seed, prompt]),
      [["a.png", 7, "3"], ["a_2.png", 8, "281"], ["a_3.png", 9, "3"], ["a_4.png", 10, "281"]],
    );
    const alone = await draw("b.png", ...dit, "281", "--seed", "8");
    assertEquals((await decodePng(await Deno.readFile(made[1].file), "")).data, alone);
  });
});
