/**
 * Which variants of kernels an adapter runs fastest, as plain data.
 *
 * @module
 */

import type { TexelAccess } from "./kernel.ts";

/** What products of f16 by f16 are made in, into f16. */
export type Arithmetic = "f32" | "f16";

/** How a kernel reads its operands: storage buffers, copies in textures, or tiles in workgroup memory. */
export type Operands = "buffers" | "texels" | "tiled";

/**
 * How kernels sum up a row: one invocation a row, a tree in workgroup memory, or subgroup operations first.
 * The last needs an adapter with `subgroups`.
 */
export type Reduction = "rows" | "tree" | "subgroups";

/**
 * Sums of an invocation. Small: tens, which fit any GPU's registers. Large: 64 where operands are staged in workgroup memory,
 * hundreds where they come from textures, which pays where what exceeds the registers lies in a processor's cache. Huge: hundreds
 * where operands are staged.
 */
export type Tiles = "small" | "large" | "huge";

/** A matmul variant: shader entry, tile of one invocation, invocations of one workgroup. */
export interface MatmulKernel {
  /** Name of a kernel. */
  readonly shader: string;
  /** Rows an invocation computes. */
  readonly RM: number;
  /** Columns an invocation computes. */
  readonly RN: number;
  /** Invocations along columns. */
  readonly WX: number;
  /** Invocations along rows. */
  readonly WY: number;
  /** How it reads x and the weight. */
  readonly operands: Operands;
}

/** Quantised types by what expanding them on the way costs: of 32 values or bytes, or of 256 values with scales of their own. */
export type BlockKind = "simple" | "super";

/**
 * Quantised types by what integer dot products of them cost: numbers of four or five bits with one scale for 32, or others, which have
 * signs or more scales.
 */
export type ByteKind = "short" | "long";

/** What was measured on an adapter: plain data, for the caller to store as JSON. */
export interface MatmulTuning {
  /** Which adapter: vendor, architecture, description. */
  readonly adapter: string;
  /** The fastest. */
  readonly operands: Operands;
  /** Milliseconds of the same product by each. */
  readonly ms: Readonly<Partial<Record<Operands, number>>>;
  /** Which sums of an invocation are faster; small where operands come from buffers. */
  readonly tiles: Tiles;
  /** Milliseconds of the same product in each, where both were measured. */
  readonly tilesMs: Readonly<Partial<Record<Tiles, number>>>;
  /** How textures are read. */
  readonly texels: TexelAccess;
  /** Milliseconds of the same product by each, where both were measured. */
  readonly texelsMs: Readonly<Partial<Record<TexelAccess, number>>>;
  /** What products of f16 by f16 are made in where they are safe: f16 where adapters make them much faster. */
  readonly arithmetic: Arithmetic;
  /** Milliseconds of the same product in each, where both were measured. */
  readonly arithmeticMs: Readonly<Partial<Record<Arithmetic, number>>>;
  /** The fastest way to sum up rows. */
  readonly reduction: Reduction;
  /** Milliseconds of the same norm by each that the adapter can do. */
  readonly reductionMs: Readonly<Partial<Record<Reduction, number>>>;
  /**
   * Times that a convolution may put a value into its tiles for a group norm on the way to cost less than a pass of its own; 0 where
   * convolutions stage nothing.
   */
  readonly normLoads: number;
  /** Milliseconds that it was found from: the pass, the convolution after it, and the one that norms as it loads. */
  readonly normMs: Readonly<Partial<Record<"pass" | "plain" | "loading", number>>>;
  /**
   * Rows up to which products expand a quantised weight on the way; with more rows one pass expands it first. Absent in tunings of
   * earlier versions: 8.
   */
  readonly fewRows?: Readonly<Record<"simple" | "super", number>>;
  /**
   * Multiply-adds of a product up to which it is made in small tiles where large ones read textures, because those take long to compile.
   * Not measured: absent, 2²³.
   */
  readonly smallProduct?: number;
  /** Milliseconds of the same products in both ways, where they were measured: `few8`, `pass8`, `few32`, `pass32`. */
  readonly fewRowsMs?: Readonly<Partial<Record<"simple" | "super", Readonly<Record<string, number>>>>>;
  /**
   * Rows up to which integer dot products by a quantised weight are faster, 0 where they never are. Measured where they were asked for,
   * since they are less exact; absent, none are made.
   */
  readonly integerRows?: Readonly<Record<ByteKind, number>>;
  /** Milliseconds that it was found from: `integer8`, `integer256`, and `other8`, `other256` of what is done otherwise. */
  readonly integerRowsMs?: Readonly<Partial<Record<ByteKind, Readonly<Record<string, number>>>>>;
}
