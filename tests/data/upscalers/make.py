"""Reference pictures of RRDBNet and SRVGGNetCompact, computed by PyTorch. Run: python3 make.py > expected.json

Structure: ESRGAN (arXiv 1809.00219), Real-ESRGAN (arXiv 2107.10833). The weights and the picture come from a formula that
tests/models_rrdbnet_test.ts repeats, so that only the results are stored.
"""

import base64
import json

import numpy as np
import torch
import torch.nn.functional as F


class Numbers:
    """A linear congruential generator: the same numbers in Python and TypeScript."""

    def __init__(self, seed):
        self.state = seed

    def take(self, n, scale):
        out = np.empty(n, np.float64)
        for i in range(n):
            self.state = (self.state * 1664525 + 1013904223) % 2**32
            out[i] = (self.state / 2**32 - 0.5) * 2 * scale
        return torch.from_numpy(out.astype(np.float32))


def conv(numbers, weights, name, co, ci):
    weights[name + ".weight"] = numbers.take(co * ci * 9, (3 / (ci * 9)) ** 0.5).reshape(co, ci, 3, 3)
    weights[name + ".bias"] = numbers.take(co, 0.1)


def rrdbnet_weights(features, growth, blocks, unshuffle):
    n, w = Numbers(7), {}
    conv(n, w, "conv_first", features, 3 * unshuffle**2)
    for i in range(blocks):
        for j in (1, 2, 3):
            for k in range(1, 6):
                co = features if k == 5 else growth
                conv(n, w, f"body.{i}.rdb{j}.conv{k}", co, features + (k - 1) * growth)
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        conv(n, w, name, features, features)
    conv(n, w, "conv_last", 3, features)
    return w


def rrdbnet(w, x, blocks, unshuffle):
    def c(name, x):
        return F.conv2d(x, w[name + ".weight"], w[name + ".bias"], padding=1)

    def act(x):
        return F.leaky_relu(x, 0.2)

    h, wd = x.shape[2:]
    ph, pw = -h % unshuffle, -wd % unshuffle
    x = F.pad(x, (0, pw, 0, ph), "reflect")
    first = c("conv_first", F.pixel_unshuffle(x, unshuffle))
    y = first
    for i in range(blocks):
        block = y
        for j in (1, 2, 3):
            parts = [y]
            for k in range(1, 5):
                parts.append(act(c(f"body.{i}.rdb{j}.conv{k}", torch.cat(parts, 1))))
            y = y + 0.2 * c(f"body.{i}.rdb{j}.conv5", torch.cat(parts, 1))
        y = block + 0.2 * y
    y = first + c("conv_body", y)
    for name in ("conv_up1", "conv_up2"):
        y = act(c(name, F.interpolate(y, scale_factor=2, mode="nearest")))
    y = c("conv_last", act(c("conv_hr", y)))
    s = 4 // unshuffle
    return y[:, :, : h * s, : wd * s]


def srvgg_weights(features, convs, scale):
    n, w = Numbers(7), {}
    at = 0
    for i in range(convs + 1):
        conv(n, w, f"body.{at}", features, 3 if i == 0 else features)
        w[f"body.{at + 1}.weight"] = n.take(features, 0.5)
        at += 2
    conv(n, w, f"body.{at}", 3 * scale**2, features)
    return w


def srvgg(w, x, convs, scale):
    y = x
    for i in range(0, 2 * convs + 2, 2):
        y = F.prelu(F.conv2d(y, w[f"body.{i}.weight"], w[f"body.{i}.bias"], padding=1), w[f"body.{i + 1}.weight"])
    i = 2 * convs + 2
    y = F.conv2d(y, w[f"body.{i}.weight"], w[f"body.{i}.bias"], padding=1)
    return F.pixel_shuffle(y, scale) + F.interpolate(x, scale_factor=scale, mode="nearest")


def picture(h, w):
    """Bytes, as a picture has them: [h, w, 3]."""
    return ((Numbers(3).take(h * w * 3, 0.5) + 0.5) * 255).floor()


def stored(y):
    data = y[0].permute(1, 2, 0).contiguous().numpy().astype("<f4")
    return {"height": data.shape[0], "width": data.shape[1], "data": base64.b64encode(data.tobytes()).decode()}


h, w = 7, 5
x = (picture(h, w) / 255).reshape(1, h, w, 3).permute(0, 3, 1, 2)
print(json.dumps({
    "x4": stored(rrdbnet(rrdbnet_weights(8, 4, 2, 1), x, 2, 1)),
    "x2": stored(rrdbnet(rrdbnet_weights(8, 4, 1, 2), x, 1, 2)),
    "srvgg": stored(srvgg(srvgg_weights(8, 3, 3), x, 3, 3)),
}))
