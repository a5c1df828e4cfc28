/**
 * What is kept between runs in localStorage.
 *
 * @module
 */

import type { Device } from "../../lib/gpu/device.ts";
import { kernelLists, storedKernels, storedTunings, storeTuning } from "../../lib/gpu/stored.ts";
import { usable } from "../../lib/gpu/tune.ts";
import { type Target, textInput, textOf } from "./target.ts";

const DEVICE = { info: { f16: true, subgroups: true, storageTexels: true } } as unknown as Device;

/** The tuning cache and the lists of kernels. */
export const tunings: Target = {
  name: "tuning-cache",
  seeds: () =>
    Promise.resolve([
      textInput({
        "tunings.json": JSON.stringify([{
          adapter: "a|b|c",
          operands: "texels",
          ms: { texels: 1, buffers: 2 },
          tiles: "large",
          tilesMs: {},
          texels: "sampled",
          texelsMs: {},
          arithmetic: "f32",
          arithmeticMs: {},
          reduction: "rows",
          reductionMs: {},
          normLoads: 0,
          normMs: {},
        }]),
        "kernels.json": JSON.stringify([
          ["k", [{ shader: "pack", constants: { I: 1 }, types: { T: "f32" } }]],
          ["l", []],
        ]),
      }),
    ]),
  run(input) {
    const kept = new Map([["lssgen.tunings", textOf(input, "tunings.json")], [
      "lssgen.kernels",
      textOf(input, "kernels.json"),
    ]]);
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, text: string) => void kept.set(key, text),
    };
    // Never the user's own.
    const before = Object.getOwnPropertyDescriptor(globalThis, "localStorage");
    Object.defineProperty(globalThis, "localStorage", { value: storage, configurable: true });
    try {
      const known = storedTunings();
      const sound = known.find((tuning) => usable(tuning, DEVICE));
      if (sound) storeTuning(sound);
      for (const [key, kernels] of kernelLists()) {
        if (kernels.length > 256) throw new RangeError("a list without a bound");
        storedKernels.remember(key, storedKernels.recall(key));
      }
    } finally {
      if (before) Object.defineProperty(globalThis, "localStorage", before);
      else delete (globalThis as { localStorage?: unknown }).localStorage;
    }
  },
};
