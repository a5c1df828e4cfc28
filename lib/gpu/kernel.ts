/**
 * Kernel = shader text + element types + override constants, compiled once and remembered.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { shaderText } from "./shaders.ts";

/**
 * How kernels read textures: through the sampling unit, or as storage, which may cost a driver much less (llvmpipe: half) and which
 * some platforms do not offer for reading. The bytes are the same.
 */
export type TexelAccess = "sampled" | "storage";

/** What tells one compiled kernel from another. */
export interface KernelSpec {
  /** Name in shaders/, without `.wgsl`; unrolled variants as `name@RM=8,RN=8`. */
  readonly shader: string;
  /** Aliases put before the text, for example `{ elem: "f16" }`. */
  readonly types?: Readonly<Record<string, string>>;
  /** Values of the shader's `override` constants. */
  readonly constants?: Readonly<Record<string, number>>;
  /** How it reads textures, if not as {@linkcode KernelCache.texels} says. */
  readonly texels?: TexelAccess;
}

/** A compiled kernel. */
export interface Kernel {
  /** What it was compiled from. */
  readonly spec: KernelSpec;
  /** The pipeline. */
  readonly pipeline: GPUComputePipeline;
  /** Layout of group 0: binding 0 is the uniform block of parameters. */
  readonly layout: GPUBindGroupLayout;
  /** Operands: storage buffers and textures, bindings 1 … n. */
  readonly storage: number;
}

/** Compiles kernels and keeps them. */
export class KernelCache {
  private readonly compiled = new Map<string, Kernel>();
  private readonly pending = new Map<string, Promise<Kernel>>();
  /** Parsed once for all values of the constants. */
  private readonly modules = new Map<string, GPUShaderModule>();
  /**
   * Multiply-adds that products of a kind have in tiles of 8 × 8 before they get a larger one, which takes long to compile: a fifth of
   * a second, a second where nothing of it is cached, for a seventh of their time from then on. After this many both have cost the same.
   * 0 where kernels are measured.
   */
  largeAfter: number = 2 ** 35;
  private readonly worked = new Map<string, number>();

  /**
   * Use `device.kernels`.
   *
   * @param texels How kernels read textures that say nothing of it.
   */
  constructor(private readonly gpu: GPUDevice, public texels: TexelAccess) {}

  /**
   * The kernel, compiled now if it has not been.
   *
   * @param beforeCompiling Called first then, which may block for a tenth of a second.
   */
  get(spec: KernelSpec, beforeCompiling?: () => void): Kernel {
    const key = this.keyOf(spec);
    let kernel = this.compiled.get(key);
    if (!kernel) {
      beforeCompiling?.();
      const { descriptor, ...described } = this.describe(spec);
      kernel = { ...described, pipeline: this.gpu.createComputePipeline(descriptor) };
      this.compiled.set(key, kernel);
    }
    return kernel;
  }

  /** Counts a product among those of its kind; whether they have been at work for so long that a larger tile pays. */
  pays(kind: string, multiplyAdds: number): boolean {
    const all = (this.worked.get(kind) ?? 0) + multiplyAdds;
    this.worked.set(kind, all);
    return all > this.largeAfter;
  }

  /** What was compiled by {@linkcode get}, in the order of first use. */
  specs(): KernelSpec[] {
    return [...this.compiled.values()].map(({ spec }) => spec);
  }

  /** Compiles without blocking, several at once; rejects with what the platform does. */
  prepare(spec: KernelSpec): Promise<Kernel> {
    const key = this.keyOf(spec);
    const ready = this.compiled.get(key);
    if (ready) return Promise.resolve(ready);
    let job = this.pending.get(key);
    if (!job) {
      const { descriptor, ...described } = this.describe(spec);
      job = this.gpu.createComputePipelineAsync(descriptor).then((pipeline) => {
        const kernel = { ...described, pipeline };
        this.compiled.set(key, kernel);
        this.pending.delete(key);
        return kernel;
      });
      this.pending.set(key, job);
    }
    return job;
  }

