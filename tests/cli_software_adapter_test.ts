import { assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { leaveCompositorAlone, prepareMesa, setThreads, spreadThreads } from "../lib/cli/software_adapter.ts";

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
  fn: () => prepareMesa(),
});

/** Runs with these variables, then puts back what was there. */
function withEnvironment(set: Record<string, string | undefined>, use: () => void): void {
  const before = Object.keys(set).map((name) => [name, Deno.env.get(name)] as const);
  const put = ([name, value]: readonly [string, string | undefined]) =>
    value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  try {
    Object.entries(set).forEach(put);
    use();
  } finally {
    before.forEach(put);
  }
}

Deno.test("without a desktop session Mesa does not look for its compositor, with one it does", () => {
  const asked = () => Deno.env.get("NODEVICE_SELECT");
  withEnvironment({ XDG_RUNTIME_DIR: undefined, NODEVICE_SELECT: undefined }, () => {
    leaveCompositorAlone();
    assertEquals(asked(), "1");
  });
  withEnvironment({ XDG_RUNTIME_DIR: "/run/user/1000", NODEVICE_SELECT: undefined }, () => {
    leaveCompositorAlone();
    assertEquals(asked(), undefined);
  });
  withEnvironment({ XDG_RUNTIME_DIR: undefined, NODEVICE_SELECT: "0" }, () => {
    leaveCompositorAlone();
    assertEquals(asked(), "0");
  });
});

Deno.test("--threads is heeded by llvmpipe, and 0 and -1 leave it alone", () => {
  withEnvironment({ LP_NUM_THREADS: "5" }, () => {
    setThreads(-1);
    setThreads(0);
    setThreads(undefined);
    assertEquals(Deno.env.get("LP_NUM_THREADS"), "5");
    setThreads(3);
    assertEquals(Deno.env.get("LP_NUM_THREADS"), "3");
  });
});

Deno.test({
  name: "--threads without the right to set the environment names the right",
  permissions: { env: false },
  fn: () => {
    assertThrows(() => setThreads(3), LssgenError, "--allow-env=LP_NUM_THREADS");
  },
});
