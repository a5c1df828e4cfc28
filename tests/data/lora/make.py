"""Reference pictures with LoRAs: diffusers' own load_lora_weights on the tiny models of tests/golden, random LoRAs.

    pip install diffusers transformers peft; python3 tests/data/lora/make.py
"""
import json, os
import torch
from safetensors.torch import save_file
import diffusers

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = f"{HERE}/../../golden/pipelines"
PROMPT = "a small red apple"
SIDE, RANK = 64, 4


def variant(model):
    names = [f for _, _, files in os.walk(f"{GOLDEN}/{model}/model") for f in files]
    return dict(variant="fp16", torch_dtype=torch.float32) if any(".fp16." in n for n in names) else {}


def pair(generator, out, width, conv=None, size=0.6):
    a = torch.randn(RANK, width, *([conv, conv] if conv else []), generator=generator) / (width * (conv or 1) ** 2) ** 0.5
    b = torch.randn(out, RANK, *([1, 1] if conv else []), generator=generator) * size / RANK ** 0.5
    return a, b


def layers(module, wanted):
    """(name, layer) of the modules whose name ends in one of `wanted`."""
    return [(n, m) for n, m in module.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d)) and any(n.endswith(w) for w in wanted)]


def diffusers_names(g, prefix, module, wanted):
    out = {}
    for n, m in layers(module, wanted):
        out[f"{prefix}.{n}.lora_A.weight"], out[f"{prefix}.{n}.lora_B.weight"] = pair(g, m.out_features, m.in_features)
    return out


def kohya_names(g, prefix, module, wanted, alpha=2.0, rename=lambda n: n):
    out = {}
    for n, m in layers(module, wanted):
        conv = m.kernel_size[0] if isinstance(m, torch.nn.Conv2d) else None
        size = (m.out_channels, m.in_channels) if conv else (m.out_features, m.in_features)
        key = f"{prefix}_{rename(n).replace('.', '_')}"
        out[f"{key}.lora_down.weight"], out[f"{key}.lora_up.weight"] = pair(g, *size, conv)
        out[f"{key}.alpha"] = torch.tensor(alpha)
    return out


def kohya_flux(g, transformer):
    """The names of BFL's release, query, key and value in one; not linear1, which diffusers converts at full size only."""
    c = transformer.config
    d = c.num_attention_heads * c.attention_head_dim
    sizes = {"double_blocks_0_img_attn_qkv": (3 * d, d), "double_blocks_0_txt_attn_qkv": (3 * d, d), "double_blocks_0_img_attn_proj": (d, d),
             "double_blocks_0_img_mlp_0": (4 * d, d), "double_blocks_0_img_mlp_2": (d, 4 * d), "single_blocks_0_linear2": (d, 5 * d)}
    out = {}
    for n, size in sizes.items():
        out[f"lora_unet_{n}.lora_down.weight"], out[f"lora_unet_{n}.lora_up.weight"] = pair(g, *size)
        out[f"lora_unet_{n}.alpha"] = torch.tensor(3.0)
    return out


def kohya_sd3(g, transformer):
    """The names of Stability's release, which diffusers does not read: what it gets is the same under its own."""
    c = transformer.config
    d = c.num_attention_heads * c.attention_head_dim
    block = "transformer_blocks.0"
    modules = {"joint_blocks_0_x_block_attn_qkv": [f"{block}.attn.to_q", f"{block}.attn.to_k", f"{block}.attn.to_v"],
               "joint_blocks_0_context_block_attn_qkv": [f"{block}.attn.add_q_proj", f"{block}.attn.add_k_proj", f"{block}.attn.add_v_proj"],
               "joint_blocks_0_context_block_attn_proj": [f"{block}.attn.to_add_out"], "joint_blocks_0_x_block_mlp_fc2": [f"{block}.ff.net.2"]}
    alpha = 2.0
    stored, own = {}, {}
    for n, parts in modules.items():
        a, b = (t.half().float() for t in pair(g, d * len(parts), 4 * d if n.endswith("fc2") else d))
        stored[f"lora_unet_{n}.lora_down.weight"], stored[f"lora_unet_{n}.lora_up.weight"] = a, b
        stored[f"lora_unet_{n}.alpha"] = torch.tensor(alpha)
        for part, rows in zip(parts, b.chunk(len(parts))):
            own[f"transformer.{part}.lora_A.weight"], own[f"transformer.{part}.lora_B.weight"] = a, rows.contiguous() * alpha / RANK
    return stored, own


