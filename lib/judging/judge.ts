/**
 * The judge of drawn pictures that train/judge.py trained on drawings alone: which nouns, style, background and colour a picture
 * shows. Plain TypeScript: 3×3 convolutions with ReLU, then linear heads; half a second a picture.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Picture } from "../image/png.ts";
import { resize } from "../image/resize.ts";
import { parseJson } from "../json.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { openGguf } from "../weights/gguf.ts";

const BOUNDS = { characters: 1 << 24, depth: 8 };

/** Names that the judge can give, and what the real drawings of the unseen prompts are like. */
export interface JudgeNames {
  /** Every noun of the model. */
  readonly nouns: readonly string[];
  readonly styles: readonly string[];
  /** Plain colours, "gradient", scenes. */
  readonly grounds: readonly string[];
  /** "" for a thing in its own colours, then colour words. */
  readonly tints: readonly string[];
  /** Pixels a side of what the network reads. */
  readonly side: number;
  /** Strides of the convolutions. */
  readonly strides: readonly number[];
  /** Side of a picture → mean sharpness and saturation of real drawings. */
  readonly manner: Readonly<Record<string, readonly [number, number]>>;
  /** Shares that are right on real drawings which the judge has not seen. */
  readonly right: Readonly<Record<string, number>>;
}

/** What a picture shows. */
export interface Verdict {
  /** Nouns from the surest down, as many as were asked for. */
  readonly nouns: readonly string[];
  readonly style: string;
  readonly ground: string;
  readonly tint: string;
  /** Pooled features, for distances between sets of pictures. */
  readonly features: Float32Array;
}

interface Layer {
  readonly weight: Float32Array; // [out][3][3][in]
  readonly bias: Float32Array;
  readonly inputs: number;
  readonly outputs: number;
  readonly stride: number;
}

/** 3×3 convolution with padding 1, plus the input where the widths agree, then ReLU; channels last. */
function convolve(x: Float32Array, side: number, layer: Layer): { x: Float32Array; side: number } {
  const { weight, bias, inputs, outputs, stride } = layer;
  const out = Math.ceil(side / stride), y = new Float32Array(out * out * outputs);
  const patch = new Float32Array(9 * inputs);
  for (let row = 0; row < out; row++) {
    for (let column = 0; column < out; column++) {
      patch.fill(0);
      for (let dy = 0; dy < 3; dy++) {
        const sy = row * stride + dy - 1;
        if (sy < 0 || sy >= side) continue;
        for (let dx = 0; dx < 3; dx++) {
          const sx = column * stride + dx - 1;
          if (sx < 0 || sx >= side) continue;
          const at = (sy * side + sx) * inputs;
          patch.set(x.subarray(at, at + inputs), (dy * 3 + dx) * inputs);
        }
      }
      const at = (row * out + column) * outputs;
      for (let o = 0; o < outputs; o++) {
        let sum = bias[o];
        const w = o * patch.length;
        for (let i = 0; i < patch.length; i++) sum += weight[w + i] * patch[i];
        if (inputs === outputs) sum += x[at + o];
        y[at + o] = Math.max(0, sum);
      }
    }
  }
  return { x: y, side: out };
}

function missing(folder: FolderSource, file: string): LssgenError {
  return new LssgenError(
    "bad_file",
    `"${folder.name}" has no ${file}, expected a judge's folder: train in a checkout, where train/judge.py writes it`,
  );
}

