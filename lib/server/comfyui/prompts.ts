/**
 * Graphs in the queue: each is a job with an id, drawn step by step like all other requests, told of through web sockets and kept
 * in the history as long as jobs are.
 *
 * @module
 */

import { encodePicture } from "../../image/picture_writing.ts";
import { readPictureTexts } from "../../image/picture_texts.ts";
import type { Picture } from "../../image/png_writing.ts";
import type { GeneratedImage, ModelInfo, RgbPicture } from "../../pipelines/types.ts";
import { ApiError } from "../api_error.ts";
import { base64 } from "../base64.ts";
import type { EnlargedPicture } from "../extras.ts";
import type { JobEvents, JobResult, JobState } from "../jobs.ts";
import { nameOf } from "../models.ts";
import type { NamedJob, NamedJobs } from "../named_jobs.ts";
import type { Call } from "../routes.ts";
import type { Compiled } from "./compile.ts";
import { inColours } from "./pixels.ts";
import type { Sockets } from "./sockets.ts";
import type { Drawn, DrawStep, EnlargeStep, Images, Output, Step } from "./values.ts";

/** How jobs of graphs are called among all jobs. */
export const KIND = "comfyui";

/** What prompts need of the server. */
export interface PromptParts {
  readonly jobs: NamedJobs;
  readonly sockets: Sockets;
  /** Draws. Throws at once where there is no room in front of the queue. */
  readonly draw: (step: DrawStep, call: Call, signal: AbortSignal, events: JobEvents) => Promise<JobResult>;
  /** Enlarges. Throws at once where there is no room. */
  readonly enlarge: (
    step: EnlargeStep,
    call: Call,
    signal: AbortSignal,
    onShare: (share: number) => void,
  ) => Promise<readonly Picture[]>;
  readonly pictureFile: (image: GeneratedImage, info: ModelInfo) => Promise<Uint8Array>;
  readonly enlargedFile: (
    picture: EnlargedPicture,
    fields: Readonly<Record<string, string | number>>,
  ) => Promise<Uint8Array>;
  readonly preview: (preview: RgbPicture) => Promise<string>;
  readonly failure: (error: unknown) => ApiError;
}

/** What a client sent with his graph. */
export interface SentPrompt {
  /** The id that he wants; undefined: any. */
  readonly id?: string;
  readonly graph: unknown;
  readonly extra: Readonly<Record<string, unknown>>;
  /** Whose web socket hears of it. */
  readonly client?: string;
  /** Whether he wants pictures on their way. */
  readonly previews: boolean;
}

/** A picture that `GET /view` gives. */
export interface KeptFile {
  readonly filename: string;
  readonly subfolder: string;
  readonly type: string;
  /** Its number among the job's. */
  readonly index: number;
}

interface Prompt extends SentPrompt {
  readonly id: string;
  readonly number: number;
  readonly owner: string;
  /** Ids of the output nodes. */
  readonly wanted: readonly string[];
  /** Gone with its pixels when all is done. */
  compiled: Compiled | undefined;
  job?: NamedJob;
  begun: boolean;
  interrupted: boolean;
  /** The node that is on. */
  node: string;
  /** Its progress that was told last. */
  told: string;
  readonly done: string[];
  readonly messages: [string, unknown][];
  readonly outputs: [string, unknown][];
  readonly files: KeptFile[];
  warnings: readonly string[];
}

/** Previews of a model whose own cost a decoding. */
const DEAR_PREVIEWS = 4;

/** See the module. */
export class Prompts {
  private readonly prompts = new WeakMap<NamedJob, Prompt>();
  private numbers = 0;
  private written = 0;

  /** With what they need. */
  constructor(private readonly parts: PromptParts) {}

