/** The search for the fastest plan: likeness, the front, presets, the plot and the command. */

import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { parseOptions } from "../lib/cli/options.ts";
import { paretoPlot } from "../lib/cli/pareto_plot.ts";
import type { Terminal } from "../lib/cli/terminal.ts";
import { tunePlan } from "../lib/cli/tune_plan.ts";
import { AbortedError, LssgenError } from "../lib/errors.ts";
import { psnr, sharpness, ssim } from "../lib/image/likeness.ts";
import { paretoFront, type Point, presetsFrom, spreadOf, trialsFor } from "../lib/pipelines/plan_search.ts";
import { readModelInfo } from "../lib/pipelines/text_to_image.ts";
import { numbers } from "./devices.ts";
import { writeJudge } from "./small_judge.ts";

const picture = (values: (i: number) => number, side = 32) => ({
  width: side,
  height: side,
  channels: 3 as const,
  data: Uint8Array.from({ length: 3 * side * side }, (_, i) => values(i)),
});

Deno.test("likeness is whole for equal pictures, falls with noise, and a blurred picture is less sharp", () => {
  const noise = numbers(3 * 32 * 32, 1);
  const a = picture((i) => 128 + 60 * Math.sin(i / 90));
  assertEquals([psnr(a, a), ssim(a, a)], [Infinity, 1]);
  // All values off by 10: 20 · log₁₀(255 / 10).
  assertAlmostEquals(psnr(a, picture((i) => a.data[i] + 10)), 28.1308, 1e-3);
  const noisy = (strength: number) => picture((i) => a.data[i] + strength * noise[i]);
  assert(ssim(a, noisy(5)) > ssim(a, noisy(30)));
  assert(psnr(a, noisy(5)) > psnr(a, noisy(30)));
  // The covariance counts: an inverted picture is unlike, though as bright and as sharp.
  const strong = noisy(40);
  assert(ssim(strong, picture((i) => 255 - strong.data[i])) < 0);
  assert(sharpness(noisy(60)) > sharpness(noisy(20)) && sharpness(noisy(20)) > sharpness(a));
  assertEquals(sharpness(picture(() => 7)), 0);
});

const point = (name: string, seconds: number, ssim: number, sharp = 1): Point => ({
  name,
  flops: seconds * 1e9,
  settings: { method: name.startsWith("direct") ? "direct" : "refine", steps: seconds },
  seconds: spreadOf([seconds]),
  quality: spreadOf([ssim - 0.01, ssim + 0.01]),
  blurred: sharp < 0.85,
  figures: {},
});

/** A terminal of 80 columns that is none. */
const terminalTo = (
  printed: string[],
  note: (text: string) => void,
  signal = new AbortController().signal,
): Terminal => ({
  print: (line) => void printed.push(line),
  note,
  draw: () => {},
  tty: false,
  columns: 80,
  signal,
});

const POINTS = [
  point("direct 20", 20, 0.95),
  point("direct 10", 10, 0.9),
  point("direct 5", 5, 0.7),
  point("b", 6, 0.8),
  point("slower & worse", 12, 0.85),
  point("blurred", 1, 0.99, 0.5),
];

Deno.test("nothing beats a point of the front, and presets are the best that is fast enough", () => {
  assertEquals(paretoFront(POINTS).map(({ name }) => name), ["direct 5", "b", "direct 10", "direct 20"]);
  assertEquals(presetsFrom(POINTS, 3), {
    quality: POINTS[0].settings,
    balanced: POINTS[1].settings,
    fast: POINTS[3].settings,
  });
  assertEquals(Object.keys(presetsFrom(POINTS, 30)), ["quality"]);
});

Deno.test("the plot is XML with a mark for every point, and escapes names", () => {
  const svg = paretoPlot(POINTS, "a <b> & c", "SSIM");
  assertEquals(svg.match(/<title>/g)?.length, POINTS.length);
  assert(svg.includes("slower &amp; worse") && svg.includes("a &lt;b&gt; &amp; c") && !svg.includes("NaN"));
  const open = [...svg.matchAll(/<([a-z]+)[^>]*?(\/?)>/g)].filter(([, , closed]) => !closed).length;
  assertEquals(svg.match(/<\/[a-z]+>/g)?.length, open);
});

