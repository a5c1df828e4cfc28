/**
 * `deno task setup`: is there a WebGPU adapter? Where there is none, or only OpenGL in software, and it may, it installs
 * Mesa's software Vulkan driver (Debian, Ubuntu, as root); elsewhere it prints the one command to run.
 *
 * @module
 */

/** What set-up finds out before it decides. */
export interface Machine {
  /**
   * What `navigator.gpu.requestAdapter()` gives. `opengl`: a software adapter reached through OpenGL, as machines with Mesa's
   * OpenGL libraries and no Vulkan driver have it. It works at half the speed of Mesa's Vulkan driver, without f16 activations, and
   * submissions block until the kernels have run.
   */
  readonly adapter: "none" | "opengl" | "good";
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
  if (machine.adapter === "good") return { do: "nothing" };
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
  return machine.adapter === "none"
    ? { do: "tell", text: `No WebGPU adapter on this machine. Run this, then set-up again: ${command}` }
    : { do: "tell", text: `The only WebGPU adapter is OpenGL in software: ${command} doubles the speed` };
}

/** An adapter's name, and whether it is a processor's. */
interface Found {
  readonly name: string;
  readonly software: boolean;
}

/** Asks in a process of its own, since a process that once found no driver does not look again. */
async function findAdapter(env: Record<string, string> = {}): Promise<Found | undefined> {
  const code = "const a = await navigator.gpu?.requestAdapter(); if (!a) Deno.exit(3);" +
    "const name = a.info.description || a.info.device || a.info.vendor || 'unnamed adapter';" +
    "console.log(JSON.stringify({ name, software: a.info.isFallbackAdapter === true })); Deno.exit(0)";
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", code],
    env,
    stderr: "null",
  }).output();
  return success ? JSON.parse(new TextDecoder().decode(stdout)) : undefined;
}

/** Software is asked for once more, as a Vulkan driver: Deno takes OpenGL where there is none. */
async function kindOf(adapter: Found | undefined): Promise<Machine["adapter"]> {
  if (!adapter) return "none";
  if (Deno.build.os !== "linux" || !adapter.software) return "good";
  return await findAdapter({ DENO_WEBGPU_BACKEND: "vulkan" }) ? "good" : "opengl";
}

async function main(): Promise<number> {
  let adapter = await findAdapter();
  const step = decide({
    adapter: await kindOf(adapter),
    os: Deno.build.os,
    release: await Deno.readTextFile("/etc/os-release").catch(() => ""),
    root: Deno.uid() === 0,
  });
  if (step.do === "tell") {
    console.error(step.text);
    if (!adapter) return 1;
  }
  if (step.do === "install") {
    console.log("No Vulkan driver: installing Mesa's software Vulkan driver (apt-get)");
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
    adapter = await findAdapter();
    if (!adapter) {
      console.error(
        "The driver is installed, but WebGPU still finds no adapter: see what `vulkaninfo --summary` says",
      );
      return 1;
    }
  }
  console.log(`WebGPU adapter: ${adapter!.name}`);
  return 0;
}

if (import.meta.main) Deno.exit(await main());
