/**
 * Which algorithm the tensors of a module are for, and the changes that they make: one row a algorithm.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import { type Change, Matrix, type Scaling } from "./change.ts";
import { Difference, Replacement } from "./difference.ts";
import { Decomposed } from "./dora.ts";
import type { Group, Slot, TensorFile } from "./file.ts";
import { Glora } from "./glora.ts";
import { Ia3 } from "./ia3.ts";
import { Hadamard } from "./loha.ts";
import { Kronecker, type KroneckerFactor } from "./lokr.ts";
import { LowRank } from "./low_rank.ts";
import { Rotation } from "./oft.ts";
import type { PeftConfig } from "./peft_config.ts";

/** What a module's tensors change. */
export interface Changes {
  /** Of the module's weight. */
  readonly weight?: Change;
  /** Of its bias. */
  readonly bias?: Change;
}

/** A module of a file on the way to its changes. */
class Reader {
  private readonly used = new Set<Slot>();
  private readonly values = new Map<Slot, number>();

  constructor(
    readonly file: TensorFile,
    readonly group: Group & { module: string },
    readonly strength: number,
  ) {}

  has(slot: Slot): boolean {
    return this.group.tensors.has(slot);
  }

  /** A tensor that may be missing. */
  maybe(slot: Slot): Matrix | undefined {
    const name = this.group.tensors.get(slot);
    if (name === undefined) return undefined;
    this.used.add(slot);
    return new Matrix(this.file, name);
  }

  /** A tensor that belongs to one that is there. */
  need(slot: Slot, because: Slot): Matrix {
    const found = this.maybe(slot);
    if (found) return found;
    const there = this.group.tensors.get(because)!;
    throw this.bad(`has "${there}" without "${partnerOf(there, this.group.key, slot)}"`, "");
  }

  /** Reads the numbers of the module: alpha and the like. */
  async numbers(): Promise<void> {
    for (const slot of NUMBERS) {
      const name = this.group.tensors.get(slot);
      if (name === undefined) continue;
      const count = this.file.info(name)!.shape.reduce((a, b) => a * b, 1);
      this.values.set(slot, count === 1 ? (await this.file.readF32(name))[0] : NaN);
    }
  }

  /** One of {@linkcode numbers}. */
  number(slot: typeof NUMBERS[number]): number | undefined {
    const name = this.group.tensors.get(slot);
    if (name === undefined) return undefined;
    this.used.add(slot);
    const value = this.values.get(slot)!;
    if (Number.isFinite(value)) return value;
    throw this.bad(`"${name}" of [${this.file.info(name)!.shape}] is ${value}, expected one finite number`);
  }

  /** The factor that was trained: `scale`, alpha / rank, PEFT's config, or 1. */
  scaling(rank: number | undefined, config: PeftConfig | undefined): Scaling {
    const trained = this.number("scale") ?? this.alphaByRank(rank) ??
      config?.scaling(this.group.module, rank) ?? 1;
    return { trained: trained * (this.number("scalar") ?? 1), strength: this.strength };
  }

  private alphaByRank(rank: number | undefined): number | undefined {
    if (!this.has("alpha")) return undefined;
    // Without a rank (LoKr of two whole factors) alpha means nothing: SimpleTuner writes 1e10, infinite in half precision.
    if (rank === undefined) this.used.add("alpha");
    return rank === undefined ? 1 : this.number("alpha")! / rank;
  }

  /** @throws {LssgenError} `unsupported` for a tensor that nobody asked for: left out, the module would be wrong. */
  done(algorithm: string): void {
    for (const [slot, name] of this.group.tensors) {
      if (this.used.has(slot)) continue;
      throw new LssgenError(
        "unsupported",
        `LoRA "${this.file.name}": "${name}" belongs to no ${algorithm} that is known here; without it "${this.group.key}" would ` +
          "be changed in another way than was trained",
      );
    }
  }

  bad(what: string, colon = ":"): LssgenError {
    return new LssgenError("bad_tensor", `LoRA "${this.file.name}"${colon} ${what}`);
  }

  /** @throws {LssgenError} `bad_tensor` where there is something to say. */
  check(misfit: string | undefined): void {
    if (misfit !== undefined) throw this.bad(misfit);
  }
}

/** Tensors of one number. */
const NUMBERS = ["alpha", "scale", "scalar", "on_input"] as const;

