// qk_norm_rope.wgsl — queries and keys of a joint sequence RMS-normed per head and rotated, in place.
//
//   Y           [B, N, 3·D]    pair = vec2 of elem: q, k, v side by side; D = heads · d; v is left alone
//   norm…       [d / 2] pairs  f32 weights of query and key norms; the first `head` rows of a sample (text) have their own
//   rope        [N, d / 2]     f32: cos and sin of neighbouring pairs (interleaved), by ROPE
//
// One invocation a head of a token, so that a head's statistics need no barrier.

override WG: u32 = 64u;
override EPS: f32 = 1e-6;
override NORM: u32 = 0u;
override ROPE: u32 = 0u;

struct Shape { rows: u32, N: u32, head: u32, heads: u32, d: u32, fold: u32, row0: u32, base: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       normQ: array<vec2f>;
@group(0) @binding(2) var<storage, read>       normK: array<vec2f>;
@group(0) @binding(3) var<storage, read>       headNormQ: array<vec2f>;
@group(0) @binding(4) var<storage, read>       headNormK: array<vec2f>;
@group(0) @binding(5) var<storage, read>       rope: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> Y: array<vec2<elem>>;

fn weight(i: u32, key: bool, head: bool) -> vec2f {
  if (NORM == 0u) { return vec2f(1.0); }
  if (head) {
    if (key) { return headNormK[i]; }
    return headNormQ[i];
  }
  if (key) { return normK[i]; }
  return normQ[i];
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * s.fold + group.x) * WG + lane;
  let row = s.row0 + at / (2u * s.heads);
  if (row >= s.rows) { return; }
  let part = at % (2u * s.heads);   // a head of the queries, then one of the keys
  let n = row % s.N;
  let pairs = s.d / 2u;
  let y0 = ((row - s.base) * 3u * s.heads + part) * pairs;

  var inv = 1.0;
  if (NORM == 1u) {
    var q = vec2f(0.0);
    for (var i = 0u; i < pairs; i++) { let v = vec2f(Y[y0 + i]); q += v * v; }
    inv = inverseSqrt((q.x + q.y) / f32(s.d) + EPS);
  }
  for (var i = 0u; i < pairs; i++) {
    var y = vec2f(Y[y0 + i]) * inv * weight(i, part >= s.heads, n < s.head);
    if (ROPE == 1u) {
      let t = rope[n * pairs + i];
      y = vec2f(y.x * t.x - y.y * t.y, y.y * t.x + y.x * t.y);
    }
    Y[y0 + i] = vec2<elem>(y);
  }
}
