/**
 * Opens the queue and the store that options name.
 *
 * @module
 */

import { environmentVariable } from "../lib/cli/permissions.ts";
import { join } from "@std/path";
import type { Parsed } from "../lib/cli/options.ts";
import { queueOf } from "../lib/cli/scale_entry.ts";
import { FileHashes } from "./models.ts";
import { RedisQueue, type RedisQueueOptions } from "./redis_queue.ts";
import { openStore } from "./store.ts";

/** Where pictures lie without `--store`; the same for a server and its workers only on one machine. */
const DEFAULT_STORE = "lssgen-store";
/** Environment variable for the queue's password: an option can be read by everybody on the machine. */
const PASSWORD = "LSSGEN_QUEUE_PASSWORD";

/** Opens them. */
export async function openQueue(
  options: Parsed,
  more: Pick<RedisQueueOptions, "model" | "split" | "loraHash" | "loraNames" | "note">,
): Promise<RedisQueue> {
  const { store = DEFAULT_STORE } = options.text;
  return await RedisQueue.open({
    url: withPassword(queueOf(options)),
    store: await openStore(store, environmentVariable),
    leaseMs: options.number.lease === undefined ? undefined : 1000 * options.number.lease,
    ...more,
  });
}

/** The address with the password of the environment, unless it has one. */
export function withPassword(
  address: string,
  password: string | undefined = environmentVariable(PASSWORD),
): string {
  const [, start, user = "", rest] = /^(rediss?:\/\/)(?:([^@:/]*)@)?([^@]+)$/i.exec(address) ?? [];
  if (!password || start === undefined) return address;
  return `${start}${user}:${encodeURIComponent(password)}@${rest}`;
}

/** Hashes of files, kept in the user's cache. */
export function fileHashes(): FileHashes {
  const home = environmentVariable("HOME") ?? environmentVariable("USERPROFILE");
  const cache = environmentVariable("XDG_CACHE_HOME") ??
    (home === undefined ? undefined : join(home, ".cache"));
  return new FileHashes(cache === undefined ? undefined : join(cache, "lssgen", "model-hashes.json"));
}
