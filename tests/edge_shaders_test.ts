import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ShaderSource, ShaderSyntaxError } from "../lib/gpu/expand_shader.ts";
import { hasShader, shaderNames, shaderText } from "../lib/gpu/shaders.ts";
import { buildShaders, shaderModule } from "../tools/build_shaders.ts";

const root = new URL("../", import.meta.url);

/** Every entry of a source. */
function expandShader(
  name: string,
  source: string,
  parts: Record<string, string> = {},
): { name: string; text: string | undefined }[] {
  const read = new ShaderSource(name, source, parts);
  return read.names.map((entry) => ({ name: entry, text: read.text(entry) }));
}

/** Text of the only entry, without its last line break. */
function plain(source: string): string {
  const entries = expandShader("k", source);
  assertEquals(entries.map((entry) => entry.name), ["k"]);
  return entries[0].text!.trimEnd();
}

Deno.test("lib/gpu/shaders.gen.ts is what `deno task shaders` would write", async () => {
  const present = await Deno.readTextFile(new URL("lib/gpu/shaders.gen.ts", root));
  if (present !== await buildShaders(new URL("shaders/", root))) {
    throw new Error("Stale: run `deno task shaders`");
  }
});

Deno.test("a file without directives has one entry, its text as it is", () => {
  const text = "// k.wgsl: the end of all variants is near\nfn main() {}\n";
  assertEquals(expandShader("k", text), [{ name: "k", text }]);
});

Deno.test("unroll repeats its lines with the index as a number and as a part of identifiers", () => {
  assertEquals(
    plain("// unroll i 2\nlet a#i = x[m + i] + b#i_c + (i);\n// end\nlet i = 1;"),
    "let a0 = x[m + 0] + b0_c + (0);\nlet a1 = x[m + 1] + b1_c + (1);\nlet i = 1;",
  );
});

Deno.test("an index is left alone in longer words, after a dot, and as part of another index's mark", () => {
  assertEquals(
    plain("// unroll x 1\nlet i = v.x + max(xx, f_x) + #xx;\n// end"),
    "let i = v.x + max(xx, f_x) + #xx;",
  );
});

Deno.test("blocks nest, and a count may use outer indices and arithmetic with precedence", () => {
  assertEquals(
    plain("// unroll i 2\n// unroll j 1 + i * (6 / 2) % 2\nacc#i_#j\n// end\n// end"),
    "acc0_0\nacc1_0\nacc1_1",
  );
});

Deno.test("a count of 0 leaves nothing, and comments within a block appear once", () => {
  assertEquals(plain("// unroll i 0\nx\n// end\ny"), "y");
  assertEquals(plain("// unroll i 2\n  // why\nx#i\n// end"), "  // why\nx0\nx1");
});

Deno.test("a part is included where it is named, unrolled as its variant says, and its faults are its own", () => {
  const parts = { both: "// unroll i N\nx#i\n// end\n", bad: "// unroll i 2\nx\n" };
  assertEquals(
    expandShader("k", "// variants N=2\na\n// include both\nb\n", parts)[0].text,
    "const N: u32 = 2u;\na\nx0\nx1\nb\n",
  );
  for (
    const [name, where] of [["none", "shaders/k.wgsl:2: no shaders/parts/none"], [
      "bad",
      "shaders/parts/bad.wgsl:1",
    ]]
  ) {
    const { message } = assertThrows(
      () => expandShader("k", `a\n// include ${name}\n`, parts),
      ShaderSyntaxError,
    );
    assertStringIncludes(message, where);
  }
});

Deno.test("each variant is an entry with its parameters as constants, in the order written", () => {
  assertEquals(
    expandShader("k", "// k\n// variants RM=1 RN=4; RM=2 RN=8\n// unroll i RM * RN / 4\na#i\n// end\n"),
    [
      { name: "k@RM=1,RN=4", text: "const RM: u32 = 1u;\nconst RN: u32 = 4u;\n// k\na0\n" },
      { name: "k@RM=2,RN=8", text: "const RM: u32 = 2u;\nconst RN: u32 = 8u;\n// k\na0\na1\na2\na3\n" },
    ],
  );
});

