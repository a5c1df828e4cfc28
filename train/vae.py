"""Trains the VAE: diffusers' AutoencoderKL, 16 channels, 8×.

Loss on crops of scenes at 128², 256² and 512²: L1, MSE, L1 of gradients (edges), MSE of 8×8 areas, a small KL, and scale equivariance
(EQ-VAE, arXiv 2502.09509): a quarter of the steps decode *shrunken* latents to the shrunken picture, which makes latents enlargeable and
easy to denoise. Normalisation and SiLU are one compiled pass each way (`NormSilu`): torch's own takes half of a step in bf16.
"""
import functools, os, random, sys, time
import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
import data, loop

CHANNELS = (32, 48, 64, 96)
GROUPS = 8


def build():
    return AutoencoderKL(in_channels=3, out_channels=3, latent_channels=16, block_out_channels=CHANNELS,
                         layers_per_block=1, norm_num_groups=GROUPS, mid_block_add_attention=False,
                         use_quant_conv=False, use_post_quant_conv=False,
                         down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
                         sample_size=256)


torch._dynamo.config.recompile_limit = 64  # one program for every shape
compiled = torch.compile(dynamic=False)


@compiled
def sums(x):
    h = x.float()
    return h.sum(1), (h * h).sum(1)


@compiled
def activate(x, a, d):
    return F.silu(x.float() * a[:, None] + d[:, None]).to(x.dtype)


def slope(g, x, a, d):
    y = x.float() * a[:, None] + d[:, None]
    s = torch.sigmoid(y)
    return g.float() * (s * (1 + y * (1 - s)))


@compiled
def slopes(g, x, a, d):
    gy = slope(g, x, a, d)
    return gy.sum(1), (gy * x.float()).sum(1)


@compiled
def back(g, x, a, d, p, q):
    return (a[:, None] * slope(g, x, a, d) + p[:, None] * x.float() + q[:, None]).to(x.dtype)


class NormSilu(torch.autograd.Function):
    """silu(group_norm(x)) of channels-last pictures: statistics by channel, added up by group; everything else is a·x + d by channel."""

    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps):
        B, C, H, W = x.shape
        flat = x.permute(0, 2, 3, 1).reshape(B, H * W, C)
        n, each = H * W * C // groups, C // groups
        s1, s2 = sums(flat)
        m = s1.view(B, groups, each).sum(2) / n
        r = torch.rsqrt((s2.view(B, groups, each).sum(2) / n - m * m).clamp(min=0) + eps)
        m, r = m.repeat_interleave(each, 1), r.repeat_interleave(each, 1)
        a = r * weight
        d = bias - m * a
        ctx.save_for_backward(flat, weight, m, r, a, d)
        ctx.groups = groups
        return activate(flat, a, d).view(B, H, W, C).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, g):
        flat, weight, m, r, a, d = ctx.saved_tensors
        B, C, H, W = g.shape
        each, n = C // ctx.groups, H * W * C // ctx.groups
        g = g.permute(0, 2, 3, 1).reshape(B, H * W, C)
        sg, sgx = slopes(g, flat, a, d)
        sgh = (sgx - m * sg) * r
        mean = lambda t: (t.view(B, ctx.groups, each).sum(2) / n).repeat_interleave(each, 1)
        p, q = mean(sg * weight), mean(sgh * weight)
        dx = back(g, flat, a, d, -r * r * q, r * (r * q * m - p))
        return dx.view(B, H, W, C).permute(0, 3, 1, 2), sgh.sum(0), sg.sum(0), None, None


def norm_silu(norm, x):
    return NormSilu.apply(x, norm.weight, norm.bias, norm.num_groups, norm.eps)


def fast(vae):
    """The same network with the fused pass, for training on a processor. Weights and their names stay."""
    def forward(self, x, temb=None):
        h = self.conv1(norm_silu(self.norm1, x))
        h = self.conv2(norm_silu(self.norm2, h))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + h

    if loop.DEVICE.type == "cpu" and not loop.SMOKE:  # compiling takes longer than a smoke test
        for m in vae.modules():
            if isinstance(m, ResnetBlock2D):
                m.forward = forward.__get__(m)
        for end in (vae.encoder, vae.decoder):
            end.conv_norm_out.forward = norm_silu.__get__(end.conv_norm_out)
            end.conv_act = nn.Identity()
    return vae.to(loop.DEVICE).to(memory_format=torch.channels_last)


def gradients(x):
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


def loss_of(x, y):
    """Per sample, [B]."""
    each = lambda t: t.flatten(1).mean(1)
    e = each((x - y).abs()) + 2 * each((x - y) ** 2)
    return e + sum(each((a - b).abs()) for a, b in zip(gradients(x), gradients(y))) + 4 * each((F.avg_pool2d(y, 8) - F.avg_pool2d(x, 8)) ** 2)


