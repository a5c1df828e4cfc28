/**
 * The command line on GPU devices that this process loses when it is told to: a word a line on standard input.
 *
 * - `lose`: the newest device is destroyed, as a driver that crashes destroys it;
 * - `lose-next`: so is the next one, as soon as it has work;
 * - `full`: the driver's memory is full from the next buffer on, for this device.
 *
 * "lost", "full" is written to standard error when it has happened. Arguments are the command line's.
 */

import { main } from "../lib/cli/main.ts";

let device: GPUDevice | undefined;
let loseNext = Deno.args[0] === "--lose-first";
let full = false;

const request = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (this: GPUAdapter, ...args) {
  const opened = device = await request.apply(this, args);
  if (loseNext) {
    const { submit } = opened.queue;
    opened.queue.submit = (...work) => {
      submit.apply(opened.queue, work);
      opened.queue.submit = submit;
      lose(opened);
    };
    loseNext = false;
  }
  const { createBuffer } = opened;
  let isFull = false;
  opened.createBuffer = (descriptor) => {
    if (full && !isFull) {
      full = false;
      isFull = true;
      const error = new GPUOutOfMemoryError("no room");
      opened.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error }));
      console.error("full");
    }
    return createBuffer.call(opened, descriptor);
  };
  return opened;
};

function lose(which: GPUDevice | undefined): void {
  which?.destroy();
  console.error("lost");
}

(async () => {
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    for (const word of text.split("\n")) {
      if (word === "lose") lose(device);
      if (word === "lose-next") loseNext = true;
      if (word === "full") full = true;
    }
  }
})();

Deno.exit(await main(Deno.args.filter((arg) => arg !== "--lose-first")));
