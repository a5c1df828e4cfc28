/** One server and four worker processes under fire; and the commands as users type them. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { parseOptions } from "../lib/cli/options.ts";
import { serve } from "../lib/cli/serve.ts";
import type { Terminal } from "../lib/cli/terminal.ts";
import { AbortedError, LssgenError } from "../lib/errors.ts";
import { type DrawCall, Drawing } from "../scale/drawing.ts";
import { embeddedModel } from "../scale/models.ts";
import { queueCommand } from "../scale/queue_command.ts";
import { serving } from "../scale/serving.ts";
import { worker } from "../scale/worker.ts";
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

Deno.test("what queues cannot be is said before anything is loaded, without passwords", async () => {
  const terminal: Terminal = {
    print: () => {},
    note: () => {},
    draw: () => {},
    tty: false,
    columns: 80,
    signal: new AbortController().signal,
  };
  const rows: [string[], string][] = [
    [["worker"], "needs --queue, for example redis://localhost:6379"],
    [["worker", "--queue", "http://user:secret@h"], '--queue is "http://h", expected redis://HOST:6379'],
    [
      ["worker", "--queue", "redis://h", "--max-size", "100"],
      "expected at least 512, the smallest class of sizes",
    ],
    [["worker", "on", "a", "roof"], 'to draw it: cli.ts generate "worker on a roof"'],
    [["worker", "--queue", "redis://h", "--models", "/nowhere"], 'is "/nowhere", which is no folder'],
    [["queue", "lost", "--queue", "redis://h"], "did you mean `queue list`?"],
    [["serve", "--port", "0", "--store", "x"], "--store needs --queue"],
    [["serve", "--port", "0", "--split-stages", "always"], "--split-stages needs --queue"],
    [
      ["serve", "--port", "0", "--queue", "redis://h", "--dtype", "f32"],
      "--dtype does not go with --queue: workers draw",
    ],
    [
      ["serve", "--port", "0", "--queue", "redis://h", "--store", "ftp://u:secret@x/y"],
      '--store is "ftp://…@x/y"',
    ],
  ];
  for (const [args, words] of rows) {
    const options = parseOptions(args);
    const error = await assertRejects(async () => {
      if (options.command === "worker") await worker(options, terminal);
      else if (options.command === "queue") await queueCommand(options, terminal);
      else await serve(options, terminal, () => Promise.resolve({ worker, queueCommand, serving }));
    }, LssgenError);
    assertStringIncludes(error.message, words);
    assertEquals([error.code, error.message.includes("secret")], ["bad_option", false]);
  }
});

Deno.test("without --queue no package is fetched, with it the command line finds its entry", async () => {
  const cli = async (env: Record<string, string>, ...args: string[]): Promise<[number, string]> => {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", ...args],
      cwd: new URL("../", import.meta.url),
      env: { NO_COLOR: "1", ...env },
      stdout: "null",
    }).output();
    return [code, new TextDecoder().decode(stderr)];
  };
  const folder = await Deno.makeTempDir();
  assertEquals(await cli({ DENO_DIR: folder }, "--cached-only", "cli.ts", "plan", "--size", "64"), [0, ""]);
  const [code, err] = await cli(
    { DENO_DIR: folder },
    "--cached-only",
    "cli.ts",
    "worker",
    "--queue",
    "redis://h",
  );
  assert(code !== 0 && /npm|cached/.test(err), err);
  assertEquals((await cli({}, "cli.ts", "worker"))[0], 2);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a picture that is stopped leaves the drawing thread with its model on the GPU", async () => {
  using drawing = new Drawing(() => {});
  const path = fromFileUrl(new URL("golden/pipelines/sd15/model", import.meta.url));
  const stop = new AbortController();
  let steps = 0;
  const call: DrawCall = {
    model: { name: "sd15", hash: "hash", path },
    engine: {},
    request: { prompt: "x", width: 64, height: 64, steps: 60, seed: 1 },
    pixels: 64 * 64,
    loras: {},
  };
  await assertRejects(
    () =>
      drawing.draw(call, stop.signal, ({ phase, step }) => {
        if (phase === "denoise" && step && ++steps === 2) stop.abort();
      }),
    AbortedError,
  );
  assertEquals(drawing.loaded, "hash");
});
