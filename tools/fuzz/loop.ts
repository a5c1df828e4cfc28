/**
 * Runs a target's cases, looks at what each throws, takes and holds, and makes failures small.
 *
 * @module
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { LssgenError } from "../../lib/errors.ts";
import { Draws } from "./random.ts";
import { changedInput, Different, type Input, refuses, type Target } from "./target.ts";

/** Milliseconds an input may take. */
export const MOST_MS = 2000;
/** Bytes an input may cost: a multiple of its size, and so many beside. */
export const MOST_TIMES_SIZE = 4;
/** See {@linkcode MOST_TIMES_SIZE}. */
export const MOST_BESIDE: number = 64 * 2 ** 20;

/** What went wrong with an input. */
export interface Fault {
  /** An error that is none of ours, too long, too much memory, another result than the input says. */
  readonly kind: "crash" | "slow" | "memory" | "different";
  /** What tells faults apart: one of each is kept. */
  readonly signature: string;
  /** For people. */
  readonly what: string;
}

/** A fault with the smallest input found for it. */
export interface Failure extends Fault {
  readonly target: string;
  readonly seed: number;
  readonly case: number;
  /** Bytes of the input as it was drawn. */
  readonly drawnBytes: number;
  readonly input: Input;
}

/** What a run of a target has counted. */
export interface Tally {
  inputs: number;
  /** Inputs that were read without an error. */
  read: number;
  /** Inputs that were refused by an error of ours. */
  refused: number;
  /** Inputs with a fault, those like another one included. */
  faults: number;
  /** How often a target has said each of its words. */
  readonly words: Record<string, number>;
  slowestMs: number;
  slowestCase: number;
  readonly failures: Failure[];
}

/** When a run ends. */
export interface Until {
  /** Most inputs. */
  readonly inputs?: number;
  /** Time by the clock of `performance`. */
  readonly time?: number;
}

/** The input of a case: the same for the same seed and number. */
export function caseInput(target: Target, seeds: readonly Input[], seed: number, number: number): Input {
  const draws = new Draws(seed, target.name, number);
  return changedInput(draws.of(seeds), target, draws);
}

/** Bytes of all files of an input. */
export function sizeOf(input: Input): number {
  return [...input.values()].reduce((sum, bytes) => sum + bytes.length, 0);
}

/**
 * Runs cases from `first` on.
 *
 * @param started Told of each case before it runs, so that somebody else can tell which one hangs.
 */
export async function runCases(
  target: Target,
  seed: number,
  first: number,
  until: Until,
  started?: (number: number) => void,
): Promise<Tally> {
  const seeds = await target.seeds();
  const tally: Tally = {
    inputs: 0,
    read: 0,
    refused: 0,
    faults: 0,
    words: {},
    slowestMs: 0,
    slowestCase: first,
    failures: [],
  };
  const known = new Set<string>();
  const note = async (fault: Fault, number: number, input: Input): Promise<void> => {
    tally.faults++;
    if (known.has(fault.signature)) return;
    known.add(fault.signature);
    const small = await minimised(target, input, fault);
    tally.failures.push({
      ...fault,
      target: target.name,
      seed,
      case: number,
      drawnBytes: sizeOf(input),
      input: small,
    });
  };
  let held = heldBytes();
  let batch: number[] = [];
  let largest = 0;
  for (let number = first; tally.inputs < (until.inputs ?? Infinity); number++) {
    if (performance.now() >= (until.time ?? Infinity)) break;
    started?.(number);
    const input = caseInput(target, seeds, seed, number);
    const { fault, ms, outcome, word } = await tryInput(target, input);
    tally.inputs++;
    if (ms > tally.slowestMs) [tally.slowestMs, tally.slowestCase] = [ms, number];
    if (outcome && !fault) tally[outcome]++;
    if (word !== undefined) tally.words[word] = (tally.words[word] ?? 0) + 1;
    if (fault) await note(fault, number, input);
    // Memory is looked at in batches, since looking takes as long as a small input; what stands out is run again alone.
    batch.push(number);
    largest = Math.max(largest, sizeOf(input));
    if (batch.length < BATCH && ms < 20) continue;
    const now = heldBytes();
    if (now - held > MOST_BESIDE + MOST_TIMES_SIZE * largest) {
      for (const one of batch) {
        const again = caseInput(target, seeds, seed, one);
        const memory = await memoryFault(target, again);
        if (memory) await note(memory, one, again);
      }
    }
    held = heldBytes();
    [batch, largest] = [[], 0];
  }
  return tally;
}

const BATCH = 64;

