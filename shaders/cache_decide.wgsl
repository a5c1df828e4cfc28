// cache_decide.wgsl — whether the blocks behind the first run: state = [1 or 0, calls that skipped them, calls].
//
// They are skipped where Σ|r − ref| ≤ threshold · Σ|ref|; what is not a number is computed.

override WG: u32 = 256u;

struct Shape {
  count: u32,      // pairs
  threshold: f32,
  forced: u32,     // 1: there is nothing to compare with, they run
  begins: u32,     // 1: counts begin at 0
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       parts: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> state: array<f32>;

var<workgroup> sums: array<vec2f, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = vec2f(0.0);
  for (var i = lane; i < s.count; i += WG) { sum += parts[i]; }
  sums[lane] = sum;
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  if (lane != 0u) { return; }
  let skip = s.forced == 0u && sums[0].x <= s.threshold * sums[0].y;
  let counts = select(vec2f(state[1], state[2]), vec2f(0.0), s.begins == 1u);
  state[0] = select(1.0, 0.0, skip);
  state[1] = counts.x + select(0.0, 1.0, skip);
  state[2] = counts.y + 1.0;
}
