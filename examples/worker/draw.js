// The page's side: a promise for each picture. In a page as here, and in Deno: `deno run -A examples/worker/main.js`.
const worker = new Worker(new URL("./worker.js", import.meta.url), {
  type: "module",
});
const waiting = new Map();
let ids = 0;

worker.onmessage = ({ data: { id, progress, image, error } }) => {
  const asked = waiting.get(id);
  if (progress) return asked.onProgress?.(progress);
  waiting.delete(id);
  if (error) {
    asked.reject(Object.assign(new Error(error.message), { code: error.code }));
  } else asked.resolve(image);
};

export function draw(request, onProgress) {
  const id = ids++;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject, onProgress });
    worker.postMessage({ id, request });
  });
}

export function end() {
  worker.terminate();
}
