/// <reference lib="dom" />
/**
 * The page: wires settings, progress, pictures and the model to the worker. Nothing here computes.
 *
 * @module
 */

import type { ErrorCode } from "../lib/errors.ts";
import { announce, byId, element } from "./dom.ts";
import { duration, size } from "./estimate.ts";
import { explain } from "./explain.ts";
import { chosenFiles, chosenModel, chosenPicture, droppedFiles, folderDialog } from "./folders.ts";
import * as form from "./form.ts";
import { Link, WorkerError } from "./link.ts";
import * as pictures from "./pictures.ts";
import { ProgressView } from "./progress.ts";
import type { Job, ModelSummary, OwnModel, StartFiles } from "./protocol.ts";

const generateButton: HTMLButtonElement = byId("generate");
const compareButton: HTMLButtonElement = byId("compare");
const stopButton: HTMLButtonElement = byId("stop");
const forgetButton: HTMLButtonElement = byId("forget");
const builtInButton: HTMLButtonElement = byId("built-in");
const folderInput: HTMLInputElement = byId("folder");
const fileInput: HTMLInputElement = byId("file");
const hubInput: HTMLInputElement = byId("hub");
const hubButton: HTMLButtonElement = byId("hub-open");
const trouble: HTMLElement = byId("trouble");

const progress = new ProgressView();
const link = new Link(showStored);
/** Whether the picture is below the form: on phones. */
const oneColumn: MediaQueryList = matchMedia("not all and (min-width: 56rem)");
let own: OwnModel | undefined;
let usable = false;
let running = false;
let stopping = false;

// The model and the GPU.

async function openModel(model?: OwnModel): Promise<void> {
  own = model;
  usable = false;
  byId("model-name").textContent = model?.folder?.name ?? model?.hub?.name ?? "Built-in model";
  byId("model-note").textContent = "Opening …";
  buttons();
  try {
    const { model, adapter, trouble } = await link.open(own);
    clearTrouble();
    form.offer(model);
    showModel(model);
    const chip = byId("adapter");
    chip.textContent = adapter ?? "No GPU";
    chip.classList.toggle("bad", !adapter);
    usable = adapter !== undefined;
    if (trouble) showTrouble(trouble.code, trouble.message, () => openModel(own));
    await replan();
  } catch (error) {
    byId("model-note").textContent = "Not opened";
    const { code, message } = asWorkerError(error);
    showTrouble(code, message, () => openModel(own));
  } finally {
    builtInButton.hidden = own === undefined;
    buttons();
  }
}

function showModel(model: ModelSummary): void {
  byId("model-name").textContent = model.name;
  const names = own?.files?.map(({ name }) => name).join(", ");
  const whole = model.part === "model";
  const file = names === undefined || whole
    ? undefined
    : model.part === "lora"
    ? `with the LoRA ${names}`
    : `with ${names} as its ${model.part}`;
  const { bytes, stored, room, notes } = model;
  const fetched = "fetched with the first picture, then kept in this browser";
  const hub = own?.hub &&
    (stored >= bytes
      ? `${size(bytes)}, kept in this browser`
      : `${size(bytes)}: ${stored > 0 ? `${size(bytes - stored)} of them are ` : ""}${fetched}` +
        (room !== undefined && room < bytes - stored
          ? `. This browser has room for ${size(room)}: the rest would be fetched again each time`
          : ""));
  const folder = whole
    ? `${model.pipeline}, from ${names}`
    : hub
    ? `${model.pipeline}, from ${new URL(own!.hub!.endpoint).host}, ${hub}`
    : own?.folder
    ? `${model.pipeline}, from your folder`
    : "built in";
  byId("model-note").textContent = own
    ? [[folder, file].filter(Boolean).join(", "), ...notes].join(". ")
    : `built in, ${size(bytes)}: ${fetched}`;
}

function showStored(bytes: number): void {
  forgetButton.textContent = `Delete stored weights (${bytes > 0 ? size(bytes) : "none"})`;
  forgetButton.dataset.bytes = String(bytes);
  buttons();
}

