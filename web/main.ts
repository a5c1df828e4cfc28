/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The page: wires settings, progress, pictures and models to who draws. Nothing here computes.
 *
 * @module
 */

import * as address from "./address.ts";
import { announce, byId, element } from "./dom.ts";
import { type Drawer, DrawingError } from "./drawer.ts";
import { duration, size } from "./estimate.ts";
import { takeDropped } from "./dropped.ts";
import type { Chosen } from "./folders.ts";
import * as form from "./form.ts";
import * as gallery from "./gallery.ts";
import type { Grid } from "./grid.ts";
import { currentLanguage, localise, preferredLanguage, setLanguage, t } from "./language.ts";
import { Link } from "./link.ts";
import * as loras from "./loras.ts";
import * as memoryLimit from "./memory_limit.ts";
import * as models from "./models.ts";
import * as pictures from "./pictures.ts";
import { ProgressView } from "./progress.ts";
import type { Job, ModelSummary, OwnModel } from "./protocol.ts";
import * as queue from "./queue.ts";
import type { ServerLink } from "./server_link.ts";
import * as sizes from "./size.ts";
import * as start from "./start.ts";
import { LANGUAGES } from "./texts.ts";
import * as trouble from "./trouble.ts";
import * as words from "./words.ts";

const generateButton: HTMLButtonElement = byId("generate");
const compareButton: HTMLButtonElement = byId("compare");
const stopButton: HTMLButtonElement = byId("stop");
const forgetButton: HTMLButtonElement = byId("forget");
const builtInButton: HTMLButtonElement = byId("built-in");
const folderInput: HTMLInputElement = byId("folder");
const fileInput: HTMLInputElement = byId("file");
const hubInput: HTMLInputElement = byId("hub");
const promptField: HTMLTextAreaElement = byId("prompt");

const progress = new ProgressView();
const link = new Link((bytes, kept) => {
  storedBytes = bytes;
  models.showStored(kept);
  buttons();
});
/** Whether the page comes from `cli.ts serve`, which draws. */
const served = document.querySelector<HTMLMetaElement>("meta[name=lssgen-server]")?.content !== "";
const server: ServerLink | undefined = served
  ? new (await import("./server_link.ts")).ServerLink(new URL("./", location.href))
  : undefined;
/** Whether this browser can draw by itself; a page that no server draws for says why not. */
const drawsHere = !served || ("gpu" in navigator && isSecureContext);
/** Whether the picture is below the form: on phones. */
const oneColumn: MediaQueryList = matchMedia("not all and (min-width: 56rem)");

/** What opens folders and files, loaded with the first. */
type Folders = typeof import("./folders.ts");

/** Loaded when its fold is opened. */
let grid: typeof import("./grid.ts") | undefined;
/** The same of another. */
let presets: typeof import("./presets.ts") | undefined;
let choice: models.Choice = served ? { server: true } : {};
/** What is open; undefined before the first. */
let opened: ModelSummary | undefined;
let storedBytes = 0;
let usable = false;
let running = false;
let stopping = false;

function drawer(): Drawer {
  return choice.server ? server! : link;
}

function own(): OwnModel | undefined {
  return choice.server ? undefined : choice.own;
}

// The model and who draws.

