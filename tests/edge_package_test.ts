/**
 * The package as others get it: imported from a web server as JSR's pages serve it, and bundled into one script. Shaders
 * and weights have to be found from there, and the picture has to be the one that a checkout draws.
 */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { createPipeline, embeddedFolder } from "../mod.ts";
import { publishedFiles } from "../tools/publish_check.ts";
import { bundle } from "../tools/web.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const REQUEST = {
  prompt: "a red apple",
  width: 64,
  height: 64,
  steps: 1,
  method: "direct",
  seed: 2,
} as const;

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

async function drawnHere(): Promise<string> {
  await using pipeline = await createPipeline();
  return await digest((await pipeline.generate(REQUEST)).images[0].rgb);
}

/** A program of somebody else: draws and prints the digest of its picture. */
function program(from: string, model: string): string {
  return `
    import { createPipeline, httpFolder } from ${JSON.stringify(from)};
    const pipeline = await createPipeline(${model});
    const { images: [{ rgb }] } = await pipeline.generate(${JSON.stringify(REQUEST)});
    console.log(new Uint8Array(await crypto.subtle.digest("SHA-256", rgb)).toHex());
    await pipeline[Symbol.asyncDispose]();
    void httpFolder;
  `;
}

/** Runs a program far from this checkout: other folder, no configuration, nothing cached. */
async function run(folder: string, file: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--no-config", join(folder, file)],
    cwd: folder,
    env: { NO_COLOR: "1", DENO_DIR: join(folder, "cache") },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("served over http and imported by its address, or bundled into one script, it draws the same picture", async () => {
  const paths = new Set((await publishedFiles(false)).map(({ path }) => `/${path}`));
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async ({ url }) => {
    const { pathname } = new URL(url);
    asked.push(pathname);
    // Nothing but what is published.
    if (!paths.has(pathname)) return new Response("Not found", { status: 404 });
    const type = pathname.endsWith(".ts") ? "application/typescript" : "application/octet-stream";
    return new Response(await Deno.readFile(join(ROOT, pathname)), { headers: { "content-type": type } });
  });
  const folder = await Deno.makeTempDir();
  const base = `http://127.0.0.1:${server.addr.port}`;
  try {
    const here = await drawnHere();
    await Deno.writeTextFile(join(folder, "imported.ts"), program(`${base}/mod.ts`, ""));
    assertEquals(await run(folder, "imported.ts"), here);
    assertEquals(asked.includes("/weights/lssgen-emoji/model_index.json"), true);
    assertEquals(asked.filter((path) => path.endsWith(".wgsl")), []);

    // Entry points that need no GPU fetch no weights and no shaders.
    asked.length = 0;
    await Deno.writeTextFile(
      join(folder, "plan.ts"),
      `import { planStages } from "${base}/lssgen.ts"; console.log(typeof planStages);`,
    );
    assertEquals(await run(folder, "plan.ts"), "function");
    assertEquals(asked.filter((path) => /weights\/|shaders|\/gpu\/|\/ops\//.test(path)), []);

    const model = `httpFolder("${base}/weights/lssgen-emoji/")`;
    await Deno.writeTextFile(join(folder, "app.ts"), program(join(ROOT, "mod.ts"), model));
    await bundle({ app: join(folder, "app.ts") }, folder);
    await Deno.remove(join(folder, "app.ts"));
    assertEquals(await run(folder, "app.js"), here);
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("every file of the embedded model has an address in the code, where bundlers find it", async () => {
  const root = "weights/lssgen-emoji/";
  const files = (await publishedFiles(false)).filter(({ path }) => path.startsWith(root));
  const folder = embeddedFolder();
  for (const { path, bytes } of files) {
    assertEquals((await folder.open(path.slice(root.length)))?.size, bytes, path);
  }
  const text = await Deno.readTextFile(join(ROOT, "lib/pipelines/embedded_model.ts"));
  const listed = [...text.matchAll(/new URL\(\s*"..\/..\/([^"]+)",\s*import\.meta\.url,?\s*\)/g)];
  assertEquals(listed.map(([, path]) => path).sort(), files.map(({ path }) => path).sort());
  assertEquals(await folder.open("no.such"), undefined);
});

Deno.test("an embedded model that was left behind says what to do", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await bundle({ alone: join(ROOT, "lib/pipelines/embedded_model.ts") }, folder);
    const { embeddedFolder } = await import(`file://${folder}/alone.js`);
    const { message } = await assertRejects(() => embeddedFolder().text("model_index.json"), Error);
    assertStringIncludes(message, "of the embedded model");
    assertStringIncludes(message, "Hand createPipeline the folder");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
