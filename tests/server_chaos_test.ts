/**
 * The command `serve` as a process of its own, with the permissions that it needs and no other: a crowd of good, bad, slow and
 * vanishing clients, and its end in the middle of them.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decodePng } from "../lib/image/png.ts";
import { bytesOf } from "./fake_engine.ts";

const ROOT = new URL("../", import.meta.url).pathname;

/** `serve` with the embedded model. */
class Serving implements AsyncDisposable {
  /** What it has said on standard error. */
  said = "";
  private readonly reading: Promise<void>;

  private constructor(
    readonly process: Deno.ChildProcess,
    readonly port: number,
    private readonly printed: ReadableStreamDefaultReader<string>,
  ) {
    this.reading = (async () => {
      for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) this.said += text;
    })();
  }

  static async start(): Promise<Serving> {
    const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = probe.addr as Deno.NetAddr;
    probe.close();
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--no-check",
        `--allow-read=${ROOT}`,
        `--allow-net=127.0.0.1:${port}`,
        "--config",
        `${ROOT}deno.json`,
        `${ROOT}tests/losing_gpu.ts`,
        "serve",
        "--quiet",
        "--port",
        String(port),
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await reader.read();
    const serving = new Serving(process, port, reader);
    assertEquals(value, `http://127.0.0.1:${port}/\n`, serving.said);
    return serving;
  }

  async post(path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
    return await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...init.headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
      signal: init.signal,
    });
  }

  async get(path: string): Promise<Response> {
    return await fetch(`http://127.0.0.1:${this.port}${path}`);
  }

  /** Destroys the GPU device, whatever it does. */
  async lose(): Promise<void> {
    const orders = this.process.stdin.getWriter();
    await orders.write(new TextEncoder().encode("lose\n"));
    orders.releaseLock();
    await this.until("lost\n");
  }

  /** Sends bytes that are no whole request, and leaves the connection open. */
  async half(text: string): Promise<Deno.TcpConn> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    await connection.write(new TextEncoder().encode(text));
    return connection;
  }

  /** Bytes of memory that the process holds; 0 where the system does not say. */
  async resident(): Promise<number> {
    const status = await Deno.readTextFile(`/proc/${this.process.pid}/status`).catch(() => "");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  }

  async until(words: string): Promise<void> {
    for (const end = Date.now() + 60_000; !this.said.includes(words) && Date.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assertStringIncludes(this.said, words);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.process.status;
    await this.process.stdin.close().catch(() => {});
    await this.printed.cancel();
    await this.reading.catch(() => {});
  }
}

/** A PNG of 16384 × 16384 pixels, as far as its header says. */
function bomb(): string {
  const bytes = new Uint8Array(57);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]);
  bytes.set(new TextEncoder().encode("IHDR"), 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(16, 16384);
  view.setUint32(20, 16384);
  bytes.set([8, 6], 24);
  view.setUint32(29, crc(bytes.subarray(12, 29)));
  return btoa(String.fromCharCode(...bytes));
}

function crc(bytes: Uint8Array): number {
  let value = ~0;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return ~value >>> 0;
}

const SMALL = { prompt: "a red apple", width: 64, height: 64, steps: 1, method: "direct", seed: 5 };
const TXT2IMG = "/sdapi/v1/txt2img";

