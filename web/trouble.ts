/// <reference lib="dom" />
/**
 * What went wrong, in its place.
 *
 * @module
 */

import { DrawingError } from "./drawer.ts";
import { byId } from "./dom.ts";
import type { Circumstances } from "./trouble_box.ts";

const trouble: HTMLElement = byId("trouble");
/** Counts what was shown and taken back: an explanation that comes too late is left out. */
let turn = 0;

/** Any error as one that can be explained. */
export function asDrawingError(error: unknown): DrawingError {
  return error instanceof DrawingError
    ? error
    : new DrawingError("internal", error instanceof Error ? error.message : String(error));
}

/** Explains an error, and brings the explanation into view. Where the explanation cannot be loaded, the error says it by itself. */
export async function show(error: unknown, around: Circumstances): Promise<void> {
  const mine = ++turn;
  const fault = asDrawingError(error);
  const box = await import("./trouble_box.ts").catch(() => undefined);
  if (mine !== turn) return;
  if (box) box.fill(trouble, fault, around, clear);
  else trouble.textContent = fault.message;
  trouble.hidden = false;
  trouble.scrollIntoView({ block: "nearest" });
}

/** Takes it back. */
export function clear(): void {
  turn++;
  trouble.hidden = true;
  trouble.replaceChildren();
}