async function openModel(wanted: models.Choice, handles: Chosen["handles"] = []): Promise<boolean> {
  const before = {
    choice,
    usable,
    name: byId("model-name").textContent,
    note: byId("model-note").textContent,
  };
  choice = wanted;
  usable = false;
  const { folder, hub, files } = own() ?? {};
  byId("model-name").textContent = wanted.server
    ? t("serversModel")
    : folder?.name ?? hub?.name ?? files?.map(({ name }) => name).join(" + ") ?? t("builtIn");
  byId("model-note").textContent = t("opening");
  byId("model-memory").textContent = "";
  buttons();
  try {
    const found = await drawer().open(own());
    const first = opened === undefined;
    opened = found.model;
    trouble.clear();
    document.documentElement.dataset.server = String(wanted.server === true);
    loras.areOwn(!wanted.server);
    form.offer(found.model);
    grid?.offer(found.model);
    words.offer(found.model.words, found.model.examples);
    if (first) await restoreAddress();
    start.refresh();
    showModel();
    progress.isCold();
    const chip = byId("adapter");
    delete chip.dataset.t;
    chip.textContent = found.adapter ?? t("noGpu");
    chip.classList.toggle("bad", !found.adapter);
    usable = found.adapter !== undefined;
    if (found.trouble) {
      fail(new DrawingError(found.trouble.code, found.trouble.message), () => openModel(choice));
    }
    models.showOpen(choice);
    const name = folder?.name ?? files?.map((file) => file.name).join(" + ");
    if (name !== undefined) await models.remember(name, handles);
    await replan();
    tellMemory();
    return true;
  } catch (error) {
    // The model before is still open, unless there was none.
    if (opened) {
      ({ choice, usable } = before);
      byId("model-name").textContent = before.name;
      byId("model-note").textContent = before.note;
    } else byId("model-note").textContent = t("notOpened");
    const chosen = !wanted.server && wanted.own !== undefined;
    trouble.show(error, {
      own: chosen,
      retry: () => openModel(wanted, handles),
      fallBack: chosen && !opened ? () => openModel({}) : undefined,
      useToken: (token) => {
        server!.useToken(token);
        openModel(wanted);
      },
      notes: opened ? [t("formerKept")] : [],
    });
    return false;
  } finally {
    builtInButton.hidden = own() === undefined;
    buttons();
  }
}

/** Says which model is open, and what of it is to be fetched. */
function showModel(): void {
  const model = opened!;
  byId("model-name").textContent = model.name;
  byId("served").hidden = !choice.server;
  if (choice.server) {
    byId("served").textContent = t("servedBy", { host: server!.host, model: model.name });
    byId("model-note").textContent = `${model.pipeline}, ${t("kindServer")}`;
    return;
  }
  const { files, hub, folder } = own() ?? {};
  const names = files?.map(({ name }) => name).join(", ");
  const whole = model.part === "model";
  const file = names === undefined || whole
    ? undefined
    : model.part === "lora"
    ? t("withLora", { names })
    : t("withPart", { names, part: model.part ?? "" });
  const { bytes, stored, room, notes, pipeline } = model;
  const left = bytes - stored;
  const fetched = t("fetchedFirst");
  const ofHub = left <= 0
    ? t("hubKept", { size: size(bytes) })
    : `${size(bytes)}: ${stored > 0 ? t("hubSome", { size: size(left), fetched }) : fetched}` +
      (room !== undefined && room < left ? `. ${t("hubRoom", { size: size(room) })}` : "");
  const base = whole
    ? t("from", { pipeline, place: names! })
    : hub
    ? `${t("from", { pipeline, place: new URL(hub.endpoint).host })}, ${ofHub}`
    : folder
    ? t("from", { pipeline, place: t("yourFolder") })
    : t(left <= 0 ? "builtInKept" : "builtInNote", { size: size(bytes), fetched });
  byId("model-note").textContent = [[base, file].filter(Boolean).join(", "), ...notes].join(". ");
}

/** Says what a picture takes of the GPU's memory: for models of the user's, before anything is fetched. */
async function tellMemory(): Promise<void> {
  if (choice.server || !own()) return;
  const { prompt: _, ...asked } = form.settings();
  const mine = choice;
  let problem = "";
  const memory = await link.memory(asked, memoryLimit.bytes()).catch((error: unknown) => {
    const { code, message } = trouble.asDrawingError(error);
    if (code === "out_of_memory") problem = message;
  });
  if (choice !== mine) return;
  byId("model-memory").classList.toggle("bad", problem !== "");
  if (!memory) byId("model-memory").textContent = problem;
  if (!memory) return;
  const streamed = memory.components.reduce((sum, one) => sum + (one.stays ? one.streamed : 0), 0);
  const streams = streamed > 0 ? `; ${t("memoryStreams", { size: size(streamed) })}` : "";
  const { width = opened!.defaults.width, height = opened!.defaults.height } = asked;
  byId("model-memory").textContent = `${t("memory", { size: size(memory.peak), width, height })}${streams}.`;
}

