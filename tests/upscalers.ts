/** Small networks that enlarge pictures, of the numbers that tests/data/upscalers/make.py gives them. */

import type { Picture } from "../lib/image/png.ts";
import type { TensorEntry } from "../lib/weights/safetensors.ts";

/** The linear congruential generator of make.py. */
export class Numbers {
  constructor(private state: number) {}

  take(n: number, scale: number): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: n }, () => {
      this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
      return (this.state / 2 ** 32 - 0.5) * 2 * scale;
    });
  }
}

function conv(n: Numbers, name: string, co: number, ci: number): TensorEntry[] {
  return [
    { name: `${name}.weight`, shape: [co, ci, 3, 3], data: n.take(co * ci * 9, (3 / (ci * 9)) ** 0.5) },
    { name: `${name}.bias`, shape: [co], data: n.take(co, 0.1) },
  ];
}

/** An RRDBNet of 8 features and a growth of 4, under Real-ESRGAN's names; ×4, or ×2 with `unshuffle` 2. */
export function rrdbNetFile(
  { blocks, unshuffle = 1 }: { blocks: number; unshuffle?: number },
): TensorEntry[] {
  const [n, features, growth] = [new Numbers(7), 8, 4];
  const out = conv(n, "conv_first", features, 3 * unshuffle ** 2);
  for (let i = 0; i < blocks; i++) {
    for (let j = 1; j <= 3; j++) {
      for (let k = 1; k <= 5; k++) {
        const co = k === 5 ? features : growth;
        out.push(...conv(n, `body.${i}.rdb${j}.conv${k}`, co, features + (k - 1) * growth));
      }
    }
  }
  for (const name of ["conv_body", "conv_up1", "conv_up2", "conv_hr"]) {
    out.push(...conv(n, name, features, features));
  }
  return [...out, ...conv(n, "conv_last", 3, features)];
}

/** An SRVGGNetCompact of 8 features. */
export function srvggFile(convs: number, scale: number): TensorEntry[] {
  const [n, features] = [new Numbers(7), 8];
  const out: TensorEntry[] = [];
  for (let i = 0; i <= convs; i++) {
    out.push(...conv(n, `body.${2 * i}`, features, i === 0 ? 3 : features));
    out.push({ name: `body.${2 * i + 1}.weight`, shape: [features], data: n.take(features, 0.5) });
  }
  return [...out, ...conv(n, `body.${2 * convs + 2}`, 3 * scale ** 2, features)];
}

/** The picture of make.py, at any size. */
export function picture(width: number, height: number): Picture {
  const data = Uint8Array.from(new Numbers(3).take(3 * width * height, 0.5), (v) => (v + 0.5) * 255);
  return { width, height, channels: 3, data };
}
