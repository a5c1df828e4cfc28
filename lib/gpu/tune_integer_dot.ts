/**
 * Where integer dot products of quantised weights are faster than others, by measurement on the adapter.
 *
 * @module
 */

import type { Device } from "./device.ts";
import { storedTunings, storeTuning } from "./stored.ts";
import {
  ANY_ROWS,
  type Candidate,
  FEW_PROBES,
  type FewProbe,
  fewProduct,
  fewRowsOf,
  forceTuning,
  HALF_MARGIN,
  rowsOfKinds,
  tuneMatmul,
  tuningOf,
} from "./tune.ts";
import type { ByteKind, MatmulTuning } from "./tuning.ts";

/** Of processors that play a GPU: what three of them have in common (docs/PERFORMANCE.md). */
const PROCESSOR_INTEGER_ROWS: Readonly<Record<ByteKind, number>> = { short: 8, long: 4 };
const BYTE_PROBES: Readonly<Record<ByteKind, FewProbe>> = {
  short: { TYPE: 1, BLOCK_BYTES: 18, BLOCK_UNITS: 1 },
  long: FEW_PROBES.simple,
};
type IntegerWay = `${"other" | "integer"}${8 | 256}`;

/**
 * Measures up to how many rows integer dot products are faster than what products by quantised weights are made of otherwise, once an
 * adapter, and keeps it with the other measurements. Of a processor that plays a GPU the kind is known.
 *
 * @param device Where to measure; it has a tuning.
 * @returns Why there will be none: the adapter cannot, or others are faster; `undefined` where there will be some.
 */
export async function tuneIntegerDot(device: Device): Promise<"unavailable" | "slower" | undefined> {
  if (!device.info.integerDot) return "unavailable";
  const tuning = tuningOf(device) ?? await tuneMatmul(device, storedTunings());
  let { integerRows } = tuning;
  if (integerRows === undefined) {
    const found = device.info.fallback
      ? { integerRows: PROCESSOR_INTEGER_ROWS }
      : await measureIntegerRows(device);
    integerRows = found.integerRows;
    forceTuning(device, { ...tuning, ...found });
    if (storedTunings().some(({ adapter }) => adapter === tuning.adapter)) {
      storeTuning({ ...tuning, ...found });
    }
  }
  return integerRows.short > 0 || integerRows.long > 0 ? undefined : "slower";
}

/**
 * Rows up to which integer dot products take four fifths of the time of the other ways, or less.
 *
 * @param device Where to measure; it has a tuning.
 */
export async function measureIntegerRows(
  device: Device,
): Promise<Required<Pick<MatmulTuning, "integerRows" | "integerRowsMs">>> {
  const pays = (ms: Partial<Record<IntegerWay, number>>, M: 8 | 256): boolean =>
    ms[`integer${M}`]! < HALF_MARGIN * ms[`other${M}`]!;
  const chosen = (_: ByteKind, ms: Partial<Record<IntegerWay, number>>): number =>
    !pays(ms, 8) ? 0 : !pays(ms, 256) ? 8 : ANY_ROWS;
  const few = fewRowsOf(device, "simple");
  const ways = (kind: ByteKind): Candidate<IntegerWay>[] =>
    ([8, 256] as const).flatMap((M) => [
      fewProduct<IntegerWay>(`other${M}`, device, BYTE_PROBES[kind], M, M <= few ? "few" : "pass"),
      fewProduct<IntegerWay>(`integer${M}`, device, BYTE_PROBES[kind], M, "integer"),
    ]);
  const { rows, ms } = await rowsOfKinds(device, ["short", "long"], ways, chosen);
  return { integerRows: rows, integerRowsMs: ms };
}
