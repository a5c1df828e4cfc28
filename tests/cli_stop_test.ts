/** Ctrl-C in the middle of a picture. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";

const CLI = fromFileUrl(new URL("../cli.ts", import.meta.url));

Deno.test({
  name: "Ctrl-C ends a run within a step, with exit code 130, one word and nothing on the disk",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "-A", "--no-check", CLI, "a red apple", "--size", "64", "--method", "direct"],
          ...["--steps", "1000", "--out", "a.png"],
        ],
        cwd: folder,
        env: { NO_COLOR: "1" },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      let said = "";
      let stopped = false;
      for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
        said += text;
        if (stopped || !/step [1-9]\d*\/1000/.test(said)) continue;
        stopped = true;
        child.kill("SIGINT");
      }
      const out = await new Response(child.stdout).text();
      assertEquals([(await child.status).code, out], [130, ""], said);
      assert(!said.includes("step 1000/1000") && !said.includes("    at "), said);
      assertMatch(said, /\nStopping after this step; Ctrl-C again stops at once\n(?:.*\n)*Stopped\n$/);
      assertEquals([...Deno.readDirSync(folder)], []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
