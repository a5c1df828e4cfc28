// conv.wgsl — convolution of any kernel size, stride and padding: PX neighbouring pixels × 8 channels an invocation.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [kh·kw, Ci, Co8]     f32 or f16 by W_TYPE, output channels padded to 8
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// TRANSPOSED reads x where (o + pad − tap) divides by the stride, as torch's conv_transpose2d.

// variants V=1 TEXELS=0 PX=4; V=0 TEXELS=0 PX=4; V=1 TEXELS=1 PX=4; V=0 TEXELS=1 PX=4; V=1 TEXELS=1 PX=8; V=0 TEXELS=1 PX=8

override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override W_TYPE: u32 = 0u;
override UP: u32 = 1u;
override STRIDE: u32 = 1u;
override KH: u32 = 3u;
override KW: u32 = 3u;
override TRANSPOSED: u32 = 0u;

struct Shape {
  H: u32, W: u32, C4: u32, Co: u32, Co8: u32, Ho: u32, Wo: u32, tiles: u32,
  padY: i32, padX: i32, y0: u32, rows: u32,
  xRow: u32, yRow: u32, rRow: u32, b: u32,
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

/// Input coordinate of output coordinate o under tap k, or −1 outside (and between, when transposed).
fn source(o: u32, k: u32, pad: i32, size: u32) -> i32 {
  if (TRANSPOSED == 1u) {
    let t = i32(o) + pad - i32(k);
    if (t < 0 || t % i32(STRIDE) != 0 || t / i32(STRIDE) >= i32(size)) { return -1; }
    return t / i32(STRIDE);
  }
  let t = i32(o * STRIDE + k) - pad;
  if (t < 0 || t >= i32(size * UP)) { return -1; }
  return t / i32(UP);
}

struct Eight { lo: vec4f, hi: vec4f }

fn weights(k: u32, n: u32) -> Eight {
  let at = (k * s.Co8 + n) / 8u;
  if (W_TYPE == 0u) { return Eight(bitcast<vec4f>(wBits(at * 2u)), bitcast<vec4f>(wBits(at * 2u + 1u))); }
  let v = wBits(at);
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn finish(x: u32, y: u32, n: u32, sum: vec4f) {
  if (x >= s.Wo || n >= s.Co) { return; }
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
  let y = s.y0 + id.y / s.tiles;
  let x = (id.y % s.tiles) * PX;
  if (n >= s.Co || y >= s.y0 + s.rows || lane >= s.across * down) { return; }

  // unroll p PX
  var a#p = vec4f();
  var b#p = vec4f();
  // end
  for (var ky = 0u; ky < KH; ky++) {
    let row = source(y, ky, s.padY, s.H);
    if (row < 0) { continue; }
    let line = (u32(row) - s.xRow) * s.W;
    for (var kx = 0u; kx < KW; kx++) {
      // unroll p PX
      let c#p = source(x + p, kx, s.padX, s.W);
      let x#p = (line + u32(max(c#p, 0))) * s.C4;
      // end
      for (var c = 0u; c < s.C4; c++) {
        // unroll p PX
        let v#p = select(vec4f(), xFour(x#p + c), c#p >= 0);
        // end
        let k = ((ky * KW + kx) * s.C4 + c) * 4u;
        // unroll i 4
        let w#i = weights(k + i, n);
        // unroll p PX
        a#p = fma(vec4f(v#p[i]), w#i.lo, a#p);
        b#p = fma(vec4f(v#p[i]), w#i.hi, b#p);
        // end
        // end
      }
    }
  }
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < PX; i++) {
    var lo = a0;
    var hi = b0;
    // unroll p PX
    lo = select(lo, a#p, i == p);
    hi = select(hi, b#p, i == p);
    // end
    finish(x + i, y, n, lo);
    finish(x + i, y, n + 4u, hi);
  }
}
