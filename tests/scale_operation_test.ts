/** Redis as operators run it: TLS, passwords, users with few rights. And what a job needs beside its parameters: LoRAs, pictures. */

import * as x509 from "npm:@peculiar/x509@1.14.0";
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import { JOB_FORMAT } from "../scale/job.ts";
import { FileHashes, modelAt } from "../scale/models.ts";
import { withPassword } from "../scale/opening.ts";
import type { RedisQueue } from "../scale/redis_queue.ts";
import { listJobs } from "../scale/state.ts";
import { until } from "./waiting.ts";
import { HASH, MODEL, never, picture, QUEUE, Stage } from "./scale_setting.ts";

const ROOT = new URL("../", import.meta.url).pathname;

/** A certificate for localhost, and the authority that it is of. */
async function certificates(folder: string): Promise<string[]> {
  const signingAlgorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const pair = async (): Promise<CryptoKeyPair> =>
    await crypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]) as CryptoKeyPair;
  const [authority, own] = [await pair(), await pair()];
  const day = 24 * 60 * 60 * 1000;
  const common = {
    ...{ signingAlgorithm, notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) },
  };
  x509.cryptoProvider.set(crypto);
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...{ ...common, serialNumber: "01", name: "CN=authority", keys: authority },
    extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
  });
  const certificate = await x509.X509CertificateGenerator.create({
    ...{ ...common, serialNumber: "02", subject: "CN=localhost", issuer: root.subject },
    publicKey: own.publicKey,
    signingKey: authority.privateKey,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        ...[{ type: "dns", value: "localhost" }, { type: "ip", value: "127.0.0.1" }] as const,
      ]),
    ],
  });
  const key = await crypto.subtle.exportKey("pkcs8", own.privateKey);
  await Deno.writeTextFile(`${folder}/ca.crt`, root.toString("pem"));
  await Deno.writeTextFile(`${folder}/own.crt`, certificate.toString("pem"));
  await Deno.writeTextFile(`${folder}/own.key`, x509.PemConverter.encode(key, "PRIVATE KEY"));
  return [
    ...["--tls-cert-file", `${folder}/own.crt`, "--tls-key-file", `${folder}/own.key`],
    ...["--tls-ca-cert-file", `${folder}/ca.crt`, "--tls-auth-clients", "no"],
  ];
}

Deno.test("a worker reaches Redis by TLS with an authority of one's own; an unknown one is refused in words", async () => {
  const folder = await Deno.makeTempDir();
  const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = probe.addr as Deno.NetAddr;
  probe.close();
  {
    await using stage = await Stage.set("--tls-port", String(port), ...await certificates(folder));
    const queue = await stage.queue();
    const url = `rediss://localhost:${port}`;
    const worker = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "tests/scale_worker.ts", url, stage.folder, HASH, "2000"],
      cwd: ROOT,
      env: { DENO_CERT: `${folder}/ca.crt` },
      stdout: "null",
      stderr: "null",
    }).spawn();
    assertEquals((await queue.submit(picture("by TLS", 9), { signal: never })).images[0].rgb[0], 9);
    worker.kill("SIGTERM");
    await worker.status;
    await assertRejects(
      () => stage.queue({ url, answerMs: 2000 }),
      LssgenError,
      "name the file of its authority: DENO_CERT=CA.pem",
    );
    await assertRejects(
      () => stage.queue({ url: `redis://localhost:${port}`, answerMs: 2000 }),
      LssgenError,
      "one that wants TLS is rediss://",
    );
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a user of Redis with the queue's rights alone is enough; wrong passwords and fewer rights are refused in words", async () => {
  await using stage = await Stage.set();
  const rights = ["~lssgen:*", "&lssgen:*", "+@all", "-@dangerous", "+info"];
  await stage.redis.say("ACL", "SETUSER", "draws", "on", ">a secret", ...rights);
  await stage.redis.say(
    "ACL",
    "SETUSER",
    "reads",
    "on",
    ">a secret",
    "~*",
    "&*",
    "+@read",
    "+@connection",
    "+info",
    "+subscribe",
  );
  const as = (user: string, password = "a secret"): string =>
    withPassword(stage.redis.url.replace("//", `//${user}@`), password);
  const queue = await stage.queue({ url: as("draws") });
  await stage.machine({ url: as("draws") });
  // All that a queue does is allowed, failures and listings too.
  assertEquals((await queue.submit(picture("fine"), { signal: never })).images.length, 1);
  await assertRejects(
    () => queue.submit(picture("fail out_of_memory"), { signal: never }),
    LssgenError,
    "it said",
  );
  assertEquals([(await listJobs(queue, "dead", 9)).length, (await queue.machines()).length], [1, 1]);
  const stop = new AbortController();
  const left = queue.submit(picture("wait 60000"), { signal: stop.signal, onBegin: () => stop.abort() });
  await assertRejects(() => left, LssgenError);
  await until("it is stopped", async () => (await listJobs(queue, "running", 9)).length === 0);
  assert(
    !(await stage.redis.say("ACL", "LOG")).includes("reason"),
    "something was not allowed",
  );
  await assertRejects(() => stage.queue({ url: as("draws", "wrong") }), LssgenError, "it wants a password");
  const few = await stage.queue({ url: as("reads") });
  const error = await assertRejects(
    () => few.submit(picture("few"), { signal: never }),
    LssgenError,
    "may not do",
  );
  assertEquals([error.code, error.message.includes("a secret")], ["unavailable", false]);
  assertEquals(
    [
      withPassword("redis://h", "p@"),
      withPassword("rediss://u@h/1", "p"),
      withPassword("redis://u:own@h", "p"),
    ],
    ["redis://:p%40@h", "rediss://u:p@h/1", "redis://u:own@h"],
  );
});

