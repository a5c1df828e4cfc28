// 32 neighbouring values of a quantised row, a unit, from blocks as GGUF files hold them: whole numbers of few bits with shared
// scales, or values of one byte. wBits() reads 16 bytes. Types are numbered as QUANTISED of lib/ops/quantised.ts. With eights.

override TYPE: u32 = 0u;

/// Bytes of a block, and units of it; of values of one byte a unit is a block.
override BLOCK_BYTES: u32 = 34u;
override BLOCK_UNITS: u32 = 1u;

/// A unit: a byte for each value, and what the first and the last 16 become: bytes · x − y, bytes · z − w.
struct Unit { lo: vec4u, hi: vec4u, scales: vec4f }

fn wordOf(v: vec4u, at: u32) -> u32 {
  return select(select(v.x, v.y, (at & 4u) != 0u), select(v.z, v.w, (at & 4u) != 0u), (at & 8u) != 0u);
}

/// Two bytes from an even address.
fn pair(at: u32) -> u32 { return (wordOf(wBits(at >> 4u), at) >> ((at & 2u) * 8u)) & 0xffffu; }

fn byte(at: u32) -> u32 { return (wordOf(wBits(at >> 4u), at) >> ((at & 3u) * 8u)) & 0xffu; }

fn half(at: u32) -> f32 { return unpack2x16float(pair(at)).x; }

/// Four bytes from an address that is a multiple of 4.
fn quad(at: u32) -> u32 { return wordOf(wBits(at >> 4u), at); }

/// Two f16 from an even address.
fn twoHalves(at: u32) -> vec2f { return vec2f(half(at), half(at + 2u)); }

/// 16 bytes from an even address in the first of three loads.
fn aligned16(a: vec4u, b: vec4u, at: u32) -> vec4u {
  let two = (at & 8u) != 0u;
  let one = (at & 4u) != 0u;
  let p = select(a, vec4u(a.zw, b.xy), two);
  let q = select(b.xy, b.zw, two);
  let words = select(p, vec4u(p.yzw, q.x), one);
  let next = select(q.x, q.y, one);
  return select(words, (words >> vec4u(16u)) | (vec4u(words.yzw, next) << vec4u(16u)), (at & 2u) != 0u);
}

fn sixteen(at: u32) -> vec4u { return aligned16(wBits(at >> 4u), wBits((at >> 4u) + 1u), at); }

struct Bytes32 { lo: vec4u, hi: vec4u }