  /**
   * Puts a graph in front of the queue.
   *
   * @throws {ApiError} 429 or 503 where there is no room, 400 for an id that there is.
   */
  submit(
    sent: SentPrompt,
    compiled: Compiled,
    call: Call,
    release: () => void,
  ): { readonly id: string; readonly number: number } {
    const { parts } = this;
    const prompt: Prompt = {
      ...sent,
      id: sent.id ?? crypto.randomUUID(),
      owner: call.owner,
      number: this.numbers++,
      wanted: compiled.outputs.map(({ node }) => node),
      compiled,
      begun: false,
      interrupted: false,
      node: "",
      told: "",
      done: [],
      messages: [],
      outputs: [],
      files: [],
      warnings: compiled.notes,
    };
    const [first] = compiled.steps;
    const files = new WeakMap<GeneratedImage, string>();
    const job = parts.jobs.submit({
      id: prompt.id,
      owner: call.owner,
      kind: KIND,
      model: first.is === "draw" ? nameOf(first.engine.info) : first.network.name,
      pictures: compiled.outputs.reduce((sum, { images }) => sum + images.count, 0),
      previews: 0,
      start: (signal, events) => this.run(prompt, call, signal, events, files),
      file: (image) => Promise.resolve(files.get(image)!),
      preview: parts.preview,
      answer: () => this.entry(prompt),
      failure: parts.failure,
      release: () => {
        release();
        this.ended(prompt);
      },
    });
    prompt.job = job;
    // Graphs are kept beside the pictures.
    job.bytes += JSON.stringify([sent.graph, sent.extra]).length;
    this.prompts.set(job, prompt);
    this.tellStatus(call.owner);
    return { id: job.id, number: prompt.number };
  }

  /** Graphs of an owner that wait and that are drawn, as ComfyUI lists them. */
  queue(owner: string): { readonly queue_running: unknown[]; readonly queue_pending: unknown[] } {
    const of = (status: string): unknown[] =>
      this.of(owner).filter(({ job }) => job!.status === status).map(item);
    return { queue_running: of("running"), queue_pending: of("waiting") };
  }

  /** Those that wait or are drawn. */
  status(owner: string): { readonly exec_info: { readonly queue_remaining: number } } {
    return { exec_info: { queue_remaining: this.of(owner).filter(({ job }) => !job!.over).length } };
  }

  /** Graphs that have ended, by id, the first one first. */
  history(owner: string, id?: string): Readonly<Record<string, unknown>> {
    return Object.fromEntries(
      this.of(owner).filter(({ job, begun }) => job!.over && begun && (id === undefined || job!.id === id))
        .map((prompt) => [prompt.job!.id, this.entry(prompt)]),
    );
  }

  /** Forgets graphs that have ended. */
  forget(owner: string, ids?: readonly unknown[]): void {
    for (const { job } of this.of(owner)) {
      if (job!.over && (ids === undefined || ids.includes(job!.id))) this.parts.jobs.remove(job!);
    }
  }

  /** Drops graphs that wait. */
  drop(owner: string, ids?: readonly unknown[]): void {
    for (const { job } of this.of(owner)) {
      if (job!.status === "waiting" && (ids === undefined || ids.includes(job!.id))) job!.cancel();
    }
  }

  /** Stops the graph that is drawn. False: none is, or not this one. */
  interrupt(owner: string, id?: string): boolean {
    const running = this.of(owner).filter(({ job }) =>
      job!.status === "running" && (id === undefined || job!.id === id)
    );
    for (const { job } of running) job!.cancel();
    return running.length > 0;
  }

  /** A finished picture in base64. */
  file(owner: string, wanted: (file: KeptFile) => boolean): string | undefined {
    for (const { job, files } of this.of(owner)) {
      const found = files.find(wanted);
      if (found) return job!.files[found.index];
    }
    return undefined;
  }

  /** The graphs of an owner, the first one first. */
  private of(owner: string): Prompt[] {
    return this.parts.jobs.of(owner).reverse().flatMap((job) => this.prompts.get(job) ?? []);
  }

  /** Begins the first step at once, so that what has no room is refused. */
  private run(
    prompt: Prompt,
    call: Call,
    signal: AbortSignal,
    events: JobEvents,
    files: WeakMap<GeneratedImage, string>,
  ): Promise<JobResult> {
    const all = prompt.compiled!.steps;
    const begin = (at: number): Promise<void> =>
      this.begin(prompt, all[at], at / all.length, call, signal, events);
    const first = begin(0);
    const rest = async (): Promise<JobResult> => {
      await first;
      for (let i = 1; i < all.length; i++) await begin(i);
      await this.deliver(prompt, events, files);
      return { images: [], interrupted: false, warnings: prompt.warnings };
    };
    return rest();
  }

