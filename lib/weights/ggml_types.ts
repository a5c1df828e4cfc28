/**
 * The tensor types of GGUF files.
 *
 * Source: ggml's `ggml_type` and block layouts.
 *
 * @module
 */

/** How a GGUF tensor type is stored. */
export interface GgmlType {
  /** Name as ggml spells it, for example Q4_K. */
  readonly name: string;
  /** Values in a block; 1 for plain types. */
  readonly values: number;
  /** Bytes of a block. */
  readonly bytes: number;
}

/** Type number in the file → storage (name, values, bytes), for every type whose values can be computed here. */
export const GGML_TYPES: ReadonlyMap<number, GgmlType> = new Map(([
  [0, "F32", 1, 4],
  [1, "F16", 1, 2],
  [2, "Q4_0", 32, 18],
  [3, "Q4_1", 32, 20],
  [6, "Q5_0", 32, 22],
  [7, "Q5_1", 32, 24],
  [8, "Q8_0", 32, 34],
  [10, "Q2_K", 256, 84],
  [11, "Q3_K", 256, 110],
  [12, "Q4_K", 256, 144],
  [13, "Q5_K", 256, 176],
  [14, "Q6_K", 256, 210],
  [20, "IQ4_NL", 32, 18],
  [23, "IQ4_XS", 256, 136],
  [24, "I8", 1, 1],
  [25, "I16", 1, 2],
  [26, "I32", 1, 4],
  [27, "I64", 1, 8],
  [28, "F64", 1, 8],
  [30, "BF16", 1, 2],
  [34, "TQ1_0", 256, 54],
  [35, "TQ2_0", 256, 66],
  [39, "MXFP4", 32, 17],
  [40, "NVFP4", 64, 36],
] as const).map(([id, name, values, bytes]) => [id, { name, values, bytes }]));

const BY_NAME: ReadonlyMap<string, GgmlType> = new Map([...GGML_TYPES.values()].map((t) => [t.name, t]));

/** Values in a block of a type; 1 for plain types. */
export function blockValues(type: string): number {
  return BY_NAME.get(type)?.values ?? 1;
}

/** Bytes of a block of a type. */
export function blockBytes(type: string): number {
  return BY_NAME.get(type)!.bytes;
}

/** Type numbers that ggml defines and this project does not compute: a different message than for nonsense. */
export const GGML_UNSUPPORTED: ReadonlyMap<number, string> = new Map([
  [4, "Q4_2, which ggml has dropped"],
  [5, "Q4_3, which ggml has dropped"],
  [9, "Q8_1"],
  [15, "Q8_K"],
  [16, "IQ2_XXS"],
  [17, "IQ2_XS"],
  [18, "IQ3_XXS"],
  [19, "IQ1_S"],
  [21, "IQ3_S"],
  [22, "IQ2_S"],
  [29, "IQ1_M"],
  [31, "Q4_0_4_4, which ggml has dropped"],
  [32, "Q4_0_4_8, which ggml has dropped"],
  [33, "Q4_0_8_8, which ggml has dropped"],
  [36, "IQ4_NL_4_4, which ggml has dropped"],
  [37, "IQ4_NL_4_8, which ggml has dropped"],
  [38, "IQ4_NL_8_8, which ggml has dropped"],
  [41, "Q1_0"],
]);
