import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { BadOption, helpText, parseOptions } from "../bench/options.ts";
import { staticFacts } from "../bench/static.ts";
import { trace } from "../bench/trace.ts";
import { randomModel } from "../bench/random_weights.ts";
import { linear } from "../lib/ops/linear.ts";
import { deviceReading } from "./devices.ts";

const NAMES = ["matmul", "conv", "norm"];

function refusal(...args: string[]): string {
  return assertThrows(() => parseOptions(args, NAMES), BadOption).message;
}

Deno.test("the bench takes several names, and refuses what it does not know with what it knows", () => {
  assertEquals(parseOptions(["--only", "matmul,conv"], NAMES).only, ["matmul", "conv"]);
  assertEquals(parseOptions(["--case=64²|128²"], NAMES).cases, ["64²", "128²"]);
  assertStringIncludes(refusal("--onyl", "matmul"), "--only");
  assertStringIncludes(refusal("matmul"), "--only");
  assertStringIncludes(refusal("--only", "matmul,gemm"), "matmul, conv, norm");
  assertStringIncludes(refusal("--only"), "needs a value");
  assertStringIncludes(refusal("--reps", "0"), "whole number");
  assertStringIncludes(refusal("--operands", "cache"), "buffers, texels, tiled");
  assertStringIncludes(refusal("--peers", "firefox"), "chromium");
  assertStringIncludes(refusal("--profile=yes"), "takes no value");
});

Deno.test("the bench's options with optional values leave the next option alone", () => {
  const o = parseOptions(["--json", "--peers", "--profile"], NAMES);
  assertEquals([o.json, o.file, o.peers, o.profile], [true, undefined, "deno", true]);
  assertEquals(parseOptions(["--json", "x.json", "--peers", "chromium"], NAMES).file, "x.json");
});

Deno.test("the bench's help names every option and every bench", () => {
  const text = helpText(NAMES);
  for (
    const word of ["--only", "--case", "--reps", "--profile", "--peers", "--operands", "--json", ...NAMES]
  ) {
    assertStringIncludes(text, word);
  }
});

/** Two rows and three columns an invocation, vectors along K; staged in workgroup memory when TILED is 1. */
const KERNEL = `
override WX: u32 = 4u;
override KIND: u32 = 0u;   // 1: halves
const LANES = WX * 2u;
struct Pair { a: vec4f, b: vec4f }
@group(0) @binding(1) var<storage, read> X: array<vec4f>;
@group(0) @binding(2) var W: Texels;
@group(0) @binding(3) var<storage, read_write> Y: array<f32>;
var<workgroup> tile: array<vec4f, LANES * 3u>;
var<workgroup> pairs: array<Pair, 2>;
fn load(at: u32) -> vec4f {
  if (KIND == 1u) { return vec4f(texel(W, at)); }
  return vec4f(texel(W, at)) + vec4f(texel(W, at + 1u));
}
fn four(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.x, b.x, fma(a.y, b.y, fma(a.z, b.z, fma(a.w, b.w, sum))));
}
@compute @workgroup_size(WX)
fn main(@builtin(local_invocation_index) lane: u32) {
  var s0 = 0.0;
  var s1 = 0.0;
  var v = vec4f();
  for (var k = 0u; k < shape.K; k++) {
    for (var i = lane; i < LANES * 2u; i += LANES) { tile[i] = X[i]; }
    workgroupBarrier();
    for (var q = 0u; q < 4u; q++) {
      let a = tile[q];
      let b = load(k + q);
      s0 = four(s0, a, b);
      s1 += dot(a, b);
      v = fma(a, b, v);
    }
    workgroupBarrier();
  }
  Y[lane] = s0 + s1 + v.x * 2.0;
}`;

Deno.test("static facts count what the launch's constants leave of a kernel", () => {
  // 4 turns of 4 + 4 + 4 multiply-adds; 2 loads for the tile, 4 turns of one from the tile and one or two texels.
  assertEquals(staticFacts(KERNEL, { constants: { KIND: 1 } }), {
    "multiply-adds a load": "4.8 (loop k)",
    accumulators: 6,
    "barriers a step": 2,
    "workgroup bytes": 8 * 3 * 16 + 2 * 32,
  });
  assertEquals(staticFacts(KERNEL, { constants: { KIND: 0, WX: 8 } }), {
    "multiply-adds a load": "3.4 (loop k)",
    accumulators: 6,
    "barriers a step": 2,
    "workgroup bytes": 16 * 3 * 16 + 2 * 32,
  });
});

Deno.test("a trace finds a run's launches without making them", async () => {
  using device = await deviceReading("buffers");
  using layers = await randomModel(device, (w) => [w.linear("a", 64, 32), w.linear("b", 32, 64)] as const);
  assertEquals(layers.bytes, 2 * 2 * 64 * 32 + 4 * (64 + 32));
  const x = device.memory.upload([1, 20, 32], new Float32Array(20 * 32));
  const launches = trace(device, "f32", (r) => {
    const [a, b] = layers.model;
    linear(r, linear(r, linear(r, x, a), b), a);
  });
  assertEquals(launches.map(({ times, flops }) => [times, flops]), [[2, 2 * 20 * 64 * 32], [
    1,
    2 * 20 * 64 * 32,
  ]]);
});
