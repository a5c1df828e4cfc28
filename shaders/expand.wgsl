// expand.wgsl — rows of a quantised weight as f16 or f32, for a product of many rows: one pass over a layer costs less than
// expanding at every use.
//
//   W  [N, K] blocks as a GGUF file holds them, whole blocks a row
//   A  [rank, K], B [rows, rank]  f32, f16 or bf16 by CHANGE_TYPE, F [rank] f32, with CHANGED: W + B · (F ⊙ A), a change of low rank
//   S  [N, columns]  f32, with SCALED: factors of the stored values
//   Y  [n1 − n0, stride]  f16 two in a u32, or f32 by Y_TYPE; stride is K filled up with zeros
//
// One invocation makes SPAN units of 32 values, which share loads.

// variants SPAN=1; SPAN=4

override WG: u32 = 64u;
override Y_TYPE: u32 = 1u;        // 0 f32, 1 f16
override CHANGED: u32 = 0u;
override CHANGE_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
override SCALED: u32 = 0u;
override GATHER: u32 = 0u;        // rows by their numbers, those of n0 … n1 − 1 only, in place of all of these

struct Shape {
  n0: u32, n1: u32, K8: u32, stride8: u32,
  rowBytes: u32, wBase: u32, rank: u32, fold: u32,  // wBase: bytes before the bound part; fold: workgroups along x
  yBase: u32,    // loads of 16 bytes before row n0
  rows: u32,     // to gather
  bFirst: u32,   // row of W that is row 0 of B
  whole8: u32, at8: u32,             // eighths of a row of A, and the first that belongs to W
  sColumns: u32, sWidth8: u32,       // factors of a row of S, and eighths that each is for
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       W: array<vec4u>;
@group(0) @binding(2) var<storage, read>       A: array<vec4u>;
@group(0) @binding(3) var<storage, read>       B: array<u32>;
@group(0) @binding(4) var<storage, read>       F: array<f32>;
@group(0) @binding(5) var<storage, read>       S: array<f32>;
@group(0) @binding(6) var<storage, read>       numbers: array<u32>;
@group(0) @binding(7) var<storage, read_write> Y: array<vec4u>;

fn wBits(at: u32) -> vec4u { return W[at]; }

// include eights
// include brains
// include quants

fn eightOfA(at: u32) -> Eight {
  if (CHANGE_TYPE == 0u) { return wide(A[at * 2u], A[at * 2u + 1u]); }
  if (CHANGE_TYPE == 1u) { return halves(A[at]); }
  return brains(A[at]);
}

fn oneOfB(at: u32) -> f32 {
  if (CHANGE_TYPE == 0u) { return bitcast<f32>(B[at]); }
  let bits = (B[at >> 1u] >> ((at & 1u) * 16u)) & 0xffffu;
  if (CHANGE_TYPE == 1u) { return unpack2x16float(bits).x; }
  return bitcast<f32>(bits << 16u);
}

fn put(base: u32, at: u32, v: Eight) {
  if (Y_TYPE == 0u) {
    Y[base + at * 2u] = bitcast<vec4u>(v.lo);
    Y[base + at * 2u + 1u] = bitcast<vec4u>(v.hi);
  } else {
    Y[base + at] = vec4u(
      pack2x16float(v.lo.xy), pack2x16float(v.lo.zw), pack2x16float(v.hi.xy), pack2x16float(v.hi.zw));
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * s.fold + group.x) * WG + lane;
  let spans = (s.stride8 + 4u * SPAN - 1u) / (4u * SPAN);
  let row = at / spans;
  let first = (at - row * spans) * SPAN;
  var n = s.n0 + row;
  if (GATHER == 1u) {
    if (row >= s.rows) { return; }
    n = numbers[row];
    if (n < s.n0) { return; }
  }
  if (n >= s.n1) { return; }
  let span = spanOf(n * s.rowBytes - s.wBase + first / BLOCK_UNITS * BLOCK_BYTES, first % BLOCK_UNITS);
  // unroll g SPAN
  {
    let unit = first + g;
    let bytes = unitFrom(span, unit % BLOCK_UNITS);
    // unroll e 4
    {
      let k = unit * 4u + e;
      var v = eightOf(bytes, e);
      if (SCALED == 1u) {
        let scale = S[n * s.sColumns + (s.at8 + k) / s.sWidth8];
        v = Eight(v.lo * scale, v.hi * scale);
      }
      if (CHANGED == 1u) {
        for (var r = 0u; r < s.rank; r++) {
          let b = F[r] * oneOfB((n - s.bFirst) * s.rank + r);
          let a = eightOfA(r * s.whole8 + s.at8 + k);
          v = Eight(v.lo + b * a.lo, v.hi + b * a.hi);
        }
      }
      // Rows of 8-bit values may end within a unit.
      if (k < s.stride8) { put(s.yBase, row * s.stride8 + k, v); }
    }
    // end
  }
  // end
}
