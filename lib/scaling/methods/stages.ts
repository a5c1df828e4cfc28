/**
 * Stages by hand: shorter side, noise level and steps of each, at any ratio.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import { sizeOfSide, upsamplerBetween } from "../any_ratio.ts";
import { checkRequest, enterStage, makeStage, stageSchedule, stageSizes } from "../stages.ts";
import type { Method } from "../types.ts";

const EXAMPLE = "256:20,384@0.8:12,512@0.6:8";

function bad(why: string): LssgenError {
  return new LssgenError("bad_option", `stages (--stages): ${why}, expected such as ${EXAMPLE}`);
}

/** One stage as written. */
interface Written {
  readonly side: number;
  readonly level?: number;
  readonly steps?: number;
}

/** "384@0.8:12": 384 pixels, from noise level 0.8, 12 steps of the whole schedule. */
function read(text: string): Written {
  const match = /^\s*(\d{1,5})(?:@(\d*\.?\d+))?(?::(\d{1,4}))?\s*$/.exec(text);
  if (!match) throw bad(`"${text.slice(0, 40)}" is no stage`);
  const [level, steps] = [match[2], match[3]].map((part) => part === undefined ? undefined : Number(part));
  if (level !== undefined && !(level > 0 && level <= 1)) throw bad(`noise level ${level} is not in (0, 1]`);
  if (steps === 0) throw bad("a stage has 0 steps");
  return { side: Number(match[1]), level, steps };
}

/** What the user says, step by step. */
export const stagesByHand: Method = {
  name: "stages",
  heeds: ["initNoise", "upsampler", "entry"],
  plan(request) {
    if (request.stages === undefined) throw bad("none are given");
    const r = { ...request, shortenSteps: false };
    checkRequest(r);
    const written = request.stages.split(",").map(read);
    if (written.length > 16) throw bad(`${written.length} stages are more than 16`);
    const { sizes: [full], warnings } = stageSizes(r, 0);
    const shorter = Math.min(full.width, full.height);
    const last = written[written.length - 1].side;
    if (last !== shorter) {
      throw bad(`the last stage is ${last}, but the picture's shorter side is ${shorter}`);
    }
    if (written[0].level !== undefined) throw bad("the first stage begins with noise and takes no @level");
    const sizes = written.map(({ side }, i) => {
      if (i > 0 && side <= written[i - 1].side) throw bad(`${side} does not exceed the stage before`);
      if (i === written.length - 1) return full;
      const { size, exact } = sizeOfSide(r, side);
      if (size.tokens === 0) throw bad(`${side} is too small for this model`);
      if (!exact) warnings.push(`Stage ${i + 1} is drawn at ${size.width}×${size.height}`);
      return size;
    });
    const stages = written.map(({ level = r.initNoise, steps = r.steps }, i) => {
      const own = { ...r, steps };
      if (i === 0) return makeStage(own, 0, sizes[0], stageSchedule(own, sizes[0], steps, sizes.length));
      const upsampler = upsamplerBetween(r, sizes[i - 1], sizes[i], "stages (--stages):");
      const entered = enterStage(own, i, sizes[i], level, upsampler);
      warnings.push(...entered.warnings);
      return entered.stage;
    });
    return { stages, warnings };
  },
};
