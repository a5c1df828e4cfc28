/**
 * The browser that `deno task test:web` looks into: Debian's Chromium with its software adapter. `CHROMIUM=/path/to/it`
 * names one that is elsewhere.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import type { Browser } from "../tools/playwright.ts";

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Chromium as Debian and others install it. */
function findChromium(): string {
  const named = Deno.env.get("CHROMIUM");
  const known = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
  const found = [...named ? [named] : [], ...known.map((name) => `/usr/bin/${name}`)].find(isFile);
  if (!found) throw new Error("No Chromium: apt-get install chromium, or CHROMIUM=/path/to/it");
  return found;
}

/** Where Chromium is. */
export const CHROMIUM: string = findChromium();

/** Chromium's own Vulkan driver for processors, as Vulkan loaders know drivers; undefined where it brings none. */
export function swiftShader(): string | undefined {
  return [dirname(Deno.realPathSync(CHROMIUM)), "/usr/lib/chromium"]
    .map((folder) => join(folder, "vk_swiftshader_icd.json")).find(isFile);
}

/** SwiftShader wherever this runs: it has no f16, so pages draw in f32. */
const WITH_GPU = ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader"];

/** Starts it. */
export async function openBrowser(args: readonly string[] = WITH_GPU): Promise<Browser> {
  const { chromium } = await import("../tools/playwright.ts");
  return await chromium.launch({ executablePath: CHROMIUM, args: [...args, "--no-sandbox"] });
}

/** Peak signal-to-noise ratio of two pictures in dB. */
export function psnr(a: Uint8Array, b: Uint8Array): number {
  assertEquals(a.length, b.length);
  const mean = a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length;
  return mean === 0 ? Infinity : 10 * Math.log10(255 ** 2 / mean);
}
