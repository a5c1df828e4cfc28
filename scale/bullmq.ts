/**
 * BullMQ and its Redis client, named here and nowhere else: what does not use a queue must not fetch them, and packages in the
 * import map are looked up for every program.
 *
 * @module
 */

// deno-lint-ignore no-import-prefix -- see above
export { createRedisBackend, Job, Queue, UnrecoverableError, Worker } from "npm:bullmq@6.7.0";
// deno-lint-ignore no-import-prefix -- see above
export { Redis } from "npm:ioredis@6.0.0";
