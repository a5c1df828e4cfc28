import { assert, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { philox4x32, philoxNormals, pinnedLog, type Words4 } from "../lib/random.ts";

const hex = (words: readonly number[]) => words.map((w) => w.toString(16).padStart(8, "0")).join(" ");

/** FNV-1a over the bits: a pin that needs no platform hash. */
function fingerprint(values: Float32Array): string {
  let h = 0x811c9dc5;
  for (const byte of new Uint8Array(values.buffer, values.byteOffset, values.byteLength)) {
    h = Math.imul(h ^ byte, 0x01000193);
  }
  return (h >>> 0).toString(16).padStart(8, "0");
}

// Random123's kat_vectors, philox4x32 with 10 rounds.
const KNOWN: [Words4, number, number, string][] = [
  [[0, 0, 0, 0], 0, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    0xffffffff,
    0xffffffff,
    "408f276d 41c83b0e a20bc7c6 6d5451fd",
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    0xa4093822,
    0x299f31d0,
    "d16cfe09 94fdcceb 5001e420 24126ea1",
  ],
];

Deno.test("philox4x32() gives Random123's known answers", () => {
  for (const [counter, key0, key1, expected] of KNOWN) {
    assertEquals(hex(philox4x32(counter, key0, key1)), expected);
  }
});

Deno.test("philoxNormals() never changes a bit", () => {
  assertEquals(fingerprint(philoxNormals({ seed: 0, stage: 0, picture: 0 }, 4096)), "762d0e8d");
  assertEquals(fingerprint(philoxNormals({ seed: 2 ** 53, stage: 2, picture: 7 }, 4097)), "5e31c375");
});

Deno.test("philoxNormals() follow the normal law", () => {
  const n = 1 << 18;
  const x = philoxNormals({ seed: 42, stage: 1, picture: 3 }, n);
  const moment = (k: number) => x.reduce((sum, v) => sum + v ** k, 0) / n;
  // Five standard errors of each moment: sqrt((E[x^2k] - E[x^k]^2) / n).
  const error = 5 / Math.sqrt(n);
  assert(Math.abs(moment(1)) < error);
  assert(Math.abs(moment(2) - 1) < error * Math.sqrt(2));
  assert(Math.abs(moment(3)) < error * Math.sqrt(15));
  assert(Math.abs(moment(4) - 3) < error * Math.sqrt(96));
  const neighbours = x.reduce((sum, v, i) => i ? sum + v * x[i - 1] : 0, 0) / n;
  assert(Math.abs(neighbours) < error);
  const inside = x.reduce((sum, v) => sum + (Math.abs(v) < 1 ? 1 : 0), 0) / n;
  assert(Math.abs(inside - 0.682689) < error * 0.4655);
});

Deno.test("philoxNormals() agree with Box and Muller's formula in the engine's own functions", () => {
  const x = philoxNormals({ seed: 5, stage: 0, picture: 0 }, 4000);
  for (let block = 0; block < 1000; block++) {
    const w = philox4x32([block, 0, 0, 0], 5, 0);
    for (const half of [0, 2]) {
      const radius = Math.sqrt(-2 * Math.log((w[half] + 0.5) / 2 ** 32));
      const angle = 2 * Math.PI * w[half + 1] / 2 ** 32;
      const at = 4 * block + half;
      assert(Math.abs(x[at] - radius * Math.cos(angle)) < 1e-6);
      assert(Math.abs(x[at + 1] - radius * Math.sin(angle)) < 1e-6);
    }
  }
});

Deno.test("pinnedLog() is the logarithm to the last bits", () => {
  for (let i = 1; i < 20000; i++) {
    const x = i * 0.37 / 20000 + 2 ** -(i % 40);
    assert(Math.abs(pinnedLog(x) - Math.log(x)) <= 3 * 2 ** -52 * Math.max(1, Math.abs(Math.log(x))));
  }
});

Deno.test("Different seeds, stages, pictures and draws share no numbers", () => {
  const streams = [
    { seed: 1, stage: 0, picture: 0 },
    { seed: 1, stage: 1, picture: 0 },
    { seed: 1, stage: 0, picture: 1 },
    { seed: 1, stage: 0, picture: 0, draw: 1 },
    { seed: 2, stage: 0, picture: 0 },
    { seed: 2 ** 32 + 1, stage: 0, picture: 0 },
  ];
  const seen = new Set<number>();
  for (const stream of streams) for (const v of philoxNormals(stream, 64)) seen.add(v);
  assertEquals(seen.size, streams.length * 64);
});

Deno.test("A longer draw begins with the shorter one, and a bigint seed equals its number", () => {
  const long = philoxNormals({ seed: 9, stage: 0, picture: 0 }, 103);
  assertEquals(philoxNormals({ seed: 9n, stage: 0, picture: 0 }, 41), long.slice(0, 41));
});

Deno.test("philoxNormals() refuses seeds and counts that cannot be meant", () => {
  for (const seed of [-1, 0.5, NaN, 2 ** 53 + 2, 1n << 64n]) {
    assertThrows(() => philoxNormals({ seed, stage: 0, picture: 0 }, 4), LssgenError, `Seed ${seed}`);
  }
  assertThrows(() => philoxNormals({ seed: 0, stage: -1, picture: 0 }, 4), LssgenError, "stage is -1");
  assertThrows(() => philoxNormals({ seed: 0, stage: 0, picture: 0 }, -4), LssgenError, "draw -4");
});
