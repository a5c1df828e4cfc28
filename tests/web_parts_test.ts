/** Parts of the page that need no browser: cache, server, estimate, explanations. */

import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { fileFolder } from "../lib/cli/files.ts";
import { AbortedError, type ErrorCode, LssgenError } from "../lib/errors.ts";
import { readModelInfo } from "../lib/pipelines/text_to_image.ts";
import { bytesOf } from "../lib/weights/bytes.ts";
import { cachedFolder, type ListedFile, listFile, PART_BYTES } from "../lib/weights/cache.ts";
import type { ComponentFolder } from "../lib/weights/checkpoint.ts";
import { staticFiles } from "../tools/web.ts";
import { duration, Estimate, size } from "../web/estimate.ts";
import { explain } from "../web/explain.ts";
import { chosenModel, modelFolder } from "../web/folders.ts";
import { withFiles } from "../web/own_model.ts";
import { bflFlux, fileOf } from "./foreign_layouts.ts";
import { ldmVae, tensorsOf } from "./foreign_names.ts";

/** A file of two parts and a bit, and one of a few bytes. */
const LARGE = new Uint8Array(2 * PART_BYTES + 1000).map((_, i) => (i * 31) >> 5);
const SMALL = new TextEncoder().encode("{}");

interface Host {
  readonly files: ListedFile[];
  readonly requests: string[];
  /** Changes what the host answers. */
  answer: (request: Request) => Response | undefined;
}

/** Runs `test` against a host of its own and a cache of its own. */
async function withHost(test: (base: string, host: Host, cache: string) => Promise<void>): Promise<void> {
  const host: Host = {
    files: [await listFile("a b.bin", bytesOf("a", LARGE)), await listFile("c.json", bytesOf("c", SMALL))],
    requests: [],
    answer: () => undefined,
  };
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    const range = request.headers.get("range");
    host.requests.push(`${pathname}${range ? ` ${range}` : ""}`);
    const other = host.answer(request);
    if (other) return other;
    const data = pathname === "/m/a%20b.bin" ? LARGE : pathname === "/m/c.json" ? SMALL : undefined;
    if (!data) return new Response("none", { status: 404 });
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    return new Response(data.subarray(from), { status: from > 0 ? 206 : 200 });
  });
  const cache = `test-${crypto.randomUUID()}`;
  try {
    await test(`http://127.0.0.1:${server.addr.port}/m`, host, cache);
  } finally {
    await caches.delete(cache);
    await server.shutdown();
  }
}

Deno.test("cached weights are fetched once, then read across parts without network", async () => {
  await withHost(async (base, host, cache) => {
    const folder = cachedFolder(base, host.files, cache);
    assertEquals(await folder.stored(), 0);
    const seen: number[] = [];
    await folder.download({ onProgress: (done, total) => seen.push(done / total) });
    assertEquals(seen.at(-1), 1);
    assert(seen.every((v, i) => i === 0 || v >= seen[i - 1]), "progress only grows");
    assertEquals(await folder.stored(), folder.bytes);
    assertEquals(host.requests, ["/m/a%20b.bin", "/m/c.json"]);

    const again = cachedFolder(base, host.files, cache);
    await again.download();
    const file = (await again.open("a b.bin"))!;
    const at = PART_BYTES - 3;
    assertEquals(await file.read(at, PART_BYTES + 10), LARGE.slice(at, at + PART_BYTES + 10));
    assertEquals(await again.text("c.json"), "{}");
    assertEquals(await again.open("not listed"), undefined);
    await assertRejects(() => file.read(LARGE.length, 1), LssgenError, "ends at byte");
    await assertRejects(async () => await again.open("../secret"), LssgenError, "outside");
    assertEquals(host.requests.length, 2, "nothing was asked for again");
  });
});

Deno.test("a download that was cut goes on after the last whole part", async () => {
  await withHost(async (base, host, cache) => {
    const folder = cachedFolder(base, host.files, cache);
    host.answer = () => new Response(LARGE.subarray(0, PART_BYTES + 5));
    await assertRejects(() => folder.download(), LssgenError, "ended after");
    assertEquals(await folder.stored(), PART_BYTES);
    host.answer = () => undefined;
    await folder.download();
    assertEquals(host.requests[1], `/m/a%20b.bin bytes=${PART_BYTES}-`);
    assertEquals(await (await folder.open("a b.bin"))!.read(0, LARGE.length), LARGE);
  });
});

