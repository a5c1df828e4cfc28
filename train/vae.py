"""Trains the VAE: diffusers' AutoencoderKL, 16 channels, 8x, thin at full resolution.

Loss: L1 + gradient L1 on pixels, a small KL, and scale equivariance (EQ-VAE, arXiv 2502.09509): the decoder
must also turn *shrunken* latents into the shrunken picture, which makes latents enlargeable and easy to denoise.
"""
import copy, math, os, random, sys, time
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
import data

torch.set_num_threads(int(os.environ.get("THREADS", "2")))
OUT = f"{data.RUNS}/vae.pt"


def build():
    return AutoencoderKL(in_channels=3, out_channels=3, latent_channels=16, block_out_channels=(16, 24, 56, 112),
                         layers_per_block=1, norm_num_groups=8, mid_block_add_attention=False,
                         use_quant_conv=False, use_post_quant_conv=False,
                         down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
                         sample_size=256)


def gradients(x):
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


def loss_of(x, y):
    e = (x - y).abs().mean() + ((x - y) ** 2).mean()
    return e + sum((a - b).abs().mean() for a, b in zip(gradients(x), gradients(y)))


class Pool:
    """A few hundred scenes drawn ahead at two sizes; batches are crops of them, slowly refreshed."""

    def __init__(self, seed):
        self.scenes = data.Scenes(seed)
        self.pool = {side: [self.draw(side) for _ in range(300)] for side in (128, 256)}

    def draw(self, side):
        return ((self.scenes.draw(self.scenes.spec(), side, 0.1) + 1) * 127.5).round().byte()

    def batch(self, n, side):
        out = []
        for _ in range(n):
            size = random.choice((128, 256))
            pool = self.pool[size]
            i = random.randrange(len(pool))
            if random.random() < 0.1:
                pool[i] = self.draw(size)
            y, x = random.randrange(size - side + 1), random.randrange(size - side + 1)
            out.append(pool[i][:, y:y + side, x:x + side])
        return torch.stack(out).float() / 127.5 - 1


def psnr(vae, n=32, side=256, seed=99):
    scenes = data.Scenes(seed)
    x = torch.stack([scenes.draw(scenes.spec(), side, 0.1) for _ in range(n)])
    with torch.no_grad():
        y = torch.cat([vae.decode(vae.encode(b).latent_dist.mode()).sample.clamp(-1, 1) for b in x.split(8)])
    return float((-10 * torch.log10(((x - y) ** 2).mean((1, 2, 3)) / 4)).mean())


def refine(minutes):
    """The decoder alone, on squared errors, averaged: pictures gain, latents stay what the denoiser knows."""
    torch.manual_seed(int(time.time()))
    vae = build()
    s = torch.load(OUT)
    vae.load_state_dict(s["model"])
    vae.encoder.requires_grad_(False)
    vae.to(memory_format=torch.channels_last)
    average = copy.deepcopy(vae.decoder.state_dict())
    opt = torch.optim.AdamW(vae.decoder.parameters(), lr=6e-4, betas=(0.9, 0.98), weight_decay=1e-3)
    pool, start, step, run = Pool(s["step"] + 5), time.time(), 0, 0.0
    while True:
        share = (time.time() - start) / (60 * minutes)
        for g in opt.param_groups:
            g["lr"] = 6e-4 * min(1, (step + 1) / 50) * max(0.03, 1 - share)
        x = pool.batch(4, 128).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            z = vae.encode(x).latent_dist.mode()
            # What the denoiser makes is never exactly an encoder's.
            z = z + 0.05 * z.std() * torch.randn_like(z)
        y = vae.decode(z).sample
        loss = 10 * ((x - y) ** 2).mean() + 0.3 * (x - y).abs().mean()
        opt.zero_grad(); loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.decoder.parameters(), 1.0)
        opt.step()
        step += 1
        with torch.no_grad():
            for a, b in zip(average.values(), vae.decoder.state_dict().values()):
                a.lerp_(b, 1 - min(0.995, step / (step + 10)))
        run = loss.item() if run == 0 else 0.98 * run + 0.02 * loss.item()
        if step % 50 == 0:
            print(f"decoder {step} {time.time() - start:.0f}s loss {run:.4f}", flush=True)
        if share >= 1:
            vae.decoder.load_state_dict(average)
            torch.save(dict(s, model=vae.state_dict(), refined=step), OUT + ".part")
            os.replace(OUT + ".part", OUT)
            print(f"refined, PSNR {psnr(vae, 32):.2f} dB")
            return


def main(minutes):
    torch.manual_seed(0)
    vae = build()
    opt = torch.optim.AdamW(vae.parameters(), lr=1.5e-3, betas=(0.9, 0.98), weight_decay=1e-3)
    step, spent, log = 0, 0.0, []
    if os.path.exists(OUT):
        s = torch.load(OUT)
        vae.load_state_dict(s["model"]); opt.load_state_dict(s["opt"]); step, spent, log = s["step"], s["spent"], s["log"]
    vae.to(memory_format=torch.channels_last)
    pool = Pool(step + 1)
    start = saved = time.time()
    total = spent + minutes * 60
    run = 0.0
    while True:
        now = spent + time.time() - start
        lr = 1.5e-3 * min(1, (step + 1) / 100) * max(0.02, 0.5 + 0.5 * math.cos(math.pi * min(1, now / total)))
        for g in opt.param_groups:
            g["lr"] = lr
        side, n = (64, 8) if random.random() < 0.85 else (128, 4)
        x = pool.batch(n, side).contiguous(memory_format=torch.channels_last)
        d = vae.encode(x).latent_dist
        z = d.mean + d.std * torch.randn_like(d.mean)
        kl = 0.5 * (d.mean ** 2 + d.var - 1 - d.logvar).mean()
        if random.random() < 0.25:
            z, x = F.avg_pool2d(z, 2), F.avg_pool2d(x, 2)
        loss = loss_of(x, vae.decode(z).sample) + 1e-4 * kl
        opt.zero_grad(); loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        opt.step()
        step += 1
        run = loss.item() if run == 0 else 0.98 * run + 0.02 * loss.item()
        if step % 50 == 0:
            log.append((step, now, run))
            print(f"{step} {now:.0f}s loss {run:.4f} kl {kl.item():.2f} lr {lr:.1e}", flush=True)
        done = now >= total
        if time.time() - saved > 120 or done:
            torch.save(dict(model=vae.state_dict(), opt=opt.state_dict(), step=step, spent=now, log=log), OUT + ".part")
            os.replace(OUT + ".part", OUT)
            print(f"saved at {step}, PSNR {psnr(vae, 16):.2f} dB", flush=True)
            saved = time.time()
        if done:
            return


if __name__ == "__main__":
    (refine if sys.argv[2:] == ["decoder"] else main)(float(sys.argv[1]))
