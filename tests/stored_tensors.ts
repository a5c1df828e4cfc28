/** Safetensors files of any type, for tests: what lib/ writes is F32. */

/** A tensor as it lies in the file. */
export interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A safetensors file of them. */
export function storedFile(
  tensors: Readonly<Record<string, Stored>>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const directory: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    directory[name] = { dtype, shape, data_offsets: [at, at += bytes.length] };
  }
  const header = new TextEncoder().encode(JSON.stringify(directory));
  const out = new Uint8Array(8 + header.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.length), true);
  out.set(header, 8);
  let to = 8 + header.length;
  for (const { bytes } of Object.values(tensors)) {
    out.set(bytes, to);
    to += bytes.length;
  }
  return out;
}