Deno.test("while workers are updated, each draws the jobs of its own version, and a server says who has to be updated", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue({ patienceMs: 400 });
  const old = {
    id: "old",
    host: "h",
    version: "0.0.1",
    format: JOB_FORMAT - 1,
    models: [MODEL],
    maxPixels: 2 ** 24,
  };
  await stage.redis.say("HSET", "lssgen:workers", "old", JSON.stringify({ ...old, at: Date.now() }));
  await assertRejects(
    () => queue.submit(picture("new"), { signal: never }),
    LssgenError,
    "those that hold it are of another version of this program (0.0.1)",
  );
  const lane = QUEUE.replace(`-v${JOB_FORMAT}`, `-v${JOB_FORMAT - 1}`);
  await stage.redis.say("SADD", "lssgen:queues", lane);
  await queue.queue(lane).add("picture", { v: JOB_FORMAT - 1 }, { jobId: "of the old server", priority: 1 });
  await stage.machine();
  assertEquals((await queue.submit(picture("new"), { signal: never })).images.length, 1);
  assertEquals((await queue.queue(lane).getJobCounts("prioritized")).prioritized, 1);
});

Deno.test("pictures to begin with go by the store, under their hash; one that is lost or another's is one clear error", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue();
  const image = { width: 8, height: 8, channels: 3 as const, data: new Uint8Array(192).fill(77) };
  const mask = { width: 8, height: 8, channels: 1 as const, data: new Uint8Array(64).fill(255) };
  const send = (prompt: string) =>
    queue.submit(picture(prompt, 1, { request: { prompt, seed: 1, width: 64, height: 64, image, mask } }), {
      signal: never,
    });
  const inputs = () => [...Deno.readDirSync(`${stage.folder}/inputs`)].map(({ name }) => name);
  const end = await stage.machine();
  assertEquals((await send("begins with it")).images[0].parameters.seen, [77, 255]);
  assertEquals(inputs().length, 2);
  await end();
  for (const harm of ["remove", "damage"]) {
    const lost = send(harm);
    await until("it waits", async () => (await listJobs(queue, "waiting", 9)).length === 1);
    for (const name of inputs()) {
      if (harm === "remove") await Deno.remove(`${stage.folder}/inputs/${name}`);
      else await Deno.writeFile(`${stage.folder}/inputs/${name}`, new Uint8Array(70));
    }
    const leave = await stage.machine();
    const error = await assertRejects(() => lost, LssgenError, "is not in the object store");
    assertEquals(error.code, "unavailable");
    // Asked for again, it is put there again.
    assertEquals((await send(harm)).images[0].parameters.seen, [77, 255]);
    await leave();
  }
  assertEquals((await listJobs(queue, "dead", 9)).length, 0);
});

Deno.test("a LoRA of the same name and other bytes is one clear error, the same bytes are drawn", async () => {
  await using stage = await Stage.set();
  const hashes = new FileHashes();
  const model = await modelAt(`${ROOT}tests/golden/pipelines/sd15/model`, hashes);
  const folder = `${stage.folder}/loras`;
  await Deno.mkdir(folder);
  await Deno.copyFile(`${ROOT}tests/data/lora/sd15_diffusers.safetensors`, `${folder}/style.safetensors`);
  const request = (prompt: string): GenerateRequest => ({
    prompt,
    seed: 1,
    width: 32,
    height: 32,
    steps: 1,
    method: "direct",
  });
  const send = (queue: RedisQueue, prompt: string) =>
    queue.submit(picture("", 1, { request: request(prompt), pixels: 1024 }), { signal: never });
  const named = { model, loraNames: () => ["style"] };
  const queue = await stage.queue({ ...named, loraHash: () => hashes.of(`${folder}/style.safetensors`) });
  const other = await stage.queue({ ...named, loraHash: () => Promise.resolve("c".repeat(64)) });
  const plain = await stage.queue({ model });
  await stage.machine({}, [model], 512, { dtype: "f32", loraModelDir: folder });
  const drawn = (await send(queue, "a fox<lora:style:0.8>")).images[0].rgb;
  assertNotEquals(drawn, (await send(plain, "a fox")).images[0].rgb);
  const error = await assertRejects(() => send(other, "a fox<lora:style:0.8>"), LssgenError);
  assertEquals(error.code, "unsupported");
  assertEquals(
    error.message,
    '10 machines left it for others: This worker has another version of the LoRA "style"',
  );
});