/** What people chose or dropped: a picture, or a model. */
async function choose(pick: (part: Folders) => Promise<Chosen> | Chosen): Promise<void> {
  try {
    const folders = await import("./folders.ts");
    const { files, handles } = await pick(folders);
    const picture = folders.chosenPicture(files);
    if (picture) return await (await import("./restoring.ts")).take(picture, begin, settingsChanged);
    if (running) return announce(t("stopFirst"));
    if (files.size === 0) return;
    if (!drawsHere) return;
    await openModel({ own: folders.chosenModel(files, own(), opened?.part === "lora") }, handles);
  } catch (error) {
    // Leaving the dialog is no error.
    if (error instanceof DOMException && error.name === "AbortError") return;
    trouble.show(new DrawingError("bad_file", trouble.asDrawingError(error).message), {
      own: true,
      notes: opened ? [t("formerKept")] : [],
    });
  }
}

/** Opens a folder or files of an earlier visit. */
async function reopen(name: string, handles: Chosen["handles"]): Promise<void> {
  announce(t("permission", { name }));
  const { chosenModel, fromHandles, mayRead } = await import("./folders.ts");
  if (!await mayRead(handles)) return fail(new Error(t("permissionDenied", { name })));
  try {
    const { files } = await fromHandles(handles);
    await openModel({ own: chosenModel(files, undefined) });
  } catch {
    fail(new Error(t("permissionDenied", { name })));
  }
}

/** Begins with a picture, or with noise alone. */
async function begin(picture?: File): Promise<void> {
  try {
    await start.beginWith(picture);
  } catch (error) {
    return trouble.show(error, { own: false, title: t("pictureTitle") });
  }
  form.beginsWithPicture(picture !== undefined);
  announce(picture ? t("beginsWith", { name: start.startName()! }) : t("beginsNoise"));
  settingsChanged();
}

/** Says what went wrong with the model that is open. */
function fail(error: unknown, retry?: () => void): void {
  trouble.show(error, {
    own: own() !== undefined,
    retry,
    fallBack: own() && drawsHere ? () => openModel({}) : undefined,
    useToken: (token) => {
      server!.useToken(token);
      retry?.();
    },
  });
}

// Settings.

let planned = 0;

async function replan(): Promise<void> {
  const mine = ++planned;
  try {
    const plan = await drawer().plan(form.settings(), await start.startFiles());
    if (mine === planned) form.showPlan(plan);
  } catch (error) {
    const { code, message } = trouble.asDrawingError(error);
    if (mine === planned && code !== "aborted") form.showPlanProblem(message);
  }
}

let writing: ReturnType<typeof setTimeout> | undefined;

/** Brings hints, plan and address in line with the form. */
function settingsChanged(): void {
  form.refresh();
  replan();
  clearTimeout(writing);
  writing = setTimeout(() => {
    const { seed, ...asked } = form.request();
    history.replaceState(null, "", address.toHash(form.locked() ? { ...asked, seed } : asked));
  }, 300);
}

/** Puts settings into the form. */
async function restore(wanted: Readonly<Record<string, unknown>>, keepSeed?: boolean): Promise<void> {
  (await import("./form_restoring.ts")).restore(wanted, keepSeed);
}

/** Takes over the settings that the address holds. */
async function restoreAddress(): Promise<void> {
  const found = address.fromHash(location.hash);
  if (Object.keys(found).length > 0) await restore(found, "seed" in found);
}

