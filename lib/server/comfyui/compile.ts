/**
 * A graph read: each node that an output needs is checked and asked for its values, inputs before those that need them. What comes
 * of it are steps to do and outputs to give away, or everything that is wrong with it.
 *
 * @module
 */

import { type Graph, type GraphNode, isLink, readGraph } from "../../comfyui/graph.ts";
import { LssgenError } from "../../errors.ts";
import { nearest } from "../../nearest.ts";
import { ApiError } from "../api_error.ts";
import {
  accepts,
  checked,
  Inputs,
  type NodeClass,
  type NodeFault,
  Refused,
  refused,
  RefusedElsewhere,
  shown,
  type World,
} from "./node_class.ts";
import { classNamed, NODE_CLASSES } from "./nodes.ts";
import { requestsOf } from "./requests.ts";
import type { DrawStep, Output, Pass, Step } from "./values.ts";

/** Nodes of a graph. */
const MAX_NODES = 1000;
/** Nodes where pictures leave. */
const MAX_OUTPUTS = 32;
/** Inputs of a node, and characters of its id. */
const [MAX_INPUTS, LONGEST_ID] = [100, 200];
/** Pixels that a graph may have computed on the CPU, over those of the largest picture. */
const MAX_WORK = 64;
/** Faults that are told of one node. */
const MAX_FAULTS = 20;

/** A graph that can be drawn. */
export interface Compiled {
  /** In the order in which they are done. */
  readonly steps: readonly Step[];
  readonly outputs: readonly Output[];
  /** Every node that takes part, in the order in which ComfyUI would come to it. */
  readonly order: readonly string[];
  /** The class of a node. */
  readonly classOf: (id: string) => string;
  /** What the client should know. */
  readonly notes: readonly string[];
}

/** What is wrong, as ComfyUI answers it. */
export class BadGraph extends Error {
  /** Makes it. */
  constructor(
    readonly fault: NodeFault,
    readonly nodeErrors: Readonly<Record<string, unknown>> = {},
  ) {
    super(fault.message);
    this.name = "BadGraph";
  }
}

function bad(
  type: string,
  message: string,
  details = "",
  extra_info: NodeFault["extra_info"] = {},
): BadGraph {
  return new BadGraph({ type, message, details, extra_info });
}

/** What reading a graph needs; the rest of the world is made here. */
export type Around = Omit<World, "drawing" | "addStep" | "spend"> & {
  /**
   * Refuses what the model cannot plan.
   *
   * @throws {ApiError} Or an LssgenError.
   */
  readonly check: (step: DrawStep) => void;
};

/**
 * Reads a graph.
 *
 * @param targets Ids of the outputs that are wanted; undefined for all.
 * @throws {BadGraph} With all that is wrong.
 */
export async function compile(
  value: unknown,
  targets: readonly string[] | undefined,
  around: Around,
): Promise<Compiled> {
  const graph = readGraph(value);
  checkNodes(graph);
  const roots = [...graph.nodes.values()].filter(({ id, class_type }) =>
    classNamed(class_type)!.isOutput && (targets === undefined || targets.includes(id))
  );
  if (roots.length === 0) throw bad("prompt_no_outputs", "Prompt has no outputs");
  if (roots.length > MAX_OUTPUTS) {
    throw bad("too_many_outputs", `The graph has ${roots.length} outputs, at most ${MAX_OUTPUTS} are drawn`);
  }
  const faults = new Map<string, NodeFault[]>();
  const order = ordered(graph, roots, faults);
  const reading = new Reading(graph, around, faults);
  for (const node of order) await reading.read(node);
  if (faults.size > 0) throw allFaults(graph, roots, faults);
  if (reading.steps.length === 0) {
    throw bad(
      "nothing_to_draw",
      "The graph draws nothing: it has no sampler, and no network that enlarges pictures",
    );
  }
  return {
    steps: reading.steps,
    outputs: roots.map(({ id }) => reading.values.get(id)![0] as Output),
    order: order.map(({ id }) => id),
    classOf: (id) => graph.nodes.get(id)?.class_type ?? "",
    notes: reading.notes,
  };
}

/** Refuses what is no graph, and classes that are not here, whether their nodes are needed or not. */
function checkNodes({ nodes, broken }: Graph): void {
  if (nodes.size + broken.length > MAX_NODES) {
    throw bad(
      "too_many_nodes",
      `The graph has ${nodes.size + broken.length} nodes, at most ${MAX_NODES} are read`,
    );
  }
  if (broken.length > 0) {
    const id = broken[0].slice(0, 100);
    throw bad("missing_node_type", `Node 'ID #${id}' has no class_type, or no inputs`, `Node ID '#${id}'`, {
      node_id: id,
    });
  }
  for (const { id, class_type, title, inputs } of nodes.values()) {
    if (id.length > LONGEST_ID || Object.keys(inputs).length > MAX_INPUTS) {
      throw bad(
        "bad_node",
        `Node ${
          id.slice(0, LONGEST_ID)
        } has more than ${MAX_INPUTS} inputs, or an id of more than ${LONGEST_ID} characters`,
      );
    }
    if (classNamed(class_type)) continue;
    const name = class_type.slice(0, 100);
    const near = nearest(name, Object.keys(NODE_CLASSES));
    throw bad(
      "missing_node_type",
      `Node ${id.slice(0, 100)} is of class "${name}", which this server does not have${
        near ? `; did you mean "${near}"?` : "; GET /object_info lists those that it has"
      }`,
      `Node ID '#${id.slice(0, 100)}'`,
      { node_id: id.slice(0, 100), class_type: name, node_title: title?.slice(0, 100) ?? null },
    );
  }
}

