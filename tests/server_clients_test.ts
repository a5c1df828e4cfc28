/**
 * What real clients send (tests/data/clients): recorded from packages of PyPI and npm, or written down from the sources of
 * programs. Each call gets the status that it got, and its answer holds what the client reads.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decodePng, encodePng } from "../lib/image/png.ts";
import { pictureText } from "../lib/parameters/picture_text.ts";
import { ImageServer } from "../lib/server/server.ts";
import type { ClientSocket } from "../lib/server/comfyui/sockets.ts";
import { bytesOf, DIFFUSION, doublingUpscalers, FakeEngine, OPTIONS, rgbOf, URL_OF } from "./fake_engine.ts";

interface Call {
  /** In place of a request: a web socket is opened at this path. */
  readonly socket?: string;
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

const UPSCALERS = doublingUpscalers("RealESRGAN_x2plus.safetensors");

/** A web socket that keeps what it hears. */
class Ear implements ClientSocket {
  /** Types of its messages, in order. */
  readonly heard: string[] = [];
  /** Pictures. */
  readonly pictures: Uint8Array[] = [];
  onText: (text: string) => void = () => {};
  onClose: () => void = () => {};
  send(data: string | Uint8Array): void {
    if (typeof data === "string") this.heard.push(JSON.parse(data).type);
    else this.pictures.push(data);
  }
  close(): void {}
}

