/**
 * LoRA and its relatives: trained changes of a model's weights, merged while the tensors are read.
 *
 * Which tools' files are read, and which algorithms are applied or refused, is in docs/LORA.md; each algorithm is a file
 * of lora/.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { ByteSource } from "./bytes.ts";
import { elements } from "../tensor.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type Adapter, checkStrength, isPart, type LoraFile, readLora } from "./lora/adapters.ts";
import { ChangedCheckpoint, type Planned } from "./lora/changed_checkpoint.ts";
import { madeFor } from "./lora/refused.ts";
import { checkFit, findTargets } from "./lora/targets.ts";

/** A LoRA to apply. */
export interface Lora {
  /** A safetensors or GGUF file. */
  readonly file: ByteSource;
  /** Strength; 1 by default, 0 to about 1.5 is usual, negative does the opposite. */
  readonly scale?: number;
  /** Text of PEFT's `adapter_config.json`, where one lies beside the file: it holds alpha and rsLoRA. */
  readonly config?: string;
}

/** LoRAs of a model, matched to its components one by one. */
export class LoraSet {
  /** The component that has a change's module: the first that was offered. */
  private readonly owners = new Map<Adapter, string>();
  /** Changes that another change of the same file repeats under another name. */
  private readonly repeated = new Map<Adapter, Adapter>();
  /** Quantised weights that files change in a way which needs their values. */
  private readonly expanded = new Map<LoraFile, { keys: string[]; bytes: number }>();

  private constructor(private readonly files: readonly LoraFile[]) {}

  /**
   * Reads the headers of LoRA files, and the numbers in them.
   *
   * @throws {LssgenError} `bad_file` for an unsound file or one that holds no LoRA, `bad_tensor` for tensors that do not
   * fit together, `unsupported` for an algorithm that is not applied, by its name, `bad_option` for a scale that is none.
   */
  static async open(loras: readonly Lora[]): Promise<LoraSet> {
    const files: LoraFile[] = [];
    for (const { file, scale = 1, config } of loras) {
      checkStrength(file.name, scale);
      files.push(await readLora(file, { strength: scale, config, order: files.length }));
    }
    return new LoraSet(files);
  }

  /**
   * A component's checkpoint with the changes that belong to it.
   *
   * @param part `denoiser`, or the folder of a text encoder. Where a name could mean several components (kohya's
   *   `lora_te3_`), the first that is offered and has the module gets it.
   * @throws {LssgenError} `bad_tensor` when a change has another shape than its tensor.
   */
  apply(checkpoint: Checkpoint, part: string): Checkpoint {
    if (!isPart(part)) return checkpoint;
    const mine = this.files.flatMap(({ adapters }) => adapters).filter((adapter) =>
      adapter.parts.includes(part) && (this.owners.get(adapter) ?? part) === part
    );
    const found = findTargets(checkpoint, mine);
    const plan = new Map<string, Planned[]>();
    // The order of the files, and in each the order of its tensors.
    for (const adapter of mine) {
      const where = found.get(adapter);
      if (!where) continue;
      checkFit(checkpoint, adapter, where.targets);
      this.owners.set(adapter, part);
      // Some files hold one LoRA under two namings. As in diffusers, that of its own names counts, the other not at all.
      const others = where.targets.flatMap(({ name }) => plan.get(name) ?? [])
        .map((planned) => planned.adapter).filter((other) => other.file === adapter.file);
      const counts = where.direct && others.every((other) => !found.get(other)!.direct);
      if (others.length > 0 && !counts) {
        this.repeated.set(adapter, others[0]);
        continue;
      }
      for (const other of others) {
        this.repeated.set(other, adapter);
        for (const { name } of found.get(other)!.targets) {
          plan.set(name, plan.get(name)!.filter((planned) => planned.adapter !== other));
        }
      }
      for (const { name } of where.targets) {
        plan.set(name, [...plan.get(name) ?? [], { adapter, targets: where.targets }]);
      }
    }
    for (const [name, changes] of plan) {
      if (changes.length === 0) plan.delete(name);
      this.noteExpanded(checkpoint, name, changes);
    }
    return plan.size === 0 ? checkpoint : new ChangedCheckpoint(checkpoint, plan);
  }

