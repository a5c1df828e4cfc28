"""GGUF files (version 3) with matrices in Q8_0: blocks of 32 values, each a byte times the block's f16 scale.

Half the size of f16 at an error of about half a per cent of a block's largest value. Layout: ggml's docs/gguf.md.
"""
import struct
import numpy as np
import torch

F32, Q8_0, ALIGN = 0, 8, 32


def quantise(matrix):
    """[rows, 32·n] f32 -> the bytes of its blocks."""
    x = matrix.detach().float().numpy().reshape(-1, 32)
    d = (np.abs(x).max(1) / 127).astype(np.float16)
    q = np.round(x / np.where(d == 0, 1, d).astype(np.float32)[:, None]).clip(-127, 127).astype(np.int8)
    return np.concatenate([d[:, None].view(np.uint8), q.view(np.uint8)], 1).tobytes()


def dequantise(raw, shape):
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, 34)
    d = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    return torch.from_numpy((blocks[:, 2:].view(np.int8) * d).reshape(shape))


def string(s):
    return struct.pack("<Q", len(s.encode())) + s.encode()


def save(path, tensors, name):
    """Matrices whose rows are whole blocks become Q8_0, everything else F32."""
    infos, body = b"", []
    at = 0
    for key, v in sorted(tensors.items()):
        quantised = v.ndim == 2 and v.shape[1] % 32 == 0
        raw = quantise(v) if quantised else v.detach().float().contiguous().numpy().tobytes()
        infos += (string(key) + struct.pack("<I", v.ndim) + struct.pack(f"<{v.ndim}Q", *reversed(v.shape))
                  + struct.pack("<IQ", Q8_0 if quantised else F32, at))
        raw += bytes(-len(raw) % ALIGN)
        body.append(raw)
        at += len(raw)
    keys = [("general.architecture", 8, string("flux")), ("general.name", 8, string(name)),
            ("general.alignment", 4, struct.pack("<I", ALIGN))]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    head += b"".join(string(k) + struct.pack("<I", kind) + value for k, kind, value in keys) + infos
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % ALIGN) + b"".join(body))


def load(path):
    """name -> f32 tensor, of a file that `save` wrote."""
    raw = open(path, "rb").read()
    at = 0

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, raw, at)
        at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def text():
        nonlocal at
        n = take("Q")
        at += n
        return raw[at - n:at].decode()

    if take("4s") != b"GGUF" or take("I") != 3:
        raise ValueError(f"{path} is not a GGUF file of version 3")
    count, keys = take("QQ")
    for _ in range(keys):
        text()
        text() if take("I") == 8 else take("I")
    infos = []
    for _ in range(count):
        name, n = text(), take("I")
        infos.append((name, [take("Q") for _ in range(n)][::-1], *take("IQ")))
    start = at + -at % ALIGN
    out = {}
    for name, shape, kind, offset in infos:
        n = int(np.prod(shape))
        size = n * 34 // 32 if kind == Q8_0 else n * 4
        part = raw[start + offset:start + offset + size]
        out[name] = dequantise(part, shape) if kind == Q8_0 else torch.from_numpy(np.frombuffer(part, np.float32).reshape(shape).copy())
    return out
