/** Downloads into the cache, from a hub that behaves and from one that does not. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { bytesLine, BytesProgress } from "../lib/cli/bytes_progress.ts";
import { fetchModel, type FetchOptions } from "../lib/cli/download.ts";
import { readHubEnvironment } from "../lib/cli/hub_cache.ts";
import { AbortedError, LssgenError } from "../lib/errors.ts";
import type { HubName } from "../lib/hub/name.ts";
import { checkCache, GOLDEN, walkFiles } from "./hub_files.ts";
import { asked, broken, COMMIT, HubServer, type HubSettings, refusal, type Seen } from "./hub_server.ts";

const REPO = "acme/tiny-sd";
const TOKEN = "hf_abcdefghijklmnopqrstuvwxyz";
const FILES = await walkFiles(GOLDEN);
const TOTAL = [...FILES.values()].reduce((sum, { length }) => sum + length, 0);
const UNET = "unet/diffusion_pytorch_model.safetensors";
const CONFIG = "unet/config.json";
const VOCABULARY = "tokenizer/vocab.json";

/** A hub, an empty cache and a way to download from one into the other. */
interface Bench {
  readonly hub: HubServer;
  readonly cache: string;
  /** The repository's folder in the cache. */
  readonly root: string;
  /** What was said. */
  readonly said: string[];
  fetch(
    options?: FetchOptions & {
      name?: Partial<HubName>;
      offline?: boolean;
      endpoint?: string;
      noLinks?: boolean;
    },
  ): ReturnType<
    typeof fetchModel
  >;
}

