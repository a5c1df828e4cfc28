// Operands of products by a quantised weight; with eights, activations, linear_shape, quants, and xBits() that reads 16 bytes of x, or
// with INTEGER of what quantise_rows.wgsl makes of x.

// unroll _ 1 - INTEGER
/// Values of a unit as they are stored, without scale and minimum of a block: zeros beyond the row, and without what `left` says.
fn storedW(u: Unit, e: u32, k: u32, column: u32) -> Eight {
  let half = select(u.lo, u.hi, e >= 2u);
  var words = select(half.xy, half.zw, (e & 1u) == 1u);
  if (TYPE < 10u) { return Eight(fourOf(words.x), fourOf(words.y)); }
  words = select(vec2u(), words, k < s.K8);
  let v = Eight(fourOf(words.x), fourOf(words.y));
  if (SCALED != 1u) { return v; }
  let scale = S[column * s.sColumns + (s.sAt8 + k) / s.sWidth8];
  return Eight(v.lo * scale, v.hi * scale);
}

/// The same with scale and minimum.
fn loadW(u: Unit, e: u32, k: u32, column: u32) -> Eight {
  if (TYPE < 10u) { return eightOf(u, e); }
  return storedW(u, e, k, column);
}

fn total(v: Eight) -> f32 { return dot(v.lo + v.hi, vec4f(1.0)); }

/// What half h of a unit adds to a product, from the product of its stored values and the sum of the values of x.
fn scaledSum(sum: f32, ones: f32, u: Unit, h: u32) -> f32 {
  if (TYPE >= 10u) { return sum; }
  let dm = select(u.scales.xy, u.scales.zw, h == 1u);
  if (TYPE == 0u) { return sum * dm.x; }
  return fma(sum, dm.x, -ones * dm.y);
}
// end
// unroll _ INTEGER
/// 32 values of x: signed bytes, what one of them is worth, and the sums of the first and the last 16 values.
struct Bytes { lo: vec4u, hi: vec4u, d: f32, sums: vec2f }

fn bytesOfX(unit: u32) -> Bytes {
  let worth = bitcast<vec4f>(xBits(unit * 3u + 2u));
  return Bytes(xBits(unit * 3u), xBits(unit * 3u + 1u), worth.x, worth.yz);
}

fn dot16(a: vec4u, b: vec4u) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}

/// Numbers of a weight have 8 bits with a sign or 6 without, so that all of them are signed bytes.
fn product32(x: Bytes, u: Unit) -> f32 {
  let lo = dot16(x.lo, u.lo);
  let hi = dot16(x.hi, u.hi);
  if (TYPE == 0u) { return x.d * u.scales.x * f32(lo + hi); }
  if (TYPE >= 10u) { return x.d * f32(lo + hi); }
  if (TYPE == 5u || TYPE == 6u || TYPE == 9u) {  // two scales a unit
    return x.d * (u.scales.x * f32(lo) + u.scales.z * f32(hi)) - dot(u.scales.yw, x.sums);
  }
  return x.d * u.scales.x * f32(lo + hi) - u.scales.y * (x.sums.x + x.sums.y);
}
// end

/// What a whole sum of a column is still to be multiplied by.
fn left(column: u32) -> f32 {
  var factor = 1.0;
  if (TYPE == 10u) { factor = E4M3; }
  if (SCALED == 2u) { factor *= S[column]; }
  return factor;
}
