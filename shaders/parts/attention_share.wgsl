// What a query's sum of probabilities makes of each. Needs MASK, and finite.

/// 1 / sum; 0 where a mask leaves a query no key, NaN where a score is not finite: without a mask, a sum is 0 where all scores are −∞.
fn share(sum: f32) -> f32 {
  if (MASK == 1u && sum == 0.0) { return 0.0; }
  return checked(1.0 / sum, 1.0 / sum + sum);
}
