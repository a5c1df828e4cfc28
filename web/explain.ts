/**
 * What went wrong, in plain words, and the way on.
 *
 * @module
 */

import type { ErrorCode } from "../lib/errors.ts";

/** An explanation for a person. */
export interface Explanation {
  /** What happened. */
  readonly title: string;
  /** Why, and what can be done, as sentences. */
  readonly hints: readonly string[];
  /** Whether trying again without changing anything may help. */
  readonly retry: boolean;
}

/** The command that needs no browser. */
const ELSEWHERE =
  'Without a browser, the same pictures come from the command line: deno run -A cli.ts "a red apple"';

const NO_ADAPTER =
  "The browser knows WebGPU but offers no GPU: update the graphics driver; on Linux, start Chrome " +
  "with --enable-unsafe-webgpu --enable-features=Vulkan.";

/**
 * Explains an error.
 *
 * @param code Its kind.
 * @param message Its own sentence, which names file, size or option.
 * @param own Whether the model is a folder of the user's.
 */
export function explain(code: ErrorCode, message: string, own: boolean): Explanation {
  const detail = message.endsWith(".") ? message : `${message}.`;
  switch (code) {
    case "no_adapter":
      return {
        title: "This browser gives no access to a GPU",
        hints: [
          // The library's own sentence speaks of drivers for the command line.
          message.startsWith("No GPU adapter") ? NO_ADAPTER : detail,
          "This page works in Chrome and Edge from version 135, Firefox from 141, Safari from 26, where graphics " +
          "acceleration is switched on in the settings.",
          ELSEWHERE,
        ],
        retry: true,
      };
    case "device_lost":
      return {
        title: "The GPU went away, and again on a second try",
        hints: [
          "The driver gave up, another program needed the GPU, or the computer was asleep.",
          "Close other tabs that draw much, take a smaller size, and try again.",
          detail,
        ],
        retry: true,
      };
    case "out_of_memory":
      return {
        title: "The GPU's memory is full",
        hints: [
          "Take a smaller size, or close other tabs and programs that use the GPU.",
          ...(own ? ["Or take a smaller model: this one has to fit into the GPU's memory as a whole."] : []),
          detail,
        ],
        retry: true,
      };
    case "bad_option":
      return { title: "These settings do not go together", hints: [detail], retry: false };
    case "bad_file":
    case "bad_tensor":
      return own
        ? {
          title: "This cannot be opened as a model",
          hints: [
            detail,
            "Expected is a folder in diffusers' layout, with model_index.json at the top and weights as safetensors or GGUF, " +
            "or one such file for the model that is open.",
          ],
          retry: false,
        }
        : {
          title: "The model could not be fetched",
          hints: [detail, "What has arrived is kept: the download goes on from there."],
          retry: true,
        };
    case "unsupported":
      return { title: "This is not supported", hints: [detail], retry: false };
    case "numeric":
      return { title: "The picture came out damaged", hints: [detail], retry: true };
    case "aborted":
      return { title: "Stopped", hints: [], retry: false };
    case "unavailable":
      return { title: "A service does not answer", hints: [detail], retry: true };
    case "internal":
      return {
        title: "Something unexpected happened",
        hints: [detail, "Trying again may help; reloading the page starts afresh."],
        retry: true,
      };
  }
}
