/** A worker process without a GPU: `scale_worker.ts REDIS STORE MODEL-HASH LEASE-MS`. Ends at SIGTERM, as the real one does. */

import { Drawing } from "../scale/drawing.ts";
import { FolderStore } from "../scale/store.ts";
import { RedisQueue } from "../scale/redis_queue.ts";
import { runWorker } from "../scale/worker.ts";

const [url, store, hash, lease] = Deno.args;
const ending = new AbortController();
Deno.addSignalListener("SIGTERM", () => ending.abort());
await using queue = await RedisQueue.open({
  url,
  store: await FolderStore.open(store),
  leaseMs: Number(lease),
});
using drawing = new Drawing(() => {}, new URL("./scale_drawing.ts", import.meta.url));
await runWorker(queue, {
  models: [{ name: "fake", hash }],
  maxPixels: 2048 ** 2,
  drawing,
  drainMs: 5000,
  ending: ending.signal,
});
