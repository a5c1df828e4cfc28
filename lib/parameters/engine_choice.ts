/**
 * Which engine draws, as the command line names it and pictures store it.
 *
 * @module
 */

import type { Prediction } from "../model_files/model_files.ts";

/** What picks the engine rather than the picture. */
export interface EngineChoice {
  /** Model file or folder as typed; undefined for the embedded model. */
  readonly model?: string;
  /** Denoiser's file. */
  readonly diffusionModel?: string;
  /** Autoencoder's file. */
  readonly vae?: string;
  /** CLIP L's file. */
  readonly clipL?: string;
  /** CLIP bigG's file. */
  readonly clipG?: string;
  /** T5's file. */
  readonly t5?: string;
  /** Folder of configs for a model in files. */
  readonly config?: string;
  /** What the denoiser predicts. */
  readonly prediction?: Prediction;
  /** Folder with weights of the learned upsampler, or file of an ESRGAN network. */
  readonly upsamplerWeights?: string;
  /** LoRA files, each with `:scale` where that is not 1. */
  readonly loras?: readonly string[];
  /** Folder of the LoRAs that prompts name. */
  readonly loraModelDir?: string;
  /** Type of the activations. */
  readonly dtype?: "f32" | "f16";
  /** Picture to begin with. */
  readonly initImg?: string;
  /** What of it is drawn anew. */
  readonly mask?: string;
  /** File or folder of a tiny autoencoder. */
  readonly taesd?: string;
  /** Whether it makes previews only. */
  readonly taesdPreviewOnly?: boolean;
  /** Largest activation in MiB. */
  readonly maxActivation?: number;
  /** Most GPU memory in MiB. */
  readonly maxVram?: number;
  /** Where weights are that do not stay on the GPU. */
  readonly offload?: "cpu" | "disk";
  /** Most MiB that offload "cpu" keeps. */
  readonly maxOffload?: number;
  /** Type that weights get as they are read. */
  readonly type?: string;
  /** Other types by name, `REGEX=TYPE`. */
  readonly tensorTypeRules?: string;
  /** Whether quantised weights stay so on the GPU. */
  readonly keepQuantised?: boolean;
  /** Whether products by those round their inputs to bytes where that is faster. */
  readonly integerDot?: boolean;
  /** File of the network that enlarges the finished picture. */
  readonly upscaleModel?: string;
  /** Times that it is run. */
  readonly upscaleRepeats?: number;
  /** Largest side of its tiles. */
  readonly upscaleTileSize?: number;
  /** Pixels that a tile sees beyond what is kept of it. */
  readonly upscaleTileMargin?: number;
}

/** What a machine has room for is no matter of the picture: pictures do not store it. */
export type MachineField = "maxVram" | "offload" | "maxOffload";
