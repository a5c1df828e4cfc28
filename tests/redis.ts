/** A Redis of a test's own, which can be stopped and started again, and fake machines in front of it. */

import { pause } from "./waiting.ts";
import { redisServer } from "../tools/redis.ts";

/** See the module. */
export class TestRedis implements AsyncDisposable {
  private process: Deno.ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly more: readonly string[],
  ) {}

  /** Address. */
  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts one with an append-only file. */
  static async start(...more: readonly string[]): Promise<TestRedis> {
    const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = probe.addr as Deno.NetAddr;
    probe.close();
    const redis = new TestRedis(port, await Deno.makeTempDir(), more);
    await redis.begin();
    return redis;
  }

  /** Starts it (again). */
  async begin(): Promise<void> {
    const { path, env } = await redisServer();
    this.process = new Deno.Command(path, {
      args: [
        ...["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.folder, "--save", ""],
        ...[
          "--appendonly",
          "yes",
          "--appendfsync",
          "always",
          "--maxmemory-policy",
          "noeviction",
          ...this.more,
        ],
      ],
      env,
      stdout: "null",
      stderr: "null",
    }).spawn();
    for (let tries = 0; tries < 400; tries++) {
      if ((await this.say("PING").catch(() => "")).startsWith("+PONG")) return;
      await pause(25);
    }
    throw new Error("redis-server does not answer");
  }

  /** Ends it, as a crash does. */
  async kill(): Promise<void> {
    this.process?.kill("SIGKILL");
    await this.process?.status;
  }

  /** One command, one answer. */
  async say(...words: string[]): Promise<string> {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    const encoder = new TextEncoder();
    await connection.write(encoder.encode(
      `*${words.length}\r\n` + words.map((word) => `$${encoder.encode(word).length}\r\n${word}\r\n`).join(""),
    ));
    const buffer = new Uint8Array(1 << 16);
    const n = await connection.read(buffer);
    return new TextDecoder().decode(buffer.subarray(0, n ?? 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.folder, { recursive: true });
  }
}
