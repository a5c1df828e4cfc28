// matmul.wgsl — Y = epilogue(pre(X) · Wᵀ): RM × RN sums in registers of each invocation, no workgroup memory.
//
//   X  [.., K]  f32 or f16 by X_TYPE, K a multiple of 8 (matmul_pad.wgsl makes it so)
//   W  [N, K]   f32, f16 or bf16 by W_TYPE, rows of stride8 · 8 elements, padded with zeros
//   Y  [.., N]  yElem;  y = gate · scale · act(x·Wᵀ + bias), then + residual (or + Y itself)
//
// Every load brings eight values of K. Sums are f32, each over k in order, so that all variants give the
// same numbers. Rows are addressed through (sample, row in the sample), so that the text or picture part
// of a joint sequence is read and written in place. Four ways to the operands, for lib/gpu/tune.ts to
// choose from by measurement:
//
//   as buffers     each invocation loads its own rows and columns
//   TEXELS=1       the same from copies in textures of 2048 texels a row, read as one long list (docs/SHADERS.md): some
//                  drivers load a texel 8 to 13 times as fast as the same 16 bytes of a storage buffer
//   SPLIT=1        64 invocations share K of one row and RN columns and read neighbouring eighths of it, for so few rows
//                  that memory is the limit; their sums go through workgroup memory, or subgroups first
//   TILED=1        a workgroup stages tiles of 64 or 128 rows and columns in workgroup memory, as GPUs like it
//
// HALF=1, of tiles from f16 operands into an f16 result, where linear.ts takes it to be safe: products and the sums of eight of them in
// f16, which are f32 from then on.

// variants RM=1 RN=8 TEXELS=0 TILED=0 SPLIT=0 SUBGROUPS=0 HALF=0; RM=4 RN=4 TEXELS=0 TILED=0 SPLIT=0 SUBGROUPS=0 HALF=0; RM=8 RN=8 TEXELS=0 TILED=0 SPLIT=0 SUBGROUPS=0 HALF=0; RM=1 RN=8 TEXELS=1 TILED=0 SPLIT=0 SUBGROUPS=0 HALF=0; RM=4 RN=4 TEXELS=1 TILED=0 SPLIT=0 SUBGROUPS=0 HALF=0; RM=8 RN=8 TEXELS=1 TILED=0 SPLIT=0 SUBGROUPS=0 HALF=0; RM=8 RN=12 TEXELS=1 TILED=0 SPLIT=0 SUBGROUPS=0 HALF=0; RM=16 RN=12 TEXELS=1 TILED=0 SPLIT=0 SUBGROUPS=0 HALF=0; RM=16 RN=16 TEXELS=1 TILED=0 SPLIT=0 SUBGROUPS=0 HALF=0; RM=4 RN=4 TEXELS=0 TILED=1 SPLIT=0 SUBGROUPS=0 HALF=0; RM=4 RN=4 TEXELS=0 TILED=1 SPLIT=0 SUBGROUPS=0 HALF=1; RM=8 RN=8 TEXELS=0 TILED=1 SPLIT=0 SUBGROUPS=0 HALF=0; RM=16 RN=16 TEXELS=0 TILED=1 SPLIT=0 SUBGROUPS=0 HALF=0; RM=32 RN=16 TEXELS=0 TILED=1 SPLIT=0 SUBGROUPS=0 HALF=0; RM=1 RN=8 TEXELS=0 TILED=0 SPLIT=1 SUBGROUPS=0 HALF=0; RM=1 RN=8 TEXELS=0 TILED=0 SPLIT=1 SUBGROUPS=1 HALF=0

override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16
override W_TYPE: u32 = 0u;   // 0 f32, 1 f16, 2 bf16
override PRE: u32 = 0u;      // activation of x on load, numbered as ACT
override ACT: u32 = 0u;      // 0 none, 1 silu, 2 gelu (tanh), 3 gelu (erf), 4 quick gelu, 5 relu
override GATE: u32 = 0u;
override ADD: u32 = 0u;      // 0 nothing, 1 residual R, 2 Y itself

// A bias or none is told at run time: few pipelines for all linear layers of a model, as compiling is most of the time to the
// first picture. The other choices are constants: making them for each row or sum costs a tenth of a small product.
// Row m is row m % S of sample m / S. The …Base are the elements before the bound part of a tensor.
struct Shape {
  m0: u32, mEnd: u32, n0: u32, nEnd: u32,   // the part of the product that this dispatch makes
  N: u32, K8: u32, stride8: u32, S: u32,
  xN: u32, xAt: u32, xBase8: u32, wBase8: u32,
  yN: u32, yAt: u32, yBase: u32,
  rN: u32, rAt: u32, rBase: u32,
  gateN: u32, gateAt: u32, scale: f32, fold: u32,   // fold: workgroups along x of one row of tiles
  hasBias: u32,
}

