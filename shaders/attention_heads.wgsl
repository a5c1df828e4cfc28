// attention_heads.wgsl — keys, then values, with each head's rows one after the other: [2, B, heads, Lk, D].
//
// In a joint tensor the rows of a head lie as far apart as all heads of queries, keys and values are wide. Where that is more than a page
// of memory, every row is another page to a tile of few queries, and a processor spends more time on addresses than on numbers.

override WG: u32 = 64u;

struct Shape {
  Lk: u32, width: u32, pairs: u32, heads: u32,       // width: texels of a row of a head; pairs: heads of all samples
  kFirst: u32, kSample: u32, kHead: u32, kRow: u32,  // in texels
  vFirst: u32, vSample: u32, vHead: u32, vRow: u32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      K: Texels;
@group(0) @binding(2) var                      V: Texels;
@group(0) @binding(3) var<storage, read_write> Y: array<vec4u>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) size: vec3u) {
  let at = id.y * (size.x * WG) + id.x;
  let row = at / s.width;
  let pair = row / s.Lk % s.pairs;
  let b = pair / s.heads;
  let h = pair % s.heads;
  let which = row / s.Lk / s.pairs;
  if (which == 0u) {
    Y[at] = texel(K, s.kFirst + b * s.kSample + h * s.kHead + row % s.Lk * s.kRow + at % s.width);
  } else if (which == 1u) {
    Y[at] = texel(V, s.vFirst + b * s.vSample + h * s.vHead + row % s.Lk * s.vRow + at % s.width);
  }
}
