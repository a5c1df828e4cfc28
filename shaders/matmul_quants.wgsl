// matmul_quants.wgsl — Y = epilogue(pre(X) · Wᵀ) for few rows of x and a quantised weight, expanded on the way: such products wait
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
