// norm.wgsl — Y = Norm(X) · weight + bias, then · (1 + scale) + shift; one workgroup a row.
//
//   X              [rows, D]   xElem      Y [rows, D]  yElem
//   weight, bias   [D]         f32, by AFFINE
//   modulation     [B, M]      f32: scale and shift of a sample's rows, from their columns on, by MODULATE
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(2) var<storage, read>       weight: array<f32>;
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       modulation: array<f32>;
@group(0) @binding(5) var<storage, read_write> Y: array<yElem>;

var<workgroup> partial: array<f32, WG>;

/// Sum of v over the workgroup, the same value returned to every invocation.
fn sum(v: f32, lane: u32) -> f32 {
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

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = s.row0 + group.y * s.fold + group.x;
  if (row >= s.rows) { return; }   // uniform in the workgroup, so the barriers below stay legal
  let b = row / s.S;
  let x0 = (b * s.xN + s.xAt + row % s.S - s.xBase) * s.D;
  let y0 = (row - s.yBase) * s.D;

  var mean = 0.0;
  if (RMS == 0u) {
    var v = 0.0;
    for (var d = lane; d < s.D; d += WG) { v += f32(X[x0 + d]); }
    mean = sum(v, lane) / f32(s.D);
  }
  var q = 0.0;
  for (var d = lane; d < s.D; d += WG) { let c = f32(X[x0 + d]) - mean; q += c * c; }
  let inv = inverseSqrt(sum(q, lane) / f32(s.D) + EPS);

  for (var d = lane; d < s.D; d += WG) {
    var n = (f32(X[x0 + d]) - mean) * inv;
    if (AFFINE >= 1u) { n *= weight[d]; }
    if (AFFINE == 2u) { n += bias[d]; }
    if (MODULATE == 1u) {
      n = n * (1.0 + modulation[b * s.M + s.scaleAt + d]) + modulation[b * s.M + s.shiftAt + d];
    }
    Y[y0 + d] = yElem(n);
  }
}
