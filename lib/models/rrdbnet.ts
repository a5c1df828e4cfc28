/**
 * RRDBNet: the generator of ESRGAN and Real-ESRGAN, residual blocks in residual blocks of densely connected convolutions,
 * without any norm.
 *
 * Source: ESRGAN (arXiv 1809.00219), Real-ESRGAN (arXiv 2107.10833), whose x2 and x1 networks take pictures with 2 × 2 and
 * 4 × 4 pixels in the channels. Tensor names are Real-ESRGAN's (lib/weights/names/upscaler.ts); every size is read from the
 * tensors.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { conv2d, type ConvWeights } from "../ops/conv2d.ts";
import { add, combine, concatChannels } from "../ops/elementwise.ts";
import { DTYPE_BYTES, type Tensor } from "../tensor.ts";
import { MOST } from "../weights/model_folder.ts";
import type { Checkpoint } from "../weights/types.ts";
import { convFlops, type Upscaler, type UpscalerRun } from "./upscaler.ts";
import type { Weights } from "./weights.ts";

/** What the tensors say. */
export interface RrdbNetConfig {
  /** Channels between blocks: 64. */
  readonly features: number;
  /** Channels that each convolution of a dense block adds: 32. */
  readonly growth: number;
  /** Residual-in-residual blocks: 23, 6 in the anime network. */
  readonly blocks: number;
  /** Times that sides are doubled after the blocks: 2. */
  readonly doublings: number;
  /** Pixels a side that lie in the channels of the input: 1, 2 (x2plus) or 4. */
  readonly unshuffle: 1 | 2 | 4;
}

/** Share of a block's output that is added to its input. */
const RESIDUAL_SCALE = 0.2;
/** Convolutions of a dense block. */
const DENSE = 5;

/**
 * Reads the sizes from the tensors.
 *
 * @throws {LssgenError} `bad_tensor` for a tensor that is missing or of an impossible shape; `unsupported` for networks that
 *   take no RGB.
 */
export function rrdbNetConfig(source: Checkpoint): RrdbNetConfig {
  const shapeOf = (name: string): readonly number[] => {
    const shape = source.info(name)?.shape;
    if (shape?.length === 4 && shape.every((n) => n >= 1)) return shape;
    throw new LssgenError(
      "bad_tensor",
      `"${source.name}": ${
        shape ? `tensor "${name}" is [${shape}]` : `there is no tensor "${name}"`
      }, expected [out, in, 3, 3] of an RRDBNet`,
    );
  };
  const [features, channels] = shapeOf("conv_first.weight");
  const unshuffle = ([1, 2, 4] as const).find((u) => 3 * u * u === channels);
  if (unshuffle === undefined) {
    throw new LssgenError(
      "unsupported",
      `"${source.name}": "conv_first.weight" takes ${channels} channels, expected 3 (RGB), 12 or 48 (RGB with 2 × 2 or 4 × 4 ` +
        "pixels in the channels)",
    );
  }
  const count = (nameOf: (i: number) => string, most: number): number => {
    let n = 0;
    while (n < most && source.info(nameOf(n))) n++;
    return n;
  };
  const doublings = count((i) => `conv_up${i + 1}.weight`, MOST.levels);
  if (2 ** doublings < unshuffle) {
    throw new LssgenError(
      "bad_tensor",
      `"${source.name}": ${doublings} upsampling convolutions (conv_up1, …) for ${unshuffle} × ${unshuffle} pixels in the ` +
        "channels make the picture smaller, expected more of them",
    );
  }
  return {
    features,
    growth: shapeOf("body.0.rdb1.conv1.weight")[0],
    blocks: count((i) => `body.${i}.rdb1.conv1.weight`, MOST.layers),
    doublings,
    unshuffle,
  };
}

/** FLOPs for each pixel of the maps of the blocks. */
function flopsOf({ features, growth, blocks, doublings, unshuffle }: RrdbNetConfig): number {
  const plain = convFlops(features, features);
  let dense = 0;
  for (let i = 0; i < DENSE; i++) {
    dense += convFlops(features + i * growth, i === DENSE - 1 ? features : growth);
  }
  let total = convFlops(3 * unshuffle ** 2, features) + 3 * blocks * dense + plain;
  for (let i = 1; i <= doublings; i++) total += 4 ** i * plain;
  return total + 4 ** doublings * (plain + convFlops(features, 3));
}

/** RRDBNet. */
export class RrdbNet implements Upscaler {
  private readonly convFirst: ConvWeights;
  private readonly body: ResidualBlock[];
  private readonly convBody: ConvWeights;
  private readonly ups: ConvWeights[];
  private readonly convHr: ConvWeights;
  private readonly convLast: ConvWeights;
  readonly scale: number;
  readonly unshuffle: number;
  readonly shuffle = 1;
  readonly addsInput = false;

  readonly flopsPerPixel: number;

  /** Declares the weights; load them before use. */
  constructor(w: Weights, config: RrdbNetConfig) {
    const { features, growth, blocks, doublings, unshuffle } = config;
    this.flopsPerPixel = flopsOf(config) / unshuffle ** 2;
    this.scale = 2 ** doublings / unshuffle;
    this.unshuffle = unshuffle;
    this.convFirst = w.conv("conv_first", features, 3 * unshuffle ** 2, 3);
    this.body = Array.from(
      { length: blocks },
      (_, i) => new ResidualBlock(w.at("body").at(i), features, growth),
    );
    this.convBody = w.conv("conv_body", features, features, 3);
    this.ups = Array.from(
      { length: doublings },
      (_, i) => w.conv(`conv_up${i + 1}`, features, features, 3),
    );
    this.convHr = w.conv("conv_hr", features, features, 3);
    this.convLast = w.conv("conv_last", 3, features, 3);
  }

