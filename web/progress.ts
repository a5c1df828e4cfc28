/// <reference lib="dom" />
/**
 * Progress: a line for each phase and stage, a sentence over them, and now and then a word to screen readers.
 *
 * @module
 */

import { announce, byId, element } from "./dom.ts";
import { duration, Estimate, size } from "./estimate.ts";
import { t } from "./language.ts";
import type { PlanSummary, WebProgress } from "./protocol.ts";

/** A line of the list. */
interface Row {
  readonly item: HTMLLIElement;
  readonly bar: HTMLProgressElement;
  readonly note: HTMLSpanElement;
}

const panel: HTMLElement = byId("progress");
const line: HTMLElement = byId("progress-line");
const list: HTMLElement = byId("phases");

/** Shows the progress of a run. */
export class ProgressView {
  private rows = new Map<string, Row>();
  private active: string | undefined;
  private estimate: Estimate | undefined;
  private plan: PlanSummary | undefined;
  private title = "";
  /** Whether no step of this model was seen yet on a GPU of this page. */
  private cold = false;
  /** Milliseconds of decoding by size, from pictures of this visit. */
  private readonly decodeMs = new Map<string, number>();

  /** The next picture is the first of a model. */
  isCold(): void {
    this.cold = true;
  }

  /** Shows the panel. */
  begin(): void {
    panel.hidden = false;
    this.active = undefined;
    list.replaceChildren();
    line.textContent = t("starting");
  }

  /** Lays out the lines of a picture; one that is drawn elsewhere tells of its stages only. */
  picture(plan: PlanSummary, title: string, elsewhere = false): void {
    this.plan = plan;
    this.title = title;
    this.estimate = new Estimate(plan, this.decodeMs.get(`${plan.width}x${plan.height}`));
    this.rows = new Map();
    this.active = undefined;
    list.replaceChildren();
    if (!elsewhere) {
      this.add("load", t("phaseModel"));
      this.add("encode", t("phasePrompt"));
    }
    for (const [i, stage] of plan.stages.entries()) {
      const label = plan.stages.length > 1 ? t("phaseStage", { number: i + 1 }) : t("phaseDenoise");
      this.add(`stage ${i + 1}`, `${label} · ${sideOf(stage)}`, stage.steps);
    }
    if (!elsewhere) this.add("decode", t("phaseDecode"));
    this.say(t("starting"));
    if (title !== "") announce(title);
  }

  /** Remembers how long decoding takes. */
  learn(width: number, height: number, decodeMs: number): void {
    this.decodeMs.set(`${width}x${height}`, decodeMs);
  }

  /** Takes an event in. */
  show(event: WebProgress): void {
    const now = performance.now();
    const left = this.estimate?.note(event, now);
    switch (event.phase) {
      case "download": {
        const [done, total] = [event.step ?? 0, event.steps ?? 0];
        this.enter("load", t("fetching"));
        this.fill("load", done, total, size(done));
        return this.say(t("fetchingOf", { done: size(done), total: size(total) }));
      }
      case "prepare":
        this.enter("load", t("preparing"));
        return this.say(t("preparing"));
      case "load": {
        // Text encoders are loaded while the prompt is read: that line stays where it is.
        if (this.active !== "encode") this.enter("load", t("loading"));
        this.fill(this.active!, event.bytes ?? 0, event.totalBytes ?? 0, "");
        const part = t("loadingPart", { part: (event.component || "upsampler").replaceAll("_", " ") });
        return this.say([part, loaded(event)].filter(Boolean).join(": "));
      }
      case "encode":
        this.enter("encode", t("reading"));
        return this.say(t("reading"));
      case "denoise": {
        const key = `stage ${event.stage}`;
        const { stage = 1, stages = 1, step = 0, steps = 0, width = 0, height = 0 } = event;
        this.enter(key, stages > 1 ? t("stageOf", { stage, stages, width, height }) : t("denoising"));
        this.fill(key, step, steps, `${step} / ${steps}`);
        // Until the first step is done its kernels are compiled, which a browser does once.
        if (this.cold && step === 0 && stage === 1) return this.say(t("preparing"));
        this.cold = false;
        const where = stages > 1
          ? t("stageStep", { stage, stages, step, steps })
          : t("step", { step, steps });
        return this.say(left === undefined ? where : `${where} · ${t("timeLeft", { time: duration(left) })}`);
      }
      case "upsample":
        return this.say(t("growing", { width: event.width ?? 0, height: event.height ?? 0 }));
      case "decode": {
        this.enter("decode", t("decoding"));
        const known = this.plan && this.decodeMs.get(`${this.plan.width}x${this.plan.height}`);
        return this.say(
          known === undefined
            ? t("decoding")
            : `${t("decoding")} · ${t("timeLeft", { time: duration(known) })}`,
        );
      }
    }
  }

  /** Says something in the panel's first line. */
  say(text: string): void {
    line.textContent = this.title === "" ? text : `${this.title}: ${text[0].toLowerCase()}${text.slice(1)}`;
  }

  /** Hides the panel. */
  end(): void {
    panel.hidden = true;
    list.replaceChildren();
    this.rows.clear();
  }

  private add(key: string, label: string, max?: number): void {
    const name = element("span", { textContent: label });
    const bar = element("progress", { max: max ?? 1, value: 0 });
    bar.setAttribute("aria-label", label);
    const note = element("span", { textContent: max === undefined ? "" : `0 / ${max}` });
    const item = element("li", {}, name, bar, note);
    item.dataset.state = "waiting";
    this.rows.set(key, { item, bar, note });
    list.append(item);
  }

  /** Makes a line the current one; those before it are done. */
  private enter(key: string, spoken: string): void {
    if (this.active === key || !this.rows.has(key)) return;
    this.active = key;
    let before = true;
    for (const [other, { item, bar }] of this.rows) {
      if (other === key) {
        before = false;
        item.dataset.state = "active";
        bar.classList.add("busy");
      } else {
        item.dataset.state = before ? "done" : "waiting";
        bar.classList.remove("busy");
        if (before) bar.value = bar.max;
      }
    }
    announce(spoken);
  }

  private fill(key: string, value: number, max: number, note: string): void {
    const row = this.rows.get(key);
    if (!row) return;
    row.bar.max = Math.max(1, max);
    row.bar.value = value;
    row.bar.classList.toggle("busy", value === 0);
    row.note.textContent = note;
  }
}

/** `1.2 GB / 5.1 GB · 0.45 GB/s` in the units that fit. */
function loaded({ bytes = 0, totalBytes = 0, bytesPerSecond }: WebProgress): string {
  if (totalBytes === 0) return "";
  const rate = bytesPerSecond ? ` · ${size(bytesPerSecond)}/s` : "";
  return t("ofTotal", { done: size(bytes), total: size(totalBytes) }) + rate;
}

function sideOf({ width, height }: { width: number; height: number }): string {
  return width === height ? `${width}²` : `${width}×${height}`;
}
