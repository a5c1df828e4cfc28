/**
 * A picture drawn on a device that does nothing: which kernels it launches and what memory it takes.
 *
 * @module
 */

import type { KernelSpec } from "../gpu/kernel.ts";
import { IdleDevice } from "../gpu/rehearsal.ts";
import { TextToImage } from "./drawing.ts";
import type { LoadContext } from "./family.ts";
import { type Model, openNetworks } from "./networks.ts";

/** What stands for a prompt that is not known: a word for text encoders, and a class. */
const ANY_PROMPT = "0";

/**
 * The kernels of the first picture, in the order of their launch: it is drawn on a device that does nothing, by networks
 * whose weights are declared only.
 *
 * @param device What it is drawn on, to look at afterwards.
 * @throws {LssgenError} As the picture will.
 */
export async function rehearse(
  model: Model,
  context: LoadContext,
  device: IdleDevice = IdleDevice.like(context.device),
): Promise<KernelSpec[]> {
  const idle = { ...context, device, rehearsal: true, kernels: undefined, onProgress: undefined };
  context.opened?.begin(context.folder, context.index);
  const networks = await openNetworks(model, idle, []);
  const picture = new TextToImage(model, idle, networks, { tags: [], warnings: [] });
  await picture.rehearse({ prompt: ANY_PROMPT, ...model.options.firstPicture });
  const specs = device.kernels.specs();
  device[Symbol.dispose]();
  return specs;
}
