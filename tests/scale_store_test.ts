/** Stores of pictures: a folder, and a bucket of a real S3 server and of servers that fail. */

import { assertEquals, assertRejects } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { sha256 } from "../scale/job.ts";
import { FileHashes, modelAt, modelsIn } from "../scale/models.ts";
import { FolderStore, getHashed, type ObjectStore, openStore, putHashed } from "../scale/store.ts";
import { S3Store } from "../scale/s3.ts";
import { pause } from "./waiting.ts";
// deno-lint-ignore no-import-prefix -- only this test needs it: another program's signatures
import { AwsV4Signer } from "npm:aws4fetch@1.0.20";

const BYTES = new TextEncoder().encode("a picture, as far as a store knows");
const ENV: Readonly<Record<string, string>> = {
  AWS_ACCESS_KEY_ID: "S3RVER",
  AWS_SECRET_ACCESS_KEY: "S3RVER",
};
const env = (name: string): string | undefined => ENV[name];

/** What every store has to do. */
async function checkStore(store: ObjectStore): Promise<void> {
  const hash = await putHashed(store, "pictures", BYTES);
  assertEquals(hash, await sha256(BYTES));
  assertEquals(await putHashed(store, "pictures", BYTES), hash);
  assertEquals(await getHashed(store, "pictures", hash), BYTES);
  assertEquals(await getHashed(store, "inputs", hash), undefined);
  const large = crypto.getRandomValues(new Uint8Array(60_000));
  assertEquals(await getHashed(store, "inputs", await putHashed(store, "inputs", large)), large);
  const error = await assertRejects(
    () => store.get(`pictures/${hash}.png`, 10),
    LssgenError,
    "longer than 10 bytes",
  );
  assertEquals(error.code, "bad_file");
  // Other bytes under a hash are no picture of it.
  await store.put(`previews/${hash}.png`, BYTES);
  await store.put(`previews/${hash}.png`, large);
  assertEquals(await store.get(`previews/${hash}.png`, 1e6), large);
  await store.remove(`pictures/${hash}.png`);
  assertEquals(await getHashed(store, "pictures", hash), undefined);
  await store.remove(`pictures/${hash}.png`);
  for (
    const key of [
      "../x",
      "pictures/../../etc/passwd",
      "pictures/x.png",
      `pictures/${hash}.png?acl`,
      "/etc/passwd",
    ]
  ) {
    await assertRejects(() => store.get(key, 1), LssgenError, "no name of an object");
  }
}

