// softmax.wgsl — Y = softmax(X) over rows of D, f32 statistics; one workgroup a row.

override WG: u32 = 64u;   // a power of two

struct Shape { rows: u32, D: u32, fold: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(2) var<storage, read_write> Y: array<f32>;

var<workgroup> partial: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * s.fold + group.x;
  if (row >= s.rows) { return; }   // uniform in the workgroup
  let at = row * s.D;
  var m = -3.4e38;
  for (var d = lane; d < s.D; d += WG) { m = max(m, f32(X[at + d])); }
  partial[lane] = m;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) { partial[lane] = max(partial[lane], partial[lane + half]); }
    workgroupBarrier();
  }
  m = partial[0];
  workgroupBarrier();
  var sum = 0.0;
  for (var d = lane; d < s.D; d += WG) { sum += exp(f32(X[at + d]) - m); }
  partial[lane] = sum;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  sum = partial[0];
  for (var d = lane; d < s.D; d += WG) { Y[at + d] = exp(f32(X[at + d]) - m) / sum; }
}
