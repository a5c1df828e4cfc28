/**
 * Model folders with one key of one config changed, opened and drawn on the device: a change is refused by its name, has no
 * effect, or has the effect that diffusers gives it. Another picture without a word is a fault.
 *
 * @module
 */

import { parsePythonJson } from "../../lib/json.ts";
import { OWN_SETTINGS } from "./configs.ts";
import { type DrawnModel, DrawnModels, FURTHER, PLAIN, TWO_STAGES } from "./drawn_models.ts";
import { mayDiffer } from "./effects.ts";
import { DELETED, differenceOf, type KeyPath, keyPaths, withOneKey } from "./one_key.ts";
import { Different, equal, type Input, type Target, textInput, textOf } from "./target.ts";

/** A model whose configs are changed. */
interface Model extends DrawnModel {
  /** Files whose keys are changed; all configs when absent. */
  readonly changed?: RegExp;
}

/** Three steps: the second order of a solver needs them. */
const scheduled = (folder: string, scheduler: string): Model => ({
  folder,
  over: { "scheduler/scheduler_config.json": scheduler },
  changed: /^scheduler\//,
  request: { ...PLAIN, steps: 3 },
});

const LSSGEN = JSON.stringify({
  name: "tiny",
  ...OWN_SETTINGS,
  spectrum_a: 1.5,
  spectrum_beta: 2,
  warnings: ["a"],
});

/** One row a model. */
const MODELS: Readonly<Record<string, Model>> = {
  sd15: { folder: "pipelines/sd15/model", request: { ...PLAIN, negativePrompt: "dull" } },
  sdxl: { folder: "pipelines/sdxl/model", request: PLAIN },
  sd3: { folder: "pipelines/sd3/model", request: PLAIN },
  flux: { folder: "pipelines/flux_dev/model", request: PLAIN },
  dit: { folder: "pipelines/dit/model", request: { ...PLAIN, prompt: "1" } },
  // What a model brings of its own: two stages, since nothing else is asked.
  lssgen: {
    folder: "pipelines/sd15/model",
    over: { "lssgen.json": () => Promise.resolve(new TextEncoder().encode(LSSGEN)) },
    changed: /^lssgen\.json$/,
    request: { prompt: "a red fox", seed: 7, upsampler: "bicubic" },
  },
  // The learned upsampler between two stages, the tiny autoencoder at the end.
  further: {
    folder: "pipelines/flux_dev/model",
    over: FURTHER,
    changed: /^(tiny_vae|enlarge)\//,
    request: TWO_STAGES,
    tinyVae: true,
    upsampler: true,
  },
  pndm: scheduled("pipelines/sd15/model", "schedulers/pndm_sd15/scheduler_config.json"),
  dpm2m: scheduled("pipelines/sd15/model", "schedulers/dpm2m_karras/scheduler_config.json"),
  vpred: scheduled("pipelines/sd15/model", "schedulers/ddim_vpred_trailing/scheduler_config.json"),
  euler: scheduled("pipelines/sd15/model", "schedulers/euler_karras/scheduler_config.json"),
};

const drawnModels = new DrawnModels(MODELS);

/** The configs of a model: nothing else is changed. */
const CONFIG = /^(model_index\.json|lssgen\.json|\w+\/(scheduler_|tokenizer_)?config\.json)$/;

/** File of an input that says which model it changes. */
const NAME = "model.txt";

/** What the error of a plan or of a neighbour says in place of a key's own name. */
const SAID_AS: Readonly<Record<string, RegExp>> = {
  width: /^Size /,
  height: /^Size /,
  min_resolution: /minResolution|shortenSteps/,
  base_resolution: /shortenSteps/,
  init_noise: /initNoise|shortenSteps|noise level/,
  // The config of a network that the other pipeline has.
  _class_name: /config\.json" is missing/,
  // Without the second encoder the first makes too few channels.
  text_encoder_2: /text_encoder"/,
};

/** Configs of a model, as texts and parsed. */
interface Opened {
  readonly configs: ReadonlyMap<string, unknown>;
  readonly texts: ReadonlyMap<string, string>;
}

const opened = new Map<string, Opened>();

