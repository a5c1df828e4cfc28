// 32 neighbouring values of a quantised row, a unit, from blocks as GGUF files hold them: whole numbers of few bits with shared
// scales, or values of one byte. wBits() reads 16 bytes. Types are numbered as QUANTISED of lib/ops/quantised.ts. With eights.

override TYPE: u32 = 0u;

/// Bytes of a block, and units of it; of values of one byte a unit is a block.
override BLOCK_BYTES: u32 = 34u;
override BLOCK_UNITS: u32 = 1u;

/// Every block begins at a multiple of this many bytes: 2, 4, 8 or 16.
override ALIGN: u32 = 2u;

/// A unit: a byte for each value, and what the first and the last 16 become: bytes · x − y, bytes · z − w.
struct Unit { lo: vec4u, hi: vec4u, scales: vec4f }

struct Bytes32 { lo: vec4u, hi: vec4u }

/// What SPAN units are made of: their numbers' low bits in one or two runs of 32 bytes, high bits, and factors.
struct Span { low: Bytes32, more: Bytes32, high: Bytes32, s: vec4u }

/// Five words from an address, the last half of which may be missing.
struct Words5 { v: vec4u, next: u32 }

/// Words from the one that an address lies in, which is in the first of these loads.
fn words5(a: vec4u, b: vec4u, at: u32) -> Words5 {
  if (ALIGN == 16u) { return Words5(a, b.x); }
  let two = (at & 8u) != 0u;
  let p = select(a, vec4u(a.zw, b.xy), two);
  let q = select(b.xy, b.zw, two);
  if (ALIGN == 8u) { return Words5(p, q.x); }
  let one = (at & 4u) != 0u;
  return Words5(select(p, vec4u(p.yzw, q.x), one), select(q.x, q.y, one));
}

/// 18 bytes (of the last word's two only those) from an address in the first of two loads.
fn aligned18(a: vec4u, b: vec4u, at: u32) -> Words5 {
  let w = words5(a, b, at);
  if (ALIGN > 2u) { return w; }
  let half = (at & 2u) != 0u;
  let after = vec4u(w.v.yzw, w.next);
  return Words5(select(w.v, (w.v >> vec4u(16u)) | (after << vec4u(16u)), half), select(w.next & 0xffffu, w.next >> 16u, half));
}

fn aligned16(a: vec4u, b: vec4u, at: u32) -> vec4u { return aligned18(a, b, at).v; }

/// 16 bytes behind the first two from an address in the first of two loads.
fn behindTwo(w: Words5, at: u32) -> vec4u {
  let after = vec4u(w.v.yzw, w.next);
  return select((w.v >> vec4u(16u)) | (after << vec4u(16u)), after, (at & 2u) != 0u);
}

/// The first two bytes.
fn firstTwo(w: u32, at: u32) -> u32 { return select(w & 0xffffu, w >> 16u, (at & 2u) != 0u); }

fn thirtyTwo(at: u32) -> Bytes32 {
  let a = wBits(at >> 4u);
  let b = wBits((at >> 4u) + 1u);
  if (ALIGN == 16u) { return Bytes32(a, b); }
  let c = wBits((at >> 4u) + 2u);
  return Bytes32(aligned16(a, b, at), aligned16(b, c, at));
}

/// Four bytes from an address that is a multiple of 4.
fn quad(at: u32) -> u32 {
  let v = wBits(at >> 4u);
  return select(select(v.x, v.y, (at & 4u) != 0u), select(v.z, v.w, (at & 4u) != 0u), (at & 8u) != 0u);
}

/// Some bits of each byte.
fn bits(v: vec4u, shift: u32, mask: u32) -> vec4u { return (v >> vec4u(shift)) & vec4u(mask); }

/// Bits 0 … 15 of a word, each as bit 4 of a byte.
fn fifths(v: u32) -> vec4u {
  let four = vec4u(v, v >> 4u, v >> 8u, v >> 12u) & vec4u(15u);
  return ((four * vec4u(0x00204081u)) & vec4u(0x01010101u)) << vec4u(4u);
}

const NIBBLES = 0x0f0f0f0fu;
const TWOS = 0x03030303u;
const ONES = 0x01010101u;

