"""GGUF files (version 3) with matrices in Q8_0, Q6_K or Q5_0, under diffusers' names. Layouts: ggml's block structures.

Q8_0: 32 values, a byte each, times an f16 scale: 8.5 bits a value. Q6_K: 256 values of 6 bits in 16 groups, each with a byte of scale, times
an f16: 6.56 bits. Q5_0: 32 values of 5 bits times an f16: 5.5 bits. Scales of the last two are searched for the least squared error.
"""
import struct
import numpy as np
import torch

ALIGN = 32
TYPES = {"F32": (0, 1, 4), "Q5_0": (6, 32, 22), "Q8_0": (8, 32, 34), "Q6_K": (14, 256, 210)}  # ggml's number, values and bytes of a block


def levels(x, top, bottom, tries=9):
    """x [blocks, n] → (scale [blocks], whole numbers in bottom..top) of least squared error. The largest value may meet either end."""
    best, error = None, np.full(len(x), np.inf, np.float32)
    i = np.abs(x).argmax(1)
    peak = x[np.arange(len(x)), i]
    for k in range(tries):
        # From the value that would just reach the lowest level to one that lets the largest be cut off a little.
        d = peak / (bottom * (1.04 - 0.03 * k))
        q = np.clip(np.round(x / np.where(d == 0, 1, d)[:, None]), bottom, top)
        d = np.where((q * q).sum(1) > 0, (x * q).sum(1) / np.maximum((q * q).sum(1), 1e-9), d).astype(np.float32)
        e = ((q * d[:, None] - x) ** 2).sum(1)
        if best is None:
            best = (d.copy(), q.copy())
        better = e < error
        best[0][better], best[1][better] = d[better], q[better]
        error = np.minimum(error, e)
    return best


def quantise(matrix, kind):
    """[rows, columns] f32 → the bytes of its blocks."""
    _, values, _ = TYPES[kind]
    x = matrix.detach().float().cpu().numpy().reshape(-1, values)
    if kind == "Q8_0":
        d = (np.abs(x).max(1) / 127).astype(np.float16)
        q = np.round(x / np.where(d == 0, 1, d).astype(np.float32)[:, None]).clip(-127, 127).astype(np.int8)
        return np.concatenate([d[:, None].view(np.uint8), q.view(np.uint8)], 1).tobytes()
    if kind == "Q5_0":
        d, _ = levels(x, 15, -16)
        d = d.astype(np.float16)
        f = d.astype(np.float32)
        q = (np.clip(np.round(x / np.where(f == 0, 1, f)[:, None]), -16, 15) + 16).astype(np.uint32)
        high = ((q >> 4) << np.arange(32, dtype=np.uint32)).sum(1, dtype=np.uint32)
        low = (q[:, :16] & 15) | ((q[:, 16:] & 15) << 4)
        return np.concatenate([d[:, None].view(np.uint8), high[:, None].view(np.uint8), low.astype(np.uint8)], 1).tobytes()
    # Q6_K: scales of the 16 groups are whole multiples of the block's.
    d, _ = levels(x.reshape(-1, 16), 31, -32)
    d = d.reshape(-1, 16)
    peak = d[np.arange(len(d)), np.abs(d).argmax(1)]
    whole = (peak / -128).astype(np.float16)
    f = whole.astype(np.float32)
    scales = np.clip(np.round(d / np.where(f == 0, 1, f)[:, None]), -128, 127)
    step = scales * f[:, None]
    q = (np.clip(np.round(x.reshape(-1, 16, 16) / np.where(step == 0, 1, step)[..., None]), -32, 31) + 32).astype(np.uint8).reshape(-1, 2, 4, 32)
    ql = np.stack([(q[:, :, 0] & 15) | ((q[:, :, 2] & 15) << 4), (q[:, :, 1] & 15) | ((q[:, :, 3] & 15) << 4)], 2)
    qh = (q[:, :, 0] >> 4) | ((q[:, :, 1] >> 4) << 2) | ((q[:, :, 2] >> 4) << 4) | ((q[:, :, 3] >> 4) << 6)
    return np.concatenate([ql.reshape(-1, 128), qh.reshape(-1, 64), scales.astype(np.int8).view(np.uint8), whole[:, None].view(np.uint8)], 1).tobytes()


