// Eight neighbouring values of a quantised row, from blocks as GGUF files hold them: whole numbers of few bits with shared
// scales, or 8-bit floats. Kernels bind W as array<u32>. Types are numbered as QUANTISED of lib/ops/quantised.ts. With eights.

override TYPE: u32 = 0u;

/// Bytes of a block, and values of it.
override BLOCK_BYTES: u32 = 34u;
override BLOCK_VALUES: u32 = 32u;

/// Two bytes from an even address.
fn pair(at: u32) -> u32 { return (W[at >> 2u] >> ((at & 2u) * 8u)) & 0xffffu; }

/// Four bytes from an even address.
fn quad(at: u32) -> u32 {
  let lo = W[at >> 2u];
  if ((at & 2u) == 0u) { return lo; }
  return (lo >> 16u) | (W[(at >> 2u) + 1u] << 16u);
}

fn byte(at: u32) -> u32 { return (W[at >> 2u] >> ((at & 3u) * 8u)) & 0xffu; }

fn half(at: u32) -> f32 { return unpack2x16float(pair(at)).x; }

fn bytesOf(v: u32) -> vec4u { return vec4u(v, v >> 8u, v >> 16u, v >> 24u) & vec4u(0xffu); }

fn signed8(v: vec4u) -> vec4f { return vec4f(vec4i(v << vec4u(24u)) >> vec4u(24u)); }

/// Some bits of each of four bytes.
fn bits(v: u32, shift: u32, mask: u32) -> vec4u { return (bytesOf(v) >> vec4u(shift)) & vec4u(mask); }

/// Four bits of a word, one each.
fn flags(v: u32, shift: u32) -> vec4u { return (vec4u(v) >> vec4u(shift, shift + 1u, shift + 2u, shift + 3u)) & vec4u(1u); }

/// Scale and minimum of group g of 8 with six bits each, which Q4_K and Q5_K share.
fn sixes(at: u32, g: u32) -> vec2f {
  if (g < 4u) { return vec2f(f32(byte(at + g) & 63u), f32(byte(at + g + 4u) & 63u)); }
  let low = byte(at + g + 4u);
  return vec2f(
    f32((low & 15u) | ((byte(at + g - 4u) >> 6u) << 4u)),
    f32((low >> 4u) | ((byte(at + g) >> 6u) << 4u)));
}

/// Whole numbers of 8 bits, or 8-bit floats: those are the upper bits of an f16 once the sign is moved; E4M3's exponents are 8 less.
fn eighth(v: u32) -> vec4f {
  let b = bytesOf(v);
  if (TYPE == 12u) { return signed8(b); }
  if (TYPE == 11u) {  // E5M2
    return vec4f(unpack2x16float((b.x | (b.y << 16u)) << 8u), unpack2x16float((b.z | (b.w << 16u)) << 8u));
  }
  let h = ((b & vec4u(0x7fu)) << vec4u(7u)) | ((b & vec4u(0x80u)) << vec4u(8u));
  let values = vec4f(unpack2x16float(h.x | (h.y << 16u)), unpack2x16float(h.z | (h.w << 16u))) * 256.0;
  // The one pattern of E4M3 that is no number.
  return select(values, vec4f(bitcast<f32>(0x7fc00000u | (v & 1u))), (b & vec4u(0x7fu)) == vec4u(0x7fu));
}

