// attention_tiled.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, operands staged in workgroup memory.
//
// Operands and strides as in attention.wgsl; all of them, in elements, are multiples of 8, so that a load
// brings eight values. A workgroup of WX × WY makes RQ·WY queries of one head (x: queries, y: heads of samples).
// Invocation (x, y) scores RQ queries × RK keys of a block of RK·WX keys, then sums up OD = D / WX columns of the
// same queries. Keys, queries and values are staged as they are stored, probabilities go round in f32, four keys of
// each invocation at a time. All sums are f32.
//
// Lanes are numbered along one dimension, whatever D makes of WX. Row r of a tile is the row r / WX (or WY) of
// invocation r % WX and pitches are odd, so that neighbours read neighbouring rows, in different banks.

// variants RQ=8 RK=8 OD=8; RQ=8 RK=8 OD=16; RQ=16 RK=16 OD=8; RQ=16 RK=16 OD=16

override WX: u32 = 8u;
override WY: u32 = 4u;
override D8: u32 = 8u;       // eighths of D
override STEP8: u32 = 1u;    // of them, staged at once for scores: a divisor
override QUADS: u32 = 3u;    // four keys each, staged at once of the values
override POOL: u32 = 768u;   // 16 bytes each: room for either
override STAGE_Q: u32 = 1u;  // 0: every invocation loads its queries, where workgroup memory has no room for them
override STAGE_KV: u32 = 1u; // 0: and keys and values, where heads are so wide that few rows would share a tile

override QUERIES: u32 = RQ * WY;        // of a workgroup
override KEYS: u32 = RK * WX;           // of a block
override Q_VECTORS: u32 = 2u - Q_TYPE;  // of 16 bytes, for eight values
override KV_VECTORS: u32 = 2u - KV_TYPE;
override Q_PITCH: u32 = STEP8 * Q_VECTORS / 2u * 2u + 1u;
override K_PITCH: u32 = STEP8 * KV_VECTORS / 2u * 2u + 1u;
override P_PITCH: u32 = WX / 2u * 2u + 1u;

// include finite
// include attention_shape
// include attention_share
// include attention_score
// include eights
@group(0) @binding(1) var<storage, read>       Q: array<vec4u>;
@group(0) @binding(2) var<storage, read>       K: array<vec4u>;
@group(0) @binding(3) var<storage, read>       V: array<vec4u>;
@group(0) @binding(6) var<storage, read_write> O: array<vec4<oElem>>;

var<workgroup> pool: array<vec4u, POOL>;            // keys and queries, then probabilities and values
var<workgroup> tops: array<f32, WX * WY * RQ>;      // [query][x]

fn loadK(staged: u32, at: u32) -> Eight {
  if (STAGE_KV == 1u) {
    if (KV_TYPE == 0u) { return wide(pool[staged], pool[staged + 1u]); }
    return halves(pool[staged]);
  }
  if (KV_TYPE == 0u) { return wide(K[at * 2u], K[at * 2u + 1u]); }
  return halves(K[at]);
}

/// Halves of eight columns in f32 lie WX vectors apart, so that neighbours read neighbours.
fn loadV(staged: u32, at: u32) -> Eight {
  if (STAGE_KV == 1u) {
    if (KV_TYPE == 0u) { return wide(pool[staged], pool[staged + WX]); }
    return halves(pool[staged]);
  }
  if (KV_TYPE == 0u) { return wide(V[at], V[at + WX]); }
  return halves(V[at]);
}

fn loadQ(staged: u32, at: u32) -> Eight {
  if (STAGE_Q == 1u) {
    if (Q_TYPE == 0u) { return wide(pool[staged], pool[staged + 1u]); }
    return halves(pool[staged]);
  }
  if (Q_TYPE == 0u) { return wide(Q[at * 2u], Q[at * 2u + 1u]); }
  return halves(Q[at]);
}

