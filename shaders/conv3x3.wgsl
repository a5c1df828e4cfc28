// conv3x3.wgsl — 3×3 convolution, stride 1: each invocation makes PX neighbouring pixels of ROWS rows × 8 channels.
//
//   X  [B, H, W, Ci]        xElem, Ci a multiple of 4
//   W  [9, Ci, Co8]         f32 or f16 by W_TYPE, laid out as parts/conv_output.wgsl says
//   Y  [B, Ho, Wo, Co]      yElem;  y = act(conv + bias + channelBias[b]) + R
//
// The PX + 2 input columns of a row serve all three taps of that row, so a loaded value is used up to 24 times, and a
// weight PX · ROWS times.
// UP = 2 reads the picture as if every pixel stood twice in both directions (nearest upsampling).

// variants V=1 TEXELS=0 PX=8 ROWS=1; V=0 TEXELS=0 PX=8 ROWS=1; V=1 TEXELS=1 PX=8 ROWS=1; V=0 TEXELS=1 PX=8 ROWS=1; V=1 TEXELS=1 PX=16 ROWS=1; V=1 TEXELS=1 PX=8 ROWS=2; V=1 TEXELS=1 PX=4 ROWS=4

override UP: u32 = 1u;

// include conv_output
// include eights
// include conv_operands
// unroll t TEXELS
// include texel_fours
// end

const OUTSIDE = 0xffffffffu;

/// Where the channels of virtual row y and column x begin.
fn place(y: i32, x: i32) -> u32 {
  let inside = y >= 0 && y < i32(s.H * UP) && x >= 0 && x < i32(s.W * UP);
  return select(OUTSIDE, ((u32(y) / UP - s.xRow) * s.W + u32(x) / UP) * s.C4, inside);
}

/// Input channels 4·c … of a place; zero outside.
fn pixel(at: u32, c: u32) -> vec4f { return select(vec4f(), xFour(at + c), at != OUTSIDE); }

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
      // All weights first: a sum that takes its twelve products in a row leaves the registers once.
      // unroll kx 3
      // unroll i 4
      let w#kx_#i = weights((ky * 3u + kx) * s.C4 * 4u + c * 4u + i, n);
      // end
      // end
      // unroll r ROWS
      // unroll p PX
      // unroll kx 3
      // unroll i 4
      a#r_#p = fma(vec4f(cols#r[p + kx][i]), w#kx_#i.lo, a#r_#p);
      b#r_#p = fma(vec4f(cols#r[p + kx][i]), w#kx_#i.hi, b#r_#p);
      // end
      // end
      // end
      // end
    }
  }
  let shiftLo = shifts(n);
  let shiftHi = shifts(n + 4u);
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
    finish(x + i % PX, y + i / PX, n, lo + shiftLo);
    finish(x + i % PX, y + i / PX, n + 4u, hi + shiftHi);
  }
}
