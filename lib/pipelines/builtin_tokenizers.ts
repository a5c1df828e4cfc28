/**
 * Tokenizers for models that bring none: CLIP's and T5's, which are the same for all of them.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { unpackClip, unpackT5 } from "../text/packed_vocabulary.ts";
import { bytesOf, type ByteSource, folderOf, type FolderSource, memoryFolder } from "../weights/bytes.ts";
import { httpSource } from "../weights/http_source.ts";
import { ggufTokenizer } from "../text/gguf_tokenizer.ts";

/**
 * Which tokenizer: CLIP ViT-L of all families pads with `<|endoftext|>`, OpenCLIP's ViT-H (SD2.x) and bigG (SDXL, SD3)
 * pad with "!" (id 0); T5 is that of T5 v1.1 (SD3, FLUX, PixArt).
 */
export type BuiltinTokenizer = "clip_l" | "clip_h" | "clip_g" | "t5";

type Packed = "clip.bin" | "t5.bin";

/**
 * A tokenizer folder (tokenizer_config.json with vocab.json and merges.txt, or with spiece.model) for a model that brings
 * none. Nothing is fetched before a file of it is opened.
 *
 * @param kind Which tokenizer.
 * @param packed The folder weights/tokenizers of this package, where its files cannot be fetched from beside the code.
 * @throws {LssgenError} When opened, `bad_file`: its files are not beside the code, damaged, or `fetch` reads none there.
 */
export function builtinTokenizer(kind: BuiltinTokenizer, packed?: FolderSource): FolderSource {
  const name = `tokenizer ${kind} of this library`;
  const text = (file: string, value: string): ByteSource =>
    bytesOf(`${name}/${file}`, new TextEncoder().encode(value));
  return folderOf(name, async (path) => {
    if (path === "tokenizer_config.json") return text(path, JSON.stringify(CONFIGS[kind]));
    if (kind === "t5") {
      return path === "spiece.model"
        ? bytesOf(`${name}/${path}`, await unpackT5(...await read("t5.bin", packed)))
        : undefined;
    }
    if (path !== "vocab.json" && path !== "merges.txt") return undefined;
    const files = await unpackClip(...await read("clip.bin", packed));
    return text(path, path === "vocab.json" ? files.vocab : files.merges);
  });
}

/**
 * The tokenizer folder in the header of a GGUF text encoder, or undefined when it has none.
 *
 * @param file The opened file: its name and the keys of its header.
 * @throws {LssgenError} `unsupported`, `bad_file` as {@linkcode ggufTokenizer}.
 */
export function ggufTokenizerFolder(
  file: { readonly name: string; readonly metadata: ReadonlyMap<string, unknown> },
): FolderSource | undefined {
  const files = ggufTokenizer(file.metadata, file.name);
  return files && memoryFolder(`tokenizer of ${file.name}`, files);
}

const PLAIN = { lstrip: false, rstrip: false, single_word: false, normalized: false, special: true };
const FRAME = {
  // As OpenAI's folder has it: the start is found in any case, "<|STARTOFTEXT|>" too.
  "49406": { ...PLAIN, content: "<|startoftext|>", normalized: true },
  "49407": { ...PLAIN, content: "<|endoftext|>" },
};
const CLIP = {
  tokenizer_class: "CLIPTokenizer",
  bos_token: "<|startoftext|>",
  eos_token: "<|endoftext|>",
  unk_token: "<|endoftext|>",
  model_max_length: 77,
};

const CONFIGS: Readonly<Record<BuiltinTokenizer, Readonly<Record<string, unknown>>>> = {
  clip_l: { ...CLIP, pad_token: "<|endoftext|>", added_tokens_decoder: FRAME },
  clip_h: { ...CLIP, pad_token: "!", added_tokens_decoder: { "0": { ...PLAIN, content: "!" }, ...FRAME } },
  clip_g: { ...CLIP, pad_token: "!", added_tokens_decoder: { "0": { ...PLAIN, content: "!" }, ...FRAME } },
  t5: {
    tokenizer_class: "T5Tokenizer",
    eos_token: "</s>",
    unk_token: "<unk>",
    pad_token: "<pad>",
    extra_ids: 100,
    model_max_length: 512,
  },
};

/** Each file spelled out, in the form that Vite, webpack and Parcel know as "this file goes along". */
function addresses(): Readonly<Record<Packed, URL>> {
  return {
    "clip.bin": new URL("../../weights/tokenizers/clip.bin", import.meta.url),
    "t5.bin": new URL("../../weights/tokenizers/t5.bin", import.meta.url),
  };
}

/** What was fetched is kept: SDXL has two tokenizers of one file, and a program opens many models. */
const fetched = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

/** A packed file's bytes and its name for messages. */
async function read(
  file: Packed,
  folder: FolderSource | undefined,
): Promise<[Uint8Array<ArrayBuffer>, string]> {
  if (folder) {
    const source = await folder.open(file);
    if (!source) throw new LssgenError("bad_file", `"${folder.name}/${file}" is missing`);
    return [await source.read(0, source.size), source.name];
  }
  const { href } = addresses()[file];
  let job = fetched.get(href);
  if (!job) {
    fetched.set(href, job = fetchWhole(href));
    job.catch(() => fetched.delete(href));
  }
  return [await job, href];
}

async function fetchWhole(href: string): Promise<Uint8Array<ArrayBuffer>> {
  const source = await httpSource(href);
  if (source) return await source.read(0, source.size);
  const why = href.startsWith("file:")
    ? "it is missing, or this runtime's fetch reads no files, as Node's does not"
    : "it is missing: did the bundler leave the tokenizers behind?";
  throw new LssgenError(
    "bad_file",
    `Cannot open "${href}", the tokenizer for models that bring none: ${why}. Put a tokenizer folder beside the model, or ` +
      "hand over the folder weights/tokenizers of this package",
  );
}
