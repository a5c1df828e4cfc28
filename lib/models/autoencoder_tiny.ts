/**
 * AutoencoderTiny: the small distilled autoencoders TAESD, TAESDXL, TAESD3 and TAEF1.
 *
 * Source: diffusers AutoencoderTiny, EncoderTiny, DecoderTiny. Latents are what the diffusion model works on:
 * `scaling_factor` is 1 and `shift_factor` 0 in the published files, and pipelines apply others.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { conv2d, type ConvWeights } from "../ops/conv2d.ts";
import { activation, affine, softClamp } from "../ops/elementwise.ts";
import type { Tensor } from "../tensor.ts";
import { type ConfigReader, MOST } from "../weights/model_folder.ts";
import { Weights } from "./weights.ts";

/** Config keys as diffusers spells them. */
export interface AutoencoderTinyConfig {
  /** Colour channels, 3. */
  readonly in_channels: number;
  /** Colour channels, 3. */
  readonly out_channels: number;
  /** Channels of the latents: 4 or 16. */
  readonly latent_channels: number;
  /** Width of the encoder at each resolution. */
  readonly encoder_block_out_channels: readonly number[];
  /** Width of the decoder at each resolution. */
  readonly decoder_block_out_channels: readonly number[];
  /** Blocks of the encoder at each resolution. */
  readonly num_encoder_blocks: readonly number[];
  /** Blocks of the decoder at each resolution. */
  readonly num_decoder_blocks: readonly number[];
  /** Normalised latents = (z − shift_factor) · scaling_factor. */
  readonly scaling_factor: number;
  /** See scaling_factor. */
  readonly shift_factor: number;
}

/** Reads and checks vae/config.json. */
export function autoencoderTinyConfig(c: ConfigReader): AutoencoderTinyConfig {
  c.expect("act_fn", "relu");
  c.expect("upsampling_scaling_factor", 2);
  c.expect("upsample_fn", "nearest");
  const widths = { min: 1, max: MOST.width, most: MOST.levels };
  const encoder = c.wholes("encoder_block_out_channels", widths, [64, 64, 64, 64]);
  const decoder = c.wholes("decoder_block_out_channels", widths, [64, 64, 64, 64]);
  const blocks = (levels: number, each: string) => ({
    min: 1,
    max: MOST.layers,
    least: levels,
    most: levels,
    each,
  });
  return {
    in_channels: c.whole("in_channels", 1, MOST.width, 3),
    out_channels: c.whole("out_channels", 1, MOST.width, 3),
    latent_channels: c.whole("latent_channels", 1, MOST.width, 4),
    encoder_block_out_channels: encoder,
    decoder_block_out_channels: decoder,
    num_encoder_blocks: c.wholes("num_encoder_blocks", blocks(encoder.length, "encoder_block_out_channels"), [
      1,
      3,
      3,
      3,
    ]),
    num_decoder_blocks: c.wholes("num_decoder_blocks", blocks(decoder.length, "decoder_block_out_channels"), [
      3,
      3,
      3,
      1,
    ]),
    scaling_factor: c.range("scaling_factor", 1e-4, 1e4, 1),
    shift_factor: c.range("shift_factor", -1e4, 1e4, 0),
  };
}

/** A layer of the plain stack that both halves are. */
type Layer = (r: Recorder, x: Tensor) => Tensor;

/** AutoencoderTiny. */
export class AutoencoderTiny {
  private readonly encoder?: Layer[];
  private readonly decoder: Layer[];

  /** Declares the weights; load them before use. TAESD's halves are published apart: a decoder alone can decode. */
  constructor(private readonly w: Weights, readonly config: AutoencoderTinyConfig) {
    const names = [...w.store.source.names()];
    const half = names.length > 0 && names.every((name) => name.startsWith("decoder."));
    if (!half) this.encoder = encoderLayers(w.at("encoder.layers"), config);
    this.decoder = decoderLayers(w.at("decoder.layers"), config);
  }

