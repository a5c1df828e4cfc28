import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { LssgenError } from "../lib/errors.ts";
import { checkOutput, outputPaths, writeWhole } from "../lib/cli/output.ts";
import { printable } from "../lib/cli/terminal.ts";

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
}

Deno.test("several pictures are numbered from the second on", () => {
  assertEquals(outputPaths("d.x/a.png", 3), ["d.x/a.png", "d.x/a_2.png", "d.x/a_3.png"]);
  assertEquals(outputPaths("a.png", 1), ["a.png"]);
});

Deno.test("an output that cannot be written is refused before the work, with nothing made", async () => {
  await inFolder(async (folder) => {
    await Deno.mkdir(join(folder, "d.png"));
    await Deno.writeTextFile(join(folder, "file"), "");
    const cases: [string, string][] = [
      ["a.jpg", "ends in .png"],
      ["d.png", "is a folder"],
      ["missing/a.png", "does not exist"],
      ["file/a.png", "does not exist"],
    ];
    for (const [name, words] of cases) {
      const error = await assertRejects(() => checkOutput(join(folder, name)), LssgenError, words);
      assertEquals(error.code, "bad_option");
    }
    await checkOutput(join(folder, "A.PNG"));
    assertEquals(names(folder), ["d.png", "file"]);
  });
});

Deno.test("writeWhole() replaces a file in one step and leaves no other file", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "a.png");
    await writeWhole(path, new Uint8Array([1]));
    await writeWhole(path, new Uint8Array([2, 3]));
    assertEquals(await Deno.readFile(path), new Uint8Array([2, 3]));
    assertEquals(names(folder), ["a.png"]);
  });
});

Deno.test("writeWhole() that fails leaves the old file and nothing half-written", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "d");
    await Deno.mkdir(join(path, "inner"), { recursive: true });
    const error = await assertRejects(() => writeWhole(path, new Uint8Array([1])), LssgenError);
    assertEquals(error.code, "bad_file");
    assert(error.message.includes(path));
    assertEquals(names(folder), ["d"]);
  });
});

Deno.test("control characters and marks of direction are spelled out, all else is left as it is", () => {
  assertEquals(
    printable("a\u001b[2J\r\b\u007f\u009b\u202eb\u2066\0"),
    "a\\u001b[2J\\u000d\\u0008\\u007f\\u009b\\u202eb\\u2066\\u0000",
  );
  const plain = "Größe 512×512\t狐🦊\nσ 0.75 é";
  assertEquals(printable(plain), plain);
  // What was JSON stays the same JSON.
  const json = JSON.stringify({ text: "\u009b\u202e\u007f\u001b" });
  assertEquals(JSON.parse(printable(json)), JSON.parse(json));
});
