import { assertEquals } from "@std/assert";
import { spreadThreads } from "../lib/cli/software_adapter.ts";

const THREADS = "LP_NUM_THREADS";

Deno.test("llvmpipe gets two threads a processor, unless the environment says otherwise", () => {
  const before = Deno.env.get(THREADS);
  try {
    Deno.env.delete(THREADS);
    spreadThreads();
    assertEquals(Deno.env.get(THREADS), String(2 * navigator.hardwareConcurrency));
    Deno.env.set(THREADS, "1");
    spreadThreads();
    assertEquals(Deno.env.get(THREADS), "1");
  } finally {
    if (before === undefined) Deno.env.delete(THREADS);
    else Deno.env.set(THREADS, before);
  }
});

Deno.test({
  name: "where the environment may not be seen, nobody is asked for it",
  permissions: { env: false },
  fn: () => spreadThreads(),
});
