/** Commands that write, killed at random moments: every file is whole or not there, and the next run ends as if nothing had been. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { decodePng } from "../lib/image/png.ts";

/** Processes that are killed; EDGE_KILLS for more of them, EDGE_SEED for other moments. (Downloads: HUB_KILLS.) */
const KILLS = Number(Deno.env.get("EDGE_KILLS") ?? 4);
const SEED = Number(Deno.env.get("EDGE_SEED") ?? 1);

const ROOT = new URL("../", import.meta.url).pathname;
const DIT = `${ROOT}tests/golden/pipelines/dit/model`;
const SD15 = `${ROOT}tests/golden/pipelines/sd15/model`;
const DENO = [
  "run",
  "-A",
  "--no-check",
  "--config",
  `${ROOT}deno.json`,
  "--location",
  "http://kills.invalid/",
];
const SMALL = { prompt: "207", width: 32, height: 32, steps: 2, seed: 5, method: "direct" };

interface Kind {
  readonly name: string;
  readonly args: readonly string[];
  /** Lets a server work, and returns what it answered. */
  readonly use?: (address: string) => Promise<string>;
  /** A file that it has to make. */
  readonly makes?: string;
  /** Throws for a file that is not whole. */
  readonly check: (path: string, bytes: Uint8Array<ArrayBuffer>) => Promise<void> | void;
}

const png = async (path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> => {
  assertEquals((await decodePng(bytes, path)).width > 0, true);
};

const KINDS: readonly Kind[] = [
  {
    name: "generate with previews",
    args: [
      ...[
        `${ROOT}cli.ts`,
        "generate",
        "--model",
        DIT,
        "207",
        "--size",
        "32",
        "--steps",
        "6",
        "--method",
        "direct",
      ],
      ...["--preview", "vae", "--quiet", "--force", "--out", "a.png"],
    ],
    check: png,
  },
  {
    name: "convert",
    args: [`${ROOT}cli.ts`, "convert", SD15, "--type", "q8_0", "--force", "--out", "a.gguf"],
    // A header that is whole comes last.
    check: (path, bytes) => assertEquals(new TextDecoder().decode(bytes.subarray(0, 4)), "GGUF", path),
  },
  {
    name: "web build",
    args: [`${ROOT}tools/web.ts`, "build", "page"],
    makes: "page/main.js",
    check: () => {},
  },
  {
    name: "serve",
    args: [`${ROOT}cli.ts`, "serve", "--model", DIT, "--quiet", "--port", "0"],
    use: async (address) => {
      const response = await fetch(`${address}sdapi/v1/txt2img`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(SMALL),
      });
      return (await response.json()).images[0];
    },
    check: () => {},
  },
];

/** Files below a folder with their bytes. */
async function files(folder: string, at = ""): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const found = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const { name, isDirectory } of Deno.readDirSync(join(folder, at))) {
    const path = join(at, name);
    if (isDirectory) { for (const [inner, bytes] of await files(folder, path)) found.set(inner, bytes); }
    else found.set(path, await Deno.readFile(join(folder, path)));
  }
  return found;
}

const same = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((v, i) => v === b[i]);

/** Runs to the end, or for so many milliseconds. */
async function run({ args, use }: Kind, folder: string, killAfter = Infinity): Promise<string | undefined> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...DENO, ...args],
    cwd: folder,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const kill = (): void => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  };
  const timer = killAfter < Infinity ? setTimeout(kill, killAfter) : undefined;
  const said = new Response(child.stderr).text();
  if (!use) await child.stdout.cancel();
  else {
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await reader.read();
    const answer = value && await use(value.trim()).catch(() => undefined);
    await reader.cancel();
    if (killAfter === Infinity) kill();
    await child.status;
    clearTimeout(timer);
    await said;
    return answer || undefined;
  }
  const { code, signal } = await child.status;
  clearTimeout(timer);
  if (signal === null) assertEquals(code, 0, await said);
  else await said;
  return signal === null ? "" : undefined;
}

Deno.test("commands that are killed at any moment leave whole files and nothing else, and the next run draws the same bytes", async () => {
  let state = SEED;
  const random = (): number => (state = (state * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
  const counts: Record<string, [killed: number, ended: number, files: number]> = {};
  for (const [k, kind] of KINDS.entries()) {
    const folder = await Deno.makeTempDir();
    try {
      const began = performance.now();
      const answer = await run(kind, folder);
      const took = performance.now() - began;
      assert(answer !== undefined, kind.name);
      const wanted = await files(folder);
      if (kind.makes) assert(wanted.has(kind.makes), `${kind.name}: ${[...wanted.keys()].join(" ")}`);
      let [killed, ended, whole] = [0, 0, 0];
      for (let n = k; n < KILLS; n += KINDS.length) {
        // Half of them begin without what the one before made.
        if (random() < 0.5) {
          for (const { name } of [...Deno.readDirSync(folder)]) {
            await Deno.remove(join(folder, name), { recursive: true });
          }
        }
        if (await run(kind, folder, took * random()) === undefined) killed++;
        else ended++;
        for (const [path, bytes] of await files(folder)) {
          // Temporary names begin with a dot, those of a page that is being built lie beside it.
          if (/(^|\/)\.lssgen-|^page\.building\//.test(path) || !wanted.has(path)) continue;
          await kind.check(path, bytes);
          if (path !== "preview.png") assert(same(bytes, wanted.get(path)!), `${kind.name}: ${path} differs`);
          whole++;
        }
      }
      assertEquals(await run(kind, folder), answer, kind.name);
      const made = await files(folder);
      assertEquals([...made.keys()].sort(), [...wanted.keys()].sort(), kind.name);
      // Which preview was the last depends on the disk.
      for (const [path, bytes] of made) {
        if (path !== "preview.png") assert(same(bytes, wanted.get(path)!), `${kind.name}: ${path} differs`);
      }
      counts[kind.name] = [killed, ended, whole];
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
  if (Deno.env.has("EDGE_KILLS")) console.log(JSON.stringify(counts));
});