/// Scale and minimum of group g of 8 with six bits each, which Q4_K and Q5_K share; v: the block's first 16 bytes.
fn sixes(v: vec4u, g: u32) -> vec2f {
  let shift = (g & 3u) * 8u;
  let low = (v.y >> shift) & 0xffu;
  let high = (v.z >> shift) & 0xffu;
  let rest = (v.w >> shift) & 0xffu;
  let scale = select(low & 63u, (rest & 15u) | ((low >> 6u) << 4u), g >= 4u);
  let minimum = select(high & 63u, (rest >> 4u) | ((high >> 6u) << 4u), g >= 4u);
  return vec2f(f32(i32(scale)), f32(i32(minimum)));
}

/// The span of the block at a byte that begins with unit g. A block of 18 or 34 bytes lies in two or three loads wherever it begins.
fn spanOf(at: u32, g: u32) -> Span {
  let none = Bytes32(vec4u(), vec4u());
  switch TYPE {
    case 0u: {  // Q8_0: d, 32 signed bytes
      let a = wBits(at >> 4u);
      let b = wBits((at >> 4u) + 1u);
      let c = wBits((at >> 4u) + 2u);
      let w = words5(a, b, at);
      return Span(Bytes32(behindTwo(w, at), behindTwo(words5(b, c, at), at)), none, none, vec4u(firstTwo(w.v.x, at)));
    }
    case 1u: {  // Q4_0: d, 16 bytes of two numbers, the second 16 values further
      let w = words5(wBits(at >> 4u), wBits((at >> 4u) + 1u), at);
      return Span(Bytes32(behindTwo(w, at), vec4u()), none, none, vec4u(firstTwo(w.v.x, at)));
    }
    case 2u: {  // Q4_1: d and m, 16 bytes
      let w = words5(wBits(at >> 4u), wBits((at >> 4u) + 1u), at);
      return Span(Bytes32(vec4u(w.v.yzw, w.next), vec4u()), none, none, vec4u(w.v.x));
    }
    case 3u: {  // Q5_0: d, 32 fifth bits, 16 bytes
      let b = wBits((at >> 4u) + 1u);
      let w = words5(wBits(at >> 4u), b, at);
      let sixth = words5(b, wBits((at >> 4u) + 2u), at).v.y;
      let high = behindTwo(w, at).x;
      let q = behindTwo(Words5(vec4u(w.v.yzw, w.next), sixth), at);
      return Span(Bytes32(q, vec4u()), none, none, vec4u(firstTwo(w.v.x, at), high, high >> 16u, 0u));
    }
    case 4u: {  // Q5_1: d and m, 32 fifth bits, 16 bytes
      let b = wBits((at >> 4u) + 1u);
      let w = words5(wBits(at >> 4u), b, at);
      let last = select(b.y, b.w, (at & 8u) != 0u);
      return Span(Bytes32(vec4u(w.v.zw, w.next, last), vec4u()), none, none, vec4u(w.v.x, w.v.y, w.v.y >> 16u, 0u));
    }
    case 5u: {  // Q2_K: 16 bytes of scale and minimum, 64 of two bits, d and dmin
      let half = g >> 2u;
      return Span(
        thirtyTwo(at + 16u + half * 32u), none, none,
        vec4u(quad(at + half * 8u), quad(at + half * 8u + 4u), quad(at + 80u), 0u));
    }
    case 6u: {  // Q3_K: 32 bytes of third bits, 64 of two bits, 12 of signed scales, d
      let s = (at + 96u) >> 4u;
      return Span(
        thirtyTwo(at + 32u + (g >> 2u) * 32u), none, thirtyTwo(at), aligned16(wBits(s), wBits(s + 1u), at + 96u));
    }
    case 7u, 8u: {  // d and dmin, 12 bytes of scales, in Q5_K 32 of fifth bits, 128 of two numbers; rows begin at multiples of 16
      let head = at >> 4u;
      let q = head + select(1u, 3u, TYPE == 8u) + (g >> 1u) * 2u;
      var more = none;
      var high = none;
      if (TYPE == 8u) { high = Bytes32(wBits(head + 1u), wBits(head + 2u)); }
      if (SPAN == 4u) { more = Bytes32(wBits(q + 2u), wBits(q + 3u)); }
      return Span(Bytes32(wBits(q), wBits(q + 1u)), more, high, wBits(head));
    }
    case 9u: {  // Q6_K: 128 bytes of low halves, 64 of two high bits, 16 signed scales, d
      let half = g >> 2u;
      let s = (at + 192u) >> 4u;
      let tail = aligned18(wBits(s), wBits(s + 1u), at + 192u);
      let scales = select(tail.v.xy, tail.v.zw, half == 1u);
      let high = thirtyTwo(at + 128u + half * 32u);
      if (SPAN == 1u) {
        return Span(thirtyTwo(at + half * 64u + (g & 1u) * 32u), none, high, vec4u(scales, tail.next, 0u));
      }
      let q = (at >> 4u) + half * 4u;
      let a = wBits(q);
      let b = wBits(q + 1u);
      let c = wBits(q + 2u);
      let d = wBits(q + 3u);
      let e = wBits(q + 4u);
      return Span(
        Bytes32(aligned16(a, b, at), aligned16(b, c, at)), Bytes32(aligned16(c, d, at), aligned16(d, e, at)),
        high, vec4u(scales, tail.next, 0u));
    }
    default: {  // values of one byte
      return Span(thirtyTwo(at), none, none, vec4u());
    }
  }
}

