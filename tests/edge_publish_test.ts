/** What JSR requires and its dry run does not look at. */

import { assert, assertArrayIncludes, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import config from "../deno.json" with { type: "json" };
import { VERSION } from "../lib/cli/version.ts";

/** JSR takes less than 20 MiB in all, unpacked. */
const LIMIT_BYTES = 20 * 1024 * 1024;

const ROOT = fromFileUrl(new URL("../", import.meta.url));

/** Paths of the files that `deno publish` would send, from the list that its dry run prints. */
async function published(): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty", "--no-check"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(success, text);
  const base = new URL("../", import.meta.url).href;
  return [...text.matchAll(/^ +(file:\S+) \(/gm)].map(([, url]) =>
    decodeURIComponent(url.slice(base.length))
  );
}

Deno.test("what is published is whole, has names that suit JSR, and is less than it takes", async () => {
  const files = await published();
  for (
    const path of [
      "mod.ts",
      "lssgen.ts",
      "kernels.ts",
      "cli.ts",
      "LICENSE",
      "README.md",
      "lib/gpu/shaders.gen.ts",
    ]
  ) {
    assertArrayIncludes(files, [path]);
  }
  // tools/std/ goes along although nobody uses it: deno refuses a linked module that stays behind.
  assertEquals(files.filter((path) => /^(tests|tools\/(?!std)|train|docs|shaders|bench)\//.test(path)), []);
  let bytes = 0;
  for (const path of files) bytes += (await Deno.stat(`${ROOT}${path}`)).size;
  assert(bytes < LIMIT_BYTES, `${bytes} bytes, JSR takes ${LIMIT_BYTES}`);
  for (const path of files) {
    assert(path.length < 155 && /^[\w./@-]+$/.test(path), path);
    assert((path.split("/").at(-1) ?? "").length < 95, path);
  }
  assertEquals(new Set(files.map((path) => path.toLowerCase())).size, files.length);
});

Deno.test("name and version of deno.json are what JSR and pictures expect", () => {
  assert(/^@[a-z0-9-]{2,32}\/[a-z0-9-]{2,20}$/.test(config.name));
  assertEquals(config.version, VERSION);
});
