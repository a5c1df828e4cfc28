// quantise_rows.wgsl — rows of x as signed bytes for integer dot products: 32 values share a factor, their largest / 127.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8
//   Q  [M, units, 3]  loads of 16 bytes: 32 bytes, zeros beyond the row; then as f32 the factor, and the sums of the first and the last
//                     16 bytes times it
//
// An invocation makes one unit.

override WG: u32 = 64u;
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override PRE: u32 = 0u;      // activation of x, numbered as ACT in matmul.wgsl

// Rows of x as in matmul.wgsl; fold: workgroups along x.
struct Shape { M: u32, K8: u32, S: u32, xN: u32, xAt: u32, xBase8: u32, fold: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> Q: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }

// include activations
// include eights
// include activated_eights

fn peakOf(v: Eight) -> f32 {
  let a = max(abs(v.lo), abs(v.hi));
  return max(max(a.x, a.y), max(a.z, a.w));
}

fn bytesOf(v: Eight, by: f32) -> vec2u {
  return vec2u(pack4xI8Clamp(vec4i(round(v.lo * by))), pack4xI8Clamp(vec4i(round(v.hi * by))));
}

fn sumOf(v: vec4u) -> f32 {
  const ONES = 0x01010101u;
  return f32(dot4I8Packed(v.x, ONES) + dot4I8Packed(v.y, ONES) + dot4I8Packed(v.z, ONES) + dot4I8Packed(v.w, ONES));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  let units = (s.K8 + 3u) / 4u;
  let row = i / units;
  if (row >= s.M) { return; }
  let k = (i - row * units) * 4u;
  let b = row / s.S;
  let x = (b * s.xN + s.xAt + row - b * s.S) * s.K8 - s.xBase8 + k;
  // unroll e 4
  var v#e = Eight(vec4f(), vec4f());
  if (k + e < s.K8) { v#e = loadX(x + e); }
  // end
  let peak = max(max(peakOf(v0), peakOf(v1)), max(peakOf(v2), peakOf(v3)));
  let by = select(0.0, 127.0 / peak, peak > 0.0);
  let lo = vec4u(bytesOf(v0, by), bytesOf(v1, by));
  let hi = vec4u(bytesOf(v2, by), bytesOf(v3, by));
  let d = peak / 127.0;
  Q[i * 3u] = lo;
  Q[i * 3u + 1u] = hi;
  Q[i * 3u + 2u] = bitcast<vec4u>(vec4f(d, d * sumOf(lo), d * sumOf(hi), 0.0));
}