def dequantise(raw, shape, kind):
    """The bytes of blocks → f32 of a shape."""
    _, values, size = TYPES[kind]
    b = np.frombuffer(raw, np.uint8).reshape(-1, size)
    half = lambda x: x.copy().view(np.float16).astype(np.float32)
    if kind == "Q8_0":
        x = half(b[:, :2]) * b[:, 2:].view(np.int8)
    elif kind == "Q5_0":
        high = (b[:, 2:6].copy().view(np.uint32) >> np.arange(32, dtype=np.uint32)) & 1
        low = np.concatenate([b[:, 6:] & 15, b[:, 6:] >> 4], 1)
        x = half(b[:, :2]) * ((low | (high << 4)).astype(np.float32) - 16)
    else:
        ql, qh = b[:, :128].reshape(-1, 2, 2, 32), b[:, 128:192].reshape(-1, 2, 32)
        q = np.stack([(ql[:, :, 0] & 15) | ((qh & 3) << 4), (ql[:, :, 1] & 15) | (((qh >> 2) & 3) << 4), (ql[:, :, 0] >> 4) | (((qh >> 4) & 3) << 4),
                      (ql[:, :, 1] >> 4) | ((qh >> 6) << 4)], 2).astype(np.float32) - 32
        x = q.reshape(-1, 16, 16) * (half(b[:, 208:]) * b[:, 192:208].view(np.int8))[..., None]
    return torch.from_numpy(np.ascontiguousarray(x.reshape(shape)))


def kinds_of(v, kind):
    """Of `kind` and Q8_0 those whose blocks the rows of `v` are made of."""
    return [k for k in (kind, "Q8_0") if v.ndim == 2 and v.shape[1] % TYPES[k][1] == 0]


def rounded(v, kind):
    """What a reader gets of `v` in `kind`."""
    return dequantise(quantise(v, kind), v.shape, kind)


def string(s):
    return struct.pack("<Q", len(s.encode())) + s.encode()


def save(path, tensors, name, kind="Q8_0", architecture="flux"):
    """Matrices whose rows are whole blocks become `kind`, or what `kind` has under their names (those whose rows are not, Q8_0), everything else F32."""
    infos, body = b"", []
    at = 0
    for key, v in sorted(tensors.items()):
        fits = kinds_of(v, kind if isinstance(kind, str) else kind.get(key, "Q8_0"))
        raw = quantise(v, fits[0]) if fits else v.detach().float().cpu().contiguous().numpy().tobytes()
        infos += (string(key) + struct.pack("<I", v.ndim) + struct.pack(f"<{v.ndim}Q", *reversed(v.shape))
                  + struct.pack("<IQ", TYPES[fits[0] if fits else "F32"][0], at))
        raw += bytes(-len(raw) % ALIGN)
        body.append(raw)
        at += len(raw)
    keys = [("general.architecture", 8, string(architecture)), ("general.name", 8, string(name)),
            ("general.alignment", 4, struct.pack("<I", ALIGN))]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    head += b"".join(string(k) + struct.pack("<I", kind) + value for k, kind, value in keys) + infos
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % ALIGN) + b"".join(body))


def parts(raw, path):
    """(name, shape, kind, first byte, bytes) of every tensor of a file that `save` wrote."""
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
    for name, shape, kind, offset in infos:
        word = next(k for k, t in TYPES.items() if t[0] == kind)
        yield name, shape, word, start + offset, int(np.prod(shape)) // TYPES[word][1] * TYPES[word][2]


def read(raw, shape, kind):
    """The bytes of a tensor → f32."""
    return dequantise(raw, shape, kind) if kind != "F32" else torch.from_numpy(np.frombuffer(raw, np.float32).reshape(shape).copy())


def load(path):
    """name -> f32 tensor, of a file that `save` wrote."""
    raw = open(path, "rb").read()
    return {name: read(raw[at:at + size], shape, kind) for name, shape, kind, at, size in parts(raw, path)}


def replaced(path, tensors):
    """(bytes, names): a file that `save` wrote, with those tensors that differ from what it says, each in the kind it has there; which they are.

    The bytes of the others stay: quantising what was read gives other bytes, and the history of a repository would hold them all again.
    """
    raw = open(path, "rb").read()
    out, names = bytearray(raw), []
    for name, shape, kind, at, size in parts(raw, path):
        v = tensors[name].detach().float().cpu()
        if not torch.equal(v, read(raw[at:at + size], shape, kind)):
            out[at:at + size] = quantise(v, kind) if kind != "F32" else v.contiguous().numpy().tobytes()
            names.append(name)
    return bytes(out), names


if __name__ == "__main__":
    x = torch.randn(64, 512) * torch.rand(64, 1)
    for kind in ("Q8_0", "Q6_K", "Q5_0"):
        save("/tmp/quantised.gguf", dict(x=x, y=x[:, :40], z=x[0]), "test", kind)
        y = load("/tmp/quantised.gguf")["x"]
        print(kind, f"{TYPES[kind][2] * 8 / TYPES[kind][1]:.2f} bits, off by {((y - x).square().mean() / x.square().mean()).sqrt():.4f}")
