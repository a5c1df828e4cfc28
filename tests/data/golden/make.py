"""Golden cases of shapes that the project's own set has not: what real checkpoints of the same classes may look like.

    pip install diffusers transformers; python3 tests/data/golden/make.py

Same layout as tests/golden (its README describes it): diffusers' and transformers' own classes on small random weights.
"""
import copy, json, os, shutil
import numpy as np
import torch
from safetensors.torch import load_file, save_file
import diffusers, transformers

HERE = os.path.dirname(os.path.abspath(__file__))
NOISE = torch.Generator().manual_seed(1)


def randn(*shape):
    return torch.randn(*shape, generator=NOISE)


def filled(module, seed, gain=1.0):
    """Random weights under which activations neither vanish nor grow."""
    g = torch.Generator().manual_seed(seed)
    for name, p in module.named_parameters():
        with torch.no_grad():
            r = torch.randn(p.shape, generator=g)
            if p.dim() >= 2: p.copy_(r * gain / p[0].numel() ** 0.5)
            elif "norm" in name and name.endswith("weight"): p.copy_(1 + 0.2 * r)
            else: p.copy_(0.2 * r)
    return module.eval()


def flat(prefix, value, out):
    if isinstance(value, torch.Tensor): out[prefix] = value.contiguous().clone()
    elif isinstance(value, dict):
        for k, v in value.items(): flat(f"{prefix}.{k}", v, out)


def folder(path):
    out = f"{HERE}/{path}"
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    return out


def network(path, module, calls, run, rename=None):
    """calls: (name, tensors, further arguments). Tolerances: 2e-5 of the peak; 6 times the error of rounding the weights in f16."""
    out = folder(path)
    module.save_pretrained(out)
    if rename: rename(out)
    half = copy.deepcopy(module)
    for p in half.parameters(): p.data = p.data.half().float()
    listed = []
    for i, (name, tensors, kwargs) in enumerate(calls):
        with torch.no_grad(): want, rounded = run(module, tensors, kwargs), run(half, tensors, kwargs)
        io = "io.safetensors" if i == 0 else f"io.{name}.safetensors"
        stored = {}
        flat("in", tensors, stored)
        stored.update({f"out.{k}": v.contiguous().clone() for k, v in want.items()})
        save_file(stored, f"{out}/{io}")
        error = max(((want[k] - rounded[k]).abs().max() / want[k].abs().max()).item() for k in want)
        listed.append(dict(name=name, io=io, kwargs=kwargs, tolerances=dict(f32=dict(max_rel_to_peak=2e-5), f16=dict(max_rel_to_peak=max(3e-3, 6 * error)))))
    json.dump({"class": type(module).__name__, "group": path.split("/")[0], "case": path, "calls": listed}, open(f"{out}/case.json", "w"), indent=1)


sample = lambda m, tensors, kwargs: {"sample": m(**tensors, **kwargs).sample}


