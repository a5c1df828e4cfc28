// matmul_pad.wgsl — P = X with zeros appended to each row: K made a multiple of 8 for matmul.wgsl.
//
//   X  [.., K]     elem, rows m % S of sample m / S
//   P  [rows, Kp]  elem, dense
//
// One invocation an element of P; groups fold over x and y.

override WG: u32 = 64u;

struct Shape { m0: u32, mEnd: u32, K: u32, Kp: u32, S: u32, xN: u32, xAt: u32, xBase: u32, pBase: u32, fold: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<elem>;
@group(0) @binding(2) var<storage, read_write> P: array<elem>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * s.fold + group.x) * WG + lane;
  let m = s.m0 + at / s.Kp;
  let k = at % s.Kp;
  if (m >= s.mEnd) { return; }
  var v = elem(0.0);
  if (k < s.K) { v = X[((m / s.S) * s.xN + s.xAt + m % s.S) * s.K + k - s.xBase]; }
  P[m * s.Kp + k - s.pBase] = v;
}
