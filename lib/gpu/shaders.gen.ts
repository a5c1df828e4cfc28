// Generated from shaders/*.wgsl by tools/build_shaders.ts: edit those and run `deno task shaders`.

/** WGSL text by shader name; variants are `name@RM=8,RN=8`. */
export const SHADERS: Readonly<Record<string, string>> = {
};
