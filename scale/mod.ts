/**
 * Many machines: a queue on Redis between servers and workers, and an object store for pictures. This entry brings BullMQ and
 * ioredis along; the library itself does not import it, and the command line only with `--queue`. See docs/SCALE.md.
 *
 * @module
 */

export type { DrawCall } from "./drawing.ts";
export { Drawing } from "./drawing.ts";
export {
  JOB_FORMAT,
  jobId,
  type JobParameters,
  readJob,
  type StoredImage,
  type StoredJob,
  type StoredPart,
  type StoredResult,
} from "./job.ts";
export { FileHashes, type HeldModel, modelAt, modelsIn } from "./models.ts";
export { queueCommand } from "./queue_command.ts";
export { type QueueName, RedisQueue, type RedisQueueOptions, type WorkerState } from "./redis_queue.ts";
export { serving } from "./serving.ts";
export { FolderStore, type ObjectStore, openStore } from "./store.ts";
export type { CommandName, Parsed } from "../lib/cli/options.ts";
export type { EngineChoice } from "../lib/parameters/engine_choice.ts";
export type { ServingParts } from "../lib/cli/scale_entry.ts";
export type { Terminal } from "../lib/cli/terminal.ts";
export { S3Store } from "./s3.ts";
export { runWorker, worker, type WorkerOptions } from "./worker.ts";
export type { Claim, Drawn, Engine, JobQueue, Outcome, QueuedPicture, Watch } from "../lib/server/queue.ts";
export type { FairTag, Offer, Priority, QueueHead, SplitStages } from "../lib/server/policy.ts";
