/**
 * What flows along the links of a graph of ComfyUI. Nothing is computed while a graph is read: models are names, latents are what
 * a sampler would be asked, pictures are files to come.
 *
 * @module
 */

import type { PictureFile } from "../../image/picture_file.ts";
import type { Picture } from "../../image/png_writing.ts";
import type { GeneratedImage, GenerateRequest } from "../../pipelines/types.ts";
import type { Engine } from "../queue.ts";
import type { ServedUpscaler } from "../upscalers.ts";

/** A LoRA with its strength. */
export interface LoraUse {
  readonly name: string;
  readonly scale: number;
}

/** A size that the network is told, and the node that says it. */
export interface ToldSize {
  readonly node: string;
  readonly width: number;
  readonly height: number;
}

/** MODEL: a denoiser with its LoRAs. */
export interface Model {
  readonly engine: Engine;
  readonly loras: readonly LoraUse[];
  readonly told?: ToldSize;
  /** What neither ComfyUI nor A1111 has a word for. */
  readonly own?: Partial<GenerateRequest>;
}

/** CLIP: text encoders with their LoRAs, and the layer that is read, counted from the end. */
export interface Clip extends Model {
  readonly layer?: number;
}

/** VAE: an autoencoder. */
export interface Vae {
  readonly engine: Engine;
}

/** CONDITIONING: texts. */
export interface Conditioning {
  readonly clip: Clip;
  /** For the first, second and third encoder; the later ones read the first where they have none of their own. */
  readonly texts: readonly string[];
  /** FluxGuidance. */
  readonly guidance?: number;
  /** ConditioningZeroOut. */
  readonly zeroed?: true;
  readonly told?: ToldSize;
}

/** MASK: light where to draw anew, one channel. */
export interface Mask {
  readonly file: PictureFile;
}

/** What a picture's file will say of what was done to it after it was drawn. */
export type Notes = Readonly<Record<string, string | number>>;

/** IMAGE: pictures of one size, those of a client or those of a step. */
export interface Images {
  readonly width: number;
  readonly height: number;
  readonly count: number;
  /** One of them. Its pixels are there when the steps before are done. */
  readonly file: (index: number) => PictureFile;
  /** The picture that a step drew, behind whatever was done to it since. */
  readonly drawn?: (index: number) => Drawn;
  readonly notes: Notes;
  /** Pixels that are computed here, on the CPU, for one of them. */
  readonly work: number;
}

/** A picture and the model that drew it. */
export interface Drawn {
  readonly image: GeneratedImage;
  readonly engine: Engine;
}

/** Pictures to begin with, and what of them is drawn anew. */
export interface Beginning {
  readonly images: Images;
  readonly vae: Vae;
  readonly mask?: Mask;
}

/** LATENT that no sampler has seen. */
export interface RawLatent {
  readonly is: "raw";
  readonly width: number;
  readonly height: number;
  readonly count: number;
  /** Undefined: empty. */
  readonly from?: Beginning;
}

/** LATENT that a sampler has made, or will have. */
export interface SampledLatent {
  readonly is: "sampled";
  readonly width: number;
  readonly height: number;
  readonly count: number;
  /** What the sampler is asked. */
  readonly pass: Pass;
}

/** LATENT of a sampler, enlarged. */
export interface GrownLatent {
  readonly is: "grown";
  readonly width: number;
  readonly height: number;
  readonly count: number;
  readonly pass: Pass;
  readonly upsampler: GenerateRequest["upsampler"];
}

/** LATENT. */
export type Latent = RawLatent | SampledLatent | GrownLatent;

/** SIGMAS: a schedule of `steps` steps, of which the first `from` are left out. `cut`: the last ones are, too. */
export interface Sigmas {
  readonly scheduler: string;
  readonly steps: number;
  readonly from: number;
  readonly cut?: true;
}

/** GUIDER. */
export interface Guider {
  readonly model: Model;
  readonly positive: Conditioning;
  readonly negative?: Conditioning;
  readonly cfg: number;
}

/** What a sampler is asked. */
export interface Pass extends Guider {
  /** The node of the sampler. */
  readonly node: string;
  readonly seed: number;
  readonly sampler: string;
  readonly sigmas: Sigmas;
  readonly latent: RawLatent | GrownLatent;
}

/** Pictures that a model draws. */
export interface DrawStep {
  readonly is: "draw";
  /** The node of the sampler. */
  readonly node: string;
  readonly engine: Engine;
  readonly requests: readonly GenerateRequest[];
  /** There when it is done. */
  readonly results: GeneratedImage[];
}

/** Pictures that a network enlarges. */
export interface EnlargeStep {
  readonly is: "enlarge";
  readonly node: string;
  readonly network: ServedUpscaler;
  readonly images: Images;
  /** There when it is done. */
  readonly results: Picture[];
}

/** What is done for a graph, one step after another. */
export type Step = DrawStep | EnlargeStep;

/** How an output node gives pictures away: as files, through the web socket, or by ids of the image cache. */
export type Delivery = "file" | "temporary" | "socket" | "cache";

/** An output node. */
export interface Output {
  readonly node: string;
  readonly images: Images;
  readonly delivery: Delivery;
  readonly format: "PNG" | "JPEG";
  /** Beginning of the files' names, with folders. */
  readonly prefix: string;
  /** Whether the node's output says what it sent through the socket. */
  readonly tells: boolean;
}
