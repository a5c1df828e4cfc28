/**
 * The package in other people's pages: an app of three lines, bundled by Vite (built and as its dev server gives it) and by
 * esbuild, draws in Chromium what Deno draws. `deno task test:web` runs it; Vite comes from npm into a temporary folder.
 */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import config from "../deno.json" with { type: "json" };
import { openDevice } from "../lib/gpu/device.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { staticFiles } from "../tools/web.ts";
import { openBrowser, psnr } from "./chromium.ts";
import { makeProject, runIn } from "./npm_package.ts";
import { SMALL_REQUEST, smallExample } from "./small_example.ts";

const VITE = "vite@8.3.8";
const WAIT_MS = 120_000;
const REQUEST = { prompt: "a red apple", ...SMALL_REQUEST };

/** An example's files, made small, in a folder. */
async function copyExample(name: string, folder: string): Promise<void> {
  const from = fromFileUrl(new URL(`../examples/${name}`, import.meta.url));
  for (const { name: file } of Deno.readDirSync(from)) {
    await Deno.writeTextFile(join(folder, file), smallExample(await Deno.readTextFile(join(from, file))));
  }
}

/** What an example's page shows: its canvas's pixels once it says that it is done. */
const SHOWN = `(() => {
  const text = document.querySelector("pre")?.textContent ?? "";
  if (text !== "done") return { error: text.startsWith("Error") ? text : undefined };
  const canvas = document.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return { rgb: [...data].filter((_, i) => i % 4 < 3) };
})()`;

async function drawnHere(): Promise<Uint8Array> {
  using device = await openDevice();
  await using pipeline = await createPipeline(undefined, { device, dtype: "f32" });
  return (await pipeline.generate(REQUEST)).images[0].rgb;
}

/** Opens a page and waits for its picture. */
async function drawnThere(address: string): Promise<{ rgb: Uint8Array; asked: string[] }> {
  const browser = await openBrowser();
  try {
    const page = await browser.newPage();
    const asked: string[] = [];
    const complaints: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(address);
    for (const end = Date.now() + WAIT_MS; Date.now() < end;) {
      const drawn = await page.evaluate(SHOWN).catch(() => undefined) as
        | { rgb?: number[]; error?: string }
        | undefined;
      assertEquals([drawn?.error, complaints], [undefined, []]);
      if (drawn?.rgb) return { rgb: Uint8Array.from(drawn.rgb), asked };
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`No picture at ${address}`);
  } finally {
    await browser.close();
  }
}

/** Serves a folder under a path while `use` runs. */
async function served<T>(folder: string, use: (address: string) => Promise<T>): Promise<T> {
  const files = await staticFiles(folder, "/some/path/");
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, files);
  try {
    return await use(`http://127.0.0.1:${server.addr.port}/some/path/`);
  } finally {
    await server.shutdown();
  }
}

Deno.test({
  name: "an app bundled by Vite or esbuild finds shaders and weights, and draws what Deno draws",
  sanitizeResources: false,
  sanitizeOps: false,
}, async (t) => {
  const folder = await Deno.makeTempDir();
  try {
    const here = await drawnHere();
    assert(new Set(here).size > 50, "the picture is blank");
    const same = (name: string, rgb: Uint8Array): void => {
      const db = psnr(rgb, here);
      console.log(`${name} against Deno, f32: PSNR ${db.toFixed(1)} dB`);
      assert(db >= 40, `PSNR ${db} dB`);
    };
    await makeProject(folder, [VITE]);
    await copyExample("vite", folder);

    await t.step("Vite takes the embedded model along", async () => {
      await runIn(folder, "node", ["node_modules/vite/bin/vite.js", "build", "--base", "./"]);
      const { rgb, asked } = await served(join(folder, "dist"), drawnThere);
      same("Vite", rgb);
      assert(asked.some((url) => /\/some\/path\/assets\/[\w-]+\.gguf$/.test(url)), asked.join("\n"));
    });

    await t.step("Vite's dev server finds it too", async () => {
      const child = new Deno.Command("node", {
        args: ["node_modules/vite/bin/vite.js", "--host", "127.0.0.1"],
        cwd: folder,
        env: { NO_COLOR: "1" },
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      try {
        let text = "";
        let address: string | undefined;
        while (!address) {
          const { value, done } = await reader.read();
          assert(!done, text);
          text += value;
          address = /http:\/\/127\.0\.0\.1:\d+\//.exec(text)?.[0];
        }
        same("Vite's dev server", (await drawnThere(address)).rgb);
      } finally {
        child.kill("SIGTERM");
        await child.status;
        await reader.cancel();
      }
    });

    await t.step("esbuild leaves the model to its user, who says where it lies", async () => {
      await copyExample("esbuild", folder);
      // npm's esbuild is not installed here: the example's own call, with ours.
      const esbuild = await import("../tools/esbuild.ts");
      const out = join(folder, "out");
      const [, options] =
        /build\((\{[\s\S]*?\n\})\)/.exec(await Deno.readTextFile(join(folder, "build.js"))) ?? [];
      try {
        await esbuild.build({
          ...Function(`return ${options}`)(),
          absWorkingDir: folder,
          logLevel: "warning",
        });
      } finally {
        await esbuild.stop();
      }
      await Deno.copyFile(join(folder, "index.html"), join(out, "index.html"));
      await runIn(folder, "cp", [
        "-r",
        `node_modules/${config.name}/weights/lssgen-emoji`,
        join(out, "model"),
      ]);
      same("esbuild", (await served(out, drawnThere)).rgb);
    });

    await t.step("a page without a bundler finds it by an import map", async () => {
      const page = join(folder, "page");
      await Deno.mkdir(page);
      await copyExample("import_map", page);
      await Deno.mkdir(join(page, "node_modules/@lssgen"), { recursive: true });
      await runIn(folder, "cp", [
        "-r",
        `node_modules/${config.name}`,
        join(page, "node_modules/@lssgen/webgpu"),
      ]);
      same("import map", (await served(page, drawnThere)).rgb);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