/** What a missing tensor would be called: "….lora_A.weight" has "….lora_B.weight" beside it. */
function partnerOf(there: string, key: string, missing: Slot): string {
  const swapped = there.slice(key.length)
    .replace(
      /lora_[AB]|down|up/,
      (s) => ({ lora_A: "lora_B", lora_B: "lora_A", down: "up", up: "down" })[s]!,
    );
  if (missing === "up" || missing === "down") return key + swapped;
  const glora = /^glora_(.*)/.exec(missing)?.[1];
  if (glora !== undefined) return `${key}.${glora}.weight`;
  return `${key}.${missing.replace(/^plain_/, "")}`;
}

/** An algorithm: which tensor only it has, and the change that its tensors make. */
interface Algorithm {
  readonly name: string;
  readonly markers: readonly Slot[];
  readonly read: (r: Reader, config: PeftConfig | undefined) => { change: Change; bias?: Change };
}

const ALGORITHMS: readonly Algorithm[] = [
  {
    name: "LoRA",
    markers: ["down", "up"],
    read(r, config) {
      const [down, up] = [r.need("down", "up"), r.need("up", "down")];
      const mid = r.maybe("mid");
      r.check(LowRank.misfit(up, down, mid));
      const rank = down.rows;
      const scaling = r.scaling(rank, config);
      const bias = r.maybe("up_bias");
      const magnitude = r.maybe("magnitude");
      if (config?.dora && !magnitude && !r.has("dora_scale")) {
        throw r.bad(`its config says DoRA (use_dora), but "${r.group.key}" has no lora_magnitude_vector`);
      }
      if (magnitude) {
        if (magnitude.rows * magnitude.width !== up.rows) {
          throw r.bad(`${magnitude} has no length for each row of ${up}`);
        }
        if (bias) {
          throw r.bad(
            `"${r.group.key}" has a bias beside a lora_magnitude_vector; PEFT knows no such adapter`,
          );
        }
        const change = new LowRank(up, down, mid, scaling);
        return { change: new Decomposed(change, { magnitude, onInput: false, strength: 1 }) };
      }
      return {
        ...decomposed(r, scaling, (s) => new LowRank(up, down, mid, s)),
        bias: bias && new Difference(bias, scaling.trained * scaling.strength),
      };
    },
  },
  {
    name: "LoHa",
    markers: ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"],
    read(r, config) {
      const factor = (n: 1 | 2) => ({
        up: r.need(`hada_w${n}_a`, `hada_w${n}_b`),
        down: r.need(`hada_w${n}_b`, `hada_w${n}_a`),
        core: r.maybe(`hada_t${n}`),
      });
      for (const [one, two] of [["hada_w1_a", "hada_w2_a"], ["hada_t1", "hada_t2"]] as const) {
        if (r.has(one) || r.has(two)) {
          r.need(one, two);
          r.need(two, one);
        }
      }
      const factors = [factor(1), factor(2)] as const;
      r.check(Hadamard.misfit(factors));
      const rank = factors[0].down.rows;
      return decomposed(r, r.scaling(rank, config), (s) => new Hadamard(factors, s));
    },
  },
  {
    name: "LoKr",
    markers: ["lokr_w1", "lokr_w2", "lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b"],
    read(r, config) {
      const factor = (n: 1 | 2): KroneckerFactor => {
        if (r.has(`lokr_w${n}`)) return r.maybe(`lokr_w${n}`)!;
        const other = r.has(`lokr_w${n}_a`) ? `lokr_w${n}_b` as const : `lokr_w${n}_a` as const;
        if (!r.has(`lokr_w${n}_a`) && !r.has(`lokr_w${n}_b`)) {
          throw r.bad(`"${r.group.key}" has one factor of a Kronecker product, expected lokr_w1 and lokr_w2`);
        }
        r.need(other, other.endsWith("a") ? `lokr_w${n}_b` : `lokr_w${n}_a`);
        return {
          up: r.need(`lokr_w${n}_a`, `lokr_w${n}_b`),
          down: r.need(`lokr_w${n}_b`, `lokr_w${n}_a`),
          core: n === 2 ? r.maybe("lokr_t2") : undefined,
        };
      };
      const [left, right] = [factor(1), factor(2)];
      r.check(Kronecker.misfit(left) ?? Kronecker.misfit(right));
      // Of two low ranks the second's counts; two whole factors are not scaled (LyCORIS, ComfyUI, diffusers).
      const low = [right, left].find((f) => "up" in f);
      const rank = low && "up" in low ? low.down.rows : undefined;
      return decomposed(r, r.scaling(rank, config), (s) => new Kronecker(left, right, s));
    },
  },
  {
    name: "OFT",
    markers: ["oft_blocks", "oft_blocks.0"],
    read(r) {
      const blocks: Matrix[] = [];
      const whole = r.maybe("oft_blocks");
      if (whole) blocks.push(whole);
      for (let n = 0; !whole && r.has(`oft_blocks.${n}`); n++) blocks.push(r.maybe(`oft_blocks.${n}`)!);
      const rescale = r.maybe("rescale");
      r.check(Rotation.misfit(blocks, rescale));
      const scaling = { trained: r.number("alpha") ?? 0, strength: r.strength };
      return { change: new Rotation(blocks, rescale, scaling) };
    },
  },
  {
    name: "GLoRA",
    markers: ["glora_a1", "glora_a2", "glora_b1", "glora_b2"],
    read(r, config) {
      const some = (["glora_a1", "glora_a2", "glora_b1", "glora_b2"] as const).find((slot) => r.has(slot))!;
      const [a1, a2, b1, b2] = [
        r.need("glora_a1", some),
        r.need("glora_a2", some),
        r.need("glora_b1", some),
        r.need("glora_b2", some),
      ];
      const matrices = Glora.ordered(a1, a2, b1, b2);
      if (!matrices) throw r.bad(`${a1}, ${a2}, ${b1} and ${b2} do not fit together as GLoRA`);
      const rank = matrices.a[1].rows;
      return decomposed(r, r.scaling(rank, config), (s) => new Glora(matrices, s));
    },
  },
  {
    name: "IA³",
    markers: ["on_input"],
    read(r) {
      const factors = r.need("plain_weight", "on_input");
      return { change: new Ia3(factors, r.number("on_input") !== 0, { trained: 1, strength: r.strength }) };
    },
  },
  {
    name: "whole weights",
    markers: ["diff", "w_norm"],
    read: (r) => ({ change: new Difference((r.maybe("diff") ?? r.maybe("w_norm"))!, r.strength) }),
  },
  {
    name: "whole weights",
    markers: ["set_weight"],
    read: (r) => ({ change: new Replacement(r.maybe("set_weight")!) }),
  },
];