/** The nodes that some others need, each behind those that it needs. Cycles are faults. */
function ordered(graph: Graph, roots: readonly GraphNode[], faults: Map<string, NodeFault[]>): GraphNode[] {
  const done = new Set<GraphNode>();
  const order: GraphNode[] = [];
  for (const root of roots) {
    // No recursion: a graph may be one long chain.
    const way: { readonly node: GraphNode; readonly links: unknown[] }[] = [{
      node: root,
      links: linksOf(root),
    }];
    const within = new Set([root]);
    while (way.length > 0 && !done.has(root)) {
      const { node, links } = way[way.length - 1];
      const next = links.length > 0 ? graph.target(links.pop()) : undefined;
      if (links.length === 0 && next === undefined) {
        way.pop();
        within.delete(node);
        if (!done.has(node)) order.push(node);
        done.add(node);
      } else if (next && within.has(next)) {
        const circle = [...way.map((one) => one.node), next].map(({ id, class_type }) =>
          `${id} (${class_type})`
        );
        const from = circle.indexOf(circle[circle.length - 1]);
        faults.set(next.id, [{
          type: "dependency_cycle",
          message: "Dependency cycle detected",
          details: circle.slice(from).slice(0, MAX_FAULTS).join(" -> "),
          extra_info: { node_id: next.id },
        }]);
      } else if (next && !done.has(next)) {
        way.push({ node: next, links: linksOf(next) });
        within.add(next);
      }
    }
  }
  return order;
}

function linksOf({ inputs }: GraphNode): unknown[] {
  return Object.values(inputs).filter(isLink).reverse();
}

/** All faults as ComfyUI answers them, each with the outputs that it spoils. */
function allFaults(
  graph: Graph,
  roots: readonly GraphNode[],
  faults: ReadonlyMap<string, readonly NodeFault[]>,
): BadGraph {
  const needs = new Map<GraphNode, string[]>();
  for (const root of roots) {
    const seen = new Set([root]);
    for (const node of seen) {
      needs.set(node, [...needs.get(node) ?? [], root.id]);
      for (const link of linksOf(node)) {
        const next = graph.target(link);
        if (next) seen.add(next);
      }
    }
  }
  const entries = [...faults].slice(0, 100).map(([id, errors]): [string, unknown] => {
    const node = graph.nodes.get(id)!;
    return [id, { errors, dependent_outputs: needs.get(node) ?? [], class_type: node.class_type }];
  });
  const lines = [...faults].slice(0, MAX_FAULTS).flatMap(([id, errors]) =>
    errors.map(({ message, details }) => `${graph.nodes.get(id)!.class_type} ${id}: ${message}: ${details}`)
  );
  return new BadGraph(
    {
      type: "prompt_outputs_failed_validation",
      message: "Prompt outputs failed validation",
      details: lines.join("\n"),
      extra_info: {},
    },
    Object.fromEntries(entries),
  );
}

/** One graph on its way. */
class Reading {
  readonly values = new Map<string, readonly unknown[]>();
  readonly steps: Step[] = [];
  readonly notes: string[] = [];
  private readonly types = new Map<string, readonly string[]>();
  private readonly drawn = new Map<Pass, DrawStep>();
  private readonly world: World;
  private pictures = 0;
  private work = 0;

  constructor(
    private readonly graph: Graph,
    private readonly around: Around,
    private readonly faults: Map<string, NodeFault[]>,
  ) {
    this.world = {
      ...around,
      drawing: (pass) => this.drawing(pass),
      addStep: (step) => this.add(step),
      spend: (input, pixels) => this.spend(input, pixels),
    };
  }

  /** Asks a node for its values, where it and all that it needs are sound. */
  async read(node: GraphNode): Promise<void> {
    if (this.faults.has(node.id)) return;
    const kind = classNamed(node.class_type)!;
    const given = this.inputs(node, kind);
    if (!given) return;
    try {
      this.values.set(node.id, await kind.give(new Inputs(node.id, given), this.world));
    } catch (error) {
      if (!(error instanceof RefusedElsewhere)) this.fault(node.id, faultOf(error));
    }
  }

