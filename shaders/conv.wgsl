// conv.wgsl — convolution of any kernel size, stride and padding: PX neighbouring pixels × 8 channels an invocation.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [kh·kw, Ci, Co8]     f32 or f16 by W_TYPE, laid out as parts/conv_output.wgsl says
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// TRANSPOSED reads x where (o + pad − tap) divides by the stride, as torch's conv_transpose2d.

// variants V=1 TEXELS=0 PX=4; V=0 TEXELS=0 PX=4; V=1 TEXELS=1 PX=4; V=0 TEXELS=1 PX=4; V=1 TEXELS=1 PX=8; V=0 TEXELS=1 PX=8

override UP: u32 = 1u;
override STRIDE: u32 = 1u;
override KH: u32 = 3u;
override KW: u32 = 3u;
override TRANSPOSED: u32 = 0u;

// include conv_output
// include eights
// include conv_operands
// unroll t TEXELS
// include texel_fours
// end

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
  let shiftLo = shifts(n);
  let shiftHi = shifts(n + 4u);
  // A loop with the sums picked by select, as in matmul.wgsl.
  for (var i = 0u; i < PX; i++) {
    var lo = a0;
    var hi = b0;
    // unroll p PX
    lo = select(lo, a#p, i == p);
    hi = select(hi, b#p, i == p);
    // end
    finish(x + i, y, n, lo + shiftLo);
    finish(x + i, y, n + 4u, hi + shiftHi);
  }
}
