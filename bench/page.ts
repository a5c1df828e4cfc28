/**
 * The bench in a page, beside the other engines that pages have. Bundled by bench/chromium.ts, which brings them.
 *
 * @module
 */

import { openDevice } from "../lib/gpu/device.ts";
import type { PeerContender, Peers } from "./harness.ts";
import type { BenchOptions } from "./options.ts";
import { onnxPeer } from "./peers_onnx.ts";
import { type Tf, tfPeer } from "./peers_tfjs.ts";
import { BENCHES, runBenches, type RunReport } from "./run.ts";

/** Where the page finds onnxruntime's WebAssembly. */
const WASM = "./onnxruntime/";

/** Several engines as one. */
function both(all: readonly Peers[]): Peers {
  const each = async (
    of: (peers: Peers) => Promise<readonly PeerContender[]>,
  ): Promise<readonly PeerContender[]> => {
    const found: PeerContender[] = [];
    for (const peers of all) found.push(...await of(peers));
    return found;
  };
  return {
    matmul: (...shape) => each((peers) => peers.matmul(...shape)),
    conv: (...shape) => each((peers) => peers.conv(...shape)),
    attention: (...shape) => each((peers) => peers.attention(...shape)),
  };
}

/** Runs what is asked for. */
export async function runInPage(
  o: BenchOptions,
  ort: Parameters<typeof onnxPeer>[0],
  tf: Tf,
  say: (line: string) => void,
): Promise<RunReport> {
  ort.env.wasm.wasmPaths = new URL(WASM, location.href).href;
  using device = await openDevice();
  const peers = both([onnxPeer(ort), await tfPeer(tf)]);
  return await runBenches(device, { ...o, benches: BENCHES, peers, say });
}
