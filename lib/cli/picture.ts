/**
 * A picture as a file that says what it is.
 *
 * @module
 */

import { encodePng, parametersText } from "../image/png.ts";
import type { GeneratedImage } from "../pipelines/types.ts";
import type { EngineChoice } from "./request.ts";
import { VERSION } from "./version.ts";

// The page makes such files too: nothing here may bring the command line's options along.

/** Keyword of the PNG text chunk that holds all parameters as JSON, for `--from`. */
export const PARAMETERS_KEYWORD = "lssgen";

/** Text of that chunk: a picture's parameters and what drew it. */
export function storedText(parameters: Readonly<Record<string, unknown>>, engine: EngineChoice): string {
  return JSON.stringify({ ...parameters, ...engine });
}

/** PNG bytes with the parameters twice: as JSON for `--from`, and as other programs spell and read them. */
export async function pictureFile(
  image: GeneratedImage,
  engine: EngineChoice,
): Promise<Uint8Array<ArrayBuffer>> {
  const { prompt, negativePrompt, ...rest } = image.parameters as Record<string, string | number | undefined>;
  const fields: Record<string, string | number> = {};
  const names = { steps: "Steps", guidance: "CFG scale", seed: "Seed", method: "Method" };
  for (const [key, name] of Object.entries(names)) {
    const value = rest[key];
    if (value !== undefined) fields[name] = value;
  }
  const software = `LSSGen for WebGPU ${VERSION}`;
  fields.Size = `${image.width}x${image.height}`;
  fields.Model = engine.model ?? "embedded";
  fields.Version = software;
  return await encodePng({ width: image.width, height: image.height, channels: 3, data: image.rgb }, {
    parameters: parametersText({
      prompt: String(prompt ?? ""),
      negativePrompt: negativePrompt as string | undefined,
      fields,
    }),
    [PARAMETERS_KEYWORD]: storedText(image.parameters, engine),
    Software: software,
  });
}
