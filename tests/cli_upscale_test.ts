/** `upscale`, and `generate --upscale-model`. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { generate } from "../lib/cli/generate.ts";
import { parseOptions } from "../lib/cli/options.ts";
import type { Terminal } from "../lib/cli/terminal.ts";
import { upscale } from "../lib/cli/upscale.ts";
import { LssgenError } from "../lib/errors.ts";
import { readPictureTexts } from "../lib/image/picture_texts.ts";
import { decodePng, encodePng } from "../lib/image/png.ts";
import { crc32 } from "../lib/image/png_writing.ts";
import { writeSafetensors } from "../lib/weights/safetensors.ts";
import { picture, srvggFile } from "./upscalers.ts";

const MODEL = new URL("./golden/pipelines/flux_dev/model", import.meta.url).pathname;
const DRAW = [
  "-m",
  MODEL,
  "a fox",
  "--size",
  "32",
  "--steps",
  "1",
  "--method",
  "direct",
  "--dtype",
  "f32",
  "-q",
];

/** Runs a command in a folder of its own; what it prints and notes. */
async function run(
  command: (options: ReturnType<typeof parseOptions>, terminal: Terminal) => Promise<void>,
  args: readonly string[],
): Promise<string> {
  let said = "";
  await command(parseOptions(args), {
    print: (line) => said += `${line}\n`,
    note: (text) => said += text,
    draw: () => {},
    tty: false,
    columns: 80,
    signal: new AbortController().signal,
  });
  return said;
}

