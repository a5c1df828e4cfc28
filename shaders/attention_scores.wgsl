// attention_scores.wgsl — P = exp2(s − m), s = log₂e · (scale · Q Kᵀ + bias, masked): the first half of an attention from textures.
//
// An invocation makes the scores of RQ queries and RK keys of one head in registers; Q and K as in attention_tiled.wgsl, in textures of
// 2048 texels a row read as one long list. m is the least whole number that is no less than a query's RK scores, so that
// attention_values.wgsl brings all probabilities of a query to the same power of two without rounding them again.
//
//   P  [pairs, rows, keys] f32 or f16 by P_TYPE, rows and keys filled up to whole tiles; then m, f32 [pairs, keys / RK, rows]

// variants RQ=16 RK=16

override WX: u32 = 8u;
override P_TYPE: u32 = 0u;   // 0 f32, 1 f16

// include attention_shape
// include attention_score
// include eights
@group(0) @binding(1) var                      Q: Texels;
@group(0) @binding(2) var                      K: Texels;
@group(0) @binding(3) var<storage, read_write> P: array<vec4u>;

fn loadQ(at: u32) -> Eight {
  if (Q_TYPE == 0u) { return wide(texel(Q, at * 2u), texel(Q, at * 2u + 1u)); }
  return halves(texel(Q, at));
}

fn loadK(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(texel(K, at * 2u), texel(K, at * 2u + 1u)); }
  return halves(texel(K, at));
}

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
  // Neighbours have the same queries: tiles of keys follow each other, then those of queries, then heads.
  let tile = id.y * (size.x * WX) + id.x;
  let across = (s.Lk + RK - 1u) / RK;
  let down = (s.qEnd - s.q0 + RQ - 1u) / RQ;
  let pair = tile / across / down;
  if (pair >= s.pairs) { return; }
  let k0 = tile % across * RK;
  let first = tile / across % down * RQ;
  let n0 = s.q0 + first;
  let b = s.b0 + pair / s.headsHere;
  let h = s.h0 + pair % s.headsHere;
  let qHead = s.qFirst + b * s.qSample + h * s.qHead;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;

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
    let a#g_#i = loadQ(qAt#g_#i + c);
    // end
    // end
    // unroll q RK / 8
    // unroll t 2
    // unroll j 4
    {
      let w = loadK(kAt#q_#t_#j + c);
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
  let rows = down * RQ;
  let eights = across * (RK / 8u);
  // unroll g RQ / 4
  var m#g = vec4f();
  // end
  for (var e = 0u; e < 4u; e++) {
    // unroll g RQ / 4
    {
      let row = min(n0 + 4u * g + e, s.qEnd - 1u);
      let biasRow = s.biasFirst + b * s.biasSample + h * s.biasHead + row * s.Lk;
      var most = vec4f(LOWEST);
      // unroll q RK / 8
      // unroll t 2
      var v#q_#t = vec4f();
      // unroll j 4
      v#q_#t[j] = score(u#g_#q_#t_#j.x, b, row, k0 + 8u * q + 4u * t + j, biasRow);
      // end
      most = max(most, v#q_#t);
      // end
      // end
      let m = ceil(max(max(most.x, most.y), max(most.z, most.w)));
      let at = (pair * rows + first + 4u * g + e) * eights + k0 / 8u;
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
  let mAt = s.pairs * rows * eights * (2u - P_TYPE) + ((pair * across + k0 / RK) * rows + first) / 4u;
  // unroll g RQ / 4
  P[mAt + g] = bitcast<vec4u>(m#g);
  // end
}
