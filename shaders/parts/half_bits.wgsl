// f16 to f32 and back on the bits alone: drivers may flush subnormal floats, and what WGSL packs beyond the range of f16 is
// undefined.

// Bits of an f16 as those of an f32.
fn widened(h: u32) -> u32 {
  let sign = (h & 0x8000u) << 16u;
  let e = (h >> 10u) & 31u;
  let m = h & 0x3ffu;
  if (e == 31u) { return sign | 0x7f800000u | (m << 13u); }
  if (e > 0u) { return sign | ((e + 112u) << 23u) | (m << 13u); }
  if (m == 0u) { return sign; }
  let top = firstLeadingBit(m);  // subnormal: m · 2^−24
  return sign | ((top + 103u) << 23u) | ((m << (23u - top)) & 0x7fffffu);
}

// Bits of an f32 as those of the nearest f16, ties to even; bit 16 where f16 cannot hold it.
fn narrowed(x: u32) -> u32 {
  let sign = (x >> 16u) & 0x8000u;
  let a = x & 0x7fffffffu;
  if (a > 0x7f800000u) { return sign | 0x7e00u; }
  if (a == 0x7f800000u) { return sign | 0x7c00u; }
  if (a >= 0x477ff000u) { return sign | 0x17c00u; }
  if (a >= 0x38800000u) { return sign | ((a - 0x38000000u + 0xfffu + ((a >> 13u) & 1u)) >> 13u); }
  if (a <= 0x33000000u) { return sign; }
  let m = (a & 0x7fffffu) | 0x800000u;
  let shift = 126u - (a >> 23u);  // to units of 2^−24, 14 … 24
  let q = m >> shift;
  let rest = m & ((1u << shift) - 1u);
  let tie = 1u << (shift - 1u);
  return sign | (q + select(0u, 1u, rest > tie || (rest == tie && (q & 1u) == 1u)));
}

// narrowed() of four values at once, without branches.
fn narrowed4(x: vec4u) -> vec4u {
  let sign = (x >> vec4u(16u)) & vec4u(0x8000u);
  let a = x & vec4u(0x7fffffffu);
  let normal = (a - vec4u(0x38000000u) + vec4u(0xfffu) + ((a >> vec4u(13u)) & vec4u(1u))) >> vec4u(13u);
  // Subnormal: the significand in units of 2^−24, ties to even by what is added before the shift.
  let m = (a & vec4u(0x7fffffu)) | vec4u(0x800000u);
  let shift = clamp(vec4u(126u) - (a >> vec4u(23u)), vec4u(1u), vec4u(25u));
  let half = (vec4u(1u) << (shift - vec4u(1u))) - vec4u(1u);
  let small = (m + half + ((m >> shift) & vec4u(1u))) >> shift;
  var h = select(normal, small, a < vec4u(0x38800000u));
  h = select(h, vec4u(0u), a <= vec4u(0x33000000u));
  h = select(h, vec4u(0x17c00u), a >= vec4u(0x477ff000u));
  h = select(h, vec4u(0x7c00u), a == vec4u(0x7f800000u));
  h = select(h, vec4u(0x7e00u), a > vec4u(0x7f800000u));
  return sign | h;
}
