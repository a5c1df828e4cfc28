/** Every field of a request is heeded, accepted where it changes nothing, or refused by its name. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { pictureFile } from "../lib/parameters/picture.ts";
import { pictureText } from "../lib/parameters/picture_text.ts";
import { encodePng, readPngText } from "../lib/image/png.ts";
import { ImageServer } from "../lib/server/server.ts";
import { bytesOf, DIFFUSION, FakeEngine, get, OPTIONS, post, refused } from "./fake_engine.ts";

const TXT2IMG = "/sdapi/v1/txt2img";
const IMG2IMG = "/sdapi/v1/img2img";

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

async function greyPng(values: readonly number[]): Promise<string> {
  return base64(
    await encodePng({ width: values.length, height: 1, channels: 1, data: Uint8Array.from(values) }),
  );
}

/** What sdwebuiapi sends with every request, from its source. */
const SDWEBUIAPI = {
  enable_hr: false,
  hr_scale: 2,
  hr_upscaler: "Latent",
  hr_second_pass_steps: 0,
  hr_resize_x: 0,
  hr_resize_y: 0,
  hr_checkpoint_name: null,
  hr_sampler_name: null,
  hr_scheduler: null,
  hr_prompt: "",
  hr_negative_prompt: "",
  denoising_strength: 0.7,
  firstphase_width: 0,
  firstphase_height: 0,
  prompt: "x",
  styles: [],
  seed: -1,
  subseed: -1,
  subseed_strength: 0,
  seed_resize_from_h: 0,
  seed_resize_from_w: 0,
  batch_size: 1,
  n_iter: 1,
  steps: 20,
  cfg_scale: 7,
  width: 64,
  height: 64,
  restore_faces: false,
  tiling: false,
  do_not_save_samples: false,
  do_not_save_grid: false,
  negative_prompt: "",
  eta: 1,
  s_churn: 0,
  s_tmax: 0,
  s_tmin: 0,
  s_noise: 1,
  override_settings: {},
  override_settings_restore_afterwards: true,
  sampler_name: "Euler a",
  scheduler: "automatic",
  sampler_index: "Euler a",
  script_name: null,
  script_args: [],
  send_images: true,
  save_images: false,
  alwayson_scripts: {
    ADetailer: { args: [false] },
    ControlNet: { args: [{ enabled: false, module: "none" }] },
  },
  hr_additional_modules: ["Use same choices"],
};

/** What SillyTavern sends with every request. */
const SILLYTAVERN = {
  prompt: "x",
  negative_prompt: "",
  sampler_name: "Euler",
  scheduler: "Automatic",
  steps: 20,
  cfg_scale: 7,
  width: 64,
  height: 64,
  restore_faces: false,
  enable_hr: false,
  hr_upscaler: "Latent",
  hr_scale: 1,
  hr_additional_modules: [],
  denoising_strength: 0.7,
  hr_second_pass_steps: 0,
  seed: 7,
  override_settings: { CLIP_stop_at_last_layers: 1, sd_vae: "Automatic", forge_additional_modules: [] },
  override_settings_restore_afterwards: true,
  clip_skip: 1,
  save_images: true,
  send_images: true,
  do_not_save_grid: false,
  do_not_save_samples: false,
};

