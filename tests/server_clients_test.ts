/**
 * What real clients send (tests/data/clients): recorded from packages of PyPI and npm, or written down from the sources of
 * programs. Each call gets the status that it got, and its answer holds what the client reads.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decodePng, encodePng } from "../lib/image/png.ts";
import { pictureText } from "../lib/parameters/picture.ts";
import { ImageServer } from "../lib/server/server.ts";
import type { Upscalers } from "../lib/server/upscalers.ts";
import { bytesOf, DIFFUSION, FakeEngine, OPTIONS, rgbOf, URL_OF } from "./fake_engine.ts";

interface Call {
  readonly method: string;
  readonly path: string;
  readonly authorization?: string;
  readonly type?: string;
  readonly body?: unknown;
  readonly form?: readonly { name: string; value: string; file?: string; type?: string }[];
  readonly status: number;
  /** What the client reads of the answer. */
  readonly reads?: readonly string[];
  /** Words of a refusal. */
  readonly says?: string;
}

const FOLDER = new URL("data/clients/", import.meta.url);

/** What the recorded packages read, by path. */
const READS: Readonly<Record<string, readonly string[]>> = {
  "/sdapi/v1/txt2img": ["images.0", "info", "parameters"],
  "/sdapi/v1/img2img": ["images.0", "info", "parameters"],
  "/sdapi/v1/options": [],
  "/sdapi/v1/sd-models": ["0.title"],
  "/sdapi/v1/samplers": ["0.name"],
  "/sdapi/v1/schedulers": ["0.name"],
  "/sdapi/v1/progress": ["progress", "state.job_count"],
  "/sdapi/v1/png-info": ["info"],
  "/sdapi/v1/upscalers": ["0.name"],
  "/sdapi/v1/extra-single-image": ["image", "html_info"],
  "/sdapi/v1/extra-batch-images": ["images.0", "html_info"],
  "/sdapi/v1/scripts": ["txt2img"],
  "/v1/models": ["data.0.id"],
};

async function pictures(): Promise<{ picture: Uint8Array<ArrayBuffer>; mask: Uint8Array<ArrayBuffer> }> {
  const picture = await encodePng({ width: 64, height: 64, channels: 3, data: rgbOf(64, 64) });
  const mask = await encodePng({ width: 64, height: 64, channels: 4, data: new Uint8Array(64 * 64 * 4) });
  return { picture, mask };
}

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

/** The value at "data.0.id"; undefined where there is none. */
function at(value: unknown, path: string): unknown {
  return path.split(".").reduce((one, key) => (one as Record<string, unknown> | null)?.[key], value);
}

/** One network, which makes grey pictures of twice the size. */
const UPSCALERS: Upscalers = {
  list: () => Promise.resolve([{ name: "RealESRGAN_x2plus.safetensors", network: "RRDBNet", scale: 2 }]),
  open: (name) =>
    Promise.resolve({
      ...{ name, network: "RRDBNet", scale: 2, reach: 1 },
      upscale: ({ width, height }) =>
        Promise.resolve({
          width: 2 * width,
          height: 2 * height,
          channels: 3,
          data: rgbOf(2 * width, 2 * height),
        }),
      [Symbol.dispose]: () => {},
    }),
};

