/**
 * The documentation keeps its word: every command in it is run (made small: few pixels, one step, tiny models in place of
 * the large ones), tasks that it names exist, links lead somewhere. Its TypeScript is type-checked by tools/test.ts.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { parseOptions } from "../bench/options.ts";
import { BENCHES } from "../bench/run.ts";
import config from "../deno.json" with { type: "json" };
import { publishedFiles } from "../tools/publish_check.ts";
import { writeSafetensors } from "../lib/weights/safetensors.ts";
import { bflFlux, fileOf, ldmUnet, prefixed, renamed, type Tensors, together } from "./foreign_layouts.ts";
import { ldmVae, llamaT5, openClip, tensorsOf } from "./foreign_names.ts";
import { ggufFile } from "./stored_tensors.ts";
import { walkFiles } from "./hub_files.ts";
import { HubServer } from "./hub_server.ts";
import { rrdbNetFile } from "./upscalers.ts";
import PICTURES from "./data/pictures.json" with { type: "json" };

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const DOCUMENTS = ["README.md", "weights/README.md", ...namesIn("docs")];
const TASKS: Readonly<Record<string, string>> = config.tasks;

/** Models that the documentation talks of, and the tiny ones that stand in for them. */
const STAND_INS: Readonly<Record<string, string>> = {
  "./FLUX.1-schnell": "flux_dev",
  "./FLUX.1-dev": "flux_dev",
  "./sdxl": "sdxl",
};

/** Files of models that the documentation talks of, and the tiny models that they are made of and take their configs from. */
const FILES: Readonly<Record<string, string>> = {
  "sd_xl_base_1.0.safetensors": "sdxl",
  "flux1-schnell-Q4_K_S.gguf": "flux_dev",
};

/** The same for models on a hub. */
const ON_HUB: Readonly<Record<string, string>> = {
  "stabilityai/stable-diffusion-xl-base-1.0": "sdxl",
};

