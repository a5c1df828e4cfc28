/** Files behind URLs, from servers of every kind: those that hide the size, know no ranges, lie, refuse, or answer anything with a page. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import type { ByteSource } from "../lib/weights/bytes.ts";
import { httpFolder, httpSource } from "../lib/weights/http_source.ts";

const DATA = Uint8Array.from({ length: 3000 }, (_, i) => (i * 31 + 7) & 255);
const PAGE = "\n<!-- app --><!doctype html><html><body>Nothing here</body></html>";

type Answer = (
  request: Request,
  range: readonly [number, number] | undefined,
) => Response | Promise<Response>;

/** 206 as a good server gives it. */
function part(
  data: Uint8Array<ArrayBuffer>,
  range: readonly [number, number],
  headers: Record<string, string> = {},
) {
  const [from, end] = range;
  if (from >= data.length) {
    return new Response(null, { status: 416, headers: { "content-range": `bytes */${data.length}` } });
  }
  const body = data.slice(from, end);
  const all = { "content-range": `bytes ${from}-${from + body.length - 1}/${data.length}`, ...headers };
  return new Response(body, {
    status: 206,
    headers: Object.entries(all).filter(([, value]) => value !== ""),
  });
}

const whole = (data: Uint8Array<ArrayBuffer> | string, headers: Record<string, string> = {}) =>
  new Response(data, { headers });

/** Serves on a free port for as long as `use` takes; counts bodies handed out by the way. */
async function serving<T>(answer: Answer, use: (url: string) => Promise<T>): Promise<T> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const [, from, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
    return answer(request, from === undefined ? undefined : [Number(from), Number(last) + 1]);
  });
  try {
    return await use(`http://127.0.0.1:${server.addr.port}/`);
  } finally {
    await server.shutdown();
  }
}

async function opened(answer: Answer, path = "model.safetensors"): Promise<ByteSource | undefined> {
  return await serving(answer, (url) => httpSource(url + path));
}

async function readsAll(answer: Answer): Promise<void> {
  await serving(answer, async (url) => {
    const source = await httpSource(`${url}model.safetensors`);
    assertEquals(source?.size, DATA.length);
    assertEquals(await source!.read(0, DATA.length), DATA);
    assertEquals(await source!.read(100, 50), DATA.slice(100, 150));
    assertEquals((await source!.read(DATA.length, 0)).length, 0);
    await assertRejects(() => source!.read(DATA.length - 1, 2), LssgenError, "cut short");
  });
}

const refused = async (answer: Answer, words: string) => {
  const error = await assertRejects(() => opened(answer), LssgenError, words);
  assertEquals(error.code, "bad_file");
};

const ranged = (headers: Record<string, string> = {}): Answer => (request, range) =>
  request.method === "HEAD"
    ? new Response(null, { headers: { "content-length": String(DATA.length) } })
    : range
    ? part(DATA, range, headers)
    : whole(DATA);

Deno.test("a file opens whatever its server says of ranges and sizes", async () => {
  await readsAll(ranged());
  // A header that a page may not see, and a size that is not told.
  await readsAll(ranged({ "content-range": "" }));
  await readsAll(ranged({ "content-range": "bytes 0-0/*" }));
  // The same where HEAD is not answered, or with a size that is not that of the file.
  const without = (head: Response): Answer => (request, range) =>
    request.method === "HEAD" ? head.clone() : ranged({ "content-range": "bytes 0-0/*" })(request, range);
  await readsAll(without(new Response(null, { status: 405 })));
  await readsAll(without(new Response(null, { headers: { "content-length": "2999" } })));
  await readsAll(without(new Response(null, { headers: { "content-length": "3001" } })));
  // No ranges at all, with a length or without one.
  await readsAll(() => whole(DATA));
  await readsAll(() => whole(new Response(DATA).body as unknown as string));
  // 416 for the very first byte of a file that is not empty.
  await readsAll((_, range) => range ? new Response(null, { status: 416 }) : whole(DATA));
  // Redirected.
  await readsAll((request, range) =>
    request.url.endsWith("/real")
      ? range ? part(DATA, range) : whole(DATA)
      : new Response(null, { status: 302, headers: { location: "/real" } })
  );
});