  /** Remembers a quantised weight that cannot stay so: what a change makes of it depends on its values, or is no product. */
  private noteExpanded(checkpoint: Checkpoint, name: string, changes: readonly Planned[]): void {
    const { dtype, shape } = { ...checkpoint.info(name)!, ...checkpoint.stored?.(name) };
    const cause = changes.find(({ adapter }) => !adapter.change.lowRank);
    if (!cause || !/^(Q\d|F8_|I8$)/.test(dtype) || shape.length < 2) return;
    const { file, key } = cause.adapter;
    const known = this.expanded.get(file) ?? { keys: [], bytes: 0 };
    known.keys.push(key);
    known.bytes += 2 * elements(shape);
    this.expanded.set(file, known);
  }

  /**
   * What matched nothing once every component was offered, and what the files' headers say besides, as sentences.
   *
   * @throws {LssgenError} `unsupported` when nothing of a file matched, or nothing of what it has for the denoiser.
   */
  warnings(model: string): string[] {
    return this.files.flatMap((file) => {
      const { name, adapters, others, notes } = file;
      const left = adapters.filter((adapter) => !this.owners.has(adapter));
      const core = adapters.filter(({ denoiser }) => denoiser);
      if (
        left.length === adapters.length ||
        (core.length > 0 && core.every((adapter) => left.includes(adapter)))
      ) {
        const [first] = core.length > 0 ? core : left;
        throw new LssgenError(
          "unsupported",
          `LoRA "${name}" fits no part of ${model}: it changes "${first.key}" and ${
            adapters.length - 1
          } more modules; it was ` +
            `made for another model${madeFor(adapters.map(({ key }) => key), file.metadata)}`,
        );
      }
      const of = `LoRA "${name}":`;
      const sentences = notes.map((note) => `${of} ${note}`);
      if (left.length > 0) {
        const keys = left.map(({ key, leaf }) => leaf === "bias" ? `${key} (bias)` : key);
        const purpose = 2 * left.length >= adapters.length ? madeFor(keys, file.metadata) : "";
        sentences.push(
          `${of} ${left.length} of ${adapters.length} changes match nothing in ${model} and were left out: ` +
            listed(keys) + purpose,
        );
      }
      const expanded = this.expanded.get(file);
      if (expanded) {
        sentences.push(
          `${of} ${expanded.keys.length} quantised weights are changed otherwise than by adding a product of two matrices and take 16 ` +
            `bits a value on the GPU, ${Math.ceil(expanded.bytes / 2 ** 20)} MiB in all: ${
              listed([...new Set(expanded.keys)])
            }`,
        );
      }
      const embeddings = others.filter((other) => other.startsWith("bundle_emb."));
      if (embeddings.length > 0) {
        const tokens = [...new Set(embeddings.map((key) => key.split(".")[1]))];
        sentences.push(
          `${of} it brings textual inversions (embeddings of tokens), which were left out: ${listed(tokens)}`,
        );
      }
      const rest = others.filter((other) => !embeddings.includes(other));
      if (rest.length > 0) {
        sentences.push(
          `${of} ${rest.length} tensors are part of no adapter and were left out: ${listed(rest)}`,
        );
      }
      const twice = [...this.repeated].filter(([adapter]) => adapter.file === file);
      if (twice.length > 0) {
        const [again, counted] = twice[0];
        sentences.push(
          `${of} ${twice.length} changes are in the file twice, under two names, and were taken once: ${counted.key}, not ${again.key}`,
        );
      }
      return sentences;
    });
  }
}

/** The first ten, and how many more there are. */
function listed(names: readonly string[]): string {
  const more = names.length - 10;
  return names.slice(0, 10).join(", ") + (more > 0 ? `, … (${more} more)` : "");
}