@compute @workgroup_size(WX * WY)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let b = s.b0 + group.y / s.headsHere;
  let h = s.h0 + group.y % s.headsHere;
  let x = lane % WX;
  let y = lane / WX;
  let g0 = s.q0 + group.x * QUERIES;
  let n0 = g0 + y * RQ;
  let qHead = s.qFirst + b * s.qSample + h * s.qHead;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = s.vFirst + b * s.vSample + h * s.vHead;

  // Queries beyond the edge repeat the last one and are not stored.
  // unroll i RQ
  let row#i = min(n0 + i, s.qEnd - 1u);
  let qAt#i = (qHead + row#i * s.qRow) / 8u;
  let bias#i = s.biasFirst + b * s.biasSample + h * s.biasHead + row#i * s.Lk;
  var max#i = LOWEST;
  var sum#i = 0.0;
  // unroll j OD / 8
  var lo#i_#j = vec4f();
  var hi#i_#j = vec4f();
  // end
  // end

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, min(g0 + QUERIES, s.qEnd)); }  // later keys serve none
  for (var k0 = 0u; k0 < keys; k0 += KEYS) {
    // unroll i RQ
    // unroll j RK / 4
    var s#i_#j = vec4f();
    // end
    // end
    let key0 = k0 + x * RK;
    // unroll j RK / 4
    // unroll e 4
    let kAt#j_#e = (kHead + min(key0 + (j * 4 + e), s.Lk - 1u) * s.kRow) / 8u;
    // end
    // end
    for (var c0 = 0u; c0 < D8; c0 += STEP8) {
      if (STAGE_KV == 1u) {
        for (var at = lane; at < KEYS * STEP8 * KV_VECTORS; at += WX * WY) {
          let r = at / (STEP8 * KV_VECTORS);
          let c = at % (STEP8 * KV_VECTORS);
          let key = min(k0 + r % WX * RK + r / WX, s.Lk - 1u);
          pool[r * K_PITCH + c] = K[((kHead + key * s.kRow) / 8u + c0) * KV_VECTORS + c];
        }
      }
      if (STAGE_Q == 1u) {
        for (var at = lane; at < QUERIES * STEP8 * Q_VECTORS; at += WX * WY) {
          let r = at / (STEP8 * Q_VECTORS);
          let c = at % (STEP8 * Q_VECTORS);
          let row = min(g0 + r % WY * RQ + r / WY, s.qEnd - 1u);
          pool[KEYS * K_PITCH + r * Q_PITCH + c] = Q[((qHead + row * s.qRow) / 8u + c0) * Q_VECTORS + c];
        }
      }
      workgroupBarrier();
      for (var c = 0u; c < STEP8; c++) {
        // unroll i RQ
        let a#i = loadQ(KEYS * K_PITCH + (i * WY + y) * Q_PITCH + c * Q_VECTORS, qAt#i + c0 + c);
        // end
        // unroll j RK / 4
        // unroll e 4
        let b#j_#e = loadK(((j * 4 + e) * WX + x) * K_PITCH + c * KV_VECTORS, kAt#j_#e + c0 + c);
        // unroll i RQ
        s#i_#j[e] += dot(a#i.lo, b#j_#e.lo) + dot(a#i.hi, b#j_#e.hi);
        // end
        // end
        // end
      }
      if (c0 + STEP8 < D8) { workgroupBarrier(); }
    }
    // unroll i RQ
    var top#i = max#i;
    // unroll j RK / 4
    // unroll e 4
    s#i_#j[e] = score(s#i_#j[e], b, row#i, key0 + (j * 4 + e), bias#i);
    // end
    top#i = max(top#i, max(max(s#i_#j.x, s#i_#j.y), max(s#i_#j.z, s#i_#j.w)));
    // end
    tops[(y * RQ + i) * WX + x] = top#i;
    // end
    workgroupBarrier();
    // unroll i RQ
    for (var t = 0u; t < WX; t++) { top#i = max(top#i, tops[(y * RQ + i) * WX + t]); }
    let fade#i = exp2(max#i - top#i);
    max#i = top#i;
    sum#i *= fade#i;
    // unroll j OD / 8
    lo#i_#j *= fade#i;
    hi#i_#j *= fade#i;
    // end
    // unroll j RK / 4
    s#i_#j = exp2(s#i_#j - max#i);
    // end
    // end

    // Quad t of turn q: keys 4q … 4q + 3 of the RK of invocation t. Those beyond the last key add nothing.
    let quads = min(WX, (s.Lk - k0 + RK - 1u) / RK);
    for (var q = 0u; q < RK / 4u; q++) {
      // unroll i RQ
      var p#i = s#i_0;
      // unroll j RK / 4
      if (q == j) { p#i = s#i_#j; }
      // end
      pool[(i * WY + y) * P_PITCH + x] = bitcast<vec4u>(p#i);
      // end
      for (var t0 = 0u; t0 < quads; t0 += QUADS) {
        let tEnd = min(quads, t0 + QUADS);
        if (STAGE_KV == 1u) {
          for (var at = lane; at < (tEnd - t0) * 4u * D8 * KV_VECTORS; at += WX * WY) {
            let r = at / (D8 * KV_VECTORS);
            let key = min(k0 + (t0 + r / 4u) * RK + q * 4u + r % 4u, s.Lk - 1u);
            pool[QUERIES * P_PITCH + at] = V[(vHead + key * s.vRow) / 8u * KV_VECTORS + at % (D8 * KV_VECTORS)];
          }
        }
        workgroupBarrier();
        for (var t = t0; t < tEnd; t++) {
          // unroll i RQ
          let r#i = bitcast<vec4f>(pool[(i * WY + y) * P_PITCH + t]);
          sum#i += r#i.x + r#i.y + r#i.z + r#i.w;
          // end
          let at = QUERIES * P_PITCH + (t - t0) * 4u * D8 * KV_VECTORS + x;
          // unroll e 4
          let vAt#e = (vHead + min(k0 + t * RK + q * 4u + e, s.Lk - 1u) * s.vRow) / 8u * KV_VECTORS + x;
          // end
          // unroll j OD / 8
          // unroll e 4
          let w#e_#j = loadV(at + (e * D8 + j * WX) * KV_VECTORS, vAt#e + j * WX * KV_VECTORS);
          // end
          // unroll i RQ
          lo#i_#j = fma(vec4f(r#i.x), w0_#j.lo, lo#i_#j);
          lo#i_#j = fma(vec4f(r#i.y), w1_#j.lo, lo#i_#j);
          lo#i_#j = fma(vec4f(r#i.z), w2_#j.lo, lo#i_#j);
          lo#i_#j = fma(vec4f(r#i.w), w3_#j.lo, lo#i_#j);
          hi#i_#j = fma(vec4f(r#i.x), w0_#j.hi, hi#i_#j);
          hi#i_#j = fma(vec4f(r#i.y), w1_#j.hi, hi#i_#j);
          hi#i_#j = fma(vec4f(r#i.z), w2_#j.hi, hi#i_#j);
          hi#i_#j = fma(vec4f(r#i.w), w3_#j.hi, hi#i_#j);
          // end
          // end
        }
        workgroupBarrier();
      }
    }
  }

  // unroll i RQ
  if (n0 + i < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + i) * s.heads * s.D + h * s.D) / 4u;
    let share = share(sum#i);
    // unroll j OD / 8
    let first#j = select((j * WX + x) * 2u, 2u * j * WX + x, KV_TYPE == 0u);
    O[at + first#j] = vec4<oElem>(lo#i_#j * share);
    O[at + first#j + select(1u, WX, KV_TYPE == 0u)] = vec4<oElem>(hi#i_#j * share);
    // end
  }
  // end
}
