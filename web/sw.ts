/**
 * The service worker: the page works without network. Its own few files are asked from the network first, so that a new version
 * shows at once, and answered from the cache when there is none. Weights of models are none of its business: they are kept by
 * the worker that reads them.
 *
 * @module
 */

/** Set by the build: this build's name, and its files. */
declare const BUILD: string;
declare const ASSETS: readonly string[];

/** This side of the conversation: TypeScript has one set of globals for pages and workers. */
interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
const scope = globalThis as unknown as {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
  addEventListener(type: "install" | "activate", listener: (event: Extendable) => void): void;
  addEventListener(type: "fetch", listener: (event: Fetching) => void): void;
};

const PREFIX = "lssgen-page-";
const NAME = PREFIX + BUILD;
/** Milliseconds until a network that does not answer counts as none. */
const PATIENCE_MS = 4000;

const home = new URL("./", location.href);
const known = new Set(ASSETS.map((path) => new URL(path, home).href));

scope.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(NAME);
    await cache.addAll([...known].map((url) => new Request(url, { cache: "no-cache" })));
    await scope.skipWaiting();
  })());
});

scope.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await (caches as CacheStorage & { keys(): Promise<string[]> }).keys()) {
      if (name.startsWith(PREFIX) && name !== NAME) await caches.delete(name);
    }
    await scope.clients.claim();
  })());
});

scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const [url] = request.url.split(/[?#]/);
  const asset = url === home.href ? new URL("index.html", home).href : url;
  if (request.method !== "GET" || !known.has(asset)) return;
  event.respondWith(answer(request, asset));
});

async function answer(request: Request, asset: string): Promise<Response> {
  const stored = async (): Promise<Response | undefined> => await (await caches.open(NAME)).match(asset);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), PATIENCE_MS);
  try {
    const fresh = await fetch(request.url, { cache: "no-cache", signal: late.signal });
    if (fresh.ok) return fresh;
    return await stored() ?? fresh;
  } catch (error) {
    const found = await stored();
    if (found) return found;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
