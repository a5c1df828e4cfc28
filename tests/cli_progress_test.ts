import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { duration, progressLine, ProgressPrinter } from "../lib/cli/progress.ts";

function printer(tty: boolean, columns = 120) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const shown = new ProgressPrinter({ tty, columns, write: (text) => written.push(text) }, () => clock.ms);
  return { shown, written, clock };
}

const STEP = {
  phase: "denoise",
  stage: 1,
  stages: 2,
  step: 3,
  steps: 12,
  sigma: 0.76,
  width: 256,
  height: 128,
} as const;

Deno.test("a progress line has phase, stage, size, bar, step, noise level and time left", () => {
  assertEquals(
    progressLine(STEP, 12_340),
    `denoise   stage 1/2  256×128  ${"█".repeat(6)}${"░".repeat(18)}  step 3/12  σ 0.760  ETA 12.3 s`,
  );
  assertEquals(progressLine({ phase: "load" }).trim(), "load");
});

Deno.test("on a terminal each event rewrites the line, cut to its width, and end() clears it", () => {
  const { shown, written } = printer(true, 30);
  shown.show(STEP);
  shown.show({ ...STEP, step: 4 });
  shown.end();
  shown.end();
  assertEquals(written.length, 3);
  for (const text of written) {
    assert(text.startsWith("\r\x1b[2K") && text.length <= 30 - 1 + 5 && !text.includes("\n"));
  }
  assertEquals(written[2], "\r\x1b[2K");
});

Deno.test("elsewhere there are whole lines: a stage's first and last step, and one in two seconds between", () => {
  const { shown, written, clock } = printer(false);
  for (let step = 0; step <= 10; step++) {
    clock.ms = step * 500;
    shown.show({ ...STEP, step, steps: 10 });
  }
  shown.show({ ...STEP, stage: 2, step: 0, steps: 10 });
  shown.show({ ...STEP, stage: 2, step: 1, steps: 10 });
  shown.show({ ...STEP, stage: 2, step: 0, steps: 10 });
  shown.end();
  assertEquals(written.map((line) => /stage (\d).*step (\d+)/.exec(line)?.slice(1).join(":")), [
    "1:0",
    "1:4",
    "1:8",
    "1:10",
    "2:0",
    "2:0",
  ]);
  assert(written.every((line) => line.endsWith("\n") && !line.includes("\x1b")));
});

Deno.test("the time left comes from the event, else from the mean step of the stage", () => {
  const { shown, written, clock } = printer(true);
  shown.show({ ...STEP, step: 0, steps: 10 });
  clock.ms = 4000;
  shown.show({ ...STEP, step: 2, steps: 10 });
  assertStringIncludes(written[1], "ETA 16.0 s");
  shown.show({ ...STEP, step: 3, steps: 10, etaMs: 1000 });
  assertStringIncludes(written[2], "ETA 1.00 s");
});

Deno.test("durations keep three figures and turn into minutes", () => {
  assertEquals([420, 9994, 12_345, 99_940, 100_000, 185_400].map(duration), [
    "0.42 s",
    "9.99 s",
    "12.3 s",
    "99.9 s",
    "1 min 40 s",
    "3 min 05 s",
  ]);
});
