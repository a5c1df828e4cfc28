/**
 * Sizes, step counts and schedules of stages: the parts that methods share.
 *
 * Source: LSSGen, arXiv 2507.16154, Algorithm 1; the reference's arithmetic where the two differ.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { enter, ENTRIES, noiseLevel } from "../schedulers/entry.ts";
import { linearSigmas, type NoiseMix, type Schedule } from "../schedulers/types.ts";
import { mixtureShare } from "./mixture.ts";
import {
  type CostModel,
  type Growth,
  type PlanRequest,
  type Size,
  type StagePlan,
  type TokenPart,
  UPSAMPLERS,
} from "./types.ts";

function bad(message: string): LssgenError {
  return new LssgenError("bad_option", message);
}

/** Pixels of a side, and steps, beyond which nothing is planned. */
const MAX_SIDE = 65_536;
const MAX_STEPS = 10_000;

/** Checks what every method needs. */
export function checkRequest(r: PlanRequest): void {
  const whole = (name: string, value: number, most = MAX_SIDE): void => {
    if (!Number.isInteger(value) || value < 1 || value > most) {
      throw bad(`${name} is ${value}, expected a whole number from 1 to ${most}`);
    }
  };
  whole("width", r.width);
  whole("height", r.height);
  whole("steps", r.steps, MAX_STEPS);
  whole("minResolution", r.minResolution);
  const base = baseSize(r);
  whole("baseResolution", base.width);
  whole("baseResolution", base.height);
  if (!(r.initNoise > 0 && r.initNoise <= 1)) {
    throw bad(
      `initNoise is ${r.initNoise}, expected more than 0 and at most 1 (1 is direct generation), try 0.75`,
    );
  }
  // Wrong words are told even where this picture has no use for them.
  const one = (name: string, value: string | undefined, known: readonly string[]): void => {
    if (value !== undefined && !known.includes(value)) {
      throw bad(`${name} is "${value}", expected one of ${known.join(", ")}`);
    }
  };
  one("upsampler", r.upsampler, UPSAMPLERS);
  one("entry", r.entry, ENTRIES);
}

/** The base resolution as a size. */
export function baseSize({ baseResolution: base }: PlanRequest): Size {
  return typeof base === "number" ? { width: base, height: base } : base;
}

/** Refuses a first stage that is larger than the picture. @throws {LssgenError} `bad_option`. */
export function checkFirst(r: Size, first: number): void {
  const side = Math.min(r.width, r.height);
  if (first <= side) return;
  throw bad(`minResolution is ${first}, but the picture's shorter side is ${side}; take at most ${side}`);
}

/**
 * How often the size doubles: ⌊log₂ ⌊shorter side / first⌋⌋.
 *
 * @throws {LssgenError} `bad_option` when the first stage would be larger than the picture.
 */
export function doublings(r: Size, first: number): number {
  checkFirst(r, first);
  const side = Math.min(r.width, r.height);
  return 31 - Math.clz32(Math.floor(side / first));
}

/** Where a stage lies: latents, pixels, tokens. */
export type StageSize = Pick<StagePlan, "width" | "height" | "latentWidth" | "latentHeight" | "tokens">;

/**
 * Sizes of `count` + 1 stages, each twice the one before.
 *
 * @throws {LssgenError} `bad_option` when the size does not divide and the family does not round.
 */
