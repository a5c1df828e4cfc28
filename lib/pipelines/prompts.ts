/**
 * Prompts to text states: tokenizer, encoder, read back. States live on the CPU between runs, so that an
 * encoder of many gigabytes need not stay on the GPU, and a prompt drawn again costs nothing.
 *
 * @module
 */

import { Recorder } from "../gpu/recorder.ts";
import { clipTextConfig, ClipTextModel } from "../models/clip.ts";
import { t5Config, T5Encoder } from "../models/t5.ts";
import { isPlain } from "../text/plain_prompt.ts";
import type { WeightedRow } from "../text/prompt_weights.ts";
import type { Encoded, Tokenizer } from "../text/tokenizer.ts";
import { unknownWarning } from "../text/unknown_words.ts";
import { readConfig } from "../weights/model_folder.ts";
import { type Component, loadComponent, type LoadContext, Opened } from "./family.ts";
import { notFinite } from "./not_finite.ts";
import { KEPT_ENCODER_BYTES } from "./residency.ts";

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
  /** Last hidden state, or an earlier layer's where layers were skipped, after the final norm. */
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

/** Prompts remembered. */
const REMEMBERED = 16;

/** The words of a prompt, if all of them weigh 1 and none wants a row of its own. */
async function evenWords(prompt: string): Promise<string | undefined> {
  if (isPlain(prompt)) return prompt;
  const { breaks, parseWeights } = await import("../text/prompt_weights.ts");
  const parts = parseWeights(prompt);
  const even = parts.every(({ weight }) => weight === 1) && !breaks(parts);
  return even ? parts.map(({ text }) => text).join("") : undefined;
}

/** A prompt's words without their weights. */
async function wordsOf(prompt: string): Promise<string> {
  if (isPlain(prompt)) return prompt;
  const { parseWeights } = await import("../text/prompt_weights.ts");
  return parseWeights(prompt).map(({ text }) => text).join("");
}

function keyOf(prompt: string, length: number, emphasis: boolean, skipped: number): string {
  return `${length} ${emphasis} ${skipped} ${prompt}`;
}

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
    const { context: { folder, opened = new Opened() }, tokenizerFolder } = this;
    this.tokenizer ??= await opened.tokenizer(folder, tokenizerFolder);
    return this.tokenizer;
  }

  /**
   * States of a prompt filled to `length` tokens.
   *
   * @param emphasis Reads brackets as weights and gives CLIP as many rows as the prompt needs; without it the
   *   prompt is taken literally and cut, as diffusers does.
   * @param skipped How many of CLIP's last layers `last` leaves out.
   */
  async encode(prompt: string, length: number, emphasis = false, skipped = 0): Promise<S> {
    const key = keyOf(prompt, length, emphasis, skipped);
    const known = this.remembered.get(key);
    if (known) return known;
    const row = await this.onlyRow(prompt, length, emphasis);
    return this.remember(
      key,
      row ? (await this.rows([row], skipped))[0] : await this.weighted(prompt, length, skipped),
    );
  }

  /**
   * Encodes prompts that {@linkcode encode} is going to be asked for, as far as they take a row each, in one go: an encoder that streams
   * is read once for all of them.
   */
  async encodeTogether(prompts: readonly string[], length: number, emphasis = false): Promise<void> {
    const rows = new Map<string, Encoded>();
    for (const prompt of prompts) {
      const key = keyOf(prompt, length, emphasis, 0);
      const row = this.remembered.has(key) ? undefined : await this.onlyRow(prompt, length, emphasis);
      if (row) rows.set(key, row);
    }
    if (rows.size < 2) return;
    const states = await this.rows([...rows.values()], 0);
    for (const [i, key] of [...rows.keys()].entries()) this.remember(key, states[i]);
  }

  private remember(key: string, states: S): S {
    if (this.remembered.size === REMEMBERED) this.remembered.delete(this.remembered.keys().next().value!);
    this.remembered.set(key, states);
    return states;
  }

  /** The tokens of a prompt that takes one row without weights. */
  private async onlyRow(prompt: string, length: number, emphasis: boolean): Promise<Encoded | undefined> {
    const words = emphasis ? await evenWords(prompt) : prompt;
    if (words === undefined) return undefined;
    const tokens = (await this.getTokenizer()).encode(words, { maxLength: length });
    return emphasis && tokens.cut ? undefined : tokens;
  }

  private async weighted(prompt: string, length: number, skipped: number): Promise<S> {
    const tokenizer = await this.getTokenizer();
    const rows: S[] = [];
    for (const row of await this.split(tokenizer, prompt, length)) {
      const [states] = await this.rows([row], skipped);
      const even = row.weights.every((weight) => weight === 1);
      rows.push(
        even ? states : this.weigh(states, await this.encode("", length, false, skipped), row.weights),
      );
    }
    return this.join(rows);
  }

  private async rows(rows: readonly Encoded[], skipped: number): Promise<S[]> {
    this.component ??= await this.load();
    using r = new Recorder(this.context.device, this.context.dtype, this.context.signal);
    const states = await this.run(r, this.component.model, rows, skipped);
    this.context.kernels?.add(r.kernels);
    return states;
  }

  /**
   * Checks what a picture is going to be conditioned on. States that no network reads are not looked at.
   *
   * @throws {LssgenError} `numeric`, naming the encoder, when a value is not finite.
   */
  check(...values: readonly Float32Array[]): void {
    if (values.every((numbers) => numbers.every(Number.isFinite))) return;
    throw notFinite(this.folder, `The text encoder "${this.folder}"`, this.context.dtype);
  }

  /** Frees a large encoder; the next new prompt loads it again. */
  rest(): void {
    if (this.component && this.component.bytes > KEPT_ENCODER_BYTES) this[Symbol.dispose]();
  }

  /** Frees the encoder. */
  [Symbol.dispose](): void {
    this.component?.[Symbol.dispose]();
    this.component = undefined;
  }

  protected abstract load(): Promise<Component<M>>;
  /** States of rows of one length. */
  protected abstract run(r: Recorder, model: M, rows: readonly Encoded[], skipped: number): Promise<S[]>;
  /** The rows that a prompt needs. */
  protected abstract split(tokenizer: Tokenizer, prompt: string, length: number): Promise<WeightedRow[]>;
  /** States with weights given to their tokens. */
  protected abstract weigh(states: S, empty: S, weights: Float32Array): S;
  /** Rows of one prompt as one. */
  protected abstract join(rows: readonly S[]): S;
}

