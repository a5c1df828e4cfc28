/**
 * LoRA files, and the settings beside them.
 *
 * @module
 */

import { LoraSet } from "../../lib/weights/lora.ts";
import { bytesOf } from "../../lib/weights/bytes.ts";
import { type Input, seedFiles, type Target, textOf } from "./target.ts";

/** A LoRA with adapter_config.json beside it, merged into nothing. */
export const lora: Target = {
  name: "lora",
  async seeds() {
    const config = new TextEncoder().encode(JSON.stringify({
      peft_type: "LORA",
      r: 4,
      lora_alpha: 8,
      use_rslora: false,
      rank_pattern: { "to_q": 8 },
      alpha_pattern: {},
      target_modules: ["to_q", "to_k"],
    }));
    const files = await seedFiles(
      "data/lora",
      /(flux|sd3|sd15)_(diffusers|kohya)\.safetensors$/,
      "a.safetensors",
    );
    return files.map((file): Input => new Map([...file, ["adapter_config.json", config]]));
  },
  async run(input) {
    const config = input.has("adapter_config.json") ? textOf(input, "adapter_config.json") : undefined;
    await LoraSet.open([{
      file: bytesOf("a.safetensors", input.get("a.safetensors") ?? new Uint8Array()),
      config,
    }]);
  },
};
