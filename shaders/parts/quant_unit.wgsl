// The products of unit `unit` of RM rows and RN columns, added to acc#i_#j; with quant_products, linear_sums.
    // unroll j RN
    let u#j = unitFrom(p#j, unit % BLOCK_UNITS);
    // end
    // unroll e 4
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
