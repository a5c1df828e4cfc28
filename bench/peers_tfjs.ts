/**
 * TensorFlow.js' WebGPU backend at the same work, in f32, with a device of its own. In pages only.
 *
 * @module
 */

import type { PeerContender, Peers } from "./harness.ts";

/** What we use of the package. */
export interface Tf {
  readonly version_core: string;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  env(): { set(flag: string, value: number): void };
  backend(): unknown;
  tensor(values: Float32Array, shape: readonly number[]): TfTensor;
  matMul(a: TfTensor, b: TfTensor): TfTensor;
  conv2d(x: TfTensor, w: TfTensor, stride: number, pad: "same"): TfTensor;
}

interface TfTensor {
  dispose(): void;
}

/** Starts TensorFlow.js. It has no attention of its own. */
export async function tfPeer(tf: Tf): Promise<Peers> {
  await tf.setBackend("webgpu");
  await tf.ready();
  // It would otherwise keep up to fifteen launches back.
  tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", 1);
  const { device } = tf.backend() as { device: GPUDevice };

  function tensor(shape: readonly number[]): TfTensor {
    const count = shape.reduce((a, b) => a * b, 1);
    return tf.tensor(Float32Array.from({ length: count }, (_, i) => (i * 0.618 % 1) - 0.5), shape);
  }

  function contender(inputs: readonly TfTensor[], run: () => TfTensor): PeerContender {
    return {
      label: `TensorFlow.js ${tf.version_core}, f32`,
      kind: "peer",
      submit: (times) => {
        for (let i = 0; i < times; i++) run().dispose();
      },
      idle: async () => void await device.queue.onSubmittedWorkDone(),
      dispose: () => {
        for (const input of inputs) input.dispose();
      },
    };
  }

  return {
    matmul: (M, N, K) => {
      const [x, w] = [tensor([M, K]), tensor([K, N])];
      return Promise.resolve([contender([x, w], () => tf.matMul(x, w))]);
    },
    conv: (S, Ci, Co) => {
      const [x, w] = [tensor([1, S, S, Ci]), tensor([3, 3, Ci, Co])];
      return Promise.resolve([contender([x, w], () => tf.conv2d(x, w, 1, "same"))]);
    },
    attention: () => Promise.resolve([]),
  };
}
