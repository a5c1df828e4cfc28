import { assert, assertEquals } from "@std/assert";
import { openDevice } from "../lib/gpu/device.ts";
import { shaderNames } from "../lib/gpu/shaders.ts";
import { refusedVariants, shaderVariants } from "./shader_variants.ts";

Deno.test("every shader compiles here in every variant and type", async () => {
  using device = await openDevice();
  const variants = shaderVariants(device.info);
  const names = shaderNames().filter((name) => device.info.subgroups || !name.endsWith("SUBGROUPS=1"));
  assert(variants.length >= names.length);
  assertEquals(await refusedVariants(device.gpu, variants, true), []);
});

Deno.test("what a compiler refuses is named", async () => {
  using device = await openDevice();
  const [softmax] = shaderVariants({ f16: false, subgroups: false }).filter(({ name }) =>
    name.startsWith("softmax")
  );
  const broken = { ...softmax, code: softmax.code.replace("@compute", "@compute @nonsense") };
  const [line, ...more] = await refusedVariants(device.gpu, [broken], false);
  assert(line.startsWith("softmax xElem=f32: ") && more.length === 0, line);
});
