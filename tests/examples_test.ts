/** The programs in examples/ that Deno runs, with few pixels. Those of Node and the bundlers: package_in_*.ts. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { decodePng } from "../lib/image/png.ts";
import { smallExample } from "./small_example.ts";

const EXAMPLES = fromFileUrl(new URL("../examples/", import.meta.url));

/** Runs an example made small, in a folder beside the others; what it prints. */
async function run(name: string, folder: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      "--config",
      join(folder, "deno.json"),
      join(folder, name),
    ],
    cwd: folder,
    env: { NO_COLOR: "1", NODEVICE_SELECT: "1" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("the examples for Deno draw, follow, stop, and draw in a worker", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const map = JSON.parse(
      await Deno.readTextFile(join(EXAMPLES, "deno.json")),
    );
    const imports = Object.fromEntries(
      Object.entries(map.imports as Record<string, string>).map((
        [name, path],
      ) => [
        name,
        new URL(path, new URL("../examples/", import.meta.url)).href,
      ]),
    );
    await Deno.writeTextFile(
      join(folder, "deno.json"),
      JSON.stringify({ imports, lock: false }),
    );
    await Deno.mkdir(join(folder, "worker"));
    for (
      const name of [
        "deno.ts",
        "stop.ts",
        "worker/main.js",
        "worker/draw.js",
        "worker/worker.js",
      ]
    ) {
      await Deno.writeTextFile(
        join(folder, name),
        smallExample(await Deno.readTextFile(join(EXAMPLES, name))),
      );
    }
    const drawn = await run("deno.ts", folder);
    assertMatch(
      drawn,
      /encode 0 %[\s\S]*denoise \d+ %, \d+\.\d s left[\s\S]*decode \d+ %/,
    );
    const { width, height, data } = await decodePng(
      await Deno.readFile(join(folder, "apple.png")),
    );
    assertEquals([width, height], [64, 64]);
    assert(new Set(data).size > 50, "the picture is blank");

    const stopped = await run("stop.ts", folder);
    assertMatch(
      stopped,
      /step 1: a preview of \d+ × \d+\nstep 2: a preview[^\n]*\ntwo steps are enough\n$/,
    );

    assertStringIncludes(
      await run("worker/main.js", folder),
      "64 × 64, 12288 bytes",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("examples/README.md lists every example, and the test that runs it exists", async () => {
  const text = await Deno.readTextFile(join(EXAMPLES, "README.md"));
  const there = [...Deno.readDirSync(EXAMPLES)].filter(({ name }) =>
    !["README.md", "deno.json"].includes(name)
  );
  for (const { name, isDirectory } of there) {
    assertStringIncludes(text, `| \`${name}${isDirectory ? "/" : ""}\`:`);
  }
  for (const [, test] of text.matchAll(/`(tests\/\w+\.ts)`/g)) {
    const source = await Deno.readTextFile(join(EXAMPLES, "..", test));
    assertStringIncludes(source, "smallExample(");
  }
});