Deno.test("a compressed answer is the file, not the bytes on the way", async () => {
  const packed = new Uint8Array(
    await new Response(new Blob([DATA]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
  );
  const gzip = { "content-encoding": "gzip", "content-length": String(packed.length) };
  await readsAll(() => whole(packed, gzip));
  // Ranges of the compressed file are of no use.
  await readsAll((request, range) =>
    range && request.method === "GET" ? part(packed, range, gzip) : whole(packed, gzip)
  );
});

Deno.test("an empty file is empty", async () => {
  const source = await opened((_, range) => part(new Uint8Array(0), range ?? [0, 1]));
  assertEquals(source?.size, 0);
  assertEquals((await opened(() => whole("")))?.size, 0);
});

Deno.test("a missing file is missing, also where the server answers everything with a page", async () => {
  for (const status of [404, 410]) {
    assertEquals(await opened(() => new Response("no", { status })), undefined);
  }
  const html = { "content-type": "text/html; charset=utf-8" };
  assertEquals(await opened(() => whole(PAGE, html)), undefined);
  assertEquals(await opened(() => whole(PAGE)), undefined);
  const page = new TextEncoder().encode(PAGE);
  assertEquals(await opened((_, range) => range ? part(page, range, html) : whole(page, html)), undefined);
  // A page that was asked for is a file, and so is a file that is only called a page.
  assertEquals((await opened(() => whole(PAGE, html), "a.html"))?.size, page.length);
  await readsAll((_, range) => range ? part(DATA, range, html) : whole(DATA, html));

  await serving(
    ({ url }) => url.endsWith("/model_index.json") ? whole('{"a": 1}') : whole(PAGE, html),
    async (url) => {
      const folder = httpFolder(url);
      assertEquals(await folder.text("model_index.json"), '{"a": 1}');
      assertEquals(await folder.text("lssgen.json"), undefined);
      assertEquals(await folder.open("unet/model.safetensors"), undefined);
    },
  );
});

Deno.test("a server that refuses is quoted, with what to do", async () => {
  await refused(() => new Response("", { status: 401 }), "401 (Unauthorized): it wants a login or a token");
  await refused(() => new Response("", { status: 403 }), "does not give this file to everybody");
  await refused(() => new Response("", { status: 429, headers: { "retry-after": "60" } }), "after 60");
  await refused(() => new Response("", { status: 500 }), "try again later");
  await refused(({ url }) => new Response(null, { status: 302, headers: { location: url } }), "Cannot fetch");
});

Deno.test("a file of more than 2 GiB from a server without ranges is refused before it is read", async () => {
  let sent = 0;
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1 << 16;
        controller.enqueue(new Uint8Array(1 << 16));
      },
    });
  await refused(
    () => new Response(endless(), { headers: { "content-length": String(24e9) } }),
    "knows no ranges",
  );
  assert(sent < 64 << 20, `${sent} bytes were taken`);
});

Deno.test("a server that changes its mind between two reads is noticed, and no more is read than was asked for", async () => {
  let mind: Answer = ranged();
  await serving((request, range) => mind(request, range), async (url) => {
    const source = (await httpSource(`${url}x`))!;
    const fails = async (answer: Answer, words: string) => {
      mind = answer;
      await assertRejects(() => source.read(10, 20), LssgenError, words);
    };
    await fails(() => whole(DATA), "whole file");
    await fails((_, range) => part(DATA.slice(0, 2000), range!), "changed on the server");
    await fails((_, [from, end] = [0, 0]) => part(DATA, [from, end - 1]), "19 bytes, expected 20 from 10");
    await fails((_, [from, end] = [0, 0]) => part(DATA, [from, end + 99]), "more than the 20 bytes");
    await fails(() => new Response("", { status: 503 }), "503");
    mind = ranged();
    assertEquals(await source.read(10, 20), DATA.slice(10, 30));
  });
});
