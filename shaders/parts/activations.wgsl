// Pointwise functions, numbered as ACTIVATION_CODES of lib/ops/linear.ts.

fn erf(x: f32) -> f32 {  // Abramowitz & Stegun 7.1.26, error below 1.5e-7
  let a = abs(x);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - p * exp(-a * a));
}

fn activate(x: f32, kind: u32) -> f32 {
  switch kind {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 2u: { return 0.5 * x * (1.0 + tanh(clamp(0.7978845608 * (x + 0.044715 * x * x * x), -10.0, 10.0))); }
    case 3u: { return 0.5 * x * (1.0 + erf(x * 0.7071067812)); }
    case 4u: { return x / (1.0 + exp(min(-1.702 * x, 80.0))); }
    case 5u: { return select(max(x, 0.0), x, (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u); }   // NaN and infinity pass
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}
