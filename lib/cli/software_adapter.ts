/**
 * What Mesa, whose llvmpipe is WebGPU on machines without a GPU, should be told before it starts. All of it by the environment,
 * where this process may see and set it: nobody is asked for that.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { granted } from "./permissions.ts";

const THREADS = "LP_NUM_THREADS";
const SESSION = "XDG_RUNTIME_DIR";
const NO_DEVICE_SELECT = "NODEVICE_SELECT";

/** Everything that Mesa should know, whatever is drawn. To be called before the first adapter is asked for. */
export function prepareMesa(): void {
  spreadThreads();
  leaveCompositorAlone();
}

function maySet(variable: string): boolean {
  return granted({ name: "env", variable });
}

/**
 * Mesa asks the desktop's compositor which GPU to put first. Without a desktop session its library prints twice that
 * XDG_RUNTIME_DIR is not set, and there is nobody to ask: the question is left out. With a session it stays.
 */
export function leaveCompositorAlone(): void {
  if (!maySet(SESSION) || !maySet(NO_DEVICE_SELECT)) return;
  if (Deno.env.get(SESSION)?.startsWith("/") || Deno.env.has(NO_DEVICE_SELECT)) return;
  Deno.env.set(NO_DEVICE_SELECT, "1");
}

/**
 * `--threads`: threads of llvmpipe. GPUs look at nothing of it.
 *
 * @param count As typed; 0 and −1 leave it to {@linkcode spreadThreads}.
 * @throws {LssgenError} `bad_option` where this process may not set the environment.
 */
export function setThreads(count: number | undefined): void {
  if (count === undefined || count <= 0) return;
  if (!maySet(THREADS)) {
    throw new LssgenError("bad_option", `--threads sets ${THREADS}, which needs --allow-env=${THREADS}`);
  }
  Deno.env.set(THREADS, String(count));
}

/**
 * Two of llvmpipe's threads a processor, unless the environment says otherwise. Mesa starts one a processor and gives each the same share of
 * a launch; Linux wakes them where they last ran, and once two of them share a processor, launches of a millisecond leave another idle: on two
 * processors steps of 64 tokens took 1.3 times as long, and 1.8 times at worst. Four threads spread.
 *
 * To be called before the first adapter is asked for; others do not look at it.
 */
export function spreadThreads(): void {
  if (!maySet(THREADS) || Deno.env.has(THREADS)) return;
  Deno.env.set(THREADS, String(2 * navigator.hardwareConcurrency));
}
