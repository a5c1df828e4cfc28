// attention.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V for heads of any size, online softmax.
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
    // Subgroups are runs of `size` neighbours, as every implementation lays a one-dimensional workgroup out.
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
