/**
 * Why there is no GPU to be had. Loaded where there is none.
 *
 * @module
 */

/** One sentence for each way in which WebGPU can be missing: `api` says whether the runtime knows it at all. */
export function whyNoAdapter(api: boolean): string {
  if ((globalThis as { isSecureContext?: boolean }).isSecureContext === false) {
    return "No WebGPU here: the page is not a secure context; serve it from https or from localhost";
  }
  if (!api) {
    return "No WebGPU here: this runtime has no navigator.gpu; use Deno 2.2 or newer, or a browser with WebGPU (Chrome 113, Firefox 141, Safari 26)";
  }
  return "No GPU adapter found: install a Vulkan driver (Debian: apt-get install mesa-vulkan-drivers libvulkan1; " +
    "`deno task setup` does it), or on Linux in Chrome start with --enable-unsafe-webgpu";
}