  get reach(): number {
    // conv_first, three dense blocks a block, conv_body.
    return (1 + 3 * DENSE * this.body.length + 1 + this.tailReach) * this.unshuffle;
  }

  /** Rows of features in each direction that a row of the result looks at after the blocks. */
  private get tailReach(): number {
    let reach = 2; // conv_hr and conv_last
    for (let i = 0; i < this.ups.length; i++) reach = Math.ceil((reach + 1) / 2);
    return reach;
  }

  async forward(r: Recorder, x: Tensor, { bytes = Infinity, advanced }: UpscalerRun = {}): Promise<Tensor> {
    using scope = r.scope();
    const first = conv2d(r, x, this.convFirst, { pad: 1, dtype: "f32" });
    let h = first;
    for (const [i, block] of this.body.entries()) {
      const next = block.forward(r, h);
      if (h !== first) scope.free(h);
      h = next;
      await r.pace();
      advanced?.((i + 1) / (this.body.length + 1));
    }
    const body = conv2d(r, h, this.convBody, { pad: 1, dtype: "f32" });
    if (h !== first) scope.free(h);
    const features = add(r, first, body);
    scope.free(body);
    scope.free(first);
    // Maps of the blocks have sizes that the layers after them have no use for.
    r.trim();
    return scope.keep(await this.enlarged(r, features, bytes - features.byteLength));
  }

  /** The layers after the blocks, in bands of rows: their maps are scale² times as large as those of the blocks. */
  private async enlarged(r: Recorder, features: Tensor, bytes: number): Promise<Tensor> {
    const [, H, W, C] = features.shape;
    const grown = 2 ** this.ups.length;
    // Of a row of features: each doubling's map, conv_hr's, and the result's.
    const pixels = this.ups.reduce((sum, _, i) => sum + 4 ** (i + 1), 1) + grown ** 2;
    const rowOfMaps = W * (pixels * C * DTYPE_BYTES[r.dtype] + 2 * 3 * 4 * grown ** 2);
    // Bands of equal height, so that one's maps take the place of those of the band before.
    const height = Math.max(1, Math.floor(bytes / 2 / rowOfMaps)) + 2 * this.tailReach;
    if (height >= H) return this.tail(r, features);
    using scope = r.scope();
    const out = r.tensor([1, H * grown, W * grown, 3], "f32");
    const rowBytes = W * C * DTYPE_BYTES[features.dtype];
    const outBytes = W * grown * 3 * 4;
    for (let from = 0; from < H;) {
      using _band = r.scope();
      const begin = Math.min(Math.max(0, from - this.tailReach), H - height);
      const end = begin + height;
      const to = end === H ? H : end - this.tailReach;
      const part = r.tensor([1, height, W, C], features.dtype);
      r.copy(features, begin * rowBytes, part, 0, height * rowBytes);
      const band = this.tail(r, part);
      r.copy(
        band,
        (from - begin) * grown * outBytes,
        out,
        from * grown * outBytes,
        (to - from) * grown * outBytes,
      );
      await r.pace();
      from = to;
    }
    return scope.keep(out);
  }

  /** [1, h, w, features] → [1, 2ⁿ·h, 2ⁿ·w, 3] f32. */
  private tail(r: Recorder, features: Tensor): Tensor {
    using scope = r.scope();
    let h = features;
    const step = (w: ConvWeights, upsample?: 2): void => {
      const next = conv2d(r, h, w, { pad: 1, upsample, act: "leaky_relu" });
      if (h !== features) scope.free(h);
      h = next;
    };
    for (const up of this.ups) step(up, 2);
    step(this.convHr);
    return scope.keep(conv2d(r, h, this.convLast, { pad: 1, dtype: "f32" }));
  }
}

/** x + 0.2 · dense(dense(dense x)). */
class ResidualBlock {
  private readonly dense: DenseBlock[];

  constructor(w: Weights, features: number, growth: number) {
    this.dense = [1, 2, 3].map((i) => new DenseBlock(w.at(`rdb${i}`), features, growth));
  }

  /** x [1, h, w, features] f32 → same. */
  forward(r: Recorder, x: Tensor): Tensor {
    using scope = r.scope();
    let h = x;
    for (const dense of this.dense) {
      const next = dense.forward(r, h);
      if (h !== x) scope.free(h);
      h = next;
    }
    return scope.keep(combine(r, [{ coef: RESIDUAL_SCALE, tensor: h }, { coef: 1, tensor: x }]));
  }
}

/** Five convolutions, each of which sees the input and what those before it made; x + 0.2 · the last one's output. */
class DenseBlock {
  private readonly convs: ConvWeights[];

  constructor(w: Weights, features: number, growth: number) {
    this.convs = Array.from(
      { length: DENSE },
      (_, k) => w.conv(`conv${k + 1}`, k === DENSE - 1 ? features : growth, features + k * growth, 3),
    );
  }

  /** x [1, h, w, features] f32 → same. */
  forward(r: Recorder, x: Tensor): Tensor {
    using scope = r.scope();
    let seen = x;
    for (const conv of this.convs.slice(0, -1)) {
      const more = conv2d(r, seen, conv, { pad: 1, act: "leaky_relu" });
      const next = concatChannels(r, seen, more, r.dtype);
      scope.free(more);
      if (seen !== x) scope.free(seen);
      seen = next;
    }
    const last = conv2d(r, seen, this.convs[DENSE - 1], { pad: 1 });
    return scope.keep(combine(r, [{ coef: RESIDUAL_SCALE, tensor: last }, { coef: 1, tensor: x }]));
  }
}
