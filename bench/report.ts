/**
 * `deno run -A bench/report.ts BENCH.json docs/PERFORMANCE.md docs/images/bench.svg`: the table between the markers of
 * the document, and a bar chart.
 *
 * @module
 */

import type { CaseReport, RunReport } from "./run.ts";

const [BEGIN, END] = ["<!-- bench -->", "<!-- /bench -->"];

/** GFLOP/s of the multiply-adds that a case was timed in turns with. */
function peakOf({ timings }: CaseReport): number {
  return timings.find(({ kind }) => kind === "peak")!.gflops;
}

function table({ device, tuning, peak, report }: RunReport): string {
  const rows = report.flatMap((one) => {
    const other = one.timings.find(({ kind }) => kind === "plain" || kind === "peer");
    return one.timings.filter(({ kind }) => kind !== "peak").map((t) => {
      const share = `${(100 * t.gflops / peakOf(one)).toFixed(1)} %`;
      const ratio = other && t.kind === undefined ? `${(t.gflops / other.gflops).toFixed(1)}×` : "";
      const spread = `${t.minMs.toFixed(1)} / ${t.medianMs.toFixed(1)} / ${t.maxMs.toFixed(1)}`;
      const name = `${one.bench} | ${one.case} | ${t.label}`;
      return `| ${name} | ${t.gflops.toFixed(1)} | ${share} | ${ratio} | ${spread} |`;
    });
  });
  return [
    `${device.description}; the peak is that of multiply-adds in registers (${peak}), in turns with every case, here up to ` +
    `${Math.max(...report.map(peakOf)).toFixed(0)} GFLOP/s; operands from ${tuning.operands}, ` +
    `rows summed up by ${tuning.reduction}.`,
    "",
    "| bench | case | kernel | GFLOP/s | of peak | against the next | ms: least / median / most |",
    "|---|---|---|---:|---:|---:|---:|",
    ...rows,
  ].join("\n");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** A bar a kernel, GFLOP/s. */
function chart({ report }: RunReport): string {
  const peakGflops = Math.max(...report.map(peakOf));
  const bars = report.flatMap(({ bench, case: name, timings }) =>
    timings.filter(({ kind }) => kind !== "peak").map((t) => ({
      text: `${bench} ${name}: ${t.label}`,
      value: t.gflops,
      ours: t.kind === undefined,
    }))
  );
  const [row, left, width] = [18, 400, 760];
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
