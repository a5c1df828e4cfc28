/** Several models: chosen by name under each API, loaded when asked for, dropped when another needs the room. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { decodePng, readPngText } from "../lib/image/png.ts";
import type { GenerateOptions, GenerateRequest, ModelInfo } from "../lib/pipelines/types.ts";
import { LocalQueue } from "../lib/server/local_queue.ts";
import { fileSource } from "../lib/cli/files.ts";
import { openSafetensors, writeSafetensors } from "../lib/weights/safetensors.ts";
import { ModelShelf, type ShelfEntry } from "../lib/server/model_shelf.ts";
import { ImageServer } from "../lib/server/server.ts";
import { bytesOf, FakeEngine, get, OPTIONS, post, refused, URL_OF } from "./fake_engine.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const TXT2IMG = "/sdapi/v1/txt2img";

/** A model that notes when it is loaded, asked and dropped. */
class FakeModel implements ShelfEntry {
  readonly info: ModelInfo;
  readonly bytes = 1000;
  /** What loading throws, once each. */
  readonly faults: unknown[] = [];
  /** What drawing throws, once each. */
  readonly drawingFaults: unknown[] = [];

  constructor(readonly name: string, private readonly log: string[], private readonly takes = 0) {
    this.info = new FakeEngine({ name: `/models/${name}`, pipeline: "StableDiffusionXLPipeline" }).info;
  }

  peak({ width = 64 }: GenerateRequest): Promise<number> {
    return Promise.resolve(this.takes * width / 64);
  }

  plan(request: Omit<GenerateRequest, "prompt">) {
    return new FakeEngine().plan(request);
  }

  open() {
    const fault = this.faults.shift();
    if (fault) return Promise.reject(fault);
    this.log.push(`load ${this.name}`);
    const engine = new FakeEngine({ name: `/models/${this.name}` });
    const { log, name, drawingFaults } = this;
    return Promise.resolve({
      info: this.info,
      plan: (request: GenerateRequest) => engine.plan(request),
      generate(request: GenerateRequest, options?: GenerateOptions) {
        const fault = drawingFaults.shift();
        if (fault) return Promise.reject(fault);
        log.push(`${name} draws ${request.prompt}`);
        return engine.generate(request, options);
      },
      [Symbol.asyncDispose]() {
        log.push(`drop ${name}`);
        return Promise.resolve();
      },
    });
  }
}

async function shelfOf(log: string[], models: readonly FakeModel[], room?: number): Promise<ModelShelf> {
  const shelf = await ModelShelf.open({ entries: () => Promise.resolve(models), room });
  log.length = 0;
  return shelf;
}

const SMALL = { width: 64, height: 64, steps: 2, method: "direct" };

Deno.test("a request names its model under A1111's and OpenAI's API; without a limit one is in memory at a time", async () => {
  const log: string[] = [];
  const models = ["one.safetensors", "two.gguf", "three"].map((name) => new FakeModel(name, log));
  await using shelf = await shelfOf(log, models);
  const server = new ImageServer(shelf.first, { ...OPTIONS, models: shelf });
  const ask = async (path: string, body: object): Promise<void> => {
    const [status, said] = await refused(server, post(path, body));
    assertEquals(status, 200, said);
  };
  const named = (sd_model_checkpoint: string) => ({ override_settings: { sd_model_checkpoint } });
  await ask(TXT2IMG, { ...SMALL, prompt: "a" });
  await ask(TXT2IMG, { ...SMALL, prompt: "b", ...named("two.gguf") });
  await ask(TXT2IMG, { ...SMALL, prompt: "c", ...named("two") });
  await ask("/v1/images/generations", { prompt: "d", size: "64x64", method: "direct", model: "three" });
  // OpenAI's own names are what clients send unasked.
  await ask("/v1/images/generations", { prompt: "e", size: "64x64", method: "direct", model: "gpt-image-1" });
  assertEquals(log, [
    "one.safetensors draws a",
    "drop one.safetensors",
    "load two.gguf",
    "two.gguf draws b",
    "two.gguf draws c",
    "drop two.gguf",
    "load three",
    "three draws d",
    "drop three",
    "load one.safetensors",
    "one.safetensors draws e",
  ]);
  const job = { txt2img: { ...SMALL, prompt: "f", ...named("three") } };
  const { id, model } = await (await server.handle(post("/lssgen/v1/jobs", job))).json();
  await (await server.handle(get(`/lssgen/v1/jobs/${id}/events`))).text();
  assertEquals([model, log.at(-1)], ["three", "three draws f"]);
  await server.close();
});

