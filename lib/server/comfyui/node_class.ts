/**
 * What a class of nodes is: inputs with their types and bounds, outputs, and what it gives. The tables of classes serve those who
 * read a graph and `GET /object_info`.
 *
 * @module
 */

import { isLink } from "../../comfyui/graph.ts";
import { nearest } from "../../nearest.ts";
import type { Limits } from "../limits.ts";
import type { Engine } from "../queue.ts";
import type { ServedUpscaler } from "../upscalers.ts";
import type { DrawStep, EnlargeStep, Pass } from "./values.ts";

/** Names that a server has now. */
export interface Lists {
  /** Models, with their endings. */
  readonly models: readonly string[];
  /** Text encoders and autoencoders of the models. */
  readonly parts: readonly Part[];
  /** LoRAs, with their ending. */
  readonly loras: readonly string[];
  readonly upscalers: readonly ServedUpscaler[];
  readonly samplers: readonly string[];
  readonly schedulers: readonly string[];
  /** Pictures that were sent in. */
  readonly uploads: readonly string[];
}

/** A part of a model, as loaders of parts name it. */
export interface Part {
  readonly name: string;
  readonly kind: PartKind;
  /** The model it belongs to. */
  readonly model: string;
}

/** Parts that graphs may name. */
export type PartKind = "clip_l" | "clip_g" | "clip_h" | "t5xxl" | "vae";

/** What graphs are read in. */
export interface World {
  readonly lists: Lists;
  readonly limits: Limits;
  /** The model of this name. */
  readonly engine: (name: string) => Promise<Engine | undefined>;
  /** The bytes that a client sent in, to the folder of inputs. */
  readonly upload: (name: string) => Uint8Array<ArrayBuffer> | undefined;
  /** The bytes that a client put into the image cache. */
  readonly cached: (id: string) => Uint8Array<ArrayBuffer> | undefined;
  /**
   * The step that draws what a sampler is asked; for one pass there is one.
   *
   * @throws {Refused} For what cannot be drawn.
   */
  readonly drawing: (pass: Pass) => DrawStep;
  /**
   * Counts pixels that will be computed on the CPU.
   *
   * @throws {Refused} Where a graph asks for too many.
   */
  readonly spend: (input: string, pixels: number) => void;
  /** Adds a step of another kind. */
  readonly addStep: (step: EnlargeStep) => void;
}

/** An input. */
export interface InputSpec {
  /** Its type: `INT`, `FLOAT`, `STRING`, `BOOLEAN`, that of a link, or the texts it may be. */
  readonly type: string | readonly string[] | ((lists: Lists) => readonly string[]);
  readonly optional?: true;
  readonly default?: string | number | boolean;
  readonly min?: number;
  readonly max?: number;
  /** Whether the text has several lines. */
  readonly multiline?: true;
  /** Characters that a text may have; default 20 000. */
  readonly longest?: number;
}

/** A class of nodes. */
export interface NodeClass {
  readonly category: string;
  readonly says: string;
  readonly inputs: Readonly<Record<string, InputSpec>>;
  /** Inputs that change nothing, whatever they are. */
  readonly neutral?: readonly string[];
  /** Types of the outputs with their names. */
  readonly outputs: readonly (readonly [type: string, name: string])[];
  /** Whether pictures leave the graph here. */
  readonly isOutput?: true;
  /** Values of its outputs. */
  readonly give: (inputs: Inputs, world: World) => readonly unknown[] | Promise<readonly unknown[]>;
}

/** Classes by name. */
export type NodeClasses = Readonly<Record<string, NodeClass>>;

/** What is wrong with a node, as ComfyUI says it. */
export interface NodeFault {
  readonly type: string;
  readonly message: string;
  readonly details: string;
  readonly extra_info: Readonly<Record<string, unknown>>;
}

/** Thrown for a node that cannot be. */
export class Refused extends Error {
  /** Makes it. */
  constructor(readonly fault: NodeFault) {
    super(fault.details);
    this.name = "Refused";
  }
}

/** Thrown by a node whose fault is another one's, which is told there. */
export class RefusedElsewhere extends Error {}

/** A refusal of an input's value. */
export function refused(
  input: string,
  details: string,
  type = "unsupported_value",
  message = "Not supported by this server",
): Refused {
  return new Refused({ type, message, details: `${input}: ${details}`, extra_info: { input_name: input } });
}

