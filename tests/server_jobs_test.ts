/** Jobs with ids: submitted, watched, fetched and cancelled over HTTP, each by the token that submitted it. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decodePng } from "../lib/image/png.ts";
import { ImageServer } from "../lib/server/server.ts";
import { bytesOf, FakeEngine, get, OPTIONS, post, refused, URL_OF } from "./fake_engine.ts";

const JOBS = "/lssgen/v1/jobs";
/** A model whose latents are not nearly colours: its previews cost a decoding. */
const NO_COLOURS = { latentRgb: undefined };

interface Seen {
  readonly id: string;
  readonly status: string;
  readonly [key: string]: unknown;
}

async function submitted(server: ImageServer, body: unknown, headers: HeadersInit = {}): Promise<Seen> {
  const response = await server.handle(
    post(JOBS, body, { headers: { "content-type": "application/json", ...headers } }),
  );
  const job = await response.json();
  assertEquals(response.status, 202, JSON.stringify(job));
  assertEquals(response.headers.get("location"), `${JOBS}/${job.id}`);
  return job;
}

async function seen(server: ImageServer, path: string, headers: HeadersInit = {}): Promise<Seen> {
  const response = await server.handle(new Request(URL_OF(path), { headers }));
  const body = await response.json();
  assertEquals(response.status, 200, JSON.stringify(body));
  return body;
}

/** Waits for a status. */
async function until(server: ImageServer, id: string, status: string): Promise<Seen> {
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    const job = await seen(server, `${JOBS}/${id}`);
    if (job.status === status) return job;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`Job ${id} never was ${status}`);
}

interface Event {
  readonly id: number;
  readonly event: string;
  // deno-lint-ignore no-explicit-any
  readonly data: any;
}

/** Events of a text. */
function eventsOf(text: string): Event[] {
  return [...text.matchAll(/^id: (\d+)\nevent: (\w+)\ndata: (.*)$/gm)].map(([, id, event, data]) => ({
    id: Number(id),
    event,
    data: JSON.parse(data),
  }));
}

const remove = (path: string, headers: HeadersInit = {}): Request =>
  new Request(URL_OF(path), { method: "DELETE", headers });

Deno.test("a job of every kind ends with the answer of the synchronous call and its pictures as files", async () => {
  const server = new ImageServer(new FakeEngine(), OPTIONS);
  const bodies = {
    txt2img: { prompt: "a fox", width: 96, height: 64, seed: 5, batch_size: 2 },
    generations: { prompt: "a fox", size: "96x64", seed: 5, n: 2 },
  };
  const paths = { txt2img: "/sdapi/v1/txt2img", generations: "/v1/images/generations" };
  for (const [kind, body] of Object.entries(bodies)) {
    const job = await submitted(server, { [kind]: body });
    assertEquals([job.kind, job.pictures, job.model], [kind, 2, "fake"]);
    const done = await until(server, job.id, "done");
    assertEquals([done.progress, done.finished, done.error], [1, 2, null]);
    const result = await seen(server, `${JOBS}/${job.id}/result`);
    const direct = await (await server.handle(post(paths[kind as keyof typeof paths], body))).json();
    assertEquals({ ...result, created: 0 }, { ...direct, created: 0 });
    const picture = await server.handle(get(`${JOBS}/${job.id}/pictures/1`));
    assertEquals(picture.headers.get("content-type"), "image/png");
    const { width, height } = await decodePng(new Uint8Array(await picture.arrayBuffer()), "picture");
    assertEquals([width, height], [96, 64]);
    for (const index of ["2", "-1", "x", "0x0"]) {
      assertEquals((await refused(server, get(`${JOBS}/${job.id}/pictures/${index}`)))[0], 404, index);
    }
    const forgotten = Date.parse(done.forgotten as string) - Date.parse(done.ended as string);
    assertEquals(forgotten, 3_600_000);
  }
  const { jobs } = await seen(server, JOBS) as unknown as { jobs: Seen[] };
  assertEquals(jobs.map(({ kind }) => kind), ["generations", "txt2img"]);
  const png = (await (await server.handle(post("/sdapi/v1/txt2img", { prompt: "x" }))).json()).images[0];
  for (
    const body of [{ img2img: { prompt: "x", init_images: [png] } }, { edits: { prompt: "x", image: png } }]
  ) {
    const job = await submitted(server, body);
    await until(server, job.id, "done");
  }
  await server.close();
});

