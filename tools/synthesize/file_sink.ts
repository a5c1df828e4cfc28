/**
 * A file that is written piece by piece.
 *
 * @module
 */

import type { ConvertSink } from "../../lib/weights/convert.ts";

/** Opens a file to write, emptied; disposing closes it. */
export async function fileSink(path: string): Promise<ConvertSink & Disposable> {
  const file = await Deno.open(path, { write: true, create: true, truncate: true });
  return {
    async write(at, bytes) {
      await file.seek(at, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
    },
    [Symbol.dispose]: () => file.close(),
  };
}
