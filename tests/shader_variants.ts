/** Every shader in every type that its operands may have: what Tint and naga have to compile. */

import { bindings, preamble, readsTexels, type TexelAccess } from "../lib/gpu/kernel.ts";
import { shaderNames, shaderText } from "../lib/gpu/shaders.ts";

/** A text to compile. */
export interface Variant {
  /** Name of the kernel, and the types. */
  readonly name: string;
  readonly code: string;
  /** The entry's text alone. */
  readonly text: string;
  /** How it reads textures. */
  readonly texels: TexelAccess;
}

/** Names of element types that a text uses and leaves to whoever compiles it. */
function aliases(text: string): string[] {
  return [...new Set([...text.matchAll(/\b([a-z]?elem|[a-z]Elem)\b/gi)].map(([name]) => name))];
}

/** All that a device can do: with f16 every mixture of f32 and f16, subgroup operations where it has them. */
export function shaderVariants(
  { f16, subgroups, integerDot = false }: { f16: boolean; subgroups: boolean; integerDot?: boolean },
): Variant[] {
  const all = shaderNames().map((name): [string, string] => [name, shaderText(name) ?? ""]);
  const entries = all.filter(([, text]) =>
    (subgroups || !/\bsubgroup[A-Z]/.test(text)) && (integerDot || !/\bdot4I8Packed\b/.test(text)) &&
    (f16 || !/<f16>/.test(text))
  );
  return entries.flatMap(([shader, text]) => {
    const names = aliases(text.replace(/\/\/.*/g, ""));
    let mixtures: Record<string, string>[] = [{}];
    for (const name of names) {
      mixtures = mixtures.flatMap((m) =>
        (f16 ? ["f32", "f16"] : ["f32"]).map((type) => ({ ...m, [name]: type }))
      );
    }
    const accesses = readsTexels(text) ? ["sampled", "storage"] as const : ["sampled"] as const;
    return mixtures.flatMap((types) =>
      accesses.map((texels) => ({
        name: [
          shader,
          ...Object.entries(types).map(([name, type]) => `${name}=${type}`),
          ...texels === "storage" ? [texels] : [],
        ].join(" "),
        code: preamble(types, text, texels) + text,
        text,
        texels,
      }))
    );
  });
}

/**
 * Compiles them.
 *
 * @param pipelines Whether down to pipelines: once with the overrides as they are, once with every flag of them set.
 * SwiftShader takes minutes and gigabytes for all of that.
 * @returns The compiler's words about those that it refuses.
 */
export async function refusedVariants(
  gpu: GPUDevice,
  variants: readonly Variant[],
  pipelines: boolean,
): Promise<string[]> {
  const refused: string[] = [];
  for (const { name, code, text, texels } of variants) {
    gpu.pushErrorScope("validation");
    const module = gpu.createShaderModule({ code });
    const { messages } = await module.getCompilationInfo();
    if (pipelines) {
      const entries = bindings(text, texels);
      const layout = gpu.createPipelineLayout({ bindGroupLayouts: [gpu.createBindGroupLayout({ entries })] });
      const flags = text.matchAll(/^override (\w+)\s*:\s*\w+\s*=\s*0u?;/gm);
      const set = Object.fromEntries([...flags].map(([, flag]) => [flag, 1]));
      for (const constants of [{}, set]) {
        gpu.createComputePipeline({ layout, compute: { module, constants } });
      }
    }
    const error = await gpu.popErrorScope();
    const words = [...messages.filter(({ type }) => type === "error"), ...error ? [error] : []];
    if (words.length > 0) refused.push(`${name}: ${words.map(({ message }) => message).join("; ")}`);
  }
  return refused;
}
