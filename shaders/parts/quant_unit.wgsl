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
    // One row: of 16 values that share a scale the sum is scaled, not each of them. More rows share what was scaled.
    // unroll few RM % 2 * (1 - INTEGER)
    // unroll h 2
    {
      // unroll i RM
      var ones#i = 0.0;
      // unroll j RN
      var sum#i_#j = 0.0;
      // end
      // end
      // unroll e 2
      {
        let k = unit * 4u + h * 2u + e;
        // unroll i RM
        let a#i = loadX(x#i + min(k, s.K8 - 1u));
        ones#i += total(a#i);
        // end
        // unroll j RN
        let v#j = storedW(u#j, h * 2u + e, k, c#j);
        // unroll i RM
        sum#i_#j = mac4(mac4(sum#i_#j, a#i.lo, v#j.lo), a#i.hi, v#j.hi);
        // end
        // end
      }
      // end
      // unroll i RM
      // unroll j RN
      acc#i_#j += scaledSum(sum#i_#j, ones#i, u#j, h);
      // end
      // end
    }
    // end
    // end
    // unroll e 4 * (1 - RM % 2) * (1 - INTEGER)
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
