// group_norm_scale.wgsl — chunk statistics → scale and shift of every channel: y = x · scale + shift.
//
//   stats [B, G, chunks, 2];  weight, bias [C];  Y [B, D] of (scale, shift), D ≥ C: zeros beyond C; all f32
//
// Chunks join by Chan's formula. One invocation a channel.

override WG: u32 = 64u;
override EPS: f32 = 1e-5;

struct Shape { count: u32, C: u32, G: u32, chunk: u32, chunks: u32, P: u32, D: u32 }

// include finite
@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       stats: array<vec2f>;
@group(0) @binding(2) var<storage, read>       weight: array<f32>;
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> Y: array<vec2f>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= s.count) { return; }
  let b = id.x / s.D;
  let c = id.x % s.D;
  if (c >= s.C) {
    Y[id.x] = vec2f();
    return;
  }
  let width = s.C / s.G;
  let at = (b * s.G + c / width) * s.chunks;
  var mean = 0.0;
  var m2 = 0.0;
  var n = 0.0;
  for (var i = 0u; i < s.chunks; i++) {
    let k = f32((min((i + 1u) * s.chunk, s.P) - i * s.chunk) * width);
    let part = stats[at + i];
    let d = part.x - mean;
    mean += d * k / (n + k);
    m2 += part.y + d * d * n * k / (n + k);
    n += k;
  }
  let variance = m2 / n + EPS;
  let scale = checked(inverseSqrt(variance), variance) * weight[c];   // 1 / √∞ would be 0
  Y[id.x] = vec2f(scale, bias[c] - mean * scale);
}
