/**
 * The documentation keeps its word: every command in it is run (made small: few pixels, one step, tiny models in place of
 * the large ones), tasks that it names exist, links lead somewhere. Its TypeScript is type-checked by tools/test.ts.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { parseOptions } from "../bench/options.ts";
import { BENCHES } from "../bench/run.ts";
import config from "../deno.json" with { type: "json" };
import { encodePng } from "../lib/image/png.ts";
import { writeSafetensors } from "../lib/weights/safetensors.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const DOCUMENTS = ["README.md", "weights/README.md", ...namesIn("docs")];
const TASKS: Readonly<Record<string, string>> = config.tasks;

/** Models that the documentation talks of, and the tiny ones that stand in for them. */
const STAND_INS: Readonly<Record<string, string>> = {
  "./FLUX.1-schnell": "flux_dev",
  "./FLUX.1-dev": "flux_dev",
  "./sdxl": "sdxl",
};

/** Commands that other tests, or the whole of them, are: run there. */
const RUN_ELSEWHERE: Readonly<Record<string, string>> = {
  "npx -y deno@2.9.6 task demo": "the line after it, through tools/setup.ts: tests/edge_setup_test.ts",
  "npx -y deno@2.9.6 task test": "these tests",
  "deno run -A bench/report.ts bench.json docs/PERFORMANCE.md docs/images/bench.svg":
    "needs the line before it",
};

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(join(ROOT, folder))].map(({ name }) => `${folder}/${name}`).filter((n) =>
    n.endsWith(".md")
  )
    .sort();
}

const texts = new Map(DOCUMENTS.map((name) => [name, Deno.readTextFileSync(join(ROOT, name))]));

/** Lines of ```sh blocks, comments and continuations resolved. */
function commands(text: string): string[] {
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block]) =>
    block.replace(/\\\n\s*/g, "").split("\n").map((line) => line.replace(/\s+# .*$/, "").trim()).filter(
      Boolean,
    )
  );
}

/** Words of a shell line with plain quotes. */
function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c);
}

async function cli(folder: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", join(ROOT, "cli.ts"), ...args],
    cwd: folder,
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0, `${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** The same command on few pixels. */
function small(args: readonly string[]): string[] {
  const list = args.map((word) =>
    word in STAND_INS ? join(ROOT, "tests/golden/pipelines", STAND_INS[word], "model") : word
  );
  if (list[0] === "plan" || list[0] === "inspect" || list.includes("--from")) return list;
  const size = list.indexOf("--size");
  if (size >= 0) list.splice(size, 2);
  return [...list, "--size", "64", "--steps", "2", "--min-resolution", "32", "--no-shorten"];
}

/** What the commands take from their user: a photo and a LoRA for the embedded model. */
async function prepare(folder: string): Promise<void> {
  const photo = { width: 64, height: 64, channels: 3 as const, data: new Uint8Array(64 * 64 * 3).fill(90) };
  await Deno.writeFile(join(folder, "photo.png"), await encodePng(photo));
  const { num_attention_heads: heads, attention_head_dim: dim } = JSON.parse(
    await Deno.readTextFile(join(ROOT, "weights/lssgen-emoji/transformer/config.json")),
  );
  const width = heads * dim;
  const layer = "transformer.transformer_blocks.0.attn.to_q";
  const entry = (name: string, shape: number[]) => ({
    name,
    dtype: "F32" as const,
    shape,
    data: new Float32Array(width).fill(0.01),
  });
  await Deno.writeFile(
    join(folder, "style.safetensors"),
    writeSafetensors([
      entry(`${layer}.lora_A.weight`, [1, width]),
      entry(`${layer}.lora_B.weight`, [width, 1]),
    ]),
  );
}

Deno.test("every command of the documentation runs", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await prepare(folder);
    const lines = [...texts.values()].flatMap(commands);
    assert(lines.length > 12, `only ${lines.length} commands found`);
    for (const line of lines) {
      if (line in RUN_ELSEWHERE) continue;
      if (/^(\w+=\w+ )?deno run -A cli\.ts serve|^curl /.test(line)) continue; // The next test's.
      const [, bench] = /^deno task bench (.*)$/.exec(line) ?? [];
      if (bench !== undefined) { // Minutes each: only that it is understood.
        parseOptions(words(bench), BENCHES.map(({ name }) => name));
        continue;
      }
      const [, rest] = /^deno run -A cli\.ts (.*)$/.exec(line) ?? [];
      assert(rest !== undefined, `nobody runs "${line}"`);
      const out = await cli(folder, small(words(rest)));
      if (/^(plan|inspect)/.test(rest)) assert(out.length > 100, line);
    }
    const made = (name: string) => Deno.readFileSync(join(folder, name));
    assertEquals(made("again.png"), made("apple.png"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the documentation's server starts, answers its curl line, and ends with SIGTERM", async () => {
  const lines = commands(texts.get("README.md")!);
  const [first] = lines.filter((line) => line.startsWith("deno run -A cli.ts serve"));
  const [curl] = lines.filter((line) => line.startsWith("curl"));
  const args = words(first.slice("deno run -A cli.ts ".length));
  args[args.indexOf("--port") + 1] = "0";
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", join(ROOT, "cli.ts"), ...args],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let text = "";
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  while (!/http:\S+\n/.test(text)) {
    const { value, done } = await reader.read();
    assert(!done, "the server ended early");
    text += value;
  }
  const base = text.trim();
  const [, , address, , header, , body] = words(curl);
  assertEquals([address, header], ["localhost:7860/v1/images/generations", "content-type: application/json"]);
  const response = await fetch(new URL("/v1/images/generations", base), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...JSON.parse(body), size: "64x64", steps: 1 }),
  });
  const { data: [{ b64_json }] } = await response.json();
  assertEquals(Uint8Array.fromBase64(b64_json).subarray(1, 4), new TextEncoder().encode("PNG"));
  const page = await fetch(base);
  assertStringIncludes(await page.text(), "<title>");
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 0);
  await reader.cancel();
});

Deno.test("tasks, files and pictures that the documentation names exist", () => {
  for (const [name, text] of texts) {
    for (const [, task] of text.matchAll(/\btask ([a-z][\w:-]*)/g)) {
      assert(task in TASKS, `${name}: deno task ${task}`);
    }
    for (const [, target] of text.matchAll(/\]\(([^)#\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      assert(Deno.statSync(join(ROOT, dirname(name), target)).isFile, `${name}: ${target}`);
    }
    for (
      const [, path] of text.matchAll(/`((?:lib|tests|tools|docs|train|shaders|bench)\/[\w./-]+\.\w+)`/g)
    ) {
      if (path.includes("NAME")) continue;
      assert(Deno.statSync(join(ROOT, path)).isFile, `${name}: ${path}`);
    }
  }
});
