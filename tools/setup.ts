/**
 * `deno task setup`: is there a WebGPU adapter? Where there is none and it may, it installs Mesa's software
 * Vulkan driver (Debian, Ubuntu, as root); elsewhere it prints the one command to run.
 *
 * @module
 */

/** What set-up finds out before it decides. */
export interface Machine {
  /** Whether `navigator.gpu.requestAdapter()` gives an adapter. */
  readonly adapter: boolean;
  /** `Deno.build.os`. */
  readonly os: string;
  /** Contents of /etc/os-release, empty where there is none. */
  readonly release: string;
  /** Whether the user is root. */
  readonly root: boolean;
}

/** What to do: nothing, install and look again, or tell the user. */
export type Step =
  | { readonly do: "nothing" }
  | { readonly do: "install"; readonly commands: readonly (readonly string[])[] }
  | { readonly do: "tell"; readonly text: string };

const PACKAGES = ["mesa-vulkan-drivers", "libvulkan1"];

/** Decides from the facts alone. */
export function decide(machine: Machine): Step {
  if (machine.adapter) return { do: "nothing" };
  const debian = /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(machine.release);
  if (machine.os === "linux" && debian && machine.root) {
    return {
      do: "install",
      commands: [["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", ...PACKAGES]],
    };
  }
  const command = machine.os !== "linux"
    ? "update the graphics driver (WebGPU needs Metal on macOS, Direct3D 12 or Vulkan on Windows)"
    : debian
    ? `sudo apt-get update && sudo apt-get install -y ${PACKAGES.join(" ")}`
    : /^ID(_LIKE)?=.*\b(fedora|rhel)\b/m.test(machine.release)
    ? "sudo dnf install -y mesa-vulkan-drivers vulkan-loader"
    : /^ID(_LIKE)?=.*\barch\b/m.test(machine.release)
    ? "sudo pacman -S --needed vulkan-swrast vulkan-icd-loader"
    : "install a Vulkan driver and loader (Mesa's lavapipe needs no graphics card)";
  return { do: "tell", text: `No WebGPU adapter on this machine. Run this, then set-up again: ${command}` };
}

/** Asks in a process of its own, since a process that once found no driver does not look again. */
async function adapterName(): Promise<string | undefined> {
  const code = "const a = await navigator.gpu?.requestAdapter(); if (!a) Deno.exit(3);" +
    "console.log(a.info.description || a.info.device || a.info.vendor || 'unnamed adapter'); Deno.exit(0)";
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", code],
    stderr: "null",
  }).output();
  return success ? new TextDecoder().decode(stdout).trim() : undefined;
}

async function main(): Promise<number> {
  let adapter = await adapterName();
  const step = decide({
    adapter: adapter !== undefined,
    os: Deno.build.os,
    release: await Deno.readTextFile("/etc/os-release").catch(() => ""),
    root: Deno.uid() === 0,
  });
  if (step.do === "tell") {
    console.error(step.text);
    return 1;
  }
  if (step.do === "install") {
    console.log("No WebGPU adapter: installing Mesa's software Vulkan driver (apt-get)");
    for (const [program, ...args] of step.commands) {
      const { success, stdout, stderr } = await new Deno.Command(program, {
        args,
        env: { DEBIAN_FRONTEND: "noninteractive" },
        stdin: "null",
      }).output();
      if (!success) {
        await Deno.stderr.write(stdout);
        await Deno.stderr.write(stderr);
        console.error(`Set-up stopped: ${[program, ...args].join(" ")} failed, see above`);
        return 1;
      }
    }
    adapter = await adapterName();
    if (adapter === undefined) {
      console.error(
        "The driver is installed, but WebGPU still finds no adapter: see what `vulkaninfo --summary` says",
      );
      return 1;
    }
  }
  console.log(`WebGPU adapter: ${adapter}`);
  return 0;
}

if (import.meta.main) Deno.exit(await main());
