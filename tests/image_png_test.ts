import { assert, assertEquals, assertRejects } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { decodePng, encodePng, parametersText, type Picture, readPngText } from "../lib/image/png.ts";

// Small files of every colour type and depth, written by Python's zlib; the pixels are Pillow's reading
// (16-bit grey, which it cuts off at 255: the upper 8 bits).
const FIXTURES: Record<string, [file: string, pixelsInHex: string]> = {
  "colour 0, 1 bits": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAEAQAAAABuSMjtAAAAEElEQVR4nGMoYEhgmMCQAAAHCAHB5zQZ1wAAAABJRU5ErkJggg==",
    "00ffffff0000ffff0000ff0000ff0000ffff0000",
  ],
  "colour 0, 2 bits": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAEAgAAAAAp6LI9AAAAFElEQVR4nGP4d4AhxoFBxoGhyAEAGcYDaTG8t18AAAAASUVORK5CYII=",
    "ffffffaaff5555ff00550055ff005555ff00aa55",
  ],
  "colour 0, 4 bits, tRNS": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAEBAAAAACmqEedAAAAAnRSTlMAAHaTzTgAAAAYSURBVHicY+BhKWAo/P2BQdrjAYO36gcAJq0FgCWqPJkAAAAASUVORK5CYII=",
    "0000ccff000044ff77ff77ff11ffffffbbffffff11ffbbff44ff88ffeeff44ffbbff22ff55ffffff",
  ],
  "colour 0, 8 bits": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAECAAAAABjWKqcAAAAIUlEQVR4nGPIbvGSzWGYX3IsZg7D0Ve5XNsZ2u+XxvEDAHLOCbnmh2ZfAAAAAElFTkSuQmCC",
    "6b844a1d6c9f74c65c9cc5ea6d0ab787df755e0f",
  ],
  "colour 0, 16 bits": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAEEAAAAAAzyHbfAAAAN0lEQVR4nAEsANP/AHUJpC7FI9pGNwAAl8rN70KVWDrXAgCU4oJurHaCyfseAMDGDdsl3ouJ0dOmOhUEBXONSQAAAABJRU5ErkJggg==",
    "75a4c5da3797cd4258d79482ac82fbc00d258bd1",
  ],
  "colour 2, 8 bits, tRNS": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAECAIAAADJUWIXAAAABnRSTlMAEQCuAMKVqmpVAAAAS0lEQVR4nAFAAL//ABGuwsnfMY7NWzB6FDjaqgDc1+BPeJ5G6wHWpUC4adUA/0h4N7Gj2M769uUmCntYAOXMbJOW5AZ9rHPr89N24jFOIwOkkeraAAAAAElFTkSuQmCC",
    "11aec200c9df31ff8ecd5bff307a14ff38daaaffdcd7e0ff4f789eff46eb01ffd6a540ffb869d5ffff4878ff37b1a3ffd8cefafff6e526ff0a7b58ffe5cc6cff9396e4ff067dacff73ebf3ffd376e2ff",
  ],
  "colour 2, 16 bits": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAEEAIAAACZwb5UAAAAh0lEQVR4nAF8AIP/ABLCqQ1Eoj7crfLEveNzNjDfJdTOUIMQDsWZ01N16wAqHSVMYAnB1VEVCBCw+76FLbaPeGVxgE8BfaJ1QzIAjexr05weGx1dOKIWxHBhYwZFuayBNadjKMxuZOIoAN4IUPuh0xWKz25EpFd/9y+LLd/hMkDCDf8DE74+Q5FnNz6leZ6OAAAAAElFTkSuQmCC",
    "12a9443eadc4e336dfd45010c5d3752a2560c15108b0be2d8f658001a2438d6b9c1b5da2c46106b981a7286ee2de50a115cf4457f78bdf32c2ff133e",
  ],
  "colour 3, 1 bits": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAEAQMAAAB8/WcDAAAABlBMVEU4lnTWsrkaH1fkAAAAEElEQVR4nGPgYMhgaGAwAAAD+AEhNo26HgAAAABJRU5ErkJggg==",
    "389674389674389674389674d6b2b9389674d6b2b9d6b2b9389674d6b2b9d6b2b9389674389674389674389674389674389674d6b2b9d6b2b9389674",
  ],
  "colour 3, 2 bits, tRNS": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAEAgMAAAA7XR3TAAAADFBMVEXhxijKs8K2mFfq+7A+Pn4YAAAAAnRSTlMAgJsrThgAAAAUSURBVHicY5jawODAwBDYwFBxAAASuANf3Nas4AAAAABJRU5ErkJggg==",
    "b69857ffcab3c280cab3c280cab3c280b69857ffcab3c280e1c62800e1c62800e1c62800e1c62800cab3c280cab3c280e1c62800cab3c280b69857ffcab3c280eafbb0ffb69857ffe1c62800eafbb0ff",
  ],
  "colour 3, 4 bits": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAEBAMAAAC0HehzAAAAFVBMVEXpJhb3fWa6S6PYzR/4u7Iw7GTwOxeWusgQAAAAGElEQVR4nGNQNmBgMBZkYEgWTWBQCzUAAA33Aht/sHzqAAAAAElFTkSuQmCC",
    "ba4ba3d8cd1fd8cd1fe92616e92616d8cd1fd8cd1ff77d66f77d66e92616f03b17d8cd1ff77d6630ec64f03b17ba4ba3f03b1730ec6430ec64d8cd1f",
  ],
  "colour 3, 8 bits, tRNS": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAECAMAAABx7QVyAAAAFVBMVEX8q8LQXN2kpGFXYbaABQQxfpn4x0mWqU/tAAAAAnRSTlMAgJsrThgAAAAdSURBVHicBcGBAQAACIIwMvL/k9s404Kn7GaC7fADlQBFIjCdbQAAAABJRU5ErkJggg==",
    "317e99ff800504ffa4a461fff8c749fff8c749fffcabc200800504ff317e99ff800504ff800504ff5761b6ff5761b6ffa4a461ffd05cdd80a4a461ff800504fff8c749fff8c749ffd05cdd80fcabc200",
  ],
  "colour 4, 8 bits": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAECAQAAADsOj3LAAAAN0lEQVR4nAEsANP/AIO/4nG3NXXnYQQAyU1w/2NDO9k2mwA8zrehbFzzwmQGACBydV/7essgXzjMNxP537zQOAAAAABJRU5ErkJggg==",
    "83bfe271b73575e76104c94d70ff63433bd9369b3cceb7a16c5cf3c264062072755ffb7acb205f38",
  ],
  "colour 4, 16 bits": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAEEAQAAAC8quGIAAAAX0lEQVR4nAFUAKv/ACSej+IkI2NEr5vKqY9WmupLY9x7AC9Fu3sWyJoRQEtJoVg0yGLKOEBTAInmE0Hj9/Z+XOWKPomOxh0R14d7ANftnJCOZQit7JMv0VmyrLh2HJIQazYn+PFMqGgAAAAASUVORK5CYII=",
    "248f2463afca8f9a4bdc2fbb169a404958c8ca408913e3f65c8a89c61187d79c8e08ec2f59ac7692",
  ],
  "colour 6, 8 bits": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAECAYAAABGM/VAAAAAX0lEQVR4nAFUAKv/AJYoA/PPJ6uCvCSzt/9GbiIDC3IsAL4xoIlUc//1RvQ3y1irpthh8OEFABkepVwnF+qZCEKoQ8NJoRnPvYqmABCbdAgHbbivLChAYiMFXBQyN2FqMRoi3v1FVgIAAAAASUVORK5CYII=",
    "962803f3cf27ab82bc24b3b7ff466e22030b722cbe31a0895473fff546f437cb58aba6d861f0e105191ea55c2717ea990842a843c349a119cfbd8aa6109b7408076db8af2c28406223055c143237616a",
  ],
  "colour 6, 16 bits": [
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAEEAYAAAAWoykDAAAAr0lEQVR4nAGkAFv/AA1ZdpboWuJwI8NREKfqBX6S5dODyY0P1UYuF86AlvaTzHXA3MDIVn0A+kQh1iLwYwB2CFbVeGrf23cSazOjIBUA5I3tQwVSn0/+yB3gJtIc+ADrd3dH9QwXk6/pobqJgZ3LIGUINp4jzrPmN8lrdgzqUQh+q5mDarFfAN6JKerHewYddbMQyD689uZoNqVN9BzyaBbuWXH+jMFWa6wQvaXoKoz3+1GLkbgmaQAAAABJRU5ErkJggg==",
    "0d76e8e22351a70592d3c90f461780f6ccc0c056fa212263765678df776ba315e4ed059ffe1d261ceb77f517afa1899d20089ecee6c976ea08ab83b1de29c70675103ef668a5f4f21659fec16b10a52a",
  ],
  "every filter": [
    "iVBORw0KGgoAAAANSUhEUgAAAAYAAAAFCAIAAADpOgqxAAAAaklEQVR4nAFfAKD/AOhGcox9js5/VmzLk3b3QXX11gGTDo7P6QExp9mt5P6UcBHSPx4ClAKmq+anVoVDu5qadGsFaOAOAwMDSACxyP8hddglZMbrfig+cARGs3bE/GzeGvqxVdI+CdbTxIXYsC8kd1kDyAAAAABJRU5ErkJggg==",
    "e846728c7d8ece7f566ccb9376f74175f5d6930e8e62f78f939e68408266d4f277a631952710340ddd36e923abfb1c00485d7c0e11a3160b621125147c45d49355ce3344234868d35cbed820bace5ad4ce2d29a06b32f93e2c7e",
  ],
};
// A claimed size against next to no data, and headers that lie.
const HOSTILE: [string, string, string][] = [
  [
    "iVBORw0KGgoAAAANSUhEUgAA6mAAAA+gCAIAAABPwHURAAAADElEQVR4nGNgoD0AAABkAAGGZDw1AAAAAElFTkSuQmCC",
    "bad_file",
    "cannot hold",
  ],
  ["iVBORw0KGgoAAAANSUhEUn////9/////CAIAAACbq5wxAAAAAElEQVQ1rwYeAAAAAElFTkSuQmCC", "unsupported", "2^28"],
  ["iVBORw0KGgoAAAANSUhEUgAAAAAAAAAECAIAAAAveKlTAAAAAElFTkSuQmCC", "bad_file", "0x4"],
  ["iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAAElFTkSuQmCC", "bad_file", "cannot hold"],
  ["iVBORw0KGgr////wSUhEUg==", "bad_file", "cut short"],
  ["iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSnc////8ElEQVQAAAAAAAAAAA==", "bad_file", "claims"],
];

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

