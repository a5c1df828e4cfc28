/**
 * What a name's ending says of a file.
 *
 * @module
 */

/** Pictures that hold texts. */
export const PICTURE_NAME: RegExp = /\.(?:png|jpe?g|webp)$/i;

/** Weights, those that are not read included. */
export const WEIGHTS_NAME: RegExp = /\.(?:safetensors|sft|gguf|ckpt|pth?|bin|onnx)$/i;
