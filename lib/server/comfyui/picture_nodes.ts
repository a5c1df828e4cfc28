/**
 * Nodes of pictures and masks: sent in, made larger, given away.
 *
 * @module
 */

import { openPicture, type PictureFile } from "../../image/picture_file.ts";
import type { Picture } from "../../image/png_writing.ts";
import { resize, type ResizeFilter } from "../../image/resize.ts";
import { sentPicture } from "../incoming_pictures.ts";
import { ApiError } from "../api_error.ts";
import { FILTERS, type ServedUpscaler } from "../upscalers.ts";
import {
  type Inputs,
  type InputSpec,
  type NodeClass,
  type NodeClasses,
  refused,
  type World,
} from "./node_class.ts";
import { safePath } from "./inbox.ts";
import { channelMask, inColours, type MaskChannel } from "./pixels.ts";
import type { Delivery, EnlargeStep, Images, Mask } from "./values.ts";

const IMAGE: InputSpec = { type: "IMAGE" };
const MASK: InputSpec = { type: "MASK" };
const UPLOAD: InputSpec = { type: ({ uploads }) => uploads };
const BASE64: InputSpec = { type: "STRING", longest: Infinity };
const SIDE: InputSpec = { type: "INT", default: 512, min: 0, max: 16_384 };
const FORMAT: InputSpec = { type: ["PNG", "JPEG"], default: "PNG" };

/** ComfyUI's ways to resize pictures. */
const RESIZING: Readonly<Record<string, (picture: Picture, width: number, height: number) => Picture>> = {
  "nearest-exact": FILTERS.Nearest,
  ...Object.fromEntries(
    (["bilinear", "bicubic", "lanczos"] as const satisfies readonly ResizeFilter[]).map((filter) => [
      filter,
      (picture: Picture, width: number, height: number) => resize(picture, width, height, filter),
    ]),
  ),
  area: (picture, width, height) => resize(picture, width, height, "box"),
};
const UPSCALE_METHOD: InputSpec = { type: Object.keys(RESIZING) };

/** A picture that a client sent in. */
function loaded(file: PictureFile): Images {
  return {
    width: file.width,
    height: file.height,
    count: 1,
    notes: {},
    work: file.width * file.height,
    file: () => ({ ...file, decode: async () => inColours(await file.decode()) }),
  };
}

/** The picture of an input: a name in the folder of uploads. */
function uploaded(inputs: Inputs, { upload, limits }: World): PictureFile {
  const name = inputs.text("image");
  const bytes = upload(name);
  if (!bytes) {
    throw refused("image", `there is no picture "${name}" here any more; POST /upload/image takes it`);
  }
  return sentPicture(bytes, name, limits);
}

/** The pictures changed one by one. */
function changed(
  images: Images,
  size: { readonly width: number; readonly height: number },
  notes: Images["notes"],
  change: (picture: Picture) => Picture,
): Images {
  return {
    ...images,
    ...size,
    notes: { ...images.notes, ...notes },
    work: images.work + images.width * images.height + size.width * size.height,
    file: (index) => ({
      ...images.file(index),
      ...size,
      decode: async () => change(await images.file(index).decode()),
    }),
  };
}

/** Pictures at another size. */
function resized(inputs: Inputs, images: Images, width: number, height: number, { limits }: World): Images {
  if (width < 1 || height < 1 || width * height > 4 * limits.pixels || Math.max(width, height) > 16_384) {
    throw refused(
      inputs.has("width") ? "width" : "scale_by",
      `the picture would have ${width} × ${height} pixels, this server makes at most ${4 * limits.pixels}`,
    );
  }
  const method = inputs.text("upscale_method");
  const cut = inputs.has("crop") && inputs.text("crop") === "center";
  return changed(
    images,
    { width, height },
    { "Postprocess upscale to": `${width}x${height}`, "Postprocess upscaler": method },
    (picture) => RESIZING[method](cut ? middleOf(picture, width / height) : picture, width, height),
  );
}

/** The middle of a picture, of some shape. */
function middleOf(picture: Picture, shape: number): Picture {
  const { width, height, channels, data } = picture;
  const w = Math.min(width, Math.max(1, Math.round(height * shape)));
  const h = Math.min(height, Math.max(1, Math.round(width / shape)));
  const [left, top] = [Math.round((width - w) / 2), Math.round((height - h) / 2)];
  const out = new Uint8Array(w * h * channels);
  for (let y = 0; y < h; y++) {
    const from = ((top + y) * width + left) * channels;
    out.set(data.subarray(from, from + w * channels), y * w * channels);
  }
  return { width: w, height: h, channels, data: out };
}

