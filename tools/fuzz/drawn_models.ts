/**
 * Tiny models drawn in one process on one device: the golden ones, with other files laid over theirs.
 *
 * @module
 */

import { fileFolder } from "../../lib/cli/files.ts";
import { type Device, openDevice } from "../../lib/gpu/device.ts";
import { createPipeline } from "../../lib/pipelines/text_to_image.ts";
import type { GenerateRequest, PipelineOptions } from "../../lib/pipelines/types.ts";
import type { Dtype } from "../../lib/tensor.ts";
import { bytesOf, folderOf, type FolderSource } from "../../lib/weights/bytes.ts";
import { equal, seedFolder } from "./target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A model that is drawn, and what is asked of it. */
export interface DrawnModel {
  /** Folder below tests/golden. */
  readonly folder: string;
  /** Files that stand over the folder's: paths below tests/golden, their bytes, or undefined where one is taken away. */
  readonly over?: Readonly<Record<string, string | (() => Promise<Bytes>) | undefined>>;
  /** What is drawn. */
  readonly request: GenerateRequest;
  /** Default f32. */
  readonly dtype?: Dtype;
  /** The folder "tiny_vae/" is a tiny autoencoder that decodes. */
  readonly tinyVae?: boolean;
  /** The folder "enlarge/" is an upsampler of latents. */
  readonly upsampler?: boolean;
  /** The file "lora.safetensors" is a LoRA. */
  readonly lora?: boolean;
}

/** One picture of 32² in two steps, from PyTorch's noise, so that diffusers can be asked for the same. */
export const PLAIN: GenerateRequest = {
  prompt: "a red fox",
  width: 32,
  height: 32,
  steps: 2,
  seed: 7,
  method: "direct",
  rng: "torch-cpu",
};

/** A tiny autoencoder and an upsampler for FLUX's latents. */
export const FURTHER: Readonly<Record<string, string>> = {
  "tiny_vae/config.json": "vae/tiny_taef1/config.json",
  "tiny_vae/diffusion_pytorch_model.safetensors": "vae/tiny_taef1/diffusion_pytorch_model.safetensors",
  "enlarge/config.json": "lssgen/_upsamplers/ch16/config.json",
  "enlarge/diffusion_pytorch_model.safetensors":
    "lssgen/_upsamplers/ch16/diffusion_pytorch_model.safetensors",
};

/** Two stages with the learned upsampler between. */
export const TWO_STAGES: GenerateRequest = {
  prompt: "a red fox",
  seed: 7,
  width: 64,
  height: 64,
  minResolution: 32,
  steps: 2,
  shortenSteps: false,
  rng: "torch-cpu",
  upsampler: "learned",
};

/** A folder below tests/golden; itself where none is named. */
export function goldenFolder(folder = ""): FolderSource {
  return fileFolder(new URL(`../../tests/golden/${folder}`, import.meta.url).pathname);
}

/** All threads of a worker draw on one device. */
let device: Device | undefined;

/** Models by name; what was drawn of them unchanged. */
export class DrawnModels {
  private readonly pictures = new Map<string, { readonly picture: Bytes; readonly ms: number }>();
  private readonly made = new Map<() => Promise<Bytes>, Promise<Bytes>>();

  /** One row a model. */
  constructor(readonly rows: Readonly<Record<string, DrawnModel>>) {}

  /** Paths of a model's files. */
  async paths(name: string): Promise<string[]> {
    const { folder, over = {} } = this.rows[name];
    const paths = new Set([...Object.keys(over), ...(await seedFolder(`golden/${folder}`, /./)).keys()]);
    return [...paths].filter((path) => !(path in over) || over[path] !== undefined).sort();
  }

  /**
   * A model's folder.
   *
   * @param changed Files that lie over it. @param within A folder inside of it, with a slash.
   */
  folder(name: string, changed?: ReadonlyMap<string, Bytes>, within = ""): FolderSource {
    const { folder, over = {} } = this.rows[name];
    const base = goldenFolder(folder);
    const golden = goldenFolder();
    return folderOf(name, async (path) => {
      const at = within + path;
      const bytes = changed?.get(at);
      if (bytes) return bytesOf(`${name}/${at}`, bytes);
      if (!Object.hasOwn(over, at)) return await base.open(at);
      const own = over[at];
      if (own === undefined || typeof own === "string") return own && await golden.open(own) || undefined;
      if (!this.made.has(own)) this.made.set(own, own());
      return bytesOf(`${name}/${at}`, await this.made.get(own)!);
    });
  }

  /** A picture as bytes, its size among them. @throws {LssgenError} Where the model is refused. */
  async draw(name: string, changed?: ReadonlyMap<string, Bytes>): Promise<Bytes> {
    const { request, dtype = "f32", tinyVae, upsampler, lora } = this.rows[name];
    device ??= await openDevice();
    const options: PipelineOptions = {
      device,
      dtype,
      firstPicture: request,
      ...(tinyVae && { tinyVae: this.folder(name, changed, "tiny_vae/"), tinyDecode: true }),
      ...(upsampler && { upsamplerWeights: this.folder(name, changed, "enlarge/") }),
      ...(lora && { loras: [{ file: (await this.folder(name, changed).open("lora.safetensors"))! }] }),
    };
    await using pipeline = await createPipeline(this.folder(name, changed), options);
    const { images } = await pipeline.generate(request);
    return new Uint8Array(
      images.flatMap((
        { width, height, rgb },
      ) => [width & 255, width >> 8, height & 255, height >> 8, ...rgb]),
    );
  }

  /** The picture of the unchanged model, drawn twice: the second time its kernels are there, and that time counts. */
  async clean(name: string): Promise<{ readonly picture: Bytes; readonly ms: number }> {
    let known = this.pictures.get(name);
    if (!known) {
      const picture = await this.draw(name);
      const start = performance.now();
      if (!equal(picture, await this.draw(name))) throw new Error(`${name} is not drawn twice alike`);
      this.pictures.set(name, known = { picture, ms: performance.now() - start });
    }
    return known;
  }
}
