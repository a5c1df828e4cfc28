import { assertEquals } from "@std/assert";
import { comparisonRows } from "../lib/cli/compare.ts";
import { METHODS } from "../lib/cli/options.ts";

Deno.test("a comparison has the single methods in one row and each staged one over the noise levels", () => {
  assertEquals(comparisonRows(["lssgen", "direct", "lssgen"], [0.6, 0.9]), [
    [{ method: "direct" }],
    [{ method: "lssgen", initNoise: 0.6 }, { method: "lssgen", initNoise: 0.9 }],
  ]);
  assertEquals(comparisonRows(["lssgen"], [1]), [[{ method: "lssgen", initNoise: 1 }]]);
});

Deno.test("all methods are compared under the name all", () => {
  assertEquals(new Set(comparisonRows(["all"], [0.75]).flat().map(({ method }) => method)), new Set(METHODS));
});
