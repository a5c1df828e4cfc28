/**
 * What the page's test runs in a worker of the page: golden cases, and the compiler over every shader. Bundled for it.
 *
 * @module
 */

import { openDevice } from "../../lib/gpu/device.ts";
import { forceTuning, tuneMatmul } from "../../lib/gpu/tune.ts";
import { httpFolder } from "../../lib/weights/http_source.ts";
import { LazyDevice, runCase } from "../../tools/golden/run.ts";
import { refusedVariants, shaderVariants } from "../shader_variants.ts";

/** A question. */
export type Ask =
  | { readonly what: "shaders" }
  | {
    readonly what: "golden";
    readonly root: string;
    readonly cases: readonly (readonly [string, readonly string[]])[];
  };

/** Its answer. */
export interface Told {
  /** How many were run. */
  readonly run: number;
  /** What failed, a line each. */
  readonly failures: readonly string[];
}

async function answer(ask: Ask): Promise<Told> {
  if (ask.what === "shaders") {
    using device = await openDevice();
    const variants = shaderVariants(device.info);
    return { run: variants.length, failures: await refusedVariants(device.gpu, variants, false) };
  }
  const gpu = new LazyDevice();
  const device = await gpu.get();
  const failures: string[] = [];
  // What only this adapter can do of all that are tested; its own tuning is what pictures of the page are made with.
  if (!device.info.subgroups) failures.push("The adapter has no subgroups");
  else forceTuning(device, { ...await tuneMatmul(device), reduction: "subgroups" });
  for (const [path, io] of ask.cases) {
    const result = await runCase(path, (p) => httpFolder(`${ask.root}${p}`), io, gpu, "f32");
    if (!result.ok) failures.push(`${path}: ${result.failures.join("; ")}`);
  }
  await gpu.close();
  return { run: ask.cases.length, failures };
}

/** TypeScript has one set of globals for pages and workers. */
const post = (told: Told | "ready"): void =>
  (globalThis as unknown as { postMessage(told: Told | "ready"): void }).postMessage(told);

addEventListener("message", (event) => {
  const { data } = event as MessageEvent<Ask>;
  answer(data).then(post, (error) => post({ run: 0, failures: [String(error?.stack ?? error)] }));
});

// The shaders are fetched while this script is evaluated: what was asked before nobody heard.
post("ready");