  /** The values of a node's inputs; undefined where some are wrong, or a node before it is. */
  private inputs(node: GraphNode, kind: NodeClass): Map<string, unknown> | undefined {
    const values = new Map<string, unknown>();
    let sound = true;
    this.types.set(node.id, kind.outputs.map(([type]) => type));
    for (const name of Object.keys(node.inputs)) {
      if (Object.hasOwn(kind.inputs, name) || kind.neutral?.includes(name)) continue;
      const near = nearest(name.slice(0, 100), Object.keys(kind.inputs));
      this.fault(
        node.id,
        faultOf(refused(
          name.slice(0, 100),
          `${node.class_type} has no such input here${near ? `; did you mean "${near}"?` : ""}`,
          "unknown_input",
          "Unknown input",
        )),
      );
    }
    for (const [name, spec] of Object.entries(kind.inputs)) {
      const value = Object.hasOwn(node.inputs, name) ? node.inputs[name] : undefined;
      if (value === undefined || value === null) {
        if (spec.optional) continue;
        this.fault(node.id, {
          type: "required_input_missing",
          message: "Required input is missing",
          details: name,
          extra_info: { input_name: name },
        });
        continue;
      }
      try {
        if (!Array.isArray(value)) values.set(name, checked(name, spec, value, this.world.lists));
        else {
          const brought = this.linked(node, name, value, (type) => accepts(spec, type));
          if (!brought) sound = false;
          // A value of another node has the same bounds.
          else {values.set(
              name,
              isWidget(spec.type) ? checked(name, spec, brought.value, this.world.lists) : brought.value,
            );}
        }
      } catch (error) {
        this.fault(node.id, faultOf(error));
      }
    }
    return sound && !this.faults.has(node.id) ? values : undefined;
  }

  /** What a link brings; undefined where the node that it leads to is at fault. */
  private linked(
    node: GraphNode,
    name: string,
    link: readonly unknown[],
    fits: (type: string) => boolean,
  ): { readonly value: unknown } | undefined {
    const wrong = (details: string, type = "bad_linked_input"): Refused =>
      refused(name, details, type, "Bad linked input, must be a length-2 list of [node_id, slot_index]");
    if (!isLink(link)) throw wrong(`${shown(link)} is no link`);
    const target = this.graph.target(link);
    if (!target) throw wrong(`there is no node ${shown(link[0])}`);
    const types = this.types.get(target.id);
    const values = this.values.get(target.id);
    if (!types || !values) return undefined;
    const type = types[link[1]];
    if (type === undefined) {
      throw wrong(
        `${target.class_type} ${target.id} has ${types.length} outputs, number ${link[1]} is none of them`,
      );
    }
    if (!fits(type)) throw wrong(`received_type(${type}) does not go into it`, "return_type_mismatch");
    // What passes a value on gives what it takes.
    if (this.types.get(node.id)?.includes("*")) this.types.set(node.id, [type]);
    return { value: values[link[1]] };
  }

  private drawing(pass: Pass): DrawStep {
    const known = this.drawn.get(pass);
    if (known) return known;
    if (this.faults.has(pass.node)) throw new RefusedElsewhere();
    try {
      const { requests, notes } = requestsOf(pass, this.around.limits);
      const { engine } = pass.model;
      const step: DrawStep = { is: "draw", node: pass.node, engine, requests, results: [] };
      this.around.check(step);
      this.drawn.set(pass, step);
      this.add(step);
      this.notes.push(...notes);
      return step;
    } catch (error) {
      // It is the sampler's fault, not that of the node that decodes its latents.
      this.fault(pass.node, faultOf(error));
      throw new RefusedElsewhere();
    }
  }

  private spend(input: string, pixels: number): void {
    this.work += pixels;
    const most = MAX_WORK * this.around.limits.pixels;
    if (this.work > most) {
      throw refused(
        input,
        `the graph resizes and masks more than ${most} pixels in all, which is the most that is done`,
      );
    }
  }

  private add(step: Step): void {
    this.pictures += step.is === "draw" ? step.requests.length : step.images.count;
    const { pictures } = this.around.limits;
    if (this.pictures > pictures) {
      throw refused("batch_size", `the graph makes ${this.pictures} pictures, at most ${pictures} are made`);
    }
    this.steps.push(step);
  }

  private fault(id: string, fault: NodeFault): void {
    const known = this.faults.get(id) ?? [];
    if (known.length < MAX_FAULTS) this.faults.set(id, [...known, fault]);
  }
}

/** Whether a value can stand in the node itself. */
function isWidget(type: unknown): boolean {
  return typeof type !== "string" || ["INT", "FLOAT", "STRING", "BOOLEAN"].includes(type);
}

/** An error as a fault of a node. */
function faultOf(error: unknown): NodeFault {
  if (error instanceof Refused) return error.fault;
  if (error instanceof ApiError || error instanceof LssgenError) {
    return {
      type: error.code,
      message: "Not supported by this server",
      details: error.message,
      extra_info: {},
    };
  }
  throw error;
}
