/**
 * Pictures of the page for docs/images, taken in Chromium: `deno run -A tools/web_shots.ts [--compare]`. With
 * `--compare` they show direct beside LSSGen, with a verdict on their times, which other work on the machine
 * turns either way: only where nothing else runs.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { chromium } from "playwright-core";
import { build, staticFiles } from "./web.ts";

const IMAGES = fromFileUrl(new URL("../docs/images/", import.meta.url));
const DRAWING_MS = 20 * 60_000;

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
  const compare = Deno.args.includes("--compare");
  await page.selectOption("#size", compare ? "256x256" : "128x128");
  await page.click(compare ? "#compare" : "#generate");
  await page.waitForSelector("html[data-running=false]", { timeout: DRAWING_MS, state: "attached" });
  await Deno.mkdir(IMAGES, { recursive: true });
  const shoot = (name: string) => page.screenshot({ path: join(IMAGES, `web-${name}.png`), fullPage: true });
  await page.mouse.move(5, 5);
  await shoot("desktop");
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot("dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 360, height: 740 });
  await shoot("phone");
} finally {
  await browser.close();
  await server.shutdown();
  await Deno.remove(dist, { recursive: true });
}
