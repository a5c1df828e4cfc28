// The beginning of a product's main(): where RM rows from m0 (x#i) and RN columns from n0 (c#j, w#j) lie, and sums of zero.
  // Rows and columns beyond the edge read the last one again and are not stored.
  // unroll i RM
  let r#i = min(m0 + i, s.mEnd - 1u);
  let b#i = r#i / s.S;
  let x#i = (b#i * s.xN + s.xAt + r#i - b#i * s.S) * s.K8 - s.xBase8;
  // end
  // unroll j RN
  let c#j = min(n0 + j, s.nEnd - 1u);
  let w#j = c#j * s.stride8 - s.wBase8;
  // end
  // unroll i RM
  // unroll j RN
  var acc#i_#j = 0.0;
  // end
  // end
