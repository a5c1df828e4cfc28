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

/** Type number in the file → storage, for every type whose values can be computed here. */
export const GGML_TYPES: ReadonlyMap<number, GgmlType> = new Map([
  [0, { name: "F32", values: 1, bytes: 4 }],
  [1, { name: "F16", values: 1, bytes: 2 }],
  [2, { name: "Q4_0", values: 32, bytes: 18 }],
  [3, { name: "Q4_1", values: 32, bytes: 20 }],
  [6, { name: "Q5_0", values: 32, bytes: 22 }],
  [7, { name: "Q5_1", values: 32, bytes: 24 }],
  [8, { name: "Q8_0", values: 32, bytes: 34 }],
  [10, { name: "Q2_K", values: 256, bytes: 84 }],
  [11, { name: "Q3_K", values: 256, bytes: 110 }],
  [12, { name: "Q4_K", values: 256, bytes: 144 }],
  [13, { name: "Q5_K", values: 256, bytes: 176 }],
  [14, { name: "Q6_K", values: 256, bytes: 210 }],
  [20, { name: "IQ4_NL", values: 32, bytes: 18 }],
  [23, { name: "IQ4_XS", values: 256, bytes: 136 }],
  [24, { name: "I8", values: 1, bytes: 1 }],
  [25, { name: "I16", values: 1, bytes: 2 }],
  [26, { name: "I32", values: 1, bytes: 4 }],
  [27, { name: "I64", values: 1, bytes: 8 }],
  [28, { name: "F64", values: 1, bytes: 8 }],
  [30, { name: "BF16", values: 1, bytes: 2 }],
  [34, { name: "TQ1_0", values: 256, bytes: 54 }],
  [35, { name: "TQ2_0", values: 256, bytes: 66 }],
  [39, { name: "MXFP4", values: 32, bytes: 17 }],
  [40, { name: "NVFP4", values: 64, bytes: 36 }],
]);

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
