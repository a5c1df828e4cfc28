/** Scheduler configs of the first releases, as diffusers' pipelines mend them. */

import { assertEquals } from "@std/assert";
import { readModelInfo } from "../lib/pipelines/text_to_image.ts";
import { bytesOf, folderOf, type FolderSource } from "../lib/weights/bytes.ts";
import { goldenModel } from "./poisoned_models.ts";

/** A golden's folder with keys of its scheduler's config changed; undefined leaves a key out. */
function withScheduler(model: string, changes: Readonly<Record<string, unknown>>): FolderSource {
  const folder = goldenModel(model);
  return folderOf(model, async (path) => {
    const file = await folder.open(path);
    if (!file || path !== "scheduler/scheduler_config.json") return file;
    const config = JSON.parse(new TextDecoder().decode(await file.read(0, file.size)));
    return bytesOf(path, new TextEncoder().encode(JSON.stringify({ ...config, ...changes })));
  });
}

for (
  const changes of [{ steps_offset: 0, clip_sample: true }, {
    steps_offset: undefined,
    clip_sample: undefined,
  }]
) {
  Deno.test(`SD 1.5 counts steps from 1 and clips nothing, as its pipeline in diffusers: ${JSON.stringify(changes)}`, async () => {
    const { scheduler } = await readModelInfo(withScheduler("sd15", changes));
    assertEquals([scheduler.steps_offset, scheduler.clip_sample], [1, false]);
  });
}

Deno.test("SDXL's scheduler config is taken as it is, as its pipeline in diffusers does", async () => {
  const { scheduler } = await readModelInfo(withScheduler("sdxl", { steps_offset: 0 }));
  assertEquals(scheduler.steps_offset, 0);
});
