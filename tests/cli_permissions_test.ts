/** Each command runs with the permissions that docs/SERVER.md states, and none beside. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { encodePng } from "../lib/image/png.ts";
import { writeSafetensors } from "../lib/weights/safetensors.ts";
import { TestRedis } from "./redis.ts";
import { picture, srvggFile } from "./upscalers.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const MODEL = `${ROOT}tests/golden/pipelines/sd15/model`;
const DIT = `${ROOT}tests/golden/pipelines/dit/model`;
const DOCS = await Deno.readTextFile(join(ROOT, "docs/SERVER.md"));

/** The command line that the documentation has for a command, and its permissions, one a flag and place. */
function documented(command: string): { permissions: string[]; args: string[] } {
  const [line] = DOCS.split("\n").filter((line) =>
    /^deno run --allow/.test(line) && line.includes(` cli.ts ${command}`)
  );
  assert(line, `docs/SERVER.md has no line for ${command}`);
  const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
  const at = words.indexOf("cli.ts");
  const permissions = words.slice(2, at).flatMap((word) => {
    const [flag, places] = word.split("=");
    return places === undefined ? [flag] : places.split(",").map((place) => `${flag}=${place}`);
  });
  return { permissions, args: words.slice(at + 1) };
}

/** Flags with all of their places: of a flag that is given twice Deno takes the last one. */
function grouped(permissions: readonly string[]): string[] {
  const flags = Map.groupBy(permissions, (permission) => permission.split("=")[0]);
  return [...flags].map(([flag, all]) => {
    const places = all.flatMap((one) => one.split("=").slice(1));
    return places.length > 0 ? `${flag}=${places.join(",")}` : flag;
  });
}

/** The first piece of a stream, which is then left. */
async function* firstOf(stream: ReadableStream<string>): AsyncGenerator<string> {
  for await (const text of stream) return yield text;
}

async function run(
  permissions: readonly string[],
  args: readonly string[],
): Promise<{ code: number; out: string; said: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", ...grouped(permissions), "cli.ts", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), said: text(stderr) };
}

/**
 * Runs what is documented, with exactly its permissions, then with each of them missing: that ends in one sentence, which
 * names the flag.
 *
 * @param places What stands for the documentation's words.
 * @param small Further options, which make it quick.
 */
async function checkCommand(
  command: string,
  places: Readonly<Record<string, string>>,
  small: readonly string[] = [],
): Promise<void> {
  const put = (text: string): string =>
    Object.entries(places).reduce((made, [word, place]) => made.replaceAll(word, place), text);
  const { permissions, args } = documented(command);
  const line = [...args.map(put), ...small];
  const given = permissions.map(put);
  for (const missing of given) {
    const { code, out, said } = await run(given.filter((one) => one !== missing), line);
    assert(code > 0, `${command} without ${missing}: ${out}`);
    assertMatch(said, /^(?:[^\n]+\n)?Error: [^\n]*\n$/, `${command} without ${missing}`);
    assert(said.includes(missing.split("=")[0]), `${command} without ${missing}: ${said}`);
  }
  const { code, said } = await run(given, line);
  assertEquals(code, 0, `${command}: ${said}`);
}

Deno.test("each command runs with the permissions that are documented, and says in a sentence which one is missing", async () => {
  const folder = await Deno.makeTempDir();
  const at = (name: string): string => join(folder, name);
  try {
    await Deno.mkdir(at("in"));
    await Deno.writeFile(at("in/x2.safetensors"), writeSafetensors(srvggFile(2, 2)));
    await Deno.writeFile(at("in/photo.png"), await encodePng(picture(10, 6)));
    await Deno.mkdir(at("out"));
    const places = { OUT: at("out"), MODEL };
    const draw = ["--size", "32", "--steps", "1", "--quiet", "--force"];
    await checkCommand("generate", places, [...draw, "--size", "64", "--method", "direct"]);
    await checkCommand("plan", places, ["--size", "64"]);
    await checkCommand("inspect", places);
    await checkCommand("convert", places);
    const dit = ["--model", DIT, "--prompt", "207"];
    await checkCommand("compare", { ...places, "a red apple": "--quiet" }, [
      ...draw,
      ...dit,
      "--methods",
      "direct",
    ]);
    await checkCommand("tune-plan", places, [
      ...draw,
      ...dit,
      "--methods",
      "direct",
      "--reference-steps",
      "2",
    ]);
    const network = { "photo.jpg": "photo.png", "NETWORK.safetensors": "x2.safetensors", "IN": at("in") };
    await checkCommand("upscale", { ...network, ...places }, ["--quiet"]);
    assertEquals(
      [...Deno.readDirSync(at("out"))].map(({ name }) => name).sort(),
      ["apple.png", "compare.png", "large.png", "model.gguf", "presets.json", "presets.svg"],
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("queue and worker run with the permissions that are documented", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using redis = await TestRedis.start();
    const places = { STORE: folder, "HOST:6379": `127.0.0.1:${redis.port}` };
    await checkCommand("queue list", places);
    // The worker draws until it is told to end.
    const { permissions, args } = documented("worker");
    const put = (text: string): string =>
      text.replaceAll("STORE", folder).replace("HOST:6379", places["HOST:6379"]);
    const worker = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-prompt", "--no-check"],
        ...grouped(permissions.map(put)),
        "cli.ts",
        ...args.map(put),
      ],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const [ready] = await Array.fromAsync(firstOf(worker.stdout.pipeThrough(new TextDecoderStream())));
    assert(ready.startsWith("Drawing lssgen-emoji"), ready);
    worker.kill("SIGTERM");
    assertEquals((await worker.status).code, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "on a terminal no command stops to ask for a permission that it can do without",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const out = join(folder, "a.gguf");
      for (
        const args of [
          ["plan", "--model", MODEL, "--size", "64"],
          ["inspect", MODEL],
          ["convert", MODEL, "--type", "q8_0", "--out", out],
        ]
      ) {
        const words = [
          ...[
            Deno.execPath(),
            "run",
            "--no-check",
            `--allow-read=${ROOT},${folder}`,
            `--allow-write=${folder}`,
          ],
          ...[`${ROOT}cli.ts`, ...args],
        ];
        // A terminal of its own, from which nobody answers.
        const { code, stdout } = await new Deno.Command("timeout", {
          args: ["60", "script", "-qec", words.map((word) => `'${word}'`).join(" "), "/dev/null"],
          stdin: "null",
        }).output();
        const said = new TextDecoder().decode(stdout);
        assert(code === 0 && !said.includes("requests"), said);
        // Control sequences of our own are drawn, not spelled out.
        assert(!said.includes("\\u001b"), said);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