/** Waits for a graph's end, and gives its pictures as the history names them. */
async function drawnFiles(
  server: ImageServer,
  id: string,
  headers: HeadersInit,
): Promise<Record<string, string>[]> {
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    const entry =
      (await (await server.handle(new Request(URL_OF(`/history/${id}`), { headers }))).json())[id];
    if (entry) {
      return Object.values<{ images: Record<string, string>[] }>(entry.outputs).flatMap(({ images }) =>
        images
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`${id} never came into the history`);
}

/** One client's calls, one after another. */
async function replay(name: string): Promise<{ engine: FakeEngine; answers: unknown[]; ears: Ear[] }> {
  const { calls, open = false }: { calls: readonly Call[]; open?: boolean } = JSON.parse(
    await Deno.readTextFile(new URL(`${name}.json`, FOLDER)),
  );
  const engine = new FakeEngine({ ...DIFFUSION, name: "model", clipLayers: { own: 1, most: 12 } });
  const server = new ImageServer(engine, {
    ...OPTIONS,
    token: open ? undefined : "sesame",
    upscalers: UPSCALERS,
    pictureText: (image) => pictureText(image, {}),
  });
  const { picture, mask } = await pictures();
  const answers: unknown[] = [];
  const ears: Ear[] = [];
  let options: unknown;
  // What clients of ComfyUI's API take from earlier answers.
  const known: Record<string, string> = { client: crypto.randomUUID() };
  const filled = (text: string): string =>
    text.replace(
      /\{(client|new id|prompt_id|filename|image|next image)\}/g,
      (_, key) => key === "new id" ? crypto.randomUUID() : known[key],
    );
  for (const call of calls) {
    if (call.socket !== undefined) {
      const request = new Request(URL_OF(filled(call.socket)), {
        headers: { authorization: "Bearer sesame" },
      });
      const take = server.upgrade(request);
      assert(!(take instanceof Response), call.socket);
      ears.push(new Ear());
      take(ears.at(-1)!);
      continue;
    }
    const { method, authorization, type, body, form, status, says } = call;
    const path = filled(call.path);
    const reads = call.reads?.map(filled);
    const headers: Record<string, string> = authorization ? { authorization } : {};
    let sent: BodyInit | undefined;
    if (form) {
      // Written by hand, as clients do, with their names of fields and files.
      const parts: (string | Uint8Array<ArrayBuffer>)[] = [];
      for (const { name, value, file, type } of form) {
        const said = type === undefined ? "" : `Content-Type: ${type}\r\n`;
        const named = file === undefined ? "" : `; filename="${file}"`;
        parts.push(`--limit\r\n${said}Content-Disposition: form-data; name="${name}"${named}\r\n\r\n`);
        parts.push(value === "{picture}" ? picture : value === "{mask}" ? mask : value, "\r\n");
      }
      headers["content-type"] = "multipart/form-data; boundary=limit";
      sent = new Blob([...parts, "--limit--\r\n"]);
    } else if (method === "PUT") {
      headers["content-type"] = type!;
      sent = picture;
    } else if (body !== undefined) {
      // Some say of JSON that it is something else, or nothing.
      headers["content-type"] = type ?? "application/x-www-form-urlencoded";
      sent = filled(JSON.stringify(body === "{options}" ? options : body))
        .replaceAll("{picture}", base64(picture)).replaceAll("{mask}", base64(mask));
    }
    const request = new Request(URL_OF(path), { method, headers, body: sent });
    const response = await server.handle(request);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const said = new TextDecoder().decode(bytes);
    const where = `${name}: ${method} ${path}: ${said.slice(0, 300)}`;
    assertEquals(response.status, status, where);
    if (says) assertStringIncludes(said, says);
    if (response.headers.get("content-type") === "image/png") {
      answers.push((await decodePng(bytes)).width);
      continue;
    }
    if (response.status === 204) {
      assertEquals(said, "", where);
      continue;
    }
    const stream = response.headers.get("content-type")?.startsWith("text/event-stream");
    const answer = stream ? said : JSON.parse(said);
    if (path === "/sdapi/v1/options" && method === "GET") options = answer;
    if (status === 200 && !stream) {
      for (const read of reads ?? READS[path] ?? []) {
        assert(at(answer, read) !== undefined, `${where} has no ${read}`);
      }
    }
    answers.push(answer);
    if (/\/prompt(\?|$)/.test(path) && method === "POST" && status === 200) {
      known.prompt_id = answer.prompt_id;
      const [first, next] = await drawnFiles(server, known.prompt_id, headers);
      Object.assign(known, { filename: first?.filename, image: first?.id, "next image": next?.id });
    }
  }
  assertEquals(server.pending, 0);
  await server.close();
  return { engine, answers, ears };
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

Deno.test("SillyTavern: what it asks first, its model by options, its body with url and auth, which no answer repeats; VAEs and scripts by name", async () => {
  const { engine, answers } = await replay("sillytavern");
  const [first, second] = engine.asked;
  assertEquals([first.scheduler, first.schedule, first.width], ["dpm++2m", "karras", 64]);
  assertEquals([second.method, second.width, second.upsampler], ["hires-fix", 128, "nearest"]);
  assertEquals([first.clipSkip, second.clipSkip], [undefined, 2]);
  assert(!JSON.stringify(answers).includes("sesame"));
  const sdcpp = await replay("sillytavern_sdcpp");
  assertEquals(
    sdcpp.engine.asked.map(({ scheduler, schedule, clipSkip }) => [scheduler, schedule, clipSkip]),
    [
      ["dpm++2m", "karras", undefined],
      ["euler_a", "karras", 2],
    ],
  );
});

Deno.test("Open WebUI: its engines automatic1111 and openai, options posted back as they came, parameters of its own, edits as forms, errors by name", async () => {
  const { engine } = await replay("open_webui");
  const seen = engine.asked.map(({ prompt, image, width, steps, seed }) =>
    `${prompt}${image ? " from a picture" : ""} ${width} ${steps} ${seed === 5 || seed === 6 ? seed : ""}`
      .trim()
  );
  assertEquals(seen, [
    "a red apple 64 3",
    "a red apple 64 2",
    "a red apple 64 2",
    "a red apple 128 3",
    "a red apple 64 undefined",
    "a red apple undefined undefined",
    "a red apple 64 2 5",
    "a red apple 64 2 6",
    "a hat from a picture 64 undefined",
    "a hat from a picture 128 undefined",
    "a hat from a picture 128 undefined",
    "a hat from a picture 64 undefined",
    "a hat from a picture 64 undefined",
  ]);
  assertEquals([engine.asked[1].negativePrompt, engine.asked[3].schedule], ["blurry", "karras"]);
});

Deno.test("SillyTavern's and Open WebUI's ComfyUI back ends: lists, its own workflow as text, pictures, edits by upload", async () => {
  const tavern = await replay("sillytavern_comfyui");
  assertEquals(tavern.engine.asked.map(({ prompt, steps, guidance }) => [prompt, steps, guidance]), [[
    "a fox",
    4,
    7,
  ]]);
  const webui = await replay("open_webui_comfyui");
  assertEquals(webui.engine.asked.map(({ prompt, image, seed }) => [prompt, image !== undefined, seed]), [
    ["a fox", false, 1125899906842624],
    ["a fox", false, 1125899906842625],
    ["a hat", true, 5],
  ]);
  assertEquals(webui.ears.map(({ heard }) => heard.at(-1)), ["status", "status"]);
});

Deno.test("comfy-api-simplified and comfyui-workflow-client of PyPI: Basic, graphs as forms, uploads, pictures through the socket", async () => {
  const simplified = await replay("comfy_api_simplified");
  const [first, second] = simplified.engine.asked;
  assertEquals([first.prompt, second.image?.width, second.steps], ["a hat", 64, 3]);
  assert(Number.isSafeInteger(first.seed));
  const client = await replay("comfyui_workflow_client");
  assertEquals(client.engine.asked.map(({ prompt, seed }) => [prompt, seed]), [["a cat", 11], ["a fox", 5]]);
});

Deno.test("@saintno/comfyui-sdk, comfy-ui-client and @stable-canvas/comfyui-client of npm: what they ask first, graphs, history, pictures", async () => {
  const sdk = await replay("comfyui_sdk");
  assertEquals(sdk.engine.asked.map(({ scheduler, schedule, seed }) => [scheduler, schedule, seed]), [
    ["euler", "karras", 42],
  ]);
  assertEquals(sdk.ears[0].heard.slice(0, 4), ["status", "status", "execution_start", "execution_cached"]);
  assertEquals((await replay("comfy_ui_client")).engine.asked.length, 1);
  const canvas = await replay("stable_canvas");
  assertEquals(canvas.engine.asked.map(({ scheduler, seed }) => [scheduler, seed]), [
    ["euler", 5],
    ["dpm++2m", 7],
    ["dpm++2m", 8],
  ]);
});

Deno.test("krita-ai-diffusion: its check misses the nodes that the document names; without the check it draws and refines", async () => {
  const { engine, answers } = await replay("krita_ai_diffusion");
  const info = answers.find((answer) => at(answer, "KSampler") !== undefined) as object;
  const needs = [
    ...[
      "InpaintPreprocessor",
      "DepthAnythingV2Preprocessor",
      "IPAdapterModelLoader",
      "IPAdapter",
      "ETN_Translate",
    ],
    ...["INPAINT_LoadFooocusInpaint", "INPAINT_ShrinkMask", "INPAINT_StabilizeMask", "INPAINT_ColorMatch"],
  ];
  const documented = await Deno.readTextFile(new URL("../docs/SERVER.md", import.meta.url));
  for (const name of needs) {
    assert(!(name in info));
    assertStringIncludes(documented, `\`${name}\``);
  }
  for (const name of ["ETN_LoadImageCache", "ETN_SaveImageCache"]) assert(name in info);
  const runs = engine.asked.map(({ seed, image, steps, strength }) => [seed, image?.width, steps, strength]);
  assertEquals(runs, [[7, undefined, 4, undefined], [8, undefined, 4, undefined], [7, 64, 4, 0.5], [
    8,
    64,
    4,
    0.5,
  ]]);
});
