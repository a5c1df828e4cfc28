/**
 * Quantised weights as they are used: GGUF blocks are expanded to f16 on the CPU when a model is loaded, and multiplied
 * as any 16-bit weight from then on (bench `matmul`). What is timed is that expansion; bytes are those of the file and
 * of the f16 matrix.
 *
 * @module
 */

import { Weights } from "../lib/models/weights.ts";
import { WeightStore } from "../lib/residency/store.ts";
import { dequantise, GGML_TYPES } from "../lib/weights/quants.ts";
import type { Bench, BenchCase } from "./harness.ts";
import type { Device } from "../lib/gpu/device.ts";

/** The types that models are published in. */
const TYPES = ["Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0", "Q3_K", "Q2_K"] as const;
/** An attention projection of FLUX. */
const [N, K] = [3072, 3072];

function make(device: Device, name: string): BenchCase {
  const type = [...GGML_TYPES.values()].find((t) => t.name === name)!;
  const bytes = Uint8Array.from({ length: N * K / type.values * type.bytes }, (_, i) => i * 89 % 251);
  const expand = () => dequantise(bytes, name);
  return {
    flops: 0,
    bytes: bytes.length + 2 * N * K,
    contenders: [
      {
        label: "from the file's bytes to the GPU",
        submit: async (times) => {
          for (let i = 0; i < times; i++) {
            using store = new WeightStore(
              {
                name: "bench",
                names: () => ["w.weight"],
                info: () => ({ shape: [N, K], dtype: name }),
                read: () => Promise.resolve({ bytes }),
                readF32: () => Promise.resolve(expand()),
              },
              device,
              { dtype: "f16" },
            );
            new Weights(store).linear("w", N, K, { bias: false });
            await store.load();
          }
        },
      },
      {
        label: "dequantise() alone, to f32",
        bytes: bytes.length + 4 * N * K,
        submit: (times) => {
          for (let i = 0; i < times; i++) expand();
        },
      },
    ],
    dispose: () => {},
  };
}

/** Expansion of quantised weights. */
export const quantised: Bench = {
  name: "quantised",
  cases: TYPES.map((name) => ({ name: `${name} ${N}×${K}`, make: (device) => make(device, name) })),
};
