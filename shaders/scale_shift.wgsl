// scale_shift.wgsl — Y = act(X · scale[b, c] + shift[b, c]): the second half of a group norm.
//
//   X [B·P, C] xElem, Y [B·P, C] yElem, bound from pixels xBase and yBase on; S [B, C] of (scale, shift), f32.
//   One invocation four channels (V = 1, C a multiple of 4) or one, from pixel `first` on; folded over x and y.

// variants V=1 TEXELS=0; V=0 TEXELS=0; V=1 TEXELS=1

override WG: u32 = 64u;
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16; with texels
override ACT: u32 = 0u;   // as in matmul.wgsl: 0 none, 1 silu

struct Shape { count: u32, C: u32, P: u32, fold: u32, first: u32, xBase: u32, yBase: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
// unroll _ 1 - TEXELS
@group(0) @binding(2) var<storage, read>       S: array<vec2f>;
fn pair(c: u32) -> vec2f { return S[c]; }
// end
// unroll _ V
@group(0) @binding(3) var<storage, read_write> Y: array<vec4<yElem>>;
// unroll _ 1 - TEXELS
@group(0) @binding(1) var<storage, read>       X: array<vec4<xElem>>;
fn xFour(at: u32) -> vec4f { return vec4f(X[at]); }
// end
// unroll _ TEXELS
@group(0) @binding(1) var                      X: Texels;
@group(0) @binding(2) var                      S: Texels;
fn pair(c: u32) -> vec2f {  // two channels a texel
  let bits = bitcast<vec4f>(texel(S, c >> 1u));
  return select(bits.xy, bits.zw, (c & 1u) == 1u);
}
// include texel_fours
// end
// end
// unroll _ 1 - V
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(3) var<storage, read_write> Y: array<yElem>;
// end

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  // unroll _ V
  let pixel = s.first + (i * 4u) / s.C;
  let k = (i * 4u) % s.C;
  let c = pixel / s.P * s.C + k;
  let a = pair(c);
  let b = pair(c + 1u);
  let d = pair(c + 2u);
  let e = pair(c + 3u);
  var v = fma(xFour(((pixel - s.xBase) * s.C + k) / 4u), vec4f(a.x, b.x, d.x, e.x), vec4f(a.y, b.y, d.y, e.y));
  if (ACT == 1u) { v = v / (1.0 + exp(min(-v, vec4f(80.0)))); }
  Y[((pixel - s.yBase) * s.C + k) / 4u] = vec4<yElem>(v);
  // end
  // unroll _ 1 - V
  let pixel = s.first + i / s.C;
  let k = i % s.C;
  let a = pair(pixel / s.P * s.C + k);
  var v = f32(X[(pixel - s.xBase) * s.C + k]) * a.x + a.y;
  if (ACT == 1u) { v = v / (1.0 + exp(min(-v, 80.0))); }
  Y[(pixel - s.yBase) * s.C + k] = yElem(v);
  // end
}