Deno.test("what clients send unasked is accepted, by models of both kinds", async () => {
  const png = await greyPng([0, 255]);
  const { enable_hr: _, ...rest } = SDWEBUIAPI;
  const fromPicture = {
    ...rest,
    init_images: [png],
    resize_mode: 0,
    image_cfg_scale: 1.5,
    mask_blur: 4,
    inpainting_fill: 0,
    inpaint_full_res: true,
    inpaint_full_res_padding: 0,
    inpainting_mask_invert: 0,
    initial_noise_multiplier: 1,
    include_init_images: false,
  };
  for (const engine of [new FakeEngine(), new FakeEngine(DIFFUSION)]) {
    const server = new ImageServer(engine, OPTIONS);
    for (
      const [path, body] of [[TXT2IMG, SDWEBUIAPI], [TXT2IMG, SILLYTAVERN], [IMG2IMG, fromPicture]] as const
    ) {
      const [status, said] = await refused(server, post(path, body));
      assertEquals(status, 200, said);
    }
    const masked = { ...fromPicture, mask: png, inpaint_full_res: false };
    const response = await server.handle(post(IMG2IMG, masked));
    assertEquals(response.status, 200);
    assertStringIncludes(JSON.parse((await response.json()).info).warnings.join(), "inpainting_fill");
  }
  // What the web UI's own page of its API shows as an example, and clients of Forge, stable-diffusion.cpp and Draw Things send.
  const example = {
    ...{
      prompt: "x",
      steps: 4,
      eta: 0,
      s_noise: 0,
      s_tmax: 0,
      s_min_uncond: 0,
      subseed: -1,
      subseed_strength: 0,
    },
    ...{ firstpass_image: "", comments: {}, infotext: "", force_task_id: "", styles: [], hr_steps: 0 },
    ...{ refiner_checkpoint: "", refiner_switch_at: 0, extra_images: [], upscaler_scale: 2, hr_upscaler: "" },
    ...{ hr_cfg: 1, hr_distilled_cfg: 3.5, disable_extra_networks: false, seed_resize_from_w: -1 },
  };
  for (const engine of [new FakeEngine(), new FakeEngine(DIFFUSION)]) {
    const [status, said] = await refused(new ImageServer(engine, OPTIONS), post(TXT2IMG, example));
    assertEquals(status, 200, said);
  }
  // The model's own sampler adds noise, which 0 would leave out.
  const ancestral = new FakeEngine({ scheduler: { _class_name: "EulerAncestralDiscreteScheduler" } });
  const [noisy, why] = await refused(new ImageServer(ancestral, OPTIONS), post(TXT2IMG, example));
  assertEquals(noisy, 422);
  assertStringIncludes(why, "eta");
  const openai = {
    model: "gpt-image-1",
    prompt: "x",
    n: 1,
    size: "auto",
    quality: "auto",
    background: "auto",
  };
  const more = {
    moderation: "auto",
    output_format: "png",
    output_compression: 100,
    user: "u",
    stream: false,
  };
  const server = new ImageServer(new FakeEngine(), OPTIONS);
  const [status, said] = await refused(server, post("/v1/images/generations", { ...openai, ...more }));
  assertEquals(status, 200, said);
});

