/** Networks that enlarge pictures: against PyTorch, under every layout of names, and cut into tiles. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import {
  loadUpscaler,
  openUpscaler,
  openUpscalerFile,
  tilesOf,
  type Upscaling,
} from "../lib/pipelines/upscaling.ts";
import { RrdbNet, rrdbNetConfig } from "../lib/models/rrdbnet.ts";
import { Weights } from "../lib/models/weights.ts";
import { WeightStore } from "../lib/residency/store.ts";
import { bytesOf } from "../lib/weights/bytes.ts";
import { type TensorEntry, writeSafetensors } from "../lib/weights/safetensors.ts";
import expected from "./data/upscalers/expected.json" with { type: "json" };
import { picture, rrdbNetFile, srvggFile } from "./upscalers.ts";

const fileOf = (entries: readonly TensorEntry[], name = "net.safetensors") =>
  bytesOf(name, writeSafetensors(entries));

/** The whole result on the CPU, [height, width, 3]. */
async function enlarged(
  network: Upscaling,
  device: Device,
  source: { width: number; height: number; data: Float32Array },
  tile: { tileSize?: number; tileMargin?: number } = {},
): Promise<Float32Array> {
  const width = source.width * network.scale;
  const out = new Float32Array(3 * width * source.height * network.scale);
  using r = new Recorder(device, "f32");
  await network.enlarge(r, { ...source, at: (i) => source.data[i] }, {
    ...tile,
    take: (x, y, line, shares) =>
      line.forEach((v, i) => {
        const at = 3 * (y * width + x) + i;
        out[at] += (v - out[at]) * shares[Math.floor(i / 3)];
      }),
  });
  return out;
}

async function load(device: Device, entries: readonly TensorEntry[]): Promise<Upscaling> {
  return await loadUpscaler(await openUpscalerFile(fileOf(entries)), { device, dtype: "f32" });
}

const colours = (width: number, height: number) => ({
  width,
  height,
  data: Float32Array.from(picture(width, height).data, (v) => v / 255),
});

const CASES = [
  ["x4", rrdbNetFile({ blocks: 2 })],
  ["x2", rrdbNetFile({ blocks: 1, unshuffle: 2 })],
  ["srvgg", srvggFile(3, 3)],
] as const;

for (const [name, entries] of CASES) {
  Deno.test(`${name} enlarges a picture of 5×7 as PyTorch does`, async () => {
    using device = await openDevice();
    using network = await load(device, entries);
    const { width, height, data } = expected[name];
    assertEquals([width, height], [5 * network.scale, 7 * network.scale]);
    const want = new Float32Array(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)).buffer);
    const got = await enlarged(network, device, colours(5, 7));
    const worst = got.reduce((most, v, i) => Math.max(most, Math.abs(v - want[i])), 0);
    assert(worst < 2e-6, `differs by ${worst}`);
  });
}

Deno.test("every layout of names gives the same pixels", async () => {
  using device = await openDevice();
  const results: Float32Array[] = [];
  const named = rrdbNetFile({ blocks: 2 });
  const layouts: Record<string, (name: string) => string> = {
    "Real-ESRGAN": (name) => name,
    "a trainer's checkpoint": (name) => `params_ema.${name}`,
    BSRGAN: (name) =>
      name.replace(/^body\.(\d+)\.rdb(\d)/, "RRDB_trunk.$1.RDB$2").replace(/^conv_body/, "trunk_conv")
        .replace(/^conv_up(\d)/, "upconv$1").replace(/^conv_hr/, "HRconv"),
    "ESRGAN's first release": (name) =>
      name.replace(/^body\.(\d+)\.rdb(\d)\.(conv\d)/, "model.1.sub.$1.RDB$2.$3.0")
        .replace(/^conv_body/, "model.1.sub.2").replace(/^conv_first/, "model.0")
        .replace(/^conv_up1/, "model.3").replace(/^conv_up2/, "model.6").replace(/^conv_hr/, "model.8")
        .replace(/^conv_last/, "model.10"),
  };
  for (const rename of Object.values(layouts)) {
    using network = await load(device, named.map((t) => ({ ...t, name: rename(t.name) })));
    results.push(await enlarged(network, device, colours(5, 7)));
  }
  for (const result of results.slice(1)) assertEquals(result, results[0]);
});

