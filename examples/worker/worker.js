// The worker: opens the model once and draws what it is asked for. The page stays free, whatever a step takes.
import { createPipeline } from "@lssgen/webgpu";

const opening = createPipeline(self.name || undefined); // the model's address, or the embedded one

self.onmessage = async ({ data: { id, request } }) => {
  try {
    const pipeline = await opening;
    const { images: [{ width, height, rgb }] } = await pipeline.generate(
      request,
      {
        onProgress: ({ phase, share, etaMs }) => self.postMessage({ id, progress: { phase, share, etaMs } }),
      },
    );
    self.postMessage({ id, image: { width, height, rgb } }, [rgb.buffer]);
  } catch (error) {
    self.postMessage({
      id,
      error: { code: error.code, message: error.message },
    });
  }
};
