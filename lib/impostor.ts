/**
 * What bytes are that stand where weights or a JSON file should: told by their first bytes, so that a message can say
 * what happened and what to do about it.
 *
 * @module
 */

import { LssgenError } from "./errors.ts";

/** Bytes from a file's beginning that {@linkcode impostor} looks at. */
export const HEAD_BYTES = 512;

/** Files that begin with fixed bytes (at `at`), what they are, and what to do. */
const MAGIC: readonly (readonly [bytes: string, what: string, advice: string, at?: number])[] = [
  ["\x80\x02", "a Python pickle", "PICKLE"],
  ["\x80\x03", "a Python pickle", "PICKLE"],
  ["\x80\x04", "a Python pickle", "PICKLE"],
  ["\x80\x05", "a Python pickle", "PICKLE"],
  ["PK\x03\x04", "a ZIP archive", "UNPACK"],
  ["PK\x05\x06", "an empty ZIP archive", "AGAIN"],
  ["\x1f\x8b", "a gzip archive", "UNPACK"],
  ["BZh", "a bzip2 archive", "UNPACK"],
  ["\xfd7zXZ\x00", "an xz archive", "UNPACK"],
  ["(\xb5/\xfd", "a Zstandard archive", "UNPACK"],
  ["7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "UNPACK"],
  ["Rar!", "a RAR archive", "UNPACK"],
  ["ustar", "a tar archive", "UNPACK", 257],
  ["\x89HDF\r\n", "an HDF5 file (TensorFlow or Keras)", "OTHER"],
  ["TFL3", "a TensorFlow Lite model", "OTHER", 4],
  ["\x93NUMPY", "a NumPy array", "OTHER"],
  ["lmgg", "a GGML file of before 2023, which GGUF has replaced", "OTHER"],
  ["fmgg", "a GGML file of before 2023, which GGUF has replaced", "OTHER"],
  ["tjgg", "a GGML file of before 2023, which GGUF has replaced", "OTHER"],
  ["\x89PNG", "a PNG picture", "MIX"],
  ["\xff\xd8\xff", "a JPEG picture", "MIX"],
  ["GIF8", "a GIF picture", "MIX"],
  ["WEBP", "a WebP picture", "MIX", 8],
  ["%PDF", "a PDF document", "MIX"],
  ["\x7fELF", "a program", "MIX"],
  ["MZ", "a Windows program", "MIX"],
];

const ADVICE: Readonly<Record<string, string>> = {
  PICKLE: "pickles can run code and are not read; get the safetensors or GGUF files of the model",
  UNPACK: "unpack it and give what is inside",
  AGAIN: "download it again",
  OTHER: "get the safetensors or GGUF files of the model",
  MIX: "give the model's weights in its place",
};

/**
 * What a file is that is neither weights nor JSON, and what to do, as the end of a sentence that begins with its name.
 *
 * @param head Its first bytes, {@linkcode HEAD_BYTES} or all of them.
 * @param size Bytes in all.
 * @returns For example "is a Git LFS pointer …"; undefined when the bytes look like nothing known.
 */
export function impostor(head: Uint8Array, size: number): string | undefined {
  if (size === 0) return "is empty; download it again";
  const text = latin(head);
  const pointer = /^version https?:\/\/(git-lfs|hawser)[^\n]*\n/.test(text);
  if (pointer) {
    const bytes = /\nsize (\d+)/.exec(text)?.[1];
    return `is a Git LFS pointer: a text of ${size} bytes in place of the file${
      bytes ? ` of ${bytes} bytes` : ""
    }; run \`git lfs pull\` in its repository, or download the file itself`;
  }
  if (text.startsWith("PK\x03\x04") && /\/(data\.pkl|version|byteorder)/.test(text)) {
    return `is a PyTorch pickle (a ZIP archive with data.pkl); ${ADVICE.PICKLE}`;
  }
  const known = MAGIC.find(([bytes, , , at = 0]) => text.startsWith(bytes, at));
  if (known) return `is ${known[1]}; ${ADVICE[known[2]]}`;
  // A protobuf whose first field is the version of the format and whose second is the producer's name.
  const onnx = head[0] === 0x08 && head[1] > 0 && head[1] <= 32 && [0x12, 0x1a, 0x3a].includes(head[2]);
  if (onnx && /onnx|pytorch|ir_version/i.test(text)) {
    return `is an ONNX model; ${ADVICE.OTHER}`;
  }
  if (head.every((byte) => byte === 0) && head.length >= 8) {
    return "begins with zeros: a download that was set up and not finished; download it again";
  }
  return textInPlace(head, size);
}

/** A text where there should be none: a server's answer that was stored as the file. */
function textInPlace(head: Uint8Array, size: number): string | undefined {
  if (head[0] === 0xff && head[1] === 0xfe || head[0] === 0xfe && head[1] === 0xff) {
    return "is a text in UTF-16; store it as UTF-8";
  }
  let text: string;
  try {
    // The last character may be cut.
    text = new TextDecoder("utf-8", { fatal: size <= head.length }).decode(head).trimStart();
  } catch {
    return undefined;
  }
  const control = (c: string): boolean => c < " " && !"\t\n\f\r\x1b".includes(c);
  if ([...text.slice(0, -1)].some((c) => control(c) || c === "\ufffd")) return undefined;
  const said = JSON.stringify(text.slice(0, 80).trim() + (text.length > 80 ? "…" : ""));
  if (/^<(!doctype html|html|head|body|script)/i.test(text)) {
    return `is a web page (${said}); the address may ask for a login, or name a page about the file: download the file itself`;
  }
  if (/^<(\?xml|Error)/i.test(text)) return `is a server's XML answer (${said}); download the file itself`;
  if (/^[[{]/.test(text)) return `is a JSON text (${said}); download the file itself`;
  return `is a text (${said}); download the file itself`;
}

/**
 * {@linkcode impostor} of what should be a text, such as a tokenizer's merges: a Git LFS pointer, a web page, an archive.
 *
 * @param text As decoded; what is no UTF-8 has been replaced.
 */
export function impostorOfText(text: string): string | undefined {
  const head = new TextEncoder().encode(text.slice(0, HEAD_BYTES)).subarray(0, HEAD_BYTES);
  if (text.startsWith("\ufffd")) return "is not a text; download it again";
  const what = impostor(head, text.length);
  return what?.startsWith("is a text") || what?.startsWith("is a JSON") ? undefined : what;
}

/**
 * A JSON file's error, which says what the file is where it is something else.
 *
 * @param name File, for the message. @param text What could not be parsed. @param error Why not.
 */
export function notJson(name: string, text: string, error: unknown): LssgenError {
  const head = new TextEncoder().encode(text.slice(0, HEAD_BYTES)).subarray(0, HEAD_BYTES);
  const json = /^\s*[[{]/.test(text);
  const what = impostorOfText(text) ?? (json ? undefined : impostor(head, text.length));
  return new LssgenError(
    "bad_file",
    what
      ? `"${name}" should be JSON and ${what}`
      : `"${name}" is not valid JSON: ${(error as Error).message}`,
    { cause: error },
  );
}

/** {@linkcode impostor} of a file, which is read a little. */
export async function impostorOf(
  source: { readonly size: number; read(offset: number, length: number): Promise<Uint8Array> },
): Promise<string | undefined> {
  return impostor(await source.read(0, Math.min(HEAD_BYTES, source.size)), source.size);
}

function latin(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) out += String.fromCharCode(byte);
  return out;
}

/** GGUF files that hold no weights of a model, by their `general.type`. */
const OTHER_GGUF: ReadonlyMap<string, string> = new Map([
  ["adapter", "a LoRA as GGUF; get it as safetensors"],
  ["mmproj", "a vision encoder (mmproj), which pictures are not drawn with"],
  ["clip-vision", "a vision encoder, which pictures are not drawn with"],
  ["imatrix", "an importance matrix for quantising, which holds no weights"],
]);

/** What a GGUF file of a `general.type` is and what to do, where it holds no weights of a model. */
export function otherGguf(type: string): string | undefined {
  return OTHER_GGUF.get(type);
}
