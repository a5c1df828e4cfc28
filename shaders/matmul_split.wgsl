// matmul_split.wgsl — Y = epilogue(pre(X) · Wᵀ) for so few rows that memory is the limit: 64 invocations share K of one row and RN
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
  // Subgroups are runs of `size` neighbours, as every implementation lays a one-dimensional workgroup out.
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
