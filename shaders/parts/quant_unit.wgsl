// The products of unit `unit` of RM rows and RN columns, added to acc#i_#j; with quant_products, linear_sums.
    // unroll j RN
    let u#j = unitFrom(p#j, unit % BLOCK_UNITS);
    // end
    // unroll _ INTEGER
    // unroll i RM
    let a#i = bytesOfX(r#i * ((s.K8 + 3u) / 4u) + unit);
    // unroll j RN
    acc#i_#j += product32(a#i, u#j);
    // end
    // end
    // end
    // unroll e 4 - 4 * INTEGER
    {
      let k = unit * 4u + e;
      // unroll i RM
      let a#i = loadX(x#i + min(k, s.K8 - 1u));
      // end
      // unroll j RN
      let v#j = loadW(u#j, e, k, c#j);
      // unroll i RM
      acc#i_#j = mac4(mac4(acc#i_#j, a#i.lo, v#j.lo), a#i.hi, v#j.hi);
      // end
      // end
    }
    // end
