// conv_tiled.wgsl — convolution as an implicit matrix product: a workgroup stages pixels and weights in workgroup memory.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [kh·kw, Ci, Co8]     f32 or f16 by W_TYPE, laid out as parts/conv_output.wgsl says
//   S  [B, Ci, 2]           f32, scale and shift of x: with NORM a group norm is applied to x on its way into a tile
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// Rows of the product are output pixels, columns output channels, and K runs through the taps of some channels after the
// others: the picture that im2col would write is only ever in workgroup memory. Each invocation makes RM pixels × RN · 8 channels.
//
// With PATCH a workgroup's pixels are a rectangle, and what all taps see of it is staged once: for 3×3 taps 1.6 values a pixel in
// place of nine. Without it, for strides and kernels of one tap, pixels follow each other through the picture, and each tap's
// are staged for it.

// variants V=1 RM=4 RN=1; V=0 RM=4 RN=1; V=1 RM=8 RN=1; V=0 RM=8 RN=1; V=1 RM=16 RN=2; V=0 RM=16 RN=2

override X_TYPE: u32 = 0u;   // of tiles: 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16
override UP: u32 = 1u;
override STRIDE: u32 = 1u;
override KH: u32 = 3u;
override KW: u32 = 3u;
override PATCH: u32 = 0u;    // with a STRIDE of 1
override NORM: u32 = 0u;     // 1: x · scale + shift of its channel; 2: and SiLU

// include conv_output
@group(0) @binding(1) var<storage, read>       X: array<vec4<xElem>>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
@group(0) @binding(7) var<storage, read>       S: array<vec4f>;   // two channels each

const ACROSS = 8u;                  // invocations along channels
const DOWN = 64u / min(RM, 8u);     // and along pixels
const PIXELS = DOWN * RM;
const EIGHTS = ACROSS * RN;         // of output channels
const ROWS = PIXELS / 8u;           // of a rectangle eight pixels wide
// Tiles hold 16-bit values as they are stored, and 16 bytes more for each pixel, which spreads pixels over the banks.
override STEP8: u32 = 1u;   // channels staged at once, by eight
override TAPS: u32 = 1u;    // and taps of their weights, a divisor of all; with PATCH
override X_VECTORS: u32 = select(1u, 2u, X_TYPE == 0u);  // of 16 bytes, for eight values
override W_VECTORS: u32 = select(1u, 2u, W_TYPE == 0u);
override PITCH: u32 = STEP8 * X_VECTORS + 1u;
// What a rectangle's taps see: where pixels are doubled, it may begin with the second of a pair.
override SEEN_X: u32 = (7u + KW - 1u) / UP + UP;
override SEEN_Y: u32 = (ROWS - 1u + KH - 1u) / UP + UP;
override STAGED: u32 = select(PIXELS, SEEN_X * SEEN_Y, PATCH == 1u);
override NEXT: u32 = select(DOWN, DOWN / 8u * SEEN_X, PATCH == 1u) * PITCH;  // from a pixel of an invocation to the next
var<workgroup> xTile: array<vec4u, STAGED * PITCH>;
// Of weights, written out: naga panics over an override for it.
var<workgroup> wTile: array<vec4u, TAPS * STEP8 * 8u * EIGHTS * W_VECTORS>;
var<workgroup> places: array<vec2u, PIXELS>;   // column and row of an output pixel

// include eights

/// Input coordinate of output coordinate o under tap k, or −1 outside.
fn source(o: u32, k: u32, pad: i32, size: u32) -> i32 {
  let t = i32(o * STRIDE + k) - pad;
  if (t < 0 || t >= i32(size * UP)) { return -1; }
  return t / i32(UP);
}

/// Four input channels, normed. The padding is of what comes out of this: zeros stay zeros.
fn normed(v: vec4f, c: u32) -> vec4f {
  if (NORM == 0u) { return v; }
  let at = (s.b * s.C4 + c) * 2u;
  let a = S[at];
  let b = S[at + 1u];
  let u = fma(v, vec4f(a.x, a.z, b.x, b.z), vec4f(a.y, a.w, b.y, b.w));
  if (NORM == 1u) { return u; }
  return u / (1.0 + exp(min(-u, vec4f(80.0))));
}

/// Eight channels from the four c on of an input pixel, zeros outside and beyond the last.
fn stageX(to: u32, x: i32, y: i32, c: u32) {
  var v = Eight();
  if (x >= 0 && y >= 0) {
    let at = ((u32(y) - s.xRow) * s.W + u32(x)) * s.C4 + c;
    if (c < s.C4) { v.lo = normed(vec4f(X[at]), c); }
    if (c + 1u < s.C4) { v.hi = normed(vec4f(X[at + 1u]), c + 1u); }
  }
  if (X_TYPE == 0u) {
    xTile[to] = bitcast<vec4u>(v.lo);
    xTile[to + 1u] = bitcast<vec4u>(v.hi);
  } else {
    xTile[to] = vec4u(pack2x16float(v.lo.xy), pack2x16float(v.lo.zw), pack2x16float(v.hi.xy), pack2x16float(v.hi.zw));
  }
}

/// Weights of input row k (tap · Ci + channel) for eight output channels from n on.
fn stageW(to: u32, k: u32, n: u32) {
  var v = vec4u();
  var u = vec4u();
  if (n < s.Co8) {
    let at = weightAt(k, n) * W_VECTORS;
    v = W[at];
    if (W_TYPE == 0u) { u = W[at + 1u]; }
  }
  wTile[to] = v;
  if (W_TYPE == 0u) { wTile[to + 1u] = u; }
}

fn stagedX(at: u32) -> Eight {
  let v = xTile[at];
  if (X_TYPE == 0u) { return wide(v, xTile[at + 1u]); }
  return halves(v);
}