async function choose(files: Promise<ReadonlyMap<string, File>>): Promise<void> {
  if (running) return announce("Stop the picture first, then choose a model");
  let model: OwnModel;
  try {
    const picture = chosenPicture(await files);
    if (picture) return await begin({ image: picture });
    model = chosenModel(await files, own);
  } catch (error) {
    // Leaving the dialog is no error.
    if (error instanceof DOMException && error.name === "AbortError") return;
    return showTrouble("bad_file", error instanceof Error ? error.message : String(error), undefined, true);
  }
  await openModel(model);
}

/** Opens what the hub's field names. */
async function openHub(): Promise<void> {
  const name = hubInput.value.trim();
  if (name === "") return hubInput.focus();
  if (running) return announce("Stop the picture first, then choose a model");
  await openModel({ hub: { name, endpoint: hubInput.dataset.endpoint! } });
}

/** Begins with a picture, or with noise alone, and says what comes of it. */
async function begin(files: StartFiles): Promise<void> {
  form.beginWith(files);
  announce(files.image ? `Begins with ${files.image.name}` : "Begins with noise");
  await replan();
}

// What went wrong.

function asWorkerError(error: unknown): WorkerError {
  return error instanceof WorkerError
    ? error
    : new WorkerError("internal", error instanceof Error ? error.message : String(error));
}

function showTrouble(code: ErrorCode, message: string, retry?: () => void, folder = own !== undefined): void {
  const { title, hints, retry: sensible } = explain(code, message, folder);
  const actions = element("div", { className: "actions" });
  const button = (text: string, act: () => void): void => {
    const made = element("button", { type: "button" }, text);
    made.addEventListener("click", () => {
      clearTrouble();
      act();
    });
    actions.append(made);
  };
  if (sensible && retry) button("Try again", retry);
  if (own && code !== "bad_option") button("Use the built-in model", () => openModel());
  button("Dismiss", () => generateButton.focus());
  trouble.replaceChildren(element("h3", {}, title), ...hints.map((hint) => element("p", {}, hint)), actions);
  trouble.hidden = false;
  if (oneColumn.matches) trouble.scrollIntoView({ block: "nearest" });
}

function clearTrouble(): void {
  trouble.hidden = true;
  trouble.replaceChildren();
}

// Settings.

let planned = 0;

async function replan(): Promise<void> {
  const mine = ++planned;
  try {
    const plan = await link.plan(form.request(), form.start());
    if (mine === planned) form.showPlan(plan);
  } catch (error) {
    if (mine === planned && asWorkerError(error).code !== "aborted") {
      form.showPlanProblem(asWorkerError(error).message);
    }
  }
}

function buttons(): void {
  generateButton.disabled = compareButton.disabled = !usable || running;
  stopButton.textContent = stopping ? "Stop at once" : "Stop";
  forgetButton.disabled = running || Number(forgetButton.dataset.bytes ?? 0) === 0;
  folderInput.disabled = fileInput.disabled = builtInButton.disabled = running;
  hubButton.disabled = running;
  document.documentElement.dataset.running = String(running);
}

// Drawing.

