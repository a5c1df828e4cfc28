/** Files that are no weights are said by their name, and weights open under whatever name they have. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { HEAD_BYTES, impostor } from "../lib/impostor.ts";
import { folderOf, type FolderSource, memoryFolder } from "../lib/weights/bytes.ts";
import { openCheckpoint, openCheckpointFile } from "../lib/weights/checkpoint.ts";
import { readConfig } from "../lib/weights/model_folder.ts";
import { writeSafetensors } from "../lib/weights/safetensors.ts";

const GOLDEN = new URL("./golden/", import.meta.url);

/** Text as bytes, one a character: "\x80" is the byte 128. */
function bytes(text: string, size: number = text.length): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(size);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

const LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 23802932552\n";

/** What stands in place of weights, and what a message must say: what it is, and what to do. */
const IMPOSTORS: Readonly<Record<string, [content: Uint8Array<ArrayBuffer>, ...says: string[]]>> = {
  "a Git LFS pointer": [bytes(LFS), "Git LFS pointer", "23802932552 bytes", "git lfs pull"],
  "a Git LFS pointer with Windows' line ends": [
    bytes(LFS.replaceAll("\n", "\r\n")),
    "Git LFS pointer",
    "git lfs pull",
  ],
  "a PyTorch ZIP": [
    bytes("PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\x12\0archive/data.pklFB", 4096),
    "PyTorch pickle",
    "safetensors",
  ],
  "a bare pickle": [bytes("\x80\x02}q\0(X\x0a\0\0\0state_dict", 4096), "Python pickle", "safetensors"],
  "a pickle of protocol 4": [bytes("\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94", 4096), "Python pickle"],
  "another ZIP": [bytes("PK\x03\x04\x14\0\0\0\x08\0model.safetensors", 4096), "ZIP archive", "unpack"],
  "a web page": [
    bytes("\n<!DOCTYPE html>\n<html><head><title>Login</title>"),
    "web page",
    "download the file itself",
  ],
  "a server's JSON answer": [
    bytes('{"error":"Access to model black-forest-labs/FLUX.1-dev is restricted"}'),
    "JSON",
    "is restricted",
  ],
  "a server's plain answer": [bytes("Entry not found"), "Entry not found", "download"],
  "a server's XML answer": [bytes("<?xml version='1.0'?><Error><Code>AccessDenied"), "XML", "AccessDenied"],
  "an ONNX model": [bytes("\x08\x07\x12\x07pytorch\x1a\x052.1.0", 4096), "ONNX"],
  "a TFLite model": [bytes("\x1c\0\0\0TFL3\x14\0", 4096), "TensorFlow Lite"],
  "an HDF5 file": [bytes("\x89HDF\r\n\x1a\n", 4096), "HDF5"],
  "an old GGML file": [bytes("tjgg\x03\0\0\0\0\x7d\0\0\0", 4096), "GGML", "GGUF"],
  "a gzip archive": [bytes("\x1f\x8b\x08\0model", 4096), "gzip", "unpack"],
  "a 7-Zip archive": [bytes("7z\xbc\xaf\x27\x1c\0\x04", 4096), "7-Zip", "unpack"],
  "a tar archive": [bytes("model/" + "\0".repeat(251) + "ustar\0", 4096), "tar archive", "unpack"],
  "a picture": [bytes("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 4096), "PNG"],
  "an empty file": [bytes(""), "empty", "download"],
  "zeros": [bytes("", 4096), "zeros", "download"],
};

for (const [what, [content, ...says]] of Object.entries(IMPOSTORS)) {
  Deno.test(`${what} in place of weights is said by its name`, async () => {
    for (const path of ["model.safetensors", "diffusion_pytorch_model.gguf", "flux.sft"]) {
      const folder = memoryFolder("m", new Map([[`transformer/${path}`, content]]));
      const error = await assertRejects(() => openCheckpoint(folder, "transformer"), LssgenError, says[0]);
      assertEquals(error.code, "bad_file");
      for (const text of [...says, `m/transformer/${path}`]) {
        assert(error.message.includes(text), `${text} is not in: ${error.message}`);
      }
    }
  });
}

for (const what of ["a Git LFS pointer", "a PyTorch ZIP", "a bare pickle", "a web page", "an empty file"]) {
  Deno.test(`${what} in place of a config is said by its name`, async () => {
    const [content, ...says] = IMPOSTORS[what];
    const folder = memoryFolder("m", new Map([["transformer/config.json", content]]));
    const error = await assertRejects(() => readConfig(folder, "transformer/config.json"), LssgenError);
    assertEquals(error.code, "bad_file");
    // A pickle's first byte is lost when it is read as a text.
    const text = what === "a bare pickle" ? "not a text" : says[0];
    assert(error.message.includes(text), error.message);
    assert(error.message.includes("m/transformer/config.json"), error.message);
  });
}

Deno.test("a server's answer in place of a config is said to be one, though it is JSON", async () => {
  const folder = memoryFolder("m", new Map([["vae/config.json", bytes('{"error":"Entry not found"}')]]));
  await assertRejects(() => readConfig(folder, "vae/config.json"), LssgenError, "Entry not found");
});

Deno.test("sound files are no impostors, whatever the length of their header", async () => {
  for await (const path of ["vae/tiny_taef1/diffusion_pytorch_model.safetensors", "gguf/types/types.gguf"]) {
    const file = await Deno.readFile(new URL(path, GOLDEN));
    assertEquals(impostor(file.subarray(0, HEAD_BYTES), file.length), undefined, path);
  }
  // A header of 31 007 (0x791f) bytes begins like a text, one of 0x8b1f like gzip: both are read as what they are.
  for (const length of [0x7b0a, 0x8b1f]) {
    const data = writeSafetensors([{ name: "a", shape: [1], data: Float32Array.of(7) }]);
    const json = new TextEncoder().encode(
      new TextDecoder().decode(data.subarray(8, data.length - 4)).padEnd(length, " "),
    );
    const file = new Uint8Array(8 + length + 4);
    new DataView(file.buffer).setBigUint64(0, BigInt(length), true);
    file.set(json, 8);
    file.set(data.subarray(-4), 8 + length);
    const folder = memoryFolder("m", new Map([["model.safetensors", file]]));
    assertEquals(await (await openCheckpoint(folder, "")).readF32("a"), Float32Array.of(7));
  }
});

const one = (name: string, value = 1): Uint8Array<ArrayBuffer> =>
  writeSafetensors([{ name, shape: [1], data: Float32Array.of(value) }]);

Deno.test("the one file of weights in a folder is taken, whatever its name and whatever its ending says", async () => {
  const gguf = await Deno.readFile(new URL("gguf/types/types.gguf", GOLDEN));
  for (const name of ["flux1-schnell-Q4_K_S.gguf", "FLUX.GGUF", "renamed.safetensors"]) {
    const files = new Map([["transformer/config.json", bytes("{}")], [`transformer/${name}`, gguf]]);
    const checkpoint = await openCheckpoint(memoryFolder("m", files), "transformer");
    assertEquals(checkpoint.info("vec.bias")?.shape, [11], name);
  }
  const plain = memoryFolder("m", new Map([["vae/ae.sft", one("a")], ["vae/README.md", bytes("x")]]));
  assertEquals([...(await openCheckpoint(plain, "vae")).names()], ["a"]);
});

Deno.test("a folder on the disk is listed too, links of a hub's cache included", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(folder, "vae", "more"), { recursive: true });
    await Deno.writeFile(join(folder, "blob"), one("a"));
    await Deno.symlink(join("..", "blob"), join(folder, "vae", "ae.safetensors"));
    assertEquals([...(await openCheckpoint(fileFolder(folder), "vae")).names()], ["a"]);
    assertEquals(await fileFolder(folder).list!("unet"), []);
    await Deno.remove(join(folder, "blob"));
    await assertRejects(() => openCheckpoint(fileFolder(folder), "vae"), LssgenError, "link to a file");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("several files of weights under names of their own are refused by name", async () => {
  const files = new Map([["vae/a.safetensors", one("a")], ["vae/b.gguf", one("b")]]);
  const error = await assertRejects(() => openCheckpoint(memoryFolder("m", files), "vae"), LssgenError);
  assertEquals(error.code, "bad_file");
  assert(/a\.safetensors.*b\.gguf/.test(error.message), error.message);
});

Deno.test("a folder that has pickles or an unfinished download only is told apart from an empty one", async () => {
  const says: Record<string, string> = {
    "sd-v1-4.ckpt": "pickled",
    "ae.safetensors.part": "unfinished",
    "model.safetensors.incomplete": "unfinished",
    "README.md": "no weights",
  };
  for (const [name, what] of Object.entries(says)) {
    const folder = memoryFolder("m", new Map([[`vae/${name}`, one("a")]]));
    const error = await assertRejects(() => openCheckpoint(folder, "vae"), LssgenError, what);
    if (what !== "no weights") assert(error.message.includes(name), error.message);
    await assertRejects(() =>
      openCheckpointFile(folder, `vae/${name}`).then(() => {
        if (what !== "unfinished") throw new LssgenError("bad_file", "opened by its bytes");
      }), LssgenError);
  }
});

Deno.test("a folder that cannot be listed has the usual names only", async () => {
  const files = memoryFolder("m", new Map([["vae/ae.safetensors", one("a")]]));
  const blind: FolderSource = folderOf("m", (path) => files.open(path));
  await assertRejects(() => openCheckpoint(blind, "vae"), LssgenError, "no weights");
});

Deno.test("a set of files under its own name opens whole, with an index or without, and says which part is missing", async () => {
  const parts = ["a", "b", "c"].map((name, i) =>
    [`transformer/flux-0000${i + 1}-of-00003.safetensors`, one(name, i)] as const
  );
  const whole = memoryFolder("m", new Map(parts));
  const checkpoint = await openCheckpoint(whole, "transformer");
  assertEquals([...checkpoint.names()], ["a", "b", "c"]);
  assertEquals(await checkpoint.readF32("c"), Float32Array.of(2));
  const second = await openCheckpointFile(whole, "transformer/flux-00002-of-00003.safetensors");
  assertEquals([...second.names()], ["a", "b", "c"]);

  const cut = memoryFolder("m", new Map(parts.slice(0, 2)));
  await assertRejects(() => openCheckpoint(cut, "transformer"), LssgenError, "00003-of-00003.safetensors");

  const map = Object.fromEntries(["a", "b", "c"].map((name, i) => [name, parts[i][0].slice(12)]));
  const index = bytes(JSON.stringify({ weight_map: map }));
  const indexed = memoryFolder("m", new Map([...parts, ["transformer/flux.safetensors.index.json", index]]));
  assertEquals([...(await openCheckpoint(indexed, "transformer")).names()], ["a", "b", "c"]);
});

Deno.test("two files of a set that hold the same tensor are refused", async () => {
  const twice = memoryFolder(
    "m",
    new Map([["x-00001-of-00002.safetensors", one("a")], ["x-00002-of-00002.safetensors", one("a")]]),
  );
  await assertRejects(() => openCheckpoint(twice, ""), LssgenError, 'both hold "a"');
});

Deno.test("TAESD's two files in a folder are one autoencoder", async () => {
  const encoder = ["0.weight", "1.conv.0.weight"];
  const decoder = ["1.weight", "3.conv.0.weight"];
  const file = (names: readonly string[]) =>
    writeSafetensors(names.map((name) => ({ name, shape: [1], data: Float32Array.of(1) })));
  const folder = memoryFolder(
    "m",
    new Map([
      ["vae/taef1_encoder.safetensors", file(encoder)],
      ["vae/taef1_decoder.safetensors", file(decoder)],
    ]),
  );
  assertEquals([...(await openCheckpoint(folder, "vae")).names()].sort(), [
    "decoder.layers.0.weight",
    "decoder.layers.2.conv.0.weight",
    "encoder.layers.0.weight",
    "encoder.layers.1.conv.0.weight",
  ]);
});
