import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { fileSource } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { checkOutput, pictureOutput, suffixed, writeWhole } from "../lib/cli/output.ts";
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
  assertEquals([0, 1, 2].map((i) => suffixed("d.x/a.png", i)), ["d.x/a.png", "d.x/a_2.png", "d.x/a_3.png"]);
  assertEquals(suffixed("a.png", 0), "a.png");
});

Deno.test("an output that cannot be written is refused before the work, with nothing made", async () => {
  await inFolder(async (folder) => {
    await Deno.mkdir(join(folder, "d.png"));
    await Deno.writeTextFile(join(folder, "file"), "");
    const cases: [string, string][] = [
      ["a.gif", "ends in .png or .jpg"],
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

Deno.test("names as long as a disk takes are written, longer ones are refused before the work, numbered ones too", async () => {
  await inFolder(async (folder) => {
    for (const length of [245, 250, 255]) {
      const path = join(folder, `${"n".repeat(length - 4)}.png`);
      await checkOutput(path);
      await writeWhole(path, new Uint8Array([1]));
      assertEquals((await Deno.stat(path)).size, 1);
    }
    const cases: [number, number, string][] = [[256, 1, "256 bytes"], [254, 12, "257 bytes"]];
    for (const [length, count, words] of cases) {
      const path = join(folder, `${"n".repeat(length - 4)}.png`);
      await assertRejects(() => pictureOutput({ out: path, count }), LssgenError, words);
    }
    await assertRejects(
      () => checkOutput(join(folder, `${"ü".repeat(126)}.png`), {}),
      LssgenError,
      "256 bytes",
    );
    assertEquals(names(folder).length, 3);
  });
});

Deno.test({
  name: "a folder that may not be written is noticed before the work",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    // Not even the system's owner makes files there.
    const error = await assertRejects(() => checkOutput("/proc/self/a.png"), LssgenError);
    assertEquals(error.code, "bad_option");
    assert(error.message.includes("/proc/self"), error.message);
  },
});

Deno.test({
  name: "a disk without room for the picture is noticed before the work, and nothing is left on it",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await inFolder(async (folder) => {
      const script = `
        import { checkOutput } from ${JSON.stringify(new URL("../lib/cli/output.ts", import.meta.url).href)};
        await checkOutput("a.png");
        try { await checkOutput("a.png", { bytes: 2 ** 23 }); } catch (error) { console.log(error.code, error.message); }
      `;
      await Deno.writeTextFile(join(folder, "check.ts"), script);
      const config = new URL("../deno.json", import.meta.url).pathname;
      // Files may grow to 4 MiB: what a full disk is to a program.
      const { stdout, stderr } = await new Deno.Command("bash", {
        args: [
          "-c",
          `trap '' XFSZ; ulimit -f 4096; exec "$0" run -A --no-check --config "$1" check.ts`,
          Deno.execPath(),
          config,
        ],
        cwd: folder,
      }).output();
      const said = new TextDecoder().decode(stdout);
      assert(
        said.startsWith("bad_option") && said.includes("8388608 bytes"),
        said + new TextDecoder().decode(stderr),
      );
      assertEquals(names(folder), ["check.ts"]);
    });
  },
});

Deno.test("half-written files of dead processes are removed, those of living ones and all others stay", async () => {
  await inFolder(async (folder) => {
    const old = new Date(Date.now() - 10_000);
    const make = async (name: string): Promise<string> => {
      const path = join(folder, name);
      await Deno.writeTextFile(path, "half");
      await Deno.utime(path, old, old);
      return path;
    };
    await make(".lssgen-999999-0.part");
    await make("a.png.999999.part");
    await make("somebody's.part");
    const living = await make(".lssgen-999998-3.part");
    const holder = new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        `const f = await Deno.open(${
          JSON.stringify(living)
        }, { read: true, write: true }); await f.lock(true);
         console.log("held"); await Deno.stdin.read(new Uint8Array(1)); f.close();`,
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = holder.stdout.getReader();
    await reader.read();
    await checkOutput(join(folder, "a.png"));
    assertEquals(names(folder), [".lssgen-999998-3.part", "somebody's.part"]);
    await holder.stdin.close();
    await reader.cancel();
    await holder.status;
    await checkOutput(join(folder, "a.png"));
    assertEquals(names(folder), ["somebody's.part"]);
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

Deno.test("writeWhole() that keeps leaves a file alone that is there", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "a.png");
    assertEquals(await writeWhole(path, new Uint8Array([1]), { keep: true }), true);
    assertEquals(await writeWhole(path, new Uint8Array([2, 3]), { keep: true }), false);
    assertEquals(await Deno.readFile(path), new Uint8Array([1]));
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

Deno.test("pictures never overwrite: the default name is the next free one, a name that is taken is refused", async () => {
  await inFolder(async (folder) => {
    const fallback = join(folder, "output.png");
    const draw = async (choice: Parameters<typeof pictureOutput>[0], bytes: number[]): Promise<string[]> => {
      const output = await pictureOutput({ fallback, count: bytes.length, ...choice });
      const made: string[] = [];
      for (const byte of bytes) {
        made.push((await output.write(new Uint8Array([byte]))).slice(folder.length + 1));
      }
      return made;
    };
    assertEquals(await draw({}, [1]), ["output.png"]);
    assertEquals(await draw({}, [2, 3]), ["output_2.png", "output_3.png"]);
    assertEquals(await draw({ force: true }, [4]), ["output.png"]);
    const out = join(folder, "a.webp");
    assertEquals(await draw({ out }, [5, 6]), ["a.webp", "a_2.webp"]);
    const error = await assertRejects(
      () => draw({ out: join(folder, "a_2.webp") }, [7]),
      LssgenError,
      "--force",
    );
    assertEquals(error.code, "bad_option");
    await assertRejects(() => draw({ out }, [7]), LssgenError, "there already");
    assertEquals(await draw({ out, force: true }, [8]), ["a.webp"]);
    // A name that is taken between the check and the end of a long run is left to whoever took it.
    const late = await pictureOutput({ out: join(folder, "b.png") });
    await Deno.writeTextFile(join(folder, "b.png"), "theirs");
    assertEquals(await late.write(new Uint8Array([9])), join(folder, "b_2.png"));
    assertEquals(await Deno.readTextFile(join(folder, "b.png")), "theirs");
    assertEquals(names(folder).filter((name) => name.includes("part")), []);
  });
});

Deno.test("a number in the name and a folder number pictures from after the last", async () => {
  await inFolder(async (folder) => {
    const draw = async (out: string, count: number, more = {}): Promise<string[]> => {
      const output = await pictureOutput({ out: join(folder, out), count, ...more });
      const made: string[] = [];
      for (let i = 0; i < count; i++) {
        made.push((await output.write(new Uint8Array([i]))).slice(folder.length + 1));
      }
      return made;
    };
    assertEquals(await draw("out_%03d.png", 2), ["out_000.png", "out_001.png"]);
    assertEquals(await draw("out_%03d.png", 1), ["out_002.png"]);
    assertEquals(await draw("out_%03d.png", 1, { begin: 7 }), ["out_007.png"]);
    assertEquals(await draw("out_%03d.png", 1), ["out_008.png"]);
    assertEquals(await draw("out_%03d.png", 1, { force: true }), ["out_000.png"]);
    assertEquals(await draw("%d.jpg", 1), ["0.jpg"]);
    assertEquals(await draw("new/deep/", 2), ["new/deep/output_0000.png", "new/deep/output_0001.png"]);
    assertEquals(await draw("new/deep", 1), ["new/deep/output_0002.png"]);
    await assertRejects(() => draw("out_%03d.png", 1, { begin: 7 }), LssgenError, "there already");
    await assertRejects(() => draw("a.png", 1, { begin: 7 }), LssgenError, "holds no number");
    await assertRejects(() => draw("%d_%d.png", 1), LssgenError, "2 numbers");
    await assertRejects(
      () => draw("none", 1),
      LssgenError,
      `or a folder: "${join(folder, "none")}/" makes one`,
    );
  });
});

Deno.test("control characters and marks of direction are spelled out, all else is left as it is", () => {
  assertEquals(
    printable("a\u001b[2J\r\b\u007f\u009b\u202eb\u2066\0\u200f\u061c"),
    "a\\u001b[2J\\u000d\\u0008\\u007f\\u009b\\u202eb\\u2066\\u0000\\u200f\\u061c",
  );
  const plain = "Größe 512×512\t狐🦊\nσ 0.75 é";
  assertEquals(printable(plain), plain);
  // What was JSON stays the same JSON.
  const json = JSON.stringify({ text: "\u009b\u202e\u007f\u001b" });
  assertEquals(JSON.parse(printable(json)), JSON.parse(json));
});

Deno.test("a file that is gone, or that this user may not read, is a sentence with its name", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "a.safetensors");
    await Deno.writeTextFile(path, "weights");
    const file = (await fileSource(path))!;
    if (Deno.build.os !== "windows" && Deno.uid() !== 0) { // nothing is kept from root
      await Deno.chmod(path, 0);
      await assertRejects(() => file.read(0, 1), LssgenError, `"${path}": it may not be read by this user`);
    }
    await Deno.remove(path);
    const error = await assertRejects(
      () => file.read(0, 1),
      LssgenError,
      `Cannot read "${path}": it is not there any more`,
    );
    assertEquals(error.code, "bad_file");
  });
});
