// Operands of convolutions that stage nothing, from storage buffers or from textures (TEXELS, then with texel_fours); with eights.

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
