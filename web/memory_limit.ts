/// <reference lib="dom" />
/**
 * The limit of GPU memory that a person sets, kept for the next visit.
 *
 * @module
 */

import { byId } from "./dom.ts";
import { complainAt } from "./form.ts";
import { t } from "./language.ts";

const field: HTMLInputElement = byId("max-vram");
const STORED = "lssgen-max-vram";

/** Bytes; undefined where none is set. */
export function bytes(): number | undefined {
  return field.value === "" || !field.validity.valid ? undefined : Number(field.value) * 2 ** 20;
}

/** Whether what stands in the field is no limit; says so there. */
export function complain(): boolean {
  if (field.validity.valid) return false;
  complainAt(field, t("wholeNumber", { name: t("maxVram"), low: field.min, high: field.max }));
  return true;
}

/** Brings back the limit of the visit before, and tells of changes. */
export function listen(changed: () => void): void {
  try {
    field.value = localStorage.getItem(STORED) ?? "";
  } catch {
    // Storage is forbidden.
  }
  field.addEventListener("change", () => {
    if (complain()) return;
    try {
      localStorage.setItem(STORED, field.value);
    } catch {
      // Asked again at the next visit.
    }
    changed();
  });
}
