/** Requests of shapes that no client sends: smuggled, endless, packed, addressed to somebody else. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { listen } from "../lib/cli/http.ts";
import { DeviceFaultError } from "../lib/errors.ts";
import type { Pipeline } from "../lib/pipelines/types.ts";
import { isLocalName } from "../lib/server/guard.ts";
import { ReopeningEngine } from "../lib/server/reopening.ts";
import { ImageServer } from "../lib/server/server.ts";
import { FakeEngine, get, OPTIONS, post, refused } from "./fake_engine.ts";

const TXT2IMG = "/sdapi/v1/txt2img";
const HOST = "Host: localhost\r\n";
const CLOSE = "Connection: close\r\n";
const HEALTH = `GET /health HTTP/1.1\r\n${HOST}`;
const JSON_POST = `POST ${TXT2IMG} HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n`;
const BODY = '{"prompt":"x"}';
const CHUNKS = `${JSON_POST}Transfer-Encoding: chunked\r\n`;
const UPGRADE = `${CLOSE}Upgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`;

/** What is sent, and the statuses of the answers; none where the connection is closed without a word. */
const SHAPES: readonly [string, readonly string[], ...number[]][] = [
  ["a request", [`${JSON_POST}${CLOSE}Content-Length: 14\r\n\r\n${BODY}`], 200],
  ["two lengths", [`${JSON_POST}Content-Length: 14\r\nContent-Length: 5\r\n\r\n${BODY}`], 400],
  ["two alike", [`${JSON_POST}Content-Length: 14\r\nContent-Length: 14\r\n\r\n${BODY}`], 400],
  ["a list of lengths", [`${JSON_POST}Content-Length: 14, 14\r\n\r\n${BODY}`], 400],
  ["a negative length", [`${JSON_POST}Content-Length: -5\r\n\r\n`], 400],
  ["a length in hex", [`${JSON_POST}Content-Length: 0xe\r\n\r\n${BODY}`], 400],
  ["a length and chunks", [`${CHUNKS}Content-Length: 6\r\n\r\n0\r\n\r\n${HEALTH}\r\n`], 400],
  ["other codings", [`${JSON_POST}Transfer-Encoding: xchunked\r\n\r\n${BODY}`], 400],
  ["a space before the colon", [`${JSON_POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`], 400],
  ["a folded header", [`${HEALTH}X: a\r\n b\r\n\r\n`], 400],
  ["line feeds alone", ["GET /health HTTP/1.1\nHost: localhost\n\n"], 400],
  ["zeros in a header", [`${HEALTH}X: a\0b\r\n\r\n`], 400],
  ["a negative chunk", [`${CHUNKS}\r\n-1\r\nx\r\n`], 400],
  ["a chunk beyond numbers", [`${CHUNKS}\r\nffffffffffffffffff\r\nx\r\n`], 400],
  ["trailers without end", [`${CHUNKS}\r\n0\r\n${"t: vvvvvvvvvvvvvvvvvvvv\r\n".repeat(3000)}\r\n`], 431],
  ["chunks without end", [`${CHUNKS}\r\n`, ...Array(80).fill(`4000\r\n${"x".repeat(0x4000)}\r\n`)], 413],
  ["no address", ["GET health HTTP/1.1\r\n\r\n"], 400],
  ["a tunnel", [`CONNECT evil.example:443 HTTP/1.1\r\n${HOST}\r\n`]],
  ["HTTP/2", ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], 400],
  ["no host", ["GET /health HTTP/1.1\r\n\r\n"], 400],
  ["another's host", [`GET /health HTTP/1.1\r\nHost: evil.example\r\n${CLOSE}\r\n`], 403],
  ["two hosts", [`${HEALTH}Host: evil.example\r\n${CLOSE}\r\n`], 403],
  ["a host behind a user", [`GET /health HTTP/1.1\r\nHost: localhost@evil.example\r\n${CLOSE}\r\n`], 403],
  [
    "another's whole address",
    [`GET http://localhost/health HTTP/1.1\r\nHost: evil.example\r\n${CLOSE}\r\n`],
    403,
  ],
  ["a web socket", [`GET / HTTP/1.1\r\n${HOST}${UPGRADE}`], 404],
  ["a web socket to the API", [`GET ${TXT2IMG} HTTP/1.1\r\n${HOST}${UPGRADE}`], 405],
  ["200 at once", [`${HEALTH}\r\n`.repeat(199) + `${HEALTH}${CLOSE}\r\n`], ...Array(200).fill(200)],
  ["a thousand ranges", [`${HEALTH}${CLOSE}Range: bytes=${"0-,".repeat(1000)}0-\r\n\r\n`], 200],
  ["a long wish of types", [`${HEALTH}${CLOSE}Accept: ${"*/*;q=0.1,".repeat(1000)}\r\n\r\n`], 200],
  ["a packed body", [`${JSON_POST}${CLOSE}Content-Encoding: gzip\r\nContent-Length: 14\r\n\r\n${BODY}`], 415],
];

