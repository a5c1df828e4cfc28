// What attention's two launches from textures share: where one leaves probabilities and the other finds them, and which tile an
// invocation makes.
//
//   P  [pairs, rows, keys] f32 or f16 by P_TYPE, rows and keys filled up to whole tiles of RQ and RK; then, for each query and RK keys, m:
//      f32 [pairs, keys / RK, rows]

override WX: u32 = 8u;
override P_TYPE: u32 = 0u;   // 0 f32, 1 f16

/// One of the tiles across, the first of its queries counted from q0, and its head: pair of all heads here, h of sample b.
struct Tile { across: u32, first: u32, pair: u32, b: u32, h: u32 }

/// Neighbours have the same queries: tiles of keys or columns follow each other, then those of queries, then heads.
fn tileOf(at: u32, across: u32) -> Tile {
  let down = rows() / RQ;
  let pair = at / across / down;
  return Tile(at % across, at / across % down * RQ, pair, s.b0 + pair / s.headsHere, s.h0 + pair % s.headsHere);
}

fn rows() -> u32 { return (s.qEnd - s.q0 + RQ - 1u) / RQ * RQ; }

fn tilesOfKeys() -> u32 { return (s.Lk + RK - 1u) / RK; }

/// Where the probabilities of a query begin, in eights.
fn probabilitiesAt(pair: u32, row: u32) -> u32 { return (pair * rows() + row) * tilesOfKeys() * (RK / 8u); }

/// Where m of four queries from `row` on and tile t of keys lies, in loads of 16 bytes.
fn exponentsAt(pair: u32, t: u32, row: u32) -> u32 {
  return probabilitiesAt(s.pairs, 0u) * (2u - P_TYPE) + ((pair * tilesOfKeys() + t) * rows() + row) / 4u;
}
