// pointwise.wgsl — Y = f(A, B) element by element, f32 or f16 in and out.
//
//   OP 0  activation of A            OP 3  A[.., 0:C] · gelu(A[.., C:2C])   (GEGLU)
//   OP 1  A + B                      OP 4  A and B side by side in the channels
//   OP 6  A · B                      OP 7  c0·A + c1
//   OP 9  A[.., 0:C] of A[.., Cb]      OP 10 A where it is positive, else A · B[channel]   (PReLU)
//   OP 8  A[.., 0:C] + exp(A[.., C:2C] / 2)·B   (a draw from the posterior; log-variance within −30 … 20)
//   OP 2  c0·A + c1·B + c2·C + c3·D  OP 5  tanh(A / 3) · 3                  (the small autoencoder's clamp)
//
// One invocation an element; workgroups fold over x and y because x alone stops at 65 535.

override WG: u32 = 64u;
override OP: u32 = 0u;
override ACT: u32 = 0u;     // as in matmul.wgsl
override TERMS: u32 = 2u;   // OP 2
override INPLACE: u32 = 0u; // OP 1: Y += A

struct Shape {
  count: u32, fold: u32, C: u32, Cb: u32,     // elements of Y, fold, channels of Y (OP 3) or of A (OP 4), of B
  c0: f32, c1: f32, c2: f32, c3: f32, clip: f32,
  S: u32, N: u32, at: u32,                    // OP 1 into a part of a sequence: rows a sample, in the whole, first
}

// include finite
@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       A: array<aElem>;
@group(0) @binding(2) var<storage, read>       B: array<bElem>;
@group(0) @binding(3) var<storage, read>       C: array<f32>;
@group(0) @binding(4) var<storage, read>       D: array<f32>;
@group(0) @binding(5) var<storage, read_write> Y: array<yElem>;

fn erf(x: f32) -> f32 {  // Abramowitz & Stegun 7.1.26, error below 1.5e-7
  let a = abs(x);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - p * exp(-a * a));
}

fn gelu(x: f32) -> f32 { return 0.5 * x * (1.0 + erf(x * 0.7071067812)); }

fn activate(x: f32) -> f32 {
  switch ACT {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 2u: { return 0.5 * x * (1.0 + tanh(clamp(0.7978845608 * (x + 0.044715 * x * x * x), -10.0, 10.0))); }
    case 3u: { return gelu(x); }
    case 4u: { return x / (1.0 + exp(min(-1.702 * x, 80.0))); }
    case 5u: { return checked(max(x, 0.0), x); }
    default: { return x; }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  var y = i;
  var v = 0.0;
  switch OP {
    case 0u: { v = activate(f32(A[i])); }
    case 1u: {
      let row = i / s.C;
      y = ((row / s.S) * s.N + s.at + row % s.S) * s.C + i % s.C;
      v = f32(A[i]);
      if (INPLACE == 1u) { v += f32(Y[y]); } else { v += f32(B[i]); }
    }
    case 2u: {
      v = s.c0 * f32(A[i]);
      if (TERMS > 1u) { v += s.c1 * f32(B[i]); }
      if (TERMS > 2u) { v += s.c2 * C[i]; }
      if (TERMS > 3u) { v += s.c3 * D[i]; }
      v = checked(clamp(v, -s.clip, s.clip), v);
    }
    case 3u: {
      let at = (i / s.C) * 2u * s.C + i % s.C;
      v = f32(A[at]) * gelu(f32(A[at + s.C]));
    }
    case 4u: {
      let row = i / (s.C + s.Cb);
      let c = i % (s.C + s.Cb);
      if (c < s.C) { v = f32(A[row * s.C + c]); } else { v = f32(B[row * s.Cb + c - s.C]); }
    }
    case 6u: { v = f32(A[i]) * f32(B[i]); }
    case 7u: { v = s.c0 * f32(A[i]) + s.c1; }
    case 9u: { v = f32(A[(i / s.C) * s.Cb + i % s.C]); }
    case 10u: {
      v = f32(A[i]);
      v = select(v, v * f32(B[i % s.C]), v < 0.0);
    }
    case 8u: {
      let at = (i / s.C) * 2u * s.C + i % s.C;
      let logVariance = f32(A[at + s.C]);
      v = f32(A[at]) + checked(exp(0.5 * clamp(logVariance, -30.0, 20.0)), logVariance) * f32(B[i]);
    }
    default: { v = checked(tanh(clamp(f32(A[i]) / 3.0, -10.0, 10.0)) * 3.0, f32(A[i])); }
  }
  Y[y] = yElem(v);
}
