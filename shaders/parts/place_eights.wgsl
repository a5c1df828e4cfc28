// Eight stored values as Y has them; `at` counts eights of X.

struct Words { lo: vec4u, hi: vec4u }

// As bits of f32.
fn words(at: u32) -> Words {
  if (FROM == 0u) { return Words(X[2u * at], X[2u * at + 1u]); }
  let h = X[at];
  let low = vec4u(h.x & 0xffffu, h.x >> 16u, h.y & 0xffffu, h.y >> 16u);
  let high = vec4u(h.z & 0xffffu, h.z >> 16u, h.w & 0xffffu, h.w >> 16u);
  if (FROM == 2u) { return Words(low << vec4u(16u), high << vec4u(16u)); }
  return Words(
    vec4u(widened(low.x), widened(low.y), widened(low.z), widened(low.w)),
    vec4u(widened(high.x), widened(high.y), widened(high.z), widened(high.w)));
}

// As 16 bits each; tells when f16 cannot hold one of them.
fn halvesOf(at: u32) -> vec4u {
  if (FROM != 0u) { return X[at]; }
  let lo = narrowed4(X[2u * at]);
  let hi = narrowed4(X[2u * at + 1u]);
  let beyond = lo | hi;
  if (((beyond.x | beyond.y | beyond.z | beyond.w) & 0x10000u) != 0u) { atomicStore(&flags[s.flag], 1u); }
  let a = lo & vec4u(0xffffu);
  let b = hi & vec4u(0xffffu);
  return vec4u(a.x | (a.y << 16u), a.z | (a.w << 16u), b.x | (b.y << 16u), b.z | (b.w << 16u));
}