/** One client's calls, one after another. */
async function replay(name: string): Promise<{ engine: FakeEngine; answers: unknown[] }> {
  const { calls }: { calls: readonly Call[] } = JSON.parse(
    await Deno.readTextFile(new URL(`${name}.json`, FOLDER)),
  );
  const engine = new FakeEngine({ ...DIFFUSION, name: "model", clipLayers: { own: 1, most: 12 } });
  const server = new ImageServer(engine, {
    ...OPTIONS,
    token: "sesame",
    upscalers: UPSCALERS,
    pictureText: (image) => pictureText(image, {}),
  });
  const { picture, mask } = await pictures();
  const answers: unknown[] = [];
  let options: unknown;
  for (const { method, path, authorization, type, body, form, status, reads, says } of calls) {
    const headers: Record<string, string> = authorization ? { authorization } : {};
    let sent: BodyInit | undefined;
    if (form) {
      // Written by hand, as clients do, with their names of fields and files.
      const parts: (string | Uint8Array<ArrayBuffer>)[] = [];
      for (const { name, value, file, type } of form) {
        const about = file === undefined ? "" : `; filename="${file}"\r\nContent-Type: ${type}`;
        parts.push(`--limit\r\nContent-Disposition: form-data; name="${name}"${about}\r\n\r\n`);
        parts.push(value === "{picture}" ? picture : value === "{mask}" ? mask : value, "\r\n");
      }
      headers["content-type"] = "multipart/form-data; boundary=limit";
      sent = new Blob([...parts, "--limit--\r\n"]);
    } else if (body !== undefined) {
      headers["content-type"] = type!;
      sent = JSON.stringify(body === "{options}" ? options : body)
        .replaceAll("{picture}", base64(picture)).replaceAll("{mask}", base64(mask));
    }
    const request = new Request(URL_OF(path), { method, headers, body: sent });
    const response = await server.handle(request);
    const said = await response.text();
    const where = `${name}: ${method} ${path}: ${said.slice(0, 300)}`;
    assertEquals(response.status, status, where);
    if (says) assertStringIncludes(said, says);
    const stream = response.headers.get("content-type")?.startsWith("text/event-stream");
    const answer = stream ? said : JSON.parse(said);
    if (path === "/sdapi/v1/options" && method === "GET") options = answer;
    if (status === 200 && !stream) {
      for (const read of reads ?? READS[path] ?? []) {
        assert(at(answer, read) !== undefined, `${where} has no ${read}`);
      }
    }
    answers.push(answer);
  }
  assertEquals(server.pending, 0);
  await server.close();
  return { engine, answers };
}

Deno.test("webuiapi of PyPI: lists, options, txt2img, img2img with a mask, hires fix, png-info, extras; what is not here is refused by name", async () => {
  const { engine, answers } = await replay("webuiapi");
  const enlarged = answers.flatMap((one) => {
    const { image, images = image ? [image] : [], html_info } = (one ?? {}) as Record<string, unknown>;
    return html_info === undefined ? [] : images as string[];
  });
  const sizes = await Promise.all(enlarged.map(async (one) => {
    const { width, height } = await decodePng(bytesOf(one));
    return `${width}×${height}`;
  }));
  assertEquals(sizes, ["64×64", "128×128", "96×96", "96×96", "96×80"]);
  const [first, second, third, fourth] = engine.asked;
  assertEquals([first.prompt, first.negativePrompt, first.seed], ["a fox", "blur", 5]);
  assertEquals([first.guidance, first.scheduler], [7, "euler_a"]);
  assertEquals([second.image?.width, second.strength, second.mask], [64, 0.5, undefined]);
  assert(third.mask);
  assertEquals([fourth.method, fourth.width], ["hires-fix", 128]);
  assertEquals(engine.asked.length, 4);
});

Deno.test("openai of PyPI and of npm: models, generations, streams with partial images, edits as forms, errors by name", async () => {
  const python = await replay("openai_python");
  assertEquals(python.engine.asked.map(({ image }) => image !== undefined), [
    false,
    false,
    false,
    false,
    true,
    true,
  ]);
  assertEquals(python.engine.asked.map(({ seed }) => seed), [5, 6, 5, 5, 5, 5]);
  assert(python.engine.asked[5].mask);
  const events = (text: string): string[] => [...text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name);
  const streams = (answers: readonly unknown[]) =>
    answers.filter((one) => typeof one === "string").map(events);
  assertEquals(streams(python.answers), [[
    "image_generation.partial_image",
    "image_generation.completed",
  ]]);
  const node = await replay("openai_node");
  assertEquals(streams(node.answers).map((names) => names.at(-1)), [
    "image_generation.completed",
    "image_edit.completed",
  ]);
  assertEquals(node.engine.asked.length, 4);
});

Deno.test("SillyTavern: what it asks first, its model by options, its body with url and auth, which no answer repeats", async () => {
  const { engine, answers } = await replay("sillytavern");
  const [first, second] = engine.asked;
  assertEquals([first.scheduler, first.schedule, first.width], ["dpm++2m", "karras", 512]);
  assertEquals([second.method, second.width, second.upsampler], ["hires-fix", 1024, "nearest"]);
  assert(!JSON.stringify(answers).includes("sesame"));
});

Deno.test("Open WebUI: options posted back as they came, txt2img, OpenAI's generations and edits", async () => {
  const { engine } = await replay("open_webui");
  assertEquals(engine.asked.map(({ prompt, image }) => `${prompt}${image ? " from a picture" : ""}`), [
    "a fox",
    "a fox",
    "a fox",
    "a fox",
    "a fox",
    "a hat from a picture",
    "a hat from a picture",
  ]);
});
