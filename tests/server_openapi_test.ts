/**
 * The OpenAPI document: valid to another program's eyes, every route of it answers, answers and requests have the shapes that it
 * says, and what it does not say is refused.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Validator } from "npm:@seriousme/openapi-schema-validator@2.11.0";
import { Ajv2020, type ValidateFunction } from "npm:ajv@8.20.0/dist/2020.js";
import addFormats from "npm:ajv-formats@3.0.1";
import parsePrometheus from "npm:parse-prometheus-text-format@1.1.1";
import { LIMITS } from "../lib/server/limits.ts";
import { ImageServer } from "../lib/server/server.ts";
import { IMG2IMG_FIELDS, TXT2IMG_FIELDS } from "../lib/server/sdapi_fields.ts";
import { textToImage } from "./comfyui_graphs.ts";
import { bytesOf, DIFFUSION, FakeEngine, get, OPTIONS, post, refused, URL_OF } from "./fake_engine.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

async function documentOf(server: ImageServer, headers: HeadersInit = {}): Promise<Json> {
  return await (await server.handle(new Request(URL_OF("/openapi.json"), { headers }))).json();
}

/** Checks of the document's own schemas. */
function checks(document: Json): (schema: Json) => ValidateFunction {
  const ajv = new Ajv2020({ strict: false });
  // It is a function to those who require it, and a module to those who import it.
  (addFormats as unknown as { default?: (a: unknown) => void }).default?.(ajv) ??
    (addFormats as unknown as (a: unknown) => void)(ajv);
  ajv.addSchema({ $id: "api:", ...document });
  const absolute = (value: Json): Json =>
    Array.isArray(value)
      ? value.map(absolute)
      : typeof value === "object" && value !== null
      ? Object.fromEntries(
        Object.entries(value).map((
          [key, one],
        ) => [key, key === "$ref" ? `api:${one}` : absolute(one)]),
      )
      : value;
  return (schema) => ajv.compile(absolute(schema));
}

Deno.test("the OpenAPI document is valid 3.1, with a token and without", async () => {
  for (const token of [undefined, "sesame"]) {
    const server = new ImageServer(new FakeEngine(), { ...OPTIONS, token });
    const document = await documentOf(server, { authorization: "Bearer sesame" });
    const { valid, errors } = await new Validator().validate(structuredClone(document));
    assert(valid, JSON.stringify(errors));
    assertEquals(document.openapi, "3.1.0");
    assertEquals("security" in document, token !== undefined);
    const ids = Object.values<Json>(document.paths).flatMap((path) =>
      Object.values<Json>(path).map(({ operationId }) => operationId)
    );
    assertEquals(new Set(ids).size, ids.length);
  }
});

Deno.test("every route that the document names answers with a status and a body that it names", async () => {
  const server = new ImageServer(new FakeEngine(), { ...OPTIONS, loras: () => Promise.resolve(["ink"]) });
  const document = await documentOf(server);
  const compiled = checks(document);
  const image = (await (await server.handle(post("/sdapi/v1/txt2img", { prompt: "x" }))).json()).images[0];
  const bodies: Readonly<Record<string, unknown>> = {
    "/sdapi/v1/txt2img": { prompt: "x" },
    "/sdapi/v1/img2img": { prompt: "x", init_images: [image] },
    "/sdapi/v1/png-info": { image },
    "/sdapi/v1/options": {},
    "/sdapi/v1/extra-single-image": { image },
    "/sdapi/v1/extra-batch-images": { imageList: [{ data: image, name: "a.png" }] },
    "/lssgen/v1/plan": { fields: { steps: 3 } },
    "/lssgen/v1/jobs": { txt2img: { prompt: "x" } },
    "/v1/images/generations": { prompt: "x" },
    "/v1/images/edits": { prompt: "x", image },
    "/prompt": { prompt: textToImage() },
  };
  const png = bytesOf(image);
  const form = (): FormData => {
    const parts = new FormData();
    parts.set("image", new File([png], "a.png"));
    parts.set("original_ref", JSON.stringify({ filename: "a.png", type: "input" }));
    return parts;
  };
  await server.handle(new Request(URL_OF("/upload/image"), { method: "POST", body: form() }));
  await server.handle(new Request(URL_OF("/api/etn/image/one"), { method: "PUT", body: png }));
  let walked = 0;
  for (const [template, methods] of Object.entries<Json>(document.paths)) {
    for (const [method, operation] of Object.entries<Json>(methods)) {
      const job = async (): Promise<string> => {
        const { id } = await (await server.handle(post("/lssgen/v1/jobs", bodies["/lssgen/v1/jobs"]))).json();
        await (await server.handle(get(`/lssgen/v1/jobs/${id}/events`))).text();
        return id;
      };
      const sent = operation.requestBody?.content ?? {};
      const path = template
        .replace(
          "{id}",
          template.includes("{id}") ? template.startsWith("/api/etn") ? "one" : await job() : "",
        )
        .replace("{index}", "0").replace("{model}", "fake").replace("{prompt_id}", "none")
        .replace("{folder}", "checkpoints").replace("{node}", "KSampler")
        .replace("/view", "/view?filename=a.png&type=input");
      const body = bodies[template] ?? {};
      if (template in bodies && operation.requestBody) {
        const check = compiled(operation.requestBody.content["application/json"].schema);
        assert(check(body), `${template} ${JSON.stringify(check.errors)}`);
      }
      const init: RequestInit = { method: method.toUpperCase() };
      if ("multipart/form-data" in sent && !("application/json" in sent)) init.body = form();
      if ("image/png" in sent) init.body = png;
      const response = await server.handle(
        method === "post" && init.body === undefined ? post(path, body) : new Request(URL_OF(path), init),
      );
      const said = await response.text();
      const documented = operation.responses[response.status];
      const where = `${method} ${path}: ${response.status} ${said.slice(0, 200)}`;
      assert(documented, where);
      // What is not done says so; all others do what they are there for.
      const refusesAlways = operation.summary.startsWith("Not supported");
      // A web socket is no matter of requests and answers.
      assertEquals(response.status < 300, !refusesAlways && path !== "/ws", where);
      walked++;
      if (documented.content === undefined) {
        assertEquals(said, "", where);
        continue;
      }
      const [type, { schema }] = Object.entries<Json>(documented.content)[0];
      assertStringIncludes(response.headers.get("content-type") ?? "", type, where);
      if (type === "application/json") {
        const check = compiled(schema);
        assert(check(JSON.parse(said)), `${where} ${JSON.stringify(check.errors)}`);
      }
    }
  }
  assert(walked >= 65, `${walked} routes`);
  await server.close();
});

