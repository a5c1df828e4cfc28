/** What this repository relies on in @std/assert, @std/cli and @std/path, whichever of JSR's and tools/std answers. */

import * as std from "@std/assert";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { basename, dirname, extname, fromFileUrl, join, relative, toFileUrl } from "@std/path";

function fails(call: () => unknown): void {
  let failed = false;
  try {
    call();
  } catch (error) {
    failed = error instanceof Error && error.name.startsWith("AssertionError");
  }
  if (!failed) throw new Error("Expected an AssertionError");
}

Deno.test("assertEquals() compares deeply, with types and array kinds", () => {
  assertEquals({ a: [1, new Float32Array([1, 2])] }, { a: [1, new Float32Array([1, 2])] });
  assertEquals(NaN, NaN);
  fails(() => assertEquals<unknown>([1, 2], [1, 3]));
  fails(() => assertEquals<unknown>(1, "1"));
  fails(() => assertEquals<unknown>(new Float32Array([1]), [1]));
  fails(() => assertEquals<unknown>(new Float32Array([1]), new Float64Array([1])));
  fails(() => std.assertNotEquals({ a: 1 }, { a: 1 }));
  std.assertNotEquals<unknown>({ a: 1 }, { a: 2 });
});

Deno.test("assertAlmostEquals() takes an absolute tolerance, a relative 1e-7 without one, and never NaN", () => {
  std.assertAlmostEquals(1, 1.05, 0.1);
  std.assertAlmostEquals(1e9, 1e9 + 50);
  std.assertAlmostEquals(Infinity, Infinity);
  fails(() => std.assertAlmostEquals(1, 1.2, 0.1));
  fails(() => std.assertAlmostEquals(1, 1.001));
  fails(() => std.assertAlmostEquals(NaN, 1, 10));
});

Deno.test("the comparing and matching assertions pass and fail where they should", () => {
  std.assertStrictEquals(3, 3);
  fails(() => std.assertStrictEquals<unknown>({}, {}));
  std.assertExists(0);
  fails(() => std.assertExists(undefined));
  std.assertGreater(2, 1);
  fails(() => std.assertGreater(1, 1));
  std.assertGreaterOrEqual(1, 1);
  fails(() => std.assertGreaterOrEqual(0, 1));
  std.assertLess(1, 2);
  fails(() => std.assertLess(2, 2));
  std.assertLessOrEqual(2, 2);
  fails(() => std.assertLessOrEqual(3, 2));
  std.assertStringIncludes("a red apple", "red");
  fails(() => std.assertStringIncludes("a red apple", "blue"));
  std.assertMatch("a1", /\d/);
  fails(() => std.assertMatch("a", /\d/));
  std.assertNotMatch("a", /\d/);
  fails(() => std.assertNotMatch("a1", /\d/));
  std.assertArrayIncludes([{ a: 1 }, { a: 2 }], [{ a: 2 }]);
  fails(() => std.assertArrayIncludes([1, 2], [3]));
  std.assertInstanceOf(new TypeError(), Error);
  fails(() => std.assertInstanceOf({}, Error));
  fails(() => assert(0));
  fails(() => std.fail("no"));
});

Deno.test("assertThrows() and assertRejects() return the error and check its class and words", async () => {
  const thrown = assertThrows(
    () => {
      throw new RangeError("too far");
    },
    RangeError,
    "far",
  );
  assertEquals(thrown.message, "too far");
  fails(() => assertThrows(() => 1));
  fails(() =>
    assertThrows(() => {
      throw new Error("x");
    }, RangeError)
  );
  fails(() =>
    assertThrows(
      () => {
        throw new Error("x");
      },
      Error,
      "y",
    )
  );
  const rejected = await assertRejects(() => Promise.reject(new RangeError("late")), RangeError, "late");
  assertEquals(rejected.message, "late");
  await assertRejects(() => assertRejects(() => Promise.resolve(1)), std.AssertionError);
  await assertRejects(
    () => assertRejects(() => Promise.reject(new Error("x")), RangeError),
    std.AssertionError,
  );
});

Deno.test("parseArgs() keeps texts as they are: empty, numbers, equals signs, lines, the last one or all", () => {
  const names = { string: ["prompt", "negative-prompt", "seed", "lora", "quiet"], collect: ["lora"] };
  const read = (...args: string[]): Record<string, unknown> => ({ ...parseArgs(args, names) });
  assertEquals(read(), { _: [], lora: [] });
  assertEquals(
    read(
      "--prompt=a=b\n--c",
      "--negative-prompt=",
      "--seed=1",
      "--seed=-1",
      "--lora=007",
      "--lora=",
      "--lora=a:0.5",
      "--quiet=true",
    ),
    {
      _: [],
      prompt: "a=b\n--c",
      "negative-prompt": "",
      seed: "-1",
      lora: ["007", "", "a:0.5"],
      quiet: "true",
    },
  );
});

Deno.test(
  "path functions split, join and convert as POSIX does",
  { ignore: Deno.build.os === "windows" },
  () => {
    assertEquals(join("a", "..", "b", "c.png"), "b/c.png");
    assertEquals([dirname("a/b.png"), dirname("b.png")], ["a", "."]);
    assertEquals([basename("a/b.png"), basename("a/b.png", ".png")], ["b.png", "b"]);
    assertEquals([extname("a.b/c.PNG"), extname("a"), extname(".png")], [".PNG", "", ""]);
    assertEquals(relative("/a/b", "/a/c/d"), "../c/d");
    assertEquals(fromFileUrl(new URL("file:///a%20b/c")), "/a b/c");
    assertEquals(toFileUrl("/a b/c").href, "file:///a%20b/c");
  },
);