function buttons(): void {
  generateButton.disabled = compareButton.disabled = !usable;
  byId<HTMLButtonElement>("grid-draw").disabled = !usable;
  generateButton.textContent = t(running ? "enqueue" : "generate");
  stopButton.textContent = t(stopping ? "stopNow" : "stop");
  forgetButton.disabled = running || storedBytes === 0;
  forgetButton.textContent = t("forget", { size: storedBytes > 0 ? size(storedBytes) : t("none") });
  folderInput.disabled = fileInput.disabled = builtInButton.disabled = running;
  byId<HTMLButtonElement>("hub-open").disabled = running;
  models.disable(running);
  document.documentElement.dataset.running = String(running);
}

// Drawing.

/** The pictures of one press of the button. */
async function ask(kind: "pictures" | "compare" | Grid): Promise<void> {
  if (!usable || form.complain() || memoryLimit.complain()) return;
  if (!form.locked()) form.newSeed();
  // Without a picture nothing is waited for: what was pressed runs at once.
  const files = start.startName() === undefined ? {} : await start.startFiles();
  const warmUp = kind === "compare";
  const maxVramBytes = choice.server ? undefined : memoryLimit.bytes();
  const job = (request: Job["request"]): Job => ({ request, start: files, warmUp, maxVramBytes });
  if (kind === "pictures") {
    const jobs = form.requests().map(job);
    return add({ jobs, label: jobs[0].request.prompt });
  }
  const request = form.request();
  if (kind === "compare") {
    // Compared with itself, direct would say nothing.
    const method = request.method === "direct" ? "lssgen" : request.method;
    const jobs = [job({ ...request, method: "direct" }), job({ ...request, method })];
    return add({ jobs, label: request.prompt, compared: true });
  }
  const cells = kind.rows.flatMap((_, row) =>
    kind.columns.map((_, column) => job(kind.requestAt(column, row)))
  );
  add({ jobs: cells, label: kind.title, grid: kind });
}

function add(batch: queue.Batch): void {
  queue.add(batch);
  if (running) announce(t("queued", { prompt: batch.label }));
  else work();
}

/** Draws what waits until nothing does. */
async function work(): Promise<void> {
  trouble.clear();
  byId("found").hidden = true;
  const focused = document.activeElement as HTMLElement | null;
  running = true;
  stopping = false;
  progress.begin();
  buttons();
  // Who pressed a button wants to stop it with the same key.
  if (focused?.closest("#generate, #compare, #grid-draw")) {
    stopButton.focus({ preventScroll: oneColumn.matches });
  }
  // Below the form, or beside the end of a long one, progress and preview would be out of view; the picture will be where they are.
  const result = byId("result");
  if (oneColumn.matches || result.getBoundingClientRect().top < 0) result.scrollIntoView();
  let made: pictures.Picture[] = [];
  try {
    for (let batch = queue.next(); batch; batch = queue.next()) made = await draw(batch);
  } catch (error) {
    queue.clear();
    const { code } = trouble.asDrawingError(error);
    if (code === "aborted") announce(t("stopped"));
    else fail(error, () => ask("pictures"));
  } finally {
    running = stopping = false;
    const here = document.activeElement === stopButton;
    pictures.endPreview();
    progress.end();
    buttons();
    showModel();
    // The picture, or what went wrong, stays in view.
    const preventScroll = made.length > 0 || oneColumn.matches;
    if (here) (focused?.isConnected ? focused : generateButton).focus({ preventScroll });
  }
}

