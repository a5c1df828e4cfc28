/**
 * JPEG in: sequential and progressive, Huffman-coded, 8 bits; grey, YCbCr, RGB, CMYK and YCCK. The values are those of
 * libjpeg (its accurate integer transform and its smooth upsampling of colours), which Pillow and most browsers show, to
 * the last bit; decoders that engines bring differ from it by up to 3 of 255.
 *
 * Sources: ITU-T T.81; Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications";
 * JFIF 1.02; Adobe's technical note 5116 for its marker.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Picture } from "./png.ts";

/** Scans of one file: progressive files have about ten, and each may go over the whole picture for a few bytes. */
const MAX_SCANS = 64;

/** Places of coefficients in a block, row by row, in the order they are stored. */
const ZIGZAG = Uint8Array.of(
  ...[
    0,
    1,
    8,
    16,
    9,
    2,
    3,
    10,
    17,
    24,
    32,
    25,
    18,
    11,
    4,
    5,
    12,
    19,
    26,
    33,
    40,
    48,
    41,
    34,
    27,
    20,
    13,
    6,
    7,
    14,
  ],
  ...[
    21,
    28,
    35,
    42,
    49,
    56,
    57,
    50,
    43,
    36,
    29,
    22,
    15,
    23,
    30,
    37,
    44,
    51,
    58,
    59,
    52,
    45,
    38,
    31,
    39,
    46,
    53,
  ],
  ...[60, 61, 54, 47, 55, 62, 63],
);

/** One colour of the picture. */
interface Component {
  readonly id: number;
  /** Sampling factors: blocks of this colour across and down in the smallest unit of all colours. */
  readonly h: number;
  readonly v: number;
  readonly quantisation: number;
  /** Samples that count; the planes are padded to whole units. */
  readonly width: number;
  readonly height: number;
  /** Blocks that count, as a scan of this colour alone has them. */
  readonly columns: number;
  readonly rows: number;
  /** Blocks across in the planes. */
  readonly stride: number;
  /** 64 for each block, kept while a progressive file refines them. */
  readonly coefficients: Int16Array;
  /** [rows · 8, stride · 8] in 0 … 255. */
  readonly plane: Uint8Array;
  /** Table that held when its first scan began. */
  table?: Uint16Array;
  dc: number;
}

interface Frame {
  readonly progressive: boolean;
  readonly width: number;
  readonly height: number;
  readonly unitsAcross: number;
  readonly unitsDown: number;
  readonly components: readonly Component[];
}

/** Codes of up to 8 bits by lookup (length in the upper byte), longer ones by their ranges. */
interface Huffman {
  readonly fast: Uint16Array;
  /** By length: first code, code after the last, and the value's place less the first code. */
  readonly first: Int32Array;
  readonly end: Int32Array;
  readonly offset: Int32Array;
  readonly values: Uint8Array;
}

/** What a file may hold that is not read here, but by some platforms. */
export class OtherJpeg extends Error {}

/**
 * Reads a JPEG, as it is stored (not turned upright).
 *
 * @param bytes The whole file. Its size is bounded by who calls.
 * @param name File name for messages.
 * @throws {LssgenError} `bad_file` for damage of any kind.
 * @throws {OtherJpeg} For processes that are not read here: arithmetic coding, 12 bits, lossless, odd samplings.
 */
export function decodeJpeg(bytes: Uint8Array, name = "picture"): Picture {
  return new Decoder(bytes, name).decode();
}

class Decoder {
  private readonly view: DataView;
  private readonly quantisation: (Uint16Array | undefined)[] = [];
  private readonly dcCodes: (Huffman | undefined)[] = [];
  private readonly acCodes: (Huffman | undefined)[] = [];
  private frame: Frame | undefined;
  private restartInterval = 0;
  private jfif = false;
  private adobe: number | undefined;
  private scans = 0;

  // Bits of the scan that are not used yet.
  private at = 2;
  private bits = 0;
  private bitCount = 0;
  /** Zero bytes handed out where the data had ended. */
  private missing = 0;
  /** Blocks, the present one included, whose band is over. */
  private endOfBand = 0;