/** judge.json, with what the network and its callers rely on. */
async function judgeNames(folder: FolderSource): Promise<JudgeNames> {
  const text = await folder.text("judge.json");
  if (text === undefined) throw missing(folder, "judge.json");
  const texts = (v: unknown): boolean =>
    Array.isArray(v) && v.length > 0 && v.every((s) => typeof s === "string");
  let names: Partial<JudgeNames> | undefined;
  try {
    names = parseJson(`${folder.name}/judge.json`, text, BOUNDS) as Partial<JudgeNames>;
  } catch (cause) {
    if (cause instanceof LssgenError) throw cause;
  }
  const { nouns, styles, grounds, tints, side, strides } = names ?? {};
  if (
    [nouns, styles, grounds, tints].every(texts) && Number.isInteger(side) && side! >= 8 && side! <= 1024 &&
    Array.isArray(strides) && strides.length > 0 && strides.every((s) => s === 1 || s === 2)
  ) {
    return { ...names, manner: names?.manner ?? {}, right: names?.right ?? {} } as JudgeNames;
  }
  throw new LssgenError(
    "bad_file",
    `"${folder.name}/judge.json" is not a judge's, expected lists nouns, styles, grounds, tints and strides, and a side of 8 to 1024`,
  );
}

/** What a judge sees: weights of judge.gguf under the names of judge.json. */
export class Judge {
  private constructor(
    readonly names: JudgeNames,
    private readonly layers: readonly Layer[],
    private readonly heads: Readonly<Record<string, { weight: Float32Array; bias: Float32Array }>>,
    /** Features of real drawings of the unseen prompts, one a row. */
    readonly real: readonly Float32Array[],
  ) {}

  /**
   * @param folder Holds judge.json and judge.gguf; `train` in a checkout does.
   * @throws {LssgenError} `bad_file` where one is missing or is not what train/judge.py writes, `bad_tensor` as reading tensors does.
   */
  static async load(folder: FolderSource): Promise<Judge> {
    const names = await judgeNames(folder);
    const source = await folder.open("judge.gguf");
    if (!source) throw missing(folder, "judge.gguf");
    const file = await openGguf(source);
    const read = (name: string, ...shape: number[]): Promise<Float32Array> => {
      const stored = file.info(name)?.shape;
      if (stored?.join() === shape.join()) return file.readF32(name);
      throw new LssgenError(
        "bad_tensor",
        `"${source.name}": tensor "${name}" is ${stored ? `[${stored}]` : "not there"}, expected [${shape}]`,
      );
    };
    const layers: Layer[] = [];
    let inputs = 3;
    for (const [i, stride] of names.strides.entries()) {
      const [outputs = 0] = file.info(`convs.${i}.weight`)?.shape ?? [];
      const weight = await read(`convs.${i}.weight`, outputs, 9 * inputs);
      layers.push({ weight, bias: await read(`convs.${i}.bias`, outputs), inputs, outputs, stride });
      inputs = outputs;
    }
    const heads: Record<string, { weight: Float32Array; bias: Float32Array }> = {};
    const { nouns, styles, grounds, tints } = names;
    for (
      const [name, { length }] of Object.entries({ noun: nouns, style: styles, ground: grounds, tint: tints })
    ) {
      heads[name] = {
        weight: await read(`${name}.weight`, length, inputs),
        bias: await read(`${name}.bias`, length),
      };
    }
    const [drawings = 0] = file.info("real.features")?.shape ?? [];
    // A distance is one of two pictures at least.
    const all = await read("real.features", Math.max(2, drawings), inputs);
    const real = Array.from({ length: drawings }, (_, i) => all.subarray(i * inputs, (i + 1) * inputs));
    return new Judge(names, layers, heads, real);
  }

  private apply(head: string, x: Float32Array): Float32Array {
    const { weight, bias } = this.heads[head];
    return bias.map((b, o) => {
      let sum = b;
      for (let i = 0; i < x.length; i++) sum += weight[o * x.length + i] * x[i];
      return sum;
    });
  }

