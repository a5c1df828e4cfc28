/**
 * ComfyUI's graphs in the API format: nodes by id, each with its class and its inputs, which are values or links to outputs of
 * other nodes. Pictures hold such graphs as a text, clients send them to be drawn.
 *
 * @module
 */

import { isRecord } from "../json.ts";

/** A node. */
export interface GraphNode {
  /** Its key in the graph. */
  readonly id: string;
  /** Its class. */
  readonly class_type: string;
  /** Values and links by name. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Those of the inputs that are lists, the first {@linkcode MAX_LINKS}. */
  readonly links: readonly unknown[];
  /** What its author calls it; often absent. */
  readonly title?: string;
}

/** Links of a node that are followed. */
export const MAX_LINKS = 100;

/** A link: the id of a node, and the number of one of its outputs. */
export type Link = readonly [id: string | number, output: number];

/** A graph. */
export interface Graph {
  /** Its nodes, in the order in which they were written. */
  readonly nodes: ReadonlyMap<string, GraphNode>;
  /** Keys of what is no node: there is no class, or there are no inputs. */
  readonly broken: readonly string[];
  /** The node that a link leads to; undefined where the value is no link, or leads nowhere. */
  target(link: unknown): GraphNode | undefined;
}

/** Reads a graph. What is no object is a graph without nodes. */
export function readGraph(value: unknown): Graph {
  const nodes = new Map<string, GraphNode>();
  const broken: string[] = [];
  for (const [id, node] of Object.entries(isRecord(value) ? value : {})) {
    const { class_type, inputs, _meta } = isRecord(node) ? node : {};
    if (typeof class_type !== "string" || !isRecord(inputs)) {
      broken.push(id);
      continue;
    }
    const title = isRecord(_meta) && typeof _meta.title === "string" ? _meta.title : undefined;
    const links = Object.values(inputs).filter(Array.isArray).slice(0, MAX_LINKS);
    nodes.set(id, { id, class_type, inputs, links, title });
  }
  return {
    nodes,
    broken,
    target: (link) =>
      Array.isArray(link) && (typeof link[0] === "string" || typeof link[0] === "number")
        ? nodes.get(String(link[0]))
        : undefined,
  };
}

/** Whether a value is a link. */
export function isLink(value: unknown): value is Link {
  return Array.isArray(value) && value.length === 2 &&
    (typeof value[0] === "string" || typeof value[0] === "number") && Number.isSafeInteger(value[1]) &&
    value[1] >= 0;
}