/** Smooth colours with an edge, so that each filter wins somewhere. */
function sample(width: number, height: number, channels: Picture["channels"]): Picture {
  const data = new Uint8Array(width * height * channels);
  for (let i = 0; i < data.length; i++) {
    const x = Math.floor(i / channels) % width;
    const y = Math.floor(i / channels / width);
    data[i] = x > y ? 3 * x + 40 * (i % channels) : (x * 7 ^ y * 13) + i % 3;
  }
  return { width, height, channels, data };
}

Deno.test("decodePng() reads every colour type, depth and filter as Pillow does", async () => {
  for (const [what, [base64, pixels]] of Object.entries(FIXTURES)) {
    const picture = await decodePng(bytesOf(base64), what);
    assertEquals([...picture.data].map((v) => v.toString(16).padStart(2, "0")).join(""), pixels, what);
  }
});

Deno.test("decodePng() gives back what encodePng() was given, down to one pixel", async () => {
  for (const channels of [1, 2, 3, 4] as const) {
    for (const [width, height] of [[1, 1], [1, 9], [9, 1], [37, 23]]) {
      const picture = sample(width, height, channels);
      assertEquals(await decodePng(await encodePng(picture)), picture);
    }
  }
});

Deno.test("encodePng() packs a smooth picture well and the same way each time", async () => {
  const picture = sample(256, 256, 3);
  const file = await encodePng(picture);
  assert(file.length < picture.data.length / 4, `${file.length} bytes`);
  assertEquals(await encodePng(picture), file);
});

