/**
 * What a network predicts: asked for, noted in the file, or judged.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Config } from "./architecture.ts";
import type { FamilyFacts, PredictionType } from "./families.ts";
import type { Network } from "./scan.ts";

/** `--prediction`. */
export type Prediction = "eps" | "v" | "flow";

/** Every {@linkcode Prediction}, with its name in scheduler_config.json. */
export const PREDICTIONS: Readonly<Record<Prediction, PredictionType>> = {
  eps: "epsilon",
  v: "v_prediction",
  flow: "flow_prediction",
};

/** What is taken, and what the user should know about it. */
export interface PredictionChoice {
  /** What the scheduler is told. */
  readonly type: PredictionType;
  /** Further keys of scheduler_config.json. */
  readonly scheduler: Config;
  /** A sentence, where it was guessed. */
  readonly warning?: string;
}

/** Deviation of a norm's bias above which an SD2 predicts v. Source: measured by ComfyUI on the released models. */
const V_DEVIATION = 0.09;
/** Channels of SD2's latents. */
const LATENTS = 4;
/** That norm. */
const V_TENSOR = "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias";

/**
 * The prediction of a family's denoiser.
 *
 * @param asked What the user says, which wins.
 * @throws {LssgenError} `bad_option` when the family knows no such prediction.
 */
export async function predictionOf(
  family: FamilyFacts,
  denoiser: Network | undefined,
  asked: Prediction | undefined,
): Promise<PredictionChoice> {
  const known = family.predictions;
  if (asked !== undefined) {
    const type = PREDICTIONS[asked];
    if (known.includes(type)) return { type, scheduler: zeroSnr(denoiser) };
    throw new LssgenError(
      "bad_option",
      `--prediction is ${asked}, but ${family.name} comes with ${
        known.map((type) => shortName(type)).join(" or ")
      } only`,
    );
  }
  const noted = denoiser && notedPrediction(denoiser);
  if (noted && known.includes(noted)) return { type: noted, scheduler: zeroSnr(denoiser) };
  if (family.name !== "Stable Diffusion 2" || !denoiser) return { type: known[0], scheduler: {} };
  // Those for inpainting predict noise.
  if (denoiser.tensors.info("conv_in.weight")?.shape[1] !== LATENTS) {
    return { type: "epsilon", scheduler: {} };
  }
  const deviation = await deviationOf(denoiser);
  const type = deviation !== undefined && deviation <= V_DEVIATION ? "epsilon" : "v_prediction";
  const other = type === "epsilon" ? "v" : "eps";
  return {
    type,
    scheduler: {},
    warning: `"${denoiser.file.name}" does not say whether its ${family.name} predicts noise or v; ${
      shortName(type)
    } is taken${
      deviation === undefined
        ? ", as 2.1 at 768 pixels has it"
        : `, since ${V_TENSOR} deviates by ${deviation.toFixed(3)} (v above ${V_DEVIATION})`
    }. If pictures are noise, say --prediction ${other}`,
  };
}

function shortName(type: PredictionType): string {
  return Object.entries(PREDICTIONS).find(([, long]) => long === type)![0];
}

/** What tools note: an empty tensor `v_pred` (NoobAI and others), or the header of Stability's model specification. */
export function notedPrediction({ file }: Network): PredictionType | undefined {
  if (file.info("v_pred")) return "v_prediction";
  const noted = file.metadata?.get("modelspec.prediction_type");
  if (noted === "v" || noted === "v_prediction") return "v_prediction";
  return noted === "epsilon" || noted === "eps" ? "epsilon" : undefined;
}

/** Schedules that end in pure noise, marked by a tensor `ztsnr`, begin at their very last step. */
function zeroSnr(denoiser: Network | undefined): Config {
  return denoiser?.file.info("ztsnr") ? { rescale_betas_zero_snr: true, timestep_spacing: "trailing" } : {};
}

/** Standard deviation of the tensor that tells the two kinds of SD2 apart. */
async function deviationOf({ tensors }: Network): Promise<number | undefined> {
  if (!tensors.info(V_TENSOR)) return undefined;
  const values = await tensors.readF32(V_TENSOR);
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
}