/** Beginning of a file's name, with folders. */
function prefixOf(given: Inputs): string {
  const prefix = given.text("filename_prefix");
  try {
    return safePath(prefix, "filename_prefix");
  } catch (error) {
    throw error instanceof ApiError ? refused("filename_prefix", error.message) : error;
  }
}

/** A node where pictures leave the graph. */
function output(
  says: string,
  delivery: Delivery,
  inputs: Readonly<Record<string, InputSpec>> = {},
  tells = true,
): NodeClass {
  return {
    category: "image",
    says,
    inputs: { images: IMAGE, ...inputs },
    outputs: [],
    isOutput: true,
    give(given, { spend }) {
      const images = given.value<Images>("images");
      spend("images", images.count * images.work);
      return [{
        node: given.node,
        images,
        delivery,
        format: given.has("format") ? given.text("format") : "PNG",
        prefix: given.has("filename_prefix") ? prefixOf(given) : "ComfyUI_temp",
        tells,
      }];
    },
  };
}

/** See the module. */
export const PICTURE_NODES: NodeClasses = {
  LoadImage: {
    category: "image",
    says: "A picture of POST /upload/image; its mask is what it hides.",
    inputs: { image: UPLOAD },
    neutral: ["upload", "choose file to upload"],
    outputs: [["IMAGE", "IMAGE"], ["MASK", "MASK"]],
    give(inputs, world) {
      const file = uploaded(inputs, world);
      return [loaded(file), channelMask(file, "hidden")];
    },
  },
  LoadImageMask: {
    category: "mask",
    says: "A channel of a picture of POST /upload/image; alpha is turned round: what it hides is light.",
    inputs: { image: UPLOAD, channel: { type: ["alpha", "red", "green", "blue"] } },
    neutral: ["upload", "choose file to upload"],
    outputs: [["MASK", "MASK"]],
    give(inputs, world) {
      const channel = inputs.text("channel") as MaskChannel;
      return [channelMask(uploaded(inputs, world), channel === "alpha" ? "hidden" : channel)];
    },
  },
  ETN_LoadImageBase64: {
    category: "external_tooling",
    says: "A picture in base64; its mask is its alpha.",
    inputs: { image: BASE64 },
    outputs: [["IMAGE", "image"], ["MASK", "mask"]],
    give(inputs, { limits }) {
      const file = sentPicture(inputs.text("image"), "image", limits);
      return [loaded(file), channelMask(file, "alpha")];
    },
  },
  ETN_LoadMaskBase64: {
    category: "external_tooling",
    says: "A mask in base64: its grey, or its red.",
    inputs: { mask: BASE64 },
    outputs: [["MASK", "mask"]],
    give: (inputs, { limits }) => [channelMask(sentPicture(inputs.text("mask"), "mask", limits), "red")],
  },
  ETN_LoadImageCache: {
    category: "external_tooling",
    says: "A picture of PUT /api/etn/image/{id}; its mask is its alpha, or its grey.",
    inputs: { id: { type: "STRING" } },
    outputs: [["IMAGE", "image"], ["MASK", "mask"]],
    give(inputs, { cached, limits }) {
      const bytes = cached(inputs.text("id"));
      if (!bytes) {
        throw refused(
          "id",
          `there is no picture of this id; PUT /api/etn/image/${inputs.text("id")} takes it`,
        );
      }
      const file = openPicture(bytes, { name: `image ${inputs.text("id")}`, maxPixels: 4 * limits.pixels });
      return [loaded(file), alphaOrRed(file)];
    },
  },
  ImageToMask: {
    category: "mask",
    says: "A channel of a picture as a mask.",
    inputs: { image: IMAGE, channel: { type: ["red", "green", "blue"] } },
    outputs: [["MASK", "MASK"]],
    give(inputs, { spend }) {
      const image = one(inputs, "image");
      spend("image", image.work + image.width * image.height);
      return [channelMask(image.file(0), inputs.text("channel") as MaskChannel)];
    },
  },
  MaskToImage: {
    category: "mask",
    says: "A mask as a grey picture.",
    inputs: { mask: MASK },
    outputs: [["IMAGE", "IMAGE"]],
    give(inputs, { spend }) {
      const { file } = inputs.value<Mask>("mask");
      spend("mask", file.width * file.height);
      return [loaded(file)];
    },
  },
  InvertMask: {
    category: "mask",
    says: "A mask turned round.",
    inputs: { mask: MASK },
    outputs: [["MASK", "MASK"]],
    give(inputs, { spend }) {
      const { file } = inputs.value<Mask>("mask");
      spend("mask", file.width * file.height);
      const decode = async (): Promise<Picture> => {
        const picture = await file.decode();
        return { ...picture, data: picture.data.map((value) => 255 - value) };
      };
      return [{ file: { ...file, decode } }];
    },
  },
  ImageScale: {
    category: "image/upscaling",
    says: "Pictures at another size.",
    inputs: {
      image: IMAGE,
      upscale_method: UPSCALE_METHOD,
      width: SIDE,
      height: SIDE,
      crop: { type: ["disabled", "center"] },
    },
    outputs: [["IMAGE", "IMAGE"]],
    give(inputs, world) {
      const images = inputs.value<Images>("image");
      let [width, height] = [inputs.number("width"), inputs.number("height")];
      if (width === 0 && height === 0) return [images];
      // 0: whatever keeps the shape.
      width ||= Math.max(1, Math.round(images.width * height / images.height));
      height ||= Math.max(1, Math.round(images.height * width / images.width));
      return [resized(inputs, images, width, height, world)];
    },
  },
  ImageScaleBy: {
    category: "image/upscaling",
    says: "Pictures at another size.",
    inputs: {
      image: IMAGE,
      upscale_method: UPSCALE_METHOD,
      scale_by: { type: "FLOAT", default: 1, min: 0.01, max: 8 },
    },
    outputs: [["IMAGE", "IMAGE"]],
    give(inputs, world) {
      const images = inputs.value<Images>("image");
      const by = inputs.number("scale_by");
      return [resized(inputs, images, Math.round(images.width * by), Math.round(images.height * by), world)];
    },
  },
  ImageUpscaleWithModel: {
    category: "image/upscaling",
    says: "Pictures enlarged by a network.",
    inputs: { upscale_model: { type: "UPSCALE_MODEL" }, image: IMAGE },
    outputs: [["IMAGE", "IMAGE"]],
    give: (inputs, world) => [enlarged(inputs, world)],
  },
  SaveImage: output("Pictures, kept for GET /view.", "file", {
    filename_prefix: { type: "STRING", default: "ComfyUI", longest: 200 },
  }),
  PreviewImage: output("Pictures, kept for GET /view.", "temporary"),
  SaveImageWebsocket: output("Pictures through the web socket, as PNG.", "socket", {}, false),
  ETN_SendImageWebSocket: output("Pictures through the web socket.", "socket", { format: FORMAT }),
  ETN_SaveImageCache: output("Pictures, kept for GET /api/etn/image/{id}.", "cache", { format: FORMAT }),
};

