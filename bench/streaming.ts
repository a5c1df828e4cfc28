/**
 * Steps whose weights come to the GPU as they are used, beside the same steps with weights that stay, and beside a plain read and
 * upload of the same bytes: the greater of the two is what a step has to take.
 *
 * @module
 */

import { fileFolder } from "../lib/cli/files.ts";
import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { Weights } from "../lib/models/weights.ts";
import { linear } from "../lib/ops/linear.ts";
import { SLOT_BYTES, SLOTS } from "../lib/residency/slots.ts";
import { WeightStore } from "../lib/residency/store.ts";
import { openCheckpointFile } from "../lib/weights/checkpoint.ts";
import type { Bench, BenchCase, Timing } from "./harness.ts";
import { layersFile, plainUpload } from "./loading.ts";

/** Layers of FLUX's width: 300 MB in 16 bits. */
const LAYERS = { shape: [3072, 3072], count: 16, bytes: 2, dtype: "F16" } as const;
/** Rows of a step: reading takes longer, about as long, not as long. */
const ROWS = [1, 64, 512];

async function make(device: Device, rows: number): Promise<BenchCase> {
  const { shape: [N, K], count } = LAYERS;
  const { folder, path, size } = await layersFile(LAYERS);
  const open = async (resident: boolean) => {
    const source = await openCheckpointFile(fileFolder(folder), "model.safetensors");
    const store = new WeightStore(source, device, {
      dtype: "f16",
      streaming: { resident: (total) => resident ? total : 0, slots: SLOTS, slotBytes: SLOT_BYTES },
    });
    const w = new Weights(store);
    const layers = Array.from({ length: count }, (_, i) => w.linear(`l${i}`, N, K, { bias: false }));
    await store.load();
    return { store, layers };
  };
  const [staying, streamed] = [await open(true), await open(false)];
  const r = new Recorder(device, "f32");
  const x = r.tensor([1, rows, K], "f32");
  const y = r.tensor([1, rows, N], "f32");
  const step = ({ layers }: typeof staying) => async (times: number): Promise<void> => {
    for (let n = 0; n < times; n++) {
      for (const layer of layers) linear(r, x, layer, { into: y });
      await r.pace();
      await device.idle();
    }
  };
  return {
    flops: 2 * rows * N * K * count,
    contenders: [
      { label: "streamed", submit: step(streamed) },
      { label: "weights that stay", submit: step(staying) },
      {
        label: "plain read and upload",
        kind: "plain",
        submit: async (times) => {
          for (let n = 0; n < times; n++) await plainUpload(device, path, size);
        },
      },
    ],
    facts: ([stream, stay, plain]: readonly Timing[]) => ({
      "of the greater of computing and reading": `${
        (stream.minMs / Math.max(stay.minMs, plain.minMs)).toFixed(2)
      }×`,
    }),
    dispose: async () => {
      r[Symbol.dispose]();
      for (const { store } of [staying, streamed]) store[Symbol.dispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Steps with streamed weights. */
export const streaming: Bench = {
  name: "streaming",
  cases: ROWS.map((rows) => ({
    name: `${LAYERS.count} layers ${LAYERS.shape.join("×")}, ${rows} rows`,
    make: (device) => make(device, rows),
  })),
};