Deno.test("what is not done is refused by the field's name under A1111's API, with what to do", async () => {
  const engine = new FakeEngine(DIFFUSION);
  const server = new ImageServer(engine, OPTIONS);
  const png = await greyPng([0, 255]);
  const either: Record<string, unknown>[] = [
    { promt: "x" },
    { clip_skip: 2 },
    { override_settings: { CLIP_stop_at_last_layers: 2 } },
    { override_settings: { sd_model_checkpoint: "another" } },
    { override_settings: { magic: 1 } },
    { subseed: 5, subseed_strength: 0.5 },
    { s_churn: 5 },
    { s_noise: 1.1, sampler_name: "Euler a" },
    { s_noise: 0, sampler_name: "DPM++ SDE" },
    { s_noise: 1.1, s_churn: 5 },
    { firstpass_image: png },
    { extra_images: [png] },
    { upscaler: "4x", upscaler_scale: 4 },
    { s_tmin: 0.1 },
    { scheduler: "Karras", sampler_name: "DDIM" },
    { scheduler: "Beta", sampler_name: "PLMS" },
    { scheduler: "Align Your Steps", sampler_name: "Euler" },
    { scheduler: "Exponential", sampler_name: "DPM++ 2M Karras" },
    { scheduler: "Turbo" },
    { sampler_name: "Restart" },
    { sampler_name: "DPM++ 2S a" },
    { sampler_name: "DPM++ 2M SDE Heun Karras" },
    { sampler_name: "DPM++ 2M Karras Karras" },
    { eta: 1, sampler_name: "DDIM" },
    { eta: 0, sampler_name: "Euler a" },
    { seed_resize_from_w: 512 },
    { styles: ["photo"] },
    { tiling: true },
    { restore_faces: true },
    { refiner_checkpoint: "refiner" },
    { alwayson_scripts: { ControlNet: { args: [{ enabled: true }] } } },
    { hr_additional_modules: ["clip_l.safetensors"] },
    { script_name: "X/Y/Z plot" },
    { lora: [{ path: "../../secret.safetensors", multiplier: "1" }] },
    { lora: "style" },
    { prompt: 'x<sd_cpp_extra_args>{"seed":1}</sd_cpp_extra_args>' },
  ];
  const fromPicture: Record<string, unknown>[] = [
    { inpainting_fill: 2, mask: png },
    { inpaint_full_res: true, mask: png },
    { inpaint_full_res: 1, mask: png },
    { inpainting_mask_invert: 1 },
    { resize_mode: 1 },
    { latent_mask: png },
    { initial_noise_multiplier: 0.5 },
    { include_init_images: true },
  ];
  const highResolution: Record<string, unknown>[] = [
    { hr_upscaler: "R-ESRGAN 4x+" },
    { hr_second_pass_steps: 10 },
    { hr_steps: 10 },
    { hr_prompt: "y" },
    { hr_sampler_name: "DDIM" },
  ];
  for (
    const [path, base, cases] of [
      [TXT2IMG, { prompt: "x" }, either],
      [IMG2IMG, { prompt: "x", init_images: [png] }, [...either, ...fromPicture]],
      [TXT2IMG, { prompt: "x", enable_hr: true }, highResolution],
      [TXT2IMG, { prompt: "x" }, [{ inpainting_mask_invert: 1 }, { init_images: [png] }]],
    ] as const
  ) {
    for (const fields of cases) {
      const [status, said] = await refused(server, post(path, { ...base, ...fields }));
      assertEquals(status, 422, `${JSON.stringify(fields)}: ${said}`);
      const name = "subseed" in fields ? "subseed" : Object.keys(fields)[0];
      assertStringIncludes(said, name);
    }
  }
  const [, said] = await refused(server, post(TXT2IMG, { promt: "x" }));
  assertStringIncludes(said, "did you mean");
  assertEquals(engine.asked.length, 0);
});

Deno.test("samplers and schedules are the library's under A1111's names, Automatic what A1111 gives the sampler", async () => {
  type Case = [sampler?: string, schedule?: string, own?: string, ownSchedule?: string];
  const either: Case[] = [
    ["DPM++ 2M", "Uniform", "dpm++2m", "normal"],
    ["DPM++ 2M", "karras", "dpm++2m", "karras"],
    ["DPM++ 2M", "Exponential", "dpm++2m", "exponential"],
    ["DPM++ 2M Karras", undefined, "dpm++2m", "karras"],
    ["DPM++ 2M Karras", "Karras", "dpm++2m", "karras"],
    ["DPM++ 2M SDE Karras", "Automatic", "dpm++2m_sde", "karras"],
    ["DPM++ 2M SGM Uniform", "Automatic", "dpm++2m", "sgm_uniform"],
    ["dpm++2mk", "Karras", "dpm++2m", "karras"],
    ["dpm++2m", undefined, "dpm++2m"],
    ["dpmpp_2m", "kl_optimal", "dpm++2m", "kl_optimal"],
    ["k_euler_a", "automatic", "euler_a"],
    ["Euler a", "automatic", "euler_a"],
    ["Euler a", "SGM Uniform", "euler_a", "sgm_uniform"],
    ["Euler", "Simple", "euler", "simple"],
    ["Euler", "Normal", "euler", "normal"],
    ["Euler", "DDIM", "euler", "ddim_uniform"],
    ["Heun", "Beta", "heun", "beta"],
    ["UniPC", "KL Optimal", "unipc", "kl_optimal"],
    [undefined, "Karras", undefined, "karras"],
    [undefined, "Automatic"],
    ["", ""],
  ];
  const diffusion: Case[] = [
    ["DPM++ 2M", undefined, "dpm++2m", "karras"],
    ["DPM++ 2M", "Automatic", "dpm++2m", "karras"],
    ["k_dpmpp_2m", "Automatic", "dpm++2m", "karras"],
    ["DPM++ 2M SDE", "Automatic", "dpm++2m_sde", "exponential"],
    ["DPM2 a", undefined, "dpm2_a", "karras"],
    ["DDIM", "Uniform", "ddim"],
  ];
  const flow: Case[] = [["DPM++ 2M", "Automatic", "dpm++2m"], ["LCM", "Beta", "lcm", "beta"]];
  for (
    const [engine, cases] of [
      [new FakeEngine(DIFFUSION), [...either, ...diffusion]],
      [new FakeEngine(), [...either, ...flow]],
    ] as const
  ) {
    const server = new ImageServer(engine, OPTIONS);
    for (const [sampler_name, scheduler, own, schedule] of cases) {
      const [status, said] = await refused(server, post(TXT2IMG, { prompt: "x", sampler_name, scheduler }));
      assertEquals(status, 200, said);
      const asked = engine.asked.at(-1)!;
      assertEquals([asked.scheduler, asked.schedule], [own, schedule], `${sampler_name} ${scheduler}`);
    }
  }
  const server = new ImageServer(new FakeEngine(), OPTIONS);
  for (const sampler_name of ["DDIM", "PLMS", "DPM2 a", "TCD"]) {
    const [status, said] = await refused(server, post(TXT2IMG, { prompt: "x", sampler_name }));
    assertEquals(status, 422, sampler_name);
    assertStringIncludes(said, "sampler_name");
    assertStringIncludes(said, "DPM++ 2M, ");
  }
});

