/** The golden runner itself: it passes what agrees, and fails what does not, whatever the reason. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { bytesOf, folderOf, type FolderSource } from "../lib/weights/bytes.ts";
import { type CaseResult, LazyDevice, runCase } from "../tools/golden/run.ts";

const ROOT = new URL("./golden", import.meta.url).pathname;

/** Runs ops/geglu with some files replaced. */
async function run(
  replace: (path: string, bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
): Promise<CaseResult> {
  const open = (path: string): FolderSource => {
    const folder = fileFolder(`${ROOT}/${path}`);
    return folderOf(path, async (file) => {
      const source = await folder.open(file);
      return source && bytesOf(file, replace(file, await source.read(0, source.size)));
    });
  };
  const gpu = new LazyDevice();
  try {
    return await runCase("ops/geglu", open, ["io.safetensors"], gpu, "f32");
  } finally {
    await gpu.close();
  }
}

Deno.test("a case as recorded passes and reports its worst tensor", async () => {
  const result = await run((_, bytes) => bytes);
  assert(result.ok, result.failures.join("; "));
  assert(result.worst!.maxAbs <= result.worst!.allowed);
});

Deno.test("one corrupted expected value fails the case", async () => {
  const result = await run((path, bytes) => {
    if (path !== "io.safetensors") return bytes;
    const changed = bytes.slice();
    const view = new DataView(changed.buffer);
    const start = 8 + Number(view.getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(changed.subarray(8, start)));
    const name = Object.keys(header).find((key) => key.startsWith("out."))!;
    const at = start + header[name].data_offsets[0];
    view.setFloat32(at, view.getFloat32(at, true) + 1, true);
    return changed;
  });
  assertEquals(result.ok, false);
  assertStringIncludes(result.failures.join(), "max-abs");
});

Deno.test("a class that is not supported fails by name", async () => {
  const result = await run((path, bytes) => {
    if (path !== "case.json") return bytes;
    const text = new TextDecoder().decode(bytes).replace(/"class": "[^"]+"/, '"class": "Nonsense"');
    return new TextEncoder().encode(text);
  });
  assertEquals(result.ok, false);
  assertStringIncludes(result.failures.join(), '"Nonsense" is not supported');
});