async function withHub(settings: HubSettings, use: (bench: Bench) => Promise<void>): Promise<void> {
  const cache = await Deno.makeTempDir();
  await using hub = new HubServer(settings);
  hub.add(REPO, FILES);
  const said: string[] = [];
  const show = new BytesProgress("download", {
    tty: false,
    columns: 80,
    note: (text) => void said.push(text),
    draw: () => {},
  });
  const root = join(cache, "models--acme--tiny-sd");
  try {
    await use({
      hub,
      cache,
      root,
      said,
      fetch: ({ name, offline = false, noLinks = false, endpoint = hub.endpoint, ...options } = {}) =>
        fetchModel({ repo: REPO, ...name }, {
          show,
          environment: { endpoint, token: TOKEN, cache, offline, noLinks },
          requests: { pauseMs: 1, stallMs: 2000 },
          ...options,
          transfer: { pieces: { block: 1 << 14, range: 1 << 16 }, ...options.transfer },
        }),
    });
    assert(!said.join("").includes(TOKEN), "the token is not told");
    assert(!said.join("").includes("secret-of-the-address"), "signatures are not told");
    for (const { host, authorization } of hub.seen) {
      assert(host === "hub" || authorization === null, "the token stays with the hub");
    }
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

/** Everything is there, as it should be. */
async function complete({ root }: Bench): Promise<void> {
  assertEquals(await checkCache(root, COMMIT, FILES), [...FILES.keys()].sort());
  assertEquals(await Deno.readTextFile(join(root, "refs", "main")), COMMIT);
  const left = [...Deno.readDirSync(join(root, "blobs"))].map(({ name }) => name).filter((name) =>
    name.includes(".")
  );
  assertEquals(left, []);
}

Deno.test("a pipeline arrives in the hub's layout, and a second run fetches nothing", async () => {
  await withHub({ token: TOKEN, page: 5 }, async (bench) => {
    const { hub, fetch, root, said } = bench;
    const { path, commit, files } = await fetch();
    assertEquals([path, commit, files.length], [join(root, "snapshots", COMMIT), COMMIT, FILES.size]);
    await complete(bench);
    const link = await Deno.readLink(join(path, UNET));
    assertEquals(
      link.replaceAll("\\", "/"),
      `../../../blobs/${hub.files(REPO).find((file) => file.path === UNET)!.hex}`,
    );
    // The unet's 27 blocks came in ranges of 4, from the other host, whose address was asked for once.
    const ranges = hub.seen.filter(({ host, file }) => host === "data" && file === UNET);
    assertEquals(ranges.length, 7);
    assertEquals(
      hub.seen.filter(({ host, file, range }) => host === "hub" && file === UNET && range).length,
      1,
    );
    assertStringIncludes(said.join(""), "983 kB");
    const before = hub.seen.length;
    assertEquals((await fetch()).path, path);
    // The commit, and four pages of its listing.
    assertEquals(hub.seen.slice(before).map((seen) => seen.path.split("/")[5]), [
      "revision",
      ...Array(4).fill("tree"),
    ]);
  });
});

/** Faults that pass: the `n`-th request for `file` (from 0) is answered by `answer`. */
const passing: Record<
  string,
  (seen: Seen, n: number, request: Request, hub: HubServer) => Response | undefined
> = {
  "connections that drop": (seen, n) =>
    seen.file === UNET && seen.host === "data" && n % 2 === 0
      ? drop(seen, FILES.get(UNET)!, 20_000)
      : undefined,
  "a connection that drops before its first byte": (seen, n) =>
    seen.file === CONFIG && n < 2 ? drop(seen, FILES.get(CONFIG)!, 0) : undefined,
  "a listing that drops": (seen, n) =>
    seen.path.includes("/tree/") && n === 0
      ? broken(new Uint8Array([91]), { "content-type": "application/json" }, 200)
      : undefined,
  "503": (seen, n) => seen.host === "data" && n < 3 ? new Response(null, { status: 503 }) : undefined,
  "429 with a time to wait": (_seen, n) =>
    n < 2 ? new Response(null, { status: 429, headers: { "retry-after": "0.01" } }) : undefined,
  "signed addresses that end": (seen, n) =>
    seen.host === "data" && n === 2 ? new Response("expired", { status: 403 }) : undefined,
  "a server without ranges": (seen, _n, request, hub) =>
    seen.host === "data"
      ? hub.content(new Request(request.url), { bytes: FILES.get(seen.file!)! })
      : undefined,
  "a server without ranges whose connections drop": (seen, n) =>
    seen.file === UNET && seen.host === "data"
      ? broken(FILES.get(UNET)!.subarray(0, 100_000 * (n + 1)), {
        "content-length": String(FILES.get(UNET)!.length),
      }, 200)
      : undefined,
  "a body that ends early without saying so": (seen, n) =>
    seen.file === UNET && seen.host === "data" && n < 3
      ? new Response(stream(part(seen, FILES.get(UNET)!).subarray(0, 30_000)), {
        status: 206,
        headers: rangeOf(seen, FILES.get(UNET)!),
      })
      : undefined,
};

for (const [what, fault] of Object.entries(passing)) {
  Deno.test(`a download ends well in spite of ${what}`, async () => {
    const counts = new Map<string, number>();
    const settings: HubSettings = {};
    await withHub(settings, async (bench) => {
      let faults = 0;
      settings.fault = (seen, request) => {
        const key = `${seen.host} ${seen.file ?? seen.path}`;
        const n = counts.get(key) ?? 0;
        counts.set(key, n + 1);
        const answer = fault(seen, n, request, bench.hub);
        if (answer) faults++;
        return answer;
      };
      await bench.fetch();
      assert(faults > 0, "the fault happened");
      await complete(bench);
    });
  });
}

const flipped = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.map((byte, i) => i === 12_345 ? byte ^ 1 : byte) as Uint8Array<ArrayBuffer>;
const html = (): Response =>
  new Response("<html>Log in</html>", { headers: { "content-type": "text/html; charset=utf-8" } });
const data = (seen: Seen): boolean => seen.file === UNET && seen.host === "data";

/** Faults that do not pass: what the message says. */
const lasting: Record<
  string,
  [fault: HubSettings["fault"] | Pick<HubSettings, "listing">, ...words: string[]]
> = {
  "a wrong hash": [
    (seen) =>
      data(seen)
        ? new Response(part(seen, flipped(FILES.get(UNET)!)) as BodyInit, {
          status: 206,
          headers: rangeOf(seen, FILES.get(UNET)!),
        })
        : undefined,
    UNET,
    "hash",
    "removed",
  ],
  "a small file of another content": [
    (seen) => seen.file === VOCABULARY ? new Response(" ".repeat(FILES.get(VOCABULARY)!.length)) : undefined,
    VOCABULARY,
    "hash",
  ],
  "a file that is longer than listed": [
    (seen) =>
      data(seen)
        ? new Response("x".repeat(9), { status: 206, headers: { "content-range": "bytes 0-8/999999999" } })
        : undefined,
    UNET,
    "999999999 bytes",
  ],
  "another length for everything": [
    (seen) => data(seen) ? new Response("x".repeat(1234)) : undefined,
    UNET,
    "1234 bytes",
  ],
  "another part than was asked for": [
    (seen) =>
      data(seen)
        ? new Response(new Uint8Array(65536), {
          status: 206,
          headers: { "content-range": `bytes 1-65536/${FILES.get(UNET)!.length}` },
        })
        : undefined,
    UNET,
    "1 to 65536",
  ],
  "more bytes than announced": [
    (seen) =>
      data(seen)
        ? new Response(stream(new Uint8Array(1 << 17)), {
          status: 206,
          headers: rangeOf(seen, FILES.get(UNET)!),
        })
        : undefined,
    UNET,
    "sends more",
  ],
  "another hash in the redirect": [
    (seen) =>
      seen.file === UNET && seen.host === "hub"
        ? new Response(null, {
          status: 302,
          headers: { location: "/x", "x-linked-etag": `"${"f".repeat(64)}"` },
        })
        : seen.path === "/x"
        ? new Response("x", { status: 206 })
        : undefined,
    UNET,
    "f".repeat(64),
  ],
  "a web page in place of a file": [(seen) => data(seen) ? html() : undefined, UNET, "web page", "log-in"],
  "a web page in place of a listing": [
    (seen) => seen.path.includes("/tree/") ? html() : undefined,
    "web page",
  ],
  "a web page in place of a hub": [() => html(), "web page"],
  "no JSON": [() => new Response("hello"), "no JSON"],
  "JSON of something else": [() => Response.json([1]), "no commit"],
  "a gated repository": [
    () => refusal(403, "GatedRepo", { "x-error-message": "Ask first" }),
    "gated",
    `/${REPO}`,
    "Ask first",
  ],
  "a missing or private repository": [() => refusal(401, "RepoNotFound"), "no model", "private", `/${REPO}`],
  "401 without a reason": [() => new Response(null, { status: 401 }), "no model", `/${REPO}`],
  "a token that is not known": [
    () =>
      new Response(null, {
        status: 401,
        headers: { "x-error-message": "Invalid credentials in Authorization header" },
      }),
    "does not know the token",
    "/settings/tokens",
  ],
  "404 with a reason": [() => refusal(404, "RepoNotFound"), "no model", `/${REPO}`],
  "a revision that is gone": [
    (seen) => seen.path.includes("/revision/") ? refusal(404, "RevisionNotFound") : undefined,
    'no revision "main"',
    "/tree/main",
  ],
  "a file that is gone": [
    (seen) => seen.file === UNET ? refusal(404, "EntryNotFound") : undefined,
    UNET,
    "/tree/",
  ],
  "403 for a file": [
    (seen) => seen.file === UNET && seen.host === "hub" ? new Response(null, { status: 403 }) : undefined,
    "refuses access",
  ],
  "503 for ever": [(seen) => data(seen) ? new Response(null, { status: 503 }) : undefined, "503", "6 times"],
  "403 of the data's host for ever": [
    (seen) => data(seen) ? new Response(null, { status: 403 }) : undefined,
    "403",
    "6 times",
  ],
  "an hour to wait": [
    () => new Response(null, { status: 429, headers: { "retry-after": "3600" } }),
    "60 minutes",
    "429",
  ],
  "redirects without end": [
    (seen) =>
      seen.file === UNET ? new Response(null, { status: 302, headers: { location: seen.path } }) : undefined,
    "more than 10",
  ],
  "a redirect to the disk": [
    (seen) =>
      seen.file === UNET
        ? new Response(null, { status: 302, headers: { location: "file:///etc/hostname" } })
        : undefined,
    "file:",
    "refused",
  ],
  "paths outside the folder": [{
    listing: (entries) =>
      [...entries, { type: "file", path: "vae/../../../../x.json", size: 1, oid: "a".repeat(40) }].map((e) =>
        e.path === "vae/config.json" ? { ...e, path: "vae/..\\config.json" } : e
      ),
  }, "outside"],
  "hashes that are paths": [{
    listing: (entries) => entries.map((e) => e.path === CONFIG ? { ...e, oid: "../../../../x" } : e),
  }, "a hash"],
  "a listing that is no list": [{ listing: () => ({ error: "no" }) }, "a list"],
};

for (const [what, [fault, ...words]] of Object.entries(lasting)) {
  Deno.test(`${what}: refused in words, nothing bad under a final name, and the next run ends well`, async () => {
    const settings: HubSettings = typeof fault === "function" ? { fault } : { ...fault };
    await withHub(settings, async (bench) => {
      const { message } = await assertRejects(() => bench.fetch(), LssgenError);
      for (const word of words) assertStringIncludes(message, word);
      assert(!message.includes(TOKEN) && !message.includes("secret-of-the-address"), message);
      assertEquals(await checkCache(bench.root, COMMIT, FILES), []);
      settings.fault = settings.listing = undefined;
      await bench.fetch();
      await complete(bench);
    });
  });
}

Deno.test("a listing that goes on at another host is not followed there, and the token does not leave", async () => {
  const settings: HubSettings = {};
  await withHub(settings, async ({ hub, fetch }) => {
    settings.fault = (seen) =>
      seen.path.includes("/tree/")
        ? Response.json([], {
          headers: { link: `<${hub.dataHost}/api/models/${REPO}/tree/${COMMIT}>; rel="next"` },
        })
        : undefined;
    await assertRejects(() => fetch(), LssgenError, "another host");
    assertEquals(hub.seen.filter(({ host }) => host === "data"), []);
  });
});

Deno.test("who stops a download goes on from there", async () => {
  await withHub({ rate: 400_000 }, async (bench) => {
    const { hub, fetch } = bench;
    const controller = new AbortController();
    let there = 0;
    const show = new BytesProgress("download", { tty: true, columns: 80, note: () => {}, draw: () => {} });
    show.show = (done) => {
      there = done;
      if (done > TOTAL / 2) controller.abort();
    };
    await assertRejects(() => fetch({ signal: controller.signal, show }), AbortedError);
    assert(there > TOTAL / 2);
    hub.settings.rate = undefined;
    const before = hub.seen.length;
    await fetch();
    await complete(bench);
    const again = asked(hub.seen.slice(before).filter(({ host }) => host === "data"));
    assert(again <= TOTAL - there, `${again} asked for, ${TOTAL - there} were missing`);
  });
});

Deno.test("two downloads of the same model at once fetch it once", async () => {
  await withHub({ rate: 2_000_000 }, async (bench) => {
    await Promise.all([bench.fetch(), bench.fetch()]);
    await complete(bench);
    const ranges = bench.hub.seen.filter(({ host }) => host === "data").map(({ file, range }) =>
      `${file} ${range}`
    );
    assertEquals(ranges.length, new Set(ranges).size);
  });
});

Deno.test("the remains of an earlier run that are not sound are fetched anew", async () => {
  await withHub({}, async (bench) => {
    const { hub, root, fetch, said } = bench;
    const { hex, bytes } = hub.files(REPO).find(({ path }) => path === UNET)!;
    await Deno.mkdir(join(root, "blobs"), { recursive: true });
    await Deno.writeFile(join(root, "blobs", `${hex}.lssgen.incomplete`), flipped(bytes));
    await Deno.writeFile(join(root, "blobs", `${hex}.lssgen.blocks`), new Uint8Array(27).fill(1));
    await fetch();
    await complete(bench);
    assertStringIncludes(said.join(""), "damaged");
  });
});

Deno.test("marks without their bytes, files that are cut short and links to nothing are mended", async () => {
  await withHub({}, async (bench) => {
    const { hub, root, fetch } = bench;
    await fetch();
    const hexOf = (path: string): string => hub.files(REPO).find((file) => file.path === path)!.hex;
    await Deno.truncate(join(root, "blobs", hexOf(CONFIG)), 3);
    await Deno.remove(join(root, "blobs", hexOf(UNET)));
    await Deno.writeFile(join(root, "blobs", `${hexOf(UNET)}.lssgen.blocks`), new Uint8Array(27).fill(1));
    await fetch();
    await complete(bench);
  });
});

Deno.test("where links cannot be, snapshots hold the files themselves", async () => {
  const twin = new Map([...FILES, [
    "text_encoder/special_tokens_map.json",
    FILES.get("tokenizer/tokenizer_config.json")!,
  ]]);
  await withHub({}, async ({ hub, root, fetch }) => {
    hub.add(REPO, twin);
    const { path } = await fetch({ noLinks: true });
    assertEquals(await checkCache(root, COMMIT, twin), [...twin.keys()].sort());
    assertEquals((await Deno.lstat(join(path, UNET))).isSymlink, false);
    const { sent } = hub;
    await fetch({ noLinks: true });
    assertEquals(hub.sent, sent);
    // Contents that are in the cache as blobs are copied.
    await Deno.remove(join(root, "snapshots"), { recursive: true });
    await fetch();
    await Deno.remove(join(root, "snapshots"), { recursive: true });
    const { sent: before } = hub;
    await fetch({ noLinks: true });
    assertEquals([await checkCache(root, COMMIT, twin), hub.sent - before < 10_000], [
      [...twin.keys()].sort(),
      true,
    ]);
  });
});

Deno.test("a disk that is too small is told before anything is fetched", async () => {
  await withHub({}, async ({ hub, fetch }) => {
    const free = (bytes: number): FetchOptions => ({ transfer: { freeBytes: () => Promise.resolve(bytes) } });
    const { message } = await assertRejects(() => fetch(free(500_000)), LssgenError);
    assertStringIncludes(message, "500 kB");
    assertStringIncludes(message, "983 kB");
    assertEquals(hub.seen.filter(({ host }) => host === "data"), []);
    await fetch(free(TOTAL));
  });
});

Deno.test("without a network the cache serves; what it does not have is told", async () => {
  await withHub({}, async ({ hub, fetch, root, said }) => {
    await assertRejects(() => fetch({ offline: true }), LssgenError, "HF_HUB_OFFLINE");
    const { path } = await fetch();
    const before = hub.seen.length;
    assertEquals((await fetch({ offline: true })).path, path);
    assertEquals(hub.seen.length, before);
    assertEquals((await fetch({ endpoint: "http://127.0.0.1:9" })).path, path);
    assertStringIncludes(said.at(-1)!, "what the cache has");
    await Deno.remove(join(root, "snapshots", COMMIT, UNET));
    await assertRejects(() => fetch({ offline: true }), LssgenError, "does not have all");
    await assertRejects(() => fetch({ endpoint: "http://127.0.0.1:9" }), LssgenError, "Cannot reach");
  });
});

Deno.test("a folder of the user's gets the files, and a second run leaves them alone", async () => {
  await withHub({}, async ({ hub, cache, fetch }) => {
    const localDir = join(cache, "here");
    assertEquals((await fetch({ localDir })).path, localDir);
    for (const [path, bytes] of FILES) assertEquals(await Deno.readFile(join(localDir, path)), bytes);
    const { sent } = hub;
    await fetch({ localDir });
    // model_index.json is read to choose files.
    assert(hub.sent - sent < 1000);
    const metadata = await Deno.readTextFile(
      join(localDir, ".cache/huggingface/download", `${UNET}.metadata`),
    );
    assertEquals(metadata.split("\n").slice(0, 2), [
      COMMIT,
      hub.files(REPO).find(({ path }) => path === UNET)!.hex,
    ]);
  });
});

Deno.test("a single file of a repository is fetched alone, and its path is the model's", async () => {
  await withHub({}, async ({ hub, fetch, root }) => {
    hub.add(
      "acme/quants",
      new Map([["README.md", new Uint8Array(3)], ["a-Q4_0.gguf", new Uint8Array(70_000)], [
        "a-Q8_0.gguf",
        new Uint8Array(9),
      ]]),
    );
    const { path } = await fetch({ name: { repo: "acme/quants", file: "q4_0" } });
    assertEquals(path, join(root, "..", "models--acme--quants", "snapshots", COMMIT, "a-Q4_0.gguf"));
    assertEquals(await Deno.readFile(path), new Uint8Array(70_000));
    await assertRejects(() => fetch({ name: { repo: "acme/quants" } }), LssgenError, "Choose one");
    assertEquals((await fetch({ name: { repo: "acme/quants", file: "Q4_0" }, offline: true })).path, path);
  });
});

Deno.test("a pipeline that is not built here is refused before its weights are fetched", async () => {
  await withHub({}, async ({ hub, fetch }) => {
    const index = JSON.parse(new TextDecoder().decode(FILES.get("model_index.json")));
    const text = JSON.stringify({ ...index, _class_name: "KandinskyPipeline" });
    hub.add(REPO, new Map([...FILES, ["model_index.json", new TextEncoder().encode(text)]]));
    await assertRejects(() => fetch(), LssgenError, "KandinskyPipeline");
    assertEquals(hub.seen.filter(({ host }) => host === "data"), []);
    await fetch({ wish: { include: ["*"] } });
  });
});

Deno.test("the environment is read as Python's huggingface_hub reads it", async () => {
  const home = await Deno.makeTempDir();
  try {
    const read = (env: Record<string, string>) =>
      readHubEnvironment((name) => ({ HOME: home, ...env })[name]);
    const plain = await read({});
    assertEquals(plain, {
      endpoint: "https://huggingface.co",
      token: undefined,
      cache: join(home, ".cache/huggingface/hub"),
      offline: false,
      noLinks: false,
    });
    await Deno.mkdir(join(home, ".cache/huggingface"), { recursive: true });
    await Deno.writeTextFile(join(home, ".cache/huggingface/token"), ` ${TOKEN}\n`);
    assertEquals((await read({})).token, TOKEN);
    assertEquals((await read({ HF_TOKEN: "other\n" })).token, "other");
    assertEquals((await read({ HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" })).token, undefined);
    assertEquals((await read({ HF_HOME: "~/hf" })).cache, join(home, "hf", "hub"));
    assertEquals((await read({ XDG_CACHE_HOME: "/x" })).cache, join("/x", "huggingface", "hub"));
    assertEquals((await read({ HF_HOME: "/y", HF_HUB_CACHE: "$HOME/c" })).cache, join(home, "c"));
    assertEquals((await read({ HF_ENDPOINT: "https://mirror.example/" })).endpoint, "https://mirror.example");
    assertEquals([
      (await read({ HF_HUB_OFFLINE: "true" })).offline,
      (await read({ HF_HUB_OFFLINE: "0" })).offline,
    ], [true, false]);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("progress tells bytes, their speed and the time left", () => {
  assertEquals(
    bytesLine("download", 500_000_000, 2_000_000_000, 50_000_000),
    `download  ${"█".repeat(6)}${"░".repeat(18)}  500 MB of 2.00 GB  50.0 MB/s  ETA 30.0 s`,
  );
  const lines: string[] = [];
  let now = 0;
  const printer = new BytesProgress("download", {
    tty: false,
    columns: 80,
    note: (text) => void lines.push(text),
    draw: () => {},
  }, () => now);
  for (now = 0; now <= 30_000; now += 500) printer.show(now * 1000, 30_000_000);
  printer.show(30_000_000, 30_000_000);
  // The first, one every five seconds, the last once.
  assertEquals(lines.map((line) => line.includes("1.00 MB/s")), [false, ...Array(6).fill(true)]);
});

function drop(seen: Seen, bytes: Uint8Array, after: number): Response {
  const wanted = part(seen, bytes);
  return broken(wanted.subarray(0, Math.min(after, wanted.length - 1)), {
    ...rangeOf(seen, bytes),
    "content-length": String(wanted.length),
  });
}

function bounds({ range }: Seen, bytes: Uint8Array): [number, number] {
  const [, from, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
  return from === undefined ? [0, bytes.length] : [Number(from), Number(last) + 1];
}

function part(seen: Seen, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
function part(seen: Seen, bytes: Uint8Array): Uint8Array;
function part(seen: Seen, bytes: Uint8Array): Uint8Array {
  return bytes.subarray(...bounds(seen, bytes));
}

function rangeOf(seen: Seen, bytes: Uint8Array): Record<string, string> {
  const [from, to] = bounds(seen, bytes);
  return { "content-range": `bytes ${from}-${to - 1}/${bytes.length}` };
}

/** A body of unknown length. */
function stream(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new Blob([bytes]).stream().pipeThrough(new TransformStream());
}