Deno.test("tiles with the network's reach as their margin give every bit of the whole picture", async () => {
  using device = await openDevice();
  for (const [name, entries] of CASES) {
    using network = await load(device, entries);
    const source = colours(101, 75);
    const whole = await enlarged(network, device, source);
    const { reach } = network;
    const tiled = await enlarged(network, device, source, { tileSize: 2 * reach + 12, tileMargin: reach });
    assertEquals(tiled, whole, `${name}, reach ${reach}`);
    // The comparison sees a margin that is too small.
    const cut = await enlarged(network, device, source, { tileSize: 40, tileMargin: 2 });
    assert(cut.some((v, i) => v !== whole[i]), name);
  }
});

Deno.test("the layers after the blocks make the same pixels in bands of rows", async () => {
  using device = await openDevice();
  const { checkpoint } = await openUpscalerFile(fileOf(rrdbNetFile({ blocks: 1 })));
  using store = new WeightStore(checkpoint, device, { dtype: "f32" });
  const model = new RrdbNet(new Weights(store), rrdbNetConfig(checkpoint));
  await store.load();
  const results: Float32Array[] = [];
  for (const bytes of [undefined, 400 << 10, 1]) {
    using r = new Recorder(device, "f32");
    const x = r.upload([1, 40, 16, 3], colours(16, 40).data);
    results.push(await r.read(await model.forward(r, x, { bytes })));
  }
  assertEquals(results[1], results[0]);
  assertEquals(results[2], results[0]);
});

Deno.test("tiles cover the picture, keep their margins, and no three of them meet in a pixel", () => {
  for (const unit of [1, 2, 4]) {
    for (const margin of [0, 8, 24]) {
      for (const most of [32, 64, 100]) {
        for (let n = unit; n < 300; n += 3 * unit) {
          const fade = Math.min(8, margin);
          const tiles = tilesOf(n, most, { margin, fade, unit });
          const where = `${n} pixels, ${most} at most, margin ${margin}, unit ${unit}`;
          tiles.forEach(({ begin, length, from, to, ...tile }, i) => {
            const [before, next] = [tiles[i - 1], tiles[i + 1]];
            assertEquals([begin % unit, length % unit], [0, 0]);
            assert(begin >= 0 && begin + length <= n && length <= most, where);
            assert(from >= begin && to <= begin + length && to > from, where);
            assertEquals(from, before ? before.to - tile.fade : 0, where);
            if (!next) assertEquals(to, n, where);
            if (tiles[i + 2]) assert(to <= tiles[i + 2].from, where);
            if (2 * margin + unit > most) return;
            assert(i === 0 || from - begin >= margin, where);
            assert(!next || begin + length - to >= margin, where);
          });
        }
      }
    }
  }
});

Deno.test("neighbouring tiles fade into each other: no cut shows, however small the margin", async () => {
  using device = await openDevice();
  using network = await load(device, rrdbNetFile({ blocks: 2 }));
  const grey = { width: 120, height: 40, data: new Float32Array(120 * 40 * 3).fill(0.5) };
  /** Largest jump between neighbours of one place within the network's 4 × 4, in the middle of a flat picture. */
  const jump = async (tileMargin: number): Promise<number> => {
    const out = await enlarged(network, device, grey, { tileSize: 40, tileMargin });
    const row = out.subarray(3 * 480 * 80, 3 * 480 * 81);
    let most = 0;
    for (let i = 3 * 100; i < 3 * 380; i++) most = Math.max(most, Math.abs(row[i] - row[i - 12]));
    return most;
  };
  const [hard, soft] = [await jump(0), await jump(4)];
  assert(hard > 0 && soft < hard / 4, `${soft}, without a margin ${hard}`);
});

