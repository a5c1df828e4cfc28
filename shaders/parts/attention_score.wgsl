// Scores of kernels that read eight values at a time; they include attention_shape too.

const LOWEST: f32 = -2.95e38;  // between NOTHING and every score, so that exp2(NOTHING − maximum) is 0 also where no key counts
const LOG2E: f32 = 1.4426950409;

override Q_TYPE: u32 = 0u;   // 0 f32, 1 f16
override KV_TYPE: u32 = 0u;

/// A score with everything that changes it, in units of log₂; NOTHING where the key does not count.
fn score(dot: f32, b: u32, row: u32, key: u32, biasRow: u32) -> f32 {
  // Without branches, which cost a CPU's vectors more than what they would save.
  let k = min(key, s.Lk - 1u);
  var v = dot * (s.scale * LOG2E);
  if (BIAS == 1u) { v = biased(dot * s.scale, bias[biasRow + k]) * LOG2E; }
  var counts = key < s.Lk;
  if (CAUSAL == 1u) { counts = counts && key <= row; }
  if (MASK == 1u) {
    counts = counts && keep[b * s.Lk + k] != 0.0;
    v = checked(v, v);   // without a mask, share() finds queries whose scores all are −∞
  }
  return select(NOTHING, v, counts);
}