/** Commands that other tests, or the whole of them, are: run there. */
const RUN_ELSEWHERE: Readonly<Record<string, string>> = {
  "npx -y deno@2.9.6 task demo": "the line after it, through tools/setup.ts: tests/edge_setup_test.ts",
  "npx -y deno@2.9.6 task test": "these tests",
  "deno run -A bench/report.ts bench.json docs/PERFORMANCE.md docs/images/bench.svg":
    "needs the line before it",
  ...Object.fromEntries(
    [
      'deno run --allow-read=.,OUT --allow-write=OUT cli.ts generate "a red apple" --out OUT/apple.png',
      "deno run --allow-read=. cli.ts plan --size 1024",
      "deno run --allow-read=MODEL cli.ts inspect MODEL",
      "deno run --allow-read=MODEL,OUT --allow-write=OUT cli.ts convert MODEL --type q8_0 --out OUT/model.gguf",
      'deno run --allow-read=.,OUT --allow-write=OUT cli.ts compare "a red apple" --out OUT/compare.png',
      "deno run --allow-read=.,OUT --allow-write=OUT cli.ts tune-plan --out OUT/presets.json",
      "deno run --allow-read=IN,OUT --allow-write=OUT cli.ts upscale IN/photo.jpg --upscale-model IN/NETWORK.safetensors --out OUT/large.png",
      "deno run --allow-read=. --allow-net=127.0.0.1:7860 --allow-env=LSSGEN_TOKEN cli.ts serve",
      ...[[".", "queue list"], [".,STORE", "worker"]].map(([read, command]) =>
        `deno run --allow-read=${read} --allow-write=STORE --allow-net=HOST:6379 --allow-env cli.ts ${command} ` +
        "--queue redis://HOST:6379 --store STORE"
      ),
    ].map((line) => [line, "tests/cli_permissions_test.ts, tests/server_chaos_test.ts"]),
  ),
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

async function cli(folder: string, args: readonly string[], hub: HubServer): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", join(ROOT, "cli.ts"), ...args],
    cwd: folder,
    env: { NO_COLOR: "1", HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: join(folder, "hub") },
  }).output();
  assertEquals(code, 0, `${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** The same command on few pixels. */
function small(args: readonly string[]): string[] {
  const list = args.map((word) =>
    word in STAND_INS ? join(ROOT, "tests/golden/pipelines", STAND_INS[word], "model") : word
  );
  if (list[0] === "convert" || list[0] === "upscale") return list;
  const [, golden] = Object.entries(FILES).find(([file]) => list.includes(file)) ?? [];
  if (golden) list.push("--config", join(ROOT, "tests/golden/pipelines", golden, "model"));
  if (["plan", "inspect", "download"].includes(list[0]) || list.includes("--from")) return list;
  const size = list.indexOf("--size");
  if (size >= 0) list.splice(size, 2);
  return [...list, "--size", "64", "--steps", "2", "--min-resolution", "32", "--no-shorten"];
}

/** Files of models, tiny, in the names and under the prefixes that such files have. */
async function prepareModels(folder: string): Promise<void> {
  const flux = (path: string) => tensorsOf(`pipelines/flux_dev/model/${path}`);
  const sdxl = (path: string) => tensorsOf(`pipelines/sdxl/model/${path}`);
  const gguf = (tensors: Tensors) =>
    ggufFile(Object.fromEntries(
      [...tensors].map((
        [name, { shape, data }],
      ) => [name, { type: 0, shape, bytes: new Uint8Array(data.buffer) }]),
    ));
  const files = {
    "sd_xl_base_1.0.safetensors": fileOf(together(
      prefixed("model.diffusion_model.", ldmUnet(await sdxl("unet/diffusion_pytorch_model.safetensors"))),
      prefixed("first_stage_model.", ldmVae(await sdxl("vae/diffusion_pytorch_model.safetensors"))),
      prefixed("conditioner.embedders.0.transformer.", await sdxl("text_encoder/model.safetensors")),
      prefixed("conditioner.embedders.1.model.", openClip(await sdxl("text_encoder_2/model.safetensors"))),
    )),
    "flux1-schnell-Q4_K_S.gguf": gguf(bflFlux(await flux("transformer/diffusion_pytorch_model.safetensors"))),
    "ae.safetensors": fileOf(ldmVae(await flux("vae/diffusion_pytorch_model.safetensors"))),
    "clip_l.safetensors": fileOf(await flux("text_encoder/model.safetensors")),
    "t5-v1_1-xxl-encoder-Q5_K_M.gguf": gguf(renamed(await flux("text_encoder_2/model.safetensors"), llamaT5)),
    "RealESRGAN_x4plus.safetensors": writeSafetensors(rrdbNetFile({ blocks: 1 })),
  };
  for (const [name, bytes] of Object.entries(files)) await Deno.writeFile(join(folder, name), bytes);
}

/** What the commands take from their user: files of models, a photo and a LoRA for the embedded model. */
async function prepare(folder: string): Promise<void> {
  await prepareModels(folder);
  const photo = Uint8Array.from(atob(PICTURES["jpeg 4:2:0"].file), (c) => c.charCodeAt(0));
  await Deno.writeFile(join(folder, "photo.jpg"), photo);
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
  await using hub = new HubServer();
  try {
    await prepare(folder);
    for (const [name, golden] of Object.entries(ON_HUB)) {
      hub.add(name, await walkFiles(join(ROOT, "tests/golden/pipelines", golden, "model")));
    }
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
      const out = await cli(folder, small(words(rest)), hub);
      if (/^(plan|inspect)/.test(rest)) assert(out.length > 100, line);
    }
    const made = (name: string) => Deno.readFileSync(join(folder, name));
    assertEquals(made("again.png"), made("apple.png"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Starts a program that serves, calls `use` with the address that it prints, and ends it. */
async function whileServing(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  use: (base: string) => Promise<void>,
): Promise<Deno.CommandStatus> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", ...args],
    cwd: ROOT,
    env: { ...env },
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let text = "";
    let base: string | undefined;
    while (base === undefined) {
      const { value, done } = await reader.read();
      assert(!done, "the server ended early");
      text += value;
      base = /http:\S+(?=\s)/.exec(text)?.[0];
    }
    await use(base);
  } finally {
    child.kill("SIGTERM");
  }
  const status = await child.status;
  await reader.cancel();
  return status;
}

Deno.test("the documentation's servers start, answer its curl line, and end with SIGTERM", async () => {
  const lines = commands(texts.get("README.md")!);
  const [curl] = lines.filter((line) => line.startsWith("curl"));
  const [, , address, , header, , body] = words(curl);
  assertEquals([address, header], ["localhost:7860/v1/images/generations", "content-type: application/json"]);
  const starts = lines.map((line) => /^(?:(\w+)=(\w+) )?deno run -A cli\.ts (serve.*)$/.exec(line)).filter((
    m,
  ) => m);
  assertEquals(starts.length, 2);
  for (const [, variable, token, rest] of starts as RegExpExecArray[]) {
    const args = words(rest);
    const port = args.indexOf("--port");
    if (port >= 0) args.splice(port, 2);
    const env: Record<string, string> = variable ? { [variable]: token } : {};
    const { code } = await whileServing(["cli.ts", ...args, "--port", "0"], env, async (base) => {
      const local = base.replace("0.0.0.0", "127.0.0.1");
      const ask = (headers: Record<string, string>) =>
        fetch(new URL("/v1/images/generations", local), {
          method: "POST",
          headers: { "content-type": "application/json", ...headers },
          body: JSON.stringify({ ...JSON.parse(body), size: "64x64", steps: 1 }),
        });
      if (token) {
        const refused = await ask({});
        await refused.body?.cancel();
        assertEquals(refused.status, 401);
      }
      const { data: [{ b64_json }] } = await (await ask(token ? { authorization: `Bearer ${token}` } : {}))
        .json();
      assertEquals(Uint8Array.fromBase64(b64_json).subarray(1, 4), new TextEncoder().encode("PNG"));
      assertStringIncludes(await (await fetch(local)).text(), "<title");
    });
    assertEquals(code, 0);
  }
});

/** Who runs the tasks of the README's table. */
const TASKS_RUN: Readonly<Record<string, string>> = {
  setup: "the first part of every test command",
  golden: "tools/test.ts",
  web: "the next test",
  "web:build": "tools/publish_check.ts, a gate of tools/test.ts",
  "test:web": "itself, where there is Chromium",
  bench: "minutes; bench/ is type-checked",
  fuzz: "fuzz_test.ts runs every target on few inputs",
  tune: "seconds of measuring; gpu_tune_test.ts runs what it calls",
  "publish:check": "a gate of tools/test.ts",
  shaders: "a gate of tools/test.ts, with --check",
  types: "a gate of tools/test.ts",
  ok: "its parts are the gates of tools/test.ts",
  doc: "the next test",
  "scale:proof": "five minutes; scale_processes_test.ts runs what it calls",
  evaluate: "minutes; embedded_quality_test.ts runs what it calls",
  sheets: "minutes; image_contact_sheet_test.ts has the sheet and its wrapped lines",
  simulate: "a minute; scale_policy_test.ts runs what it calls",
};

Deno.test("tasks of the README's table: each is run by somebody, the page's and the API's here", async () => {
  const table = texts.get("README.md")!.split("## Tasks")[1].split("\n## ")[0];
  const named = [...table.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) =>
    [...cell.matchAll(/`([\w:]+)/g)].map(([, task]) => task)
  ).filter((word) => word !== "deno");
  assertEquals(named.sort(), Object.keys(TASKS_RUN).sort());
  const web = words(TASKS.web).slice(3);
  await whileServing([...web, "--port", "0"], {}, async (base) => {
    assertStringIncludes(await (await fetch(base)).text(), "main.js");
    const script = await fetch(new URL("main.js", base));
    assertEquals(script.headers.get("content-type"), "text/javascript; charset=utf-8");
    await script.body?.cancel();
  });
  const folder = await Deno.makeTempDir();
  try {
    const args = words(TASKS.doc).slice(1).map((word) =>
      word.startsWith("--output=") ? `--output=${folder}` : word
    );
    const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
    assert(success, new TextDecoder().decode(stderr));
    assertStringIncludes(await Deno.readTextFile(join(folder, "index.html")), "createPipeline");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
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

Deno.test("messages that the troubleshooting page explains are messages of the code", () => {
  const read = (folder: string): string =>
    [...Deno.readDirSync(join(ROOT, folder))].map(({ name, isDirectory }) =>
      isDirectory
        ? read(`${folder}/${name}`)
        : name.endsWith(".ts")
        ? Deno.readTextFileSync(join(ROOT, folder, name))
        : ""
    ).join("\n");
  // Strings that go on in the next line are one.
  const code = (read("lib") + read("web")).replace(/[`"']\s*\+\s*[`"']/g, "");
  const rows = [...texts.get("docs/TROUBLESHOOTING.md")!.matchAll(/^\| (`.*?) \|/gm)].map(([, cell]) => cell);
  assert(rows.length > 10, `${rows.length} rows`);
  for (const cell of rows) {
    for (const [, message] of cell.matchAll(/`([^`]+)`/g)) {
      // What stands for values is left out.
      const fixed = message.split(/…|"|\d[\d×]*/).map((part) => part.trim()).filter(Boolean);
      for (const part of fixed) assertStringIncludes(code, part, cell);
    }
  }
});

Deno.test("examples in the code's own documentation are right, as their readers would copy them", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const imports = Object.fromEntries(
      Object.entries(config.exports).map(([key, path]) => [
        join(config.name, key),
        new URL(`../${path}`, import.meta.url).href,
      ]),
    );
    const links = config.links.map((path) => join(ROOT, path));
    const { compilerOptions } = config;
    await Deno.writeTextFile(
      join(folder, "deno.json"),
      JSON.stringify({ imports: { ...config.imports, ...imports }, links, compilerOptions, lock: false }),
    );
    const examples: [name: string, text: string][] = [];
    for (const { path } of (await publishedFiles(false)).filter(({ path }) => path.endsWith(".ts"))) {
      const source = await Deno.readTextFile(join(ROOT, path));
      for (const [, block] of source.matchAll(/^ *\* ```ts\n((?: *\*.*\n)*?) *\* ```$/gm)) {
        const name = `${examples.length}-${path.replaceAll("/", "-")}`;
        examples.push([name, block.replace(/^ *\* ?/gm, "")]);
      }
    }
    for (const entry of ["mod", "lssgen", "kernels", "cli"]) {
      assert(examples.some(([name]) => name.endsWith(`-${entry}.ts`)), `${entry}.ts has no example`);
    }
    for (const [name, text] of examples) await Deno.writeTextFile(join(folder, name), text);
    const run = async (...args: string[]): Promise<string> => {
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args,
        cwd: folder,
        env: { NO_COLOR: "1" },
      }).output();
      assert(success, `${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
      return new TextDecoder().decode(stdout).trim();
    };
    await run("check", ...examples.map(([name]) => name));
    // Those that take no more than a moment are run too.
    const said: Readonly<Record<string, RegExp>> = {
      "-lssgen.ts": /1024/,
      "-kernels.ts": /Float32Array\(6\) \[\s*4, 4, 4, 4, 4, 4\s*\]/,
      "-lib-scaling-plan_stages.ts": /\[ 25, 25 \]/,
      "-lib-scaling-lssgen.ts": /^0\.\d+$/,
    };
    for (const [end, pattern] of Object.entries(said)) {
      const [name] = examples.find(([name]) => name.replace(/^\d+/, "") === end)!;
      assertMatch(await run("run", "-A", "--no-check", name), pattern);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
