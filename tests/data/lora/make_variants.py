"""Reference weights for LoRA files of other tools and other algorithms: small files, and the merged weights that diffusers, PEFT or
LyCORIS make of them on the tiny models of tests/golden.

    pip install diffusers transformers peft lycoris-lora einops; python3 tests/data/lora/make_variants.py

One file holds all cases: "CASE/lora/NAME" are a LoRA's tensors, "CASE/want/PART/NAME" the merged ones. Its header says of each case which
model it is for, the strength, and the LoRA's own header.
"""
import json, os, tempfile
import torch
from safetensors.torch import save_file
import diffusers, peft
from peft.tuners.tuners_utils import BaseTunerLayer
from lycoris.functional import lokr as lokr_functional
from lycoris.modules import boft, diag_oft, full, glora, ia3, locon, loha, norms

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = f"{HERE}/../../golden/pipelines"
KINDS = {"flux_dev": "FluxPipeline", "sd15": "StableDiffusionPipeline", "sd3": "StableDiffusion3Pipeline"}
g = torch.Generator().manual_seed(11)
stored, cases = {}, {}


def randn(*shape, size=0.5):
    return torch.randn(*shape, generator=g) * size / max(shape[-1], 1) ** 0.5


def pipeline(model):
    names = [f for _, _, files in os.walk(f"{GOLDEN}/{model}/model") for f in files]
    extra = dict(variant="fp16", torch_dtype=torch.float32) if any(".fp16." in n for n in names) else {}
    if model == "sd15": extra |= dict(safety_checker=None, feature_extractor=None)
    return getattr(diffusers, KINDS[model]).from_pretrained(f"{GOLDEN}/{model}/model", **extra)


def keep(case, model, tensors, want, scale, metadata=None, by="diffusers"):
    for name, value in tensors.items(): stored[f"{case}/lora/{name}"] = value.contiguous()
    for (part, name), value in want.items(): stored[f"{case}/want/{part}/{name}"] = value.float().contiguous()
    cases[case] = dict(model=model, scale=scale, metadata=metadata or {}, by=by)
    print(f"{case}: {len(tensors)} tensors change {len(want)} weights ({by})")


def weights(pipe):
    out = {}
    for part in ("transformer", "unet", "text_encoder", "text_encoder_2", "text_encoder_3"):
        module = getattr(pipe, part, None)
        if module is not None:
            # transformers 5 leaves "text_model." out of CLIP's names, files have it.
            for name, value in module.state_dict().items():
                name = f"text_model.{name}" if part == "text_encoder" and name.startswith("encoder.layers") else name
                out[part, name.replace("base_layer.", "")] = value.clone()
    return out


def changed(before, after):
    return {key: after[key] for key in before if key in after and not torch.equal(before[key], after[key])}


def by_diffusers(case, model, tensors, scale=0.8, metadata=None):
    """diffusers' own loading and fusing. Of adapters beside a weight only the base weights' names are looked at."""
    pipe = pipeline(model)
    before = weights(pipe)
    with tempfile.TemporaryDirectory() as folder:
        save_file({k: v.contiguous() for k, v in tensors.items()}, f"{folder}/x.safetensors", metadata)
        # FLUX's pipeline refuses LoKr, its transformer does not.
        if any("lokr" in k for k in tensors): pipe.transformer.load_lora_adapter(dict(tensors), adapter_name="x")
        else: pipe.load_lora_weights(folder, weight_name="x.safetensors", adapter_name="x")
    if any("lokr" in k for k in tensors): pipe.transformer.set_adapters("x", scale)
    else: pipe.set_adapters("x", scale)
    merge(pipe)
    keep(case, model, tensors, changed(before, weights(pipe)), scale, metadata)


def merge(pipe):
    for part in ("transformer", "unet", "text_encoder", "text_encoder_2"):
        for module in (getattr(pipe, part, None) or torch.nn.Module()).modules():
            if isinstance(module, BaseTunerLayer): module.merge(adapter_names=["x"])


