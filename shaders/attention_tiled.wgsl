// attention_tiled.wgsl — O = softmax(scale · Q Kᵀ + bias, masked) V, scores and probabilities in register tiles.
//
// Operands and strides as in attention.wgsl; all of them, in elements, are multiples of 8, so that a load
// brings eight values. A workgroup of WX × WY makes 8·WY queries of one head (x: queries, y: heads of samples).
// Invocation (x, y) scores 8 queries × 8 keys of a block of 8·WX keys, then sums up OD = D / WX columns of the
// same queries. Only probabilities and row maxima pass through workgroup memory; all sums are f32.

// variants OD=8; OD=16

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
  // unroll i 8
  let row#i = min(n0 + i, s.qEnd - 1u);
  let qAt#i = (s.qFirst + b * s.qSample + h * s.qHead + row#i * s.qRow) / 8u;
  let bias#i = s.biasFirst + b * s.biasSample + h * s.biasHead + row#i * s.Lk;
  var max#i = NOTHING;
  var sum#i = 0.0;
  // unroll j OD / 8
  var lo#i_#j = vec4f();
  var hi#i_#j = vec4f();
  // end
  // end

  var keys = s.Lk;
  if (CAUSAL == 1u) { keys = min(keys, min(s.q0 + (group.x + 1u) * 8u * WY, s.qEnd)); }  // later keys serve none
  for (var k0 = 0u; k0 < keys; k0 += 8u * WX) {
    // unroll i 8
    // unroll j 8
    var s#i_#j = 0.0;
    // end
    // end
    let key0 = k0 + local.x * 8u;
    // unroll j 8
    let kAt#j = (kHead + min(key0 + j, s.Lk - 1u) * s.kRow) / 8u;
    // end
    for (var c = 0u; c < D8; c++) {
      // unroll i 8
      let a#i = loadQ(qAt#i + c);
      // end
      // unroll j 8
      let b#j = loadK(kAt#j + c);
      // unroll i 8
      s#i_#j += dot(a#i.lo, b#j.lo) + dot(a#i.hi, b#j.hi);
      // end
      // end
    }
    // unroll i 8
    // unroll j 8
    s#i_#j = score(s#i_#j, b, row#i, key0 + j, bias#i);
    // end
    tops[(m0 + i) * WX + local.x] = max(max(max(s#i_0, s#i_1), max(s#i_2, s#i_3)), max(max(s#i_4, s#i_5), max(s#i_6, s#i_7)));
    // end
    workgroupBarrier();
    // unroll i 8
    var top#i = max#i;
    for (var t = 0u; t < WX; t++) { top#i = max(top#i, tops[(m0 + i) * WX + t]); }
    let fade#i = exp2(max#i - top#i);
    max#i = top#i;
    sum#i *= fade#i;
    // unroll j OD / 8
    lo#i_#j *= fade#i;
    hi#i_#j *= fade#i;
    // end
    let u#i = vec4f(s#i_0, s#i_1, s#i_2, s#i_3);
    let v#i = vec4f(s#i_4, s#i_5, s#i_6, s#i_7);
    P[((m0 + i) * WX + local.x) * 2u] = select(vec4f(), exp2(u#i - max#i), u#i > vec4f(NOTHING));
    P[((m0 + i) * WX + local.x) * 2u + 1u] = select(vec4f(), exp2(v#i - max#i), v#i > vec4f(NOTHING));
    // end
    workgroupBarrier();
    for (var t = 0u; t < min(2u * WX, (s.Lk - k0 + 3u) / 4u); t++) {
      // unroll i 8
      let p#i = P[(m0 + i) * WX * 2u + t];
      sum#i += p#i.x + p#i.y + p#i.z + p#i.w;
      // end
      // unroll e 4
      let at#e = vHead + min(k0 + t * 4u + e, s.Lk - 1u) * s.vRow / 8u;
      // unroll j OD / 8
      let w#e_#j = loadV(at#e + j);
      // unroll i 8
      lo#i_#j = fma(vec4f(p#i[e]), w#e_#j.lo, lo#i_#j);
      hi#i_#j = fma(vec4f(p#i[e]), w#e_#j.hi, hi#i_#j);
      // end
      // end
      // end
    }
    workgroupBarrier();
  }

  // unroll i 8
  if (n0 + i < s.qEnd) {
    let at = (s.oFirst + (b * s.Lq + n0 + i) * s.heads * s.D + h * s.D + local.x * OD) / 4u;
    let share = select(0.0, 1.0 / sum#i, sum#i > 0.0);
    // unroll j OD / 8
    O[at + 2u * j] = vec4<oElem>(lo#i_#j * share);
    O[at + 2u * j + 1u] = vec4<oElem>(hi#i_#j * share);
    // end
  }
  // end
}
