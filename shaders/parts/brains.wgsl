// Eight values of bf16; with eights.

fn brains(v: vec4u) -> Eight {  // bf16 is the upper half of an f32
  let even = bitcast<vec4f>(v << vec4u(16u));
  let odd = bitcast<vec4f>(v & vec4u(0xffff0000u));
  return Eight(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}
