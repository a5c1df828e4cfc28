"""Trains the latent upsampler of the embedded model, in the layout of LSSGen's released checkpoints.

Pairs are the latents of one scene at s and at 2s, both normalised as the denoiser sees them. Loss: MSE between
latents, and on half of the steps L1 between a crop decoded from the prediction and the picture itself. Half of
the inputs carry a little noise, because a denoiser's latents are never exactly an encoder's.
"""
import copy, math, os, random, sys, time
import torch
import torch.nn as nn
import torch.nn.functional as F
import data, denoise

torch.set_num_threads(int(os.environ.get("THREADS", "2")))
OUT = f"{data.RUNS}/upsampler.pt"
PAIRS = f"{data.RUNS}/upsampler_pairs.pt"
# Few groups: with one channel in each (32 of 32) the norm would take the mean, and so the background's colour, away.
CONFIG = dict(in_channels=16, out_channels=16, block_out_channels=[64, 32], strides=[2, 1], is_up_samples=[True, False],
              norm_num_groups=4, act_fn="silu", interpolate="bilinear")
COUNTS = {256: 400, 512: 40}  # pairs by the larger side
CROP = 16                     # side of a decoded crop, in latents


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


class Pairs:
    """Rows (latents at s, latents at 2s, picture at 2s as bytes) by the larger side; latents not yet normalised."""

    def __init__(self, vae, seed, held, path=None, counts=COUNTS):
        self.vae, self.scenes = vae, data.Scenes(seed, held)
        self.sets = torch.load(path) if path and os.path.exists(path) else {}
        before = {s: len(v) for s, v in self.sets.items()}
        for side, n in counts.items():
            rows = self.sets.setdefault(side, [])
            while len(rows) < n:
                rows.append(self.encode(side))
                if len(rows) % 100 == 0:
                    print(f"{len(rows)} pairs of {side}", flush=True)
        if path and before != {s: len(v) for s, v in self.sets.items()}:
            torch.save(self.sets, path + ".part")
            os.replace(path + ".part", path)

    @torch.no_grad()
    def encode(self, side):
        # The small picture is the large one halved: drawn anew, rounding would move things by a pixel or two.
        x = self.scenes.draw(self.scenes.spec(), side, 0.05)[None].contiguous(memory_format=torch.channels_last)
        z = [self.vae.encode(p).latent_dist.mode()[0].half().contiguous() for p in (F.avg_pool2d(x, 2), x)]
        return (*z, ((x[0] + 1) * 127.5).round().byte().contiguous())

    def batch(self, side, n, norm):
        small, large, picture = (torch.stack(t).float() for t in zip(*random.sample(self.sets[side], n)))
        return norm(small), norm(large), picture / 127.5 - 1

    def renew(self, side):
        self.sets[side][random.randrange(len(self.sets[side]))] = self.encode(side)


@torch.no_grad()
def evaluate(enlarge, pairs, vae, shift, scale):
    """(MSE of normalised latents, PSNR of decoded pictures) by side."""
    out = {}
    for side, rows in pairs.sets.items():
        mse, psnr = [], []
        for small, large, picture in rows:
            y = enlarge((small[None].float() - shift) * scale)
            mse.append(F.mse_loss(y[0], (large.float() - shift) * scale).item())
            p = vae.decode(y / scale + shift).sample[0].clamp(-1, 1)
            psnr.append(-10 * math.log10(((p - (picture.float() / 127.5 - 1)) ** 2).mean().item() / 4))
        out[side] = (sum(mse) / len(mse), sum(psnr) / len(psnr))
    return out


def words(result):
    return " ".join(f"{side}: latent MSE {m:.4f}, {p:.2f} dB;" for side, (m, p) in result.items())


def bicubic(x):
    return F.interpolate(x, scale_factor=2, mode="bicubic")


