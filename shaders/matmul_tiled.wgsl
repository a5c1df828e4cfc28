// matmul_tiled.wgsl — Y = epilogue(pre(X) · Wᵀ), operands staged: a workgroup keeps tiles of 64 or 128 rows and columns in
// workgroup memory, as GPUs like it. Operands, result and the order of sums as in matmul.wgsl.
//
// HALF=1, of f16 operands into an f16 result, where linear.ts takes it to be safe: products and the sums of eight of them in f16,
// which are f32 from then on.

// variants RM=4 RN=4 HALF=0; RM=4 RN=4 HALF=1; RM=8 RN=8 HALF=0; RM=16 RN=16 HALF=0; RM=32 RN=16 HALF=0

override WX: u32 = 8u;       // invocations along N
override WY: u32 = 8u;       // invocations along rows

// include activations
// include linear_shape

@group(0) @binding(1) var<storage, read>       X: array<vec4u>;
@group(0) @binding(2) var<storage, read>       W: array<vec4u>;
fn xBits(at: u32) -> vec4u { return X[at]; }
fn wBits(at: u32) -> vec4u { return W[at]; }

// include eights
// include brains
// include linear_operands

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

@compute @workgroup_size(WX, WY)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // Tiles of a band of rows follow each other along x; y folds what exceeds 65 535 workgroups.
  let tile = group.y * s.fold + group.x;
  let down = (s.mEnd - s.m0 + WY * RM - 1u) / (WY * RM);
  let m0 = s.m0 + ((tile % down) * WY + local.y) * RM;
  let n0 = s.n0 + ((tile / down) * WX + local.x) * RN;

  // include linear_sums

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

  // include linear_epilogue
}
