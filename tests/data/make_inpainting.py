"""Reference pictures of denoisers made for inpainting: diffusers' own pipelines on the tiny models of tests/golden, whose
first layer is widened by channels for a mask and a masked picture.

    pip install diffusers transformers; python3 tests/data/make_inpainting.py
"""
import os
import numpy as np
import torch
import diffusers
from safetensors.torch import save_file
from make_image_to_image import GOLDEN, HERE, PROMPT, SIDE, mask, picture


def further(shape):
    """Weights of the further channels: tests/model_files_inpainting_test.ts has the same formula."""
    n = int(np.prod(shape))
    return torch.from_numpy(((np.arange(n) * 37 % 101 - 50) / 500).astype(np.float32)).reshape(shape)


def widened(name):
    if name == "flux_fill":
        folder = f"{GOLDEN}/flux_dev/model"
        old = diffusers.FluxTransformer2DModel.from_pretrained(folder, subfolder="transformer")
        new = diffusers.FluxTransformer2DModel.from_config(old.config | dict(in_channels=384, out_channels=64))
        state = old.state_dict()
        w = state["x_embedder.weight"]
        state["x_embedder.weight"] = torch.cat([w, further((w.shape[0], 320))], 1)
        new.load_state_dict(state)
        pipe = diffusers.FluxFillPipeline.from_pretrained(folder, transformer=new)
        return pipe, dict(guidance_scale=30.0, num_inference_steps=5, strength=1.0)
    model = name.replace("_inpainting", "")
    folder = f"{GOLDEN}/{model}/model"
    old = diffusers.UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    new = diffusers.UNet2DConditionModel.from_config(old.config | dict(in_channels=9))
    state = old.state_dict()
    w = state["conv_in.weight"]
    state["conv_in.weight"] = torch.cat([w, further((w.shape[0], 5, 3, 3))], 1)
    new.load_state_dict(state)
    if model == "sdxl":
        pipe = diffusers.StableDiffusionXLInpaintPipeline.from_pretrained(folder, unet=new)
        # One step is lost at 0.9999, SDXL's default.
        return pipe, dict(guidance_scale=4.0, num_inference_steps=5, strength=1.0)
    pipe = diffusers.StableDiffusionInpaintPipeline.from_pretrained(
        folder, unet=new, safety_checker=None, feature_extractor=None
    )
    return pipe, dict(guidance_scale=5.0, num_inference_steps=5, strength=1.0)


tensors = {}
for name in ("sd15_inpainting", "sdxl_inpainting", "flux_fill"):
    pipe, call = widened(name)
    pipe.set_progress_bar_config(disable=True)
    out = pipe(
        PROMPT, image=picture(SIDE), mask_image=mask(SIDE), height=SIDE, width=SIDE,
        generator=torch.Generator().manual_seed(5), output_type="np", **call,
    ).images[0]
    tensors[name] = torch.from_numpy(np.ascontiguousarray((out * 255).round().astype(np.uint8)))
    print(name, out.shape, float(out.std()))
save_file(tensors, f"{HERE}/inpainting.safetensors")
os.chmod(f"{HERE}/inpainting.safetensors", 0o644)