Deno.test("an unknown model is refused by name with the list, under every API, and nothing is loaded for it", async () => {
  const log: string[] = [];
  await using shelf = await shelfOf(log, ["one.safetensors", "two"].map((name) => new FakeModel(name, log)));
  const server = new ImageServer(shelf.first, { ...OPTIONS, models: shelf });
  const wrong: [string, object, number, string][] = [
    [TXT2IMG, { prompt: "x", override_settings: { sd_model_checkpoint: "tow" } }, 422, "override_settings"],
    [TXT2IMG, { prompt: "x", override_settings: { sd_model_checkpoint: 3 } }, 422, "sd_model_checkpoint"],
    ["/sdapi/v1/options", { sd_model_checkpoint: "../two" }, 422, "sd_model_checkpoint"],
    ["/v1/images/generations", { prompt: "x", model: "/etc/passwd" }, 400, "model"],
    ["/lssgen/v1/plan", { fields: { override_settings: { sd_model_checkpoint: "tow" } } }, 422, "tow"],
    ["/lssgen/v1/jobs", { generations: { prompt: "x", model: "three" } }, 422, "three"],
  ];
  for (const [path, body, status, words] of wrong) {
    const [got, said] = await refused(server, post(path, body));
    assertEquals(got, status, said);
    for (const word of [words, "model_not_found", "one.safetensors", "two"]) assertStringIncludes(said, word);
  }
  const [status, said] = await refused(server, get("/v1/models/three"));
  assertEquals(status, 404);
  assertStringIncludes(said, '\\"two\\"');
  assertEquals(log, []);
  // With one model another's name is refused too.
  const single = new ImageServer(new FakeEngine(), OPTIONS);
  assertEquals((await refused(single, post("/v1/images/generations", { prompt: "x", model: "y" })))[0], 400);
  assertEquals(
    (await refused(single, post("/v1/images/generations", { prompt: "x", model: "fake" })))[0],
    200,
  );
  await server.close();
});

Deno.test("lists show name, size, family and what is in memory; POST options chooses for the token that sent it", async () => {
  const log: string[] = [];
  await using shelf = await shelfOf(log, ["one.safetensors", "two"].map((name) => new FakeModel(name, log)));
  const server = new ImageServer(shelf.first, { ...OPTIONS, models: shelf, token: ["anna", "bert"] });
  const ask = async (token: string, path: string, body?: object) => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
    const request = body ? post(path, body, { headers }) : new Request(URL_OF(path), { headers });
    const response = await server.handle(request);
    assertEquals(response.status, 200);
    return await response.json();
  };
  const [one, two] = await ask("anna", "/sdapi/v1/sd-models");
  const { title, model_name, filename, size, family, loaded } = one;
  assertEquals([title, model_name, filename], ["one.safetensors", "one", "one.safetensors"]);
  assertEquals([size, family, loaded, two.loaded], [1000, "SDXL", true, false]);
  assertEquals((await ask("anna", "/v1/models")).data.map(({ id }: { id: string }) => id), [title, "two"]);
  assertEquals(await ask("anna", "/sdapi/v1/options", { sd_model_checkpoint: "two" }), null);
  assertEquals((await ask("anna", "/sdapi/v1/options")).sd_model_checkpoint, "two");
  assertEquals((await ask("bert", "/sdapi/v1/options")).sd_model_checkpoint, "one.safetensors");
  await ask("anna", TXT2IMG, { ...SMALL, prompt: "a" });
  await ask("bert", TXT2IMG, { ...SMALL, prompt: "b" });
  assertEquals(log.filter((line) => line.includes("draws")), ["two draws a", "one.safetensors draws b"]);
  const { name, models } = await ask("anna", "/lssgen/v1/model?model=one");
  assertEquals([name, models.length], ["one.safetensors", 2]);
  await server.close();
});

