/** Finished pictures that the server enlarges: A1111's extra-single-image and extra-batch-images. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { upscalerFolder } from "../lib/cli/upscaler_folder.ts";
import { AbortedError } from "../lib/errors.ts";
import { openPicture } from "../lib/image/picture_file.ts";
import { decodePng, encodePng, type Picture, readPngText } from "../lib/image/png.ts";
import { resize } from "../lib/image/resize.ts";
import { pixelsOf } from "../lib/image/pixels.ts";
import { PARAMETERS_KEYWORD } from "../lib/parameters/keyword.ts";
import { enlargedTexts } from "../lib/parameters/picture.ts";
import { openUpscaler, type PictureUpscaler } from "../lib/pipelines/upscaling.ts";
import { ImageServer } from "../lib/server/server.ts";
import type { Upscalers } from "../lib/server/upscalers.ts";
import { bytesOf as bytesSource } from "../lib/weights/bytes.ts";
import { writeSafetensors } from "../lib/weights/safetensors.ts";
import { bytesOf, FakeEngine, get, OPTIONS, post, refused } from "./fake_engine.ts";
import { picture, srvggFile } from "./upscalers.ts";

const EXTRA = "/sdapi/v1/extra-single-image";
const BATCH = "/sdapi/v1/extra-batch-images";
const PLAIN: Picture = { width: 6, height: 4, channels: 3, data: new Uint8Array(72).fill(100) };
const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

/** Networks that make every pixel one brighter, and note what they are asked. */
function networks(log: string[] = []): Upscalers & { gate?: Promise<void> } {
  const all = [
    { name: "RealESRGAN_x4plus.safetensors", network: "RRDBNet", scale: 4 },
    { name: "two.safetensors", network: "SRVGGNetCompact", scale: 2 },
  ];
  return {
    list: () => Promise.resolve(all),
    open(name) {
      const { scale, network } = all.find((one) => one.name === name)!;
      log.push(`load ${name}`);
      const upscaler: PictureUpscaler = {
        name,
        network: network as PictureUpscaler["network"],
        scale,
        reach: 1,
        upscale: async (from, { repeats = 1, signal, onProgress } = {}) => {
          log.push(`${name} × ${repeats}`);
          onProgress?.({ phase: "upscale", share: 0.5 });
          await Promise.race([
            this.gate,
            new Promise<void>((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
          ]);
          const one = await pixelsOf(from);
          const [width, height] = [one.width * scale ** repeats, one.height * scale ** repeats];
          const data = new Uint8Array(width * height * 3).fill(one.data[0] + repeats);
          return { width, height, channels: 3, data };
        },
        [Symbol.dispose]: () => log.push(`drop ${name}`),
      };
      return Promise.resolve(upscaler);
    },
    gate: Promise.resolve(),
  };
}

function serverOf(upscalers: Upscalers | undefined = networks()): ImageServer {
  return new ImageServer(new FakeEngine(), {
    ...OPTIONS,
    upscalers,
    enlargedFile: ({ picture, texts }, fields) => encodePng(picture, enlargedTexts(texts, fields)),
  });
}

async function enlarge(server: ImageServer, fields: object, from: Picture = PLAIN, texts = {}) {
  const image = base64(await encodePng(from, texts));
  const response = await server.handle(post(EXTRA, { image, ...fields }));
  const answer = await response.json();
  assertEquals(response.status, 200, JSON.stringify(answer));
  const file = bytesOf(answer.image);
  return { answer, file, picture: await decodePng(file) };
}

Deno.test("upscalers lists the filters and the folder's networks, by names that requests may send", async () => {
  const server = serverOf();
  const list = await (await server.handle(get("/sdapi/v1/upscalers"))).json();
  assertEquals(list.map(({ name, scale }: { name: string; scale: number }) => [name, scale]), [
    ["None", 1],
    ["Lanczos", 1],
    ["Nearest", 1],
    ["RealESRGAN_x4plus", 4],
    ["two", 2],
  ]);
  for (const upscaler_1 of ["RealESRGAN_x4plus", "RealESRGAN_x4plus.safetensors", "R-ESRGAN 4x+"]) {
    const { answer } = await enlarge(server, { upscaler_1, upscaling_resize: 4 });
    assertStringIncludes(answer.html_info, "Postprocess upscaler: RealESRGAN_x4plus");
  }
  await server.close();
});

Deno.test("a network runs until the size is reached, at most three times, and Lanczos does the rest", async () => {
  const log: string[] = [];
  const server = serverOf(networks(log));
  const sized = async (fields: object): Promise<number[]> => {
    const { picture: { width, height, data } } = await enlarge(server, fields);
    return [width, height, data[0]];
  };
  assertEquals(await sized({ upscaler_1: "two" }), [12, 8, 101]); // A1111's default factor is 2
  assertEquals(await sized({ upscaler_1: "two", upscaling_resize: 3 }), [18, 12, 102]);
  assertEquals(await sized({ upscaler_1: "two", upscaling_resize: 16 }), [96, 64, 103]);
  assertEquals(await sized({ upscaler_1: "two", upscaling_resize: 0.5 }), [3, 2, 101]);
  assertEquals(log.filter((line) => line.includes("×")), [1, 2, 3, 1].map((n) => `two.safetensors × ${n}`));
  assertEquals(log.filter((line) => /load|drop/.test(line)).slice(0, 2), [
    "load two.safetensors",
    "drop two.safetensors",
  ]);
  const to = { resize_mode: 1, upscaling_resize_w: 20, upscaling_resize_h: 20, upscaler_1: "two" };
  assertEquals(await sized(to), [20, 20, 103]);
  assertEquals(await sized({ ...to, upscaling_crop: false }), [30, 20, 103]);
  await server.close();
});

Deno.test("filters make any size without a network, None keeps the picture, and a second upscaler is mixed in", async () => {
  const server = serverOf(undefined);
  const from = picture(9, 7);
  const lanczos = await enlarge(server, { upscaler_1: "Lanczos" }, from);
  assertEquals(lanczos.picture, resize(from, 18, 14, "lanczos"));
  const nearest = await enlarge(server, { upscaler_1: "Nearest", upscaling_resize: 3 }, from);
  assertEquals(
    nearest.picture.data.slice(0, 9),
    new Uint8Array([0, 1, 2, 0, 1, 2, 0, 1, 2].map((c) => from.data[c])),
  );
  assertEquals((await enlarge(server, {}, from)).picture, from);
  await server.close();
  const both = serverOf();
  const mixed = { upscaler_1: "two", upscaler_2: "R-ESRGAN 4x+", extras_upscaler_2_visibility: 0.5 };
  const grey: Picture = { width: 2, height: 2, channels: 1, data: new Uint8Array(4).fill(50) };
  // 101 and, grey pixels as the fake network makes them, 101 again; a filter keeps 100.
  assertEquals((await enlarge(both, mixed)).picture.data[0], 101);
  const half = { ...mixed, upscaler_1: "Lanczos", upscaler_2: "two", extras_upscaler_2_visibility: 1 };
  assertEquals((await enlarge(both, half, grey)).picture.data.slice(0, 3), new Uint8Array([51, 51, 51]));
  await both.close();
});

Deno.test("an enlarged picture says what A1111 says, and nothing by which --from would draw another one", async () => {
  const server = serverOf();
  const texts = {
    parameters: "a fox\nSteps: 4, Size: 6x4",
    [PARAMETERS_KEYWORD]: '{"prompt":"a fox"}',
  };
  const { answer, file } = await enlarge(server, { upscaler_1: "two", upscaling_resize: 2.5 }, PLAIN, texts);
  const said = await readPngText(file);
  assertEquals(
    said.get("parameters"),
    'a fox\nSteps: 4, Size: 6x4, Postprocess upscale by: 2.5, Postprocess upscaler: "two"',
  );
  assertEquals(said.has(PARAMETERS_KEYWORD), false);
  assertEquals(answer.html_info, "<p>Postprocess upscale by: 2.5, Postprocess upscaler: two</p>");
  const same = await readPngText((await enlarge(server, {}, PLAIN, texts)).file);
  assertEquals(same.get("parameters"), texts.parameters);
  assertEquals(same.get(PARAMETERS_KEYWORD), texts[PARAMETERS_KEYWORD]);
  await server.close();
});

Deno.test("extra-batch-images enlarges a list in its order and loads the network once", async () => {
  const log: string[] = [];
  const server = serverOf(networks(log));
  const data = async (v: number) => base64(await encodePng({ ...PLAIN, data: new Uint8Array(72).fill(v) }));
  const imageList = [{ data: await data(10), name: "a.png" }, { data: await data(20), name: "b.png" }];
  const response = await server.handle(post(BATCH, { upscaler_1: "two", imageList }));
  const { images, html_info } = await response.json();
  const first = await Promise.all(images.map(async (one: string) => (await decodePng(bytesOf(one))).data[0]));
  assertEquals(first, [11, 21]);
  assertStringIncludes(html_info, "two");
  assertEquals(log.filter((line) => line.startsWith("load")).length, 1);
  await server.close();
});

Deno.test("what cannot be enlarged is refused by the field's name before anything is loaded", async () => {
  const log: string[] = [];
  const server = serverOf(networks(log));
  const image = base64(await encodePng(PLAIN));
  const wrong: [string, object, string][] = [
    [EXTRA, {}, '"image" is missing'],
    [EXTRA, { image: "§" }, '"image" is no base64'],
    [EXTRA, { image: btoa("no picture") }, '"image"'],
    [EXTRA, { image, upscaler_1: "tow" }, 'did you mean "two"?'],
    [EXTRA, { image, upscaler_1: "SwinIR 4x" }, "--upscale-model-dir"],
    [EXTRA, { image, upscaler_1: "__proto__" }, '"upscaler_1"'],
    [EXTRA, { image, upscaler_1: "../two" }, '"upscaler_1"'],
    [EXTRA, { image, upscaler_2: "two", extras_upscaler_2_visibility: 1 }, '"upscaler_2"'],
    [EXTRA, { image, upscaler_1: "two", gfpgan_visibility: 0.5 }, '"gfpgan_visibility": 0.5'],
    [EXTRA, { image, upscaler_1: "two", codeformer_visibility: 1 }, '"codeformer_visibility": 1'],
    [EXTRA, { image, upscaler_1: "two", max_side_length: 64 }, '"max_side_length"'],
    [EXTRA, { image, upscaler_1: "two", upscaling_resize: 17 }, '"upscaling_resize" is 17'],
    [EXTRA, { image, upscaler_1: "two", upscaler1: "two" }, 'did you mean "upscaler_1"?'],
    [
      EXTRA,
      { image, upscaler_1: "two", resize_mode: 1, upscaling_resize_w: 16384, upscaling_resize_h: 16384 },
      "at most",
    ],
    [BATCH, { imageList: [] }, '"imageList"'],
    [BATCH, { imageList: [{ data: image }, {}] }, '"imageList.1.data"'],
    [BATCH, { imageList: [{ data: image, size: 3 }] }, '"imageList.0.size"'],
    [BATCH, { imageList: Array(17).fill({ data: image }) }, "at most 16"],
  ];
  for (const [path, body, words] of wrong) {
    const [status, said] = await refused(server, post(path, body));
    assertEquals(status, 422, said);
    assertStringIncludes(JSON.parse(said).detail, words);
  }
  assertEquals(log, []);
  await server.close();
});

Deno.test("enlarging waits for its turn, is seen in progress, and ends by interrupt or when the client leaves", async () => {
  const shelf = networks();
  const server = serverOf(shelf);
  const gate = Promise.withResolvers<void>();
  shelf.gate = gate.promise;
  const image = base64(await encodePng(PLAIN));
  const ask = (signal?: AbortSignal) =>
    server.handle(post(EXTRA, { image, upscaler_1: "two" }, { signal })) as Promise<Response>;
  const begun = async () => {
    for (;;) {
      const { progress, state } = await (await server.handle(get("/sdapi/v1/progress"))).json();
      if (progress > 0) return [progress, state.job_count];
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  const stopped = ask();
  assertEquals(await begun(), [0.5, 1]);
  await server.handle(post("/sdapi/v1/interrupt", {}));
  const response = await stopped;
  assertEquals([response.status, (await response.json()).error], [503, "interrupted"]);
  const client = new AbortController();
  const left = ask(client.signal);
  await begun();
  client.abort(new AbortedError());
  assertEquals((await left).status, 499);
  assertEquals(server.pending, 0);
  gate.resolve();
  assertEquals((await ask()).status, 200);
  await server.close();
});

Deno.test("a folder's networks enlarge as openUpscaler does; other files are left out with a line", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const bytes = writeSafetensors(srvggFile(2, 2));
    await Deno.writeFile(join(folder, "x2.safetensors"), bytes);
    await Deno.writeTextFile(join(folder, "x4.pth"), "PK\x03\x04");
    await Deno.writeTextFile(join(folder, "notes.txt"), "no network");
    const notes: string[] = [];
    const found = await upscalerFolder(folder, { dtype: "f32", limited: true }, (one) => notes.push(one));
    assert(found.room! > bytes.length / 2 && found.room! < 2 ** 27, `${found.room}`);
    const server = serverOf(found);
    const from = picture(10, 6);
    const { picture: large } = await enlarge(server, { upscaler_1: "x2" }, from);
    using upscaler = await openUpscaler(bytesSource("x2.safetensors", bytes), { dtype: "f32" });
    assertEquals(large, await upscaler.upscale(openPicture(await encodePng(from))));
    assertEquals(notes.length, 1);
    assertMatch(notes[0], /x4\.pth is left out: .*pickle/);
    await Deno.remove(join(folder, "x2.safetensors"));
    const [status, said] = await refused(
      server,
      post(EXTRA, { image: base64(await encodePng(from)), upscaler_1: "x2" }),
    );
    assertEquals(status, 422);
    assertStringIncludes(said, "there is no upscaler");
    await server.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
