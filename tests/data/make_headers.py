"""Names and shapes of the released models' tensors, without weights: tests/data/headers.txt.gz.

Models are built on the meta device from their original configs. The sums of parameters are those that the models'
pages and papers give, so that a config remembered wrongly shows.

    python tests/data/make_headers.py
"""

import gzip
import json
import pathlib

import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel, SD3Transformer2DModel, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, T5Config, T5EncoderModel

FLUX = dict(
    attention_head_dim=128, guidance_embeds=True, in_channels=64, joint_attention_dim=4096, num_attention_heads=24,
    num_layers=19, num_single_layers=38, patch_size=1, pooled_projection_dim=768,
)
SD3 = dict(
    attention_head_dim=64, caption_projection_dim=1536, in_channels=16, joint_attention_dim=4096,
    num_attention_heads=24, num_layers=24, out_channels=16, patch_size=2, pooled_projection_dim=2048,
    pos_embed_max_size=192, sample_size=128,
)
UNET = dict(
    act_fn="silu", attention_head_dim=8, block_out_channels=[320, 640, 1280, 1280], center_input_sample=False,
    cross_attention_dim=768, downsample_padding=1, flip_sin_to_cos=True, freq_shift=0, in_channels=4,
    down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    layers_per_block=2, mid_block_scale_factor=1, norm_eps=1e-05, norm_num_groups=32, out_channels=4, sample_size=64,
    up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
)
SD2 = UNET | dict(
    attention_head_dim=[5, 10, 20, 20], cross_attention_dim=1024, use_linear_projection=True, sample_size=96
)
SDXL = UNET | dict(
    addition_embed_type="text_time", addition_time_embed_dim=256, attention_head_dim=[5, 10, 20],
    block_out_channels=[320, 640, 1280], cross_attention_dim=2048, projection_class_embeddings_input_dim=2816,
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], sample_size=128,
    transformer_layers_per_block=[1, 2, 10], use_linear_projection=True,
)
REFINER = SDXL | dict(
    attention_head_dim=[6, 12, 24, 24], block_out_channels=[384, 768, 1536, 1536], cross_attention_dim=1280,
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    projection_class_embeddings_input_dim=2560, transformer_layers_per_block=4,
)
VAE = dict(
    act_fn="silu", block_out_channels=[128, 256, 512, 512], down_block_types=["DownEncoderBlock2D"] * 4, in_channels=3,
    latent_channels=4, layers_per_block=2, norm_num_groups=32, out_channels=3, sample_size=512,
    up_block_types=["UpDecoderBlock2D"] * 4, scaling_factor=0.18215,
)
KL16 = VAE | dict(latent_channels=16, use_quant_conv=False, use_post_quant_conv=False)
CLIP_L = dict(
    hidden_size=768, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=12, hidden_act="quick_gelu",
    projection_dim=768, vocab_size=49408, max_position_embeddings=77,
)
CLIP_H = CLIP_L | dict(
    hidden_size=1024, intermediate_size=4096, num_attention_heads=16, num_hidden_layers=23, hidden_act="gelu",
    projection_dim=512,
)
CLIP_G = CLIP_L | dict(
    hidden_size=1280, intermediate_size=5120, num_attention_heads=20, num_hidden_layers=32, hidden_act="gelu",
    projection_dim=1280,
)
T5 = dict(
    d_ff=10240, d_kv=64, d_model=4096, feed_forward_proj="gated-gelu", layer_norm_epsilon=1e-06, num_heads=64,
    num_layers=24, relative_attention_max_distance=128, relative_attention_num_buckets=32, vocab_size=32128,
)


def clip(config, kind=CLIPTextModel):
    return lambda: kind(CLIPTextConfig(**config))


MODELS = {
    "flux-dev": (FLUX, lambda c: FluxTransformer2DModel(**c), 11_901_408_320),
    "flux-schnell": (FLUX | dict(guidance_embeds=False), lambda c: FluxTransformer2DModel(**c), 11_891_178_560),
    "flux-fill": (FLUX | dict(in_channels=384, out_channels=64), lambda c: FluxTransformer2DModel(**c), None),
    "sd3-medium": (SD3, lambda c: SD3Transformer2DModel(**c), 2_028_328_000),
    "sd3.5-medium": (
        SD3 | dict(dual_attention_layers=list(range(13)), pos_embed_max_size=384, qk_norm="rms_norm"),
        lambda c: SD3Transformer2DModel(**c), None,
    ),
    "sd3.5-large": (
        SD3 | dict(caption_projection_dim=2432, num_attention_heads=38, num_layers=38, qk_norm="rms_norm"),
        lambda c: SD3Transformer2DModel(**c), 8_056_627_520,
    ),
    "sd15": (UNET, lambda c: UNet2DConditionModel(**c), 859_520_964),
    "sd15-inpainting": (UNET | dict(in_channels=9), lambda c: UNet2DConditionModel(**c), 859_535_364),
    "sd21": (SD2, lambda c: UNet2DConditionModel(**c), 865_910_724),
    "sdxl": (SDXL, lambda c: UNet2DConditionModel(**c), 2_567_463_684),
    "sdxl-refiner": (REFINER, lambda c: UNet2DConditionModel(**c), None),
    "kl4": (VAE, lambda c: AutoencoderKL(**c), 83_653_863),
    "kl16": (KL16, lambda c: AutoencoderKL(**c), 83_819_683),
    "clip-l": (CLIP_L, lambda c: CLIPTextModel(CLIPTextConfig(**c)), 123_060_480),
    "clip-l-projected": (CLIP_L, lambda c: CLIPTextModelWithProjection(CLIPTextConfig(**c)), 123_650_304),
    "clip-h": (CLIP_H, lambda c: CLIPTextModel(CLIPTextConfig(**c)), 340_387_840),
    "clip-g": (CLIP_G, lambda c: CLIPTextModelWithProjection(CLIPTextConfig(**c)), 694_659_840),
    "t5xxl": (T5, lambda c: T5EncoderModel(T5Config(**c)), 4_762_310_656),
}


def lines():
    for name, (config, build, parameters) in MODELS.items():
        with torch.device("meta"):
            model = build(config)
        count = sum(p.numel() for p in model.parameters())
        print(name, f"{count:_}", "" if parameters in (None, count) else f"EXPECTED {parameters:_}")
        yield f"{name} {json.dumps(config)}"
        for tensor, value in model.state_dict().items():
            # transformers 5 leaves the wrapper out; every released file has it.
            if isinstance(model, CLIPTextModel) and not tensor.startswith("text_model."):
                tensor = f"text_model.{tensor}"
            if tensor == "encoder.embed_tokens.weight":
                continue
            yield f"  {tensor} {','.join(map(str, value.shape))}"


text = "\n".join(lines()) + "\n"
out = pathlib.Path(__file__).parent / "headers.txt.gz"
out.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
print(len(text), out.stat().st_size)
