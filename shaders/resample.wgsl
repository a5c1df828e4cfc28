// resample.wgsl — Y[y, x] = Σ wy·wx·X: separable resampling with taps computed on the CPU.
//
//   X [B, h, w, C] xElem;  Y [B, H, W, C] f32
//   taps: for each output row KY pairs (input row, weight), then for each column KX pairs; rows as f32
//
// One invocation an element; workgroups fold over x and y.

override WG: u32 = 64u;

struct Shape { count: u32, fold: u32, h: u32, w: u32, H: u32, W: u32, C: u32, KY: u32, KX: u32, first: u32, xBase: u32, yBase: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(2) var<storage, read>       taps: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> Y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  let c = i % s.C;
  let x = i / s.C % s.W;
  let row = s.first + i / (s.C * s.W);   // of B·H
  let b = row / s.H;
  var v = 0.0;
  for (var ky = 0u; ky < s.KY; ky++) {
    let ty = taps[(row % s.H) * s.KY + ky];
    if (ty.y == 0.0) { continue; }
    let line = (b * s.h + u32(ty.x) - s.xBase) * s.w;
    var sum = 0.0;
    for (var kx = 0u; kx < s.KX; kx++) {
      let tx = taps[s.H * s.KY + x * s.KX + kx];
      if (tx.y != 0.0) { sum += tx.y * f32(X[(line + u32(tx.x)) * s.C + c]); }
    }
    v += ty.y * sum;
  }
  Y[((row - s.yBase) * s.W + x) * s.C + c] = v;
}