def pair(prefix, out, width, rank=4, a="lora_A.weight", b="lora_B.weight", kernel=None):
    down = randn(rank, width, *([kernel, kernel] if kernel else []))
    return {f"{prefix}.{a}": down, f"{prefix}.{b}": randn(out, rank, *([1, 1] if kernel else []), size=1)}


D = 32
KOHYA = dict(a="lora_down.weight", b="lora_up.weight")

# XLabs' processors.
xlabs = {}
for name, out, width in [("double_blocks.0.processor.qkv_lora1", 3 * D, D), ("double_blocks.0.processor.qkv_lora2", 3 * D, D),
                         ("double_blocks.0.processor.proj_lora1", D, D), ("double_blocks.0.processor.proj_lora2", D, D),
                         ("single_blocks.0.processor.qkv_lora", 3 * D, D), ("single_blocks.0.processor.proj_lora", D, 5 * D)]:
    xlabs |= pair(name, out, width, a="down.weight", b="up.weight")
by_diffusers("xlabs", "flux_dev", xlabs)

# OneTrainer, with alpha and CLIP-L.
onetrainer = {}
for name, out, width in [("transformer_single_transformer_blocks_0_attn_to_k", D, D), ("transformer_transformer_blocks_0_attn_to_out_0", D, D),
                         ("transformer_transformer_blocks_0_attn_add_q_proj", D, D), ("transformer_norm_out_linear", 2 * D, D),
                         ("te1_text_model_encoder_layers_1_mlp_fc1", 96, 24)]:
    onetrainer |= pair(f"lora_{name}", out, width, **KOHYA) | {f"lora_{name}.alpha": torch.tensor(6.0)}
onetrainer = {k: v for k, v in onetrainer.items() if "te1" not in k}  # diffusers 0.42 with transformers 5 drops CLIP's names
by_diffusers("onetrainer", "flux_dev", onetrainer)

# The same names of BFL twice, as some files on Civitai have them: diffusers takes its own.
by_diffusers("twice", "flux_dev", pair("transformer.transformer_blocks.0.attn.to_k", D, D, **KOHYA)
             | pair("lora_unet_double_blocks_0_img_attn_qkv", 3 * D, D, **KOHYA))

# alpha tensors beside PEFT's names; ranks that differ.
by_diffusers("alphas", "flux_dev", pair("transformer.transformer_blocks.0.attn.to_q", D, D) | pair("transformer.transformer_blocks.0.ff.net.2", D, 4 * D, rank=2)
             | {"transformer.transformer_blocks.0.attn.to_q.alpha": torch.tensor(2.0), "transformer.transformer_blocks.0.ff.net.2.alpha": torch.tensor(3.0)})

# lora_B with a bias.
bias = pair("transformer.transformer_blocks.0.attn.to_q", D, D)
bias["transformer.transformer_blocks.0.attn.to_q.lora_B.bias"] = randn(D, size=3)
by_diffusers("bias", "flux_dev", bias)

# diffusers' header: alpha, patterns, rsLoRA.
by_diffusers("header", "flux_dev", pair("transformer.transformer_blocks.0.attn.to_q", D, D) | pair("transformer.transformer_blocks.0.attn.to_k", D, D, rank=2)
             | pair("transformer.transformer_blocks.0.ff.net.2", D, 4 * D),
             metadata={"format": "pt", "lora_adapter_metadata": json.dumps({
                 "transformer.r": 4, "transformer.lora_alpha": 6, "transformer.use_rslora": True, "transformer.rank_pattern": {"attn.to_k": 2},
                 "transformer.alpha_pattern": {r"transformer_blocks\.\d+\.attn\.to_k": 5, "ff.net.2": 1},
                 "transformer.target_modules": ["to_q", "to_k", "ff.net.2"]})})

# DoRA as PEFT stores it, linear and convolution.
dora = pair("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k", 8, 24) | pair("unet.down_blocks.0.resnets.0.conv1", 8, 8, kernel=3)
dora["unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_magnitude_vector"] = randn(8).abs() + 0.4
dora["unet.down_blocks.0.resnets.0.conv1.lora_magnitude_vector"] = randn(1, 8, 1, 1).abs() + 0.6
by_diffusers("dora_peft", "sd15", dora)