Deno.test("colour, grey and transparent pictures become RGB or RGBA of the network's scale", async () => {
  using upscaler = await openUpscaler(fileOf(srvggFile(2, 2)), { dtype: "f32" });
  const { data } = picture(6, 4);
  const grey = { width: 6, height: 4, channels: 1 as const, data: data.slice(0, 24) };
  const asRgb = Uint8Array.from({ length: 72 }, (_, i) => grey.data[Math.floor(i / 3)]);
  const fromGrey = await upscaler.upscale(grey);
  assertEquals(fromGrey, await upscaler.upscale({ width: 6, height: 4, channels: 3, data: asRgb }));
  assertEquals([fromGrey.width, fromGrey.height, fromGrey.channels], [12, 8, 3]);
  // The left half is transparent, over colours that nobody shall see.
  const clear = (hidden: number) =>
    Uint8Array.from(
      { length: 96 },
      (_, i) => {
        const [x, c] = [Math.floor(i / 4) % 6, i % 4];
        return x < 3 ? c === 3 ? 0 : hidden : c === 3 ? 255 : 200;
      },
    );
  const [dark, light] = await Promise.all(
    [0, 255].map((hidden) => upscaler.upscale({ width: 6, height: 4, channels: 4, data: clear(hidden) })),
  );
  assertEquals(dark.channels, 4);
  assertEquals(dark, light);
  assertEquals([dark.data[3], dark.data[4 * 11 + 3]], [0, 255]);
});

Deno.test("a picture of fully opaque alpha is enlarged as without it", async () => {
  using upscaler = await openUpscaler(fileOf(srvggFile(2, 2)), { dtype: "f32" });
  const { data } = picture(6, 4);
  const rgba = Uint8Array.from(
    { length: 96 },
    (_, i) => i % 4 === 3 ? 255 : data[Math.floor(i / 4) * 3 + i % 4],
  );
  assertEquals(
    await upscaler.upscale({ width: 6, height: 4, channels: 4, data: rgba }),
    await upscaler.upscale({ width: 6, height: 4, channels: 3, data }),
  );
});

Deno.test("repeats run the network on its own result", async () => {
  using upscaler = await openUpscaler(fileOf(srvggFile(1, 2)), { dtype: "f32" });
  const once = await upscaler.upscale(picture(6, 4));
  assertEquals(await upscaler.upscale(picture(6, 4), { repeats: 2 }), await upscaler.upscale(once));
});

Deno.test("enlarging tells its share, which grows to 1, and stops when it is asked to", async () => {
  using upscaler = await openUpscaler(fileOf(rrdbNetFile({ blocks: 2 })), { dtype: "f32" });
  const shares: number[] = [];
  await upscaler.upscale(picture(60, 40), {
    tileSize: 32,
    tileMargin: 4,
    onProgress: ({ phase, share = NaN }) => (assertEquals(phase, "upscale"), shares.push(share)),
  });
  assert(shares.length > 6 && shares.every((share, i) => i === 0 || share >= shares[i - 1]));
  assertEquals(shares.at(-1), 1);
  const controller = new AbortController();
  const reason = new Error("enough");
  let seen = 0;
  const stopped = upscaler.upscale(picture(60, 40), {
    tileSize: 32,
    tileMargin: 4,
    signal: controller.signal,
    onProgress: () => ++seen === 2 && controller.abort(reason),
  });
  assertEquals(await stopped.catch((error) => error), reason);
  assert(seen < shares.length / 2);
  // The next picture is as if nothing had been.
  assertEquals((await upscaler.upscale(picture(6, 4))).width, 24);
});

Deno.test("tiles keep within the memory that is allowed", async () => {
  using device = await openDevice();
  const file = fileOf(rrdbNetFile({ blocks: 2 }));
  for (const maxVramBytes of [12 << 20, 40 << 20]) {
    using upscaler = await openUpscaler(file, { device, dtype: "f32", maxVramBytes });
    device.memory.trim();
    device.memory.resetPeak();
    await upscaler.upscale(picture(150, 150), { tileMargin: 4 });
    const { footprint } = device.memory.use();
    assert(footprint <= maxVramBytes, `${footprint} bytes`);
    assert(footprint > maxVramBytes / 3, `${footprint} bytes: tiles are smaller than need be`);
  }
  using little = await openUpscaler(file, { device, dtype: "f32", maxVramBytes: 1 << 20 });
  const error = await assertRejects(() => little.upscale(picture(150, 150)), LssgenError);
  assertEquals(error.code, "out_of_memory");
  assert(/needs \d+ MiB .*--max-vram/.test(error.message), error.message);
});