/** Bytes that the program holds: its own heap and buffers, garbage included. */
function heldBytes(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

/** What came of an input. */
export interface Tried {
  readonly fault?: Fault;
  readonly ms: number;
  readonly outcome?: "read" | "refused";
  /** The target's own word for it. */
  readonly word?: string;
  readonly error?: unknown;
}

/** Runs one input, and looks at what it throws and how long it takes. */
export async function tryInput(target: Target, input: Input): Promise<Tried> {
  const most = MOST_MS + (await target.soundMs?.(input) ?? 0);
  const tried = await once(target, input);
  // Drawn pictures wait for kernels the first time, and for whoever else works on this machine.
  const again = target.soundMs && !tried.fault && tried.ms > most ? await once(target, input) : tried;
  if (again.fault || again.ms <= most) return again;
  const what = `it took ${Math.round(again.ms)} ms, at most ${Math.round(most)} are allowed`;
  return { ...again, fault: { kind: "slow", signature: "slow", what } };
}

async function once(target: Target, input: Input): Promise<Tried> {
  const start = performance.now();
  const ms = (): number => performance.now() - start;
  try {
    const pending = target.run(input);
    const word = pending instanceof Promise ? await pending : pending;
    return { ms: ms(), outcome: "read", word: typeof word === "string" ? word : undefined };
  } catch (error) {
    const taken = ms();
    if (!refuses(error, target)) return { ms: taken, error, fault: crash(error) };
    try {
      const word = error instanceof LssgenError ? target.refused?.(input, error) : undefined;
      return { ms: taken, outcome: "refused", word, error };
    } catch (unnamed) {
      return { ms: taken, error, fault: crash(unnamed) };
    }
  }
}

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");
/** What was held after garbage was collected last. */
let least = 0;

async function memoryFault(target: Target, input: Input): Promise<Fault | undefined> {
  // Garbage of the input before would be taken away in the middle of this one, and hide what it costs.
  if (heldBytes() - least > MOST_BESIDE / 4) {
    collectGarbage();
    least = heldBytes();
  }
  const before = heldBytes();
  await tryInput(target, input);
  const grown = heldBytes() - before;
  if (grown <= MOST_BESIDE + MOST_TIMES_SIZE * sizeOf(input)) return undefined;
  return {
    kind: "memory",
    signature: "memory",
    what: `it took ${grown} bytes for ${sizeOf(input)} bytes of input`,
  };
}

/** An error that is none of ours; faults of one place in the program are one fault. */
function crash(error: unknown): Fault {
  if (error instanceof Different) return { kind: "different", signature: error.place, what: error.message };
  const { name, message, stack = "" } = error instanceof Error
    ? error
    : { name: "thrown", message: String(error), stack: "" };
  const place = /\/((?:lib|tools)\/[^)\s]+?):(\d+):\d+/.exec(stack);
  const where = place ? `${place[1]}:${place[2]}` : "";
  return {
    kind: "crash",
    signature: `${name} ${where || message.replace(/\d+/g, "N").slice(0, 80)}`,
    what: `${name}: ${message.slice(0, 200)}${where ? ` at ${where}` : ""}`,
  };
}

/** How long a failure is made smaller. */
const MINIMISE_MS = 5000;

/**
 * A smaller input with the same fault: files away, then pieces of each, by halves, quarters and so on, as long as
 * something goes (after Zeller's delta debugging).
 */
export async function minimised(target: Target, input: Input, fault: Fault): Promise<Input> {
  if (target.change) return input; // one change of a sound input
  const end = performance.now() + MINIMISE_MS;
  const same = async (candidate: Input): Promise<boolean> =>
    fault.kind === "memory"
      ? await memoryFault(target, candidate) !== undefined
      : (await tryInput(target, candidate)).fault?.signature === fault.signature;
  let best = input;
  for (const name of input.keys()) {
    if (target.fixed?.test(name)) continue;
    const without = new Map(best);
    without.delete(name);
    if (without.size > 0 && performance.now() < end && await same(without)) best = without;
  }
  for (const name of best.keys()) {
    if (target.fixed?.test(name)) continue;
    for (let parts = 2; performance.now() < end;) {
      const bytes = best.get(name)!;
      const step = Math.ceil(bytes.length / parts);
      let smaller = false;
      for (let at = 0; at < bytes.length && performance.now() < end; at += step) {
        const rest = new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(at + step)]);
        const candidate = new Map(best).set(name, rest);
        if (!await same(candidate)) continue;
        best = candidate;
        smaller = true;
        break;
      }
      if (smaller) parts = Math.max(2, parts - 1);
      else if (step <= 1) break;
      else parts *= 2;
    }
  }
  return best;
}
