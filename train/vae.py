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


def objective(vae, x, shrink):
    """Reconstruction loss of pictures x [B, 3, n, n]; `shrink`: of the halved picture from the halved latents."""
    d = vae.encode(x).latent_dist
    z = d.mean + d.std * torch.randn_like(d.mean)
    kl = 0.5 * (d.mean ** 2 + d.var - 1 - d.logvar).mean()
    if shrink:
        z, x = F.avg_pool2d(z, 2), F.avg_pool2d(x, 2)
    y = vae.decode(z).sample.float()
    # Areas eight pixels wide once more: what a colour that is wrong everywhere costs, and edges hardly show.
    return loss_of(x, y) + 4 * F.mse_loss(F.avg_pool2d(y, 8), F.avg_pool2d(x, 8)) + 1e-4 * kl


def main(minutes, peak=6e-4):
    """Trains for some more minutes, from the checkpoint where there is one; what is saved is the average."""
    torch.manual_seed(int(time.time()))
    vae = build()
    step, spent, log = 0, 0.0, []
    if os.path.exists(OUT):
        s = torch.load(OUT)
        vae.load_state_dict(s["model"]); step, spent, log = s["step"], s["spent"], s["log"]
    vae.to(memory_format=torch.channels_last)
    average = copy.deepcopy(vae)
    opt = torch.optim.AdamW(vae.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=1e-3)
    # bf16 for processors with units for it. Not compiled: torch 2.13's inductor returns gradients of zero below the
    # upsampling of channels-last pictures.
    pool, first, start, saved, run = Pool(step + 1), step, time.time(), time.time(), 0.0
    while True:
        share = min(1, (time.time() - start) / (60 * minutes))
        lr = peak * min(1, (step - first + 1) / 150) * max(0.01, 0.5 + 0.5 * math.cos(math.pi * share))
        for g in opt.param_groups:
            g["lr"] = lr
        x = pool.batch(6, 128).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            loss = objective(vae, x, random.random() < 0.25)
        opt.zero_grad(); loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        opt.step()
        step += 1
        with torch.no_grad():
            keep = min(0.995, (step - first) / (step - first + 10))
            for a, b in zip(average.parameters(), vae.parameters()):
                a.lerp_(b, 1 - keep)
        run = loss.item() if run == 0 else 0.98 * run + 0.02 * loss.item()
        if step % 50 == 0:
            log.append((step, spent + time.time() - start, run))
            print(f"{step} {time.time() - start:.0f}s loss {run:.4f} lr {lr:.1e}", flush=True)
        if time.time() - saved > 180 or share >= 1:
            torch.save(dict(model=average.state_dict(), step=step, spent=spent + time.time() - start, log=log), OUT + ".part")
            os.replace(OUT + ".part", OUT)
            print(f"saved at {step}, PSNR {psnr(average, 16):.2f} dB", flush=True)
            saved = time.time()
        if share >= 1:
            return


if __name__ == "__main__":
    (refine if sys.argv[2:] == ["decoder"] else main)(float(sys.argv[1]))
