/**
 * Prompts to text states: tokenizer, encoder, read back. States live on the CPU between runs, so that an
 * encoder of many gigabytes need not stay on the GPU, and a prompt drawn again costs nothing.
 *
 * @module
 */

import { Recorder } from "../gpu/recorder.ts";
import { clipTextConfig, ClipTextModel } from "../models/clip.ts";
import { t5Config, T5Encoder } from "../models/t5.ts";
import { loadTokenizer } from "../text/load_tokenizer.ts";
import type { Encoded, Tokenizer } from "../text/tokenizer.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { type Component, loadComponent, type LoadContext } from "./family.ts";

/** Numbers of one prompt, [rows, width] row-major. */
export interface States {
  /** Values. */
  readonly data: Float32Array<ArrayBuffer>;
  /** Tokens. */
  readonly rows: number;
  /** Channels. */
  readonly width: number;
}

/** What CLIP makes of one prompt. */
export interface ClipStates {
  /** Last hidden state after the final norm. */
  readonly last: States;
  /** Output of the last layer but one, before the norm. */
  readonly penultimate: States;
  /** State of the end-of-text token, [width]. */
  readonly pooled: Float32Array<ArrayBuffer>;
  /** Projected pooled state, [projection_dim]; with projection only. */
  readonly textEmbeds?: Float32Array<ArrayBuffer>;
  /** What was cut off, as a sentence. */
  readonly warning?: string;
}

/** What T5 makes of one prompt. */
export interface T5States {
  /** Last hidden state. */
  readonly last: States;
  /** What was cut off, as a sentence. */
  readonly warning?: string;
}

/** Encoders larger than this leave the GPU as soon as a prompt is encoded. */
const KEEP_BYTES = 512 * 2 ** 20;
/** Prompts remembered. */
const REMEMBERED = 16;

/** A tokenizer and its encoder, loaded when first needed. */
abstract class PromptEncoder<M, S> implements Disposable {
  private readonly remembered = new Map<string, S>();
  private component: Component<M> | undefined;
  private tokenizer: Tokenizer | undefined;

  /**
   * @param context Where the model is and where it goes.
   * @param folder Encoder's folder.
   * @param tokenizerFolder Tokenizer's folder.
   */
  constructor(
    protected readonly context: LoadContext,
    protected readonly folder: string,
    private readonly tokenizerFolder: string,
  ) {}

  /** The tokenizer. */
  async getTokenizer(): Promise<Tokenizer> {
    this.tokenizer ??= await loadTokenizer(tokenizerFiles(this.context.folder), this.tokenizerFolder);
    return this.tokenizer;
  }

  /** States of a prompt cut or filled to `length` tokens. */
  async encode(prompt: string, length: number): Promise<S> {
    const key = `${length} ${prompt}`;
    const known = this.remembered.get(key);
    if (known) return known;
    const tokens = (await this.getTokenizer()).encode(prompt, { maxLength: length });
    this.component ??= await this.load();
    using r = new Recorder(this.context.device, this.context.dtype, this.context.signal);
    const states = await this.run(r, this.component.model, tokens);
    if (this.remembered.size === REMEMBERED) this.remembered.delete(this.remembered.keys().next().value!);
    this.remembered.set(key, states);
    return states;
  }

  /** Frees a large encoder; the next new prompt loads it again. */
  rest(): void {
    if (this.component && this.component.bytes > KEEP_BYTES) this[Symbol.dispose]();
  }

  /** Frees the encoder. */
  [Symbol.dispose](): void {
    this.component?.[Symbol.dispose]();
    this.component = undefined;
  }

  protected abstract load(): Promise<Component<M>>;
  protected abstract run(r: Recorder, model: M, tokens: Encoded): Promise<S>;
}

/** CLIP's tokenizer and text encoder. */
export class ClipPrompts extends PromptEncoder<ClipTextModel, ClipStates> {
  protected override load(): Promise<Component<ClipTextModel>> {
    const kind = this.context.index.components.get(this.folder) ?? "CLIPTextModel";
    return loadComponent(
      this.context,
      this.folder,
      (w, config) => new ClipTextModel(w, clipTextConfig(config, kind)),
    );
  }

  protected override async run(
    r: Recorder,
    model: ClipTextModel,
    { ids, cut }: Encoded,
  ): Promise<ClipStates> {
    const rows = ids.length;
    const width = model.config.hidden_size;
    const out = model.forward(r, ids, 1, rows);
    const states = (data: Float32Array<ArrayBuffer>): States => ({ data, rows, width });
    return {
      last: states(await r.read(out.lastHiddenState)),
      penultimate: states(await r.read(out.hiddenStates[out.hiddenStates.length - 2])),
      pooled: await r.read(out.pooled),
      textEmbeds: out.textEmbeds && await r.read(out.textEmbeds),
      warning: cutWarning("CLIP", rows, cut),
    };
  }
}

/** T5's tokenizer and encoder. Padding is attended to, as the diffusion models were trained. */
export class T5Prompts extends PromptEncoder<T5Encoder, T5States> {
  protected override load(): Promise<Component<T5Encoder>> {
    return loadComponent(this.context, this.folder, (w, config) => new T5Encoder(w, t5Config(config)));
  }

  protected override async run(r: Recorder, model: T5Encoder, { ids, cut }: Encoded): Promise<T5States> {
    const rows = ids.length;
    const data = await r.read(model.forward(r, ids, 1, rows));
    return { last: { data, rows, width: model.config.d_model }, warning: cutWarning("T5", rows, cut) };
  }
}

/** a and b side by side: [rows, wa] and [rows, wb] → [rows, wa + wb]. */
export function sideBySide(a: States, b: States): States {
  const width = a.width + b.width;
  const data = new Float32Array(a.rows * width);
  for (let row = 0; row < a.rows; row++) {
    data.set(a.data.subarray(row * a.width, (row + 1) * a.width), row * width);
    data.set(b.data.subarray(row * b.width, (row + 1) * b.width), row * width + a.width);
  }
  return { data, rows: a.rows, width };
}

/** The same rows filled with zeros to `width` channels. */
export function widened(a: States, width: number): States {
  return width === a.width ? a : sideBySide(a, zeros(a.rows, width - a.width));
}

/** b's rows below a's. */
export function stacked(a: States, b: States): States {
  return { data: joined([a.data, b.data]), rows: a.rows + b.rows, width: a.width };
}

/** Nothing but zeros. */
export function zeros(rows: number, width: number): States {
  return { data: new Float32Array(rows * width), rows, width };
}

/** Arrays end to end. */
export function joined(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return data;
}

/** The sentences of some states, each once. */
export function warningsOf(states: readonly { readonly warning?: string }[]): string[] {
  return [...new Set(states.flatMap(({ warning }) => warning === undefined ? [] : [warning]))];
}

function cutWarning(encoder: string, length: number, cut: Encoded["cut"]): string | undefined {
  return cut &&
    `The prompt is longer than the ${length} tokens that ${encoder} reads: ${cut.tokens} were dropped ("${
      cut.text.trim().slice(0, 60)
    }")`;
}

function tokenizerFiles(folder: FolderSource): {
  text(path: string): Promise<string | undefined>;
  bytes(path: string): Promise<Uint8Array | undefined>;
} {
  return {
    text: (path) => folder.text(path),
    async bytes(path) {
      const file = await folder.open(path);
      return file && await file.read(0, file.size);
    },
  };
}