Deno.test("every sampler and schedule that is listed is drawn, and no other one is", async () => {
  for (const kind of [DIFFUSION, {}, { scheduler: { _class_name: "PNDMScheduler" } }]) {
    const engine = new FakeEngine(kind);
    const server = new ImageServer(engine, OPTIONS);
    const list = async (route: string): Promise<Record<string, unknown>[]> =>
      await (await server.handle(get(`/sdapi/v1/${route}`))).json();
    const [samplers, schedulers] = [await list("samplers"), await list("schedulers")];
    const flow = kind.scheduler === undefined;
    const names = samplers.map(({ name }) => name);
    assertEquals(names.includes("DDIM"), !flow);
    assertEquals(names.includes("DPM++ 2M"), true);
    assertEquals(samplers.find(({ name }) => name === "DPM++ 2M"), {
      name: "DPM++ 2M",
      aliases: ["k_dpmpp_2m", "dpm++2m"],
      options: flow ? {} : { scheduler: "karras" },
    });
    for (const { name, aliases } of samplers) {
      for (const sampler_name of [name, ...aliases as string[]]) {
        const [status, said] = await refused(server, post(TXT2IMG, { prompt: "x", sampler_name }));
        assertEquals(status, 200, said);
      }
    }
    assertEquals(schedulers.length, 12);
    for (const scheduler of schedulers.flatMap(({ name, label }) => [name, label])) {
      const body = { prompt: "x", sampler_name: "Euler", scheduler };
      const [status, said] = await refused(server, post(TXT2IMG, body));
      assertEquals(status, 200, said);
      assertEquals(engine.asked.at(-1)!.schedule === undefined, /^automatic$/i.test(String(scheduler)));
    }
  }
  // A model's own sampler may have timesteps of its own.
  const server = new ImageServer(new FakeEngine({ scheduler: { _class_name: "PNDMScheduler" } }), OPTIONS);
  const [status, said] = await refused(server, post(TXT2IMG, { prompt: "x", scheduler: "Karras" }));
  assertEquals(status, 422);
  assertStringIncludes(said, "expected one of Automatic, Uniform");
});

