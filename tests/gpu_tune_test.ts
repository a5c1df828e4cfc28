/** What is expected of adapters by arithmetic, and tunings kept between runs. */

import { assert, assertEquals } from "@std/assert";
import { deviceReading } from "./devices.ts";
import {
  COMPUTE_UNITS,
  computeUnitOf,
  estimate,
  expectedNormLoads,
  expectedOperands,
} from "../lib/gpu/adapters.ts";
import { type DeviceInfo, openDevice } from "../lib/gpu/device.ts";
import {
  fewRowsOf,
  forceTuning,
  LARGE_KERNELS,
  type MatmulTuning,
  measureFewRows,
  normLoadsOf,
  operandsOf,
  reductionOf,
  tuneMatmul,
  tuneOnce,
} from "../lib/gpu/tune.ts";

const info = (vendor: string, fallback = false): DeviceInfo => ({ vendor, fallback }) as DeviceInfo;

Deno.test("an estimate counts registers, workgroup memory, residents and loads of a kernel", () => {
  const nvidia = computeUnitOf(info("nvidia"))!;
  const [tiled, texels, buffers] = LARGE_KERNELS;
  // 4 × 4 sums, eight values of 4 rows and a column, 16 for places; 64 rows of 9 and 64 columns of 5 vectors and a place.
  const e = estimate(tiled, nvidia);
  assertEquals([e.registers, e.workgroupBytes], [72, 14848]);
  assertEquals(e.occupancy, 65536 / 72 / 1536);
  assertEquals(e.loads, 10 / 32);
  // 8 × 8 sums with eight values of eight rows and a column: a quarter of the invocations is resident.
  assertEquals(estimate(buffers, nvidia).registers, 152);
  assert(estimate(buffers, nvidia).occupancy < 0.3);
  assert(estimate(texels, nvidia).share < estimate(buffers, nvidia).share);
});

Deno.test("GPUs stage tiles in workgroup memory, adapters on a CPU load texels", () => {
  for (const { vendors } of COMPUTE_UNITS) {
    for (const vendor of vendors) {
      assertEquals(expectedOperands(info(vendor), LARGE_KERNELS), "tiled", vendor);
    }
  }
  assertEquals(expectedOperands(info("NVIDIA"), LARGE_KERNELS), "tiled");
  assertEquals(expectedOperands(info(""), LARGE_KERNELS), "tiled");
  assertEquals(expectedOperands(info("", true), LARGE_KERNELS), "texels");
  // Spilled sums and a slow load unit count: without workgroup memory worth the name buffers win.
  const slow = { ...computeUnitOf(info("nvidia"))!, workgroupRate: 8 };
  assert(estimate(LARGE_KERNELS[0], slow).share < estimate(LARGE_KERNELS[2], slow).share);
});

Deno.test("norms on load pay for some loads of a value on GPUs, for none on a CPU or where nothing is known", () => {
  for (const { vendors: [vendor] } of COMPUTE_UNITS) {
    // A rectangle of 3×3 taps loads a value 1.6 times for 64 output channels, one tap after the other nine times.
    const loads = expectedNormLoads(info(vendor));
    assert(loads > 1.6 && loads < 9, `${vendor}: ${loads}`);
  }
  assertEquals(expectedNormLoads(info("nvidia", true)), 0);
  assertEquals(expectedNormLoads(info("")), 0);
});

Deno.test("how often a norm on load pays is measured where operands are staged; older tunings lack it and are redone", async () => {
  using device = await openDevice();
  const tuning = await tuneMatmul(device, [], { operands: "tiled" });
  assertEquals(Object.keys(tuning.normMs).sort(), ["loading", "pass", "plain"]);
  const { pass, plain } = tuning.normMs as Record<string, number>;
  // What is less than a fiftieth of the convolution counts as that.
  const most = 1.5626 * pass / (0.02 * plain);
  // Stored as a power of two, the expected one up to a factor of two, so that load does not move it.
  const { normLoads } = tuning;
  assert(normLoads === 0 || Number.isInteger(Math.log2(normLoads)), `${normLoads}`);
  assert(normLoads <= 2 * most, `${normLoads}, at most ${most} by its measurements`);
  assertEquals(normLoadsOf(device), tuning.normLoads);
  device.check();

  using later = await openDevice();
  const stored: MatmulTuning = JSON.parse(JSON.stringify(tuning));
  assertEquals(await tuneMatmul(later, [stored]) === stored, true);
  using again = await openDevice();
  const { normLoads: _, ...older } = stored;
  assertEquals(typeof (await tuneMatmul(again, [older as MatmulTuning])).normLoads, "number");
});

Deno.test("rows up to which quantised weights are expanded on the way: by rule on processors, and added to tunings that lack them", async () => {
  using device = await openDevice();
  assertEquals(device.info.fallback, true);
  assertEquals([fewRowsOf(device, "simple"), fewRowsOf(device, "super")], [96, 64]);
  const { fewRows, ...older } = await tuneMatmul(device);
  assertEquals(fewRows, { simple: 96, super: 64 });
  // What an earlier version chose stands.
  using later = await openDevice();
  assertEquals(await tuneMatmul(later, [{ ...older, texels: "sampled" }]), {
    ...older,
    texels: "sampled",
    fewRows,
  });
  using stored = await openDevice();
  forceTuning(stored, { ...older, fewRows: { simple: 2, super: 32 } });
  assertEquals([fewRowsOf(stored, "simple"), fewRowsOf(stored, "super")], [2, 32]);
  // One that was forced and says nothing: as before there was a choice.
  forceTuning(stored, older);
  assertEquals(fewRowsOf(stored, "simple"), 8);
});

Deno.test("rows up to which quantised weights are expanded on the way are measured from both ways, and what stood stands", async () => {
  using device = await deviceReading("texels");
  const { fewRows, fewRowsMs } = await measureFewRows(device);
  device.check();
  for (const kind of ["simple", "super"] as const) {
    assert([2, 8, 32].includes(fewRows[kind]), `${fewRows[kind]}`);
    const { few8, few32, pass8, pass32 } = fewRowsMs[kind]!;
    assert([few8, few32, pass8, pass32].every((ms) => ms > 0));
    if (fewRows[kind] === 32) assert(few32 < pass32);
    if (fewRows[kind] === 2) assert(pass8 < few8);
  }
});

Deno.test("an unmeasured device goes by what is expected; tunings are kept, and redone when asked", async () => {
  const kept = localStorage.getItem("lssgen.tunings");
  localStorage.removeItem("lssgen.tunings");
  using _restored = {
    [Symbol.dispose]: () => kept === null || localStorage.setItem("lssgen.tunings", kept),
  };
  using device = await openDevice();
  assertEquals(operandsOf(device), expectedOperands(device.info, LARGE_KERNELS));
  const first = await tuneOnce(device);
  assertEquals(first.measured, true);
  assertEquals(reductionOf(device), first.tuning.reduction);
  using later = await openDevice();
  assertEquals(await tuneOnce(later), { tuning: first.tuning, measured: false });
  // The same device again: what is kept by now, measured as it is.
  const again = await tuneOnce(later, { again: true });
  assertEquals(again.measured, true);
  assert(JSON.stringify(again.tuning.ms) !== JSON.stringify(first.tuning.ms), "not measured anew");
  using last = await openDevice();
  assertEquals(await tuneOnce(last), { tuning: again.tuning, measured: false });
});
