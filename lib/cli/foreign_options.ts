/**
 * Options of other programs: what each is here, why it changes nothing, or what to do instead. None is dropped in silence.
 *
 * To add one: a row below. Rows count where our own table (options.ts) has no option of that name. `docs/OPTIONS.md` is made
 * from these rows by {@linkcode foreignTable}.
 *
 * Sources: stable-diffusion.cpp's examples/cli and examples/server, A1111's modules/cmd_args.py, ComfyUI's comfy/cli_args.py,
 * the arguments of diffusers' pipelines and scripts, CompVis' scripts/txt2img.py, mflux, InvokeAI and Draw Things.
 *
 * @module
 */

import type { CommandName } from "./commands.ts";

/** Programs whose options are known. */
export type Program =
  | "stable-diffusion.cpp"
  | "A1111"
  | "diffusers"
  | "ComfyUI"
  | "CompVis"
  | "InvokeAI"
  | "mflux"
  | "Draw Things"
  | "Midjourney";

/** A row of the table. */
export interface ForeignOption {
  /** Spellings, separated by blanks. */
  readonly names: string;
  /** Whose it is. */
  readonly of: Program;
  /** Whether a value follows. */
  readonly value?: boolean;
  /** What it means without a value: an address may follow then. */
  readonly alone?: string;
  /** Accepted: our options, separated by blanks, `{}` for the value. */
  readonly as?: string;
  /** Values of other names, in lower case. Others are refused with `instead` where there is one, else taken as they are. */
  readonly values?: Readonly<Record<string, string>>;
  /** Accepted without effect, and said: why it changes nothing. */
  readonly note?: string;
  /** Values that change nothing and are accepted without a word, in a row that is refused otherwise. */
  readonly neutral?: RegExp;
  /** Whether its number is multiplied by those of other such options: pictures of a batch, and batches. */
  readonly factor?: boolean;
  /** Commands that the row is for; without it all of them. The first row that fits counts. */
  readonly only?: readonly CommandName[];
  /** Refused: why, and what to do. */
  readonly instead?: string;
}

const CONTROLNET = "ControlNet is not supported; --init-img with --strength, or --mask, guides a picture";
const ADAPTERS =
  "image prompts (IP-Adapter, PhotoMaker, PuLID, Redux) are not supported; write it into the prompt";
const VIDEO = "videos are not drawn";
const LLM = "models with a language model as text encoder are not supported";
const REFERENCE =
  "reference pictures (Kontext, Qwen Image Edit) are not supported; --init-img begins with a picture";
const UPSCALER = "the network is named by its file: `--upscale-model FILE`, a safetensors file; " +
  "`serve --upscale-model-dir DIR` offers those of a folder";
const HIRES =
  "`--method hires-fix --size LAST --min-resolution FIRST --init-noise STRENGTH` is the second pass here";
const CACHE = "the one cache of steps here is --cache-mode first-block with --cache-threshold X";
const DETAILER = "faces are not redrawn; `--init-img PICTURE --mask PICTURE` redraws a part";
const TILEABLE = "pictures that tile are not drawn";
const SAMPLER_ARGUMENT = "the sampler's own value is used; other samplers: --sampling-method";
const EMBEDDINGS =
  "files of textual inversion are not read; a model's own added tokens (added_tokens.json) are, and LoRAs with --lora";
const REFINER = "refiners are not supported";
const DEVICE = "WebGPU chooses the adapter, the one that draws everything";
const CHROMA = "Chroma's network is not supported";
const REFUSED_STYLES = "styles are not stored; write them into the prompt";
const MANY_MACHINES = "one WebGPU adapter draws everything";
const CPU =
  "without a GPU a software adapter is used where one is installed (deno task setup); nothing has to be said";
const PYTORCH = "there is no PyTorch here that could be told so";
const OWN_ATTENTION = "attention is always computed in tiles, without the whole table of scores in memory";
const OWN_MEMORY =
  "--max-vram MIB says what may stay on the GPU, the rest is read as it is used; `plan` shows it";
const OWN_TILES = "the autoencoder works in bands where memory asks for it (--max-activation)";
const FOLDER_UI = "there is no such folder; options name files";
const WEBUI = "the page has no such setting";
const RESTORERS = "faces are not restored";
const PICKLES = "pickles are never read, whatever is said";
const TLS = "the server speaks HTTP; a reverse proxy in front of it adds TLS";
const PUBLIC = "no tunnel is opened; --host 0.0.0.0 with --token lets the network in";
const LOGIN =
  "LSSGEN_TOKEN=SECRET in the environment; clients send it as Basic password with any name, or as Bearer";
const CONVERTED =
  "--type q4_k quantises weights as they are read; `convert IN --type q4_k -o OUT.gguf` does it once for all";
const METADATA = "`inspect PICTURE` shows a picture's parameters, with --json for programs";
const LORA_LISTS = "one --lora FILE:SCALE for each";
const EIGHT_BIT = "f16 and f32 are computed with; weights of 8 bits stay as their file has them (`convert`)";
const BF16 =
  "adapters compute in f16 and f32; bf16 weights are read, give --dtype f32 where f16 is too small";

