// pad_channels.wgsl — Y [rows, C4] = X [rows, C], filled with zeros: channels that vec4 loads can read.

override WG: u32 = 64u;

struct Shape { count: u32, C: u32, C4: u32, fold: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<xElem>;
@group(0) @binding(2) var<storage, read_write> Y: array<xElem>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  let c = i % s.C4;
  var v = xElem();
  if (c < s.C) { v = X[(i / s.C4) * s.C + c]; }
  Y[i] = v;
}
