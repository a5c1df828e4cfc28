/**
 * `deno task fuzz [--minutes N] [--target NAME] [--seed S]`: hostile inputs for every reader. Each has to be read, or refused by an
 * error that says what is wrong with it, within 2 s and within four times its size and 64 MiB of memory.
 *
 * A seed, a target and a number make an input, the same on every machine. A failure is made small and written as a file into
 * `fuzz-failures/` with the command that repeats it. Exit code 1 where there was one.
 *
 * @module
 */

import { readFailure, writeFailure } from "./fuzz/failure_file.ts";
import { caseInput, type Failure, type Tally, tryInput } from "./fuzz/loop.ts";
import { TARGETS } from "./fuzz/targets.ts";
import type { Target } from "./fuzz/target.ts";
import type { Job } from "./fuzz/worker.ts";

const USAGE =
  `Usage: deno task fuzz [--minutes N] [--inputs N] [--target NAME] [--seed S] [--jobs N] [--out DIR] [--markdown]
       deno task fuzz --repeat FILE
       deno task fuzz --target NAME --seed S --case N
Targets: ${TARGETS.map(({ name }) => name).join(", ")}`;

/** Milliseconds after which a case counts as hanging. */
const HANGS_MS = 20_000;
/** Of a picture, whose kernels are compiled the first time. */
const PICTURE_HANGS_MS = 180_000;

const STRINGS = ["minutes", "inputs", "target", "seed", "jobs", "out", "repeat", "case"] as const;
const args: { -readonly [K in (typeof STRINGS)[number]]?: string } & { markdown?: boolean; help?: boolean } =
  {};
for (let i = 0; i < Deno.args.length; i++) {
  const [, name, attached] = /^--([a-z]+)(?:=(.*))?$/s.exec(Deno.args[i]) ?? [];
  if (name === "markdown" || name === "help") {
    args[name] = true;
    continue;
  }
  const option = STRINGS.find((s) => s === name);
  const value = attached ?? Deno.args[++i];
  if (!option || value === undefined) {
    console.error(
      `${name === undefined ? Deno.args[i - 1] : `--${name}`} is not known or has no value.\n${USAGE}`,
    );
    Deno.exit(2);
  }
  args[option] = value;
}
if (args.help) {
  console.log(USAGE);
  Deno.exit(0);
}
const minutes = number("minutes", 1);
const seed = number("seed", crypto.getRandomValues(new Uint32Array(1))[0]);
const out = args.out ?? "fuzz-failures";
const targets = args.target === undefined ? TARGETS : TARGETS.filter(({ name }) => name === args.target);
if (targets.length === 0) {
  console.error(`No target is called "${args.target}".\n${USAGE}`);
  Deno.exit(2);
}

if (args.repeat !== undefined) {
  const { target, what, input } = await readFailure(args.repeat);
  console.log(`recorded: ${what}`);
  Deno.exit(await once(TARGETS.find(({ name }) => name === target)!, input));
}
if (args.case !== undefined) {
  const [target] = targets;
  Deno.exit(await once(target, caseInput(target, await target.seeds(), seed, number("case", 0))));
}

console.log(`seed ${seed}, ${minutes} min for ${targets.length} target${targets.length > 1 ? "s" : ""}`);
const jobs = Math.min(number("jobs", navigator.hardwareConcurrency), targets.length);
const each = minutes * 60_000 * jobs / targets.length;
const waiting = [...targets];
const done = new Map<Target, Tally>();
await Promise.all(Array.from({ length: jobs }, async () => {
  for (let target = waiting.shift(); target; target = waiting.shift()) {
    const tally = await watched(target);
    done.set(target, tally);
    console.log(row(target, tally));
    for (const failure of tally.failures) {
      const path = await writeFailure(out, failure);
      console.log(`  ${failure.what}\n  deno task fuzz --repeat ${path}`);
    }
  }
}));
const all = [...done.values()];
const sum = (of: (tally: Tally) => number): number => all.reduce((total, tally) => total + of(tally), 0);
console.log(
  `${sum((t) => t.inputs)} inputs, ${sum((t) => t.faults)} faults of ${
    sum((t) => t.failures.length)
  } kinds, slowest ` +
    `${Math.max(...all.map((t) => t.slowestMs)).toFixed(0)} ms; seed ${seed}`,
);
if (args.markdown) {
  console.log("\n| target | inputs | read | refused | faults | slowest ms |\n|---|---|---|---|---|---|");
  for (const target of targets) {
    const t = done.get(target)!;
    console.log(
      `| ${[target.name, t.inputs, t.read, t.refused, t.faults, t.slowestMs.toFixed(0)].join(" | ")} |`,
    );
  }
}
Deno.exit(sum((t) => t.faults) > 0 ? 1 : 0);

