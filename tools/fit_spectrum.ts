/**
 * `deno run -A tools/fit_spectrum.ts MODEL PICTURES [--size N]`: fits the power spectrum a·ω^(−beta) of a model's latents to a
 * folder of PNG pictures, for the method `spectral`. Prints the lines for the model folder's lssgen.json.
 *
 * ω counts half waves over the shorter side of the latents, as the coefficients of a cosine transform do. Power is the mean
 * square of the orthonormal coefficients in a ring of width 1; the line is fitted to log power over log ω, each ring once.
 *
 * @module
 */

import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { decodePng } from "../lib/image/png.ts";
import { networkPicture } from "../lib/pipelines/pictures.ts";
import { readModelInfo } from "../lib/pipelines/text_to_image.ts";
import { loadVae } from "../lib/pipelines/vae.ts";
import { dctMatrix } from "../lib/scaling/dct.ts";
import type { Spectrum } from "../lib/scaling/types.ts";
import { readModelIndex } from "../lib/weights/model_folder.ts";

/** Adds the power of each ring of latents [n, n, C] to `sums`, and how many coefficients there were to `counts`. */
export function addRings(
  latents: Float32Array,
  n: number,
  C: number,
  sums: Float64Array,
  counts: Float64Array,
): void {
  const D = dctMatrix(n);
  for (let c = 0; c < C; c++) {
    const wide = Array.from(
      { length: n },
      (_, y) => D.map((row) => row.reduce((sum, v, x) => sum + v * latents[(y * n + x) * C + c], 0)),
    );
    for (let ky = 0; ky < n; ky++) {
      for (let kx = 0; kx < n; kx++) {
        const ring = Math.round(Math.hypot(kx, ky));
        if (ring < 1 || ring >= n) continue;
        const v = D[ky].reduce((sum, d, y) => sum + d * wide[y][kx], 0);
        sums[ring] += v * v;
        counts[ring]++;
      }
    }
  }
}

/** The line through log power over log ω, by least squares. */
export function fitPower(sums: Float64Array, counts: Float64Array): Spectrum {
  const points = [...sums].flatMap((sum, ring) =>
    ring > 0 && counts[ring] > 0 && sum > 0 ? [[Math.log(ring), Math.log(sum / counts[ring])]] : []
  );
  const mean = (of: (p: number[]) => number): number => points.reduce((s, p) => s + of(p), 0) / points.length;
  const [x, y] = [mean((p) => p[0]), mean((p) => p[1])];
  const slope = mean((p) => (p[0] - x) * (p[1] - y)) / mean((p) => (p[0] - x) ** 2);
  return { a: Math.exp(y - slope * x), beta: -slope };
}

async function main(args: readonly string[]): Promise<void> {
  const at = args.indexOf("--size");
  const size = at < 0 ? 512 : Number(args[at + 1]);
  const [model, pictures] = args.filter((_, i) => at < 0 || (i !== at && i !== at + 1));
  if (!pictures || !Number.isInteger(size) || size < 64) {
    throw new LssgenError("bad_option", "Usage: deno run -A tools/fit_spectrum.ts MODEL PICTURES [--size N]");
  }
  const folder = fileFolder(model);
  const info = await readModelInfo(folder);
  using device = await openDevice();
  const index = await readModelIndex(folder);
  using vae = await loadVae({ folder, index, device, dtype: "f32" }, info.latentChannels);
  const n = Math.floor(size / info.space.vaeFactor);
  const side = n * info.space.vaeFactor;
  const [sums, counts] = [new Float64Array(n), new Float64Array(n)];
  let used = 0;
  for (const { name } of Deno.readDirSync(pictures)) {
    if (!name.endsWith(".png")) continue;
    const picture = await decodePng(Deno.readFileSync(`${pictures}/${name}`));
    using r = new Recorder(device, "f32");
    using scope = r.scope();
    void scope;
    const input = r.upload([1, side, side, 3], networkPicture(picture, side, side));
    const noise = r.upload([1, n, n, info.latentChannels], new Float32Array(n * n * info.latentChannels));
    addRings(await r.read(await vae.encode(r, input, noise)), n, info.latentChannels, sums, counts);
    used++;
  }
  if (used === 0) throw new LssgenError("bad_file", `"${pictures}" holds no .png file`);
  const { a, beta } = fitPower(sums, counts);
  console.log(
    `${used} pictures at ${side}²: "spectrum_a": ${a.toPrecision(6)}, "spectrum_beta": ${
      beta.toPrecision(5)
    }`,
  );
}

if (import.meta.main) await main(Deno.args);
