// Eight values as loads bring them: one vector of 16 bits each, or two of f32.

struct Eight { lo: vec4f, hi: vec4f }

fn halves(v: vec4u) -> Eight {
  return Eight(
    vec4f(unpack2x16float(v.x), unpack2x16float(v.y)),
    vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn wide(lo: vec4u, hi: vec4u) -> Eight { return Eight(bitcast<vec4f>(lo), bitcast<vec4f>(hi)); }
