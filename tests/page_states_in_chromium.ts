/**
 * Every state of the page that needs no drawing, in a real browser: the page as `cli.ts serve` sends it, in front of an engine that
 * draws patches of one colour. Real keyboard, pointer and file drops; axe-core in each state. `deno task test:web` runs it.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { encodePng, readPngText } from "../lib/image/png.ts";
import { pageFiles } from "../lib/cli/page_files.ts";
import { pictureFile } from "../lib/parameters/picture.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import { ImageServer } from "../lib/server/server.ts";
import { AXE_SOURCE } from "../tools/axe.ts";
import type { Browser, Page } from "../tools/playwright.ts";
import { build } from "../tools/web.ts";
import { openBrowser } from "./chromium.ts";
import { PatchEngine, PATCHES } from "./patch_engine.ts";
import { until as untilWithin } from "./waiting.ts";

const DIST = fromFileUrl(new URL("../web/dist/", import.meta.url));
const WAIT_MS = 20_000;
/** Fails with what axe-core finds in the page as it is. */
async function accessible(page: Page, state: string): Promise<void> {
  const found = await page.evaluate(`(async () => {
    if (!globalThis.axe) { ${AXE_SOURCE} }
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.target.join(" ") + " " + (n.any[0]?.message ?? "")));
  })()`) as string[];
  assertEquals(found, [], state);
}

const until: typeof untilWithin = (what, ask) => untilWithin(what, ask, WAIT_MS);

async function says(page: Page, selector: string, words: string): Promise<string> {
  let text = "";
  try {
    return await until(words, async () => {
      text = await page.textContent(selector) ?? "";
      return text.includes(words) && text;
    });
  } catch {
    throw new Error(
      `${selector} says "${text}", expected "${words}"; trouble: ${await page.textContent("#trouble")}`,
    );
  }
}

async function idle(page: Page): Promise<void> {
  await page.waitForSelector("html[data-running=false]", { timeout: WAIT_MS, state: "attached" });
}

/** Drops files of this disk onto the page, as a hand would. */
async function drop(page: Page, ...files: string[]): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await session.send("Input.dispatchDragEvent", { type, x: 200, y: 200, data });
  }
  await session.detach();
}

async function generate(page: Page): Promise<void> {
  const before = await page.locator("#history li").count();
  await page.click("#generate");
  await until("a picture", async () => await page.locator("#history li").count() > before);
  await idle(page);
}

