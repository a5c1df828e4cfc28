/** Each command runs with the permissions that docs/SERVER.md states, and none beside. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";

const ROOT = new URL("../", import.meta.url).pathname;
const MODEL = `${ROOT}tests/golden/pipelines/sd15/model`;

async function run(
  permissions: readonly string[],
  args: readonly string[],
): Promise<{ code: number; out: string; said: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", ...permissions, `${ROOT}cli.ts`, ...args],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), said: text(stderr) };
}

Deno.test("generate needs to read the checkout and to write its folder: no network, no environment, no programs", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const out = join(folder, "a.png");
    const small = [
      "a red apple",
      "--size",
      "64",
      "--steps",
      "1",
      "--method",
      "direct",
      "--quiet",
      "--out",
      out,
    ];
    const { code, said } = await run([`--allow-read=${ROOT},${folder}`, `--allow-write=${folder}`], small);
    assertEquals(code, 0, said);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["a.png"]);
    // Without the right to write it ends before a weight is read, in a sentence.
    const refusal = await run([`--allow-read=${ROOT},${folder}`], small);
    assertEquals(refusal.code, 2, refusal.said);
    assert(/^Error: Cannot write /m.test(refusal.said) && !refusal.said.includes("    at "), refusal.said);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("plan and inspect need to read, and nothing else", async () => {
  for (const args of [["plan", "--model", MODEL, "--size", "64"], ["inspect", MODEL]]) {
    const { code, out, said } = await run([`--allow-read=${ROOT}`], args);
    assertEquals(code, 0, said);
    assert(out.length > 0);
  }
});

Deno.test("convert and compare need to read, and to write their folder", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const dit = `${ROOT}tests/golden/pipelines/dit/model`;
    const [gguf, sheet] = [join(folder, "a.gguf"), join(folder, "a.png")];
    for (
      const args of [
        ["convert", MODEL, "--type", "q8_0", "--out", gguf],
        [
          "compare",
          "207",
          "--model",
          dit,
          "--size",
          "32",
          "--steps",
          "1",
          "--methods",
          "direct",
          "--quiet",
          "--out",
          sheet,
        ],
      ]
    ) {
      const { code, said } = await run([`--allow-read=${ROOT},${folder}`, `--allow-write=${folder}`], args);
      assertEquals(code, 0, said);
    }
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["a.gguf", "a.png"]);
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
