/**
 * Handlers of single operations: one io file holds every call, tensors are named `in.<call>.<operand>`.
 *
 * @module
 */

import { LssgenError } from "../../lib/errors.ts";
import type { Device } from "../../lib/gpu/device.ts";
import { Recorder } from "../../lib/gpu/recorder.ts";
import { Weights } from "../../lib/models/weights.ts";
import { WeightStore } from "../../lib/residency/store.ts";
import { attention } from "../../lib/ops/attention.ts";
import { conv2d, convTranspose2d, packConv } from "../../lib/ops/conv2d.ts";
import { activation, geglu as gegluOf, softmax } from "../../lib/ops/elementwise.ts";
import { ropeTable, timestepProjection } from "../../lib/ops/embedding.ts";
import { sincos2d } from "../../lib/ops/sincos2d.ts";
import { groupNorm } from "../../lib/ops/group_norm.ts";
import { type Activation, linear } from "../../lib/ops/linear.ts";
import { layerNorm, rmsNorm } from "../../lib/ops/norm.ts";
import { resample } from "../../lib/ops/resample.ts";
import type { Dtype, Tensor } from "../../lib/tensor.ts";
import { openSafetensors } from "../../lib/weights/safetensors.ts";
import type { Answer, Call, CaseContext, Handler, Tensors, Values } from "./case.ts";
import { down, downImage, numbers, up, upActivation, upImage } from "./tensors.ts";

/** What one call computes: the tensor `out.<call>`. */
type Op = (r: Recorder, operand: (name: string) => Values, call: Call, c: CaseContext) => Promise<Values>;

/** Runs an operation for every call of a case. */
function op(run: Op): Handler {
  return async (c: CaseContext): Promise<Answer> => {
    const device = await c.device();
    const [file, io] = only(c);
    const outputs = new Map<string, Values>();
    for (const call of c.json.calls ?? []) {
      using r = new Recorder(device, c.dtype);
      const operand = (name: string): Values => {
        const v = io.get(`in.${call.name}.${name}`);
        if (!v) throw new LssgenError("bad_file", `"${c.path}": ${file} lacks "in.${call.name}.${name}"`);
        return v;
      };
      outputs.set(`out.${call.name}`, await run(r, operand, call, c));
    }
    return { outputs: new Map([[file, outputs]]) };
  };
}

const activations = op(async (r, operand, call) => {
  const x = operand("x");
  if (call.name === "softmax") return down(r, softmax(r, up(r, x)));
  const name = call.name === "gelu_exact" ? "gelu" : call.name as Activation;
  return await down(r, activation(r, up(r, x), name, "f32"));
});

const attentionOp = op(async (r, operand, call, c) => {
  const io = only(c)[1];
  const [B, H, Lq, D] = operand("q").shape;
  const Lk = operand("k").shape[2];
  // [B, H, N, D] → [B, N, H·D], as projections leave it.
  const tokens = (v: Values): Values => {
    const N = v.shape[2];
    const data = new Float32Array(v.data.length);
    for (let b = 0; b < B; b++) {
      for (let h = 0; h < H; h++) {
        for (let n = 0; n < N; n++) {
          for (let d = 0; d < D; d++) {
            data[((b * N + n) * H + h) * D + d] = v.data[((b * H + h) * N + n) * D + d];
          }
        }
      }
    }
    return { shape: [B, N, H * D], data };
  };
  const heads = (name: string) => ({ tensor: upActivation(r, tokens(operand(name))), at: 0 });
  const bias = io.get(`in.${call.name}.bias`);
  const keep = io.get(`in.${call.name}.keep`);
  const out = attention(r, heads("q"), heads("k"), heads("v"), {
    heads: H,
    headDim: D,
    scale: call.kwargs?.scale as number,
    causal: call.kwargs?.causal as boolean,
    bias: bias && up(r, bias),
    keyMask: keep && up(r, keep, [B, Lk]),
  });
  const flat = await r.read(out);
  const data = new Float32Array(flat.length);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      for (let n = 0; n < Lq; n++) {
        for (let d = 0; d < D; d++) {
          data[((b * H + h) * Lq + n) * D + d] = flat[((b * Lq + n) * H + h) * D + d];
        }
      }
    }
  }
  return { shape: [B, H, Lq, D], data };
});

const conv = (transposed: boolean): Handler =>
  op(async (r, operand, call, c) => {
    const w = operand("weight");
    const [Co, Ci] = transposed ? [w.shape[1], w.shape[0]] : w.shape;
    const [kh, kw] = [w.shape[2], w.shape[3]];
    const packed = packConv(r.device, Float32Array.from(w.data), {
      Co,
      Ci,
      kh,
      kw,
      transposed,
      type: c.dtype,
    });
    const weights = { ...packed, bias: up(r, operand("bias")) };
    const { stride, padding } = call.kwargs as { stride: 1 | 2; padding: number };
    const x = upImage(r, operand("x"));
    const y = transposed
      ? convTranspose2d(r, x, weights, { stride, pad: padding, dtype: "f32" })
      : conv2d(r, x, weights, { stride, pad: padding, dtype: "f32" });
    const out = await downImage(r, y);
    packed.buffer.destroy();
    return out;
  });

const geglu = op(async (r, operand, _call, c) => {
  const weights = await linearOf(r.device, c, "in.a.weight", "in.a.bias");
  using _store = weights.store;
  const up2 = linear(r, up(r, operand("x")), weights.linear, { dtype: "f32" });
  return await down(r, gegluOf(r, up2, "f32"));
});

