/**
 * Addresses under which a server is reached.
 *
 * @module
 */

import { granted } from "./permissions.ts";

/** An interface of this machine, as `Deno.networkInterfaces` has it. */
export interface Interface {
  /** IPv4 or IPv6. */
  readonly family: string;
  /** The address. */
  readonly address: string;
}

/**
 * Addresses that lead to a server, the nearest first: one that listens everywhere is asked for by a name or number of this
 * machine, never by `0.0.0.0`, which browsers refuse.
 *
 * @param hostname Where it listens.
 * @param interfaces This machine's; empty where they may not be asked for.
 */
export function reachable(hostname: string, port: number, interfaces: readonly Interface[]): string[] {
  const url = (host: string): string => `http://${host.includes(":") ? `[${host}]` : host}:${port}/`;
  if (hostname !== "0.0.0.0" && hostname !== "::") return [url(hostname)];
  const others = interfaces.filter(({ family, address }) => // Link-local addresses need a zone, which browsers do not take.
  (family === "IPv4"
    ? !/^(127|169\.254)\./.test(address)
    : hostname === "::" && !/^(::1$|fe80)/i.test(address))
  );
  return [url("localhost"), ...new Set(others.map(({ address }) => url(address)))];
}

/** This machine's interfaces, where the process may ask for them. */
export function interfaces(): readonly Interface[] {
  return granted({ name: "sys", kind: "networkInterfaces" }) ? Deno.networkInterfaces() : [];
}