  constructor(private readonly bytes: Uint8Array, private readonly name: string) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  decode(): Picture {
    for (;;) {
      const marker = this.nextMarker();
      if (marker === 0xd9 || marker === undefined) break;
      if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue;
      const length = this.at + 2 <= this.bytes.length ? this.view.getUint16(this.at) : 0;
      if (length < 2 || this.at + length > this.bytes.length) {
        throw this.damaged("it is cut short in a segment");
      }
      const data = this.bytes.subarray(this.at + 2, this.at + length);
      this.at += length;
      if (marker === 0xdb) this.readQuantisation(data);
      else if (marker === 0xc4) this.readHuffman(data);
      else if (marker === 0xdd) this.restartInterval = data.length >= 2 ? data[0] << 8 | data[1] : 0;
      else if (marker === 0xda) this.readScan(data);
      else if (marker === 0xe0) this.jfif ||= String.fromCharCode(...data.subarray(0, 5)) === "JFIF\0";
      else if (
        marker === 0xee && data.length >= 12 && String.fromCharCode(...data.subarray(0, 5)) === "Adobe"
      ) {
        this.adobe = data[11];
      } else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc8) this.readFrame(marker, data);
    }
    const { frame } = this;
    if (!frame) throw this.damaged("it has no frame");
    for (const component of frame.components) {
      if (!component.table) {
        throw this.damaged(`it has no pixels of colour ${component.id}; it may be cut short`);
      }
      if (frame.progressive) this.transformAll(component);
    }
    return this.toPicture(frame);
  }

  private damaged(what: string): LssgenError {
    return new LssgenError("bad_file", `Cannot read "${this.name}" as JPEG: ${what}`);
  }

  /** The next marker's second byte; whatever stands before it is passed over, as every decoder does. */
  private nextMarker(): number | undefined {
    const { bytes } = this;
    for (; this.at + 1 < bytes.length; this.at++) {
      if (bytes[this.at] !== 0xff || bytes[this.at + 1] === 0 || bytes[this.at + 1] === 0xff) continue;
      this.at += 2;
      return bytes[this.at - 1];
    }
    return undefined;
  }

  private readQuantisation(data: Uint8Array): void {
    for (let at = 0; at < data.length;) {
      const [wide, index] = [data[at] >> 4, data[at] & 15];
      const size = wide ? 128 : 64;
      if (index > 3 || wide > 1 || at + 1 + size > data.length) {
        throw this.damaged("a quantisation table is misshapen");
      }
      const table = new Uint16Array(64);
      for (let k = 0; k < 64; k++) {
        const from = at + 1 + (wide ? 2 * k : k);
        table[ZIGZAG[k]] = wide ? data[from] << 8 | data[from + 1] : data[from];
      }
      this.quantisation[index] = table;
      at += 1 + size;
    }
  }

  private readHuffman(data: Uint8Array): void {
    for (let at = 0; at < data.length;) {
      const [kind, index] = [data[at] >> 4, data[at] & 15];
      const counts = data.subarray(at + 1, at + 17);
      const total = counts.reduce((sum, count) => sum + count, 0);
      if (kind > 1 || index > 3 || total > 256 || at + 17 + total > data.length) {
        throw this.damaged("a Huffman table is misshapen");
      }
      const codes = huffman(counts, data.slice(at + 17, at + 17 + total));
      if (!codes) throw this.damaged("a Huffman table has more codes than there can be");
      (kind === 0 ? this.dcCodes : this.acCodes)[index] = codes;
      at += 17 + total;
    }
  }

  private readFrame(marker: number, data: Uint8Array): void {
    if (this.frame) throw this.damaged("it has two frames");
    if (marker > 0xc2) throw new OtherJpeg(`process ${marker - 0xc0}`);
    if (data.length < 6 || data.length < 6 + 3 * data[5]) throw this.damaged("its frame header is cut short");
    if (data[0] !== 8) throw new OtherJpeg(`${data[0]} bits`);
    const [height, width, count] = [data[1] << 8 | data[2], data[3] << 8 | data[4], data[5]];
    if (width < 1 || height < 1) throw this.damaged(`its size is ${width}x${height}`);
    if (![1, 3, 4].includes(count)) throw new OtherJpeg(`${count} colours`);
    const factors = Array.from({ length: count }, (_, i) => {
      const [id, sampling, quantisation] = data.subarray(6 + 3 * i, 9 + 3 * i);
      return { id, h: sampling >> 4, v: sampling & 15, quantisation };
    });
    if (factors.some(({ h, v }) => h < 1 || h > 4 || v < 1 || v > 4)) {
      throw this.damaged("its sampling factors do not exist");
    }
    // Alone, a colour has one block a unit, whatever is written.
    if (count === 1) factors[0].h = factors[0].v = 1;
    const [maxH, maxV] = [Math.max(...factors.map(({ h }) => h)), Math.max(...factors.map(({ v }) => v))];
    if (factors.some(({ h, v }) => maxH % h || maxV % v)) throw new OtherJpeg("samplings that do not divide");
    const [unitsAcross, unitsDown] = [Math.ceil(width / (8 * maxH)), Math.ceil(height / (8 * maxV))];
    const progressive = marker === 0xc2;
    const components = factors.map((factor): Component => {
      const [w, h] = [Math.ceil(width * factor.h / maxH), Math.ceil(height * factor.v / maxV)];
      const [stride, down] = [unitsAcross * factor.h, unitsDown * factor.v];
      return {
        ...factor,
        width: w,
        height: h,
        columns: Math.ceil(w / 8),
        rows: Math.ceil(h / 8),
        stride,
        coefficients: new Int16Array(64 * (progressive ? stride * down : 1)),
        plane: new Uint8Array(64 * stride * down),
        dc: 0,
      };
    });
    this.frame = { progressive, width, height, unitsAcross, unitsDown, components };
  }

  /** A scan: some colours, of progressive files some coefficients or one more bit of them. */
  private readScan(data: Uint8Array): void {
    const { frame } = this;
    if (!frame) throw this.damaged("a scan stands before the frame");
    if (++this.scans > MAX_SCANS) throw this.damaged(`it has more than ${MAX_SCANS} scans`);
    const count = data[0];
    if (!(count >= 1 && count <= 4) || data.length < 4 + 2 * count) {
      throw this.damaged("a scan header is cut short");
    }
    const parts = Array.from({ length: count }, (_, i) => {
      const component = frame.components.find(({ id }) => id === data[1 + 2 * i]);
      if (!component) throw this.damaged(`a scan has a colour ${data[1 + 2 * i]} that the frame has not`);
      component.table ??= this.quantisation[component.quantisation]?.slice();
      if (!component.table) throw this.damaged("a quantisation table is missing");
      const codes = data[2 + 2 * i];
      return { component, dcCodes: this.dcCodes[codes >> 4], acCodes: this.acCodes[codes & 15] };
    });
    if (new Set(parts.map(({ component }) => component)).size < count) {
      throw this.damaged("a scan has a colour twice");
    }
    const [from, to, precision] = frame.progressive ? data.subarray(1 + 2 * count) : [0, 63, 0];
    const [high, low] = [precision >> 4, precision & 15];
    if (
      from > to || to > 63 || low > 13 || (high !== 0 && high !== low + 1) ||
      (frame.progressive && (from === 0 ? to !== 0 : count !== 1))
    ) throw this.damaged("a scan has coefficients that do not exist");

    const blocks = parts.map(({ component, dcCodes, acCodes }) => {
      const needed = (codes: Huffman | undefined): Huffman => {
        if (!codes) throw this.damaged("a Huffman table is missing");
        return codes;
      };
      if (!frame.progressive) {
        const [dc, ac] = [needed(dcCodes), needed(acCodes)];
        return (block: number) => {
          component.coefficients.fill(0);
          this.sequential(component, dc, ac);
          this.transform(component, 0, block);
        };
      }
      if (from > 0) {
        const ac = needed(acCodes);
        return high === 0
          ? (block: number) => this.acFirst(component.coefficients, 64 * block, ac, from, to, low)
          : (block: number) => this.acRefine(component.coefficients, 64 * block, ac, from, to, low);
      }
      if (high > 0) {
        return (block: number) => {
          if (this.bit()) component.coefficients[64 * block] |= 1 << low;
        };
      }
      const dc = needed(dcCodes);
      return (block: number) => component.coefficients[64 * block] = this.nextDc(component, dc) << low;
    });
    this.walk(frame, parts.map(({ component }) => component), blocks);
  }

  /** Visits the blocks of a scan: units of all its colours, or the blocks of its only one. */
  private walk(
    frame: Frame,
    components: readonly Component[],
    blocks: readonly ((block: number) => void)[],
  ): void {
    this.restart(components);
    const [only] = components;
    const single = components.length === 1;
    const across = single ? only.columns : frame.unitsAcross;
    const units = across * (single ? only.rows : frame.unitsDown);
    for (let unit = 0; unit < units; unit++) {
      if (this.restartInterval > 0 && unit > 0 && unit % this.restartInterval === 0) {
        const marker = this.nextMarker();
        if (marker === undefined || marker < 0xd0 || marker > 0xd7) {
          throw this.damaged("a restart marker is missing; it may be cut short");
        }
        this.restart(components);
      }
      const [x, y] = [unit % across, Math.floor(unit / across)];
      if (single) blocks[0](y * only.stride + x);
      else {
        components.forEach(({ h, v, stride }, i) => {
          for (let row = y * v; row < (y + 1) * v; row++) {
            for (let column = x * h; column < (x + 1) * h; column++) blocks[i](row * stride + column);
          }
        });
      }
      // A few bytes of look-ahead are no sign of an end.
      if (this.missing > 4) throw this.damaged("its pixels end early; it may be cut short");
    }
    // Whole bytes that were looked at and not used are given back.
    this.bitCount = this.bits = 0;
  }

  private restart(components: readonly Component[]): void {
    this.bits =
      this.bitCount =
      this.missing =
      this.endOfBand =
        0;
    for (const component of components) component.dc = 0;
  }

  /** Makes at least `count` bits (at most 16) available; zeros where the data is over. */
  private need(count: number): void {
    while (this.bitCount < count) {
      let byte = this.at < this.bytes.length ? this.bytes[this.at] : 0xff;
      if (byte === 0xff) {
        if (this.bytes[this.at + 1] === 0) this.at += 2;
        else { // a marker: the scan is over
          byte = 0;
          this.missing++;
        }
      } else this.at++;
      this.bits = (this.bits & 0xffff) << 8 | byte;
      this.bitCount += 8;
    }
  }

  private bit(): number {
    this.need(1);
    return this.bits >> --this.bitCount & 1;
  }

  private take(count: number): number {
    if (count === 0) return 0;
    this.need(count);
    this.bitCount -= count;
    return this.bits >> this.bitCount & (1 << count) - 1;
  }

  /** A number of so many bits; those that begin with 0 are negative. */
  private signed(count: number): number {
    const value = this.take(count);
    return count > 0 && value < 1 << (count - 1) ? value - (1 << count) + 1 : value;
  }

  private code({ fast, first, end, offset, values }: Huffman): number {
    this.need(8);
    const known = fast[this.bits >> (this.bitCount - 8) & 0xff];
    if (known) {
      this.bitCount -= known >> 8;
      return known & 0xff;
    }
    this.need(16);
    const sixteen = this.bits >> (this.bitCount - 16) & 0xffff;
    for (let length = 9; length <= 16; length++) {
      const code = sixteen >> (16 - length);
      if (code >= first[length] && code < end[length]) {
        this.bitCount -= length;
        return values[code + offset[length]];
      }
    }
    throw this.damaged("it holds a code that does not exist");
  }

  private nextDc(component: Component, codes: Huffman): number {
    const size = this.code(codes);
    if (size > 15) throw this.damaged("a brightness is out of range");
    return component.dc += this.signed(size);
  }

  private sequential(component: Component, dc: Huffman, ac: Huffman): void {
    const { coefficients } = component;
    coefficients[0] = this.nextDc(component, dc);
    for (let k = 1; k < 64; k++) {
      const code = this.code(ac);
      const [run, size] = [code >> 4, code & 15];
      if (size === 0) {
        if (run < 15) break;
        k += 15;
        continue;
      }
      k += run;
      if (k > 63) throw this.damaged("a block has too many coefficients");
      coefficients[ZIGZAG[k]] = this.signed(size);
    }
  }

  private acFirst(c: Int16Array, at: number, codes: Huffman, from: number, to: number, low: number): void {
    if (this.endOfBand > 0) {
      this.endOfBand--;
      return;
    }
    for (let k = from; k <= to; k++) {
      const code = this.code(codes);
      const [run, size] = [code >> 4, code & 15];
      if (size === 0) {
        if (run < 15) {
          this.endOfBand = (1 << run) + this.take(run) - 1;
          return;
        }
        k += 15;
        continue;
      }
      k += run;
      if (k > 63) throw this.damaged("a block has too many coefficients");
      c[at + ZIGZAG[k]] = this.signed(size) << low;
    }
  }

  /** One more bit for coefficients that are there, and new ones among the `run` that are not. */
  private acRefine(c: Int16Array, at: number, codes: Huffman, from: number, to: number, low: number): void {
    const step = 1 << low;
    const refine = (place: number): void => {
      if (this.bit() && (c[place] & step) === 0) c[place] += c[place] > 0 ? step : -step;
    };
    let k = from;
    while (k <= to && this.endOfBand === 0) {
      const code = this.code(codes);
      let run = code >> 4;
      let value = 0;
      if ((code & 15) === 0) {
        if (run < 15) {
          this.endOfBand = (1 << run) + this.take(run);
          break;
        }
      } else if ((code & 15) === 1) value = this.bit() ? step : -step;
      else throw this.damaged("a refinement has more than one bit");
      for (; k <= to; k++) {
        const place = at + ZIGZAG[k];
        if (c[place] !== 0) refine(place);
        else if (run-- === 0) {
          c[place] = value;
          k++;
          break;
        }
      }
    }
    if (this.endOfBand > 0) {
      for (; k <= to; k++) if (c[at + ZIGZAG[k]] !== 0) refine(at + ZIGZAG[k]);
      this.endOfBand--;
    }
  }

  private transformAll(component: Component): void {
    const { columns, rows, stride } = component;
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) this.transform(component, 64 * (y * stride + x), y * stride + x);
    }
  }

  private transform({ coefficients, table, stride, plane }: Component, from: number, block: number): void {
    const [x, y] = [block % stride, Math.floor(block / stride)];
    inverseDct(coefficients, from, table!, plane, 8 * (y * 8 * stride + x), 8 * stride);
  }

  private toPicture({ width, height, components }: Frame): Picture {
    const maxH = Math.max(...components.map(({ h }) => h));
    const maxV = Math.max(...components.map(({ v }) => v));
    const rowsOf = components.map((component) =>
      upsampled(component, maxH / component.h, maxV / component.v, width)
    );
    const grey = components.length === 1;
    const channels = grey ? 1 : 3;
    const data = new Uint8Array(width * height * channels);
    const paint = grey ? undefined : this.colours(components);
    for (let y = 0; y < height; y++) {
      const rows = rowsOf.map((row) => row(y));
      if (paint) paint(rows, data, y * width * 3, width);
      else data.set(rows[0].subarray(0, width), y * width);
    }
    return { width, height, channels, data };
  }

  /** What the colours are: told by the markers of JFIF or Adobe, or by their names. */
  private colours(components: readonly Component[]): typeof ycbcr {
    const named = String.fromCharCode(...components.map(({ id }) => id));
    if (components.length === 4) return this.adobe === 2 ? ycck : cmyk;
    const plain = this.jfif ? false : this.adobe !== undefined ? this.adobe === 0 : named === "RGB";
    return plain ? rgb : ycbcr;
  }
}

