/** The server: what clients of A1111's and OpenAI's APIs send and get, one queue behind both, and what strangers try. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openDevice } from "../lib/gpu/device.ts";
import { decodePng, encodePng } from "../lib/image/png.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { ImageServer } from "../lib/server/server.ts";
import { bytesOf, FakeEngine, get, OPTIONS, post, refused, rgbOf, URL_OF } from "./fake_engine.ts";
import PICTURES from "./data/pictures.json" with { type: "json" };

/** Lets everything that can go on go on. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

Deno.test("txt2img: A1111's fields become a request, its answer holds PNGs with parameters", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const body = {
    prompt: "a red apple",
    negative_prompt: "",
    width: 96,
    height: 64,
    steps: 6,
    cfg_scale: 1,
    distilled_cfg_scale: 3.5,
    sampler_name: "Euler",
    seed: 7,
    batch_size: 2,
    n_iter: 1,
    send_images: true,
    override_settings: { CLIP_stop_at_last_layers: 1 },
    alwayson_scripts: {},
    subseed: null,
  };
  const response = await server.handle(post("/sdapi/v1/txt2img", body));
  assertEquals(response.status, 200);
  const answer = await response.json();
  assertEquals(engine.asked.map(({ seed }) => seed), [7, 8]);
  const { prompt, width, height, steps, guidance, trueCfgScale } = engine.asked[0];
  assertEquals([prompt, width, height, steps, guidance, trueCfgScale], ["a red apple", 96, 64, 6, 3.5, 1]);
  assertEquals(answer.images.length, 2);
  assertEquals(JSON.parse(answer.info).all_seeds, [7, 8]);
  assertEquals(answer.parameters.prompt, "a red apple");
  const picture = await decodePng(bytesOf(answer.images[0]), "answer");
  assertEquals([picture.width, picture.height], [96, 64]);
  assertEquals(server.pending, 0);
});

Deno.test("hires fix, samplers and other models' guidance under A1111's names", async () => {
  const engine = new FakeEngine({
    embeddedGuidance: false,
    scheduler: { _class_name: "EulerDiscreteScheduler" },
  });
  const server = new ImageServer(engine, OPTIONS);
  const body = {
    prompt: "x",
    width: 512,
    height: 384,
    cfg_scale: 6,
    negative_prompt: "blur",
    sampler_name: "DPM++ 2M",
    scheduler: "Karras",
    enable_hr: true,
    hr_scale: 2,
    denoising_strength: 0.6,
    seed: -1,
  };
  assertEquals((await server.handle(post("/sdapi/v1/txt2img", body))).status, 200);
  const {
    width,
    height,
    minResolution,
    initNoise,
    method,
    guidance,
    negativePrompt,
    scheduler,
    schedule,
    seed,
  } = engine.asked[0];
  assertEquals([width, height, minResolution, initNoise, method], [1024, 768, 384, 0.6, "hires-fix"]);
  assertEquals([guidance, negativePrompt, scheduler, schedule], [6, "blur", "dpm++2m", "karras"]);
  assert(seed !== undefined && seed >= 0);
});

Deno.test("img2img takes a picture and a mask in base64, with a data: prefix or without", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const png = await encodePng({ width: 4, height: 2, channels: 3, data: rgbOf(4, 2) });
  const text = btoa(String.fromCharCode(...png));
  const body = {
    prompt: "x",
    init_images: [`data:image/png;base64,${text}`],
    mask: text,
    denoising_strength: 0.5,
  };
  const response = await server.handle(post("/sdapi/v1/img2img", body));
  assertEquals(response.status, 200);
  const { parameters } = await response.json();
  assertEquals(parameters, { prompt: "x", denoising_strength: 0.5 });
  assertEquals([engine.asked[0].image?.width, engine.asked[0].mask?.width, engine.asked[0].strength], [
    4,
    4,
    0.5,
  ]);
  for (const init_images of [undefined, [], ["%%%"], [btoa("no picture")], [text, text], "x", [1]]) {
    const [status, said] = await refused(server, post("/sdapi/v1/img2img", { prompt: "x", init_images }));
    assertEquals(status, 422, said);
    assertStringIncludes(said, "init_images");
  }
});

Deno.test("img2img takes pictures of any format, at A1111's own size, and decodes them when their turn comes", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  for (const [what, { file, width, height }] of Object.entries(PICTURES)) {
    if (what.includes("interlaced")) continue;
    const body = { prompt: "x", init_images: [what.length % 2 ? file : `data:image/any;base64,${file}`] };
    const response = await server.handle(post("/sdapi/v1/img2img", body));
    assertEquals(response.status, 200, what);
    const { image, ...asked } = engine.asked.pop()!;
    assertEquals([image?.width, image?.height, asked.width, asked.height], [width, height, 512, 512], what);
    assert("decode" in image!, "decoded before its turn");
  }
});

Deno.test("a picture larger than the server draws is refused before it waits", async () => {
  const engine = new FakeEngine();
  const limits = { pixels: 16 * 16, steps: 150, pictures: 4 };
  const server = new ImageServer(engine, { ...OPTIONS, limits });
  const png = async (side: number) =>
    btoa(
      String.fromCharCode(
        ...await encodePng({ width: side, height: side, channels: 1, data: new Uint8Array(side * side) }),
      ),
    );
  const small = { prompt: "x", width: 16, height: 16 };
  const ask = (init_images: string, mask?: string) =>
    refused(server, post("/sdapi/v1/img2img", { ...small, init_images: [init_images], mask }));
  const [status, said] = await ask(await png(33));
  assertEquals(status, 422);
  assertStringIncludes(said, "33 × 33 is 1089 pixels, at most 1024");
  assertEquals((await ask(await png(32), await png(33)))[0], 422);
  assertEquals(engine.asked.length, 0);
  assertEquals((await ask(await png(32), await png(32)))[0], 200);
});

Deno.test("OpenAI's edits begin with a picture, from JSON or a form, and draw anew what their mask leaves transparent", async () => {
  const engine = new FakeEngine({ embeddedGuidance: false });
  const server = new ImageServer(engine, OPTIONS);
  const route = "/v1/images/edits";
  const { file } = PICTURES["webp alpha"];
  const base = { prompt: "a hat", size: "64x64", n: 2, seed: 5, strength: 0.5 };
  const form = (fields: Record<string, string | number>, image = "image") => {
    const body = new FormData();
    for (const [key, value] of Object.entries(fields)) body.append(key, String(value));
    for (const name of [image, "mask"]) body.append(name, new Blob([bytesOf(file)]), "a.webp");
    return body;
  };
  const more = (name: string, value: string | Blob): FormData => {
    const body = form(base);
    if (typeof value === "string") body.append(name, value);
    else body.append(name, value, "a.png");
    return body;
  };
  const multipart = (body: FormData, headers: Record<string, string> = {}) =>
    new Request(URL_OF(route), { method: "POST", body, headers });
  for (
    const request of [
      post(route, { ...base, image: file, mask: `data:image/webp;base64,${file}` }),
      post(route, { ...base, image: [file], mask: file }),
      multipart(form(base)),
      multipart(form(base, "image[]"), { "sec-fetch-site": "same-origin" }),
    ]
  ) {
    const response = await server.handle(request);
    assertEquals(response.status, 200);
    assertEquals((await response.json()).data.length, 2);
    const [{ image, mask, strength, seed, width }] = engine.asked.splice(0);
    assertEquals([image?.width, mask?.width, strength, seed, width], [19, 19, 0.5, 5, 64]);
    assert(mask && "decode" in mask);
    const drawn = (await mask.decode()).data;
    const pixels = bytesOf(PICTURES["webp alpha"].pixels);
    drawn.forEach((v, i) => assertEquals(v, 255 - pixels[4 * i + 3]));
  }
  for (
    const [request, status, words] of [
      [post(route, base), 400, "image"],
      [post(route, { ...base, image: [file, file] }), 400, "several"],
      [post(route, { ...base, image: file, mask: [file, file] }), 400, 'mask\\" holds several'],
      [post(route, { ...base, image: 7 }), 400, "image"],
      [post(route, { ...base, image: btoa("no picture") }), 400, "image"],
      [multipart(more("prompt", "a cap")), 400, '\\"prompt\\" is there twice'],
      [multipart(more("n[]", "3")), 400, '\\"n\\" is there twice'],
      [multipart(more("image", file)), 400, "several"],
      [multipart(more("mask", new Blob([bytesOf(file)]))), 400, 'mask\\" holds several'],
      [multipart(more("control", new Blob(["x"]))), 400, '\\"control\\" is no field'],
      [multipart(more("imagee", new Blob(["x"]))), 400, 'did you mean \\"image\\"'],
      [multipart(more("guidance", new Blob(["2"]))), 400, '\\"guidance\\" is a file'],
      [multipart(more("steps", "two")), 400, '\\"steps\\" is \\"two\\"'],
      [multipart(form(base), { origin: "https://evil.example" }), 403, "pages"],
      [multipart(form(base), { "sec-fetch-site": "cross-site" }), 403, "pages"],
    ] as const
  ) {
    const [got, said] = await refused(server, request);
    assertEquals(got, status, said);
    assertStringIncludes(said, words);
  }
  assertEquals(engine.asked.length, 0);
});

Deno.test("OpenAI's route draws n pictures of a size and words its errors as OpenAI does", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const ask = { model: "fake", prompt: "a cat", n: 2, size: "128x64", response_format: "b64_json" };
  const response = await server.handle(post("/v1/images/generations", ask));
  assertEquals(response.status, 200);
  const { created, data } = await response.json();
  assert(Math.abs(created - Date.now() / 1000) < 100);
  assertEquals(data.length, 2);
  assertEquals((await decodePng(bytesOf(data[1].b64_json), "answer")).width, 128);
  assertEquals(engine.asked[1].seed, engine.asked[0].seed! + 1);
  const wrong: [unknown, string | null][] = [
    [{}, "prompt"],
    [{ prompt: 3 }, "prompt"],
    [{ prompt: "x", size: "big" }, "size"],
    [{ prompt: "x", size: "9000x9000" }, "width"],
    [{ prompt: "x", n: 100 }, "n"],
    [{ prompt: "x", response_format: "url" }, "response_format"],
    [{ prompt: "x", output_format: "webp" }, "output_format"],
    [[], null],
    ["{", null],
  ];
  for (const [body, param] of wrong) {
    const answer = await server.handle(post("/v1/images/generations", body));
    const { error } = await answer.json();
    assertEquals(
      [answer.status, error.param, error.type],
      [400, param, "invalid_request_error"],
      error.message,
    );
  }
  assertEquals((await (await server.handle(get("/v1/models"))).json()).data[0].id, "fake");
});

Deno.test("seeds and prompts by encoder under both APIs: one bound, -1 by chance, diffusers' names", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const most = Number.MAX_SAFE_INTEGER;
  const prompts = {
    prompt: "a",
    prompt_2: "b",
    prompt_3: "c",
    negative_prompt_2: "d",
    negative_prompt_3: "e",
  };
  for (const [path, count] of [["/sdapi/v1/txt2img", "batch_size"], ["/v1/images/generations", "n"]]) {
    const ask = (fields: Record<string, unknown>) => refused(server, post(path, { prompt: "a", ...fields }));
    assertEquals((await ask({ ...prompts, seed: most }))[0], 200);
    const { seed, prompt2, prompt3, negativePrompt2, negativePrompt3 } = engine.asked.at(-1)!;
    assertEquals([seed, prompt2, prompt3, negativePrompt2, negativePrompt3], [most, "b", "c", "d", "e"]);
    for (const fields of [{ seed: most, [count]: 2 }, { seed: -2 }, { seed: 2 ** 53 }, { prompt_2: 3 }]) {
      const [status, text] = await ask(fields);
      assert(status === 422 || status === 400, text);
      assertStringIncludes(text, Object.keys(fields)[0]);
    }
    assertEquals((await ask({ seed: most - 1, [count]: 2 }))[0], 200);
    assertEquals((await ask({ seed: -1 }))[0], 200);
    const first = engine.asked.at(-1)!.seed!;
    await ask({ seed: -1 });
    const second = engine.asked.at(-1)!.seed!;
    assert(first >= 0 && second >= 0 && first !== second);
  }
  const classes = new ImageServer(new FakeEngine({ prompts: 0, embeddedGuidance: false }), OPTIONS);
  const request = post("/v1/images/generations", { prompt: Array(17).fill(3).join(", ") });
  const [status, text] = await refused(classes, request);
  assertEquals(status, 400);
  assertStringIncludes(text, "17 classes");
});

Deno.test("a bad field is refused by name, before anything is drawn", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const bad: [Record<string, unknown>, string][] = [
    [{ steps: 0 }, "steps"],
    [{ steps: 2.5 }, "steps"],
    [{ steps: 1e9 }, "steps"],
    [{ width: "512" }, "width"],
    [{ width: 4096, height: 4096 }, "pixels"],
    [{ seed: 1e300 }, "seed"],
    [{ cfg_scale: -1 }, "cfg_scale"],
    [{ sampler_name: "Magic" }, "Magic"],
    [{ batch_size: 9, n_iter: 9 }, "n_iter"],
    [{ method: "magic" }, "magic"],
    [{ tiling: true }, "tiling"],
    [{ alwayson_scripts: { controlnet: { args: [] } } }, "alwayson_scripts"],
    [{ prompt: "x".repeat(30_000) }, "prompt"],
    [{ enable_hr: "yes" }, "enable_hr"],
  ];
  for (const [fields, word] of bad) {
    const [status, said] = await refused(server, post("/sdapi/v1/txt2img", { prompt: "x", ...fields }));
    assertEquals(status, 422, said);
    assertStringIncludes(said, word);
  }
  // A key of every object is no field, and no way into one.
  const [status, said] = await refused(
    server,
    post("/sdapi/v1/txt2img", '{"__proto__":{"steps":-1},"prompt":"x"}'),
  );
  assertEquals([status, engine.asked.length], [422, 0]);
  assertStringIncludes(said, "__proto__");
});

Deno.test("bodies: JSON only, bounded in size and in time", async () => {
  const server = new ImageServer(new FakeEngine(), { ...OPTIONS, maxBodyBytes: 100, bodyTimeoutMs: 30 });
  const path = "/sdapi/v1/txt2img";
  const type = { "content-type": "application/json" };
  assertEquals(
    (await refused(server, post(path, {}, { headers: { "content-type": "text/plain" } })))[0],
    415,
  );
  assertEquals((await refused(server, post(path, "{")))[0], 400);
  assertEquals(
    (await refused(server, post(path, new Uint8Array([0x22, 0xff, 0x22]))))[0],
    400,
  );
  assertEquals((await refused(server, post(path, "[]")))[0], 422);
  assertEquals((await refused(server, post(path, { prompt: "x".repeat(200) })))[0], 413);
  const endless = (delay: number, chunk: number) =>
    new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, delay));
        controller.enqueue(new Uint8Array(chunk).fill(0x20));
      },
    });
  const streamed = (body: ReadableStream) =>
    new Request(URL_OF(path), { method: "POST", headers: type, body });
  assertEquals((await refused(server, streamed(endless(0, 60))))[0], 413);
  assertEquals((await refused(server, streamed(endless(10, 1))))[0], 408);
  assertEquals((await refused(server, new Request(URL_OF(path), { method: "POST", headers: type })))[0], 400);
});

Deno.test("token, host and methods: the door is shut to strangers and to pages of other sites", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, { ...OPTIONS, token: "sesame", hosts: ["localhost"] });
  const path = "/sdapi/v1/txt2img";
  const headers = (authorization?: string) => ({
    "content-type": "application/json",
    ...authorization && { authorization },
  });
  for (
    const given of [undefined, "sesame", "Bearer", "Bearer sesam", "Bearer sesamesesame", "Basic sesame"]
  ) {
    const response = await server.handle(post(path, { prompt: "x" }, { headers: headers(given) }));
    assertEquals(response.status, 401, given);
    assertEquals(
      response.headers.get("www-authenticate"),
      'Bearer realm="LSSGen", Basic realm="LSSGen", charset="UTF-8"',
    );
    const said = await response.text();
    assertStringIncludes(said, "Authorization: Bearer TOKEN, and Basic with the token as password");
  }
  // A browser would ask for a password in a window of its own.
  const page = post(path, {}, { headers: { ...headers(), "user-agent": "Mozilla/5.0" } });
  const asked = await server.handle(page);
  assertEquals(asked.headers.get("www-authenticate"), 'Bearer realm="LSSGen"');
  await asked.body?.cancel();
  for (const right of ["Bearer sesame", "bearer sesame", `Basic ${btoa("any:sesame")}`]) {
    const options = new Request(URL_OF("/sdapi/v1/options"), { headers: headers(right) });
    assertEquals((await refused(server, options))[0], 200, right);
  }
  const right = await server.handle(post(path, { prompt: "x" }, { headers: headers("Bearer sesame") }));
  assertEquals(right.status, 200);
  await right.body?.cancel();
  const elsewhere = new Request("http://evil.example:7860/sdapi/v1/progress");
  assertEquals((await refused(server, elsewhere))[0], 403);
  const wrong = await server.handle(new Request(URL_OF(path), { headers: headers("Bearer sesame") }));
  assertEquals([wrong.status, wrong.headers.get("allow")], [405, "POST"]);
  assertEquals((await refused(server, get("/nowhere")))[0], 404);
  assertEquals((await refused(server, post("/constructor", {})))[0], 404);
  assertEquals(engine.asked.length, 1);
});

Deno.test("an error that nobody foresaw is told to the log, not to the client", async () => {
  const seen: unknown[] = [];
  const server = new ImageServer(new FakeEngine(), { ...OPTIONS, onError: (error) => seen.push(error) });
  const [status, said] = await refused(server, post("/sdapi/v1/txt2img", { prompt: "surprise" }));
  assertEquals([status, said.includes("secret")], [500, false]);
  assertEquals(seen.length, 1);
  assertEquals((await refused(server, post("/sdapi/v1/txt2img", { prompt: "fine" })))[0], 200);
});

Deno.test("progress tells share, steps and a preview while a picture is drawn; interrupt ends it", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const idle = await (await server.handle(get("/sdapi/v1/progress"))).json();
  assertEquals([idle.progress, idle.eta_relative, idle.current_image], [0, 0, null]);
  engine.hold();
  const running = server.handle(post("/sdapi/v1/txt2img", { prompt: "x", steps: 4, n_iter: 3 }));
  const next = server.handle(post("/sdapi/v1/txt2img", { prompt: "y" }));
  await settle();
  const now = await (await server.handle(get("/sdapi/v1/progress"))).json();
  // Stage 1 (a quarter of the tokens) and half of stage 2 are done: 0.625 of one picture of three.
  assert(Math.abs(now.progress - 0.98 * 0.625 / 3) < 1e-9, now.progress);
  assertEquals([now.state.sampling_step, now.state.sampling_steps, now.state.job_count, now.state.queued], [
    6,
    8,
    3,
    1,
  ]);
  assertEquals((await decodePng(bytesOf(now.current_image), "preview")).width, 8);
  const bare = await (await server.handle(get("/sdapi/v1/progress?skip_current_image=true"))).json();
  assertEquals(bare.current_image, null);
  assertEquals((await refused(server, post("/sdapi/v1/interrupt", {})))[0], 200);
  const stopped = await (await running).json();
  assertEquals([stopped.images.length, JSON.parse(stopped.info).interrupted], [0, true]);
  await settle();
  engine.gate?.resolve();
  assertEquals((await (await next).json()).images.length, 1);
  // A picture alone, whose drawing ends with the signal's reason.
  engine.hold();
  const alone = server.handle(post("/sdapi/v1/txt2img", { prompt: "z" }));
  await settle();
  await server.handle(post("/sdapi/v1/interrupt", {}));
  const ended = await (await alone).json();
  assertEquals([ended.images, JSON.parse(ended.info).interrupted], [[], true]);
});

Deno.test("who leaves is dropped from the queue or stopped at once, and the next one is served", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const gate = engine.hold();
  const [first, second] = [new AbortController(), new AbortController()];
  const leaving = server.handle(post("/sdapi/v1/txt2img", { prompt: "1" }, { signal: first.signal }));
  const waiting = server.handle(post("/sdapi/v1/txt2img", { prompt: "2" }, { signal: second.signal }));
  const staying = server.handle(post("/sdapi/v1/txt2img", { prompt: "3" }));
  await settle();
  assertEquals([engine.asked.length, server.pending], [1, 3]);
  second.abort();
  assertEquals(server.pending, 2);
  first.abort();
  assertEquals([(await leaving).status, (await waiting).status], [499, 499]);
  gate.resolve();
  assertEquals((await staying).status, 200);
  assertEquals(engine.asked.map(({ prompt }) => prompt), ["1", "3"]);
});

Deno.test("over http, who hangs up is noticed: the picture in the making stops, the one in the queue is dropped", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const gate = engine.hold();
  const http = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => server.handle(request),
  );
  const url = `http://127.0.0.1:${http.addr.port}/sdapi/v1/txt2img`;
  const until = async (pending: number): Promise<void> => {
    for (const end = Date.now() + 10_000; server.pending !== pending && Date.now() < end;) await settle();
    assertEquals(server.pending, pending);
  };
  const send = (prompt: string, signal?: AbortSignal) =>
    fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt }),
      signal,
    });
  const [first, second] = [new AbortController(), new AbortController()];
  const running = assertRejects(() => send("1", first.signal));
  await until(1);
  const waiting = assertRejects(() => send("2", second.signal));
  await until(2);
  const staying = send("3");
  await until(3);
  second.abort();
  await until(2);
  first.abort();
  await until(1);
  gate.resolve();
  assertEquals((await (await staying).json()).images.length, 1);
  assertEquals(engine.asked.map(({ prompt }) => prompt), ["1", "3"]);
  await Promise.all([running, waiting]);
  await server.close();
  await http.shutdown();
});

Deno.test("a full queue and a closing server say so with 503", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, { ...OPTIONS, maxWaiting: 2 });
  engine.hold();
  const send = () => server.handle(post("/sdapi/v1/txt2img", { prompt: "x" }));
  const running = send();
  await settle();
  const waiting = [send(), send()];
  await settle();
  const refusal = await send();
  assertEquals(refusal.status, 503);
  const seconds = Number(refusal.headers.get("retry-after"));
  assert(Number.isInteger(seconds) && seconds >= 1 && seconds <= 600);
  await refusal.body?.cancel();
  await server.close();
  for (const response of await Promise.all([running, ...waiting])) {
    assertEquals(response.status, 503);
    await response.body?.cancel();
  }
  assertEquals((await refused(server, post("/sdapi/v1/txt2img", { prompt: "x" })))[0], 503);
  assertEquals([engine.asked.length, server.pending], [1, 0]);
});

Deno.test("fifty requests at once over http, bad ones among them: each is answered by the embedded model, none lost, memory flat", async () => {
  using device = await openDevice();
  await using pipeline = await createPipeline(undefined, { device });
  const server = new ImageServer(pipeline, OPTIONS);
  const http = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => server.handle(request),
  );
  const base = `http://127.0.0.1:${http.addr.port}`;
  const small = { prompt: "a red apple", width: 64, height: 64, steps: 1, method: "direct" };
  const kinds: [string, unknown, number][] = [
    ["/sdapi/v1/txt2img", small, 200],
    ["/v1/images/generations", { prompt: "a cat", size: "64x64", steps: 1, method: "direct" }, 200],
    ["/sdapi/v1/txt2img", { ...small, width: 65 }, 200],
    ["/sdapi/v1/txt2img", { ...small, steps: -1 }, 422],
    ["/sdapi/v1/txt2img", "{", 400],
    ["/sdapi/v1/img2img", { ...small, init_images: [btoa("\x89PNG\r\n\x1a\n")] }, 422],
    ["/v1/images/generations", { ...small, size: "x".repeat(1000) }, 400],
    ["/sdapi/v1/txt2img", { ...small, upsampler: "wishes", method: "lssgen" }, 422],
    ["/nowhere", small, 404],
    ["/sdapi/v1/txt2img", { ...small, seed: 5 }, 200],
  ];
  const storm = async (): Promise<void> => {
    const answers = await Promise.all(Array.from({ length: 50 }, async (_, i) => {
      const [path, body, want] = kinds[i % kinds.length];
      const response = await fetch(base + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
      const text = await response.text();
      assertEquals(response.status, want, `${path}: ${text.slice(0, 300)}`);
      if (want !== 200) assert(JSON.parse(text).error ?? JSON.parse(text).detail);
      return i % kinds.length === 9 ? JSON.parse(text).images[0] : undefined;
    }));
    // The same seed in the crowd is the same picture.
    assertEquals(new Set(answers.filter((image) => image !== undefined)).size, 1);
    assertEquals(server.pending, 0);
  };
  await storm();
  const { live, pooled } = device.memory.use();
  const { heapUsed: heap, rss } = Deno.memoryUsage();
  await storm();
  await storm();
  const now = device.memory.use();
  assertEquals([now.live, now.pooled], [live, pooled]);
  const grown = (Deno.memoryUsage().heapUsed - heap) / 2 ** 20;
  const resident = (Deno.memoryUsage().rss - rss) / 2 ** 20;
  console.log(
    `After another hundred: heap ${grown.toFixed(1)} MiB, resident ${resident.toFixed(1)} MiB more`,
  );
  assert(grown < 60, `the heap grew by ${grown} MiB`);
  await server.close();
  await http.shutdown();
});