export function stageSizes(r: PlanRequest, count: number): { sizes: StageSize[]; warnings: string[] } {
  const { vaeFactor: v, patch: p } = r.space;
  const unit = 2 ** count * v * p;
  const stages = count === 0 ? "one stage of this model needs" : `${count + 1} stages of this model need`;
  const down = (value: number): number => Math.floor(value / unit) * unit;
  const warnings: string[] = [];
  if (down(r.width) !== r.width || down(r.height) !== r.height) {
    const sizes = `${r.width}×${r.height} does not divide by ${unit}, as ${stages}`;
    const near = `${Math.max(unit, down(r.width))}×${Math.max(unit, down(r.height))}`;
    if (r.space.indivisible === "refuse" || down(r.width) === 0 || down(r.height) === 0) {
      throw bad(`Size ${sizes}; take ${near}`);
    }
    warnings.push(`Size ${sizes}: the picture will be ${near}`);
  }
  const sizes = Array.from({ length: count + 1 }, (_, i) => {
    const scale = 2 ** (count - i);
    const [width, height] = [down(r.width) / scale, down(r.height) / scale];
    const [latentWidth, latentHeight] = [width / v, height / v];
    return { width, height, latentWidth, latentHeight, tokens: latentWidth * latentHeight / (p * p) };
  });
  return { sizes, warnings };
}

/**
 * Steps of a stage of some size.
 *
 * @throws {LssgenError} `bad_option` when none are left.
 */
export function stageSteps(r: PlanRequest, size: Size): number {
  if (r.shortenSteps === false) return r.steps;
  const base = baseSize(r);
  const divisor = r.shortenSteps === "paper"
    ? Math.floor(Math.min(base.width, base.height) / Math.min(size.width, size.height))
    : Math.log2(Math.max(2, (base.width / size.width) * (base.height / size.height)));
  const steps = Math.floor(r.steps / Math.max(1, divisor));
  if (steps === 0) {
    throw bad(
      `steps is ${r.steps}: shortened for ${size.width}×${size.height} below the base of ${base.width}×${base.height}, ` +
        `none is left; take at least ${Math.ceil(divisor)} or switch shortenSteps off`,
    );
  }
  return steps;
}

/**
 * The whole schedule of a stage.
 *
 * @param stages Stages of the run. With one, a shift that depends on the size is diffusers'; with several it goes no
 * further than the scheduler's largest size, as LSSGen's reference has it.
 */
export function stageSchedule(r: PlanRequest, size: StageSize, steps: number, stages: number): Schedule {
  const { levels } = r;
  if (levels && levels.length !== steps) {
    throw bad(
      `sigmas holds ${levels.length} noise levels, but the stage of ${size.width}×${size.height} takes ${steps} steps; ` +
        `switch shortenSteps off, or take the method "direct"`,
    );
  }
  if (levels) return r.scheduler.schedule(steps, { levels });
  const sigmas = r.space.sigmas === "linear" ? linearSigmas(steps) : undefined;
  return r.scheduler.schedule(steps, { imageSeqLen: size.tokens, clampSeqLen: stages > 1, sigmas });
}

/** FLOPs of a step of a stage. */
export function stepFlops(
  cost: CostModel,
  { latentHeight, latentWidth, part }: Pick<StagePlan, "latentHeight" | "latentWidth" | "part">,
): number {
  return part
    ? cost.denoiserStep(part.count * part.patch, part.patch)
    : cost.denoiserStep(latentHeight, latentWidth);
}

/** A stage from its schedule. `end` leaves the schedule early. */
export function makeStage(
  r: PlanRequest,
  index: number,
  size: StageSize,
  schedule: Schedule,
  { begin = 0, end = schedule.timesteps.length, grow, part }: {
    begin?: number;
    end?: number;
    grow?: Growth;
    part?: TokenPart;
  } = {},
): StagePlan {
  const steps = r.scheduler.steps(schedule, begin).slice(0, end - begin);
  const flops = r.cost && stepFlops(r.cost, { ...size, part }) * steps.length;
  const { initNoiseSigma } = schedule;
  const tokens = part?.count ?? size.tokens;
  return { index, ...size, tokens, schedule, begin, steps, initNoiseSigma, grow, ...part && { part }, flops };
}

/**
 * A schedule of noise levels that nothing shifts: σ of a flow, which for diffusion models stands for the ratio σ/(1 − σ) of
 * noise to signal.
 *
 * @throws {LssgenError} `bad_option` when the scheduler has its own timesteps.
 */
