// Eight values of a row from a texture, which holds four f32 a texel, or eight f16 (kind 1); with eights.

fn texelEight(t: Texels, at: u32, kind: u32) -> Eight {
  if (kind == 0u) { return wide(texel(t, at * 2u), texel(t, at * 2u + 1u)); }
  return halves(texel(t, at));
}