function row({ name }: Target, t: Tally): string {
  return `${name.padEnd(18)} ${String(t.inputs).padStart(8)} inputs, ${t.read} read, ${t.refused} refused, ` +
    `${t.faults} faults, slowest ${t.slowestMs.toFixed(0)} ms (case ${t.slowestCase})` +
    Object.entries(t.words).map(([word, n]) => `\n  ${n} ${word}`).join("");
}

function number(name: (typeof STRINGS)[number], otherwise: number): number {
  const text = args[name];
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  console.error(`--${name} is "${text}", expected a number.\n${USAGE}`);
  Deno.exit(2);
}

/** Runs one input and says what came of it. */
async function once(target: Target, input: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): Promise<number> {
  await target.seeds(); // some readers need what these read
  for (const [name, bytes] of input) {
    console.log(
      `${name}, ${bytes.length} bytes: ${JSON.stringify(new TextDecoder().decode(bytes.subarray(0, 300)))}`,
    );
  }
  const { fault, ms, outcome, error } = await tryInput(target, input);
  console.log(`${fault ? fault.what : outcome} after ${ms.toFixed(0)} ms`);
  if (error) console.log(error);
  return fault ? 1 : 0;
}

/** Runs a target in workers: one after the other, where a case hangs. */
async function watched(target: Target): Promise<Tally> {
  const end = performance.now() + each;
  const hangs = target.soundMs ? PICTURE_HANGS_MS : HANGS_MS;
  const total: Tally = {
    inputs: 0,
    read: 0,
    refused: 0,
    faults: 0,
    words: {},
    slowestMs: 0,
    slowestCase: 0,
    failures: [],
  };
  let first = 0;
  while (performance.now() < end) {
    const running = new SharedArrayBuffer(4);
    const view = new Int32Array(running);
    view[0] = -1;
    const worker = new Worker(new URL("./fuzz/worker.ts", import.meta.url), { type: "module" });
    const inputs = args.inputs === undefined ? undefined : number("inputs", 0) - total.inputs;
    const job: Job = { target: target.name, seed, first, inputs, ms: end - performance.now(), running };
    const { promise, resolve, reject } = Promise.withResolvers<Tally | undefined>();
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(job);
    let [before, since] = [-1, performance.now()];
    const watch = setInterval(() => {
      const now = Atomics.load(view, 0);
      if (now !== before) [before, since] = [now, performance.now()];
      else if (performance.now() - since > hangs) resolve(undefined);
    }, 500);
    const tally = await promise.finally(() => clearInterval(watch));
    worker.terminate();
    if (tally) {
      total.failures.push(...tally.failures);
      for (const key of ["inputs", "read", "refused", "faults"] as const) total[key] += tally[key];
      for (const [word, n] of Object.entries(tally.words)) total.words[word] = (total.words[word] ?? 0) + n;
      if (tally.slowestMs >= total.slowestMs) {
        [total.slowestMs, total.slowestCase] = [tally.slowestMs, tally.slowestCase];
      }
      break;
    }
    // It hangs: written as it was drawn, since making it smaller would hang too.
    total.inputs += before - first + 1;
    total.faults++;
    [total.slowestMs, total.slowestCase] = [hangs, before];
    total.failures.push(await hanging(target, before, hangs));
    first = before + 1;
  }
  return total;
}

async function hanging(target: Target, number: number, ms: number): Promise<Failure> {
  const input = caseInput(target, await target.seeds(), seed, number);
  return {
    kind: "slow",
    signature: "hang",
    what: `it took more than ${ms} ms`,
    target: target.name,
    seed,
    case: number,
    drawnBytes: [...input.values()].reduce((total, bytes) => total + bytes.length, 0),
    input,
  };
}