Deno.test("Text of any script comes back from a PNG", async () => {
  const text = {
    parameters: "a red fox\nNegative prompt: blurry\nSteps: 4, Seed: 1",
    lssgen: JSON.stringify({ seed: 1, prompt: "ein Fuchs über 狐 🦊" }),
    Comment: "café",
    empty: "",
  };
  const file = await encodePng(sample(3, 2, 3), text);
  assertEquals(Object.fromEntries(await readPngText(file)), text);
  assertEquals(await decodePng(file), sample(3, 2, 3));
});

Deno.test("readPngText() reads compressed text of both kinds", async () => {
  // zTXt "note" and packed iTXt "lang" before IEND, written by Python's zlib.
  const file = bytesOf(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgZGIGAAAOAAfXb+R4AAAAGnpUWHRub3RlAAB4nCsoSi0uTk1RSMtJLAEAH5QEvv0Qo4gAAAAeaVRYdGxhbmcAAQBkZQAAeJxzLzq85/D8VIXn3RMAJCoGIjjNwOIAAAAASUVORK5CYII=",
  );
  assertEquals(Object.fromEntries(await readPngText(file)), { note: "pressed flat", lang: "Grüße 狐" });
});

Deno.test("parametersText() spells the lines as A1111 does", () => {
  assertEquals(
    parametersText({
      prompt: "a fox",
      negativePrompt: "blur",
      fields: { Steps: 20, Seed: 1, Size: "512x512", Model: "a, b" },
    }),
    'a fox\nNegative prompt: blur\nSteps: 20, Seed: 1, Size: 512x512, Model: "a, b"',
  );
});

