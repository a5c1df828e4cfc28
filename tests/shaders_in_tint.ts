/**
 * Every shader in every mixture of types, down to pipelines, in Tint, Chromium's compiler of WGSL: through npm's `webgpu`
 * (Dawn) and its null backend, which has shader-f16 and subgroups on any machine. `deno task test:web` runs it.
 */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { bundle } from "../tools/web.ts";
import { DAWN, installFromNpm, runIn } from "./npm_package.ts";

/** A program for Node; a broken shader is among what it compiles, so that silence is no success. */
const PROGRAM = `
  import { readFile } from "node:fs/promises";
  import { create } from "webgpu";
  // The bundle fetches its shaders from beside it, as pages do; Node fetches no files.
  const online = globalThis.fetch;
  globalThis.fetch = async (from) =>
    String(from).startsWith("file:") ? new Response(await readFile(new URL(from))) : await online(from);
  const { refusedVariants, shaderVariants } = await import("./variants.js");
  const gpu = create(["backend=null"]);
  const adapter = await gpu.requestAdapter();
  const device = await adapter.requestDevice({
    requiredFeatures: ["shader-f16", "subgroups"],
    requiredLimits: Object.fromEntries([
      "maxStorageBuffersPerShaderStage",
      "maxComputeWorkgroupStorageSize",
      "maxComputeInvocationsPerWorkgroup",
      "maxComputeWorkgroupSizeX",
      "maxComputeWorkgroupSizeY",
    ].map((limit) => [limit, adapter.limits[limit]])),
  });
  const variants = shaderVariants({ f16: true, subgroups: true, integerDot: true });
  const broken = variants.slice(0, 1).map((v) => ({ ...v, code: v.code + "\\nfn broken() { let x: f32 = 1u; }" }));
  console.log(JSON.stringify({
    count: variants.length,
    f16: variants.filter(({ code }) => code.includes("enable f16;")).length,
    refused: await refusedVariants(device, variants, true),
    noticed: (await refusedVariants(device, broken, true)).length,
  }));
  device.destroy();
`;

Deno.test("Tint compiles every shader in every mixture of types", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await installFromNpm(folder, [DAWN]);
    await bundle({ variants: fromFileUrl(new URL("shader_variants.ts", import.meta.url)) }, folder);
    await Deno.writeTextFile(join(folder, "compile.js"), PROGRAM);
    const { count, f16, refused, noticed } = JSON.parse(await runIn(folder, "node", ["compile.js"]));
    console.log(`${count} shaders compiled by Tint, ${f16} of them in f16`);
    assertEquals(refused, []);
    assertEquals(noticed, 1);
    assert(f16 > 30, `${f16} in f16`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