export function levelSchedule(r: PlanRequest, levels: readonly number[]): Schedule {
  const own = r.scheduler.kind === "flow" ? levels : levels.map((s) => s / (1 - s));
  const schedule = r.scheduler.schedule(levels.length, { levels: own });
  if (schedule.sigmas[0] === Math.fround(own[0])) return schedule;
  throw bad(
    `${r.method}: ${r.scheduler.name} has its own timesteps and cannot begin at noise level ${levels[0]}; ` +
      "choose a sampler, for example euler (--sampling-method)",
  );
}

/** What a stage that grows at step `begin` of its schedule mixes, the quirk of the reference included. */
export function growth(
  r: PlanRequest,
  schedule: Schedule,
  begin: number,
  from: Growth["from"],
  upsampler: Growth["upsampler"],
): Growth {
  const mix = r.scheduler.addNoise(schedule, begin);
  const noise = r.referenceQuirks ? mix.noise * schedule.initNoiseSigma : mix.noise;
  return {
    from,
    upsampler,
    ...upsampler === "mixture" && { share: mixtureShare(r.steps) },
    mix: { signal: mix.signal, noise },
    level: noiseLevel(r.scheduler, schedule, begin),
  };
}

/** A later stage entered at a noise level, and a warning when nothing of the stage before would be left. */
export function enterStage(
  r: PlanRequest,
  index: number,
  size: StageSize,
  level: number,
  upsampler: Growth["upsampler"],
  entry: PlanRequest["entry"] = r.entry ?? "reference",
): { stage: StagePlan; warnings: string[] } {
  const steps = stageSteps(r, size);
  const { schedule, begin } = enter(r.scheduler, stageSchedule(r, size, steps, index + 1), level, entry);
  const grow = growth(r, schedule, begin, "latents", upsampler);
  const warnings = r.scheduler.kind === "flow" && grow.level > 0.9999
    ? [
      `Stage ${
        index + 1
      } (${size.width}×${size.height}, ${steps} steps) enters at noise level 1 although ${level} was asked ` +
      `for: the stage before is thrown away; take more steps, or the entry "atMost" or "exact"`,
    ]
    : [];
  return { stage: makeStage(r, index, size, schedule, { begin, grow }), warnings };
}

/**
 * A first stage that begins with a picture instead of noise, as diffusers' image-to-image pipelines enter it:
 * flow models skip ⌊n − n·strength⌋ steps, the others n − ⌊n·strength⌋.
 *
 * @throws {LssgenError} `bad_option` when no step is left.
 */
export function fromPicture(r: PlanRequest, stage: StagePlan, strength: number): StagePlan {
  if (!(strength > 0 && strength <= 1)) {
    throw bad(`strength is ${strength}, expected more than 0 and at most 1, try 0.75`);
  }
  const { schedule } = stage;
  const n = schedule.steps;
  const skipped = r.scheduler.kind === "flow" ? Math.floor(n - n * strength) : n - Math.floor(n * strength);
  const begin = Math.max(stage.begin, skipped * (r.scheduler.calls ?? 1));
  const end = stage.begin + stage.steps.length;
  if (begin >= end) {
    throw bad(
      `strength is ${strength}: of ${n} steps none would be left; take more steps or a higher strength`,
    );
  }
  return makeStage(r, stage.index, stage, schedule, {
    begin,
    end,
    grow: growth(r, schedule, begin, "image", "pixel"),
  });
}

/** What brings a clean picture to the noise level after each step of a stage; clean after the last one of the schedule. */
export function levelsAfter(r: PlanRequest, stage: StagePlan, leavesWithX0: boolean): NoiseMix[] {
  const { schedule, begin, steps } = stage;
  return steps.map((_, i) => {
    const next = begin + i + 1;
    const clean = next >= schedule.timesteps.length || (leavesWithX0 && i === steps.length - 1);
    return clean ? { signal: 1, noise: 0 } : r.scheduler.addNoise(schedule, next);
  });
}