Deno.test("Sampler and Schedule type stand in A1111's text, those of the model too", () => {
  const text = (scheduler: Record<string, unknown> | undefined, request: Record<string, unknown>): string =>
    pictureText(
      { width: 8, height: 8, parameters: { prompt: "x", steps: 4, guidance: 7, ...request } },
      {},
      { scheduler },
    ).match(/Steps: 4, (.*)CFG scale: 7/)![1];
  const sd15 = { _class_name: "PNDMScheduler" };
  const flux = { _class_name: "FlowMatchEulerDiscreteScheduler" };
  const dpm = { _class_name: "DPMSolverMultistepScheduler" };
  const cases: [Record<string, unknown> | undefined, Record<string, unknown>, string][] = [
    [sd15, {}, "Sampler: PLMS, Schedule type: Automatic, "],
    [sd15, { scheduler: "dpm++2m", schedule: "karras" }, "Sampler: DPM++ 2M, Schedule type: Karras, "],
    [sd15, { scheduler: "dpm++2mk" }, "Sampler: DPM++ 2M, Schedule type: Karras, "],
    [sd15, { scheduler: "dpm++2m" }, "Sampler: DPM++ 2M, Schedule type: Uniform, "],
    [sd15, { scheduler: "euler_a" }, "Sampler: Euler a, Schedule type: Automatic, "],
    [sd15, { scheduler: "euler", schedule: "ddim_uniform" }, "Sampler: Euler, Schedule type: DDIM, "],
    [sd15, { scheduler: "euler", sigmas: [3, 1] }, "Sampler: Euler, "],
    [flux, {}, "Sampler: Euler, Schedule type: Automatic, "],
    [flux, { scheduler: "" }, "Sampler: Euler, Schedule type: Automatic, "],
    [flux, { scheduler: "dpm++2m", schedule: "beta" }, "Sampler: DPM++ 2M, Schedule type: Beta, "],
    [{ ...dpm, use_karras_sigmas: true }, {}, "Sampler: DPM++ 2M, Schedule type: Karras, "],
    [{ ...dpm, algorithm_type: "sde-dpmsolver++" }, {}, "Sampler: DPM++ 2M SDE, Schedule type: Uniform, "],
    [undefined, {}, ""],
  ];
  for (const [stored, request, want] of cases) assertEquals(text(stored, request), want);
});

Deno.test("clip_skip counts CLIP's layers as A1111 does, where the model's encoder is read at several", async () => {
  const sd15 = new FakeEngine({ ...DIFFUSION, clipLayers: { own: 1, most: 12 } });
  const sdxl = new FakeEngine({ ...DIFFUSION, clipLayers: { own: 2, most: 2 } });
  const setting = (layers: number): Record<string, unknown> => ({
    override_settings: { CLIP_stop_at_last_layers: layers },
  });
  const cases: [FakeEngine, Record<string, unknown>, number | undefined | string][] = [
    [sd15, { clip_skip: 2 }, 2],
    [sd15, setting(2), 2],
    [sd15, { clip_skip: 1, ...setting(2) }, 2],
    [sd15, { clip_skip: 2, ...setting(2) }, 2],
    [sd15, { clip_skip: -1 }, undefined],
    [sd15, setting(1), undefined],
    [sd15, { clip_skip: 3, ...setting(2) }, "clip_skip"],
    [sd15, { clip_skip: 13 }, "clip_skip"],
    [sd15, { clip_skip: 1.5 }, "clip_skip"],
    [sd15, setting(99), "CLIP_stop_at_last_layers"],
    [sdxl, { clip_skip: 1 }, undefined],
    [sdxl, setting(2), undefined],
    [sdxl, setting(3), "CLIP_stop_at_last_layers"],
    [new FakeEngine(), { clip_skip: 2 }, "clip_skip"],
  ];
  for (const [engine, fields, want] of cases) {
    const server = new ImageServer(engine, OPTIONS);
    const [status, said] = await refused(server, post(TXT2IMG, { prompt: "x", ...fields }));
    if (typeof want === "string") {
      assertEquals(status, 422, JSON.stringify(fields));
      assertStringIncludes(said, want);
      continue;
    }
    assertEquals(status, 200, said);
    assertEquals(engine.asked.at(-1)!.clipSkip, want, JSON.stringify(fields));
    const info = JSON.parse(JSON.parse(said).info);
    assertEquals(info.clip_skip, want ?? 1);
  }
  assertStringIncludes(
    pictureText({ ...sd15.last!, parameters: { prompt: "x", clipSkip: 2 } }, {}),
    "Clip skip: 2",
  );
  // Settings of the server itself are not kept, so they must not seem to be.
  const kept = await refused(
    new ImageServer(sd15, OPTIONS),
    post("/sdapi/v1/options", { CLIP_stop_at_last_layers: 2 }),
  );
  assertEquals(kept[0], 422);
});