/** Every row, by program. */
export const FOREIGN_OPTIONS: readonly ForeignOption[] = [
  // stable-diffusion.cpp: sd-cli, sd-server, and names of earlier versions.
  { of: "stable-diffusion.cpp", names: "--tae", value: true, as: "--taesd {}" },
  { of: "stable-diffusion.cpp", names: "-l --listen-ip", value: true, as: "--host {}" },
  { of: "stable-diffusion.cpp", names: "--listen-port", value: true, as: "--port {}" },
  { of: "stable-diffusion.cpp", names: "--color", note: "messages have no colours" },
  {
    of: "stable-diffusion.cpp",
    names: "--fa --diffusion-fa",
    note: OWN_ATTENTION,
  },
  {
    of: "stable-diffusion.cpp",
    names: "--diffusion-conv-direct --vae-conv-direct --force-sdxl-vae-conv-scale",
    note: "convolutions are computed directly, sums in f32",
  },
  {
    of: "stable-diffusion.cpp",
    names: "--offload-to-cpu --clip-on-cpu --vae-on-cpu --eager-load --auto-fit --stream-layers",
    note: OWN_MEMORY,
  },
  { of: "stable-diffusion.cpp", names: "--mmap", note: "files are read in parts, never as a whole" },
  {
    of: "stable-diffusion.cpp",
    names: "--vae-tiling",
    note: OWN_TILES,
  },
  {
    of: "stable-diffusion.cpp",
    names: "--vae-tile-size --vae-relative-tile-size --vae-tile-overlap",
    value: true,
    note: OWN_TILES,
  },
  {
    of: "stable-diffusion.cpp",
    names: "--lora-apply-mode",
    value: true,
    note: "LoRAs are added to the weights as they are loaded, and computed beside those that stay quantised",
  },
  {
    of: "stable-diffusion.cpp",
    names: "--vae-format",
    value: true,
    neutral: /^auto$/,
    instead: "the model's configs say how its latents lie; --config DIR gives others",
  },
  {
    of: "stable-diffusion.cpp",
    names: "--sampler-rng",
    value: true,
    instead: "one generator makes all noise; name it with --rng",
  },
  {
    of: "stable-diffusion.cpp",
    names: "--clip_vision --ip-adapter --ip-adapter-image",
    value: true,
    instead: ADAPTERS,
  },
  { of: "stable-diffusion.cpp", names: "--ip-adapter-strength", value: true, instead: ADAPTERS },
  {
    of: "stable-diffusion.cpp",
    names:
      "--photo-maker --pm-id-images-dir --pm-id-embed-path --pm-style-strength --pulid-weights --pulid-id-embedding --pulid-id-weight --stacked-id-embed-dir --input-id-images-dir --style-ratio --normalize-input",
    value: true,
    instead: ADAPTERS,
  },
  {
    of: "stable-diffusion.cpp",
    names: "--control-net --control-image --control-strength",
    value: true,
    instead: CONTROLNET,
  },
  { of: "stable-diffusion.cpp", names: "--canny --control-net-cpu", instead: CONTROLNET },
  {
    of: "stable-diffusion.cpp",
    names: "--llm --llm_vision --qwen2vl --qwen2vl_vision",
    value: true,
    instead: LLM,
  },
  {
    of: "stable-diffusion.cpp",
    names:
      "--high-noise-diffusion-model --high-noise-steps --high-noise-cfg-scale --high-noise-img-cfg-scale --high-noise-guidance --high-noise-slg-scale --high-noise-skip-layer-start --high-noise-skip-layer-end --high-noise-skip-layers --high-noise-eta --high-noise-sampling-method --moe-boundary --vace-strength --control-video --end-img --motion-module --audio-vae --embeddings-connectors --fps --extra-tiling-args --ref-video --ref-video-audio --ref-audio",
    value: true,
    instead: VIDEO,
  },
  { of: "stable-diffusion.cpp", names: "--video-frames", value: true, neutral: /^1$/, instead: VIDEO },
  { of: "stable-diffusion.cpp", names: "--temporal-tiling", instead: VIDEO },
  {
    of: "stable-diffusion.cpp",
    names: "--uncond-diffusion-model",
    value: true,
    instead: "one denoiser makes both calls of a step",
  },
  { of: "stable-diffusion.cpp", names: "--embd-dir", value: true, instead: EMBEDDINGS },
  {
    of: "stable-diffusion.cpp",
    names: "--hires-upscalers-dir --hires-upscale-tile-size",
    value: true,
    instead: HIRES,
  },
  { of: "stable-diffusion.cpp", names: "--hires", instead: HIRES },
  {
    of: "stable-diffusion.cpp",
    names:
      "--hires-width --hires-height --hires-scale --hires-steps --hires-upscaler --hires-denoising-strength --hires-sigmas",
    value: true,
    instead: HIRES,
  },
  {
    of: "stable-diffusion.cpp",
    names: "--model-args --extra-sample-args",
    value: true,
    instead: "such settings come from the model's configs (--config DIR) and from options of their own",
  },
  {
    of: "stable-diffusion.cpp",
    names: "--chroma-t5-mask-pad",
    value: true,
    instead: CHROMA,
  },
  {
    of: "stable-diffusion.cpp",
    names: "--chroma-disable-dit-mask --chroma-enable-t5-mask",
    instead: CHROMA,
  },
  {
    of: "stable-diffusion.cpp",
    names: "--backend --params-backend --split-mode --rpc-servers",
    value: true,
    instead: MANY_MACHINES,
  },
  {
    of: "stable-diffusion.cpp",
    names: "--list-devices",
    instead: DEVICE,
  },
  {
    of: "stable-diffusion.cpp",
    names: "--ad-model --ad-prompt --ad-negative-prompt --extra-ad-args",
    value: true,
    instead: DETAILER,
  },
  { of: "stable-diffusion.cpp", names: "-r --ref-image --ref-image-args", value: true, instead: REFERENCE },
  {
    of: "stable-diffusion.cpp",
    names: "--increase-ref-index --disable-auto-resize-ref-image",
    instead: REFERENCE,
  },
  {
    of: "stable-diffusion.cpp",
    names: "--img-cfg-scale",
    value: true,
    instead:
      "there is one guidance scale, --cfg-scale; models of instructions (InstructPix2Pix) are not supported",
  },
  { of: "stable-diffusion.cpp", names: "--eta", value: true, instead: SAMPLER_ARGUMENT },
  {
    of: "stable-diffusion.cpp",
    names: "--flow-shift --timestep-shift",
    value: true,
    instead:
      "the shift stands in scheduler_config.json; --config DIR gives another, --sigmas the noise levels themselves",
  },
  {
    of: "stable-diffusion.cpp",
    names: "--qwen-image-layers",
    value: true,
    instead: "pictures in layers are not drawn",
  },
  { of: "stable-diffusion.cpp", names: "--circular --circularx --circulary", instead: TILEABLE },
  {
    of: "stable-diffusion.cpp",
    names: "--cache-option --scm-mask --scm-policy --easycache --cache-preset",
    value: true,
    instead: CACHE,
  },
  {
    of: "stable-diffusion.cpp",
    names: "--prompt-file",
    value: true,
    instead: '-p "$(cat FILE)" does that',
  },
  {
    of: "stable-diffusion.cpp",
    names: "--negative-prompt-file",
    value: true,
    instead: '-n "$(cat FILE)" does that',
  },
  { of: "stable-diffusion.cpp", names: "--metadata-format", value: true, instead: METADATA },
  { of: "stable-diffusion.cpp", names: "--metadata-raw --metadata-brief --metadata-all", instead: METADATA },
  {
    of: "stable-diffusion.cpp",
    names: "--imat-in --imat-out",
    value: true,
    instead: "weights are quantised without an importance matrix",
  },
  {
    of: "stable-diffusion.cpp",
    names: "--preview-noisy",
    instead: "previews show what the picture becomes, not its noise; leave it out",
  },
  {
    of: "stable-diffusion.cpp",
    names: "--convert-name",
    instead: "`convert` writes diffusers' names of each part, or the original ones into one file",
  },
  {
    of: "stable-diffusion.cpp",
    names: "--serve-html-path",
    value: true,
    instead: "the server's page is this program's own; `--cors ORIGIN` lets another one use the API",
  },

  // A1111's web UI and Forge: options of the server.
  { of: "A1111", names: "--listen", alone: "0.0.0.0", as: "--host {}" },
  { of: "A1111", names: "--server-name", value: true, as: "--host {}" },
  { of: "A1111", names: "--ckpt", value: true, as: "--model {}" },
  { of: "A1111", names: "--ckpt-dir", value: true, as: "--models {}" },
  { of: "A1111", names: "--lora-dir", value: true, as: "--lora-model-dir {}" },
  { of: "A1111", names: "--vae-path", value: true, as: "--vae {}" },
  { of: "A1111", names: "--no-half", as: "--dtype f32" },
  {
    of: "A1111",
    names: "--precision",
    value: true,
    values: { full: "f32", half: "f16", autocast: "f16" },
    as: "--dtype {}",
  },
  { of: "A1111", names: "--cors-allow-origins", value: true, as: "--cors {}" },
  {
    of: "A1111",
    names: "--cors-allow-origins-regex",
    value: true,
    instead: "--cors ORIGIN names an origin, and may be given several times",
  },
  { of: "A1111", names: "--api --nowebui", note: "page and API are always served" },
  {
    of: "A1111",
    names:
      "--xformers --force-enable-xformers --xformers-flash-attention --opt-split-attention --opt-sub-quad-attention --opt-split-attention-invokeai --opt-split-attention-v1 --opt-sdp-attention --opt-sdp-no-mem-attention --disable-opt-split-attention",
    note: OWN_ATTENTION,
  },
  {
    of: "A1111",
    names: "--sub-quad-q-chunk-size --sub-quad-kv-chunk-size --sub-quad-chunk-threshold",
    value: true,
    note: OWN_ATTENTION,
  },
  {
    of: "A1111",
    names:
      "--medvram --medvram-sdxl --lowvram --lowram --always-batch-cond-uncond --always-gpu --always-high-vram --always-low-vram --always-no-vram",
    note: OWN_MEMORY,
  },
  { of: "A1111", names: "--no-half-vae --upcast-sampling", note: "sums are f32 everywhere" },
  {
    of: "A1111",
    names:
      "--skip-torch-cuda-test --reinstall-xformers --reinstall-torch --skip-python-version-check --skip-version-check --skip-install --skip-prepare-environment --update-check --no-tests --opt-channelslast --cuda-malloc --cuda-stream --pin-shared-memory",
    note: PYTORCH,
  },
  { of: "A1111", names: "--no-download-sd-model", note: "nothing is fetched that was not asked for" },
  { of: "A1111", names: "--no-hashing", note: "models are not hashed" },
  { of: "A1111", names: "--autolaunch --auto-launch", note: "the address is printed; open it in a browser" },
  { of: "A1111", names: "--disable-auto-launch", note: "no browser is opened" },
  { of: "A1111", names: "--disable-console-progressbars", as: "--quiet" },
  { of: "A1111", names: "--api-auth --gradio-auth --gradio-auth-path", value: true, instead: LOGIN },
  { of: "A1111", names: "--share", instead: PUBLIC },
  { of: "A1111", names: "--ngrok --ngrok-region", value: true, instead: PUBLIC },
  { of: "A1111", names: "--tls-keyfile --tls-certfile", value: true, instead: TLS },
  { of: "A1111", names: "--disable-tls-verify", instead: TLS },
  {
    of: "A1111",
    names: "--subpath",
    value: true,
    instead: "a reverse proxy in front of the server adds a path",
  },
  {
    of: "A1111",
    names: "--vae-dir --hypernetwork-dir --data-dir --localizations-dir",
    value: true,
    instead: FOLDER_UI,
  },
  {
    of: "A1111",
    names: "--embeddings-dir --textual-inversion-templates-dir",
    value: true,
    instead: EMBEDDINGS,
  },
  {
    of: "A1111",
    names: "--gfpgan-dir --gfpgan-model --codeformer-models-path --gfpgan-models-path",
    value: true,
    instead: RESTORERS,
  },
  {
    of: "A1111",
    names: "--esrgan-models-path --bsrgan-models-path --realesrgan-models-path",
    value: true,
    instead: UPSCALER,
  },
  { of: "A1111", names: "--clip-models-path", value: true, instead: "pictures are not described" },
  { of: "A1111", names: "--deepdanbooru", instead: "pictures are not described" },
  { of: "A1111", names: "--device-id", value: true, instead: DEVICE },
  { of: "A1111", names: "--use-cpu", value: true, instead: CPU },
  { of: "A1111", names: "--disable-safe-unpickle", instead: PICKLES },
  {
    of: "A1111",
    names: "--disable-nan-check",
    instead: "what is not finite is always refused: it would be a black picture",
  },
  {
    of: "A1111",
    names: "--allow-code --enable-insecure-extension-access --update-all-extensions",
    instead: "there are no extensions",
  },
  {
    of: "A1111",
    names:
      "--freeze-settings --hide-ui-dir-config --use-textbox-seed --gradio-debug --ui-debug-mode --enable-console-prompts --no-progressbar-hiding --show-negative-prompt --no-gradio-queue --gradio-queue --add-stop-route --administrator --api-log --unload-gfpgan --gradio-allowed-path",
    instead: WEBUI,
  },
  {
    of: "A1111",
    names:
      "--theme --ui-config-file --ui-settings-file --styles-file --max-batch-count --gradio-img2img-tool --gradio-inpaint-tool",
    value: true,
    instead: WEBUI,
  },
  { of: "A1111", names: "--sampler-name --sampler --sampler-index", value: true, as: "--sampling-method {}" },
  { of: "A1111", names: "--sampling-steps", value: true, as: "--steps {}" },
  { of: "A1111", names: "--n-iter --batch-size", value: true, as: "--count {}", factor: true },
  { of: "A1111", names: "--init-images", value: true, as: "--init-img {}" },
  { of: "A1111", names: "--sd-model-checkpoint", value: true, as: "--model {}" },
  { of: "A1111", names: "--enable-hr", instead: HIRES },
  {
    of: "A1111",
    names: "--hr-scale --hr-upscaler --hr-second-pass-steps --hr-resize-x --hr-resize-y",
    value: true,
    instead: HIRES,
  },
  { of: "A1111", names: "--refiner-checkpoint --refiner-switch-at", value: true, instead: REFINER },
  { of: "A1111", names: "--styles --style", value: true, instead: REFUSED_STYLES },
  {
    of: "A1111",
    names: "--script --script-name --override-settings",
    value: true,
    instead: "every setting is an option of its own",
  },
  { of: "A1111", names: "--denoising-strength", value: true, as: "--strength {}" },
  { of: "A1111", names: "--restore-faces", instead: RESTORERS },
  { of: "A1111", names: "--tiling", instead: TILEABLE },
  {
    of: "A1111",
    names: "--subseed --subseed-strength",
    value: true,
    instead: "noise of two seeds is not mixed; use --seed",
  },
  { of: "A1111", names: "--outpath-samples", value: true, as: "--out {}/" },

  // diffusers' pipelines, called by scripts.
  {
    of: "diffusers",
    names: "--pretrained-model-name-or-path --model-id --model-path --checkpoint-path --model-name-or-path",
    value: true,
    as: "--model {}",
  },
  { of: "diffusers", names: "--num-inference-steps", value: true, as: "--steps {}" },
  { of: "diffusers", names: "--guidance-scale", value: true, as: "--guidance {}" },
  { of: "diffusers", names: "--true-cfg-scale", value: true, as: "--cfg-scale {}" },
  {
    of: "diffusers",
    names: "--num-images-per-prompt --num-images --num-samples",
    value: true,
    as: "--count {}",
    factor: true,
  },
  { of: "diffusers", names: "--mask-image", value: true, as: "--mask {}" },
  { of: "diffusers", names: "--lora-path --lora-weights --lora-model-path", value: true, as: "--lora {}" },
  { of: "diffusers", names: "--lora-scale --lora-strength", value: true, instead: LORA_LISTS },
  { of: "diffusers", names: "--output-dir --output-folder", value: true, as: "--out {}/" },
  { of: "diffusers", names: "--output-path --output-file --save-path", value: true, as: "--out {}" },
  {
    of: "diffusers",
    names: "--vae-model-name-or-path --pretrained-vae-model-name-or-path",
    value: true,
    as: "--vae {}",
  },
  {
    of: "diffusers",
    names: "--torch-dtype --mixed-precision",
    value: true,
    values: {
      float32: "f32",
      "torch.float32": "f32",
      fp32: "f32",
      no: "f32",
      float16: "f16",
      "torch.float16": "f16",
      fp16: "f16",
    },
    as: "--dtype {}",
    instead: BF16,
  },
  { of: "diffusers", names: "--fp16 --half", as: "--dtype f16" },
  { of: "diffusers", names: "--fp32 --full-precision", as: "--dtype f32" },
  { of: "diffusers", names: "--bf16", instead: BF16 },
  {
    of: "diffusers",
    names: "--variant",
    value: true,
    neutral: /^(fp16|f16)$/,
    instead: "the folder's variant is found by itself, fp16 before others",
  },
  {
    of: "diffusers",
    names: "--use-safetensors --local-files-only",
    note: "safetensors and GGUF are all that is read; a path is never fetched",
  },
  {
    of: "diffusers",
    names: "--enable-model-cpu-offload --enable-sequential-cpu-offload --cpu-offload",
    note: OWN_MEMORY,
  },
  {
    of: "diffusers",
    names: "--enable-xformers-memory-efficient-attention --enable-attention-slicing --use-flash-attention",
    note: OWN_ATTENTION,
  },
  { of: "diffusers", names: "--enable-vae-tiling --enable-vae-slicing --vae-slicing", note: OWN_TILES },
  { of: "diffusers", names: "--allow-tf32", note: PYTORCH },
  { of: "diffusers", names: "--compile --use-compile --torch-compile", note: PYTORCH },
  {
    of: "diffusers",
    names: "--device",
    value: true,
    neutral: /^(cuda|gpu|webgpu|mps|auto|cuda:0)$/,
    instead: `${DEVICE}; ${CPU}`,
  },
  {
    of: "diffusers",
    names: "--controlnet --controlnet-model-name-or-path --controlnet-conditioning-scale",
    value: true,
    instead: CONTROLNET,
  },
  { of: "diffusers", names: "--ip-adapter-image-embeds --ip-adapter-scale", value: true, instead: ADAPTERS },
  {
    of: "diffusers",
    names: "--max-sequence-length",
    value: true,
    instead: "T5 reads as many tokens as the model's configs say",
  },
  { of: "diffusers", names: "--denoising-start --denoising-end --refiner", value: true, instead: REFINER },
  { of: "diffusers", names: "--skip-guidance-layers", value: true, as: "--skip-layers {}" },
  { of: "diffusers", names: "--skip-layer-guidance-scale", value: true, as: "--slg-scale {}" },
  { of: "diffusers", names: "--skip-layer-guidance-start", value: true, as: "--skip-layer-start {}" },
  { of: "diffusers", names: "--skip-layer-guidance-stop", value: true, as: "--skip-layer-end {}" },
  {
    of: "diffusers",
    names: "--guidance-rescale",
    value: true,
    neutral: /^0+(\.0*)?$/,
    instead: "guidance is not rescaled; --guidance-start and --guidance-end limit it",
  },
  {
    of: "diffusers",
    names: "--timesteps",
    value: true,
    instead: "--sigmas gives the noise levels themselves",
  },
  { of: "diffusers", names: "--scheduler-type --scheduler-name", value: true, as: "--sampling-method {}" },
  {
    of: "diffusers",
    names: "--original-size --crops-coords-top-left --target-size",
    value: true,
    instead: "SDXL is told the picture's own size, uncropped",
  },
  { of: "diffusers", names: "--quantization --quantization-config", value: true, instead: CONVERTED },
  { of: "diffusers", names: "--resolution", value: true, as: "--size {}" },
  {
    of: "diffusers",
    names: "--aspect-ratio --aspect",
    value: true,
    instead: "the sides are given themselves, --width N --height N",
  },

  // ComfyUI: options of the server.
  { of: "ComfyUI", names: "--enable-cors-header", alone: "*", as: "--cors {}" },
  { of: "ComfyUI", names: "--force-fp32 --fp32-unet", as: "--dtype f32" },
  { of: "ComfyUI", names: "--force-fp16 --fp16-unet", as: "--dtype f16" },
  { of: "ComfyUI", names: "--disable-metadata", as: "--disable-image-metadata" },
  { of: "ComfyUI", names: "--models-directory", value: true, as: "--models {}" },
  { of: "ComfyUI", names: "--dont-print-server", as: "--quiet" },
  {
    of: "ComfyUI",
    names:
      "--fp32-vae --fp16-vae --fp32-text-enc --fp16-text-enc --force-upcast-attention --dont-upcast-attention",
    note: "all networks compute in the type of --dtype, sums in f32",
  },
  { of: "ComfyUI", names: "--bf16-unet --bf16-vae --bf16-text-enc --fp64-unet", instead: BF16 },
  {
    of: "ComfyUI",
    names:
      "--fp8_e4m3fn-unet --fp8_e5m2-unet --fp8_e8m0fnu-unet --fp8_e4m3fn-text-enc --fp8_e5m2-text-enc --supports-fp8-compute",
    instead: EIGHT_BIT,
  },
  {
    of: "ComfyUI",
    names:
      "--use-split-cross-attention --use-quad-cross-attention --use-pytorch-cross-attention --use-sage-attention --disable-xformers",
    note: OWN_ATTENTION,
  },
  {
    of: "ComfyUI",
    names:
      "--gpu-only --highvram --normalvram --novram --async-offload --disable-async-offload --disable-smart-memory --cache-classic --cache-none --disable-pinned-memory",
    note: OWN_MEMORY,
  },
  { of: "ComfyUI", names: "--reserve-vram --cache-lru --cache-ram", value: true, note: OWN_MEMORY },
  { of: "ComfyUI", names: "--cpu-vae", instead: MANY_MACHINES },
  { of: "ComfyUI", names: "--cpu", instead: CPU },
  {
    of: "ComfyUI",
    names: "--cuda-device --default-device --directml --oneapi-device-selector",
    value: true,
    instead: DEVICE,
  },
  {
    of: "ComfyUI",
    names:
      "--disable-cuda-malloc --force-channels-last --disable-ipex-optimize --fast --mmap-torch-files --disable-mmap --windows-standalone-build --force-non-blocking",
    note: PYTORCH,
  },
  {
    of: "ComfyUI",
    names: "--deterministic",
    note: "the same seed gives the same bytes on the same adapter",
  },
  {
    of: "ComfyUI",
    names: "--preview-method",
    value: true,
    only: ["serve"],
    note: "clients ask for previews, and get them",
  },
  {
    of: "ComfyUI",
    names: "--output-directory",
    value: true,
    only: ["serve"],
    instead: "pictures are handed to the client that asks, no folder keeps them",
  },
  {
    of: "ComfyUI",
    names: "--preview-method",
    value: true,
    values: { none: "none", auto: "auto", latent2rgb: "proj", taesd: "tae" },
    as: "--preview {}",
  },
  {
    of: "ComfyUI",
    names: "--preview-size",
    value: true,
    note: "a preview has the size that its method gives",
  },
  { of: "ComfyUI", names: "--output-directory", value: true, as: "--out {}/" },
  {
    of: "ComfyUI",
    names: "--base-directory --extra-model-paths-config --temp-directory --input-directory --user-directory",
    value: true,
    instead: FOLDER_UI,
  },
  {
    of: "ComfyUI",
    names: "--max-upload-size",
    value: true,
    instead: "bodies of requests have at most 32 MiB; --max-size bounds the pictures",
  },
  {
    of: "ComfyUI",
    names: "--front-end-version --front-end-root --whitelist-custom-nodes --comfy-api-base --database-url",
    value: true,
    instead:
      "nodes are no programs here: `serve` draws the graphs whose nodes it knows, and brings its own page",
  },
  {
    of: "ComfyUI",
    names:
      "--disable-all-custom-nodes --disable-api-nodes --multi-user --enable-manager --enable-compress-response-body --log-stdout --quick-test-for-ci",
    instead:
      "nodes are no programs here: `serve` draws the graphs whose nodes it knows, and brings its own page",
  },

  // ComfyUI: names of a node's settings.
  { of: "ComfyUI", names: "--denoise", value: true, as: "--strength {}" },
  { of: "ComfyUI", names: "--noise-seed", value: true, as: "--seed {}" },
  { of: "ComfyUI", names: "--ckpt-name", value: true, as: "--model {}" },
  { of: "ComfyUI", names: "--unet-name", value: true, as: "--diffusion-model {}" },
  { of: "ComfyUI", names: "--vae-name", value: true, as: "--vae {}" },

  // CompVis' txt2img.py and img2img.py, which many scripts copy.
  { of: "CompVis", names: "--outdir", value: true, as: "--out {}/" },
  { of: "CompVis", names: "--ddim-steps", value: true, as: "--steps {}" },
  { of: "CompVis", names: "--scale", value: true, as: "--guidance {}" },
  { of: "CompVis", names: "--n-samples", value: true, as: "--count {}", factor: true },
  { of: "CompVis", names: "--H", value: true, as: "--height {}" },
  { of: "CompVis", names: "--W", value: true, as: "--width {}" },
  { of: "CompVis", names: "--plms", as: "--sampling-method pndm" },
  { of: "CompVis", names: "--dpm-solver --dpm", as: "--sampling-method dpm++2m" },
  { of: "CompVis", names: "--ddim-eta", value: true, neutral: /^0+(\.0*)?$/, instead: SAMPLER_ARGUMENT },
  {
    of: "CompVis",
    names: "--skip-grid --skip-save --fixed-code",
    note: "every picture is a file, with noise of its own seed",
  },
  {
    of: "CompVis",
    names: "--from-file",
    value: true,
    instead: 'one command a prompt: `while read -r p; do … "$p"; done < FILE`',
  },
  {
    of: "CompVis",
    names: "--C",
    value: true,
    instead: "the model's configs say how many channels its latents have",
  },

  // InvokeAI.
  { of: "InvokeAI", names: "-S", value: true, as: "--seed {}" },
  { of: "InvokeAI", names: "-A", value: true, as: "--sampling-method {}" },
  { of: "InvokeAI", names: "-I", value: true, as: "--init-img {}" },
  { of: "InvokeAI", names: "-f", value: true, as: "--strength {}" },
  { of: "InvokeAI", names: "--iterations", value: true, as: "--count {}" },
  {
    of: "InvokeAI",
    names: "-C",
    value: true,
    instead: "--cfg-scale X is the guidance scale, --from PNG takes a picture's parameters",
  },
  { of: "InvokeAI", names: "-U --upscale", value: true, instead: UPSCALER },
  { of: "InvokeAI", names: "--facetool --facetool-strength", value: true, instead: RESTORERS },
  { of: "InvokeAI", names: "--seamless --seamless-axes", instead: TILEABLE },
  { of: "InvokeAI", names: "--root", value: true, instead: FOLDER_UI },
  { of: "InvokeAI", names: "--web", instead: "`serve` starts the page" },

  // mflux.
  { of: "mflux", names: "--image-path", value: true, as: "--init-img {}" },
  {
    of: "mflux",
    names: "--image-strength",
    value: true,
    instead:
      "there more of it keeps more of the picture; --strength is the share of the way from it, about 1 minus that",
  },
  { of: "mflux", names: "--lora-paths --lora-scales --lora-style", value: true, instead: LORA_LISTS },
  { of: "mflux", names: "--masked-image-path", value: true, as: "--mask {}" },
  { of: "mflux", names: "--quantize", value: true, instead: CONVERTED },
  { of: "mflux", names: "--low-ram", note: OWN_MEMORY },
  { of: "mflux", names: "--mlx-cache-limit", value: true, note: OWN_MEMORY },
  { of: "mflux", names: "--vae-tiling-split", value: true, note: OWN_TILES },
  { of: "mflux", names: "--config-from-metadata", value: true, as: "--from {}" },
  { of: "mflux", names: "--metadata", note: "pictures always hold their parameters" },
  {
    of: "mflux",
    names: "--stepwise-image-output-dir",
    value: true,
    instead: "--preview auto --preview-path FILE rewrites one picture as it grows",
  },
  {
    of: "mflux",
    names: "--auto-seeds",
    value: true,
    instead: "--seed -1 draws a seed, --count N takes consecutive ones",
  },
  {
    of: "mflux",
    names: "--base-model",
    value: true,
    instead: "the weights say which architecture they are; --config DIR names one",
  },
  {
    of: "mflux",
    names: "--battery-percentage-stop-limit -B",
    value: true,
    instead: "batteries are not looked at",
  },
  {
    of: "mflux",
    names: "--controlnet-image-path --controlnet-strength --controlnet-save-canny",
    value: true,
    instead: CONTROLNET,
  },
  { of: "mflux", names: "--redux-image-paths --redux-image-strengths", value: true, instead: ADAPTERS },
  {
    of: "mflux",
    names: "--image-outpaint-padding",
    value: true,
    instead: "pad the picture and its mask, then --init-img and --mask",
  },

  // Draw Things.
  { of: "Draw Things", names: "--cfg --text-guidance", value: true, as: "--cfg-scale {}" },
  { of: "Draw Things", names: "--models-dir", value: true, as: "--models {}" },
  {
    of: "Draw Things",
    names: "--config-json --config-file",
    value: true,
    instead: "settings are options; --from PNG takes those of a picture",
  },
  { of: "Draw Things", names: "--remote-url --cloud-compute", value: true, instead: MANY_MACHINES },
  {
    of: "Draw Things",
    names: "--download-missing --no-download-missing",
    note: "names on a hub are fetched, paths never",
  },

  // Midjourney, whose prompts are pasted with their settings.
  {
    of: "Midjourney",
    names: "--ar",
    value: true,
    instead: "the sides are given themselves, --width N --height N",
  },
  { of: "Midjourney", names: "--no", value: true, as: "--negative-prompt {}" },
  {
    of: "Midjourney",
    names: "--stylize --chaos --weird --niji --iw --sref --cref",
    value: true,
    instead: "no model here knows such a setting",
  },
];

