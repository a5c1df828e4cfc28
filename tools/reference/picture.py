"""Draws a model folder's picture with diffusers' own pipeline in f32, with each layer's weights in memory only while it computes.

    python tools/reference/picture.py FOLDER OUT.png [--size 256] [--steps 1] [--seed 0] [--prompt TEXT] [--guidance N] [--compare OURS.png]

FOLDER holds safetensors of any 16-bit type (`tools/synthesize.ts`). The noise is torch's (`--rng torch-cpu` there). Memory holds
a layer's values in f32; pages of the file count as the process's too, and are the system's to take back. Defaults are the pipeline's own: SD3's
guidance scale is 7 there and 4.5 here. --compare prints the PSNR of another picture of 8 bits against this one, seconds, and the process's peak.
"""

import argparse
import importlib
import json
import math
import os
import resource
import time

import diffusers
import numpy as np
import torch
from PIL import Image
from safetensors import safe_open


def streamed(module, file):
    """Weights of a module on the meta device come from the file when a layer is called, as f32, and leave after it."""
    names = set(file.keys())
    for path, layer in module.named_modules():
        full = lambda name, path=path: f"{path}.{name}" if path else name
        for name, buffer in list(layer.named_buffers(recurse=False)):
            persistent = full(name) in names
            value = file.get_tensor(full(name)).float() if persistent else torch.arange(buffer.shape[-1]).expand(buffer.shape)
            layer.register_buffer(name, value, persistent=persistent)
        own = [name for name, _ in layer.named_parameters(recurse=False)]
        if not own:
            continue
        missing = [full(name) for name in own if full(name) not in names]
        assert not missing, missing
        away = {name: layer._parameters[name] for name in own}

        def enter(layer, _inputs, own=own, full=full):
            for name in own:
                layer._parameters[name] = torch.nn.Parameter(file.get_tensor(full(name)).float(), requires_grad=False)

        def leave(layer, _inputs, _output, away=away):
            layer._parameters.update(away)

        layer.register_forward_pre_hook(enter)
        layer.register_forward_hook(leave)
    return module.eval()


def component(folder, name, library, kind):
    path = f"{folder}/{name}"
    cls = getattr(importlib.import_module(library), kind)
    if os.path.exists(f"{path}/config.json"):
        file = next(f for f in os.listdir(path) if f.endswith(".safetensors"))
        config = json.load(open(f"{path}/config.json"))
        with torch.device("meta"):
            if library == "diffusers":
                module = cls.from_config(config)
            else:
                made = cls.config_class(**config)
                made._attn_implementation = "sdpa"
                module = cls(made)
        return streamed(module, safe_open(f"{path}/{file}", "pt"))
    return cls.from_pretrained(path)


parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("out")
parser.add_argument("--size", type=int, default=256)
parser.add_argument("--steps", type=int, default=1)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--prompt", default="a red apple on a wooden table")
parser.add_argument("--guidance", type=float)
parser.add_argument("--compare")
given = parser.parse_args()
began = time.time()
index = json.load(open(f"{given.folder}/model_index.json"))
parts = {
    name: component(given.folder, name, *of) if of[1] else None
    for name, of in index.items()
    if isinstance(of, list) and len(of) == 2 and (of[1] is None or isinstance(of[1], str))
}
others = {name: value for name, value in index.items() if not name.startswith("_") and not isinstance(value, list)}
base = getattr(diffusers, index["_class_name"])
# Parameters lie on the meta device between calls; what is computed never does.
cpu = property(lambda self: torch.device("cpu"))
pipe = type(base.__name__, (base,), {"_execution_device": cpu, "device": cpu})(**parts, **others)
pipe.set_progress_bar_config(disable=True)
call = {} if given.guidance is None else {"guidance_scale": given.guidance}
with torch.no_grad():
    picture = pipe(
        given.prompt,
        width=given.size,
        height=given.size,
        num_inference_steps=given.steps,
        generator=torch.Generator().manual_seed(given.seed),
        output_type="np",
        **call,
    ).images[0]
rgb = (picture * 255).round().astype(np.uint8)
Image.fromarray(rgb).save(given.out)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(f"diffusers: {time.time() - began:.1f} s, peak {peak / 1e9:.2f} GB; mean {picture.mean():.3f}, standard deviation {picture.std():.3f}")
if given.compare:
    ours = np.asarray(Image.open(given.compare).convert("RGB")).astype(np.float64)
    mse = float(((ours - rgb) ** 2).mean())
    differing = float((ours != rgb).mean())
    psnr = math.inf if mse == 0 else 10 * math.log10(255**2 / mse)
    print(f"PSNR {psnr:.1f} dB; {100 * differing:.3f} % of the values differ, by at most {np.abs(ours - rgb).max():.0f}")