function huffman(counts: Uint8Array, values: Uint8Array): Huffman | undefined {
  const fast = new Uint16Array(256);
  const [first, end, offset] = [new Int32Array(17), new Int32Array(17), new Int32Array(17)];
  let code = 0;
  let at = 0;
  for (let length = 1; length <= 16; length++) {
    const count = counts[length - 1];
    if (code + count > 1 << length) return undefined;
    [first[length], end[length], offset[length]] = [code, code + count, at - code];
    for (let i = 0; i < count; i++, code++, at++) {
      if (length > 8) continue;
      const start = code << (8 - length);
      fast.fill(length << 8 | values[at], start, start + (1 << (8 - length)));
    }
    code <<= 1;
  }
  return { fast, first, end, offset, values };
}

// The transform's cosines in 13 bits. libjpeg rounds the constants of its factorisation, not these products of them,
// which is why some that should be equal differ in the last digit.
const [E1, E2, E3] = [4433, 10703, -10704];
const ODD = [
  [11363, 9633, 6437, 2260], // on coefficients 1, 3, 5, 7, for outputs 0 and 7
  [9633, -2259, -11362, -6436], // 1 and 6
  [6437, -11362, 2261, 9633], // 2 and 5
  [2260, -6436, 9633, -11363], // 3 and 4
] as const;
const [[A1, A3, A5, A7], [B1, B3, B5, B7], [C1, C3, C5, C7], [D1, D3, D5, D7]] = ODD;