  /** What an RGB picture shows, with its `count` surest nouns. */
  look(picture: Picture, count: number): Verdict {
    const { side } = this.names;
    const small = resize(picture, side, side, "box");
    let x: Float32Array = Float32Array.from(small.data, (v) => v / 127.5 - 1), n = side;
    for (const layer of this.layers) ({ x, side: n } = convolve(x, n, layer));
    const width = x.length / (n * n), features = new Float32Array(width);
    const sums = new Float64Array(this.names.nouns.length);
    for (let cell = 0; cell < n * n; cell++) {
      const part = x.subarray(cell * width, (cell + 1) * width);
      part.forEach((v, i) => features[i] += v / (n * n));
      this.apply("noun", part).forEach((v, i) => sums[i] += Math.exp(v));
    }
    const best = (scores: ArrayLike<number>): number =>
      Array.from(scores).reduce((top, v, i, all) => v > all[top] ? i : top, 0);
    const order = Array.from(sums.keys()).sort((a, b) => sums[b] - sums[a]);
    return {
      nouns: order.slice(0, count).map((i) => this.names.nouns[i]),
      style: this.names.styles[best(this.apply("style", features))],
      ground: this.names.grounds[best(this.apply("ground", features))],
      tint: this.names.tints[best(this.apply("tint", features))],
      features,
    };
  }
}

/** Mean length of the brightness's gradient, and mean distance of a pixel's largest and least channel, of an RGB picture, both of 0..1. */
export function manner({ width, height, data }: Picture): [sharpness: number, saturation: number] {
  const grey = (i: number): number => (data[3 * i] + data[3 * i + 1] + data[3 * i + 2]) / 765;
  let sharpness = 0, saturation = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x, r = data[3 * i], g = data[3 * i + 1], b = data[3 * i + 2];
      saturation += (Math.max(r, g, b) - Math.min(r, g, b)) / 255;
      if (y + 1 < height && x + 1 < width) {
        sharpness += Math.hypot(grey(i + width) - grey(i), grey(i + 1) - grey(i));
      }
    }
  }
  return [sharpness / ((width - 1) * (height - 1)), saturation / (width * height)];
}

/**
 * Kernel distance between two sets of features (KID, arXiv 1801.01401: unbiased squared MMD with the kernel (a·b/d + 1)³), times 1000.
 * Features are brought to the real ones' scale first.
 */
export function kernelDistance(made: readonly Float32Array[], real: readonly Float32Array[]): number {
  const d = real[0].length;
  const scale =
    Math.sqrt(real.reduce((s, f) => s + f.reduce((t, v) => t + v * v, 0), 0) / (real.length * d)) || 1;
  const kernel = (a: Float32Array, b: Float32Array): number => {
    let dot = 0;
    for (let i = 0; i < d; i++) dot += a[i] * b[i];
    return (dot / (d * scale * scale) + 1) ** 3;
  };
  const within = (set: readonly Float32Array[]): number => {
    let sum = 0;
    for (let i = 0; i < set.length; i++) for (let j = 0; j < i; j++) sum += 2 * kernel(set[i], set[j]);
    return sum / (set.length * (set.length - 1));
  };
  const between = made.reduce((s, a) => s + real.reduce((t, b) => t + kernel(a, b), 0), 0) /
    (made.length * real.length);
  return 1000 * (within(made) + within(real) - 2 * between);
}

/** `33 % (21–49)`: the share of what is true among what is known, with its interval; a dash where nothing is. */
export function shareText(right: readonly (boolean | undefined)[]): string {
  const asked = right.filter((one) => one !== undefined);
  if (asked.length === 0) return "–";
  const count = asked.filter(Boolean).length;
  const [share, low, high] = [count / asked.length, ...interval(count, asked.length)]
    .map((v) => Math.round(100 * v));
  return `${share} % (${low}–${high})`;
}

/** Wilson's 95 % interval of a share. */
export function interval(right: number, count: number): [low: number, high: number] {
  if (!count) return [0, 1];
  const z = 1.96, p = right / count, n = count;
  const middle = (p + z * z / (2 * n)) / (1 + z * z / n);
  const half = z / (1 + z * z / n) * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return [middle - half, middle + half];
}
