/**
 * A hub's model in the page, in a real browser: looked up by name, its size shown, fetched with the first picture, kept.
 * `deno task test:web` runs it.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Page } from "../tools/playwright.ts";
import { fileFolder } from "../lib/cli/files.ts";
import { decodePng } from "../lib/image/png.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { BuiltPage, psnr, textWith } from "./chromium.ts";
import { GOLDEN, walkFiles } from "./hub_files.ts";
import { HubServer } from "./hub_server.ts";

const REPO = "acme/tiny-sd";
const WAIT_MS = 300_000;

/** Waits for what the page says of the model, or of what went wrong. */
async function says(page: Page, selector: string, words: string): Promise<string> {
  return await textWith(page, selector, words, WAIT_MS);
}

Deno.test({
  name: "in Chromium a hub's model is looked up by name, its size is shown, and its picture is Deno's",
  // Playwright keeps pipes of the browser for a moment after it is closed.
  sanitizeResources: false,
  sanitizeOps: false,
}, async () => {
  await using hub = new HubServer({ pages: true });
  hub.add(REPO, await walkFiles(GOLDEN));
  await using built = await BuiltPage.open(async (dist) => {
    // Another hub is named at the two places that the documentation names.
    const html = (await Deno.readTextFile(join(dist, "index.html")))
      .replace("connect-src 'self'", `connect-src 'self' ${hub.endpoint} ${hub.dataHost}`)
      .replace('data-endpoint="https://huggingface.co"', `data-endpoint="${hub.endpoint}"`);
    await Deno.writeTextFile(join(dist, "index.html"), html);
  });
  const { browser, folder, address } = built;
  const page = await browser.newPage({ serviceWorkers: "block", locale: "en-US" });
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(address);
  await page.waitForSelector("#generate:enabled", { timeout: WAIT_MS });

  await page.fill("#hub", "acme/none");
  await page.click("#hub-open");
  assertStringIncludes(await says(page, "#trouble", "acme/none"), `${hub.endpoint}/acme/none`);

  await page.fill("#hub", REPO);
  await page.press("#hub", "Enter");
  const note = await says(page, "#model-note", "fetched with the first picture");
  assertMatch(note, /^StableDiffusionPipeline, from 127\.0\.0\.1:\d+, 983 kB: /);
  assertMatch(
    await says(page, "#model-memory", "GPU memory"),
    /^about \d+\.\d MB of GPU memory for a picture of \d+ × \d+\.$/,
  );
  // For the estimate headers are read, by ranges.
  const early = hub.seen.filter(({ host }) => host === "data");
  assert(
    early.length > 0 && early.every(({ range }) => range !== null),
    "weights wait for the first picture",
  );

  // Smaller than what the page offers: software draws it.
  await page.evaluate(`document.getElementById("size").append(new Option("64 × 64", "64x64"))`);
  await page.selectOption("#size", "64x64");
  await page.selectOption("#method", "direct");
  await page.fill("#steps", "2");
  await page.fill("#seed", "7");
  await page.fill("#prompt", "a cat");
  await page.click("#generate");
  await page.waitForSelector("html[data-running=false]", { timeout: WAIT_MS, state: "attached" });
  assertEquals(await page.textContent("#trouble"), "");
  const waiting = page.waitForEvent("download");
  await page.click("#pictures a[download]");
  await (await waiting).saveAs(join(folder, "a.png"));
  const there = await decodePng(await Deno.readFile(join(folder, "a.png")));
  await using pipeline = await createPipeline(fileFolder(GOLDEN), { dtype: "f32" });
  const { images: [{ rgb }] } = await pipeline.generate({
    prompt: "a cat",
    width: 64,
    height: 64,
    steps: 2,
    seed: 7,
    method: "direct",
  });
  const same = psnr(there.data, rgb);
  console.log(`Chromium against Deno, f32: PSNR ${same.toFixed(1)} dB`);
  assert(same >= 40, `PSNR ${same} dB`);

  // Another visit reads nothing anew.
  const before = hub.seen.filter(({ host }) => host === "data").length;
  await page.reload();
  await page.waitForSelector("#generate:enabled", { timeout: WAIT_MS });
  await page.fill("#hub", `hf.co/${REPO}`);
  await page.click("#hub-open");
  await says(page, "#model-note", "983 kB, kept in this browser");
  assertEquals(hub.seen.filter(({ host }) => host === "data").length, before);

  // It is listed with its bytes, and deleted by itself.
  assertMatch(await page.textContent("#models") ?? "", /acme\/tiny-sd kept in this browser, 983 kB/);
  await page.click(`[aria-label="Delete ${REPO}"]`);
  for (const end = Date.now() + WAIT_MS; (await page.textContent("#models") ?? "").includes(REPO);) {
    assert(Date.now() < end, "it is still listed");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // What is left are a few configs of the built-in model, which was open first.
  assertMatch(await page.textContent("#forget") ?? "", /\((none|\d{1,2} kB)\)$/);
  assertEquals(complaints, []);
});