# diffusers before PEFT.
block = "unet.down_blocks.0.attentions.0.transformer_blocks.0"
by_diffusers("processors", "sd15", pair(f"{block}.attn1.processor.to_q_lora", 8, 8, a="down.weight", b="up.weight")
             | pair(f"{block}.attn2.processor.to_v_lora", 8, 24, a="down.weight", b="up.weight")
             | pair(f"{block}.attn2.processor.to_out_lora", 8, 8, a="down.weight", b="up.weight")
             | pair("text_encoder.text_model.encoder.layers.0.mlp.fc1", 96, 24, a="lora_linear_layer.down.weight", b="lora_linear_layer.up.weight"))

# LoKr with diffusers' names: w1 whole, w2 of low rank.
by_diffusers("lokr_diffusers", "flux_dev", {f"transformer.transformer_blocks.0.attn.to_q.{k}": v for k, v in
             dict(lokr_w1=randn(4, 4), lokr_w2_a=randn(8, 2), lokr_w2_b=randn(2, 8)).items()})


def by_peft(case, config, names):
    """PEFT's own adapters on a UNet; the file is what get_peft_model_state_dict writes, its config travels beside it."""
    pipe = pipeline("sd15")
    before = weights(pipe)
    model = peft.inject_adapter_in_model(config, pipe.unet, adapter_name="x")
    for name, parameter in model.named_parameters():
        if ".x" in name and ("hada" in name or "lokr" in name): parameter.data = randn(*parameter.shape, size=1)
    pipe.unet.peft_config = {"x": config}
    tensors = {f"base_model.model.{k.replace('.x', '')}": v.clone() for k, v in model.state_dict().items() if "hada_" in k or "lokr_" in k}
    merge(pipe)
    settings = {k: (sorted(v) if isinstance(v, set) else v) for k, v in config.to_dict().items()}
    keep(case, "sd15", tensors, changed(before, weights(pipe)), 1, {"adapter_config.json": json.dumps(settings, default=str)}, by="PEFT")


NAMES = ["down_blocks.0.resnets.0.conv1", "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"]
by_peft("loha_peft", peft.LoHaConfig(r=2, alpha=3, target_modules=NAMES, use_effective_conv2d=True), NAMES)
by_peft("lokr_peft", peft.LoKrConfig(r=2, alpha=3, target_modules=NAMES, use_effective_conv2d=True, decompose_both=True, decompose_factor=4), NAMES)


def by_lycoris(case, kinds, scale, model="sd15"):
    """LyCORIS' modules on single layers, under kohya's names."""
    pipe = pipeline(model)
    core = getattr(pipe, "unet", None) or pipe.transformer
    part = "unet" if hasattr(pipe, "unet") else "transformer"
    tensors, want = {}, {}
    for name, make in kinds.items():
        layer = core.get_submodule(name)
        module = make(layer)
        with torch.no_grad():
            for key, value in module.named_parameters():
                if "org_module" in key: continue
                value.data = randn(*value.shape, size=1) + (1 if key in ("dora_scale", "rescale") else 0)
            state = module.custom_state_dict() if hasattr(module, "custom_state_dict") and module.custom_state_dict() else \
                {k: v for k, v in module.state_dict().items() if "org_module" not in k}
            weight, bias = module.get_merged_weight(multiplier=scale)
        key = f"lora_unet_{name.replace('.', '_')}"
        tensors |= {f"{key}.{k}": v.detach().clone() for k, v in state.items()}
        want[part, f"{name}.weight"] = weight.detach().reshape(layer.weight.shape)
        if bias is not None: want[part, f"{name}.bias"] = bias.detach()
    keep(case, model, tensors, want, scale, by="LyCORIS")


