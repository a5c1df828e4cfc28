// place_conv.wgsl — stored weights of a convolution as columns of 64 output channels, eight outputs by eight values an invocation.
// For whole eights of outputs and of values, and whole fours of input channels; place.wgsl takes the others.
//
//   X      a piece of [Co, Ci, taps] as it is stored, f32, f16 or bf16
//   Y      its place, [Co / 64, taps, Ci, 64] f32 or f16; the last column may be narrower
//   flags  u32 a tensor: not 0 where f16 cannot hold a finite value of it
//
// Four neighbouring invocations make half a row of a column.

override WG: u32 = 64u;
override FROM: u32 = 1u;   // 0 f32, 1 f16, 2 bf16
override TO: u32 = 1u;     // 0 f32; 1 f16, from 0 or 1
override TAPS: u32 = 9u;   // values of a kernel: known when compiling, since processors take long to divide

struct Shape {
  yBase: u32, flag: u32,  // loads of Y before the piece
  Co8: u32, Ci: u32,      // eights of outputs, input channels
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> Y: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> flags: array<atomic<u32>>;

// include half_bits
// include place_eights

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let K = s.Ci * TAPS;
  let K8 = K / 8u;
  // Halves of a column, one after the other: its full width would read more rows at once than processors fetch ahead of.
  let k8 = id.x / 4u;
  let n8 = 4u * id.y + id.x % 4u;
  if (k8 >= K8 || n8 >= s.Co8) { return; }
  let column = n8 / 8u;
  let across = min(8u, s.Co8 - 8u * column);  // eights
  let source = n8 * 8u * K8 + k8;
  var c = 8u * k8 / TAPS;
  var t = 8u * k8 - c * TAPS;
  if (TO == 0u) {
    // unroll j 8
    let w#j = words(source + j * K8);
    // end
    let base = s.yBase + column * 16u * K + 2u * (n8 % 8u);
    // unroll k 4
    {
      let to = base + (t * s.Ci + c) * across * 2u;
      Y[to] = vec4u(w0.lo[k], w1.lo[k], w2.lo[k], w3.lo[k]);
      Y[to + 1u] = vec4u(w4.lo[k], w5.lo[k], w6.lo[k], w7.lo[k]);
      t++;
      if (t == TAPS) { t = 0u; c++; }
    }
    // end
    // unroll k 4
    {
      let to = base + (t * s.Ci + c) * across * 2u;
      Y[to] = vec4u(w0.hi[k], w1.hi[k], w2.hi[k], w3.hi[k]);
      Y[to + 1u] = vec4u(w4.hi[k], w5.hi[k], w6.hi[k], w7.hi[k]);
      t++;
      if (t == TAPS) { t = 0u; c++; }
    }
    // end
    return;
  }
  // unroll j 8
  let h#j = halvesOf(source + j * K8);
  // end
  let base = s.yBase + column * 8u * K + n8 % 8u;
  // unroll m 4
  {
    let even = vec4u(h0[m], h2[m], h4[m], h6[m]);
    let odd = vec4u(h1[m], h3[m], h5[m], h7[m]);
    Y[base + (t * s.Ci + c) * across] = (even & vec4u(0xffffu)) | (odd << vec4u(16u));
    t++;
    if (t == TAPS) { t = 0u; c++; }
    Y[base + (t * s.Ci + c) * across] = (even >> vec4u(16u)) | (odd & vec4u(0xffff0000u));
    t++;
    if (t == TAPS) { t = 0u; c++; }
  }
  // end
}
