/**
 * A component quantised while it is read: the tensors that a conversion to the type would choose, byte for byte as the converted file
 * would hold them, a piece at a time.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { elements } from "../tensor.ts";
import { kindsOf } from "./checkpoint.ts";
import { type ConvertOptions, piecesOf, planConversion, type PlannedTensor, quantised } from "./convert.ts";
import { OPEN_CLIP_NAMES } from "./names/clip.ts";
import { underDiffusersNames } from "./names/original.ts";
import { OriginalCheckpoint } from "./names/reverse.ts";
import { bytesEndToEnd } from "./pieces.ts";
import { dequantise } from "./quants.ts";
import type { RowRange } from "./safetensors.ts";
import { componentFile } from "./single_file.ts";
import type { Checkpoint } from "./types.ts";

/** Which types a component's tensors get. */
export type Retyping = Pick<ConvertOptions, "type" | "rules" | "quantise" | "lanes">;

/**
 * A component as it would be once it was converted.
 *
 * @param source Under the names of diffusers or transformers.
 * @param subfolder The component's folder, which says what it is.
 * @param openClip Whether one file of the model has this text encoder under OpenCLIP's names (SDXL's second).
 * @throws {LssgenError} As `planConversion`.
 */
export function retyped(
  source: Checkpoint,
  subfolder: string,
  options: Retyping & { readonly openClip?: boolean },
): Checkpoint {
  const file = asFile(source, options.openClip ?? false);
  const made = new RetypedCheckpoint(file, options);
  return file === source ? made : underDiffusersNames(made, kindsOf(subfolder));
}

/** Under the names by which a conversion chooses; fused tensors are one. */
function asFile(source: Checkpoint, openClip: boolean): Checkpoint {
  try {
    return openClip ? new OriginalCheckpoint(source, OPEN_CLIP_NAMES) : componentFile(source, "gguf");
  } catch (error) {
    // What does not survive the way to those names is converted under its own.
    if (error instanceof LssgenError) return source;
    throw error;
  }
}

class RetypedCheckpoint implements Checkpoint {
  private readonly planned: ReadonlyMap<string, PlannedTensor>;

  constructor(private readonly source: Checkpoint, private readonly options: Retyping) {
    const plan = planConversion(source, { ...options, format: "gguf" });
    this.planned = new Map(plan.map((tensor) => [tensor.name, tensor]));
  }

  get name(): string {
    return this.source.name;
  }

  get metadata(): Checkpoint["metadata"] {
    return this.source.metadata;
  }

  names(): Iterable<string> {
    return this.source.names();
  }

  info(name: string): { readonly shape: readonly number[]; readonly dtype: string } | undefined {
    const tensor = this.planned.get(name);
    return tensor && { shape: tensor.shape, dtype: tensor.to };
  }

  wholeOnly(name: string): boolean {
    return this.source.wholeOnly?.(name) ?? false;
  }

  async read(
    name: string,
    rows?: RowRange,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer> }> {
    const tensor = this.find(name);
    if (tensor.from === tensor.to) return await this.source.read(name, rows, into);
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const pieces = piecesOf(rows ? [rows.count, ...tensor.shape.slice(1)] : tensor.shape).map((piece) =>
      piece && rows ? { first: rows.first + piece.first, count: piece.count } : piece ?? rows
    );
    const lanes = this.options.lanes ?? 1;
    for (let at = 0; at < pieces.length; at += lanes) {
      const some = pieces.slice(at, at + lanes).map((piece) =>
        quantised(this.source, tensor, tensor.to, piece, this.options.quantise)
      );
      for (const bytes of await Promise.all(some)) {
        if (bytes === undefined) throw beyond(this.name, tensor);
        parts.push(bytes);
      }
    }
    return { bytes: bytesEndToEnd(parts, into) };
  }

  async readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>> {
    const { from, to, shape } = this.find(name);
    if (from === to) return await this.source.readF32(name, rows);
    const { bytes } = await this.read(name, rows);
    const values = dequantise(bytes, to);
    const count = rows ? elements(shape) / (shape[0] ?? 1) * rows.count : elements(shape);
    return values.length === count ? values : values.subarray(0, count);
  }

  private find(name: string): PlannedTensor {
    const tensor = this.planned.get(name);
    if (!tensor) throw new LssgenError("bad_tensor", `"${this.name}" has no tensor "${name}"`);
    return tensor;
  }
}

function beyond(file: string, { name, to }: PlannedTensor): LssgenError {
  const type = to.toLowerCase();
  return new LssgenError(
    "numeric",
    `"${file}": tensor "${name}" holds values beyond what ${type} can hold; keep it with ` +
      `--tensor-type-rules "${
        name.replaceAll(".", "\\.")
      }=f32", or convert the file, which keeps such tensors in f32`,
  );
}