class Pool:
    """Scenes drawn ahead at three sizes; batches are crops of them, slowly refreshed, rather where there is something to see."""

    def __init__(self, seed, count=240):
        self.scenes = data.Scenes(seed)
        count = 24 if loop.SMOKE else count
        self.pool = {side: [self.draw(side) for _ in range(n)] for side, n in ((128, count // 2), (256, count), (512, count // 4))}

    def draw(self, side):
        return ((self.scenes.draw(self.scenes.spec(), side, 0.1) + 1) * 127.5).round().byte()

    def batch(self, n, side):
        out = []
        for _ in range(n):
            size = random.choice((128, 256, 256, 256, 512))
            pool = self.pool[size]
            i = random.randrange(len(pool))
            if random.random() < 0.05:
                pool[i] = self.draw(size)
            crops = []
            for _ in range(3):
                y, x = random.randrange(size - side + 1), random.randrange(size - side + 1)
                crops.append(pool[i][:, y:y + side, x:x + side])
            out.append(max(crops, key=lambda c: c[:, ::4, ::4].float().std()) if random.random() < 0.7 else crops[0])
        x = torch.stack(out)
        return x.flip(3) if random.random() < 0.5 else x


def batches(seed, n, side):
    pool = Pool(seed, 240 if loop.DEVICE.type == "cpu" else 60)
    while True:
        yield pool.batch(n, side)


def objective(vae, x, shrink):
    """Loss of pictures x [B, 3, n, n]; `shrink`: of the halved picture from the halved latents."""
    d = vae.encode(x).latent_dist
    mean, logvar = d.mean.float(), d.logvar.float()
    z = mean + (0.5 * logvar).exp() * torch.randn_like(mean)
    kl = 0.5 * (mean ** 2 + logvar.exp() - 1 - logvar).mean()
    if shrink:
        z, x = F.avg_pool2d(z, 2), F.avg_pool2d(x, 2)
    y = vae.decode(z.contiguous(memory_format=torch.channels_last)).sample.float()
    return loss_of(x, y).mean() + 1e-4 * kl, y


@torch.no_grad()
def psnr(vae, n=32, side=256, seed=99):
    """Decibels over unseen composites: scenes of two things side by side, whose combination training never shows."""
    scenes, total = data.Scenes(seed, unseen=True), []
    while len(total) < n:
        s = scenes.spec()
        if len(s["things"]) != 2 or scenes.allowed(s):
            continue
        x = scenes.draw(s, side)[None].to(loop.DEVICE).contiguous(memory_format=torch.channels_last)
        y = vae.decode(vae.encode(x).latent_dist.mode()).sample.clamp(-1, 1)
        total.append(-10 * torch.log10((x - y).square().mean() / 4).item())
    return sum(total) / n


def load():
    """The averaged VAE, frozen, f32."""
    v = build()
    v.load_state_dict(loop.weights_of("vae")["average"])
    return fast(v).eval().requires_grad_(False)


def main(minutes, muon=0.02, adam=2e-3):
    run = loop.Loop("vae", minutes)
    vae = build()
    if run.state:
        vae.load_state_dict(run.state["model"])
    vae = fast(vae)
    average = loop.Average(vae, 0.998, run.state and run.state["average"])
    fast(average.module)
    opts = loop.optimizers(vae, muon, adam)
    rates = loop.Rates(opts, run.state)
    print(f"VAE: {sum(p.numel() for p in vae.parameters()) / 1e6:.2f} M", flush=True)
    batch, side = (2, 64) if loop.SMOKE else (8, 128) if loop.DEVICE.type == "cpu" else (96, 128)
    feed = loop.Feed.of(functools.partial(batches, n=batch, side=side), run.step + 1)
    while True:
        share = run.share()
        rates.set(run.rate(share))
        x = (next(feed).to(loop.DEVICE).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(loop.DEVICE.type, torch.bfloat16):
            loss, _ = objective(vae, x, random.random() < 0.25)
        for o in opts:
            o.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        for o in opts:
            o.step()
        average.update(vae)
        run.note(loss=loss.item())
        if run.due() or share >= 1:
            p = psnr(average.module, 2 if loop.SMOKE else 24)
            run.save(vae.state_dict(), average.state_dict(), opts, psnr=p)
            print(f"vae: saved at {run.step}, {p:.2f} dB on unseen composites", flush=True)
        if share >= 1:
            return


if __name__ == "__main__":
    main(*map(float, sys.argv[1:4]))
