/** The command line as it is first met: nothing is fetched, and it becomes a command by one line. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";

const ROOT = fromFileUrl(new URL("../", import.meta.url));

async function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string = ROOT,
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1", ...env },
  }).output();
  const [out, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(code, 0, said);
  return out;
}

Deno.test("the first command in a fresh checkout asks no registry for anything", async () => {
  const cache = await Deno.makeTempDir();
  const asked: string[] = [];
  await using registry = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    asked.push(request.url);
    return new Response(null, { status: 404 });
  });
  const address = `http://127.0.0.1:${registry.addr.port}/`;
  try {
    const env = {
      DENO_DIR: cache,
      NPM_CONFIG_REGISTRY: address,
      JSR_URL: address,
      DENO_NO_UPDATE_CHECK: "1",
    };
    const out = await run(
      Deno.execPath(),
      ["run", "-A", "--no-check", "cli.ts", "plan", "--size", "64"],
      env,
    );
    assertStringIncludes(out, "64×64");
    assertEquals(asked, []);
    // The registry counts: what only tests and tools need is asked for where it is used.
    await new Deno.Command(Deno.execPath(), {
      args: ["cache", "--no-check", "tools/esbuild.ts"],
      cwd: ROOT,
      env,
      stdout: "null",
      stderr: "null",
    }).output();
    assert(asked.some((url) => url.includes("esbuild")), "the counting registry was never asked");
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});

Deno.test({
  name:
    "the documented line makes lssgen a command that runs from any folder, and cli.ts is a program by itself",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const text = await Deno.readTextFile(join(ROOT, "docs/OPTIONS.md"));
      const [, line] = /^deno (install --global .*)$/m.exec(text) ?? [];
      assert(line, "docs/OPTIONS.md has no line that installs");
      await run(Deno.execPath(), [...line.split(" "), "--root", folder], {});
      // The program's own folder first: the command calls `deno`.
      await Deno.symlink(Deno.execPath(), join(folder, "bin/deno"));
      const env = { PATH: `${join(folder, "bin")}:${Deno.env.get("PATH")}` };
      const asked = ["plan", "--size", "64", "--json"];
      const installed = await run("lssgen", asked, env, folder);
      const direct = await run(join(ROOT, "cli.ts"), asked, env, folder);
      assertEquals(JSON.parse(installed).width, 64);
      assertEquals(installed, direct);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