Deno.test("a folder keeps objects whole, under their hashes, and nothing else", async () => {
  const folder = await Deno.makeTempDir();
  const store = await openStore(`${folder}/new/store`, env);
  await checkStore(store);
  // What another program wrote under a hash is not believed.
  const hash = "0".repeat(64);
  await Deno.writeFile(`${folder}/new/store/pictures/${hash}.png`, BYTES);
  assertEquals(await getHashed(store, "pictures", hash), undefined);
  const left = [...Deno.readDirSync(`${folder}/new/store/pictures`)].filter(({ name }) =>
    name.endsWith(".part")
  );
  assertEquals(left, []);
  // A place that cannot be written to, for root too.
  await Deno.writeTextFile(`${folder}/file`, "x");
  const error = await assertRejects(
    () => FolderStore.open(`${folder}/file/store`),
    LssgenError,
    "Cannot make in the object store",
  );
  assertEquals(error.code, "unavailable");
  await Deno.remove(`${folder}/new/store/pictures`, { recursive: true });
  await assertRejects(
    () => putHashed(store, "pictures", BYTES),
    LssgenError,
    "Cannot write in the object store",
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a full disk is said in one clear error, and leaves no half a picture", async () => {
  // /dev/full is a disk that is always full; a store whose parts would lie there is one that is.
  const folder = await Deno.makeTempDir();
  const store = await FolderStore.open(folder);
  const write = Deno.writeFile;
  try {
    Deno.writeFile = (_, data) => write("/dev/full", data);
    await assertRejects(() => putHashed(store, "pictures", BYTES), LssgenError, "No space left on device");
  } finally {
    Deno.writeFile = write;
  }
  assertEquals([...Deno.readDirSync(`${folder}/pictures`)], []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a bucket of a real S3 server keeps objects; one that is not there is refused in words", async () => {
  const folder = await Deno.makeTempDir();
  const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = probe.addr as Deno.NetAddr;
  probe.close();
  const server = new Deno.Command(Deno.execPath(), {
    args: [
      ...[
        "run",
        "-A",
        "--no-check",
        "npm:s3rver@3.7.1/s3rver",
        "--directory",
        folder,
        "--address",
        "127.0.0.1",
      ],
      ...["--port", String(port), "--configure-bucket", "pictures", "--silent"],
    ],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    for (let tries = 0; tries < 1200; tries++) {
      const there = await Deno.connect({ hostname: "127.0.0.1", port }).then((c) => c.close(), () => false);
      if (there !== false) break;
      await pause(50);
    }
    const place = `s3+http://127.0.0.1:${port}/pictures`;
    await checkStore(await openStore(place, env));
    await checkStore(await openStore(`${place}/below/here/`, env));
    const error = await assertRejects(
      async () =>
        await putHashed(await openStore(`s3+http://127.0.0.1:${port}/nowhere`, env), "pictures", BYTES),
      LssgenError,
      "refused PUT: 404 NoSuchBucket",
    );
    assertEquals([error.code, error.message.includes("S3RVER")], ["unavailable", false]);
  } finally {
    server.kill("SIGKILL");
    await server.status;
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("signatures are those of another program, session tokens and regions included", async () => {
  let seen: { method: string; url: string; headers: Headers } | undefined;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    seen = { method: request.method, url: request.url, headers: new Headers(request.headers) };
    return new Response("x");
  });
  const place = `s3+http://127.0.0.1:${server.addr.port}/bucket/below`;
  for (const session of [undefined, "a/token+of=mine"]) {
    for (const region of ["eu-west-1", undefined]) {
      const keys: Readonly<Record<string, string | undefined>> = {
        AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
        AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        AWS_SESSION_TOKEN: session,
        AWS_REGION: region,
      };
      const store = new S3Store(place, (name) => keys[name]);
      for (
        const call of [
          () => store.get(`pictures/${"0".repeat(64)}.png`, 10),
          () => putHashed(store, "inputs", BYTES),
        ]
      ) {
        await call();
        const { method, url, headers } = seen!;
        const signed = await new AwsV4Signer({
          method,
          url,
          headers: { "x-amz-content-sha256": headers.get("x-amz-content-sha256")! },
          accessKeyId: keys.AWS_ACCESS_KEY_ID!,
          secretAccessKey: keys.AWS_SECRET_ACCESS_KEY!,
          sessionToken: session,
          service: "s3",
          region: region ?? "us-east-1",
          datetime: headers.get("x-amz-date")!,
        }).sign();
        assertEquals(headers.get("authorization"), signed.headers.get("authorization"));
        assertEquals(headers.get("x-amz-security-token"), session ?? null);
        assertEquals(headers.get("x-amz-content-sha256"), await sha256(method === "PUT" ? BYTES : ""));
      }
    }
  }
  await server.shutdown();
});

Deno.test("a bucket that answers 403, 500, nothing or a redirect ends in one clear error, 500 after three tries", async () => {
  let calls = 0;
  const answers: Readonly<Record<string, () => Response | Promise<Response>>> = {
    denied: () => new Response("<Error><Code>AccessDenied</Code></Error>", { status: 403 }),
    broken: () => new Response("oops", { status: 500 }),
    slow: () => new Promise((resolve) => setTimeout(() => resolve(new Response("late")), 600)),
    elsewhere: () => new Response(null, { status: 307, headers: { location: "http://169.254.169.254/" } }),
    flaky: () => calls < 2 ? new Response("", { status: 503 }) : new Response(""),
  };
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    calls++;
    return answers[new URL(request.url).pathname.split("/")[1]]();
  });
  const at = (bucket: string) => new S3Store(`s3+http://127.0.0.1:${server.addr.port}/${bucket}`, env, 200);
  const rows: [string, string, number][] = [
    ["denied", "403 AccessDenied", 1],
    ["broken", "500", 3],
    ["slow", "no answer within 0.2 s", 3],
    ["elsewhere", "307", 1],
  ];
  for (const [bucket, words, tries] of rows) {
    calls = 0;
    const error = await assertRejects(
      () => putHashed(at(bucket), "pictures", BYTES),
      LssgenError,
      `refused PUT: ${words}`,
    );
    assertEquals([error.code, calls], ["unavailable", tries]);
  }
  calls = 0;
  await putHashed(at("flaky"), "pictures", BYTES);
  assertEquals(calls, 2);
  await pause(700);
  await server.shutdown();
  for (
    const place of [
      "s3+https://host",
      "s3+https://user:pw@host/bucket",
      "gs://bucket",
      "s3+https://host/bucket?x=1",
    ]
  ) {
    await assertRejects(() => openStore(place, env), LssgenError, "expected");
  }
  await assertRejects(
    () => openStore("s3+https://h/b", () => undefined),
    LssgenError,
    "set AWS_ACCESS_KEY_ID",
  );
});

Deno.test("models are told apart by their bytes, wherever they lie and whatever they are called", async () => {
  const folder = await Deno.makeTempDir();
  const write = async (path: string, text: string): Promise<void> => {
    await Deno.mkdir(`${folder}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    await Deno.writeTextFile(`${folder}/${path}`, text);
  };
  await write("a/one/model_index.json", "{}");
  await write("a/one/unet/w.safetensors", "weights");
  await write("a/one/README.md", "whatever");
  await write("a/two.gguf", "weights");
  await write("a/notes/readme.txt", "no model");
  await write("b/uno/model_index.json", "{}");
  await write("b/uno/unet/w.safetensors", "weights");
  await write("b/other/model_index.json", "{}");
  await write("b/other/unet/w.safetensors", "Weights");
  const memory = `${folder}/cache/hashes.json`;
  const found = await modelsIn(`${folder}/a`, new FileHashes(memory));
  assertEquals(found.map(({ name }) => name), ["one", "two.gguf"]);
  const [other, same] = await modelsIn(`${folder}/b`, new FileHashes());
  assertEquals([same.hash === found[0].hash, other.hash === found[0].hash], [true, false]);
  assertEquals((await modelAt(`${folder}/a/one`, new FileHashes(memory))).hash, found[0].hash);
  // A memory that somebody damaged is none.
  await Deno.writeTextFile(memory, '{"x": 1, "y": "');
  assertEquals((await modelAt(`${folder}/a/one`, new FileHashes(memory))).hash, found[0].hash);
  await assertRejects(() => modelsIn(`${folder}/a/notes`, new FileHashes()), LssgenError, "holds no model");
  await Deno.remove(folder, { recursive: true });
});
