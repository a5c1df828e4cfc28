// Generated from shaders/*.wgsl by tools/build_shaders.ts: edit those and run `deno task shaders`.

/** WGSL text by shader name; variants are `name@RM=8,RN=8`. */
export const SHADERS: Readonly<Record<string, string>> = {
  "attention@BQ=4,DJ=1,SUBGROUPS=0": `const BQ: u32 = 4u;
const DJ: u32 = 1u;
const SUBGROUPS: u32 = 0u;
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


const LANES: u32 = 64u;
const NOTHING: f32 = -3e38;  // below every score, and finite: exp(NOTHING − NOTHING) would be NaN otherwise

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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       Q: array<qElem>;
@group(0) @binding(2) var<storage, read>       K: array<kElem>;
@group(0) @binding(3) var<storage, read>       V: array<vElem>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<oElem>;

var<workgroup> P: array<f32, BQ * LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
) {
  let b = s.b0 + group.y / s.headsHere;
  let h = s.h0 + group.y % s.headsHere;
  let n0 = s.q0 + group.x * BQ;
  let d0 = group.z * LANES * DJ + lane;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = s.vFirst + b * s.vSample + h * s.vHead;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let q0 = s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = NOTHING;
  var sum0 = 0.0;
  var o0_0 = 0.0;
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let q1 = s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = NOTHING;
  var sum1 = 0.0;
  var o1_0 = 0.0;
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let q2 = s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = NOTHING;
  var sum2 = 0.0;
  var o2_0 = 0.0;
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let q3 = s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = NOTHING;
  var sum3 = 0.0;
  var o3_0 = 0.0;

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, min(n0 + BQ, s.qEnd)); }  // later keys serve none of these queries
  for (var k0 = 0u; k0 < keys; k0 += LANES) {
    let key = k0 + lane;
    var score0 = NOTHING;
    var score1 = NOTHING;
    var score2 = NOTHING;
    var score3 = NOTHING;
    var kept = key < s.Lk;
    if (MASK == 1u && kept) { kept = keep[b * s.Lk + key] != 0.0; }
    if (kept) {
      var dot0 = 0.0;
      var dot1 = 0.0;
      var dot2 = 0.0;
      var dot3 = 0.0;
      let at = kHead + key * s.kRow;
      for (var d = 0u; d < s.D; d++) {
        let k = f32(K[at + d]);
        dot0 = fma(f32(Q[q0 + d]), k, dot0);
        dot1 = fma(f32(Q[q1 + d]), k, dot1);
        dot2 = fma(f32(Q[q2 + d]), k, dot2);
        dot3 = fma(f32(Q[q3 + d]), k, dot3);
      }
      if (CAUSAL == 0u || key <= row0) {
        score0 = dot0 * s.scale;
        if (BIAS == 1u) { score0 = max(score0 + bias[bias0 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row1) {
        score1 = dot1 * s.scale;
        if (BIAS == 1u) { score1 = max(score1 + bias[bias1 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row2) {
        score2 = dot2 * s.scale;
        if (BIAS == 1u) { score2 = max(score2 + bias[bias2 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row3) {
        score3 = dot3 * s.scale;
        if (BIAS == 1u) { score3 = max(score3 + bias[bias3 + key], -2e38); }
      }
    }
    P[0 * LANES + lane] = score0;
    P[1 * LANES + lane] = score1;
    P[2 * LANES + lane] = score2;
    P[3 * LANES + lane] = score3;
    workgroupBarrier();
    var top0 = max0;
    for (var t = 0u; t < LANES; t++) { top0 = max(top0, P[0 * LANES + t]); }
    var top1 = max1;
    for (var t = 0u; t < LANES; t++) { top1 = max(top1, P[1 * LANES + t]); }
    var top2 = max2;
    for (var t = 0u; t < LANES; t++) { top2 = max(top2, P[2 * LANES + t]); }
    var top3 = max3;
    for (var t = 0u; t < LANES; t++) { top3 = max(top3, P[3 * LANES + t]); }
    let fade0 = exp(max0 - top0);
    max0 = top0;
    sum0 *= fade0;
    o0_0 *= fade0;
    let fade1 = exp(max1 - top1);
    max1 = top1;
    sum1 *= fade1;
    o1_0 *= fade1;
    let fade2 = exp(max2 - top2);
    max2 = top2;
    sum2 *= fade2;
    o2_0 *= fade2;
    let fade3 = exp(max3 - top3);
    max3 = top3;
    sum3 *= fade3;
    o3_0 *= fade3;
    workgroupBarrier();
    P[0 * LANES + lane] = select(0.0, exp(score0 - max0), score0 > NOTHING);
    P[1 * LANES + lane] = select(0.0, exp(score1 - max1), score1 > NOTHING);
    P[2 * LANES + lane] = select(0.0, exp(score2 - max2), score2 > NOTHING);
    P[3 * LANES + lane] = select(0.0, exp(score3 - max3), score3 > NOTHING);
    workgroupBarrier();
    for (var t = 0u; t < min(LANES, s.Lk - k0); t++) {
      let at = vHead + (k0 + t) * s.vRow + d0;
      var v0 = 0.0;
      if (d0 + 0 * LANES < s.D) { v0 = f32(V[at + 0 * LANES]); }
      let p0 = P[0 * LANES + t];
      sum0 += p0;
      o0_0 = fma(p0, v0, o0_0);
      let p1 = P[1 * LANES + t];
      sum1 += p1;
      o1_0 = fma(p1, v0, o1_0);
      let p2 = P[2 * LANES + t];
      sum2 += p2;
      o2_0 = fma(p2, v0, o2_0);
      let p3 = P[3 * LANES + t];
      sum3 += p3;
      o3_0 = fma(p3, v0, o3_0);
    }
    workgroupBarrier();
  }

  if (n0 + 0 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o0_0 * share); }
  }
  if (n0 + 1 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o1_0 * share); }
  }
  if (n0 + 2 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o2_0 * share); }
  }
  if (n0 + 3 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o3_0 * share); }
  }
}
`,
  "attention@BQ=4,DJ=2,SUBGROUPS=0": `const BQ: u32 = 4u;
const DJ: u32 = 2u;
const SUBGROUPS: u32 = 0u;
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


const LANES: u32 = 64u;
const NOTHING: f32 = -3e38;  // below every score, and finite: exp(NOTHING − NOTHING) would be NaN otherwise

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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       Q: array<qElem>;
@group(0) @binding(2) var<storage, read>       K: array<kElem>;
@group(0) @binding(3) var<storage, read>       V: array<vElem>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<oElem>;

var<workgroup> P: array<f32, BQ * LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
) {
  let b = s.b0 + group.y / s.headsHere;
  let h = s.h0 + group.y % s.headsHere;
  let n0 = s.q0 + group.x * BQ;
  let d0 = group.z * LANES * DJ + lane;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = s.vFirst + b * s.vSample + h * s.vHead;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let q0 = s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = NOTHING;
  var sum0 = 0.0;
  var o0_0 = 0.0;
  var o0_1 = 0.0;
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let q1 = s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = NOTHING;
  var sum1 = 0.0;
  var o1_0 = 0.0;
  var o1_1 = 0.0;
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let q2 = s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = NOTHING;
  var sum2 = 0.0;
  var o2_0 = 0.0;
  var o2_1 = 0.0;
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let q3 = s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = NOTHING;
  var sum3 = 0.0;
  var o3_0 = 0.0;
  var o3_1 = 0.0;

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, min(n0 + BQ, s.qEnd)); }  // later keys serve none of these queries
  for (var k0 = 0u; k0 < keys; k0 += LANES) {
    let key = k0 + lane;
    var score0 = NOTHING;
    var score1 = NOTHING;
    var score2 = NOTHING;
    var score3 = NOTHING;
    var kept = key < s.Lk;
    if (MASK == 1u && kept) { kept = keep[b * s.Lk + key] != 0.0; }
    if (kept) {
      var dot0 = 0.0;
      var dot1 = 0.0;
      var dot2 = 0.0;
      var dot3 = 0.0;
      let at = kHead + key * s.kRow;
      for (var d = 0u; d < s.D; d++) {
        let k = f32(K[at + d]);
        dot0 = fma(f32(Q[q0 + d]), k, dot0);
        dot1 = fma(f32(Q[q1 + d]), k, dot1);
        dot2 = fma(f32(Q[q2 + d]), k, dot2);
        dot3 = fma(f32(Q[q3 + d]), k, dot3);
      }
      if (CAUSAL == 0u || key <= row0) {
        score0 = dot0 * s.scale;
        if (BIAS == 1u) { score0 = max(score0 + bias[bias0 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row1) {
        score1 = dot1 * s.scale;
        if (BIAS == 1u) { score1 = max(score1 + bias[bias1 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row2) {
        score2 = dot2 * s.scale;
        if (BIAS == 1u) { score2 = max(score2 + bias[bias2 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row3) {
        score3 = dot3 * s.scale;
        if (BIAS == 1u) { score3 = max(score3 + bias[bias3 + key], -2e38); }
      }
    }
    P[0 * LANES + lane] = score0;
    P[1 * LANES + lane] = score1;
    P[2 * LANES + lane] = score2;
    P[3 * LANES + lane] = score3;
    workgroupBarrier();
    var top0 = max0;
    for (var t = 0u; t < LANES; t++) { top0 = max(top0, P[0 * LANES + t]); }
    var top1 = max1;
    for (var t = 0u; t < LANES; t++) { top1 = max(top1, P[1 * LANES + t]); }
    var top2 = max2;
    for (var t = 0u; t < LANES; t++) { top2 = max(top2, P[2 * LANES + t]); }
    var top3 = max3;
    for (var t = 0u; t < LANES; t++) { top3 = max(top3, P[3 * LANES + t]); }
    let fade0 = exp(max0 - top0);
    max0 = top0;
    sum0 *= fade0;
    o0_0 *= fade0;
    o0_1 *= fade0;
    let fade1 = exp(max1 - top1);
    max1 = top1;
    sum1 *= fade1;
    o1_0 *= fade1;
    o1_1 *= fade1;
    let fade2 = exp(max2 - top2);
    max2 = top2;
    sum2 *= fade2;
    o2_0 *= fade2;
    o2_1 *= fade2;
    let fade3 = exp(max3 - top3);
    max3 = top3;
    sum3 *= fade3;
    o3_0 *= fade3;
    o3_1 *= fade3;
    workgroupBarrier();
    P[0 * LANES + lane] = select(0.0, exp(score0 - max0), score0 > NOTHING);
    P[1 * LANES + lane] = select(0.0, exp(score1 - max1), score1 > NOTHING);
    P[2 * LANES + lane] = select(0.0, exp(score2 - max2), score2 > NOTHING);
    P[3 * LANES + lane] = select(0.0, exp(score3 - max3), score3 > NOTHING);
    workgroupBarrier();
    for (var t = 0u; t < min(LANES, s.Lk - k0); t++) {
      let at = vHead + (k0 + t) * s.vRow + d0;
      var v0 = 0.0;
      if (d0 + 0 * LANES < s.D) { v0 = f32(V[at + 0 * LANES]); }
      var v1 = 0.0;
      if (d0 + 1 * LANES < s.D) { v1 = f32(V[at + 1 * LANES]); }
      let p0 = P[0 * LANES + t];
      sum0 += p0;
      o0_0 = fma(p0, v0, o0_0);
      o0_1 = fma(p0, v1, o0_1);
      let p1 = P[1 * LANES + t];
      sum1 += p1;
      o1_0 = fma(p1, v0, o1_0);
      o1_1 = fma(p1, v1, o1_1);
      let p2 = P[2 * LANES + t];
      sum2 += p2;
      o2_0 = fma(p2, v0, o2_0);
      o2_1 = fma(p2, v1, o2_1);
      let p3 = P[3 * LANES + t];
      sum3 += p3;
      o3_0 = fma(p3, v0, o3_0);
      o3_1 = fma(p3, v1, o3_1);
    }
    workgroupBarrier();
  }

  if (n0 + 0 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o0_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o0_1 * share); }
  }
  if (n0 + 1 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o1_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o1_1 * share); }
  }
  if (n0 + 2 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o2_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o2_1 * share); }
  }
  if (n0 + 3 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o3_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o3_1 * share); }
  }
}
`,
  "attention@BQ=4,DJ=8,SUBGROUPS=0": `const BQ: u32 = 4u;
const DJ: u32 = 8u;
const SUBGROUPS: u32 = 0u;
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


const LANES: u32 = 64u;
const NOTHING: f32 = -3e38;  // below every score, and finite: exp(NOTHING − NOTHING) would be NaN otherwise

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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       Q: array<qElem>;
@group(0) @binding(2) var<storage, read>       K: array<kElem>;
@group(0) @binding(3) var<storage, read>       V: array<vElem>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<oElem>;

var<workgroup> P: array<f32, BQ * LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
) {
  let b = s.b0 + group.y / s.headsHere;
  let h = s.h0 + group.y % s.headsHere;
  let n0 = s.q0 + group.x * BQ;
  let d0 = group.z * LANES * DJ + lane;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = s.vFirst + b * s.vSample + h * s.vHead;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let q0 = s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = NOTHING;
  var sum0 = 0.0;
  var o0_0 = 0.0;
  var o0_1 = 0.0;
  var o0_2 = 0.0;
  var o0_3 = 0.0;
  var o0_4 = 0.0;
  var o0_5 = 0.0;
  var o0_6 = 0.0;
  var o0_7 = 0.0;
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let q1 = s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = NOTHING;
  var sum1 = 0.0;
  var o1_0 = 0.0;
  var o1_1 = 0.0;
  var o1_2 = 0.0;
  var o1_3 = 0.0;
  var o1_4 = 0.0;
  var o1_5 = 0.0;
  var o1_6 = 0.0;
  var o1_7 = 0.0;
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let q2 = s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = NOTHING;
  var sum2 = 0.0;
  var o2_0 = 0.0;
  var o2_1 = 0.0;
  var o2_2 = 0.0;
  var o2_3 = 0.0;
  var o2_4 = 0.0;
  var o2_5 = 0.0;
  var o2_6 = 0.0;
  var o2_7 = 0.0;
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let q3 = s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = NOTHING;
  var sum3 = 0.0;
  var o3_0 = 0.0;
  var o3_1 = 0.0;
  var o3_2 = 0.0;
  var o3_3 = 0.0;
  var o3_4 = 0.0;
  var o3_5 = 0.0;
  var o3_6 = 0.0;
  var o3_7 = 0.0;

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, min(n0 + BQ, s.qEnd)); }  // later keys serve none of these queries
  for (var k0 = 0u; k0 < keys; k0 += LANES) {
    let key = k0 + lane;
    var score0 = NOTHING;
    var score1 = NOTHING;
    var score2 = NOTHING;
    var score3 = NOTHING;
    var kept = key < s.Lk;
    if (MASK == 1u && kept) { kept = keep[b * s.Lk + key] != 0.0; }
    if (kept) {
      var dot0 = 0.0;
      var dot1 = 0.0;
      var dot2 = 0.0;
      var dot3 = 0.0;
      let at = kHead + key * s.kRow;
      for (var d = 0u; d < s.D; d++) {
        let k = f32(K[at + d]);
        dot0 = fma(f32(Q[q0 + d]), k, dot0);
        dot1 = fma(f32(Q[q1 + d]), k, dot1);
        dot2 = fma(f32(Q[q2 + d]), k, dot2);
        dot3 = fma(f32(Q[q3 + d]), k, dot3);
      }
      if (CAUSAL == 0u || key <= row0) {
        score0 = dot0 * s.scale;
        if (BIAS == 1u) { score0 = max(score0 + bias[bias0 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row1) {
        score1 = dot1 * s.scale;
        if (BIAS == 1u) { score1 = max(score1 + bias[bias1 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row2) {
        score2 = dot2 * s.scale;
        if (BIAS == 1u) { score2 = max(score2 + bias[bias2 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row3) {
        score3 = dot3 * s.scale;
        if (BIAS == 1u) { score3 = max(score3 + bias[bias3 + key], -2e38); }
      }
    }
    P[0 * LANES + lane] = score0;
    P[1 * LANES + lane] = score1;
    P[2 * LANES + lane] = score2;
    P[3 * LANES + lane] = score3;
    workgroupBarrier();
    var top0 = max0;
    for (var t = 0u; t < LANES; t++) { top0 = max(top0, P[0 * LANES + t]); }
    var top1 = max1;
    for (var t = 0u; t < LANES; t++) { top1 = max(top1, P[1 * LANES + t]); }
    var top2 = max2;
    for (var t = 0u; t < LANES; t++) { top2 = max(top2, P[2 * LANES + t]); }
    var top3 = max3;
    for (var t = 0u; t < LANES; t++) { top3 = max(top3, P[3 * LANES + t]); }
    let fade0 = exp(max0 - top0);
    max0 = top0;
    sum0 *= fade0;
    o0_0 *= fade0;
    o0_1 *= fade0;
    o0_2 *= fade0;
    o0_3 *= fade0;
    o0_4 *= fade0;
    o0_5 *= fade0;
    o0_6 *= fade0;
    o0_7 *= fade0;
    let fade1 = exp(max1 - top1);
    max1 = top1;
    sum1 *= fade1;
    o1_0 *= fade1;
    o1_1 *= fade1;
    o1_2 *= fade1;
    o1_3 *= fade1;
    o1_4 *= fade1;
    o1_5 *= fade1;
    o1_6 *= fade1;
    o1_7 *= fade1;
    let fade2 = exp(max2 - top2);
    max2 = top2;
    sum2 *= fade2;
    o2_0 *= fade2;
    o2_1 *= fade2;
    o2_2 *= fade2;
    o2_3 *= fade2;
    o2_4 *= fade2;
    o2_5 *= fade2;
    o2_6 *= fade2;
    o2_7 *= fade2;
    let fade3 = exp(max3 - top3);
    max3 = top3;
    sum3 *= fade3;
    o3_0 *= fade3;
    o3_1 *= fade3;
    o3_2 *= fade3;
    o3_3 *= fade3;
    o3_4 *= fade3;
    o3_5 *= fade3;
    o3_6 *= fade3;
    o3_7 *= fade3;
    workgroupBarrier();
    P[0 * LANES + lane] = select(0.0, exp(score0 - max0), score0 > NOTHING);
    P[1 * LANES + lane] = select(0.0, exp(score1 - max1), score1 > NOTHING);
    P[2 * LANES + lane] = select(0.0, exp(score2 - max2), score2 > NOTHING);
    P[3 * LANES + lane] = select(0.0, exp(score3 - max3), score3 > NOTHING);
    workgroupBarrier();
    for (var t = 0u; t < min(LANES, s.Lk - k0); t++) {
      let at = vHead + (k0 + t) * s.vRow + d0;
      var v0 = 0.0;
      if (d0 + 0 * LANES < s.D) { v0 = f32(V[at + 0 * LANES]); }
      var v1 = 0.0;
      if (d0 + 1 * LANES < s.D) { v1 = f32(V[at + 1 * LANES]); }
      var v2 = 0.0;
      if (d0 + 2 * LANES < s.D) { v2 = f32(V[at + 2 * LANES]); }
      var v3 = 0.0;
      if (d0 + 3 * LANES < s.D) { v3 = f32(V[at + 3 * LANES]); }
      var v4 = 0.0;
      if (d0 + 4 * LANES < s.D) { v4 = f32(V[at + 4 * LANES]); }
      var v5 = 0.0;
      if (d0 + 5 * LANES < s.D) { v5 = f32(V[at + 5 * LANES]); }
      var v6 = 0.0;
      if (d0 + 6 * LANES < s.D) { v6 = f32(V[at + 6 * LANES]); }
      var v7 = 0.0;
      if (d0 + 7 * LANES < s.D) { v7 = f32(V[at + 7 * LANES]); }
      let p0 = P[0 * LANES + t];
      sum0 += p0;
      o0_0 = fma(p0, v0, o0_0);
      o0_1 = fma(p0, v1, o0_1);
      o0_2 = fma(p0, v2, o0_2);
      o0_3 = fma(p0, v3, o0_3);
      o0_4 = fma(p0, v4, o0_4);
      o0_5 = fma(p0, v5, o0_5);
      o0_6 = fma(p0, v6, o0_6);
      o0_7 = fma(p0, v7, o0_7);
      let p1 = P[1 * LANES + t];
      sum1 += p1;
      o1_0 = fma(p1, v0, o1_0);
      o1_1 = fma(p1, v1, o1_1);
      o1_2 = fma(p1, v2, o1_2);
      o1_3 = fma(p1, v3, o1_3);
      o1_4 = fma(p1, v4, o1_4);
      o1_5 = fma(p1, v5, o1_5);
      o1_6 = fma(p1, v6, o1_6);
      o1_7 = fma(p1, v7, o1_7);
      let p2 = P[2 * LANES + t];
      sum2 += p2;
      o2_0 = fma(p2, v0, o2_0);
      o2_1 = fma(p2, v1, o2_1);
      o2_2 = fma(p2, v2, o2_2);
      o2_3 = fma(p2, v3, o2_3);
      o2_4 = fma(p2, v4, o2_4);
      o2_5 = fma(p2, v5, o2_5);
      o2_6 = fma(p2, v6, o2_6);
      o2_7 = fma(p2, v7, o2_7);
      let p3 = P[3 * LANES + t];
      sum3 += p3;
      o3_0 = fma(p3, v0, o3_0);
      o3_1 = fma(p3, v1, o3_1);
      o3_2 = fma(p3, v2, o3_2);
      o3_3 = fma(p3, v3, o3_3);
      o3_4 = fma(p3, v4, o3_4);
      o3_5 = fma(p3, v5, o3_5);
      o3_6 = fma(p3, v6, o3_6);
      o3_7 = fma(p3, v7, o3_7);
    }
    workgroupBarrier();
  }

  if (n0 + 0 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o0_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o0_1 * share); }
    if (d0 + 2 * LANES < s.D) { O[o + 2 * LANES] = oElem(o0_2 * share); }
    if (d0 + 3 * LANES < s.D) { O[o + 3 * LANES] = oElem(o0_3 * share); }
    if (d0 + 4 * LANES < s.D) { O[o + 4 * LANES] = oElem(o0_4 * share); }
    if (d0 + 5 * LANES < s.D) { O[o + 5 * LANES] = oElem(o0_5 * share); }
    if (d0 + 6 * LANES < s.D) { O[o + 6 * LANES] = oElem(o0_6 * share); }
    if (d0 + 7 * LANES < s.D) { O[o + 7 * LANES] = oElem(o0_7 * share); }
  }
  if (n0 + 1 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o1_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o1_1 * share); }
    if (d0 + 2 * LANES < s.D) { O[o + 2 * LANES] = oElem(o1_2 * share); }
    if (d0 + 3 * LANES < s.D) { O[o + 3 * LANES] = oElem(o1_3 * share); }
    if (d0 + 4 * LANES < s.D) { O[o + 4 * LANES] = oElem(o1_4 * share); }
    if (d0 + 5 * LANES < s.D) { O[o + 5 * LANES] = oElem(o1_5 * share); }
    if (d0 + 6 * LANES < s.D) { O[o + 6 * LANES] = oElem(o1_6 * share); }
    if (d0 + 7 * LANES < s.D) { O[o + 7 * LANES] = oElem(o1_7 * share); }
  }
  if (n0 + 2 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o2_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o2_1 * share); }
    if (d0 + 2 * LANES < s.D) { O[o + 2 * LANES] = oElem(o2_2 * share); }
    if (d0 + 3 * LANES < s.D) { O[o + 3 * LANES] = oElem(o2_3 * share); }
    if (d0 + 4 * LANES < s.D) { O[o + 4 * LANES] = oElem(o2_4 * share); }
    if (d0 + 5 * LANES < s.D) { O[o + 5 * LANES] = oElem(o2_5 * share); }
    if (d0 + 6 * LANES < s.D) { O[o + 6 * LANES] = oElem(o2_6 * share); }
    if (d0 + 7 * LANES < s.D) { O[o + 7 * LANES] = oElem(o2_7 * share); }
  }
  if (n0 + 3 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o3_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o3_1 * share); }
    if (d0 + 2 * LANES < s.D) { O[o + 2 * LANES] = oElem(o3_2 * share); }
    if (d0 + 3 * LANES < s.D) { O[o + 3 * LANES] = oElem(o3_3 * share); }
    if (d0 + 4 * LANES < s.D) { O[o + 4 * LANES] = oElem(o3_4 * share); }
    if (d0 + 5 * LANES < s.D) { O[o + 5 * LANES] = oElem(o3_5 * share); }
    if (d0 + 6 * LANES < s.D) { O[o + 6 * LANES] = oElem(o3_6 * share); }
    if (d0 + 7 * LANES < s.D) { O[o + 7 * LANES] = oElem(o3_7 * share); }
  }
}
`,
  "attention@BQ=4,DJ=1,SUBGROUPS=1": `const BQ: u32 = 4u;
const DJ: u32 = 1u;
const SUBGROUPS: u32 = 1u;
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


const LANES: u32 = 64u;
const NOTHING: f32 = -3e38;  // below every score, and finite: exp(NOTHING − NOTHING) would be NaN otherwise

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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       Q: array<qElem>;
@group(0) @binding(2) var<storage, read>       K: array<kElem>;
@group(0) @binding(3) var<storage, read>       V: array<vElem>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<oElem>;

var<workgroup> P: array<f32, BQ * LANES>;
var<workgroup> tops: array<f32, BQ * LANES>;   // [query][subgroup]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_size) size: u32,
) {
  let b = s.b0 + group.y / s.headsHere;
  let h = s.h0 + group.y % s.headsHere;
  let n0 = s.q0 + group.x * BQ;
  let d0 = group.z * LANES * DJ + lane;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = s.vFirst + b * s.vSample + h * s.vHead;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let q0 = s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = NOTHING;
  var sum0 = 0.0;
  var o0_0 = 0.0;
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let q1 = s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = NOTHING;
  var sum1 = 0.0;
  var o1_0 = 0.0;
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let q2 = s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = NOTHING;
  var sum2 = 0.0;
  var o2_0 = 0.0;
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let q3 = s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = NOTHING;
  var sum3 = 0.0;
  var o3_0 = 0.0;

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, min(n0 + BQ, s.qEnd)); }  // later keys serve none of these queries
  for (var k0 = 0u; k0 < keys; k0 += LANES) {
    let key = k0 + lane;
    var score0 = NOTHING;
    var score1 = NOTHING;
    var score2 = NOTHING;
    var score3 = NOTHING;
    var kept = key < s.Lk;
    if (MASK == 1u && kept) { kept = keep[b * s.Lk + key] != 0.0; }
    if (kept) {
      var dot0 = 0.0;
      var dot1 = 0.0;
      var dot2 = 0.0;
      var dot3 = 0.0;
      let at = kHead + key * s.kRow;
      for (var d = 0u; d < s.D; d++) {
        let k = f32(K[at + d]);
        dot0 = fma(f32(Q[q0 + d]), k, dot0);
        dot1 = fma(f32(Q[q1 + d]), k, dot1);
        dot2 = fma(f32(Q[q2 + d]), k, dot2);
        dot3 = fma(f32(Q[q3 + d]), k, dot3);
      }
      if (CAUSAL == 0u || key <= row0) {
        score0 = dot0 * s.scale;
        if (BIAS == 1u) { score0 = max(score0 + bias[bias0 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row1) {
        score1 = dot1 * s.scale;
        if (BIAS == 1u) { score1 = max(score1 + bias[bias1 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row2) {
        score2 = dot2 * s.scale;
        if (BIAS == 1u) { score2 = max(score2 + bias[bias2 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row3) {
        score3 = dot3 * s.scale;
        if (BIAS == 1u) { score3 = max(score3 + bias[bias3 + key], -2e38); }
      }
    }
    // Subgroups are runs of \`size\` neighbours, as every implementation lays a one-dimensional workgroup out.
    tops[0 * LANES + lane / size] = subgroupMax(score0);
    tops[1 * LANES + lane / size] = subgroupMax(score1);
    tops[2 * LANES + lane / size] = subgroupMax(score2);
    tops[3 * LANES + lane / size] = subgroupMax(score3);
    workgroupBarrier();
    var top0 = max0;
    for (var t = 0u; t * size < LANES; t++) { top0 = max(top0, tops[0 * LANES + t]); }
    var top1 = max1;
    for (var t = 0u; t * size < LANES; t++) { top1 = max(top1, tops[1 * LANES + t]); }
    var top2 = max2;
    for (var t = 0u; t * size < LANES; t++) { top2 = max(top2, tops[2 * LANES + t]); }
    var top3 = max3;
    for (var t = 0u; t * size < LANES; t++) { top3 = max(top3, tops[3 * LANES + t]); }
    let fade0 = exp(max0 - top0);
    max0 = top0;
    sum0 *= fade0;
    o0_0 *= fade0;
    let fade1 = exp(max1 - top1);
    max1 = top1;
    sum1 *= fade1;
    o1_0 *= fade1;
    let fade2 = exp(max2 - top2);
    max2 = top2;
    sum2 *= fade2;
    o2_0 *= fade2;
    let fade3 = exp(max3 - top3);
    max3 = top3;
    sum3 *= fade3;
    o3_0 *= fade3;
    workgroupBarrier();
    P[0 * LANES + lane] = select(0.0, exp(score0 - max0), score0 > NOTHING);
    P[1 * LANES + lane] = select(0.0, exp(score1 - max1), score1 > NOTHING);
    P[2 * LANES + lane] = select(0.0, exp(score2 - max2), score2 > NOTHING);
    P[3 * LANES + lane] = select(0.0, exp(score3 - max3), score3 > NOTHING);
    workgroupBarrier();
    for (var t = 0u; t < min(LANES, s.Lk - k0); t++) {
      let at = vHead + (k0 + t) * s.vRow + d0;
      var v0 = 0.0;
      if (d0 + 0 * LANES < s.D) { v0 = f32(V[at + 0 * LANES]); }
      let p0 = P[0 * LANES + t];
      sum0 += p0;
      o0_0 = fma(p0, v0, o0_0);
      let p1 = P[1 * LANES + t];
      sum1 += p1;
      o1_0 = fma(p1, v0, o1_0);
      let p2 = P[2 * LANES + t];
      sum2 += p2;
      o2_0 = fma(p2, v0, o2_0);
      let p3 = P[3 * LANES + t];
      sum3 += p3;
      o3_0 = fma(p3, v0, o3_0);
    }
    workgroupBarrier();
  }

  if (n0 + 0 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o0_0 * share); }
  }
  if (n0 + 1 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o1_0 * share); }
  }
  if (n0 + 2 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o2_0 * share); }
  }
  if (n0 + 3 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o3_0 * share); }
  }
}
`,
  "attention@BQ=4,DJ=2,SUBGROUPS=1": `const BQ: u32 = 4u;
const DJ: u32 = 2u;
const SUBGROUPS: u32 = 1u;
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


const LANES: u32 = 64u;
const NOTHING: f32 = -3e38;  // below every score, and finite: exp(NOTHING − NOTHING) would be NaN otherwise

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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       Q: array<qElem>;
@group(0) @binding(2) var<storage, read>       K: array<kElem>;
@group(0) @binding(3) var<storage, read>       V: array<vElem>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<oElem>;

var<workgroup> P: array<f32, BQ * LANES>;
var<workgroup> tops: array<f32, BQ * LANES>;   // [query][subgroup]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_size) size: u32,
) {
  let b = s.b0 + group.y / s.headsHere;
  let h = s.h0 + group.y % s.headsHere;
  let n0 = s.q0 + group.x * BQ;
  let d0 = group.z * LANES * DJ + lane;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = s.vFirst + b * s.vSample + h * s.vHead;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let q0 = s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = NOTHING;
  var sum0 = 0.0;
  var o0_0 = 0.0;
  var o0_1 = 0.0;
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let q1 = s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = NOTHING;
  var sum1 = 0.0;
  var o1_0 = 0.0;
  var o1_1 = 0.0;
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let q2 = s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = NOTHING;
  var sum2 = 0.0;
  var o2_0 = 0.0;
  var o2_1 = 0.0;
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let q3 = s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = NOTHING;
  var sum3 = 0.0;
  var o3_0 = 0.0;
  var o3_1 = 0.0;

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, min(n0 + BQ, s.qEnd)); }  // later keys serve none of these queries
  for (var k0 = 0u; k0 < keys; k0 += LANES) {
    let key = k0 + lane;
    var score0 = NOTHING;
    var score1 = NOTHING;
    var score2 = NOTHING;
    var score3 = NOTHING;
    var kept = key < s.Lk;
    if (MASK == 1u && kept) { kept = keep[b * s.Lk + key] != 0.0; }
    if (kept) {
      var dot0 = 0.0;
      var dot1 = 0.0;
      var dot2 = 0.0;
      var dot3 = 0.0;
      let at = kHead + key * s.kRow;
      for (var d = 0u; d < s.D; d++) {
        let k = f32(K[at + d]);
        dot0 = fma(f32(Q[q0 + d]), k, dot0);
        dot1 = fma(f32(Q[q1 + d]), k, dot1);
        dot2 = fma(f32(Q[q2 + d]), k, dot2);
        dot3 = fma(f32(Q[q3 + d]), k, dot3);
      }
      if (CAUSAL == 0u || key <= row0) {
        score0 = dot0 * s.scale;
        if (BIAS == 1u) { score0 = max(score0 + bias[bias0 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row1) {
        score1 = dot1 * s.scale;
        if (BIAS == 1u) { score1 = max(score1 + bias[bias1 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row2) {
        score2 = dot2 * s.scale;
        if (BIAS == 1u) { score2 = max(score2 + bias[bias2 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row3) {
        score3 = dot3 * s.scale;
        if (BIAS == 1u) { score3 = max(score3 + bias[bias3 + key], -2e38); }
      }
    }
    // Subgroups are runs of \`size\` neighbours, as every implementation lays a one-dimensional workgroup out.
    tops[0 * LANES + lane / size] = subgroupMax(score0);
    tops[1 * LANES + lane / size] = subgroupMax(score1);
    tops[2 * LANES + lane / size] = subgroupMax(score2);
    tops[3 * LANES + lane / size] = subgroupMax(score3);
    workgroupBarrier();
    var top0 = max0;
    for (var t = 0u; t * size < LANES; t++) { top0 = max(top0, tops[0 * LANES + t]); }
    var top1 = max1;
    for (var t = 0u; t * size < LANES; t++) { top1 = max(top1, tops[1 * LANES + t]); }
    var top2 = max2;
    for (var t = 0u; t * size < LANES; t++) { top2 = max(top2, tops[2 * LANES + t]); }
    var top3 = max3;
    for (var t = 0u; t * size < LANES; t++) { top3 = max(top3, tops[3 * LANES + t]); }
    let fade0 = exp(max0 - top0);
    max0 = top0;
    sum0 *= fade0;
    o0_0 *= fade0;
    o0_1 *= fade0;
    let fade1 = exp(max1 - top1);
    max1 = top1;
    sum1 *= fade1;
    o1_0 *= fade1;
    o1_1 *= fade1;
    let fade2 = exp(max2 - top2);
    max2 = top2;
    sum2 *= fade2;
    o2_0 *= fade2;
    o2_1 *= fade2;
    let fade3 = exp(max3 - top3);
    max3 = top3;
    sum3 *= fade3;
    o3_0 *= fade3;
    o3_1 *= fade3;
    workgroupBarrier();
    P[0 * LANES + lane] = select(0.0, exp(score0 - max0), score0 > NOTHING);
    P[1 * LANES + lane] = select(0.0, exp(score1 - max1), score1 > NOTHING);
    P[2 * LANES + lane] = select(0.0, exp(score2 - max2), score2 > NOTHING);
    P[3 * LANES + lane] = select(0.0, exp(score3 - max3), score3 > NOTHING);
    workgroupBarrier();
    for (var t = 0u; t < min(LANES, s.Lk - k0); t++) {
      let at = vHead + (k0 + t) * s.vRow + d0;
      var v0 = 0.0;
      if (d0 + 0 * LANES < s.D) { v0 = f32(V[at + 0 * LANES]); }
      var v1 = 0.0;
      if (d0 + 1 * LANES < s.D) { v1 = f32(V[at + 1 * LANES]); }
      let p0 = P[0 * LANES + t];
      sum0 += p0;
      o0_0 = fma(p0, v0, o0_0);
      o0_1 = fma(p0, v1, o0_1);
      let p1 = P[1 * LANES + t];
      sum1 += p1;
      o1_0 = fma(p1, v0, o1_0);
      o1_1 = fma(p1, v1, o1_1);
      let p2 = P[2 * LANES + t];
      sum2 += p2;
      o2_0 = fma(p2, v0, o2_0);
      o2_1 = fma(p2, v1, o2_1);
      let p3 = P[3 * LANES + t];
      sum3 += p3;
      o3_0 = fma(p3, v0, o3_0);
      o3_1 = fma(p3, v1, o3_1);
    }
    workgroupBarrier();
  }

  if (n0 + 0 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o0_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o0_1 * share); }
  }
  if (n0 + 1 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o1_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o1_1 * share); }
  }
  if (n0 + 2 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o2_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o2_1 * share); }
  }
  if (n0 + 3 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o3_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o3_1 * share); }
  }
}
`,
  "attention@BQ=4,DJ=8,SUBGROUPS=1": `const BQ: u32 = 4u;
const DJ: u32 = 8u;
const SUBGROUPS: u32 = 1u;
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


const LANES: u32 = 64u;
const NOTHING: f32 = -3e38;  // below every score, and finite: exp(NOTHING − NOTHING) would be NaN otherwise

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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       Q: array<qElem>;
@group(0) @binding(2) var<storage, read>       K: array<kElem>;
@group(0) @binding(3) var<storage, read>       V: array<vElem>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<oElem>;

var<workgroup> P: array<f32, BQ * LANES>;
var<workgroup> tops: array<f32, BQ * LANES>;   // [query][subgroup]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_size) size: u32,
) {
  let b = s.b0 + group.y / s.headsHere;
  let h = s.h0 + group.y % s.headsHere;
  let n0 = s.q0 + group.x * BQ;
  let d0 = group.z * LANES * DJ + lane;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = s.vFirst + b * s.vSample + h * s.vHead;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let q0 = s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = NOTHING;
  var sum0 = 0.0;
  var o0_0 = 0.0;
  var o0_1 = 0.0;
  var o0_2 = 0.0;
  var o0_3 = 0.0;
  var o0_4 = 0.0;
  var o0_5 = 0.0;
  var o0_6 = 0.0;
  var o0_7 = 0.0;
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let q1 = s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = NOTHING;
  var sum1 = 0.0;
  var o1_0 = 0.0;
  var o1_1 = 0.0;
  var o1_2 = 0.0;
  var o1_3 = 0.0;
  var o1_4 = 0.0;
  var o1_5 = 0.0;
  var o1_6 = 0.0;
  var o1_7 = 0.0;
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let q2 = s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = NOTHING;
  var sum2 = 0.0;
  var o2_0 = 0.0;
  var o2_1 = 0.0;
  var o2_2 = 0.0;
  var o2_3 = 0.0;
  var o2_4 = 0.0;
  var o2_5 = 0.0;
  var o2_6 = 0.0;
  var o2_7 = 0.0;
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let q3 = s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = NOTHING;
  var sum3 = 0.0;
  var o3_0 = 0.0;
  var o3_1 = 0.0;
  var o3_2 = 0.0;
  var o3_3 = 0.0;
  var o3_4 = 0.0;
  var o3_5 = 0.0;
  var o3_6 = 0.0;
  var o3_7 = 0.0;

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, min(n0 + BQ, s.qEnd)); }  // later keys serve none of these queries
  for (var k0 = 0u; k0 < keys; k0 += LANES) {
    let key = k0 + lane;
    var score0 = NOTHING;
    var score1 = NOTHING;
    var score2 = NOTHING;
    var score3 = NOTHING;
    var kept = key < s.Lk;
    if (MASK == 1u && kept) { kept = keep[b * s.Lk + key] != 0.0; }
    if (kept) {
      var dot0 = 0.0;
      var dot1 = 0.0;
      var dot2 = 0.0;
      var dot3 = 0.0;
      let at = kHead + key * s.kRow;
      for (var d = 0u; d < s.D; d++) {
        let k = f32(K[at + d]);
        dot0 = fma(f32(Q[q0 + d]), k, dot0);
        dot1 = fma(f32(Q[q1 + d]), k, dot1);
        dot2 = fma(f32(Q[q2 + d]), k, dot2);
        dot3 = fma(f32(Q[q3 + d]), k, dot3);
      }
      if (CAUSAL == 0u || key <= row0) {
        score0 = dot0 * s.scale;
        if (BIAS == 1u) { score0 = max(score0 + bias[bias0 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row1) {
        score1 = dot1 * s.scale;
        if (BIAS == 1u) { score1 = max(score1 + bias[bias1 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row2) {
        score2 = dot2 * s.scale;
        if (BIAS == 1u) { score2 = max(score2 + bias[bias2 + key], -2e38); }
      }
      if (CAUSAL == 0u || key <= row3) {
        score3 = dot3 * s.scale;
        if (BIAS == 1u) { score3 = max(score3 + bias[bias3 + key], -2e38); }
      }
    }
    // Subgroups are runs of \`size\` neighbours, as every implementation lays a one-dimensional workgroup out.
    tops[0 * LANES + lane / size] = subgroupMax(score0);
    tops[1 * LANES + lane / size] = subgroupMax(score1);
    tops[2 * LANES + lane / size] = subgroupMax(score2);
    tops[3 * LANES + lane / size] = subgroupMax(score3);
    workgroupBarrier();
    var top0 = max0;
    for (var t = 0u; t * size < LANES; t++) { top0 = max(top0, tops[0 * LANES + t]); }
    var top1 = max1;
    for (var t = 0u; t * size < LANES; t++) { top1 = max(top1, tops[1 * LANES + t]); }
    var top2 = max2;
    for (var t = 0u; t * size < LANES; t++) { top2 = max(top2, tops[2 * LANES + t]); }
    var top3 = max3;
    for (var t = 0u; t * size < LANES; t++) { top3 = max(top3, tops[3 * LANES + t]); }
    let fade0 = exp(max0 - top0);
    max0 = top0;
    sum0 *= fade0;
    o0_0 *= fade0;
    o0_1 *= fade0;
    o0_2 *= fade0;
    o0_3 *= fade0;
    o0_4 *= fade0;
    o0_5 *= fade0;
    o0_6 *= fade0;
    o0_7 *= fade0;
    let fade1 = exp(max1 - top1);
    max1 = top1;
    sum1 *= fade1;
    o1_0 *= fade1;
    o1_1 *= fade1;
    o1_2 *= fade1;
    o1_3 *= fade1;
    o1_4 *= fade1;
    o1_5 *= fade1;
    o1_6 *= fade1;
    o1_7 *= fade1;
    let fade2 = exp(max2 - top2);
    max2 = top2;
    sum2 *= fade2;
    o2_0 *= fade2;
    o2_1 *= fade2;
    o2_2 *= fade2;
    o2_3 *= fade2;
    o2_4 *= fade2;
    o2_5 *= fade2;
    o2_6 *= fade2;
    o2_7 *= fade2;
    let fade3 = exp(max3 - top3);
    max3 = top3;
    sum3 *= fade3;
    o3_0 *= fade3;
    o3_1 *= fade3;
    o3_2 *= fade3;
    o3_3 *= fade3;
    o3_4 *= fade3;
    o3_5 *= fade3;
    o3_6 *= fade3;
    o3_7 *= fade3;
    workgroupBarrier();
    P[0 * LANES + lane] = select(0.0, exp(score0 - max0), score0 > NOTHING);
    P[1 * LANES + lane] = select(0.0, exp(score1 - max1), score1 > NOTHING);
    P[2 * LANES + lane] = select(0.0, exp(score2 - max2), score2 > NOTHING);
    P[3 * LANES + lane] = select(0.0, exp(score3 - max3), score3 > NOTHING);
    workgroupBarrier();
    for (var t = 0u; t < min(LANES, s.Lk - k0); t++) {
      let at = vHead + (k0 + t) * s.vRow + d0;
      var v0 = 0.0;
      if (d0 + 0 * LANES < s.D) { v0 = f32(V[at + 0 * LANES]); }
      var v1 = 0.0;
      if (d0 + 1 * LANES < s.D) { v1 = f32(V[at + 1 * LANES]); }
      var v2 = 0.0;
      if (d0 + 2 * LANES < s.D) { v2 = f32(V[at + 2 * LANES]); }
      var v3 = 0.0;
      if (d0 + 3 * LANES < s.D) { v3 = f32(V[at + 3 * LANES]); }
      var v4 = 0.0;
      if (d0 + 4 * LANES < s.D) { v4 = f32(V[at + 4 * LANES]); }
      var v5 = 0.0;
      if (d0 + 5 * LANES < s.D) { v5 = f32(V[at + 5 * LANES]); }
      var v6 = 0.0;
      if (d0 + 6 * LANES < s.D) { v6 = f32(V[at + 6 * LANES]); }
      var v7 = 0.0;
      if (d0 + 7 * LANES < s.D) { v7 = f32(V[at + 7 * LANES]); }
      let p0 = P[0 * LANES + t];
      sum0 += p0;
      o0_0 = fma(p0, v0, o0_0);
      o0_1 = fma(p0, v1, o0_1);
      o0_2 = fma(p0, v2, o0_2);
      o0_3 = fma(p0, v3, o0_3);
      o0_4 = fma(p0, v4, o0_4);
      o0_5 = fma(p0, v5, o0_5);
      o0_6 = fma(p0, v6, o0_6);
      o0_7 = fma(p0, v7, o0_7);
      let p1 = P[1 * LANES + t];
      sum1 += p1;
      o1_0 = fma(p1, v0, o1_0);
      o1_1 = fma(p1, v1, o1_1);
      o1_2 = fma(p1, v2, o1_2);
      o1_3 = fma(p1, v3, o1_3);
      o1_4 = fma(p1, v4, o1_4);
      o1_5 = fma(p1, v5, o1_5);
      o1_6 = fma(p1, v6, o1_6);
      o1_7 = fma(p1, v7, o1_7);
      let p2 = P[2 * LANES + t];
      sum2 += p2;
      o2_0 = fma(p2, v0, o2_0);
      o2_1 = fma(p2, v1, o2_1);
      o2_2 = fma(p2, v2, o2_2);
      o2_3 = fma(p2, v3, o2_3);
      o2_4 = fma(p2, v4, o2_4);
      o2_5 = fma(p2, v5, o2_5);
      o2_6 = fma(p2, v6, o2_6);
      o2_7 = fma(p2, v7, o2_7);
      let p3 = P[3 * LANES + t];
      sum3 += p3;
      o3_0 = fma(p3, v0, o3_0);
      o3_1 = fma(p3, v1, o3_1);
      o3_2 = fma(p3, v2, o3_2);
      o3_3 = fma(p3, v3, o3_3);
      o3_4 = fma(p3, v4, o3_4);
      o3_5 = fma(p3, v5, o3_5);
      o3_6 = fma(p3, v6, o3_6);
      o3_7 = fma(p3, v7, o3_7);
    }
    workgroupBarrier();
  }

  if (n0 + 0 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o0_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o0_1 * share); }
    if (d0 + 2 * LANES < s.D) { O[o + 2 * LANES] = oElem(o0_2 * share); }
    if (d0 + 3 * LANES < s.D) { O[o + 3 * LANES] = oElem(o0_3 * share); }
    if (d0 + 4 * LANES < s.D) { O[o + 4 * LANES] = oElem(o0_4 * share); }
    if (d0 + 5 * LANES < s.D) { O[o + 5 * LANES] = oElem(o0_5 * share); }
    if (d0 + 6 * LANES < s.D) { O[o + 6 * LANES] = oElem(o0_6 * share); }
    if (d0 + 7 * LANES < s.D) { O[o + 7 * LANES] = oElem(o0_7 * share); }
  }
  if (n0 + 1 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o1_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o1_1 * share); }
    if (d0 + 2 * LANES < s.D) { O[o + 2 * LANES] = oElem(o1_2 * share); }
    if (d0 + 3 * LANES < s.D) { O[o + 3 * LANES] = oElem(o1_3 * share); }
    if (d0 + 4 * LANES < s.D) { O[o + 4 * LANES] = oElem(o1_4 * share); }
    if (d0 + 5 * LANES < s.D) { O[o + 5 * LANES] = oElem(o1_5 * share); }
    if (d0 + 6 * LANES < s.D) { O[o + 6 * LANES] = oElem(o1_6 * share); }
    if (d0 + 7 * LANES < s.D) { O[o + 7 * LANES] = oElem(o1_7 * share); }
  }
  if (n0 + 2 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o2_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o2_1 * share); }
    if (d0 + 2 * LANES < s.D) { O[o + 2 * LANES] = oElem(o2_2 * share); }
    if (d0 + 3 * LANES < s.D) { O[o + 3 * LANES] = oElem(o2_3 * share); }
    if (d0 + 4 * LANES < s.D) { O[o + 4 * LANES] = oElem(o2_4 * share); }
    if (d0 + 5 * LANES < s.D) { O[o + 5 * LANES] = oElem(o2_5 * share); }
    if (d0 + 6 * LANES < s.D) { O[o + 6 * LANES] = oElem(o2_6 * share); }
    if (d0 + 7 * LANES < s.D) { O[o + 7 * LANES] = oElem(o2_7 * share); }
  }
  if (n0 + 3 < s.qEnd) {
    let o = s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + d0;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (d0 + 0 * LANES < s.D) { O[o + 0 * LANES] = oElem(o3_0 * share); }
    if (d0 + 1 * LANES < s.D) { O[o + 1 * LANES] = oElem(o3_1 * share); }
    if (d0 + 2 * LANES < s.D) { O[o + 2 * LANES] = oElem(o3_2 * share); }
    if (d0 + 3 * LANES < s.D) { O[o + 3 * LANES] = oElem(o3_3 * share); }
    if (d0 + 4 * LANES < s.D) { O[o + 4 * LANES] = oElem(o3_4 * share); }
    if (d0 + 5 * LANES < s.D) { O[o + 5 * LANES] = oElem(o3_5 * share); }
    if (d0 + 6 * LANES < s.D) { O[o + 6 * LANES] = oElem(o3_6 * share); }
    if (d0 + 7 * LANES < s.D) { O[o + 7 * LANES] = oElem(o3_7 * share); }
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
  "attention_texels@RQ=8,OD=32": `const RQ: u32 = 8u;
const OD: u32 = 32u;
// attention_texels.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, everything in registers.
//
// Operands and strides as in attention_tiled.wgsl, read from textures of 2048 texels a row as one long list.
// An invocation makes RQ queries of one head and OD of its columns: no workgroup memory and no barriers, which
// suits adapters that run on a CPU; lanes read the same keys and values at the same time. x: queries, y: heads
// of samples, z: columns (the scores are then made once more for each OD of them). All sums are f32.


const NOTHING: f32 = -3e38;  // a key that does not count, below every score
const LOWEST: f32 = -2.95e38;  // between the two, so that exp2(NOTHING − maximum) is 0 also where no key counts
const LOG2E: f32 = 1.4426950409;

override WX: u32 = 8u;
override Q_TYPE: u32 = 0u;   // 0 f32, 1 f16
override KV_TYPE: u32 = 0u;
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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      Q: texture_2d<u32>;
@group(0) @binding(2) var                      K: texture_2d<u32>;
@group(0) @binding(3) var                      V: texture_2d<u32>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<vec4<oElem>>;

struct Eight { lo: vec4f, hi: vec4f }

fn place(at: u32) -> vec2u { return vec2u(at & 2047u, at >> 11u); }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn wide(lo: vec4u, hi: vec4u) -> Eight { return Eight(bitcast<vec4f>(lo), bitcast<vec4f>(hi)); }

fn loadQ(at: u32) -> Eight {
  if (Q_TYPE == 0u) { return wide(textureLoad(Q, place(at * 2u), 0), textureLoad(Q, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(Q, place(at), 0));
}

fn loadK(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(K, place(at * 2u), 0), textureLoad(K, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(K, place(at), 0));
}

fn loadV(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(V, place(at * 2u), 0), textureLoad(V, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(V, place(at), 0));
}

/// A score with everything that changes it, in units of log₂; NOTHING where the key does not count.
fn score(dot: f32, b: u32, row: u32, key: u32, biasRow: u32) -> f32 {
  // Without branches, which cost a CPU's vectors more than what they would save.
  let k = min(key, s.Lk - 1u);
  var v = dot * (s.scale * LOG2E);
  if (BIAS == 1u) { v = max(dot * s.scale + bias[biasRow + k], -2e38) * LOG2E; }
  var counts = key < s.Lk;
  if (CAUSAL == 1u) { counts = counts && key <= row; }
  if (MASK == 1u) { counts = counts && keep[b * s.Lk + k] != 0.0; }
  return select(NOTHING, v, counts);
}

@compute @workgroup_size(WX)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n0 = s.q0 + id.x * RQ;
  if (n0 >= s.qEnd) { return; }
  let b = s.b0 + id.y / s.headsHere;
  let h = s.h0 + id.y % s.headsHere;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = (s.vFirst + b * s.vSample + h * s.vHead + id.z * OD) / 8u;
  let D8 = s.D / 8u;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let qAt0 = (s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow) / 8u;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = LOWEST;
  var sum0 = 0.0;
  var lo0_0 = vec4f();
  var hi0_0 = vec4f();
  var lo0_1 = vec4f();
  var hi0_1 = vec4f();
  var lo0_2 = vec4f();
  var hi0_2 = vec4f();
  var lo0_3 = vec4f();
  var hi0_3 = vec4f();
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let qAt1 = (s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow) / 8u;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = LOWEST;
  var sum1 = 0.0;
  var lo1_0 = vec4f();
  var hi1_0 = vec4f();
  var lo1_1 = vec4f();
  var hi1_1 = vec4f();
  var lo1_2 = vec4f();
  var hi1_2 = vec4f();
  var lo1_3 = vec4f();
  var hi1_3 = vec4f();
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let qAt2 = (s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow) / 8u;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = LOWEST;
  var sum2 = 0.0;
  var lo2_0 = vec4f();
  var hi2_0 = vec4f();
  var lo2_1 = vec4f();
  var hi2_1 = vec4f();
  var lo2_2 = vec4f();
  var hi2_2 = vec4f();
  var lo2_3 = vec4f();
  var hi2_3 = vec4f();
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let qAt3 = (s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow) / 8u;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = LOWEST;
  var sum3 = 0.0;
  var lo3_0 = vec4f();
  var hi3_0 = vec4f();
  var lo3_1 = vec4f();
  var hi3_1 = vec4f();
  var lo3_2 = vec4f();
  var hi3_2 = vec4f();
  var lo3_3 = vec4f();
  var hi3_3 = vec4f();
  let row4 = min(n0 + 4, s.qEnd - 1u);
  let qAt4 = (s.qFirst + b * s.qSample + h * s.qHead + row4 * s.qRow) / 8u;
  let bias4 = s.biasFirst + b * s.biasSample + h * s.biasHead + row4 * s.Lk;
  var max4 = LOWEST;
  var sum4 = 0.0;
  var lo4_0 = vec4f();
  var hi4_0 = vec4f();
  var lo4_1 = vec4f();
  var hi4_1 = vec4f();
  var lo4_2 = vec4f();
  var hi4_2 = vec4f();
  var lo4_3 = vec4f();
  var hi4_3 = vec4f();
  let row5 = min(n0 + 5, s.qEnd - 1u);
  let qAt5 = (s.qFirst + b * s.qSample + h * s.qHead + row5 * s.qRow) / 8u;
  let bias5 = s.biasFirst + b * s.biasSample + h * s.biasHead + row5 * s.Lk;
  var max5 = LOWEST;
  var sum5 = 0.0;
  var lo5_0 = vec4f();
  var hi5_0 = vec4f();
  var lo5_1 = vec4f();
  var hi5_1 = vec4f();
  var lo5_2 = vec4f();
  var hi5_2 = vec4f();
  var lo5_3 = vec4f();
  var hi5_3 = vec4f();
  let row6 = min(n0 + 6, s.qEnd - 1u);
  let qAt6 = (s.qFirst + b * s.qSample + h * s.qHead + row6 * s.qRow) / 8u;
  let bias6 = s.biasFirst + b * s.biasSample + h * s.biasHead + row6 * s.Lk;
  var max6 = LOWEST;
  var sum6 = 0.0;
  var lo6_0 = vec4f();
  var hi6_0 = vec4f();
  var lo6_1 = vec4f();
  var hi6_1 = vec4f();
  var lo6_2 = vec4f();
  var hi6_2 = vec4f();
  var lo6_3 = vec4f();
  var hi6_3 = vec4f();
  let row7 = min(n0 + 7, s.qEnd - 1u);
  let qAt7 = (s.qFirst + b * s.qSample + h * s.qHead + row7 * s.qRow) / 8u;
  let bias7 = s.biasFirst + b * s.biasSample + h * s.biasHead + row7 * s.Lk;
  var max7 = LOWEST;
  var sum7 = 0.0;
  var lo7_0 = vec4f();
  var hi7_0 = vec4f();
  var lo7_1 = vec4f();
  var hi7_1 = vec4f();
  var lo7_2 = vec4f();
  var hi7_2 = vec4f();
  var lo7_3 = vec4f();
  var hi7_3 = vec4f();

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, n0 + RQ); }
  for (var k0 = 0u; k0 < keys; k0 += 8u) {
    var u0 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v0 = vec4f();
    var u1 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v1 = vec4f();
    var u2 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v2 = vec4f();
    var u3 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v3 = vec4f();
    var u4 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v4 = vec4f();
    var u5 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v5 = vec4f();
    var u6 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v6 = vec4f();
    var u7 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v7 = vec4f();
    let uAt0 = (kHead + min(k0 + 0, s.Lk - 1u) * s.kRow) / 8u;
    let vAt0 = (kHead + min(k0 + 4u + 0, s.Lk - 1u) * s.kRow) / 8u;
    let uAt1 = (kHead + min(k0 + 1, s.Lk - 1u) * s.kRow) / 8u;
    let vAt1 = (kHead + min(k0 + 4u + 1, s.Lk - 1u) * s.kRow) / 8u;
    let uAt2 = (kHead + min(k0 + 2, s.Lk - 1u) * s.kRow) / 8u;
    let vAt2 = (kHead + min(k0 + 4u + 2, s.Lk - 1u) * s.kRow) / 8u;
    let uAt3 = (kHead + min(k0 + 3, s.Lk - 1u) * s.kRow) / 8u;
    let vAt3 = (kHead + min(k0 + 4u + 3, s.Lk - 1u) * s.kRow) / 8u;
    for (var c = 0u; c < D8; c++) {
      let a0 = loadQ(qAt0 + c);
      let a1 = loadQ(qAt1 + c);
      let a2 = loadQ(qAt2 + c);
      let a3 = loadQ(qAt3 + c);
      let a4 = loadQ(qAt4 + c);
      let a5 = loadQ(qAt5 + c);
      let a6 = loadQ(qAt6 + c);
      let a7 = loadQ(qAt7 + c);
      let b0 = loadK(uAt0 + c);
      let c0 = loadK(vAt0 + c);
      u0[0] += dot(a0.lo, b0.lo) + dot(a0.hi, b0.hi);
      v0[0] += dot(a0.lo, c0.lo) + dot(a0.hi, c0.hi);
      u1[0] += dot(a1.lo, b0.lo) + dot(a1.hi, b0.hi);
      v1[0] += dot(a1.lo, c0.lo) + dot(a1.hi, c0.hi);
      u2[0] += dot(a2.lo, b0.lo) + dot(a2.hi, b0.hi);
      v2[0] += dot(a2.lo, c0.lo) + dot(a2.hi, c0.hi);
      u3[0] += dot(a3.lo, b0.lo) + dot(a3.hi, b0.hi);
      v3[0] += dot(a3.lo, c0.lo) + dot(a3.hi, c0.hi);
      u4[0] += dot(a4.lo, b0.lo) + dot(a4.hi, b0.hi);
      v4[0] += dot(a4.lo, c0.lo) + dot(a4.hi, c0.hi);
      u5[0] += dot(a5.lo, b0.lo) + dot(a5.hi, b0.hi);
      v5[0] += dot(a5.lo, c0.lo) + dot(a5.hi, c0.hi);
      u6[0] += dot(a6.lo, b0.lo) + dot(a6.hi, b0.hi);
      v6[0] += dot(a6.lo, c0.lo) + dot(a6.hi, c0.hi);
      u7[0] += dot(a7.lo, b0.lo) + dot(a7.hi, b0.hi);
      v7[0] += dot(a7.lo, c0.lo) + dot(a7.hi, c0.hi);
      let b1 = loadK(uAt1 + c);
      let c1 = loadK(vAt1 + c);
      u0[1] += dot(a0.lo, b1.lo) + dot(a0.hi, b1.hi);
      v0[1] += dot(a0.lo, c1.lo) + dot(a0.hi, c1.hi);
      u1[1] += dot(a1.lo, b1.lo) + dot(a1.hi, b1.hi);
      v1[1] += dot(a1.lo, c1.lo) + dot(a1.hi, c1.hi);
      u2[1] += dot(a2.lo, b1.lo) + dot(a2.hi, b1.hi);
      v2[1] += dot(a2.lo, c1.lo) + dot(a2.hi, c1.hi);
      u3[1] += dot(a3.lo, b1.lo) + dot(a3.hi, b1.hi);
      v3[1] += dot(a3.lo, c1.lo) + dot(a3.hi, c1.hi);
      u4[1] += dot(a4.lo, b1.lo) + dot(a4.hi, b1.hi);
      v4[1] += dot(a4.lo, c1.lo) + dot(a4.hi, c1.hi);
      u5[1] += dot(a5.lo, b1.lo) + dot(a5.hi, b1.hi);
      v5[1] += dot(a5.lo, c1.lo) + dot(a5.hi, c1.hi);
      u6[1] += dot(a6.lo, b1.lo) + dot(a6.hi, b1.hi);
      v6[1] += dot(a6.lo, c1.lo) + dot(a6.hi, c1.hi);
      u7[1] += dot(a7.lo, b1.lo) + dot(a7.hi, b1.hi);
      v7[1] += dot(a7.lo, c1.lo) + dot(a7.hi, c1.hi);
      let b2 = loadK(uAt2 + c);
      let c2 = loadK(vAt2 + c);
      u0[2] += dot(a0.lo, b2.lo) + dot(a0.hi, b2.hi);
      v0[2] += dot(a0.lo, c2.lo) + dot(a0.hi, c2.hi);
      u1[2] += dot(a1.lo, b2.lo) + dot(a1.hi, b2.hi);
      v1[2] += dot(a1.lo, c2.lo) + dot(a1.hi, c2.hi);
      u2[2] += dot(a2.lo, b2.lo) + dot(a2.hi, b2.hi);
      v2[2] += dot(a2.lo, c2.lo) + dot(a2.hi, c2.hi);
      u3[2] += dot(a3.lo, b2.lo) + dot(a3.hi, b2.hi);
      v3[2] += dot(a3.lo, c2.lo) + dot(a3.hi, c2.hi);
      u4[2] += dot(a4.lo, b2.lo) + dot(a4.hi, b2.hi);
      v4[2] += dot(a4.lo, c2.lo) + dot(a4.hi, c2.hi);
      u5[2] += dot(a5.lo, b2.lo) + dot(a5.hi, b2.hi);
      v5[2] += dot(a5.lo, c2.lo) + dot(a5.hi, c2.hi);
      u6[2] += dot(a6.lo, b2.lo) + dot(a6.hi, b2.hi);
      v6[2] += dot(a6.lo, c2.lo) + dot(a6.hi, c2.hi);
      u7[2] += dot(a7.lo, b2.lo) + dot(a7.hi, b2.hi);
      v7[2] += dot(a7.lo, c2.lo) + dot(a7.hi, c2.hi);
      let b3 = loadK(uAt3 + c);
      let c3 = loadK(vAt3 + c);
      u0[3] += dot(a0.lo, b3.lo) + dot(a0.hi, b3.hi);
      v0[3] += dot(a0.lo, c3.lo) + dot(a0.hi, c3.hi);
      u1[3] += dot(a1.lo, b3.lo) + dot(a1.hi, b3.hi);
      v1[3] += dot(a1.lo, c3.lo) + dot(a1.hi, c3.hi);
      u2[3] += dot(a2.lo, b3.lo) + dot(a2.hi, b3.hi);
      v2[3] += dot(a2.lo, c3.lo) + dot(a2.hi, c3.hi);
      u3[3] += dot(a3.lo, b3.lo) + dot(a3.hi, b3.hi);
      v3[3] += dot(a3.lo, c3.lo) + dot(a3.hi, c3.hi);
      u4[3] += dot(a4.lo, b3.lo) + dot(a4.hi, b3.hi);
      v4[3] += dot(a4.lo, c3.lo) + dot(a4.hi, c3.hi);
      u5[3] += dot(a5.lo, b3.lo) + dot(a5.hi, b3.hi);
      v5[3] += dot(a5.lo, c3.lo) + dot(a5.hi, c3.hi);
      u6[3] += dot(a6.lo, b3.lo) + dot(a6.hi, b3.hi);
      v6[3] += dot(a6.lo, c3.lo) + dot(a6.hi, c3.hi);
      u7[3] += dot(a7.lo, b3.lo) + dot(a7.hi, b3.hi);
      v7[3] += dot(a7.lo, c3.lo) + dot(a7.hi, c3.hi);
    }
    u0[0] = score(u0[0], b, row0, k0 + 0, bias0);
    v0[0] = score(v0[0], b, row0, k0 + 4u + 0, bias0);
    u0[1] = score(u0[1], b, row0, k0 + 1, bias0);
    v0[1] = score(v0[1], b, row0, k0 + 4u + 1, bias0);
    u0[2] = score(u0[2], b, row0, k0 + 2, bias0);
    v0[2] = score(v0[2], b, row0, k0 + 4u + 2, bias0);
    u0[3] = score(u0[3], b, row0, k0 + 3, bias0);
    v0[3] = score(v0[3], b, row0, k0 + 4u + 3, bias0);
    let t0 = max(u0, v0);
    let top0 = max(max0, max(max(t0.x, t0.y), max(t0.z, t0.w)));
    let fade0 = exp2(max0 - top0);
    max0 = top0;
    u0 = exp2(u0 - top0);
    v0 = exp2(v0 - top0);
    let z0 = u0 + v0;
    sum0 = sum0 * fade0 + z0.x + z0.y + z0.z + z0.w;
    lo0_0 *= fade0;
    hi0_0 *= fade0;
    lo0_1 *= fade0;
    hi0_1 *= fade0;
    lo0_2 *= fade0;
    hi0_2 *= fade0;
    lo0_3 *= fade0;
    hi0_3 *= fade0;
    u1[0] = score(u1[0], b, row1, k0 + 0, bias1);
    v1[0] = score(v1[0], b, row1, k0 + 4u + 0, bias1);
    u1[1] = score(u1[1], b, row1, k0 + 1, bias1);
    v1[1] = score(v1[1], b, row1, k0 + 4u + 1, bias1);
    u1[2] = score(u1[2], b, row1, k0 + 2, bias1);
    v1[2] = score(v1[2], b, row1, k0 + 4u + 2, bias1);
    u1[3] = score(u1[3], b, row1, k0 + 3, bias1);
    v1[3] = score(v1[3], b, row1, k0 + 4u + 3, bias1);
    let t1 = max(u1, v1);
    let top1 = max(max1, max(max(t1.x, t1.y), max(t1.z, t1.w)));
    let fade1 = exp2(max1 - top1);
    max1 = top1;
    u1 = exp2(u1 - top1);
    v1 = exp2(v1 - top1);
    let z1 = u1 + v1;
    sum1 = sum1 * fade1 + z1.x + z1.y + z1.z + z1.w;
    lo1_0 *= fade1;
    hi1_0 *= fade1;
    lo1_1 *= fade1;
    hi1_1 *= fade1;
    lo1_2 *= fade1;
    hi1_2 *= fade1;
    lo1_3 *= fade1;
    hi1_3 *= fade1;
    u2[0] = score(u2[0], b, row2, k0 + 0, bias2);
    v2[0] = score(v2[0], b, row2, k0 + 4u + 0, bias2);
    u2[1] = score(u2[1], b, row2, k0 + 1, bias2);
    v2[1] = score(v2[1], b, row2, k0 + 4u + 1, bias2);
    u2[2] = score(u2[2], b, row2, k0 + 2, bias2);
    v2[2] = score(v2[2], b, row2, k0 + 4u + 2, bias2);
    u2[3] = score(u2[3], b, row2, k0 + 3, bias2);
    v2[3] = score(v2[3], b, row2, k0 + 4u + 3, bias2);
    let t2 = max(u2, v2);
    let top2 = max(max2, max(max(t2.x, t2.y), max(t2.z, t2.w)));
    let fade2 = exp2(max2 - top2);
    max2 = top2;
    u2 = exp2(u2 - top2);
    v2 = exp2(v2 - top2);
    let z2 = u2 + v2;
    sum2 = sum2 * fade2 + z2.x + z2.y + z2.z + z2.w;
    lo2_0 *= fade2;
    hi2_0 *= fade2;
    lo2_1 *= fade2;
    hi2_1 *= fade2;
    lo2_2 *= fade2;
    hi2_2 *= fade2;
    lo2_3 *= fade2;
    hi2_3 *= fade2;
    u3[0] = score(u3[0], b, row3, k0 + 0, bias3);
    v3[0] = score(v3[0], b, row3, k0 + 4u + 0, bias3);
    u3[1] = score(u3[1], b, row3, k0 + 1, bias3);
    v3[1] = score(v3[1], b, row3, k0 + 4u + 1, bias3);
    u3[2] = score(u3[2], b, row3, k0 + 2, bias3);
    v3[2] = score(v3[2], b, row3, k0 + 4u + 2, bias3);
    u3[3] = score(u3[3], b, row3, k0 + 3, bias3);
    v3[3] = score(v3[3], b, row3, k0 + 4u + 3, bias3);
    let t3 = max(u3, v3);
    let top3 = max(max3, max(max(t3.x, t3.y), max(t3.z, t3.w)));
    let fade3 = exp2(max3 - top3);
    max3 = top3;
    u3 = exp2(u3 - top3);
    v3 = exp2(v3 - top3);
    let z3 = u3 + v3;
    sum3 = sum3 * fade3 + z3.x + z3.y + z3.z + z3.w;
    lo3_0 *= fade3;
    hi3_0 *= fade3;
    lo3_1 *= fade3;
    hi3_1 *= fade3;
    lo3_2 *= fade3;
    hi3_2 *= fade3;
    lo3_3 *= fade3;
    hi3_3 *= fade3;
    u4[0] = score(u4[0], b, row4, k0 + 0, bias4);
    v4[0] = score(v4[0], b, row4, k0 + 4u + 0, bias4);
    u4[1] = score(u4[1], b, row4, k0 + 1, bias4);
    v4[1] = score(v4[1], b, row4, k0 + 4u + 1, bias4);
    u4[2] = score(u4[2], b, row4, k0 + 2, bias4);
    v4[2] = score(v4[2], b, row4, k0 + 4u + 2, bias4);
    u4[3] = score(u4[3], b, row4, k0 + 3, bias4);
    v4[3] = score(v4[3], b, row4, k0 + 4u + 3, bias4);
    let t4 = max(u4, v4);
    let top4 = max(max4, max(max(t4.x, t4.y), max(t4.z, t4.w)));
    let fade4 = exp2(max4 - top4);
    max4 = top4;
    u4 = exp2(u4 - top4);
    v4 = exp2(v4 - top4);
    let z4 = u4 + v4;
    sum4 = sum4 * fade4 + z4.x + z4.y + z4.z + z4.w;
    lo4_0 *= fade4;
    hi4_0 *= fade4;
    lo4_1 *= fade4;
    hi4_1 *= fade4;
    lo4_2 *= fade4;
    hi4_2 *= fade4;
    lo4_3 *= fade4;
    hi4_3 *= fade4;
    u5[0] = score(u5[0], b, row5, k0 + 0, bias5);
    v5[0] = score(v5[0], b, row5, k0 + 4u + 0, bias5);
    u5[1] = score(u5[1], b, row5, k0 + 1, bias5);
    v5[1] = score(v5[1], b, row5, k0 + 4u + 1, bias5);
    u5[2] = score(u5[2], b, row5, k0 + 2, bias5);
    v5[2] = score(v5[2], b, row5, k0 + 4u + 2, bias5);
    u5[3] = score(u5[3], b, row5, k0 + 3, bias5);
    v5[3] = score(v5[3], b, row5, k0 + 4u + 3, bias5);
    let t5 = max(u5, v5);
    let top5 = max(max5, max(max(t5.x, t5.y), max(t5.z, t5.w)));
    let fade5 = exp2(max5 - top5);
    max5 = top5;
    u5 = exp2(u5 - top5);
    v5 = exp2(v5 - top5);
    let z5 = u5 + v5;
    sum5 = sum5 * fade5 + z5.x + z5.y + z5.z + z5.w;
    lo5_0 *= fade5;
    hi5_0 *= fade5;
    lo5_1 *= fade5;
    hi5_1 *= fade5;
    lo5_2 *= fade5;
    hi5_2 *= fade5;
    lo5_3 *= fade5;
    hi5_3 *= fade5;
    u6[0] = score(u6[0], b, row6, k0 + 0, bias6);
    v6[0] = score(v6[0], b, row6, k0 + 4u + 0, bias6);
    u6[1] = score(u6[1], b, row6, k0 + 1, bias6);
    v6[1] = score(v6[1], b, row6, k0 + 4u + 1, bias6);
    u6[2] = score(u6[2], b, row6, k0 + 2, bias6);
    v6[2] = score(v6[2], b, row6, k0 + 4u + 2, bias6);
    u6[3] = score(u6[3], b, row6, k0 + 3, bias6);
    v6[3] = score(v6[3], b, row6, k0 + 4u + 3, bias6);
    let t6 = max(u6, v6);
    let top6 = max(max6, max(max(t6.x, t6.y), max(t6.z, t6.w)));
    let fade6 = exp2(max6 - top6);
    max6 = top6;
    u6 = exp2(u6 - top6);
    v6 = exp2(v6 - top6);
    let z6 = u6 + v6;
    sum6 = sum6 * fade6 + z6.x + z6.y + z6.z + z6.w;
    lo6_0 *= fade6;
    hi6_0 *= fade6;
    lo6_1 *= fade6;
    hi6_1 *= fade6;
    lo6_2 *= fade6;
    hi6_2 *= fade6;
    lo6_3 *= fade6;
    hi6_3 *= fade6;
    u7[0] = score(u7[0], b, row7, k0 + 0, bias7);
    v7[0] = score(v7[0], b, row7, k0 + 4u + 0, bias7);
    u7[1] = score(u7[1], b, row7, k0 + 1, bias7);
    v7[1] = score(v7[1], b, row7, k0 + 4u + 1, bias7);
    u7[2] = score(u7[2], b, row7, k0 + 2, bias7);
    v7[2] = score(v7[2], b, row7, k0 + 4u + 2, bias7);
    u7[3] = score(u7[3], b, row7, k0 + 3, bias7);
    v7[3] = score(v7[3], b, row7, k0 + 4u + 3, bias7);
    let t7 = max(u7, v7);
    let top7 = max(max7, max(max(t7.x, t7.y), max(t7.z, t7.w)));
    let fade7 = exp2(max7 - top7);
    max7 = top7;
    u7 = exp2(u7 - top7);
    v7 = exp2(v7 - top7);
    let z7 = u7 + v7;
    sum7 = sum7 * fade7 + z7.x + z7.y + z7.z + z7.w;
    lo7_0 *= fade7;
    hi7_0 *= fade7;
    lo7_1 *= fade7;
    hi7_1 *= fade7;
    lo7_2 *= fade7;
    hi7_2 *= fade7;
    lo7_3 *= fade7;
    hi7_3 *= fade7;
    // Two keys a turn, the probabilities rotated: with all eight unrolled, drivers compile for seconds.
    for (var e = 0u; e < 4u; e++) {
      let uAt = vHead + min(k0 + e, s.Lk - 1u) * s.vRow / 8u;
      let vAt = vHead + min(k0 + 4u + e, s.Lk - 1u) * s.vRow / 8u;
      {
        let w = loadV(uAt + 0);
        let z = loadV(vAt + 0);
        lo0_0 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_0));
        hi0_0 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_0));
        lo1_0 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_0));
        hi1_0 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_0));
        lo2_0 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_0));
        hi2_0 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_0));
        lo3_0 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_0));
        hi3_0 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_0));
        lo4_0 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_0));
        hi4_0 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_0));
        lo5_0 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_0));
        hi5_0 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_0));
        lo6_0 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_0));
        hi6_0 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_0));
        lo7_0 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_0));
        hi7_0 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_0));
      }
      {
        let w = loadV(uAt + 1);
        let z = loadV(vAt + 1);
        lo0_1 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_1));
        hi0_1 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_1));
        lo1_1 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_1));
        hi1_1 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_1));
        lo2_1 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_1));
        hi2_1 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_1));
        lo3_1 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_1));
        hi3_1 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_1));
        lo4_1 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_1));
        hi4_1 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_1));
        lo5_1 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_1));
        hi5_1 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_1));
        lo6_1 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_1));
        hi6_1 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_1));
        lo7_1 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_1));
        hi7_1 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_1));
      }
      {
        let w = loadV(uAt + 2);
        let z = loadV(vAt + 2);
        lo0_2 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_2));
        hi0_2 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_2));
        lo1_2 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_2));
        hi1_2 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_2));
        lo2_2 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_2));
        hi2_2 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_2));
        lo3_2 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_2));
        hi3_2 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_2));
        lo4_2 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_2));
        hi4_2 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_2));
        lo5_2 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_2));
        hi5_2 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_2));
        lo6_2 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_2));
        hi6_2 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_2));
        lo7_2 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_2));
        hi7_2 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_2));
      }
      {
        let w = loadV(uAt + 3);
        let z = loadV(vAt + 3);
        lo0_3 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_3));
        hi0_3 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_3));
        lo1_3 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_3));
        hi1_3 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_3));
        lo2_3 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_3));
        hi2_3 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_3));
        lo3_3 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_3));
        hi3_3 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_3));
        lo4_3 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_3));
        hi4_3 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_3));
        lo5_3 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_3));
        hi5_3 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_3));
        lo6_3 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_3));
        hi6_3 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_3));
        lo7_3 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_3));
        hi7_3 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_3));
      }
      u0 = u0.yzwx;
      v0 = v0.yzwx;
      u1 = u1.yzwx;
      v1 = v1.yzwx;
      u2 = u2.yzwx;
      v2 = v2.yzwx;
      u3 = u3.yzwx;
      v3 = v3.yzwx;
      u4 = u4.yzwx;
      v4 = v4.yzwx;
      u5 = u5.yzwx;
      v5 = v5.yzwx;
      u6 = u6.yzwx;
      v6 = v6.yzwx;
      u7 = u7.yzwx;
      v7 = v7.yzwx;
    }
  }

  if (n0 + 0 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo0_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi0_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo0_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi0_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo0_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi0_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo0_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi0_3 * share);
    }
  }
  if (n0 + 1 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo1_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi1_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo1_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi1_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo1_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi1_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo1_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi1_3 * share);
    }
  }
  if (n0 + 2 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo2_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi2_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo2_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi2_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo2_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi2_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo2_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi2_3 * share);
    }
  }
  if (n0 + 3 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo3_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi3_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo3_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi3_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo3_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi3_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo3_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi3_3 * share);
    }
  }
  if (n0 + 4 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 4) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum4, sum4 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo4_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi4_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo4_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi4_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo4_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi4_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo4_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi4_3 * share);
    }
  }
  if (n0 + 5 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 5) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum5, sum5 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo5_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi5_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo5_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi5_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo5_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi5_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo5_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi5_3 * share);
    }
  }
  if (n0 + 6 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 6) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum6, sum6 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo6_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi6_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo6_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi6_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo6_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi6_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo6_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi6_3 * share);
    }
  }
  if (n0 + 7 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 7) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum7, sum7 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo7_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi7_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo7_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi7_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo7_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi7_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo7_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi7_3 * share);
    }
  }
}
`,
  "attention_texels@RQ=12,OD=32": `const RQ: u32 = 12u;
const OD: u32 = 32u;
// attention_texels.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, everything in registers.
//
// Operands and strides as in attention_tiled.wgsl, read from textures of 2048 texels a row as one long list.
// An invocation makes RQ queries of one head and OD of its columns: no workgroup memory and no barriers, which
// suits adapters that run on a CPU; lanes read the same keys and values at the same time. x: queries, y: heads
// of samples, z: columns (the scores are then made once more for each OD of them). All sums are f32.


const NOTHING: f32 = -3e38;  // a key that does not count, below every score
const LOWEST: f32 = -2.95e38;  // between the two, so that exp2(NOTHING − maximum) is 0 also where no key counts
const LOG2E: f32 = 1.4426950409;

override WX: u32 = 8u;
override Q_TYPE: u32 = 0u;   // 0 f32, 1 f16
override KV_TYPE: u32 = 0u;
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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      Q: texture_2d<u32>;
@group(0) @binding(2) var                      K: texture_2d<u32>;
@group(0) @binding(3) var                      V: texture_2d<u32>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<vec4<oElem>>;

struct Eight { lo: vec4f, hi: vec4f }

fn place(at: u32) -> vec2u { return vec2u(at & 2047u, at >> 11u); }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn wide(lo: vec4u, hi: vec4u) -> Eight { return Eight(bitcast<vec4f>(lo), bitcast<vec4f>(hi)); }

fn loadQ(at: u32) -> Eight {
  if (Q_TYPE == 0u) { return wide(textureLoad(Q, place(at * 2u), 0), textureLoad(Q, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(Q, place(at), 0));
}

fn loadK(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(K, place(at * 2u), 0), textureLoad(K, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(K, place(at), 0));
}

fn loadV(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(V, place(at * 2u), 0), textureLoad(V, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(V, place(at), 0));
}

/// A score with everything that changes it, in units of log₂; NOTHING where the key does not count.
fn score(dot: f32, b: u32, row: u32, key: u32, biasRow: u32) -> f32 {
  // Without branches, which cost a CPU's vectors more than what they would save.
  let k = min(key, s.Lk - 1u);
  var v = dot * (s.scale * LOG2E);
  if (BIAS == 1u) { v = max(dot * s.scale + bias[biasRow + k], -2e38) * LOG2E; }
  var counts = key < s.Lk;
  if (CAUSAL == 1u) { counts = counts && key <= row; }
  if (MASK == 1u) { counts = counts && keep[b * s.Lk + k] != 0.0; }
  return select(NOTHING, v, counts);
}

@compute @workgroup_size(WX)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n0 = s.q0 + id.x * RQ;
  if (n0 >= s.qEnd) { return; }
  let b = s.b0 + id.y / s.headsHere;
  let h = s.h0 + id.y % s.headsHere;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = (s.vFirst + b * s.vSample + h * s.vHead + id.z * OD) / 8u;
  let D8 = s.D / 8u;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let qAt0 = (s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow) / 8u;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = LOWEST;
  var sum0 = 0.0;
  var lo0_0 = vec4f();
  var hi0_0 = vec4f();
  var lo0_1 = vec4f();
  var hi0_1 = vec4f();
  var lo0_2 = vec4f();
  var hi0_2 = vec4f();
  var lo0_3 = vec4f();
  var hi0_3 = vec4f();
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let qAt1 = (s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow) / 8u;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = LOWEST;
  var sum1 = 0.0;
  var lo1_0 = vec4f();
  var hi1_0 = vec4f();
  var lo1_1 = vec4f();
  var hi1_1 = vec4f();
  var lo1_2 = vec4f();
  var hi1_2 = vec4f();
  var lo1_3 = vec4f();
  var hi1_3 = vec4f();
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let qAt2 = (s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow) / 8u;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = LOWEST;
  var sum2 = 0.0;
  var lo2_0 = vec4f();
  var hi2_0 = vec4f();
  var lo2_1 = vec4f();
  var hi2_1 = vec4f();
  var lo2_2 = vec4f();
  var hi2_2 = vec4f();
  var lo2_3 = vec4f();
  var hi2_3 = vec4f();
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let qAt3 = (s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow) / 8u;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = LOWEST;
  var sum3 = 0.0;
  var lo3_0 = vec4f();
  var hi3_0 = vec4f();
  var lo3_1 = vec4f();
  var hi3_1 = vec4f();
  var lo3_2 = vec4f();
  var hi3_2 = vec4f();
  var lo3_3 = vec4f();
  var hi3_3 = vec4f();
  let row4 = min(n0 + 4, s.qEnd - 1u);
  let qAt4 = (s.qFirst + b * s.qSample + h * s.qHead + row4 * s.qRow) / 8u;
  let bias4 = s.biasFirst + b * s.biasSample + h * s.biasHead + row4 * s.Lk;
  var max4 = LOWEST;
  var sum4 = 0.0;
  var lo4_0 = vec4f();
  var hi4_0 = vec4f();
  var lo4_1 = vec4f();
  var hi4_1 = vec4f();
  var lo4_2 = vec4f();
  var hi4_2 = vec4f();
  var lo4_3 = vec4f();
  var hi4_3 = vec4f();
  let row5 = min(n0 + 5, s.qEnd - 1u);
  let qAt5 = (s.qFirst + b * s.qSample + h * s.qHead + row5 * s.qRow) / 8u;
  let bias5 = s.biasFirst + b * s.biasSample + h * s.biasHead + row5 * s.Lk;
  var max5 = LOWEST;
  var sum5 = 0.0;
  var lo5_0 = vec4f();
  var hi5_0 = vec4f();
  var lo5_1 = vec4f();
  var hi5_1 = vec4f();
  var lo5_2 = vec4f();
  var hi5_2 = vec4f();
  var lo5_3 = vec4f();
  var hi5_3 = vec4f();
  let row6 = min(n0 + 6, s.qEnd - 1u);
  let qAt6 = (s.qFirst + b * s.qSample + h * s.qHead + row6 * s.qRow) / 8u;
  let bias6 = s.biasFirst + b * s.biasSample + h * s.biasHead + row6 * s.Lk;
  var max6 = LOWEST;
  var sum6 = 0.0;
  var lo6_0 = vec4f();
  var hi6_0 = vec4f();
  var lo6_1 = vec4f();
  var hi6_1 = vec4f();
  var lo6_2 = vec4f();
  var hi6_2 = vec4f();
  var lo6_3 = vec4f();
  var hi6_3 = vec4f();
  let row7 = min(n0 + 7, s.qEnd - 1u);
  let qAt7 = (s.qFirst + b * s.qSample + h * s.qHead + row7 * s.qRow) / 8u;
  let bias7 = s.biasFirst + b * s.biasSample + h * s.biasHead + row7 * s.Lk;
  var max7 = LOWEST;
  var sum7 = 0.0;
  var lo7_0 = vec4f();
  var hi7_0 = vec4f();
  var lo7_1 = vec4f();
  var hi7_1 = vec4f();
  var lo7_2 = vec4f();
  var hi7_2 = vec4f();
  var lo7_3 = vec4f();
  var hi7_3 = vec4f();
  let row8 = min(n0 + 8, s.qEnd - 1u);
  let qAt8 = (s.qFirst + b * s.qSample + h * s.qHead + row8 * s.qRow) / 8u;
  let bias8 = s.biasFirst + b * s.biasSample + h * s.biasHead + row8 * s.Lk;
  var max8 = LOWEST;
  var sum8 = 0.0;
  var lo8_0 = vec4f();
  var hi8_0 = vec4f();
  var lo8_1 = vec4f();
  var hi8_1 = vec4f();
  var lo8_2 = vec4f();
  var hi8_2 = vec4f();
  var lo8_3 = vec4f();
  var hi8_3 = vec4f();
  let row9 = min(n0 + 9, s.qEnd - 1u);
  let qAt9 = (s.qFirst + b * s.qSample + h * s.qHead + row9 * s.qRow) / 8u;
  let bias9 = s.biasFirst + b * s.biasSample + h * s.biasHead + row9 * s.Lk;
  var max9 = LOWEST;
  var sum9 = 0.0;
  var lo9_0 = vec4f();
  var hi9_0 = vec4f();
  var lo9_1 = vec4f();
  var hi9_1 = vec4f();
  var lo9_2 = vec4f();
  var hi9_2 = vec4f();
  var lo9_3 = vec4f();
  var hi9_3 = vec4f();
  let row10 = min(n0 + 10, s.qEnd - 1u);
  let qAt10 = (s.qFirst + b * s.qSample + h * s.qHead + row10 * s.qRow) / 8u;
  let bias10 = s.biasFirst + b * s.biasSample + h * s.biasHead + row10 * s.Lk;
  var max10 = LOWEST;
  var sum10 = 0.0;
  var lo10_0 = vec4f();
  var hi10_0 = vec4f();
  var lo10_1 = vec4f();
  var hi10_1 = vec4f();
  var lo10_2 = vec4f();
  var hi10_2 = vec4f();
  var lo10_3 = vec4f();
  var hi10_3 = vec4f();
  let row11 = min(n0 + 11, s.qEnd - 1u);
  let qAt11 = (s.qFirst + b * s.qSample + h * s.qHead + row11 * s.qRow) / 8u;
  let bias11 = s.biasFirst + b * s.biasSample + h * s.biasHead + row11 * s.Lk;
  var max11 = LOWEST;
  var sum11 = 0.0;
  var lo11_0 = vec4f();
  var hi11_0 = vec4f();
  var lo11_1 = vec4f();
  var hi11_1 = vec4f();
  var lo11_2 = vec4f();
  var hi11_2 = vec4f();
  var lo11_3 = vec4f();
  var hi11_3 = vec4f();

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, n0 + RQ); }
  for (var k0 = 0u; k0 < keys; k0 += 8u) {
    var u0 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v0 = vec4f();
    var u1 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v1 = vec4f();
    var u2 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v2 = vec4f();
    var u3 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v3 = vec4f();
    var u4 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v4 = vec4f();
    var u5 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v5 = vec4f();
    var u6 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v6 = vec4f();
    var u7 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v7 = vec4f();
    var u8 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v8 = vec4f();
    var u9 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v9 = vec4f();
    var u10 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v10 = vec4f();
    var u11 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v11 = vec4f();
    let uAt0 = (kHead + min(k0 + 0, s.Lk - 1u) * s.kRow) / 8u;
    let vAt0 = (kHead + min(k0 + 4u + 0, s.Lk - 1u) * s.kRow) / 8u;
    let uAt1 = (kHead + min(k0 + 1, s.Lk - 1u) * s.kRow) / 8u;
    let vAt1 = (kHead + min(k0 + 4u + 1, s.Lk - 1u) * s.kRow) / 8u;
    let uAt2 = (kHead + min(k0 + 2, s.Lk - 1u) * s.kRow) / 8u;
    let vAt2 = (kHead + min(k0 + 4u + 2, s.Lk - 1u) * s.kRow) / 8u;
    let uAt3 = (kHead + min(k0 + 3, s.Lk - 1u) * s.kRow) / 8u;
    let vAt3 = (kHead + min(k0 + 4u + 3, s.Lk - 1u) * s.kRow) / 8u;
    for (var c = 0u; c < D8; c++) {
      let a0 = loadQ(qAt0 + c);
      let a1 = loadQ(qAt1 + c);
      let a2 = loadQ(qAt2 + c);
      let a3 = loadQ(qAt3 + c);
      let a4 = loadQ(qAt4 + c);
      let a5 = loadQ(qAt5 + c);
      let a6 = loadQ(qAt6 + c);
      let a7 = loadQ(qAt7 + c);
      let a8 = loadQ(qAt8 + c);
      let a9 = loadQ(qAt9 + c);
      let a10 = loadQ(qAt10 + c);
      let a11 = loadQ(qAt11 + c);
      let b0 = loadK(uAt0 + c);
      let c0 = loadK(vAt0 + c);
      u0[0] += dot(a0.lo, b0.lo) + dot(a0.hi, b0.hi);
      v0[0] += dot(a0.lo, c0.lo) + dot(a0.hi, c0.hi);
      u1[0] += dot(a1.lo, b0.lo) + dot(a1.hi, b0.hi);
      v1[0] += dot(a1.lo, c0.lo) + dot(a1.hi, c0.hi);
      u2[0] += dot(a2.lo, b0.lo) + dot(a2.hi, b0.hi);
      v2[0] += dot(a2.lo, c0.lo) + dot(a2.hi, c0.hi);
      u3[0] += dot(a3.lo, b0.lo) + dot(a3.hi, b0.hi);
      v3[0] += dot(a3.lo, c0.lo) + dot(a3.hi, c0.hi);
      u4[0] += dot(a4.lo, b0.lo) + dot(a4.hi, b0.hi);
      v4[0] += dot(a4.lo, c0.lo) + dot(a4.hi, c0.hi);
      u5[0] += dot(a5.lo, b0.lo) + dot(a5.hi, b0.hi);
      v5[0] += dot(a5.lo, c0.lo) + dot(a5.hi, c0.hi);
      u6[0] += dot(a6.lo, b0.lo) + dot(a6.hi, b0.hi);
      v6[0] += dot(a6.lo, c0.lo) + dot(a6.hi, c0.hi);
      u7[0] += dot(a7.lo, b0.lo) + dot(a7.hi, b0.hi);
      v7[0] += dot(a7.lo, c0.lo) + dot(a7.hi, c0.hi);
      u8[0] += dot(a8.lo, b0.lo) + dot(a8.hi, b0.hi);
      v8[0] += dot(a8.lo, c0.lo) + dot(a8.hi, c0.hi);
      u9[0] += dot(a9.lo, b0.lo) + dot(a9.hi, b0.hi);
      v9[0] += dot(a9.lo, c0.lo) + dot(a9.hi, c0.hi);
      u10[0] += dot(a10.lo, b0.lo) + dot(a10.hi, b0.hi);
      v10[0] += dot(a10.lo, c0.lo) + dot(a10.hi, c0.hi);
      u11[0] += dot(a11.lo, b0.lo) + dot(a11.hi, b0.hi);
      v11[0] += dot(a11.lo, c0.lo) + dot(a11.hi, c0.hi);
      let b1 = loadK(uAt1 + c);
      let c1 = loadK(vAt1 + c);
      u0[1] += dot(a0.lo, b1.lo) + dot(a0.hi, b1.hi);
      v0[1] += dot(a0.lo, c1.lo) + dot(a0.hi, c1.hi);
      u1[1] += dot(a1.lo, b1.lo) + dot(a1.hi, b1.hi);
      v1[1] += dot(a1.lo, c1.lo) + dot(a1.hi, c1.hi);
      u2[1] += dot(a2.lo, b1.lo) + dot(a2.hi, b1.hi);
      v2[1] += dot(a2.lo, c1.lo) + dot(a2.hi, c1.hi);
      u3[1] += dot(a3.lo, b1.lo) + dot(a3.hi, b1.hi);
      v3[1] += dot(a3.lo, c1.lo) + dot(a3.hi, c1.hi);
      u4[1] += dot(a4.lo, b1.lo) + dot(a4.hi, b1.hi);
      v4[1] += dot(a4.lo, c1.lo) + dot(a4.hi, c1.hi);
      u5[1] += dot(a5.lo, b1.lo) + dot(a5.hi, b1.hi);
      v5[1] += dot(a5.lo, c1.lo) + dot(a5.hi, c1.hi);
      u6[1] += dot(a6.lo, b1.lo) + dot(a6.hi, b1.hi);
      v6[1] += dot(a6.lo, c1.lo) + dot(a6.hi, c1.hi);
      u7[1] += dot(a7.lo, b1.lo) + dot(a7.hi, b1.hi);
      v7[1] += dot(a7.lo, c1.lo) + dot(a7.hi, c1.hi);
      u8[1] += dot(a8.lo, b1.lo) + dot(a8.hi, b1.hi);
      v8[1] += dot(a8.lo, c1.lo) + dot(a8.hi, c1.hi);
      u9[1] += dot(a9.lo, b1.lo) + dot(a9.hi, b1.hi);
      v9[1] += dot(a9.lo, c1.lo) + dot(a9.hi, c1.hi);
      u10[1] += dot(a10.lo, b1.lo) + dot(a10.hi, b1.hi);
      v10[1] += dot(a10.lo, c1.lo) + dot(a10.hi, c1.hi);
      u11[1] += dot(a11.lo, b1.lo) + dot(a11.hi, b1.hi);
      v11[1] += dot(a11.lo, c1.lo) + dot(a11.hi, c1.hi);
      let b2 = loadK(uAt2 + c);
      let c2 = loadK(vAt2 + c);
      u0[2] += dot(a0.lo, b2.lo) + dot(a0.hi, b2.hi);
      v0[2] += dot(a0.lo, c2.lo) + dot(a0.hi, c2.hi);
      u1[2] += dot(a1.lo, b2.lo) + dot(a1.hi, b2.hi);
      v1[2] += dot(a1.lo, c2.lo) + dot(a1.hi, c2.hi);
      u2[2] += dot(a2.lo, b2.lo) + dot(a2.hi, b2.hi);
      v2[2] += dot(a2.lo, c2.lo) + dot(a2.hi, c2.hi);
      u3[2] += dot(a3.lo, b2.lo) + dot(a3.hi, b2.hi);
      v3[2] += dot(a3.lo, c2.lo) + dot(a3.hi, c2.hi);
      u4[2] += dot(a4.lo, b2.lo) + dot(a4.hi, b2.hi);
      v4[2] += dot(a4.lo, c2.lo) + dot(a4.hi, c2.hi);
      u5[2] += dot(a5.lo, b2.lo) + dot(a5.hi, b2.hi);
      v5[2] += dot(a5.lo, c2.lo) + dot(a5.hi, c2.hi);
      u6[2] += dot(a6.lo, b2.lo) + dot(a6.hi, b2.hi);
      v6[2] += dot(a6.lo, c2.lo) + dot(a6.hi, c2.hi);
      u7[2] += dot(a7.lo, b2.lo) + dot(a7.hi, b2.hi);
      v7[2] += dot(a7.lo, c2.lo) + dot(a7.hi, c2.hi);
      u8[2] += dot(a8.lo, b2.lo) + dot(a8.hi, b2.hi);
      v8[2] += dot(a8.lo, c2.lo) + dot(a8.hi, c2.hi);
      u9[2] += dot(a9.lo, b2.lo) + dot(a9.hi, b2.hi);
      v9[2] += dot(a9.lo, c2.lo) + dot(a9.hi, c2.hi);
      u10[2] += dot(a10.lo, b2.lo) + dot(a10.hi, b2.hi);
      v10[2] += dot(a10.lo, c2.lo) + dot(a10.hi, c2.hi);
      u11[2] += dot(a11.lo, b2.lo) + dot(a11.hi, b2.hi);
      v11[2] += dot(a11.lo, c2.lo) + dot(a11.hi, c2.hi);
      let b3 = loadK(uAt3 + c);
      let c3 = loadK(vAt3 + c);
      u0[3] += dot(a0.lo, b3.lo) + dot(a0.hi, b3.hi);
      v0[3] += dot(a0.lo, c3.lo) + dot(a0.hi, c3.hi);
      u1[3] += dot(a1.lo, b3.lo) + dot(a1.hi, b3.hi);
      v1[3] += dot(a1.lo, c3.lo) + dot(a1.hi, c3.hi);
      u2[3] += dot(a2.lo, b3.lo) + dot(a2.hi, b3.hi);
      v2[3] += dot(a2.lo, c3.lo) + dot(a2.hi, c3.hi);
      u3[3] += dot(a3.lo, b3.lo) + dot(a3.hi, b3.hi);
      v3[3] += dot(a3.lo, c3.lo) + dot(a3.hi, c3.hi);
      u4[3] += dot(a4.lo, b3.lo) + dot(a4.hi, b3.hi);
      v4[3] += dot(a4.lo, c3.lo) + dot(a4.hi, c3.hi);
      u5[3] += dot(a5.lo, b3.lo) + dot(a5.hi, b3.hi);
      v5[3] += dot(a5.lo, c3.lo) + dot(a5.hi, c3.hi);
      u6[3] += dot(a6.lo, b3.lo) + dot(a6.hi, b3.hi);
      v6[3] += dot(a6.lo, c3.lo) + dot(a6.hi, c3.hi);
      u7[3] += dot(a7.lo, b3.lo) + dot(a7.hi, b3.hi);
      v7[3] += dot(a7.lo, c3.lo) + dot(a7.hi, c3.hi);
      u8[3] += dot(a8.lo, b3.lo) + dot(a8.hi, b3.hi);
      v8[3] += dot(a8.lo, c3.lo) + dot(a8.hi, c3.hi);
      u9[3] += dot(a9.lo, b3.lo) + dot(a9.hi, b3.hi);
      v9[3] += dot(a9.lo, c3.lo) + dot(a9.hi, c3.hi);
      u10[3] += dot(a10.lo, b3.lo) + dot(a10.hi, b3.hi);
      v10[3] += dot(a10.lo, c3.lo) + dot(a10.hi, c3.hi);
      u11[3] += dot(a11.lo, b3.lo) + dot(a11.hi, b3.hi);
      v11[3] += dot(a11.lo, c3.lo) + dot(a11.hi, c3.hi);
    }
    u0[0] = score(u0[0], b, row0, k0 + 0, bias0);
    v0[0] = score(v0[0], b, row0, k0 + 4u + 0, bias0);
    u0[1] = score(u0[1], b, row0, k0 + 1, bias0);
    v0[1] = score(v0[1], b, row0, k0 + 4u + 1, bias0);
    u0[2] = score(u0[2], b, row0, k0 + 2, bias0);
    v0[2] = score(v0[2], b, row0, k0 + 4u + 2, bias0);
    u0[3] = score(u0[3], b, row0, k0 + 3, bias0);
    v0[3] = score(v0[3], b, row0, k0 + 4u + 3, bias0);
    let t0 = max(u0, v0);
    let top0 = max(max0, max(max(t0.x, t0.y), max(t0.z, t0.w)));
    let fade0 = exp2(max0 - top0);
    max0 = top0;
    u0 = exp2(u0 - top0);
    v0 = exp2(v0 - top0);
    let z0 = u0 + v0;
    sum0 = sum0 * fade0 + z0.x + z0.y + z0.z + z0.w;
    lo0_0 *= fade0;
    hi0_0 *= fade0;
    lo0_1 *= fade0;
    hi0_1 *= fade0;
    lo0_2 *= fade0;
    hi0_2 *= fade0;
    lo0_3 *= fade0;
    hi0_3 *= fade0;
    u1[0] = score(u1[0], b, row1, k0 + 0, bias1);
    v1[0] = score(v1[0], b, row1, k0 + 4u + 0, bias1);
    u1[1] = score(u1[1], b, row1, k0 + 1, bias1);
    v1[1] = score(v1[1], b, row1, k0 + 4u + 1, bias1);
    u1[2] = score(u1[2], b, row1, k0 + 2, bias1);
    v1[2] = score(v1[2], b, row1, k0 + 4u + 2, bias1);
    u1[3] = score(u1[3], b, row1, k0 + 3, bias1);
    v1[3] = score(v1[3], b, row1, k0 + 4u + 3, bias1);
    let t1 = max(u1, v1);
    let top1 = max(max1, max(max(t1.x, t1.y), max(t1.z, t1.w)));
    let fade1 = exp2(max1 - top1);
    max1 = top1;
    u1 = exp2(u1 - top1);
    v1 = exp2(v1 - top1);
    let z1 = u1 + v1;
    sum1 = sum1 * fade1 + z1.x + z1.y + z1.z + z1.w;
    lo1_0 *= fade1;
    hi1_0 *= fade1;
    lo1_1 *= fade1;
    hi1_1 *= fade1;
    lo1_2 *= fade1;
    hi1_2 *= fade1;
    lo1_3 *= fade1;
    hi1_3 *= fade1;
    u2[0] = score(u2[0], b, row2, k0 + 0, bias2);
    v2[0] = score(v2[0], b, row2, k0 + 4u + 0, bias2);
    u2[1] = score(u2[1], b, row2, k0 + 1, bias2);
    v2[1] = score(v2[1], b, row2, k0 + 4u + 1, bias2);
    u2[2] = score(u2[2], b, row2, k0 + 2, bias2);
    v2[2] = score(v2[2], b, row2, k0 + 4u + 2, bias2);
    u2[3] = score(u2[3], b, row2, k0 + 3, bias2);
    v2[3] = score(v2[3], b, row2, k0 + 4u + 3, bias2);
    let t2 = max(u2, v2);
    let top2 = max(max2, max(max(t2.x, t2.y), max(t2.z, t2.w)));
    let fade2 = exp2(max2 - top2);
    max2 = top2;
    u2 = exp2(u2 - top2);
    v2 = exp2(v2 - top2);
    let z2 = u2 + v2;
    sum2 = sum2 * fade2 + z2.x + z2.y + z2.z + z2.w;
    lo2_0 *= fade2;
    hi2_0 *= fade2;
    lo2_1 *= fade2;
    hi2_1 *= fade2;
    lo2_2 *= fade2;
    hi2_2 *= fade2;
    lo2_3 *= fade2;
    hi2_3 *= fade2;
    u3[0] = score(u3[0], b, row3, k0 + 0, bias3);
    v3[0] = score(v3[0], b, row3, k0 + 4u + 0, bias3);
    u3[1] = score(u3[1], b, row3, k0 + 1, bias3);
    v3[1] = score(v3[1], b, row3, k0 + 4u + 1, bias3);
    u3[2] = score(u3[2], b, row3, k0 + 2, bias3);
    v3[2] = score(v3[2], b, row3, k0 + 4u + 2, bias3);
    u3[3] = score(u3[3], b, row3, k0 + 3, bias3);
    v3[3] = score(v3[3], b, row3, k0 + 4u + 3, bias3);
    let t3 = max(u3, v3);
    let top3 = max(max3, max(max(t3.x, t3.y), max(t3.z, t3.w)));
    let fade3 = exp2(max3 - top3);
    max3 = top3;
    u3 = exp2(u3 - top3);
    v3 = exp2(v3 - top3);
    let z3 = u3 + v3;
    sum3 = sum3 * fade3 + z3.x + z3.y + z3.z + z3.w;
    lo3_0 *= fade3;
    hi3_0 *= fade3;
    lo3_1 *= fade3;
    hi3_1 *= fade3;
    lo3_2 *= fade3;
    hi3_2 *= fade3;
    lo3_3 *= fade3;
    hi3_3 *= fade3;
    u4[0] = score(u4[0], b, row4, k0 + 0, bias4);
    v4[0] = score(v4[0], b, row4, k0 + 4u + 0, bias4);
    u4[1] = score(u4[1], b, row4, k0 + 1, bias4);
    v4[1] = score(v4[1], b, row4, k0 + 4u + 1, bias4);
    u4[2] = score(u4[2], b, row4, k0 + 2, bias4);
    v4[2] = score(v4[2], b, row4, k0 + 4u + 2, bias4);
    u4[3] = score(u4[3], b, row4, k0 + 3, bias4);
    v4[3] = score(v4[3], b, row4, k0 + 4u + 3, bias4);
    let t4 = max(u4, v4);
    let top4 = max(max4, max(max(t4.x, t4.y), max(t4.z, t4.w)));
    let fade4 = exp2(max4 - top4);
    max4 = top4;
    u4 = exp2(u4 - top4);
    v4 = exp2(v4 - top4);
    let z4 = u4 + v4;
    sum4 = sum4 * fade4 + z4.x + z4.y + z4.z + z4.w;
    lo4_0 *= fade4;
    hi4_0 *= fade4;
    lo4_1 *= fade4;
    hi4_1 *= fade4;
    lo4_2 *= fade4;
    hi4_2 *= fade4;
    lo4_3 *= fade4;
    hi4_3 *= fade4;
    u5[0] = score(u5[0], b, row5, k0 + 0, bias5);
    v5[0] = score(v5[0], b, row5, k0 + 4u + 0, bias5);
    u5[1] = score(u5[1], b, row5, k0 + 1, bias5);
    v5[1] = score(v5[1], b, row5, k0 + 4u + 1, bias5);
    u5[2] = score(u5[2], b, row5, k0 + 2, bias5);
    v5[2] = score(v5[2], b, row5, k0 + 4u + 2, bias5);
    u5[3] = score(u5[3], b, row5, k0 + 3, bias5);
    v5[3] = score(v5[3], b, row5, k0 + 4u + 3, bias5);
    let t5 = max(u5, v5);
    let top5 = max(max5, max(max(t5.x, t5.y), max(t5.z, t5.w)));
    let fade5 = exp2(max5 - top5);
    max5 = top5;
    u5 = exp2(u5 - top5);
    v5 = exp2(v5 - top5);
    let z5 = u5 + v5;
    sum5 = sum5 * fade5 + z5.x + z5.y + z5.z + z5.w;
    lo5_0 *= fade5;
    hi5_0 *= fade5;
    lo5_1 *= fade5;
    hi5_1 *= fade5;
    lo5_2 *= fade5;
    hi5_2 *= fade5;
    lo5_3 *= fade5;
    hi5_3 *= fade5;
    u6[0] = score(u6[0], b, row6, k0 + 0, bias6);
    v6[0] = score(v6[0], b, row6, k0 + 4u + 0, bias6);
    u6[1] = score(u6[1], b, row6, k0 + 1, bias6);
    v6[1] = score(v6[1], b, row6, k0 + 4u + 1, bias6);
    u6[2] = score(u6[2], b, row6, k0 + 2, bias6);
    v6[2] = score(v6[2], b, row6, k0 + 4u + 2, bias6);
    u6[3] = score(u6[3], b, row6, k0 + 3, bias6);
    v6[3] = score(v6[3], b, row6, k0 + 4u + 3, bias6);
    let t6 = max(u6, v6);
    let top6 = max(max6, max(max(t6.x, t6.y), max(t6.z, t6.w)));
    let fade6 = exp2(max6 - top6);
    max6 = top6;
    u6 = exp2(u6 - top6);
    v6 = exp2(v6 - top6);
    let z6 = u6 + v6;
    sum6 = sum6 * fade6 + z6.x + z6.y + z6.z + z6.w;
    lo6_0 *= fade6;
    hi6_0 *= fade6;
    lo6_1 *= fade6;
    hi6_1 *= fade6;
    lo6_2 *= fade6;
    hi6_2 *= fade6;
    lo6_3 *= fade6;
    hi6_3 *= fade6;
    u7[0] = score(u7[0], b, row7, k0 + 0, bias7);
    v7[0] = score(v7[0], b, row7, k0 + 4u + 0, bias7);
    u7[1] = score(u7[1], b, row7, k0 + 1, bias7);
    v7[1] = score(v7[1], b, row7, k0 + 4u + 1, bias7);
    u7[2] = score(u7[2], b, row7, k0 + 2, bias7);
    v7[2] = score(v7[2], b, row7, k0 + 4u + 2, bias7);
    u7[3] = score(u7[3], b, row7, k0 + 3, bias7);
    v7[3] = score(v7[3], b, row7, k0 + 4u + 3, bias7);
    let t7 = max(u7, v7);
    let top7 = max(max7, max(max(t7.x, t7.y), max(t7.z, t7.w)));
    let fade7 = exp2(max7 - top7);
    max7 = top7;
    u7 = exp2(u7 - top7);
    v7 = exp2(v7 - top7);
    let z7 = u7 + v7;
    sum7 = sum7 * fade7 + z7.x + z7.y + z7.z + z7.w;
    lo7_0 *= fade7;
    hi7_0 *= fade7;
    lo7_1 *= fade7;
    hi7_1 *= fade7;
    lo7_2 *= fade7;
    hi7_2 *= fade7;
    lo7_3 *= fade7;
    hi7_3 *= fade7;
    u8[0] = score(u8[0], b, row8, k0 + 0, bias8);
    v8[0] = score(v8[0], b, row8, k0 + 4u + 0, bias8);
    u8[1] = score(u8[1], b, row8, k0 + 1, bias8);
    v8[1] = score(v8[1], b, row8, k0 + 4u + 1, bias8);
    u8[2] = score(u8[2], b, row8, k0 + 2, bias8);
    v8[2] = score(v8[2], b, row8, k0 + 4u + 2, bias8);
    u8[3] = score(u8[3], b, row8, k0 + 3, bias8);
    v8[3] = score(v8[3], b, row8, k0 + 4u + 3, bias8);
    let t8 = max(u8, v8);
    let top8 = max(max8, max(max(t8.x, t8.y), max(t8.z, t8.w)));
    let fade8 = exp2(max8 - top8);
    max8 = top8;
    u8 = exp2(u8 - top8);
    v8 = exp2(v8 - top8);
    let z8 = u8 + v8;
    sum8 = sum8 * fade8 + z8.x + z8.y + z8.z + z8.w;
    lo8_0 *= fade8;
    hi8_0 *= fade8;
    lo8_1 *= fade8;
    hi8_1 *= fade8;
    lo8_2 *= fade8;
    hi8_2 *= fade8;
    lo8_3 *= fade8;
    hi8_3 *= fade8;
    u9[0] = score(u9[0], b, row9, k0 + 0, bias9);
    v9[0] = score(v9[0], b, row9, k0 + 4u + 0, bias9);
    u9[1] = score(u9[1], b, row9, k0 + 1, bias9);
    v9[1] = score(v9[1], b, row9, k0 + 4u + 1, bias9);
    u9[2] = score(u9[2], b, row9, k0 + 2, bias9);
    v9[2] = score(v9[2], b, row9, k0 + 4u + 2, bias9);
    u9[3] = score(u9[3], b, row9, k0 + 3, bias9);
    v9[3] = score(v9[3], b, row9, k0 + 4u + 3, bias9);
    let t9 = max(u9, v9);
    let top9 = max(max9, max(max(t9.x, t9.y), max(t9.z, t9.w)));
    let fade9 = exp2(max9 - top9);
    max9 = top9;
    u9 = exp2(u9 - top9);
    v9 = exp2(v9 - top9);
    let z9 = u9 + v9;
    sum9 = sum9 * fade9 + z9.x + z9.y + z9.z + z9.w;
    lo9_0 *= fade9;
    hi9_0 *= fade9;
    lo9_1 *= fade9;
    hi9_1 *= fade9;
    lo9_2 *= fade9;
    hi9_2 *= fade9;
    lo9_3 *= fade9;
    hi9_3 *= fade9;
    u10[0] = score(u10[0], b, row10, k0 + 0, bias10);
    v10[0] = score(v10[0], b, row10, k0 + 4u + 0, bias10);
    u10[1] = score(u10[1], b, row10, k0 + 1, bias10);
    v10[1] = score(v10[1], b, row10, k0 + 4u + 1, bias10);
    u10[2] = score(u10[2], b, row10, k0 + 2, bias10);
    v10[2] = score(v10[2], b, row10, k0 + 4u + 2, bias10);
    u10[3] = score(u10[3], b, row10, k0 + 3, bias10);
    v10[3] = score(v10[3], b, row10, k0 + 4u + 3, bias10);
    let t10 = max(u10, v10);
    let top10 = max(max10, max(max(t10.x, t10.y), max(t10.z, t10.w)));
    let fade10 = exp2(max10 - top10);
    max10 = top10;
    u10 = exp2(u10 - top10);
    v10 = exp2(v10 - top10);
    let z10 = u10 + v10;
    sum10 = sum10 * fade10 + z10.x + z10.y + z10.z + z10.w;
    lo10_0 *= fade10;
    hi10_0 *= fade10;
    lo10_1 *= fade10;
    hi10_1 *= fade10;
    lo10_2 *= fade10;
    hi10_2 *= fade10;
    lo10_3 *= fade10;
    hi10_3 *= fade10;
    u11[0] = score(u11[0], b, row11, k0 + 0, bias11);
    v11[0] = score(v11[0], b, row11, k0 + 4u + 0, bias11);
    u11[1] = score(u11[1], b, row11, k0 + 1, bias11);
    v11[1] = score(v11[1], b, row11, k0 + 4u + 1, bias11);
    u11[2] = score(u11[2], b, row11, k0 + 2, bias11);
    v11[2] = score(v11[2], b, row11, k0 + 4u + 2, bias11);
    u11[3] = score(u11[3], b, row11, k0 + 3, bias11);
    v11[3] = score(v11[3], b, row11, k0 + 4u + 3, bias11);
    let t11 = max(u11, v11);
    let top11 = max(max11, max(max(t11.x, t11.y), max(t11.z, t11.w)));
    let fade11 = exp2(max11 - top11);
    max11 = top11;
    u11 = exp2(u11 - top11);
    v11 = exp2(v11 - top11);
    let z11 = u11 + v11;
    sum11 = sum11 * fade11 + z11.x + z11.y + z11.z + z11.w;
    lo11_0 *= fade11;
    hi11_0 *= fade11;
    lo11_1 *= fade11;
    hi11_1 *= fade11;
    lo11_2 *= fade11;
    hi11_2 *= fade11;
    lo11_3 *= fade11;
    hi11_3 *= fade11;
    // Two keys a turn, the probabilities rotated: with all eight unrolled, drivers compile for seconds.
    for (var e = 0u; e < 4u; e++) {
      let uAt = vHead + min(k0 + e, s.Lk - 1u) * s.vRow / 8u;
      let vAt = vHead + min(k0 + 4u + e, s.Lk - 1u) * s.vRow / 8u;
      {
        let w = loadV(uAt + 0);
        let z = loadV(vAt + 0);
        lo0_0 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_0));
        hi0_0 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_0));
        lo1_0 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_0));
        hi1_0 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_0));
        lo2_0 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_0));
        hi2_0 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_0));
        lo3_0 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_0));
        hi3_0 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_0));
        lo4_0 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_0));
        hi4_0 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_0));
        lo5_0 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_0));
        hi5_0 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_0));
        lo6_0 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_0));
        hi6_0 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_0));
        lo7_0 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_0));
        hi7_0 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_0));
        lo8_0 = fma(vec4f(v8.x), z.lo, fma(vec4f(u8.x), w.lo, lo8_0));
        hi8_0 = fma(vec4f(v8.x), z.hi, fma(vec4f(u8.x), w.hi, hi8_0));
        lo9_0 = fma(vec4f(v9.x), z.lo, fma(vec4f(u9.x), w.lo, lo9_0));
        hi9_0 = fma(vec4f(v9.x), z.hi, fma(vec4f(u9.x), w.hi, hi9_0));
        lo10_0 = fma(vec4f(v10.x), z.lo, fma(vec4f(u10.x), w.lo, lo10_0));
        hi10_0 = fma(vec4f(v10.x), z.hi, fma(vec4f(u10.x), w.hi, hi10_0));
        lo11_0 = fma(vec4f(v11.x), z.lo, fma(vec4f(u11.x), w.lo, lo11_0));
        hi11_0 = fma(vec4f(v11.x), z.hi, fma(vec4f(u11.x), w.hi, hi11_0));
      }
      {
        let w = loadV(uAt + 1);
        let z = loadV(vAt + 1);
        lo0_1 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_1));
        hi0_1 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_1));
        lo1_1 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_1));
        hi1_1 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_1));
        lo2_1 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_1));
        hi2_1 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_1));
        lo3_1 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_1));
        hi3_1 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_1));
        lo4_1 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_1));
        hi4_1 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_1));
        lo5_1 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_1));
        hi5_1 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_1));
        lo6_1 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_1));
        hi6_1 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_1));
        lo7_1 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_1));
        hi7_1 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_1));
        lo8_1 = fma(vec4f(v8.x), z.lo, fma(vec4f(u8.x), w.lo, lo8_1));
        hi8_1 = fma(vec4f(v8.x), z.hi, fma(vec4f(u8.x), w.hi, hi8_1));
        lo9_1 = fma(vec4f(v9.x), z.lo, fma(vec4f(u9.x), w.lo, lo9_1));
        hi9_1 = fma(vec4f(v9.x), z.hi, fma(vec4f(u9.x), w.hi, hi9_1));
        lo10_1 = fma(vec4f(v10.x), z.lo, fma(vec4f(u10.x), w.lo, lo10_1));
        hi10_1 = fma(vec4f(v10.x), z.hi, fma(vec4f(u10.x), w.hi, hi10_1));
        lo11_1 = fma(vec4f(v11.x), z.lo, fma(vec4f(u11.x), w.lo, lo11_1));
        hi11_1 = fma(vec4f(v11.x), z.hi, fma(vec4f(u11.x), w.hi, hi11_1));
      }
      {
        let w = loadV(uAt + 2);
        let z = loadV(vAt + 2);
        lo0_2 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_2));
        hi0_2 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_2));
        lo1_2 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_2));
        hi1_2 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_2));
        lo2_2 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_2));
        hi2_2 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_2));
        lo3_2 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_2));
        hi3_2 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_2));
        lo4_2 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_2));
        hi4_2 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_2));
        lo5_2 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_2));
        hi5_2 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_2));
        lo6_2 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_2));
        hi6_2 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_2));
        lo7_2 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_2));
        hi7_2 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_2));
        lo8_2 = fma(vec4f(v8.x), z.lo, fma(vec4f(u8.x), w.lo, lo8_2));
        hi8_2 = fma(vec4f(v8.x), z.hi, fma(vec4f(u8.x), w.hi, hi8_2));
        lo9_2 = fma(vec4f(v9.x), z.lo, fma(vec4f(u9.x), w.lo, lo9_2));
        hi9_2 = fma(vec4f(v9.x), z.hi, fma(vec4f(u9.x), w.hi, hi9_2));
        lo10_2 = fma(vec4f(v10.x), z.lo, fma(vec4f(u10.x), w.lo, lo10_2));
        hi10_2 = fma(vec4f(v10.x), z.hi, fma(vec4f(u10.x), w.hi, hi10_2));
        lo11_2 = fma(vec4f(v11.x), z.lo, fma(vec4f(u11.x), w.lo, lo11_2));
        hi11_2 = fma(vec4f(v11.x), z.hi, fma(vec4f(u11.x), w.hi, hi11_2));
      }
      {
        let w = loadV(uAt + 3);
        let z = loadV(vAt + 3);
        lo0_3 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_3));
        hi0_3 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_3));
        lo1_3 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_3));
        hi1_3 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_3));
        lo2_3 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_3));
        hi2_3 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_3));
        lo3_3 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_3));
        hi3_3 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_3));
        lo4_3 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_3));
        hi4_3 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_3));
        lo5_3 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_3));
        hi5_3 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_3));
        lo6_3 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_3));
        hi6_3 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_3));
        lo7_3 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_3));
        hi7_3 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_3));
        lo8_3 = fma(vec4f(v8.x), z.lo, fma(vec4f(u8.x), w.lo, lo8_3));
        hi8_3 = fma(vec4f(v8.x), z.hi, fma(vec4f(u8.x), w.hi, hi8_3));
        lo9_3 = fma(vec4f(v9.x), z.lo, fma(vec4f(u9.x), w.lo, lo9_3));
        hi9_3 = fma(vec4f(v9.x), z.hi, fma(vec4f(u9.x), w.hi, hi9_3));
        lo10_3 = fma(vec4f(v10.x), z.lo, fma(vec4f(u10.x), w.lo, lo10_3));
        hi10_3 = fma(vec4f(v10.x), z.hi, fma(vec4f(u10.x), w.hi, hi10_3));
        lo11_3 = fma(vec4f(v11.x), z.lo, fma(vec4f(u11.x), w.lo, lo11_3));
        hi11_3 = fma(vec4f(v11.x), z.hi, fma(vec4f(u11.x), w.hi, hi11_3));
      }
      u0 = u0.yzwx;
      v0 = v0.yzwx;
      u1 = u1.yzwx;
      v1 = v1.yzwx;
      u2 = u2.yzwx;
      v2 = v2.yzwx;
      u3 = u3.yzwx;
      v3 = v3.yzwx;
      u4 = u4.yzwx;
      v4 = v4.yzwx;
      u5 = u5.yzwx;
      v5 = v5.yzwx;
      u6 = u6.yzwx;
      v6 = v6.yzwx;
      u7 = u7.yzwx;
      v7 = v7.yzwx;
      u8 = u8.yzwx;
      v8 = v8.yzwx;
      u9 = u9.yzwx;
      v9 = v9.yzwx;
      u10 = u10.yzwx;
      v10 = v10.yzwx;
      u11 = u11.yzwx;
      v11 = v11.yzwx;
    }
  }

  if (n0 + 0 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo0_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi0_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo0_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi0_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo0_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi0_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo0_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi0_3 * share);
    }
  }
  if (n0 + 1 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo1_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi1_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo1_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi1_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo1_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi1_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo1_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi1_3 * share);
    }
  }
  if (n0 + 2 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo2_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi2_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo2_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi2_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo2_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi2_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo2_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi2_3 * share);
    }
  }
  if (n0 + 3 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo3_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi3_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo3_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi3_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo3_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi3_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo3_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi3_3 * share);
    }
  }
  if (n0 + 4 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 4) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum4, sum4 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo4_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi4_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo4_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi4_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo4_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi4_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo4_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi4_3 * share);
    }
  }
  if (n0 + 5 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 5) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum5, sum5 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo5_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi5_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo5_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi5_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo5_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi5_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo5_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi5_3 * share);
    }
  }
  if (n0 + 6 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 6) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum6, sum6 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo6_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi6_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo6_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi6_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo6_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi6_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo6_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi6_3 * share);
    }
  }
  if (n0 + 7 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 7) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum7, sum7 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo7_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi7_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo7_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi7_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo7_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi7_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo7_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi7_3 * share);
    }
  }
  if (n0 + 8 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 8) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum8, sum8 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo8_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi8_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo8_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi8_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo8_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi8_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo8_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi8_3 * share);
    }
  }
  if (n0 + 9 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 9) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum9, sum9 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo9_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi9_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo9_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi9_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo9_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi9_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo9_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi9_3 * share);
    }
  }
  if (n0 + 10 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 10) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum10, sum10 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo10_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi10_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo10_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi10_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo10_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi10_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo10_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi10_3 * share);
    }
  }
  if (n0 + 11 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 11) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum11, sum11 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo11_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi11_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo11_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi11_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo11_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi11_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo11_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi11_3 * share);
    }
  }
}
`,
  "attention_texels@RQ=8,OD=40": `const RQ: u32 = 8u;
const OD: u32 = 40u;
// attention_texels.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, everything in registers.
//
// Operands and strides as in attention_tiled.wgsl, read from textures of 2048 texels a row as one long list.
// An invocation makes RQ queries of one head and OD of its columns: no workgroup memory and no barriers, which
// suits adapters that run on a CPU; lanes read the same keys and values at the same time. x: queries, y: heads
// of samples, z: columns (the scores are then made once more for each OD of them). All sums are f32.


const NOTHING: f32 = -3e38;  // a key that does not count, below every score
const LOWEST: f32 = -2.95e38;  // between the two, so that exp2(NOTHING − maximum) is 0 also where no key counts
const LOG2E: f32 = 1.4426950409;

override WX: u32 = 8u;
override Q_TYPE: u32 = 0u;   // 0 f32, 1 f16
override KV_TYPE: u32 = 0u;
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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      Q: texture_2d<u32>;
@group(0) @binding(2) var                      K: texture_2d<u32>;
@group(0) @binding(3) var                      V: texture_2d<u32>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<vec4<oElem>>;

struct Eight { lo: vec4f, hi: vec4f }

fn place(at: u32) -> vec2u { return vec2u(at & 2047u, at >> 11u); }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn wide(lo: vec4u, hi: vec4u) -> Eight { return Eight(bitcast<vec4f>(lo), bitcast<vec4f>(hi)); }

fn loadQ(at: u32) -> Eight {
  if (Q_TYPE == 0u) { return wide(textureLoad(Q, place(at * 2u), 0), textureLoad(Q, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(Q, place(at), 0));
}

fn loadK(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(K, place(at * 2u), 0), textureLoad(K, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(K, place(at), 0));
}

fn loadV(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(V, place(at * 2u), 0), textureLoad(V, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(V, place(at), 0));
}

/// A score with everything that changes it, in units of log₂; NOTHING where the key does not count.
fn score(dot: f32, b: u32, row: u32, key: u32, biasRow: u32) -> f32 {
  // Without branches, which cost a CPU's vectors more than what they would save.
  let k = min(key, s.Lk - 1u);
  var v = dot * (s.scale * LOG2E);
  if (BIAS == 1u) { v = max(dot * s.scale + bias[biasRow + k], -2e38) * LOG2E; }
  var counts = key < s.Lk;
  if (CAUSAL == 1u) { counts = counts && key <= row; }
  if (MASK == 1u) { counts = counts && keep[b * s.Lk + k] != 0.0; }
  return select(NOTHING, v, counts);
}

@compute @workgroup_size(WX)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n0 = s.q0 + id.x * RQ;
  if (n0 >= s.qEnd) { return; }
  let b = s.b0 + id.y / s.headsHere;
  let h = s.h0 + id.y % s.headsHere;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = (s.vFirst + b * s.vSample + h * s.vHead + id.z * OD) / 8u;
  let D8 = s.D / 8u;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let qAt0 = (s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow) / 8u;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = LOWEST;
  var sum0 = 0.0;
  var lo0_0 = vec4f();
  var hi0_0 = vec4f();
  var lo0_1 = vec4f();
  var hi0_1 = vec4f();
  var lo0_2 = vec4f();
  var hi0_2 = vec4f();
  var lo0_3 = vec4f();
  var hi0_3 = vec4f();
  var lo0_4 = vec4f();
  var hi0_4 = vec4f();
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let qAt1 = (s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow) / 8u;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = LOWEST;
  var sum1 = 0.0;
  var lo1_0 = vec4f();
  var hi1_0 = vec4f();
  var lo1_1 = vec4f();
  var hi1_1 = vec4f();
  var lo1_2 = vec4f();
  var hi1_2 = vec4f();
  var lo1_3 = vec4f();
  var hi1_3 = vec4f();
  var lo1_4 = vec4f();
  var hi1_4 = vec4f();
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let qAt2 = (s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow) / 8u;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = LOWEST;
  var sum2 = 0.0;
  var lo2_0 = vec4f();
  var hi2_0 = vec4f();
  var lo2_1 = vec4f();
  var hi2_1 = vec4f();
  var lo2_2 = vec4f();
  var hi2_2 = vec4f();
  var lo2_3 = vec4f();
  var hi2_3 = vec4f();
  var lo2_4 = vec4f();
  var hi2_4 = vec4f();
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let qAt3 = (s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow) / 8u;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = LOWEST;
  var sum3 = 0.0;
  var lo3_0 = vec4f();
  var hi3_0 = vec4f();
  var lo3_1 = vec4f();
  var hi3_1 = vec4f();
  var lo3_2 = vec4f();
  var hi3_2 = vec4f();
  var lo3_3 = vec4f();
  var hi3_3 = vec4f();
  var lo3_4 = vec4f();
  var hi3_4 = vec4f();
  let row4 = min(n0 + 4, s.qEnd - 1u);
  let qAt4 = (s.qFirst + b * s.qSample + h * s.qHead + row4 * s.qRow) / 8u;
  let bias4 = s.biasFirst + b * s.biasSample + h * s.biasHead + row4 * s.Lk;
  var max4 = LOWEST;
  var sum4 = 0.0;
  var lo4_0 = vec4f();
  var hi4_0 = vec4f();
  var lo4_1 = vec4f();
  var hi4_1 = vec4f();
  var lo4_2 = vec4f();
  var hi4_2 = vec4f();
  var lo4_3 = vec4f();
  var hi4_3 = vec4f();
  var lo4_4 = vec4f();
  var hi4_4 = vec4f();
  let row5 = min(n0 + 5, s.qEnd - 1u);
  let qAt5 = (s.qFirst + b * s.qSample + h * s.qHead + row5 * s.qRow) / 8u;
  let bias5 = s.biasFirst + b * s.biasSample + h * s.biasHead + row5 * s.Lk;
  var max5 = LOWEST;
  var sum5 = 0.0;
  var lo5_0 = vec4f();
  var hi5_0 = vec4f();
  var lo5_1 = vec4f();
  var hi5_1 = vec4f();
  var lo5_2 = vec4f();
  var hi5_2 = vec4f();
  var lo5_3 = vec4f();
  var hi5_3 = vec4f();
  var lo5_4 = vec4f();
  var hi5_4 = vec4f();
  let row6 = min(n0 + 6, s.qEnd - 1u);
  let qAt6 = (s.qFirst + b * s.qSample + h * s.qHead + row6 * s.qRow) / 8u;
  let bias6 = s.biasFirst + b * s.biasSample + h * s.biasHead + row6 * s.Lk;
  var max6 = LOWEST;
  var sum6 = 0.0;
  var lo6_0 = vec4f();
  var hi6_0 = vec4f();
  var lo6_1 = vec4f();
  var hi6_1 = vec4f();
  var lo6_2 = vec4f();
  var hi6_2 = vec4f();
  var lo6_3 = vec4f();
  var hi6_3 = vec4f();
  var lo6_4 = vec4f();
  var hi6_4 = vec4f();
  let row7 = min(n0 + 7, s.qEnd - 1u);
  let qAt7 = (s.qFirst + b * s.qSample + h * s.qHead + row7 * s.qRow) / 8u;
  let bias7 = s.biasFirst + b * s.biasSample + h * s.biasHead + row7 * s.Lk;
  var max7 = LOWEST;
  var sum7 = 0.0;
  var lo7_0 = vec4f();
  var hi7_0 = vec4f();
  var lo7_1 = vec4f();
  var hi7_1 = vec4f();
  var lo7_2 = vec4f();
  var hi7_2 = vec4f();
  var lo7_3 = vec4f();
  var hi7_3 = vec4f();
  var lo7_4 = vec4f();
  var hi7_4 = vec4f();

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, n0 + RQ); }
  for (var k0 = 0u; k0 < keys; k0 += 8u) {
    var u0 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v0 = vec4f();
    var u1 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v1 = vec4f();
    var u2 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v2 = vec4f();
    var u3 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v3 = vec4f();
    var u4 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v4 = vec4f();
    var u5 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v5 = vec4f();
    var u6 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v6 = vec4f();
    var u7 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v7 = vec4f();
    let uAt0 = (kHead + min(k0 + 0, s.Lk - 1u) * s.kRow) / 8u;
    let vAt0 = (kHead + min(k0 + 4u + 0, s.Lk - 1u) * s.kRow) / 8u;
    let uAt1 = (kHead + min(k0 + 1, s.Lk - 1u) * s.kRow) / 8u;
    let vAt1 = (kHead + min(k0 + 4u + 1, s.Lk - 1u) * s.kRow) / 8u;
    let uAt2 = (kHead + min(k0 + 2, s.Lk - 1u) * s.kRow) / 8u;
    let vAt2 = (kHead + min(k0 + 4u + 2, s.Lk - 1u) * s.kRow) / 8u;
    let uAt3 = (kHead + min(k0 + 3, s.Lk - 1u) * s.kRow) / 8u;
    let vAt3 = (kHead + min(k0 + 4u + 3, s.Lk - 1u) * s.kRow) / 8u;
    for (var c = 0u; c < D8; c++) {
      let a0 = loadQ(qAt0 + c);
      let a1 = loadQ(qAt1 + c);
      let a2 = loadQ(qAt2 + c);
      let a3 = loadQ(qAt3 + c);
      let a4 = loadQ(qAt4 + c);
      let a5 = loadQ(qAt5 + c);
      let a6 = loadQ(qAt6 + c);
      let a7 = loadQ(qAt7 + c);
      let b0 = loadK(uAt0 + c);
      let c0 = loadK(vAt0 + c);
      u0[0] += dot(a0.lo, b0.lo) + dot(a0.hi, b0.hi);
      v0[0] += dot(a0.lo, c0.lo) + dot(a0.hi, c0.hi);
      u1[0] += dot(a1.lo, b0.lo) + dot(a1.hi, b0.hi);
      v1[0] += dot(a1.lo, c0.lo) + dot(a1.hi, c0.hi);
      u2[0] += dot(a2.lo, b0.lo) + dot(a2.hi, b0.hi);
      v2[0] += dot(a2.lo, c0.lo) + dot(a2.hi, c0.hi);
      u3[0] += dot(a3.lo, b0.lo) + dot(a3.hi, b0.hi);
      v3[0] += dot(a3.lo, c0.lo) + dot(a3.hi, c0.hi);
      u4[0] += dot(a4.lo, b0.lo) + dot(a4.hi, b0.hi);
      v4[0] += dot(a4.lo, c0.lo) + dot(a4.hi, c0.hi);
      u5[0] += dot(a5.lo, b0.lo) + dot(a5.hi, b0.hi);
      v5[0] += dot(a5.lo, c0.lo) + dot(a5.hi, c0.hi);
      u6[0] += dot(a6.lo, b0.lo) + dot(a6.hi, b0.hi);
      v6[0] += dot(a6.lo, c0.lo) + dot(a6.hi, c0.hi);
      u7[0] += dot(a7.lo, b0.lo) + dot(a7.hi, b0.hi);
      v7[0] += dot(a7.lo, c0.lo) + dot(a7.hi, c0.hi);
      let b1 = loadK(uAt1 + c);
      let c1 = loadK(vAt1 + c);
      u0[1] += dot(a0.lo, b1.lo) + dot(a0.hi, b1.hi);
      v0[1] += dot(a0.lo, c1.lo) + dot(a0.hi, c1.hi);
      u1[1] += dot(a1.lo, b1.lo) + dot(a1.hi, b1.hi);
      v1[1] += dot(a1.lo, c1.lo) + dot(a1.hi, c1.hi);
      u2[1] += dot(a2.lo, b1.lo) + dot(a2.hi, b1.hi);
      v2[1] += dot(a2.lo, c1.lo) + dot(a2.hi, c1.hi);
      u3[1] += dot(a3.lo, b1.lo) + dot(a3.hi, b1.hi);
      v3[1] += dot(a3.lo, c1.lo) + dot(a3.hi, c1.hi);
      u4[1] += dot(a4.lo, b1.lo) + dot(a4.hi, b1.hi);
      v4[1] += dot(a4.lo, c1.lo) + dot(a4.hi, c1.hi);
      u5[1] += dot(a5.lo, b1.lo) + dot(a5.hi, b1.hi);
      v5[1] += dot(a5.lo, c1.lo) + dot(a5.hi, c1.hi);
      u6[1] += dot(a6.lo, b1.lo) + dot(a6.hi, b1.hi);
      v6[1] += dot(a6.lo, c1.lo) + dot(a6.hi, c1.hi);
      u7[1] += dot(a7.lo, b1.lo) + dot(a7.hi, b1.hi);
      v7[1] += dot(a7.lo, c1.lo) + dot(a7.hi, c1.hi);
      let b2 = loadK(uAt2 + c);
      let c2 = loadK(vAt2 + c);
      u0[2] += dot(a0.lo, b2.lo) + dot(a0.hi, b2.hi);
      v0[2] += dot(a0.lo, c2.lo) + dot(a0.hi, c2.hi);
      u1[2] += dot(a1.lo, b2.lo) + dot(a1.hi, b2.hi);
      v1[2] += dot(a1.lo, c2.lo) + dot(a1.hi, c2.hi);
      u2[2] += dot(a2.lo, b2.lo) + dot(a2.hi, b2.hi);
      v2[2] += dot(a2.lo, c2.lo) + dot(a2.hi, c2.hi);
      u3[2] += dot(a3.lo, b2.lo) + dot(a3.hi, b2.hi);
      v3[2] += dot(a3.lo, c2.lo) + dot(a3.hi, c2.hi);
      u4[2] += dot(a4.lo, b2.lo) + dot(a4.hi, b2.hi);
      v4[2] += dot(a4.lo, c2.lo) + dot(a4.hi, c2.hi);
      u5[2] += dot(a5.lo, b2.lo) + dot(a5.hi, b2.hi);
      v5[2] += dot(a5.lo, c2.lo) + dot(a5.hi, c2.hi);
      u6[2] += dot(a6.lo, b2.lo) + dot(a6.hi, b2.hi);
      v6[2] += dot(a6.lo, c2.lo) + dot(a6.hi, c2.hi);
      u7[2] += dot(a7.lo, b2.lo) + dot(a7.hi, b2.hi);
      v7[2] += dot(a7.lo, c2.lo) + dot(a7.hi, c2.hi);
      let b3 = loadK(uAt3 + c);
      let c3 = loadK(vAt3 + c);
      u0[3] += dot(a0.lo, b3.lo) + dot(a0.hi, b3.hi);
      v0[3] += dot(a0.lo, c3.lo) + dot(a0.hi, c3.hi);
      u1[3] += dot(a1.lo, b3.lo) + dot(a1.hi, b3.hi);
      v1[3] += dot(a1.lo, c3.lo) + dot(a1.hi, c3.hi);
      u2[3] += dot(a2.lo, b3.lo) + dot(a2.hi, b3.hi);
      v2[3] += dot(a2.lo, c3.lo) + dot(a2.hi, c3.hi);
      u3[3] += dot(a3.lo, b3.lo) + dot(a3.hi, b3.hi);
      v3[3] += dot(a3.lo, c3.lo) + dot(a3.hi, c3.hi);
      u4[3] += dot(a4.lo, b3.lo) + dot(a4.hi, b3.hi);
      v4[3] += dot(a4.lo, c3.lo) + dot(a4.hi, c3.hi);
      u5[3] += dot(a5.lo, b3.lo) + dot(a5.hi, b3.hi);
      v5[3] += dot(a5.lo, c3.lo) + dot(a5.hi, c3.hi);
      u6[3] += dot(a6.lo, b3.lo) + dot(a6.hi, b3.hi);
      v6[3] += dot(a6.lo, c3.lo) + dot(a6.hi, c3.hi);
      u7[3] += dot(a7.lo, b3.lo) + dot(a7.hi, b3.hi);
      v7[3] += dot(a7.lo, c3.lo) + dot(a7.hi, c3.hi);
    }
    u0[0] = score(u0[0], b, row0, k0 + 0, bias0);
    v0[0] = score(v0[0], b, row0, k0 + 4u + 0, bias0);
    u0[1] = score(u0[1], b, row0, k0 + 1, bias0);
    v0[1] = score(v0[1], b, row0, k0 + 4u + 1, bias0);
    u0[2] = score(u0[2], b, row0, k0 + 2, bias0);
    v0[2] = score(v0[2], b, row0, k0 + 4u + 2, bias0);
    u0[3] = score(u0[3], b, row0, k0 + 3, bias0);
    v0[3] = score(v0[3], b, row0, k0 + 4u + 3, bias0);
    let t0 = max(u0, v0);
    let top0 = max(max0, max(max(t0.x, t0.y), max(t0.z, t0.w)));
    let fade0 = exp2(max0 - top0);
    max0 = top0;
    u0 = exp2(u0 - top0);
    v0 = exp2(v0 - top0);
    let z0 = u0 + v0;
    sum0 = sum0 * fade0 + z0.x + z0.y + z0.z + z0.w;
    lo0_0 *= fade0;
    hi0_0 *= fade0;
    lo0_1 *= fade0;
    hi0_1 *= fade0;
    lo0_2 *= fade0;
    hi0_2 *= fade0;
    lo0_3 *= fade0;
    hi0_3 *= fade0;
    lo0_4 *= fade0;
    hi0_4 *= fade0;
    u1[0] = score(u1[0], b, row1, k0 + 0, bias1);
    v1[0] = score(v1[0], b, row1, k0 + 4u + 0, bias1);
    u1[1] = score(u1[1], b, row1, k0 + 1, bias1);
    v1[1] = score(v1[1], b, row1, k0 + 4u + 1, bias1);
    u1[2] = score(u1[2], b, row1, k0 + 2, bias1);
    v1[2] = score(v1[2], b, row1, k0 + 4u + 2, bias1);
    u1[3] = score(u1[3], b, row1, k0 + 3, bias1);
    v1[3] = score(v1[3], b, row1, k0 + 4u + 3, bias1);
    let t1 = max(u1, v1);
    let top1 = max(max1, max(max(t1.x, t1.y), max(t1.z, t1.w)));
    let fade1 = exp2(max1 - top1);
    max1 = top1;
    u1 = exp2(u1 - top1);
    v1 = exp2(v1 - top1);
    let z1 = u1 + v1;
    sum1 = sum1 * fade1 + z1.x + z1.y + z1.z + z1.w;
    lo1_0 *= fade1;
    hi1_0 *= fade1;
    lo1_1 *= fade1;
    hi1_1 *= fade1;
    lo1_2 *= fade1;
    hi1_2 *= fade1;
    lo1_3 *= fade1;
    hi1_3 *= fade1;
    lo1_4 *= fade1;
    hi1_4 *= fade1;
    u2[0] = score(u2[0], b, row2, k0 + 0, bias2);
    v2[0] = score(v2[0], b, row2, k0 + 4u + 0, bias2);
    u2[1] = score(u2[1], b, row2, k0 + 1, bias2);
    v2[1] = score(v2[1], b, row2, k0 + 4u + 1, bias2);
    u2[2] = score(u2[2], b, row2, k0 + 2, bias2);
    v2[2] = score(v2[2], b, row2, k0 + 4u + 2, bias2);
    u2[3] = score(u2[3], b, row2, k0 + 3, bias2);
    v2[3] = score(v2[3], b, row2, k0 + 4u + 3, bias2);
    let t2 = max(u2, v2);
    let top2 = max(max2, max(max(t2.x, t2.y), max(t2.z, t2.w)));
    let fade2 = exp2(max2 - top2);
    max2 = top2;
    u2 = exp2(u2 - top2);
    v2 = exp2(v2 - top2);
    let z2 = u2 + v2;
    sum2 = sum2 * fade2 + z2.x + z2.y + z2.z + z2.w;
    lo2_0 *= fade2;
    hi2_0 *= fade2;
    lo2_1 *= fade2;
    hi2_1 *= fade2;
    lo2_2 *= fade2;
    hi2_2 *= fade2;
    lo2_3 *= fade2;
    hi2_3 *= fade2;
    lo2_4 *= fade2;
    hi2_4 *= fade2;
    u3[0] = score(u3[0], b, row3, k0 + 0, bias3);
    v3[0] = score(v3[0], b, row3, k0 + 4u + 0, bias3);
    u3[1] = score(u3[1], b, row3, k0 + 1, bias3);
    v3[1] = score(v3[1], b, row3, k0 + 4u + 1, bias3);
    u3[2] = score(u3[2], b, row3, k0 + 2, bias3);
    v3[2] = score(v3[2], b, row3, k0 + 4u + 2, bias3);
    u3[3] = score(u3[3], b, row3, k0 + 3, bias3);
    v3[3] = score(v3[3], b, row3, k0 + 4u + 3, bias3);
    let t3 = max(u3, v3);
    let top3 = max(max3, max(max(t3.x, t3.y), max(t3.z, t3.w)));
    let fade3 = exp2(max3 - top3);
    max3 = top3;
    u3 = exp2(u3 - top3);
    v3 = exp2(v3 - top3);
    let z3 = u3 + v3;
    sum3 = sum3 * fade3 + z3.x + z3.y + z3.z + z3.w;
    lo3_0 *= fade3;
    hi3_0 *= fade3;
    lo3_1 *= fade3;
    hi3_1 *= fade3;
    lo3_2 *= fade3;
    hi3_2 *= fade3;
    lo3_3 *= fade3;
    hi3_3 *= fade3;
    lo3_4 *= fade3;
    hi3_4 *= fade3;
    u4[0] = score(u4[0], b, row4, k0 + 0, bias4);
    v4[0] = score(v4[0], b, row4, k0 + 4u + 0, bias4);
    u4[1] = score(u4[1], b, row4, k0 + 1, bias4);
    v4[1] = score(v4[1], b, row4, k0 + 4u + 1, bias4);
    u4[2] = score(u4[2], b, row4, k0 + 2, bias4);
    v4[2] = score(v4[2], b, row4, k0 + 4u + 2, bias4);
    u4[3] = score(u4[3], b, row4, k0 + 3, bias4);
    v4[3] = score(v4[3], b, row4, k0 + 4u + 3, bias4);
    let t4 = max(u4, v4);
    let top4 = max(max4, max(max(t4.x, t4.y), max(t4.z, t4.w)));
    let fade4 = exp2(max4 - top4);
    max4 = top4;
    u4 = exp2(u4 - top4);
    v4 = exp2(v4 - top4);
    let z4 = u4 + v4;
    sum4 = sum4 * fade4 + z4.x + z4.y + z4.z + z4.w;
    lo4_0 *= fade4;
    hi4_0 *= fade4;
    lo4_1 *= fade4;
    hi4_1 *= fade4;
    lo4_2 *= fade4;
    hi4_2 *= fade4;
    lo4_3 *= fade4;
    hi4_3 *= fade4;
    lo4_4 *= fade4;
    hi4_4 *= fade4;
    u5[0] = score(u5[0], b, row5, k0 + 0, bias5);
    v5[0] = score(v5[0], b, row5, k0 + 4u + 0, bias5);
    u5[1] = score(u5[1], b, row5, k0 + 1, bias5);
    v5[1] = score(v5[1], b, row5, k0 + 4u + 1, bias5);
    u5[2] = score(u5[2], b, row5, k0 + 2, bias5);
    v5[2] = score(v5[2], b, row5, k0 + 4u + 2, bias5);
    u5[3] = score(u5[3], b, row5, k0 + 3, bias5);
    v5[3] = score(v5[3], b, row5, k0 + 4u + 3, bias5);
    let t5 = max(u5, v5);
    let top5 = max(max5, max(max(t5.x, t5.y), max(t5.z, t5.w)));
    let fade5 = exp2(max5 - top5);
    max5 = top5;
    u5 = exp2(u5 - top5);
    v5 = exp2(v5 - top5);
    let z5 = u5 + v5;
    sum5 = sum5 * fade5 + z5.x + z5.y + z5.z + z5.w;
    lo5_0 *= fade5;
    hi5_0 *= fade5;
    lo5_1 *= fade5;
    hi5_1 *= fade5;
    lo5_2 *= fade5;
    hi5_2 *= fade5;
    lo5_3 *= fade5;
    hi5_3 *= fade5;
    lo5_4 *= fade5;
    hi5_4 *= fade5;
    u6[0] = score(u6[0], b, row6, k0 + 0, bias6);
    v6[0] = score(v6[0], b, row6, k0 + 4u + 0, bias6);
    u6[1] = score(u6[1], b, row6, k0 + 1, bias6);
    v6[1] = score(v6[1], b, row6, k0 + 4u + 1, bias6);
    u6[2] = score(u6[2], b, row6, k0 + 2, bias6);
    v6[2] = score(v6[2], b, row6, k0 + 4u + 2, bias6);
    u6[3] = score(u6[3], b, row6, k0 + 3, bias6);
    v6[3] = score(v6[3], b, row6, k0 + 4u + 3, bias6);
    let t6 = max(u6, v6);
    let top6 = max(max6, max(max(t6.x, t6.y), max(t6.z, t6.w)));
    let fade6 = exp2(max6 - top6);
    max6 = top6;
    u6 = exp2(u6 - top6);
    v6 = exp2(v6 - top6);
    let z6 = u6 + v6;
    sum6 = sum6 * fade6 + z6.x + z6.y + z6.z + z6.w;
    lo6_0 *= fade6;
    hi6_0 *= fade6;
    lo6_1 *= fade6;
    hi6_1 *= fade6;
    lo6_2 *= fade6;
    hi6_2 *= fade6;
    lo6_3 *= fade6;
    hi6_3 *= fade6;
    lo6_4 *= fade6;
    hi6_4 *= fade6;
    u7[0] = score(u7[0], b, row7, k0 + 0, bias7);
    v7[0] = score(v7[0], b, row7, k0 + 4u + 0, bias7);
    u7[1] = score(u7[1], b, row7, k0 + 1, bias7);
    v7[1] = score(v7[1], b, row7, k0 + 4u + 1, bias7);
    u7[2] = score(u7[2], b, row7, k0 + 2, bias7);
    v7[2] = score(v7[2], b, row7, k0 + 4u + 2, bias7);
    u7[3] = score(u7[3], b, row7, k0 + 3, bias7);
    v7[3] = score(v7[3], b, row7, k0 + 4u + 3, bias7);
    let t7 = max(u7, v7);
    let top7 = max(max7, max(max(t7.x, t7.y), max(t7.z, t7.w)));
    let fade7 = exp2(max7 - top7);
    max7 = top7;
    u7 = exp2(u7 - top7);
    v7 = exp2(v7 - top7);
    let z7 = u7 + v7;
    sum7 = sum7 * fade7 + z7.x + z7.y + z7.z + z7.w;
    lo7_0 *= fade7;
    hi7_0 *= fade7;
    lo7_1 *= fade7;
    hi7_1 *= fade7;
    lo7_2 *= fade7;
    hi7_2 *= fade7;
    lo7_3 *= fade7;
    hi7_3 *= fade7;
    lo7_4 *= fade7;
    hi7_4 *= fade7;
    // Two keys a turn, the probabilities rotated: with all eight unrolled, drivers compile for seconds.
    for (var e = 0u; e < 4u; e++) {
      let uAt = vHead + min(k0 + e, s.Lk - 1u) * s.vRow / 8u;
      let vAt = vHead + min(k0 + 4u + e, s.Lk - 1u) * s.vRow / 8u;
      {
        let w = loadV(uAt + 0);
        let z = loadV(vAt + 0);
        lo0_0 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_0));
        hi0_0 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_0));
        lo1_0 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_0));
        hi1_0 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_0));
        lo2_0 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_0));
        hi2_0 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_0));
        lo3_0 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_0));
        hi3_0 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_0));
        lo4_0 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_0));
        hi4_0 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_0));
        lo5_0 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_0));
        hi5_0 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_0));
        lo6_0 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_0));
        hi6_0 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_0));
        lo7_0 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_0));
        hi7_0 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_0));
      }
      {
        let w = loadV(uAt + 1);
        let z = loadV(vAt + 1);
        lo0_1 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_1));
        hi0_1 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_1));
        lo1_1 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_1));
        hi1_1 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_1));
        lo2_1 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_1));
        hi2_1 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_1));
        lo3_1 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_1));
        hi3_1 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_1));
        lo4_1 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_1));
        hi4_1 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_1));
        lo5_1 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_1));
        hi5_1 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_1));
        lo6_1 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_1));
        hi6_1 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_1));
        lo7_1 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_1));
        hi7_1 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_1));
      }
      {
        let w = loadV(uAt + 2);
        let z = loadV(vAt + 2);
        lo0_2 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_2));
        hi0_2 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_2));
        lo1_2 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_2));
        hi1_2 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_2));
        lo2_2 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_2));
        hi2_2 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_2));
        lo3_2 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_2));
        hi3_2 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_2));
        lo4_2 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_2));
        hi4_2 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_2));
        lo5_2 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_2));
        hi5_2 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_2));
        lo6_2 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_2));
        hi6_2 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_2));
        lo7_2 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_2));
        hi7_2 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_2));
      }
      {
        let w = loadV(uAt + 3);
        let z = loadV(vAt + 3);
        lo0_3 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_3));
        hi0_3 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_3));
        lo1_3 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_3));
        hi1_3 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_3));
        lo2_3 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_3));
        hi2_3 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_3));
        lo3_3 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_3));
        hi3_3 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_3));
        lo4_3 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_3));
        hi4_3 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_3));
        lo5_3 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_3));
        hi5_3 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_3));
        lo6_3 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_3));
        hi6_3 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_3));
        lo7_3 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_3));
        hi7_3 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_3));
      }
      {
        let w = loadV(uAt + 4);
        let z = loadV(vAt + 4);
        lo0_4 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_4));
        hi0_4 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_4));
        lo1_4 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_4));
        hi1_4 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_4));
        lo2_4 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_4));
        hi2_4 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_4));
        lo3_4 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_4));
        hi3_4 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_4));
        lo4_4 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_4));
        hi4_4 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_4));
        lo5_4 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_4));
        hi5_4 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_4));
        lo6_4 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_4));
        hi6_4 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_4));
        lo7_4 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_4));
        hi7_4 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_4));
      }
      u0 = u0.yzwx;
      v0 = v0.yzwx;
      u1 = u1.yzwx;
      v1 = v1.yzwx;
      u2 = u2.yzwx;
      v2 = v2.yzwx;
      u3 = u3.yzwx;
      v3 = v3.yzwx;
      u4 = u4.yzwx;
      v4 = v4.yzwx;
      u5 = u5.yzwx;
      v5 = v5.yzwx;
      u6 = u6.yzwx;
      v6 = v6.yzwx;
      u7 = u7.yzwx;
      v7 = v7.yzwx;
    }
  }

  if (n0 + 0 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo0_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi0_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo0_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi0_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo0_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi0_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo0_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi0_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo0_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi0_4 * share);
    }
  }
  if (n0 + 1 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo1_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi1_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo1_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi1_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo1_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi1_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo1_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi1_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo1_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi1_4 * share);
    }
  }
  if (n0 + 2 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo2_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi2_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo2_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi2_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo2_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi2_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo2_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi2_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo2_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi2_4 * share);
    }
  }
  if (n0 + 3 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo3_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi3_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo3_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi3_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo3_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi3_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo3_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi3_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo3_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi3_4 * share);
    }
  }
  if (n0 + 4 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 4) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum4, sum4 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo4_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi4_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo4_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi4_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo4_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi4_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo4_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi4_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo4_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi4_4 * share);
    }
  }
  if (n0 + 5 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 5) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum5, sum5 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo5_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi5_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo5_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi5_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo5_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi5_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo5_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi5_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo5_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi5_4 * share);
    }
  }
  if (n0 + 6 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 6) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum6, sum6 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo6_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi6_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo6_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi6_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo6_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi6_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo6_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi6_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo6_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi6_4 * share);
    }
  }
  if (n0 + 7 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 7) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum7, sum7 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo7_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi7_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo7_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi7_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo7_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi7_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo7_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi7_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo7_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi7_4 * share);
    }
  }
}
`,
  "attention_texels@RQ=4,OD=64": `const RQ: u32 = 4u;
const OD: u32 = 64u;
// attention_texels.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, everything in registers.
//
// Operands and strides as in attention_tiled.wgsl, read from textures of 2048 texels a row as one long list.
// An invocation makes RQ queries of one head and OD of its columns: no workgroup memory and no barriers, which
// suits adapters that run on a CPU; lanes read the same keys and values at the same time. x: queries, y: heads
// of samples, z: columns (the scores are then made once more for each OD of them). All sums are f32.


const NOTHING: f32 = -3e38;  // a key that does not count, below every score
const LOWEST: f32 = -2.95e38;  // between the two, so that exp2(NOTHING − maximum) is 0 also where no key counts
const LOG2E: f32 = 1.4426950409;

override WX: u32 = 8u;
override Q_TYPE: u32 = 0u;   // 0 f32, 1 f16
override KV_TYPE: u32 = 0u;
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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      Q: texture_2d<u32>;
@group(0) @binding(2) var                      K: texture_2d<u32>;
@group(0) @binding(3) var                      V: texture_2d<u32>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<vec4<oElem>>;

struct Eight { lo: vec4f, hi: vec4f }

fn place(at: u32) -> vec2u { return vec2u(at & 2047u, at >> 11u); }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn wide(lo: vec4u, hi: vec4u) -> Eight { return Eight(bitcast<vec4f>(lo), bitcast<vec4f>(hi)); }

fn loadQ(at: u32) -> Eight {
  if (Q_TYPE == 0u) { return wide(textureLoad(Q, place(at * 2u), 0), textureLoad(Q, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(Q, place(at), 0));
}

fn loadK(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(K, place(at * 2u), 0), textureLoad(K, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(K, place(at), 0));
}

fn loadV(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(V, place(at * 2u), 0), textureLoad(V, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(V, place(at), 0));
}

/// A score with everything that changes it, in units of log₂; NOTHING where the key does not count.
fn score(dot: f32, b: u32, row: u32, key: u32, biasRow: u32) -> f32 {
  // Without branches, which cost a CPU's vectors more than what they would save.
  let k = min(key, s.Lk - 1u);
  var v = dot * (s.scale * LOG2E);
  if (BIAS == 1u) { v = max(dot * s.scale + bias[biasRow + k], -2e38) * LOG2E; }
  var counts = key < s.Lk;
  if (CAUSAL == 1u) { counts = counts && key <= row; }
  if (MASK == 1u) { counts = counts && keep[b * s.Lk + k] != 0.0; }
  return select(NOTHING, v, counts);
}

@compute @workgroup_size(WX)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n0 = s.q0 + id.x * RQ;
  if (n0 >= s.qEnd) { return; }
  let b = s.b0 + id.y / s.headsHere;
  let h = s.h0 + id.y % s.headsHere;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = (s.vFirst + b * s.vSample + h * s.vHead + id.z * OD) / 8u;
  let D8 = s.D / 8u;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let qAt0 = (s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow) / 8u;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = LOWEST;
  var sum0 = 0.0;
  var lo0_0 = vec4f();
  var hi0_0 = vec4f();
  var lo0_1 = vec4f();
  var hi0_1 = vec4f();
  var lo0_2 = vec4f();
  var hi0_2 = vec4f();
  var lo0_3 = vec4f();
  var hi0_3 = vec4f();
  var lo0_4 = vec4f();
  var hi0_4 = vec4f();
  var lo0_5 = vec4f();
  var hi0_5 = vec4f();
  var lo0_6 = vec4f();
  var hi0_6 = vec4f();
  var lo0_7 = vec4f();
  var hi0_7 = vec4f();
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let qAt1 = (s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow) / 8u;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = LOWEST;
  var sum1 = 0.0;
  var lo1_0 = vec4f();
  var hi1_0 = vec4f();
  var lo1_1 = vec4f();
  var hi1_1 = vec4f();
  var lo1_2 = vec4f();
  var hi1_2 = vec4f();
  var lo1_3 = vec4f();
  var hi1_3 = vec4f();
  var lo1_4 = vec4f();
  var hi1_4 = vec4f();
  var lo1_5 = vec4f();
  var hi1_5 = vec4f();
  var lo1_6 = vec4f();
  var hi1_6 = vec4f();
  var lo1_7 = vec4f();
  var hi1_7 = vec4f();
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let qAt2 = (s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow) / 8u;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = LOWEST;
  var sum2 = 0.0;
  var lo2_0 = vec4f();
  var hi2_0 = vec4f();
  var lo2_1 = vec4f();
  var hi2_1 = vec4f();
  var lo2_2 = vec4f();
  var hi2_2 = vec4f();
  var lo2_3 = vec4f();
  var hi2_3 = vec4f();
  var lo2_4 = vec4f();
  var hi2_4 = vec4f();
  var lo2_5 = vec4f();
  var hi2_5 = vec4f();
  var lo2_6 = vec4f();
  var hi2_6 = vec4f();
  var lo2_7 = vec4f();
  var hi2_7 = vec4f();
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let qAt3 = (s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow) / 8u;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = LOWEST;
  var sum3 = 0.0;
  var lo3_0 = vec4f();
  var hi3_0 = vec4f();
  var lo3_1 = vec4f();
  var hi3_1 = vec4f();
  var lo3_2 = vec4f();
  var hi3_2 = vec4f();
  var lo3_3 = vec4f();
  var hi3_3 = vec4f();
  var lo3_4 = vec4f();
  var hi3_4 = vec4f();
  var lo3_5 = vec4f();
  var hi3_5 = vec4f();
  var lo3_6 = vec4f();
  var hi3_6 = vec4f();
  var lo3_7 = vec4f();
  var hi3_7 = vec4f();

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, n0 + RQ); }
  for (var k0 = 0u; k0 < keys; k0 += 8u) {
    var u0 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v0 = vec4f();
    var u1 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v1 = vec4f();
    var u2 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v2 = vec4f();
    var u3 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v3 = vec4f();
    let uAt0 = (kHead + min(k0 + 0, s.Lk - 1u) * s.kRow) / 8u;
    let vAt0 = (kHead + min(k0 + 4u + 0, s.Lk - 1u) * s.kRow) / 8u;
    let uAt1 = (kHead + min(k0 + 1, s.Lk - 1u) * s.kRow) / 8u;
    let vAt1 = (kHead + min(k0 + 4u + 1, s.Lk - 1u) * s.kRow) / 8u;
    let uAt2 = (kHead + min(k0 + 2, s.Lk - 1u) * s.kRow) / 8u;
    let vAt2 = (kHead + min(k0 + 4u + 2, s.Lk - 1u) * s.kRow) / 8u;
    let uAt3 = (kHead + min(k0 + 3, s.Lk - 1u) * s.kRow) / 8u;
    let vAt3 = (kHead + min(k0 + 4u + 3, s.Lk - 1u) * s.kRow) / 8u;
    for (var c = 0u; c < D8; c++) {
      let a0 = loadQ(qAt0 + c);
      let a1 = loadQ(qAt1 + c);
      let a2 = loadQ(qAt2 + c);
      let a3 = loadQ(qAt3 + c);
      let b0 = loadK(uAt0 + c);
      let c0 = loadK(vAt0 + c);
      u0[0] += dot(a0.lo, b0.lo) + dot(a0.hi, b0.hi);
      v0[0] += dot(a0.lo, c0.lo) + dot(a0.hi, c0.hi);
      u1[0] += dot(a1.lo, b0.lo) + dot(a1.hi, b0.hi);
      v1[0] += dot(a1.lo, c0.lo) + dot(a1.hi, c0.hi);
      u2[0] += dot(a2.lo, b0.lo) + dot(a2.hi, b0.hi);
      v2[0] += dot(a2.lo, c0.lo) + dot(a2.hi, c0.hi);
      u3[0] += dot(a3.lo, b0.lo) + dot(a3.hi, b0.hi);
      v3[0] += dot(a3.lo, c0.lo) + dot(a3.hi, c0.hi);
      let b1 = loadK(uAt1 + c);
      let c1 = loadK(vAt1 + c);
      u0[1] += dot(a0.lo, b1.lo) + dot(a0.hi, b1.hi);
      v0[1] += dot(a0.lo, c1.lo) + dot(a0.hi, c1.hi);
      u1[1] += dot(a1.lo, b1.lo) + dot(a1.hi, b1.hi);
      v1[1] += dot(a1.lo, c1.lo) + dot(a1.hi, c1.hi);
      u2[1] += dot(a2.lo, b1.lo) + dot(a2.hi, b1.hi);
      v2[1] += dot(a2.lo, c1.lo) + dot(a2.hi, c1.hi);
      u3[1] += dot(a3.lo, b1.lo) + dot(a3.hi, b1.hi);
      v3[1] += dot(a3.lo, c1.lo) + dot(a3.hi, c1.hi);
      let b2 = loadK(uAt2 + c);
      let c2 = loadK(vAt2 + c);
      u0[2] += dot(a0.lo, b2.lo) + dot(a0.hi, b2.hi);
      v0[2] += dot(a0.lo, c2.lo) + dot(a0.hi, c2.hi);
      u1[2] += dot(a1.lo, b2.lo) + dot(a1.hi, b2.hi);
      v1[2] += dot(a1.lo, c2.lo) + dot(a1.hi, c2.hi);
      u2[2] += dot(a2.lo, b2.lo) + dot(a2.hi, b2.hi);
      v2[2] += dot(a2.lo, c2.lo) + dot(a2.hi, c2.hi);
      u3[2] += dot(a3.lo, b2.lo) + dot(a3.hi, b2.hi);
      v3[2] += dot(a3.lo, c2.lo) + dot(a3.hi, c2.hi);
      let b3 = loadK(uAt3 + c);
      let c3 = loadK(vAt3 + c);
      u0[3] += dot(a0.lo, b3.lo) + dot(a0.hi, b3.hi);
      v0[3] += dot(a0.lo, c3.lo) + dot(a0.hi, c3.hi);
      u1[3] += dot(a1.lo, b3.lo) + dot(a1.hi, b3.hi);
      v1[3] += dot(a1.lo, c3.lo) + dot(a1.hi, c3.hi);
      u2[3] += dot(a2.lo, b3.lo) + dot(a2.hi, b3.hi);
      v2[3] += dot(a2.lo, c3.lo) + dot(a2.hi, c3.hi);
      u3[3] += dot(a3.lo, b3.lo) + dot(a3.hi, b3.hi);
      v3[3] += dot(a3.lo, c3.lo) + dot(a3.hi, c3.hi);
    }
    u0[0] = score(u0[0], b, row0, k0 + 0, bias0);
    v0[0] = score(v0[0], b, row0, k0 + 4u + 0, bias0);
    u0[1] = score(u0[1], b, row0, k0 + 1, bias0);
    v0[1] = score(v0[1], b, row0, k0 + 4u + 1, bias0);
    u0[2] = score(u0[2], b, row0, k0 + 2, bias0);
    v0[2] = score(v0[2], b, row0, k0 + 4u + 2, bias0);
    u0[3] = score(u0[3], b, row0, k0 + 3, bias0);
    v0[3] = score(v0[3], b, row0, k0 + 4u + 3, bias0);
    let t0 = max(u0, v0);
    let top0 = max(max0, max(max(t0.x, t0.y), max(t0.z, t0.w)));
    let fade0 = exp2(max0 - top0);
    max0 = top0;
    u0 = exp2(u0 - top0);
    v0 = exp2(v0 - top0);
    let z0 = u0 + v0;
    sum0 = sum0 * fade0 + z0.x + z0.y + z0.z + z0.w;
    lo0_0 *= fade0;
    hi0_0 *= fade0;
    lo0_1 *= fade0;
    hi0_1 *= fade0;
    lo0_2 *= fade0;
    hi0_2 *= fade0;
    lo0_3 *= fade0;
    hi0_3 *= fade0;
    lo0_4 *= fade0;
    hi0_4 *= fade0;
    lo0_5 *= fade0;
    hi0_5 *= fade0;
    lo0_6 *= fade0;
    hi0_6 *= fade0;
    lo0_7 *= fade0;
    hi0_7 *= fade0;
    u1[0] = score(u1[0], b, row1, k0 + 0, bias1);
    v1[0] = score(v1[0], b, row1, k0 + 4u + 0, bias1);
    u1[1] = score(u1[1], b, row1, k0 + 1, bias1);
    v1[1] = score(v1[1], b, row1, k0 + 4u + 1, bias1);
    u1[2] = score(u1[2], b, row1, k0 + 2, bias1);
    v1[2] = score(v1[2], b, row1, k0 + 4u + 2, bias1);
    u1[3] = score(u1[3], b, row1, k0 + 3, bias1);
    v1[3] = score(v1[3], b, row1, k0 + 4u + 3, bias1);
    let t1 = max(u1, v1);
    let top1 = max(max1, max(max(t1.x, t1.y), max(t1.z, t1.w)));
    let fade1 = exp2(max1 - top1);
    max1 = top1;
    u1 = exp2(u1 - top1);
    v1 = exp2(v1 - top1);
    let z1 = u1 + v1;
    sum1 = sum1 * fade1 + z1.x + z1.y + z1.z + z1.w;
    lo1_0 *= fade1;
    hi1_0 *= fade1;
    lo1_1 *= fade1;
    hi1_1 *= fade1;
    lo1_2 *= fade1;
    hi1_2 *= fade1;
    lo1_3 *= fade1;
    hi1_3 *= fade1;
    lo1_4 *= fade1;
    hi1_4 *= fade1;
    lo1_5 *= fade1;
    hi1_5 *= fade1;
    lo1_6 *= fade1;
    hi1_6 *= fade1;
    lo1_7 *= fade1;
    hi1_7 *= fade1;
    u2[0] = score(u2[0], b, row2, k0 + 0, bias2);
    v2[0] = score(v2[0], b, row2, k0 + 4u + 0, bias2);
    u2[1] = score(u2[1], b, row2, k0 + 1, bias2);
    v2[1] = score(v2[1], b, row2, k0 + 4u + 1, bias2);
    u2[2] = score(u2[2], b, row2, k0 + 2, bias2);
    v2[2] = score(v2[2], b, row2, k0 + 4u + 2, bias2);
    u2[3] = score(u2[3], b, row2, k0 + 3, bias2);
    v2[3] = score(v2[3], b, row2, k0 + 4u + 3, bias2);
    let t2 = max(u2, v2);
    let top2 = max(max2, max(max(t2.x, t2.y), max(t2.z, t2.w)));
    let fade2 = exp2(max2 - top2);
    max2 = top2;
    u2 = exp2(u2 - top2);
    v2 = exp2(v2 - top2);
    let z2 = u2 + v2;
    sum2 = sum2 * fade2 + z2.x + z2.y + z2.z + z2.w;
    lo2_0 *= fade2;
    hi2_0 *= fade2;
    lo2_1 *= fade2;
    hi2_1 *= fade2;
    lo2_2 *= fade2;
    hi2_2 *= fade2;
    lo2_3 *= fade2;
    hi2_3 *= fade2;
    lo2_4 *= fade2;
    hi2_4 *= fade2;
    lo2_5 *= fade2;
    hi2_5 *= fade2;
    lo2_6 *= fade2;
    hi2_6 *= fade2;
    lo2_7 *= fade2;
    hi2_7 *= fade2;
    u3[0] = score(u3[0], b, row3, k0 + 0, bias3);
    v3[0] = score(v3[0], b, row3, k0 + 4u + 0, bias3);
    u3[1] = score(u3[1], b, row3, k0 + 1, bias3);
    v3[1] = score(v3[1], b, row3, k0 + 4u + 1, bias3);
    u3[2] = score(u3[2], b, row3, k0 + 2, bias3);
    v3[2] = score(v3[2], b, row3, k0 + 4u + 2, bias3);
    u3[3] = score(u3[3], b, row3, k0 + 3, bias3);
    v3[3] = score(v3[3], b, row3, k0 + 4u + 3, bias3);
    let t3 = max(u3, v3);
    let top3 = max(max3, max(max(t3.x, t3.y), max(t3.z, t3.w)));
    let fade3 = exp2(max3 - top3);
    max3 = top3;
    u3 = exp2(u3 - top3);
    v3 = exp2(v3 - top3);
    let z3 = u3 + v3;
    sum3 = sum3 * fade3 + z3.x + z3.y + z3.z + z3.w;
    lo3_0 *= fade3;
    hi3_0 *= fade3;
    lo3_1 *= fade3;
    hi3_1 *= fade3;
    lo3_2 *= fade3;
    hi3_2 *= fade3;
    lo3_3 *= fade3;
    hi3_3 *= fade3;
    lo3_4 *= fade3;
    hi3_4 *= fade3;
    lo3_5 *= fade3;
    hi3_5 *= fade3;
    lo3_6 *= fade3;
    hi3_6 *= fade3;
    lo3_7 *= fade3;
    hi3_7 *= fade3;
    // Two keys a turn, the probabilities rotated: with all eight unrolled, drivers compile for seconds.
    for (var e = 0u; e < 4u; e++) {
      let uAt = vHead + min(k0 + e, s.Lk - 1u) * s.vRow / 8u;
      let vAt = vHead + min(k0 + 4u + e, s.Lk - 1u) * s.vRow / 8u;
      {
        let w = loadV(uAt + 0);
        let z = loadV(vAt + 0);
        lo0_0 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_0));
        hi0_0 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_0));
        lo1_0 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_0));
        hi1_0 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_0));
        lo2_0 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_0));
        hi2_0 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_0));
        lo3_0 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_0));
        hi3_0 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_0));
      }
      {
        let w = loadV(uAt + 1);
        let z = loadV(vAt + 1);
        lo0_1 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_1));
        hi0_1 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_1));
        lo1_1 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_1));
        hi1_1 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_1));
        lo2_1 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_1));
        hi2_1 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_1));
        lo3_1 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_1));
        hi3_1 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_1));
      }
      {
        let w = loadV(uAt + 2);
        let z = loadV(vAt + 2);
        lo0_2 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_2));
        hi0_2 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_2));
        lo1_2 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_2));
        hi1_2 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_2));
        lo2_2 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_2));
        hi2_2 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_2));
        lo3_2 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_2));
        hi3_2 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_2));
      }
      {
        let w = loadV(uAt + 3);
        let z = loadV(vAt + 3);
        lo0_3 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_3));
        hi0_3 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_3));
        lo1_3 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_3));
        hi1_3 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_3));
        lo2_3 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_3));
        hi2_3 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_3));
        lo3_3 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_3));
        hi3_3 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_3));
      }
      {
        let w = loadV(uAt + 4);
        let z = loadV(vAt + 4);
        lo0_4 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_4));
        hi0_4 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_4));
        lo1_4 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_4));
        hi1_4 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_4));
        lo2_4 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_4));
        hi2_4 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_4));
        lo3_4 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_4));
        hi3_4 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_4));
      }
      {
        let w = loadV(uAt + 5);
        let z = loadV(vAt + 5);
        lo0_5 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_5));
        hi0_5 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_5));
        lo1_5 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_5));
        hi1_5 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_5));
        lo2_5 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_5));
        hi2_5 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_5));
        lo3_5 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_5));
        hi3_5 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_5));
      }
      {
        let w = loadV(uAt + 6);
        let z = loadV(vAt + 6);
        lo0_6 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_6));
        hi0_6 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_6));
        lo1_6 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_6));
        hi1_6 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_6));
        lo2_6 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_6));
        hi2_6 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_6));
        lo3_6 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_6));
        hi3_6 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_6));
      }
      {
        let w = loadV(uAt + 7);
        let z = loadV(vAt + 7);
        lo0_7 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_7));
        hi0_7 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_7));
        lo1_7 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_7));
        hi1_7 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_7));
        lo2_7 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_7));
        hi2_7 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_7));
        lo3_7 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_7));
        hi3_7 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_7));
      }
      u0 = u0.yzwx;
      v0 = v0.yzwx;
      u1 = u1.yzwx;
      v1 = v1.yzwx;
      u2 = u2.yzwx;
      v2 = v2.yzwx;
      u3 = u3.yzwx;
      v3 = v3.yzwx;
    }
  }

  if (n0 + 0 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo0_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi0_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo0_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi0_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo0_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi0_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo0_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi0_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo0_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi0_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo0_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi0_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo0_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi0_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo0_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi0_7 * share);
    }
  }
  if (n0 + 1 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo1_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi1_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo1_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi1_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo1_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi1_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo1_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi1_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo1_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi1_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo1_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi1_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo1_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi1_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo1_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi1_7 * share);
    }
  }
  if (n0 + 2 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo2_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi2_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo2_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi2_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo2_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi2_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo2_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi2_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo2_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi2_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo2_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi2_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo2_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi2_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo2_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi2_7 * share);
    }
  }
  if (n0 + 3 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo3_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi3_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo3_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi3_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo3_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi3_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo3_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi3_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo3_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi3_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo3_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi3_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo3_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi3_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo3_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi3_7 * share);
    }
  }
}
`,
  "attention_texels@RQ=8,OD=64": `const RQ: u32 = 8u;
const OD: u32 = 64u;
// attention_texels.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, everything in registers.
//
// Operands and strides as in attention_tiled.wgsl, read from textures of 2048 texels a row as one long list.
// An invocation makes RQ queries of one head and OD of its columns: no workgroup memory and no barriers, which
// suits adapters that run on a CPU; lanes read the same keys and values at the same time. x: queries, y: heads
// of samples, z: columns (the scores are then made once more for each OD of them). All sums are f32.


const NOTHING: f32 = -3e38;  // a key that does not count, below every score
const LOWEST: f32 = -2.95e38;  // between the two, so that exp2(NOTHING − maximum) is 0 also where no key counts
const LOG2E: f32 = 1.4426950409;

override WX: u32 = 8u;
override Q_TYPE: u32 = 0u;   // 0 f32, 1 f16
override KV_TYPE: u32 = 0u;
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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      Q: texture_2d<u32>;
@group(0) @binding(2) var                      K: texture_2d<u32>;
@group(0) @binding(3) var                      V: texture_2d<u32>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<vec4<oElem>>;

struct Eight { lo: vec4f, hi: vec4f }

fn place(at: u32) -> vec2u { return vec2u(at & 2047u, at >> 11u); }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn wide(lo: vec4u, hi: vec4u) -> Eight { return Eight(bitcast<vec4f>(lo), bitcast<vec4f>(hi)); }

fn loadQ(at: u32) -> Eight {
  if (Q_TYPE == 0u) { return wide(textureLoad(Q, place(at * 2u), 0), textureLoad(Q, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(Q, place(at), 0));
}

fn loadK(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(K, place(at * 2u), 0), textureLoad(K, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(K, place(at), 0));
}

fn loadV(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(V, place(at * 2u), 0), textureLoad(V, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(V, place(at), 0));
}

/// A score with everything that changes it, in units of log₂; NOTHING where the key does not count.
fn score(dot: f32, b: u32, row: u32, key: u32, biasRow: u32) -> f32 {
  // Without branches, which cost a CPU's vectors more than what they would save.
  let k = min(key, s.Lk - 1u);
  var v = dot * (s.scale * LOG2E);
  if (BIAS == 1u) { v = max(dot * s.scale + bias[biasRow + k], -2e38) * LOG2E; }
  var counts = key < s.Lk;
  if (CAUSAL == 1u) { counts = counts && key <= row; }
  if (MASK == 1u) { counts = counts && keep[b * s.Lk + k] != 0.0; }
  return select(NOTHING, v, counts);
}

@compute @workgroup_size(WX)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n0 = s.q0 + id.x * RQ;
  if (n0 >= s.qEnd) { return; }
  let b = s.b0 + id.y / s.headsHere;
  let h = s.h0 + id.y % s.headsHere;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = (s.vFirst + b * s.vSample + h * s.vHead + id.z * OD) / 8u;
  let D8 = s.D / 8u;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let qAt0 = (s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow) / 8u;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = LOWEST;
  var sum0 = 0.0;
  var lo0_0 = vec4f();
  var hi0_0 = vec4f();
  var lo0_1 = vec4f();
  var hi0_1 = vec4f();
  var lo0_2 = vec4f();
  var hi0_2 = vec4f();
  var lo0_3 = vec4f();
  var hi0_3 = vec4f();
  var lo0_4 = vec4f();
  var hi0_4 = vec4f();
  var lo0_5 = vec4f();
  var hi0_5 = vec4f();
  var lo0_6 = vec4f();
  var hi0_6 = vec4f();
  var lo0_7 = vec4f();
  var hi0_7 = vec4f();
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let qAt1 = (s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow) / 8u;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = LOWEST;
  var sum1 = 0.0;
  var lo1_0 = vec4f();
  var hi1_0 = vec4f();
  var lo1_1 = vec4f();
  var hi1_1 = vec4f();
  var lo1_2 = vec4f();
  var hi1_2 = vec4f();
  var lo1_3 = vec4f();
  var hi1_3 = vec4f();
  var lo1_4 = vec4f();
  var hi1_4 = vec4f();
  var lo1_5 = vec4f();
  var hi1_5 = vec4f();
  var lo1_6 = vec4f();
  var hi1_6 = vec4f();
  var lo1_7 = vec4f();
  var hi1_7 = vec4f();
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let qAt2 = (s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow) / 8u;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = LOWEST;
  var sum2 = 0.0;
  var lo2_0 = vec4f();
  var hi2_0 = vec4f();
  var lo2_1 = vec4f();
  var hi2_1 = vec4f();
  var lo2_2 = vec4f();
  var hi2_2 = vec4f();
  var lo2_3 = vec4f();
  var hi2_3 = vec4f();
  var lo2_4 = vec4f();
  var hi2_4 = vec4f();
  var lo2_5 = vec4f();
  var hi2_5 = vec4f();
  var lo2_6 = vec4f();
  var hi2_6 = vec4f();
  var lo2_7 = vec4f();
  var hi2_7 = vec4f();
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let qAt3 = (s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow) / 8u;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = LOWEST;
  var sum3 = 0.0;
  var lo3_0 = vec4f();
  var hi3_0 = vec4f();
  var lo3_1 = vec4f();
  var hi3_1 = vec4f();
  var lo3_2 = vec4f();
  var hi3_2 = vec4f();
  var lo3_3 = vec4f();
  var hi3_3 = vec4f();
  var lo3_4 = vec4f();
  var hi3_4 = vec4f();
  var lo3_5 = vec4f();
  var hi3_5 = vec4f();
  var lo3_6 = vec4f();
  var hi3_6 = vec4f();
  var lo3_7 = vec4f();
  var hi3_7 = vec4f();
  let row4 = min(n0 + 4, s.qEnd - 1u);
  let qAt4 = (s.qFirst + b * s.qSample + h * s.qHead + row4 * s.qRow) / 8u;
  let bias4 = s.biasFirst + b * s.biasSample + h * s.biasHead + row4 * s.Lk;
  var max4 = LOWEST;
  var sum4 = 0.0;
  var lo4_0 = vec4f();
  var hi4_0 = vec4f();
  var lo4_1 = vec4f();
  var hi4_1 = vec4f();
  var lo4_2 = vec4f();
  var hi4_2 = vec4f();
  var lo4_3 = vec4f();
  var hi4_3 = vec4f();
  var lo4_4 = vec4f();
  var hi4_4 = vec4f();
  var lo4_5 = vec4f();
  var hi4_5 = vec4f();
  var lo4_6 = vec4f();
  var hi4_6 = vec4f();
  var lo4_7 = vec4f();
  var hi4_7 = vec4f();
  let row5 = min(n0 + 5, s.qEnd - 1u);
  let qAt5 = (s.qFirst + b * s.qSample + h * s.qHead + row5 * s.qRow) / 8u;
  let bias5 = s.biasFirst + b * s.biasSample + h * s.biasHead + row5 * s.Lk;
  var max5 = LOWEST;
  var sum5 = 0.0;
  var lo5_0 = vec4f();
  var hi5_0 = vec4f();
  var lo5_1 = vec4f();
  var hi5_1 = vec4f();
  var lo5_2 = vec4f();
  var hi5_2 = vec4f();
  var lo5_3 = vec4f();
  var hi5_3 = vec4f();
  var lo5_4 = vec4f();
  var hi5_4 = vec4f();
  var lo5_5 = vec4f();
  var hi5_5 = vec4f();
  var lo5_6 = vec4f();
  var hi5_6 = vec4f();
  var lo5_7 = vec4f();
  var hi5_7 = vec4f();
  let row6 = min(n0 + 6, s.qEnd - 1u);
  let qAt6 = (s.qFirst + b * s.qSample + h * s.qHead + row6 * s.qRow) / 8u;
  let bias6 = s.biasFirst + b * s.biasSample + h * s.biasHead + row6 * s.Lk;
  var max6 = LOWEST;
  var sum6 = 0.0;
  var lo6_0 = vec4f();
  var hi6_0 = vec4f();
  var lo6_1 = vec4f();
  var hi6_1 = vec4f();
  var lo6_2 = vec4f();
  var hi6_2 = vec4f();
  var lo6_3 = vec4f();
  var hi6_3 = vec4f();
  var lo6_4 = vec4f();
  var hi6_4 = vec4f();
  var lo6_5 = vec4f();
  var hi6_5 = vec4f();
  var lo6_6 = vec4f();
  var hi6_6 = vec4f();
  var lo6_7 = vec4f();
  var hi6_7 = vec4f();
  let row7 = min(n0 + 7, s.qEnd - 1u);
  let qAt7 = (s.qFirst + b * s.qSample + h * s.qHead + row7 * s.qRow) / 8u;
  let bias7 = s.biasFirst + b * s.biasSample + h * s.biasHead + row7 * s.Lk;
  var max7 = LOWEST;
  var sum7 = 0.0;
  var lo7_0 = vec4f();
  var hi7_0 = vec4f();
  var lo7_1 = vec4f();
  var hi7_1 = vec4f();
  var lo7_2 = vec4f();
  var hi7_2 = vec4f();
  var lo7_3 = vec4f();
  var hi7_3 = vec4f();
  var lo7_4 = vec4f();
  var hi7_4 = vec4f();
  var lo7_5 = vec4f();
  var hi7_5 = vec4f();
  var lo7_6 = vec4f();
  var hi7_6 = vec4f();
  var lo7_7 = vec4f();
  var hi7_7 = vec4f();

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, n0 + RQ); }
  for (var k0 = 0u; k0 < keys; k0 += 8u) {
    var u0 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v0 = vec4f();
    var u1 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v1 = vec4f();
    var u2 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v2 = vec4f();
    var u3 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v3 = vec4f();
    var u4 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v4 = vec4f();
    var u5 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v5 = vec4f();
    var u6 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v6 = vec4f();
    var u7 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v7 = vec4f();
    let uAt0 = (kHead + min(k0 + 0, s.Lk - 1u) * s.kRow) / 8u;
    let vAt0 = (kHead + min(k0 + 4u + 0, s.Lk - 1u) * s.kRow) / 8u;
    let uAt1 = (kHead + min(k0 + 1, s.Lk - 1u) * s.kRow) / 8u;
    let vAt1 = (kHead + min(k0 + 4u + 1, s.Lk - 1u) * s.kRow) / 8u;
    let uAt2 = (kHead + min(k0 + 2, s.Lk - 1u) * s.kRow) / 8u;
    let vAt2 = (kHead + min(k0 + 4u + 2, s.Lk - 1u) * s.kRow) / 8u;
    let uAt3 = (kHead + min(k0 + 3, s.Lk - 1u) * s.kRow) / 8u;
    let vAt3 = (kHead + min(k0 + 4u + 3, s.Lk - 1u) * s.kRow) / 8u;
    for (var c = 0u; c < D8; c++) {
      let a0 = loadQ(qAt0 + c);
      let a1 = loadQ(qAt1 + c);
      let a2 = loadQ(qAt2 + c);
      let a3 = loadQ(qAt3 + c);
      let a4 = loadQ(qAt4 + c);
      let a5 = loadQ(qAt5 + c);
      let a6 = loadQ(qAt6 + c);
      let a7 = loadQ(qAt7 + c);
      let b0 = loadK(uAt0 + c);
      let c0 = loadK(vAt0 + c);
      u0[0] += dot(a0.lo, b0.lo) + dot(a0.hi, b0.hi);
      v0[0] += dot(a0.lo, c0.lo) + dot(a0.hi, c0.hi);
      u1[0] += dot(a1.lo, b0.lo) + dot(a1.hi, b0.hi);
      v1[0] += dot(a1.lo, c0.lo) + dot(a1.hi, c0.hi);
      u2[0] += dot(a2.lo, b0.lo) + dot(a2.hi, b0.hi);
      v2[0] += dot(a2.lo, c0.lo) + dot(a2.hi, c0.hi);
      u3[0] += dot(a3.lo, b0.lo) + dot(a3.hi, b0.hi);
      v3[0] += dot(a3.lo, c0.lo) + dot(a3.hi, c0.hi);
      u4[0] += dot(a4.lo, b0.lo) + dot(a4.hi, b0.hi);
      v4[0] += dot(a4.lo, c0.lo) + dot(a4.hi, c0.hi);
      u5[0] += dot(a5.lo, b0.lo) + dot(a5.hi, b0.hi);
      v5[0] += dot(a5.lo, c0.lo) + dot(a5.hi, c0.hi);
      u6[0] += dot(a6.lo, b0.lo) + dot(a6.hi, b0.hi);
      v6[0] += dot(a6.lo, c0.lo) + dot(a6.hi, c0.hi);
      u7[0] += dot(a7.lo, b0.lo) + dot(a7.hi, b0.hi);
      v7[0] += dot(a7.lo, c0.lo) + dot(a7.hi, c0.hi);
      let b1 = loadK(uAt1 + c);
      let c1 = loadK(vAt1 + c);
      u0[1] += dot(a0.lo, b1.lo) + dot(a0.hi, b1.hi);
      v0[1] += dot(a0.lo, c1.lo) + dot(a0.hi, c1.hi);
      u1[1] += dot(a1.lo, b1.lo) + dot(a1.hi, b1.hi);
      v1[1] += dot(a1.lo, c1.lo) + dot(a1.hi, c1.hi);
      u2[1] += dot(a2.lo, b1.lo) + dot(a2.hi, b1.hi);
      v2[1] += dot(a2.lo, c1.lo) + dot(a2.hi, c1.hi);
      u3[1] += dot(a3.lo, b1.lo) + dot(a3.hi, b1.hi);
      v3[1] += dot(a3.lo, c1.lo) + dot(a3.hi, c1.hi);
      u4[1] += dot(a4.lo, b1.lo) + dot(a4.hi, b1.hi);
      v4[1] += dot(a4.lo, c1.lo) + dot(a4.hi, c1.hi);
      u5[1] += dot(a5.lo, b1.lo) + dot(a5.hi, b1.hi);
      v5[1] += dot(a5.lo, c1.lo) + dot(a5.hi, c1.hi);
      u6[1] += dot(a6.lo, b1.lo) + dot(a6.hi, b1.hi);
      v6[1] += dot(a6.lo, c1.lo) + dot(a6.hi, c1.hi);
      u7[1] += dot(a7.lo, b1.lo) + dot(a7.hi, b1.hi);
      v7[1] += dot(a7.lo, c1.lo) + dot(a7.hi, c1.hi);
      let b2 = loadK(uAt2 + c);
      let c2 = loadK(vAt2 + c);
      u0[2] += dot(a0.lo, b2.lo) + dot(a0.hi, b2.hi);
      v0[2] += dot(a0.lo, c2.lo) + dot(a0.hi, c2.hi);
      u1[2] += dot(a1.lo, b2.lo) + dot(a1.hi, b2.hi);
      v1[2] += dot(a1.lo, c2.lo) + dot(a1.hi, c2.hi);
      u2[2] += dot(a2.lo, b2.lo) + dot(a2.hi, b2.hi);
      v2[2] += dot(a2.lo, c2.lo) + dot(a2.hi, c2.hi);
      u3[2] += dot(a3.lo, b2.lo) + dot(a3.hi, b2.hi);
      v3[2] += dot(a3.lo, c2.lo) + dot(a3.hi, c2.hi);
      u4[2] += dot(a4.lo, b2.lo) + dot(a4.hi, b2.hi);
      v4[2] += dot(a4.lo, c2.lo) + dot(a4.hi, c2.hi);
      u5[2] += dot(a5.lo, b2.lo) + dot(a5.hi, b2.hi);
      v5[2] += dot(a5.lo, c2.lo) + dot(a5.hi, c2.hi);
      u6[2] += dot(a6.lo, b2.lo) + dot(a6.hi, b2.hi);
      v6[2] += dot(a6.lo, c2.lo) + dot(a6.hi, c2.hi);
      u7[2] += dot(a7.lo, b2.lo) + dot(a7.hi, b2.hi);
      v7[2] += dot(a7.lo, c2.lo) + dot(a7.hi, c2.hi);
      let b3 = loadK(uAt3 + c);
      let c3 = loadK(vAt3 + c);
      u0[3] += dot(a0.lo, b3.lo) + dot(a0.hi, b3.hi);
      v0[3] += dot(a0.lo, c3.lo) + dot(a0.hi, c3.hi);
      u1[3] += dot(a1.lo, b3.lo) + dot(a1.hi, b3.hi);
      v1[3] += dot(a1.lo, c3.lo) + dot(a1.hi, c3.hi);
      u2[3] += dot(a2.lo, b3.lo) + dot(a2.hi, b3.hi);
      v2[3] += dot(a2.lo, c3.lo) + dot(a2.hi, c3.hi);
      u3[3] += dot(a3.lo, b3.lo) + dot(a3.hi, b3.hi);
      v3[3] += dot(a3.lo, c3.lo) + dot(a3.hi, c3.hi);
      u4[3] += dot(a4.lo, b3.lo) + dot(a4.hi, b3.hi);
      v4[3] += dot(a4.lo, c3.lo) + dot(a4.hi, c3.hi);
      u5[3] += dot(a5.lo, b3.lo) + dot(a5.hi, b3.hi);
      v5[3] += dot(a5.lo, c3.lo) + dot(a5.hi, c3.hi);
      u6[3] += dot(a6.lo, b3.lo) + dot(a6.hi, b3.hi);
      v6[3] += dot(a6.lo, c3.lo) + dot(a6.hi, c3.hi);
      u7[3] += dot(a7.lo, b3.lo) + dot(a7.hi, b3.hi);
      v7[3] += dot(a7.lo, c3.lo) + dot(a7.hi, c3.hi);
    }
    u0[0] = score(u0[0], b, row0, k0 + 0, bias0);
    v0[0] = score(v0[0], b, row0, k0 + 4u + 0, bias0);
    u0[1] = score(u0[1], b, row0, k0 + 1, bias0);
    v0[1] = score(v0[1], b, row0, k0 + 4u + 1, bias0);
    u0[2] = score(u0[2], b, row0, k0 + 2, bias0);
    v0[2] = score(v0[2], b, row0, k0 + 4u + 2, bias0);
    u0[3] = score(u0[3], b, row0, k0 + 3, bias0);
    v0[3] = score(v0[3], b, row0, k0 + 4u + 3, bias0);
    let t0 = max(u0, v0);
    let top0 = max(max0, max(max(t0.x, t0.y), max(t0.z, t0.w)));
    let fade0 = exp2(max0 - top0);
    max0 = top0;
    u0 = exp2(u0 - top0);
    v0 = exp2(v0 - top0);
    let z0 = u0 + v0;
    sum0 = sum0 * fade0 + z0.x + z0.y + z0.z + z0.w;
    lo0_0 *= fade0;
    hi0_0 *= fade0;
    lo0_1 *= fade0;
    hi0_1 *= fade0;
    lo0_2 *= fade0;
    hi0_2 *= fade0;
    lo0_3 *= fade0;
    hi0_3 *= fade0;
    lo0_4 *= fade0;
    hi0_4 *= fade0;
    lo0_5 *= fade0;
    hi0_5 *= fade0;
    lo0_6 *= fade0;
    hi0_6 *= fade0;
    lo0_7 *= fade0;
    hi0_7 *= fade0;
    u1[0] = score(u1[0], b, row1, k0 + 0, bias1);
    v1[0] = score(v1[0], b, row1, k0 + 4u + 0, bias1);
    u1[1] = score(u1[1], b, row1, k0 + 1, bias1);
    v1[1] = score(v1[1], b, row1, k0 + 4u + 1, bias1);
    u1[2] = score(u1[2], b, row1, k0 + 2, bias1);
    v1[2] = score(v1[2], b, row1, k0 + 4u + 2, bias1);
    u1[3] = score(u1[3], b, row1, k0 + 3, bias1);
    v1[3] = score(v1[3], b, row1, k0 + 4u + 3, bias1);
    let t1 = max(u1, v1);
    let top1 = max(max1, max(max(t1.x, t1.y), max(t1.z, t1.w)));
    let fade1 = exp2(max1 - top1);
    max1 = top1;
    u1 = exp2(u1 - top1);
    v1 = exp2(v1 - top1);
    let z1 = u1 + v1;
    sum1 = sum1 * fade1 + z1.x + z1.y + z1.z + z1.w;
    lo1_0 *= fade1;
    hi1_0 *= fade1;
    lo1_1 *= fade1;
    hi1_1 *= fade1;
    lo1_2 *= fade1;
    hi1_2 *= fade1;
    lo1_3 *= fade1;
    hi1_3 *= fade1;
    lo1_4 *= fade1;
    hi1_4 *= fade1;
    lo1_5 *= fade1;
    hi1_5 *= fade1;
    lo1_6 *= fade1;
    hi1_6 *= fade1;
    lo1_7 *= fade1;
    hi1_7 *= fade1;
    u2[0] = score(u2[0], b, row2, k0 + 0, bias2);
    v2[0] = score(v2[0], b, row2, k0 + 4u + 0, bias2);
    u2[1] = score(u2[1], b, row2, k0 + 1, bias2);
    v2[1] = score(v2[1], b, row2, k0 + 4u + 1, bias2);
    u2[2] = score(u2[2], b, row2, k0 + 2, bias2);
    v2[2] = score(v2[2], b, row2, k0 + 4u + 2, bias2);
    u2[3] = score(u2[3], b, row2, k0 + 3, bias2);
    v2[3] = score(v2[3], b, row2, k0 + 4u + 3, bias2);
    let t2 = max(u2, v2);
    let top2 = max(max2, max(max(t2.x, t2.y), max(t2.z, t2.w)));
    let fade2 = exp2(max2 - top2);
    max2 = top2;
    u2 = exp2(u2 - top2);
    v2 = exp2(v2 - top2);
    let z2 = u2 + v2;
    sum2 = sum2 * fade2 + z2.x + z2.y + z2.z + z2.w;
    lo2_0 *= fade2;
    hi2_0 *= fade2;
    lo2_1 *= fade2;
    hi2_1 *= fade2;
    lo2_2 *= fade2;
    hi2_2 *= fade2;
    lo2_3 *= fade2;
    hi2_3 *= fade2;
    lo2_4 *= fade2;
    hi2_4 *= fade2;
    lo2_5 *= fade2;
    hi2_5 *= fade2;
    lo2_6 *= fade2;
    hi2_6 *= fade2;
    lo2_7 *= fade2;
    hi2_7 *= fade2;
    u3[0] = score(u3[0], b, row3, k0 + 0, bias3);
    v3[0] = score(v3[0], b, row3, k0 + 4u + 0, bias3);
    u3[1] = score(u3[1], b, row3, k0 + 1, bias3);
    v3[1] = score(v3[1], b, row3, k0 + 4u + 1, bias3);
    u3[2] = score(u3[2], b, row3, k0 + 2, bias3);
    v3[2] = score(v3[2], b, row3, k0 + 4u + 2, bias3);
    u3[3] = score(u3[3], b, row3, k0 + 3, bias3);
    v3[3] = score(v3[3], b, row3, k0 + 4u + 3, bias3);
    let t3 = max(u3, v3);
    let top3 = max(max3, max(max(t3.x, t3.y), max(t3.z, t3.w)));
    let fade3 = exp2(max3 - top3);
    max3 = top3;
    u3 = exp2(u3 - top3);
    v3 = exp2(v3 - top3);
    let z3 = u3 + v3;
    sum3 = sum3 * fade3 + z3.x + z3.y + z3.z + z3.w;
    lo3_0 *= fade3;
    hi3_0 *= fade3;
    lo3_1 *= fade3;
    hi3_1 *= fade3;
    lo3_2 *= fade3;
    hi3_2 *= fade3;
    lo3_3 *= fade3;
    hi3_3 *= fade3;
    lo3_4 *= fade3;
    hi3_4 *= fade3;
    lo3_5 *= fade3;
    hi3_5 *= fade3;
    lo3_6 *= fade3;
    hi3_6 *= fade3;
    lo3_7 *= fade3;
    hi3_7 *= fade3;
    u4[0] = score(u4[0], b, row4, k0 + 0, bias4);
    v4[0] = score(v4[0], b, row4, k0 + 4u + 0, bias4);
    u4[1] = score(u4[1], b, row4, k0 + 1, bias4);
    v4[1] = score(v4[1], b, row4, k0 + 4u + 1, bias4);
    u4[2] = score(u4[2], b, row4, k0 + 2, bias4);
    v4[2] = score(v4[2], b, row4, k0 + 4u + 2, bias4);
    u4[3] = score(u4[3], b, row4, k0 + 3, bias4);
    v4[3] = score(v4[3], b, row4, k0 + 4u + 3, bias4);
    let t4 = max(u4, v4);
    let top4 = max(max4, max(max(t4.x, t4.y), max(t4.z, t4.w)));
    let fade4 = exp2(max4 - top4);
    max4 = top4;
    u4 = exp2(u4 - top4);
    v4 = exp2(v4 - top4);
    let z4 = u4 + v4;
    sum4 = sum4 * fade4 + z4.x + z4.y + z4.z + z4.w;
    lo4_0 *= fade4;
    hi4_0 *= fade4;
    lo4_1 *= fade4;
    hi4_1 *= fade4;
    lo4_2 *= fade4;
    hi4_2 *= fade4;
    lo4_3 *= fade4;
    hi4_3 *= fade4;
    lo4_4 *= fade4;
    hi4_4 *= fade4;
    lo4_5 *= fade4;
    hi4_5 *= fade4;
    lo4_6 *= fade4;
    hi4_6 *= fade4;
    lo4_7 *= fade4;
    hi4_7 *= fade4;
    u5[0] = score(u5[0], b, row5, k0 + 0, bias5);
    v5[0] = score(v5[0], b, row5, k0 + 4u + 0, bias5);
    u5[1] = score(u5[1], b, row5, k0 + 1, bias5);
    v5[1] = score(v5[1], b, row5, k0 + 4u + 1, bias5);
    u5[2] = score(u5[2], b, row5, k0 + 2, bias5);
    v5[2] = score(v5[2], b, row5, k0 + 4u + 2, bias5);
    u5[3] = score(u5[3], b, row5, k0 + 3, bias5);
    v5[3] = score(v5[3], b, row5, k0 + 4u + 3, bias5);
    let t5 = max(u5, v5);
    let top5 = max(max5, max(max(t5.x, t5.y), max(t5.z, t5.w)));
    let fade5 = exp2(max5 - top5);
    max5 = top5;
    u5 = exp2(u5 - top5);
    v5 = exp2(v5 - top5);
    let z5 = u5 + v5;
    sum5 = sum5 * fade5 + z5.x + z5.y + z5.z + z5.w;
    lo5_0 *= fade5;
    hi5_0 *= fade5;
    lo5_1 *= fade5;
    hi5_1 *= fade5;
    lo5_2 *= fade5;
    hi5_2 *= fade5;
    lo5_3 *= fade5;
    hi5_3 *= fade5;
    lo5_4 *= fade5;
    hi5_4 *= fade5;
    lo5_5 *= fade5;
    hi5_5 *= fade5;
    lo5_6 *= fade5;
    hi5_6 *= fade5;
    lo5_7 *= fade5;
    hi5_7 *= fade5;
    u6[0] = score(u6[0], b, row6, k0 + 0, bias6);
    v6[0] = score(v6[0], b, row6, k0 + 4u + 0, bias6);
    u6[1] = score(u6[1], b, row6, k0 + 1, bias6);
    v6[1] = score(v6[1], b, row6, k0 + 4u + 1, bias6);
    u6[2] = score(u6[2], b, row6, k0 + 2, bias6);
    v6[2] = score(v6[2], b, row6, k0 + 4u + 2, bias6);
    u6[3] = score(u6[3], b, row6, k0 + 3, bias6);
    v6[3] = score(v6[3], b, row6, k0 + 4u + 3, bias6);
    let t6 = max(u6, v6);
    let top6 = max(max6, max(max(t6.x, t6.y), max(t6.z, t6.w)));
    let fade6 = exp2(max6 - top6);
    max6 = top6;
    u6 = exp2(u6 - top6);
    v6 = exp2(v6 - top6);
    let z6 = u6 + v6;
    sum6 = sum6 * fade6 + z6.x + z6.y + z6.z + z6.w;
    lo6_0 *= fade6;
    hi6_0 *= fade6;
    lo6_1 *= fade6;
    hi6_1 *= fade6;
    lo6_2 *= fade6;
    hi6_2 *= fade6;
    lo6_3 *= fade6;
    hi6_3 *= fade6;
    lo6_4 *= fade6;
    hi6_4 *= fade6;
    lo6_5 *= fade6;
    hi6_5 *= fade6;
    lo6_6 *= fade6;
    hi6_6 *= fade6;
    lo6_7 *= fade6;
    hi6_7 *= fade6;
    u7[0] = score(u7[0], b, row7, k0 + 0, bias7);
    v7[0] = score(v7[0], b, row7, k0 + 4u + 0, bias7);
    u7[1] = score(u7[1], b, row7, k0 + 1, bias7);
    v7[1] = score(v7[1], b, row7, k0 + 4u + 1, bias7);
    u7[2] = score(u7[2], b, row7, k0 + 2, bias7);
    v7[2] = score(v7[2], b, row7, k0 + 4u + 2, bias7);
    u7[3] = score(u7[3], b, row7, k0 + 3, bias7);
    v7[3] = score(v7[3], b, row7, k0 + 4u + 3, bias7);
    let t7 = max(u7, v7);
    let top7 = max(max7, max(max(t7.x, t7.y), max(t7.z, t7.w)));
    let fade7 = exp2(max7 - top7);
    max7 = top7;
    u7 = exp2(u7 - top7);
    v7 = exp2(v7 - top7);
    let z7 = u7 + v7;
    sum7 = sum7 * fade7 + z7.x + z7.y + z7.z + z7.w;
    lo7_0 *= fade7;
    hi7_0 *= fade7;
    lo7_1 *= fade7;
    hi7_1 *= fade7;
    lo7_2 *= fade7;
    hi7_2 *= fade7;
    lo7_3 *= fade7;
    hi7_3 *= fade7;
    lo7_4 *= fade7;
    hi7_4 *= fade7;
    lo7_5 *= fade7;
    hi7_5 *= fade7;
    lo7_6 *= fade7;
    hi7_6 *= fade7;
    lo7_7 *= fade7;
    hi7_7 *= fade7;
    // Two keys a turn, the probabilities rotated: with all eight unrolled, drivers compile for seconds.
    for (var e = 0u; e < 4u; e++) {
      let uAt = vHead + min(k0 + e, s.Lk - 1u) * s.vRow / 8u;
      let vAt = vHead + min(k0 + 4u + e, s.Lk - 1u) * s.vRow / 8u;
      {
        let w = loadV(uAt + 0);
        let z = loadV(vAt + 0);
        lo0_0 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_0));
        hi0_0 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_0));
        lo1_0 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_0));
        hi1_0 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_0));
        lo2_0 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_0));
        hi2_0 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_0));
        lo3_0 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_0));
        hi3_0 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_0));
        lo4_0 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_0));
        hi4_0 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_0));
        lo5_0 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_0));
        hi5_0 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_0));
        lo6_0 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_0));
        hi6_0 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_0));
        lo7_0 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_0));
        hi7_0 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_0));
      }
      {
        let w = loadV(uAt + 1);
        let z = loadV(vAt + 1);
        lo0_1 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_1));
        hi0_1 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_1));
        lo1_1 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_1));
        hi1_1 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_1));
        lo2_1 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_1));
        hi2_1 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_1));
        lo3_1 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_1));
        hi3_1 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_1));
        lo4_1 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_1));
        hi4_1 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_1));
        lo5_1 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_1));
        hi5_1 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_1));
        lo6_1 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_1));
        hi6_1 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_1));
        lo7_1 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_1));
        hi7_1 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_1));
      }
      {
        let w = loadV(uAt + 2);
        let z = loadV(vAt + 2);
        lo0_2 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_2));
        hi0_2 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_2));
        lo1_2 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_2));
        hi1_2 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_2));
        lo2_2 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_2));
        hi2_2 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_2));
        lo3_2 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_2));
        hi3_2 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_2));
        lo4_2 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_2));
        hi4_2 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_2));
        lo5_2 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_2));
        hi5_2 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_2));
        lo6_2 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_2));
        hi6_2 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_2));
        lo7_2 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_2));
        hi7_2 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_2));
      }
      {
        let w = loadV(uAt + 3);
        let z = loadV(vAt + 3);
        lo0_3 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_3));
        hi0_3 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_3));
        lo1_3 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_3));
        hi1_3 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_3));
        lo2_3 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_3));
        hi2_3 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_3));
        lo3_3 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_3));
        hi3_3 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_3));
        lo4_3 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_3));
        hi4_3 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_3));
        lo5_3 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_3));
        hi5_3 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_3));
        lo6_3 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_3));
        hi6_3 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_3));
        lo7_3 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_3));
        hi7_3 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_3));
      }
      {
        let w = loadV(uAt + 4);
        let z = loadV(vAt + 4);
        lo0_4 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_4));
        hi0_4 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_4));
        lo1_4 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_4));
        hi1_4 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_4));
        lo2_4 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_4));
        hi2_4 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_4));
        lo3_4 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_4));
        hi3_4 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_4));
        lo4_4 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_4));
        hi4_4 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_4));
        lo5_4 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_4));
        hi5_4 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_4));
        lo6_4 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_4));
        hi6_4 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_4));
        lo7_4 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_4));
        hi7_4 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_4));
      }
      {
        let w = loadV(uAt + 5);
        let z = loadV(vAt + 5);
        lo0_5 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_5));
        hi0_5 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_5));
        lo1_5 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_5));
        hi1_5 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_5));
        lo2_5 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_5));
        hi2_5 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_5));
        lo3_5 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_5));
        hi3_5 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_5));
        lo4_5 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_5));
        hi4_5 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_5));
        lo5_5 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_5));
        hi5_5 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_5));
        lo6_5 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_5));
        hi6_5 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_5));
        lo7_5 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_5));
        hi7_5 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_5));
      }
      {
        let w = loadV(uAt + 6);
        let z = loadV(vAt + 6);
        lo0_6 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_6));
        hi0_6 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_6));
        lo1_6 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_6));
        hi1_6 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_6));
        lo2_6 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_6));
        hi2_6 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_6));
        lo3_6 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_6));
        hi3_6 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_6));
        lo4_6 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_6));
        hi4_6 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_6));
        lo5_6 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_6));
        hi5_6 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_6));
        lo6_6 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_6));
        hi6_6 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_6));
        lo7_6 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_6));
        hi7_6 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_6));
      }
      {
        let w = loadV(uAt + 7);
        let z = loadV(vAt + 7);
        lo0_7 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_7));
        hi0_7 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_7));
        lo1_7 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_7));
        hi1_7 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_7));
        lo2_7 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_7));
        hi2_7 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_7));
        lo3_7 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_7));
        hi3_7 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_7));
        lo4_7 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_7));
        hi4_7 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_7));
        lo5_7 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_7));
        hi5_7 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_7));
        lo6_7 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_7));
        hi6_7 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_7));
        lo7_7 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_7));
        hi7_7 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_7));
      }
      u0 = u0.yzwx;
      v0 = v0.yzwx;
      u1 = u1.yzwx;
      v1 = v1.yzwx;
      u2 = u2.yzwx;
      v2 = v2.yzwx;
      u3 = u3.yzwx;
      v3 = v3.yzwx;
      u4 = u4.yzwx;
      v4 = v4.yzwx;
      u5 = u5.yzwx;
      v5 = v5.yzwx;
      u6 = u6.yzwx;
      v6 = v6.yzwx;
      u7 = u7.yzwx;
      v7 = v7.yzwx;
    }
  }

  if (n0 + 0 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo0_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi0_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo0_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi0_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo0_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi0_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo0_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi0_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo0_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi0_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo0_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi0_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo0_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi0_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo0_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi0_7 * share);
    }
  }
  if (n0 + 1 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo1_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi1_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo1_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi1_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo1_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi1_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo1_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi1_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo1_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi1_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo1_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi1_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo1_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi1_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo1_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi1_7 * share);
    }
  }
  if (n0 + 2 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo2_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi2_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo2_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi2_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo2_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi2_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo2_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi2_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo2_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi2_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo2_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi2_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo2_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi2_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo2_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi2_7 * share);
    }
  }
  if (n0 + 3 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo3_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi3_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo3_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi3_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo3_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi3_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo3_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi3_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo3_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi3_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo3_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi3_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo3_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi3_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo3_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi3_7 * share);
    }
  }
  if (n0 + 4 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 4) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum4, sum4 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo4_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi4_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo4_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi4_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo4_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi4_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo4_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi4_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo4_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi4_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo4_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi4_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo4_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi4_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo4_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi4_7 * share);
    }
  }
  if (n0 + 5 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 5) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum5, sum5 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo5_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi5_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo5_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi5_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo5_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi5_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo5_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi5_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo5_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi5_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo5_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi5_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo5_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi5_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo5_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi5_7 * share);
    }
  }
  if (n0 + 6 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 6) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum6, sum6 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo6_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi6_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo6_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi6_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo6_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi6_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo6_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi6_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo6_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi6_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo6_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi6_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo6_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi6_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo6_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi6_7 * share);
    }
  }
  if (n0 + 7 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 7) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum7, sum7 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo7_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi7_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo7_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi7_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo7_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi7_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo7_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi7_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo7_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi7_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo7_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi7_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo7_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi7_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo7_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi7_7 * share);
    }
  }
}
`,
  "attention_texels@RQ=16,OD=64": `const RQ: u32 = 16u;
const OD: u32 = 64u;
// attention_texels.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, everything in registers.
//
// Operands and strides as in attention_tiled.wgsl, read from textures of 2048 texels a row as one long list.
// An invocation makes RQ queries of one head and OD of its columns: no workgroup memory and no barriers, which
// suits adapters that run on a CPU; lanes read the same keys and values at the same time. x: queries, y: heads
// of samples, z: columns (the scores are then made once more for each OD of them). All sums are f32.


const NOTHING: f32 = -3e38;  // a key that does not count, below every score
const LOWEST: f32 = -2.95e38;  // between the two, so that exp2(NOTHING − maximum) is 0 also where no key counts
const LOG2E: f32 = 1.4426950409;

override WX: u32 = 8u;
override Q_TYPE: u32 = 0u;   // 0 f32, 1 f16
override KV_TYPE: u32 = 0u;
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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      Q: texture_2d<u32>;
@group(0) @binding(2) var                      K: texture_2d<u32>;
@group(0) @binding(3) var                      V: texture_2d<u32>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<vec4<oElem>>;

struct Eight { lo: vec4f, hi: vec4f }

fn place(at: u32) -> vec2u { return vec2u(at & 2047u, at >> 11u); }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn wide(lo: vec4u, hi: vec4u) -> Eight { return Eight(bitcast<vec4f>(lo), bitcast<vec4f>(hi)); }

fn loadQ(at: u32) -> Eight {
  if (Q_TYPE == 0u) { return wide(textureLoad(Q, place(at * 2u), 0), textureLoad(Q, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(Q, place(at), 0));
}

fn loadK(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(K, place(at * 2u), 0), textureLoad(K, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(K, place(at), 0));
}

fn loadV(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(V, place(at * 2u), 0), textureLoad(V, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(V, place(at), 0));
}

/// A score with everything that changes it, in units of log₂; NOTHING where the key does not count.
fn score(dot: f32, b: u32, row: u32, key: u32, biasRow: u32) -> f32 {
  // Without branches, which cost a CPU's vectors more than what they would save.
  let k = min(key, s.Lk - 1u);
  var v = dot * (s.scale * LOG2E);
  if (BIAS == 1u) { v = max(dot * s.scale + bias[biasRow + k], -2e38) * LOG2E; }
  var counts = key < s.Lk;
  if (CAUSAL == 1u) { counts = counts && key <= row; }
  if (MASK == 1u) { counts = counts && keep[b * s.Lk + k] != 0.0; }
  return select(NOTHING, v, counts);
}

@compute @workgroup_size(WX)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n0 = s.q0 + id.x * RQ;
  if (n0 >= s.qEnd) { return; }
  let b = s.b0 + id.y / s.headsHere;
  let h = s.h0 + id.y % s.headsHere;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = (s.vFirst + b * s.vSample + h * s.vHead + id.z * OD) / 8u;
  let D8 = s.D / 8u;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let qAt0 = (s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow) / 8u;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = LOWEST;
  var sum0 = 0.0;
  var lo0_0 = vec4f();
  var hi0_0 = vec4f();
  var lo0_1 = vec4f();
  var hi0_1 = vec4f();
  var lo0_2 = vec4f();
  var hi0_2 = vec4f();
  var lo0_3 = vec4f();
  var hi0_3 = vec4f();
  var lo0_4 = vec4f();
  var hi0_4 = vec4f();
  var lo0_5 = vec4f();
  var hi0_5 = vec4f();
  var lo0_6 = vec4f();
  var hi0_6 = vec4f();
  var lo0_7 = vec4f();
  var hi0_7 = vec4f();
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let qAt1 = (s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow) / 8u;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = LOWEST;
  var sum1 = 0.0;
  var lo1_0 = vec4f();
  var hi1_0 = vec4f();
  var lo1_1 = vec4f();
  var hi1_1 = vec4f();
  var lo1_2 = vec4f();
  var hi1_2 = vec4f();
  var lo1_3 = vec4f();
  var hi1_3 = vec4f();
  var lo1_4 = vec4f();
  var hi1_4 = vec4f();
  var lo1_5 = vec4f();
  var hi1_5 = vec4f();
  var lo1_6 = vec4f();
  var hi1_6 = vec4f();
  var lo1_7 = vec4f();
  var hi1_7 = vec4f();
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let qAt2 = (s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow) / 8u;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = LOWEST;
  var sum2 = 0.0;
  var lo2_0 = vec4f();
  var hi2_0 = vec4f();
  var lo2_1 = vec4f();
  var hi2_1 = vec4f();
  var lo2_2 = vec4f();
  var hi2_2 = vec4f();
  var lo2_3 = vec4f();
  var hi2_3 = vec4f();
  var lo2_4 = vec4f();
  var hi2_4 = vec4f();
  var lo2_5 = vec4f();
  var hi2_5 = vec4f();
  var lo2_6 = vec4f();
  var hi2_6 = vec4f();
  var lo2_7 = vec4f();
  var hi2_7 = vec4f();
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let qAt3 = (s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow) / 8u;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = LOWEST;
  var sum3 = 0.0;
  var lo3_0 = vec4f();
  var hi3_0 = vec4f();
  var lo3_1 = vec4f();
  var hi3_1 = vec4f();
  var lo3_2 = vec4f();
  var hi3_2 = vec4f();
  var lo3_3 = vec4f();
  var hi3_3 = vec4f();
  var lo3_4 = vec4f();
  var hi3_4 = vec4f();
  var lo3_5 = vec4f();
  var hi3_5 = vec4f();
  var lo3_6 = vec4f();
  var hi3_6 = vec4f();
  var lo3_7 = vec4f();
  var hi3_7 = vec4f();
  let row4 = min(n0 + 4, s.qEnd - 1u);
  let qAt4 = (s.qFirst + b * s.qSample + h * s.qHead + row4 * s.qRow) / 8u;
  let bias4 = s.biasFirst + b * s.biasSample + h * s.biasHead + row4 * s.Lk;
  var max4 = LOWEST;
  var sum4 = 0.0;
  var lo4_0 = vec4f();
  var hi4_0 = vec4f();
  var lo4_1 = vec4f();
  var hi4_1 = vec4f();
  var lo4_2 = vec4f();
  var hi4_2 = vec4f();
  var lo4_3 = vec4f();
  var hi4_3 = vec4f();
  var lo4_4 = vec4f();
  var hi4_4 = vec4f();
  var lo4_5 = vec4f();
  var hi4_5 = vec4f();
  var lo4_6 = vec4f();
  var hi4_6 = vec4f();
  var lo4_7 = vec4f();
  var hi4_7 = vec4f();
  let row5 = min(n0 + 5, s.qEnd - 1u);
  let qAt5 = (s.qFirst + b * s.qSample + h * s.qHead + row5 * s.qRow) / 8u;
  let bias5 = s.biasFirst + b * s.biasSample + h * s.biasHead + row5 * s.Lk;
  var max5 = LOWEST;
  var sum5 = 0.0;
  var lo5_0 = vec4f();
  var hi5_0 = vec4f();
  var lo5_1 = vec4f();
  var hi5_1 = vec4f();
  var lo5_2 = vec4f();
  var hi5_2 = vec4f();
  var lo5_3 = vec4f();
  var hi5_3 = vec4f();
  var lo5_4 = vec4f();
  var hi5_4 = vec4f();
  var lo5_5 = vec4f();
  var hi5_5 = vec4f();
  var lo5_6 = vec4f();
  var hi5_6 = vec4f();
  var lo5_7 = vec4f();
  var hi5_7 = vec4f();
  let row6 = min(n0 + 6, s.qEnd - 1u);
  let qAt6 = (s.qFirst + b * s.qSample + h * s.qHead + row6 * s.qRow) / 8u;
  let bias6 = s.biasFirst + b * s.biasSample + h * s.biasHead + row6 * s.Lk;
  var max6 = LOWEST;
  var sum6 = 0.0;
  var lo6_0 = vec4f();
  var hi6_0 = vec4f();
  var lo6_1 = vec4f();
  var hi6_1 = vec4f();
  var lo6_2 = vec4f();
  var hi6_2 = vec4f();
  var lo6_3 = vec4f();
  var hi6_3 = vec4f();
  var lo6_4 = vec4f();
  var hi6_4 = vec4f();
  var lo6_5 = vec4f();
  var hi6_5 = vec4f();
  var lo6_6 = vec4f();
  var hi6_6 = vec4f();
  var lo6_7 = vec4f();
  var hi6_7 = vec4f();
  let row7 = min(n0 + 7, s.qEnd - 1u);
  let qAt7 = (s.qFirst + b * s.qSample + h * s.qHead + row7 * s.qRow) / 8u;
  let bias7 = s.biasFirst + b * s.biasSample + h * s.biasHead + row7 * s.Lk;
  var max7 = LOWEST;
  var sum7 = 0.0;
  var lo7_0 = vec4f();
  var hi7_0 = vec4f();
  var lo7_1 = vec4f();
  var hi7_1 = vec4f();
  var lo7_2 = vec4f();
  var hi7_2 = vec4f();
  var lo7_3 = vec4f();
  var hi7_3 = vec4f();
  var lo7_4 = vec4f();
  var hi7_4 = vec4f();
  var lo7_5 = vec4f();
  var hi7_5 = vec4f();
  var lo7_6 = vec4f();
  var hi7_6 = vec4f();
  var lo7_7 = vec4f();
  var hi7_7 = vec4f();
  let row8 = min(n0 + 8, s.qEnd - 1u);
  let qAt8 = (s.qFirst + b * s.qSample + h * s.qHead + row8 * s.qRow) / 8u;
  let bias8 = s.biasFirst + b * s.biasSample + h * s.biasHead + row8 * s.Lk;
  var max8 = LOWEST;
  var sum8 = 0.0;
  var lo8_0 = vec4f();
  var hi8_0 = vec4f();
  var lo8_1 = vec4f();
  var hi8_1 = vec4f();
  var lo8_2 = vec4f();
  var hi8_2 = vec4f();
  var lo8_3 = vec4f();
  var hi8_3 = vec4f();
  var lo8_4 = vec4f();
  var hi8_4 = vec4f();
  var lo8_5 = vec4f();
  var hi8_5 = vec4f();
  var lo8_6 = vec4f();
  var hi8_6 = vec4f();
  var lo8_7 = vec4f();
  var hi8_7 = vec4f();
  let row9 = min(n0 + 9, s.qEnd - 1u);
  let qAt9 = (s.qFirst + b * s.qSample + h * s.qHead + row9 * s.qRow) / 8u;
  let bias9 = s.biasFirst + b * s.biasSample + h * s.biasHead + row9 * s.Lk;
  var max9 = LOWEST;
  var sum9 = 0.0;
  var lo9_0 = vec4f();
  var hi9_0 = vec4f();
  var lo9_1 = vec4f();
  var hi9_1 = vec4f();
  var lo9_2 = vec4f();
  var hi9_2 = vec4f();
  var lo9_3 = vec4f();
  var hi9_3 = vec4f();
  var lo9_4 = vec4f();
  var hi9_4 = vec4f();
  var lo9_5 = vec4f();
  var hi9_5 = vec4f();
  var lo9_6 = vec4f();
  var hi9_6 = vec4f();
  var lo9_7 = vec4f();
  var hi9_7 = vec4f();
  let row10 = min(n0 + 10, s.qEnd - 1u);
  let qAt10 = (s.qFirst + b * s.qSample + h * s.qHead + row10 * s.qRow) / 8u;
  let bias10 = s.biasFirst + b * s.biasSample + h * s.biasHead + row10 * s.Lk;
  var max10 = LOWEST;
  var sum10 = 0.0;
  var lo10_0 = vec4f();
  var hi10_0 = vec4f();
  var lo10_1 = vec4f();
  var hi10_1 = vec4f();
  var lo10_2 = vec4f();
  var hi10_2 = vec4f();
  var lo10_3 = vec4f();
  var hi10_3 = vec4f();
  var lo10_4 = vec4f();
  var hi10_4 = vec4f();
  var lo10_5 = vec4f();
  var hi10_5 = vec4f();
  var lo10_6 = vec4f();
  var hi10_6 = vec4f();
  var lo10_7 = vec4f();
  var hi10_7 = vec4f();
  let row11 = min(n0 + 11, s.qEnd - 1u);
  let qAt11 = (s.qFirst + b * s.qSample + h * s.qHead + row11 * s.qRow) / 8u;
  let bias11 = s.biasFirst + b * s.biasSample + h * s.biasHead + row11 * s.Lk;
  var max11 = LOWEST;
  var sum11 = 0.0;
  var lo11_0 = vec4f();
  var hi11_0 = vec4f();
  var lo11_1 = vec4f();
  var hi11_1 = vec4f();
  var lo11_2 = vec4f();
  var hi11_2 = vec4f();
  var lo11_3 = vec4f();
  var hi11_3 = vec4f();
  var lo11_4 = vec4f();
  var hi11_4 = vec4f();
  var lo11_5 = vec4f();
  var hi11_5 = vec4f();
  var lo11_6 = vec4f();
  var hi11_6 = vec4f();
  var lo11_7 = vec4f();
  var hi11_7 = vec4f();
  let row12 = min(n0 + 12, s.qEnd - 1u);
  let qAt12 = (s.qFirst + b * s.qSample + h * s.qHead + row12 * s.qRow) / 8u;
  let bias12 = s.biasFirst + b * s.biasSample + h * s.biasHead + row12 * s.Lk;
  var max12 = LOWEST;
  var sum12 = 0.0;
  var lo12_0 = vec4f();
  var hi12_0 = vec4f();
  var lo12_1 = vec4f();
  var hi12_1 = vec4f();
  var lo12_2 = vec4f();
  var hi12_2 = vec4f();
  var lo12_3 = vec4f();
  var hi12_3 = vec4f();
  var lo12_4 = vec4f();
  var hi12_4 = vec4f();
  var lo12_5 = vec4f();
  var hi12_5 = vec4f();
  var lo12_6 = vec4f();
  var hi12_6 = vec4f();
  var lo12_7 = vec4f();
  var hi12_7 = vec4f();
  let row13 = min(n0 + 13, s.qEnd - 1u);
  let qAt13 = (s.qFirst + b * s.qSample + h * s.qHead + row13 * s.qRow) / 8u;
  let bias13 = s.biasFirst + b * s.biasSample + h * s.biasHead + row13 * s.Lk;
  var max13 = LOWEST;
  var sum13 = 0.0;
  var lo13_0 = vec4f();
  var hi13_0 = vec4f();
  var lo13_1 = vec4f();
  var hi13_1 = vec4f();
  var lo13_2 = vec4f();
  var hi13_2 = vec4f();
  var lo13_3 = vec4f();
  var hi13_3 = vec4f();
  var lo13_4 = vec4f();
  var hi13_4 = vec4f();
  var lo13_5 = vec4f();
  var hi13_5 = vec4f();
  var lo13_6 = vec4f();
  var hi13_6 = vec4f();
  var lo13_7 = vec4f();
  var hi13_7 = vec4f();
  let row14 = min(n0 + 14, s.qEnd - 1u);
  let qAt14 = (s.qFirst + b * s.qSample + h * s.qHead + row14 * s.qRow) / 8u;
  let bias14 = s.biasFirst + b * s.biasSample + h * s.biasHead + row14 * s.Lk;
  var max14 = LOWEST;
  var sum14 = 0.0;
  var lo14_0 = vec4f();
  var hi14_0 = vec4f();
  var lo14_1 = vec4f();
  var hi14_1 = vec4f();
  var lo14_2 = vec4f();
  var hi14_2 = vec4f();
  var lo14_3 = vec4f();
  var hi14_3 = vec4f();
  var lo14_4 = vec4f();
  var hi14_4 = vec4f();
  var lo14_5 = vec4f();
  var hi14_5 = vec4f();
  var lo14_6 = vec4f();
  var hi14_6 = vec4f();
  var lo14_7 = vec4f();
  var hi14_7 = vec4f();
  let row15 = min(n0 + 15, s.qEnd - 1u);
  let qAt15 = (s.qFirst + b * s.qSample + h * s.qHead + row15 * s.qRow) / 8u;
  let bias15 = s.biasFirst + b * s.biasSample + h * s.biasHead + row15 * s.Lk;
  var max15 = LOWEST;
  var sum15 = 0.0;
  var lo15_0 = vec4f();
  var hi15_0 = vec4f();
  var lo15_1 = vec4f();
  var hi15_1 = vec4f();
  var lo15_2 = vec4f();
  var hi15_2 = vec4f();
  var lo15_3 = vec4f();
  var hi15_3 = vec4f();
  var lo15_4 = vec4f();
  var hi15_4 = vec4f();
  var lo15_5 = vec4f();
  var hi15_5 = vec4f();
  var lo15_6 = vec4f();
  var hi15_6 = vec4f();
  var lo15_7 = vec4f();
  var hi15_7 = vec4f();

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, n0 + RQ); }
  for (var k0 = 0u; k0 < keys; k0 += 8u) {
    var u0 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v0 = vec4f();
    var u1 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v1 = vec4f();
    var u2 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v2 = vec4f();
    var u3 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v3 = vec4f();
    var u4 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v4 = vec4f();
    var u5 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v5 = vec4f();
    var u6 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v6 = vec4f();
    var u7 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v7 = vec4f();
    var u8 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v8 = vec4f();
    var u9 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v9 = vec4f();
    var u10 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v10 = vec4f();
    var u11 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v11 = vec4f();
    var u12 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v12 = vec4f();
    var u13 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v13 = vec4f();
    var u14 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v14 = vec4f();
    var u15 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v15 = vec4f();
    let uAt0 = (kHead + min(k0 + 0, s.Lk - 1u) * s.kRow) / 8u;
    let vAt0 = (kHead + min(k0 + 4u + 0, s.Lk - 1u) * s.kRow) / 8u;
    let uAt1 = (kHead + min(k0 + 1, s.Lk - 1u) * s.kRow) / 8u;
    let vAt1 = (kHead + min(k0 + 4u + 1, s.Lk - 1u) * s.kRow) / 8u;
    let uAt2 = (kHead + min(k0 + 2, s.Lk - 1u) * s.kRow) / 8u;
    let vAt2 = (kHead + min(k0 + 4u + 2, s.Lk - 1u) * s.kRow) / 8u;
    let uAt3 = (kHead + min(k0 + 3, s.Lk - 1u) * s.kRow) / 8u;
    let vAt3 = (kHead + min(k0 + 4u + 3, s.Lk - 1u) * s.kRow) / 8u;
    for (var c = 0u; c < D8; c++) {
      let a0 = loadQ(qAt0 + c);
      let a1 = loadQ(qAt1 + c);
      let a2 = loadQ(qAt2 + c);
      let a3 = loadQ(qAt3 + c);
      let a4 = loadQ(qAt4 + c);
      let a5 = loadQ(qAt5 + c);
      let a6 = loadQ(qAt6 + c);
      let a7 = loadQ(qAt7 + c);
      let a8 = loadQ(qAt8 + c);
      let a9 = loadQ(qAt9 + c);
      let a10 = loadQ(qAt10 + c);
      let a11 = loadQ(qAt11 + c);
      let a12 = loadQ(qAt12 + c);
      let a13 = loadQ(qAt13 + c);
      let a14 = loadQ(qAt14 + c);
      let a15 = loadQ(qAt15 + c);
      let b0 = loadK(uAt0 + c);
      let c0 = loadK(vAt0 + c);
      u0[0] += dot(a0.lo, b0.lo) + dot(a0.hi, b0.hi);
      v0[0] += dot(a0.lo, c0.lo) + dot(a0.hi, c0.hi);
      u1[0] += dot(a1.lo, b0.lo) + dot(a1.hi, b0.hi);
      v1[0] += dot(a1.lo, c0.lo) + dot(a1.hi, c0.hi);
      u2[0] += dot(a2.lo, b0.lo) + dot(a2.hi, b0.hi);
      v2[0] += dot(a2.lo, c0.lo) + dot(a2.hi, c0.hi);
      u3[0] += dot(a3.lo, b0.lo) + dot(a3.hi, b0.hi);
      v3[0] += dot(a3.lo, c0.lo) + dot(a3.hi, c0.hi);
      u4[0] += dot(a4.lo, b0.lo) + dot(a4.hi, b0.hi);
      v4[0] += dot(a4.lo, c0.lo) + dot(a4.hi, c0.hi);
      u5[0] += dot(a5.lo, b0.lo) + dot(a5.hi, b0.hi);
      v5[0] += dot(a5.lo, c0.lo) + dot(a5.hi, c0.hi);
      u6[0] += dot(a6.lo, b0.lo) + dot(a6.hi, b0.hi);
      v6[0] += dot(a6.lo, c0.lo) + dot(a6.hi, c0.hi);
      u7[0] += dot(a7.lo, b0.lo) + dot(a7.hi, b0.hi);
      v7[0] += dot(a7.lo, c0.lo) + dot(a7.hi, c0.hi);
      u8[0] += dot(a8.lo, b0.lo) + dot(a8.hi, b0.hi);
      v8[0] += dot(a8.lo, c0.lo) + dot(a8.hi, c0.hi);
      u9[0] += dot(a9.lo, b0.lo) + dot(a9.hi, b0.hi);
      v9[0] += dot(a9.lo, c0.lo) + dot(a9.hi, c0.hi);
      u10[0] += dot(a10.lo, b0.lo) + dot(a10.hi, b0.hi);
      v10[0] += dot(a10.lo, c0.lo) + dot(a10.hi, c0.hi);
      u11[0] += dot(a11.lo, b0.lo) + dot(a11.hi, b0.hi);
      v11[0] += dot(a11.lo, c0.lo) + dot(a11.hi, c0.hi);
      u12[0] += dot(a12.lo, b0.lo) + dot(a12.hi, b0.hi);
      v12[0] += dot(a12.lo, c0.lo) + dot(a12.hi, c0.hi);
      u13[0] += dot(a13.lo, b0.lo) + dot(a13.hi, b0.hi);
      v13[0] += dot(a13.lo, c0.lo) + dot(a13.hi, c0.hi);
      u14[0] += dot(a14.lo, b0.lo) + dot(a14.hi, b0.hi);
      v14[0] += dot(a14.lo, c0.lo) + dot(a14.hi, c0.hi);
      u15[0] += dot(a15.lo, b0.lo) + dot(a15.hi, b0.hi);
      v15[0] += dot(a15.lo, c0.lo) + dot(a15.hi, c0.hi);
      let b1 = loadK(uAt1 + c);
      let c1 = loadK(vAt1 + c);
      u0[1] += dot(a0.lo, b1.lo) + dot(a0.hi, b1.hi);
      v0[1] += dot(a0.lo, c1.lo) + dot(a0.hi, c1.hi);
      u1[1] += dot(a1.lo, b1.lo) + dot(a1.hi, b1.hi);
      v1[1] += dot(a1.lo, c1.lo) + dot(a1.hi, c1.hi);
      u2[1] += dot(a2.lo, b1.lo) + dot(a2.hi, b1.hi);
      v2[1] += dot(a2.lo, c1.lo) + dot(a2.hi, c1.hi);
      u3[1] += dot(a3.lo, b1.lo) + dot(a3.hi, b1.hi);
      v3[1] += dot(a3.lo, c1.lo) + dot(a3.hi, c1.hi);
      u4[1] += dot(a4.lo, b1.lo) + dot(a4.hi, b1.hi);
      v4[1] += dot(a4.lo, c1.lo) + dot(a4.hi, c1.hi);
      u5[1] += dot(a5.lo, b1.lo) + dot(a5.hi, b1.hi);
      v5[1] += dot(a5.lo, c1.lo) + dot(a5.hi, c1.hi);
      u6[1] += dot(a6.lo, b1.lo) + dot(a6.hi, b1.hi);
      v6[1] += dot(a6.lo, c1.lo) + dot(a6.hi, c1.hi);
      u7[1] += dot(a7.lo, b1.lo) + dot(a7.hi, b1.hi);
      v7[1] += dot(a7.lo, c1.lo) + dot(a7.hi, c1.hi);
      u8[1] += dot(a8.lo, b1.lo) + dot(a8.hi, b1.hi);
      v8[1] += dot(a8.lo, c1.lo) + dot(a8.hi, c1.hi);
      u9[1] += dot(a9.lo, b1.lo) + dot(a9.hi, b1.hi);
      v9[1] += dot(a9.lo, c1.lo) + dot(a9.hi, c1.hi);
      u10[1] += dot(a10.lo, b1.lo) + dot(a10.hi, b1.hi);
      v10[1] += dot(a10.lo, c1.lo) + dot(a10.hi, c1.hi);
      u11[1] += dot(a11.lo, b1.lo) + dot(a11.hi, b1.hi);
      v11[1] += dot(a11.lo, c1.lo) + dot(a11.hi, c1.hi);
      u12[1] += dot(a12.lo, b1.lo) + dot(a12.hi, b1.hi);
      v12[1] += dot(a12.lo, c1.lo) + dot(a12.hi, c1.hi);
      u13[1] += dot(a13.lo, b1.lo) + dot(a13.hi, b1.hi);
      v13[1] += dot(a13.lo, c1.lo) + dot(a13.hi, c1.hi);
      u14[1] += dot(a14.lo, b1.lo) + dot(a14.hi, b1.hi);
      v14[1] += dot(a14.lo, c1.lo) + dot(a14.hi, c1.hi);
      u15[1] += dot(a15.lo, b1.lo) + dot(a15.hi, b1.hi);
      v15[1] += dot(a15.lo, c1.lo) + dot(a15.hi, c1.hi);
      let b2 = loadK(uAt2 + c);
      let c2 = loadK(vAt2 + c);
      u0[2] += dot(a0.lo, b2.lo) + dot(a0.hi, b2.hi);
      v0[2] += dot(a0.lo, c2.lo) + dot(a0.hi, c2.hi);
      u1[2] += dot(a1.lo, b2.lo) + dot(a1.hi, b2.hi);
      v1[2] += dot(a1.lo, c2.lo) + dot(a1.hi, c2.hi);
      u2[2] += dot(a2.lo, b2.lo) + dot(a2.hi, b2.hi);
      v2[2] += dot(a2.lo, c2.lo) + dot(a2.hi, c2.hi);
      u3[2] += dot(a3.lo, b2.lo) + dot(a3.hi, b2.hi);
      v3[2] += dot(a3.lo, c2.lo) + dot(a3.hi, c2.hi);
      u4[2] += dot(a4.lo, b2.lo) + dot(a4.hi, b2.hi);
      v4[2] += dot(a4.lo, c2.lo) + dot(a4.hi, c2.hi);
      u5[2] += dot(a5.lo, b2.lo) + dot(a5.hi, b2.hi);
      v5[2] += dot(a5.lo, c2.lo) + dot(a5.hi, c2.hi);
      u6[2] += dot(a6.lo, b2.lo) + dot(a6.hi, b2.hi);
      v6[2] += dot(a6.lo, c2.lo) + dot(a6.hi, c2.hi);
      u7[2] += dot(a7.lo, b2.lo) + dot(a7.hi, b2.hi);
      v7[2] += dot(a7.lo, c2.lo) + dot(a7.hi, c2.hi);
      u8[2] += dot(a8.lo, b2.lo) + dot(a8.hi, b2.hi);
      v8[2] += dot(a8.lo, c2.lo) + dot(a8.hi, c2.hi);
      u9[2] += dot(a9.lo, b2.lo) + dot(a9.hi, b2.hi);
      v9[2] += dot(a9.lo, c2.lo) + dot(a9.hi, c2.hi);
      u10[2] += dot(a10.lo, b2.lo) + dot(a10.hi, b2.hi);
      v10[2] += dot(a10.lo, c2.lo) + dot(a10.hi, c2.hi);
      u11[2] += dot(a11.lo, b2.lo) + dot(a11.hi, b2.hi);
      v11[2] += dot(a11.lo, c2.lo) + dot(a11.hi, c2.hi);
      u12[2] += dot(a12.lo, b2.lo) + dot(a12.hi, b2.hi);
      v12[2] += dot(a12.lo, c2.lo) + dot(a12.hi, c2.hi);
      u13[2] += dot(a13.lo, b2.lo) + dot(a13.hi, b2.hi);
      v13[2] += dot(a13.lo, c2.lo) + dot(a13.hi, c2.hi);
      u14[2] += dot(a14.lo, b2.lo) + dot(a14.hi, b2.hi);
      v14[2] += dot(a14.lo, c2.lo) + dot(a14.hi, c2.hi);
      u15[2] += dot(a15.lo, b2.lo) + dot(a15.hi, b2.hi);
      v15[2] += dot(a15.lo, c2.lo) + dot(a15.hi, c2.hi);
      let b3 = loadK(uAt3 + c);
      let c3 = loadK(vAt3 + c);
      u0[3] += dot(a0.lo, b3.lo) + dot(a0.hi, b3.hi);
      v0[3] += dot(a0.lo, c3.lo) + dot(a0.hi, c3.hi);
      u1[3] += dot(a1.lo, b3.lo) + dot(a1.hi, b3.hi);
      v1[3] += dot(a1.lo, c3.lo) + dot(a1.hi, c3.hi);
      u2[3] += dot(a2.lo, b3.lo) + dot(a2.hi, b3.hi);
      v2[3] += dot(a2.lo, c3.lo) + dot(a2.hi, c3.hi);
      u3[3] += dot(a3.lo, b3.lo) + dot(a3.hi, b3.hi);
      v3[3] += dot(a3.lo, c3.lo) + dot(a3.hi, c3.hi);
      u4[3] += dot(a4.lo, b3.lo) + dot(a4.hi, b3.hi);
      v4[3] += dot(a4.lo, c3.lo) + dot(a4.hi, c3.hi);
      u5[3] += dot(a5.lo, b3.lo) + dot(a5.hi, b3.hi);
      v5[3] += dot(a5.lo, c3.lo) + dot(a5.hi, c3.hi);
      u6[3] += dot(a6.lo, b3.lo) + dot(a6.hi, b3.hi);
      v6[3] += dot(a6.lo, c3.lo) + dot(a6.hi, c3.hi);
      u7[3] += dot(a7.lo, b3.lo) + dot(a7.hi, b3.hi);
      v7[3] += dot(a7.lo, c3.lo) + dot(a7.hi, c3.hi);
      u8[3] += dot(a8.lo, b3.lo) + dot(a8.hi, b3.hi);
      v8[3] += dot(a8.lo, c3.lo) + dot(a8.hi, c3.hi);
      u9[3] += dot(a9.lo, b3.lo) + dot(a9.hi, b3.hi);
      v9[3] += dot(a9.lo, c3.lo) + dot(a9.hi, c3.hi);
      u10[3] += dot(a10.lo, b3.lo) + dot(a10.hi, b3.hi);
      v10[3] += dot(a10.lo, c3.lo) + dot(a10.hi, c3.hi);
      u11[3] += dot(a11.lo, b3.lo) + dot(a11.hi, b3.hi);
      v11[3] += dot(a11.lo, c3.lo) + dot(a11.hi, c3.hi);
      u12[3] += dot(a12.lo, b3.lo) + dot(a12.hi, b3.hi);
      v12[3] += dot(a12.lo, c3.lo) + dot(a12.hi, c3.hi);
      u13[3] += dot(a13.lo, b3.lo) + dot(a13.hi, b3.hi);
      v13[3] += dot(a13.lo, c3.lo) + dot(a13.hi, c3.hi);
      u14[3] += dot(a14.lo, b3.lo) + dot(a14.hi, b3.hi);
      v14[3] += dot(a14.lo, c3.lo) + dot(a14.hi, c3.hi);
      u15[3] += dot(a15.lo, b3.lo) + dot(a15.hi, b3.hi);
      v15[3] += dot(a15.lo, c3.lo) + dot(a15.hi, c3.hi);
    }
    u0[0] = score(u0[0], b, row0, k0 + 0, bias0);
    v0[0] = score(v0[0], b, row0, k0 + 4u + 0, bias0);
    u0[1] = score(u0[1], b, row0, k0 + 1, bias0);
    v0[1] = score(v0[1], b, row0, k0 + 4u + 1, bias0);
    u0[2] = score(u0[2], b, row0, k0 + 2, bias0);
    v0[2] = score(v0[2], b, row0, k0 + 4u + 2, bias0);
    u0[3] = score(u0[3], b, row0, k0 + 3, bias0);
    v0[3] = score(v0[3], b, row0, k0 + 4u + 3, bias0);
    let t0 = max(u0, v0);
    let top0 = max(max0, max(max(t0.x, t0.y), max(t0.z, t0.w)));
    let fade0 = exp2(max0 - top0);
    max0 = top0;
    u0 = exp2(u0 - top0);
    v0 = exp2(v0 - top0);
    let z0 = u0 + v0;
    sum0 = sum0 * fade0 + z0.x + z0.y + z0.z + z0.w;
    lo0_0 *= fade0;
    hi0_0 *= fade0;
    lo0_1 *= fade0;
    hi0_1 *= fade0;
    lo0_2 *= fade0;
    hi0_2 *= fade0;
    lo0_3 *= fade0;
    hi0_3 *= fade0;
    lo0_4 *= fade0;
    hi0_4 *= fade0;
    lo0_5 *= fade0;
    hi0_5 *= fade0;
    lo0_6 *= fade0;
    hi0_6 *= fade0;
    lo0_7 *= fade0;
    hi0_7 *= fade0;
    u1[0] = score(u1[0], b, row1, k0 + 0, bias1);
    v1[0] = score(v1[0], b, row1, k0 + 4u + 0, bias1);
    u1[1] = score(u1[1], b, row1, k0 + 1, bias1);
    v1[1] = score(v1[1], b, row1, k0 + 4u + 1, bias1);
    u1[2] = score(u1[2], b, row1, k0 + 2, bias1);
    v1[2] = score(v1[2], b, row1, k0 + 4u + 2, bias1);
    u1[3] = score(u1[3], b, row1, k0 + 3, bias1);
    v1[3] = score(v1[3], b, row1, k0 + 4u + 3, bias1);
    let t1 = max(u1, v1);
    let top1 = max(max1, max(max(t1.x, t1.y), max(t1.z, t1.w)));
    let fade1 = exp2(max1 - top1);
    max1 = top1;
    u1 = exp2(u1 - top1);
    v1 = exp2(v1 - top1);
    let z1 = u1 + v1;
    sum1 = sum1 * fade1 + z1.x + z1.y + z1.z + z1.w;
    lo1_0 *= fade1;
    hi1_0 *= fade1;
    lo1_1 *= fade1;
    hi1_1 *= fade1;
    lo1_2 *= fade1;
    hi1_2 *= fade1;
    lo1_3 *= fade1;
    hi1_3 *= fade1;
    lo1_4 *= fade1;
    hi1_4 *= fade1;
    lo1_5 *= fade1;
    hi1_5 *= fade1;
    lo1_6 *= fade1;
    hi1_6 *= fade1;
    lo1_7 *= fade1;
    hi1_7 *= fade1;
    u2[0] = score(u2[0], b, row2, k0 + 0, bias2);
    v2[0] = score(v2[0], b, row2, k0 + 4u + 0, bias2);
    u2[1] = score(u2[1], b, row2, k0 + 1, bias2);
    v2[1] = score(v2[1], b, row2, k0 + 4u + 1, bias2);
    u2[2] = score(u2[2], b, row2, k0 + 2, bias2);
    v2[2] = score(v2[2], b, row2, k0 + 4u + 2, bias2);
    u2[3] = score(u2[3], b, row2, k0 + 3, bias2);
    v2[3] = score(v2[3], b, row2, k0 + 4u + 3, bias2);
    let t2 = max(u2, v2);
    let top2 = max(max2, max(max(t2.x, t2.y), max(t2.z, t2.w)));
    let fade2 = exp2(max2 - top2);
    max2 = top2;
    u2 = exp2(u2 - top2);
    v2 = exp2(v2 - top2);
    let z2 = u2 + v2;
    sum2 = sum2 * fade2 + z2.x + z2.y + z2.z + z2.w;
    lo2_0 *= fade2;
    hi2_0 *= fade2;
    lo2_1 *= fade2;
    hi2_1 *= fade2;
    lo2_2 *= fade2;
    hi2_2 *= fade2;
    lo2_3 *= fade2;
    hi2_3 *= fade2;
    lo2_4 *= fade2;
    hi2_4 *= fade2;
    lo2_5 *= fade2;
    hi2_5 *= fade2;
    lo2_6 *= fade2;
    hi2_6 *= fade2;
    lo2_7 *= fade2;
    hi2_7 *= fade2;
    u3[0] = score(u3[0], b, row3, k0 + 0, bias3);
    v3[0] = score(v3[0], b, row3, k0 + 4u + 0, bias3);
    u3[1] = score(u3[1], b, row3, k0 + 1, bias3);
    v3[1] = score(v3[1], b, row3, k0 + 4u + 1, bias3);
    u3[2] = score(u3[2], b, row3, k0 + 2, bias3);
    v3[2] = score(v3[2], b, row3, k0 + 4u + 2, bias3);
    u3[3] = score(u3[3], b, row3, k0 + 3, bias3);
    v3[3] = score(v3[3], b, row3, k0 + 4u + 3, bias3);
    let t3 = max(u3, v3);
    let top3 = max(max3, max(max(t3.x, t3.y), max(t3.z, t3.w)));
    let fade3 = exp2(max3 - top3);
    max3 = top3;
    u3 = exp2(u3 - top3);
    v3 = exp2(v3 - top3);
    let z3 = u3 + v3;
    sum3 = sum3 * fade3 + z3.x + z3.y + z3.z + z3.w;
    lo3_0 *= fade3;
    hi3_0 *= fade3;
    lo3_1 *= fade3;
    hi3_1 *= fade3;
    lo3_2 *= fade3;
    hi3_2 *= fade3;
    lo3_3 *= fade3;
    hi3_3 *= fade3;
    lo3_4 *= fade3;
    hi3_4 *= fade3;
    lo3_5 *= fade3;
    hi3_5 *= fade3;
    lo3_6 *= fade3;
    hi3_6 *= fade3;
    lo3_7 *= fade3;
    hi3_7 *= fade3;
    u4[0] = score(u4[0], b, row4, k0 + 0, bias4);
    v4[0] = score(v4[0], b, row4, k0 + 4u + 0, bias4);
    u4[1] = score(u4[1], b, row4, k0 + 1, bias4);
    v4[1] = score(v4[1], b, row4, k0 + 4u + 1, bias4);
    u4[2] = score(u4[2], b, row4, k0 + 2, bias4);
    v4[2] = score(v4[2], b, row4, k0 + 4u + 2, bias4);
    u4[3] = score(u4[3], b, row4, k0 + 3, bias4);
    v4[3] = score(v4[3], b, row4, k0 + 4u + 3, bias4);
    let t4 = max(u4, v4);
    let top4 = max(max4, max(max(t4.x, t4.y), max(t4.z, t4.w)));
    let fade4 = exp2(max4 - top4);
    max4 = top4;
    u4 = exp2(u4 - top4);
    v4 = exp2(v4 - top4);
    let z4 = u4 + v4;
    sum4 = sum4 * fade4 + z4.x + z4.y + z4.z + z4.w;
    lo4_0 *= fade4;
    hi4_0 *= fade4;
    lo4_1 *= fade4;
    hi4_1 *= fade4;
    lo4_2 *= fade4;
    hi4_2 *= fade4;
    lo4_3 *= fade4;
    hi4_3 *= fade4;
    lo4_4 *= fade4;
    hi4_4 *= fade4;
    lo4_5 *= fade4;
    hi4_5 *= fade4;
    lo4_6 *= fade4;
    hi4_6 *= fade4;
    lo4_7 *= fade4;
    hi4_7 *= fade4;
    u5[0] = score(u5[0], b, row5, k0 + 0, bias5);
    v5[0] = score(v5[0], b, row5, k0 + 4u + 0, bias5);
    u5[1] = score(u5[1], b, row5, k0 + 1, bias5);
    v5[1] = score(v5[1], b, row5, k0 + 4u + 1, bias5);
    u5[2] = score(u5[2], b, row5, k0 + 2, bias5);
    v5[2] = score(v5[2], b, row5, k0 + 4u + 2, bias5);
    u5[3] = score(u5[3], b, row5, k0 + 3, bias5);
    v5[3] = score(v5[3], b, row5, k0 + 4u + 3, bias5);
    let t5 = max(u5, v5);
    let top5 = max(max5, max(max(t5.x, t5.y), max(t5.z, t5.w)));
    let fade5 = exp2(max5 - top5);
    max5 = top5;
    u5 = exp2(u5 - top5);
    v5 = exp2(v5 - top5);
    let z5 = u5 + v5;
    sum5 = sum5 * fade5 + z5.x + z5.y + z5.z + z5.w;
    lo5_0 *= fade5;
    hi5_0 *= fade5;
    lo5_1 *= fade5;
    hi5_1 *= fade5;
    lo5_2 *= fade5;
    hi5_2 *= fade5;
    lo5_3 *= fade5;
    hi5_3 *= fade5;
    lo5_4 *= fade5;
    hi5_4 *= fade5;
    lo5_5 *= fade5;
    hi5_5 *= fade5;
    lo5_6 *= fade5;
    hi5_6 *= fade5;
    lo5_7 *= fade5;
    hi5_7 *= fade5;
    u6[0] = score(u6[0], b, row6, k0 + 0, bias6);
    v6[0] = score(v6[0], b, row6, k0 + 4u + 0, bias6);
    u6[1] = score(u6[1], b, row6, k0 + 1, bias6);
    v6[1] = score(v6[1], b, row6, k0 + 4u + 1, bias6);
    u6[2] = score(u6[2], b, row6, k0 + 2, bias6);
    v6[2] = score(v6[2], b, row6, k0 + 4u + 2, bias6);
    u6[3] = score(u6[3], b, row6, k0 + 3, bias6);
    v6[3] = score(v6[3], b, row6, k0 + 4u + 3, bias6);
    let t6 = max(u6, v6);
    let top6 = max(max6, max(max(t6.x, t6.y), max(t6.z, t6.w)));
    let fade6 = exp2(max6 - top6);
    max6 = top6;
    u6 = exp2(u6 - top6);
    v6 = exp2(v6 - top6);
    let z6 = u6 + v6;
    sum6 = sum6 * fade6 + z6.x + z6.y + z6.z + z6.w;
    lo6_0 *= fade6;
    hi6_0 *= fade6;
    lo6_1 *= fade6;
    hi6_1 *= fade6;
    lo6_2 *= fade6;
    hi6_2 *= fade6;
    lo6_3 *= fade6;
    hi6_3 *= fade6;
    lo6_4 *= fade6;
    hi6_4 *= fade6;
    lo6_5 *= fade6;
    hi6_5 *= fade6;
    lo6_6 *= fade6;
    hi6_6 *= fade6;
    lo6_7 *= fade6;
    hi6_7 *= fade6;
    u7[0] = score(u7[0], b, row7, k0 + 0, bias7);
    v7[0] = score(v7[0], b, row7, k0 + 4u + 0, bias7);
    u7[1] = score(u7[1], b, row7, k0 + 1, bias7);
    v7[1] = score(v7[1], b, row7, k0 + 4u + 1, bias7);
    u7[2] = score(u7[2], b, row7, k0 + 2, bias7);
    v7[2] = score(v7[2], b, row7, k0 + 4u + 2, bias7);
    u7[3] = score(u7[3], b, row7, k0 + 3, bias7);
    v7[3] = score(v7[3], b, row7, k0 + 4u + 3, bias7);
    let t7 = max(u7, v7);
    let top7 = max(max7, max(max(t7.x, t7.y), max(t7.z, t7.w)));
    let fade7 = exp2(max7 - top7);
    max7 = top7;
    u7 = exp2(u7 - top7);
    v7 = exp2(v7 - top7);
    let z7 = u7 + v7;
    sum7 = sum7 * fade7 + z7.x + z7.y + z7.z + z7.w;
    lo7_0 *= fade7;
    hi7_0 *= fade7;
    lo7_1 *= fade7;
    hi7_1 *= fade7;
    lo7_2 *= fade7;
    hi7_2 *= fade7;
    lo7_3 *= fade7;
    hi7_3 *= fade7;
    lo7_4 *= fade7;
    hi7_4 *= fade7;
    lo7_5 *= fade7;
    hi7_5 *= fade7;
    lo7_6 *= fade7;
    hi7_6 *= fade7;
    lo7_7 *= fade7;
    hi7_7 *= fade7;
    u8[0] = score(u8[0], b, row8, k0 + 0, bias8);
    v8[0] = score(v8[0], b, row8, k0 + 4u + 0, bias8);
    u8[1] = score(u8[1], b, row8, k0 + 1, bias8);
    v8[1] = score(v8[1], b, row8, k0 + 4u + 1, bias8);
    u8[2] = score(u8[2], b, row8, k0 + 2, bias8);
    v8[2] = score(v8[2], b, row8, k0 + 4u + 2, bias8);
    u8[3] = score(u8[3], b, row8, k0 + 3, bias8);
    v8[3] = score(v8[3], b, row8, k0 + 4u + 3, bias8);
    let t8 = max(u8, v8);
    let top8 = max(max8, max(max(t8.x, t8.y), max(t8.z, t8.w)));
    let fade8 = exp2(max8 - top8);
    max8 = top8;
    u8 = exp2(u8 - top8);
    v8 = exp2(v8 - top8);
    let z8 = u8 + v8;
    sum8 = sum8 * fade8 + z8.x + z8.y + z8.z + z8.w;
    lo8_0 *= fade8;
    hi8_0 *= fade8;
    lo8_1 *= fade8;
    hi8_1 *= fade8;
    lo8_2 *= fade8;
    hi8_2 *= fade8;
    lo8_3 *= fade8;
    hi8_3 *= fade8;
    lo8_4 *= fade8;
    hi8_4 *= fade8;
    lo8_5 *= fade8;
    hi8_5 *= fade8;
    lo8_6 *= fade8;
    hi8_6 *= fade8;
    lo8_7 *= fade8;
    hi8_7 *= fade8;
    u9[0] = score(u9[0], b, row9, k0 + 0, bias9);
    v9[0] = score(v9[0], b, row9, k0 + 4u + 0, bias9);
    u9[1] = score(u9[1], b, row9, k0 + 1, bias9);
    v9[1] = score(v9[1], b, row9, k0 + 4u + 1, bias9);
    u9[2] = score(u9[2], b, row9, k0 + 2, bias9);
    v9[2] = score(v9[2], b, row9, k0 + 4u + 2, bias9);
    u9[3] = score(u9[3], b, row9, k0 + 3, bias9);
    v9[3] = score(v9[3], b, row9, k0 + 4u + 3, bias9);
    let t9 = max(u9, v9);
    let top9 = max(max9, max(max(t9.x, t9.y), max(t9.z, t9.w)));
    let fade9 = exp2(max9 - top9);
    max9 = top9;
    u9 = exp2(u9 - top9);
    v9 = exp2(v9 - top9);
    let z9 = u9 + v9;
    sum9 = sum9 * fade9 + z9.x + z9.y + z9.z + z9.w;
    lo9_0 *= fade9;
    hi9_0 *= fade9;
    lo9_1 *= fade9;
    hi9_1 *= fade9;
    lo9_2 *= fade9;
    hi9_2 *= fade9;
    lo9_3 *= fade9;
    hi9_3 *= fade9;
    lo9_4 *= fade9;
    hi9_4 *= fade9;
    lo9_5 *= fade9;
    hi9_5 *= fade9;
    lo9_6 *= fade9;
    hi9_6 *= fade9;
    lo9_7 *= fade9;
    hi9_7 *= fade9;
    u10[0] = score(u10[0], b, row10, k0 + 0, bias10);
    v10[0] = score(v10[0], b, row10, k0 + 4u + 0, bias10);
    u10[1] = score(u10[1], b, row10, k0 + 1, bias10);
    v10[1] = score(v10[1], b, row10, k0 + 4u + 1, bias10);
    u10[2] = score(u10[2], b, row10, k0 + 2, bias10);
    v10[2] = score(v10[2], b, row10, k0 + 4u + 2, bias10);
    u10[3] = score(u10[3], b, row10, k0 + 3, bias10);
    v10[3] = score(v10[3], b, row10, k0 + 4u + 3, bias10);
    let t10 = max(u10, v10);
    let top10 = max(max10, max(max(t10.x, t10.y), max(t10.z, t10.w)));
    let fade10 = exp2(max10 - top10);
    max10 = top10;
    u10 = exp2(u10 - top10);
    v10 = exp2(v10 - top10);
    let z10 = u10 + v10;
    sum10 = sum10 * fade10 + z10.x + z10.y + z10.z + z10.w;
    lo10_0 *= fade10;
    hi10_0 *= fade10;
    lo10_1 *= fade10;
    hi10_1 *= fade10;
    lo10_2 *= fade10;
    hi10_2 *= fade10;
    lo10_3 *= fade10;
    hi10_3 *= fade10;
    lo10_4 *= fade10;
    hi10_4 *= fade10;
    lo10_5 *= fade10;
    hi10_5 *= fade10;
    lo10_6 *= fade10;
    hi10_6 *= fade10;
    lo10_7 *= fade10;
    hi10_7 *= fade10;
    u11[0] = score(u11[0], b, row11, k0 + 0, bias11);
    v11[0] = score(v11[0], b, row11, k0 + 4u + 0, bias11);
    u11[1] = score(u11[1], b, row11, k0 + 1, bias11);
    v11[1] = score(v11[1], b, row11, k0 + 4u + 1, bias11);
    u11[2] = score(u11[2], b, row11, k0 + 2, bias11);
    v11[2] = score(v11[2], b, row11, k0 + 4u + 2, bias11);
    u11[3] = score(u11[3], b, row11, k0 + 3, bias11);
    v11[3] = score(v11[3], b, row11, k0 + 4u + 3, bias11);
    let t11 = max(u11, v11);
    let top11 = max(max11, max(max(t11.x, t11.y), max(t11.z, t11.w)));
    let fade11 = exp2(max11 - top11);
    max11 = top11;
    u11 = exp2(u11 - top11);
    v11 = exp2(v11 - top11);
    let z11 = u11 + v11;
    sum11 = sum11 * fade11 + z11.x + z11.y + z11.z + z11.w;
    lo11_0 *= fade11;
    hi11_0 *= fade11;
    lo11_1 *= fade11;
    hi11_1 *= fade11;
    lo11_2 *= fade11;
    hi11_2 *= fade11;
    lo11_3 *= fade11;
    hi11_3 *= fade11;
    lo11_4 *= fade11;
    hi11_4 *= fade11;
    lo11_5 *= fade11;
    hi11_5 *= fade11;
    lo11_6 *= fade11;
    hi11_6 *= fade11;
    lo11_7 *= fade11;
    hi11_7 *= fade11;
    u12[0] = score(u12[0], b, row12, k0 + 0, bias12);
    v12[0] = score(v12[0], b, row12, k0 + 4u + 0, bias12);
    u12[1] = score(u12[1], b, row12, k0 + 1, bias12);
    v12[1] = score(v12[1], b, row12, k0 + 4u + 1, bias12);
    u12[2] = score(u12[2], b, row12, k0 + 2, bias12);
    v12[2] = score(v12[2], b, row12, k0 + 4u + 2, bias12);
    u12[3] = score(u12[3], b, row12, k0 + 3, bias12);
    v12[3] = score(v12[3], b, row12, k0 + 4u + 3, bias12);
    let t12 = max(u12, v12);
    let top12 = max(max12, max(max(t12.x, t12.y), max(t12.z, t12.w)));
    let fade12 = exp2(max12 - top12);
    max12 = top12;
    u12 = exp2(u12 - top12);
    v12 = exp2(v12 - top12);
    let z12 = u12 + v12;
    sum12 = sum12 * fade12 + z12.x + z12.y + z12.z + z12.w;
    lo12_0 *= fade12;
    hi12_0 *= fade12;
    lo12_1 *= fade12;
    hi12_1 *= fade12;
    lo12_2 *= fade12;
    hi12_2 *= fade12;
    lo12_3 *= fade12;
    hi12_3 *= fade12;
    lo12_4 *= fade12;
    hi12_4 *= fade12;
    lo12_5 *= fade12;
    hi12_5 *= fade12;
    lo12_6 *= fade12;
    hi12_6 *= fade12;
    lo12_7 *= fade12;
    hi12_7 *= fade12;
    u13[0] = score(u13[0], b, row13, k0 + 0, bias13);
    v13[0] = score(v13[0], b, row13, k0 + 4u + 0, bias13);
    u13[1] = score(u13[1], b, row13, k0 + 1, bias13);
    v13[1] = score(v13[1], b, row13, k0 + 4u + 1, bias13);
    u13[2] = score(u13[2], b, row13, k0 + 2, bias13);
    v13[2] = score(v13[2], b, row13, k0 + 4u + 2, bias13);
    u13[3] = score(u13[3], b, row13, k0 + 3, bias13);
    v13[3] = score(v13[3], b, row13, k0 + 4u + 3, bias13);
    let t13 = max(u13, v13);
    let top13 = max(max13, max(max(t13.x, t13.y), max(t13.z, t13.w)));
    let fade13 = exp2(max13 - top13);
    max13 = top13;
    u13 = exp2(u13 - top13);
    v13 = exp2(v13 - top13);
    let z13 = u13 + v13;
    sum13 = sum13 * fade13 + z13.x + z13.y + z13.z + z13.w;
    lo13_0 *= fade13;
    hi13_0 *= fade13;
    lo13_1 *= fade13;
    hi13_1 *= fade13;
    lo13_2 *= fade13;
    hi13_2 *= fade13;
    lo13_3 *= fade13;
    hi13_3 *= fade13;
    lo13_4 *= fade13;
    hi13_4 *= fade13;
    lo13_5 *= fade13;
    hi13_5 *= fade13;
    lo13_6 *= fade13;
    hi13_6 *= fade13;
    lo13_7 *= fade13;
    hi13_7 *= fade13;
    u14[0] = score(u14[0], b, row14, k0 + 0, bias14);
    v14[0] = score(v14[0], b, row14, k0 + 4u + 0, bias14);
    u14[1] = score(u14[1], b, row14, k0 + 1, bias14);
    v14[1] = score(v14[1], b, row14, k0 + 4u + 1, bias14);
    u14[2] = score(u14[2], b, row14, k0 + 2, bias14);
    v14[2] = score(v14[2], b, row14, k0 + 4u + 2, bias14);
    u14[3] = score(u14[3], b, row14, k0 + 3, bias14);
    v14[3] = score(v14[3], b, row14, k0 + 4u + 3, bias14);
    let t14 = max(u14, v14);
    let top14 = max(max14, max(max(t14.x, t14.y), max(t14.z, t14.w)));
    let fade14 = exp2(max14 - top14);
    max14 = top14;
    u14 = exp2(u14 - top14);
    v14 = exp2(v14 - top14);
    let z14 = u14 + v14;
    sum14 = sum14 * fade14 + z14.x + z14.y + z14.z + z14.w;
    lo14_0 *= fade14;
    hi14_0 *= fade14;
    lo14_1 *= fade14;
    hi14_1 *= fade14;
    lo14_2 *= fade14;
    hi14_2 *= fade14;
    lo14_3 *= fade14;
    hi14_3 *= fade14;
    lo14_4 *= fade14;
    hi14_4 *= fade14;
    lo14_5 *= fade14;
    hi14_5 *= fade14;
    lo14_6 *= fade14;
    hi14_6 *= fade14;
    lo14_7 *= fade14;
    hi14_7 *= fade14;
    u15[0] = score(u15[0], b, row15, k0 + 0, bias15);
    v15[0] = score(v15[0], b, row15, k0 + 4u + 0, bias15);
    u15[1] = score(u15[1], b, row15, k0 + 1, bias15);
    v15[1] = score(v15[1], b, row15, k0 + 4u + 1, bias15);
    u15[2] = score(u15[2], b, row15, k0 + 2, bias15);
    v15[2] = score(v15[2], b, row15, k0 + 4u + 2, bias15);
    u15[3] = score(u15[3], b, row15, k0 + 3, bias15);
    v15[3] = score(v15[3], b, row15, k0 + 4u + 3, bias15);
    let t15 = max(u15, v15);
    let top15 = max(max15, max(max(t15.x, t15.y), max(t15.z, t15.w)));
    let fade15 = exp2(max15 - top15);
    max15 = top15;
    u15 = exp2(u15 - top15);
    v15 = exp2(v15 - top15);
    let z15 = u15 + v15;
    sum15 = sum15 * fade15 + z15.x + z15.y + z15.z + z15.w;
    lo15_0 *= fade15;
    hi15_0 *= fade15;
    lo15_1 *= fade15;
    hi15_1 *= fade15;
    lo15_2 *= fade15;
    hi15_2 *= fade15;
    lo15_3 *= fade15;
    hi15_3 *= fade15;
    lo15_4 *= fade15;
    hi15_4 *= fade15;
    lo15_5 *= fade15;
    hi15_5 *= fade15;
    lo15_6 *= fade15;
    hi15_6 *= fade15;
    lo15_7 *= fade15;
    hi15_7 *= fade15;
    // Two keys a turn, the probabilities rotated: with all eight unrolled, drivers compile for seconds.
    for (var e = 0u; e < 4u; e++) {
      let uAt = vHead + min(k0 + e, s.Lk - 1u) * s.vRow / 8u;
      let vAt = vHead + min(k0 + 4u + e, s.Lk - 1u) * s.vRow / 8u;
      {
        let w = loadV(uAt + 0);
        let z = loadV(vAt + 0);
        lo0_0 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_0));
        hi0_0 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_0));
        lo1_0 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_0));
        hi1_0 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_0));
        lo2_0 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_0));
        hi2_0 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_0));
        lo3_0 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_0));
        hi3_0 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_0));
        lo4_0 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_0));
        hi4_0 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_0));
        lo5_0 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_0));
        hi5_0 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_0));
        lo6_0 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_0));
        hi6_0 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_0));
        lo7_0 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_0));
        hi7_0 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_0));
        lo8_0 = fma(vec4f(v8.x), z.lo, fma(vec4f(u8.x), w.lo, lo8_0));
        hi8_0 = fma(vec4f(v8.x), z.hi, fma(vec4f(u8.x), w.hi, hi8_0));
        lo9_0 = fma(vec4f(v9.x), z.lo, fma(vec4f(u9.x), w.lo, lo9_0));
        hi9_0 = fma(vec4f(v9.x), z.hi, fma(vec4f(u9.x), w.hi, hi9_0));
        lo10_0 = fma(vec4f(v10.x), z.lo, fma(vec4f(u10.x), w.lo, lo10_0));
        hi10_0 = fma(vec4f(v10.x), z.hi, fma(vec4f(u10.x), w.hi, hi10_0));
        lo11_0 = fma(vec4f(v11.x), z.lo, fma(vec4f(u11.x), w.lo, lo11_0));
        hi11_0 = fma(vec4f(v11.x), z.hi, fma(vec4f(u11.x), w.hi, hi11_0));
        lo12_0 = fma(vec4f(v12.x), z.lo, fma(vec4f(u12.x), w.lo, lo12_0));
        hi12_0 = fma(vec4f(v12.x), z.hi, fma(vec4f(u12.x), w.hi, hi12_0));
        lo13_0 = fma(vec4f(v13.x), z.lo, fma(vec4f(u13.x), w.lo, lo13_0));
        hi13_0 = fma(vec4f(v13.x), z.hi, fma(vec4f(u13.x), w.hi, hi13_0));
        lo14_0 = fma(vec4f(v14.x), z.lo, fma(vec4f(u14.x), w.lo, lo14_0));
        hi14_0 = fma(vec4f(v14.x), z.hi, fma(vec4f(u14.x), w.hi, hi14_0));
        lo15_0 = fma(vec4f(v15.x), z.lo, fma(vec4f(u15.x), w.lo, lo15_0));
        hi15_0 = fma(vec4f(v15.x), z.hi, fma(vec4f(u15.x), w.hi, hi15_0));
      }
      {
        let w = loadV(uAt + 1);
        let z = loadV(vAt + 1);
        lo0_1 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_1));
        hi0_1 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_1));
        lo1_1 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_1));
        hi1_1 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_1));
        lo2_1 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_1));
        hi2_1 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_1));
        lo3_1 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_1));
        hi3_1 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_1));
        lo4_1 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_1));
        hi4_1 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_1));
        lo5_1 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_1));
        hi5_1 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_1));
        lo6_1 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_1));
        hi6_1 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_1));
        lo7_1 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_1));
        hi7_1 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_1));
        lo8_1 = fma(vec4f(v8.x), z.lo, fma(vec4f(u8.x), w.lo, lo8_1));
        hi8_1 = fma(vec4f(v8.x), z.hi, fma(vec4f(u8.x), w.hi, hi8_1));
        lo9_1 = fma(vec4f(v9.x), z.lo, fma(vec4f(u9.x), w.lo, lo9_1));
        hi9_1 = fma(vec4f(v9.x), z.hi, fma(vec4f(u9.x), w.hi, hi9_1));
        lo10_1 = fma(vec4f(v10.x), z.lo, fma(vec4f(u10.x), w.lo, lo10_1));
        hi10_1 = fma(vec4f(v10.x), z.hi, fma(vec4f(u10.x), w.hi, hi10_1));
        lo11_1 = fma(vec4f(v11.x), z.lo, fma(vec4f(u11.x), w.lo, lo11_1));
        hi11_1 = fma(vec4f(v11.x), z.hi, fma(vec4f(u11.x), w.hi, hi11_1));
        lo12_1 = fma(vec4f(v12.x), z.lo, fma(vec4f(u12.x), w.lo, lo12_1));
        hi12_1 = fma(vec4f(v12.x), z.hi, fma(vec4f(u12.x), w.hi, hi12_1));
        lo13_1 = fma(vec4f(v13.x), z.lo, fma(vec4f(u13.x), w.lo, lo13_1));
        hi13_1 = fma(vec4f(v13.x), z.hi, fma(vec4f(u13.x), w.hi, hi13_1));
        lo14_1 = fma(vec4f(v14.x), z.lo, fma(vec4f(u14.x), w.lo, lo14_1));
        hi14_1 = fma(vec4f(v14.x), z.hi, fma(vec4f(u14.x), w.hi, hi14_1));
        lo15_1 = fma(vec4f(v15.x), z.lo, fma(vec4f(u15.x), w.lo, lo15_1));
        hi15_1 = fma(vec4f(v15.x), z.hi, fma(vec4f(u15.x), w.hi, hi15_1));
      }
      {
        let w = loadV(uAt + 2);
        let z = loadV(vAt + 2);
        lo0_2 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_2));
        hi0_2 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_2));
        lo1_2 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_2));
        hi1_2 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_2));
        lo2_2 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_2));
        hi2_2 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_2));
        lo3_2 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_2));
        hi3_2 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_2));
        lo4_2 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_2));
        hi4_2 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_2));
        lo5_2 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_2));
        hi5_2 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_2));
        lo6_2 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_2));
        hi6_2 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_2));
        lo7_2 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_2));
        hi7_2 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_2));
        lo8_2 = fma(vec4f(v8.x), z.lo, fma(vec4f(u8.x), w.lo, lo8_2));
        hi8_2 = fma(vec4f(v8.x), z.hi, fma(vec4f(u8.x), w.hi, hi8_2));
        lo9_2 = fma(vec4f(v9.x), z.lo, fma(vec4f(u9.x), w.lo, lo9_2));
        hi9_2 = fma(vec4f(v9.x), z.hi, fma(vec4f(u9.x), w.hi, hi9_2));
        lo10_2 = fma(vec4f(v10.x), z.lo, fma(vec4f(u10.x), w.lo, lo10_2));
        hi10_2 = fma(vec4f(v10.x), z.hi, fma(vec4f(u10.x), w.hi, hi10_2));
        lo11_2 = fma(vec4f(v11.x), z.lo, fma(vec4f(u11.x), w.lo, lo11_2));
        hi11_2 = fma(vec4f(v11.x), z.hi, fma(vec4f(u11.x), w.hi, hi11_2));
        lo12_2 = fma(vec4f(v12.x), z.lo, fma(vec4f(u12.x), w.lo, lo12_2));
        hi12_2 = fma(vec4f(v12.x), z.hi, fma(vec4f(u12.x), w.hi, hi12_2));
        lo13_2 = fma(vec4f(v13.x), z.lo, fma(vec4f(u13.x), w.lo, lo13_2));
        hi13_2 = fma(vec4f(v13.x), z.hi, fma(vec4f(u13.x), w.hi, hi13_2));
        lo14_2 = fma(vec4f(v14.x), z.lo, fma(vec4f(u14.x), w.lo, lo14_2));
        hi14_2 = fma(vec4f(v14.x), z.hi, fma(vec4f(u14.x), w.hi, hi14_2));
        lo15_2 = fma(vec4f(v15.x), z.lo, fma(vec4f(u15.x), w.lo, lo15_2));
        hi15_2 = fma(vec4f(v15.x), z.hi, fma(vec4f(u15.x), w.hi, hi15_2));
      }
      {
        let w = loadV(uAt + 3);
        let z = loadV(vAt + 3);
        lo0_3 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_3));
        hi0_3 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_3));
        lo1_3 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_3));
        hi1_3 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_3));
        lo2_3 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_3));
        hi2_3 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_3));
        lo3_3 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_3));
        hi3_3 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_3));
        lo4_3 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_3));
        hi4_3 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_3));
        lo5_3 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_3));
        hi5_3 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_3));
        lo6_3 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_3));
        hi6_3 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_3));
        lo7_3 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_3));
        hi7_3 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_3));
        lo8_3 = fma(vec4f(v8.x), z.lo, fma(vec4f(u8.x), w.lo, lo8_3));
        hi8_3 = fma(vec4f(v8.x), z.hi, fma(vec4f(u8.x), w.hi, hi8_3));
        lo9_3 = fma(vec4f(v9.x), z.lo, fma(vec4f(u9.x), w.lo, lo9_3));
        hi9_3 = fma(vec4f(v9.x), z.hi, fma(vec4f(u9.x), w.hi, hi9_3));
        lo10_3 = fma(vec4f(v10.x), z.lo, fma(vec4f(u10.x), w.lo, lo10_3));
        hi10_3 = fma(vec4f(v10.x), z.hi, fma(vec4f(u10.x), w.hi, hi10_3));
        lo11_3 = fma(vec4f(v11.x), z.lo, fma(vec4f(u11.x), w.lo, lo11_3));
        hi11_3 = fma(vec4f(v11.x), z.hi, fma(vec4f(u11.x), w.hi, hi11_3));
        lo12_3 = fma(vec4f(v12.x), z.lo, fma(vec4f(u12.x), w.lo, lo12_3));
        hi12_3 = fma(vec4f(v12.x), z.hi, fma(vec4f(u12.x), w.hi, hi12_3));
        lo13_3 = fma(vec4f(v13.x), z.lo, fma(vec4f(u13.x), w.lo, lo13_3));
        hi13_3 = fma(vec4f(v13.x), z.hi, fma(vec4f(u13.x), w.hi, hi13_3));
        lo14_3 = fma(vec4f(v14.x), z.lo, fma(vec4f(u14.x), w.lo, lo14_3));
        hi14_3 = fma(vec4f(v14.x), z.hi, fma(vec4f(u14.x), w.hi, hi14_3));
        lo15_3 = fma(vec4f(v15.x), z.lo, fma(vec4f(u15.x), w.lo, lo15_3));
        hi15_3 = fma(vec4f(v15.x), z.hi, fma(vec4f(u15.x), w.hi, hi15_3));
      }
      {
        let w = loadV(uAt + 4);
        let z = loadV(vAt + 4);
        lo0_4 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_4));
        hi0_4 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_4));
        lo1_4 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_4));
        hi1_4 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_4));
        lo2_4 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_4));
        hi2_4 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_4));
        lo3_4 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_4));
        hi3_4 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_4));
        lo4_4 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_4));
        hi4_4 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_4));
        lo5_4 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_4));
        hi5_4 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_4));
        lo6_4 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_4));
        hi6_4 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_4));
        lo7_4 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_4));
        hi7_4 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_4));
        lo8_4 = fma(vec4f(v8.x), z.lo, fma(vec4f(u8.x), w.lo, lo8_4));
        hi8_4 = fma(vec4f(v8.x), z.hi, fma(vec4f(u8.x), w.hi, hi8_4));
        lo9_4 = fma(vec4f(v9.x), z.lo, fma(vec4f(u9.x), w.lo, lo9_4));
        hi9_4 = fma(vec4f(v9.x), z.hi, fma(vec4f(u9.x), w.hi, hi9_4));
        lo10_4 = fma(vec4f(v10.x), z.lo, fma(vec4f(u10.x), w.lo, lo10_4));
        hi10_4 = fma(vec4f(v10.x), z.hi, fma(vec4f(u10.x), w.hi, hi10_4));
        lo11_4 = fma(vec4f(v11.x), z.lo, fma(vec4f(u11.x), w.lo, lo11_4));
        hi11_4 = fma(vec4f(v11.x), z.hi, fma(vec4f(u11.x), w.hi, hi11_4));
        lo12_4 = fma(vec4f(v12.x), z.lo, fma(vec4f(u12.x), w.lo, lo12_4));
        hi12_4 = fma(vec4f(v12.x), z.hi, fma(vec4f(u12.x), w.hi, hi12_4));
        lo13_4 = fma(vec4f(v13.x), z.lo, fma(vec4f(u13.x), w.lo, lo13_4));
        hi13_4 = fma(vec4f(v13.x), z.hi, fma(vec4f(u13.x), w.hi, hi13_4));
        lo14_4 = fma(vec4f(v14.x), z.lo, fma(vec4f(u14.x), w.lo, lo14_4));
        hi14_4 = fma(vec4f(v14.x), z.hi, fma(vec4f(u14.x), w.hi, hi14_4));
        lo15_4 = fma(vec4f(v15.x), z.lo, fma(vec4f(u15.x), w.lo, lo15_4));
        hi15_4 = fma(vec4f(v15.x), z.hi, fma(vec4f(u15.x), w.hi, hi15_4));
      }
      {
        let w = loadV(uAt + 5);
        let z = loadV(vAt + 5);
        lo0_5 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_5));
        hi0_5 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_5));
        lo1_5 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_5));
        hi1_5 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_5));
        lo2_5 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_5));
        hi2_5 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_5));
        lo3_5 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_5));
        hi3_5 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_5));
        lo4_5 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_5));
        hi4_5 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_5));
        lo5_5 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_5));
        hi5_5 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_5));
        lo6_5 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_5));
        hi6_5 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_5));
        lo7_5 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_5));
        hi7_5 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_5));
        lo8_5 = fma(vec4f(v8.x), z.lo, fma(vec4f(u8.x), w.lo, lo8_5));
        hi8_5 = fma(vec4f(v8.x), z.hi, fma(vec4f(u8.x), w.hi, hi8_5));
        lo9_5 = fma(vec4f(v9.x), z.lo, fma(vec4f(u9.x), w.lo, lo9_5));
        hi9_5 = fma(vec4f(v9.x), z.hi, fma(vec4f(u9.x), w.hi, hi9_5));
        lo10_5 = fma(vec4f(v10.x), z.lo, fma(vec4f(u10.x), w.lo, lo10_5));
        hi10_5 = fma(vec4f(v10.x), z.hi, fma(vec4f(u10.x), w.hi, hi10_5));
        lo11_5 = fma(vec4f(v11.x), z.lo, fma(vec4f(u11.x), w.lo, lo11_5));
        hi11_5 = fma(vec4f(v11.x), z.hi, fma(vec4f(u11.x), w.hi, hi11_5));
        lo12_5 = fma(vec4f(v12.x), z.lo, fma(vec4f(u12.x), w.lo, lo12_5));
        hi12_5 = fma(vec4f(v12.x), z.hi, fma(vec4f(u12.x), w.hi, hi12_5));
        lo13_5 = fma(vec4f(v13.x), z.lo, fma(vec4f(u13.x), w.lo, lo13_5));
        hi13_5 = fma(vec4f(v13.x), z.hi, fma(vec4f(u13.x), w.hi, hi13_5));
        lo14_5 = fma(vec4f(v14.x), z.lo, fma(vec4f(u14.x), w.lo, lo14_5));
        hi14_5 = fma(vec4f(v14.x), z.hi, fma(vec4f(u14.x), w.hi, hi14_5));
        lo15_5 = fma(vec4f(v15.x), z.lo, fma(vec4f(u15.x), w.lo, lo15_5));
        hi15_5 = fma(vec4f(v15.x), z.hi, fma(vec4f(u15.x), w.hi, hi15_5));
      }
      {
        let w = loadV(uAt + 6);
        let z = loadV(vAt + 6);
        lo0_6 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_6));
        hi0_6 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_6));
        lo1_6 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_6));
        hi1_6 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_6));
        lo2_6 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_6));
        hi2_6 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_6));
        lo3_6 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_6));
        hi3_6 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_6));
        lo4_6 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_6));
        hi4_6 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_6));
        lo5_6 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_6));
        hi5_6 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_6));
        lo6_6 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_6));
        hi6_6 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_6));
        lo7_6 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_6));
        hi7_6 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_6));
        lo8_6 = fma(vec4f(v8.x), z.lo, fma(vec4f(u8.x), w.lo, lo8_6));
        hi8_6 = fma(vec4f(v8.x), z.hi, fma(vec4f(u8.x), w.hi, hi8_6));
        lo9_6 = fma(vec4f(v9.x), z.lo, fma(vec4f(u9.x), w.lo, lo9_6));
        hi9_6 = fma(vec4f(v9.x), z.hi, fma(vec4f(u9.x), w.hi, hi9_6));
        lo10_6 = fma(vec4f(v10.x), z.lo, fma(vec4f(u10.x), w.lo, lo10_6));
        hi10_6 = fma(vec4f(v10.x), z.hi, fma(vec4f(u10.x), w.hi, hi10_6));
        lo11_6 = fma(vec4f(v11.x), z.lo, fma(vec4f(u11.x), w.lo, lo11_6));
        hi11_6 = fma(vec4f(v11.x), z.hi, fma(vec4f(u11.x), w.hi, hi11_6));
        lo12_6 = fma(vec4f(v12.x), z.lo, fma(vec4f(u12.x), w.lo, lo12_6));
        hi12_6 = fma(vec4f(v12.x), z.hi, fma(vec4f(u12.x), w.hi, hi12_6));
        lo13_6 = fma(vec4f(v13.x), z.lo, fma(vec4f(u13.x), w.lo, lo13_6));
        hi13_6 = fma(vec4f(v13.x), z.hi, fma(vec4f(u13.x), w.hi, hi13_6));
        lo14_6 = fma(vec4f(v14.x), z.lo, fma(vec4f(u14.x), w.lo, lo14_6));
        hi14_6 = fma(vec4f(v14.x), z.hi, fma(vec4f(u14.x), w.hi, hi14_6));
        lo15_6 = fma(vec4f(v15.x), z.lo, fma(vec4f(u15.x), w.lo, lo15_6));
        hi15_6 = fma(vec4f(v15.x), z.hi, fma(vec4f(u15.x), w.hi, hi15_6));
      }
      {
        let w = loadV(uAt + 7);
        let z = loadV(vAt + 7);
        lo0_7 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_7));
        hi0_7 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_7));
        lo1_7 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_7));
        hi1_7 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_7));
        lo2_7 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_7));
        hi2_7 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_7));
        lo3_7 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_7));
        hi3_7 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_7));
        lo4_7 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_7));
        hi4_7 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_7));
        lo5_7 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_7));
        hi5_7 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_7));
        lo6_7 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_7));
        hi6_7 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_7));
        lo7_7 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_7));
        hi7_7 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_7));
        lo8_7 = fma(vec4f(v8.x), z.lo, fma(vec4f(u8.x), w.lo, lo8_7));
        hi8_7 = fma(vec4f(v8.x), z.hi, fma(vec4f(u8.x), w.hi, hi8_7));
        lo9_7 = fma(vec4f(v9.x), z.lo, fma(vec4f(u9.x), w.lo, lo9_7));
        hi9_7 = fma(vec4f(v9.x), z.hi, fma(vec4f(u9.x), w.hi, hi9_7));
        lo10_7 = fma(vec4f(v10.x), z.lo, fma(vec4f(u10.x), w.lo, lo10_7));
        hi10_7 = fma(vec4f(v10.x), z.hi, fma(vec4f(u10.x), w.hi, hi10_7));
        lo11_7 = fma(vec4f(v11.x), z.lo, fma(vec4f(u11.x), w.lo, lo11_7));
        hi11_7 = fma(vec4f(v11.x), z.hi, fma(vec4f(u11.x), w.hi, hi11_7));
        lo12_7 = fma(vec4f(v12.x), z.lo, fma(vec4f(u12.x), w.lo, lo12_7));
        hi12_7 = fma(vec4f(v12.x), z.hi, fma(vec4f(u12.x), w.hi, hi12_7));
        lo13_7 = fma(vec4f(v13.x), z.lo, fma(vec4f(u13.x), w.lo, lo13_7));
        hi13_7 = fma(vec4f(v13.x), z.hi, fma(vec4f(u13.x), w.hi, hi13_7));
        lo14_7 = fma(vec4f(v14.x), z.lo, fma(vec4f(u14.x), w.lo, lo14_7));
        hi14_7 = fma(vec4f(v14.x), z.hi, fma(vec4f(u14.x), w.hi, hi14_7));
        lo15_7 = fma(vec4f(v15.x), z.lo, fma(vec4f(u15.x), w.lo, lo15_7));
        hi15_7 = fma(vec4f(v15.x), z.hi, fma(vec4f(u15.x), w.hi, hi15_7));
      }
      u0 = u0.yzwx;
      v0 = v0.yzwx;
      u1 = u1.yzwx;
      v1 = v1.yzwx;
      u2 = u2.yzwx;
      v2 = v2.yzwx;
      u3 = u3.yzwx;
      v3 = v3.yzwx;
      u4 = u4.yzwx;
      v4 = v4.yzwx;
      u5 = u5.yzwx;
      v5 = v5.yzwx;
      u6 = u6.yzwx;
      v6 = v6.yzwx;
      u7 = u7.yzwx;
      v7 = v7.yzwx;
      u8 = u8.yzwx;
      v8 = v8.yzwx;
      u9 = u9.yzwx;
      v9 = v9.yzwx;
      u10 = u10.yzwx;
      v10 = v10.yzwx;
      u11 = u11.yzwx;
      v11 = v11.yzwx;
      u12 = u12.yzwx;
      v12 = v12.yzwx;
      u13 = u13.yzwx;
      v13 = v13.yzwx;
      u14 = u14.yzwx;
      v14 = v14.yzwx;
      u15 = u15.yzwx;
      v15 = v15.yzwx;
    }
  }

  if (n0 + 0 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo0_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi0_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo0_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi0_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo0_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi0_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo0_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi0_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo0_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi0_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo0_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi0_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo0_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi0_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo0_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi0_7 * share);
    }
  }
  if (n0 + 1 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo1_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi1_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo1_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi1_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo1_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi1_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo1_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi1_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo1_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi1_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo1_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi1_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo1_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi1_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo1_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi1_7 * share);
    }
  }
  if (n0 + 2 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo2_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi2_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo2_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi2_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo2_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi2_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo2_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi2_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo2_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi2_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo2_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi2_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo2_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi2_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo2_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi2_7 * share);
    }
  }
  if (n0 + 3 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo3_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi3_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo3_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi3_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo3_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi3_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo3_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi3_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo3_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi3_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo3_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi3_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo3_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi3_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo3_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi3_7 * share);
    }
  }
  if (n0 + 4 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 4) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum4, sum4 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo4_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi4_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo4_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi4_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo4_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi4_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo4_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi4_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo4_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi4_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo4_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi4_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo4_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi4_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo4_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi4_7 * share);
    }
  }
  if (n0 + 5 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 5) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum5, sum5 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo5_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi5_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo5_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi5_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo5_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi5_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo5_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi5_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo5_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi5_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo5_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi5_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo5_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi5_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo5_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi5_7 * share);
    }
  }
  if (n0 + 6 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 6) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum6, sum6 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo6_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi6_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo6_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi6_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo6_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi6_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo6_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi6_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo6_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi6_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo6_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi6_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo6_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi6_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo6_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi6_7 * share);
    }
  }
  if (n0 + 7 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 7) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum7, sum7 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo7_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi7_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo7_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi7_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo7_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi7_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo7_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi7_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo7_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi7_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo7_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi7_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo7_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi7_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo7_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi7_7 * share);
    }
  }
  if (n0 + 8 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 8) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum8, sum8 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo8_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi8_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo8_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi8_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo8_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi8_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo8_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi8_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo8_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi8_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo8_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi8_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo8_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi8_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo8_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi8_7 * share);
    }
  }
  if (n0 + 9 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 9) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum9, sum9 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo9_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi9_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo9_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi9_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo9_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi9_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo9_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi9_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo9_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi9_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo9_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi9_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo9_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi9_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo9_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi9_7 * share);
    }
  }
  if (n0 + 10 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 10) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum10, sum10 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo10_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi10_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo10_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi10_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo10_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi10_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo10_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi10_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo10_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi10_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo10_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi10_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo10_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi10_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo10_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi10_7 * share);
    }
  }
  if (n0 + 11 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 11) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum11, sum11 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo11_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi11_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo11_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi11_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo11_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi11_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo11_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi11_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo11_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi11_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo11_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi11_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo11_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi11_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo11_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi11_7 * share);
    }
  }
  if (n0 + 12 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 12) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum12, sum12 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo12_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi12_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo12_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi12_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo12_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi12_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo12_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi12_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo12_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi12_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo12_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi12_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo12_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi12_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo12_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi12_7 * share);
    }
  }
  if (n0 + 13 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 13) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum13, sum13 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo13_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi13_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo13_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi13_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo13_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi13_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo13_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi13_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo13_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi13_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo13_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi13_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo13_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi13_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo13_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi13_7 * share);
    }
  }
  if (n0 + 14 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 14) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum14, sum14 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo14_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi14_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo14_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi14_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo14_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi14_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo14_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi14_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo14_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi14_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo14_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi14_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo14_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi14_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo14_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi14_7 * share);
    }
  }
  if (n0 + 15 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 15) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum15, sum15 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo15_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi15_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo15_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi15_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo15_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi15_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo15_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi15_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo15_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi15_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo15_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi15_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo15_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi15_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo15_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi15_7 * share);
    }
  }
}
`,
  "attention_texels@RQ=8,OD=80": `const RQ: u32 = 8u;
const OD: u32 = 80u;
// attention_texels.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, everything in registers.
//
// Operands and strides as in attention_tiled.wgsl, read from textures of 2048 texels a row as one long list.
// An invocation makes RQ queries of one head and OD of its columns: no workgroup memory and no barriers, which
// suits adapters that run on a CPU; lanes read the same keys and values at the same time. x: queries, y: heads
// of samples, z: columns (the scores are then made once more for each OD of them). All sums are f32.


const NOTHING: f32 = -3e38;  // a key that does not count, below every score
const LOWEST: f32 = -2.95e38;  // between the two, so that exp2(NOTHING − maximum) is 0 also where no key counts
const LOG2E: f32 = 1.4426950409;

override WX: u32 = 8u;
override Q_TYPE: u32 = 0u;   // 0 f32, 1 f16
override KV_TYPE: u32 = 0u;
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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      Q: texture_2d<u32>;
@group(0) @binding(2) var                      K: texture_2d<u32>;
@group(0) @binding(3) var                      V: texture_2d<u32>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<vec4<oElem>>;

struct Eight { lo: vec4f, hi: vec4f }

fn place(at: u32) -> vec2u { return vec2u(at & 2047u, at >> 11u); }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn wide(lo: vec4u, hi: vec4u) -> Eight { return Eight(bitcast<vec4f>(lo), bitcast<vec4f>(hi)); }

fn loadQ(at: u32) -> Eight {
  if (Q_TYPE == 0u) { return wide(textureLoad(Q, place(at * 2u), 0), textureLoad(Q, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(Q, place(at), 0));
}

fn loadK(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(K, place(at * 2u), 0), textureLoad(K, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(K, place(at), 0));
}

fn loadV(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(V, place(at * 2u), 0), textureLoad(V, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(V, place(at), 0));
}

/// A score with everything that changes it, in units of log₂; NOTHING where the key does not count.
fn score(dot: f32, b: u32, row: u32, key: u32, biasRow: u32) -> f32 {
  // Without branches, which cost a CPU's vectors more than what they would save.
  let k = min(key, s.Lk - 1u);
  var v = dot * (s.scale * LOG2E);
  if (BIAS == 1u) { v = max(dot * s.scale + bias[biasRow + k], -2e38) * LOG2E; }
  var counts = key < s.Lk;
  if (CAUSAL == 1u) { counts = counts && key <= row; }
  if (MASK == 1u) { counts = counts && keep[b * s.Lk + k] != 0.0; }
  return select(NOTHING, v, counts);
}

@compute @workgroup_size(WX)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n0 = s.q0 + id.x * RQ;
  if (n0 >= s.qEnd) { return; }
  let b = s.b0 + id.y / s.headsHere;
  let h = s.h0 + id.y % s.headsHere;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = (s.vFirst + b * s.vSample + h * s.vHead + id.z * OD) / 8u;
  let D8 = s.D / 8u;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let qAt0 = (s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow) / 8u;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = LOWEST;
  var sum0 = 0.0;
  var lo0_0 = vec4f();
  var hi0_0 = vec4f();
  var lo0_1 = vec4f();
  var hi0_1 = vec4f();
  var lo0_2 = vec4f();
  var hi0_2 = vec4f();
  var lo0_3 = vec4f();
  var hi0_3 = vec4f();
  var lo0_4 = vec4f();
  var hi0_4 = vec4f();
  var lo0_5 = vec4f();
  var hi0_5 = vec4f();
  var lo0_6 = vec4f();
  var hi0_6 = vec4f();
  var lo0_7 = vec4f();
  var hi0_7 = vec4f();
  var lo0_8 = vec4f();
  var hi0_8 = vec4f();
  var lo0_9 = vec4f();
  var hi0_9 = vec4f();
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let qAt1 = (s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow) / 8u;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = LOWEST;
  var sum1 = 0.0;
  var lo1_0 = vec4f();
  var hi1_0 = vec4f();
  var lo1_1 = vec4f();
  var hi1_1 = vec4f();
  var lo1_2 = vec4f();
  var hi1_2 = vec4f();
  var lo1_3 = vec4f();
  var hi1_3 = vec4f();
  var lo1_4 = vec4f();
  var hi1_4 = vec4f();
  var lo1_5 = vec4f();
  var hi1_5 = vec4f();
  var lo1_6 = vec4f();
  var hi1_6 = vec4f();
  var lo1_7 = vec4f();
  var hi1_7 = vec4f();
  var lo1_8 = vec4f();
  var hi1_8 = vec4f();
  var lo1_9 = vec4f();
  var hi1_9 = vec4f();
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let qAt2 = (s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow) / 8u;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = LOWEST;
  var sum2 = 0.0;
  var lo2_0 = vec4f();
  var hi2_0 = vec4f();
  var lo2_1 = vec4f();
  var hi2_1 = vec4f();
  var lo2_2 = vec4f();
  var hi2_2 = vec4f();
  var lo2_3 = vec4f();
  var hi2_3 = vec4f();
  var lo2_4 = vec4f();
  var hi2_4 = vec4f();
  var lo2_5 = vec4f();
  var hi2_5 = vec4f();
  var lo2_6 = vec4f();
  var hi2_6 = vec4f();
  var lo2_7 = vec4f();
  var hi2_7 = vec4f();
  var lo2_8 = vec4f();
  var hi2_8 = vec4f();
  var lo2_9 = vec4f();
  var hi2_9 = vec4f();
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let qAt3 = (s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow) / 8u;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = LOWEST;
  var sum3 = 0.0;
  var lo3_0 = vec4f();
  var hi3_0 = vec4f();
  var lo3_1 = vec4f();
  var hi3_1 = vec4f();
  var lo3_2 = vec4f();
  var hi3_2 = vec4f();
  var lo3_3 = vec4f();
  var hi3_3 = vec4f();
  var lo3_4 = vec4f();
  var hi3_4 = vec4f();
  var lo3_5 = vec4f();
  var hi3_5 = vec4f();
  var lo3_6 = vec4f();
  var hi3_6 = vec4f();
  var lo3_7 = vec4f();
  var hi3_7 = vec4f();
  var lo3_8 = vec4f();
  var hi3_8 = vec4f();
  var lo3_9 = vec4f();
  var hi3_9 = vec4f();
  let row4 = min(n0 + 4, s.qEnd - 1u);
  let qAt4 = (s.qFirst + b * s.qSample + h * s.qHead + row4 * s.qRow) / 8u;
  let bias4 = s.biasFirst + b * s.biasSample + h * s.biasHead + row4 * s.Lk;
  var max4 = LOWEST;
  var sum4 = 0.0;
  var lo4_0 = vec4f();
  var hi4_0 = vec4f();
  var lo4_1 = vec4f();
  var hi4_1 = vec4f();
  var lo4_2 = vec4f();
  var hi4_2 = vec4f();
  var lo4_3 = vec4f();
  var hi4_3 = vec4f();
  var lo4_4 = vec4f();
  var hi4_4 = vec4f();
  var lo4_5 = vec4f();
  var hi4_5 = vec4f();
  var lo4_6 = vec4f();
  var hi4_6 = vec4f();
  var lo4_7 = vec4f();
  var hi4_7 = vec4f();
  var lo4_8 = vec4f();
  var hi4_8 = vec4f();
  var lo4_9 = vec4f();
  var hi4_9 = vec4f();
  let row5 = min(n0 + 5, s.qEnd - 1u);
  let qAt5 = (s.qFirst + b * s.qSample + h * s.qHead + row5 * s.qRow) / 8u;
  let bias5 = s.biasFirst + b * s.biasSample + h * s.biasHead + row5 * s.Lk;
  var max5 = LOWEST;
  var sum5 = 0.0;
  var lo5_0 = vec4f();
  var hi5_0 = vec4f();
  var lo5_1 = vec4f();
  var hi5_1 = vec4f();
  var lo5_2 = vec4f();
  var hi5_2 = vec4f();
  var lo5_3 = vec4f();
  var hi5_3 = vec4f();
  var lo5_4 = vec4f();
  var hi5_4 = vec4f();
  var lo5_5 = vec4f();
  var hi5_5 = vec4f();
  var lo5_6 = vec4f();
  var hi5_6 = vec4f();
  var lo5_7 = vec4f();
  var hi5_7 = vec4f();
  var lo5_8 = vec4f();
  var hi5_8 = vec4f();
  var lo5_9 = vec4f();
  var hi5_9 = vec4f();
  let row6 = min(n0 + 6, s.qEnd - 1u);
  let qAt6 = (s.qFirst + b * s.qSample + h * s.qHead + row6 * s.qRow) / 8u;
  let bias6 = s.biasFirst + b * s.biasSample + h * s.biasHead + row6 * s.Lk;
  var max6 = LOWEST;
  var sum6 = 0.0;
  var lo6_0 = vec4f();
  var hi6_0 = vec4f();
  var lo6_1 = vec4f();
  var hi6_1 = vec4f();
  var lo6_2 = vec4f();
  var hi6_2 = vec4f();
  var lo6_3 = vec4f();
  var hi6_3 = vec4f();
  var lo6_4 = vec4f();
  var hi6_4 = vec4f();
  var lo6_5 = vec4f();
  var hi6_5 = vec4f();
  var lo6_6 = vec4f();
  var hi6_6 = vec4f();
  var lo6_7 = vec4f();
  var hi6_7 = vec4f();
  var lo6_8 = vec4f();
  var hi6_8 = vec4f();
  var lo6_9 = vec4f();
  var hi6_9 = vec4f();
  let row7 = min(n0 + 7, s.qEnd - 1u);
  let qAt7 = (s.qFirst + b * s.qSample + h * s.qHead + row7 * s.qRow) / 8u;
  let bias7 = s.biasFirst + b * s.biasSample + h * s.biasHead + row7 * s.Lk;
  var max7 = LOWEST;
  var sum7 = 0.0;
  var lo7_0 = vec4f();
  var hi7_0 = vec4f();
  var lo7_1 = vec4f();
  var hi7_1 = vec4f();
  var lo7_2 = vec4f();
  var hi7_2 = vec4f();
  var lo7_3 = vec4f();
  var hi7_3 = vec4f();
  var lo7_4 = vec4f();
  var hi7_4 = vec4f();
  var lo7_5 = vec4f();
  var hi7_5 = vec4f();
  var lo7_6 = vec4f();
  var hi7_6 = vec4f();
  var lo7_7 = vec4f();
  var hi7_7 = vec4f();
  var lo7_8 = vec4f();
  var hi7_8 = vec4f();
  var lo7_9 = vec4f();
  var hi7_9 = vec4f();

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, n0 + RQ); }
  for (var k0 = 0u; k0 < keys; k0 += 8u) {
    var u0 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v0 = vec4f();
    var u1 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v1 = vec4f();
    var u2 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v2 = vec4f();
    var u3 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v3 = vec4f();
    var u4 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v4 = vec4f();
    var u5 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v5 = vec4f();
    var u6 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v6 = vec4f();
    var u7 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v7 = vec4f();
    let uAt0 = (kHead + min(k0 + 0, s.Lk - 1u) * s.kRow) / 8u;
    let vAt0 = (kHead + min(k0 + 4u + 0, s.Lk - 1u) * s.kRow) / 8u;
    let uAt1 = (kHead + min(k0 + 1, s.Lk - 1u) * s.kRow) / 8u;
    let vAt1 = (kHead + min(k0 + 4u + 1, s.Lk - 1u) * s.kRow) / 8u;
    let uAt2 = (kHead + min(k0 + 2, s.Lk - 1u) * s.kRow) / 8u;
    let vAt2 = (kHead + min(k0 + 4u + 2, s.Lk - 1u) * s.kRow) / 8u;
    let uAt3 = (kHead + min(k0 + 3, s.Lk - 1u) * s.kRow) / 8u;
    let vAt3 = (kHead + min(k0 + 4u + 3, s.Lk - 1u) * s.kRow) / 8u;
    for (var c = 0u; c < D8; c++) {
      let a0 = loadQ(qAt0 + c);
      let a1 = loadQ(qAt1 + c);
      let a2 = loadQ(qAt2 + c);
      let a3 = loadQ(qAt3 + c);
      let a4 = loadQ(qAt4 + c);
      let a5 = loadQ(qAt5 + c);
      let a6 = loadQ(qAt6 + c);
      let a7 = loadQ(qAt7 + c);
      let b0 = loadK(uAt0 + c);
      let c0 = loadK(vAt0 + c);
      u0[0] += dot(a0.lo, b0.lo) + dot(a0.hi, b0.hi);
      v0[0] += dot(a0.lo, c0.lo) + dot(a0.hi, c0.hi);
      u1[0] += dot(a1.lo, b0.lo) + dot(a1.hi, b0.hi);
      v1[0] += dot(a1.lo, c0.lo) + dot(a1.hi, c0.hi);
      u2[0] += dot(a2.lo, b0.lo) + dot(a2.hi, b0.hi);
      v2[0] += dot(a2.lo, c0.lo) + dot(a2.hi, c0.hi);
      u3[0] += dot(a3.lo, b0.lo) + dot(a3.hi, b0.hi);
      v3[0] += dot(a3.lo, c0.lo) + dot(a3.hi, c0.hi);
      u4[0] += dot(a4.lo, b0.lo) + dot(a4.hi, b0.hi);
      v4[0] += dot(a4.lo, c0.lo) + dot(a4.hi, c0.hi);
      u5[0] += dot(a5.lo, b0.lo) + dot(a5.hi, b0.hi);
      v5[0] += dot(a5.lo, c0.lo) + dot(a5.hi, c0.hi);
      u6[0] += dot(a6.lo, b0.lo) + dot(a6.hi, b0.hi);
      v6[0] += dot(a6.lo, c0.lo) + dot(a6.hi, c0.hi);
      u7[0] += dot(a7.lo, b0.lo) + dot(a7.hi, b0.hi);
      v7[0] += dot(a7.lo, c0.lo) + dot(a7.hi, c0.hi);
      let b1 = loadK(uAt1 + c);
      let c1 = loadK(vAt1 + c);
      u0[1] += dot(a0.lo, b1.lo) + dot(a0.hi, b1.hi);
      v0[1] += dot(a0.lo, c1.lo) + dot(a0.hi, c1.hi);
      u1[1] += dot(a1.lo, b1.lo) + dot(a1.hi, b1.hi);
      v1[1] += dot(a1.lo, c1.lo) + dot(a1.hi, c1.hi);
      u2[1] += dot(a2.lo, b1.lo) + dot(a2.hi, b1.hi);
      v2[1] += dot(a2.lo, c1.lo) + dot(a2.hi, c1.hi);
      u3[1] += dot(a3.lo, b1.lo) + dot(a3.hi, b1.hi);
      v3[1] += dot(a3.lo, c1.lo) + dot(a3.hi, c1.hi);
      u4[1] += dot(a4.lo, b1.lo) + dot(a4.hi, b1.hi);
      v4[1] += dot(a4.lo, c1.lo) + dot(a4.hi, c1.hi);
      u5[1] += dot(a5.lo, b1.lo) + dot(a5.hi, b1.hi);
      v5[1] += dot(a5.lo, c1.lo) + dot(a5.hi, c1.hi);
      u6[1] += dot(a6.lo, b1.lo) + dot(a6.hi, b1.hi);
      v6[1] += dot(a6.lo, c1.lo) + dot(a6.hi, c1.hi);
      u7[1] += dot(a7.lo, b1.lo) + dot(a7.hi, b1.hi);
      v7[1] += dot(a7.lo, c1.lo) + dot(a7.hi, c1.hi);
      let b2 = loadK(uAt2 + c);
      let c2 = loadK(vAt2 + c);
      u0[2] += dot(a0.lo, b2.lo) + dot(a0.hi, b2.hi);
      v0[2] += dot(a0.lo, c2.lo) + dot(a0.hi, c2.hi);
      u1[2] += dot(a1.lo, b2.lo) + dot(a1.hi, b2.hi);
      v1[2] += dot(a1.lo, c2.lo) + dot(a1.hi, c2.hi);
      u2[2] += dot(a2.lo, b2.lo) + dot(a2.hi, b2.hi);
      v2[2] += dot(a2.lo, c2.lo) + dot(a2.hi, c2.hi);
      u3[2] += dot(a3.lo, b2.lo) + dot(a3.hi, b2.hi);
      v3[2] += dot(a3.lo, c2.lo) + dot(a3.hi, c2.hi);
      u4[2] += dot(a4.lo, b2.lo) + dot(a4.hi, b2.hi);
      v4[2] += dot(a4.lo, c2.lo) + dot(a4.hi, c2.hi);
      u5[2] += dot(a5.lo, b2.lo) + dot(a5.hi, b2.hi);
      v5[2] += dot(a5.lo, c2.lo) + dot(a5.hi, c2.hi);
      u6[2] += dot(a6.lo, b2.lo) + dot(a6.hi, b2.hi);
      v6[2] += dot(a6.lo, c2.lo) + dot(a6.hi, c2.hi);
      u7[2] += dot(a7.lo, b2.lo) + dot(a7.hi, b2.hi);
      v7[2] += dot(a7.lo, c2.lo) + dot(a7.hi, c2.hi);
      let b3 = loadK(uAt3 + c);
      let c3 = loadK(vAt3 + c);
      u0[3] += dot(a0.lo, b3.lo) + dot(a0.hi, b3.hi);
      v0[3] += dot(a0.lo, c3.lo) + dot(a0.hi, c3.hi);
      u1[3] += dot(a1.lo, b3.lo) + dot(a1.hi, b3.hi);
      v1[3] += dot(a1.lo, c3.lo) + dot(a1.hi, c3.hi);
      u2[3] += dot(a2.lo, b3.lo) + dot(a2.hi, b3.hi);
      v2[3] += dot(a2.lo, c3.lo) + dot(a2.hi, c3.hi);
      u3[3] += dot(a3.lo, b3.lo) + dot(a3.hi, b3.hi);
      v3[3] += dot(a3.lo, c3.lo) + dot(a3.hi, c3.hi);
      u4[3] += dot(a4.lo, b3.lo) + dot(a4.hi, b3.hi);
      v4[3] += dot(a4.lo, c3.lo) + dot(a4.hi, c3.hi);
      u5[3] += dot(a5.lo, b3.lo) + dot(a5.hi, b3.hi);
      v5[3] += dot(a5.lo, c3.lo) + dot(a5.hi, c3.hi);
      u6[3] += dot(a6.lo, b3.lo) + dot(a6.hi, b3.hi);
      v6[3] += dot(a6.lo, c3.lo) + dot(a6.hi, c3.hi);
      u7[3] += dot(a7.lo, b3.lo) + dot(a7.hi, b3.hi);
      v7[3] += dot(a7.lo, c3.lo) + dot(a7.hi, c3.hi);
    }
    u0[0] = score(u0[0], b, row0, k0 + 0, bias0);
    v0[0] = score(v0[0], b, row0, k0 + 4u + 0, bias0);
    u0[1] = score(u0[1], b, row0, k0 + 1, bias0);
    v0[1] = score(v0[1], b, row0, k0 + 4u + 1, bias0);
    u0[2] = score(u0[2], b, row0, k0 + 2, bias0);
    v0[2] = score(v0[2], b, row0, k0 + 4u + 2, bias0);
    u0[3] = score(u0[3], b, row0, k0 + 3, bias0);
    v0[3] = score(v0[3], b, row0, k0 + 4u + 3, bias0);
    let t0 = max(u0, v0);
    let top0 = max(max0, max(max(t0.x, t0.y), max(t0.z, t0.w)));
    let fade0 = exp2(max0 - top0);
    max0 = top0;
    u0 = exp2(u0 - top0);
    v0 = exp2(v0 - top0);
    let z0 = u0 + v0;
    sum0 = sum0 * fade0 + z0.x + z0.y + z0.z + z0.w;
    lo0_0 *= fade0;
    hi0_0 *= fade0;
    lo0_1 *= fade0;
    hi0_1 *= fade0;
    lo0_2 *= fade0;
    hi0_2 *= fade0;
    lo0_3 *= fade0;
    hi0_3 *= fade0;
    lo0_4 *= fade0;
    hi0_4 *= fade0;
    lo0_5 *= fade0;
    hi0_5 *= fade0;
    lo0_6 *= fade0;
    hi0_6 *= fade0;
    lo0_7 *= fade0;
    hi0_7 *= fade0;
    lo0_8 *= fade0;
    hi0_8 *= fade0;
    lo0_9 *= fade0;
    hi0_9 *= fade0;
    u1[0] = score(u1[0], b, row1, k0 + 0, bias1);
    v1[0] = score(v1[0], b, row1, k0 + 4u + 0, bias1);
    u1[1] = score(u1[1], b, row1, k0 + 1, bias1);
    v1[1] = score(v1[1], b, row1, k0 + 4u + 1, bias1);
    u1[2] = score(u1[2], b, row1, k0 + 2, bias1);
    v1[2] = score(v1[2], b, row1, k0 + 4u + 2, bias1);
    u1[3] = score(u1[3], b, row1, k0 + 3, bias1);
    v1[3] = score(v1[3], b, row1, k0 + 4u + 3, bias1);
    let t1 = max(u1, v1);
    let top1 = max(max1, max(max(t1.x, t1.y), max(t1.z, t1.w)));
    let fade1 = exp2(max1 - top1);
    max1 = top1;
    u1 = exp2(u1 - top1);
    v1 = exp2(v1 - top1);
    let z1 = u1 + v1;
    sum1 = sum1 * fade1 + z1.x + z1.y + z1.z + z1.w;
    lo1_0 *= fade1;
    hi1_0 *= fade1;
    lo1_1 *= fade1;
    hi1_1 *= fade1;
    lo1_2 *= fade1;
    hi1_2 *= fade1;
    lo1_3 *= fade1;
    hi1_3 *= fade1;
    lo1_4 *= fade1;
    hi1_4 *= fade1;
    lo1_5 *= fade1;
    hi1_5 *= fade1;
    lo1_6 *= fade1;
    hi1_6 *= fade1;
    lo1_7 *= fade1;
    hi1_7 *= fade1;
    lo1_8 *= fade1;
    hi1_8 *= fade1;
    lo1_9 *= fade1;
    hi1_9 *= fade1;
    u2[0] = score(u2[0], b, row2, k0 + 0, bias2);
    v2[0] = score(v2[0], b, row2, k0 + 4u + 0, bias2);
    u2[1] = score(u2[1], b, row2, k0 + 1, bias2);
    v2[1] = score(v2[1], b, row2, k0 + 4u + 1, bias2);
    u2[2] = score(u2[2], b, row2, k0 + 2, bias2);
    v2[2] = score(v2[2], b, row2, k0 + 4u + 2, bias2);
    u2[3] = score(u2[3], b, row2, k0 + 3, bias2);
    v2[3] = score(v2[3], b, row2, k0 + 4u + 3, bias2);
    let t2 = max(u2, v2);
    let top2 = max(max2, max(max(t2.x, t2.y), max(t2.z, t2.w)));
    let fade2 = exp2(max2 - top2);
    max2 = top2;
    u2 = exp2(u2 - top2);
    v2 = exp2(v2 - top2);
    let z2 = u2 + v2;
    sum2 = sum2 * fade2 + z2.x + z2.y + z2.z + z2.w;
    lo2_0 *= fade2;
    hi2_0 *= fade2;
    lo2_1 *= fade2;
    hi2_1 *= fade2;
    lo2_2 *= fade2;
    hi2_2 *= fade2;
    lo2_3 *= fade2;
    hi2_3 *= fade2;
    lo2_4 *= fade2;
    hi2_4 *= fade2;
    lo2_5 *= fade2;
    hi2_5 *= fade2;
    lo2_6 *= fade2;
    hi2_6 *= fade2;
    lo2_7 *= fade2;
    hi2_7 *= fade2;
    lo2_8 *= fade2;
    hi2_8 *= fade2;
    lo2_9 *= fade2;
    hi2_9 *= fade2;
    u3[0] = score(u3[0], b, row3, k0 + 0, bias3);
    v3[0] = score(v3[0], b, row3, k0 + 4u + 0, bias3);
    u3[1] = score(u3[1], b, row3, k0 + 1, bias3);
    v3[1] = score(v3[1], b, row3, k0 + 4u + 1, bias3);
    u3[2] = score(u3[2], b, row3, k0 + 2, bias3);
    v3[2] = score(v3[2], b, row3, k0 + 4u + 2, bias3);
    u3[3] = score(u3[3], b, row3, k0 + 3, bias3);
    v3[3] = score(v3[3], b, row3, k0 + 4u + 3, bias3);
    let t3 = max(u3, v3);
    let top3 = max(max3, max(max(t3.x, t3.y), max(t3.z, t3.w)));
    let fade3 = exp2(max3 - top3);
    max3 = top3;
    u3 = exp2(u3 - top3);
    v3 = exp2(v3 - top3);
    let z3 = u3 + v3;
    sum3 = sum3 * fade3 + z3.x + z3.y + z3.z + z3.w;
    lo3_0 *= fade3;
    hi3_0 *= fade3;
    lo3_1 *= fade3;
    hi3_1 *= fade3;
    lo3_2 *= fade3;
    hi3_2 *= fade3;
    lo3_3 *= fade3;
    hi3_3 *= fade3;
    lo3_4 *= fade3;
    hi3_4 *= fade3;
    lo3_5 *= fade3;
    hi3_5 *= fade3;
    lo3_6 *= fade3;
    hi3_6 *= fade3;
    lo3_7 *= fade3;
    hi3_7 *= fade3;
    lo3_8 *= fade3;
    hi3_8 *= fade3;
    lo3_9 *= fade3;
    hi3_9 *= fade3;
    u4[0] = score(u4[0], b, row4, k0 + 0, bias4);
    v4[0] = score(v4[0], b, row4, k0 + 4u + 0, bias4);
    u4[1] = score(u4[1], b, row4, k0 + 1, bias4);
    v4[1] = score(v4[1], b, row4, k0 + 4u + 1, bias4);
    u4[2] = score(u4[2], b, row4, k0 + 2, bias4);
    v4[2] = score(v4[2], b, row4, k0 + 4u + 2, bias4);
    u4[3] = score(u4[3], b, row4, k0 + 3, bias4);
    v4[3] = score(v4[3], b, row4, k0 + 4u + 3, bias4);
    let t4 = max(u4, v4);
    let top4 = max(max4, max(max(t4.x, t4.y), max(t4.z, t4.w)));
    let fade4 = exp2(max4 - top4);
    max4 = top4;
    u4 = exp2(u4 - top4);
    v4 = exp2(v4 - top4);
    let z4 = u4 + v4;
    sum4 = sum4 * fade4 + z4.x + z4.y + z4.z + z4.w;
    lo4_0 *= fade4;
    hi4_0 *= fade4;
    lo4_1 *= fade4;
    hi4_1 *= fade4;
    lo4_2 *= fade4;
    hi4_2 *= fade4;
    lo4_3 *= fade4;
    hi4_3 *= fade4;
    lo4_4 *= fade4;
    hi4_4 *= fade4;
    lo4_5 *= fade4;
    hi4_5 *= fade4;
    lo4_6 *= fade4;
    hi4_6 *= fade4;
    lo4_7 *= fade4;
    hi4_7 *= fade4;
    lo4_8 *= fade4;
    hi4_8 *= fade4;
    lo4_9 *= fade4;
    hi4_9 *= fade4;
    u5[0] = score(u5[0], b, row5, k0 + 0, bias5);
    v5[0] = score(v5[0], b, row5, k0 + 4u + 0, bias5);
    u5[1] = score(u5[1], b, row5, k0 + 1, bias5);
    v5[1] = score(v5[1], b, row5, k0 + 4u + 1, bias5);
    u5[2] = score(u5[2], b, row5, k0 + 2, bias5);
    v5[2] = score(v5[2], b, row5, k0 + 4u + 2, bias5);
    u5[3] = score(u5[3], b, row5, k0 + 3, bias5);
    v5[3] = score(v5[3], b, row5, k0 + 4u + 3, bias5);
    let t5 = max(u5, v5);
    let top5 = max(max5, max(max(t5.x, t5.y), max(t5.z, t5.w)));
    let fade5 = exp2(max5 - top5);
    max5 = top5;
    u5 = exp2(u5 - top5);
    v5 = exp2(v5 - top5);
    let z5 = u5 + v5;
    sum5 = sum5 * fade5 + z5.x + z5.y + z5.z + z5.w;
    lo5_0 *= fade5;
    hi5_0 *= fade5;
    lo5_1 *= fade5;
    hi5_1 *= fade5;
    lo5_2 *= fade5;
    hi5_2 *= fade5;
    lo5_3 *= fade5;
    hi5_3 *= fade5;
    lo5_4 *= fade5;
    hi5_4 *= fade5;
    lo5_5 *= fade5;
    hi5_5 *= fade5;
    lo5_6 *= fade5;
    hi5_6 *= fade5;
    lo5_7 *= fade5;
    hi5_7 *= fade5;
    lo5_8 *= fade5;
    hi5_8 *= fade5;
    lo5_9 *= fade5;
    hi5_9 *= fade5;
    u6[0] = score(u6[0], b, row6, k0 + 0, bias6);
    v6[0] = score(v6[0], b, row6, k0 + 4u + 0, bias6);
    u6[1] = score(u6[1], b, row6, k0 + 1, bias6);
    v6[1] = score(v6[1], b, row6, k0 + 4u + 1, bias6);
    u6[2] = score(u6[2], b, row6, k0 + 2, bias6);
    v6[2] = score(v6[2], b, row6, k0 + 4u + 2, bias6);
    u6[3] = score(u6[3], b, row6, k0 + 3, bias6);
    v6[3] = score(v6[3], b, row6, k0 + 4u + 3, bias6);
    let t6 = max(u6, v6);
    let top6 = max(max6, max(max(t6.x, t6.y), max(t6.z, t6.w)));
    let fade6 = exp2(max6 - top6);
    max6 = top6;
    u6 = exp2(u6 - top6);
    v6 = exp2(v6 - top6);
    let z6 = u6 + v6;
    sum6 = sum6 * fade6 + z6.x + z6.y + z6.z + z6.w;
    lo6_0 *= fade6;
    hi6_0 *= fade6;
    lo6_1 *= fade6;
    hi6_1 *= fade6;
    lo6_2 *= fade6;
    hi6_2 *= fade6;
    lo6_3 *= fade6;
    hi6_3 *= fade6;
    lo6_4 *= fade6;
    hi6_4 *= fade6;
    lo6_5 *= fade6;
    hi6_5 *= fade6;
    lo6_6 *= fade6;
    hi6_6 *= fade6;
    lo6_7 *= fade6;
    hi6_7 *= fade6;
    lo6_8 *= fade6;
    hi6_8 *= fade6;
    lo6_9 *= fade6;
    hi6_9 *= fade6;
    u7[0] = score(u7[0], b, row7, k0 + 0, bias7);
    v7[0] = score(v7[0], b, row7, k0 + 4u + 0, bias7);
    u7[1] = score(u7[1], b, row7, k0 + 1, bias7);
    v7[1] = score(v7[1], b, row7, k0 + 4u + 1, bias7);
    u7[2] = score(u7[2], b, row7, k0 + 2, bias7);
    v7[2] = score(v7[2], b, row7, k0 + 4u + 2, bias7);
    u7[3] = score(u7[3], b, row7, k0 + 3, bias7);
    v7[3] = score(v7[3], b, row7, k0 + 4u + 3, bias7);
    let t7 = max(u7, v7);
    let top7 = max(max7, max(max(t7.x, t7.y), max(t7.z, t7.w)));
    let fade7 = exp2(max7 - top7);
    max7 = top7;
    u7 = exp2(u7 - top7);
    v7 = exp2(v7 - top7);
    let z7 = u7 + v7;
    sum7 = sum7 * fade7 + z7.x + z7.y + z7.z + z7.w;
    lo7_0 *= fade7;
    hi7_0 *= fade7;
    lo7_1 *= fade7;
    hi7_1 *= fade7;
    lo7_2 *= fade7;
    hi7_2 *= fade7;
    lo7_3 *= fade7;
    hi7_3 *= fade7;
    lo7_4 *= fade7;
    hi7_4 *= fade7;
    lo7_5 *= fade7;
    hi7_5 *= fade7;
    lo7_6 *= fade7;
    hi7_6 *= fade7;
    lo7_7 *= fade7;
    hi7_7 *= fade7;
    lo7_8 *= fade7;
    hi7_8 *= fade7;
    lo7_9 *= fade7;
    hi7_9 *= fade7;
    // Two keys a turn, the probabilities rotated: with all eight unrolled, drivers compile for seconds.
    for (var e = 0u; e < 4u; e++) {
      let uAt = vHead + min(k0 + e, s.Lk - 1u) * s.vRow / 8u;
      let vAt = vHead + min(k0 + 4u + e, s.Lk - 1u) * s.vRow / 8u;
      {
        let w = loadV(uAt + 0);
        let z = loadV(vAt + 0);
        lo0_0 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_0));
        hi0_0 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_0));
        lo1_0 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_0));
        hi1_0 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_0));
        lo2_0 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_0));
        hi2_0 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_0));
        lo3_0 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_0));
        hi3_0 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_0));
        lo4_0 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_0));
        hi4_0 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_0));
        lo5_0 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_0));
        hi5_0 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_0));
        lo6_0 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_0));
        hi6_0 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_0));
        lo7_0 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_0));
        hi7_0 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_0));
      }
      {
        let w = loadV(uAt + 1);
        let z = loadV(vAt + 1);
        lo0_1 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_1));
        hi0_1 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_1));
        lo1_1 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_1));
        hi1_1 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_1));
        lo2_1 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_1));
        hi2_1 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_1));
        lo3_1 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_1));
        hi3_1 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_1));
        lo4_1 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_1));
        hi4_1 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_1));
        lo5_1 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_1));
        hi5_1 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_1));
        lo6_1 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_1));
        hi6_1 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_1));
        lo7_1 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_1));
        hi7_1 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_1));
      }
      {
        let w = loadV(uAt + 2);
        let z = loadV(vAt + 2);
        lo0_2 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_2));
        hi0_2 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_2));
        lo1_2 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_2));
        hi1_2 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_2));
        lo2_2 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_2));
        hi2_2 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_2));
        lo3_2 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_2));
        hi3_2 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_2));
        lo4_2 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_2));
        hi4_2 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_2));
        lo5_2 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_2));
        hi5_2 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_2));
        lo6_2 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_2));
        hi6_2 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_2));
        lo7_2 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_2));
        hi7_2 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_2));
      }
      {
        let w = loadV(uAt + 3);
        let z = loadV(vAt + 3);
        lo0_3 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_3));
        hi0_3 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_3));
        lo1_3 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_3));
        hi1_3 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_3));
        lo2_3 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_3));
        hi2_3 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_3));
        lo3_3 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_3));
        hi3_3 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_3));
        lo4_3 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_3));
        hi4_3 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_3));
        lo5_3 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_3));
        hi5_3 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_3));
        lo6_3 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_3));
        hi6_3 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_3));
        lo7_3 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_3));
        hi7_3 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_3));
      }
      {
        let w = loadV(uAt + 4);
        let z = loadV(vAt + 4);
        lo0_4 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_4));
        hi0_4 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_4));
        lo1_4 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_4));
        hi1_4 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_4));
        lo2_4 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_4));
        hi2_4 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_4));
        lo3_4 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_4));
        hi3_4 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_4));
        lo4_4 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_4));
        hi4_4 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_4));
        lo5_4 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_4));
        hi5_4 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_4));
        lo6_4 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_4));
        hi6_4 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_4));
        lo7_4 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_4));
        hi7_4 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_4));
      }
      {
        let w = loadV(uAt + 5);
        let z = loadV(vAt + 5);
        lo0_5 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_5));
        hi0_5 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_5));
        lo1_5 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_5));
        hi1_5 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_5));
        lo2_5 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_5));
        hi2_5 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_5));
        lo3_5 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_5));
        hi3_5 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_5));
        lo4_5 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_5));
        hi4_5 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_5));
        lo5_5 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_5));
        hi5_5 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_5));
        lo6_5 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_5));
        hi6_5 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_5));
        lo7_5 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_5));
        hi7_5 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_5));
      }
      {
        let w = loadV(uAt + 6);
        let z = loadV(vAt + 6);
        lo0_6 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_6));
        hi0_6 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_6));
        lo1_6 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_6));
        hi1_6 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_6));
        lo2_6 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_6));
        hi2_6 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_6));
        lo3_6 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_6));
        hi3_6 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_6));
        lo4_6 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_6));
        hi4_6 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_6));
        lo5_6 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_6));
        hi5_6 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_6));
        lo6_6 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_6));
        hi6_6 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_6));
        lo7_6 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_6));
        hi7_6 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_6));
      }
      {
        let w = loadV(uAt + 7);
        let z = loadV(vAt + 7);
        lo0_7 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_7));
        hi0_7 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_7));
        lo1_7 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_7));
        hi1_7 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_7));
        lo2_7 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_7));
        hi2_7 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_7));
        lo3_7 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_7));
        hi3_7 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_7));
        lo4_7 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_7));
        hi4_7 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_7));
        lo5_7 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_7));
        hi5_7 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_7));
        lo6_7 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_7));
        hi6_7 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_7));
        lo7_7 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_7));
        hi7_7 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_7));
      }
      {
        let w = loadV(uAt + 8);
        let z = loadV(vAt + 8);
        lo0_8 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_8));
        hi0_8 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_8));
        lo1_8 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_8));
        hi1_8 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_8));
        lo2_8 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_8));
        hi2_8 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_8));
        lo3_8 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_8));
        hi3_8 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_8));
        lo4_8 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_8));
        hi4_8 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_8));
        lo5_8 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_8));
        hi5_8 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_8));
        lo6_8 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_8));
        hi6_8 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_8));
        lo7_8 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_8));
        hi7_8 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_8));
      }
      {
        let w = loadV(uAt + 9);
        let z = loadV(vAt + 9);
        lo0_9 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_9));
        hi0_9 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_9));
        lo1_9 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_9));
        hi1_9 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_9));
        lo2_9 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_9));
        hi2_9 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_9));
        lo3_9 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_9));
        hi3_9 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_9));
        lo4_9 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_9));
        hi4_9 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_9));
        lo5_9 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_9));
        hi5_9 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_9));
        lo6_9 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_9));
        hi6_9 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_9));
        lo7_9 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_9));
        hi7_9 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_9));
      }
      u0 = u0.yzwx;
      v0 = v0.yzwx;
      u1 = u1.yzwx;
      v1 = v1.yzwx;
      u2 = u2.yzwx;
      v2 = v2.yzwx;
      u3 = u3.yzwx;
      v3 = v3.yzwx;
      u4 = u4.yzwx;
      v4 = v4.yzwx;
      u5 = u5.yzwx;
      v5 = v5.yzwx;
      u6 = u6.yzwx;
      v6 = v6.yzwx;
      u7 = u7.yzwx;
      v7 = v7.yzwx;
    }
  }

  if (n0 + 0 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo0_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi0_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo0_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi0_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo0_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi0_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo0_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi0_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo0_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi0_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo0_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi0_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo0_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi0_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo0_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi0_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo0_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi0_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo0_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi0_9 * share);
    }
  }
  if (n0 + 1 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo1_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi1_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo1_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi1_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo1_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi1_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo1_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi1_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo1_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi1_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo1_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi1_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo1_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi1_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo1_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi1_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo1_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi1_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo1_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi1_9 * share);
    }
  }
  if (n0 + 2 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo2_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi2_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo2_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi2_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo2_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi2_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo2_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi2_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo2_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi2_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo2_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi2_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo2_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi2_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo2_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi2_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo2_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi2_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo2_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi2_9 * share);
    }
  }
  if (n0 + 3 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo3_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi3_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo3_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi3_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo3_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi3_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo3_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi3_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo3_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi3_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo3_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi3_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo3_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi3_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo3_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi3_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo3_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi3_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo3_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi3_9 * share);
    }
  }
  if (n0 + 4 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 4) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum4, sum4 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo4_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi4_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo4_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi4_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo4_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi4_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo4_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi4_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo4_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi4_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo4_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi4_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo4_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi4_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo4_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi4_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo4_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi4_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo4_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi4_9 * share);
    }
  }
  if (n0 + 5 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 5) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum5, sum5 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo5_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi5_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo5_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi5_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo5_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi5_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo5_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi5_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo5_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi5_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo5_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi5_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo5_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi5_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo5_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi5_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo5_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi5_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo5_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi5_9 * share);
    }
  }
  if (n0 + 6 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 6) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum6, sum6 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo6_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi6_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo6_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi6_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo6_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi6_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo6_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi6_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo6_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi6_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo6_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi6_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo6_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi6_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo6_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi6_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo6_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi6_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo6_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi6_9 * share);
    }
  }
  if (n0 + 7 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 7) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum7, sum7 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo7_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi7_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo7_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi7_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo7_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi7_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo7_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi7_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo7_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi7_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo7_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi7_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo7_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi7_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo7_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi7_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo7_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi7_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo7_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi7_9 * share);
    }
  }
}
`,
  "attention_texels@RQ=8,OD=128": `const RQ: u32 = 8u;
const OD: u32 = 128u;
// attention_texels.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, everything in registers.
//
// Operands and strides as in attention_tiled.wgsl, read from textures of 2048 texels a row as one long list.
// An invocation makes RQ queries of one head and OD of its columns: no workgroup memory and no barriers, which
// suits adapters that run on a CPU; lanes read the same keys and values at the same time. x: queries, y: heads
// of samples, z: columns (the scores are then made once more for each OD of them). All sums are f32.


const NOTHING: f32 = -3e38;  // a key that does not count, below every score
const LOWEST: f32 = -2.95e38;  // between the two, so that exp2(NOTHING − maximum) is 0 also where no key counts
const LOG2E: f32 = 1.4426950409;

override WX: u32 = 8u;
override Q_TYPE: u32 = 0u;   // 0 f32, 1 f16
override KV_TYPE: u32 = 0u;
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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      Q: texture_2d<u32>;
@group(0) @binding(2) var                      K: texture_2d<u32>;
@group(0) @binding(3) var                      V: texture_2d<u32>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<vec4<oElem>>;

struct Eight { lo: vec4f, hi: vec4f }

fn place(at: u32) -> vec2u { return vec2u(at & 2047u, at >> 11u); }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn wide(lo: vec4u, hi: vec4u) -> Eight { return Eight(bitcast<vec4f>(lo), bitcast<vec4f>(hi)); }

fn loadQ(at: u32) -> Eight {
  if (Q_TYPE == 0u) { return wide(textureLoad(Q, place(at * 2u), 0), textureLoad(Q, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(Q, place(at), 0));
}

fn loadK(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(K, place(at * 2u), 0), textureLoad(K, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(K, place(at), 0));
}

fn loadV(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return wide(textureLoad(V, place(at * 2u), 0), textureLoad(V, place(at * 2u + 1u), 0)); }
  return halves(textureLoad(V, place(at), 0));
}

/// A score with everything that changes it, in units of log₂; NOTHING where the key does not count.
fn score(dot: f32, b: u32, row: u32, key: u32, biasRow: u32) -> f32 {
  // Without branches, which cost a CPU's vectors more than what they would save.
  let k = min(key, s.Lk - 1u);
  var v = dot * (s.scale * LOG2E);
  if (BIAS == 1u) { v = max(dot * s.scale + bias[biasRow + k], -2e38) * LOG2E; }
  var counts = key < s.Lk;
  if (CAUSAL == 1u) { counts = counts && key <= row; }
  if (MASK == 1u) { counts = counts && keep[b * s.Lk + k] != 0.0; }
  return select(NOTHING, v, counts);
}

@compute @workgroup_size(WX)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n0 = s.q0 + id.x * RQ;
  if (n0 >= s.qEnd) { return; }
  let b = s.b0 + id.y / s.headsHere;
  let h = s.h0 + id.y % s.headsHere;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = (s.vFirst + b * s.vSample + h * s.vHead + id.z * OD) / 8u;
  let D8 = s.D / 8u;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let qAt0 = (s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow) / 8u;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = LOWEST;
  var sum0 = 0.0;
  var lo0_0 = vec4f();
  var hi0_0 = vec4f();
  var lo0_1 = vec4f();
  var hi0_1 = vec4f();
  var lo0_2 = vec4f();
  var hi0_2 = vec4f();
  var lo0_3 = vec4f();
  var hi0_3 = vec4f();
  var lo0_4 = vec4f();
  var hi0_4 = vec4f();
  var lo0_5 = vec4f();
  var hi0_5 = vec4f();
  var lo0_6 = vec4f();
  var hi0_6 = vec4f();
  var lo0_7 = vec4f();
  var hi0_7 = vec4f();
  var lo0_8 = vec4f();
  var hi0_8 = vec4f();
  var lo0_9 = vec4f();
  var hi0_9 = vec4f();
  var lo0_10 = vec4f();
  var hi0_10 = vec4f();
  var lo0_11 = vec4f();
  var hi0_11 = vec4f();
  var lo0_12 = vec4f();
  var hi0_12 = vec4f();
  var lo0_13 = vec4f();
  var hi0_13 = vec4f();
  var lo0_14 = vec4f();
  var hi0_14 = vec4f();
  var lo0_15 = vec4f();
  var hi0_15 = vec4f();
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let qAt1 = (s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow) / 8u;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = LOWEST;
  var sum1 = 0.0;
  var lo1_0 = vec4f();
  var hi1_0 = vec4f();
  var lo1_1 = vec4f();
  var hi1_1 = vec4f();
  var lo1_2 = vec4f();
  var hi1_2 = vec4f();
  var lo1_3 = vec4f();
  var hi1_3 = vec4f();
  var lo1_4 = vec4f();
  var hi1_4 = vec4f();
  var lo1_5 = vec4f();
  var hi1_5 = vec4f();
  var lo1_6 = vec4f();
  var hi1_6 = vec4f();
  var lo1_7 = vec4f();
  var hi1_7 = vec4f();
  var lo1_8 = vec4f();
  var hi1_8 = vec4f();
  var lo1_9 = vec4f();
  var hi1_9 = vec4f();
  var lo1_10 = vec4f();
  var hi1_10 = vec4f();
  var lo1_11 = vec4f();
  var hi1_11 = vec4f();
  var lo1_12 = vec4f();
  var hi1_12 = vec4f();
  var lo1_13 = vec4f();
  var hi1_13 = vec4f();
  var lo1_14 = vec4f();
  var hi1_14 = vec4f();
  var lo1_15 = vec4f();
  var hi1_15 = vec4f();
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let qAt2 = (s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow) / 8u;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = LOWEST;
  var sum2 = 0.0;
  var lo2_0 = vec4f();
  var hi2_0 = vec4f();
  var lo2_1 = vec4f();
  var hi2_1 = vec4f();
  var lo2_2 = vec4f();
  var hi2_2 = vec4f();
  var lo2_3 = vec4f();
  var hi2_3 = vec4f();
  var lo2_4 = vec4f();
  var hi2_4 = vec4f();
  var lo2_5 = vec4f();
  var hi2_5 = vec4f();
  var lo2_6 = vec4f();
  var hi2_6 = vec4f();
  var lo2_7 = vec4f();
  var hi2_7 = vec4f();
  var lo2_8 = vec4f();
  var hi2_8 = vec4f();
  var lo2_9 = vec4f();
  var hi2_9 = vec4f();
  var lo2_10 = vec4f();
  var hi2_10 = vec4f();
  var lo2_11 = vec4f();
  var hi2_11 = vec4f();
  var lo2_12 = vec4f();
  var hi2_12 = vec4f();
  var lo2_13 = vec4f();
  var hi2_13 = vec4f();
  var lo2_14 = vec4f();
  var hi2_14 = vec4f();
  var lo2_15 = vec4f();
  var hi2_15 = vec4f();
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let qAt3 = (s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow) / 8u;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = LOWEST;
  var sum3 = 0.0;
  var lo3_0 = vec4f();
  var hi3_0 = vec4f();
  var lo3_1 = vec4f();
  var hi3_1 = vec4f();
  var lo3_2 = vec4f();
  var hi3_2 = vec4f();
  var lo3_3 = vec4f();
  var hi3_3 = vec4f();
  var lo3_4 = vec4f();
  var hi3_4 = vec4f();
  var lo3_5 = vec4f();
  var hi3_5 = vec4f();
  var lo3_6 = vec4f();
  var hi3_6 = vec4f();
  var lo3_7 = vec4f();
  var hi3_7 = vec4f();
  var lo3_8 = vec4f();
  var hi3_8 = vec4f();
  var lo3_9 = vec4f();
  var hi3_9 = vec4f();
  var lo3_10 = vec4f();
  var hi3_10 = vec4f();
  var lo3_11 = vec4f();
  var hi3_11 = vec4f();
  var lo3_12 = vec4f();
  var hi3_12 = vec4f();
  var lo3_13 = vec4f();
  var hi3_13 = vec4f();
  var lo3_14 = vec4f();
  var hi3_14 = vec4f();
  var lo3_15 = vec4f();
  var hi3_15 = vec4f();
  let row4 = min(n0 + 4, s.qEnd - 1u);
  let qAt4 = (s.qFirst + b * s.qSample + h * s.qHead + row4 * s.qRow) / 8u;
  let bias4 = s.biasFirst + b * s.biasSample + h * s.biasHead + row4 * s.Lk;
  var max4 = LOWEST;
  var sum4 = 0.0;
  var lo4_0 = vec4f();
  var hi4_0 = vec4f();
  var lo4_1 = vec4f();
  var hi4_1 = vec4f();
  var lo4_2 = vec4f();
  var hi4_2 = vec4f();
  var lo4_3 = vec4f();
  var hi4_3 = vec4f();
  var lo4_4 = vec4f();
  var hi4_4 = vec4f();
  var lo4_5 = vec4f();
  var hi4_5 = vec4f();
  var lo4_6 = vec4f();
  var hi4_6 = vec4f();
  var lo4_7 = vec4f();
  var hi4_7 = vec4f();
  var lo4_8 = vec4f();
  var hi4_8 = vec4f();
  var lo4_9 = vec4f();
  var hi4_9 = vec4f();
  var lo4_10 = vec4f();
  var hi4_10 = vec4f();
  var lo4_11 = vec4f();
  var hi4_11 = vec4f();
  var lo4_12 = vec4f();
  var hi4_12 = vec4f();
  var lo4_13 = vec4f();
  var hi4_13 = vec4f();
  var lo4_14 = vec4f();
  var hi4_14 = vec4f();
  var lo4_15 = vec4f();
  var hi4_15 = vec4f();
  let row5 = min(n0 + 5, s.qEnd - 1u);
  let qAt5 = (s.qFirst + b * s.qSample + h * s.qHead + row5 * s.qRow) / 8u;
  let bias5 = s.biasFirst + b * s.biasSample + h * s.biasHead + row5 * s.Lk;
  var max5 = LOWEST;
  var sum5 = 0.0;
  var lo5_0 = vec4f();
  var hi5_0 = vec4f();
  var lo5_1 = vec4f();
  var hi5_1 = vec4f();
  var lo5_2 = vec4f();
  var hi5_2 = vec4f();
  var lo5_3 = vec4f();
  var hi5_3 = vec4f();
  var lo5_4 = vec4f();
  var hi5_4 = vec4f();
  var lo5_5 = vec4f();
  var hi5_5 = vec4f();
  var lo5_6 = vec4f();
  var hi5_6 = vec4f();
  var lo5_7 = vec4f();
  var hi5_7 = vec4f();
  var lo5_8 = vec4f();
  var hi5_8 = vec4f();
  var lo5_9 = vec4f();
  var hi5_9 = vec4f();
  var lo5_10 = vec4f();
  var hi5_10 = vec4f();
  var lo5_11 = vec4f();
  var hi5_11 = vec4f();
  var lo5_12 = vec4f();
  var hi5_12 = vec4f();
  var lo5_13 = vec4f();
  var hi5_13 = vec4f();
  var lo5_14 = vec4f();
  var hi5_14 = vec4f();
  var lo5_15 = vec4f();
  var hi5_15 = vec4f();
  let row6 = min(n0 + 6, s.qEnd - 1u);
  let qAt6 = (s.qFirst + b * s.qSample + h * s.qHead + row6 * s.qRow) / 8u;
  let bias6 = s.biasFirst + b * s.biasSample + h * s.biasHead + row6 * s.Lk;
  var max6 = LOWEST;
  var sum6 = 0.0;
  var lo6_0 = vec4f();
  var hi6_0 = vec4f();
  var lo6_1 = vec4f();
  var hi6_1 = vec4f();
  var lo6_2 = vec4f();
  var hi6_2 = vec4f();
  var lo6_3 = vec4f();
  var hi6_3 = vec4f();
  var lo6_4 = vec4f();
  var hi6_4 = vec4f();
  var lo6_5 = vec4f();
  var hi6_5 = vec4f();
  var lo6_6 = vec4f();
  var hi6_6 = vec4f();
  var lo6_7 = vec4f();
  var hi6_7 = vec4f();
  var lo6_8 = vec4f();
  var hi6_8 = vec4f();
  var lo6_9 = vec4f();
  var hi6_9 = vec4f();
  var lo6_10 = vec4f();
  var hi6_10 = vec4f();
  var lo6_11 = vec4f();
  var hi6_11 = vec4f();
  var lo6_12 = vec4f();
  var hi6_12 = vec4f();
  var lo6_13 = vec4f();
  var hi6_13 = vec4f();
  var lo6_14 = vec4f();
  var hi6_14 = vec4f();
  var lo6_15 = vec4f();
  var hi6_15 = vec4f();
  let row7 = min(n0 + 7, s.qEnd - 1u);
  let qAt7 = (s.qFirst + b * s.qSample + h * s.qHead + row7 * s.qRow) / 8u;
  let bias7 = s.biasFirst + b * s.biasSample + h * s.biasHead + row7 * s.Lk;
  var max7 = LOWEST;
  var sum7 = 0.0;
  var lo7_0 = vec4f();
  var hi7_0 = vec4f();
  var lo7_1 = vec4f();
  var hi7_1 = vec4f();
  var lo7_2 = vec4f();
  var hi7_2 = vec4f();
  var lo7_3 = vec4f();
  var hi7_3 = vec4f();
  var lo7_4 = vec4f();
  var hi7_4 = vec4f();
  var lo7_5 = vec4f();
  var hi7_5 = vec4f();
  var lo7_6 = vec4f();
  var hi7_6 = vec4f();
  var lo7_7 = vec4f();
  var hi7_7 = vec4f();
  var lo7_8 = vec4f();
  var hi7_8 = vec4f();
  var lo7_9 = vec4f();
  var hi7_9 = vec4f();
  var lo7_10 = vec4f();
  var hi7_10 = vec4f();
  var lo7_11 = vec4f();
  var hi7_11 = vec4f();
  var lo7_12 = vec4f();
  var hi7_12 = vec4f();
  var lo7_13 = vec4f();
  var hi7_13 = vec4f();
  var lo7_14 = vec4f();
  var hi7_14 = vec4f();
  var lo7_15 = vec4f();
  var hi7_15 = vec4f();

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, n0 + RQ); }
  for (var k0 = 0u; k0 < keys; k0 += 8u) {
    var u0 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v0 = vec4f();
    var u1 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v1 = vec4f();
    var u2 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v2 = vec4f();
    var u3 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v3 = vec4f();
    var u4 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v4 = vec4f();
    var u5 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v5 = vec4f();
    var u6 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v6 = vec4f();
    var u7 = vec4f();   // scores of keys k0 … k0 + 3, then k0 + 4 … k0 + 7
    var v7 = vec4f();
    let uAt0 = (kHead + min(k0 + 0, s.Lk - 1u) * s.kRow) / 8u;
    let vAt0 = (kHead + min(k0 + 4u + 0, s.Lk - 1u) * s.kRow) / 8u;
    let uAt1 = (kHead + min(k0 + 1, s.Lk - 1u) * s.kRow) / 8u;
    let vAt1 = (kHead + min(k0 + 4u + 1, s.Lk - 1u) * s.kRow) / 8u;
    let uAt2 = (kHead + min(k0 + 2, s.Lk - 1u) * s.kRow) / 8u;
    let vAt2 = (kHead + min(k0 + 4u + 2, s.Lk - 1u) * s.kRow) / 8u;
    let uAt3 = (kHead + min(k0 + 3, s.Lk - 1u) * s.kRow) / 8u;
    let vAt3 = (kHead + min(k0 + 4u + 3, s.Lk - 1u) * s.kRow) / 8u;
    for (var c = 0u; c < D8; c++) {
      let a0 = loadQ(qAt0 + c);
      let a1 = loadQ(qAt1 + c);
      let a2 = loadQ(qAt2 + c);
      let a3 = loadQ(qAt3 + c);
      let a4 = loadQ(qAt4 + c);
      let a5 = loadQ(qAt5 + c);
      let a6 = loadQ(qAt6 + c);
      let a7 = loadQ(qAt7 + c);
      let b0 = loadK(uAt0 + c);
      let c0 = loadK(vAt0 + c);
      u0[0] += dot(a0.lo, b0.lo) + dot(a0.hi, b0.hi);
      v0[0] += dot(a0.lo, c0.lo) + dot(a0.hi, c0.hi);
      u1[0] += dot(a1.lo, b0.lo) + dot(a1.hi, b0.hi);
      v1[0] += dot(a1.lo, c0.lo) + dot(a1.hi, c0.hi);
      u2[0] += dot(a2.lo, b0.lo) + dot(a2.hi, b0.hi);
      v2[0] += dot(a2.lo, c0.lo) + dot(a2.hi, c0.hi);
      u3[0] += dot(a3.lo, b0.lo) + dot(a3.hi, b0.hi);
      v3[0] += dot(a3.lo, c0.lo) + dot(a3.hi, c0.hi);
      u4[0] += dot(a4.lo, b0.lo) + dot(a4.hi, b0.hi);
      v4[0] += dot(a4.lo, c0.lo) + dot(a4.hi, c0.hi);
      u5[0] += dot(a5.lo, b0.lo) + dot(a5.hi, b0.hi);
      v5[0] += dot(a5.lo, c0.lo) + dot(a5.hi, c0.hi);
      u6[0] += dot(a6.lo, b0.lo) + dot(a6.hi, b0.hi);
      v6[0] += dot(a6.lo, c0.lo) + dot(a6.hi, c0.hi);
      u7[0] += dot(a7.lo, b0.lo) + dot(a7.hi, b0.hi);
      v7[0] += dot(a7.lo, c0.lo) + dot(a7.hi, c0.hi);
      let b1 = loadK(uAt1 + c);
      let c1 = loadK(vAt1 + c);
      u0[1] += dot(a0.lo, b1.lo) + dot(a0.hi, b1.hi);
      v0[1] += dot(a0.lo, c1.lo) + dot(a0.hi, c1.hi);
      u1[1] += dot(a1.lo, b1.lo) + dot(a1.hi, b1.hi);
      v1[1] += dot(a1.lo, c1.lo) + dot(a1.hi, c1.hi);
      u2[1] += dot(a2.lo, b1.lo) + dot(a2.hi, b1.hi);
      v2[1] += dot(a2.lo, c1.lo) + dot(a2.hi, c1.hi);
      u3[1] += dot(a3.lo, b1.lo) + dot(a3.hi, b1.hi);
      v3[1] += dot(a3.lo, c1.lo) + dot(a3.hi, c1.hi);
      u4[1] += dot(a4.lo, b1.lo) + dot(a4.hi, b1.hi);
      v4[1] += dot(a4.lo, c1.lo) + dot(a4.hi, c1.hi);
      u5[1] += dot(a5.lo, b1.lo) + dot(a5.hi, b1.hi);
      v5[1] += dot(a5.lo, c1.lo) + dot(a5.hi, c1.hi);
      u6[1] += dot(a6.lo, b1.lo) + dot(a6.hi, b1.hi);
      v6[1] += dot(a6.lo, c1.lo) + dot(a6.hi, c1.hi);
      u7[1] += dot(a7.lo, b1.lo) + dot(a7.hi, b1.hi);
      v7[1] += dot(a7.lo, c1.lo) + dot(a7.hi, c1.hi);
      let b2 = loadK(uAt2 + c);
      let c2 = loadK(vAt2 + c);
      u0[2] += dot(a0.lo, b2.lo) + dot(a0.hi, b2.hi);
      v0[2] += dot(a0.lo, c2.lo) + dot(a0.hi, c2.hi);
      u1[2] += dot(a1.lo, b2.lo) + dot(a1.hi, b2.hi);
      v1[2] += dot(a1.lo, c2.lo) + dot(a1.hi, c2.hi);
      u2[2] += dot(a2.lo, b2.lo) + dot(a2.hi, b2.hi);
      v2[2] += dot(a2.lo, c2.lo) + dot(a2.hi, c2.hi);
      u3[2] += dot(a3.lo, b2.lo) + dot(a3.hi, b2.hi);
      v3[2] += dot(a3.lo, c2.lo) + dot(a3.hi, c2.hi);
      u4[2] += dot(a4.lo, b2.lo) + dot(a4.hi, b2.hi);
      v4[2] += dot(a4.lo, c2.lo) + dot(a4.hi, c2.hi);
      u5[2] += dot(a5.lo, b2.lo) + dot(a5.hi, b2.hi);
      v5[2] += dot(a5.lo, c2.lo) + dot(a5.hi, c2.hi);
      u6[2] += dot(a6.lo, b2.lo) + dot(a6.hi, b2.hi);
      v6[2] += dot(a6.lo, c2.lo) + dot(a6.hi, c2.hi);
      u7[2] += dot(a7.lo, b2.lo) + dot(a7.hi, b2.hi);
      v7[2] += dot(a7.lo, c2.lo) + dot(a7.hi, c2.hi);
      let b3 = loadK(uAt3 + c);
      let c3 = loadK(vAt3 + c);
      u0[3] += dot(a0.lo, b3.lo) + dot(a0.hi, b3.hi);
      v0[3] += dot(a0.lo, c3.lo) + dot(a0.hi, c3.hi);
      u1[3] += dot(a1.lo, b3.lo) + dot(a1.hi, b3.hi);
      v1[3] += dot(a1.lo, c3.lo) + dot(a1.hi, c3.hi);
      u2[3] += dot(a2.lo, b3.lo) + dot(a2.hi, b3.hi);
      v2[3] += dot(a2.lo, c3.lo) + dot(a2.hi, c3.hi);
      u3[3] += dot(a3.lo, b3.lo) + dot(a3.hi, b3.hi);
      v3[3] += dot(a3.lo, c3.lo) + dot(a3.hi, c3.hi);
      u4[3] += dot(a4.lo, b3.lo) + dot(a4.hi, b3.hi);
      v4[3] += dot(a4.lo, c3.lo) + dot(a4.hi, c3.hi);
      u5[3] += dot(a5.lo, b3.lo) + dot(a5.hi, b3.hi);
      v5[3] += dot(a5.lo, c3.lo) + dot(a5.hi, c3.hi);
      u6[3] += dot(a6.lo, b3.lo) + dot(a6.hi, b3.hi);
      v6[3] += dot(a6.lo, c3.lo) + dot(a6.hi, c3.hi);
      u7[3] += dot(a7.lo, b3.lo) + dot(a7.hi, b3.hi);
      v7[3] += dot(a7.lo, c3.lo) + dot(a7.hi, c3.hi);
    }
    u0[0] = score(u0[0], b, row0, k0 + 0, bias0);
    v0[0] = score(v0[0], b, row0, k0 + 4u + 0, bias0);
    u0[1] = score(u0[1], b, row0, k0 + 1, bias0);
    v0[1] = score(v0[1], b, row0, k0 + 4u + 1, bias0);
    u0[2] = score(u0[2], b, row0, k0 + 2, bias0);
    v0[2] = score(v0[2], b, row0, k0 + 4u + 2, bias0);
    u0[3] = score(u0[3], b, row0, k0 + 3, bias0);
    v0[3] = score(v0[3], b, row0, k0 + 4u + 3, bias0);
    let t0 = max(u0, v0);
    let top0 = max(max0, max(max(t0.x, t0.y), max(t0.z, t0.w)));
    let fade0 = exp2(max0 - top0);
    max0 = top0;
    u0 = exp2(u0 - top0);
    v0 = exp2(v0 - top0);
    let z0 = u0 + v0;
    sum0 = sum0 * fade0 + z0.x + z0.y + z0.z + z0.w;
    lo0_0 *= fade0;
    hi0_0 *= fade0;
    lo0_1 *= fade0;
    hi0_1 *= fade0;
    lo0_2 *= fade0;
    hi0_2 *= fade0;
    lo0_3 *= fade0;
    hi0_3 *= fade0;
    lo0_4 *= fade0;
    hi0_4 *= fade0;
    lo0_5 *= fade0;
    hi0_5 *= fade0;
    lo0_6 *= fade0;
    hi0_6 *= fade0;
    lo0_7 *= fade0;
    hi0_7 *= fade0;
    lo0_8 *= fade0;
    hi0_8 *= fade0;
    lo0_9 *= fade0;
    hi0_9 *= fade0;
    lo0_10 *= fade0;
    hi0_10 *= fade0;
    lo0_11 *= fade0;
    hi0_11 *= fade0;
    lo0_12 *= fade0;
    hi0_12 *= fade0;
    lo0_13 *= fade0;
    hi0_13 *= fade0;
    lo0_14 *= fade0;
    hi0_14 *= fade0;
    lo0_15 *= fade0;
    hi0_15 *= fade0;
    u1[0] = score(u1[0], b, row1, k0 + 0, bias1);
    v1[0] = score(v1[0], b, row1, k0 + 4u + 0, bias1);
    u1[1] = score(u1[1], b, row1, k0 + 1, bias1);
    v1[1] = score(v1[1], b, row1, k0 + 4u + 1, bias1);
    u1[2] = score(u1[2], b, row1, k0 + 2, bias1);
    v1[2] = score(v1[2], b, row1, k0 + 4u + 2, bias1);
    u1[3] = score(u1[3], b, row1, k0 + 3, bias1);
    v1[3] = score(v1[3], b, row1, k0 + 4u + 3, bias1);
    let t1 = max(u1, v1);
    let top1 = max(max1, max(max(t1.x, t1.y), max(t1.z, t1.w)));
    let fade1 = exp2(max1 - top1);
    max1 = top1;
    u1 = exp2(u1 - top1);
    v1 = exp2(v1 - top1);
    let z1 = u1 + v1;
    sum1 = sum1 * fade1 + z1.x + z1.y + z1.z + z1.w;
    lo1_0 *= fade1;
    hi1_0 *= fade1;
    lo1_1 *= fade1;
    hi1_1 *= fade1;
    lo1_2 *= fade1;
    hi1_2 *= fade1;
    lo1_3 *= fade1;
    hi1_3 *= fade1;
    lo1_4 *= fade1;
    hi1_4 *= fade1;
    lo1_5 *= fade1;
    hi1_5 *= fade1;
    lo1_6 *= fade1;
    hi1_6 *= fade1;
    lo1_7 *= fade1;
    hi1_7 *= fade1;
    lo1_8 *= fade1;
    hi1_8 *= fade1;
    lo1_9 *= fade1;
    hi1_9 *= fade1;
    lo1_10 *= fade1;
    hi1_10 *= fade1;
    lo1_11 *= fade1;
    hi1_11 *= fade1;
    lo1_12 *= fade1;
    hi1_12 *= fade1;
    lo1_13 *= fade1;
    hi1_13 *= fade1;
    lo1_14 *= fade1;
    hi1_14 *= fade1;
    lo1_15 *= fade1;
    hi1_15 *= fade1;
    u2[0] = score(u2[0], b, row2, k0 + 0, bias2);
    v2[0] = score(v2[0], b, row2, k0 + 4u + 0, bias2);
    u2[1] = score(u2[1], b, row2, k0 + 1, bias2);
    v2[1] = score(v2[1], b, row2, k0 + 4u + 1, bias2);
    u2[2] = score(u2[2], b, row2, k0 + 2, bias2);
    v2[2] = score(v2[2], b, row2, k0 + 4u + 2, bias2);
    u2[3] = score(u2[3], b, row2, k0 + 3, bias2);
    v2[3] = score(v2[3], b, row2, k0 + 4u + 3, bias2);
    let t2 = max(u2, v2);
    let top2 = max(max2, max(max(t2.x, t2.y), max(t2.z, t2.w)));
    let fade2 = exp2(max2 - top2);
    max2 = top2;
    u2 = exp2(u2 - top2);
    v2 = exp2(v2 - top2);
    let z2 = u2 + v2;
    sum2 = sum2 * fade2 + z2.x + z2.y + z2.z + z2.w;
    lo2_0 *= fade2;
    hi2_0 *= fade2;
    lo2_1 *= fade2;
    hi2_1 *= fade2;
    lo2_2 *= fade2;
    hi2_2 *= fade2;
    lo2_3 *= fade2;
    hi2_3 *= fade2;
    lo2_4 *= fade2;
    hi2_4 *= fade2;
    lo2_5 *= fade2;
    hi2_5 *= fade2;
    lo2_6 *= fade2;
    hi2_6 *= fade2;
    lo2_7 *= fade2;
    hi2_7 *= fade2;
    lo2_8 *= fade2;
    hi2_8 *= fade2;
    lo2_9 *= fade2;
    hi2_9 *= fade2;
    lo2_10 *= fade2;
    hi2_10 *= fade2;
    lo2_11 *= fade2;
    hi2_11 *= fade2;
    lo2_12 *= fade2;
    hi2_12 *= fade2;
    lo2_13 *= fade2;
    hi2_13 *= fade2;
    lo2_14 *= fade2;
    hi2_14 *= fade2;
    lo2_15 *= fade2;
    hi2_15 *= fade2;
    u3[0] = score(u3[0], b, row3, k0 + 0, bias3);
    v3[0] = score(v3[0], b, row3, k0 + 4u + 0, bias3);
    u3[1] = score(u3[1], b, row3, k0 + 1, bias3);
    v3[1] = score(v3[1], b, row3, k0 + 4u + 1, bias3);
    u3[2] = score(u3[2], b, row3, k0 + 2, bias3);
    v3[2] = score(v3[2], b, row3, k0 + 4u + 2, bias3);
    u3[3] = score(u3[3], b, row3, k0 + 3, bias3);
    v3[3] = score(v3[3], b, row3, k0 + 4u + 3, bias3);
    let t3 = max(u3, v3);
    let top3 = max(max3, max(max(t3.x, t3.y), max(t3.z, t3.w)));
    let fade3 = exp2(max3 - top3);
    max3 = top3;
    u3 = exp2(u3 - top3);
    v3 = exp2(v3 - top3);
    let z3 = u3 + v3;
    sum3 = sum3 * fade3 + z3.x + z3.y + z3.z + z3.w;
    lo3_0 *= fade3;
    hi3_0 *= fade3;
    lo3_1 *= fade3;
    hi3_1 *= fade3;
    lo3_2 *= fade3;
    hi3_2 *= fade3;
    lo3_3 *= fade3;
    hi3_3 *= fade3;
    lo3_4 *= fade3;
    hi3_4 *= fade3;
    lo3_5 *= fade3;
    hi3_5 *= fade3;
    lo3_6 *= fade3;
    hi3_6 *= fade3;
    lo3_7 *= fade3;
    hi3_7 *= fade3;
    lo3_8 *= fade3;
    hi3_8 *= fade3;
    lo3_9 *= fade3;
    hi3_9 *= fade3;
    lo3_10 *= fade3;
    hi3_10 *= fade3;
    lo3_11 *= fade3;
    hi3_11 *= fade3;
    lo3_12 *= fade3;
    hi3_12 *= fade3;
    lo3_13 *= fade3;
    hi3_13 *= fade3;
    lo3_14 *= fade3;
    hi3_14 *= fade3;
    lo3_15 *= fade3;
    hi3_15 *= fade3;
    u4[0] = score(u4[0], b, row4, k0 + 0, bias4);
    v4[0] = score(v4[0], b, row4, k0 + 4u + 0, bias4);
    u4[1] = score(u4[1], b, row4, k0 + 1, bias4);
    v4[1] = score(v4[1], b, row4, k0 + 4u + 1, bias4);
    u4[2] = score(u4[2], b, row4, k0 + 2, bias4);
    v4[2] = score(v4[2], b, row4, k0 + 4u + 2, bias4);
    u4[3] = score(u4[3], b, row4, k0 + 3, bias4);
    v4[3] = score(v4[3], b, row4, k0 + 4u + 3, bias4);
    let t4 = max(u4, v4);
    let top4 = max(max4, max(max(t4.x, t4.y), max(t4.z, t4.w)));
    let fade4 = exp2(max4 - top4);
    max4 = top4;
    u4 = exp2(u4 - top4);
    v4 = exp2(v4 - top4);
    let z4 = u4 + v4;
    sum4 = sum4 * fade4 + z4.x + z4.y + z4.z + z4.w;
    lo4_0 *= fade4;
    hi4_0 *= fade4;
    lo4_1 *= fade4;
    hi4_1 *= fade4;
    lo4_2 *= fade4;
    hi4_2 *= fade4;
    lo4_3 *= fade4;
    hi4_3 *= fade4;
    lo4_4 *= fade4;
    hi4_4 *= fade4;
    lo4_5 *= fade4;
    hi4_5 *= fade4;
    lo4_6 *= fade4;
    hi4_6 *= fade4;
    lo4_7 *= fade4;
    hi4_7 *= fade4;
    lo4_8 *= fade4;
    hi4_8 *= fade4;
    lo4_9 *= fade4;
    hi4_9 *= fade4;
    lo4_10 *= fade4;
    hi4_10 *= fade4;
    lo4_11 *= fade4;
    hi4_11 *= fade4;
    lo4_12 *= fade4;
    hi4_12 *= fade4;
    lo4_13 *= fade4;
    hi4_13 *= fade4;
    lo4_14 *= fade4;
    hi4_14 *= fade4;
    lo4_15 *= fade4;
    hi4_15 *= fade4;
    u5[0] = score(u5[0], b, row5, k0 + 0, bias5);
    v5[0] = score(v5[0], b, row5, k0 + 4u + 0, bias5);
    u5[1] = score(u5[1], b, row5, k0 + 1, bias5);
    v5[1] = score(v5[1], b, row5, k0 + 4u + 1, bias5);
    u5[2] = score(u5[2], b, row5, k0 + 2, bias5);
    v5[2] = score(v5[2], b, row5, k0 + 4u + 2, bias5);
    u5[3] = score(u5[3], b, row5, k0 + 3, bias5);
    v5[3] = score(v5[3], b, row5, k0 + 4u + 3, bias5);
    let t5 = max(u5, v5);
    let top5 = max(max5, max(max(t5.x, t5.y), max(t5.z, t5.w)));
    let fade5 = exp2(max5 - top5);
    max5 = top5;
    u5 = exp2(u5 - top5);
    v5 = exp2(v5 - top5);
    let z5 = u5 + v5;
    sum5 = sum5 * fade5 + z5.x + z5.y + z5.z + z5.w;
    lo5_0 *= fade5;
    hi5_0 *= fade5;
    lo5_1 *= fade5;
    hi5_1 *= fade5;
    lo5_2 *= fade5;
    hi5_2 *= fade5;
    lo5_3 *= fade5;
    hi5_3 *= fade5;
    lo5_4 *= fade5;
    hi5_4 *= fade5;
    lo5_5 *= fade5;
    hi5_5 *= fade5;
    lo5_6 *= fade5;
    hi5_6 *= fade5;
    lo5_7 *= fade5;
    hi5_7 *= fade5;
    lo5_8 *= fade5;
    hi5_8 *= fade5;
    lo5_9 *= fade5;
    hi5_9 *= fade5;
    lo5_10 *= fade5;
    hi5_10 *= fade5;
    lo5_11 *= fade5;
    hi5_11 *= fade5;
    lo5_12 *= fade5;
    hi5_12 *= fade5;
    lo5_13 *= fade5;
    hi5_13 *= fade5;
    lo5_14 *= fade5;
    hi5_14 *= fade5;
    lo5_15 *= fade5;
    hi5_15 *= fade5;
    u6[0] = score(u6[0], b, row6, k0 + 0, bias6);
    v6[0] = score(v6[0], b, row6, k0 + 4u + 0, bias6);
    u6[1] = score(u6[1], b, row6, k0 + 1, bias6);
    v6[1] = score(v6[1], b, row6, k0 + 4u + 1, bias6);
    u6[2] = score(u6[2], b, row6, k0 + 2, bias6);
    v6[2] = score(v6[2], b, row6, k0 + 4u + 2, bias6);
    u6[3] = score(u6[3], b, row6, k0 + 3, bias6);
    v6[3] = score(v6[3], b, row6, k0 + 4u + 3, bias6);
    let t6 = max(u6, v6);
    let top6 = max(max6, max(max(t6.x, t6.y), max(t6.z, t6.w)));
    let fade6 = exp2(max6 - top6);
    max6 = top6;
    u6 = exp2(u6 - top6);
    v6 = exp2(v6 - top6);
    let z6 = u6 + v6;
    sum6 = sum6 * fade6 + z6.x + z6.y + z6.z + z6.w;
    lo6_0 *= fade6;
    hi6_0 *= fade6;
    lo6_1 *= fade6;
    hi6_1 *= fade6;
    lo6_2 *= fade6;
    hi6_2 *= fade6;
    lo6_3 *= fade6;
    hi6_3 *= fade6;
    lo6_4 *= fade6;
    hi6_4 *= fade6;
    lo6_5 *= fade6;
    hi6_5 *= fade6;
    lo6_6 *= fade6;
    hi6_6 *= fade6;
    lo6_7 *= fade6;
    hi6_7 *= fade6;
    lo6_8 *= fade6;
    hi6_8 *= fade6;
    lo6_9 *= fade6;
    hi6_9 *= fade6;
    lo6_10 *= fade6;
    hi6_10 *= fade6;
    lo6_11 *= fade6;
    hi6_11 *= fade6;
    lo6_12 *= fade6;
    hi6_12 *= fade6;
    lo6_13 *= fade6;
    hi6_13 *= fade6;
    lo6_14 *= fade6;
    hi6_14 *= fade6;
    lo6_15 *= fade6;
    hi6_15 *= fade6;
    u7[0] = score(u7[0], b, row7, k0 + 0, bias7);
    v7[0] = score(v7[0], b, row7, k0 + 4u + 0, bias7);
    u7[1] = score(u7[1], b, row7, k0 + 1, bias7);
    v7[1] = score(v7[1], b, row7, k0 + 4u + 1, bias7);
    u7[2] = score(u7[2], b, row7, k0 + 2, bias7);
    v7[2] = score(v7[2], b, row7, k0 + 4u + 2, bias7);
    u7[3] = score(u7[3], b, row7, k0 + 3, bias7);
    v7[3] = score(v7[3], b, row7, k0 + 4u + 3, bias7);
    let t7 = max(u7, v7);
    let top7 = max(max7, max(max(t7.x, t7.y), max(t7.z, t7.w)));
    let fade7 = exp2(max7 - top7);
    max7 = top7;
    u7 = exp2(u7 - top7);
    v7 = exp2(v7 - top7);
    let z7 = u7 + v7;
    sum7 = sum7 * fade7 + z7.x + z7.y + z7.z + z7.w;
    lo7_0 *= fade7;
    hi7_0 *= fade7;
    lo7_1 *= fade7;
    hi7_1 *= fade7;
    lo7_2 *= fade7;
    hi7_2 *= fade7;
    lo7_3 *= fade7;
    hi7_3 *= fade7;
    lo7_4 *= fade7;
    hi7_4 *= fade7;
    lo7_5 *= fade7;
    hi7_5 *= fade7;
    lo7_6 *= fade7;
    hi7_6 *= fade7;
    lo7_7 *= fade7;
    hi7_7 *= fade7;
    lo7_8 *= fade7;
    hi7_8 *= fade7;
    lo7_9 *= fade7;
    hi7_9 *= fade7;
    lo7_10 *= fade7;
    hi7_10 *= fade7;
    lo7_11 *= fade7;
    hi7_11 *= fade7;
    lo7_12 *= fade7;
    hi7_12 *= fade7;
    lo7_13 *= fade7;
    hi7_13 *= fade7;
    lo7_14 *= fade7;
    hi7_14 *= fade7;
    lo7_15 *= fade7;
    hi7_15 *= fade7;
    // Two keys a turn, the probabilities rotated: with all eight unrolled, drivers compile for seconds.
    for (var e = 0u; e < 4u; e++) {
      let uAt = vHead + min(k0 + e, s.Lk - 1u) * s.vRow / 8u;
      let vAt = vHead + min(k0 + 4u + e, s.Lk - 1u) * s.vRow / 8u;
      {
        let w = loadV(uAt + 0);
        let z = loadV(vAt + 0);
        lo0_0 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_0));
        hi0_0 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_0));
        lo1_0 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_0));
        hi1_0 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_0));
        lo2_0 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_0));
        hi2_0 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_0));
        lo3_0 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_0));
        hi3_0 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_0));
        lo4_0 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_0));
        hi4_0 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_0));
        lo5_0 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_0));
        hi5_0 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_0));
        lo6_0 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_0));
        hi6_0 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_0));
        lo7_0 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_0));
        hi7_0 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_0));
      }
      {
        let w = loadV(uAt + 1);
        let z = loadV(vAt + 1);
        lo0_1 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_1));
        hi0_1 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_1));
        lo1_1 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_1));
        hi1_1 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_1));
        lo2_1 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_1));
        hi2_1 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_1));
        lo3_1 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_1));
        hi3_1 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_1));
        lo4_1 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_1));
        hi4_1 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_1));
        lo5_1 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_1));
        hi5_1 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_1));
        lo6_1 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_1));
        hi6_1 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_1));
        lo7_1 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_1));
        hi7_1 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_1));
      }
      {
        let w = loadV(uAt + 2);
        let z = loadV(vAt + 2);
        lo0_2 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_2));
        hi0_2 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_2));
        lo1_2 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_2));
        hi1_2 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_2));
        lo2_2 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_2));
        hi2_2 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_2));
        lo3_2 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_2));
        hi3_2 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_2));
        lo4_2 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_2));
        hi4_2 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_2));
        lo5_2 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_2));
        hi5_2 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_2));
        lo6_2 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_2));
        hi6_2 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_2));
        lo7_2 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_2));
        hi7_2 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_2));
      }
      {
        let w = loadV(uAt + 3);
        let z = loadV(vAt + 3);
        lo0_3 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_3));
        hi0_3 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_3));
        lo1_3 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_3));
        hi1_3 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_3));
        lo2_3 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_3));
        hi2_3 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_3));
        lo3_3 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_3));
        hi3_3 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_3));
        lo4_3 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_3));
        hi4_3 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_3));
        lo5_3 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_3));
        hi5_3 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_3));
        lo6_3 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_3));
        hi6_3 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_3));
        lo7_3 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_3));
        hi7_3 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_3));
      }
      {
        let w = loadV(uAt + 4);
        let z = loadV(vAt + 4);
        lo0_4 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_4));
        hi0_4 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_4));
        lo1_4 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_4));
        hi1_4 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_4));
        lo2_4 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_4));
        hi2_4 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_4));
        lo3_4 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_4));
        hi3_4 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_4));
        lo4_4 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_4));
        hi4_4 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_4));
        lo5_4 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_4));
        hi5_4 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_4));
        lo6_4 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_4));
        hi6_4 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_4));
        lo7_4 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_4));
        hi7_4 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_4));
      }
      {
        let w = loadV(uAt + 5);
        let z = loadV(vAt + 5);
        lo0_5 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_5));
        hi0_5 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_5));
        lo1_5 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_5));
        hi1_5 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_5));
        lo2_5 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_5));
        hi2_5 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_5));
        lo3_5 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_5));
        hi3_5 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_5));
        lo4_5 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_5));
        hi4_5 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_5));
        lo5_5 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_5));
        hi5_5 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_5));
        lo6_5 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_5));
        hi6_5 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_5));
        lo7_5 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_5));
        hi7_5 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_5));
      }
      {
        let w = loadV(uAt + 6);
        let z = loadV(vAt + 6);
        lo0_6 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_6));
        hi0_6 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_6));
        lo1_6 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_6));
        hi1_6 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_6));
        lo2_6 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_6));
        hi2_6 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_6));
        lo3_6 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_6));
        hi3_6 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_6));
        lo4_6 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_6));
        hi4_6 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_6));
        lo5_6 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_6));
        hi5_6 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_6));
        lo6_6 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_6));
        hi6_6 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_6));
        lo7_6 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_6));
        hi7_6 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_6));
      }
      {
        let w = loadV(uAt + 7);
        let z = loadV(vAt + 7);
        lo0_7 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_7));
        hi0_7 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_7));
        lo1_7 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_7));
        hi1_7 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_7));
        lo2_7 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_7));
        hi2_7 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_7));
        lo3_7 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_7));
        hi3_7 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_7));
        lo4_7 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_7));
        hi4_7 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_7));
        lo5_7 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_7));
        hi5_7 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_7));
        lo6_7 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_7));
        hi6_7 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_7));
        lo7_7 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_7));
        hi7_7 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_7));
      }
      {
        let w = loadV(uAt + 8);
        let z = loadV(vAt + 8);
        lo0_8 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_8));
        hi0_8 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_8));
        lo1_8 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_8));
        hi1_8 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_8));
        lo2_8 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_8));
        hi2_8 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_8));
        lo3_8 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_8));
        hi3_8 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_8));
        lo4_8 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_8));
        hi4_8 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_8));
        lo5_8 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_8));
        hi5_8 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_8));
        lo6_8 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_8));
        hi6_8 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_8));
        lo7_8 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_8));
        hi7_8 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_8));
      }
      {
        let w = loadV(uAt + 9);
        let z = loadV(vAt + 9);
        lo0_9 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_9));
        hi0_9 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_9));
        lo1_9 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_9));
        hi1_9 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_9));
        lo2_9 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_9));
        hi2_9 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_9));
        lo3_9 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_9));
        hi3_9 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_9));
        lo4_9 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_9));
        hi4_9 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_9));
        lo5_9 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_9));
        hi5_9 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_9));
        lo6_9 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_9));
        hi6_9 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_9));
        lo7_9 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_9));
        hi7_9 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_9));
      }
      {
        let w = loadV(uAt + 10);
        let z = loadV(vAt + 10);
        lo0_10 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_10));
        hi0_10 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_10));
        lo1_10 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_10));
        hi1_10 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_10));
        lo2_10 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_10));
        hi2_10 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_10));
        lo3_10 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_10));
        hi3_10 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_10));
        lo4_10 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_10));
        hi4_10 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_10));
        lo5_10 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_10));
        hi5_10 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_10));
        lo6_10 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_10));
        hi6_10 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_10));
        lo7_10 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_10));
        hi7_10 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_10));
      }
      {
        let w = loadV(uAt + 11);
        let z = loadV(vAt + 11);
        lo0_11 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_11));
        hi0_11 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_11));
        lo1_11 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_11));
        hi1_11 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_11));
        lo2_11 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_11));
        hi2_11 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_11));
        lo3_11 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_11));
        hi3_11 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_11));
        lo4_11 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_11));
        hi4_11 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_11));
        lo5_11 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_11));
        hi5_11 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_11));
        lo6_11 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_11));
        hi6_11 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_11));
        lo7_11 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_11));
        hi7_11 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_11));
      }
      {
        let w = loadV(uAt + 12);
        let z = loadV(vAt + 12);
        lo0_12 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_12));
        hi0_12 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_12));
        lo1_12 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_12));
        hi1_12 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_12));
        lo2_12 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_12));
        hi2_12 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_12));
        lo3_12 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_12));
        hi3_12 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_12));
        lo4_12 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_12));
        hi4_12 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_12));
        lo5_12 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_12));
        hi5_12 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_12));
        lo6_12 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_12));
        hi6_12 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_12));
        lo7_12 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_12));
        hi7_12 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_12));
      }
      {
        let w = loadV(uAt + 13);
        let z = loadV(vAt + 13);
        lo0_13 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_13));
        hi0_13 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_13));
        lo1_13 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_13));
        hi1_13 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_13));
        lo2_13 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_13));
        hi2_13 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_13));
        lo3_13 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_13));
        hi3_13 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_13));
        lo4_13 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_13));
        hi4_13 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_13));
        lo5_13 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_13));
        hi5_13 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_13));
        lo6_13 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_13));
        hi6_13 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_13));
        lo7_13 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_13));
        hi7_13 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_13));
      }
      {
        let w = loadV(uAt + 14);
        let z = loadV(vAt + 14);
        lo0_14 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_14));
        hi0_14 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_14));
        lo1_14 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_14));
        hi1_14 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_14));
        lo2_14 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_14));
        hi2_14 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_14));
        lo3_14 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_14));
        hi3_14 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_14));
        lo4_14 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_14));
        hi4_14 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_14));
        lo5_14 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_14));
        hi5_14 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_14));
        lo6_14 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_14));
        hi6_14 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_14));
        lo7_14 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_14));
        hi7_14 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_14));
      }
      {
        let w = loadV(uAt + 15);
        let z = loadV(vAt + 15);
        lo0_15 = fma(vec4f(v0.x), z.lo, fma(vec4f(u0.x), w.lo, lo0_15));
        hi0_15 = fma(vec4f(v0.x), z.hi, fma(vec4f(u0.x), w.hi, hi0_15));
        lo1_15 = fma(vec4f(v1.x), z.lo, fma(vec4f(u1.x), w.lo, lo1_15));
        hi1_15 = fma(vec4f(v1.x), z.hi, fma(vec4f(u1.x), w.hi, hi1_15));
        lo2_15 = fma(vec4f(v2.x), z.lo, fma(vec4f(u2.x), w.lo, lo2_15));
        hi2_15 = fma(vec4f(v2.x), z.hi, fma(vec4f(u2.x), w.hi, hi2_15));
        lo3_15 = fma(vec4f(v3.x), z.lo, fma(vec4f(u3.x), w.lo, lo3_15));
        hi3_15 = fma(vec4f(v3.x), z.hi, fma(vec4f(u3.x), w.hi, hi3_15));
        lo4_15 = fma(vec4f(v4.x), z.lo, fma(vec4f(u4.x), w.lo, lo4_15));
        hi4_15 = fma(vec4f(v4.x), z.hi, fma(vec4f(u4.x), w.hi, hi4_15));
        lo5_15 = fma(vec4f(v5.x), z.lo, fma(vec4f(u5.x), w.lo, lo5_15));
        hi5_15 = fma(vec4f(v5.x), z.hi, fma(vec4f(u5.x), w.hi, hi5_15));
        lo6_15 = fma(vec4f(v6.x), z.lo, fma(vec4f(u6.x), w.lo, lo6_15));
        hi6_15 = fma(vec4f(v6.x), z.hi, fma(vec4f(u6.x), w.hi, hi6_15));
        lo7_15 = fma(vec4f(v7.x), z.lo, fma(vec4f(u7.x), w.lo, lo7_15));
        hi7_15 = fma(vec4f(v7.x), z.hi, fma(vec4f(u7.x), w.hi, hi7_15));
      }
      u0 = u0.yzwx;
      v0 = v0.yzwx;
      u1 = u1.yzwx;
      v1 = v1.yzwx;
      u2 = u2.yzwx;
      v2 = v2.yzwx;
      u3 = u3.yzwx;
      v3 = v3.yzwx;
      u4 = u4.yzwx;
      v4 = v4.yzwx;
      u5 = u5.yzwx;
      v5 = v5.yzwx;
      u6 = u6.yzwx;
      v6 = v6.yzwx;
      u7 = u7.yzwx;
      v7 = v7.yzwx;
    }
  }

  if (n0 + 0 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo0_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi0_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo0_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi0_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo0_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi0_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo0_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi0_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo0_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi0_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo0_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi0_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo0_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi0_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo0_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi0_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo0_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi0_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo0_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi0_9 * share);
    }
    if (column + 10 * 8u < s.D) {
      O[at + 2u * 10] = vec4<oElem>(lo0_10 * share);
      O[at + 2u * 10 + 1u] = vec4<oElem>(hi0_10 * share);
    }
    if (column + 11 * 8u < s.D) {
      O[at + 2u * 11] = vec4<oElem>(lo0_11 * share);
      O[at + 2u * 11 + 1u] = vec4<oElem>(hi0_11 * share);
    }
    if (column + 12 * 8u < s.D) {
      O[at + 2u * 12] = vec4<oElem>(lo0_12 * share);
      O[at + 2u * 12 + 1u] = vec4<oElem>(hi0_12 * share);
    }
    if (column + 13 * 8u < s.D) {
      O[at + 2u * 13] = vec4<oElem>(lo0_13 * share);
      O[at + 2u * 13 + 1u] = vec4<oElem>(hi0_13 * share);
    }
    if (column + 14 * 8u < s.D) {
      O[at + 2u * 14] = vec4<oElem>(lo0_14 * share);
      O[at + 2u * 14 + 1u] = vec4<oElem>(hi0_14 * share);
    }
    if (column + 15 * 8u < s.D) {
      O[at + 2u * 15] = vec4<oElem>(lo0_15 * share);
      O[at + 2u * 15 + 1u] = vec4<oElem>(hi0_15 * share);
    }
  }
  if (n0 + 1 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo1_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi1_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo1_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi1_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo1_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi1_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo1_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi1_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo1_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi1_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo1_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi1_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo1_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi1_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo1_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi1_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo1_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi1_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo1_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi1_9 * share);
    }
    if (column + 10 * 8u < s.D) {
      O[at + 2u * 10] = vec4<oElem>(lo1_10 * share);
      O[at + 2u * 10 + 1u] = vec4<oElem>(hi1_10 * share);
    }
    if (column + 11 * 8u < s.D) {
      O[at + 2u * 11] = vec4<oElem>(lo1_11 * share);
      O[at + 2u * 11 + 1u] = vec4<oElem>(hi1_11 * share);
    }
    if (column + 12 * 8u < s.D) {
      O[at + 2u * 12] = vec4<oElem>(lo1_12 * share);
      O[at + 2u * 12 + 1u] = vec4<oElem>(hi1_12 * share);
    }
    if (column + 13 * 8u < s.D) {
      O[at + 2u * 13] = vec4<oElem>(lo1_13 * share);
      O[at + 2u * 13 + 1u] = vec4<oElem>(hi1_13 * share);
    }
    if (column + 14 * 8u < s.D) {
      O[at + 2u * 14] = vec4<oElem>(lo1_14 * share);
      O[at + 2u * 14 + 1u] = vec4<oElem>(hi1_14 * share);
    }
    if (column + 15 * 8u < s.D) {
      O[at + 2u * 15] = vec4<oElem>(lo1_15 * share);
      O[at + 2u * 15 + 1u] = vec4<oElem>(hi1_15 * share);
    }
  }
  if (n0 + 2 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo2_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi2_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo2_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi2_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo2_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi2_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo2_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi2_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo2_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi2_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo2_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi2_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo2_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi2_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo2_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi2_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo2_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi2_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo2_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi2_9 * share);
    }
    if (column + 10 * 8u < s.D) {
      O[at + 2u * 10] = vec4<oElem>(lo2_10 * share);
      O[at + 2u * 10 + 1u] = vec4<oElem>(hi2_10 * share);
    }
    if (column + 11 * 8u < s.D) {
      O[at + 2u * 11] = vec4<oElem>(lo2_11 * share);
      O[at + 2u * 11 + 1u] = vec4<oElem>(hi2_11 * share);
    }
    if (column + 12 * 8u < s.D) {
      O[at + 2u * 12] = vec4<oElem>(lo2_12 * share);
      O[at + 2u * 12 + 1u] = vec4<oElem>(hi2_12 * share);
    }
    if (column + 13 * 8u < s.D) {
      O[at + 2u * 13] = vec4<oElem>(lo2_13 * share);
      O[at + 2u * 13 + 1u] = vec4<oElem>(hi2_13 * share);
    }
    if (column + 14 * 8u < s.D) {
      O[at + 2u * 14] = vec4<oElem>(lo2_14 * share);
      O[at + 2u * 14 + 1u] = vec4<oElem>(hi2_14 * share);
    }
    if (column + 15 * 8u < s.D) {
      O[at + 2u * 15] = vec4<oElem>(lo2_15 * share);
      O[at + 2u * 15 + 1u] = vec4<oElem>(hi2_15 * share);
    }
  }
  if (n0 + 3 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo3_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi3_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo3_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi3_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo3_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi3_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo3_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi3_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo3_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi3_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo3_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi3_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo3_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi3_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo3_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi3_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo3_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi3_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo3_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi3_9 * share);
    }
    if (column + 10 * 8u < s.D) {
      O[at + 2u * 10] = vec4<oElem>(lo3_10 * share);
      O[at + 2u * 10 + 1u] = vec4<oElem>(hi3_10 * share);
    }
    if (column + 11 * 8u < s.D) {
      O[at + 2u * 11] = vec4<oElem>(lo3_11 * share);
      O[at + 2u * 11 + 1u] = vec4<oElem>(hi3_11 * share);
    }
    if (column + 12 * 8u < s.D) {
      O[at + 2u * 12] = vec4<oElem>(lo3_12 * share);
      O[at + 2u * 12 + 1u] = vec4<oElem>(hi3_12 * share);
    }
    if (column + 13 * 8u < s.D) {
      O[at + 2u * 13] = vec4<oElem>(lo3_13 * share);
      O[at + 2u * 13 + 1u] = vec4<oElem>(hi3_13 * share);
    }
    if (column + 14 * 8u < s.D) {
      O[at + 2u * 14] = vec4<oElem>(lo3_14 * share);
      O[at + 2u * 14 + 1u] = vec4<oElem>(hi3_14 * share);
    }
    if (column + 15 * 8u < s.D) {
      O[at + 2u * 15] = vec4<oElem>(lo3_15 * share);
      O[at + 2u * 15 + 1u] = vec4<oElem>(hi3_15 * share);
    }
  }
  if (n0 + 4 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 4) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum4, sum4 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo4_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi4_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo4_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi4_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo4_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi4_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo4_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi4_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo4_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi4_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo4_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi4_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo4_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi4_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo4_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi4_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo4_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi4_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo4_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi4_9 * share);
    }
    if (column + 10 * 8u < s.D) {
      O[at + 2u * 10] = vec4<oElem>(lo4_10 * share);
      O[at + 2u * 10 + 1u] = vec4<oElem>(hi4_10 * share);
    }
    if (column + 11 * 8u < s.D) {
      O[at + 2u * 11] = vec4<oElem>(lo4_11 * share);
      O[at + 2u * 11 + 1u] = vec4<oElem>(hi4_11 * share);
    }
    if (column + 12 * 8u < s.D) {
      O[at + 2u * 12] = vec4<oElem>(lo4_12 * share);
      O[at + 2u * 12 + 1u] = vec4<oElem>(hi4_12 * share);
    }
    if (column + 13 * 8u < s.D) {
      O[at + 2u * 13] = vec4<oElem>(lo4_13 * share);
      O[at + 2u * 13 + 1u] = vec4<oElem>(hi4_13 * share);
    }
    if (column + 14 * 8u < s.D) {
      O[at + 2u * 14] = vec4<oElem>(lo4_14 * share);
      O[at + 2u * 14 + 1u] = vec4<oElem>(hi4_14 * share);
    }
    if (column + 15 * 8u < s.D) {
      O[at + 2u * 15] = vec4<oElem>(lo4_15 * share);
      O[at + 2u * 15 + 1u] = vec4<oElem>(hi4_15 * share);
    }
  }
  if (n0 + 5 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 5) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum5, sum5 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo5_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi5_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo5_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi5_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo5_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi5_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo5_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi5_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo5_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi5_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo5_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi5_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo5_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi5_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo5_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi5_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo5_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi5_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo5_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi5_9 * share);
    }
    if (column + 10 * 8u < s.D) {
      O[at + 2u * 10] = vec4<oElem>(lo5_10 * share);
      O[at + 2u * 10 + 1u] = vec4<oElem>(hi5_10 * share);
    }
    if (column + 11 * 8u < s.D) {
      O[at + 2u * 11] = vec4<oElem>(lo5_11 * share);
      O[at + 2u * 11 + 1u] = vec4<oElem>(hi5_11 * share);
    }
    if (column + 12 * 8u < s.D) {
      O[at + 2u * 12] = vec4<oElem>(lo5_12 * share);
      O[at + 2u * 12 + 1u] = vec4<oElem>(hi5_12 * share);
    }
    if (column + 13 * 8u < s.D) {
      O[at + 2u * 13] = vec4<oElem>(lo5_13 * share);
      O[at + 2u * 13 + 1u] = vec4<oElem>(hi5_13 * share);
    }
    if (column + 14 * 8u < s.D) {
      O[at + 2u * 14] = vec4<oElem>(lo5_14 * share);
      O[at + 2u * 14 + 1u] = vec4<oElem>(hi5_14 * share);
    }
    if (column + 15 * 8u < s.D) {
      O[at + 2u * 15] = vec4<oElem>(lo5_15 * share);
      O[at + 2u * 15 + 1u] = vec4<oElem>(hi5_15 * share);
    }
  }
  if (n0 + 6 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 6) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum6, sum6 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo6_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi6_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo6_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi6_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo6_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi6_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo6_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi6_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo6_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi6_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo6_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi6_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo6_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi6_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo6_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi6_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo6_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi6_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo6_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi6_9 * share);
    }
    if (column + 10 * 8u < s.D) {
      O[at + 2u * 10] = vec4<oElem>(lo6_10 * share);
      O[at + 2u * 10 + 1u] = vec4<oElem>(hi6_10 * share);
    }
    if (column + 11 * 8u < s.D) {
      O[at + 2u * 11] = vec4<oElem>(lo6_11 * share);
      O[at + 2u * 11 + 1u] = vec4<oElem>(hi6_11 * share);
    }
    if (column + 12 * 8u < s.D) {
      O[at + 2u * 12] = vec4<oElem>(lo6_12 * share);
      O[at + 2u * 12 + 1u] = vec4<oElem>(hi6_12 * share);
    }
    if (column + 13 * 8u < s.D) {
      O[at + 2u * 13] = vec4<oElem>(lo6_13 * share);
      O[at + 2u * 13 + 1u] = vec4<oElem>(hi6_13 * share);
    }
    if (column + 14 * 8u < s.D) {
      O[at + 2u * 14] = vec4<oElem>(lo6_14 * share);
      O[at + 2u * 14 + 1u] = vec4<oElem>(hi6_14 * share);
    }
    if (column + 15 * 8u < s.D) {
      O[at + 2u * 15] = vec4<oElem>(lo6_15 * share);
      O[at + 2u * 15 + 1u] = vec4<oElem>(hi6_15 * share);
    }
  }
  if (n0 + 7 < s.qEnd) {
    let column = id.z * OD;
    let at = (s.oFirst + (b * s.Lq + n0 + 7) * s.heads * s.D + h * s.D + column) / 4u;
    let share = select(0.0, 1.0 / sum7, sum7 > 0.0);
    if (column + 0 * 8u < s.D) {
      O[at + 2u * 0] = vec4<oElem>(lo7_0 * share);
      O[at + 2u * 0 + 1u] = vec4<oElem>(hi7_0 * share);
    }
    if (column + 1 * 8u < s.D) {
      O[at + 2u * 1] = vec4<oElem>(lo7_1 * share);
      O[at + 2u * 1 + 1u] = vec4<oElem>(hi7_1 * share);
    }
    if (column + 2 * 8u < s.D) {
      O[at + 2u * 2] = vec4<oElem>(lo7_2 * share);
      O[at + 2u * 2 + 1u] = vec4<oElem>(hi7_2 * share);
    }
    if (column + 3 * 8u < s.D) {
      O[at + 2u * 3] = vec4<oElem>(lo7_3 * share);
      O[at + 2u * 3 + 1u] = vec4<oElem>(hi7_3 * share);
    }
    if (column + 4 * 8u < s.D) {
      O[at + 2u * 4] = vec4<oElem>(lo7_4 * share);
      O[at + 2u * 4 + 1u] = vec4<oElem>(hi7_4 * share);
    }
    if (column + 5 * 8u < s.D) {
      O[at + 2u * 5] = vec4<oElem>(lo7_5 * share);
      O[at + 2u * 5 + 1u] = vec4<oElem>(hi7_5 * share);
    }
    if (column + 6 * 8u < s.D) {
      O[at + 2u * 6] = vec4<oElem>(lo7_6 * share);
      O[at + 2u * 6 + 1u] = vec4<oElem>(hi7_6 * share);
    }
    if (column + 7 * 8u < s.D) {
      O[at + 2u * 7] = vec4<oElem>(lo7_7 * share);
      O[at + 2u * 7 + 1u] = vec4<oElem>(hi7_7 * share);
    }
    if (column + 8 * 8u < s.D) {
      O[at + 2u * 8] = vec4<oElem>(lo7_8 * share);
      O[at + 2u * 8 + 1u] = vec4<oElem>(hi7_8 * share);
    }
    if (column + 9 * 8u < s.D) {
      O[at + 2u * 9] = vec4<oElem>(lo7_9 * share);
      O[at + 2u * 9 + 1u] = vec4<oElem>(hi7_9 * share);
    }
    if (column + 10 * 8u < s.D) {
      O[at + 2u * 10] = vec4<oElem>(lo7_10 * share);
      O[at + 2u * 10 + 1u] = vec4<oElem>(hi7_10 * share);
    }
    if (column + 11 * 8u < s.D) {
      O[at + 2u * 11] = vec4<oElem>(lo7_11 * share);
      O[at + 2u * 11 + 1u] = vec4<oElem>(hi7_11 * share);
    }
    if (column + 12 * 8u < s.D) {
      O[at + 2u * 12] = vec4<oElem>(lo7_12 * share);
      O[at + 2u * 12 + 1u] = vec4<oElem>(hi7_12 * share);
    }
    if (column + 13 * 8u < s.D) {
      O[at + 2u * 13] = vec4<oElem>(lo7_13 * share);
      O[at + 2u * 13 + 1u] = vec4<oElem>(hi7_13 * share);
    }
    if (column + 14 * 8u < s.D) {
      O[at + 2u * 14] = vec4<oElem>(lo7_14 * share);
      O[at + 2u * 14 + 1u] = vec4<oElem>(hi7_14 * share);
    }
    if (column + 15 * 8u < s.D) {
      O[at + 2u * 15] = vec4<oElem>(lo7_15 * share);
      O[at + 2u * 15 + 1u] = vec4<oElem>(hi7_15 * share);
    }
  }
}
`,
  "attention_tiled@OD=8": `const OD: u32 = 8u;
// attention_tiled.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, scores and probabilities in register tiles.
//
// Operands and strides as in attention.wgsl; all of them, in elements, are multiples of 8, so that a load
// brings eight values. A workgroup of WX × WY makes 8·WY queries of one head (x: queries, y: heads of samples).
// Invocation (x, y) scores 8 queries × 8 keys of a block of 8·WX keys, then sums up OD = D / WX columns of the
// same queries. Only probabilities and row maxima pass through workgroup memory; all sums are f32.


const NOTHING: f32 = -3e38;  // below every score, and finite: exp(NOTHING − NOTHING) would be NaN otherwise
const LOG2E: f32 = 1.4426950409;

override WX: u32 = 8u;
override WY: u32 = 4u;
override Q_TYPE: u32 = 0u;   // 0 f32, 1 f16
override KV_TYPE: u32 = 0u;
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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       Q: array<vec4u>;
@group(0) @binding(2) var<storage, read>       K: array<vec4u>;
@group(0) @binding(3) var<storage, read>       V: array<vec4u>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<vec4<oElem>>;

var<workgroup> P: array<vec4f, 16u * WX * WY>;    // [query of the workgroup][key of the block / 4]
var<workgroup> tops: array<f32, 8u * WX * WY>;    // [query][x]

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn loadQ(at: u32) -> Eight {
  if (Q_TYPE == 0u) { return Eight(bitcast<vec4f>(Q[at * 2u]), bitcast<vec4f>(Q[at * 2u + 1u])); }
  return halves(Q[at]);
}

fn loadK(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return Eight(bitcast<vec4f>(K[at * 2u]), bitcast<vec4f>(K[at * 2u + 1u])); }
  return halves(K[at]);
}

fn loadV(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return Eight(bitcast<vec4f>(V[at * 2u]), bitcast<vec4f>(V[at * 2u + 1u])); }
  return halves(V[at]);
}

/// A score with everything that changes it, in units of log₂; NOTHING where the key does not count.
fn score(dot: f32, b: u32, row: u32, key: u32, biasRow: u32) -> f32 {
  if (key >= s.Lk || (CAUSAL == 1u && key > row)) { return NOTHING; }
  if (MASK == 1u) { if (keep[b * s.Lk + key] == 0.0) { return NOTHING; } }
  var v = dot * s.scale;
  if (BIAS == 1u) { v = max(v + bias[biasRow + key], -2e38); }
  return v * LOG2E;
}

@compute @workgroup_size(WX, WY)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let b = s.b0 + group.y / s.headsHere;
  let h = s.h0 + group.y % s.headsHere;
  let m0 = local.y * 8u;                               // first query within the workgroup
  let n0 = s.q0 + group.x * 8u * WY + m0;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = (s.vFirst + b * s.vSample + h * s.vHead) / 8u + local.x * (OD / 8u);
  let D8 = s.D / 8u;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let qAt0 = (s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow) / 8u;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = NOTHING;
  var sum0 = 0.0;
  var lo0_0 = vec4f();
  var hi0_0 = vec4f();
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let qAt1 = (s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow) / 8u;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = NOTHING;
  var sum1 = 0.0;
  var lo1_0 = vec4f();
  var hi1_0 = vec4f();
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let qAt2 = (s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow) / 8u;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = NOTHING;
  var sum2 = 0.0;
  var lo2_0 = vec4f();
  var hi2_0 = vec4f();
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let qAt3 = (s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow) / 8u;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = NOTHING;
  var sum3 = 0.0;
  var lo3_0 = vec4f();
  var hi3_0 = vec4f();
  let row4 = min(n0 + 4, s.qEnd - 1u);
  let qAt4 = (s.qFirst + b * s.qSample + h * s.qHead + row4 * s.qRow) / 8u;
  let bias4 = s.biasFirst + b * s.biasSample + h * s.biasHead + row4 * s.Lk;
  var max4 = NOTHING;
  var sum4 = 0.0;
  var lo4_0 = vec4f();
  var hi4_0 = vec4f();
  let row5 = min(n0 + 5, s.qEnd - 1u);
  let qAt5 = (s.qFirst + b * s.qSample + h * s.qHead + row5 * s.qRow) / 8u;
  let bias5 = s.biasFirst + b * s.biasSample + h * s.biasHead + row5 * s.Lk;
  var max5 = NOTHING;
  var sum5 = 0.0;
  var lo5_0 = vec4f();
  var hi5_0 = vec4f();
  let row6 = min(n0 + 6, s.qEnd - 1u);
  let qAt6 = (s.qFirst + b * s.qSample + h * s.qHead + row6 * s.qRow) / 8u;
  let bias6 = s.biasFirst + b * s.biasSample + h * s.biasHead + row6 * s.Lk;
  var max6 = NOTHING;
  var sum6 = 0.0;
  var lo6_0 = vec4f();
  var hi6_0 = vec4f();
  let row7 = min(n0 + 7, s.qEnd - 1u);
  let qAt7 = (s.qFirst + b * s.qSample + h * s.qHead + row7 * s.qRow) / 8u;
  let bias7 = s.biasFirst + b * s.biasSample + h * s.biasHead + row7 * s.Lk;
  var max7 = NOTHING;
  var sum7 = 0.0;
  var lo7_0 = vec4f();
  var hi7_0 = vec4f();

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, min(s.q0 + (group.x + 1u) * 8u * WY, s.qEnd)); }  // later keys serve none
  for (var k0 = 0u; k0 < keys; k0 += 8u * WX) {
    var s0_0 = 0.0;
    var s0_1 = 0.0;
    var s0_2 = 0.0;
    var s0_3 = 0.0;
    var s0_4 = 0.0;
    var s0_5 = 0.0;
    var s0_6 = 0.0;
    var s0_7 = 0.0;
    var s1_0 = 0.0;
    var s1_1 = 0.0;
    var s1_2 = 0.0;
    var s1_3 = 0.0;
    var s1_4 = 0.0;
    var s1_5 = 0.0;
    var s1_6 = 0.0;
    var s1_7 = 0.0;
    var s2_0 = 0.0;
    var s2_1 = 0.0;
    var s2_2 = 0.0;
    var s2_3 = 0.0;
    var s2_4 = 0.0;
    var s2_5 = 0.0;
    var s2_6 = 0.0;
    var s2_7 = 0.0;
    var s3_0 = 0.0;
    var s3_1 = 0.0;
    var s3_2 = 0.0;
    var s3_3 = 0.0;
    var s3_4 = 0.0;
    var s3_5 = 0.0;
    var s3_6 = 0.0;
    var s3_7 = 0.0;
    var s4_0 = 0.0;
    var s4_1 = 0.0;
    var s4_2 = 0.0;
    var s4_3 = 0.0;
    var s4_4 = 0.0;
    var s4_5 = 0.0;
    var s4_6 = 0.0;
    var s4_7 = 0.0;
    var s5_0 = 0.0;
    var s5_1 = 0.0;
    var s5_2 = 0.0;
    var s5_3 = 0.0;
    var s5_4 = 0.0;
    var s5_5 = 0.0;
    var s5_6 = 0.0;
    var s5_7 = 0.0;
    var s6_0 = 0.0;
    var s6_1 = 0.0;
    var s6_2 = 0.0;
    var s6_3 = 0.0;
    var s6_4 = 0.0;
    var s6_5 = 0.0;
    var s6_6 = 0.0;
    var s6_7 = 0.0;
    var s7_0 = 0.0;
    var s7_1 = 0.0;
    var s7_2 = 0.0;
    var s7_3 = 0.0;
    var s7_4 = 0.0;
    var s7_5 = 0.0;
    var s7_6 = 0.0;
    var s7_7 = 0.0;
    let key0 = k0 + local.x * 8u;
    let kAt0 = (kHead + min(key0 + 0, s.Lk - 1u) * s.kRow) / 8u;
    let kAt1 = (kHead + min(key0 + 1, s.Lk - 1u) * s.kRow) / 8u;
    let kAt2 = (kHead + min(key0 + 2, s.Lk - 1u) * s.kRow) / 8u;
    let kAt3 = (kHead + min(key0 + 3, s.Lk - 1u) * s.kRow) / 8u;
    let kAt4 = (kHead + min(key0 + 4, s.Lk - 1u) * s.kRow) / 8u;
    let kAt5 = (kHead + min(key0 + 5, s.Lk - 1u) * s.kRow) / 8u;
    let kAt6 = (kHead + min(key0 + 6, s.Lk - 1u) * s.kRow) / 8u;
    let kAt7 = (kHead + min(key0 + 7, s.Lk - 1u) * s.kRow) / 8u;
    for (var c = 0u; c < D8; c++) {
      let a0 = loadQ(qAt0 + c);
      let a1 = loadQ(qAt1 + c);
      let a2 = loadQ(qAt2 + c);
      let a3 = loadQ(qAt3 + c);
      let a4 = loadQ(qAt4 + c);
      let a5 = loadQ(qAt5 + c);
      let a6 = loadQ(qAt6 + c);
      let a7 = loadQ(qAt7 + c);
      let b0 = loadK(kAt0 + c);
      s0_0 += dot(a0.lo, b0.lo) + dot(a0.hi, b0.hi);
      s1_0 += dot(a1.lo, b0.lo) + dot(a1.hi, b0.hi);
      s2_0 += dot(a2.lo, b0.lo) + dot(a2.hi, b0.hi);
      s3_0 += dot(a3.lo, b0.lo) + dot(a3.hi, b0.hi);
      s4_0 += dot(a4.lo, b0.lo) + dot(a4.hi, b0.hi);
      s5_0 += dot(a5.lo, b0.lo) + dot(a5.hi, b0.hi);
      s6_0 += dot(a6.lo, b0.lo) + dot(a6.hi, b0.hi);
      s7_0 += dot(a7.lo, b0.lo) + dot(a7.hi, b0.hi);
      let b1 = loadK(kAt1 + c);
      s0_1 += dot(a0.lo, b1.lo) + dot(a0.hi, b1.hi);
      s1_1 += dot(a1.lo, b1.lo) + dot(a1.hi, b1.hi);
      s2_1 += dot(a2.lo, b1.lo) + dot(a2.hi, b1.hi);
      s3_1 += dot(a3.lo, b1.lo) + dot(a3.hi, b1.hi);
      s4_1 += dot(a4.lo, b1.lo) + dot(a4.hi, b1.hi);
      s5_1 += dot(a5.lo, b1.lo) + dot(a5.hi, b1.hi);
      s6_1 += dot(a6.lo, b1.lo) + dot(a6.hi, b1.hi);
      s7_1 += dot(a7.lo, b1.lo) + dot(a7.hi, b1.hi);
      let b2 = loadK(kAt2 + c);
      s0_2 += dot(a0.lo, b2.lo) + dot(a0.hi, b2.hi);
      s1_2 += dot(a1.lo, b2.lo) + dot(a1.hi, b2.hi);
      s2_2 += dot(a2.lo, b2.lo) + dot(a2.hi, b2.hi);
      s3_2 += dot(a3.lo, b2.lo) + dot(a3.hi, b2.hi);
      s4_2 += dot(a4.lo, b2.lo) + dot(a4.hi, b2.hi);
      s5_2 += dot(a5.lo, b2.lo) + dot(a5.hi, b2.hi);
      s6_2 += dot(a6.lo, b2.lo) + dot(a6.hi, b2.hi);
      s7_2 += dot(a7.lo, b2.lo) + dot(a7.hi, b2.hi);
      let b3 = loadK(kAt3 + c);
      s0_3 += dot(a0.lo, b3.lo) + dot(a0.hi, b3.hi);
      s1_3 += dot(a1.lo, b3.lo) + dot(a1.hi, b3.hi);
      s2_3 += dot(a2.lo, b3.lo) + dot(a2.hi, b3.hi);
      s3_3 += dot(a3.lo, b3.lo) + dot(a3.hi, b3.hi);
      s4_3 += dot(a4.lo, b3.lo) + dot(a4.hi, b3.hi);
      s5_3 += dot(a5.lo, b3.lo) + dot(a5.hi, b3.hi);
      s6_3 += dot(a6.lo, b3.lo) + dot(a6.hi, b3.hi);
      s7_3 += dot(a7.lo, b3.lo) + dot(a7.hi, b3.hi);
      let b4 = loadK(kAt4 + c);
      s0_4 += dot(a0.lo, b4.lo) + dot(a0.hi, b4.hi);
      s1_4 += dot(a1.lo, b4.lo) + dot(a1.hi, b4.hi);
      s2_4 += dot(a2.lo, b4.lo) + dot(a2.hi, b4.hi);
      s3_4 += dot(a3.lo, b4.lo) + dot(a3.hi, b4.hi);
      s4_4 += dot(a4.lo, b4.lo) + dot(a4.hi, b4.hi);
      s5_4 += dot(a5.lo, b4.lo) + dot(a5.hi, b4.hi);
      s6_4 += dot(a6.lo, b4.lo) + dot(a6.hi, b4.hi);
      s7_4 += dot(a7.lo, b4.lo) + dot(a7.hi, b4.hi);
      let b5 = loadK(kAt5 + c);
      s0_5 += dot(a0.lo, b5.lo) + dot(a0.hi, b5.hi);
      s1_5 += dot(a1.lo, b5.lo) + dot(a1.hi, b5.hi);
      s2_5 += dot(a2.lo, b5.lo) + dot(a2.hi, b5.hi);
      s3_5 += dot(a3.lo, b5.lo) + dot(a3.hi, b5.hi);
      s4_5 += dot(a4.lo, b5.lo) + dot(a4.hi, b5.hi);
      s5_5 += dot(a5.lo, b5.lo) + dot(a5.hi, b5.hi);
      s6_5 += dot(a6.lo, b5.lo) + dot(a6.hi, b5.hi);
      s7_5 += dot(a7.lo, b5.lo) + dot(a7.hi, b5.hi);
      let b6 = loadK(kAt6 + c);
      s0_6 += dot(a0.lo, b6.lo) + dot(a0.hi, b6.hi);
      s1_6 += dot(a1.lo, b6.lo) + dot(a1.hi, b6.hi);
      s2_6 += dot(a2.lo, b6.lo) + dot(a2.hi, b6.hi);
      s3_6 += dot(a3.lo, b6.lo) + dot(a3.hi, b6.hi);
      s4_6 += dot(a4.lo, b6.lo) + dot(a4.hi, b6.hi);
      s5_6 += dot(a5.lo, b6.lo) + dot(a5.hi, b6.hi);
      s6_6 += dot(a6.lo, b6.lo) + dot(a6.hi, b6.hi);
      s7_6 += dot(a7.lo, b6.lo) + dot(a7.hi, b6.hi);
      let b7 = loadK(kAt7 + c);
      s0_7 += dot(a0.lo, b7.lo) + dot(a0.hi, b7.hi);
      s1_7 += dot(a1.lo, b7.lo) + dot(a1.hi, b7.hi);
      s2_7 += dot(a2.lo, b7.lo) + dot(a2.hi, b7.hi);
      s3_7 += dot(a3.lo, b7.lo) + dot(a3.hi, b7.hi);
      s4_7 += dot(a4.lo, b7.lo) + dot(a4.hi, b7.hi);
      s5_7 += dot(a5.lo, b7.lo) + dot(a5.hi, b7.hi);
      s6_7 += dot(a6.lo, b7.lo) + dot(a6.hi, b7.hi);
      s7_7 += dot(a7.lo, b7.lo) + dot(a7.hi, b7.hi);
    }
    s0_0 = score(s0_0, b, row0, key0 + 0, bias0);
    s0_1 = score(s0_1, b, row0, key0 + 1, bias0);
    s0_2 = score(s0_2, b, row0, key0 + 2, bias0);
    s0_3 = score(s0_3, b, row0, key0 + 3, bias0);
    s0_4 = score(s0_4, b, row0, key0 + 4, bias0);
    s0_5 = score(s0_5, b, row0, key0 + 5, bias0);
    s0_6 = score(s0_6, b, row0, key0 + 6, bias0);
    s0_7 = score(s0_7, b, row0, key0 + 7, bias0);
    tops[(m0 + 0) * WX + local.x] = max(max(max(s0_0, s0_1), max(s0_2, s0_3)), max(max(s0_4, s0_5), max(s0_6, s0_7)));
    s1_0 = score(s1_0, b, row1, key0 + 0, bias1);
    s1_1 = score(s1_1, b, row1, key0 + 1, bias1);
    s1_2 = score(s1_2, b, row1, key0 + 2, bias1);
    s1_3 = score(s1_3, b, row1, key0 + 3, bias1);
    s1_4 = score(s1_4, b, row1, key0 + 4, bias1);
    s1_5 = score(s1_5, b, row1, key0 + 5, bias1);
    s1_6 = score(s1_6, b, row1, key0 + 6, bias1);
    s1_7 = score(s1_7, b, row1, key0 + 7, bias1);
    tops[(m0 + 1) * WX + local.x] = max(max(max(s1_0, s1_1), max(s1_2, s1_3)), max(max(s1_4, s1_5), max(s1_6, s1_7)));
    s2_0 = score(s2_0, b, row2, key0 + 0, bias2);
    s2_1 = score(s2_1, b, row2, key0 + 1, bias2);
    s2_2 = score(s2_2, b, row2, key0 + 2, bias2);
    s2_3 = score(s2_3, b, row2, key0 + 3, bias2);
    s2_4 = score(s2_4, b, row2, key0 + 4, bias2);
    s2_5 = score(s2_5, b, row2, key0 + 5, bias2);
    s2_6 = score(s2_6, b, row2, key0 + 6, bias2);
    s2_7 = score(s2_7, b, row2, key0 + 7, bias2);
    tops[(m0 + 2) * WX + local.x] = max(max(max(s2_0, s2_1), max(s2_2, s2_3)), max(max(s2_4, s2_5), max(s2_6, s2_7)));
    s3_0 = score(s3_0, b, row3, key0 + 0, bias3);
    s3_1 = score(s3_1, b, row3, key0 + 1, bias3);
    s3_2 = score(s3_2, b, row3, key0 + 2, bias3);
    s3_3 = score(s3_3, b, row3, key0 + 3, bias3);
    s3_4 = score(s3_4, b, row3, key0 + 4, bias3);
    s3_5 = score(s3_5, b, row3, key0 + 5, bias3);
    s3_6 = score(s3_6, b, row3, key0 + 6, bias3);
    s3_7 = score(s3_7, b, row3, key0 + 7, bias3);
    tops[(m0 + 3) * WX + local.x] = max(max(max(s3_0, s3_1), max(s3_2, s3_3)), max(max(s3_4, s3_5), max(s3_6, s3_7)));
    s4_0 = score(s4_0, b, row4, key0 + 0, bias4);
    s4_1 = score(s4_1, b, row4, key0 + 1, bias4);
    s4_2 = score(s4_2, b, row4, key0 + 2, bias4);
    s4_3 = score(s4_3, b, row4, key0 + 3, bias4);
    s4_4 = score(s4_4, b, row4, key0 + 4, bias4);
    s4_5 = score(s4_5, b, row4, key0 + 5, bias4);
    s4_6 = score(s4_6, b, row4, key0 + 6, bias4);
    s4_7 = score(s4_7, b, row4, key0 + 7, bias4);
    tops[(m0 + 4) * WX + local.x] = max(max(max(s4_0, s4_1), max(s4_2, s4_3)), max(max(s4_4, s4_5), max(s4_6, s4_7)));
    s5_0 = score(s5_0, b, row5, key0 + 0, bias5);
    s5_1 = score(s5_1, b, row5, key0 + 1, bias5);
    s5_2 = score(s5_2, b, row5, key0 + 2, bias5);
    s5_3 = score(s5_3, b, row5, key0 + 3, bias5);
    s5_4 = score(s5_4, b, row5, key0 + 4, bias5);
    s5_5 = score(s5_5, b, row5, key0 + 5, bias5);
    s5_6 = score(s5_6, b, row5, key0 + 6, bias5);
    s5_7 = score(s5_7, b, row5, key0 + 7, bias5);
    tops[(m0 + 5) * WX + local.x] = max(max(max(s5_0, s5_1), max(s5_2, s5_3)), max(max(s5_4, s5_5), max(s5_6, s5_7)));
    s6_0 = score(s6_0, b, row6, key0 + 0, bias6);
    s6_1 = score(s6_1, b, row6, key0 + 1, bias6);
    s6_2 = score(s6_2, b, row6, key0 + 2, bias6);
    s6_3 = score(s6_3, b, row6, key0 + 3, bias6);
    s6_4 = score(s6_4, b, row6, key0 + 4, bias6);
    s6_5 = score(s6_5, b, row6, key0 + 5, bias6);
    s6_6 = score(s6_6, b, row6, key0 + 6, bias6);
    s6_7 = score(s6_7, b, row6, key0 + 7, bias6);
    tops[(m0 + 6) * WX + local.x] = max(max(max(s6_0, s6_1), max(s6_2, s6_3)), max(max(s6_4, s6_5), max(s6_6, s6_7)));
    s7_0 = score(s7_0, b, row7, key0 + 0, bias7);
    s7_1 = score(s7_1, b, row7, key0 + 1, bias7);
    s7_2 = score(s7_2, b, row7, key0 + 2, bias7);
    s7_3 = score(s7_3, b, row7, key0 + 3, bias7);
    s7_4 = score(s7_4, b, row7, key0 + 4, bias7);
    s7_5 = score(s7_5, b, row7, key0 + 5, bias7);
    s7_6 = score(s7_6, b, row7, key0 + 6, bias7);
    s7_7 = score(s7_7, b, row7, key0 + 7, bias7);
    tops[(m0 + 7) * WX + local.x] = max(max(max(s7_0, s7_1), max(s7_2, s7_3)), max(max(s7_4, s7_5), max(s7_6, s7_7)));
    workgroupBarrier();
    var top0 = max0;
    for (var t = 0u; t < WX; t++) { top0 = max(top0, tops[(m0 + 0) * WX + t]); }
    let fade0 = exp2(max0 - top0);
    max0 = top0;
    sum0 *= fade0;
    lo0_0 *= fade0;
    hi0_0 *= fade0;
    let u0 = vec4f(s0_0, s0_1, s0_2, s0_3);
    let v0 = vec4f(s0_4, s0_5, s0_6, s0_7);
    P[((m0 + 0) * WX + local.x) * 2u] = select(vec4f(), exp2(u0 - max0), u0 > vec4f(NOTHING));
    P[((m0 + 0) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v0 - max0), v0 > vec4f(NOTHING));
    var top1 = max1;
    for (var t = 0u; t < WX; t++) { top1 = max(top1, tops[(m0 + 1) * WX + t]); }
    let fade1 = exp2(max1 - top1);
    max1 = top1;
    sum1 *= fade1;
    lo1_0 *= fade1;
    hi1_0 *= fade1;
    let u1 = vec4f(s1_0, s1_1, s1_2, s1_3);
    let v1 = vec4f(s1_4, s1_5, s1_6, s1_7);
    P[((m0 + 1) * WX + local.x) * 2u] = select(vec4f(), exp2(u1 - max1), u1 > vec4f(NOTHING));
    P[((m0 + 1) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v1 - max1), v1 > vec4f(NOTHING));
    var top2 = max2;
    for (var t = 0u; t < WX; t++) { top2 = max(top2, tops[(m0 + 2) * WX + t]); }
    let fade2 = exp2(max2 - top2);
    max2 = top2;
    sum2 *= fade2;
    lo2_0 *= fade2;
    hi2_0 *= fade2;
    let u2 = vec4f(s2_0, s2_1, s2_2, s2_3);
    let v2 = vec4f(s2_4, s2_5, s2_6, s2_7);
    P[((m0 + 2) * WX + local.x) * 2u] = select(vec4f(), exp2(u2 - max2), u2 > vec4f(NOTHING));
    P[((m0 + 2) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v2 - max2), v2 > vec4f(NOTHING));
    var top3 = max3;
    for (var t = 0u; t < WX; t++) { top3 = max(top3, tops[(m0 + 3) * WX + t]); }
    let fade3 = exp2(max3 - top3);
    max3 = top3;
    sum3 *= fade3;
    lo3_0 *= fade3;
    hi3_0 *= fade3;
    let u3 = vec4f(s3_0, s3_1, s3_2, s3_3);
    let v3 = vec4f(s3_4, s3_5, s3_6, s3_7);
    P[((m0 + 3) * WX + local.x) * 2u] = select(vec4f(), exp2(u3 - max3), u3 > vec4f(NOTHING));
    P[((m0 + 3) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v3 - max3), v3 > vec4f(NOTHING));
    var top4 = max4;
    for (var t = 0u; t < WX; t++) { top4 = max(top4, tops[(m0 + 4) * WX + t]); }
    let fade4 = exp2(max4 - top4);
    max4 = top4;
    sum4 *= fade4;
    lo4_0 *= fade4;
    hi4_0 *= fade4;
    let u4 = vec4f(s4_0, s4_1, s4_2, s4_3);
    let v4 = vec4f(s4_4, s4_5, s4_6, s4_7);
    P[((m0 + 4) * WX + local.x) * 2u] = select(vec4f(), exp2(u4 - max4), u4 > vec4f(NOTHING));
    P[((m0 + 4) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v4 - max4), v4 > vec4f(NOTHING));
    var top5 = max5;
    for (var t = 0u; t < WX; t++) { top5 = max(top5, tops[(m0 + 5) * WX + t]); }
    let fade5 = exp2(max5 - top5);
    max5 = top5;
    sum5 *= fade5;
    lo5_0 *= fade5;
    hi5_0 *= fade5;
    let u5 = vec4f(s5_0, s5_1, s5_2, s5_3);
    let v5 = vec4f(s5_4, s5_5, s5_6, s5_7);
    P[((m0 + 5) * WX + local.x) * 2u] = select(vec4f(), exp2(u5 - max5), u5 > vec4f(NOTHING));
    P[((m0 + 5) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v5 - max5), v5 > vec4f(NOTHING));
    var top6 = max6;
    for (var t = 0u; t < WX; t++) { top6 = max(top6, tops[(m0 + 6) * WX + t]); }
    let fade6 = exp2(max6 - top6);
    max6 = top6;
    sum6 *= fade6;
    lo6_0 *= fade6;
    hi6_0 *= fade6;
    let u6 = vec4f(s6_0, s6_1, s6_2, s6_3);
    let v6 = vec4f(s6_4, s6_5, s6_6, s6_7);
    P[((m0 + 6) * WX + local.x) * 2u] = select(vec4f(), exp2(u6 - max6), u6 > vec4f(NOTHING));
    P[((m0 + 6) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v6 - max6), v6 > vec4f(NOTHING));
    var top7 = max7;
    for (var t = 0u; t < WX; t++) { top7 = max(top7, tops[(m0 + 7) * WX + t]); }
    let fade7 = exp2(max7 - top7);
    max7 = top7;
    sum7 *= fade7;
    lo7_0 *= fade7;
    hi7_0 *= fade7;
    let u7 = vec4f(s7_0, s7_1, s7_2, s7_3);
    let v7 = vec4f(s7_4, s7_5, s7_6, s7_7);
    P[((m0 + 7) * WX + local.x) * 2u] = select(vec4f(), exp2(u7 - max7), u7 > vec4f(NOTHING));
    P[((m0 + 7) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v7 - max7), v7 > vec4f(NOTHING));
    workgroupBarrier();
    for (var t = 0u; t < min(2u * WX, (s.Lk - k0 + 3u) / 4u); t++) {
      let p0 = P[(m0 + 0) * WX * 2u + t];
      sum0 += p0.x + p0.y + p0.z + p0.w;
      let p1 = P[(m0 + 1) * WX * 2u + t];
      sum1 += p1.x + p1.y + p1.z + p1.w;
      let p2 = P[(m0 + 2) * WX * 2u + t];
      sum2 += p2.x + p2.y + p2.z + p2.w;
      let p3 = P[(m0 + 3) * WX * 2u + t];
      sum3 += p3.x + p3.y + p3.z + p3.w;
      let p4 = P[(m0 + 4) * WX * 2u + t];
      sum4 += p4.x + p4.y + p4.z + p4.w;
      let p5 = P[(m0 + 5) * WX * 2u + t];
      sum5 += p5.x + p5.y + p5.z + p5.w;
      let p6 = P[(m0 + 6) * WX * 2u + t];
      sum6 += p6.x + p6.y + p6.z + p6.w;
      let p7 = P[(m0 + 7) * WX * 2u + t];
      sum7 += p7.x + p7.y + p7.z + p7.w;
      let at0 = vHead + min(k0 + t * 4u + 0, s.Lk - 1u) * s.vRow / 8u;
      let w0_0 = loadV(at0 + 0);
      lo0_0 = fma(vec4f(p0[0]), w0_0.lo, lo0_0);
      hi0_0 = fma(vec4f(p0[0]), w0_0.hi, hi0_0);
      lo1_0 = fma(vec4f(p1[0]), w0_0.lo, lo1_0);
      hi1_0 = fma(vec4f(p1[0]), w0_0.hi, hi1_0);
      lo2_0 = fma(vec4f(p2[0]), w0_0.lo, lo2_0);
      hi2_0 = fma(vec4f(p2[0]), w0_0.hi, hi2_0);
      lo3_0 = fma(vec4f(p3[0]), w0_0.lo, lo3_0);
      hi3_0 = fma(vec4f(p3[0]), w0_0.hi, hi3_0);
      lo4_0 = fma(vec4f(p4[0]), w0_0.lo, lo4_0);
      hi4_0 = fma(vec4f(p4[0]), w0_0.hi, hi4_0);
      lo5_0 = fma(vec4f(p5[0]), w0_0.lo, lo5_0);
      hi5_0 = fma(vec4f(p5[0]), w0_0.hi, hi5_0);
      lo6_0 = fma(vec4f(p6[0]), w0_0.lo, lo6_0);
      hi6_0 = fma(vec4f(p6[0]), w0_0.hi, hi6_0);
      lo7_0 = fma(vec4f(p7[0]), w0_0.lo, lo7_0);
      hi7_0 = fma(vec4f(p7[0]), w0_0.hi, hi7_0);
      let at1 = vHead + min(k0 + t * 4u + 1, s.Lk - 1u) * s.vRow / 8u;
      let w1_0 = loadV(at1 + 0);
      lo0_0 = fma(vec4f(p0[1]), w1_0.lo, lo0_0);
      hi0_0 = fma(vec4f(p0[1]), w1_0.hi, hi0_0);
      lo1_0 = fma(vec4f(p1[1]), w1_0.lo, lo1_0);
      hi1_0 = fma(vec4f(p1[1]), w1_0.hi, hi1_0);
      lo2_0 = fma(vec4f(p2[1]), w1_0.lo, lo2_0);
      hi2_0 = fma(vec4f(p2[1]), w1_0.hi, hi2_0);
      lo3_0 = fma(vec4f(p3[1]), w1_0.lo, lo3_0);
      hi3_0 = fma(vec4f(p3[1]), w1_0.hi, hi3_0);
      lo4_0 = fma(vec4f(p4[1]), w1_0.lo, lo4_0);
      hi4_0 = fma(vec4f(p4[1]), w1_0.hi, hi4_0);
      lo5_0 = fma(vec4f(p5[1]), w1_0.lo, lo5_0);
      hi5_0 = fma(vec4f(p5[1]), w1_0.hi, hi5_0);
      lo6_0 = fma(vec4f(p6[1]), w1_0.lo, lo6_0);
      hi6_0 = fma(vec4f(p6[1]), w1_0.hi, hi6_0);
      lo7_0 = fma(vec4f(p7[1]), w1_0.lo, lo7_0);
      hi7_0 = fma(vec4f(p7[1]), w1_0.hi, hi7_0);
      let at2 = vHead + min(k0 + t * 4u + 2, s.Lk - 1u) * s.vRow / 8u;
      let w2_0 = loadV(at2 + 0);
      lo0_0 = fma(vec4f(p0[2]), w2_0.lo, lo0_0);
      hi0_0 = fma(vec4f(p0[2]), w2_0.hi, hi0_0);
      lo1_0 = fma(vec4f(p1[2]), w2_0.lo, lo1_0);
      hi1_0 = fma(vec4f(p1[2]), w2_0.hi, hi1_0);
      lo2_0 = fma(vec4f(p2[2]), w2_0.lo, lo2_0);
      hi2_0 = fma(vec4f(p2[2]), w2_0.hi, hi2_0);
      lo3_0 = fma(vec4f(p3[2]), w2_0.lo, lo3_0);
      hi3_0 = fma(vec4f(p3[2]), w2_0.hi, hi3_0);
      lo4_0 = fma(vec4f(p4[2]), w2_0.lo, lo4_0);
      hi4_0 = fma(vec4f(p4[2]), w2_0.hi, hi4_0);
      lo5_0 = fma(vec4f(p5[2]), w2_0.lo, lo5_0);
      hi5_0 = fma(vec4f(p5[2]), w2_0.hi, hi5_0);
      lo6_0 = fma(vec4f(p6[2]), w2_0.lo, lo6_0);
      hi6_0 = fma(vec4f(p6[2]), w2_0.hi, hi6_0);
      lo7_0 = fma(vec4f(p7[2]), w2_0.lo, lo7_0);
      hi7_0 = fma(vec4f(p7[2]), w2_0.hi, hi7_0);
      let at3 = vHead + min(k0 + t * 4u + 3, s.Lk - 1u) * s.vRow / 8u;
      let w3_0 = loadV(at3 + 0);
      lo0_0 = fma(vec4f(p0[3]), w3_0.lo, lo0_0);
      hi0_0 = fma(vec4f(p0[3]), w3_0.hi, hi0_0);
      lo1_0 = fma(vec4f(p1[3]), w3_0.lo, lo1_0);
      hi1_0 = fma(vec4f(p1[3]), w3_0.hi, hi1_0);
      lo2_0 = fma(vec4f(p2[3]), w3_0.lo, lo2_0);
      hi2_0 = fma(vec4f(p2[3]), w3_0.hi, hi2_0);
      lo3_0 = fma(vec4f(p3[3]), w3_0.lo, lo3_0);
      hi3_0 = fma(vec4f(p3[3]), w3_0.hi, hi3_0);
      lo4_0 = fma(vec4f(p4[3]), w3_0.lo, lo4_0);
      hi4_0 = fma(vec4f(p4[3]), w3_0.hi, hi4_0);
      lo5_0 = fma(vec4f(p5[3]), w3_0.lo, lo5_0);
      hi5_0 = fma(vec4f(p5[3]), w3_0.hi, hi5_0);
      lo6_0 = fma(vec4f(p6[3]), w3_0.lo, lo6_0);
      hi6_0 = fma(vec4f(p6[3]), w3_0.hi, hi6_0);
      lo7_0 = fma(vec4f(p7[3]), w3_0.lo, lo7_0);
      hi7_0 = fma(vec4f(p7[3]), w3_0.hi, hi7_0);
    }
    workgroupBarrier();
  }

  if (n0 + 0 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo0_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi0_0 * share);
  }
  if (n0 + 1 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo1_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi1_0 * share);
  }
  if (n0 + 2 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo2_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi2_0 * share);
  }
  if (n0 + 3 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo3_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi3_0 * share);
  }
  if (n0 + 4 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 4) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum4, sum4 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo4_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi4_0 * share);
  }
  if (n0 + 5 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 5) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum5, sum5 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo5_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi5_0 * share);
  }
  if (n0 + 6 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 6) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum6, sum6 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo6_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi6_0 * share);
  }
  if (n0 + 7 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 7) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum7, sum7 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo7_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi7_0 * share);
  }
}
`,
  "attention_tiled@OD=16": `const OD: u32 = 16u;
// attention_tiled.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, scores and probabilities in register tiles.
//
// Operands and strides as in attention.wgsl; all of them, in elements, are multiples of 8, so that a load
// brings eight values. A workgroup of WX × WY makes 8·WY queries of one head (x: queries, y: heads of samples).
// Invocation (x, y) scores 8 queries × 8 keys of a block of 8·WX keys, then sums up OD = D / WX columns of the
// same queries. Only probabilities and row maxima pass through workgroup memory; all sums are f32.


const NOTHING: f32 = -3e38;  // below every score, and finite: exp(NOTHING − NOTHING) would be NaN otherwise
const LOG2E: f32 = 1.4426950409;

override WX: u32 = 8u;
override WY: u32 = 4u;
override Q_TYPE: u32 = 0u;   // 0 f32, 1 f16
override KV_TYPE: u32 = 0u;
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
  scale: f32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       Q: array<vec4u>;
@group(0) @binding(2) var<storage, read>       K: array<vec4u>;
@group(0) @binding(3) var<storage, read>       V: array<vec4u>;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;
@group(0) @binding(6) var<storage, read_write> O: array<vec4<oElem>>;

var<workgroup> P: array<vec4f, 16u * WX * WY>;    // [query of the workgroup][key of the block / 4]
var<workgroup> tops: array<f32, 8u * WX * WY>;    // [query][x]

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn loadQ(at: u32) -> Eight {
  if (Q_TYPE == 0u) { return Eight(bitcast<vec4f>(Q[at * 2u]), bitcast<vec4f>(Q[at * 2u + 1u])); }
  return halves(Q[at]);
}

fn loadK(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return Eight(bitcast<vec4f>(K[at * 2u]), bitcast<vec4f>(K[at * 2u + 1u])); }
  return halves(K[at]);
}

fn loadV(at: u32) -> Eight {
  if (KV_TYPE == 0u) { return Eight(bitcast<vec4f>(V[at * 2u]), bitcast<vec4f>(V[at * 2u + 1u])); }
  return halves(V[at]);
}

/// A score with everything that changes it, in units of log₂; NOTHING where the key does not count.
fn score(dot: f32, b: u32, row: u32, key: u32, biasRow: u32) -> f32 {
  if (key >= s.Lk || (CAUSAL == 1u && key > row)) { return NOTHING; }
  if (MASK == 1u) { if (keep[b * s.Lk + key] == 0.0) { return NOTHING; } }
  var v = dot * s.scale;
  if (BIAS == 1u) { v = max(v + bias[biasRow + key], -2e38); }
  return v * LOG2E;
}

@compute @workgroup_size(WX, WY)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let b = s.b0 + group.y / s.headsHere;
  let h = s.h0 + group.y % s.headsHere;
  let m0 = local.y * 8u;                               // first query within the workgroup
  let n0 = s.q0 + group.x * 8u * WY + m0;
  let kHead = s.kFirst + b * s.kSample + h * s.kHead;
  let vHead = (s.vFirst + b * s.vSample + h * s.vHead) / 8u + local.x * (OD / 8u);
  let D8 = s.D / 8u;

  // Queries beyond the edge repeat the last one and are not stored.
  let row0 = min(n0 + 0, s.qEnd - 1u);
  let qAt0 = (s.qFirst + b * s.qSample + h * s.qHead + row0 * s.qRow) / 8u;
  let bias0 = s.biasFirst + b * s.biasSample + h * s.biasHead + row0 * s.Lk;
  var max0 = NOTHING;
  var sum0 = 0.0;
  var lo0_0 = vec4f();
  var hi0_0 = vec4f();
  var lo0_1 = vec4f();
  var hi0_1 = vec4f();
  let row1 = min(n0 + 1, s.qEnd - 1u);
  let qAt1 = (s.qFirst + b * s.qSample + h * s.qHead + row1 * s.qRow) / 8u;
  let bias1 = s.biasFirst + b * s.biasSample + h * s.biasHead + row1 * s.Lk;
  var max1 = NOTHING;
  var sum1 = 0.0;
  var lo1_0 = vec4f();
  var hi1_0 = vec4f();
  var lo1_1 = vec4f();
  var hi1_1 = vec4f();
  let row2 = min(n0 + 2, s.qEnd - 1u);
  let qAt2 = (s.qFirst + b * s.qSample + h * s.qHead + row2 * s.qRow) / 8u;
  let bias2 = s.biasFirst + b * s.biasSample + h * s.biasHead + row2 * s.Lk;
  var max2 = NOTHING;
  var sum2 = 0.0;
  var lo2_0 = vec4f();
  var hi2_0 = vec4f();
  var lo2_1 = vec4f();
  var hi2_1 = vec4f();
  let row3 = min(n0 + 3, s.qEnd - 1u);
  let qAt3 = (s.qFirst + b * s.qSample + h * s.qHead + row3 * s.qRow) / 8u;
  let bias3 = s.biasFirst + b * s.biasSample + h * s.biasHead + row3 * s.Lk;
  var max3 = NOTHING;
  var sum3 = 0.0;
  var lo3_0 = vec4f();
  var hi3_0 = vec4f();
  var lo3_1 = vec4f();
  var hi3_1 = vec4f();
  let row4 = min(n0 + 4, s.qEnd - 1u);
  let qAt4 = (s.qFirst + b * s.qSample + h * s.qHead + row4 * s.qRow) / 8u;
  let bias4 = s.biasFirst + b * s.biasSample + h * s.biasHead + row4 * s.Lk;
  var max4 = NOTHING;
  var sum4 = 0.0;
  var lo4_0 = vec4f();
  var hi4_0 = vec4f();
  var lo4_1 = vec4f();
  var hi4_1 = vec4f();
  let row5 = min(n0 + 5, s.qEnd - 1u);
  let qAt5 = (s.qFirst + b * s.qSample + h * s.qHead + row5 * s.qRow) / 8u;
  let bias5 = s.biasFirst + b * s.biasSample + h * s.biasHead + row5 * s.Lk;
  var max5 = NOTHING;
  var sum5 = 0.0;
  var lo5_0 = vec4f();
  var hi5_0 = vec4f();
  var lo5_1 = vec4f();
  var hi5_1 = vec4f();
  let row6 = min(n0 + 6, s.qEnd - 1u);
  let qAt6 = (s.qFirst + b * s.qSample + h * s.qHead + row6 * s.qRow) / 8u;
  let bias6 = s.biasFirst + b * s.biasSample + h * s.biasHead + row6 * s.Lk;
  var max6 = NOTHING;
  var sum6 = 0.0;
  var lo6_0 = vec4f();
  var hi6_0 = vec4f();
  var lo6_1 = vec4f();
  var hi6_1 = vec4f();
  let row7 = min(n0 + 7, s.qEnd - 1u);
  let qAt7 = (s.qFirst + b * s.qSample + h * s.qHead + row7 * s.qRow) / 8u;
  let bias7 = s.biasFirst + b * s.biasSample + h * s.biasHead + row7 * s.Lk;
  var max7 = NOTHING;
  var sum7 = 0.0;
  var lo7_0 = vec4f();
  var hi7_0 = vec4f();
  var lo7_1 = vec4f();
  var hi7_1 = vec4f();

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, min(s.q0 + (group.x + 1u) * 8u * WY, s.qEnd)); }  // later keys serve none
  for (var k0 = 0u; k0 < keys; k0 += 8u * WX) {
    var s0_0 = 0.0;
    var s0_1 = 0.0;
    var s0_2 = 0.0;
    var s0_3 = 0.0;
    var s0_4 = 0.0;
    var s0_5 = 0.0;
    var s0_6 = 0.0;
    var s0_7 = 0.0;
    var s1_0 = 0.0;
    var s1_1 = 0.0;
    var s1_2 = 0.0;
    var s1_3 = 0.0;
    var s1_4 = 0.0;
    var s1_5 = 0.0;
    var s1_6 = 0.0;
    var s1_7 = 0.0;
    var s2_0 = 0.0;
    var s2_1 = 0.0;
    var s2_2 = 0.0;
    var s2_3 = 0.0;
    var s2_4 = 0.0;
    var s2_5 = 0.0;
    var s2_6 = 0.0;
    var s2_7 = 0.0;
    var s3_0 = 0.0;
    var s3_1 = 0.0;
    var s3_2 = 0.0;
    var s3_3 = 0.0;
    var s3_4 = 0.0;
    var s3_5 = 0.0;
    var s3_6 = 0.0;
    var s3_7 = 0.0;
    var s4_0 = 0.0;
    var s4_1 = 0.0;
    var s4_2 = 0.0;
    var s4_3 = 0.0;
    var s4_4 = 0.0;
    var s4_5 = 0.0;
    var s4_6 = 0.0;
    var s4_7 = 0.0;
    var s5_0 = 0.0;
    var s5_1 = 0.0;
    var s5_2 = 0.0;
    var s5_3 = 0.0;
    var s5_4 = 0.0;
    var s5_5 = 0.0;
    var s5_6 = 0.0;
    var s5_7 = 0.0;
    var s6_0 = 0.0;
    var s6_1 = 0.0;
    var s6_2 = 0.0;
    var s6_3 = 0.0;
    var s6_4 = 0.0;
    var s6_5 = 0.0;
    var s6_6 = 0.0;
    var s6_7 = 0.0;
    var s7_0 = 0.0;
    var s7_1 = 0.0;
    var s7_2 = 0.0;
    var s7_3 = 0.0;
    var s7_4 = 0.0;
    var s7_5 = 0.0;
    var s7_6 = 0.0;
    var s7_7 = 0.0;
    let key0 = k0 + local.x * 8u;
    let kAt0 = (kHead + min(key0 + 0, s.Lk - 1u) * s.kRow) / 8u;
    let kAt1 = (kHead + min(key0 + 1, s.Lk - 1u) * s.kRow) / 8u;
    let kAt2 = (kHead + min(key0 + 2, s.Lk - 1u) * s.kRow) / 8u;
    let kAt3 = (kHead + min(key0 + 3, s.Lk - 1u) * s.kRow) / 8u;
    let kAt4 = (kHead + min(key0 + 4, s.Lk - 1u) * s.kRow) / 8u;
    let kAt5 = (kHead + min(key0 + 5, s.Lk - 1u) * s.kRow) / 8u;
    let kAt6 = (kHead + min(key0 + 6, s.Lk - 1u) * s.kRow) / 8u;
    let kAt7 = (kHead + min(key0 + 7, s.Lk - 1u) * s.kRow) / 8u;
    for (var c = 0u; c < D8; c++) {
      let a0 = loadQ(qAt0 + c);
      let a1 = loadQ(qAt1 + c);
      let a2 = loadQ(qAt2 + c);
      let a3 = loadQ(qAt3 + c);
      let a4 = loadQ(qAt4 + c);
      let a5 = loadQ(qAt5 + c);
      let a6 = loadQ(qAt6 + c);
      let a7 = loadQ(qAt7 + c);
      let b0 = loadK(kAt0 + c);
      s0_0 += dot(a0.lo, b0.lo) + dot(a0.hi, b0.hi);
      s1_0 += dot(a1.lo, b0.lo) + dot(a1.hi, b0.hi);
      s2_0 += dot(a2.lo, b0.lo) + dot(a2.hi, b0.hi);
      s3_0 += dot(a3.lo, b0.lo) + dot(a3.hi, b0.hi);
      s4_0 += dot(a4.lo, b0.lo) + dot(a4.hi, b0.hi);
      s5_0 += dot(a5.lo, b0.lo) + dot(a5.hi, b0.hi);
      s6_0 += dot(a6.lo, b0.lo) + dot(a6.hi, b0.hi);
      s7_0 += dot(a7.lo, b0.lo) + dot(a7.hi, b0.hi);
      let b1 = loadK(kAt1 + c);
      s0_1 += dot(a0.lo, b1.lo) + dot(a0.hi, b1.hi);
      s1_1 += dot(a1.lo, b1.lo) + dot(a1.hi, b1.hi);
      s2_1 += dot(a2.lo, b1.lo) + dot(a2.hi, b1.hi);
      s3_1 += dot(a3.lo, b1.lo) + dot(a3.hi, b1.hi);
      s4_1 += dot(a4.lo, b1.lo) + dot(a4.hi, b1.hi);
      s5_1 += dot(a5.lo, b1.lo) + dot(a5.hi, b1.hi);
      s6_1 += dot(a6.lo, b1.lo) + dot(a6.hi, b1.hi);
      s7_1 += dot(a7.lo, b1.lo) + dot(a7.hi, b1.hi);
      let b2 = loadK(kAt2 + c);
      s0_2 += dot(a0.lo, b2.lo) + dot(a0.hi, b2.hi);
      s1_2 += dot(a1.lo, b2.lo) + dot(a1.hi, b2.hi);
      s2_2 += dot(a2.lo, b2.lo) + dot(a2.hi, b2.hi);
      s3_2 += dot(a3.lo, b2.lo) + dot(a3.hi, b2.hi);
      s4_2 += dot(a4.lo, b2.lo) + dot(a4.hi, b2.hi);
      s5_2 += dot(a5.lo, b2.lo) + dot(a5.hi, b2.hi);
      s6_2 += dot(a6.lo, b2.lo) + dot(a6.hi, b2.hi);
      s7_2 += dot(a7.lo, b2.lo) + dot(a7.hi, b2.hi);
      let b3 = loadK(kAt3 + c);
      s0_3 += dot(a0.lo, b3.lo) + dot(a0.hi, b3.hi);
      s1_3 += dot(a1.lo, b3.lo) + dot(a1.hi, b3.hi);
      s2_3 += dot(a2.lo, b3.lo) + dot(a2.hi, b3.hi);
      s3_3 += dot(a3.lo, b3.lo) + dot(a3.hi, b3.hi);
      s4_3 += dot(a4.lo, b3.lo) + dot(a4.hi, b3.hi);
      s5_3 += dot(a5.lo, b3.lo) + dot(a5.hi, b3.hi);
      s6_3 += dot(a6.lo, b3.lo) + dot(a6.hi, b3.hi);
      s7_3 += dot(a7.lo, b3.lo) + dot(a7.hi, b3.hi);
      let b4 = loadK(kAt4 + c);
      s0_4 += dot(a0.lo, b4.lo) + dot(a0.hi, b4.hi);
      s1_4 += dot(a1.lo, b4.lo) + dot(a1.hi, b4.hi);
      s2_4 += dot(a2.lo, b4.lo) + dot(a2.hi, b4.hi);
      s3_4 += dot(a3.lo, b4.lo) + dot(a3.hi, b4.hi);
      s4_4 += dot(a4.lo, b4.lo) + dot(a4.hi, b4.hi);
      s5_4 += dot(a5.lo, b4.lo) + dot(a5.hi, b4.hi);
      s6_4 += dot(a6.lo, b4.lo) + dot(a6.hi, b4.hi);
      s7_4 += dot(a7.lo, b4.lo) + dot(a7.hi, b4.hi);
      let b5 = loadK(kAt5 + c);
      s0_5 += dot(a0.lo, b5.lo) + dot(a0.hi, b5.hi);
      s1_5 += dot(a1.lo, b5.lo) + dot(a1.hi, b5.hi);
      s2_5 += dot(a2.lo, b5.lo) + dot(a2.hi, b5.hi);
      s3_5 += dot(a3.lo, b5.lo) + dot(a3.hi, b5.hi);
      s4_5 += dot(a4.lo, b5.lo) + dot(a4.hi, b5.hi);
      s5_5 += dot(a5.lo, b5.lo) + dot(a5.hi, b5.hi);
      s6_5 += dot(a6.lo, b5.lo) + dot(a6.hi, b5.hi);
      s7_5 += dot(a7.lo, b5.lo) + dot(a7.hi, b5.hi);
      let b6 = loadK(kAt6 + c);
      s0_6 += dot(a0.lo, b6.lo) + dot(a0.hi, b6.hi);
      s1_6 += dot(a1.lo, b6.lo) + dot(a1.hi, b6.hi);
      s2_6 += dot(a2.lo, b6.lo) + dot(a2.hi, b6.hi);
      s3_6 += dot(a3.lo, b6.lo) + dot(a3.hi, b6.hi);
      s4_6 += dot(a4.lo, b6.lo) + dot(a4.hi, b6.hi);
      s5_6 += dot(a5.lo, b6.lo) + dot(a5.hi, b6.hi);
      s6_6 += dot(a6.lo, b6.lo) + dot(a6.hi, b6.hi);
      s7_6 += dot(a7.lo, b6.lo) + dot(a7.hi, b6.hi);
      let b7 = loadK(kAt7 + c);
      s0_7 += dot(a0.lo, b7.lo) + dot(a0.hi, b7.hi);
      s1_7 += dot(a1.lo, b7.lo) + dot(a1.hi, b7.hi);
      s2_7 += dot(a2.lo, b7.lo) + dot(a2.hi, b7.hi);
      s3_7 += dot(a3.lo, b7.lo) + dot(a3.hi, b7.hi);
      s4_7 += dot(a4.lo, b7.lo) + dot(a4.hi, b7.hi);
      s5_7 += dot(a5.lo, b7.lo) + dot(a5.hi, b7.hi);
      s6_7 += dot(a6.lo, b7.lo) + dot(a6.hi, b7.hi);
      s7_7 += dot(a7.lo, b7.lo) + dot(a7.hi, b7.hi);
    }
    s0_0 = score(s0_0, b, row0, key0 + 0, bias0);
    s0_1 = score(s0_1, b, row0, key0 + 1, bias0);
    s0_2 = score(s0_2, b, row0, key0 + 2, bias0);
    s0_3 = score(s0_3, b, row0, key0 + 3, bias0);
    s0_4 = score(s0_4, b, row0, key0 + 4, bias0);
    s0_5 = score(s0_5, b, row0, key0 + 5, bias0);
    s0_6 = score(s0_6, b, row0, key0 + 6, bias0);
    s0_7 = score(s0_7, b, row0, key0 + 7, bias0);
    tops[(m0 + 0) * WX + local.x] = max(max(max(s0_0, s0_1), max(s0_2, s0_3)), max(max(s0_4, s0_5), max(s0_6, s0_7)));
    s1_0 = score(s1_0, b, row1, key0 + 0, bias1);
    s1_1 = score(s1_1, b, row1, key0 + 1, bias1);
    s1_2 = score(s1_2, b, row1, key0 + 2, bias1);
    s1_3 = score(s1_3, b, row1, key0 + 3, bias1);
    s1_4 = score(s1_4, b, row1, key0 + 4, bias1);
    s1_5 = score(s1_5, b, row1, key0 + 5, bias1);
    s1_6 = score(s1_6, b, row1, key0 + 6, bias1);
    s1_7 = score(s1_7, b, row1, key0 + 7, bias1);
    tops[(m0 + 1) * WX + local.x] = max(max(max(s1_0, s1_1), max(s1_2, s1_3)), max(max(s1_4, s1_5), max(s1_6, s1_7)));
    s2_0 = score(s2_0, b, row2, key0 + 0, bias2);
    s2_1 = score(s2_1, b, row2, key0 + 1, bias2);
    s2_2 = score(s2_2, b, row2, key0 + 2, bias2);
    s2_3 = score(s2_3, b, row2, key0 + 3, bias2);
    s2_4 = score(s2_4, b, row2, key0 + 4, bias2);
    s2_5 = score(s2_5, b, row2, key0 + 5, bias2);
    s2_6 = score(s2_6, b, row2, key0 + 6, bias2);
    s2_7 = score(s2_7, b, row2, key0 + 7, bias2);
    tops[(m0 + 2) * WX + local.x] = max(max(max(s2_0, s2_1), max(s2_2, s2_3)), max(max(s2_4, s2_5), max(s2_6, s2_7)));
    s3_0 = score(s3_0, b, row3, key0 + 0, bias3);
    s3_1 = score(s3_1, b, row3, key0 + 1, bias3);
    s3_2 = score(s3_2, b, row3, key0 + 2, bias3);
    s3_3 = score(s3_3, b, row3, key0 + 3, bias3);
    s3_4 = score(s3_4, b, row3, key0 + 4, bias3);
    s3_5 = score(s3_5, b, row3, key0 + 5, bias3);
    s3_6 = score(s3_6, b, row3, key0 + 6, bias3);
    s3_7 = score(s3_7, b, row3, key0 + 7, bias3);
    tops[(m0 + 3) * WX + local.x] = max(max(max(s3_0, s3_1), max(s3_2, s3_3)), max(max(s3_4, s3_5), max(s3_6, s3_7)));
    s4_0 = score(s4_0, b, row4, key0 + 0, bias4);
    s4_1 = score(s4_1, b, row4, key0 + 1, bias4);
    s4_2 = score(s4_2, b, row4, key0 + 2, bias4);
    s4_3 = score(s4_3, b, row4, key0 + 3, bias4);
    s4_4 = score(s4_4, b, row4, key0 + 4, bias4);
    s4_5 = score(s4_5, b, row4, key0 + 5, bias4);
    s4_6 = score(s4_6, b, row4, key0 + 6, bias4);
    s4_7 = score(s4_7, b, row4, key0 + 7, bias4);
    tops[(m0 + 4) * WX + local.x] = max(max(max(s4_0, s4_1), max(s4_2, s4_3)), max(max(s4_4, s4_5), max(s4_6, s4_7)));
    s5_0 = score(s5_0, b, row5, key0 + 0, bias5);
    s5_1 = score(s5_1, b, row5, key0 + 1, bias5);
    s5_2 = score(s5_2, b, row5, key0 + 2, bias5);
    s5_3 = score(s5_3, b, row5, key0 + 3, bias5);
    s5_4 = score(s5_4, b, row5, key0 + 4, bias5);
    s5_5 = score(s5_5, b, row5, key0 + 5, bias5);
    s5_6 = score(s5_6, b, row5, key0 + 6, bias5);
    s5_7 = score(s5_7, b, row5, key0 + 7, bias5);
    tops[(m0 + 5) * WX + local.x] = max(max(max(s5_0, s5_1), max(s5_2, s5_3)), max(max(s5_4, s5_5), max(s5_6, s5_7)));
    s6_0 = score(s6_0, b, row6, key0 + 0, bias6);
    s6_1 = score(s6_1, b, row6, key0 + 1, bias6);
    s6_2 = score(s6_2, b, row6, key0 + 2, bias6);
    s6_3 = score(s6_3, b, row6, key0 + 3, bias6);
    s6_4 = score(s6_4, b, row6, key0 + 4, bias6);
    s6_5 = score(s6_5, b, row6, key0 + 5, bias6);
    s6_6 = score(s6_6, b, row6, key0 + 6, bias6);
    s6_7 = score(s6_7, b, row6, key0 + 7, bias6);
    tops[(m0 + 6) * WX + local.x] = max(max(max(s6_0, s6_1), max(s6_2, s6_3)), max(max(s6_4, s6_5), max(s6_6, s6_7)));
    s7_0 = score(s7_0, b, row7, key0 + 0, bias7);
    s7_1 = score(s7_1, b, row7, key0 + 1, bias7);
    s7_2 = score(s7_2, b, row7, key0 + 2, bias7);
    s7_3 = score(s7_3, b, row7, key0 + 3, bias7);
    s7_4 = score(s7_4, b, row7, key0 + 4, bias7);
    s7_5 = score(s7_5, b, row7, key0 + 5, bias7);
    s7_6 = score(s7_6, b, row7, key0 + 6, bias7);
    s7_7 = score(s7_7, b, row7, key0 + 7, bias7);
    tops[(m0 + 7) * WX + local.x] = max(max(max(s7_0, s7_1), max(s7_2, s7_3)), max(max(s7_4, s7_5), max(s7_6, s7_7)));
    workgroupBarrier();
    var top0 = max0;
    for (var t = 0u; t < WX; t++) { top0 = max(top0, tops[(m0 + 0) * WX + t]); }
    let fade0 = exp2(max0 - top0);
    max0 = top0;
    sum0 *= fade0;
    lo0_0 *= fade0;
    hi0_0 *= fade0;
    lo0_1 *= fade0;
    hi0_1 *= fade0;
    let u0 = vec4f(s0_0, s0_1, s0_2, s0_3);
    let v0 = vec4f(s0_4, s0_5, s0_6, s0_7);
    P[((m0 + 0) * WX + local.x) * 2u] = select(vec4f(), exp2(u0 - max0), u0 > vec4f(NOTHING));
    P[((m0 + 0) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v0 - max0), v0 > vec4f(NOTHING));
    var top1 = max1;
    for (var t = 0u; t < WX; t++) { top1 = max(top1, tops[(m0 + 1) * WX + t]); }
    let fade1 = exp2(max1 - top1);
    max1 = top1;
    sum1 *= fade1;
    lo1_0 *= fade1;
    hi1_0 *= fade1;
    lo1_1 *= fade1;
    hi1_1 *= fade1;
    let u1 = vec4f(s1_0, s1_1, s1_2, s1_3);
    let v1 = vec4f(s1_4, s1_5, s1_6, s1_7);
    P[((m0 + 1) * WX + local.x) * 2u] = select(vec4f(), exp2(u1 - max1), u1 > vec4f(NOTHING));
    P[((m0 + 1) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v1 - max1), v1 > vec4f(NOTHING));
    var top2 = max2;
    for (var t = 0u; t < WX; t++) { top2 = max(top2, tops[(m0 + 2) * WX + t]); }
    let fade2 = exp2(max2 - top2);
    max2 = top2;
    sum2 *= fade2;
    lo2_0 *= fade2;
    hi2_0 *= fade2;
    lo2_1 *= fade2;
    hi2_1 *= fade2;
    let u2 = vec4f(s2_0, s2_1, s2_2, s2_3);
    let v2 = vec4f(s2_4, s2_5, s2_6, s2_7);
    P[((m0 + 2) * WX + local.x) * 2u] = select(vec4f(), exp2(u2 - max2), u2 > vec4f(NOTHING));
    P[((m0 + 2) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v2 - max2), v2 > vec4f(NOTHING));
    var top3 = max3;
    for (var t = 0u; t < WX; t++) { top3 = max(top3, tops[(m0 + 3) * WX + t]); }
    let fade3 = exp2(max3 - top3);
    max3 = top3;
    sum3 *= fade3;
    lo3_0 *= fade3;
    hi3_0 *= fade3;
    lo3_1 *= fade3;
    hi3_1 *= fade3;
    let u3 = vec4f(s3_0, s3_1, s3_2, s3_3);
    let v3 = vec4f(s3_4, s3_5, s3_6, s3_7);
    P[((m0 + 3) * WX + local.x) * 2u] = select(vec4f(), exp2(u3 - max3), u3 > vec4f(NOTHING));
    P[((m0 + 3) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v3 - max3), v3 > vec4f(NOTHING));
    var top4 = max4;
    for (var t = 0u; t < WX; t++) { top4 = max(top4, tops[(m0 + 4) * WX + t]); }
    let fade4 = exp2(max4 - top4);
    max4 = top4;
    sum4 *= fade4;
    lo4_0 *= fade4;
    hi4_0 *= fade4;
    lo4_1 *= fade4;
    hi4_1 *= fade4;
    let u4 = vec4f(s4_0, s4_1, s4_2, s4_3);
    let v4 = vec4f(s4_4, s4_5, s4_6, s4_7);
    P[((m0 + 4) * WX + local.x) * 2u] = select(vec4f(), exp2(u4 - max4), u4 > vec4f(NOTHING));
    P[((m0 + 4) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v4 - max4), v4 > vec4f(NOTHING));
    var top5 = max5;
    for (var t = 0u; t < WX; t++) { top5 = max(top5, tops[(m0 + 5) * WX + t]); }
    let fade5 = exp2(max5 - top5);
    max5 = top5;
    sum5 *= fade5;
    lo5_0 *= fade5;
    hi5_0 *= fade5;
    lo5_1 *= fade5;
    hi5_1 *= fade5;
    let u5 = vec4f(s5_0, s5_1, s5_2, s5_3);
    let v5 = vec4f(s5_4, s5_5, s5_6, s5_7);
    P[((m0 + 5) * WX + local.x) * 2u] = select(vec4f(), exp2(u5 - max5), u5 > vec4f(NOTHING));
    P[((m0 + 5) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v5 - max5), v5 > vec4f(NOTHING));
    var top6 = max6;
    for (var t = 0u; t < WX; t++) { top6 = max(top6, tops[(m0 + 6) * WX + t]); }
    let fade6 = exp2(max6 - top6);
    max6 = top6;
    sum6 *= fade6;
    lo6_0 *= fade6;
    hi6_0 *= fade6;
    lo6_1 *= fade6;
    hi6_1 *= fade6;
    let u6 = vec4f(s6_0, s6_1, s6_2, s6_3);
    let v6 = vec4f(s6_4, s6_5, s6_6, s6_7);
    P[((m0 + 6) * WX + local.x) * 2u] = select(vec4f(), exp2(u6 - max6), u6 > vec4f(NOTHING));
    P[((m0 + 6) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v6 - max6), v6 > vec4f(NOTHING));
    var top7 = max7;
    for (var t = 0u; t < WX; t++) { top7 = max(top7, tops[(m0 + 7) * WX + t]); }
    let fade7 = exp2(max7 - top7);
    max7 = top7;
    sum7 *= fade7;
    lo7_0 *= fade7;
    hi7_0 *= fade7;
    lo7_1 *= fade7;
    hi7_1 *= fade7;
    let u7 = vec4f(s7_0, s7_1, s7_2, s7_3);
    let v7 = vec4f(s7_4, s7_5, s7_6, s7_7);
    P[((m0 + 7) * WX + local.x) * 2u] = select(vec4f(), exp2(u7 - max7), u7 > vec4f(NOTHING));
    P[((m0 + 7) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v7 - max7), v7 > vec4f(NOTHING));
    workgroupBarrier();
    for (var t = 0u; t < min(2u * WX, (s.Lk - k0 + 3u) / 4u); t++) {
      let p0 = P[(m0 + 0) * WX * 2u + t];
      sum0 += p0.x + p0.y + p0.z + p0.w;
      let p1 = P[(m0 + 1) * WX * 2u + t];
      sum1 += p1.x + p1.y + p1.z + p1.w;
      let p2 = P[(m0 + 2) * WX * 2u + t];
      sum2 += p2.x + p2.y + p2.z + p2.w;
      let p3 = P[(m0 + 3) * WX * 2u + t];
      sum3 += p3.x + p3.y + p3.z + p3.w;
      let p4 = P[(m0 + 4) * WX * 2u + t];
      sum4 += p4.x + p4.y + p4.z + p4.w;
      let p5 = P[(m0 + 5) * WX * 2u + t];
      sum5 += p5.x + p5.y + p5.z + p5.w;
      let p6 = P[(m0 + 6) * WX * 2u + t];
      sum6 += p6.x + p6.y + p6.z + p6.w;
      let p7 = P[(m0 + 7) * WX * 2u + t];
      sum7 += p7.x + p7.y + p7.z + p7.w;
      let at0 = vHead + min(k0 + t * 4u + 0, s.Lk - 1u) * s.vRow / 8u;
      let w0_0 = loadV(at0 + 0);
      lo0_0 = fma(vec4f(p0[0]), w0_0.lo, lo0_0);
      hi0_0 = fma(vec4f(p0[0]), w0_0.hi, hi0_0);
      lo1_0 = fma(vec4f(p1[0]), w0_0.lo, lo1_0);
      hi1_0 = fma(vec4f(p1[0]), w0_0.hi, hi1_0);
      lo2_0 = fma(vec4f(p2[0]), w0_0.lo, lo2_0);
      hi2_0 = fma(vec4f(p2[0]), w0_0.hi, hi2_0);
      lo3_0 = fma(vec4f(p3[0]), w0_0.lo, lo3_0);
      hi3_0 = fma(vec4f(p3[0]), w0_0.hi, hi3_0);
      lo4_0 = fma(vec4f(p4[0]), w0_0.lo, lo4_0);
      hi4_0 = fma(vec4f(p4[0]), w0_0.hi, hi4_0);
      lo5_0 = fma(vec4f(p5[0]), w0_0.lo, lo5_0);
      hi5_0 = fma(vec4f(p5[0]), w0_0.hi, hi5_0);
      lo6_0 = fma(vec4f(p6[0]), w0_0.lo, lo6_0);
      hi6_0 = fma(vec4f(p6[0]), w0_0.hi, hi6_0);
      lo7_0 = fma(vec4f(p7[0]), w0_0.lo, lo7_0);
      hi7_0 = fma(vec4f(p7[0]), w0_0.hi, hi7_0);
      let w0_1 = loadV(at0 + 1);
      lo0_1 = fma(vec4f(p0[0]), w0_1.lo, lo0_1);
      hi0_1 = fma(vec4f(p0[0]), w0_1.hi, hi0_1);
      lo1_1 = fma(vec4f(p1[0]), w0_1.lo, lo1_1);
      hi1_1 = fma(vec4f(p1[0]), w0_1.hi, hi1_1);
      lo2_1 = fma(vec4f(p2[0]), w0_1.lo, lo2_1);
      hi2_1 = fma(vec4f(p2[0]), w0_1.hi, hi2_1);
      lo3_1 = fma(vec4f(p3[0]), w0_1.lo, lo3_1);
      hi3_1 = fma(vec4f(p3[0]), w0_1.hi, hi3_1);
      lo4_1 = fma(vec4f(p4[0]), w0_1.lo, lo4_1);
      hi4_1 = fma(vec4f(p4[0]), w0_1.hi, hi4_1);
      lo5_1 = fma(vec4f(p5[0]), w0_1.lo, lo5_1);
      hi5_1 = fma(vec4f(p5[0]), w0_1.hi, hi5_1);
      lo6_1 = fma(vec4f(p6[0]), w0_1.lo, lo6_1);
      hi6_1 = fma(vec4f(p6[0]), w0_1.hi, hi6_1);
      lo7_1 = fma(vec4f(p7[0]), w0_1.lo, lo7_1);
      hi7_1 = fma(vec4f(p7[0]), w0_1.hi, hi7_1);
      let at1 = vHead + min(k0 + t * 4u + 1, s.Lk - 1u) * s.vRow / 8u;
      let w1_0 = loadV(at1 + 0);
      lo0_0 = fma(vec4f(p0[1]), w1_0.lo, lo0_0);
      hi0_0 = fma(vec4f(p0[1]), w1_0.hi, hi0_0);
      lo1_0 = fma(vec4f(p1[1]), w1_0.lo, lo1_0);
      hi1_0 = fma(vec4f(p1[1]), w1_0.hi, hi1_0);
      lo2_0 = fma(vec4f(p2[1]), w1_0.lo, lo2_0);
      hi2_0 = fma(vec4f(p2[1]), w1_0.hi, hi2_0);
      lo3_0 = fma(vec4f(p3[1]), w1_0.lo, lo3_0);
      hi3_0 = fma(vec4f(p3[1]), w1_0.hi, hi3_0);
      lo4_0 = fma(vec4f(p4[1]), w1_0.lo, lo4_0);
      hi4_0 = fma(vec4f(p4[1]), w1_0.hi, hi4_0);
      lo5_0 = fma(vec4f(p5[1]), w1_0.lo, lo5_0);
      hi5_0 = fma(vec4f(p5[1]), w1_0.hi, hi5_0);
      lo6_0 = fma(vec4f(p6[1]), w1_0.lo, lo6_0);
      hi6_0 = fma(vec4f(p6[1]), w1_0.hi, hi6_0);
      lo7_0 = fma(vec4f(p7[1]), w1_0.lo, lo7_0);
      hi7_0 = fma(vec4f(p7[1]), w1_0.hi, hi7_0);
      let w1_1 = loadV(at1 + 1);
      lo0_1 = fma(vec4f(p0[1]), w1_1.lo, lo0_1);
      hi0_1 = fma(vec4f(p0[1]), w1_1.hi, hi0_1);
      lo1_1 = fma(vec4f(p1[1]), w1_1.lo, lo1_1);
      hi1_1 = fma(vec4f(p1[1]), w1_1.hi, hi1_1);
      lo2_1 = fma(vec4f(p2[1]), w1_1.lo, lo2_1);
      hi2_1 = fma(vec4f(p2[1]), w1_1.hi, hi2_1);
      lo3_1 = fma(vec4f(p3[1]), w1_1.lo, lo3_1);
      hi3_1 = fma(vec4f(p3[1]), w1_1.hi, hi3_1);
      lo4_1 = fma(vec4f(p4[1]), w1_1.lo, lo4_1);
      hi4_1 = fma(vec4f(p4[1]), w1_1.hi, hi4_1);
      lo5_1 = fma(vec4f(p5[1]), w1_1.lo, lo5_1);
      hi5_1 = fma(vec4f(p5[1]), w1_1.hi, hi5_1);
      lo6_1 = fma(vec4f(p6[1]), w1_1.lo, lo6_1);
      hi6_1 = fma(vec4f(p6[1]), w1_1.hi, hi6_1);
      lo7_1 = fma(vec4f(p7[1]), w1_1.lo, lo7_1);
      hi7_1 = fma(vec4f(p7[1]), w1_1.hi, hi7_1);
      let at2 = vHead + min(k0 + t * 4u + 2, s.Lk - 1u) * s.vRow / 8u;
      let w2_0 = loadV(at2 + 0);
      lo0_0 = fma(vec4f(p0[2]), w2_0.lo, lo0_0);
      hi0_0 = fma(vec4f(p0[2]), w2_0.hi, hi0_0);
      lo1_0 = fma(vec4f(p1[2]), w2_0.lo, lo1_0);
      hi1_0 = fma(vec4f(p1[2]), w2_0.hi, hi1_0);
      lo2_0 = fma(vec4f(p2[2]), w2_0.lo, lo2_0);
      hi2_0 = fma(vec4f(p2[2]), w2_0.hi, hi2_0);
      lo3_0 = fma(vec4f(p3[2]), w2_0.lo, lo3_0);
      hi3_0 = fma(vec4f(p3[2]), w2_0.hi, hi3_0);
      lo4_0 = fma(vec4f(p4[2]), w2_0.lo, lo4_0);
      hi4_0 = fma(vec4f(p4[2]), w2_0.hi, hi4_0);
      lo5_0 = fma(vec4f(p5[2]), w2_0.lo, lo5_0);
      hi5_0 = fma(vec4f(p5[2]), w2_0.hi, hi5_0);
      lo6_0 = fma(vec4f(p6[2]), w2_0.lo, lo6_0);
      hi6_0 = fma(vec4f(p6[2]), w2_0.hi, hi6_0);
      lo7_0 = fma(vec4f(p7[2]), w2_0.lo, lo7_0);
      hi7_0 = fma(vec4f(p7[2]), w2_0.hi, hi7_0);
      let w2_1 = loadV(at2 + 1);
      lo0_1 = fma(vec4f(p0[2]), w2_1.lo, lo0_1);
      hi0_1 = fma(vec4f(p0[2]), w2_1.hi, hi0_1);
      lo1_1 = fma(vec4f(p1[2]), w2_1.lo, lo1_1);
      hi1_1 = fma(vec4f(p1[2]), w2_1.hi, hi1_1);
      lo2_1 = fma(vec4f(p2[2]), w2_1.lo, lo2_1);
      hi2_1 = fma(vec4f(p2[2]), w2_1.hi, hi2_1);
      lo3_1 = fma(vec4f(p3[2]), w2_1.lo, lo3_1);
      hi3_1 = fma(vec4f(p3[2]), w2_1.hi, hi3_1);
      lo4_1 = fma(vec4f(p4[2]), w2_1.lo, lo4_1);
      hi4_1 = fma(vec4f(p4[2]), w2_1.hi, hi4_1);
      lo5_1 = fma(vec4f(p5[2]), w2_1.lo, lo5_1);
      hi5_1 = fma(vec4f(p5[2]), w2_1.hi, hi5_1);
      lo6_1 = fma(vec4f(p6[2]), w2_1.lo, lo6_1);
      hi6_1 = fma(vec4f(p6[2]), w2_1.hi, hi6_1);
      lo7_1 = fma(vec4f(p7[2]), w2_1.lo, lo7_1);
      hi7_1 = fma(vec4f(p7[2]), w2_1.hi, hi7_1);
      let at3 = vHead + min(k0 + t * 4u + 3, s.Lk - 1u) * s.vRow / 8u;
      let w3_0 = loadV(at3 + 0);
      lo0_0 = fma(vec4f(p0[3]), w3_0.lo, lo0_0);
      hi0_0 = fma(vec4f(p0[3]), w3_0.hi, hi0_0);
      lo1_0 = fma(vec4f(p1[3]), w3_0.lo, lo1_0);
      hi1_0 = fma(vec4f(p1[3]), w3_0.hi, hi1_0);
      lo2_0 = fma(vec4f(p2[3]), w3_0.lo, lo2_0);
      hi2_0 = fma(vec4f(p2[3]), w3_0.hi, hi2_0);
      lo3_0 = fma(vec4f(p3[3]), w3_0.lo, lo3_0);
      hi3_0 = fma(vec4f(p3[3]), w3_0.hi, hi3_0);
      lo4_0 = fma(vec4f(p4[3]), w3_0.lo, lo4_0);
      hi4_0 = fma(vec4f(p4[3]), w3_0.hi, hi4_0);
      lo5_0 = fma(vec4f(p5[3]), w3_0.lo, lo5_0);
      hi5_0 = fma(vec4f(p5[3]), w3_0.hi, hi5_0);
      lo6_0 = fma(vec4f(p6[3]), w3_0.lo, lo6_0);
      hi6_0 = fma(vec4f(p6[3]), w3_0.hi, hi6_0);
      lo7_0 = fma(vec4f(p7[3]), w3_0.lo, lo7_0);
      hi7_0 = fma(vec4f(p7[3]), w3_0.hi, hi7_0);
      let w3_1 = loadV(at3 + 1);
      lo0_1 = fma(vec4f(p0[3]), w3_1.lo, lo0_1);
      hi0_1 = fma(vec4f(p0[3]), w3_1.hi, hi0_1);
      lo1_1 = fma(vec4f(p1[3]), w3_1.lo, lo1_1);
      hi1_1 = fma(vec4f(p1[3]), w3_1.hi, hi1_1);
      lo2_1 = fma(vec4f(p2[3]), w3_1.lo, lo2_1);
      hi2_1 = fma(vec4f(p2[3]), w3_1.hi, hi2_1);
      lo3_1 = fma(vec4f(p3[3]), w3_1.lo, lo3_1);
      hi3_1 = fma(vec4f(p3[3]), w3_1.hi, hi3_1);
      lo4_1 = fma(vec4f(p4[3]), w3_1.lo, lo4_1);
      hi4_1 = fma(vec4f(p4[3]), w3_1.hi, hi4_1);
      lo5_1 = fma(vec4f(p5[3]), w3_1.lo, lo5_1);
      hi5_1 = fma(vec4f(p5[3]), w3_1.hi, hi5_1);
      lo6_1 = fma(vec4f(p6[3]), w3_1.lo, lo6_1);
      hi6_1 = fma(vec4f(p6[3]), w3_1.hi, hi6_1);
      lo7_1 = fma(vec4f(p7[3]), w3_1.lo, lo7_1);
      hi7_1 = fma(vec4f(p7[3]), w3_1.hi, hi7_1);
    }
    workgroupBarrier();
  }

  if (n0 + 0 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 0) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum0, sum0 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo0_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi0_0 * share);
    O[at + 2u * 1] = vec4<oElem>(lo0_1 * share);
    O[at + 2u * 1 + 1u] = vec4<oElem>(hi0_1 * share);
  }
  if (n0 + 1 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 1) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum1, sum1 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo1_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi1_0 * share);
    O[at + 2u * 1] = vec4<oElem>(lo1_1 * share);
    O[at + 2u * 1 + 1u] = vec4<oElem>(hi1_1 * share);
  }
  if (n0 + 2 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 2) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum2, sum2 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo2_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi2_0 * share);
    O[at + 2u * 1] = vec4<oElem>(lo2_1 * share);
    O[at + 2u * 1 + 1u] = vec4<oElem>(hi2_1 * share);
  }
  if (n0 + 3 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 3) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum3, sum3 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo3_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi3_0 * share);
    O[at + 2u * 1] = vec4<oElem>(lo3_1 * share);
    O[at + 2u * 1 + 1u] = vec4<oElem>(hi3_1 * share);
  }
  if (n0 + 4 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 4) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum4, sum4 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo4_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi4_0 * share);
    O[at + 2u * 1] = vec4<oElem>(lo4_1 * share);
    O[at + 2u * 1 + 1u] = vec4<oElem>(hi4_1 * share);
  }
  if (n0 + 5 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 5) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum5, sum5 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo5_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi5_0 * share);
    O[at + 2u * 1] = vec4<oElem>(lo5_1 * share);
    O[at + 2u * 1 + 1u] = vec4<oElem>(hi5_1 * share);
  }
  if (n0 + 6 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 6) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum6, sum6 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo6_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi6_0 * share);
    O[at + 2u * 1] = vec4<oElem>(lo6_1 * share);
    O[at + 2u * 1 + 1u] = vec4<oElem>(hi6_1 * share);
  }
  if (n0 + 7 < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + 7) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum7, sum7 > 0.0);
    O[at + 2u * 0] = vec4<oElem>(lo7_0 * share);
    O[at + 2u * 0 + 1u] = vec4<oElem>(hi7_0 * share);
    O[at + 2u * 1] = vec4<oElem>(lo7_1 * share);
    O[at + 2u * 1 + 1u] = vec4<oElem>(hi7_1 * share);
  }
}
`,
  "conv@TEXELS=0": `const TEXELS: u32 = 0u;
// conv.wgsl — convolution of any kernel size, stride and padding: 4 neighbouring pixels × 8 channels an invocation.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [kh·kw, Ci, Co8]     f32 or f16 by W_TYPE, output channels padded to 8
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// TRANSPOSED reads x where (o + pad − tap) divides by the stride, as torch's conv_transpose2d.


override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override W_TYPE: u32 = 0u;
override UP: u32 = 1u;
override STRIDE: u32 = 1u;
override KH: u32 = 3u;
override KW: u32 = 3u;
override TRANSPOSED: u32 = 0u;

struct Shape {
  H: u32, W: u32, C4: u32, Co: u32, Co8: u32, Ho: u32, Wo: u32, tiles: u32,
  padY: i32, padX: i32, y0: u32, rows: u32,
  xRow: u32, yRow: u32, rRow: u32, b: u32,
  across: u32,   // invocations of a workgroup along the channels; the others of the 64 along the pixels
  act: u32,      // as in matmul.wgsl
  bias: u32,     // 1 bias, 2 channelBias, 3 both
  add: u32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4<xElem>>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xFour(at: u32) -> vec4f { return vec4f(X[at]); }
fn wBits(at: u32) -> vec4u { return W[at]; }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       channelBias: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

fn activate(x: f32) -> f32 {
  switch s.act {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

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

fn weights(k: u32, n: u32, half: u32) -> vec4f {
  let at = (k * s.Co8 + n) / 8u;
  if (W_TYPE == 0u) { return bitcast<vec4f>(wBits(at * 2u + half)); }
  let v = wBits(at);
  let pair = select(v.xy, v.zw, half == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}

fn finish(x: u32, y: u32, n: u32, sum: vec4f) {
  if (x >= s.Wo) { return; }
  let yAt = ((y - s.yRow) * s.Wo + x) * s.Co + n;
  let rAt = ((y - s.rRow) * s.Wo + x) * s.Co + n;
  for (var i = 0u; i < 4u && n + i < s.Co; i++) {
    var v = sum[i];
    if ((s.bias & 1u) != 0u) { v += bias[n + i]; }
    if ((s.bias & 2u) != 0u) { v += channelBias[s.b * s.Co + n + i]; }
    v = activate(v);
    if (s.add == 1u) { v += f32(R[rAt + i]); }
    Y[yAt + i] = yElem(v);
  }
}

// One axis: drivers that run on a CPU fill their vectors along x only.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = vec2u(group.x * s.across + lane % s.across, group.y * (64u / s.across) + lane / s.across);
  let n = id.x * 8u;
  let y = s.y0 + id.y / s.tiles;
  let x = (id.y % s.tiles) * 4u;
  if (n >= s.Co || y >= s.y0 + s.rows) { return; }

  var a0 = vec4f();
  var b0 = vec4f();
  var a1 = vec4f();
  var b1 = vec4f();
  var a2 = vec4f();
  var b2 = vec4f();
  var a3 = vec4f();
  var b3 = vec4f();
  for (var ky = 0u; ky < KH; ky++) {
    let row = source(y, ky, s.padY, s.H);
    if (row < 0) { continue; }
    let line = (u32(row) - s.xRow) * s.W;
    for (var kx = 0u; kx < KW; kx++) {
      let c0 = source(x + 0, kx, s.padX, s.W);
      let x0 = (line + u32(max(c0, 0))) * s.C4;
      let c1 = source(x + 1, kx, s.padX, s.W);
      let x1 = (line + u32(max(c1, 0))) * s.C4;
      let c2 = source(x + 2, kx, s.padX, s.W);
      let x2 = (line + u32(max(c2, 0))) * s.C4;
      let c3 = source(x + 3, kx, s.padX, s.W);
      let x3 = (line + u32(max(c3, 0))) * s.C4;
      for (var c = 0u; c < s.C4; c++) {
        let v0 = select(vec4f(), xFour(x0 + c), c0 >= 0);
        let v1 = select(vec4f(), xFour(x1 + c), c1 >= 0);
        let v2 = select(vec4f(), xFour(x2 + c), c2 >= 0);
        let v3 = select(vec4f(), xFour(x3 + c), c3 >= 0);
        let k = ((ky * KW + kx) * s.C4 + c) * 4u;
        let u0 = weights(k + 0, n, 0u);
        let w0 = weights(k + 0, n, 1u);
        a0 = fma(vec4f(v0[0]), u0, a0);
        b0 = fma(vec4f(v0[0]), w0, b0);
        a1 = fma(vec4f(v1[0]), u0, a1);
        b1 = fma(vec4f(v1[0]), w0, b1);
        a2 = fma(vec4f(v2[0]), u0, a2);
        b2 = fma(vec4f(v2[0]), w0, b2);
        a3 = fma(vec4f(v3[0]), u0, a3);
        b3 = fma(vec4f(v3[0]), w0, b3);
        let u1 = weights(k + 1, n, 0u);
        let w1 = weights(k + 1, n, 1u);
        a0 = fma(vec4f(v0[1]), u1, a0);
        b0 = fma(vec4f(v0[1]), w1, b0);
        a1 = fma(vec4f(v1[1]), u1, a1);
        b1 = fma(vec4f(v1[1]), w1, b1);
        a2 = fma(vec4f(v2[1]), u1, a2);
        b2 = fma(vec4f(v2[1]), w1, b2);
        a3 = fma(vec4f(v3[1]), u1, a3);
        b3 = fma(vec4f(v3[1]), w1, b3);
        let u2 = weights(k + 2, n, 0u);
        let w2 = weights(k + 2, n, 1u);
        a0 = fma(vec4f(v0[2]), u2, a0);
        b0 = fma(vec4f(v0[2]), w2, b0);
        a1 = fma(vec4f(v1[2]), u2, a1);
        b1 = fma(vec4f(v1[2]), w2, b1);
        a2 = fma(vec4f(v2[2]), u2, a2);
        b2 = fma(vec4f(v2[2]), w2, b2);
        a3 = fma(vec4f(v3[2]), u2, a3);
        b3 = fma(vec4f(v3[2]), w2, b3);
        let u3 = weights(k + 3, n, 0u);
        let w3 = weights(k + 3, n, 1u);
        a0 = fma(vec4f(v0[3]), u3, a0);
        b0 = fma(vec4f(v0[3]), w3, b0);
        a1 = fma(vec4f(v1[3]), u3, a1);
        b1 = fma(vec4f(v1[3]), w3, b1);
        a2 = fma(vec4f(v2[3]), u3, a2);
        b2 = fma(vec4f(v2[3]), w3, b2);
        a3 = fma(vec4f(v3[3]), u3, a3);
        b3 = fma(vec4f(v3[3]), w3, b3);
      }
    }
  }
  finish(x + 0, y, n, a0);
  finish(x + 0, y, n + 4u, b0);
  finish(x + 1, y, n, a1);
  finish(x + 1, y, n + 4u, b1);
  finish(x + 2, y, n, a2);
  finish(x + 2, y, n + 4u, b2);
  finish(x + 3, y, n, a3);
  finish(x + 3, y, n + 4u, b3);
}
`,
  "conv@TEXELS=1": `const TEXELS: u32 = 1u;
// conv.wgsl — convolution of any kernel size, stride and padding: 4 neighbouring pixels × 8 channels an invocation.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [kh·kw, Ci, Co8]     f32 or f16 by W_TYPE, output channels padded to 8
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// TRANSPOSED reads x where (o + pad − tap) divides by the stride, as torch's conv_transpose2d.


override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override W_TYPE: u32 = 0u;
override UP: u32 = 1u;
override STRIDE: u32 = 1u;
override KH: u32 = 3u;
override KW: u32 = 3u;
override TRANSPOSED: u32 = 0u;

struct Shape {
  H: u32, W: u32, C4: u32, Co: u32, Co8: u32, Ho: u32, Wo: u32, tiles: u32,
  padY: i32, padX: i32, y0: u32, rows: u32,
  xRow: u32, yRow: u32, rRow: u32, b: u32,
  across: u32,   // invocations of a workgroup along the channels; the others of the 64 along the pixels
  act: u32,      // as in matmul.wgsl
  bias: u32,     // 1 bias, 2 channelBias, 3 both
  add: u32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      W: texture_2d<u32>;
fn wBits(at: u32) -> vec4u { return textureLoad(W, vec2u(at & 2047u, at >> 11u), 0); }
fn xFour(at: u32) -> vec4f {  // four f32 a texel, or eight f16
  let texel = select(at, at >> 1u, X_TYPE == 1u);
  let bits = textureLoad(X, vec2u(texel & 2047u, texel >> 11u), 0);
  if (X_TYPE == 0u) { return bitcast<vec4f>(bits); }
  let pair = select(bits.xy, bits.zw, (at & 1u) == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       channelBias: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

fn activate(x: f32) -> f32 {
  switch s.act {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

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

fn weights(k: u32, n: u32, half: u32) -> vec4f {
  let at = (k * s.Co8 + n) / 8u;
  if (W_TYPE == 0u) { return bitcast<vec4f>(wBits(at * 2u + half)); }
  let v = wBits(at);
  let pair = select(v.xy, v.zw, half == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}

fn finish(x: u32, y: u32, n: u32, sum: vec4f) {
  if (x >= s.Wo) { return; }
  let yAt = ((y - s.yRow) * s.Wo + x) * s.Co + n;
  let rAt = ((y - s.rRow) * s.Wo + x) * s.Co + n;
  for (var i = 0u; i < 4u && n + i < s.Co; i++) {
    var v = sum[i];
    if ((s.bias & 1u) != 0u) { v += bias[n + i]; }
    if ((s.bias & 2u) != 0u) { v += channelBias[s.b * s.Co + n + i]; }
    v = activate(v);
    if (s.add == 1u) { v += f32(R[rAt + i]); }
    Y[yAt + i] = yElem(v);
  }
}

// One axis: drivers that run on a CPU fill their vectors along x only.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = vec2u(group.x * s.across + lane % s.across, group.y * (64u / s.across) + lane / s.across);
  let n = id.x * 8u;
  let y = s.y0 + id.y / s.tiles;
  let x = (id.y % s.tiles) * 4u;
  if (n >= s.Co || y >= s.y0 + s.rows) { return; }

  var a0 = vec4f();
  var b0 = vec4f();
  var a1 = vec4f();
  var b1 = vec4f();
  var a2 = vec4f();
  var b2 = vec4f();
  var a3 = vec4f();
  var b3 = vec4f();
  for (var ky = 0u; ky < KH; ky++) {
    let row = source(y, ky, s.padY, s.H);
    if (row < 0) { continue; }
    let line = (u32(row) - s.xRow) * s.W;
    for (var kx = 0u; kx < KW; kx++) {
      let c0 = source(x + 0, kx, s.padX, s.W);
      let x0 = (line + u32(max(c0, 0))) * s.C4;
      let c1 = source(x + 1, kx, s.padX, s.W);
      let x1 = (line + u32(max(c1, 0))) * s.C4;
      let c2 = source(x + 2, kx, s.padX, s.W);
      let x2 = (line + u32(max(c2, 0))) * s.C4;
      let c3 = source(x + 3, kx, s.padX, s.W);
      let x3 = (line + u32(max(c3, 0))) * s.C4;
      for (var c = 0u; c < s.C4; c++) {
        let v0 = select(vec4f(), xFour(x0 + c), c0 >= 0);
        let v1 = select(vec4f(), xFour(x1 + c), c1 >= 0);
        let v2 = select(vec4f(), xFour(x2 + c), c2 >= 0);
        let v3 = select(vec4f(), xFour(x3 + c), c3 >= 0);
        let k = ((ky * KW + kx) * s.C4 + c) * 4u;
        let u0 = weights(k + 0, n, 0u);
        let w0 = weights(k + 0, n, 1u);
        a0 = fma(vec4f(v0[0]), u0, a0);
        b0 = fma(vec4f(v0[0]), w0, b0);
        a1 = fma(vec4f(v1[0]), u0, a1);
        b1 = fma(vec4f(v1[0]), w0, b1);
        a2 = fma(vec4f(v2[0]), u0, a2);
        b2 = fma(vec4f(v2[0]), w0, b2);
        a3 = fma(vec4f(v3[0]), u0, a3);
        b3 = fma(vec4f(v3[0]), w0, b3);
        let u1 = weights(k + 1, n, 0u);
        let w1 = weights(k + 1, n, 1u);
        a0 = fma(vec4f(v0[1]), u1, a0);
        b0 = fma(vec4f(v0[1]), w1, b0);
        a1 = fma(vec4f(v1[1]), u1, a1);
        b1 = fma(vec4f(v1[1]), w1, b1);
        a2 = fma(vec4f(v2[1]), u1, a2);
        b2 = fma(vec4f(v2[1]), w1, b2);
        a3 = fma(vec4f(v3[1]), u1, a3);
        b3 = fma(vec4f(v3[1]), w1, b3);
        let u2 = weights(k + 2, n, 0u);
        let w2 = weights(k + 2, n, 1u);
        a0 = fma(vec4f(v0[2]), u2, a0);
        b0 = fma(vec4f(v0[2]), w2, b0);
        a1 = fma(vec4f(v1[2]), u2, a1);
        b1 = fma(vec4f(v1[2]), w2, b1);
        a2 = fma(vec4f(v2[2]), u2, a2);
        b2 = fma(vec4f(v2[2]), w2, b2);
        a3 = fma(vec4f(v3[2]), u2, a3);
        b3 = fma(vec4f(v3[2]), w2, b3);
        let u3 = weights(k + 3, n, 0u);
        let w3 = weights(k + 3, n, 1u);
        a0 = fma(vec4f(v0[3]), u3, a0);
        b0 = fma(vec4f(v0[3]), w3, b0);
        a1 = fma(vec4f(v1[3]), u3, a1);
        b1 = fma(vec4f(v1[3]), w3, b1);
        a2 = fma(vec4f(v2[3]), u3, a2);
        b2 = fma(vec4f(v2[3]), w3, b2);
        a3 = fma(vec4f(v3[3]), u3, a3);
        b3 = fma(vec4f(v3[3]), w3, b3);
      }
    }
  }
  finish(x + 0, y, n, a0);
  finish(x + 0, y, n + 4u, b0);
  finish(x + 1, y, n, a1);
  finish(x + 1, y, n + 4u, b1);
  finish(x + 2, y, n, a2);
  finish(x + 2, y, n + 4u, b2);
  finish(x + 3, y, n, a3);
  finish(x + 3, y, n + 4u, b3);
}
`,
  "conv3x3@V=1,TEXELS=0,PX=8,ROWS=1": `const V: u32 = 1u;
const TEXELS: u32 = 0u;
const PX: u32 = 8u;
const ROWS: u32 = 1u;
// conv3x3.wgsl — 3×3 convolution, stride 1: each invocation makes PX neighbouring pixels of ROWS rows × 8 channels.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [9, Ci, Co8]         f32 or f16 by W_TYPE: tap, input channel, output channels padded to 8
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// The PX + 2 input columns of a row serve all three taps of that row, so a loaded value is used up to 24 times, and a
// weight PX · ROWS times.
// UP = 2 reads the picture as if every pixel stood twice in both directions (nearest upsampling).


override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16
override UP: u32 = 1u;

struct Shape {
  H: u32, W: u32, C4: u32, Co: u32, Co8: u32, Ho: u32, Wo: u32, tiles: u32,
  padY: i32, padX: i32, y0: u32, rows: u32,    // output rows y0 … y0 + rows of one sample
  xRow: u32, yRow: u32, rRow: u32, b: u32,     // first bound rows of X, Y, R; the sample
  across: u32,   // invocations of a workgroup along the channels; the others of the 64 along the pixels
  act: u32,      // as in matmul.wgsl
  bias: u32,     // 1 bias, 2 channelBias, 3 both
  add: u32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4<xElem>>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xFour(at: u32) -> vec4f { return vec4f(X[at]); }
fn wBits(at: u32) -> vec4u { return W[at]; }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       channelBias: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<vec4<rElem>>;
@group(0) @binding(6) var<storage, read_write> Y: array<vec4<yElem>>;

fn activate(x: f32) -> f32 {
  switch s.act {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

/// Input channels 4·c … of virtual row y and column x; zero outside.
fn pixel(y: i32, x: i32, c: u32) -> vec4f {
  let inside = y >= 0 && y < i32(s.H * UP) && x >= 0 && x < i32(s.W * UP);
  let row = u32(clamp(y, 0, i32(s.H * UP) - 1)) / UP;
  let col = u32(clamp(x, 0, i32(s.W * UP) - 1)) / UP;
  return select(vec4f(), xFour(((row - s.xRow) * s.W + col) * s.C4 + c), inside);
}

struct Eight { lo: vec4f, hi: vec4f }

/// Weights of input row k (tap · Ci + channel) for eight output channels from n on.
fn weights(k: u32, n: u32) -> Eight {
  let at = (k * s.Co8 + n) / 8u;
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn finish(x: u32, y: u32, n: u32, sum: vec4f) {
  if (x >= s.Wo || y >= s.y0 + s.rows || n >= s.Co) { return; }
  let yAt = ((y - s.yRow) * s.Wo + x) * s.Co + n;
  let rAt = ((y - s.rRow) * s.Wo + x) * s.Co + n;
  var v = sum;
  for (var i = 0u; i < 4u; i++) {
    let c = min(n + i, s.Co - 1u);
    if ((s.bias & 1u) != 0u) { v[i] += bias[c]; }
    if ((s.bias & 2u) != 0u) { v[i] += channelBias[s.b * s.Co + c]; }
    v[i] = activate(v[i]);
  }
  if (s.add == 1u) { v += vec4f(R[rAt / 4u]); }
  Y[yAt / 4u] = vec4<yElem>(v);
}

// One axis: drivers that run on a CPU fill their vectors along x only.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = vec2u(group.x * s.across + lane % s.across, group.y * (64u / s.across) + lane / s.across);
  let n = id.x * 8u;
  let y = s.y0 + id.y / s.tiles * ROWS;
  let x = (id.y % s.tiles) * PX;
  if (n >= s.Co || y >= s.y0 + s.rows) { return; }
  let left = i32(x) - s.padX;

  var a0_0 = vec4f();
  var b0_0 = vec4f();
  var a0_1 = vec4f();
  var b0_1 = vec4f();
  var a0_2 = vec4f();
  var b0_2 = vec4f();
  var a0_3 = vec4f();
  var b0_3 = vec4f();
  var a0_4 = vec4f();
  var b0_4 = vec4f();
  var a0_5 = vec4f();
  var b0_5 = vec4f();
  var a0_6 = vec4f();
  var b0_6 = vec4f();
  var a0_7 = vec4f();
  var b0_7 = vec4f();
  for (var ky = 0u; ky < 3u; ky++) {
    let row = i32(y + ky) - s.padY;
    if (row + i32(ROWS) <= 0 || row >= i32(s.H * UP)) { continue; }
    for (var c = 0u; c < s.C4; c++) {
      // Indexed by constants only: after unrolling, every element is a register.
      var cols0: array<vec4f, PX + 2u>;
      cols0[0] = pixel(row + 0, left + 0, c);
      cols0[1] = pixel(row + 0, left + 1, c);
      cols0[2] = pixel(row + 0, left + 2, c);
      cols0[3] = pixel(row + 0, left + 3, c);
      cols0[4] = pixel(row + 0, left + 4, c);
      cols0[5] = pixel(row + 0, left + 5, c);
      cols0[6] = pixel(row + 0, left + 6, c);
      cols0[7] = pixel(row + 0, left + 7, c);
      cols0[8] = pixel(row + 0, left + 8, c);
      cols0[9] = pixel(row + 0, left + 9, c);
      let w0_0 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][0]), w0_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][0]), w0_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][0]), w0_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][0]), w0_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][0]), w0_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][0]), w0_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][0]), w0_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][0]), w0_0.hi, b0_7);
      let w0_1 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][1]), w0_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][1]), w0_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][1]), w0_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][1]), w0_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][1]), w0_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][1]), w0_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][1]), w0_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][1]), w0_1.hi, b0_7);
      let w0_2 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][2]), w0_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][2]), w0_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][2]), w0_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][2]), w0_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][2]), w0_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][2]), w0_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][2]), w0_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][2]), w0_2.hi, b0_7);
      let w0_3 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][3]), w0_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][3]), w0_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][3]), w0_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][3]), w0_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][3]), w0_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][3]), w0_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][3]), w0_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][3]), w0_3.hi, b0_7);
      let w1_0 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][0]), w1_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][0]), w1_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][0]), w1_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][0]), w1_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][0]), w1_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][0]), w1_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][0]), w1_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][0]), w1_0.hi, b0_7);
      let w1_1 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][1]), w1_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][1]), w1_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][1]), w1_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][1]), w1_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][1]), w1_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][1]), w1_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][1]), w1_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][1]), w1_1.hi, b0_7);
      let w1_2 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][2]), w1_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][2]), w1_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][2]), w1_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][2]), w1_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][2]), w1_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][2]), w1_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][2]), w1_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][2]), w1_2.hi, b0_7);
      let w1_3 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][3]), w1_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][3]), w1_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][3]), w1_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][3]), w1_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][3]), w1_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][3]), w1_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][3]), w1_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][3]), w1_3.hi, b0_7);
      let w2_0 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][0]), w2_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][0]), w2_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][0]), w2_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][0]), w2_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][0]), w2_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][0]), w2_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][0]), w2_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][0]), w2_0.hi, b0_7);
      let w2_1 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][1]), w2_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][1]), w2_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][1]), w2_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][1]), w2_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][1]), w2_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][1]), w2_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][1]), w2_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][1]), w2_1.hi, b0_7);
      let w2_2 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][2]), w2_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][2]), w2_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][2]), w2_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][2]), w2_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][2]), w2_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][2]), w2_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][2]), w2_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][2]), w2_2.hi, b0_7);
      let w2_3 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][3]), w2_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][3]), w2_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][3]), w2_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][3]), w2_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][3]), w2_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][3]), w2_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][3]), w2_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][3]), w2_3.hi, b0_7);
    }
  }
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < PX * ROWS; i++) {
    var lo = a0_0;
    var hi = b0_0;
    lo = select(lo, a0_0, i == 0 * PX + 0);
    hi = select(hi, b0_0, i == 0 * PX + 0);
    lo = select(lo, a0_1, i == 0 * PX + 1);
    hi = select(hi, b0_1, i == 0 * PX + 1);
    lo = select(lo, a0_2, i == 0 * PX + 2);
    hi = select(hi, b0_2, i == 0 * PX + 2);
    lo = select(lo, a0_3, i == 0 * PX + 3);
    hi = select(hi, b0_3, i == 0 * PX + 3);
    lo = select(lo, a0_4, i == 0 * PX + 4);
    hi = select(hi, b0_4, i == 0 * PX + 4);
    lo = select(lo, a0_5, i == 0 * PX + 5);
    hi = select(hi, b0_5, i == 0 * PX + 5);
    lo = select(lo, a0_6, i == 0 * PX + 6);
    hi = select(hi, b0_6, i == 0 * PX + 6);
    lo = select(lo, a0_7, i == 0 * PX + 7);
    hi = select(hi, b0_7, i == 0 * PX + 7);
    finish(x + i % PX, y + i / PX, n, lo);
    finish(x + i % PX, y + i / PX, n + 4u, hi);
  }
}
`,
  "conv3x3@V=0,TEXELS=0,PX=8,ROWS=1": `const V: u32 = 0u;
const TEXELS: u32 = 0u;
const PX: u32 = 8u;
const ROWS: u32 = 1u;
// conv3x3.wgsl — 3×3 convolution, stride 1: each invocation makes PX neighbouring pixels of ROWS rows × 8 channels.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [9, Ci, Co8]         f32 or f16 by W_TYPE: tap, input channel, output channels padded to 8
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// The PX + 2 input columns of a row serve all three taps of that row, so a loaded value is used up to 24 times, and a
// weight PX · ROWS times.
// UP = 2 reads the picture as if every pixel stood twice in both directions (nearest upsampling).


override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16
override UP: u32 = 1u;

struct Shape {
  H: u32, W: u32, C4: u32, Co: u32, Co8: u32, Ho: u32, Wo: u32, tiles: u32,
  padY: i32, padX: i32, y0: u32, rows: u32,    // output rows y0 … y0 + rows of one sample
  xRow: u32, yRow: u32, rRow: u32, b: u32,     // first bound rows of X, Y, R; the sample
  across: u32,   // invocations of a workgroup along the channels; the others of the 64 along the pixels
  act: u32,      // as in matmul.wgsl
  bias: u32,     // 1 bias, 2 channelBias, 3 both
  add: u32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4<xElem>>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xFour(at: u32) -> vec4f { return vec4f(X[at]); }
fn wBits(at: u32) -> vec4u { return W[at]; }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       channelBias: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

fn activate(x: f32) -> f32 {
  switch s.act {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

/// Input channels 4·c … of virtual row y and column x; zero outside.
fn pixel(y: i32, x: i32, c: u32) -> vec4f {
  let inside = y >= 0 && y < i32(s.H * UP) && x >= 0 && x < i32(s.W * UP);
  let row = u32(clamp(y, 0, i32(s.H * UP) - 1)) / UP;
  let col = u32(clamp(x, 0, i32(s.W * UP) - 1)) / UP;
  return select(vec4f(), xFour(((row - s.xRow) * s.W + col) * s.C4 + c), inside);
}

struct Eight { lo: vec4f, hi: vec4f }

/// Weights of input row k (tap · Ci + channel) for eight output channels from n on.
fn weights(k: u32, n: u32) -> Eight {
  let at = (k * s.Co8 + n) / 8u;
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn finish(x: u32, y: u32, n: u32, sum: vec4f) {
  if (x >= s.Wo || y >= s.y0 + s.rows || n >= s.Co) { return; }
  let yAt = ((y - s.yRow) * s.Wo + x) * s.Co + n;
  let rAt = ((y - s.rRow) * s.Wo + x) * s.Co + n;
  var v = sum;
  for (var i = 0u; i < 4u; i++) {
    let c = min(n + i, s.Co - 1u);
    if ((s.bias & 1u) != 0u) { v[i] += bias[c]; }
    if ((s.bias & 2u) != 0u) { v[i] += channelBias[s.b * s.Co + c]; }
    v[i] = activate(v[i]);
  }
  for (var i = 0u; i < 4u && n + i < s.Co; i++) {
    var u = v[i];
    if (s.add == 1u) { u += f32(R[rAt + i]); }
    Y[yAt + i] = yElem(u);
  }
}

// One axis: drivers that run on a CPU fill their vectors along x only.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = vec2u(group.x * s.across + lane % s.across, group.y * (64u / s.across) + lane / s.across);
  let n = id.x * 8u;
  let y = s.y0 + id.y / s.tiles * ROWS;
  let x = (id.y % s.tiles) * PX;
  if (n >= s.Co || y >= s.y0 + s.rows) { return; }
  let left = i32(x) - s.padX;

  var a0_0 = vec4f();
  var b0_0 = vec4f();
  var a0_1 = vec4f();
  var b0_1 = vec4f();
  var a0_2 = vec4f();
  var b0_2 = vec4f();
  var a0_3 = vec4f();
  var b0_3 = vec4f();
  var a0_4 = vec4f();
  var b0_4 = vec4f();
  var a0_5 = vec4f();
  var b0_5 = vec4f();
  var a0_6 = vec4f();
  var b0_6 = vec4f();
  var a0_7 = vec4f();
  var b0_7 = vec4f();
  for (var ky = 0u; ky < 3u; ky++) {
    let row = i32(y + ky) - s.padY;
    if (row + i32(ROWS) <= 0 || row >= i32(s.H * UP)) { continue; }
    for (var c = 0u; c < s.C4; c++) {
      // Indexed by constants only: after unrolling, every element is a register.
      var cols0: array<vec4f, PX + 2u>;
      cols0[0] = pixel(row + 0, left + 0, c);
      cols0[1] = pixel(row + 0, left + 1, c);
      cols0[2] = pixel(row + 0, left + 2, c);
      cols0[3] = pixel(row + 0, left + 3, c);
      cols0[4] = pixel(row + 0, left + 4, c);
      cols0[5] = pixel(row + 0, left + 5, c);
      cols0[6] = pixel(row + 0, left + 6, c);
      cols0[7] = pixel(row + 0, left + 7, c);
      cols0[8] = pixel(row + 0, left + 8, c);
      cols0[9] = pixel(row + 0, left + 9, c);
      let w0_0 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][0]), w0_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][0]), w0_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][0]), w0_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][0]), w0_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][0]), w0_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][0]), w0_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][0]), w0_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][0]), w0_0.hi, b0_7);
      let w0_1 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][1]), w0_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][1]), w0_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][1]), w0_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][1]), w0_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][1]), w0_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][1]), w0_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][1]), w0_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][1]), w0_1.hi, b0_7);
      let w0_2 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][2]), w0_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][2]), w0_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][2]), w0_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][2]), w0_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][2]), w0_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][2]), w0_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][2]), w0_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][2]), w0_2.hi, b0_7);
      let w0_3 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][3]), w0_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][3]), w0_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][3]), w0_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][3]), w0_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][3]), w0_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][3]), w0_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][3]), w0_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][3]), w0_3.hi, b0_7);
      let w1_0 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][0]), w1_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][0]), w1_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][0]), w1_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][0]), w1_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][0]), w1_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][0]), w1_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][0]), w1_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][0]), w1_0.hi, b0_7);
      let w1_1 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][1]), w1_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][1]), w1_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][1]), w1_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][1]), w1_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][1]), w1_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][1]), w1_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][1]), w1_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][1]), w1_1.hi, b0_7);
      let w1_2 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][2]), w1_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][2]), w1_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][2]), w1_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][2]), w1_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][2]), w1_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][2]), w1_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][2]), w1_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][2]), w1_2.hi, b0_7);
      let w1_3 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][3]), w1_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][3]), w1_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][3]), w1_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][3]), w1_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][3]), w1_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][3]), w1_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][3]), w1_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][3]), w1_3.hi, b0_7);
      let w2_0 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][0]), w2_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][0]), w2_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][0]), w2_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][0]), w2_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][0]), w2_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][0]), w2_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][0]), w2_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][0]), w2_0.hi, b0_7);
      let w2_1 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][1]), w2_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][1]), w2_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][1]), w2_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][1]), w2_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][1]), w2_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][1]), w2_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][1]), w2_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][1]), w2_1.hi, b0_7);
      let w2_2 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][2]), w2_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][2]), w2_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][2]), w2_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][2]), w2_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][2]), w2_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][2]), w2_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][2]), w2_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][2]), w2_2.hi, b0_7);
      let w2_3 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][3]), w2_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][3]), w2_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][3]), w2_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][3]), w2_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][3]), w2_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][3]), w2_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][3]), w2_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][3]), w2_3.hi, b0_7);
    }
  }
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < PX * ROWS; i++) {
    var lo = a0_0;
    var hi = b0_0;
    lo = select(lo, a0_0, i == 0 * PX + 0);
    hi = select(hi, b0_0, i == 0 * PX + 0);
    lo = select(lo, a0_1, i == 0 * PX + 1);
    hi = select(hi, b0_1, i == 0 * PX + 1);
    lo = select(lo, a0_2, i == 0 * PX + 2);
    hi = select(hi, b0_2, i == 0 * PX + 2);
    lo = select(lo, a0_3, i == 0 * PX + 3);
    hi = select(hi, b0_3, i == 0 * PX + 3);
    lo = select(lo, a0_4, i == 0 * PX + 4);
    hi = select(hi, b0_4, i == 0 * PX + 4);
    lo = select(lo, a0_5, i == 0 * PX + 5);
    hi = select(hi, b0_5, i == 0 * PX + 5);
    lo = select(lo, a0_6, i == 0 * PX + 6);
    hi = select(hi, b0_6, i == 0 * PX + 6);
    lo = select(lo, a0_7, i == 0 * PX + 7);
    hi = select(hi, b0_7, i == 0 * PX + 7);
    finish(x + i % PX, y + i / PX, n, lo);
    finish(x + i % PX, y + i / PX, n + 4u, hi);
  }
}
`,
  "conv3x3@V=1,TEXELS=1,PX=8,ROWS=1": `const V: u32 = 1u;
const TEXELS: u32 = 1u;
const PX: u32 = 8u;
const ROWS: u32 = 1u;
// conv3x3.wgsl — 3×3 convolution, stride 1: each invocation makes PX neighbouring pixels of ROWS rows × 8 channels.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [9, Ci, Co8]         f32 or f16 by W_TYPE: tap, input channel, output channels padded to 8
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// The PX + 2 input columns of a row serve all three taps of that row, so a loaded value is used up to 24 times, and a
// weight PX · ROWS times.
// UP = 2 reads the picture as if every pixel stood twice in both directions (nearest upsampling).


override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16
override UP: u32 = 1u;

struct Shape {
  H: u32, W: u32, C4: u32, Co: u32, Co8: u32, Ho: u32, Wo: u32, tiles: u32,
  padY: i32, padX: i32, y0: u32, rows: u32,    // output rows y0 … y0 + rows of one sample
  xRow: u32, yRow: u32, rRow: u32, b: u32,     // first bound rows of X, Y, R; the sample
  across: u32,   // invocations of a workgroup along the channels; the others of the 64 along the pixels
  act: u32,      // as in matmul.wgsl
  bias: u32,     // 1 bias, 2 channelBias, 3 both
  add: u32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      W: texture_2d<u32>;
fn wBits(at: u32) -> vec4u { return textureLoad(W, vec2u(at & 2047u, at >> 11u), 0); }
fn xFour(at: u32) -> vec4f {  // four f32 a texel, or eight f16
  let texel = select(at, at >> 1u, X_TYPE == 1u);
  let bits = textureLoad(X, vec2u(texel & 2047u, texel >> 11u), 0);
  if (X_TYPE == 0u) { return bitcast<vec4f>(bits); }
  let pair = select(bits.xy, bits.zw, (at & 1u) == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       channelBias: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<vec4<rElem>>;
@group(0) @binding(6) var<storage, read_write> Y: array<vec4<yElem>>;

fn activate(x: f32) -> f32 {
  switch s.act {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

/// Input channels 4·c … of virtual row y and column x; zero outside.
fn pixel(y: i32, x: i32, c: u32) -> vec4f {
  let inside = y >= 0 && y < i32(s.H * UP) && x >= 0 && x < i32(s.W * UP);
  let row = u32(clamp(y, 0, i32(s.H * UP) - 1)) / UP;
  let col = u32(clamp(x, 0, i32(s.W * UP) - 1)) / UP;
  return select(vec4f(), xFour(((row - s.xRow) * s.W + col) * s.C4 + c), inside);
}

struct Eight { lo: vec4f, hi: vec4f }

/// Weights of input row k (tap · Ci + channel) for eight output channels from n on.
fn weights(k: u32, n: u32) -> Eight {
  let at = (k * s.Co8 + n) / 8u;
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn finish(x: u32, y: u32, n: u32, sum: vec4f) {
  if (x >= s.Wo || y >= s.y0 + s.rows || n >= s.Co) { return; }
  let yAt = ((y - s.yRow) * s.Wo + x) * s.Co + n;
  let rAt = ((y - s.rRow) * s.Wo + x) * s.Co + n;
  var v = sum;
  for (var i = 0u; i < 4u; i++) {
    let c = min(n + i, s.Co - 1u);
    if ((s.bias & 1u) != 0u) { v[i] += bias[c]; }
    if ((s.bias & 2u) != 0u) { v[i] += channelBias[s.b * s.Co + c]; }
    v[i] = activate(v[i]);
  }
  if (s.add == 1u) { v += vec4f(R[rAt / 4u]); }
  Y[yAt / 4u] = vec4<yElem>(v);
}

// One axis: drivers that run on a CPU fill their vectors along x only.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = vec2u(group.x * s.across + lane % s.across, group.y * (64u / s.across) + lane / s.across);
  let n = id.x * 8u;
  let y = s.y0 + id.y / s.tiles * ROWS;
  let x = (id.y % s.tiles) * PX;
  if (n >= s.Co || y >= s.y0 + s.rows) { return; }
  let left = i32(x) - s.padX;

  var a0_0 = vec4f();
  var b0_0 = vec4f();
  var a0_1 = vec4f();
  var b0_1 = vec4f();
  var a0_2 = vec4f();
  var b0_2 = vec4f();
  var a0_3 = vec4f();
  var b0_3 = vec4f();
  var a0_4 = vec4f();
  var b0_4 = vec4f();
  var a0_5 = vec4f();
  var b0_5 = vec4f();
  var a0_6 = vec4f();
  var b0_6 = vec4f();
  var a0_7 = vec4f();
  var b0_7 = vec4f();
  for (var ky = 0u; ky < 3u; ky++) {
    let row = i32(y + ky) - s.padY;
    if (row + i32(ROWS) <= 0 || row >= i32(s.H * UP)) { continue; }
    for (var c = 0u; c < s.C4; c++) {
      // Indexed by constants only: after unrolling, every element is a register.
      var cols0: array<vec4f, PX + 2u>;
      cols0[0] = pixel(row + 0, left + 0, c);
      cols0[1] = pixel(row + 0, left + 1, c);
      cols0[2] = pixel(row + 0, left + 2, c);
      cols0[3] = pixel(row + 0, left + 3, c);
      cols0[4] = pixel(row + 0, left + 4, c);
      cols0[5] = pixel(row + 0, left + 5, c);
      cols0[6] = pixel(row + 0, left + 6, c);
      cols0[7] = pixel(row + 0, left + 7, c);
      cols0[8] = pixel(row + 0, left + 8, c);
      cols0[9] = pixel(row + 0, left + 9, c);
      let w0_0 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][0]), w0_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][0]), w0_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][0]), w0_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][0]), w0_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][0]), w0_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][0]), w0_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][0]), w0_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][0]), w0_0.hi, b0_7);
      let w0_1 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][1]), w0_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][1]), w0_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][1]), w0_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][1]), w0_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][1]), w0_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][1]), w0_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][1]), w0_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][1]), w0_1.hi, b0_7);
      let w0_2 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][2]), w0_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][2]), w0_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][2]), w0_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][2]), w0_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][2]), w0_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][2]), w0_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][2]), w0_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][2]), w0_2.hi, b0_7);
      let w0_3 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][3]), w0_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][3]), w0_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][3]), w0_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][3]), w0_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][3]), w0_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][3]), w0_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][3]), w0_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][3]), w0_3.hi, b0_7);
      let w1_0 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][0]), w1_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][0]), w1_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][0]), w1_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][0]), w1_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][0]), w1_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][0]), w1_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][0]), w1_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][0]), w1_0.hi, b0_7);
      let w1_1 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][1]), w1_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][1]), w1_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][1]), w1_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][1]), w1_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][1]), w1_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][1]), w1_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][1]), w1_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][1]), w1_1.hi, b0_7);
      let w1_2 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][2]), w1_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][2]), w1_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][2]), w1_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][2]), w1_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][2]), w1_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][2]), w1_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][2]), w1_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][2]), w1_2.hi, b0_7);
      let w1_3 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][3]), w1_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][3]), w1_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][3]), w1_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][3]), w1_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][3]), w1_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][3]), w1_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][3]), w1_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][3]), w1_3.hi, b0_7);
      let w2_0 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][0]), w2_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][0]), w2_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][0]), w2_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][0]), w2_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][0]), w2_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][0]), w2_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][0]), w2_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][0]), w2_0.hi, b0_7);
      let w2_1 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][1]), w2_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][1]), w2_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][1]), w2_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][1]), w2_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][1]), w2_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][1]), w2_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][1]), w2_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][1]), w2_1.hi, b0_7);
      let w2_2 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][2]), w2_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][2]), w2_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][2]), w2_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][2]), w2_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][2]), w2_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][2]), w2_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][2]), w2_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][2]), w2_2.hi, b0_7);
      let w2_3 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][3]), w2_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][3]), w2_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][3]), w2_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][3]), w2_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][3]), w2_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][3]), w2_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][3]), w2_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][3]), w2_3.hi, b0_7);
    }
  }
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < PX * ROWS; i++) {
    var lo = a0_0;
    var hi = b0_0;
    lo = select(lo, a0_0, i == 0 * PX + 0);
    hi = select(hi, b0_0, i == 0 * PX + 0);
    lo = select(lo, a0_1, i == 0 * PX + 1);
    hi = select(hi, b0_1, i == 0 * PX + 1);
    lo = select(lo, a0_2, i == 0 * PX + 2);
    hi = select(hi, b0_2, i == 0 * PX + 2);
    lo = select(lo, a0_3, i == 0 * PX + 3);
    hi = select(hi, b0_3, i == 0 * PX + 3);
    lo = select(lo, a0_4, i == 0 * PX + 4);
    hi = select(hi, b0_4, i == 0 * PX + 4);
    lo = select(lo, a0_5, i == 0 * PX + 5);
    hi = select(hi, b0_5, i == 0 * PX + 5);
    lo = select(lo, a0_6, i == 0 * PX + 6);
    hi = select(hi, b0_6, i == 0 * PX + 6);
    lo = select(lo, a0_7, i == 0 * PX + 7);
    hi = select(hi, b0_7, i == 0 * PX + 7);
    finish(x + i % PX, y + i / PX, n, lo);
    finish(x + i % PX, y + i / PX, n + 4u, hi);
  }
}
`,
  "conv3x3@V=0,TEXELS=1,PX=8,ROWS=1": `const V: u32 = 0u;
const TEXELS: u32 = 1u;
const PX: u32 = 8u;
const ROWS: u32 = 1u;
// conv3x3.wgsl — 3×3 convolution, stride 1: each invocation makes PX neighbouring pixels of ROWS rows × 8 channels.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [9, Ci, Co8]         f32 or f16 by W_TYPE: tap, input channel, output channels padded to 8
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// The PX + 2 input columns of a row serve all three taps of that row, so a loaded value is used up to 24 times, and a
// weight PX · ROWS times.
// UP = 2 reads the picture as if every pixel stood twice in both directions (nearest upsampling).


override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16
override UP: u32 = 1u;

struct Shape {
  H: u32, W: u32, C4: u32, Co: u32, Co8: u32, Ho: u32, Wo: u32, tiles: u32,
  padY: i32, padX: i32, y0: u32, rows: u32,    // output rows y0 … y0 + rows of one sample
  xRow: u32, yRow: u32, rRow: u32, b: u32,     // first bound rows of X, Y, R; the sample
  across: u32,   // invocations of a workgroup along the channels; the others of the 64 along the pixels
  act: u32,      // as in matmul.wgsl
  bias: u32,     // 1 bias, 2 channelBias, 3 both
  add: u32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      W: texture_2d<u32>;
fn wBits(at: u32) -> vec4u { return textureLoad(W, vec2u(at & 2047u, at >> 11u), 0); }
fn xFour(at: u32) -> vec4f {  // four f32 a texel, or eight f16
  let texel = select(at, at >> 1u, X_TYPE == 1u);
  let bits = textureLoad(X, vec2u(texel & 2047u, texel >> 11u), 0);
  if (X_TYPE == 0u) { return bitcast<vec4f>(bits); }
  let pair = select(bits.xy, bits.zw, (at & 1u) == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       channelBias: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

fn activate(x: f32) -> f32 {
  switch s.act {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

/// Input channels 4·c … of virtual row y and column x; zero outside.
fn pixel(y: i32, x: i32, c: u32) -> vec4f {
  let inside = y >= 0 && y < i32(s.H * UP) && x >= 0 && x < i32(s.W * UP);
  let row = u32(clamp(y, 0, i32(s.H * UP) - 1)) / UP;
  let col = u32(clamp(x, 0, i32(s.W * UP) - 1)) / UP;
  return select(vec4f(), xFour(((row - s.xRow) * s.W + col) * s.C4 + c), inside);
}

struct Eight { lo: vec4f, hi: vec4f }

/// Weights of input row k (tap · Ci + channel) for eight output channels from n on.
fn weights(k: u32, n: u32) -> Eight {
  let at = (k * s.Co8 + n) / 8u;
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn finish(x: u32, y: u32, n: u32, sum: vec4f) {
  if (x >= s.Wo || y >= s.y0 + s.rows || n >= s.Co) { return; }
  let yAt = ((y - s.yRow) * s.Wo + x) * s.Co + n;
  let rAt = ((y - s.rRow) * s.Wo + x) * s.Co + n;
  var v = sum;
  for (var i = 0u; i < 4u; i++) {
    let c = min(n + i, s.Co - 1u);
    if ((s.bias & 1u) != 0u) { v[i] += bias[c]; }
    if ((s.bias & 2u) != 0u) { v[i] += channelBias[s.b * s.Co + c]; }
    v[i] = activate(v[i]);
  }
  for (var i = 0u; i < 4u && n + i < s.Co; i++) {
    var u = v[i];
    if (s.add == 1u) { u += f32(R[rAt + i]); }
    Y[yAt + i] = yElem(u);
  }
}

// One axis: drivers that run on a CPU fill their vectors along x only.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = vec2u(group.x * s.across + lane % s.across, group.y * (64u / s.across) + lane / s.across);
  let n = id.x * 8u;
  let y = s.y0 + id.y / s.tiles * ROWS;
  let x = (id.y % s.tiles) * PX;
  if (n >= s.Co || y >= s.y0 + s.rows) { return; }
  let left = i32(x) - s.padX;

  var a0_0 = vec4f();
  var b0_0 = vec4f();
  var a0_1 = vec4f();
  var b0_1 = vec4f();
  var a0_2 = vec4f();
  var b0_2 = vec4f();
  var a0_3 = vec4f();
  var b0_3 = vec4f();
  var a0_4 = vec4f();
  var b0_4 = vec4f();
  var a0_5 = vec4f();
  var b0_5 = vec4f();
  var a0_6 = vec4f();
  var b0_6 = vec4f();
  var a0_7 = vec4f();
  var b0_7 = vec4f();
  for (var ky = 0u; ky < 3u; ky++) {
    let row = i32(y + ky) - s.padY;
    if (row + i32(ROWS) <= 0 || row >= i32(s.H * UP)) { continue; }
    for (var c = 0u; c < s.C4; c++) {
      // Indexed by constants only: after unrolling, every element is a register.
      var cols0: array<vec4f, PX + 2u>;
      cols0[0] = pixel(row + 0, left + 0, c);
      cols0[1] = pixel(row + 0, left + 1, c);
      cols0[2] = pixel(row + 0, left + 2, c);
      cols0[3] = pixel(row + 0, left + 3, c);
      cols0[4] = pixel(row + 0, left + 4, c);
      cols0[5] = pixel(row + 0, left + 5, c);
      cols0[6] = pixel(row + 0, left + 6, c);
      cols0[7] = pixel(row + 0, left + 7, c);
      cols0[8] = pixel(row + 0, left + 8, c);
      cols0[9] = pixel(row + 0, left + 9, c);
      let w0_0 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][0]), w0_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][0]), w0_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][0]), w0_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][0]), w0_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][0]), w0_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][0]), w0_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][0]), w0_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][0]), w0_0.hi, b0_7);
      let w0_1 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][1]), w0_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][1]), w0_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][1]), w0_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][1]), w0_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][1]), w0_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][1]), w0_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][1]), w0_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][1]), w0_1.hi, b0_7);
      let w0_2 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][2]), w0_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][2]), w0_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][2]), w0_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][2]), w0_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][2]), w0_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][2]), w0_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][2]), w0_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][2]), w0_2.hi, b0_7);
      let w0_3 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][3]), w0_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][3]), w0_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][3]), w0_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][3]), w0_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][3]), w0_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][3]), w0_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][3]), w0_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][3]), w0_3.hi, b0_7);
      let w1_0 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][0]), w1_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][0]), w1_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][0]), w1_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][0]), w1_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][0]), w1_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][0]), w1_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][0]), w1_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][0]), w1_0.hi, b0_7);
      let w1_1 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][1]), w1_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][1]), w1_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][1]), w1_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][1]), w1_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][1]), w1_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][1]), w1_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][1]), w1_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][1]), w1_1.hi, b0_7);
      let w1_2 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][2]), w1_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][2]), w1_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][2]), w1_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][2]), w1_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][2]), w1_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][2]), w1_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][2]), w1_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][2]), w1_2.hi, b0_7);
      let w1_3 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][3]), w1_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][3]), w1_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][3]), w1_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][3]), w1_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][3]), w1_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][3]), w1_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][3]), w1_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][3]), w1_3.hi, b0_7);
      let w2_0 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][0]), w2_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][0]), w2_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][0]), w2_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][0]), w2_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][0]), w2_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][0]), w2_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][0]), w2_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][0]), w2_0.hi, b0_7);
      let w2_1 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][1]), w2_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][1]), w2_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][1]), w2_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][1]), w2_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][1]), w2_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][1]), w2_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][1]), w2_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][1]), w2_1.hi, b0_7);
      let w2_2 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][2]), w2_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][2]), w2_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][2]), w2_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][2]), w2_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][2]), w2_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][2]), w2_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][2]), w2_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][2]), w2_2.hi, b0_7);
      let w2_3 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][3]), w2_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][3]), w2_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][3]), w2_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][3]), w2_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][3]), w2_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][3]), w2_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][3]), w2_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][3]), w2_3.hi, b0_7);
    }
  }
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < PX * ROWS; i++) {
    var lo = a0_0;
    var hi = b0_0;
    lo = select(lo, a0_0, i == 0 * PX + 0);
    hi = select(hi, b0_0, i == 0 * PX + 0);
    lo = select(lo, a0_1, i == 0 * PX + 1);
    hi = select(hi, b0_1, i == 0 * PX + 1);
    lo = select(lo, a0_2, i == 0 * PX + 2);
    hi = select(hi, b0_2, i == 0 * PX + 2);
    lo = select(lo, a0_3, i == 0 * PX + 3);
    hi = select(hi, b0_3, i == 0 * PX + 3);
    lo = select(lo, a0_4, i == 0 * PX + 4);
    hi = select(hi, b0_4, i == 0 * PX + 4);
    lo = select(lo, a0_5, i == 0 * PX + 5);
    hi = select(hi, b0_5, i == 0 * PX + 5);
    lo = select(lo, a0_6, i == 0 * PX + 6);
    hi = select(hi, b0_6, i == 0 * PX + 6);
    lo = select(lo, a0_7, i == 0 * PX + 7);
    hi = select(hi, b0_7, i == 0 * PX + 7);
    finish(x + i % PX, y + i / PX, n, lo);
    finish(x + i % PX, y + i / PX, n + 4u, hi);
  }
}
`,
  "conv3x3@V=1,TEXELS=1,PX=16,ROWS=1": `const V: u32 = 1u;
const TEXELS: u32 = 1u;
const PX: u32 = 16u;
const ROWS: u32 = 1u;
// conv3x3.wgsl — 3×3 convolution, stride 1: each invocation makes PX neighbouring pixels of ROWS rows × 8 channels.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [9, Ci, Co8]         f32 or f16 by W_TYPE: tap, input channel, output channels padded to 8
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// The PX + 2 input columns of a row serve all three taps of that row, so a loaded value is used up to 24 times, and a
// weight PX · ROWS times.
// UP = 2 reads the picture as if every pixel stood twice in both directions (nearest upsampling).


override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16
override UP: u32 = 1u;

struct Shape {
  H: u32, W: u32, C4: u32, Co: u32, Co8: u32, Ho: u32, Wo: u32, tiles: u32,
  padY: i32, padX: i32, y0: u32, rows: u32,    // output rows y0 … y0 + rows of one sample
  xRow: u32, yRow: u32, rRow: u32, b: u32,     // first bound rows of X, Y, R; the sample
  across: u32,   // invocations of a workgroup along the channels; the others of the 64 along the pixels
  act: u32,      // as in matmul.wgsl
  bias: u32,     // 1 bias, 2 channelBias, 3 both
  add: u32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      W: texture_2d<u32>;
fn wBits(at: u32) -> vec4u { return textureLoad(W, vec2u(at & 2047u, at >> 11u), 0); }
fn xFour(at: u32) -> vec4f {  // four f32 a texel, or eight f16
  let texel = select(at, at >> 1u, X_TYPE == 1u);
  let bits = textureLoad(X, vec2u(texel & 2047u, texel >> 11u), 0);
  if (X_TYPE == 0u) { return bitcast<vec4f>(bits); }
  let pair = select(bits.xy, bits.zw, (at & 1u) == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       channelBias: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<vec4<rElem>>;
@group(0) @binding(6) var<storage, read_write> Y: array<vec4<yElem>>;

fn activate(x: f32) -> f32 {
  switch s.act {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

/// Input channels 4·c … of virtual row y and column x; zero outside.
fn pixel(y: i32, x: i32, c: u32) -> vec4f {
  let inside = y >= 0 && y < i32(s.H * UP) && x >= 0 && x < i32(s.W * UP);
  let row = u32(clamp(y, 0, i32(s.H * UP) - 1)) / UP;
  let col = u32(clamp(x, 0, i32(s.W * UP) - 1)) / UP;
  return select(vec4f(), xFour(((row - s.xRow) * s.W + col) * s.C4 + c), inside);
}

struct Eight { lo: vec4f, hi: vec4f }

/// Weights of input row k (tap · Ci + channel) for eight output channels from n on.
fn weights(k: u32, n: u32) -> Eight {
  let at = (k * s.Co8 + n) / 8u;
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn finish(x: u32, y: u32, n: u32, sum: vec4f) {
  if (x >= s.Wo || y >= s.y0 + s.rows || n >= s.Co) { return; }
  let yAt = ((y - s.yRow) * s.Wo + x) * s.Co + n;
  let rAt = ((y - s.rRow) * s.Wo + x) * s.Co + n;
  var v = sum;
  for (var i = 0u; i < 4u; i++) {
    let c = min(n + i, s.Co - 1u);
    if ((s.bias & 1u) != 0u) { v[i] += bias[c]; }
    if ((s.bias & 2u) != 0u) { v[i] += channelBias[s.b * s.Co + c]; }
    v[i] = activate(v[i]);
  }
  if (s.add == 1u) { v += vec4f(R[rAt / 4u]); }
  Y[yAt / 4u] = vec4<yElem>(v);
}

// One axis: drivers that run on a CPU fill their vectors along x only.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = vec2u(group.x * s.across + lane % s.across, group.y * (64u / s.across) + lane / s.across);
  let n = id.x * 8u;
  let y = s.y0 + id.y / s.tiles * ROWS;
  let x = (id.y % s.tiles) * PX;
  if (n >= s.Co || y >= s.y0 + s.rows) { return; }
  let left = i32(x) - s.padX;

  var a0_0 = vec4f();
  var b0_0 = vec4f();
  var a0_1 = vec4f();
  var b0_1 = vec4f();
  var a0_2 = vec4f();
  var b0_2 = vec4f();
  var a0_3 = vec4f();
  var b0_3 = vec4f();
  var a0_4 = vec4f();
  var b0_4 = vec4f();
  var a0_5 = vec4f();
  var b0_5 = vec4f();
  var a0_6 = vec4f();
  var b0_6 = vec4f();
  var a0_7 = vec4f();
  var b0_7 = vec4f();
  var a0_8 = vec4f();
  var b0_8 = vec4f();
  var a0_9 = vec4f();
  var b0_9 = vec4f();
  var a0_10 = vec4f();
  var b0_10 = vec4f();
  var a0_11 = vec4f();
  var b0_11 = vec4f();
  var a0_12 = vec4f();
  var b0_12 = vec4f();
  var a0_13 = vec4f();
  var b0_13 = vec4f();
  var a0_14 = vec4f();
  var b0_14 = vec4f();
  var a0_15 = vec4f();
  var b0_15 = vec4f();
  for (var ky = 0u; ky < 3u; ky++) {
    let row = i32(y + ky) - s.padY;
    if (row + i32(ROWS) <= 0 || row >= i32(s.H * UP)) { continue; }
    for (var c = 0u; c < s.C4; c++) {
      // Indexed by constants only: after unrolling, every element is a register.
      var cols0: array<vec4f, PX + 2u>;
      cols0[0] = pixel(row + 0, left + 0, c);
      cols0[1] = pixel(row + 0, left + 1, c);
      cols0[2] = pixel(row + 0, left + 2, c);
      cols0[3] = pixel(row + 0, left + 3, c);
      cols0[4] = pixel(row + 0, left + 4, c);
      cols0[5] = pixel(row + 0, left + 5, c);
      cols0[6] = pixel(row + 0, left + 6, c);
      cols0[7] = pixel(row + 0, left + 7, c);
      cols0[8] = pixel(row + 0, left + 8, c);
      cols0[9] = pixel(row + 0, left + 9, c);
      cols0[10] = pixel(row + 0, left + 10, c);
      cols0[11] = pixel(row + 0, left + 11, c);
      cols0[12] = pixel(row + 0, left + 12, c);
      cols0[13] = pixel(row + 0, left + 13, c);
      cols0[14] = pixel(row + 0, left + 14, c);
      cols0[15] = pixel(row + 0, left + 15, c);
      cols0[16] = pixel(row + 0, left + 16, c);
      cols0[17] = pixel(row + 0, left + 17, c);
      let w0_0 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][0]), w0_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][0]), w0_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][0]), w0_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][0]), w0_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][0]), w0_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][0]), w0_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][0]), w0_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][0]), w0_0.hi, b0_7);
      a0_8 = fma(vec4f(cols0[8 + 0][0]), w0_0.lo, a0_8);
      b0_8 = fma(vec4f(cols0[8 + 0][0]), w0_0.hi, b0_8);
      a0_9 = fma(vec4f(cols0[9 + 0][0]), w0_0.lo, a0_9);
      b0_9 = fma(vec4f(cols0[9 + 0][0]), w0_0.hi, b0_9);
      a0_10 = fma(vec4f(cols0[10 + 0][0]), w0_0.lo, a0_10);
      b0_10 = fma(vec4f(cols0[10 + 0][0]), w0_0.hi, b0_10);
      a0_11 = fma(vec4f(cols0[11 + 0][0]), w0_0.lo, a0_11);
      b0_11 = fma(vec4f(cols0[11 + 0][0]), w0_0.hi, b0_11);
      a0_12 = fma(vec4f(cols0[12 + 0][0]), w0_0.lo, a0_12);
      b0_12 = fma(vec4f(cols0[12 + 0][0]), w0_0.hi, b0_12);
      a0_13 = fma(vec4f(cols0[13 + 0][0]), w0_0.lo, a0_13);
      b0_13 = fma(vec4f(cols0[13 + 0][0]), w0_0.hi, b0_13);
      a0_14 = fma(vec4f(cols0[14 + 0][0]), w0_0.lo, a0_14);
      b0_14 = fma(vec4f(cols0[14 + 0][0]), w0_0.hi, b0_14);
      a0_15 = fma(vec4f(cols0[15 + 0][0]), w0_0.lo, a0_15);
      b0_15 = fma(vec4f(cols0[15 + 0][0]), w0_0.hi, b0_15);
      let w0_1 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][1]), w0_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][1]), w0_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][1]), w0_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][1]), w0_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][1]), w0_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][1]), w0_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][1]), w0_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][1]), w0_1.hi, b0_7);
      a0_8 = fma(vec4f(cols0[8 + 0][1]), w0_1.lo, a0_8);
      b0_8 = fma(vec4f(cols0[8 + 0][1]), w0_1.hi, b0_8);
      a0_9 = fma(vec4f(cols0[9 + 0][1]), w0_1.lo, a0_9);
      b0_9 = fma(vec4f(cols0[9 + 0][1]), w0_1.hi, b0_9);
      a0_10 = fma(vec4f(cols0[10 + 0][1]), w0_1.lo, a0_10);
      b0_10 = fma(vec4f(cols0[10 + 0][1]), w0_1.hi, b0_10);
      a0_11 = fma(vec4f(cols0[11 + 0][1]), w0_1.lo, a0_11);
      b0_11 = fma(vec4f(cols0[11 + 0][1]), w0_1.hi, b0_11);
      a0_12 = fma(vec4f(cols0[12 + 0][1]), w0_1.lo, a0_12);
      b0_12 = fma(vec4f(cols0[12 + 0][1]), w0_1.hi, b0_12);
      a0_13 = fma(vec4f(cols0[13 + 0][1]), w0_1.lo, a0_13);
      b0_13 = fma(vec4f(cols0[13 + 0][1]), w0_1.hi, b0_13);
      a0_14 = fma(vec4f(cols0[14 + 0][1]), w0_1.lo, a0_14);
      b0_14 = fma(vec4f(cols0[14 + 0][1]), w0_1.hi, b0_14);
      a0_15 = fma(vec4f(cols0[15 + 0][1]), w0_1.lo, a0_15);
      b0_15 = fma(vec4f(cols0[15 + 0][1]), w0_1.hi, b0_15);
      let w0_2 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][2]), w0_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][2]), w0_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][2]), w0_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][2]), w0_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][2]), w0_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][2]), w0_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][2]), w0_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][2]), w0_2.hi, b0_7);
      a0_8 = fma(vec4f(cols0[8 + 0][2]), w0_2.lo, a0_8);
      b0_8 = fma(vec4f(cols0[8 + 0][2]), w0_2.hi, b0_8);
      a0_9 = fma(vec4f(cols0[9 + 0][2]), w0_2.lo, a0_9);
      b0_9 = fma(vec4f(cols0[9 + 0][2]), w0_2.hi, b0_9);
      a0_10 = fma(vec4f(cols0[10 + 0][2]), w0_2.lo, a0_10);
      b0_10 = fma(vec4f(cols0[10 + 0][2]), w0_2.hi, b0_10);
      a0_11 = fma(vec4f(cols0[11 + 0][2]), w0_2.lo, a0_11);
      b0_11 = fma(vec4f(cols0[11 + 0][2]), w0_2.hi, b0_11);
      a0_12 = fma(vec4f(cols0[12 + 0][2]), w0_2.lo, a0_12);
      b0_12 = fma(vec4f(cols0[12 + 0][2]), w0_2.hi, b0_12);
      a0_13 = fma(vec4f(cols0[13 + 0][2]), w0_2.lo, a0_13);
      b0_13 = fma(vec4f(cols0[13 + 0][2]), w0_2.hi, b0_13);
      a0_14 = fma(vec4f(cols0[14 + 0][2]), w0_2.lo, a0_14);
      b0_14 = fma(vec4f(cols0[14 + 0][2]), w0_2.hi, b0_14);
      a0_15 = fma(vec4f(cols0[15 + 0][2]), w0_2.lo, a0_15);
      b0_15 = fma(vec4f(cols0[15 + 0][2]), w0_2.hi, b0_15);
      let w0_3 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][3]), w0_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][3]), w0_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][3]), w0_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][3]), w0_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][3]), w0_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][3]), w0_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][3]), w0_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][3]), w0_3.hi, b0_7);
      a0_8 = fma(vec4f(cols0[8 + 0][3]), w0_3.lo, a0_8);
      b0_8 = fma(vec4f(cols0[8 + 0][3]), w0_3.hi, b0_8);
      a0_9 = fma(vec4f(cols0[9 + 0][3]), w0_3.lo, a0_9);
      b0_9 = fma(vec4f(cols0[9 + 0][3]), w0_3.hi, b0_9);
      a0_10 = fma(vec4f(cols0[10 + 0][3]), w0_3.lo, a0_10);
      b0_10 = fma(vec4f(cols0[10 + 0][3]), w0_3.hi, b0_10);
      a0_11 = fma(vec4f(cols0[11 + 0][3]), w0_3.lo, a0_11);
      b0_11 = fma(vec4f(cols0[11 + 0][3]), w0_3.hi, b0_11);
      a0_12 = fma(vec4f(cols0[12 + 0][3]), w0_3.lo, a0_12);
      b0_12 = fma(vec4f(cols0[12 + 0][3]), w0_3.hi, b0_12);
      a0_13 = fma(vec4f(cols0[13 + 0][3]), w0_3.lo, a0_13);
      b0_13 = fma(vec4f(cols0[13 + 0][3]), w0_3.hi, b0_13);
      a0_14 = fma(vec4f(cols0[14 + 0][3]), w0_3.lo, a0_14);
      b0_14 = fma(vec4f(cols0[14 + 0][3]), w0_3.hi, b0_14);
      a0_15 = fma(vec4f(cols0[15 + 0][3]), w0_3.lo, a0_15);
      b0_15 = fma(vec4f(cols0[15 + 0][3]), w0_3.hi, b0_15);
      let w1_0 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][0]), w1_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][0]), w1_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][0]), w1_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][0]), w1_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][0]), w1_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][0]), w1_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][0]), w1_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][0]), w1_0.hi, b0_7);
      a0_8 = fma(vec4f(cols0[8 + 1][0]), w1_0.lo, a0_8);
      b0_8 = fma(vec4f(cols0[8 + 1][0]), w1_0.hi, b0_8);
      a0_9 = fma(vec4f(cols0[9 + 1][0]), w1_0.lo, a0_9);
      b0_9 = fma(vec4f(cols0[9 + 1][0]), w1_0.hi, b0_9);
      a0_10 = fma(vec4f(cols0[10 + 1][0]), w1_0.lo, a0_10);
      b0_10 = fma(vec4f(cols0[10 + 1][0]), w1_0.hi, b0_10);
      a0_11 = fma(vec4f(cols0[11 + 1][0]), w1_0.lo, a0_11);
      b0_11 = fma(vec4f(cols0[11 + 1][0]), w1_0.hi, b0_11);
      a0_12 = fma(vec4f(cols0[12 + 1][0]), w1_0.lo, a0_12);
      b0_12 = fma(vec4f(cols0[12 + 1][0]), w1_0.hi, b0_12);
      a0_13 = fma(vec4f(cols0[13 + 1][0]), w1_0.lo, a0_13);
      b0_13 = fma(vec4f(cols0[13 + 1][0]), w1_0.hi, b0_13);
      a0_14 = fma(vec4f(cols0[14 + 1][0]), w1_0.lo, a0_14);
      b0_14 = fma(vec4f(cols0[14 + 1][0]), w1_0.hi, b0_14);
      a0_15 = fma(vec4f(cols0[15 + 1][0]), w1_0.lo, a0_15);
      b0_15 = fma(vec4f(cols0[15 + 1][0]), w1_0.hi, b0_15);
      let w1_1 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][1]), w1_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][1]), w1_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][1]), w1_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][1]), w1_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][1]), w1_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][1]), w1_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][1]), w1_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][1]), w1_1.hi, b0_7);
      a0_8 = fma(vec4f(cols0[8 + 1][1]), w1_1.lo, a0_8);
      b0_8 = fma(vec4f(cols0[8 + 1][1]), w1_1.hi, b0_8);
      a0_9 = fma(vec4f(cols0[9 + 1][1]), w1_1.lo, a0_9);
      b0_9 = fma(vec4f(cols0[9 + 1][1]), w1_1.hi, b0_9);
      a0_10 = fma(vec4f(cols0[10 + 1][1]), w1_1.lo, a0_10);
      b0_10 = fma(vec4f(cols0[10 + 1][1]), w1_1.hi, b0_10);
      a0_11 = fma(vec4f(cols0[11 + 1][1]), w1_1.lo, a0_11);
      b0_11 = fma(vec4f(cols0[11 + 1][1]), w1_1.hi, b0_11);
      a0_12 = fma(vec4f(cols0[12 + 1][1]), w1_1.lo, a0_12);
      b0_12 = fma(vec4f(cols0[12 + 1][1]), w1_1.hi, b0_12);
      a0_13 = fma(vec4f(cols0[13 + 1][1]), w1_1.lo, a0_13);
      b0_13 = fma(vec4f(cols0[13 + 1][1]), w1_1.hi, b0_13);
      a0_14 = fma(vec4f(cols0[14 + 1][1]), w1_1.lo, a0_14);
      b0_14 = fma(vec4f(cols0[14 + 1][1]), w1_1.hi, b0_14);
      a0_15 = fma(vec4f(cols0[15 + 1][1]), w1_1.lo, a0_15);
      b0_15 = fma(vec4f(cols0[15 + 1][1]), w1_1.hi, b0_15);
      let w1_2 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][2]), w1_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][2]), w1_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][2]), w1_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][2]), w1_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][2]), w1_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][2]), w1_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][2]), w1_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][2]), w1_2.hi, b0_7);
      a0_8 = fma(vec4f(cols0[8 + 1][2]), w1_2.lo, a0_8);
      b0_8 = fma(vec4f(cols0[8 + 1][2]), w1_2.hi, b0_8);
      a0_9 = fma(vec4f(cols0[9 + 1][2]), w1_2.lo, a0_9);
      b0_9 = fma(vec4f(cols0[9 + 1][2]), w1_2.hi, b0_9);
      a0_10 = fma(vec4f(cols0[10 + 1][2]), w1_2.lo, a0_10);
      b0_10 = fma(vec4f(cols0[10 + 1][2]), w1_2.hi, b0_10);
      a0_11 = fma(vec4f(cols0[11 + 1][2]), w1_2.lo, a0_11);
      b0_11 = fma(vec4f(cols0[11 + 1][2]), w1_2.hi, b0_11);
      a0_12 = fma(vec4f(cols0[12 + 1][2]), w1_2.lo, a0_12);
      b0_12 = fma(vec4f(cols0[12 + 1][2]), w1_2.hi, b0_12);
      a0_13 = fma(vec4f(cols0[13 + 1][2]), w1_2.lo, a0_13);
      b0_13 = fma(vec4f(cols0[13 + 1][2]), w1_2.hi, b0_13);
      a0_14 = fma(vec4f(cols0[14 + 1][2]), w1_2.lo, a0_14);
      b0_14 = fma(vec4f(cols0[14 + 1][2]), w1_2.hi, b0_14);
      a0_15 = fma(vec4f(cols0[15 + 1][2]), w1_2.lo, a0_15);
      b0_15 = fma(vec4f(cols0[15 + 1][2]), w1_2.hi, b0_15);
      let w1_3 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][3]), w1_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][3]), w1_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][3]), w1_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][3]), w1_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][3]), w1_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][3]), w1_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][3]), w1_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][3]), w1_3.hi, b0_7);
      a0_8 = fma(vec4f(cols0[8 + 1][3]), w1_3.lo, a0_8);
      b0_8 = fma(vec4f(cols0[8 + 1][3]), w1_3.hi, b0_8);
      a0_9 = fma(vec4f(cols0[9 + 1][3]), w1_3.lo, a0_9);
      b0_9 = fma(vec4f(cols0[9 + 1][3]), w1_3.hi, b0_9);
      a0_10 = fma(vec4f(cols0[10 + 1][3]), w1_3.lo, a0_10);
      b0_10 = fma(vec4f(cols0[10 + 1][3]), w1_3.hi, b0_10);
      a0_11 = fma(vec4f(cols0[11 + 1][3]), w1_3.lo, a0_11);
      b0_11 = fma(vec4f(cols0[11 + 1][3]), w1_3.hi, b0_11);
      a0_12 = fma(vec4f(cols0[12 + 1][3]), w1_3.lo, a0_12);
      b0_12 = fma(vec4f(cols0[12 + 1][3]), w1_3.hi, b0_12);
      a0_13 = fma(vec4f(cols0[13 + 1][3]), w1_3.lo, a0_13);
      b0_13 = fma(vec4f(cols0[13 + 1][3]), w1_3.hi, b0_13);
      a0_14 = fma(vec4f(cols0[14 + 1][3]), w1_3.lo, a0_14);
      b0_14 = fma(vec4f(cols0[14 + 1][3]), w1_3.hi, b0_14);
      a0_15 = fma(vec4f(cols0[15 + 1][3]), w1_3.lo, a0_15);
      b0_15 = fma(vec4f(cols0[15 + 1][3]), w1_3.hi, b0_15);
      let w2_0 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][0]), w2_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][0]), w2_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][0]), w2_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][0]), w2_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][0]), w2_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][0]), w2_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][0]), w2_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][0]), w2_0.hi, b0_7);
      a0_8 = fma(vec4f(cols0[8 + 2][0]), w2_0.lo, a0_8);
      b0_8 = fma(vec4f(cols0[8 + 2][0]), w2_0.hi, b0_8);
      a0_9 = fma(vec4f(cols0[9 + 2][0]), w2_0.lo, a0_9);
      b0_9 = fma(vec4f(cols0[9 + 2][0]), w2_0.hi, b0_9);
      a0_10 = fma(vec4f(cols0[10 + 2][0]), w2_0.lo, a0_10);
      b0_10 = fma(vec4f(cols0[10 + 2][0]), w2_0.hi, b0_10);
      a0_11 = fma(vec4f(cols0[11 + 2][0]), w2_0.lo, a0_11);
      b0_11 = fma(vec4f(cols0[11 + 2][0]), w2_0.hi, b0_11);
      a0_12 = fma(vec4f(cols0[12 + 2][0]), w2_0.lo, a0_12);
      b0_12 = fma(vec4f(cols0[12 + 2][0]), w2_0.hi, b0_12);
      a0_13 = fma(vec4f(cols0[13 + 2][0]), w2_0.lo, a0_13);
      b0_13 = fma(vec4f(cols0[13 + 2][0]), w2_0.hi, b0_13);
      a0_14 = fma(vec4f(cols0[14 + 2][0]), w2_0.lo, a0_14);
      b0_14 = fma(vec4f(cols0[14 + 2][0]), w2_0.hi, b0_14);
      a0_15 = fma(vec4f(cols0[15 + 2][0]), w2_0.lo, a0_15);
      b0_15 = fma(vec4f(cols0[15 + 2][0]), w2_0.hi, b0_15);
      let w2_1 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][1]), w2_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][1]), w2_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][1]), w2_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][1]), w2_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][1]), w2_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][1]), w2_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][1]), w2_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][1]), w2_1.hi, b0_7);
      a0_8 = fma(vec4f(cols0[8 + 2][1]), w2_1.lo, a0_8);
      b0_8 = fma(vec4f(cols0[8 + 2][1]), w2_1.hi, b0_8);
      a0_9 = fma(vec4f(cols0[9 + 2][1]), w2_1.lo, a0_9);
      b0_9 = fma(vec4f(cols0[9 + 2][1]), w2_1.hi, b0_9);
      a0_10 = fma(vec4f(cols0[10 + 2][1]), w2_1.lo, a0_10);
      b0_10 = fma(vec4f(cols0[10 + 2][1]), w2_1.hi, b0_10);
      a0_11 = fma(vec4f(cols0[11 + 2][1]), w2_1.lo, a0_11);
      b0_11 = fma(vec4f(cols0[11 + 2][1]), w2_1.hi, b0_11);
      a0_12 = fma(vec4f(cols0[12 + 2][1]), w2_1.lo, a0_12);
      b0_12 = fma(vec4f(cols0[12 + 2][1]), w2_1.hi, b0_12);
      a0_13 = fma(vec4f(cols0[13 + 2][1]), w2_1.lo, a0_13);
      b0_13 = fma(vec4f(cols0[13 + 2][1]), w2_1.hi, b0_13);
      a0_14 = fma(vec4f(cols0[14 + 2][1]), w2_1.lo, a0_14);
      b0_14 = fma(vec4f(cols0[14 + 2][1]), w2_1.hi, b0_14);
      a0_15 = fma(vec4f(cols0[15 + 2][1]), w2_1.lo, a0_15);
      b0_15 = fma(vec4f(cols0[15 + 2][1]), w2_1.hi, b0_15);
      let w2_2 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][2]), w2_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][2]), w2_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][2]), w2_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][2]), w2_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][2]), w2_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][2]), w2_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][2]), w2_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][2]), w2_2.hi, b0_7);
      a0_8 = fma(vec4f(cols0[8 + 2][2]), w2_2.lo, a0_8);
      b0_8 = fma(vec4f(cols0[8 + 2][2]), w2_2.hi, b0_8);
      a0_9 = fma(vec4f(cols0[9 + 2][2]), w2_2.lo, a0_9);
      b0_9 = fma(vec4f(cols0[9 + 2][2]), w2_2.hi, b0_9);
      a0_10 = fma(vec4f(cols0[10 + 2][2]), w2_2.lo, a0_10);
      b0_10 = fma(vec4f(cols0[10 + 2][2]), w2_2.hi, b0_10);
      a0_11 = fma(vec4f(cols0[11 + 2][2]), w2_2.lo, a0_11);
      b0_11 = fma(vec4f(cols0[11 + 2][2]), w2_2.hi, b0_11);
      a0_12 = fma(vec4f(cols0[12 + 2][2]), w2_2.lo, a0_12);
      b0_12 = fma(vec4f(cols0[12 + 2][2]), w2_2.hi, b0_12);
      a0_13 = fma(vec4f(cols0[13 + 2][2]), w2_2.lo, a0_13);
      b0_13 = fma(vec4f(cols0[13 + 2][2]), w2_2.hi, b0_13);
      a0_14 = fma(vec4f(cols0[14 + 2][2]), w2_2.lo, a0_14);
      b0_14 = fma(vec4f(cols0[14 + 2][2]), w2_2.hi, b0_14);
      a0_15 = fma(vec4f(cols0[15 + 2][2]), w2_2.lo, a0_15);
      b0_15 = fma(vec4f(cols0[15 + 2][2]), w2_2.hi, b0_15);
      let w2_3 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][3]), w2_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][3]), w2_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][3]), w2_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][3]), w2_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][3]), w2_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][3]), w2_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][3]), w2_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][3]), w2_3.hi, b0_7);
      a0_8 = fma(vec4f(cols0[8 + 2][3]), w2_3.lo, a0_8);
      b0_8 = fma(vec4f(cols0[8 + 2][3]), w2_3.hi, b0_8);
      a0_9 = fma(vec4f(cols0[9 + 2][3]), w2_3.lo, a0_9);
      b0_9 = fma(vec4f(cols0[9 + 2][3]), w2_3.hi, b0_9);
      a0_10 = fma(vec4f(cols0[10 + 2][3]), w2_3.lo, a0_10);
      b0_10 = fma(vec4f(cols0[10 + 2][3]), w2_3.hi, b0_10);
      a0_11 = fma(vec4f(cols0[11 + 2][3]), w2_3.lo, a0_11);
      b0_11 = fma(vec4f(cols0[11 + 2][3]), w2_3.hi, b0_11);
      a0_12 = fma(vec4f(cols0[12 + 2][3]), w2_3.lo, a0_12);
      b0_12 = fma(vec4f(cols0[12 + 2][3]), w2_3.hi, b0_12);
      a0_13 = fma(vec4f(cols0[13 + 2][3]), w2_3.lo, a0_13);
      b0_13 = fma(vec4f(cols0[13 + 2][3]), w2_3.hi, b0_13);
      a0_14 = fma(vec4f(cols0[14 + 2][3]), w2_3.lo, a0_14);
      b0_14 = fma(vec4f(cols0[14 + 2][3]), w2_3.hi, b0_14);
      a0_15 = fma(vec4f(cols0[15 + 2][3]), w2_3.lo, a0_15);
      b0_15 = fma(vec4f(cols0[15 + 2][3]), w2_3.hi, b0_15);
    }
  }
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < PX * ROWS; i++) {
    var lo = a0_0;
    var hi = b0_0;
    lo = select(lo, a0_0, i == 0 * PX + 0);
    hi = select(hi, b0_0, i == 0 * PX + 0);
    lo = select(lo, a0_1, i == 0 * PX + 1);
    hi = select(hi, b0_1, i == 0 * PX + 1);
    lo = select(lo, a0_2, i == 0 * PX + 2);
    hi = select(hi, b0_2, i == 0 * PX + 2);
    lo = select(lo, a0_3, i == 0 * PX + 3);
    hi = select(hi, b0_3, i == 0 * PX + 3);
    lo = select(lo, a0_4, i == 0 * PX + 4);
    hi = select(hi, b0_4, i == 0 * PX + 4);
    lo = select(lo, a0_5, i == 0 * PX + 5);
    hi = select(hi, b0_5, i == 0 * PX + 5);
    lo = select(lo, a0_6, i == 0 * PX + 6);
    hi = select(hi, b0_6, i == 0 * PX + 6);
    lo = select(lo, a0_7, i == 0 * PX + 7);
    hi = select(hi, b0_7, i == 0 * PX + 7);
    lo = select(lo, a0_8, i == 0 * PX + 8);
    hi = select(hi, b0_8, i == 0 * PX + 8);
    lo = select(lo, a0_9, i == 0 * PX + 9);
    hi = select(hi, b0_9, i == 0 * PX + 9);
    lo = select(lo, a0_10, i == 0 * PX + 10);
    hi = select(hi, b0_10, i == 0 * PX + 10);
    lo = select(lo, a0_11, i == 0 * PX + 11);
    hi = select(hi, b0_11, i == 0 * PX + 11);
    lo = select(lo, a0_12, i == 0 * PX + 12);
    hi = select(hi, b0_12, i == 0 * PX + 12);
    lo = select(lo, a0_13, i == 0 * PX + 13);
    hi = select(hi, b0_13, i == 0 * PX + 13);
    lo = select(lo, a0_14, i == 0 * PX + 14);
    hi = select(hi, b0_14, i == 0 * PX + 14);
    lo = select(lo, a0_15, i == 0 * PX + 15);
    hi = select(hi, b0_15, i == 0 * PX + 15);
    finish(x + i % PX, y + i / PX, n, lo);
    finish(x + i % PX, y + i / PX, n + 4u, hi);
  }
}
`,
  "conv3x3@V=1,TEXELS=1,PX=8,ROWS=2": `const V: u32 = 1u;
const TEXELS: u32 = 1u;
const PX: u32 = 8u;
const ROWS: u32 = 2u;
// conv3x3.wgsl — 3×3 convolution, stride 1: each invocation makes PX neighbouring pixels of ROWS rows × 8 channels.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [9, Ci, Co8]         f32 or f16 by W_TYPE: tap, input channel, output channels padded to 8
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// The PX + 2 input columns of a row serve all three taps of that row, so a loaded value is used up to 24 times, and a
// weight PX · ROWS times.
// UP = 2 reads the picture as if every pixel stood twice in both directions (nearest upsampling).


override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16
override UP: u32 = 1u;

struct Shape {
  H: u32, W: u32, C4: u32, Co: u32, Co8: u32, Ho: u32, Wo: u32, tiles: u32,
  padY: i32, padX: i32, y0: u32, rows: u32,    // output rows y0 … y0 + rows of one sample
  xRow: u32, yRow: u32, rRow: u32, b: u32,     // first bound rows of X, Y, R; the sample
  across: u32,   // invocations of a workgroup along the channels; the others of the 64 along the pixels
  act: u32,      // as in matmul.wgsl
  bias: u32,     // 1 bias, 2 channelBias, 3 both
  add: u32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      W: texture_2d<u32>;
fn wBits(at: u32) -> vec4u { return textureLoad(W, vec2u(at & 2047u, at >> 11u), 0); }
fn xFour(at: u32) -> vec4f {  // four f32 a texel, or eight f16
  let texel = select(at, at >> 1u, X_TYPE == 1u);
  let bits = textureLoad(X, vec2u(texel & 2047u, texel >> 11u), 0);
  if (X_TYPE == 0u) { return bitcast<vec4f>(bits); }
  let pair = select(bits.xy, bits.zw, (at & 1u) == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       channelBias: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<vec4<rElem>>;
@group(0) @binding(6) var<storage, read_write> Y: array<vec4<yElem>>;

fn activate(x: f32) -> f32 {
  switch s.act {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

/// Input channels 4·c … of virtual row y and column x; zero outside.
fn pixel(y: i32, x: i32, c: u32) -> vec4f {
  let inside = y >= 0 && y < i32(s.H * UP) && x >= 0 && x < i32(s.W * UP);
  let row = u32(clamp(y, 0, i32(s.H * UP) - 1)) / UP;
  let col = u32(clamp(x, 0, i32(s.W * UP) - 1)) / UP;
  return select(vec4f(), xFour(((row - s.xRow) * s.W + col) * s.C4 + c), inside);
}

struct Eight { lo: vec4f, hi: vec4f }

/// Weights of input row k (tap · Ci + channel) for eight output channels from n on.
fn weights(k: u32, n: u32) -> Eight {
  let at = (k * s.Co8 + n) / 8u;
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn finish(x: u32, y: u32, n: u32, sum: vec4f) {
  if (x >= s.Wo || y >= s.y0 + s.rows || n >= s.Co) { return; }
  let yAt = ((y - s.yRow) * s.Wo + x) * s.Co + n;
  let rAt = ((y - s.rRow) * s.Wo + x) * s.Co + n;
  var v = sum;
  for (var i = 0u; i < 4u; i++) {
    let c = min(n + i, s.Co - 1u);
    if ((s.bias & 1u) != 0u) { v[i] += bias[c]; }
    if ((s.bias & 2u) != 0u) { v[i] += channelBias[s.b * s.Co + c]; }
    v[i] = activate(v[i]);
  }
  if (s.add == 1u) { v += vec4f(R[rAt / 4u]); }
  Y[yAt / 4u] = vec4<yElem>(v);
}

// One axis: drivers that run on a CPU fill their vectors along x only.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = vec2u(group.x * s.across + lane % s.across, group.y * (64u / s.across) + lane / s.across);
  let n = id.x * 8u;
  let y = s.y0 + id.y / s.tiles * ROWS;
  let x = (id.y % s.tiles) * PX;
  if (n >= s.Co || y >= s.y0 + s.rows) { return; }
  let left = i32(x) - s.padX;

  var a0_0 = vec4f();
  var b0_0 = vec4f();
  var a0_1 = vec4f();
  var b0_1 = vec4f();
  var a0_2 = vec4f();
  var b0_2 = vec4f();
  var a0_3 = vec4f();
  var b0_3 = vec4f();
  var a0_4 = vec4f();
  var b0_4 = vec4f();
  var a0_5 = vec4f();
  var b0_5 = vec4f();
  var a0_6 = vec4f();
  var b0_6 = vec4f();
  var a0_7 = vec4f();
  var b0_7 = vec4f();
  var a1_0 = vec4f();
  var b1_0 = vec4f();
  var a1_1 = vec4f();
  var b1_1 = vec4f();
  var a1_2 = vec4f();
  var b1_2 = vec4f();
  var a1_3 = vec4f();
  var b1_3 = vec4f();
  var a1_4 = vec4f();
  var b1_4 = vec4f();
  var a1_5 = vec4f();
  var b1_5 = vec4f();
  var a1_6 = vec4f();
  var b1_6 = vec4f();
  var a1_7 = vec4f();
  var b1_7 = vec4f();
  for (var ky = 0u; ky < 3u; ky++) {
    let row = i32(y + ky) - s.padY;
    if (row + i32(ROWS) <= 0 || row >= i32(s.H * UP)) { continue; }
    for (var c = 0u; c < s.C4; c++) {
      // Indexed by constants only: after unrolling, every element is a register.
      var cols0: array<vec4f, PX + 2u>;
      cols0[0] = pixel(row + 0, left + 0, c);
      cols0[1] = pixel(row + 0, left + 1, c);
      cols0[2] = pixel(row + 0, left + 2, c);
      cols0[3] = pixel(row + 0, left + 3, c);
      cols0[4] = pixel(row + 0, left + 4, c);
      cols0[5] = pixel(row + 0, left + 5, c);
      cols0[6] = pixel(row + 0, left + 6, c);
      cols0[7] = pixel(row + 0, left + 7, c);
      cols0[8] = pixel(row + 0, left + 8, c);
      cols0[9] = pixel(row + 0, left + 9, c);
      var cols1: array<vec4f, PX + 2u>;
      cols1[0] = pixel(row + 1, left + 0, c);
      cols1[1] = pixel(row + 1, left + 1, c);
      cols1[2] = pixel(row + 1, left + 2, c);
      cols1[3] = pixel(row + 1, left + 3, c);
      cols1[4] = pixel(row + 1, left + 4, c);
      cols1[5] = pixel(row + 1, left + 5, c);
      cols1[6] = pixel(row + 1, left + 6, c);
      cols1[7] = pixel(row + 1, left + 7, c);
      cols1[8] = pixel(row + 1, left + 8, c);
      cols1[9] = pixel(row + 1, left + 9, c);
      let w0_0 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][0]), w0_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][0]), w0_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][0]), w0_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][0]), w0_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][0]), w0_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][0]), w0_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][0]), w0_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][0]), w0_0.hi, b0_7);
      a1_0 = fma(vec4f(cols1[0 + 0][0]), w0_0.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 0][0]), w0_0.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 0][0]), w0_0.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 0][0]), w0_0.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 0][0]), w0_0.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 0][0]), w0_0.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 0][0]), w0_0.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 0][0]), w0_0.hi, b1_3);
      a1_4 = fma(vec4f(cols1[4 + 0][0]), w0_0.lo, a1_4);
      b1_4 = fma(vec4f(cols1[4 + 0][0]), w0_0.hi, b1_4);
      a1_5 = fma(vec4f(cols1[5 + 0][0]), w0_0.lo, a1_5);
      b1_5 = fma(vec4f(cols1[5 + 0][0]), w0_0.hi, b1_5);
      a1_6 = fma(vec4f(cols1[6 + 0][0]), w0_0.lo, a1_6);
      b1_6 = fma(vec4f(cols1[6 + 0][0]), w0_0.hi, b1_6);
      a1_7 = fma(vec4f(cols1[7 + 0][0]), w0_0.lo, a1_7);
      b1_7 = fma(vec4f(cols1[7 + 0][0]), w0_0.hi, b1_7);
      let w0_1 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][1]), w0_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][1]), w0_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][1]), w0_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][1]), w0_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][1]), w0_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][1]), w0_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][1]), w0_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][1]), w0_1.hi, b0_7);
      a1_0 = fma(vec4f(cols1[0 + 0][1]), w0_1.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 0][1]), w0_1.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 0][1]), w0_1.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 0][1]), w0_1.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 0][1]), w0_1.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 0][1]), w0_1.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 0][1]), w0_1.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 0][1]), w0_1.hi, b1_3);
      a1_4 = fma(vec4f(cols1[4 + 0][1]), w0_1.lo, a1_4);
      b1_4 = fma(vec4f(cols1[4 + 0][1]), w0_1.hi, b1_4);
      a1_5 = fma(vec4f(cols1[5 + 0][1]), w0_1.lo, a1_5);
      b1_5 = fma(vec4f(cols1[5 + 0][1]), w0_1.hi, b1_5);
      a1_6 = fma(vec4f(cols1[6 + 0][1]), w0_1.lo, a1_6);
      b1_6 = fma(vec4f(cols1[6 + 0][1]), w0_1.hi, b1_6);
      a1_7 = fma(vec4f(cols1[7 + 0][1]), w0_1.lo, a1_7);
      b1_7 = fma(vec4f(cols1[7 + 0][1]), w0_1.hi, b1_7);
      let w0_2 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][2]), w0_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][2]), w0_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][2]), w0_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][2]), w0_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][2]), w0_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][2]), w0_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][2]), w0_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][2]), w0_2.hi, b0_7);
      a1_0 = fma(vec4f(cols1[0 + 0][2]), w0_2.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 0][2]), w0_2.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 0][2]), w0_2.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 0][2]), w0_2.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 0][2]), w0_2.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 0][2]), w0_2.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 0][2]), w0_2.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 0][2]), w0_2.hi, b1_3);
      a1_4 = fma(vec4f(cols1[4 + 0][2]), w0_2.lo, a1_4);
      b1_4 = fma(vec4f(cols1[4 + 0][2]), w0_2.hi, b1_4);
      a1_5 = fma(vec4f(cols1[5 + 0][2]), w0_2.lo, a1_5);
      b1_5 = fma(vec4f(cols1[5 + 0][2]), w0_2.hi, b1_5);
      a1_6 = fma(vec4f(cols1[6 + 0][2]), w0_2.lo, a1_6);
      b1_6 = fma(vec4f(cols1[6 + 0][2]), w0_2.hi, b1_6);
      a1_7 = fma(vec4f(cols1[7 + 0][2]), w0_2.lo, a1_7);
      b1_7 = fma(vec4f(cols1[7 + 0][2]), w0_2.hi, b1_7);
      let w0_3 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 0][3]), w0_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 0][3]), w0_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 0][3]), w0_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 0][3]), w0_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 0][3]), w0_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 0][3]), w0_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 0][3]), w0_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 0][3]), w0_3.hi, b0_7);
      a1_0 = fma(vec4f(cols1[0 + 0][3]), w0_3.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 0][3]), w0_3.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 0][3]), w0_3.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 0][3]), w0_3.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 0][3]), w0_3.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 0][3]), w0_3.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 0][3]), w0_3.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 0][3]), w0_3.hi, b1_3);
      a1_4 = fma(vec4f(cols1[4 + 0][3]), w0_3.lo, a1_4);
      b1_4 = fma(vec4f(cols1[4 + 0][3]), w0_3.hi, b1_4);
      a1_5 = fma(vec4f(cols1[5 + 0][3]), w0_3.lo, a1_5);
      b1_5 = fma(vec4f(cols1[5 + 0][3]), w0_3.hi, b1_5);
      a1_6 = fma(vec4f(cols1[6 + 0][3]), w0_3.lo, a1_6);
      b1_6 = fma(vec4f(cols1[6 + 0][3]), w0_3.hi, b1_6);
      a1_7 = fma(vec4f(cols1[7 + 0][3]), w0_3.lo, a1_7);
      b1_7 = fma(vec4f(cols1[7 + 0][3]), w0_3.hi, b1_7);
      let w1_0 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][0]), w1_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][0]), w1_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][0]), w1_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][0]), w1_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][0]), w1_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][0]), w1_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][0]), w1_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][0]), w1_0.hi, b0_7);
      a1_0 = fma(vec4f(cols1[0 + 1][0]), w1_0.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 1][0]), w1_0.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 1][0]), w1_0.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 1][0]), w1_0.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 1][0]), w1_0.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 1][0]), w1_0.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 1][0]), w1_0.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 1][0]), w1_0.hi, b1_3);
      a1_4 = fma(vec4f(cols1[4 + 1][0]), w1_0.lo, a1_4);
      b1_4 = fma(vec4f(cols1[4 + 1][0]), w1_0.hi, b1_4);
      a1_5 = fma(vec4f(cols1[5 + 1][0]), w1_0.lo, a1_5);
      b1_5 = fma(vec4f(cols1[5 + 1][0]), w1_0.hi, b1_5);
      a1_6 = fma(vec4f(cols1[6 + 1][0]), w1_0.lo, a1_6);
      b1_6 = fma(vec4f(cols1[6 + 1][0]), w1_0.hi, b1_6);
      a1_7 = fma(vec4f(cols1[7 + 1][0]), w1_0.lo, a1_7);
      b1_7 = fma(vec4f(cols1[7 + 1][0]), w1_0.hi, b1_7);
      let w1_1 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][1]), w1_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][1]), w1_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][1]), w1_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][1]), w1_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][1]), w1_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][1]), w1_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][1]), w1_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][1]), w1_1.hi, b0_7);
      a1_0 = fma(vec4f(cols1[0 + 1][1]), w1_1.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 1][1]), w1_1.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 1][1]), w1_1.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 1][1]), w1_1.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 1][1]), w1_1.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 1][1]), w1_1.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 1][1]), w1_1.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 1][1]), w1_1.hi, b1_3);
      a1_4 = fma(vec4f(cols1[4 + 1][1]), w1_1.lo, a1_4);
      b1_4 = fma(vec4f(cols1[4 + 1][1]), w1_1.hi, b1_4);
      a1_5 = fma(vec4f(cols1[5 + 1][1]), w1_1.lo, a1_5);
      b1_5 = fma(vec4f(cols1[5 + 1][1]), w1_1.hi, b1_5);
      a1_6 = fma(vec4f(cols1[6 + 1][1]), w1_1.lo, a1_6);
      b1_6 = fma(vec4f(cols1[6 + 1][1]), w1_1.hi, b1_6);
      a1_7 = fma(vec4f(cols1[7 + 1][1]), w1_1.lo, a1_7);
      b1_7 = fma(vec4f(cols1[7 + 1][1]), w1_1.hi, b1_7);
      let w1_2 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][2]), w1_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][2]), w1_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][2]), w1_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][2]), w1_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][2]), w1_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][2]), w1_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][2]), w1_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][2]), w1_2.hi, b0_7);
      a1_0 = fma(vec4f(cols1[0 + 1][2]), w1_2.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 1][2]), w1_2.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 1][2]), w1_2.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 1][2]), w1_2.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 1][2]), w1_2.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 1][2]), w1_2.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 1][2]), w1_2.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 1][2]), w1_2.hi, b1_3);
      a1_4 = fma(vec4f(cols1[4 + 1][2]), w1_2.lo, a1_4);
      b1_4 = fma(vec4f(cols1[4 + 1][2]), w1_2.hi, b1_4);
      a1_5 = fma(vec4f(cols1[5 + 1][2]), w1_2.lo, a1_5);
      b1_5 = fma(vec4f(cols1[5 + 1][2]), w1_2.hi, b1_5);
      a1_6 = fma(vec4f(cols1[6 + 1][2]), w1_2.lo, a1_6);
      b1_6 = fma(vec4f(cols1[6 + 1][2]), w1_2.hi, b1_6);
      a1_7 = fma(vec4f(cols1[7 + 1][2]), w1_2.lo, a1_7);
      b1_7 = fma(vec4f(cols1[7 + 1][2]), w1_2.hi, b1_7);
      let w1_3 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 1][3]), w1_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 1][3]), w1_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 1][3]), w1_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 1][3]), w1_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 1][3]), w1_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 1][3]), w1_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 1][3]), w1_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 1][3]), w1_3.hi, b0_7);
      a1_0 = fma(vec4f(cols1[0 + 1][3]), w1_3.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 1][3]), w1_3.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 1][3]), w1_3.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 1][3]), w1_3.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 1][3]), w1_3.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 1][3]), w1_3.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 1][3]), w1_3.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 1][3]), w1_3.hi, b1_3);
      a1_4 = fma(vec4f(cols1[4 + 1][3]), w1_3.lo, a1_4);
      b1_4 = fma(vec4f(cols1[4 + 1][3]), w1_3.hi, b1_4);
      a1_5 = fma(vec4f(cols1[5 + 1][3]), w1_3.lo, a1_5);
      b1_5 = fma(vec4f(cols1[5 + 1][3]), w1_3.hi, b1_5);
      a1_6 = fma(vec4f(cols1[6 + 1][3]), w1_3.lo, a1_6);
      b1_6 = fma(vec4f(cols1[6 + 1][3]), w1_3.hi, b1_6);
      a1_7 = fma(vec4f(cols1[7 + 1][3]), w1_3.lo, a1_7);
      b1_7 = fma(vec4f(cols1[7 + 1][3]), w1_3.hi, b1_7);
      let w2_0 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][0]), w2_0.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][0]), w2_0.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][0]), w2_0.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][0]), w2_0.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][0]), w2_0.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][0]), w2_0.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][0]), w2_0.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][0]), w2_0.hi, b0_7);
      a1_0 = fma(vec4f(cols1[0 + 2][0]), w2_0.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 2][0]), w2_0.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 2][0]), w2_0.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 2][0]), w2_0.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 2][0]), w2_0.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 2][0]), w2_0.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 2][0]), w2_0.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 2][0]), w2_0.hi, b1_3);
      a1_4 = fma(vec4f(cols1[4 + 2][0]), w2_0.lo, a1_4);
      b1_4 = fma(vec4f(cols1[4 + 2][0]), w2_0.hi, b1_4);
      a1_5 = fma(vec4f(cols1[5 + 2][0]), w2_0.lo, a1_5);
      b1_5 = fma(vec4f(cols1[5 + 2][0]), w2_0.hi, b1_5);
      a1_6 = fma(vec4f(cols1[6 + 2][0]), w2_0.lo, a1_6);
      b1_6 = fma(vec4f(cols1[6 + 2][0]), w2_0.hi, b1_6);
      a1_7 = fma(vec4f(cols1[7 + 2][0]), w2_0.lo, a1_7);
      b1_7 = fma(vec4f(cols1[7 + 2][0]), w2_0.hi, b1_7);
      let w2_1 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][1]), w2_1.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][1]), w2_1.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][1]), w2_1.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][1]), w2_1.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][1]), w2_1.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][1]), w2_1.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][1]), w2_1.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][1]), w2_1.hi, b0_7);
      a1_0 = fma(vec4f(cols1[0 + 2][1]), w2_1.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 2][1]), w2_1.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 2][1]), w2_1.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 2][1]), w2_1.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 2][1]), w2_1.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 2][1]), w2_1.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 2][1]), w2_1.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 2][1]), w2_1.hi, b1_3);
      a1_4 = fma(vec4f(cols1[4 + 2][1]), w2_1.lo, a1_4);
      b1_4 = fma(vec4f(cols1[4 + 2][1]), w2_1.hi, b1_4);
      a1_5 = fma(vec4f(cols1[5 + 2][1]), w2_1.lo, a1_5);
      b1_5 = fma(vec4f(cols1[5 + 2][1]), w2_1.hi, b1_5);
      a1_6 = fma(vec4f(cols1[6 + 2][1]), w2_1.lo, a1_6);
      b1_6 = fma(vec4f(cols1[6 + 2][1]), w2_1.hi, b1_6);
      a1_7 = fma(vec4f(cols1[7 + 2][1]), w2_1.lo, a1_7);
      b1_7 = fma(vec4f(cols1[7 + 2][1]), w2_1.hi, b1_7);
      let w2_2 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][2]), w2_2.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][2]), w2_2.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][2]), w2_2.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][2]), w2_2.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][2]), w2_2.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][2]), w2_2.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][2]), w2_2.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][2]), w2_2.hi, b0_7);
      a1_0 = fma(vec4f(cols1[0 + 2][2]), w2_2.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 2][2]), w2_2.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 2][2]), w2_2.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 2][2]), w2_2.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 2][2]), w2_2.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 2][2]), w2_2.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 2][2]), w2_2.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 2][2]), w2_2.hi, b1_3);
      a1_4 = fma(vec4f(cols1[4 + 2][2]), w2_2.lo, a1_4);
      b1_4 = fma(vec4f(cols1[4 + 2][2]), w2_2.hi, b1_4);
      a1_5 = fma(vec4f(cols1[5 + 2][2]), w2_2.lo, a1_5);
      b1_5 = fma(vec4f(cols1[5 + 2][2]), w2_2.hi, b1_5);
      a1_6 = fma(vec4f(cols1[6 + 2][2]), w2_2.lo, a1_6);
      b1_6 = fma(vec4f(cols1[6 + 2][2]), w2_2.hi, b1_6);
      a1_7 = fma(vec4f(cols1[7 + 2][2]), w2_2.lo, a1_7);
      b1_7 = fma(vec4f(cols1[7 + 2][2]), w2_2.hi, b1_7);
      let w2_3 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.hi, b0_3);
      a0_4 = fma(vec4f(cols0[4 + 2][3]), w2_3.lo, a0_4);
      b0_4 = fma(vec4f(cols0[4 + 2][3]), w2_3.hi, b0_4);
      a0_5 = fma(vec4f(cols0[5 + 2][3]), w2_3.lo, a0_5);
      b0_5 = fma(vec4f(cols0[5 + 2][3]), w2_3.hi, b0_5);
      a0_6 = fma(vec4f(cols0[6 + 2][3]), w2_3.lo, a0_6);
      b0_6 = fma(vec4f(cols0[6 + 2][3]), w2_3.hi, b0_6);
      a0_7 = fma(vec4f(cols0[7 + 2][3]), w2_3.lo, a0_7);
      b0_7 = fma(vec4f(cols0[7 + 2][3]), w2_3.hi, b0_7);
      a1_0 = fma(vec4f(cols1[0 + 2][3]), w2_3.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 2][3]), w2_3.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 2][3]), w2_3.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 2][3]), w2_3.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 2][3]), w2_3.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 2][3]), w2_3.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 2][3]), w2_3.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 2][3]), w2_3.hi, b1_3);
      a1_4 = fma(vec4f(cols1[4 + 2][3]), w2_3.lo, a1_4);
      b1_4 = fma(vec4f(cols1[4 + 2][3]), w2_3.hi, b1_4);
      a1_5 = fma(vec4f(cols1[5 + 2][3]), w2_3.lo, a1_5);
      b1_5 = fma(vec4f(cols1[5 + 2][3]), w2_3.hi, b1_5);
      a1_6 = fma(vec4f(cols1[6 + 2][3]), w2_3.lo, a1_6);
      b1_6 = fma(vec4f(cols1[6 + 2][3]), w2_3.hi, b1_6);
      a1_7 = fma(vec4f(cols1[7 + 2][3]), w2_3.lo, a1_7);
      b1_7 = fma(vec4f(cols1[7 + 2][3]), w2_3.hi, b1_7);
    }
  }
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < PX * ROWS; i++) {
    var lo = a0_0;
    var hi = b0_0;
    lo = select(lo, a0_0, i == 0 * PX + 0);
    hi = select(hi, b0_0, i == 0 * PX + 0);
    lo = select(lo, a0_1, i == 0 * PX + 1);
    hi = select(hi, b0_1, i == 0 * PX + 1);
    lo = select(lo, a0_2, i == 0 * PX + 2);
    hi = select(hi, b0_2, i == 0 * PX + 2);
    lo = select(lo, a0_3, i == 0 * PX + 3);
    hi = select(hi, b0_3, i == 0 * PX + 3);
    lo = select(lo, a0_4, i == 0 * PX + 4);
    hi = select(hi, b0_4, i == 0 * PX + 4);
    lo = select(lo, a0_5, i == 0 * PX + 5);
    hi = select(hi, b0_5, i == 0 * PX + 5);
    lo = select(lo, a0_6, i == 0 * PX + 6);
    hi = select(hi, b0_6, i == 0 * PX + 6);
    lo = select(lo, a0_7, i == 0 * PX + 7);
    hi = select(hi, b0_7, i == 0 * PX + 7);
    lo = select(lo, a1_0, i == 1 * PX + 0);
    hi = select(hi, b1_0, i == 1 * PX + 0);
    lo = select(lo, a1_1, i == 1 * PX + 1);
    hi = select(hi, b1_1, i == 1 * PX + 1);
    lo = select(lo, a1_2, i == 1 * PX + 2);
    hi = select(hi, b1_2, i == 1 * PX + 2);
    lo = select(lo, a1_3, i == 1 * PX + 3);
    hi = select(hi, b1_3, i == 1 * PX + 3);
    lo = select(lo, a1_4, i == 1 * PX + 4);
    hi = select(hi, b1_4, i == 1 * PX + 4);
    lo = select(lo, a1_5, i == 1 * PX + 5);
    hi = select(hi, b1_5, i == 1 * PX + 5);
    lo = select(lo, a1_6, i == 1 * PX + 6);
    hi = select(hi, b1_6, i == 1 * PX + 6);
    lo = select(lo, a1_7, i == 1 * PX + 7);
    hi = select(hi, b1_7, i == 1 * PX + 7);
    finish(x + i % PX, y + i / PX, n, lo);
    finish(x + i % PX, y + i / PX, n + 4u, hi);
  }
}
`,
  "conv3x3@V=1,TEXELS=1,PX=4,ROWS=4": `const V: u32 = 1u;
const TEXELS: u32 = 1u;
const PX: u32 = 4u;
const ROWS: u32 = 4u;
// conv3x3.wgsl — 3×3 convolution, stride 1: each invocation makes PX neighbouring pixels of ROWS rows × 8 channels.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [9, Ci, Co8]         f32 or f16 by W_TYPE: tap, input channel, output channels padded to 8
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// The PX + 2 input columns of a row serve all three taps of that row, so a loaded value is used up to 24 times, and a
// weight PX · ROWS times.
// UP = 2 reads the picture as if every pixel stood twice in both directions (nearest upsampling).


override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16
override UP: u32 = 1u;

struct Shape {
  H: u32, W: u32, C4: u32, Co: u32, Co8: u32, Ho: u32, Wo: u32, tiles: u32,
  padY: i32, padX: i32, y0: u32, rows: u32,    // output rows y0 … y0 + rows of one sample
  xRow: u32, yRow: u32, rRow: u32, b: u32,     // first bound rows of X, Y, R; the sample
  across: u32,   // invocations of a workgroup along the channels; the others of the 64 along the pixels
  act: u32,      // as in matmul.wgsl
  bias: u32,     // 1 bias, 2 channelBias, 3 both
  add: u32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      W: texture_2d<u32>;
fn wBits(at: u32) -> vec4u { return textureLoad(W, vec2u(at & 2047u, at >> 11u), 0); }
fn xFour(at: u32) -> vec4f {  // four f32 a texel, or eight f16
  let texel = select(at, at >> 1u, X_TYPE == 1u);
  let bits = textureLoad(X, vec2u(texel & 2047u, texel >> 11u), 0);
  if (X_TYPE == 0u) { return bitcast<vec4f>(bits); }
  let pair = select(bits.xy, bits.zw, (at & 1u) == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       channelBias: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<vec4<rElem>>;
@group(0) @binding(6) var<storage, read_write> Y: array<vec4<yElem>>;

fn activate(x: f32) -> f32 {
  switch s.act {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

/// Input channels 4·c … of virtual row y and column x; zero outside.
fn pixel(y: i32, x: i32, c: u32) -> vec4f {
  let inside = y >= 0 && y < i32(s.H * UP) && x >= 0 && x < i32(s.W * UP);
  let row = u32(clamp(y, 0, i32(s.H * UP) - 1)) / UP;
  let col = u32(clamp(x, 0, i32(s.W * UP) - 1)) / UP;
  return select(vec4f(), xFour(((row - s.xRow) * s.W + col) * s.C4 + c), inside);
}

struct Eight { lo: vec4f, hi: vec4f }

/// Weights of input row k (tap · Ci + channel) for eight output channels from n on.
fn weights(k: u32, n: u32) -> Eight {
  let at = (k * s.Co8 + n) / 8u;
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn finish(x: u32, y: u32, n: u32, sum: vec4f) {
  if (x >= s.Wo || y >= s.y0 + s.rows || n >= s.Co) { return; }
  let yAt = ((y - s.yRow) * s.Wo + x) * s.Co + n;
  let rAt = ((y - s.rRow) * s.Wo + x) * s.Co + n;
  var v = sum;
  for (var i = 0u; i < 4u; i++) {
    let c = min(n + i, s.Co - 1u);
    if ((s.bias & 1u) != 0u) { v[i] += bias[c]; }
    if ((s.bias & 2u) != 0u) { v[i] += channelBias[s.b * s.Co + c]; }
    v[i] = activate(v[i]);
  }
  if (s.add == 1u) { v += vec4f(R[rAt / 4u]); }
  Y[yAt / 4u] = vec4<yElem>(v);
}

// One axis: drivers that run on a CPU fill their vectors along x only.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = vec2u(group.x * s.across + lane % s.across, group.y * (64u / s.across) + lane / s.across);
  let n = id.x * 8u;
  let y = s.y0 + id.y / s.tiles * ROWS;
  let x = (id.y % s.tiles) * PX;
  if (n >= s.Co || y >= s.y0 + s.rows) { return; }
  let left = i32(x) - s.padX;

  var a0_0 = vec4f();
  var b0_0 = vec4f();
  var a0_1 = vec4f();
  var b0_1 = vec4f();
  var a0_2 = vec4f();
  var b0_2 = vec4f();
  var a0_3 = vec4f();
  var b0_3 = vec4f();
  var a1_0 = vec4f();
  var b1_0 = vec4f();
  var a1_1 = vec4f();
  var b1_1 = vec4f();
  var a1_2 = vec4f();
  var b1_2 = vec4f();
  var a1_3 = vec4f();
  var b1_3 = vec4f();
  var a2_0 = vec4f();
  var b2_0 = vec4f();
  var a2_1 = vec4f();
  var b2_1 = vec4f();
  var a2_2 = vec4f();
  var b2_2 = vec4f();
  var a2_3 = vec4f();
  var b2_3 = vec4f();
  var a3_0 = vec4f();
  var b3_0 = vec4f();
  var a3_1 = vec4f();
  var b3_1 = vec4f();
  var a3_2 = vec4f();
  var b3_2 = vec4f();
  var a3_3 = vec4f();
  var b3_3 = vec4f();
  for (var ky = 0u; ky < 3u; ky++) {
    let row = i32(y + ky) - s.padY;
    if (row + i32(ROWS) <= 0 || row >= i32(s.H * UP)) { continue; }
    for (var c = 0u; c < s.C4; c++) {
      // Indexed by constants only: after unrolling, every element is a register.
      var cols0: array<vec4f, PX + 2u>;
      cols0[0] = pixel(row + 0, left + 0, c);
      cols0[1] = pixel(row + 0, left + 1, c);
      cols0[2] = pixel(row + 0, left + 2, c);
      cols0[3] = pixel(row + 0, left + 3, c);
      cols0[4] = pixel(row + 0, left + 4, c);
      cols0[5] = pixel(row + 0, left + 5, c);
      var cols1: array<vec4f, PX + 2u>;
      cols1[0] = pixel(row + 1, left + 0, c);
      cols1[1] = pixel(row + 1, left + 1, c);
      cols1[2] = pixel(row + 1, left + 2, c);
      cols1[3] = pixel(row + 1, left + 3, c);
      cols1[4] = pixel(row + 1, left + 4, c);
      cols1[5] = pixel(row + 1, left + 5, c);
      var cols2: array<vec4f, PX + 2u>;
      cols2[0] = pixel(row + 2, left + 0, c);
      cols2[1] = pixel(row + 2, left + 1, c);
      cols2[2] = pixel(row + 2, left + 2, c);
      cols2[3] = pixel(row + 2, left + 3, c);
      cols2[4] = pixel(row + 2, left + 4, c);
      cols2[5] = pixel(row + 2, left + 5, c);
      var cols3: array<vec4f, PX + 2u>;
      cols3[0] = pixel(row + 3, left + 0, c);
      cols3[1] = pixel(row + 3, left + 1, c);
      cols3[2] = pixel(row + 3, left + 2, c);
      cols3[3] = pixel(row + 3, left + 3, c);
      cols3[4] = pixel(row + 3, left + 4, c);
      cols3[5] = pixel(row + 3, left + 5, c);
      let w0_0 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][0]), w0_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][0]), w0_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][0]), w0_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][0]), w0_0.hi, b0_3);
      a1_0 = fma(vec4f(cols1[0 + 0][0]), w0_0.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 0][0]), w0_0.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 0][0]), w0_0.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 0][0]), w0_0.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 0][0]), w0_0.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 0][0]), w0_0.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 0][0]), w0_0.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 0][0]), w0_0.hi, b1_3);
      a2_0 = fma(vec4f(cols2[0 + 0][0]), w0_0.lo, a2_0);
      b2_0 = fma(vec4f(cols2[0 + 0][0]), w0_0.hi, b2_0);
      a2_1 = fma(vec4f(cols2[1 + 0][0]), w0_0.lo, a2_1);
      b2_1 = fma(vec4f(cols2[1 + 0][0]), w0_0.hi, b2_1);
      a2_2 = fma(vec4f(cols2[2 + 0][0]), w0_0.lo, a2_2);
      b2_2 = fma(vec4f(cols2[2 + 0][0]), w0_0.hi, b2_2);
      a2_3 = fma(vec4f(cols2[3 + 0][0]), w0_0.lo, a2_3);
      b2_3 = fma(vec4f(cols2[3 + 0][0]), w0_0.hi, b2_3);
      a3_0 = fma(vec4f(cols3[0 + 0][0]), w0_0.lo, a3_0);
      b3_0 = fma(vec4f(cols3[0 + 0][0]), w0_0.hi, b3_0);
      a3_1 = fma(vec4f(cols3[1 + 0][0]), w0_0.lo, a3_1);
      b3_1 = fma(vec4f(cols3[1 + 0][0]), w0_0.hi, b3_1);
      a3_2 = fma(vec4f(cols3[2 + 0][0]), w0_0.lo, a3_2);
      b3_2 = fma(vec4f(cols3[2 + 0][0]), w0_0.hi, b3_2);
      a3_3 = fma(vec4f(cols3[3 + 0][0]), w0_0.lo, a3_3);
      b3_3 = fma(vec4f(cols3[3 + 0][0]), w0_0.hi, b3_3);
      let w0_1 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][1]), w0_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][1]), w0_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][1]), w0_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][1]), w0_1.hi, b0_3);
      a1_0 = fma(vec4f(cols1[0 + 0][1]), w0_1.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 0][1]), w0_1.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 0][1]), w0_1.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 0][1]), w0_1.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 0][1]), w0_1.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 0][1]), w0_1.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 0][1]), w0_1.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 0][1]), w0_1.hi, b1_3);
      a2_0 = fma(vec4f(cols2[0 + 0][1]), w0_1.lo, a2_0);
      b2_0 = fma(vec4f(cols2[0 + 0][1]), w0_1.hi, b2_0);
      a2_1 = fma(vec4f(cols2[1 + 0][1]), w0_1.lo, a2_1);
      b2_1 = fma(vec4f(cols2[1 + 0][1]), w0_1.hi, b2_1);
      a2_2 = fma(vec4f(cols2[2 + 0][1]), w0_1.lo, a2_2);
      b2_2 = fma(vec4f(cols2[2 + 0][1]), w0_1.hi, b2_2);
      a2_3 = fma(vec4f(cols2[3 + 0][1]), w0_1.lo, a2_3);
      b2_3 = fma(vec4f(cols2[3 + 0][1]), w0_1.hi, b2_3);
      a3_0 = fma(vec4f(cols3[0 + 0][1]), w0_1.lo, a3_0);
      b3_0 = fma(vec4f(cols3[0 + 0][1]), w0_1.hi, b3_0);
      a3_1 = fma(vec4f(cols3[1 + 0][1]), w0_1.lo, a3_1);
      b3_1 = fma(vec4f(cols3[1 + 0][1]), w0_1.hi, b3_1);
      a3_2 = fma(vec4f(cols3[2 + 0][1]), w0_1.lo, a3_2);
      b3_2 = fma(vec4f(cols3[2 + 0][1]), w0_1.hi, b3_2);
      a3_3 = fma(vec4f(cols3[3 + 0][1]), w0_1.lo, a3_3);
      b3_3 = fma(vec4f(cols3[3 + 0][1]), w0_1.hi, b3_3);
      let w0_2 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][2]), w0_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][2]), w0_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][2]), w0_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][2]), w0_2.hi, b0_3);
      a1_0 = fma(vec4f(cols1[0 + 0][2]), w0_2.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 0][2]), w0_2.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 0][2]), w0_2.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 0][2]), w0_2.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 0][2]), w0_2.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 0][2]), w0_2.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 0][2]), w0_2.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 0][2]), w0_2.hi, b1_3);
      a2_0 = fma(vec4f(cols2[0 + 0][2]), w0_2.lo, a2_0);
      b2_0 = fma(vec4f(cols2[0 + 0][2]), w0_2.hi, b2_0);
      a2_1 = fma(vec4f(cols2[1 + 0][2]), w0_2.lo, a2_1);
      b2_1 = fma(vec4f(cols2[1 + 0][2]), w0_2.hi, b2_1);
      a2_2 = fma(vec4f(cols2[2 + 0][2]), w0_2.lo, a2_2);
      b2_2 = fma(vec4f(cols2[2 + 0][2]), w0_2.hi, b2_2);
      a2_3 = fma(vec4f(cols2[3 + 0][2]), w0_2.lo, a2_3);
      b2_3 = fma(vec4f(cols2[3 + 0][2]), w0_2.hi, b2_3);
      a3_0 = fma(vec4f(cols3[0 + 0][2]), w0_2.lo, a3_0);
      b3_0 = fma(vec4f(cols3[0 + 0][2]), w0_2.hi, b3_0);
      a3_1 = fma(vec4f(cols3[1 + 0][2]), w0_2.lo, a3_1);
      b3_1 = fma(vec4f(cols3[1 + 0][2]), w0_2.hi, b3_1);
      a3_2 = fma(vec4f(cols3[2 + 0][2]), w0_2.lo, a3_2);
      b3_2 = fma(vec4f(cols3[2 + 0][2]), w0_2.hi, b3_2);
      a3_3 = fma(vec4f(cols3[3 + 0][2]), w0_2.lo, a3_3);
      b3_3 = fma(vec4f(cols3[3 + 0][2]), w0_2.hi, b3_3);
      let w0_3 = weights((ky * 3u + 0) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 0][3]), w0_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 0][3]), w0_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 0][3]), w0_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 0][3]), w0_3.hi, b0_3);
      a1_0 = fma(vec4f(cols1[0 + 0][3]), w0_3.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 0][3]), w0_3.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 0][3]), w0_3.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 0][3]), w0_3.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 0][3]), w0_3.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 0][3]), w0_3.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 0][3]), w0_3.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 0][3]), w0_3.hi, b1_3);
      a2_0 = fma(vec4f(cols2[0 + 0][3]), w0_3.lo, a2_0);
      b2_0 = fma(vec4f(cols2[0 + 0][3]), w0_3.hi, b2_0);
      a2_1 = fma(vec4f(cols2[1 + 0][3]), w0_3.lo, a2_1);
      b2_1 = fma(vec4f(cols2[1 + 0][3]), w0_3.hi, b2_1);
      a2_2 = fma(vec4f(cols2[2 + 0][3]), w0_3.lo, a2_2);
      b2_2 = fma(vec4f(cols2[2 + 0][3]), w0_3.hi, b2_2);
      a2_3 = fma(vec4f(cols2[3 + 0][3]), w0_3.lo, a2_3);
      b2_3 = fma(vec4f(cols2[3 + 0][3]), w0_3.hi, b2_3);
      a3_0 = fma(vec4f(cols3[0 + 0][3]), w0_3.lo, a3_0);
      b3_0 = fma(vec4f(cols3[0 + 0][3]), w0_3.hi, b3_0);
      a3_1 = fma(vec4f(cols3[1 + 0][3]), w0_3.lo, a3_1);
      b3_1 = fma(vec4f(cols3[1 + 0][3]), w0_3.hi, b3_1);
      a3_2 = fma(vec4f(cols3[2 + 0][3]), w0_3.lo, a3_2);
      b3_2 = fma(vec4f(cols3[2 + 0][3]), w0_3.hi, b3_2);
      a3_3 = fma(vec4f(cols3[3 + 0][3]), w0_3.lo, a3_3);
      b3_3 = fma(vec4f(cols3[3 + 0][3]), w0_3.hi, b3_3);
      let w1_0 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][0]), w1_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][0]), w1_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][0]), w1_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][0]), w1_0.hi, b0_3);
      a1_0 = fma(vec4f(cols1[0 + 1][0]), w1_0.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 1][0]), w1_0.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 1][0]), w1_0.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 1][0]), w1_0.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 1][0]), w1_0.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 1][0]), w1_0.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 1][0]), w1_0.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 1][0]), w1_0.hi, b1_3);
      a2_0 = fma(vec4f(cols2[0 + 1][0]), w1_0.lo, a2_0);
      b2_0 = fma(vec4f(cols2[0 + 1][0]), w1_0.hi, b2_0);
      a2_1 = fma(vec4f(cols2[1 + 1][0]), w1_0.lo, a2_1);
      b2_1 = fma(vec4f(cols2[1 + 1][0]), w1_0.hi, b2_1);
      a2_2 = fma(vec4f(cols2[2 + 1][0]), w1_0.lo, a2_2);
      b2_2 = fma(vec4f(cols2[2 + 1][0]), w1_0.hi, b2_2);
      a2_3 = fma(vec4f(cols2[3 + 1][0]), w1_0.lo, a2_3);
      b2_3 = fma(vec4f(cols2[3 + 1][0]), w1_0.hi, b2_3);
      a3_0 = fma(vec4f(cols3[0 + 1][0]), w1_0.lo, a3_0);
      b3_0 = fma(vec4f(cols3[0 + 1][0]), w1_0.hi, b3_0);
      a3_1 = fma(vec4f(cols3[1 + 1][0]), w1_0.lo, a3_1);
      b3_1 = fma(vec4f(cols3[1 + 1][0]), w1_0.hi, b3_1);
      a3_2 = fma(vec4f(cols3[2 + 1][0]), w1_0.lo, a3_2);
      b3_2 = fma(vec4f(cols3[2 + 1][0]), w1_0.hi, b3_2);
      a3_3 = fma(vec4f(cols3[3 + 1][0]), w1_0.lo, a3_3);
      b3_3 = fma(vec4f(cols3[3 + 1][0]), w1_0.hi, b3_3);
      let w1_1 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][1]), w1_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][1]), w1_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][1]), w1_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][1]), w1_1.hi, b0_3);
      a1_0 = fma(vec4f(cols1[0 + 1][1]), w1_1.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 1][1]), w1_1.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 1][1]), w1_1.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 1][1]), w1_1.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 1][1]), w1_1.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 1][1]), w1_1.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 1][1]), w1_1.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 1][1]), w1_1.hi, b1_3);
      a2_0 = fma(vec4f(cols2[0 + 1][1]), w1_1.lo, a2_0);
      b2_0 = fma(vec4f(cols2[0 + 1][1]), w1_1.hi, b2_0);
      a2_1 = fma(vec4f(cols2[1 + 1][1]), w1_1.lo, a2_1);
      b2_1 = fma(vec4f(cols2[1 + 1][1]), w1_1.hi, b2_1);
      a2_2 = fma(vec4f(cols2[2 + 1][1]), w1_1.lo, a2_2);
      b2_2 = fma(vec4f(cols2[2 + 1][1]), w1_1.hi, b2_2);
      a2_3 = fma(vec4f(cols2[3 + 1][1]), w1_1.lo, a2_3);
      b2_3 = fma(vec4f(cols2[3 + 1][1]), w1_1.hi, b2_3);
      a3_0 = fma(vec4f(cols3[0 + 1][1]), w1_1.lo, a3_0);
      b3_0 = fma(vec4f(cols3[0 + 1][1]), w1_1.hi, b3_0);
      a3_1 = fma(vec4f(cols3[1 + 1][1]), w1_1.lo, a3_1);
      b3_1 = fma(vec4f(cols3[1 + 1][1]), w1_1.hi, b3_1);
      a3_2 = fma(vec4f(cols3[2 + 1][1]), w1_1.lo, a3_2);
      b3_2 = fma(vec4f(cols3[2 + 1][1]), w1_1.hi, b3_2);
      a3_3 = fma(vec4f(cols3[3 + 1][1]), w1_1.lo, a3_3);
      b3_3 = fma(vec4f(cols3[3 + 1][1]), w1_1.hi, b3_3);
      let w1_2 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][2]), w1_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][2]), w1_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][2]), w1_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][2]), w1_2.hi, b0_3);
      a1_0 = fma(vec4f(cols1[0 + 1][2]), w1_2.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 1][2]), w1_2.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 1][2]), w1_2.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 1][2]), w1_2.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 1][2]), w1_2.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 1][2]), w1_2.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 1][2]), w1_2.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 1][2]), w1_2.hi, b1_3);
      a2_0 = fma(vec4f(cols2[0 + 1][2]), w1_2.lo, a2_0);
      b2_0 = fma(vec4f(cols2[0 + 1][2]), w1_2.hi, b2_0);
      a2_1 = fma(vec4f(cols2[1 + 1][2]), w1_2.lo, a2_1);
      b2_1 = fma(vec4f(cols2[1 + 1][2]), w1_2.hi, b2_1);
      a2_2 = fma(vec4f(cols2[2 + 1][2]), w1_2.lo, a2_2);
      b2_2 = fma(vec4f(cols2[2 + 1][2]), w1_2.hi, b2_2);
      a2_3 = fma(vec4f(cols2[3 + 1][2]), w1_2.lo, a2_3);
      b2_3 = fma(vec4f(cols2[3 + 1][2]), w1_2.hi, b2_3);
      a3_0 = fma(vec4f(cols3[0 + 1][2]), w1_2.lo, a3_0);
      b3_0 = fma(vec4f(cols3[0 + 1][2]), w1_2.hi, b3_0);
      a3_1 = fma(vec4f(cols3[1 + 1][2]), w1_2.lo, a3_1);
      b3_1 = fma(vec4f(cols3[1 + 1][2]), w1_2.hi, b3_1);
      a3_2 = fma(vec4f(cols3[2 + 1][2]), w1_2.lo, a3_2);
      b3_2 = fma(vec4f(cols3[2 + 1][2]), w1_2.hi, b3_2);
      a3_3 = fma(vec4f(cols3[3 + 1][2]), w1_2.lo, a3_3);
      b3_3 = fma(vec4f(cols3[3 + 1][2]), w1_2.hi, b3_3);
      let w1_3 = weights((ky * 3u + 1) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 1][3]), w1_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 1][3]), w1_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 1][3]), w1_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 1][3]), w1_3.hi, b0_3);
      a1_0 = fma(vec4f(cols1[0 + 1][3]), w1_3.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 1][3]), w1_3.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 1][3]), w1_3.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 1][3]), w1_3.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 1][3]), w1_3.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 1][3]), w1_3.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 1][3]), w1_3.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 1][3]), w1_3.hi, b1_3);
      a2_0 = fma(vec4f(cols2[0 + 1][3]), w1_3.lo, a2_0);
      b2_0 = fma(vec4f(cols2[0 + 1][3]), w1_3.hi, b2_0);
      a2_1 = fma(vec4f(cols2[1 + 1][3]), w1_3.lo, a2_1);
      b2_1 = fma(vec4f(cols2[1 + 1][3]), w1_3.hi, b2_1);
      a2_2 = fma(vec4f(cols2[2 + 1][3]), w1_3.lo, a2_2);
      b2_2 = fma(vec4f(cols2[2 + 1][3]), w1_3.hi, b2_2);
      a2_3 = fma(vec4f(cols2[3 + 1][3]), w1_3.lo, a2_3);
      b2_3 = fma(vec4f(cols2[3 + 1][3]), w1_3.hi, b2_3);
      a3_0 = fma(vec4f(cols3[0 + 1][3]), w1_3.lo, a3_0);
      b3_0 = fma(vec4f(cols3[0 + 1][3]), w1_3.hi, b3_0);
      a3_1 = fma(vec4f(cols3[1 + 1][3]), w1_3.lo, a3_1);
      b3_1 = fma(vec4f(cols3[1 + 1][3]), w1_3.hi, b3_1);
      a3_2 = fma(vec4f(cols3[2 + 1][3]), w1_3.lo, a3_2);
      b3_2 = fma(vec4f(cols3[2 + 1][3]), w1_3.hi, b3_2);
      a3_3 = fma(vec4f(cols3[3 + 1][3]), w1_3.lo, a3_3);
      b3_3 = fma(vec4f(cols3[3 + 1][3]), w1_3.hi, b3_3);
      let w2_0 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 0, n);
      a0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][0]), w2_0.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][0]), w2_0.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][0]), w2_0.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][0]), w2_0.hi, b0_3);
      a1_0 = fma(vec4f(cols1[0 + 2][0]), w2_0.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 2][0]), w2_0.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 2][0]), w2_0.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 2][0]), w2_0.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 2][0]), w2_0.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 2][0]), w2_0.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 2][0]), w2_0.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 2][0]), w2_0.hi, b1_3);
      a2_0 = fma(vec4f(cols2[0 + 2][0]), w2_0.lo, a2_0);
      b2_0 = fma(vec4f(cols2[0 + 2][0]), w2_0.hi, b2_0);
      a2_1 = fma(vec4f(cols2[1 + 2][0]), w2_0.lo, a2_1);
      b2_1 = fma(vec4f(cols2[1 + 2][0]), w2_0.hi, b2_1);
      a2_2 = fma(vec4f(cols2[2 + 2][0]), w2_0.lo, a2_2);
      b2_2 = fma(vec4f(cols2[2 + 2][0]), w2_0.hi, b2_2);
      a2_3 = fma(vec4f(cols2[3 + 2][0]), w2_0.lo, a2_3);
      b2_3 = fma(vec4f(cols2[3 + 2][0]), w2_0.hi, b2_3);
      a3_0 = fma(vec4f(cols3[0 + 2][0]), w2_0.lo, a3_0);
      b3_0 = fma(vec4f(cols3[0 + 2][0]), w2_0.hi, b3_0);
      a3_1 = fma(vec4f(cols3[1 + 2][0]), w2_0.lo, a3_1);
      b3_1 = fma(vec4f(cols3[1 + 2][0]), w2_0.hi, b3_1);
      a3_2 = fma(vec4f(cols3[2 + 2][0]), w2_0.lo, a3_2);
      b3_2 = fma(vec4f(cols3[2 + 2][0]), w2_0.hi, b3_2);
      a3_3 = fma(vec4f(cols3[3 + 2][0]), w2_0.lo, a3_3);
      b3_3 = fma(vec4f(cols3[3 + 2][0]), w2_0.hi, b3_3);
      let w2_1 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 1, n);
      a0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][1]), w2_1.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][1]), w2_1.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][1]), w2_1.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][1]), w2_1.hi, b0_3);
      a1_0 = fma(vec4f(cols1[0 + 2][1]), w2_1.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 2][1]), w2_1.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 2][1]), w2_1.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 2][1]), w2_1.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 2][1]), w2_1.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 2][1]), w2_1.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 2][1]), w2_1.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 2][1]), w2_1.hi, b1_3);
      a2_0 = fma(vec4f(cols2[0 + 2][1]), w2_1.lo, a2_0);
      b2_0 = fma(vec4f(cols2[0 + 2][1]), w2_1.hi, b2_0);
      a2_1 = fma(vec4f(cols2[1 + 2][1]), w2_1.lo, a2_1);
      b2_1 = fma(vec4f(cols2[1 + 2][1]), w2_1.hi, b2_1);
      a2_2 = fma(vec4f(cols2[2 + 2][1]), w2_1.lo, a2_2);
      b2_2 = fma(vec4f(cols2[2 + 2][1]), w2_1.hi, b2_2);
      a2_3 = fma(vec4f(cols2[3 + 2][1]), w2_1.lo, a2_3);
      b2_3 = fma(vec4f(cols2[3 + 2][1]), w2_1.hi, b2_3);
      a3_0 = fma(vec4f(cols3[0 + 2][1]), w2_1.lo, a3_0);
      b3_0 = fma(vec4f(cols3[0 + 2][1]), w2_1.hi, b3_0);
      a3_1 = fma(vec4f(cols3[1 + 2][1]), w2_1.lo, a3_1);
      b3_1 = fma(vec4f(cols3[1 + 2][1]), w2_1.hi, b3_1);
      a3_2 = fma(vec4f(cols3[2 + 2][1]), w2_1.lo, a3_2);
      b3_2 = fma(vec4f(cols3[2 + 2][1]), w2_1.hi, b3_2);
      a3_3 = fma(vec4f(cols3[3 + 2][1]), w2_1.lo, a3_3);
      b3_3 = fma(vec4f(cols3[3 + 2][1]), w2_1.hi, b3_3);
      let w2_2 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 2, n);
      a0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][2]), w2_2.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][2]), w2_2.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][2]), w2_2.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][2]), w2_2.hi, b0_3);
      a1_0 = fma(vec4f(cols1[0 + 2][2]), w2_2.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 2][2]), w2_2.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 2][2]), w2_2.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 2][2]), w2_2.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 2][2]), w2_2.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 2][2]), w2_2.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 2][2]), w2_2.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 2][2]), w2_2.hi, b1_3);
      a2_0 = fma(vec4f(cols2[0 + 2][2]), w2_2.lo, a2_0);
      b2_0 = fma(vec4f(cols2[0 + 2][2]), w2_2.hi, b2_0);
      a2_1 = fma(vec4f(cols2[1 + 2][2]), w2_2.lo, a2_1);
      b2_1 = fma(vec4f(cols2[1 + 2][2]), w2_2.hi, b2_1);
      a2_2 = fma(vec4f(cols2[2 + 2][2]), w2_2.lo, a2_2);
      b2_2 = fma(vec4f(cols2[2 + 2][2]), w2_2.hi, b2_2);
      a2_3 = fma(vec4f(cols2[3 + 2][2]), w2_2.lo, a2_3);
      b2_3 = fma(vec4f(cols2[3 + 2][2]), w2_2.hi, b2_3);
      a3_0 = fma(vec4f(cols3[0 + 2][2]), w2_2.lo, a3_0);
      b3_0 = fma(vec4f(cols3[0 + 2][2]), w2_2.hi, b3_0);
      a3_1 = fma(vec4f(cols3[1 + 2][2]), w2_2.lo, a3_1);
      b3_1 = fma(vec4f(cols3[1 + 2][2]), w2_2.hi, b3_1);
      a3_2 = fma(vec4f(cols3[2 + 2][2]), w2_2.lo, a3_2);
      b3_2 = fma(vec4f(cols3[2 + 2][2]), w2_2.hi, b3_2);
      a3_3 = fma(vec4f(cols3[3 + 2][2]), w2_2.lo, a3_3);
      b3_3 = fma(vec4f(cols3[3 + 2][2]), w2_2.hi, b3_3);
      let w2_3 = weights((ky * 3u + 2) * s.C4 * 4u + c * 4u + 3, n);
      a0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.lo, a0_0);
      b0_0 = fma(vec4f(cols0[0 + 2][3]), w2_3.hi, b0_0);
      a0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.lo, a0_1);
      b0_1 = fma(vec4f(cols0[1 + 2][3]), w2_3.hi, b0_1);
      a0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.lo, a0_2);
      b0_2 = fma(vec4f(cols0[2 + 2][3]), w2_3.hi, b0_2);
      a0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.lo, a0_3);
      b0_3 = fma(vec4f(cols0[3 + 2][3]), w2_3.hi, b0_3);
      a1_0 = fma(vec4f(cols1[0 + 2][3]), w2_3.lo, a1_0);
      b1_0 = fma(vec4f(cols1[0 + 2][3]), w2_3.hi, b1_0);
      a1_1 = fma(vec4f(cols1[1 + 2][3]), w2_3.lo, a1_1);
      b1_1 = fma(vec4f(cols1[1 + 2][3]), w2_3.hi, b1_1);
      a1_2 = fma(vec4f(cols1[2 + 2][3]), w2_3.lo, a1_2);
      b1_2 = fma(vec4f(cols1[2 + 2][3]), w2_3.hi, b1_2);
      a1_3 = fma(vec4f(cols1[3 + 2][3]), w2_3.lo, a1_3);
      b1_3 = fma(vec4f(cols1[3 + 2][3]), w2_3.hi, b1_3);
      a2_0 = fma(vec4f(cols2[0 + 2][3]), w2_3.lo, a2_0);
      b2_0 = fma(vec4f(cols2[0 + 2][3]), w2_3.hi, b2_0);
      a2_1 = fma(vec4f(cols2[1 + 2][3]), w2_3.lo, a2_1);
      b2_1 = fma(vec4f(cols2[1 + 2][3]), w2_3.hi, b2_1);
      a2_2 = fma(vec4f(cols2[2 + 2][3]), w2_3.lo, a2_2);
      b2_2 = fma(vec4f(cols2[2 + 2][3]), w2_3.hi, b2_2);
      a2_3 = fma(vec4f(cols2[3 + 2][3]), w2_3.lo, a2_3);
      b2_3 = fma(vec4f(cols2[3 + 2][3]), w2_3.hi, b2_3);
      a3_0 = fma(vec4f(cols3[0 + 2][3]), w2_3.lo, a3_0);
      b3_0 = fma(vec4f(cols3[0 + 2][3]), w2_3.hi, b3_0);
      a3_1 = fma(vec4f(cols3[1 + 2][3]), w2_3.lo, a3_1);
      b3_1 = fma(vec4f(cols3[1 + 2][3]), w2_3.hi, b3_1);
      a3_2 = fma(vec4f(cols3[2 + 2][3]), w2_3.lo, a3_2);
      b3_2 = fma(vec4f(cols3[2 + 2][3]), w2_3.hi, b3_2);
      a3_3 = fma(vec4f(cols3[3 + 2][3]), w2_3.lo, a3_3);
      b3_3 = fma(vec4f(cols3[3 + 2][3]), w2_3.hi, b3_3);
    }
  }
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < PX * ROWS; i++) {
    var lo = a0_0;
    var hi = b0_0;
    lo = select(lo, a0_0, i == 0 * PX + 0);
    hi = select(hi, b0_0, i == 0 * PX + 0);
    lo = select(lo, a0_1, i == 0 * PX + 1);
    hi = select(hi, b0_1, i == 0 * PX + 1);
    lo = select(lo, a0_2, i == 0 * PX + 2);
    hi = select(hi, b0_2, i == 0 * PX + 2);
    lo = select(lo, a0_3, i == 0 * PX + 3);
    hi = select(hi, b0_3, i == 0 * PX + 3);
    lo = select(lo, a1_0, i == 1 * PX + 0);
    hi = select(hi, b1_0, i == 1 * PX + 0);
    lo = select(lo, a1_1, i == 1 * PX + 1);
    hi = select(hi, b1_1, i == 1 * PX + 1);
    lo = select(lo, a1_2, i == 1 * PX + 2);
    hi = select(hi, b1_2, i == 1 * PX + 2);
    lo = select(lo, a1_3, i == 1 * PX + 3);
    hi = select(hi, b1_3, i == 1 * PX + 3);
    lo = select(lo, a2_0, i == 2 * PX + 0);
    hi = select(hi, b2_0, i == 2 * PX + 0);
    lo = select(lo, a2_1, i == 2 * PX + 1);
    hi = select(hi, b2_1, i == 2 * PX + 1);
    lo = select(lo, a2_2, i == 2 * PX + 2);
    hi = select(hi, b2_2, i == 2 * PX + 2);
    lo = select(lo, a2_3, i == 2 * PX + 3);
    hi = select(hi, b2_3, i == 2 * PX + 3);
    lo = select(lo, a3_0, i == 3 * PX + 0);
    hi = select(hi, b3_0, i == 3 * PX + 0);
    lo = select(lo, a3_1, i == 3 * PX + 1);
    hi = select(hi, b3_1, i == 3 * PX + 1);
    lo = select(lo, a3_2, i == 3 * PX + 2);
    hi = select(hi, b3_2, i == 3 * PX + 2);
    lo = select(lo, a3_3, i == 3 * PX + 3);
    hi = select(hi, b3_3, i == 3 * PX + 3);
    finish(x + i % PX, y + i / PX, n, lo);
    finish(x + i % PX, y + i / PX, n + 4u, hi);
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
  "group_norm_scale": `// group_norm_scale.wgsl — chunk statistics → scale and shift of every channel: y = x · scale + shift.
//
//   stats [B, G, chunks, 2];  weight, bias [C];  Y [B, C] of (scale, shift), all f32
//
// Chunks join by Chan's formula. One invocation a channel.

override WG: u32 = 64u;
override EPS: f32 = 1e-5;

struct Shape { count: u32, C: u32, G: u32, chunk: u32, chunks: u32, P: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       stats: array<vec2f>;
@group(0) @binding(2) var<storage, read>       weight: array<f32>;
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> Y: array<vec2f>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= s.count) { return; }
  let b = id.x / s.C;
  let c = id.x % s.C;
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
  let scale = inverseSqrt(m2 / n + EPS) * weight[c];
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
  "group_norm_texels": `// group_norm_texels.wgsl — as group_norm_stats.wgsl, over all groups at once, X read from a texture.
//
//   X [B, P, C] f32 or f16 by X_TYPE, P pixels, C a multiple of 4 (f32) or 8 (f16) and at most 4·WG channels
//   Y [B, G, chunks, 2] f32: mean and sum of squared deviations
//
// One workgroup a chunk of pixels. A lane sums four channels of every few pixels; two passes over the chunk, so
// that a mean far above the spread does not cancel.

override WG: u32 = 64u;
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16

struct Shape { P: u32, C: u32, G: u32, chunk: u32, chunks: u32, first: u32, b: u32, base: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var<storage, read_write> Y: array<vec2f>;

var<workgroup> partial: array<vec4f, WG>;
var<workgroup> means: array<f32, WG>;

fn xFour(at: u32) -> vec4f {  // four f32 a texel, or eight f16
  let texel = select(at, at >> 1u, X_TYPE == 1u);
  let bits = textureLoad(X, vec2u(texel & 2047u, texel >> 11u), 0);
  if (X_TYPE == 0u) { return bitcast<vec4f>(bits); }
  let pair = select(bits.xy, bits.zw, (at & 1u) == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}

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
  let quads = s.C / 4u;
  let width = s.C / s.G;
  let p0 = chunk * s.chunk;
  let pEnd = min(p0 + s.chunk, s.P);
  let n = f32((pEnd - p0) * width);
  let together = WG / quads;              // pixels that are read at once; lanes beyond together · quads rest
  let works = lane < together * quads;
  let q = lane % quads;

  var v = vec4f();
  if (works) {
    for (var p = p0 + lane / quads; p < pEnd; p += together) { v += xFour((p - s.base) * quads + q); }
  }
  partial[lane] = v;
  workgroupBarrier();
  for (var g = lane; g < s.G; g += WG) { means[g] = total(g, width, quads) / n; }
  workgroupBarrier();
  let c = q * 4u;
  let mean = vec4f(means[c / width], means[(c + 1u) / width], means[(c + 2u) / width], means[(c + 3u) / width]);
  v = vec4f();
  if (works) {
    for (var p = p0 + lane / quads; p < pEnd; p += together) {
      let d = xFour((p - s.base) * quads + q) - mean;
      v += d * d;
    }
  }
  partial[lane] = v;
  workgroupBarrier();
  for (var g = lane; g < s.G; g += WG) {
    Y[(s.b * s.G + g) * s.chunks + chunk] = vec2f(means[g], total(g, width, quads));
  }
}
`,
  "matmul@RM=1,RN=8,TEXELS=0,TILED=0,SPLIT=0,SUBGROUPS=0": `const RM: u32 = 1u;
const RN: u32 = 8u;
const TEXELS: u32 = 0u;
const TILED: u32 = 0u;
const SPLIT: u32 = 0u;
const SUBGROUPS: u32 = 0u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }
fn wBits(at: u32) -> vec4u { return W[at]; }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}



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
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  let c4 = min(n0 + 4, s.nEnd - 1u);
  let w4 = c4 * s.stride8 - s.wBase8;
  let c5 = min(n0 + 5, s.nEnd - 1u);
  let w5 = c5 * s.stride8 - s.wBase8;
  let c6 = min(n0 + 6, s.nEnd - 1u);
  let w6 = c6 * s.stride8 - s.wBase8;
  let c7 = min(n0 + 7, s.nEnd - 1u);
  let w7 = c7 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc0_4 = 0.0;
  var acc0_5 = 0.0;
  var acc0_6 = 0.0;
  var acc0_7 = 0.0;

  for (var k = 0u; k < s.K8; k++) {
    let a0 = loadX(x0 + k);
    let v0 = loadW(w0 + k);
    acc0_0 = mac4(mac4(acc0_0, a0.lo, v0.lo), a0.hi, v0.hi);
    let v1 = loadW(w1 + k);
    acc0_1 = mac4(mac4(acc0_1, a0.lo, v1.lo), a0.hi, v1.hi);
    let v2 = loadW(w2 + k);
    acc0_2 = mac4(mac4(acc0_2, a0.lo, v2.lo), a0.hi, v2.hi);
    let v3 = loadW(w3 + k);
    acc0_3 = mac4(mac4(acc0_3, a0.lo, v3.lo), a0.hi, v3.hi);
    let v4 = loadW(w4 + k);
    acc0_4 = mac4(mac4(acc0_4, a0.lo, v4.lo), a0.hi, v4.hi);
    let v5 = loadW(w5 + k);
    acc0_5 = mac4(mac4(acc0_5, a0.lo, v5.lo), a0.hi, v5.hi);
    let v6 = loadW(w6 + k);
    acc0_6 = mac4(mac4(acc0_6, a0.lo, v6.lo), a0.hi, v6.hi);
    let v7 = loadW(w7 + k);
    acc0_7 = mac4(mac4(acc0_7, a0.lo, v7.lo), a0.hi, v7.hi);
  }

  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  var shift0 = 0.0;
  if (s.hasBias == 1u) { shift0 = bias[c0]; }
  var factor0 = s.scale;
  var shift1 = 0.0;
  if (s.hasBias == 1u) { shift1 = bias[c1]; }
  var factor1 = s.scale;
  var shift2 = 0.0;
  if (s.hasBias == 1u) { shift2 = bias[c2]; }
  var factor2 = s.scale;
  var shift3 = 0.0;
  if (s.hasBias == 1u) { shift3 = bias[c3]; }
  var factor3 = s.scale;
  var shift4 = 0.0;
  if (s.hasBias == 1u) { shift4 = bias[c4]; }
  var factor4 = s.scale;
  var shift5 = 0.0;
  if (s.hasBias == 1u) { shift5 = bias[c5]; }
  var factor5 = s.scale;
  var shift6 = 0.0;
  if (s.hasBias == 1u) { shift6 = bias[c6]; }
  var factor6 = s.scale;
  var shift7 = 0.0;
  if (s.hasBias == 1u) { shift7 = bias[c7]; }
  var factor7 = s.scale;
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      factor0 = s.scale * gate[g + c0];
      factor1 = s.scale * gate[g + c1];
      factor2 = s.scale * gate[g + c2];
      factor3 = s.scale * gate[g + c3];
      factor4 = s.scale * gate[g + c4];
      factor5 = s.scale * gate[g + c5];
      factor6 = s.scale * gate[g + c6];
      factor7 = s.scale * gate[g + c7];
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    var sum0 = acc0_0;
    sum0 = select(sum0, acc0_0, i == 0);
    if (n0 + 0 < s.nEnd) { store(sum0, shift0, factor0, r + c0, y + c0); }
    var sum1 = acc0_1;
    sum1 = select(sum1, acc0_1, i == 0);
    if (n0 + 1 < s.nEnd) { store(sum1, shift1, factor1, r + c1, y + c1); }
    var sum2 = acc0_2;
    sum2 = select(sum2, acc0_2, i == 0);
    if (n0 + 2 < s.nEnd) { store(sum2, shift2, factor2, r + c2, y + c2); }
    var sum3 = acc0_3;
    sum3 = select(sum3, acc0_3, i == 0);
    if (n0 + 3 < s.nEnd) { store(sum3, shift3, factor3, r + c3, y + c3); }
    var sum4 = acc0_4;
    sum4 = select(sum4, acc0_4, i == 0);
    if (n0 + 4 < s.nEnd) { store(sum4, shift4, factor4, r + c4, y + c4); }
    var sum5 = acc0_5;
    sum5 = select(sum5, acc0_5, i == 0);
    if (n0 + 5 < s.nEnd) { store(sum5, shift5, factor5, r + c5, y + c5); }
    var sum6 = acc0_6;
    sum6 = select(sum6, acc0_6, i == 0);
    if (n0 + 6 < s.nEnd) { store(sum6, shift6, factor6, r + c6, y + c6); }
    var sum7 = acc0_7;
    sum7 = select(sum7, acc0_7, i == 0);
    if (n0 + 7 < s.nEnd) { store(sum7, shift7, factor7, r + c7, y + c7); }
  }
}
`,
  "matmul@RM=4,RN=4,TEXELS=0,TILED=0,SPLIT=0,SUBGROUPS=0": `const RM: u32 = 4u;
const RN: u32 = 4u;
const TEXELS: u32 = 0u;
const TILED: u32 = 0u;
const SPLIT: u32 = 0u;
const SUBGROUPS: u32 = 0u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }
fn wBits(at: u32) -> vec4u { return W[at]; }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}



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
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let r1 = min(m0 + 1, s.mEnd - 1u);
  let b1 = r1 / s.S;
  let x1 = (b1 * s.xN + s.xAt + r1 - b1 * s.S) * s.K8 - s.xBase8;
  let r2 = min(m0 + 2, s.mEnd - 1u);
  let b2 = r2 / s.S;
  let x2 = (b2 * s.xN + s.xAt + r2 - b2 * s.S) * s.K8 - s.xBase8;
  let r3 = min(m0 + 3, s.mEnd - 1u);
  let b3 = r3 / s.S;
  let x3 = (b3 * s.xN + s.xAt + r3 - b3 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc1_0 = 0.0;
  var acc1_1 = 0.0;
  var acc1_2 = 0.0;
  var acc1_3 = 0.0;
  var acc2_0 = 0.0;
  var acc2_1 = 0.0;
  var acc2_2 = 0.0;
  var acc2_3 = 0.0;
  var acc3_0 = 0.0;
  var acc3_1 = 0.0;
  var acc3_2 = 0.0;
  var acc3_3 = 0.0;

  for (var k = 0u; k < s.K8; k++) {
    let a0 = loadX(x0 + k);
    let a1 = loadX(x1 + k);
    let a2 = loadX(x2 + k);
    let a3 = loadX(x3 + k);
    let v0 = loadW(w0 + k);
    acc0_0 = mac4(mac4(acc0_0, a0.lo, v0.lo), a0.hi, v0.hi);
    acc1_0 = mac4(mac4(acc1_0, a1.lo, v0.lo), a1.hi, v0.hi);
    acc2_0 = mac4(mac4(acc2_0, a2.lo, v0.lo), a2.hi, v0.hi);
    acc3_0 = mac4(mac4(acc3_0, a3.lo, v0.lo), a3.hi, v0.hi);
    let v1 = loadW(w1 + k);
    acc0_1 = mac4(mac4(acc0_1, a0.lo, v1.lo), a0.hi, v1.hi);
    acc1_1 = mac4(mac4(acc1_1, a1.lo, v1.lo), a1.hi, v1.hi);
    acc2_1 = mac4(mac4(acc2_1, a2.lo, v1.lo), a2.hi, v1.hi);
    acc3_1 = mac4(mac4(acc3_1, a3.lo, v1.lo), a3.hi, v1.hi);
    let v2 = loadW(w2 + k);
    acc0_2 = mac4(mac4(acc0_2, a0.lo, v2.lo), a0.hi, v2.hi);
    acc1_2 = mac4(mac4(acc1_2, a1.lo, v2.lo), a1.hi, v2.hi);
    acc2_2 = mac4(mac4(acc2_2, a2.lo, v2.lo), a2.hi, v2.hi);
    acc3_2 = mac4(mac4(acc3_2, a3.lo, v2.lo), a3.hi, v2.hi);
    let v3 = loadW(w3 + k);
    acc0_3 = mac4(mac4(acc0_3, a0.lo, v3.lo), a0.hi, v3.hi);
    acc1_3 = mac4(mac4(acc1_3, a1.lo, v3.lo), a1.hi, v3.hi);
    acc2_3 = mac4(mac4(acc2_3, a2.lo, v3.lo), a2.hi, v3.hi);
    acc3_3 = mac4(mac4(acc3_3, a3.lo, v3.lo), a3.hi, v3.hi);
  }

  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  var shift0 = 0.0;
  if (s.hasBias == 1u) { shift0 = bias[c0]; }
  var factor0 = s.scale;
  var shift1 = 0.0;
  if (s.hasBias == 1u) { shift1 = bias[c1]; }
  var factor1 = s.scale;
  var shift2 = 0.0;
  if (s.hasBias == 1u) { shift2 = bias[c2]; }
  var factor2 = s.scale;
  var shift3 = 0.0;
  if (s.hasBias == 1u) { shift3 = bias[c3]; }
  var factor3 = s.scale;
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      factor0 = s.scale * gate[g + c0];
      factor1 = s.scale * gate[g + c1];
      factor2 = s.scale * gate[g + c2];
      factor3 = s.scale * gate[g + c3];
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    var sum0 = acc0_0;
    sum0 = select(sum0, acc0_0, i == 0);
    sum0 = select(sum0, acc1_0, i == 1);
    sum0 = select(sum0, acc2_0, i == 2);
    sum0 = select(sum0, acc3_0, i == 3);
    if (n0 + 0 < s.nEnd) { store(sum0, shift0, factor0, r + c0, y + c0); }
    var sum1 = acc0_1;
    sum1 = select(sum1, acc0_1, i == 0);
    sum1 = select(sum1, acc1_1, i == 1);
    sum1 = select(sum1, acc2_1, i == 2);
    sum1 = select(sum1, acc3_1, i == 3);
    if (n0 + 1 < s.nEnd) { store(sum1, shift1, factor1, r + c1, y + c1); }
    var sum2 = acc0_2;
    sum2 = select(sum2, acc0_2, i == 0);
    sum2 = select(sum2, acc1_2, i == 1);
    sum2 = select(sum2, acc2_2, i == 2);
    sum2 = select(sum2, acc3_2, i == 3);
    if (n0 + 2 < s.nEnd) { store(sum2, shift2, factor2, r + c2, y + c2); }
    var sum3 = acc0_3;
    sum3 = select(sum3, acc0_3, i == 0);
    sum3 = select(sum3, acc1_3, i == 1);
    sum3 = select(sum3, acc2_3, i == 2);
    sum3 = select(sum3, acc3_3, i == 3);
    if (n0 + 3 < s.nEnd) { store(sum3, shift3, factor3, r + c3, y + c3); }
  }
}
`,
  "matmul@RM=8,RN=8,TEXELS=0,TILED=0,SPLIT=0,SUBGROUPS=0": `const RM: u32 = 8u;
const RN: u32 = 8u;
const TEXELS: u32 = 0u;
const TILED: u32 = 0u;
const SPLIT: u32 = 0u;
const SUBGROUPS: u32 = 0u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }
fn wBits(at: u32) -> vec4u { return W[at]; }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}



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
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let r1 = min(m0 + 1, s.mEnd - 1u);
  let b1 = r1 / s.S;
  let x1 = (b1 * s.xN + s.xAt + r1 - b1 * s.S) * s.K8 - s.xBase8;
  let r2 = min(m0 + 2, s.mEnd - 1u);
  let b2 = r2 / s.S;
  let x2 = (b2 * s.xN + s.xAt + r2 - b2 * s.S) * s.K8 - s.xBase8;
  let r3 = min(m0 + 3, s.mEnd - 1u);
  let b3 = r3 / s.S;
  let x3 = (b3 * s.xN + s.xAt + r3 - b3 * s.S) * s.K8 - s.xBase8;
  let r4 = min(m0 + 4, s.mEnd - 1u);
  let b4 = r4 / s.S;
  let x4 = (b4 * s.xN + s.xAt + r4 - b4 * s.S) * s.K8 - s.xBase8;
  let r5 = min(m0 + 5, s.mEnd - 1u);
  let b5 = r5 / s.S;
  let x5 = (b5 * s.xN + s.xAt + r5 - b5 * s.S) * s.K8 - s.xBase8;
  let r6 = min(m0 + 6, s.mEnd - 1u);
  let b6 = r6 / s.S;
  let x6 = (b6 * s.xN + s.xAt + r6 - b6 * s.S) * s.K8 - s.xBase8;
  let r7 = min(m0 + 7, s.mEnd - 1u);
  let b7 = r7 / s.S;
  let x7 = (b7 * s.xN + s.xAt + r7 - b7 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  let c4 = min(n0 + 4, s.nEnd - 1u);
  let w4 = c4 * s.stride8 - s.wBase8;
  let c5 = min(n0 + 5, s.nEnd - 1u);
  let w5 = c5 * s.stride8 - s.wBase8;
  let c6 = min(n0 + 6, s.nEnd - 1u);
  let w6 = c6 * s.stride8 - s.wBase8;
  let c7 = min(n0 + 7, s.nEnd - 1u);
  let w7 = c7 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc0_4 = 0.0;
  var acc0_5 = 0.0;
  var acc0_6 = 0.0;
  var acc0_7 = 0.0;
  var acc1_0 = 0.0;
  var acc1_1 = 0.0;
  var acc1_2 = 0.0;
  var acc1_3 = 0.0;
  var acc1_4 = 0.0;
  var acc1_5 = 0.0;
  var acc1_6 = 0.0;
  var acc1_7 = 0.0;
  var acc2_0 = 0.0;
  var acc2_1 = 0.0;
  var acc2_2 = 0.0;
  var acc2_3 = 0.0;
  var acc2_4 = 0.0;
  var acc2_5 = 0.0;
  var acc2_6 = 0.0;
  var acc2_7 = 0.0;
  var acc3_0 = 0.0;
  var acc3_1 = 0.0;
  var acc3_2 = 0.0;
  var acc3_3 = 0.0;
  var acc3_4 = 0.0;
  var acc3_5 = 0.0;
  var acc3_6 = 0.0;
  var acc3_7 = 0.0;
  var acc4_0 = 0.0;
  var acc4_1 = 0.0;
  var acc4_2 = 0.0;
  var acc4_3 = 0.0;
  var acc4_4 = 0.0;
  var acc4_5 = 0.0;
  var acc4_6 = 0.0;
  var acc4_7 = 0.0;
  var acc5_0 = 0.0;
  var acc5_1 = 0.0;
  var acc5_2 = 0.0;
  var acc5_3 = 0.0;
  var acc5_4 = 0.0;
  var acc5_5 = 0.0;
  var acc5_6 = 0.0;
  var acc5_7 = 0.0;
  var acc6_0 = 0.0;
  var acc6_1 = 0.0;
  var acc6_2 = 0.0;
  var acc6_3 = 0.0;
  var acc6_4 = 0.0;
  var acc6_5 = 0.0;
  var acc6_6 = 0.0;
  var acc6_7 = 0.0;
  var acc7_0 = 0.0;
  var acc7_1 = 0.0;
  var acc7_2 = 0.0;
  var acc7_3 = 0.0;
  var acc7_4 = 0.0;
  var acc7_5 = 0.0;
  var acc7_6 = 0.0;
  var acc7_7 = 0.0;

  for (var k = 0u; k < s.K8; k++) {
    let a0 = loadX(x0 + k);
    let a1 = loadX(x1 + k);
    let a2 = loadX(x2 + k);
    let a3 = loadX(x3 + k);
    let a4 = loadX(x4 + k);
    let a5 = loadX(x5 + k);
    let a6 = loadX(x6 + k);
    let a7 = loadX(x7 + k);
    let v0 = loadW(w0 + k);
    acc0_0 = mac4(mac4(acc0_0, a0.lo, v0.lo), a0.hi, v0.hi);
    acc1_0 = mac4(mac4(acc1_0, a1.lo, v0.lo), a1.hi, v0.hi);
    acc2_0 = mac4(mac4(acc2_0, a2.lo, v0.lo), a2.hi, v0.hi);
    acc3_0 = mac4(mac4(acc3_0, a3.lo, v0.lo), a3.hi, v0.hi);
    acc4_0 = mac4(mac4(acc4_0, a4.lo, v0.lo), a4.hi, v0.hi);
    acc5_0 = mac4(mac4(acc5_0, a5.lo, v0.lo), a5.hi, v0.hi);
    acc6_0 = mac4(mac4(acc6_0, a6.lo, v0.lo), a6.hi, v0.hi);
    acc7_0 = mac4(mac4(acc7_0, a7.lo, v0.lo), a7.hi, v0.hi);
    let v1 = loadW(w1 + k);
    acc0_1 = mac4(mac4(acc0_1, a0.lo, v1.lo), a0.hi, v1.hi);
    acc1_1 = mac4(mac4(acc1_1, a1.lo, v1.lo), a1.hi, v1.hi);
    acc2_1 = mac4(mac4(acc2_1, a2.lo, v1.lo), a2.hi, v1.hi);
    acc3_1 = mac4(mac4(acc3_1, a3.lo, v1.lo), a3.hi, v1.hi);
    acc4_1 = mac4(mac4(acc4_1, a4.lo, v1.lo), a4.hi, v1.hi);
    acc5_1 = mac4(mac4(acc5_1, a5.lo, v1.lo), a5.hi, v1.hi);
    acc6_1 = mac4(mac4(acc6_1, a6.lo, v1.lo), a6.hi, v1.hi);
    acc7_1 = mac4(mac4(acc7_1, a7.lo, v1.lo), a7.hi, v1.hi);
    let v2 = loadW(w2 + k);
    acc0_2 = mac4(mac4(acc0_2, a0.lo, v2.lo), a0.hi, v2.hi);
    acc1_2 = mac4(mac4(acc1_2, a1.lo, v2.lo), a1.hi, v2.hi);
    acc2_2 = mac4(mac4(acc2_2, a2.lo, v2.lo), a2.hi, v2.hi);
    acc3_2 = mac4(mac4(acc3_2, a3.lo, v2.lo), a3.hi, v2.hi);
    acc4_2 = mac4(mac4(acc4_2, a4.lo, v2.lo), a4.hi, v2.hi);
    acc5_2 = mac4(mac4(acc5_2, a5.lo, v2.lo), a5.hi, v2.hi);
    acc6_2 = mac4(mac4(acc6_2, a6.lo, v2.lo), a6.hi, v2.hi);
    acc7_2 = mac4(mac4(acc7_2, a7.lo, v2.lo), a7.hi, v2.hi);
    let v3 = loadW(w3 + k);
    acc0_3 = mac4(mac4(acc0_3, a0.lo, v3.lo), a0.hi, v3.hi);
    acc1_3 = mac4(mac4(acc1_3, a1.lo, v3.lo), a1.hi, v3.hi);
    acc2_3 = mac4(mac4(acc2_3, a2.lo, v3.lo), a2.hi, v3.hi);
    acc3_3 = mac4(mac4(acc3_3, a3.lo, v3.lo), a3.hi, v3.hi);
    acc4_3 = mac4(mac4(acc4_3, a4.lo, v3.lo), a4.hi, v3.hi);
    acc5_3 = mac4(mac4(acc5_3, a5.lo, v3.lo), a5.hi, v3.hi);
    acc6_3 = mac4(mac4(acc6_3, a6.lo, v3.lo), a6.hi, v3.hi);
    acc7_3 = mac4(mac4(acc7_3, a7.lo, v3.lo), a7.hi, v3.hi);
    let v4 = loadW(w4 + k);
    acc0_4 = mac4(mac4(acc0_4, a0.lo, v4.lo), a0.hi, v4.hi);
    acc1_4 = mac4(mac4(acc1_4, a1.lo, v4.lo), a1.hi, v4.hi);
    acc2_4 = mac4(mac4(acc2_4, a2.lo, v4.lo), a2.hi, v4.hi);
    acc3_4 = mac4(mac4(acc3_4, a3.lo, v4.lo), a3.hi, v4.hi);
    acc4_4 = mac4(mac4(acc4_4, a4.lo, v4.lo), a4.hi, v4.hi);
    acc5_4 = mac4(mac4(acc5_4, a5.lo, v4.lo), a5.hi, v4.hi);
    acc6_4 = mac4(mac4(acc6_4, a6.lo, v4.lo), a6.hi, v4.hi);
    acc7_4 = mac4(mac4(acc7_4, a7.lo, v4.lo), a7.hi, v4.hi);
    let v5 = loadW(w5 + k);
    acc0_5 = mac4(mac4(acc0_5, a0.lo, v5.lo), a0.hi, v5.hi);
    acc1_5 = mac4(mac4(acc1_5, a1.lo, v5.lo), a1.hi, v5.hi);
    acc2_5 = mac4(mac4(acc2_5, a2.lo, v5.lo), a2.hi, v5.hi);
    acc3_5 = mac4(mac4(acc3_5, a3.lo, v5.lo), a3.hi, v5.hi);
    acc4_5 = mac4(mac4(acc4_5, a4.lo, v5.lo), a4.hi, v5.hi);
    acc5_5 = mac4(mac4(acc5_5, a5.lo, v5.lo), a5.hi, v5.hi);
    acc6_5 = mac4(mac4(acc6_5, a6.lo, v5.lo), a6.hi, v5.hi);
    acc7_5 = mac4(mac4(acc7_5, a7.lo, v5.lo), a7.hi, v5.hi);
    let v6 = loadW(w6 + k);
    acc0_6 = mac4(mac4(acc0_6, a0.lo, v6.lo), a0.hi, v6.hi);
    acc1_6 = mac4(mac4(acc1_6, a1.lo, v6.lo), a1.hi, v6.hi);
    acc2_6 = mac4(mac4(acc2_6, a2.lo, v6.lo), a2.hi, v6.hi);
    acc3_6 = mac4(mac4(acc3_6, a3.lo, v6.lo), a3.hi, v6.hi);
    acc4_6 = mac4(mac4(acc4_6, a4.lo, v6.lo), a4.hi, v6.hi);
    acc5_6 = mac4(mac4(acc5_6, a5.lo, v6.lo), a5.hi, v6.hi);
    acc6_6 = mac4(mac4(acc6_6, a6.lo, v6.lo), a6.hi, v6.hi);
    acc7_6 = mac4(mac4(acc7_6, a7.lo, v6.lo), a7.hi, v6.hi);
    let v7 = loadW(w7 + k);
    acc0_7 = mac4(mac4(acc0_7, a0.lo, v7.lo), a0.hi, v7.hi);
    acc1_7 = mac4(mac4(acc1_7, a1.lo, v7.lo), a1.hi, v7.hi);
    acc2_7 = mac4(mac4(acc2_7, a2.lo, v7.lo), a2.hi, v7.hi);
    acc3_7 = mac4(mac4(acc3_7, a3.lo, v7.lo), a3.hi, v7.hi);
    acc4_7 = mac4(mac4(acc4_7, a4.lo, v7.lo), a4.hi, v7.hi);
    acc5_7 = mac4(mac4(acc5_7, a5.lo, v7.lo), a5.hi, v7.hi);
    acc6_7 = mac4(mac4(acc6_7, a6.lo, v7.lo), a6.hi, v7.hi);
    acc7_7 = mac4(mac4(acc7_7, a7.lo, v7.lo), a7.hi, v7.hi);
  }

  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  var shift0 = 0.0;
  if (s.hasBias == 1u) { shift0 = bias[c0]; }
  var factor0 = s.scale;
  var shift1 = 0.0;
  if (s.hasBias == 1u) { shift1 = bias[c1]; }
  var factor1 = s.scale;
  var shift2 = 0.0;
  if (s.hasBias == 1u) { shift2 = bias[c2]; }
  var factor2 = s.scale;
  var shift3 = 0.0;
  if (s.hasBias == 1u) { shift3 = bias[c3]; }
  var factor3 = s.scale;
  var shift4 = 0.0;
  if (s.hasBias == 1u) { shift4 = bias[c4]; }
  var factor4 = s.scale;
  var shift5 = 0.0;
  if (s.hasBias == 1u) { shift5 = bias[c5]; }
  var factor5 = s.scale;
  var shift6 = 0.0;
  if (s.hasBias == 1u) { shift6 = bias[c6]; }
  var factor6 = s.scale;
  var shift7 = 0.0;
  if (s.hasBias == 1u) { shift7 = bias[c7]; }
  var factor7 = s.scale;
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      factor0 = s.scale * gate[g + c0];
      factor1 = s.scale * gate[g + c1];
      factor2 = s.scale * gate[g + c2];
      factor3 = s.scale * gate[g + c3];
      factor4 = s.scale * gate[g + c4];
      factor5 = s.scale * gate[g + c5];
      factor6 = s.scale * gate[g + c6];
      factor7 = s.scale * gate[g + c7];
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    var sum0 = acc0_0;
    sum0 = select(sum0, acc0_0, i == 0);
    sum0 = select(sum0, acc1_0, i == 1);
    sum0 = select(sum0, acc2_0, i == 2);
    sum0 = select(sum0, acc3_0, i == 3);
    sum0 = select(sum0, acc4_0, i == 4);
    sum0 = select(sum0, acc5_0, i == 5);
    sum0 = select(sum0, acc6_0, i == 6);
    sum0 = select(sum0, acc7_0, i == 7);
    if (n0 + 0 < s.nEnd) { store(sum0, shift0, factor0, r + c0, y + c0); }
    var sum1 = acc0_1;
    sum1 = select(sum1, acc0_1, i == 0);
    sum1 = select(sum1, acc1_1, i == 1);
    sum1 = select(sum1, acc2_1, i == 2);
    sum1 = select(sum1, acc3_1, i == 3);
    sum1 = select(sum1, acc4_1, i == 4);
    sum1 = select(sum1, acc5_1, i == 5);
    sum1 = select(sum1, acc6_1, i == 6);
    sum1 = select(sum1, acc7_1, i == 7);
    if (n0 + 1 < s.nEnd) { store(sum1, shift1, factor1, r + c1, y + c1); }
    var sum2 = acc0_2;
    sum2 = select(sum2, acc0_2, i == 0);
    sum2 = select(sum2, acc1_2, i == 1);
    sum2 = select(sum2, acc2_2, i == 2);
    sum2 = select(sum2, acc3_2, i == 3);
    sum2 = select(sum2, acc4_2, i == 4);
    sum2 = select(sum2, acc5_2, i == 5);
    sum2 = select(sum2, acc6_2, i == 6);
    sum2 = select(sum2, acc7_2, i == 7);
    if (n0 + 2 < s.nEnd) { store(sum2, shift2, factor2, r + c2, y + c2); }
    var sum3 = acc0_3;
    sum3 = select(sum3, acc0_3, i == 0);
    sum3 = select(sum3, acc1_3, i == 1);
    sum3 = select(sum3, acc2_3, i == 2);
    sum3 = select(sum3, acc3_3, i == 3);
    sum3 = select(sum3, acc4_3, i == 4);
    sum3 = select(sum3, acc5_3, i == 5);
    sum3 = select(sum3, acc6_3, i == 6);
    sum3 = select(sum3, acc7_3, i == 7);
    if (n0 + 3 < s.nEnd) { store(sum3, shift3, factor3, r + c3, y + c3); }
    var sum4 = acc0_4;
    sum4 = select(sum4, acc0_4, i == 0);
    sum4 = select(sum4, acc1_4, i == 1);
    sum4 = select(sum4, acc2_4, i == 2);
    sum4 = select(sum4, acc3_4, i == 3);
    sum4 = select(sum4, acc4_4, i == 4);
    sum4 = select(sum4, acc5_4, i == 5);
    sum4 = select(sum4, acc6_4, i == 6);
    sum4 = select(sum4, acc7_4, i == 7);
    if (n0 + 4 < s.nEnd) { store(sum4, shift4, factor4, r + c4, y + c4); }
    var sum5 = acc0_5;
    sum5 = select(sum5, acc0_5, i == 0);
    sum5 = select(sum5, acc1_5, i == 1);
    sum5 = select(sum5, acc2_5, i == 2);
    sum5 = select(sum5, acc3_5, i == 3);
    sum5 = select(sum5, acc4_5, i == 4);
    sum5 = select(sum5, acc5_5, i == 5);
    sum5 = select(sum5, acc6_5, i == 6);
    sum5 = select(sum5, acc7_5, i == 7);
    if (n0 + 5 < s.nEnd) { store(sum5, shift5, factor5, r + c5, y + c5); }
    var sum6 = acc0_6;
    sum6 = select(sum6, acc0_6, i == 0);
    sum6 = select(sum6, acc1_6, i == 1);
    sum6 = select(sum6, acc2_6, i == 2);
    sum6 = select(sum6, acc3_6, i == 3);
    sum6 = select(sum6, acc4_6, i == 4);
    sum6 = select(sum6, acc5_6, i == 5);
    sum6 = select(sum6, acc6_6, i == 6);
    sum6 = select(sum6, acc7_6, i == 7);
    if (n0 + 6 < s.nEnd) { store(sum6, shift6, factor6, r + c6, y + c6); }
    var sum7 = acc0_7;
    sum7 = select(sum7, acc0_7, i == 0);
    sum7 = select(sum7, acc1_7, i == 1);
    sum7 = select(sum7, acc2_7, i == 2);
    sum7 = select(sum7, acc3_7, i == 3);
    sum7 = select(sum7, acc4_7, i == 4);
    sum7 = select(sum7, acc5_7, i == 5);
    sum7 = select(sum7, acc6_7, i == 6);
    sum7 = select(sum7, acc7_7, i == 7);
    if (n0 + 7 < s.nEnd) { store(sum7, shift7, factor7, r + c7, y + c7); }
  }
}
`,
  "matmul@RM=1,RN=8,TEXELS=1,TILED=0,SPLIT=0,SUBGROUPS=0": `const RM: u32 = 1u;
const RN: u32 = 8u;
const TEXELS: u32 = 1u;
const TILED: u32 = 0u;
const SPLIT: u32 = 0u;
const SUBGROUPS: u32 = 0u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      W: texture_2d<u32>;
fn xBits(at: u32) -> vec4u { return textureLoad(X, vec2u(at & 2047u, at >> 11u), 0); }
fn wBits(at: u32) -> vec4u { return textureLoad(W, vec2u(at & 2047u, at >> 11u), 0); }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}



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
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  let c4 = min(n0 + 4, s.nEnd - 1u);
  let w4 = c4 * s.stride8 - s.wBase8;
  let c5 = min(n0 + 5, s.nEnd - 1u);
  let w5 = c5 * s.stride8 - s.wBase8;
  let c6 = min(n0 + 6, s.nEnd - 1u);
  let w6 = c6 * s.stride8 - s.wBase8;
  let c7 = min(n0 + 7, s.nEnd - 1u);
  let w7 = c7 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc0_4 = 0.0;
  var acc0_5 = 0.0;
  var acc0_6 = 0.0;
  var acc0_7 = 0.0;

  for (var k = 0u; k < s.K8; k++) {
    let a0 = loadX(x0 + k);
    let v0 = loadW(w0 + k);
    acc0_0 = mac4(mac4(acc0_0, a0.lo, v0.lo), a0.hi, v0.hi);
    let v1 = loadW(w1 + k);
    acc0_1 = mac4(mac4(acc0_1, a0.lo, v1.lo), a0.hi, v1.hi);
    let v2 = loadW(w2 + k);
    acc0_2 = mac4(mac4(acc0_2, a0.lo, v2.lo), a0.hi, v2.hi);
    let v3 = loadW(w3 + k);
    acc0_3 = mac4(mac4(acc0_3, a0.lo, v3.lo), a0.hi, v3.hi);
    let v4 = loadW(w4 + k);
    acc0_4 = mac4(mac4(acc0_4, a0.lo, v4.lo), a0.hi, v4.hi);
    let v5 = loadW(w5 + k);
    acc0_5 = mac4(mac4(acc0_5, a0.lo, v5.lo), a0.hi, v5.hi);
    let v6 = loadW(w6 + k);
    acc0_6 = mac4(mac4(acc0_6, a0.lo, v6.lo), a0.hi, v6.hi);
    let v7 = loadW(w7 + k);
    acc0_7 = mac4(mac4(acc0_7, a0.lo, v7.lo), a0.hi, v7.hi);
  }

  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  var shift0 = 0.0;
  if (s.hasBias == 1u) { shift0 = bias[c0]; }
  var factor0 = s.scale;
  var shift1 = 0.0;
  if (s.hasBias == 1u) { shift1 = bias[c1]; }
  var factor1 = s.scale;
  var shift2 = 0.0;
  if (s.hasBias == 1u) { shift2 = bias[c2]; }
  var factor2 = s.scale;
  var shift3 = 0.0;
  if (s.hasBias == 1u) { shift3 = bias[c3]; }
  var factor3 = s.scale;
  var shift4 = 0.0;
  if (s.hasBias == 1u) { shift4 = bias[c4]; }
  var factor4 = s.scale;
  var shift5 = 0.0;
  if (s.hasBias == 1u) { shift5 = bias[c5]; }
  var factor5 = s.scale;
  var shift6 = 0.0;
  if (s.hasBias == 1u) { shift6 = bias[c6]; }
  var factor6 = s.scale;
  var shift7 = 0.0;
  if (s.hasBias == 1u) { shift7 = bias[c7]; }
  var factor7 = s.scale;
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      factor0 = s.scale * gate[g + c0];
      factor1 = s.scale * gate[g + c1];
      factor2 = s.scale * gate[g + c2];
      factor3 = s.scale * gate[g + c3];
      factor4 = s.scale * gate[g + c4];
      factor5 = s.scale * gate[g + c5];
      factor6 = s.scale * gate[g + c6];
      factor7 = s.scale * gate[g + c7];
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    var sum0 = acc0_0;
    sum0 = select(sum0, acc0_0, i == 0);
    if (n0 + 0 < s.nEnd) { store(sum0, shift0, factor0, r + c0, y + c0); }
    var sum1 = acc0_1;
    sum1 = select(sum1, acc0_1, i == 0);
    if (n0 + 1 < s.nEnd) { store(sum1, shift1, factor1, r + c1, y + c1); }
    var sum2 = acc0_2;
    sum2 = select(sum2, acc0_2, i == 0);
    if (n0 + 2 < s.nEnd) { store(sum2, shift2, factor2, r + c2, y + c2); }
    var sum3 = acc0_3;
    sum3 = select(sum3, acc0_3, i == 0);
    if (n0 + 3 < s.nEnd) { store(sum3, shift3, factor3, r + c3, y + c3); }
    var sum4 = acc0_4;
    sum4 = select(sum4, acc0_4, i == 0);
    if (n0 + 4 < s.nEnd) { store(sum4, shift4, factor4, r + c4, y + c4); }
    var sum5 = acc0_5;
    sum5 = select(sum5, acc0_5, i == 0);
    if (n0 + 5 < s.nEnd) { store(sum5, shift5, factor5, r + c5, y + c5); }
    var sum6 = acc0_6;
    sum6 = select(sum6, acc0_6, i == 0);
    if (n0 + 6 < s.nEnd) { store(sum6, shift6, factor6, r + c6, y + c6); }
    var sum7 = acc0_7;
    sum7 = select(sum7, acc0_7, i == 0);
    if (n0 + 7 < s.nEnd) { store(sum7, shift7, factor7, r + c7, y + c7); }
  }
}
`,
  "matmul@RM=4,RN=4,TEXELS=1,TILED=0,SPLIT=0,SUBGROUPS=0": `const RM: u32 = 4u;
const RN: u32 = 4u;
const TEXELS: u32 = 1u;
const TILED: u32 = 0u;
const SPLIT: u32 = 0u;
const SUBGROUPS: u32 = 0u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      W: texture_2d<u32>;
fn xBits(at: u32) -> vec4u { return textureLoad(X, vec2u(at & 2047u, at >> 11u), 0); }
fn wBits(at: u32) -> vec4u { return textureLoad(W, vec2u(at & 2047u, at >> 11u), 0); }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}



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
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let r1 = min(m0 + 1, s.mEnd - 1u);
  let b1 = r1 / s.S;
  let x1 = (b1 * s.xN + s.xAt + r1 - b1 * s.S) * s.K8 - s.xBase8;
  let r2 = min(m0 + 2, s.mEnd - 1u);
  let b2 = r2 / s.S;
  let x2 = (b2 * s.xN + s.xAt + r2 - b2 * s.S) * s.K8 - s.xBase8;
  let r3 = min(m0 + 3, s.mEnd - 1u);
  let b3 = r3 / s.S;
  let x3 = (b3 * s.xN + s.xAt + r3 - b3 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc1_0 = 0.0;
  var acc1_1 = 0.0;
  var acc1_2 = 0.0;
  var acc1_3 = 0.0;
  var acc2_0 = 0.0;
  var acc2_1 = 0.0;
  var acc2_2 = 0.0;
  var acc2_3 = 0.0;
  var acc3_0 = 0.0;
  var acc3_1 = 0.0;
  var acc3_2 = 0.0;
  var acc3_3 = 0.0;

  for (var k = 0u; k < s.K8; k++) {
    let a0 = loadX(x0 + k);
    let a1 = loadX(x1 + k);
    let a2 = loadX(x2 + k);
    let a3 = loadX(x3 + k);
    let v0 = loadW(w0 + k);
    acc0_0 = mac4(mac4(acc0_0, a0.lo, v0.lo), a0.hi, v0.hi);
    acc1_0 = mac4(mac4(acc1_0, a1.lo, v0.lo), a1.hi, v0.hi);
    acc2_0 = mac4(mac4(acc2_0, a2.lo, v0.lo), a2.hi, v0.hi);
    acc3_0 = mac4(mac4(acc3_0, a3.lo, v0.lo), a3.hi, v0.hi);
    let v1 = loadW(w1 + k);
    acc0_1 = mac4(mac4(acc0_1, a0.lo, v1.lo), a0.hi, v1.hi);
    acc1_1 = mac4(mac4(acc1_1, a1.lo, v1.lo), a1.hi, v1.hi);
    acc2_1 = mac4(mac4(acc2_1, a2.lo, v1.lo), a2.hi, v1.hi);
    acc3_1 = mac4(mac4(acc3_1, a3.lo, v1.lo), a3.hi, v1.hi);
    let v2 = loadW(w2 + k);
    acc0_2 = mac4(mac4(acc0_2, a0.lo, v2.lo), a0.hi, v2.hi);
    acc1_2 = mac4(mac4(acc1_2, a1.lo, v2.lo), a1.hi, v2.hi);
    acc2_2 = mac4(mac4(acc2_2, a2.lo, v2.lo), a2.hi, v2.hi);
    acc3_2 = mac4(mac4(acc3_2, a3.lo, v2.lo), a3.hi, v2.hi);
    let v3 = loadW(w3 + k);
    acc0_3 = mac4(mac4(acc0_3, a0.lo, v3.lo), a0.hi, v3.hi);
    acc1_3 = mac4(mac4(acc1_3, a1.lo, v3.lo), a1.hi, v3.hi);
    acc2_3 = mac4(mac4(acc2_3, a2.lo, v3.lo), a2.hi, v3.hi);
    acc3_3 = mac4(mac4(acc3_3, a3.lo, v3.lo), a3.hi, v3.hi);
  }

  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  var shift0 = 0.0;
  if (s.hasBias == 1u) { shift0 = bias[c0]; }
  var factor0 = s.scale;
  var shift1 = 0.0;
  if (s.hasBias == 1u) { shift1 = bias[c1]; }
  var factor1 = s.scale;
  var shift2 = 0.0;
  if (s.hasBias == 1u) { shift2 = bias[c2]; }
  var factor2 = s.scale;
  var shift3 = 0.0;
  if (s.hasBias == 1u) { shift3 = bias[c3]; }
  var factor3 = s.scale;
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      factor0 = s.scale * gate[g + c0];
      factor1 = s.scale * gate[g + c1];
      factor2 = s.scale * gate[g + c2];
      factor3 = s.scale * gate[g + c3];
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    var sum0 = acc0_0;
    sum0 = select(sum0, acc0_0, i == 0);
    sum0 = select(sum0, acc1_0, i == 1);
    sum0 = select(sum0, acc2_0, i == 2);
    sum0 = select(sum0, acc3_0, i == 3);
    if (n0 + 0 < s.nEnd) { store(sum0, shift0, factor0, r + c0, y + c0); }
    var sum1 = acc0_1;
    sum1 = select(sum1, acc0_1, i == 0);
    sum1 = select(sum1, acc1_1, i == 1);
    sum1 = select(sum1, acc2_1, i == 2);
    sum1 = select(sum1, acc3_1, i == 3);
    if (n0 + 1 < s.nEnd) { store(sum1, shift1, factor1, r + c1, y + c1); }
    var sum2 = acc0_2;
    sum2 = select(sum2, acc0_2, i == 0);
    sum2 = select(sum2, acc1_2, i == 1);
    sum2 = select(sum2, acc2_2, i == 2);
    sum2 = select(sum2, acc3_2, i == 3);
    if (n0 + 2 < s.nEnd) { store(sum2, shift2, factor2, r + c2, y + c2); }
    var sum3 = acc0_3;
    sum3 = select(sum3, acc0_3, i == 0);
    sum3 = select(sum3, acc1_3, i == 1);
    sum3 = select(sum3, acc2_3, i == 2);
    sum3 = select(sum3, acc3_3, i == 3);
    if (n0 + 3 < s.nEnd) { store(sum3, shift3, factor3, r + c3, y + c3); }
  }
}
`,
  "matmul@RM=8,RN=8,TEXELS=1,TILED=0,SPLIT=0,SUBGROUPS=0": `const RM: u32 = 8u;
const RN: u32 = 8u;
const TEXELS: u32 = 1u;
const TILED: u32 = 0u;
const SPLIT: u32 = 0u;
const SUBGROUPS: u32 = 0u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      W: texture_2d<u32>;
fn xBits(at: u32) -> vec4u { return textureLoad(X, vec2u(at & 2047u, at >> 11u), 0); }
fn wBits(at: u32) -> vec4u { return textureLoad(W, vec2u(at & 2047u, at >> 11u), 0); }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}



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
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let r1 = min(m0 + 1, s.mEnd - 1u);
  let b1 = r1 / s.S;
  let x1 = (b1 * s.xN + s.xAt + r1 - b1 * s.S) * s.K8 - s.xBase8;
  let r2 = min(m0 + 2, s.mEnd - 1u);
  let b2 = r2 / s.S;
  let x2 = (b2 * s.xN + s.xAt + r2 - b2 * s.S) * s.K8 - s.xBase8;
  let r3 = min(m0 + 3, s.mEnd - 1u);
  let b3 = r3 / s.S;
  let x3 = (b3 * s.xN + s.xAt + r3 - b3 * s.S) * s.K8 - s.xBase8;
  let r4 = min(m0 + 4, s.mEnd - 1u);
  let b4 = r4 / s.S;
  let x4 = (b4 * s.xN + s.xAt + r4 - b4 * s.S) * s.K8 - s.xBase8;
  let r5 = min(m0 + 5, s.mEnd - 1u);
  let b5 = r5 / s.S;
  let x5 = (b5 * s.xN + s.xAt + r5 - b5 * s.S) * s.K8 - s.xBase8;
  let r6 = min(m0 + 6, s.mEnd - 1u);
  let b6 = r6 / s.S;
  let x6 = (b6 * s.xN + s.xAt + r6 - b6 * s.S) * s.K8 - s.xBase8;
  let r7 = min(m0 + 7, s.mEnd - 1u);
  let b7 = r7 / s.S;
  let x7 = (b7 * s.xN + s.xAt + r7 - b7 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  let c4 = min(n0 + 4, s.nEnd - 1u);
  let w4 = c4 * s.stride8 - s.wBase8;
  let c5 = min(n0 + 5, s.nEnd - 1u);
  let w5 = c5 * s.stride8 - s.wBase8;
  let c6 = min(n0 + 6, s.nEnd - 1u);
  let w6 = c6 * s.stride8 - s.wBase8;
  let c7 = min(n0 + 7, s.nEnd - 1u);
  let w7 = c7 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc0_4 = 0.0;
  var acc0_5 = 0.0;
  var acc0_6 = 0.0;
  var acc0_7 = 0.0;
  var acc1_0 = 0.0;
  var acc1_1 = 0.0;
  var acc1_2 = 0.0;
  var acc1_3 = 0.0;
  var acc1_4 = 0.0;
  var acc1_5 = 0.0;
  var acc1_6 = 0.0;
  var acc1_7 = 0.0;
  var acc2_0 = 0.0;
  var acc2_1 = 0.0;
  var acc2_2 = 0.0;
  var acc2_3 = 0.0;
  var acc2_4 = 0.0;
  var acc2_5 = 0.0;
  var acc2_6 = 0.0;
  var acc2_7 = 0.0;
  var acc3_0 = 0.0;
  var acc3_1 = 0.0;
  var acc3_2 = 0.0;
  var acc3_3 = 0.0;
  var acc3_4 = 0.0;
  var acc3_5 = 0.0;
  var acc3_6 = 0.0;
  var acc3_7 = 0.0;
  var acc4_0 = 0.0;
  var acc4_1 = 0.0;
  var acc4_2 = 0.0;
  var acc4_3 = 0.0;
  var acc4_4 = 0.0;
  var acc4_5 = 0.0;
  var acc4_6 = 0.0;
  var acc4_7 = 0.0;
  var acc5_0 = 0.0;
  var acc5_1 = 0.0;
  var acc5_2 = 0.0;
  var acc5_3 = 0.0;
  var acc5_4 = 0.0;
  var acc5_5 = 0.0;
  var acc5_6 = 0.0;
  var acc5_7 = 0.0;
  var acc6_0 = 0.0;
  var acc6_1 = 0.0;
  var acc6_2 = 0.0;
  var acc6_3 = 0.0;
  var acc6_4 = 0.0;
  var acc6_5 = 0.0;
  var acc6_6 = 0.0;
  var acc6_7 = 0.0;
  var acc7_0 = 0.0;
  var acc7_1 = 0.0;
  var acc7_2 = 0.0;
  var acc7_3 = 0.0;
  var acc7_4 = 0.0;
  var acc7_5 = 0.0;
  var acc7_6 = 0.0;
  var acc7_7 = 0.0;

  for (var k = 0u; k < s.K8; k++) {
    let a0 = loadX(x0 + k);
    let a1 = loadX(x1 + k);
    let a2 = loadX(x2 + k);
    let a3 = loadX(x3 + k);
    let a4 = loadX(x4 + k);
    let a5 = loadX(x5 + k);
    let a6 = loadX(x6 + k);
    let a7 = loadX(x7 + k);
    let v0 = loadW(w0 + k);
    acc0_0 = mac4(mac4(acc0_0, a0.lo, v0.lo), a0.hi, v0.hi);
    acc1_0 = mac4(mac4(acc1_0, a1.lo, v0.lo), a1.hi, v0.hi);
    acc2_0 = mac4(mac4(acc2_0, a2.lo, v0.lo), a2.hi, v0.hi);
    acc3_0 = mac4(mac4(acc3_0, a3.lo, v0.lo), a3.hi, v0.hi);
    acc4_0 = mac4(mac4(acc4_0, a4.lo, v0.lo), a4.hi, v0.hi);
    acc5_0 = mac4(mac4(acc5_0, a5.lo, v0.lo), a5.hi, v0.hi);
    acc6_0 = mac4(mac4(acc6_0, a6.lo, v0.lo), a6.hi, v0.hi);
    acc7_0 = mac4(mac4(acc7_0, a7.lo, v0.lo), a7.hi, v0.hi);
    let v1 = loadW(w1 + k);
    acc0_1 = mac4(mac4(acc0_1, a0.lo, v1.lo), a0.hi, v1.hi);
    acc1_1 = mac4(mac4(acc1_1, a1.lo, v1.lo), a1.hi, v1.hi);
    acc2_1 = mac4(mac4(acc2_1, a2.lo, v1.lo), a2.hi, v1.hi);
    acc3_1 = mac4(mac4(acc3_1, a3.lo, v1.lo), a3.hi, v1.hi);
    acc4_1 = mac4(mac4(acc4_1, a4.lo, v1.lo), a4.hi, v1.hi);
    acc5_1 = mac4(mac4(acc5_1, a5.lo, v1.lo), a5.hi, v1.hi);
    acc6_1 = mac4(mac4(acc6_1, a6.lo, v1.lo), a6.hi, v1.hi);
    acc7_1 = mac4(mac4(acc7_1, a7.lo, v1.lo), a7.hi, v1.hi);
    let v2 = loadW(w2 + k);
    acc0_2 = mac4(mac4(acc0_2, a0.lo, v2.lo), a0.hi, v2.hi);
    acc1_2 = mac4(mac4(acc1_2, a1.lo, v2.lo), a1.hi, v2.hi);
    acc2_2 = mac4(mac4(acc2_2, a2.lo, v2.lo), a2.hi, v2.hi);
    acc3_2 = mac4(mac4(acc3_2, a3.lo, v2.lo), a3.hi, v2.hi);
    acc4_2 = mac4(mac4(acc4_2, a4.lo, v2.lo), a4.hi, v2.hi);
    acc5_2 = mac4(mac4(acc5_2, a5.lo, v2.lo), a5.hi, v2.hi);
    acc6_2 = mac4(mac4(acc6_2, a6.lo, v2.lo), a6.hi, v2.hi);
    acc7_2 = mac4(mac4(acc7_2, a7.lo, v2.lo), a7.hi, v2.hi);
    let v3 = loadW(w3 + k);
    acc0_3 = mac4(mac4(acc0_3, a0.lo, v3.lo), a0.hi, v3.hi);
    acc1_3 = mac4(mac4(acc1_3, a1.lo, v3.lo), a1.hi, v3.hi);
    acc2_3 = mac4(mac4(acc2_3, a2.lo, v3.lo), a2.hi, v3.hi);
    acc3_3 = mac4(mac4(acc3_3, a3.lo, v3.lo), a3.hi, v3.hi);
    acc4_3 = mac4(mac4(acc4_3, a4.lo, v3.lo), a4.hi, v3.hi);
    acc5_3 = mac4(mac4(acc5_3, a5.lo, v3.lo), a5.hi, v3.hi);
    acc6_3 = mac4(mac4(acc6_3, a6.lo, v3.lo), a6.hi, v3.hi);
    acc7_3 = mac4(mac4(acc7_3, a7.lo, v3.lo), a7.hi, v3.hi);
    let v4 = loadW(w4 + k);
    acc0_4 = mac4(mac4(acc0_4, a0.lo, v4.lo), a0.hi, v4.hi);
    acc1_4 = mac4(mac4(acc1_4, a1.lo, v4.lo), a1.hi, v4.hi);
    acc2_4 = mac4(mac4(acc2_4, a2.lo, v4.lo), a2.hi, v4.hi);
    acc3_4 = mac4(mac4(acc3_4, a3.lo, v4.lo), a3.hi, v4.hi);
    acc4_4 = mac4(mac4(acc4_4, a4.lo, v4.lo), a4.hi, v4.hi);
    acc5_4 = mac4(mac4(acc5_4, a5.lo, v4.lo), a5.hi, v4.hi);
    acc6_4 = mac4(mac4(acc6_4, a6.lo, v4.lo), a6.hi, v4.hi);
    acc7_4 = mac4(mac4(acc7_4, a7.lo, v4.lo), a7.hi, v4.hi);
    let v5 = loadW(w5 + k);
    acc0_5 = mac4(mac4(acc0_5, a0.lo, v5.lo), a0.hi, v5.hi);
    acc1_5 = mac4(mac4(acc1_5, a1.lo, v5.lo), a1.hi, v5.hi);
    acc2_5 = mac4(mac4(acc2_5, a2.lo, v5.lo), a2.hi, v5.hi);
    acc3_5 = mac4(mac4(acc3_5, a3.lo, v5.lo), a3.hi, v5.hi);
    acc4_5 = mac4(mac4(acc4_5, a4.lo, v5.lo), a4.hi, v5.hi);
    acc5_5 = mac4(mac4(acc5_5, a5.lo, v5.lo), a5.hi, v5.hi);
    acc6_5 = mac4(mac4(acc6_5, a6.lo, v5.lo), a6.hi, v5.hi);
    acc7_5 = mac4(mac4(acc7_5, a7.lo, v5.lo), a7.hi, v5.hi);
    let v6 = loadW(w6 + k);
    acc0_6 = mac4(mac4(acc0_6, a0.lo, v6.lo), a0.hi, v6.hi);
    acc1_6 = mac4(mac4(acc1_6, a1.lo, v6.lo), a1.hi, v6.hi);
    acc2_6 = mac4(mac4(acc2_6, a2.lo, v6.lo), a2.hi, v6.hi);
    acc3_6 = mac4(mac4(acc3_6, a3.lo, v6.lo), a3.hi, v6.hi);
    acc4_6 = mac4(mac4(acc4_6, a4.lo, v6.lo), a4.hi, v6.hi);
    acc5_6 = mac4(mac4(acc5_6, a5.lo, v6.lo), a5.hi, v6.hi);
    acc6_6 = mac4(mac4(acc6_6, a6.lo, v6.lo), a6.hi, v6.hi);
    acc7_6 = mac4(mac4(acc7_6, a7.lo, v6.lo), a7.hi, v6.hi);
    let v7 = loadW(w7 + k);
    acc0_7 = mac4(mac4(acc0_7, a0.lo, v7.lo), a0.hi, v7.hi);
    acc1_7 = mac4(mac4(acc1_7, a1.lo, v7.lo), a1.hi, v7.hi);
    acc2_7 = mac4(mac4(acc2_7, a2.lo, v7.lo), a2.hi, v7.hi);
    acc3_7 = mac4(mac4(acc3_7, a3.lo, v7.lo), a3.hi, v7.hi);
    acc4_7 = mac4(mac4(acc4_7, a4.lo, v7.lo), a4.hi, v7.hi);
    acc5_7 = mac4(mac4(acc5_7, a5.lo, v7.lo), a5.hi, v7.hi);
    acc6_7 = mac4(mac4(acc6_7, a6.lo, v7.lo), a6.hi, v7.hi);
    acc7_7 = mac4(mac4(acc7_7, a7.lo, v7.lo), a7.hi, v7.hi);
  }

  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  var shift0 = 0.0;
  if (s.hasBias == 1u) { shift0 = bias[c0]; }
  var factor0 = s.scale;
  var shift1 = 0.0;
  if (s.hasBias == 1u) { shift1 = bias[c1]; }
  var factor1 = s.scale;
  var shift2 = 0.0;
  if (s.hasBias == 1u) { shift2 = bias[c2]; }
  var factor2 = s.scale;
  var shift3 = 0.0;
  if (s.hasBias == 1u) { shift3 = bias[c3]; }
  var factor3 = s.scale;
  var shift4 = 0.0;
  if (s.hasBias == 1u) { shift4 = bias[c4]; }
  var factor4 = s.scale;
  var shift5 = 0.0;
  if (s.hasBias == 1u) { shift5 = bias[c5]; }
  var factor5 = s.scale;
  var shift6 = 0.0;
  if (s.hasBias == 1u) { shift6 = bias[c6]; }
  var factor6 = s.scale;
  var shift7 = 0.0;
  if (s.hasBias == 1u) { shift7 = bias[c7]; }
  var factor7 = s.scale;
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      factor0 = s.scale * gate[g + c0];
      factor1 = s.scale * gate[g + c1];
      factor2 = s.scale * gate[g + c2];
      factor3 = s.scale * gate[g + c3];
      factor4 = s.scale * gate[g + c4];
      factor5 = s.scale * gate[g + c5];
      factor6 = s.scale * gate[g + c6];
      factor7 = s.scale * gate[g + c7];
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    var sum0 = acc0_0;
    sum0 = select(sum0, acc0_0, i == 0);
    sum0 = select(sum0, acc1_0, i == 1);
    sum0 = select(sum0, acc2_0, i == 2);
    sum0 = select(sum0, acc3_0, i == 3);
    sum0 = select(sum0, acc4_0, i == 4);
    sum0 = select(sum0, acc5_0, i == 5);
    sum0 = select(sum0, acc6_0, i == 6);
    sum0 = select(sum0, acc7_0, i == 7);
    if (n0 + 0 < s.nEnd) { store(sum0, shift0, factor0, r + c0, y + c0); }
    var sum1 = acc0_1;
    sum1 = select(sum1, acc0_1, i == 0);
    sum1 = select(sum1, acc1_1, i == 1);
    sum1 = select(sum1, acc2_1, i == 2);
    sum1 = select(sum1, acc3_1, i == 3);
    sum1 = select(sum1, acc4_1, i == 4);
    sum1 = select(sum1, acc5_1, i == 5);
    sum1 = select(sum1, acc6_1, i == 6);
    sum1 = select(sum1, acc7_1, i == 7);
    if (n0 + 1 < s.nEnd) { store(sum1, shift1, factor1, r + c1, y + c1); }
    var sum2 = acc0_2;
    sum2 = select(sum2, acc0_2, i == 0);
    sum2 = select(sum2, acc1_2, i == 1);
    sum2 = select(sum2, acc2_2, i == 2);
    sum2 = select(sum2, acc3_2, i == 3);
    sum2 = select(sum2, acc4_2, i == 4);
    sum2 = select(sum2, acc5_2, i == 5);
    sum2 = select(sum2, acc6_2, i == 6);
    sum2 = select(sum2, acc7_2, i == 7);
    if (n0 + 2 < s.nEnd) { store(sum2, shift2, factor2, r + c2, y + c2); }
    var sum3 = acc0_3;
    sum3 = select(sum3, acc0_3, i == 0);
    sum3 = select(sum3, acc1_3, i == 1);
    sum3 = select(sum3, acc2_3, i == 2);
    sum3 = select(sum3, acc3_3, i == 3);
    sum3 = select(sum3, acc4_3, i == 4);
    sum3 = select(sum3, acc5_3, i == 5);
    sum3 = select(sum3, acc6_3, i == 6);
    sum3 = select(sum3, acc7_3, i == 7);
    if (n0 + 3 < s.nEnd) { store(sum3, shift3, factor3, r + c3, y + c3); }
    var sum4 = acc0_4;
    sum4 = select(sum4, acc0_4, i == 0);
    sum4 = select(sum4, acc1_4, i == 1);
    sum4 = select(sum4, acc2_4, i == 2);
    sum4 = select(sum4, acc3_4, i == 3);
    sum4 = select(sum4, acc4_4, i == 4);
    sum4 = select(sum4, acc5_4, i == 5);
    sum4 = select(sum4, acc6_4, i == 6);
    sum4 = select(sum4, acc7_4, i == 7);
    if (n0 + 4 < s.nEnd) { store(sum4, shift4, factor4, r + c4, y + c4); }
    var sum5 = acc0_5;
    sum5 = select(sum5, acc0_5, i == 0);
    sum5 = select(sum5, acc1_5, i == 1);
    sum5 = select(sum5, acc2_5, i == 2);
    sum5 = select(sum5, acc3_5, i == 3);
    sum5 = select(sum5, acc4_5, i == 4);
    sum5 = select(sum5, acc5_5, i == 5);
    sum5 = select(sum5, acc6_5, i == 6);
    sum5 = select(sum5, acc7_5, i == 7);
    if (n0 + 5 < s.nEnd) { store(sum5, shift5, factor5, r + c5, y + c5); }
    var sum6 = acc0_6;
    sum6 = select(sum6, acc0_6, i == 0);
    sum6 = select(sum6, acc1_6, i == 1);
    sum6 = select(sum6, acc2_6, i == 2);
    sum6 = select(sum6, acc3_6, i == 3);
    sum6 = select(sum6, acc4_6, i == 4);
    sum6 = select(sum6, acc5_6, i == 5);
    sum6 = select(sum6, acc6_6, i == 6);
    sum6 = select(sum6, acc7_6, i == 7);
    if (n0 + 6 < s.nEnd) { store(sum6, shift6, factor6, r + c6, y + c6); }
    var sum7 = acc0_7;
    sum7 = select(sum7, acc0_7, i == 0);
    sum7 = select(sum7, acc1_7, i == 1);
    sum7 = select(sum7, acc2_7, i == 2);
    sum7 = select(sum7, acc3_7, i == 3);
    sum7 = select(sum7, acc4_7, i == 4);
    sum7 = select(sum7, acc5_7, i == 5);
    sum7 = select(sum7, acc6_7, i == 6);
    sum7 = select(sum7, acc7_7, i == 7);
    if (n0 + 7 < s.nEnd) { store(sum7, shift7, factor7, r + c7, y + c7); }
  }
}
`,
  "matmul@RM=8,RN=12,TEXELS=1,TILED=0,SPLIT=0,SUBGROUPS=0": `const RM: u32 = 8u;
const RN: u32 = 12u;
const TEXELS: u32 = 1u;
const TILED: u32 = 0u;
const SPLIT: u32 = 0u;
const SUBGROUPS: u32 = 0u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      W: texture_2d<u32>;
fn xBits(at: u32) -> vec4u { return textureLoad(X, vec2u(at & 2047u, at >> 11u), 0); }
fn wBits(at: u32) -> vec4u { return textureLoad(W, vec2u(at & 2047u, at >> 11u), 0); }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}



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
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let r1 = min(m0 + 1, s.mEnd - 1u);
  let b1 = r1 / s.S;
  let x1 = (b1 * s.xN + s.xAt + r1 - b1 * s.S) * s.K8 - s.xBase8;
  let r2 = min(m0 + 2, s.mEnd - 1u);
  let b2 = r2 / s.S;
  let x2 = (b2 * s.xN + s.xAt + r2 - b2 * s.S) * s.K8 - s.xBase8;
  let r3 = min(m0 + 3, s.mEnd - 1u);
  let b3 = r3 / s.S;
  let x3 = (b3 * s.xN + s.xAt + r3 - b3 * s.S) * s.K8 - s.xBase8;
  let r4 = min(m0 + 4, s.mEnd - 1u);
  let b4 = r4 / s.S;
  let x4 = (b4 * s.xN + s.xAt + r4 - b4 * s.S) * s.K8 - s.xBase8;
  let r5 = min(m0 + 5, s.mEnd - 1u);
  let b5 = r5 / s.S;
  let x5 = (b5 * s.xN + s.xAt + r5 - b5 * s.S) * s.K8 - s.xBase8;
  let r6 = min(m0 + 6, s.mEnd - 1u);
  let b6 = r6 / s.S;
  let x6 = (b6 * s.xN + s.xAt + r6 - b6 * s.S) * s.K8 - s.xBase8;
  let r7 = min(m0 + 7, s.mEnd - 1u);
  let b7 = r7 / s.S;
  let x7 = (b7 * s.xN + s.xAt + r7 - b7 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  let c4 = min(n0 + 4, s.nEnd - 1u);
  let w4 = c4 * s.stride8 - s.wBase8;
  let c5 = min(n0 + 5, s.nEnd - 1u);
  let w5 = c5 * s.stride8 - s.wBase8;
  let c6 = min(n0 + 6, s.nEnd - 1u);
  let w6 = c6 * s.stride8 - s.wBase8;
  let c7 = min(n0 + 7, s.nEnd - 1u);
  let w7 = c7 * s.stride8 - s.wBase8;
  let c8 = min(n0 + 8, s.nEnd - 1u);
  let w8 = c8 * s.stride8 - s.wBase8;
  let c9 = min(n0 + 9, s.nEnd - 1u);
  let w9 = c9 * s.stride8 - s.wBase8;
  let c10 = min(n0 + 10, s.nEnd - 1u);
  let w10 = c10 * s.stride8 - s.wBase8;
  let c11 = min(n0 + 11, s.nEnd - 1u);
  let w11 = c11 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc0_4 = 0.0;
  var acc0_5 = 0.0;
  var acc0_6 = 0.0;
  var acc0_7 = 0.0;
  var acc0_8 = 0.0;
  var acc0_9 = 0.0;
  var acc0_10 = 0.0;
  var acc0_11 = 0.0;
  var acc1_0 = 0.0;
  var acc1_1 = 0.0;
  var acc1_2 = 0.0;
  var acc1_3 = 0.0;
  var acc1_4 = 0.0;
  var acc1_5 = 0.0;
  var acc1_6 = 0.0;
  var acc1_7 = 0.0;
  var acc1_8 = 0.0;
  var acc1_9 = 0.0;
  var acc1_10 = 0.0;
  var acc1_11 = 0.0;
  var acc2_0 = 0.0;
  var acc2_1 = 0.0;
  var acc2_2 = 0.0;
  var acc2_3 = 0.0;
  var acc2_4 = 0.0;
  var acc2_5 = 0.0;
  var acc2_6 = 0.0;
  var acc2_7 = 0.0;
  var acc2_8 = 0.0;
  var acc2_9 = 0.0;
  var acc2_10 = 0.0;
  var acc2_11 = 0.0;
  var acc3_0 = 0.0;
  var acc3_1 = 0.0;
  var acc3_2 = 0.0;
  var acc3_3 = 0.0;
  var acc3_4 = 0.0;
  var acc3_5 = 0.0;
  var acc3_6 = 0.0;
  var acc3_7 = 0.0;
  var acc3_8 = 0.0;
  var acc3_9 = 0.0;
  var acc3_10 = 0.0;
  var acc3_11 = 0.0;
  var acc4_0 = 0.0;
  var acc4_1 = 0.0;
  var acc4_2 = 0.0;
  var acc4_3 = 0.0;
  var acc4_4 = 0.0;
  var acc4_5 = 0.0;
  var acc4_6 = 0.0;
  var acc4_7 = 0.0;
  var acc4_8 = 0.0;
  var acc4_9 = 0.0;
  var acc4_10 = 0.0;
  var acc4_11 = 0.0;
  var acc5_0 = 0.0;
  var acc5_1 = 0.0;
  var acc5_2 = 0.0;
  var acc5_3 = 0.0;
  var acc5_4 = 0.0;
  var acc5_5 = 0.0;
  var acc5_6 = 0.0;
  var acc5_7 = 0.0;
  var acc5_8 = 0.0;
  var acc5_9 = 0.0;
  var acc5_10 = 0.0;
  var acc5_11 = 0.0;
  var acc6_0 = 0.0;
  var acc6_1 = 0.0;
  var acc6_2 = 0.0;
  var acc6_3 = 0.0;
  var acc6_4 = 0.0;
  var acc6_5 = 0.0;
  var acc6_6 = 0.0;
  var acc6_7 = 0.0;
  var acc6_8 = 0.0;
  var acc6_9 = 0.0;
  var acc6_10 = 0.0;
  var acc6_11 = 0.0;
  var acc7_0 = 0.0;
  var acc7_1 = 0.0;
  var acc7_2 = 0.0;
  var acc7_3 = 0.0;
  var acc7_4 = 0.0;
  var acc7_5 = 0.0;
  var acc7_6 = 0.0;
  var acc7_7 = 0.0;
  var acc7_8 = 0.0;
  var acc7_9 = 0.0;
  var acc7_10 = 0.0;
  var acc7_11 = 0.0;

  for (var k = 0u; k < s.K8; k++) {
    let a0 = loadX(x0 + k);
    let a1 = loadX(x1 + k);
    let a2 = loadX(x2 + k);
    let a3 = loadX(x3 + k);
    let a4 = loadX(x4 + k);
    let a5 = loadX(x5 + k);
    let a6 = loadX(x6 + k);
    let a7 = loadX(x7 + k);
    let v0 = loadW(w0 + k);
    acc0_0 = mac4(mac4(acc0_0, a0.lo, v0.lo), a0.hi, v0.hi);
    acc1_0 = mac4(mac4(acc1_0, a1.lo, v0.lo), a1.hi, v0.hi);
    acc2_0 = mac4(mac4(acc2_0, a2.lo, v0.lo), a2.hi, v0.hi);
    acc3_0 = mac4(mac4(acc3_0, a3.lo, v0.lo), a3.hi, v0.hi);
    acc4_0 = mac4(mac4(acc4_0, a4.lo, v0.lo), a4.hi, v0.hi);
    acc5_0 = mac4(mac4(acc5_0, a5.lo, v0.lo), a5.hi, v0.hi);
    acc6_0 = mac4(mac4(acc6_0, a6.lo, v0.lo), a6.hi, v0.hi);
    acc7_0 = mac4(mac4(acc7_0, a7.lo, v0.lo), a7.hi, v0.hi);
    let v1 = loadW(w1 + k);
    acc0_1 = mac4(mac4(acc0_1, a0.lo, v1.lo), a0.hi, v1.hi);
    acc1_1 = mac4(mac4(acc1_1, a1.lo, v1.lo), a1.hi, v1.hi);
    acc2_1 = mac4(mac4(acc2_1, a2.lo, v1.lo), a2.hi, v1.hi);
    acc3_1 = mac4(mac4(acc3_1, a3.lo, v1.lo), a3.hi, v1.hi);
    acc4_1 = mac4(mac4(acc4_1, a4.lo, v1.lo), a4.hi, v1.hi);
    acc5_1 = mac4(mac4(acc5_1, a5.lo, v1.lo), a5.hi, v1.hi);
    acc6_1 = mac4(mac4(acc6_1, a6.lo, v1.lo), a6.hi, v1.hi);
    acc7_1 = mac4(mac4(acc7_1, a7.lo, v1.lo), a7.hi, v1.hi);
    let v2 = loadW(w2 + k);
    acc0_2 = mac4(mac4(acc0_2, a0.lo, v2.lo), a0.hi, v2.hi);
    acc1_2 = mac4(mac4(acc1_2, a1.lo, v2.lo), a1.hi, v2.hi);
    acc2_2 = mac4(mac4(acc2_2, a2.lo, v2.lo), a2.hi, v2.hi);
    acc3_2 = mac4(mac4(acc3_2, a3.lo, v2.lo), a3.hi, v2.hi);
    acc4_2 = mac4(mac4(acc4_2, a4.lo, v2.lo), a4.hi, v2.hi);
    acc5_2 = mac4(mac4(acc5_2, a5.lo, v2.lo), a5.hi, v2.hi);
    acc6_2 = mac4(mac4(acc6_2, a6.lo, v2.lo), a6.hi, v2.hi);
    acc7_2 = mac4(mac4(acc7_2, a7.lo, v2.lo), a7.hi, v2.hi);
    let v3 = loadW(w3 + k);
    acc0_3 = mac4(mac4(acc0_3, a0.lo, v3.lo), a0.hi, v3.hi);
    acc1_3 = mac4(mac4(acc1_3, a1.lo, v3.lo), a1.hi, v3.hi);
    acc2_3 = mac4(mac4(acc2_3, a2.lo, v3.lo), a2.hi, v3.hi);
    acc3_3 = mac4(mac4(acc3_3, a3.lo, v3.lo), a3.hi, v3.hi);
    acc4_3 = mac4(mac4(acc4_3, a4.lo, v3.lo), a4.hi, v3.hi);
    acc5_3 = mac4(mac4(acc5_3, a5.lo, v3.lo), a5.hi, v3.hi);
    acc6_3 = mac4(mac4(acc6_3, a6.lo, v3.lo), a6.hi, v3.hi);
    acc7_3 = mac4(mac4(acc7_3, a7.lo, v3.lo), a7.hi, v3.hi);
    let v4 = loadW(w4 + k);
    acc0_4 = mac4(mac4(acc0_4, a0.lo, v4.lo), a0.hi, v4.hi);
    acc1_4 = mac4(mac4(acc1_4, a1.lo, v4.lo), a1.hi, v4.hi);
    acc2_4 = mac4(mac4(acc2_4, a2.lo, v4.lo), a2.hi, v4.hi);
    acc3_4 = mac4(mac4(acc3_4, a3.lo, v4.lo), a3.hi, v4.hi);
    acc4_4 = mac4(mac4(acc4_4, a4.lo, v4.lo), a4.hi, v4.hi);
    acc5_4 = mac4(mac4(acc5_4, a5.lo, v4.lo), a5.hi, v4.hi);
    acc6_4 = mac4(mac4(acc6_4, a6.lo, v4.lo), a6.hi, v4.hi);
    acc7_4 = mac4(mac4(acc7_4, a7.lo, v4.lo), a7.hi, v4.hi);
    let v5 = loadW(w5 + k);
    acc0_5 = mac4(mac4(acc0_5, a0.lo, v5.lo), a0.hi, v5.hi);
    acc1_5 = mac4(mac4(acc1_5, a1.lo, v5.lo), a1.hi, v5.hi);
    acc2_5 = mac4(mac4(acc2_5, a2.lo, v5.lo), a2.hi, v5.hi);
    acc3_5 = mac4(mac4(acc3_5, a3.lo, v5.lo), a3.hi, v5.hi);
    acc4_5 = mac4(mac4(acc4_5, a4.lo, v5.lo), a4.hi, v5.hi);
    acc5_5 = mac4(mac4(acc5_5, a5.lo, v5.lo), a5.hi, v5.hi);
    acc6_5 = mac4(mac4(acc6_5, a6.lo, v5.lo), a6.hi, v5.hi);
    acc7_5 = mac4(mac4(acc7_5, a7.lo, v5.lo), a7.hi, v5.hi);
    let v6 = loadW(w6 + k);
    acc0_6 = mac4(mac4(acc0_6, a0.lo, v6.lo), a0.hi, v6.hi);
    acc1_6 = mac4(mac4(acc1_6, a1.lo, v6.lo), a1.hi, v6.hi);
    acc2_6 = mac4(mac4(acc2_6, a2.lo, v6.lo), a2.hi, v6.hi);
    acc3_6 = mac4(mac4(acc3_6, a3.lo, v6.lo), a3.hi, v6.hi);
    acc4_6 = mac4(mac4(acc4_6, a4.lo, v6.lo), a4.hi, v6.hi);
    acc5_6 = mac4(mac4(acc5_6, a5.lo, v6.lo), a5.hi, v6.hi);
    acc6_6 = mac4(mac4(acc6_6, a6.lo, v6.lo), a6.hi, v6.hi);
    acc7_6 = mac4(mac4(acc7_6, a7.lo, v6.lo), a7.hi, v6.hi);
    let v7 = loadW(w7 + k);
    acc0_7 = mac4(mac4(acc0_7, a0.lo, v7.lo), a0.hi, v7.hi);
    acc1_7 = mac4(mac4(acc1_7, a1.lo, v7.lo), a1.hi, v7.hi);
    acc2_7 = mac4(mac4(acc2_7, a2.lo, v7.lo), a2.hi, v7.hi);
    acc3_7 = mac4(mac4(acc3_7, a3.lo, v7.lo), a3.hi, v7.hi);
    acc4_7 = mac4(mac4(acc4_7, a4.lo, v7.lo), a4.hi, v7.hi);
    acc5_7 = mac4(mac4(acc5_7, a5.lo, v7.lo), a5.hi, v7.hi);
    acc6_7 = mac4(mac4(acc6_7, a6.lo, v7.lo), a6.hi, v7.hi);
    acc7_7 = mac4(mac4(acc7_7, a7.lo, v7.lo), a7.hi, v7.hi);
    let v8 = loadW(w8 + k);
    acc0_8 = mac4(mac4(acc0_8, a0.lo, v8.lo), a0.hi, v8.hi);
    acc1_8 = mac4(mac4(acc1_8, a1.lo, v8.lo), a1.hi, v8.hi);
    acc2_8 = mac4(mac4(acc2_8, a2.lo, v8.lo), a2.hi, v8.hi);
    acc3_8 = mac4(mac4(acc3_8, a3.lo, v8.lo), a3.hi, v8.hi);
    acc4_8 = mac4(mac4(acc4_8, a4.lo, v8.lo), a4.hi, v8.hi);
    acc5_8 = mac4(mac4(acc5_8, a5.lo, v8.lo), a5.hi, v8.hi);
    acc6_8 = mac4(mac4(acc6_8, a6.lo, v8.lo), a6.hi, v8.hi);
    acc7_8 = mac4(mac4(acc7_8, a7.lo, v8.lo), a7.hi, v8.hi);
    let v9 = loadW(w9 + k);
    acc0_9 = mac4(mac4(acc0_9, a0.lo, v9.lo), a0.hi, v9.hi);
    acc1_9 = mac4(mac4(acc1_9, a1.lo, v9.lo), a1.hi, v9.hi);
    acc2_9 = mac4(mac4(acc2_9, a2.lo, v9.lo), a2.hi, v9.hi);
    acc3_9 = mac4(mac4(acc3_9, a3.lo, v9.lo), a3.hi, v9.hi);
    acc4_9 = mac4(mac4(acc4_9, a4.lo, v9.lo), a4.hi, v9.hi);
    acc5_9 = mac4(mac4(acc5_9, a5.lo, v9.lo), a5.hi, v9.hi);
    acc6_9 = mac4(mac4(acc6_9, a6.lo, v9.lo), a6.hi, v9.hi);
    acc7_9 = mac4(mac4(acc7_9, a7.lo, v9.lo), a7.hi, v9.hi);
    let v10 = loadW(w10 + k);
    acc0_10 = mac4(mac4(acc0_10, a0.lo, v10.lo), a0.hi, v10.hi);
    acc1_10 = mac4(mac4(acc1_10, a1.lo, v10.lo), a1.hi, v10.hi);
    acc2_10 = mac4(mac4(acc2_10, a2.lo, v10.lo), a2.hi, v10.hi);
    acc3_10 = mac4(mac4(acc3_10, a3.lo, v10.lo), a3.hi, v10.hi);
    acc4_10 = mac4(mac4(acc4_10, a4.lo, v10.lo), a4.hi, v10.hi);
    acc5_10 = mac4(mac4(acc5_10, a5.lo, v10.lo), a5.hi, v10.hi);
    acc6_10 = mac4(mac4(acc6_10, a6.lo, v10.lo), a6.hi, v10.hi);
    acc7_10 = mac4(mac4(acc7_10, a7.lo, v10.lo), a7.hi, v10.hi);
    let v11 = loadW(w11 + k);
    acc0_11 = mac4(mac4(acc0_11, a0.lo, v11.lo), a0.hi, v11.hi);
    acc1_11 = mac4(mac4(acc1_11, a1.lo, v11.lo), a1.hi, v11.hi);
    acc2_11 = mac4(mac4(acc2_11, a2.lo, v11.lo), a2.hi, v11.hi);
    acc3_11 = mac4(mac4(acc3_11, a3.lo, v11.lo), a3.hi, v11.hi);
    acc4_11 = mac4(mac4(acc4_11, a4.lo, v11.lo), a4.hi, v11.hi);
    acc5_11 = mac4(mac4(acc5_11, a5.lo, v11.lo), a5.hi, v11.hi);
    acc6_11 = mac4(mac4(acc6_11, a6.lo, v11.lo), a6.hi, v11.hi);
    acc7_11 = mac4(mac4(acc7_11, a7.lo, v11.lo), a7.hi, v11.hi);
  }

  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  var shift0 = 0.0;
  if (s.hasBias == 1u) { shift0 = bias[c0]; }
  var factor0 = s.scale;
  var shift1 = 0.0;
  if (s.hasBias == 1u) { shift1 = bias[c1]; }
  var factor1 = s.scale;
  var shift2 = 0.0;
  if (s.hasBias == 1u) { shift2 = bias[c2]; }
  var factor2 = s.scale;
  var shift3 = 0.0;
  if (s.hasBias == 1u) { shift3 = bias[c3]; }
  var factor3 = s.scale;
  var shift4 = 0.0;
  if (s.hasBias == 1u) { shift4 = bias[c4]; }
  var factor4 = s.scale;
  var shift5 = 0.0;
  if (s.hasBias == 1u) { shift5 = bias[c5]; }
  var factor5 = s.scale;
  var shift6 = 0.0;
  if (s.hasBias == 1u) { shift6 = bias[c6]; }
  var factor6 = s.scale;
  var shift7 = 0.0;
  if (s.hasBias == 1u) { shift7 = bias[c7]; }
  var factor7 = s.scale;
  var shift8 = 0.0;
  if (s.hasBias == 1u) { shift8 = bias[c8]; }
  var factor8 = s.scale;
  var shift9 = 0.0;
  if (s.hasBias == 1u) { shift9 = bias[c9]; }
  var factor9 = s.scale;
  var shift10 = 0.0;
  if (s.hasBias == 1u) { shift10 = bias[c10]; }
  var factor10 = s.scale;
  var shift11 = 0.0;
  if (s.hasBias == 1u) { shift11 = bias[c11]; }
  var factor11 = s.scale;
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      factor0 = s.scale * gate[g + c0];
      factor1 = s.scale * gate[g + c1];
      factor2 = s.scale * gate[g + c2];
      factor3 = s.scale * gate[g + c3];
      factor4 = s.scale * gate[g + c4];
      factor5 = s.scale * gate[g + c5];
      factor6 = s.scale * gate[g + c6];
      factor7 = s.scale * gate[g + c7];
      factor8 = s.scale * gate[g + c8];
      factor9 = s.scale * gate[g + c9];
      factor10 = s.scale * gate[g + c10];
      factor11 = s.scale * gate[g + c11];
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    var sum0 = acc0_0;
    sum0 = select(sum0, acc0_0, i == 0);
    sum0 = select(sum0, acc1_0, i == 1);
    sum0 = select(sum0, acc2_0, i == 2);
    sum0 = select(sum0, acc3_0, i == 3);
    sum0 = select(sum0, acc4_0, i == 4);
    sum0 = select(sum0, acc5_0, i == 5);
    sum0 = select(sum0, acc6_0, i == 6);
    sum0 = select(sum0, acc7_0, i == 7);
    if (n0 + 0 < s.nEnd) { store(sum0, shift0, factor0, r + c0, y + c0); }
    var sum1 = acc0_1;
    sum1 = select(sum1, acc0_1, i == 0);
    sum1 = select(sum1, acc1_1, i == 1);
    sum1 = select(sum1, acc2_1, i == 2);
    sum1 = select(sum1, acc3_1, i == 3);
    sum1 = select(sum1, acc4_1, i == 4);
    sum1 = select(sum1, acc5_1, i == 5);
    sum1 = select(sum1, acc6_1, i == 6);
    sum1 = select(sum1, acc7_1, i == 7);
    if (n0 + 1 < s.nEnd) { store(sum1, shift1, factor1, r + c1, y + c1); }
    var sum2 = acc0_2;
    sum2 = select(sum2, acc0_2, i == 0);
    sum2 = select(sum2, acc1_2, i == 1);
    sum2 = select(sum2, acc2_2, i == 2);
    sum2 = select(sum2, acc3_2, i == 3);
    sum2 = select(sum2, acc4_2, i == 4);
    sum2 = select(sum2, acc5_2, i == 5);
    sum2 = select(sum2, acc6_2, i == 6);
    sum2 = select(sum2, acc7_2, i == 7);
    if (n0 + 2 < s.nEnd) { store(sum2, shift2, factor2, r + c2, y + c2); }
    var sum3 = acc0_3;
    sum3 = select(sum3, acc0_3, i == 0);
    sum3 = select(sum3, acc1_3, i == 1);
    sum3 = select(sum3, acc2_3, i == 2);
    sum3 = select(sum3, acc3_3, i == 3);
    sum3 = select(sum3, acc4_3, i == 4);
    sum3 = select(sum3, acc5_3, i == 5);
    sum3 = select(sum3, acc6_3, i == 6);
    sum3 = select(sum3, acc7_3, i == 7);
    if (n0 + 3 < s.nEnd) { store(sum3, shift3, factor3, r + c3, y + c3); }
    var sum4 = acc0_4;
    sum4 = select(sum4, acc0_4, i == 0);
    sum4 = select(sum4, acc1_4, i == 1);
    sum4 = select(sum4, acc2_4, i == 2);
    sum4 = select(sum4, acc3_4, i == 3);
    sum4 = select(sum4, acc4_4, i == 4);
    sum4 = select(sum4, acc5_4, i == 5);
    sum4 = select(sum4, acc6_4, i == 6);
    sum4 = select(sum4, acc7_4, i == 7);
    if (n0 + 4 < s.nEnd) { store(sum4, shift4, factor4, r + c4, y + c4); }
    var sum5 = acc0_5;
    sum5 = select(sum5, acc0_5, i == 0);
    sum5 = select(sum5, acc1_5, i == 1);
    sum5 = select(sum5, acc2_5, i == 2);
    sum5 = select(sum5, acc3_5, i == 3);
    sum5 = select(sum5, acc4_5, i == 4);
    sum5 = select(sum5, acc5_5, i == 5);
    sum5 = select(sum5, acc6_5, i == 6);
    sum5 = select(sum5, acc7_5, i == 7);
    if (n0 + 5 < s.nEnd) { store(sum5, shift5, factor5, r + c5, y + c5); }
    var sum6 = acc0_6;
    sum6 = select(sum6, acc0_6, i == 0);
    sum6 = select(sum6, acc1_6, i == 1);
    sum6 = select(sum6, acc2_6, i == 2);
    sum6 = select(sum6, acc3_6, i == 3);
    sum6 = select(sum6, acc4_6, i == 4);
    sum6 = select(sum6, acc5_6, i == 5);
    sum6 = select(sum6, acc6_6, i == 6);
    sum6 = select(sum6, acc7_6, i == 7);
    if (n0 + 6 < s.nEnd) { store(sum6, shift6, factor6, r + c6, y + c6); }
    var sum7 = acc0_7;
    sum7 = select(sum7, acc0_7, i == 0);
    sum7 = select(sum7, acc1_7, i == 1);
    sum7 = select(sum7, acc2_7, i == 2);
    sum7 = select(sum7, acc3_7, i == 3);
    sum7 = select(sum7, acc4_7, i == 4);
    sum7 = select(sum7, acc5_7, i == 5);
    sum7 = select(sum7, acc6_7, i == 6);
    sum7 = select(sum7, acc7_7, i == 7);
    if (n0 + 7 < s.nEnd) { store(sum7, shift7, factor7, r + c7, y + c7); }
    var sum8 = acc0_8;
    sum8 = select(sum8, acc0_8, i == 0);
    sum8 = select(sum8, acc1_8, i == 1);
    sum8 = select(sum8, acc2_8, i == 2);
    sum8 = select(sum8, acc3_8, i == 3);
    sum8 = select(sum8, acc4_8, i == 4);
    sum8 = select(sum8, acc5_8, i == 5);
    sum8 = select(sum8, acc6_8, i == 6);
    sum8 = select(sum8, acc7_8, i == 7);
    if (n0 + 8 < s.nEnd) { store(sum8, shift8, factor8, r + c8, y + c8); }
    var sum9 = acc0_9;
    sum9 = select(sum9, acc0_9, i == 0);
    sum9 = select(sum9, acc1_9, i == 1);
    sum9 = select(sum9, acc2_9, i == 2);
    sum9 = select(sum9, acc3_9, i == 3);
    sum9 = select(sum9, acc4_9, i == 4);
    sum9 = select(sum9, acc5_9, i == 5);
    sum9 = select(sum9, acc6_9, i == 6);
    sum9 = select(sum9, acc7_9, i == 7);
    if (n0 + 9 < s.nEnd) { store(sum9, shift9, factor9, r + c9, y + c9); }
    var sum10 = acc0_10;
    sum10 = select(sum10, acc0_10, i == 0);
    sum10 = select(sum10, acc1_10, i == 1);
    sum10 = select(sum10, acc2_10, i == 2);
    sum10 = select(sum10, acc3_10, i == 3);
    sum10 = select(sum10, acc4_10, i == 4);
    sum10 = select(sum10, acc5_10, i == 5);
    sum10 = select(sum10, acc6_10, i == 6);
    sum10 = select(sum10, acc7_10, i == 7);
    if (n0 + 10 < s.nEnd) { store(sum10, shift10, factor10, r + c10, y + c10); }
    var sum11 = acc0_11;
    sum11 = select(sum11, acc0_11, i == 0);
    sum11 = select(sum11, acc1_11, i == 1);
    sum11 = select(sum11, acc2_11, i == 2);
    sum11 = select(sum11, acc3_11, i == 3);
    sum11 = select(sum11, acc4_11, i == 4);
    sum11 = select(sum11, acc5_11, i == 5);
    sum11 = select(sum11, acc6_11, i == 6);
    sum11 = select(sum11, acc7_11, i == 7);
    if (n0 + 11 < s.nEnd) { store(sum11, shift11, factor11, r + c11, y + c11); }
  }
}
`,
  "matmul@RM=16,RN=12,TEXELS=1,TILED=0,SPLIT=0,SUBGROUPS=0": `const RM: u32 = 16u;
const RN: u32 = 12u;
const TEXELS: u32 = 1u;
const TILED: u32 = 0u;
const SPLIT: u32 = 0u;
const SUBGROUPS: u32 = 0u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      W: texture_2d<u32>;
fn xBits(at: u32) -> vec4u { return textureLoad(X, vec2u(at & 2047u, at >> 11u), 0); }
fn wBits(at: u32) -> vec4u { return textureLoad(W, vec2u(at & 2047u, at >> 11u), 0); }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}



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
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let r1 = min(m0 + 1, s.mEnd - 1u);
  let b1 = r1 / s.S;
  let x1 = (b1 * s.xN + s.xAt + r1 - b1 * s.S) * s.K8 - s.xBase8;
  let r2 = min(m0 + 2, s.mEnd - 1u);
  let b2 = r2 / s.S;
  let x2 = (b2 * s.xN + s.xAt + r2 - b2 * s.S) * s.K8 - s.xBase8;
  let r3 = min(m0 + 3, s.mEnd - 1u);
  let b3 = r3 / s.S;
  let x3 = (b3 * s.xN + s.xAt + r3 - b3 * s.S) * s.K8 - s.xBase8;
  let r4 = min(m0 + 4, s.mEnd - 1u);
  let b4 = r4 / s.S;
  let x4 = (b4 * s.xN + s.xAt + r4 - b4 * s.S) * s.K8 - s.xBase8;
  let r5 = min(m0 + 5, s.mEnd - 1u);
  let b5 = r5 / s.S;
  let x5 = (b5 * s.xN + s.xAt + r5 - b5 * s.S) * s.K8 - s.xBase8;
  let r6 = min(m0 + 6, s.mEnd - 1u);
  let b6 = r6 / s.S;
  let x6 = (b6 * s.xN + s.xAt + r6 - b6 * s.S) * s.K8 - s.xBase8;
  let r7 = min(m0 + 7, s.mEnd - 1u);
  let b7 = r7 / s.S;
  let x7 = (b7 * s.xN + s.xAt + r7 - b7 * s.S) * s.K8 - s.xBase8;
  let r8 = min(m0 + 8, s.mEnd - 1u);
  let b8 = r8 / s.S;
  let x8 = (b8 * s.xN + s.xAt + r8 - b8 * s.S) * s.K8 - s.xBase8;
  let r9 = min(m0 + 9, s.mEnd - 1u);
  let b9 = r9 / s.S;
  let x9 = (b9 * s.xN + s.xAt + r9 - b9 * s.S) * s.K8 - s.xBase8;
  let r10 = min(m0 + 10, s.mEnd - 1u);
  let b10 = r10 / s.S;
  let x10 = (b10 * s.xN + s.xAt + r10 - b10 * s.S) * s.K8 - s.xBase8;
  let r11 = min(m0 + 11, s.mEnd - 1u);
  let b11 = r11 / s.S;
  let x11 = (b11 * s.xN + s.xAt + r11 - b11 * s.S) * s.K8 - s.xBase8;
  let r12 = min(m0 + 12, s.mEnd - 1u);
  let b12 = r12 / s.S;
  let x12 = (b12 * s.xN + s.xAt + r12 - b12 * s.S) * s.K8 - s.xBase8;
  let r13 = min(m0 + 13, s.mEnd - 1u);
  let b13 = r13 / s.S;
  let x13 = (b13 * s.xN + s.xAt + r13 - b13 * s.S) * s.K8 - s.xBase8;
  let r14 = min(m0 + 14, s.mEnd - 1u);
  let b14 = r14 / s.S;
  let x14 = (b14 * s.xN + s.xAt + r14 - b14 * s.S) * s.K8 - s.xBase8;
  let r15 = min(m0 + 15, s.mEnd - 1u);
  let b15 = r15 / s.S;
  let x15 = (b15 * s.xN + s.xAt + r15 - b15 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  let c4 = min(n0 + 4, s.nEnd - 1u);
  let w4 = c4 * s.stride8 - s.wBase8;
  let c5 = min(n0 + 5, s.nEnd - 1u);
  let w5 = c5 * s.stride8 - s.wBase8;
  let c6 = min(n0 + 6, s.nEnd - 1u);
  let w6 = c6 * s.stride8 - s.wBase8;
  let c7 = min(n0 + 7, s.nEnd - 1u);
  let w7 = c7 * s.stride8 - s.wBase8;
  let c8 = min(n0 + 8, s.nEnd - 1u);
  let w8 = c8 * s.stride8 - s.wBase8;
  let c9 = min(n0 + 9, s.nEnd - 1u);
  let w9 = c9 * s.stride8 - s.wBase8;
  let c10 = min(n0 + 10, s.nEnd - 1u);
  let w10 = c10 * s.stride8 - s.wBase8;
  let c11 = min(n0 + 11, s.nEnd - 1u);
  let w11 = c11 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc0_4 = 0.0;
  var acc0_5 = 0.0;
  var acc0_6 = 0.0;
  var acc0_7 = 0.0;
  var acc0_8 = 0.0;
  var acc0_9 = 0.0;
  var acc0_10 = 0.0;
  var acc0_11 = 0.0;
  var acc1_0 = 0.0;
  var acc1_1 = 0.0;
  var acc1_2 = 0.0;
  var acc1_3 = 0.0;
  var acc1_4 = 0.0;
  var acc1_5 = 0.0;
  var acc1_6 = 0.0;
  var acc1_7 = 0.0;
  var acc1_8 = 0.0;
  var acc1_9 = 0.0;
  var acc1_10 = 0.0;
  var acc1_11 = 0.0;
  var acc2_0 = 0.0;
  var acc2_1 = 0.0;
  var acc2_2 = 0.0;
  var acc2_3 = 0.0;
  var acc2_4 = 0.0;
  var acc2_5 = 0.0;
  var acc2_6 = 0.0;
  var acc2_7 = 0.0;
  var acc2_8 = 0.0;
  var acc2_9 = 0.0;
  var acc2_10 = 0.0;
  var acc2_11 = 0.0;
  var acc3_0 = 0.0;
  var acc3_1 = 0.0;
  var acc3_2 = 0.0;
  var acc3_3 = 0.0;
  var acc3_4 = 0.0;
  var acc3_5 = 0.0;
  var acc3_6 = 0.0;
  var acc3_7 = 0.0;
  var acc3_8 = 0.0;
  var acc3_9 = 0.0;
  var acc3_10 = 0.0;
  var acc3_11 = 0.0;
  var acc4_0 = 0.0;
  var acc4_1 = 0.0;
  var acc4_2 = 0.0;
  var acc4_3 = 0.0;
  var acc4_4 = 0.0;
  var acc4_5 = 0.0;
  var acc4_6 = 0.0;
  var acc4_7 = 0.0;
  var acc4_8 = 0.0;
  var acc4_9 = 0.0;
  var acc4_10 = 0.0;
  var acc4_11 = 0.0;
  var acc5_0 = 0.0;
  var acc5_1 = 0.0;
  var acc5_2 = 0.0;
  var acc5_3 = 0.0;
  var acc5_4 = 0.0;
  var acc5_5 = 0.0;
  var acc5_6 = 0.0;
  var acc5_7 = 0.0;
  var acc5_8 = 0.0;
  var acc5_9 = 0.0;
  var acc5_10 = 0.0;
  var acc5_11 = 0.0;
  var acc6_0 = 0.0;
  var acc6_1 = 0.0;
  var acc6_2 = 0.0;
  var acc6_3 = 0.0;
  var acc6_4 = 0.0;
  var acc6_5 = 0.0;
  var acc6_6 = 0.0;
  var acc6_7 = 0.0;
  var acc6_8 = 0.0;
  var acc6_9 = 0.0;
  var acc6_10 = 0.0;
  var acc6_11 = 0.0;
  var acc7_0 = 0.0;
  var acc7_1 = 0.0;
  var acc7_2 = 0.0;
  var acc7_3 = 0.0;
  var acc7_4 = 0.0;
  var acc7_5 = 0.0;
  var acc7_6 = 0.0;
  var acc7_7 = 0.0;
  var acc7_8 = 0.0;
  var acc7_9 = 0.0;
  var acc7_10 = 0.0;
  var acc7_11 = 0.0;
  var acc8_0 = 0.0;
  var acc8_1 = 0.0;
  var acc8_2 = 0.0;
  var acc8_3 = 0.0;
  var acc8_4 = 0.0;
  var acc8_5 = 0.0;
  var acc8_6 = 0.0;
  var acc8_7 = 0.0;
  var acc8_8 = 0.0;
  var acc8_9 = 0.0;
  var acc8_10 = 0.0;
  var acc8_11 = 0.0;
  var acc9_0 = 0.0;
  var acc9_1 = 0.0;
  var acc9_2 = 0.0;
  var acc9_3 = 0.0;
  var acc9_4 = 0.0;
  var acc9_5 = 0.0;
  var acc9_6 = 0.0;
  var acc9_7 = 0.0;
  var acc9_8 = 0.0;
  var acc9_9 = 0.0;
  var acc9_10 = 0.0;
  var acc9_11 = 0.0;
  var acc10_0 = 0.0;
  var acc10_1 = 0.0;
  var acc10_2 = 0.0;
  var acc10_3 = 0.0;
  var acc10_4 = 0.0;
  var acc10_5 = 0.0;
  var acc10_6 = 0.0;
  var acc10_7 = 0.0;
  var acc10_8 = 0.0;
  var acc10_9 = 0.0;
  var acc10_10 = 0.0;
  var acc10_11 = 0.0;
  var acc11_0 = 0.0;
  var acc11_1 = 0.0;
  var acc11_2 = 0.0;
  var acc11_3 = 0.0;
  var acc11_4 = 0.0;
  var acc11_5 = 0.0;
  var acc11_6 = 0.0;
  var acc11_7 = 0.0;
  var acc11_8 = 0.0;
  var acc11_9 = 0.0;
  var acc11_10 = 0.0;
  var acc11_11 = 0.0;
  var acc12_0 = 0.0;
  var acc12_1 = 0.0;
  var acc12_2 = 0.0;
  var acc12_3 = 0.0;
  var acc12_4 = 0.0;
  var acc12_5 = 0.0;
  var acc12_6 = 0.0;
  var acc12_7 = 0.0;
  var acc12_8 = 0.0;
  var acc12_9 = 0.0;
  var acc12_10 = 0.0;
  var acc12_11 = 0.0;
  var acc13_0 = 0.0;
  var acc13_1 = 0.0;
  var acc13_2 = 0.0;
  var acc13_3 = 0.0;
  var acc13_4 = 0.0;
  var acc13_5 = 0.0;
  var acc13_6 = 0.0;
  var acc13_7 = 0.0;
  var acc13_8 = 0.0;
  var acc13_9 = 0.0;
  var acc13_10 = 0.0;
  var acc13_11 = 0.0;
  var acc14_0 = 0.0;
  var acc14_1 = 0.0;
  var acc14_2 = 0.0;
  var acc14_3 = 0.0;
  var acc14_4 = 0.0;
  var acc14_5 = 0.0;
  var acc14_6 = 0.0;
  var acc14_7 = 0.0;
  var acc14_8 = 0.0;
  var acc14_9 = 0.0;
  var acc14_10 = 0.0;
  var acc14_11 = 0.0;
  var acc15_0 = 0.0;
  var acc15_1 = 0.0;
  var acc15_2 = 0.0;
  var acc15_3 = 0.0;
  var acc15_4 = 0.0;
  var acc15_5 = 0.0;
  var acc15_6 = 0.0;
  var acc15_7 = 0.0;
  var acc15_8 = 0.0;
  var acc15_9 = 0.0;
  var acc15_10 = 0.0;
  var acc15_11 = 0.0;

  for (var k = 0u; k < s.K8; k++) {
    let a0 = loadX(x0 + k);
    let a1 = loadX(x1 + k);
    let a2 = loadX(x2 + k);
    let a3 = loadX(x3 + k);
    let a4 = loadX(x4 + k);
    let a5 = loadX(x5 + k);
    let a6 = loadX(x6 + k);
    let a7 = loadX(x7 + k);
    let a8 = loadX(x8 + k);
    let a9 = loadX(x9 + k);
    let a10 = loadX(x10 + k);
    let a11 = loadX(x11 + k);
    let a12 = loadX(x12 + k);
    let a13 = loadX(x13 + k);
    let a14 = loadX(x14 + k);
    let a15 = loadX(x15 + k);
    let v0 = loadW(w0 + k);
    acc0_0 = mac4(mac4(acc0_0, a0.lo, v0.lo), a0.hi, v0.hi);
    acc1_0 = mac4(mac4(acc1_0, a1.lo, v0.lo), a1.hi, v0.hi);
    acc2_0 = mac4(mac4(acc2_0, a2.lo, v0.lo), a2.hi, v0.hi);
    acc3_0 = mac4(mac4(acc3_0, a3.lo, v0.lo), a3.hi, v0.hi);
    acc4_0 = mac4(mac4(acc4_0, a4.lo, v0.lo), a4.hi, v0.hi);
    acc5_0 = mac4(mac4(acc5_0, a5.lo, v0.lo), a5.hi, v0.hi);
    acc6_0 = mac4(mac4(acc6_0, a6.lo, v0.lo), a6.hi, v0.hi);
    acc7_0 = mac4(mac4(acc7_0, a7.lo, v0.lo), a7.hi, v0.hi);
    acc8_0 = mac4(mac4(acc8_0, a8.lo, v0.lo), a8.hi, v0.hi);
    acc9_0 = mac4(mac4(acc9_0, a9.lo, v0.lo), a9.hi, v0.hi);
    acc10_0 = mac4(mac4(acc10_0, a10.lo, v0.lo), a10.hi, v0.hi);
    acc11_0 = mac4(mac4(acc11_0, a11.lo, v0.lo), a11.hi, v0.hi);
    acc12_0 = mac4(mac4(acc12_0, a12.lo, v0.lo), a12.hi, v0.hi);
    acc13_0 = mac4(mac4(acc13_0, a13.lo, v0.lo), a13.hi, v0.hi);
    acc14_0 = mac4(mac4(acc14_0, a14.lo, v0.lo), a14.hi, v0.hi);
    acc15_0 = mac4(mac4(acc15_0, a15.lo, v0.lo), a15.hi, v0.hi);
    let v1 = loadW(w1 + k);
    acc0_1 = mac4(mac4(acc0_1, a0.lo, v1.lo), a0.hi, v1.hi);
    acc1_1 = mac4(mac4(acc1_1, a1.lo, v1.lo), a1.hi, v1.hi);
    acc2_1 = mac4(mac4(acc2_1, a2.lo, v1.lo), a2.hi, v1.hi);
    acc3_1 = mac4(mac4(acc3_1, a3.lo, v1.lo), a3.hi, v1.hi);
    acc4_1 = mac4(mac4(acc4_1, a4.lo, v1.lo), a4.hi, v1.hi);
    acc5_1 = mac4(mac4(acc5_1, a5.lo, v1.lo), a5.hi, v1.hi);
    acc6_1 = mac4(mac4(acc6_1, a6.lo, v1.lo), a6.hi, v1.hi);
    acc7_1 = mac4(mac4(acc7_1, a7.lo, v1.lo), a7.hi, v1.hi);
    acc8_1 = mac4(mac4(acc8_1, a8.lo, v1.lo), a8.hi, v1.hi);
    acc9_1 = mac4(mac4(acc9_1, a9.lo, v1.lo), a9.hi, v1.hi);
    acc10_1 = mac4(mac4(acc10_1, a10.lo, v1.lo), a10.hi, v1.hi);
    acc11_1 = mac4(mac4(acc11_1, a11.lo, v1.lo), a11.hi, v1.hi);
    acc12_1 = mac4(mac4(acc12_1, a12.lo, v1.lo), a12.hi, v1.hi);
    acc13_1 = mac4(mac4(acc13_1, a13.lo, v1.lo), a13.hi, v1.hi);
    acc14_1 = mac4(mac4(acc14_1, a14.lo, v1.lo), a14.hi, v1.hi);
    acc15_1 = mac4(mac4(acc15_1, a15.lo, v1.lo), a15.hi, v1.hi);
    let v2 = loadW(w2 + k);
    acc0_2 = mac4(mac4(acc0_2, a0.lo, v2.lo), a0.hi, v2.hi);
    acc1_2 = mac4(mac4(acc1_2, a1.lo, v2.lo), a1.hi, v2.hi);
    acc2_2 = mac4(mac4(acc2_2, a2.lo, v2.lo), a2.hi, v2.hi);
    acc3_2 = mac4(mac4(acc3_2, a3.lo, v2.lo), a3.hi, v2.hi);
    acc4_2 = mac4(mac4(acc4_2, a4.lo, v2.lo), a4.hi, v2.hi);
    acc5_2 = mac4(mac4(acc5_2, a5.lo, v2.lo), a5.hi, v2.hi);
    acc6_2 = mac4(mac4(acc6_2, a6.lo, v2.lo), a6.hi, v2.hi);
    acc7_2 = mac4(mac4(acc7_2, a7.lo, v2.lo), a7.hi, v2.hi);
    acc8_2 = mac4(mac4(acc8_2, a8.lo, v2.lo), a8.hi, v2.hi);
    acc9_2 = mac4(mac4(acc9_2, a9.lo, v2.lo), a9.hi, v2.hi);
    acc10_2 = mac4(mac4(acc10_2, a10.lo, v2.lo), a10.hi, v2.hi);
    acc11_2 = mac4(mac4(acc11_2, a11.lo, v2.lo), a11.hi, v2.hi);
    acc12_2 = mac4(mac4(acc12_2, a12.lo, v2.lo), a12.hi, v2.hi);
    acc13_2 = mac4(mac4(acc13_2, a13.lo, v2.lo), a13.hi, v2.hi);
    acc14_2 = mac4(mac4(acc14_2, a14.lo, v2.lo), a14.hi, v2.hi);
    acc15_2 = mac4(mac4(acc15_2, a15.lo, v2.lo), a15.hi, v2.hi);
    let v3 = loadW(w3 + k);
    acc0_3 = mac4(mac4(acc0_3, a0.lo, v3.lo), a0.hi, v3.hi);
    acc1_3 = mac4(mac4(acc1_3, a1.lo, v3.lo), a1.hi, v3.hi);
    acc2_3 = mac4(mac4(acc2_3, a2.lo, v3.lo), a2.hi, v3.hi);
    acc3_3 = mac4(mac4(acc3_3, a3.lo, v3.lo), a3.hi, v3.hi);
    acc4_3 = mac4(mac4(acc4_3, a4.lo, v3.lo), a4.hi, v3.hi);
    acc5_3 = mac4(mac4(acc5_3, a5.lo, v3.lo), a5.hi, v3.hi);
    acc6_3 = mac4(mac4(acc6_3, a6.lo, v3.lo), a6.hi, v3.hi);
    acc7_3 = mac4(mac4(acc7_3, a7.lo, v3.lo), a7.hi, v3.hi);
    acc8_3 = mac4(mac4(acc8_3, a8.lo, v3.lo), a8.hi, v3.hi);
    acc9_3 = mac4(mac4(acc9_3, a9.lo, v3.lo), a9.hi, v3.hi);
    acc10_3 = mac4(mac4(acc10_3, a10.lo, v3.lo), a10.hi, v3.hi);
    acc11_3 = mac4(mac4(acc11_3, a11.lo, v3.lo), a11.hi, v3.hi);
    acc12_3 = mac4(mac4(acc12_3, a12.lo, v3.lo), a12.hi, v3.hi);
    acc13_3 = mac4(mac4(acc13_3, a13.lo, v3.lo), a13.hi, v3.hi);
    acc14_3 = mac4(mac4(acc14_3, a14.lo, v3.lo), a14.hi, v3.hi);
    acc15_3 = mac4(mac4(acc15_3, a15.lo, v3.lo), a15.hi, v3.hi);
    let v4 = loadW(w4 + k);
    acc0_4 = mac4(mac4(acc0_4, a0.lo, v4.lo), a0.hi, v4.hi);
    acc1_4 = mac4(mac4(acc1_4, a1.lo, v4.lo), a1.hi, v4.hi);
    acc2_4 = mac4(mac4(acc2_4, a2.lo, v4.lo), a2.hi, v4.hi);
    acc3_4 = mac4(mac4(acc3_4, a3.lo, v4.lo), a3.hi, v4.hi);
    acc4_4 = mac4(mac4(acc4_4, a4.lo, v4.lo), a4.hi, v4.hi);
    acc5_4 = mac4(mac4(acc5_4, a5.lo, v4.lo), a5.hi, v4.hi);
    acc6_4 = mac4(mac4(acc6_4, a6.lo, v4.lo), a6.hi, v4.hi);
    acc7_4 = mac4(mac4(acc7_4, a7.lo, v4.lo), a7.hi, v4.hi);
    acc8_4 = mac4(mac4(acc8_4, a8.lo, v4.lo), a8.hi, v4.hi);
    acc9_4 = mac4(mac4(acc9_4, a9.lo, v4.lo), a9.hi, v4.hi);
    acc10_4 = mac4(mac4(acc10_4, a10.lo, v4.lo), a10.hi, v4.hi);
    acc11_4 = mac4(mac4(acc11_4, a11.lo, v4.lo), a11.hi, v4.hi);
    acc12_4 = mac4(mac4(acc12_4, a12.lo, v4.lo), a12.hi, v4.hi);
    acc13_4 = mac4(mac4(acc13_4, a13.lo, v4.lo), a13.hi, v4.hi);
    acc14_4 = mac4(mac4(acc14_4, a14.lo, v4.lo), a14.hi, v4.hi);
    acc15_4 = mac4(mac4(acc15_4, a15.lo, v4.lo), a15.hi, v4.hi);
    let v5 = loadW(w5 + k);
    acc0_5 = mac4(mac4(acc0_5, a0.lo, v5.lo), a0.hi, v5.hi);
    acc1_5 = mac4(mac4(acc1_5, a1.lo, v5.lo), a1.hi, v5.hi);
    acc2_5 = mac4(mac4(acc2_5, a2.lo, v5.lo), a2.hi, v5.hi);
    acc3_5 = mac4(mac4(acc3_5, a3.lo, v5.lo), a3.hi, v5.hi);
    acc4_5 = mac4(mac4(acc4_5, a4.lo, v5.lo), a4.hi, v5.hi);
    acc5_5 = mac4(mac4(acc5_5, a5.lo, v5.lo), a5.hi, v5.hi);
    acc6_5 = mac4(mac4(acc6_5, a6.lo, v5.lo), a6.hi, v5.hi);
    acc7_5 = mac4(mac4(acc7_5, a7.lo, v5.lo), a7.hi, v5.hi);
    acc8_5 = mac4(mac4(acc8_5, a8.lo, v5.lo), a8.hi, v5.hi);
    acc9_5 = mac4(mac4(acc9_5, a9.lo, v5.lo), a9.hi, v5.hi);
    acc10_5 = mac4(mac4(acc10_5, a10.lo, v5.lo), a10.hi, v5.hi);
    acc11_5 = mac4(mac4(acc11_5, a11.lo, v5.lo), a11.hi, v5.hi);
    acc12_5 = mac4(mac4(acc12_5, a12.lo, v5.lo), a12.hi, v5.hi);
    acc13_5 = mac4(mac4(acc13_5, a13.lo, v5.lo), a13.hi, v5.hi);
    acc14_5 = mac4(mac4(acc14_5, a14.lo, v5.lo), a14.hi, v5.hi);
    acc15_5 = mac4(mac4(acc15_5, a15.lo, v5.lo), a15.hi, v5.hi);
    let v6 = loadW(w6 + k);
    acc0_6 = mac4(mac4(acc0_6, a0.lo, v6.lo), a0.hi, v6.hi);
    acc1_6 = mac4(mac4(acc1_6, a1.lo, v6.lo), a1.hi, v6.hi);
    acc2_6 = mac4(mac4(acc2_6, a2.lo, v6.lo), a2.hi, v6.hi);
    acc3_6 = mac4(mac4(acc3_6, a3.lo, v6.lo), a3.hi, v6.hi);
    acc4_6 = mac4(mac4(acc4_6, a4.lo, v6.lo), a4.hi, v6.hi);
    acc5_6 = mac4(mac4(acc5_6, a5.lo, v6.lo), a5.hi, v6.hi);
    acc6_6 = mac4(mac4(acc6_6, a6.lo, v6.lo), a6.hi, v6.hi);
    acc7_6 = mac4(mac4(acc7_6, a7.lo, v6.lo), a7.hi, v6.hi);
    acc8_6 = mac4(mac4(acc8_6, a8.lo, v6.lo), a8.hi, v6.hi);
    acc9_6 = mac4(mac4(acc9_6, a9.lo, v6.lo), a9.hi, v6.hi);
    acc10_6 = mac4(mac4(acc10_6, a10.lo, v6.lo), a10.hi, v6.hi);
    acc11_6 = mac4(mac4(acc11_6, a11.lo, v6.lo), a11.hi, v6.hi);
    acc12_6 = mac4(mac4(acc12_6, a12.lo, v6.lo), a12.hi, v6.hi);
    acc13_6 = mac4(mac4(acc13_6, a13.lo, v6.lo), a13.hi, v6.hi);
    acc14_6 = mac4(mac4(acc14_6, a14.lo, v6.lo), a14.hi, v6.hi);
    acc15_6 = mac4(mac4(acc15_6, a15.lo, v6.lo), a15.hi, v6.hi);
    let v7 = loadW(w7 + k);
    acc0_7 = mac4(mac4(acc0_7, a0.lo, v7.lo), a0.hi, v7.hi);
    acc1_7 = mac4(mac4(acc1_7, a1.lo, v7.lo), a1.hi, v7.hi);
    acc2_7 = mac4(mac4(acc2_7, a2.lo, v7.lo), a2.hi, v7.hi);
    acc3_7 = mac4(mac4(acc3_7, a3.lo, v7.lo), a3.hi, v7.hi);
    acc4_7 = mac4(mac4(acc4_7, a4.lo, v7.lo), a4.hi, v7.hi);
    acc5_7 = mac4(mac4(acc5_7, a5.lo, v7.lo), a5.hi, v7.hi);
    acc6_7 = mac4(mac4(acc6_7, a6.lo, v7.lo), a6.hi, v7.hi);
    acc7_7 = mac4(mac4(acc7_7, a7.lo, v7.lo), a7.hi, v7.hi);
    acc8_7 = mac4(mac4(acc8_7, a8.lo, v7.lo), a8.hi, v7.hi);
    acc9_7 = mac4(mac4(acc9_7, a9.lo, v7.lo), a9.hi, v7.hi);
    acc10_7 = mac4(mac4(acc10_7, a10.lo, v7.lo), a10.hi, v7.hi);
    acc11_7 = mac4(mac4(acc11_7, a11.lo, v7.lo), a11.hi, v7.hi);
    acc12_7 = mac4(mac4(acc12_7, a12.lo, v7.lo), a12.hi, v7.hi);
    acc13_7 = mac4(mac4(acc13_7, a13.lo, v7.lo), a13.hi, v7.hi);
    acc14_7 = mac4(mac4(acc14_7, a14.lo, v7.lo), a14.hi, v7.hi);
    acc15_7 = mac4(mac4(acc15_7, a15.lo, v7.lo), a15.hi, v7.hi);
    let v8 = loadW(w8 + k);
    acc0_8 = mac4(mac4(acc0_8, a0.lo, v8.lo), a0.hi, v8.hi);
    acc1_8 = mac4(mac4(acc1_8, a1.lo, v8.lo), a1.hi, v8.hi);
    acc2_8 = mac4(mac4(acc2_8, a2.lo, v8.lo), a2.hi, v8.hi);
    acc3_8 = mac4(mac4(acc3_8, a3.lo, v8.lo), a3.hi, v8.hi);
    acc4_8 = mac4(mac4(acc4_8, a4.lo, v8.lo), a4.hi, v8.hi);
    acc5_8 = mac4(mac4(acc5_8, a5.lo, v8.lo), a5.hi, v8.hi);
    acc6_8 = mac4(mac4(acc6_8, a6.lo, v8.lo), a6.hi, v8.hi);
    acc7_8 = mac4(mac4(acc7_8, a7.lo, v8.lo), a7.hi, v8.hi);
    acc8_8 = mac4(mac4(acc8_8, a8.lo, v8.lo), a8.hi, v8.hi);
    acc9_8 = mac4(mac4(acc9_8, a9.lo, v8.lo), a9.hi, v8.hi);
    acc10_8 = mac4(mac4(acc10_8, a10.lo, v8.lo), a10.hi, v8.hi);
    acc11_8 = mac4(mac4(acc11_8, a11.lo, v8.lo), a11.hi, v8.hi);
    acc12_8 = mac4(mac4(acc12_8, a12.lo, v8.lo), a12.hi, v8.hi);
    acc13_8 = mac4(mac4(acc13_8, a13.lo, v8.lo), a13.hi, v8.hi);
    acc14_8 = mac4(mac4(acc14_8, a14.lo, v8.lo), a14.hi, v8.hi);
    acc15_8 = mac4(mac4(acc15_8, a15.lo, v8.lo), a15.hi, v8.hi);
    let v9 = loadW(w9 + k);
    acc0_9 = mac4(mac4(acc0_9, a0.lo, v9.lo), a0.hi, v9.hi);
    acc1_9 = mac4(mac4(acc1_9, a1.lo, v9.lo), a1.hi, v9.hi);
    acc2_9 = mac4(mac4(acc2_9, a2.lo, v9.lo), a2.hi, v9.hi);
    acc3_9 = mac4(mac4(acc3_9, a3.lo, v9.lo), a3.hi, v9.hi);
    acc4_9 = mac4(mac4(acc4_9, a4.lo, v9.lo), a4.hi, v9.hi);
    acc5_9 = mac4(mac4(acc5_9, a5.lo, v9.lo), a5.hi, v9.hi);
    acc6_9 = mac4(mac4(acc6_9, a6.lo, v9.lo), a6.hi, v9.hi);
    acc7_9 = mac4(mac4(acc7_9, a7.lo, v9.lo), a7.hi, v9.hi);
    acc8_9 = mac4(mac4(acc8_9, a8.lo, v9.lo), a8.hi, v9.hi);
    acc9_9 = mac4(mac4(acc9_9, a9.lo, v9.lo), a9.hi, v9.hi);
    acc10_9 = mac4(mac4(acc10_9, a10.lo, v9.lo), a10.hi, v9.hi);
    acc11_9 = mac4(mac4(acc11_9, a11.lo, v9.lo), a11.hi, v9.hi);
    acc12_9 = mac4(mac4(acc12_9, a12.lo, v9.lo), a12.hi, v9.hi);
    acc13_9 = mac4(mac4(acc13_9, a13.lo, v9.lo), a13.hi, v9.hi);
    acc14_9 = mac4(mac4(acc14_9, a14.lo, v9.lo), a14.hi, v9.hi);
    acc15_9 = mac4(mac4(acc15_9, a15.lo, v9.lo), a15.hi, v9.hi);
    let v10 = loadW(w10 + k);
    acc0_10 = mac4(mac4(acc0_10, a0.lo, v10.lo), a0.hi, v10.hi);
    acc1_10 = mac4(mac4(acc1_10, a1.lo, v10.lo), a1.hi, v10.hi);
    acc2_10 = mac4(mac4(acc2_10, a2.lo, v10.lo), a2.hi, v10.hi);
    acc3_10 = mac4(mac4(acc3_10, a3.lo, v10.lo), a3.hi, v10.hi);
    acc4_10 = mac4(mac4(acc4_10, a4.lo, v10.lo), a4.hi, v10.hi);
    acc5_10 = mac4(mac4(acc5_10, a5.lo, v10.lo), a5.hi, v10.hi);
    acc6_10 = mac4(mac4(acc6_10, a6.lo, v10.lo), a6.hi, v10.hi);
    acc7_10 = mac4(mac4(acc7_10, a7.lo, v10.lo), a7.hi, v10.hi);
    acc8_10 = mac4(mac4(acc8_10, a8.lo, v10.lo), a8.hi, v10.hi);
    acc9_10 = mac4(mac4(acc9_10, a9.lo, v10.lo), a9.hi, v10.hi);
    acc10_10 = mac4(mac4(acc10_10, a10.lo, v10.lo), a10.hi, v10.hi);
    acc11_10 = mac4(mac4(acc11_10, a11.lo, v10.lo), a11.hi, v10.hi);
    acc12_10 = mac4(mac4(acc12_10, a12.lo, v10.lo), a12.hi, v10.hi);
    acc13_10 = mac4(mac4(acc13_10, a13.lo, v10.lo), a13.hi, v10.hi);
    acc14_10 = mac4(mac4(acc14_10, a14.lo, v10.lo), a14.hi, v10.hi);
    acc15_10 = mac4(mac4(acc15_10, a15.lo, v10.lo), a15.hi, v10.hi);
    let v11 = loadW(w11 + k);
    acc0_11 = mac4(mac4(acc0_11, a0.lo, v11.lo), a0.hi, v11.hi);
    acc1_11 = mac4(mac4(acc1_11, a1.lo, v11.lo), a1.hi, v11.hi);
    acc2_11 = mac4(mac4(acc2_11, a2.lo, v11.lo), a2.hi, v11.hi);
    acc3_11 = mac4(mac4(acc3_11, a3.lo, v11.lo), a3.hi, v11.hi);
    acc4_11 = mac4(mac4(acc4_11, a4.lo, v11.lo), a4.hi, v11.hi);
    acc5_11 = mac4(mac4(acc5_11, a5.lo, v11.lo), a5.hi, v11.hi);
    acc6_11 = mac4(mac4(acc6_11, a6.lo, v11.lo), a6.hi, v11.hi);
    acc7_11 = mac4(mac4(acc7_11, a7.lo, v11.lo), a7.hi, v11.hi);
    acc8_11 = mac4(mac4(acc8_11, a8.lo, v11.lo), a8.hi, v11.hi);
    acc9_11 = mac4(mac4(acc9_11, a9.lo, v11.lo), a9.hi, v11.hi);
    acc10_11 = mac4(mac4(acc10_11, a10.lo, v11.lo), a10.hi, v11.hi);
    acc11_11 = mac4(mac4(acc11_11, a11.lo, v11.lo), a11.hi, v11.hi);
    acc12_11 = mac4(mac4(acc12_11, a12.lo, v11.lo), a12.hi, v11.hi);
    acc13_11 = mac4(mac4(acc13_11, a13.lo, v11.lo), a13.hi, v11.hi);
    acc14_11 = mac4(mac4(acc14_11, a14.lo, v11.lo), a14.hi, v11.hi);
    acc15_11 = mac4(mac4(acc15_11, a15.lo, v11.lo), a15.hi, v11.hi);
  }

  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  var shift0 = 0.0;
  if (s.hasBias == 1u) { shift0 = bias[c0]; }
  var factor0 = s.scale;
  var shift1 = 0.0;
  if (s.hasBias == 1u) { shift1 = bias[c1]; }
  var factor1 = s.scale;
  var shift2 = 0.0;
  if (s.hasBias == 1u) { shift2 = bias[c2]; }
  var factor2 = s.scale;
  var shift3 = 0.0;
  if (s.hasBias == 1u) { shift3 = bias[c3]; }
  var factor3 = s.scale;
  var shift4 = 0.0;
  if (s.hasBias == 1u) { shift4 = bias[c4]; }
  var factor4 = s.scale;
  var shift5 = 0.0;
  if (s.hasBias == 1u) { shift5 = bias[c5]; }
  var factor5 = s.scale;
  var shift6 = 0.0;
  if (s.hasBias == 1u) { shift6 = bias[c6]; }
  var factor6 = s.scale;
  var shift7 = 0.0;
  if (s.hasBias == 1u) { shift7 = bias[c7]; }
  var factor7 = s.scale;
  var shift8 = 0.0;
  if (s.hasBias == 1u) { shift8 = bias[c8]; }
  var factor8 = s.scale;
  var shift9 = 0.0;
  if (s.hasBias == 1u) { shift9 = bias[c9]; }
  var factor9 = s.scale;
  var shift10 = 0.0;
  if (s.hasBias == 1u) { shift10 = bias[c10]; }
  var factor10 = s.scale;
  var shift11 = 0.0;
  if (s.hasBias == 1u) { shift11 = bias[c11]; }
  var factor11 = s.scale;
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      factor0 = s.scale * gate[g + c0];
      factor1 = s.scale * gate[g + c1];
      factor2 = s.scale * gate[g + c2];
      factor3 = s.scale * gate[g + c3];
      factor4 = s.scale * gate[g + c4];
      factor5 = s.scale * gate[g + c5];
      factor6 = s.scale * gate[g + c6];
      factor7 = s.scale * gate[g + c7];
      factor8 = s.scale * gate[g + c8];
      factor9 = s.scale * gate[g + c9];
      factor10 = s.scale * gate[g + c10];
      factor11 = s.scale * gate[g + c11];
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    var sum0 = acc0_0;
    sum0 = select(sum0, acc0_0, i == 0);
    sum0 = select(sum0, acc1_0, i == 1);
    sum0 = select(sum0, acc2_0, i == 2);
    sum0 = select(sum0, acc3_0, i == 3);
    sum0 = select(sum0, acc4_0, i == 4);
    sum0 = select(sum0, acc5_0, i == 5);
    sum0 = select(sum0, acc6_0, i == 6);
    sum0 = select(sum0, acc7_0, i == 7);
    sum0 = select(sum0, acc8_0, i == 8);
    sum0 = select(sum0, acc9_0, i == 9);
    sum0 = select(sum0, acc10_0, i == 10);
    sum0 = select(sum0, acc11_0, i == 11);
    sum0 = select(sum0, acc12_0, i == 12);
    sum0 = select(sum0, acc13_0, i == 13);
    sum0 = select(sum0, acc14_0, i == 14);
    sum0 = select(sum0, acc15_0, i == 15);
    if (n0 + 0 < s.nEnd) { store(sum0, shift0, factor0, r + c0, y + c0); }
    var sum1 = acc0_1;
    sum1 = select(sum1, acc0_1, i == 0);
    sum1 = select(sum1, acc1_1, i == 1);
    sum1 = select(sum1, acc2_1, i == 2);
    sum1 = select(sum1, acc3_1, i == 3);
    sum1 = select(sum1, acc4_1, i == 4);
    sum1 = select(sum1, acc5_1, i == 5);
    sum1 = select(sum1, acc6_1, i == 6);
    sum1 = select(sum1, acc7_1, i == 7);
    sum1 = select(sum1, acc8_1, i == 8);
    sum1 = select(sum1, acc9_1, i == 9);
    sum1 = select(sum1, acc10_1, i == 10);
    sum1 = select(sum1, acc11_1, i == 11);
    sum1 = select(sum1, acc12_1, i == 12);
    sum1 = select(sum1, acc13_1, i == 13);
    sum1 = select(sum1, acc14_1, i == 14);
    sum1 = select(sum1, acc15_1, i == 15);
    if (n0 + 1 < s.nEnd) { store(sum1, shift1, factor1, r + c1, y + c1); }
    var sum2 = acc0_2;
    sum2 = select(sum2, acc0_2, i == 0);
    sum2 = select(sum2, acc1_2, i == 1);
    sum2 = select(sum2, acc2_2, i == 2);
    sum2 = select(sum2, acc3_2, i == 3);
    sum2 = select(sum2, acc4_2, i == 4);
    sum2 = select(sum2, acc5_2, i == 5);
    sum2 = select(sum2, acc6_2, i == 6);
    sum2 = select(sum2, acc7_2, i == 7);
    sum2 = select(sum2, acc8_2, i == 8);
    sum2 = select(sum2, acc9_2, i == 9);
    sum2 = select(sum2, acc10_2, i == 10);
    sum2 = select(sum2, acc11_2, i == 11);
    sum2 = select(sum2, acc12_2, i == 12);
    sum2 = select(sum2, acc13_2, i == 13);
    sum2 = select(sum2, acc14_2, i == 14);
    sum2 = select(sum2, acc15_2, i == 15);
    if (n0 + 2 < s.nEnd) { store(sum2, shift2, factor2, r + c2, y + c2); }
    var sum3 = acc0_3;
    sum3 = select(sum3, acc0_3, i == 0);
    sum3 = select(sum3, acc1_3, i == 1);
    sum3 = select(sum3, acc2_3, i == 2);
    sum3 = select(sum3, acc3_3, i == 3);
    sum3 = select(sum3, acc4_3, i == 4);
    sum3 = select(sum3, acc5_3, i == 5);
    sum3 = select(sum3, acc6_3, i == 6);
    sum3 = select(sum3, acc7_3, i == 7);
    sum3 = select(sum3, acc8_3, i == 8);
    sum3 = select(sum3, acc9_3, i == 9);
    sum3 = select(sum3, acc10_3, i == 10);
    sum3 = select(sum3, acc11_3, i == 11);
    sum3 = select(sum3, acc12_3, i == 12);
    sum3 = select(sum3, acc13_3, i == 13);
    sum3 = select(sum3, acc14_3, i == 14);
    sum3 = select(sum3, acc15_3, i == 15);
    if (n0 + 3 < s.nEnd) { store(sum3, shift3, factor3, r + c3, y + c3); }
    var sum4 = acc0_4;
    sum4 = select(sum4, acc0_4, i == 0);
    sum4 = select(sum4, acc1_4, i == 1);
    sum4 = select(sum4, acc2_4, i == 2);
    sum4 = select(sum4, acc3_4, i == 3);
    sum4 = select(sum4, acc4_4, i == 4);
    sum4 = select(sum4, acc5_4, i == 5);
    sum4 = select(sum4, acc6_4, i == 6);
    sum4 = select(sum4, acc7_4, i == 7);
    sum4 = select(sum4, acc8_4, i == 8);
    sum4 = select(sum4, acc9_4, i == 9);
    sum4 = select(sum4, acc10_4, i == 10);
    sum4 = select(sum4, acc11_4, i == 11);
    sum4 = select(sum4, acc12_4, i == 12);
    sum4 = select(sum4, acc13_4, i == 13);
    sum4 = select(sum4, acc14_4, i == 14);
    sum4 = select(sum4, acc15_4, i == 15);
    if (n0 + 4 < s.nEnd) { store(sum4, shift4, factor4, r + c4, y + c4); }
    var sum5 = acc0_5;
    sum5 = select(sum5, acc0_5, i == 0);
    sum5 = select(sum5, acc1_5, i == 1);
    sum5 = select(sum5, acc2_5, i == 2);
    sum5 = select(sum5, acc3_5, i == 3);
    sum5 = select(sum5, acc4_5, i == 4);
    sum5 = select(sum5, acc5_5, i == 5);
    sum5 = select(sum5, acc6_5, i == 6);
    sum5 = select(sum5, acc7_5, i == 7);
    sum5 = select(sum5, acc8_5, i == 8);
    sum5 = select(sum5, acc9_5, i == 9);
    sum5 = select(sum5, acc10_5, i == 10);
    sum5 = select(sum5, acc11_5, i == 11);
    sum5 = select(sum5, acc12_5, i == 12);
    sum5 = select(sum5, acc13_5, i == 13);
    sum5 = select(sum5, acc14_5, i == 14);
    sum5 = select(sum5, acc15_5, i == 15);
    if (n0 + 5 < s.nEnd) { store(sum5, shift5, factor5, r + c5, y + c5); }
    var sum6 = acc0_6;
    sum6 = select(sum6, acc0_6, i == 0);
    sum6 = select(sum6, acc1_6, i == 1);
    sum6 = select(sum6, acc2_6, i == 2);
    sum6 = select(sum6, acc3_6, i == 3);
    sum6 = select(sum6, acc4_6, i == 4);
    sum6 = select(sum6, acc5_6, i == 5);
    sum6 = select(sum6, acc6_6, i == 6);
    sum6 = select(sum6, acc7_6, i == 7);
    sum6 = select(sum6, acc8_6, i == 8);
    sum6 = select(sum6, acc9_6, i == 9);
    sum6 = select(sum6, acc10_6, i == 10);
    sum6 = select(sum6, acc11_6, i == 11);
    sum6 = select(sum6, acc12_6, i == 12);
    sum6 = select(sum6, acc13_6, i == 13);
    sum6 = select(sum6, acc14_6, i == 14);
    sum6 = select(sum6, acc15_6, i == 15);
    if (n0 + 6 < s.nEnd) { store(sum6, shift6, factor6, r + c6, y + c6); }
    var sum7 = acc0_7;
    sum7 = select(sum7, acc0_7, i == 0);
    sum7 = select(sum7, acc1_7, i == 1);
    sum7 = select(sum7, acc2_7, i == 2);
    sum7 = select(sum7, acc3_7, i == 3);
    sum7 = select(sum7, acc4_7, i == 4);
    sum7 = select(sum7, acc5_7, i == 5);
    sum7 = select(sum7, acc6_7, i == 6);
    sum7 = select(sum7, acc7_7, i == 7);
    sum7 = select(sum7, acc8_7, i == 8);
    sum7 = select(sum7, acc9_7, i == 9);
    sum7 = select(sum7, acc10_7, i == 10);
    sum7 = select(sum7, acc11_7, i == 11);
    sum7 = select(sum7, acc12_7, i == 12);
    sum7 = select(sum7, acc13_7, i == 13);
    sum7 = select(sum7, acc14_7, i == 14);
    sum7 = select(sum7, acc15_7, i == 15);
    if (n0 + 7 < s.nEnd) { store(sum7, shift7, factor7, r + c7, y + c7); }
    var sum8 = acc0_8;
    sum8 = select(sum8, acc0_8, i == 0);
    sum8 = select(sum8, acc1_8, i == 1);
    sum8 = select(sum8, acc2_8, i == 2);
    sum8 = select(sum8, acc3_8, i == 3);
    sum8 = select(sum8, acc4_8, i == 4);
    sum8 = select(sum8, acc5_8, i == 5);
    sum8 = select(sum8, acc6_8, i == 6);
    sum8 = select(sum8, acc7_8, i == 7);
    sum8 = select(sum8, acc8_8, i == 8);
    sum8 = select(sum8, acc9_8, i == 9);
    sum8 = select(sum8, acc10_8, i == 10);
    sum8 = select(sum8, acc11_8, i == 11);
    sum8 = select(sum8, acc12_8, i == 12);
    sum8 = select(sum8, acc13_8, i == 13);
    sum8 = select(sum8, acc14_8, i == 14);
    sum8 = select(sum8, acc15_8, i == 15);
    if (n0 + 8 < s.nEnd) { store(sum8, shift8, factor8, r + c8, y + c8); }
    var sum9 = acc0_9;
    sum9 = select(sum9, acc0_9, i == 0);
    sum9 = select(sum9, acc1_9, i == 1);
    sum9 = select(sum9, acc2_9, i == 2);
    sum9 = select(sum9, acc3_9, i == 3);
    sum9 = select(sum9, acc4_9, i == 4);
    sum9 = select(sum9, acc5_9, i == 5);
    sum9 = select(sum9, acc6_9, i == 6);
    sum9 = select(sum9, acc7_9, i == 7);
    sum9 = select(sum9, acc8_9, i == 8);
    sum9 = select(sum9, acc9_9, i == 9);
    sum9 = select(sum9, acc10_9, i == 10);
    sum9 = select(sum9, acc11_9, i == 11);
    sum9 = select(sum9, acc12_9, i == 12);
    sum9 = select(sum9, acc13_9, i == 13);
    sum9 = select(sum9, acc14_9, i == 14);
    sum9 = select(sum9, acc15_9, i == 15);
    if (n0 + 9 < s.nEnd) { store(sum9, shift9, factor9, r + c9, y + c9); }
    var sum10 = acc0_10;
    sum10 = select(sum10, acc0_10, i == 0);
    sum10 = select(sum10, acc1_10, i == 1);
    sum10 = select(sum10, acc2_10, i == 2);
    sum10 = select(sum10, acc3_10, i == 3);
    sum10 = select(sum10, acc4_10, i == 4);
    sum10 = select(sum10, acc5_10, i == 5);
    sum10 = select(sum10, acc6_10, i == 6);
    sum10 = select(sum10, acc7_10, i == 7);
    sum10 = select(sum10, acc8_10, i == 8);
    sum10 = select(sum10, acc9_10, i == 9);
    sum10 = select(sum10, acc10_10, i == 10);
    sum10 = select(sum10, acc11_10, i == 11);
    sum10 = select(sum10, acc12_10, i == 12);
    sum10 = select(sum10, acc13_10, i == 13);
    sum10 = select(sum10, acc14_10, i == 14);
    sum10 = select(sum10, acc15_10, i == 15);
    if (n0 + 10 < s.nEnd) { store(sum10, shift10, factor10, r + c10, y + c10); }
    var sum11 = acc0_11;
    sum11 = select(sum11, acc0_11, i == 0);
    sum11 = select(sum11, acc1_11, i == 1);
    sum11 = select(sum11, acc2_11, i == 2);
    sum11 = select(sum11, acc3_11, i == 3);
    sum11 = select(sum11, acc4_11, i == 4);
    sum11 = select(sum11, acc5_11, i == 5);
    sum11 = select(sum11, acc6_11, i == 6);
    sum11 = select(sum11, acc7_11, i == 7);
    sum11 = select(sum11, acc8_11, i == 8);
    sum11 = select(sum11, acc9_11, i == 9);
    sum11 = select(sum11, acc10_11, i == 10);
    sum11 = select(sum11, acc11_11, i == 11);
    sum11 = select(sum11, acc12_11, i == 12);
    sum11 = select(sum11, acc13_11, i == 13);
    sum11 = select(sum11, acc14_11, i == 14);
    sum11 = select(sum11, acc15_11, i == 15);
    if (n0 + 11 < s.nEnd) { store(sum11, shift11, factor11, r + c11, y + c11); }
  }
}
`,
  "matmul@RM=16,RN=16,TEXELS=1,TILED=0,SPLIT=0,SUBGROUPS=0": `const RM: u32 = 16u;
const RN: u32 = 16u;
const TEXELS: u32 = 1u;
const TILED: u32 = 0u;
const SPLIT: u32 = 0u;
const SUBGROUPS: u32 = 0u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      W: texture_2d<u32>;
fn xBits(at: u32) -> vec4u { return textureLoad(X, vec2u(at & 2047u, at >> 11u), 0); }
fn wBits(at: u32) -> vec4u { return textureLoad(W, vec2u(at & 2047u, at >> 11u), 0); }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}



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
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let r1 = min(m0 + 1, s.mEnd - 1u);
  let b1 = r1 / s.S;
  let x1 = (b1 * s.xN + s.xAt + r1 - b1 * s.S) * s.K8 - s.xBase8;
  let r2 = min(m0 + 2, s.mEnd - 1u);
  let b2 = r2 / s.S;
  let x2 = (b2 * s.xN + s.xAt + r2 - b2 * s.S) * s.K8 - s.xBase8;
  let r3 = min(m0 + 3, s.mEnd - 1u);
  let b3 = r3 / s.S;
  let x3 = (b3 * s.xN + s.xAt + r3 - b3 * s.S) * s.K8 - s.xBase8;
  let r4 = min(m0 + 4, s.mEnd - 1u);
  let b4 = r4 / s.S;
  let x4 = (b4 * s.xN + s.xAt + r4 - b4 * s.S) * s.K8 - s.xBase8;
  let r5 = min(m0 + 5, s.mEnd - 1u);
  let b5 = r5 / s.S;
  let x5 = (b5 * s.xN + s.xAt + r5 - b5 * s.S) * s.K8 - s.xBase8;
  let r6 = min(m0 + 6, s.mEnd - 1u);
  let b6 = r6 / s.S;
  let x6 = (b6 * s.xN + s.xAt + r6 - b6 * s.S) * s.K8 - s.xBase8;
  let r7 = min(m0 + 7, s.mEnd - 1u);
  let b7 = r7 / s.S;
  let x7 = (b7 * s.xN + s.xAt + r7 - b7 * s.S) * s.K8 - s.xBase8;
  let r8 = min(m0 + 8, s.mEnd - 1u);
  let b8 = r8 / s.S;
  let x8 = (b8 * s.xN + s.xAt + r8 - b8 * s.S) * s.K8 - s.xBase8;
  let r9 = min(m0 + 9, s.mEnd - 1u);
  let b9 = r9 / s.S;
  let x9 = (b9 * s.xN + s.xAt + r9 - b9 * s.S) * s.K8 - s.xBase8;
  let r10 = min(m0 + 10, s.mEnd - 1u);
  let b10 = r10 / s.S;
  let x10 = (b10 * s.xN + s.xAt + r10 - b10 * s.S) * s.K8 - s.xBase8;
  let r11 = min(m0 + 11, s.mEnd - 1u);
  let b11 = r11 / s.S;
  let x11 = (b11 * s.xN + s.xAt + r11 - b11 * s.S) * s.K8 - s.xBase8;
  let r12 = min(m0 + 12, s.mEnd - 1u);
  let b12 = r12 / s.S;
  let x12 = (b12 * s.xN + s.xAt + r12 - b12 * s.S) * s.K8 - s.xBase8;
  let r13 = min(m0 + 13, s.mEnd - 1u);
  let b13 = r13 / s.S;
  let x13 = (b13 * s.xN + s.xAt + r13 - b13 * s.S) * s.K8 - s.xBase8;
  let r14 = min(m0 + 14, s.mEnd - 1u);
  let b14 = r14 / s.S;
  let x14 = (b14 * s.xN + s.xAt + r14 - b14 * s.S) * s.K8 - s.xBase8;
  let r15 = min(m0 + 15, s.mEnd - 1u);
  let b15 = r15 / s.S;
  let x15 = (b15 * s.xN + s.xAt + r15 - b15 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  let c4 = min(n0 + 4, s.nEnd - 1u);
  let w4 = c4 * s.stride8 - s.wBase8;
  let c5 = min(n0 + 5, s.nEnd - 1u);
  let w5 = c5 * s.stride8 - s.wBase8;
  let c6 = min(n0 + 6, s.nEnd - 1u);
  let w6 = c6 * s.stride8 - s.wBase8;
  let c7 = min(n0 + 7, s.nEnd - 1u);
  let w7 = c7 * s.stride8 - s.wBase8;
  let c8 = min(n0 + 8, s.nEnd - 1u);
  let w8 = c8 * s.stride8 - s.wBase8;
  let c9 = min(n0 + 9, s.nEnd - 1u);
  let w9 = c9 * s.stride8 - s.wBase8;
  let c10 = min(n0 + 10, s.nEnd - 1u);
  let w10 = c10 * s.stride8 - s.wBase8;
  let c11 = min(n0 + 11, s.nEnd - 1u);
  let w11 = c11 * s.stride8 - s.wBase8;
  let c12 = min(n0 + 12, s.nEnd - 1u);
  let w12 = c12 * s.stride8 - s.wBase8;
  let c13 = min(n0 + 13, s.nEnd - 1u);
  let w13 = c13 * s.stride8 - s.wBase8;
  let c14 = min(n0 + 14, s.nEnd - 1u);
  let w14 = c14 * s.stride8 - s.wBase8;
  let c15 = min(n0 + 15, s.nEnd - 1u);
  let w15 = c15 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc0_4 = 0.0;
  var acc0_5 = 0.0;
  var acc0_6 = 0.0;
  var acc0_7 = 0.0;
  var acc0_8 = 0.0;
  var acc0_9 = 0.0;
  var acc0_10 = 0.0;
  var acc0_11 = 0.0;
  var acc0_12 = 0.0;
  var acc0_13 = 0.0;
  var acc0_14 = 0.0;
  var acc0_15 = 0.0;
  var acc1_0 = 0.0;
  var acc1_1 = 0.0;
  var acc1_2 = 0.0;
  var acc1_3 = 0.0;
  var acc1_4 = 0.0;
  var acc1_5 = 0.0;
  var acc1_6 = 0.0;
  var acc1_7 = 0.0;
  var acc1_8 = 0.0;
  var acc1_9 = 0.0;
  var acc1_10 = 0.0;
  var acc1_11 = 0.0;
  var acc1_12 = 0.0;
  var acc1_13 = 0.0;
  var acc1_14 = 0.0;
  var acc1_15 = 0.0;
  var acc2_0 = 0.0;
  var acc2_1 = 0.0;
  var acc2_2 = 0.0;
  var acc2_3 = 0.0;
  var acc2_4 = 0.0;
  var acc2_5 = 0.0;
  var acc2_6 = 0.0;
  var acc2_7 = 0.0;
  var acc2_8 = 0.0;
  var acc2_9 = 0.0;
  var acc2_10 = 0.0;
  var acc2_11 = 0.0;
  var acc2_12 = 0.0;
  var acc2_13 = 0.0;
  var acc2_14 = 0.0;
  var acc2_15 = 0.0;
  var acc3_0 = 0.0;
  var acc3_1 = 0.0;
  var acc3_2 = 0.0;
  var acc3_3 = 0.0;
  var acc3_4 = 0.0;
  var acc3_5 = 0.0;
  var acc3_6 = 0.0;
  var acc3_7 = 0.0;
  var acc3_8 = 0.0;
  var acc3_9 = 0.0;
  var acc3_10 = 0.0;
  var acc3_11 = 0.0;
  var acc3_12 = 0.0;
  var acc3_13 = 0.0;
  var acc3_14 = 0.0;
  var acc3_15 = 0.0;
  var acc4_0 = 0.0;
  var acc4_1 = 0.0;
  var acc4_2 = 0.0;
  var acc4_3 = 0.0;
  var acc4_4 = 0.0;
  var acc4_5 = 0.0;
  var acc4_6 = 0.0;
  var acc4_7 = 0.0;
  var acc4_8 = 0.0;
  var acc4_9 = 0.0;
  var acc4_10 = 0.0;
  var acc4_11 = 0.0;
  var acc4_12 = 0.0;
  var acc4_13 = 0.0;
  var acc4_14 = 0.0;
  var acc4_15 = 0.0;
  var acc5_0 = 0.0;
  var acc5_1 = 0.0;
  var acc5_2 = 0.0;
  var acc5_3 = 0.0;
  var acc5_4 = 0.0;
  var acc5_5 = 0.0;
  var acc5_6 = 0.0;
  var acc5_7 = 0.0;
  var acc5_8 = 0.0;
  var acc5_9 = 0.0;
  var acc5_10 = 0.0;
  var acc5_11 = 0.0;
  var acc5_12 = 0.0;
  var acc5_13 = 0.0;
  var acc5_14 = 0.0;
  var acc5_15 = 0.0;
  var acc6_0 = 0.0;
  var acc6_1 = 0.0;
  var acc6_2 = 0.0;
  var acc6_3 = 0.0;
  var acc6_4 = 0.0;
  var acc6_5 = 0.0;
  var acc6_6 = 0.0;
  var acc6_7 = 0.0;
  var acc6_8 = 0.0;
  var acc6_9 = 0.0;
  var acc6_10 = 0.0;
  var acc6_11 = 0.0;
  var acc6_12 = 0.0;
  var acc6_13 = 0.0;
  var acc6_14 = 0.0;
  var acc6_15 = 0.0;
  var acc7_0 = 0.0;
  var acc7_1 = 0.0;
  var acc7_2 = 0.0;
  var acc7_3 = 0.0;
  var acc7_4 = 0.0;
  var acc7_5 = 0.0;
  var acc7_6 = 0.0;
  var acc7_7 = 0.0;
  var acc7_8 = 0.0;
  var acc7_9 = 0.0;
  var acc7_10 = 0.0;
  var acc7_11 = 0.0;
  var acc7_12 = 0.0;
  var acc7_13 = 0.0;
  var acc7_14 = 0.0;
  var acc7_15 = 0.0;
  var acc8_0 = 0.0;
  var acc8_1 = 0.0;
  var acc8_2 = 0.0;
  var acc8_3 = 0.0;
  var acc8_4 = 0.0;
  var acc8_5 = 0.0;
  var acc8_6 = 0.0;
  var acc8_7 = 0.0;
  var acc8_8 = 0.0;
  var acc8_9 = 0.0;
  var acc8_10 = 0.0;
  var acc8_11 = 0.0;
  var acc8_12 = 0.0;
  var acc8_13 = 0.0;
  var acc8_14 = 0.0;
  var acc8_15 = 0.0;
  var acc9_0 = 0.0;
  var acc9_1 = 0.0;
  var acc9_2 = 0.0;
  var acc9_3 = 0.0;
  var acc9_4 = 0.0;
  var acc9_5 = 0.0;
  var acc9_6 = 0.0;
  var acc9_7 = 0.0;
  var acc9_8 = 0.0;
  var acc9_9 = 0.0;
  var acc9_10 = 0.0;
  var acc9_11 = 0.0;
  var acc9_12 = 0.0;
  var acc9_13 = 0.0;
  var acc9_14 = 0.0;
  var acc9_15 = 0.0;
  var acc10_0 = 0.0;
  var acc10_1 = 0.0;
  var acc10_2 = 0.0;
  var acc10_3 = 0.0;
  var acc10_4 = 0.0;
  var acc10_5 = 0.0;
  var acc10_6 = 0.0;
  var acc10_7 = 0.0;
  var acc10_8 = 0.0;
  var acc10_9 = 0.0;
  var acc10_10 = 0.0;
  var acc10_11 = 0.0;
  var acc10_12 = 0.0;
  var acc10_13 = 0.0;
  var acc10_14 = 0.0;
  var acc10_15 = 0.0;
  var acc11_0 = 0.0;
  var acc11_1 = 0.0;
  var acc11_2 = 0.0;
  var acc11_3 = 0.0;
  var acc11_4 = 0.0;
  var acc11_5 = 0.0;
  var acc11_6 = 0.0;
  var acc11_7 = 0.0;
  var acc11_8 = 0.0;
  var acc11_9 = 0.0;
  var acc11_10 = 0.0;
  var acc11_11 = 0.0;
  var acc11_12 = 0.0;
  var acc11_13 = 0.0;
  var acc11_14 = 0.0;
  var acc11_15 = 0.0;
  var acc12_0 = 0.0;
  var acc12_1 = 0.0;
  var acc12_2 = 0.0;
  var acc12_3 = 0.0;
  var acc12_4 = 0.0;
  var acc12_5 = 0.0;
  var acc12_6 = 0.0;
  var acc12_7 = 0.0;
  var acc12_8 = 0.0;
  var acc12_9 = 0.0;
  var acc12_10 = 0.0;
  var acc12_11 = 0.0;
  var acc12_12 = 0.0;
  var acc12_13 = 0.0;
  var acc12_14 = 0.0;
  var acc12_15 = 0.0;
  var acc13_0 = 0.0;
  var acc13_1 = 0.0;
  var acc13_2 = 0.0;
  var acc13_3 = 0.0;
  var acc13_4 = 0.0;
  var acc13_5 = 0.0;
  var acc13_6 = 0.0;
  var acc13_7 = 0.0;
  var acc13_8 = 0.0;
  var acc13_9 = 0.0;
  var acc13_10 = 0.0;
  var acc13_11 = 0.0;
  var acc13_12 = 0.0;
  var acc13_13 = 0.0;
  var acc13_14 = 0.0;
  var acc13_15 = 0.0;
  var acc14_0 = 0.0;
  var acc14_1 = 0.0;
  var acc14_2 = 0.0;
  var acc14_3 = 0.0;
  var acc14_4 = 0.0;
  var acc14_5 = 0.0;
  var acc14_6 = 0.0;
  var acc14_7 = 0.0;
  var acc14_8 = 0.0;
  var acc14_9 = 0.0;
  var acc14_10 = 0.0;
  var acc14_11 = 0.0;
  var acc14_12 = 0.0;
  var acc14_13 = 0.0;
  var acc14_14 = 0.0;
  var acc14_15 = 0.0;
  var acc15_0 = 0.0;
  var acc15_1 = 0.0;
  var acc15_2 = 0.0;
  var acc15_3 = 0.0;
  var acc15_4 = 0.0;
  var acc15_5 = 0.0;
  var acc15_6 = 0.0;
  var acc15_7 = 0.0;
  var acc15_8 = 0.0;
  var acc15_9 = 0.0;
  var acc15_10 = 0.0;
  var acc15_11 = 0.0;
  var acc15_12 = 0.0;
  var acc15_13 = 0.0;
  var acc15_14 = 0.0;
  var acc15_15 = 0.0;

  for (var k = 0u; k < s.K8; k++) {
    let a0 = loadX(x0 + k);
    let a1 = loadX(x1 + k);
    let a2 = loadX(x2 + k);
    let a3 = loadX(x3 + k);
    let a4 = loadX(x4 + k);
    let a5 = loadX(x5 + k);
    let a6 = loadX(x6 + k);
    let a7 = loadX(x7 + k);
    let a8 = loadX(x8 + k);
    let a9 = loadX(x9 + k);
    let a10 = loadX(x10 + k);
    let a11 = loadX(x11 + k);
    let a12 = loadX(x12 + k);
    let a13 = loadX(x13 + k);
    let a14 = loadX(x14 + k);
    let a15 = loadX(x15 + k);
    let v0 = loadW(w0 + k);
    acc0_0 = mac4(mac4(acc0_0, a0.lo, v0.lo), a0.hi, v0.hi);
    acc1_0 = mac4(mac4(acc1_0, a1.lo, v0.lo), a1.hi, v0.hi);
    acc2_0 = mac4(mac4(acc2_0, a2.lo, v0.lo), a2.hi, v0.hi);
    acc3_0 = mac4(mac4(acc3_0, a3.lo, v0.lo), a3.hi, v0.hi);
    acc4_0 = mac4(mac4(acc4_0, a4.lo, v0.lo), a4.hi, v0.hi);
    acc5_0 = mac4(mac4(acc5_0, a5.lo, v0.lo), a5.hi, v0.hi);
    acc6_0 = mac4(mac4(acc6_0, a6.lo, v0.lo), a6.hi, v0.hi);
    acc7_0 = mac4(mac4(acc7_0, a7.lo, v0.lo), a7.hi, v0.hi);
    acc8_0 = mac4(mac4(acc8_0, a8.lo, v0.lo), a8.hi, v0.hi);
    acc9_0 = mac4(mac4(acc9_0, a9.lo, v0.lo), a9.hi, v0.hi);
    acc10_0 = mac4(mac4(acc10_0, a10.lo, v0.lo), a10.hi, v0.hi);
    acc11_0 = mac4(mac4(acc11_0, a11.lo, v0.lo), a11.hi, v0.hi);
    acc12_0 = mac4(mac4(acc12_0, a12.lo, v0.lo), a12.hi, v0.hi);
    acc13_0 = mac4(mac4(acc13_0, a13.lo, v0.lo), a13.hi, v0.hi);
    acc14_0 = mac4(mac4(acc14_0, a14.lo, v0.lo), a14.hi, v0.hi);
    acc15_0 = mac4(mac4(acc15_0, a15.lo, v0.lo), a15.hi, v0.hi);
    let v1 = loadW(w1 + k);
    acc0_1 = mac4(mac4(acc0_1, a0.lo, v1.lo), a0.hi, v1.hi);
    acc1_1 = mac4(mac4(acc1_1, a1.lo, v1.lo), a1.hi, v1.hi);
    acc2_1 = mac4(mac4(acc2_1, a2.lo, v1.lo), a2.hi, v1.hi);
    acc3_1 = mac4(mac4(acc3_1, a3.lo, v1.lo), a3.hi, v1.hi);
    acc4_1 = mac4(mac4(acc4_1, a4.lo, v1.lo), a4.hi, v1.hi);
    acc5_1 = mac4(mac4(acc5_1, a5.lo, v1.lo), a5.hi, v1.hi);
    acc6_1 = mac4(mac4(acc6_1, a6.lo, v1.lo), a6.hi, v1.hi);
    acc7_1 = mac4(mac4(acc7_1, a7.lo, v1.lo), a7.hi, v1.hi);
    acc8_1 = mac4(mac4(acc8_1, a8.lo, v1.lo), a8.hi, v1.hi);
    acc9_1 = mac4(mac4(acc9_1, a9.lo, v1.lo), a9.hi, v1.hi);
    acc10_1 = mac4(mac4(acc10_1, a10.lo, v1.lo), a10.hi, v1.hi);
    acc11_1 = mac4(mac4(acc11_1, a11.lo, v1.lo), a11.hi, v1.hi);
    acc12_1 = mac4(mac4(acc12_1, a12.lo, v1.lo), a12.hi, v1.hi);
    acc13_1 = mac4(mac4(acc13_1, a13.lo, v1.lo), a13.hi, v1.hi);
    acc14_1 = mac4(mac4(acc14_1, a14.lo, v1.lo), a14.hi, v1.hi);
    acc15_1 = mac4(mac4(acc15_1, a15.lo, v1.lo), a15.hi, v1.hi);
    let v2 = loadW(w2 + k);
    acc0_2 = mac4(mac4(acc0_2, a0.lo, v2.lo), a0.hi, v2.hi);
    acc1_2 = mac4(mac4(acc1_2, a1.lo, v2.lo), a1.hi, v2.hi);
    acc2_2 = mac4(mac4(acc2_2, a2.lo, v2.lo), a2.hi, v2.hi);
    acc3_2 = mac4(mac4(acc3_2, a3.lo, v2.lo), a3.hi, v2.hi);
    acc4_2 = mac4(mac4(acc4_2, a4.lo, v2.lo), a4.hi, v2.hi);
    acc5_2 = mac4(mac4(acc5_2, a5.lo, v2.lo), a5.hi, v2.hi);
    acc6_2 = mac4(mac4(acc6_2, a6.lo, v2.lo), a6.hi, v2.hi);
    acc7_2 = mac4(mac4(acc7_2, a7.lo, v2.lo), a7.hi, v2.hi);
    acc8_2 = mac4(mac4(acc8_2, a8.lo, v2.lo), a8.hi, v2.hi);
    acc9_2 = mac4(mac4(acc9_2, a9.lo, v2.lo), a9.hi, v2.hi);
    acc10_2 = mac4(mac4(acc10_2, a10.lo, v2.lo), a10.hi, v2.hi);
    acc11_2 = mac4(mac4(acc11_2, a11.lo, v2.lo), a11.hi, v2.hi);
    acc12_2 = mac4(mac4(acc12_2, a12.lo, v2.lo), a12.hi, v2.hi);
    acc13_2 = mac4(mac4(acc13_2, a13.lo, v2.lo), a13.hi, v2.hi);
    acc14_2 = mac4(mac4(acc14_2, a14.lo, v2.lo), a14.hi, v2.hi);
    acc15_2 = mac4(mac4(acc15_2, a15.lo, v2.lo), a15.hi, v2.hi);
    let v3 = loadW(w3 + k);
    acc0_3 = mac4(mac4(acc0_3, a0.lo, v3.lo), a0.hi, v3.hi);
    acc1_3 = mac4(mac4(acc1_3, a1.lo, v3.lo), a1.hi, v3.hi);
    acc2_3 = mac4(mac4(acc2_3, a2.lo, v3.lo), a2.hi, v3.hi);
    acc3_3 = mac4(mac4(acc3_3, a3.lo, v3.lo), a3.hi, v3.hi);
    acc4_3 = mac4(mac4(acc4_3, a4.lo, v3.lo), a4.hi, v3.hi);
    acc5_3 = mac4(mac4(acc5_3, a5.lo, v3.lo), a5.hi, v3.hi);
    acc6_3 = mac4(mac4(acc6_3, a6.lo, v3.lo), a6.hi, v3.hi);
    acc7_3 = mac4(mac4(acc7_3, a7.lo, v3.lo), a7.hi, v3.hi);
    acc8_3 = mac4(mac4(acc8_3, a8.lo, v3.lo), a8.hi, v3.hi);
    acc9_3 = mac4(mac4(acc9_3, a9.lo, v3.lo), a9.hi, v3.hi);
    acc10_3 = mac4(mac4(acc10_3, a10.lo, v3.lo), a10.hi, v3.hi);
    acc11_3 = mac4(mac4(acc11_3, a11.lo, v3.lo), a11.hi, v3.hi);
    acc12_3 = mac4(mac4(acc12_3, a12.lo, v3.lo), a12.hi, v3.hi);
    acc13_3 = mac4(mac4(acc13_3, a13.lo, v3.lo), a13.hi, v3.hi);
    acc14_3 = mac4(mac4(acc14_3, a14.lo, v3.lo), a14.hi, v3.hi);
    acc15_3 = mac4(mac4(acc15_3, a15.lo, v3.lo), a15.hi, v3.hi);
    let v4 = loadW(w4 + k);
    acc0_4 = mac4(mac4(acc0_4, a0.lo, v4.lo), a0.hi, v4.hi);
    acc1_4 = mac4(mac4(acc1_4, a1.lo, v4.lo), a1.hi, v4.hi);
    acc2_4 = mac4(mac4(acc2_4, a2.lo, v4.lo), a2.hi, v4.hi);
    acc3_4 = mac4(mac4(acc3_4, a3.lo, v4.lo), a3.hi, v4.hi);
    acc4_4 = mac4(mac4(acc4_4, a4.lo, v4.lo), a4.hi, v4.hi);
    acc5_4 = mac4(mac4(acc5_4, a5.lo, v4.lo), a5.hi, v4.hi);
    acc6_4 = mac4(mac4(acc6_4, a6.lo, v4.lo), a6.hi, v4.hi);
    acc7_4 = mac4(mac4(acc7_4, a7.lo, v4.lo), a7.hi, v4.hi);
    acc8_4 = mac4(mac4(acc8_4, a8.lo, v4.lo), a8.hi, v4.hi);
    acc9_4 = mac4(mac4(acc9_4, a9.lo, v4.lo), a9.hi, v4.hi);
    acc10_4 = mac4(mac4(acc10_4, a10.lo, v4.lo), a10.hi, v4.hi);
    acc11_4 = mac4(mac4(acc11_4, a11.lo, v4.lo), a11.hi, v4.hi);
    acc12_4 = mac4(mac4(acc12_4, a12.lo, v4.lo), a12.hi, v4.hi);
    acc13_4 = mac4(mac4(acc13_4, a13.lo, v4.lo), a13.hi, v4.hi);
    acc14_4 = mac4(mac4(acc14_4, a14.lo, v4.lo), a14.hi, v4.hi);
    acc15_4 = mac4(mac4(acc15_4, a15.lo, v4.lo), a15.hi, v4.hi);
    let v5 = loadW(w5 + k);
    acc0_5 = mac4(mac4(acc0_5, a0.lo, v5.lo), a0.hi, v5.hi);
    acc1_5 = mac4(mac4(acc1_5, a1.lo, v5.lo), a1.hi, v5.hi);
    acc2_5 = mac4(mac4(acc2_5, a2.lo, v5.lo), a2.hi, v5.hi);
    acc3_5 = mac4(mac4(acc3_5, a3.lo, v5.lo), a3.hi, v5.hi);
    acc4_5 = mac4(mac4(acc4_5, a4.lo, v5.lo), a4.hi, v5.hi);
    acc5_5 = mac4(mac4(acc5_5, a5.lo, v5.lo), a5.hi, v5.hi);
    acc6_5 = mac4(mac4(acc6_5, a6.lo, v5.lo), a6.hi, v5.hi);
    acc7_5 = mac4(mac4(acc7_5, a7.lo, v5.lo), a7.hi, v5.hi);
    acc8_5 = mac4(mac4(acc8_5, a8.lo, v5.lo), a8.hi, v5.hi);
    acc9_5 = mac4(mac4(acc9_5, a9.lo, v5.lo), a9.hi, v5.hi);
    acc10_5 = mac4(mac4(acc10_5, a10.lo, v5.lo), a10.hi, v5.hi);
    acc11_5 = mac4(mac4(acc11_5, a11.lo, v5.lo), a11.hi, v5.hi);
    acc12_5 = mac4(mac4(acc12_5, a12.lo, v5.lo), a12.hi, v5.hi);
    acc13_5 = mac4(mac4(acc13_5, a13.lo, v5.lo), a13.hi, v5.hi);
    acc14_5 = mac4(mac4(acc14_5, a14.lo, v5.lo), a14.hi, v5.hi);
    acc15_5 = mac4(mac4(acc15_5, a15.lo, v5.lo), a15.hi, v5.hi);
    let v6 = loadW(w6 + k);
    acc0_6 = mac4(mac4(acc0_6, a0.lo, v6.lo), a0.hi, v6.hi);
    acc1_6 = mac4(mac4(acc1_6, a1.lo, v6.lo), a1.hi, v6.hi);
    acc2_6 = mac4(mac4(acc2_6, a2.lo, v6.lo), a2.hi, v6.hi);
    acc3_6 = mac4(mac4(acc3_6, a3.lo, v6.lo), a3.hi, v6.hi);
    acc4_6 = mac4(mac4(acc4_6, a4.lo, v6.lo), a4.hi, v6.hi);
    acc5_6 = mac4(mac4(acc5_6, a5.lo, v6.lo), a5.hi, v6.hi);
    acc6_6 = mac4(mac4(acc6_6, a6.lo, v6.lo), a6.hi, v6.hi);
    acc7_6 = mac4(mac4(acc7_6, a7.lo, v6.lo), a7.hi, v6.hi);
    acc8_6 = mac4(mac4(acc8_6, a8.lo, v6.lo), a8.hi, v6.hi);
    acc9_6 = mac4(mac4(acc9_6, a9.lo, v6.lo), a9.hi, v6.hi);
    acc10_6 = mac4(mac4(acc10_6, a10.lo, v6.lo), a10.hi, v6.hi);
    acc11_6 = mac4(mac4(acc11_6, a11.lo, v6.lo), a11.hi, v6.hi);
    acc12_6 = mac4(mac4(acc12_6, a12.lo, v6.lo), a12.hi, v6.hi);
    acc13_6 = mac4(mac4(acc13_6, a13.lo, v6.lo), a13.hi, v6.hi);
    acc14_6 = mac4(mac4(acc14_6, a14.lo, v6.lo), a14.hi, v6.hi);
    acc15_6 = mac4(mac4(acc15_6, a15.lo, v6.lo), a15.hi, v6.hi);
    let v7 = loadW(w7 + k);
    acc0_7 = mac4(mac4(acc0_7, a0.lo, v7.lo), a0.hi, v7.hi);
    acc1_7 = mac4(mac4(acc1_7, a1.lo, v7.lo), a1.hi, v7.hi);
    acc2_7 = mac4(mac4(acc2_7, a2.lo, v7.lo), a2.hi, v7.hi);
    acc3_7 = mac4(mac4(acc3_7, a3.lo, v7.lo), a3.hi, v7.hi);
    acc4_7 = mac4(mac4(acc4_7, a4.lo, v7.lo), a4.hi, v7.hi);
    acc5_7 = mac4(mac4(acc5_7, a5.lo, v7.lo), a5.hi, v7.hi);
    acc6_7 = mac4(mac4(acc6_7, a6.lo, v7.lo), a6.hi, v7.hi);
    acc7_7 = mac4(mac4(acc7_7, a7.lo, v7.lo), a7.hi, v7.hi);
    acc8_7 = mac4(mac4(acc8_7, a8.lo, v7.lo), a8.hi, v7.hi);
    acc9_7 = mac4(mac4(acc9_7, a9.lo, v7.lo), a9.hi, v7.hi);
    acc10_7 = mac4(mac4(acc10_7, a10.lo, v7.lo), a10.hi, v7.hi);
    acc11_7 = mac4(mac4(acc11_7, a11.lo, v7.lo), a11.hi, v7.hi);
    acc12_7 = mac4(mac4(acc12_7, a12.lo, v7.lo), a12.hi, v7.hi);
    acc13_7 = mac4(mac4(acc13_7, a13.lo, v7.lo), a13.hi, v7.hi);
    acc14_7 = mac4(mac4(acc14_7, a14.lo, v7.lo), a14.hi, v7.hi);
    acc15_7 = mac4(mac4(acc15_7, a15.lo, v7.lo), a15.hi, v7.hi);
    let v8 = loadW(w8 + k);
    acc0_8 = mac4(mac4(acc0_8, a0.lo, v8.lo), a0.hi, v8.hi);
    acc1_8 = mac4(mac4(acc1_8, a1.lo, v8.lo), a1.hi, v8.hi);
    acc2_8 = mac4(mac4(acc2_8, a2.lo, v8.lo), a2.hi, v8.hi);
    acc3_8 = mac4(mac4(acc3_8, a3.lo, v8.lo), a3.hi, v8.hi);
    acc4_8 = mac4(mac4(acc4_8, a4.lo, v8.lo), a4.hi, v8.hi);
    acc5_8 = mac4(mac4(acc5_8, a5.lo, v8.lo), a5.hi, v8.hi);
    acc6_8 = mac4(mac4(acc6_8, a6.lo, v8.lo), a6.hi, v8.hi);
    acc7_8 = mac4(mac4(acc7_8, a7.lo, v8.lo), a7.hi, v8.hi);
    acc8_8 = mac4(mac4(acc8_8, a8.lo, v8.lo), a8.hi, v8.hi);
    acc9_8 = mac4(mac4(acc9_8, a9.lo, v8.lo), a9.hi, v8.hi);
    acc10_8 = mac4(mac4(acc10_8, a10.lo, v8.lo), a10.hi, v8.hi);
    acc11_8 = mac4(mac4(acc11_8, a11.lo, v8.lo), a11.hi, v8.hi);
    acc12_8 = mac4(mac4(acc12_8, a12.lo, v8.lo), a12.hi, v8.hi);
    acc13_8 = mac4(mac4(acc13_8, a13.lo, v8.lo), a13.hi, v8.hi);
    acc14_8 = mac4(mac4(acc14_8, a14.lo, v8.lo), a14.hi, v8.hi);
    acc15_8 = mac4(mac4(acc15_8, a15.lo, v8.lo), a15.hi, v8.hi);
    let v9 = loadW(w9 + k);
    acc0_9 = mac4(mac4(acc0_9, a0.lo, v9.lo), a0.hi, v9.hi);
    acc1_9 = mac4(mac4(acc1_9, a1.lo, v9.lo), a1.hi, v9.hi);
    acc2_9 = mac4(mac4(acc2_9, a2.lo, v9.lo), a2.hi, v9.hi);
    acc3_9 = mac4(mac4(acc3_9, a3.lo, v9.lo), a3.hi, v9.hi);
    acc4_9 = mac4(mac4(acc4_9, a4.lo, v9.lo), a4.hi, v9.hi);
    acc5_9 = mac4(mac4(acc5_9, a5.lo, v9.lo), a5.hi, v9.hi);
    acc6_9 = mac4(mac4(acc6_9, a6.lo, v9.lo), a6.hi, v9.hi);
    acc7_9 = mac4(mac4(acc7_9, a7.lo, v9.lo), a7.hi, v9.hi);
    acc8_9 = mac4(mac4(acc8_9, a8.lo, v9.lo), a8.hi, v9.hi);
    acc9_9 = mac4(mac4(acc9_9, a9.lo, v9.lo), a9.hi, v9.hi);
    acc10_9 = mac4(mac4(acc10_9, a10.lo, v9.lo), a10.hi, v9.hi);
    acc11_9 = mac4(mac4(acc11_9, a11.lo, v9.lo), a11.hi, v9.hi);
    acc12_9 = mac4(mac4(acc12_9, a12.lo, v9.lo), a12.hi, v9.hi);
    acc13_9 = mac4(mac4(acc13_9, a13.lo, v9.lo), a13.hi, v9.hi);
    acc14_9 = mac4(mac4(acc14_9, a14.lo, v9.lo), a14.hi, v9.hi);
    acc15_9 = mac4(mac4(acc15_9, a15.lo, v9.lo), a15.hi, v9.hi);
    let v10 = loadW(w10 + k);
    acc0_10 = mac4(mac4(acc0_10, a0.lo, v10.lo), a0.hi, v10.hi);
    acc1_10 = mac4(mac4(acc1_10, a1.lo, v10.lo), a1.hi, v10.hi);
    acc2_10 = mac4(mac4(acc2_10, a2.lo, v10.lo), a2.hi, v10.hi);
    acc3_10 = mac4(mac4(acc3_10, a3.lo, v10.lo), a3.hi, v10.hi);
    acc4_10 = mac4(mac4(acc4_10, a4.lo, v10.lo), a4.hi, v10.hi);
    acc5_10 = mac4(mac4(acc5_10, a5.lo, v10.lo), a5.hi, v10.hi);
    acc6_10 = mac4(mac4(acc6_10, a6.lo, v10.lo), a6.hi, v10.hi);
    acc7_10 = mac4(mac4(acc7_10, a7.lo, v10.lo), a7.hi, v10.hi);
    acc8_10 = mac4(mac4(acc8_10, a8.lo, v10.lo), a8.hi, v10.hi);
    acc9_10 = mac4(mac4(acc9_10, a9.lo, v10.lo), a9.hi, v10.hi);
    acc10_10 = mac4(mac4(acc10_10, a10.lo, v10.lo), a10.hi, v10.hi);
    acc11_10 = mac4(mac4(acc11_10, a11.lo, v10.lo), a11.hi, v10.hi);
    acc12_10 = mac4(mac4(acc12_10, a12.lo, v10.lo), a12.hi, v10.hi);
    acc13_10 = mac4(mac4(acc13_10, a13.lo, v10.lo), a13.hi, v10.hi);
    acc14_10 = mac4(mac4(acc14_10, a14.lo, v10.lo), a14.hi, v10.hi);
    acc15_10 = mac4(mac4(acc15_10, a15.lo, v10.lo), a15.hi, v10.hi);
    let v11 = loadW(w11 + k);
    acc0_11 = mac4(mac4(acc0_11, a0.lo, v11.lo), a0.hi, v11.hi);
    acc1_11 = mac4(mac4(acc1_11, a1.lo, v11.lo), a1.hi, v11.hi);
    acc2_11 = mac4(mac4(acc2_11, a2.lo, v11.lo), a2.hi, v11.hi);
    acc3_11 = mac4(mac4(acc3_11, a3.lo, v11.lo), a3.hi, v11.hi);
    acc4_11 = mac4(mac4(acc4_11, a4.lo, v11.lo), a4.hi, v11.hi);
    acc5_11 = mac4(mac4(acc5_11, a5.lo, v11.lo), a5.hi, v11.hi);
    acc6_11 = mac4(mac4(acc6_11, a6.lo, v11.lo), a6.hi, v11.hi);
    acc7_11 = mac4(mac4(acc7_11, a7.lo, v11.lo), a7.hi, v11.hi);
    acc8_11 = mac4(mac4(acc8_11, a8.lo, v11.lo), a8.hi, v11.hi);
    acc9_11 = mac4(mac4(acc9_11, a9.lo, v11.lo), a9.hi, v11.hi);
    acc10_11 = mac4(mac4(acc10_11, a10.lo, v11.lo), a10.hi, v11.hi);
    acc11_11 = mac4(mac4(acc11_11, a11.lo, v11.lo), a11.hi, v11.hi);
    acc12_11 = mac4(mac4(acc12_11, a12.lo, v11.lo), a12.hi, v11.hi);
    acc13_11 = mac4(mac4(acc13_11, a13.lo, v11.lo), a13.hi, v11.hi);
    acc14_11 = mac4(mac4(acc14_11, a14.lo, v11.lo), a14.hi, v11.hi);
    acc15_11 = mac4(mac4(acc15_11, a15.lo, v11.lo), a15.hi, v11.hi);
    let v12 = loadW(w12 + k);
    acc0_12 = mac4(mac4(acc0_12, a0.lo, v12.lo), a0.hi, v12.hi);
    acc1_12 = mac4(mac4(acc1_12, a1.lo, v12.lo), a1.hi, v12.hi);
    acc2_12 = mac4(mac4(acc2_12, a2.lo, v12.lo), a2.hi, v12.hi);
    acc3_12 = mac4(mac4(acc3_12, a3.lo, v12.lo), a3.hi, v12.hi);
    acc4_12 = mac4(mac4(acc4_12, a4.lo, v12.lo), a4.hi, v12.hi);
    acc5_12 = mac4(mac4(acc5_12, a5.lo, v12.lo), a5.hi, v12.hi);
    acc6_12 = mac4(mac4(acc6_12, a6.lo, v12.lo), a6.hi, v12.hi);
    acc7_12 = mac4(mac4(acc7_12, a7.lo, v12.lo), a7.hi, v12.hi);
    acc8_12 = mac4(mac4(acc8_12, a8.lo, v12.lo), a8.hi, v12.hi);
    acc9_12 = mac4(mac4(acc9_12, a9.lo, v12.lo), a9.hi, v12.hi);
    acc10_12 = mac4(mac4(acc10_12, a10.lo, v12.lo), a10.hi, v12.hi);
    acc11_12 = mac4(mac4(acc11_12, a11.lo, v12.lo), a11.hi, v12.hi);
    acc12_12 = mac4(mac4(acc12_12, a12.lo, v12.lo), a12.hi, v12.hi);
    acc13_12 = mac4(mac4(acc13_12, a13.lo, v12.lo), a13.hi, v12.hi);
    acc14_12 = mac4(mac4(acc14_12, a14.lo, v12.lo), a14.hi, v12.hi);
    acc15_12 = mac4(mac4(acc15_12, a15.lo, v12.lo), a15.hi, v12.hi);
    let v13 = loadW(w13 + k);
    acc0_13 = mac4(mac4(acc0_13, a0.lo, v13.lo), a0.hi, v13.hi);
    acc1_13 = mac4(mac4(acc1_13, a1.lo, v13.lo), a1.hi, v13.hi);
    acc2_13 = mac4(mac4(acc2_13, a2.lo, v13.lo), a2.hi, v13.hi);
    acc3_13 = mac4(mac4(acc3_13, a3.lo, v13.lo), a3.hi, v13.hi);
    acc4_13 = mac4(mac4(acc4_13, a4.lo, v13.lo), a4.hi, v13.hi);
    acc5_13 = mac4(mac4(acc5_13, a5.lo, v13.lo), a5.hi, v13.hi);
    acc6_13 = mac4(mac4(acc6_13, a6.lo, v13.lo), a6.hi, v13.hi);
    acc7_13 = mac4(mac4(acc7_13, a7.lo, v13.lo), a7.hi, v13.hi);
    acc8_13 = mac4(mac4(acc8_13, a8.lo, v13.lo), a8.hi, v13.hi);
    acc9_13 = mac4(mac4(acc9_13, a9.lo, v13.lo), a9.hi, v13.hi);
    acc10_13 = mac4(mac4(acc10_13, a10.lo, v13.lo), a10.hi, v13.hi);
    acc11_13 = mac4(mac4(acc11_13, a11.lo, v13.lo), a11.hi, v13.hi);
    acc12_13 = mac4(mac4(acc12_13, a12.lo, v13.lo), a12.hi, v13.hi);
    acc13_13 = mac4(mac4(acc13_13, a13.lo, v13.lo), a13.hi, v13.hi);
    acc14_13 = mac4(mac4(acc14_13, a14.lo, v13.lo), a14.hi, v13.hi);
    acc15_13 = mac4(mac4(acc15_13, a15.lo, v13.lo), a15.hi, v13.hi);
    let v14 = loadW(w14 + k);
    acc0_14 = mac4(mac4(acc0_14, a0.lo, v14.lo), a0.hi, v14.hi);
    acc1_14 = mac4(mac4(acc1_14, a1.lo, v14.lo), a1.hi, v14.hi);
    acc2_14 = mac4(mac4(acc2_14, a2.lo, v14.lo), a2.hi, v14.hi);
    acc3_14 = mac4(mac4(acc3_14, a3.lo, v14.lo), a3.hi, v14.hi);
    acc4_14 = mac4(mac4(acc4_14, a4.lo, v14.lo), a4.hi, v14.hi);
    acc5_14 = mac4(mac4(acc5_14, a5.lo, v14.lo), a5.hi, v14.hi);
    acc6_14 = mac4(mac4(acc6_14, a6.lo, v14.lo), a6.hi, v14.hi);
    acc7_14 = mac4(mac4(acc7_14, a7.lo, v14.lo), a7.hi, v14.hi);
    acc8_14 = mac4(mac4(acc8_14, a8.lo, v14.lo), a8.hi, v14.hi);
    acc9_14 = mac4(mac4(acc9_14, a9.lo, v14.lo), a9.hi, v14.hi);
    acc10_14 = mac4(mac4(acc10_14, a10.lo, v14.lo), a10.hi, v14.hi);
    acc11_14 = mac4(mac4(acc11_14, a11.lo, v14.lo), a11.hi, v14.hi);
    acc12_14 = mac4(mac4(acc12_14, a12.lo, v14.lo), a12.hi, v14.hi);
    acc13_14 = mac4(mac4(acc13_14, a13.lo, v14.lo), a13.hi, v14.hi);
    acc14_14 = mac4(mac4(acc14_14, a14.lo, v14.lo), a14.hi, v14.hi);
    acc15_14 = mac4(mac4(acc15_14, a15.lo, v14.lo), a15.hi, v14.hi);
    let v15 = loadW(w15 + k);
    acc0_15 = mac4(mac4(acc0_15, a0.lo, v15.lo), a0.hi, v15.hi);
    acc1_15 = mac4(mac4(acc1_15, a1.lo, v15.lo), a1.hi, v15.hi);
    acc2_15 = mac4(mac4(acc2_15, a2.lo, v15.lo), a2.hi, v15.hi);
    acc3_15 = mac4(mac4(acc3_15, a3.lo, v15.lo), a3.hi, v15.hi);
    acc4_15 = mac4(mac4(acc4_15, a4.lo, v15.lo), a4.hi, v15.hi);
    acc5_15 = mac4(mac4(acc5_15, a5.lo, v15.lo), a5.hi, v15.hi);
    acc6_15 = mac4(mac4(acc6_15, a6.lo, v15.lo), a6.hi, v15.hi);
    acc7_15 = mac4(mac4(acc7_15, a7.lo, v15.lo), a7.hi, v15.hi);
    acc8_15 = mac4(mac4(acc8_15, a8.lo, v15.lo), a8.hi, v15.hi);
    acc9_15 = mac4(mac4(acc9_15, a9.lo, v15.lo), a9.hi, v15.hi);
    acc10_15 = mac4(mac4(acc10_15, a10.lo, v15.lo), a10.hi, v15.hi);
    acc11_15 = mac4(mac4(acc11_15, a11.lo, v15.lo), a11.hi, v15.hi);
    acc12_15 = mac4(mac4(acc12_15, a12.lo, v15.lo), a12.hi, v15.hi);
    acc13_15 = mac4(mac4(acc13_15, a13.lo, v15.lo), a13.hi, v15.hi);
    acc14_15 = mac4(mac4(acc14_15, a14.lo, v15.lo), a14.hi, v15.hi);
    acc15_15 = mac4(mac4(acc15_15, a15.lo, v15.lo), a15.hi, v15.hi);
  }

  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  var shift0 = 0.0;
  if (s.hasBias == 1u) { shift0 = bias[c0]; }
  var factor0 = s.scale;
  var shift1 = 0.0;
  if (s.hasBias == 1u) { shift1 = bias[c1]; }
  var factor1 = s.scale;
  var shift2 = 0.0;
  if (s.hasBias == 1u) { shift2 = bias[c2]; }
  var factor2 = s.scale;
  var shift3 = 0.0;
  if (s.hasBias == 1u) { shift3 = bias[c3]; }
  var factor3 = s.scale;
  var shift4 = 0.0;
  if (s.hasBias == 1u) { shift4 = bias[c4]; }
  var factor4 = s.scale;
  var shift5 = 0.0;
  if (s.hasBias == 1u) { shift5 = bias[c5]; }
  var factor5 = s.scale;
  var shift6 = 0.0;
  if (s.hasBias == 1u) { shift6 = bias[c6]; }
  var factor6 = s.scale;
  var shift7 = 0.0;
  if (s.hasBias == 1u) { shift7 = bias[c7]; }
  var factor7 = s.scale;
  var shift8 = 0.0;
  if (s.hasBias == 1u) { shift8 = bias[c8]; }
  var factor8 = s.scale;
  var shift9 = 0.0;
  if (s.hasBias == 1u) { shift9 = bias[c9]; }
  var factor9 = s.scale;
  var shift10 = 0.0;
  if (s.hasBias == 1u) { shift10 = bias[c10]; }
  var factor10 = s.scale;
  var shift11 = 0.0;
  if (s.hasBias == 1u) { shift11 = bias[c11]; }
  var factor11 = s.scale;
  var shift12 = 0.0;
  if (s.hasBias == 1u) { shift12 = bias[c12]; }
  var factor12 = s.scale;
  var shift13 = 0.0;
  if (s.hasBias == 1u) { shift13 = bias[c13]; }
  var factor13 = s.scale;
  var shift14 = 0.0;
  if (s.hasBias == 1u) { shift14 = bias[c14]; }
  var factor14 = s.scale;
  var shift15 = 0.0;
  if (s.hasBias == 1u) { shift15 = bias[c15]; }
  var factor15 = s.scale;
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      factor0 = s.scale * gate[g + c0];
      factor1 = s.scale * gate[g + c1];
      factor2 = s.scale * gate[g + c2];
      factor3 = s.scale * gate[g + c3];
      factor4 = s.scale * gate[g + c4];
      factor5 = s.scale * gate[g + c5];
      factor6 = s.scale * gate[g + c6];
      factor7 = s.scale * gate[g + c7];
      factor8 = s.scale * gate[g + c8];
      factor9 = s.scale * gate[g + c9];
      factor10 = s.scale * gate[g + c10];
      factor11 = s.scale * gate[g + c11];
      factor12 = s.scale * gate[g + c12];
      factor13 = s.scale * gate[g + c13];
      factor14 = s.scale * gate[g + c14];
      factor15 = s.scale * gate[g + c15];
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    var sum0 = acc0_0;
    sum0 = select(sum0, acc0_0, i == 0);
    sum0 = select(sum0, acc1_0, i == 1);
    sum0 = select(sum0, acc2_0, i == 2);
    sum0 = select(sum0, acc3_0, i == 3);
    sum0 = select(sum0, acc4_0, i == 4);
    sum0 = select(sum0, acc5_0, i == 5);
    sum0 = select(sum0, acc6_0, i == 6);
    sum0 = select(sum0, acc7_0, i == 7);
    sum0 = select(sum0, acc8_0, i == 8);
    sum0 = select(sum0, acc9_0, i == 9);
    sum0 = select(sum0, acc10_0, i == 10);
    sum0 = select(sum0, acc11_0, i == 11);
    sum0 = select(sum0, acc12_0, i == 12);
    sum0 = select(sum0, acc13_0, i == 13);
    sum0 = select(sum0, acc14_0, i == 14);
    sum0 = select(sum0, acc15_0, i == 15);
    if (n0 + 0 < s.nEnd) { store(sum0, shift0, factor0, r + c0, y + c0); }
    var sum1 = acc0_1;
    sum1 = select(sum1, acc0_1, i == 0);
    sum1 = select(sum1, acc1_1, i == 1);
    sum1 = select(sum1, acc2_1, i == 2);
    sum1 = select(sum1, acc3_1, i == 3);
    sum1 = select(sum1, acc4_1, i == 4);
    sum1 = select(sum1, acc5_1, i == 5);
    sum1 = select(sum1, acc6_1, i == 6);
    sum1 = select(sum1, acc7_1, i == 7);
    sum1 = select(sum1, acc8_1, i == 8);
    sum1 = select(sum1, acc9_1, i == 9);
    sum1 = select(sum1, acc10_1, i == 10);
    sum1 = select(sum1, acc11_1, i == 11);
    sum1 = select(sum1, acc12_1, i == 12);
    sum1 = select(sum1, acc13_1, i == 13);
    sum1 = select(sum1, acc14_1, i == 14);
    sum1 = select(sum1, acc15_1, i == 15);
    if (n0 + 1 < s.nEnd) { store(sum1, shift1, factor1, r + c1, y + c1); }
    var sum2 = acc0_2;
    sum2 = select(sum2, acc0_2, i == 0);
    sum2 = select(sum2, acc1_2, i == 1);
    sum2 = select(sum2, acc2_2, i == 2);
    sum2 = select(sum2, acc3_2, i == 3);
    sum2 = select(sum2, acc4_2, i == 4);
    sum2 = select(sum2, acc5_2, i == 5);
    sum2 = select(sum2, acc6_2, i == 6);
    sum2 = select(sum2, acc7_2, i == 7);
    sum2 = select(sum2, acc8_2, i == 8);
    sum2 = select(sum2, acc9_2, i == 9);
    sum2 = select(sum2, acc10_2, i == 10);
    sum2 = select(sum2, acc11_2, i == 11);
    sum2 = select(sum2, acc12_2, i == 12);
    sum2 = select(sum2, acc13_2, i == 13);
    sum2 = select(sum2, acc14_2, i == 14);
    sum2 = select(sum2, acc15_2, i == 15);
    if (n0 + 2 < s.nEnd) { store(sum2, shift2, factor2, r + c2, y + c2); }
    var sum3 = acc0_3;
    sum3 = select(sum3, acc0_3, i == 0);
    sum3 = select(sum3, acc1_3, i == 1);
    sum3 = select(sum3, acc2_3, i == 2);
    sum3 = select(sum3, acc3_3, i == 3);
    sum3 = select(sum3, acc4_3, i == 4);
    sum3 = select(sum3, acc5_3, i == 5);
    sum3 = select(sum3, acc6_3, i == 6);
    sum3 = select(sum3, acc7_3, i == 7);
    sum3 = select(sum3, acc8_3, i == 8);
    sum3 = select(sum3, acc9_3, i == 9);
    sum3 = select(sum3, acc10_3, i == 10);
    sum3 = select(sum3, acc11_3, i == 11);
    sum3 = select(sum3, acc12_3, i == 12);
    sum3 = select(sum3, acc13_3, i == 13);
    sum3 = select(sum3, acc14_3, i == 14);
    sum3 = select(sum3, acc15_3, i == 15);
    if (n0 + 3 < s.nEnd) { store(sum3, shift3, factor3, r + c3, y + c3); }
    var sum4 = acc0_4;
    sum4 = select(sum4, acc0_4, i == 0);
    sum4 = select(sum4, acc1_4, i == 1);
    sum4 = select(sum4, acc2_4, i == 2);
    sum4 = select(sum4, acc3_4, i == 3);
    sum4 = select(sum4, acc4_4, i == 4);
    sum4 = select(sum4, acc5_4, i == 5);
    sum4 = select(sum4, acc6_4, i == 6);
    sum4 = select(sum4, acc7_4, i == 7);
    sum4 = select(sum4, acc8_4, i == 8);
    sum4 = select(sum4, acc9_4, i == 9);
    sum4 = select(sum4, acc10_4, i == 10);
    sum4 = select(sum4, acc11_4, i == 11);
    sum4 = select(sum4, acc12_4, i == 12);
    sum4 = select(sum4, acc13_4, i == 13);
    sum4 = select(sum4, acc14_4, i == 14);
    sum4 = select(sum4, acc15_4, i == 15);
    if (n0 + 4 < s.nEnd) { store(sum4, shift4, factor4, r + c4, y + c4); }
    var sum5 = acc0_5;
    sum5 = select(sum5, acc0_5, i == 0);
    sum5 = select(sum5, acc1_5, i == 1);
    sum5 = select(sum5, acc2_5, i == 2);
    sum5 = select(sum5, acc3_5, i == 3);
    sum5 = select(sum5, acc4_5, i == 4);
    sum5 = select(sum5, acc5_5, i == 5);
    sum5 = select(sum5, acc6_5, i == 6);
    sum5 = select(sum5, acc7_5, i == 7);
    sum5 = select(sum5, acc8_5, i == 8);
    sum5 = select(sum5, acc9_5, i == 9);
    sum5 = select(sum5, acc10_5, i == 10);
    sum5 = select(sum5, acc11_5, i == 11);
    sum5 = select(sum5, acc12_5, i == 12);
    sum5 = select(sum5, acc13_5, i == 13);
    sum5 = select(sum5, acc14_5, i == 14);
    sum5 = select(sum5, acc15_5, i == 15);
    if (n0 + 5 < s.nEnd) { store(sum5, shift5, factor5, r + c5, y + c5); }
    var sum6 = acc0_6;
    sum6 = select(sum6, acc0_6, i == 0);
    sum6 = select(sum6, acc1_6, i == 1);
    sum6 = select(sum6, acc2_6, i == 2);
    sum6 = select(sum6, acc3_6, i == 3);
    sum6 = select(sum6, acc4_6, i == 4);
    sum6 = select(sum6, acc5_6, i == 5);
    sum6 = select(sum6, acc6_6, i == 6);
    sum6 = select(sum6, acc7_6, i == 7);
    sum6 = select(sum6, acc8_6, i == 8);
    sum6 = select(sum6, acc9_6, i == 9);
    sum6 = select(sum6, acc10_6, i == 10);
    sum6 = select(sum6, acc11_6, i == 11);
    sum6 = select(sum6, acc12_6, i == 12);
    sum6 = select(sum6, acc13_6, i == 13);
    sum6 = select(sum6, acc14_6, i == 14);
    sum6 = select(sum6, acc15_6, i == 15);
    if (n0 + 6 < s.nEnd) { store(sum6, shift6, factor6, r + c6, y + c6); }
    var sum7 = acc0_7;
    sum7 = select(sum7, acc0_7, i == 0);
    sum7 = select(sum7, acc1_7, i == 1);
    sum7 = select(sum7, acc2_7, i == 2);
    sum7 = select(sum7, acc3_7, i == 3);
    sum7 = select(sum7, acc4_7, i == 4);
    sum7 = select(sum7, acc5_7, i == 5);
    sum7 = select(sum7, acc6_7, i == 6);
    sum7 = select(sum7, acc7_7, i == 7);
    sum7 = select(sum7, acc8_7, i == 8);
    sum7 = select(sum7, acc9_7, i == 9);
    sum7 = select(sum7, acc10_7, i == 10);
    sum7 = select(sum7, acc11_7, i == 11);
    sum7 = select(sum7, acc12_7, i == 12);
    sum7 = select(sum7, acc13_7, i == 13);
    sum7 = select(sum7, acc14_7, i == 14);
    sum7 = select(sum7, acc15_7, i == 15);
    if (n0 + 7 < s.nEnd) { store(sum7, shift7, factor7, r + c7, y + c7); }
    var sum8 = acc0_8;
    sum8 = select(sum8, acc0_8, i == 0);
    sum8 = select(sum8, acc1_8, i == 1);
    sum8 = select(sum8, acc2_8, i == 2);
    sum8 = select(sum8, acc3_8, i == 3);
    sum8 = select(sum8, acc4_8, i == 4);
    sum8 = select(sum8, acc5_8, i == 5);
    sum8 = select(sum8, acc6_8, i == 6);
    sum8 = select(sum8, acc7_8, i == 7);
    sum8 = select(sum8, acc8_8, i == 8);
    sum8 = select(sum8, acc9_8, i == 9);
    sum8 = select(sum8, acc10_8, i == 10);
    sum8 = select(sum8, acc11_8, i == 11);
    sum8 = select(sum8, acc12_8, i == 12);
    sum8 = select(sum8, acc13_8, i == 13);
    sum8 = select(sum8, acc14_8, i == 14);
    sum8 = select(sum8, acc15_8, i == 15);
    if (n0 + 8 < s.nEnd) { store(sum8, shift8, factor8, r + c8, y + c8); }
    var sum9 = acc0_9;
    sum9 = select(sum9, acc0_9, i == 0);
    sum9 = select(sum9, acc1_9, i == 1);
    sum9 = select(sum9, acc2_9, i == 2);
    sum9 = select(sum9, acc3_9, i == 3);
    sum9 = select(sum9, acc4_9, i == 4);
    sum9 = select(sum9, acc5_9, i == 5);
    sum9 = select(sum9, acc6_9, i == 6);
    sum9 = select(sum9, acc7_9, i == 7);
    sum9 = select(sum9, acc8_9, i == 8);
    sum9 = select(sum9, acc9_9, i == 9);
    sum9 = select(sum9, acc10_9, i == 10);
    sum9 = select(sum9, acc11_9, i == 11);
    sum9 = select(sum9, acc12_9, i == 12);
    sum9 = select(sum9, acc13_9, i == 13);
    sum9 = select(sum9, acc14_9, i == 14);
    sum9 = select(sum9, acc15_9, i == 15);
    if (n0 + 9 < s.nEnd) { store(sum9, shift9, factor9, r + c9, y + c9); }
    var sum10 = acc0_10;
    sum10 = select(sum10, acc0_10, i == 0);
    sum10 = select(sum10, acc1_10, i == 1);
    sum10 = select(sum10, acc2_10, i == 2);
    sum10 = select(sum10, acc3_10, i == 3);
    sum10 = select(sum10, acc4_10, i == 4);
    sum10 = select(sum10, acc5_10, i == 5);
    sum10 = select(sum10, acc6_10, i == 6);
    sum10 = select(sum10, acc7_10, i == 7);
    sum10 = select(sum10, acc8_10, i == 8);
    sum10 = select(sum10, acc9_10, i == 9);
    sum10 = select(sum10, acc10_10, i == 10);
    sum10 = select(sum10, acc11_10, i == 11);
    sum10 = select(sum10, acc12_10, i == 12);
    sum10 = select(sum10, acc13_10, i == 13);
    sum10 = select(sum10, acc14_10, i == 14);
    sum10 = select(sum10, acc15_10, i == 15);
    if (n0 + 10 < s.nEnd) { store(sum10, shift10, factor10, r + c10, y + c10); }
    var sum11 = acc0_11;
    sum11 = select(sum11, acc0_11, i == 0);
    sum11 = select(sum11, acc1_11, i == 1);
    sum11 = select(sum11, acc2_11, i == 2);
    sum11 = select(sum11, acc3_11, i == 3);
    sum11 = select(sum11, acc4_11, i == 4);
    sum11 = select(sum11, acc5_11, i == 5);
    sum11 = select(sum11, acc6_11, i == 6);
    sum11 = select(sum11, acc7_11, i == 7);
    sum11 = select(sum11, acc8_11, i == 8);
    sum11 = select(sum11, acc9_11, i == 9);
    sum11 = select(sum11, acc10_11, i == 10);
    sum11 = select(sum11, acc11_11, i == 11);
    sum11 = select(sum11, acc12_11, i == 12);
    sum11 = select(sum11, acc13_11, i == 13);
    sum11 = select(sum11, acc14_11, i == 14);
    sum11 = select(sum11, acc15_11, i == 15);
    if (n0 + 11 < s.nEnd) { store(sum11, shift11, factor11, r + c11, y + c11); }
    var sum12 = acc0_12;
    sum12 = select(sum12, acc0_12, i == 0);
    sum12 = select(sum12, acc1_12, i == 1);
    sum12 = select(sum12, acc2_12, i == 2);
    sum12 = select(sum12, acc3_12, i == 3);
    sum12 = select(sum12, acc4_12, i == 4);
    sum12 = select(sum12, acc5_12, i == 5);
    sum12 = select(sum12, acc6_12, i == 6);
    sum12 = select(sum12, acc7_12, i == 7);
    sum12 = select(sum12, acc8_12, i == 8);
    sum12 = select(sum12, acc9_12, i == 9);
    sum12 = select(sum12, acc10_12, i == 10);
    sum12 = select(sum12, acc11_12, i == 11);
    sum12 = select(sum12, acc12_12, i == 12);
    sum12 = select(sum12, acc13_12, i == 13);
    sum12 = select(sum12, acc14_12, i == 14);
    sum12 = select(sum12, acc15_12, i == 15);
    if (n0 + 12 < s.nEnd) { store(sum12, shift12, factor12, r + c12, y + c12); }
    var sum13 = acc0_13;
    sum13 = select(sum13, acc0_13, i == 0);
    sum13 = select(sum13, acc1_13, i == 1);
    sum13 = select(sum13, acc2_13, i == 2);
    sum13 = select(sum13, acc3_13, i == 3);
    sum13 = select(sum13, acc4_13, i == 4);
    sum13 = select(sum13, acc5_13, i == 5);
    sum13 = select(sum13, acc6_13, i == 6);
    sum13 = select(sum13, acc7_13, i == 7);
    sum13 = select(sum13, acc8_13, i == 8);
    sum13 = select(sum13, acc9_13, i == 9);
    sum13 = select(sum13, acc10_13, i == 10);
    sum13 = select(sum13, acc11_13, i == 11);
    sum13 = select(sum13, acc12_13, i == 12);
    sum13 = select(sum13, acc13_13, i == 13);
    sum13 = select(sum13, acc14_13, i == 14);
    sum13 = select(sum13, acc15_13, i == 15);
    if (n0 + 13 < s.nEnd) { store(sum13, shift13, factor13, r + c13, y + c13); }
    var sum14 = acc0_14;
    sum14 = select(sum14, acc0_14, i == 0);
    sum14 = select(sum14, acc1_14, i == 1);
    sum14 = select(sum14, acc2_14, i == 2);
    sum14 = select(sum14, acc3_14, i == 3);
    sum14 = select(sum14, acc4_14, i == 4);
    sum14 = select(sum14, acc5_14, i == 5);
    sum14 = select(sum14, acc6_14, i == 6);
    sum14 = select(sum14, acc7_14, i == 7);
    sum14 = select(sum14, acc8_14, i == 8);
    sum14 = select(sum14, acc9_14, i == 9);
    sum14 = select(sum14, acc10_14, i == 10);
    sum14 = select(sum14, acc11_14, i == 11);
    sum14 = select(sum14, acc12_14, i == 12);
    sum14 = select(sum14, acc13_14, i == 13);
    sum14 = select(sum14, acc14_14, i == 14);
    sum14 = select(sum14, acc15_14, i == 15);
    if (n0 + 14 < s.nEnd) { store(sum14, shift14, factor14, r + c14, y + c14); }
    var sum15 = acc0_15;
    sum15 = select(sum15, acc0_15, i == 0);
    sum15 = select(sum15, acc1_15, i == 1);
    sum15 = select(sum15, acc2_15, i == 2);
    sum15 = select(sum15, acc3_15, i == 3);
    sum15 = select(sum15, acc4_15, i == 4);
    sum15 = select(sum15, acc5_15, i == 5);
    sum15 = select(sum15, acc6_15, i == 6);
    sum15 = select(sum15, acc7_15, i == 7);
    sum15 = select(sum15, acc8_15, i == 8);
    sum15 = select(sum15, acc9_15, i == 9);
    sum15 = select(sum15, acc10_15, i == 10);
    sum15 = select(sum15, acc11_15, i == 11);
    sum15 = select(sum15, acc12_15, i == 12);
    sum15 = select(sum15, acc13_15, i == 13);
    sum15 = select(sum15, acc14_15, i == 14);
    sum15 = select(sum15, acc15_15, i == 15);
    if (n0 + 15 < s.nEnd) { store(sum15, shift15, factor15, r + c15, y + c15); }
  }
}
`,
  "matmul@RM=4,RN=4,TEXELS=0,TILED=1,SPLIT=0,SUBGROUPS=0": `const RM: u32 = 4u;
const RN: u32 = 4u;
const TEXELS: u32 = 0u;
const TILED: u32 = 1u;
const SPLIT: u32 = 0u;
const SUBGROUPS: u32 = 0u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }
fn wBits(at: u32) -> vec4u { return W[at]; }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}

// Both tiles have 64 or 128 rows of STEP8 · 8 values of K as they are stored, and one vector of padding, which spreads rows over
// the banks: with where the rows begin, 16 KiB at most.
const LANES = 64u / min(RM, 8u);  // WX and WY
const ROWS = LANES * RM;
const COLUMNS = LANES * RN;
override STEP8: u32 = select(
  select(4u, 2u, X_TYPE == 0u && W_TYPE == 0u),
  select(2u, 1u, X_TYPE == 0u || W_TYPE == 0u),
  RM == 16u);
override X_VECTORS: u32 = select(1u, 2u, X_TYPE == 0u);  // of 16 bytes, for eight values
override W_VECTORS: u32 = select(1u, 2u, W_TYPE == 0u);
override X_PITCH: u32 = STEP8 * X_VECTORS + 1u;
override W_PITCH: u32 = STEP8 * W_VECTORS + 1u;
var<workgroup> xTile: array<vec4u, ROWS * X_PITCH>;
var<workgroup> wTile: array<vec4u, COLUMNS * W_PITCH>;
var<workgroup> xRow: array<u32, ROWS>;  // where a row begins in X and W
var<workgroup> wRow: array<u32, COLUMNS>;

fn stageX(to: u32, at: u32, inside: bool) {
  var v = vec4u();
  var u = vec4u();
  if (inside) {
    v = xBits(at * X_VECTORS);
    if (X_TYPE == 0u) { u = xBits(at * 2u + 1u); }
  }
  xTile[to] = v;
  if (X_TYPE == 0u) { xTile[to + 1u] = u; }
}

fn stageW(to: u32, at: u32, inside: bool) {
  var v = vec4u();
  var u = vec4u();
  if (inside) {
    v = wBits(at * W_VECTORS);
    if (W_TYPE == 0u) { u = wBits(at * 2u + 1u); }
  }
  wTile[to] = v;
  if (W_TYPE == 0u) { wTile[to + 1u] = u; }
}

fn stagedX(at: u32) -> Eight {
  let v = xTile[at];
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(v), bitcast<vec4f>(xTile[at + 1u]))); }
  return before(halves(v));
}

fn stagedW(at: u32) -> Eight {
  let v = wTile[at];
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(v), bitcast<vec4f>(wTile[at + 1u])); }
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}


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

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let r1 = min(m0 + 1, s.mEnd - 1u);
  let b1 = r1 / s.S;
  let x1 = (b1 * s.xN + s.xAt + r1 - b1 * s.S) * s.K8 - s.xBase8;
  let r2 = min(m0 + 2, s.mEnd - 1u);
  let b2 = r2 / s.S;
  let x2 = (b2 * s.xN + s.xAt + r2 - b2 * s.S) * s.K8 - s.xBase8;
  let r3 = min(m0 + 3, s.mEnd - 1u);
  let b3 = r3 / s.S;
  let x3 = (b3 * s.xN + s.xAt + r3 - b3 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc1_0 = 0.0;
  var acc1_1 = 0.0;
  var acc1_2 = 0.0;
  var acc1_3 = 0.0;
  var acc2_0 = 0.0;
  var acc2_1 = 0.0;
  var acc2_2 = 0.0;
  var acc2_3 = 0.0;
  var acc3_0 = 0.0;
  var acc3_1 = 0.0;
  var acc3_2 = 0.0;
  var acc3_3 = 0.0;

  // Tile row r is the row r / LANES of invocation r % LANES: neighbours read neighbouring rows.
  for (var at = lane; at < ROWS; at += LANES * LANES) {
    let m = min(m0 + (at % LANES - local.y) * RM + at / LANES, s.mEnd - 1u);
    xRow[at] = (m / s.S * s.xN + s.xAt + m % s.S) * s.K8 - s.xBase8;
  }
  for (var at = lane; at < COLUMNS; at += LANES * LANES) {
    let n = min(n0 + (at % LANES - local.x) * RN + at / LANES, s.nEnd - 1u);
    wRow[at] = n * s.stride8 - s.wBase8;
  }
  workgroupBarrier();
  for (var k = 0u; k < s.K8; k += STEP8) {
    // Eighths beyond K count as zeros.
    for (var at = lane; at < ROWS * STEP8; at += LANES * LANES) {
      let row = at / STEP8;
      let k8 = k + at % STEP8;
      stageX(row * X_PITCH + at % STEP8 * X_VECTORS, xRow[row] + k8, k8 < s.K8);
    }
    for (var at = lane; at < COLUMNS * STEP8; at += LANES * LANES) {
      let row = at / STEP8;
      let k8 = k + at % STEP8;
      stageW(row * W_PITCH + at % STEP8 * W_VECTORS, wRow[row] + k8, k8 < s.K8);
    }
    workgroupBarrier();
    for (var q = 0u; q < STEP8; q++) {
      let a0 = stagedX((0 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a1 = stagedX((1 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a2 = stagedX((2 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a3 = stagedX((3 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let v0 = stagedW((0 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_0 = mac4(mac4(acc0_0, a0.lo, v0.lo), a0.hi, v0.hi);
      acc1_0 = mac4(mac4(acc1_0, a1.lo, v0.lo), a1.hi, v0.hi);
      acc2_0 = mac4(mac4(acc2_0, a2.lo, v0.lo), a2.hi, v0.hi);
      acc3_0 = mac4(mac4(acc3_0, a3.lo, v0.lo), a3.hi, v0.hi);
      let v1 = stagedW((1 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_1 = mac4(mac4(acc0_1, a0.lo, v1.lo), a0.hi, v1.hi);
      acc1_1 = mac4(mac4(acc1_1, a1.lo, v1.lo), a1.hi, v1.hi);
      acc2_1 = mac4(mac4(acc2_1, a2.lo, v1.lo), a2.hi, v1.hi);
      acc3_1 = mac4(mac4(acc3_1, a3.lo, v1.lo), a3.hi, v1.hi);
      let v2 = stagedW((2 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_2 = mac4(mac4(acc0_2, a0.lo, v2.lo), a0.hi, v2.hi);
      acc1_2 = mac4(mac4(acc1_2, a1.lo, v2.lo), a1.hi, v2.hi);
      acc2_2 = mac4(mac4(acc2_2, a2.lo, v2.lo), a2.hi, v2.hi);
      acc3_2 = mac4(mac4(acc3_2, a3.lo, v2.lo), a3.hi, v2.hi);
      let v3 = stagedW((3 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_3 = mac4(mac4(acc0_3, a0.lo, v3.lo), a0.hi, v3.hi);
      acc1_3 = mac4(mac4(acc1_3, a1.lo, v3.lo), a1.hi, v3.hi);
      acc2_3 = mac4(mac4(acc2_3, a2.lo, v3.lo), a2.hi, v3.hi);
      acc3_3 = mac4(mac4(acc3_3, a3.lo, v3.lo), a3.hi, v3.hi);
    }
    workgroupBarrier();
  }

  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  var shift0 = 0.0;
  if (s.hasBias == 1u) { shift0 = bias[c0]; }
  var factor0 = s.scale;
  var shift1 = 0.0;
  if (s.hasBias == 1u) { shift1 = bias[c1]; }
  var factor1 = s.scale;
  var shift2 = 0.0;
  if (s.hasBias == 1u) { shift2 = bias[c2]; }
  var factor2 = s.scale;
  var shift3 = 0.0;
  if (s.hasBias == 1u) { shift3 = bias[c3]; }
  var factor3 = s.scale;
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      factor0 = s.scale * gate[g + c0];
      factor1 = s.scale * gate[g + c1];
      factor2 = s.scale * gate[g + c2];
      factor3 = s.scale * gate[g + c3];
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    var sum0 = acc0_0;
    sum0 = select(sum0, acc0_0, i == 0);
    sum0 = select(sum0, acc1_0, i == 1);
    sum0 = select(sum0, acc2_0, i == 2);
    sum0 = select(sum0, acc3_0, i == 3);
    if (n0 + 0 < s.nEnd) { store(sum0, shift0, factor0, r + c0, y + c0); }
    var sum1 = acc0_1;
    sum1 = select(sum1, acc0_1, i == 0);
    sum1 = select(sum1, acc1_1, i == 1);
    sum1 = select(sum1, acc2_1, i == 2);
    sum1 = select(sum1, acc3_1, i == 3);
    if (n0 + 1 < s.nEnd) { store(sum1, shift1, factor1, r + c1, y + c1); }
    var sum2 = acc0_2;
    sum2 = select(sum2, acc0_2, i == 0);
    sum2 = select(sum2, acc1_2, i == 1);
    sum2 = select(sum2, acc2_2, i == 2);
    sum2 = select(sum2, acc3_2, i == 3);
    if (n0 + 2 < s.nEnd) { store(sum2, shift2, factor2, r + c2, y + c2); }
    var sum3 = acc0_3;
    sum3 = select(sum3, acc0_3, i == 0);
    sum3 = select(sum3, acc1_3, i == 1);
    sum3 = select(sum3, acc2_3, i == 2);
    sum3 = select(sum3, acc3_3, i == 3);
    if (n0 + 3 < s.nEnd) { store(sum3, shift3, factor3, r + c3, y + c3); }
  }
}
`,
  "matmul@RM=8,RN=8,TEXELS=0,TILED=1,SPLIT=0,SUBGROUPS=0": `const RM: u32 = 8u;
const RN: u32 = 8u;
const TEXELS: u32 = 0u;
const TILED: u32 = 1u;
const SPLIT: u32 = 0u;
const SUBGROUPS: u32 = 0u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }
fn wBits(at: u32) -> vec4u { return W[at]; }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}

// Both tiles have 64 or 128 rows of STEP8 · 8 values of K as they are stored, and one vector of padding, which spreads rows over
// the banks: with where the rows begin, 16 KiB at most.
const LANES = 64u / min(RM, 8u);  // WX and WY
const ROWS = LANES * RM;
const COLUMNS = LANES * RN;
override STEP8: u32 = select(
  select(4u, 2u, X_TYPE == 0u && W_TYPE == 0u),
  select(2u, 1u, X_TYPE == 0u || W_TYPE == 0u),
  RM == 16u);
override X_VECTORS: u32 = select(1u, 2u, X_TYPE == 0u);  // of 16 bytes, for eight values
override W_VECTORS: u32 = select(1u, 2u, W_TYPE == 0u);
override X_PITCH: u32 = STEP8 * X_VECTORS + 1u;
override W_PITCH: u32 = STEP8 * W_VECTORS + 1u;
var<workgroup> xTile: array<vec4u, ROWS * X_PITCH>;
var<workgroup> wTile: array<vec4u, COLUMNS * W_PITCH>;
var<workgroup> xRow: array<u32, ROWS>;  // where a row begins in X and W
var<workgroup> wRow: array<u32, COLUMNS>;

fn stageX(to: u32, at: u32, inside: bool) {
  var v = vec4u();
  var u = vec4u();
  if (inside) {
    v = xBits(at * X_VECTORS);
    if (X_TYPE == 0u) { u = xBits(at * 2u + 1u); }
  }
  xTile[to] = v;
  if (X_TYPE == 0u) { xTile[to + 1u] = u; }
}

fn stageW(to: u32, at: u32, inside: bool) {
  var v = vec4u();
  var u = vec4u();
  if (inside) {
    v = wBits(at * W_VECTORS);
    if (W_TYPE == 0u) { u = wBits(at * 2u + 1u); }
  }
  wTile[to] = v;
  if (W_TYPE == 0u) { wTile[to + 1u] = u; }
}

fn stagedX(at: u32) -> Eight {
  let v = xTile[at];
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(v), bitcast<vec4f>(xTile[at + 1u]))); }
  return before(halves(v));
}

fn stagedW(at: u32) -> Eight {
  let v = wTile[at];
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(v), bitcast<vec4f>(wTile[at + 1u])); }
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}


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

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let r1 = min(m0 + 1, s.mEnd - 1u);
  let b1 = r1 / s.S;
  let x1 = (b1 * s.xN + s.xAt + r1 - b1 * s.S) * s.K8 - s.xBase8;
  let r2 = min(m0 + 2, s.mEnd - 1u);
  let b2 = r2 / s.S;
  let x2 = (b2 * s.xN + s.xAt + r2 - b2 * s.S) * s.K8 - s.xBase8;
  let r3 = min(m0 + 3, s.mEnd - 1u);
  let b3 = r3 / s.S;
  let x3 = (b3 * s.xN + s.xAt + r3 - b3 * s.S) * s.K8 - s.xBase8;
  let r4 = min(m0 + 4, s.mEnd - 1u);
  let b4 = r4 / s.S;
  let x4 = (b4 * s.xN + s.xAt + r4 - b4 * s.S) * s.K8 - s.xBase8;
  let r5 = min(m0 + 5, s.mEnd - 1u);
  let b5 = r5 / s.S;
  let x5 = (b5 * s.xN + s.xAt + r5 - b5 * s.S) * s.K8 - s.xBase8;
  let r6 = min(m0 + 6, s.mEnd - 1u);
  let b6 = r6 / s.S;
  let x6 = (b6 * s.xN + s.xAt + r6 - b6 * s.S) * s.K8 - s.xBase8;
  let r7 = min(m0 + 7, s.mEnd - 1u);
  let b7 = r7 / s.S;
  let x7 = (b7 * s.xN + s.xAt + r7 - b7 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  let c4 = min(n0 + 4, s.nEnd - 1u);
  let w4 = c4 * s.stride8 - s.wBase8;
  let c5 = min(n0 + 5, s.nEnd - 1u);
  let w5 = c5 * s.stride8 - s.wBase8;
  let c6 = min(n0 + 6, s.nEnd - 1u);
  let w6 = c6 * s.stride8 - s.wBase8;
  let c7 = min(n0 + 7, s.nEnd - 1u);
  let w7 = c7 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc0_4 = 0.0;
  var acc0_5 = 0.0;
  var acc0_6 = 0.0;
  var acc0_7 = 0.0;
  var acc1_0 = 0.0;
  var acc1_1 = 0.0;
  var acc1_2 = 0.0;
  var acc1_3 = 0.0;
  var acc1_4 = 0.0;
  var acc1_5 = 0.0;
  var acc1_6 = 0.0;
  var acc1_7 = 0.0;
  var acc2_0 = 0.0;
  var acc2_1 = 0.0;
  var acc2_2 = 0.0;
  var acc2_3 = 0.0;
  var acc2_4 = 0.0;
  var acc2_5 = 0.0;
  var acc2_6 = 0.0;
  var acc2_7 = 0.0;
  var acc3_0 = 0.0;
  var acc3_1 = 0.0;
  var acc3_2 = 0.0;
  var acc3_3 = 0.0;
  var acc3_4 = 0.0;
  var acc3_5 = 0.0;
  var acc3_6 = 0.0;
  var acc3_7 = 0.0;
  var acc4_0 = 0.0;
  var acc4_1 = 0.0;
  var acc4_2 = 0.0;
  var acc4_3 = 0.0;
  var acc4_4 = 0.0;
  var acc4_5 = 0.0;
  var acc4_6 = 0.0;
  var acc4_7 = 0.0;
  var acc5_0 = 0.0;
  var acc5_1 = 0.0;
  var acc5_2 = 0.0;
  var acc5_3 = 0.0;
  var acc5_4 = 0.0;
  var acc5_5 = 0.0;
  var acc5_6 = 0.0;
  var acc5_7 = 0.0;
  var acc6_0 = 0.0;
  var acc6_1 = 0.0;
  var acc6_2 = 0.0;
  var acc6_3 = 0.0;
  var acc6_4 = 0.0;
  var acc6_5 = 0.0;
  var acc6_6 = 0.0;
  var acc6_7 = 0.0;
  var acc7_0 = 0.0;
  var acc7_1 = 0.0;
  var acc7_2 = 0.0;
  var acc7_3 = 0.0;
  var acc7_4 = 0.0;
  var acc7_5 = 0.0;
  var acc7_6 = 0.0;
  var acc7_7 = 0.0;

  // Tile row r is the row r / LANES of invocation r % LANES: neighbours read neighbouring rows.
  for (var at = lane; at < ROWS; at += LANES * LANES) {
    let m = min(m0 + (at % LANES - local.y) * RM + at / LANES, s.mEnd - 1u);
    xRow[at] = (m / s.S * s.xN + s.xAt + m % s.S) * s.K8 - s.xBase8;
  }
  for (var at = lane; at < COLUMNS; at += LANES * LANES) {
    let n = min(n0 + (at % LANES - local.x) * RN + at / LANES, s.nEnd - 1u);
    wRow[at] = n * s.stride8 - s.wBase8;
  }
  workgroupBarrier();
  for (var k = 0u; k < s.K8; k += STEP8) {
    // Eighths beyond K count as zeros.
    for (var at = lane; at < ROWS * STEP8; at += LANES * LANES) {
      let row = at / STEP8;
      let k8 = k + at % STEP8;
      stageX(row * X_PITCH + at % STEP8 * X_VECTORS, xRow[row] + k8, k8 < s.K8);
    }
    for (var at = lane; at < COLUMNS * STEP8; at += LANES * LANES) {
      let row = at / STEP8;
      let k8 = k + at % STEP8;
      stageW(row * W_PITCH + at % STEP8 * W_VECTORS, wRow[row] + k8, k8 < s.K8);
    }
    workgroupBarrier();
    for (var q = 0u; q < STEP8; q++) {
      let a0 = stagedX((0 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a1 = stagedX((1 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a2 = stagedX((2 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a3 = stagedX((3 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a4 = stagedX((4 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a5 = stagedX((5 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a6 = stagedX((6 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a7 = stagedX((7 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let v0 = stagedW((0 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_0 = mac4(mac4(acc0_0, a0.lo, v0.lo), a0.hi, v0.hi);
      acc1_0 = mac4(mac4(acc1_0, a1.lo, v0.lo), a1.hi, v0.hi);
      acc2_0 = mac4(mac4(acc2_0, a2.lo, v0.lo), a2.hi, v0.hi);
      acc3_0 = mac4(mac4(acc3_0, a3.lo, v0.lo), a3.hi, v0.hi);
      acc4_0 = mac4(mac4(acc4_0, a4.lo, v0.lo), a4.hi, v0.hi);
      acc5_0 = mac4(mac4(acc5_0, a5.lo, v0.lo), a5.hi, v0.hi);
      acc6_0 = mac4(mac4(acc6_0, a6.lo, v0.lo), a6.hi, v0.hi);
      acc7_0 = mac4(mac4(acc7_0, a7.lo, v0.lo), a7.hi, v0.hi);
      let v1 = stagedW((1 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_1 = mac4(mac4(acc0_1, a0.lo, v1.lo), a0.hi, v1.hi);
      acc1_1 = mac4(mac4(acc1_1, a1.lo, v1.lo), a1.hi, v1.hi);
      acc2_1 = mac4(mac4(acc2_1, a2.lo, v1.lo), a2.hi, v1.hi);
      acc3_1 = mac4(mac4(acc3_1, a3.lo, v1.lo), a3.hi, v1.hi);
      acc4_1 = mac4(mac4(acc4_1, a4.lo, v1.lo), a4.hi, v1.hi);
      acc5_1 = mac4(mac4(acc5_1, a5.lo, v1.lo), a5.hi, v1.hi);
      acc6_1 = mac4(mac4(acc6_1, a6.lo, v1.lo), a6.hi, v1.hi);
      acc7_1 = mac4(mac4(acc7_1, a7.lo, v1.lo), a7.hi, v1.hi);
      let v2 = stagedW((2 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_2 = mac4(mac4(acc0_2, a0.lo, v2.lo), a0.hi, v2.hi);
      acc1_2 = mac4(mac4(acc1_2, a1.lo, v2.lo), a1.hi, v2.hi);
      acc2_2 = mac4(mac4(acc2_2, a2.lo, v2.lo), a2.hi, v2.hi);
      acc3_2 = mac4(mac4(acc3_2, a3.lo, v2.lo), a3.hi, v2.hi);
      acc4_2 = mac4(mac4(acc4_2, a4.lo, v2.lo), a4.hi, v2.hi);
      acc5_2 = mac4(mac4(acc5_2, a5.lo, v2.lo), a5.hi, v2.hi);
      acc6_2 = mac4(mac4(acc6_2, a6.lo, v2.lo), a6.hi, v2.hi);
      acc7_2 = mac4(mac4(acc7_2, a7.lo, v2.lo), a7.hi, v2.hi);
      let v3 = stagedW((3 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_3 = mac4(mac4(acc0_3, a0.lo, v3.lo), a0.hi, v3.hi);
      acc1_3 = mac4(mac4(acc1_3, a1.lo, v3.lo), a1.hi, v3.hi);
      acc2_3 = mac4(mac4(acc2_3, a2.lo, v3.lo), a2.hi, v3.hi);
      acc3_3 = mac4(mac4(acc3_3, a3.lo, v3.lo), a3.hi, v3.hi);
      acc4_3 = mac4(mac4(acc4_3, a4.lo, v3.lo), a4.hi, v3.hi);
      acc5_3 = mac4(mac4(acc5_3, a5.lo, v3.lo), a5.hi, v3.hi);
      acc6_3 = mac4(mac4(acc6_3, a6.lo, v3.lo), a6.hi, v3.hi);
      acc7_3 = mac4(mac4(acc7_3, a7.lo, v3.lo), a7.hi, v3.hi);
      let v4 = stagedW((4 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_4 = mac4(mac4(acc0_4, a0.lo, v4.lo), a0.hi, v4.hi);
      acc1_4 = mac4(mac4(acc1_4, a1.lo, v4.lo), a1.hi, v4.hi);
      acc2_4 = mac4(mac4(acc2_4, a2.lo, v4.lo), a2.hi, v4.hi);
      acc3_4 = mac4(mac4(acc3_4, a3.lo, v4.lo), a3.hi, v4.hi);
      acc4_4 = mac4(mac4(acc4_4, a4.lo, v4.lo), a4.hi, v4.hi);
      acc5_4 = mac4(mac4(acc5_4, a5.lo, v4.lo), a5.hi, v4.hi);
      acc6_4 = mac4(mac4(acc6_4, a6.lo, v4.lo), a6.hi, v4.hi);
      acc7_4 = mac4(mac4(acc7_4, a7.lo, v4.lo), a7.hi, v4.hi);
      let v5 = stagedW((5 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_5 = mac4(mac4(acc0_5, a0.lo, v5.lo), a0.hi, v5.hi);
      acc1_5 = mac4(mac4(acc1_5, a1.lo, v5.lo), a1.hi, v5.hi);
      acc2_5 = mac4(mac4(acc2_5, a2.lo, v5.lo), a2.hi, v5.hi);
      acc3_5 = mac4(mac4(acc3_5, a3.lo, v5.lo), a3.hi, v5.hi);
      acc4_5 = mac4(mac4(acc4_5, a4.lo, v5.lo), a4.hi, v5.hi);
      acc5_5 = mac4(mac4(acc5_5, a5.lo, v5.lo), a5.hi, v5.hi);
      acc6_5 = mac4(mac4(acc6_5, a6.lo, v5.lo), a6.hi, v5.hi);
      acc7_5 = mac4(mac4(acc7_5, a7.lo, v5.lo), a7.hi, v5.hi);
      let v6 = stagedW((6 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_6 = mac4(mac4(acc0_6, a0.lo, v6.lo), a0.hi, v6.hi);
      acc1_6 = mac4(mac4(acc1_6, a1.lo, v6.lo), a1.hi, v6.hi);
      acc2_6 = mac4(mac4(acc2_6, a2.lo, v6.lo), a2.hi, v6.hi);
      acc3_6 = mac4(mac4(acc3_6, a3.lo, v6.lo), a3.hi, v6.hi);
      acc4_6 = mac4(mac4(acc4_6, a4.lo, v6.lo), a4.hi, v6.hi);
      acc5_6 = mac4(mac4(acc5_6, a5.lo, v6.lo), a5.hi, v6.hi);
      acc6_6 = mac4(mac4(acc6_6, a6.lo, v6.lo), a6.hi, v6.hi);
      acc7_6 = mac4(mac4(acc7_6, a7.lo, v6.lo), a7.hi, v6.hi);
      let v7 = stagedW((7 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_7 = mac4(mac4(acc0_7, a0.lo, v7.lo), a0.hi, v7.hi);
      acc1_7 = mac4(mac4(acc1_7, a1.lo, v7.lo), a1.hi, v7.hi);
      acc2_7 = mac4(mac4(acc2_7, a2.lo, v7.lo), a2.hi, v7.hi);
      acc3_7 = mac4(mac4(acc3_7, a3.lo, v7.lo), a3.hi, v7.hi);
      acc4_7 = mac4(mac4(acc4_7, a4.lo, v7.lo), a4.hi, v7.hi);
      acc5_7 = mac4(mac4(acc5_7, a5.lo, v7.lo), a5.hi, v7.hi);
      acc6_7 = mac4(mac4(acc6_7, a6.lo, v7.lo), a6.hi, v7.hi);
      acc7_7 = mac4(mac4(acc7_7, a7.lo, v7.lo), a7.hi, v7.hi);
    }
    workgroupBarrier();
  }

  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  var shift0 = 0.0;
  if (s.hasBias == 1u) { shift0 = bias[c0]; }
  var factor0 = s.scale;
  var shift1 = 0.0;
  if (s.hasBias == 1u) { shift1 = bias[c1]; }
  var factor1 = s.scale;
  var shift2 = 0.0;
  if (s.hasBias == 1u) { shift2 = bias[c2]; }
  var factor2 = s.scale;
  var shift3 = 0.0;
  if (s.hasBias == 1u) { shift3 = bias[c3]; }
  var factor3 = s.scale;
  var shift4 = 0.0;
  if (s.hasBias == 1u) { shift4 = bias[c4]; }
  var factor4 = s.scale;
  var shift5 = 0.0;
  if (s.hasBias == 1u) { shift5 = bias[c5]; }
  var factor5 = s.scale;
  var shift6 = 0.0;
  if (s.hasBias == 1u) { shift6 = bias[c6]; }
  var factor6 = s.scale;
  var shift7 = 0.0;
  if (s.hasBias == 1u) { shift7 = bias[c7]; }
  var factor7 = s.scale;
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      factor0 = s.scale * gate[g + c0];
      factor1 = s.scale * gate[g + c1];
      factor2 = s.scale * gate[g + c2];
      factor3 = s.scale * gate[g + c3];
      factor4 = s.scale * gate[g + c4];
      factor5 = s.scale * gate[g + c5];
      factor6 = s.scale * gate[g + c6];
      factor7 = s.scale * gate[g + c7];
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    var sum0 = acc0_0;
    sum0 = select(sum0, acc0_0, i == 0);
    sum0 = select(sum0, acc1_0, i == 1);
    sum0 = select(sum0, acc2_0, i == 2);
    sum0 = select(sum0, acc3_0, i == 3);
    sum0 = select(sum0, acc4_0, i == 4);
    sum0 = select(sum0, acc5_0, i == 5);
    sum0 = select(sum0, acc6_0, i == 6);
    sum0 = select(sum0, acc7_0, i == 7);
    if (n0 + 0 < s.nEnd) { store(sum0, shift0, factor0, r + c0, y + c0); }
    var sum1 = acc0_1;
    sum1 = select(sum1, acc0_1, i == 0);
    sum1 = select(sum1, acc1_1, i == 1);
    sum1 = select(sum1, acc2_1, i == 2);
    sum1 = select(sum1, acc3_1, i == 3);
    sum1 = select(sum1, acc4_1, i == 4);
    sum1 = select(sum1, acc5_1, i == 5);
    sum1 = select(sum1, acc6_1, i == 6);
    sum1 = select(sum1, acc7_1, i == 7);
    if (n0 + 1 < s.nEnd) { store(sum1, shift1, factor1, r + c1, y + c1); }
    var sum2 = acc0_2;
    sum2 = select(sum2, acc0_2, i == 0);
    sum2 = select(sum2, acc1_2, i == 1);
    sum2 = select(sum2, acc2_2, i == 2);
    sum2 = select(sum2, acc3_2, i == 3);
    sum2 = select(sum2, acc4_2, i == 4);
    sum2 = select(sum2, acc5_2, i == 5);
    sum2 = select(sum2, acc6_2, i == 6);
    sum2 = select(sum2, acc7_2, i == 7);
    if (n0 + 2 < s.nEnd) { store(sum2, shift2, factor2, r + c2, y + c2); }
    var sum3 = acc0_3;
    sum3 = select(sum3, acc0_3, i == 0);
    sum3 = select(sum3, acc1_3, i == 1);
    sum3 = select(sum3, acc2_3, i == 2);
    sum3 = select(sum3, acc3_3, i == 3);
    sum3 = select(sum3, acc4_3, i == 4);
    sum3 = select(sum3, acc5_3, i == 5);
    sum3 = select(sum3, acc6_3, i == 6);
    sum3 = select(sum3, acc7_3, i == 7);
    if (n0 + 3 < s.nEnd) { store(sum3, shift3, factor3, r + c3, y + c3); }
    var sum4 = acc0_4;
    sum4 = select(sum4, acc0_4, i == 0);
    sum4 = select(sum4, acc1_4, i == 1);
    sum4 = select(sum4, acc2_4, i == 2);
    sum4 = select(sum4, acc3_4, i == 3);
    sum4 = select(sum4, acc4_4, i == 4);
    sum4 = select(sum4, acc5_4, i == 5);
    sum4 = select(sum4, acc6_4, i == 6);
    sum4 = select(sum4, acc7_4, i == 7);
    if (n0 + 4 < s.nEnd) { store(sum4, shift4, factor4, r + c4, y + c4); }
    var sum5 = acc0_5;
    sum5 = select(sum5, acc0_5, i == 0);
    sum5 = select(sum5, acc1_5, i == 1);
    sum5 = select(sum5, acc2_5, i == 2);
    sum5 = select(sum5, acc3_5, i == 3);
    sum5 = select(sum5, acc4_5, i == 4);
    sum5 = select(sum5, acc5_5, i == 5);
    sum5 = select(sum5, acc6_5, i == 6);
    sum5 = select(sum5, acc7_5, i == 7);
    if (n0 + 5 < s.nEnd) { store(sum5, shift5, factor5, r + c5, y + c5); }
    var sum6 = acc0_6;
    sum6 = select(sum6, acc0_6, i == 0);
    sum6 = select(sum6, acc1_6, i == 1);
    sum6 = select(sum6, acc2_6, i == 2);
    sum6 = select(sum6, acc3_6, i == 3);
    sum6 = select(sum6, acc4_6, i == 4);
    sum6 = select(sum6, acc5_6, i == 5);
    sum6 = select(sum6, acc6_6, i == 6);
    sum6 = select(sum6, acc7_6, i == 7);
    if (n0 + 6 < s.nEnd) { store(sum6, shift6, factor6, r + c6, y + c6); }
    var sum7 = acc0_7;
    sum7 = select(sum7, acc0_7, i == 0);
    sum7 = select(sum7, acc1_7, i == 1);
    sum7 = select(sum7, acc2_7, i == 2);
    sum7 = select(sum7, acc3_7, i == 3);
    sum7 = select(sum7, acc4_7, i == 4);
    sum7 = select(sum7, acc5_7, i == 5);
    sum7 = select(sum7, acc6_7, i == 6);
    sum7 = select(sum7, acc7_7, i == 7);
    if (n0 + 7 < s.nEnd) { store(sum7, shift7, factor7, r + c7, y + c7); }
  }
}
`,
  "matmul@RM=16,RN=16,TEXELS=0,TILED=1,SPLIT=0,SUBGROUPS=0": `const RM: u32 = 16u;
const RN: u32 = 16u;
const TEXELS: u32 = 0u;
const TILED: u32 = 1u;
const SPLIT: u32 = 0u;
const SUBGROUPS: u32 = 0u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }
fn wBits(at: u32) -> vec4u { return W[at]; }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}

// Both tiles have 64 or 128 rows of STEP8 · 8 values of K as they are stored, and one vector of padding, which spreads rows over
// the banks: with where the rows begin, 16 KiB at most.
const LANES = 64u / min(RM, 8u);  // WX and WY
const ROWS = LANES * RM;
const COLUMNS = LANES * RN;
override STEP8: u32 = select(
  select(4u, 2u, X_TYPE == 0u && W_TYPE == 0u),
  select(2u, 1u, X_TYPE == 0u || W_TYPE == 0u),
  RM == 16u);
override X_VECTORS: u32 = select(1u, 2u, X_TYPE == 0u);  // of 16 bytes, for eight values
override W_VECTORS: u32 = select(1u, 2u, W_TYPE == 0u);
override X_PITCH: u32 = STEP8 * X_VECTORS + 1u;
override W_PITCH: u32 = STEP8 * W_VECTORS + 1u;
var<workgroup> xTile: array<vec4u, ROWS * X_PITCH>;
var<workgroup> wTile: array<vec4u, COLUMNS * W_PITCH>;
var<workgroup> xRow: array<u32, ROWS>;  // where a row begins in X and W
var<workgroup> wRow: array<u32, COLUMNS>;

fn stageX(to: u32, at: u32, inside: bool) {
  var v = vec4u();
  var u = vec4u();
  if (inside) {
    v = xBits(at * X_VECTORS);
    if (X_TYPE == 0u) { u = xBits(at * 2u + 1u); }
  }
  xTile[to] = v;
  if (X_TYPE == 0u) { xTile[to + 1u] = u; }
}

fn stageW(to: u32, at: u32, inside: bool) {
  var v = vec4u();
  var u = vec4u();
  if (inside) {
    v = wBits(at * W_VECTORS);
    if (W_TYPE == 0u) { u = wBits(at * 2u + 1u); }
  }
  wTile[to] = v;
  if (W_TYPE == 0u) { wTile[to + 1u] = u; }
}

fn stagedX(at: u32) -> Eight {
  let v = xTile[at];
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(v), bitcast<vec4f>(xTile[at + 1u]))); }
  return before(halves(v));
}

fn stagedW(at: u32) -> Eight {
  let v = wTile[at];
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(v), bitcast<vec4f>(wTile[at + 1u])); }
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}


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

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let r1 = min(m0 + 1, s.mEnd - 1u);
  let b1 = r1 / s.S;
  let x1 = (b1 * s.xN + s.xAt + r1 - b1 * s.S) * s.K8 - s.xBase8;
  let r2 = min(m0 + 2, s.mEnd - 1u);
  let b2 = r2 / s.S;
  let x2 = (b2 * s.xN + s.xAt + r2 - b2 * s.S) * s.K8 - s.xBase8;
  let r3 = min(m0 + 3, s.mEnd - 1u);
  let b3 = r3 / s.S;
  let x3 = (b3 * s.xN + s.xAt + r3 - b3 * s.S) * s.K8 - s.xBase8;
  let r4 = min(m0 + 4, s.mEnd - 1u);
  let b4 = r4 / s.S;
  let x4 = (b4 * s.xN + s.xAt + r4 - b4 * s.S) * s.K8 - s.xBase8;
  let r5 = min(m0 + 5, s.mEnd - 1u);
  let b5 = r5 / s.S;
  let x5 = (b5 * s.xN + s.xAt + r5 - b5 * s.S) * s.K8 - s.xBase8;
  let r6 = min(m0 + 6, s.mEnd - 1u);
  let b6 = r6 / s.S;
  let x6 = (b6 * s.xN + s.xAt + r6 - b6 * s.S) * s.K8 - s.xBase8;
  let r7 = min(m0 + 7, s.mEnd - 1u);
  let b7 = r7 / s.S;
  let x7 = (b7 * s.xN + s.xAt + r7 - b7 * s.S) * s.K8 - s.xBase8;
  let r8 = min(m0 + 8, s.mEnd - 1u);
  let b8 = r8 / s.S;
  let x8 = (b8 * s.xN + s.xAt + r8 - b8 * s.S) * s.K8 - s.xBase8;
  let r9 = min(m0 + 9, s.mEnd - 1u);
  let b9 = r9 / s.S;
  let x9 = (b9 * s.xN + s.xAt + r9 - b9 * s.S) * s.K8 - s.xBase8;
  let r10 = min(m0 + 10, s.mEnd - 1u);
  let b10 = r10 / s.S;
  let x10 = (b10 * s.xN + s.xAt + r10 - b10 * s.S) * s.K8 - s.xBase8;
  let r11 = min(m0 + 11, s.mEnd - 1u);
  let b11 = r11 / s.S;
  let x11 = (b11 * s.xN + s.xAt + r11 - b11 * s.S) * s.K8 - s.xBase8;
  let r12 = min(m0 + 12, s.mEnd - 1u);
  let b12 = r12 / s.S;
  let x12 = (b12 * s.xN + s.xAt + r12 - b12 * s.S) * s.K8 - s.xBase8;
  let r13 = min(m0 + 13, s.mEnd - 1u);
  let b13 = r13 / s.S;
  let x13 = (b13 * s.xN + s.xAt + r13 - b13 * s.S) * s.K8 - s.xBase8;
  let r14 = min(m0 + 14, s.mEnd - 1u);
  let b14 = r14 / s.S;
  let x14 = (b14 * s.xN + s.xAt + r14 - b14 * s.S) * s.K8 - s.xBase8;
  let r15 = min(m0 + 15, s.mEnd - 1u);
  let b15 = r15 / s.S;
  let x15 = (b15 * s.xN + s.xAt + r15 - b15 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  let c4 = min(n0 + 4, s.nEnd - 1u);
  let w4 = c4 * s.stride8 - s.wBase8;
  let c5 = min(n0 + 5, s.nEnd - 1u);
  let w5 = c5 * s.stride8 - s.wBase8;
  let c6 = min(n0 + 6, s.nEnd - 1u);
  let w6 = c6 * s.stride8 - s.wBase8;
  let c7 = min(n0 + 7, s.nEnd - 1u);
  let w7 = c7 * s.stride8 - s.wBase8;
  let c8 = min(n0 + 8, s.nEnd - 1u);
  let w8 = c8 * s.stride8 - s.wBase8;
  let c9 = min(n0 + 9, s.nEnd - 1u);
  let w9 = c9 * s.stride8 - s.wBase8;
  let c10 = min(n0 + 10, s.nEnd - 1u);
  let w10 = c10 * s.stride8 - s.wBase8;
  let c11 = min(n0 + 11, s.nEnd - 1u);
  let w11 = c11 * s.stride8 - s.wBase8;
  let c12 = min(n0 + 12, s.nEnd - 1u);
  let w12 = c12 * s.stride8 - s.wBase8;
  let c13 = min(n0 + 13, s.nEnd - 1u);
  let w13 = c13 * s.stride8 - s.wBase8;
  let c14 = min(n0 + 14, s.nEnd - 1u);
  let w14 = c14 * s.stride8 - s.wBase8;
  let c15 = min(n0 + 15, s.nEnd - 1u);
  let w15 = c15 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc0_4 = 0.0;
  var acc0_5 = 0.0;
  var acc0_6 = 0.0;
  var acc0_7 = 0.0;
  var acc0_8 = 0.0;
  var acc0_9 = 0.0;
  var acc0_10 = 0.0;
  var acc0_11 = 0.0;
  var acc0_12 = 0.0;
  var acc0_13 = 0.0;
  var acc0_14 = 0.0;
  var acc0_15 = 0.0;
  var acc1_0 = 0.0;
  var acc1_1 = 0.0;
  var acc1_2 = 0.0;
  var acc1_3 = 0.0;
  var acc1_4 = 0.0;
  var acc1_5 = 0.0;
  var acc1_6 = 0.0;
  var acc1_7 = 0.0;
  var acc1_8 = 0.0;
  var acc1_9 = 0.0;
  var acc1_10 = 0.0;
  var acc1_11 = 0.0;
  var acc1_12 = 0.0;
  var acc1_13 = 0.0;
  var acc1_14 = 0.0;
  var acc1_15 = 0.0;
  var acc2_0 = 0.0;
  var acc2_1 = 0.0;
  var acc2_2 = 0.0;
  var acc2_3 = 0.0;
  var acc2_4 = 0.0;
  var acc2_5 = 0.0;
  var acc2_6 = 0.0;
  var acc2_7 = 0.0;
  var acc2_8 = 0.0;
  var acc2_9 = 0.0;
  var acc2_10 = 0.0;
  var acc2_11 = 0.0;
  var acc2_12 = 0.0;
  var acc2_13 = 0.0;
  var acc2_14 = 0.0;
  var acc2_15 = 0.0;
  var acc3_0 = 0.0;
  var acc3_1 = 0.0;
  var acc3_2 = 0.0;
  var acc3_3 = 0.0;
  var acc3_4 = 0.0;
  var acc3_5 = 0.0;
  var acc3_6 = 0.0;
  var acc3_7 = 0.0;
  var acc3_8 = 0.0;
  var acc3_9 = 0.0;
  var acc3_10 = 0.0;
  var acc3_11 = 0.0;
  var acc3_12 = 0.0;
  var acc3_13 = 0.0;
  var acc3_14 = 0.0;
  var acc3_15 = 0.0;
  var acc4_0 = 0.0;
  var acc4_1 = 0.0;
  var acc4_2 = 0.0;
  var acc4_3 = 0.0;
  var acc4_4 = 0.0;
  var acc4_5 = 0.0;
  var acc4_6 = 0.0;
  var acc4_7 = 0.0;
  var acc4_8 = 0.0;
  var acc4_9 = 0.0;
  var acc4_10 = 0.0;
  var acc4_11 = 0.0;
  var acc4_12 = 0.0;
  var acc4_13 = 0.0;
  var acc4_14 = 0.0;
  var acc4_15 = 0.0;
  var acc5_0 = 0.0;
  var acc5_1 = 0.0;
  var acc5_2 = 0.0;
  var acc5_3 = 0.0;
  var acc5_4 = 0.0;
  var acc5_5 = 0.0;
  var acc5_6 = 0.0;
  var acc5_7 = 0.0;
  var acc5_8 = 0.0;
  var acc5_9 = 0.0;
  var acc5_10 = 0.0;
  var acc5_11 = 0.0;
  var acc5_12 = 0.0;
  var acc5_13 = 0.0;
  var acc5_14 = 0.0;
  var acc5_15 = 0.0;
  var acc6_0 = 0.0;
  var acc6_1 = 0.0;
  var acc6_2 = 0.0;
  var acc6_3 = 0.0;
  var acc6_4 = 0.0;
  var acc6_5 = 0.0;
  var acc6_6 = 0.0;
  var acc6_7 = 0.0;
  var acc6_8 = 0.0;
  var acc6_9 = 0.0;
  var acc6_10 = 0.0;
  var acc6_11 = 0.0;
  var acc6_12 = 0.0;
  var acc6_13 = 0.0;
  var acc6_14 = 0.0;
  var acc6_15 = 0.0;
  var acc7_0 = 0.0;
  var acc7_1 = 0.0;
  var acc7_2 = 0.0;
  var acc7_3 = 0.0;
  var acc7_4 = 0.0;
  var acc7_5 = 0.0;
  var acc7_6 = 0.0;
  var acc7_7 = 0.0;
  var acc7_8 = 0.0;
  var acc7_9 = 0.0;
  var acc7_10 = 0.0;
  var acc7_11 = 0.0;
  var acc7_12 = 0.0;
  var acc7_13 = 0.0;
  var acc7_14 = 0.0;
  var acc7_15 = 0.0;
  var acc8_0 = 0.0;
  var acc8_1 = 0.0;
  var acc8_2 = 0.0;
  var acc8_3 = 0.0;
  var acc8_4 = 0.0;
  var acc8_5 = 0.0;
  var acc8_6 = 0.0;
  var acc8_7 = 0.0;
  var acc8_8 = 0.0;
  var acc8_9 = 0.0;
  var acc8_10 = 0.0;
  var acc8_11 = 0.0;
  var acc8_12 = 0.0;
  var acc8_13 = 0.0;
  var acc8_14 = 0.0;
  var acc8_15 = 0.0;
  var acc9_0 = 0.0;
  var acc9_1 = 0.0;
  var acc9_2 = 0.0;
  var acc9_3 = 0.0;
  var acc9_4 = 0.0;
  var acc9_5 = 0.0;
  var acc9_6 = 0.0;
  var acc9_7 = 0.0;
  var acc9_8 = 0.0;
  var acc9_9 = 0.0;
  var acc9_10 = 0.0;
  var acc9_11 = 0.0;
  var acc9_12 = 0.0;
  var acc9_13 = 0.0;
  var acc9_14 = 0.0;
  var acc9_15 = 0.0;
  var acc10_0 = 0.0;
  var acc10_1 = 0.0;
  var acc10_2 = 0.0;
  var acc10_3 = 0.0;
  var acc10_4 = 0.0;
  var acc10_5 = 0.0;
  var acc10_6 = 0.0;
  var acc10_7 = 0.0;
  var acc10_8 = 0.0;
  var acc10_9 = 0.0;
  var acc10_10 = 0.0;
  var acc10_11 = 0.0;
  var acc10_12 = 0.0;
  var acc10_13 = 0.0;
  var acc10_14 = 0.0;
  var acc10_15 = 0.0;
  var acc11_0 = 0.0;
  var acc11_1 = 0.0;
  var acc11_2 = 0.0;
  var acc11_3 = 0.0;
  var acc11_4 = 0.0;
  var acc11_5 = 0.0;
  var acc11_6 = 0.0;
  var acc11_7 = 0.0;
  var acc11_8 = 0.0;
  var acc11_9 = 0.0;
  var acc11_10 = 0.0;
  var acc11_11 = 0.0;
  var acc11_12 = 0.0;
  var acc11_13 = 0.0;
  var acc11_14 = 0.0;
  var acc11_15 = 0.0;
  var acc12_0 = 0.0;
  var acc12_1 = 0.0;
  var acc12_2 = 0.0;
  var acc12_3 = 0.0;
  var acc12_4 = 0.0;
  var acc12_5 = 0.0;
  var acc12_6 = 0.0;
  var acc12_7 = 0.0;
  var acc12_8 = 0.0;
  var acc12_9 = 0.0;
  var acc12_10 = 0.0;
  var acc12_11 = 0.0;
  var acc12_12 = 0.0;
  var acc12_13 = 0.0;
  var acc12_14 = 0.0;
  var acc12_15 = 0.0;
  var acc13_0 = 0.0;
  var acc13_1 = 0.0;
  var acc13_2 = 0.0;
  var acc13_3 = 0.0;
  var acc13_4 = 0.0;
  var acc13_5 = 0.0;
  var acc13_6 = 0.0;
  var acc13_7 = 0.0;
  var acc13_8 = 0.0;
  var acc13_9 = 0.0;
  var acc13_10 = 0.0;
  var acc13_11 = 0.0;
  var acc13_12 = 0.0;
  var acc13_13 = 0.0;
  var acc13_14 = 0.0;
  var acc13_15 = 0.0;
  var acc14_0 = 0.0;
  var acc14_1 = 0.0;
  var acc14_2 = 0.0;
  var acc14_3 = 0.0;
  var acc14_4 = 0.0;
  var acc14_5 = 0.0;
  var acc14_6 = 0.0;
  var acc14_7 = 0.0;
  var acc14_8 = 0.0;
  var acc14_9 = 0.0;
  var acc14_10 = 0.0;
  var acc14_11 = 0.0;
  var acc14_12 = 0.0;
  var acc14_13 = 0.0;
  var acc14_14 = 0.0;
  var acc14_15 = 0.0;
  var acc15_0 = 0.0;
  var acc15_1 = 0.0;
  var acc15_2 = 0.0;
  var acc15_3 = 0.0;
  var acc15_4 = 0.0;
  var acc15_5 = 0.0;
  var acc15_6 = 0.0;
  var acc15_7 = 0.0;
  var acc15_8 = 0.0;
  var acc15_9 = 0.0;
  var acc15_10 = 0.0;
  var acc15_11 = 0.0;
  var acc15_12 = 0.0;
  var acc15_13 = 0.0;
  var acc15_14 = 0.0;
  var acc15_15 = 0.0;

  // Tile row r is the row r / LANES of invocation r % LANES: neighbours read neighbouring rows.
  for (var at = lane; at < ROWS; at += LANES * LANES) {
    let m = min(m0 + (at % LANES - local.y) * RM + at / LANES, s.mEnd - 1u);
    xRow[at] = (m / s.S * s.xN + s.xAt + m % s.S) * s.K8 - s.xBase8;
  }
  for (var at = lane; at < COLUMNS; at += LANES * LANES) {
    let n = min(n0 + (at % LANES - local.x) * RN + at / LANES, s.nEnd - 1u);
    wRow[at] = n * s.stride8 - s.wBase8;
  }
  workgroupBarrier();
  for (var k = 0u; k < s.K8; k += STEP8) {
    // Eighths beyond K count as zeros.
    for (var at = lane; at < ROWS * STEP8; at += LANES * LANES) {
      let row = at / STEP8;
      let k8 = k + at % STEP8;
      stageX(row * X_PITCH + at % STEP8 * X_VECTORS, xRow[row] + k8, k8 < s.K8);
    }
    for (var at = lane; at < COLUMNS * STEP8; at += LANES * LANES) {
      let row = at / STEP8;
      let k8 = k + at % STEP8;
      stageW(row * W_PITCH + at % STEP8 * W_VECTORS, wRow[row] + k8, k8 < s.K8);
    }
    workgroupBarrier();
    for (var q = 0u; q < STEP8; q++) {
      let a0 = stagedX((0 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a1 = stagedX((1 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a2 = stagedX((2 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a3 = stagedX((3 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a4 = stagedX((4 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a5 = stagedX((5 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a6 = stagedX((6 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a7 = stagedX((7 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a8 = stagedX((8 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a9 = stagedX((9 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a10 = stagedX((10 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a11 = stagedX((11 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a12 = stagedX((12 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a13 = stagedX((13 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a14 = stagedX((14 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let a15 = stagedX((15 * LANES + local.y) * X_PITCH + q * X_VECTORS);
      let v0 = stagedW((0 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_0 = mac4(mac4(acc0_0, a0.lo, v0.lo), a0.hi, v0.hi);
      acc1_0 = mac4(mac4(acc1_0, a1.lo, v0.lo), a1.hi, v0.hi);
      acc2_0 = mac4(mac4(acc2_0, a2.lo, v0.lo), a2.hi, v0.hi);
      acc3_0 = mac4(mac4(acc3_0, a3.lo, v0.lo), a3.hi, v0.hi);
      acc4_0 = mac4(mac4(acc4_0, a4.lo, v0.lo), a4.hi, v0.hi);
      acc5_0 = mac4(mac4(acc5_0, a5.lo, v0.lo), a5.hi, v0.hi);
      acc6_0 = mac4(mac4(acc6_0, a6.lo, v0.lo), a6.hi, v0.hi);
      acc7_0 = mac4(mac4(acc7_0, a7.lo, v0.lo), a7.hi, v0.hi);
      acc8_0 = mac4(mac4(acc8_0, a8.lo, v0.lo), a8.hi, v0.hi);
      acc9_0 = mac4(mac4(acc9_0, a9.lo, v0.lo), a9.hi, v0.hi);
      acc10_0 = mac4(mac4(acc10_0, a10.lo, v0.lo), a10.hi, v0.hi);
      acc11_0 = mac4(mac4(acc11_0, a11.lo, v0.lo), a11.hi, v0.hi);
      acc12_0 = mac4(mac4(acc12_0, a12.lo, v0.lo), a12.hi, v0.hi);
      acc13_0 = mac4(mac4(acc13_0, a13.lo, v0.lo), a13.hi, v0.hi);
      acc14_0 = mac4(mac4(acc14_0, a14.lo, v0.lo), a14.hi, v0.hi);
      acc15_0 = mac4(mac4(acc15_0, a15.lo, v0.lo), a15.hi, v0.hi);
      let v1 = stagedW((1 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_1 = mac4(mac4(acc0_1, a0.lo, v1.lo), a0.hi, v1.hi);
      acc1_1 = mac4(mac4(acc1_1, a1.lo, v1.lo), a1.hi, v1.hi);
      acc2_1 = mac4(mac4(acc2_1, a2.lo, v1.lo), a2.hi, v1.hi);
      acc3_1 = mac4(mac4(acc3_1, a3.lo, v1.lo), a3.hi, v1.hi);
      acc4_1 = mac4(mac4(acc4_1, a4.lo, v1.lo), a4.hi, v1.hi);
      acc5_1 = mac4(mac4(acc5_1, a5.lo, v1.lo), a5.hi, v1.hi);
      acc6_1 = mac4(mac4(acc6_1, a6.lo, v1.lo), a6.hi, v1.hi);
      acc7_1 = mac4(mac4(acc7_1, a7.lo, v1.lo), a7.hi, v1.hi);
      acc8_1 = mac4(mac4(acc8_1, a8.lo, v1.lo), a8.hi, v1.hi);
      acc9_1 = mac4(mac4(acc9_1, a9.lo, v1.lo), a9.hi, v1.hi);
      acc10_1 = mac4(mac4(acc10_1, a10.lo, v1.lo), a10.hi, v1.hi);
      acc11_1 = mac4(mac4(acc11_1, a11.lo, v1.lo), a11.hi, v1.hi);
      acc12_1 = mac4(mac4(acc12_1, a12.lo, v1.lo), a12.hi, v1.hi);
      acc13_1 = mac4(mac4(acc13_1, a13.lo, v1.lo), a13.hi, v1.hi);
      acc14_1 = mac4(mac4(acc14_1, a14.lo, v1.lo), a14.hi, v1.hi);
      acc15_1 = mac4(mac4(acc15_1, a15.lo, v1.lo), a15.hi, v1.hi);
      let v2 = stagedW((2 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_2 = mac4(mac4(acc0_2, a0.lo, v2.lo), a0.hi, v2.hi);
      acc1_2 = mac4(mac4(acc1_2, a1.lo, v2.lo), a1.hi, v2.hi);
      acc2_2 = mac4(mac4(acc2_2, a2.lo, v2.lo), a2.hi, v2.hi);
      acc3_2 = mac4(mac4(acc3_2, a3.lo, v2.lo), a3.hi, v2.hi);
      acc4_2 = mac4(mac4(acc4_2, a4.lo, v2.lo), a4.hi, v2.hi);
      acc5_2 = mac4(mac4(acc5_2, a5.lo, v2.lo), a5.hi, v2.hi);
      acc6_2 = mac4(mac4(acc6_2, a6.lo, v2.lo), a6.hi, v2.hi);
      acc7_2 = mac4(mac4(acc7_2, a7.lo, v2.lo), a7.hi, v2.hi);
      acc8_2 = mac4(mac4(acc8_2, a8.lo, v2.lo), a8.hi, v2.hi);
      acc9_2 = mac4(mac4(acc9_2, a9.lo, v2.lo), a9.hi, v2.hi);
      acc10_2 = mac4(mac4(acc10_2, a10.lo, v2.lo), a10.hi, v2.hi);
      acc11_2 = mac4(mac4(acc11_2, a11.lo, v2.lo), a11.hi, v2.hi);
      acc12_2 = mac4(mac4(acc12_2, a12.lo, v2.lo), a12.hi, v2.hi);
      acc13_2 = mac4(mac4(acc13_2, a13.lo, v2.lo), a13.hi, v2.hi);
      acc14_2 = mac4(mac4(acc14_2, a14.lo, v2.lo), a14.hi, v2.hi);
      acc15_2 = mac4(mac4(acc15_2, a15.lo, v2.lo), a15.hi, v2.hi);
      let v3 = stagedW((3 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_3 = mac4(mac4(acc0_3, a0.lo, v3.lo), a0.hi, v3.hi);
      acc1_3 = mac4(mac4(acc1_3, a1.lo, v3.lo), a1.hi, v3.hi);
      acc2_3 = mac4(mac4(acc2_3, a2.lo, v3.lo), a2.hi, v3.hi);
      acc3_3 = mac4(mac4(acc3_3, a3.lo, v3.lo), a3.hi, v3.hi);
      acc4_3 = mac4(mac4(acc4_3, a4.lo, v3.lo), a4.hi, v3.hi);
      acc5_3 = mac4(mac4(acc5_3, a5.lo, v3.lo), a5.hi, v3.hi);
      acc6_3 = mac4(mac4(acc6_3, a6.lo, v3.lo), a6.hi, v3.hi);
      acc7_3 = mac4(mac4(acc7_3, a7.lo, v3.lo), a7.hi, v3.hi);
      acc8_3 = mac4(mac4(acc8_3, a8.lo, v3.lo), a8.hi, v3.hi);
      acc9_3 = mac4(mac4(acc9_3, a9.lo, v3.lo), a9.hi, v3.hi);
      acc10_3 = mac4(mac4(acc10_3, a10.lo, v3.lo), a10.hi, v3.hi);
      acc11_3 = mac4(mac4(acc11_3, a11.lo, v3.lo), a11.hi, v3.hi);
      acc12_3 = mac4(mac4(acc12_3, a12.lo, v3.lo), a12.hi, v3.hi);
      acc13_3 = mac4(mac4(acc13_3, a13.lo, v3.lo), a13.hi, v3.hi);
      acc14_3 = mac4(mac4(acc14_3, a14.lo, v3.lo), a14.hi, v3.hi);
      acc15_3 = mac4(mac4(acc15_3, a15.lo, v3.lo), a15.hi, v3.hi);
      let v4 = stagedW((4 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_4 = mac4(mac4(acc0_4, a0.lo, v4.lo), a0.hi, v4.hi);
      acc1_4 = mac4(mac4(acc1_4, a1.lo, v4.lo), a1.hi, v4.hi);
      acc2_4 = mac4(mac4(acc2_4, a2.lo, v4.lo), a2.hi, v4.hi);
      acc3_4 = mac4(mac4(acc3_4, a3.lo, v4.lo), a3.hi, v4.hi);
      acc4_4 = mac4(mac4(acc4_4, a4.lo, v4.lo), a4.hi, v4.hi);
      acc5_4 = mac4(mac4(acc5_4, a5.lo, v4.lo), a5.hi, v4.hi);
      acc6_4 = mac4(mac4(acc6_4, a6.lo, v4.lo), a6.hi, v4.hi);
      acc7_4 = mac4(mac4(acc7_4, a7.lo, v4.lo), a7.hi, v4.hi);
      acc8_4 = mac4(mac4(acc8_4, a8.lo, v4.lo), a8.hi, v4.hi);
      acc9_4 = mac4(mac4(acc9_4, a9.lo, v4.lo), a9.hi, v4.hi);
      acc10_4 = mac4(mac4(acc10_4, a10.lo, v4.lo), a10.hi, v4.hi);
      acc11_4 = mac4(mac4(acc11_4, a11.lo, v4.lo), a11.hi, v4.hi);
      acc12_4 = mac4(mac4(acc12_4, a12.lo, v4.lo), a12.hi, v4.hi);
      acc13_4 = mac4(mac4(acc13_4, a13.lo, v4.lo), a13.hi, v4.hi);
      acc14_4 = mac4(mac4(acc14_4, a14.lo, v4.lo), a14.hi, v4.hi);
      acc15_4 = mac4(mac4(acc15_4, a15.lo, v4.lo), a15.hi, v4.hi);
      let v5 = stagedW((5 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_5 = mac4(mac4(acc0_5, a0.lo, v5.lo), a0.hi, v5.hi);
      acc1_5 = mac4(mac4(acc1_5, a1.lo, v5.lo), a1.hi, v5.hi);
      acc2_5 = mac4(mac4(acc2_5, a2.lo, v5.lo), a2.hi, v5.hi);
      acc3_5 = mac4(mac4(acc3_5, a3.lo, v5.lo), a3.hi, v5.hi);
      acc4_5 = mac4(mac4(acc4_5, a4.lo, v5.lo), a4.hi, v5.hi);
      acc5_5 = mac4(mac4(acc5_5, a5.lo, v5.lo), a5.hi, v5.hi);
      acc6_5 = mac4(mac4(acc6_5, a6.lo, v5.lo), a6.hi, v5.hi);
      acc7_5 = mac4(mac4(acc7_5, a7.lo, v5.lo), a7.hi, v5.hi);
      acc8_5 = mac4(mac4(acc8_5, a8.lo, v5.lo), a8.hi, v5.hi);
      acc9_5 = mac4(mac4(acc9_5, a9.lo, v5.lo), a9.hi, v5.hi);
      acc10_5 = mac4(mac4(acc10_5, a10.lo, v5.lo), a10.hi, v5.hi);
      acc11_5 = mac4(mac4(acc11_5, a11.lo, v5.lo), a11.hi, v5.hi);
      acc12_5 = mac4(mac4(acc12_5, a12.lo, v5.lo), a12.hi, v5.hi);
      acc13_5 = mac4(mac4(acc13_5, a13.lo, v5.lo), a13.hi, v5.hi);
      acc14_5 = mac4(mac4(acc14_5, a14.lo, v5.lo), a14.hi, v5.hi);
      acc15_5 = mac4(mac4(acc15_5, a15.lo, v5.lo), a15.hi, v5.hi);
      let v6 = stagedW((6 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_6 = mac4(mac4(acc0_6, a0.lo, v6.lo), a0.hi, v6.hi);
      acc1_6 = mac4(mac4(acc1_6, a1.lo, v6.lo), a1.hi, v6.hi);
      acc2_6 = mac4(mac4(acc2_6, a2.lo, v6.lo), a2.hi, v6.hi);
      acc3_6 = mac4(mac4(acc3_6, a3.lo, v6.lo), a3.hi, v6.hi);
      acc4_6 = mac4(mac4(acc4_6, a4.lo, v6.lo), a4.hi, v6.hi);
      acc5_6 = mac4(mac4(acc5_6, a5.lo, v6.lo), a5.hi, v6.hi);
      acc6_6 = mac4(mac4(acc6_6, a6.lo, v6.lo), a6.hi, v6.hi);
      acc7_6 = mac4(mac4(acc7_6, a7.lo, v6.lo), a7.hi, v6.hi);
      acc8_6 = mac4(mac4(acc8_6, a8.lo, v6.lo), a8.hi, v6.hi);
      acc9_6 = mac4(mac4(acc9_6, a9.lo, v6.lo), a9.hi, v6.hi);
      acc10_6 = mac4(mac4(acc10_6, a10.lo, v6.lo), a10.hi, v6.hi);
      acc11_6 = mac4(mac4(acc11_6, a11.lo, v6.lo), a11.hi, v6.hi);
      acc12_6 = mac4(mac4(acc12_6, a12.lo, v6.lo), a12.hi, v6.hi);
      acc13_6 = mac4(mac4(acc13_6, a13.lo, v6.lo), a13.hi, v6.hi);
      acc14_6 = mac4(mac4(acc14_6, a14.lo, v6.lo), a14.hi, v6.hi);
      acc15_6 = mac4(mac4(acc15_6, a15.lo, v6.lo), a15.hi, v6.hi);
      let v7 = stagedW((7 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_7 = mac4(mac4(acc0_7, a0.lo, v7.lo), a0.hi, v7.hi);
      acc1_7 = mac4(mac4(acc1_7, a1.lo, v7.lo), a1.hi, v7.hi);
      acc2_7 = mac4(mac4(acc2_7, a2.lo, v7.lo), a2.hi, v7.hi);
      acc3_7 = mac4(mac4(acc3_7, a3.lo, v7.lo), a3.hi, v7.hi);
      acc4_7 = mac4(mac4(acc4_7, a4.lo, v7.lo), a4.hi, v7.hi);
      acc5_7 = mac4(mac4(acc5_7, a5.lo, v7.lo), a5.hi, v7.hi);
      acc6_7 = mac4(mac4(acc6_7, a6.lo, v7.lo), a6.hi, v7.hi);
      acc7_7 = mac4(mac4(acc7_7, a7.lo, v7.lo), a7.hi, v7.hi);
      acc8_7 = mac4(mac4(acc8_7, a8.lo, v7.lo), a8.hi, v7.hi);
      acc9_7 = mac4(mac4(acc9_7, a9.lo, v7.lo), a9.hi, v7.hi);
      acc10_7 = mac4(mac4(acc10_7, a10.lo, v7.lo), a10.hi, v7.hi);
      acc11_7 = mac4(mac4(acc11_7, a11.lo, v7.lo), a11.hi, v7.hi);
      acc12_7 = mac4(mac4(acc12_7, a12.lo, v7.lo), a12.hi, v7.hi);
      acc13_7 = mac4(mac4(acc13_7, a13.lo, v7.lo), a13.hi, v7.hi);
      acc14_7 = mac4(mac4(acc14_7, a14.lo, v7.lo), a14.hi, v7.hi);
      acc15_7 = mac4(mac4(acc15_7, a15.lo, v7.lo), a15.hi, v7.hi);
      let v8 = stagedW((8 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_8 = mac4(mac4(acc0_8, a0.lo, v8.lo), a0.hi, v8.hi);
      acc1_8 = mac4(mac4(acc1_8, a1.lo, v8.lo), a1.hi, v8.hi);
      acc2_8 = mac4(mac4(acc2_8, a2.lo, v8.lo), a2.hi, v8.hi);
      acc3_8 = mac4(mac4(acc3_8, a3.lo, v8.lo), a3.hi, v8.hi);
      acc4_8 = mac4(mac4(acc4_8, a4.lo, v8.lo), a4.hi, v8.hi);
      acc5_8 = mac4(mac4(acc5_8, a5.lo, v8.lo), a5.hi, v8.hi);
      acc6_8 = mac4(mac4(acc6_8, a6.lo, v8.lo), a6.hi, v8.hi);
      acc7_8 = mac4(mac4(acc7_8, a7.lo, v8.lo), a7.hi, v8.hi);
      acc8_8 = mac4(mac4(acc8_8, a8.lo, v8.lo), a8.hi, v8.hi);
      acc9_8 = mac4(mac4(acc9_8, a9.lo, v8.lo), a9.hi, v8.hi);
      acc10_8 = mac4(mac4(acc10_8, a10.lo, v8.lo), a10.hi, v8.hi);
      acc11_8 = mac4(mac4(acc11_8, a11.lo, v8.lo), a11.hi, v8.hi);
      acc12_8 = mac4(mac4(acc12_8, a12.lo, v8.lo), a12.hi, v8.hi);
      acc13_8 = mac4(mac4(acc13_8, a13.lo, v8.lo), a13.hi, v8.hi);
      acc14_8 = mac4(mac4(acc14_8, a14.lo, v8.lo), a14.hi, v8.hi);
      acc15_8 = mac4(mac4(acc15_8, a15.lo, v8.lo), a15.hi, v8.hi);
      let v9 = stagedW((9 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_9 = mac4(mac4(acc0_9, a0.lo, v9.lo), a0.hi, v9.hi);
      acc1_9 = mac4(mac4(acc1_9, a1.lo, v9.lo), a1.hi, v9.hi);
      acc2_9 = mac4(mac4(acc2_9, a2.lo, v9.lo), a2.hi, v9.hi);
      acc3_9 = mac4(mac4(acc3_9, a3.lo, v9.lo), a3.hi, v9.hi);
      acc4_9 = mac4(mac4(acc4_9, a4.lo, v9.lo), a4.hi, v9.hi);
      acc5_9 = mac4(mac4(acc5_9, a5.lo, v9.lo), a5.hi, v9.hi);
      acc6_9 = mac4(mac4(acc6_9, a6.lo, v9.lo), a6.hi, v9.hi);
      acc7_9 = mac4(mac4(acc7_9, a7.lo, v9.lo), a7.hi, v9.hi);
      acc8_9 = mac4(mac4(acc8_9, a8.lo, v9.lo), a8.hi, v9.hi);
      acc9_9 = mac4(mac4(acc9_9, a9.lo, v9.lo), a9.hi, v9.hi);
      acc10_9 = mac4(mac4(acc10_9, a10.lo, v9.lo), a10.hi, v9.hi);
      acc11_9 = mac4(mac4(acc11_9, a11.lo, v9.lo), a11.hi, v9.hi);
      acc12_9 = mac4(mac4(acc12_9, a12.lo, v9.lo), a12.hi, v9.hi);
      acc13_9 = mac4(mac4(acc13_9, a13.lo, v9.lo), a13.hi, v9.hi);
      acc14_9 = mac4(mac4(acc14_9, a14.lo, v9.lo), a14.hi, v9.hi);
      acc15_9 = mac4(mac4(acc15_9, a15.lo, v9.lo), a15.hi, v9.hi);
      let v10 = stagedW((10 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_10 = mac4(mac4(acc0_10, a0.lo, v10.lo), a0.hi, v10.hi);
      acc1_10 = mac4(mac4(acc1_10, a1.lo, v10.lo), a1.hi, v10.hi);
      acc2_10 = mac4(mac4(acc2_10, a2.lo, v10.lo), a2.hi, v10.hi);
      acc3_10 = mac4(mac4(acc3_10, a3.lo, v10.lo), a3.hi, v10.hi);
      acc4_10 = mac4(mac4(acc4_10, a4.lo, v10.lo), a4.hi, v10.hi);
      acc5_10 = mac4(mac4(acc5_10, a5.lo, v10.lo), a5.hi, v10.hi);
      acc6_10 = mac4(mac4(acc6_10, a6.lo, v10.lo), a6.hi, v10.hi);
      acc7_10 = mac4(mac4(acc7_10, a7.lo, v10.lo), a7.hi, v10.hi);
      acc8_10 = mac4(mac4(acc8_10, a8.lo, v10.lo), a8.hi, v10.hi);
      acc9_10 = mac4(mac4(acc9_10, a9.lo, v10.lo), a9.hi, v10.hi);
      acc10_10 = mac4(mac4(acc10_10, a10.lo, v10.lo), a10.hi, v10.hi);
      acc11_10 = mac4(mac4(acc11_10, a11.lo, v10.lo), a11.hi, v10.hi);
      acc12_10 = mac4(mac4(acc12_10, a12.lo, v10.lo), a12.hi, v10.hi);
      acc13_10 = mac4(mac4(acc13_10, a13.lo, v10.lo), a13.hi, v10.hi);
      acc14_10 = mac4(mac4(acc14_10, a14.lo, v10.lo), a14.hi, v10.hi);
      acc15_10 = mac4(mac4(acc15_10, a15.lo, v10.lo), a15.hi, v10.hi);
      let v11 = stagedW((11 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_11 = mac4(mac4(acc0_11, a0.lo, v11.lo), a0.hi, v11.hi);
      acc1_11 = mac4(mac4(acc1_11, a1.lo, v11.lo), a1.hi, v11.hi);
      acc2_11 = mac4(mac4(acc2_11, a2.lo, v11.lo), a2.hi, v11.hi);
      acc3_11 = mac4(mac4(acc3_11, a3.lo, v11.lo), a3.hi, v11.hi);
      acc4_11 = mac4(mac4(acc4_11, a4.lo, v11.lo), a4.hi, v11.hi);
      acc5_11 = mac4(mac4(acc5_11, a5.lo, v11.lo), a5.hi, v11.hi);
      acc6_11 = mac4(mac4(acc6_11, a6.lo, v11.lo), a6.hi, v11.hi);
      acc7_11 = mac4(mac4(acc7_11, a7.lo, v11.lo), a7.hi, v11.hi);
      acc8_11 = mac4(mac4(acc8_11, a8.lo, v11.lo), a8.hi, v11.hi);
      acc9_11 = mac4(mac4(acc9_11, a9.lo, v11.lo), a9.hi, v11.hi);
      acc10_11 = mac4(mac4(acc10_11, a10.lo, v11.lo), a10.hi, v11.hi);
      acc11_11 = mac4(mac4(acc11_11, a11.lo, v11.lo), a11.hi, v11.hi);
      acc12_11 = mac4(mac4(acc12_11, a12.lo, v11.lo), a12.hi, v11.hi);
      acc13_11 = mac4(mac4(acc13_11, a13.lo, v11.lo), a13.hi, v11.hi);
      acc14_11 = mac4(mac4(acc14_11, a14.lo, v11.lo), a14.hi, v11.hi);
      acc15_11 = mac4(mac4(acc15_11, a15.lo, v11.lo), a15.hi, v11.hi);
      let v12 = stagedW((12 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_12 = mac4(mac4(acc0_12, a0.lo, v12.lo), a0.hi, v12.hi);
      acc1_12 = mac4(mac4(acc1_12, a1.lo, v12.lo), a1.hi, v12.hi);
      acc2_12 = mac4(mac4(acc2_12, a2.lo, v12.lo), a2.hi, v12.hi);
      acc3_12 = mac4(mac4(acc3_12, a3.lo, v12.lo), a3.hi, v12.hi);
      acc4_12 = mac4(mac4(acc4_12, a4.lo, v12.lo), a4.hi, v12.hi);
      acc5_12 = mac4(mac4(acc5_12, a5.lo, v12.lo), a5.hi, v12.hi);
      acc6_12 = mac4(mac4(acc6_12, a6.lo, v12.lo), a6.hi, v12.hi);
      acc7_12 = mac4(mac4(acc7_12, a7.lo, v12.lo), a7.hi, v12.hi);
      acc8_12 = mac4(mac4(acc8_12, a8.lo, v12.lo), a8.hi, v12.hi);
      acc9_12 = mac4(mac4(acc9_12, a9.lo, v12.lo), a9.hi, v12.hi);
      acc10_12 = mac4(mac4(acc10_12, a10.lo, v12.lo), a10.hi, v12.hi);
      acc11_12 = mac4(mac4(acc11_12, a11.lo, v12.lo), a11.hi, v12.hi);
      acc12_12 = mac4(mac4(acc12_12, a12.lo, v12.lo), a12.hi, v12.hi);
      acc13_12 = mac4(mac4(acc13_12, a13.lo, v12.lo), a13.hi, v12.hi);
      acc14_12 = mac4(mac4(acc14_12, a14.lo, v12.lo), a14.hi, v12.hi);
      acc15_12 = mac4(mac4(acc15_12, a15.lo, v12.lo), a15.hi, v12.hi);
      let v13 = stagedW((13 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_13 = mac4(mac4(acc0_13, a0.lo, v13.lo), a0.hi, v13.hi);
      acc1_13 = mac4(mac4(acc1_13, a1.lo, v13.lo), a1.hi, v13.hi);
      acc2_13 = mac4(mac4(acc2_13, a2.lo, v13.lo), a2.hi, v13.hi);
      acc3_13 = mac4(mac4(acc3_13, a3.lo, v13.lo), a3.hi, v13.hi);
      acc4_13 = mac4(mac4(acc4_13, a4.lo, v13.lo), a4.hi, v13.hi);
      acc5_13 = mac4(mac4(acc5_13, a5.lo, v13.lo), a5.hi, v13.hi);
      acc6_13 = mac4(mac4(acc6_13, a6.lo, v13.lo), a6.hi, v13.hi);
      acc7_13 = mac4(mac4(acc7_13, a7.lo, v13.lo), a7.hi, v13.hi);
      acc8_13 = mac4(mac4(acc8_13, a8.lo, v13.lo), a8.hi, v13.hi);
      acc9_13 = mac4(mac4(acc9_13, a9.lo, v13.lo), a9.hi, v13.hi);
      acc10_13 = mac4(mac4(acc10_13, a10.lo, v13.lo), a10.hi, v13.hi);
      acc11_13 = mac4(mac4(acc11_13, a11.lo, v13.lo), a11.hi, v13.hi);
      acc12_13 = mac4(mac4(acc12_13, a12.lo, v13.lo), a12.hi, v13.hi);
      acc13_13 = mac4(mac4(acc13_13, a13.lo, v13.lo), a13.hi, v13.hi);
      acc14_13 = mac4(mac4(acc14_13, a14.lo, v13.lo), a14.hi, v13.hi);
      acc15_13 = mac4(mac4(acc15_13, a15.lo, v13.lo), a15.hi, v13.hi);
      let v14 = stagedW((14 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_14 = mac4(mac4(acc0_14, a0.lo, v14.lo), a0.hi, v14.hi);
      acc1_14 = mac4(mac4(acc1_14, a1.lo, v14.lo), a1.hi, v14.hi);
      acc2_14 = mac4(mac4(acc2_14, a2.lo, v14.lo), a2.hi, v14.hi);
      acc3_14 = mac4(mac4(acc3_14, a3.lo, v14.lo), a3.hi, v14.hi);
      acc4_14 = mac4(mac4(acc4_14, a4.lo, v14.lo), a4.hi, v14.hi);
      acc5_14 = mac4(mac4(acc5_14, a5.lo, v14.lo), a5.hi, v14.hi);
      acc6_14 = mac4(mac4(acc6_14, a6.lo, v14.lo), a6.hi, v14.hi);
      acc7_14 = mac4(mac4(acc7_14, a7.lo, v14.lo), a7.hi, v14.hi);
      acc8_14 = mac4(mac4(acc8_14, a8.lo, v14.lo), a8.hi, v14.hi);
      acc9_14 = mac4(mac4(acc9_14, a9.lo, v14.lo), a9.hi, v14.hi);
      acc10_14 = mac4(mac4(acc10_14, a10.lo, v14.lo), a10.hi, v14.hi);
      acc11_14 = mac4(mac4(acc11_14, a11.lo, v14.lo), a11.hi, v14.hi);
      acc12_14 = mac4(mac4(acc12_14, a12.lo, v14.lo), a12.hi, v14.hi);
      acc13_14 = mac4(mac4(acc13_14, a13.lo, v14.lo), a13.hi, v14.hi);
      acc14_14 = mac4(mac4(acc14_14, a14.lo, v14.lo), a14.hi, v14.hi);
      acc15_14 = mac4(mac4(acc15_14, a15.lo, v14.lo), a15.hi, v14.hi);
      let v15 = stagedW((15 * LANES + local.x) * W_PITCH + q * W_VECTORS);
      acc0_15 = mac4(mac4(acc0_15, a0.lo, v15.lo), a0.hi, v15.hi);
      acc1_15 = mac4(mac4(acc1_15, a1.lo, v15.lo), a1.hi, v15.hi);
      acc2_15 = mac4(mac4(acc2_15, a2.lo, v15.lo), a2.hi, v15.hi);
      acc3_15 = mac4(mac4(acc3_15, a3.lo, v15.lo), a3.hi, v15.hi);
      acc4_15 = mac4(mac4(acc4_15, a4.lo, v15.lo), a4.hi, v15.hi);
      acc5_15 = mac4(mac4(acc5_15, a5.lo, v15.lo), a5.hi, v15.hi);
      acc6_15 = mac4(mac4(acc6_15, a6.lo, v15.lo), a6.hi, v15.hi);
      acc7_15 = mac4(mac4(acc7_15, a7.lo, v15.lo), a7.hi, v15.hi);
      acc8_15 = mac4(mac4(acc8_15, a8.lo, v15.lo), a8.hi, v15.hi);
      acc9_15 = mac4(mac4(acc9_15, a9.lo, v15.lo), a9.hi, v15.hi);
      acc10_15 = mac4(mac4(acc10_15, a10.lo, v15.lo), a10.hi, v15.hi);
      acc11_15 = mac4(mac4(acc11_15, a11.lo, v15.lo), a11.hi, v15.hi);
      acc12_15 = mac4(mac4(acc12_15, a12.lo, v15.lo), a12.hi, v15.hi);
      acc13_15 = mac4(mac4(acc13_15, a13.lo, v15.lo), a13.hi, v15.hi);
      acc14_15 = mac4(mac4(acc14_15, a14.lo, v15.lo), a14.hi, v15.hi);
      acc15_15 = mac4(mac4(acc15_15, a15.lo, v15.lo), a15.hi, v15.hi);
    }
    workgroupBarrier();
  }

  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  var shift0 = 0.0;
  if (s.hasBias == 1u) { shift0 = bias[c0]; }
  var factor0 = s.scale;
  var shift1 = 0.0;
  if (s.hasBias == 1u) { shift1 = bias[c1]; }
  var factor1 = s.scale;
  var shift2 = 0.0;
  if (s.hasBias == 1u) { shift2 = bias[c2]; }
  var factor2 = s.scale;
  var shift3 = 0.0;
  if (s.hasBias == 1u) { shift3 = bias[c3]; }
  var factor3 = s.scale;
  var shift4 = 0.0;
  if (s.hasBias == 1u) { shift4 = bias[c4]; }
  var factor4 = s.scale;
  var shift5 = 0.0;
  if (s.hasBias == 1u) { shift5 = bias[c5]; }
  var factor5 = s.scale;
  var shift6 = 0.0;
  if (s.hasBias == 1u) { shift6 = bias[c6]; }
  var factor6 = s.scale;
  var shift7 = 0.0;
  if (s.hasBias == 1u) { shift7 = bias[c7]; }
  var factor7 = s.scale;
  var shift8 = 0.0;
  if (s.hasBias == 1u) { shift8 = bias[c8]; }
  var factor8 = s.scale;
  var shift9 = 0.0;
  if (s.hasBias == 1u) { shift9 = bias[c9]; }
  var factor9 = s.scale;
  var shift10 = 0.0;
  if (s.hasBias == 1u) { shift10 = bias[c10]; }
  var factor10 = s.scale;
  var shift11 = 0.0;
  if (s.hasBias == 1u) { shift11 = bias[c11]; }
  var factor11 = s.scale;
  var shift12 = 0.0;
  if (s.hasBias == 1u) { shift12 = bias[c12]; }
  var factor12 = s.scale;
  var shift13 = 0.0;
  if (s.hasBias == 1u) { shift13 = bias[c13]; }
  var factor13 = s.scale;
  var shift14 = 0.0;
  if (s.hasBias == 1u) { shift14 = bias[c14]; }
  var factor14 = s.scale;
  var shift15 = 0.0;
  if (s.hasBias == 1u) { shift15 = bias[c15]; }
  var factor15 = s.scale;
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      factor0 = s.scale * gate[g + c0];
      factor1 = s.scale * gate[g + c1];
      factor2 = s.scale * gate[g + c2];
      factor3 = s.scale * gate[g + c3];
      factor4 = s.scale * gate[g + c4];
      factor5 = s.scale * gate[g + c5];
      factor6 = s.scale * gate[g + c6];
      factor7 = s.scale * gate[g + c7];
      factor8 = s.scale * gate[g + c8];
      factor9 = s.scale * gate[g + c9];
      factor10 = s.scale * gate[g + c10];
      factor11 = s.scale * gate[g + c11];
      factor12 = s.scale * gate[g + c12];
      factor13 = s.scale * gate[g + c13];
      factor14 = s.scale * gate[g + c14];
      factor15 = s.scale * gate[g + c15];
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    var sum0 = acc0_0;
    sum0 = select(sum0, acc0_0, i == 0);
    sum0 = select(sum0, acc1_0, i == 1);
    sum0 = select(sum0, acc2_0, i == 2);
    sum0 = select(sum0, acc3_0, i == 3);
    sum0 = select(sum0, acc4_0, i == 4);
    sum0 = select(sum0, acc5_0, i == 5);
    sum0 = select(sum0, acc6_0, i == 6);
    sum0 = select(sum0, acc7_0, i == 7);
    sum0 = select(sum0, acc8_0, i == 8);
    sum0 = select(sum0, acc9_0, i == 9);
    sum0 = select(sum0, acc10_0, i == 10);
    sum0 = select(sum0, acc11_0, i == 11);
    sum0 = select(sum0, acc12_0, i == 12);
    sum0 = select(sum0, acc13_0, i == 13);
    sum0 = select(sum0, acc14_0, i == 14);
    sum0 = select(sum0, acc15_0, i == 15);
    if (n0 + 0 < s.nEnd) { store(sum0, shift0, factor0, r + c0, y + c0); }
    var sum1 = acc0_1;
    sum1 = select(sum1, acc0_1, i == 0);
    sum1 = select(sum1, acc1_1, i == 1);
    sum1 = select(sum1, acc2_1, i == 2);
    sum1 = select(sum1, acc3_1, i == 3);
    sum1 = select(sum1, acc4_1, i == 4);
    sum1 = select(sum1, acc5_1, i == 5);
    sum1 = select(sum1, acc6_1, i == 6);
    sum1 = select(sum1, acc7_1, i == 7);
    sum1 = select(sum1, acc8_1, i == 8);
    sum1 = select(sum1, acc9_1, i == 9);
    sum1 = select(sum1, acc10_1, i == 10);
    sum1 = select(sum1, acc11_1, i == 11);
    sum1 = select(sum1, acc12_1, i == 12);
    sum1 = select(sum1, acc13_1, i == 13);
    sum1 = select(sum1, acc14_1, i == 14);
    sum1 = select(sum1, acc15_1, i == 15);
    if (n0 + 1 < s.nEnd) { store(sum1, shift1, factor1, r + c1, y + c1); }
    var sum2 = acc0_2;
    sum2 = select(sum2, acc0_2, i == 0);
    sum2 = select(sum2, acc1_2, i == 1);
    sum2 = select(sum2, acc2_2, i == 2);
    sum2 = select(sum2, acc3_2, i == 3);
    sum2 = select(sum2, acc4_2, i == 4);
    sum2 = select(sum2, acc5_2, i == 5);
    sum2 = select(sum2, acc6_2, i == 6);
    sum2 = select(sum2, acc7_2, i == 7);
    sum2 = select(sum2, acc8_2, i == 8);
    sum2 = select(sum2, acc9_2, i == 9);
    sum2 = select(sum2, acc10_2, i == 10);
    sum2 = select(sum2, acc11_2, i == 11);
    sum2 = select(sum2, acc12_2, i == 12);
    sum2 = select(sum2, acc13_2, i == 13);
    sum2 = select(sum2, acc14_2, i == 14);
    sum2 = select(sum2, acc15_2, i == 15);
    if (n0 + 2 < s.nEnd) { store(sum2, shift2, factor2, r + c2, y + c2); }
    var sum3 = acc0_3;
    sum3 = select(sum3, acc0_3, i == 0);
    sum3 = select(sum3, acc1_3, i == 1);
    sum3 = select(sum3, acc2_3, i == 2);
    sum3 = select(sum3, acc3_3, i == 3);
    sum3 = select(sum3, acc4_3, i == 4);
    sum3 = select(sum3, acc5_3, i == 5);
    sum3 = select(sum3, acc6_3, i == 6);
    sum3 = select(sum3, acc7_3, i == 7);
    sum3 = select(sum3, acc8_3, i == 8);
    sum3 = select(sum3, acc9_3, i == 9);
    sum3 = select(sum3, acc10_3, i == 10);
    sum3 = select(sum3, acc11_3, i == 11);
    sum3 = select(sum3, acc12_3, i == 12);
    sum3 = select(sum3, acc13_3, i == 13);
    sum3 = select(sum3, acc14_3, i == 14);
    sum3 = select(sum3, acc15_3, i == 15);
    if (n0 + 3 < s.nEnd) { store(sum3, shift3, factor3, r + c3, y + c3); }
    var sum4 = acc0_4;
    sum4 = select(sum4, acc0_4, i == 0);
    sum4 = select(sum4, acc1_4, i == 1);
    sum4 = select(sum4, acc2_4, i == 2);
    sum4 = select(sum4, acc3_4, i == 3);
    sum4 = select(sum4, acc4_4, i == 4);
    sum4 = select(sum4, acc5_4, i == 5);
    sum4 = select(sum4, acc6_4, i == 6);
    sum4 = select(sum4, acc7_4, i == 7);
    sum4 = select(sum4, acc8_4, i == 8);
    sum4 = select(sum4, acc9_4, i == 9);
    sum4 = select(sum4, acc10_4, i == 10);
    sum4 = select(sum4, acc11_4, i == 11);
    sum4 = select(sum4, acc12_4, i == 12);
    sum4 = select(sum4, acc13_4, i == 13);
    sum4 = select(sum4, acc14_4, i == 14);
    sum4 = select(sum4, acc15_4, i == 15);
    if (n0 + 4 < s.nEnd) { store(sum4, shift4, factor4, r + c4, y + c4); }
    var sum5 = acc0_5;
    sum5 = select(sum5, acc0_5, i == 0);
    sum5 = select(sum5, acc1_5, i == 1);
    sum5 = select(sum5, acc2_5, i == 2);
    sum5 = select(sum5, acc3_5, i == 3);
    sum5 = select(sum5, acc4_5, i == 4);
    sum5 = select(sum5, acc5_5, i == 5);
    sum5 = select(sum5, acc6_5, i == 6);
    sum5 = select(sum5, acc7_5, i == 7);
    sum5 = select(sum5, acc8_5, i == 8);
    sum5 = select(sum5, acc9_5, i == 9);
    sum5 = select(sum5, acc10_5, i == 10);
    sum5 = select(sum5, acc11_5, i == 11);
    sum5 = select(sum5, acc12_5, i == 12);
    sum5 = select(sum5, acc13_5, i == 13);
    sum5 = select(sum5, acc14_5, i == 14);
    sum5 = select(sum5, acc15_5, i == 15);
    if (n0 + 5 < s.nEnd) { store(sum5, shift5, factor5, r + c5, y + c5); }
    var sum6 = acc0_6;
    sum6 = select(sum6, acc0_6, i == 0);
    sum6 = select(sum6, acc1_6, i == 1);
    sum6 = select(sum6, acc2_6, i == 2);
    sum6 = select(sum6, acc3_6, i == 3);
    sum6 = select(sum6, acc4_6, i == 4);
    sum6 = select(sum6, acc5_6, i == 5);
    sum6 = select(sum6, acc6_6, i == 6);
    sum6 = select(sum6, acc7_6, i == 7);
    sum6 = select(sum6, acc8_6, i == 8);
    sum6 = select(sum6, acc9_6, i == 9);
    sum6 = select(sum6, acc10_6, i == 10);
    sum6 = select(sum6, acc11_6, i == 11);
    sum6 = select(sum6, acc12_6, i == 12);
    sum6 = select(sum6, acc13_6, i == 13);
    sum6 = select(sum6, acc14_6, i == 14);
    sum6 = select(sum6, acc15_6, i == 15);
    if (n0 + 6 < s.nEnd) { store(sum6, shift6, factor6, r + c6, y + c6); }
    var sum7 = acc0_7;
    sum7 = select(sum7, acc0_7, i == 0);
    sum7 = select(sum7, acc1_7, i == 1);
    sum7 = select(sum7, acc2_7, i == 2);
    sum7 = select(sum7, acc3_7, i == 3);
    sum7 = select(sum7, acc4_7, i == 4);
    sum7 = select(sum7, acc5_7, i == 5);
    sum7 = select(sum7, acc6_7, i == 6);
    sum7 = select(sum7, acc7_7, i == 7);
    sum7 = select(sum7, acc8_7, i == 8);
    sum7 = select(sum7, acc9_7, i == 9);
    sum7 = select(sum7, acc10_7, i == 10);
    sum7 = select(sum7, acc11_7, i == 11);
    sum7 = select(sum7, acc12_7, i == 12);
    sum7 = select(sum7, acc13_7, i == 13);
    sum7 = select(sum7, acc14_7, i == 14);
    sum7 = select(sum7, acc15_7, i == 15);
    if (n0 + 7 < s.nEnd) { store(sum7, shift7, factor7, r + c7, y + c7); }
    var sum8 = acc0_8;
    sum8 = select(sum8, acc0_8, i == 0);
    sum8 = select(sum8, acc1_8, i == 1);
    sum8 = select(sum8, acc2_8, i == 2);
    sum8 = select(sum8, acc3_8, i == 3);
    sum8 = select(sum8, acc4_8, i == 4);
    sum8 = select(sum8, acc5_8, i == 5);
    sum8 = select(sum8, acc6_8, i == 6);
    sum8 = select(sum8, acc7_8, i == 7);
    sum8 = select(sum8, acc8_8, i == 8);
    sum8 = select(sum8, acc9_8, i == 9);
    sum8 = select(sum8, acc10_8, i == 10);
    sum8 = select(sum8, acc11_8, i == 11);
    sum8 = select(sum8, acc12_8, i == 12);
    sum8 = select(sum8, acc13_8, i == 13);
    sum8 = select(sum8, acc14_8, i == 14);
    sum8 = select(sum8, acc15_8, i == 15);
    if (n0 + 8 < s.nEnd) { store(sum8, shift8, factor8, r + c8, y + c8); }
    var sum9 = acc0_9;
    sum9 = select(sum9, acc0_9, i == 0);
    sum9 = select(sum9, acc1_9, i == 1);
    sum9 = select(sum9, acc2_9, i == 2);
    sum9 = select(sum9, acc3_9, i == 3);
    sum9 = select(sum9, acc4_9, i == 4);
    sum9 = select(sum9, acc5_9, i == 5);
    sum9 = select(sum9, acc6_9, i == 6);
    sum9 = select(sum9, acc7_9, i == 7);
    sum9 = select(sum9, acc8_9, i == 8);
    sum9 = select(sum9, acc9_9, i == 9);
    sum9 = select(sum9, acc10_9, i == 10);
    sum9 = select(sum9, acc11_9, i == 11);
    sum9 = select(sum9, acc12_9, i == 12);
    sum9 = select(sum9, acc13_9, i == 13);
    sum9 = select(sum9, acc14_9, i == 14);
    sum9 = select(sum9, acc15_9, i == 15);
    if (n0 + 9 < s.nEnd) { store(sum9, shift9, factor9, r + c9, y + c9); }
    var sum10 = acc0_10;
    sum10 = select(sum10, acc0_10, i == 0);
    sum10 = select(sum10, acc1_10, i == 1);
    sum10 = select(sum10, acc2_10, i == 2);
    sum10 = select(sum10, acc3_10, i == 3);
    sum10 = select(sum10, acc4_10, i == 4);
    sum10 = select(sum10, acc5_10, i == 5);
    sum10 = select(sum10, acc6_10, i == 6);
    sum10 = select(sum10, acc7_10, i == 7);
    sum10 = select(sum10, acc8_10, i == 8);
    sum10 = select(sum10, acc9_10, i == 9);
    sum10 = select(sum10, acc10_10, i == 10);
    sum10 = select(sum10, acc11_10, i == 11);
    sum10 = select(sum10, acc12_10, i == 12);
    sum10 = select(sum10, acc13_10, i == 13);
    sum10 = select(sum10, acc14_10, i == 14);
    sum10 = select(sum10, acc15_10, i == 15);
    if (n0 + 10 < s.nEnd) { store(sum10, shift10, factor10, r + c10, y + c10); }
    var sum11 = acc0_11;
    sum11 = select(sum11, acc0_11, i == 0);
    sum11 = select(sum11, acc1_11, i == 1);
    sum11 = select(sum11, acc2_11, i == 2);
    sum11 = select(sum11, acc3_11, i == 3);
    sum11 = select(sum11, acc4_11, i == 4);
    sum11 = select(sum11, acc5_11, i == 5);
    sum11 = select(sum11, acc6_11, i == 6);
    sum11 = select(sum11, acc7_11, i == 7);
    sum11 = select(sum11, acc8_11, i == 8);
    sum11 = select(sum11, acc9_11, i == 9);
    sum11 = select(sum11, acc10_11, i == 10);
    sum11 = select(sum11, acc11_11, i == 11);
    sum11 = select(sum11, acc12_11, i == 12);
    sum11 = select(sum11, acc13_11, i == 13);
    sum11 = select(sum11, acc14_11, i == 14);
    sum11 = select(sum11, acc15_11, i == 15);
    if (n0 + 11 < s.nEnd) { store(sum11, shift11, factor11, r + c11, y + c11); }
    var sum12 = acc0_12;
    sum12 = select(sum12, acc0_12, i == 0);
    sum12 = select(sum12, acc1_12, i == 1);
    sum12 = select(sum12, acc2_12, i == 2);
    sum12 = select(sum12, acc3_12, i == 3);
    sum12 = select(sum12, acc4_12, i == 4);
    sum12 = select(sum12, acc5_12, i == 5);
    sum12 = select(sum12, acc6_12, i == 6);
    sum12 = select(sum12, acc7_12, i == 7);
    sum12 = select(sum12, acc8_12, i == 8);
    sum12 = select(sum12, acc9_12, i == 9);
    sum12 = select(sum12, acc10_12, i == 10);
    sum12 = select(sum12, acc11_12, i == 11);
    sum12 = select(sum12, acc12_12, i == 12);
    sum12 = select(sum12, acc13_12, i == 13);
    sum12 = select(sum12, acc14_12, i == 14);
    sum12 = select(sum12, acc15_12, i == 15);
    if (n0 + 12 < s.nEnd) { store(sum12, shift12, factor12, r + c12, y + c12); }
    var sum13 = acc0_13;
    sum13 = select(sum13, acc0_13, i == 0);
    sum13 = select(sum13, acc1_13, i == 1);
    sum13 = select(sum13, acc2_13, i == 2);
    sum13 = select(sum13, acc3_13, i == 3);
    sum13 = select(sum13, acc4_13, i == 4);
    sum13 = select(sum13, acc5_13, i == 5);
    sum13 = select(sum13, acc6_13, i == 6);
    sum13 = select(sum13, acc7_13, i == 7);
    sum13 = select(sum13, acc8_13, i == 8);
    sum13 = select(sum13, acc9_13, i == 9);
    sum13 = select(sum13, acc10_13, i == 10);
    sum13 = select(sum13, acc11_13, i == 11);
    sum13 = select(sum13, acc12_13, i == 12);
    sum13 = select(sum13, acc13_13, i == 13);
    sum13 = select(sum13, acc14_13, i == 14);
    sum13 = select(sum13, acc15_13, i == 15);
    if (n0 + 13 < s.nEnd) { store(sum13, shift13, factor13, r + c13, y + c13); }
    var sum14 = acc0_14;
    sum14 = select(sum14, acc0_14, i == 0);
    sum14 = select(sum14, acc1_14, i == 1);
    sum14 = select(sum14, acc2_14, i == 2);
    sum14 = select(sum14, acc3_14, i == 3);
    sum14 = select(sum14, acc4_14, i == 4);
    sum14 = select(sum14, acc5_14, i == 5);
    sum14 = select(sum14, acc6_14, i == 6);
    sum14 = select(sum14, acc7_14, i == 7);
    sum14 = select(sum14, acc8_14, i == 8);
    sum14 = select(sum14, acc9_14, i == 9);
    sum14 = select(sum14, acc10_14, i == 10);
    sum14 = select(sum14, acc11_14, i == 11);
    sum14 = select(sum14, acc12_14, i == 12);
    sum14 = select(sum14, acc13_14, i == 13);
    sum14 = select(sum14, acc14_14, i == 14);
    sum14 = select(sum14, acc15_14, i == 15);
    if (n0 + 14 < s.nEnd) { store(sum14, shift14, factor14, r + c14, y + c14); }
    var sum15 = acc0_15;
    sum15 = select(sum15, acc0_15, i == 0);
    sum15 = select(sum15, acc1_15, i == 1);
    sum15 = select(sum15, acc2_15, i == 2);
    sum15 = select(sum15, acc3_15, i == 3);
    sum15 = select(sum15, acc4_15, i == 4);
    sum15 = select(sum15, acc5_15, i == 5);
    sum15 = select(sum15, acc6_15, i == 6);
    sum15 = select(sum15, acc7_15, i == 7);
    sum15 = select(sum15, acc8_15, i == 8);
    sum15 = select(sum15, acc9_15, i == 9);
    sum15 = select(sum15, acc10_15, i == 10);
    sum15 = select(sum15, acc11_15, i == 11);
    sum15 = select(sum15, acc12_15, i == 12);
    sum15 = select(sum15, acc13_15, i == 13);
    sum15 = select(sum15, acc14_15, i == 14);
    sum15 = select(sum15, acc15_15, i == 15);
    if (n0 + 15 < s.nEnd) { store(sum15, shift15, factor15, r + c15, y + c15); }
  }
}
`,
  "matmul@RM=1,RN=8,TEXELS=0,TILED=0,SPLIT=1,SUBGROUPS=0": `const RM: u32 = 1u;
const RN: u32 = 8u;
const TEXELS: u32 = 0u;
const TILED: u32 = 0u;
const SPLIT: u32 = 1u;
const SUBGROUPS: u32 = 0u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }
fn wBits(at: u32) -> vec4u { return W[at]; }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}


const LANES = 64u;
var<workgroup> partial: array<f32, LANES * RN>;
/// Sums of each column over all lanes, left in the first RN elements of partial.
fn gather(lane: u32, size: u32) {
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    for (var at = lane; at < half * RN; at += LANES) { partial[at] += partial[at + half * RN]; }
    workgroupBarrier();
  }
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // Tiles of a band of rows follow each other along x; y folds what exceeds 65 535 workgroups.
  let tile = group.y * s.fold + group.x;
  let across = (s.nEnd - s.n0 + RN - 1u) / RN;
  let m0 = s.m0 + tile / across;   // WX and WY are 1: a workgroup makes what else an invocation makes
  let n0 = s.n0 + (tile % across) * RN;
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  let c4 = min(n0 + 4, s.nEnd - 1u);
  let w4 = c4 * s.stride8 - s.wBase8;
  let c5 = min(n0 + 5, s.nEnd - 1u);
  let w5 = c5 * s.stride8 - s.wBase8;
  let c6 = min(n0 + 6, s.nEnd - 1u);
  let w6 = c6 * s.stride8 - s.wBase8;
  let c7 = min(n0 + 7, s.nEnd - 1u);
  let w7 = c7 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc0_4 = 0.0;
  var acc0_5 = 0.0;
  var acc0_6 = 0.0;
  var acc0_7 = 0.0;

  for (var k = lane; k < s.K8; k += LANES) {
    let a = loadX(x0 + k);
    let v0 = loadW(w0 + k);
    acc0_0 = mac4(mac4(acc0_0, a.lo, v0.lo), a.hi, v0.hi);
    let v1 = loadW(w1 + k);
    acc0_1 = mac4(mac4(acc0_1, a.lo, v1.lo), a.hi, v1.hi);
    let v2 = loadW(w2 + k);
    acc0_2 = mac4(mac4(acc0_2, a.lo, v2.lo), a.hi, v2.hi);
    let v3 = loadW(w3 + k);
    acc0_3 = mac4(mac4(acc0_3, a.lo, v3.lo), a.hi, v3.hi);
    let v4 = loadW(w4 + k);
    acc0_4 = mac4(mac4(acc0_4, a.lo, v4.lo), a.hi, v4.hi);
    let v5 = loadW(w5 + k);
    acc0_5 = mac4(mac4(acc0_5, a.lo, v5.lo), a.hi, v5.hi);
    let v6 = loadW(w6 + k);
    acc0_6 = mac4(mac4(acc0_6, a.lo, v6.lo), a.hi, v6.hi);
    let v7 = loadW(w7 + k);
    acc0_7 = mac4(mac4(acc0_7, a.lo, v7.lo), a.hi, v7.hi);
  }
  let size = 0u;
  partial[lane * RN + 0] = acc0_0;
  partial[lane * RN + 1] = acc0_1;
  partial[lane * RN + 2] = acc0_2;
  partial[lane * RN + 3] = acc0_3;
  partial[lane * RN + 4] = acc0_4;
  partial[lane * RN + 5] = acc0_5;
  partial[lane * RN + 6] = acc0_6;
  partial[lane * RN + 7] = acc0_7;
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
  "matmul@RM=1,RN=8,TEXELS=0,TILED=0,SPLIT=1,SUBGROUPS=1": `const RM: u32 = 1u;
const RN: u32 = 8u;
const TEXELS: u32 = 0u;
const TILED: u32 = 0u;
const SPLIT: u32 = 1u;
const SUBGROUPS: u32 = 1u;
// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list: some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup of 8 × 8 or 16 × 16 stages tiles of 64 or 128 rows in workgroup memory, as GPUs like it


override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
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
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }
fn wBits(at: u32) -> vec4u { return W[at]; }
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(Eight(bitcast<vec4f>(xBits(at * 2u)), bitcast<vec4f>(xBits(at * 2u + 1u)))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

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
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}


const LANES = 64u;
var<workgroup> partial: array<f32, LANES * RN>;
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

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_size) size: u32,
) {
  // Tiles of a band of rows follow each other along x; y folds what exceeds 65 535 workgroups.
  let tile = group.y * s.fold + group.x;
  let across = (s.nEnd - s.n0 + RN - 1u) / RN;
  let m0 = s.m0 + tile / across;   // WX and WY are 1: a workgroup makes what else an invocation makes
  let n0 = s.n0 + (tile % across) * RN;
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }

  // Rows and columns beyond the edge read the last one again and are not stored.
  let r0 = min(m0 + 0, s.mEnd - 1u);
  let b0 = r0 / s.S;
  let x0 = (b0 * s.xN + s.xAt + r0 - b0 * s.S) * s.K8 - s.xBase8;
  let c0 = min(n0 + 0, s.nEnd - 1u);
  let w0 = c0 * s.stride8 - s.wBase8;
  let c1 = min(n0 + 1, s.nEnd - 1u);
  let w1 = c1 * s.stride8 - s.wBase8;
  let c2 = min(n0 + 2, s.nEnd - 1u);
  let w2 = c2 * s.stride8 - s.wBase8;
  let c3 = min(n0 + 3, s.nEnd - 1u);
  let w3 = c3 * s.stride8 - s.wBase8;
  let c4 = min(n0 + 4, s.nEnd - 1u);
  let w4 = c4 * s.stride8 - s.wBase8;
  let c5 = min(n0 + 5, s.nEnd - 1u);
  let w5 = c5 * s.stride8 - s.wBase8;
  let c6 = min(n0 + 6, s.nEnd - 1u);
  let w6 = c6 * s.stride8 - s.wBase8;
  let c7 = min(n0 + 7, s.nEnd - 1u);
  let w7 = c7 * s.stride8 - s.wBase8;
  var acc0_0 = 0.0;
  var acc0_1 = 0.0;
  var acc0_2 = 0.0;
  var acc0_3 = 0.0;
  var acc0_4 = 0.0;
  var acc0_5 = 0.0;
  var acc0_6 = 0.0;
  var acc0_7 = 0.0;

  for (var k = lane; k < s.K8; k += LANES) {
    let a = loadX(x0 + k);
    let v0 = loadW(w0 + k);
    acc0_0 = mac4(mac4(acc0_0, a.lo, v0.lo), a.hi, v0.hi);
    let v1 = loadW(w1 + k);
    acc0_1 = mac4(mac4(acc0_1, a.lo, v1.lo), a.hi, v1.hi);
    let v2 = loadW(w2 + k);
    acc0_2 = mac4(mac4(acc0_2, a.lo, v2.lo), a.hi, v2.hi);
    let v3 = loadW(w3 + k);
    acc0_3 = mac4(mac4(acc0_3, a.lo, v3.lo), a.hi, v3.hi);
    let v4 = loadW(w4 + k);
    acc0_4 = mac4(mac4(acc0_4, a.lo, v4.lo), a.hi, v4.hi);
    let v5 = loadW(w5 + k);
    acc0_5 = mac4(mac4(acc0_5, a.lo, v5.lo), a.hi, v5.hi);
    let v6 = loadW(w6 + k);
    acc0_6 = mac4(mac4(acc0_6, a.lo, v6.lo), a.hi, v6.hi);
    let v7 = loadW(w7 + k);
    acc0_7 = mac4(mac4(acc0_7, a.lo, v7.lo), a.hi, v7.hi);
  }
  // Subgroups are runs of \`size\` neighbours, as every implementation lays a one-dimensional workgroup out.
  acc0_0 = subgroupAdd(acc0_0);
  acc0_1 = subgroupAdd(acc0_1);
  acc0_2 = subgroupAdd(acc0_2);
  acc0_3 = subgroupAdd(acc0_3);
  acc0_4 = subgroupAdd(acc0_4);
  acc0_5 = subgroupAdd(acc0_5);
  acc0_6 = subgroupAdd(acc0_6);
  acc0_7 = subgroupAdd(acc0_7);
  partial[lane * RN + 0] = acc0_0;
  partial[lane * RN + 1] = acc0_1;
  partial[lane * RN + 2] = acc0_2;
  partial[lane * RN + 3] = acc0_3;
  partial[lane * RN + 4] = acc0_4;
  partial[lane * RN + 5] = acc0_5;
  partial[lane * RN + 6] = acc0_6;
  partial[lane * RN + 7] = acc0_7;
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
  "norm@SUBGROUPS=0": `const SUBGROUPS: u32 = 0u;
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

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(2) var<storage, read>       weight: array<f32>;
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       modulation: array<f32>;
@group(0) @binding(5) var<storage, read_write> Y: array<yElem>;

var<workgroup> partial: array<f32, WG>;

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

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
) {
  let size = 0u;
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
  let inv = inverseSqrt(sum(q, lane, size) / f32(s.D) + EPS);

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
  "norm@SUBGROUPS=1": `const SUBGROUPS: u32 = 1u;
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

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(2) var<storage, read>       weight: array<f32>;
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       modulation: array<f32>;
@group(0) @binding(5) var<storage, read_write> Y: array<yElem>;

var<workgroup> partial: array<f32, WG>;

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

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_size) size: u32,
) {
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
  let inv = inverseSqrt(sum(q, lane, size) / f32(s.D) + EPS);

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
  let inv = inverseSqrt(dot(q, one) / f32(s.D) + EPS);

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
  "pointwise": `// pointwise.wgsl — Y = f(A, B) element by element, f32 or f16 in and out.
//
//   OP 0  activation of A            OP 3  A[.., 0:C] · gelu(A[.., C:2C])   (GEGLU)
//   OP 1  A + B                      OP 4  A and B side by side in the channels
//   OP 6  A · B                      OP 7  c0·A + c1
//   OP 9  A[.., 0:C] of A[.., Cb]
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
    case 5u: { return max(x, 0.0); }
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
      v = clamp(v, -s.clip, s.clip);
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
    case 8u: {
      let at = (i / s.C) * 2u * s.C + i % s.C;
      v = f32(A[at]) + exp(0.5 * clamp(f32(A[at + s.C]), -30.0, 20.0)) * f32(B[i]);
    }
    default: { v = tanh(clamp(f32(A[i]) / 3.0, -10.0, 10.0)) * 3.0; }
  }
  Y[y] = yElem(v);
}
`,
  "qk_norm_rope": `// qk_norm_rope.wgsl — queries and keys of a joint sequence RMS-normed per head and rotated, in place.
//
//   Y           [B, N, 3·D]    pair = vec2 of elem: q, k, v side by side; D = heads · d; v is left alone
//   norm…       [d / 2] pairs  f32 weights of query and key norms; the first \`head\` rows of a sample (text) have their own
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
  "scale_shift@V=1,TEXELS=0": `const V: u32 = 1u;
const TEXELS: u32 = 0u;
// scale_shift.wgsl — Y = act(X · scale[b, c] + shift[b, c]): the second half of a group norm.
//
//   X [B·P, C] xElem, Y [B·P, C] yElem, bound from pixels xBase and yBase on; S [B, C] of (scale, shift), f32.
//   One invocation four channels (V = 1, C a multiple of 4) or one, from pixel \`first\` on; folded over x and y.


override WG: u32 = 64u;
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override ACT: u32 = 0u;   // as in matmul.wgsl: 0 none, 1 silu

struct Shape { count: u32, C: u32, P: u32, fold: u32, first: u32, xBase: u32, yBase: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(2) var<storage, read>       S: array<vec2f>;
fn pair(c: u32) -> vec2f { return S[c]; }
@group(0) @binding(3) var<storage, read_write> Y: array<vec4<yElem>>;
@group(0) @binding(1) var<storage, read>       X: array<vec4<xElem>>;
fn xFour(at: u32) -> vec4f { return vec4f(X[at]); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
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
}
`,
  "scale_shift@V=0,TEXELS=0": `const V: u32 = 0u;
const TEXELS: u32 = 0u;
// scale_shift.wgsl — Y = act(X · scale[b, c] + shift[b, c]): the second half of a group norm.
//
//   X [B·P, C] xElem, Y [B·P, C] yElem, bound from pixels xBase and yBase on; S [B, C] of (scale, shift), f32.
//   One invocation four channels (V = 1, C a multiple of 4) or one, from pixel \`first\` on; folded over x and y.


override WG: u32 = 64u;
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override ACT: u32 = 0u;   // as in matmul.wgsl: 0 none, 1 silu

struct Shape { count: u32, C: u32, P: u32, fold: u32, first: u32, xBase: u32, yBase: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(2) var<storage, read>       S: array<vec2f>;
fn pair(c: u32) -> vec2f { return S[c]; }
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(3) var<storage, read_write> Y: array<yElem>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  let pixel = s.first + i / s.C;
  let k = i % s.C;
  let a = pair(pixel / s.P * s.C + k);
  var v = f32(X[(pixel - s.xBase) * s.C + k]) * a.x + a.y;
  if (ACT == 1u) { v = v / (1.0 + exp(min(-v, 80.0))); }
  Y[(pixel - s.yBase) * s.C + k] = yElem(v);
}
`,
  "scale_shift@V=1,TEXELS=1": `const V: u32 = 1u;
const TEXELS: u32 = 1u;
// scale_shift.wgsl — Y = act(X · scale[b, c] + shift[b, c]): the second half of a group norm.
//
//   X [B·P, C] xElem, Y [B·P, C] yElem, bound from pixels xBase and yBase on; S [B, C] of (scale, shift), f32.
//   One invocation four channels (V = 1, C a multiple of 4) or one, from pixel \`first\` on; folded over x and y.


override WG: u32 = 64u;
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override ACT: u32 = 0u;   // as in matmul.wgsl: 0 none, 1 silu

struct Shape { count: u32, C: u32, P: u32, fold: u32, first: u32, xBase: u32, yBase: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(3) var<storage, read_write> Y: array<vec4<yElem>>;
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      S: texture_2d<u32>;
fn pair(c: u32) -> vec2f {  // two channels a texel
  let bits = bitcast<vec4f>(textureLoad(S, vec2u((c >> 1u) & 2047u, c >> 12u), 0));
  return select(bits.xy, bits.zw, (c & 1u) == 1u);
}
fn xFour(at: u32) -> vec4f {  // four f32 a texel, or eight f16
  let texel = select(at, at >> 1u, X_TYPE == 1u);
  let bits = textureLoad(X, vec2u(texel & 2047u, texel >> 11u), 0);
  if (X_TYPE == 0u) { return bitcast<vec4f>(bits); }
  let two = select(bits.xy, bits.zw, (at & 1u) == 1u);
  return vec4f(unpack2x16float(two.x), unpack2x16float(two.y));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
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
