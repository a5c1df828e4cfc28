/**
 * The page in a real browser: Chromium with its software adapter, against Deno. `deno task test:web` runs it; the other
 * tests need no browser. `CHROMIUM=/path/to/it` names one that is not where Debian puts it.
 */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import type { Browser, Page } from "playwright-core";
import { PARAMETERS_KEYWORD } from "../lib/cli/request.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { decodePng, readPngText } from "../lib/image/png.ts";
import { seededNoise } from "../lib/pipelines/latents.ts";
import { createPipeline, planPicture, readModelInfo } from "../lib/pipelines/text_to_image.ts";
import { build, bundle, staticFiles } from "../tools/web.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const REQUEST = { prompt: "a red apple", width: 128, height: 128, steps: 2, seed: 7, method: "lssgen" };
/** No freeze: the page's own timers come at least this often, on a machine that draws on its processor. */
const LONGEST_GAP_MS = 2000;
const WAIT_MS = 120_000;

/** Chromium as Debian and others install it. */
function findChromium(): string | undefined {
  const named = Deno.env.get("CHROMIUM");
  const known = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
  return [...named ? [named] : [], ...known.map((name) => `/usr/bin/${name}`)].find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

const executablePath = findChromium();
if (!executablePath) throw new Error("No Chromium: apt-get install chromium, or CHROMIUM=/path/to/it");

async function openBrowser(): Promise<Browser> {
  const { chromium } = await import("playwright-core");
  // SwiftShader wherever this runs: it has no f16, so the page draws in f32.
  const args = ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader"];
  return await chromium.launch({ executablePath, args: [...args, "--no-sandbox"] });
}

async function choose(page: Page, { size, steps }: { size: string; steps: number }): Promise<void> {
  await page.selectOption("#size", size);
  await page.fill("#steps", String(steps));
  await page.fill("#seed", String(REQUEST.seed));
  await page.fill("#prompt", REQUEST.prompt);
}

/** Waits for a sentence of the progress line; fails with the page's own explanation. */
async function progressSays(page: Page, words: string): Promise<void> {
  // Asked from here: Playwright's own waiting would need eval in the page, which its policy forbids.
  for (const end = Date.now() + WAIT_MS; Date.now() < end;) {
    assertEquals(await page.textContent("#trouble"), "");
    const line = await page.textContent("#progress-line") ?? "";
    if (line.includes(words)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`The page did not say "${words}"`);
}

async function runEnds(page: Page): Promise<void> {
  await page.waitForSelector("html[data-running=false]", { timeout: WAIT_MS, state: "attached" });
  assertEquals(await page.textContent("#trouble"), "");
}

function psnr(a: Uint8Array, b: Uint8Array): number {
  assertEquals(a.length, b.length);
  const mean = a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length;
  return mean === 0 ? Infinity : 10 * Math.log10(255 ** 2 / mean);
}

Deno.test({
  name: "the page in Chromium draws what Deno draws",
  // Playwright keeps pipes of the browser for a moment after it is closed.
  sanitizeResources: false,
  sanitizeOps: false,
}, async (t) => {
  const folder = await Deno.makeTempDir();
  const downloads = join(folder, "downloads");
  const dist = join(folder, "dist");
  await build(dist);
  await bundle({ noise: join(ROOT, "lib/pipelines/latents.ts") }, dist);
  const files = await staticFiles(dist, "/any/path/");
  let weightRequests = 0;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    if (request.url.includes("/weights/")) weightRequests++;
    return files(request);
  });
  const browser = await openBrowser();
  try {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    await page.goto(`http://127.0.0.1:${server.addr.port}/any/path/`);
    await page.waitForSelector("#generate:enabled", { timeout: WAIT_MS });

    let drawn: Uint8Array = new Uint8Array();
    await t.step("a picture, with progress, and the page stays awake", async () => {
      await choose(page, { size: "128x128", steps: REQUEST.steps });
      await page.evaluate(`(() => {
        let last = performance.now();
        globalThis.longestGap = 0;
        setInterval(() => {
          const now = performance.now();
          globalThis.longestGap = Math.max(globalThis.longestGap, now - last);
          last = now;
        }, 20);
        const seen = globalThis.linesSeen = new Set();
        new MutationObserver(() => seen.add(document.getElementById("progress-line").textContent))
          .observe(document.getElementById("progress-line"), { childList: true });
      })()`);
      await page.click("#generate");
      assertEquals(await page.evaluate("document.activeElement.id"), "stop", "focus moves to Stop");
      await runEnds(page);
      const lines = await page.evaluate("[...linesSeen]") as string[];
      for (
        const words of ["Fetching the model", "Loading", "Reading the prompt", "Step 1 of 2", "Decoding"]
      ) {
        assert(lines.some((line) => line.includes(words)), `"${words}" was not shown: ${lines.join(" | ")}`);
      }
      const gap = await page.evaluate("longestGap") as number;
      assert(gap < LONGEST_GAP_MS, `the page froze for ${gap} ms`);
      assertEquals(await page.evaluate("document.activeElement.id"), "generate", "focus comes back");

      const waiting = page.waitForEvent("download");
      await page.click("#pictures a[download]");
      const download = await waiting;
      assertEquals(download.suggestedFilename(), "a-red-apple-lssgen-7.png");
      await download.saveAs(join(downloads, "a.png"));
      drawn = await Deno.readFile(join(downloads, "a.png"));
    });

    await t.step(
      "its PNG holds the parameters, its noise is Deno's bit for bit, its pixels nearly so",
      async () => {
        const bytes = new Uint8Array(drawn);
        const stored = JSON.parse((await readPngText(bytes)).get(PARAMETERS_KEYWORD) ?? "{}");
        for (const [key, value] of Object.entries(REQUEST)) assertEquals(stored[key], value, key);

        const info = await readModelInfo();
        const [stage] = planPicture(info, REQUEST).stages;
        const { latentHeight: h, latentWidth: w } = stage;
        const here = seededNoise(REQUEST.seed, 0)(stage, h * w * info.latentChannels, "stage");
        const there = await page.evaluate(
          `import("./noise.js").then((m) =>
          [...new Uint32Array(m.seededNoise(${REQUEST.seed}, 0)({ index: 0 }, ${here.length}, "stage").buffer)])`,
        ) as number[];
        assertEquals(there, [...new Uint32Array(here.buffer)]);

        using device = await openDevice();
        await using pipeline = await createPipeline(undefined, { device, dtype: "f32" });
        const { images: [image] } = await pipeline.generate(REQUEST);
        const same = psnr((await decodePng(bytes)).data, image.rgb);
        const values = new Set(image.rgb).size;
        console.log(`Chromium against Deno, f32: PSNR ${same.toFixed(1)} dB over ${values} different values`);
        assert(values > 50, "the picture is blank");
        assert(same >= 40, `PSNR ${same} dB`);
      },
    );

    await t.step("Stop stops within a step, after the picture has grown", async () => {
      await choose(page, { size: "256x256", steps: 2 });
      await page.click("#generate");
      await progressSays(page, "Stage 2 of 2");
      await page.click("#stop");
      await runEnds(page);
      assertEquals(await page.textContent("#live"), "Stopped");
      assertEquals(await page.locator("#history li").count(), 1);
    });

    await t.step("a second visit needs no network for the weights", async () => {
      await page.reload();
      weightRequests = 0;
      await page.waitForSelector("#generate:enabled", { timeout: WAIT_MS });
      await choose(page, { size: "128x128", steps: 1 });
      await page.click("#generate");
      // Everything but the text encoders is on the GPU by then, and they are next.
      await progressSays(page, "Loading text encoder");
      await page.click("#stop");
      await runEnds(page);
      assertEquals(weightRequests, 0);
    });

    await t.step("stored weights are deleted, a folder of one's own is opened", async () => {
      const label = await page.textContent("#forget");
      assert(/\(\d+\.\d MB\)/.test(label ?? ""), `${label}`);
      await page.click("#forget");
      await page.waitForSelector("#forget:disabled");
      assertEquals(await page.textContent("#forget"), "Delete stored weights (none)");
      assertEquals(await page.evaluate("caches.keys()"), []);

      await page.setInputFiles("#folder", join(ROOT, "weights/lssgen-emoji"));
      await page.waitForSelector("#built-in:visible:enabled");
      assertEquals(await page.textContent("#model-note"), "FluxPipeline, from your folder");
      assertEquals(weightRequests, 0);
    });
    assertEquals(complaints, []);
  } finally {
    await browser.close();
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});