ATTENTION = ("attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "ff.net.2")
CROSS = ("attn1.to_q", "attn2.to_k", "attn2.to_out.0", "ff.net.0.proj")


def ldm(n, unet):
    """Attention under the names of latent-diffusion, as kohya writes SDXL's."""
    per = unet.config.layers_per_block + 1
    block, *rest = n.split(".")
    if block == "mid_block":
        return ".".join(["middle_block.1", *rest[2:]])
    level, _, index, *rest = rest
    number = int(level) * per + int(index)
    return ".".join([f"input_blocks.{number + 1}.1" if block == "down_blocks" else f"output_blocks.{number}.1", *rest])


CASES = {
    "flux_diffusers": ("flux_dev", "FluxPipeline", 4, 3.5, lambda g, p: {
        **diffusers_names(g, "transformer", p.transformer, ATTENTION), **diffusers_names(g, "text_encoder", p.text_encoder, ("q_proj", "fc2"))}),
    "flux_kohya": ("flux_dev", "FluxPipeline", 4, 3.5, lambda g, p: kohya_flux(g, p.transformer)),
    "sd3_diffusers": ("sd3", "StableDiffusion3Pipeline", 4, 4.0, lambda g, p: diffusers_names(g, "transformer", p.transformer, (*ATTENTION, "add_q_proj"))),
    "sd3_kohya": ("sd3", "StableDiffusion3Pipeline", 4, 4.0, lambda g, p: kohya_sd3(g, p.transformer)),
    "sdxl_diffusers": ("sdxl", "StableDiffusionXLPipeline", 4, 4.0, lambda g, p: {
        **diffusers_names(g, "unet", p.unet, ("attn1.to_v", "attn2.to_q", "ff.net.2")), **diffusers_names(g, "text_encoder", p.text_encoder, ("v_proj", "fc1")),
        **diffusers_names(g, "text_encoder_2", p.text_encoder_2, ("q_proj", "fc2"))}),
    "sd15_diffusers": ("sd15", "StableDiffusionPipeline", 4, 5.0, lambda g, p: {
        **diffusers_names(g, "unet", p.unet, ("attn1.to_q", "attn2.to_v", "ff.net.0.proj")), **diffusers_names(g, "text_encoder", p.text_encoder, ("k_proj", "fc2"))}),
    # Not their text encoders: diffusers 0.42 with transformers 5 drops kohya's names of those.
    "sdxl_kohya": ("sdxl", "StableDiffusionXLPipeline", 4, 4.0, lambda g, p: kohya_names(g, "lora_unet", p.unet, CROSS, rename=lambda n: ldm(n, p.unet))),
    "sd15_kohya": ("sd15", "StableDiffusionPipeline", 4, 5.0, lambda g, p: kohya_names(g, "lora_unet", p.unet, (*CROSS, "proj_in", "resnets.0.conv1"))),
}

pictures, calls = {}, {}
for name, (model, kind, steps, guidance, make) in CASES.items():
    extra = dict(safety_checker=None, feature_extractor=None) if model == "sd15" else {}
    pipe = getattr(diffusers, kind).from_pretrained(f"{GOLDEN}/{model}/model", **variant(model), **extra)
    pipe.set_progress_bar_config(disable=True)
    state = make(torch.Generator().manual_seed(3), pipe)
    state, own = state if isinstance(state, tuple) else (state, None)
    save_file({k: v.half().contiguous() for k, v in state.items()}, f"{HERE}/{name}.safetensors")
    run = lambda: pipe(PROMPT, width=SIDE, height=SIDE, num_inference_steps=steps, guidance_scale=guidance, output_type="np",
                       generator=torch.Generator().manual_seed(5)).images[0]
    without = run()
    if own: pipe.load_lora_weights(own, adapter_name="x")
    else: pipe.load_lora_weights(HERE, weight_name=f"{name}.safetensors", adapter_name="x")
    pipe.set_adapters("x", 0.8)
    out = run()
    pictures[name] = torch.from_numpy(out).float().contiguous()
    calls[name] = dict(model=model, steps=steps, guidance=guidance)
    print(name, out.shape, f"changes the picture by {abs(out - without).max() * 255:.0f} of 255", len(state), "tensors")
save_file(pictures, f"{HERE}/pictures.safetensors", {"calls": json.dumps(calls)})
