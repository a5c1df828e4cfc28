// The end of a product's main(): the sums acc#i_#j of RM rows from m0 and columns c#j from n0 become results.
  // A loop over rows with the sums picked by select, since unrolled, or with the sums in an array, it takes
  // some drivers longer to compile than all the rest. Bias and gate are loaded once a column, the gate again
  // where a tile meets the next sample.
  // unroll j RN
  var shift#j = 0.0;
  if (s.hasBias == 1u) { shift#j = bias[c#j]; }
  var factor#j = s.scale;
  // end
  var sample = 0xffffffffu;
  let rows = min(s.mEnd - min(m0, s.mEnd), RM);
  for (var i = 0u; i < rows; i++) {
    let b = (m0 + i) / s.S;
    let q = m0 + i - b * s.S;
    if (GATE == 1u && b != sample) {
      sample = b;
      let g = b * s.gateN + s.gateAt;
      // unroll j RN
      factor#j = s.scale * gate[g + c#j];
      // end
    }
    let y = (b * s.yN + s.yAt + q) * s.N - s.yBase;
    let r = (b * s.rN + s.rAt + q) * s.N - s.rBase;
    // unroll j RN
    var sum#j = acc0_#j;
    // unroll p RM
    sum#j = select(sum#j, acc#p_#j, i == p);
    // end
    if (n0 + j < s.nEnd) { store(sum#j, shift#j, factor#j, r + c#j, y + c#j); }
    // end
  }
