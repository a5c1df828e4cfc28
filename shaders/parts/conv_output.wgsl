// What convolutions share: the uniform block, where weights lie, their outputs, and what becomes of a sum. Vectors of four channels
// with V = 1.
//
// Weights [kh·kw, Ci, Co8], output channels padded to 8, lie in columns of 64 output channels, one whole column after the other: what
// neighbouring invocations read for a pixel is one run of memory. In rows of 1280 channels, every row was another page.

struct Shape {
  H: u32, W: u32, C4: u32, Co: u32, Co8: u32, Ho: u32, Wo: u32, tiles: u32,
  padY: i32, padX: i32, y0: u32, rows: u32,    // output rows y0 … y0 + rows of one sample
  xRow: u32, yRow: u32, rRow: u32, b: u32,     // first bound rows of X, Y, R; the sample
  across: u32,   // invocations of a workgroup along the channels; the others of the 64 along the pixels
  act: u32,      // as in matmul.wgsl; 6 leaky relu of slope 0.2
  bias: u32,     // 1 bias, 2 channelBias, 3 both
  add: u32,
  wRows: u32,    // rows of the weights: taps · input channels
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       channelBias: array<f32>;
// unroll _ V
@group(0) @binding(5) var<storage, read>       R: array<vec4<rElem>>;
@group(0) @binding(6) var<storage, read_write> Y: array<vec4<yElem>>;
// end
// unroll _ 1 - V
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;
// end

const COLUMN = 64u;  // output channels of a column of weights, as packConv() lays them out

/// Where row k of the weights (tap · Ci + channel) for eight output channels from n on lies, in eights.
fn weightAt(k: u32, n: u32) -> u32 {
  let first = n / COLUMN * COLUMN;
  return (first * s.wRows + k * min(COLUMN, s.Co8 - first) + n - first) / 8u;
}

fn activate(v: vec4f) -> vec4f {
  switch s.act {
    case 1u: { return v / (1.0 + exp(min(-v, vec4f(80.0)))); }
    case 5u: { return select(max(v, vec4f(0.0)), v, (bitcast<vec4u>(v) & vec4u(0x7f800000u)) == vec4u(0x7f800000u)); }
    case 6u: { return select(v, 0.2 * v, v < vec4f(0.0)); }
    default: { return v; }
  }
}

/// What is added to channels n … n + 3 of every pixel: loaded once for all that an invocation makes.
fn shifts(n: u32) -> vec4f {
  var v = vec4f();
  for (var i = 0u; i < 4u; i++) {
    let c = min(n + i, s.Co - 1u);
    if ((s.bias & 1u) != 0u) { v[i] += bias[c]; }
    if ((s.bias & 2u) != 0u) { v[i] += channelBias[s.b * s.Co + c]; }
  }
  return v;
}

fn finish(x: u32, y: u32, n: u32, sum: vec4f) {
  if (x >= s.Wo || y >= s.y0 + s.rows || n >= s.Co) { return; }
  let yAt = ((y - s.yRow) * s.Wo + x) * s.Co + n;
  let rAt = ((y - s.rRow) * s.Wo + x) * s.Co + n;
  var v = activate(sum);
  // unroll _ V
  if (s.add == 1u) { v += vec4f(R[rAt / 4u]); }
  Y[yAt / 4u] = vec4<yElem>(v);
  // end
  // unroll _ 1 - V
  for (var i = 0u; i < 4u && n + i < s.Co; i++) {
    var u = v[i];
    if (s.add == 1u) { u += f32(R[rAt + i]); }
    Y[yAt + i] = yElem(u);
  }
  // end
}