@group(0) @binding(0) var<uniform>             s: Shape;
// unroll t 1 - TEXELS
@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }
fn wBits(at: u32) -> vec4u { return W[at]; }
// end
// unroll t TEXELS
@group(0) @binding(1) var                      X: Texels;
@group(0) @binding(2) var                      W: Texels;
fn xBits(at: u32) -> vec4u { return texel(X, at); }
fn wBits(at: u32) -> vec4u { return texel(W, at); }
// end
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       gate: array<f32>;
@group(0) @binding(5) var<storage, read>       R: array<rElem>;
@group(0) @binding(6) var<storage, read_write> Y: array<yElem>;

// include eights

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}

fn before(v: Eight) -> Eight {
  if (PRE == 0u) { return v; }
  return Eight(activate4(v.lo, PRE), activate4(v.hi, PRE));
}

fn loadX(at: u32) -> Eight {
  if (X_TYPE == 0u) { return before(wide(xBits(at * 2u), xBits(at * 2u + 1u))); }
  return before(halves(xBits(at)));
}

fn loadW(at: u32) -> Eight {
  if (W_TYPE == 0u) { return wide(wBits(at * 2u), wBits(at * 2u + 1u)); }
  let v = wBits(at);
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

fn erf(x: f32) -> f32 {  // Abramowitz & Stegun 7.1.26, error below 1.5e-7
  let a = abs(x);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - p * exp(-a * a));
}