async function draw({ jobs, compared, grid: asked }: queue.Batch): Promise<pictures.Picture[]> {
  const made: pictures.Picture[] = [];
  let whole = { width: 1 };
  const view = asked && await import("./grid_view.ts");
  const show = (): void => {
    if (!asked) return pictures.show(made, compared);
    const wide = asked.columns.length;
    view!.showGrid(asked.title, asked.columns, asked.rows, (column, row) => made[row * wide + column]);
  };
  const kept: Promise<void>[] = [];
  await drawer().run(jobs, {
    onBegan(job, plan, warmUp) {
      whole = plan;
      const name = compared ? form.methodName(String(jobs[job].request.method)) : t("picture");
      const title = jobs.length > 1 ? t("jobOf", { title: name, number: job + 1, all: jobs.length }) : "";
      progress.picture(plan, warmUp ? t("warmingUp", { title }) : title, choice.server);
    },
    onProgress(event) {
      if (stopping) return;
      progress.show(event);
      if (event.preview && !asked) pictures.preview(event, whole);
    },
    onWaiting(count) {
      progress.say(t("waitingThere", { count }));
    },
    onRetrying() {
      progress.begin();
      progress.say(t("again"));
      announce(t("again"));
    },
    onPicture(job, message) {
      const decode = message.timings.find(({ phase }) => phase === "decode");
      if (decode) progress.learn(message.width, message.height, decode.ms);
      kept.push(
        gallery.keep(message).then((picture) => {
          made[job] = picture;
          show();
        }),
      );
    },
  });
  await Promise.all(kept);
  announce(
    compared
      ? pictures.verdict(made[0], made[1])
      : asked
      ? t("gridDone")
      : made.length > 1
      ? t("readyMany", { count: made.length })
      : t("ready", { time: duration(made[0].ms) }),
  );
  return made;
}

function stop(): void {
  if (!running) return;
  queue.clear();
  if (stopping) {
    // The step in progress does not end: without its worker it has to.
    drawer().kill().catch((error) => fail(error));
    return;
  }
  stopping = true;
  progress.say(t("stopping"));
  announce(t("stopping"));
  drawer().stop();
  buttons();
}

// Events.

/** Puts a picture's settings into the form. */
async function use(parameters: Readonly<Record<string, unknown>>): Promise<void> {
  await restore(parameters);
  settingsChanged();
  announce(t("settingsTaken"));
  promptField.focus();
}

function listenToForm(): void {
  const formElement: HTMLFormElement = byId("form");
  formElement.addEventListener("submit", (event) => {
    event.preventDefault();
    ask("pictures");
  });
  formElement.addEventListener("input", settingsChanged);
  byId("seed").addEventListener("input", () => form.lockSeed(true));
  byId("lock").addEventListener("click", () => {
    form.lockSeed(!form.locked());
    settingsChanged();
  });
  byId("dice").addEventListener("click", () => {
    form.newSeed();
    form.lockSeed(true);
    settingsChanged();
  });
  promptField.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      ask("pictures");
    }
  });
  compareButton.addEventListener("click", () => ask("compare"));
  stopButton.addEventListener("click", stop);
  byId("copy-link").addEventListener("click", async () => {
    const { seed, ...asked } = form.request();
    history.replaceState(null, "", address.toHash(form.locked() ? { ...asked, seed } : asked));
    const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
    announce(t(copied ? "linkCopied" : "linkShown"));
  });
  addEventListener("hashchange", async () => {
    await restoreAddress();
    settingsChanged();
  });
}

function listenToModels(): void {
  forgetButton.addEventListener("click", async () => {
    await link.forget().catch((error) => fail(error));
    announce(t("forgotten"));
  });
  builtInButton.addEventListener("click", () => openModel({}));
  byId("hub-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = hubInput.value.trim();
    if (name === "") return hubInput.focus();
    if (running) return announce(t("stopFirst"));
    openModel({ own: { hub: { name, endpoint: hubInput.dataset.endpoint! } } });
  });
  const dialogs = [
    [folderInput, "showDirectoryPicker", (part: Folders) => part.folderDialog()],
    [fileInput, "showOpenFilePicker", (part: Folders) => part.fileDialog()],
  ] as const;
  for (const [input, dialog, open] of dialogs) {
    input.addEventListener("change", () => {
      const list = [...input.files ?? []];
      if (list.length > 0) choose((part) => part.chosenFiles(list));
      // The same one can be chosen again.
      input.value = "";
    });
    input.addEventListener("click", (event) => {
      if (!(dialog in globalThis)) return;
      event.preventDefault();
      choose(open);
    });
  }
  models.listen(
    {
      open: (wanted) => openModel(wanted),
      reopen,
      forget: ({ under }) => link.forget(under).then(() => announce(t("forgotten")), (error) => fail(error)),
    },
    served,
    drawsHere,
  );
  byId("model-choices").hidden = !drawsHere;
}