const NO_SCHEDULE = {
  instead: "of the schedules karras, beta and simple come near it; --help lists all of --schedule",
};
/** Spacings of stable-diffusion.cpp, A1111 and ComfyUI that are not built. */
const NO_SCHEDULES = {
  ays: NO_SCHEDULE,
  align_your_steps: NO_SCHEDULE,
  gits: NO_SCHEDULE,
  smoothstep: NO_SCHEDULE,
  bong_tangent: NO_SCHEDULE,
};

/** Values of other programs for our own options: ours, or why there is none. */
export const FOREIGN_VALUES: Readonly<
  Record<string, Readonly<Record<string, string | { readonly instead: string }>>>
> = {
  rng: {
    cuda: "torch-cuda",
    cpu: "torch-cpu",
    std_default: {
      instead: "the C++ library's generator is not rebuilt; philox, torch-cuda and torch-cpu are",
    },
  },
  prediction: {
    epsilon: "eps",
    v_prediction: "v",
    sd3_flow: "flow",
    flux_flow: "flow",
    flow_prediction: "flow",
    edm_v: { instead: "EDM's prediction is not supported" },
    sefi_flow: { instead: "SEFI models are not supported" },
    minit2i_flow: { instead: "MiniT2I models are not supported" },
  },
  dtype: {
    fp32: "f32",
    float32: "f32",
    fp16: "f16",
    float16: "f16",
    bf16: { instead: BF16 },
    bfloat16: { instead: BF16 },
  },
  preview: { taesd: "tae", latent2rgb: "proj" },
  scheduler: {
    flowmatcheulerdiscretescheduler: "euler",
    eulerdiscretescheduler: "euler",
    eulerancestraldiscretescheduler: "euler_a",
    heundiscretescheduler: "heun",
    kdpm2discretescheduler: "dpm2",
    kdpm2ancestraldiscretescheduler: "dpm2_a",
    dpmsolversinglestepscheduler: "dpm++2s",
    dpmsolversdescheduler: "dpm++sde",
    dpmsolvermultistepscheduler: "dpm++2m",
    unipcmultistepscheduler: "unipc",
    deismultistepscheduler: "deis",
    ddimscheduler: "ddim",
    pndmscheduler: "pndm",
    lcmscheduler: "lcm",
    tcdscheduler: "tcd",
    ...NO_SCHEDULES,
  },
  schedule: { uniform: "normal", polyexponential: "exponential", ...NO_SCHEDULES },
};

