/// <reference lib="dom" />
/**
 * What waits to be drawn, in order.
 *
 * @module
 */

import { announce, byId, element } from "./dom.ts";
import { t } from "./language.ts";
import type { Grid } from "./grid.ts";
import type { Job } from "./protocol.ts";

/** What one press of a button asked for. */
export interface Batch {
  /** Pictures, one after another. */
  readonly jobs: readonly Job[];
  /** For the list. */
  readonly label: string;
  /** Two to be compared by their times. */
  readonly compared?: boolean;
  /** Cells of a grid, row by row. */
  readonly grid?: Grid;
}

const list: HTMLElement = byId("queue");
let waiting: Batch[] = [];

/** Puts a batch at the end. */
export function add(batch: Batch): void {
  waiting.push(batch);
  show();
}

/** Takes the first; undefined when there is none. */
export function next(): Batch | undefined {
  const batch = waiting.shift();
  show();
  return batch;
}

/** Empties it. */
export function clear(): void {
  waiting = [];
  show();
}

/** Lists it. */
export function show(): void {
  byId("queue-box").hidden = waiting.length === 0;
  list.replaceChildren(...waiting.map((batch) => {
    const { label, jobs } = batch;
    const remove = element("button", { type: "button", className: "square" }, "×");
    remove.setAttribute("aria-label", t("queueRemove", { prompt: label }));
    remove.addEventListener("click", () => {
      waiting = waiting.filter((one) => one !== batch);
      show();
      announce(t("queueRemoved"));
      byId("stop").focus();
    });
    return element(
      "li",
      {},
      element("span", { className: "grow" }, jobs.length > 1 ? `${label} (${jobs.length})` : label),
      remove,
    );
  }));
}
