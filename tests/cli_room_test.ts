/** Commands that write large files say before the work that the disk has no room for them. */

import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../", import.meta.url).pathname;
const MODEL = `${ROOT}tests/golden/pipelines/sd15/model`;

/** Runs a command where no file may grow beyond so many KiB: what a full disk is to a program. */
async function run(kib: number, ...args: string[]): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    const { code, stdout, stderr } = await new Deno.Command("bash", {
      args: [
        ...["-c", `trap '' XFSZ; ulimit -f ${kib}; exec "$0" "$@"`, Deno.execPath()],
        ...["run", "-A", "--no-check", "--config", `${ROOT}deno.json`, `${ROOT}cli.ts`, ...args],
      ],
      cwd: folder,
      env: { NO_COLOR: "1" },
    }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert(code !== 0, said);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), [], "something is left");
    return said;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name:
    "a sheet, a converted file and a preview that do not fit on the disk are refused before any weight is read",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const picture = ["--model", MODEL, "fox", "--size", "512"];
    // Three columns and two rows of pictures, paper and labels.
    const sheet = await run(4096, "compare", ...picture, "--out", "a.png");
    assert(/"a\.png".*\(tried with \d{8} bytes.*--out/.test(sheet) && !sheet.includes("load "), sheet);
    const converted = await run(512, "convert", MODEL, "--type", "q8_0", "--out", "a.gguf");
    assert(/"a\.gguf": .*(too large|left)/i.test(converted), converted);
    // A folder that nobody writes to, since a limit would meet the picture first; the bytes are those of a picture of noise.
    const preview = ["--preview", "vae", "--preview-path", "/proc/self/p.png"];
    const previews = await run(4096, "generate", ...picture, ...preview, "--out", "a.png");
    assert(/p\.png.*\(tried with 851968 bytes.*--preview-path/.test(previews), previews);
    assert(!previews.includes("load "), previews);
  },
});
