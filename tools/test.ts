/**
 * Every check of this repository: format, lint, types, fresh shaders, `deno test`, golden
 * cases. Output streams by; the last line is `N passed, N failed` over tests and golden cases (a gate that
 * fails counts as one failure), and the exit code is not zero when anything failed or nothing ran.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { prepareMesa } from "../lib/cli/software_adapter.ts";

/** Tests or cases counted from a program's output. */
export interface Count {
  /** Passed. */
  readonly passed: number;
  /** Failed. */
  readonly failed: number;
}

/** The counts in `deno test`'s closing line (`ok | 3 passed (2 steps) | 1 failed …`), undefined without one. */
export function denoTestCount(output: string): Count | undefined {
  const lines = [...output.matchAll(/^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed/gm)];
  const last = lines.at(-1);
  return last && { passed: Number(last[1]), failed: Number(last[2]) };
}

/** A runner's closing line `N passed, N failed`. */
const CLOSING = /^(\d+) passed, (\d+) failed$/;

/** The counts of the last line `N passed, N failed`, undefined without one. */
export function goldenCount(output: string): Count | undefined {
  const last = output.trimEnd().split("\n").reverse().map((line) => CLOSING.exec(line)).find((match) =>
    match
  );
  return last ? { passed: Number(last[1]), failed: Number(last[2]) } : undefined;
}

/** Runs this very Deno in the repository's root; shows and returns what it prints, closing lines left out. */
async function deno(...args: string[]): Promise<{ success: boolean; output: string }> {
  console.log(`\n$ deno ${args.join(" ")}`);
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: fromFileUrl(new URL("../", import.meta.url)),
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const texts = await Promise.all([child.stdout, child.stderr].map(async (stream) => {
    let text = "";
    let pending = "";
    const show = (line: string) => {
      // Only the sum at the very end may look like a closing line.
      if (!CLOSING.test(line)) console.log(line);
    };
    for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const lines = (pending + piece).split("\n");
      pending = lines.pop() ?? "";
      lines.forEach(show);
    }
    if (pending) show(pending);
    return text;
  }));
  return { success: (await child.status).success, output: texts[0] };
}

/** Documents whose TypeScript has to be right. */
function docs(): string[] {
  const names = [...Deno.readDirSync(new URL("../docs/", import.meta.url))].map(({ name }) => `docs/${name}`);
  return names.filter((name) => name.endsWith(".md")).sort();
}

async function main(): Promise<number> {
  prepareMesa(); // for the processes below
  let passed = 0;
  const failures: string[] = [];
  let failed = 0;

  const gates = [
    ["fmt", "--check"],
    ["lint"],
    ["check"],
    ["run", "-A", "tools/build_shaders.ts", "--check"],
    ["doc", "--lint", "mod.ts", "lssgen.ts", "kernels.ts", "cli.ts", "scale/mod.ts"],
    ["check", "--doc-only", "README.md", ...docs()],
    ["run", "-A", "tools/types.ts"],
    ["run", "-A", "tools/publish_check.ts"],
  ];
  for (const gate of gates) {
    if (!(await deno(...gate)).success) {
      failed++;
      failures.push(`deno ${gate.join(" ")}`);
    }
  }

  // The project's own cases, and those of shapes that they have not.
  const golden = ["tests/golden", "tests/data/golden"].flatMap((folder) =>
    ["f32", "f16"].map((dtype) => ({
      name: `${folder}, ${dtype}`,
      args: ["run", "-A", "--no-check", "tools/golden.ts", folder, "--dtype", dtype],
      count: goldenCount,
    }))
  );
  const runs: { name: string; args: string[]; count: (output: string) => Count | undefined }[] = [
    { name: "deno test", args: ["test", "-A", "--no-check"], count: denoTestCount },
    ...golden,
  ];
  for (const { name, args, count } of runs) {
    const { success, output } = await deno(...args);
    const found = count(output);
    const ran = found !== undefined && found.passed + found.failed > 0;
    passed += found?.passed ?? 0;
    // A run that ended badly without naming a failed test, or that ran nothing, is a failure in itself.
    const bad = Math.max(found?.failed ?? 0, success && ran ? 0 : 1);
    failed += bad;
    if (bad > 0) failures.push(ran ? name : `${name} (nothing ran)`);
  }

  console.log(failures.length > 0 ? `\nFailed: ${failures.join("; ")}` : "\nEverything passed");
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
