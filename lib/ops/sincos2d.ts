/**
 * Sinusoids of a grid's places, on the CPU in f64.
 *
 * @module
 */

/**
 * Sin-cos position table of a grid, [h·w, dim]: first half of the channels is x, second y, each [sin, cos].
 *
 * @param base Side of the grid at training; positions are scaled so that the grid spans it.
 * @param scale interpolation_scale of the config.
 *
 * Source: diffusers get_2d_sincos_pos_embed.
 */
export function sincos2d(
  dim: number,
  h: number,
  w: number,
  base: number,
  scale: number,
): Float32Array<ArrayBuffer> {
  const quarter = dim / 4;
  const out = new Float32Array(h * w * dim);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const at = (y * w + x) * dim;
      const axes = [x / (w / base) / scale, y / (h / base) / scale];
      axes.forEach((p, axis) => {
        for (let i = 0; i < quarter; i++) {
          const angle = Math.fround(p) / 10000 ** (i / quarter);
          out[at + axis * 2 * quarter + i] = Math.sin(angle);
          out[at + axis * 2 * quarter + quarter + i] = Math.cos(angle);
        }
      });
    }
  }
  return out;
}