Deno.test("a job's events bring its states, steps, previews and pictures, and go on after the last that a client has", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const gate = engine.hold();
  const job = await submitted(server, { txt2img: { prompt: "x", batch_size: 2 } });
  await until(server, job.id, "running");
  const path = `${JOBS}/${job.id}/events`;
  const first = await server.handle(get(path));
  assertEquals(first.headers.get("content-type"), "text/event-stream; charset=utf-8");
  const reader = first.body!.pipeThrough(new TextDecoderStream()).getReader();
  let begin = "";
  while (!begin.includes("event: preview")) begin += (await reader.read()).value;
  await reader.cancel();
  const before = eventsOf(begin);
  assertEquals(before.map(({ event }) => event).sort(), ["preview", "progress", "status"]);
  const shown = before.find(({ event }) => event === "preview")!.data;
  assertEquals((await decodePng(bytesOf(shown.b64_json), "preview")).width, 8);
  assertEquals([shown.picture, before.find(({ event }) => event === "progress")!.data.step], [0, 6]);
  // The client that comes back gets what it has not seen, and no more.
  const last = before.at(-1)!.id;
  const again = await server.handle(new Request(URL_OF(path), { headers: { "last-event-id": `${last}` } }));
  gate.resolve();
  const after = eventsOf(await again.text());
  assert(after.every(({ id }) => id > last), JSON.stringify(after));
  assertEquals(after.filter(({ event }) => event === "picture").map(({ data }) => data.picture), [0, 1]);
  assertEquals([after.at(-1)!.event, after.at(-1)!.data.status], ["status", "done"]);
  const steps = after.filter(({ event }) => event === "progress").map(({ data }) => JSON.stringify(data));
  assertEquals(new Set(steps).size, steps.length, "the same progress was told twice");
  // Numbers grow, so that the last one tells what a client has.
  assertEquals(after.map(({ id }) => id), after.map(({ id }) => id).sort((a, b) => a - b));
  const late = eventsOf(await (await server.handle(get(path))).text());
  assertEquals(late.map(({ event }) => event).sort(), ["picture", "picture", "progress", "status"]);
  // An EventSource would ask for ever.
  const over = new Request(URL_OF(path), { headers: { "last-event-id": `${late.at(-1)!.id}` } });
  assertEquals((await server.handle(over)).status, 204);
  await server.close();
});

Deno.test("a client that wants previews gets as many as it asked for", async () => {
  for (
    const [info, previews, wanted] of [[{}, undefined, 1], [NO_COLOURS, 0, 0], [NO_COLOURS, 1, 1]] as const
  ) {
    const engine = new FakeEngine(info);
    const gate = engine.hold();
    const server = new ImageServer(engine, OPTIONS);
    const job = await submitted(server, { txt2img: { prompt: "x" }, previews });
    await until(server, job.id, "running");
    const response = await server.handle(get(`${JOBS}/${job.id}/events`));
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (eventsOf(text).length < 2 + wanted) text += (await reader.read()).value;
    gate.resolve();
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    const asked = engine.options.at(-1)!;
    assertEquals(eventsOf(text).filter(({ event }) => event === "preview").length, wanted, `${previews}`);
    assertEquals(asked.preview, previews ? "auto" : "latentRgb" in info ? undefined : "proj");
    await server.close();
  }
  const server = new ImageServer(new FakeEngine(), OPTIONS);
  const [status, said] = await refused(server, post(JOBS, { txt2img: { prompt: "x" }, previews: 17 }));
  assertEquals(status, 422);
  assertStringIncludes(said, "previews");
  await server.close();
});

Deno.test("DELETE stops the running job, drops the waiting one and forgets the finished one; the next is drawn", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const gate = engine.hold();
  const ids: string[] = [];
  for (const prompt of ["1", "2", "3"]) ids.push((await submitted(server, { txt2img: { prompt } })).id);
  await until(server, ids[0], "running");
  for (const id of [ids[1], ids[0]]) {
    const waiting = await refused(server, get(`${JOBS}/${id}/result`));
    assertEquals(waiting[0], 409, waiting[1]);
    assertEquals((await refused(server, remove(`${JOBS}/${id}`)))[0], 200);
    await until(server, id, "cancelled");
    assertEquals((await refused(server, get(`${JOBS}/${id}/result`)))[0], 410);
  }
  gate.resolve();
  await until(server, ids[2], "done");
  assertEquals(engine.asked.map(({ prompt }) => prompt), ["1", "3"]);
  assertEquals((await refused(server, remove(`${JOBS}/${ids[2]}`)))[0], 200);
  assertEquals((await refused(server, get(`${JOBS}/${ids[2]}`)))[0], 404);
  assertEquals(server.pending, 0);
  await server.close();
});

Deno.test("with several tokens a job belongs to the one that submitted it: others find, stop and see nothing of it", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, { ...OPTIONS, token: ["anna", "bert"] });
  const [anna, bert] = ["anna", "bert"].map((token) => ({ authorization: `Bearer ${token}` }));
  const gate = engine.hold();
  const job = await submitted(server, { txt2img: { prompt: "secret" } }, anna);
  await new Promise((resolve) => setTimeout(resolve, 5));
  for (const end of ["", "/events", "/result", "/pictures/0"]) {
    const request = new Request(URL_OF(`${JOBS}/${job.id}${end}`), { headers: bert });
    const [status, said] = await refused(server, request);
    assertEquals([status, said.includes("secret")], [404, false], end);
  }
  assertEquals((await refused(server, remove(`${JOBS}/${job.id}`, bert)))[0], 404);
  assertEquals((await seen(server, JOBS, bert)).jobs, []);
  // A1111's routes know of one request, the token's own.
  const headers = { "content-type": "application/json", ...bert };
  assertEquals((await refused(server, post("/sdapi/v1/interrupt", {}, { headers })))[0], 200);
  assertEquals((await seen(server, "/sdapi/v1/progress", bert)).progress, 0);
  assertEquals((await seen(server, `${JOBS}/${job.id}`, anna)).status, "running");
  gate.resolve();
  for (let status = ""; status !== "done";) {
    status = (await seen(server, `${JOBS}/${job.id}`, anna)).status;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assertEquals((await refused(server, get(`${JOBS}/${job.id}`)))[0], 401);
  await server.close();
});