  /** Does one step. */
  private begin(
    prompt: Prompt,
    step: Step,
    before: number,
    call: Call,
    signal: AbortSignal,
    events: JobEvents,
  ): Promise<void> {
    const { parts } = this;
    const all = prompt.compiled!.steps.length;
    const on = (): void => this.reach(prompt, step.node);
    if (step.is === "enlarge") {
      const work = parts.enlarge(step, call, signal, (share) => {
        on();
        this.progress(prompt, Math.round(100 * share), 100);
        events.onState?.(partly({ share }, before, all));
      });
      return work.then((pictures) => {
        on();
        step.results.push(...pictures);
      });
    }
    let shown: RgbPicture | undefined;
    let allSteps = 0;
    const show = (preview: RgbPicture | undefined): void => {
      if (!preview || preview === shown || !prompt.previews || prompt.client === undefined) return;
      shown = preview;
      const { owner, client } = prompt;
      // A preview that cannot be written is none.
      encodePicture({ ...preview, channels: 3, data: preview.rgb }, "JPEG")
        .then((file) => parts.sockets.picture(owner, client, "JPEG", file), () => {});
    };
    const dear = prompt.previews && step.engine.info.latentRgb === undefined;
    const drawing = parts.draw(step, call, signal, {
      previews: dear ? DEAR_PREVIEWS : 0,
      onPreview: show,
      onImage: () => {},
      onState: (state) => {
        on();
        show(state.preview);
        // Clients count these: one a step, as if all pictures were drawn at once.
        const { picture, pictures, step, steps } = state;
        allSteps = steps;
        this.progress(prompt, Math.min(steps, Math.floor((picture * steps + step) / pictures)), steps);
        events.onState?.(partly(state, before, all));
      },
    });
    return drawing.then(({ images, interrupted, warnings }) => {
      if (interrupted) {
        prompt.interrupted = true;
        throw new ApiError(503, "interrupted", "The request was interrupted");
      }
      on();
      this.progress(prompt, allSteps, allSteps);
      step.results.push(...images);
      prompt.warnings = [...new Set([...prompt.warnings, ...warnings])];
    });
  }

  /** Writes the pictures of all outputs and gives them away. */
  private async deliver(
    prompt: Prompt,
    events: JobEvents,
    files: WeakMap<GeneratedImage, string>,
  ): Promise<void> {
    for (const id of prompt.compiled!.order) {
      this.reach(prompt, id);
      const output = prompt.compiled!.outputs.find(({ node }) => node === id);
      if (!output) continue;
      const said: unknown[] = [];
      for (let i = 0; i < output.images.count; i++) {
        const bytes = await this.bytes(output, i);
        const { owner, client } = prompt;
        if (output.delivery === "socket") {
          if (client !== undefined) this.parts.sockets.picture(owner, client, output.format, bytes);
          said.push({
            source: "websocket",
            "content-type": `image/${output.format.toLowerCase()}`,
            type: "output",
          });
          continue;
        }
        // The job keeps it, whatever else its pictures are asked by.
        const picture = {
          ...sizeOf(output.images),
          rgb: new Uint8Array(),
          seed: seedOf(output.images, i),
          parameters: {},
        };
        files.set(picture, base64(bytes));
        const { kept, told } = this.named(prompt, output);
        events.onImage(picture);
        prompt.files.push(kept);
        said.push(told);
      }
      await prompt.job?.written();
      if (!output.tells) continue;
      prompt.outputs.push([id, { images: said }]);
      this.say(prompt, "executed", { node: id, display_node: id, output: { images: said } });
    }
  }

  /** A picture as a file. */
  private async bytes({ images, format }: Output, index: number): Promise<Uint8Array> {
    const { pictureFile, enlargedFile } = this.parts;
    const drawn: Drawn | undefined = images.drawn?.(index);
    const changed = Object.keys(images.notes).length > 0 || !drawn;
    const picture = await images.file(index).decode();
    if (format === "JPEG") return await encodePicture(inColours(picture), "JPEG");
    if (!changed) return await pictureFile(drawn.image, drawn.engine.info);
    // What the picture said before it was changed.
    const texts = drawn
      ? await readPictureTexts(new Uint8Array(await pictureFile(drawn.image, drawn.engine.info)), "picture")
      : new Map<string, string>();
    return await enlargedFile({ picture: inColours(picture), texts }, images.notes);
  }

  /** A name for a picture. */
  private named(prompt: Prompt, output: Output): { readonly kept: KeptFile; readonly told: unknown } {
    const index = prompt.files.length;
    if (output.delivery === "cache") {
      const id = crypto.randomUUID().replaceAll("-", "");
      return {
        kept: { filename: id, subfolder: "", type: "cache", index },
        told: { source: "http", id, "content-type": `image/${output.format.toLowerCase()}`, type: "output" },
      };
    }
    const parts = output.prefix.split("/");
    const filename = `${parts.pop()}_${String(++this.written).padStart(5, "0")}_.png`;
    const told = {
      filename,
      subfolder: parts.join("/"),
      type: output.delivery === "file" ? "output" : "temp",
    };
    return { kept: { ...told, index }, told };
  }

