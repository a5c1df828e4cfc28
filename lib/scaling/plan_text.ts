/**
 * A plan for people.
 *
 * @module
 */

import type { Growth, Plan } from "./types.ts";

/** A plan as a table for people. */
export function formatPlan(plan: Plan): string {
  const rows = plan.stages.map((stage) => [
    `${stage.index + 1}`,
    `${stage.width}×${stage.height}`,
    `${stage.tokens}`,
    `${stage.steps.length} of ${stage.schedule.timesteps.length}`,
    stage.grow ? stage.grow.level.toFixed(3) : "noise",
    !stage.grow
      ? ""
      : stage.part
      ? stage.part.kind === "anchors" ? "more anchors" : "split tokens"
      : stage.grow.from === "image"
      ? "your picture"
      : grownBy(stage.grow),
    stage.flops === undefined ? "" : flopsText(stage.flops),
  ]);
  const table = [["stage", "size", "tokens", "steps", "from", "upsampler", "FLOPs"], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const lines = table.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd()
  );
  const calls = `${plan.method}: ${plan.width}×${plan.height}, ${plan.denoiserCalls} denoiser steps`;
  const cost = plan.flops === undefined || plan.directFlops === undefined || plan.speedup === undefined
    ? ""
    : `, ${flopsText(plan.flops)}; direct, ${plan.directSteps} steps, ${flopsText(plan.directFlops)}: ${
      plan.speedup.toFixed(2)
    }× less denoising` +
      (plan.decodeFlops && plan.wholeSpeedup
        ? `, ${plan.wholeSpeedup.toFixed(2)}× with ${flopsText(plan.decodeFlops)} of decoding`
        : "");
  return [calls + cost, ...lines, ...plan.warnings.map((warning) => `warning: ${warning}`)].join("\n");
}

function grownBy({ upsampler, from, sharpen }: Growth): string {
  return (sharpen ? `sharpened ${upsampler}` : upsampler) +
    (from === "x0" ? " of the predicted picture" : "");
}

export function flopsText(flops: number): string {
  const units = ["", "K", "M", "G", "T", "P"];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, flops)) / 3)));
  return `${Number((flops / 1000 ** power).toPrecision(3))} ${units[power]}FLOP`;
}
