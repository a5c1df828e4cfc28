// gate.wgsl — workgroups of launches that depend on a number on the GPU: none where it is 0.
//
// The sizes stand in words 60 … 62 of each launch's parameters.

override WG: u32 = 256u;

struct Shape {
  slots: u32,  // launches
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       parameters: array<vec4u>;
@group(0) @binding(2) var<storage, read>       state: array<f32>;
@group(0) @binding(3) var<storage, read_write> sizes: array<vec4u>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= s.slots) { return; }
  sizes[id.x] = select(vec4u(0u), parameters[id.x * 16u + 15u], state[0] != 0.0);
}
