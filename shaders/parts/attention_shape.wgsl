// What attention's kernels share: the uniform block, what changes scores, and that a key does not count. Needs finite.

const NOTHING: f32 = -3e38;  // a key that does not count, below every score, and finite: exp(NOTHING − NOTHING) would be NaN otherwise

override CAUSAL: u32 = 0u;
override BIAS: u32 = 0u;
override MASK: u32 = 0u;

// The …First are first elements minus the elements before the bound part.
struct Shape {
  heads: u32, D: u32, Lq: u32, Lk: u32,
  q0: u32, qEnd: u32, b0: u32, h0: u32, headsHere: u32,
  qFirst: u32, qSample: u32, qHead: u32, qRow: u32,
  kFirst: u32, kSample: u32, kHead: u32, kRow: u32,
  vFirst: u32, vSample: u32, vHead: u32, vRow: u32,
  oFirst: u32, biasFirst: u32, biasSample: u32, biasHead: u32,
  scale: f32, pairs: u32,   // pairs: heads of all samples
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(4) var<storage, read>       bias: array<f32>;
@group(0) @binding(5) var<storage, read>       keep: array<f32>;

/// A score and its bias, where −∞ says that a key does not count and is held above NOTHING. What is not finite otherwise stays so.
fn biased(score: f32, bias: f32) -> f32 {
  let v = score + bias;
  let broken = magnitude(score) >= INFINITE || magnitude(v) > INFINITE;
  return select(max(v, -2e38), checked(v, score), broken);
}
