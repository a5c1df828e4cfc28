/**
 * The first picture of a process: 256², 20 steps, from the start of `deno` to the PNG on disk, phase by phase.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import type { Bench, BenchCase, Facts } from "./harness.ts";

/** What the child tells: milliseconds since its own start of time, and of phases. */
export interface Told {
  /** Milliseconds of the phases, in order. */
  readonly phases: Readonly<Record<string, number>>;
  /** Milliseconds from the start of the process's script to the PNG. */
  readonly totalMs: number;
}

const ROOT = fromFileUrl(new URL("../", import.meta.url));
/** The tuning is kept for each origin: one of the bench's own can be emptied. */
const ORIGIN = "http://bench.invalid/";

async function deno(...args: string[]): Promise<{ ms: number; text: string }> {
  const start = performance.now();
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdout: "piped",
    stderr: "piped",
  }).output();
  const ms = performance.now() - start;
  if (!success) throw new Error(`deno ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return { ms, text: new TextDecoder().decode(stdout) };
}

function run(file: string, ...args: string[]): Promise<{ ms: number; text: string }> {
  return deno("run", "-A", "--location", ORIGIN, file, ...args);
}

async function phases(out: string): Promise<Facts> {
  const { ms, text } = await run("bench/cold_start_child.ts", out);
  const told: Told = JSON.parse(text);
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
  return {
    "process and modules": seconds(ms - told.totalMs),
    ...Object.fromEntries(Object.entries(told.phases).map(([name, ms]) => [name, seconds(ms)])),
    total: seconds(ms),
  };
}

function make(): BenchCase {
  return {
    flops: 0,
    contenders: [],
    facts: async () => {
      const folder = await Deno.makeTempDir();
      try {
        const out = join(folder, "a.png");
        // Modules are compiled once for the machine, not once a process.
        await run("cli.ts", "plan");
        await deno("eval", "--location", ORIGIN, "localStorage.clear()");
        const never = await phases(out);
        const known = await phases(out);
        const { ms } = await run(
          "cli.ts",
          "a red apple",
          "--size",
          "256",
          "--steps",
          "20",
          "--out",
          out,
          "--quiet",
        );
        const named = (when: string, facts: Facts): Facts =>
          Object.fromEntries(Object.entries(facts).map(([name, value]) => [`${when}: ${name}`, value]));
        return {
          ...named("never tuned", never),
          ...named("tuned before", known),
          "cli.ts, tuned before: total": `${(ms / 1000).toFixed(2)} s`,
        };
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
    dispose: () => {},
  };
}

/** Cold start. */
export const coldStart: Bench = {
  name: "cold",
  cases: [{ name: "first picture, 256², 20 steps", make }],
};
