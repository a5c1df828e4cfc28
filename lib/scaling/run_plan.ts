/**
 * The walk over a plan: latents are opaque, so it drives GPU buffers and plain arrays alike and knows no model.
 *
 * @module
 */

import { AbortedError } from "../errors.ts";
import type { Step, Terms } from "../schedulers/types.ts";
import type { Plan, RunOptions, StagePlan, Upsampler } from "./types.ts";

/** What a run needs from its surroundings, over latents of any kind. Nothing may change the latents it is given. */
export interface Denoising<L> {
  /** The stage's own standard normal noise, drawn once per stage, before the latents grow. */
  noise(stage: StagePlan): L | Promise<L>;
  /** The network's output (guidance included) for `input`, already scaled, at `step.timestep`. */
  denoise(input: L, step: Step, stage: StagePlan): L | Promise<L>;
  /** Latents grown to `stage`'s size. */
  upsample(latents: L, stage: StagePlan, upsampler: Upsampler): L | Promise<L>;
  /** `noise` without the frequencies that `before`'s grid has; new latents. For `spectral`. */
  highBand?(noise: L, stage: StagePlan, before: StagePlan): L | Promise<L>;
  /** Σ factor · latents, as *new* latents. All have the same size; there is at least one. */
  combine(parts: readonly (readonly [factor: number, latents: L])[]): L;
  /** Fresh standard normal noise for a stochastic sampler's step. */
  stepNoise?(step: Step, stage: StagePlan): L | Promise<L>;
  /** Clean latents of the user's picture at the stage's size; for image-to-image and inpainting. */
  image?(stage: StagePlan): L | Promise<L>;
  /** `latents` where the mask asks for something new, `known` elsewhere; new latents. For inpainting. */
  inpaint?(latents: L, known: L, stage: StagePlan): L;
  /**
   * What a stage with tokens of its own begins with, from what the stage before left; new latents. It also chooses the tokens
   * that {@linkcode denoise} then hands to the network. For `jit` and `ralu`.
   */
  regroup?(
    left: { readonly latents: L; readonly x0: L; readonly output: L },
    noise: L,
    stage: StagePlan,
  ): L | Promise<L>;
  /** Predicted clean latents with the coarse structure of the enlarged picture; new latents. For `diffusehigh`. */
  guide?(x0: L, stage: StagePlan): L | Promise<L>;
  /** Shows the predicted clean latents after a step; they are released afterwards. */
  preview?(x0: L, stage: StagePlan, done: number): void | Promise<void>;
  /** Told of every latents the walk is done with, exactly once; the last ones are the caller's. */
  release?(latents: L): void;
}

/** A part of a plan's walk: what comes before it, and where it ends. The plan stays that of the whole picture. */
export interface PlanPart<L> {
  /** Latents that an earlier walk returned after so many stages; the walk goes on from there, and releases them. */
  readonly from?: { readonly stages: number; readonly latents: L };
  /** The walk ends after so many stages of the plan. */
  readonly stopAfter?: number;
}

/**
 * Walks a plan, or a part of it.
 *
 * @returns The final latents, or those after the part's last stage.
 * @throws {AbortedError} Within one step of the signal.
 */
export async function runPlan<L>(
  plan: Plan,
  model: Denoising<L>,
  options: RunOptions = {},
  { from, stopAfter }: PlanPart<L> = {},
): Promise<L> {
  const release = (latents: L): void => model.release?.(latents);
  let left: Left<L> | undefined = from && { latents: from.latents }; // by the stage before: what the next grows from
  for (const stage of plan.stages.slice(from?.stages ?? 0, stopAfter)) {
    checkSignal(options.signal, plan, stage, 0);
    const start = await startStage(plan, stage, left, model, release);
    left = await runStage(plan, stage, start, model, release, options);
  }
  return left!.latents;
}

/** What a stage leaves. */
interface Left<L> {
  /** After the last step, or the clean latents that it implied. */
  readonly latents: L;
  /** For a stage that chooses its tokens: clean latents and network's output of the last step. */
  readonly last?: { readonly x0: L; readonly output: L };
}

/** What a stage begins with. */
interface Start<L> {
  readonly latents: L;
  /** Inpainting: the user's picture and the stage's noise. */
  readonly known?: { readonly image: L; readonly noise: L };
}

/** Pure noise, or the grown latents of the stage before (or the user's picture) with noise mixed in. */
async function startStage<L>(
  plan: Plan,
  stage: StagePlan,
  left: Left<L> | undefined,
  model: Denoising<L>,
  release: (latents: L) => void,
): Promise<Start<L>> {
  const { grow, keep, initNoiseSigma } = stage;
  // The picture first: its posterior's noise is the first that a seeded generator of diffusers draws.
  const image = keep || grow?.from === "image" ? await model.image!(stage) : undefined;
  const noise = await model.noise(stage);
  let latents: L;
  if (grow?.from === "image") {
    latents = model.combine([[grow.mix.signal, image!], [grow.mix.noise, noise]]);
  } else if (grow && left?.last) {
    const { latents: before, last: { x0, output } } = left;
    latents = await model.regroup!({ latents: before, x0, output }, noise, stage);
    for (const one of [before, x0, output]) release(one);
  } else if (grow && left) {
    const { latents: before } = left;
    const grown = await model.upsample(before, stage, grow.upsampler);
    release(before);
    const added = grow.highBand ? await model.highBand!(noise, stage, plan.stages[stage.index - 1]) : noise;
    latents = model.combine([[grow.mix.signal, grown], [grow.mix.noise, added]]);
    release(grown);
    if (added !== noise) release(added);
  } else if (keep || initNoiseSigma !== 1) {
    latents = model.combine([[initNoiseSigma, noise]]);
  } else return { latents: noise };
  if (keep) return { latents, known: { image: image!, noise } };
  release(noise);
  if (image !== undefined) release(image);
  return { latents };
}

