import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decide } from "../tools/setup.ts";
import { denoTestCount, goldenCount } from "../tools/test.ts";

const DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n';
const MINT = 'ID=linuxmint\nID_LIKE="ubuntu debian"\n';
const bare = { adapter: "none" as const, os: "linux", release: DEBIAN, root: true };

Deno.test("set-up does nothing where an adapter exists, whatever the machine", () => {
  assertEquals(decide({ ...bare, adapter: "good" }), { do: "nothing" });
  assertEquals(decide({ adapter: "good", os: "windows", release: "", root: false }), { do: "nothing" });
});

Deno.test("set-up installs Mesa's driver and the loader as root on Debian and its descendants", () => {
  for (const release of [DEBIAN, MINT]) {
    const step = decide({ ...bare, release });
    // An adapter that is OpenGL in software is no reason to leave it at that.
    assertEquals(step, decide({ ...bare, adapter: "opengl", release }));
    assert(step.do === "install");
    assertEquals(step.commands[0], ["apt-get", "update"]);
    assertEquals(step.commands[1].slice(0, 3), ["apt-get", "install", "-y"]);
    assertEquals(step.commands[1].slice(-2), ["mesa-vulkan-drivers", "libvulkan1"]);
  }
});

Deno.test("set-up tells everyone else one command", () => {
  const cases: [Partial<typeof bare>, string][] = [
    [{ root: false }, "sudo apt-get update && sudo apt-get install -y mesa-vulkan-drivers libvulkan1"],
    [{ release: "ID=fedora\n" }, "dnf install"],
    [{ release: "ID=arch\n" }, "pacman -S"],
    [{ release: "ID=debianish\n" }, "Vulkan driver"],
    [{ os: "darwin", release: "" }, "graphics driver"],
  ];
  for (const [change, text] of cases) {
    const step = decide({ ...bare, ...change });
    assert(step.do === "tell", JSON.stringify(change));
    assertStringIncludes(step.text, text);
    assertEquals(step.text.split("\n").length, 1);
    const slow = decide({ ...bare, ...change, adapter: "opengl" });
    assert(slow.do === "tell" && slow.text.includes(text) && /OpenGL/.test(slow.text), JSON.stringify(slow));
  }
});

Deno.test("denoTestCount() reads the closing line with and without steps, and nothing else", () => {
  assertEquals(denoTestCount("x ... ok\n\nok | 12 passed | 0 failed (7ms)\n"), { passed: 12, failed: 0 });
  assertEquals(denoTestCount("FAILED | 3 passed (4 steps) | 1 failed (1 step) (1s)"), {
    passed: 3,
    failed: 1,
  });
  assertEquals(denoTestCount("printed by a test: ok | 1 passed\nerror: No test modules found\n"), undefined);
});

Deno.test("goldenCount() reads the last line of that form", () => {
  assertEquals(goldenCount("a ok 1e-6\n1 passed, 0 failed\nb\n7 passed, 2 failed\n"), {
    passed: 7,
    failed: 2,
  });
  assertEquals(goldenCount("nothing here"), undefined);
});