const columnsDone = new Int32Array(64);

/** 64 coefficients, row by row, times their table → 8 × 8 samples: columns to 2 bits behind the point, then rows. */
function inverseDct(
  c: Int16Array,
  from: number,
  table: Uint16Array,
  out: Uint8Array,
  to: number,
  stride: number,
): void {
  const w = columnsDone;
  for (let x = 0; x < 8; x++) {
    const at = from + x;
    const v0 = c[at] * table[x];
    const [v1, v2, v3] = [c[at + 8] * table[x + 8], c[at + 16] * table[x + 16], c[at + 24] * table[x + 24]];
    const [v4, v5] = [c[at + 32] * table[x + 32], c[at + 40] * table[x + 40]];
    const [v6, v7] = [c[at + 48] * table[x + 48], c[at + 56] * table[x + 56]];
    const [s, d] = [(v0 + v4) * 8192 + 1024, (v0 - v4) * 8192 + 1024];
    const [p, q] = [v2 * E2 + v6 * E1, v2 * E1 + v6 * E3];
    const o0 = v1 * A1 + v3 * A3 + v5 * A5 + v7 * A7;
    const o1 = v1 * B1 + v3 * B3 + v5 * B5 + v7 * B7;
    const o2 = v1 * C1 + v3 * C3 + v5 * C5 + v7 * C7;
    const o3 = v1 * D1 + v3 * D3 + v5 * D5 + v7 * D7;
    w[x] = (s + p + o0) >> 11;
    w[x + 56] = (s + p - o0) >> 11;
    w[x + 8] = (d + q + o1) >> 11;
    w[x + 48] = (d + q - o1) >> 11;
    w[x + 16] = (d - q + o2) >> 11;
    w[x + 40] = (d - q - o2) >> 11;
    w[x + 24] = (s - p + o3) >> 11;
    w[x + 32] = (s - p - o3) >> 11;
  }
  for (let y = 0; y < 8; y++) {
    const at = 8 * y;
    const v0 = w[at], v1 = w[at + 1], v2 = w[at + 2], v3 = w[at + 3];
    const v4 = w[at + 4], v5 = w[at + 5], v6 = w[at + 6], v7 = w[at + 7];
    const s = (v0 + v4) * 8192 + ROUND, d = (v0 - v4) * 8192 + ROUND;
    const p = v2 * E2 + v6 * E1, q = v2 * E1 + v6 * E3;
    const o0 = v1 * A1 + v3 * A3 + v5 * A5 + v7 * A7;
    const o1 = v1 * B1 + v3 * B3 + v5 * B5 + v7 * B7;
    const o2 = v1 * C1 + v3 * C3 + v5 * C5 + v7 * C7;
    const o3 = v1 * D1 + v3 * D3 + v5 * D5 + v7 * D7;
    const row = to + y * stride;
    out[row] = clamp((s + p + o0) >> 18);
    out[row + 7] = clamp((s + p - o0) >> 18);
    out[row + 1] = clamp((d + q + o1) >> 18);
    out[row + 6] = clamp((d + q - o1) >> 18);
    out[row + 2] = clamp((d - q + o2) >> 18);
    out[row + 5] = clamp((d - q - o2) >> 18);
    out[row + 3] = clamp((s - p + o3) >> 18);
    out[row + 4] = clamp((s - p - o3) >> 18);
  }
}

