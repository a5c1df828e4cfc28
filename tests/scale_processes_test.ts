/** One server and four worker processes under fire; and the commands as users type them. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { embeddedModel } from "../scale/models.ts";
import { pixelsOf, prove } from "../tools/scale_proof.ts";

Deno.test("workers are killed, Redis is restarted, clients leave: every request is answered once, with its own picture", async () => {
  const { hash } = await embeddedModel();
  const { seconds: _, sentAgain: __, killed, ...result } = await prove({
    jobs: 100,
    workers: 4,
    worker: (redis, store) => ["tests/scale_worker.ts", redis, store, hash, "1000"],
    killEveryMs: 800,
    kills: 4,
    clients: 8,
    // The fake machine's pictures say which seed they are of.
    expected: async (seed, file) => {
      const rgb = await pixelsOf(file);
      return rgb.length === 64 * 64 * 3 && rgb.every((v, i) => v === (seed + i) % 256);
    },
  });
  assert(killed > 0);
  assertEquals([result.answered + result.left, result.wrong, result.remaining], [100, 0, 0]);
});

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "cli.ts", ...args],
    cwd: new URL("../", import.meta.url),
    env: { NO_COLOR: "1" },
  }).output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

Deno.test("what queues cannot be is said before anything is loaded, without passwords", async () => {
  const rows: [string[], string][] = [
    [["worker"], "needs --queue, for example redis://localhost:6379"],
    [["worker", "--queue", "http://user:secret@h"], '--queue is "http://h", expected redis://HOST:6379'],
    [
      ["worker", "--queue", "redis://h", "--max-size", "100"],
      "expected at least 512, the smallest class of sizes",
    ],
    [["worker", "on", "a", "roof"], 'to draw it: cli.ts generate "worker on a roof"'],
    [["queue", "lost", "--queue", "redis://h"], "did you mean `queue list`?"],
    [["serve", "--port", "0", "--store", "x"], "--store needs --queue"],
    [
      ["serve", "--port", "0", "--queue", "redis://h", "--dtype", "f32"],
      "--dtype does not go with --queue: workers draw",
    ],
    [
      ["serve", "--port", "0", "--queue", "redis://h", "--store", "ftp://u:secret@x/y"],
      '--store is "ftp://…@x/y"',
    ],
    [["worker", "--queue", "redis://h", "--models", "/nowhere"], 'is "/nowhere", which is no folder'],
  ];
  await Promise.all(rows.map(async ([args, words]) => {
    const { code, err } = await cli(...args);
    assertStringIncludes(err, words);
    assertEquals([code, err.trim().split("\n").length, err.includes("secret")], [2, 1, false], err);
  }));
});
