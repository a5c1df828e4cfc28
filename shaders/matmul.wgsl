// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
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