async function run(compare: boolean): Promise<void> {
  if (running || !usable) return;
  if (form.complain()) return;
  const request = form.request();
  const start = form.start();
  // Compared with itself, direct would say nothing.
  const method = compare && request.method === "direct" ? "lssgen" : request.method;
  const jobs: Job[] = compare
    ? [{ request: { ...request, method: "direct" }, start, warmUp: true }, {
      request: { ...request, method },
      start,
      warmUp: true,
    }]
    : [{ request, start, warmUp: false }];

  clearTrouble();
  const focused = document.activeElement;
  running = true;
  stopping = false;
  progress.begin();
  // The button with the focus is about to be disabled: Stop comes in its place.
  if (focused === generateButton || focused === compareButton) {
    stopButton.focus({ preventScroll: oneColumn.matches });
  }
  // Below the form, progress and preview would be out of view; the picture will be where they are.
  if (oneColumn.matches) byId("result").scrollIntoView();
  buttons();
  const made: pictures.Picture[] = [];
  let whole = { width: 1 };
  try {
    await link.run(jobs, {
      onBegan(job, plan, warmUp) {
        whole = plan;
        const name = jobs[job].request.method === "lssgen" ? "LSSGen" : String(jobs[job].request.method);
        const title = compare ? `${name[0].toUpperCase()}${name.slice(1)}, ${job + 1} of ${jobs.length}` : "";
        progress.picture(plan, warmUp ? `${title}, warming up` : title);
      },
      onProgress(event) {
        if (stopping) return;
        progress.show(event);
        if (event.preview) pictures.preview(event, whole);
      },
      onRetrying() {
        progress.begin();
        progress.say("The GPU went away; trying once more on a fresh device");
        announce("The GPU went away; trying once more");
      },
      onPicture(_job, message) {
        const picture = pictures.keep(message);
        made.push(picture);
        const decode = message.timings.find(({ phase }) => phase === "decode");
        if (decode) progress.learn(message.width, message.height, decode.ms);
        pictures.show(made);
        pictures.remember([picture], chosen);
      },
    });
    announce(
      compare ? pictures.verdict(made[0], made[1]) : `The picture is ready after ${duration(made[0].ms)}`,
    );
  } catch (error) {
    const { code, message } = asWorkerError(error);
    if (code === "aborted") announce("Stopped");
    else showTrouble(code, message, () => run(compare));
  } finally {
    running = stopping = false;
    const here = document.activeElement === stopButton;
    pictures.endPreview();
    progress.end();
    buttons();
    // The picture, or what went wrong, stays in view.
    const preventScroll = made.length > 0 || oneColumn.matches;
    if (here) (compare ? compareButton : generateButton).focus({ preventScroll });
  }
}

function chosen(entry: readonly pictures.Picture[]): void {
  pictures.show(entry);
  form.restore(entry[0].parameters);
  if (oneColumn.matches) byId("result").scrollIntoView();
  announce(`Showing ${entry[0].parameters.prompt}; its settings are in the form`);
  replan();
}

function stop(): void {
  if (!running) return;
  if (stopping) {
    // The step in progress does not end: without its worker it has to.
    link.kill().catch((error) => showTrouble("internal", asWorkerError(error).message));
    return;
  }
  stopping = true;
  progress.say("Stopping after this step …");
  announce("Stopping after this step");
  link.stop();
  buttons();
}

// Events.

const formElement: HTMLFormElement = byId("form");
formElement.addEventListener("submit", (event) => {
  event.preventDefault();
  run(false);
});
formElement.addEventListener("input", () => {
  form.refresh();
  replan();
});
byId("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run(false);
  }
});
compareButton.addEventListener("click", () => run(true));
stopButton.addEventListener("click", stop);
byId("dice").addEventListener("click", form.newSeed);
forgetButton.addEventListener("click", async () => {
  await link.forget().catch((error) => showTrouble("internal", asWorkerError(error).message));
  announce("Stored weights are deleted");
});
builtInButton.addEventListener("click", () => openModel());
byId("hub-form").addEventListener("submit", (event) => {
  event.preventDefault();
  openHub();
});
for (const input of [folderInput, fileInput]) {
  input.addEventListener("change", () => {
    if (input.files?.length) choose(Promise.resolve(chosenFiles(input.files)));
    // The same one can be chosen again.
    input.value = "";
  });
}
const initInput: HTMLInputElement = byId("init");
const maskInput: HTMLInputElement = byId("mask");
for (const [input, key] of [[initInput, "image"], [maskInput, "mask"]] as const) {
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    if (file) begin({ ...form.start(), [key]: file });
    input.value = "";
  });
}
byId("no-init").addEventListener("click", () => {
  begin({});
  initInput.focus();
});
const dialog = folderDialog();
if (dialog) {
  folderInput.addEventListener("click", (event) => {
    event.preventDefault();
    choose(dialog());
  });
}

const drop = byId("drop");
const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  drop.hidden = false;
});
addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) drop.hidden = true;
});
addEventListener("drop", (event) => {
  drop.hidden = true;
  if (!hasFiles(event)) return;
  event.preventDefault();
  choose(droppedFiles(event.dataTransfer!.items));
});

openModel();
