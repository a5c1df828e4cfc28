// qk_norm_rope.wgsl — queries and keys of a joint sequence RMS-normed per head and rotated, in place.
//
//   Y           [B, N, 3·D]      elem: q, k, v side by side; D = heads · d; v is left alone
//   norm…       [d]              f32 weights of query and key norms; the first `head` rows of a sample (text) have their own
//   rope        [N, d / 2, 2]    f32: cos and sin of neighbouring pairs (interleaved), by ROPE
//
// One invocation a head of a token, so that a head's statistics need no barrier. A load brings PAIRS pairs, all of one head.

// variants PAIRS=1; PAIRS=2

override WG: u32 = 64u;
override EPS: f32 = 1e-6;
override NORM: u32 = 0u;
override ROPE: u32 = 0u;

struct Shape { rows: u32, N: u32, head: u32, heads: u32, d: u32, fold: u32, row0: u32, base: u32 }

// unroll only 2 - PAIRS
alias wide = vec2f;
alias wideElem = vec2<elem>;
fn sum(v: wide) -> f32 { return v.x + v.y; }
/// Pairs turned by the angles whose cos and sin t holds.
fn turned(v: wide, t: wide) -> wide { return vec2f(v.x * t.x - v.y * t.y, v.y * t.x + v.x * t.y); }
// end
// unroll only PAIRS - 1
alias wide = vec4f;
alias wideElem = vec4<elem>;
fn sum(v: wide) -> f32 { return dot(v, vec4f(1.0)); }
/// Pairs turned by the angles whose cos and sin t holds.
fn turned(v: wide, t: wide) -> wide { return v * t.xxzz + v.yxwz * vec4f(-t.y, t.y, -t.w, t.w); }
// end

// include finite
@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       normQ: array<wide>;
@group(0) @binding(2) var<storage, read>       normK: array<wide>;
@group(0) @binding(3) var<storage, read>       headNormQ: array<wide>;
@group(0) @binding(4) var<storage, read>       headNormK: array<wide>;
@group(0) @binding(5) var<storage, read>       rope: array<wide>;
@group(0) @binding(6) var<storage, read_write> Y: array<wideElem>;

fn weight(i: u32, key: bool, head: bool) -> wide {
  if (NORM == 0u) { return wide(1.0); }
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
  let loads = s.d / (2u * PAIRS);
  let y0 = ((row - s.base) * 3u * s.heads + part) * loads;

  var inv = 1.0;
  if (NORM == 1u) {
    var q = wide(0.0);
    for (var i = 0u; i < loads; i++) { let v = wide(Y[y0 + i]); q += v * v; }
    let variance = sum(q) / f32(s.d) + EPS;
    inv = checked(inverseSqrt(variance), variance);   // 1 / √∞ would be 0
  }
  for (var i = 0u; i < loads; i++) {
    var y = wide(Y[y0 + i]) * inv * weight(i, part >= s.heads, n < s.head);
    if (ROPE == 1u) { y = turned(y, rope[n * loads + i]); }
    Y[y0 + i] = wideElem(y);
  }
}
