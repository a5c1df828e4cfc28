// conv3x3.wgsl — 3×3 convolution, stride 1: each invocation makes PX neighbouring pixels of ROWS rows × 8 channels.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [9, Ci, Co8]         f32 or f16 by W_TYPE: tap, input channel, output channels padded to 8
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// The PX + 2 input columns of a row serve all three taps of that row, so a loaded value is used up to 24 times, and a
// weight PX · ROWS times.
// UP = 2 reads the picture as if every pixel stood twice in both directions (nearest upsampling).

// variants V=1 TEXELS=0 PX=8 ROWS=1; V=0 TEXELS=0 PX=8 ROWS=1; V=1 TEXELS=1 PX=8 ROWS=1; V=0 TEXELS=1 PX=8 ROWS=1; V=1 TEXELS=1 PX=16 ROWS=1; V=1 TEXELS=1 PX=8 ROWS=2; V=1 TEXELS=1 PX=4 ROWS=4

override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16
override UP: u32 = 1u;

struct Shape {
  H: u32, W: u32, C4: u32, Co: u32, Co8: u32, Ho: u32, Wo: u32, tiles: u32,
  padY: i32, padX: i32, y0: u32, rows: u32,    // output rows y0 … y0 + rows of one sample
  xRow: u32, yRow: u32, rRow: u32, b: u32,     // first bound rows of X, Y, R; the sample
  across: u32,   // invocations of a workgroup along the channels; the others of the 64 along the pixels
  act: u32,      // as in matmul.wgsl
  bias: u32,     // 1 bias, 2 channelBias, 3 both
  add: u32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
// unroll t 1 - TEXELS
@group(0) @binding(1) var<storage, read>       X: array<vec4<xElem>>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xFour(at: u32) -> vec4f { return vec4f(X[at]); }
fn wBits(at: u32) -> vec4u { return W[at]; }
// end
// unroll t TEXELS
@group(0) @binding(1) var                      X: texture_2d<u32>;
@group(0) @binding(2) var                      W: texture_2d<u32>;
fn wBits(at: u32) -> vec4u { return textureLoad(W, vec2u(at & 2047u, at >> 11u), 0); }
fn xFour(at: u32) -> vec4f {  // four f32 a texel, or eight f16
  let texel = select(at, at >> 1u, X_TYPE == 1u);
  let bits = textureLoad(X, vec2u(texel & 2047u, texel >> 11u), 0);
  if (X_TYPE == 0u) { return bitcast<vec4f>(bits); }
  let pair = select(bits.xy, bits.zw, (at & 1u) == 1u);
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
// end
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

fn activate(x: f32) -> f32 {
  switch s.act {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

const OUTSIDE = 0xffffffffu;

/// Where the channels of virtual row y and column x begin.
fn place(y: i32, x: i32) -> u32 {
  let inside = y >= 0 && y < i32(s.H * UP) && x >= 0 && x < i32(s.W * UP);
  return select(OUTSIDE, ((u32(y) / UP - s.xRow) * s.W + u32(x) / UP) * s.C4, inside);
}

/// Input channels 4·c … of a place; zero outside.
fn pixel(at: u32, c: u32) -> vec4f { return select(vec4f(), xFour(at + c), at != OUTSIDE); }

struct Eight { lo: vec4f, hi: vec4f }

/// Weights of input row k (tap · Ci + channel) for eight output channels from n on.
fn weights(k: u32, n: u32) -> Eight {
  let at = (k * s.Co8 + n) / 8u;
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn finish(x: u32, y: u32, n: u32, sum: vec4f) {
  if (x >= s.Wo || y >= s.y0 + s.rows || n >= s.Co) { return; }
  let yAt = ((y - s.yRow) * s.Wo + x) * s.Co + n;
  let rAt = ((y - s.rRow) * s.Wo + x) * s.Co + n;
  var v = sum;
  for (var i = 0u; i < 4u; i++) {
    let c = min(n + i, s.Co - 1u);
    if ((s.bias & 1u) != 0u) { v[i] += bias[c]; }
    if ((s.bias & 2u) != 0u) { v[i] += channelBias[s.b * s.Co + c]; }
    v[i] = activate(v[i]);
  }
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

// One axis: drivers that run on a CPU fill their vectors along x only.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let down = 64u / s.across;
  let id = vec2u(group.x * s.across + lane % s.across, group.y * down + lane / s.across);
  let n = id.x * 8u;
  let y = s.y0 + id.y / s.tiles * ROWS;
  let x = (id.y % s.tiles) * PX;
  if (n >= s.Co || y >= s.y0 + s.rows || lane >= s.across * down) { return; }
  let left = i32(x) - s.padX;

  // unroll r ROWS
  // unroll p PX
  var a#r_#p = vec4f();
  var b#r_#p = vec4f();
  // end
  // end
  for (var ky = 0u; ky < 3u; ky++) {
    let row = i32(y + ky) - s.padY;
    if (row + i32(ROWS) <= 0 || row >= i32(s.H * UP)) { continue; }
    // Told once for all channels: this is as much work as loading them.
    // unroll r ROWS
    // unroll p PX + 2
    let at#r_#p = place(row + r, left + p);
    // end
    // end
    for (var c = 0u; c < s.C4; c++) {
      // Indexed by constants only: after unrolling, every element is a register.
      // unroll r ROWS
      var cols#r: array<vec4f, PX + 2u>;
      // unroll p PX + 2
      cols#r[p] = pixel(at#r_#p, c);
      // end
      // end
      // unroll kx 3
      // unroll i 4
      let w#kx_#i = weights((ky * 3u + kx) * s.C4 * 4u + c * 4u + i, n);
      // unroll r ROWS
      // unroll p PX
      a#r_#p = fma(vec4f(cols#r[p + kx][i]), w#kx_#i.lo, a#r_#p);
      b#r_#p = fma(vec4f(cols#r[p + kx][i]), w#kx_#i.hi, b#r_#p);
      // end
      // end
      // end
      // end
    }
  }
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < PX * ROWS; i++) {
    var lo = a0_0;
    var hi = b0_0;
    // unroll r ROWS
    // unroll p PX
    lo = select(lo, a#r_#p, i == r * PX + p);
    hi = select(hi, b#r_#p, i == r * PX + p);
    // end
    // end
    finish(x + i % PX, y + i / PX, n, lo);
    finish(x + i % PX, y + i / PX, n + 4u, hi);
  }
}