/** A change, with the lengths of `dora_scale` where the module has them: strength then counts outside. */
function decomposed(r: Reader, scaling: Scaling, make: (scaling: Scaling) => Change): { change: Change } {
  const magnitude = r.maybe("dora_scale");
  if (!magnitude) return { change: make(scaling) };
  const change = make({ ...scaling, strength: 1 });
  const count = magnitude.rows * magnitude.width;
  // [out, 1] or [1, in]: where both could be, the first axis counts, as in ComfyUI.
  const onInput = !(count === change.rows && magnitude.rows === count);
  return { change: new Decomposed(change, { magnitude, onInput, strength: scaling.strength }) };
}

/**
 * What the tensors of a module change; undefined for tensors that are none of an algorithm's (whole weights, a lonely alpha).
 *
 * @throws {LssgenError} `bad_tensor` for tensors that do not fit together, `unsupported` for ones that no algorithm here has.
 */
export async function changesOf(
  file: TensorFile,
  group: Group & {
    /** Its path in the model, for patterns of PEFT's. */
    readonly module: string;
  },
  { strength, config }: { strength: number; config: PeftConfig | undefined },
): Promise<Changes | undefined> {
  const found = ALGORITHMS.filter(({ markers }) => markers.some((slot) => group.tensors.has(slot)));
  const r = new Reader(file, group, strength);
  const difference = r.maybe("diff_b") ?? r.maybe("b_norm");
  if (found.length === 0 && !difference) return undefined;
  if (found.length > 1) {
    throw new LssgenError(
      "unsupported",
      `LoRA "${file.name}": "${group.key}" has tensors of ${
        found.map(({ name }) => name).join(" and of ")
      }, expected one`,
    );
  }
  await r.numbers();
  const made = found[0]?.read(r, config);
  if (found.length === 0) r.number("alpha");
  if (made?.bias && difference) throw r.bad(`"${group.key}" has two changes of its bias, expected one`);
  // Says the shape of a layer that is widened for further inputs; where that is another than the model's, the matrices'
  // own shapes refuse it.
  r.maybe("reshape_weight");
  r.done(found[0]?.name ?? "whole weights");
  return {
    weight: made?.change,
    bias: made?.bias ?? (difference && new Difference(difference, strength)),
  };
}