Deno.test("an inverted mask draws black anew, a blur softens its edge, and LoRAs become tags of the prompt", async () => {
  const engine = new FakeEngine(DIFFUSION);
  const server = new ImageServer(engine, OPTIONS);
  const mask = await greyPng([0, 0, 0, 255, 255, 255]);
  const base = { prompt: "x", init_images: [mask], mask, inpainting_fill: 1, inpaint_full_res: false };
  const decoded = async (fields: Record<string, unknown>): Promise<number[]> => {
    const [status, said] = await refused(server, post(IMG2IMG, { ...base, ...fields }));
    assertEquals(status, 200, said);
    const file = engine.asked.at(-1)!.mask!;
    assert("decode" in file);
    return [...(await file.decode()).data];
  };
  assertEquals(await decoded({}), [0, 0, 0, 255, 255, 255]);
  assertEquals(await decoded({ inpainting_mask_invert: 1 }), [255, 255, 255, 0, 0, 0]);
  assertEquals(await decoded({ inpainting_mask_invert: true }), [255, 255, 255, 0, 0, 0]);
  const soft = await decoded({ mask_blur: 1 });
  soft.forEach((v, i) => assert(i === 0 || v >= soft[i - 1]));
  assert(soft[2] > 40 && soft[2] < 128 && soft[3] > 128 && soft[3] < 215, soft.join());
  const lora = [{ path: "styles/ink.safetensors", multiplier: 0.8 }, { path: "fox" }];
  assertEquals((await refused(server, post(TXT2IMG, { prompt: "a", lora })))[0], 200);
  assertEquals(engine.asked.at(-1)!.prompt, "a <lora:styles/ink:0.8> <lora:fox:1>");
});

Deno.test("send_images false leaves the pictures out, save_images is answered with a warning", async () => {
  const server = new ImageServer(new FakeEngine(), OPTIONS);
  const response = await server.handle(post(TXT2IMG, { prompt: "x", send_images: false, save_images: true }));
  const { images, info } = await response.json();
  assertEquals(images, []);
  assertStringIncludes(JSON.parse(info).warnings.join(), "save_images");
});

Deno.test("without guidance as an input distilled_cfg_scale changes nothing, and says so unless it is Forge's default", async () => {
  const engine = new FakeEngine({ embeddedGuidance: false });
  const server = new ImageServer(engine, OPTIONS);
  for (const [distilled, warned] of [[3.5, false], [2, true]] as const) {
    const response = await server.handle(post(TXT2IMG, { prompt: "x", distilled_cfg_scale: distilled }));
    const { warnings } = JSON.parse((await response.json()).info);
    assertEquals(warnings.some((w: string) => w.includes("distilled_cfg_scale")), warned);
    assertEquals(engine.asked.at(-1)!.guidance, undefined);
  }
});

Deno.test("SillyTavern's source stable-diffusion.cpp: OPTIONS is answered, the model is named by a field of its own", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const path = "/v1/images/generations";
  const asked = await server.handle(new Request(`http://127.0.0.1${path}`, { method: "OPTIONS" }));
  assertEquals([asked.status, asked.headers.get("allow")], [204, "POST"]);
  const { name } = engine.info;
  const known = { prompt: "x", model: name, scheduler: "discrete", sampler_name: "euler_a" };
  assertEquals((await refused(server, post(TXT2IMG, known)))[0], 200);
  const [status, said] = await refused(server, post(TXT2IMG, { prompt: "x", model: "another" }));
  assertEquals(status, 422);
  assertStringIncludes(said, "another");
  const both = { prompt: "x", model: name, override_settings: { sd_model_checkpoint: "another" } };
  assertEquals((await refused(server, post(TXT2IMG, both)))[0], 422);
});

