/**
 * Every class of nodes.
 *
 * @module
 */

import { LATENT_NODES } from "./latent_nodes.ts";
import { LOADER_NODES } from "./loader_nodes.ts";
import type { NodeClass, NodeClasses } from "./node_class.ts";
import { OWN_NODES } from "./own_nodes.ts";
import { PICTURE_NODES } from "./picture_nodes.ts";
import { SAMPLING_NODES } from "./sampling_nodes.ts";
import { TEXT_NODES } from "./text_nodes.ts";

/** By name. */
export const NODE_CLASSES: NodeClasses = {
  ...LOADER_NODES,
  ...TEXT_NODES,
  ...LATENT_NODES,
  ...SAMPLING_NODES,
  ...PICTURE_NODES,
  ...OWN_NODES,
};

/** The class of this name; undefined for none. */
export function classNamed(name: string): NodeClass | undefined {
  return Object.hasOwn(NODE_CLASSES, name) ? NODE_CLASSES[name] : undefined;
}