fn stagedW(at: u32) -> Eight {
  let v = wTile[at];
  if (W_TYPE == 0u) { return wide(v, wTile[at + 1u]); }
  return halves(v);
}

@compute @workgroup_size(ACROSS, DOWN)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n0 = group.x * EIGHTS * 8u;
  let count = s.rows * s.Wo;
  let first = group.y * PIXELS;
  // The rectangle's first pixel, and the first that its taps see, in the input as it is and as it is read.
  let corner = vec2u(group.y % max(s.tiles, 1u) * 8u, s.y0 + group.y / max(s.tiles, 1u) * ROWS);
  let begin = vec2i(corner) - vec2i(s.padX, s.padY);
  let seen = begin >> vec2u(UP - 1u);
  let skipped = vec2u(begin - seen * i32(UP));
  // Rows that no output of this launch sees need not be bound.
  let end = vec2i(i32(s.W), min(i32(s.H), (i32(s.y0 + s.rows + KH) - 2 - s.padY) / i32(UP) + 1));
  if (PATCH == 0u) {
    // Pixels beyond the last row count as the last one and are not stored.
    for (var at = lane; at < PIXELS; at += ACROSS * DOWN) {
      let p = min(first + at, count - 1u);
      places[at] = vec2u(p % s.Wo, s.y0 + p / s.Wo);
    }
  }
  // unroll i RM
  // unroll j RN
  var a#i_#j = vec4f();
  var b#i_#j = vec4f();
  // end
  // end
  workgroupBarrier();

  for (var c = 0u; c < s.C4; c += STEP8 * 2u) {
    if (PATCH == 1u) {
      for (var at = lane; at < STAGED * STEP8; at += ACROSS * DOWN) {
        let row = at / STEP8;
        let p = seen + vec2i(i32(row % SEEN_X), i32(row / SEEN_X));
        stageX(row * PITCH + at % STEP8 * X_VECTORS, select(-1, p.x, p.x < end.x), select(-1, p.y, p.y < end.y), c + at % STEP8 * 2u);
      }
    }
    for (var tap0 = 0u; tap0 < KH * KW; tap0 += TAPS) {
      if (PATCH == 0u) {
        for (var at = lane; at < PIXELS * STEP8; at += ACROSS * DOWN) {
          let row = at / STEP8;
          let x = source(places[row].x, tap0 % KW, s.padX, s.W);
          let y = source(places[row].y, tap0 / KW, s.padY, s.H);
          stageX(row * PITCH + at % STEP8 * X_VECTORS, x, y, c + at % STEP8 * 2u);
        }
      }
      for (var at = lane; at < TAPS * STEP8 * 8u * EIGHTS; at += ACROSS * DOWN) {
        // Where channels end within a step, the pixels' zeros cancel what is read of the next tap.
        let k = ((tap0 + at / (STEP8 * 8u * EIGHTS)) * s.C4 + c) * 4u + at / EIGHTS % (STEP8 * 8u);
        stageW(at * W_VECTORS, min(k, KH * KW * s.C4 * 4u - 1u), n0 + at % EIGHTS * 8u);
      }
      workgroupBarrier();
      for (var step = 0u; step < TAPS * STEP8; step++) {
        let tap = tap0 + step / STEP8;
        let column = (skipped.x + local.y % 8u + tap % KW) / UP;
        let row = skipped.y + local.y / 8u + tap / KW;
        let eighth = step % STEP8 * X_VECTORS;
        let at = select(local.y, row * SEEN_X + column, PATCH == 1u) * PITCH + eighth;
        // unroll i RM
        var at#i = at + i * NEXT;
        if (PATCH * UP > 1u) { at#i = ((row + i * DOWN / 8u) / UP * SEEN_X + column) * PITCH + eighth; }
        // end
        // All weights first: a sum that takes its eight products in a row leaves the registers once.
        // unroll j RN
        // unroll t 4
        let w#t_#j = stagedW(((step * 8u + t) * EIGHTS + j * ACROSS + local.x) * W_VECTORS);
        let u#t_#j = stagedW(((step * 8u + 4u + t) * EIGHTS + j * ACROSS + local.x) * W_VECTORS);
        // end
        // end
        // unroll i RM
        let x#i = stagedX(at#i);
        // unroll j RN
        // unroll t 4
        a#i_#j = fma(vec4f(x#i.lo[t]), w#t_#j.lo, a#i_#j);
        b#i_#j = fma(vec4f(x#i.lo[t]), w#t_#j.hi, b#i_#j);
        // end
        // unroll t 4
        a#i_#j = fma(vec4f(x#i.hi[t]), u#t_#j.lo, a#i_#j);
        b#i_#j = fma(vec4f(x#i.hi[t]), u#t_#j.hi, b#i_#j);
        // end
        // end
        // end
      }
      workgroupBarrier();
    }
  }

  // unroll j RN
  let channel#j = n0 + (j * ACROSS + local.x) * 8u;
  let shiftLo#j = shifts(channel#j);
  let shiftHi#j = shifts(channel#j + 4u);
  // end
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < RM; i++) {
    let at = i * DOWN + local.y;
    var place = corner + vec2u(at % 8u, at / 8u);
    if (PATCH == 0u) {
      if (first + at >= count) { break; }
      place = places[at];
    }
    // unroll j RN
    var lo#j = a0_#j;
    var hi#j = b0_#j;
    // unroll p RM
    lo#j = select(lo#j, a#p_#j, i == p);
    hi#j = select(hi#j, b#p_#j, i == p);
    // end
    finish(place.x, place.y, channel#j, lo#j + shiftLo#j);
    finish(place.x, place.y, channel#j + 4u, hi#j + shiftHi#j);
    // end
  }
}