def main(minutes):
    torch.manual_seed(int(time.time()))
    random.seed()
    held = frozenset(data.held_out(data.Scenes(0).nouns))
    vae = denoise.load_vae()
    s = torch.load(denoise.OUT, weights_only=False)
    shift, scale = s["shift"], s["scale"]
    del s
    norm = lambda z: (z - shift) * scale
    model = LatentUpSampler()
    ema = copy.deepcopy(model).requires_grad_(False)
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=1e-3)
    step, spent, log, tests = 0, 0.0, [], []
    if os.path.exists(OUT):
        s = torch.load(OUT, weights_only=False)
        model.load_state_dict(s["model"]); ema.load_state_dict(s["ema"]); opt.load_state_dict(s["opt"])
        step, spent, log, tests = s["step"], s["spent"], s["log"], s["tests"]
    quick = float(os.environ.get("SHARE", "1"))  # of the pairs: less for a trial run
    pairs = Pairs(vae, step + 21, held, PAIRS, {k: int(v * quick) for k, v in COUNTS.items()})
    unseen = Pairs(vae, 4242, frozenset(), None, {256: 24, 512: 4})
    baseline = evaluate(bicubic, unseen, vae, shift, scale)
    print(f"{sum(p.numel() for p in model.parameters())} parameters; bicubic {words(baseline)}", flush=True)
    start = saved = time.time()
    total = spent + minutes * 60
    run = {}
    while True:
        now = spent + time.time() - start
        lr = 2e-3 * min(1, (step + 1) / 100) * max(0.02, 0.5 + 0.5 * math.cos(math.pi * min(1, now / total)))
        for g in opt.param_groups:
            g["lr"] = lr
        side, n = (256, 8) if random.random() < 0.8 else (512, 2)
        x, y, picture = pairs.batch(side, n, norm)
        x = x + torch.rand(n, 1, 1, 1) * 0.1 * (torch.rand(n, 1, 1, 1) < 0.5) * torch.randn_like(x)
        out = model(x)
        mse = F.mse_loss(out, y)
        loss = mse
        run["mse"] = mse.item() if "mse" not in run else 0.98 * run["mse"] + 0.02 * mse.item()
        if random.random() < 0.5:
            i, j = random.randrange(y.shape[2] - CROP + 1), random.randrange(y.shape[3] - CROP + 1)
            z = out[:2, :, i:i + CROP, j:j + CROP] / scale + shift
            p = picture[:2, :, 8 * i:8 * (i + CROP), 8 * j:8 * (j + CROP)]
            d = (vae.decode(z.contiguous(memory_format=torch.channels_last)).sample - p).abs()[..., 8:-8, 8:-8].mean()
            run["l1"] = d.item() if "l1" not in run else 0.98 * run["l1"] + 0.02 * d.item()
            loss = loss + 0.5 * d
        opt.zero_grad(); loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        with torch.no_grad():
            for a, b in zip(ema.parameters(), model.parameters()):
                a.lerp_(b, 1 - min(0.995, (step + 1) / (step + 20)))
        step += 1
        if step % 4 == 0:
            pairs.renew(256 if step % 40 else 512)
        if step % 50 == 0:
            log.append((step, now, dict(run)))
            print(f"{step} {now:.0f}s " + " ".join(f"{k}:{v:.4f}" for k, v in run.items()) + f" lr {lr:.1e}", flush=True)
        done = now >= total
        if time.time() - saved > 180 or done:
            result = evaluate(ema, unseen, vae, shift, scale)
            tests.append((step, now, result, baseline))
            print(f"saved at {step}; learned {words(result)} bicubic {words(baseline)}", flush=True)
            torch.save(dict(model=model.state_dict(), ema=ema.state_dict(), opt=opt.state_dict(), step=step, spent=now, log=log,
                            tests=tests, shift=shift, scale=scale), OUT + ".part")
            os.replace(OUT + ".part", OUT)
            saved = time.time()
        if done:
            return


if __name__ == "__main__":
    main(float(sys.argv[1]))