/// Values 8·e … 8·e + 7 of the block at a byte.
fn eightOf(at: u32, e: u32) -> Eight {
  switch TYPE {
    case 0u: {  // Q8_0: d, 32 signed bytes
      let d = half(at);
      let q = at + 2u + e * 8u;
      return Eight(d * signed8(bytesOf(quad(q))), d * signed8(bytesOf(quad(q + 4u))));
    }
    case 1u: {  // Q4_0: d, 16 bytes of two numbers, the second 16 values further
      let d = half(at);
      let q = at + 2u + (e & 1u) * 8u;
      let shift = (e >> 1u) * 4u;
      return Eight(
        d * (vec4f(bits(quad(q), shift, 15u)) - 8.0),
        d * (vec4f(bits(quad(q + 4u), shift, 15u)) - 8.0));
    }
    case 2u: {  // Q4_1: d, m, 16 bytes
      let dm = unpack2x16float(quad(at));
      let q = at + 4u + (e & 1u) * 8u;
      let shift = (e >> 1u) * 4u;
      return Eight(
        dm.x * vec4f(bits(quad(q), shift, 15u)) + dm.y,
        dm.x * vec4f(bits(quad(q + 4u), shift, 15u)) + dm.y);
    }
    case 3u: {  // Q5_0: d, 32 fifth bits, 16 bytes
      let d = half(at);
      let high = quad(at + 2u);
      let q = at + 6u + (e & 1u) * 8u;
      let shift = (e >> 1u) * 4u;
      let lo = bits(quad(q), shift, 15u) | (flags(high, e * 8u) << vec4u(4u));
      let hi = bits(quad(q + 4u), shift, 15u) | (flags(high, e * 8u + 4u) << vec4u(4u));
      return Eight(d * (vec4f(lo) - 16.0), d * (vec4f(hi) - 16.0));
    }
    case 4u: {  // Q5_1: d, m, 32 fifth bits, 16 bytes
      let dm = unpack2x16float(quad(at));
      let high = quad(at + 4u);
      let q = at + 8u + (e & 1u) * 8u;
      let shift = (e >> 1u) * 4u;
      let lo = bits(quad(q), shift, 15u) | (flags(high, e * 8u) << vec4u(4u));
      let hi = bits(quad(q + 4u), shift, 15u) | (flags(high, e * 8u + 4u) << vec4u(4u));
      return Eight(dm.x * vec4f(lo) + dm.y, dm.x * vec4f(hi) + dm.y);
    }
    case 5u: {  // Q2_K: 16 bytes of scale and minimum, 64 of two bits, d, dmin
      let scale = byte(at + (e >> 1u));
      let dm = unpack2x16float(quad(at + 80u)) * vec2f(f32(scale & 15u), f32(scale >> 4u));
      let q = at + 16u + (e >> 4u) * 32u + (e & 3u) * 8u;
      let shift = ((e >> 2u) & 3u) * 2u;
      return Eight(
        dm.x * vec4f(bits(quad(q), shift, 3u)) - dm.y,
        dm.x * vec4f(bits(quad(q + 4u), shift, 3u)) - dm.y);
    }
    case 6u: {  // Q3_K: 32 bytes of third bits, 64 of two bits, 12 of signed scales, d
      let g = e >> 1u;
      let low = select(byte(at + 96u + (g & 7u)) >> 4u, byte(at + 96u + (g & 7u)) & 15u, g < 8u);
      let high = (byte(at + 104u + (g & 3u)) >> ((g >> 2u) * 2u)) & 3u;
      let scale = half(at + 108u) * (f32(low | (high << 4u)) - 32.0);
      let q = at + 32u + (e >> 4u) * 32u + (e & 3u) * 8u;
      let h = at + (e & 3u) * 8u;
      let shift = ((e >> 2u) & 3u) * 2u;
      let lo = bits(quad(q), shift, 3u) | (bits(quad(h), e >> 2u, 1u) << vec4u(2u));
      let hi = bits(quad(q + 4u), shift, 3u) | (bits(quad(h + 4u), e >> 2u, 1u) << vec4u(2u));
      return Eight(scale * (vec4f(lo) - 4.0), scale * (vec4f(hi) - 4.0));
    }
    case 7u: {  // Q4_K: d, dmin, 12 bytes of scales, 128 of two numbers
      let g = e >> 2u;
      let dm = unpack2x16float(quad(at)) * sixes(at + 4u, g);
      let q = at + 16u + (g >> 1u) * 32u + (e & 3u) * 8u;
      let shift = (g & 1u) * 4u;
      return Eight(
        dm.x * vec4f(bits(quad(q), shift, 15u)) - dm.y,
        dm.x * vec4f(bits(quad(q + 4u), shift, 15u)) - dm.y);
    }
    case 8u: {  // Q5_K: the same with 32 bytes of fifth bits
      let g = e >> 2u;
      let dm = unpack2x16float(quad(at)) * sixes(at + 4u, g);
      let q = at + 48u + (g >> 1u) * 32u + (e & 3u) * 8u;
      let h = at + 16u + (e & 3u) * 8u;
      let shift = (g & 1u) * 4u;
      let lo = bits(quad(q), shift, 15u) | (bits(quad(h), g, 1u) << vec4u(4u));
      let hi = bits(quad(q + 4u), shift, 15u) | (bits(quad(h + 4u), g, 1u) << vec4u(4u));
      return Eight(dm.x * vec4f(lo) - dm.y, dm.x * vec4f(hi) - dm.y);
    }
    case 9u: {  // Q6_K: 128 bytes of low halves, 64 of two high bits, 16 signed scales, d
      let scale = half(at + 208u) * signed8(vec4u(byte(at + 192u + (e >> 1u)))).x;
      let q = at + (e >> 4u) * 64u + (e & 7u) * 8u;
      let h = at + 128u + (e >> 4u) * 32u + (e & 3u) * 8u;
      let low = ((e >> 3u) & 1u) * 4u;
      let high = ((e >> 2u) & 3u) * 2u;
      let lo = bits(quad(q), low, 15u) | (bits(quad(h), high, 3u) << vec4u(4u));
      let hi = bits(quad(q + 4u), low, 15u) | (bits(quad(h + 4u), high, 3u) << vec4u(4u));
      return Eight(scale * (vec4f(lo) - 32.0), scale * (vec4f(hi) - 32.0));
    }
    default: {  // 8-bit floats, eight a block
      return Eight(eighth(quad(at)), eighth(quad(at + 4u)));
    }
  }
}