function listenToPictures(): void {
  const initInput: HTMLInputElement = byId("init");
  const maskInput: HTMLInputElement = byId("mask");
  initInput.addEventListener("change", () => {
    const [file] = initInput.files ?? [];
    if (file) begin(file);
    initInput.value = "";
  });
  maskInput.addEventListener("change", () => {
    const [file] = maskInput.files ?? [];
    if (file) {
      start.maskWith(file).catch((error) => trouble.show(error, { own: false, title: t("pictureTitle") }));
    }
    maskInput.value = "";
  });
  byId("no-init").addEventListener("click", () => {
    begin();
    initInput.focus();
  });
  start.listen(settingsChanged);
  pictures.listen({
    use: ({ parameters }) => use(parameters),
    begin: (picture) => {
      begin(new File([picture.png], pictures.fileName(picture), { type: "image/png" }));
      byId("start").scrollIntoView({ block: "nearest" });
    },
    remove: (picture) => {
      gallery.remove(picture);
      pictures.showNone();
      generateButton.focus();
    },
  });
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
    const dropped = takeDropped(event.dataTransfer!.items);
    choose((part) => part.droppedFiles(dropped));
  });
  addEventListener("paste", (event) => {
    const items = event.clipboardData?.items;
    if (!items || ![...items].some(({ kind }) => kind === "file")) return;
    event.preventDefault();
    const pasted = takeDropped(items);
    choose((part) => part.droppedFiles(pasted));
  });
}

/** Fills the list of presets, which is behind a fold. */
async function openPresets(): Promise<void> {
  const part = await import("./presets.ts");
  if (presets) return;
  presets = part;
  presets.listen(form.settings, async (settings) => {
    await restore({ ...settings, prompt: form.request().prompt });
    settingsChanged();
  });
}

/** Fills the fold for two settings against each other. */
async function openGrid(): Promise<void> {
  const part = await import("./grid.ts");
  if (grid) return;
  grid = part;
  grid.offer(opened);
  grid.listen(form.request, ask);
}

function listenToLanguage(): void {
  const select: HTMLSelectElement = byId("language");
  const names = { en: "English", de: "Deutsch" };
  select.replaceChildren(
    ...LANGUAGES.map((value) => element("option", { value, textContent: names[value], lang: value })),
  );
  select.value = currentLanguage();
  select.addEventListener("input", async () => {
    await setLanguage(select.value);
    select.value = currentLanguage();
    localise(document);
    if (opened) {
      form.offer(opened);
      grid?.offer();
      showModel();
    }
    words.show();
    presets?.show();
    pictures.refresh();
    gallery.show();
    models.show();
    queue.show();
    start.refresh();
    buttons();
    replan();
  });
}

await setLanguage(preferredLanguage());
localise(document);
listenToLanguage();
listenToForm();
listenToModels();
listenToPictures();
sizes.listen();
loras.listen();
memoryLimit.listen(tellMemory);
words.listen();
byId("advanced").addEventListener("toggle", () => openPresets().catch(fail));
byId("grid").addEventListener("toggle", () => openGrid().catch(fail));
addEventListener("offline", () => announce(t("offline")));
gallery.open((picture) => {
  pictures.show([picture]);
  if (oneColumn.matches) byId("result").scrollIntoView();
  announce(t("showing", { prompt: String(picture.parameters.prompt) }));
}, pictures.showNone);
buttons();
openModel(choice);
if ("serviceWorker" in navigator && isSecureContext) {
  navigator.serviceWorker.register("sw.js").catch(() => {});
}
