/** What strangers try: pages of other sites, endless requests, crowds, and an end that somebody blocks. */

import { withoutFolders } from "../lib/base_name.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { listen, type Listening, type ListenOptions } from "../lib/cli/http.ts";
import { AbortedError, DeviceLostError, LssgenError } from "../lib/errors.ts";
import { encodePicture } from "../lib/image/picture_writing.ts";
import type { Pipeline } from "../lib/pipelines/types.ts";
import { base64 } from "../lib/server/base64.ts";
import { ReopeningEngine } from "../lib/server/reopening.ts";
import { ImageServer } from "../lib/server/server.ts";
import { bytesOf, FakeEngine, get, OPTIONS, post, refused, rgbOf, URL_OF } from "./fake_engine.ts";

const TXT2IMG = "/sdapi/v1/txt2img";
const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

async function listening(
  server: ImageServer,
  use: (http: Listening) => Promise<void>,
  options: Partial<ListenOptions> = {},
): Promise<void> {
  const http = await listen({ hostname: "127.0.0.1", port: 0, ...options }, server.handle);
  try {
    await use(http);
  } finally {
    await server.close();
    await http.end(0);
  }
}

/** Sends bytes and reads until the other side ends. */
async function raw(
  port: number,
  text: string,
): Promise<{ answer: Promise<string>; connection: Deno.TcpConn }> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(text));
  const answer = (async () => {
    let said = "";
    const buffer = new Uint8Array(65536);
    try {
      for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
        said += new TextDecoder().decode(buffer.subarray(0, n));
      }
    } catch {
      // Reset is an end too.
    }
    connection.close();
    return said;
  })();
  return { answer, connection };
}

