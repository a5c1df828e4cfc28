// Generated from shaders/*.wgsl by tools/build_shaders.ts: edit those and run `deno task shaders`.

/** Sources of shaders by name; lib/gpu/shaders.ts expands them. */
export const SOURCES: Readonly<Record<string, string>> = {
  "attention": `// attention.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V for heads of any size, online softmax.
//
//   Q, K, V  elements of one type each; row n of head h of sample b starts at b·sample + h·head + n·row + first
//   O        [B, Lq, heads · D]
//   bias     f32 [1|B, 1|heads, Lq, Lk], keep f32 [B, Lk]
//
// One workgroup makes BQ queries of one head (x: queries, y: heads of samples, z: 64·DJ columns each).
// A lane scores one key of a block, then sums up columns lane, lane + 64, … of the output. The running
// maximum and sum are kept by every lane alike; all sums are f32. With SUBGROUPS=1 the hardware finds the maximum of
// a subgroup's scores, and few of them go through workgroup memory in place of 64.

// variants BQ=4 DJ=1 SUBGROUPS=0; BQ=4 DJ=2 SUBGROUPS=0; BQ=4 DJ=8 SUBGROUPS=0; BQ=4 DJ=1 SUBGROUPS=1; BQ=4 DJ=2 SUBGROUPS=1; BQ=4 DJ=8 SUBGROUPS=1

const LANES: u32 = 64u;

// include finite
// include attention_shape
// include attention_share
@group(0) @binding(1) var<storage, read>       Q: array<qElem>;
@group(0) @binding(2) var<storage, read>       K: array<kElem>;
@group(0) @binding(3) var<storage, read>       V: array<vElem>;
@group(0) @binding(6) var<storage, read_write> O: array<oElem>;

var<workgroup> P: array<f32, BQ * LANES>;
// unroll _ SUBGROUPS
var<workgroup> tops: array<f32, BQ * LANES>;   // [query][subgroup]
// end

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
// unroll _ SUBGROUPS
  @builtin(subgroup_size) size: u32,
// end
) {
  let b = s.b0 + group.y / s.headsHere;
  let h = s.h0 + group.y % s.headsHere;
  let n0 = s.q0 + group.x * BQ;
  let d0 = group.z * LANES * DJ + lane;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = s.vFirst + b * s.vSample + h * s.vHead;

  // Queries beyond the edge repeat the last one and are not stored.
  // unroll i BQ
  let row#i = min(n0 + i, s.qEnd - 1u);
  let q#i = s.qFirst + b * s.qSample + h * s.qHead + row#i * s.qRow;
  let bias#i = s.biasFirst + b * s.biasSample + h * s.biasHead + row#i * s.Lk;
  var max#i = NOTHING;
  var sum#i = 0.0;
  // unroll j DJ
  var o#i_#j = 0.0;
  // end
  // end

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, min(n0 + BQ, s.qEnd)); }  // later keys serve none of these queries
  for (var k0 = 0u; k0 < keys; k0 += LANES) {
    let key = k0 + lane;
    // unroll i BQ
    var score#i = NOTHING;
    // end
    var kept = key < s.Lk;
    if (MASK == 1u && kept) { kept = keep[b * s.Lk + key] != 0.0; }
    if (kept) {
      // unroll i BQ
      var dot#i = 0.0;
      // end
      let at = kHead + key * s.kRow;
      for (var d = 0u; d < s.D; d++) {
        let k = f32(K[at + d]);
        // unroll i BQ
        dot#i = fma(f32(Q[q#i + d]), k, dot#i);
        // end
      }
      // unroll i BQ
      if (CAUSAL == 0u || key <= row#i) {
        score#i = dot#i * s.scale;
        if (BIAS == 1u) { score#i = biased(score#i, bias[bias#i + key]); }
      }
      // end
    }
    // unroll _ SUBGROUPS
    // Subgroups are runs of \`size\` neighbours, as every implementation lays a one-dimensional workgroup out.
    // unroll i BQ
    tops[i * LANES + lane / size] = subgroupMax(score#i);
    // end
    workgroupBarrier();
    // unroll i BQ
    var top#i = max#i;
    for (var t = 0u; t * size < LANES; t++) { top#i = max(top#i, tops[i * LANES + t]); }
    // end
    // end
    // unroll _ 1 - SUBGROUPS
    // unroll i BQ
    P[i * LANES + lane] = score#i;
    // end
    workgroupBarrier();
    // unroll i BQ
    var top#i = max#i;
    for (var t = 0u; t < LANES; t++) { top#i = max(top#i, P[i * LANES + t]); }
    // end
    // end
    // unroll i BQ
    let fade#i = exp(max#i - top#i);
    max#i = top#i;
    sum#i *= fade#i;
    // unroll j DJ
    o#i_#j *= fade#i;
    // end
    // end
    workgroupBarrier();
    // unroll i BQ
    P[i * LANES + lane] = checked(select(0.0, exp(score#i - max#i), score#i > NOTHING), score#i);
    // end
    workgroupBarrier();
    for (var t = 0u; t < min(LANES, s.Lk - k0); t++) {
      let at = vHead + (k0 + t) * s.vRow + d0;
      // unroll j DJ
      var v#j = 0.0;
      if (d0 + j * LANES < s.D) { v#j = f32(V[at + j * LANES]); }
      // end
      // unroll i BQ
      let p#i = P[i * LANES + t];
      sum#i += p#i;
      // unroll j DJ
      o#i_#j = fma(p#i, v#j, o#i_#j);
      // end
      // end
    }
    workgroupBarrier();
  }

  // unroll i BQ
  if (n0 + i < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + i) * s.heads * s.D + h * s.D + d0;
    let share = share(sum#i);
    // unroll j DJ
    if (d0 + j * LANES < s.D) { O[o + j * LANES] = oElem(o#i_#j * share); }
    // end
  }
  // end
}
`,
  "attention_heads": `// attention_heads.wgsl — keys, then values, with each head's rows one after the other: [2, B, heads, Lk, D].
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
`,
  "attention_pack": `// attention_pack.wgsl — P [rows, D] = one head's rows of X: for keys and values that exceed a binding.
//
// One invocation an element; groups fold over x and y.

override WG: u32 = 64u;

struct Shape { r0: u32, rEnd: u32, D: u32, row: u32, first: u32, fold: u32 }  // first: wraps, row·r0 brings it back

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<elem>;
@group(0) @binding(2) var<storage, read_write> P: array<elem>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * s.fold + group.x) * WG + lane;
  let row = s.r0 + at / s.D;
  let d = at % s.D;
  if (row < s.rEnd) { P[row * s.D + d] = X[s.first + row * s.row + d]; }
}
`,
  "attention_scores": `// attention_scores.wgsl — P = exp2(s − m), s = log₂e · (scale · Q Kᵀ + bias, masked): the first half of an attention from textures.
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
`,
  "attention_texels": `// attention_texels.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, everything in registers.
//
// Operands and strides as in attention_tiled.wgsl, read from textures of 2048 texels a row as one long list.
// An invocation makes RQ queries of one head and OD of its columns: no workgroup memory and no barriers, which
// suits adapters that run on a CPU; lanes read the same keys and values at the same time. x and y: queries
// of all heads, z: columns (the scores are then made once more for each OD of them). All sums are f32.

// variants RQ=4 OD=32; RQ=12 OD=32; RQ=8 OD=40; RQ=4 OD=64; RQ=8 OD=64; RQ=16 OD=64

override WX: u32 = 8u;

// include finite
// include attention_shape
// include attention_share
// include attention_score
// include eights
// include texel_eights
@group(0) @binding(1) var                      Q: Texels;
@group(0) @binding(2) var                      K: Texels;
@group(0) @binding(3) var                      V: Texels;
@group(0) @binding(6) var<storage, read_write> O: array<vec4<oElem>>;

@compute @workgroup_size(WX)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) size: vec3u) {
  // Tiles of all heads follow each other, so that vectors of invocations are full.
  let tiles = (s.qEnd - s.q0 + RQ - 1u) / RQ;
  let tile = id.y * (size.x * WX) + id.x;
  let head = tile / tiles;
  if (head >= s.pairs) { return; }
  let n0 = s.q0 + tile % tiles * RQ;
  let b = s.b0 + head / s.headsHere;
  let h = s.h0 + head % s.headsHere;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = (s.vFirst + b * s.vSample + h * s.vHead + id.z * OD) / 8u;
  let D8 = s.D / 8u;

  // Queries beyond the edge repeat the last one and are not stored.
  // unroll i RQ
  let row#i = min(n0 + i, s.qEnd - 1u);
  let qAt#i = (s.qFirst + b * s.qSample + h * s.qHead + row#i * s.qRow) / 8u;
  let bias#i = s.biasFirst + b * s.biasSample + h * s.biasHead + row#i * s.Lk;
  var max#i = LOWEST;
  var sum#i = 0.0;
  // unroll j OD / 8
  var lo#i_#j = vec4f();
  var hi#i_#j = vec4f();
  // end
  // end

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, n0 + RQ); }
  for (var k0 = 0u; k0 < keys; k0 += 8u) {
    // unroll i RQ
    var u#i = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v#i = vec4f();
    // end
    // unroll j 4
    let uAt#j = (kHead + min(k0 + j, s.Lk - 1u) * s.kRow) / 8u;
    let vAt#j = (kHead + min(k0 + 4u + j, s.Lk - 1u) * s.kRow) / 8u;
    // end
    for (var c = 0u; c < D8; c++) {
      // unroll i RQ
      let a#i = texelEight(Q, qAt#i + c, Q_TYPE);
      // end
      // unroll j 4
      let b#j = texelEight(K, uAt#j + c, KV_TYPE);
      let c#j = texelEight(K, vAt#j + c, KV_TYPE);
      // unroll i RQ
      u#i[j] += dot(a#i.lo, b#j.lo) + dot(a#i.hi, b#j.hi);
      v#i[j] += dot(a#i.lo, c#j.lo) + dot(a#i.hi, c#j.hi);
      // end
      // end
    }
    // unroll i RQ
    // unroll j 4
    u#i[j] = score(u#i[j], b, row#i, k0 + j, bias#i);
    v#i[j] = score(v#i[j], b, row#i, k0 + 4u + j, bias#i);
    // end
    let t#i = max(u#i, v#i);
    let top#i = max(max#i, max(max(t#i.x, t#i.y), max(t#i.z, t#i.w)));
    let fade#i = exp2(max#i - top#i);
    max#i = top#i;
    u#i = exp2(u#i - top#i);
    v#i = exp2(v#i - top#i);
    let z#i = u#i + v#i;
    sum#i = sum#i * fade#i + z#i.x + z#i.y + z#i.z + z#i.w;
    // unroll j OD / 8
    lo#i_#j *= fade#i;
    hi#i_#j *= fade#i;
    // end
    // end
    // Two keys a turn, the probabilities rotated: with all eight unrolled, drivers compile for seconds.
    for (var e = 0u; e < 4u; e++) {
      let uAt = vHead + min(k0 + e, s.Lk - 1u) * s.vRow / 8u;
      let vAt = vHead + min(k0 + 4u + e, s.Lk - 1u) * s.vRow / 8u;
      // unroll j OD / 8
      {
        let w = texelEight(V, uAt + j, KV_TYPE);
        let z = texelEight(V, vAt + j, KV_TYPE);
        // unroll i RQ
        lo#i_#j = fma(vec4f(v#i.x), z.lo, fma(vec4f(u#i.x), w.lo, lo#i_#j));
        hi#i_#j = fma(vec4f(v#i.x), z.hi, fma(vec4f(u#i.x), w.hi, hi#i_#j));
        // end
      }
      // end
      // unroll i RQ
      u#i = u#i.yzwx;
      v#i = v#i.yzwx;
      // end
    }
  }

  // A loop with the sums picked by select, as in matmul.wgsl: with a store for each sum, drivers compile three times as long.
  let column = id.z * OD;
  let rows = min(RQ, s.qEnd - n0);
  for (var i = 0u; i < rows; i++) {
    var total = sum0;
    // unroll p RQ
    total = select(total, sum#p, i == p);
    // end
    let share = share(total);
    let at = (s.oFirst + (b * s.Lq + n0 + i) * s.heads * s.D + h * s.D + column) / 4u;
    // unroll j OD / 8
    if (column + j * 8u < s.D) {
      var lo = lo0_#j;
      var hi = hi0_#j;
      // unroll p RQ
      lo = select(lo, lo#p_#j, i == p);
      hi = select(hi, hi#p_#j, i == p);
      // end
      O[at + 2u * j] = vec4<oElem>(lo * share);
      O[at + 2u * j + 1u] = vec4<oElem>(hi * share);
    }
    // end
  }
}
`,
  "attention_tiled": `// attention_tiled.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, operands staged in workgroup memory.
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
`,
  "attention_values": `// attention_values.wgsl — O = P V / sums of P: the other half of an attention from textures.
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
`,
  "cache_apply": `// cache_apply.wgsl — what a cached step keeps of a computed one, and what it takes from it.
//
// OP 0, behind the first block of a step that is computed: reference = x − before, tail = x.
// OP 1, behind the last block: tail = x − tail where the blocks ran, x += tail where they were skipped.

override WG: u32 = 256u;
override OP: u32 = 0u;

struct Shape {
  count: u32,  // elements
  xAt: u32,    // first element in X
  at: u32,     // first element in the others
  fold: u32,   // workgroups along x
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       state: array<f32>;
@group(0) @binding(2) var<storage, read>       before: array<f32>;
@group(0) @binding(3) var<storage, read_write> X: array<f32>;
@group(0) @binding(4) var<storage, read_write> reference: array<f32>;
@group(0) @binding(5) var<storage, read_write> tail: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = (group.y * s.fold + group.x) * 4u * WG + lane;
  for (var k = 0u; k < 4u; k++) {
    let i = first + k * WG;
    if (i >= s.count) { return; }
    let x = X[s.xAt + i];
    if (OP == 0u) {
      reference[s.at + i] = x - before[s.at + i];
      tail[s.at + i] = x;
    } else if (state[0] != 0.0) {
      tail[s.at + i] = x - tail[s.at + i];
    } else {
      X[s.xAt + i] = x + tail[s.at + i];
    }
  }
}
`,
  "cache_change": `// cache_change.wgsl — how much a residual has changed: parts of Σ|r − ref| and Σ|ref| with r = x − before.
//
// Every workgroup sums 16 · WG elements; cache_decide.wgsl adds up what the workgroups give.

override WG: u32 = 256u;

struct Shape {
  count: u32,  // elements
  xAt: u32,    // first element in X
  at: u32,     // first element in before and reference
  out: u32,    // first pair in parts
  fold: u32,   // workgroups along x
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<f32>;
@group(0) @binding(2) var<storage, read>       before: array<f32>;
@group(0) @binding(3) var<storage, read>       reference: array<f32>;
@group(0) @binding(4) var<storage, read_write> parts: array<vec2f>;

var<workgroup> sums: array<vec2f, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let span = 16u * WG;
  let index = group.y * s.fold + group.x;
  var sum = vec2f(0.0);
  for (var k = 0u; k < 16u; k++) {
    let i = index * span + k * WG + lane;
    if (i < s.count) {
      let ref_ = reference[s.at + i];
      sum += vec2f(abs(X[s.xAt + i] - before[s.at + i] - ref_), abs(ref_));
    }
  }
  sums[lane] = sum;
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  if (lane == 0u && index * span < s.count) { parts[s.out + index] = sums[0]; }
}
`,
  "cache_decide": `// cache_decide.wgsl — whether the blocks behind the first run: state = [1 or 0, calls that skipped them, calls].
//
// They are skipped where Σ|r − ref| ≤ threshold · Σ|ref|; what is not a number is computed.

override WG: u32 = 256u;

struct Shape {
  count: u32,      // pairs
  threshold: f32,
  forced: u32,     // 1: there is nothing to compare with, they run
  begins: u32,     // 1: counts begin at 0
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       parts: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> state: array<f32>;

var<workgroup> sums: array<vec2f, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = vec2f(0.0);
  for (var i = lane; i < s.count; i += WG) { sum += parts[i]; }
  sums[lane] = sum;
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  if (lane != 0u) { return; }
  let skip = s.forced == 0u && sums[0].x <= s.threshold * sums[0].y;
  let counts = select(vec2f(state[1], state[2]), vec2f(0.0), s.begins == 1u);
  state[0] = select(1.0, 0.0, skip);
  state[1] = counts.x + select(0.0, 1.0, skip);
  state[2] = counts.y + 1.0;
}
`,
  "conv": `// conv.wgsl — convolution of any kernel size, stride and padding: PX neighbouring pixels × 8 channels an invocation.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [kh·kw, Ci, Co8]     f32 or f16 by W_TYPE, laid out as parts/conv_output.wgsl says
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// TRANSPOSED reads x where (o + pad − tap) divides by the stride, as torch's conv_transpose2d.

// variants V=1 TEXELS=0 PX=4; V=0 TEXELS=0 PX=4; V=1 TEXELS=1 PX=4; V=0 TEXELS=1 PX=4; V=1 TEXELS=1 PX=8; V=0 TEXELS=1 PX=8

override UP: u32 = 1u;
override STRIDE: u32 = 1u;
override KH: u32 = 3u;
override KW: u32 = 3u;
override TRANSPOSED: u32 = 0u;

// include conv_output
// include eights
// include conv_operands
// unroll t TEXELS
// include texel_fours
// end

/// Input coordinate of output coordinate o under tap k, or −1 outside (and between, when transposed).
fn source(o: u32, k: u32, pad: i32, size: u32) -> i32 {
  if (TRANSPOSED == 1u) {
    let t = i32(o) + pad - i32(k);
    if (t < 0 || t % i32(STRIDE) != 0 || t / i32(STRIDE) >= i32(size)) { return -1; }
    return t / i32(STRIDE);
  }
  let t = i32(o * STRIDE + k) - pad;
  if (t < 0 || t >= i32(size * UP)) { return -1; }
  return t / i32(UP);
}

// One axis: drivers that run on a CPU fill their vectors along x only.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let down = 64u / s.across;
  let id = vec2u(group.x * s.across + lane % s.across, group.y * down + lane / s.across);
  let n = id.x * 8u;
  let y = s.y0 + id.y / s.tiles;
  let x = (id.y % s.tiles) * PX;
  if (n >= s.Co || y >= s.y0 + s.rows || lane >= s.across * down) { return; }

  // unroll p PX
  var a#p = vec4f();
  var b#p = vec4f();
  // end
  for (var ky = 0u; ky < KH; ky++) {
    let row = source(y, ky, s.padY, s.H);
    if (row < 0) { continue; }
    let line = (u32(row) - s.xRow) * s.W;
    for (var kx = 0u; kx < KW; kx++) {
      // unroll p PX
      let c#p = source(x + p, kx, s.padX, s.W);
      let x#p = (line + u32(max(c#p, 0))) * s.C4;
      // end
      for (var c = 0u; c < s.C4; c++) {
        // unroll p PX
        let v#p = select(vec4f(), xFour(x#p + c), c#p >= 0);
        // end
        let k = ((ky * KW + kx) * s.C4 + c) * 4u;
        // unroll i 4
        let w#i = weights(k + i, n);
        // unroll p PX
        a#p = fma(vec4f(v#p[i]), w#i.lo, a#p);
        b#p = fma(vec4f(v#p[i]), w#i.hi, b#p);
        // end
        // end
      }
    }
  }
  let shiftLo = shifts(n);
  let shiftHi = shifts(n + 4u);
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < PX; i++) {
    var lo = a0;
    var hi = b0;
    // unroll p PX
    lo = select(lo, a#p, i == p);
    hi = select(hi, b#p, i == p);
    // end
    finish(x + i, y, n, lo + shiftLo);
    finish(x + i, y, n + 4u, hi + shiftHi);
  }
}
`,
  "conv3x3": `// conv3x3.wgsl — 3×3 convolution, stride 1: each invocation makes PX neighbouring pixels of ROWS rows × 8 channels.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [9, Ci, Co8]         f32 or f16 by W_TYPE, laid out as parts/conv_output.wgsl says
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// The PX + 2 input columns of a row serve all three taps of that row, so a loaded value is used up to 24 times, and a
// weight PX · ROWS times.
// UP = 2 reads the picture as if every pixel stood twice in both directions (nearest upsampling).

// variants V=1 TEXELS=0 PX=8 ROWS=1; V=0 TEXELS=0 PX=8 ROWS=1; V=1 TEXELS=1 PX=8 ROWS=1; V=0 TEXELS=1 PX=8 ROWS=1; V=1 TEXELS=1 PX=16 ROWS=1; V=1 TEXELS=1 PX=8 ROWS=2; V=1 TEXELS=1 PX=4 ROWS=4

override UP: u32 = 1u;

// include conv_output
// include eights
// include conv_operands
// unroll t TEXELS
// include texel_fours
// end

const OUTSIDE = 0xffffffffu;

/// Where the channels of virtual row y and column x begin.
fn place(y: i32, x: i32) -> u32 {
  let inside = y >= 0 && y < i32(s.H * UP) && x >= 0 && x < i32(s.W * UP);
  return select(OUTSIDE, ((u32(y) / UP - s.xRow) * s.W + u32(x) / UP) * s.C4, inside);
}

/// Input channels 4·c … of a place; zero outside.
fn pixel(at: u32, c: u32) -> vec4f { return select(vec4f(), xFour(at + c), at != OUTSIDE); }

// One axis: drivers that run on a CPU fill their vectors along x only.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let down = 64u / s.across;
  let id = vec2u(group.x * s.across + lane % s.across, group.y * down + lane / s.across);
  let n = id.x * 8u;
  let y = s.y0 + id.y / s.tiles * ROWS;
  let x = (id.y % s.tiles) * PX;
  if (n >= s.Co || y >= s.y0 + s.rows || lane >= s.across * down) { return; }
  let left = i32(x) - s.padX;

  // unroll r ROWS
  // unroll p PX
  var a#r_#p = vec4f();
  var b#r_#p = vec4f();
  // end
  // end
  for (var ky = 0u; ky < 3u; ky++) {
    let row = i32(y + ky) - s.padY;
    if (row + i32(ROWS) <= 0 || row >= i32(s.H * UP)) { continue; }
    // Told once for all channels: this is as much work as loading them.
    // unroll r ROWS
    // unroll p PX + 2
    let at#r_#p = place(row + r, left + p);
    // end
    // end
    for (var c = 0u; c < s.C4; c++) {
      // Indexed by constants only: after unrolling, every element is a register.
      // unroll r ROWS
      var cols#r: array<vec4f, PX + 2u>;
      // unroll p PX + 2
      cols#r[p] = pixel(at#r_#p, c);
      // end
      // end
      // All weights first: a sum that takes its twelve products in a row leaves the registers once.
      // unroll kx 3
      // unroll i 4
      let w#kx_#i = weights((ky * 3u + kx) * s.C4 * 4u + c * 4u + i, n);
      // end
      // end
      // unroll r ROWS
      // unroll p PX
      // unroll kx 3
      // unroll i 4
      a#r_#p = fma(vec4f(cols#r[p + kx][i]), w#kx_#i.lo, a#r_#p);
      b#r_#p = fma(vec4f(cols#r[p + kx][i]), w#kx_#i.hi, b#r_#p);
      // end
      // end
      // end
      // end
    }
  }
  let shiftLo = shifts(n);
  let shiftHi = shifts(n + 4u);
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < PX * ROWS; i++) {
    var lo = a0_0;
    var hi = b0_0;
    // unroll r ROWS
    // unroll p PX
    lo = select(lo, a#r_#p, i == r * PX + p);
    hi = select(hi, b#r_#p, i == r * PX + p);
    // end
    // end
    finish(x + i % PX, y + i / PX, n, lo + shiftLo);
    finish(x + i % PX, y + i / PX, n + 4u, hi + shiftHi);
  }
}
`,
  "conv_tiled": `// conv_tiled.wgsl — convolution as an implicit matrix product: a workgroup stages pixels and weights in workgroup memory.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [kh·kw, Ci, Co8]     f32 or f16 by W_TYPE, laid out as parts/conv_output.wgsl says
//   S  [B, Ci, 2]           f32, scale and shift of x: with NORM a group norm is applied to x on its way into a tile
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// Rows of the product are output pixels, columns output channels, and K runs through the taps of some channels after the
// others: the picture that im2col would write is only ever in workgroup memory. Each invocation makes RM pixels × RN · 8 channels.
//
// With PATCH a workgroup's pixels are a rectangle, and what all taps see of it is staged once: for 3×3 taps 1.6 values a pixel in
// place of nine. Without it, for strides and kernels of one tap, pixels follow each other through the picture, and each tap's
// are staged for it.

// variants V=1 RM=4 RN=1; V=0 RM=4 RN=1; V=1 RM=8 RN=1; V=0 RM=8 RN=1; V=1 RM=16 RN=2; V=0 RM=16 RN=2

override X_TYPE: u32 = 0u;   // of tiles: 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16
override UP: u32 = 1u;
override STRIDE: u32 = 1u;
override KH: u32 = 3u;
override KW: u32 = 3u;
override PATCH: u32 = 0u;    // with a STRIDE of 1
override NORM: u32 = 0u;     // 1: x · scale + shift of its channel; 2: and SiLU

// include conv_output
@group(0) @binding(1) var<storage, read>       X: array<vec4<xElem>>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
@group(0) @binding(7) var<storage, read>       S: array<vec4f>;   // two channels each

const ACROSS = 8u;                  // invocations along channels
const DOWN = 64u / min(RM, 8u);     // and along pixels
const PIXELS = DOWN * RM;
const EIGHTS = ACROSS * RN;         // of output channels
const ROWS = PIXELS / 8u;           // of a rectangle eight pixels wide
// Tiles hold 16-bit values as they are stored, and 16 bytes more for each pixel, which spreads pixels over the banks.
override STEP8: u32 = 1u;   // channels staged at once, by eight
override TAPS: u32 = 1u;    // and taps of their weights, a divisor of all; with PATCH
override X_VECTORS: u32 = select(1u, 2u, X_TYPE == 0u);  // of 16 bytes, for eight values
override W_VECTORS: u32 = select(1u, 2u, W_TYPE == 0u);
override PITCH: u32 = STEP8 * X_VECTORS + 1u;
// What a rectangle's taps see: where pixels are doubled, it may begin with the second of a pair.
override SEEN_X: u32 = (7u + KW - 1u) / UP + UP;
override SEEN_Y: u32 = (ROWS - 1u + KH - 1u) / UP + UP;
override STAGED: u32 = select(PIXELS, SEEN_X * SEEN_Y, PATCH == 1u);
override NEXT: u32 = select(DOWN, DOWN / 8u * SEEN_X, PATCH == 1u) * PITCH;  // from a pixel of an invocation to the next
var<workgroup> xTile: array<vec4u, STAGED * PITCH>;
// Of weights, written out: naga panics over an override for it.
var<workgroup> wTile: array<vec4u, TAPS * STEP8 * 8u * EIGHTS * W_VECTORS>;
var<workgroup> places: array<vec2u, PIXELS>;   // column and row of an output pixel

// include eights

/// Input coordinate of output coordinate o under tap k, or −1 outside.
fn source(o: u32, k: u32, pad: i32, size: u32) -> i32 {
  let t = i32(o * STRIDE + k) - pad;
  if (t < 0 || t >= i32(size * UP)) { return -1; }
  return t / i32(UP);
}

/// Four input channels, normed. The padding is of what comes out of this: zeros stay zeros.
fn normed(v: vec4f, c: u32) -> vec4f {
  if (NORM == 0u) { return v; }
  let at = (s.b * s.C4 + c) * 2u;
  let a = S[at];
  let b = S[at + 1u];
  let u = fma(v, vec4f(a.x, a.z, b.x, b.z), vec4f(a.y, a.w, b.y, b.w));
  if (NORM == 1u) { return u; }
  return u / (1.0 + exp(min(-u, vec4f(80.0))));
}

/// Eight channels from the four c on of an input pixel, zeros outside and beyond the last.
fn stageX(to: u32, x: i32, y: i32, c: u32) {
  var v = Eight();
  if (x >= 0 && y >= 0) {
    let at = ((u32(y) - s.xRow) * s.W + u32(x)) * s.C4 + c;
    if (c < s.C4) { v.lo = normed(vec4f(X[at]), c); }
    if (c + 1u < s.C4) { v.hi = normed(vec4f(X[at + 1u]), c + 1u); }
  }
  if (X_TYPE == 0u) {
    xTile[to] = bitcast<vec4u>(v.lo);
    xTile[to + 1u] = bitcast<vec4u>(v.hi);
  } else {
    xTile[to] = vec4u(pack2x16float(v.lo.xy), pack2x16float(v.lo.zw), pack2x16float(v.hi.xy), pack2x16float(v.hi.zw));
  }
}

/// Weights of input row k (tap · Ci + channel) for eight output channels from n on.
fn stageW(to: u32, k: u32, n: u32) {
  var v = vec4u();
  var u = vec4u();
  if (n < s.Co8) {
    let at = weightAt(k, n) * W_VECTORS;
    v = W[at];
    if (W_TYPE == 0u) { u = W[at + 1u]; }
  }
  wTile[to] = v;
  if (W_TYPE == 0u) { wTile[to + 1u] = u; }
}

fn stagedX(at: u32) -> Eight {
  let v = xTile[at];
  if (X_TYPE == 0u) { return wide(v, xTile[at + 1u]); }
  return halves(v);
}

fn stagedW(at: u32) -> Eight {
  let v = wTile[at];
  if (W_TYPE == 0u) { return wide(v, wTile[at + 1u]); }
  return halves(v);
}

@compute @workgroup_size(ACROSS, DOWN)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n0 = group.x * EIGHTS * 8u;
  let count = s.rows * s.Wo;
  let first = group.y * PIXELS;
  // The rectangle's first pixel, and the first that its taps see, in the input as it is and as it is read.
  let corner = vec2u(group.y % max(s.tiles, 1u) * 8u, s.y0 + group.y / max(s.tiles, 1u) * ROWS);
  let begin = vec2i(corner) - vec2i(s.padX, s.padY);
  let seen = begin >> vec2u(UP - 1u);
  let skipped = vec2u(begin - seen * i32(UP));
  // Rows that no output of this launch sees need not be bound.
  let end = vec2i(i32(s.W), min(i32(s.H), (i32(s.y0 + s.rows + KH) - 2 - s.padY) / i32(UP) + 1));
  if (PATCH == 0u) {
    // Pixels beyond the last row count as the last one and are not stored.
    for (var at = lane; at < PIXELS; at += ACROSS * DOWN) {
      let p = min(first + at, count - 1u);
      places[at] = vec2u(p % s.Wo, s.y0 + p / s.Wo);
    }
  }
  // unroll i RM
  // unroll j RN
  var a#i_#j = vec4f();
  var b#i_#j = vec4f();
  // end
  // end
  workgroupBarrier();

  for (var c = 0u; c < s.C4; c += STEP8 * 2u) {
    if (PATCH == 1u) {
      for (var at = lane; at < STAGED * STEP8; at += ACROSS * DOWN) {
        let row = at / STEP8;
        let p = seen + vec2i(i32(row % SEEN_X), i32(row / SEEN_X));
        stageX(row * PITCH + at % STEP8 * X_VECTORS, select(-1, p.x, p.x < end.x), select(-1, p.y, p.y < end.y), c + at % STEP8 * 2u);
      }
    }
    for (var tap0 = 0u; tap0 < KH * KW; tap0 += TAPS) {
      if (PATCH == 0u) {
        for (var at = lane; at < PIXELS * STEP8; at += ACROSS * DOWN) {
          let row = at / STEP8;
          let x = source(places[row].x, tap0 % KW, s.padX, s.W);
          let y = source(places[row].y, tap0 / KW, s.padY, s.H);
          stageX(row * PITCH + at % STEP8 * X_VECTORS, x, y, c + at % STEP8 * 2u);
        }
      }
      for (var at = lane; at < TAPS * STEP8 * 8u * EIGHTS; at += ACROSS * DOWN) {
        // Where channels end within a step, the pixels' zeros cancel what is read of the next tap.
        let k = ((tap0 + at / (STEP8 * 8u * EIGHTS)) * s.C4 + c) * 4u + at / EIGHTS % (STEP8 * 8u);
        stageW(at * W_VECTORS, min(k, KH * KW * s.C4 * 4u - 1u), n0 + at % EIGHTS * 8u);
      }
      workgroupBarrier();
      for (var step = 0u; step < TAPS * STEP8; step++) {
        let tap = tap0 + step / STEP8;
        let column = (skipped.x + local.y % 8u + tap % KW) / UP;
        let row = skipped.y + local.y / 8u + tap / KW;
        let eighth = step % STEP8 * X_VECTORS;
        let at = select(local.y, row * SEEN_X + column, PATCH == 1u) * PITCH + eighth;
        // unroll i RM
        var at#i = at + i * NEXT;
        if (PATCH * UP > 1u) { at#i = ((row + i * DOWN / 8u) / UP * SEEN_X + column) * PITCH + eighth; }
        // end
        // All weights first: a sum that takes its eight products in a row leaves the registers once.
        // unroll j RN
        // unroll t 4
        let w#t_#j = stagedW(((step * 8u + t) * EIGHTS + j * ACROSS + local.x) * W_VECTORS);
        let u#t_#j = stagedW(((step * 8u + 4u + t) * EIGHTS + j * ACROSS + local.x) * W_VECTORS);
        // end
        // end
        // unroll i RM
        let x#i = stagedX(at#i);
        // unroll j RN
        // unroll t 4
        a#i_#j = fma(vec4f(x#i.lo[t]), w#t_#j.lo, a#i_#j);
        b#i_#j = fma(vec4f(x#i.lo[t]), w#t_#j.hi, b#i_#j);
        // end
        // unroll t 4
        a#i_#j = fma(vec4f(x#i.hi[t]), u#t_#j.lo, a#i_#j);
        b#i_#j = fma(vec4f(x#i.hi[t]), u#t_#j.hi, b#i_#j);
        // end
        // end
        // end
      }
      workgroupBarrier();
    }
  }

  // unroll j RN
  let channel#j = n0 + (j * ACROSS + local.x) * 8u;
  let shiftLo#j = shifts(channel#j);
  let shiftHi#j = shifts(channel#j + 4u);
  // end
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < RM; i++) {
    let at = i * DOWN + local.y;
    var place = corner + vec2u(at % 8u, at / 8u);
    if (PATCH == 0u) {
      if (first + at >= count) { break; }
      place = places[at];
    }
    // unroll j RN
    var lo#j = a0_#j;
    var hi#j = b0_#j;
    // unroll p RM
    lo#j = select(lo#j, a#p_#j, i == p);
    hi#j = select(hi#j, b#p_#j, i == p);
    // end
    finish(place.x, place.y, channel#j, lo#j + shiftLo#j);
    finish(place.x, place.y, channel#j + 4u, hi#j + shiftHi#j);
    // end
  }
}
`,
  "embedding": `// embedding.wgsl — Y[row] = table[ids[row]] (+ positions[row % N]), f32.
//
//   ids [rows] i32;  table [V, D] and positions [P, D] f32, f16 or bf16, rows of \`stride\` elements
//
// One invocation an element; workgroups fold over x and y.

override WG: u32 = 64u;
override TYPE: u32 = 0u;       // of the table: 0 f32, 1 f16, 2 bf16
override POSITIONS: u32 = 0u;  // 0 none, 1 f32, 2 f16, 3 bf16

struct Shape { count: u32, D: u32, N: u32, fold: u32, stride: u32, pStride: u32, first: u32, last: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       ids: array<i32>;
@group(0) @binding(2) var<storage, read>       table: array<u32>;
@group(0) @binding(3) var<storage, read>       positions: array<u32>;
@group(0) @binding(4) var<storage, read_write> Y: array<f32>;

fn half(v: u32, odd: bool, type_: u32) -> f32 {
  if (type_ == 1u) { let h = unpack2x16float(v); return select(h.x, h.y, odd); }
  return select(bitcast<f32>(v << 16u), bitcast<f32>(v & 0xffff0000u), odd);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  let row = i / s.D;
  let d = i % s.D;
  let id = u32(ids[row]);
  if (id < s.first || id >= s.last) { return; }   // rows of another part of a split table
  let at = (id - s.first) * s.stride + d;
  var v = 0.0;
  if (TYPE == 0u) { v = bitcast<f32>(table[at]); } else { v = half(table[at / 2u], (at & 1u) == 1u, TYPE); }
  if (POSITIONS > 0u) {
    let p = (row % s.N) * s.pStride + d;
    if (POSITIONS == 1u) { v += bitcast<f32>(positions[p]); }
    else { v += half(positions[p / 2u], (p & 1u) == 1u, POSITIONS - 1u); }
  }
  Y[i] = v;
}
`,
  "expand": `// expand.wgsl — rows of a quantised weight as f16 or f32, for a product of many rows: one pass over a layer costs less than
// expanding at every use.
//
//   W  [N, K] blocks as a GGUF file holds them, whole blocks a row
//   A  [rank, K], B [rows, rank]  f32, f16 or bf16 by CHANGE_TYPE, F [rank] f32, with CHANGED: W + B · (F ⊙ A), a change of low rank
//   S  [N, columns]  f32, with SCALED: factors of the stored values
//   Y  [n1 − n0, stride]  f16 two in a u32, or f32 by Y_TYPE; stride is K filled up with zeros
//
// One invocation makes SPAN units of 32 values, which share loads.

// variants SPAN=1; SPAN=4

override WG: u32 = 64u;
override Y_TYPE: u32 = 1u;        // 0 f32, 1 f16
override CHANGED: u32 = 0u;
override CHANGE_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
override SCALED: u32 = 0u;
override GATHER: u32 = 0u;        // rows by their numbers, those of n0 … n1 − 1 only, in place of all of these

struct Shape {
  n0: u32, n1: u32, K8: u32, stride8: u32,
  rowBytes: u32, wBase: u32, rank: u32, fold: u32,  // wBase: bytes before the bound part; fold: workgroups along x
  yBase: u32,    // loads of 16 bytes before row n0
  rows: u32,     // to gather
  bFirst: u32,   // row of W that is row 0 of B
  whole8: u32, at8: u32,             // eighths of a row of A, and the first that belongs to W
  sColumns: u32, sWidth8: u32,       // factors of a row of S, and eighths that each is for
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       W: array<vec4u>;
@group(0) @binding(2) var<storage, read>       A: array<vec4u>;
@group(0) @binding(3) var<storage, read>       B: array<u32>;
@group(0) @binding(4) var<storage, read>       F: array<f32>;
@group(0) @binding(5) var<storage, read>       S: array<f32>;
@group(0) @binding(6) var<storage, read>       numbers: array<u32>;
@group(0) @binding(7) var<storage, read_write> Y: array<vec4u>;

fn wBits(at: u32) -> vec4u { return W[at]; }

// include eights
// include brains
// include quants

fn eightOfA(at: u32) -> Eight {
  if (CHANGE_TYPE == 0u) { return wide(A[at * 2u], A[at * 2u + 1u]); }
  if (CHANGE_TYPE == 1u) { return halves(A[at]); }
  return brains(A[at]);
}

fn oneOfB(at: u32) -> f32 {
  if (CHANGE_TYPE == 0u) { return bitcast<f32>(B[at]); }
  let bits = (B[at >> 1u] >> ((at & 1u) * 16u)) & 0xffffu;
  if (CHANGE_TYPE == 1u) { return unpack2x16float(bits).x; }
  return bitcast<f32>(bits << 16u);
}

fn put(base: u32, at: u32, v: Eight) {
  if (Y_TYPE == 0u) {
    Y[base + at * 2u] = bitcast<vec4u>(v.lo);
    Y[base + at * 2u + 1u] = bitcast<vec4u>(v.hi);
  } else {
    Y[base + at] = vec4u(
      pack2x16float(v.lo.xy), pack2x16float(v.lo.zw), pack2x16float(v.hi.xy), pack2x16float(v.hi.zw));
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * s.fold + group.x) * WG + lane;
  let spans = (s.stride8 + 4u * SPAN - 1u) / (4u * SPAN);
  let row = at / spans;
  let first = (at - row * spans) * SPAN;
  var n = s.n0 + row;
  if (GATHER == 1u) {
    if (row >= s.rows) { return; }
    n = numbers[row];
    if (n < s.n0) { return; }
  }
  if (n >= s.n1) { return; }
  let span = spanOf(n * s.rowBytes - s.wBase + first / BLOCK_UNITS * BLOCK_BYTES, first % BLOCK_UNITS);
  // unroll g SPAN
  {
    let unit = first + g;
    let bytes = unitFrom(span, unit % BLOCK_UNITS);
    // unroll e 4
    {
      let k = unit * 4u + e;
      var v = eightOf(bytes, e);
      if (SCALED == 1u) {
        let scale = S[n * s.sColumns + (s.at8 + k) / s.sWidth8];
        v = Eight(v.lo * scale, v.hi * scale);
      }
      if (CHANGED == 1u) {
        for (var r = 0u; r < s.rank; r++) {
          let b = F[r] * oneOfB((n - s.bFirst) * s.rank + r);
          let a = eightOfA(r * s.whole8 + s.at8 + k);
          v = Eight(v.lo + b * a.lo, v.hi + b * a.hi);
        }
      }
      // Rows of 8-bit values may end within a unit.
      if (k < s.stride8) { put(s.yBase, row * s.stride8 + k, v); }
    }
    // end
  }
  // end
}
`,
  "gate": `// gate.wgsl — workgroups of launches that depend on a number on the GPU: none where it is 0.
//
// The sizes stand in words 60 … 62 of each launch's parameters.

override WG: u32 = 256u;

struct Shape {
  slots: u32,  // launches
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       parameters: array<vec4u>;
@group(0) @binding(2) var<storage, read>       state: array<f32>;
@group(0) @binding(3) var<storage, read_write> sizes: array<vec4u>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= s.slots) { return; }
  sizes[id.x] = select(vec4u(0u), parameters[id.x * 16u + 15u], state[0] != 0.0);
}
`,
  "group_norm_scale": `// group_norm_scale.wgsl — chunk statistics → scale and shift of every channel: y = x · scale + shift.
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
`,
  "group_norm_stats": `// group_norm_stats.wgsl — count, mean and squared deviation of one chunk of pixels of one group.
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
`,
  "group_norm_texels": `// group_norm_texels.wgsl — as group_norm_stats.wgsl, over many groups at once, X read from a texture.
//
//   X [B, P, C] f32 or f16 by X_TYPE, P pixels, C a multiple of 4 (f32) or 8 (f16)
//   Y [B, G, chunks, 2] f32: mean and sum of squared deviations
//
// One workgroup a chunk of pixels and a slice of channels: whole groups, whole fours, at most 4·WG. A lane sums four channels of every few pixels; two passes over the chunk, so
// that a mean far above the spread does not cancel.

override WG: u32 = 64u;
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16

struct Shape { P: u32, C: u32, G: u32, chunk: u32, chunks: u32, first: u32, b: u32, base: u32, slice: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: Texels;
@group(0) @binding(2) var<storage, read_write> Y: array<vec2f>;

var<workgroup> partial: array<vec4f, WG>;
var<workgroup> means: array<f32, WG>;

// include texel_fours

/// Sum over all lanes of the channels of group g.
fn total(g: u32, width: u32, quads: u32) -> f32 {
  var sum = 0.0;
  for (var c = g * width; c < (g + 1u) * width; c++) {
    for (var lane = c / 4u; lane < WG / quads * quads; lane += quads) { sum += partial[lane][c % 4u]; }
  }
  return sum;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let chunk = s.first + group.x;
  let c0 = group.y * s.slice;
  let here = min(s.slice, s.C - c0);
  let quads = here / 4u;
  let width = s.C / s.G;
  let groups = here / width;
  let p0 = chunk * s.chunk;
  let pEnd = min(p0 + s.chunk, s.P);
  let n = f32((pEnd - p0) * width);
  let together = WG / quads;              // pixels that are read at once; lanes beyond together · quads rest
  let works = lane < together * quads;
  let q = lane % quads;

  var v = vec4f();
  if (works) {
    for (var p = p0 + lane / quads; p < pEnd; p += together) { v += xFour(((p - s.base) * s.C + c0) / 4u + q); }
  }
  partial[lane] = v;
  workgroupBarrier();
  for (var g = lane; g < groups; g += WG) { means[g] = total(g, width, quads) / n; }
  workgroupBarrier();
  let c = q * 4u;
  let mean = vec4f(means[c / width], means[(c + 1u) / width], means[(c + 2u) / width], means[(c + 3u) / width]);
  v = vec4f();
  if (works) {
    for (var p = p0 + lane / quads; p < pEnd; p += together) {
      let d = xFour(((p - s.base) * s.C + c0) / 4u + q) - mean;
      v += d * d;
    }
  }
  partial[lane] = v;
  workgroupBarrier();
  for (var g = lane; g < groups; g += WG) {
    Y[(s.b * s.G + c0 / width + g) * s.chunks + chunk] = vec2f(means[g], total(g, width, quads));
  }
}
`,
  "matmul": `// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, as in matmul_tiled.wgsl: the same numbers. Rows are
// addressed through (sample, row in the sample), so that the text or picture part of a joint sequence is read and written in place.
// Chosen where it is measured to be faster than staged tiles: with TEXELS operands are read from copies in textures of 2048 texels a
// row (docs/SHADERS.md), since some drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer.

// variants RM=1 RN=8 TEXELS=0; RM=4 RN=4 TEXELS=0; RM=8 RN=8 TEXELS=0; RM=1 RN=8 TEXELS=1; RM=4 RN=4 TEXELS=1; RM=8 RN=8 TEXELS=1; RM=8 RN=12 TEXELS=1; RM=16 RN=12 TEXELS=1; RM=16 RN=16 TEXELS=1

override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows

// include activations
// include linear_shape

// unroll t 1 - TEXELS
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }
fn wBits(at: u32) -> vec4u { return W[at]; }
// end
// unroll t TEXELS
@group(0) @binding(1) var                      X: Texels;
@group(0) @binding(2) var                      W: Texels;
fn xBits(at: u32) -> vec4u { return texel(X, at); }
fn wBits(at: u32) -> vec4u { return texel(W, at); }
// end

// include eights
// include brains
// include linear_operands

@compute @workgroup_size(WX, WY)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  // Tiles of a band of rows follow each other along x; y folds what exceeds 65 535 workgroups.
  let tile = group.y * s.fold + group.x;
  let down = (s.mEnd - s.m0 + WY * RM - 1u) / (WY * RM);
  let m0 = s.m0 + ((tile % down) * WY + local.y) * RM;
  let n0 = s.n0 + ((tile / down) * WX + local.x) * RN;
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // include linear_sums

  for (var k = 0u; k < s.K8; k++) {
    // unroll i RM
    let a#i = loadX(x#i + k);
    // end
    // unroll j RN
    let v#j = loadW(w#j + k);
    // unroll i RM
    acc#i_#j = mac4(mac4(acc#i_#j, a#i.lo, v#j.lo), a#i.hi, v#j.hi);
    // end
    // end
  }

  // include linear_epilogue
}
`,
  "matmul_pad": `// matmul_pad.wgsl — P = X with zeros appended to each row: K made a multiple of 8 for matmul.wgsl.
//
//   X  [.., K]     elem, rows m % S of sample m / S
//   P  [rows, Kp]  elem, dense
//
// One invocation an element of P; groups fold over x and y.

override WG: u32 = 64u;

struct Shape { m0: u32, mEnd: u32, K: u32, Kp: u32, S: u32, xN: u32, xAt: u32, xBase: u32, pBase: u32, fold: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<elem>;
@group(0) @binding(2) var<storage, read_write> P: array<elem>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * s.fold + group.x) * WG + lane;
  let m = s.m0 + at / s.Kp;
  let k = at % s.Kp;
  if (m >= s.mEnd) { return; }
  var v = elem(0.0);
  if (k < s.K) { v = X[((m / s.S) * s.xN + s.xAt + m % s.S) * s.K + k - s.xBase]; }
  P[m * s.Kp + k - s.pBase] = v;
}
`,
  "matmul_quants": `// matmul_quants.wgsl — Y = epilogue(pre(X) · Wᵀ) for few rows of x and a quantised weight, expanded on the way: such products wait
// for memory, and blocks are a half to a seventh of the bytes of f16. 64 invocations share K of RM rows and RN columns and read
// neighbouring eighths of it; each block is read once for all rows. The sums go through workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of the blocks' values
//   W  [N, K]   blocks as a GGUF file holds them; stride8 is the bytes of a row, wBase8 the bytes before the bound part
//   S  [N, sColumns]  f32, with SCALED: factors of the stored values
//   L  [M, lN]  f32, with CHANGED: what a change of low rank adds to columns from lFirst on, before the activation
//   Y  as in matmul.wgsl
//
// With INTEGER X is what quantise_rows.wgsl makes of it, and products are integer dot products of four bytes: less exact.

// variants RM=1 RN=4 SPAN=1 INTEGER=0; RM=2 RN=4 SPAN=1 INTEGER=0; RM=4 RN=4 SPAN=1 INTEGER=0; RM=8 RN=2 SPAN=1 INTEGER=0; RM=1 RN=4 SPAN=1 INTEGER=1; RM=2 RN=4 SPAN=1 INTEGER=1; RM=4 RN=4 SPAN=1 INTEGER=1; RM=8 RN=2 SPAN=1 INTEGER=1

override WX: u32 = 1u;       // a workgroup makes what else an invocation makes
override WY: u32 = 1u;
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override SCALED: u32 = 0u;   // 1 by columns, 2 one factor a row
override CHANGED: u32 = 0u;  // whether L is added

// include activations
// include linear_shape

@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
@group(0) @binding(7) var<storage, read>       S: array<f32>;
@group(0) @binding(8) var<storage, read>       L: array<f32>;
fn wBits(at: u32) -> vec4u { return W[at]; }
fn xBits(at: u32) -> vec4u { return X[at]; }

// include eights
// include quants

// unroll _ 1 - INTEGER
// include activated_eights
// end
// include quant_products

const LANES = 64u;
var<workgroup> partial: array<f32, LANES * RM * RN>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = group.y * s.fold + group.x;
  let across = (s.nEnd - s.n0 + RN - 1u) / RN;
  let m0 = s.m0 + tile / across * RM;
  let n0 = s.n0 + (tile % across) * RN;
  if (m0 >= s.mEnd) { return; }

  // include linear_sums

  for (var unit = lane; unit < (s.K8 + 3u) / 4u; unit += LANES) {
    // unroll j RN
    let p#j = spanOf(w#j + unit / BLOCK_UNITS * BLOCK_BYTES, unit % BLOCK_UNITS);
    // end
    // include quant_unit
  }
  if (TYPE == 10u || SCALED == 2u) {
    // unroll j RN
    let left#j = left(c#j);
    // unroll i RM
    acc#i_#j *= left#j;
    // end
    // end
  }
  // unroll i RM
  // unroll j RN
  partial[lane * (RM * RN) + i * RN + j] = acc#i_#j;
  // end
  // end
  workgroupBarrier();
  for (var left = LANES / 2u; left > 0u; left /= 2u) {
    for (var at = lane; at < left * RM * RN; at += LANES) { partial[at] += partial[at + left * RM * RN]; }
    workgroupBarrier();
  }
  let m = m0 + lane / RN;
  let c = n0 + lane % RN;
  if (lane >= RM * RN || m >= s.mEnd || c >= s.nEnd) { return; }
  let b = m / s.S;
  let row = m - b * s.S;
  var factor = s.scale;
  if (GATE == 1u) { factor *= gate[b * s.gateN + s.gateAt + c]; }
  var shift = 0.0;
  if (s.hasBias == 1u) { shift = bias[c]; }
  var sum = partial[lane];
  if (CHANGED == 1u) { sum += L[m * s.lN + c - s.lFirst]; }
  store(sum, shift, factor, (b * s.rN + s.rAt + row) * s.N - s.rBase + c, (b * s.yN + s.yAt + row) * s.N - s.yBase + c);
}
`,
  "matmul_quants_texels": `// matmul_quants_texels.wgsl — what matmul_quants.wgsl makes, where textures are read faster than buffers: an invocation makes RM rows of
// RN columns by itself, since such adapters wait for instructions and not for memory.
//
//   X, W  copies of the operands in textures of 2048 texels a row
//
// SPAN units are made in one go, unrolled in the text: of Q6_K four units have 11 loads, one by one they would have 32. A loop of its
// own around them costs llvmpipe a third of the product, even with one turn.
//
// Otherwise as there.

// variants RM=1 RN=4 SPAN=1 INTEGER=0; RM=1 RN=4 SPAN=2 INTEGER=0; RM=1 RN=4 SPAN=4 INTEGER=0; RM=2 RN=4 SPAN=1 INTEGER=0; RM=2 RN=4 SPAN=2 INTEGER=0; RM=2 RN=4 SPAN=4 INTEGER=0; RM=4 RN=4 SPAN=1 INTEGER=0; RM=4 RN=4 SPAN=4 INTEGER=0; RM=8 RN=4 SPAN=1 INTEGER=0; RM=8 RN=4 SPAN=4 INTEGER=0; RM=1 RN=4 SPAN=1 INTEGER=1; RM=1 RN=4 SPAN=2 INTEGER=1; RM=1 RN=4 SPAN=4 INTEGER=1; RM=2 RN=4 SPAN=1 INTEGER=1; RM=2 RN=4 SPAN=2 INTEGER=1; RM=2 RN=4 SPAN=4 INTEGER=1; RM=4 RN=4 SPAN=1 INTEGER=1; RM=4 RN=4 SPAN=4 INTEGER=1; RM=8 RN=4 SPAN=1 INTEGER=1; RM=8 RN=4 SPAN=4 INTEGER=1

override WX: u32 = 16u;      // invocations along N
override WY: u32 = 1u;
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override SCALED: u32 = 0u;   // 1 by columns, 2 one factor a row
override CHANGED: u32 = 0u;  // whether L is added

// include activations
// include linear_shape

@group(0) @binding(1) var                      X: Texels;
@group(0) @binding(2) var                      W: Texels;
@group(0) @binding(7) var<storage, read>       S: array<f32>;
@group(0) @binding(8) var<storage, read>       L: array<f32>;
fn xBits(at: u32) -> vec4u { return texel(X, at); }
fn wBits(at: u32) -> vec4u { return texel(W, at); }

// include eights
// include quants
// unroll _ 1 - INTEGER
// include activated_eights
// end
// include quant_products

@compute @workgroup_size(WX, WY)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let tile = group.y * s.fold + group.x;
  let down = (s.mEnd - s.m0 + WY * RM - 1u) / (WY * RM);
  let m0 = s.m0 + ((tile % down) * WY + local.y) * RM;
  let n0 = s.n0 + ((tile / down) * WX + local.x) * RN;
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // include linear_sums

  for (var first = 0u; first < (s.K8 + 3u) / 4u; first += SPAN) {
    // unroll j RN
    let p#j = spanOf(w#j + first / BLOCK_UNITS * BLOCK_BYTES, first % BLOCK_UNITS);
    // end
    // unroll g SPAN
    {
      let unit = (first & ~(SPAN - 1u)) | g;  // first + g, so that compilers know the last bits
      // include quant_unit
    }
    // end
  }

  if (TYPE == 10u || SCALED == 2u) {
    // unroll j RN
    let left#j = left(c#j);
    // unroll i RM
    acc#i_#j *= left#j;
    // end
    // end
  }
  if (CHANGED == 1u) {
    // unroll i RM
    // unroll j RN
    acc#i_#j += L[r#i * s.lN + c#j - s.lFirst];
    // end
    // end
  }
  // include linear_epilogue
}
`,
  "matmul_split": `// matmul_split.wgsl — Y = epilogue(pre(X) · Wᵀ) for so few rows that memory is the limit: 64 invocations share K of one row and RN
// columns and read neighbouring eighths of it; their sums go through workgroup memory, or subgroups first. Operands as in matmul.wgsl.

// variants RM=1 RN=8 SUBGROUPS=0; RM=1 RN=8 SUBGROUPS=1

override WX: u32 = 1u;       // a workgroup makes what else an invocation makes
override WY: u32 = 1u;

// include activations
// include linear_shape

@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }
fn wBits(at: u32) -> vec4u { return W[at]; }

// include eights
// include brains
// include linear_operands

const LANES = 64u;
var<workgroup> partial: array<f32, LANES * RN>;
// unroll t 1 - SUBGROUPS
/// Sums of each column over all lanes, left in the first RN elements of partial.
fn gather(lane: u32, size: u32) {
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    for (var at = lane; at < half * RN; at += LANES) { partial[at] += partial[at + half * RN]; }
    workgroupBarrier();
  }
}
// end
// unroll t SUBGROUPS
/// The same of the first lane of each subgroup, which holds its sum already.
fn gather(lane: u32, size: u32) {
  workgroupBarrier();
  var total = 0.0;
  if (lane < RN) {
    for (var i = 0u; i < LANES; i += size) { total += partial[i * RN + lane]; }
  }
  workgroupBarrier();
  if (lane < RN) { partial[lane] = total; }
  workgroupBarrier();
}
// end

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
// unroll t SUBGROUPS
  @builtin(subgroup_size) size: u32,
// end
) {
  let tile = group.y * s.fold + group.x;
  let across = (s.nEnd - s.n0 + RN - 1u) / RN;
  let m0 = s.m0 + tile / across;
  let n0 = s.n0 + (tile % across) * RN;
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // include linear_sums

  for (var k = lane; k < s.K8; k += LANES) {
    let a = loadX(x0 + k);
    // unroll j RN
    let v#j = loadW(w#j + k);
    acc0_#j = mac4(mac4(acc0_#j, a.lo, v#j.lo), a.hi, v#j.hi);
    // end
  }
  // unroll u SUBGROUPS
  // Subgroups are runs of \`size\` neighbours, as every implementation lays a one-dimensional workgroup out.
  // unroll j RN
  acc0_#j = subgroupAdd(acc0_#j);
  // end
  // end
  // unroll u 1 - SUBGROUPS
  let size = 0u;
  // end
  // unroll j RN
  partial[lane * RN + j] = acc0_#j;
  // end
  gather(lane, size);
  if (lane < RN && n0 + lane < s.nEnd) {
    let c = n0 + lane;
    var factor = s.scale;
    if (GATE == 1u) { factor *= gate[b0 * s.gateN + s.gateAt + c]; }
    var shift = 0.0;
    if (s.hasBias == 1u) { shift = bias[c]; }
    let row = m0 - b0 * s.S;
    store(partial[lane], shift, factor, (b0 * s.rN + s.rAt + row) * s.N - s.rBase + c, (b0 * s.yN + s.yAt + row) * s.N - s.yBase + c);
  }
}
`,
  "matmul_tiled": `// matmul_tiled.wgsl — Y = epilogue(pre(X) · Wᵀ), operands staged: a workgroup keeps tiles of 64 or 128 rows and columns in
// workgroup memory, as GPUs like it. Operands, result and the order of sums as in matmul.wgsl.
//
// HALF=1, of f16 operands into an f16 result, where linear.ts takes it to be safe: products and the sums of eight of them in f16,
// which are f32 from then on.

// variants RM=4 RN=4 HALF=0; RM=4 RN=4 HALF=1; RM=8 RN=8 HALF=0; RM=16 RN=16 HALF=0; RM=32 RN=16 HALF=0

override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows

// include activations
// include linear_shape

@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }
fn wBits(at: u32) -> vec4u { return W[at]; }

// include eights
// include brains
// include linear_operands

// Both tiles have 64 or 128 rows of STEP8 · 8 values of K as they are stored, and one vector of padding, which spreads rows over
// the banks: with where the rows begin, 16 KiB at most.
const ROWS = select(64u, 128u, RM > 8u);
const COLUMNS = select(64u, 128u, RN > 8u);
const DOWN = ROWS / RM;       // WY
const ACROSS = COLUMNS / RN;  // WX
override STEP8: u32 = select(
  select(4u, 2u, X_TYPE == 0u && W_TYPE == 0u),
  select(2u, 1u, X_TYPE == 0u || W_TYPE == 0u),
  RM > 8u);
override X_VECTORS: u32 = select(1u, 2u, X_TYPE == 0u);  // of 16 bytes, for eight values
override W_VECTORS: u32 = select(1u, 2u, W_TYPE == 0u);
// Turns that an eighth is multiplied in: where a load of either brings four values, fours, whose code is half as long and stays in a
// CPU's caches (0.89 of the time).
override TURNS: u32 = select(1u, 2u, X_TYPE == 0u && W_TYPE == 0u);
override X_PITCH: u32 = STEP8 * X_VECTORS + 1u;
override W_PITCH: u32 = STEP8 * W_VECTORS + 1u;
var<workgroup> xRow: array<u32, ROWS>;  // where a row begins in X and W
var<workgroup> wRow: array<u32, COLUMNS>;
// unroll h HALF
struct Narrow { lo: vec4<f16>, hi: vec4<f16> }
var<workgroup> xTile: array<Narrow, ROWS * X_PITCH>;
var<workgroup> wTile: array<Narrow, COLUMNS * W_PITCH>;

fn narrow(v: Eight) -> Narrow { return Narrow(vec4<f16>(v.lo), vec4<f16>(v.hi)); }

fn stageX(to: u32, at: u32, inside: bool) {
  var v = Eight();
  if (inside) { v = loadX(at); }
  xTile[to] = narrow(v);
}

fn stageW(to: u32, at: u32, inside: bool) {
  var v = Eight();
  if (inside) { v = loadW(at); }
  wTile[to] = narrow(v);
}
// end
// unroll h 1 - HALF
var<workgroup> xTile: array<vec4u, ROWS * X_PITCH>;
var<workgroup> wTile: array<vec4u, COLUMNS * W_PITCH>;

/// Eighths beyond K count as zeros; what lies there is read all the same, which costs less than a branch.
fn stageX(to: u32, at: u32, inside: bool) {
  xTile[to] = select(vec4u(), xBits(at * X_VECTORS), inside);
  if (X_TYPE == 0u) { xTile[to + 1u] = select(vec4u(), xBits(at * 2u + 1u), inside); }
}

fn stageW(to: u32, at: u32, inside: bool) {
  wTile[to] = select(vec4u(), wBits(at * W_VECTORS), inside);
  if (W_TYPE == 0u) { wTile[to + 1u] = select(vec4u(), wBits(at * 2u + 1u), inside); }
}

fn stagedX(at: u32) -> Eight {
  let v = xTile[at];
  if (TURNS == 2u) { return before(Eight(bitcast<vec4f>(v), vec4f())); }
  if (X_TYPE == 0u) { return before(wide(v, xTile[at + 1u])); }
  return before(halves(v));
}

fn stagedW(at: u32) -> Eight {
  let v = wTile[at];
  if (TURNS == 2u) { return Eight(bitcast<vec4f>(v), vec4f()); }
  if (W_TYPE == 0u) { return wide(v, wTile[at + 1u]); }
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

/// A sum and its products of a turn.
fn mac(sum: f32, a: Eight, b: Eight) -> f32 {
  let four = mac4(sum, a.lo, b.lo);
  if (TURNS == 2u) { return four; }
  return mac4(four, a.hi, b.hi);
}
// end

@compute @workgroup_size(WX, WY)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // Tiles of a band of rows follow each other along x; y folds what exceeds 65 535 workgroups.
  let tile = group.y * s.fold + group.x;
  let down = (s.mEnd - s.m0 + WY * RM - 1u) / (WY * RM);
  let m0 = s.m0 + ((tile % down) * WY + local.y) * RM;
  let n0 = s.n0 + ((tile / down) * WX + local.x) * RN;

  // include linear_sums

  // Tile row r is the row r / DOWN of invocation r % DOWN: neighbours read neighbouring rows.
  for (var at = lane; at < ROWS; at += DOWN * ACROSS) {
    let m = min(m0 + (at % DOWN - local.y) * RM + at / DOWN, s.mEnd - 1u);
    xRow[at] = (m / s.S * s.xN + s.xAt + m % s.S) * s.K8 - s.xBase8;
  }
  for (var at = lane; at < COLUMNS; at += DOWN * ACROSS) {
    let n = min(n0 + (at % ACROSS - local.x) * RN + at / ACROSS, s.nEnd - 1u);
    wRow[at] = n * s.stride8 - s.wBase8;
  }
  workgroupBarrier();
  for (var k = 0u; k < s.K8; k += STEP8) {
    for (var at = lane; at < ROWS * STEP8; at += DOWN * ACROSS) {
      let row = at / STEP8;
      let k8 = k + at % STEP8;
      stageX(row * X_PITCH + at % STEP8 * X_VECTORS, xRow[row] + k8, k8 < s.K8);
    }
    for (var at = lane; at < COLUMNS * STEP8; at += DOWN * ACROSS) {
      let row = at / STEP8;
      let k8 = k + at % STEP8;
      stageW(row * W_PITCH + at % STEP8 * W_VECTORS, wRow[row] + k8, k8 < s.K8);
    }
    workgroupBarrier();
    // unroll h HALF
    // unroll i RM
    // unroll j RN
    var few#i_#j = vec4<f16>();
    // end
    // end
    // end
    for (var q = 0u; q < STEP8 * TURNS; q++) {
      // unroll h HALF
      // unroll i RM
      let a#i = xTile[(i * DOWN + local.y) * X_PITCH + q];
      // end
      // unroll j RN
      let v#j = wTile[(j * ACROSS + local.x) * W_PITCH + q];
      // unroll i RM
      few#i_#j = fma(a#i.hi, v#j.hi, fma(a#i.lo, v#j.lo, few#i_#j));
      // end
      // end
      // end
      // unroll h 1 - HALF
      // unroll i RM
      let a#i = stagedX((i * DOWN + local.y) * X_PITCH + q * (X_VECTORS / TURNS));
      // end
      // unroll j RN
      let v#j = stagedW((j * ACROSS + local.x) * W_PITCH + q * (W_VECTORS / TURNS));
      // unroll i RM
      acc#i_#j = mac(acc#i_#j, a#i, v#j);
      // end
      // end
      // end
    }
    // unroll h HALF
    // unroll i RM
    // unroll j RN
    let sums#i_#j = vec4f(few#i_#j);
    acc#i_#j += (sums#i_#j.x + sums#i_#j.y) + (sums#i_#j.z + sums#i_#j.w);
    // end
    // end
    // end
    workgroupBarrier();
  }

  // include linear_epilogue
}
`,
  "norm": `// variants SUBGROUPS=0; SUBGROUPS=1
// norm.wgsl — Y = Norm(X) · weight + bias, then · (1 + scale) + shift; one workgroup a row.
//
//   X              [rows, D]   xElem      Y [rows, D]  yElem
//   weight, bias   [D]         f32, by AFFINE
//   modulation     [B, M]      f32: scale and shift of a sample's rows, from their columns on, by MODULATE;
//                              the first \`head\` rows of a sample (the text of a joint sequence) have columns of their own
//
// RMS = 1 leaves the mean alone (T5, query and key norms). Statistics are f32 and two-pass: E[x²] − E[x]²
// cancels to nothing once |mean| ≫ std. Rows fold over x and y because x alone stops at 65 535.

override WG: u32 = 64u;      // invocations a row, a power of two
override EPS: f32 = 1e-6;
override RMS: u32 = 0u;
override AFFINE: u32 = 0u;   // 0 none, 1 weight, 2 weight and bias
override MODULATE: u32 = 0u;

struct Shape {
  rows: u32, D: u32, S: u32, fold: u32, row0: u32,
  xN: u32, xAt: u32, xBase: u32, yBase: u32,
  M: u32, scaleAt: u32, shiftAt: u32,
  head: u32, headScaleAt: u32, headShiftAt: u32,
}

// include finite
@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(2) var<storage, read>       weight: array<f32>;
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       modulation: array<f32>;
@group(0) @binding(5) var<storage, read_write> Y: array<yElem>;

var<workgroup> partial: array<f32, WG>;

// unroll tree 1 - SUBGROUPS
/// Sum of v over the workgroup, the same value returned to every invocation.
fn sum(v: f32, lane: u32, size: u32) -> f32 {
  partial[lane] = v;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  let total = partial[0];
  workgroupBarrier();   // partial is reused by the next call
  return total;
}
// end
// unroll direct SUBGROUPS
/// The same with one barrier: each subgroup's sum through the hardware, then few of them through memory. Subgroups are
/// runs of \`size\` neighbours, as every implementation lays a one-dimensional workgroup out.
fn sum(v: f32, lane: u32, size: u32) -> f32 {
  partial[lane / size] = subgroupAdd(v);
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < (WG + size - 1u) / size; i++) { total += partial[i]; }
  workgroupBarrier();   // partial is reused by the next call
  return total;
}
// end

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
// unroll direct SUBGROUPS
  @builtin(subgroup_size) size: u32,
// end
) {
// unroll tree 1 - SUBGROUPS
  let size = 0u;
// end
  let row = s.row0 + group.y * s.fold + group.x;
  if (row >= s.rows) { return; }   // uniform in the workgroup, so the barriers below stay legal
  let b = row / s.S;
  let n = row % s.S;
  let x0 = (b * s.xN + s.xAt + n - s.xBase) * s.D;
  let y0 = (row - s.yBase) * s.D;

  var mean = 0.0;
  if (RMS == 0u) {
    var v = 0.0;
    for (var d = lane; d < s.D; d += WG) { v += f32(X[x0 + d]); }
    mean = sum(v, lane, size) / f32(s.D);
  }
  var q = 0.0;
  for (var d = lane; d < s.D; d += WG) { let c = f32(X[x0 + d]) - mean; q += c * c; }
  let variance = sum(q, lane, size) / f32(s.D) + EPS;
  let inv = checked(inverseSqrt(variance), variance);   // 1 / √∞ would be 0

  let scaleAt = b * s.M + select(s.scaleAt, s.headScaleAt, n < s.head);
  let shiftAt = b * s.M + select(s.shiftAt, s.headShiftAt, n < s.head);
  for (var d = lane; d < s.D; d += WG) {
    var y = (f32(X[x0 + d]) - mean) * inv;
    if (AFFINE >= 1u) { y *= weight[d]; }
    if (AFFINE == 2u) { y += bias[d]; }
    if (MODULATE == 1u) { y = y * (1.0 + modulation[scaleAt + d]) + modulation[shiftAt + d]; }
    Y[y0 + d] = yElem(y);
  }
}
`,
  "norm_rows": `// norm_rows.wgsl — norm.wgsl's work with one invocation a row, four channels a load: no barrier, no workgroup memory.
//
// For adapters whose invocations are lanes of a CPU's vectors, where a barrier costs more than the row. Operands,
// statistics and parameters as in norm.wgsl; D, M and the first columns are multiples of 4, counted here in fours.

override WG: u32 = 16u;
override EPS: f32 = 1e-6;
override RMS: u32 = 0u;
override AFFINE: u32 = 0u;   // 0 none, 1 weight, 2 weight and bias
override MODULATE: u32 = 0u;

struct Shape {
  rows: u32, D: u32, S: u32, fold: u32, row0: u32,
  xN: u32, xAt: u32, xBase: u32, yBase: u32,
  M: u32, scaleAt: u32, shiftAt: u32,
  head: u32, headScaleAt: u32, headShiftAt: u32,
}

// include finite
@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4<xElem>>;
@group(0) @binding(2) var<storage, read>       weight: array<vec4f>;
@group(0) @binding(3) var<storage, read>       bias: array<vec4f>;
@group(0) @binding(4) var<storage, read>       modulation: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> Y: array<vec4<yElem>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = s.row0 + (group.y * s.fold + group.x) * WG + lane;
  if (row >= s.rows) { return; }
  let b = row / s.S;
  let n = row % s.S;
  let width = s.D / 4u;
  let x0 = (b * s.xN + s.xAt + n - s.xBase) * width;
  let y0 = (row - s.yBase) * width;
  let one = vec4f(1.0);

  var mean = 0.0;
  if (RMS == 0u) {
    var v = vec4f(0.0);
    for (var d = 0u; d < width; d++) { v += vec4f(X[x0 + d]); }
    mean = dot(v, one) / f32(s.D);
  }
  var q = vec4f(0.0);
  for (var d = 0u; d < width; d++) { let c = vec4f(X[x0 + d]) - mean; q += c * c; }
  let variance = dot(q, one) / f32(s.D) + EPS;
  let inv = checked(inverseSqrt(variance), variance);   // 1 / √∞ would be 0

  let scaleAt = b * s.M + select(s.scaleAt, s.headScaleAt, n < s.head);
  let shiftAt = b * s.M + select(s.shiftAt, s.headShiftAt, n < s.head);
  for (var d = 0u; d < width; d++) {
    var y = (vec4f(X[x0 + d]) - mean) * inv;
    if (AFFINE >= 1u) { y *= weight[d]; }
    if (AFFINE == 2u) { y += bias[d]; }
    if (MODULATE == 1u) { y = y * (1.0 + modulation[scaleAt / 4u + d]) + modulation[shiftAt / 4u + d]; }
    Y[y0 + d] = vec4<yElem>(y);
  }
}
`,
  "pack": `// pack.wgsl — latents [B, H, W, C] ↔ tokens [B, (H/p)·(W/p), p·p·C].
//
// ORDER 0: a token's channels are (c, dy, dx), as FLUX packs and patch convolutions read them.
// ORDER 1: (dy, dx, c), as DiT and SD3 write their output. UNPACK 1 goes from tokens to latents.
// One invocation an element; workgroups fold over x and y.

override WG: u32 = 64u;
override ORDER: u32 = 0u;
override UNPACK: u32 = 0u;

struct Shape { count: u32, fold: u32, H: u32, W: u32, C: u32, p: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<f32>;
@group(0) @binding(2) var<storage, read_write> Y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;   // in tokens
  if (i >= s.count) { return; }
  let width = s.p * s.p * s.C;
  let token = i / width;
  let e = i % width;
  var c = e / (s.p * s.p);
  var d = e % (s.p * s.p);
  if (ORDER == 1u) { c = e % s.C; d = e / s.C; }
  let w = s.W / s.p;
  let h = s.H / s.p;
  let b = token / (h * w);
  let y = (token / w % h) * s.p + d / s.p;
  let x = (token % w) * s.p + d % s.p;
  let j = ((b * s.H + y) * s.W + x) * s.C + c;        // in latents
  if (UNPACK == 1u) { Y[j] = X[i]; } else { Y[i] = X[j]; }
}
`,
  "pad_channels": `// pad_channels.wgsl — Y [rows, C4] = X [rows, C], filled with zeros: channels that vec4 loads can read.

override WG: u32 = 64u;

struct Shape { count: u32, C: u32, C4: u32, fold: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(2) var<storage, read_write> Y: array<xElem>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  let c = i % s.C4;
  var v = xElem();
  if (c < s.C) { v = X[(i / s.C4) * s.C + c]; }
  Y[i] = v;
}
`,
  "place": `// place.wgsl — stored weights in the type and the layout that kernels read: rows filled up with zeros, or a convolution's columns.
//
//   X      a piece of a tensor as it is stored, f32, f16 or bf16
//   Y      its place, f32 or 16-bit values two in a u32
//   flags  u32 a tensor: not 0 where f16 cannot hold a finite value of it
//
// For sizes that whole loads do not divide: place_rows.wgsl and place_conv.wgsl take the others, several times as fast.

override WG: u32 = 64u;
override FROM: u32 = 1u;   // 0 f32, 1 f16, 2 bf16
override TO: u32 = 1u;     // the same; 1 from 0 or 1, 2 from 2
override CONV: u32 = 0u;
override EACH: u32 = 1u;   // u32 that an invocation makes of rows, none of them across the end of a row

struct Shape {
  count: u32, fold: u32, yBase: u32, flag: u32,        // invocations, workgroups along x, u32 of Y before the piece
  K: u32, stride: u32, width: u32, at: u32,            // rows: values, those of a row of Y, of X, and the first that is meant
  Co: u32, N8: u32, Ci: u32, taps: u32, transposed: u32,  // convolutions: outputs of the piece, and up to a multiple of eight
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<u32>;
@group(0) @binding(2) var<storage, read_write> Y: array<u32>;
@group(0) @binding(3) var<storage, read_write> flags: array<atomic<u32>>;

const COLUMN = 64u;  // as in parts/conv_output.wgsl

// include half_bits

// A value of X in the type of Y; bit 16 as above where that is f16.
fn value(i: u32) -> u32 {
  if (FROM == 0u) {
    let x = X[i];
    if (TO == 0u) { return x; }
    return narrowed(x);
  }
  let h = (X[i >> 1u] >> ((i & 1u) * 16u)) & 0xffffu;
  if (FROM == TO) { return h; }
  return select(h << 16u, widened(h), FROM == 1u);  // to f32
}

// The value \`place\` of X, if \`there\`; tells when f16 cannot hold it.
fn placed(place: u32, there: bool) -> u32 {
  if (!there) { return 0u; }
  let v = value(place);
  if (TO == 1u && FROM == 0u) {
    if ((v & 0x10000u) != 0u) { atomicStore(&flags[s.flag], 1u); }
    return v & 0xffffu;
  }
  return v;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  let perWord = select(2u, 1u, TO == 0u);
  if (CONV == 0u) {
    // EACH u32 of one row.
    let e = i * EACH * perWord;
    let row = e / s.stride;
    let k = e - row * s.stride;
    let first = row * s.width + s.at + k;
    for (var j = 0u; j < EACH; j++) {
      let d = j * perWord;
      var v = placed(first + d, k + d < s.K);
      if (TO != 0u) { v |= placed(first + d + 1u, k + d + 1u < s.K) << 16u; }
      Y[s.yBase + i * EACH + j] = v;
    }
    return;
  }
  // Two output channels of two input channels: their kernels lie together in X.
  let pairs = s.N8 / 2u;
  let C4 = (s.Ci + 3u) / 4u * 4u;
  let n = i % pairs * 2u;
  let c = i / pairs * 2u;
  let first = n / COLUMN * COLUMN;
  let across = min(COLUMN, s.N8 - first);
  let toNext = select(s.Ci * s.taps, s.taps, s.transposed == 1u);
  let base = first * s.taps * C4 + c * across + n - first;
  for (var d = 0u; d < 2u; d++) {
    let source = select((n * s.Ci + c + d) * s.taps, ((c + d) * s.Co + n) * s.taps, s.transposed == 1u);
    let here = c + d < s.Ci;
    var to = base + d * across;
    for (var t = 0u; t < s.taps; t++) {
      let v = placed(source + t, here && n < s.Co);
      let next = placed(source + toNext + t, here && n + 1u < s.Co);
      if (TO == 0u) {
        Y[s.yBase + to] = v;
        Y[s.yBase + to + 1u] = next;
      } else {
        Y[s.yBase + to / 2u] = v | (next << 16u);
      }
      to += C4 * across;
    }
  }
}
`,
  "place_conv": `// place_conv.wgsl — stored weights of a convolution as columns of 64 output channels, eight outputs by eight values an invocation.
// For whole eights of outputs and of values, and whole fours of input channels; place.wgsl takes the others.
//
//   X      a piece of [Co, Ci, taps] as it is stored, f32, f16 or bf16
//   Y      its place, [Co / 64, taps, Ci, 64] f32 or f16; the last column may be narrower
//   flags  u32 a tensor: not 0 where f16 cannot hold a finite value of it
//
// Four neighbouring invocations make half a row of a column.

override WG: u32 = 64u;
override FROM: u32 = 1u;   // 0 f32, 1 f16, 2 bf16
override TO: u32 = 1u;     // 0 f32; 1 f16, from 0 or 1
override TAPS: u32 = 9u;   // values of a kernel: known when compiling, since processors take long to divide

struct Shape {
  yBase: u32, flag: u32,  // loads of Y before the piece
  Co8: u32, Ci: u32,      // eights of outputs, input channels
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> Y: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> flags: array<atomic<u32>>;

// include half_bits
// include place_eights

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let K = s.Ci * TAPS;
  let K8 = K / 8u;
  // Halves of a column, one after the other: its full width would read more rows at once than processors fetch ahead of.
  let k8 = id.x / 4u;
  let n8 = 4u * id.y + id.x % 4u;
  if (k8 >= K8 || n8 >= s.Co8) { return; }
  let column = n8 / 8u;
  let across = min(8u, s.Co8 - 8u * column);  // eights
  let source = n8 * 8u * K8 + k8;
  var c = 8u * k8 / TAPS;
  var t = 8u * k8 - c * TAPS;
  if (TO == 0u) {
    // unroll j 8
    let w#j = words(source + j * K8);
    // end
    let base = s.yBase + column * 16u * K + 2u * (n8 % 8u);
    // unroll k 4
    {
      let to = base + (t * s.Ci + c) * across * 2u;
      Y[to] = vec4u(w0.lo[k], w1.lo[k], w2.lo[k], w3.lo[k]);
      Y[to + 1u] = vec4u(w4.lo[k], w5.lo[k], w6.lo[k], w7.lo[k]);
      t++;
      if (t == TAPS) { t = 0u; c++; }
    }
    // end
    // unroll k 4
    {
      let to = base + (t * s.Ci + c) * across * 2u;
      Y[to] = vec4u(w0.hi[k], w1.hi[k], w2.hi[k], w3.hi[k]);
      Y[to + 1u] = vec4u(w4.hi[k], w5.hi[k], w6.hi[k], w7.hi[k]);
      t++;
      if (t == TAPS) { t = 0u; c++; }
    }
    // end
    return;
  }
  // unroll j 8
  let h#j = halvesOf(source + j * K8);
  // end
  let base = s.yBase + column * 8u * K + n8 % 8u;
  // unroll m 4
  {
    let even = vec4u(h0[m], h2[m], h4[m], h6[m]);
    let odd = vec4u(h1[m], h3[m], h5[m], h7[m]);
    Y[base + (t * s.Ci + c) * across] = (even & vec4u(0xffffu)) | (odd << vec4u(16u));
    t++;
    if (t == TAPS) { t = 0u; c++; }
    Y[base + (t * s.Ci + c) * across] = (even >> vec4u(16u)) | (odd & vec4u(0xffff0000u));
    t++;
    if (t == TAPS) { t = 0u; c++; }
  }
  // end
}
`,
  "place_rows": `// place_rows.wgsl — rows of stored weights in the type that kernels read, eight values an invocation. For rows of whole eights;
// place.wgsl takes the others.
//
//   X      a piece of a tensor as it is stored, f32, f16 or bf16
//   Y      its place, f32 or 16-bit values
//   flags  u32 a tensor: not 0 where f16 cannot hold a finite value of it

override WG: u32 = 64u;
override FROM: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
override TO: u32 = 1u;     // the same; 1 from 0 or 1, 2 from 2
override CUT: u32 = 0u;    // rows of Y are parts of those of X; processors take long to divide, so that it is known when compiling

struct Shape {
  count: u32, fold: u32, yBase: u32, flag: u32,  // invocations, workgroups along x, loads of Y before the piece
  K8: u32, width8: u32, at8: u32,                // eights of a row of Y, of X, and the first that is meant
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> Y: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> flags: array<atomic<u32>>;

// include half_bits
// include place_eights

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  var source = i;
  if (CUT == 1u) {
    let row = i / s.K8;
    source = row * s.width8 + s.at8 + i - row * s.K8;
  }
  if (TO == 0u) {
    let v = words(source);
    Y[s.yBase + 2u * i] = v.lo;
    Y[s.yBase + 2u * i + 1u] = v.hi;
  } else {
    Y[s.yBase + i] = halvesOf(source);
  }
}
`,
  "pointwise": `// pointwise.wgsl — Y = f(A, B) element by element, f32 or f16 in and out.
//
//   OP 0  activation of A            OP 3  A[.., 0:C] · gelu(A[.., C:2C])   (GEGLU)
//   OP 1  A + B                      OP 4  A and B side by side in the channels
//   OP 6  A · B                      OP 7  c0·A + c1
//   OP 9  A[.., 0:C] of A[.., Cb]      OP 10 A where it is positive, else A · B[channel]   (PReLU)
//   OP 8  A[.., 0:C] + exp(A[.., C:2C] / 2)·B   (a draw from the posterior; log-variance within −30 … 20)
//   OP 2  c0·A + c1·B + c2·C + c3·D  OP 5  tanh(A / 3) · 3                  (the small autoencoder's clamp)
//
// One invocation an element; workgroups fold over x and y because x alone stops at 65 535.

override WG: u32 = 64u;
override OP: u32 = 0u;
override ACT: u32 = 0u;     // as in matmul.wgsl
override TERMS: u32 = 2u;   // OP 2
override INPLACE: u32 = 0u; // OP 1: Y += A

struct Shape {
  count: u32, fold: u32, C: u32, Cb: u32,     // elements of Y, fold, channels of Y (OP 3) or of A (OP 4), of B
  c0: f32, c1: f32, c2: f32, c3: f32, clip: f32,
  S: u32, N: u32, at: u32,                    // OP 1 into a part of a sequence: rows a sample, in the whole, first
}

// include finite
@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       A: array<aElem>;
@group(0) @binding(2) var<storage, read>       B: array<bElem>;
@group(0) @binding(3) var<storage, read>       C: array<f32>;
@group(0) @binding(4) var<storage, read>       D: array<f32>;
@group(0) @binding(5) var<storage, read_write> Y: array<yElem>;

fn erf(x: f32) -> f32 {  // Abramowitz & Stegun 7.1.26, error below 1.5e-7
  let a = abs(x);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - p * exp(-a * a));
}

fn gelu(x: f32) -> f32 { return 0.5 * x * (1.0 + erf(x * 0.7071067812)); }

fn activate(x: f32) -> f32 {
  switch ACT {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 2u: { return 0.5 * x * (1.0 + tanh(clamp(0.7978845608 * (x + 0.044715 * x * x * x), -10.0, 10.0))); }
    case 3u: { return gelu(x); }
    case 4u: { return x / (1.0 + exp(min(-1.702 * x, 80.0))); }
    case 5u: { return checked(max(x, 0.0), x); }
    default: { return x; }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  var y = i;
  var v = 0.0;
  switch OP {
    case 0u: { v = activate(f32(A[i])); }
    case 1u: {
      let row = i / s.C;
      y = ((row / s.S) * s.N + s.at + row % s.S) * s.C + i % s.C;
      v = f32(A[i]);
      if (INPLACE == 1u) { v += f32(Y[y]); } else { v += f32(B[i]); }
    }
    case 2u: {
      v = s.c0 * f32(A[i]);
      if (TERMS > 1u) { v += s.c1 * f32(B[i]); }
      if (TERMS > 2u) { v += s.c2 * C[i]; }
      if (TERMS > 3u) { v += s.c3 * D[i]; }
      v = checked(clamp(v, -s.clip, s.clip), v);
    }
    case 3u: {
      let at = (i / s.C) * 2u * s.C + i % s.C;
      v = f32(A[at]) * gelu(f32(A[at + s.C]));
    }
    case 4u: {
      let row = i / (s.C + s.Cb);
      let c = i % (s.C + s.Cb);
      if (c < s.C) { v = f32(A[row * s.C + c]); } else { v = f32(B[row * s.Cb + c - s.C]); }
    }
    case 6u: { v = f32(A[i]) * f32(B[i]); }
    case 7u: { v = s.c0 * f32(A[i]) + s.c1; }
    case 9u: { v = f32(A[(i / s.C) * s.Cb + i % s.C]); }
    case 10u: {
      v = f32(A[i]);
      v = select(v, v * f32(B[i % s.C]), v < 0.0);
    }
    case 8u: {
      let at = (i / s.C) * 2u * s.C + i % s.C;
      let logVariance = f32(A[at + s.C]);
      v = f32(A[at]) + checked(exp(0.5 * clamp(logVariance, -30.0, 20.0)), logVariance) * f32(B[i]);
    }
    default: { v = checked(tanh(clamp(f32(A[i]) / 3.0, -10.0, 10.0)) * 3.0, f32(A[i])); }
  }
  Y[y] = yElem(v);
}
`,
  "qk_norm_rope": `// qk_norm_rope.wgsl — queries and keys of a joint sequence RMS-normed per head and rotated, in place.
//
//   Y           [B, N, 3·D]      elem: q, k, v side by side; D = heads · d; v is left alone
//   norm…       [d]              f32 weights of query and key norms; the first \`head\` rows of a sample (text) have their own
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
`,
  "quantise_rows": `// quantise_rows.wgsl — rows of x as signed bytes for integer dot products: 32 values share a factor, their largest / 127.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8
//   Q  [M, units, 3]  loads of 16 bytes: 32 bytes, zeros beyond the row; then as f32 the factor, and the sums of the first and the last
//                     16 bytes times it
//
// An invocation makes one unit.

override WG: u32 = 64u;
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override PRE: u32 = 0u;      // activation of x, numbered as ACT in matmul.wgsl

// Rows of x as in matmul.wgsl; fold: workgroups along x.
struct Shape { M: u32, K8: u32, S: u32, xN: u32, xAt: u32, xBase8: u32, fold: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> Q: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }

// include activations
// include eights
// include activated_eights

fn peakOf(v: Eight) -> f32 {
  let a = max(abs(v.lo), abs(v.hi));
  return max(max(a.x, a.y), max(a.z, a.w));
}

fn bytesOf(v: Eight, by: f32) -> vec2u {
  return vec2u(pack4xI8Clamp(vec4i(round(v.lo * by))), pack4xI8Clamp(vec4i(round(v.hi * by))));
}

fn sumOf(v: vec4u) -> f32 {
  const ONES = 0x01010101u;
  return f32(dot4I8Packed(v.x, ONES) + dot4I8Packed(v.y, ONES) + dot4I8Packed(v.z, ONES) + dot4I8Packed(v.w, ONES));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  let units = (s.K8 + 3u) / 4u;
  let row = i / units;
  if (row >= s.M) { return; }
  let k = (i - row * units) * 4u;
  let b = row / s.S;
  let x = (b * s.xN + s.xAt + row - b * s.S) * s.K8 - s.xBase8 + k;
  // unroll e 4
  var v#e = Eight(vec4f(), vec4f());
  if (k + e < s.K8) { v#e = loadX(x + e); }
  // end
  let peak = max(max(peakOf(v0), peakOf(v1)), max(peakOf(v2), peakOf(v3)));
  let by = select(0.0, 127.0 / peak, peak > 0.0);
  let lo = vec4u(bytesOf(v0, by), bytesOf(v1, by));
  let hi = vec4u(bytesOf(v2, by), bytesOf(v3, by));
  let d = peak / 127.0;
  Q[i * 3u] = lo;
  Q[i * 3u + 1u] = hi;
  Q[i * 3u + 2u] = bitcast<vec4u>(vec4f(d, d * sumOf(lo), d * sumOf(hi), 0.0));
}
`,
  "resample": `// resample.wgsl — Y[y, x] = Σ wy·wx·X: separable resampling with taps computed on the CPU.
//
//   X [B, h, w, C] xElem;  Y [B, H, W, C] f32
//   taps: for each output row KY pairs (input row, weight), then for each column KX pairs; rows as f32
//
// One invocation an element; workgroups fold over x and y.

override WG: u32 = 64u;

struct Shape { count: u32, fold: u32, h: u32, w: u32, H: u32, W: u32, C: u32, KY: u32, KX: u32, first: u32, xBase: u32, yBase: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(2) var<storage, read>       taps: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> Y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  let c = i % s.C;
  let x = i / s.C % s.W;
  let row = s.first + i / (s.C * s.W);   // of B·H
  let b = row / s.H;
  var v = 0.0;
  for (var ky = 0u; ky < s.KY; ky++) {
    let ty = taps[(row % s.H) * s.KY + ky];
    if (ty.y == 0.0) { continue; }
    let line = (b * s.h + u32(ty.x) - s.xBase) * s.w;
    var sum = 0.0;
    for (var kx = 0u; kx < s.KX; kx++) {
      let tx = taps[s.H * s.KY + x * s.KX + kx];
      if (tx.y != 0.0) { sum += tx.y * f32(X[(line + u32(tx.x)) * s.C + c]); }
    }
    v += ty.y * sum;
  }
  Y[((row - s.yBase) * s.W + x) * s.C + c] = v;
}
`,
  "scale_shift": `// scale_shift.wgsl — Y = act(X · scale[b, c] + shift[b, c]): the second half of a group norm.
//
//   X [B·P, C] xElem, Y [B·P, C] yElem, bound from pixels xBase and yBase on; S [B, C] of (scale, shift), f32.
//   One invocation four channels (V = 1, C a multiple of 4) or one, from pixel \`first\` on; folded over x and y.

// variants V=1 TEXELS=0; V=0 TEXELS=0; V=1 TEXELS=1

override WG: u32 = 64u;
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override ACT: u32 = 0u;   // as in matmul.wgsl: 0 none, 1 silu

struct Shape { count: u32, C: u32, P: u32, fold: u32, first: u32, xBase: u32, yBase: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
// unroll _ 1 - TEXELS
@group(0) @binding(2) var<storage, read>       S: array<vec2f>;
fn pair(c: u32) -> vec2f { return S[c]; }
// end
// unroll _ V
@group(0) @binding(3) var<storage, read_write> Y: array<vec4<yElem>>;
// unroll _ 1 - TEXELS
@group(0) @binding(1) var<storage, read>       X: array<vec4<xElem>>;
fn xFour(at: u32) -> vec4f { return vec4f(X[at]); }
// end
// unroll _ TEXELS
@group(0) @binding(1) var                      X: Texels;
@group(0) @binding(2) var                      S: Texels;
fn pair(c: u32) -> vec2f {  // two channels a texel
  let bits = bitcast<vec4f>(texel(S, c >> 1u));
  return select(bits.xy, bits.zw, (c & 1u) == 1u);
}
// include texel_fours
// end
// end
// unroll _ 1 - V
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(3) var<storage, read_write> Y: array<yElem>;
// end

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  // unroll _ V
  let pixel = s.first + (i * 4u) / s.C;
  let k = (i * 4u) % s.C;
  let c = pixel / s.P * s.C + k;
  let a = pair(c);
  let b = pair(c + 1u);
  let d = pair(c + 2u);
  let e = pair(c + 3u);
  var v = fma(xFour(((pixel - s.xBase) * s.C + k) / 4u), vec4f(a.x, b.x, d.x, e.x), vec4f(a.y, b.y, d.y, e.y));
  if (ACT == 1u) { v = v / (1.0 + exp(min(-v, vec4f(80.0)))); }
  Y[((pixel - s.yBase) * s.C + k) / 4u] = vec4<yElem>(v);
  // end
  // unroll _ 1 - V
  let pixel = s.first + i / s.C;
  let k = i % s.C;
  let a = pair(pixel / s.P * s.C + k);
  var v = f32(X[(pixel - s.xBase) * s.C + k]) * a.x + a.y;
  if (ACT == 1u) { v = v / (1.0 + exp(min(-v, 80.0))); }
  Y[(pixel - s.yBase) * s.C + k] = yElem(v);
  // end
}
`,
  "softmax": `// softmax.wgsl — Y = softmax(X) over rows of D, f32 statistics; one workgroup a row.

override WG: u32 = 64u;   // a power of two

struct Shape { rows: u32, D: u32, fold: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(2) var<storage, read_write> Y: array<f32>;

var<workgroup> partial: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * s.fold + group.x;
  if (row >= s.rows) { return; }   // uniform in the workgroup
  let at = row * s.D;
  var m = -3.4e38;
  for (var d = lane; d < s.D; d += WG) { m = max(m, f32(X[at + d])); }
  partial[lane] = m;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) { partial[lane] = max(partial[lane], partial[lane + half]); }
    workgroupBarrier();
  }
  m = partial[0];
  workgroupBarrier();
  var sum = 0.0;
  for (var d = lane; d < s.D; d += WG) { sum += exp(f32(X[at + d]) - m); }
  partial[lane] = sum;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  sum = partial[0];
  for (var d = lane; d < s.D; d += WG) { Y[at + d] = exp(f32(X[at + d]) - m) / sum; }
}
`,
};