/** Half of the last digit, and the 128 that samples are shifted by. */
const ROUND = (1 << 17) + (128 << 18);

function clamp(v: number): number {
  return v < 0 ? 0 : v > 255 ? 255 : v;
}

/**
 * Rows of a colour at the picture's size. Twice as many are interpolated, three parts of the nearer sample and one of the
 * other; other factors repeat samples.
 */
function upsampled(
  { plane, stride, width, height }: Component,
  across: number,
  down: number,
  pictureWidth: number,
): (y: number) => Uint8Array {
  const length = 8 * stride;
  const stored = (y: number): Uint8Array => plane.subarray(y * length, y * length + width);
  if (across === 1 && down === 1) return stored;
  const out = new Uint8Array(Math.max(pictureWidth, width * across));
  const smooth = (across === 2 && (down === 1 || down === 2) && width > 2) || (across === 1 && down === 2);
  if (!smooth) {
    return (y) => {
      const row = stored(Math.floor(y / down));
      for (let x = 0; x < width; x++) out.fill(row[x], x * across, (x + 1) * across);
      return out;
    };
  }
  const sums = new Uint16Array(width);
  return (y) => {
    const at = Math.floor(y / down);
    const row = stored(at);
    if (down === 1) { for (let x = 0; x < width; x++) sums[x] = row[x]; }
    else {
      const other = stored(Math.min(height - 1, Math.max(0, y % 2 === 0 ? at - 1 : at + 1)));
      for (let x = 0; x < width; x++) sums[x] = 3 * row[x] + other[x];
      if (across === 1) {
        const round = y % 2 === 0 ? 1 : 2;
        for (let x = 0; x < width; x++) out[x] = (sums[x] + round) >> 2;
        return out;
      }
    }
    // Rounded up and down in turn, so that no drift remains.
    const [shift, left, right, edge] = down === 1 ? [2, 1, 2, 0] : [4, 8, 7, 0];
    for (let x = 0; x < width; x++) {
      const sum = 3 * sums[x];
      out[2 * x] = x > 0
        ? (sum + sums[x - 1] + left) >> shift
        : (4 * sums[x] + (down === 1 ? edge : 8)) >> shift;
      out[2 * x + 1] = x < width - 1
        ? (sum + sums[x + 1] + right) >> shift
        : (4 * sums[x] + (down === 1 ? edge : 7)) >> shift;
    }
    return out;
  };
}