Deno.test("pages of other sites change nothing: every route that does looks at Origin and Sec-Fetch-Site", async () => {
  const engine = new FakeEngine();
  const gate = engine.hold();
  const server = new ImageServer(engine, OPTIONS);
  const running = server.handle(post(TXT2IMG, { prompt: "x" }));
  await settle();
  const strangers: Record<string, string>[] = [
    { origin: "https://evil.example", "content-type": "text/plain" },
    { origin: "null" },
    { origin: "http://localhost.evil.example:7860" },
    { origin: "http://localhost:7861" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site", origin: "http://localhost:7860" },
  ];
  const routes = ["txt2img", "img2img", "interrupt", "options", "png-info", "refresh-loras", "skip"].map((
    name,
  ) => `/sdapi/v1/${name}`);
  const comfyui = [
    "/prompt",
    "/api/prompt",
    "/queue",
    "/interrupt",
    "/history",
    "/upload/image",
    "/upload/mask",
  ];
  for (const path of [...routes, ...comfyui, "/v1/images/generations", "/v1/images/edits"]) {
    for (const headers of strangers) {
      const [status, said] = await refused(
        server,
        post(path, { prompt: "x" }, { headers: { "content-type": "application/json", ...headers } }),
      );
      assertEquals(status, 403, `${path} ${JSON.stringify(headers)} ${said}`);
    }
  }
  assertEquals(server.pending, 1);
  gate.resolve();
  assertEquals((await (await running).json()).images.length, 1);
  for (const headers of [{ origin: "http://localhost:7860", "sec-fetch-site": "same-origin" }, {}]) {
    const own = post("/sdapi/v1/interrupt", {}, { headers: headers as Record<string, string> });
    assertEquals((await refused(server, own))[0], 200);
  }
});

Deno.test("pages of allowed origins may ask, are told so before, and read the answer", async () => {
  const origin = "https://friend.example";
  const server = new ImageServer(new FakeEngine(), { ...OPTIONS, origins: [origin], token: "sesame" });
  const preflight = (from: string): Request =>
    new Request(URL_OF(TXT2IMG), {
      method: "OPTIONS",
      headers: { origin: from, "access-control-request-method": "POST" },
    });
  const may = await server.handle(preflight(origin));
  assertEquals([may.status, may.headers.get("access-control-allow-origin")], [204, origin]);
  assertStringIncludes(may.headers.get("access-control-allow-headers")!, "authorization");
  // OpenAI's package in a page sends headers of its own, and asks whether it may.
  const names = "authorization,content-type,x-stainless-os";
  const asking = preflight(origin);
  asking.headers.set("access-control-request-headers", names);
  assertEquals((await server.handle(asking)).headers.get("access-control-allow-headers"), names);
  const not = await server.handle(preflight("https://evil.example"));
  assertEquals([not.status, not.headers.get("access-control-allow-origin")], [403, null]);
  await not.body?.cancel();
  const headers = {
    origin,
    "sec-fetch-site": "cross-site",
    "content-type": "application/json",
    authorization: "Bearer sesame",
  };
  const answer = await server.handle(post(TXT2IMG, { prompt: "x" }, { headers }));
  assertEquals([answer.status, answer.headers.get("access-control-allow-origin")], [200, origin]);
  // Where a submitted job is, and when to come again.
  assertEquals(answer.headers.get("access-control-expose-headers"), "location, retry-after");
  await answer.body?.cancel();
});

Deno.test("no answer may be framed, the page's neither; health and metrics are there", async () => {
  const page = (path: string) => Promise.resolve(path === "/" ? new Response("page") : undefined);
  const server = new ImageServer(new FakeEngine(), { ...OPTIONS, page, token: "sesame" });
  for (const path of ["/", "/nowhere", "/sdapi/v1/options", "/health"]) {
    const response = await server.handle(get(path));
    assertEquals(response.headers.get("content-security-policy"), "frame-ancestors 'none'", path);
    assertEquals(response.headers.get("x-frame-options"), "DENY");
    assertEquals(response.headers.get("x-content-type-options"), "nosniff");
    await response.body?.cancel();
  }
  assertEquals((await refused(server, get("/health")))[0], 200);
  assertEquals((await refused(server, get("/metrics")))[0], 401);
  // Clients of A1111 send Basic with any name.
  const basic = (text: string): Request =>
    new Request(URL_OF("/metrics"), { headers: { authorization: `Basic ${btoa(text)}` } });
  const [status, text] = await refused(server, basic("anybody:sesame"));
  assertEquals(status, 200);
  assertStringIncludes(text, "# TYPE lssgen_queue_length gauge\nlssgen_queue_length 0\n");
  assertStringIncludes(text, 'lssgen_answers_total{status="401"} 2');
  for (const wrong of ["sesame", "sesame:", "a:sesam", "a:sesame:"]) {
    assertEquals((await refused(server, basic(wrong)))[0], 401, wrong);
  }
});

Deno.test("bodies that wait together have one bound, requests another; who comes later is told when to try again", async () => {
  const engine = new FakeEngine();
  engine.hold();
  const server = new ImageServer(engine, {
    ...OPTIONS,
    maxBodyBytes: 100,
    maxHeldBytes: 150,
    maxRequests: 3,
  });
  const body = { prompt: "x".repeat(50) };
  const first = server.handle(post(TXT2IMG, body));
  const second = server.handle(post(TXT2IMG, body));
  await settle();
  const third = await server.handle(post(TXT2IMG, body));
  assertEquals(third.status, 503);
  assertStringIncludes(await third.text(), "memory for bodies");
  assert(Number(third.headers.get("retry-after")) >= 1);
  const small = server.handle(post(TXT2IMG, { prompt: "x" }));
  await settle();
  const fourth = await server.handle(post(TXT2IMG, { prompt: "x" }));
  assertEquals(fourth.status, 503);
  assertStringIncludes(await fourth.text(), "3 requests");
  engine.gate?.resolve();
  engine.gate = undefined;
  for (const one of [first, second, small]) {
    const response = await one;
    assertEquals(response.status, 200);
    await response.body?.cancel();
  }
  assertStringIncludes((await refused(server, get("/metrics")))[1], "lssgen_held_body_bytes 0\n");
});

Deno.test("headers have a bound of size and of time, bodies of time, connections of number", async () => {
  const server = new ImageServer(new FakeEngine(), { ...OPTIONS, bodyTimeoutMs: 300 });
  const options = { headersTimeoutMs: 400, requestTimeoutMs: 2000, maxConnections: 5, maxHeaderBytes: 4096 };
  await listening(server, async ({ port }) => {
    const long = await raw(port, `GET /health HTTP/1.1\r\nHost: x\r\nA: ${"a".repeat(9000)}\r\n\r\n`);
    assert(!(await long.answer).includes("200 OK"));
    const slow = await raw(port, "GET /health HTTP/1.1\r\nHost: x\r\n");
    assertStringIncludes(await slow.answer, "408");
    const body = await raw(
      port,
      `POST ${TXT2IMG} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{`,
    );
    assertStringIncludes(await body.answer, "408");
    const malformed = await raw(port, "GET / HTTP/1.1\r\nHost: [::\r\n\r\n");
    await settle();
    malformed.connection.closeWrite().catch(() => {});
    const crowd = await Promise.all(Array.from({ length: 12 }, () => raw(port, "")));
    await Promise.all(crowd.map(({ answer }) => answer));
    assertEquals((await (await fetch(`http://127.0.0.1:${port}/health`)).json()).status, "ok");
  }, options);
});

Deno.test("an unfinished request does not keep the server from its end, and a running picture may be finished", async () => {
  const engine = new FakeEngine();
  const gate = engine.hold();
  const server = new ImageServer(engine, { ...OPTIONS, token: "sesame" });
  const http = await listen({ hostname: "127.0.0.1", port: 0 }, server.handle);
  const head =
    `POST ${TXT2IMG} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n`;
  const hanging = await Promise.all([
    raw(http.port, "GET / HT"),
    raw(http.port, `${head}\r\n{`),
    raw(http.port, `${head}Authorization: Bearer sesame\r\n\r\n{`),
  ]);
  const headers = { "content-type": "application/json", authorization: "Bearer sesame" };
  const send = (prompt: string) =>
    fetch(`http://127.0.0.1:${http.port}${TXT2IMG}`, {
      method: "POST",
      headers,
      body: JSON.stringify({ prompt }),
    });
  const running = send("1");
  for (const end = Date.now() + 10_000; server.pending < 1 && Date.now() < end;) await settle();
  const waiting = send("2");
  for (const end = Date.now() + 10_000; server.pending < 2 && Date.now() < end;) await settle();
  const closed = server.close(60_000);
  const late = await send("3");
  assertEquals([late.status, late.headers.has("retry-after")], [503, true]);
  await late.body?.cancel();
  gate.resolve();
  await closed;
  assertEquals((await (await running).json()).images.length, 1);
  const refusal = await waiting;
  assertEquals(refusal.status, 503);
  await refusal.body?.cancel();
  await http.end(50);
  await Promise.all(hanging.map(({ answer }) => answer));
  await assertRejects(() => Deno.connect({ hostname: "127.0.0.1", port: http.port }));
});

Deno.test("a running picture that takes longer than the end may is stopped", async () => {
  const engine = new FakeEngine();
  engine.hold();
  const server = new ImageServer(engine, OPTIONS);
  const running = server.handle(post(TXT2IMG, { prompt: "x" }));
  await settle();
  await server.close(20);
  const response = await running;
  assertEquals(response.status, 503);
  await response.body?.cancel();
});

/** A pipeline whose device is lost with the first `losses` pictures. */
function losing(losses: number, log: string[]): Pipeline {
  const engine = new FakeEngine();
  return {
    info: engine.info,
    plan: (request: Parameters<Pipeline["plan"]>[0]) => engine.plan(request),
    generate: (...args: Parameters<FakeEngine["generate"]>) =>
      losses-- > 0 ? Promise.reject(new DeviceLostError("gone")) : engine.generate(...args),
    [Symbol.asyncDispose]: () => {
      log.push("closed");
      return Promise.reject(new Error("a lost device cannot be closed"));
    },
  } as unknown as Pipeline;
}

Deno.test("a lost device is opened again once for a picture; where that fails the end is told", async () => {
  const log: string[] = [];
  const open = (losses: number) => () => {
    log.push("opened");
    return Promise.resolve(losing(losses, log));
  };
  const told = (_: LssgenError, end: boolean): void => void log.push(end ? "end" : "lost");
  const server = new ImageServer(new ReopeningEngine(losing(1, log), open(0), told), OPTIONS);
  for (let i = 0; i < 2; i++) assertEquals((await refused(server, post(TXT2IMG, { prompt: "x" })))[0], 200);
  assertEquals(log.splice(0), ["lost", "closed", "opened"]);
  const dead = new ImageServer(new ReopeningEngine(losing(1, log), open(1), told), OPTIONS);
  for (let i = 0; i < 2; i++) assertEquals((await refused(dead, post(TXT2IMG, { prompt: "x" })))[0], 500);
  assertEquals(log.splice(0), ["lost", "closed", "opened", "end"]);
  const aborted = () => Promise.reject(new AbortedError());
  const stopped = new ReopeningEngine(losing(1, log), aborted, told);
  await assertRejects(() => stopped.generate({ prompt: "x" }), AbortedError);
  assertEquals(log.splice(0), ["lost", "closed"]);
});

Deno.test("OpenAI's streams bring partial pictures and finished ones as events, errors too, and stop when the client leaves", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const ask = { prompt: "x", size: "64x32", n: 2, stream: true, partial_images: 1 };
  const events = (text: string) =>
    text.split("\n\n").filter((part) => part.startsWith("event")).map((part) =>
      JSON.parse(part.split("data: ")[1])
    );
  const response = await server.handle(post("/v1/images/generations", ask));
  assertEquals(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  const all = events(await response.text());
  const [partial, completed] = ["image_generation.partial_image", "image_generation.completed"];
  assertEquals(all.map(({ type }) => type), [partial, completed, partial, completed]);
  assertEquals([all[0].partial_image_index, all[1].size], [0, "64x32"]);
  assertEquals(bytesOf(all[1].b64_json).subarray(1, 4), new TextEncoder().encode("PNG"));
  const bad = await server.handle(post("/v1/images/generations", { ...ask, prompt: "surprise" }));
  assertEquals(events(await bad.text()).map(({ type, error }) => [type, error.code]), [[
    "error",
    "internal",
  ]]);
  engine.hold();
  const left = await server.handle(post("/v1/images/generations", ask));
  await settle();
  assertEquals(server.pending, 1);
  await left.body!.cancel();
  for (const end = Date.now() + 10_000; server.pending > 0 && Date.now() < end;) await settle();
  assertEquals(server.pending, 0);
});

Deno.test("sentences for strangers hold names in place of whole paths, and keep what is none", () => {
  for (
    const [said, told] of [
      [
        'LoRA "/home/somebody/my loras/ink.safetensors" fits no part of /srv/models/flux: it',
        'LoRA "ink.safetensors" fits no part of flux: it',
      ],
      ['"C:\\Users\\somebody\\a.gguf" is missing', '"a.gguf" is missing'],
      [
        "see https://example.org/a/b and unet/config.json",
        "see https://example.org/a/b and unet/config.json",
      ],
      ['the prompt says "a/b" and/or 1/2 of 3', 'the prompt says "a/b" and/or 1/2 of 3'],
    ]
  ) assertEquals(withoutFolders(said), told);
});

Deno.test("what clients of A1111 ask first is answered, without a folder of this machine; the rest is refused by name", async () => {
  const engine = new FakeEngine({ name: "/home/somebody/flux.gguf" });
  const loras = () => Promise.resolve(["styles/ink"]);
  const server = new ImageServer(engine, { ...OPTIONS, loras });
  const names =
    "options sd-models samplers schedulers upscalers latent-upscale-modes sd-vae loras embeddings hypernetworks face-restorers realesrgan-models prompt-styles scripts cmd-flags memory progress";
  for (const name of names.split(" ")) {
    const [status, said] = await refused(server, get(`/sdapi/v1/${name}`));
    assertEquals(status, 200, name);
    assert(!said.includes("somebody"), said);
  }
  const models = await (await server.handle(get("/sdapi/v1/sd-models"))).json();
  assertEquals(models[0].filename, "flux.gguf");
  assertEquals((await (await server.handle(get("/v1/models/flux.gguf"))).json()).id, "flux.gguf");
  assertEquals((await refused(server, get("/v1/models/another")))[0], 404);
  const [set, said] = await refused(server, post("/sdapi/v1/options", { sd_model_checkpoint: "any" }));
  assertEquals(set, 200);
  assertStringIncludes(said, "flux.gguf");
  assertEquals((await refused(server, post("/sdapi/v1/options", { CLIP_stop_at_last_layers: 2 })))[0], 422);
  for (const name of ["interrogate", "skip"]) {
    const [status, text] = await refused(server, post(`/sdapi/v1/${name}`, {}));
    assertEquals(status, 422);
    assertStringIncludes(text, name);
  }
  const image = (await (await server.handle(post(TXT2IMG, { prompt: "a fox" }))).json()).images[0];
  const info = await (await server.handle(post("/sdapi/v1/png-info", { image }))).json();
  assertStringIncludes(info.info, "a fox\nSteps: 4");
  const { "Prompt": prompt, "Steps": steps, "Size-1": width, "Size-2": height } = info.parameters;
  assertEquals([prompt, steps, width, height], ["a fox", "4", "64", "32"]);
  const parameters = 'a fox\nNegative prompt: red\nSteps: 4, Lora hashes: "ink: 1, wash: 2"';
  const picture = { width: 8, height: 8, channels: 3 as const, data: rgbOf(8, 8) };
  const jpeg = base64(await encodePicture(picture, "JPEG", { parameters }));
  assertEquals((await (await server.handle(post("/sdapi/v1/png-info", { image: jpeg }))).json()).parameters, {
    "Prompt": "a fox",
    "Negative prompt": "red",
    "Steps": "4",
    "Lora hashes": "ink: 1, wash: 2",
  });
  assertEquals((await refused(server, post("/sdapi/v1/png-info", { image: btoa("x") })))[0], 422);
});
