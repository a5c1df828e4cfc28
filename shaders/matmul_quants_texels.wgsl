// matmul_quants_texels.wgsl — what matmul_quants.wgsl makes, where textures are read faster than buffers: an invocation makes RM rows of
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
