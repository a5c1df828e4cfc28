/**
 * ONNX models of one node, written by hand: what other engines are given to run in the bench.
 *
 * @module
 */

/** Types of tensors that ONNX knows and we use. */
export type OnnxType = "f32" | "f16";

const TYPES: Readonly<Record<OnnxType, number>> = { f32: 1, f16: 10 };

/** Protocol-buffer fields, joined. */
class Message {
  private readonly bytes: number[] = [];

  number(field: number, value: number): this {
    this.varint(field << 3);
    this.varint(value);
    return this;
  }

  text(field: number, value: string): this {
    return this.raw(field, new TextEncoder().encode(value));
  }

  message(field: number, value: Message): this {
    return this.raw(field, value.bytes);
  }

  done(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.bytes);
  }

  private raw(field: number, value: ArrayLike<number>): this {
    this.varint((field << 3) | 2);
    this.varint(value.length);
    for (let i = 0; i < value.length; i++) this.bytes.push(value[i]);
    return this;
  }

  private varint(value: number): void {
    for (; value >= 128; value = Math.floor(value / 128)) this.bytes.push((value % 128) | 128);
    this.bytes.push(value);
  }
}

/** A tensor that goes in or out. */
export interface OnnxValue {
  /** Its name. */
  readonly name: string;
  /** Its shape. */
  readonly shape: readonly number[];
}

/** One operator. */
export interface OnnxNode {
  /** ONNX's name of it. */
  readonly op: string;
  /** `com.microsoft` for onnxruntime's own. */
  readonly domain?: string;
  /** Whole numbers or lists of them. */
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

function valueInfo({ name, shape }: OnnxValue, type: OnnxType): Message {
  const dims = new Message();
  for (const size of shape) dims.message(1, new Message().number(1, size));
  const tensor = new Message().number(1, TYPES[type]).message(2, dims);
  return new Message().text(1, name).message(2, new Message().message(1, tensor));
}

/** A model of one node; all its operands are inputs. */
export function onnxModel(
  { op, domain = "", attributes = {} }: OnnxNode,
  type: OnnxType,
  inputs: readonly OnnxValue[],
  output: OnnxValue,
): Uint8Array<ArrayBuffer> {
  const node = new Message();
  for (const { name } of inputs) node.text(1, name);
  node.text(2, output.name).text(3, "node").text(4, op);
  for (const [name, value] of Object.entries(attributes)) {
    const attribute = new Message().text(1, name);
    // Types INT (2) and INTS (7), in field 20.
    if (typeof value === "number") attribute.number(3, value).number(20, 2);
    else {
      for (const v of value) attribute.number(8, v);
      attribute.number(20, 7);
    }
    node.message(5, attribute);
  }
  node.text(7, domain);
  const graph = new Message().message(1, node).text(2, "bench");
  for (const input of inputs) graph.message(11, valueInfo(input, type));
  graph.message(12, valueInfo(output, type));
  const opset = (name: string, version: number) => new Message().text(1, name).number(2, version);
  return new Message().number(1, 8).message(7, graph).message(8, opset("", 17))
    .message(8, opset("com.microsoft", 1)).done();
}
