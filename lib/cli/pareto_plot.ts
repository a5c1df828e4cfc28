/**
 * Time against quality as an SVG: one mark a trial, a line along those that nothing beats.
 *
 * @module
 */

import { paretoFront, type Point } from "../pipelines/plan_search.ts";

const [WIDTH, HEIGHT] = [860, 520];
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 24, 44, 52];

/** Colours of methods, told apart without red and green; others are grey. */
const COLOURS: Readonly<Record<string, string>> = {
  direct: "#000000",
  lssgen: "#0072b2",
  refine: "#d55e00",
  spectral: "#cc79a7",
  selflift: "#009e73",
  stages: "#e69f00",
};

/** A text in XML. */
function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);
}

/** Round numbers between two, about `count` of them. */
function ticks(from: number, to: number, count: number): number[] {
  const rough = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? rough;
  const out: number[] = [];
  for (let n = Math.ceil(from / step) * step; n <= to + step * 1e-9; n += step) {
    out.push(Number(n.toPrecision(6)));
  }
  return out;
}

/**
 * The plot.
 *
 * @param points At least one.
 * @param title Stands above.
 * @param label What quality is, beside its axis.
 */
export function paretoPlot(points: readonly Point[], title: string, label: string): string {
  const front = paretoFront(points);
  const slowest = Math.max(...points.map(({ seconds }) => seconds.most));
  const best = Math.max(...points.map(({ quality }) => quality.most));
  const worst = Math.min(...points.map(({ quality }) => quality.least));
  const [low, high] = [Math.floor(worst * 20) / 20, Math.max(Math.ceil(best * 20) / 20, worst + 0.05)];
  const x = (seconds: number): number => LEFT + seconds / (slowest * 1.05) * (WIDTH - LEFT - RIGHT);
  const y = (quality: number): number => TOP + (high - quality) / (high - low) * (HEIGHT - TOP - BOTTOM);
  const n = (v: number): string => v.toFixed(1);
  const text = (at: [number, number], what: string, more = ""): string =>
    `<text x="${n(at[0])}" y="${n(at[1])}" ${more}>${escaped(what)}</text>`;
  const grid = [
    ...ticks(0, slowest * 1.05, 8).flatMap((s) => [
      `<path d="M${n(x(s))} ${TOP}V${HEIGHT - BOTTOM}" stroke="#ddd"/>`,
      text([x(s), HEIGHT - BOTTOM + 18], `${s}`, 'text-anchor="middle"'),
    ]),
    ...ticks(low, high, 8).flatMap((v) => [
      `<path d="M${LEFT} ${n(y(v))}H${WIDTH - RIGHT}" stroke="#ddd"/>`,
      text([LEFT - 8, y(v) + 4], v.toFixed(2), 'text-anchor="end"'),
    ]),
  ];
  const line = front.map(({ seconds, quality }) => `${n(x(seconds.mean))},${n(y(quality.mean))}`).join(" ");
  const marks = points.map(({ name, settings, seconds, quality }) => {
    const colour = COLOURS[settings.method ?? "lssgen"] ?? "#777777";
    const [cx, cy] = [x(seconds.mean), y(quality.mean)];
    return `<g stroke="${colour}" fill="${colour}"><title>${escaped(name)}</title>` +
      `<path d="M${n(x(seconds.least))} ${n(cy)}H${n(x(seconds.most))}M${n(cx)} ${n(y(quality.least))}V${
        n(y(quality.most))
      }" ` +
      `stroke-opacity="0.35"/><circle cx="${n(cx)}" cy="${n(cy)}" r="4"/></g>`;
  });
  // Of the front, where they do not lie on each other.
  let last = -Infinity;
  const labels = front.map(({ name, seconds, quality }) => {
    const at: [number, number] = [x(seconds.mean) + 7, y(quality.mean) + 14];
    if (Math.abs(at[1] - last) < 13) at[1] = last + 13;
    last = at[1];
    return text(at, name, `text-anchor="${at[0] > WIDTH - 180 ? "end" : "start"}" font-size="11"`);
  });
  const methods = [...new Set(points.map(({ settings }) => settings.method ?? "lssgen"))];
  const legend = methods.flatMap((method, i) => {
    const at = LEFT + 12 + i * 96;
    return [
      `<circle cx="${at}" cy="34" r="4" fill="${COLOURS[method] ?? "#777777"}"/>`,
      text([at + 8, 38], method),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text([LEFT, 18], title, 'font-size="14"'),
    ...legend,
    ...grid,
    `<polyline points="${line}" fill="none" stroke="#000" stroke-dasharray="4 3"/>`,
    ...marks,
    ...labels,
    text([(LEFT + WIDTH) / 2, HEIGHT - 12], "seconds a picture", 'text-anchor="middle"'),
    `<text transform="translate(16 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">${escaped(label)}</text>`,
    "</svg>",
    "",
  ].join("\n");
}