async function folder(): Promise<{ at: (name: string) => string } & AsyncDisposable> {
  const path = await Deno.makeTempDir();
  const at = (name: string): string => join(path, name);
  await Deno.writeFile(at("x2.safetensors"), writeSafetensors(srvggFile(2, 2)));
  await Deno.writeFile(at("in.png"), await encodePng(picture(10, 6)));
  return { at, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

const textsOf = async (path: string) => await readPictureTexts(await Deno.readFile(path), path);
const pixelsOf = async (path: string) => await decodePng(await Deno.readFile(path), path);

Deno.test("upscale says that it cannot keep a picture's texts, and enlarges it", async () => {
  await using f = await folder();
  const whole = await Deno.readFile(f.at("in.png"));
  const body = new TextEncoder().encode("tEXt\0a");
  const text = new Uint8Array(body.length + 8);
  const view = new DataView(text.buffer);
  view.setUint32(0, body.length - 4);
  text.set(body, 4);
  view.setUint32(4 + body.length, crc32(body));
  const headed = 33; // signature and IHDR
  const damaged = new Uint8Array([...whole.subarray(0, headed), ...text, ...whole.subarray(headed)]);
  await Deno.writeFile(f.at("damaged.png"), damaged);
  const args = ["--upscale-model", f.at("x2.safetensors"), "--dtype", "f32", "--out", f.at("out.png")];
  const said = await run(upscale, ["upscale", f.at("damaged.png"), ...args]);
  assertMatch(
    said,
    /Warning: what ".*damaged\.png" says about itself is lost: .*a tEXt chunk has no keyword/,
  );
  assertEquals((await pixelsOf(f.at("out.png"))).width, 20);
});

Deno.test("upscale writes a picture of the network's scale, and says so", async () => {
  await using f = await folder();
  const network = ["--upscale-model", f.at("x2.safetensors"), "--dtype", "f32", "-q"];
  const said = await run(upscale, ["upscale", f.at("in.png"), ...network, "--out", f.at("out.png")]);
  assertMatch(said, /out\.png: 20×12, /);
  const { width, height, channels } = await pixelsOf(f.at("out.png"));
  assertEquals([width, height, channels], [20, 12, 3]);
  const json = ["--upscale-repeats", "2", "--json", "--out", f.at("twice.png")];
  const report = JSON.parse(await run(upscale, ["upscale", f.at("in.png"), ...network, ...json]));
  assertEquals([report.images[0].width, report.images[0].height], [40, 24]);
  // stable-diffusion.cpp's way to say it.
  await run(upscale, ["-M", "upscale", "-i", f.at("in.png"), ...network, "-o", f.at("sd.png")]);
  assertEquals(await pixelsOf(f.at("sd.png")), await pixelsOf(f.at("out.png")));
  // Several at once.
  await run(upscale, ["upscale", f.at("in.png"), f.at("out.png"), ...network, "-o", f.at("many_%d.png")]);
  assertEquals((await pixelsOf(f.at("many_1.png"))).width, 40);
});

Deno.test("a transparent picture keeps its alpha in PNG and is laid on white in JPEG, which is said", async () => {
  await using f = await folder();
  const network = ["--upscale-model", f.at("x2.safetensors"), "--dtype", "f32"];
  const data = new Uint8Array(4 * 36).fill(90).map((v, i) => i % 4 === 3 ? 0 : v);
  await Deno.writeFile(f.at("clear.png"), await encodePng({ width: 6, height: 6, channels: 4, data }));
  const said = await run(upscale, ["upscale", f.at("clear.png"), ...network, "--out", f.at("out.png"), "-q"]);
  assert(!said.includes("Warning"));
  const clear = await pixelsOf(f.at("out.png"));
  assertEquals([clear.channels, clear.data[3]], [4, 0]);
  assertMatch(
    await run(upscale, ["upscale", f.at("clear.png"), ...network, "--out", f.at("out.jpg")]),
    /"[^"]*clear\.png" is transparent and laid on white/,
  );
});

Deno.test("generate --upscale-model is upscale of what is drawn, stored with it and made again by --from", async () => {
  await using f = await folder();
  const network = ["--upscale-model", f.at("x2.safetensors"), "--upscale-tile-size", "32"];
  const own = [...network, "--dtype", "f32", "-q"];
  await run(generate, [...DRAW, "--out", f.at("small.png")]);
  const said = await run(generate, [...DRAW, ...network, "--out", f.at("large.png")]);
  assertMatch(said, /large\.png: 64×64, seed 42, .*upscale /);
  const large = await pixelsOf(f.at("large.png"));
  assertEquals(large.width, 64);
  await run(upscale, ["upscale", f.at("small.png"), ...own, "--out", f.at("later.png")]);
  assertEquals(await pixelsOf(f.at("later.png")), large);

  const [atOnce, later] = await Promise.all(["large.png", "later.png"].map((name) => textsOf(f.at(name))));
  const stored = JSON.parse(atOnce.get("lssgen")!);
  assertEquals([stored.width, stored.upscaleModel, stored.upscaleTileSize], [32, "x2.safetensors", 32]);
  assertMatch(
    atOnce.get("parameters")!,
    /Size: 32x32.*Postprocess upscale by: 2, Postprocess upscaler: x2\.safetensors/,
  );
  assertMatch(
    later.get("parameters")!,
    /Postprocess upscale by: 2, Postprocess upscaler: "x2\.safetensors"$/,
  );
  assertEquals(JSON.parse(later.get("lssgen")!).upscaleModel, "x2.safetensors");

  const again = ["--from", f.at("large.png"), "-m", MODEL, "--dtype", "f32", "-q"];
  await run(generate, [...again, "--upscale-model", f.at("x2.safetensors"), "--out", f.at("again.png")]);
  assertEquals(await pixelsOf(f.at("again.png")), large);
  // What the file names is not here.
  const error = await assertRejects(() => run(generate, [...again, "--out", f.at("x.png")]), LssgenError);
  assertMatch(error.message, /names "x2\.safetensors".*--upscale-model/);
  // A picture enlarged twice has no parameters that would make it again.
  await run(upscale, ["upscale", f.at("large.png"), ...own, "--out", f.at("huge.png")]);
  assertEquals((await textsOf(f.at("huge.png"))).has("lssgen"), false);
  const twice = await assertRejects(
    () => run(generate, ["--from", f.at("huge.png"), "-m", MODEL, "--out", f.at("x.png")]),
    LssgenError,
  );
  assertMatch(twice.message, /huge\.png" again: it holds no "lssgen" text chunk.*enlarged twice/);
  // Without a word about it.
  await run(upscale, [
    "upscale",
    f.at("small.png"),
    ...own,
    "--disable-image-metadata",
    "-o",
    f.at("mute.png"),
  ]);
  assertEquals((await textsOf(f.at("mute.png"))).size, 0);
});

Deno.test("what cannot be enlarged is refused by name before anything is drawn", async () => {
  await using f = await folder();
  await Deno.writeFile(f.at("net.pth"), new TextEncoder().encode("PK\x03\x04net/data.pkl"));
  await Deno.writeFile(f.at("net.gguf"), new TextEncoder().encode("GGUF...................."));
  const x2 = ["--upscale-model", f.at("x2.safetensors")];
  const cases: [string[], RegExp][] = [
    [["upscale", f.at("in.png")], /--upscale-model FILE is missing/],
    [["upscale", ...x2], /A picture is missing/],
    [
      ["upscale", f.at("in.png"), "--upscale-model", f.at("net.pth")],
      /net\.pth" is a PyTorch pickle.*convert it once/,
    ],
    [
      ["upscale", f.at("in.png"), "--upscale-model", f.at("net.gguf")],
      /net\.gguf" is a GGUF file, expected the network as safetensors/,
    ],
    [
      ["upscale", f.at("in.png"), "--upscale-model", f.at("no.safetensors")],
      /no\.safetensors" \(--upscale-model\): there is no such file/,
    ],
    [["upscale", f.at("x2.safetensors"), ...x2], /x2\.safetensors/],
    [["upscale", f.at("in.png"), ...x2, "--upscale-repeats", "0"], /--upscale-repeats is 0/],
    [
      ["upscale", f.at("in.png"), ...x2, "--upscale-tile-size", "40", "--upscale-tile-margin", "20"],
      /less than half/,
    ],
    [
      [...DRAW, "--upscale-repeats", "2"],
      /--upscale-repeats says how --upscale-model enlarges, which is not given/,
    ],
    [[...DRAW, "--upscale-model", f.at("net.pth")], /net\.pth" is a PyTorch pickle/],
    [
      [...DRAW, ...x2, "--size", "4096", "--upscale-repeats", "2"],
      /4096×4096 enlarged 4 times is 16384×16384/,
    ],
  ];
  for (const [args, says] of cases) {
    const command = args[0] === "upscale" ? upscale : generate;
    const error = await assertRejects(() => run(command, [...args, "--out", f.at("out.png")]), LssgenError);
    assertMatch(error.message, says);
  }
  assertEquals(await Deno.stat(f.at("out.png")).catch(() => undefined), undefined);
});