Deno.test("a host without ranges sends everything again; what is stored is skipped", async () => {
  await withHost(async (base, host, cache) => {
    const folder = cachedFolder(base, host.files, cache);
    host.answer = () => new Response(LARGE.subarray(0, PART_BYTES + 5));
    await assertRejects(() => folder.download(), LssgenError, "ended after");
    host.answer = ({ url }) => url.endsWith("c.json") ? undefined : new Response(LARGE);
    await folder.download();
    assertEquals(await (await folder.open("a b.bin"))!.read(0, LARGE.length), LARGE);
  });
});

Deno.test("other bytes than listed are refused, and a stopped download says so", async () => {
  await withHost(async (base, host, cache) => {
    const folder = cachedFolder(base, host.files, cache);
    host.answer = () => new Response(LARGE.map((v, i) => i === 77 ? v ^ 1 : v));
    await assertRejects(() => folder.download(), LssgenError, "reload the page");
    host.answer = () => new Response("gone", { status: 503 });
    await assertRejects(() => folder.download(), LssgenError, "answered 503");
    host.answer = () => undefined;
    const stop = new AbortController();
    await assertRejects(
      () => folder.download({ signal: stop.signal, onProgress: () => stop.abort() }),
      AbortedError,
    );
    assertEquals(await folder.stored(), 0);
  });
});