Deno.test("numbers at a documented bound are taken and beyond it refused, unknown fields too: the document is what validates", async () => {
  const server = new ImageServer(new FakeEngine(DIFFUSION), {
    ...OPTIONS,
    limits: { ...LIMITS, pixels: 16_384 ** 2 },
  });
  const document = await documentOf(server);
  const compiled = checks(document);
  const image = (await (await server.handle(post("/sdapi/v1/txt2img", { prompt: "x" }))).json()).images[0];
  const kinds: [string, string, Record<string, unknown>][] = [
    ["txt2img", "/sdapi/v1/txt2img", { prompt: "x", width: 16, height: 16, enable_hr: true }],
    ["img2img", "/sdapi/v1/img2img", {
      prompt: "x",
      width: 16,
      height: 16,
      init_images: [image],
      mask: image,
    }],
    ["generations", "/v1/images/generations", { prompt: "x", size: "16x16" }],
    ["edits", "/v1/images/edits", { prompt: "x", size: "16x16", image }],
    ["extra", "/sdapi/v1/extra-single-image", { image }],
    ["extras", "/sdapi/v1/extra-batch-images", { imageList: [{ data: image }] }],
  ];
  let tried = 0;
  for (const [name, path, base] of kinds) {
    const sent = document.paths[path].post.requestBody.content["application/json"].schema;
    const schema = document.components.schemas[name] ?? sent;
    const check = compiled(sent);
    for (const [field, { type, minimum, maximum }] of Object.entries<Json>(schema.properties)) {
      if (!type?.includes("number") && !type?.includes("integer") || type.includes("boolean")) continue;
      for (
        const [value, fits] of [[minimum, true], [maximum, true], [minimum - 1, false], [maximum + 1, false]]
      ) {
        const extra = field === "partial_images" ? { stream: true } : {};
        const body = { ...base, ...extra, [field]: value };
        assertEquals(check(body), fits, `${name}.${field} ${value} ${JSON.stringify(check.errors)}`);
        const [status, said] = await refused(server, post(path, body));
        // A value within its bounds may still not go with the others, and is then refused in other words.
        const outside = said.includes(`"${field}" is ${value}, expected`) ||
          said.includes(`\\"${field}\\" is ${value}, expected`);
        const hires = field === "denoising_strength" && value === 0;
        if (!hires) {
          assertEquals(outside, !fits, `${name}.${field} ${value}: ${status} ${said.slice(0, 300)}`);
        }
        tried++;
      }
    }
    const unknown = { ...base, promt: "x" };
    assertEquals(check(unknown), false);
    assert((await refused(server, post(path, unknown)))[0] >= 400);
  }
  assert(tried > 80, `${tried}`);
  const described = (table: object, name: string): void =>
    assertEquals(Object.keys(document.components.schemas[name].properties), Object.keys(table));
  described(TXT2IMG_FIELDS, "txt2img");
  described(IMG2IMG_FIELDS, "img2img");
  await server.close();
});

Deno.test("a parser of Prometheus' text reads the metrics: queue length, seconds a step, jobs and answers by status", async () => {
  const server = new ImageServer(new FakeEngine(), OPTIONS);
  await (await server.handle(post("/sdapi/v1/txt2img", { prompt: "x" }))).text();
  await refused(server, get("/nowhere"));
  const response = await server.handle(get("/metrics"));
  assertEquals(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const families: Json[] = parsePrometheus(await response.text());
  const byName = new Map(families.map((family) => [family.name, family]));
  for (
    const [name, type, values] of [
      ["lssgen_queue_length", "GAUGE", [undefined]],
      ["lssgen_running", "GAUGE", [undefined]],
      ["lssgen_step_seconds", "GAUGE", [undefined]],
      ["lssgen_requests_begun_total", "COUNTER", [undefined]],
      ["lssgen_jobs", "GAUGE", ["waiting", "running", "done", "failed", "cancelled"]],
      ["lssgen_answers_total", "COUNTER", ["200", "404"]],
    ] as const
  ) {
    const family = byName.get(name);
    assertEquals(family?.type, type, name);
    assertEquals(family.metrics.map(({ labels }: Json) => labels?.status), values, name);
    for (const { value } of family.metrics) assert(Number.isFinite(Number(value)), `${name} ${value}`);
    assert(family.help.length > 10);
  }
  assertEquals(byName.get("lssgen_requests_begun_total").metrics[0].value, "1");
  await server.close();
});