Deno.test("a wrong directive is named with file, line and what was expected", () => {
  const cases: [string, string, string][] = [
    ["// unroll i", "k.wgsl:1", "expected `// unroll NAME COUNT`"],
    ["a\n// unroll i 2\nx", "k.wgsl:2", "without its `// end`"],
    ["a\n\n// end", "k.wgsl:3", "without `// unroll`"],
    ["// unroll i RM\n// end", "k.wgsl:1", '"RM" is no number'],
    ["// unroll i 3 / 2\n// end", "k.wgsl:1", "3 / 2 is not whole"],
    ["// unroll i 1 - 2\n// end", "k.wgsl:1", "negative"],
    ["// unroll i 1 / 0\n// end", "k.wgsl:1", "division by zero"],
    ["// unroll i (1\n// end", "k.wgsl:1", "missing )"],
    ["// unroll i 1 2\n// end", "k.wgsl:1", '"2" is unexpected'],
    ["// unroll i 1 +\n// end", "k.wgsl:1", "something is missing"],
    ["// variants RM=a", "k.wgsl:1", "NAME=NUMBER"],
    ["// variants RM=1; RN=1", "k.wgsl:1", "expected the same names"],
    ["// variants RM=1\n// variants RM=2", "k.wgsl:2", "a second"],
  ];
  for (const [source, where, what] of cases) {
    const { message } = assertThrows(() => expandShader("k", source), ShaderSyntaxError);
    assertStringIncludes(message, where);
    assertStringIncludes(message, what);
  }
});

Deno.test("the generated module evaluates to the very text, backquotes and dollars included", async () => {
  const text = "// `x` ${y} \\z\nfn main() {}\n";
  const url = `data:application/typescript,${encodeURIComponent(shaderModule({ k: text }, { p: "// p" }))}`;
  const module = await import(url) as { SOURCES: Record<string, string>; PARTS: Record<string, string> };
  assertEquals({ ...module.SOURCES, ...module.PARTS }, { k: text, p: "// p" });
});

Deno.test("the generated module holds sources only, and every kernel expands from it by its name", async () => {
  const { size } = await Deno.stat(new URL("lib/gpu/shaders.gen.ts", root));
  assert(size <= 150_000, `${size} bytes`);
  const names = shaderNames();
  assertEquals(new Set(names).size, names.length);
  for (const name of names) {
    const text = shaderText(name)!;
    assert(hasShader(name) && /@compute/.test(text), name);
    assert(!/^\s*\/\/ (unroll|end|include|variants \w+=)\b/m.test(text), `${name} has directives left`);
    assertEquals(shaderText(name), text);
  }
  for (const name of ["", "no such", "matmul@", "matmul@RM=3", "toString", "__proto__", "softmax@RM=8"]) {
    assertEquals([hasShader(name), shaderText(name)], [false, undefined], name);
  }
});

Deno.test("one command prints a kernel as it is compiled, or says which there are", async () => {
  const run = async (...names: string[]): Promise<{ code: number; out: string; err: string }> => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "tools/build_shaders.ts", "--print", ...names],
      cwd: root,
      env: { NO_COLOR: "1" },
    }).output();
    const read = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    return { code, out: read(stdout), err: read(stderr) };
  };
  const variant = shaderNames().find((name) => name.startsWith("matmul@"))!;
  assertEquals(await run("softmax", variant), {
    code: 0,
    out: `${shaderText("softmax")}${shaderText(variant)}`,
    err: "",
  });
  const { code, err } = await run("matmul@RM=3");
  assertEquals(code, 1);
  assertStringIncludes(err, `No shader "matmul@RM=3"; matmul has ${variant}`);
});
