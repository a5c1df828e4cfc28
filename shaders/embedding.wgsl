// embedding.wgsl — Y[row] = table[ids[row]] (+ positions[row % N]), f32.
//
//   ids [rows] i32;  table [V, D] and positions [P, D] f32, f16 or bf16, rows of `stride` elements
//
// One invocation an element; workgroups fold over x and y.

override WG: u32 = 64u;
override TYPE: u32 = 0u;       // of the table: 0 f32, 1 f16, 2 bf16
override POSITIONS: u32 = 0u;  // 0 none, 1 f32, 2 f16, 3 bf16

struct Shape { count: u32, D: u32, N: u32, fold: u32, stride: u32, pStride: u32, first: u32, last: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       ids: array<i32>;
@group(0) @binding(2) var<storage, read>       table: array<u32>;
@group(0) @binding(3) var<storage, read>       positions: array<u32>;
@group(0) @binding(4) var<storage, read_write> Y: array<f32>;

fn half(v: u32, odd: bool, type_: u32) -> f32 {
  if (type_ == 1u) { let h = unpack2x16float(v); return select(h.x, h.y, odd); }
  return select(bitcast<f32>(v << 16u), bitcast<f32>(v & 0xffff0000u), odd);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  let row = i / s.D;
  let d = i % s.D;
  let id = u32(ids[row]);
  if (id < s.first || id >= s.last) { return; }   // rows of another part of a split table
  let at = (id - s.first) * s.stride + d;
  var v = 0.0;
  if (TYPE == 0u) { v = bitcast<f32>(table[at]); } else { v = half(table[at / 2u], (at & 1u) == 1u, TYPE); }
  if (POSITIONS > 0u) {
    let p = (row % s.N) * s.pStride + d;
    if (POSITIONS == 1u) { v += bitcast<f32>(positions[p]); }
    else { v += half(positions[p / 2u], (p & 1u) == 1u, POSITIONS - 1u); }
  }
  Y[i] = v;
}
