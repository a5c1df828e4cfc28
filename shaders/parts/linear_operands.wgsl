// Eight values of x and of a weight of plain type, from what xBits() and wBits() read; with eights, brains, activations,
// linear_shape.

override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(wide(xBits(at * 2u), xBits(at * 2u + 1u))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return wide(wBits(at * 2u), wBits(at * 2u + 1u)); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}