/** CLIP's tokenizer and text encoder. */
export class ClipPrompts extends PromptEncoder<ClipTextModel, ClipStates> {
  /** Layers of the encoder. */
  async layers(): Promise<number> {
    const kind = this.context.index.components.get(this.folder) ?? "CLIPTextModel";
    const config = await readConfig(this.context.folder, `${this.folder}/config.json`);
    return clipTextConfig(config, kind).num_hidden_layers;
  }

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
    rows: readonly Encoded[],
    skipped: number,
  ): Promise<ClipStates[]> {
    const states: ClipStates[] = [];
    for (const row of rows) states.push(await this.runOne(r, model, row, skipped));
    return states;
  }

  private async runOne(
    r: Recorder,
    model: ClipTextModel,
    { ids, cut }: Encoded,
    skipped: number,
  ): Promise<ClipStates> {
    const rows = ids.length;
    const width = model.config.hidden_size;
    const out = model.forward(r, ids, 1, rows);
    const { hiddenStates } = out;
    const conditioning = skipped === 0
      ? out.lastHiddenState
      : model.normed(r, hiddenStates[hiddenStates.length - 1 - skipped]);
    const states = (data: Float32Array<ArrayBuffer>): States => ({ data, rows, width });
    // Together: each wait for the queue takes a tick of Deno's, 11 ms.
    const [last, penultimate, pooled, textEmbeds] = await Promise.all([
      r.read(conditioning),
      r.read(hiddenStates[hiddenStates.length - 2]),
      r.read(out.pooled),
      out.textEmbeds && r.read(out.textEmbeds),
    ]);
    return {
      last: states(last),
      penultimate: states(penultimate),
      pooled,
      textEmbeds,
      warning: cutWarning("CLIP", rows, cut),
    };
  }

  protected override async split(
    tokenizer: Tokenizer,
    prompt: string,
    length: number,
  ): Promise<WeightedRow[]> {
    const { weightedChunks } = await import("../text/prompt_weights.ts");
    return weightedChunks(tokenizer, prompt, length);
  }

  // The pooled vectors stay as they are, and are those of the first row: as in ComfyUI.
  protected override weigh(states: ClipStates, empty: ClipStates, weights: Float32Array): ClipStates {
    return {
      ...states,
      last: weighed(states.last, empty.last, weights),
      penultimate: weighed(states.penultimate, empty.penultimate, weights),
    };
  }

  protected override join(rows: readonly ClipStates[]): ClipStates {
    return {
      ...rows[0],
      last: rows.map(({ last }) => last).reduce(stacked),
      penultimate: rows.map(({ penultimate }) => penultimate).reduce(stacked),
    };
  }
}

/** T5's tokenizer and encoder. Padding is attended to, as the diffusion models were trained. */
export class T5Prompts extends PromptEncoder<T5Encoder, T5States> {
  /** What a person is told of words that the tokenizer spells, as a warning. */
  async unknownWords(prompt: string, emphasis?: boolean): Promise<{ readonly warning?: string }> {
    const text = emphasis ? await wordsOf(prompt) : prompt;
    return { warning: unknownWarning(text, await this.getTokenizer()) };
  }

  protected override load(): Promise<Component<T5Encoder>> {
    return loadComponent(this.context, this.folder, (w, config) => new T5Encoder(w, t5Config(config)));
  }

  protected override async run(
    r: Recorder,
    model: T5Encoder,
    texts: readonly Encoded[],
  ): Promise<T5States[]> {
    const rows = texts[0].ids.length;
    const width = model.config.d_model;
    const states = await Promise.all(
      model.together(r, texts.map(({ ids }) => ids), 1, rows).map((states) => r.read(states)),
    );
    return states.map((data, i) => ({
      last: { data, rows, width },
      warning: cutWarning("T5", rows, texts[i].cut),
    }));
  }

  protected override async split(
    tokenizer: Tokenizer,
    prompt: string,
    length: number,
  ): Promise<WeightedRow[]> {
    const { weightedRow } = await import("../text/prompt_weights.ts");
    return [weightedRow(tokenizer, prompt, length)];
  }

  protected override weigh(states: T5States, empty: T5States, weights: Float32Array): T5States {
    return { ...states, last: weighed(states.last, empty.last, weights) };
  }

  protected override join([row]: readonly T5States[]): T5States {
    return row;
  }
}

/** Each token's state moved along the line from the empty prompt's: h₀ + w · (h − h₀). */
function weighed(states: States, empty: States, weights: Float32Array): States {
  const { rows, width } = states;
  const data = new Float32Array(states.data);
  for (let i = 0; i < data.length; i++) {
    const w = weights[Math.floor(i / width)];
    if (w !== 1) data[i] = empty.data[i] + w * (data[i] - empty.data[i]);
  }
  return { data, rows, width };
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
