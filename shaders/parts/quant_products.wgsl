// Operands of products by a quantised weight; with eights, activations, linear_shape, quants, and xBits() that reads 16 bytes of x.

fn loadX(at: u32) -> Eight {
  var v: Eight;
  if (X_TYPE == 0u) { v = wide(xBits(at * 2u), xBits(at * 2u + 1u)); } else { v = halves(xBits(at)); }
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

/// Values of a unit as products take them: with the factors of rows, and zeros beyond the row.
fn loadW(u: Unit, e: u32, k: u32, column: u32) -> Eight {
  let v = eightOf(u, e);
  if (TYPE < 10u) { return v; }
  var scale = 1.0;
  if (SCALED == 1u) { scale = S[column * s.sColumns + (s.sAt8 + k) / s.sWidth8]; }
  return Eight(
    select(vec4f(0.0), v.lo * scale, k < s.K8),
    select(vec4f(0.0), v.hi * scale, k < s.K8));
}
