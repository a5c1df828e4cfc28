"""Makes quantised.safetensors: small weights in every scaled layout that is read, and the values that they stand for.

The layouts and the values are those of ComfyUI's own library (comfy-kitchen 0.2.40, its eager backend) and of
bitsandbytes 0.50.2, on the CPU:

    pip install torch safetensors comfy-kitchen bitsandbytes
    python make_quantised.py
"""

import json
from pathlib import Path

import bitsandbytes.functional as bnb
import torch
from comfy_kitchen.backends.eager import quantization as eager
from comfy_kitchen.tensor import TensorCoreMXFP8Layout, TensorCoreNVFP4Layout, TensorWiseINT8Layout
from safetensors.torch import save_file

# Rows at the edges of the tiles that block scales lie in.
ROWS = [0, 1, 31, 32, 33, 100, 127, 128, 129, 143]

torch.manual_seed(0)
stored: dict[str, torch.Tensor] = {}
values: dict[str, torch.Tensor] = {}


def note(layer: str, **config) -> None:
    stored[f"{layer}.comfy_quant"] = torch.tensor(list(json.dumps(config).encode()), dtype=torch.uint8)


def store(layer: str, weight: torch.Tensor, **beside: torch.Tensor) -> None:
    stored[f"{layer}.weight"] = weight
    for ending, tensor in beside.items():
        stored[f"{layer}.{ending}"] = tensor


data, p = TensorCoreNVFP4Layout.quantize(torch.randn(144, 96) * 0.02)
store("nvfp4", data, weight_scale=p.block_scale, weight_scale_2=p.scale)
note("nvfp4", format="nvfp4")
values["nvfp4"] = eager.dequantize_nvfp4(data, p.scale, p.block_scale, torch.float32)[ROWS]

data, p = TensorCoreMXFP8Layout.quantize(torch.randn(160, 64) * 0.02)
store("mxfp8", data, weight_scale=p.scale.view(torch.uint8))
note("mxfp8", format="mxfp8")
values["mxfp8"] = eager.dequantize_mxfp8(data, p.scale, torch.float32)[ROWS]

weight = torch.randn(8, 64)
data, p = TensorWiseINT8Layout.quantize(weight, is_weight=True, per_channel=True)
store("int8", data, weight_scale=p.scale)
note("int8", format="int8_tensorwise")
values["int8"] = eager.dequantize_int8_simple(data, p.scale)
rotation = {"convrot": True, "convrot_groupsize": 16}
data, p = TensorWiseINT8Layout.quantize(weight, is_weight=True, per_channel=True, **rotation)
store("rotated", data, weight_scale=p.scale)
note("rotated", format="int8_tensorwise", **rotation)
values["rotated"] = eager.dequantize_int8_convrot_weight(data, p.scale, 16)

for kind in ["nf4", "fp4"]:
    for nested in [False, True]:
        name = f"{kind}_nested" if nested else kind
        data, state = bnb.quantize_4bit(
            torch.randn(9, 39), quant_type=kind, compress_statistics=nested, blocksize=64
        )
        store(name, data)
        for key, tensor in state.as_dict(packed=True).items():
            stored[f"{name}.weight.{key}"] = tensor
        values[name] = bnb.dequantize_4bit(data, state).float()

weight = torch.randn(6, 10)
data, scales, _ = bnb.int8_vectorwise_quant(weight.half())
store("llm_int8", data, SCB=scales.float(), weight_format=torch.tensor(0, dtype=torch.uint8))
values["llm_int8"] = bnb.int8_vectorwise_dequant(data, scales.float()).float()

for name, dtype in [("fp8", torch.float8_e4m3fn), ("fp8_e5m2", torch.float8_e5m2)]:
    scale = weight.abs().max() / torch.finfo(dtype).max
    data = (weight / scale).to(dtype)
    store(name, data, scale_weight=scale.reshape(1), scale_input=torch.tensor(1.0))
    values[name] = data.float() * scale
stored["scaled_fp8"] = torch.empty(0, dtype=torch.float8_e4m3fn)

scale = weight.abs().amax(1, keepdim=True) / 448
data = (weight / scale).to(torch.float8_e4m3fn)
store("fp8_rows", data, weight_scale=scale, input_scale=torch.tensor(0.5))
values["fp8_rows"] = data.float() * scale

scale = torch.rand(2, 3) + 0.1
data = torch.randn(8, 12).to(torch.float8_e4m3fn)
store("fp8_blocks", data, weight_scale_inv=scale)
values["fp8_blocks"] = data.float() * scale.repeat_interleave(4, 0).repeat_interleave(4, 1)

store("plain", torch.ones(2, 2), bias=torch.zeros(2))

save_file(
    {k: v.contiguous() for k, v in [*stored.items(), *((f"out.{k}", v) for k, v in values.items())]},
    Path(__file__).with_name("quantised.safetensors"),
    {"rows": json.dumps(ROWS)},
)
