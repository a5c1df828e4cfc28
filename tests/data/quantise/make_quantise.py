"""Records what ggml's reference quantisers write: expected.safetensors, one U8 tensor a type, of the values in `values`.

    python3 make_quantise.py LIBRARY

LIBRARY is a shared library of ggml's C files (ggml.c, ggml-quants.c and what they need) built with -ffp-contract=off,
so that no multiply-add is fused. Taken with ggml of November 2026.
"""
import ctypes, sys
import numpy as np
from safetensors.numpy import save_file

TYPES = {"Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10, "Q3_K": 11, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14}

ggml = ctypes.CDLL(sys.argv[1])
ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]

g = np.random.default_rng(0)
N = 256
values = np.concatenate([
    g.standard_normal(2 * N) * 0.02,                 # weights
    g.standard_t(2, 2 * N) * 0.05,                   # outliers
    np.abs(g.standard_normal(N)),                    # one sign
    np.full(N, -0.7),                                # constant
    np.round(g.standard_normal(N) * 3),              # ties
    g.standard_normal(N) * 1e-6,                     # below f16's normal numbers
    np.where(g.random(N) < 0.9, 0, g.standard_normal(N)),
    np.concatenate([np.zeros(N // 2), g.standard_normal(N // 2) * 1e-18]),
]).astype(np.float32)
out = {"values": values}
for name, number in TYPES.items():
    bytes_ = np.zeros(4 * values.size, np.uint8)
    n = ggml.ggml_quantize_chunk(number, values.ctypes.data, bytes_.ctypes.data, 0, values.size // N, N, None)
    out[name] = bytes_[:n].copy()
save_file(out, "expected.safetensors")