  /** A shader's text with its types, parsed. */
  private module({ shader, types, texels }: KernelSpec, code: string): GPUShaderModule {
    const key = this.keyOf({ shader, types, texels });
    let module = this.modules.get(key);
    if (!module) this.modules.set(key, module = this.gpu.createShaderModule({ label: shader, code }));
    return module;
  }

  /** Everything a pipeline is made of. */
  private describe(
    { shader, types, constants, texels = this.texels }: KernelSpec,
  ): Omit<Kernel, "pipeline"> & { descriptor: GPUComputePipelineDescriptor } {
    const spec = { shader, types, constants }; // without what else a launch holds
    const text = shaderText(shader);
    if (text === undefined) {
      throw new LssgenError(
        "internal",
        `No shader "${shader}": run \`deno task shaders\` after adding a .wgsl file`,
      );
    }
    const entries = bindings(text, texels);
    const layout = this.gpu.createBindGroupLayout({ label: shader, entries });
    return {
      spec,
      layout,
      storage: entries.length - 1,
      descriptor: {
        label: shader,
        layout: this.gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: {
          module: this.module({ ...spec, texels }, preamble(types, text, texels) + text),
          constants: constants as Record<string, number>,
        },
      },
    };
  }

  /** What tells one kernel from another. */
  private keyOf({ shader, types = {}, constants = {}, texels = this.texels }: KernelSpec): string {
    return `${shader}|${Object.entries(types).join(";")}|${Object.entries(constants).join(";")}|${texels}`;
  }
}

/** What shaders call a texture of 2048 texels of 16 bytes a row, and how they read it as one long list. */
const TEXELS: Readonly<Record<TexelAccess, string>> = {
  sampled: `alias Texels = texture_2d<u32>;
fn texel(t: Texels, at: u32) -> vec4u { return textureLoad(t, vec2u(at & 2047u, at >> 11u), 0); }
`,
  storage: `alias Texels = texture_storage_2d<rgba32uint, read>;
fn texel(t: Texels, at: u32) -> vec4u { return textureLoad(t, vec2u(at & 2047u, at >> 11u)); }
`,
};

/** Layout entries of a texture. */
const TEXEL_LAYOUTS: Readonly<Record<TexelAccess, Partial<GPUBindGroupLayoutEntry>>> = {
  sampled: { texture: { sampleType: "uint" } },
  storage: { storageTexture: { access: "read-only", format: "rgba32uint" } },
};

/** Whether a shader reads textures. */
export function readsTexels(text: string): boolean {
  return /\bTexels\b/.test(text);
}

/** The lines put before a shader's text: what it needs enabled, one alias for each type, and how textures are read. */
export function preamble(
  types: KernelSpec["types"],
  text: string,
  texels: TexelAccess,
): string {
  const names = Object.entries(types ?? {});
  const f16 = /<f16>/.test(text) || names.some(([, type]) => /\bf16\b/.test(type)) ? "enable f16;\n" : "";
  const subgroups = /\bsubgroup[A-Z]/.test(text) ? "enable subgroups;\n" : "";
  const aliases = names.map(([name, type]) => `alias ${name} = ${type};\n`).join("");
  return f16 + subgroups + aliases + (readsTexels(text) ? TEXELS[texels] : "");
}

/** Bind group layout entries read off the text, so that a shader's bindings stand in one place only. */
export function bindings(text: string, texels: TexelAccess): GPUBindGroupLayoutEntry[] {
  const entries: GPUBindGroupLayoutEntry[] = [];
  for (
    const [, binding, space] of text.matchAll(/@binding\((\d+)\)\s*var(?:<([^>]+)>|\s+\w+: Texels)/g)
  ) {
    if (space === undefined) {
      entries.push({ binding: Number(binding), visibility: 0x4, ...TEXEL_LAYOUTS[texels] });
      continue;
    }
    const kind = space.replaceAll(" ", "");
    const type = kind === "uniform"
      ? "uniform"
      : kind === "storage,read_write"
      ? "storage"
      : "read-only-storage";
    // The parameters' place is told at each launch, so that launches with the same operands share a bind group.
    const hasDynamicOffset = type === "uniform";
    entries.push({ binding: Number(binding), visibility: 0x4, buffer: { type, hasDynamicOffset } });
  }
  return entries;
}