Deno.test("one client cannot take all places in front of the queue: 429 with Retry-After, others are let in", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, { ...OPTIONS, maxWaiting: 4 });
  engine.hold();
  const send = (client: string): Promise<Response> =>
    server.handle(post(JOBS, { txt2img: { prompt: client } }), client);
  const statuses: number[] = [];
  for (let i = 0; i < 5; i++) {
    const response = await send("greedy");
    statuses.push(response.status);
    await response.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  // One is drawn, three quarters of the four places are taken.
  assertEquals(statuses, [202, 202, 202, 202, 429]);
  const again = await send("greedy");
  assert(Number(again.headers.get("retry-after")) >= 1);
  assertStringIncludes(await again.text(), "3 of your requests are waiting already");
  const direct = await server.handle(post("/sdapi/v1/txt2img", { prompt: "x" }), "greedy");
  assertEquals(direct.status, 429);
  await direct.body?.cancel();
  const other = await send("modest");
  assertEquals(other.status, 202);
  await other.body?.cancel();
  assertEquals((await send("third")).status, 503);
  await server.close();
});

Deno.test("finished jobs are kept for a time, in number and in bytes; a forgotten one is said to be that", async () => {
  const of = (keeping: { ms: number; jobs: number; bytes: number }) =>
    new ImageServer(new FakeEngine(), { ...OPTIONS, keeping });
  const three = async (server: ImageServer): Promise<string[]> => {
    const ids: string[] = [];
    for (const prompt of ["1", "2", "3"]) {
      const { id } = await submitted(server, { txt2img: { prompt } });
      ids.push(id);
      for (let left = 1000; server.pending > 0 && left > 0; left--) {
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
    return ids;
  };
  const known = async (server: ImageServer, ids: readonly string[]): Promise<boolean[]> => {
    const found: boolean[] = [];
    for (const id of ids) found.push((await refused(server, get(`${JOBS}/${id}`)))[0] === 200);
    return found;
  };
  const hour = 3_600_000;
  const many = of({ ms: hour, jobs: 2, bytes: Infinity });
  assertEquals(await known(many, await three(many)), [false, true, true]);
  const heavy = of({ ms: hour, jobs: 9, bytes: 500 });
  assertEquals(await known(heavy, await three(heavy)), [false, false, true]);
  const short = of({ ms: 0, jobs: 9, bytes: Infinity });
  const ids = await three(short);
  assertEquals(await known(short, ids), [false, false, false]);
  const [, said] = await refused(short, get(`${JOBS}/${ids[0]}`));
  assertStringIncludes(said, "kept for 0 minutes after their end, 9 of them at most");
});

Deno.test("a job is refused as its synchronous call is, by the field's name, and a failed one says why", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const wrong: [unknown, string][] = [
    [{}, "expected one of"],
    [{ txt2img: {}, img2img: {} }, "img2img"],
    [{ txt2image: {} }, 'did you mean \\"txt2img\\"'],
    [{ txt2img: { promt: "x" } }, 'did you mean \\"prompt\\"'],
    [{ txt2img: { prompt: "x", steps: 1000 } }, "steps"],
    [{ txt2img: { prompt: "x", method: "magic" } }, "magic"],
    [{ txt2img: 3 }, "object"],
    [{ generations: { prompt: "x", stream: true } }, "generations.stream"],
    [[], "object"],
  ];
  for (const [body, words] of wrong) {
    const [status, said] = await refused(server, post(JOBS, body));
    assertEquals(status, 422, said);
    assertStringIncludes(said, words);
  }
  const job = await submitted(server, { txt2img: { prompt: "surprise" } });
  const { error } = await until(server, job.id, "failed") as unknown as { error: { error: string } };
  assertEquals(error.error, "internal");
  assertEquals((await refused(server, get(`${JOBS}/${job.id}/result`)))[0], 500);
  // The end of the server is one, too.
  engine.hold();
  const last = await submitted(server, { txt2img: { prompt: "x" } });
  await until(server, last.id, "running");
  const events = server.handle(get(`${JOBS}/${last.id}/events`)).then((response) => response.text());
  await server.close();
  assertStringIncludes(await events, '"error":"closing"');
});

Deno.test("bodies of jobs count until their jobs end", async () => {
  const engine = new FakeEngine();
  const body = { txt2img: { prompt: "x".repeat(900) } };
  const server = new ImageServer(engine, { ...OPTIONS, maxBodyBytes: 1000, maxHeldBytes: 1500 });
  const gate = engine.hold();
  const job = await submitted(server, body);
  assertEquals((await refused(server, post(JOBS, body)))[0], 503);
  gate.resolve();
  await until(server, job.id, "done");
  await submitted(server, body);
  await server.close();
});
