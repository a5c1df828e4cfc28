/**
 * The tables of docs/SCALE.md: a thousand machines on a virtual clock.
 *
 * ```sh
 * deno run tools/simulate.ts
 * ```
 *
 * @module
 */

import { dayCurve, simulate, type SimulationOptions, type Work } from "../scale/simulation.ts";

/** Three models and four sizes; seconds as one machine of speed 1 takes them. */
export const WORKS: readonly Work[] = [
  { model: "small", side: 512, seconds: 3, share: 0.45 },
  { model: "medium", side: 1024, seconds: 12, share: 0.35 },
  { model: "large", side: 1024, seconds: 25, share: 0.15 },
  { model: "large", side: 2048, seconds: 60, share: 0.05 },
];
const ALL = ["small", "medium", "large"];
/** Mean seconds of a job. */
export const MEAN: number = WORKS.reduce((sum, { seconds, share }) => sum + seconds * share, 0);

/** A thousand machines, of which a tenth draws up to 2048². */
export const THOUSAND: SimulationOptions["fleets"] = [
  { count: 500, maxSide: 1024, models: ALL, speed: 1 },
  { count: 300, maxSide: 1024, models: ALL, speed: 0.5 },
  { count: 200, maxSide: 2048, models: ALL, speed: 1.5 },
];
/** Machine seconds a second. */
export const SPEED: number = THOUSAND.reduce((sum, { count, speed }) => sum + count * speed, 0);

/** 100 000 jobs at a share of what the machines can do. */
export function run(load: number, more: Partial<SimulationOptions> = {}): SimulationOptions {
  const jobs = more.jobs ?? 100_000;
  return {
    jobs,
    works: WORKS,
    fleets: THOUSAND,
    span: jobs * MEAN / SPEED / load,
    clients: 500,
    loadSeconds: 30,
    failEvery: 6 * 3600,
    awaySeconds: 300,
    faults: 0.005,
    ...more,
  };
}

/** The low stages of LSSGen's plan as a job of their own: a share of the work, at half the side, plus what the split costs. */
export function split(share: number, overhead: number): (work: Work) => readonly Work[] {
  return (work) =>
    work.side <= 512 ? [work] : [
      { ...work, side: work.side / 2, seconds: work.seconds * share + overhead },
      { ...work, seconds: work.seconds * (1 - share) + overhead },
    ];
}

/** Of a thousand machines a tenth draws the largest pictures, */
export const SCARCE: SimulationOptions["fleets"] = [
  { count: 900, maxSide: 1024, models: ALL, speed: 1 },
  { count: 100, maxSide: 2048, models: ALL, speed: 1.5 },
];
/** which are more of the requests. */
export const LARGE_WORKS: readonly Work[] = [
  { model: "small", side: 512, seconds: 3, share: 0.45 },
  { model: "medium", side: 1024, seconds: 12, share: 0.35 },
  { model: "large", side: 1024, seconds: 25, share: 0.05 },
  { model: "large", side: 2048, seconds: 60, share: 0.15 },
];

if (import.meta.main) {
  const row = (name: string, options: SimulationOptions): void => {
    const began = performance.now();
    const r = simulate(options);
    const p = (x: number): string => `${(100 * x).toFixed(1)} %`;
    const by = Object.entries(r.p95).map(([kind, s]) => `${kind}: ${s.toFixed(0)} s`).join(", ");
    console.log(
      `| ${name} | ${r.done} | ${r.dead} | ${p(r.utilisation)} | ${p(r.loading)} | ${p(r.wasted)} | ${
        r.fairness.toFixed(3)
      } (${r.backlogged}) | ${r.wait.p50.toFixed(1)} | ${r.wait.p95.toFixed(1)} | ${
        r.makespan.toFixed(0)
      } | ${r.split} | ${by} | ${((performance.now() - began) / 1000).toFixed(1)} s |`,
    );
  };
  console.log(
    "| run | done | dead | utilisation | loading | wasted | Jain (clients) | wait p50, s | p95, s | makespan, s | split | p95 by kind | computed in |",
  );
  console.log("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
  for (const load of [0.5, 0.8, 0.9, 1.2, 1.5]) row(`even, load ${load}`, run(load));
  for (const load of [0.7, 1]) row(`day curve, mean load ${load}`, run(load, { curve: dayCurve }));
  row("day curve, load 0.7, a failure an hour", run(0.7, { curve: dayCurve, failEvery: 3600 }));
  // Stages as jobs: large pictures wait for few large machines while small ones idle, or do not.
  const cases: [string, Partial<SimulationOptions>][] = [
    ["balanced", {}],
    ["large machines scarce", { fleets: SCARCE, works: LARGE_WORKS }],
  ];
  for (const [name, more] of cases) {
    for (const load of [0.7, 1.2]) {
      row(`${name}, load ${load}, whole`, run(load, more));
      for (const [share, overhead] of [[0.35, 1], [0.35, 4]]) {
        for (const splitsByRule of [false, true]) {
          row(
            `${name}, load ${load}, stages ${share}, ${overhead} s each${
              splitsByRule ? ", by the rule" : ""
            }`,
            run(load, { ...more, stages: split(share, overhead), splitsByRule }),
          );
        }
      }
    }
  }
}
