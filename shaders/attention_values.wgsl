// attention_values.wgsl — O = P V / sums of P: the other half of an attention from textures.
//
// An invocation makes RQ queries and OD columns of one head in registers. P and m are attention_scores.wgsl's, in one texture; V as in
// attention_tiled.wgsl. All sums are f32.

// variants RQ=16 RK=16 OD=16

override V_TYPE: u32 = 0u;   // 0 f32, 1 f16
override MASK: u32 = 0u;

// pairs: heads of all samples
struct Shape {
  heads: u32, D: u32, Lq: u32, Lk: u32,
  q0: u32, qEnd: u32, b0: u32, h0: u32, headsHere: u32,
  vFirst: u32, vSample: u32, vHead: u32, vRow: u32,
  pairs: u32,
}

// include finite
// include attention_share
// include attention_probabilities
// include eights
// include texel_eights
@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      P: Texels;
@group(0) @binding(2) var                      V: Texels;
@group(0) @binding(3) var<storage, read_write> O: array<vec4<oElem>>;

/// Four columns' sums after eight keys.
fn after(sum: vec4f, p: Eight, a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f, g: vec4f, h: vec4f) -> vec4f {
  let four = fma(vec4f(p.lo.w), d, fma(vec4f(p.lo.z), c, fma(vec4f(p.lo.y), b, fma(vec4f(p.lo.x), a, sum))));
  return fma(vec4f(p.hi.w), h, fma(vec4f(p.hi.z), g, fma(vec4f(p.hi.y), f, fma(vec4f(p.hi.x), e, four))));
}

/// 2ⁿ of whole numbers up to 0; the least there is below −126, where a probability is nothing beside the largest.
fn powers(n: vec4f) -> vec4f { return bitcast<vec4f>(vec4u(max(n, vec4f(-126.0)) + 127.0) << vec4u(23u)); }

@compute @workgroup_size(WX)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) size: vec3u) {
  let tile = tileOf(id.y * (size.x * WX) + id.x, (s.D + OD - 1u) / OD);
  if (tile.pair >= s.pairs) { return; }
  let column = tile.across * OD;
  let n0 = s.q0 + tile.first;
  let mAt = exponentsAt(tile.pair, 0u, tile.first);
  let mStep = rows() / 4u;   // to the next tile of keys
  let vHead = s.vFirst + tile.b * s.vSample + tile.h * s.vHead;

  // unroll g RQ / 4
  var top#g = vec4f(-3e38);
  // unroll i 4
  let pAt#g_#i = probabilitiesAt(tile.pair, tile.first + 4u * g + i);
  var sum#g_#i = 0.0;
  // unroll j OD / 8
  var lo#g_#i_#j = vec4f();
  var hi#g_#i_#j = vec4f();
  // end
  // end
  // end
  // Columns beyond the edge repeat the last ones and are not stored.
  // unroll j OD / 8
  let vAt#j = (vHead + min(column + 8u * j, s.D - 8u)) / 8u;
  // end

  for (var t = 0u; t < tilesOfKeys(); t++) {
    // unroll g RQ / 4
    top#g = max(top#g, bitcast<vec4f>(texel(P, mAt + t * mStep + g)));
    // end
  }

  for (var k = 0u; k < tilesOfKeys() * (RK / 8u); k++) {
    // unroll e 8
    let row#e = min(8u * k + e, s.Lk - 1u) * s.vRow / 8u;
    // unroll j OD / 8
    let v#e_#j = texelEight(V, vAt#j + row#e, V_TYPE);
    // end
    // end
    // unroll g RQ / 4
    let factor#g = powers(bitcast<vec4f>(texel(P, mAt + k / (RK / 8u) * mStep + g)) - top#g);
    // unroll i 4
    {
      var p = texelEight(P, pAt#g_#i + k, P_TYPE);
      p.lo *= factor#g[i];
      p.hi *= factor#g[i];
      sum#g_#i += dot(p.lo, vec4f(1.0)) + dot(p.hi, vec4f(1.0));
      // unroll j OD / 8
      lo#g_#i_#j = after(lo#g_#i_#j, p, v0_#j.lo, v1_#j.lo, v2_#j.lo, v3_#j.lo, v4_#j.lo, v5_#j.lo, v6_#j.lo, v7_#j.lo);
      hi#g_#i_#j = after(hi#g_#i_#j, p, v0_#j.hi, v1_#j.hi, v2_#j.hi, v3_#j.hi, v4_#j.hi, v5_#j.hi, v6_#j.hi, v7_#j.hi);
      // end
    }
    // end
    // end
  }

  // A loop with the sums picked by select, as in matmul.wgsl: with a store for each sum, drivers compile three times as long.
  let last = min(RQ, s.qEnd - n0);
  for (var n = 0u; n < last; n++) {
    var total = 0.0;
    // unroll g RQ / 4
    // unroll i 4
    total = select(total, sum#g_#i, n == 4u * g + i);
    // end
    // end
    let share = share(total);
    let at = ((tile.b * s.Lq + n0 + n) * s.heads * s.D + tile.h * s.D + column) / 4u;
    // unroll j OD / 8
    if (column + j * 8u < s.D) {
      var lo = vec4f();
      var hi = vec4f();
      // unroll g RQ / 4
      // unroll i 4
      lo = select(lo, lo#g_#i_#j, n == 4u * g + i);
      hi = select(hi, hi#g_#i_#j, n == 4u * g + i);
      // end
      // end
      O[at + 2u * j] = vec4<oElem>(lo * share);
      O[at + 2u * j + 1u] = vec4<oElem>(hi * share);
    }
    // end
  }
}
