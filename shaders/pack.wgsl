// pack.wgsl — latents [B, H, W, C] ↔ tokens [B, (H/p)·(W/p), p·p·C].
//
// ORDER 0: a token's channels are (c, dy, dx), as FLUX packs and patch convolutions read them.
// ORDER 1: (dy, dx, c), as DiT and SD3 write their output. UNPACK 1 goes from tokens to latents.
// One invocation an element; workgroups fold over x and y.

override WG: u32 = 64u;
override ORDER: u32 = 0u;
override UNPACK: u32 = 0u;

struct Shape { count: u32, fold: u32, H: u32, W: u32, C: u32, p: u32 }

@group(0) @binding(0) var<uniform>             s: Shape;
@group(0) @binding(1) var<storage, read>       X: array<f32>;
@group(0) @binding(2) var<storage, read_write> Y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * s.fold + group.x) * WG + lane;   // in tokens
  if (i >= s.count) { return; }
  let width = s.p * s.p * s.C;
  let token = i / width;
  let e = i % width;
  var c = e / (s.p * s.p);
  var d = e % (s.p * s.p);
  if (ORDER == 1u) { c = e % s.C; d = e / s.C; }
  let w = s.W / s.p;
  let h = s.H / s.p;
  let b = token / (h * w);
  let y = (token / w % h) * s.p + d / s.p;
  let x = (token % w) * s.p + d % s.p;
  let j = ((b * s.H + y) * s.W + x) * s.C + c;        // in latents
  if (UNPACK == 1u) { Y[j] = X[i]; } else { Y[i] = X[j]; }
}
