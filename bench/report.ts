/**
 * `deno run -A bench/report.ts BENCH.json docs/PERFORMANCE.md docs/images/bench.svg`: the table between the markers of
 * the document, and a bar chart.
 *
 * @module
 */

import type { Timing } from "./harness.ts";
import { type CaseReport, type RunReport, shareOf } from "./run.ts";

const [BEGIN, END] = ["<!-- bench -->", "<!-- /bench -->"];

/** The adapter's limits, which a case was timed in turns with. */
function isLimit({ kind }: Timing): boolean {
  return kind === "peak" || kind === "copy";
}

/** GFLOP/s of the multiply-adds that a case was timed in turns with; 0 where there were none. */
function peakOf({ timings }: CaseReport): number {
  return timings.find(({ kind }) => kind === "peak")?.gflops ?? 0;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function rows(one: CaseReport): string[] {
  const other = one.timings.find(({ kind }) => kind === "plain" || kind === "peer");
  return one.timings.filter((t) => !isLimit(t)).map((t) => {
    const rate = t.gbs === undefined
      ? t.gflops > 0 ? `${t.gflops.toFixed(1)} GFLOP/s` : ""
      : `${t.gbs.toFixed(2)} GB/s`;
    const share = shareOf(t, one.timings);
    const ratio = other && t.kind === undefined ? `${(other.minMs / t.minMs).toFixed(1)}×` : "";
    const spread = `${t.minMs.toFixed(1)} / ${t.medianMs.toFixed(1)} / ${t.maxMs.toFixed(1)}`;
    const cells = [
      one.bench,
      one.case,
      t.label,
      rate,
      share === undefined ? "" : percent(share),
      ratio,
      spread,
    ];
    return `| ${cells.join(" | ")} |`;
  });
}

/** A table, or nothing without rows. */
function tableOf(heads: readonly string[], rows: readonly string[]): string[] {
  if (rows.length === 0) return [];
  const line = (cells: readonly string[]): string => `|${cells.join("|")}|`;
  return [
    "",
    line(heads.map((h) => ` ${h.replace(/:$/, "")} `)),
    line(heads.map((h) => h.endsWith(":") ? "---:" : "---")),
    ...rows,
  ];
}

/** Kernels of networks. */
function insides({ case: name, profile, encoding, timings }: CaseReport): string[] {
  if (!profile) return [];
  const spent = encoding ? percent((encoding.recordMs + encoding.submitMs) / timings[0].minMs) : "";
  const first = profile.rows.slice(0, 3).map(({ kernel, share }) => `${kernel} ${percent(share)}`).join(", ");
  return [
    `| ${
      [name, profile.kernels, percent(profile.outside), percent(profile.copies), spent, first].join(" | ")
    } |`,
  ];
}

/** What kernels' texts tell, each kernel once with each set of facts. */
function evidence(report: readonly CaseReport[]): string[] {
  const lines = report.flatMap(({ evidence: e }) =>
    e?.["multiply-adds a load"] === undefined ? [] : [
      `| ${
        [e.kernel, e["multiply-adds a load"], e.accumulators, e["workgroup bytes"], e["barriers a step"]]
          .join(" | ")
      } |`,
    ]
  );
  return [...new Set(lines)].sort();
}

function facts({ bench, case: name, facts }: CaseReport): string[] {
  if (!facts || Object.keys(facts).length === 0) return [];
  return ["", `${bench}, ${name}:`, "", ...Object.entries(facts).map(([key, value]) => `- ${key}: ${value}`)];
}

function table({ device, tuning, peak, copy, report }: RunReport): string {
  const most = Math.max(...report.map(peakOf)).toFixed(0);
  return [
    `${device.description}; the peak is that of multiply-adds in registers (${peak}), in turns with every case, here ` +
    `up to ${most} GFLOP/s; ${
      copy ? `the bandwidth is that of a plain copy (${copy}); ` : ""
    }operands from ` +
    `${tuning.operands}, rows summed up by ${tuning.reduction}.`,
    ...tableOf(
      [
        "bench",
        "case",
        "kernel",
        "rate:",
        "of the limit:",
        "against the next:",
        "ms: least / median / most:",
      ],
      report.flatMap(rows),
    ),
    ...tableOf(
      [
        "network",
        "kernels:",
        "outside matmul, attention, convolution:",
        "copies:",
        "encoding:",
        "most of the time",
      ],
      report.flatMap(insides),
    ),
    ...tableOf(
      ["kernel", "multiply-adds a load", "accumulators:", "workgroup bytes:", "barriers a step:"],
      evidence(report),
    ),
    ...report.flatMap(facts),
  ].join("\n");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** A bar a kernel, GFLOP/s. */
function chart({ report }: RunReport): string {
  const peakGflops = Math.max(...report.map(peakOf));
  const bars = report.flatMap(({ bench, case: name, timings }) =>
    timings.filter((t) => !isLimit(t) && t.gflops > 0).map((t, _, { length }) => ({
      // A case's own kernel needs no name; where several of ours stand side by side, theirs tell them apart.
      text: t.kind !== undefined
        ? t.label
        : `${bench} ${name}` + (length > 1 && timings[1].kind === undefined ? `: ${t.label}` : ""),
      value: t.gflops,
      ours: t.kind === undefined,
    }))
  );
  const [row, left, width] = [18, 340, 760];
  const scale = (width - left - 60) / peakGflops;
  const lines = bars.map(({ text, value, ours }, i) => {
    const y = 24 + i * row;
    return `<text x="${left - 8}" y="${y + 12}" text-anchor="end">${escaped(text)}</text>` +
      `<rect x="${left}" y="${y + 2}" width="${Math.max(1, value * scale).toFixed(1)}" height="${
        row - 5
      }" fill="${ours ? "#0f6b5c" : "#b8b8b8"}"/><text x="${(left + value * scale + 5).toFixed(1)}" y="${
        y + 12
      }">${value.toFixed(1)}</text>`;
  });
  const height = 34 + bars.length * row;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    `font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>` +
    `<text x="${left}" y="14">GFLOP/s; the frame ends at the peak of ${peakGflops.toFixed(0)}</text>` +
    `<rect x="${left}" y="22" width="${(peakGflops * scale).toFixed(1)}" height="${
      bars.length * row
    }" fill="none" stroke="#ccc"/>` +
    `${lines.join("")}</svg>\n`;
}

const [json, document, picture] = Deno.args;
if (!json || !document || !picture) {
  console.error("Expected three files: the bench's JSON, the document, the chart");
  Deno.exit(2);
}
const measured: RunReport = JSON.parse(await Deno.readTextFile(json));
const text = await Deno.readTextFile(document);
const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
if (from < 0 || to < from) {
  console.error(`"${document}" has no ${BEGIN} … ${END}`);
  Deno.exit(2);
}
await Deno.writeTextFile(
  document,
  `${text.slice(0, from + BEGIN.length)}\n${table(measured)}\n${text.slice(to)}`,
);
await Deno.writeTextFile(picture, chart(measured));
