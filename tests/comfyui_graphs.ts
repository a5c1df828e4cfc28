/** Graphs of ComfyUI's API format, as its clients send them. */

/** A node: its class and its inputs. */
export interface GraphNode {
  readonly class_type: string;
  readonly inputs: Record<string, unknown>;
}

/** A graph. */
export type Graph = Record<string, GraphNode>;

/** The graph that everybody begins with; `inputs` go into the sampler. */
export function textToImage(inputs: Record<string, unknown> = {}, model = "fake"): Graph {
  return {
    "3": {
      class_type: "KSampler",
      inputs: {
        seed: 5,
        steps: 4,
        cfg: 7,
        sampler_name: "euler",
        scheduler: "normal",
        denoise: 1,
        model: ["4", 0],
        positive: ["6", 0],
        negative: ["7", 0],
        latent_image: ["5", 0],
        ...inputs,
      },
    },
    "4": { class_type: "CheckpointLoaderSimple", inputs: { ckpt_name: model } },
    "5": { class_type: "EmptyLatentImage", inputs: { width: 64, height: 64, batch_size: 1 } },
    "6": { class_type: "CLIPTextEncode", inputs: { text: "a fox", clip: ["4", 1] } },
    "7": { class_type: "CLIPTextEncode", inputs: { text: "blur", clip: ["4", 1] } },
    "8": { class_type: "VAEDecode", inputs: { samples: ["3", 0], vae: ["4", 2] } },
    "9": { class_type: "SaveImage", inputs: { images: ["8", 0], filename_prefix: "ComfyUI" } },
  };
}

/** A graph with other nodes beside it, or in place of some. */
export function withNodes(graph: Graph, nodes: Record<string, GraphNode | undefined>): Graph {
  const all = { ...graph, ...nodes };
  return Object.fromEntries(Object.entries(all).filter(([, node]) => node !== undefined)) as Graph;
}
