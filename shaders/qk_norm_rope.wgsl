// qk_norm_rope.wgsl — queries and keys RMS-normed per head and rotated, values copied, into a joint sequence.
//
//   X      [B, S, 3·D]     elem: q, k, v side by side; D = heads · d
//   norms  [d]             f32 weights of the query and of the key norm, by NORM
//   rope   [N, d / 2, 2]   f32: cos and sin of neighbouring pairs (interleaved), by ROPE, at the joint position
//   Y      [B, N, 3·D]     elem: rows at … at + S are written
//
// One workgroup a token; each invocation takes whole heads, so that a head's statistics need no barrier.

override WG: u32 = 32u;
override EPS: f32 = 1e-6;
override NORM: u32 = 0u;
override ROPE: u32 = 0u;

struct Shape { rows: u32, S: u32, N: u32, at: u32, heads: u32, d: u32, fold: u32, row0: u32, xBase: u32, yBase: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<elem>;
@group(0) @binding(2) var<storage, read>       normQ: array<f32>;
@group(0) @binding(3) var<storage, read>       normK: array<f32>;
@group(0) @binding(4) var<storage, read>       rope: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> Y: array<elem>;

fn normed(x0: u32, i: u32, inv: f32, key: bool) -> f32 {
  let v = f32(X[x0 + i]) * inv;
  if (NORM == 0u) { return v; }
  return v * select(normQ[i], normK[i], key);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = s.row0 + group.y * s.fold + group.x;
  if (row >= s.rows) { return; }
  let b = row / s.S;
  let n = s.at + row % s.S;
  let width = 3u * s.heads * s.d;
  let src = (row - s.xBase) * width;
  let dst = (b * s.N + n - s.yBase) * width;

  for (var part = lane; part < 3u * s.heads; part += WG) {   // head h of q, k or v
    let x0 = src + part * s.d;
    let y0 = dst + part * s.d;
    let which = part / s.heads;
    if (which == 2u) {
      for (var i = 0u; i < s.d; i++) { Y[y0 + i] = X[x0 + i]; }
      continue;
    }
    var inv = 1.0;
    if (NORM == 1u) {
      var q = 0.0;
      for (var i = 0u; i < s.d; i++) { let v = f32(X[x0 + i]); q += v * v; }
      inv = inverseSqrt(q / f32(s.d) + EPS);
    }
    for (var i = 0u; i < s.d; i += 2u) {
      let a = normed(x0, i, inv, which == 1u);
      let c = normed(x0, i + 1u, inv, which == 1u);
      var y = vec2f(a, c);
      if (ROPE == 1u) {
        let t = rope[(n * s.d + i) / 2u];
        y = vec2f(a * t.x - c * t.y, c * t.x + a * t.y);
      }
      Y[y0 + i] = elem(y.x);
      Y[y0 + i + 1u] = elem(y.y);
    }
  }
}
