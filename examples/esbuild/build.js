// `npx jsr add @lssgen/webgpu && npm install esbuild && node build.js`: a folder `out` for any host. esbuild takes no files along
// that code names by address, so the embedded model is copied beside the page.
import { cpSync } from "node:fs";
import { build } from "esbuild";

await build({
  entryPoints: ["main.js"],
  bundle: true,
  format: "esm",
  target: "es2022", // `await using` is compiled away
  outdir: "out",
});
cpSync("index.html", "out/index.html");
cpSync("node_modules/@lssgen/webgpu/weights/lssgen-emoji", "out/model", {
  recursive: true,
});
