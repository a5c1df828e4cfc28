/**
 * What networks that enlarge pictures have in common, whatever their architecture.
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import type { Tensor } from "../tensor.ts";

/** How a network is run. */
export interface UpscalerRun {
  /** Bytes of activations to keep within where the network may work on parts of a map, which changes no pixel. */
  readonly bytes?: number;
  /** Called with the share of the work that is handed to the GPU, 0 … 1. */
  readonly advanced?: (share: number) => void;
}

/** FLOPs of a convolution of 3 × 3 for each of its outputs' pixels. */
export function convFlops(from: number, to: number): number {
  return 2 * 9 * from * to;
}

/** A network that enlarges pictures by convolutions: each pixel of the result depends on a window of the picture. */
export interface Upscaler {
  /** How many times larger a side gets. */
  readonly scale: number;
  /**
   * The picture is given with its u × u pixels in the channels (torch's pixel_unshuffle); u. Its sides are multiples of u.
   */
  readonly unshuffle: number;
  /** The result has s × s pixels in the channels (as before torch's pixel_shuffle); s. */
  readonly shuffle: number;
  /** Whether each pixel's own colour is to be added to the s × s pixels that it becomes. */
  readonly addsInput: boolean;
  /** Pixels of the picture in each direction that a pixel of the result looks at, at most. */
  readonly reach: number;
  /** FLOPs for each pixel of the picture, those of convolutions: what tiles see beside it comes on top. */
  readonly flopsPerPixel: number;
  /**
   * Enlarges. Colours are 0 … 1.
   *
   * @param x [1, h / u, w / u, 3·u²] f32.
   * @returns [1, h·scale / s, w·scale / s, 3·s²] f32.
   */
  forward(r: Recorder, x: Tensor, options?: UpscalerRun): Promise<Tensor>;
}
