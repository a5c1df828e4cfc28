// What products of a linear layer share: the uniform block, what surrounds the product, and its bindings; with activations.

override PRE: u32 = 0u;      // activation of x on load, numbered as ACT
override ACT: u32 = 0u;      // 0 none, 1 silu, 2 gelu (tanh), 3 gelu (erf), 4 quick gelu, 5 relu
override GATE: u32 = 0u;
override ADD: u32 = 0u;      // 0 nothing, 1 residual R, 2 Y itself

// A bias or none is told at run time: few pipelines for all linear layers of a model, as compiling is most of the time to the
// first picture. The other choices are constants: making them for each row or sum costs a tenth of a small product.
// Row m is row m % S of sample m / S. The …Base are the elements before the bound part of a tensor.
struct Shape {
  m0: u32, mEnd: u32, n0: u32, nEnd: u32,   // the part of the product that this dispatch makes
  N: u32, K8: u32, stride8: u32, S: u32,
  xN: u32, xAt: u32, xBase8: u32, wBase8: u32,
  yN: u32, yAt: u32, yBase: u32,
  rN: u32, rAt: u32, rBase: u32,
  gateN: u32, gateAt: u32, scale: f32, fold: u32,   // fold: workgroups along x of one row of tiles
  hasBias: u32,
  // Of quantised weights: factors of a row of S, eighths that each is for, eighths of a row before the weight's.
  sColumns: u32, sWidth8: u32, sAt8: u32,
  lN: u32, lFirst: u32,   // columns of L, and the one of Y that is its first
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}