async function open(name: string): Promise<Opened> {
  let known = opened.get(name);
  if (known) return known;
  const folder = drawnModels.folder(name);
  const texts = new Map<string, string>();
  for (const path of await drawnModels.paths(name)) {
    const text = CONFIG.test(path) ? await folder.text(path) : undefined;
    if (text !== undefined && (MODELS[name].changed ?? /./).test(path)) texts.set(path, text);
  }
  known = { texts, configs: new Map([...texts].map(([path, text]) => [path, parsePythonJson(text)])) };
  opened.set(name, known);
  return known;
}

/** What came of a change: for the fuzzer, and for who compares it with another program. */
export interface Drawn {
  readonly model: string;
  readonly file: string;
  readonly path: KeyPath;
  readonly value: unknown;
  readonly rgb: Uint8Array;
  readonly same: boolean;
}

/** The file of an opened model that an input changes, and what it changes there. */
function changeIn(
  input: Input,
): { readonly file: string; readonly path: KeyPath; readonly value: unknown } | undefined {
  for (const [file, config] of opened.get(textOf(input, NAME))!.configs) {
    const change = input.has(file) && differenceOf(config, parsePythonJson(textOf(input, file)));
    if (change) return { file, ...change };
  }
  return undefined;
}

/** Draws a changed model; what refuses it is thrown. */
export async function drawChanged(input: Input): Promise<Drawn | undefined> {
  const model = textOf(input, NAME);
  await open(model);
  const { picture } = await drawnModels.clean(model);
  const change = changeIn(input);
  if (!change) return undefined;
  const rgb = await drawnModels.draw(model, input);
  return { model, ...change, rgb, same: equal(picture, rgb) };
}

/**
 * A word for what was drawn.
 *
 * @throws {Different} For another picture by a key that changes none.
 */
export async function judged(result: Drawn | undefined): Promise<string> {
  if (!result || result.same) return "same picture";
  const { file, path, value, model } = result;
  const config = (await open(model)).configs.get(file);
  if (mayDiffer(file, config as Record<string, unknown>, path, value)) return "picture as declared";
  const where = `${file}: ${path.join(".")}`;
  const now = value === DELETED ? "deleted" : JSON.stringify(value);
  throw new Different(where, `${model}/${where} is ${now} and the picture is another one`);
}

/** Every model, one key changed. */
export const drawn: Target = {
  name: "configs-drawn",
  smoke: { inputs: 14, of: (seed) => ["dit", "flux"].includes(textOf(seed, NAME)) },
  async seeds() {
    const seeds: Input[] = [];
    for (const name of Object.keys(MODELS)) {
      const { texts } = await open(name);
      for (const [file, text] of texts) seeds.push(textInput({ [NAME]: name, [file]: text }));
    }
    return seeds;
  },
  change(seed, draws) {
    const name = textOf(seed, NAME);
    const [file] = [...seed.keys()].filter((key) => key !== NAME);
    const config = opened.get(name)!.configs.get(file)!;
    for (;;) {
      const path = draws.of(keyPaths(config));
      const text = withOneKey(config, path, draws);
      // Without a size or a number of steps of its own a model draws 512² in 50 steps: that is slow, and no fault.
      const costly = file === "lssgen.json" && /^(width|height|steps)$/.test(String(path[0]));
      if (costly && text !== undefined && !text.includes(`"${path[0]}"`)) continue;
      if (text !== undefined) return textInput({ [NAME]: name, [file]: text });
    }
  },
  soundMs: async (input) => (await drawnModels.clean(textOf(input, NAME))).ms,
  run: async (input) => await judged(await drawChanged(input)),
  refused(input, error) {
    const change = changeIn(input);
    if (!change) return "refused";
    const keys = change.path.filter((key) => typeof key === "string");
    const says = (key: string): boolean =>
      error.message.includes(key) || (SAID_AS[key]?.test(error.message) ?? false);
    if (keys.some(says)) return "refused by key";
    if (error.code === "bad_tensor" || /tensor/.test(error.message)) return "refused by a tensor's shape";
    const where = `${change.file}: ${keys.join(".")}`;
    throw new Different(
      `${where} unnamed`,
      `${textOf(input, NAME)}/${where} is refused without its name: ${error.message}`,
    );
  },
};