async function runStage<L>(
  plan: Plan,
  stage: StagePlan,
  { latents: start, known }: Start<L>,
  model: Denoising<L>,
  release: (latents: L) => void,
  { signal, onProgress, previewEvery }: RunOptions,
): Promise<Left<L>> {
  let latents = start;
  const slots = new Map<number, L>();
  const report = (done: number, step: Step): void =>
    onProgress?.({
      stage: stage.index,
      stages: plan.stages.length,
      step: done,
      of: stage.steps.length,
      sigma: step.sigma,
      timestep: step.timestep,
      width: stage.width,
      height: stage.height,
    });
  // The next stage may grow from the predicted clean latents instead of the last ones.
  const after = plan.stages[stage.index + 1];
  const leavesWithX0 = after?.grow?.from === "x0";
  let ended: Left<L>["last"];

  if (stage.steps.length > 0) report(0, stage.steps[0]);
  for (const [done, step] of stage.steps.entries()) {
    checkSignal(signal, plan, stage, done);
    const input = step.inputScale === 1 ? latents : model.combine([[step.inputScale, latents]]);
    let output = await model.denoise(input, step, stage);
    if (input !== latents) release(input);
    if (done < (stage.guided ?? 0)) output = await guidedOutput(latents, output, step, stage, model, release);
    const noise = step.next.noise ? await model.stepNoise!(step, stage) : undefined;

    const at = (terms: Terms): L => combineTerms(terms, { latents, output, noise, slots }, model);
    const stored = (step.store ?? []).map(({ slot, terms }) => ({ slot, value: at(terms) }));
    const last = done === stage.steps.length - 1;
    let next = at(last && leavesWithX0 ? step.x0 : step.next);
    if (known) next = keepKnown(next, known, stage, done, model, release);
    if (previewEvery && (done + 1) % previewEvery === 0 && model.preview) {
      const x0 = at(step.x0);
      await model.preview(x0, stage, done + 1);
      release(x0);
    }
    for (const { slot, value } of stored) {
      if (slots.has(slot)) release(slots.get(slot)!);
      slots.set(slot, value);
    }
    if (last && after?.part) ended = { x0: at(step.x0), output };
    else release(output);
    release(latents);
    if (noise !== undefined) release(noise);
    latents = next;
    report(done + 1, step);
  }
  for (const slot of slots.values()) release(slot);
  if (known) {
    release(known.image);
    release(known.noise);
  }
  return { latents, last: ended };
}

/** The network's output as it would have been, had it implied the guided clean latents: x0 = a·x + b·output. */
async function guidedOutput<L>(
  latents: L,
  output: L,
  { x0: { sample: a, output: b } }: Step,
  stage: StagePlan,
  model: Denoising<L>,
  release: (latents: L) => void,
): Promise<L> {
  const implied = combineTerms({ sample: a, output: b }, { latents, output, slots: new Map() }, model);
  release(output);
  const better = await model.guide!(implied, stage);
  release(implied);
  const changed = model.combine([[1 / b, better], [-a / b, latents]]);
  release(better);
  return changed;
}

/** Puts the user's picture, at the noise level after the step, where the mask keeps it. */
function keepKnown<L>(
  latents: L,
  { image, noise }: { image: L; noise: L },
  stage: StagePlan,
  done: number,
  model: Denoising<L>,
  release: (latents: L) => void,
): L {
  const mix = stage.keep![done];
  const known = model.combine([[mix.signal, image], [mix.noise, noise]]);
  const out = model.inpaint!(latents, known, stage);
  release(known);
  release(latents);
  return out;
}

function combineTerms<L>(
  terms: Terms,
  from: { latents: L; output: L; noise?: L; slots: ReadonlyMap<number, L> },
  model: Denoising<L>,
): L {
  const parts: (readonly [number, L])[] = [];
  if (terms.sample !== 0) parts.push([terms.sample, from.latents]);
  if (terms.output !== 0) parts.push([terms.output, from.output]);
  for (const [slot, factor] of terms.slots ?? []) parts.push([factor, from.slots.get(slot)!]);
  if (terms.noise && from.noise !== undefined) parts.push([terms.noise, from.noise]);
  return model.combine(parts);
}

function checkSignal(signal: AbortSignal | undefined, plan: Plan, stage: StagePlan, done: number): void {
  if (!signal?.aborted) return;
  throw new AbortedError(
    `Stopped in stage ${
      stage.index + 1
    } of ${plan.stages.length} after ${done} of ${stage.steps.length} steps`,
  );
}
