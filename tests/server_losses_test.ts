/** `serve` and `generate` as processes whose GPU device is really lost, or full: see losing_gpu.ts. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";

const ROOT = new URL("../", import.meta.url).pathname;
const MODEL = `${ROOT}tests/golden/pipelines/dit/model`;
const ARGS = ["run", "-A", "--no-check", "--config", `${ROOT}deno.json`, `${ROOT}tests/losing_gpu.ts`];
const SMALL = { prompt: "207", width: 32, height: 32, steps: 2, seed: 5, method: "direct" };

Deno.test("a lost device is opened again under the server, a full one refuses one request, a second loss ends it with 1", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...ARGS, "serve", "--model", MODEL, "--dtype", "f32", "--quiet", "--port", "0"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const orders = child.stdin.getWriter();
  let said = "";
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) said += text;
  })();
  const order = async (word: string): Promise<void> => {
    const before = said.split(word === "full" ? "full\n" : "lost\n").length;
    await orders.write(new TextEncoder().encode(`${word}\n`));
    while (word === "lose" && said.split("lost\n").length === before) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  try {
    const printed = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const address = (await printed.read()).value!.trim();
    const post = async (body: unknown): Promise<{ status: number; images?: string[]; error?: string }> => {
      const response = await fetch(`${address}sdapi/v1/txt2img`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      return { status: response.status, ...await response.json() };
    };
    const first = (await post(SMALL)).images!;
    assertEquals(first.length, 1);

    // While nothing is drawn: the next request finds a new device.
    await order("lose");
    assertEquals((await post(SMALL)).images, first);

    // In the middle of a batch, with another request waiting: both get the pictures that they would have got.
    const batch = post({ ...SMALL, steps: 20, n_iter: 2 });
    for (let progress = 0; progress === 0;) {
      progress = (await (await fetch(`${address}sdapi/v1/progress?skip_current_image=true`)).json()).progress;
    }
    const waiting = post(SMALL);
    await order("lose");
    assertEquals((await waiting).images, first);
    assertEquals((await batch).images?.length, 2);

    // No room for a picture of another size: its request alone fails.
    await order("full");
    const refusal = await post({ ...SMALL, width: 64, height: 64 });
    assertEquals([refusal.status, refusal.error], [500, "out_of_memory"]);
    assertEquals((await post(SMALL)).images, first);

    // Lost, and lost again while it is opened.
    await order("lose-next");
    await order("lose");
    // Told as what it is, or as the end of the server that follows.
    const { error } = await post(SMALL);
    assert(error === "device_lost" || error === "closing", error);
    assertEquals((await child.status).code, 1, said);
    assertStringIncludes(said, "could not be opened again; the server ends");
    await printed.cancel();
  } finally {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await child.status;
    await orders.abort().catch(() => {});
    await reading;
  }
});

Deno.test("a device that is lost while generate loads is one line and exit code 1", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...ARGS, "--lose-first", "generate", "--model", MODEL, "207", "--size", "32", "--quiet"],
      cwd: folder,
      stdin: "null",
    }).output();
    const [out, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assertEquals([code, out, [...Deno.readDirSync(folder)]], [1, "", []], said);
    assert(/^Error: The GPU device was lost: [^\n]*\n$/m.test(said) && !said.includes("    at "), said);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
