/**
 * A node of our own: what neither ComfyUI nor A1111 has a word for, by the same table as under the other APIs.
 *
 * @module
 */

import { Fields } from "../fields.ts";
import { type FieldTable, shapeIn } from "../known_fields.ts";
import { boundOf, type Shape } from "../shapes.ts";
import { LIMITS } from "../limits.ts";
import { OWN_FIELDS, ownSettings } from "../own_fields.ts";
import type { InputSpec, NodeClasses } from "./node_class.ts";
import type { Model } from "./values.ts";

/** All but prompts, which nodes of texts have. */
const SETTINGS: FieldTable = Object.fromEntries(
  Object.entries(OWN_FIELDS).filter(([name]) => !name.includes("prompt_")),
);

/** A field as an input. */
function inputOf(shape: Shape): InputSpec {
  switch (shape.is) {
    case "whole":
    case "number":
      return {
        type: shape.is === "whole" ? "INT" : "FLOAT",
        optional: true,
        min: shape.min,
        max: boundOf(shape.max, LIMITS),
      };
    case "flag":
      return { type: "BOOLEAN", optional: true };
    default:
      return { type: "STRING", optional: true };
  }
}

/** See the module. */
export const OWN_NODES: NodeClasses = {
  LSSGenSettings: {
    category: "lssgen",
    says:
      "How the picture grows to its size, and what steps skip: the fields of the same names under the other APIs.",
    inputs: {
      model: { type: "MODEL" },
      ...Object.fromEntries(
        Object.keys(SETTINGS).map((name): [string, InputSpec] => [name, inputOf(shapeIn(SETTINGS, name)!)]),
      ),
    },
    outputs: [["MODEL", "MODEL"]],
    give(inputs) {
      const given = Object.keys(SETTINGS).map((name) => [name, inputs.value(name)]);
      return [{
        ...inputs.value<Model>("model"),
        own: ownSettings(new Fields(Object.fromEntries(given), OWN_FIELDS)),
      }];
    },
  },
};
