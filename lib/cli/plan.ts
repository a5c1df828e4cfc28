/**
 * `plan`: what a picture would cost, without a GPU.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { checkPipelineOptions } from "../pipelines/checked_options.ts";
import { formatMemory, type MemoryOptions, type MemoryPlan, planMemory } from "../pipelines/memory.ts";
import { embeddedFolder } from "../pipelines/embedded_model.ts";
import { planPicture, readModelInfo } from "../pipelines/text_to_image.ts";
import { growthFlops } from "../pipelines/upscaling.ts";
import type { GenerateRequest } from "../pipelines/types.ts";
import { flopsText, formatPlan } from "../scaling/plan_text.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { quietly, upsamplerOf, withUpsampler } from "./generate.ts";
import { openModel } from "./model.ts";
import type { Parsed } from "./options.ts";
import {
  bytesOfMib,
  modelChoice,
  toEngineChoice,
  toRequest,
  weightOptions,
  withOneGuidance,
} from "./request.ts";
import { withPresetFile } from "./preset_file.ts";
import type { Terminal } from "./terminal.ts";

/** Runs the command. */
export async function plan(options: Parsed, terminal: Terminal): Promise<void> {
  const asked = await withPresetFile(options, toRequest(options));
  const { model: folder = embeddedFolder() } = await openModel(modelChoice(options), terminal, {
    headersOnly: true,
  });
  const engine = toEngineChoice(options);
  const weights = weightOptions(engine);
  await checkPipelineOptions(weights);
  const info = withUpsampler(await readModelInfo(folder), engine);
  const request = withOneGuidance(asked, options, info, quietly(options, terminal).note);
  // Whichever network it is, the denoiser's work is the same.
  const result = planPicture({ ...info, esrganUpsampler: true }, request, {
    directSteps: options.number.against,
  });
  const upsampler = await upsamplerOf(engine, terminal);
  const growth = upsampler.upscaler && await growthFlops(upsampler.upscaler, result);
  const memory = await memoryOf(folder, request, {
    ...weights,
    ...upsampler,
    maxVramBytes: bytesOfMib(options.number.maxVram),
  });
  if (options.flag.json) {
    terminal.print(
      JSON.stringify({
        ...result,
        growthFlops: growth,
        memory: typeof memory === "string" ? undefined : memory,
      }),
    );
    return;
  }
  terminal.print(formatPlan(result));
  if (growth) {
    const share = result.flops ? `, ${(100 * growth / result.flops).toFixed(1)} % of the denoiser's` : "";
    terminal.print(`growth by ${upsampler.upscaler!.name}: ${flopsText(growth)}${share}`);
  }
  for (const line of typeof memory === "string" ? [memory] : formatMemory(memory)) terminal.print(line);
}

/** The memory that a picture takes on an adapter with usual limits; a sentence where the weights are not there to look at. */
async function memoryOf(
  folder: FolderSource,
  request: Omit<GenerateRequest, "prompt">,
  options: MemoryOptions,
): Promise<MemoryPlan | string> {
  try {
    return await planMemory(folder, { ...request, image: undefined, mask: undefined }, options);
  } catch (error) {
    if (!(error instanceof LssgenError) || error.code === "out_of_memory") throw error;
    return `GPU memory: not known, ${error.message}`;
  }
}
