"""Trains a latent upsampler, in the layout of LSSGen's released checkpoints.

    upsampler.py --vae DIR --images DIR [--out DIR] [--minutes N] [--side 512] [--residual]     for any diffusers AutoencoderKL
    upsampler.py MINUTES [residual]                                                           the embedded model's own, on scenes (train/run.py)

Pairs are the latents of one picture at s and at 2s, both normalised as the denoiser sees them. Loss: MSE between latents, and on half of
the steps L1 between a crop decoded from the prediction and the picture itself. Half of the inputs carry a little noise, because a
denoiser's latents are never exactly an encoder's. What is printed: MSE of latents and PSNR of decoded pictures on pairs that training
never saw, against bicubic, bilinear and nearest latents, and against growing the decoded picture (pixel).
"""
import argparse, copy, glob, json, math, os, random, sys, time
import torch
import torch.nn as nn
import torch.nn.functional as F
import loop

# Few groups: with one channel in each (32 of 32) the norm would take the mean, and so the background's colour, away.
CONFIG = dict(in_channels=16, out_channels=16, block_out_channels=[64, 32], strides=[2, 1], is_up_samples=[True, False],
              norm_num_groups=4, act_fn="silu", interpolate="bilinear")
# At no more cost: 341 thousand multiplications for each small latent, where the above has 363.
RESIDUAL = dict(in_channels=16, out_channels=16, width=64, num_blocks=4, act_fn="silu")
CROP = 16  # side of a decoded crop, in latents


class Block(nn.Module):
    def __init__(self, ci, co, grow, c):
        super().__init__()
        self.grow, self.mode = grow, c["interpolate"]
        self.norm1 = nn.GroupNorm(c["norm_num_groups"], ci, eps=1e-6)
        self.conv1 = nn.ConvTranspose2d(ci, co, 4, 2, 1) if grow else nn.Conv2d(ci, co, 3, padding=1)
        self.norm2 = nn.GroupNorm(c["norm_num_groups"], co, eps=1e-6)
        self.conv2 = nn.Conv2d(co, co, 3, padding=1)
        self.skip_proj = nn.Conv2d(ci, co, 1) if ci != co else nn.Identity()

    def forward(self, x):
        h = F.silu(self.conv1(self.norm1(x)))
        h = F.silu(self.conv2(self.norm2(h)))
        skip = self.skip_proj(x)
        return h + (F.interpolate(skip, scale_factor=2, mode=self.mode) if self.grow else skip)


