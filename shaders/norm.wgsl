// variants SUBGROUPS=0; SUBGROUPS=1
// norm.wgsl — Y = Norm(X) · weight + bias, then · (1 + scale) + shift; one workgroup a row.
//
//   X              [rows, D]   xElem      Y [rows, D]  yElem
//   weight, bias   [D]         f32, by AFFINE
//   modulation     [B, M]      f32: scale and shift of a sample's rows, from their columns on, by MODULATE;
//                              the first `head` rows of a sample (the text of a joint sequence) have columns of their own
//
// RMS = 1 leaves the mean alone (T5, query and key norms). Statistics are f32 and two-pass: E[x²] − E[x]²
// cancels to nothing once |mean| ≫ std. Rows fold over x and y because x alone stops at 65 535.

override WG: u32 = 64u;      // invocations a row, a power of two
override EPS: f32 = 1e-6;
override RMS: u32 = 0u;
override AFFINE: u32 = 0u;   // 0 none, 1 weight, 2 weight and bias
override MODULATE: u32 = 0u;

struct Shape {
  rows: u32, D: u32, S: u32, fold: u32, row0: u32,
  xN: u32, xAt: u32, xBase: u32, yBase: u32,
  M: u32, scaleAt: u32, shiftAt: u32,
  head: u32, headScaleAt: u32, headShiftAt: u32,
}

// include finite
@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(2) var<storage, read>       weight: array<f32>;
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       modulation: array<f32>;
@group(0) @binding(5) var<storage, read_write> Y: array<yElem>;

var<workgroup> partial: array<f32, WG>;

// unroll tree 1 - SUBGROUPS
/// Sum of v over the workgroup, the same value returned to every invocation.
fn sum(v: f32, lane: u32, size: u32) -> f32 {
  partial[lane] = v;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  let total = partial[0];
  workgroupBarrier();   // partial is reused by the next call
  return total;
}
// end
// unroll direct SUBGROUPS
/// The same with one barrier: each subgroup's sum through the hardware, then few of them through memory. Subgroups are
/// runs of `size` neighbours, as every implementation lays a one-dimensional workgroup out.
fn sum(v: f32, lane: u32, size: u32) -> f32 {
  partial[lane / size] = subgroupAdd(v);
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < (WG + size - 1u) / size; i++) { total += partial[i]; }
  workgroupBarrier();   // partial is reused by the next call
  return total;
}
// end

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
// unroll direct SUBGROUPS
  @builtin(subgroup_size) size: u32,
// end
) {
// unroll tree 1 - SUBGROUPS
  let size = 0u;
// end
  let row = s.row0 + group.y * s.fold + group.x;
  if (row >= s.rows) { return; }   // uniform in the workgroup, so the barriers below stay legal
  let b = row / s.S;
  let n = row % s.S;
  let x0 = (b * s.xN + s.xAt + n - s.xBase) * s.D;
  let y0 = (row - s.yBase) * s.D;

  var mean = 0.0;
  if (RMS == 0u) {
    var v = 0.0;
    for (var d = lane; d < s.D; d += WG) { v += f32(X[x0 + d]); }
    mean = sum(v, lane, size) / f32(s.D);
  }
  var q = 0.0;
  for (var d = lane; d < s.D; d += WG) { let c = f32(X[x0 + d]) - mean; q += c * c; }
  let variance = sum(q, lane, size) / f32(s.D) + EPS;
  let inv = checked(inverseSqrt(variance), variance);   // 1 / √∞ would be 0

  let scaleAt = b * s.M + select(s.scaleAt, s.headScaleAt, n < s.head);
  let shiftAt = b * s.M + select(s.shiftAt, s.headShiftAt, n < s.head);
  for (var d = lane; d < s.D; d += WG) {
    var y = (f32(X[x0 + d]) - mean) * inv;
    if (AFFINE >= 1u) { y *= weight[d]; }
    if (AFFINE == 2u) { y += bias[d]; }
    if (MODULATE == 1u) { y = y * (1.0 + modulation[scaleAt + d]) + modulation[shiftAt + d]; }
    Y[y0 + d] = yElem(y);
  }
}
