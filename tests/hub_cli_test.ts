/** The program and a hub: models by name, processes that are killed, least permissions. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { decodePng } from "../lib/image/png.ts";
import { checkCache, GOLDEN, walkFiles } from "./hub_files.ts";
import { asked, COMMIT, HubServer } from "./hub_server.ts";

const CLI = fromFileUrl(new URL("../cli.ts", import.meta.url));
const REPO = "acme/tiny-sd";
const TOKEN = "hf_abcdefghijklmnopqrstuvwxyz";
const ALL = ["-A", "--no-check"];
/** Processes that are killed; HUB_KILLS for more of them. */
const KILLS = Number(Deno.env.get("HUB_KILLS") ?? 6);

interface Place {
  readonly hub: HubServer;
  readonly folder: string;
  readonly cache: string;
  start(args: readonly string[], permissions?: readonly string[]): Deno.Command;
  run(
    args: readonly string[],
    permissions?: readonly string[],
  ): Promise<{ code: number; out: string; err: string }>;
}

async function withHub(use: (place: Place) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const cache = join(folder, "hub");
  await using hub = new HubServer({ token: TOKEN });
  hub.add(REPO, await walkFiles(GOLDEN));
  const env = { NO_COLOR: "1", HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache, HF_TOKEN: TOKEN };
  const start: Place["start"] = (args, permissions = ALL) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", ...permissions, CLI, ...args],
      cwd: folder,
      env,
      stdout: "piped",
      stderr: "piped",
    });
  try {
    await use({
      hub,
      folder,
      cache,
      start,
      run: async (...args) => {
        const { code, stdout, stderr } = await start(...args).output();
        const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
        assert(!`${out}${err}`.includes(TOKEN), "the token is not told");
        return { code, out, err };
      },
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("generate -m ORG/NAME draws the pixels that the same model's folder gives, and downloads it once", async () => {
  await withHub(async ({ hub, folder, run }) => {
    const draw = async (model: string, out: string) => {
      const { code, err } = await run(
        [
          "generate",
          "-m",
          model,
          "a cat",
          "--size",
          "64",
          "--steps",
          "2",
          "--method",
          "direct",
          "--dtype",
          "f32",
          "-o",
          out,
        ],
      );
      assertEquals(code, 0, err);
      return { err, picture: await decodePng(await Deno.readFile(join(folder, out)), out) };
    };
    const local = await draw(GOLDEN, "local.png");
    const first = await draw(REPO, "first.png");
    assertEquals(first.picture, local.picture);
    assertStringIncludes(first.err, "983 kB");
    // What is there already is not asked for again, however it is spelled.
    const { sent } = hub;
    const again = await run(["download", `hf.co/${REPO}`]);
    assertEquals([again.code, again.err, hub.sent], [0, "", sent]);
  });
});

Deno.test("inspect and plan read a hub's model without keeping or downloading its weights", async () => {
  await withHub(async ({ hub, cache, run }) => {
    const inspected = await run(["inspect", REPO, "--json"]);
    assertEquals(inspected.code, 0, inspected.err);
    const here = await run(["inspect", GOLDEN, "--json"]);
    assertEquals(JSON.parse(inspected.out).components, JSON.parse(here.out).components);
    const planned = await run(["plan", "-m", REPO, "--size", "64", "--method", "direct"]);
    assertEquals(planned.code, 0, planned.err);
    assertEquals(planned.out, (await run(["plan", "-m", GOLDEN, "--size", "64", "--method", "direct"])).out);
    // Configs, tokenizers and headers, three times, since inspect plans memory too; the weights have 0.9 MB each time.
    assert(hub.sent < 450_000, `${hub.sent} bytes`);
    assertEquals(await Deno.stat(cache).catch(() => "none"), "none");
  });
});

Deno.test("what download cannot do ends with exit code 2 and one line that says what to do", async () => {
  await withHub(async ({ run }) => {
    for (
      const [args, ...words] of [
        [["download"], "ORG/NAME"],
        [["download", "./models"], "./models", "ORG/NAME"],
        [["download", "acme/none"], "acme/none", "no model"],
        [["download", REPO, "--revision", "v9"], "v9", "/tree/main"],
        [["download", REPO, "--include", "*.zip"], "--include"],
        [["generate", "-m", "acme/none", "a cat"], "no file or folder", "acme/none"],
        // Nobody is asked for a file of weights that lies in a folder.
        [["generate", "-m", "models/x.gguf", "a cat"], '"models/x.gguf"', "no such file or folder here"],
      ] as [string[], ...string[]][]
    ) {
      const { code, out, err } = await run(args);
      assertEquals([code, out, err.trimEnd().split("\n").length], [2, "", 1], `${args.join(" ")}: ${err}`);
      for (const word of words) assertStringIncludes(err, word);
    }
  });
});

Deno.test("a path that looks like a hub's name is a missing path, too, where the hub does not answer", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...ALL, CLI, "plan", "-m", "acme/none"],
    env: { NO_COLOR: "1", HF_ENDPOINT: "http://127.0.0.1:9" },
  }).output();
  const said = new TextDecoder().decode(stderr);
  assertEquals(code, 2, said);
  assertStringIncludes(
    said,
    'Error: There is no file or folder "acme/none" here. Cannot reach http://127.0.0.1:9',
  );
});