fn activate(x: f32, kind: u32) -> f32 {
  switch kind {
    case 1u: { return x / (1.0 + exp(min(-x, 80.0))); }
    case 2u: { return 0.5 * x * (1.0 + tanh(clamp(0.7978845608 * (x + 0.044715 * x * x * x), -10.0, 10.0))); }
    case 3u: { return 0.5 * x * (1.0 + erf(x * 0.7071067812)); }
    case 4u: { return x / (1.0 + exp(min(-1.702 * x, 80.0))); }
    case 5u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn activate4(x: vec4f, kind: u32) -> vec4f {
  return vec4f(activate(x.x, kind), activate(x.y, kind), activate(x.z, kind), activate(x.w, kind));
}

fn mac4(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn store(sum: f32, shift: f32, factor: f32, r: u32, y: u32) {
  var v = activate(sum + shift, ACT) * factor;
  if (ADD == 1u) { v += f32(R[r]); }
  if (ADD == 2u) { v += f32(Y[y]); }
  Y[y] = yElem(v);
}

// unroll t TILED
// Both tiles have 64 or 128 rows of STEP8 · 8 values of K as they are stored, and one vector of padding, which spreads rows over
// the banks: with where the rows begin, 16 KiB at most.
const ROWS = select(64u, 128u, RM > 8u);
const COLUMNS = select(64u, 128u, RN > 8u);
const DOWN = ROWS / RM;       // WY
const ACROSS = COLUMNS / RN;  // WX
override STEP8: u32 = select(
  select(4u, 2u, X_TYPE == 0u && W_TYPE == 0u),
  select(2u, 1u, X_TYPE == 0u || W_TYPE == 0u),
  RM > 8u);
override X_VECTORS: u32 = select(1u, 2u, X_TYPE == 0u);  // of 16 bytes, for eight values
override W_VECTORS: u32 = select(1u, 2u, W_TYPE == 0u);
// Turns that an eighth is multiplied in: where a load of either brings four values, fours, whose code is half as long and stays in a
// CPU's caches (0.89 of the time).
override TURNS: u32 = select(1u, 2u, X_TYPE == 0u && W_TYPE == 0u);
override X_PITCH: u32 = STEP8 * X_VECTORS + 1u;
override W_PITCH: u32 = STEP8 * W_VECTORS + 1u;
var<workgroup> xRow: array<u32, ROWS>;  // where a row begins in X and W
var<workgroup> wRow: array<u32, COLUMNS>;
// unroll h HALF
struct Narrow { lo: vec4<f16>, hi: vec4<f16> }
var<workgroup> xTile: array<Narrow, ROWS * X_PITCH>;
var<workgroup> wTile: array<Narrow, COLUMNS * W_PITCH>;

fn narrow(v: Eight) -> Narrow { return Narrow(vec4<f16>(v.lo), vec4<f16>(v.hi)); }

fn stageX(to: u32, at: u32, inside: bool) {
  var v = Eight();
  if (inside) { v = loadX(at); }
  xTile[to] = narrow(v);
}

fn stageW(to: u32, at: u32, inside: bool) {
  var v = Eight();
  if (inside) { v = loadW(at); }
  wTile[to] = narrow(v);
}
// end
// unroll h 1 - HALF
var<workgroup> xTile: array<vec4u, ROWS * X_PITCH>;
var<workgroup> wTile: array<vec4u, COLUMNS * W_PITCH>;

/// Eighths beyond K count as zeros; what lies there is read all the same, which costs less than a branch.
fn stageX(to: u32, at: u32, inside: bool) {
  xTile[to] = select(vec4u(), xBits(at * X_VECTORS), inside);
  if (X_TYPE == 0u) { xTile[to + 1u] = select(vec4u(), xBits(at * 2u + 1u), inside); }
}

fn stageW(to: u32, at: u32, inside: bool) {
  wTile[to] = select(vec4u(), wBits(at * W_VECTORS), inside);
  if (W_TYPE == 0u) { wTile[to + 1u] = select(vec4u(), wBits(at * 2u + 1u), inside); }
}

fn stagedX(at: u32) -> Eight {
  let v = xTile[at];
  if (TURNS == 2u) { return before(Eight(bitcast<vec4f>(v), vec4f())); }
  if (X_TYPE == 0u) { return before(wide(v, xTile[at + 1u])); }
  return before(halves(v));
}

fn stagedW(at: u32) -> Eight {
  let v = wTile[at];
  if (TURNS == 2u) { return Eight(bitcast<vec4f>(v), vec4f()); }
  if (W_TYPE == 0u) { return wide(v, wTile[at + 1u]); }
  if (W_TYPE == 1u) { return halves(v); }
  return brains(v);
}

/// A sum and its products of a turn.
fn mac(sum: f32, a: Eight, b: Eight) -> f32 {
  let four = mac4(sum, a.lo, b.lo);
  if (TURNS == 2u) { return four; }
  return mac4(four, a.hi, b.hi);
}
// end
// end

// unroll t SPLIT
const LANES = 64u;
var<workgroup> partial: array<f32, LANES * RN>;
// end
// unroll t SPLIT - SUBGROUPS
/// Sums of each column over all lanes, left in the first RN elements of partial.
fn gather(lane: u32, size: u32) {
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    for (var at = lane; at < half * RN; at += LANES) { partial[at] += partial[at + half * RN]; }
    workgroupBarrier();
  }
}
// end
// unroll t SUBGROUPS
/// The same of the first lane of each subgroup, which holds its sum already.
fn gather(lane: u32, size: u32) {
  workgroupBarrier();
  var total = 0.0;
  if (lane < RN) {
    for (var i = 0u; i < LANES; i += size) { total += partial[i * RN + lane]; }
  }
  workgroupBarrier();
  if (lane < RN) { partial[lane] = total; }
  workgroupBarrier();
}
// end

// unroll t 1 - SPLIT
@compute @workgroup_size(WX, WY)
// end
// unroll t SPLIT
@compute @workgroup_size(LANES)
// end
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
// unroll t SUBGROUPS
  @builtin(subgroup_size) size: u32,
// end
) {
  // Tiles of a band of rows follow each other along x; y folds what exceeds 65 535 workgroups.
  let tile = group.y * s.fold + group.x;
  // unroll t 1 - SPLIT
  let down = (s.mEnd - s.m0 + WY * RM - 1u) / (WY * RM);
  let m0 = s.m0 + ((tile % down) * WY + local.y) * RM;
  let n0 = s.n0 + ((tile / down) * WX + local.x) * RN;
  // end
  // unroll t SPLIT
  let across = (s.nEnd - s.n0 + RN - 1u) / RN;
  let m0 = s.m0 + tile / across;   // WX and WY are 1: a workgroup makes what else an invocation makes
  let n0 = s.n0 + (tile % across) * RN;
  // end
  // unroll t 1 - TILED
  if (m0 >= s.mEnd || n0 >= s.nEnd) { return; }
  // end

  // Rows and columns beyond the edge read the last one again and are not stored.
  // unroll i RM
  let r#i = min(m0 + i, s.mEnd - 1u);
  let b#i = r#i / s.S;
  let x#i = (b#i * s.xN + s.xAt + r#i - b#i * s.S) * s.K8 - s.xBase8;
  // end
  // unroll j RN
  let c#j = min(n0 + j, s.nEnd - 1u);
  let w#j = c#j * s.stride8 - s.wBase8;
  // end
  // unroll i RM
  // unroll j RN
  var acc#i_#j = 0.0;
  // end
  // end

  // unroll t TILED
  // Tile row r is the row r / DOWN of invocation r % DOWN: neighbours read neighbouring rows.
  for (var at = lane; at < ROWS; at += DOWN * ACROSS) {
    let m = min(m0 + (at % DOWN - local.y) * RM + at / DOWN, s.mEnd - 1u);
    xRow[at] = (m / s.S * s.xN + s.xAt + m % s.S) * s.K8 - s.xBase8;
  }
  for (var at = lane; at < COLUMNS; at += DOWN * ACROSS) {
    let n = min(n0 + (at % ACROSS - local.x) * RN + at / ACROSS, s.nEnd - 1u);
    wRow[at] = n * s.stride8 - s.wBase8;
  }
  workgroupBarrier();
  for (var k = 0u; k < s.K8; k += STEP8) {
    for (var at = lane; at < ROWS * STEP8; at += DOWN * ACROSS) {
      let row = at / STEP8;
      let k8 = k + at % STEP8;
      stageX(row * X_PITCH + at % STEP8 * X_VECTORS, xRow[row] + k8, k8 < s.K8);
    }
    for (var at = lane; at < COLUMNS * STEP8; at += DOWN * ACROSS) {
      let row = at / STEP8;
      let k8 = k + at % STEP8;
      stageW(row * W_PITCH + at % STEP8 * W_VECTORS, wRow[row] + k8, k8 < s.K8);
    }
    workgroupBarrier();
    // unroll h HALF
    // unroll i RM
    // unroll j RN
    var few#i_#j = vec4<f16>();
    // end
    // end
    // end
    for (var q = 0u; q < STEP8 * TURNS; q++) {
      // unroll h HALF
      // unroll i RM
      let a#i = xTile[(i * DOWN + local.y) * X_PITCH + q];
      // end
      // unroll j RN
      let v#j = wTile[(j * ACROSS + local.x) * W_PITCH + q];
      // unroll i RM
      few#i_#j = fma(a#i.hi, v#j.hi, fma(a#i.lo, v#j.lo, few#i_#j));
      // end
      // end
      // end
      // unroll h 1 - HALF
      // unroll i RM
      let a#i = stagedX((i * DOWN + local.y) * X_PITCH + q * (X_VECTORS / TURNS));
      // end
      // unroll j RN
      let v#j = stagedW((j * ACROSS + local.x) * W_PITCH + q * (W_VECTORS / TURNS));
      // unroll i RM
      acc#i_#j = mac(acc#i_#j, a#i, v#j);
      // end
      // end
      // end
    }
    // unroll h HALF
    // unroll i RM
    // unroll j RN
    let sums#i_#j = vec4f(few#i_#j);
    acc#i_#j += (sums#i_#j.x + sums#i_#j.y) + (sums#i_#j.z + sums#i_#j.w);
    // end
    // end
    // end
    workgroupBarrier();
  }
  // end
  // unroll t SPLIT
  for (var k = lane; k < s.K8; k += LANES) {
    let a = loadX(x0 + k);
    // unroll j RN
    let v#j = loadW(w#j + k);
    acc0_#j = mac4(mac4(acc0_#j, a.lo, v#j.lo), a.hi, v#j.hi);
    // end
  }
  // unroll u SUBGROUPS
  // Subgroups are runs of `size` neighbours, as every implementation lays a one-dimensional workgroup out.
  // unroll j RN
  acc0_#j = subgroupAdd(acc0_#j);
  // end
  // end
  // unroll u 1 - SUBGROUPS
  let size = 0u;
  // end
  // unroll j RN
  partial[lane * RN + j] = acc0_#j;
  // end
  gather(lane, size);
  if (lane < RN && n0 + lane < s.nEnd) {
    let c = n0 + lane;
    var factor = s.scale;
    if (GATE == 1u) { factor *= gate[b0 * s.gateN + s.gateAt + c]; }
    var shift = 0.0;
    if (s.hasBias == 1u) { shift = bias[c]; }
    let row = m0 - b0 * s.S;
    store(partial[lane], shift, factor, (b0 * s.rN + s.rAt + row) * s.N - s.rBase + c, (b0 * s.yN + s.yAt + row) * s.N - s.yBase + c);
  }
  // end
  // unroll t 1 - TILED - SPLIT
  for (var k = 0u; k < s.K8; k++) {
    // unroll i RM
    let a#i = loadX(x#i + k);
    // end
    // unroll j RN
    let v#j = loadW(w#j + k);
    // unroll i RM
    acc#i_#j = mac4(mac4(acc#i_#j, a#i.lo, v#j.lo), a#i.hi, v#j.hi);
    // end
    // end
  }
  // end

  // unroll t 1 - SPLIT
  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  // unroll j RN
  var shift#j = 0.0;
  if (s.hasBias == 1u) { shift#j = bias[c#j]; }
  var factor#j = s.scale;
  // end
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      // unroll j RN
      factor#j = s.scale * gate[g + c#j];
      // end
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    // unroll j RN
    var sum#j = acc0_#j;
    // unroll p RM
    sum#j = select(sum#j, acc#p_#j, i == p);
    // end
    if (n0 + j < s.nEnd) { store(sum#j, shift#j, factor#j, r + c#j, y + c#j); }
    // end
  }
  // end
}
