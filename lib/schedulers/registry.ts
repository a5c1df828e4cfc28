/**
 * Which scheduler a scheduler_config.json asks for. A new one is a file and a line here.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { ConfigReader } from "../weights/model_folder.ts";
import { flowMatchEuler } from "./flow_match_euler.ts";
import type { Scheduler } from "./types.ts";

const SCHEDULERS: Readonly<Record<string, (config: ConfigReader) => Scheduler>> = {
  FlowMatchEulerDiscreteScheduler: flowMatchEuler,
};

/** Makes the scheduler of a config. @throws {LssgenError} `unsupported`, naming the class. */
export function createScheduler(config: ConfigReader): Scheduler {
  const name = config.string("_class_name");
  if (!Object.hasOwn(SCHEDULERS, name)) {
    throw new LssgenError(
      "unsupported",
      `"${config.name}": scheduler ${name} is not supported, expected one of ${Object.keys(SCHEDULERS).join(", ")}`,
    );
  }
  return SCHEDULERS[name](config);
}
