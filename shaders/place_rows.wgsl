// place_rows.wgsl — rows of stored weights in the type that kernels read, eight values an invocation. For rows of whole eights;
// place.wgsl takes the others.
//
//   X      a piece of a tensor as it is stored, f32, f16 or bf16
//   Y      its place, f32 or 16-bit values
//   flags  u32 a tensor: not 0 where f16 cannot hold a finite value of it

override WG: u32 = 64u;
override FROM: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
override TO: u32 = 1u;     // the same; 1 from 0 or 1, 2 from 2
override CUT: u32 = 0u;    // rows of Y are parts of those of X; processors take long to divide, so that it is known when compiling

struct Shape {
  count: u32, fold: u32, yBase: u32, flag: u32,  // invocations, workgroups along x, loads of Y before the piece
  K8: u32, width8: u32, at8: u32,                // eights of a row of Y, of X, and the first that is meant
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> Y: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> flags: array<atomic<u32>>;

// include half_bits
// include place_eights

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  var source = i;
  if (CUT == 1u) {
    let row = i / s.K8;
    source = row * s.width8 + s.at8 + i - row * s.K8;
  }
  if (TO == 0u) {
    let v = words(source);
    Y[s.yBase + 2u * i] = v.lo;
    Y[s.yBase + 2u * i + 1u] = v.hi;
  } else {
    Y[s.yBase + i] = halvesOf(source);
  }
}
