// group_norm_texels.wgsl — as group_norm_stats.wgsl, over many groups at once, X read from a texture.
//
//   X [B, P, C] f32 or f16 by X_TYPE, P pixels, C a multiple of 4 (f32) or 8 (f16)
//   Y [B, G, chunks, 2] f32: mean and sum of squared deviations
//
// One workgroup a chunk of pixels and a slice of channels: whole groups, whole fours, at most 4·WG. A lane sums four channels of every few pixels; two passes over the chunk, so
// that a mean far above the spread does not cancel.

override WG: u32 = 64u;
override X_TYPE: u32 = 0u;   // 0 f32, 1 f16

struct Shape { P: u32, C: u32, G: u32, chunk: u32, chunks: u32, first: u32, b: u32, base: u32, slice: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var                      X: Texels;
@group(0) @binding(2) var<storage, read_write> Y: array<vec2f>;

var<workgroup> partial: array<vec4f, WG>;
var<workgroup> means: array<f32, WG>;

// include texel_fours

/// Sum over all lanes of the channels of group g.
fn total(g: u32, width: u32, quads: u32) -> f32 {
  var sum = 0.0;
  for (var c = g * width; c < (g + 1u) * width; c++) {
    for (var lane = c / 4u; lane < WG / quads * quads; lane += quads) { sum += partial[lane][c % 4u]; }
  }
  return sum;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let chunk = s.first + group.x;
  let c0 = group.y * s.slice;
  let here = min(s.slice, s.C - c0);
  let quads = here / 4u;
  let width = s.C / s.G;
  let groups = here / width;
  let p0 = chunk * s.chunk;
  let pEnd = min(p0 + s.chunk, s.P);
  let n = f32((pEnd - p0) * width);
  let together = WG / quads;              // pixels that are read at once; lanes beyond together · quads rest
  let works = lane < together * quads;
  let q = lane % quads;

  var v = vec4f();
  if (works) {
    for (var p = p0 + lane / quads; p < pEnd; p += together) { v += xFour(((p - s.base) * s.C + c0) / 4u + q); }
  }
  partial[lane] = v;
  workgroupBarrier();
  for (var g = lane; g < groups; g += WG) { means[g] = total(g, width, quads) / n; }
  workgroupBarrier();
  let c = q * 4u;
  let mean = vec4f(means[c / width], means[(c + 1u) / width], means[(c + 2u) / width], means[(c + 3u) / width]);
  v = vec4f();
  if (works) {
    for (var p = p0 + lane / quads; p < pEnd; p += together) {
      let d = xFour(((p - s.base) * s.C + c0) / 4u + q) - mean;
      v += d * d;
    }
  }
  partial[lane] = v;
  workgroupBarrier();
  for (var g = lane; g < groups; g += WG) {
    Y[(s.b * s.G + c0 / width + g) * s.chunks + chunk] = vec2f(means[g], total(g, width, quads));
  }
}
