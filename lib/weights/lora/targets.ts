/**
 * Which tensors of a component a module's change is for, and whether it fits them.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { originalTargets, type Target } from "../names/original.ts";
import type { Adapter } from "./adapters.ts";
import { Decomposed } from "./dora.ts";
import { Glora } from "./glora.ts";
import { Ia3 } from "./ia3.ts";
import { dotted, spellings } from "./names.ts";
import { madeFor } from "./refused.ts";

/** Tensors that a change is for. */
export interface Found {
  /** Tensors of the component, and which rows of the change make each; all without them. */
  readonly targets: readonly Target[];
  /** Whether the file has the component's own name of it: of two changes of one weight in one file, that one counts. */
  readonly direct: boolean;
}

/** Finds the tensors of every change that belongs to a component. What is not in it is left out. */
export function findTargets(checkpoint: Checkpoint, adapters: readonly Adapter[]): Map<Adapter, Found> {
  const weights = [...checkpoint.names()].filter((name) => name.endsWith(".weight"));
  const flat = new Map(weights.map((name) => [name.slice(0, -7).replaceAll(".", "_"), name]));
  const found = new Map<Adapter, Found>();
  const originals = new Map<string, Adapter[]>(); // several files may change the same module
  for (const adapter of adapters) {
    const name = adapter.slice === undefined && !adapter.firstThree
      ? nameOf(adapter.module, checkpoint, flat)
      : undefined;
    if (name !== undefined) add(checkpoint, found, adapter, [{ name }], true);
    else {
      const tensor = `${dotted(adapter.module)}.weight`;
      originals.set(tensor, [...originals.get(tensor) ?? [], adapter]);
    }
  }
  // Their names first, for any shape that can be cut; then, where that is clear, the rows.
  const names = originalTargets(new Map([...originals.keys()].map((tensor) => [tensor, ANY_SHAPE])), weights);
  const shapes = new Map(
    [...names].map(([tensor, targets]) =>
      [tensor, fusedShape(checkpoint, originals.get(tensor)!, targets)] as const
    ),
  );
  for (const [tensor, targets] of originalTargets(shapes, weights)) {
    for (const adapter of originals.get(tensor)!) {
      const mine = partsOf(adapter, targets);
      if (mine) add(checkpoint, found, adapter, mine, false);
    }
  }
  return found;
}

/** Divisible by two and three, and unlike shift and scale. */
const ANY_SHAPE = [1.2e6, 1];

/** The shape of an original weight, as far as its changes tell, or else the tensors that are made of it. */
function fusedShape(
  checkpoint: Checkpoint,
  adapters: readonly Adapter[],
  targets: readonly Target[],
): readonly number[] {
  const whole = adapters.find(({ slice, firstThree }) => slice === undefined && !firstThree);
  if (!whole) return ANY_SHAPE;
  const shapes = targets.map(({ name }) => checkpoint.info(name)!.shape);
  const rows = shapes.reduce((sum, shape) => sum + (shape[0] ?? 1), 0);
  const width = shapes[0].slice(1).reduce((a, b) => a * b, 1);
  const weight = adapters.find(({ leaf, change }) => leaf === "weight" && change.width !== undefined) ??
    whole;
  return [whole.change.rows ?? rows, weight.leaf === "weight" ? weight.change.width ?? width : width];
}

/** The targets of a change of a part of a fused layer. */
function partsOf(
  { slice, firstThree, change }: Adapter,
  targets: readonly Target[],
): readonly Target[] | undefined {
  if (slice !== undefined) return targets[slice] && [{ name: targets[slice].name }];
  if (!firstThree) return targets;
  const count = (change.rows ?? NaN) / 3;
  return targets.slice(0, 3).map(({ name }, i) => ({ name, rows: [{ first: i * count, count }] }));
}

function add(
  checkpoint: Checkpoint,
  found: Map<Adapter, Found>,
  adapter: Adapter,
  weights: readonly Target[],
  direct: boolean,
): void {
  const targets = adapter.leaf === "weight"
    ? weights
    : weights.map(({ name, rows }) => ({ name: name.replace(/\.weight$/, ".bias"), rows }));
  if (targets.every(({ name }) => checkpoint.info(name))) found.set(adapter, { targets, direct });
}

/** The weight of a module that has its name already, with dots or underscores. */
function nameOf(
  module: string,
  checkpoint: Checkpoint,
  flat: ReadonlyMap<string, string>,
): string | undefined {
  for (const name of spellings(module)) {
    if (checkpoint.info(`${name}.weight`)) return `${name}.weight`;
    const found = flat.get(name.replaceAll(".", "_"));
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Refuses a change of another shape than its tensors.
 *
 * @throws {LssgenError} `bad_tensor`, with both shapes.
 */
export function checkFit(checkpoint: Checkpoint, adapter: Adapter, targets: readonly Target[]): void {
  const { change, key, file } = adapter;
  for (const { name, rows } of targets) {
    const { shape } = checkpoint.info(name)!;
    const [N, K] = [shape[0] ?? 1, shape.slice(1).reduce((a, b) => a * b, 1)];
    const channels = shape[1] ?? 1;
    const made = rows ? rows.reduce((sum, { count }) => sum + count, 0) : change.rows;
    const within = (rows ?? []).every(({ first, count }) => first + count <= (change.rows ?? Infinity));
    const inputs = inputsOf(change);
    const size = (made === undefined || made === N) && (change.width === undefined || change.width === K) &&
      within;
    if (size && (inputs === undefined || inputs === channels)) continue;
    const own = size
      ? `is for ${inputs} input channels`
      : `makes [${made ?? "any"}, ${change.width ?? "any"}]`;
    throw new LssgenError(
      "bad_tensor",
      `LoRA "${file.name}": "${key}" ${own}, but "${name}" of "${checkpoint.name}" is [${shape}]; it was made for a model of ` +
        `another size${madeFor(file.adapters.map((a) => a.key), file.metadata)}`,
    );
  }
}

/** Input channels that a change needs to meet, where its width does not say. */
function inputsOf(change: Adapter["change"]): number | undefined {
  if (change instanceof Ia3 || change instanceof Glora) return change.channels;
  if (change instanceof Decomposed) return change.inputs;
  return undefined;
}