Deno.test("within a limit of memory models stay side by side, and the least used ones make room", async () => {
  const log: string[] = [];
  const models = ["a", "b", "c"].map((name) => new FakeModel(name, log, 40));
  await using shelf = await shelfOf(log, models, 100);
  const draw = async (name: string, width = 64): Promise<void> => {
    await (await shelf.find(name))!.generate({ prompt: "x", width });
  };
  await draw("a");
  await draw("b");
  await draw("a");
  assertEquals(log, ["a draws x", "load b", "b draws x", "a draws x"]);
  log.length = 0;
  // b was used longest ago.
  await draw("c");
  assertEquals(log, ["drop b", "load c", "c draws x"]);
  log.length = 0;
  // A larger picture needs the room of the other.
  await draw("c", 128);
  assertEquals(log, ["drop a", "c draws x"]);
});

Deno.test("a GPU that is full has the others dropped and is tried again; alone it is the request's end", async () => {
  const log: string[] = [];
  const full = () => new LssgenError("out_of_memory", "full");
  const [a, b] = ["a", "b"].map((name) => new FakeModel(name, log, 10));
  await using shelf = await shelfOf(log, [a, b], 100);
  b.faults.push(full());
  await (await shelf.find("a"))!.generate({ prompt: "x" });
  await (await shelf.find("b"))!.generate({ prompt: "x" });
  assertEquals(log, ["a draws x", "drop a", "load b", "b draws x"]);
  await (await shelf.find("a"))!.generate({ prompt: "x" });
  log.length = 0;
  b.drawingFaults.push(full());
  await (await shelf.find("b"))!.generate({ prompt: "x" });
  assertEquals(log, ["drop a", "b draws x"]);
  b.drawingFaults.push(full());
  const alone = await shelf.find("b");
  await assertRejects(() => alone!.generate({ prompt: "x" }), LssgenError, "full");
});

Deno.test("the queue stays with loaded models for a bounded while, then the next one's turn is kept", async () => {
  const queue = new LocalQueue();
  const never = new AbortController().signal;
  const submit = (model: string): void => {
    queue.submit({ request: { prompt: "x" }, pixels: 1, client: model, priority: "normal", model }, {
      signal: never,
    }).catch(() => {});
  };
  for (const model of ["a", "b", "a"]) submit(model);
  const claim = async (staysUntil: number) =>
    (await queue.claim(() => ({ models: [], maxPixels: Infinity, ready: ["a"], staysUntil }), never))!;
  const later = Date.now() + 60_000;
  const taken = [(await claim(later)).model, (await claim(later)).model];
  assertEquals(taken, ["a", "a"]);
  submit("a");
  // The time is over: b has waited longer.
  assertEquals((await claim(Date.now() - 1)).model, "b");
  submit("c");
  assertEquals((await claim(later)).model, "a");
  // Nothing else waits: nobody stays idle.
  assertEquals((await claim(later)).model, "c");
});

const golden = (name: string) => `${ROOT}tests/golden/pipelines/${name}/model`;

/** `cli.ts serve` with some arguments. */
const serve = (...args: string[]): Deno.Command =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", `${ROOT}deno.json`, `${ROOT}cli.ts`, "serve", ...args],
    stdout: "piped",
    stderr: "piped",
  });

/** A server of its own process, ended with the scope. */
async function serving(
  ...args: string[]
): Promise<AsyncDisposable & { readonly address: string; said(): string }> {
  const child = serve(...args, "--dtype", "f32", "--port", "0").spawn();
  let said = "";
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) said += text;
  })();
  const printed = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const end = async (): Promise<void> => {
    child.kill("SIGTERM");
    await child.status;
    await printed.cancel();
    await reading;
  };
  const address = (await printed.read()).value?.trim();
  if (!address) {
    await child.status;
    await reading;
    throw new Error(said);
  }
  return { address, said: () => said, [Symbol.asyncDispose]: end };
}

/** The PNG that a server draws in one step. */
async function drawnBy(address: string, body: object): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(`${address}sdapi/v1/txt2img`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ width: 64, height: 64, steps: 1, seed: 5, method: "direct", ...body }),
  });
  const answer = await response.json();
  assertEquals(response.status, 200, JSON.stringify(answer));
  return bytesOf(answer.images[0]);
}

