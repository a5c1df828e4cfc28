/**
 * The bench in Chromium on its software adapter, ours and other engines in one page. The other engines are fetched into a
 * temporary folder for the run; Chromium is the system's, `CHROMIUM=/path/to/it` names another.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { staticFiles } from "../tools/web.ts";
import type { BenchOptions } from "./options.ts";
import type { RunReport } from "./run.ts";

/** The other engines, as a package.json names them. */
const PACKAGES = {
  "onnxruntime-web": "1.30.0",
  "@tensorflow/tfjs-core": "4.22.0",
  "@tensorflow/tfjs-backend-webgpu": "4.22.0",
};

/** SwiftShader is slow: without a choice of benches and cases, this is what a page runs. */
const DEFAULT: Pick<BenchOptions, "only" | "cases"> = {
  only: ["matmul"],
  cases: ["square 1024×1024×1024, f32"],
};

const HERE = fromFileUrl(new URL(".", import.meta.url));

/** What the page runs: engines by their names in the temporary folder, ours by its path here. */
function script(o: BenchOptions): string {
  return `
import * as ort from "onnxruntime-web/webgpu";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu";
import { runInPage } from ${JSON.stringify(join(HERE, "page.ts"))};
try {
  const told = await runInPage(${JSON.stringify(o)}, ort, tf, (line) => console.log("bench " + line));
  globalThis.told = { report: told };
} catch (error) {
  globalThis.told = { error: String(error?.stack ?? error) };
}`;
}

async function prepare(folder: string, o: BenchOptions): Promise<string> {
  const packages = join(folder, "packages");
  await Deno.mkdir(packages);
  await Deno.writeTextFile(join(packages, "package.json"), JSON.stringify({ dependencies: PACKAGES }));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet", "--node-modules-dir=auto"],
    cwd: packages,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`Cannot fetch the other engines: ${new TextDecoder().decode(stderr)}`);
  const dist = join(folder, "dist");
  await Deno.mkdir(join(dist, "onnxruntime"), { recursive: true });
  const runtime = join(packages, "node_modules/onnxruntime-web/dist");
  for await (const { name } of Deno.readDir(runtime)) {
    if (/^ort-wasm.*\.(mjs|wasm)$/.test(name)) {
      await Deno.copyFile(join(runtime, name), join(dist, "onnxruntime", name));
    }
  }
  await Deno.writeTextFile(join(packages, "main.ts"), script(o));
  const esbuild = await import("../tools/esbuild.ts");
  try {
    await esbuild.build({
      entryPoints: [join(packages, "main.ts")],
      outdir: dist,
      bundle: true,
      format: "esm",
      target: "es2022",
      platform: "browser",
      logLevel: "error",
    });
  } finally {
    await esbuild.stop(); // its child process would keep this one alive
  }
  await Deno.writeTextFile(
    join(dist, "index.html"),
    '<!doctype html><meta charset="utf-8"><title>bench</title><link rel="icon" href="data:,"><script type="module" src="main.js"></script>',
  );
  return dist;
}

/** Runs the benches in a page and gives its report. */
export async function runInChromium(o: BenchOptions, say: (line: string) => void): Promise<RunReport> {
  const { chromium } = await import("../tools/playwright.ts");
  const folder = await Deno.makeTempDir();
  try {
    const chosen = o.only || o.cases ? o : { ...o, ...DEFAULT };
    const files = await staticFiles(await prepare(folder, chosen));
    await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, files);
    const browser = await chromium.launch({
      executablePath: Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium",
      args: [
        "--enable-unsafe-webgpu",
        "--enable-features=Vulkan",
        "--use-webgpu-adapter=swiftshader",
        "--no-sandbox",
      ],
    });
    try {
      const page = await browser.newPage();
      page.on("console", (message) => {
        const [, line] = /^bench ([^]*)$/.exec(message.text()) ?? [];
        if (line !== undefined) say(line);
        else if (message.type() === "error") say(`Chromium: ${message.text()}`);
      });
      await page.goto(`http://127.0.0.1:${server.addr.port}/`);
      // By asking again and again: a single call would meet the limits of whoever drives the browser.
      while (true) {
        const told = await page.evaluate("globalThis.told") as
          | { report?: RunReport; error?: string }
          | undefined;
        if (told?.error) throw new Error(`In Chromium: ${told.error}`);
        if (told?.report) return told.report;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    } finally {
      await browser.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