  /**
   * Picture [B, H, W, 3] in −1 … 1 → latents [B, H/8, W/8, C] f32.
   *
   * @throws {LssgenError} `unsupported` when the file holds the decoder alone.
   */
  encode(r: Recorder, x: Tensor): Tensor {
    if (!this.encoder) {
      throw new LssgenError(
        "unsupported",
        `"${this.w.store.source.name}" is a decoder alone, and a picture is to be encoded; put the encoder's file beside it`,
      );
    }
    using scope = r.scope();
    return scope.keep(through(r, affine(r, x, 0.5, 0.5), this.encoder));
  }

  /** Latents [B, h, w, C] → picture [B, 8h, 8w, 3] f32, about −1 … 1. */
  decode(r: Recorder, z: Tensor): Tensor {
    using scope = r.scope();
    return scope.keep(affine(r, through(r, softClamp(r, z), this.decoder), 2, -1));
  }
}

/** Runs a stack, freeing each map when the next is made. */
function through(r: Recorder, x: Tensor, layers: readonly Layer[]): Tensor {
  using scope = r.scope();
  let h = x;
  for (const layer of layers) {
    const next = layer(r, h);
    if (h !== x) scope.free(h);
    h = next;
  }
  return scope.keep(h);
}

/** conv, blocks, then for each further resolution a strided conv and blocks; a last conv to the latents. */
function encoderLayers(w: Weights, c: AutoencoderTinyConfig): Layer[] {
  const layers: Layer[] = [];
  const widths = c.encoder_block_out_channels;
  const next = () => w.at(layers.length);
  c.num_encoder_blocks.forEach((blocks, i) => {
    const first = i === 0;
    layers.push(
      conv(next(), widths[i], first ? c.in_channels : widths[i - 1], first ? {} : { stride: 2, bias: false }),
    );
    for (let j = 0; j < blocks; j++) layers.push(block(next(), widths[i]));
  });
  layers.push(conv(next(), c.latent_channels, widths[widths.length - 1], { last: true }));
  return layers;
}

/** conv and relu, then for each resolution blocks, nearest upsampling and a conv; the last conv gives the picture. */
function decoderLayers(w: Weights, c: AutoencoderTinyConfig): Layer[] {
  const layers: Layer[] = [];
  const widths = c.decoder_block_out_channels;
  // The checkpoint counts activations and upsamplings as layers: indices leave room for them.
  let index = 0;
  const first = conv(w.at(index), widths[0], c.latent_channels, {});
  layers.push((r, x) => activation(r, first(r, x), "relu"));
  index += 2;
  c.num_decoder_blocks.forEach((blocks, i) => {
    const last = i === c.num_decoder_blocks.length - 1;
    for (let j = 0; j < blocks; j++) layers.push(block(w.at(index++), widths[i]));
    if (!last) index++;
    const out = last ? c.out_channels : widths[i];
    layers.push(conv(w.at(index++), out, widths[i], last ? { last } : { upsample: 2, bias: false }));
  });
  return layers;
}

/** A 3×3 convolution; the last of a stack gives f32. */
function conv(
  w: Weights,
  Co: number,
  Ci: number,
  o: { stride?: number; upsample?: 2; bias?: boolean; last?: boolean },
): Layer {
  const weights = convWeights(w, Co, Ci, o.bias);
  return (r, x) =>
    conv2d(r, x, weights, {
      pad: 1,
      stride: o.stride,
      upsample: o.upsample,
      dtype: o.last ? "f32" : r.dtype,
    });
}

/** The weights of a layer that has no name of its own: `….layers.3.weight`. */
function convWeights(w: Weights, Co: number, Ci: number, bias = true): ConvWeights {
  const at = w.path.lastIndexOf(".");
  return new Weights(w.store).at(w.path.slice(0, at)).conv(w.path.slice(at + 1), Co, Ci, 3, { bias });
}

/** AutoencoderTinyBlock: relu(conv(relu(conv(relu(conv x)))) + x). */
function block(w: Weights, C: number): Layer {
  const convs = [0, 2, 4].map((i) => w.conv(`conv.${i}`, C, C, 3));
  return (r, x) => {
    using scope = r.scope();
    const a = conv2d(r, x, convs[0], { pad: 1, act: "relu" });
    const b = conv2d(r, a, convs[1], { pad: 1, act: "relu" });
    return scope.keep(activation(r, conv2d(r, b, convs[2], { pad: 1, residual: x }), "relu"));
  };
}