const without = (name: string) => rrdbNetFile({ blocks: 2 }).filter((t) => t.name !== name);
const shaped = (name: string, shape: readonly number[]) =>
  rrdbNetFile({ blocks: 2 }).map((t) =>
    t.name === name ? { name, shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) } : t
  );

/** Files that are refused: what the message says. */
const REFUSED: readonly (readonly [what: string, entries: readonly TensorEntry[], says: RegExp])[] = [
  [
    "no convolution in the middle of a block",
    without("body.1.rdb2.conv3.weight"),
    /"body\.1\.rdb2\.conv3\.weight", expected \[4,16,3,3\]/,
  ],
  ["no conv_first", without("conv_first.weight"), /no tensor "conv_first\.weight"/],
  ["no bias", without("conv_last.bias"), /"conv_last\.bias"/],
  ["grey pictures", shaped("conv_first.weight", [8, 1, 3, 3]), /takes 1 channels, expected 3 \(RGB\)/],
  ["a first convolution that is a vector", shaped("conv_first.weight", [8]), /"conv_first\.weight" is \[8\]/],
  [
    "other widths",
    shaped("conv_hr.weight", [9, 8, 3, 3]),
    /"conv_hr\.weight" is \[9,8,3,3\], expected \[8,8,3,3\]/,
  ],
  [
    "an empty convolution",
    shaped("body.0.rdb1.conv1.weight", [0, 8, 3, 3]),
    /"body\.0\.rdb1\.conv1\.weight" is \[0,8,3,3\]/,
  ],
  [
    "no upsampling for pixels in the channels",
    rrdbNetFile({ blocks: 1, unshuffle: 2 }).filter((t) => !/conv_up/.test(t.name)),
    /0 upsampling convolutions/,
  ],
  ["tensors beside the network's", [...rrdbNetFile({ blocks: 1 }), {
    name: "conv_extra.weight",
    shape: [1],
    data: new Float32Array(1),
  }], /does not use: conv_extra\.weight/],
  [
    "another network",
    [{ name: "layers.0.weight", shape: [1], data: new Float32Array(1) }],
    /no network that enlarges pictures .* layers\.0\.weight/,
  ],
  [
    "a last convolution of no scale",
    srvggFile(2, 2).map((t) => t.name === "body.6.weight" ? { ...t, shape: [8, 12, 3, 3] } : t),
    /"body\.6\.weight" is \[8,12,3,3\]/,
  ],
];

for (const [what, entries, says] of REFUSED) {
  Deno.test(`a file with ${what} is refused by its tensor`, async () => {
    using device = await openDevice();
    const error = await assertRejects(() => load(device, entries), LssgenError);
    assert(["bad_tensor", "unsupported"].includes(error.code), error.code);
    assert(says.test(error.message), error.message);
  });
}

Deno.test("a pickle is refused with how to convert it", async () => {
  const head = new TextEncoder().encode("PK\x03\x04RealESRGAN_x4plus/data.pkl");
  const error = await assertRejects(() => openUpscaler(bytesOf("x4.pth", head)), LssgenError);
  assertEquals(error.code, "bad_file");
  assert(
    /"x4\.pth" is a PyTorch pickle.*not read; convert it .*save_file/.test(error.message),
    error.message,
  );
});

Deno.test("a result of more pixels than pictures have is refused before any work", async () => {
  using upscaler = await openUpscaler(fileOf(srvggFile(1, 2)), { dtype: "f32" });
  const error = await assertRejects(() => upscaler.upscale(picture(64, 64), { repeats: 8 }), LssgenError);
  assertEquals(error.code, "unsupported");
  assert(/64×64 enlarged 256 times is 16384×16384/.test(error.message), error.message);
  for (
    const options of [{ tileSize: 8 }, { tileMargin: -1 }, { repeats: 1.5 }, { tileSize: 64, tileMargin: 32 }]
  ) {
    const error = await assertRejects(() => upscaler.upscale(picture(6, 4), options), LssgenError);
    assertEquals(error.code, "bad_option");
  }
});
