// Eight values of x, activated; with eights, activations, and xBits() that reads 16 bytes of x.

fn loadX(at: u32) -> Eight {
  var v: Eight;
  if (X_TYPE == 0u) { v = wide(xBits(at * 2u), xBits(at * 2u + 1u)); } else { v = halves(xBits(at)); }
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}
