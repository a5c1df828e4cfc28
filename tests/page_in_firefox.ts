/**
 * The page in Firefox, for everything that needs no GPU: it draws with the server's model. Debian's `firefox-esr`, or
 * `FIREFOX=/path/to/it`; axe-core in each state. `deno task test:firefox` runs it.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { pageFiles } from "../lib/cli/page_files.ts";
import { encodePng } from "../lib/image/png.ts";
import { pictureFile } from "../lib/parameters/picture.ts";
import { ImageServer } from "../lib/server/server.ts";
import { AXE_SOURCE } from "../tools/axe.ts";
import { launch, type Page } from "../tools/puppeteer.ts";
import { build } from "../tools/web.ts";
import { PatchEngine, PATCHES } from "./patch_engine.ts";
import { until as untilWithin } from "./waiting.ts";

const FIREFOX = Deno.env.get("FIREFOX") ?? "/usr/bin/firefox-esr";
const WAIT_MS = 20_000;

const until: typeof untilWithin = (what, ask) => untilWithin(what, ask, WAIT_MS);

const text = async (page: Page, id: string): Promise<string> =>
  await page.evaluate(`document.querySelector(${JSON.stringify(id)})?.textContent ?? ""`) as string;
const count = async (page: Page): Promise<number> =>
  await page.evaluate(`document.querySelectorAll("#history li").length`) as number;

async function accessible(page: Page, state: string): Promise<void> {
  const found = await page.evaluate(`(async () => {
    if (!globalThis.axe) { ${AXE_SOURCE} }
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.target.join(" ")));
  })()`);
  assertEquals(found, [], state);
}

/** Puts a value into a field as typing it would. */
async function fill(page: Page, id: string, value: string): Promise<void> {
  await page.evaluate(`{
    const field = document.querySelector(${JSON.stringify(id)});
    field.value = "";
    field.focus();
  }`);
  await page.keyboard.type(value);
}

Deno.test({
  name: "the page in front of a server, in Firefox",
  sanitizeResources: false,
  sanitizeOps: false,
}, async (t) => {
  await build(fromFileUrl(new URL("../web/dist", import.meta.url)));
  const folder = await Deno.makeTempDir();
  const engine = new PatchEngine(PATCHES);
  const api = new ImageServer(engine, {
    pictureFile: (image) => pictureFile(image, {}),
    page: await pageFiles(),
    loras: () => Promise.resolve(["ink", "fur"]),
  });
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request) => api.handle(request),
  );
  const address = `http://127.0.0.1:${server.addr.port}/`;
  const browser = await launch({ browser: "firefox", executablePath: FIREFOX, headless: true });
  try {
    const page = await browser.newPage();
    await page.setViewport({ width: 1280, height: 900 });
    await page.goto(address);
    const ready = (): Promise<unknown> =>
      until("the model", () => page.evaluate(`!document.getElementById("generate").disabled`));
    await ready();
    const generate = async (): Promise<void> => {
      const before = await count(page);
      await page.evaluate(`document.getElementById("generate").click()`);
      await until("a picture", async () => await count(page) > before);
      await until("its end", () => page.evaluate(`document.documentElement.dataset.running === "false"`));
    };
    const asked = () => engine.asked[engine.asked.length - 1];

    await t.step("it draws with the server's model, by keyboard", async () => {
      assertStringIncludes(await text(page, "#served"), "Drawn by the server");
      await fill(page, "#prompt", "a red fox");
      await page.keyboard.down("Control");
      await page.keyboard.press("Enter");
      await page.keyboard.up("Control");
      await until("a picture", async () => await count(page) === 1);
      assertEquals(asked().prompt, "a red fox");
      await accessible(page, "a picture");
    });

    await t.step("Advanced, LoRAs and a size of one's own", async () => {
      await page.evaluate(`document.getElementById("advanced").open = true`);
      await fill(page, "#negative", "blurry");
      await fill(page, "#guidance", "3.5");
      await page.select("#sampler", "dpm++2m");
      await page.click("#lora-add");
      await page.select("#size", "free");
      await fill(page, "#width", "192");
      await fill(page, "#height", "96");
      await accessible(page, "Advanced");
      await generate();
      const { negativePrompt, guidance, scheduler, width, height, prompt } = asked();
      assertEquals([negativePrompt, guidance, scheduler, width, height], ["blurry", 3.5, "dpm++2m", 192, 96]);
      assertStringIncludes(prompt, "<lora:");
    });

    await t.step("a mask by pointer, feathered, on a chosen picture", async () => {
      const data = new Uint8Array(96 * 64 * 3).fill(90);
      const path = join(folder, "photo.png");
      await Deno.writeFile(path, await encodePng({ width: 96, height: 64, channels: 3, data }));
      const input = await page.$("#init");
      await (input as unknown as { uploadFile(path: string): Promise<void> }).uploadFile(path);
      await until("the picture", async () => (await text(page, "#init-hint")).includes("photo.png"));
      const box = await page.evaluate(`(() => {
        const canvas = document.getElementById("mask-canvas");
        canvas.scrollIntoView({ block: "center" });
        const { x, y, width, height } = canvas.getBoundingClientRect();
        return [x + width / 2, y + height / 2];
      })()`) as [number, number];
      await page.mouse.move(...box);
      await page.mouse.down();
      await page.mouse.move(box[0] + 8, box[1]);
      await page.mouse.up();
      await until("a stroke", () => page.evaluate(`!document.getElementById("undo").disabled`));
      await accessible(page, "a mask");
      await generate();
      assert(asked().mask && asked().image, "picture and mask are sent");
      await page.evaluate(`document.getElementById("no-init").click()`);
    });

    await t.step("the gallery outlives a reload, the language is kept", async () => {
      const before = await count(page);
      await page.select("#language", "de");
      await page.reload();
      await ready();
      await until("the gallery", async () => await count(page) === before);
      assertEquals(await text(page, "#generate"), "Zeichnen");
      await accessible(page, "German");
      await page.evaluate(`document.querySelector("#history li button").click()`);
      await accessible(page, "the gallery");
    });

    await t.step("offline it opens from its service worker", async () => {
      await until(
        "the service worker",
        () => page.evaluate(`navigator.serviceWorker.ready.then((r) => r.active?.state === "activated")`),
      );
      await server.shutdown();
      const other = await browser.newPage();
      await other.goto(address);
      await until("the page", async () => (await text(other, "#trouble")) !== "");
      assertEquals(await text(other, "h1"), "LSSGen");
    });
  } finally {
    await browser.close();
    await api.close();
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});
