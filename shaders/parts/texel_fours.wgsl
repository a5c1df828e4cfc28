// Four values of X from a texture, which holds four f32 a texel, or eight f16 (X_TYPE 1).

fn xFour(at: u32) -> vec4f {
  let bits = texel(X, select(at, at >> 1u, X_TYPE == 1u));
  if (X_TYPE == 0u) { return bitcast<vec4f>(bits); }
  let pair = select(bits.xy, bits.zw, (at & 1u) == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