/** Values of a node's inputs, by the types of its class. */
export class Inputs {
  /** Made of checked values. */
  constructor(readonly node: string, private readonly values: ReadonlyMap<string, unknown>) {}

  /** Whether it was given. */
  has(name: string): boolean {
    return this.values.get(name) !== undefined;
  }

  /** A text. */
  text(name: string): string {
    return String(this.values.get(name) ?? "");
  }

  /** A number. */
  number(name: string): number {
    return Number(this.values.get(name));
  }

  /** What a link brought. */
  value<Value>(name: string): Value {
    return this.values.get(name) as Value;
  }
}

/** Longest text of an input that is no picture in base64. */
const LONGEST_TEXT = 20_000;
/** Texts of a list that an error shows. */
const SHOWN = 20;

/** The texts that an input may be; undefined where it is no choice. */
export function choicesOf({ type }: InputSpec, lists: Lists): readonly string[] | undefined {
  return typeof type === "function" ? type(lists) : typeof type === "string" ? undefined : type;
}

/** Whether an input takes what an output of some type gives. */
export function accepts(spec: InputSpec, given: string): boolean {
  const type = typeof spec.type === "string" ? spec.type : "COMBO";
  if (type === "*" || type === given) return true;
  // Texts choose, and whole numbers are numbers.
  return (type === "COMBO" && given === "STRING") || (type === "FLOAT" && given === "INT");
}

/**
 * A value as an input takes it.
 *
 * @throws {Refused} For another type, a number out of bounds, a text that is not in the list.
 */
export function checked(name: string, spec: InputSpec, value: unknown, lists: Lists): unknown {
  const choices = choicesOf(spec, lists);
  if (choices) return chosen(name, choices, value);
  const wrong = (expected: string): Refused =>
    refused(
      name,
      `${shown(value)} is no ${expected}`,
      "invalid_input_type",
      "Failed to convert an input value",
    );
  switch (spec.type) {
    case "INT":
    case "FLOAT": {
      // Templates of clients leave numbers as texts.
      const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
      if (typeof number !== "number" || !Number.isFinite(number)) throw wrong("number");
      if (spec.type === "INT" && !Number.isInteger(number)) throw wrong("whole number");
      const { min = -Infinity, max = Infinity } = spec;
      if (number < min) {
        throw refused(
          name,
          `${number}`,
          "value_smaller_than_min",
          `Value ${number} smaller than min of ${min}`,
        );
      }
      if (number > max) {
        throw refused(
          name,
          `${number}`,
          "value_bigger_than_max",
          `Value ${number} bigger than max of ${max}`,
        );
      }
      return number;
    }
    case "STRING": {
      if (typeof value !== "string" && typeof value !== "number") throw wrong("text");
      const text = String(value);
      const { longest = LONGEST_TEXT } = spec;
      if (text.length > longest) {
        throw refused(name, `${text.length} characters, at most ${longest} are read`);
      }
      return text;
    }
    case "BOOLEAN":
      if (typeof value !== "boolean" && value !== 0 && value !== 1) throw wrong("true or false");
      return Boolean(value);
    default:
      throw refused(
        name,
        `${shown(value)} is no link to an output of type ${spec.type}`,
        "bad_linked_input",
        "Bad linked input, must be a length-2 list of [node_id, slot_index]",
      );
  }
}

function chosen(name: string, choices: readonly string[], value: unknown): string {
  if (typeof value === "string") {
    // Names of files go without their endings, too, and with Windows' separators.
    const plain = value.replaceAll("\\", "/").replace(/ \[input\]$/, "");
    const found = choices.find((one) => one === value || one === plain) ??
      choices.find((one) => one.replace(/\.(safetensors|sft|gguf)$/i, "") === plain);
    if (found !== undefined) return found;
  }
  const near = typeof value === "string" ? nearest(value.slice(0, 100), choices) : undefined;
  const list = choices.slice(0, SHOWN).map(shown).join(", ");
  const more = choices.length > SHOWN ? ` and ${choices.length - SHOWN} more` : "";
  throw refused(
    name,
    `${shown(value)} not in [${list}${more}]${near === undefined ? "" : `; did you mean ${shown(near)}?`}`,
    "value_not_in_list",
    "Value not in list",
  );
}

/** A value in a message. */
export function shown(value: unknown): string {
  const text = isLink(value) ? "a link" : JSON.stringify(value) ?? String(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
