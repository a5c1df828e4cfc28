"""Reference picture of skip-layer guidance: diffusers' StableDiffusion3Pipeline on the tiny SD3 of tests/golden.

    pip install diffusers transformers; python3 tests/data/make_skip_layers.py
"""
import json, os
import torch
from safetensors.torch import save_file
import diffusers

HERE = os.path.dirname(os.path.abspath(__file__))
CALLS = {
    # Steps 1, 2 and 3 of 8 skip; step 0 does not, 0 > 8 * 0.01 being false.
    "second_block": dict(skip_guidance_layers=[1], skip_layer_guidance_stop=0.5),
    "first_block": dict(
        skip_guidance_layers=[0],
        skip_layer_guidance_scale=6.0,
        skip_layer_guidance_start=0.2,
        skip_layer_guidance_stop=0.8,
    ),
}

pipe = diffusers.StableDiffusion3Pipeline.from_pretrained(
    f"{HERE}/../golden/pipelines/sd3/model", variant="fp16", torch_dtype=torch.float32
)
pipe.set_progress_bar_config(disable=True)
common = dict(num_inference_steps=8, guidance_scale=4.0, height=64, width=64, output_type="np")
tensors = {}
for name, call in {"plain": {}, **CALLS}.items():
    out = pipe("a small red apple", generator=torch.Generator().manual_seed(5), **common, **call).images[0]
    tensors[name] = torch.from_numpy((out * 255).round().astype("uint8")).contiguous()
    print(name, (tensors[name].float() - tensors["plain"].float()).abs().max().item())
save_file(tensors, f"{HERE}/skip_layers.safetensors", {"calls": json.dumps(CALLS)})