Deno.test("OpenAI's fields that are not done are refused by name with 400", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const cases = [
    { background: "transparent" },
    { quality: "high" },
    { output_compression: 50 },
    { style: "natural" },
    { promt: "x" },
    { partial_images: 2 },
    { stream: true, partial_images: 9 },
    { cfg_scale: 7 },
    { prompt: "<sd_cpp_extra_args>{}</sd_cpp_extra_args>" },
  ];
  for (const fields of cases) {
    const name = "stream" in fields ? "partial_images" : Object.keys(fields)[0];
    const response = await server.handle(post("/v1/images/generations", { prompt: "x", ...fields }));
    const { error } = await response.json();
    assertEquals([response.status, error.param], [400, name], error.message);
  }
  const edit = { prompt: "x", image: await greyPng([0]), input_fidelity: "high" };
  const [status, said] = await refused(server, post("/v1/images/edits", edit));
  assertEquals(status, 400);
  assertStringIncludes(said, "input_fidelity");
  assertEquals(engine.asked.length, 0);
});

Deno.test("FLUX's cfg_scale is CFG scale in the picture, in the answer and in A1111's text, the distilled one beside it", async () => {
  const engine = new FakeEngine({ name: "/home/somebody/models/flux" });
  const how = { embeddedGuidance: true };
  const server = new ImageServer(engine, {
    pictureFile: (image) =>
      pictureFile(image, { model: engine.info.name, loras: ["/x/y.safetensors:0.5"] }, how),
    pictureText: (image) => pictureText(image, { model: engine.info.name }, how),
  });
  const response = await server.handle(
    post(TXT2IMG, { prompt: "x", cfg_scale: 7, distilled_cfg_scale: 3.5 }),
  );
  const answer = await response.json();
  const info = JSON.parse(answer.info);
  assertEquals([info.cfg_scale, info.distilled_cfg_scale], [7, 3.5]);
  const texts = await readPngText(bytesOf(answer.images[0]));
  assertStringIncludes(texts.get("parameters")!, "CFG scale: 7, Distilled CFG Scale: 3.5");
  assertEquals(info.infotexts, [texts.get("parameters")]);
  // Pictures are given away: no folder of this machine is in them.
  for (const text of [...texts.values(), answer.info]) assert(!/somebody|\/x\//.test(text), text);
  const bare = await pictureFile({ ...engine.last!, rgb: new Uint8Array(64 * 32 * 3) }, {}, {
    metadata: false,
  });
  assertEquals((await readPngText(bare)).size, 0);
});

Deno.test("our own fields reach the request under both APIs, and absent ones leave it to the model", async () => {
  const engine = new FakeEngine();
  const server = new ImageServer(engine, OPTIONS);
  const fields = {
    preset: "fast",
    method: "lssgen",
    min_resolution: 32,
    init_noise: 0.5,
    upsampler: "bicubic",
    shorten_steps: false,
    cache_mode: "first-block",
    cache_threshold: 0.1,
    slg_scale: 3,
  };
  for (const path of ["/sdapi/v1/txt2img", "/v1/images/generations"]) {
    assertEquals((await refused(server, post(path, { prompt: "x", ...fields })))[0], 200);
    const { preset, method, minResolution, initNoise, upsampler, shortenSteps, ...more } = engine.asked
      .pop()!;
    assertEquals([preset, method, minResolution, initNoise, upsampler, shortenSteps], [
      "fast",
      "lssgen",
      32,
      0.5,
      "bicubic",
      false,
    ]);
    assertEquals([more.cacheMode, more.cacheThreshold, more.slgScale], ["first-block", 0.1, 3]);
    await refused(server, post(path, { prompt: "x" }));
    const keys = Object.keys(engine.asked.pop()!);
    for (const key of ["preset", "method", "cacheMode", "slgScale"]) assert(!keys.includes(key), key);
  }
});
