// Numbers that are not finite must reach the picture, where they are found. max, min and clamp drop NaN, and compilers may take
// `x != x` for false; the bits tell.

const INFINITE: u32 = 0x7f800000u;   // the bits of infinity; those of NaN without the sign are above

fn magnitude(v: f32) -> u32 { return bitcast<u32>(v) & 0x7fffffffu; }

/// v, but NaN where what it was made from is not finite.
fn checked(v: f32, made: f32) -> f32 {
  let bits = magnitude(made);
  return select(v, bitcast<f32>(bits | 0x7fc00000u), bits >= INFINITE);
}