Deno.test({
  name: "the page in front of a server, in Chromium",
  sanitizeResources: false,
  sanitizeOps: false,
}, async (t) => {
  await build();
  const folder = await Deno.makeTempDir();
  const engine = new PatchEngine(PATCHES);
  const files = await pageFiles();
  const requested: string[] = [];
  let down = false;
  const api = new ImageServer(engine, {
    pictureFile: (image) => pictureFile(image, {}),
    page: files,
    loras: () => Promise.resolve(["ink", "fur"]),
  });
  const handler = async (request: Request): Promise<Response> => {
    requested.push(new URL(request.url).pathname);
    if (down) return new Response("down", { status: 500 });
    return await api.handle(request);
  };
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handler);
  const { port } = server.addr;
  const address = `http://127.0.0.1:${port}/`;
  const browser: Browser = await openBrowser(["--host-resolver-rules=MAP plain.example 127.0.0.1"]);
  const complaints: string[] = [];
  const watch = (page: Page): Page => {
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (
        message.type() === "error" && !down &&
        !/status of (4|5)\d\d|Opener-Policy header/.test(message.text())
      ) {
        complaints.push(message.text());
      }
    });
    return page;
  };
  const asked = (): GenerateRequest => engine.asked[engine.asked.length - 1];
  /** Writes a picture to the disk. */
  const onDisk = async (
    name: string,
    width: number,
    height: number,
    texts: Record<string, string> = {},
  ): Promise<string> => {
    const data = new Uint8Array(width * height * 3).fill(90);
    await Deno.writeFile(join(folder, name), await encodePng({ width, height, channels: 3, data }, texts));
    return join(folder, name);
  };
  try {
    const context = await browser.newContext({ locale: "en-US", acceptDownloads: true });
    let page = watch(await context.newPage());
    await page.goto(address);
    await page.waitForSelector("#generate:enabled", { timeout: WAIT_MS });

    await t.step("it draws with the server's model, and says so", async () => {
      assertMatch(await says(page, "#served", "fake"), /Drawn by the server at 127\.0\.0\.1:\d+ with fake/);
      assertStringIncludes(await page.textContent("#adapter") ?? "", "Server 127.0.0.1");
      assertMatch(await says(page, "#plan", "steps"), /64² → 128² · 8 steps · 1\.50× less/);
      await generate(page);
      assertEquals([asked().prompt, asked().steps, asked().method], ["a red apple", 4, "lssgen"]);
      assertEquals(await page.locator("#pictures img").count(), 1);
      await accessible(page, "a picture");
    });

    await t.step("each picture has a new seed until it is kept, by lock or by typing", async () => {
      const first = asked().seed;
      await generate(page);
      assert(asked().seed !== first, "a new seed");
      const kept = asked().seed;
      await page.click("#lock");
      assertEquals(await page.getAttribute("#lock", "aria-pressed"), "true");
      await generate(page);
      assertEquals(asked().seed, kept);
      await page.click("#lock");
      await page.fill("#seed", "7");
      assertEquals(await page.getAttribute("#lock", "aria-pressed"), "true");
    });

    await t.step(
      "Advanced: every setting of the model is drawn with, by keyboard; what it has not is absent",
      async () => {
        await page.focus("#advanced > summary");
        await page.keyboard.press("Enter");
        await page.fill("#negative", "blurry");
        await page.fill("#guidance", "6.5");
        assertEquals(await page.isVisible("#true-cfg"), false, "true CFG is FLUX's");
        await page.selectOption("#sampler", "dpm++2m");
        await page.selectOption("#schedule", "karras");
        await page.selectOption("#upsampler", "nearest");
        assertEquals(
          await page.locator("#upsampler option[value=learned]").count(),
          0,
          "no learned upsampler",
        );
        await page.fill("#min-resolution", "96");
        await page.fill("#count", "2");
        const before = engine.asked.length;
        await accessible(page, "Advanced");
        await page.click("#generate");
        await says(page, "#live", "2 pictures are ready");
        await idle(page);
        assertEquals(engine.asked.length, before + 2);
        const { negativePrompt, guidance, scheduler, schedule, upsampler, minResolution, seed } = asked();
        assertEquals(
          { negativePrompt, guidance, scheduler, schedule, upsampler, minResolution, seed },
          {
            negativePrompt: "blurry",
            guidance: 6.5,
            scheduler: "dpm++2m",
            schedule: "karras",
            upsampler: "nearest",
            minResolution: 96,
            seed: 8,
          } as never,
        );
        assertEquals(await page.locator("#pictures figure").count(), 2);
        await accessible(page, "two pictures");
        await page.fill("#count", "1");
      },
    );

    await t.step(
      "a preset of the model chooses method, steps and growth; a cache of steps is there where the model has one",
      async () => {
        assertEquals(await page.isVisible("#cache"), false, "a UNet's blocks are not skipped");
        const names = await page.locator("#model-preset option").allTextContents();
        assertEquals(names, ["As set here", "Quality", "Balanced", "Fast"]);
        await page.selectOption("#model-preset", "fast");
        for (const id of ["method", "steps", "noise", "min-resolution", "upsampler"]) {
          assert(await page.isDisabled(`#${id}`), id);
        }
        await accessible(page, "a preset of the model");
        await generate(page);
        const { preset, method, steps, upsampler, initNoise } = asked();
        assertEquals([preset, method, steps, upsampler, initNoise], ["fast", ...Array(4).fill(undefined)]);
        // The address is written a moment after the last change.
        await page.waitForURL(/preset=fast/, { timeout: WAIT_MS });
        await page.selectOption("#model-preset", "");
        assertEquals(await page.isDisabled("#steps"), false);
        Object.assign(engine.info, { cachesBlocks: true });
        try {
          const other = watch(await context.newPage());
          await other.goto(address);
          await other.waitForSelector("#generate:enabled", { timeout: WAIT_MS });
          await other.click("#advanced > summary");
          await other.fill("#cache", "0.08");
          await accessible(other, "a cache of steps");
          await generate(other);
          assertEquals([asked().cacheThreshold, asked().preset], [0.08, undefined]);
          // The gallery of the first page does not know it.
          await other.click("#pictures button:has-text('Delete')");
          await says(other, "#live", "The picture is deleted");
          await other.fill("#cache", "2");
          await other.click("#generate");
          assertStringIncludes(await says(other, "#complaint", "0"), "Blocks skipped below a change of");
          await other.close();
        } finally {
          Object.assign(engine.info, { cachesBlocks: false });
        }
      },
    );

    await t.step("several LoRAs with strengths are named in the prompt", async () => {
      await page.selectOption("#lora-name", "ink");
      await page.click("#lora-add");
      await page.fill("#lora-list li:nth-child(1) input", "0.6");
      await page.click("#lora-add");
      await generate(page);
      assertEquals(asked().prompt, "a red apple <lora:ink:0.6> <lora:fur:1>");
      await accessible(page, "LoRAs");
      await page.click("#lora-list li:nth-child(2) button");
      assertEquals(await page.locator("#lora-list li").count(), 1);
      await page.click("#lora-list button");
    });

    await t.step("any size, held to an aspect", async () => {
      await page.selectOption("#size", "free");
      await page.fill("#width", "320");
      await page.fill("#height", "320");
      await page.selectOption("#aspect", "16:9");
      assertEquals([await page.inputValue("#width"), await page.inputValue("#height")], ["432", "240"]);
      await page.fill("#width", "640");
      assertEquals(await page.inputValue("#height"), "368");
      await page.click("#swap");
      await generate(page);
      assertEquals([asked().width, asked().height], [368, 640]);
      await accessible(page, "a free size");
      await page.fill("#width", "4");
      await page.click("#generate");
      assertStringIncludes(await page.textContent("#complaint") ?? "", "Width: a whole number from 16");
      await accessible(page, "a complaint");
      await page.selectOption("#size", "128x128");
    });

    await t.step("settings are kept under a name and come back", async () => {
      await page.fill("#preset-name", "mine");
      await page.click("#preset-save");
      await page.fill("#negative", "");
      await page.fill("#guidance", "2");
      await page.selectOption("#preset", "");
      await page.selectOption("#preset", "mine");
      await until("the settings", async () => await page.inputValue("#negative") === "blurry");
      assertEquals(await page.inputValue("#guidance"), "6.5");
      await page.click("#preset-delete");
      assertEquals(await page.locator("#preset option").count(), 1);
    });

    await t.step("the address holds the settings, and a link brings them back", async () => {
      await page.fill("#prompt", "a blue lock & key");
      const link = await until("the address", () => {
        const url = page.url();
        return url.includes("blue") && url.includes("seed=") && url;
      });
      const other = watch(await context.newPage());
      await other.goto(link);
      await other.waitForSelector("#generate:enabled");
      assertEquals(
        await Promise.all(
          ["#prompt", "#negative", "#guidance", "#sampler", "#seed"].map((id) => other.inputValue(id)),
        ),
        ["a blue lock & key", "blurry", "6.5", "dpm++2m", await page.inputValue("#seed")],
      );
      assertEquals(await other.getAttribute("#lock", "aria-pressed"), "true");
      await other.goto(`${address}#steps=abc&width=-3&prompt=%3Cimg%20src=x%3E`);
      await says(other, "#plan", "steps");
      assertEquals(await other.inputValue("#prompt"), "<img src=x>");
      await other.close();
    });

    await t.step(
      "while a picture is drawn others queue up, several prompts at once, and can be taken out",
      async () => {
        const gate = engine.hold();
        const before = engine.asked.length;
        await page.fill("#prompt", "one");
        await page.focus("#prompt");
        await page.keyboard.press("Control+Enter");
        await until("the server draws", () => engine.asked.length > before);
        assertEquals(await page.textContent("#generate"), "Add to the queue");
        await says(page, "#progress-line", "step");
        await page.waitForSelector("#pictures canvas");
        await page.fill("#prompt", "two\n\nthree");
        await page.check("#every-line");
        await page.click("#generate");
        await page.fill("#prompt", "four");
        await page.click("#generate");
        assertEquals(await page.locator("#queue li").count(), 2);
        await accessible(page, "a queue");
        await page.click("#queue li:last-child button");
        assertEquals(await page.locator("#queue li").count(), 1);
        engine.gate = undefined;
        gate.resolve();
        await until("three pictures", () => engine.asked.length === before + 3);
        await idle(page);
        assertEquals(engine.asked.slice(before).map(({ prompt }) => prompt), ["one", "two", "three"]);
        await page.uncheck("#every-line");
      },
    );

    await t.step("Stop ends the picture on the server, and what waits", async () => {
      engine.hold();
      const before = engine.asked.length;
      await page.fill("#prompt", "stopped");
      await page.click("#generate");
      await until("the server draws", () => engine.asked.length > before);
      await page.click("#stop");
      await idle(page);
      assertEquals(await page.textContent("#live"), "Stopped");
      engine.gate = undefined;
      await until("the server is free", () => api.pending === 0);
    });

    await t.step("a grid of two settings", async () => {
      await page.fill("#prompt", "a fox");
      await page.click("#grid > summary");
      await page.selectOption("#grid-x", "steps");
      await page.fill("#grid-x-values", "2, x");
      await page.click("#grid-draw");
      assertStringIncludes(await page.textContent("#complaint") ?? "", "x is no value of Steps");
      await page.fill("#grid-x-values", "2, 3");
      await page.selectOption("#grid-y", "method");
      await page.fill("#grid-y-values", "lssgen, direct");
      const before = engine.asked.length;
      await page.click("#grid-draw");
      await says(page, "#live", "The grid is ready");
      assertEquals(engine.asked.slice(before).map(({ steps, method }) => `${steps} ${method}`), [
        "2 lssgen",
        "3 lssgen",
        "2 direct",
        "3 direct",
      ]);
      assertEquals(new Set(engine.asked.slice(before).map(({ seed }) => seed)).size, 1);
      assertEquals(await page.locator("#pictures td img").count(), 4);
      await accessible(page, "a grid");
      await page.click("#grid > summary");
    });

    await t.step(
      "image-to-image with a mask drawn by pointer, undone, feathered; transparent is the rest",
      async () => {
        await drop(page, await onDisk("photo.png", 200, 120));
        await says(page, "#init-hint", "Begins with photo.png");
        await page.locator("#mask-canvas").scrollIntoViewIfNeeded();
        const box = (await page.locator("#mask-canvas").boundingBox())!;
        const stroke = async (from: number, to: number): Promise<void> => {
          await page.mouse.move(box.x + from * box.width, box.y + box.height / 2);
          await page.mouse.down();
          await page.mouse.move(box.x + to * box.width, box.y + box.height / 2, { steps: 4 });
          await page.mouse.up();
        };
        await stroke(0.1, 0.2);
        await stroke(0.8, 0.9);
        await page.click("#undo");
        await page.fill("#feather", "0");
        await accessible(page, "a mask");
        await generate(page);
        const { image, mask, strength, width, height } = asked();
        assertEquals([width, height, strength], [200, 120, 0.75]);
        assertEquals([image!.width, image!.height], [200, 120]);
        const drawn =
          await (mask as { decode(): Promise<{ width: number; channels: number; data: Uint8Array }> })
            .decode();
        const at = (x: number): number => drawn.data[(60 * drawn.width + x) * drawn.channels];
        assertEquals([at(30), at(100), at(170)], [255, 0, 0], "the second stroke was undone");
      },
    );

    await t.step("the same by finger, and outpainting by padding", async () => {
      await page.click("#clear-mask");
      const box = (await page.locator("#mask-canvas").boundingBox())!;
      const session = await context.newCDPSession(page);
      const point = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
      await session.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [point] });
      await session.send("Input.dispatchTouchEvent", {
        type: "touchMove",
        touchPoints: [{ ...point, x: point.x + 4 }],
      });
      await session.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
      await page.waitForSelector("#undo:enabled");
      await page.click("#undo");
      await page.fill("#pad-right", "56");
      assertStringIncludes(await page.textContent("#extended") ?? "", "256 × 120");
      await generate(page);
      const { image, mask } = asked();
      assertEquals([image!.width, image!.height, mask!.width], [256, 120, 256]);
      const drawn =
        await (mask as { decode(): Promise<{ width: number; channels: number; data: Uint8Array }> }).decode();
      const at = (x: number): number => drawn.data[(60 * drawn.width + x) * drawn.channels];
      assertEquals([at(20), at(250)], [0, 255]);
      await page.click("#no-init");
      await generate(page);
      assertEquals(asked().image, undefined);
    });

    await t.step(
      "pictures of any format the browser decodes, dropped or pasted; others are refused by name",
      async () => {
        await Deno.writeTextFile(
          join(folder, "sketch.svg"),
          '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"><rect width="64" height="48" fill="red"/></svg>',
        );
        await page.setInputFiles("#init", join(folder, "sketch.svg"));
        await says(page, "#init-hint", "Begins with sketch.png");
        await generate(page);
        assertEquals([asked().image!.width, asked().image!.height], [64, 48]);
        await Deno.writeTextFile(join(folder, "broken.png"), "no picture");
        await page.setInputFiles("#init", join(folder, "broken.png"));
        assertStringIncludes(await says(page, "#trouble", "broken.png"), "This picture cannot be used");
        const seen = await page.evaluate(`(() => {
        const { top, bottom } = document.getElementById("trouble").getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight;
      })()`);
        assert(seen, "the error is in view");
        await accessible(page, "a refused picture");
        await page.click("#trouble button:has-text('Dismiss')");
        await page.click("#no-init");
        // As the clipboard hands it over.
        await page.evaluate(`(async () => {
        const canvas = new OffscreenCanvas(32, 16);
        canvas.getContext("2d").fillRect(0, 0, 32, 16);
        const data = new DataTransfer();
        data.items.add(new File([await canvas.convertToBlob({ type: "image/webp" })], "pasted.webp", { type: "image/webp" }));
        document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
      })()`);
        await says(page, "#init-hint", "Begins with pasted.png");
        await page.click("#no-init");
      },
    );

    await t.step("a dropped picture of A1111's or ours gives its settings back", async () => {
      const text =
        "a castle <lora:ink:0.5>\nNegative prompt: fog\nSteps: 12, Sampler: Euler a, Schedule type: Karras, CFG scale: 4, Seed: 99, Size: 192x128, Model: other, ENSD: 1";
      await drop(page, await onDisk("a1111.png", 8, 8, { parameters: text }));
      await says(page, "#found", "a1111.png holds the settings it was drawn with (A1111).");
      await accessible(page, "a question");
      assertEquals(await page.evaluate("document.activeElement.textContent"), "Use these settings");
      await page.keyboard.press("Enter");
      const note = await says(page, "#found", "Without an equal here: ENSD");
      assertStringIncludes(note, "drawn with the model other");
      await page.click("#found button");
      await generate(page);
      const { prompt, negativePrompt, steps, guidance, seed, width, height, schedule } = asked();
      assertEquals({ prompt, negativePrompt, steps, guidance, seed, width, height, schedule }, {
        prompt: "a castle <lora:ink:0.5>",
        negativePrompt: "fog",
        ...{ steps: 12, guidance: 4, seed: 99, width: 192, height: 128, schedule: "karras" },
      } as never);
      const waiting = page.waitForEvent("download");
      await page.click("#pictures a[download]");
      const own = join(folder, "own.png");
      await (await waiting).saveAs(own);
      assertStringIncludes((await readPngText(await Deno.readFile(own))).get("lssgen") ?? "", '"seed":99');
      await page.fill("#prompt", "other");
      await page.fill("#steps", "5");
      await drop(page, own);
      await says(page, "#found", "(LSSGen)");
      await page.click("#found button:has-text('Use')");
      assertEquals([await page.inputValue("#prompt"), await page.inputValue("#steps")], ["a castle", "12"]);

      // What the form has no place for is named.
      const lssgen = JSON.stringify({
        ...{
          prompt: "a castle",
          steps: 12,
          rng: "torch-cpu",
          clipSkip: 2,
          emphasis: true,
          scheduler: "none",
        },
        vae: "other.safetensors",
      });
      await drop(page, await onDisk("more.png", 8, 8, { lssgen }));
      await says(page, "#found", "more.png holds");
      await page.click("#found button:has-text('Use')");
      await says(page, "#found", "Without an equal here: vae, scheduler, clipSkip, rng.");
      await page.click("#found button");
      await drop(page, own);
      await page.click("#found button:has-text('Use')");
      assert(!(await says(page, "#found", "in the form")).includes("Without an equal"));
      await page.click("#found button");
    });

    await t.step(
      "the gallery outlives the tab; its pictures give settings, are saved as a zip and deleted",
      async () => {
        const count = await page.locator("#history li").count();
        await page.close();
        page = watch(await context.newPage());
        await page.goto(address);
        await page.waitForSelector("#generate:enabled");
        await until("the pictures are back", async () => await page.locator("#history li").count() === count);
        await page.click("#history li:first-child button");
        assertEquals(await page.locator("#pictures figure").count(), 1);
        await page.click("#pictures button:has-text('Use these settings')");
        await until("its settings", async () => await page.inputValue("#prompt") === "a castle");
        assertEquals(await page.inputValue("#seed"), "99");
        await accessible(page, "the gallery");
        const waiting = page.waitForEvent("download");
        await page.click("#export");
        const path = join(folder, "all.zip");
        await (await waiting).saveAs(path);
        const archive = await Deno.readFile(path);
        const all = new DataView(archive.buffer).getUint16(archive.length - 12, true);
        assert(all >= count, `${all} files in the zip, ${count} in view`);
        await page.click("#pictures button:has-text('Delete')");
        await says(page, "#live", "The picture is deleted");
        await page.reload();
        await page.waitForSelector("#generate:enabled");
        await page.click("#delete-all");
        assertStringIncludes(
          await page.textContent("#delete-all") ?? "",
          `Really delete ${all - 1} pictures`,
        );
        await page.click("#delete-all");
        await until("the list is empty", async () => await page.locator("#history li").count() === 0);
        await page.reload();
        await page.waitForSelector("#generate:enabled");
        assertEquals(await page.locator("#history li").count(), 0);
      },
    );

    await t.step("in German everything is German, and stays so", async () => {
      await page.selectOption("#language", "de");
      // Its texts are a script of their own.
      await says(page, "#generate", "Zeichnen");
      assertEquals(await page.getAttribute("html", "lang"), "de");
      await says(page, "#plan", "Schritte");
      await page.click("#advanced > summary");
      await accessible(page, "German");
      await page.setViewportSize({ width: 360, height: 740 });
      for (const fold of ["start", "grid"]) await page.click(`#${fold} > summary`);
      const wide = await page.evaluate(`[...document.querySelectorAll("body *")]
        .filter((e) => e.checkVisibility() && !e.matches(".quiet, .unseen, .skip, option") && e.getBoundingClientRect().right > 360)
        .map((e) => e.id || e.className || e.tagName)`);
      assertEquals(wide, [], "nothing is cut off on a phone");
      await page.reload();
      await page.waitForSelector("#generate:enabled");
      assertEquals(await page.textContent("#generate"), "Zeichnen");
      await page.selectOption("#language", "en");
      await says(page, "#generate", "Generate");
      await page.setViewportSize({ width: 1280, height: 900 });
    });

    await t.step(
      "a server that refuses is explained with the way out, and the page stays whole",
      async () => {
        await page.selectOption("#size", "free");
        await page.fill("#width", "8192");
        await page.fill("#height", "8192");
        await page.click("#generate");
        assertStringIncludes(await says(page, "#trouble", "pixels"), "These settings do not go together");
        await page.setViewportSize({ width: 360, height: 740 });
        assertEquals(await page.evaluate("document.documentElement.scrollWidth"), 360);
        await accessible(page, "a refusal");
        await page.setViewportSize({ width: 1280, height: 900 });
        await page.click("#trouble button:has-text('Dismiss')");
        await page.selectOption("#size", "128x128");
        down = true;
        await page.click("#generate");
        await page.waitForSelector("#trouble:visible");
        down = false;
        const before = engine.asked.length;
        await page.click("#trouble button:has-text('Try again')");
        await until("the picture after all", () => engine.asked.length > before);
        await idle(page);
      },
    );

    await t.step("in a secure context it is installable and opens without network", async () => {
      await until(
        "the service worker",
        () => page.evaluate("navigator.serviceWorker.ready.then((r) => r.active?.state === 'activated')"),
      );
      const session = await context.newCDPSession(page);
      const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
      assertEquals(installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito"), []);
      await context.setOffline(true);
      const offline = await context.newPage();
      await offline.goto(address);
      await offline.waitForSelector("#trouble:visible", { timeout: WAIT_MS });
      assertEquals(await offline.textContent("h1"), "LSSGen");
      // What a checkpoint that brings no tokenizer reads its prompts by.
      assertEquals(
        await offline.evaluate('fetch("weights/tokenizers/clip.bin").then(({ status }) => status)'),
        200,
      );
      await offline.close();
      await context.setOffline(false);
    });

    await t.step(
      "files are asked for by their content's name: what is known is not sent again, text comes packed",
      async () => {
        const first = await fetch(`${address}main.js`, { headers: { "accept-encoding": "br" } });
        await first.body?.cancel();
        const tag = first.headers.get("etag")!;
        assertMatch(tag, /^"[0-9a-f]{12}-br"$/);
        const again = await fetch(`${address}main.js`, {
          headers: { "accept-encoding": "br", "if-none-match": tag },
        });
        assertEquals([again.status, (await again.bytes()).length], [304, 0]);
        const plain = await fetch(`${address}main.js`, { headers: { "accept-encoding": "identity" } });
        assertEquals((await plain.bytes()).length, (await Deno.stat(join(DIST, "main.js"))).size);
      },
    );

    await t.step(
      "a first visit loads few scripts; hubs, files of one's own and LoRAs come when they are asked for",
      async () => {
        const loaded = async (names: readonly string[]): Promise<number> => {
          const seen = new Set<string>(names);
          let bytes = 0;
          for (const name of seen) {
            const text = await Deno.readTextFile(join(DIST, name));
            bytes += text.length;
            for (const [, part] of text.matchAll(/(?:\bfrom|\bimport) ?"\.\/([^"]+)"/g)) seen.add(part);
          }
          return bytes;
        };
        const [main, both] = [await loaded(["main.js"]), await loaded(["main.js", "worker.js"])];
        console.log(`JavaScript before compression: ${main} bytes for the page, ${both} with the worker`);
        assert(main < 90_000, `${main} bytes for the page alone`);
        assert(
          both < 412_000,
          `${both} bytes with the worker; tests/web_scripts_test.ts says what comes later`,
        );
      },
    );

    await t.step("from another machine, which is no secure context, it draws all the same", async () => {
      const far = watch(await context.newPage());
      await far.goto(`http://plain.example:${port}/`);
      await far.waitForSelector("#generate:enabled", { timeout: WAIT_MS });
      assertEquals(await far.evaluate("isSecureContext"), false);
      assertEquals(await far.isVisible("#model-choices"), false, "models need a GPU here");
      await generate(far);
      await far.reload();
      await until("its gallery", async () => await far.locator("#history li").count() === 1);
      await accessible(far, "from elsewhere");
      await far.close();
    });

    assertEquals(complaints, []);
  } finally {
    await browser.close();
    await api.close();
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "a server with a token asks for it in the page",
  sanitizeResources: false,
  sanitizeOps: false,
}, async () => {
  const engine = new PatchEngine(PATCHES);
  const api = new ImageServer(engine, {
    pictureFile: (image) => pictureFile(image, {}),
    page: await pageFiles(),
    token: "s3cret",
  });
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request) => api.handle(request),
  );
  const browser = await openBrowser();
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.addr.port}/`);
    await page.waitForSelector("#token");
    await accessible(page, "a token is wanted");
    await page.fill("#token", "s3cret");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#generate:enabled");
    await generate(page);
    assertEquals(engine.asked.length, 1);
  } finally {
    await browser.close();
    await api.close();
    await server.shutdown();
  }
});
