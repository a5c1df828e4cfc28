/**
 * The model that comes with this library.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { folderOf, type FolderSource } from "../weights/bytes.ts";
import { httpSource } from "../weights/http_source.ts";

/**
 * The model that comes with this library; in a bundle too, where the bundler takes its files along.
 *
 * @throws {LssgenError} When opened, `bad_file`: its files are not beside the code, or `fetch` reads none there.
 */
export function embeddedFolder(): FolderSource {
  const files = addresses();
  return folderOf("lssgen-emoji", async (path) => {
    if (!Object.hasOwn(files, path)) return undefined;
    const { href } = files[path];
    const source = await httpSource(href);
    if (source) return source;
    const why = href.startsWith("file:")
      ? "it is missing, or this runtime's fetch reads no files, as Node's does not"
      : "it is missing: did the bundler leave the weights behind?";
    throw new LssgenError(
      "bad_file",
      `Cannot open "${href}" of the embedded model: ${why}. Hand createPipeline the folder weights/lssgen-emoji of this ` +
        "package: its address, or a folder made with folderOf",
    );
  });
}

/** Each file spelled out, in the form that Vite, webpack and Parcel know as "this file goes along". */
function addresses(): Readonly<Record<string, URL>> {
  return {
    "lssgen.json": new URL("../../weights/lssgen-emoji/lssgen.json", import.meta.url),
    "model_index.json": new URL("../../weights/lssgen-emoji/model_index.json", import.meta.url),
    "scheduler/scheduler_config.json": new URL(
      "../../weights/lssgen-emoji/scheduler/scheduler_config.json",
      import.meta.url,
    ),
    "text_encoder/config.json": new URL(
      "../../weights/lssgen-emoji/text_encoder/config.json",
      import.meta.url,
    ),
    "text_encoder/model.gguf": new URL("../../weights/lssgen-emoji/text_encoder/model.gguf", import.meta.url),
    "text_encoder_2/config.json": new URL(
      "../../weights/lssgen-emoji/text_encoder_2/config.json",
      import.meta.url,
    ),
    "text_encoder_2/model.gguf": new URL(
      "../../weights/lssgen-emoji/text_encoder_2/model.gguf",
      import.meta.url,
    ),
    "tokenizer/merges.txt": new URL("../../weights/lssgen-emoji/tokenizer/merges.txt", import.meta.url),
    "tokenizer/tokenizer.json": new URL(
      "../../weights/lssgen-emoji/tokenizer/tokenizer.json",
      import.meta.url,
    ),
    "tokenizer/tokenizer_config.json": new URL(
      "../../weights/lssgen-emoji/tokenizer/tokenizer_config.json",
      import.meta.url,
    ),
    "tokenizer/vocab.json": new URL("../../weights/lssgen-emoji/tokenizer/vocab.json", import.meta.url),
    "tokenizer_2/spiece.model": new URL(
      "../../weights/lssgen-emoji/tokenizer_2/spiece.model",
      import.meta.url,
    ),
    "tokenizer_2/tokenizer.json": new URL(
      "../../weights/lssgen-emoji/tokenizer_2/tokenizer.json",
      import.meta.url,
    ),
    "tokenizer_2/tokenizer_config.json": new URL(
      "../../weights/lssgen-emoji/tokenizer_2/tokenizer_config.json",
      import.meta.url,
    ),
    "transformer/config.json": new URL("../../weights/lssgen-emoji/transformer/config.json", import.meta.url),
    "transformer/diffusion_pytorch_model.gguf": new URL(
      "../../weights/lssgen-emoji/transformer/diffusion_pytorch_model.gguf",
      import.meta.url,
    ),
    "upsampler/config.json": new URL("../../weights/lssgen-emoji/upsampler/config.json", import.meta.url),
    "upsampler/diffusion_pytorch_model.safetensors": new URL(
      "../../weights/lssgen-emoji/upsampler/diffusion_pytorch_model.safetensors",
      import.meta.url,
    ),
    "vae/config.json": new URL("../../weights/lssgen-emoji/vae/config.json", import.meta.url),
    "vae/diffusion_pytorch_model.safetensors": new URL(
      "../../weights/lssgen-emoji/vae/diffusion_pytorch_model.safetensors",
      import.meta.url,
    ),
  };
}
