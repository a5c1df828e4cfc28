/**
 * What this process may do, found out without asking: on a terminal Deno stops and asks the user for what it was not given,
 * although all of this can be done without.
 *
 * @module
 */

/** Whether a permission was given. */
export function granted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

/** A variable of the environment; one that may not be read counts as unset. */
export function environmentVariable(variable: string): string | undefined {
  return granted({ name: "env", variable }) ? Deno.env.get(variable) : undefined;
}