Deno.test("the server knows its files, their types, and no way out of its folder", async () => {
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(root, "site/sub"), { recursive: true });
    await Deno.writeTextFile(join(root, "secret.txt"), "secret");
    await Deno.writeTextFile(join(root, "site/index.html"), "page");
    await Deno.writeTextFile(join(root, "site/a.js"), "script");
    await Deno.writeTextFile(join(root, "site/sub/w.gguf"), "weights");
    await Deno.symlink(join(root, "secret.txt"), join(root, "site/link.txt"));
    const files = await staticFiles(join(root, "site"), "/x/");
    const ask = async (path: string, method = "GET"): Promise<[number, string | null, string]> => {
      const answer = await files(new Request(`http://h${path}`, { method }));
      return [answer.status, answer.headers.get("content-type"), await answer.text()];
    };
    assertEquals(await ask("/x/"), [200, "text/html; charset=utf-8", "page"]);
    assertEquals(await ask("/x/a.js?v=1"), [200, "text/javascript; charset=utf-8", "script"]);
    assertEquals(await ask("/x/sub/w.gguf"), [200, "application/octet-stream", "weights"]);
    assertEquals((await ask("/x/a.js", "HEAD"))[2], "");
    assertEquals((await ask("/x/a.js", "POST"))[0], 405);
    const outside = [
      "/x/../secret.txt",
      "/x/%2e%2e/secret.txt",
      "/x/..%2fsecret.txt",
      "/x/%2e%2e%2fsecret.txt",
    ];
    const odd = [
      "/x/..%5csecret.txt",
      "/x/link.txt",
      "/x/a.js%00",
      "/x//etc/passwd",
      "//etc/passwd",
      "/x/sub",
      "/",
    ];
    for (const path of [...outside, ...odd]) assertEquals((await ask(path))[0], 404, path);
    assertEquals((await ask("/x/%ff"))[0], 400);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("time left weighs steps by their work", () => {
  const stages = [{ width: 128, height: 128, steps: 4, flops: 40 }, {
    width: 256,
    height: 256,
    steps: 2,
    flops: 80,
  }];
  const estimate = new Estimate({ width: 256, height: 256, stages, warnings: [] }, 500);
  const at = (stage: number, step: number, now: number) =>
    estimate.note({ phase: "denoise", stage, step }, now);
  assertEquals(at(1, 0, 0), undefined);
  assertEquals(at(1, 1, 10), undefined, "the first step is only handed over");
  assertEquals(at(1, 2, 9000), undefined, "it compiles");
  // 100 ms a step of 10: 10 + 80 are left, and the step in flight.
  assertEquals(at(1, 3, 9100), (10 + 80 + 10) * 10 + 500);
  assertEquals(at(1, 4, 9200), (80 + 10) * 10 + 500);
  assertEquals(estimate.fraction, 1 / 3);
  assertEquals(at(2, 0, 9300), 80 * 10 + 500);
  assertEquals(at(2, 1, 9700), (40 + 40) * 10 + 500);
  assertEquals(at(2, 2, 10_100), 40 * 10 + 500, "the last step is still under way");
  const times = [420, 12_300, 185_000].map((ms) => duration(ms).replaceAll("\u00a0", " "));
  assertEquals(times, ["0.4 s", "12 s", "3 min 5 s"]);
  assertEquals([size(14_800_528), size(0), size(24e9)], ["14.8 MB", "0 bytes", "24.00 GB"]);
});

Deno.test("every kind of error has a title, and one that passes offers another try", () => {
  const codes: ErrorCode[] = [
    "bad_option",
    "bad_file",
    "bad_tensor",
    "unsupported",
    "no_adapter",
    "device_lost",
    "out_of_memory",
    "numeric",
    "aborted",
    "internal",
  ];
  for (const code of codes) assert(explain(code, "What happened", false).title.length > 5, code);
  const lost = explain("device_lost", "Gone", false);
  assert(lost.retry && lost.hints.includes("Gone."));
  assert(!explain("no_adapter", "No GPU adapter found: apt-get", false).hints.join(" ").includes("apt-get"));
  assertStringIncludes(explain("no_adapter", "None", false).hints.join(" "), "Chrome");
  assertStringIncludes(explain("out_of_memory", "Full", true).hints.join(" "), "limit of GPU memory");
  assert(explain("bad_file", "x", false).retry && !explain("bad_file", "x", true).retry);
});

Deno.test("a model is found inside what was chosen, at the shallowest place", () => {
  const file = new File(["{}"], "f");
  const paths = [
    "top/notes.txt",
    "top/flux/model_index.json",
    "top/flux/vae/config.json",
    "top/a/b/model_index.json",
  ];
  const { name, files } = modelFolder(new Map(paths.map((path) => [path, file])));
  assertEquals([name, [...files.keys()]], ["flux", ["model_index.json", "vae/config.json"]]);
  assertThrows(() => modelFolder(new Map([["top/notes.txt", file]])), Error, "model_index.json");
});

Deno.test("files of weights go where their tensors say: parts of the open model, LoRAs, or what is still missing", async () => {
  const golden = new URL("./golden/pipelines/flux_dev/model", import.meta.url).pathname;
  const folder = fileFolder(golden);
  const blob = (name: string, bytes: Uint8Array<ArrayBuffer>) => ({ name, blob: new Blob([bytes]) });
  const read = (path: string) => tensorsOf(`pipelines/flux_dev/model/${path}`);
  const flux = blob(
    "flux1-dev.safetensors",
    fileOf(bflFlux(await read("transformer/diffusion_pytorch_model.safetensors"))),
  );
  const ae = blob("ae.safetensors", fileOf(ldmVae(await read("vae/diffusion_pytorch_model.safetensors"))));
  const lora = blob(
    "style.safetensors",
    await Deno.readFile(new URL("./data/lora/flux_kohya.safetensors", import.meta.url)),
  );

  const both = await withFiles(folder, [ae, lora, flux], { own: true });
  assertEquals([both.part, both.loras?.length], ["parts", 1]);
  const { folder: made } = both;
  assert("whereIs" in made);
  const where = await (made as ComponentFolder).whereIs("vae");
  assertEquals(where, '"ae.safetensors" (--vae)');
  assertEquals((await readModelInfo(made)).pipeline, "FluxPipeline");

  assertEquals((await withFiles(folder, [lora], { own: true })).part, "lora");
  assertEquals((await withFiles(folder, [ae], { own: true })).part, "vae");
  // Beside the page's own model they have to be a model of their own.
  const alone = await withFiles(folder, [ae, flux], { own: false });
  await assertRejects(() => readModelInfo(alone.folder), LssgenError);
  await assertRejects(
    () => withFiles(folder, [flux, { ...flux, name: "b.safetensors" }], { own: true }),
    LssgenError,
    "take one of them",
  );
  const chosen = chosenModel(
    new Map([["x/a.gguf", new File([], "a.gguf")], ["x/b.txt", new File([], "b.txt")]]),
    undefined,
  );
  assertEquals(chosen.files?.map(({ name }) => name), ["a.gguf"]);
});