const ADDRESS = /^(\*|localhost|https?:.*|[\d.:a-f,]*[.:][\d.:a-f,]*)$/i;

/** What an option of another program means here. */
export interface ForeignMeaning {
  /** Our options in its place. */
  readonly args: readonly string[];
  /** Why it changes nothing. */
  readonly note?: string;
  /** A number of pictures that others are multiplied by. */
  readonly factor?: number;
  /** Arguments that it took after itself. */
  readonly taken: number;
}

/**
 * Reads an option of another program.
 *
 * @param spelled As typed, without its value.
 * @param attached Its value after an equals sign.
 * @param next The argument that follows.
 * @param command The command.
 * @returns Undefined for an option that nobody has; a sentence for one that is refused.
 */
export function foreignOption(
  spelled: string,
  attached: string | undefined,
  next: string | undefined,
  command: CommandName = "generate",
): ForeignMeaning | string | undefined {
  const row = rowOf(spelled, command) ??
    (spelled.startsWith("--") ? rowOf(spelled.replaceAll("_", "-"), command) : undefined);
  if (!row) return undefined;
  const { value: takes = false, alone, as, note, neutral, instead, values, factor } = row;
  const follows = attached === undefined && next !== undefined && !/^-[^\d.]/.test(next) &&
    (alone === undefined ? takes : ADDRESS.test(next));
  const value = attached ?? (follows ? next : undefined);
  const taken = follows ? 1 : 0;
  if (note !== undefined) return { args: [], note, taken };
  if (neutral && value !== undefined && neutral.test(value)) return { args: [], taken };
  const refused = `Option ${spelled} is not supported: ${instead}`;
  if (as === undefined) return refused;
  if (attached !== undefined && !takes && alone === undefined) {
    return `Option ${spelled} takes no value, got "${attached}"`;
  }
  if (takes && value === undefined) {
    return `Option ${spelled} (${as.split(" ")[0]} here) needs a value`;
  }
  const known = value === undefined ? undefined : values?.[value.toLowerCase()];
  if (values && known === undefined && instead !== undefined) {
    return `Option ${spelled} ${value} is not supported: ${instead}`;
  }
  const given = known ?? value ?? alone ?? "";
  return {
    args: as.split(" ").map((part) => part.replace("{}", () => given)).map((part) =>
      part.replace(/\/\/$/, "/")
    ),
    ...factor && /^\d+$/.test(given) && { factor: Number(given) },
    taken,
  };
}

