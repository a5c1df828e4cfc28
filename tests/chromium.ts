/**
 * The browser that `deno task test:web` looks into: Debian's Chromium with its software adapter. `CHROMIUM=/path/to/it`
 * names one that is elsewhere.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import type { Browser, Page } from "../tools/playwright.ts";

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

/** The page as it was built, served, and a browser for it; all of it is gone with the scope. */
export class BuiltPage implements AsyncDisposable {
  private constructor(
    /** A folder for files of the test. */
    readonly folder: string,
    /** Where the page was built. */
    readonly dist: string,
    private readonly server: Deno.HttpServer<Deno.NetAddr>,
    /** Playwright's. */
    readonly browser: Browser,
  ) {}

  /**
   * Builds, serves and starts.
   *
   * @param change Changes what was built before it is served.
   */
  static async open(change?: (dist: string) => Promise<void>): Promise<BuiltPage> {
    // Benches come here for Chromium alone.
    const { build, staticFiles } = await import("../tools/web.ts");
    const folder = await Deno.makeTempDir();
    const dist = join(folder, "dist");
    await build(dist);
    await change?.(dist);
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, await staticFiles(dist));
    return new BuiltPage(folder, dist, server, await openBrowser());
  }

  /** Where the page is. */
  get address(): string {
    return `http://127.0.0.1:${this.server.addr.port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    await this.server.shutdown();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Waits until an element has the words in its text, and gives that. */
export async function textWith(page: Page, selector: string, words: string, waitMs: number): Promise<string> {
  let text = "";
  for (const end = Date.now() + waitMs; Date.now() < end;) {
    text = await page.textContent(selector) ?? "";
    if (text.includes(words)) return text;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${selector} says "${text}", expected "${words}"`);
}

/** Peak signal-to-noise ratio of two pictures in dB. */
export function psnr(a: Uint8Array, b: Uint8Array): number {
  assertEquals(a.length, b.length);
  const mean = a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length;
  return mean === 0 ? Infinity : 10 * Math.log10(255 ** 2 / mean);
}
