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
import type { Encoded, Tokenizer } from "../text/tokenizer.ts";
import { unknownWarning } from "../text/unknown_words.ts";
import { readConfig } from "../weights/model_folder.ts";
import { type Component, loadComponent, type LoadContext, Opened } from "./family.ts";
import { notFinite } from "./not_finite.ts";
import { KEPT_ENCODER_BYTES } from "./residency.ts";
import type { PromptStates, States } from "./text_states.ts";

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

/** What the states of a prompt are remembered by. */
export function keyOf(prompt: string, length: number, emphasis: boolean, skipped: number): string {
  return `${length} ${emphasis} ${skipped} ${prompt}`;
}

/** A tokenizer and its encoder, loaded when first needed. */
abstract class PromptEncoder<M, S extends PromptStates> implements Disposable {
  /** States by prompt and how it was read. */
  readonly remembered: Map<string, S> = new Map();
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

  /** Keeps the states of a prompt, and returns them. */
  remember(key: string, states: S): S {
    if (this.remembered.size === REMEMBERED) this.remembered.delete(this.remembered.keys().next().value!);
    this.remembered.set(key, states);
    return states;
  }

  /** The tokens of a prompt that takes one row without weights. */
  async onlyRow(prompt: string, length: number, emphasis: boolean): Promise<Encoded | undefined> {
    const words = emphasis ? await evenWords(prompt) : prompt;
    if (words === undefined) return undefined;
    const tokens = (await this.getTokenizer()).encode(words, { maxLength: length });
    return emphasis && tokens.cut ? undefined : tokens;
  }

  private async weighted(prompt: string, length: number, skipped: number): Promise<S> {
    const { joinedRows, rowsOf, weighed } = await import("./weighted_states.ts");
    const rows: S[] = [];
    for (const row of rowsOf(await this.getTokenizer(), prompt, length, this.fixedLength)) {
      const [states] = await this.rows([row], skipped);
      const even = row.weights.every((weight) => weight === 1);
      rows.push(even ? states : weighed(states, await this.encode("", length, false, skipped), row.weights));
    }
    return joinedRows(rows);
  }

  /** States of rows of one length. */
  async rows(rows: readonly Encoded[], skipped: number): Promise<S[]> {
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
  /** States of rows of one length: of CLIP of one row. */
  protected abstract run(r: Recorder, model: M, rows: readonly Encoded[], skipped: number): Promise<S[]>;
  /** Whether a prompt that is too long takes further rows, as CLIP's with its fixed length; otherwise it is cut. */
  protected abstract readonly fixedLength: boolean;
}

/** CLIP's tokenizer and text encoder. */
export class ClipPrompts extends PromptEncoder<ClipTextModel, ClipStates> {
  protected override readonly fixedLength = true;

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
    [{ ids, cut }]: readonly Encoded[],
    skipped: number,
  ): Promise<[ClipStates]> {
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
    return [{
      last: states(last),
      penultimate: states(penultimate),
      pooled,
      textEmbeds,
      warning: cutWarning("CLIP", rows, cut),
    }];
  }
}

/** T5's tokenizer and encoder. Padding is attended to, as the diffusion models were trained. */
export class T5Prompts extends PromptEncoder<T5Encoder, T5States> {
  protected override readonly fixedLength = false;

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
