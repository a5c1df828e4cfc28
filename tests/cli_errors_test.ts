/** The program as people start it: exit codes, one clear line, nothing left behind. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { exitCode } from "../lib/cli/main.ts";
import { AbortedError, DeviceLostError, LssgenError, NoAdapterError } from "../lib/errors.ts";
import { encodePng } from "../lib/image/png.ts";

const CLI = fromFileUrl(new URL("../cli.ts", import.meta.url));

async function cli(folder: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", CLI, ...args],
    cwd: folder,
    env: { NO_COLOR: "1" },
  }).output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("bad input ends with exit code 2 and one line on stderr that names it, with no file made", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, "no.png"), "this is no picture");
    const png = (stored: unknown) =>
      encodePng({ width: 1, height: 1, channels: 1, data: new Uint8Array(1) }, {
        lssgen: JSON.stringify(stored),
      });
    await Deno.writeFile(join(folder, "evil.png"), await png({ prompt: "x", initImg: "/etc/passwd" }));
    const method = "nope\u001b[2J\u009b31m\u202e";
    await Deno.writeFile(
      join(folder, "escape.png"),
      await png({ prompt: "x", width: 32, height: 32, method }),
    );
    await Deno.mkdir(join(folder, "empty"));
    await Deno.mkdir(join(folder, "other"));
    await Deno.writeTextFile(join(folder, "other", "model_index.json"), '{"_class_name":"FooPipeline"}');
    await Deno.mkdir(join(folder, "broken"));
    await Deno.writeTextFile(join(folder, "broken", "model_index.json"), "{");
    const before = [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
    const cases: [string[], string[]][] = [
      [[], ["prompt", "--help"]],
      [["apple", "--setps", "3"], ["--setps", "--steps"]],
      [["apple", "--steps", "many"], ["--steps", "many", "whole number"]],
      [["apple", "--out", "a.gif"], ["a.gif", ".png"]],
      [["apple", "--out", "missing/a.png"], ["missing", "does not exist"]],
      [["--from", "no.png"], ["no.png", "PNG"]],
      [["--from", "nowhere.png"], ["nowhere.png"]],
      [["--from", "empty"], ["empty", "it is a folder"]],
      ...Deno.build.os === "windows"
        ? []
        : [[["x", "-i", "/dev/zero"], ["/dev/zero", "no regular file"]] as typeof cases[0]],
      [["--from", "evil.png"], ['"/etc/passwd"', "--init-img"]],
      [["--from", "escape.png"], ["nope\\u001b[2J\\u009b31m\\u202e"]],
      [["x", "-i", "no.png"], ["no.png", "JPEG"]],
      [["\u001b]0;x\u0007", "--model", "no\u001b[2Jwhere"], ["no\\u001b[2Jwhere"]],
      [["apple", "--model", "nowhere"], ["nowhere"]],
      [["apple", "--model", "empty"], ["empty", "model_index.json"]],
      [["apple", "--model", "broken"], ["broken", "model_index.json"]],
      [["apple", "--model", "other"], ["FooPipeline"]],
      [["plan", "--model", "other"], ["FooPipeline"]],
      [["inspect", "empty"], ["empty", "model_index.json"]],
      [["inspect", "nowhere"], ["nowhere"]],
      [["compare"], ["prompt"]],
    ];
    for (const [args, words] of cases) {
      const { code, out, err } = await cli(folder, ...args);
      assertEquals([code, out], [2, ""], `${args.join(" ")}: ${err}`);
      assertEquals(err.trimEnd().split("\n").length, 1, err);
      assert(err.startsWith("Error: "), err);
      for (const word of words) assertStringIncludes(err, word);
    }
    assertEquals([...Deno.readDirSync(folder)].map((entry) => entry.name).sort(), before);
  });
});

Deno.test("--help and --version print to stdout and end with 0", async () => {
  const help = await cli(".", "--help");
  assertEquals([help.code, help.err], [0, ""]);
  assertStringIncludes(help.out, "Examples:");
  assertEquals((await cli(".", "--version")).code, 0);
});

Deno.test({
  name: "whoever listened to the notes may leave: the command goes on and its result is printed",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", CLI, "plan", "--size", "64", "--xformers"],
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    await child.stderr.cancel();
    const out = await new Response(child.stdout).text();
    assertEquals((await child.status).code, 0);
    assertStringIncludes(out, "64×64");
  },
});

Deno.test("plan needs neither GPU nor prompt, and --json gives one object", async () => {
  const text = await cli(".", "plan", "--size", "512");
  assertEquals([text.code, text.err], [0, ""]);
  assertStringIncludes(text.out, "512");
  const { code, out } = await cli(".", "plan", "--size", "512", "--json");
  assertEquals(code, 0);
  assertEquals(typeof JSON.parse(out), "object");
});

Deno.test("exit codes: 2 for bad input, 130 for an abort, 1 for a failing machine or a defect", () => {
  const code = (kind: ConstructorParameters<typeof LssgenError>[0]) => exitCode(new LssgenError(kind, ""));
  assertEquals(
    ["bad_option", "bad_file", "bad_tensor", "unsupported"].map((kind) => code(kind as "bad_file")),
    [2, 2, 2, 2],
  );
  assertEquals(exitCode(new AbortedError()), 130);
  assertEquals([new NoAdapterError(""), new DeviceLostError(""), new Error("")].map(exitCode), [1, 1, 1]);
  assertEquals([code("out_of_memory"), code("numeric"), code("internal")], [1, 1, 1]);
});
