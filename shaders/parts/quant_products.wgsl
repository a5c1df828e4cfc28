// Operands of products by a quantised weight; with eights, activations, linear_shape, quants, and xBits() that reads 16 bytes of x.

fn loadX(at: u32) -> Eight {
  var v: Eight;
  if (X_TYPE == 0u) { v = wide(xBits(at * 2u), xBits(at * 2u + 1u)); } else { v = halves(xBits(at)); }
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

/// Values of a unit as products take them: zeros beyond the row, and without what `left` says.
fn loadW(u: Unit, e: u32, k: u32, column: u32) -> Eight {
  if (TYPE < 10u) { return eightOf(u, e); }
  let half = select(u.lo, u.hi, e >= 2u);
  let words = select(vec2u(), select(half.xy, half.zw, (e & 1u) == 1u), k < s.K8);
  let v = Eight(fourOf(words.x), fourOf(words.y));
  if (SCALED != 1u) { return v; }
  let scale = S[column * s.sColumns + (s.sAt8 + k) / s.sWidth8];
  return Eight(v.lo * scale, v.hi * scale);
}

/// What a whole sum of a column is still to be multiplied by.
fn left(column: u32) -> f32 {
  var factor = 1.0;
  if (TYPE == 10u) { factor = E4M3; }
  if (SCALED == 2u) { factor *= S[column]; }
  return factor;
}