function rowOf(spelled: string, command: CommandName): ForeignOption | undefined {
  return FOREIGN_OPTIONS.find(({ names, only }) =>
    names.split(" ").includes(spelled) && (only?.includes(command) ?? true)
  );
}

/** A spelling of ours that other programs use for something else. */
interface Elsewhere {
  readonly spelled: string;
  /** Commands in which it is taken for that; without it all that have a meaning of ours for it. */
  readonly only?: readonly CommandName[];
  /** Values by which it is known; without it any. */
  readonly value?: RegExp;
  /** What to do, with the value. */
  readonly instead: (value: string) => string;
}

const ELSEWHERE: readonly Elsewhere[] = [
  {
    spelled: "-q", // mflux
    value: /^[34568]$/,
    instead: (bits) => {
      const type = { "3": "q3_k", "6": "q6_k" }[bits] ?? `q${bits}_0`;
      return `-q is --quiet here and takes no value; --type ${type} quantises weights as they are read, ` +
        `\`convert IN --type ${type}\` once for all`;
    },
  },
  {
    spelled: "-n", // InvokeAI
    value: /^\d+$/,
    instead: (count) =>
      `-n is --negative-prompt here; --count ${count} draws so many pictures, --negative-prompt ${count} keeps away from the number`,
  },
  {
    spelled: "-m", // stable-diffusion.cpp, Real-ESRGAN
    only: ["upscale"],
    instead: () =>
      "-m is --model, of which `upscale` has none: --upscale-model FILE is the network that enlarges",
  },
  {
    spelled: "-n", // Real-ESRGAN
    only: ["upscale"],
    instead: () => "-n is no network's name here: --upscale-model FILE is the network that enlarges",
  },
  {
    spelled: "-s", // Real-ESRGAN
    only: ["upscale"],
    instead: () => "-s is no scale here: the network's own counts, and --upscale-repeats N runs it again",
  },
];