Deno.test("240 clients of every kind, a device that is lost among them, each good one gets his picture, and an end in the middle of a second crowd", async () => {
  await using serving = await Serving.start();
  const first = await (await serving.post(TXT2IMG, SMALL)).json();
  const before = await serving.resident();
  const open: Deno.TcpConn[] = [];
  const evil = { headers: { origin: "https://evil.example" } };
  const long = { ...SMALL, prompt: "x".repeat(100_000) };
  const refusals: [string, unknown, RequestInit, number][] = [
    [TXT2IMG, { ...SMALL, promt: "x" }, {}, 422],
    [TXT2IMG, { ...SMALL, steps: 1e9 }, {}, 422],
    [TXT2IMG, { ...SMALL, width: 16384, height: 16384 }, {}, 422],
    [TXT2IMG, "{", {}, 400],
    [TXT2IMG, long, {}, 422],
    ["/sdapi/v1/img2img", { ...SMALL, init_images: [bomb()] }, {}, 422],
    ["/sdapi/v1/interrupt", {}, evil, 403],
    ["/v1/images/generations", { prompt: "x", background: "transparent" }, {}, 400],
    ["/nowhere", {}, {}, 404],
  ];
  const head = `POST ${TXT2IMG} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
  const halves = [
    "GET / HT",
    `${head}Content-Length: 99\r\n\r\n{`,
    "\x16\x03\x01\0\0",
    `${head}Content-Length: -1\r\n\r\n`,
  ];
  const clients = Array.from({ length: 240 }, async (_, i) => {
    if (i % 12 === 0) {
      const response = await serving.post(TXT2IMG, SMALL);
      assertEquals(response.status, 200);
      // The same seed in the crowd is the same picture.
      assertEquals((await response.json()).images[0], first.images[0]);
    } else if (i % 12 === 1) {
      const left = new AbortController();
      setTimeout(() => left.abort(), i % 40);
      await serving.post(TXT2IMG, SMALL, { signal: left.signal }).then((r) => r.body?.cancel(), () => {});
    } else if (i % 12 === 2) {
      open.push(await serving.half(halves[(i - 2) / 12 % halves.length]));
    } else if (i % 12 === 3) {
      const answer = await serving.get(["/sdapi/v1/progress", "/metrics", "/health", "/v1/models"][i % 4]);
      assertEquals(answer.status, 200);
      await answer.body?.cancel();
    } else {
      const [path, body, init, want] = refusals[i % refusals.length];
      const response = await serving.post(path, body, init);
      const text = await response.text();
      assertEquals(response.status, want, `${path}: ${text.slice(0, 200)}`);
      assert(JSON.parse(text).error);
    }
  });
  // The device is lost with most of the crowd waiting.
  await Promise.race(clients.filter((_, i) => i % 12 === 0));
  await serving.lose();
  await Promise.all(clients);
  const picture = await decodePng(bytesOf(first.images[0]));
  assertEquals([picture.width, picture.height], [64, 64]);
  assertStringIncludes(await (await serving.get("/metrics")).text(), "lssgen_queue_length 0\n");
  const grown = (await serving.resident() - before) / 2 ** 20;
  console.log(
    `memory: ${Math.round(before / 2 ** 20)} MiB before the crowd, ${Math.round(grown)} MiB more after it`,
  );
  assert(grown < 400, `${grown} MiB more than before the crowd`);

  // One good client at a time, alone and then among bad ones that never stop: told, not held to a time.
  const slowest = async (): Promise<number> => {
    let most = 0;
    for (let i = 0; i < 5; i++) {
      const began = performance.now();
      const response = await serving.post(TXT2IMG, SMALL);
      assertEquals((await response.json()).images[0], first.images[0]);
      most = Math.max(most, performance.now() - began);
    }
    return most;
  };
  const alone = await slowest();
  let over = false;
  const pests = Array.from({ length: 16 }, async (_, i) => {
    for (let n = i; !over; n += 16) {
      const [path, body, init, want] = refusals[n % refusals.length];
      const response = await serving.post(path, body, init);
      assertEquals(response.status, want, await response.text());
    }
  });
  const among = await slowest().finally(() => over = true);
  await Promise.all(pests);
  console.log(
    `slowest of five pictures: ${Math.round(alone)} ms alone, ${Math.round(among)} ms among 16 bad clients`,
  );

  // Half-open connections are still there; among twenty pictures the server is told to end.
  const second = Array.from({ length: 20 }, () => serving.post(TXT2IMG, { ...SMALL, steps: 8 }));
  await Promise.race(second);
  serving.process.kill("SIGTERM");
  const answers = await Promise.allSettled(second);
  let drawn = 0;
  for (const answer of answers) {
    assert(answer.status === "fulfilled", "a request that was taken is answered");
    const { status, headers } = answer.value;
    assert(status === 200 || (status === 503 && Number(headers.get("retry-after")) > 0), String(status));
    if (status === 200) drawn++;
    await answer.value.body?.cancel();
  }
  assert(drawn >= 1 && drawn < 20, `${drawn} of 20 were drawn`);
  assertEquals((await serving.process.status).code, 0, serving.said);
  for (const connection of open) connection.close();
});

Deno.test("a second SIGTERM ends the server at once, whatever it draws", async () => {
  await using serving = await Serving.start();
  const drawing = serving.post(TXT2IMG, { ...SMALL, steps: 150, n_iter: 16 }).catch(() => {});
  for (let progress = 0; progress === 0;) {
    progress = (await (await serving.get("/sdapi/v1/progress?skip_current_image=true")).json()).progress;
  }
  serving.process.kill("SIGTERM");
  await serving.until("a second signal ends at once");
  serving.process.kill("SIGTERM");
  assertEquals((await serving.process.status).code, 143);
  await drawing;
});
