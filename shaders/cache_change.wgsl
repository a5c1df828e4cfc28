// cache_change.wgsl — how much a residual has changed: parts of Σ|r − ref| and Σ|ref| with r = x − before.
//
// Every workgroup sums 16 · WG elements; cache_decide.wgsl adds up what the workgroups give.

override WG: u32 = 256u;

struct Shape {
  count: u32,  // elements
  xAt: u32,    // first element in X
  at: u32,     // first element in before and reference
  out: u32,    // first pair in parts
  fold: u32,   // workgroups along x
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<f32>;
@group(0) @binding(2) var<storage, read>       before: array<f32>;
@group(0) @binding(3) var<storage, read>       reference: array<f32>;
@group(0) @binding(4) var<storage, read_write> parts: array<vec2f>;

var<workgroup> sums: array<vec2f, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let span = 16u * WG;
  let index = group.y * s.fold + group.x;
  var sum = vec2f(0.0);
  for (var k = 0u; k < 16u; k++) {
    let i = index * span + k * WG + lane;
    if (i < s.count) {
      let ref_ = reference[s.at + i];
      sum += vec2f(abs(X[s.xAt + i] - before[s.at + i] - ref_), abs(ref_));
    }
  }
  sums[lane] = sum;
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  if (lane == 0u && index * span < s.count) { parts[s.out + index] = sums[0]; }
}
