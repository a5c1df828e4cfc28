/**
 * Canny's edges: gradients, thinned to ridges, kept where they are strong or hang on strong ones.
 *
 * Source: Canny 1986, with OpenCV's conventions: Sobel 3 × 3, |gx| + |gy|, mirrored borders.
 *
 * @module
 */

/** Tangents of 22.5° and 67.5°. */
const FLAT = Math.tan(Math.PI / 8);
const STEEP = Math.tan(3 * Math.PI / 8);

/**
 * Marks the edges of a picture.
 *
 * @param grey Brightness 0 … 255, [height, width].
 * @param low Gradient from which an edge goes on.
 * @param high Gradient from which it begins.
 * @returns 1 on edges, [height, width].
 */
export function cannyEdges(
  grey: Float32Array,
  width: number,
  height: number,
  low: number,
  high: number,
): Uint8Array {
  const mirrored = (i: number, n: number): number =>
    i < 0 ? Math.min(n - 1, 1) : i >= n ? Math.max(0, n - 2) : i;
  const at = (y: number, x: number): number => grey[mirrored(y, height) * width + mirrored(x, width)];
  const [gx, gy, size] = [0, 1, 2].map(() => new Float32Array(width * height));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      const side = (dx: number): number => at(y - 1, x + dx) + 2 * at(y, x + dx) + at(y + 1, x + dx);
      const level = (dy: number): number => at(y + dy, x - 1) + 2 * at(y + dy, x) + at(y + dy, x + 1);
      gx[i] = side(1) - side(-1);
      gy[i] = level(1) - level(-1);
      size[i] = Math.abs(gx[i]) + Math.abs(gy[i]);
    }
  }
  const ridge = new Uint8Array(width * height); // 1 may go on, 2 begins
  const begins: number[] = [];
  const gradient = (y: number, x: number): number =>
    y < 0 || y >= height || x < 0 || x >= width ? 0 : size[y * width + x];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (size[i] <= low) continue;
      const [ax, ay] = [Math.abs(gx[i]), Math.abs(gy[i])];
      const [dy, dx] = ay < FLAT * ax ? [0, 1] : ay > STEEP * ax ? [1, 0] : [1, gx[i] * gy[i] < 0 ? -1 : 1];
      const straight = dy === 0 || dx === 0;
      // Of two equal neighbours one is kept.
      const [before, after] = [gradient(y - dy, x - dx), gradient(y + dy, x + dx)];
      if (!(size[i] > before && (straight ? size[i] >= after : size[i] > after))) continue;
      ridge[i] = size[i] > high ? 2 : 1;
      if (ridge[i] === 2) begins.push(i);
    }
  }
  const edges = new Uint8Array(width * height);
  for (const i of begins) edges[i] = 1;
  while (begins.length > 0) {
    const i = begins.pop()!;
    const [y, x] = [Math.floor(i / width), i % width];
    for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
      for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
        const near = v * width + u;
        if (ridge[near] === 0 || edges[near]) continue;
        edges[near] = 1;
        begins.push(near);
      }
    }
  }
  return edges;
}

/** RALU's thresholds. */
const [LOW, HIGH] = [100, 200];

/**
 * Edge pixels in each square of a picture.
 *
 * @param rgb −1 … 1, [height, width, 3].
 * @param side Pixels of a square's side.
 * @returns [height / side, width / side].
 */
export function edgesBySquare(rgb: Float32Array, width: number, height: number, side: number): Float64Array {
  const grey = Float32Array.from({ length: width * height }, (_, i) => {
    const [r, g, b] = [0, 1, 2].map((c) => Math.min(255, Math.max(0, (rgb[3 * i + c] + 1) * 127.5)));
    return Math.round(0.299 * r + 0.587 * g + 0.114 * b);
  });
  const columns = width / side;
  const out = new Float64Array(columns * (height / side));
  cannyEdges(grey, width, height, LOW, HIGH).forEach((edge, i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    out[Math.floor(y / side) * columns + Math.floor(x / side)] += edge;
  });
  return out;
}