class LatentUpSampler(nn.Module):
    """Normalised latents [B, C, h, w] -> [B, C, 2h, 2w]."""

    def __init__(self, c=CONFIG):
        super().__init__()
        widths = c["block_out_channels"]
        self.conv_in = nn.Conv2d(c["in_channels"], widths[0], 3, padding=1)
        self.up_blocks = nn.ModuleList(
            Block(widths[max(0, i - 1)], w, up and s == 2, c)
            for i, (w, s, up) in enumerate(zip(widths, c["strides"], c["is_up_samples"])))
        self.norm_out = nn.GroupNorm(c["norm_num_groups"], widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], c["out_channels"], 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for b in self.up_blocks:
            x = b(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class ResidualBlock(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(w, w, 3, padding=1), nn.Conv2d(w, w, 3, padding=1)

    def forward(self, x):
        return x + self.conv2(F.silu(self.conv1(x)))


class LatentResidualUpSampler(nn.Module):
    """What is added to bicubic growth, found at the small size, by the noise level that the next stage begins with: ours."""

    def __init__(self, c=RESIDUAL):
        super().__init__()
        C, w = c["in_channels"], c["width"]
        self.conv_in = nn.Conv2d(C, w, 3, padding=1)
        self.noise = nn.Parameter(torch.zeros(w))
        self.blocks = nn.ModuleList(ResidualBlock(w) for _ in range(c["num_blocks"]))
        self.conv_out = nn.Conv2d(w, 4 * C, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, x, level=0.55):
        """x [B, C, h, w], level a number or [B, 1, 1, 1] -> [B, C, 2h, 2w]."""
        y = self.conv_in(x) + level * self.noise.view(1, -1, 1, 1)
        for b in self.blocks:
            y = b(y)
        return F.interpolate(x, scale_factor=2, mode="bicubic") + F.pixel_shuffle(self.conv_out(y), 2)


def build(config):
    return LatentResidualUpSampler(config) if "num_blocks" in config else LatentUpSampler(config)


class Scenes:
    """Pictures of train/data.py, [3, side, side] in -1..1."""

    def __init__(self, seed, unseen=False):
        import data
        self.scenes = data.Scenes(seed, unseen)

    def __call__(self, side):
        return self.scenes.draw(self.scenes.spec(), side, 0.05)


class Folder:
    """Random crops of a folder's pictures, reduced by up to two."""

    def __init__(self, path, seed):
        self.files = sorted(f for e in ("png", "jpg", "jpeg", "webp") for f in glob.glob(f"{path}/**/*.{e}", recursive=True))
        if not self.files:
            raise SystemExit(f"{path}: no PNG, JPEG or WebP files")
        # The last tenth is kept for the test (seed < 0), where there are enough.
        n = max(1, len(self.files) // 10)
        self.files = self.files if len(self.files) < 10 else self.files[-n:] if seed < 0 else self.files[:-n]
        self.random = random.Random(seed)

    def __call__(self, side):
        import numpy as np
        from PIL import Image
        x = Image.open(self.random.choice(self.files)).convert("RGB")
        least = side / min(x.size)
        f = max(least, min(1, 0.5 + 0.5 * self.random.random()))
        x = x.resize((max(side, round(x.width * f)), max(side, round(x.height * f))), Image.LANCZOS)
        i, j = self.random.randrange(x.width - side + 1), self.random.randrange(x.height - side + 1)
        return torch.from_numpy(np.asarray(x.crop((i, j, i + side, j + side))).copy()).permute(2, 0, 1).float() / 127.5 - 1


class Pairs:
    """Rows (latents at s, latents at 2s, picture at 2s as bytes) by the larger side; latents not yet normalised."""

    def __init__(self, vae, pictures, counts):
        self.vae, self.pictures = vae, pictures
        self.sets = {side: [self.encode(side) for _ in range(n)] for side, n in counts.items() if n}

    @torch.no_grad()
    def encode(self, side):
        # The small picture is the large one halved: drawn anew, rounding would move things by a pixel or two.
        x = self.pictures(side)[None].to(loop.DEVICE).contiguous(memory_format=torch.channels_last)
        z = [self.vae.encode(p).latent_dist.mode()[0].half().cpu().contiguous() for p in (F.avg_pool2d(x, 2), x)]
        return (*z, ((x[0].cpu() + 1) * 127.5).round().byte().contiguous())

    def batch(self, side, n, norm):
        small, large, picture = (torch.stack(t).to(loop.DEVICE).float() for t in zip(*random.choices(self.sets[side], k=n)))
        return norm(small), norm(large), picture / 127.5 - 1

    def renew(self, side):
        self.sets[side][random.randrange(len(self.sets[side]))] = self.encode(side)


@torch.no_grad()
def evaluate(enlarge, pairs, vae, shift, scale, pixel=False):
    """{side: (MSE of normalised latents, PSNR of decoded pictures)}; `pixel`: the decoded small picture, grown and encoded."""
    out = {}
    for side, rows in pairs.sets.items():
        mse, psnr = [], []
        for small, large, picture in rows:
            z = small[None].to(loop.DEVICE).float()
            if pixel:
                y = (vae.encode(F.interpolate(vae.decode(z).sample.clamp(-1, 1), scale_factor=2, mode="bicubic").clamp(-1, 1)).latent_dist.mode() - shift) * scale
            else:
                y = enlarge((z - shift) * scale)
            mse.append(F.mse_loss(y[0].cpu(), (large.float() - shift) * scale).item())
            p = vae.decode(y / scale + shift).sample[0].clamp(-1, 1).cpu()
            psnr.append(-10 * math.log10(((p - (picture.float() / 127.5 - 1)) ** 2).mean().item() / 4))
        out[side] = (sum(mse) / len(mse), sum(psnr) / len(psnr))
    return out


def words(result):
    return " ".join(f"{side}²: MSE {m:.4f}, {p:.2f} dB;" for side, (m, p) in result.items())


def train(run, vae, shift, scale, config, pictures, test_pictures, sides):
    """`sides`: {larger side: (pairs, batch, share of steps)}."""
    norm = lambda z: (z - shift) * scale
    model = build(config)
    residual = isinstance(model, LatentResidualUpSampler)
    if run.state:
        model.load_state_dict(run.state["model"])
    model.to(loop.DEVICE)
    average = loop.Average(model, 0.995, run.state and run.state["average"])
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=1e-3)
    rates = loop.Rates([opt], run.state)
    small = loop.SMOKE
    pairs = Pairs(vae, pictures, {s: 2 if small else n for s, (n, _, _) in sides.items()})
    unseen = Pairs(vae, test_pictures, {s: 1 if small else max(4, 24 * 256 // s) for s in sides})
    plain = {mode: evaluate(lambda x: F.interpolate(x, scale_factor=2, mode=mode), unseen, vae, shift, scale) for mode in ("nearest", "bilinear", "bicubic")}
    plain["pixel"] = evaluate(None, unseen, vae, shift, scale, True)
    print(f"upsampler: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters")
    for k, v in plain.items():
        print(f"  {k}: {words(v)}", flush=True)
    while True:
        share = run.share()
        rates.set(run.rate(share, 0.5))
        side = random.choices(list(sides), [v[2] for v in sides.values()])[0]
        n = 1 if small else sides[side][1]
        x, y, picture = pairs.batch(side, n, norm)
        r = lambda: torch.rand(n, 1, 1, 1, device=x.device)
        x = x + r() * 0.1 * (r() < 0.5) * torch.randn_like(x)
        # Told the level: where little noise follows, what is seen counts for more; where much follows, the latents themselves.
        level = 0.1 + 0.8 * random.random()
        out = model(x, level) if residual else model(x)
        mse = F.mse_loss(out, y)
        loss, said = mse, dict(mse=mse.item())
        if random.random() < 0.5:
            f = picture.shape[2] // y.shape[2]
            i, j = random.randrange(y.shape[2] - CROP + 1), random.randrange(y.shape[3] - CROP + 1)
            z = out[:2, :, i:i + CROP, j:j + CROP] / scale + shift
            p = picture[:2, :, f * i:f * (i + CROP), f * j:f * (j + CROP)]
            d = (vae.decode(z.contiguous(memory_format=torch.channels_last)).sample - p).abs()[..., f:-f, f:-f].mean()
            said["l1"] = d.item()
            loss = loss + (1.1 * (1 - level) if residual else 0.5) * d
        opt.zero_grad(); loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        average.update(model)
        run.note(**said)
        if run.step % 4 == 0:
            pairs.renew(side)
        if run.due() or share >= 1:
            result = evaluate(average.module, unseen, vae, shift, scale)
            run.save(model.state_dict(), average.state_dict(), [opt], shift=shift, scale=scale, test=dict(learned=result, **plain), config=config)
            print(f"upsampler: saved at {run.step}; learned {words(result)}", flush=True)
        if share >= 1:
            return average.module


def write(folder, model, config):
    """The reference's layout: config.json and weights under `upsampler.`."""
    import diffusers
    from safetensors.torch import save_file
    os.makedirs(folder, exist_ok=True)
    json.dump(dict(_class_name=type(model).__name__, _diffusers_version=diffusers.__version__, **config), open(f"{folder}/config.json", "w"), indent=2)
    loop.write(f"{folder}/diffusion_pytorch_model.safetensors",
               lambda p: save_file({f"upsampler.{k}": v.half().cpu().contiguous() for k, v in model.state_dict().items()}, p, {"format": "pt"}))


def general(a):
    """Any VAE, any pictures."""
    from diffusers import AutoencoderKL
    vae = AutoencoderKL.from_pretrained(a.vae).float().eval().requires_grad_(False).to(loop.DEVICE).to(memory_format=torch.channels_last)
    c = vae.config
    channels = c.latent_channels
    groups = 4 if channels < 32 else 8
    config = dict(RESIDUAL, in_channels=channels, out_channels=channels) if a.residual else dict(CONFIG, in_channels=channels, out_channels=channels, block_out_channels=[4 * channels, max(2 * channels, 32)], norm_num_groups=groups)
    run = loop.Loop("upsampler-" + os.path.basename(os.path.abspath(a.out)), a.minutes)
    half = a.side // 2
    sides = {half: (200, 8, 0.7), a.side: (60, 2, 0.3)} if half >= 128 else {a.side: (200, 8, 1.0)}
    model = train(run, vae, c.shift_factor or 0.0, c.scaling_factor, config, Folder(a.images, 1), Folder(a.images, -1), sides)
    write(a.out, model, config)
    print(f"written: {a.out}")


def main(minutes, kind=""):
    import vae as vae_file
    s = loop.weights_of("denoise")
    run = loop.Loop(f"upsampler{'-' * bool(kind)}{kind}", minutes)
    train(run, vae_file.load(), s["shift"], s["scale"], RESIDUAL if kind else CONFIG, Scenes(run.step + 21), Scenes(4242, True), {256: (400, 8, 0.8), 512: (60, 2, 0.2)})


if __name__ == "__main__":
    if len(sys.argv) in (2, 3) and sys.argv[1].replace(".", "").isdigit():
        main(float(sys.argv[1]), *sys.argv[2:])
    else:
        p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        p.add_argument("--vae", required=True, help="folder of a diffusers AutoencoderKL (config.json, safetensors)")
        p.add_argument("--images", required=True, help="folder of pictures")
        p.add_argument("--out", default="upsampler")
        p.add_argument("--minutes", type=float, default=60)
        p.add_argument("--residual", action="store_true", help="our residual layout, which this engine alone opens, instead of the reference's")
        p.add_argument("--side", type=int, default=512, help="larger side of the largest pairs")
        general(p.parse_args())
