/** A hub's models as a page reads them: sizes first, parts in the Cache API, checked as a whole. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { openHubFolder } from "../lib/hub/repository.ts";
import { readModelInfo } from "../lib/pipelines/text_to_image.ts";
import { cachedFolder, hashedFile, PART_BYTES } from "../lib/weights/cache.ts";
import { GOLDEN, walkFiles } from "./hub_files.ts";
import { HubServer, type HubSettings } from "./hub_server.ts";

const REPO = "acme/tiny-sd";
const UNET = "unet/diffusion_pytorch_model.safetensors";
const FILES = await walkFiles(GOLDEN);
const TOTAL = [...FILES.values()].reduce((sum, { length }) => sum + length, 0);

async function withHub(
  settings: HubSettings,
  use: (hub: HubServer, options: { endpoint: string; cacheName: string; pauseMs: number }) => Promise<void>,
): Promise<void> {
  await using hub = new HubServer(settings);
  hub.add(REPO, FILES);
  const cacheName = `test-${crypto.randomUUID()}`;
  try {
    await use(hub, { endpoint: hub.endpoint, cacheName, pauseMs: 1 });
  } finally {
    await caches.delete(cacheName);
  }
}

Deno.test("a page learns a hub model's size before anything large is fetched, then keeps its files", async () => {
  await withHub({}, async (hub, options) => {
    const folder = await openHubFolder(REPO, options);
    assertEquals([folder.bytes, await folder.stored()], [TOTAL, 0]);
    assertEquals(hub.seen.filter(({ host }) => host === "data"), []);
    const steps: number[] = [];
    await folder.download({ onProgress: (done) => void steps.push(done) });
    assertEquals([steps.at(-1), await folder.stored()], [TOTAL, TOTAL]);
    const before = hub.seen.length;
    for (const [path, bytes] of FILES) {
      const file = await folder.open(path);
      assertEquals(await file?.read(0, file.size), bytes, path);
    }
    assertEquals(await folder.open("README.md"), undefined);
    assertEquals(hub.seen.length, before);
    // Another visit finds them.
    assertEquals(await (await openHubFolder(`hf.co/${REPO}`, options)).stored(), TOTAL);
  });
});

Deno.test("a page refuses a hub's file of another content, keeps nothing of it, and gets the right one later", async () => {
  const settings: HubSettings = {};
  await withHub(settings, async (hub, options) => {
    const wrong = FILES.get(UNET)!.map((byte, i) => i === 99 ? byte ^ 1 : byte) as Uint8Array<ArrayBuffer>;
    settings.fault = ({ host, file }, request) =>
      host === "data" && file === UNET ? hub.content(request, { bytes: wrong }) : undefined;
    const folder = await openHubFolder(REPO, options);
    const { message } = await assertRejects(() => folder.download(), LssgenError);
    assertStringIncludes(message, UNET);
    assertStringIncludes(message, "hash");
    settings.fault = ({ host, file }) =>
      host === "data" && file === UNET
        ? new Response("<html>", { headers: { "content-type": "text/html" } })
        : undefined;
    assertStringIncludes((await assertRejects(() => folder.download(), LssgenError)).message, "web page");
    settings.fault = undefined;
    await folder.download();
    const file = await folder.open(UNET);
    assertEquals(await file?.read(0, file.size), FILES.get(UNET));
  });
});

Deno.test("a large hub file goes on after a cut, and its hash is that of stored and new parts together", async () => {
  const large = new Uint8Array(2 * PART_BYTES + 1000).map((_, i) => (i * 31) >> 5);
  await using hub = new HubServer({ direct: true });
  hub.add("a/b", new Map([["x.safetensors", large]]));
  const [{ hex }] = hub.files("a/b");
  const cacheName = `test-${crypto.randomUUID()}`;
  const base = `${hub.endpoint}/a/b/resolve/main`;
  const folder = (digest: string) =>
    cachedFolder(
      base,
      [hashedFile("x.safetensors", large.length, { kind: "sha256", hex: digest })],
      cacheName,
      hub.endpoint,
    );
  try {
    hub.settings.fault = (_, request) =>
      request.headers.has("range") ? undefined : hub.content(
        new Request(request.url, { headers: { range: `bytes=0-${PART_BYTES + 9}` } }),
        { bytes: large },
      );
    await assertRejects(() => folder(hex).download(), LssgenError, "ended after");
    assertEquals(await folder(hex).stored(), PART_BYTES);
    await folder(hex).download();
    assertEquals(hub.seen.at(-1)?.range, `bytes=${PART_BYTES}-`);
    const file = await folder(hex).open("x.safetensors");
    assertEquals(await file?.read(PART_BYTES - 5, 10), large.slice(PART_BYTES - 5, PART_BYTES + 5));
    hub.settings.fault = undefined;
    await assertRejects(() => folder("f".repeat(64)).download(), LssgenError, hex);
    assertEquals(await folder("f".repeat(64)).stored(), 0);
  } finally {
    await caches.delete(cacheName);
  }
});

Deno.test("a text with one slash in its middle is a hub's model, one with a slash at its end a folder beside the page", async () => {
  await using hub = new HubServer();
  hub.add(REPO, FILES);
  const asked: string[] = [];
  const { fetch } = globalThis;
  globalThis.fetch = (input, init) => {
    const url = String(input instanceof Request ? input.url : input);
    asked.push(url);
    return fetch(url.replace("https://huggingface.co", hub.endpoint), init);
  };
  try {
    const info = await readModelInfo(REPO);
    const { name: _, ...here } = await readModelInfo(fileFolder(GOLDEN));
    assertEquals({ ...info, name: undefined, cost: undefined }, {
      ...here,
      name: undefined,
      cost: undefined,
    });
    assert(asked.every((url) => url.startsWith("https://huggingface.co/")));
    for (const address of ["acme/tiny-sd/", "./acme/tiny-sd"]) {
      asked.length = 0;
      await assertRejects(() => readModelInfo(address), LssgenError, address);
      assertEquals(asked, []);
    }
  } finally {
    globalThis.fetch = fetch;
    await caches.delete("lssgen-weights");
  }
});
