import { draw, end } from "./draw.js";

const request = { prompt: "a red apple", width: 512, height: 512, seed: 7 };
const { width, height, rgb } = await draw(
  request,
  ({ phase, share }) => console.log(phase, share),
);
console.log(`${width} × ${height}, ${rgb.length} bytes`);
end();
