/** What JSR requires and its dry run does not look at. */

import { assert, assertArrayIncludes, assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { VERSION } from "../lib/version.ts";
import { complaints, MOST_BYTES, publishedFiles } from "../tools/publish_check.ts";

Deno.test("what is published is whole, has names that suit JSR, and is less than it takes", async () => {
  const files = await publishedFiles(false);
  const paths = files.map(({ path }) => path);
  const needed = [
    "mod.ts",
    "lssgen.ts",
    "kernels.ts",
    "cli.ts",
    "LICENSE",
    "README.md",
    "lib/gpu/shaders.gen.ts",
  ];
  assertArrayIncludes(paths, [...needed, "weights/lssgen-emoji/model_index.json"]);
  // tools/std/ goes along although nobody uses it: deno refuses a linked module that stays behind.
  assertEquals(
    paths.filter((path) =>
      /^(tests|tools\/(?!std)|train|docs|shaders|bench|web\/(?!dist)|web\/dist\/weights)\/|^web\/dist\/shaders/
        .test(path)
    ),
    [],
  );
  assertEquals(complaints(files), []);
});

Deno.test("what JSR would refuse is named", () => {
  const wrong = complaints([
    { path: "a.ts", bytes: MOST_BYTES },
    { path: "A.ts", bytes: 1 },
    { path: "b c.ts", bytes: 1 },
    { path: `${"x".repeat(100)}.ts`, bytes: 1 },
  ]);
  assertEquals(wrong.length, 4);
  assert(wrong[0].includes(`${MOST_BYTES + 3}`));
});

Deno.test("name and version of deno.json are what JSR and pictures expect", () => {
  assert(/^@[a-z0-9-]{2,32}\/[a-z0-9-]{2,20}$/.test(config.name));
  assertEquals(config.version, VERSION);
});
