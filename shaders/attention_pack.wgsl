// attention_pack.wgsl — P [rows, D] = one head's rows of X: for keys and values that exceed a binding.
//
// One invocation an element; groups fold over x and y.

override WG: u32 = 64u;

struct Shape { r0: u32, rEnd: u32, D: u32, row: u32, first: u32, fold: u32 }  // first: wraps, row·r0 brings it back

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<elem>;
@group(0) @binding(2) var<storage, read_write> P: array<elem>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * s.fold + group.x) * WG + lane;
  let row = s.r0 + at / s.D;
  let d = at % s.D;
  if (row < s.rEnd) { P[row * s.D + d] = X[s.first + row * s.row + d]; }
}
