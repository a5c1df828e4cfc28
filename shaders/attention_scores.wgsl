// attention_scores.wgsl — P = exp2(s − m), s = log₂e · (scale · Q Kᵀ + bias, masked): the first half of an attention from textures.
//
// An invocation makes the scores of RQ queries and RK keys of one head in registers; Q and K as in attention_tiled.wgsl, in textures of
// 2048 texels a row read as one long list. m is the least whole number that is no less than a query's RK scores, so that
// attention_values.wgsl brings all probabilities of a query to the same power of two without rounding them again.

// variants RQ=16 RK=16

// include finite
// include attention_shape
// include attention_score
// include attention_probabilities
// include eights
// include texel_eights
@group(0) @binding(1) var                      Q: Texels;
@group(0) @binding(2) var                      K: Texels;
@group(0) @binding(3) var<storage, read_write> P: array<vec4u>;

/// Eight probabilities of a query.
fn put(at: u32, lo: vec4f, hi: vec4f) {
  if (P_TYPE == 1u) {
    P[at] = vec4u(pack2x16float(lo.xy), pack2x16float(lo.zw), pack2x16float(hi.xy), pack2x16float(hi.zw));
    return;
  }
  P[at * 2u] = bitcast<vec4u>(lo);
  P[at * 2u + 1u] = bitcast<vec4u>(hi);
}

@compute @workgroup_size(WX)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) size: vec3u) {
  let tile = tileOf(id.y * (size.x * WX) + id.x, tilesOfKeys());
  if (tile.pair >= s.pairs) { return; }
  let k0 = tile.across * RK;
  let n0 = s.q0 + tile.first;
  let qHead = s.qFirst + tile.b * s.qSample + tile.h * s.qHead;
  let kHead = s.kFirst + tile.b * s.kSample + tile.h * s.kHead;

  // Queries and keys beyond the edge repeat the last one; such keys do not count, such queries are not stored in the end.
  // unroll g RQ / 4
  // unroll i 4
  let qAt#g_#i = (qHead + min(n0 + 4u * g + i, s.qEnd - 1u) * s.qRow) / 8u;
  // end
  // end
  // unroll q RK / 8
  // unroll t 2
  // unroll j 4
  let kAt#q_#t_#j = (kHead + min(k0 + 8u * q + 4u * t + j, s.Lk - 1u) * s.kRow) / 8u;
  // unroll g RQ / 4
  var u#g_#q_#t_#j = vec4f();   // of queries 4 g … 4 g + 3
  // end
  // end
  // end
  // end
  for (var c = 0u; c < s.D / 8u; c++) {
    // unroll g RQ / 4
    // unroll i 4
    let a#g_#i = texelEight(Q, qAt#g_#i + c, Q_TYPE);
    // end
    // end
    // unroll q RK / 8
    // unroll t 2
    // unroll j 4
    {
      let w = texelEight(K, kAt#q_#t_#j + c, KV_TYPE);
      // unroll g RQ / 4
      // unroll i 4
      u#g_#q_#t_#j[i] += dot(a#g_#i.lo, w.lo) + dot(a#g_#i.hi, w.hi);
      // end
      // end
    }
    // end
    // end
    // end
  }

  // One query of each four a turn, the scores rotated: all unrolled, drivers would compile this longer than the products.
  // unroll g RQ / 4
  var m#g = vec4f();
  // end
  for (var e = 0u; e < 4u; e++) {
    // unroll g RQ / 4
    {
      let row = min(n0 + 4u * g + e, s.qEnd - 1u);
      let biasRow = s.biasFirst + tile.b * s.biasSample + tile.h * s.biasHead + row * s.Lk;
      var most = vec4f(LOWEST);
      // unroll q RK / 8
      // unroll t 2
      var v#q_#t = vec4f();
      // unroll j 4
      v#q_#t[j] = score(u#g_#q_#t_#j.x, tile.b, row, k0 + 8u * q + 4u * t + j, biasRow);
      // end
      most = max(most, v#q_#t);
      // end
      // end
      let m = ceil(max(max(most.x, most.y), max(most.z, most.w)));
      let at = probabilitiesAt(tile.pair, tile.first + 4u * g + e) + k0 / 8u;
      // unroll q RK / 8
      put(at + q, exp2(v#q_0 - m), exp2(v#q_1 - m));
      // end
      m#g = vec4f(m#g.yzw, m);
    }
    // end
    // unroll g RQ / 4
    // unroll q RK / 8
    // unroll t 2
    // unroll j 4
    u#g_#q_#t_#j = u#g_#q_#t_#j.yzwx;
    // end
    // end
    // end
    // end
  }
  let mAt = exponentsAt(tile.pair, tile.across, tile.first);
  // unroll g RQ / 4
  P[mAt + g] = bitcast<vec4u>(m#g);
  // end
}
