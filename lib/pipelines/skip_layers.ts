/**
 * Skip-layer guidance: what a request asks for, checked.
 *
 * Source: diffusers StableDiffusion3Pipeline. In some of its steps the network is called once more, without some of its blocks;
 * the output with guidance gains scale · (output for the prompt − output without the blocks).
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { GenerateRequest, ModelInfo } from "./types.ts";

/** diffusers' defaults. */
const SCALE = 2.8;
const START = 0.01;
const END = 0.2;
/** stable-diffusion.cpp's, those for SD3.5-medium. */
const LAYERS: readonly number[] = [7, 8, 9];

/** Skip-layer guidance of a picture. */
export interface SkipLayers {
  /** Blocks left out, counted from 0, each once. */
  readonly layers: readonly number[];
  /** Above 0. */
  readonly scale: number;
  /** Share of the steps after which it begins. */
  readonly start: number;
  /** Share of the steps before which it ends. */
  readonly end: number;
}

function bad(message: string): LssgenError {
  return new LssgenError("bad_option", message);
}

/**
 * The skip-layer guidance that a request asks for; undefined where it is off.
 *
 * @throws {LssgenError} `bad_option`, naming the option: values that cannot be, models that have no such guidance.
 */
export function skipLayersOf(info: ModelInfo, request: GenerateRequest): SkipLayers | undefined {
  const { skipLayers, slgScale, skipLayerStart: start = START, skipLayerEnd: end = END } = request;
  const parts = request.skipLayerStart !== undefined || request.skipLayerEnd !== undefined;
  if (skipLayers === undefined && slgScale === undefined && !parts) return undefined;
  const scale = slgScale ?? SCALE;
  if (!(scale >= 0 && scale <= 100)) {
    throw bad(`slgScale (--slg-scale) is ${scale}, expected a number from 0 to 100`);
  }
  if (slgScale === 0) return undefined;
  const { skippableLayers: count, pipeline } = info;
  if (count === undefined) {
    throw bad(
      `Skip-layer guidance (--slg-scale, --skip-layers) is for SD3 and SD3.5, ${pipeline} has none: leave it out`,
    );
  }
  if (skipLayers === undefined && slgScale === undefined) {
    throw bad(
      "skipLayerStart and skipLayerEnd (--skip-layer-start, --skip-layer-end) say when skip-layer guidance acts, but slgScale " +
        "(--slg-scale) and skipLayers (--skip-layers) are not given",
    );
  }
  const layers = [...new Set(skipLayers ?? LAYERS)];
  const wrong = layers.findIndex((layer) => !(Number.isInteger(layer) && layer >= 0 && layer < count));
  if (layers.length === 0 || wrong >= 0) {
    throw bad(
      (layers.length === 0
        ? "skipLayers (--skip-layers) is empty"
        : skipLayers === undefined
        ? `skipLayers (--skip-layers) is ${LAYERS.join(", ")} where it is not given`
        : `skipLayers (--skip-layers) holds ${layers[wrong]}`) +
        `, expected whole numbers from 0 to ${count - 1}: "${info.name}" has ${count} blocks`,
    );
  }
  if (!(start >= 0 && start < end && end <= 1)) {
    throw bad(
      `skipLayerStart is ${start} and skipLayerEnd ${end} (--skip-layer-start, --skip-layer-end), expected numbers from 0 to 1, ` +
        "the start below the end",
    );
  }
  // Such models call the guidance scale by either name.
  if ((request.guidance ?? request.trueCfgScale ?? info.defaults.guidance) <= 1) {
    throw bad(
      "Skip-layer guidance (--slg-scale, --skip-layers) has no effect without classifier-free guidance, which guidance " +
        "(--guidance) above 1 asks for",
    );
  }
  return { layers, scale, start, end };
}