fn half(v: u32) -> f32 { return unpack2x16float(v).x; }

/// Unit g of its block, of the span that it belongs to.
fn unitFrom(p: Span, g: u32) -> Unit {
  let q = p.low;
  switch TYPE {
    case 0u: {
      let d = half(p.s.x);
      return Unit(q.lo, q.hi, vec4f(d, 0.0, d, 0.0));
    }
    case 1u: {
      return Unit(bits(q.lo, 0u, NIBBLES), bits(q.lo, 4u, NIBBLES), half(p.s.x) * vec4f(1.0, 8.0, 1.0, 8.0));
    }
    case 2u: {
      let dm = unpack2x16float(p.s.x) * vec2f(1.0, -1.0);
      return Unit(bits(q.lo, 0u, NIBBLES), bits(q.lo, 4u, NIBBLES), dm.xyxy);
    }
    case 3u: {
      return Unit(
        bits(q.lo, 0u, NIBBLES) | fifths(p.s.y), bits(q.lo, 4u, NIBBLES) | fifths(p.s.z),
        half(p.s.x) * vec4f(1.0, 16.0, 1.0, 16.0));
    }
    case 4u: {
      let dm = unpack2x16float(p.s.x) * vec2f(1.0, -1.0);
      return Unit(bits(q.lo, 0u, NIBBLES) | fifths(p.s.y), bits(q.lo, 4u, NIBBLES) | fifths(p.s.z), dm.xyxy);
    }
    case 5u: {
      let s = select(p.s.x, p.s.y, (g & 2u) != 0u) >> ((g & 1u) * 16u);
      let dm = unpack2x16float(p.s.z).xyxy *
        vec4f(vec4i(vec4u(s & 15u, (s >> 4u) & 15u, (s >> 8u) & 15u, (s >> 12u) & 15u)));
      let shift = (g & 3u) * 2u;
      return Unit(bits(q.lo, shift, TWOS), bits(q.hi, shift, TWOS), dm);
    }
    case 6u: {
      let low = select(p.s.x, p.s.y, (g & 2u) != 0u) >> ((g & 1u) * 16u + (g >> 2u) * 4u);
      let high = p.s.z >> ((g & 1u) * 16u + (g >> 1u) * 2u);
      let d = half(p.s.w);
      let first = d * (f32(i32((low & 15u) | ((high & 3u) << 4u))) - 32.0);
      let last = d * (f32(i32(((low >> 8u) & 15u) | (((high >> 8u) & 3u) << 4u))) - 32.0);
      let shift = (g & 3u) * 2u;
      return Unit(
        bits(q.lo, shift, TWOS) | (bits(p.high.lo, g, ONES) << vec4u(2u)),
        bits(q.hi, shift, TWOS) | (bits(p.high.hi, g, ONES) << vec4u(2u)),
        vec4f(first, 4.0 * first, last, 4.0 * last));
    }
    case 7u, 8u: {
      let dm = unpack2x16float(p.s.x) * sixes(p.s, g);
      let shift = (g & 1u) * 4u;
      let more = SPAN == 4u && (g & 2u) != 0u;
      var lo = bits(select(q.lo, p.more.lo, more), shift, NIBBLES);
      var hi = bits(select(q.hi, p.more.hi, more), shift, NIBBLES);
      if (TYPE == 8u) {
        lo |= bits(p.high.lo, g, ONES) << vec4u(4u);
        hi |= bits(p.high.hi, g, ONES) << vec4u(4u);
      }
      return Unit(lo, hi, dm.xyxy);
    }
    case 9u: {
      let s = select(p.s.x, p.s.y, (g & 2u) != 0u) >> ((g & 1u) * 16u);
      let two = vec2f(f32((i32(s) << 24u) >> 24u), f32((i32(s) << 16u) >> 24u)) * half(p.s.z);
      let more = SPAN > 1u && (g & 1u) == 1u;
      let low = (g & 2u) * 2u;
      let high = (g & 3u) * 2u;
      return Unit(
        bits(select(q.lo, p.more.lo, more), low, NIBBLES) | (bits(p.high.lo, high, TWOS) << vec4u(4u)),
        bits(select(q.hi, p.more.hi, more), low, NIBBLES) | (bits(p.high.hi, high, TWOS) << vec4u(4u)),
        vec4f(two.x, 32.0 * two.x, two.y, 32.0 * two.y));
    }
    default: { return Unit(q.lo, q.hi, vec4f(1.0, 0.0, 1.0, 0.0)); }
  }
}