CONV, LINEAR, NORM = "down_blocks.2.resnets.0.conv1", "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v", "down_blocks.0.resnets.0.norm1"
SQUARE = "down_blocks.2.resnets.1.conv2"
new = lambda kind, *args, **options: lambda layer: kind("x", layer, 1.0, *args, **options)
by_lycoris("locon_tucker", {CONV: new(locon.LoConModule, 3, 2, use_tucker=True), LINEAR: new(locon.LoConModule, 3, 2)}, 0.8)
# Its LoHa multiplies by alpha / rank twice when merging, once when training: here that is 1, and another value in loha_peft.
by_lycoris("loha_tucker", {CONV: new(loha.LohaModule, 3, 3, use_tucker=True), LINEAR: new(loha.LohaModule, 3, 3)}, 0.8)
by_lycoris("dora_rows", {CONV: new(locon.LoConModule, 3, 2, weight_decompose=True, wd_on_out=True), LINEAR: new(loha.LohaModule, 3, 3, weight_decompose=True, wd_on_out=True)}, 1)
by_lycoris("dora_channels", {CONV: new(locon.LoConModule, 3, 2, weight_decompose=True, wd_on_out=False), LINEAR: new(locon.LoConModule, 3, 2, weight_decompose=True, wd_on_out=False)}, 1)
by_lycoris("oft", {CONV: new(diag_oft.DiagOFTModule, 4, constraint=0.05), LINEAR: new(diag_oft.DiagOFTModule, 4, rescaled=True)}, 0.8)
by_lycoris("boft", {SQUARE: new(boft.ButterflyOFTModule, 4), LINEAR: new(boft.ButterflyOFTModule, 2, constraint=0.1, rescaled=True)}, 0.8)
by_lycoris("glora", {CONV: new(glora.GLoRAModule, 3, 2), LINEAR: new(glora.GLoRAModule, 3, 2)}, 0.8)
by_lycoris("ia3", {CONV: new(ia3.IA3Module, train_on_input=True), LINEAR: new(ia3.IA3Module)}, 0.8)
by_lycoris("norm", {NORM: new(norms.NormModule)}, 0.8)

# LyCORIS' LoKr likewise; its function multiplies once.
pipe = pipeline("sd15")
tensors, want = {}, {}
for name, parts in {
    LINEAR: dict(lokr_w1_a=randn(2, 1, size=1), lokr_w1_b=randn(1, 4, size=1), lokr_w2_a=randn(4, 2, size=1), lokr_w2_b=randn(2, 6, size=1)),
    CONV: dict(lokr_w1=randn(4, 2, size=1), lokr_t2=randn(3, 3, 3, 3, size=1), lokr_w2_a=randn(3, 4, size=1), lokr_w2_b=randn(3, 4, size=1)),
    SQUARE: dict(lokr_w1=randn(4, 4, size=1), lokr_w2=randn(4, 4, 3, 3, size=1)),
}.items():
    w = {k: parts.get(f"lokr_{k}") for k in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")}
    one = w["w1"] if w["w1"] is not None else w["w1_a"] @ w["w1_b"]
    rank = next((m.shape[0] for m in (w["w2_b"], w["w1_b"]) if m is not None), None)
    two = w["w2"] if w["w2"] is not None else lokr_functional.rebuild_tucker(w["t2"], w["w2_a"], w["w2_b"]) if w["t2"] is not None else w["w2_a"] @ w["w2_b"]
    layer = pipe.unet.get_submodule(name)
    delta = lokr_functional.make_kron(one, two, 5.0 / rank if rank else 1).reshape(layer.weight.shape)
    key = f"lora_unet_{name.replace('.', '_')}"
    tensors |= {f"{key}.{k}": v for k, v in parts.items()} | {f"{key}.alpha": torch.tensor(5.0)}
    want["unet", f"{name}.weight"] = layer.weight.detach() + 0.8 * delta
keep("lokr", "sd15", tensors, want, 0.8, by="LyCORIS")

save_file(stored, f"{HERE}/variants.safetensors", {"cases": json.dumps(cases)})
print(os.path.getsize(f"{HERE}/variants.safetensors"), "bytes")
