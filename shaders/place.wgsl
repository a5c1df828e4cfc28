// place.wgsl — stored weights in the type and the layout that kernels read: rows filled up with zeros, or a convolution's columns.
//
//   X      a piece of a tensor as it is stored, f32, f16 or bf16
//   Y      its place, f32 or 16-bit values two in a u32
//   flags  u32 a tensor: not 0 where f16 cannot hold a finite value of it
//
// For sizes that whole loads do not divide: place_rows.wgsl and place_conv.wgsl take the others, several times as fast.

override WG: u32 = 64u;
override FROM: u32 = 1u;   // 0 f32, 1 f16, 2 bf16
override TO: u32 = 1u;     // the same; 1 from 0 or 1, 2 from 2
override CONV: u32 = 0u;
override EACH: u32 = 1u;   // u32 that an invocation makes of rows, none of them across the end of a row

struct Shape {
  count: u32, fold: u32, yBase: u32, flag: u32,        // invocations, workgroups along x, u32 of Y before the piece
  K: u32, stride: u32, width: u32, at: u32,            // rows: values, those of a row of Y, of X, and the first that is meant
  Co: u32, N8: u32, Ci: u32, taps: u32, transposed: u32,  // convolutions: outputs of the piece, and up to a multiple of eight
}

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<u32>;
@group(0) @binding(2) var<storage, read_write> Y: array<u32>;
@group(0) @binding(3) var<storage, read_write> flags: array<atomic<u32>>;

const COLUMN = 64u;  // as in parts/conv_output.wgsl

// include half_bits

// A value of X in the type of Y; bit 16 as above where that is f16.
fn value(i: u32) -> u32 {
  if (FROM == 0u) {
    let x = X[i];
    if (TO == 0u) { return x; }
    return narrowed(x);
  }
  let h = (X[i >> 1u] >> ((i & 1u) * 16u)) & 0xffffu;
  if (FROM == TO) { return h; }
  return select(h << 16u, widened(h), FROM == 1u);  // to f32
}

// The value `place` of X, if `there`; tells when f16 cannot hold it.
fn placed(place: u32, there: bool) -> u32 {
  if (!there) { return 0u; }
  let v = value(place);
  if (TO == 1u && FROM == 0u) {
    if ((v & 0x10000u) != 0u) { atomicStore(&flags[s.flag], 1u); }
    return v & 0xffffu;
  }
  return v;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;
  if (i >= s.count) { return; }
  let perWord = select(2u, 1u, TO == 0u);
  if (CONV == 0u) {
    // EACH u32 of one row.
    let e = i * EACH * perWord;
    let row = e / s.stride;
    let k = e - row * s.stride;
    let first = row * s.width + s.at + k;
    for (var j = 0u; j < EACH; j++) {
      let d = j * perWord;
      var v = placed(first + d, k + d < s.K);
      if (TO != 0u) { v |= placed(first + d + 1u, k + d + 1u < s.K) << 16u; }
      Y[s.yBase + i * EACH + j] = v;
    }
    return;
  }
  // Two output channels of two input channels: their kernels lie together in X.
  let pairs = s.N8 / 2u;
  let C4 = (s.Ci + 3u) / 4u * 4u;
  let n = i % pairs * 2u;
  let c = i / pairs * 2u;
  let first = n / COLUMN * COLUMN;
  let across = min(COLUMN, s.N8 - first);
  let toNext = select(s.Ci * s.taps, s.taps, s.transposed == 1u);
  let base = first * s.taps * C4 + c * across + n - first;
  for (var d = 0u; d < 2u; d++) {
    let source = select((n * s.Ci + c + d) * s.taps, ((c + d) * s.Co + n) * s.taps, s.transposed == 1u);
    let here = c + d < s.Ci;
    var to = base + d * across;
    for (var t = 0u; t < s.taps; t++) {
      let v = placed(source + t, here && n < s.Co);
      let next = placed(source + toNext + t, here && n + 1u < s.Co);
      if (TO == 0u) {
        Y[s.yBase + to] = v;
        Y[s.yBase + to + 1u] = next;
      } else {
        Y[s.yBase + to / 2u] = v | (next << 16u);
      }
      to += C4 * across;
    }
  }
}
