"""Makes gguf_types.safetensors: blocks of random bits in the tensor types of ggml that tests/golden has not, and the
values that the gguf package (0.19.0) computes from them.

    pip install gguf safetensors
    python make_gguf_types.py
"""

from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file

BLOCKS = 4
# Where a block has numbers in f16, which random bits would make infinite.
HALVES = {"IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64], "MXFP4": [], "NVFP4": []}

random = np.random.default_rng(0)
tensors = {}
for name, halves in HALVES.items():
    kind = gguf.GGMLQuantizationType[name]
    _, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for at in halves:
        blocks[:, at : at + 2] = random.normal(0, 0.1, (BLOCKS, 1)).astype(np.float16).view(np.uint8)
    if name == "MXFP4":
        blocks[:, 0] = [0, 1, 120, 130]
    tensors[name] = blocks
    tensors[f"out.{name}"] = gguf.quants.dequantize(blocks, kind).astype(np.float32).reshape(-1)
save_file(tensors, Path(__file__).with_name("gguf_types.safetensors"))