Deno.test("serve --models draws with each model of a folder, leaves out what is none, and refuses what does not go with it", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.symlink(golden("sd15"), `${folder}/small-sd15`);
  await Deno.writeTextFile(`${folder}/notes.txt`, "no model");
  await Deno.writeFile(`${folder}/broken.safetensors`, new Uint8Array(16));
  try {
    await using server = await serving("--model", golden("dit"), "--models", folder, "--max-vram", "400");
    const { address } = server;
    const models = await (await fetch(`${address}sdapi/v1/sd-models`)).json();
    assertEquals(models.map((model: { title: string }) => model.title), ["model", "small-sd15"]);
    assertEquals(models.map((model: { family: string }) => model.family), ["DiT", "SD"]);
    for (const { size } of models) assert(size > 100_000);
    assertStringIncludes(server.said(), "broken.safetensors is left out");
    const draw = async (body: object): Promise<Map<string, string>> => {
      const png = await drawnBy(address, body);
      assertEquals((await decodePng(png, "answer")).width, 64);
      return await readPngText(png, "answer");
    };
    const settings = { override_settings: { sd_model_checkpoint: "small-sd15" } };
    const texts = await draw({ prompt: "a fox", ...settings });
    assertStringIncludes(texts.get("parameters")!, "small-sd15");
    await draw({ prompt: "207" });
    // There is room for both.
    const after = await (await fetch(`${address}sdapi/v1/sd-models`)).json();
    assertEquals(after.map((model: { loaded: boolean }) => model.loaded), [true, true]);
    assert(!server.said().includes("is dropped"), server.said());
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  for (
    const [args, words] of [
      [["--models", "/nowhere"], 'is "/nowhere", which is no folder'],
      [["--models", ".", "--queue", "redis://localhost:1"], "--models does not go with --queue"],
    ] as const
  ) {
    const { code, stderr } = await serve("--port", "0", ...args).output();
    const refusal = new TextDecoder().decode(stderr);
    assert(code !== 0);
    assertStringIncludes(refusal, words);
  }
});

Deno.test("serve --models: the first model keeps its parts through switching, others have none of them, and the least used is dropped", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.symlink(golden("dit"), `${folder}/small-dit`);
  await Deno.symlink(golden("sd15"), `${folder}/small-sd15`);
  // The first model's autoencoder comes from a file of its own, which draws other colours.
  const path = `${golden("sd15")}/vae/diffusion_pytorch_model.safetensors`;
  const vae = await openSafetensors((await fileSource(path))!);
  const tensors = await Promise.all([...vae.names()].map(async (name) => {
    const { shape } = vae.info(name)!;
    const data = await vae.readF32(name);
    return { name, shape, data: name === "decoder.conv_out.bias" ? data.map((v) => v + 1) : data };
  }));
  await Deno.writeFile(`${folder}/.bright.safetensors`, writeSafetensors(tensors));
  const own = ["--model", golden("sd15"), "--vae", `${folder}/.bright.safetensors`];
  try {
    await using server = await serving(...own, "--models", folder);
    const { address } = server;
    const draw = async (prompt: string, sd_model_checkpoint?: string): Promise<Uint8Array> => {
      const png = await drawnBy(address, { prompt, override_settings: { sd_model_checkpoint } });
      return (await decodePng(png, "answer")).data;
    };
    const loaded = async (): Promise<string[]> => {
      const all = await (await fetch(`${address}sdapi/v1/sd-models`)).json();
      return all.flatMap((one: { title: string; loaded: boolean }) => one.loaded ? [one.title] : []);
    };
    const first = await draw("a fox");
    assertEquals(await loaded(), ["model"]);
    await draw("207", "small-dit");
    assertEquals(await loaded(), ["small-dit"]);
    const plain = await draw("a fox", "small-sd15");
    assertEquals(await loaded(), ["small-sd15"]);
    const again = await draw("a fox");
    assertEquals(again, first);
    const mean = (data: Uint8Array): number => data.reduce((sum, v) => sum + v, 0) / data.length;
    assert(mean(first) > mean(plain) + 20, `${mean(first)} and ${mean(plain)}`);
    for (const name of ["model", "small-dit", "small-sd15"]) {
      assertStringIncludes(server.said(), `${name} is dropped`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
