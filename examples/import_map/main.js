// The import map in index.html says where the package lies; a browser needs nothing else.
import { createPipeline } from "@lssgen/webgpu";

const canvas = document.querySelector("canvas");
const text = document.querySelector("pre");
try {
  await using pipeline = await createPipeline();
  const drawing = pipeline.generate({ prompt: "a red apple", width: 512, height: 512, seed: 7 });
  for await (const { phase, share = 0 } of drawing) {
    text.textContent = `${phase} ${Math.round(100 * share)} %`;
  }
  const { images: [{ width, height, rgb }] } = await drawing;
  const pixels = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    pixels.data.set([rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], 255], 4 * i);
  }
  Object.assign(canvas, { width, height }).getContext("2d").putImageData(
    pixels,
    0,
    0,
  );
  text.textContent = "done";
} catch (error) {
  text.textContent = `Error: ${error.message}`;
}