  /** The node that is on, and those before it which nobody was told of. */
  private reach(prompt: Prompt, node: string): void {
    // A machine elsewhere may report what is over.
    if (!prompt.compiled) return;
    if (!prompt.begun) {
      prompt.begun = true;
      this.note(prompt, "execution_start", {});
      this.note(prompt, "execution_cached", { nodes: [] });
    }
    if (prompt.node === node || prompt.done.includes(node)) return;
    const { order } = prompt.compiled;
    for (const id of order.slice(0, order.indexOf(node) + 1)) {
      if (prompt.done.includes(id)) continue;
      prompt.node = id;
      prompt.done.push(id);
      this.say(prompt, "executing", { node: id, display_node: id });
    }
  }

  private progress(prompt: Prompt, value: number, max: number): void {
    const told = `${prompt.node} ${value}`;
    if (value === 0 || told === prompt.told || !prompt.compiled) return;
    prompt.told = told;
    this.say(prompt, "progress", { value, max, node: prompt.node });
  }

  /** Tells the client. */
  private say(prompt: Prompt, type: string, data: Readonly<Record<string, unknown>>): void {
    if (prompt.client === undefined) return;
    this.parts.sockets.tell(prompt.owner, prompt.client, type, { ...data, prompt_id: prompt.id });
  }

  /** Tells the client what the history keeps. */
  private note(prompt: Prompt, type: string, data: Readonly<Record<string, unknown>>): void {
    const all = { prompt_id: prompt.id, ...data, timestamp: Date.now() };
    prompt.messages.push([type, all]);
    if (prompt.client !== undefined) this.parts.sockets.tell(prompt.owner, prompt.client, type, all);
  }

  private ended(prompt: Prompt): void {
    const { owner, client, job, node, done, wanted } = prompt;
    const kind = prompt.compiled!.classOf(node);
    prompt.compiled = undefined;
    const { status } = job!;
    if (prompt.begun) {
      const where = {
        node_id: node,
        node_type: kind,
        executed: done.filter((id) => id !== node),
      };
      if (status === "done") this.note(prompt, "execution_success", {});
      else if (status === "cancelled" || prompt.interrupted) {
        this.note(prompt, "execution_interrupted", where);
      } else {
        const { error } = job!.view() as { error: { error: string; detail: string } };
        this.note(prompt, "execution_error", {
          ...where,
          exception_message: error.detail,
          exception_type: error.error,
          traceback: [],
          current_inputs: {},
          current_outputs: wanted,
        });
      }
      if (client !== undefined) {
        this.parts.sockets.tell(owner, client, "executing", { node: null, prompt_id: prompt.id });
      }
    }
    this.tellStatus(owner);
  }

  private tellStatus(owner: string): void {
    this.parts.sockets.tell(owner, undefined, "status", { status: this.status(owner) });
  }

  /** An entry of the history. */
  private entry(prompt: Prompt): unknown {
    const { job, outputs, messages, warnings } = prompt;
    const done = job!.status === "done" || !job!.over;
    return {
      prompt: item(prompt),
      outputs: Object.fromEntries(outputs),
      status: { status_str: done ? "success" : "error", completed: done, messages },
      meta: Object.fromEntries(outputs.map(([id]) => [
        id,
        { node_id: id, display_node: id, parent_node: null, real_node_id: id },
      ])),
      ...warnings.length > 0 && { warnings },
    };
  }
}

/** A graph as lists show it. */
function item({ number, job, graph, extra, wanted }: Prompt): unknown {
  return [number, job!.id, graph, extra, wanted];
}

/** The state of one step as that of all. */
function partly(state: Pick<JobState, "share"> & Partial<JobState>, before: number, all: number): JobState {
  return {
    id: 0,
    started: Date.now(),
    picture: 0,
    pictures: 1,
    step: 0,
    steps: 0,
    interrupted: false,
    ...state,
    share: before + state.share / all,
  };
}

function sizeOf({ width, height }: Images): { readonly width: number; readonly height: number } {
  return { width, height };
}

function seedOf(images: Images, index: number): number {
  return images.drawn?.(index).image.seed ?? 0;
}