const linearOp = op(async (r, operand, call, c) => {
  const weights = await linearOf(r.device, c, `in.${call.name}.weight`, `in.${call.name}.bias`);
  using _store = weights.store;
  return await down(r, linear(r, up(r, operand("x")), weights.linear, { dtype: "f32" }));
});

const groupNormOp = op(async (r, operand, call) => {
  const { groups, eps } = call.kwargs as { groups: number; eps: number };
  const affine = { weight: up(r, operand("weight")), bias: up(r, operand("bias")) };
  return await downImage(r, groupNorm(r, upImage(r, operand("x")), { groups, eps, ...affine, dtype: "f32" }));
});

const layerNormOp = op(async (r, operand, call, c) => {
  const io = only(c)[1];
  const optional = (name: string): Tensor | undefined => {
    const v = io.get(`in.${call.name}.${name}`);
    return v && up(r, v);
  };
  const eps = call.kwargs?.eps as number;
  const o = { eps, weight: optional("weight"), bias: optional("bias"), dtype: "f32" as Dtype };
  return await down(r, layerNorm(r, up(r, operand("x")), o), operand("x").shape);
});

const rmsNormOp = op(async (r, operand, call) => {
  const o = { eps: call.kwargs?.eps as number, weight: up(r, operand("weight")), dtype: "f32" as Dtype };
  return await down(r, rmsNorm(r, up(r, operand("x")), o), operand("x").shape);
});

/** Sinusoids, rotary and sin-cos tables; the tensors' names carry the parameters. */
const embeddings: Handler = (c) => {
  const [file, io] = only(c);
  const t = numbers(io.get("in.timesteps")!);
  const positions = numbers(io.get("in.positions")!);
  const outputs = new Map<string, Values>();
  for (const [name, want] of io) {
    const sinusoid = /^out\.sinusoid_(\d+)_(flip|noflip)_shift(\d+)$/.exec(name);
    const sincos = /^out\.sincos2d_e(\d+)_g(\d+)_b(\d+)_s(\d+)$/.exec(name);
    const rope = /^out\.rope_(cos|sin)$/.exec(name);
    if (sinusoid) {
      const [dim, shift] = [Number(sinusoid[1]), Number(sinusoid[3])];
      const order = { flipSinToCos: sinusoid[2] === "flip", downscaleFreqShift: shift };
      outputs.set(name, { shape: [t.length, dim], data: timestepProjection(t, dim, order) });
    } else if (sincos) {
      const [e, g, b, s] = sincos.slice(1).map(Number);
      outputs.set(name, { shape: [g * g, e], data: sincos2d(e, g, g, b, s) });
    } else if (rope) {
      const dim = want.shape[1];
      const table = ropeTable(positions.map((p) => [p]), [dim], 10000);
      const which = rope[1] === "cos" ? 0 : 1;
      const data = Float32Array.from({ length: want.data.length }, (_, i) => {
        const [n, d] = [Math.floor(i / dim), i % dim];
        return table[(n * dim / 2 + (d >> 1)) * 2 + which];
      });
      outputs.set(name, { shape: want.shape, data });
    }
  }
  return Promise.resolve({ outputs: new Map([[file, outputs]]) });
};

/** torch.nn.functional.interpolate on NCHW. */
const interpolate: Handler = async (c) => {
  const device = await c.device();
  const [file, io] = only(c);
  const outputs = new Map<string, Values>();
  for (const call of c.json.calls ?? []) {
    using r = new Recorder(device, c.dtype);
    const k = call.kwargs as {
      mode: "nearest" | "nearest-exact" | "bilinear" | "bicubic";
      size?: number[];
      scale_factor?: number | number[];
      align_corners?: boolean;
      antialias?: boolean;
    };
    const x = io.get(call.input as string)!;
    const [, , H, W] = x.shape;
    const factors = typeof k.scale_factor === "number" ? [k.scale_factor, k.scale_factor] : k.scale_factor;
    const [h, w] = k.size ?? [Math.floor(H * factors![0]), Math.floor(W * factors![1])];
    const y = resample(r, upImage(r, x), h, w, k.mode, {
      alignCorners: k.align_corners,
      antialias: k.antialias,
      scaleFactor: factors && [factors[0], factors[1]],
    });
    outputs.set(call.output as string, await downImage(r, y));
  }
  return { outputs: new Map([[file, outputs]]) };
};

/** Class of case.json → handler. */
export const OP_HANDLERS: Readonly<Record<string, Handler>> = {
  activations,
  attention: attentionOp,
  conv2d: conv(false),
  conv_transpose2d_k4s2p1: conv(true),
  embeddings,
  geglu,
  group_norm: groupNormOp,
  layer_norm: layerNormOp,
  linear: linearOp,
  rms_norm: rmsNormOp,
  "torch.nn.functional.interpolate": interpolate,
};

function only(c: CaseContext): [string, Tensors] {
  const first = [...c.io][0];
  if (!first) throw new LssgenError("bad_file", `"${c.path}" has no io.safetensors`);
  return first;
}

/** A linear layer from the io file itself, in the type it is stored in there. */
async function linearOf(device: Device, c: CaseContext, weight: string, bias: string) {
  const file = only(c)[0];
  const tensors = await openSafetensors((await c.folder.open(file))!);
  const [N, K] = tensors.info(weight)!.shape;
  const source = {
    name: file,
    names: () => [weight, bias],
    info: (name: string) => tensors.info(name),
    read: (name: string) => tensors.read(name),
    readF32: (name: string) => tensors.readF32(name),
  };
  const store = new WeightStore(source, device, { dtype: c.dtype });
  const w = new Weights(store);
  const layer = { weight: w.matrix([weight], [N], K), bias: w.vector(bias, N) };
  await store.load();
  return { store, linear: layer };
}
