/**
 * A `redis-server` for tests: the machine's own, or Debian's package unpacked into a folder of the user's cache. Nothing is
 * installed and no service is started, so root is not needed.
 *
 * @module
 */

import { join } from "@std/path";

/** A program, and where its libraries lie. */
export interface RedisProgram {
  /** Path or name. */
  readonly path: string;
  /** Environment that it needs. */
  readonly env: Readonly<Record<string, string>>;
}

/** Packages of libraries that the server needs; names differ from one release of Debian to the next. */
const LIBRARIES = /^(libatomic|libhiredis|libjemalloc|liblua|liblzf|libssl|libsystemd|lua-)/;
const WITHOUT = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"].map((kind) =>
  `--no-${kind}`
);

/**
 * Finds it, or fetches it from Debian's archive.
 *
 * @throws {Error} Where neither goes, with what to do.
 */
export async function redisServer(own = true): Promise<RedisProgram> {
  const found = own ? await works({ path: "redis-server", env: {} }) : undefined;
  if (found) return found;
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? "/tmp", ".cache");
  const root = join(cache, "lssgen-tests", "redis");
  const kept = await works(await unpacked(root));
  if (kept) return kept;
  await fetchPackages(root).catch((error) => {
    throw new Error(
      `Tests of queues need redis-server, which is not there and could not be fetched (${error.message}). Install it: sudo apt-get install redis-server`,
    );
  });
  const fetched = await works(await unpacked(root));
  if (!fetched) {
    throw new Error(
      "The redis-server that was fetched does not start. Install it: sudo apt-get install redis-server",
    );
  }
  return fetched;
}

async function works(program: RedisProgram): Promise<RedisProgram | undefined> {
  try {
    const { success } = await new Deno.Command(program.path, {
      args: ["--version"],
      env: program.env,
      stdout: "null",
      stderr: "null",
    }).output();
    return success ? program : undefined;
  } catch {
    return undefined;
  }
}

async function unpacked(root: string): Promise<RedisProgram> {
  const libraries: string[] = [join(root, "usr/lib")];
  try {
    for await (const { name, isDirectory } of Deno.readDir(libraries[0])) {
      if (isDirectory) libraries.push(join(root, "usr/lib", name));
    }
  } catch {
    // It is not there yet.
  }
  return { path: join(root, "usr/bin/redis-server"), env: { LD_LIBRARY_PATH: libraries.join(":") } };
}

/** apt's own lists and cache are root's: these are our own. */
async function fetchPackages(root: string): Promise<void> {
  const work = await Deno.makeTempDir();
  try {
    for (const folder of ["lists/partial", "cache/archives/partial"]) {
      await Deno.mkdir(join(work, folder), { recursive: true });
    }
    const apt = async (program: string, ...args: string[]): Promise<string> => {
      const { success, stdout, stderr } = await new Deno.Command(program, {
        args: [
          `-oDir::State::lists=${work}/lists`,
          `-oDir::Cache=${work}/cache`,
          "-oAPT::Sandbox::User=",
          ...args,
        ],
        cwd: work,
        stdin: "null",
      }).output();
      if (!success) {
        throw new Error(`${program} ${args[0]}: ${new TextDecoder().decode(stderr).trim().slice(-300)}`);
      }
      return new TextDecoder().decode(stdout);
    };
    await apt("apt-get", "update");
    const all = await apt("apt-cache", "depends", "--recurse", ...WITHOUT, "redis-server");
    const libraries = [...all.matchAll(/^([a-z0-9][\w.+-]*)$/gm)].map(([name]) => name).filter((name) =>
      LIBRARIES.test(name)
    );
    await apt("apt-get", "download", "redis-server", "redis-tools", ...new Set(libraries));
    await Deno.mkdir(root, { recursive: true });
    for await (const { name } of Deno.readDir(work)) {
      if (!name.endsWith(".deb")) continue;
      const { success } = await new Deno.Command("dpkg", { args: ["-x", join(work, name), root] }).output();
      if (!success) throw new Error(`dpkg -x ${name} failed`);
    }
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

if (import.meta.main) console.log((await redisServer(Deno.args[0] !== "fetch")).path);
