import { assert, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import type { Picture } from "../lib/image/png.ts";
import { resize, type ResizeFilter } from "../lib/image/resize.ts";

/** Random pixels and what Pillow 13 makes of them: filter, width/height/channels, new size, both in base64. */
const PILLOW: [ResizeFilter, [number, number, 1 | 3 | 4], [number, number], string, string][] = [[
  "lanczos",
  [9, 7, 3],
  [20, 15],
  "q84FzniDoUn6DUdikmghCwAMJv8wp8A8SG9D+S3lzNgdZKB+qq2pD/WO50Vc4S8QX60f3lc6i+Xi304Ex7XFAAmAVW/uNIdTS84nUR4mR7KUcivMzDwPUSXMhYFKgfc8xANQ7t8V19h0XvrzrWY170SOrD1QvTKs8a+ldvc4W6SnGymx16LuYFTMCjExYyjM2GEHthucK/Ct/Z25YM8cJ1y2fNjxZmyNpXqa9btRbGYmAMprWqGQ753slFNS",
  "k/0Ao9wAuaA501yj3kD+sj7/RTTTAC9vIUUtj1sbmjIOMQAAABEFAKkeDP83bv9Ar8tBjY1DRHpHFHBJtrAlwKwryaBGzIeCvmnIllXlWEzFLVeAP3hLcJAzeWQkURUYLxIaL3YhS9ore+wync43j5c7b3I9WVw/6Tmk6V+H4Z1aw8dFjapsbXyhd3Sui5GabcN+PeFiRLVRhFVIvRg8viomsmsYkKsbfcsokKQzsGo1xEQ39yD/9UzY6pdlxtsJidgkbLF2jJagqpqrbsSzFO+vIN6dk5J/+URW/R4r2S4PhWQJUZQWe4wtxWc79U9EvK3/xqHW0o5Y3JMA0b00r8uVfo+pTkidK0u/IoftOanfYJyWhIpPiYcufnYhUk4QNzQTVE45gnZcoJBydv/+kMy8t3dF5kYD939eya/IY3C6BxR9BhCVQ1TaYHvaRXWMMItCO8wqTtUlW3sXXCYiUEtZQqCNOtesVqD/doK/qFI70TAAwUdsimTiUVHCLzxdNmdKWqR4cJOObz50dDRJjKAkpvQQwtIQuY87fKKFPtvBGv3gYCjugi6ttjpDyjoQjyprUyXKVze0fmtdicUvgP8zicdGqjlUzQVK42wo7+MV9/co4Npno9+zbPXnTv//gy18pzVw3UJe8kNXtDBqdiSDeiuOpliJv6x4vvJgvOVJvow7vGA2t5I9q8NUl691i46lmabXrNL2uOz/oGcoul9E4lJz90ON1kBsqz1Qny5ssy+j2Fm/8Juy39SApetFdec3atdnWqShKlayHSu1aVTPwZXq9sD3lmJTlVhalkdllDZykjJ3lzR1pC9qvCxu5SyS/ES+0ZGzd/Z7Uf9sfOmikpXETV+XCVBnMl6MgHXOsYb3dVDMW0mfMz1VGCs5LB6IZCPAnT9+ylQf6Dcp4hSHm0m8QcSuQf+qrdPK+Jq9w6ZgU74aJZ5MLW6pN1Pjb4j/U3jTKl50ED9FKjCPbEDLsm2J3osd4mYLuSpMZUGGG6eaI+GngsG13J+n5716rNdVaqdiQWaDK0CYfdL/bbfiWIukT114Y1GPlGun0JiH8bNL35MqnlwsSmNED6llB9OAMr2JfqCYxqq84LDKvoqhjF1takVOhvz6gNzme6S/fW+Yi2WNroSO4a+F+sdr3K9Cjn8cPn4bDatCAMhjArpqQqGOrJzk/JT/8XfLvFtllk0l",
], [
  "bicubic",
  [9, 7, 3],
  [13, 7],
  "/ZYw1NICKLFnVxIw29XUkiNShv5CjH2AjbQb+93ER3ByTw6+AMMxpFc87XnjMHtYdAOqWNs2VgvLiGbqmPa8lYAzsMqyaQG8Cs0mTjaKNEIM+zcxmSTiyFlmXbxqSa4jyW3wQmDftApXBNJqO7neGoFdue6Iv1CUfrsMPAv6h316CNXYBZ+OYX3hmX26sYbUkJ59l53mP12NVqzTMA79gr/C9AhL+3FlQgUL+QQjP0jcUylksHI/HhB9MZWt",
  "/5Iz87cSsdMSLrhkNTs8gEBc29XUq0l7iGpAhv9Fi5V7jY9TjbcV/+TJnauVPlN9UQy/EYZmJLIkpFc87WzBrIK6LXVYZgqga2N3VugvUwXJbzHejonnl/PDlatZnpJKsMqyhCrJP0KDCs0mQVV9RjJUMkME/zgmxSqVnSrXyVNsh5xoTMJRSa4jsH+4nWj/Q1vYqAxuZmVYAN5rPbzmIJWYNZRcse6FyYacsGdpfrsMRjXAWCPZhIV6IcvJAMG6BZyJXn3jfXzLon6+sYXWnJaWkqKWl53mVWijQ3yeVafXMiD7VVnjh8q+9AJJ/0Ve1mRWRQoPvQAJ1BdaP0jcQS6NfEVLrG9BORpuHkqYMp2w",
], [
  "lanczos",
  [23, 17, 3],
  [8, 5],
  "YYAOjC50HEZqfQfsazMyu3BAczEpUvYXi+92XY4tsgCQDwU2uGprmhH7fOPBPk2c1+t8Gv7atmUiyDRS3aBMgZwaRsKg0rx7TGMz8gdfEeGna8pfd1zCD4xG+TpmD3+KwHE/BuknxetSIrFfCfPoHbpoEM3aBBsR9e7WrxdChHoaP7PkG/NREuqGqS/oZ1+9wLY7MJFVCGzGYmmu+MklVYlwOhGmXVHy1IDojuubWpGxzfhCGlGT4+l/C/U7IzjIiHlZebfh8yG9g18/EFc70eRlY8gnAzX/cfQIrUMyoqjIMNdfDwgWEaYohy7A1tY+cNPPAaoOog+U7mjRSwOE7rg5QkORlZg0vPk0XXWS45L4SKi81v55mL4Vuc6Pqs19EaedQm1NH4NrEUmWDy5FQP/mVpZxPiiytv9a5ezM0FWZlWqVchZvsdeFBIVhvKsT8DaH/BZMy0GjEiRPgI9yCpRJbUEFJ1vK0vZJ6mtwORDHWamGdGEeu+S+eeX+eCE9qel14hsgdzZNqO/SQPUDBdowz2yQjY3HtI7XhBY9AqY/lRHy0jCQH7FaklOHc2ArOLTi0pkBy+lOFzlOXnxXbF83nrqX1ic6KSpKhDUmAfBP2ZvVB2nHyTRk8XXHG6wJqqstMT/075Dmk5nkWkyaAlg4A3WMJpFHKLx0YPFX2jufiCv+9ytb1xjGS5l/ikmFhhq6kXn9P7osd+Nxbt5PAQozjvX1p0rTXojLCoaJP6G3FvB7s/HWD4IL+xocrmTkTid+2Js4vImhw7keE3pm3TNaNsxUdMXxI2bL0s0TqVY0JfpnsWfvPeFr2K6nkxY+HbYntQBrxHX5LGbVqVtqS8ftjk4AMtth9ITBnbhlfK9jBT/tLHZ8cqdy10aS0PlzzhiTWdt8bVxVGnrjhybbuglsp35YrfIEUn0kdW1tpwB0ArJ9NHTvVUsdgl3xrH/RxsOpAABWmX2j0LeQ1s31sLUS5fv9jkyaykIf58H/+FdifQsQ0cMdpKY78tQ0jIvtjdHnGQc8F9nzCLwhZetCzy5BS1a9CfYg/wLDlnycViTI1Q98jZmUqZY0M83kaRF/KCDPQT109LnedQuP1sFIZ0wEF49Q8coJyna+p/R9LhpAgw8UBRFYVhotbIGN8R03EP29WQzVNIVox73dA9eDJcrkkB7xvIELWkzxIeOfyFCLkEw3s2b15jKYuXxDuc7+PFWRHG09eShYZxq9VMTOG7gpK1wP2NJ7goq7SpCMsJo8VvuZ4MEPWhl02iFcQmsKhQ6tFQblkLtvlZTMMC2fWuaU2dqbihIgtQu3CJ7BkOSrJafPbwp21Xqz9HmNepY49e6/RQFDhsWwkwGEZZLLHGkbnfrBszydFo89PCMo7JWXAoMHGVcilfvtpHO5Tm70A0zue9V6ZQtgG0kCe8tPYb2u/nIffkvdxGS2GhCrCgdNg55e5m02uu/WQPZ4x0rRX+/eYlBXPQe+dPEOLTZEaaxp6sOHdm+0KAXnuB3C7ANgWYCiHyNYzmT4LMhVnkDIG/DN9MdVK6UIGP3qFQ4VScqSLDkF",
  "hHdsZX58Znhdcod5a6SRYJuRmH5rcpV6eJB8ZpFtVXVsZpCKpYR7gWpvcKZsrWaLaXWUVXmLc4pvqX6CemF8jI6QfJl4g3+QpJBPfomUTGNocHV3g3SYkaqQgGGRiVWOb3J/fZJ2ZmawYV15m4h7cHSXbIRnZIeF",
], [
  "bicubic",
  [16, 16, 1],
  [8, 8],
  "a2VZcKoDhE7UbZ9cuPMEVqwU6SwihMj1yMoVEp3DT/Bejv7Nksx6gMzsZFohE/p3Kdnm+/rnd6we5nVdiyzJ0f8zPloIMfuyAJ32EuQV5v1nazMnme1uf7XpMQN4kekLljjtu8DyImKlnC8DEimaVQLlDQljpi5CqvlHVD2ajc6GhNiJ0r3v7hxUDuvA5Gb9DXqH3VIsNqOqcrvLQtuq1zmz4sdlD3muKoB2+Ua5yGMirYjoZ03pZ6c6kIYl/xpQmkDrYRQTbC1ehgW9n+92snsv1K+fnD1g9cDsUbG7H4uiAwAASYNvY3YFyYmPIKWZcxu7ly9C5ULWwOno8+nIAA==",
  "bXhcoLVSnHWH0rCZpXFRvXxXh5ePYHKncXOqYaQ5WI5spHyYbpitwXDBToNnjZSAa5FeXY6BoHlPUWGAkcKmeg==",
], [
  "bilinear",
  [11, 6, 3],
  [5, 13],
  "SiDqLs/deIoZ+PmPNjIsZY323K9F7jU9yK+Q6pERmBzPTsfrQ+dcX//v1gqKMFFv5sxI9HazlyjEjrQCrys14lb7v8KTv+k0Eor7t36DS4AZCBHb/cjJcfqb2MdufjG5ias9Cih7jiiS7/vyzSgEFSvzjxi1k/0cjDB4pQJYbxfcQg7nhp/zTPbLBBRO2jGs+1TMH0R7Ygms9wY9KinKIE74PMbpbbh+25rIBoPQL3KxiIwEusGsHcpzDnwqFOI7r7ze2g7Y",
  "R3+9maxegoCQ33pTxGpySJG6laFqjYKK1XVbwmZzS76zi4eIp4h9vGpuv1x1Vtyognacr4h4qm5/t1l3fNKSeYGShXWOrKGNpGx5nMN/c4qJX2SirMuYkXh+hoyNjnmIal2coI5/fkahcFWbqWeHdFaWk1BmahTEY3aso1aPdUiYjzV1TzvWV6C+mUSYdDqaix2INGnmZqe7elaZd2GMZUx3VXnaf6OxVHSYepl5NJJZi3/GiaGtRICYfLFxIK9NooG9",
], [
  "box",
  [12, 9, 3],
  [4, 3],
  "hecD7SiKDAcw7kEgEgGm0JWNr/n6t0goPhxOsdD3p2rAVDyPIql4SeeUQmLDhbN6Xemza+vzNllCD2PqMi5mErs629aqoYpx6zwvAbLnYQnvJzGoQaId2nQ8sAdKbeWczO1FvJpbqAgiS6YfoITeVkxWI/OLYNvSHmg13hrB/LbChBfg2TtvWgYsD+s/ZAlPK9MQMyT2Gf1sdNPayPGHXg+d8oIQBgMRv02gK8HvRinklt8CCzX0pcQh2uF6z8vB6aflikYsK5Sl5HGy25dz6SjSYJf2qbI8KxEwwGI+8G+E4EUXNkQ/w4lcNp0bC9KUp5WY5UE8axThnEPublwZ6WNDFUHFaP8LE3NcO/NGHjnP7BzkdqTIa8ppzfNSF4qeITD+5LthZNx+BJU1W5NUtOgRKJTzE4zAdQJ4NAPoU8p1hQzL",
  "Y3KCfIR/cnV3jIp4WJ6HlYyfqmKDa3eChWhwaJ04WHWpemqe",
], [
  "bicubic",
  [9, 7, 4],
  [14, 5],
  "A60BtJ4HAcjzkqCgt+4KuYJfNOTrKFsYMtduKVKKJGXHFjes6D28R9yTuvTio/SuAlpCauf1iy3rAHaSV8HVK0MGaOXTaGNSp5km6zWL+qIx2irhBBoTHGasnYfhVPwUWi5/4mesdjfa4mkTvlTb5GhbV8oXgqy7zHGiskbLtDE5hc0o8WpTr5oodBJVnuSLUArKOcDAHPbUh2ClXhZxm2YGaw/BVk+uKJ/B8m0vic4si6zXneKi0O7NE8CFxAvoXv6kK9B+Rhnl4+u769Fwp6Bfec8R3UY51lsuC3GarLZpGJXxkBkgEgrWhWKi1Y5d+Wgngxa41Zfk6Pht",
  "Cacchm5gKK/COEbY9HWvrtq4jp+QzROmh4gmsZpQQo7oC2tFvZysHyu2bjVBSEiMjy9Bm9IiP5XAhTeip4mWsoqX4ch1wI7XWrVflQAzODZesI9OqJ+iWO4NjkuALIt5UjmDl0gobYlyRGVO/6pcIblXu82WYY/MX3RfyC+NfMFZgI+zt1qXmYuIplYuv60sYWGCL55jc5+kYnC1jkx1MkiN0FhGm9mQfqfHd7e7VKrWxQ7jvbYiz5aNR6RcPX5rOgBiGvGBgTfUlJW2jrKl0mueoNaHRYHXWGKIsBiempGq5ZtFosaKdpSffMB1Wmz4bkhmon//XxAA4HAyVdufXcHnxXj/rV+D3ItLklOZqqhyvsp63v/hTw==",
], ["lanczos", [1, 1, 3], [3, 2], "5BBl", "5BBl5BBl5BBl5BBl5BBl5BBl"]];

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

Deno.test("resize() equals Pillow to one level, growing and shrinking, with every filter", () => {
  for (const [filter, [width, height, channels], [newWidth, newHeight], before, after] of PILLOW) {
    const got = resize({ width, height, channels, data: bytesOf(before) }, newWidth, newHeight, filter);
    const expected = bytesOf(after);
    assertEquals([got.width, got.height, got.data.length], [newWidth, newHeight, expected.length]);
    for (let i = 0; i < expected.length; i++) {
      // Colour under little alpha is divided by it, so one level of difference grows there.
      const alpha = channels === 4 ? expected[i | 3] : 255;
      const allowed = i % channels === 3 ? 1 : Math.ceil(1.5 * 255 / Math.max(1, alpha));
      assert(
        Math.abs(got.data[i] - expected[i]) <= allowed,
        `${filter} to ${newWidth}x${newHeight}: byte ${i} is ${got.data[i]}, Pillow has ${expected[i]}`,
      );
    }
  }
});

Deno.test("resize() keeps an even colour even and the same size untouched", () => {
  const picture: Picture = { width: 5, height: 4, channels: 3, data: new Uint8Array(60).fill(77) };
  for (const filter of ["box", "bilinear", "bicubic", "lanczos"] as const) {
    for (const [width, height] of [[1, 1], [2, 9], [40, 3]]) {
      assert(
        resize(picture, width, height, filter).data.every((v) => v === 77),
        `${filter} ${width}x${height}`,
      );
    }
  }
  assertEquals(resize(picture, 5, 4), picture);
});

Deno.test("resize() refuses sizes that no picture has", () => {
  const picture: Picture = { width: 1, height: 1, channels: 1, data: new Uint8Array(1) };
  for (const side of [0, -3, 1.5, NaN, 70_000]) {
    assertThrows(() => resize(picture, side, 4), LssgenError, "Cannot resize");
  }
});