Deno.test("requests of strange shapes are answered once, refused or closed; the next client is served", async () => {
  const engine = new FakeEngine();
  const options = { ...OPTIONS, hosts: ["localhost"], maxBodyBytes: 1 << 20, bodyTimeoutMs: 2000 };
  const server = new ImageServer(engine, options);
  const http = await listen({ hostname: "127.0.0.1", port: 0 }, server.handle);
  try {
    for (const [name, parts, ...wanted] of SHAPES) {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port: http.port });
      let said = "";
      const reading = (async () => {
        for await (const piece of connection.readable.pipeThrough(new TextDecoderStream())) said += piece;
      })().catch(() => {});
      const writer = connection.writable.getWriter();
      for (const part of parts) await writer.write(new TextEncoder().encode(part)).catch(() => {});
      await reading;
      const statuses = [...said.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));
      assertEquals(statuses, wanted, `${name}: ${said.slice(0, 300)}`);
    }
    assertEquals(engine.asked.length, 1);
    assertEquals(server.pending, 0);
  } finally {
    await server.close();
    await http.end(0);
  }
});

Deno.test("bodies with names of prototypes, broken text or junk in base64 are refused by field", async () => {
  const server = new ImageServer(new FakeEngine(), OPTIONS);
  const cases: [string, string | Uint8Array<ArrayBuffer>, number, string][] = [
    [TXT2IMG, '{"prompt":"x","__proto__":{"steps":1}}', 422, "__proto__"],
    [TXT2IMG, '{"prompt":"x","constructor":{}}', 422, "constructor"],
    [TXT2IMG, '{"prompt":"x","override_settings":{"__proto__":{}}}', 422, "__proto__"],
    [TXT2IMG, new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 400, "no JSON"],
    [TXT2IMG, "[".repeat(100_000), 400, "nests"],
    [TXT2IMG, '{"prompt":"x","steps":4,"pr\\u006fmpt" : "y"}', 400, '"prompt" twice'],
    [TXT2IMG, '{"prompt":"a: \\"x\\"","steps":[{"a":1},{"a":2}],"steps":4}', 400, '"steps" twice'],
    [
      TXT2IMG,
      '{"prompt":"x","lora":[{"path":"a","path":"a"}],"nn":1}',
      422,
      '"nn" is no',
    ],
    [TXT2IMG, '{"prompt":"x","batch_size":4,"n_iter":5}', 422, "n_iter"],
    [TXT2IMG, '{"prompt":"x","n_iter":1e9}', 422, "n_iter"],
    ["/v1/images/generations", '{"prompt":"x","n":17}', 400, '"n"'],
    ["/v1/images/generations", '{"prompt":"x","n":0}', 400, '"n"'],
    ["/v1/images/generations", '{"prompt":"x","n":1.5}', 400, '"n"'],
    ["/sdapi/v1/img2img", '{"prompt":"x","init_images":["!!!!"]}', 422, "init_images"],
    ["/sdapi/v1/img2img", `{"prompt":"x","init_images":["${btoa("<svg xmlns=''/>")}"]}`, 422, "init_images"],
  ];
  for (const [path, body, want, word] of cases) {
    const [status, said] = await refused(server, post(path, body));
    assertEquals(status, want, said);
    assertStringIncludes(JSON.stringify(JSON.parse(said)).replaceAll("\\", ""), word);
  }
});