Deno.test("download needs no permission but the hub, the cache and the names of its variables", async () => {
  await withHub(async ({ hub, cache, run }) => {
    const hosts = [hub.endpoint, hub.dataHost].map((url) => new URL(url).host).join(",");
    const names = "HF_ENDPOINT,HF_TOKEN,HF_HUB_CACHE,HF_HOME,HOME";
    const { code, out, err } = await run(["download", REPO, "--json"], [
      "--no-check",
      "--no-prompt",
      `--allow-net=${hosts}`,
      `--allow-env=${names}`,
      `--allow-read=${cache}`,
      `--allow-write=${cache}`,
    ]);
    assertEquals(code, 0, err);
    const files = await walkFiles(GOLDEN);
    assertEquals(
      await checkCache(join(cache, "models--acme--tiny-sd"), COMMIT, files),
      [...files.keys()].sort(),
    );
    const { path, commit, bytes } = JSON.parse(out);
    assertEquals([path, commit], [join(cache, "models--acme--tiny-sd", "snapshots", COMMIT), COMMIT]);
    assertEquals(bytes, [...files.values()].reduce((sum, { length }) => sum + length, 0));
    // What is not permitted is said at once: another try would not be permitted either.
    const alone = await run(["download", REPO], ["--no-check", "--no-prompt", `--allow-env=${names}`]);
    assertEquals([alone.code, alone.err.trimEnd().split("\n").length], [2, 1], alone.err);
    assertStringIncludes(alone.err, "--allow-");
    const offline = await run(["download", REPO], [
      ...[
        "--no-check",
        "--no-prompt",
        `--allow-env=${names}`,
        `--allow-read=${cache}`,
        `--allow-write=${cache}`,
      ],
    ]);
    assertEquals([offline.code, offline.err.trimEnd().split("\n").length], [2, 1], offline.err);
    assertStringIncludes(offline.err, "--allow-net");
  });
});

Deno.test("a download that is killed at any moment leaves nothing half under a final name, and goes on", async () => {
  await withHub(async ({ hub, cache, start, run }) => {
    // Random weights: what is drawn does not matter here, and several blocks do.
    const files = await walkFiles(GOLDEN);
    const weights = new Uint8Array(6 << 20);
    for (let at = 0; at < weights.length; at += 65536) {
      crypto.getRandomValues(weights.subarray(at, at + 65536));
    }
    files.set("unet/diffusion_pytorch_model.safetensors", weights);
    hub.add(REPO, files);
    const total = [...files.values()].reduce((sum, { length }) => sum + length, 0);
    const root = join(cache, "models--acme--tiny-sd");
    let rounds = 0;
    for (let kills = 0; kills < KILLS;) {
      hub.settings.rate = 4_000_000;
      const child = start(["download", REPO, "-q"]).spawn();
      const ended = child.output();
      const late = await Promise.race([
        ended.then(() => false),
        new Promise((resolve) => setTimeout(() => resolve(true), 150 + 1500 * Math.random())),
      ]);
      if (late) {
        child.kill("SIGKILL");
        kills++;
      }
      await ended;
      const there = await checkCache(root, COMMIT, files);
      if (there.length < files.size && late) continue;
      rounds++;
      await Deno.remove(cache, { recursive: true });
    }
    hub.settings.rate = undefined;
    const before = hub.seen.length;
    const { code, err } = await run(["download", REPO]);
    assertEquals(code, 0, err);
    assertEquals(await checkCache(root, COMMIT, files), [...files.keys()].sort());
    assertEquals([...Deno.readDirSync(join(root, "blobs"))].filter(({ name }) => name.includes(".")), []);
    assert(asked(hub.seen.slice(before).filter(({ host }) => host === "data")) <= total);
    if (Deno.env.has("HUB_KILLS")) console.log(`${KILLS} killed, ${rounds} ended well in between`);
  });
});