/** What to do instead of an option that is spelled as ours and means something else; undefined where it means ours. */
export function elsewhere(
  spelled: string,
  value: string | undefined,
  command: CommandName,
): string | undefined {
  return ELSEWHERE.find((row) =>
    row.spelled === spelled && (row.only?.includes(command) ?? true) && (row.value?.test(value ?? "") ?? true)
  )?.instead(value ?? "");
}

/** The rows as a table in Markdown. */
export function foreignTable(): string {
  const programs = [...new Set(FOREIGN_OPTIONS.map(({ of }) => of))];
  return programs.map((program) => {
    const rows = FOREIGN_OPTIONS.filter(({ of }) => of === program).map((row) => {
      const names = row.names.split(" ").map((name) => `\`${name}\``).join(" ");
      const where = row.only ? `${row.only.map((name) => `\`${name}\``).join(", ")}: ` : "";
      const what = row.as !== undefined
        ? `\`${row.as.replace("{}", "VALUE")}\`` + (row.factor ? ", multiplied by others" : "") +
          (row.instead ? `; else refused: ${row.instead}` : "")
        : row.note !== undefined
        ? `changes nothing: ${row.note}`
        : `refused: ${row.instead}`;
      return `| ${names} | ${where}${what.replaceAll("|", "\\|")} |`;
    });
    return [`### ${program}`, "", "| option | here |", "|---|---|", ...rows].join("\n");
  }).join("\n\n") + "\n";
}
