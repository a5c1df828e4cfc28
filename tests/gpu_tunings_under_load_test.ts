/** Tunings from nothing while other work takes the processors: each chooses alike, so that a seed stays the same picture. */

import { assertEquals } from "@std/assert";

/** Tunings; TUNINGS for more of them, each with a picture of either family, in f32 and f16. */
const MANY = Deno.env.get("TUNINGS");
const TUNINGS = Number(MANY ?? 2);
const PICTURES = MANY === undefined ? ["dit f32"] : ["sd15 f32", "dit f16"];
const SCRIPT = new URL("tuned_pictures.ts", import.meta.url).href;
const CONFIG = new URL("../deno.json", import.meta.url).pathname;

/** Keeps every processor busy, now and then for a moment only, as compilers and browsers do. */
function busy(): Disposable {
  const code = `
    const spin = () => {
      const until = performance.now() + 20 + 400 * Math.random();
      while (performance.now() < until);
      setTimeout(spin, 100 * Math.random() ** 2);
    };
    spin();`;
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const workers = Array.from(
    { length: navigator.hardwareConcurrency },
    () => new Worker(url, { type: "module" }),
  );
  return {
    [Symbol.dispose]() {
      for (const worker of workers) worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
}

async function tuned(): Promise<{ chosen: unknown; pictures: Record<string, string>; measured: unknown }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", "--config", CONFIG, "--location", "http://tunings.invalid/"],
      ...[SCRIPT, ...PICTURES],
    ],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("tunings from nothing on busy processors choose the same kernels and draw the same bytes", async () => {
  using _busy = busy();
  const all: Awaited<ReturnType<typeof tuned>>[] = [];
  for (let i = 0; i < TUNINGS; i++) {
    const one = await tuned();
    all.push(one);
    if (MANY !== undefined) console.log(JSON.stringify(one));
  }
  const [{ pictures, chosen }] = all;
  assertEquals(Object.keys(pictures), PICTURES);
  const same = (one: typeof all[number]) =>
    JSON.stringify([one.chosen, one.pictures]) === JSON.stringify([chosen, pictures]);
  if (MANY !== undefined) console.log(`${all.filter(same).length} of ${TUNINGS} alike`);
  for (const one of all) assertEquals([one.chosen, one.pictures], [chosen, pictures]);
});
