// group_norm_stats.wgsl — count, mean and squared deviation of one chunk of pixels of one group.
//
//   X [B, P, C] xElem, P pixels;  Y [B, G, chunks, 2] f32: mean and sum of squared deviations
//
// One workgroup a (chunk, group); two passes over the chunk, so that a mean far above the spread does
// not cancel. group_norm_scale.wgsl joins the chunks.

override WG: u32 = 64u;   // a power of two

struct Shape { P: u32, C: u32, G: u32, chunk: u32, chunks: u32, first: u32, b: u32, base: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(2) var<storage, read_write> Y: array<vec2f>;

var<workgroup> partial: array<f32, WG>;

fn sum(v: f32, lane: u32) -> f32 {
  partial[lane] = v;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  let total = partial[0];
  workgroupBarrier();
  return total;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let chunk = s.first + group.x;
  let g = group.y;
  let width = s.C / s.G;
  let p0 = chunk * s.chunk;
  let n = (min(p0 + s.chunk, s.P) - p0) * width;
  let start = (p0 - s.base) * s.C + g * width;
  var v = 0.0;
  for (var i = lane; i < n; i += WG) { v += f32(X[start + (i / width) * s.C + i % width]); }
  let mean = sum(v, lane) / f32(n);
  v = 0.0;
  for (var i = lane; i < n; i += WG) {
    let d = f32(X[start + (i / width) * s.C + i % width]) - mean;
    v += d * d;
  }
  let m2 = sum(v, lane);
  if (lane == 0u) { Y[(s.b * s.G + g) * s.chunks + chunk] = vec2f(mean, m2); }
}