/// Four bytes as what they stand for, before scales: 8-bit floats are the upper bits of an f16 once the sign is moved; E4M3's
/// exponents are 8 less, so that values are still to be multiplied by E4M3.
fn fourOf(v: u32) -> vec4f {
  if (TYPE == 0u || TYPE == 12u) {  // signed
    return vec4f(vec4i(vec4u(v << 24u, v << 16u, v << 8u, v)) >> vec4u(24u));
  }
  if (TYPE < 10u) { return vec4f(vec4i((vec4u(v) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(0xffu))); }
  // Of two bytes in four the first and the third, and the others.
  var even = (v << 8u) & 0xff00ff00u;
  var odd = v & 0xff00ff00u;
  if (TYPE == 10u) {
    let pairs = vec2u(even, odd);
    let h = (pairs >> vec2u(1u)) & vec2u(0x3f803f80u);
    // The one pattern of E4M3 that is no number carries into the exponent, which becomes that of NaN.
    let broken = (h + vec2u(0x00800080u)) & vec2u(0x40004000u);
    let signed = h | broken | (pairs & vec2u(0x80008000u));
    even = signed.x;
    odd = signed.y;
  }
  let a = unpack2x16float(even);
  let b = unpack2x16float(odd);
  return vec4f(a.x, b.x, a.y, b.y);
}

/// What products of E4M3 are still to be multiplied by.
const E4M3 = 256.0;

/// Four bytes with the scale and the minimum of their half of the unit.
fn scaled(v: u32, dm: vec2f) -> vec4f {
  if (TYPE == 10u) { return fourOf(v) * E4M3; }
  if (TYPE > 10u) { return fourOf(v); }
  if (TYPE == 0u) { return fourOf(v) * dm.x; }
  return fma(fourOf(v), vec4f(dm.x), vec4f(-dm.y));
}

/// Values 8·e … 8·e + 7 of a unit.
fn eightOf(u: Unit, e: u32) -> Eight {
  let half = select(u.lo, u.hi, e >= 2u);
  let dm = select(u.scales.xy, u.scales.zw, e >= 2u);
  if ((e & 1u) == 0u) { return Eight(scaled(half.x, dm), scaled(half.y, dm)); }
  return Eight(scaled(half.z, dm), scaled(half.w, dm));
}