Deno.test("slashes of one's own, fields in the address, other methods and misspelt paths: answered, or refused with what was meant", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  for (const path of ["//sdapi/v1/samplers", "/sdapi/v1/samplers/", "//v1//models//", "/api/object_info/"]) {
    assertEquals((await refused(server, get(path)))[0], 200, path);
  }
  const body = { prompt: "x" };
  assertEquals((await refused(server, post(`/${TXT2IMG}/`, body)))[0], 200);
  assertEquals((await refused(server, post("/v1/images/generations?api-version=2025-04-01", body)))[0], 200);
  const openai = (said: string): string => JSON.parse(said).error.message;
  const a1111 = (said: string): string => JSON.parse(said).detail;
  const cases: [Request, number, (said: string) => string, string][] = [
    [post(`${TXT2IMG}?steps=5`, body), 422, a1111, '"steps" stands in the address'],
    [post("/v1/images/generations?n=2", body), 400, openai, '"n" stands in the address'],
    [post("/sdapi/v1/txt2imgs", body), 404, a1111, "did you mean /sdapi/v1/txt2img?"],
    [get("/nowhere"), 404, a1111, "There is no /nowhere here"],
    [get("/x"), 404, a1111, "There is no /x here"],
    [get("/v1/nowhere"), 404, openai, "There is no /v1/nowhere here"],
    [get("/v1/images/generations"), 405, openai, "/v1/images/generations answers POST only"],
    [post("/v1/images/variations", {}), 400, openai, "not supported; /v1/images/edits"],
    [get("/sdapi/v1/progress?skip_current_image=perhaps"), 422, a1111, "expected true or false"],
    [post(TXT2IMG, ""), 400, a1111, "The body is empty"],
    [post(TXT2IMG, '{"prompt":"x","steps":1e999}'), 422, a1111, '"steps" is Infinity'],
  ];
  const drawn = engine.asked.length;
  for (const [request, want, sentence, words] of cases) {
    const [status, said] = await refused(server, request);
    assertEquals(status, want, said);
    assertStringIncludes(sentence(said), words);
    assert(words.includes("mean") || !said.includes("did you mean"), said);
  }
  assertEquals(engine.asked.length, drawn);
  const head = await server.handle(new Request(get("/v1/models"), { method: "HEAD" }));
  assertEquals(head.status, 200);
  await head.body?.cancel();
  for (const word of ["True", "1", "false"]) {
    assertEquals((await refused(server, get(`/sdapi/v1/progress?skip_current_image=${word}`)))[0], 200, word);
  }
});

Deno.test("whatever JSON comes in place of a body, no route fails on it", async () => {
  const failed: unknown[] = [];
  const server = new ImageServer(new FakeEngine(), {
    ...OPTIONS,
    onError: (error) => void failed.push(error),
  });
  for (const [path, methods] of Object.entries(server.openApi().paths as Record<string, object>)) {
    if (!("post" in methods)) continue;
    for (const body of ["null", "[]", '"x"', "1", "true", "{}", '{"x":1}']) {
      const [status, said] = await refused(server, post(path, body));
      assert(status < 500, `${path} ${body}: ${status} ${said}`);
    }
  }
  assertEquals(failed, []);
  await server.close();
});

Deno.test("no spelling of a path leads out of the page's files", async () => {
  const asked: string[] = [];
  const page = (path: string): Promise<undefined> => {
    asked.push(path);
    return Promise.resolve(undefined);
  };
  const server = new ImageServer(new FakeEngine(), { ...OPTIONS, page });
  const up = [
    "../",
    "..%2f",
    "%2e%2e/",
    "%2e%2e%2f",
    "..\\",
    "..%5c",
    "%252e%252e%252f",
    "....//",
    "%c0%ae%c0%ae/",
  ];
  for (const at of ["/", "/sdapi/v1/", "/v1/models/", "/weights/"]) {
    for (const one of up) {
      const [status, said] = await refused(server, get(`${at}${one.repeat(6)}etc/passwd`));
      assertEquals(status, 404, said);
      assert(!said.includes("root:"), said);
    }
  }
  for (const path of asked) assert(!path.split("/").includes(".."), path);
});

Deno.test("open to the network and without a token a server answers to addresses and names at home only", () => {
  const home = ["192.168.0.7", "[fe80::1]", "localhost", "workstation", "pc.local", "nas.lan", "a.home.arpa"];
  for (const name of home) assert(isLocalName(name), name);
  for (
    const name of [
      "evil.example",
      "192.168.0.7.evil.example",
      "local.evil",
      "x.localx",
      "",
      "1.2.3.4.5",
      "[evil.example]",
    ]
  ) {
    assert(!isLocalName(name), name);
  }
});

Deno.test("a picture that the driver refuses fails alone: the next one finds a new device", async () => {
  const log: string[] = [];
  const pipeline = (faulty: boolean): Pipeline => {
    const engine = new FakeEngine();
    return {
      info: engine.info,
      plan: (request: Parameters<Pipeline["plan"]>[0]) => engine.plan(request),
      generate: (...args: Parameters<FakeEngine["generate"]>) =>
        faulty
          ? Promise.reject(new DeviceFaultError("The GPU refused a command: x"))
          : engine.generate(...args),
      [Symbol.asyncDispose]: () => Promise.resolve(void log.push("closed")),
    } as unknown as Pipeline;
  };
  const open = (): Promise<Pipeline> => Promise.resolve(void log.push("opened")).then(() => pipeline(false));
  const engine = new ReopeningEngine(pipeline(true), open, (_, end) => void log.push(end ? "end" : "told"));
  const server = new ImageServer(engine, OPTIONS);
  assertEquals((await refused(server, post(TXT2IMG, { prompt: "x" })))[0], 500);
  assertEquals(log, ["told"]);
  for (let i = 0; i < 2; i++) assertEquals((await refused(server, post(TXT2IMG, { prompt: "x" })))[0], 200);
  assertEquals(log, ["told", "closed", "opened"]);
});
