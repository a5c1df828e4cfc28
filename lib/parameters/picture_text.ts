/**
 * A picture's parameters as A1111 spells them, for those who do not wait.
 *
 * @module
 */

import type { GeneratedImage } from "../pipelines/types.ts";
import { a1111Names } from "../schedulers/a1111_names.ts";
import type { EngineChoice } from "./engine_choice.ts";
import { type PictureFileOptions, textOf } from "./picture.ts";

/** The parameters as A1111 spells them and other programs read them. */
export function pictureText(
  image: Pick<GeneratedImage, "width" | "height" | "parameters">,
  engine: EngineChoice,
  options: PictureFileOptions = {},
): string {
  return textOf(image, engine, options, a1111Names(image.parameters, options.scheduler));
}
