import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { WholeProgress } from "../lib/pipelines/whole_progress.ts";
import type { Progress } from "../lib/pipelines/types.ts";
import type { Plan } from "../lib/scaling/types.ts";
import { BytesProgress } from "../lib/cli/bytes_progress.ts";
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

Deno.test("with the share of the whole the bar shows that, over all pictures of the command", () => {
  assertEquals(
    progressLine({ ...STEP, share: 0.5 }, 12_340),
    `denoise   stage 1/2  256×128  ${"█".repeat(12)}${"░".repeat(12)}  50 %  step 3/12  σ 0.760  ETA 12.3 s`,
  );
  const { shown, written } = printer(true);
  shown.begin(1, 4);
  shown.show({ ...STEP, share: 0.5, etaMs: 10_000 });
  // Half of the second of four pictures: 37.5 %, and two and a half pictures of 20 s to come.
  assertStringIncludes(written[0], "picture 2");
  assertStringIncludes(written[0], "37 %");
  assertStringIncludes(written[0], "ETA 50.0 s");
});

Deno.test("a narrow terminal gets a shorter bar, then less beside what is done and left", () => {
  const event = { ...STEP, share: 0.5, image: 1 };
  const at = (width: number): string => progressLine(event, 12_340, width);
  const whole = at(Infinity);
  assertEquals(at(whole.length), whole);
  assertEquals(at(whole.length - 10).replace(/[█░]/g, ""), whole.replace(/[█░]/g, ""));
  assertEquals(at(whole.length - 10).match(/[█░]+/)![0], "█".repeat(7) + "░".repeat(7));
  for (const width of [20, 30, 40, 60, 80]) assert(at(width).length <= width, at(width));
  for (const width of [40, 60, 80]) {
    for (const part of ["denoise", "50 %", "step 3/12", "ETA 12.3 s"]) assertStringIncludes(at(width), part);
  }
  const load = { phase: "load", component: "text_encoder_2", bytes: 1e9, totalBytes: 5.1e9 } as const;
  assertStringIncludes(progressLine({ ...load, bytesPerSecond: 4.5e8 }, 9110, 39), "1.00 GB of 5.10 GB");
});

Deno.test("loading is told in bytes of a size that fits", () => {
  const line = (bytes: number, totalBytes: number) =>
    progressLine({ phase: "load", component: "vae", bytes, totalBytes });
  assertStringIncludes(line(1_500_000, 3_900_000), "1.50 MB of 3.90 MB");
  assertStringIncludes(line(1.2e9, 23.8e9), "1.20 GB of 23.8 GB");
});

Deno.test("loading is told with its rate", () => {
  const event = {
    phase: "load",
    component: "unet",
    bytes: 1e9,
    totalBytes: 5.1e9,
    bytesPerSecond: 4.5e8,
  } as const;
  assertStringIncludes(progressLine(event), "1.00 GB of 5.10 GB  450 MB/s");
});

Deno.test("a terminal that changes its size gets lines of its width, and the rows of the wider line are cleared", () => {
  const written: string[] = [];
  const size = { columns: 80 };
  const shown = new ProgressPrinter({
    tty: true,
    get columns() {
      return size.columns;
    },
    write: (text) => written.push(text),
  });
  shown.show({ ...STEP, share: 0.5 });
  size.columns = 30;
  shown.resized();
  // 79 characters take three rows of 30: two up, and everything below is cleared.
  assert(written[1].startsWith("\x1b[2A\r\x1b[J"), JSON.stringify(written[1]));
  assertEquals(written[1].slice("\x1b[2A\r\x1b[J".length), "denoise   50 %  step 3/12");
  size.columns = 80;
  shown.show({ ...STEP, step: 4 });
  assert(written[2].startsWith("\r\x1b[2K"));
});

Deno.test("bytes on a terminal are one line that is drawn, cut to its width; a file's name moves no cursor", () => {
  const [drawn, noted]: string[][] = [[], []];
  let now = 0;
  const terminal = {
    tty: true,
    columns: 100,
    draw: (text: string) => void drawn.push(text),
    note: (text: string) => void noted.push(text),
  };
  const shown = new BytesProgress("convert", terminal, () => now);
  shown.show(1, 4, "a\x1b[2Jb");
  terminal.columns = 30;
  now = 1000;
  shown.show(2, 4, "c");
  shown.end();
  shown.end();
  assertEquals(noted, []);
  assertEquals(drawn.length, 3);
  assert(
    drawn[0].startsWith("\r\x1b[2Kconvert  ") && drawn[0].endsWith("a\\u001b[2Jb"),
    JSON.stringify(drawn[0]),
  );
  // The first line takes several rows of the narrow terminal.
  // deno-lint-ignore no-control-regex -- it is what is looked for
  assert(/^\x1b\[\d+A\r\x1b\[Jconvert {2}2 bytes of 4 bytes$/.test(drawn[1]), JSON.stringify(drawn[1]));
  assertEquals(drawn[2], "\r\x1b[2K");
});

Deno.test("the share of a run weighs stages and decoding by FLOPs, over all its pictures", () => {
  const stage = (flops: number, steps: number) => ({ flops, steps: Array(steps), tokens: 1 });
  const plan = { stages: [stage(10, 2), stage(60, 3)], decodeFlops: 30 } as unknown as Plan;
  const clock = { ms: 0 };
  const whole = new WholeProgress(plan, 2, () => clock.ms);
  const at = (event: Progress, ms: number) => {
    clock.ms = ms;
    const { share, etaMs } = whole.note(event);
    return [share, etaMs === undefined ? undefined : Math.round(etaMs)];
  };
  const step = (image: number, stage: number, step: number, steps: number): Progress => ({
    phase: "denoise",
    image,
    stage,
    step,
    steps,
  });
  assertEquals(at({ phase: "encode" }, 0), [0, undefined]);
  assertEquals(at(step(0, 1, 0, 2), 0), [0, undefined]);
  // The first step compiles: it says nothing of the pace.
  assertEquals(at(step(0, 1, 1, 2), 900), [0.025, undefined]);
  assertEquals(at(step(0, 1, 2, 2), 950), [0.05, 1900]); // 5 in 50 ms, 190 left
  assertEquals(at({ phase: "upsample", image: 0, stage: 2 }, 960), [0.05, 1900]);
  assertEquals(at(step(0, 2, 0, 3), 960), [0.05, 1900]);
  assertEquals(at(step(0, 2, 1, 3), 1500), [0.15, 1700]);
  assertEquals(at(step(0, 2, 2, 3), 1700), [0.25, 1500]);
  assertEquals(at(step(0, 2, 3, 3), 1900), [0.35, 1300]);
  assertEquals(at({ phase: "decode", image: 0 }, 1900), [0.35, 1300]);
  // Decoding took 500 ms for what 300 were foretold: the second picture's will too.
  assertEquals(at(step(1, 1, 0, 2), 2400), [0.5, 1200]);
  assertEquals(at({ phase: "decode", image: 1 }, 3000), [0.85, 500]);
});