Deno.test("A PNG cut anywhere or with any byte changed is refused or read, never a crash", async () => {
  const file = await encodePng(sample(7, 5, 3), { parameters: "x" });
  for (let cut = 0; cut < file.length - 12; cut++) {
    await assertRejects(() => decodePng(file.slice(0, cut), "cut.png"), LssgenError, "cut.png");
  }
  for (let at = 0; at < file.length; at++) {
    const broken = file.slice();
    broken[at] ^= 0x55;
    await assertRejects(() => decodePng(broken, "broken.png"), LssgenError, "broken.png");
  }
});

Deno.test("A small file that claims a huge picture is refused before anything is allocated", async () => {
  for (const [base64, code, says] of HOSTILE) {
    const error = await assertRejects(() => decodePng(bytesOf(base64), "hostile.png"), LssgenError, says);
    assertEquals(error.code, code);
  }
});

Deno.test("encodePng() refuses wrong sizes and keywords", async () => {
  const picture = sample(4, 4, 3);
  await assertRejects(() => encodePng({ ...picture, width: 5 }), LssgenError, "expected 60");
  await assertRejects(() => encodePng({ ...picture, width: 0 }), LssgenError, "0x4");
  await assertRejects(() => encodePng(picture, { "": "x" }), LssgenError, "keyword");
  await assertRejects(() => encodePng(picture, { "schlüssel": "x" }), LssgenError, "keyword");
});

/** A PNG of one pixel with chunks before its end. */
async function withChunks(
  chunks: readonly (readonly [string, Uint8Array])[],
): Promise<Uint8Array<ArrayBuffer>> {
  const png = await encodePng({ width: 1, height: 1, channels: 1, data: new Uint8Array(1) });
  const parts = chunks.map(([type, data]) => {
    // The checksum is the one that zlib would write; its own reading of it is tested above.
    const out = new Uint8Array(12 + data.length);
    const view = new DataView(out.buffer);
    view.setUint32(0, data.length);
    out.set(new TextEncoder().encode(type), 4);
    out.set(data, 8);
    let crc = ~0;
    for (const byte of out.subarray(4, 8 + data.length)) {
      crc ^= byte;
      for (let k = 0; k < 8; k++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
    }
    view.setUint32(8 + data.length, ~crc >>> 0);
    return out;
  });
  return new Uint8Array(await new Blob([png.slice(0, -12), ...parts, png.slice(-12)]).arrayBuffer());
}

/** zTXt of a keyword and so many zeros. */
async function packedText(keyword: string, bytes: number): Promise<Uint8Array> {
  const packed = await new Response(
    new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new CompressionStream("deflate")),
  ).arrayBuffer();
  return new Uint8Array(await new Blob([keyword, new Uint8Array(2), packed]).arrayBuffer());
}

Deno.test("compressed texts are unpacked to 8 MiB together, and only those that are wanted", async () => {
  const big = await packedText("big", 5 << 20);
  const bombs = await withChunks([
    ["tEXt", new TextEncoder().encode("lssgen\0{}")],
    ...Array.from({ length: 40 }, (_, i) => ["zTXt", Uint8Array.from(big).fill(97 + i, 0, 1)] as const),
  ]);
  await assertRejects(() => readPngText(bombs, "bombs.png"), LssgenError, "more than 8388608 bytes");
  assertEquals(Object.fromEntries(await readPngText(bombs, "bombs.png", "lssgen")), { lssgen: "{}" });
  assertEquals((await readPngText(bombs, "bombs.png", "aig")).get("aig")?.length, 5 << 20);
  const one = await withChunks([["zTXt", await packedText("lssgen", 9 << 20)]]);
  await assertRejects(() => readPngText(one, "one.png", "lssgen"), LssgenError, "more than 8388608 bytes");
  const many = await withChunks(
    Array.from({ length: 1001 }, () => ["tEXt", new TextEncoder().encode("a\0b")]),
  );
  await assertRejects(() => readPngText(many, "many.png"), LssgenError, "1000 text chunks");
});
