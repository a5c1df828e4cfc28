// norm_rows.wgsl — norm.wgsl's work with one invocation a row, four channels a load: no barrier, no workgroup memory.
//
// For adapters whose invocations are lanes of a CPU's vectors, where a barrier costs more than the row. Operands,
// statistics and parameters as in norm.wgsl; D, M and the first columns are multiples of 4, counted here in fours.

override WG: u32 = 16u;
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
@group(0) @binding(1) var<storage, read>       X: array<vec4<xElem>>;
@group(0) @binding(2) var<storage, read>       weight: array<vec4f>;
@group(0) @binding(3) var<storage, read>       bias: array<vec4f>;
@group(0) @binding(4) var<storage, read>       modulation: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> Y: array<vec4<yElem>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = s.row0 + (group.y * s.fold + group.x) * WG + lane;
  if (row >= s.rows) { return; }
  let b = row / s.S;
  let n = row % s.S;
  let width = s.D / 4u;
  let x0 = (b * s.xN + s.xAt + n - s.xBase) * width;
  let y0 = (row - s.yBase) * width;
  let one = vec4f(1.0);

  var mean = 0.0;
  if (RMS == 0u) {
    var v = vec4f(0.0);
    for (var d = 0u; d < width; d++) { v += vec4f(X[x0 + d]); }
    mean = dot(v, one) / f32(s.D);
  }
  var q = vec4f(0.0);
  for (var d = 0u; d < width; d++) { let c = vec4f(X[x0 + d]) - mean; q += c * c; }
  let variance = dot(q, one) / f32(s.D) + EPS;
  let inv = checked(inverseSqrt(variance), variance);   // 1 / √∞ would be 0

  let scaleAt = b * s.M + select(s.scaleAt, s.headScaleAt, n < s.head);
  let shiftAt = b * s.M + select(s.shiftAt, s.headShiftAt, n < s.head);
  for (var d = 0u; d < width; d++) {
    var y = (vec4f(X[x0 + d]) - mean) * inv;
    if (AFFINE >= 1u) { y *= weight[d]; }
    if (AFFINE == 2u) { y += bias[d]; }
    if (MODULATE == 1u) { y = y * (1.0 + modulation[scaleAt / 4u + d]) + modulation[shiftAt / 4u + d]; }
    Y[y0 + d] = vec4<yElem>(y);
  }
}