# UNets: the refiner's five numbers, SSD-1B's uneven depths and missing middle, the upscaler's class table and text-only attention, LCM's guidance, unCLIP's vectors
def unet(name, seed, h, w, extra, **config):
    config = dict(sample_size=8, block_out_channels=(8, 16), norm_num_groups=8, layers_per_block=1, cross_attention_dim=12, attention_head_dim=2,
                  down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D")) | config
    m = filled(diffusers.UNet2DConditionModel(**config), seed)
    tensors = dict(sample=randn(2, m.config.in_channels, h, w), timestep=torch.tensor([501, 7]), encoder_hidden_states=randn(2, 5, 12)) | extra
    network(f"unets/{name}", m, [("a", tensors, {})], sample)


sizes = torch.tensor([[512.0, 768, 0, 3, 6], [64, 96, 8, 0, 2.5]])
unet("refiner", 1, 7, 10, dict(added_cond_kwargs=dict(text_embeds=randn(2, 9), time_ids=sizes)), attention_head_dim=[1, 4], use_linear_projection=True,
     addition_embed_type="text_time", addition_time_embed_dim=4, projection_class_embeddings_input_dim=5 * 4 + 9)
unet("uneven_depths", 2, 6, 8, {}, layers_per_block=2, transformer_layers_per_block=[1, [1, 2]], reverse_transformer_layers_per_block=[[1, 2, 1], 1],
     mid_block_type="UNetMidBlock2D")
unet("no_middle", 3, 9, 5, {}, mid_block_type=None)
unet("upscaler", 4, 8, 6, dict(class_labels=torch.tensor([3, 0])), in_channels=7, only_cross_attention=[True, True], num_class_embeds=10)
unet("guidance_input", 5, 8, 8, dict(timestep_cond=randn(2, 10)), time_cond_proj_dim=10)
unet("class_vectors", 6, 8, 8, dict(class_labels=randn(2, 6)), class_embed_type="projection", projection_class_embeddings_input_dim=6)

# transformers: fewer channels out than in, PixArt-α's sizes (its config says null)
ids = torch.stack([torch.zeros(12), torch.arange(12) // 4, torch.arange(12) % 4], 1)
m = filled(diffusers.FluxTransformer2DModel(in_channels=24, out_channels=8, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
                                            joint_attention_dim=12, pooled_projection_dim=10, axes_dims_rope=(2, 6, 8)), 7)
network("transformers/flux_fewer_out", m, [("a", dict(hidden_states=randn(1, 12, 24), encoder_hidden_states=randn(1, 3, 12), pooled_projections=randn(1, 10),
                                                      timestep=torch.tensor([0.3]), img_ids=ids, txt_ids=torch.zeros(3, 3)), {})], sample)
m = filled(diffusers.PixArtTransformer2DModel(num_attention_heads=3, attention_head_dim=8, num_layers=1, cross_attention_dim=24, caption_channels=12, sample_size=128), 8)
network("transformers/pixart_sizes", m, [("a", dict(hidden_states=randn(2, 4, 6, 10), encoder_hidden_states=randn(2, 5, 12), timestep=torch.tensor([12, 900]),
                                                    added_cond_kwargs=dict(resolution=torch.tensor([[48.0, 80], [512, 256]]), aspect_ratio=torch.tensor([[0.6], [2.0]]))), {})], sample)


# the first names of the autoencoder's attention
def first_names(out):
    file = f"{out}/diffusion_pytorch_model.safetensors"
    renamed = {}
    for key, value in load_file(file).items():
        if ".attentions." in key:
            for new, old in ("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn"): key = key.replace(f".{new}.", f".{old}.")
        renamed[key] = value
    save_file(renamed, file)


m = filled(diffusers.AutoencoderKL(block_out_channels=(8, 12), norm_num_groups=4, down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2), 9)
network("vae/first_names", m, [("a", dict(z=randn(1, 4, 3, 5)), dict(op="decode"))], lambda m, t, k: {"sample": m.decode(t["z"]).sample}, first_names)

# text encoders: CLIP with a mask, T5 with relu
m = filled(transformers.CLIPTextModel(transformers.CLIPTextConfig(vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
                                                                  max_position_embeddings=12, eos_token_id=49, hidden_act="gelu")), 10)
tokens = torch.tensor([[48, 3, 7, 49, 49, 49], [48, 9, 9, 2, 11, 49]])
states = lambda m, t, k: {"last_hidden_state": (o := m(**t, output_hidden_states=True)).last_hidden_state, "hidden_states_m2": o.hidden_states[-2], "pooler_output": o.pooler_output}
network("text_encoders/clip_mask", m, [("a", dict(input_ids=tokens, attention_mask=torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])), {})], states)
for kind in "relu", "gated-relu":
    m = filled(transformers.T5EncoderModel(transformers.T5Config(vocab_size=50, d_model=12, d_kv=4, d_ff=20, num_layers=2, num_heads=3, feed_forward_proj=kind)), 11, 0.7)
    network(f"text_encoders/t5_{kind.replace('-', '_')}", m, [("a", dict(input_ids=tokens), {})], lambda m, t, k: {"last_hidden_state": m(**t).last_hidden_state})


def scheduler(name, cls, config, runs):
    """As the cases of tests/golden/schedulers; a stochastic sampler draws from a torch generator of `generator_seed`, anew for each walk."""
    out = folder(f"schedulers/{name}")
    clean, noise = randn(1, 4, 3, 5), randn(1, 4, 3, 5)
    make = getattr(diffusers, cls)
    make(**config).save_pretrained(out)
    stored, listed = {"in.clean": clean, "in.noise": noise}, []
    stochastic = cls in ("EulerAncestralDiscreteScheduler", "LCMScheduler") or config.get("stochastic_sampling") or "sde" in config.get("algorithm_type", "")
    for run, (n, mu) in enumerate(runs):
        def fresh(begin=0):
            s = make(**config)
            s.set_timesteps(n, **({} if mu is None else {"mu": mu}))
            if begin: s.set_begin_index(begin)
            return s

        def walk(s, x, timesteps):
            g = torch.Generator().manual_seed(run)
            for t in timesteps:
                scaled = s.scale_model_input(x, t) if hasattr(s, "scale_model_input") else x
                x = s.step(torch.tanh(scaled * 0.5) + 0.1 * float(t) / 1000, t, x, **({"generator": g} if stochastic else {})).prev_sample
                yield x

        def noised(index):
            s = fresh(index)
            t = s.timesteps[index:index + 1]
            return s.scale_noise(clean, t, noise) if hasattr(s, "scale_noise") else s.add_noise(clean, noise, t)

        s = fresh()
        steps, sigma = s.timesteps, float(getattr(s, "init_noise_sigma", 1.0))
        at, begin = [0, len(steps) // 2, len(steps) - 1], len(steps) // 3
        entry = noised(begin)
        stored[f"out.run{run}.timesteps"] = steps.float()
        if hasattr(s, "sigmas"): stored[f"out.run{run}.sigmas"] = s.sigmas.float()
        stored[f"out.run{run}.trajectory"] = torch.stack(list(walk(s, noise * sigma, steps)))
        stored[f"out.run{run}.noised"] = torch.stack([noised(i) for i in at])
        stored[f"out.run{run}.entry_trajectory"] = torch.stack([entry, *walk(fresh(begin), entry, steps[begin:])])
        listed.append(dict(run=run, num_inference_steps=n, mu=mu, sigmas_passed=None, init_noise_sigma=sigma, noised_at_timestep_indices=at, entry_begin_index=begin,
                           generator_seed=run))
    save_file({k: v.float().contiguous() for k, v in stored.items()}, f"{out}/io.safetensors")
    json.dump({"class": cls, "group": "schedulers", "case": f"schedulers/{name}", "runs": listed, "tolerances": {"f32": {"max_rel_to_peak": 1e-5}, "f16": None}},
              open(f"{out}/case.json", "w"), indent=1)


SD = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
each = lambda *counts: [(n, None) for n in counts]
scheduler("euler_ancestral", "EulerAncestralDiscreteScheduler", dict(**SD, timestep_spacing="leading", steps_offset=1), each(1, 6))
scheduler("lcm", "LCMScheduler", {}, each(1, 4, 7))
scheduler("dpm_sde_karras", "DPMSolverMultistepScheduler", dict(**SD, algorithm_type="sde-dpmsolver++", use_karras_sigmas=True), each(4, 16))
scheduler("dpm_sde_heun", "DPMSolverMultistepScheduler", dict(**SD, algorithm_type="sde-dpmsolver++", solver_type="heun", final_sigmas_type="sigma_min"), each(5))
scheduler("dpm_third_order", "DPMSolverMultistepScheduler", dict(**SD, solver_order=3), each(3, 16))
scheduler("dpm_third_order_sigma_min", "DPMSolverMultistepScheduler", dict(**SD, solver_order=3, final_sigmas_type="sigma_min", lower_order_final=False), each(6))
scheduler("euler_trained_betas", "EulerDiscreteScheduler", dict(num_train_timesteps=20, trained_betas=[round(0.01 + 0.02 * i, 3) for i in range(20)]), each(5))
scheduler("euler_exponential", "EulerDiscreteScheduler", dict(**SD, use_exponential_sigmas=True, timestep_spacing="trailing"), each(6))
scheduler("euler_beta", "EulerDiscreteScheduler", dict(**SD, use_beta_sigmas=True), each(6))
scheduler("flow_beta", "FlowMatchEulerDiscreteScheduler", dict(shift=3.0, use_beta_sigmas=True), each(6))
scheduler("flow_linear_terminal", "FlowMatchEulerDiscreteScheduler", dict(use_dynamic_shifting=True, time_shift_type="linear", shift_terminal=0.1), [(6, 1.3)])
scheduler("flow_stochastic", "FlowMatchEulerDiscreteScheduler", dict(shift=3.0, stochastic_sampling=True), each(5))