Deno.test("direct with all steps comes first, with fewer always, and what costs more is not tried", async () => {
  const info = await readModelInfo();
  const all = trialsFor(info, { width: 512, height: 512 });
  assertEquals(all[0].settings, { method: "direct", steps: info.defaults.steps });
  assert(all.every(({ flops }) => flops <= all[0].flops));
  assertEquals(new Set(all.map(({ name }) => name)).size, all.length);
  const used = new Set(all.map(({ settings }) => settings.method));
  for (const method of ["direct", "lssgen", "refine", "spectral", "selflift", "stages"] as const) {
    assert(used.has(method), method);
  }
  const some = trialsFor(info, { width: 512, height: 512 }, ["refine"]);
  assertEquals(new Set(some.map(({ settings }) => settings.method)), new Set(["direct", "refine"] as const));
  assert(some.filter(({ settings }) => settings.method === "direct").length >= 5);
});

Deno.test("tune-plan measures what is missing, keeps it when it is stopped, and what it stores is read", async () => {
  const folder = await Deno.makeTempDir();
  const model = new URL("./golden/pipelines/flux_dev/model", import.meta.url).pathname;
  const path = `${folder}/p.json`;
  const run = async (more: readonly string[], stopAfter = Infinity) => {
    const printed: string[] = [], notes: string[] = [];
    const stop = new AbortController();
    const terminal = terminalTo(printed, (text) => {
      notes.push(text);
      if (notes.filter((note) => note.includes("SSIM ")).length > stopAfter) stop.abort(new AbortedError());
    }, stop.signal);
    const args = [
      "tune-plan",
      "a fox",
      "-m",
      model,
      "--size",
      "64",
      "--dtype",
      "f32",
      "--upsampler",
      "bicubic",
    ];
    const all = [...args, "--methods", "direct", "--quick", "--out", path, ...more];
    await tunePlan(parseOptions(all), terminal);
    return { printed, measured: notes.filter((note) => / SSIM \d/.test(note)).length };
  };
  const stored = async () => JSON.parse(await Deno.readTextFile(path));
  try {
    // A plot that belongs to no measurements is somebody's picture.
    await Deno.writeTextFile(`${folder}/p.svg`, "theirs");
    await assertRejects(() => run(["--steps", "3"]), LssgenError, 'p.svg": it is there already; --force');
    assertEquals(await Deno.readTextFile(`${folder}/p.svg`), "theirs");
    await Deno.remove(`${folder}/p.svg`);
    await assertRejects(() => run(["--steps", "3"], 1), AbortedError);
    const before = await stored();
    const names = Object.keys(before.tuned.measured["a fox"]);
    assert(names.length >= 1 && names.length < 5, names.join());
    const { printed, measured } = await run(["--steps", "3"]);
    const after = await stored();
    for (const name of names) {
      assertEquals(after.tuned.measured["a fox"][name], before.tuned.measured["a fox"][name]);
    }
    assertEquals(measured, Object.keys(after.tuned.measured["a fox"]).length - names.length);
    assert(printed.some((line) => line.includes("direct 3")), printed.join("\n"));
    assertEquals(after.presets.quality.method, "direct");
    assert((await Deno.readTextFile(`${folder}/p.svg`)).startsWith("<svg"));
    // Nothing is left to measure.
    assertEquals((await run(["--steps", "3"])).measured, 0);
    await assertRejects(() => run(["--steps", "4"]), LssgenError, "was measured with another steps");
    await assertRejects(() => run(["--steps", "3", "--budget", "1"]), LssgenError, "above 1");
    for (
      const [damaged, words] of [
        [{}, "holds no measurements"],
        [null, "holds no measurements"],
        [[after], "holds no measurements"],
        [{ tuned: null }, "holds no measurements"],
        [{ tuned: { ...after.tuned, of: null } }, "holds no measurements"],
        [{ tuned: { ...after.tuned, measured: null } }, "holds no measurements"],
        [{ tuned: { ...after.tuned, measured: { "a fox": null } } }, "holds a measurement that is none"],
        [
          { tuned: { ...after.tuned, measured: { "a fox": { x: null } } } },
          "holds a measurement that is none",
        ],
        [
          {
            tuned: {
              ...after.tuned,
              measured: { "a fox": { x: { seconds: 1, ssim: 1, psnr: "9", sharpness: 1 } } },
            },
          },
          "holds a measurement that is none",
        ],
      ] as const
    ) {
      await Deno.writeTextFile(path, JSON.stringify(damaged));
      await assertRejects(() => run(["--steps", "3"]), LssgenError, words);
    }
    // What is not needed to go on is left out.
    await Deno.writeTextFile(path, JSON.stringify({ tuned: { ...after.tuned, again: [null, "x"] } }));
    assertEquals((await run(["--steps", "3"])).measured, 0);
    await assertRejects(
      () => run(["--steps", "3", "--sampling-method", "euler_a", "--force"]),
      LssgenError,
      "draws noise in each step",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("with a judge tune-plan counts what pictures show, of the judge's own prompts, and goes on where it was stopped", async () => {
  const folder = await Deno.makeTempDir();
  const model = new URL("./golden/pipelines/flux_dev/model", import.meta.url).pathname;
  const path = `${folder}/p.json`;
  const run = async (...more: string[]) => {
    const printed: string[] = [], notes: string[] = [];
    const terminal = terminalTo(printed, (text) => void notes.push(text));
    const given = [
      "tune-plan",
      "-m",
      model,
      "--size",
      "64",
      "--dtype",
      "f32",
      "--steps",
      "2",
      "--judge",
      folder,
      "--quick",
    ];
    await tunePlan(parseOptions([...given, "--methods", "direct", "--out", path, ...more]), terminal);
    return {
      printed: printed.join("\n"),
      drawn: notes.filter((note) => /things [✓✗] background [✓✗]/.test(note)).length,
    };
  };
  const entry = (id: number, nouns: string[], colours: string[]) => ({
    ...{ id, kind: "one", prompt: `a ${nouns.join(" and a ")}`, nouns, colours, count: 1 },
    ...{ style: "x", background: "y", ground: "plain" },
  });
  try {
    await writeJudge(folder);
    const entries = [
      entry(1, ["a"], []),
      entry(2, ["a", "b", "c", "d", "e"], []),
      entry(3, ["e"], ["x"]),
      entry(4, ["c"], []),
    ];
    await Deno.writeTextFile(`${folder}/unseen.json`, JSON.stringify(entries));
    const { printed, drawn } = await run("--judged-prompts", "2");
    const { tuned, presets } = JSON.parse(await Deno.readTextFile(path));
    // Blurred or not: what is seen counts.
    assertEquals(presets.quality.method, "direct");
    // Evenly through the list.
    assertEquals(Object.keys(tuned.measured), ["a a and a b and a c and a d and a e", "a c"]);
    const trials: Record<string, { seen: { things: boolean; features: number[] } }>[] = Object.values(
      tuned.measured,
    );
    assertEquals(drawn, trials.reduce((sum, one) => sum + Object.keys(one).length, 0));
    assertEquals(trials[0]["direct 2"].seen.features.length, 4);
    // Five nouns are asked for, and it knows no others.
    assert(Object.values(trials[0]).every(({ seen }) => seen.things));
    const right = trials.filter((one) => one["direct 2"].seen.things).length;
    assert(new RegExp(`direct 2 .* ${50 * right} % \\(`).test(printed), printed);
    assert(/things +background +colour +style +distance/.test(printed), printed);
    // It has measured no drawings of this size.
    assert(/direct 2 .* – *$/m.test(printed), printed);
    assert(
      (await Deno.readTextFile(`${folder}/p.svg`)).includes("share of pictures with all things asked for"),
    );
    assertEquals((await run("--judged-prompts", "2")).drawn, 0);
    await assertRejects(() => run("--judged-prompts", "3"), LssgenError, "was measured with another prompts");
    const names = await Deno.readTextFile(`${folder}/judge.json`);
    await Deno.writeTextFile(
      `${folder}/judge.json`,
      JSON.stringify({ ...JSON.parse(names), right: { noun: 0.5 } }),
    );
    await assertRejects(() => run("--judged-prompts", "2"), LssgenError, "was measured with another judge");
    await Deno.writeTextFile(`${folder}/judge.json`, names);
    // A measurement of likeness is none of a judge's.
    tuned.measured["a c"]["direct 2"] = { seconds: 1, ssim: 1, psnr: 9, sharpness: 1 };
    await Deno.writeTextFile(path, JSON.stringify({ tuned }));
    await assertRejects(() => run("--judged-prompts", "2"), LssgenError, "holds a measurement that is none");
    for (
      const more of [["a fox"], ["--prompts", "x.txt"], ["--reference-steps", "4"], [
        "--reference-method",
        "lssgen",
      ]]
    ) {
      await assertRejects(() => run(...more), LssgenError, "needs no reference: leave out");
    }
    await Deno.writeTextFile(`${folder}/unseen.json`, JSON.stringify([entry(1, ["zebra"], [])]));
    await assertRejects(() => run("--force"), LssgenError, 'knows no "zebra"');
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
