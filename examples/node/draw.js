// npx jsr add @lssgen/webgpu && npm install webgpu
import { existsSync, openAsBlob, writeFileSync } from "node:fs";
import { blobSource, createPipeline, encodePng, folderOf } from "@lssgen/webgpu";
import { create } from "webgpu";

navigator.gpu = create([]);
const root = new URL("weights/lssgen-emoji/", import.meta.resolve("@lssgen/webgpu"));
const folder = folderOf("lssgen-emoji", async (path) => {
  const file = new URL(path, root);
  return existsSync(file) ? blobSource(path, await openAsBlob(file)) : undefined; // read by slices
});
const pipeline = await createPipeline(folder);
const { images: [{ width, height, rgb }] } = await pipeline.generate({ prompt: "a red apple", seed: 7 });
writeFileSync("apple.png", await encodePng({ width, height, channels: 3, data: rgb }));
await pipeline[Symbol.asyncDispose]();