fn thirtyTwo(at: u32) -> Bytes32 {
  let a = wBits(at >> 4u);
  let b = wBits((at >> 4u) + 1u);
  let c = wBits((at >> 4u) + 2u);
  return Bytes32(aligned16(a, b, at), aligned16(b, c, at));
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

/// Unit g of the block at a byte.
fn unitOf(at: u32, g: u32) -> Unit {
  switch TYPE {
    case 0u: {  // Q8_0: d, 32 signed bytes
      let d = half(at);
      let q = thirtyTwo(at + 2u);
      return Unit(q.lo, q.hi, vec4f(d, 0.0, d, 0.0));
    }
    case 1u: {  // Q4_0: d, 16 bytes of two numbers, the second 16 values further
      let d = half(at);
      let q = sixteen(at + 2u);
      return Unit(bits(q, 0u, NIBBLES), bits(q, 4u, NIBBLES), d * vec4f(1.0, 8.0, 1.0, 8.0));
    }
    case 2u: {  // Q4_1: d, m, 16 bytes
      let dm = twoHalves(at) * vec2f(1.0, -1.0);
      let q = sixteen(at + 4u);
      return Unit(bits(q, 0u, NIBBLES), bits(q, 4u, NIBBLES), dm.xyxy);
    }
    case 3u: {  // Q5_0: d, 32 fifth bits, 16 bytes
      let d = half(at);
      let q = sixteen(at + 6u);
      return Unit(
        bits(q, 0u, NIBBLES) | fifths(pair(at + 2u)), bits(q, 4u, NIBBLES) | fifths(pair(at + 4u)),
        d * vec4f(1.0, 16.0, 1.0, 16.0));
    }
    case 4u: {  // Q5_1: d, m, 32 fifth bits, 16 bytes
      let dm = twoHalves(at) * vec2f(1.0, -1.0);
      let q = sixteen(at + 8u);
      let high = quad(at + 4u);
      return Unit(bits(q, 0u, NIBBLES) | fifths(high), bits(q, 4u, NIBBLES) | fifths(high >> 16u), dm.xyxy);
    }
    case 5u: {  // Q2_K: 16 bytes of scale and minimum, 64 of two bits, d, dmin
      let s = pair(at + g * 2u);
      let dm = twoHalves(at + 80u).xyxy *
        vec4f(vec4i(vec4u(s & 15u, (s >> 4u) & 15u, (s >> 8u) & 15u, s >> 12u)));
      let q = thirtyTwo(at + 16u + (g >> 2u) * 32u);
      let shift = (g & 3u) * 2u;
      return Unit(bits(q.lo, shift, TWOS), bits(q.hi, shift, TWOS), dm);
    }
    case 6u: {  // Q3_K: 32 bytes of third bits, 64 of two bits, 12 of signed scales, d
      let low = pair(at + 96u + (g & 3u) * 2u) >> select(0u, 4u, g >= 4u);
      let high = pair(at + 104u + (g & 1u) * 2u) >> ((g >> 1u) * 2u);
      let d = half(at + 108u);
      let first = d * (f32(i32((low & 15u) | ((high & 3u) << 4u))) - 32.0);
      let last = d * (f32(i32(((low >> 8u) & 15u) | (((high >> 8u) & 3u) << 4u))) - 32.0);
      let q = thirtyTwo(at + 32u + (g >> 2u) * 32u);
      let h = thirtyTwo(at);
      let shift = (g & 3u) * 2u;
      return Unit(
        bits(q.lo, shift, TWOS) | (bits(h.lo, g, 0x01010101u) << vec4u(2u)),
        bits(q.hi, shift, TWOS) | (bits(h.hi, g, 0x01010101u) << vec4u(2u)),
        vec4f(first, 4.0 * first, last, 4.0 * last));
    }
    case 7u: {  // Q4_K: d, dmin, 12 bytes of scales, 128 of two numbers; rows begin at multiples of 16
      let head = wBits(at >> 4u);
      let dm = unpack2x16float(head.x) * sixes(head, g);
      let q = (at >> 4u) + 1u + (g >> 1u) * 2u;
      let shift = (g & 1u) * 4u;
      return Unit(bits(wBits(q), shift, NIBBLES), bits(wBits(q + 1u), shift, NIBBLES), dm.xyxy);
    }
    case 8u: {  // Q5_K: the same with 32 bytes of fifth bits
      let head = wBits(at >> 4u);
      let dm = unpack2x16float(head.x) * sixes(head, g);
      let h = (at >> 4u) + 1u;
      let q = h + 2u + (g >> 1u) * 2u;
      let shift = (g & 1u) * 4u;
      return Unit(
        bits(wBits(q), shift, NIBBLES) | (bits(wBits(h), g, 0x01010101u) << vec4u(4u)),
        bits(wBits(q + 1u), shift, NIBBLES) | (bits(wBits(h + 1u), g, 0x01010101u) << vec4u(4u)),
        dm.xyxy);
    }
    case 9u: {  // Q6_K: 128 bytes of low halves, 64 of two high bits, 16 signed scales, d
      let s = pair(at + 192u + g * 2u);
      let two = vec2f(f32((i32(s) << 24u) >> 24u), f32((i32(s) << 16u) >> 24u)) * half(at + 208u);
      let q = thirtyTwo(at + (g >> 2u) * 64u + (g & 1u) * 32u);
      let h = thirtyTwo(at + 128u + (g >> 2u) * 32u);
      let low = ((g >> 1u) & 1u) * 4u;
      let high = (g & 3u) * 2u;
      return Unit(
        bits(q.lo, low, NIBBLES) | (bits(h.lo, high, TWOS) << vec4u(4u)),
        bits(q.hi, low, NIBBLES) | (bits(h.hi, high, TWOS) << vec4u(4u)),
        vec4f(two.x, 32.0 * two.x, two.y, 32.0 * two.y));
    }
    default: {  // values of one byte
      let q = thirtyTwo(at);
      return Unit(q.lo, q.hi, vec4f(1.0, 0.0, 1.0, 0.0));
    }
  }
}

/// Four bytes as what they stand for, before scales: 8-bit floats are the upper bits of an f16 once the sign is moved; E4M3's
/// exponents are 8 less.
fn fourOf(v: u32) -> vec4f {
  if (TYPE == 0u || TYPE == 12u) {  // signed
    return vec4f(vec4i(vec4u(v << 24u, v << 16u, v << 8u, v)) >> vec4u(24u));
  }
  let b = (vec4u(v) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(0xffu);
  if (TYPE < 10u) { return vec4f(vec4i(b)); }
  if (TYPE == 11u) {  // E5M2
    return vec4f(unpack2x16float((b.x | (b.y << 16u)) << 8u), unpack2x16float((b.z | (b.w << 16u)) << 8u));
  }
  let h = ((b & vec4u(0x7fu)) << vec4u(7u)) | ((b & vec4u(0x80u)) << vec4u(8u));
  let values = vec4f(unpack2x16float(h.x | (h.y << 16u)), unpack2x16float(h.z | (h.w << 16u))) * 256.0;
  // The one pattern of E4M3 that is no number.
  return select(values, vec4f(bitcast<f32>(0x7fc00000u | (v & 1u))), (b & vec4u(0x7fu)) == vec4u(0x7fu));
}

/// Four bytes with the scale and the minimum of their half of the unit.
fn scaled(v: u32, dm: vec2f) -> vec4f {
  if (TYPE >= 10u) { return fourOf(v); }
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