/** What they include, by name. */
export const PARTS: Readonly<Record<string, string>> = {
  "activated_eights": `// Eight values of x, activated; with eights, activations, and xBits() that reads 16 bytes of x.

fn loadX(at: u32) -> Eight {
  var v: Eight;
  if (X_TYPE == 0u) { v = wide(xBits(at * 2u), xBits(at * 2u + 1u)); } else { v = halves(xBits(at)); }
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}
`,
  "activations": `// Pointwise functions, numbered as ACTIVATION_CODES of lib/ops/linear.ts.

fn erf(x: f32) -> f32 {  // Abramowitz & Stegun 7.1.26, error below 1.5e-7
  let a = abs(x);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - p * exp(-a * a));
}

fn activate(x: f32, kind: u32) -> f32 {
  switch kind {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 2u: { return 0.5 * x * (1.0 + tanh(clamp(0.7978845608 * (x + 0.044715 * x * x * x), -10.0, 10.0))); }
    case 3u: { return 0.5 * x * (1.0 + erf(x * 0.7071067812)); }
    case 4u: { return x / (1.0 + exp(min(-1.702 * x, 80.0))); }
    case 5u: { return select(max(x, 0.0), x, (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u); }   // NaN and infinity pass
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}
`,
  "attention_probabilities": `// What attention's two launches from textures share: where one leaves probabilities and the other finds them, and which tile an
// invocation makes.
//
//   P  [pairs, rows, keys] f32 or f16 by P_TYPE, rows and keys filled up to whole tiles of RQ and RK; then, for each query and RK keys, m:
//      f32 [pairs, keys / RK, rows]

override WX: u32 = 8u;
override P_TYPE: u32 = 0u;   // 0 f32, 1 f16

/// One of the tiles across, the first of its queries counted from q0, and its head: pair of all heads here, h of sample b.
struct Tile { across: u32, first: u32, pair: u32, b: u32, h: u32 }

/// Neighbours have the same queries: tiles of keys or columns follow each other, then those of queries, then heads.
fn tileOf(at: u32, across: u32) -> Tile {
  let down = rows() / RQ;
  let pair = at / across / down;
  return Tile(at % across, at / across % down * RQ, pair, s.b0 + pair / s.headsHere, s.h0 + pair % s.headsHere);
}

fn rows() -> u32 { return (s.qEnd - s.q0 + RQ - 1u) / RQ * RQ; }

fn tilesOfKeys() -> u32 { return (s.Lk + RK - 1u) / RK; }

/// Where the probabilities of a query begin, in eights.
fn probabilitiesAt(pair: u32, row: u32) -> u32 { return (pair * rows() + row) * tilesOfKeys() * (RK / 8u); }

/// Where m of four queries from \`row\` on and tile t of keys lies, in loads of 16 bytes.
fn exponentsAt(pair: u32, t: u32, row: u32) -> u32 {
  return probabilitiesAt(s.pairs, 0u) * (2u - P_TYPE) + ((pair * tilesOfKeys() + t) * rows() + row) / 4u;
}
`,
  "attention_score": `// Scores of kernels that read eight values at a time; they include attention_shape too.

const LOWEST: f32 = -2.95e38;  // between NOTHING and every score, so that exp2(NOTHING − maximum) is 0 also where no key counts
const LOG2E: f32 = 1.4426950409;

override Q_TYPE: u32 = 0u;   // 0 f32, 1 f16
override KV_TYPE: u32 = 0u;

/// A score with everything that changes it, in units of log₂; NOTHING where the key does not count.
fn score(dot: f32, b: u32, row: u32, key: u32, biasRow: u32) -> f32 {
  // Without branches, which cost a CPU's vectors more than what they would save.
  let k = min(key, s.Lk - 1u);
  var v = dot * (s.scale * LOG2E);
  if (BIAS == 1u) { v = biased(dot * s.scale, bias[biasRow + k]) * LOG2E; }
  var counts = key < s.Lk;
  if (CAUSAL == 1u) { counts = counts && key <= row; }
  if (MASK == 1u) {
    counts = counts && keep[b * s.Lk + k] != 0.0;
    v = checked(v, v);   // without a mask, share() finds queries whose scores all are −∞
  }
  return select(NOTHING, v, counts);
}
`,
  "attention_shape": `// What attention's kernels share: the uniform block, what changes scores, and that a key does not count. Needs finite.

const NOTHING: f32 = -3e38;  // a key that does not count, below every score, and finite: exp(NOTHING − NOTHING) would be NaN otherwise

override CAUSAL: u32 = 0u;
override BIAS: u32 = 0u;
override MASK: u32 = 0u;

// The …First are first elements minus the elements before the bound part.
struct Shape {
  heads: u32, D: u32, Lq: u32, Lk: u32,
  q0: u32, qEnd: u32, b0: u32, h0: u32, headsHere: u32,
  qFirst: u32, qSample: u32, qHead: u32, qRow: u32,
  kFirst: u32, kSample: u32, kHead: u32, kRow: u32,
  vFirst: u32, vSample: u32, vHead: u32, vRow: u32,
  oFirst: u32, biasFirst: u32, biasSample: u32, biasHead: u32,
  scale: f32, pairs: u32,   // pairs: heads of all samples
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;

/// A score and its bias, where −∞ says that a key does not count and is held above NOTHING. What is not finite otherwise stays so.
fn biased(score: f32, bias: f32) -> f32 {
  let v = score + bias;
  let broken = magnitude(score) >= INFINITE || magnitude(v) > INFINITE;
  return select(max(v, -2e38), checked(v, score), broken);
}
`,
  "attention_share": `// What a query's sum of probabilities makes of each. Needs MASK, and finite.

/// 1 / sum; 0 where a mask leaves a query no key, NaN where a score is not finite: without a mask, a sum is 0 where all scores are −∞.
fn share(sum: f32) -> f32 {
  if (MASK == 1u && sum == 0.0) { return 0.0; }
  return checked(1.0 / sum, 1.0 / sum + sum);
}
`,
  "brains": `// Eight values of bf16; with eights.

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}
`,
  "conv_operands": `// Operands of convolutions that stage nothing, from storage buffers or from textures (TEXELS, then with texel_fours); with eights.

override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16

// unroll t 1 - TEXELS
@group(0) @binding(1) var<storage, read>       X: array<vec4<xElem>>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xFour(at: u32) -> vec4f { return vec4f(X[at]); }
fn wBits(at: u32) -> vec4u { return W[at]; }
// end
// unroll t TEXELS
@group(0) @binding(1) var                      X: Texels;
@group(0) @binding(2) var                      W: Texels;
fn wBits(at: u32) -> vec4u { return texel(W, at); }
// end

/// Weights of input row k (tap · Ci + channel) for eight output channels from n on.
fn weights(k: u32, n: u32) -> Eight {
  let at = weightAt(k, n);
  if (W_TYPE == 0u) { return wide(wBits(at * 2u), wBits(at * 2u + 1u)); }
  return halves(wBits(at));
}
`,
  "conv_output": `// What convolutions share: the uniform block, where weights lie, their outputs, and what becomes of a sum. Vectors of four channels
// with V = 1.
//
// Weights [kh·kw, Ci, Co8], output channels padded to 8, lie in columns of 64 output channels, one whole column after the other: what
// neighbouring invocations read for a pixel is one run of memory. In rows of 1280 channels, every row was another page.

struct Shape {
  H: u32, W: u32, C4: u32, Co: u32, Co8: u32, Ho: u32, Wo: u32, tiles: u32,
  padY: i32, padX: i32, y0: u32, rows: u32,    // output rows y0 … y0 + rows of one sample
  xRow: u32, yRow: u32, rRow: u32, b: u32,     // first bound rows of X, Y, R; the sample
  across: u32,   // invocations of a workgroup along the channels; the others of the 64 along the pixels
  act: u32,      // as in matmul.wgsl; 6 leaky relu of slope 0.2
  bias: u32,     // 1 bias, 2 channelBias, 3 both
  add: u32,
  wRows: u32,    // rows of the weights: taps · input channels
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       channelBias: array<f32>;
// unroll _ V
@group(0) @binding(5) var<storage, read>       R: array<vec4<rElem>>;
@group(0) @binding(6) var<storage, read_write> Y: array<vec4<yElem>>;
// end
// unroll _ 1 - V
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;
// end

const COLUMN = 64u;  // output channels of a column of weights, as packConv() lays them out

/// Where row k of the weights (tap · Ci + channel) for eight output channels from n on lies, in eights.
fn weightAt(k: u32, n: u32) -> u32 {
  let first = n / COLUMN * COLUMN;
  return (first * s.wRows + k * min(COLUMN, s.Co8 - first) + n - first) / 8u;
}

fn activate(v: vec4f) -> vec4f {
  switch s.act {
    case 1u: { return v / (1.0 + exp(min(-v, vec4f(80.0)))); }
    case 5u: { return select(max(v, vec4f(0.0)), v, (bitcast<vec4u>(v) & vec4u(0x7f800000u)) == vec4u(0x7f800000u)); }
    case 6u: { return select(v, 0.2 * v, v < vec4f(0.0)); }
    default: { return v; }
  }
}

/// What is added to channels n … n + 3 of every pixel: loaded once for all that an invocation makes.
fn shifts(n: u32) -> vec4f {
  var v = vec4f();
  for (var i = 0u; i < 4u; i++) {
    let c = min(n + i, s.Co - 1u);
    if ((s.bias & 1u) != 0u) { v[i] += bias[c]; }
    if ((s.bias & 2u) != 0u) { v[i] += channelBias[s.b * s.Co + c]; }
  }
  return v;
}

fn finish(x: u32, y: u32, n: u32, sum: vec4f) {
  if (x >= s.Wo || y >= s.y0 + s.rows || n >= s.Co) { return; }
  let yAt = ((y - s.yRow) * s.Wo + x) * s.Co + n;
  let rAt = ((y - s.rRow) * s.Wo + x) * s.Co + n;
  var v = activate(sum);
  // unroll _ V
  if (s.add == 1u) { v += vec4f(R[rAt / 4u]); }
  Y[yAt / 4u] = vec4<yElem>(v);
  // end
  // unroll _ 1 - V
  for (var i = 0u; i < 4u && n + i < s.Co; i++) {
    var u = v[i];
    if (s.add == 1u) { u += f32(R[rAt + i]); }
    Y[yAt + i] = yElem(u);
  }
  // end
}
`,
  "eights": `// Eight values as loads bring them: one vector of 16 bits each, or two of f32.

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn wide(lo: vec4u, hi: vec4u) -> Eight { return Eight(bitcast<vec4f>(lo), bitcast<vec4f>(hi)); }
`,
  "finite": `// Numbers that are not finite must reach the picture, where they are found. max, min and clamp drop NaN, and compilers may take
// \`x != x\` for false; the bits tell.

const INFINITE: u32 = 0x7f800000u;   // the bits of infinity; those of NaN without the sign are above

fn magnitude(v: f32) -> u32 { return bitcast<u32>(v) & 0x7fffffffu; }

/// v, but NaN where what it was made from is not finite.
fn checked(v: f32, made: f32) -> f32 {
  let bits = magnitude(made);
  return select(v, bitcast<f32>(bits | 0x7fc00000u), bits >= INFINITE);
}
`,
  "half_bits": `// f16 to f32 and back on the bits alone: drivers may flush subnormal floats, and what WGSL packs beyond the range of f16 is
// undefined.

// Bits of an f16 as those of an f32.
fn widened(h: u32) -> u32 {
  let sign = (h & 0x8000u) << 16u;
  let e = (h >> 10u) & 31u;
  let m = h & 0x3ffu;
  if (e == 31u) { return sign | 0x7f800000u | (m << 13u); }
  if (e > 0u) { return sign | ((e + 112u) << 23u) | (m << 13u); }
  if (m == 0u) { return sign; }
  let top = firstLeadingBit(m);  // subnormal: m · 2^−24
  return sign | ((top + 103u) << 23u) | ((m << (23u - top)) & 0x7fffffu);
}

// Bits of an f32 as those of the nearest f16, ties to even; bit 16 where f16 cannot hold it.
fn narrowed(x: u32) -> u32 {
  let sign = (x >> 16u) & 0x8000u;
  let a = x & 0x7fffffffu;
  if (a > 0x7f800000u) { return sign | 0x7e00u; }
  if (a == 0x7f800000u) { return sign | 0x7c00u; }
  if (a >= 0x477ff000u) { return sign | 0x17c00u; }
  if (a >= 0x38800000u) { return sign | ((a - 0x38000000u + 0xfffu + ((a >> 13u) & 1u)) >> 13u); }
  if (a <= 0x33000000u) { return sign; }
  let m = (a & 0x7fffffu) | 0x800000u;
  let shift = 126u - (a >> 23u);  // to units of 2^−24, 14 … 24
  let q = m >> shift;
  let rest = m & ((1u << shift) - 1u);
  let tie = 1u << (shift - 1u);
  return sign | (q + select(0u, 1u, rest > tie || (rest == tie && (q & 1u) == 1u)));
}

// narrowed() of four values at once, without branches.
fn narrowed4(x: vec4u) -> vec4u {
  let sign = (x >> vec4u(16u)) & vec4u(0x8000u);
  let a = x & vec4u(0x7fffffffu);
  let normal = (a - vec4u(0x38000000u) + vec4u(0xfffu) + ((a >> vec4u(13u)) & vec4u(1u))) >> vec4u(13u);
  // Subnormal: the significand in units of 2^−24, ties to even by what is added before the shift.
  let m = (a & vec4u(0x7fffffu)) | vec4u(0x800000u);
  let shift = clamp(vec4u(126u) - (a >> vec4u(23u)), vec4u(1u), vec4u(25u));
  let half = (vec4u(1u) << (shift - vec4u(1u))) - vec4u(1u);
  let small = (m + half + ((m >> shift) & vec4u(1u))) >> shift;
  var h = select(normal, small, a < vec4u(0x38800000u));
  h = select(h, vec4u(0u), a <= vec4u(0x33000000u));
  h = select(h, vec4u(0x17c00u), a >= vec4u(0x477ff000u));
  h = select(h, vec4u(0x7c00u), a == vec4u(0x7f800000u));
  h = select(h, vec4u(0x7e00u), a > vec4u(0x7f800000u));
  return sign | h;
}
`,
  "linear_epilogue": `// The end of a product's main(): the sums acc#i_#j of RM rows from m0 and columns c#j from n0 become results.
  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  // unroll j RN
  var shift#j = 0.0;
  if (s.hasBias == 1u) { shift#j = bias[c#j]; }
  var factor#j = s.scale;
  // end
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      // unroll j RN
      factor#j = s.scale * gate[g + c#j];
      // end
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    // unroll j RN
    var sum#j = acc0_#j;
    // unroll p RM
    sum#j = select(sum#j, acc#p_#j, i == p);
    // end
    if (n0 + j < s.nEnd) { store(sum#j, shift#j, factor#j, r + c#j, y + c#j); }
    // end
  }
`,
  "linear_operands": `// Eight values of x and of a weight of plain type, from what xBits() and wBits() read; with eights, brains, activations,
// linear_shape.

override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(wide(xBits(at * 2u), xBits(at * 2u + 1u))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return wide(wBits(at * 2u), wBits(at * 2u + 1u)); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}
`,
  "linear_shape": `// What products of a linear layer share: the uniform block, what surrounds the product, and its bindings; with activations.

override PRE: u32 = 0u;      // activation of x on load, numbered as ACT
override ACT: u32 = 0u;      // 0 none, 1 silu, 2 gelu (tanh), 3 gelu (erf), 4 quick gelu, 5 relu
override GATE: u32 = 0u;
override ADD: u32 = 0u;      // 0 nothing, 1 residual R, 2 Y itself

// A bias or none is told at run time: few pipelines for all linear layers of a model, as compiling is most of the time to the
// first picture. The other choices are constants: making them for each row or sum costs a tenth of a small product.
// Row m is row m % S of sample m / S. The …Base are the elements before the bound part of a tensor.
struct Shape {
  m0: u32, mEnd: u32, n0: u32, nEnd: u32,   // the part of the product that this dispatch makes
  N: u32, K8: u32, stride8: u32, S: u32,
  xN: u32, xAt: u32, xBase8: u32, wBase8: u32,
  yN: u32, yAt: u32, yBase: u32,
  rN: u32, rAt: u32, rBase: u32,
  gateN: u32, gateAt: u32, scale: f32, fold: u32,   // fold: workgroups along x of one row of tiles
  hasBias: u32,
  // Of quantised weights: factors of a row of S, eighths that each is for, eighths of a row before the weight's.
  sColumns: u32, sWidth8: u32, sAt8: u32,
  lN: u32, lFirst: u32,   // columns of L, and the one of Y that is its first
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}
`,
  "linear_sums": `// The beginning of a product's main(): where RM rows from m0 (x#i) and RN columns from n0 (c#j, w#j) lie, and sums of zero.
  // Rows and columns beyond the edge read the last one again and are not stored.
  // unroll i RM
  let r#i = min(m0 + i, s.mEnd - 1u);
  let b#i = r#i / s.S;
  let x#i = (b#i * s.xN + s.xAt + r#i - b#i * s.S) * s.K8 - s.xBase8;
  // end
  // unroll j RN
  let c#j = min(n0 + j, s.nEnd - 1u);
  let w#j = c#j * s.stride8 - s.wBase8;
  // end
  // unroll i RM
  // unroll j RN
  var acc#i_#j = 0.0;
  // end
  // end
`,
  "place_eights": `// Eight stored values as Y has them; \`at\` counts eights of X.

struct Words { lo: vec4u, hi: vec4u }

// As bits of f32.
fn words(at: u32) -> Words {
  if (FROM == 0u) { return Words(X[2u * at], X[2u * at + 1u]); }
  let h = X[at];
  let low = vec4u(h.x & 0xffffu, h.x >> 16u, h.y & 0xffffu, h.y >> 16u);
  let high = vec4u(h.z & 0xffffu, h.z >> 16u, h.w & 0xffffu, h.w >> 16u);
  if (FROM == 2u) { return Words(low << vec4u(16u), high << vec4u(16u)); }
  return Words(
    vec4u(widened(low.x), widened(low.y), widened(low.z), widened(low.w)),
    vec4u(widened(high.x), widened(high.y), widened(high.z), widened(high.w)));
}

// As 16 bits each; tells when f16 cannot hold one of them.
fn halvesOf(at: u32) -> vec4u {
  if (FROM != 0u) { return X[at]; }
  let lo = narrowed4(X[2u * at]);
  let hi = narrowed4(X[2u * at + 1u]);
  let beyond = lo | hi;
  if (((beyond.x | beyond.y | beyond.z | beyond.w) & 0x10000u) != 0u) { atomicStore(&flags[s.flag], 1u); }
  let a = lo & vec4u(0xffffu);
  let b = hi & vec4u(0xffffu);
  return vec4u(a.x | (a.y << 16u), a.z | (a.w << 16u), b.x | (b.y << 16u), b.z | (b.w << 16u));
}
`,
  "quant_products": `// Operands of products by a quantised weight; with eights, activations, linear_shape, quants, and xBits() that reads 16 bytes of x, or
// with INTEGER of what quantise_rows.wgsl makes of x.

// unroll _ 1 - INTEGER
/// Values of a unit as they are stored, without scale and minimum of a block: zeros beyond the row, and without what \`left\` says.
fn storedW(u: Unit, e: u32, k: u32, column: u32) -> Eight {
  let half = select(u.lo, u.hi, e >= 2u);
  var words = select(half.xy, half.zw, (e & 1u) == 1u);
  if (TYPE < 10u) { return Eight(fourOf(words.x), fourOf(words.y)); }
  words = select(vec2u(), words, k < s.K8);
  let v = Eight(fourOf(words.x), fourOf(words.y));
  if (SCALED != 1u) { return v; }
  let scale = S[column * s.sColumns + (s.sAt8 + k) / s.sWidth8];
  return Eight(v.lo * scale, v.hi * scale);
}

/// The same with scale and minimum.
fn loadW(u: Unit, e: u32, k: u32, column: u32) -> Eight {
  if (TYPE < 10u) { return eightOf(u, e); }
  return storedW(u, e, k, column);
}

fn total(v: Eight) -> f32 { return dot(v.lo + v.hi, vec4f(1.0)); }

/// What half h of a unit adds to a product, from the product of its stored values and the sum of the values of x.
fn scaledSum(sum: f32, ones: f32, u: Unit, h: u32) -> f32 {
  if (TYPE >= 10u) { return sum; }
  let dm = select(u.scales.xy, u.scales.zw, h == 1u);
  if (TYPE == 0u) { return sum * dm.x; }
  return fma(sum, dm.x, -ones * dm.y);
}
// end
// unroll _ INTEGER
/// 32 values of x: signed bytes, what one of them is worth, and the sums of the first and the last 16 values.
struct Bytes { lo: vec4u, hi: vec4u, d: f32, sums: vec2f }

fn bytesOfX(unit: u32) -> Bytes {
  let worth = bitcast<vec4f>(xBits(unit * 3u + 2u));
  return Bytes(xBits(unit * 3u), xBits(unit * 3u + 1u), worth.x, worth.yz);
}

fn dot16(a: vec4u, b: vec4u) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}

/// Numbers of a weight have 8 bits with a sign or 6 without, so that all of them are signed bytes.
fn product32(x: Bytes, u: Unit) -> f32 {
  let lo = dot16(x.lo, u.lo);
  let hi = dot16(x.hi, u.hi);
  if (TYPE == 0u) { return x.d * u.scales.x * f32(lo + hi); }
  if (TYPE >= 10u) { return x.d * f32(lo + hi); }
  if (TYPE == 5u || TYPE == 6u || TYPE == 9u) {  // two scales a unit
    return x.d * (u.scales.x * f32(lo) + u.scales.z * f32(hi)) - dot(u.scales.yw, x.sums);
  }
  return x.d * u.scales.x * f32(lo + hi) - u.scales.y * (x.sums.x + x.sums.y);
}
// end

/// What a whole sum of a column is still to be multiplied by.
fn left(column: u32) -> f32 {
  var factor = 1.0;
  if (TYPE == 10u) { factor = E4M3; }
  if (SCALED == 2u) { factor *= S[column]; }
  return factor;
}
`,
  "quant_unit": `// The products of unit \`unit\` of RM rows and RN columns, added to acc#i_#j; with quant_products, linear_sums.
    // unroll j RN
    let u#j = unitFrom(p#j, unit % BLOCK_UNITS);
    // end
    // unroll _ INTEGER
    // unroll i RM
    let a#i = bytesOfX(r#i * ((s.K8 + 3u) / 4u) + unit);
    // unroll j RN
    acc#i_#j += product32(a#i, u#j);
    // end
    // end
    // end
    // One row: of 16 values that share a scale the sum is scaled, not each of them. More rows share what was scaled.
    // unroll few RM % 2 * (1 - INTEGER)
    // unroll h 2
    {
      // unroll i RM
      var ones#i = 0.0;
      // unroll j RN
      var sum#i_#j = 0.0;
      // end
      // end
      // unroll e 2
      {
        let k = unit * 4u + h * 2u + e;
        // unroll i RM
        let a#i = loadX(x#i + min(k, s.K8 - 1u));
        ones#i += total(a#i);
        // end
        // unroll j RN
        let v#j = storedW(u#j, h * 2u + e, k, c#j);
        // unroll i RM
        sum#i_#j = mac4(mac4(sum#i_#j, a#i.lo, v#j.lo), a#i.hi, v#j.hi);
        // end
        // end
      }
      // end
      // unroll i RM
      // unroll j RN
      acc#i_#j += scaledSum(sum#i_#j, ones#i, u#j, h);
      // end
      // end
    }
    // end
    // end
    // unroll e 4 * (1 - RM % 2) * (1 - INTEGER)
    {
      let k = unit * 4u + e;
      // unroll i RM
      let a#i = loadX(x#i + min(k, s.K8 - 1u));
      // end
      // unroll j RN
      let v#j = loadW(u#j, e, k, c#j);
      // unroll i RM
      acc#i_#j = mac4(mac4(acc#i_#j, a#i.lo, v#j.lo), a#i.hi, v#j.hi);
      // end
      // end
    }
    // end
`,
  "quants": `// 32 neighbouring values of a quantised row, a unit, from blocks as GGUF files hold them: whole numbers of few bits with shared
// scales, or values of one byte. wBits() reads 16 bytes. Types are numbered as QUANTISED of lib/ops/quantised.ts. With eights.

override TYPE: u32 = 0u;

/// Bytes of a block, and units of it; of values of one byte a unit is a block.
override BLOCK_BYTES: u32 = 34u;
override BLOCK_UNITS: u32 = 1u;

/// Every block begins at a multiple of this many bytes: 2, 4, 8 or 16.
override ALIGN: u32 = 2u;

/// A unit: a byte for each value, and what the first and the last 16 become: bytes · x − y, bytes · z − w.
struct Unit { lo: vec4u, hi: vec4u, scales: vec4f }

struct Bytes32 { lo: vec4u, hi: vec4u }

/// What SPAN units are made of: their numbers' low bits in one or two runs of 32 bytes, high bits, and factors.
struct Span { low: Bytes32, more: Bytes32, high: Bytes32, s: vec4u }

/// Five words from an address, the last half of which may be missing.
struct Words5 { v: vec4u, next: u32 }

/// Words from the one that an address lies in, which is in the first of these loads.
fn words5(a: vec4u, b: vec4u, at: u32) -> Words5 {
  if (ALIGN == 16u) { return Words5(a, b.x); }
  let two = (at & 8u) != 0u;
  let p = select(a, vec4u(a.zw, b.xy), two);
  let q = select(b.xy, b.zw, two);
  if (ALIGN == 8u) { return Words5(p, q.x); }
  let one = (at & 4u) != 0u;
  return Words5(select(p, vec4u(p.yzw, q.x), one), select(q.x, q.y, one));
}

/// 18 bytes (of the last word's two only those) from an address in the first of two loads.
fn aligned18(a: vec4u, b: vec4u, at: u32) -> Words5 {
  let w = words5(a, b, at);
  if (ALIGN > 2u) { return w; }
  let half = (at & 2u) != 0u;
  let after = vec4u(w.v.yzw, w.next);
  return Words5(select(w.v, (w.v >> vec4u(16u)) | (after << vec4u(16u)), half), select(w.next & 0xffffu, w.next >> 16u, half));
}

fn aligned16(a: vec4u, b: vec4u, at: u32) -> vec4u { return aligned18(a, b, at).v; }

/// 16 bytes behind the first two from an address in the first of two loads.
fn behindTwo(w: Words5, at: u32) -> vec4u {
  let after = vec4u(w.v.yzw, w.next);
  return select((w.v >> vec4u(16u)) | (after << vec4u(16u)), after, (at & 2u) != 0u);
}

/// The first two bytes.
fn firstTwo(w: u32, at: u32) -> u32 { return select(w & 0xffffu, w >> 16u, (at & 2u) != 0u); }

fn thirtyTwo(at: u32) -> Bytes32 {
  let a = wBits(at >> 4u);
  let b = wBits((at >> 4u) + 1u);
  if (ALIGN == 16u) { return Bytes32(a, b); }
  let c = wBits((at >> 4u) + 2u);
  return Bytes32(aligned16(a, b, at), aligned16(b, c, at));
}

/// Four bytes from an address that is a multiple of 4.
fn quad(at: u32) -> u32 {
  let v = wBits(at >> 4u);
  return select(select(v.x, v.y, (at & 4u) != 0u), select(v.z, v.w, (at & 4u) != 0u), (at & 8u) != 0u);
}

/// Some bits of each byte.
fn bits(v: vec4u, shift: u32, mask: u32) -> vec4u { return (v >> vec4u(shift)) & vec4u(mask); }

/// Bits 0 … 15 of a word, each as bit 4 of a byte.
fn fifths(v: u32) -> vec4u {
  let four = vec4u(v, v >> 4u, v >> 8u, v >> 12u) & vec4u(15u);
  return ((four * vec4u(0x00204081u)) & vec4u(0x01010101u)) << vec4u(4u);
}

const NIBBLES = 0x0f0f0f0fu;
const TWOS = 0x03030303u;
const ONES = 0x01010101u;

/// Scale and minimum of group g of 8 with six bits each, which Q4_K and Q5_K share; v: the block's first 16 bytes.
fn sixes(v: vec4u, g: u32) -> vec2f {
  let shift = (g & 3u) * 8u;
  let low = (v.y >> shift) & 0xffu;
  let high = (v.z >> shift) & 0xffu;
  let rest = (v.w >> shift) & 0xffu;
  let scale = select(low & 63u, (rest & 15u) | ((low >> 6u) << 4u), g >= 4u);
  let minimum = select(high & 63u, (rest >> 4u) | ((high >> 6u) << 4u), g >= 4u);
  return vec2f(f32(i32(scale)), f32(i32(minimum)));
}

/// The span of the block at a byte that begins with unit g. A block of 18 or 34 bytes lies in two or three loads wherever it begins.
fn spanOf(at: u32, g: u32) -> Span {
  let none = Bytes32(vec4u(), vec4u());
  switch TYPE {
    case 0u: {  // Q8_0: d, 32 signed bytes
      let a = wBits(at >> 4u);
      let b = wBits((at >> 4u) + 1u);
      let c = wBits((at >> 4u) + 2u);
      let w = words5(a, b, at);
      return Span(Bytes32(behindTwo(w, at), behindTwo(words5(b, c, at), at)), none, none, vec4u(firstTwo(w.v.x, at)));
    }
    case 1u: {  // Q4_0: d, 16 bytes of two numbers, the second 16 values further
      let w = words5(wBits(at >> 4u), wBits((at >> 4u) + 1u), at);
      return Span(Bytes32(behindTwo(w, at), vec4u()), none, none, vec4u(firstTwo(w.v.x, at)));
    }
    case 2u: {  // Q4_1: d and m, 16 bytes
      let w = words5(wBits(at >> 4u), wBits((at >> 4u) + 1u), at);
      return Span(Bytes32(vec4u(w.v.yzw, w.next), vec4u()), none, none, vec4u(w.v.x));
    }
    case 3u: {  // Q5_0: d, 32 fifth bits, 16 bytes
      let b = wBits((at >> 4u) + 1u);
      let w = words5(wBits(at >> 4u), b, at);
      let sixth = words5(b, wBits((at >> 4u) + 2u), at).v.y;
      let high = behindTwo(w, at).x;
      let q = behindTwo(Words5(vec4u(w.v.yzw, w.next), sixth), at);
      return Span(Bytes32(q, vec4u()), none, none, vec4u(firstTwo(w.v.x, at), high, high >> 16u, 0u));
    }
    case 4u: {  // Q5_1: d and m, 32 fifth bits, 16 bytes
      let b = wBits((at >> 4u) + 1u);
      let w = words5(wBits(at >> 4u), b, at);
      let last = select(b.y, b.w, (at & 8u) != 0u);
      return Span(Bytes32(vec4u(w.v.zw, w.next, last), vec4u()), none, none, vec4u(w.v.x, w.v.y, w.v.y >> 16u, 0u));
    }
    case 5u: {  // Q2_K: 16 bytes of scale and minimum, 64 of two bits, d and dmin
      let half = g >> 2u;
      return Span(
        thirtyTwo(at + 16u + half * 32u), none, none,
        vec4u(quad(at + half * 8u), quad(at + half * 8u + 4u), quad(at + 80u), 0u));
    }
    case 6u: {  // Q3_K: 32 bytes of third bits, 64 of two bits, 12 of signed scales, d
      let s = (at + 96u) >> 4u;
      return Span(
        thirtyTwo(at + 32u + (g >> 2u) * 32u), none, thirtyTwo(at), aligned16(wBits(s), wBits(s + 1u), at + 96u));
    }
    case 7u, 8u: {  // d and dmin, 12 bytes of scales, in Q5_K 32 of fifth bits, 128 of two numbers; rows begin at multiples of 16
      let head = at >> 4u;
      let q = head + select(1u, 3u, TYPE == 8u) + (g >> 1u) * 2u;
      var more = none;
      var high = none;
      if (TYPE == 8u) { high = Bytes32(wBits(head + 1u), wBits(head + 2u)); }
      if (SPAN == 4u) { more = Bytes32(wBits(q + 2u), wBits(q + 3u)); }
      return Span(Bytes32(wBits(q), wBits(q + 1u)), more, high, wBits(head));
    }
    case 9u: {  // Q6_K: 128 bytes of low halves, 64 of two high bits, 16 signed scales, d
      let half = g >> 2u;
      let s = (at + 192u) >> 4u;
      let tail = aligned18(wBits(s), wBits(s + 1u), at + 192u);
      let scales = select(tail.v.xy, tail.v.zw, half == 1u);
      let high = thirtyTwo(at + 128u + half * 32u);
      if (SPAN == 1u) {
        return Span(thirtyTwo(at + half * 64u + (g & 1u) * 32u), none, high, vec4u(scales, tail.next, 0u));
      }
      let q = (at >> 4u) + half * 4u;
      let a = wBits(q);
      let b = wBits(q + 1u);
      let c = wBits(q + 2u);
      let d = wBits(q + 3u);
      let e = wBits(q + 4u);
      return Span(
        Bytes32(aligned16(a, b, at), aligned16(b, c, at)), Bytes32(aligned16(c, d, at), aligned16(d, e, at)),
        high, vec4u(scales, tail.next, 0u));
    }
    default: {  // values of one byte
      return Span(thirtyTwo(at), none, none, vec4u());
    }
  }
}

fn half(v: u32) -> f32 { return unpack2x16float(v).x; }

/// Unit g of its block, of the span that it belongs to.
fn unitFrom(p: Span, g: u32) -> Unit {
  let q = p.low;
  switch TYPE {
    case 0u: {
      let d = half(p.s.x);
      return Unit(q.lo, q.hi, vec4f(d, 0.0, d, 0.0));
    }
    case 1u: {
      return Unit(bits(q.lo, 0u, NIBBLES), bits(q.lo, 4u, NIBBLES), half(p.s.x) * vec4f(1.0, 8.0, 1.0, 8.0));
    }
    case 2u: {
      let dm = unpack2x16float(p.s.x) * vec2f(1.0, -1.0);
      return Unit(bits(q.lo, 0u, NIBBLES), bits(q.lo, 4u, NIBBLES), dm.xyxy);
    }
    case 3u: {
      return Unit(
        bits(q.lo, 0u, NIBBLES) | fifths(p.s.y), bits(q.lo, 4u, NIBBLES) | fifths(p.s.z),
        half(p.s.x) * vec4f(1.0, 16.0, 1.0, 16.0));
    }
    case 4u: {
      let dm = unpack2x16float(p.s.x) * vec2f(1.0, -1.0);
      return Unit(bits(q.lo, 0u, NIBBLES) | fifths(p.s.y), bits(q.lo, 4u, NIBBLES) | fifths(p.s.z), dm.xyxy);
    }
    case 5u: {
      let s = select(p.s.x, p.s.y, (g & 2u) != 0u) >> ((g & 1u) * 16u);
      let dm = unpack2x16float(p.s.z).xyxy *
        vec4f(vec4i(vec4u(s & 15u, (s >> 4u) & 15u, (s >> 8u) & 15u, (s >> 12u) & 15u)));
      let shift = (g & 3u) * 2u;
      return Unit(bits(q.lo, shift, TWOS), bits(q.hi, shift, TWOS), dm);
    }
    case 6u: {
      let low = select(p.s.x, p.s.y, (g & 2u) != 0u) >> ((g & 1u) * 16u + (g >> 2u) * 4u);
      let high = p.s.z >> ((g & 1u) * 16u + (g >> 1u) * 2u);
      let d = half(p.s.w);
      let first = d * (f32(i32((low & 15u) | ((high & 3u) << 4u))) - 32.0);
      let last = d * (f32(i32(((low >> 8u) & 15u) | (((high >> 8u) & 3u) << 4u))) - 32.0);
      let shift = (g & 3u) * 2u;
      return Unit(
        bits(q.lo, shift, TWOS) | (bits(p.high.lo, g, ONES) << vec4u(2u)),
        bits(q.hi, shift, TWOS) | (bits(p.high.hi, g, ONES) << vec4u(2u)),
        vec4f(first, 4.0 * first, last, 4.0 * last));
    }
    case 7u, 8u: {
      let dm = unpack2x16float(p.s.x) * sixes(p.s, g);
      let shift = (g & 1u) * 4u;
      let more = SPAN == 4u && (g & 2u) != 0u;
      var lo = bits(select(q.lo, p.more.lo, more), shift, NIBBLES);
      var hi = bits(select(q.hi, p.more.hi, more), shift, NIBBLES);
      if (TYPE == 8u) {
        lo |= bits(p.high.lo, g, ONES) << vec4u(4u);
        hi |= bits(p.high.hi, g, ONES) << vec4u(4u);
      }
      return Unit(lo, hi, dm.xyxy);
    }
    case 9u: {
      let s = select(p.s.x, p.s.y, (g & 2u) != 0u) >> ((g & 1u) * 16u);
      let two = vec2f(f32((i32(s) << 24u) >> 24u), f32((i32(s) << 16u) >> 24u)) * half(p.s.z);
      let more = SPAN > 1u && (g & 1u) == 1u;
      let low = (g & 2u) * 2u;
      let high = (g & 3u) * 2u;
      return Unit(
        bits(select(q.lo, p.more.lo, more), low, NIBBLES) | (bits(p.high.lo, high, TWOS) << vec4u(4u)),
        bits(select(q.hi, p.more.hi, more), low, NIBBLES) | (bits(p.high.hi, high, TWOS) << vec4u(4u)),
        vec4f(two.x, 32.0 * two.x, two.y, 32.0 * two.y));
    }
    default: { return Unit(q.lo, q.hi, vec4f(1.0, 0.0, 1.0, 0.0)); }
  }
}

/// Four bytes as what they stand for, before scales: 8-bit floats are the upper bits of an f16 once the sign is moved; E4M3's
/// exponents are 8 less, so that values are still to be multiplied by E4M3.
fn fourOf(v: u32) -> vec4f {
  if (TYPE == 0u || TYPE == 12u) {  // signed
    return vec4f(vec4i(vec4u(v << 24u, v << 16u, v << 8u, v)) >> vec4u(24u));
  }
  if (TYPE < 10u) { return vec4f(vec4i((vec4u(v) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(0xffu))); }
  // Of two bytes in four the first and the third, and the others.
  var even = (v << 8u) & 0xff00ff00u;
  var odd = v & 0xff00ff00u;
  if (TYPE == 10u) {
    let pairs = vec2u(even, odd);
    let h = (pairs >> vec2u(1u)) & vec2u(0x3f803f80u);
    // The one pattern of E4M3 that is no number carries into the exponent, which becomes that of NaN.
    let broken = (h + vec2u(0x00800080u)) & vec2u(0x40004000u);
    let signed = h | broken | (pairs & vec2u(0x80008000u));
    even = signed.x;
    odd = signed.y;
  }
  let a = unpack2x16float(even);
  let b = unpack2x16float(odd);
  return vec4f(a.x, b.x, a.y, b.y);
}

/// What products of E4M3 are still to be multiplied by.
const E4M3 = 256.0;

/// Four bytes with the scale and the minimum of their half of the unit.
fn scaled(v: u32, dm: vec2f) -> vec4f {
  if (TYPE == 10u) { return fourOf(v) * E4M3; }
  if (TYPE > 10u) { return fourOf(v); }
  if (TYPE == 0u) { return fourOf(v) * dm.x; }
  return fma(fourOf(v), vec4f(dm.x), vec4f(-dm.y));
}

/// Values 8·e … 8·e + 7 of a unit.
fn eightOf(u: Unit, e: u32) -> Eight {
  let half = select(u.lo, u.hi, e >= 2u);
  let dm = select(u.scales.xy, u.scales.zw, e >= 2u);
  if ((e & 1u) == 0u) { return Eight(scaled(half.x, dm), scaled(half.y, dm)); }
  return Eight(scaled(half.z, dm), scaled(half.w, dm));
}
`,
  "texel_eights": `// Eight values of a row from a texture, which holds four f32 a texel, or eight f16 (kind 1); with eights.

fn texelEight(t: Texels, at: u32, kind: u32) -> Eight {
  if (kind == 0u) { return wide(texel(t, at * 2u), texel(t, at * 2u + 1u)); }
  return halves(texel(t, at));
}
`,
  "texel_fours": `// Four values of X from a texture, which holds four f32 a texel, or eight f16 (X_TYPE 1).

fn xFour(at: u32) -> vec4f {
  let bits = texel(X, select(at, at >> 1u, X_TYPE == 1u));
  if (X_TYPE == 0u) { return bitcast<vec4f>(bits); }
  let pair = select(bits.xy, bits.zw, (at & 1u) == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
`,
};

/** Tells one version of the shaders from another. */
export const SHADERS_DIGEST = "8d51c38f5420b7cd";