/** 16 bits behind the point. */
const fixed = (v: number): number => Math.round(v * 65_536);
const RED = Int32Array.from({ length: 256 }, (_, i) => (fixed(1.402) * (i - 128) + 32_768) >> 16);
const BLUE = Int32Array.from({ length: 256 }, (_, i) => (fixed(1.772) * (i - 128) + 32_768) >> 16);
const GREEN_BY_RED = Int32Array.from({ length: 256 }, (_, i) => -fixed(0.71414) * (i - 128));
const GREEN_BY_BLUE = Int32Array.from({ length: 256 }, (_, i) => -fixed(0.34414) * (i - 128) + 32_768);

function ycbcr([Y, B, R]: readonly Uint8Array[], out: Uint8Array, to: number, width: number): void {
  for (let x = 0; x < width; x++, to += 3) {
    const [y, b, r] = [Y[x], B[x], R[x]];
    out[to] = clamp(y + RED[r]);
    out[to + 1] = clamp(y + ((GREEN_BY_BLUE[b] + GREEN_BY_RED[r]) >> 16));
    out[to + 2] = clamp(y + BLUE[b]);
  }
}

function rgb([R, G, B]: readonly Uint8Array[], out: Uint8Array, to: number, width: number): void {
  for (let x = 0; x < width; x++, to += 3) [out[to], out[to + 1], out[to + 2]] = [R[x], G[x], B[x]];
}

/** Stored the other way round, as Adobe does and Pillow takes for granted: 255 is no ink. */
function cmyk([C, M, Y, K]: readonly Uint8Array[], out: Uint8Array, to: number, width: number): void {
  for (let x = 0; x < width; x++, to += 3) {
    const light = K[x];
    const under = (ink: number): number => {
      const product = (255 - ink) * light + 128;
      return clamp(light - ((product >> 8) + product >> 8));
    };
    [out[to], out[to + 1], out[to + 2]] = [under(C[x]), under(M[x]), under(Y[x])];
  }
}

/** CMYK whose inks went through YCbCr the right way round. */
function ycck([Y, B, R, K]: readonly Uint8Array[], out: Uint8Array, to: number, width: number): void {
  const inks = new Uint8Array(3 * width);
  ycbcr([Y, B, R], inks, 0, width);
  const plane = (c: number): Uint8Array =>
    Uint8Array.from({ length: width }, (_, x) => 255 - inks[3 * x + c]);
  cmyk([plane(0), plane(1), plane(2), K], out, to, width);
}
