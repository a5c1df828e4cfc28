// Operands of convolutions that stage nothing, from storage buffers or from textures (TEXELS); with eights.

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
fn xFour(at: u32) -> vec4f {  // four f32 a texel, or eight f16
  let bits = texel(X, select(at, at >> 1u, X_TYPE == 1u));
  if (X_TYPE == 0u) { return bitcast<vec4f>(bits); }
  let pair = select(bits.xy, bits.zw, (at & 1u) == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
// end

/// Weights of input row k (tap · Ci + channel) for eight output channels from n on.
fn weights(k: u32, n: u32) -> Eight {
  let at = (k * s.Co8 + n) / 8u;
  if (W_TYPE == 0u) { return wide(wBits(at * 2u), wBits(at * 2u + 1u)); }
  return halves(wBits(at));
}
