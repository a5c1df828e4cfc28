import { assert, assertEquals } from "@std/assert";
import { bandLength, coarse, compose, decompose } from "../lib/image/wavelets.ts";
import { numbers } from "./devices.ts";

const worst = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((top: number, v, i) => Math.max(top, Math.abs(v - b[i])), 0);

Deno.test("all bands together give the plane back, at even, odd and tiny sizes", () => {
  for (const [h, w] of [[64, 64], [17, 33], [8, 7], [3, 1], [1, 1], [2, 5]]) {
    const plane = numbers(h * w, h + w);
    const taken = decompose(plane, h, w);
    assertEquals(taken.bands.LL.length, bandLength(h) * bandLength(w));
    assert(worst(compose(taken), plane) < 1e-9, `${h}×${w}: ${worst(compose(taken), plane)}`);
  }
});

Deno.test("the coarse part keeps polynomials of degree three inside and drops a checkerboard", () => {
  const n = 32;
  const cubic = Float64Array.from({ length: n * n }, (_, i) => {
    const [x, y] = [(i % n) / n, Math.floor(i / n) / n];
    return 1 + x - 2 * y * y + x * x * x + x * y;
  });
  const kept = coarse(cubic, n, n);
  for (let y = 8; y < n - 8; y++) {
    for (let x = 8; x < n - 8; x++) assert(Math.abs(kept[y * n + x] - cubic[y * n + x]) < 1e-9);
  }
  const board = Float64Array.from({ length: n * n }, (_, i) => (i + Math.floor(i / n)) % 2 * 2 - 1);
  const left = coarse(board, n, n);
  for (let y = 8; y < n - 8; y++) for (let x = 8; x < n - 8; x++) assert(Math.abs(left[y * n + x]) < 1e-9);
});

Deno.test("the LL band is PyWavelets'", () => {
  // pywt.dwt2(np.arange(35.).reshape(5, 7) ** 1.5, "db4", "symmetric")[0][0, :3]
  const { bands } = decompose(Float64Array.from({ length: 35 }, (_, i) => i ** 1.5), 5, 7);
  assertEquals(bands.LL.length, 6 * 7);
  assert(worst([340.92637333, 308.10192384, 276.657549], bands.LL) < 1e-5);
});