/** One picture, where several make no sense. */
function one(inputs: Inputs, name: string): Images {
  const images = inputs.value<Images>(name);
  if (images.count === 1) return images;
  throw refused(name, `${images.count} pictures, one is taken`);
}

function alphaOrRed(file: PictureFile): Mask {
  return {
    file: {
      ...file,
      async decode() {
        const { channels } = await file.decode();
        return await channelMask(file, channels % 2 === 0 ? "alpha" : "red").file.decode();
      },
    },
  };
}

function enlarged(inputs: Inputs, { limits, addStep }: World): Images {
  const network = inputs.value<ServedUpscaler>("upscale_model");
  const images = inputs.value<Images>("image");
  const size = { width: images.width * network.scale, height: images.height * network.scale };
  if (size.width * size.height > 4 * limits.pixels || Math.max(size.width, size.height) > 16_384) {
    throw refused(
      "image",
      `"${network.name}" would make ${size.width} × ${size.height} pixels of it, this server makes at most ${
        4 * limits.pixels
      }; make it smaller first (ImageScale)`,
    );
  }
  const step: EnlargeStep = { is: "enlarge", node: inputs.node, network, images, results: [] };
  addStep(step);
  return {
    ...images,
    ...size,
    notes: {
      ...images.notes,
      "Postprocess upscale by": network.scale,
      "Postprocess upscaler": network.name,
    },
    file: (index) => ({ ...images.file(index), ...size, decode: () => Promise.resolve(step.results[index]) }),
  };
}
