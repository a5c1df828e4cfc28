/**
 * onnxruntime-web's WebGPU backend at the same work, in the same process and on the same adapter, with a device of its
 * own. Always in f32: on software adapters its f16 kernels are many times slower.
 *
 * @module
 */

import type { PeerContender, Peers } from "./harness.ts";
import { onnxModel, type OnnxNode, type OnnxValue } from "./onnx.ts";

/** What we use of the package; its types need a DOM. */
interface Ort {
  readonly env: {
    readonly wasm: { numThreads: number; wasmPaths?: string };
    readonly webgpu: { readonly device: Promise<GPUDevice> };
    readonly versions: { readonly web?: string };
    logLevel: string;
  };
  readonly InferenceSession: {
    create(model: Uint8Array, options: unknown): Promise<
      { run(feeds: unknown): Promise<Record<string, { dispose(): void }>>; release(): Promise<void> }
    >;
  };
  readonly Tensor: {
    fromGpuBuffer(buffer: GPUBuffer, options: { dataType: string; dims: readonly number[] }): unknown;
  };
}

/** Starts onnxruntime-web. */
export function onnxPeer(ort: Ort): Peers {
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";

  async function contender(
    node: OnnxNode,
    inputs: readonly OnnxValue[],
    output: OnnxValue,
    layout?: "NHWC",
  ): Promise<PeerContender> {
    const model = onnxModel(node, "f32", inputs, output);
    const session = await ort.InferenceSession.create(model, {
      executionProviders: [layout ? { name: "webgpu", preferredLayout: layout } : "webgpu"],
      preferredOutputLocation: "gpu-buffer",
    });
    const gpu = await ort.env.webgpu.device;
    const buffers: GPUBuffer[] = [];
    const feeds: Record<string, unknown> = {};
    for (const { name, shape } of inputs) {
      const count = shape.reduce((a, b) => a * b, 1);
      const values = Float32Array.from({ length: count }, (_, i) => (i * 0.618 % 1) - 0.5);
      // STORAGE | COPY_DST | COPY_SRC
      const buffer = gpu.createBuffer({ size: Math.ceil(values.byteLength / 16) * 16, usage: 128 | 8 | 4 });
      gpu.queue.writeBuffer(buffer, 0, values);
      buffers.push(buffer);
      feeds[name] = ort.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims: shape });
    }
    return {
      label: `onnxruntime-web ${ort.env.versions.web ?? ""}, f32`,
      kind: "peer",
      submit: async (times) => {
        for (let i = 0; i < times; i++) {
          const out = await session.run(feeds);
          out[output.name].dispose();
        }
      },
      idle: async () => void await gpu.queue.onSubmittedWorkDone(),
      dispose: async () => {
        for (const buffer of buffers) buffer.destroy();
        await session.release();
      },
    };
  }

  return {
    matmul: async (M, N, K) => [
      await contender(
        { op: "MatMul" },
        [{ name: "x", shape: [1, M, K] }, { name: "w", shape: [K, N] }],
        {
          name: "y",
          shape: [1, M, N],
        },
      ),
    ],
    conv: async (S, Ci, Co) => [
      await contender(
        { op: "Conv", attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [1, 1] } },
        [{ name: "x", shape: [1, Ci, S, S] }, { name: "w", shape: [Co, Ci, 3, 3] }],
        { name: "y", shape: [1, Co, S, S] },
        "NHWC",
      ),
    ],
    attention: async (L, heads, D) => {
      const shape = [1, L, heads * D];
      return [
        await contender(
          { op: "MultiHeadAttention", domain: "com.microsoft", attributes: { num_heads: heads } },
          ["query", "key", "value"].map((name) => ({ name, shape })),
          { name: "y", shape },
        ),
      ];
    },
  };
}
