/**
 * What went wrong, in plain words, and the way on.
 *
 * @module
 */

import type { ErrorCode } from "../lib/errors.ts";
import { t } from "./language.ts";

/** An explanation for a person. */
export interface Explanation {
  /** What happened. */
  readonly title: string;
  /** Why, and what can be done, as sentences. */
  readonly hints: readonly string[];
  /** Whether trying again without changing anything may help. */
  readonly retry: boolean;
}

/**
 * Explains an error.
 *
 * @param code Its kind.
 * @param message Its own sentence, which names file, size or option.
 * @param own Whether the model is a folder of the user's.
 */
export function explain(code: ErrorCode | "bad_token", message: string, own: boolean): Explanation {
  const detail = message.endsWith(".") ? message : `${message}.`;
  switch (code) {
    case "no_adapter":
      return {
        title: t("noAdapterTitle"),
        hints: [
          // The library's own sentence speaks of drivers for the command line.
          message.startsWith("No GPU adapter") ? t("noAdapterHint") : detail,
          t("noAdapterBrowsers"),
          t("elsewhere"),
        ],
        retry: true,
      };
    case "device_lost":
      return { title: t("lostTitle"), hints: [t("lostWhy"), t("lostWay"), detail], retry: true };
    case "out_of_memory":
      return {
        title: t("memoryTitle"),
        hints: [t("memoryWay"), ...own ? [t("memoryOwn")] : [], detail],
        retry: true,
      };
    case "bad_option":
      return { title: t("optionTitle"), hints: [detail], retry: false };
    case "bad_file":
    case "bad_tensor":
      return own
        ? { title: t("fileTitle"), hints: [detail, t("fileHint")], retry: false }
        : { title: t("fetchTitle"), hints: [detail, t("fetchHint")], retry: true };
    case "unsupported":
      return { title: t("unsupportedTitle"), hints: [detail], retry: false };
    case "numeric":
      return { title: t("numericTitle"), hints: [detail], retry: true };
    case "aborted":
      return { title: t("stopped"), hints: [], retry: false };
    case "unavailable":
      return { title: t("unavailableTitle"), hints: [detail], retry: true };
    case "bad_token":
      return { title: t("tokenTitle"), hints: [detail], retry: false };
    case "internal":
      return { title: t("internalTitle"), hints: [detail, t("internalHint")], retry: true };
  }
}
