// cache_apply.wgsl — what a cached step keeps of a computed one, and what it takes from it.
//
// OP 0, behind the first block of a step that is computed: reference = x − before, tail = x.
// OP 1, behind the last block: tail = x − tail where the blocks ran, x += tail where they were skipped.

override WG: u32 = 256u;
override OP: u32 = 0u;

struct Shape {
  count: u32,  // elements
  xAt: u32,    // first element in X
  at: u32,     // first element in the others
  fold: u32,   // workgroups along x
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       state: array<f32>;
@group(0) @binding(2) var<storage, read>       before: array<f32>;
@group(0) @binding(3) var<storage, read_write> X: array<f32>;
@group(0) @binding(4) var<storage, read_write> reference: array<f32>;
@group(0) @binding(5) var<storage, read_write> tail: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = (group.y * s.fold + group.x) * 4u * WG + lane;
  for (var k = 0u; k < 4u; k++) {
    let i = first + k * WG;
    if (i >= s.count) { return; }
    let x = X[s.xAt + i];
    if (OP == 0u) {
      reference[s.at + i] = x - before[s.at + i];
      tail[s.at + i] = x;
    } else if (state[0] != 0.0) {
      tail[s.at + i] = x - tail[s.at + i];
    } else {
      X[s.xAt + i] = x + tail[s.at + i];
    }
  }
}
