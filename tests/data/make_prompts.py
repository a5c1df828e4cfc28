"""Golden cases of prompts that differ by text encoder, and of several classes: diffusers' own pipelines on the models of tests/golden.

    pip install diffusers transformers; python3 tests/data/make_prompts.py

Same layout as tests/golden/pipelines; the model stays where it is.
"""
import json, os, shutil
import torch
from safetensors.torch import save_file
import diffusers

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = f"{HERE}/../golden/pipelines"
PROMPT = "a photo of a red fox in the snow"
CASES = {
    "flux_negative_prompt_2": ("flux_dev", "FluxPipeline", dict(prompt=PROMPT, prompt_2="a lighthouse", negative_prompt="blurry", negative_prompt_2="deformed, grey",
                                                                height=48, width=64, num_inference_steps=3, guidance_scale=3.5, true_cfg_scale=3.0,
                                                                max_sequence_length=20)),
    "sdxl_prompt_2": ("sdxl", "StableDiffusionXLPipeline", dict(prompt=PROMPT, prompt_2="a lighthouse at dusk", height=64, width=64, num_inference_steps=3, guidance_scale=5.0)),
    "sdxl_negative_prompt_2": ("sdxl", "StableDiffusionXLPipeline", dict(prompt=PROMPT, prompt_2="", negative_prompt="blurry", negative_prompt_2="deformed, grey", height=64,
                                                                         width=64, num_inference_steps=3, guidance_scale=5.0)),
    "sd3_prompts": ("sd3", "StableDiffusion3Pipeline", dict(prompt=PROMPT, prompt_2="a lighthouse at dusk", prompt_3="a blue house in the rain", negative_prompt="blurry",
                                                            negative_prompt_2="deformed", negative_prompt_3="grey", height=64, width=64, num_inference_steps=3,
                                                            guidance_scale=4.5, max_sequence_length=20)),
    "sd3_prompt_3": ("sd3", "StableDiffusion3Pipeline", dict(prompt=PROMPT, prompt_3="a blue house in the rain", negative_prompt_3="grey", height=64, width=64,
                                                             num_inference_steps=3, guidance_scale=4.5, max_sequence_length=20)),
    "dit_classes": ("dit", "DiTPipeline", dict(class_labels=[3, 281], num_inference_steps=4, guidance_scale=4.0)),
}


def loaded(model, kind):
    half = any(".fp16." in name for _, _, files in os.walk(f"{MODELS}/{model}/model") for name in files)
    pipe = getattr(diffusers, kind).from_pretrained(f"{MODELS}/{model}/model", torch_dtype=torch.float32, **dict(variant="fp16") if half else {})
    pipe.set_progress_bar_config(disable=True)
    return pipe


for name, (model, kind, call) in CASES.items():
    pipe = loaded(model, kind)
    own = json.load(open(f"{MODELS}/{model}/case.json"))
    noise, final = [], []
    # What the pipeline draws, and what it decodes.
    module = __import__(type(pipe).__module__, fromlist=["randn_tensor"])
    drawn, decode = module.randn_tensor, pipe.vae.decode

    def draw(shape, **kwargs):
        x = drawn(shape, **kwargs)
        noise.append(x.clone())
        return x

    def decoded(z, *args, **kwargs):
        final.append((z / 1).clone())
        return decode(z, *args, **kwargs)

    module.randn_tensor, pipe.vae.decode = draw, decoded
    image = pipe(**call, generator=torch.Generator().manual_seed(11), output_type="np").images
    module.randn_tensor = drawn
    scale, shift = pipe.vae.config.scaling_factor, pipe.vae.config.shift_factor or 0
    latents = (final[0] - shift) * scale
    # DiTPipeline carries both halves of the guidance batch to the end, and decodes the first.
    if kind == "DiTPipeline" and call["guidance_scale"] > 1: latents = torch.cat([latents, latents])
    tensors = {f"in.noise.{i}": x for i, x in enumerate(noise)} | {"out.latents": latents, "out.image": torch.from_numpy(image)}
    out = f"{MODELS}/{name}"
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, f"{out}/io.safetensors")
    json.dump({"class": kind, "group": "pipelines", "pipeline": f"../{model}/model", "call": call,
               "noise_draws": [{"shape": list(x.shape), "purpose": "pipeline"} for x in noise],
               "tolerances": own["tolerances"], "case": f"pipelines/{name}"}, open(f"{out}/case.json", "w"), indent=1)
    print(name, image.shape, float(image.std()), tuple(latents.shape))
