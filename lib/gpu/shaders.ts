/**
 * The text of each kernel, expanded from its source when it is first asked for.
 *
 * @module
 */

import { ShaderSource } from "./expand_shader.ts";
import { PARTS, SOURCES } from "./shaders.gen.ts";

const read = new Map<string, ShaderSource>();
const texts = new Map<string, string>();

/** A kernel's WGSL: `softmax`, or a variant as `matmul@RM=8,RN=8`; undefined for an unknown name. */
export function shaderText(name: string): string | undefined {
  let text = texts.get(name);
  if (text === undefined) {
    text = sourceOf(name)?.text(name);
    if (text !== undefined) texts.set(name, text);
  }
  return text;
}

/** Whether there is a kernel of that name. */
export function hasShader(name: string): boolean {
  return sourceOf(name)?.names.includes(name) === true;
}

/** Every kernel: files by name, variants as their file orders them. */
export function shaderNames(): string[] {
  return Object.keys(SOURCES).flatMap((file) => sourceOf(file)?.names ?? []);
}

/** The file that a kernel is made from. */
function sourceOf(name: string): ShaderSource | undefined {
  const file = name.replace(/@.*/s, "");
  if (!Object.hasOwn(SOURCES, file)) return undefined;
  let source = read.get(file);
  if (!source) read.set(file, source = new ShaderSource(file, SOURCES[file], PARTS));
  return source;
}
