/** Addresses that `serve` prints. */

import { assertEquals } from "@std/assert";
import { reachable } from "../lib/cli/addresses.ts";

const HERE = [
  { family: "IPv4", address: "127.0.0.1" },
  { family: "IPv6", address: "::1" },
  { family: "IPv4", address: "192.168.1.7" },
  { family: "IPv4", address: "169.254.3.4" },
  { family: "IPv6", address: "fe80::1" },
  { family: "IPv6", address: "2001:db8::5" },
];

Deno.test("a server that listens everywhere is printed by addresses that lead to it", () => {
  assertEquals(reachable("0.0.0.0", 7860, HERE), ["http://localhost:7860/", "http://192.168.1.7:7860/"]);
  assertEquals(reachable("::", 80, HERE), [
    "http://localhost:80/",
    "http://192.168.1.7:80/",
    "http://[2001:db8::5]:80/",
  ]);
  assertEquals(reachable("0.0.0.0", 1, []), ["http://localhost:1/"]);
});

Deno.test("a server that listens at one address is printed by it", () => {
  assertEquals(reachable("127.0.0.1", 7860, HERE), ["http://127.0.0.1:7860/"]);
  assertEquals(reachable("::1", 7860, HERE), ["http://[::1]:7860/"]);
});
