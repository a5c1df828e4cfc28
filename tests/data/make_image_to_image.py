"""Reference pictures of image-to-image and inpainting: diffusers' own pipelines on the tiny models of tests/golden.

    pip install diffusers transformers; python3 tests/data/make_image_to_image.py
"""
import json, os
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
import diffusers

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = f"{HERE}/../golden/pipelines"
SIDE = 64
PROMPT = "a small red apple"


def picture(side):
    y, x = np.mgrid[0:side, 0:side] / side
    return Image.fromarray((np.stack([x, y, (x * 7 + y * 5) % 1], -1) * 255).round().astype(np.uint8))


def mask(side):
    m = np.zeros((side, side), np.uint8)
    m[side // 4:side // 4 * 3, side // 8:side // 2] = 255
    return Image.fromarray(m)


CASES = {
    "flux_dev": ("FluxImg2ImgPipeline", dict(strength=0.6, num_inference_steps=7, guidance_scale=3.5), {}),
    "sd3": ("StableDiffusion3Img2ImgPipeline", dict(strength=0.55, num_inference_steps=6, guidance_scale=4.0), {}),
    "sd15": ("StableDiffusionImg2ImgPipeline", dict(strength=0.7, num_inference_steps=6, guidance_scale=5.0), dict(safety_checker=None, feature_extractor=None)),
    "sdxl": ("StableDiffusionXLImg2ImgPipeline", dict(strength=0.5, num_inference_steps=6, guidance_scale=4.0), {}),
    "sd15_inpaint": ("StableDiffusionInpaintPipeline", dict(strength=0.8, num_inference_steps=6, guidance_scale=5.0), dict(safety_checker=None, feature_extractor=None)),
}

def variant(model):
    names = [f for _, _, files in os.walk(f"{GOLDEN}/{model}/model") for f in files]
    return dict(variant="fp16", torch_dtype=torch.float32) if any(".fp16." in n for n in names) else {}


if __name__ != "__main__":
    CASES = {}
tensors, calls = {}, {}
tensors["picture"] = torch.from_numpy(np.asarray(picture(SIDE)).astype(np.float32))
tensors["mask"] = torch.from_numpy(np.asarray(mask(SIDE)).astype(np.float32))
for name, (kind, call, extra) in CASES.items():
    model = name.replace("_inpaint", "")
    pipe = getattr(diffusers, kind).from_pretrained(f"{GOLDEN}/{model}/model", **variant(model), **extra)
    pipe.set_progress_bar_config(disable=True)
    inputs = dict(mask_image=mask(SIDE), height=SIDE, width=SIDE) if "inpaint" in name else {}
    if name in ("flux_dev", "sd3"):
        inputs = dict(height=SIDE, width=SIDE)
    out = pipe(PROMPT, image=picture(SIDE), generator=torch.Generator().manual_seed(5), output_type="np", **call, **inputs).images[0]
    tensors[name] = torch.from_numpy(out).float().contiguous()
    calls[name] = dict(prompt=PROMPT, **call)
    print(name, out.shape, float(out.std()))
if CASES:
    save_file(tensors, f"{HERE}/image_to_image.safetensors", {"calls": json.dumps(calls)})
