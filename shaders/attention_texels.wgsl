// attention_texels.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, everything in registers.
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
