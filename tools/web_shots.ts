/**
 * Pictures of the page for docs/images, taken in Chromium: `deno run -A tools/web_shots.ts`. Dark shows a picture in the
 * making, the others a finished one.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { chromium, type Page } from "playwright-core";
import { build, staticFiles } from "./web.ts";

const IMAGES = fromFileUrl(new URL("../docs/images/", import.meta.url));
const DRAWING_MS = 20 * 60_000;
const PROMPTS: readonly [prompt: string, size: string][] = [
  ["a tomato on a yellow background", "256x256"],
  ["a lock on a blue background", "256x256"],
  ["a penguin on a pink background", "512x512"],
];

/** Asks for a picture and waits until `until` is on the page. */
async function draw(page: Page, [prompt, size]: readonly [string, string], until: string): Promise<void> {
  await page.fill("#prompt", prompt);
  await page.selectOption("#size", size);
  await page.fill("#seed", "1");
  await page.click("#generate");
  await page.waitForSelector(until, { timeout: DRAWING_MS, state: "attached" });
}

const dist = await Deno.makeTempDir();
await build(dist);
const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, await staticFiles(dist));
const browser = await chromium.launch({
  executablePath: Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium",
  args: ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--no-sandbox"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  await page.goto(`http://127.0.0.1:${server.addr.port}/`);
  await page.waitForSelector("#generate:enabled");
  await Deno.mkdir(IMAGES, { recursive: true });
  const shoot = (name: string) => page.screenshot({ path: join(IMAGES, `web-${name}.png`), fullPage: true });
  const done = "html[data-running=false]";
  const [last, ...first] = PROMPTS.toReversed();
  for (const one of first.toReversed()) await draw(page, one, done);
  // In the last stage, with its preview as large as the whole.
  await draw(page, last, "#phases li:nth-last-child(2)[data-state=active]");
  await page.waitForTimeout(1000);
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot("dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForSelector(done, { timeout: DRAWING_MS, state: "attached" });
  await page.mouse.move(5, 5);
  await shoot("desktop");
  await page.setViewportSize({ width: 360, height: 740 });
  await shoot("phone");
} finally {
  await browser.close();
  await server.shutdown();
  await Deno.remove(dist, { recursive: true });
}
